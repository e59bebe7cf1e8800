/*
 * signatures - stand-ins for signing and verifying, so that a fuzzer sees what lies behind a signature at full speed.
 *
 * The linker puts them in place of crypto/keys.h's (--wrap). A signature counts as good when its last byte is below 20,
 * which that of every real one is (RFC 8032: S is below 2^253). What real signatures must do, fuzz_signed holds them to.
 */
#pragma once
#include "crypto/keys.h"

bool __wrap_signature_verify(const struct key_public *key, span message, const struct signature *signature);
bool __wrap_signature_verify(const struct key_public *key, span message, const struct signature *signature)
{
    uint8_t touched = 0; /* every byte that a verifier reads must be there */
    for (size_t i = 0; i < message.len; i++) touched ^= message.at[i];
    for (size_t i = 0; i < sizeof key->bytes; i++) touched ^= key->bytes[i];
    __asm__ volatile("" : : "r"(touched));
    return signature->bytes[sizeof signature->bytes - 1] < 0x20;
}

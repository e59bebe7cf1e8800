/*
 * sealed - a secret in a file: under a passphrase, or owner-only by explicit choice.
 *
 * Layout of a key file (all binary):
 *     "counterpart key\n" (16 bytes) ‖ version 01 ‖ kind (1 byte) ‖ protection (1 byte: 0 open, 1 passphrase)
 *     open:        secret (32 bytes) ‖ first 8 bytes of H(label ‖ 00 ‖ everything before): a torn file is noticed
 *     passphrase:  opslimit (u64 be) ‖ memlimit (u64 be) ‖ salt (16) ‖ nonce (24) ‖ XChaCha20-Poly1305 of the secret (48)
 * The key of the box is Argon2id(passphrase, salt, opslimit, memlimit) (RFC 9106); everything before the nonce's end is
 * its associated data. Limits read from a file are bounded before they are used.
 */
#pragma once
#include "crypto/keys.h"

enum key_kind {
    KEY_IDENTITY = 1,
    KEY_LOG = 2,
    KEY_RECEIPT = 3,
    KEY_TRANSPORT = 4,
};

#define SEALED_BYTES_MAX 160
#define PASSPHRASE_BYTES_MAX 1024

/*
 * How hard Argon2id works. SEALED_INTERACTIVE (64 MiB) for daily use: a node has several key files and opens one for each
 * command. SEALED_CHEAP is for tests only.
 */
enum sealed_effort { SEALED_INTERACTIVE, SEALED_CHEAP };

/* Writes a key file's bytes. `passphrase.at == NULL` writes it open. Fails: ERR_MEMORY, ERR_LIMIT (passphrase). */
MUST_USE bool sealed_write(struct sink *out, enum key_kind kind, const uint8_t secret[KEY_SEED_BYTES], span passphrase,
                           enum sealed_effort effort, const struct world *world, struct err *e);
/* True when the file asks for a passphrase. */
bool sealed_needs_passphrase(span file);
/*
 * Fails: ERR_CORRUPT (not a key file, or damaged), ERR_REFUSED (wrong passphrase, or one is needed), ERR_USAGE (another
 * kind of key), ERR_MEMORY.
 */
MUST_USE bool sealed_read(span file, enum key_kind kind, span passphrase, uint8_t out[KEY_SEED_BYTES], struct err *e);

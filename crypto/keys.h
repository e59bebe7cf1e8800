/*
 * keys - the four kinds of key, never converted into one another.
 *
 * identity, log and receipt keys sign (Ed25519, RFC 8032); a transport key agrees (X25519, RFC 7748). Secrets live in
 * guarded memory and have no printer. Threads: a key may be used by several threads at once, none changes it.
 */
#pragma once
#include "crypto/base/world.h"
#include "crypto/hash.h"

#define KEY_SEED_BYTES 32

struct key_public {
    uint8_t bytes[32];
};
struct signature {
    uint8_t bytes[64];
};

bool key_public_equal(const struct key_public *a, const struct key_public *b);
static inline span key_public_span(const struct key_public *k) { return (span){k->bytes, sizeof k->bytes}; }

/* Must be called once before anything else of crypto/. False when libsodium cannot start. */
MUST_USE bool crypto_start(struct err *e);

struct signing_key; /* Ed25519, opaque */
/* From 32 secret bytes, which are copied into guarded memory. Fails: ERR_MEMORY. */
MUST_USE bool signing_key_new(struct signing_key **out, const uint8_t seed[KEY_SEED_BYTES], struct err *e);
const struct key_public *signing_key_public(const struct signing_key *key);
void signing_key_sign(const struct signing_key *key, span message, struct signature *out);
void signing_key_free(struct signing_key *key);
OWNABLE(struct signing_key *, signing_key_free)
/* Strict, as libsodium: small-order keys and non-canonical signatures are refused. */
bool signature_verify(const struct key_public *key, span message, const struct signature *signature);

struct transport_key; /* X25519, opaque */
MUST_USE bool transport_key_new(struct transport_key **out, const uint8_t seed[KEY_SEED_BYTES], struct err *e);
const struct key_public *transport_key_public(const struct transport_key *key);
/* The shared secret. False when it would be all zero (a small-order public key). */
MUST_USE bool transport_key_agree(const struct transport_key *key, const struct key_public *theirs, uint8_t out[32]);
void transport_key_free(struct transport_key *key);
OWNABLE(struct transport_key *, transport_key_free)

/* Overwrites secrets in a way the compiler keeps. */
void secret_wipe(void *at, size_t len);
bool secret_equal(const void *a, const void *b, size_t len); /* constant time */

/* Fingerprint of an identity key: H(label ‖ 00 ‖ key), for people and the charter. */
struct hash key_fingerprint(const struct key_public *identity);

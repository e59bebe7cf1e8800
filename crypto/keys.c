#include "crypto/keys.h"

#include <sodium.h>
#include <string.h>

/*
 * Both live in sodium_malloc memory: guard pages around, locked when the system allows it,
 * read-only once filled.
 */
struct signing_key {
    struct key_public public_key;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
};

struct transport_key {
    struct key_public public_key;
    uint8_t secret[crypto_scalarmult_SCALARBYTES];
};

_Static_assert(sizeof(struct key_public) == crypto_sign_PUBLICKEYBYTES, "an Ed25519 key");
_Static_assert(sizeof(struct key_public) == crypto_scalarmult_BYTES, "an X25519 key");
_Static_assert(sizeof(struct signature) == crypto_sign_BYTES, "an Ed25519 signature");
_Static_assert(KEY_SEED_BYTES == crypto_sign_SEEDBYTES, "an Ed25519 seed");
_Static_assert(KEY_SEED_BYTES == crypto_scalarmult_SCALARBYTES, "an X25519 seed");

bool crypto_start(struct err *e)
{
    if (sodium_init() < 0)
        return err_set(e, ERR_MISSING, "libsodium cannot start: the system gives no random bytes");
    return true;
}

bool key_public_equal(const struct key_public *a, const struct key_public *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool signing_key_new(struct signing_key **out, const uint8_t seed[KEY_SEED_BYTES], struct err *e)
{
    OWNED(signing_key_free) struct signing_key *key = sodium_malloc(sizeof *key);
    if (!key) return err_memory(e);
    must(crypto_sign_seed_keypair(key->public_key.bytes, key->secret, seed) == 0);
    if (sodium_mprotect_readonly(key) != 0) return err_memory(e);
    *out = GIVE(key);
    return true;
}

const struct key_public *signing_key_public(const struct signing_key *key)
{
    return &key->public_key;
}

void signing_key_sign(const struct signing_key *key, span message, struct signature *out)
{
    must(crypto_sign_detached(out->bytes, NULL, message.at, message.len, key->secret) == 0);
}

void signing_key_free(struct signing_key *key)
{
    sodium_free(key); /* wipes */
}

bool signature_verify(const struct key_public *key, span message, const struct signature *signature)
{
    return crypto_sign_verify_detached(signature->bytes, message.at, message.len, key->bytes) == 0;
}

bool transport_key_new(struct transport_key **out, const uint8_t seed[KEY_SEED_BYTES],
                       struct err *e)
{
    OWNED(transport_key_free) struct transport_key *key = sodium_malloc(sizeof *key);
    if (!key) return err_memory(e);
    memcpy(key->secret, seed, sizeof key->secret);
    must(crypto_scalarmult_base(key->public_key.bytes, key->secret) == 0);
    if (sodium_mprotect_readonly(key) != 0) return err_memory(e);
    *out = GIVE(key);
    return true;
}

const struct key_public *transport_key_public(const struct transport_key *key)
{
    return &key->public_key;
}

bool transport_key_agree(const struct transport_key *key, const struct key_public *theirs,
                         uint8_t out[32])
{
    uint8_t shared[crypto_scalarmult_BYTES] = {0};

    /* libsodium refuses both the known small-order keys and an all-zero result. */
    bool is_agreed = crypto_scalarmult(shared, key->secret, theirs->bytes) == 0;
    if (is_agreed) memcpy(out, shared, sizeof shared);
    secret_wipe(shared, sizeof shared);
    return is_agreed;
}

void transport_key_free(struct transport_key *key)
{
    sodium_free(key); /* wipes */
}

void secret_wipe(void *at, size_t len)
{
    sodium_memzero(at, len);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

struct hash key_fingerprint(const struct key_public *identity)
{
    span key = key_public_span(identity);
    return hash_labelled("counterpart/v1/fingerprint", &key, 1);
}

#include "crypto/hash.h"

#include <sodium.h>
#include <string.h>

struct hash hash_of(span bytes)
{
    struct hash out = {0};
    (void)crypto_hash_sha256(out.bytes, bytes.at, bytes.len);
    return out;
}

struct hash hash_labelled(const char *label, const span *parts, size_t part_count)
{
    struct hash out = {0};
    crypto_hash_sha256_state state;
    (void)crypto_hash_sha256_init(&state);
    /* The label's own final zero is the 00 that ends it. */
    (void)crypto_hash_sha256_update(&state, (const unsigned char *)label, strlen(label) + 1);
    for (size_t i = 0; i < part_count; i++)
        if (parts[i].len) (void)crypto_hash_sha256_update(&state, parts[i].at, parts[i].len);
    (void)crypto_hash_sha256_final(&state, out.bytes);
    return out;
}

bool hash_equal(const struct hash *a, const struct hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool hash_equal_ct(const struct hash *a, const struct hash *b)
{
    return sodium_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool hash_is_zero(const struct hash *a)
{
    static const struct hash zero = {0};
    return hash_equal(a, &zero);
}

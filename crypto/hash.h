/*
 * hash - SHA-256 (FIPS 180-4), plain and domain-separated.
 */
#pragma once
#include "crypto/base/span.h"

struct hash {
    uint8_t bytes[32];
};

struct hash hash_of(span bytes);
/*
 * H(label ‖ 00 ‖ parts[0] ‖ parts[1] ...). The label is ASCII ("counterpart/v1/body"); no two uses share one. All parts
 * but the last have a fixed size, so that no two lists of parts give the same bytes.
 */
struct hash hash_labelled(const char *label, const span *parts, size_t part_count);
bool hash_equal(const struct hash *a, const struct hash *b);    /* public values */
bool hash_equal_ct(const struct hash *a, const struct hash *b); /* secrets and authenticators */
bool hash_is_zero(const struct hash *a);
static inline span hash_span(const struct hash *h) { return (span){h->bytes, sizeof h->bytes}; }

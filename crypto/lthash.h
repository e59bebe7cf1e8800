/*
 * lthash - a digest of a set of facts that is kept up by adding and removing single facts, in any order.
 *
 * LtHash16 with 1,024 lanes (Bellare and Micciancio 1997; Lewi, Kim, Maykov and Weis, "Securing Update Propagation with
 * Homomorphic Hashing", 2019): each fact is stretched to 1,024 little-endian 16-bit numbers which are added to or
 * subtracted from the sum, lane by lane, modulo 2^16. Stretching: key = H(label ‖ 00 ‖ fact), then 2,048 bytes of the
 * ChaCha20 keystream (RFC 8439 block function, 96-bit nonce of zeros, counter from 0).
 */
#pragma once
#include "crypto/hash.h"

#define LTHASH_BYTES 2048

struct lthash {
    uint16_t lanes[LTHASH_BYTES / 2]; /* all zero is the empty set */
};

void lthash_add(struct lthash *sum, const char *label, span fact);
void lthash_remove(struct lthash *sum, const char *label, span fact);
/* H(label ‖ 00 ‖ the lanes as little-endian bytes) */
struct hash lthash_digest(const struct lthash *sum, const char *label);
void lthash_save(const struct lthash *sum, uint8_t out[LTHASH_BYTES]);
/* False unless there are exactly LTHASH_BYTES. */
MUST_USE bool lthash_load(struct lthash *sum, span saved);

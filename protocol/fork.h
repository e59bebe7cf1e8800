/*
 * fork - proof that one log key signed two histories, for anyone to check (R9; DESIGN section 3).
 *
 * Two signed heads whose trees share the first `at` leaves and differ in leaf `at`, the first differing index: a
 * consistency proof from the common start to each head, and an inclusion proof of each one's leaf.
 * Bytes, canonical msgpack (FORMAT.md section 8): [log key, at, root of the first `at`, [side, side]],
 * side = [size, root, signature, leaf hash, [prefix hash ...], [inclusion hash ...]], the side with the lower leaf first.
 */
#pragma once
#include "crypto/note.h"
#include "protocol/entry.h"

#define FORK_PROOF_BYTES_MAX 12288

struct fork_side {
    struct head head;
    struct hash leaf;               /* hash of its leaf `at` */
    struct merkle_proof prefix;     /* consistency at -> head.size */
    struct merkle_proof inclusion;  /* of leaf `at` in head.size */
};
struct fork_proof {
    struct key_public log_key;
    uint64_t at;
    struct hash root_at;
    struct fork_side sides[2];
};

void fork_write(struct sink *out, const struct fork_proof *proof);
/* Reads the shape only, and which side stands first. Fails: ERR_MALFORMED, ERR_LIMIT. */
MUST_USE bool fork_read(struct reader *r, struct fork_proof *out, struct err *e);
/* True when it proves a fork of the log of this origin. */
bool fork_check(const struct fork_proof *proof, const char *origin);

/* A Merkle proof as an array of hashes. */
void proof_hashes_write(struct sink *out, const struct merkle_proof *proof);
MUST_USE bool proof_hashes_read(struct reader *r, struct merkle_proof *out, struct err *e);

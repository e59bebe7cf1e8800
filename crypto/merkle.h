/*
 * merkle - the append-only tree of a feed: RFC 6962 section 2.1, RFC 9162 section 2.1; ../shared evidence section 1.
 *
 * leaf = H(00 ‖ entry), node = H(01 ‖ left ‖ right), root of nothing = H(""). Appending costs O(1) hashes on average and
 * O(log n) at most; proofs cost O(log n) look-ups. This room keeps nothing: an edge is the caller's, complete subtrees
 * are looked up through a function the caller hands in.
 *
 * Where complete subtrees live: (level, index) covers leaves index * 2^level up to (index + 1) * 2^level - 1. Level 0 is
 * the leaf hash. The subtree (level, index) is complete as soon as its last leaf is appended; merkle_append hands out
 * exactly the subtrees of level >= 1 which the new leaf completed, lowest level first.
 */
#pragma once
#include "crypto/hash.h"

#define MERKLE_LEVELS_MAX 64
#define MERKLE_PROOF_MAX 63 /* hashes in any proof */

/* The roots of the complete subtrees that make up a tree of `size` leaves, largest (leftmost) first. */
struct merkle_edge {
    uint64_t size;
    struct hash peaks[MERKLE_LEVELS_MAX]; /* popcount(size) of them are in use */
};

struct merkle_proof {
    size_t count;
    struct hash hashes[MERKLE_PROOF_MAX]; /* in the order they are sent, evidence section 1 */
};

/* Finds a complete subtree. False with ERR_MISSING, ERR_DISK or ERR_CORRUPT. */
struct merkle_nodes {
    bool (*find)(void *self, unsigned level, uint64_t index, struct hash *out, struct err *e);
    void *self;
};

struct hash merkle_leaf(span entry);
struct hash merkle_node(const struct hash *left, const struct hash *right);
struct hash merkle_root(const struct merkle_edge *edge); /* of the tree so far */
/*
 * Adds a leaf hash. `completed` has room for MERKLE_LEVELS_MAX hashes and receives the subtrees of level 1, 2, ... that
 * this leaf completed; returns how many (the number of trailing one bits of the old size).
 */
size_t merkle_append(struct merkle_edge *edge, const struct hash *leaf, struct hash *completed);

/* The edge of the tree of the first `size` leaves. Fails as `nodes` does. */
MUST_USE bool merkle_edge_at(struct merkle_nodes nodes, uint64_t size, struct merkle_edge *out, struct err *e);
MUST_USE bool merkle_root_at(struct merkle_nodes nodes, uint64_t size, struct hash *out, struct err *e);
/* Needs index < size. Fails: ERR_MISSING when it is not, ERR_LIMIT (size above 2^62), or as `nodes` does. */
MUST_USE bool merkle_prove_inclusion(struct merkle_nodes nodes, uint64_t index, uint64_t size, struct merkle_proof *out,
                                     struct err *e);
/* Needs old <= size; empty when old is 0 or equal. Fails: ERR_MISSING, ERR_LIMIT (as above), or as `nodes` does. */
MUST_USE bool merkle_prove_consistency(struct merkle_nodes nodes, uint64_t old, uint64_t size, struct merkle_proof *out,
                                       struct err *e);

/* RFC 9162 2.1.3.2 and 2.1.4.2, with the cases size 0 and equal sizes as evidence section 1 decides them. */
bool merkle_check_inclusion(uint64_t index, uint64_t size, const struct hash *leaf, const struct merkle_proof *proof,
                            const struct hash *root);
bool merkle_check_consistency(uint64_t old, uint64_t size, const struct hash *old_root, const struct hash *root,
                              const struct merkle_proof *proof);

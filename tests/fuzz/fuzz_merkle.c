/*
 * Merkle proofs against whole small trees: a proof is accepted only when it is the one that this room makes.
 * Input: kind, two numbers, how many hashes, then for each hash a byte that names one of the tree's or a wrong one.
 */
#include "crypto/merkle.h"
#include "tests/fuzz/fuzz.h"

#define LEAVES UINT64_C(40)

/* Every complete subtree of the largest tree, and the root of each smaller one. */
struct forest {
    struct hash nodes[7][LEAVES];
    struct hash roots[LEAVES + 1];
    struct hash pool[256]; /* what inputs name: nodes first, then hashes of nothing */
    size_t pool_count;
};
static struct forest forest;

static bool find(void *self, unsigned level, uint64_t index, struct hash *out, struct err *e)
{
    const struct forest *f = self;
    if (level >= 7 || index >= LEAVES >> level) return err_set(e, ERR_MISSING, "no such subtree");
    *out = f->nodes[level][index];
    return true;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct merkle_edge edge = {0};
    (void)argc, (void)argv;
    forest.roots[0] = merkle_root(&edge);
    for (uint64_t i = 0; i < LEAVES; i++) {
        uint8_t name = (uint8_t)i;
        struct hash leaf = merkle_leaf(span_of(&name, 1)), done[MERKLE_LEVELS_MAX];
        size_t count = merkle_append(&edge, &leaf, done);
        forest.nodes[0][i] = leaf;
        for (size_t level = 1; level <= count; level++) forest.nodes[level][i >> level] = done[level - 1];
        forest.roots[i + 1] = merkle_root(&edge);
    }
    for (unsigned level = 0; level < 7; level++)
        for (size_t i = 0; i < LEAVES >> level; i++) forest.pool[forest.pool_count++] = forest.nodes[level][i];
    for (size_t i = 0; i <= LEAVES; i++) forest.pool[forest.pool_count++] = forest.roots[i];
    while (forest.pool_count < 256) {
        uint8_t wrong = (uint8_t)forest.pool_count;
        forest.pool[forest.pool_count++] = hash_of(span_of(&wrong, 1));
    }
    return 0;
}

static bool same_proof(const struct merkle_proof *a, const struct merkle_proof *b)
{
    return a->count == b->count && memcmp(a->hashes, b->hashes, a->count * sizeof a->hashes[0]) == 0;
}

static void inclusion(uint64_t index, uint64_t size, const struct merkle_proof *given)
{
    struct merkle_nodes nodes = {find, &forest};
    static struct merkle_proof right;
    const struct hash *leaf = &forest.nodes[0][index % LEAVES];
    struct err e = {0};
    bool is_there = size <= LEAVES && merkle_prove_inclusion(nodes, index, size, &right, &e);
    must(is_there == (size <= LEAVES && index < size));
    if (is_there) must(merkle_check_inclusion(index, size, leaf, &right, &forest.roots[size]));
    const struct hash *root = &forest.roots[size <= LEAVES ? size : LEAVES];
    bool is_accepted = merkle_check_inclusion(index, size, leaf, given, root);
    if (size <= LEAVES) must(is_accepted == (is_there && same_proof(given, &right)));
}

static void consistency(uint64_t old, uint64_t size, const struct merkle_proof *given)
{
    struct merkle_nodes nodes = {find, &forest};
    static struct merkle_proof right;
    struct err e = {0};
    if (old > LEAVES || size > LEAVES) {
        (void)merkle_check_consistency(old, size, &forest.roots[LEAVES], &forest.roots[1], given);
        return;
    }
    bool is_there = merkle_prove_consistency(nodes, old, size, &right, &e);
    must(is_there == (old <= size));
    if (is_there) must(merkle_check_consistency(old, size, &forest.roots[old], &forest.roots[size], &right));
    bool is_accepted = merkle_check_consistency(old, size, &forest.roots[old], &forest.roots[size], given);
    must(is_accepted == (is_there && same_proof(given, &right)));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct merkle_proof given;
    span in = span_of(at, len);
    uint8_t kind = input_byte(&in);
    size_t width = kind & 2 ? 8 : 1; /* numbers of one byte meet the tree, of eight the limits */
    uint64_t a = input_number(&in, width), b = input_number(&in, width);
    given.count = input_byte(&in) % (MERKLE_PROOF_MAX + 1);
    for (size_t i = 0; i < given.count; i++) given.hashes[i] = forest.pool[input_byte(&in)];
    if (kind & 1) inclusion(a, b, &given);
    else consistency(a, b, &given);
    return 0;
}

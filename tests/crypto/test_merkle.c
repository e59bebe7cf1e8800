#include "crypto/merkle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "tests/testing.h"

#define LEAVES_MAX 512
#define LEVELS 10

/* A tree kept whole, as a node keeps it: what merkle_append handed out, by level and index. */
struct tree {
    struct merkle_edge edge;
    struct hash at[LEVELS][LEAVES_MAX];
    uint64_t counts[LEVELS];
    size_t look_ups;
};

static bool tree_find(void *self, unsigned level, uint64_t index, struct hash *out, struct err *e)
{
    struct tree *tree = self;
    tree->look_ups++;
    if (level >= LEVELS || index >= tree->counts[level])
        return err_set(e, ERR_MISSING, "no node (%u, %" PRIu64 ")", level, index);
    *out = tree->at[level][index];
    return true;
}

static struct merkle_nodes tree_nodes(struct tree *tree)
{
    return (struct merkle_nodes){tree_find, tree};
}

static void tree_add(struct tree *tree, const struct hash *leaf)
{
    struct hash completed[MERKLE_LEVELS_MAX];
    size_t count = merkle_append(&tree->edge, leaf, completed);
    tree->at[0][tree->counts[0]++] = *leaf;
    for (size_t i = 0; i < count; i++) tree->at[i + 1][tree->counts[i + 1]++] = completed[i];
}

static struct tree *tree_of(const struct hash *leaves, size_t count)
{
    struct tree *tree = calloc(1, sizeof *tree);
    assert_non_null(tree);
    for (size_t i = 0; i < count; i++) tree_add(tree, &leaves[i]);
    return tree;
}

static void assert_hash(struct hash actual, const char *hex)
{
    char text[65] = "";
    assert_string_equal(hex_write(hash_span(&actual), text, sizeof text), hex);
}

/* ------------------------------------------------------------ the definitions, word for word */

/* RFC 9162 sections 2.1.1, 2.1.3.1 and 2.1.4.1 as they stand: recursive, on the leaves alone. */
static size_t split(size_t n)
{
    size_t k = 1;
    while (k * 2 < n) k *= 2;
    return k;
}

static struct hash defined_root(const struct hash *leaves, size_t n)
{
    if (n == 0) return hash_of(span_of(NULL, 0));
    if (n == 1) return leaves[0];
    size_t k = split(n);
    struct hash left = defined_root(leaves, k), right = defined_root(leaves + k, n - k);
    return merkle_node(&left, &right);
}

static void defined_inclusion(const struct hash *leaves, size_t i, size_t n,
                              struct merkle_proof *out)
{
    if (n == 1) return;
    size_t k = split(n);
    bool is_left = i < k;
    defined_inclusion(is_left ? leaves : leaves + k, is_left ? i : i - k, is_left ? k : n - k, out);
    out->hashes[out->count++] = is_left ? defined_root(leaves + k, n - k) : defined_root(leaves, k);
}

static void defined_consistency(const struct hash *leaves, size_t m, size_t n, bool is_whole,
                                struct merkle_proof *out)
{
    if (m == n) {
        if (!is_whole) out->hashes[out->count++] = defined_root(leaves, n);
        return;
    }
    size_t k = split(n);
    if (m <= k) {
        defined_consistency(leaves, m, k, is_whole, out);
        out->hashes[out->count++] = defined_root(leaves + k, n - k);
    } else {
        defined_consistency(leaves + k, m - k, n - k, false, out);
        out->hashes[out->count++] = defined_root(leaves, k);
    }
}

static void assert_same_proof(const struct merkle_proof *a, const struct merkle_proof *b)
{
    assert_int_equal(a->count, b->count);
    if (a->count) assert_memory_equal(a->hashes, b->hashes, a->count * sizeof a->hashes[0]);
}

/* ------------------------------------------------------------ the worked example of the format */

static const char *const leaf_hex[8] = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "0e19a76918b987a09c50990611559311f32c8c6489a3efd45351f55312b98fd3",
    "3fa13040794802ef854096500f3ea3b85b4301b0ece339e91ed7c836185b4832",
    "541409efc26c1f4455ce25fb96199ed640f747db82379de532506ce94689d2a9",
    "7141a514e7898f6cdf0e9d72772c060618441494802c1813d8685753671a20e0",
    "cba728a54258ebaac600cd894c22e668445f1f28571e15ccc0fda977ab15c43c",
    "7754aca9aa1cccd4461fb2477e8e7cb82558d34115a7e22b70b79dcca1395a13",
};

static const char *const root_hex[9] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "3410283b0423765436db5197043fb6607222abcd1578adace234acf215aaba16",
    "79cec2db8f9787fc353545673ba796f71834e155cbcc6db4fc81891f606b7f99",
    "8365c35b2453f1208c6a386710d2c918316558c96b0654c42203902fc5c6aacb",
    "c9ae8e9635d03e990c1c30f419b0200aa69e65110078de1ea9698065a1955dde",
    "1e22e8343d4e798bc1d9ae19e0c78440d95e7a1afa402f1d49c3d63161d096bb",
    "1abd5df73946fc46f54f97b438efd7d3d999b47e295fa7166c56c867added797",
};

static const char n01[] = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
static const char n23[] = "793ddee5f0ebe7d53ec2c03f13cb0c572592bd06f93de1efacd9d0440f14a04c";
static const char n45[] = "b2231b9b0cb4692cbcd184dd62b69a1ce2f2e710e35bad85dfe7301d2c8ba6d4";
static const char n67[] = "74c7eb7d66cdeba98e8f6e3393ec5e94ab361c883ba9fba63d0e97001a3ff1a3";
static const char n03[] = "79cec2db8f9787fc353545673ba796f71834e155cbcc6db4fc81891f606b7f99";
static const char n46[] = "03020644d0f00e699094f38a25d44535bbd339ae46c756c91de0bf1aed3e2da9";
static const char n47[] = "718f8907a8405bcd1ed1ab031a6ae7ab7633bee4f9efe13c370d65ee4d34a3bb";

static void example_leaves(struct hash leaves[8])
{
    for (size_t i = 0; i < 8; i++)
        assert_true(hex_read(span_text(leaf_hex[i]), leaves[i].bytes, sizeof leaves[i].bytes));
}

static void leaves_hash_as_in_the_worked_example(void **state)
{
    (void)state;
    uint8_t two[64] = {0}, every[256] = {0};
    for (size_t i = 0; i < sizeof every; i++) every[i] = (uint8_t)i;
    assert_true(hex_read(span_text(leaf_hex[0]), two, 32));
    assert_true(hex_read(span_text(leaf_hex[1]), two + 32, 32));
    const span entries[8] = {
        span_of(NULL, 0),
        span_of("\0", 1),
        span_text("Counterpart leaf 2"),
        span_of(two, sizeof two),
        span_text("Soci\xc3\xa9t\xc3\xa9 \xe2\x80\x93 Z\xc3\xbcrich\n"),
        span_text("\x81\xa1" "a\x01"),
        span_of(every, sizeof every),
        span_text("last"),
    };

    for (size_t i = 0; i < 8; i++) assert_hash(merkle_leaf(entries[i]), leaf_hex[i]);
}

static void a_leaf_cannot_pose_as_a_node(void **state)
{
    (void)state;
    struct hash leaves[8] = {0};
    example_leaves(leaves);

    assert_hash(merkle_node(&leaves[0], &leaves[1]), n01);
    assert_hash(merkle_leaf(span_of(leaves, 64)), leaf_hex[3]);
}

static void appending_gives_the_known_roots_and_nodes(void **state)
{
    (void)state;
    struct hash leaves[8] = {0}, completed[MERKLE_LEVELS_MAX];
    struct merkle_edge edge = {0};
    example_leaves(leaves);

    assert_hash(merkle_root(&edge), root_hex[0]);
    for (size_t i = 0; i < 8; i++) {
        size_t count = merkle_append(&edge, &leaves[i], completed);

        assert_int_equal(edge.size, i + 1);
        assert_int_equal(count, __builtin_ctzll(i + 1));
        assert_hash(merkle_root(&edge), root_hex[i + 1]);
        if (i == 1) assert_hash(completed[0], n01);
        if (i == 3) assert_hash(completed[0], n23);
        if (i == 3) assert_hash(completed[1], n03);
        if (i == 5) assert_hash(completed[0], n45);
    }
    assert_hash(completed[0], n67);
    assert_hash(completed[1], n47);
    assert_hash(completed[2], root_hex[8]);
}

static void assert_proof(const struct merkle_proof *proof, const char *const hex[4])
{
    size_t count = 0;
    while (count < 4 && hex[count]) count++;
    assert_int_equal(proof->count, count);
    for (size_t i = 0; i < count; i++) assert_hash(proof->hashes[i], hex[i]);
}

static void inclusion_proofs_are_those_of_the_worked_example(void **state)
{
    (void)state;
    const struct {
        uint64_t size, index;
        const char *hex[4];
    } known[] = {
        {1, 0, {NULL}},
        {2, 0, {leaf_hex[1]}},
        {2, 1, {leaf_hex[0]}},
        {3, 0, {leaf_hex[1], leaf_hex[2]}},
        {3, 1, {leaf_hex[0], leaf_hex[2]}},
        {3, 2, {n01}},
        {7, 0, {leaf_hex[1], n23, n46}},
        {7, 1, {leaf_hex[0], n23, n46}},
        {7, 2, {leaf_hex[3], n01, n46}},
        {7, 3, {leaf_hex[2], n01, n46}},
        {7, 4, {leaf_hex[5], leaf_hex[6], n03}},
        {7, 5, {leaf_hex[4], leaf_hex[6], n03}},
        {7, 6, {n45, n03}},
        {8, 0, {leaf_hex[1], n23, n47}},
        {8, 1, {leaf_hex[0], n23, n47}},
        {8, 2, {leaf_hex[3], n01, n47}},
        {8, 3, {leaf_hex[2], n01, n47}},
        {8, 4, {leaf_hex[5], n67, n03}},
        {8, 5, {leaf_hex[4], n67, n03}},
        {8, 6, {leaf_hex[7], n45, n03}},
        {8, 7, {leaf_hex[6], n45, n03}},
    };
    struct hash leaves[8] = {0};
    example_leaves(leaves);
    struct tree *tree = tree_of(leaves, 8);

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct merkle_proof proof = {0};
        struct hash root = {0};
        assert_true(merkle_prove_inclusion(tree_nodes(tree), known[i].index, known[i].size, &proof,
                                           NULL));
        assert_proof(&proof, known[i].hex);
        assert_true(hex_read(span_text(root_hex[known[i].size]), root.bytes, sizeof root.bytes));
        assert_true(merkle_check_inclusion(known[i].index, known[i].size, &leaves[known[i].index],
                                           &proof, &root));
    }
    free(tree);
}

static void consistency_proofs_are_those_of_the_worked_example(void **state)
{
    (void)state;
    const struct {
        uint64_t old, size;
        const char *hex[4];
    } known[] = {
        {0, 1, {NULL}},
        {1, 1, {NULL}},
        {0, 2, {NULL}},
        {1, 2, {leaf_hex[1]}},
        {2, 2, {NULL}},
        {0, 3, {NULL}},
        {1, 3, {leaf_hex[1], leaf_hex[2]}},
        {2, 3, {leaf_hex[2]}},
        {3, 3, {NULL}},
        {0, 7, {NULL}},
        {1, 7, {leaf_hex[1], n23, n46}},
        {2, 7, {n23, n46}},
        {3, 7, {leaf_hex[2], leaf_hex[3], n01, n46}},
        {7, 7, {NULL}},
        {0, 8, {NULL}},
        {1, 8, {leaf_hex[1], n23, n47}},
        {2, 8, {n23, n47}},
        {3, 8, {leaf_hex[2], leaf_hex[3], n01, n47}},
        {7, 8, {leaf_hex[6], leaf_hex[7], n45, n03}},
        {8, 8, {NULL}},
    };
    struct hash leaves[8] = {0};
    example_leaves(leaves);
    struct tree *tree = tree_of(leaves, 8);

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct merkle_proof proof = {0};
        struct hash old = {0}, root = {0};
        assert_true(merkle_prove_consistency(tree_nodes(tree), known[i].old, known[i].size, &proof,
                                             NULL));
        assert_proof(&proof, known[i].hex);
        assert_true(hex_read(span_text(root_hex[known[i].old]), old.bytes, sizeof old.bytes));
        assert_true(hex_read(span_text(root_hex[known[i].size]), root.bytes, sizeof root.bytes));
        assert_true(merkle_check_consistency(known[i].old, known[i].size, &old, &root, &proof));
    }
    free(tree);
}

/* ------------------------------------------------------------ random trees */

static size_t random_leaves(struct test_random *random, struct hash leaves[LEAVES_MAX])
{
    for (size_t i = 0; i < LEAVES_MAX; i++)
        test_random_bytes(random, leaves[i].bytes, sizeof leaves[i].bytes);
    return 1 + (size_t)test_random_below(random, LEAVES_MAX);
}

static void roots_and_edges_follow_the_definition(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    struct hash leaves[LEAVES_MAX];
    random_leaves(&random, leaves);
    struct tree *tree = tree_of(leaves, LEAVES_MAX);
    struct merkle_edge grown = {0};

    for (size_t size = 0; size <= LEAVES_MAX; size++) {
        struct hash expected = defined_root(leaves, size), found = {0}, completed[64];
        struct hash now = merkle_root(&grown);
        struct merkle_edge edge = {0};
        assert_true(hash_equal(&expected, &now));
        assert_true(merkle_root_at(tree_nodes(tree), size, &found, NULL));
        assert_true(hash_equal(&expected, &found));
        assert_true(merkle_edge_at(tree_nodes(tree), size, &edge, NULL));
        assert_int_equal(edge.size, size);
        assert_memory_equal(edge.peaks, grown.peaks,
                            (size_t)__builtin_popcountll(size) * sizeof edge.peaks[0]);
        if (size < LEAVES_MAX) merkle_append(&grown, &leaves[size], completed);
    }
    free(tree);
}

/* Every change to one hash, to their number, to the leaf or the root. */
static void assert_altered_inclusion_fails(struct test_random *random, uint64_t index,
                                           uint64_t size, const struct hash *leaf,
                                           const struct merkle_proof *proof,
                                           const struct hash *root)
{
    struct hash other = {0};
    struct merkle_proof altered = *proof;
    test_random_bytes(random, other.bytes, sizeof other.bytes);
    assert_false(merkle_check_inclusion(index, size, &other, proof, root));
    assert_false(merkle_check_inclusion(index, size, leaf, proof, &other));
    assert_false(merkle_check_inclusion(index + 1, size, leaf, proof, root));
    assert_false(merkle_check_inclusion(index - 1, size, leaf, proof, root));
    assert_false(merkle_check_inclusion(size, size, leaf, proof, root));
    for (size_t i = 0; i < proof->count; i++) {
        uint64_t bit = test_random_below(random, 256);
        altered = *proof;
        altered.hashes[i].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(merkle_check_inclusion(index, size, leaf, &altered, root));
    }
    for (size_t i = 1; i < proof->count; i++) {
        altered = *proof;
        altered.hashes[i] = proof->hashes[i - 1];
        altered.hashes[i - 1] = proof->hashes[i];
        assert_false(merkle_check_inclusion(index, size, leaf, &altered, root));
    }
    altered = *proof;
    altered.count++;
    assert_false(merkle_check_inclusion(index, size, leaf, &altered, root));
    altered.count = MERKLE_PROOF_MAX + 1;
    assert_false(merkle_check_inclusion(index, size, leaf, &altered, root));
    for (altered.count = 0; altered.count < proof->count; altered.count++)
        assert_false(merkle_check_inclusion(index, size, leaf, &altered, root));
}

static void every_inclusion_proof_verifies_and_none_that_is_altered(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    struct hash leaves[LEAVES_MAX];
    for (size_t round = 0; round < 45; round++) {
        size_t size = random_leaves(&random, leaves);
        if (round < 35) size = round + 1; /* all the small ones, then ten of any size */
        struct tree *tree = tree_of(leaves, LEAVES_MAX);
        struct hash root = defined_root(leaves, size);
        for (size_t index = 0; index < size; index++) {
            struct merkle_proof proof = {0}, defined = {0};
            assert_true(merkle_prove_inclusion(tree_nodes(tree), index, size, &proof, NULL));
            defined_inclusion(leaves, index, size, &defined);
            assert_same_proof(&proof, &defined);
            assert_true(merkle_check_inclusion(index, size, &leaves[index], &proof, &root));
            assert_altered_inclusion_fails(&random, index, size, &leaves[index], &proof, &root);
        }
        free(tree);
    }
}

static void assert_altered_consistency_fails(struct test_random *random, uint64_t old,
                                             uint64_t size, const struct hash *old_root,
                                             const struct hash *root,
                                             const struct merkle_proof *proof)
{
    struct hash other = {0};
    struct merkle_proof altered = *proof;
    test_random_bytes(random, other.bytes, sizeof other.bytes);
    assert_false(merkle_check_consistency(old, size, &other, root, proof));
    /* From nothing, every tree is consistent. */
    if (old > 0) assert_false(merkle_check_consistency(old, size, old_root, &other, proof));
    if (old < size) assert_false(merkle_check_consistency(size, old, root, old_root, proof));
    for (size_t i = 0; i < proof->count; i++) {
        uint64_t bit = test_random_below(random, 256);
        altered = *proof;
        altered.hashes[i].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(merkle_check_consistency(old, size, old_root, root, &altered));
    }
    altered = *proof;
    altered.count++;
    assert_false(merkle_check_consistency(old, size, old_root, root, &altered));
    altered.count = MERKLE_PROOF_MAX + 1;
    assert_false(merkle_check_consistency(old, size, old_root, root, &altered));
    for (altered.count = 0; altered.count < proof->count; altered.count++)
        assert_false(merkle_check_consistency(old, size, old_root, root, &altered));
}

static void every_consistency_proof_verifies_and_none_that_is_altered(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    struct hash leaves[LEAVES_MAX];
    for (size_t round = 0; round < 45; round++) {
        size_t size = random_leaves(&random, leaves);
        if (round < 35) size = round + 1;
        struct tree *tree = tree_of(leaves, LEAVES_MAX);
        struct hash root = defined_root(leaves, size);
        for (size_t old = 0; old <= size; old++) {
            struct merkle_proof proof = {0}, defined = {0};
            struct hash old_root = defined_root(leaves, old);
            assert_true(merkle_prove_consistency(tree_nodes(tree), old, size, &proof, NULL));
            if (old > 0) defined_consistency(leaves, old, size, true, &defined);
            assert_same_proof(&proof, &defined);
            assert_true(merkle_check_consistency(old, size, &old_root, &root, &proof));
            assert_altered_consistency_fails(&random, old, size, &old_root, &root, &proof);
        }
        free(tree);
    }
}

static void a_forked_history_has_no_consistency_proof(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    struct hash leaves[LEAVES_MAX];
    size_t size = random_leaves(&random, leaves);
    if (size < 2) size = 2;
    size_t old = 1 + (size_t)test_random_below(&random, size - 1);
    struct hash old_root = defined_root(leaves, old);

    test_random_bytes(&random, leaves[test_random_below(&random, old)].bytes, 32);
    struct tree *forked = tree_of(leaves, size);
    struct hash root = defined_root(leaves, size);
    struct merkle_proof proof = {0};

    assert_true(merkle_prove_consistency(tree_nodes(forked), old, size, &proof, NULL));
    assert_false(merkle_check_consistency(old, size, &old_root, &root, &proof));
    free(forked);
}

/* ------------------------------------------------------------ edges of the ranges */

static void proofs_take_a_logarithm_of_look_ups(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    struct hash leaves[LEAVES_MAX];
    random_leaves(&random, leaves);
    struct tree *tree = tree_of(leaves, LEAVES_MAX);
    for (size_t size = 1; size <= LEAVES_MAX; size++) {
        struct merkle_proof proof = {0};
        size_t index = (size_t)test_random_below(&random, size);

        tree->look_ups = 0;
        assert_true(merkle_prove_inclusion(tree_nodes(tree), index, size, &proof, NULL));
        assert_true(tree->look_ups <= 2 * LEVELS);
        tree->look_ups = 0;
        assert_true(merkle_prove_consistency(tree_nodes(tree), index, size, &proof, NULL));
        assert_true(tree->look_ups <= 2 * LEVELS);
    }
    free(tree);
}

static void what_is_not_there_cannot_be_proved(void **state)
{
    (void)state;
    struct hash leaves[8] = {0};
    example_leaves(leaves);
    struct tree *tree = tree_of(leaves, 8);
    struct merkle_proof proof = {.count = 7}, before = proof;
    struct err e = {0};

    assert_false(merkle_prove_inclusion(tree_nodes(tree), 3, 3, &proof, &e));
    assert_int_equal(e.code, ERR_MISSING);
    assert_false(merkle_prove_inclusion(tree_nodes(tree), 0, 0, &proof, &e));
    assert_int_equal(e.code, ERR_MISSING);
    assert_false(merkle_prove_consistency(tree_nodes(tree), 4, 3, &proof, &e));
    assert_int_equal(e.code, ERR_MISSING);
    assert_memory_equal(&proof, &before, sizeof proof);
    free(tree);
}

static void a_failed_look_up_is_passed_on_and_changes_nothing(void **state)
{
    (void)state;
    struct hash leaves[8] = {0};
    example_leaves(leaves);
    struct tree *tree = tree_of(leaves, 5);
    struct merkle_proof proof = {.count = 7}, before = proof;
    struct merkle_edge edge = {.size = 1}, edge_before = edge;
    struct hash root = leaves[0];
    struct err e = {0};

    assert_false(merkle_prove_inclusion(tree_nodes(tree), 2, 8, &proof, &e));
    assert_int_equal(e.code, ERR_MISSING);
    assert_string_equal(e.said, "no node (2, 1)");
    assert_false(merkle_prove_inclusion(tree_nodes(tree), 2, 7, &proof, NULL));
    assert_false(merkle_prove_consistency(tree_nodes(tree), 3, 7, &proof, NULL));
    assert_false(merkle_prove_consistency(tree_nodes(tree), 6, 7, &proof, NULL));
    assert_false(merkle_edge_at(tree_nodes(tree), 7, &edge, NULL));
    assert_false(merkle_root_at(tree_nodes(tree), 7, &root, NULL));

    assert_memory_equal(&proof, &before, sizeof proof);
    assert_memory_equal(&edge, &edge_before, sizeof edge);
    assert_true(hash_equal(&root, &leaves[0]));
    free(tree);
}

/* Any node of a huge tree whose leaves are all the same hash; enough to walk its whole height. */
static bool uniform_find(void *self, unsigned level, uint64_t index, struct hash *out,
                         struct err *e)
{
    (void)e;
    assert_true(level == 0 || index <= UINT64_MAX >> level);
    *out = ((const struct hash *)self)[level];
    return true;
}

static void the_largest_provable_tree_fits_a_proof_and_a_larger_is_refused(void **state)
{
    (void)state;
    struct hash levels[64] = {merkle_leaf(span_text("x"))};
    for (size_t i = 1; i < 64; i++) levels[i] = merkle_node(&levels[i - 1], &levels[i - 1]);
    struct merkle_nodes nodes = {uniform_find, levels};
    const uint64_t sizes[] = {UINT64_C(1) << 62, (UINT64_C(1) << 62) - 1, (UINT64_C(1) << 61) + 1};
    struct merkle_proof proof = {0};
    struct err e = {0};

    for (size_t i = 0; i < 3; i++) {
        uint64_t size = sizes[i], old = size - 1 - (i == 2);
        struct hash root = {0}, old_root = {0};
        assert_true(merkle_root_at(nodes, size, &root, &e));
        assert_true(merkle_root_at(nodes, old, &old_root, &e));
        assert_true(merkle_prove_inclusion(nodes, old, size, &proof, &e));
        assert_true(merkle_check_inclusion(old, size, &levels[0], &proof, &root));
        assert_true(merkle_prove_consistency(nodes, old, size, &proof, &e));
        assert_true(proof.count <= MERKLE_PROOF_MAX);
        assert_true(merkle_check_consistency(old, size, &old_root, &root, &proof));
    }
    assert_false(merkle_prove_inclusion(nodes, 0, sizes[0] + 1, &proof, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(merkle_prove_consistency(nodes, 1, UINT64_MAX, &proof, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

static void a_checker_survives_any_numbers(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    struct hash h = hash_of(span_of(NULL, 0));
    struct merkle_proof proof = {0};
    for (int round = 0; round < 20000; round++) {
        uint64_t a = test_random_next(&random) >> test_random_below(&random, 64);
        uint64_t b = test_random_next(&random) >> test_random_below(&random, 64);
        proof.count = (size_t)test_random_below(&random, MERKLE_PROOF_MAX + 2);
        if (round % 16 == 0) a = UINT64_MAX;
        if (round % 32 == 0) b = UINT64_MAX;

        assert_false(merkle_check_inclusion(a, b, &h, &proof, &h) && !(b == 1 && proof.count == 0));
        bool is_trivial = proof.count == 0 && (a == b || a == 0);
        assert_true(merkle_check_consistency(a, b, &h, &h, &proof) == (is_trivial && a <= b));
    }
}

/* Whoever makes the roots up can make every hash come out right; the sizes must decide. */
static void a_proof_of_the_wrong_length_fails_even_under_made_up_roots(void **state)
{
    (void)state;
    struct hash leaves[8] = {0};
    example_leaves(leaves);
    struct hash more = leaves[7], two = merkle_node(&leaves[0], &leaves[1]);
    struct hash three = merkle_node(&two, &leaves[2]);
    struct merkle_proof proof = {.count = 1, .hashes = {more}};

    struct hash made_up = merkle_node(&more, &leaves[0]);
    assert_false(merkle_check_inclusion(0, 1, &leaves[0], &proof, &made_up));
    made_up = merkle_node(&leaves[0], &more);
    assert_false(merkle_check_inclusion(0, 3, &leaves[0], &proof, &made_up));

    proof.hashes[0] = leaves[2];
    assert_true(merkle_check_consistency(2, 3, &two, &three, &proof));
    assert_false(merkle_check_consistency(2, 5, &two, &three, &proof));
    proof = (struct merkle_proof){.count = 2, .hashes = {leaves[2], more}};
    struct hash old = merkle_node(&more, &two), now = merkle_node(&more, &three);
    assert_false(merkle_check_consistency(2, 3, &two, &now, &proof));
    assert_false(merkle_check_consistency(2, 3, &old, &now, &proof));

    /* 3 to 4 starts from l2; with one hash too many both roots still come out */
    proof = (struct merkle_proof){.count = 4, .hashes = {leaves[2], leaves[3], two, more}};
    struct hash right = merkle_node(&leaves[2], &leaves[3]), four = merkle_node(&two, &right);
    old = merkle_node(&more, &three);
    now = merkle_node(&more, &four);
    assert_false(merkle_check_consistency(3, 4, &old, &now, &proof));
    proof.count = 3;
    assert_true(merkle_check_consistency(3, 4, &three, &four, &proof));
}

static void nothing_is_the_start_of_everything_but_only_by_its_own_root(void **state)
{
    (void)state;
    struct hash empty = hash_of(span_of(NULL, 0)), other = merkle_leaf(span_of(NULL, 0));
    struct merkle_proof none = {0}, one = {.count = 1};

    assert_true(merkle_check_consistency(0, 5, &empty, &other, &none));
    assert_true(merkle_check_consistency(0, 0, &empty, &empty, &none));
    assert_false(merkle_check_consistency(0, 5, &other, &other, &none));
    assert_false(merkle_check_consistency(0, 5, &empty, &other, &one));
    assert_false(merkle_check_consistency(0, 0, &empty, &other, &none));
    assert_false(merkle_check_consistency(5, 0, &other, &empty, &none));
}

/* ------------------------------------------------------------ shared vectors */

static struct hash json_hash(const json_t *value)
{
    struct hash hash = {0};
    assert_true(hex_read(span_text(json_string_value(value)), hash.bytes, sizeof hash.bytes));
    return hash;
}

static struct merkle_proof json_proof(const json_t *object)
{
    struct merkle_proof proof = {0};
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(object, "proof"), i, value)
        proof.hashes[proof.count++] = json_hash(value);
    return proof;
}

static void the_evidence_vectors_hold(void **state)
{
    (void)state;
    json_t *file = test_vectors("evidence/evidence.json"), *value = NULL;
    struct hash leaves[8] = {0}, roots[9] = {0};
    size_t i = 0, checked = 0;
    json_array_foreach(json_object_get(file, "leaves"), i, value) {
        uint8_t entry[512] = {0};
        leaves[i] = merkle_leaf(test_hex(test_json_text(value, "data"), entry, sizeof entry));
        assert_hash(leaves[i], test_json_text(value, "leaf_hash"));
    }
    json_array_foreach(json_object_get(file, "roots"), i, value)
        roots[i] = json_hash(json_object_get(value, "root"));
    struct tree *tree = tree_of(leaves, 8);
    json_array_foreach(json_object_get(file, "inclusion"), i, value) {
        uint64_t index = test_json_u64(value, "index"), size = test_json_u64(value, "size");
        struct merkle_proof expected = json_proof(value), proof = {0};
        assert_true(merkle_prove_inclusion(tree_nodes(tree), index, size, &proof, NULL));
        assert_same_proof(&proof, &expected);
        assert_true(merkle_check_inclusion(index, size, &leaves[index], &expected, &roots[size]));
        checked++;
    }
    json_array_foreach(json_object_get(file, "consistency"), i, value) {
        uint64_t old = test_json_u64(value, "old"), size = test_json_u64(value, "new");
        struct merkle_proof expected = json_proof(value), proof = {0};
        assert_true(merkle_prove_consistency(tree_nodes(tree), old, size, &proof, NULL));
        assert_same_proof(&proof, &expected);
        assert_true(merkle_check_consistency(old, size, &roots[old], &roots[size], &expected));
        checked++;
    }
    assert_int_equal(checked, 36 + 45);
    free(tree);
    json_decref(file);
}

/* One that is not 32 bytes cannot be a struct hash, so the reader before us refuses it. */
static bool base64_hash(const json_t *value, struct hash *out)
{
    uint8_t bytes[64] = {0};
    size_t len = 0;
    const char *text = json_string_value(value);
    if (!text || sodium_base642bin(bytes, sizeof bytes, text, strlen(text), NULL, &len, NULL,
                                   sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    if (len == sizeof out->bytes) memcpy(out->bytes, bytes, len);
    return len == sizeof out->bytes;
}

static bool vector_is_accepted(const json_t *vector, bool is_inclusion)
{
    struct merkle_proof proof = {0};
    struct hash a = {0}, b = {0};
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(vector, "proof"), i, value) {
        if (proof.count == MERKLE_PROOF_MAX) return false;
        if (!base64_hash(value, &proof.hashes[proof.count++])) return false;
    }
    const char *name_a = is_inclusion ? "leafHash" : "root1";
    const char *name_b = is_inclusion ? "root" : "root2";
    if (!base64_hash(json_object_get(vector, name_a), &a)) return false;
    if (!base64_hash(json_object_get(vector, name_b), &b)) return false;
    if (is_inclusion)
        return merkle_check_inclusion(test_json_u64(vector, "leafIdx"),
                                      test_json_u64(vector, "treeSize"), &a, &proof, &b);
    return merkle_check_consistency(test_json_u64(vector, "size1"), test_json_u64(vector, "size2"),
                                    &a, &b, &proof);
}

static void the_transparency_dev_vectors_hold(void **state)
{
    (void)state;
    json_t *file = test_vectors("merkle/transparency-dev-merkle.json"), *value = NULL;
    size_t i = 0, checked = 0;

    json_array_foreach(json_object_get(file, "vectors"), i, value) {
        bool is_inclusion = strcmp(test_json_text(value, "kind"), "inclusion") == 0;
        bool is_accepted = vector_is_accepted(value, is_inclusion);
        if (is_accepted == test_json_bool(value, "wantErr"))
            fail_msg("%s (%s)", test_json_text(value, "file"), test_json_text(value, "desc"));
        checked++;
    }

    assert_int_equal(checked, 101);
    json_decref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_hash_as_in_the_worked_example),
        cmocka_unit_test(a_leaf_cannot_pose_as_a_node),
        cmocka_unit_test(appending_gives_the_known_roots_and_nodes),
        cmocka_unit_test(inclusion_proofs_are_those_of_the_worked_example),
        cmocka_unit_test(consistency_proofs_are_those_of_the_worked_example),
        cmocka_unit_test(roots_and_edges_follow_the_definition),
        cmocka_unit_test(every_inclusion_proof_verifies_and_none_that_is_altered),
        cmocka_unit_test(every_consistency_proof_verifies_and_none_that_is_altered),
        cmocka_unit_test(a_forked_history_has_no_consistency_proof),
        cmocka_unit_test(proofs_take_a_logarithm_of_look_ups),
        cmocka_unit_test(what_is_not_there_cannot_be_proved),
        cmocka_unit_test(a_failed_look_up_is_passed_on_and_changes_nothing),
        cmocka_unit_test(the_largest_provable_tree_fits_a_proof_and_a_larger_is_refused),
        cmocka_unit_test(a_checker_survives_any_numbers),
        cmocka_unit_test(a_proof_of_the_wrong_length_fails_even_under_made_up_roots),
        cmocka_unit_test(nothing_is_the_start_of_everything_but_only_by_its_own_root),
        cmocka_unit_test(the_evidence_vectors_hold),
        cmocka_unit_test(the_transparency_dev_vectors_hold),
    };
    return cmocka_run_group_tests_name("crypto/merkle", tests, NULL, NULL);
}

#include "protocol/fork.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/reader.h"
#include "tests/testing.h"

/* The vector of FORMAT.md section 8, which was computed by another program. */
#define ORIGIN                                                                                     \
    "acme.example/counterpart/716f2def735f5972501a3d5aa7b70bb3/"                                   \
    "24f6ed6acbfe1009c030d7ca567c33ca4830911498236b5561a6c82abec5de28"
static const char FORK[] =
    "94c42029acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc9322966dd702c4204f55f619d921"
    "5235778b2b9f17d6f4915b16171214d152381293669764de722e929603c4205aac771c899ac292e74bf1afe2"
    "e6e302f8b55883b2d1bf197b46a6bea6dabca9c4401c748843cfe5993dbf1f96e74824f9fef8298fc7b6258f"
    "0d8d4012820640d91d39ceaeed319e4275ba6c20f487e5b40e48c9706c6925438b425bf4419ffa1509c42067"
    "1f146c5e471e8a1a83a3c214ce4ba907b8f3a5888d14cc8cd3ce75bb12ef9491c420671f146c5e471e8a1a83"
    "a3c214ce4ba907b8f3a5888d14cc8cd3ce75bb12ef9491c4204f55f619d9215235778b2b9f17d6f4915b1617"
    "1214d152381293669764de722e9604c420e0ba6fa09155dd04f75fd3f3c25cda619bbba27dac22925fa0042f"
    "34f91d8b16c440e37b6d0c452db7132bfcf5db01e16f70c3fd1b8f86e5ef9ff04c04ba2d69ca119ffc28aacd"
    "b02c9b459f086ba4fa2fba0e62fd0570cc45c6e359bfd67b227503c420f715ab3faa5d071e6e2ac4bb994d5b"
    "f735943dcc3799da0d085e7980cfb9336a91c420b94a8e3f947b1bf97636effb6f7ff87adceb3128e85db2ab"
    "31856bcc0b520e6092c420ccc29ae0e02a77b0f4578c1ac17493d79cf4262104929ac804f91fc4e7ac5af0c4"
    "204f55f619d9215235778b2b9f17d6f4915b16171214d152381293669764de722e";

#define LEVELS 4
#define LEAVES 16

/* One history of the log: its tree, as a node keeps it. */
struct tree {
    struct merkle_edge edge;
    struct hash at[LEVELS][LEAVES];
    uint64_t counts[LEVELS];
};

static const char *const long_tale[] = {"one", "two", "three"};
static const char *const other_tale[] = {"one", "two", "four", "five"};

static bool tree_find(void *self, unsigned level, uint64_t index, struct hash *out, struct err *e)
{
    struct tree *tree = self;
    if (level >= LEVELS || index >= tree->counts[level])
        return err_set(e, ERR_MISSING, "no such subtree");
    *out = tree->at[level][index];
    return true;
}

static void tree_fill(struct tree *tree, const char *const *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hash completed[MERKLE_LEVELS_MAX], leaf = merkle_leaf(span_text(entries[i]));
        size_t grown = merkle_append(&tree->edge, &leaf, completed);
        tree->at[0][tree->counts[0]++] = leaf;
        for (size_t k = 0; k < grown; k++) tree->at[k + 1][tree->counts[k + 1]++] = completed[k];
    }
}

static struct signing_key *log_key(void)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    struct signing_key *key = NULL;
    struct err e = {0};
    for (size_t i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)(0x20 + i);
    assert_true(signing_key_new(&key, seed, &e));
    return key;
}

/* A side as its log signs it, with leaf and proofs of `at`. */
static struct fork_side side_of(struct tree *tree, uint64_t at)
{
    OWNED(signing_key_free) struct signing_key *key = log_key();
    struct merkle_nodes nodes = {tree_find, tree};
    struct fork_side side = {.leaf = tree->at[0][at]};
    struct hash root = merkle_root(&tree->edge);
    struct err e = {0};
    head_sign(key, ORIGIN, tree->edge.size, &root, &side.head);
    assert_true(merkle_prove_consistency(nodes, at, tree->edge.size, &side.prefix, &e));
    assert_true(merkle_prove_inclusion(nodes, at, tree->edge.size, &side.inclusion, &e));
    return side;
}

static struct fork_proof proof_at(uint64_t at, const char *const *tale, size_t count)
{
    OWNED(signing_key_free) struct signing_key *key = log_key();
    struct tree one = {.edge = {0}}, other = {.edge = {0}};
    struct fork_proof proof = {.log_key = *signing_key_public(key), .at = at};
    struct err e = {0};
    tree_fill(&one, long_tale, 3);
    tree_fill(&other, tale, count);
    assert_true(merkle_root_at((struct merkle_nodes){tree_find, &one}, at, &proof.root_at, &e));
    proof.sides[0] = side_of(&one, at);
    proof.sides[1] = side_of(&other, at);
    return proof;
}

static struct fork_proof real_proof(void) { return proof_at(2, other_tale, 4); }

static struct fork_proof read_vector(void)
{
    uint8_t bytes[FORK_PROOF_BYTES_MAX];
    struct fork_proof proof = {.at = 0};
    struct err e = {0};
    struct reader r = reader_over(test_hex(FORK, bytes, sizeof bytes));
    assert_true(fork_read(&r, &proof, &e) && read_end(&r, &e));
    return proof;
}

static span written(const struct fork_proof *proof, uint8_t *at, size_t cap)
{
    struct sink out = sink_over(at, cap);
    fork_write(&out, proof);
    assert_false(out.full);
    return sink_span(&out);
}

/* ----------------------------------------------------------------------- proving */

static void two_histories_of_one_key_are_a_fork(void **state)
{
    (void)state;
    struct fork_proof proof = real_proof();
    assert_true(fork_check(&proof, ORIGIN));
    struct fork_proof from_the_start = proof_at(0, &other_tale[2], 2);
    assert_true(fork_check(&from_the_start, ORIGIN));
}

static void the_order_of_the_sides_does_not_matter(void **state)
{
    (void)state;
    uint8_t bytes[FORK_PROOF_BYTES_MAX], turned_bytes[FORK_PROOF_BYTES_MAX];
    struct fork_proof proof = real_proof(), turned = proof;
    turned.sides[0] = proof.sides[1];
    turned.sides[1] = proof.sides[0];
    assert_true(fork_check(&turned, ORIGIN));
    span a = written(&proof, bytes, sizeof bytes),
         b = written(&turned, turned_bytes, sizeof turned_bytes);
    test_assert_span(a, b.at, b.len);
}

static void one_history_is_no_fork(void **state)
{
    (void)state;
    struct fork_proof same = proof_at(1, other_tale, 2);
    assert_false(fork_check(&same, ORIGIN)); /* both hold "two" at 1 */
    struct fork_proof once = real_proof();
    once.sides[1] = once.sides[0];
    assert_false(fork_check(&once, ORIGIN));
}

static void another_origin_or_key_proves_nothing(void **state)
{
    (void)state;
    struct fork_proof proof = real_proof();
    assert_false(fork_check(&proof, "acme.example/counterpart/other"));
    assert_false(fork_check(&proof, ""));
    proof.log_key.bytes[31] ^= 1;
    assert_false(fork_check(&proof, ORIGIN));
}

/* ----------------------------------------------------------------------- every field counts */

static void assert_altered(struct fork_proof *proof, uint8_t *byte)
{
    assert_true(fork_check(proof, ORIGIN));
    *byte ^= 0x10;
    assert_false(fork_check(proof, ORIGIN));
    *byte ^= 0x10;
}

static void alter_hashes(struct fork_proof *proof, struct merkle_proof *hashes)
{
    assert_true(hashes->count > 0);
    for (size_t i = 0; i < hashes->count; i++)
        assert_altered(proof, &hashes->hashes[i].bytes[i % 32]);
    hashes->count++;
    assert_false(fork_check(proof, ORIGIN));
    hashes->count -= 2;
    assert_false(fork_check(proof, ORIGIN));
    hashes->count++;
}

static void every_altered_field_fails(void **state)
{
    (void)state;
    struct fork_proof proof = real_proof();
    assert_altered(&proof, &proof.log_key.bytes[0]);
    assert_altered(&proof, &proof.root_at.bytes[0]);
    for (uint64_t at = 0; at <= 5; at++) {
        proof.at = at;
        assert_int_equal(fork_check(&proof, ORIGIN), at == 2);
    }
    proof.at = 2;
    for (size_t i = 0; i < 2; i++) {
        struct fork_side *side = &proof.sides[i];
        assert_altered(&proof, &side->head.root.bytes[7]);
        assert_altered(&proof, &side->head.signature.bytes[0]);
        assert_altered(&proof, &side->head.signature.bytes[63]);
        assert_altered(&proof, &side->leaf.bytes[31]);
        side->head.size++;
        assert_false(fork_check(&proof, ORIGIN));
        side->head.size--;
        alter_hashes(&proof, &side->prefix);
        alter_hashes(&proof, &side->inclusion);
    }
    assert_true(fork_check(&proof, ORIGIN));
}

/* Any single bit of the bytes: not read, or read and worth nothing. */
static void every_altered_bit_of_the_bytes_fails(void **state)
{
    (void)state;
    uint8_t bytes[FORK_PROOF_BYTES_MAX];
    span whole = test_hex(FORK, bytes, sizeof bytes);
    for (size_t at = 0; at < whole.len; at++) {
        struct fork_proof proof = {.at = 0};
        struct err e = {0};
        bytes[at] ^= (uint8_t)(1u << (at % 8));
        struct reader r = reader_over(whole);
        assert_false(fork_read(&r, &proof, &e) && read_end(&r, &e) && fork_check(&proof, ORIGIN));
        bytes[at] ^= (uint8_t)(1u << (at % 8));
    }
}

/* ----------------------------------------------------------------------- bytes */

static void a_proof_is_the_bytes_of_the_format(void **state)
{
    (void)state;
    uint8_t bytes[FORK_PROOF_BYTES_MAX], expected_bytes[FORK_PROOF_BYTES_MAX];
    struct fork_proof proof = real_proof(), read = read_vector();
    span expected = test_hex(FORK, expected_bytes, sizeof expected_bytes);
    test_assert_span(written(&proof, bytes, sizeof bytes), expected.at, expected.len);
    test_assert_span(written(&read, bytes, sizeof bytes), expected.at, expected.len);
    assert_true(fork_check(&read, ORIGIN));
}

static void a_proof_cut_anywhere_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[FORK_PROOF_BYTES_MAX];
    span whole = test_hex(FORK, bytes, sizeof bytes);
    for (size_t len = 0; len < whole.len; len++) {
        struct fork_proof proof = {.at = 0};
        struct err e = {0};
        struct reader r = reader_over(span_of(bytes, len));
        assert_false(fork_read(&r, &proof, &e));
        assert_int_equal(e.code, ERR_MALFORMED);
    }
}

static void the_longest_proof_fits(void **state)
{
    (void)state;
    uint8_t bytes[FORK_PROOF_BYTES_MAX];
    struct fork_proof proof = real_proof(), read = {.at = 0};
    struct err e = {0};
    proof.at = INT64_MAX;
    for (size_t i = 0; i < 2; i++) {
        proof.sides[i].head.size = INT64_MAX;
        proof.sides[i].prefix.count = proof.sides[i].inclusion.count = MERKLE_PROOF_MAX;
    }
    struct reader r = reader_over(written(&proof, bytes, sizeof bytes));
    assert_true(fork_read(&r, &read, &e) && read_end(&r, &e));
    proof.at++;
    r = reader_over(written(&proof, bytes, sizeof bytes));
    assert_false(fork_read(&r, &read, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

static int start(void **state)
{
    (void)state;
    return crypto_start(NULL) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_histories_of_one_key_are_a_fork),
        cmocka_unit_test(the_order_of_the_sides_does_not_matter),
        cmocka_unit_test(one_history_is_no_fork),
        cmocka_unit_test(another_origin_or_key_proves_nothing),
        cmocka_unit_test(every_altered_field_fails),
        cmocka_unit_test(every_altered_bit_of_the_bytes_fails),
        cmocka_unit_test(a_proof_is_the_bytes_of_the_format),
        cmocka_unit_test(a_proof_cut_anywhere_is_refused),
        cmocka_unit_test(the_longest_proof_fits),
    };
    return cmocka_run_group_tests_name("protocol/fork", tests, start, NULL);
}

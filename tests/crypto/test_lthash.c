#include "crypto/lthash.h"
#include "crypto/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing.h"

#define FACT "counterpart/test/fact"
#define DIGEST "counterpart/test/digest"

static void assert_digest(const struct lthash *sum, const char *hex)
{
    char text[65] = "";
    struct hash digest = lthash_digest(sum, DIGEST);
    assert_string_equal(hex_write(hash_span(&digest), text, sizeof text), hex);
}

static void assert_same(const struct lthash *a, const struct lthash *b)
{
    assert_memory_equal(a->lanes, b->lanes, sizeof a->lanes);
}

/* Digests and lanes come from a separate program with its own ChaCha20, made from lthash.h. */
static void gives_the_known_digests(void **state)
{
    (void)state;
    struct lthash sum = {0};
    uint8_t every_byte[256] = {0};
    for (size_t i = 0; i < 256; i++) every_byte[i] = (uint8_t)i;

    assert_digest(&sum, "8fbf99546f683e57d67cb4147022d89fa996824a80bf4493543052561369099c");
    lthash_add(&sum, FACT, span_of(NULL, 0));
    assert_digest(&sum, "a140310019821ec2d6b85a8cfd1c6045f721305cf7d4c8b31f6195fd374f35a2");
    lthash_add(&sum, FACT, span_text("a"));
    assert_digest(&sum, "efb530bebe72778ff7d868d8f679d311624b269c8e4a72b5d31876e7452ff402");
    lthash_add(&sum, FACT, span_text("Counterpart leaf 2"));
    assert_digest(&sum, "c3a6eceba47d7a9503f66ffe934d091b743c6136e9d3c9704a31fd5589842368");
    lthash_add(&sum, FACT, span_of(every_byte, sizeof every_byte));
    assert_digest(&sum, "9903fcad11d55720a813219d7ff4213b71ad799d402da2d08ac691dca95c7f10");
}

static void saves_lanes_as_little_endian_bytes(void **state)
{
    (void)state;
    struct lthash sum = {0};
    uint8_t saved[LTHASH_BYTES] = {0};
    char first[33] = "", last[17] = "";

    lthash_add(&sum, FACT, span_of(NULL, 0));
    lthash_save(&sum, saved);

    assert_string_equal(hex_write(span_of(saved, 16), first, sizeof first),
                        "0488c53b3d32ac62da7b7fbd882aa5f9");
    assert_string_equal(hex_write(span_of(saved + LTHASH_BYTES - 8, 8), last, sizeof last),
                        "9b6e7385cf9912a4");
}

static void removing_from_the_empty_set_wraps_around(void **state)
{
    (void)state;
    struct lthash sum = {0}, empty = {0};

    lthash_remove(&sum, FACT, span_text("a"));
    assert_digest(&sum, "2e2c9954c7d979060d5a1051d74e99510a05bf44a136872444f58e396c8f15a6");
    lthash_add(&sum, FACT, span_text("a"));

    assert_same(&sum, &empty);
}

static void order_does_not_matter_and_removing_undoes_adding(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    struct lthash forwards = {0}, backwards = {0}, empty = {0};
    uint8_t facts[50][40] = {0};
    size_t sizes[50] = {0};
    for (size_t i = 0; i < 50; i++) {
        sizes[i] = (size_t)test_random_below(&random, 41);
        test_random_bytes(&random, facts[i], sizeof facts[i]);
    }

    for (size_t i = 0; i < 50; i++) lthash_add(&forwards, FACT, span_of(facts[i], sizes[i]));
    for (size_t i = 50; i-- > 0;) lthash_add(&backwards, FACT, span_of(facts[i], sizes[i]));
    assert_same(&forwards, &backwards);

    for (size_t i = 0; i < 50; i++) lthash_remove(&forwards, FACT, span_of(facts[i], sizes[i]));
    assert_same(&forwards, &empty);
}

static void a_fact_counts_each_time_and_by_its_label(void **state)
{
    (void)state;
    struct lthash once = {0}, twice = {0}, labelled = {0};

    lthash_add(&once, FACT, span_text("a"));
    lthash_add(&twice, FACT, span_text("a"));
    lthash_add(&twice, FACT, span_text("a"));
    lthash_add(&labelled, "counterpart/test/other", span_text("a"));
    struct hash a = lthash_digest(&once, DIGEST), b = lthash_digest(&twice, DIGEST);
    struct hash c = lthash_digest(&labelled, DIGEST), d = lthash_digest(&once, "other");

    assert_false(hash_equal(&a, &b));
    assert_false(hash_equal(&a, &c));
    assert_false(hash_equal(&a, &d));
}

static void loading_gives_back_what_was_saved(void **state)
{
    (void)state;
    struct lthash sum = {0}, loaded = {0};
    uint8_t saved[LTHASH_BYTES] = {0};
    lthash_add(&sum, FACT, span_text("a"));

    lthash_save(&sum, saved);

    assert_true(lthash_load(&loaded, span_of(saved, sizeof saved)));
    assert_same(&sum, &loaded);
}

static void loading_refuses_any_other_length(void **state)
{
    (void)state;
    struct lthash sum = {0}, before = {0};
    uint8_t saved[LTHASH_BYTES + 1] = {1, 2, 3};
    lthash_add(&sum, FACT, span_text("a"));
    before = sum;

    assert_false(lthash_load(&sum, span_of(saved, LTHASH_BYTES - 1)));
    assert_false(lthash_load(&sum, span_of(saved, LTHASH_BYTES + 1)));
    assert_false(lthash_load(&sum, span_of(NULL, 0)));
    assert_same(&sum, &before);
}

static int start(void **state)
{
    (void)state;
    return crypto_start(NULL) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_known_digests),
        cmocka_unit_test(saves_lanes_as_little_endian_bytes),
        cmocka_unit_test(removing_from_the_empty_set_wraps_around),
        cmocka_unit_test(order_does_not_matter_and_removing_undoes_adding),
        cmocka_unit_test(a_fact_counts_each_time_and_by_its_label),
        cmocka_unit_test(loading_gives_back_what_was_saved),
        cmocka_unit_test(loading_refuses_any_other_length),
    };
    return cmocka_run_group_tests_name("crypto/lthash", tests, start, NULL);
}

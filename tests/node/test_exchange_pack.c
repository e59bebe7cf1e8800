#include "node/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing.h"

#define BYTES 5000

static uint8_t text[BYTES]; /* packs well */

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)("Counterpart "[i % 12] + (char)(i / 1000));
    return 0;
}

static enum err_code unpack_code(span packed, size_t bytes)
{
    OWNED_BUFFER out = {0};
    struct err e = {0};
    return unpack(packed, bytes, &out, &e) ? ERR_NONE : e.code;
}

static void what_was_packed_unpacks(void **state)
{
    (void)state;
    OWNED_BUFFER packed = {0}, out = {0};
    struct err e = {0};
    for (size_t len = 200; len <= sizeof text; len += 960) {
        assert_true(pack(span_of(text, len), &packed));
        assert_true(packed.len < len);
        assert_true(unpack(buffer_span(&packed), len, &out, &e));
        test_assert_span(buffer_span(&out), text, len);
    }
}

static void what_would_not_be_smaller_is_not_packed(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    uint8_t noise[1000];
    OWNED_BUFFER packed = {0};
    test_random_bytes(&random, noise, sizeof noise);
    assert_false(pack(span_of(noise, sizeof noise), &packed));
    assert_false(pack(span_of(text, 100), &packed));
    assert_false(pack(span_of(NULL, 0), &packed));
}

static void another_size_than_stated_is_refused(void **state)
{
    (void)state;
    OWNED_BUFFER packed = {0};
    assert_true(pack(span_of(text, sizeof text), &packed));
    static const size_t wrong[] = {0, 1, BYTES - 1, BYTES + 1, 4 * BYTES};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(unpack_code(buffer_span(&packed), wrong[i]), ERR_MALFORMED);
    assert_int_equal(unpack_code(buffer_span(&packed), BYTES), ERR_NONE);
}

static void cut_or_lengthened_bytes_are_refused(void **state)
{
    (void)state;
    OWNED_BUFFER packed = {0};
    struct err e = {0};
    assert_true(pack(span_of(text, sizeof text), &packed));
    for (size_t len = 0; len < packed.len; len++)
        assert_int_equal(unpack_code(span_of(packed.at, len), BYTES), ERR_MALFORMED);
    assert_true(buffer_put(&packed, span_text("x"), &e));
    assert_int_equal(unpack_code(buffer_span(&packed), BYTES), ERR_MALFORMED);
}

/* A changed bit may still unpack, to other bytes of the stated size: the hashes of entries tell. */
static void garbage_never_unpacks_to_more(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    OWNED_BUFFER packed = {0}, out = {0};
    assert_true(pack(span_of(text, sizeof text), &packed));
    for (size_t at = 0; at < packed.len; at++) {
        struct err e = {0};
        packed.at[at] ^= (uint8_t)(1u << (at % 8));
        if (unpack(buffer_span(&packed), BYTES, &out, &e)) assert_int_equal(out.len, BYTES);
        else assert_int_equal(e.code, ERR_MALFORMED);
        packed.at[at] ^= (uint8_t)(1u << (at % 8));
    }
    for (size_t i = 0; i < 1000; i++) {
        uint8_t garbage[64];
        test_random_bytes(&random, garbage, sizeof garbage);
        assert_int_equal(unpack_code(span_of(garbage, test_random_below(&random, 64)), BYTES),
                         ERR_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_unpacks),
        cmocka_unit_test(what_would_not_be_smaller_is_not_packed),
        cmocka_unit_test(another_size_than_stated_is_refused),
        cmocka_unit_test(cut_or_lengthened_bytes_are_refused),
        cmocka_unit_test(garbage_never_unpacks_to_more),
    };
    return cmocka_run_group_tests_name("node/pack", tests, fill, NULL);
}

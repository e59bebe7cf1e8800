#include "protocol/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/limits.h"
#include "protocol/writer.h"
#include "tests/testing.h"

#define BYTES_MAX 70000
#define ROUNDS 200000

/* Hex, then `more` letters 'a'. Valid until the next call. */
static span bytes_of(const char *hex, size_t more)
{
    static uint8_t bytes[BYTES_MAX];
    span start = test_hex(hex, bytes, sizeof bytes);
    assert_true(start.len + more <= sizeof bytes);
    memset(bytes + start.len, 'a', more);
    return span_of(bytes, start.len + more);
}

static enum err_code skip_of(const char *hex, size_t more)
{
    struct reader r = reader_over(bytes_of(hex, more));
    struct reader before = r;
    struct err e = {0};
    bool is_read = read_skip(&r, NULL, &e);
    if (is_read) return r.left.len == 0 ? ERR_NONE : ERR_LIMIT;
    assert_memory_equal(&r, &before, sizeof r);
    assert_int_not_equal(e.code, ERR_NONE);
    return e.code;
}

/* ------------------------------------------------------------------------- spellings */

struct spelling_case {
    const char *hex;
    size_t more;
};

static void every_shortest_spelling_is_read(void **state)
{
    static const struct spelling_case cases[] = {
        {"c0", 0},
        {"c2", 0},
        {"c3", 0},
        {"00", 0},
        {"7f", 0},
        {"cc80", 0},
        {"ccff", 0},
        {"cd0100", 0},
        {"cdffff", 0},
        {"ce00010000", 0},
        {"ceffffffff", 0},
        {"cf0000000100000000", 0},
        {"cfffffffffffffffff", 0},
        {"ff", 0},
        {"e0", 0},
        {"d0df", 0},
        {"d080", 0},
        {"d1ff7f", 0},
        {"d18000", 0},
        {"d2ffff7fff", 0},
        {"d280000000", 0},
        {"d3ffffffff7fffffff", 0},
        {"d38000000000000000", 0},
        {"a0", 0},
        {"bf", 31},
        {"d920", 32},
        {"d9ff", 255},
        {"da0100", 256},
        {"daffff", 65535},
        {"db00010000", 65536},
        {"c400", 0},
        {"c4ff", 255},
        {"c50100", 256},
        {"c5ffff", 65535},
        {"c600010000", 65536},
        {"90", 0},
        {"9f000102030405060708090a0b0c0d0e", 0},
        {"dc001000000000000000000000000000000000", 0},
        {"80", 0},
        {"81a16101", 0},
        {"82a16101a16202", 0},
        {"82a161c0a26161c0", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (skip_of(cases[i].hex, cases[i].more) != ERR_NONE)
            fail_msg("%s is refused", cases[i].hex);
}

static void every_longer_spelling_is_refused(void **state)
{
    static const struct spelling_case cases[] = {
        {"cc00", 0},
        {"cc7f", 0},
        {"cd0000", 0},
        {"cd00ff", 0},
        {"ce00000000", 0},
        {"ce0000ffff", 0},
        {"cf0000000000000000", 0},
        {"cf00000000ffffffff", 0},
        {"d000", 0},
        {"d005", 0},
        {"d07f", 0},
        {"d0ff", 0},
        {"d0e0", 0},
        {"d10000", 0},
        {"d17fff", 0},
        {"d1ffff", 0},
        {"d1ff80", 0},
        {"d200000000", 0},
        {"d27fffffff", 0},
        {"d2ffff8000", 0},
        {"d30000000000000005", 0},
        {"d37fffffffffffffff", 0},
        {"d3ffffffff80000000", 0},
        {"d3ffffffffffffffff", 0},
        {"d900", 0},
        {"d91f", 31},
        {"da0000", 0},
        {"da00ff", 255},
        {"db00000000", 0},
        {"db0000ffff", 65535},
        {"c50000", 0},
        {"c500ff", 255},
        {"c600000000", 0},
        {"c60000ffff", 65535},
        {"dc0000", 0},
        {"dc000f000000000000000000000000000000", 0},
        {"dd00000000", 0},
        {"dd0000000100", 0},
        {"dd0000ffff", 65535},
        {"de0000", 0},
        {"de0001a16101", 0},
        {"df00000000", 0},
        {"df00000001a16101", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (skip_of(cases[i].hex, cases[i].more) != ERR_MALFORMED)
            fail_msg("%s is read", cases[i].hex);
}

static void floats_extensions_and_the_unused_byte_are_refused(void **state)
{
    static const char *const cases[] = {
        "c1",
        "ca00000000",
        "cb0000000000000000",
        "c70001",
        "c7010100",
        "c8000001",
        "c900000001",
        "d40100",
        "d5010000",
        "d60100000000",
        "d7ff0000000000000000",
        "d80100000000000000000000000000000000",
        "91ca3f800000",
        "81a161d40100",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (skip_of(cases[i], 0) != ERR_MALFORMED) fail_msg("%s is read", cases[i]);
}

static void kinds_are_told_by_the_first_byte_alone(void **state)
{
    (void)state;
    size_t counts[READER_BAD + 1] = {0};
    for (unsigned first = 0; first < 256; first++) {
        uint8_t byte = (uint8_t)first;
        struct reader r = reader_over(span_of(&byte, 1));
        counts[reader_next_kind(&r)]++;
    }
    assert_int_equal(counts[READER_UNSIGNED], 128 + 4);
    assert_int_equal(counts[READER_NEGATIVE], 32 + 4);
    assert_int_equal(counts[READER_TEXT], 32 + 3);
    assert_int_equal(counts[READER_BYTES], 3);
    assert_int_equal(counts[READER_ARRAY], 16 + 2);
    assert_int_equal(counts[READER_MAP], 16 + 2);
    assert_int_equal(counts[READER_BOOL], 2);
    assert_int_equal(counts[READER_NIL], 1);
    assert_int_equal(counts[READER_BAD], 1 + 3 + 2 + 5);
    struct reader end = reader_over((span){0});
    assert_int_equal(reader_next_kind(&end), READER_END);
}

/* ---------------------------------------------------------------------- hostile bytes */

static void a_value_cut_at_any_byte_is_refused(void **state)
{
    static const char *const cases[] = {
        "cc80",
        "cd0100",
        "ce00010000",
        "cf0000000100000000",
        "d080",
        "d18000",
        "d280000000",
        "d38000000000000000",
        "a3616263",
        "c403616263",
        "93010203",
        "82a16101a162c0",
        "93c0a161c403616263",
        "9191918281a0",
        "81a16192c281a162cd0100",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        span whole = bytes_of(cases[i], 0);
        for (size_t len = 0; len < whole.len; len++) {
            struct reader r = reader_over(span_of(whole.at, len));
            struct err e = {0};
            span out = span_text("untouched");
            assert_false(read_skip(&r, &out, &e));
            assert_int_equal(e.code, ERR_MALFORMED);
            assert_int_equal(r.left.len, len);
            test_assert_text(out, "untouched");
        }
    }
}

static void lengths_beyond_the_bytes_are_refused_at_once(void **state)
{
    static const char *const cases[] = {
        "ddffffffff",   "dfffffffff",       "dbffffffff", "c6ffffffff",   "dcffff",
        "deffff",       "daffff",           "c5ffff",     "ddffffffff00", "df80000000a16101",
        "91ddffffffff", "81a161dfffffffff", "9f",         "8f",           "bf",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(skip_of(cases[i], 0), ERR_MALFORMED);

    struct reader r = reader_over(bytes_of("ddffffffff", 100));
    struct err e = {0};
    size_t count = 7;
    assert_false(read_array_upto(&r, SIZE_MAX, &count, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
    assert_int_equal(count, 7);
    r = reader_over(bytes_of("dfffffffff", 100));
    assert_false(read_map_upto(&r, SIZE_MAX, &count, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
}

static void values_are_read_eight_deep_and_no_deeper(void **state)
{
    (void)state;
    assert_int_equal(skip_of("919191919191919101", 0), ERR_NONE);
    assert_int_equal(skip_of("91919191919191919101", 0), ERR_LIMIT);
    assert_int_equal(skip_of("919191919191919190", 0), ERR_LIMIT);
    assert_int_equal(skip_of("81a16181a16181a16181a16181a16181a16181a16181a16101", 0), ERR_NONE);
    assert_int_equal(skip_of("81a16181a16181a16181a16181a16181a16181a16181a16180", 0), ERR_LIMIT);
    assert_int_equal(skip_of("929191919191919091919191919190", 0), ERR_NONE);
}

static void a_depth_bomb_is_refused(void **state)
{
    static uint8_t bomb[BODY_BYTES_MAX];
    (void)state;
    memset(bomb, 0x91, sizeof bomb);
    struct reader r = reader_over(span_of(bomb, sizeof bomb));
    struct err e = {0};
    assert_false(read_skip(&r, NULL, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    static const char *const cases[] = {
        "a180",     "a1ff",     "a2c080", "a2c1bf",     "a1c3",       "a2c328",     "a3e08080",
        "a3eda080", "a3edbfbf", "a2e282", "a4f0808080", "a4f4908080", "a4f8888080", "a3f09f98",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(skip_of(cases[i], 0), ERR_MALFORMED);
    assert_int_equal(skip_of("a4f09f9880", 0), ERR_NONE);
    assert_int_equal(skip_of("a3efbfbf", 0), ERR_NONE);
}

static void text_with_a_zero_byte_is_refused(void **state)
{
    (void)state;
    assert_int_equal(skip_of("a100", 0), ERR_MALFORMED);
    assert_int_equal(skip_of("a3610062", 0), ERR_MALFORMED);
    assert_int_equal(skip_of("c403610062", 0), ERR_NONE);
}

static void keys_are_text_in_rising_order_and_once(void **state)
{
    static const char *const refused[] = {
        "82a16201a16102",   /* falling */
        "82a16101a16102",   /* twice */
        "82a2616101a16102", /* a longer one first */
        "81a001",           /* empty */
        "810101",
        "81c001",
        "81c4016101",
        "819001",               /* not text */
        "82a1ff01a16102",       /* not UTF-8 */
        "8181a1610101",         /* a map as a key */
        "82a16181a16101a16101", /* twice around an inner map */
        "9182a16201a16102",
    };
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (skip_of(refused[i], 0) != ERR_MALFORMED) fail_msg("%s is read", refused[i]);
    assert_int_equal(skip_of("82a16181a16101a16281a16102", 0), ERR_NONE);
    assert_int_equal(skip_of("82a17a01a2c3a902", 0), ERR_NONE); /* bytes decide, not letters */
}

/* ---------------------------------------------------------------------- single reads */

static void reads_beyond_a_stated_bound_are_limits(void **state)
{
    (void)state;
    uint64_t number = 7;
    size_t count = 7;
    span run = span_text("untouched"), key = {0};
    struct err e = {0};
    struct reader r = reader_over(bytes_of("cc80", 0));
    assert_false(read_u64(&r, 127, &number, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(number, 7);
    assert_true(read_u64(&r, 128, &number, &e));
    r = reader_over(bytes_of("93010203", 0));
    assert_false(read_array_upto(&r, 2, &count, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    r = reader_over(bytes_of("82a16101a16202", 0));
    assert_false(read_map_upto(&r, 1, &count, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    r = reader_over(bytes_of("a3", 3));
    assert_false(read_text(&r, 2, &run, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(read_key(&r, 2, &key, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    r = reader_over(bytes_of("c403", 3));
    assert_false(read_span(&r, 2, &run, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(count, 7);
    test_assert_text(run, "untouched");
}

static void reads_of_another_kind_or_size_are_malformed_and_take_nothing(void **state)
{
    (void)state;
    span whole = bytes_of("a161", 0);
    struct reader r = reader_over(whole);
    struct err e = {0};
    uint64_t number = 0;
    int64_t signed_number = 0;
    size_t count = 0;
    bool truth = false;
    uint8_t bytes[4] = {0};
    span run = {0};
    assert_false(read_array(&r, 1, &e));
    assert_false(read_array_upto(&r, 1, &count, &e));
    assert_false(read_map_upto(&r, 1, &count, &e));
    assert_false(read_u64(&r, 1, &number, &e));
    assert_false(read_i64(&r, &signed_number, &e));
    assert_false(read_bool(&r, &truth, &e));
    assert_false(read_nil(&r, &e));
    assert_false(read_bytes(&r, bytes, 1, &e));
    assert_false(read_span(&r, 1, &run, &e));
    assert_false(read_end(&r, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
    assert_int_equal(r.left.len, whole.len);
    r = reader_over(bytes_of("920102", 0));
    assert_false(read_array(&r, 1, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
    r = reader_over(bytes_of("c403", 3));
    assert_false(read_bytes(&r, bytes, 4, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
    assert_true(read_bytes(&r, bytes, 3, &e));
    assert_memory_equal(bytes, "aaa\0", 4);
    assert_true(read_end(&r, &e));
}

static void an_unsigned_number_above_the_signed_range_is_a_limit(void **state)
{
    (void)state;
    struct reader r = reader_over(bytes_of("cf8000000000000000", 0));
    struct err e = {0};
    int64_t number = 7;
    assert_false(read_i64(&r, &number, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(number, 7);
}

static void an_error_names_the_byte_and_what_was_expected(void **state)
{
    (void)state;
    struct reader r = reader_over(bytes_of("9201c0", 0));
    struct err e = {0};
    uint64_t number = 0;
    assert_true(read_array(&r, 2, &e));
    assert_true(read_u64(&r, 9, &number, &e));
    assert_false(read_u64(&r, 9, &number, &e));
    assert_string_equal(
        e.said, "at byte 2: expected an unsigned number, found a value that starts with c0");
}

/* --------------------------------------------------------------------------- writing */

static void numbers_round_trip_at_every_boundary(void **state)
{
    (void)state;
    struct err e = {0};
    for (unsigned bits = 0; bits < 64; bits++) {
        for (int step = -2; step <= 2; step++) {
            uint64_t number = (UINT64_C(1) << bits) + (uint64_t)(int64_t)step, back = 0;
            uint8_t bytes[16] = {0};
            struct sink s = sink_over(bytes, sizeof bytes);
            write_u64(&s, number);
            struct reader r = reader_over(sink_span(&s));
            assert_true(read_u64(&r, UINT64_MAX, &back, &e) && read_end(&r, &e));
            assert_true(back == number);

            int64_t negative = 0, expected = 0;
            memcpy(&expected, &number, sizeof expected);
            s = sink_over(bytes, sizeof bytes);
            write_i64(&s, expected);
            r = reader_over(sink_span(&s));
            assert_true(read_i64(&r, &negative, &e) && read_end(&r, &e));
            assert_true(negative == expected);
        }
    }
}

static void texts_and_counts_round_trip_at_every_boundary(void **state)
{
    static const size_t sizes[] = {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536};
    static uint8_t letters[65536], bytes[65536 + 8];
    (void)state;
    struct err e = {0};
    memset(letters, 'a', sizeof letters);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        span run = span_of(letters, sizes[i]), back = {0};
        struct sink s = sink_over(bytes, sizeof bytes);
        write_text(&s, run);
        struct reader r = reader_over(sink_span(&s));
        assert_true(read_text(&r, sizes[i], &back, &e) && read_end(&r, &e));
        assert_true(span_equal(run, back));
        s = sink_over(bytes, sizeof bytes);
        write_bytes(&s, run);
        r = reader_over(sink_span(&s));
        assert_true(read_span(&r, sizes[i], &back, &e) && read_end(&r, &e));
        assert_true(span_equal(run, back));
        s = sink_over(bytes, sizeof bytes);
        write_array(&s, sizes[i]);
        for (size_t n = 0; n < sizes[i]; n++) write_nil(&s);
        r = reader_over(sink_span(&s));
        assert_true(read_skip(&r, &back, &e) && read_end(&r, &e));
        assert_int_equal(back.len, s.len);
    }
}

static void truths_nothing_and_maps_are_written_as_they_are_read(void **state)
{
    static const uint8_t expected[] = {0x83, 0xa1, 'a', 0xc3, 0xa1, 'b', 0xc2, 0xa1, 'c', 0xc0};
    (void)state;
    uint8_t bytes[32] = {0};
    struct sink s = sink_over(bytes, sizeof bytes);
    write_map(&s, 3);
    write_text(&s, span_text("a"));
    write_bool(&s, true);
    write_text(&s, span_text("b"));
    write_bool(&s, false);
    write_text(&s, span_text("c"));
    write_nil(&s);
    test_assert_span(sink_span(&s), expected, sizeof expected);
}

static void a_sink_that_is_too_small_says_so_and_stays_full(void **state)
{
    (void)state;
    uint8_t bytes[8] = {0};
    for (size_t cap = 0; cap < 5; cap++) {
        struct sink s = sink_over(bytes, cap);
        write_text(&s, span_text("abcd"));
        assert_true(s.full);
        size_t len = s.len;
        write_nil(&s);
        assert_int_equal(s.len, len);
    }
    struct sink s = sink_over(bytes, 5);
    write_text(&s, span_text("abcd"));
    assert_false(s.full);
}

/* Reads any value and writes it again. Depth is bounded: read_skip has accepted it. */
static void copy_value(struct reader *r, struct sink *s)
{
    struct err e = {0};
    uint64_t number = 0;
    int64_t negative = 0;
    bool truth = false;
    span run = {0};
    size_t count = 0;
    switch (reader_next_kind(r)) {
    case READER_NIL:
        assert_true(read_nil(r, &e));
        write_nil(s);
        return;
    case READER_BOOL:
        assert_true(read_bool(r, &truth, &e));
        write_bool(s, truth);
        return;
    case READER_UNSIGNED:
        assert_true(read_u64(r, UINT64_MAX, &number, &e));
        write_u64(s, number);
        return;
    case READER_NEGATIVE:
        assert_true(read_i64(r, &negative, &e));
        write_i64(s, negative);
        return;
    case READER_TEXT:
        assert_true(read_text(r, SIZE_MAX, &run, &e));
        write_text(s, run);
        return;
    case READER_BYTES:
        assert_true(read_span(r, SIZE_MAX, &run, &e));
        write_bytes(s, run);
        return;
    case READER_ARRAY:
        assert_true(read_array_upto(r, SIZE_MAX, &count, &e));
        write_array(s, count);
        for (size_t i = 0; i < count; i++) copy_value(r, s);
        return;
    case READER_MAP:
        assert_true(read_map_upto(r, SIZE_MAX, &count, &e));
        write_map(s, count);
        for (size_t i = 0; i < count; i++) {
            assert_true(read_key(r, SIZE_MAX, &run, &e));
            write_text(s, run);
            copy_value(r, s);
        }
        return;
    case READER_END:
    case READER_BAD: break;
    }
    fail();
}

static void whatever_is_accepted_is_written_again_as_the_same_bytes(void **state)
{
    /* First bytes of every kind, so that random values are often nested and whole. */
    static const uint8_t likely[] = {0xc0, 0xc2, 0xc3, 0xcc, 0xcd, 0xd0, 0xd1, 0xd9,
                                     0xc4, 0x90, 0x91, 0x92, 0x93, 0x80, 0x81, 0x82,
                                     0xa0, 0xa1, 0xa2, 0xdc, 0xde, 'a',  'b',  0xff,
                                     0x00, 0xcf, 0xd3, 0xca, 0xc7, 0x80, 0x20, 0xe0};
    (void)state;
    struct test_random random = test_random_start();
    size_t accepted = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        uint8_t bytes[48] = {0}, again[64] = {0};
        size_t len = 1 + test_random_below(&random, sizeof bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = test_random_below(&random, 8)
                           ? likely[test_random_below(&random, sizeof likely)]
                           : (uint8_t)test_random_next(&random);
        struct reader r = reader_over(span_of(bytes, len));
        struct err e = {0};
        span value = {0};
        if (!read_skip(&r, &value, &e)) continue;
        accepted++;
        struct sink s = sink_over(again, sizeof again);
        r = reader_over(value);
        copy_value(&r, &s);
        assert_true(read_end(&r, &e));
        assert_true(span_equal(sink_span(&s), value));
    }
    assert_true(accepted > ROUNDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shortest_spelling_is_read),
        cmocka_unit_test(every_longer_spelling_is_refused),
        cmocka_unit_test(floats_extensions_and_the_unused_byte_are_refused),
        cmocka_unit_test(kinds_are_told_by_the_first_byte_alone),
        cmocka_unit_test(a_value_cut_at_any_byte_is_refused),
        cmocka_unit_test(lengths_beyond_the_bytes_are_refused_at_once),
        cmocka_unit_test(values_are_read_eight_deep_and_no_deeper),
        cmocka_unit_test(a_depth_bomb_is_refused),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(text_with_a_zero_byte_is_refused),
        cmocka_unit_test(keys_are_text_in_rising_order_and_once),
        cmocka_unit_test(reads_beyond_a_stated_bound_are_limits),
        cmocka_unit_test(reads_of_another_kind_or_size_are_malformed_and_take_nothing),
        cmocka_unit_test(an_unsigned_number_above_the_signed_range_is_a_limit),
        cmocka_unit_test(an_error_names_the_byte_and_what_was_expected),
        cmocka_unit_test(numbers_round_trip_at_every_boundary),
        cmocka_unit_test(texts_and_counts_round_trip_at_every_boundary),
        cmocka_unit_test(truths_nothing_and_maps_are_written_as_they_are_read),
        cmocka_unit_test(a_sink_that_is_too_small_says_so_and_stays_full),
        cmocka_unit_test(whatever_is_accepted_is_written_again_as_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

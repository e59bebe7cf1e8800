#include "crypto/base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/testing.h"

/* ------------------------------------------------------------ spans */

static void text_is_measured_without_its_final_zero(void **state)
{
    (void)state;
    assert_int_equal(span_text("abc").len, 3);
    assert_int_equal(span_text("").len, 0);
    assert_int_equal(span_text(NULL).len, 0);
}

static void equal_spans_have_the_same_length_and_bytes(void **state)
{
    (void)state;
    assert_true(span_equal(span_text("abc"), span_text("abc")));
    assert_true(span_equal(span_of(NULL, 0), span_text("")));
    assert_false(span_equal(span_text("abc"), span_text("abd")));
    assert_false(span_equal(span_text("abc"), span_text("ab")));
}

static void order_is_by_unsigned_bytes_then_length(void **state)
{
    (void)state;
    assert_int_equal(span_compare(span_text("ab"), span_text("ab")), 0);
    assert_true(span_compare(span_text("ab"), span_text("abc")) < 0);
    assert_true(span_compare(span_text("b"), span_text("abc")) > 0);
    assert_true(span_compare(span_text("\x80"), span_text("\x7f")) > 0);
    assert_true(span_compare(span_of(NULL, 0), span_text("a")) < 0);
    assert_int_equal(span_compare(span_of(NULL, 0), span_text("")), 0);
}

static void taking_moves_the_front_and_never_past_the_end(void **state)
{
    (void)state;
    span left = span_text("abcdef"), out = {0}, none = {0};

    assert_true(span_take(&left, 2, &out));
    test_assert_text(out, "ab");
    assert_false(span_take(&left, 5, &out));
    test_assert_text(out, "ab");
    test_assert_text(left, "cdef");
    assert_true(span_take(&left, 4, &out));
    assert_true(span_take(&left, 0, &out));
    assert_int_equal(out.len, 0);
    assert_false(span_take(&left, 1, &out));
    assert_false(span_take(&left, SIZE_MAX, &out));
    assert_true(span_take(&none, 0, &out));
    assert_false(span_take(&none, 1, &out));
}

static void taking_until_a_byte_removes_the_byte_too(void **state)
{
    (void)state;
    span left = span_text("ab,,c"), out = {0}, none = {0};

    assert_true(span_take_until(&left, ',', &out));
    test_assert_text(out, "ab");
    assert_true(span_take_until(&left, ',', &out));
    test_assert_text(out, "");
    assert_false(span_take_until(&left, ',', &out));
    test_assert_text(left, "c");
    assert_false(span_take_until(&none, ',', &out));
}

static void exact_text_refuses_zero_bytes_and_a_tight_buffer(void **state)
{
    (void)state;
    char out[4] = "xyz";

    assert_false(span_to_text(span_text("abcd"), out, sizeof out));
    assert_false(span_to_text(span_of("a\0b", 3), out, sizeof out));
    assert_false(span_to_text(span_of(NULL, 0), out, 0));
    assert_string_equal(out, "xyz");
    assert_true(span_to_text(span_text("abc"), out, sizeof out));
    assert_string_equal(out, "abc");
    assert_true(span_to_text(span_of(NULL, 0), out, 1));
    assert_string_equal(out, "");
}

/* ------------------------------------------------------------ UTF-8 */

static void utf8_is_whole_shortest_and_without_surrogates(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "Soci\xc3\xa9t\xc3\xa9",
    };
    static const char *const bad[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2" "a", "\xc2\xc2", "\xe0\x9f\xbf",
        "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe", "a\xe2\x82" "a", "\xc3\xa9\xa9",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!span_is_utf8(span_text(good[i]))) fail_msg("good text %zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (span_is_utf8(span_text(bad[i]))) fail_msg("bad text %zu", i);
    assert_true(span_is_utf8(span_of("a\0b", 3)));
    assert_false(span_is_utf8(span_of("\xe2\x82\xac", 2)));
}

static void utf8_has_as_many_three_byte_characters_as_unicode(void **state)
{
    (void)state;
    size_t accepted = 0;
    for (uint32_t bits = 0; bits < 1u << 20; bits++) { /* lead bytes e0 to ef, any two after them */
        uint8_t three[3] = {(uint8_t)(0xe0 + (bits >> 16)), (uint8_t)(bits >> 8), (uint8_t)bits};
        if (span_is_utf8(span_of(three, sizeof three))) accepted++;
    }
    assert_int_equal(accepted, 0x10000 - 0x800 - 0x800); /* U+0800 to U+FFFF, no surrogates */
}

static void showing_marks_what_a_terminal_must_not_get(void **state)
{
    (void)state;
    char out[64] = "";

    assert_string_equal(span_show(span_text("a\n\x1b[2J\x7f"), out, sizeof out), "a??[2J?");
    assert_string_equal(span_show(span_of("a\0b", 3), out, sizeof out), "a?b");
    assert_string_equal(span_show(span_text("Soci\xc3\xa9t\xc3\xa9"), out, sizeof out),
                        "Soci\xc3\xa9t\xc3\xa9");
    assert_string_equal(span_show(span_text("\xc2\x9b" "2J"), out, sizeof out), "?2J");
    assert_string_equal(span_show(span_text("a\xe2\x80\xae" "b"), out, sizeof out), "a?b");
    assert_string_equal(span_show(span_text("a\xff\x80z\xe2\x82"), out, sizeof out), "a??z??");
    assert_string_equal(span_show(span_of(NULL, 0), out, sizeof out), "");
}

static void showing_cuts_between_characters(void **state)
{
    (void)state;
    char out[8] = "";

    assert_string_equal(span_show(span_text("abcdefgh"), out, sizeof out), "abcdefg");
    assert_string_equal(span_show(span_text("abcde\xe2\x82\xac"), out, sizeof out), "abcde");
    assert_string_equal(span_show(span_text("abcd\xe2\x82\xac"), out, sizeof out),
                        "abcd\xe2\x82\xac");
    assert_string_equal(span_show(span_text("abc"), out, 1), "");
    assert_string_equal(span_show(span_text("\x80\x80\x80\x80\x80\x80\x80\x80\x80"), out,
                                  sizeof out), "???????");
}

static void what_is_shown_is_always_utf8_and_fits(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[24] = {0};
        char out[32] = "";
        size_t len = (size_t)test_random_below(&random, sizeof bytes + 1);
        size_t cap = 1 + (size_t)test_random_below(&random, sizeof out);
        test_random_bytes(&random, bytes, len);

        span shown = span_text(span_show(span_of(bytes, len), out, cap));

        assert_true(shown.len < cap);
        assert_true(span_is_utf8(shown));
    }
}

/* ------------------------------------------------------------ sinks */

static void a_sink_writes_bytes_texts_and_numbers_in_order(void **state)
{
    (void)state;
    uint8_t room[64] = {0};
    struct sink sink = sink_over(room, sizeof room);

    sink_put(&sink, span_text("ab"));
    sink_put(&sink, span_of(NULL, 0));
    sink_text(&sink, "c ");
    sink_byte(&sink, 0xff);
    sink_u64_be(&sink, UINT64_C(0x0102030405060708));
    sink_decimal(&sink, 0);
    sink_decimal(&sink, 1234567890);
    sink_decimal(&sink, UINT64_MAX);

    static const char expected[] =
        "abc \xff\x01\x02\x03\x04\x05\x06\x07\x08" "0123456789018446744073709551615";
    assert_false(sink.full);
    test_assert_text(sink_span(&sink), expected);
}

static void a_full_sink_takes_nothing_more_and_remembers(void **state)
{
    (void)state;
    uint8_t room[5] = "....";
    struct sink sink = sink_over(room, 4), none = sink_over(NULL, 0);

    sink_text(&sink, "abcd");
    assert_false(sink.full);
    sink_text(&sink, "");
    assert_false(sink.full);
    sink_byte(&sink, 'e');
    assert_true(sink.full);
    test_assert_text(sink_span(&sink), "abcd");
    assert_int_equal(room[4], 0);

    struct sink partly = sink_over(room, 4);
    sink_text(&partly, "abcde");
    sink_text(&partly, "a");
    assert_true(partly.full);
    assert_int_equal(partly.len, 0);

    sink_text(&none, "");
    assert_false(none.full);
    sink_byte(&none, 1);
    assert_true(none.full);
}

/* ------------------------------------------------------------ buffers */

static void a_buffer_grows_and_keeps_its_bytes(void **state)
{
    (void)state;
    OWNED_BUFFER buffer = {0};

    for (size_t i = 0; i < 1000; i++) {
        uint8_t byte = (uint8_t)(i * 7);
        assert_true(buffer_put(&buffer, span_of(&byte, 1), NULL));
    }

    assert_int_equal(buffer.len, 1000);
    assert_true(buffer.cap >= 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(buffer_span(&buffer).at[i], (uint8_t)(i * 7));
    assert_true(buffer_put(&buffer, span_of(NULL, 0), NULL));
    assert_int_equal(buffer.len, 1000);
}

static void reserving_gives_at_least_the_room_asked_for(void **state)
{
    (void)state;
    OWNED_BUFFER buffer = {0};

    assert_true(buffer_reserve(&buffer, 0, NULL));
    assert_true(buffer_reserve(&buffer, 10, NULL));
    uint8_t *at = buffer.at;
    assert_true(buffer.cap >= 10);
    assert_true(buffer_reserve(&buffer, 5, NULL));
    assert_ptr_equal(buffer.at, at);
    assert_int_equal(buffer.len, 0);
}

static void a_buffer_that_cannot_grow_stays_as_it_was(void **state)
{
    (void)state;
    OWNED_BUFFER buffer = {0};
    struct err e = {0};
    assert_true(buffer_put(&buffer, span_text("abc"), &e));

    assert_false(buffer_put(&buffer, span_of("x", SIZE_MAX), &e));

    assert_int_equal(e.code, ERR_MEMORY);
    test_assert_text(buffer_span(&buffer), "abc");
}

static void a_wiped_buffer_is_empty_and_none_is_fine(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    assert_true(buffer_put(&buffer, span_text("abc"), NULL));

    buffer_wipe(&buffer);
    buffer_wipe(&buffer);
    buffer_wipe(NULL);

    assert_null(buffer.at);
    assert_int_equal(buffer.len, 0);
    assert_int_equal(buffer.cap, 0);
}

/* ------------------------------------------------------------ hex, sizes */

static void hex_is_lower_case_and_reads_back(void **state)
{
    (void)state;
    uint8_t bytes[256] = {0}, back[256] = {0};
    char text[513] = "";
    for (size_t i = 0; i < 256; i++) bytes[i] = (uint8_t)i;

    hex_write(span_of(bytes, sizeof bytes), text, sizeof text);

    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text + 0x9a * 2, "9a9b", 4);
    assert_true(hex_read(span_text(text), back, sizeof back));
    assert_memory_equal(bytes, back, sizeof bytes);
    assert_string_equal(hex_write(span_of(NULL, 0), text, 1), "");
    assert_true(hex_read(span_of(NULL, 0), back, 0));
}

static void hex_of_another_length_or_spelling_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "0", "000", "0000000", "00000", "0g00", "AB00",
                                      "00 0", "-100", "00/0", "00:0", "00`0", "00@0"};
    uint8_t out[2] = {7, 7};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(hex_read(span_text(bad[i]), out, sizeof out));

    assert_int_equal(out[0], 7);
    assert_int_equal(out[1], 7);
}

static void sums_and_products_say_when_they_overflow(void **state)
{
    (void)state;
    size_t out = 0;

    assert_true(size_add(SIZE_MAX - 1, 1, &out));
    assert_true(out == SIZE_MAX);
    assert_false(size_add(SIZE_MAX, 1, &out));
    assert_true(size_mul(SIZE_MAX / 2, 2, &out));
    assert_true(out == SIZE_MAX - 1);
    assert_false(size_mul(SIZE_MAX / 2 + 1, 2, &out));
    assert_true(size_mul(SIZE_MAX, 0, &out));
    assert_true(out == 0);
}

/* ------------------------------------------------------------ err */

static void failing_records_a_code_and_a_sentence(void **state)
{
    (void)state;
    struct err e = {.next = "old advice"};

    assert_false(err_set(&e, ERR_LIMIT, "%d bytes, the limit is %d", 9, 8));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.said, "9 bytes, the limit is 8");
    assert_string_equal(e.next, "");

    assert_false(err_because(&e, "reading %s", "x"));
    assert_false(err_next(&e, "send %s", "less"));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.said, "reading x: 9 bytes, the limit is 8");
    assert_string_equal(e.next, "send less");

    assert_false(err_memory(&e));
    assert_int_equal(e.code, ERR_MEMORY);
}

static void failing_without_a_place_for_it_is_fine(void **state)
{
    (void)state;
    assert_false(err_set(NULL, ERR_LIMIT, "x"));
    assert_false(err_because(NULL, "x"));
    assert_false(err_next(NULL, "x"));
    assert_false(err_memory(NULL));
}

static void a_long_sentence_is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        struct err e = {0};
        char said[1200] = "";
        memset(said, 'a', shift);
        for (size_t at = shift; at + 7 < sizeof said; at += 7)
            memcpy(said + at, "\xe2\x82\xac\xf0\x9f\x98\x80", 7);

        err_set(&e, ERR_LIMIT, "%s", said);
        assert_true(strlen(e.said) > sizeof e.said - 5 && strlen(e.said) < sizeof e.said);
        assert_true(span_is_utf8(span_text(e.said)));

        err_next(&e, "%s", said);
        assert_true(span_is_utf8(span_text(e.next)));
        err_because(&e, "doing");
        assert_true(span_is_utf8(span_text(e.said)));
        assert_memory_equal(e.said, "doing: ", 7);
        err_because(&e, "%s", said);
        assert_true(span_is_utf8(span_text(e.said)));
    }
}

static void a_sentence_that_fits_is_never_mended(void **state)
{
    (void)state;
    struct err e = {0};

    err_set(&e, ERR_LIMIT, "\xf0\x9f\x98\x80");
    assert_string_equal(e.said, "\xf0\x9f\x98\x80");
    err_set(&e, ERR_LIMIT, "a\xc3\xa9");
    assert_string_equal(e.said, "a\xc3\xa9");
    err_set(&e, ERR_LIMIT, "%s", "");
    assert_string_equal(e.said, "");
}

static void every_code_has_its_own_word(void **state)
{
    (void)state;
    for (enum err_code a = ERR_NONE; a <= ERR_USAGE; a++)
        for (enum err_code b = ERR_NONE; b < a; b++)
            assert_string_not_equal(err_word(a), err_word(b));
    assert_string_equal(err_word(ERR_REFUSED), "refused");
    assert_string_equal(err_word(ERR_USAGE), "usage");
}

static void a_claim_that_does_not_hold_stops_the_process(void **state)
{
    (void)state;
    must(1 + 1 == 2);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        must(1 + 1 == 3);
        _exit(0);
    }

    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static int destroyed;
static void thing_free(int *thing) { destroyed += *thing; }
OWNABLE(int *, thing_free)

static void what_is_owned_is_released_once_unless_given(void **state)
{
    (void)state;
    int one = 1, ten = 10;
    int *given = NULL;
    {
        OWNED(thing_free) int *kept = &one;
        OWNED(thing_free) int *taken = &ten;
        OWNED(thing_free) int *none = NULL;
        given = GIVE(taken);
        assert_null(taken);
        (void)kept;
        (void)none;
    }
    assert_ptr_equal(given, &ten);
    assert_int_equal(destroyed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_measured_without_its_final_zero),
        cmocka_unit_test(equal_spans_have_the_same_length_and_bytes),
        cmocka_unit_test(order_is_by_unsigned_bytes_then_length),
        cmocka_unit_test(taking_moves_the_front_and_never_past_the_end),
        cmocka_unit_test(taking_until_a_byte_removes_the_byte_too),
        cmocka_unit_test(exact_text_refuses_zero_bytes_and_a_tight_buffer),
        cmocka_unit_test(utf8_is_whole_shortest_and_without_surrogates),
        cmocka_unit_test(utf8_has_as_many_three_byte_characters_as_unicode),
        cmocka_unit_test(showing_marks_what_a_terminal_must_not_get),
        cmocka_unit_test(showing_cuts_between_characters),
        cmocka_unit_test(what_is_shown_is_always_utf8_and_fits),
        cmocka_unit_test(a_sink_writes_bytes_texts_and_numbers_in_order),
        cmocka_unit_test(a_full_sink_takes_nothing_more_and_remembers),
        cmocka_unit_test(a_buffer_grows_and_keeps_its_bytes),
        cmocka_unit_test(reserving_gives_at_least_the_room_asked_for),
        cmocka_unit_test(a_buffer_that_cannot_grow_stays_as_it_was),
        cmocka_unit_test(a_wiped_buffer_is_empty_and_none_is_fine),
        cmocka_unit_test(hex_is_lower_case_and_reads_back),
        cmocka_unit_test(hex_of_another_length_or_spelling_is_refused),
        cmocka_unit_test(sums_and_products_say_when_they_overflow),
        cmocka_unit_test(failing_records_a_code_and_a_sentence),
        cmocka_unit_test(failing_without_a_place_for_it_is_fine),
        cmocka_unit_test(a_long_sentence_is_cut_between_characters),
        cmocka_unit_test(a_sentence_that_fits_is_never_mended),
        cmocka_unit_test(every_code_has_its_own_word),
        cmocka_unit_test(a_claim_that_does_not_hold_stops_the_process),
        cmocka_unit_test(what_is_owned_is_released_once_unless_given),
    };
    return cmocka_run_group_tests_name("crypto/base/span", tests, NULL, NULL);
}

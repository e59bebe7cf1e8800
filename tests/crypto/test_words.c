#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/words.h"
#include "tests/testing.h"

static bool starts_alike(const char *a, const char *b, size_t letters)
{
    return strncmp(a, b, letters) == 0;
}

static void every_word_has_3_to_8_letters_a_to_z(void **state)
{
    (void)state;

    for (size_t i = 0; i < WORDS_COUNT; i++) {
        const char *word = words_at(i);
        assert_in_range(strlen(word), 3, 8);
        assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz"), strlen(word));
    }
}

static void the_words_stand_in_alphabetical_order(void **state)
{
    (void)state;

    for (size_t i = 1; i < WORDS_COUNT; i++)
        assert_true(strcmp(words_at(i - 1), words_at(i)) < 0);
}

static void four_letters_tell_every_word_apart(void **state)
{
    (void)state;

    for (size_t i = 0; i < WORDS_COUNT; i++)
        for (size_t j = i + 1; j < WORDS_COUNT; j++)
            if (starts_alike(words_at(i), words_at(j), 4))
                fail_msg("%s and %s start alike", words_at(i), words_at(j));
}

static void a_word_of_three_letters_is_not_the_start_of_another(void **state)
{
    (void)state;

    for (size_t i = 0; i < WORDS_COUNT; i++)
        for (size_t j = 0; j < WORDS_COUNT; j++)
            if (i != j && strlen(words_at(i)) == 3 && starts_alike(words_at(i), words_at(j), 3))
                fail_msg("%s is the start of %s", words_at(i), words_at(j));
}

/* A changed word makes two nodes disagree. SHA-256 of the list's lines, computed apart. */
static void the_list_is_the_one_agreed(void **state)
{
    (void)state;
    static uint8_t room[WORDS_COUNT * 9];
    struct sink lines = sink_over(room, sizeof room);
    char hex[65] = "";

    for (size_t i = 0; i < WORDS_COUNT; i++) {
        sink_text(&lines, words_at(i));
        sink_text(&lines, "\n");
    }
    struct hash hash = hash_of(sink_span(&lines));

    assert_false(lines.full);
    assert_string_equal(hex_write(hash_span(&hash), hex, sizeof hex),
                        "89cc017e095f2e57aaec1ff879efd03b5935ef5eacc8d6e49c714ecb1294b8d7");
}

/* Eleven bits a word, most significant first, cut by a separate program. */
static void a_hash_gives_the_known_words(void **state)
{
    (void)state;
    struct hash zeros = {{0}}, ones = {{0}}, rising = {{0}};
    struct hash text = hash_of(span_text("counterpart"));
    char out[WORDS_TEXT_MAX] = "";
    memset(ones.bytes, 0xff, sizeof ones.bytes);
    for (uint8_t i = 0; i < sizeof rising.bytes; i++) rising.bytes[i] = i;

    assert_string_equal(words_write(&zeros, 2, out, sizeof out), "aardvark aardvark");
    assert_string_equal(words_write(&ones, 3, out, sizeof out), "zucchini zucchini zucchini");
    assert_string_equal(words_write(&text, 6, out, sizeof out),
                        "opinion begin mirror lagoon seafood pumice");
    assert_string_equal(words_write(&rising, 12, out, sizeof out),
                        "aardvark amuse lobby amuse fish advance "
                        "bygone calendar arctic growth either bugle");
}

static void every_bit_of_the_words_counts_and_no_other(void **state)
{
    (void)state;
    struct hash hash = hash_of(span_text("counterpart"));
    char before[WORDS_TEXT_MAX] = "", after[WORDS_TEXT_MAX] = "";
    words_write(&hash, 6, before, sizeof before);

    for (size_t bit = 0; bit < 256; bit++) {
        hash.bytes[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
        words_write(&hash, 6, after, sizeof after);
        assert_int_equal(strcmp(before, after) != 0, bit < 66);
        hash.bytes[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
    }
}

static void no_words_are_an_empty_text_and_the_longest_fit(void **state)
{
    (void)state;
    struct hash longest = {{0}};
    char out[WORDS_TEXT_MAX] = "x";
    size_t number = 0;

    assert_string_equal(words_write(&longest, 0, out, sizeof out), "");
    while (strlen(words_at(number)) != 8) number++;
    for (size_t bit = 0; bit < 12 * 11; bit++)
        if (number >> (10 - bit % 11) & 1) longest.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
    assert_int_equal(strlen(words_write(&longest, 12, out, sizeof out)), 12 * 8 + 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_has_3_to_8_letters_a_to_z),
        cmocka_unit_test(the_words_stand_in_alphabetical_order),
        cmocka_unit_test(four_letters_tell_every_word_apart),
        cmocka_unit_test(a_word_of_three_letters_is_not_the_start_of_another),
        cmocka_unit_test(the_list_is_the_one_agreed),
        cmocka_unit_test(a_hash_gives_the_known_words),
        cmocka_unit_test(every_bit_of_the_words_counts_and_no_other),
        cmocka_unit_test(no_words_are_an_empty_text_and_the_longest_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

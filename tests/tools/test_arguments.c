/* arguments: options and words, in any order before `--`. */
#include "tools/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const struct option COMMON[] = {
    {"home", 0, "DIR", "Where."}, {"json", 0, NULL, "How."}, {"relationship", 'r', "ID", "Which."}};
static const struct option OWN[] = {{"map", 0, "HEADING=FIELD", "What."},
                                    {"yes", 'y', NULL, "Sure."}};
static const struct option_list LISTS[] = {{COMMON, COUNT(COMMON)}, {OWN, COUNT(OWN)}};

#define PARSE(out, e, ...) parse(out, e, (char *[]){"counterpart", __VA_ARGS__, NULL})
static bool parse(struct arguments *out, struct err *e, char **argv)
{
    int argc = 0;
    while (argv[argc]) argc++;
    return arguments_parse(out, argc, argv, LISTS, COUNT(LISTS), e);
}

static void options_and_words_stand_in_any_order(void **state)
{
    (void)state;
    struct arguments a = {0};

    assert_true(
        PARSE(&a, NULL, "--home", "/x", "import", "action", "-r", "joint", "file.csv", "--json"));

    assert_string_equal(arguments_value(&a, "home"), "/x");
    assert_string_equal(arguments_value(&a, "relationship"), "joint");
    assert_true(arguments_has(&a, "json"));
    assert_false(arguments_has(&a, "yes"));
    assert_int_equal(a.word_count, 3);
    assert_string_equal(a.words[2], "file.csv");
}

static void values_may_be_glued_to_their_option(void **state)
{
    (void)state;
    struct arguments a = {0};

    assert_true(PARSE(&a, NULL, "--home=/x=y", "-rjoint", "--map="));

    assert_string_equal(arguments_value(&a, "home"), "/x=y");
    assert_string_equal(arguments_value(&a, "relationship"), "joint");
    assert_string_equal(arguments_value(&a, "map"), "");
}

static void a_repeated_option_keeps_every_value(void **state)
{
    (void)state;
    struct arguments a = {0};
    const char *values[1] = {NULL};

    assert_true(PARSE(&a, NULL, "--map", "A=title", "--map", "B=owner"));

    assert_int_equal(arguments_values(&a, "map", values, 1), 2);
    assert_string_equal(values[0], "A=title");
    assert_string_equal(arguments_value(&a, "map"), "B=owner");
}

static void after_two_dashes_everything_is_a_word(void **state)
{
    (void)state;
    struct arguments a = {0};

    assert_true(PARSE(&a, NULL, "comment", "--", "--json", "-r", "--"));

    assert_false(arguments_has(&a, "json"));
    assert_int_equal(a.word_count, 4);
    assert_string_equal(a.words[1], "--json");
    assert_string_equal(a.words[3], "--");
}

static void a_lone_dash_is_a_word(void **state)
{
    (void)state;
    struct arguments a = {0};

    assert_true(PARSE(&a, NULL, "join", "-"));

    assert_int_equal(a.word_count, 2);
    assert_string_equal(a.words[1], "-");
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    static char *const wrong[][3] = {{"counterpart", "--colour", NULL},
                                     {"counterpart", "-x", NULL},
                                     {"counterpart", "--home", NULL},
                                     {"counterpart", "--json=yes", NULL},
                                     {"counterpart", "--hom", NULL}};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct arguments a = {0};
        struct err e = {0};
        assert_false(arguments_parse(&a, 2, wrong[i], LISTS, COUNT(LISTS), &e));
        assert_int_equal(e.code, ERR_USAGE);
    }
}

static void too_many_words_and_options_are_refused(void **state)
{
    (void)state;
    char *argv[ARGUMENTS_WORDS_MAX + 3] = {"counterpart"};
    struct arguments a = {0};
    struct err words = {0}, options = {0};

    for (size_t i = 1; i < ARGUMENTS_WORDS_MAX + 2; i++) argv[i] = "word";
    assert_false(arguments_parse(&a, ARGUMENTS_WORDS_MAX + 2, argv, LISTS, COUNT(LISTS), &words));
    for (size_t i = 1; i < ARGUMENTS_GIVEN_MAX + 2; i++) argv[i] = "--json";
    assert_false(arguments_parse(&a, ARGUMENTS_GIVEN_MAX + 2, argv, LISTS, COUNT(LISTS), &options));

    assert_int_equal(words.code, ERR_LIMIT);
    assert_int_equal(options.code, ERR_LIMIT);
}

static void the_first_word_is_found_behind_common_options(void **state)
{
    (void)state;
    char *behind[] = {"counterpart", "--home", "serve", "--json", "list", "action", NULL};
    char *none[] = {"counterpart", "--json", NULL};
    char *unknown[] = {"counterpart", "--map", "x", NULL};

    assert_string_equal(arguments_first_word(6, behind, &LISTS[0]), "list");
    assert_null(arguments_first_word(2, none, &LISTS[0]));
    assert_null(arguments_first_word(3, unknown, &LISTS[0]));
}

static void a_mention_counts_only_before_two_dashes(void **state)
{
    (void)state;
    char *before[] = {"counterpart", "--colour", "--json", NULL};
    char *after[] = {"counterpart", "--", "--json", NULL};

    assert_true(arguments_mention(3, before, "json"));
    assert_false(arguments_mention(3, after, "json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words_stand_in_any_order),
        cmocka_unit_test(values_may_be_glued_to_their_option),
        cmocka_unit_test(a_repeated_option_keeps_every_value),
        cmocka_unit_test(after_two_dashes_everything_is_a_word),
        cmocka_unit_test(a_lone_dash_is_a_word),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(too_many_words_and_options_are_refused),
        cmocka_unit_test(the_first_word_is_found_behind_common_options),
        cmocka_unit_test(a_mention_counts_only_before_two_dashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

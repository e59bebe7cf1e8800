#include "protocol/vocabulary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing.h"

static const struct noun *noun_of(const char *name)
{
    const struct noun *noun = vocabulary_find(span_text(name));
    assert_non_null(noun);
    return noun;
}

static const struct field *field_of(const char *noun, const char *name)
{
    const struct field *field = noun_field(noun_of(noun), span_text(name));
    assert_non_null(field);
    return field;
}

static struct value text(const char *words)
{
    return (struct value){.is_text = true, .text = span_text(words)};
}

static bool is_right(const struct field *field, const char *words)
{
    struct value value = text(words);
    struct err e = {0};
    bool right = field_check(field, &value, &e);
    if (!right) assert_int_equal(e.code, ERR_USAGE);
    return right;
}

/* ---------------------------------------------------------------------------- the table */

static void the_table_is_complete_and_fits_its_limits(const struct noun *noun)
{
    size_t required_bytes = 0;
    assert_true(noun->name[0] && strlen(noun->name) <= NOUN_BYTES_MAX);
    assert_true(noun->label && noun->label[0] && noun->help && noun->help[0]);
    assert_true(noun->field_count <= FIELDS_MAX);
    for (size_t i = 0; i < noun->field_count; i++) {
        const struct field *field = &noun->fields[i];
        assert_true(field->name[0] && strlen(field->name) <= FIELD_NAME_BYTES_MAX);
        assert_true(field->label[0] && field->help && field->help[strlen(field->help) - 1] == '.');
        assert_ptr_equal(noun_field(noun, span_text(field->name)), field);
        assert_ptr_equal(noun_field_loosely(noun, span_text(field->label)), field);
        assert_ptr_equal(noun_field_loosely(noun, span_text(field->name)), field);
        if (field->type == FIELD_CHOICE)
            assert_true(field->choices && field->choices[0] && field->choices[1]);
        else
            assert_null(field->choices);
        if (field->type == FIELD_LINE || field->type == FIELD_TEXT)
            assert_true(field->most > field->least || field->least == 64);
        required_bytes += (size_t)(field->most > 0 ? field->most : 32) + FIELD_NAME_BYTES_MAX + 8;
        if (field->author == AUTHOR_OWNER) assert_non_null(noun_field(noun, span_text("owner")));
    }
    assert_true(required_bytes < BODY_BYTES_MAX); /* a full one always fits */
}

static void every_noun_and_verb_is_complete_and_fits_its_limits(void **state)
{
    (void)state;
    size_t count = 0;
    const struct noun *nouns = vocabulary_nouns(&count);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        the_table_is_complete_and_fits_its_limits(&nouns[i]);
        assert_ptr_equal(vocabulary_find(span_text(nouns[i].name)), &nouns[i]);
    }
    for (int verb = VERB_UNKNOWN; verb <= VERB_SUCCEED; verb++) {
        const struct noun *own = vocabulary_verb((enum verb)verb);
        if (!own) continue;
        assert_string_equal(own->name, verb_word((enum verb)verb));
        the_table_is_complete_and_fits_its_limits(own);
        for (size_t i = 0; i < own->field_count; i++)
            assert_int_equal(own->fields[i].kind, FIELD_STATEMENT);
    }
    assert_null(vocabulary_find(span_text("unicorn")));
}

static void nouns_are_proposed_stated_and_imported_as_the_record_says(void **state)
{
    (void)state;
    const struct noun *charter = noun_of("charter"), *action = noun_of("action");
    const struct noun *appointment = noun_of("appointment"), *comment = noun_of("comment");
    assert_true(charter->is_proposed && !charter->is_stated && !charter->is_ours_to_import);
    assert_true(action->is_proposed && action->is_stated && action->is_ours_to_import);
    assert_false(action->wants_acknowledgement);
    assert_true(!appointment->is_proposed && appointment->is_stated &&
                appointment->wants_acknowledgement);
    assert_false(comment->is_proposed || comment->is_stated);
    for (size_t i = 0; i < charter->field_count; i++)
        assert_int_equal(charter->fields[i].kind, FIELD_TERM);
    for (size_t i = 0; i < appointment->field_count; i++)
        assert_int_equal(appointment->fields[i].kind, FIELD_STATEMENT);
    assert_int_equal(field_of("action", "due")->kind, FIELD_TERM);
    assert_int_equal(field_of("action", "forecast")->kind, FIELD_STATEMENT);
    assert_int_equal(field_of("action", "forecast")->author, AUTHOR_OWNER);
}

static void verbs_without_fields_of_their_own_have_none(void **state)
{
    (void)state;
    assert_null(vocabulary_verb(VERB_UNKNOWN));
    assert_null(vocabulary_verb(VERB_PROPOSE));
    assert_null(vocabulary_verb(VERB_STATE));
    assert_null(vocabulary_verb((enum verb)99));
    assert_int_equal(vocabulary_verb(VERB_ACCEPT)->field_count, 0);
    assert_string_equal(vocabulary_verb(VERB_DECLINE)->fields[0].name, "reason");
    assert_string_equal(vocabulary_verb(VERB_DISPUTE)->fields[0].name, "reason");
    assert_string_equal(vocabulary_verb(VERB_COMMENT)->fields[0].name, "text");
}

static void headings_are_found_as_people_write_them(void **state)
{
    (void)state;
    const struct noun *action = noun_of("action");
    assert_ptr_equal(noun_field_loosely(action, span_text("DONE-when")),
                     field_of("action", "done_when"));
    assert_ptr_equal(noun_field_loosely(action, span_text(" Owner Person ")),
                     field_of("action", "owner_person"));
    assert_ptr_equal(noun_field_loosely(action, span_text("ownerperson")),
                     field_of("action", "owner_person"));
    assert_null(noun_field_loosely(action, span_text("own")));
    assert_null(noun_field_loosely(action, span_text("")));
    assert_null(noun_field(action, span_text("Due")));
}

/* ------------------------------------------------------------------------------- values */

static void a_date_is_a_real_day_written_one_way(void **state)
{
    static const char *const right[] = {"2026-12-18", "0001-01-01", "9999-12-31",
                                        "2024-02-29", "2000-02-29", "2026-04-30"};
    static const char *const wrong[] = {
        "2026-02-29",  "1900-02-29",  "2026-04-31",       "2026-13-01",  "2026-00-01", "2026-01-00",
        "2026-01-32",  "0000-01-01",  "26-01-01",         "2026-1-01",   "2026-01-1",  "2026/01/01",
        "2026-01-01 ", " 2026-01-01", "2026-01-01T00:00", "-2026-01-01", "2026-01",    "2026-+1-01",
        "18.12.2026",  "tomorrow",    "20260101"};
    (void)state;
    const struct field *due = field_of("action", "due");
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_true(is_right(due, right[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (is_right(due, wrong[i])) fail_msg("%s", wrong[i]);
}

static void a_reference_is_a_code_and_a_number(void **state)
{
    static const char *const right[] = {"ACME-12", "B7-1", "ACME-9999999999"};
    static const char *const wrong[] = {
        "ACME", "ACME-",    "ACME-0",  "ACME-012",         "acme-12", "ACME-1a",
        "-12",  "ACME-1-2", "ACME--1", "ACME-12345678901", "A-1"};
    (void)state;
    const struct field *link = field_of("action", "link");
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_true(is_right(link, right[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (is_right(link, wrong[i])) fail_msg("%s", wrong[i]);
}

static void lines_have_no_breaks_and_texts_may(void **state)
{
    (void)state;
    const struct field *line = field_of("action", "title"),
                       *words = field_of("action", "done_when");
    assert_true(is_right(line, "Sign off \xe2\x80\x93 Z\xc3\xbcrich"));
    assert_false(is_right(line, "a\nb"));
    assert_false(is_right(line, "a\tb"));
    assert_false(is_right(line, "a\x1b[31mb"));
    assert_false(is_right(line, "a\xc2\x9b"
                                "b"));
    assert_false(is_right(line, "\xff"));
    assert_true(is_right(words, "a\r\n\tb\nc"));
    assert_false(is_right(words, "a\x0b"
                                 "b"));
    assert_false(is_right(words, "a\x7f"));
    assert_false(is_right(words, "a\xc2\x85"));
    assert_false(is_right(words, "a\xc3"));
}

static void text_without_content_is_refused(void **state)
{
    (void)state;
    size_t count = 0;
    const struct noun *nouns = vocabulary_nouns(&count);
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < nouns[n].field_count; i++) {
            assert_false(is_right(&nouns[n].fields[i], ""));
            assert_false(is_right(&nouns[n].fields[i], " \n "));
        }
}

static void text_keeps_to_its_limits_to_the_byte(void **state)
{
    static char words[9000];
    (void)state;
    const struct field *comment = field_of("comment", "text");
    const struct field *nonce = noun_field(vocabulary_verb(VERB_OPEN), span_text("nonce"));
    memset(words, 'a', 8000);
    assert_true(is_right(comment, words));
    words[8000] = 'a';
    assert_false(is_right(comment, words));
    words[64] = '\0';
    assert_true(is_right(nonce, words));
    words[63] = '\0';
    assert_false(is_right(nonce, words));
}

static void numbers_choices_and_codes_are_checked(void **state)
{
    (void)state;
    const struct field *percent = field_of("action", "percent"), *rag = field_of("action", "rag");
    struct err e = {0};
    assert_true(field_check(percent, &(struct value){.number = 0}, &e));
    assert_true(field_check(percent, &(struct value){.number = 100}, &e));
    assert_false(field_check(percent, &(struct value){.number = 101}, &e));
    assert_string_equal(e.said, "percent is 101, it should be 0 to 100");
    assert_false(field_check(percent, &(struct value){.number = -1}, &e));
    assert_false(is_right(percent, "50"));
    assert_false(field_check(rag, &(struct value){.number = 1}, &e));
    assert_true(is_right(rag, "amber"));
    assert_false(is_right(rag, "Amber"));
    struct value pink = text("pink");
    assert_false(field_check(rag, &pink, &e));
    assert_string_equal(e.said, "rag is 'pink', it should be red, amber or green");
    assert_true(is_right(field_of("action", "owner"), "ACME"));
    assert_false(is_right(field_of("action", "owner"), "Acme Ltd"));
}

static void what_people_type_becomes_a_value(void **state)
{
    (void)state;
    struct value value = {0};
    struct err e = {0};
    assert_true(field_parse(field_of("action", "percent"), span_text(" 40 "), &value, &e));
    assert_true(!value.is_text && value.number == 40);
    assert_true(field_parse(field_of("action", "status"), span_text("In Progress"), &value, &e));
    test_assert_text(value.text, "in_progress");
    assert_true(field_parse(field_of("charter", "kind"), span_text("joint venture"), &value, &e));
    test_assert_text(value.text, "joint-venture");
    assert_true(field_parse(field_of("action", "title"), span_text("  Sign it \n"), &value, &e));
    test_assert_text(value.text, "Sign it");
    assert_true(field_parse(field_of("action", "due"), span_text("2026-12-18 "), &value, &e));
    test_assert_text(value.text, "2026-12-18");
}

static void what_cannot_be_meant_is_refused_and_leaves_the_value(void **state)
{
    static const char *const no_numbers[] = {"",
                                             "-",
                                             "4.5",
                                             "4,5",
                                             "40%",
                                             "1e2",
                                             "0x10",
                                             "+4",
                                             "007",
                                             "9223372036854775808",
                                             "99999999999999999999999",
                                             "-1",
                                             "101",
                                             "forty"};
    (void)state;
    struct value value = {.number = 7};
    struct err e = {0};
    for (size_t i = 0; i < sizeof no_numbers / sizeof no_numbers[0]; i++) {
        if (field_parse(field_of("action", "percent"), span_text(no_numbers[i]), &value, &e))
            fail_msg("%s", no_numbers[i]);
        assert_int_equal(e.code, ERR_USAGE);
    }
    assert_false(field_parse(field_of("action", "due"), span_text("next week"), &value, &e));
    assert_string_equal(e.said, "due is 'next week', it should be a day such as 2026-12-18");
    assert_false(field_parse(field_of("action", "status"), span_text("done"), &value, &e));
    assert_int_equal(value.number, 7);
}

static void a_map_of_fields_fits_its_noun_or_is_refused_with_a_reason(void **state)
{
    (void)state;
    const struct noun *action = noun_of("action");
    struct body_field fields[3] = {{span_text("title"), text("Sign it")},
                                   {span_text("due"), text("2026-12-18")}};
    struct err e = {0};
    assert_true(noun_check(action, FIELD_TERM, true, fields, 2, &e));
    assert_false(noun_check(action, FIELD_TERM, true, fields + 1, 1, &e));
    assert_string_equal(e.said, "action needs title");
    assert_int_equal(e.code, ERR_USAGE);
    assert_true(noun_check(action, FIELD_TERM, false, fields + 1, 1, &e));
    fields[2] = (struct body_field){span_text("status"), text("blocked")};
    assert_false(noun_check(action, FIELD_TERM, true, fields, 3, &e));
    assert_string_equal(e.said, "status of action is one party's word: state it");
    assert_false(noun_check(action, FIELD_STATEMENT, true, fields, 3, &e));
    assert_string_equal(e.said, "title of action is a term: propose it");
    assert_true(noun_check(action, FIELD_STATEMENT, true, fields + 2, 1, &e));
    fields[2] = (struct body_field){span_text("colour\n"), text("red")};
    assert_false(noun_check(action, FIELD_TERM, true, fields, 3, &e));
    assert_string_equal(e.said, "action has no field 'colour?'");
    fields[2] = fields[1];
    assert_false(noun_check(action, FIELD_TERM, true, fields, 3, &e));
    assert_string_equal(e.said, "due is given twice");
    fields[1].value = text("soon");
    assert_false(noun_check(action, FIELD_TERM, true, fields, 2, &e));
    assert_true(noun_check(vocabulary_verb(VERB_ACCEPT), FIELD_STATEMENT, true, NULL, 0, &e));
    assert_false(noun_check(vocabulary_verb(VERB_DISPUTE), FIELD_STATEMENT, true, NULL, 0, &e));
    assert_string_equal(e.said, "dispute needs reason");
}

static void the_digest_is_the_same_every_time(void **state)
{
    (void)state;
    struct hash first = vocabulary_digest(), second = vocabulary_digest();
    assert_true(hash_equal(&first, &second));
    assert_false(hash_is_zero(&first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_noun_and_verb_is_complete_and_fits_its_limits),
        cmocka_unit_test(nouns_are_proposed_stated_and_imported_as_the_record_says),
        cmocka_unit_test(verbs_without_fields_of_their_own_have_none),
        cmocka_unit_test(headings_are_found_as_people_write_them),
        cmocka_unit_test(a_date_is_a_real_day_written_one_way),
        cmocka_unit_test(a_reference_is_a_code_and_a_number),
        cmocka_unit_test(lines_have_no_breaks_and_texts_may),
        cmocka_unit_test(text_without_content_is_refused),
        cmocka_unit_test(text_keeps_to_its_limits_to_the_byte),
        cmocka_unit_test(numbers_choices_and_codes_are_checked),
        cmocka_unit_test(what_people_type_becomes_a_value),
        cmocka_unit_test(what_cannot_be_meant_is_refused_and_leaves_the_value),
        cmocka_unit_test(a_map_of_fields_fits_its_noun_or_is_refused_with_a_reason),
        cmocka_unit_test(the_digest_is_the_same_every_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

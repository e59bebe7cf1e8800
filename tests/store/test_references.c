/*
 * Finding what a person typed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/store/parties.h"

static struct reference find(struct parties *p, const char *typed)
{
    struct reference r = {0};
    struct err e = {0};
    expect(reference_find(p->sides[BOLT].store, &p->id, span_text(typed), &r, &e), &e);
    return r;
}

static struct err not_found(struct parties *p, bool is_one, const char *typed)
{
    struct reference r = {0};
    struct err e = {0};
    if (reference_find(p->sides[BOLT].store, is_one ? &p->id : NULL, span_text(typed), &r, &e))
        fail_msg("\"%s\" names something", typed);
    assert_true(e.next[0] != '\0');
    return e;
}

static const char *digits_of(const struct hash *id, size_t digits, char *out, size_t cap)
{
    (void)hex_write(hash_span(id), out, cap);
    out[digits] = '\0';
    return out;
}

static void a_code_and_number_name_an_item_however_they_are_typed(void **state)
{
    (void)state;
    static const char *const typed[] = {"ACME-2", "acme-2", " Acme-2 ", "\tACME-2\n"};
    struct parties p;
    parties_open(&p, 2, 1);
    (void)propose_new(&p, ACME, "First");
    struct hash second = propose_new(&p, ACME, "Second");
    settle(&p);

    for (size_t i = 0; i < sizeof typed / sizeof typed[0]; i++) {
        struct reference r = find(&p, typed[i]);
        assert_hash_equal(&r.item, &second);
        assert_hash_equal(&r.entry, &second);
        assert_false(r.is_entry);
        assert_memory_equal(r.relationship.bytes, p.id.bytes, 16);
    }
    parties_close(&p);
}

static void digits_name_an_entry_and_the_item_it_concerns(void **state)
{
    (void)state;
    struct parties p;
    char digits[65];
    parties_open(&p, 2, 1);
    struct hash item = propose_new(&p, ACME, "Deliver the drawings");
    settle(&p);
    struct hash yes = answer(&p, BOLT, VERB_ACCEPT, &item),
                about_yes = answer(&p, BOLT, VERB_COMMENT, &yes);
    settle(&p);
    struct hash progress = report_progress(&p, ACME, &item, &item, 40);
    settle(&p);
    const struct hash *entries[] = {&item, &yes, &about_yes, &progress};

    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        for (size_t n = 8; n <= 64; n += 7) {
            struct reference r = find(&p, digits_of(entries[i], n, digits, sizeof digits));
            assert_hash_equal(&r.entry, entries[i]);
            assert_hash_equal(&r.item, &item);
            assert_true(r.is_entry);
        }
    parties_close(&p);
}

static void the_second_item_of_a_bundle_is_found_by_its_own_id(void **state)
{
    (void)state;
    struct parties p;
    char digits[65];
    struct draft bundle = {
        .verb = VERB_PROPOSE, .noun = "action", .item_count = 2, .body = span_text("\x92\x80\x80")};
    bundle.items[0] = bundle.items[1] = (struct item_base){.is_new = true, .from_start = true};
    parties_open(&p, 2, 1);
    struct hash entry = say(&p, ACME, &bundle);
    settle(&p);

    struct reference second = find(&p, "ACME-2");
    assert_memory_not_equal(second.item.bytes, entry.bytes, 32);
    assert_hash_equal(&second.entry, &entry);
    struct reference by_id = find(&p, digits_of(&second.item, 10, digits, sizeof digits));
    assert_hash_equal(&by_id.item, &second.item);
    assert_hash_equal(&by_id.entry, &entry);
    assert_false(by_id.is_entry);

    parties_close(&p);
}

static void an_entry_about_no_item_is_found_without_one(void **state)
{
    (void)state;
    struct parties p;
    char digits[65];
    parties_open(&p, 2, 1);
    struct header h = next_header(&p, ACME, VERB_COMMENT, "relationship");
    struct hash entry = say_header(&p, ACME, &h, NULL);
    settle(&p);

    struct reference r = find(&p, digits_of(&entry, 16, digits, sizeof digits));

    assert_true(r.is_entry && hash_is_zero(&r.item));
    assert_hash_equal(&r.entry, &entry);
    parties_close(&p);
}

static void what_names_nothing_is_missing_and_says_what_would_help(void **state)
{
    (void)state;
    static const char *const typed[] = {"",
                                        " ",
                                        "ACME-99",
                                        "NOBODY-1",
                                        "ACME-0",
                                        "ACME-01",
                                        "ACME-",
                                        "-1",
                                        "ACME-1x",
                                        "abc",
                                        "xyz9",
                                        "00000000",
                                        "ACME-99999999999999999999",
                                        "ac me-1"};
    struct parties p;
    parties_open(&p, 2, 1);
    (void)propose_new(&p, ACME, "Deliver the drawings");
    settle(&p);

    for (size_t i = 0; i < sizeof typed / sizeof typed[0]; i++)
        for (int is_one = 0; is_one < 2; is_one++)
            assert_int_equal(not_found(&p, is_one, typed[i]).code, ERR_MISSING);

    char many[200] = {0};
    memset(many, 'a', sizeof many - 1);
    assert_int_equal(not_found(&p, true, many).code, ERR_MISSING);
    parties_close(&p);
}

static void digits_that_begin_several_ids_are_ambiguous(void **state)
{
    (void)state;
    struct parties p;
    char digits[65];
    struct hash ids[2000];
    size_t count = 0, same = 0;
    parties_open(&p, 2, 1);
    struct hash item = propose_new(&p, BOLT, "Deliver the drawings");
    bool is_found = false;
    while (!is_found && count < sizeof ids / sizeof ids[0]) {
        ids[count] = answer(&p, BOLT, VERB_COMMENT, &item);
        for (same = 0; same < count && !is_found; same += !is_found)
            is_found = memcmp(ids[same].bytes, ids[count].bytes, 2) == 0;
        count++;
    }
    assert_true(is_found);

    struct err e = not_found(&p, true, digits_of(&ids[same], 4, digits, sizeof digits));

    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.said, digits_of(&ids[same], 12, digits, sizeof digits)));
    assert_non_null(strstr(e.said, digits_of(&ids[count - 1], 12, digits, sizeof digits)));
    assert_non_null(strstr(e.said, "(BOLT-1)"));
    parties_close(&p);
}

static void a_reference_that_two_relationships_have_is_ambiguous_between_them(void **state)
{
    (void)state;
    struct parties p, another;
    struct reference r = {0};
    struct err e = {0};
    char digits[65];
    parties_open(&p, 2, 1);
    parties_open_another(&another, &p);
    struct hash first = propose_new(&p, ACME, "Here"),
                second = propose_new(&another, ACME, "There");
    settle(&p);
    settle(&another);

    e = not_found(&p, false, "ACME-1");
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.said, "Acme and others"));
    assert_non_null(strstr(e.next, "-r"));
    r = find(&p, "ACME-1");
    assert_hash_equal(&r.item, &first);
    r = find(&another, "ACME-1");
    assert_hash_equal(&r.item, &second);
    expect(reference_find(p.sides[BOLT].store, NULL,
                          span_text(digits_of(&second, 20, digits, sizeof digits)), &r, &e),
           &e);
    assert_memory_equal(r.relationship.bytes, another.id.bytes, 16);

    assert_same_everywhere(&p);
    assert_same_everywhere(&another);
    parties_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_and_number_name_an_item_however_they_are_typed),
        cmocka_unit_test(digits_name_an_entry_and_the_item_it_concerns),
        cmocka_unit_test(the_second_item_of_a_bundle_is_found_by_its_own_id),
        cmocka_unit_test(an_entry_about_no_item_is_found_without_one),
        cmocka_unit_test(what_names_nothing_is_missing_and_says_what_would_help),
        cmocka_unit_test(digits_that_begin_several_ids_are_ambiguous),
        cmocka_unit_test(a_reference_that_two_relationships_have_is_ambiguous_between_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * History in a causal order, and items as they are listed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/store/parties.h"

#define TRANSCRIPT_MAX 4096

/* "ACME propose, BOLT accept *": the lines of a history, a star where an agreement came into force. */
struct transcript {
    struct parties *p;
    char text[TRANSCRIPT_MAX];
    size_t most, count;
};

static bool tell(void *self, const struct history_line *line)
{
    struct transcript *t = self;
    size_t at = strlen(t->text);
    snprintf(t->text + at, sizeof t->text - at, "%s%s %s%s%s", at ? ", " : "",
             t->p->sides[line->party].code, line->verb, line->sealed_something ? " *" : "",
             line->is_waiting ? " (waiting)" : "");
    return ++t->count < t->most;
}

static const char *history(struct transcript *t, struct parties *p, unsigned us,
                           const struct hash *item)
{
    struct err e = {0};
    *t = (struct transcript){.p = p, .most = t->most ? t->most : SIZE_MAX};
    expect(history_each(p->sides[us].store, &p->id, item, tell, t, &e), &e);
    return t->text;
}

static void an_items_history_is_told_in_the_order_it_happened(void **state)
{
    (void)state;
    struct parties p;
    struct transcript t = {0};
    parties_open(&p, 2, 1);
    struct hash other = propose_new(&p, BOLT, "Something else");
    struct hash item = propose_new(&p, ACME, "Deliver the drawings");
    settle(&p);
    (void)answer(&p, BOLT, VERB_COMMENT, &item);
    (void)answer(&p, BOLT, VERB_ACCEPT, &item);
    settle(&p);
    (void)report_progress(&p, ACME, &item, &item, 10);
    settle(&p);

    for (unsigned us = 0; us < 2; us++) {
        assert_string_equal(history(&t, &p, us, &item),
                            "ACME propose, BOLT comment, BOLT accept, ACME seal *, ACME state");
        assert_string_equal(history(&t, &p, us, &other), "BOLT propose");
        assert_string_equal(history(&t, &p, us, NULL),
                            "ACME open, ACME pair, BOLT join, BOLT propose, ACME propose, BOLT "
                            "comment, BOLT accept, "
                            "ACME seal *, ACME state");
    }
    t.most = 2;
    assert_string_equal(history(&t, &p, ACME, &item), "ACME propose, BOLT comment");
    parties_close(&p);
}

static void a_clock_that_is_wrong_does_not_disturb_the_order(void **state)
{
    (void)state;
    struct parties p;
    struct transcript t = {0};
    parties_open(&p, 2, 1);
    struct hash item = propose_new(&p, ACME, "Deliver the drawings");
    send(&p, ACME, BOLT);
    p.now_ms -= INT64_C(1000) * 3600 * 24 * 365; /* BOLT's clock */
    (void)answer(&p, BOLT, VERB_ACCEPT, &item);
    p.now_ms += INT64_C(1000) * 3600 * 24 * 365;
    settle(&p);

    assert_string_equal(history(&t, &p, BOLT, &item), "ACME propose, BOLT accept, ACME seal *");
    assert_string_equal(history(&t, &p, BOLT, NULL),
                        "ACME open, ACME pair, BOLT join, ACME propose, BOLT accept, ACME seal *");
    parties_close(&p);
}

static void what_waits_is_told_as_waiting(void **state)
{
    (void)state;
    struct parties p;
    struct transcript t = {0};
    parties_open(&p, 3, 1);
    struct hash item = propose_new(&p, ACME, "Deliver the drawings");
    send(&p, ACME, BOLT);
    (void)answer(&p, BOLT, VERB_ACCEPT, &item);
    send(&p, BOLT, CORD); /* without what it accepts */

    assert_string_equal(
        history(&t, &p, CORD, NULL),
        "ACME open, ACME pair, ACME pair, BOLT join, CORD join, BOLT accept (waiting)");
    parties_close(&p);
}

struct fields {
    const struct hash *entry;
    char title[64];
};

static bool keep_title(void *self, const struct history_line *line)
{
    struct fields *f = self;
    const struct value *title = body_find(line->fields, line->field_count, "title");
    if (title && hash_equal(&line->entry, f->entry))
        (void)span_show(title->text, f->title, sizeof f->title);
    return true;
}

static void a_bundles_line_shows_the_fields_of_the_item_asked_for(void **state)
{
    (void)state;
    static const uint8_t two[] = "\x92\x81\xa5title\xa5"
                                 "first\x81\xa5title\xa6second";
    struct parties p;
    struct reference second = {0};
    struct err e = {0};
    struct draft bundle = {.verb = VERB_PROPOSE,
                           .noun = "action",
                           .item_count = 2,
                           .body = span_of(two, sizeof two - 1)};
    bundle.items[0] = bundle.items[1] = (struct item_base){.is_new = true, .from_start = true};
    parties_open(&p, 2, 1);
    struct hash entry = say(&p, ACME, &bundle);
    expect(reference_find(p.sides[ACME].store, &p.id, span_text("ACME-2"), &second, &e), &e);

    struct fields first_item = {.entry = &entry}, second_item = {.entry = &entry};
    expect(history_each(p.sides[ACME].store, &p.id, &entry, keep_title, &first_item, &e), &e);
    expect(history_each(p.sides[ACME].store, &p.id, &second.item, keep_title, &second_item, &e),
           &e);

    assert_string_equal(first_item.title, "first");
    assert_string_equal(second_item.title, "second");
    parties_close(&p);
}

/* ---- items ---- */

struct listed {
    char text[TRANSCRIPT_MAX];
    size_t count, most;
};

static bool list_item(void *self, struct item_view *view)
{
    struct listed *l = self;
    size_t at = strlen(l->text);
    if (at < sizeof l->text)
        snprintf(l->text + at, sizeof l->text - at, "%s%s", at ? " " : "", view->ref);
    return ++l->count < l->most;
}

static struct listed list(struct parties *p, const char *noun, size_t most)
{
    struct listed l = {.most = most};
    struct err e = {0};
    expect(items_each(p->sides[ACME].store, &p->id, noun, list_item, &l, &e), &e);
    return l;
}

static void items_are_listed_by_reference(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 2, 1);
    for (size_t i = 0; i < 2; i++) (void)propose_new(&p, BOLT, "Something");
    for (size_t i = 0; i < 3; i++) (void)propose_new(&p, ACME, "Something");
    (void)appoint(&p, ACME, NULL, "Rosa");
    settle(&p);

    assert_string_equal(list(&p, NULL, SIZE_MAX).text, "ACME-1 ACME-2 ACME-3 ACME-4 BOLT-1 BOLT-2");
    assert_string_equal(list(&p, "action", SIZE_MAX).text, "ACME-1 ACME-2 ACME-3 BOLT-1 BOLT-2");
    assert_string_equal(list(&p, "appointment", SIZE_MAX).text, "ACME-4");
    assert_string_equal(list(&p, "charter", SIZE_MAX).text, "");
    assert_string_equal(list(&p, NULL, 2).text, "ACME-1 ACME-2");
    for (size_t i = 0; i < 150; i++) (void)propose_new(&p, ACME, "Something");
    assert_int_equal(list(&p, NULL, SIZE_MAX).count, 156); /* more than a page */
    parties_close(&p);
}

static void offers_stand_beside_the_agreed_terms_oldest_first(void **state)
{
    (void)state;
    struct parties p;
    struct item_view view = {0};
    struct err e = {0};
    parties_open(&p, 2, 1);
    struct hash item = propose_new(&p, ACME, "One");
    settle(&p);
    (void)answer(&p, BOLT, VERB_ACCEPT, &item);
    settle(&p);
    struct hash q = propose_on(&p, BOLT, &item, &item, "Two"),
                r = propose_on(&p, ACME, &item, &item, "Three");
    settle(&p);

    expect(item_load(p.sides[BOLT].store, &p.id, &item, &view, &e), &e);

    assert_string_equal(view.ref, "ACME-1");
    assert_int_equal(view.standing, STANDING_AGREED);
    test_assert_text(body_find(view.terms, view.term_count, "title")->text, "One");
    assert_int_equal(view.offer_count, 3);
    const struct hash *order[] = {&item, &q, &r};
    static const char *const titles[] = {"One", "Two", "Three"};
    for (size_t i = 0; i < 3; i++) {
        assert_hash_equal(&view.offers[i].proposal, order[i]);
        test_assert_text(
            body_find(view.offers[i].fields, view.offers[i].field_count, "title")->text, titles[i]);
        assert_int_equal(view.offers[i].from_start, i == 0);
        assert_string_equal(view.offers[i].person, "Ann");
    }
    item_view_wipe(&view);
    parties_close(&p);
}

static void a_party_that_floods_an_item_does_not_hide_the_others_offer(void **state)
{
    (void)state;
    struct parties p;
    struct item_view view = {0};
    struct err e = {0};
    bool is_ours_shown = false;
    parties_open(&p, 2, 1);
    struct hash item = propose_new(&p, ACME, "One");
    settle(&p);
    for (size_t i = 0; i < 100; i++) (void)propose_on(&p, BOLT, &item, NULL, "Mine");
    struct hash newest = propose_on(&p, BOLT, &item, NULL, "Mine at last");
    settle(&p);

    expect(item_load(p.sides[ACME].store, &p.id, &item, &view, &e), &e);

    assert_true(view.offer_count < 40);
    assert_int_equal(view.standing, STANDING_OFFERED);
    for (size_t i = 0; i < view.offer_count; i++)
        if (hash_equal(&view.offers[i].proposal, &item)) is_ours_shown = true;
    assert_true(is_ours_shown);
    assert_hash_equal(&view.offers[view.offer_count - 1].proposal, &newest);
    item_view_wipe(&view);
    parties_close(&p);
}

static void an_item_that_is_not_here_is_missing(void **state)
{
    (void)state;
    struct parties p;
    struct item_view view = {0};
    struct hash item = {{1}};
    struct err e = {0};
    parties_open(&p, 2, 1);

    assert_false(item_load(p.sides[ACME].store, &p.id, &item, &view, &e));

    assert_int_equal(e.code, ERR_MISSING);
    parties_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_items_history_is_told_in_the_order_it_happened),
        cmocka_unit_test(a_clock_that_is_wrong_does_not_disturb_the_order),
        cmocka_unit_test(what_waits_is_told_as_waiting),
        cmocka_unit_test(a_bundles_line_shows_the_fields_of_the_item_asked_for),
        cmocka_unit_test(items_are_listed_by_reference),
        cmocka_unit_test(offers_stand_beside_the_agreed_terms_oldest_first),
        cmocka_unit_test(a_party_that_floods_an_item_does_not_hide_the_others_offer),
        cmocka_unit_test(an_item_that_is_not_here_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

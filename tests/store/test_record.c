/*
 * The record through the store: the races of agreement told on every side, statements, entries of newer versions, and
 * that neither the order of arrival nor a rebuild makes a difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/store/parties.h"

/* Two or three parties, and an action that they have agreed on. */
struct story {
    struct parties p;
    struct hash item, base;
};

static void story_open(struct story *s, size_t count)
{
    parties_open(&s->p, count, 11);
    s->item = s->base = propose_new(&s->p, ACME, "Deliver the drawings");
    settle(&s->p);
    for (unsigned us = BOLT; us < count; us++) (void)answer(&s->p, us, VERB_ACCEPT, &s->item);
    settle(&s->p);
    assert_int_equal(standing_of(&s->p, ACME, &s->item, &s->base), STANDING_AGREED);
}

static void story_close(struct story *s)
{
    assert_same_everywhere(&s->p);
    parties_close(&s->p);
}

static struct hash offer(struct story *s, unsigned us, const char *title)
{
    return propose_on(&s->p, us, &s->item, &s->base, title);
}

static void assert_stands(struct story *s, unsigned us, const struct hash *proposal,
                          enum standing standing)
{
    assert_string_equal(standing_word(standing_of(&s->p, us, &s->item, proposal)),
                        standing_word(standing));
}

static void assert_stands_everywhere(struct story *s, const struct hash *proposal,
                                     enum standing standing)
{
    for (unsigned us = 0; us < s->p.count; us++) assert_stands(s, us, proposal, standing);
}

/* ---- the races of two ---- */

static void an_acceptance_is_agreed_at_the_proposers_seal(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June");
    send(&s.p, ACME, BOLT);
    assert_stands(&s, BOLT, &p, STANDING_OFFERED);
    assert_int_equal(inbox_count(&s.p, BOLT), 1);

    (void)answer(&s.p, BOLT, VERB_ACCEPT, &p);
    assert_stands(&s, BOLT, &p, STANDING_RECEIPT_AWAITED);
    assert_int_equal(inbox_count(&s.p, BOLT), 0);
    send(&s.p, BOLT, ACME);
    assert_stands(&s, ACME, &p, STANDING_RECEIPT_AWAITED);

    assert_int_equal(seal_due(&s.p, ACME), 1);
    assert_stands(&s, ACME, &p, STANDING_AGREED);
    assert_stands(&s, BOLT, &p, STANDING_RECEIPT_AWAITED);
    send(&s.p, ACME, BOLT);
    assert_stands(&s, BOLT, &p, STANDING_AGREED);
    story_close(&s);
}

static void of_two_offers_on_one_base_the_accepted_one_overtakes(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June"), q = offer(&s, BOLT, "By July");
    send(&s.p, ACME, BOLT);
    send(&s.p, BOLT, ACME);
    (void)answer(&s.p, ACME, VERB_ACCEPT, &q);

    settle(&s.p);

    assert_stands_everywhere(&s, &q, STANDING_AGREED);
    assert_stands_everywhere(&s, &p, STANDING_OVERTAKEN);
    assert_int_equal(inbox_count(&s.p, BOLT), 0);
    story_close(&s);
}

static void a_withdrawal_beats_an_acceptance_it_has_not_seen(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June");
    send(&s.p, ACME, BOLT);
    (void)answer(&s.p, ACME, VERB_WITHDRAW, &p);
    (void)answer(&s.p, BOLT, VERB_ACCEPT, &p);
    assert_stands(&s, BOLT, &p, STANDING_RECEIPT_AWAITED);

    settle(&s.p);

    assert_stands_everywhere(&s, &p, STANDING_WITHDRAWN);
    story_close(&s);
}

static void a_withdrawal_after_the_acceptance_is_too_late(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June");
    send(&s.p, ACME, BOLT);
    (void)answer(&s.p, BOLT, VERB_ACCEPT, &p);
    send(&s.p, BOLT, ACME);

    assert_int_equal(answer_refused(&s.p, ACME, VERB_WITHDRAW, &p), ERR_CONFLICT);

    assert_stands(&s, ACME, &p, STANDING_AGREED); /* the refusal did not keep the seal back */
    settle(&s.p);
    assert_stands_everywhere(&s, &p, STANDING_AGREED);
    story_close(&s);
}

static void two_acceptances_that_cross_leave_the_old_terms(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June"), q = offer(&s, BOLT, "By July");
    send(&s.p, ACME, BOLT);
    send(&s.p, BOLT, ACME);
    (void)answer(&s.p, ACME, VERB_ACCEPT, &q);
    (void)answer(&s.p, BOLT, VERB_ACCEPT, &p);

    settle(&s.p);

    assert_stands_everywhere(&s, &p, STANDING_CROSSED);
    assert_stands_everywhere(&s, &q, STANDING_CROSSED);
    assert_stands_everywhere(&s, &s.base, STANDING_AGREED);
    struct hash again = offer(&s, ACME, "By the end of June");
    send(&s.p, ACME, BOLT);
    (void)answer(&s.p, BOLT, VERB_ACCEPT, &again);
    settle(&s.p);
    assert_stands_everywhere(&s, &again, STANDING_AGREED);
    story_close(&s);
}

static void a_seal_on_its_way_beats_taking_back(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June");
    send(&s.p, ACME, BOLT);
    (void)answer(&s.p, BOLT, VERB_ACCEPT, &p);
    send(&s.p, BOLT, ACME);
    assert_int_equal(seal_due(&s.p, ACME), 1);
    (void)answer(&s.p, BOLT, VERB_WITHDRAW, &p);
    assert_stands(&s, BOLT, &p, STANDING_TAKEN_BACK);

    settle(&s.p);

    assert_stands_everywhere(&s, &p, STANDING_AGREED);
    story_close(&s);
}

static void an_acceptance_taken_back_in_time_lapses(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June");
    send(&s.p, ACME, BOLT);
    (void)answer(&s.p, BOLT, VERB_ACCEPT, &p);
    (void)answer(&s.p, BOLT, VERB_WITHDRAW, &p);

    settle(&s.p);

    assert_stands_everywhere(&s, &p, STANDING_TAKEN_BACK);
    story_close(&s);
}

static void an_offer_of_ones_own_leaves_what_one_had_accepted(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June");
    send(&s.p, ACME, BOLT);
    (void)answer(&s.p, BOLT, VERB_ACCEPT, &p);
    struct hash q = offer(&s, BOLT, "By July");
    settle(&s.p);
    assert_stands_everywhere(&s, &p, STANDING_TAKEN_BACK);

    (void)answer(&s.p, ACME, VERB_ACCEPT, &q);
    settle(&s.p);

    assert_stands_everywhere(&s, &q, STANDING_AGREED);
    story_close(&s);
}

static void a_rival_that_comes_after_the_seal_does_not_wait_in_the_inbox(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June");
    send(&s.p, ACME, BOLT);
    (void)answer(&s.p, BOLT, VERB_ACCEPT, &p);
    send(&s.p, BOLT, ACME);
    struct hash q = offer(&s, BOLT, "By July"); /* leaves p, too late: */
    assert_int_equal(seal_due(&s.p, ACME), 1);

    send(&s.p, BOLT, ACME);

    assert_int_equal(inbox_count(&s.p, ACME), 0);
    settle(&s.p);
    assert_stands_everywhere(&s, &p, STANDING_AGREED);
    assert_stands_everywhere(&s, &q, STANDING_OVERTAKEN);
    story_close(&s);
}

static void a_declined_offer_stays_declined(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June");
    send(&s.p, ACME, BOLT);
    (void)answer(&s.p, BOLT, VERB_DECLINE, &p);

    assert_int_equal(answer_refused(&s.p, BOLT, VERB_ACCEPT, &p), ERR_CONFLICT);

    settle(&s.p);
    assert_stands_everywhere(&s, &p, STANDING_DECLINED);
    story_close(&s);
}

/* ---- three ---- */

static void three_parties_agree_only_when_all_have_accepted(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 3);
    struct hash p = offer(&s, BOLT, "By June");
    settle(&s.p);
    (void)answer(&s.p, ACME, VERB_ACCEPT, &p);
    settle(&s.p);
    assert_stands_everywhere(&s, &p, STANDING_OFFERED);

    (void)answer(&s.p, CORD, VERB_ACCEPT, &p);
    carry(&s.p, CORD, CORD, ACME); /* it reaches the proposer through the third */
    carry(&s.p, CORD, ACME, BOLT);
    assert_int_equal(seal_due(&s.p, BOLT), 1);
    settle(&s.p);

    assert_stands_everywhere(&s, &p, STANDING_AGREED);
    story_close(&s);
}

static void one_of_three_who_declines_is_enough(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 3);
    struct hash p = offer(&s, BOLT, "By June");
    settle(&s.p);
    (void)answer(&s.p, ACME, VERB_ACCEPT, &p);
    (void)answer(&s.p, CORD, VERB_DECLINE, &p);

    settle(&s.p);

    assert_stands_everywhere(&s, &p, STANDING_DECLINED);
    story_close(&s);
}

static void what_waits_for_two_is_the_same_in_any_order(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 3);
    (void)offer(&s, BOLT, "By June");
    settle(&s.p);
    struct hash p = offer(&s, BOLT, "By July");
    send(&s.p, BOLT, ACME);
    send(&s.p, BOLT, CORD);
    (void)answer(&s.p, ACME, VERB_ACCEPT, &p);
    (void)answer(&s.p, CORD, VERB_ACCEPT, &p);

    send(&s.p, CORD, ACME); /* ACME folds its own word first, CORD its own */
    send(&s.p, ACME, CORD);

    struct hash at_acme = state_digest(&s.p, ACME), at_cord = state_digest(&s.p, CORD);
    assert_hash_equal(&at_acme, &at_cord);
    assert_int_equal(verify_count(&s.p, ACME, NULL), 0);
    assert_int_equal(verify_count(&s.p, CORD, NULL), 0);
    settle(&s.p);
    assert_stands_everywhere(&s, &p, STANDING_AGREED);
    story_close(&s);
}

/* ---- statements ---- */

static void a_statement_waits_until_it_is_acknowledged(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash a = appoint(&s.p, ACME, NULL, "Rosa Luxemburg");
    send(&s.p, ACME, BOLT);
    assert_int_equal(inbox_count(&s.p, BOLT), 1);

    (void)answer(&s.p, BOLT, VERB_ACKNOWLEDGE, &a);

    assert_int_equal(inbox_count(&s.p, BOLT), 0);
    settle(&s.p);
    struct item_view view = {0};
    struct err e = {0};
    expect(item_load(s.p.sides[ACME].store, &s.p.id, &a, &view, &e), &e);
    assert_true(view.is_statement && view.has_statement);
    assert_int_equal(view.statement_words[BOLT], STATEMENT_ACKNOWLEDGED);
    test_assert_text(body_find(view.progress, view.progress_count, "person")->text,
                     "Rosa Luxemburg");
    item_view_wipe(&view);
    story_close(&s);
}

/* Whose digests agree agree on this as well. */
static void every_word_changes_the_state_digest(void **state)
{
    (void)state;
    static const enum verb words[] = {VERB_ACKNOWLEDGE, VERB_DISPUTE, VERB_WITHDRAW, VERB_ACKNOWLEDGE};
    struct story s;
    struct hash seen[8] = {{{0}}};
    size_t count = 0;
    story_open(&s, 2);
    struct hash stated = appoint(&s.p, ACME, NULL, "Rosa");
    struct hash offered = propose_new(&s.p, ACME, "By June");
    settle(&s.p);
    seen[count++] = state_digest(&s.p, BOLT);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        (void)answer(&s.p, BOLT, words[i], &stated);
        seen[count++] = state_digest(&s.p, BOLT);
    }
    assert_hash_equal(&seen[count - 1], &seen[1]); /* the latest word is all that counts */
    (void)answer(&s.p, BOLT, VERB_DECLINE, &offered);
    seen[1] = state_digest(&s.p, BOLT);

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) assert_false(hash_equal(&seen[i], &seen[k]));
    settle(&s.p);
    story_close(&s);
}

static void a_dispute_that_crosses_a_restatement_does_not_wait_for_an_answer(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash a = appoint(&s.p, ACME, NULL, "Rosa");
    settle(&s.p);
    struct hash b = appoint(&s.p, ACME, &a, "Rosa Luxemburg");
    (void)answer(&s.p, BOLT, VERB_DISPUTE, &a);

    settle(&s.p);

    assert_int_equal(inbox_count(&s.p, ACME), 0);
    assert_int_equal(inbox_count(&s.p, BOLT), 1);
    (void)answer(&s.p, BOLT, VERB_DISPUTE, &b);
    settle(&s.p);
    assert_int_equal(inbox_count(&s.p, ACME), 1);
    (void)answer(&s.p, BOLT, VERB_WITHDRAW, &b);
    settle(&s.p);
    assert_int_equal(inbox_count(&s.p, ACME), 0);
    story_close(&s);
}

static void of_two_statements_at_once_the_same_is_shown_everywhere(void **state)
{
    (void)state;
    struct story s;
    struct item_view views[2];
    struct err e = {0};
    story_open(&s, 2);
    (void)report_progress(&s.p, BOLT, &s.item, &s.base, 10);
    (void)report_progress(&s.p, ACME, &s.item, &s.base, 20);
    (void)report_progress(&s.p, BOLT, &s.item, &s.base, 30);

    settle(&s.p);

    for (unsigned us = 0; us < 2; us++)
        expect(item_load(s.p.sides[us].store, &s.p.id, &s.item, &views[us], &e), &e);
    assert_hash_equal(&views[0].statement, &views[1].statement);
    for (unsigned us = 0; us < 2; us++) item_view_wipe(&views[us]);
    story_close(&s);
}

/* ---- what is newer than we are, and what does not fit ---- */

static void a_newer_format_is_kept_forwarded_and_seals_nothing_else(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 3);
    struct header h = next_header(&s.p, BOLT, VERB_COMMENT, "action");
    h.version = FORMAT_VERSION + 1;
    struct hash entry = say_header(&s.p, BOLT, &h, NULL);
    struct hash after = propose_on(&s.p, BOLT, &s.item, &s.base, "By June");

    send(&s.p, BOLT, ACME);
    carry(&s.p, BOLT, ACME, CORD);

    assert_int_equal(effect_of(&s.p, CORD, &entry), EFFECT_NEWER);
    assert_stands(&s, CORD, &after, STANDING_OFFERED);
    story_close(&s);
}

static void an_item_that_an_unknown_verb_touches_is_read_only(void **state)
{
    (void)state;
    struct story s;
    struct item_view view = {0};
    struct err e = {0};
    story_open(&s, 2);
    struct header h = next_header(&s.p, BOLT, VERB_UNKNOWN, "action");
    h.has_ref = true;
    h.ref = s.base;
    struct hash entry = say_header(&s.p, BOLT, &h, NULL);

    settle(&s.p);

    assert_int_equal(effect_of(&s.p, ACME, &entry), EFFECT_NEWER);
    expect(item_load(s.p.sides[ACME].store, &s.p.id, &s.item, &view, &e), &e);
    assert_true(view.needs_newer);
    item_view_wipe(&view);
    story_close(&s);
}

static void an_unknown_noun_is_agreed_by_its_headers(void **state)
{
    (void)state;
    struct story s;
    struct item_view view = {0};
    struct err e = {0};
    story_open(&s, 2);
    struct header h = next_header(&s.p, BOLT, VERB_PROPOSE, "treaty");
    h.item_count = 1;
    h.items[0] = (struct item_base){.is_new = true, .from_start = true};
    struct hash p = say_header(&s.p, BOLT, &h, NULL);
    send(&s.p, BOLT, ACME);
    struct draft yes = {.verb = VERB_ACCEPT,
                        .noun = "treaty",
                        .has_ref = true,
                        .ref = p,
                        .body = span_text("\x91\x80")};
    (void)say(&s.p, ACME, &yes);

    settle(&s.p);

    expect(item_load(s.p.sides[ACME].store, &s.p.id, &p, &view, &e), &e);
    assert_int_equal(view.standing, STANDING_AGREED);
    assert_true(view.needs_newer && !view.noun);
    assert_string_equal(view.noun_text, "treaty");
    item_view_wipe(&view);
    story_close(&s);
}

static void a_statement_about_nothing_is_without_effect(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 2, 5);
    struct header h = next_header(&p, BOLT, VERB_STATE, "appointment");

    struct hash said = say_header(&p, BOLT, &h, NULL);
    settle(&p);

    for (unsigned us = 0; us < 2; us++) assert_int_equal(effect_of(&p, us, &said), EFFECT_NOT_KNOWN);
    assert_same_everywhere(&p);
    parties_close(&p);
}

static void a_body_that_does_not_fit_shows_no_fields_and_is_agreed_all_the_same(void **state)
{
    (void)state;
    static const uint8_t due_number[] = {0x91, 0x81, 0xa3, 'd', 'u', 'e', 0x07};
    struct story s;
    struct item_view view = {0};
    struct err e = {0};
    span body = span_of(due_number, sizeof due_number);
    story_open(&s, 2);
    struct header h = next_header(&s.p, BOLT, VERB_PROPOSE, "action");
    h.item_count = 1;
    h.items[0] = (struct item_base){.item = s.item, .base = s.base};
    add_front(&s.p, &h, BOLT, ACME);
    struct hash p = say_header(&s.p, BOLT, &h, &body);
    send(&s.p, BOLT, ACME);
    (void)answer(&s.p, ACME, VERB_ACCEPT, &p);

    settle(&s.p);

    expect(item_load(s.p.sides[ACME].store, &s.p.id, &s.item, &view, &e), &e);
    assert_hash_equal(&view.revision, &p);
    assert_int_equal(view.term_count, 0);
    item_view_wipe(&view);
    story_close(&s);
}

static void an_acceptance_of_what_its_author_had_not_seen_has_no_effect(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June");
    struct header h =
        next_header(&s.p, BOLT, VERB_ACCEPT, "action"); /* its front does not name p */
    h.has_ref = true;
    h.ref = p;
    struct hash entry = say_header(&s.p, BOLT, &h, NULL);

    settle(&s.p);

    for (unsigned us = 0; us < 2; us++)
        assert_int_equal(effect_of(&s.p, us, &entry), EFFECT_NOT_KNOWN);
    assert_stands_everywhere(&s, &p, STANDING_OFFERED);
    story_close(&s);
}

static void without_the_right_words_a_seal_is_without_effect(void **state)
{
    (void)state;
    struct story s;
    story_open(&s, 2);
    struct hash p = offer(&s, ACME, "By June");
    struct header h = next_header(&s.p, ACME, VERB_SEAL, "action");
    h.has_ref = true;
    h.ref = p;
    struct hash entry = say_header(&s.p, ACME, &h, NULL);

    settle(&s.p);

    assert_int_equal(effect_of(&s.p, BOLT, &entry), EFFECT_NOT_FOR);
    assert_stands_everywhere(&s, &p, STANDING_OFFERED);
    story_close(&s);
}

/* ---- any order ---- */

#define THINGS_MAX 64
#define RUNS 12

struct chaos {
    struct parties p;
    struct test_random random;
    struct hash proposals[THINGS_MAX], statements[THINGS_MAX], items[THINGS_MAX];
    size_t proposal_count, statement_count, item_count;
};

static void note(struct hash *list, size_t *count, const struct hash *id)
{
    if (*count < THINGS_MAX) list[(*count)++] = *id;
}

static bool pick(struct chaos *c, const struct hash *list, size_t count, struct hash *out)
{
    if (count == 0) return false;
    *out = list[test_random_below(&c->random, count)];
    return true;
}

static bool try_say(struct chaos *c, unsigned us, struct draft *draft, struct hash *id)
{
    struct side *side = &c->p.sides[us];
    struct err e = {0};
    draft->noun = draft->noun ? draft->noun : "action";
    draft->body = draft->item_count == 2 ? span_text("\x92\x80\x80") : span_text("\x91\x80");
    bool is_said = record_append(side->store, &c->p.id, &side->author, draft, 1, id, NULL, &e);
    if (!is_said) assert_int_equal(e.code, ERR_CONFLICT);
    return is_said;
}

/* On the terms agreed as far as `us` knows; an item it does not know is created anew. */
static struct item_base base_of(struct chaos *c, unsigned us, const struct hash *item)
{
    struct item_view view = {0};
    struct item_base base = {.is_new = true, .from_start = true};
    if (item_load(c->p.sides[us].store, &c->p.id, item, &view, NULL))
        base =
            (struct item_base){.item = *item, .from_start = !view.has_terms, .base = view.revision};
    item_view_wipe(&view);
    return base;
}

static void propose_something(struct chaos *c, unsigned us)
{
    struct draft draft = {.verb = VERB_PROPOSE, .item_count = 1};
    struct hash item = {0}, id = {0};
    bool is_new = !pick(c, c->items, c->item_count, &item) || test_random_below(&c->random, 4) == 0;
    draft.items[0] =
        is_new ? (struct item_base){.is_new = true, .from_start = true} : base_of(c, us, &item);
    if (test_random_below(&c->random, 3) == 0 && pick(c, c->items, c->item_count, &item))
        draft.items[draft.item_count++] = base_of(c, us, &item);
    if (!try_say(c, us, &draft, &id)) return;
    note(c->proposals, &c->proposal_count, &id);
    if (draft.items[0].is_new) note(c->items, &c->item_count, &id);
}

static void state_something(struct chaos *c, unsigned us)
{
    struct draft draft = {.verb = VERB_STATE, .item_count = 1, .noun = "appointment"};
    struct hash statement = {0}, id = {0};
    draft.items[0] = (struct item_base){.is_new = true, .from_start = true};
    /* The first three statements make items, the others are about those. */
    if (c->statement_count >= 3) {
        statement = c->statements[test_random_below(&c->random, 3)];
        draft.items[0] = base_of(c, us, &statement);
        if (draft.items[0].is_new) return;
    }
    if (try_say(c, us, &draft, &id)) note(c->statements, &c->statement_count, &id);
}

static void answer_something(struct chaos *c, unsigned us)
{
    static const enum verb to_offers[] = {VERB_ACCEPT,  VERB_ACCEPT,   VERB_ACCEPT,
                                          VERB_DECLINE, VERB_WITHDRAW, VERB_COMMENT};
    static const enum verb to_statements[] = {VERB_ACKNOWLEDGE, VERB_DISPUTE, VERB_DISPUTE,
                                              VERB_WITHDRAW};
    struct draft draft = {.has_ref = true};
    struct hash id = {0};
    if (test_random_below(&c->random, 3) > 0) {
        if (!pick(c, c->proposals, c->proposal_count, &draft.ref)) return;
        draft.verb = to_offers[test_random_below(&c->random, 6)];
    } else {
        if (!pick(c, c->statements, c->statement_count, &draft.ref)) return;
        draft.verb = to_statements[test_random_below(&c->random, 4)];
    }
    (void)try_say(c, us, &draft, &id);
}

static void do_something(struct chaos *c)
{
    unsigned us = (unsigned)test_random_below(&c->random, c->p.count);
    unsigned other =
        (us + 1 + (unsigned)test_random_below(&c->random, c->p.count - 1)) % (unsigned)c->p.count;
    unsigned owner = (unsigned)test_random_below(&c->random, c->p.count);
    switch (test_random_below(&c->random, 8)) {
    case 0: propose_something(c, us); break;
    case 1: state_something(c, us); break;
    case 2:
    case 3: answer_something(c, us); break;
    case 4: (void)seal_due(&c->p, us); break;
    case 5: send(&c->p, us, other); break;
    default:
        if (feed_of(&c->p, us, owner).edge.size > feed_of(&c->p, other, owner).edge.size)
            carry_upto(&c->p, owner, us, other,
                       feed_of(&c->p, other, owner).edge.size + 1 +
                           test_random_below(&c->random, 3));
    }
}

/* Everything once more in a fresh store, a few entries of one feed at a time. */
static void replay(struct chaos *c, unsigned us)
{
    struct parties replica;
    unsigned source = us == ACME ? BOLT : ACME;
    uint64_t left = 1;
    replica_open(&replica, &c->p, us);
    carry_upto(&replica, ACME, source, us,
               c->p.count); /* open and pair: before, nobody else is known */
    while (left > 0) {
        unsigned owner = (unsigned)test_random_below(&c->random, c->p.count);
        uint64_t held = feed_of(&replica, us, owner).edge.size;
        if (feed_of(&replica, source, owner).edge.size > held)
            carry_upto(&replica, owner, source, us, held + 1 + test_random_below(&c->random, 4));
        left = 0;
        for (unsigned o = 0; o < c->p.count; o++)
            left += feed_of(&replica, source, o).edge.size - feed_of(&replica, us, o).edge.size;
    }
    struct hash state = state_digest(&c->p, us), state_again = state_digest(&replica, us);
    struct hash tables = tables_digest(&c->p, us), tables_again = tables_digest(&replica, us);
    assert_hash_equal(&state_again, &state);
    assert_hash_equal(&tables_again, &tables);
    replica_close(&replica, us);
}

static void neither_order_of_arrival_nor_rebuilding_makes_a_difference(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    for (size_t run = 0; run < RUNS; run++) {
        struct chaos c = {.random = random};
        parties_open(&c.p, 2 + run % 2, test_random_next(&random));
        for (size_t step = 0; step < 120; step++) do_something(&c);
        for (unsigned us = 0; us < c.p.count; us++) {
            struct finding last = {0};
            if (verify_count(&c.p, us, &last))
                fail_msg("run %zu: %s: %s", run, last.where, last.what);
        }
        settle(&c.p);
        assert_same_everywhere(&c.p);
        replay(&c, (unsigned)(run % c.p.count));
        parties_close(&c.p);
    }
}

/* ---- limits, and readers that have enough ---- */

static void a_body_above_the_limit_is_not_said(void **state)
{
    (void)state;
    struct parties p;
    static uint8_t room[BODY_BYTES_MAX + 1];
    struct hash id = {0};
    struct err e = {0};
    parties_open(&p, 2, 1);
    uint64_t size = feed_of(&p, ACME, ACME).edge.size;
    const struct draft draft = {.verb = VERB_PROPOSE, .noun = "action", .item_count = 1,
                                .items = {{.is_new = true, .from_start = true}}, .body = span_of(room, sizeof room)};

    assert_false(record_append(p.sides[ACME].store, &p.id, &p.sides[ACME].author, &draft, 1, &id, NULL, &e));

    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(feed_of(&p, ACME, ACME).edge.size, size);
    assert_same_everywhere(&p);
    parties_close(&p);
}

static bool enough(size_t *count)
{
    ++*count;
    return false;
}

static bool enough_feeds(void *self, const struct feed *feed) { return feed && enough(self); }
static bool enough_receipts(void *self, const struct feed_receipt *receipt) { return receipt && enough(self); }
static bool enough_items(void *self, struct item_view *view) { return view && enough(self); }
static bool enough_waiting(void *self, const struct waiting *waiting) { return waiting && enough(self); }
static bool enough_lines(void *self, const struct history_line *line) { return line && enough(self); }
static bool enough_relationships(void *self, const struct relationship_id *id) { return id && enough(self); }
static bool enough_own(void *self, const struct relationship_id *id, const struct key_public *key, uint64_t size, const struct hash *root)
{
    return id && key && size && root && enough(self);
}
static bool enough_entries(void *self, uint64_t index, const struct stored_entry *entry)
{
    return entry && index < UINT64_MAX && enough(self);
}

static void reading_stops_when_the_reader_has_enough(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    size_t count = 0;
    parties_open(&p, 3, 1);
    for (size_t i = 0; i < 3; i++) (void)propose_new(&p, BOLT, "Install the press line");
    settle(&p);
    struct store *store = p.sides[ACME].store;

    expect(relationships_each(store, enough_relationships, &count, &e), &e);
    expect(feeds_each(store, &p.id, enough_feeds, &count, &e), &e);
    expect(feeds_own_each(store, enough_own, &count, &e), &e);
    expect(feed_read(store, &p.id, BOLT, 0, enough_entries, &count, &e), &e);
    expect(feed_receipts_each(store, &p.id, ACME, enough_receipts, &count, &e), &e);
    expect(items_each(store, &p.id, NULL, enough_items, &count, &e), &e);
    expect(inbox_each(store, &p.id, enough_waiting, &count, &e), &e);
    expect(history_each(store, &p.id, NULL, enough_lines, &count, &e), &e);

    assert_int_equal(count, 8);
    parties_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_acceptance_is_agreed_at_the_proposers_seal),
        cmocka_unit_test(of_two_offers_on_one_base_the_accepted_one_overtakes),
        cmocka_unit_test(a_withdrawal_beats_an_acceptance_it_has_not_seen),
        cmocka_unit_test(a_withdrawal_after_the_acceptance_is_too_late),
        cmocka_unit_test(two_acceptances_that_cross_leave_the_old_terms),
        cmocka_unit_test(a_seal_on_its_way_beats_taking_back),
        cmocka_unit_test(an_acceptance_taken_back_in_time_lapses),
        cmocka_unit_test(an_offer_of_ones_own_leaves_what_one_had_accepted),
        cmocka_unit_test(a_rival_that_comes_after_the_seal_does_not_wait_in_the_inbox),
        cmocka_unit_test(a_declined_offer_stays_declined),
        cmocka_unit_test(three_parties_agree_only_when_all_have_accepted),
        cmocka_unit_test(one_of_three_who_declines_is_enough),
        cmocka_unit_test(what_waits_for_two_is_the_same_in_any_order),
        cmocka_unit_test(a_statement_waits_until_it_is_acknowledged),
        cmocka_unit_test(every_word_changes_the_state_digest),
        cmocka_unit_test(a_dispute_that_crosses_a_restatement_does_not_wait_for_an_answer),
        cmocka_unit_test(of_two_statements_at_once_the_same_is_shown_everywhere),
        cmocka_unit_test(a_newer_format_is_kept_forwarded_and_seals_nothing_else),
        cmocka_unit_test(an_item_that_an_unknown_verb_touches_is_read_only),
        cmocka_unit_test(an_unknown_noun_is_agreed_by_its_headers),
        cmocka_unit_test(a_body_that_does_not_fit_shows_no_fields_and_is_agreed_all_the_same),
        cmocka_unit_test(an_acceptance_of_what_its_author_had_not_seen_has_no_effect),
        cmocka_unit_test(without_the_right_words_a_seal_is_without_effect),
        cmocka_unit_test(a_statement_about_nothing_is_without_effect),
        cmocka_unit_test(neither_order_of_arrival_nor_rebuilding_makes_a_difference),
        cmocka_unit_test(a_body_above_the_limit_is_not_said),
        cmocka_unit_test(reading_stops_when_the_reader_has_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

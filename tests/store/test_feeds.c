/*
 * Feeds: what is taken in, what is refused, and what freezes or waits, the same on every side.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/store/parties.h"

/* ACME has said a few things that BOLT does not hold yet. */
static struct lot *some_news(struct parties *p, uint64_t *held)
{
    *held = feed_of(p, BOLT, ACME).edge.size;
    for (size_t i = 0; i < 5; i++) (void)propose_new(p, ACME, "Deliver the drawings");
    return lot_copy(p, ACME, ACME, *held, UINT64_MAX);
}

static void assert_refused(struct parties *p, const struct lot *lot, enum err_code code,
                           uint64_t held)
{
    assert_int_equal(lot_take(p, BOLT, lot, NULL), code);
    assert_int_equal(feed_of(p, BOLT, ACME).edge.size, held);
}

/* ---- taking in ---- */

static void what_was_appended_is_taken_whole(void **state)
{
    (void)state;
    struct parties p;
    uint64_t held = 0, taken = 0;
    parties_open(&p, 2, 1);
    struct lot *lot = some_news(&p, &held);

    assert_int_equal(lot_take(&p, BOLT, lot, &taken), ERR_NONE);

    assert_int_equal(taken, 5);
    struct feed here = feed_of(&p, ACME, ACME), there = feed_of(&p, BOLT, ACME);
    assert_int_equal(there.head.size, here.head.size);
    assert_hash_equal(&there.root, &here.root);
    assert_int_equal(there.folded, there.edge.size);
    struct lot *copy = lot_copy(&p, ACME, BOLT, held, UINT64_MAX);
    assert_int_equal(copy->count, lot->count);
    for (size_t i = 0; i < lot->count; i++) {
        test_assert_span(copy->entries[i].header, lot->entries[i].header.at,
                         lot->entries[i].header.len);
        test_assert_span(copy->entries[i].body, lot->entries[i].body.at, lot->entries[i].body.len);
    }
    lot_free(copy);
    lot_free(lot);
    parties_close(&p);
}

static void entries_that_are_held_are_skipped(void **state)
{
    (void)state;
    struct parties p;
    uint64_t held = 0, taken = 0;
    parties_open(&p, 2, 1);
    struct lot *lot = some_news(&p, &held);
    carry_upto(&p, ACME, ACME, BOLT, held + 2);

    assert_int_equal(lot_take(&p, BOLT, lot, &taken), ERR_NONE);
    assert_int_equal(taken, 3);
    assert_int_equal(lot_take(&p, BOLT, lot, &taken), ERR_NONE);
    assert_int_equal(taken, 0);

    lot_free(lot);
    assert_int_equal(verify_count(&p, BOLT, NULL), 0);
    parties_close(&p);
}

static void entries_beyond_a_gap_are_refused(void **state)
{
    (void)state;
    struct parties p;
    uint64_t held = 0;
    parties_open(&p, 2, 1);
    lot_free(some_news(&p, &held));
    struct lot *lot = lot_copy(&p, ACME, ACME, held + 1, UINT64_MAX);

    assert_refused(&p, lot, ERR_MISSING, held);

    lot_free(lot);
    parties_close(&p);
}

static void a_part_is_taken_under_a_proof_only(void **state)
{
    (void)state;
    struct parties p;
    uint64_t held = 0;
    parties_open(&p, 2, 1);
    lot_free(some_news(&p, &held));
    struct lot *lot = lot_copy(&p, ACME, ACME, held, held + 3);

    lot->has_proof = false;
    assert_refused(&p, lot, ERR_CONFLICT, held);
    lot->has_proof = true;
    lot->proof.hashes[0].bytes[7] ^= 1;
    assert_refused(&p, lot, ERR_CONFLICT, held);
    lot->proof.hashes[0].bytes[7] ^= 1;
    assert_int_equal(lot_take(&p, BOLT, lot, NULL), ERR_NONE);
    assert_int_equal(feed_of(&p, BOLT, ACME).edge.size, held + 3);

    lot_free(lot);
    assert_int_equal(verify_count(&p, BOLT, NULL), 0);
    parties_close(&p);
}

static void a_feed_of_nobody_we_know_is_refused(void **state)
{
    (void)state;
    struct parties p;
    uint64_t held = 0;
    parties_open(&p, 2, 1);
    struct lot *lot = some_news(&p, &held);
    lot->log_key.bytes[0] ^= 1;

    assert_refused(&p, lot, ERR_MISSING, held);

    lot_free(lot);
    parties_close(&p);
}

static void more_entries_than_the_head_signs_are_refused(void **state)
{
    (void)state;
    struct parties p;
    uint64_t held = 0;
    parties_open(&p, 2, 1);
    (void)propose_new(&p, ACME, "Deliver the drawings");
    struct head head = feed_of(&p, ACME, ACME).head;
    struct lot *lot = some_news(&p, &held);
    lot->head = head;

    assert_refused(&p, lot, ERR_REFUSED, held);

    lot_free(lot);
    parties_close(&p);
}

static void a_header_without_bytes_or_with_too_many_is_refused(void **state)
{
    (void)state;
    static const uint8_t many[HEADER_BYTES_MAX + 1];
    struct parties p;
    uint64_t held = 0;
    parties_open(&p, 2, 1);
    struct lot *lot = some_news(&p, &held);

    lot->entries[2].header = span_of(many, sizeof many);
    assert_refused(&p, lot, ERR_LIMIT, held);
    lot->entries[2].header.len = 0;
    assert_refused(&p, lot, ERR_LIMIT, held);

    lot_free(lot);
    parties_close(&p);
}

static void spoil_and_try(struct parties *p, const struct lot *lot, uint8_t *at, size_t len,
                          uint64_t held)
{
    for (size_t i = 0; i < len; i++) {
        at[i] ^= 0x10;
        enum err_code code = lot_take(p, BOLT, lot, NULL);
        at[i] ^= 0x10;
        assert_true(code == ERR_REFUSED || code == ERR_CONFLICT);
        assert_int_equal(feed_of(p, BOLT, ACME).edge.size, held);
    }
}

static void a_body_above_the_limit_is_refused(void **state)
{
    (void)state;
    static const uint8_t many[BODY_BYTES_MAX + 1];
    struct parties p;
    uint64_t held = 0;
    parties_open(&p, 2, 1);
    struct lot *lot = some_news(&p, &held);

    lot->entries[2].body = span_of(many, sizeof many);
    assert_refused(&p, lot, ERR_LIMIT, held);

    lot_free(lot);
    parties_close(&p);
}

static void no_byte_of_what_is_taken_can_be_changed(void **state)
{
    (void)state;
    struct parties p;
    uint64_t held = 0;
    parties_open(&p, 2, 1);
    struct lot *lot = some_news(&p, &held);

    spoil_and_try(&p, lot, lot->headers[2].at, lot->headers[2].len, held);
    spoil_and_try(&p, lot, lot->bodies[4].at, lot->bodies[4].len, held);
    spoil_and_try(&p, lot, lot->entries[4].salt, sizeof lot->entries[4].salt, held);
    spoil_and_try(&p, lot, lot->head.root.bytes, sizeof lot->head.root.bytes, held);
    spoil_and_try(&p, lot, lot->head.signature.bytes, sizeof lot->head.signature.bytes, held);

    assert_int_equal(lot_take(&p, BOLT, lot, NULL), ERR_NONE);
    lot_free(lot);
    assert_same_everywhere(&p);
    parties_close(&p);
}

static void an_entry_without_its_body_is_taken_and_verifies(void **state)
{
    (void)state;
    struct parties p;
    uint64_t held = 0;
    parties_open(&p, 2, 1);
    struct lot *lot = some_news(&p, &held);
    lot->entries[3].has_body = false;

    assert_int_equal(lot_take(&p, BOLT, lot, NULL), ERR_NONE);

    lot_free(lot);
    assert_same_everywhere(&p);
    parties_close(&p);
}

/* ---- freezing ---- */

/* BOLT's feed is frozen at `index` for everybody, what it says afterwards is kept, and the others go on. */
static void assert_frozen_everywhere(struct parties *p, uint64_t index, const char *why)
{
    struct header after = next_header(p, BOLT, VERB_COMMENT, "action");
    (void)say_header(p, BOLT, &after, NULL);
    struct hash said = appoint(p, ACME, NULL, "Rosa");
    settle(p);
    for (unsigned us = 0; us < p->count; us++) {
        struct feed feed = feed_of(p, us, BOLT);
        assert_int_equal(feed.broken_at, index);
        assert_int_equal(feed.folded, index);
        assert_true(feed.edge.size > index + 1);
        assert_non_null(strstr(feed.broken_why, why));
        assert_int_equal(effect_of(p, us, &said), EFFECT_FULL);
    }
    assert_same_everywhere(p);
}

/* Who the parties are must be known for ever. */
static void an_entry_of_setting_up_is_not_taken_without_its_body(void **state)
{
    (void)state;
    struct parties p, replica;
    uint64_t taken = 0;
    parties_open(&p, 2, 13);
    replica_open(&replica, &p, BOLT);
    struct lot *lot = lot_copy(&p, ACME, ACME, 0, UINT64_MAX);
    assert_true(lot->entries[0].has_body);

    lot->entries[0].has_body = false;
    assert_int_equal(lot_take(&replica, BOLT, lot, &taken), ERR_REFUSED);
    lot->entries[0].has_body = true;
    assert_int_equal(lot_take(&replica, BOLT, lot, &taken), ERR_NONE);
    assert_int_equal(taken, lot->count);

    lot_free(lot);
    replica_close(&replica, BOLT);
    parties_close(&p);
}

static void a_malformed_leaf_under_a_valid_head_freezes_its_feed(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 3, 2);
    uint64_t index = feed_of(&p, BOLT, BOLT).edge.size;
    (void)say_leaf(&p, BOLT, span_text("this is no header"), NULL);

    assert_frozen_everywhere(&p, index, "header");

    parties_close(&p);
}

static void a_header_of_another_place_freezes_its_feed(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        static const char *const why[] = {"another index", "another relationship",
                                          "another log key"};
        struct parties p;
        parties_open(&p, 3, 3);
        uint64_t index = feed_of(&p, BOLT, BOLT).edge.size;
        struct header h = next_header(&p, BOLT, VERB_COMMENT, "action");
        if (which == 0) h.index++;
        if (which == 1) h.relationship.bytes[0] ^= 1;
        if (which == 2) h.log_key = *signing_key_public(p.sides[ACME].log);
        (void)say_header(&p, BOLT, &h, NULL);

        assert_frozen_everywhere(&p, index, why[which]);

        parties_close(&p);
    }
}

static void a_front_that_runs_backwards_freezes_its_feed(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 3, 4);
    struct header early = next_header(&p, BOLT, VERB_COMMENT, "action");
    add_front(&p, &early, BOLT, ACME);
    (void)appoint(&p, ACME, NULL, "Rosa");
    settle(&p);
    (void)appoint(&p, BOLT, NULL, "Karl"); /* names all that ACME has said */
    uint64_t index = feed_of(&p, BOLT, BOLT).edge.size;
    early.index = index;
    (void)say_header(&p, BOLT, &early, NULL);

    assert_frozen_everywhere(&p, index, "backwards");

    parties_close(&p);
}

/* ---- waiting ---- */

static void an_entry_waits_for_what_its_front_names(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 3, 5);
    struct hash item = propose_new(&p, ACME, "Deliver the drawings");
    send(&p, ACME, BOLT);
    (void)answer(&p, BOLT, VERB_ACCEPT, &item);

    send(&p, BOLT, CORD);
    struct feed feed = feed_of(&p, CORD, BOLT);
    assert_int_equal(feed.folded, feed.edge.size - 1);
    assert_int_equal(verify_count(&p, CORD, NULL), 0);
    send(&p, ACME, CORD);
    feed = feed_of(&p, CORD, BOLT);
    assert_int_equal(feed.folded, feed.edge.size);

    settle(&p);
    assert_same_everywhere(&p);
    parties_close(&p);
}

struct counting {
    size_t waiting, lines;
};

static bool count_line(void *self, const struct history_line *line)
{
    struct counting *c = self;
    c->lines++;
    if (line->is_waiting) c->waiting++;
    return true;
}

static void a_poisoned_front_waits_for_ever_and_holds_nobody_up(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    parties_open(&p, 3, 6);
    uint64_t index = feed_of(&p, BOLT, BOLT).edge.size;
    struct header h = next_header(&p, BOLT, VERB_COMMENT, "action");
    add_front(&p, &h, BOLT, ACME);
    h.front[0].size += 1000;
    (void)say_header(&p, BOLT, &h, NULL);

    struct hash said = appoint(&p, ACME, NULL, "Rosa");
    settle(&p);
    struct hash answered = answer(&p, CORD, VERB_ACKNOWLEDGE, &said);
    settle(&p);

    for (unsigned us = 0; us < p.count; us++) {
        struct counting c = {0};
        struct feed feed = feed_of(&p, us, BOLT);
        assert_int_equal(feed.folded, index);
        assert_int_equal(feed.edge.size, index + 1);
        assert_int_equal(feed.broken_at, UINT64_MAX);
        assert_int_equal(effect_of(&p, us, &answered), EFFECT_FULL);
        expect(history_each(p.sides[us].store, &p.id, NULL, count_line, &c, &e), &e);
        assert_int_equal(c.waiting, 1);
        assert_int_equal(c.lines, feed_of(&p, us, ACME).edge.size + index + 1 +
                                      feed_of(&p, us, CORD).edge.size);
    }
    assert_same_everywhere(&p);
    parties_close(&p);
}

/* BOLT had seen what ACME said; CORD, which has it too, names BOLT's entry and not ACME's. */
static void a_front_that_leaves_out_what_it_rests_on_has_no_effect(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 3, 12);
    (void)appoint(&p, ACME, NULL, "Rosa");
    send(&p, ACME, BOLT);
    send(&p, ACME, CORD);
    (void)appoint(&p, BOLT, NULL, "Karl");
    send(&p, BOLT, CORD);
    struct header h = next_header(&p, CORD, VERB_COMMENT, "action");
    add_front(&p, &h, CORD, BOLT);

    struct hash open = say_header(&p, CORD, &h, NULL);
    struct hash closed = appoint(&p, CORD, NULL, "Clara"); /* names what was left out */
    settle(&p);

    for (unsigned us = 0; us < 3; us++) {
        assert_int_equal(effect_of(&p, us, &open), EFFECT_FRONT_OPEN);
        assert_int_equal(effect_of(&p, us, &closed), EFFECT_FULL);
    }
    assert_same_everywhere(&p);
    parties_close(&p);
}

static void a_front_with_another_root_is_never_met(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 2, 7);
    uint64_t index = feed_of(&p, BOLT, BOLT).edge.size;
    (void)appoint(&p, ACME, NULL, "Rosa");
    send(&p, ACME, BOLT);
    struct header h = next_header(&p, BOLT, VERB_COMMENT, "action");
    add_front(&p, &h, BOLT, ACME);
    h.front[0].root.bytes[5] ^= 1;
    (void)say_header(&p, BOLT, &h, NULL);

    settle(&p);

    for (unsigned us = 0; us < 2; us++) assert_int_equal(feed_of(&p, us, BOLT).folded, index);
    assert_same_everywhere(&p);
    parties_close(&p);
}

/* ---- receipts ---- */

static void a_repeated_head_is_answered_with_the_same_receipt(void **state)
{
    (void)state;
    struct parties p;
    struct feed_receipt first, again;
    parties_open(&p, 2, 8);
    (void)appoint(&p, ACME, NULL, "Rosa");
    send(&p, ACME, BOLT);

    assert_int_equal(receipt_make(&p, ACME, BOLT, &first), ERR_NONE);
    p.now_ms += 3600 * 1000;
    assert_int_equal(receipt_make(&p, ACME, BOLT, &again), ERR_NONE);

    assert_int_equal(again.receipt.time_s, first.receipt.time_s);
    assert_memory_equal(again.receipt.signature.bytes, first.receipt.signature.bytes, 64);
    parties_close(&p);
}

static void receipt_times_never_go_back(void **state)
{
    (void)state;
    struct parties p;
    struct feed_receipt first, second;
    parties_open(&p, 2, 9);
    (void)appoint(&p, ACME, NULL, "Rosa");
    send(&p, ACME, BOLT);
    assert_int_equal(receipt_make(&p, ACME, BOLT, &first), ERR_NONE);
    (void)appoint(&p, ACME, NULL, "Karl");

    p.now_ms -= 60 * 1000;
    send(&p, ACME, BOLT);
    assert_int_equal(receipt_make(&p, ACME, BOLT, &second), ERR_NONE);
    assert_int_equal(second.receipt.time_s, first.receipt.time_s);

    (void)appoint(&p, ACME, NULL, "Clara");
    struct lot *lot = lot_copy(&p, ACME, ACME, feed_of(&p, BOLT, ACME).edge.size, UINT64_MAX);
    assert_int_equal(lot_take(&p, BOLT, lot, NULL), ERR_NONE);
    lot_free(lot);
    p.now_ms -= 10 * 60 * 1000;
    assert_int_equal(receipt_make(&p, ACME, BOLT, &second), ERR_TIME);
    parties_close(&p);
}

static void a_receipt_that_does_not_verify_is_refused(void **state)
{
    (void)state;
    struct parties p;
    struct feed_receipt made, spoiled;
    parties_open(&p, 2, 10);
    (void)appoint(&p, ACME, NULL, "Rosa");
    struct lot *lot = lot_copy(&p, ACME, ACME, feed_of(&p, BOLT, ACME).edge.size, UINT64_MAX);
    assert_int_equal(lot_take(&p, BOLT, lot, NULL), ERR_NONE);
    lot_free(lot);
    assert_int_equal(receipt_make(&p, ACME, BOLT, &made), ERR_NONE);

    spoiled = made;
    spoiled.receipt.time_s++;
    assert_int_equal(receipt_take(&p, ACME, ACME, &spoiled), ERR_REFUSED);
    spoiled = made;
    spoiled.receipt_key.bytes[3] ^= 1;
    assert_int_equal(receipt_take(&p, ACME, ACME, &spoiled), ERR_MISSING);
    spoiled = made;
    spoiled.receipt.size++;
    assert_int_equal(receipt_take(&p, ACME, ACME, &spoiled), ERR_MISSING);
    assert_int_equal(receipt_take(&p, ACME, ACME, &made), ERR_NONE);

    assert_int_equal(verify_count(&p, ACME, NULL), 0);
    parties_close(&p);
}

/* ---- forks ---- */

static void two_branches_of_a_feed_are_kept_and_freeze_it(void **state)
{
    (void)state;
    struct parties p;
    bool is_forked = false;
    parties_open(&p, 3, 11);
    uint64_t at = fork_bolt(&p);
    struct lot *lots[2] = {lot_copy(&p, BOLT, CORD, at, UINT64_MAX),
                           lot_copy(&p, BOLT, ACME, at, UINT64_MAX)};

    assert_int_equal(lot_take_any(&p, ACME, lots[0], &is_forked), ERR_NONE);
    assert_true(is_forked);
    assert_int_equal(lot_take_any(&p, CORD, lots[1], &is_forked), ERR_NONE);
    assert_true(is_forked);

    for (unsigned us = ACME; us <= CORD; us += CORD - ACME) {
        struct finding last = {0};
        assert_int_equal(feed_of(&p, us, BOLT).fork_at, at);
        if (verify_count(&p, us, &last)) fail_msg("%s: %s", last.where, last.what);
    }
    struct hash at_acme = state_digest(&p, ACME), at_cord = state_digest(&p, CORD);
    assert_hash_equal(&at_acme, &at_cord);
    struct hash goes_on = appoint(&p, ACME, NULL, "Mathilde");
    send(&p, ACME, CORD);
    assert_int_equal(effect_of(&p, CORD, &goes_on), EFFECT_FULL);
    lot_free(lots[0]);
    lot_free(lots[1]);
    parties_close(&p);
}

static void what_rests_on_a_branch_is_contested_on_every_side(void **state)
{
    (void)state;
    struct parties p;
    bool is_forked = false;
    parties_open(&p, 3, 12);
    struct hash before = appoint(&p, ACME, NULL, "Before");
    settle(&p);
    uint64_t at = fork_bolt(&p);
    struct hash rests[2] = {appoint(&p, ACME, NULL, "Named Rosa"),
                            appoint(&p, CORD, NULL, "Named Karl")};
    struct lot *lots[2] = {lot_copy(&p, BOLT, CORD, at, UINT64_MAX),
                           lot_copy(&p, BOLT, ACME, at, UINT64_MAX)};

    assert_int_equal(lot_take_any(&p, ACME, lots[0], &is_forked), ERR_NONE);
    assert_int_equal(lot_take_any(&p, CORD, lots[1], &is_forked), ERR_NONE);
    send(&p, ACME, CORD);
    send(&p, CORD, ACME);

    struct hash at_acme = state_digest(&p, ACME), at_cord = state_digest(&p, CORD);
    assert_hash_equal(&at_acme, &at_cord);
    for (unsigned us = ACME; us <= CORD; us += CORD - ACME) {
        struct finding last = {0};
        assert_int_equal(effect_of(&p, us, &before), EFFECT_FULL);
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(effect_of(&p, us, &rests[i]), EFFECT_CONTESTED);
        if (verify_count(&p, us, &last)) fail_msg("%s: %s", last.where, last.what);
        struct hash tables = tables_digest(&p, us);
        rebuild(&p, us);
        struct hash again = tables_digest(&p, us);
        assert_hash_equal(&again, &tables);
    }
    lot_free(lots[0]);
    lot_free(lots[1]);
    parties_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_appended_is_taken_whole),
        cmocka_unit_test(entries_that_are_held_are_skipped),
        cmocka_unit_test(entries_beyond_a_gap_are_refused),
        cmocka_unit_test(a_part_is_taken_under_a_proof_only),
        cmocka_unit_test(a_feed_of_nobody_we_know_is_refused),
        cmocka_unit_test(more_entries_than_the_head_signs_are_refused),
        cmocka_unit_test(a_header_without_bytes_or_with_too_many_is_refused),
        cmocka_unit_test(a_body_above_the_limit_is_refused),
        cmocka_unit_test(no_byte_of_what_is_taken_can_be_changed),
        cmocka_unit_test(an_entry_without_its_body_is_taken_and_verifies),
        cmocka_unit_test(an_entry_of_setting_up_is_not_taken_without_its_body),
        cmocka_unit_test(a_malformed_leaf_under_a_valid_head_freezes_its_feed),
        cmocka_unit_test(a_header_of_another_place_freezes_its_feed),
        cmocka_unit_test(a_front_that_runs_backwards_freezes_its_feed),
        cmocka_unit_test(an_entry_waits_for_what_its_front_names),
        cmocka_unit_test(a_poisoned_front_waits_for_ever_and_holds_nobody_up),
        cmocka_unit_test(a_front_with_another_root_is_never_met),
        cmocka_unit_test(a_front_that_leaves_out_what_it_rests_on_has_no_effect),
        cmocka_unit_test(a_repeated_head_is_answered_with_the_same_receipt),
        cmocka_unit_test(receipt_times_never_go_back),
        cmocka_unit_test(a_receipt_that_does_not_verify_is_refused),
        cmocka_unit_test(two_branches_of_a_feed_are_kept_and_freeze_it),
        cmocka_unit_test(what_rests_on_a_branch_is_contested_on_every_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

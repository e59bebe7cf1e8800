/* Successor feeds: who may begin one, when it counts, and what becomes of the feed before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/store/parties.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------ a party that goes on */

struct beginning {
    struct parties *p;
    struct side *side;
    unsigned ordinal; /* 0: the next one */
    span note;
    struct hash id;
};

static bool begin(void *self, struct err *e)
{
    struct beginning *b = self;
    unsigned ordinal = 0;
    if (!successor_begin(b->side->store, &b->p->id, b->note, &ordinal, e)) return false;
    struct body_field fields[] = {text_of("certificate", b->note),
                                  {span_text("ordinal"), {.is_text = false, .number = b->ordinal ? b->ordinal : ordinal}}};
    const struct draft draft = {.verb = VERB_SUCCEED, .noun = "relationship", .body = body_of(fields, 2)};
    return record_append(b->side->store, &b->p->id, &b->side->author, &draft, 1, &b->id, NULL, e);
}

/* The side's log key is the new feed's from here on, so that all of parties.h speaks of that feed; gives back the old one. */
static struct signing_key *put_log(struct parties *p, unsigned us, struct signing_key *log)
{
    struct signing_key *old = p->sides[us].log;
    p->sides[us].log = log;
    p->sides[us].author.log_key = log;
    return old;
}

static struct signing_key *new_key(struct parties *p, unsigned us)
{
    uint8_t seed[KEY_SEED_BYTES];
    struct signing_key *key = NULL;
    struct err e = {0};
    test_random_bytes(&p->sides[us].random, seed, sizeof seed);
    expect(signing_key_new(&key, seed, &e), &e);
    return key;
}

/* `us` begins its next feed, with a certificate that `identity` signs; `begins` gets the entry's id. Frees with the caller. */
static struct signing_key *go_on_as(struct parties *p, unsigned us, const struct signing_key *identity, struct hash *begins)
{
    uint8_t note[CERTIFICATE_BYTES_MAX];
    struct sink sink = sink_over(note, sizeof note);
    struct certificate c = p->sides[us].certificate;
    struct signing_key *old = put_log(p, us, new_key(p, us));
    struct err e = {0};
    c.log = *signing_key_public(p->sides[us].log);
    c.identity = *signing_key_public(identity);
    expect(certificate_write(&sink, &c, identity, &e), &e);
    struct beginning b = {.p = p, .side = &p->sides[us], .note = sink_span(&sink)};
    expect(store_transact(b.side->store, begin, &b, &e), &e);
    *begins = b.id;
    return old;
}

static struct signing_key *go_on(struct parties *p, unsigned us, struct hash *begins)
{
    return go_on_as(p, us, p->sides[us].identity, begins);
}

/* All of a feed, to somebody who may not know it yet. */
static enum err_code bring(struct parties *p, unsigned owner, unsigned from, unsigned to)
{
    bool is_forked = false;
    struct lot *lot = lot_copy(p, owner, from, 0, UINT64_MAX);
    enum err_code code = lot_take_any(p, to, lot, &is_forked);
    lot_free(lot);
    return code;
}

static struct hash countersign(struct parties *p, unsigned us, const struct hash *begins)
{
    struct body_field how[] = {text_of("how", span_text("voice"))};
    const struct draft draft = {.verb = VERB_SUCCEED, .noun = "relationship", .has_ref = true, .ref = *begins,
                                .body = body_of(how, 1)};
    return say(p, us, &draft);
}

static bool count_one(void *self, const struct successor *successor)
{
    size_t *count = self;
    (void)successor;
    ++*count;
    return true;
}

static size_t awaited(struct parties *p, unsigned us)
{
    size_t count = 0;
    struct err e = {0};
    expect(successors_each(p->sides[us].store, &p->id, count_one, &count, &e), &e);
    return count;
}

static enum err_code propose_refused(struct parties *p, unsigned us)
{
    struct body_field title[] = {text_of("title", span_text("Too soon"))};
    const struct draft draft = {.verb = VERB_PROPOSE, .noun = "action", .item_count = 1,
                                .items = {{.is_new = true, .from_start = true}}, .body = body_of(title, 1)};
    struct hash id;
    struct err e = {0};
    assert_false(record_append(p->sides[us].store, &p->id, &p->sides[us].author, &draft, 1, &id, NULL, &e));
    return e.code;
}

static void number_of(struct parties *p, unsigned us, const struct hash *item, char out[CODE_BYTES_MAX + 24])
{
    struct item_view view = {0};
    struct err e = {0};
    expect(item_load(p->sides[us].store, &p->id, item, &view, &e), &e);
    memcpy(out, view.ref, sizeof view.ref);
    item_view_wipe(&view);
}

/* BOLT's feed has forked, and everybody has both branches. */
static void fork_known(struct parties *p)
{
    bool is_forked = false;
    (void)fork_bolt(p);
    struct lot *theirs = lot_copy(p, BOLT, CORD, 0, UINT64_MAX);
    struct lot *ours = lot_copy(p, BOLT, ACME, 0, UINT64_MAX);
    assert_int_equal(lot_take_any(p, ACME, theirs, &is_forked), ERR_NONE);
    assert_true(is_forked);
    assert_int_equal(lot_take_any(p, BOLT, theirs, &is_forked), ERR_NONE);
    assert_int_equal(lot_take_any(p, CORD, ours, &is_forked), ERR_NONE);
    lot_free(theirs);
    lot_free(ours);
}

/* BOLT begins, ACME and CORD countersign, and BOLT hears of it. */
static struct signing_key *bolt_goes_on(struct parties *p)
{
    struct hash begins;
    struct signing_key *old = go_on(p, BOLT, &begins);
    assert_int_equal(bring(p, BOLT, BOLT, ACME), ERR_NONE);
    assert_int_equal(bring(p, BOLT, BOLT, CORD), ERR_NONE);
    (void)countersign(p, ACME, &begins);
    (void)countersign(p, CORD, &begins);
    settle(p);
    return old;
}

/* ------------------------------------------------------------ what is shown */

static void a_party_whose_feed_has_forked_goes_on_in_another(void **state)
{
    (void)state;
    struct parties p;
    struct hash begins;
    char before[CODE_BYTES_MAX + 24], after[CODE_BYTES_MAX + 24];
    parties_open(&p, 3, 101);
    struct hash old_item = propose_new(&p, BOLT, "Before the fork");
    settle(&p);
    fork_known(&p);
    assert_int_equal(propose_refused(&p, BOLT), ERR_REFUSED);

    struct signing_key *old = go_on(&p, BOLT, &begins);
    assert_int_equal(effect_of(&p, BOLT, &begins), EFFECT_FULL);
    assert_int_equal(propose_refused(&p, BOLT), ERR_REFUSED); /* nobody has countersigned yet */
    assert_int_equal(bring(&p, BOLT, BOLT, ACME), ERR_NONE);
    assert_int_equal(awaited(&p, ACME), 1);
    (void)countersign(&p, ACME, &begins);
    assert_int_equal(awaited(&p, ACME), 0);
    carry(&p, ACME, ACME, BOLT);
    assert_int_equal(propose_refused(&p, BOLT), ERR_REFUSED); /* CORD has not */
    assert_int_equal(bring(&p, BOLT, ACME, CORD), ERR_NONE);  /* hears of it through ACME */
    (void)countersign(&p, CORD, &begins);
    settle(&p);
    assert_int_equal(awaited(&p, BOLT), 0);

    struct hash item = propose_new(&p, BOLT, "After the fork");
    settle(&p);
    number_of(&p, ACME, &old_item, before);
    number_of(&p, ACME, &item, after);
    assert_string_equal(before, "BOLT-1");
    assert_string_equal(after, "BOLT-2"); /* what was contested has no number */
    (void)answer(&p, ACME, VERB_ACCEPT, &item);
    (void)answer(&p, CORD, VERB_ACCEPT, &item);
    (void)answer(&p, ACME, VERB_ACCEPT, &old_item);
    (void)answer(&p, CORD, VERB_ACCEPT, &old_item);
    settle(&p);
    assert_int_equal(standing_of(&p, CORD, &item, &item), STANDING_AGREED);
    assert_int_equal(standing_of(&p, CORD, &old_item, &old_item), STANDING_AGREED); /* the new feed seals for the old */
    assert_same_everywhere(&p);
    signing_key_free(old);
    parties_close(&p);
}

static void what_rests_on_a_fork_is_healed_by_a_successor_too(void **state)
{
    (void)state;
    struct parties p;
    struct hash bolts, acmes;
    parties_open(&p, 3, 102);
    uint64_t at = fork_bolt(&p);
    (void)appoint(&p, ACME, NULL, "Names BOLT's branch before the fork is known");
    bool is_forked = false;
    struct lot *theirs = lot_copy(&p, BOLT, CORD, 0, UINT64_MAX), *ours = lot_copy(&p, BOLT, ACME, 0, UINT64_MAX);
    assert_int_equal(lot_take_any(&p, ACME, theirs, &is_forked), ERR_NONE);
    assert_int_equal(lot_take_any(&p, BOLT, theirs, &is_forked), ERR_NONE);
    assert_int_equal(lot_take_any(&p, CORD, ours, &is_forked), ERR_NONE);
    lot_free(theirs);
    lot_free(ours);
    assert_true(feed_of(&p, ACME, ACME).contested_at < UINT64_MAX);
    assert_int_equal(feed_of(&p, ACME, BOLT).fork_at, at);
    assert_int_equal(propose_refused(&p, ACME), ERR_REFUSED);

    carry(&p, ACME, ACME, BOLT);
    carry(&p, ACME, ACME, CORD);
    struct signing_key *bolts_old = go_on(&p, BOLT, &bolts), *acmes_old = go_on(&p, ACME, &acmes);
    assert_int_equal(bring(&p, BOLT, BOLT, ACME), ERR_NONE);
    assert_int_equal(bring(&p, BOLT, BOLT, CORD), ERR_NONE);
    assert_int_equal(bring(&p, ACME, ACME, BOLT), ERR_NONE);
    assert_int_equal(bring(&p, ACME, ACME, CORD), ERR_NONE);
    (void)countersign(&p, ACME, &bolts); /* in feeds that are not live themselves */
    (void)countersign(&p, BOLT, &acmes);
    (void)countersign(&p, CORD, &bolts);
    (void)countersign(&p, CORD, &acmes);
    settle(&p);
    struct hash item = propose_new(&p, ACME, "Healed");
    settle(&p);
    (void)answer(&p, BOLT, VERB_ACCEPT, &item);
    (void)answer(&p, CORD, VERB_ACCEPT, &item);
    settle(&p);
    assert_int_equal(standing_of(&p, BOLT, &item, &item), STANDING_AGREED);
    assert_same_everywhere(&p);
    signing_key_free(bolts_old);
    signing_key_free(acmes_old);
    parties_close(&p);
}

static void what_is_said_before_the_countersignatures_has_no_effect(void **state)
{
    (void)state;
    struct parties p;
    struct hash begins;
    parties_open(&p, 3, 103);
    struct signing_key *old = go_on(&p, BOLT, &begins);
    struct header h = next_header(&p, BOLT, VERB_PROPOSE, "action");
    h.item_count = 1;
    h.items[0] = (struct item_base){.is_new = true, .from_start = true};
    struct hash early = say_header(&p, BOLT, &h, NULL);
    assert_int_equal(effect_of(&p, BOLT, &early), EFFECT_NOT_COUNTERSIGNED);
    for (unsigned us = 0; us < p.count; us += 2) {
        assert_int_equal(bring(&p, BOLT, BOLT, us), ERR_NONE);
        assert_int_equal(effect_of(&p, us, &early), EFFECT_NOT_COUNTERSIGNED);
        (void)countersign(&p, us, &begins);
    }
    settle(&p);
    struct hash later = propose_new(&p, BOLT, "In effect");
    settle(&p);
    assert_int_equal(effect_of(&p, CORD, &later), EFFECT_FULL);
    assert_int_equal(effect_of(&p, CORD, &early), EFFECT_NOT_COUNTERSIGNED); /* for good */
    assert_same_everywhere(&p);
    signing_key_free(old);
    parties_close(&p);
}

static void an_old_feed_that_is_written_on_has_no_effect_in_any_order(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 3, 104);
    struct signing_key *old = bolt_goes_on(&p);

    /* Somewhere the old home lives on, and writes what CORD gets at once and ACME when the new feed is live. */
    struct signing_key *new = put_log(&p, BOLT, old);
    struct header h = next_header(&p, BOLT, VERB_PROPOSE, "action");
    h.item_count = 1;
    h.items[0] = (struct item_base){.is_new = true, .from_start = true};
    struct hash stray = say_header(&p, BOLT, &h, NULL);
    assert_int_equal(effect_of(&p, BOLT, &stray), EFFECT_FULL); /* as far as anybody can tell */
    carry(&p, BOLT, BOLT, CORD);
    assert_int_equal(effect_of(&p, CORD, &stray), EFFECT_FULL);
    (void)put_log(&p, BOLT, new);

    /* BOLT's new feed does not go on from it: the home that begins it does not hold the stray entry. */
    struct parties other;
    replica_open(&other, &p, BOLT);
    struct lot *stump = lot_copy(&p, ACME, ACME, 0, UINT64_MAX);
    assert_int_equal(lot_take(&other, BOLT, stump, NULL), ERR_NONE);
    lot_free(stump);
    (void)put_log(&p, BOLT, old);
    (void)put_log(&other, BOLT, old);
    assert_int_equal(bring(&p, BOLT, ACME, ACME), ERR_NONE);
    stump = lot_copy(&p, BOLT, ACME, 0, UINT64_MAX);
    assert_int_equal(lot_take(&other, BOLT, stump, NULL), ERR_NONE);
    lot_free(stump);
    (void)put_log(&p, BOLT, new);
    (void)put_log(&other, BOLT, new);
    stump = lot_copy(&p, CORD, ACME, 0, UINT64_MAX);
    assert_int_equal(lot_take(&other, BOLT, stump, NULL), ERR_NONE);
    lot_free(stump);
    stump = lot_copy(&p, BOLT, ACME, 0, UINT64_MAX);
    bool is_forked = false;
    assert_int_equal(lot_take_any(&other, BOLT, stump, &is_forked), ERR_NONE);
    lot_free(stump);
    struct hash item = propose_new(&other, BOLT, "In the new feed");
    stump = lot_copy(&other, BOLT, BOLT, 0, UINT64_MAX);
    assert_int_equal(lot_take_any(&p, CORD, stump, &is_forked), ERR_NONE); /* had taken the stray entry for good */
    assert_int_equal(lot_take_any(&p, ACME, stump, &is_forked), ERR_NONE);
    assert_int_equal(lot_take_any(&p, BOLT, stump, &is_forked), ERR_NONE);
    lot_free(stump);
    assert_int_equal(effect_of(&p, CORD, &stray), EFFECT_ENDED);
    assert_int_equal(effect_of(&p, CORD, &item), EFFECT_FULL);

    (void)put_log(&p, BOLT, old);
    carry(&p, BOLT, CORD, ACME);
    assert_int_equal(effect_of(&p, ACME, &stray), EFFECT_ENDED);
    (void)put_log(&p, BOLT, new);
    assert_same_everywhere(&p);
    replica_close(&other, BOLT);
    signing_key_free(old);
    parties_close(&p);
}

static void of_two_successors_the_first_countersigned_stands(void **state)
{
    (void)state;
    struct parties p;
    struct hash one, two;
    struct parties other;
    parties_open(&p, 2, 105);
    replica_open(&other, &p, BOLT);
    for (unsigned owner = 0; owner < p.count; owner++) {
        struct lot *lot = lot_copy(&p, owner, ACME, 0, UINT64_MAX);
        assert_int_equal(lot_take(&other, BOLT, lot, NULL), ERR_NONE);
        lot_free(lot);
    }
    struct signing_key *old = go_on(&p, BOLT, &one);
    assert_int_equal(bring(&p, BOLT, BOLT, ACME), ERR_NONE);
    other.sides[BOLT].random = (struct test_random){99};
    (void)go_on(&other, BOLT, &two);
    struct lot *rival = lot_copy(&other, BOLT, BOLT, 0, UINT64_MAX);
    bool is_forked = false;
    assert_int_equal(lot_take_any(&p, ACME, rival, &is_forked), ERR_NONE);
    assert_int_equal(awaited(&p, ACME), 2);
    (void)countersign(&p, ACME, &one);
    struct body_field how[] = {text_of("how", span_text("voice"))};
    const struct draft second = {.verb = VERB_SUCCEED, .noun = "relationship", .has_ref = true, .ref = two,
                                 .body = body_of(how, 1)};
    struct hash id;
    struct err e = {0};
    assert_false(record_append(p.sides[ACME].store, &p.id, &p.sides[ACME].author, &second, 1, &id, NULL, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_int_equal(lot_take_any(&p, BOLT, rival, &is_forked), ERR_NONE); /* ACME's front names it too */
    settle(&p);
    struct hash item = propose_new(&p, BOLT, "In the first of them");
    settle(&p);
    assert_int_equal(effect_of(&p, ACME, &item), EFFECT_FULL);
    assert_same_everywhere(&p);
    lot_free(rival);
    signing_key_free(other.sides[BOLT].log);
    other.sides[BOLT].log = NULL;
    replica_close(&other, BOLT);
    signing_key_free(old);
    parties_close(&p);
}

static void a_feed_that_no_known_identity_vouches_for_is_not_taken(void **state)
{
    (void)state;
    struct parties p;
    struct hash begins;
    parties_open(&p, 2, 106);
    struct signing_key *stranger = new_key(&p, BOLT);
    struct signing_key *old = go_on_as(&p, BOLT, stranger, &begins);
    assert_int_equal(bring(&p, BOLT, BOLT, ACME), ERR_MISSING);
    assert_int_equal(feed_of(&p, ACME, BOLT).edge.size, 0);
    assert_int_equal(awaited(&p, ACME), 0);
    signing_key_free(stranger);
    signing_key_free(old);
    parties_close(&p);
}

static void a_party_has_so_many_feeds_and_no_more(void **state)
{
    (void)state;
    struct parties p;
    struct signing_key *old[ORDINALS_MAX] = {NULL};
    struct err e = {0};
    parties_open(&p, 2, 107);
    for (size_t i = 1; i < ORDINALS_MAX; i++) {
        struct hash begins;
        old[i] = go_on(&p, BOLT, &begins);
        assert_int_equal(bring(&p, BOLT, BOLT, ACME), ERR_NONE);
        (void)countersign(&p, ACME, &begins);
        settle(&p);
        struct hash item = propose_new(&p, BOLT, "One more");
        settle(&p);
        assert_int_equal(effect_of(&p, ACME, &item), EFFECT_FULL);
    }
    struct beginning b = {.p = &p, .side = &p.sides[BOLT], .note = note_of(&p.sides[BOLT])};
    assert_false(store_transact(b.side->store, begin, &b, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_same_everywhere(&p);
    for (size_t i = 1; i < ORDINALS_MAX; i++) signing_key_free(old[i]);
    parties_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_party_whose_feed_has_forked_goes_on_in_another),
        cmocka_unit_test(what_rests_on_a_fork_is_healed_by_a_successor_too),
        cmocka_unit_test(what_is_said_before_the_countersignatures_has_no_effect),
        cmocka_unit_test(an_old_feed_that_is_written_on_has_no_effect_in_any_order),
        cmocka_unit_test(of_two_successors_the_first_countersigned_stands),
        cmocka_unit_test(a_feed_that_no_known_identity_vouches_for_is_not_taken),
        cmocka_unit_test(a_party_has_so_many_feeds_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Successor feeds: who may begin one, when it counts, and what becomes of the feed before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/store/parties.h"

#include <stdio.h>
#include <stdlib.h>
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

/* BOLT, who has written nothing in it since, begins another feed with each store that it tells a different one. */
static void feeds_nobody_wants_do_not_keep_others_apart(void **state)
{
    (void)state;
    struct parties p;
    struct signing_key *unused[2 * ORDINALS_MAX];
    size_t count = 0;
    parties_open(&p, 3, 108);
    struct signing_key *own = p.sides[BOLT].log;
    for (unsigned to = ACME; to <= CORD; to += 2)
        for (size_t i = 1; i < ORDINALS_MAX; i++) {
            struct parties other;
            struct hash begins;
            bool is_forked = false;
            replica_open(&other, &p, BOLT);
            other.sides[BOLT].random = (struct test_random){1000 * to + i};
            for (unsigned owner = 0; owner < p.count; owner++) {
                struct lot *lot = lot_copy(&p, owner, ACME, 0, UINT64_MAX);
                assert_int_equal(lot_take(&other, BOLT, lot, NULL), ERR_NONE);
                lot_free(lot);
            }
            (void)go_on(&other, BOLT, &begins);
            unused[count++] = other.sides[BOLT].log;
            struct lot *lot = lot_copy(&other, BOLT, BOLT, 0, UINT64_MAX);
            assert_int_equal(lot_take_any(&p, to, lot, &is_forked), ERR_NONE);
            lot_free(lot);
            replica_close(&other, BOLT);
        }
    (void)put_log(&p, BOLT, own);
    struct hash item = propose_new(&p, ACME, "Between the honest");
    settle(&p);
    assert_int_equal(feed_of(&p, CORD, ACME).folded, feed_of(&p, CORD, ACME).edge.size);
    (void)answer(&p, CORD, VERB_ACCEPT, &item);
    (void)answer(&p, BOLT, VERB_ACCEPT, &item);
    settle(&p);
    assert_int_equal(standing_of(&p, ACME, &item, &item), STANDING_AGREED);
    assert_int_equal(standing_of(&p, CORD, &item, &item), STANDING_AGREED);
    while (count > 0) signing_key_free(unused[--count]);
    parties_close(&p);
}

/* ACME says in its own feed, byte for byte and without the body, what BOLT has said; nobody takes one for the other. */
static void a_copy_of_anothers_entry_hides_nothing(void **state)
{
    (void)state;
    struct parties p;
    struct hash begins;
    struct item_view view = {0};
    struct err e = {0};
    parties_open(&p, 3, 109);
    struct hash item = propose_new(&p, BOLT, "Seen by all");
    send(&p, BOLT, ACME);
    struct signing_key *old = go_on(&p, BOLT, &begins);
    struct lot *lots[2] = {lot_copy(&p, BOLT, BOLT, 0, UINT64_MAX), NULL};
    (void)say_leaf(&p, ACME, lots[0]->entries[0].header, NULL);
    struct signing_key *new = put_log(&p, BOLT, old);
    lots[1] = lot_copy(&p, BOLT, BOLT, feed_of(&p, BOLT, BOLT).edge.size - 1, UINT64_MAX);
    (void)say_leaf(&p, ACME, lots[1]->entries[0].header, NULL);
    struct lot *copies = lot_copy(&p, ACME, ACME, 0, UINT64_MAX);
    /* A beginning is not taken without its body. */
    copies->entries[copies->count - 2] = lots[0]->entries[0];
    assert_int_equal(lot_take(&p, CORD, copies, NULL), ERR_NONE);
    send(&p, BOLT, CORD);
    (void)put_log(&p, BOLT, new);
    assert_int_equal(bring(&p, BOLT, BOLT, CORD), ERR_NONE);

    struct hash signature = countersign(&p, CORD, &begins); /* refused where the copy hid the beginning */
    assert_int_equal(effect_of(&p, CORD, &signature), EFFECT_FULL);
    expect(item_load(p.sides[CORD].store, &p.id, &item, &view, &e), &e);
    assert_int_equal(view.offer_count, 1);
    assert_int_equal(view.offers[0].field_count, 2);
    item_view_wipe(&view);
    lot_free(lots[0]);
    lot_free(lots[1]);
    lot_free(copies);
    signing_key_free(old);
    parties_close(&p);
}

/* ------------------------------------------------------------ any order */

#define RUNS 8
#define STEPS 150
#define KEYS_MAX 64
#define LISTED_MAX 64

/* A home that acts: `all` is whoever's stores it lives among, `us` its party. Two of them may be one party's. */
struct actor {
    struct parties *all;
    unsigned us;
    struct signing_key *keys[KEYS_MAX];
    size_t key_count;
};

struct turmoil {
    struct parties p, twin;
    struct test_random random;
    struct actor actors[SIDES_MAX + 1];
    size_t actor_count;
    struct hash proposals[LISTED_MAX], items[LISTED_MAX], begun[LISTED_MAX];
    size_t proposal_count, item_count, begun_count;
    struct signing_key *made[KEYS_MAX];
    size_t made_count;
};

static uint64_t below(struct turmoil *t, uint64_t bound)
{
    return test_random_below(&t->random, bound);
}

static void list(struct hash *hashes, size_t *count, const struct hash *one)
{
    if (*count < LISTED_MAX) hashes[(*count)++] = *one;
}

static struct side *side_of(const struct actor *a)
{
    return &a->all->sides[a->us];
}

/*
 * Lets the actor's side speak with the key of its newest feed; false when it has not got it, or does not understand yet all that
 * it has said, as after a restore.
 */
static bool takes_its_key(struct actor *a)
{
    struct feed own;
    struct err e = {0};
    if (!feed_own(side_of(a)->store, &a->all->id, &own, &e) || own.folded != own.edge.size) return false;
    for (size_t i = 0; i < a->key_count; i++) {
        if (!key_public_equal(signing_key_public(a->keys[i]), &own.log_key)) continue;
        (void)put_log(a->all, a->us, a->keys[i]);
        return true;
    }
    return false;
}

static struct item_base on_item(struct turmoil *t, const struct actor *a)
{
    struct item_view view = {0};
    struct item_base base = {.is_new = true, .from_start = true};
    if (t->item_count == 0 || below(t, 3) == 0) return base;
    const struct hash *item = &t->items[below(t, t->item_count)];
    if (item_load(side_of(a)->store, &a->all->id, item, &view, NULL))
        base = (struct item_base){.item = *item, .from_start = !view.has_terms, .base = view.revision};
    item_view_wipe(&view);
    return base;
}

/* What the rules or a feed's state refuse is refused; nothing else may fail. */
static bool tries(struct actor *a, const struct draft *draft, struct hash *id)
{
    struct err e = {0};
    size_t seals = 0;
    if (record_append(side_of(a)->store, &a->all->id, &side_of(a)->author, draft, draft ? 1 : 0, id, &seals, &e)) return true;
    if (e.code != ERR_CONFLICT && e.code != ERR_REFUSED) fail_msg("%s: %s", err_word(e.code), e.said);
    return false;
}

static void says(struct turmoil *t, struct actor *a)
{
    static const enum verb answers[] = {VERB_ACCEPT, VERB_ACCEPT, VERB_ACCEPT, VERB_DECLINE, VERB_WITHDRAW, VERB_COMMENT};
    struct draft draft = {.noun = "action", .body = span_text("\x91\x80")};
    struct hash id = {0};
    switch (below(t, 6)) {
    case 0:
    case 1:
        draft.verb = VERB_PROPOSE;
        draft.item_count = 1;
        draft.items[0] = on_item(t, a);
        break;
    case 2:
        draft.verb = VERB_STATE;
        draft.item_count = 1;
        draft.items[0] = on_item(t, a);
        if (draft.items[0].is_new) draft.noun = "appointment";
        break;
    default:
        if (t->proposal_count == 0) return;
        draft.verb = answers[below(t, 6)];
        draft.has_ref = true;
        draft.ref = t->proposals[below(t, t->proposal_count)];
    }
    if (!tries(a, &draft, &id)) return;
    if (draft.verb == VERB_PROPOSE) list(t->proposals, &t->proposal_count, &id);
    if (draft.item_count && draft.items[0].is_new && draft.verb == VERB_PROPOSE) list(t->items, &t->item_count, &id);
}

/* The same without asking the rules, and without naming all it has folded. */
static void says_wildly(struct turmoil *t, struct actor *a)
{
    static const enum verb verbs[] = {VERB_PROPOSE, VERB_ACCEPT, VERB_SEAL, VERB_SUCCEED, VERB_WITHDRAW};
    struct body_field how[] = {text_of("how", span_text("voice"))};
    struct header h = next_header(a->all, a->us, verbs[below(t, 5)], "action");
    span body = body_of(how, 1);
    if (h.verb == VERB_PROPOSE) {
        h.item_count = 1;
        h.items[0] = on_item(t, a);
    } else if (h.verb == VERB_SUCCEED && t->begun_count) {
        h.noun = span_text("relationship");
        h.has_ref = true;
        h.ref = t->begun[below(t, t->begun_count)];
    } else if (t->proposal_count) {
        h.has_ref = true;
        h.ref = t->proposals[below(t, t->proposal_count)];
    }
    struct feed own;
    struct err e = {0};
    expect(feed_own(side_of(a)->store, &a->all->id, &own, &e), &e);
    if (own.broken_at != UINT64_MAX) return;
    struct hash id = say_header(a->all, a->us, &h, &body);
    if (h.verb == VERB_PROPOSE) list(t->proposals, &t->proposal_count, &id);
}

static void begins_another(struct turmoil *t, struct actor *a)
{
    uint8_t note[CERTIFICATE_BYTES_MAX];
    struct sink sink = sink_over(note, sizeof note);
    struct certificate c = side_of(a)->certificate;
    struct feed own;
    struct err e = {0};
    if (!feed_own(side_of(a)->store, &a->all->id, &own, &e) || own.ordinal >= 2 || t->made_count == KEYS_MAX) return;
    if (a->key_count == KEYS_MAX) return;
    struct signing_key *old = put_log(a->all, a->us, new_key(a->all, a->us));
    struct signing_key *key = side_of(a)->log;
    c.log = *signing_key_public(key);
    expect(certificate_write(&sink, &c, side_of(a)->identity, &e), &e);
    struct beginning b = {.p = a->all, .side = side_of(a), .note = sink_span(&sink)};
    t->made[t->made_count++] = key;
    if (store_transact(b.side->store, begin, &b, &e)) {
        a->keys[a->key_count++] = key;
        list(t->begun, &t->begun_count, &b.id);
    } else {
        /* ERR_CONFLICT: it rests on a branch that is not proven to be one yet. */
        if (e.code != ERR_LIMIT && e.code != ERR_REFUSED && e.code != ERR_CONFLICT) fail_msg("%s: %s", err_word(e.code), e.said);
        (void)put_log(a->all, a->us, old);
    }
}

static void countersigns(struct turmoil *t, struct actor *a)
{
    struct body_field how[] = {text_of("how", span_text("voice"))};
    struct draft draft = {.verb = VERB_SUCCEED, .noun = "relationship", .has_ref = true, .body = body_of(how, 1)};
    struct hash id;
    if (t->begun_count == 0) return;
    draft.ref = t->begun[below(t, t->begun_count)];
    (void)tries(a, &draft, &id);
}

/* ---- feeds on their way ---- */

struct feed_list {
    struct feed feeds[FEEDS_MAX];
    size_t count;
};

static bool list_feed(void *self, const struct feed *feed)
{
    struct feed_list *l = self;
    l->feeds[l->count++] = *feed;
    return true;
}

static void feeds_of(struct store *store, const struct relationship_id *id, struct feed_list *out)
{
    struct err e = {0};
    out->count = 0;
    expect(feeds_each(store, id, list_feed, out, &e), &e);
}

static bool copy_one(void *self, uint64_t index, const struct stored_entry *entry)
{
    struct lot *lot = self;
    struct err e = {0};
    if (index != lot->count || index >= LOT_MAX) return false;
    struct buffer *header = &lot->headers[lot->count], *body = &lot->bodies[lot->count];
    struct stored_entry *copy = &lot->entries[lot->count++];
    *copy = *entry;
    expect(buffer_put(header, entry->header, &e) && buffer_put(body, entry->body, &e), &e);
    copy->header = buffer_span(header);
    copy->body = entry->has_body ? buffer_span(body) : (span){0};
    return true;
}

/* The first `size` entries of this branch. */
static struct lot *branch_copy(struct store *store, const struct relationship_id *id, const struct feed *feed, uint64_t size)
{
    struct feed_nodes nodes = feed_nodes_of(store, id, feed);
    struct err e = {0};
    struct lot *lot = calloc(1, sizeof *lot);
    assert_non_null(lot);
    assert_true(feed->head.size <= LOT_MAX);
    lot->log_key = feed->log_key;
    lot->head = feed->head;
    if (size > feed->head.size) size = feed->head.size;
    lot->has_proof = size < feed->head.size;
    expect(merkle_prove_consistency(feed_nodes(&nodes), size, feed->head.size, &lot->proof, &e), &e);
    if (feed->branch_from > 0) {
        expect(feed_read(store, id, feed->feed & 0xffffu, 0, copy_one, lot, &e), &e);
        if (lot->count > feed->branch_from) lot->count = feed->branch_from;
        for (size_t i = lot->count; i < LOT_MAX; i++) {
            lot->headers[i].len = 0;
            lot->bodies[i].len = 0;
        }
    }
    expect(feed_read(store, id, feed->feed, lot->count, copy_one, lot, &e), &e);
    if (lot->count > size) lot->count = (size_t)size;
    return lot;
}

static void brings(struct turmoil *t, const struct actor *from, const struct actor *to, bool is_whole)
{
    struct feed_list feeds;
    bool is_forked = false;
    feeds_of(side_of(from)->store, &from->all->id, &feeds);
    if (feeds.count == 0) return;
    const struct feed *feed = &feeds.feeds[below(t, feeds.count)];
    if (feed->head.size == 0) return;
    struct lot *lot = branch_copy(side_of(from)->store, &from->all->id, feed,
                                  is_whole ? UINT64_MAX : 1 + below(t, feed->head.size));
    enum err_code code = lot_take_any(to->all, to->us, lot, &is_forked);
    assert_true(code == ERR_NONE || code == ERR_MISSING);
    lot_free(lot);
}

static void bring_all(const struct actor *from, const struct actor *to)
{
    struct feed_list feeds;
    bool is_forked = false;
    feeds_of(side_of(from)->store, &from->all->id, &feeds);
    for (size_t i = 0; i < feeds.count; i++) {
        if (feeds.feeds[i].head.size == 0) continue;
        struct lot *lot = branch_copy(side_of(from)->store, &from->all->id, &feeds.feeds[i], UINT64_MAX);
        enum err_code code = lot_take_any(to->all, to->us, lot, &is_forked);
        assert_true(code == ERR_NONE || code == ERR_MISSING);
        lot_free(lot);
    }
}

/* What a store holds, whatever it numbers branches: the sum of all entries of all branches. */
static bool same_entries(const struct actor *a, const struct actor *b)
{
    struct feed_list one, two;
    feeds_of(side_of(a)->store, &a->all->id, &one);
    feeds_of(side_of(b)->store, &b->all->id, &two);
    size_t matched = 0;
    for (size_t i = 0; i < one.count; i++)
        for (size_t k = 0; k < two.count; k++)
            matched += key_public_equal(&one.feeds[i].log_key, &two.feeds[k].log_key) &&
                       one.feeds[i].edge.size == two.feeds[k].edge.size &&
                       hash_equal(&one.feeds[i].root, &two.feeds[k].root);
    return one.count == two.count && matched == one.count;
}

static void turn(struct turmoil *t)
{
    struct actor *a = &t->actors[below(t, t->actor_count)], *b = &t->actors[below(t, t->actor_count)];
    uint64_t what = below(t, 40);
    if (what < 22) {
        if (a != b) brings(t, a, b, below(t, 2) == 0);
        return;
    }
    if (!takes_its_key(a)) return;
    if (what < 33) says(t, a);
    else if (what < 35) (void)tries(a, NULL, NULL);
    else if (what < 36) begins_another(t, a);
    else if (what < 39) countersigns(t, a);
    else if (below(t, 3) == 0) says_wildly(t, a);
}

/* What people are shown, without what only a store knows: in which order it came to know feeds. */
struct picture {
    struct hash items;
    struct hash effects[1024]; /* id, with the effect in place of its last byte; in rising order */
    size_t effect_count;
};

static void mix(struct hash *chain, span part)
{
    const span parts[2] = {hash_span(chain), part};
    *chain = hash_labelled("test", parts, 2);
}

static bool picture_item(void *self, struct item_view *view)
{
    struct picture *p = self;
    const int64_t said[] = {view->party, view->has_terms, (int64_t)view->standing, view->needs_newer, view->has_statement,
                            view->statement_party, view->statement_ms, (int64_t)view->term_count,
                            (int64_t)view->progress_count, (int64_t)view->offer_count};
    mix(&p->items, span_text(view->ref));
    mix(&p->items, span_of(said, sizeof said));
    mix(&p->items, hash_span(&view->item));
    if (view->has_terms) mix(&p->items, hash_span(&view->revision));
    if (view->has_statement) mix(&p->items, hash_span(&view->statement));
    mix(&p->items, span_of(view->statement_words, sizeof view->statement_words));
    for (size_t i = 0; i < view->offer_count; i++) {
        mix(&p->items, hash_span(&view->offers[i].proposal));
        mix(&p->items, span_of(&view->offers[i].standing, sizeof view->offers[i].standing));
    }
    return true;
}

static bool picture_line(void *self, const struct history_line *line)
{
    struct picture *p = self;
    struct hash *at = &p->effects[p->effect_count++];
    assert_true(p->effect_count <= sizeof p->effects / sizeof p->effects[0]);
    *at = line->entry;
    at->bytes[31] = (uint8_t)(line->is_waiting ? 0xff : line->effect);
    return true;
}

static int hash_order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct hash));
}

static void picture_of(const struct actor *a, struct picture *out)
{
    struct err e = {0};
    *out = (struct picture){.effect_count = 0};
    expect(items_each(side_of(a)->store, &a->all->id, NULL, picture_item, out, &e), &e);
    expect(history_each(side_of(a)->store, &a->all->id, NULL, picture_line, out, &e), &e);
    qsort(out->effects, out->effect_count, sizeof out->effects[0], hash_order);
}

static void same(const char *what, size_t run, const struct actor *a, const struct actor *b)
{
    struct hash state[2] = {state_digest(a->all, a->us), state_digest(b->all, b->us)};
    struct picture *pictures = calloc(2, sizeof *pictures);
    assert_non_null(pictures);
    picture_of(a, &pictures[0]);
    picture_of(b, &pictures[1]);
    assert_int_equal(pictures[0].effect_count, pictures[1].effect_count);
    for (size_t i = 0; i < pictures[0].effect_count; i++)
        if (!hash_equal(&pictures[0].effects[i], &pictures[1].effects[i]))
            fail_msg("run %zu: %s: an entry has effect %u with %u and %u with %u", run, what,
                     pictures[0].effects[i].bytes[31], a->us, pictures[1].effects[i].bytes[31], b->us);
    if (!hash_equal(&state[0], &state[1])) fail_msg("run %zu: %s: the state of %u and %u differs", run, what, a->us, b->us);
    if (!hash_equal(&pictures[0].items, &pictures[1].items))
        fail_msg("run %zu: %s: the items of %u and %u differ", run, what, a->us, b->us);
    free(pictures);
}

/* Everything once more in a fresh store, in another order. */
static void again_in_another_order(struct turmoil *t, size_t run, const struct actor *from)
{
    struct parties fresh;
    struct actor reader = {.all = &fresh, .us = (t->actors[3].us + 1 + (unsigned)run % 2) % 3};
    replica_open(&fresh, &t->p, reader.us);
    for (size_t i = 0; i < 2000 && !same_entries(from, &reader); i++) brings(t, from, &reader, i > 60);
    assert_true(same_entries(from, &reader));
    same("in another order", run, from, &reader);
    replica_close(&fresh, reader.us);
}

static void turmoil_open(struct turmoil *t, uint64_t seed)
{
    parties_open(&t->p, 3, seed);
    unsigned twice = (unsigned)below(t, 3);
    replica_open(&t->twin, &t->p, twice);
    t->twin.sides[twice].random.state += below(t, 2); /* else both draw one key for their next feeds */
    for (unsigned i = 0; i < 3; i++) t->actors[t->actor_count++] = (struct actor){.all = &t->p, .us = i};
    t->actors[t->actor_count++] = (struct actor){.all = &t->twin, .us = twice};
    for (size_t i = 0; i < t->actor_count; i++) t->actors[i].keys[t->actors[i].key_count++] = side_of(&t->actors[i])->log;
    for (unsigned i = 0; i < 2; i++) bring_all(&t->actors[twice == ACME ? BOLT : ACME], &t->actors[3]);
}

static void turmoil_close(struct turmoil *t)
{
    replica_close(&t->twin, t->actors[3].us);
    for (unsigned i = 0; i < 3; i++) (void)put_log(&t->p, i, t->actors[i].keys[0]);
    for (size_t i = 0; i < t->made_count; i++) signing_key_free(t->made[i]);
    parties_close(&t->p);
}

static void any_order_of_successions_and_forks_gives_the_same(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    size_t compared = 0;
    for (size_t run = 0; run < RUNS; run++) {
        struct turmoil *t = calloc(1, sizeof *t);
        assert_non_null(t);
        t->random = (struct test_random){test_random_next(&random)};
        turmoil_open(t, test_random_next(&random));
        for (size_t step = 0; step < STEPS; step++) turn(t);
        for (size_t i = 0; i < 4 * t->actor_count * t->actor_count; i++)
            if (i / t->actor_count % t->actor_count != i % t->actor_count)
                bring_all(&t->actors[i / t->actor_count % t->actor_count], &t->actors[i % t->actor_count]);
        bool is_same = true;
        for (size_t i = 1; i < t->actor_count; i++) is_same = is_same && same_entries(&t->actors[0], &t->actors[i]);
        for (size_t i = 0; i < t->actor_count && is_same; i++) {
            same("as it came", run, &t->actors[0], &t->actors[i]);
            struct finding last = {0};
            if (verify_count(t->actors[i].all, t->actors[i].us, &last)) fail_msg("run %zu: %s: %s", run, last.where, last.what);
            struct hash tables = tables_digest(t->actors[i].all, t->actors[i].us);
            rebuild(t->actors[i].all, t->actors[i].us);
            struct hash again = tables_digest(t->actors[i].all, t->actors[i].us);
            if (!hash_equal(&tables, &again)) fail_msg("run %zu: rebuilt, %zu has other tables", run, i);
            same("rebuilt", run, &t->actors[0], &t->actors[i]);
        }
        if (is_same) again_in_another_order(t, run, &t->actors[run % t->actor_count]);
        compared += is_same;
        turmoil_close(t);
        free(t);
    }
    print_message("%zu of %d runs ended with all holding the same\n", compared, RUNS);
    assert_true(compared > 0);
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
        cmocka_unit_test(feeds_nobody_wants_do_not_keep_others_apart),
        cmocka_unit_test(a_copy_of_anothers_entry_hides_nothing),
        cmocka_unit_test(any_order_of_successions_and_forks_gives_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The rules of agreement, one claim a test. A story is told in steps ("A proposes p", "B gets A"),
 * each with what it comes to or with how every side then shows the offers; the sides hold what they
 * have heard, each in its own arrays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/model/arrays.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 64
#define WORD_BYTES_MAX 16

struct said {
    struct act act;
    char name[WORD_BYTES_MAX]; /* of what it proposes or states, or empty */
};

struct side {
    struct arrays *arrays;
    struct facts facts;
    bool holds[STEPS_MAX];
    struct past heard, heard_before; /* now, and when it last said something */
};

struct story {
    unsigned party_count;
    struct side sides[3];
    struct said said[STEPS_MAX]; /* in the order it was said, which is an order of arrival too */
    size_t said_count;
    enum effect effect; /* of the last thing said */
    size_t seals;
};

/* ------------------------------------------------------------ telling a story */

static struct hash id_of(const char *name)
{
    struct hash id = {0};
    const size_t length = strlen(name);
    assert_true(length < sizeof id.bytes);
    memcpy(id.bytes, name, length);
    return id;
}

static void hear(struct story *story, unsigned us, size_t n)
{
    struct side *side = &story->sides[us];
    const struct act *act = &story->said[n].act;
    struct err e = {0};
    if (side->holds[n]) return;
    assert_true(agreement_fold(&side->facts, act, &story->effect, &story->seals, &e));
    side->holds[n] = true;
    side->heard.below[act->party] = act->position + 1;
}

static void gets(struct story *story, unsigned us, unsigned from)
{
    for (size_t n = 0; n < story->said_count; n++) {
        if (story->sides[from].holds[n]) hear(story, us, n);
    }
}

/* Gives the act its position, its front and an id, and folds it where it was said. */
static void say(struct story *story, unsigned us, struct act act, const char *name)
{
    struct side *side = &story->sides[us];
    struct said *said = &story->said[story->said_count];
    assert_true(story->said_count < STEPS_MAX);
    act.party = us;
    act.position = side->heard.below[us];
    act.past = side->heard;
    for (unsigned party = 0; party < story->party_count; party++)
        act.advanced[party] =
            party != us && side->heard.below[party] > side->heard_before.below[party];
    if (*name) act.id = id_of(name);
    else act.id.bytes[0] = 1, act.id.bytes[1] = (uint8_t)story->said_count;
    *said = (struct said){.act = act};
    snprintf(said->name, sizeof said->name, "%s", name);
    side->heard_before = side->heard;
    hear(story, us, story->said_count++);
}

/* The last agreed revision of an item as `us` sees it: from start, along the successors. */
static struct hash head_of(struct story *story, unsigned us, const struct hash *item)
{
    const struct facts *facts = &story->sides[us].facts;
    struct change on = {.item = *item};
    struct revision revision = {0};
    struct err e = {0};
    while (facts->successor(facts->self, &on, &revision, &e) == FOUND) on.base = revision.proposal;
    return on.base;
}

/* "x" on its head; "x@q" on base q; "x@start"; "+x" created here. */
static void add_change(struct story *story, unsigned us, struct act *act, char *word)
{
    const size_t n = act->change_count++;
    char *base = strchr(word, '@');
    act->creates[n] = *word == '+';
    if (base) *base++ = '\0';
    act->changes[n].item = id_of(act->creates[n] ? word + 1 : word);
    if (!base) act->changes[n].base = head_of(story, us, &act->changes[n].item);
    else if (strcmp(base, "start") != 0) act->changes[n].base = id_of(base);
}

static enum verb verb_of_word(const char *word)
{
    static const struct {
        const char *word;
        enum verb verb;
    } verbs[] = {
        {"proposes", VERB_PROPOSE},   {"accepts", VERB_ACCEPT}, {"declines", VERB_DECLINE},
        {"withdraws", VERB_WITHDRAW}, {"states", VERB_STATE},   {"acknowledges", VERB_ACKNOWLEDGE},
        {"disputes", VERB_DISPUTE},   {"seals", VERB_SEAL},     {"mumbles", VERB_UNKNOWN}};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].word, word) == 0) return verbs[i].verb;
    }
    fail_msg("no verb %s", word);
    return VERB_UNKNOWN;
}

/*
 * "B accepts p", "A proposes p x y@q +z" (one item x when none is named), "A states s x", "B gets
 * A". A node writes a seal as soon as it has heard something, which "B gets A" does too; "B hears
 * A" does not.
 */
static void does(struct story *story, const char *step)
{
    char text[80], *rest = NULL;
    assert_true(strlen(step) < sizeof text);
    snprintf(text, sizeof text, "%s", step);
    const unsigned us = (unsigned)(strtok_r(text, " ", &rest)[0] - 'A');
    const char *doing = strtok_r(NULL, " ", &rest), *name = strtok_r(NULL, " ", &rest);
    assert_true(us < story->party_count);

    if (strcmp(doing, "gets") == 0 || strcmp(doing, "hears") == 0) {
        gets(story, us, (unsigned)(name[0] - 'A'));
        if (*doing == 'g') say(story, us, (struct act){.verb = VERB_SEAL}, "");
        return;
    }
    struct act act = {.verb = verb_of_word(doing)};
    const bool makes = act.verb == VERB_PROPOSE || act.verb == VERB_STATE;
    char usual[] = "x";
    if (name && !makes) act.ref = id_of(name);
    for (char *word = makes ? strtok_r(NULL, " ", &rest) : NULL; word;
         word = strtok_r(NULL, " ", &rest))
        add_change(story, us, &act, word);
    if (act.verb == VERB_PROPOSE && act.change_count == 0) add_change(story, us, &act, usual);
    say(story, us, act, makes ? name : "");
}

static void expect_effect(struct story *story, const char *step, enum effect effect)
{
    does(story, step);
    if (story->effect != effect) print_error("%s\n", step);
    assert_string_equal(effect_words(story->effect), effect_words(effect));
}

/* How `us` shows every proposal it holds: "p offered, q agreed". */
static void show(const struct story *story, unsigned us, char *out, size_t cap)
{
    const struct side *side = &story->sides[us];
    size_t length = strlen(out);
    const char *between = "";
    for (size_t i = 0; i < arrays_proposal_count(side->arrays); i++) {
        const struct hash *id = arrays_proposal_id(side->arrays, i);
        struct hash rivals[STEPS_MAX];
        enum standing standing = STANDING_OFFERED;
        struct err e = {0};
        const size_t count = arrays_rivals(side->arrays, id, rivals, STEPS_MAX);
        assert_true(agreement_standing(&side->facts, id, rivals, count, us, &standing, &e));
        length += (size_t)snprintf(out + length, cap - length, "%s%s %s", between,
                                   (const char *)id->bytes, standing_word(standing));
        between = ", ";
    }
    if (!*between) snprintf(out + length, cap - length, "-");
}

/* After `step` the sides show `shown`: A's view | B's view. */
static void expect(struct story *story, const char *step, const char *shown)
{
    char views[600] = "";
    does(story, step);
    for (unsigned us = 0; us < story->party_count; us++) {
        if (us) strcat(views, " | ");
        show(story, us, views, sizeof views - 4);
    }
    if (strcmp(views, shown) != 0) print_error("after: %s\n", step);
    assert_string_equal(views, shown);
}

/* Everybody holds items x and y, created by A in a statement called "start". */
static struct story *story_new(unsigned party_count)
{
    struct story *story = calloc(1, sizeof *story);
    struct err e = {0};
    assert_non_null(story);
    story->party_count = party_count;
    for (unsigned us = 0; us < party_count; us++) {
        assert_true(arrays_new(&story->sides[us].arrays, party_count, &e));
        story->sides[us].facts = arrays_facts(story->sides[us].arrays);
    }
    does(story, "A states start +x +y");
    for (unsigned us = 1; us < party_count; us++) gets(story, us, 0);
    return story;
}

static void story_free(struct story *story)
{
    if (!story) return;
    for (unsigned us = 0; us < story->party_count; us++) arrays_free(story->sides[us].arrays);
    free(story);
}
OWNABLE(struct story *, story_free)
#define STORY(name, party_count) OWNED(story_free) struct story *name = story_new(party_count)

/* ------------------------------------------------------------ the races, on both sides */

static void an_offer_is_agreed_when_its_proposers_node_has_the_acceptance(void **state)
{
    (void)state;
    STORY(story, 2);

    expect(story, "A proposes p", "p offered | -");
    expect(story, "B gets A", "p offered | p offered");
    expect(story, "B accepts p", "p offered | p receipt_awaited");
    expect(story, "A hears B", "p receipt_awaited | p receipt_awaited");
    expect(story, "A seals", "p agreed | p receipt_awaited");
    assert_int_equal(story->seals, 1);
    expect(story, "B gets A", "p agreed | p agreed");
}

static void
of_two_offers_on_one_base_the_accepted_one_is_agreed_and_the_other_overtaken(void **state)
{
    (void)state;
    STORY(story, 2);

    expect(story, "A proposes p", "p offered | -");
    expect(story, "B proposes q", "p offered | q offered");
    expect(story, "A gets B", "p offered, q offered | q offered");
    expect(story, "B gets A", "p offered, q offered | q offered, p offered");
    expect(story, "A accepts q", "p withdrawn, q receipt_awaited | q offered, p offered");
    expect(story, "B gets A", "p withdrawn, q receipt_awaited | q agreed, p overtaken");
    expect(story, "A gets B", "p overtaken, q agreed | q agreed, p overtaken");
}

static void a_withdrawal_that_crosses_an_acceptance_holds(void **state)
{
    (void)state;
    STORY(story, 2);

    expect(story, "A proposes p", "p offered | -");
    expect(story, "B gets A", "p offered | p offered");
    expect(story, "A withdraws p", "p withdrawn | p offered");
    expect(story, "B accepts p", "p withdrawn | p receipt_awaited");
    expect(story, "A gets B", "p withdrawn | p receipt_awaited");
    expect(story, "B gets A", "p withdrawn | p withdrawn");
}

static void a_withdrawal_that_has_the_acceptance_in_its_past_is_too_late(void **state)
{
    (void)state;
    STORY(story, 2);

    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "B accepts p");
    expect(story, "A hears B", "p receipt_awaited | p receipt_awaited");
    expect_effect(story, "A withdraws p", EFFECT_TOO_LATE);
    assert_int_equal(story->seals, 1); /* the withdrawal itself seals: any entry will do */
    expect(story, "B gets A", "p agreed | p agreed");
}

static void crossed_acceptances_lapse_and_a_fresh_offer_settles(void **state)
{
    (void)state;
    STORY(story, 2);

    does(story, "A proposes p");
    does(story, "B proposes q");
    does(story, "A gets B");
    does(story, "B gets A");
    expect(story, "A accepts q", "p withdrawn, q receipt_awaited | q offered, p offered");
    expect(story, "B accepts p", "p withdrawn, q receipt_awaited | q withdrawn, p receipt_awaited");
    expect(story, "A gets B", "p crossed, q crossed | q withdrawn, p receipt_awaited");
    expect(story, "B gets A", "p crossed, q crossed | q crossed, p crossed");
    expect(story, "A proposes r", "p crossed, q withdrawn, r offered | q crossed, p crossed");
    does(story, "B gets A");
    does(story, "B accepts r");
    expect(story, "A gets B",
           "p overtaken, q overtaken, r agreed | q withdrawn, p withdrawn, r receipt_awaited");
    expect(story, "B gets A",
           "p overtaken, q overtaken, r agreed | q overtaken, p overtaken, r agreed");
}

static void an_acceptance_taken_back_after_the_seal_stays_agreed(void **state)
{
    (void)state;
    STORY(story, 2);

    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "B accepts p");
    expect(story, "A gets B", "p agreed | p receipt_awaited");
    expect(story, "B withdraws p", "p agreed | p taken_back");
    expect(story, "B gets A", "p agreed | p agreed");
    expect(story, "A gets B", "p agreed | p agreed");
}

static void an_acceptance_taken_back_before_the_proposer_has_it_lapses(void **state)
{
    (void)state;
    STORY(story, 2);

    does(story, "A proposes p");
    does(story, "B gets A");
    expect(story, "B accepts p", "p offered | p receipt_awaited");
    expect(story, "B withdraws p", "p offered | p taken_back");
    expect(story, "A gets B", "p taken_back | p taken_back");
    expect(story, "B gets A", "p taken_back | p taken_back");
}

static void a_counter_offer_takes_an_acceptance_back(void **state)
{
    (void)state;
    STORY(story, 2);

    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "B accepts p");
    expect(story, "B proposes q", "p offered | p taken_back, q offered");
    expect(story, "A gets B", "p taken_back, q offered | p taken_back, q offered");
    expect(story, "A accepts q", "p withdrawn, q receipt_awaited | p taken_back, q offered");
    expect(story, "B gets A", "p withdrawn, q receipt_awaited | p overtaken, q agreed");
    expect(story, "A gets B", "p overtaken, q agreed | p overtaken, q agreed");
}

static void a_declined_offer_is_declined_on_both_sides(void **state)
{
    (void)state;
    STORY(story, 2);

    does(story, "A proposes p");
    does(story, "B gets A");
    expect(story, "B declines p", "p offered | p declined");
    expect(story, "A gets B", "p declined | p declined");
}

/* ------------------------------------------------------------ three parties */

static void three_parties_agree_when_the_proposer_has_both_acceptances(void **state)
{
    (void)state;
    STORY(story, 3);

    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "C gets A");
    expect(story, "B accepts p", "p offered | p offered | p offered");
    expect(story, "A gets B", "p offered | p offered | p offered");
    expect(story, "C accepts p", "p offered | p offered | p offered");
    expect(story, "B gets C", "p offered | p receipt_awaited | p offered");
    expect(story, "A gets C", "p agreed | p receipt_awaited | p offered");
    expect(story, "C gets A", "p agreed | p receipt_awaited | p agreed");
    expect(story, "B gets C", "p agreed | p agreed | p agreed");
}

static void a_proposal_waits_for_the_party_whose_word_its_proposer_lacks(void **state)
{
    (void)state;
    STORY(story, 3);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "C gets A");
    does(story, "C accepts p");
    does(story, "B accepts p");
    does(story, "C gets B");

    does(story, "A hears B"); /* B has not heard C: A has one acceptance only */
    does(story, "A seals");
    assert_int_equal(story->seals, 0);
    does(story, "A hears C");
    does(story, "A seals");

    assert_int_equal(story->seals, 1);
}

/*
 * At C, which had its own word first, p waits for A to hear B; but A's seal that has B's word lacks
 * C's.
 */
static void what_is_due_moves_on_to_the_party_whose_word_is_still_missing(void **state)
{
    (void)state;
    STORY(story, 3);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "C gets A");
    does(story, "C accepts p");
    does(story, "B accepts p");
    does(story, "A gets B");

    does(story, "C hears B");
    expect(story, "C hears A", "p offered | p offered | p receipt_awaited");
    does(story, "A hears C");
    does(story, "A seals");
    expect(story, "C hears A", "p agreed | p offered | p agreed");
}

static void what_one_of_three_has_left_is_dropped_for_good(void **state)
{
    (void)state;
    STORY(story, 3);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "C gets A");
    does(story, "B accepts p");
    does(story, "B withdraws p");
    does(story, "C accepts p");

    does(story, "A gets B");
    expect(story, "A gets C", "p taken_back | p taken_back | p offered");
    assert_int_equal(story->seals, 0);
    does(story, "B gets C");
    expect(story, "A gets B", "p taken_back | p taken_back | p offered");
    assert_int_equal(story->seals, 0);
}

static void any_no_of_three_ends_an_offer(void **state)
{
    (void)state;
    STORY(story, 3);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "C gets A");
    does(story, "C declines p");

    does(story, "B gets C");

    expect_effect(story, "B accepts p", EFFECT_DECLINED);
    expect(story, "A gets C", "p declined | p declined | p declined");
}

/* ------------------------------------------------------------ bundles and revisions */

static void a_bundle_is_agreed_all_or_nothing(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p x y");
    does(story, "B proposes q y");
    does(story, "A gets B");
    does(story, "A accepts q");
    does(story, "B gets A");

    expect(story, "A gets B", "p overtaken, q agreed | q agreed, p overtaken");

    const struct hash x = id_of("x"), y = id_of("y");
    struct hash head = head_of(story, 0, &x);
    assert_true(hash_is_zero(&head)); /* p would have changed x too */
    head = head_of(story, 0, &y);
    assert_memory_equal(head.bytes, id_of("q").bytes, sizeof head.bytes);
}

static void leaving_a_bundle_frees_all_its_items(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p x y");
    expect(story, "A proposes q x", "p withdrawn, q offered | -");

    expect(story, "A proposes r y", "p withdrawn, q offered, r offered | -");

    const struct facts *facts = &story->sides[0].facts;
    const struct hash p = id_of("p");
    struct word word = {0};
    struct err e = {0};
    assert_int_equal(facts->word(facts->self, &p, 0, &word, &e), FOUND);
    assert_int_equal(word.left, 2); /* where it proposed q, not r */
}

static void a_revision_builds_on_the_agreed_one(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "B accepts p");
    does(story, "A gets B");
    does(story, "B gets A");

    does(story, "B proposes q x@p");
    does(story, "A gets B");
    does(story, "A accepts q");
    does(story, "B gets A");

    expect(story, "A gets B", "p agreed, q agreed | p agreed, q agreed");
}

static void a_seal_binds_its_author_at_the_very_entry_that_brings_it(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "B accepts p");
    does(story, "A hears B");

    expect_effect(story, "A proposes q x@p", EFFECT_FULL); /* seals p, and builds on it */

    assert_int_equal(story->seals, 1);
    expect(story, "B gets A", "p agreed, q offered | p agreed, q offered");
}

static void an_item_created_by_an_offer_can_be_countered(void **state)
{
    (void)state;
    STORY(story, 2);
    expect_effect(story, "A proposes p +z", EFFECT_FULL);
    does(story, "B gets A");

    expect_effect(story, "B proposes q z", EFFECT_FULL);
    does(story, "A gets B");
    expect_effect(story, "A accepts q", EFFECT_FULL);

    expect(story, "B gets A", "p withdrawn, q receipt_awaited | p overtaken, q agreed");
}

/* ------------------------------------------------------------ effects */

static void what_is_not_in_the_past_is_not_known(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p x +z");
    does(story, "A states s");

    expect_effect(story, "B accepts p", EFFECT_NOT_KNOWN);
    expect_effect(story, "B declines p", EFFECT_NOT_KNOWN);
    expect_effect(story, "B withdraws p", EFFECT_NOT_KNOWN);
    expect_effect(story, "B proposes q z", EFFECT_NOT_KNOWN);
    expect_effect(story, "B states t z", EFFECT_NOT_KNOWN);
    expect_effect(story, "B acknowledges s", EFFECT_NOT_KNOWN);
    expect_effect(story, "B disputes s", EFFECT_NOT_KNOWN);
    expect_effect(story, "B withdraws s", EFFECT_NOT_KNOWN);
}

/*
 * It is recorded where B speaks, but B's past does not hold it: what has arrived must not matter.
 */
static void what_has_arrived_but_is_not_in_the_past_is_not_known_either(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p +z");
    does(story, "A states s");
    const struct past heard = story->sides[1].heard;
    does(story, "B hears A");
    story->sides[1].heard = heard;

    expect_effect(story, "B accepts p", EFFECT_NOT_KNOWN);
    expect_effect(story, "B declines p", EFFECT_NOT_KNOWN);
    expect_effect(story, "B proposes q z", EFFECT_NOT_KNOWN);
    expect_effect(story, "B disputes s", EFFECT_NOT_KNOWN);
}

static void a_reference_of_another_kind_is_not_known(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "A states s x");
    does(story, "B gets A");

    expect_effect(story, "B accepts s", EFFECT_NOT_KNOWN);
    expect_effect(story, "B declines s", EFFECT_NOT_KNOWN);
    expect_effect(story, "B acknowledges p", EFFECT_NOT_KNOWN);
}

static void what_had_no_effect_is_not_known(void **state)
{
    (void)state;
    STORY(story, 2);
    expect_effect(story, "A proposes p x@q +z", EFFECT_BASE_MOVED);
    does(story, "B gets A");

    expect_effect(story, "B accepts p", EFFECT_NOT_KNOWN);
    expect_effect(story, "B proposes q z", EFFECT_NOT_KNOWN); /* nor did it create its item */
}

static void a_proposal_without_items_is_not_known(void **state)
{
    (void)state;
    STORY(story, 2);
    say(story, 0, (struct act){.verb = VERB_PROPOSE}, "p");
    assert_int_equal(story->effect, EFFECT_NOT_KNOWN);
}

static void a_base_that_is_not_the_head_has_moved(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "B proposes r x y"); /* in competition */
    does(story, "B accepts p");
    does(story, "A gets B");

    expect_effect(story, "A proposes q x@start", EFFECT_BASE_MOVED);
    expect_effect(story, "A proposes q x@r", EFFECT_BASE_MOVED);
    expect_effect(story, "A proposes q x@p y@p", EFFECT_BASE_MOVED);
    expect_effect(story, "A proposes q y x@start", EFFECT_BASE_MOVED); /* one of two */
}

static void an_acceptance_of_what_was_overtaken_finds_its_base_moved(void **state)
{
    (void)state;
    STORY(story, 3);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "B accepts p");
    does(story, "C gets A");
    does(story, "C proposes q"); /* C is for q and not yet for p */
    does(story, "C accepts p");
    does(story, "A gets B");
    does(story, "A gets C");
    does(story, "B gets A");

    expect_effect(story, "B accepts q", EFFECT_PROPOSER_LEFT);
    does(story, "C proposes r x@start");
    assert_int_equal(story->effect, EFFECT_FULL); /* C has not heard the seal */
    does(story, "B hears C");
    expect_effect(story, "B accepts r", EFFECT_BASE_MOVED);
}

static void what_its_proposer_has_left_cannot_be_accepted(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "A withdraws p");
    does(story, "B gets A");

    expect_effect(story, "B accepts p", EFFECT_PROPOSER_LEFT);
}

static void a_party_speaks_once_on_a_proposal(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "A proposes q y");
    does(story, "B gets A");
    expect_effect(story, "B accepts p", EFFECT_FULL);
    expect_effect(story, "B accepts p", EFFECT_ALREADY_SPOKE);
    expect_effect(story, "B declines p", EFFECT_ALREADY_SPOKE);
    expect_effect(story, "B withdraws p", EFFECT_FULL);
    expect_effect(story, "B accepts p", EFFECT_ALREADY_SPOKE);
    expect_effect(story, "B declines q", EFFECT_FULL);
    expect_effect(story, "B accepts q", EFFECT_ALREADY_SPOKE);
}

static void nobody_accepts_or_declines_what_is_its_own(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "A states s");

    expect_effect(story, "A accepts p", EFFECT_OWN);
    expect_effect(story, "A declines p", EFFECT_OWN);
    expect_effect(story, "A acknowledges s", EFFECT_OWN);
    expect_effect(story, "A disputes s", EFFECT_OWN);
}

static void only_a_word_that_was_given_can_be_taken_back(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "A proposes q y");
    does(story, "B gets A");

    expect_effect(story, "B withdraws p", EFFECT_NOT_FOR);
    does(story, "B declines q");
    expect_effect(story, "B withdraws q", EFFECT_NOT_FOR);
    expect_effect(story, "A withdraws p", EFFECT_FULL);
    expect_effect(story, "A withdraws p", EFFECT_NOT_FOR);
}

static void what_is_agreed_can_be_neither_left_nor_declined(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "B accepts p");
    does(story, "A gets B");
    does(story, "B gets A");

    expect_effect(story, "A withdraws p", EFFECT_TOO_LATE);
    expect_effect(story, "B withdraws p", EFFECT_TOO_LATE);
    expect_effect(story, "B declines p", EFFECT_ALREADY_SPOKE);
}

static void a_proposal_names_an_item_once(void **state)
{
    (void)state;
    STORY(story, 2);
    expect_effect(story, "A proposes p x y x", EFFECT_ITEM_TWICE);
}

static void an_entry_of_an_unknown_verb_seals_too(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "B accepts p");
    does(story, "A hears B");

    expect_effect(story, "A mumbles", EFFECT_FULL);

    assert_int_equal(story->seals, 1);
}

static void every_effect_and_standing_has_its_words(void **state)
{
    (void)state;
    for (int effect = EFFECT_FULL; effect <= EFFECT_CONTESTED; effect++)
        assert_true(strlen(effect_words((enum effect)effect)) > 5);
    for (int standing = STANDING_OFFERED; standing <= STANDING_TAKEN_BACK; standing++)
        assert_true(strlen(standing_word((enum standing)standing)) > 5);
    assert_string_equal(effect_words(EFFECT_PROPOSER_LEFT), "without effect: withdrawn first");
    assert_string_equal(standing_word(STANDING_RECEIPT_AWAITED), "receipt_awaited");
}

/* ------------------------------------------------------------ statements */

static void expect_word(const struct story *story, unsigned us, const char *statement,
                        unsigned party, enum statement_word expected)
{
    const struct facts *facts = &story->sides[us].facts;
    const struct hash id = id_of(statement);
    enum statement_word word = STATEMENT_NO_WORD;
    struct err e = {0};
    assert_int_equal(facts->statement_word(facts->self, &id, party, &word, &e), FOUND);
    assert_int_equal(word, expected);
}

static void the_latest_word_on_a_statement_counts(void **state)
{
    (void)state;
    STORY(story, 2);
    expect_effect(story, "A states s x", EFFECT_FULL);
    does(story, "B gets A");

    expect_effect(story, "B acknowledges s", EFFECT_FULL);
    expect_word(story, 1, "s", 1, STATEMENT_ACKNOWLEDGED);
    expect_effect(story, "B disputes s", EFFECT_FULL);
    expect_word(story, 1, "s", 1, STATEMENT_DISPUTED);
    does(story, "A gets B");
    expect_word(story, 0, "s", 1, STATEMENT_DISPUTED);
}

static void a_dispute_can_be_withdrawn_and_raised_anew(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A states s x");
    does(story, "B gets A");

    expect_effect(story, "B withdraws s", EFFECT_NOT_FOR);
    does(story, "B acknowledges s");
    expect_effect(story, "B withdraws s", EFFECT_NOT_FOR); /* only a dispute is withdrawn */
    does(story, "B disputes s");
    expect_effect(story, "B withdraws s", EFFECT_FULL);
    expect_word(story, 1, "s", 1, STATEMENT_NO_WORD);
    expect_effect(story, "B withdraws s", EFFECT_NOT_FOR);
    expect_effect(story, "B disputes s", EFFECT_FULL);
    expect_word(story, 1, "s", 1, STATEMENT_DISPUTED);
}

static void a_statement_can_create_its_item(void **state)
{
    (void)state;
    STORY(story, 2);
    expect_effect(story, "A states s +z", EFFECT_FULL);
    expect_effect(story, "A states t z", EFFECT_FULL);
    expect_effect(story, "A proposes p z", EFFECT_FULL);
}

/* ------------------------------------------------------------ forks, pasts, failures */

static void an_entry_is_contested_when_it_reaches_beyond_a_fork(void **state)
{
    (void)state;
    const uint64_t reach[] = {5, 7}; /* the fifth entry of the first feed, which has seen seven of the second */
    uint64_t limits[] = {UINT64_MAX, UINT64_MAX};
    assert_false(agreement_is_contested(reach, limits, 2));

    limits[1] = 7; /* its past ends just before */
    assert_false(agreement_is_contested(reach, limits, 2));
    limits[1] = 6;
    assert_true(agreement_is_contested(reach, limits, 2));

    limits[1] = UINT64_MAX;
    limits[0] = 5; /* its own feed forks after it */
    assert_false(agreement_is_contested(reach, limits, 2));
    limits[0] = 4;
    assert_true(agreement_is_contested(reach, limits, 2));
}

static void agreed_is_judged_on_the_past_and_an_author_counts_its_own_seal(void **state)
{
    (void)state;
    const struct past past = {{5, 3}};
    struct proposal proposal = {.party = 0, .sealed = 4};
    assert_true(agreement_is_agreed(&proposal, &past, -1));
    proposal.sealed = 5;
    assert_false(agreement_is_agreed(&proposal, &past, -1));
    assert_false(agreement_is_agreed(&proposal, &past, 1));
    assert_true(agreement_is_agreed(&proposal, &past, 0));
    proposal.sealed = POSITION_NONE;
    assert_false(agreement_is_agreed(&proposal, &past, 0));
}

static void a_proposal_that_is_not_there_has_no_standing(void **state)
{
    (void)state;
    STORY(story, 2);
    const struct hash id = id_of("p");
    enum standing standing = STANDING_AGREED;
    struct err e = {0};
    assert_false(agreement_standing(&story->sides[0].facts, &id, NULL, 0, 0, &standing, &e));
    assert_int_equal(e.code, ERR_MISSING);
    assert_int_equal(standing, STANDING_AGREED);
}

/*
 * Folds a whole story anew with the n-th look-up failing. Returns whether everything was folded all
 * the same.
 */
static bool fold_with_failure(const struct story *story, size_t calls)
{
    OWNED(arrays_free) struct arrays *arrays = NULL;
    struct err e = {0};
    assert_true(arrays_new(&arrays, story->party_count, &e));
    const struct facts facts = arrays_facts(arrays);
    arrays_fail_after(arrays, calls);

    for (size_t n = 0; n < story->said_count; n++) {
        enum effect effect = EFFECT_CONTESTED;
        size_t seals = 77;
        if (agreement_fold(&facts, &story->said[n].act, &effect, &seals, &e)) continue;
        assert_int_equal(e.code, ERR_DISK);
        assert_int_equal(effect, EFFECT_CONTESTED); /* untouched */
        assert_int_equal(seals, 77);
        return false;
    }
    for (size_t i = 0; i < arrays_proposal_count(arrays); i++) {
        const struct hash id = *arrays_proposal_id(arrays, i);
        struct hash rivals[STEPS_MAX];
        enum standing standing = STANDING_OFFERED;
        const size_t count = arrays_rivals(arrays, &id, rivals, STEPS_MAX);
        if (agreement_standing(&facts, &id, rivals, count, 0, &standing, &e)) continue;
        assert_int_equal(e.code, ERR_DISK);
        return false;
    }
    return true;
}

static void a_failed_look_up_or_record_fails_the_fold(void **state)
{
    (void)state;
    STORY(story, 3);
    size_t calls = 0;
    does(story, "A proposes p x +z");
    does(story, "B gets A");
    does(story, "C gets A");
    does(story, "B accepts p");
    does(story, "C accepts p");
    does(story, "A gets B");
    does(story, "A gets C");
    does(story, "A proposes q x y");
    does(story, "A proposes r x");
    does(story, "B gets A");
    does(story, "B declines r");
    does(story, "B withdraws r");
    does(story, "B states s x");
    does(story, "A gets B");
    does(story, "A disputes s");
    does(story, "A withdraws s");
    does(story, "A withdraws r");

    while (!fold_with_failure(story, calls)) calls++;

    assert_true(calls > 100);
}

static bool forgets_to_drop(void *self, unsigned proposer, const struct hash *proposal,
                            struct err *e)
{
    (void)self, (void)proposer, (void)proposal, (void)e;
    return true;
}

static void a_record_that_contradicts_itself_is_corrupt(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    does(story, "B gets A");
    does(story, "B accepts p");
    does(story, "A hears B");
    struct act act = {.verb = VERB_SEAL, .position = 2, .past = {{2, 9}}, .advanced = {0, true}};
    struct facts facts = story->sides[0].facts;
    enum effect effect = EFFECT_FULL;
    struct err e = {0};

    facts.drop_due = forgets_to_drop;
    assert_false(agreement_fold(&facts, &act, &effect, NULL, &e));
    assert_int_equal(e.code, ERR_CORRUPT);

    const struct hash nothing = id_of("nothing");
    facts = story->sides[1].facts;
    assert_true(facts.put_due(facts.self, 0, &nothing, 1, 1, &e));
    assert_false(agreement_fold(&facts, &act, &effect, NULL, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
}

static void a_due_proposal_without_its_words_is_corrupt(void **state)
{
    (void)state;
    STORY(story, 2);
    does(story, "A proposes p");
    struct facts facts = story->sides[0].facts;
    const struct hash p = id_of("p");
    struct act act = {.verb = VERB_SEAL, .position = 2, .past = {{2, 9}}, .advanced = {0, true}};
    enum effect effect = EFFECT_FULL;
    struct err e = {0};

    assert_true(facts.put_due(facts.self, 0, &p, 1, 1, &e));

    assert_false(agreement_fold(&facts, &act, &effect, NULL, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_is_agreed_when_its_proposers_node_has_the_acceptance),
        cmocka_unit_test(
            of_two_offers_on_one_base_the_accepted_one_is_agreed_and_the_other_overtaken),
        cmocka_unit_test(a_withdrawal_that_crosses_an_acceptance_holds),
        cmocka_unit_test(a_withdrawal_that_has_the_acceptance_in_its_past_is_too_late),
        cmocka_unit_test(crossed_acceptances_lapse_and_a_fresh_offer_settles),
        cmocka_unit_test(an_acceptance_taken_back_after_the_seal_stays_agreed),
        cmocka_unit_test(an_acceptance_taken_back_before_the_proposer_has_it_lapses),
        cmocka_unit_test(a_counter_offer_takes_an_acceptance_back),
        cmocka_unit_test(a_declined_offer_is_declined_on_both_sides),
        cmocka_unit_test(three_parties_agree_when_the_proposer_has_both_acceptances),
        cmocka_unit_test(a_proposal_waits_for_the_party_whose_word_its_proposer_lacks),
        cmocka_unit_test(what_is_due_moves_on_to_the_party_whose_word_is_still_missing),
        cmocka_unit_test(what_one_of_three_has_left_is_dropped_for_good),
        cmocka_unit_test(any_no_of_three_ends_an_offer),
        cmocka_unit_test(a_bundle_is_agreed_all_or_nothing),
        cmocka_unit_test(leaving_a_bundle_frees_all_its_items),
        cmocka_unit_test(a_revision_builds_on_the_agreed_one),
        cmocka_unit_test(a_seal_binds_its_author_at_the_very_entry_that_brings_it),
        cmocka_unit_test(an_item_created_by_an_offer_can_be_countered),
        cmocka_unit_test(what_is_not_in_the_past_is_not_known),
        cmocka_unit_test(what_has_arrived_but_is_not_in_the_past_is_not_known_either),
        cmocka_unit_test(a_reference_of_another_kind_is_not_known),
        cmocka_unit_test(what_had_no_effect_is_not_known),
        cmocka_unit_test(a_proposal_without_items_is_not_known),
        cmocka_unit_test(a_base_that_is_not_the_head_has_moved),
        cmocka_unit_test(an_acceptance_of_what_was_overtaken_finds_its_base_moved),
        cmocka_unit_test(what_its_proposer_has_left_cannot_be_accepted),
        cmocka_unit_test(a_party_speaks_once_on_a_proposal),
        cmocka_unit_test(nobody_accepts_or_declines_what_is_its_own),
        cmocka_unit_test(only_a_word_that_was_given_can_be_taken_back),
        cmocka_unit_test(what_is_agreed_can_be_neither_left_nor_declined),
        cmocka_unit_test(a_proposal_names_an_item_once),
        cmocka_unit_test(an_entry_of_an_unknown_verb_seals_too),
        cmocka_unit_test(every_effect_and_standing_has_its_words),
        cmocka_unit_test(the_latest_word_on_a_statement_counts),
        cmocka_unit_test(a_dispute_can_be_withdrawn_and_raised_anew),
        cmocka_unit_test(a_statement_can_create_its_item),
        cmocka_unit_test(an_entry_is_contested_when_it_reaches_beyond_a_fork),
        cmocka_unit_test(agreed_is_judged_on_the_past_and_an_author_counts_its_own_seal),
        cmocka_unit_test(a_proposal_that_is_not_there_has_no_standing),
        cmocka_unit_test(a_failed_look_up_or_record_fails_the_fold),
        cmocka_unit_test(a_record_that_contradicts_itself_is_corrupt),
        cmocka_unit_test(a_due_proposal_without_its_words_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/simulation/schedule.h"

#include "tests/simulation/liar.h"

#include <stdlib.h>

#define STEPS_LEAST 200
#define STEPS_MORE 101

static const struct {
    const char *word;
    unsigned weight;
} kinds[CHOICE_KIND_COUNT] = {
    [CHOICE_DELIVER] = {"deliver", 300}, [CHOICE_WAIT] = {"wait", 80},       [CHOICE_PERSON] = {"person", 200},
    [CHOICE_MEDDLE] = {"meddle", 20},    [CHOICE_CUT] = {"cut", 20},         [CHOICE_HEAL] = {"heal", 15},
    [CHOICE_KILL] = {"kill", 10},        [CHOICE_STOP] = {"stop", 4},        [CHOICE_START] = {"start", 30},
    [CHOICE_TROUBLE] = {"trouble", 4},   [CHOICE_CLOCK] = {"clock", 8},      [CHOICE_DRIFT] = {"drift", 4},
    [CHOICE_BACKUP] = {"backup", 8},     [CHOICE_RESTORE] = {"restore", 4},  [CHOICE_ADOPT] = {"adopt", 10},
    [CHOICE_LIE] = {"lie", 40},
};

const char *choice_word(enum choice_kind kind)
{
    return kinds[kind].word;
}

/* Each seed leans its own way: some kinds never happen in it, some often. */
static void draw_weights(struct dice *dice, bool has_liar, unsigned weights[CHOICE_KIND_COUNT])
{
    static const unsigned leanings[] = {0, 1, 2, 2, 6};
    for (unsigned k = 0; k < CHOICE_KIND_COUNT; k++) {
        unsigned lean = leanings[dice_below(dice, sizeof leanings / sizeof leanings[0])];
        if (k == CHOICE_DELIVER || k == CHOICE_PERSON || k == CHOICE_WAIT || k == CHOICE_START) lean = lean < 2 ? 2 : lean;
        weights[k] = kinds[k].weight * lean;
    }
    if (!has_liar) weights[CHOICE_LIE] = 0;
}

static uint64_t draw_wait(struct dice *dice)
{
    static const uint64_t bounds[] = {50, 1000, 1000, 3000, 30000, 60000, 3600000};
    return 1 + dice_below(dice, bounds[dice_below(dice, sizeof bounds / sizeof bounds[0])]);
}

static uint64_t draw_amount(struct dice *dice, enum choice_kind kind)
{
    switch (kind) {
    case CHOICE_DELIVER: return 1 + dice_below(dice, 30);
    case CHOICE_WAIT: return draw_wait(dice);
    case CHOICE_PERSON: return dice_below(dice, 3) == 0 ? DEED_ANSWER : dice_below(dice, DEED_COUNT);
    case CHOICE_MEDDLE: return dice_below(dice, MEDDLE_COUNT);
    case CHOICE_CUT: return dice_below(dice, 2);
    case CHOICE_KILL: return dice_below(dice, DISK_TEARS + 1);
    case CHOICE_TROUBLE: return dice_below(dice, 40);
    case CHOICE_LIE: return dice_below(dice, LIE_COUNT);
    case CHOICE_CLOCK:
    case CHOICE_DRIFT:
    case CHOICE_HEAL:
    case CHOICE_STOP:
    case CHOICE_START:
    case CHOICE_BACKUP:
    case CHOICE_RESTORE:
    case CHOICE_ADOPT:
    case CHOICE_KIND_COUNT: break;
    }
    return 0;
}

static enum choice_kind draw_kind(struct dice *dice, const unsigned weights[CHOICE_KIND_COUNT])
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < CHOICE_KIND_COUNT; k++) sum += weights[k];
    uint64_t at = dice_below(dice, sum);
    for (unsigned k = 0;; k++) {
        if (at < weights[k]) return (enum choice_kind)k;
        at -= weights[k];
    }
}

void schedule_draw(struct schedule *out, uint64_t seed)
{
    unsigned weights[CHOICE_KIND_COUNT];
    struct dice dice = dice_for(seed, 1);
    struct schedule s = {.seed = seed};
    s.party_count = PARTIES_LEAST + (unsigned)dice_below(&dice, PARTIES_MOST - PARTIES_LEAST + 1);
    if (dice_one_in(&dice, 2)) s.party_count = PARTIES_LEAST + (unsigned)dice_below(&dice, 2); /* most are small */
    s.topology = (enum topology)dice_below(&dice, TOPOLOGY_COUNT);
    s.has_liar = dice_one_in(&dice, 4);
    s.count = STEPS_LEAST + (size_t)dice_below(&dice, STEPS_MORE);
    s.choices = calloc(s.count, sizeof *s.choices);
    must(s.choices);
    draw_weights(&dice, s.has_liar, weights);
    for (size_t i = 0; i < s.count; i++) {
        struct choice *c = &s.choices[i];
        c->kind = draw_kind(&dice, weights);
        c->who = (unsigned)dice_below(&dice, s.party_count);
        c->other = (c->who + 1 + (unsigned)dice_below(&dice, s.party_count - 1)) % s.party_count;
        c->amount = draw_amount(&dice, c->kind);
        c->dice = dice_next(&dice);
        if (c->kind == CHOICE_LIE) c->who = s.party_count - 1;
    }
    *out = s;
}

void schedule_wipe(struct schedule *schedule)
{
    free(schedule->choices);
    *schedule = (struct schedule){0};
}

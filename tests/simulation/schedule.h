/*
 * schedule - what happens in one simulation, as a list of choices drawn from its seed. Each choice carries its own dice, so
 * that leaving one out does not change what the others are.
 */
#pragma once
#include "tests/simulation/founding.h"
#include "tests/simulation/people.h"

enum choice_kind {
    CHOICE_DELIVER,  /* `amount` things that are under way arrive */
    CHOICE_WAIT,     /* `amount` milliseconds pass */
    CHOICE_PERSON,   /* somebody at `who` does `amount` (enum deed) */
    CHOICE_MEDDLE,   /* with a frame on the wire, `amount` (enum meddling) */
    CHOICE_CUT,      /* between `who` and `other`; when `amount`, for a while */
    CHOICE_HEAL,
    CHOICE_KILL,     /* `who` loses its power; `amount` (enum disk_unsynced) */
    CHOICE_STOP,     /* `who` stops in order */
    CHOICE_START,
    CHOICE_TROUBLE,  /* the disk of `who` fails at its `amount`th call from now, and for good */
    CHOICE_CLOCK,    /* the wall clock of `who` jumps */
    CHOICE_DRIFT,
    CHOICE_BACKUP,   /* of the home of `who` */
    CHOICE_RESTORE,  /* the backup is put back */
    CHOICE_ADOPT,
    CHOICE_LIE,      /* `who`, if it is the liar, lies in way `amount` (enum lie) */
    CHOICE_KIND_COUNT,
};
const char *choice_word(enum choice_kind kind);

struct choice {
    enum choice_kind kind;
    unsigned who, other;
    uint64_t amount;
    uint64_t dice;
};

struct schedule {
    uint64_t seed;
    unsigned party_count;
    enum topology topology;
    bool has_liar; /* the last party */
    size_t count;
    struct choice *choices; /* owned */
};
void schedule_draw(struct schedule *out, uint64_t seed);
void schedule_wipe(struct schedule *schedule);

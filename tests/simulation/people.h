/*
 * people - what the persons of one organisation do, at random, through node/work.h as the command line does.
 */
#pragma once
#include "tests/simulation/machine.h"

enum deed { DEED_PROPOSE, DEED_COUNTER, DEED_IMPORT, DEED_BUNDLE, DEED_ANSWER, DEED_WORD, DEED_WITHDRAW, DEED_STATE, DEED_APPOINT,
            DEED_COMMENT, DEED_COUNT };

struct people {
    const struct relationship_id *id;
    unsigned party_count;
    const struct machine *machines; /* for the codes of the others */
};

/* What was done, in a few words, into `said`; `e` has the reason when it was refused. True when it was acknowledged. */
bool people_do(const struct people *people, struct machine *m, enum deed deed, struct dice *dice, char *said, size_t cap,
               struct err *e);

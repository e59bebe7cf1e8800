/*
 * liar - a partner that lies: it has a real home and its keys, and says to the others what its engine never would.
 *
 * What it makes up it says over a session of its own with one of them, at once, and does not keep.
 */
#pragma once
#include "tests/simulation/machine.h"
#include "tests/simulation/wires.h"

enum lie {
    LIE_TWIN,      /* goes on from an older disk, and back again: two histories under one key (the group's business) */
    LIE_FORK,      /* another entry in the place of one it has signed */
    LIE_NEXT,      /* a next entry its own node knows nothing of, well formed */
    LIE_BREAK,     /* a next entry that breaks the envelope */
    LIE_FRONT,     /* a next entry whose front runs backwards, or names what nobody has */
    LIE_STRIP,     /* passes on feeds without their bodies */
    LIE_ALTER,     /* passes on feeds with other bodies */
    LIE_RECEIPT,   /* receipts for what it does not hold */
    LIE_QUESTION,  /* strange pulls, frontiers and watches */
    LIE_GARBAGE,   /* frames of no meaning */
    LIE_FLOOD,     /* many connections that begin a handshake */
    LIE_COUNT,
};
const char *lie_word(enum lie lie);

struct liar {
    struct machine *machine; /* whose home is open */
    struct machine *victim;
    const struct relationship_id *id;
    struct wires *wires;
    struct dice *dice;
};
/* Not LIE_TWIN. Nothing happens when the victim is not there. */
void liar_lie(const struct liar *liar, enum lie lie);

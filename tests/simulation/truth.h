/*
 * truth - what must hold whatever happens, remembered over one simulation and looked at after every step.
 *
 *  - What a machine acknowledged as said is in its feed for good (but for what only a disk held that an older backup
 *    replaced, until a counterpart brings it back).
 *  - An honest party never signs two histories, and none of its feeds freezes.
 *  - What is shown as agreed stays as it is, unless a fork contests it; of one item on one base only one revision is
 *    agreed, on all machines together.
 *  - Equal feeds give equal states.
 *  - Whoever holds two branches of a feed holds the proof of its fork.
 */
#pragma once
#include "tests/simulation/machine.h"
#include "tests/simulation/wires.h"

struct truth;

struct truth *truth_new(size_t machine_count, const struct relationship_id *id);
void truth_free(struct truth *truth);
/* A party that may lie: its own feed and its own machine are not held to the rules. */
void truth_is_liar(struct truth *truth, unsigned machine);
/* The machine's work call has succeeded: everything in its own feed now is acknowledged. */
void truth_acknowledged(struct truth *truth, struct machine *m);
/* An older disk was put back: what it does not hold may be gone. */
void truth_restored(struct truth *truth, unsigned machine);
/* Looks at a machine whose home is open; cheap when nothing changed. False with the reason in `why`. */
bool truth_look(struct truth *truth, struct machine *m, char *why, size_t cap);
/* Everything again from its bytes, as `verify` does. */
bool truth_verify(struct truth *truth, struct machine *m, char *why, size_t cap);
/* At the end, when all was healed: the honest machines hold the same feeds, all that was acknowledged, and one state. */
bool truth_agree(struct truth *truth, struct machine *machines, char *why, size_t cap);
/* What all machines hold now: whether anything has changed since. */
uint64_t truth_frontier(const struct truth *truth, unsigned machine);
bool truth_sees_fork(const struct truth *truth, unsigned machine);
/* How many entries the machine holds, of all feeds; how many revisions it shows as agreed. */
uint64_t truth_entries(const struct truth *truth, unsigned machine);
uint64_t truth_agreed(const struct truth *truth, unsigned machine);

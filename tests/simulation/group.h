/*
 * group - one simulation: the machines of one relationship, what happens to them by a schedule, and the healing at its end.
 */
#pragma once
#include "tests/simulation/schedule.h"

#include <stdio.h>

struct totals {
    uint64_t seeds, steps, entries, agreed, acknowledged, refused, frames, deliveries, crashes, cuts, stops, troubles, meddled,
        backups, restores, lies, forks, verified;
};

struct outcome {
    bool is_fine;
    char why[400];   /* empty when fine */
    size_t failed_at; /* the choice after which it showed; the schedule's count: while healing */
    struct totals totals;
};
/*
 * Runs the schedule but for choices whose place in `left_out` (may be NULL) is true. `transcript` (may be NULL) gets every
 * step in words: the same schedule gives the same bytes.
 */
void group_run(struct foundings *foundings, const struct schedule *schedule, const bool *left_out, FILE *transcript,
               struct outcome *out);

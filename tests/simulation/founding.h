/*
 * founding - relationships to begin from: homes made, opened, joined, confirmed by everybody and chartered, once for each
 * number of parties and way of being connected, and copied from then on.
 */
#pragma once
#include "tests/simulation/machine.h"
#include "tests/simulation/wires.h"

/* Who dials whom. */
enum topology { TOPOLOGY_STAR /* all the opener */, TOPOLOGY_MESH /* all those before them */, TOPOLOGY_BOTH /* everybody everybody */, TOPOLOGY_COUNT };

#define PARTIES_LEAST 2
#define PARTIES_MOST 5

struct founded {
    struct relationship_id id;
    uint64_t now_ms; /* when it was done */
    struct disk *disks[PARTIES_MOST];
};

struct foundings {
    struct founded *made[PARTIES_MOST + 1][TOPOLOGY_COUNT];
};

/* Made when first asked for; stops the process when it cannot be. */
const struct founded *foundings_get(struct foundings *foundings, unsigned party_count, enum topology topology);
void foundings_wipe(struct foundings *foundings);

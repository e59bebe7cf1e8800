/*
 * runner - the loop that joins an engine to a link: `serve`, `sync` and `join` all run this one.
 *
 * Threads: the node thread; link_stop from another one ends it.
 */
#pragma once
#include "node/engine.h"
#include "node/link.h"

struct runner_options {
    struct home *home;
    struct link *link;
    const struct voice *voice;
    bool is_once;                                    /* as in engine.h, with the two that follow */
    const char *only_party;                          /* NULL: any */
    const struct relationship_id *only_relationship; /* NULL: any */
};
struct runner_outcome {
    struct engine_counts counts;
    char failure[200]; /* the last reason a partner could not be reached or refused us, or empty */
    char next[200];    /* what to do about it, when that is more than trying again; or empty */
};

/*
 * Runs until the engine is done. What another process writes to the database is noticed within RUNNER_LOOK_MS.
 * Fails as engine_open, and when the home was found restored or removed meanwhile.
 */
#define RUNNER_LOOK_MS 50
MUST_USE bool runner_run(const struct runner_options *options, struct runner_outcome *out,
                         struct err *e);

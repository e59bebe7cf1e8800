/*
 * talk - the network for the command line: one exchange with the counterparts, and what the node says meanwhile.
 */
#pragma once
#include "node/runner.h"
#include "tools/command.h"

/* Says on stderr what the node says: trouble always, notes for `serve` or with --verbose, details with --verbose. */
struct speaker {
    bool says_notes, says_details;
};
struct voice talk_voice(struct speaker *speaker);

/* Exchanges until nothing is new. NULL, NULL: with everybody. Fails: as link_open and engine_open. */
MUST_USE bool talk_once(struct command *c, const char *party,
                        const struct relationship_id *relationship, struct runner_outcome *out,
                        struct err *e);
/* The outcome's counters, into the open JSON object. */
void talk_counts_json(struct json *json, const struct engine_counts *counts);

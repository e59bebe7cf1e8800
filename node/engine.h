/*
 * engine - the whole conversation with all counterparts, as a function of what happened: events in, actions out.
 *
 * One engine for one home. It dials every party that has an address, answers whoever dials us, pulls, pushes, parks a
 * watch with each partner, keeps receipts going, runs pairings, and writes seals as they become due. It owns no thread
 * and does no I/O but the store and the network it is handed.
 */
#pragma once
#include "node/event.h"
#include "node/home.h"

struct engine;

enum loudness { TROUBLE, NOTE, DETAIL };
struct voice {
    void (*say)(void *self, enum loudness loudness, const char *line); /* one event, one line, key=value */
    void *self;
};

struct engine_options {
    struct home *home;
    const struct network *network;
    const struct voice *voice;
    bool is_once;                 /* `sync` and `join`: exchange until nothing is new, then stop; no watch, no redial */
    const char *only_party;       /* is_once: dial only this code, or NULL */
    const struct relationship_id *only_relationship; /* is_once: dial only for this one, or NULL */
};
MUST_USE bool engine_open(struct engine **out, const struct engine_options *options, struct err *e);
/* Dials whoever is to be dialled. */
void engine_start(struct engine *engine);
/* One event. Trouble with one partner never stops the engine; it is said through the voice. */
void engine_step(struct engine *engine, const struct event *event);
/* When engine_step wants an EVENT_TIMER next, in monotonic ms. */
uint64_t engine_next_ms(const struct engine *engine);
bool engine_is_done(const struct engine *engine); /* stopped, or is_once and nothing left to do */
void engine_close(struct engine *engine);
OWNABLE(struct engine *, engine_close)

/* What one conversation cost and brought; is_once: of the whole run. Bytes are of messages handed to and taken from the network. */
struct engine_counts {
    uint64_t round_trips, bytes_sent, bytes_received, handshake_bytes, entries_sent, entries_received, partners_reached, partners_failed;
};
void engine_counts(const struct engine *engine, struct engine_counts *out);
/* Why the home may not be worked with any more, which has stopped the engine; ERR_NONE: it may. */
const struct err *engine_home_trouble(const struct engine *engine);
/* The last reason a partner could not be reached or refused us, or empty. */
const char *engine_last_failure(const struct engine *engine);
/* What to do about it, when that is more than trying again; or empty. */
const char *engine_last_next(const struct engine *engine);

/* Whether we and every counterpart of a relationship are in step, from what is stored (no network). */
struct in_step_party {
    char code[CODE_BYTES_MAX + 1];
    uint64_t holds_ours;   /* entries of our feed it has receipted */
    int64_t received_at_s; /* its newest receipt's time, 0: none */
    uint64_t we_hold;      /* entries of its feed we hold */
};
struct in_step {
    uint64_t ours;
    bool is_in_step; /* every party has receipted all of ours, all we hold of theirs is folded, and no state compared last was another */
    size_t party_count; /* counterparts */
    struct in_step_party parties[PARTIES_MAX];
};
MUST_USE bool engine_in_step(struct home *home, const struct relationship_id *id, struct in_step *out, struct err *e);

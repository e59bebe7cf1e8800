/*
 * machine - one organisation's machine: its disk, its clocks, its randomness, and on them the real home and engine.
 *
 * It loses its power at any moment (machine_cut_power), and starts again from what its disk kept.
 */
#pragma once
#include "node/engine.h"
#include "tests/disk/disk.h"
#include "tests/simulation/dice.h"

struct machine;

/* What all machines of a group share. */
struct surroundings {
    uint64_t now_ms; /* the true time since the beginning of the world */
    void (*say)(void *self, unsigned machine, enum loudness loudness, const char *line); /* NULL: nobody listens */
    void *self;
};

#define BEGINNING_MS INT64_C(1767225600000) /* 2026-01-01, the date at now_ms 0 */

struct machine {
    struct disk *disk; /* first: tests/disk/disk.h finds it here */
    unsigned number;
    struct surroundings *around;
    struct world world;
    struct dice dice;     /* its randomness */
    struct voice voice;
    const struct network *network;
    char code[8];
    struct home *home;
    struct engine *engine; /* NULL: no daemon runs */
    int64_t ahead_ms;      /* of its wall clock */
    int64_t drift_ppm;     /* of both its clocks */
    uint64_t since_ms;     /* drift counts from here */
    uint64_t started_ms;   /* its monotonic clock began at */
    unsigned generation;   /* of its disk: names differ */
    bool is_forced;        /* a liar takes an older disk as it is */
    uint64_t wakes_ms;     /* true time of its next timer */
};

void machine_init(struct machine *m, unsigned number, struct surroundings *around, const struct network *network);
void machine_free(struct machine *m);
/* Its disk becomes a copy of `disk`, which may be another machine's backup of itself. Not while it runs. */
void machine_put_disk(struct machine *m, const struct disk *disk);
struct disk *machine_backup(const struct machine *m);
struct home_options machine_options(const struct machine *m);
/*
 * Opens the home and, when it may talk, starts the daemon. False with `e` when either failed; a home that waits for a
 * person's word is open then.
 */
bool machine_start(struct machine *m, struct err *e);
bool machine_start_daemon(struct machine *m, struct err *e);
/* Stops it in order. */
void machine_stop(struct machine *m);
/* The power goes: what was not durable is lost as `unsynced` says. */
void machine_cut_power(struct machine *m, enum disk_unsynced unsynced, uint64_t seed);
/* One event for its daemon; nothing happens when none runs. A daemon that is done is stopped. */
void machine_step(struct machine *m, const struct event *event);
uint64_t machine_now_ms(const struct machine *m);
int64_t machine_date_ms(const struct machine *m);
/* From now on both clocks go faster (or slower) by so much. */
void machine_drift(struct machine *m, int64_t ppm);

/*
 * stage - a few homes, each on a disk in memory, and the wire between their engines: all in one process, from one seed.
 *
 * Keys and markers are written by node/world_real.c itself, whose system calls end on the simulated disk (real_files.h).
 * A promise is what a home must hold from a moment on: because a call succeeded, or because a counterpart has it from us.
 * Nothing here fails a test by itself: calls return false and say why, so that they can be made to fail.
 */
#pragma once
#include "node/engine.h"
#include "node/pairing.h"
#include "tests/disk/disk.h"

enum { ACME, BOLT, AGAIN, STAGE_NODES }; /* AGAIN: a second machine with a copy of a home */
#define STAGE_TITLE "Press line"
#define STAGE_SPOKEN 8

struct stage;
struct stage_node {
    struct disk *disk; /* first, for the files of the world; NULL: this node is not there */
    struct stage *stage;
    uint64_t random;
    const char *path, *code;
    struct world world;
    struct home *home; /* NULL: closed */
    struct engine *engine; /* while talking */
};

/* One feed, or one receipt for it, that a home holds. */
struct held {
    struct relationship_id id;
    struct key_public log_key;
    bool is_receipt;
    struct key_public receipt_key;
    uint64_t size;
    struct hash root; /* of a feed */
};
struct promise {
    uint64_t at;     /* on the stage's clock of changes: from then on */
    unsigned node;
    bool is_sent;    /* somebody has it: the marker must name it too */
    struct held held;
};

struct stage {
    char name[32];            /* its disks are NAME-acme ... */
    uint64_t seed;
    uint64_t clock;           /* of changes on all disks */
    int64_t now_ms;           /* ticks when it is read */
    bool keeps_changes;
    struct stage_node nodes[STAGE_NODES];
    struct wire *wire;
    struct relationship_id id; /* the one that ACME and BOLT have */
    struct hash spoken[STAGE_SPOKEN]; /* what steps said, for steps to come */
    char invitation[INVITATION_TEXT_MAX];
    size_t promise_count, promise_cap;
    struct promise *promises;
    bool is_joining;          /* the dialer dials for `id` alone */
    char trouble[256];        /* the last that an engine said */
};

struct stage *stage_new(const char *name, uint64_t seed, bool keeps_changes);
void stage_free(struct stage *stage);
OWNABLE(struct stage *, stage_free)
/* Everything as it is now, on disks of its own, homes closed. */
struct stage *stage_copy(const struct stage *stage, const char *name, uint64_t seed, bool keeps_changes);
/* Gives a node its disk, which the stage then owns. */
void stage_seat(struct stage *stage, unsigned node, struct disk *disk);
/* A new empty disk. */
void stage_seat_new(struct stage *stage, unsigned node);
struct disk_options stage_disk_options(struct stage *stage, unsigned node);
struct home_options stage_home_options(struct stage *stage, unsigned node);

MUST_USE bool stage_init(struct stage *stage, unsigned node, struct err *e);
MUST_USE bool stage_open(struct stage *stage, unsigned node, struct err *e); /* harmless when open */
void stage_close(struct stage *stage, unsigned node);
/* `dialer` dials whomever it knows, the others listen, until it is done. Fails when a partner was not reached. */
MUST_USE bool stage_talk(struct stage *stage, unsigned dialer, struct err *e);
/* Both homes hold the same and know it. */
MUST_USE bool stage_in_step(struct stage *stage, unsigned node, struct err *e);
MUST_USE bool stage_propose(struct stage *stage, unsigned node, const char *title, struct hash *out, struct err *e);
MUST_USE bool stage_word(struct stage *stage, unsigned node, enum verb verb, const struct hash *entry, struct err *e);
/* verify of every relationship: the first finding as ERR_CORRUPT. */
MUST_USE bool stage_verify(struct stage *stage, unsigned node, struct err *e);

/* Promises what every open home holds now. */
MUST_USE bool stage_promise(struct stage *stage, struct err *e);
/* What was promised for `node` until `at` is there. `wants_marker`: the marker on the disk names what was sent. */
MUST_USE bool stage_keeps_promises(const struct stage *promised, uint64_t at, struct stage *stage, unsigned node, struct err *e);
MUST_USE bool stage_marker_keeps_promises(const struct stage *promised, uint64_t at, struct stage *stage, unsigned node,
                                          struct err *e);
/* Our own feeds are as long as what `other` holds of them. */
MUST_USE bool stage_is_ahead_of(struct stage *stage, unsigned node, unsigned other, bool *is_ahead, struct err *e);

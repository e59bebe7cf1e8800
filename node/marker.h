/*
 * marker - how far our own feeds had gone, and in which folder on which machine: tells a restored or copied home from a
 * current one (DESIGN section 3).
 *
 * A file, canonical msgpack followed by a checksum of 32 bytes, H("counterpart/v1/marker" ‖ 00 ‖ the msgpack):
 *     [1, our identity key 32, device, inode, machine 32, [[relationship 16, log key 32, size, root 32] ...]]
 * Feeds stand in rising order of relationship and log key; empty ones are left out. It is kept twice: in the home, and
 * mirrored in the state folder under a name made from the home's path, where a restored backup does not reach it.
 *
 * Threads: none of its own. Memory: a marker owns its feeds; release with marker_wipe.
 */
#pragma once
#include "node/home.h"

#define MARKER_FEEDS_MAX 16384                           /* our feeds in all relationships */
#define MARKER_BYTES_MAX (128 + MARKER_FEEDS_MAX * 128) /* a feed takes at most 96 bytes */
#define MARKER_PATH_MAX 4096

struct marker_feed {
    struct relationship_id relationship;
    struct key_public log_key;
    uint64_t size;
    struct hash root;
};

struct marker {
    struct key_public owner; /* whose home: a marker of another home is no witness */
    struct file_identity place;
    struct hash machine;
    size_t feed_count, feed_cap;
    struct marker_feed *feeds; /* owned; rising order */
};
void marker_wipe(struct marker *marker);
#define OWNED_MARKER __attribute__((cleanup(marker_wipe))) struct marker

/* Adds a feed in its place; an empty one is left out. Fails: ERR_LIMIT, ERR_CORRUPT (named twice), ERR_MEMORY. */
MUST_USE bool marker_add(struct marker *marker, const struct marker_feed *feed, struct err *e);
bool marker_equal(const struct marker *a, const struct marker *b);
/* Each feed becomes as far as it is in either. Fails: as marker_add. */
MUST_USE bool marker_raise(struct marker *marker, const struct marker *other, struct err *e);
/* Takes over what `from` holds, releasing what was there; `from` is empty afterwards. */
void marker_move(struct marker *to, struct marker *from);
/* NULL: it names no such feed. */
const struct marker_feed *marker_find(const struct marker *marker, const struct relationship_id *id, const struct key_public *log_key);

/* Appends the file's bytes. Fails: ERR_MEMORY. */
MUST_USE bool marker_write(const struct marker *marker, struct buffer *out, struct err *e);
/* Fails: ERR_CORRUPT (torn, or of another format), ERR_MEMORY. `out` must be empty. */
MUST_USE bool marker_read(span file, struct marker *out, struct err *e);

/* The first feed that has gone further in `marker` than in `now`, or another way at the same size; NULL: none has. */
const struct marker_feed *marker_ahead(const struct marker *marker, const struct marker *now);
/*
 * What the two files (NULL: missing or torn) say about `now`: what the database holds, in this folder on this machine.
 * Behind it: a crash, HEALTH_FINE. Ahead of it: HEALTH_RESTORED. Of another folder or machine: HEALTH_COPIED. Without
 * the home's own file the mirror answers for it; without both a home that has signed anything is HEALTH_RESTORED.
 */
enum health marker_judge(const struct marker *home, const struct marker *mirror, const struct marker *now);

/* Where a home's marker lies. */
struct marker_files {
    const struct world *world;
    char home[MARKER_PATH_MAX];
    char mirror[MARKER_PATH_MAX]; /* empty: there is none */
};
/* `state_folder` may be NULL. Fails: ERR_LIMIT (a path is too long). */
MUST_USE bool marker_files_of(struct marker_files *out, const char *home_path, const char *state_folder,
                              const struct world *world, struct err *e);
/* Reads both. A file that is missing or torn leaves its marker empty and its `has` false. Fails: ERR_DISK, ERR_MEMORY. */
struct marker_pair {
    bool has_home, has_mirror;
    struct marker home, mirror;
};
MUST_USE bool marker_files_read(const struct marker_files *files, struct marker_pair *out, struct err *e);
void marker_pair_wipe(struct marker_pair *pair);
#define OWNED_MARKER_PAIR __attribute__((cleanup(marker_pair_wipe))) struct marker_pair
/* Writes both, durably, the home's first. Fails: ERR_DISK, ERR_MEMORY. */
MUST_USE bool marker_files_write(const struct marker_files *files, const struct marker *marker, struct err *e);

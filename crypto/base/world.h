/*
 * world - clock, randomness and disk, handed in. Nothing below tools/ reaches for them by itself.
 *
 * The real ones are node/world_real.c; tests hand in their own, so that one seed gives the same bytes.
 */
#pragma once
#include "crypto/base/span.h"

/* What tells one directory from a copy of it. */
struct file_identity {
    uint64_t device, inode;
};

/* A lock that is held; what `held` means is the files' own business. */
struct file_lock {
    intptr_t held;
};

struct files {
    /* The whole file into `out` (cleared first), at most `max` bytes. Fails: ERR_MISSING, ERR_LIMIT, ERR_DISK. */
    bool (*read)(void *self, const char *path, size_t max, struct buffer *out, struct err *e);
    /* Replaces the file at once and durably (write beside it, fsync, rename, fsync the folder), mode 0600. Fails: ERR_DISK. */
    bool (*write)(void *self, const char *path, span bytes, struct err *e);
    /* Fails: ERR_DISK; a missing file is success. */
    bool (*remove)(void *self, const char *path, struct err *e);
    /* Makes a folder for its owner only (0700), with its parents; one that is there is success. Fails: ERR_DISK. */
    bool (*make_folder)(void *self, const char *path, struct err *e);
    /* Fails: ERR_MISSING, ERR_DISK. */
    bool (*identity)(void *self, const char *path, struct file_identity *out, struct err *e);
    /* The path without links and dots; as given when nothing is there. Fails: ERR_LIMIT (`cap` is too small). */
    bool (*resolve)(void *self, const char *path, char *out, size_t cap, struct err *e);
    /* Permission bits, as chmod(2) has them; 0 when nothing is there. */
    unsigned (*mode)(void *self, const char *path);
    /* Makes a folder its owner's only (0700). Fails: ERR_DISK. */
    bool (*close_folder)(void *self, const char *path, struct err *e);
    /* Makes the file when it is not there, and waits until no other process or thread holds its lock. Fails: ERR_DISK. */
    bool (*lock)(void *self, const char *path, struct file_lock *out, struct err *e);
    void (*unlock)(void *self, struct file_lock *lock);
};

struct world {
    uint64_t (*now_ms)(void *self);                          /* monotonic: waiting and back-off */
    int64_t (*date_ms)(void *self);                          /* wall clock, UTC: signed and shown; no rule reads it */
    void (*random)(void *self, uint8_t *at, size_t len);     /* cryptographic quality in production */
    const char *disk;                                        /* name of the SQLite VFS, NULL for the usual one */
    const struct files *files;
    void *self;
};

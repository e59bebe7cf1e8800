/*
 * disk - a disk in memory, for tests: it remembers every change in order, knows what is durable, and can fail.
 *
 * SQLite reaches it by name (`struct world.disk`), the rest of the product through disk_files. A change is durable once
 * its file, or for names their folder, has been synced after it. disk_after_power_cut gives the disk as it may be found after
 * any first part of the changes, with what was unsynced then kept, lost, or kept in part.
 *
 * Paths are absolute and without links. Everything is deterministic: same calls, same disk. Memory that runs out stops the
 * process, except where a caller can be told. Threads: a disk belongs to one thread; so does the set of all disks.
 */
#pragma once
#include "crypto/base/world.h"

struct disk;

struct disk_options {
    const char *name;    /* of the SQLite VFS; no other disk may have it */
    uint64_t seed;       /* of what SQLite draws at random */
    bool keeps_changes;  /* every change since disk_settle, for disk_after_power_cut; else only those not durable yet */
    uint64_t *clock;     /* several disks count their changes on one clock, or NULL */
};
struct disk *disk_new(const struct disk_options *options);
/* No file of it may be open. */
void disk_free(struct disk *disk);
OWNABLE(struct disk *, disk_free)
const char *disk_name(const struct disk *disk);
/* As stat tells it; a copy has the original's until told otherwise. Files keep their inode in a copy. */
void disk_set_device(struct disk *disk, uint64_t device);

/*
 * The files of a world whose `self` points to a struct that begins with a `struct disk *`. A lock that is held already
 * cannot be waited for and fails with ERR_DISK.
 */
const struct files *disk_files(void);

/* ---- changes ---- */

enum disk_change_kind {
    DISK_WRITE,       /* `len` bytes of `file` at `offset` */
    DISK_TRUNCATE,    /* of `file` to `len` bytes */
    DISK_SYNC,        /* everything in `file` is durable now */
    DISK_LINK,        /* `path` names `file`: it was made, or a folder was */
    DISK_RENAME,      /* `path` is called `to` now */
    DISK_DELETE,      /* `path` is gone */
    DISK_SYNC_FOLDER, /* the names in the folder `path` are durable now */
};
struct disk_change {
    enum disk_change_kind kind;
    uint64_t file;  /* inode */
    char *path;     /* for writes and syncs: the file's, when it was opened */
    char *to;
    uint64_t offset;
    size_t len;
    uint8_t *bytes; /* owned, of a write */
    uint64_t at;    /* on the clock, from 1 */
};
size_t disk_change_count(const struct disk *disk);
const struct disk_change *disk_change_at(const struct disk *disk, size_t i);
/* One line for people: "write 4096 at 0 of /acme/counterpart.db-wal". Returns `out`. */
const char *disk_change_words(const struct disk_change *change, char *out, size_t cap);
/* Everything is durable; the changes so far are forgotten. */
void disk_settle(struct disk *disk);

/* ---- power cuts and copies ---- */

enum disk_unsynced {
    DISK_LOSES,       /* nothing that was not synced is kept */
    DISK_KEEPS,       /* all of it is */
    DISK_KEEPS_SOME,  /* each change by itself is kept or lost; a write that is kept may be torn */
    DISK_TEARS,       /* all is kept, but of the last write only its first sectors */
};
#define DISK_SECTOR_BYTES 512 /* what is written whole or not at all */
/*
 * The disk after a power cut that came when the first `changes` changes had been made. It has nothing open, no locks and no
 * shared memory, and its changes start anew. `seed` decides for DISK_KEEPS_SOME and DISK_TEARS.
 */
struct disk *disk_after_power_cut(const struct disk *disk, size_t changes, enum disk_unsynced unsynced, uint64_t seed,
                                  const struct disk_options *options);
/* As it is now, all of it durable: a backup. */
struct disk *disk_copy(const struct disk *disk, const struct disk_options *options);
/* Everything below `folder` becomes what `from` holds there, durably: a backup put back. Nothing there may be open. */
void disk_put_back(struct disk *disk, const struct disk *from, const char *folder);
/* Over all names and contents as they are now: equal disks have equal digests. */
uint64_t disk_digest(const struct disk *disk);
/* The bytes of a file as they are now; false when there is none. Borrowed until the next change. */
bool disk_content(const struct disk *disk, const char *path, span *out);

/* ---- trouble ---- */

enum disk_trouble {
    DISK_IO_ERROR,    /* any call fails as a broken disk does (EIO) */
    DISK_FULL,        /* calls that need room fail (ENOSPC) */
    DISK_SYNC_FAILS,  /* syncs fail, and what they were for is not durable (EIO) */
};
/* The k-th call from now (0: the next) that this trouble can befall fails, and when `for_good` every one after it. */
void disk_fail(struct disk *disk, enum disk_trouble trouble, uint64_t k, bool for_good);
/* The trouble is over. Says whether it had come to pass. */
bool disk_mend(struct disk *disk);
/* How many calls that trouble could have befallen so far. */
uint64_t disk_calls(const struct disk *disk, enum disk_trouble trouble);
/* Every change fails with EROFS, as on a disk that is mounted read-only. */
void disk_set_read_only(struct disk *disk, bool is_read_only);

/* ---- system calls on it: 0 or more, or a negative errno ---- */

#define DISK_WRITES 1   /* flags of disk_open_file */
#define DISK_CREATES 2
#define DISK_EXCLUSIVE 4
struct disk_file;
int disk_open_file(struct disk *disk, const char *path, unsigned flags, unsigned mode, struct disk_file **out);
void disk_close_file(struct disk_file *file);
int64_t disk_read(struct disk_file *file, uint64_t offset, uint8_t *at, size_t len); /* bytes; fewer at the end */
int disk_write(struct disk_file *file, uint64_t offset, span bytes);
int disk_truncate(struct disk_file *file, uint64_t len);
int disk_sync(struct disk_file *file);
int64_t disk_size(struct disk_file *file);
int disk_sync_folder(struct disk *disk, const char *path);
int disk_rename(struct disk *disk, const char *path, const char *to);
int disk_unlink(struct disk *disk, const char *path);
int disk_make_folder(struct disk *disk, const char *path, unsigned mode);
struct disk_status {
    struct file_identity identity;
    bool is_folder;
    unsigned mode; /* permission bits */
};
int disk_status(struct disk *disk, const char *path, struct disk_status *out);
int disk_set_mode(struct disk *disk, const char *path, unsigned mode);
/* As flock(2), exclusive and without waiting: -EWOULDBLOCK. */
int disk_lock_file(struct disk_file *file);
void disk_unlock_file(struct disk_file *file);

/*
 * disk_rooms - what disk.c and disk_vfs.c share. Not for anybody else: see disk.h.
 */
#pragma once
#include "tests/disk/disk.h"

#include <sqlite3.h>

#define SHARED_LOCKS 8 /* of SQLite's WAL index */

/* Not part of what is on disk: what the processes that have a file open hold of it. */
struct disk_shared {
    int readers;          /* with SQLITE_LOCK_SHARED or more */
    void *reserved, *pending, *exclusive; /* by whom */
    void *flock;
    size_t region_count;  /* of shared memory */
    uint8_t **regions;
    size_t region_users;
    int shared[SHARED_LOCKS];
    void *holder[SHARED_LOCKS];
};

struct disk_inode {
    uint64_t number;
    bool is_folder;
    unsigned mode;
    size_t names, opens;
    uint8_t *at;
    size_t len, cap;
    struct disk_shared held;
};

struct disk_file {
    struct disk *disk;
    struct disk_inode *inode;
    char *path;
    bool may_write;
    bool syncs_folder; /* a journal that SQLite has just made: its first sync makes its name durable too */
};

struct disk_inode *disk_file_inode(struct disk_file *file);
/* A call on the disk that this trouble may befall; true when it does. */
bool disk_is_struck(struct disk *disk, enum disk_trouble trouble);
uint64_t disk_draw(struct disk *disk);
bool disk_is_read_only(const struct disk *disk);
/* disk_vfs.c: makes the disk known to SQLite, and unknown. */
void *disk_vfs_open(struct disk *disk, const char *name);
void disk_vfs_close(void *vfs);

/*
 * How SQLite reaches a disk: files, locks between connections, and the shared memory of the WAL index. What it promises of
 * the hardware is what SQLite's own code for Unix promises.
 */
#include "tests/disk/disk_rooms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VFS_PATH_MAX 1024

struct vfs_file {
    sqlite3_file base;
    struct disk_file *file; /* NULL: a temporary file, kept by itself */
    struct disk *disk;
    int lock;               /* SQLITE_LOCK_... of this connection */
    bool uses_regions;
    struct buffer scratch;  /* of a temporary file */
};

static struct vfs_file *of(sqlite3_file *file) { return (struct vfs_file *)file; }
static struct disk *disk_of(sqlite3_vfs *vfs) { return vfs->pAppData; }
static struct disk_shared *shared_of(sqlite3_file *file) { return &disk_file_inode(of(file)->file)->held; }

/* A system call's outcome as SQLite's code for Unix tells it. */
static int code_of(int64_t outcome, int otherwise)
{
    if (outcome >= 0) return SQLITE_OK;
    if (outcome == -ENOSPC) return SQLITE_FULL;
    if (outcome == -ENOMEM) return SQLITE_NOMEM;
    if (outcome == -EROFS) return SQLITE_READONLY;
    return otherwise;
}

/* ---- files ---- */

static int vfs_close(sqlite3_file *file);

static int vfs_read(sqlite3_file *file, void *at, int len, sqlite3_int64 offset)
{
    struct vfs_file *f = of(file);
    int64_t got = 0;
    if (f->file) {
        got = disk_read(f->file, (uint64_t)offset, at, (size_t)len);
    } else if ((size_t)offset < f->scratch.len) {
        got = (int64_t)(f->scratch.len - (size_t)offset) < len ? (int64_t)(f->scratch.len - (size_t)offset) : len;
        memcpy(at, f->scratch.at + offset, (size_t)got);
    }
    if (got < 0) return SQLITE_IOERR_READ;
    if (got == len) return SQLITE_OK;
    memset((uint8_t *)at + got, 0, (size_t)(len - got));
    return SQLITE_IOERR_SHORT_READ;
}

static int vfs_write(sqlite3_file *file, const void *at, int len, sqlite3_int64 offset)
{
    struct vfs_file *f = of(file);
    size_t end = (size_t)offset + (size_t)len;
    if (f->file) return code_of(disk_write(f->file, (uint64_t)offset, span_of(at, (size_t)len)), SQLITE_IOERR_WRITE);
    if (!buffer_reserve(&f->scratch, end, NULL)) return SQLITE_NOMEM;
    if ((size_t)offset > f->scratch.len) memset(f->scratch.at + f->scratch.len, 0, (size_t)offset - f->scratch.len);
    memcpy(f->scratch.at + offset, at, (size_t)len);
    if (end > f->scratch.len) f->scratch.len = end;
    return SQLITE_OK;
}

static int vfs_truncate(sqlite3_file *file, sqlite3_int64 len)
{
    struct vfs_file *f = of(file);
    if (f->file) return code_of(disk_truncate(f->file, (uint64_t)len), SQLITE_IOERR_TRUNCATE);
    if ((size_t)len < f->scratch.len) f->scratch.len = (size_t)len;
    return SQLITE_OK;
}

static int vfs_sync(sqlite3_file *file, int flags)
{
    struct vfs_file *f = of(file);
    char folder[VFS_PATH_MAX];
    (void)flags;
    if (!f->file) return SQLITE_OK;
    if (disk_sync(f->file) < 0) return SQLITE_IOERR_FSYNC;
    if (!f->file->syncs_folder) return SQLITE_OK;
    (void)snprintf(folder, sizeof folder, "%s", f->file->path);
    *strrchr(folder, '/') = '\0';
    if (disk_sync_folder(f->disk, folder[0] ? folder : "/") < 0) return SQLITE_IOERR_FSYNC;
    f->file->syncs_folder = false;
    return SQLITE_OK;
}

static int vfs_size(sqlite3_file *file, sqlite3_int64 *out)
{
    struct vfs_file *f = of(file);
    int64_t size = f->file ? disk_size(f->file) : (int64_t)f->scratch.len;
    if (size < 0) return SQLITE_IOERR_FSTAT;
    *out = size;
    return SQLITE_OK;
}

/* ---- locks: shared, then reserved by one, then pending and exclusive when no reader is left ---- */

static int vfs_lock(sqlite3_file *file, int wanted)
{
    struct vfs_file *f = of(file);
    if (f->lock >= wanted || !f->file) return SQLITE_OK;
    struct disk_shared *s = shared_of(file);
    if (wanted == SQLITE_LOCK_SHARED) {
        if (s->pending || s->exclusive) return SQLITE_BUSY;
        s->readers++;
        f->lock = wanted;
        return SQLITE_OK;
    }
    if (wanted == SQLITE_LOCK_RESERVED) {
        if (s->reserved && s->reserved != f) return SQLITE_BUSY;
        s->reserved = f;
        f->lock = wanted;
        return SQLITE_OK;
    }
    if ((s->reserved && s->reserved != f) || (s->pending && s->pending != f)) return SQLITE_BUSY;
    s->pending = f;
    f->lock = SQLITE_LOCK_PENDING;
    if (s->readers > 1) return SQLITE_BUSY;
    s->exclusive = f;
    f->lock = wanted;
    return SQLITE_OK;
}

static int vfs_unlock(sqlite3_file *file, int wanted)
{
    struct vfs_file *f = of(file);
    if (!f->file || f->lock <= wanted) return SQLITE_OK;
    struct disk_shared *s = shared_of(file);
    if (s->reserved == f) s->reserved = NULL;
    if (s->pending == f) s->pending = NULL;
    if (s->exclusive == f) s->exclusive = NULL;
    if (wanted == SQLITE_LOCK_NONE) s->readers--;
    f->lock = wanted;
    return SQLITE_OK;
}

static int vfs_reserved(sqlite3_file *file, int *out)
{
    *out = of(file)->file && shared_of(file)->reserved != NULL;
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *file, int what, void *argument)
{
    if (what == SQLITE_FCNTL_LOCKSTATE) {
        *(int *)argument = of(file)->lock;
        return SQLITE_OK;
    }
    return SQLITE_NOTFOUND;
}

static int vfs_sector(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int vfs_hardware(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- shared memory of the WAL index: never on disk, gone when the last connection is ---- */

static int vfs_shm_map(sqlite3_file *file, int region, int size, int may_extend, void volatile **out)
{
    struct disk_shared *s = shared_of(file);
    *out = NULL;
    if (!of(file)->uses_regions) {
        of(file)->uses_regions = true;
        s->region_users++;
    }
    if ((size_t)region >= s->region_count) {
        if (!may_extend) return SQLITE_OK;
        uint8_t **regions = realloc(s->regions, ((size_t)region + 1) * sizeof *regions);
        if (!regions) return SQLITE_NOMEM;
        s->regions = regions;
        while (s->region_count <= (size_t)region) {
            uint8_t *made = calloc(1, (size_t)size);
            if (!made) return SQLITE_NOMEM;
            s->regions[s->region_count++] = made;
        }
    }
    *out = s->regions[region];
    return SQLITE_OK;
}

static int vfs_shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct disk_shared *s = shared_of(file);
    struct vfs_file *f = of(file);
    if (flags & SQLITE_SHM_UNLOCK) {
        for (int i = first; i < first + count; i++) {
            if (s->holder[i] == f) s->holder[i] = NULL;
            else if (s->shared[i] > 0 && (flags & SQLITE_SHM_SHARED)) s->shared[i]--;
        }
        return SQLITE_OK;
    }
    for (int i = first; i < first + count; i++) {
        if (s->holder[i] && s->holder[i] != f) return SQLITE_BUSY;
        if ((flags & SQLITE_SHM_EXCLUSIVE) && s->shared[i] > 0) return SQLITE_BUSY;
    }
    for (int i = first; i < first + count; i++) {
        if (flags & SQLITE_SHM_EXCLUSIVE) s->holder[i] = f;
        else s->shared[i]++;
    }
    return SQLITE_OK;
}

static void vfs_shm_barrier(sqlite3_file *file) { (void)file; }

static int vfs_shm_unmap(sqlite3_file *file, int may_delete)
{
    (void)may_delete;
    if (!of(file)->uses_regions) return SQLITE_OK;
    struct disk_shared *s = shared_of(file);
    of(file)->uses_regions = false;
    if (--s->region_users > 0) return SQLITE_OK;
    for (size_t i = 0; i < s->region_count; i++) free(s->regions[i]);
    free(s->regions);
    s->regions = NULL;
    s->region_count = 0;
    memset(s->shared, 0, sizeof s->shared);
    memset(s->holder, 0, sizeof s->holder);
    return SQLITE_OK;
}

static int vfs_close(sqlite3_file *file)
{
    struct vfs_file *f = of(file);
    if (f->file) {
        (void)vfs_shm_unmap(file, 0);
        (void)vfs_unlock(file, SQLITE_LOCK_NONE);
    }
    disk_close_file(f->file);
    f->file = NULL;
    buffer_wipe(&f->scratch);
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_reserved,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector,
    .xDeviceCharacteristics = vfs_hardware,
    .xShmMap = vfs_shm_map,
    .xShmLock = vfs_shm_lock,
    .xShmBarrier = vfs_shm_barrier,
    .xShmUnmap = vfs_shm_unmap,
};

/* ---- names ---- */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    struct vfs_file *f = of(file);
    struct disk *disk = disk_of(vfs);
    const int journals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    struct disk_status there;
    *f = (struct vfs_file){.disk = disk};
    if (out_flags) *out_flags = flags;
    if (path) {
        unsigned wanted = (flags & SQLITE_OPEN_READWRITE ? DISK_WRITES : 0u) | (flags & SQLITE_OPEN_CREATE ? DISK_CREATES : 0u) |
                          (flags & SQLITE_OPEN_EXCLUSIVE ? DISK_EXCLUSIVE : 0u);
        bool is_new = (wanted & DISK_CREATES) && disk_status(disk, path, &there) == -ENOENT;
        int outcome = disk_open_file(disk, path, wanted, 0644, &f->file);
        if (outcome == -EROFS) { /* as the real one does */
            outcome = disk_open_file(disk, path, 0, 0644, &f->file);
            if (out_flags) *out_flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
        }
        if (outcome < 0) return outcome == -ENOMEM ? SQLITE_NOMEM : SQLITE_CANTOPEN;
        f->file->syncs_folder = is_new && (flags & journals);
    }
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int is_durable)
{
    char folder[VFS_PATH_MAX];
    int outcome = disk_unlink(disk_of(vfs), path);
    if (outcome == -ENOENT) return SQLITE_IOERR_DELETE_NOENT;
    if (outcome < 0) return SQLITE_IOERR_DELETE;
    if (!is_durable) return SQLITE_OK;
    (void)snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    return disk_sync_folder(disk_of(vfs), folder[0] ? folder : "/") < 0 ? SQLITE_IOERR_DIR_FSYNC : SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    struct disk_status there;
    int outcome = disk_status(disk_of(vfs), path, &there);
    *out = outcome >= 0 && (flags != SQLITE_ACCESS_READWRITE || !disk_is_read_only(disk_of(vfs)));
    if (*out && flags == SQLITE_ACCESS_EXISTS) { /* an empty journal counts as none, as the real one has it */
        span content;
        *out = !disk_content(disk_of(vfs), path, &content) || content.len > 0;
    }
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int cap, char *out)
{
    (void)vfs;
    return snprintf(out, (size_t)cap, "%s", path) < cap ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_random(sqlite3_vfs *vfs, int len, char *at)
{
    for (int i = 0; i < len; i++) at[i] = (char)disk_draw(disk_of(vfs));
    return len;
}

/* One thread: whoever would be waited for cannot go on meanwhile. */
static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds;
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    *out = INT64_C(212000000000000);
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int cap, char *out)
{
    (void)vfs;
    if (cap > 0) out[0] = '\0';
    return 0;
}

void *disk_vfs_open(struct disk *disk, const char *name)
{
    sqlite3_vfs *vfs = calloc(1, sizeof *vfs);
    must(vfs && !sqlite3_vfs_find(name));
    *vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct vfs_file),
        .mxPathname = VFS_PATH_MAX - 1,
        .zName = name,
        .pAppData = disk,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_random,
        .xSleep = vfs_sleep,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_time,
    };
    must(sqlite3_vfs_register(vfs, 0) == SQLITE_OK);
    return vfs;
}

void disk_vfs_close(void *vfs)
{
    must(sqlite3_vfs_unregister(vfs) == SQLITE_OK);
    free(vfs);
}

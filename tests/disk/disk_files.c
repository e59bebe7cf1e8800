/*
 * The files of a world on a disk, with the same steps in the same order as node/world_real.c has on a real one.
 */
#include "tests/disk/disk_rooms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_PATH_MAX 4096

static struct disk *disk_of(void *self) { return *(struct disk *const *)self; }

static bool failed(struct err *e, int outcome, const char *doing, const char *path)
{
    if (outcome == -ENOMEM) return err_memory(e);
    return err_set(e, ERR_DISK, "%s %s: %s (%d)", doing, path, strerror(-outcome), -outcome);
}

static bool missing_or_failed(struct err *e, int outcome, const char *doing, const char *path)
{
    if (outcome != -ENOENT) return failed(e, outcome, doing, path);
    return err_set(e, ERR_MISSING, "%s is not there", path);
}

static bool sync_folder_of(struct disk *disk, const char *path, struct err *e)
{
    char folder[FILES_PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    slash[slash == folder ? 1 : 0] = '\0';
    int outcome = disk_sync_folder(disk, folder);
    return outcome >= 0 || failed(e, outcome, "syncing the folder", folder);
}

static bool files_read(void *self, const char *path, size_t max, struct buffer *out, struct err *e)
{
    struct disk_file *file = NULL;
    int outcome = disk_open_file(disk_of(self), path, 0, 0, &file);
    if (outcome < 0) return missing_or_failed(e, outcome, "opening", path);
    int64_t got = disk_size(file);
    bool is_read = got >= 0 || failed(e, (int)got, "reading", path);
    if (is_read && (size_t)got > max) is_read = err_set(e, ERR_LIMIT, "%s is more than %zu bytes", path, max);
    if (is_read) is_read = buffer_reserve(out, (size_t)got + 1, e);
    if (is_read && (got = disk_read(file, 0, out->at, (size_t)got)) < 0) is_read = failed(e, (int)got, "reading", path);
    if (is_read) out->len = (size_t)got;
    disk_close_file(file);
    return is_read;
}

static bool files_write(void *self, const char *path, span bytes, struct err *e)
{
    struct disk *disk = disk_of(self);
    struct disk_file *file = NULL;
    char beside[FILES_PATH_MAX];
    (void)snprintf(beside, sizeof beside, "%s.%06llx", path, (unsigned long long)(disk_draw(disk) & 0xffffff));
    int outcome = disk_open_file(disk, beside, DISK_WRITES | DISK_CREATES | DISK_EXCLUSIVE, 0600, &file);
    if (outcome < 0) return failed(e, outcome, "writing beside", path);
    outcome = disk_write(file, 0, bytes);
    if (outcome >= 0) outcome = disk_sync(file);
    if (outcome >= 0) outcome = disk_rename(disk, beside, path);
    if (outcome < 0) (void)disk_unlink(disk, beside);
    disk_close_file(file);
    return outcome >= 0 ? sync_folder_of(disk, path, e) : failed(e, outcome, "writing", path);
}

static bool files_remove(void *self, const char *path, struct err *e)
{
    int outcome = disk_unlink(disk_of(self), path);
    if (outcome >= 0) return sync_folder_of(disk_of(self), path, e);
    return outcome == -ENOENT || failed(e, outcome, "removing", path);
}

static bool make_one(struct disk *disk, const char *path, struct err *e)
{
    struct disk_status found;
    int outcome = disk_make_folder(disk, path, 0700);
    if (outcome >= 0) return sync_folder_of(disk, path, e);
    if (outcome != -EEXIST) return failed(e, outcome, "making the folder", path);
    outcome = disk_status(disk, path, &found);
    if (outcome < 0) return failed(e, outcome, "looking at", path);
    return found.is_folder || err_set(e, ERR_DISK, "%s is there already, and not a folder", path);
}

static bool files_make_folder(void *self, const char *path, struct err *e)
{
    char part[FILES_PATH_MAX] = "";
    must(strlen(path) < sizeof part);
    for (size_t i = 0; path[i]; i++) {
        if (path[i] == '/' && i > 0 && !make_one(disk_of(self), part, e)) return false;
        part[i] = path[i];
    }
    return make_one(disk_of(self), part, e);
}

static bool files_identity(void *self, const char *path, struct file_identity *out, struct err *e)
{
    struct disk_status found;
    int outcome = disk_status(disk_of(self), path, &found);
    if (outcome < 0) return missing_or_failed(e, outcome, "looking at", path);
    *out = found.identity;
    return true;
}

static bool files_resolve(void *self, const char *path, char *out, size_t cap, struct err *e)
{
    (void)self;
    if (snprintf(out, cap, "%s", path) < (int)cap) return true;
    return err_set(e, ERR_LIMIT, "the path is longer than %zu bytes", cap - 1);
}

static unsigned files_mode(void *self, const char *path)
{
    struct disk_status found;
    return disk_status(disk_of(self), path, &found) < 0 ? 0 : found.mode;
}

static bool files_close_folder(void *self, const char *path, struct err *e)
{
    int outcome = disk_set_mode(disk_of(self), path, 0700);
    return outcome >= 0 || failed(e, outcome, "closing to others", path);
}

static bool files_lock(void *self, const char *path, struct file_lock *out, struct err *e)
{
    struct disk_file *file = NULL;
    int outcome = disk_open_file(disk_of(self), path, DISK_WRITES | DISK_CREATES, 0600, &file);
    if (outcome < 0) return failed(e, outcome, "opening", path);
    outcome = disk_lock_file(file);
    if (outcome >= 0) {
        out->held = (intptr_t)file;
        return true;
    }
    disk_close_file(file);
    return failed(e, outcome, "locking", path);
}

static void files_unlock(void *self, struct file_lock *lock)
{
    (void)self;
    disk_close_file((struct disk_file *)lock->held);
    lock->held = 0;
}

static const struct files files = {
    .read = files_read,
    .write = files_write,
    .remove = files_remove,
    .make_folder = files_make_folder,
    .identity = files_identity,
    .resolve = files_resolve,
    .mode = files_mode,
    .close_folder = files_close_folder,
    .lock = files_lock,
    .unlock = files_unlock,
};

const struct files *disk_files(void) { return &files; }

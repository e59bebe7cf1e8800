#include "tests/stage/real_files.h"

#include "node/world_real.h"
#include "tests/disk/disk_rooms.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS 16
#define FIRST_DESCRIPTOR 1000000

/* The disk that system calls go to; NULL: this machine's. The one place where it cannot be handed in. */
static struct disk *current;
static struct descriptor {
    struct disk_file *file;
    uint64_t offset;
} descriptors[DESCRIPTORS];

static int outcome(int64_t result)
{
    if (result >= 0) return (int)result;
    errno = (int)-result;
    return -1;
}

static struct descriptor *descriptor_of(int number)
{
    must(number >= FIRST_DESCRIPTOR && number < FIRST_DESCRIPTOR + DESCRIPTORS);
    return &descriptors[number - FIRST_DESCRIPTOR];
}

static bool is_ours(int number) { return number >= FIRST_DESCRIPTOR; }

static int open_on_disk(const char *path, int flags, unsigned mode)
{
    unsigned wanted = ((flags & O_ACCMODE) != O_RDONLY ? DISK_WRITES : 0u) | (flags & O_CREAT ? DISK_CREATES : 0u) |
                      (flags & O_EXCL ? DISK_EXCLUSIVE : 0u);
    int free_one = 0;
    while (free_one < DESCRIPTORS && descriptors[free_one].file) free_one++;
    must(free_one < DESCRIPTORS);
    descriptors[free_one].offset = 0;
    int result = disk_open_file(current, path, wanted, mode, &descriptors[free_one].file);
    return result < 0 ? outcome(result) : FIRST_DESCRIPTOR + free_one;
}

/* ---- what the linker puts in the place of the C library's ---- */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, unsigned mode);
int __wrap_open(const char *path, int flags, unsigned mode)
{
    return current ? open_on_disk(path, flags, mode) : __real_open(path, flags, mode);
}

int __real_mkostemp(char *path, int flags);
int __wrap_mkostemp(char *path, int flags);
int __wrap_mkostemp(char *path, int flags)
{
    if (!current) return __real_mkostemp(path, flags);
    (void)snprintf(path + strlen(path) - 6, 7, "%06x", (unsigned)disk_draw(current) & 0xffffff);
    return open_on_disk(path, O_RDWR | O_CREAT | O_EXCL, 0600);
}

ssize_t __real_read(int file, void *at, size_t len);
ssize_t __wrap_read(int file, void *at, size_t len);
ssize_t __wrap_read(int file, void *at, size_t len)
{
    if (!is_ours(file)) return __real_read(file, at, len);
    struct descriptor *d = descriptor_of(file);
    int64_t got = disk_read(d->file, d->offset, at, len);
    if (got > 0) d->offset += (uint64_t)got;
    return outcome(got);
}

ssize_t __real_write(int file, const void *at, size_t len);
ssize_t __wrap_write(int file, const void *at, size_t len);
ssize_t __wrap_write(int file, const void *at, size_t len)
{
    if (!is_ours(file)) return __real_write(file, at, len);
    struct descriptor *d = descriptor_of(file);
    int result = disk_write(d->file, d->offset, span_of(at, len));
    if (result < 0) return outcome(result);
    d->offset += len;
    return (ssize_t)len;
}

int __real_fsync(int file);
int __wrap_fsync(int file);
int __wrap_fsync(int file)
{
    return is_ours(file) ? outcome(disk_sync(descriptor_of(file)->file)) : __real_fsync(file);
}

int __real_close(int file);
int __wrap_close(int file);
int __wrap_close(int file)
{
    if (!is_ours(file)) return __real_close(file);
    disk_close_file(descriptor_of(file)->file);
    descriptor_of(file)->file = NULL;
    return 0;
}

int __real_flock(int file, int how);
int __wrap_flock(int file, int how);
int __wrap_flock(int file, int how)
{
    if (!is_ours(file)) return __real_flock(file, how);
    return outcome(disk_lock_file(descriptor_of(file)->file));
}

int __real_rename(const char *path, const char *to);
int __wrap_rename(const char *path, const char *to);
int __wrap_rename(const char *path, const char *to)
{
    return current ? outcome(disk_rename(current, path, to)) : __real_rename(path, to);
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    return current ? outcome(disk_unlink(current, path)) : __real_unlink(path);
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
    return current ? outcome(disk_make_folder(current, path, mode)) : __real_mkdir(path, mode);
}

int __real_stat(const char *path, struct stat *out);
int __wrap_stat(const char *path, struct stat *out);
int __wrap_stat(const char *path, struct stat *out)
{
    struct disk_status found;
    if (!current) return __real_stat(path, out);
    int result = disk_status(current, path, &found);
    if (result < 0) return outcome(result);
    *out = (struct stat){.st_dev = found.identity.device,
                         .st_ino = found.identity.inode,
                         .st_mode = (found.is_folder ? S_IFDIR : S_IFREG) | found.mode};
    return 0;
}

int __real_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode)
{
    return current ? outcome(disk_set_mode(current, path, mode)) : __real_chmod(path, mode);
}

char *__real_realpath(const char *path, char *out);
char *__wrap_realpath(const char *path, char *out);
char *__wrap_realpath(const char *path, char *out)
{
    struct disk_status found;
    if (!current) return __real_realpath(path, out);
    int result = disk_status(current, path, &found);
    if (result < 0) errno = -result;
    return result < 0 ? NULL : strcpy(out, path);
}

/* ---- the real files, with their calls sent to one disk ---- */

static const struct files *on(void *self)
{
    current = *(struct disk *const *)self;
    return world_real()->files;
}

static bool off(bool is_fine)
{
    current = NULL;
    return is_fine;
}

static bool on_read(void *self, const char *path, size_t max, struct buffer *out, struct err *e)
{
    return off(on(self)->read(NULL, path, max, out, e));
}

static bool on_write(void *self, const char *path, span bytes, struct err *e)
{
    return off(on(self)->write(NULL, path, bytes, e));
}

static bool on_remove(void *self, const char *path, struct err *e) { return off(on(self)->remove(NULL, path, e)); }
static bool on_make_folder(void *self, const char *path, struct err *e) { return off(on(self)->make_folder(NULL, path, e)); }

static bool on_identity(void *self, const char *path, struct file_identity *out, struct err *e)
{
    return off(on(self)->identity(NULL, path, out, e));
}

static bool on_resolve(void *self, const char *path, char *out, size_t cap, struct err *e)
{
    return off(on(self)->resolve(NULL, path, out, cap, e));
}

static unsigned on_mode(void *self, const char *path)
{
    unsigned mode = on(self)->mode(NULL, path);
    (void)off(true);
    return mode;
}

static bool on_close_folder(void *self, const char *path, struct err *e) { return off(on(self)->close_folder(NULL, path, e)); }

static bool on_lock(void *self, const char *path, struct file_lock *out, struct err *e)
{
    return off(on(self)->lock(NULL, path, out, e));
}

static void on_unlock(void *self, struct file_lock *lock)
{
    on(self)->unlock(NULL, lock);
    (void)off(true);
}

static const struct files files = {
    .read = on_read,
    .write = on_write,
    .remove = on_remove,
    .make_folder = on_make_folder,
    .identity = on_identity,
    .resolve = on_resolve,
    .mode = on_mode,
    .close_folder = on_close_folder,
    .lock = on_lock,
    .unlock = on_unlock,
};

const struct files *real_files(void) { return &files; }

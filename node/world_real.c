#include "node/world_real.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MACHINE_ID_FILE "/etc/machine-id"
#define MACHINE_ID_BYTES_MAX 256
#define READ_STEP_BYTES 65536

/* ---- clock and randomness ---- */

static struct timespec clock_read(clockid_t clock)
{
    struct timespec now = {0};
    must(clock_gettime(clock, &now) == 0);
    return now;
}

static uint64_t real_now_ms(void *self)
{
    struct timespec now = clock_read(CLOCK_MONOTONIC);
    (void)self;
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int64_t real_date_ms(void *self)
{
    struct timespec now = clock_read(CLOCK_REALTIME);
    (void)self;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void real_random(void *self, uint8_t *at, size_t len)
{
    struct sink out = sink_over(at, len);
    uint8_t some[256] = {0}; /* as much as getrandom gives without being interrupted */
    (void)self;

    while (out.len < len) {
        size_t want = len - out.len < sizeof some ? len - out.len : sizeof some;
        ssize_t got = getrandom(some, want, 0);
        must(got > 0 || errno == EINTR); /* a kernel without randomness: nothing may go on */
        if (got > 0) sink_put(&out, span_of(some, (size_t)got));
    }
    explicit_bzero(some, sizeof some);
}

/* ---- files ---- */

/* Descriptors and temporary files as owned locals. */
static void file_close(int *file)
{
    if (*file >= 0) close(*file);
}
#define OWNED_FILE __attribute__((cleanup(file_close))) int

static bool disk_failed(struct err *e, const char *doing, const char *path)
{
    int number = errno;
    (void)err_set(e, ERR_DISK, "%s %s: %s (%d)", doing, path, strerror(number), number);
    switch (number) {
    case EACCES:
    case EPERM: return err_next(e, "check who owns it and its folder, and run counterpart as that user");
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return err_next(e, "make room on its disk, then try again");
    case EROFS: return err_next(e, "its disk is read-only: make it writable, then try again");
    case EMFILE: return err_next(e, "allow this user more open files (ulimit -n), then try again");
    default: return false;
    }
}

static bool missing_or_failed(struct err *e, const char *doing, const char *path)
{
    if (errno != ENOENT && errno != ENOTDIR) return disk_failed(e, doing, path);
    return err_set(e, ERR_MISSING, "%s is not there", path);
}

static bool read_into(int file, const char *path, size_t max, struct buffer *out, struct err *e)
{
    for (;;) {
        size_t want = max - out->len < READ_STEP_BYTES ? max - out->len + 1 : READ_STEP_BYTES;
        if (!buffer_reserve(out, out->len + want, e)) return false;
        ssize_t got = read(file, &out->at[out->len], want);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return disk_failed(e, "reading", path);
        if (got == 0) return true;
        if ((size_t)got > max - out->len)
            return err_set(e, ERR_LIMIT, "%s is more than %zu bytes", path, max);
        out->len += (size_t)got;
    }
}

static bool real_read(void *self, const char *path, size_t max, struct buffer *out, struct err *e)
{
    OWNED_FILE file = open(path, O_RDONLY | O_CLOEXEC);
    (void)self;
    out->len = 0;
    if (file < 0) return missing_or_failed(e, "reading", path);
    if (read_into(file, path, max, out, e)) return true;
    out->len = 0;
    return false;
}

/* The folder that holds `path`, which may end in slashes. */
static bool folder_of(const char *path, char folder[PATH_MAX], struct err *e)
{
    size_t len = strlen(path);
    if (len == 0 || len >= PATH_MAX)
        return err_set(e, ERR_DISK, "a path of %zu bytes is none", len);
    memcpy(folder, path, len + 1);
    while (len > 1 && folder[len - 1] == '/') folder[--len] = '\0';
    char *slash = strrchr(folder, '/');
    if (!slash) memcpy(folder, ".", sizeof ".");
    else if (slash == folder) folder[1] = '\0';
    else *slash = '\0';
    return true;
}

/* Makes what was created, renamed or removed in the folder of `path` survive a power cut. */
static bool sync_folder_of(const char *path, struct err *e)
{
    char folder[PATH_MAX] = "";
    if (!folder_of(path, folder, e)) return false;
    OWNED_FILE file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0 || fsync(file) != 0) return disk_failed(e, "syncing the folder", folder);
    return true;
}

static bool write_all(int file, span bytes)
{
    while (bytes.len > 0) {
        span done = {0};
        ssize_t put = write(file, bytes.at, bytes.len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        must(span_take(&bytes, (size_t)put, &done));
    }
    return true;
}

static bool real_write(void *self, const char *path, span bytes, struct err *e)
{
    char beside[PATH_MAX] = "";
    (void)self;
    if (snprintf(beside, sizeof beside, "%s.XXXXXX", path) >= (int)sizeof beside)
        return err_set(e, ERR_DISK, "the path is longer than %d bytes", PATH_MAX);

    OWNED_FILE file = mkostemp(beside, O_CLOEXEC); /* mode 0600 */
    if (file < 0) return disk_failed(e, "writing beside", path);
    if (!write_all(file, bytes) || fsync(file) != 0 || rename(beside, path) != 0) {
        disk_failed(e, "writing", path);
        unlink(beside);
        return false;
    }
    return sync_folder_of(path, e);
}

static bool real_remove(void *self, const char *path, struct err *e)
{
    (void)self;
    if (unlink(path) == 0) return sync_folder_of(path, e);
    return errno == ENOENT || errno == ENOTDIR || disk_failed(e, "removing", path);
}

/* One folder whose parent is there. */
static bool make_one(const char *path, struct err *e)
{
    struct stat found = {0};
    if (mkdir(path, 0700) == 0) return sync_folder_of(path, e);
    if (errno != EEXIST) return disk_failed(e, "making the folder", path);
    if (stat(path, &found) != 0) return disk_failed(e, "looking at", path);
    if (!S_ISDIR(found.st_mode))
        return err_set(e, ERR_DISK, "%s is there already, and not a folder", path);
    return true;
}

static bool real_make_folder(void *self, const char *path, struct err *e)
{
    char part[PATH_MAX] = "";
    size_t len = strlen(path);
    (void)self;
    if (len == 0 || len >= sizeof part)
        return err_set(e, ERR_DISK, "a path of %zu bytes is none", len);

    for (size_t i = 0; i < len; i++) {
        if (path[i] == '/' && i > 0 && path[i - 1] != '/' && !make_one(part, e)) return false;
        part[i] = path[i];
    }
    return make_one(part, e);
}

static bool real_identity(void *self, const char *path, struct file_identity *out, struct err *e)
{
    struct stat found = {0};
    (void)self;
    if (stat(path, &found) != 0) return missing_or_failed(e, "looking at", path);
    *out = (struct file_identity){.device = found.st_dev, .inode = found.st_ino};
    return true;
}

static bool real_resolve(void *self, const char *path, char *out, size_t cap, struct err *e)
{
    char resolved[PATH_MAX] = "";
    (void)self;
    if (snprintf(out, cap, "%s", realpath(path, resolved) ? resolved : path) < (int)cap) return true;
    return err_set(e, ERR_LIMIT, "the path is longer than %zu bytes", cap - 1);
}

static unsigned real_mode(void *self, const char *path)
{
    struct stat found = {0};
    (void)self;
    return stat(path, &found) == 0 ? found.st_mode & 07777 : 0;
}

static bool real_close_folder(void *self, const char *path, struct err *e)
{
    (void)self;
    return chmod(path, 0700) == 0 || disk_failed(e, "closing to others", path);
}

static bool real_lock(void *self, const char *path, struct file_lock *out, struct err *e)
{
    OWNED_FILE file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)self;
    if (file < 0) return disk_failed(e, "opening", path);
    while (flock(file, LOCK_EX) != 0)
        if (errno != EINTR) return disk_failed(e, "locking", path);
    out->held = file;
    file = -1;
    return true;
}

static void real_unlock(void *self, struct file_lock *lock)
{
    (void)self;
    close((int)lock->held);
}

static const struct files real_files = {
    .read = real_read,
    .write = real_write,
    .remove = real_remove,
    .make_folder = real_make_folder,
    .identity = real_identity,
    .resolve = real_resolve,
    .mode = real_mode,
    .close_folder = real_close_folder,
    .lock = real_lock,
    .unlock = real_unlock,
};

const struct world *world_real(void)
{
    static const struct world world = {
        .now_ms = real_now_ms,
        .date_ms = real_date_ms,
        .random = real_random,
        .disk = NULL,
        .files = &real_files,
        .self = NULL,
    };
    return &world;
}

struct hash world_machine(void)
{
    OWNED_BUFFER file = {0};
    span left = {0}, line = {0};

    if (!real_read(NULL, MACHINE_ID_FILE, MACHINE_ID_BYTES_MAX, &file, NULL))
        return (struct hash){{0}};
    left = buffer_span(&file);
    if (!span_take_until(&left, '\n', &line)) line = left;
    if (line.len == 0) return (struct hash){{0}};
    return hash_labelled("counterpart/v1/machine", &line, 1);
}

#include "tests/disk/disk_rooms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TROUBLE_KINDS 3

struct name {
    char *path;
    struct disk_inode *inode;
};
/* Names and what they name. The same shape for what is there now and for what is durable. */
struct state {
    struct disk_inode **inodes;
    size_t inode_count, inode_cap;
    struct name *names; /* by rising path */
    size_t name_count, name_cap;
};

struct disk {
    char *name;
    void *vfs;
    struct disk_options options;
    uint64_t device, last_inode, random, own_clock;
    uint64_t *clock;
    struct state now, durable; /* durable: at the first of the changes */
    struct disk_change *changes;
    size_t change_count, change_cap;
    bool is_read_only;
    bool has_trouble, is_for_good, has_struck;
    enum disk_trouble trouble;
    uint64_t trouble_at;
    uint64_t calls[TROUBLE_KINDS];
};

static void *grown(void *at, size_t count, size_t *cap, size_t one)
{
    if (count < *cap) return at;
    *cap = *cap ? 2 * *cap : 16;
    void *bigger = realloc(at, *cap * one);
    must(bigger);
    return bigger;
}

static char *text_copy(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    must(copy || !text);
    return copy;
}

uint64_t disk_draw(struct disk *disk)
{
    uint64_t z = (disk->random += UINT64_C(0x9e3779b97f4a7c15)); /* SplitMix64 */
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* ---- contents ---- */

static void content_put(struct disk_inode *inode, uint64_t offset, span bytes)
{
    size_t end = (size_t)offset + bytes.len;
    if (bytes.len == 0) return;
    if (end > inode->cap) {
        size_t cap = inode->cap * 2 > end ? inode->cap * 2 : end;
        inode->at = realloc(inode->at, cap);
        must(inode->at);
        inode->cap = cap;
    }
    if (offset > inode->len) memset(inode->at + inode->len, 0, (size_t)offset - inode->len);
    memcpy(inode->at + offset, bytes.at, bytes.len);
    if (end > inode->len) inode->len = end;
}

static void content_cut(struct disk_inode *inode, uint64_t len)
{
    static const uint8_t zero[1] = {0};
    if (len > inode->len) content_put(inode, len - 1, span_of(zero, 1));
    inode->len = (size_t)len;
}

static void inode_free(struct disk_inode *inode)
{
    must(inode->held.region_count == 0);
    free(inode->at);
    free(inode);
}

/* ---- states ---- */

static struct disk_inode *state_inode(const struct state *state, uint64_t number)
{
    for (size_t i = state->inode_count; i-- > 0;)
        if (state->inodes[i]->number == number) return state->inodes[i];
    return NULL;
}

static struct disk_inode *state_add(struct state *state, uint64_t number, bool is_folder, unsigned mode)
{
    struct disk_inode *inode = calloc(1, sizeof *inode);
    must(inode);
    *inode = (struct disk_inode){.number = number, .is_folder = is_folder, .mode = mode};
    state->inodes = grown(state->inodes, state->inode_count, &state->inode_cap, sizeof(struct disk_inode *));
    state->inodes[state->inode_count++] = inode;
    return inode;
}

/* The place of `path`, or where it would stand. */
static size_t state_place(const struct state *state, const char *path, bool *is_there)
{
    size_t low = 0, high = state->name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(state->names[middle].path, path) < 0) low = middle + 1;
        else high = middle;
    }
    *is_there = low < state->name_count && strcmp(state->names[low].path, path) == 0;
    return low;
}

static struct disk_inode *state_find(const struct state *state, const char *path)
{
    bool is_there = false;
    size_t place = state_place(state, path, &is_there);
    return is_there ? state->names[place].inode : NULL;
}

/* Contents that nothing names, nobody has open and no change speaks of are gone. */
static void state_drop(struct state *state, struct disk_inode *inode)
{
    if (inode->names > 0 || inode->opens > 0) return;
    for (size_t i = 0; i < state->inode_count; i++)
        if (state->inodes[i] == inode) {
            state->inodes[i] = state->inodes[--state->inode_count];
            inode_free(inode);
            return;
        }
}

static void state_unlink(struct state *state, const char *path)
{
    bool is_there = false;
    size_t place = state_place(state, path, &is_there);
    if (!is_there) return;
    state->names[place].inode->names--;
    free(state->names[place].path);
    state->name_count--;
    memmove(&state->names[place], &state->names[place + 1], (state->name_count - place) * sizeof *state->names);
}

static void state_link(struct state *state, const char *path, struct disk_inode *inode)
{
    bool is_there = false;
    inode->names++;
    size_t place = state_place(state, path, &is_there);
    if (is_there) {
        state->names[place].inode->names--;
        state->names[place].inode = inode;
        return;
    }
    state->names = grown(state->names, state->name_count, &state->name_cap, sizeof *state->names);
    memmove(&state->names[place + 1], &state->names[place], (state->name_count - place) * sizeof *state->names);
    state->names[place] = (struct name){text_copy(path), inode};
    state->name_count++;
}

static void state_copy(struct state *to, const struct state *from)
{
    *to = (struct state){0};
    for (size_t i = 0; i < from->inode_count; i++) {
        const struct disk_inode *inode = from->inodes[i];
        struct disk_inode *copy = state_add(to, inode->number, inode->is_folder, inode->mode);
        content_put(copy, 0, span_of(inode->at, inode->len));
    }
    for (size_t i = 0; i < from->name_count; i++)
        state_link(to, from->names[i].path, state_inode(to, from->names[i].inode->number));
}

static void state_sweep(struct state *state)
{
    for (size_t i = state->inode_count; i-- > 0;) state_drop(state, state->inodes[i]);
}

static void state_wipe(struct state *state)
{
    for (size_t i = 0; i < state->name_count; i++) free(state->names[i].path);
    for (size_t i = 0; i < state->inode_count; i++) inode_free(state->inodes[i]);
    free(state->names);
    free(state->inodes);
    *state = (struct state){0};
}

/* ---- changes ---- */

static void change_wipe(struct disk_change *change)
{
    free(change->path);
    free(change->to);
    free(change->bytes);
}

static void folder_of(const char *path, char *out, size_t cap)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    must(len < cap);
    memcpy(out, path, len);
    out[len] = '\0';
    if (len == 0) (void)snprintf(out, cap, "/");
}

static bool is_in_folder(const char *path, const char *folder)
{
    char parent[4096];
    folder_of(path, parent, sizeof parent);
    return strcmp(parent, folder) == 0;
}

/* Does this sync make that change durable? */
static bool is_covered(const struct disk_change *change, const struct disk_change *sync)
{
    switch (change->kind) {
    case DISK_WRITE:
    case DISK_TRUNCATE: return sync->kind == DISK_SYNC && sync->file == change->file;
    case DISK_LINK:
    case DISK_RENAME:
    case DISK_DELETE: return sync->kind == DISK_SYNC_FOLDER && is_in_folder(change->path, sync->path);
    case DISK_SYNC:
    case DISK_SYNC_FOLDER: break;
    }
    return false;
}

/* `len` of a write: how much of it arrives. */
static void change_apply(struct state *state, const struct disk_change *change, size_t len)
{
    struct disk_inode *inode = state_inode(state, change->file);
    switch (change->kind) {
    case DISK_WRITE:
        if (!inode) inode = state_add(state, change->file, false, 0600);
        content_put(inode, change->offset, span_of(change->bytes, len));
        return;
    case DISK_TRUNCATE:
        if (!inode) inode = state_add(state, change->file, false, 0600);
        content_cut(inode, change->len);
        return;
    case DISK_LINK:
        if (!inode) inode = state_add(state, change->file, change->offset == 1, (unsigned)change->len);
        inode->is_folder = change->offset == 1;
        inode->mode = (unsigned)change->len;
        state_link(state, change->path, inode);
        return;
    case DISK_RENAME:
        if (!inode) inode = state_add(state, change->file, false, 0600);
        state_link(state, change->to, inode);
        if (state_find(state, change->path) == inode) state_unlink(state, change->path);
        return;
    case DISK_DELETE: state_unlink(state, change->path); return;
    case DISK_SYNC:
    case DISK_SYNC_FOLDER: return;
    }
}

/* A change to a file that no name leads to any more, on the disk or in the changes to come. */
static bool is_moot(const struct disk *disk, const struct disk_change *change)
{
    const struct disk_inode *durable = state_inode(&disk->durable, change->file);
    if (change->kind != DISK_WRITE && change->kind != DISK_TRUNCATE) return false;
    if (state_inode(&disk->now, change->file) || (durable && durable->names > 0)) return false;
    for (size_t i = 0; i < disk->change_count; i++) {
        enum disk_change_kind kind = disk->changes[i].kind;
        if ((kind == DISK_LINK || kind == DISK_RENAME) && disk->changes[i].file == change->file) return false;
    }
    return true;
}

/* Takes what the last change, a sync, made durable out of the changes, and what means nothing any more. */
static void absorb(struct disk *disk)
{
    const struct disk_change sync = disk->changes[--disk->change_count];
    size_t left = 0;
    for (size_t i = 0; i < disk->change_count; i++) {
        struct disk_change *change = &disk->changes[i];
        if (is_covered(change, &sync)) {
            change_apply(&disk->durable, change, change->len);
            change_wipe(change);
        } else {
            disk->changes[left++] = *change;
        }
    }
    free(sync.path);
    disk->change_count = left;
    left = 0;
    for (size_t i = 0; i < disk->change_count; i++) {
        if (is_moot(disk, &disk->changes[i])) change_wipe(&disk->changes[i]);
        else disk->changes[left++] = disk->changes[i];
    }
    disk->change_count = left;
    if (left == 0) state_sweep(&disk->durable);
}

static void record(struct disk *disk, struct disk_change change, const char *path, const char *to, span bytes)
{
    change.path = text_copy(path);
    change.to = text_copy(to);
    if (bytes.len) {
        change.bytes = malloc(bytes.len);
        must(change.bytes);
        memcpy(change.bytes, bytes.at, bytes.len);
    }
    change.at = ++*disk->clock;
    disk->changes = grown(disk->changes, disk->change_count, &disk->change_cap, sizeof *disk->changes);
    disk->changes[disk->change_count++] = change;
    bool is_sync = change.kind == DISK_SYNC || change.kind == DISK_SYNC_FOLDER;
    if (is_sync && !disk->options.keeps_changes) absorb(disk);
}

size_t disk_change_count(const struct disk *disk) { return disk->change_count; }

const struct disk_change *disk_change_at(const struct disk *disk, size_t i)
{
    must(i < disk->change_count);
    return &disk->changes[i];
}

const char *disk_change_words(const struct disk_change *change, char *out, size_t cap)
{
    static const char *const words[] = {
        [DISK_WRITE] = "write",   [DISK_TRUNCATE] = "truncate", [DISK_SYNC] = "sync",
        [DISK_LINK] = "make",     [DISK_RENAME] = "rename",     [DISK_DELETE] = "delete",
        [DISK_SYNC_FOLDER] = "sync folder",
    };
    const char *word = words[change->kind];
    if (change->kind == DISK_WRITE)
        (void)snprintf(out, cap, "%s %zu at %llu of %s", word, change->len, (unsigned long long)change->offset, change->path);
    else if (change->kind == DISK_TRUNCATE) (void)snprintf(out, cap, "%s %s to %zu", word, change->path, change->len);
    else if (change->kind == DISK_RENAME) (void)snprintf(out, cap, "%s %s to %s", word, change->path, change->to);
    else (void)snprintf(out, cap, "%s %s", word, change->path);
    return out;
}

static void forget_changes(struct disk *disk)
{
    for (size_t i = 0; i < disk->change_count; i++) change_wipe(&disk->changes[i]);
    disk->change_count = 0;
}

void disk_settle(struct disk *disk)
{
    forget_changes(disk);
    state_wipe(&disk->durable);
    state_copy(&disk->durable, &disk->now);
    state_sweep(&disk->durable);
}

/* ---- making disks ---- */

static struct disk *disk_of(const struct disk_options *options)
{
    struct disk *disk = calloc(1, sizeof *disk);
    must(disk);
    disk->name = text_copy(options->name);
    disk->options = *options;
    disk->device = 1;
    disk->random = options->seed;
    disk->clock = options->clock ? options->clock : &disk->own_clock;
    disk->vfs = disk_vfs_open(disk, disk->name);
    return disk;
}

struct disk *disk_new(const struct disk_options *options)
{
    struct disk *disk = disk_of(options);
    state_link(&disk->now, "/", state_add(&disk->now, ++disk->last_inode, true, 0755));
    disk_settle(disk);
    return disk;
}

void disk_free(struct disk *disk)
{
    if (!disk) return;
    for (size_t i = 0; i < disk->now.inode_count; i++) must(disk->now.inodes[i]->opens == 0);
    disk_vfs_close(disk->vfs);
    forget_changes(disk);
    free(disk->changes);
    state_wipe(&disk->now);
    state_wipe(&disk->durable);
    free(disk->name);
    free(disk);
}

const char *disk_name(const struct disk *disk) { return disk->name; }
void disk_set_device(struct disk *disk, uint64_t device) { disk->device = device; }

struct disk *disk_copy(const struct disk *disk, const struct disk_options *options)
{
    struct disk *copy = disk_of(options);
    copy->device = disk->device;
    copy->last_inode = disk->last_inode;
    state_copy(&copy->now, &disk->now);
    state_sweep(&copy->now);
    disk_settle(copy);
    return copy;
}

/* Which of the first `count` changes are durable. Walks back, so that each sync is met before what it covers. */
static bool *durable_of(const struct disk *disk, size_t count)
{
    bool *is_durable = calloc(count + 1, sizeof *is_durable);
    const struct disk_change **syncs = calloc(count + 1, sizeof *syncs); /* one for each file and folder */
    size_t sync_count = 0;
    must(is_durable && syncs);
    for (size_t i = count; i-- > 0;) {
        const struct disk_change *change = &disk->changes[i];
        bool is_sync = change->kind == DISK_SYNC || change->kind == DISK_SYNC_FOLDER;
        bool is_known = false;
        for (size_t s = 0; s < sync_count && !is_known; s++) {
            if (is_sync) is_known = syncs[s]->kind == change->kind && syncs[s]->file == change->file && strcmp(syncs[s]->path, change->path) == 0;
            else is_known = is_durable[i] = is_covered(change, syncs[s]);
        }
        if (is_sync && !is_known) syncs[sync_count++] = change;
    }
    free(syncs);
    return is_durable;
}

/* What stands in a folder that was lost cannot be reached. Parents stand before what is in them. */
static void state_prune(struct state *state)
{
    char folder[4096];
    for (size_t i = 0; i < state->name_count;) {
        const char *path = state->names[i].path;
        folder_of(path, folder, sizeof folder);
        if (strcmp(path, "/") == 0 || state_find(state, folder)) i++;
        else state_unlink(state, path);
    }
}

/* The first sectors of a write, at least one byte less than all of it. */
static size_t torn_len(struct disk *disk, const struct disk_change *change)
{
    size_t sectors = (change->len + DISK_SECTOR_BYTES - 1) / DISK_SECTOR_BYTES;
    return sectors ? (size_t)(disk_draw(disk) % sectors) * DISK_SECTOR_BYTES : 0;
}

static size_t kept_len(struct disk *after, const struct disk_change *change, enum disk_unsynced unsynced, bool is_last)
{
    switch (unsynced) {
    case DISK_LOSES: return SIZE_MAX;
    case DISK_KEEPS: return change->len;
    case DISK_KEEPS_SOME: {
        uint64_t drawn = disk_draw(after) % 8;
        if (drawn < 4) return SIZE_MAX;
        return drawn == 4 && change->kind == DISK_WRITE ? torn_len(after, change) : change->len;
    }
    case DISK_TEARS: return is_last && change->kind == DISK_WRITE ? torn_len(after, change) : change->len;
    }
    return SIZE_MAX;
}

struct disk *disk_after_power_cut(const struct disk *disk, size_t changes, enum disk_unsynced unsynced, uint64_t seed,
                                  const struct disk_options *options)
{
    struct disk *after = disk_of(options);
    must(changes <= disk->change_count);
    after->device = disk->device;
    after->last_inode = disk->last_inode;
    after->random = seed;
    state_copy(&after->now, &disk->durable);
    bool *is_durable = durable_of(disk, changes);
    for (size_t i = 0; i < changes; i++) {
        const struct disk_change *change = &disk->changes[i];
        size_t len = change->len;
        if (change->kind == DISK_SYNC || change->kind == DISK_SYNC_FOLDER) continue;
        if (!is_durable[i]) len = kept_len(after, change, unsynced, i + 1 == changes);
        if (len != SIZE_MAX) change_apply(&after->now, change, len);
    }
    free(is_durable);
    state_prune(&after->now);
    state_sweep(&after->now);
    disk_settle(after);
    after->random = options->seed;
    return after;
}

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && path[len] == '/';
}

void disk_put_back(struct disk *disk, const struct disk *from, const char *folder)
{
    for (size_t i = disk->now.name_count; i-- > 0;) {
        if (!is_below(disk->now.names[i].path, folder)) continue;
        must(disk->now.names[i].inode->opens == 0);
        state_unlink(&disk->now, disk->now.names[i].path);
    }
    state_sweep(&disk->now);
    for (size_t i = 0; i < from->now.name_count; i++) {
        const struct name *name = &from->now.names[i];
        if (!is_below(name->path, folder)) continue;
        struct disk_inode *inode = state_add(&disk->now, ++disk->last_inode, name->inode->is_folder, name->inode->mode);
        content_put(inode, 0, span_of(name->inode->at, name->inode->len));
        state_link(&disk->now, name->path, inode);
    }
    disk_settle(disk);
}

static uint64_t digest_of(uint64_t digest, const void *at, size_t len)
{
    const uint8_t *byte = at;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word = 0;
        memcpy(&word, byte + i, sizeof word);
        digest = (digest ^ word) * UINT64_C(0x9fb21c651e98df25);
        digest ^= digest >> 32;
    }
    for (; i < len; i++) digest = (digest ^ byte[i]) * UINT64_C(0x100000001b3);
    return (digest ^ len) * UINT64_C(0x9fb21c651e98df25);
}

uint64_t disk_digest(const struct disk *disk)
{
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < disk->now.name_count; i++) {
        const struct name *name = &disk->now.names[i];
        digest = digest_of(digest, name->path, strlen(name->path));
        digest = digest_of(digest, name->inode->at, name->inode->len);
    }
    return digest;
}

bool disk_content(const struct disk *disk, const char *path, span *out)
{
    const struct disk_inode *inode = state_find(&disk->now, path);
    if (!inode || inode->is_folder) return false;
    *out = span_of(inode->at, inode->len);
    return true;
}

/* ---- trouble ---- */

void disk_fail(struct disk *disk, enum disk_trouble trouble, uint64_t k, bool for_good)
{
    disk->has_trouble = true;
    disk->has_struck = false;
    disk->is_for_good = for_good;
    disk->trouble = trouble;
    disk->trouble_at = disk->calls[trouble] + k;
}

bool disk_mend(struct disk *disk)
{
    bool has_struck = disk->has_struck;
    disk->has_trouble = disk->has_struck = false;
    return has_struck;
}

uint64_t disk_calls(const struct disk *disk, enum disk_trouble trouble) { return disk->calls[trouble]; }
void disk_set_read_only(struct disk *disk, bool is_read_only) { disk->is_read_only = is_read_only; }
bool disk_is_read_only(const struct disk *disk) { return disk->is_read_only; }

bool disk_is_struck(struct disk *disk, enum disk_trouble trouble)
{
    uint64_t call = disk->calls[trouble]++;
    if (!disk->has_trouble || disk->trouble != trouble) return false;
    bool is_struck = disk->is_for_good ? call >= disk->trouble_at : call == disk->trouble_at;
    disk->has_struck |= is_struck;
    return is_struck;
}

/* What may befall a call: reading, changing, changing with need of room, syncing. */
static int trouble_reading(struct disk *disk) { return disk_is_struck(disk, DISK_IO_ERROR) ? -EIO : 0; }

static int trouble_changing(struct disk *disk)
{
    if (disk->is_read_only) return -EROFS;
    return trouble_reading(disk);
}

static int trouble_growing(struct disk *disk)
{
    int trouble = trouble_changing(disk);
    if (trouble) return trouble;
    return disk_is_struck(disk, DISK_FULL) ? -ENOSPC : 0;
}

static int trouble_syncing(struct disk *disk)
{
    int trouble = trouble_changing(disk);
    if (trouble) return trouble;
    return disk_is_struck(disk, DISK_SYNC_FAILS) ? -EIO : 0;
}

/* ---- calls ---- */

static bool has_folder(const struct disk *disk, const char *path)
{
    char folder[4096];
    folder_of(path, folder, sizeof folder);
    const struct disk_inode *inode = state_find(&disk->now, folder);
    return inode && inode->is_folder;
}

static struct disk_inode *make(struct disk *disk, const char *path, bool is_folder, unsigned mode)
{
    struct disk_inode *inode = state_add(&disk->now, ++disk->last_inode, is_folder, mode);
    state_link(&disk->now, path, inode);
    record(disk, (struct disk_change){.kind = DISK_LINK, .file = inode->number, .offset = is_folder, .len = mode}, path, NULL,
           (span){0});
    return inode;
}

int disk_open_file(struct disk *disk, const char *path, unsigned flags, unsigned mode, struct disk_file **out)
{
    struct disk_inode *inode = state_find(&disk->now, path);
    must(path[0] == '/');
    if (inode && (flags & DISK_CREATES) && (flags & DISK_EXCLUSIVE)) return -EEXIST;
    if (!inode && !(flags & DISK_CREATES)) return -ENOENT;
    if (inode && inode->is_folder && (flags & DISK_WRITES)) return -EISDIR;
    if (!inode && !has_folder(disk, path)) return -ENOENT;
    if (disk->is_read_only && (flags & DISK_WRITES)) return -EROFS;
    int trouble = inode ? trouble_reading(disk) : trouble_growing(disk);
    if (trouble) return trouble;
    struct disk_file *file = calloc(1, sizeof *file);
    char *path_kept = strdup(path);
    if (!file || !path_kept) {
        free(file);
        free(path_kept);
        return -ENOMEM;
    }
    if (!inode) inode = make(disk, path, false, mode);
    inode->opens++;
    *file = (struct disk_file){.disk = disk, .inode = inode, .path = path_kept, .may_write = (flags & DISK_WRITES) != 0};
    *out = file;
    return 0;
}

void disk_close_file(struct disk_file *file)
{
    if (!file) return;
    disk_unlock_file(file);
    file->inode->opens--;
    state_drop(&file->disk->now, file->inode);
    free(file->path);
    free(file);
}

struct disk_inode *disk_file_inode(struct disk_file *file) { return file->inode; }

int64_t disk_read(struct disk_file *file, uint64_t offset, uint8_t *at, size_t len)
{
    const struct disk_inode *inode = file->inode;
    if (inode->is_folder) return -EISDIR;
    int trouble = trouble_reading(file->disk);
    if (trouble) return trouble;
    if (offset >= inode->len) return 0;
    size_t there = inode->len - (size_t)offset;
    if (len > there) len = there;
    if (len) memcpy(at, inode->at + offset, len);
    return (int64_t)len;
}

int disk_write(struct disk_file *file, uint64_t offset, span bytes)
{
    if (!file->may_write) return -EBADF;
    int trouble = trouble_growing(file->disk);
    if (trouble) return trouble;
    content_put(file->inode, offset, bytes);
    record(file->disk, (struct disk_change){.kind = DISK_WRITE, .file = file->inode->number, .offset = offset, .len = bytes.len},
           file->path, NULL, bytes);
    return 0;
}

int disk_truncate(struct disk_file *file, uint64_t len)
{
    if (!file->may_write) return -EBADF;
    int trouble = trouble_changing(file->disk);
    if (trouble) return trouble;
    content_cut(file->inode, len);
    record(file->disk, (struct disk_change){.kind = DISK_TRUNCATE, .file = file->inode->number, .len = (size_t)len}, file->path,
           NULL, (span){0});
    return 0;
}

int disk_sync(struct disk_file *file)
{
    if (file->inode->is_folder) return disk_sync_folder(file->disk, file->path);
    int trouble = trouble_syncing(file->disk);
    if (trouble) return trouble;
    record(file->disk, (struct disk_change){.kind = DISK_SYNC, .file = file->inode->number}, file->path, NULL, (span){0});
    return 0;
}

int64_t disk_size(struct disk_file *file)
{
    int trouble = trouble_reading(file->disk);
    return trouble ? trouble : (int64_t)file->inode->len;
}

int disk_sync_folder(struct disk *disk, const char *path)
{
    const struct disk_inode *inode = state_find(&disk->now, path);
    if (!inode) return -ENOENT;
    if (!inode->is_folder) return -ENOTDIR;
    int trouble = trouble_syncing(disk);
    if (trouble) return trouble;
    record(disk, (struct disk_change){.kind = DISK_SYNC_FOLDER}, path, NULL, (span){0});
    return 0;
}

int disk_rename(struct disk *disk, const char *path, const char *to)
{
    struct disk_inode *inode = state_find(&disk->now, path);
    char folder[4096];
    if (!inode || !has_folder(disk, to)) return -ENOENT;
    folder_of(path, folder, sizeof folder);
    must(!inode->is_folder && is_in_folder(to, folder)); /* no other renaming is needed here */
    int trouble = trouble_growing(disk);
    if (trouble) return trouble;
    struct disk_inode *old = state_find(&disk->now, to);
    state_link(&disk->now, to, inode);
    state_unlink(&disk->now, path);
    if (old) state_drop(&disk->now, old);
    record(disk, (struct disk_change){.kind = DISK_RENAME, .file = inode->number}, path, to, (span){0});
    return 0;
}

int disk_unlink(struct disk *disk, const char *path)
{
    struct disk_inode *inode = state_find(&disk->now, path);
    if (!inode) return -ENOENT;
    if (inode->is_folder) return -EISDIR;
    int trouble = trouble_changing(disk);
    if (trouble) return trouble;
    record(disk, (struct disk_change){.kind = DISK_DELETE, .file = inode->number}, path, NULL, (span){0});
    state_unlink(&disk->now, path);
    state_drop(&disk->now, inode);
    return 0;
}

int disk_make_folder(struct disk *disk, const char *path, unsigned mode)
{
    if (state_find(&disk->now, path)) return -EEXIST;
    if (!has_folder(disk, path)) return -ENOENT;
    int trouble = trouble_growing(disk);
    if (trouble) return trouble;
    (void)make(disk, path, true, mode);
    return 0;
}

int disk_status(struct disk *disk, const char *path, struct disk_status *out)
{
    const struct disk_inode *inode = state_find(&disk->now, path);
    if (!inode) return -ENOENT;
    int trouble = trouble_reading(disk);
    if (trouble) return trouble;
    *out = (struct disk_status){{disk->device, inode->number}, inode->is_folder, inode->mode};
    return 0;
}

/* Permissions are not among the changes that a power cut can undo. */
int disk_set_mode(struct disk *disk, const char *path, unsigned mode)
{
    struct disk_inode *inode = state_find(&disk->now, path);
    if (!inode) return -ENOENT;
    int trouble = trouble_changing(disk);
    if (trouble) return trouble;
    inode->mode = mode;
    return 0;
}

int disk_lock_file(struct disk_file *file)
{
    struct disk_shared *held = &file->inode->held;
    int trouble = trouble_reading(file->disk);
    if (trouble) return trouble;
    if (held->flock && held->flock != file) return -EWOULDBLOCK;
    held->flock = file;
    return 0;
}

void disk_unlock_file(struct disk_file *file)
{
    if (file->inode->held.flock == file) file->inode->held.flock = NULL;
}

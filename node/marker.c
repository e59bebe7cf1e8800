#include "node/marker.h"

#include "protocol/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARKER_VERSION 1
#define MARKER_FIELDS 6
#define MARKER_FEED_FIELDS 4
#define MARKER_FRONT_BYTES 128 /* everything but the feeds, at most */
#define MARKER_FEED_BYTES 128
#define LABEL "counterpart/v1/marker"
#define PATH_LABEL "counterpart/v1/home-path"
#define NAME_BYTES 16 /* of the path's hash, in the mirror's name */

void marker_wipe(struct marker *marker)
{
    if (!marker) return;
    free(marker->feeds);
    *marker = (struct marker){0};
}

void marker_move(struct marker *to, struct marker *from)
{
    marker_wipe(to);
    *to = *from;
    *from = (struct marker){0};
}

void marker_pair_wipe(struct marker_pair *pair)
{
    if (!pair) return;
    marker_wipe(&pair->home);
    marker_wipe(&pair->mirror);
}

/* ---- the feeds of a marker ---- */

static int feed_order(const struct marker_feed *a, const struct marker_feed *b)
{
    int order =
        span_compare(relationship_span(&a->relationship), relationship_span(&b->relationship));
    return order ? order : span_compare(key_public_span(&a->log_key), key_public_span(&b->log_key));
}

static bool feed_equal(const struct marker_feed *a, const struct marker_feed *b)
{
    return feed_order(a, b) == 0 && a->size == b->size && hash_equal(&a->root, &b->root);
}

/* The first feed that is not below `feed`. */
static size_t feed_place(const struct marker *marker, const struct marker_feed *feed)
{
    size_t low = 0, high = marker->feed_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (feed_order(&marker->feeds[middle], feed) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

const struct marker_feed *marker_find(const struct marker *marker, const struct relationship_id *id,
                                      const struct key_public *log_key)
{
    const struct marker_feed wanted = {.relationship = *id, .log_key = *log_key};
    size_t place = feed_place(marker, &wanted);
    if (place == marker->feed_count) return NULL;
    const struct marker_feed *found = &marker->feeds[place];
    bool is_it = span_equal(relationship_span(&found->relationship), relationship_span(id)) &&
                 key_public_equal(&found->log_key, log_key);
    return is_it ? found : NULL;
}

static bool feeds_grow(struct marker *marker, struct err *e)
{
    if (marker->feed_count < marker->feed_cap) return true;
    size_t cap = marker->feed_cap ? 2 * marker->feed_cap : 16;
    struct marker_feed *feeds = realloc(marker->feeds, cap * sizeof *feeds);
    if (!feeds) return err_memory(e);
    marker->feeds = feeds;
    marker->feed_cap = cap;
    return true;
}

bool marker_add(struct marker *marker, const struct marker_feed *feed, struct err *e)
{
    if (feed->size == 0) return true;
    if (marker->feed_count >= MARKER_FEEDS_MAX)
        return err_set(e, ERR_LIMIT, "this home has more than %d feeds of its own",
                       MARKER_FEEDS_MAX);
    size_t place = feed_place(marker, feed);
    if (place < marker->feed_count && feed_order(&marker->feeds[place], feed) == 0)
        return err_set(e, ERR_CORRUPT, "a feed of ours is there twice");
    if (!feeds_grow(marker, e)) return false;
    memmove(&marker->feeds[place + 1], &marker->feeds[place],
            (marker->feed_count - place) * sizeof *feed);
    marker->feeds[place] = *feed;
    marker->feed_count++;
    return true;
}

static bool place_equal(const struct marker *a, const struct marker *b)
{
    return a->place.device == b->place.device && a->place.inode == b->place.inode &&
           hash_equal(&a->machine, &b->machine);
}

bool marker_raise(struct marker *marker, const struct marker *other, struct err *e)
{
    for (size_t i = 0; i < other->feed_count; i++) {
        struct marker_feed *same = NULL;
        for (size_t k = 0; k < marker->feed_count && !same; k++)
            if (feed_order(&marker->feeds[k], &other->feeds[i]) == 0) same = &marker->feeds[k];
        if (!same && !marker_add(marker, &other->feeds[i], e)) return false;
        if (same && other->feeds[i].size >= same->size) *same = other->feeds[i];
    }
    return true;
}

bool marker_equal(const struct marker *a, const struct marker *b)
{
    if (!key_public_equal(&a->owner, &b->owner) || !place_equal(a, b)) return false;
    if (a->feed_count != b->feed_count) return false;
    for (size_t i = 0; i < a->feed_count; i++)
        if (!feed_equal(&a->feeds[i], &b->feeds[i])) return false;
    return true;
}

/* ---- bytes ---- */

static void fields_write(struct sink *out, const struct marker *marker)
{
    write_array(out, MARKER_FIELDS);
    write_u64(out, MARKER_VERSION);
    write_bytes(out, key_public_span(&marker->owner));
    write_u64(out, marker->place.device);
    write_u64(out, marker->place.inode);
    write_bytes(out, hash_span(&marker->machine));
    write_array(out, marker->feed_count);
    for (size_t i = 0; i < marker->feed_count; i++) {
        const struct marker_feed *feed = &marker->feeds[i];
        write_array(out, MARKER_FEED_FIELDS);
        write_bytes(out, relationship_span(&feed->relationship));
        write_bytes(out, key_public_span(&feed->log_key));
        write_u64(out, feed->size);
        write_bytes(out, hash_span(&feed->root));
    }
}

static bool feed_read_one(struct reader *r, struct marker_feed *out, struct err *e)
{
    struct marker_feed feed = {0};
    if (!read_array(r, MARKER_FEED_FIELDS, e)) return false;
    if (!read_bytes(r, feed.relationship.bytes, sizeof feed.relationship.bytes, e)) return false;
    if (!read_bytes(r, feed.log_key.bytes, sizeof feed.log_key.bytes, e)) return false;
    if (!read_u64(r, FEED_ENTRIES_MAX, &feed.size, e)) return false;
    if (!read_bytes(r, feed.root.bytes, sizeof feed.root.bytes, e)) return false;
    *out = feed;
    return true;
}

static bool fields_read(struct reader *r, struct marker *out, struct err *e)
{
    uint64_t version = 0;
    size_t feeds = 0;
    if (!read_array(r, MARKER_FIELDS, e)) return false;
    if (!read_u64(r, UINT64_MAX, &version, e)) return false;
    if (version != MARKER_VERSION)
        return err_set(e, ERR_CORRUPT, "the marker is of format %llu, this program reads %d",
                       (unsigned long long)version, MARKER_VERSION);
    if (!read_bytes(r, out->owner.bytes, sizeof out->owner.bytes, e)) return false;
    if (!read_u64(r, UINT64_MAX, &out->place.device, e)) return false;
    if (!read_u64(r, UINT64_MAX, &out->place.inode, e)) return false;
    if (!read_bytes(r, out->machine.bytes, sizeof out->machine.bytes, e)) return false;
    if (!read_array_upto(r, MARKER_FEEDS_MAX, &feeds, e)) return false;
    for (size_t i = 0; i < feeds; i++) {
        struct marker_feed feed = {0};
        if (!feed_read_one(r, &feed, e)) return false;
        if (feed.size == 0 || (i > 0 && feed_order(&out->feeds[i - 1], &feed) >= 0))
            return err_set(e, ERR_CORRUPT, "feed %zu of the marker is empty or out of order", i);
        if (!marker_add(out, &feed, e)) return false;
    }
    return read_end(r, e);
}

bool marker_write(const struct marker *marker, struct buffer *out, struct err *e)
{
    OWNED_BUFFER room = {0};
    if (!buffer_reserve(&room, MARKER_FRONT_BYTES + marker->feed_count * MARKER_FEED_BYTES, e))
        return false;
    struct sink fields = sink_over(room.at, room.cap);
    fields_write(&fields, marker);
    must(!fields.full);
    span written = sink_span(&fields);
    struct hash check = hash_labelled(LABEL, &written, 1);
    return buffer_put(out, written, e) && buffer_put(out, hash_span(&check), e);
}

bool marker_read(span file, struct marker *out, struct err *e)
{
    OWNED_MARKER marker = {0};
    span left = file, fields = {0};
    if (file.len <= sizeof(struct hash) ||
        !span_take(&left, file.len - sizeof(struct hash), &fields))
        return err_set(e, ERR_CORRUPT, "the marker is %zu bytes, that is too short", file.len);
    struct hash check = hash_labelled(LABEL, &fields, 1);
    if (!span_equal(left, hash_span(&check)))
        return err_set(e, ERR_CORRUPT, "the marker is damaged: its checksum does not match");
    struct reader r = reader_over(fields);
    if (!fields_read(&r, &marker, e)) {
        if (e && e->code != ERR_MEMORY) e->code = ERR_CORRUPT;
        return err_because(e, "reading the marker");
    }
    marker_move(out, &marker);
    return true;
}

/* ---- judging ---- */

const struct marker_feed *marker_ahead(const struct marker *marker, const struct marker *now)
{
    for (size_t i = 0; i < marker->feed_count; i++) {
        const struct marker_feed *marked = &marker->feeds[i];
        size_t place = feed_place(now, marked);
        if (place == now->feed_count) return marked;
        const struct marker_feed *held = &now->feeds[place];
        if (feed_order(held, marked) != 0 || held->size < marked->size) return marked;
        if (held->size == marked->size && !hash_equal(&held->root, &marked->root)) return marked;
    }
    return NULL;
}

enum health marker_judge(const struct marker *home, const struct marker *mirror,
                         const struct marker *now)
{
    if (home && !key_public_equal(&home->owner, &now->owner)) home = NULL;
    if (mirror && !key_public_equal(&mirror->owner, &now->owner)) mirror = NULL;
    const struct marker *witness = home ? home : mirror;

    if (!witness) return now->feed_count ? HEALTH_RESTORED : HEALTH_FINE;
    if (home && marker_ahead(home, now)) return HEALTH_RESTORED;
    if (mirror && marker_ahead(mirror, now)) return HEALTH_RESTORED;
    /* A mirror of another folder that is not ahead stays from a home that was moved away. */
    return place_equal(witness, now) ? HEALTH_FINE : HEALTH_COPIED;
}

/* ---- the two files ---- */

static bool path_is_written(int written, struct err *e)
{
    if (written > 0 && written < MARKER_PATH_MAX) return true;
    return err_set(e, ERR_LIMIT, "the path of the home or of the state folder is too long");
}

bool marker_files_of(struct marker_files *out, const char *home_path, const char *state_folder,
                     const struct world *world, struct err *e)
{
    out->world = world;
    out->mirror[0] = '\0';
    if (!path_is_written(snprintf(out->home, sizeof out->home, "%s/marker", home_path), e))
        return false;
    if (!state_folder) return true;
    char name[2 * NAME_BYTES + 1] = {0};
    struct hash path = hash_labelled(PATH_LABEL, (span[]){span_text(home_path)}, 1);
    (void)hex_write(span_of(path.bytes, NAME_BYTES), name, sizeof name);
    if (!world->files->make_folder(world->self, state_folder, e)) return false;
    return path_is_written(
        snprintf(out->mirror, sizeof out->mirror, "%s/%s.marker", state_folder, name), e);
}

static bool file_read(const struct world *world, const char *path, bool *has, struct marker *out,
                      struct err *e)
{
    OWNED_BUFFER file = {0};
    struct err why = {0};
    *has = false;
    if (path[0] == '\0') return true;
    if (world->files->read(world->self, path, MARKER_BYTES_MAX, &file, &why))
        *has = marker_read(buffer_span(&file), out, &why);
    if (*has || why.code == ERR_MISSING || why.code == ERR_LIMIT || why.code == ERR_CORRUPT)
        return true;
    if (e) *e = why;
    return err_because(e, "reading %s", path);
}

bool marker_files_read(const struct marker_files *files, struct marker_pair *out, struct err *e)
{
    return file_read(files->world, files->home, &out->has_home, &out->home, e) &&
           file_read(files->world, files->mirror, &out->has_mirror, &out->mirror, e);
}

bool marker_files_write(const struct marker_files *files, const struct marker *marker,
                        struct err *e)
{
    const struct world *world = files->world;
    OWNED_BUFFER bytes = {0};
    if (!marker_write(marker, &bytes, e)) return false;
    if (!world->files->write(world->self, files->home, buffer_span(&bytes), e))
        return err_because(e, "writing the marker");
    if (files->mirror[0] == '\0') return true;
    if (!world->files->write(world->self, files->mirror, buffer_span(&bytes), e))
        return err_because(e, "writing the marker's mirror");
    return true;
}

#include "node/home_rooms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITS_SETTING                                                                              \
    "waits for" /* lines RELATIONSHIP CODE: who has not returned what it holds of ours */
#define AWAITED_SETTING "awaited marker" /* digest of the marker that goes with what is waited for */
#define WAITS_BYTES_MAX (16 * 1024 * 1024)
#define WAIT_LINE_MAX (2 * 16 + 1 + CODE_BYTES_MAX + 1 + 1)

/* ---- the marker ---- */

struct id_list {
    struct buffer *ids;
    bool is_whole;
};

static bool collect_id(void *self, const struct relationship_id *id)
{
    struct id_list *list = self;
    return list->is_whole = buffer_put(list->ids, relationship_span(id), NULL);
}

/* The relationships' ids, one after the other, so that other queries may run as we go on. */
static bool relationship_ids(struct store *store, struct buffer *out, struct err *e)
{
    struct id_list list = {out, true};
    if (!relationships_each(store, collect_id, &list, e)) return false;
    return list.is_whole || err_memory(e);
}

static bool next_id(span *left, struct relationship_id *out)
{
    span bytes = {0};
    if (!span_take(left, sizeof out->bytes, &bytes)) return false;
    memcpy(out->bytes, bytes.at, bytes.len);
    return true;
}

struct marking {
    struct marker *out;
    struct err *e;
    bool is_fine;
};

static bool mark_feed(void *self, const struct relationship_id *id, const struct key_public *log_key, uint64_t size,
                      const struct hash *root)
{
    struct marking *m = self;
    const struct marker_feed feed = {*id, *log_key, size, *root};
    return m->is_fine = marker_add(m->out, &feed, m->e);
}

/* What our feeds are now, by the database: all read at one moment, and none ever shrinks. */
static bool marker_now(struct home *home, struct marker *out, struct err *e)
{
    struct marking m = {out, e, true};
    out->owner = home->organisation.identity;
    out->place = home->place;
    out->machine = home->machine;
    return feeds_own_each(home->store, mark_feed, &m, e) && m.is_fine;
}

static void health_set(struct home *home, enum health health, const char *words)
{
    home->health = health;
    (void)snprintf(home->health_words, sizeof home->health_words, "%s", words);
}

/* An empty marker is nobody's and ahead of nothing. */
static bool is_ahead(const struct marker *marker, const struct marker *now)
{
    return key_public_equal(&marker->owner, &now->owner) && marker_ahead(marker, now);
}

/* Do both files say what is so now? */
static bool pair_says(const struct home *home, const struct marker_pair *pair, const struct marker *now)
{
    return pair->has_home && marker_equal(&pair->home, now) &&
           (home->marker_files.mirror[0] == '\0' ||
            (pair->has_mirror && marker_equal(&pair->mirror, now)));
}

static bool marker_digest(const struct marker *marker, struct hash *out, struct err *e)
{
    OWNED_BUFFER bytes = {0};
    if (!marker_write(marker, &bytes, e)) return false;
    *out = hash_labelled("counterpart/v1/marker-awaited", (span[]){buffer_span(&bytes)}, 1);
    return true;
}

/*
 * While counterparts are waited for, the marker goes on saying how far this home had come: else the same backup, put back
 * once more, would look like the home itself, with nobody to wait for. The database remembers which marker that is.
 */
static bool marker_await(struct home *home, const struct marker_pair *pair, struct marker *now, struct err *e)
{
    struct hash digest = {0};
    if (key_public_equal(&pair->home.owner, &now->owner) && !marker_raise(now, &pair->home, e)) return false;
    if (key_public_equal(&pair->mirror.owner, &now->owner) && !marker_raise(now, &pair->mirror, e)) return false;
    return marker_digest(now, &digest, e) && setting_put(home->store, AWAITED_SETTING, hash_span(&digest), e);
}

/* Is this the marker that was written when what is waited for was begun? */
static bool is_awaited(struct home *home, const struct marker *marker)
{
    OWNED_BUFFER kept = {0};
    struct hash digest = {0};
    return setting_get(home->store, AWAITED_SETTING, sizeof digest.bytes, &kept, NULL) &&
           marker_digest(marker, &digest, NULL) && span_equal(buffer_span(&kept), hash_span(&digest));
}

/*
 * Under the lock, whose holder may write the marker: nobody else writes meanwhile, so what is read
 * now is not behind what is there.
 */
static bool mark_locked(struct home *home, bool is_taken_as_it_is, struct err *e)
{
    OWNED_MARKER now = {0};
    OWNED_MARKER_PAIR pair = {0};
    bool is_awaiting = home->waits.len > 0 && !is_taken_as_it_is;
    if (!marker_now(home, &now, e)) return false;
    if (!is_awaiting && home->is_written && marker_equal(&now, &home->written)) return true;
    if (!marker_files_read(&home->marker_files, &pair, e)) return false;
    if (is_awaiting) {
        if (!marker_await(home, &pair, &now, e)) return false;
        if (home->is_written && marker_equal(&now, &home->written)) return true;
    } else if (!is_taken_as_it_is && (is_ahead(&pair.home, &now) || is_ahead(&pair.mirror, &now))) {
        health_set(home, HEALTH_RESTORED, "the database was put back while this home was in use");
        return err_set(e, ERR_REFUSED, "%s", home->health_words);
    }
    home->is_written = false;
    /* Another process may have written it. */
    if (!pair_says(home, &pair, &now) && !marker_files_write(&home->marker_files, &now, e)) return false;
    marker_move(&home->written, &now);
    home->is_written = true;
    return true;
}

static bool mark(struct home *home, bool is_taken_as_it_is, struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    const struct world *world = home->world;
    struct file_lock lock = {0};
    (void)home_file(path, home->path, "marker.lock");
    if (!world->files->lock(world->self, path, &lock, e)) return false;
    bool is_marked = mark_locked(home, is_taken_as_it_is, e);
    world->files->unlock(world->self, &lock);
    return is_marked;
}

/* The marker lags behind the database, as after a crash, until it is needed or can be written. */
static bool mark_or_later(struct home *home, struct err *e)
{
    struct err late = {0};
    if (mark(home, false, &late) || late.code == ERR_DISK || late.code == ERR_MEMORY) return true;
    if (e) *e = late;
    return false;
}

bool home_mark(struct home *home, struct err *e)
{
    return home_may_work(home, true, e) && mark_or_later(home, e);
}

bool home_mark_covers(struct home *home, const struct relationship_id *id,
                      const struct key_public *log_key, uint64_t size, struct err *e)
{
    struct feed own = {0}, feed = {0};
    const struct marker_feed *marked = marker_find(&home->written, id, log_key);
    if (home->is_written && marked && marked->size >= size) return true;
    if (!feed_own(home->store, id, &own, NULL) || !feed_load(home->store, id, log_key, 0, &feed, NULL) ||
        feed.party != own.party)
        return true; /* another's */
    return home_may_work(home, true, e) && mark(home, false, e);
}

/* ---- what a restored home waits for ---- */

static span wait_line(const struct relationship_id *id, const char *code, char out[WAIT_LINE_MAX])
{
    char hex[2 * sizeof id->bytes + 1] = {0};
    (void)hex_write(relationship_span(id), hex, sizeof hex);
    (void)snprintf(out, WAIT_LINE_MAX, "%s %s\n", hex, code);
    return span_text(out);
}

static bool waits_load(struct home *home, struct err *e)
{
    struct err why = {0};
    home->waits.len = 0;
    if (setting_get(home->store, WAITS_SETTING, WAITS_BYTES_MAX, &home->waits, &why)) return true;
    home->waits.len = 0;
    if (why.code == ERR_MISSING) return true;
    return err_set(e, why.code, "%s", why.said);
}

static bool waits_save(struct home *home, span lines, struct err *e)
{
    return lines.len ? setting_put(home->store, WAITS_SETTING, lines, e)
                     : setting_remove(home->store, WAITS_SETTING, e);
}

/* Copies the lines without `without`, which may be empty; `found` when it was among them. */
static bool waits_copy(span lines, span without, struct buffer *out, bool *found, struct err *e)
{
    span line = {0};
    *found = false;
    while (span_take_until(&lines, '\n', &line)) {
        span whole = span_of(line.at, line.len + 1);
        if (span_equal(whole, without)) *found = true;
        else if (!buffer_put(out, whole, e)) return false;
    }
    return true;
}

/* "BOLT, CRUX and 2 more have not returned what they hold of ours" */
static void waits_words(struct home *home)
{
    char words[sizeof home->health_words] = {0};
    struct sink out = sink_over(words, sizeof words - 1);
    span lines = buffer_span(&home->waits), line = {0}, relationship = {0};
    size_t count = 0;
    while (span_take_until(&lines, '\n', &line)) {
        if (!span_take_until(&line, ' ', &relationship) || ++count > 3) continue;
        if (count > 1) sink_text(&out, ", ");
        sink_put(&out, line);
    }
    if (count > 3) {
        sink_text(&out, " and ");
        sink_decimal(&out, count - 3);
        sink_text(&out, " more");
    }
    sink_text(&out, count > 1 ? " have" : " has");
    sink_text(&out, " not returned yet what this home had said");
    health_set(home, HEALTH_RECOVERING, words);
}

/* ---- health ---- */

static void health_from(struct home *home, enum health judged, const struct marker_feed *ahead)
{
    char words[sizeof home->health_words] = {0};
    switch (judged) {
    case HEALTH_FINE:
        if (home->waits.len) waits_words(home);
        else health_set(home, HEALTH_FINE, "");
        return;
    case HEALTH_RESTORED:
        if (ahead)
            (void)snprintf(words, sizeof words,
                           "this home had said %llu things in a relationship of which its database "
                           "does not hold all: it is an older copy, put back from a backup",
                           (unsigned long long)ahead->size);
        else
            (void)snprintf(words, sizeof words,
                           "there is no marker of how far this home had come: it may have been put "
                           "back from a backup");
        health_set(home, HEALTH_RESTORED, words);
        return;
    case HEALTH_COPIED:
        health_set(home, HEALTH_COPIED,
                   "this home was last used in another folder or on another machine: it is a copy");
        return;
    case HEALTH_RECOVERING: break;
    }
    must(false && "a marker is never judged as recovering");
}

/*
 * The files are read before the database, which another process may be moving on: it is then ahead
 * of them, never behind.
 */
static bool health_judge(struct home *home, struct err *e)
{
    OWNED_MARKER_PAIR pair = {0};
    OWNED_MARKER now = {0};
    if (!marker_files_read(&home->marker_files, &pair, e)) return false;
    if (!marker_now(home, &now, e) || !waits_load(home, e)) return false;

    enum health judged = marker_judge(pair.has_home ? &pair.home : NULL,
                                      pair.has_mirror ? &pair.mirror : NULL, &now);
    if (judged == HEALTH_RESTORED && home->waits.len &&
        (is_awaited(home, &pair.home) || is_awaited(home, &pair.mirror)))
        judged = HEALTH_FINE; /* it is being recovered: who has answered need not answer again */
    const struct marker_feed *ahead = marker_ahead(&pair.home, &now);
    health_from(home, judged, ahead ? ahead : marker_ahead(&pair.mirror, &now));
    home->is_written = pair_says(home, &pair, &now);
    if (home->is_written) marker_move(&home->written, &now);
    return true;
}

enum health home_health(const struct home *home) { return home->health; }
const char *home_health_words(const struct home *home) { return home->health_words; }

/* Another process may have adopted this home, or have finished waiting. */
static bool health_refresh(struct home *home, struct err *e)
{
    if (home->health == HEALTH_RESTORED || home->health == HEALTH_COPIED)
        return health_judge(home, e);
    if (!waits_load(home, e)) return false;
    if (home->health == HEALTH_RECOVERING && home->waits.len == 0) return health_judge(home, e);
    health_from(home, HEALTH_FINE, NULL);
    return true;
}

static bool is_same_file(const struct home *home, const char *path, const struct file_identity *opened,
                         struct err *e)
{
    const struct files *files = home->world->files;
    struct file_identity found = {0};
    struct err why = {0};
    if (files->identity(home->world->self, path, &found, &why)) {
        if (found.device == opened->device && found.inode == opened->inode) return true;
        (void)err_set(&why, ERR_MISSING, "there is another");
    }
    if (why.code == ERR_MISSING) {
        (void)err_set(e, ERR_MISSING, "%s was removed or replaced while it was in use", path);
        return err_next(e, "put the home back as it was, then start counterpart anew");
    }
    if (e) *e = why;
    return false;
}

bool home_is_there(const struct home *home, struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    if (!is_same_file(home, home->path, &home->place, e)) return false;
    (void)home_file(path, home->path, "counterpart.db");
    return is_same_file(home, path, &home->database, e);
}

bool home_may_work(struct home *home, bool to_talk, struct err *e)
{
    if (!home_is_there(home, e) || !health_refresh(home, e)) return false;
    switch (home->health) {
    case HEALTH_FINE: return true;
    case HEALTH_RECOVERING:
        if (to_talk) return true;
        (void)err_set(e, ERR_REFUSED, "%s", home->health_words);
        return err_next(e, "counterpart sync, or counterpart serve: nothing is signed until every "
                           "counterpart has returned what it holds of ours");
    case HEALTH_RESTORED:
    case HEALTH_COPIED: break;
    }
    (void)err_set(e, ERR_REFUSED, "%s", home->health_words);
    return err_next(e, "counterpart doctor --adopt, then counterpart sync or serve: nothing is "
                       "signed until every counterpart has returned what it holds of ours");
}

/* Adds a line for every party of a relationship but ourselves that knows us. */
static bool waits_add(struct home *home, const struct relationship_id *id,
                      struct relationship *room, struct buffer *lines, struct err *e)
{
    char line[WAIT_LINE_MAX] = {0};
    if (!relationship_load(home->store, id, room, e)) return false;
    for (size_t i = 0; i < PARTIES_MAX; i++) {
        const struct party *party = &room->parties[i];
        if (!party->is_known || strcmp(party->code, home->organisation.code) == 0) continue;
        if (!buffer_put(lines, wait_line(id, party->code, line), e)) return false;
    }
    return true;
}

static bool adopt(void *self, struct err *e)
{
    struct home *home = self;
    OWNED_BUFFER ids = {0};
    OWNED_BUFFER lines = {0};
    struct relationship_id id = {0};
    struct relationship *room = calloc(1, sizeof *room);
    if (!room) return err_memory(e);
    bool is_listed = relationship_ids(home->store, &ids, e);
    for (span left = buffer_span(&ids); is_listed && next_id(&left, &id);)
        is_listed = waits_add(home, &id, room, &lines, e);
    free(room);
    return is_listed && waits_save(home, buffer_span(&lines), e);
}

bool home_adopt(struct home *home, struct err *e)
{
    if (!health_refresh(home, e)) return false;
    if (home->health == HEALTH_RECOVERING) return true; /* who has answered need not answer again */
    /* What is waited for is on disk before the marker calls this the right place. */
    if (!store_transact(home->store, adopt, home, e)) return false;
    home->is_written = false;
    if (!waits_load(home, e) || !mark(home, home->waits.len == 0, e)) return false;
    health_from(home, HEALTH_FINE, NULL);
    return true;
}

bool home_waits_for(struct home *home, const struct relationship_id *id, const char *code)
{
    char line[WAIT_LINE_MAX] = {0};
    bool found = false;
    OWNED_BUFFER rest = {0};
    struct err e = {0};
    if (strlen(code) > CODE_BYTES_MAX || home->waits.len == 0) return false;
    if (!health_refresh(home, &e)) return true; /* better to wait than to sign too soon */
    return !waits_copy(buffer_span(&home->waits), wait_line(id, code, line), &rest, &found, &e) ||
           found;
}

struct returning {
    struct home *home;
    const struct relationship_id *id;
    const char *code;
};

static bool remove_wait(void *self, struct err *e)
{
    const struct returning *r = self;
    char line[WAIT_LINE_MAX] = {0};
    bool found = false;
    OWNED_BUFFER rest = {0};
    if (!waits_load(r->home, e)) return false;
    if (!waits_copy(buffer_span(&r->home->waits), wait_line(r->id, r->code, line), &rest, &found,
                    e))
        return false;
    return !found || waits_save(r->home, buffer_span(&rest), e);
}

/* What is waited for in all other relationships. */
static bool waits_elsewhere(struct home *home, const struct relationship_id *id, struct buffer *rest, struct err *e)
{
    char hex[2 * sizeof id->bytes + 1] = {0};
    span line = {0}, named = {0};
    if (!waits_load(home, e)) return false;
    (void)hex_write(relationship_span(id), hex, sizeof hex);
    for (span lines = buffer_span(&home->waits); span_take_until(&lines, '\n', &line);) {
        span whole = span_of(line.at, line.len + 1), left = line;
        bool is_ours = span_take_until(&left, ' ', &named) && span_equal(named, span_text(hex));
        if (!is_ours && !buffer_put(rest, whole, e)) return false;
    }
    return true;
}

bool home_will_go_on(struct home *home, const struct relationship_id *id, struct err *e)
{
    OWNED_BUFFER rest = {0};
    if (!waits_elsewhere(home, id, &rest, e)) return false;
    return home->waits.len == 0 || rest.len > 0 || mark(home, true, e);
}

bool home_goes_on(struct home *home, const struct relationship_id *id, struct err *e)
{
    OWNED_BUFFER rest = {0};
    if (!waits_elsewhere(home, id, &rest, e)) return false;
    return rest.len == home->waits.len || waits_save(home, buffer_span(&rest), e);
}

bool home_returned(struct home *home, const struct relationship_id *id, const char *code,
                   struct err *e)
{
    struct returning returning = {home, id, code};
    char line[WAIT_LINE_MAX] = {0};
    bool found = false;
    OWNED_BUFFER rest = {0};
    if (strlen(code) > CODE_BYTES_MAX) return true; /* we wait for nobody of that name */
    if (!home_may_work(home, true, e) ||
        !waits_copy(buffer_span(&home->waits), wait_line(id, code, line), &rest, &found, e))
        return false;
    /*
     * The marker names what was returned before the home may sign anything on top of it; with the last answer it forgets
     * what nobody holds.
     */
    if (!mark(home, found && rest.len == 0, e)) return false;
    if (!store_transact(home->store, remove_wait, &returning, e)) return false;
    return health_refresh(home, e);
}

/* ---- opening ---- */

static bool drop_waits(void *self, struct err *e) { return waits_save(self, (span){0}, e); }

bool health_open(struct home *home, const struct home_options *options, struct err *e)
{
    const struct world *world = home->world;
    if (!world->files->identity(world->self, home->path, &home->place, e)) return false;
    if (!marker_files_of(&home->marker_files, home->path, options->state_folder, world, e))
        return false;
    if (!health_judge(home, e)) return false;
    if (options->is_forced) {
        if (home->waits.len && !store_transact(home->store, drop_waits, home, e)) return false;
        if (!waits_load(home, e)) return false;
        health_set(home, HEALTH_FINE, "");
        return mark(home, true, e);
    }
    /* After a crash between a commit and its marker. */
    if (home->health == HEALTH_FINE || home->health == HEALTH_RECOVERING)
        return mark_or_later(home, e);
    return true;
}

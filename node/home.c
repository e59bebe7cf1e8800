#include "node/home.h"

#include "crypto/sealed.h"
#include "node/marker.h"
#include "protocol/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOME_PATH_MAX 3800 /* leaves room for the names of the files in it */
#define FILE_PATH_MAX 4096
#define ORGANISATION_SETTING "organisation"
#define ORGANISATION_BYTES_MAX 512
#define WAITS_SETTING                                                                              \
    "waits for" /* lines RELATIONSHIP CODE: who has not returned what it holds of ours */
#define AWAITED_SETTING "awaited marker" /* digest of the marker that goes with what is waited for */
#define WAITS_BYTES_MAX (16 * 1024 * 1024)
#define WAIT_LINE_MAX (2 * 16 + 1 + CODE_BYTES_MAX + 1 + 1)
#define PERMISSIONS_OF_OTHERS 077

struct log_key {
    struct relationship_id id;
    struct signing_key *key;
};

struct home {
    char path[HOME_PATH_MAX];
    const struct world *world;
    struct organisation organisation;
    struct store *store;
    size_t passphrase_bytes; /* 0: none */
    uint8_t passphrase[PASSPHRASE_BYTES_MAX];
    struct signing_key *identity_key, *receipt_key; /* NULL until asked for */
    struct transport_key *transport_key;
    struct log_key *log_keys;
    size_t log_key_count;
    /* the marker */
    struct marker_files marker_files;
    struct file_identity place;
    struct hash machine;
    struct marker own;     /* which log keys are ours; the sizes mean nothing */
    struct marker written; /* what both files say, as far as we know */
    bool is_written;
    enum health health;
    char health_words[sizeof((struct err *)0)->said];
    struct buffer waits; /* as the setting */
};

/* ---- paths and key files ---- */

static bool file_path(char out[FILE_PATH_MAX], const char *folder, const char *name)
{
    int written = snprintf(out, FILE_PATH_MAX, "%s/%s", folder, name);
    must(written > 0 && written < FILE_PATH_MAX); /* home paths are bounded */
    return true;
}

static void log_key_name(const struct relationship_id *id, char *out, size_t cap)
{
    char hex[2 * sizeof id->bytes + 1] = {0};
    (void)snprintf(out, cap, "keys/log-%s.key", hex_write(relationship_span(id), hex, sizeof hex));
}

static bool path_is_private(const struct world *world, const char *path, struct err *e)
{
    unsigned mode = world->files->mode(world->self, path);
    if ((mode & PERMISSIONS_OF_OTHERS) == 0) return true;
    (void)err_set(e, ERR_REFUSED, "the key file %s may be used by others (mode %03o)", path,
                  mode & 0777);
    return err_next(e, "make it yours alone with: chmod 600 %s", path);
}

static bool key_file_read(const struct world *world, const char *path, struct buffer *out,
                          struct err *e)
{
    return path_is_private(world, path, e) &&
           world->files->read(world->self, path, SEALED_BYTES_MAX, out, e);
}

static span passphrase_of(const struct home *home)
{
    return home->passphrase_bytes ? span_of(home->passphrase, home->passphrase_bytes) : (span){0};
}

static bool passphrase_missing(const char *path, struct err *e)
{
    (void)err_set(e, ERR_REFUSED, "the keys in %s are locked and need their passphrase", path);
    return err_next(e, "give it with --passphrase-file FILE");
}

static bool key_unread(const char *path, struct err *e)
{
    (void)err_because(e, "opening %s", path);
    if (e && e->code == ERR_REFUSED)
        (void)err_next(e, "give the right one with --passphrase-file FILE");
    return false;
}

/* The secret in a key file; the caller wipes it. */
static bool seed_read(struct home *home, const char *name, enum key_kind kind,
                      uint8_t seed[KEY_SEED_BYTES], struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    OWNED_BUFFER file = {0};
    (void)file_path(path, home->path, name);
    if (!key_file_read(home->world, path, &file, e)) return false;
    span bytes = buffer_span(&file);
    bool is_read = false;
    if (sealed_needs_passphrase(bytes) && home->passphrase_bytes == 0)
        is_read = passphrase_missing(home->path, e);
    else
        is_read = sealed_read(bytes, kind, passphrase_of(home), seed, e) || key_unread(path, e);
    secret_wipe(file.at, file.cap);
    return is_read;
}

/* Makes a new secret, writes it, and leaves it in `seed`; the caller wipes it. */
static bool seed_make(const struct world *world, const char *folder, const char *name,
                      enum key_kind kind, span passphrase, uint8_t seed[KEY_SEED_BYTES],
                      struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    uint8_t bytes[SEALED_BYTES_MAX] = {0};
    struct sink file = sink_over(bytes, sizeof bytes);
    (void)file_path(path, folder, name);
    world->random(world->self, seed, KEY_SEED_BYTES);
    bool is_made = sealed_write(&file, kind, seed, passphrase, SEALED_INTERACTIVE, world, e) &&
                   world->files->write(world->self, path, sink_span(&file), e);
    secret_wipe(bytes, sizeof bytes);
    return is_made;
}

static bool signing_key_open(struct home *home, const char *name, enum key_kind kind,
                             struct signing_key **out, struct err *e)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    bool is_open = seed_read(home, name, kind, seed, e) && signing_key_new(out, seed, e);
    secret_wipe(seed, sizeof seed);
    return is_open;
}

static bool identity_key_open(struct home *home, struct err *e)
{
    OWNED(signing_key_free) struct signing_key *key = NULL;
    if (home->identity_key) return true;
    if (!signing_key_open(home, "keys/identity.key", KEY_IDENTITY, &key, e)) return false;
    if (!key_public_equal(signing_key_public(key), &home->organisation.identity))
        return err_set(e, ERR_CORRUPT,
                       "the identity key in %s is not the one this home was made with", home->path);
    home->identity_key = GIVE(key);
    return true;
}

static bool receipt_key_open(struct home *home, struct err *e)
{
    return home->receipt_key ||
           signing_key_open(home, "keys/receipt.key", KEY_RECEIPT, &home->receipt_key, e);
}

bool home_receipt_key_renew(struct home *home, struct err *e)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    OWNED(signing_key_free) struct signing_key *key = NULL;
    bool is_made = seed_make(home->world, home->path, "keys/receipt.key", KEY_RECEIPT, passphrase_of(home), seed, e) &&
                   signing_key_new(&key, seed, e);
    secret_wipe(seed, sizeof seed);
    if (!is_made) return false;
    signing_key_free(home->receipt_key);
    home->receipt_key = GIVE(key);
    return true;
}

static bool transport_key_open(struct home *home, struct err *e)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    if (home->transport_key) return true;
    bool is_open = seed_read(home, "keys/transport.key", KEY_TRANSPORT, seed, e) &&
                   transport_key_new(&home->transport_key, seed, e);
    secret_wipe(seed, sizeof seed);
    return is_open;
}

bool home_keys(struct home *home, struct err *e)
{
    return identity_key_open(home, e) && receipt_key_open(home, e) && transport_key_open(home, e);
}

/* The keys are opened behind a const home: what a reader sees of it does not change. */
const struct signing_key *home_identity_key(const struct home *home)
{
    (void)!identity_key_open((struct home *)home, NULL);
    return home->identity_key;
}

const struct signing_key *home_receipt_key(const struct home *home)
{
    (void)!receipt_key_open((struct home *)home, NULL);
    return home->receipt_key;
}

const struct transport_key *home_transport_key(const struct home *home)
{
    (void)!transport_key_open((struct home *)home, NULL);
    return home->transport_key;
}

/* ---- log keys ---- */

static struct log_key *log_key_find(struct home *home, const struct relationship_id *id)
{
    for (size_t i = 0; i < home->log_key_count; i++)
        if (span_equal(relationship_span(&home->log_keys[i].id), relationship_span(id)))
            return &home->log_keys[i];
    return NULL;
}

static bool log_key_keep(struct home *home, const struct relationship_id *id,
                         const uint8_t seed[KEY_SEED_BYTES], const struct signing_key **out,
                         struct err *e)
{
    OWNED(signing_key_free) struct signing_key *key = NULL;
    if (!signing_key_new(&key, seed, e)) return false;
    struct log_key *grown =
        realloc(home->log_keys, (home->log_key_count + 1) * sizeof *home->log_keys);
    if (!grown) return err_memory(e);
    home->log_keys = grown;
    *out = key;
    home->log_keys[home->log_key_count++] = (struct log_key){*id, GIVE(key)};
    return true;
}

bool home_log_key(struct home *home, const struct relationship_id *id,
                  const struct signing_key **out, struct err *e)
{
    const struct log_key *held = log_key_find(home, id);
    if (held) {
        *out = held->key;
        return true;
    }
    char name[80] = {0};
    uint8_t seed[KEY_SEED_BYTES] = {0};
    log_key_name(id, name, sizeof name);
    bool is_open = seed_read(home, name, KEY_LOG, seed, e) && log_key_keep(home, id, seed, out, e);
    secret_wipe(seed, sizeof seed);
    return is_open;
}

bool home_log_key_make(struct home *home, const struct relationship_id *id,
                       const struct signing_key **out, struct err *e)
{
    char name[80] = {0}, path[FILE_PATH_MAX] = {0};
    struct file_identity there = {0};
    struct err missing = {0};
    log_key_name(id, name, sizeof name);
    (void)file_path(path, home->path, name);
    const struct world *world = home->world;
    if (world->files->identity(world->self, path, &there, &missing)) {
        (void)err_set(e, ERR_CONFLICT, "there is a log key for this relationship already: %s",
                      path);
        return err_next(e, "if it is left from a join that failed and nothing was said with it, "
                           "remove it and try again");
    }
    if (missing.code != ERR_MISSING) return err_set(e, missing.code, "%s", missing.said);
    uint8_t seed[KEY_SEED_BYTES] = {0};
    bool is_made = seed_make(world, home->path, name, KEY_LOG, passphrase_of(home), seed, e) &&
                   log_key_keep(home, id, seed, out, e);
    secret_wipe(seed, sizeof seed);
    return is_made;
}

void home_log_key_unmake(struct home *home, const struct relationship_id *id)
{
    char name[80] = {0}, path[FILE_PATH_MAX] = {0};
    log_key_name(id, name, sizeof name);
    (void)file_path(path, home->path, name);
    struct log_key *held = log_key_find(home, id);
    if (held) {
        signing_key_free(held->key);
        *held = home->log_keys[--home->log_key_count];
    }
    (void)!home->world->files->remove(home->world->self, path, NULL);
}

bool home_certify(struct home *home, const struct relationship_id *id, struct sink *out,
                  struct err *e)
{
    const struct organisation *o = &home->organisation;
    const struct signing_key *log_key = NULL;
    if (!home_log_key(home, id, &log_key, e) || !home_keys(home, e)) return false;
    struct certificate c = {
        .relationship = *id,
        .identity = o->identity,
        .has_log = true,
        .has_receipt = true,
        .has_transport = true,
        .log = *signing_key_public(log_key),
        .receipt = *signing_key_public(home->receipt_key),
        .transport = *transport_key_public(home->transport_key),
    };
    memcpy(c.code, o->code, sizeof c.code);
    memcpy(c.domain, o->domain, sizeof c.domain);
    memcpy(c.name, o->name, sizeof c.name);
    return certificate_write(out, &c, home->identity_key, e);
}

/* ---- who we are ---- */

static bool organisation_check(const struct organisation *o, struct err *e)
{
    if (!name_is_valid(span_text(o->name)))
        return err_set(e, ERR_USAGE, "the organisation's name should be a line of 1 to %d bytes",
                       NAME_BYTES_MAX);
    if (!domain_is_valid(span_text(o->domain)))
        return err_set(e, ERR_USAGE, "the domain should be as in host names, such as acme.example");
    if (!code_is_valid(span_text(o->code)))
        return err_set(e, ERR_USAGE,
                       "the code should be 2 to %d of A-Z and 0-9, a letter first, "
                       "such as ACME",
                       CODE_BYTES_MAX);
    return true;
}

static bool organisation_put(struct store *store, const struct organisation *o, struct err *e)
{
    uint8_t room[ORGANISATION_BYTES_MAX] = {0};
    struct sink out = sink_over(room, sizeof room);
    write_array(&out, 4);
    write_text(&out, span_text(o->name));
    write_text(&out, span_text(o->domain));
    write_text(&out, span_text(o->code));
    write_bytes(&out, key_public_span(&o->identity));
    must(!out.full);
    return setting_put(store, ORGANISATION_SETTING, sink_span(&out), e);
}

static bool organisation_text(struct reader *r, char *out, size_t cap, struct err *e)
{
    span text = {0};
    if (!read_text(r, cap - 1, &text, e)) return false;
    return span_to_text(text, out, cap) || err_set(e, ERR_MALFORMED, "it holds a zero byte");
}

static bool organisation_read(span bytes, struct organisation *out, struct err *e)
{
    struct organisation o = {0};
    struct reader r = reader_over(bytes);
    if (!read_array(&r, 4, e)) return false;
    if (!organisation_text(&r, o.name, sizeof o.name, e)) return false;
    if (!organisation_text(&r, o.domain, sizeof o.domain, e)) return false;
    if (!organisation_text(&r, o.code, sizeof o.code, e)) return false;
    if (!read_bytes(&r, o.identity.bytes, sizeof o.identity.bytes, e)) return false;
    if (!read_end(&r, e)) return false;
    *out = o;
    return true;
}

/* Fails: ERR_MISSING when the home was not made to its end. */
static bool organisation_get(struct store *store, struct organisation *out, struct err *e)
{
    OWNED_BUFFER bytes = {0};
    if (!setting_get(store, ORGANISATION_SETTING, ORGANISATION_BYTES_MAX, &bytes, e)) return false;
    if (organisation_read(buffer_span(&bytes), out, e) && organisation_check(out, e)) return true;
    if (e) e->code = ERR_CORRUPT;
    return err_because(e, "reading whose home this is");
}

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

/* Learns our log key in a relationship, from our certificate there. */
static bool own_learn(struct home *home, const struct relationship_id *id, struct err *e)
{
    OWNED_BUFFER note = {0};
    struct certificate certificate = {0};
    if (marker_find(&home->own, id)) return true;
    if (!relationship_own_certificate(home->store, id, &note, e)) return false;
    if (!certificate_read(buffer_span(&note), &certificate, e)) return false;
    const struct marker_feed feed = {.relationship = *id, .log_key = certificate.log, .size = 1};
    return !certificate.has_log || marker_add(&home->own, &feed, e);
}

/* What our feeds are now, by the database. Each is read at one moment, and none ever shrinks. */
static bool marker_now(struct home *home, struct marker *out, struct err *e)
{
    OWNED_BUFFER ids = {0};
    struct relationship_id id = {0};
    if (!relationship_ids(home->store, &ids, e)) return false;
    for (span left = buffer_span(&ids); next_id(&left, &id);)
        if (!own_learn(home, &id, e)) return false;

    out->owner = home->organisation.identity;
    out->place = home->place;
    out->machine = home->machine;
    for (size_t i = 0; i < home->own.feed_count; i++) {
        struct marker_feed own = home->own.feeds[i];
        struct feed feed = {0};
        struct err why = {0};
        if (feed_load(home->store, &own.relationship, &own.log_key, 0, &feed, &why)) {
            own.size = feed.edge.size;
            own.root = feed.root;
            if (!marker_add(out, &own, e)) return false;
        } else if (why.code != ERR_MISSING) {
            return err_set(e, why.code, "%s", why.said);
        }
    }
    return true;
}

/* A marker names our log keys, which spares looking them up in certificates. */
static bool own_learn_from(struct home *home, const struct marker *marker, struct err *e)
{
    if (!key_public_equal(&marker->owner, &home->organisation.identity)) return true;
    for (size_t i = 0; i < marker->feed_count; i++)
        if (!marker_find(&home->own, &marker->feeds[i].relationship) &&
            !marker_add(&home->own, &marker->feeds[i], e))
            return false;
    return true;
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
    if (!marker_files_write(&home->marker_files, &now, e)) return false;
    marker_move(&home->written, &now);
    home->is_written = true;
    return true;
}

static bool mark(struct home *home, bool is_taken_as_it_is, struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    const struct world *world = home->world;
    struct file_lock lock = {0};
    (void)file_path(path, home->path, "marker.lock");
    if (!world->files->lock(world->self, path, &lock, e)) return false;
    bool is_marked = mark_locked(home, is_taken_as_it_is, e);
    world->files->unlock(world->self, &lock);
    return is_marked;
}

bool home_mark(struct home *home, struct err *e)
{
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
    if (!own_learn_from(home, &pair.home, e) || !own_learn_from(home, &pair.mirror, e))
        return false;
    if (!marker_now(home, &now, e) || !waits_load(home, e)) return false;

    enum health judged = marker_judge(pair.has_home ? &pair.home : NULL,
                                      pair.has_mirror ? &pair.mirror : NULL, &now);
    if (judged == HEALTH_RESTORED && home->waits.len &&
        (is_awaited(home, &pair.home) || is_awaited(home, &pair.mirror)))
        judged = HEALTH_FINE; /* it is being recovered: who has answered need not answer again */
    const struct marker_feed *ahead = marker_ahead(&pair.home, &now);
    health_from(home, judged, ahead ? ahead : marker_ahead(&pair.mirror, &now));
    home->is_written = pair.has_home && marker_equal(&pair.home, &now) &&
                       (home->marker_files.mirror[0] == '\0' ||
                        (pair.has_mirror && marker_equal(&pair.mirror, &now)));
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

bool home_may_work(struct home *home, bool to_talk, struct err *e)
{
    if (!health_refresh(home, e)) return false;
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

/* ---- making, opening, closing ---- */

static bool file_is_there(const struct world *world, const char *path, bool *out, struct err *e)
{
    struct file_identity found = {0};
    struct err why = {0};
    *out = world->files->identity(world->self, path, &found, &why);
    if (*out || why.code == ERR_MISSING) return true;
    return err_set(e, why.code, "%s", why.said);
}

static bool init_keys(const struct home_options *options, struct key_public *identity,
                      struct err *e)
{
    const struct world *world = options->world;
    uint8_t seed[KEY_SEED_BYTES] = {0};
    OWNED(signing_key_free) struct signing_key *key = NULL;
    bool is_made = seed_make(world, options->path, "keys/receipt.key", KEY_RECEIPT,
                             options->passphrase, seed, e) &&
                   seed_make(world, options->path, "keys/transport.key", KEY_TRANSPORT,
                             options->passphrase, seed, e) &&
                   seed_make(world, options->path, "keys/identity.key", KEY_IDENTITY,
                             options->passphrase, seed, e) &&
                   signing_key_new(&key, seed, e);
    secret_wipe(seed, sizeof seed);
    if (!is_made) return err_because(e, "making the keys");
    *identity = *signing_key_public(key);
    return true;
}

struct founding {
    struct store *store;
    struct organisation organisation;
};

static bool found_home(void *self, struct err *e)
{
    struct founding *f = self;
    return organisation_put(f->store, &f->organisation, e);
}

/* Nothing was said from this home yet, so a marker without feeds is right. */
static bool init_marker(const struct home_options *options, const struct key_public *identity,
                        struct err *e)
{
    const struct world *world = options->world;
    char path[FILE_PATH_MAX] = {0};
    if (!world->files->resolve(world->self, options->path, path, sizeof path, e)) return false;
    struct marker_files *files = calloc(1, sizeof *files);
    if (!files) return err_memory(e);
    struct marker marker = {.owner = *identity, .machine = options->machine};
    bool is_written = world->files->identity(world->self, path, &marker.place, e) &&
                      marker_files_of(files, path, options->state_folder, world, e) &&
                      marker_files_write(files, &marker, e);
    free(files);
    return is_written;
}

static bool path_fits(const char *path, struct err *e)
{
    if (path[0] != '\0' && strlen(path) < HOME_PATH_MAX) return true;
    return err_set(e, ERR_USAGE, "the path of a home has 1 to %d bytes", HOME_PATH_MAX - 1);
}

/* A home that was not made to its end has no organisation: it is begun again. */
static bool init_store(const char *path, const struct world *world, struct store **out,
                       struct err *e)
{
    OWNED(store_close) struct store *store = NULL;
    struct organisation there = {0};
    struct err why = {0};
    if (!store_open(&store, path, world, e)) return false;
    if (organisation_get(store, &there, &why))
        return err_set(e, ERR_CONFLICT, "there is a home of %s already", there.code);
    if (why.code != ERR_MISSING) return err_set(e, why.code, "%s", why.said);
    *out = GIVE(store);
    return true;
}

/* Keys whose database was lost are worth more than a new home. */
static bool init_spares_keys(const char *home_path, const struct world *world, struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    bool is_there = false;
    (void)file_path(path, home_path, "keys/identity.key");
    if (!file_is_there(world, path, &is_there, e)) return false;
    if (!is_there) return true;
    (void)err_set(e, ERR_CONFLICT,
                  "there are keys of a home, but no database that belongs to them");
    return err_next(e, "put counterpart.db back from a backup; or, when an earlier init was broken "
                       "off, remove the folder first");
}

bool home_init(const struct home_options *options, const struct organisation *organisation,
               struct err *e)
{
    const struct world *world = options->world;
    char path[FILE_PATH_MAX] = {0};
    OWNED(store_close) struct store *store = NULL;
    if (!organisation_check(organisation, e) || !path_fits(options->path, e)) return false;
    (void)file_path(path, options->path, "keys");
    if (!world->files->make_folder(world->self, options->path, e)) return false;
    /* The database holds the secrets of invitations: a folder that was there is closed as well. */
    if (!world->files->close_folder(world->self, options->path, e)) return false;
    if (!world->files->make_folder(world->self, path, e)) return false;
    (void)file_path(path, options->path, "counterpart.db");
    if (!init_store(path, world, &store, e) || !init_spares_keys(options->path, world, e))
        return err_because(e, "making a home in %s", options->path);

    struct founding founding = {store, *organisation};
    if (!init_keys(options, &founding.organisation.identity, e)) return false;
    if (!store_transact(store, found_home, &founding, e)) return false;
    return init_marker(options, &founding.organisation.identity, e);
}

static bool no_home(const char *path, struct err *e)
{
    (void)err_set(e, ERR_MISSING, "there is no home in %s", path);
    return err_next(e, "make one with counterpart init --name \"Acme Ltd\" --domain acme.example "
                       "--code ACME, or name another with --home");
}

static bool open_path(struct home *home, const struct home_options *options, struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    if (!path_fits(options->path, e)) return false;
    if (!home->world->files->resolve(home->world->self, options->path, path, sizeof path, e))
        return false;
    if (!path_fits(path, e)) return false;
    must(span_to_text(span_text(path), home->path, sizeof home->path));
    return true;
}

static bool open_passphrase(struct home *home, span passphrase, struct err *e)
{
    if (passphrase.len > sizeof home->passphrase)
        return err_set(e, ERR_REFUSED, "the passphrase is %zu bytes, at most %zu are possible",
                       passphrase.len, sizeof home->passphrase);
    if (passphrase.len) memcpy(home->passphrase, passphrase.at, passphrase.len);
    home->passphrase_bytes = passphrase.at ? passphrase.len : 0;
    return true;
}

static bool open_database(struct home *home, struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    bool is_there = false;
    struct err why = {0};
    (void)file_path(path, home->path, "counterpart.db");
    if (!file_is_there(home->world, path, &is_there, e)) return false;
    if (!is_there) return no_home(home->path, e);
    if (!store_open(&home->store, path, home->world, e)) return err_because(e, "opening %s", path);
    if (organisation_get(home->store, &home->organisation, &why)) return true;
    return why.code == ERR_MISSING ? no_home(home->path, e) : err_set(e, why.code, "%s", why.said);
}

/* All key files must be ours alone; opening one shows that the passphrase is right. */
static bool open_keys(struct home *home, struct err *e)
{
    static const char *const names[] = {"keys/identity.key", "keys/receipt.key",
                                        "keys/transport.key"};
    char path[FILE_PATH_MAX] = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)file_path(path, home->path, names[i]);
        if (!path_is_private(home->world, path, e)) return false;
    }
    if (receipt_key_open(home, e)) return true;
    if (e && e->code == ERR_MISSING) e->code = ERR_CORRUPT; /* a home without its keys */
    return false;
}

static bool drop_waits(void *self, struct err *e) { return waits_save(self, (span){0}, e); }

static bool open_marker(struct home *home, const struct home_options *options, struct err *e)
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
    /* After a crash between a commit and its marker: it is written before anything is sent. */
    if (home->health == HEALTH_FINE || home->health == HEALTH_RECOVERING)
        return mark(home, false, e);
    return true;
}

bool home_open(struct home **out, const struct home_options *options, struct err *e)
{
    OWNED(home_close) struct home *home = calloc(1, sizeof *home);
    if (!home) return err_memory(e);
    home->world = options->world;
    home->machine = options->machine;
    if (!open_path(home, options, e)) return false;
    if (!open_passphrase(home, options->passphrase, e)) return false;
    if (!open_database(home, e)) return false;
    if (!open_keys(home, e)) return false;
    if (!open_marker(home, options, e)) return err_because(e, "opening %s", home->path);
    *out = GIVE(home);
    return true;
}

void home_close(struct home *home)
{
    if (!home) return;
    for (size_t i = 0; i < home->log_key_count; i++) signing_key_free(home->log_keys[i].key);
    free(home->log_keys);
    signing_key_free(home->identity_key);
    signing_key_free(home->receipt_key);
    transport_key_free(home->transport_key);
    secret_wipe(home->passphrase, sizeof home->passphrase);
    marker_wipe(&home->own);
    marker_wipe(&home->written);
    buffer_wipe(&home->waits);
    store_close(home->store);
    free(home);
}

const struct organisation *home_organisation(const struct home *home)
{
    return &home->organisation;
}

struct store *home_store(struct home *home) { return home->store; }
const struct world *home_world(const struct home *home) { return home->world; }
const char *home_path(const struct home *home) { return home->path; }

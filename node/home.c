#include "node/home_rooms.h"

#include "protocol/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORGANISATION_SETTING "organisation"
#define ORGANISATION_BYTES_MAX 512
#define FOUNDING_SETTING "founding" /* from before the keys are made until the home is: nothing was said with them */

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

/* ---- keys ---- */

bool home_keys(struct home *home, struct err *e) { return keyring_keys(&home->keys, e); }

const struct signing_key *home_identity_key(const struct home *home)
{
    return keyring_identity_key(&home->keys);
}

const struct signing_key *home_receipt_key(const struct home *home)
{
    return keyring_receipt_key(&home->keys);
}

const struct transport_key *home_transport_key(const struct home *home)
{
    return keyring_transport_key(&home->keys);
}

bool home_receipt_key_renew(struct home *home, struct err *e)
{
    return keyring_receipt_key_renew(&home->keys, e);
}

/* A restored home learns from its counterparts of a feed that it began after the backup. */
static bool lost_log_key(struct err *e)
{
    (void)err_set(e, ERR_MISSING, "the key of our newest feed is not in this home: it was begun after the backup");
    return err_next(e, "`counterpart doctor --new-feed` goes on in another one");
}

bool home_log_key(struct home *home, const struct relationship_id *id,
                  const struct signing_key **out, struct err *e)
{
    struct feed own = {0};
    struct err why = {0};
    bool is_begun = feed_own(home->store, id, &own, &why);
    if (!is_begun && why.code != ERR_MISSING) return err_set(e, why.code, "%s", why.said);
    if (!keyring_log_key(&home->keys, id, own.ordinal, out, e)) {
        if (own.ordinal > 0 && e && e->code == ERR_MISSING) (void)lost_log_key(e);
        return false;
    }
    return !is_begun || key_public_equal(signing_key_public(*out), &own.log_key) || lost_log_key(e);
}

/* The setting that stands from before a log key is made until what it is for is kept. */
#define KEY_BEGUN_NAME_MAX (sizeof "log key begun " + 2 * 16 + 12)
static const char *key_begun_name(const struct relationship_id *id, unsigned ordinal, char out[KEY_BEGUN_NAME_MAX])
{
    char hex[2 * sizeof id->bytes + 1] = {0};
    (void)snprintf(out, KEY_BEGUN_NAME_MAX, "log key begun %s-%u", hex_write(relationship_span(id), hex, sizeof hex),
                   ordinal);
    return out;
}

struct key_begin {
    struct store *store;
    const char *name;
};

static bool begin_key(void *self, struct err *e)
{
    const struct key_begin *begin = self;
    return setting_put(begin->store, begin->name, (span){0}, e);
}

bool home_log_key_make(struct home *home, const struct relationship_id *id, unsigned ordinal,
                       const struct signing_key **out, struct err *e)
{
    char name[KEY_BEGUN_NAME_MAX] = {0};
    struct key_begin begin = {home->store, key_begun_name(id, ordinal, name)};
    bool is_there = false;
    OWNED_BUFFER begun = {0};
    struct err why = {0};
    if (!keyring_log_key_is_there(&home->keys, id, ordinal, &is_there, e)) return false;
    if (!is_there) {
        if (!store_transact(home->store, begin_key, &begin, e)) return false;
    } else if (setting_get(home->store, name, 0, &begun, &why)) {
        /* it was broken off before anything could be said with it */
        keyring_log_key_unmake(&home->keys, id, ordinal);
    } else if (why.code != ERR_MISSING) {
        return err_set(e, why.code, "%s", why.said);
    }
    return keyring_log_key_make(&home->keys, id, ordinal, out, e);
}

bool home_log_key_kept(struct home *home, const struct relationship_id *id, unsigned ordinal, struct err *e)
{
    char name[KEY_BEGUN_NAME_MAX] = {0};
    return setting_remove(home->store, key_begun_name(id, ordinal, name), e);
}

void home_log_key_unmake(struct home *home, const struct relationship_id *id, unsigned ordinal)
{
    keyring_log_key_unmake(&home->keys, id, ordinal);
}

bool home_certify(struct home *home, const struct relationship_id *id, unsigned ordinal, struct sink *out,
                  struct err *e)
{
    const struct organisation *o = &home->organisation;
    const struct signing_key *log_key = NULL;
    if (!keyring_log_key(&home->keys, id, ordinal, &log_key, e) || !home_keys(home, e)) return false;
    struct certificate c = {
        .relationship = *id,
        .identity = o->identity,
        .has_log = true,
        .has_receipt = true,
        .has_transport = true,
        .log = *signing_key_public(log_key),
        .receipt = *signing_key_public(home->keys.receipt_key),
        .transport = *transport_key_public(home->keys.transport_key),
    };
    memcpy(c.code, o->code, sizeof c.code);
    memcpy(c.domain, o->domain, sizeof c.domain);
    memcpy(c.name, o->name, sizeof c.name);
    return certificate_write(out, &c, home->keys.identity_key, e);
}

/* ---- making, opening, closing ---- */

static bool file_is_there(const struct world *world, const char *path, bool *out, struct err *e)
{
    struct file_identity found = {0};
    struct err why = {0};
    *out = world->files->identity(world->self, path, &found, &why);
    if (*out || why.code == ERR_MISSING) return true;
    if (e) *e = why;
    return false;
}

struct founding {
    struct store *store;
    struct organisation organisation;
};

static bool begin_founding(void *self, struct err *e)
{
    const struct founding *f = self;
    return setting_put(f->store, FOUNDING_SETTING, (span){0}, e);
}

static bool found_home(void *self, struct err *e)
{
    struct founding *f = self;
    return organisation_put(f->store, &f->organisation, e) && setting_remove(f->store, FOUNDING_SETTING, e);
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

/* Keys whose database was lost are worth more than a new home; those of an init that was broken off are not. */
static bool init_spares_keys(struct store *store, const char *home_path, const struct world *world, struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    bool is_there = false;
    OWNED_BUFFER begun = {0};
    struct err why = {0};
    if (setting_get(store, FOUNDING_SETTING, 0, &begun, &why)) return true;
    if (why.code != ERR_MISSING) return err_set(e, why.code, "%s", why.said);
    (void)home_file(path, home_path, "keys/identity.key");
    if (!file_is_there(world, path, &is_there, e)) return false;
    if (!is_there) return true;
    (void)err_set(e, ERR_CONFLICT,
                  "there are keys of a home, but no database that belongs to them");
    return err_next(e, "put counterpart.db back from a backup; or, when these keys are of no use any "
                       "more, remove the folder first");
}

bool home_init(const struct home_options *options, const struct organisation *organisation,
               struct err *e)
{
    const struct world *world = options->world;
    char path[FILE_PATH_MAX] = {0};
    OWNED(store_close) struct store *store = NULL;
    if (!organisation_check(organisation, e) || !path_fits(options->path, e)) return false;
    (void)home_file(path, options->path, "keys");
    if (!world->files->make_folder(world->self, options->path, e)) return false;
    /* The database holds the secrets of invitations: a folder that was there is closed as well. */
    if (!world->files->close_folder(world->self, options->path, e)) return false;
    if (!world->files->make_folder(world->self, path, e)) return false;
    (void)home_file(path, options->path, "counterpart.db");
    if (!init_store(path, world, &store, e) || !init_spares_keys(store, options->path, world, e))
        return err_because(e, "making a home in %s", options->path);

    struct founding founding = {store, *organisation};
    if (!store_transact(store, begin_founding, &founding, e)) return false;
    if (!keyring_make(options, &founding.organisation.identity, e)) return false;
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

static bool open_database(struct home *home, struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    bool is_there = false;
    struct err why = {0};
    (void)home_file(path, home->path, "counterpart.db");
    if (!file_is_there(home->world, path, &is_there, e)) return false;
    if (!is_there) return no_home(home->path, e);
    if (!store_open(&home->store, path, home->world, e)) return false;
    if (!home->world->files->identity(home->world->self, path, &home->database, e)) return false;
    if (organisation_get(home->store, &home->organisation, &why)) return true;
    return why.code == ERR_MISSING ? no_home(home->path, e) : err_set(e, why.code, "%s", why.said);
}

bool home_open(struct home **out, const struct home_options *options, struct err *e)
{
    OWNED(home_close) struct home *home = calloc(1, sizeof *home);
    if (!home) return err_memory(e);
    home->world = options->world;
    home->machine = options->machine;
    if (!open_path(home, options, e)) return false;
    if (!keyring_init(&home->keys, home->path, options->passphrase, home->world, e)) return false;
    if (!open_database(home, e)) return false;
    if (!keyring_open(&home->keys, &home->organisation.identity, e)) return false;
    if (!health_open(home, options, e)) return err_because(e, "opening %s", home->path);
    *out = GIVE(home);
    return true;
}

void home_close(struct home *home)
{
    if (!home) return;
    keyring_wipe(&home->keys);
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

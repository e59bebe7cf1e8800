#include "node/home_rooms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PERMISSIONS_OF_OTHERS 077

struct log_key {
    struct relationship_id id;
    unsigned ordinal; /* of the feed it signs */
    struct signing_key *key;
};

/* ---- key files ---- */

static void log_key_name(const struct relationship_id *id, unsigned ordinal, char *out, size_t cap)
{
    char hex[2 * sizeof id->bytes + 1] = {0}, next[16] = {0};
    if (ordinal > 0) (void)snprintf(next, sizeof next, "-%u", ordinal);
    (void)snprintf(out, cap, "keys/log-%s%s.key", hex_write(relationship_span(id), hex, sizeof hex), next);
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

static span passphrase_of(const struct keyring *ring)
{
    return ring->passphrase_bytes ? span_of(ring->passphrase, ring->passphrase_bytes) : (span){0};
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
static bool seed_read(struct keyring *ring, const char *name, enum key_kind kind,
                      uint8_t seed[KEY_SEED_BYTES], struct err *e)
{
    char path[FILE_PATH_MAX] = {0};
    OWNED_BUFFER file = {0};
    (void)home_file(path, ring->folder, name);
    if (!key_file_read(ring->world, path, &file, e)) return false;
    span bytes = buffer_span(&file);
    bool is_read = false;
    if (sealed_needs_passphrase(bytes) && ring->passphrase_bytes == 0)
        is_read = passphrase_missing(ring->folder, e);
    else
        is_read = sealed_read(bytes, kind, passphrase_of(ring), seed, e) || key_unread(path, e);
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
    (void)home_file(path, folder, name);
    world->random(world->self, seed, KEY_SEED_BYTES);
    bool is_made = sealed_write(&file, kind, seed, passphrase, SEALED_INTERACTIVE, world, e) &&
                   world->files->write(world->self, path, sink_span(&file), e);
    secret_wipe(bytes, sizeof bytes);
    return is_made;
}

static bool signing_key_open(struct keyring *ring, const char *name, enum key_kind kind,
                             struct signing_key **out, struct err *e)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    bool is_open = seed_read(ring, name, kind, seed, e) && signing_key_new(out, seed, e);
    secret_wipe(seed, sizeof seed);
    return is_open;
}

static bool identity_key_open(struct keyring *ring, struct err *e)
{
    OWNED(signing_key_free) struct signing_key *key = NULL;
    if (ring->identity_key) return true;
    if (!signing_key_open(ring, "keys/identity.key", KEY_IDENTITY, &key, e)) return false;
    if (!key_public_equal(signing_key_public(key), &ring->identity))
        return err_set(e, ERR_CORRUPT,
                       "the identity key in %s is not the one this home was made with", ring->folder);
    ring->identity_key = GIVE(key);
    return true;
}

static bool receipt_key_open(struct keyring *ring, struct err *e)
{
    return ring->receipt_key ||
           signing_key_open(ring, "keys/receipt.key", KEY_RECEIPT, &ring->receipt_key, e);
}

bool keyring_receipt_key_renew(struct keyring *ring, struct err *e)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    OWNED(signing_key_free) struct signing_key *key = NULL;
    bool is_made = seed_make(ring->world, ring->folder, "keys/receipt.key", KEY_RECEIPT, passphrase_of(ring), seed, e) &&
                   signing_key_new(&key, seed, e);
    secret_wipe(seed, sizeof seed);
    if (!is_made) return false;
    signing_key_free(ring->receipt_key);
    ring->receipt_key = GIVE(key);
    return true;
}

static bool transport_key_open(struct keyring *ring, struct err *e)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    if (ring->transport_key) return true;
    bool is_open = seed_read(ring, "keys/transport.key", KEY_TRANSPORT, seed, e) &&
                   transport_key_new(&ring->transport_key, seed, e);
    secret_wipe(seed, sizeof seed);
    return is_open;
}

bool keyring_keys(struct keyring *ring, struct err *e)
{
    return identity_key_open(ring, e) && receipt_key_open(ring, e) && transport_key_open(ring, e);
}

/* The keys are opened behind a const ring: what a reader sees of it does not change. */
const struct signing_key *keyring_identity_key(const struct keyring *ring)
{
    (void)!identity_key_open((struct keyring *)ring, NULL);
    return ring->identity_key;
}

const struct signing_key *keyring_receipt_key(const struct keyring *ring)
{
    (void)!receipt_key_open((struct keyring *)ring, NULL);
    return ring->receipt_key;
}

const struct transport_key *keyring_transport_key(const struct keyring *ring)
{
    (void)!transport_key_open((struct keyring *)ring, NULL);
    return ring->transport_key;
}

/* ---- log keys ---- */

static struct log_key *log_key_find(struct keyring *ring, const struct relationship_id *id, unsigned ordinal)
{
    for (size_t i = 0; i < ring->log_key_count; i++)
        if (ring->log_keys[i].ordinal == ordinal &&
            span_equal(relationship_span(&ring->log_keys[i].id), relationship_span(id)))
            return &ring->log_keys[i];
    return NULL;
}

static bool log_key_keep(struct keyring *ring, const struct relationship_id *id, unsigned ordinal,
                         const uint8_t seed[KEY_SEED_BYTES], const struct signing_key **out,
                         struct err *e)
{
    OWNED(signing_key_free) struct signing_key *key = NULL;
    if (!signing_key_new(&key, seed, e)) return false;
    struct log_key *grown =
        realloc(ring->log_keys, (ring->log_key_count + 1) * sizeof *ring->log_keys);
    if (!grown) return err_memory(e);
    ring->log_keys = grown;
    *out = key;
    ring->log_keys[ring->log_key_count++] = (struct log_key){*id, ordinal, GIVE(key)};
    return true;
}

bool keyring_log_key(struct keyring *ring, const struct relationship_id *id, unsigned ordinal,
                     const struct signing_key **out, struct err *e)
{
    const struct log_key *held = log_key_find(ring, id, ordinal);
    if (held) {
        *out = held->key;
        return true;
    }
    char name[80] = {0};
    uint8_t seed[KEY_SEED_BYTES] = {0};
    log_key_name(id, ordinal, name, sizeof name);
    bool is_open = seed_read(ring, name, KEY_LOG, seed, e) && log_key_keep(ring, id, ordinal, seed, out, e);
    secret_wipe(seed, sizeof seed);
    return is_open;
}

bool keyring_log_key_is_there(struct keyring *ring, const struct relationship_id *id, unsigned ordinal,
                              bool *out, struct err *e)
{
    char name[80] = {0}, path[FILE_PATH_MAX] = {0};
    struct file_identity there = {0};
    struct err missing = {0};
    log_key_name(id, ordinal, name, sizeof name);
    (void)home_file(path, ring->folder, name);
    *out = ring->world->files->identity(ring->world->self, path, &there, &missing);
    return *out || missing.code == ERR_MISSING || err_set(e, missing.code, "%s", missing.said);
}

bool keyring_log_key_make(struct keyring *ring, const struct relationship_id *id, unsigned ordinal,
                          const struct signing_key **out, struct err *e)
{
    char name[80] = {0};
    bool is_there = false;
    log_key_name(id, ordinal, name, sizeof name);
    if (!keyring_log_key_is_there(ring, id, ordinal, &is_there, e)) return false;
    if (is_there) {
        (void)err_set(e, ERR_CONFLICT, "there is a log key for this relationship already: %s/%s",
                      ring->folder, name);
        return err_next(e, "the database that knew it was lost: put counterpart.db back from a backup");
    }
    uint8_t seed[KEY_SEED_BYTES] = {0};
    bool is_made = seed_make(ring->world, ring->folder, name, KEY_LOG, passphrase_of(ring), seed, e) &&
                   log_key_keep(ring, id, ordinal, seed, out, e);
    secret_wipe(seed, sizeof seed);
    return is_made;
}

void keyring_log_key_unmake(struct keyring *ring, const struct relationship_id *id, unsigned ordinal)
{
    char name[80] = {0}, path[FILE_PATH_MAX] = {0};
    log_key_name(id, ordinal, name, sizeof name);
    (void)home_file(path, ring->folder, name);
    struct log_key *held = log_key_find(ring, id, ordinal);
    if (held) {
        signing_key_free(held->key);
        *held = ring->log_keys[--ring->log_key_count];
    }
    (void)!ring->world->files->remove(ring->world->self, path, NULL);
}

/* ---- making, opening, closing ---- */

bool keyring_make(const struct home_options *options, struct key_public *identity, struct err *e)
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

bool keyring_init(struct keyring *ring, const char *folder, span passphrase,
                  const struct world *world, struct err *e)
{
    ring->world = world;
    must(span_to_text(span_text(folder), ring->folder, sizeof ring->folder));
    if (passphrase.len > sizeof ring->passphrase)
        return err_set(e, ERR_REFUSED, "the passphrase is %zu bytes, at most %zu are possible",
                       passphrase.len, sizeof ring->passphrase);
    if (passphrase.len) memcpy(ring->passphrase, passphrase.at, passphrase.len);
    ring->passphrase_bytes = passphrase.at ? passphrase.len : 0;
    return true;
}

/* All key files must be ours alone; opening one shows that the passphrase is right. */
bool keyring_open(struct keyring *ring, const struct key_public *identity, struct err *e)
{
    static const char *const names[] = {"keys/identity.key", "keys/receipt.key",
                                        "keys/transport.key"};
    char path[FILE_PATH_MAX] = {0};
    ring->identity = *identity;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)home_file(path, ring->folder, names[i]);
        if (!path_is_private(ring->world, path, e)) return false;
    }
    if (receipt_key_open(ring, e)) return true;
    if (e && e->code == ERR_MISSING) e->code = ERR_CORRUPT; /* a home without its keys */
    return false;
}

void keyring_wipe(struct keyring *ring)
{
    for (size_t i = 0; i < ring->log_key_count; i++) signing_key_free(ring->log_keys[i].key);
    free(ring->log_keys);
    signing_key_free(ring->identity_key);
    signing_key_free(ring->receipt_key);
    transport_key_free(ring->transport_key);
    secret_wipe(ring->passphrase, sizeof ring->passphrase);
}

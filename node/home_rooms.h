/*
 * home_rooms - what home.c, keyring.c and health.c share. Not for anybody else: see home.h.
 *
 * home.c makes, opens and closes a home and says whose it is; keyring.c holds its key files and the keys opened from
 * them; health.c holds its marker against the database, and says whether it may go on.
 */
#pragma once
#include "crypto/sealed.h"
#include "node/marker.h"

#include <stdio.h>

#define HOME_PATH_MAX 3800 /* leaves room for the names of the files in it */
#define FILE_PATH_MAX 4096

/* The path of a file in a home: true, as home paths are bounded. */
static inline bool home_file(char out[FILE_PATH_MAX], const char *folder, const char *name)
{
    int written = snprintf(out, FILE_PATH_MAX, "%s/%s", folder, name);
    must(written > 0 && written < FILE_PATH_MAX);
    return true;
}

/* ---- keyring.c ---- */

struct log_key;

struct keyring {
    char folder[HOME_PATH_MAX]; /* the home's */
    const struct world *world;
    struct key_public identity; /* whose keys these should be */
    size_t passphrase_bytes;    /* 0: none */
    uint8_t passphrase[PASSPHRASE_BYTES_MAX];
    struct signing_key *identity_key, *receipt_key; /* NULL until asked for */
    struct transport_key *transport_key;
    struct log_key *log_keys; /* those asked for so far */
    size_t log_key_count;
};

/* Makes the identity, receipt and transport keys of a new home. Fails: ERR_DISK, ERR_LIMIT (passphrase), ERR_MEMORY. */
MUST_USE bool keyring_make(const struct home_options *options, struct key_public *identity, struct err *e);
/* Keeps where the keys are and what opens them, in a ring of zeros; wiped by keyring_wipe. Fails: ERR_REFUSED (passphrase too long). */
MUST_USE bool keyring_init(struct keyring *ring, const char *folder, span passphrase, const struct world *world,
                           struct err *e);
/* Looks that the key files are ours alone, and that the passphrase opens one. Fails: ERR_REFUSED, ERR_CORRUPT, ERR_DISK. */
MUST_USE bool keyring_open(struct keyring *ring, const struct key_public *identity, struct err *e);
void keyring_wipe(struct keyring *ring);

/* These as home_keys and the functions below it in home.h. */
MUST_USE bool keyring_keys(struct keyring *ring, struct err *e);
const struct signing_key *keyring_identity_key(const struct keyring *ring);
const struct signing_key *keyring_receipt_key(const struct keyring *ring);
const struct transport_key *keyring_transport_key(const struct keyring *ring);
MUST_USE bool keyring_receipt_key_renew(struct keyring *ring, struct err *e);
MUST_USE bool keyring_log_key(struct keyring *ring, const struct relationship_id *id, unsigned ordinal,
                              const struct signing_key **out, struct err *e);
MUST_USE bool keyring_log_key_make(struct keyring *ring, const struct relationship_id *id, unsigned ordinal,
                                   const struct signing_key **out, struct err *e);
MUST_USE bool keyring_log_key_is_there(struct keyring *ring, const struct relationship_id *id, unsigned ordinal,
                                       bool *out, struct err *e);
void keyring_log_key_unmake(struct keyring *ring, const struct relationship_id *id, unsigned ordinal);

/* ---- health.c: also home_health and what stands below it in home.h ---- */

/* Judges the home, and brings the marker up to the database. Fails: ERR_DISK, ERR_CORRUPT, ERR_MEMORY. */
MUST_USE bool health_open(struct home *home, const struct home_options *options, struct err *e);

/* ---- home.c ---- */

struct home {
    char path[HOME_PATH_MAX];
    const struct world *world;
    struct organisation organisation;
    struct store *store;
    struct keyring keys;
    /* the marker */
    struct marker_files marker_files;
    struct file_identity place, database;
    struct hash machine;
    struct marker written; /* what both files say, as far as we know */
    bool is_written;
    enum health health;
    char health_words[sizeof((struct err *)0)->said];
    struct buffer waits; /* as the setting */
};

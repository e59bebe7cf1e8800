/*
 * home - one organisation's node on disk: a folder with the database, the keys and the write-generation marker.
 *
 *     HOME/counterpart.db                      the database
 *     HOME/keys/identity.key receipt.key transport.key log-RELATIONSHIP.key
 *     HOME/marker                              write-generation marker, mirrored in the state folder
 *
 * The marker (DESIGN section 3) names the folder's device, inode and machine, and our own feeds' sizes and roots. Behind
 * the database: a crash, go on. Ahead of it: a restore. Another inode or machine: a copy. A home that is a restore or a
 * copy signs nothing until every counterpart has returned what it holds of ours.
 */
#pragma once
#include "store/record.h"

struct home;

struct home_options {
    const char *path;         /* the home folder */
    const char *state_folder; /* where markers are mirrored; NULL: no mirror */
    span passphrase;          /* at == NULL: none */
    const struct world *world;
    struct hash machine;      /* world_machine() */
    bool is_forced;           /* take a copied or restored home as it is (tests; can fork the feeds) */
};
struct organisation {
    char name[NAME_BYTES_MAX + 1];
    char domain[DOMAIN_BYTES_MAX + 1];
    char code[CODE_BYTES_MAX + 1];
    struct key_public identity;
};

/* Makes a home and its keys. Fails: ERR_CONFLICT (there is one already), ERR_USAGE (a name that is not valid), ERR_DISK. */
MUST_USE bool home_init(const struct home_options *options, const struct organisation *organisation, struct err *e);
/* Fails: ERR_MISSING (no home here: says to run init), ERR_REFUSED (passphrase), ERR_CORRUPT, ERR_DISK. A restored or copied home opens too: see home_health. */
MUST_USE bool home_open(struct home **out, const struct home_options *options, struct err *e);
void home_close(struct home *home);
OWNABLE(struct home *, home_close)

const struct organisation *home_organisation(const struct home *home);
struct store *home_store(struct home *home);
const struct world *home_world(const struct home *home);
const char *home_path(const struct home *home);
/*
 * Opens the identity, receipt and transport keys, which are otherwise opened when first asked for: under a passphrase
 * each costs some 50 ms. Fails: ERR_CORRUPT, ERR_REFUSED, ERR_DISK.
 */
MUST_USE bool home_keys(struct home *home, struct err *e);
/* NULL when its file cannot be opened; not after home_keys has succeeded. */
const struct signing_key *home_identity_key(const struct home *home);
const struct signing_key *home_receipt_key(const struct home *home);
const struct transport_key *home_transport_key(const struct home *home);
/*
 * Opens the log key of our newest feed in a relationship; borrowed from the home. Fails: ERR_MISSING (also when that feed
 * was begun by a home of ours that is lost), ERR_CORRUPT, ERR_REFUSED.
 */
MUST_USE bool home_log_key(struct home *home, const struct relationship_id *id, const struct signing_key **out, struct err *e);
/*
 * Makes and stores a log key for our first feed in a relationship (`ordinal` 0) or a later one. It replaces one that was
 * made and never kept (home_log_key_kept). Fails: ERR_CONFLICT (there is one that was), ERR_DISK.
 */
MUST_USE bool home_log_key_make(struct home *home, const struct relationship_id *id, unsigned ordinal, const struct signing_key **out, struct err *e);
/* In the transaction that keeps what a new log key was made for: from now on nothing replaces it. */
MUST_USE bool home_log_key_kept(struct home *home, const struct relationship_id *id, unsigned ordinal, struct err *e);

/* Writes our certificate with the log key of one of our feeds in a relationship. Fails: as home_log_key and home_keys. */
MUST_USE bool home_certify(struct home *home, const struct relationship_id *id, unsigned ordinal, struct sink *out, struct err *e);
/* Takes back a log key made just now, when what it was made for failed. Its borrowed pointer ends. */
void home_log_key_unmake(struct home *home, const struct relationship_id *id, unsigned ordinal);

/*
 * A new receipt key in place of the old one, which signs no more (after a clock that was ahead). Counterparts learn it by
 * pairing_announce. A process that has this home open goes on with the old one until it is started anew. Fails: ERR_DISK.
 */
MUST_USE bool home_receipt_key_renew(struct home *home, struct err *e);

enum health { HEALTH_FINE, HEALTH_RESTORED, HEALTH_COPIED, HEALTH_RECOVERING };
/* HEALTH_RECOVERING: adopted (home_adopt), may talk, signs nothing until every counterpart has answered. */
enum health home_health(const struct home *home);
/* Why it is not fine, for people. Empty when it is. */
const char *home_health_words(const struct home *home);
/*
 * Is the folder we opened, with its database, still where it was? What is written into a removed one is gone. Fails:
 * ERR_MISSING, ERR_DISK.
 */
MUST_USE bool home_is_there(const struct home *home, struct err *e);
/* Refuses (ERR_REFUSED with the reason and the way on) unless the home is fine, or recovering when `to_talk`; as home_is_there. */
MUST_USE bool home_may_work(struct home *home, bool to_talk, struct err *e);
/* A person says this home is to go on: it becomes HEALTH_RECOVERING and waits for every counterpart. Fails: ERR_DISK. */
MUST_USE bool home_adopt(struct home *home, struct err *e);
/* True while `code` in the relationship has not returned what it holds of ours since the adoption. */
bool home_waits_for(struct home *home, const struct relationship_id *id, const char *code);
/* Before that: with nobody else to wait for, the marker forgets what has not been returned. Fails: ERR_DISK. */
MUST_USE bool home_will_go_on(struct home *home, const struct relationship_id *id, struct err *e);
/*
 * We go on in the relationship without what has not been returned, in a feed that was just begun for it. Inside the same
 * store_transact; home_mark follows.
 */
MUST_USE bool home_goes_on(struct home *home, const struct relationship_id *id, struct err *e);
/* A counterpart has returned it; when all have, the home is fine again. */
MUST_USE bool home_returned(struct home *home, const struct relationship_id *id, const char *code, struct err *e);
/*
 * Writes the marker after a commit that changed our own feeds. What is committed is said: a disk that does not take the
 * marker now is no failure, home_mark_covers writes it before any of it is sent. Fails: ERR_REFUSED (restored or copied).
 */
MUST_USE bool home_mark(struct home *home, struct err *e);
/*
 * Before `size` entries of a feed are handed out: when it is ours, the marker says so, and is written if it does not yet
 * (another process has said them, or the disk was full). Fails: ERR_DISK, ERR_REFUSED.
 */
MUST_USE bool home_mark_covers(struct home *home, const struct relationship_id *id, const struct key_public *log_key,
                               uint64_t size, struct err *e);

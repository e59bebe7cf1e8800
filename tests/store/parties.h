/*
 * parties - two or three parties for tests, each with its own store and keys, all from one seed.
 *
 * They have opened a relationship and are in step when parties_open returns. What they say stays with them until it is
 * carried. Whatever fails here fails the test that called it. Include after <cmocka.h>.
 */
#pragma once
#include "store/record.h"
#include "tests/testing.h"

enum { ACME, BOLT, CORD, SIDES_MAX };

struct parties;
struct side {
    struct parties *all;
    unsigned party;
    char code[CODE_BYTES_MAX + 1];
    char path[128]; /* of its database */
    struct world world;
    struct test_random random;
    struct store *store;
    struct signing_key *identity, *log, *receipt;
    struct certificate certificate;
    uint8_t note[CERTIFICATE_BYTES_MAX]; /* the certificate, signed */
    size_t note_bytes;
    struct author author;
};
struct parties {
    char folder[64];
    size_t count;
    struct relationship_id id;
    int64_t now_ms; /* one clock for all; it ticks when it is read */
    struct side sides[SIDES_MAX];
};

void parties_open(struct parties *p, size_t count, uint64_t seed);
/* Another relationship of the same parties in the same stores. Not to be closed. */
void parties_open_another(struct parties *another, const struct parties *p);
/* Only stores, keys and certificates; `nonce` (32 bytes) is what p->id is made of. Nobody knows of anybody yet. */
void parties_start(struct parties *p, size_t count, uint64_t seed, uint8_t *nonce);
void parties_close(struct parties *p);
/* Succeeds or fails the test with the sentence. */
void expect(bool is_fine, const struct err *e);

/* ---- saying ---- */

struct hash say(struct parties *p, unsigned us, const struct draft *draft);
/* Answers (accept ...) and says with what code it was refused. */
enum err_code answer_refused(struct parties *p, unsigned us, enum verb verb,
                             const struct hash *ref);
/* A body of one map, in room that the next call uses again. */
span body_of(struct body_field *fields, size_t count);
struct body_field text_of(const char *name, span value);
span note_of(const struct side *side);
struct hash propose_new(struct parties *p, unsigned us, const char *title);
/* `base` NULL: start. */
struct hash propose_on(struct parties *p, unsigned us, const struct hash *item,
                       const struct hash *base, const char *title);
/* accept, decline, withdraw, acknowledge, dispute, comment: whatever refers to an entry. */
struct hash answer(struct parties *p, unsigned us, enum verb verb, const struct hash *ref);
struct hash appoint(struct parties *p, unsigned us, const struct hash *item, const char *person);
struct hash report_progress(struct parties *p, unsigned us, const struct hash *item,
                            const struct hash *base, int64_t percent);
/* Writes what is due; how many. */
size_t seal_due(struct parties *p, unsigned us);

/* ---- carrying ---- */

#define LOT_MAX 256

/* Entries of one feed, copied: to be taken as they are, or spoiled first. Large: keep it off the stack. */
struct lot {
    struct key_public log_key;
    uint64_t from;
    size_t count;
    struct stored_entry entries[LOT_MAX];
    struct buffer headers[LOT_MAX], bodies[LOT_MAX]; /* what the entries point into */
    struct head head;
    bool has_proof;
    struct merkle_proof proof;
};
/* Entries from `from` up to (not including) `below` of `owner`'s feed as `at` holds it, under its newest head. */
struct lot *lot_copy(struct parties *p, unsigned owner, unsigned at, uint64_t from, uint64_t below);
/* Takes and folds in one transaction; what feed_take said, or ERR_NONE. */
enum err_code lot_take(struct parties *p, unsigned to, const struct lot *lot, uint64_t *taken);
/* The same through feed_take_any. */
enum err_code lot_take_any(struct parties *p, unsigned to, const struct lot *lot, bool *is_forked);
void lot_free(struct lot *lot);

/* Everything new of `owner`'s feed that `from` holds goes to `to`, which folds it and gives `from` a receipt. */
void carry(struct parties *p, unsigned owner, unsigned from, unsigned to);
/* The same below `size`, under a proof. */
void carry_upto(struct parties *p, unsigned owner, unsigned from, unsigned to, uint64_t size);
/* `from`'s own feed. */
void send(struct parties *p, unsigned from, unsigned to);
/* `by` signs for all of `owner`'s feed that it holds under a head; what feed_receipt_make said, or ERR_NONE. */
enum err_code receipt_make(struct parties *p, unsigned owner, unsigned by,
                           struct feed_receipt *out);
enum err_code receipt_take(struct parties *p, unsigned owner, unsigned at,
                           const struct feed_receipt *receipt);
/* Carries and seals until nobody has anything new for anybody. */
void settle(struct parties *p);

/*
 * `us` once more, in a fresh store that holds nothing but its certificate: `replica` is `p` with that store in its
 * place. What it takes comes from the others. Close it with replica_close, before `p`.
 */
void replica_open(struct parties *replica, const struct parties *p, unsigned us);
void replica_close(struct parties *replica, unsigned us);
/* BOLT, one of three, ran twice from one backup: ACME and CORD hear different things. Says where its feed parts. */
uint64_t fork_bolt(struct parties *p);

/* ---- a party that breaks the rules ---- */

/* The next header of a party's own feed, with an empty front and body: to be spoiled by the test. */
struct header next_header(struct parties *p, unsigned us, enum verb verb, const char *noun);
/* A row that names everything `us` has folded of `named`. */
void add_front(struct parties *p, struct header *h, unsigned us, unsigned named);
/* Appends a header whatever it says, signs, and folds as far as it goes. `body` NULL: one empty map. */
struct hash say_header(struct parties *p, unsigned us, struct header *h, const span *body);
struct hash say_leaf(struct parties *p, unsigned us, span leaf, const span *body);

/* ---- looking ---- */

struct feed feed_of(struct parties *p, unsigned us, unsigned owner);
struct hash state_digest(struct parties *p, unsigned us);
struct hash tables_digest(struct parties *p, unsigned us);
/* How a proposal stands in the view of its item; fails the test when it is not shown. */
enum standing standing_of(struct parties *p, unsigned us, const struct hash *item,
                          const struct hash *proposal);
/* Of an entry, as history shows it. */
enum effect effect_of(struct parties *p, unsigned us, const struct hash *entry);
size_t inbox_count(struct parties *p, unsigned us);
/* Findings of record_verify; the last is kept for the test to read. */
size_t verify_count(struct parties *p, unsigned us, struct finding *last);
void rebuild(struct parties *p, unsigned us);
/* Every side has the same state digest; everybody's tables are what a rebuild makes, and verify finds nothing. */
void assert_same_everywhere(struct parties *p);
void assert_hash_equal(const struct hash *a, const struct hash *b);

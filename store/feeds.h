/*
 * feeds - what each party has said: entries, tree, heads and receipts, on disk. Verifies before it believes.
 *
 * A feed is known by its log key. Storing judges bytes and signatures only; what the entries mean is record.h's business.
 * A feed number is party + 256 * (how many feeds of the party were here before it) + 65536 * branch; branch 0 is the one
 * we saw first. A successor feed (ordinal 1 and on, successors.c) makes itself known by its first entry.
 */
#pragma once
#include "crypto/note.h"
#include "protocol/fork.h"
#include "store/relationships.h"

struct feed {
    unsigned feed; /* number */
    unsigned party, ordinal, branch;
    struct key_public log_key;
    char origin[ORIGIN_BYTES_MAX + 1];
    struct merkle_edge edge;  /* edge.size is how many entries we hold */
    struct hash root;
    struct head head;         /* the newest signed head of what we hold; size 0: none. Only up to it can we serve others */
    uint64_t folded;          /* how many of them are folded into the record */
    uint64_t setup;           /* how many leading entries only set up: open, join, pair, charter */
    uint64_t items;           /* how many items the folded ones created */
    uint64_t branch_from;     /* branch > 0: index at which it leaves branch 0 */
    uint64_t broken_at;       /* index at which the feed is frozen for breaking the envelope, else UINT64_MAX */
    char broken_why[160];
    uint64_t fork_at;         /* first differing index of the earliest known fork, else UINT64_MAX */
    uint64_t contested_at;    /* first folded entry that rests on a fork, else UINT64_MAX: never named in a front of ours */
    uint64_t live_at;         /* first folded entry that all had countersigned this successor feed before, else UINT64_MAX; 0 of a party's first feed */
    uint64_t ends_at;         /* where a successor feed that is live goes on from it, else UINT64_MAX */
};
static inline bool feed_is_live(const struct feed *feed) { return feed->live_at != UINT64_MAX; }

/* An entry as it is stored and sent. `body.at == NULL` with len 0 and has_body false: erased or not here. */
struct stored_entry {
    span header;
    uint8_t salt[SALT_BYTES];
    bool has_body;
    span body;
};

struct feed_receipt {
    struct key_public receipt_key;
    unsigned party;
    struct receipt receipt;
};

/* Fails: ERR_MISSING when no party of the relationship has that log key. */
MUST_USE bool feed_load(struct store *store, const struct relationship_id *id, const struct key_public *log_key, unsigned branch, struct feed *out, struct err *e);
/* Our own newest feed, in which we go on. Fails: ERR_MISSING before the opening entry is here. */
MUST_USE bool feed_own(struct store *store, const struct relationship_id *id, struct feed *out, struct err *e);
/* Size and root of all our own feeds in all relationships, by rising relationship and log key. */
MUST_USE bool feeds_own_each(struct store *store, bool (*each)(void *self, const struct relationship_id *id, const struct key_public *log_key, uint64_t size, const struct hash *root), void *self, struct err *e);
/* Every feed we know of (also those of size 0), by log key then branch. */
MUST_USE bool feeds_each(struct store *store, const struct relationship_id *id, bool (*each)(void *self, const struct feed *feed), void *self, struct err *e);

/* Entries of a feed from `from` on, in order, until `each` returns false. The entry is valid during the call. */
MUST_USE bool feed_read(struct store *store, const struct relationship_id *id, unsigned feed, uint64_t from,
                        bool (*each)(void *self, uint64_t index, const struct stored_entry *entry), void *self, struct err *e);
/* By entry id: which feed and index. ERR_MISSING. */
MUST_USE bool feed_find(struct store *store, const struct relationship_id *id, const struct hash *entry, unsigned *feed, uint64_t *index, struct err *e);
/* The tree's complete subtrees, for proofs (crypto/merkle.h). `nodes` borrows `self`. */
struct feed_nodes {
    struct store *store;
    struct relationship_id id;
    unsigned feed;
    uint64_t branch_from;
};
/* Over a feed's tree; a branch shares the nodes below branch_from with branch 0. */
struct feed_nodes feed_nodes_of(struct store *store, const struct relationship_id *id, const struct feed *feed);
struct merkle_nodes feed_nodes(struct feed_nodes *self);
/* The newest stored head with size <= most. ERR_MISSING. */
MUST_USE bool feed_head_upto(struct store *store, const struct relationship_id *id, unsigned feed, uint64_t most, struct head *out, struct err *e);

/*
 * Takes in entries `from`, from + 1, ... of one feed under a signed head. Entries we hold already are skipped. `entries`
 * may stop below the head's size, then `proof` shows that they are the start of it. Nothing is stored unless all of it
 * verifies. Call inside store_transact; the fold (record_fold) follows in the same transaction.
 * `taken` says how many were new. Fails: ERR_MISSING (a gap: `from` is beyond what we hold), ERR_REFUSED (signature,
 * root, proof or body digest do not verify), ERR_CONFLICT (a valid head that is no continuation of ours: a fork),
 * ERR_LIMIT.
 */
struct batch {
    const struct key_public *log_key;
    unsigned branch;
    uint64_t from;
    const struct stored_entry *entries;
    size_t entry_count;
    const struct head *head;
    const struct merkle_proof *proof; /* consistency from + entry_count -> head; NULL when the batch reaches the head */
    const struct hash *root_at;       /* feed_take_any: of the first `from` entries: which branch it goes on; NULL: any */
};
MUST_USE bool feed_take(struct store *store, const struct relationship_id *id, const struct batch *batch, uint64_t *taken, struct err *e);

/* Appends one entry to our own feed without signing: the header is complete. Inside store_transact. */
MUST_USE bool feed_append(struct store *store, const struct relationship_id *id, struct feed *own, const struct stored_entry *entry, struct hash *entry_id, struct err *e);
/* Signs and stores one head over everything in our own feed. Inside the same transaction. */
MUST_USE bool feed_sign(struct store *store, const struct relationship_id *id, struct feed *own, const struct signing_key *log_key, struct err *e);

/*
 * Receipts. feed_receipt_make signs for `size` entries of a counterpart's feed (we hold them, head included) unless there
 * is one already, which is handed out byte for byte. Fails: ERR_TIME (our clock is more than RECEIPT_BACK_S behind the
 * last receipt of this key).
 */
MUST_USE bool feed_receipt_make(struct store *store, const struct relationship_id *id, const struct feed *feed, uint64_t size,
                                const struct signing_key *receipt_key, struct feed_receipt *out, struct err *e);
/* Verifies a receipt against our own tree and a receipt key the party is known by, and keeps the first per key and size. ERR_REFUSED, ERR_MISSING (beyond what we hold, or unknown key). */
MUST_USE bool feed_receipt_take(struct store *store, const struct relationship_id *id, const struct feed *feed, const struct feed_receipt *receipt, bool *is_new, struct err *e);
/* The newest receipt of each receipt key for a feed. */
MUST_USE bool feed_receipts_each(struct store *store, const struct relationship_id *id, unsigned feed, bool (*each)(void *self, const struct feed_receipt *r), void *self, struct err *e);

/*
 * Successors (successors.c). successor_begin makes room for the next feed of our own, certified by `note`; the entry that
 * begins it is appended next, in the same transaction. Fails: ERR_LIMIT (there were as many feeds as a party may have).
 */
MUST_USE bool successor_begin(struct store *store, const struct relationship_id *id, span note, unsigned *ordinal, struct err *e);
/* Another party's successor feed that we have not countersigned, or our own that others have not. */
struct successor {
    unsigned party, ordinal;
    struct key_public log_key;
    struct hash begins;   /* the id of the entry that begins it: what check words are made of, and what is countersigned */
    bool is_missing[PARTIES_MAX]; /* by party: has not countersigned it, as far as we know */
};
MUST_USE bool successors_each(struct store *store, const struct relationship_id *id, bool (*each)(void *self, const struct successor *successor), void *self, struct err *e);

/*
 * Forks (forks.c). feed_take_any is feed_take for a batch that begins anywhere in the common start of a feed and one of
 * its branches: entries we hold are compared, and where one differs a branch is opened, the fork proven and kept.
 * A feed that is not known yet is taken in when its first entry shows it to be a party's successor feed.
 * `branch` says where the entries went, `is_forked` that a fork has become known by it. batch->branch is not used.
 * Fails as feed_take does; ERR_MISSING also when it parts from a branch after that has left branch 0 (from further back
 * it has a place), and when as many branches as are kept of one feed are here already.
 */
MUST_USE bool feed_take_any(struct store *store, const struct relationship_id *id, const struct batch *batch, unsigned *branch,
                            uint64_t *taken, bool *is_forked, struct err *e);
/* The branch whose first `size` entries have this root. ERR_MISSING. */
MUST_USE bool feed_with_root(struct store *store, const struct relationship_id *id, const struct key_public *log_key, uint64_t size,
                             const struct hash *root, struct feed *out, struct err *e);
/* Checks and keeps a proof, freezes the feed there and folds the record anew. Inside store_transact. Fails: ERR_REFUSED. */
MUST_USE bool fork_keep(struct store *store, const struct relationship_id *id, const struct fork_proof *proof, bool *is_new, struct err *e);
MUST_USE bool forks_each(struct store *store, const struct relationship_id *id, bool (*each)(void *self, const struct fork_proof *proof), void *self, struct err *e);

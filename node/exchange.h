/*
 * exchange - who has what, between our store and one counterpart: what we show it, what we take from it.
 *
 * No sessions and no network: engine.c carries what this room makes and brings what it takes. Before we have confirmed a
 * counterpart only what sets a relationship up moves to it: open, join, pair and the charter.
 */
#pragma once
#include "node/home.h"
#include "protocol/messages.h"

/* A relationship we share with the holder of one transport key. */
struct shared {
    struct relationship_id id;
    char code[CODE_BYTES_MAX + 1]; /* the counterpart's */
    unsigned party;
    bool is_confirmed; /* by us: everything moves to it */
};
struct shared_list {
    size_t count;
    struct shared *shared; /* owned; free with shared_wipe */
};
MUST_USE bool exchange_shared(struct home *home, const struct key_public *transport, struct shared_list *out, struct err *e);
void shared_wipe(struct shared_list *list);
/* NULL when the relationship is not shared. */
const struct shared *shared_find(const struct shared_list *list, const struct relationship_id *id);

/* What we show a counterpart of one relationship. */
struct showing {
    struct summary summary;
    size_t row_count;
    struct feed_row rows[FEED_ROWS_MAX];
};
MUST_USE bool exchange_show(struct home *home, const struct shared *shared, struct showing *out, struct err *e);

/* What is left to do with one feed so that both hold the same. */
enum job_kind { JOB_PULL, JOB_PUSH };
struct job {
    enum job_kind kind;
    struct relationship_id id;
    struct key_public log_key;
    uint64_t from;       /* pull: the first entry we lack; push: the first they lack */
    uint64_t size;       /* pull: what they said they hold; push: our head */
    struct hash root;
};
#define JOBS_MAX (2 * FEED_ROWS_MAX)
/* Compares our showing with theirs. Pulls come first; pulls of receipts alone have from == size. */
MUST_USE bool exchange_plan(struct home *home, const struct shared *shared, const struct showing *ours,
                            const struct feed_row *theirs, size_t their_count, struct job *jobs, size_t *count, struct err *e);
/* What we have said since the counterpart's last receipt, as a push; `*has` false: nothing, or it never gave one. */
MUST_USE bool exchange_unreceipted(struct home *home, const struct shared *shared, struct job *out, bool *has, struct err *e);
/* Receipts we hold that are newer than their marks, for feeds they hold as far; at most `most`. */
MUST_USE bool exchange_receipts(struct home *home, const struct shared *shared, const struct feed_row *theirs, size_t their_count,
                                struct message_receipt *out, size_t most, size_t *count, struct err *e);

#define EXCHANGE_BATCH_BYTES (BATCH_BYTES_MAX - 65536) /* before packing */
#define EXCHANGE_PACKED_BYTES (FRAME_BYTES_MAX - 65536) /* after: leaves room for the rest of the frame */
/* A batch of one feed from `from` on: at most `most` entries and `bytes_most` bytes before packing. The batch's spans
 * point into `scratch`. `branch_*`: the branch whose first size entries have root; size 0: the one we show. */
struct batch_request {
    const struct shared *shared;
    const struct key_public *log_key;
    uint64_t from, most, size;
    const struct hash *root;
    size_t bytes_most;
};
struct batch_scratch {
    struct buffer raw, packed;
};
void batch_scratch_wipe(struct batch_scratch *scratch);
/* Fails: ERR_MISSING (no such feed or branch here, or nothing to show). */
MUST_USE bool exchange_batch(struct home *home, const struct batch_request *request, struct batch_scratch *scratch,
                             struct message_batch *out, size_t *entry_count, struct err *e);

/* What taking a batch did. */
struct taken {
    uint64_t entries;          /* new ones */
    uint64_t held;             /* of the feed now */
    bool is_wanted;            /* it does not continue what we hold: send again from `want_from` */
    uint64_t want_from;
    bool is_forked;            /* a fork has become known */
    bool is_own;               /* our own feed came back */
    size_t receipt_count;      /* receipts we made for it: 0 or 1 */
    struct message_receipt receipt;
    struct err no_receipt;     /* ERR_TIME: our clock is behind, so there is none; the entries are here all the same */
};
/*
 * Verifies, stores, folds and receipts, in one transaction. To a counterpart that is not confirmed every feed but its own is
 * as long as what we show of it, and has no receipt. Fails: ERR_REFUSED, ERR_MALFORMED, ERR_LIMIT, ERR_DISK ...
 */
MUST_USE bool exchange_take(struct home *home, const struct shared *shared, const struct message_batch *batch,
                            struct batch_scratch *scratch, struct taken *out, struct err *e);
/*
 * Makes the receipts still owed in a relationship: what came while we could sign none (a restored home, a clock that was
 * behind) gets them late. `is_behind` (may be NULL): the clock still is, and they stay owed. Fails: ERR_DISK ...
 */
MUST_USE bool exchange_owed_receipts(struct home *home, const struct relationship_id *id, bool *is_behind, struct err *e);
/* Keeps what verifies of receipts; others are passed over. `new_count` may be NULL. */
MUST_USE bool exchange_take_receipts(struct home *home, const struct shared_list *list, const struct message_receipt *receipts,
                                     size_t count, size_t *new_count, struct err *e);
/* Keeps a fork's proof that a counterpart sent. */
MUST_USE bool exchange_take_fork(struct home *home, const struct shared *shared, span proof, bool *is_new, struct err *e);
/* Encoded proofs of the forks we know of; spans point into `scratch`. */
MUST_USE bool exchange_forks(struct home *home, const struct shared *shared, struct buffer *scratch, span forks[FORKS_MAX],
                             size_t *count, struct err *e);

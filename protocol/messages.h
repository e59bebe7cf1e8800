/*
 * messages - what two nodes say to each other inside a sealed frame. Bytes: FORMAT.md section 8.
 *
 * A request and its answer are canonical msgpack arrays that begin with the same number (enum message_kind), followed by
 * the receipts that ride along, then what is named below. Requests are idempotent: a repeated one changes nothing.
 * Reading is strict and bounded; spans point into the bytes read.
 */
#pragma once
#include "protocol/fork.h"
#include "protocol/reader.h"

#define MESSAGE_VERSION 1
#define RECEIPTS_MAX 256      /* riding along with one message */
#define FEED_ROWS_MAX FEEDS_MAX
#define FORKS_MAX 8           /* proofs in one answer */
#define NEWS_MAX 8            /* batches riding in one answer to a watch */

/*
 *                  request                                        answer
 *     frontier     version, clock in ms, [summary ...]            version, clock in ms, [detail ...] for those shared
 *     pull         pull                                           status, batch or nil
 *     push         batch                                          status, entries held, the answerer's summary or nil
 *     watch        [summary as last heard ...]                    [summary ...], [detail ...], [batch ...]: what is new
 *     commit       relationship, commitment 32                    nonce 32
 *     reveal       relationship, nonce 32                         status
 */
enum message_kind {
    MESSAGE_FRONTIER = 1, /* hello and who has what */
    MESSAGE_PULL = 2,
    MESSAGE_PUSH = 3,
    MESSAGE_WATCH = 4,
    MESSAGE_COMMIT = 5,   /* check words: the joiner's commitment, answered by the inviter's nonce */
    MESSAGE_REVEAL = 6,   /* the joiner's nonce */
};
enum message_side { MESSAGE_REQUEST, MESSAGE_ANSWER };
enum message_status {
    STATUS_DONE = 0,
    STATUS_WANTED = 1,  /* a push does not continue what is held: send again from the number given */
    STATUS_UNKNOWN = 2, /* no such feed here, or nothing to show of it */
};

/*
 * Why a listener refuses an invitation that is proven, or no longer shares a relationship: said in the answer to the
 * handshake's last message, whose plaintext is else empty. [[relationship, why] ...]
 */
#define REFUSALS_MAX 64
enum refusal_why {
    REFUSAL_NONE = 0,
    REFUSAL_VOIDED = 1,  /* a later invitation has replaced it */
    REFUSAL_EXPIRED = 2,
    REFUSAL_USED = 3,    /* by another identity */
};
struct refusal {
    struct relationship_id relationship;
    enum refusal_why why;
};
void refusals_write(struct sink *out, const struct refusal *refusals, size_t count);
/* An empty plaintext is none. Fails: ERR_MALFORMED, ERR_LIMIT. */
MUST_USE bool refusals_read(span plain, struct refusal out[REFUSALS_MAX], size_t *count, struct err *e);

/* [relationship, log key, receipt key, size, time in s, signature] */
struct message_receipt {
    struct relationship_id relationship;
    struct key_public log_key, receipt_key;
    uint64_t size, time_s;
    struct signature signature;
};

/* One relationship in short: [relationship, digest over its feeds, sizes, roots and receipts, state digest] */
struct summary {
    struct relationship_id relationship;
    struct hash digest, state;
};

/* One feed as a node holds it: [log key, size, root, [[receipt key, size] ...]] */
struct receipt_mark {
    struct key_public receipt_key;
    uint64_t size;
};
struct feed_row {
    struct key_public log_key;
    uint64_t size;
    struct hash root;
    size_t mark_count;
    struct receipt_mark marks[2 * PARTIES_MAX];
};

/* What is said of one relationship in answer to a summary: [relationship, is_same] or [relationship, false, state, [feed row ...], [fork ...]] */
struct detail {
    struct relationship_id relationship;
    bool is_same;
    struct hash state;
    size_t row_count;
    struct feed_row *rows; /* room for FEED_ROWS_MAX; the caller's */
    size_t fork_count;
    span forks[FORKS_MAX]; /* encoded proofs */
};

/*
 * Entries of one feed: [relationship, log key, from, root of the first `from`, size, root, signature, proof,
 * unpacked bytes (0: not packed), entries]. `entries`, unpacked, is a run of [header, salt, body or nil].
 */
struct message_batch {
    struct relationship_id relationship;
    struct key_public log_key;
    uint64_t from;
    struct hash root_at;
    struct head head;
    struct merkle_proof proof;
    uint64_t unpacked_bytes;
    span entries;
};

/* [relationship, log key, from, size, root, most]; which branch: the one whose first `size` entries have `root` */
struct message_pull {
    struct relationship_id relationship;
    struct key_public log_key;
    uint64_t from;       /* the first entry wanted */
    uint64_t size;       /* what the other said it holds */
    struct hash root;
    uint64_t most;       /* entries */
};

struct message_head { /* every message */
    enum message_kind kind;
    size_t receipt_count;
    struct message_receipt receipts[RECEIPTS_MAX];
};

/* Writes kind and receipts of an array with `fields` more fields. */
void message_start(struct sink *out, enum message_kind kind, const struct message_receipt *receipts, size_t receipt_count, size_t fields);
/*
 * Reads them of an array with as many more fields as that kind of request or answer has. After a failure `out` holds nothing
 * of use: it is large, and this is read for every frame. Fails: ERR_MALFORMED, ERR_LIMIT, ERR_REFUSED (an unknown kind).
 */
MUST_USE bool message_open(struct reader *r, enum message_side side, struct message_head *out, struct err *e);

void summary_write(struct sink *out, const struct summary *summary);
MUST_USE bool summary_read(struct reader *r, struct summary *out, struct err *e);
void detail_write(struct sink *out, const struct detail *detail);
/* After a failure `out` and its rows hold nothing of use. */
MUST_USE bool detail_read(struct reader *r, struct detail *out, struct err *e);
void batch_write(struct sink *out, const struct message_batch *batch);
MUST_USE bool batch_read(struct reader *r, struct message_batch *out, struct err *e);
void pull_write(struct sink *out, const struct message_pull *pull);
MUST_USE bool pull_read(struct reader *r, struct message_pull *out, struct err *e);
/* One entry in a batch. `has_body` false writes nil. */
void batch_entry_write(struct sink *out, span header, const uint8_t salt[SALT_BYTES], bool has_body, span body);
MUST_USE bool batch_entry_read(struct reader *r, span *header, uint8_t salt[SALT_BYTES], bool *has_body, span *body, struct err *e);

/* Digest over the rows of one relationship as one node shows them to another: rows by rising log key then size, marks by rising key. */
struct hash rows_digest(const struct relationship_id *relationship, const struct feed_row *rows, size_t row_count);

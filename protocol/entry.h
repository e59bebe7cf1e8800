/*
 * entry - one thing said: a header (the leaf of the Merkle tree) and a body. Bytes: FORMAT.md sections 2 to 4.
 *
 * Header, canonical msgpack, an array of fifteen:
 *     0 format version (1)            8 verb, text
 *     1 relationship, 16 bytes        9 noun, text
 *     2 author's log key, 32         10 items: [[item 0|32, base 0|32] ...]  empty item: created here; empty base: start
 *     3 index in the feed            11 ref: the entry it is about, 0|32 bytes
 *     4 front: [[log key, size, root] ...] by rising log key, only feeds that changed since the author's last entry
 *     5 claimed time, ms UTC         12 words a seal lists: [[log key, index, leaf] ...]
 *     6 person, text                 13 body digest, 32
 *     7 role, text                   14 body size in bytes
 * Fields 0 to 4 and the last two keep their layout in all versions; of a newer version only they are read (there may be
 * more or fewer between them), so that its bodies can be checked and forwarded too.
 *
 * Body: an array of maps, one for each item (one map when there is no item), text keys in rising order, values text or
 * integer. Body digest: H("counterpart/v1/body" ‖ 00 ‖ salt ‖ body). The entry's id is its leaf hash, H(00 ‖ header).
 */
#pragma once
#include "crypto/keys.h"
#include "crypto/merkle.h"
#include "protocol/limits.h"
#include "protocol/reader.h"

#define FORMAT_VERSION 1

struct relationship_id {
    uint8_t bytes[16];
};
static inline span relationship_span(const struct relationship_id *r) { return (span){r->bytes, sizeof r->bytes}; }

/* Verbs this version knows; VERB_UNKNOWN is kept, chained, forwarded and shown as "needs a newer version". */
enum verb {
    VERB_UNKNOWN,
    VERB_OPEN,
    VERB_JOIN,
    VERB_PAIR,
    VERB_PROPOSE,
    VERB_ACCEPT,
    VERB_DECLINE,
    VERB_WITHDRAW,
    VERB_STATE,
    VERB_ACKNOWLEDGE,
    VERB_DISPUTE,
    VERB_COMMENT,
    VERB_SEAL,
    VERB_SUCCEED,
};
const char *verb_word(enum verb verb); /* "propose"; NULL for VERB_UNKNOWN */
enum verb verb_of(span word);

struct front_row {
    struct key_public log_key;
    uint64_t size; /* entries of that feed which the author had folded; 1 to FEED_ENTRIES_MAX */
    struct hash root;
};
struct item_base {
    bool is_new;      /* created by this entry: `item` is zero in the bytes, filled in by header_item */
    bool from_start;  /* base is "start": `base` is zero */
    struct hash item; /* id of the entry that created the item */
    struct hash base; /* id of the agreed revision it builds on */
};
struct seal_word {
    struct key_public log_key;
    uint64_t index;
    struct hash leaf;
};

struct header {
    uint64_t version;
    struct relationship_id relationship;
    struct key_public log_key;
    uint64_t index;
    size_t front_count;
    struct front_row front[FRONT_MAX];
    /* what follows, but for the body's digest and size, is only read when version == FORMAT_VERSION */
    uint64_t time_ms;
    span person, role, verb_text, noun; /* point into the bytes read */
    enum verb verb;
    size_t item_count;
    struct item_base items[ITEMS_MAX];
    bool has_ref;
    struct hash ref;
    size_t word_count;
    struct seal_word words[PARTIES_MAX];
    struct hash body_digest;
    uint64_t body_bytes;
};

/*
 * Writes the header's bytes; sink.full when they are more than HEADER_BYTES_MAX. `verb_text` is what is written. What
 * header_read would refuse (rows out of order, a number above its limit) is the caller's to avoid.
 */
void header_write(struct sink *out, const struct header *header);
/*
 * Reads strictly. A newer version succeeds with the first five fields and the last two (the rest empty). Rows and items
 * above their counts are not cleared, and after a failure `out` holds nothing of use: this is read for every entry.
 * Fails: ERR_MALFORMED (version 0 too), ERR_LIMIT.
 */
MUST_USE bool header_read(span bytes, struct header *out, struct err *e);
static inline bool header_is_newer(const struct header *h) { return h->version > FORMAT_VERSION; }

/*
 * The id of the n-th item of a header whose entry id is `entry`: as written, or for a created one the entry's id (the
 * first created), H("counterpart/v1/item" ‖ 00 ‖ entry ‖ n as u64 be) for the second (n = 1) and later created ones,
 * n counting created items only.
 */
struct hash header_item(const struct header *header, const struct hash *entry, size_t n);

struct hash body_digest(const uint8_t salt[SALT_BYTES], span body);

/* One value of a body. */
struct value {
    bool is_text;
    span text; /* points into the body */
    int64_t number;
};
struct body_field {
    span name;
    struct value value;
};
/*
 * Checks the whole body, then gives map number `ordinal` in `fields` (room for FIELDS_MAX).
 * Fails: ERR_MALFORMED, ERR_LIMIT, ERR_MISSING (fewer maps).
 */
MUST_USE bool body_read(span body, size_t ordinal, struct body_field *fields, size_t *count, struct err *e);
/* NULL when absent. */
const struct value *body_find(const struct body_field *fields, size_t count, const char *name);
/* Starts a body of `map_count` maps; then body_map for each. */
void body_start(struct sink *out, size_t map_count);
/* Sorts the fields by name (in place) and writes one map. At most FIELDS_MAX, no name twice: must(). */
void body_map(struct sink *out, struct body_field *fields, size_t count);

/* First 16 bytes of H("counterpart/v1/relationship" ‖ 00 ‖ opener's identity key ‖ nonce); the nonce stands in `open`. */
struct relationship_id relationship_id_of(const struct key_public *opener, const uint8_t nonce[32]);
/* DOMAIN/counterpart/RELATIONSHIP/FEED; FEED is 64 hex digits of SHA-256(log key). Needs ORIGIN_BYTES_MAX + 1. */
const char *origin_write(const char *domain, const struct relationship_id *relationship, const struct key_public *log_key,
                         char *out, size_t cap);
bool code_is_valid(span code);     /* 2 to CODE_BYTES_MAX of A-Z 0-9, a letter first */
bool domain_is_valid(span domain); /* a-z 0-9 - . as in host names, at least one dot, at most DOMAIN_BYTES_MAX */
bool name_is_valid(span name);     /* a line of 1 to NAME_BYTES_MAX bytes */
bool line_is_valid(span text);     /* not empty, UTF-8, no control characters (U+0000-U+001F U+007F-U+009F) */

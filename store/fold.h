/*
 * fold - one relationship's record while entries are being folded into it. Not for other floors: see record.h.
 *
 * A fold is loaded, used and saved inside one transaction; nothing of it survives, so that another process's appends are
 * always seen.
 */
#pragma once
#include "crypto/lthash.h"
#include "store/database.h"
#include "store/record.h"

#include <limits.h>

struct fold_feed {
    struct feed feed;
    uint64_t seen[FEEDS_MAX]; /* of each other feed's slot, how many entries its folded entries have named */
    bool is_changed;
};

struct fold {
    struct store *store;
    struct relationship_id id;
    bool is_open_known;
    unsigned our_party, party_count;
    char codes[PARTIES_MAX][CODE_BYTES_MAX + 1];
    struct lthash sum;
    bool is_sum_changed;
    size_t feed_count;
    struct fold_feed *feeds[FEEDS_MAX];
    bool is_out_of_memory;
    bool is_outlived;   /* what was folded of a feed goes beyond where it has now turned out to end: fold anew */

    /* the entry being folded */
    struct fold_feed *at;
    uint64_t index;
    struct hash entry;
    const struct header *header; /* NULL between entries */
    span body;
    uint64_t items_before; /* of the author's, when this entry began */
    size_t created;
    bool is_own_word;      /* the entry is a proposal, and its author's word on it is recorded */
    enum effect effect; /* what became of the entry folded last */
};

MUST_USE bool fold_load(struct fold **out, struct store *store, const struct relationship_id *id, struct err *e);
MUST_USE bool fold_save(struct fold *fold, struct err *e);
void fold_free(struct fold *fold);
OWNABLE(struct fold *, fold_free)
/* Folds everything foldable. */
MUST_USE bool fold_run(struct fold *fold, struct err *e);
/* The slot of our own feed (as feed_own), or NULL. */
struct fold_feed *fold_own(struct fold *fold);
/* Would our next entry have effect? Not as long as our successor feed lacks a countersignature that we may name. */
MUST_USE bool fold_may_go_on(struct fold *fold, const struct fold_feed *own, bool *out, struct err *e);
/* What a feed's author has folded when its next entry is signed, as a past. */
void fold_past(const struct fold *fold, const struct fold_feed *feed, struct past *out);
/* As fold_past, but with everything we have folded: the past of the next entry of our own. */
void fold_past_now(const struct fold *fold, struct past *out);
/* How many of a feed's entries a front of ours may name: nothing that a fork contests, for it would contest ours. */
uint64_t fold_nameable(const struct feed *feed);
/*
 * How many entries of each feed our next entry, in `own`, is to name; what it has named already included. A successor feed that
 * is not live yet stays out (0): whoever names it lets others wait for it, and shares its forks. It is named once its number is
 * `begun`, for our entry countersigns it, or when we rest on it: it countersigns ours, or whom we name has named it.
 */
#define FEED_NONE UINT_MAX
MUST_USE bool fold_front(struct fold *fold, const struct fold_feed *own, unsigned begun, uint64_t sizes[FEEDS_MAX], struct err *e);
uint64_t fold_position(const struct feed *feed, uint64_t index);

/* The rules' look-ups over SQL (facts.c). `self` is the fold. */
struct facts fold_facts(struct fold *fold);

/* Typed item tables (tables.c). */
MUST_USE bool tables_put(struct store *store, const struct relationship_id *id, const struct noun *noun, enum field_kind kind,
                         const struct hash *item, const char *reference, const struct hash *entry,
                         const struct body_field *fields, size_t field_count, struct err *e);
MUST_USE bool tables_clear(struct store *store, const struct relationship_id *id, struct err *e);
/* Calls back with every row of every typed table, as bytes. */
MUST_USE bool tables_dump(struct store *store, const struct relationship_id *id, bool (*each)(void *self, span row), void *self,
                          struct err *e);

/*
 * record - the fold of entries into items, and how people read it.
 *
 * Every entry is judged on its own causal past by protocol/agreement.h; facts of headers decide, bodies are shown.
 */
#pragma once
#include "protocol/agreement.h"
#include "protocol/vocabulary.h"
#include "store/feeds.h"

/* Folds everything that has become foldable. Inside store_transact. Cost grows with what is new. */
MUST_USE bool record_fold(struct store *store, const struct relationship_id *id, struct err *e);
/* Makes the item tables of one relationship anew from its entries. Inside store_transact. */
MUST_USE bool record_rebuild(struct store *store, const struct relationship_id *id, struct err *e);
/* Digest of the item tables' whole contents, byte for byte, for showing that a rebuild changed nothing. */
MUST_USE bool record_tables_digest(struct store *store, const struct relationship_id *id, struct hash *out, struct err *e);

/* What a person says next: an entry before it has a place in the feed. */
struct draft {
    enum verb verb;
    const char *noun;
    size_t item_count;
    struct item_base items[ITEMS_MAX];
    bool has_ref;
    struct hash ref;
    span body; /* canonical, see entry.h */
};
struct author {
    const char *person, *role;
    const struct signing_key *log_key;
};
/*
 * Appends drafts to our own feed, with due seals first, signs one head and folds, in one transaction. `ids` (room for
 * draft_count) gets the entries' ids. Also refuses, before anything is written, what would have no effect:
 * ERR_CONFLICT with the reason in words. With draft_count 0 it writes the due seals only (none due: nothing is written).
 * `seals` (may be NULL) counts the seals written. Fails: ERR_REFUSED (our own feed is frozen by a fork).
 */
MUST_USE bool record_append(struct store *store, const struct relationship_id *id, const struct author *author,
                            const struct draft *drafts, size_t draft_count, struct hash *ids, size_t *seals, struct err *e);

/* ---- reading ---- */

struct offer {
    struct hash proposal;
    unsigned party;
    int64_t time_ms;
    char person[PERSON_BYTES_MAX + 1];
    enum standing standing;
    bool from_start;
    struct hash base;
    size_t field_count;                       /* its terms for this item; 0 when the body is not here */
    struct body_field fields[FIELDS_MAX];     /* point into the view's buffer */
};
struct item_view {
    struct relationship_id relationship;
    struct hash item;
    char ref[CODE_BYTES_MAX + 24]; /* CODE-n */
    const struct noun *noun;       /* NULL: of a newer version */
    char noun_text[NOUN_BYTES_MAX + 1];
    unsigned party;                /* who created it */
    bool has_terms;                /* something is agreed */
    struct hash revision;          /* the agreed proposal */
    enum standing standing;        /* of the item: agreed when something is, else of its furthest offer */
    bool is_statement;             /* it has no terms: a statement of its own (see statements) */
    bool needs_newer;              /* an entry of a newer version touches it: read only */
    size_t term_count;
    struct body_field terms[FIELDS_MAX];
    size_t progress_count;         /* the newest statement's fields */
    struct body_field progress[FIELDS_MAX];
    bool has_statement;
    struct hash statement;         /* the newest statement */
    unsigned statement_party;
    int64_t statement_ms;
    enum statement_word statement_words[PARTIES_MAX]; /* 0: none */
    size_t offer_count;            /* on the agreed revision and on the one before it, oldest first */
    struct offer *offers;          /* valid as long as the view */
    struct buffer text;            /* owns what the fields point into */
};
void item_view_wipe(struct item_view *view);

/* `noun` NULL: every noun. In order of reference (party, number). The view is wiped after each call. */
MUST_USE bool items_each(struct store *store, const struct relationship_id *id, const char *noun,
                         bool (*each)(void *self, struct item_view *view), void *self, struct err *e);
MUST_USE bool item_load(struct store *store, const struct relationship_id *id, const struct hash *item, struct item_view *out, struct err *e);

/*
 * Finds what a person typed: CODE-n, or the first hex digits (4 or more) of an item, a proposal or any entry.
 * `id` NULL searches all relationships. `proposal` is set (and *is_proposal) when the text named a proposal, `entry` always.
 * Fails: ERR_MISSING, ERR_CONFLICT (ambiguous: says between which).
 */
struct reference {
    struct relationship_id relationship;
    struct hash item;
    struct hash entry;   /* the proposal, statement or other entry named; the item's creator when a reference named it */
    bool is_entry;       /* an entry id was typed rather than CODE-n */
};
MUST_USE bool reference_find(struct store *store, const struct relationship_id *id, span typed, struct reference *out, struct err *e);

/* What needs our word, oldest first. */
enum need { NEED_WORD_ON_OFFER, NEED_WORD_ON_STATEMENT, NEED_ANSWER_TO_DISPUTE };
struct waiting {
    enum need need;
    struct hash item, entry; /* the proposal or the statement */
    char ref[CODE_BYTES_MAX + 24];
    char noun[NOUN_BYTES_MAX + 1];
    unsigned party; /* who waits for us */
    int64_t time_ms;
};
MUST_USE bool inbox_each(struct store *store, const struct relationship_id *id, bool (*each)(void *self, const struct waiting *w), void *self, struct err *e);

/* Every entry that touches an item (or, `item` NULL, all of the relationship), in a causal order, oldest first. */
struct history_line {
    struct hash entry;
    unsigned feed, party;
    uint64_t index;
    int64_t time_ms;
    char person[PERSON_BYTES_MAX + 1], role[ROLE_BYTES_MAX + 1];
    char verb[VERB_BYTES_MAX + 1], noun[NOUN_BYTES_MAX + 1];
    bool has_ref;
    struct hash ref;
    enum effect effect;
    bool is_waiting; /* its front is not met yet */
    bool sealed_something; /* an agreement came into force by it */
    size_t field_count;
    struct body_field fields[FIELDS_MAX]; /* of the item asked for, or the first map */
};
MUST_USE bool history_each(struct store *store, const struct relationship_id *id, const struct hash *item,
                           bool (*each)(void *self, const struct history_line *line), void *self, struct err *e);

/* ---- proving ---- */

/* One thing verify found wrong: where, and what. */
struct finding {
    char where[160]; /* "ACME's feed, entry 41, header" */
    char what[160];
};
/*
 * Recomputes everything from bytes: leaves, trees, heads, receipts, body digests, fronts, and folds anew beside the item
 * tables. Calls `found` for each finding; `entries` counts what was checked. True when it could look at everything.
 */
MUST_USE bool record_verify(struct store *store, const struct relationship_id *id, void (*found)(void *self, const struct finding *finding),
                            void *self, uint64_t *entries, struct err *e);

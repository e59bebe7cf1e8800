/*
 * work - what a person asks of a node: one call, one transaction, then the marker. Used by the command line and, later, by
 * the console. Nothing here touches the network.
 *
 * Every call needs a home that may work (home_may_work). Fails, besides what is named: ERR_MISSING (no such thing),
 * ERR_USAGE (a field that does not fit: says what would), ERR_CONFLICT (it would have no effect: says why), ERR_DISK.
 */
#pragma once
#include "node/home.h"

struct asker {
    const char *person, *role; /* who acts: stands in the header */
};

/* Who says what no person said: seals, and what pairing writes by itself. */
#define ASKER_NODE ((struct asker){.person = "node", .role = "system"})
#define SETUP_NOUN "relationship" /* the noun of open, join and pair, which are about no item */

/* Opens a relationship with the parties' codes, ours first. Fails: ERR_LIMIT (2 to 16 parties), ERR_USAGE. */
MUST_USE bool work_open(struct home *home, const struct asker *asker, const char *title, const char *const *codes, size_t code_count,
                        struct relationship_id *out, struct err *e);

/*
 * A new item (item NULL) or new terms for one: the fields given change (an empty value takes one out), the others are
 * carried over from the agreed terms, or, before any agreement, from our own open offer, else the oldest open one.
 */
MUST_USE bool work_propose(struct home *home, const struct asker *asker, const struct relationship_id *id, const struct noun *noun,
                           const struct hash *item, const struct body_field *fields, size_t field_count, struct hash *proposal, struct err *e);
/* Several new items of one noun, each its own proposal, in one commit (import). `fields` are `count` lists. */
struct row {
    struct body_field *fields;
    size_t field_count;
};
MUST_USE bool work_propose_many(struct home *home, const struct asker *asker, const struct relationship_id *id, const struct noun *noun,
                                const struct row *rows, size_t row_count, struct hash *proposals, struct err *e);
/* VERB_ACCEPT, VERB_DECLINE, VERB_WITHDRAW, VERB_ACKNOWLEDGE, VERB_DISPUTE on a proposal or statement; `noun` is what the item is. A reason is required to decline
   and to dispute, and is otherwise empty. */
MUST_USE bool work_word(struct home *home, const struct asker *asker, const struct relationship_id *id, enum verb verb,
                        const struct hash *entry, const char *noun, span reason, struct hash *out, struct err *e);
/*
 * A statement on an item, or of its own (item NULL). The fields given change (an empty value takes one out), the others
 * are carried over from our newest statement on it. Fails: ERR_REFUSED (not ours to state, or nothing agreed yet).
 */
MUST_USE bool work_state(struct home *home, const struct asker *asker, const struct relationship_id *id, const struct noun *noun,
                         const struct hash *item, const struct body_field *fields, size_t field_count, struct hash *out, struct err *e);
MUST_USE bool work_comment(struct home *home, const struct asker *asker, const struct relationship_id *id, const struct hash *entry,
                           span text, struct hash *out, struct err *e);
/*
 * For pairing.h and succession.h, inside their own store_transact and without the marker: a `join`, `pair` or `succeed` with
 * its verb's fields, about an entry or NULL, and a proposal as work_propose makes it.
 */
MUST_USE bool work_setup_inside(struct home *home, const struct asker *asker, const struct relationship_id *id, enum verb verb,
                                const struct hash *about, struct body_field *fields, size_t field_count, struct err *e);
MUST_USE bool work_propose_inside(struct home *home, const struct asker *asker, const struct relationship_id *id,
                                  const struct noun *noun, const struct hash *item, const struct body_field *fields,
                                  size_t field_count, struct hash *proposal, struct err *e);
/* Writes the seals that are due in every relationship. `seals` counts them. Quietly nothing when the home may not sign. */
MUST_USE bool work_seal(struct home *home, size_t *seals, struct err *e);

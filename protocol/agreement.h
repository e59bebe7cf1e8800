/*
 * agreement - the rules R0 to R7 and R9 by which a proposal becomes agreed. Pure: no disk, no clock.
 *
 * Source: RECORD.md section 4 and tests/model/agreement_model.py, whose incremental engine this is. What was folded
 * before is looked up, and what follows is recorded, through a table of functions: the store gives SQL, tests and the
 * auditor's checker give arrays. Every entry is judged on its own causal past, so the order of arrival never matters,
 * and one call costs O(log n) look-ups however long the history is.
 *
 * A position counts a party's entries: (feed ordinal << 40) + index, so that a successor feed goes on above its old one.
 */
#pragma once
#include "crypto/hash.h"
#include "protocol/entry.h"
#include "protocol/limits.h"

#define POSITION_NONE UINT64_MAX
#define POSITION_ORDINAL_SHIFT 40

/* The causal past of an entry: for each party, every position below this one. For the author: its own position. */
struct past {
    uint64_t below[PARTIES_MAX];
};

enum word_kind { WORD_FOR = 1, WORD_NO = 2 };
struct word {
    enum word_kind kind;
    uint64_t given; /* position in the speaker's feed */
    uint64_t left;  /* where it was left (withdrawn, taken back, or another stand taken), else POSITION_NONE */
};
struct change {
    struct hash item;
    struct hash base; /* all zero: start */
};
struct proposal {
    unsigned party;    /* the proposer */
    uint64_t position; /* in the proposer's feed */
    uint64_t sealed;   /* position of the sealing entry in the proposer's feed, else POSITION_NONE */
    size_t change_count;
    struct change changes[ITEMS_MAX];
};
struct statement {
    unsigned party;
    uint64_t position;
};
enum statement_word { STATEMENT_ACKNOWLEDGED = 1, STATEMENT_DISPUTED = 2, STATEMENT_NO_WORD = 3 /* dispute withdrawn */ };

/* A proposal that was sealed, as the record of one (item, base). */
struct revision {
    struct hash proposal;
    unsigned party;  /* whose seal */
    uint64_t sealed; /* position of the sealing entry */
    struct hash base;
};

enum found { FOUND, ABSENT, FOUND_FAILED /* err is set */ };

/* Look-ups and records over what has been folded, in one relationship. `self` goes in as it is. */
struct facts {
    void *self;
    unsigned party_count;
    enum found (*proposal)(void *self, const struct hash *id, struct proposal *out, struct err *e);
    enum found (*word)(void *self, const struct hash *proposal, unsigned party, struct word *out, struct err *e);
    /* The proposal `party` is FOR on (item, base) at the end of its own feed, sealed ones included. */
    enum found (*stand)(void *self, unsigned party, const struct change *on, struct hash *proposal, struct err *e);
    /* The sealed revision of `item` that is `proposal` itself. */
    enum found (*revision)(void *self, const struct hash *item, const struct hash *proposal, struct revision *out, struct err *e);
    /* The sealed revision of `item` that builds on `base`. */
    enum found (*successor)(void *self, const struct change *on, struct revision *out, struct err *e);
    /* Where an item was created, by an entry that had effect: the author's party and position. */
    enum found (*item)(void *self, const struct hash *item, unsigned *party, uint64_t *position, struct err *e);
    /* Any gate of `proposer` waiting for `gate_party` with a position below `below`. */
    enum found (*due)(void *self, unsigned proposer, unsigned gate_party, uint64_t below, struct hash *proposal, struct err *e);
    enum found (*statement)(void *self, const struct hash *id, struct statement *out, struct err *e);
    enum found (*statement_word)(void *self, const struct hash *statement, unsigned party, enum statement_word *out, struct err *e);

    bool (*add_item)(void *self, const struct hash *item, unsigned party, uint64_t position, struct err *e);
    bool (*add_proposal)(void *self, const struct hash *id, const struct proposal *proposal, struct err *e);
    bool (*put_word)(void *self, const struct hash *proposal, unsigned party, const struct word *word, const struct hash *entry, struct err *e);
    /* `proposal` NULL clears the stand. */
    bool (*put_stand)(void *self, unsigned party, const struct change *on, const struct hash *proposal, struct err *e);
    /* Records that `proposal` is agreed, and with it one revision for each of its changes, from `position` of its proposer's feed on, by `entry`. */
    bool (*seal)(void *self, const struct hash *id, const struct proposal *proposal, uint64_t position, const struct hash *entry, struct err *e);
    /* One gate a proposal; put replaces. */
    bool (*put_due)(void *self, unsigned proposer, const struct hash *proposal, unsigned gate_party, uint64_t gate_position, struct err *e);
    bool (*drop_due)(void *self, unsigned proposer, const struct hash *proposal, struct err *e);
    bool (*add_statement)(void *self, const struct hash *id, const struct statement *statement, struct err *e);
    bool (*put_statement_word)(void *self, const struct hash *statement, unsigned party, enum statement_word word, const struct hash *entry, struct err *e);
};

/* What happened to an entry. Everything but EFFECT_FULL stays in the record with this as its reason. */
enum effect {
    EFFECT_FULL = 0,
    EFFECT_NOT_KNOWN,       /* what it refers to is not in its past, or is of another kind, or had no effect itself */
    EFFECT_BASE_MOVED,      /* a base is not the head of its item in its past (R3) */
    EFFECT_PROPOSER_LEFT,   /* the proposer had left the proposal */
    EFFECT_DECLINED,        /* somebody had said NO */
    EFFECT_ALREADY_SPOKE,   /* the party has given its word on it before (R1) */
    EFFECT_OWN,             /* one's own proposal or statement */
    EFFECT_NOT_FOR,         /* nothing to take back */
    EFFECT_TOO_LATE,        /* already agreed in its past */
    EFFECT_ITEM_TWICE,      /* a proposal names one item twice */
    /* The caller finds these two, and folds the entry with VERB_UNKNOWN so that it seals (R4: any entry will do). */
    EFFECT_NEWER,           /* unknown verb, noun or format version: needs a newer version */
    EFFECT_NO_RIGHT,        /* the author may not say this */
    /* The caller finds these two as well, and does not fold the entry: it does not seal either. */
    EFFECT_FRONT_OPEN,      /* its front leaves out what it rests on */
    EFFECT_CONTESTED,       /* R9: rests on a fork */
    /* And these two of feeds that follow one another (FORMAT.md section 4). */
    EFFECT_ENDED,           /* its party goes on in a successor feed, which leaves it out */
    EFFECT_NOT_COUNTERSIGNED, /* it stands in a successor feed that not everybody had countersigned in its past */
};
/* A sentence for people: "without effect: withdrawn first". */
const char *effect_words(enum effect effect);

/* One entry, as the rules see it. */
struct act {
    unsigned party;
    uint64_t position;
    struct past past;
    struct hash id;
    enum verb verb; /* PROPOSE ACCEPT DECLINE WITHDRAW STATE ACKNOWLEDGE DISPUTE; any other only seals (R4) */
    size_t change_count;           /* PROPOSE, STATE; items filled in (header_item) */
    struct change changes[ITEMS_MAX];
    bool creates[ITEMS_MAX];       /* the item is created by this entry */
    struct hash ref;               /* ACCEPT DECLINE WITHDRAW ACKNOWLEDGE DISPUTE */
    bool advanced[PARTIES_MAX];    /* past.below of this party grew since the author's last entry */
};

/*
 * Folds one entry, not contested, whose whole past has been folded: first the seals it brings (R4), then its own effect.
 * `effect` says what became of it; `seals` (may be NULL) how many proposals it sealed. False only when a look-up or a
 * record failed (what was recorded until then must be undone), or with ERR_CORRUPT when they contradict each other.
 */
MUST_USE bool agreement_fold(const struct facts *facts, const struct act *act, enum effect *effect, size_t *seals, struct err *e);

/* Would the proposer's next entry, with this past, seal the due proposal `id` (R4)? Records nothing. */
MUST_USE bool agreement_would_seal(const struct facts *facts, const struct past *past, const struct hash *id, bool *would, struct err *e);

/* Is `proposal` agreed as seen from `past`? `viewer` (party, or -1) counts the seal its entry at past.below brings itself. */
bool agreement_is_agreed(const struct proposal *proposal, const struct past *past, int viewer);

/*
 * R9, over feeds: `reach` says of each how many of its entries an entry rests on (of its own feed, itself included),
 * `limits` the first differing index of its earliest known fork, else UINT64_MAX. Contested: it reaches beyond a limit.
 * What is contested is upward closed, so the rest is a record without forks. When a fork becomes known, everything is
 * folded anew without what it contests.
 */
bool agreement_is_contested(const uint64_t *reach, const uint64_t *limits, size_t feed_count);

/* How a proposal stands for a person of party `us`, on everything folded so far (RECORD.md section 5). */
enum standing {
    STANDING_OFFERED,
    STANDING_RECEIPT_AWAITED,
    STANDING_AGREED,
    STANDING_DECLINED,
    STANDING_WITHDRAWN,
    STANDING_CROSSED,
    STANDING_OVERTAKEN,
    STANDING_TAKEN_BACK,
};
const char *standing_word(enum standing standing); /* "receipt_awaited" */
/*
 * `rivals` are the proposals sharing an (item, base) with it; those without effect are passed over.
 * O(parties + changes + rivals) look-ups. Fails: ERR_MISSING (no proposal with effect has this id), and as a look-up fails.
 */
MUST_USE bool agreement_standing(const struct facts *facts, const struct hash *id, const struct hash *rivals,
                                 size_t rival_count, unsigned us, enum standing *out, struct err *e);

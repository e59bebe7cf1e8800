/*
 * relationships - which relationships this node has, their parties, and what we alone know of each party.
 *
 * The parties and their keys follow from the opener's feed (its `open` entry names the codes, its `pair` entries the
 * certificates) and are written by the fold (record.h). What is local - address, how we checked, invitations and the
 * guests that came by them - is not.
 */
#pragma once
#include "protocol/certificate.h"
#include "protocol/invitation.h"
#include "store/store.h"

enum check { CHECK_NONE, CHECK_NOT_CHECKED, CHECK_VOICE, CHECK_IN_PERSON }; /* CHECK_NONE: not confirmed yet */
const char *check_word(enum check check); /* "", "not checked", "voice", "in person" */
bool check_of(span word, enum check *out); /* also "not_checked", "in_person", "none" */

#define CONTACT_WORDS_MAX 128

struct party {
    unsigned party; /* 0 is the opener; then in the order of `open` */
    char code[CODE_BYTES_MAX + 1];
    bool is_known; /* its certificate is known: the rest is filled in */
    bool is_guest; /* known to us alone, by our invitation: it is in the record when we have confirmed it */
    bool is_introduced; /* its keys came through another party, not from itself: see introduced_by */
    unsigned introduced_by;
    struct certificate certificate;
    /* local: */
    enum check check;              /* how we confirmed it */
    bool is_confirmed;             /* we did: work moves to it */
    char address[ADDRESS_BYTES_MAX + 1]; /* where we dial it, or empty */
    char words[CONTACT_WORDS_MAX]; /* six check words of the pairing, when it was paired with us directly; else empty */
};

struct relationship {
    struct relationship_id id;
    char title[TITLE_BYTES_MAX + 1];
    bool is_open_known; /* the `open` entry has been folded: parties and our_party are known */
    unsigned our_party;
    unsigned party_count;
    struct party parties[PARTIES_MAX];
    struct hash state_digest;
    bool is_trouble; /* a fork is known or a feed is frozen: see feeds.h */
};

/* Calls `each` for every relationship, oldest first, until it returns false. */
MUST_USE bool relationships_each(struct store *store, bool (*each)(void *self, const struct relationship_id *id), void *self, struct err *e);
/* Fails: ERR_MISSING. The struct is large: keep it off deep stacks. */
MUST_USE bool relationship_load(struct store *store, const struct relationship_id *id, struct relationship *out, struct err *e);

/*
 * Makes room for a relationship: as its opener (both notes are our own certificate), or as a joiner who knows the opener's
 * certificate from an invitation. Fails: ERR_CONFLICT (the id is already held).
 */
MUST_USE bool relationship_add(struct store *store, const struct relationship_id *id, const char *title, span own_note,
                               span opener_note, struct err *e);
/*
 * Removes all that is stored of a relationship whose opening entry never came, so that it can be added anew. Inside a
 * transaction. Fails: ERR_CONFLICT (its opening entry is known).
 */
MUST_USE bool relationship_forget(struct store *store, const struct relationship_id *id, struct err *e);
/* Our own certificate in a relationship, as the signed note. Fails: ERR_MISSING. */
MUST_USE bool relationship_own_certificate(struct store *store, const struct relationship_id *id, struct buffer *note,
                                           struct err *e);

/* Has the record said whose receipt key this is? */
MUST_USE bool receipt_key_is_known(struct store *store, const struct relationship_id *id, const struct key_public *receipt_key,
                                   bool *out, struct err *e);

/* What we alone know of a party, by its code; made when not there. NULL leaves a value as it is. */
MUST_USE bool contact_put(struct store *store, const struct relationship_id *id, const char *code, const char *address,
                          const enum check *check, const char *words, struct err *e);

/* An invitation we gave out; one at a time for each party. */
struct invited {
    struct relationship_id relationship;
    char code[CODE_BYTES_MAX + 1];
    uint8_t secret[32];
    uint64_t expires_s;
    bool is_bound;               /* an identity has used it: only that one may go on */
    struct key_public identity;
};
/* Keeps a new one, unbound. The earlier one for that party is voided, and the guest that it was bound to is no longer one. */
MUST_USE bool invited_put(struct store *store, const struct invited *invited, struct err *e);
/* Binds it to who has used it, whose certificate is `note`: from now on the party's guest. */
MUST_USE bool invited_bind(struct store *store, const struct invited *invited, const struct certificate *certificate,
                           span note, struct err *e);
/* The guest's certificate, as the signed note. Fails: ERR_MISSING. */
MUST_USE bool invited_note(struct store *store, const struct relationship_id *id, const char *code, struct buffer *note,
                           struct err *e);
/* By invitation id. Fails: ERR_MISSING. */
MUST_USE bool invited_find(struct store *store, const uint8_t id[16], struct invited *out, struct err *e);
/* Also by invitation id, one that a later one has voided; it says nothing of who had used it. Fails: ERR_MISSING. */
MUST_USE bool voided_find(struct store *store, const uint8_t id[16], struct invited *out, struct err *e);
/* The relationships in which the holder of a transport key lost its place with its invitation; at most `most`. */
MUST_USE bool voided_of(struct store *store, const struct key_public *transport, struct relationship_id *out, size_t most,
                        size_t *count, struct err *e);
/* All of a relationship, expired ones too, by code. */
MUST_USE bool invited_each(struct store *store, const struct relationship_id *id, bool (*each)(void *self, const struct invited *i), void *self, struct err *e);

/*
 * The last invitation that we accepted in a relationship. It is under way until the opener's feed has arrived; the opener
 * may void it, then or later. Its text is kept only while it is under way.
 */
enum joining_state { JOINING_UNDER_WAY, JOINING_DONE, JOINING_VOIDED };
struct joining_last {
    struct invitation_id invitation;
    enum joining_state state;
};
MUST_USE bool joining_put(struct store *store, const struct relationship_id *id, const struct invitation_id *invitation,
                          span text, struct err *e);
/* The text of one under way. Fails: ERR_MISSING. */
MUST_USE bool joining_get(struct store *store, const struct relationship_id *id, struct buffer *out, struct err *e);
/* Fails: ERR_MISSING (we were never invited to it). */
MUST_USE bool joining_load(struct store *store, const struct relationship_id *id, struct joining_last *out, struct err *e);
/* Those that are under way, at most `most`. */
MUST_USE bool joinings(struct store *store, struct relationship_id *out, size_t most, size_t *count, struct err *e);
MUST_USE bool joining_done(struct store *store, const struct relationship_id *id, struct err *e);
MUST_USE bool joining_voided(struct store *store, const struct relationship_id *id, struct err *e);

#include "node/pairing.h"

#include "crypto/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LASTS_MAX_S                                                                                \
    (UINT64_C(366) * 24 * 3600) /* an invitation is a door left open: a year at most */
#define DATE_BYTES 10           /* YYYY-MM-DD */
#define FINGERPRINT_LINE_MAX (CODE_BYTES_MAX + 1 + 2 * 32 + 1)

static uint64_t now_s(const struct world *world)
{
    int64_t now = world->date_ms(world->self);
    return now > 0 ? (uint64_t)now / 1000 : 0;
}

static struct body_field text_field(const char *name, span text)
{
    return (struct body_field){span_text(name), {.is_text = true, .text = text}};
}

static struct relationship *relationship_get(struct home *home, const struct relationship_id *id,
                                             struct err *e)
{
    struct relationship *r = calloc(1, sizeof *r);
    if (r && relationship_load(home_store(home), id, r, e)) return r;
    if (!r) (void)err_memory(e);
    free(r);
    return NULL;
}

static void relationship_free(struct relationship *relationship) { free(relationship); }
OWNABLE(struct relationship *, relationship_free)

static struct party *party_find(struct relationship *r, const char *code)
{
    for (unsigned i = 0; i < r->party_count; i++)
        if (strcmp(r->parties[i].code, code) == 0) return &r->parties[i];
    return NULL;
}

static bool no_party(const struct relationship *r, const char *code, struct err *e)
{
    char shown[CODE_BYTES_MAX + 4] = {0}, title[60] = {0};
    return err_set(e, ERR_MISSING, "%s is no party of \"%s\"",
                   span_show(span_text(code), shown, sizeof shown),
                   span_show(span_text(r->title), title, sizeof title));
}

/* ---- check words ---- */

struct hash pairing_commitment(const uint8_t nonce[32], const struct relationship_id *id)
{
    return hash_labelled("counterpart/v1/pair-commitment",
                         (span[]){relationship_span(id), span_of(nonce, 32)}, 2);
}

void pairing_words(const struct relationship_id *id, const struct key_public *initiator,
                   const struct key_public *responder, const uint8_t initiator_nonce[32],
                   const uint8_t responder_nonce[32], char *out, size_t cap)
{
    const span parts[] = {relationship_span(id), key_public_span(initiator),
                          key_public_span(responder), span_of(initiator_nonce, 32),
                          span_of(responder_nonce, 32)};
    struct hash hash =
        hash_labelled("counterpart/v1/pair-words", parts, sizeof parts / sizeof parts[0]);
    (void)words_write(&hash, 6, out, cap);
}

void pairing_identity_words(const struct key_public *a, const struct key_public *b, char *out,
                            size_t cap)
{
    bool is_in_order = span_compare(key_public_span(a), key_public_span(b)) <= 0;
    const span parts[] = {key_public_span(is_in_order ? a : b),
                          key_public_span(is_in_order ? b : a)};
    struct hash hash = hash_labelled("counterpart/v1/identity-words", parts, 2);
    (void)words_write(&hash, 12, out, cap);
}

bool pairing_certificate(struct home *home, const struct relationship_id *id, struct sink *out,
                         struct err *e)
{
    OWNED_BUFFER note = {0};
    if (!relationship_own_certificate(home_store(home), id, &note, e)) return false;
    sink_put(out, buffer_span(&note));
    return !out->full || err_set(e, ERR_LIMIT, "the certificate does not fit");
}

/* ---- invite ---- */

static bool address_is_right(const char *address)
{
    span text = span_text(address);
    if (text.len == 0 || text.len > ADDRESS_BYTES_MAX || !strstr(address, "://")) return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= 0x20 || text.at[i] >= 0x7f) return false;
    return true;
}

static bool address_check(const char *address, struct err *e)
{
    char shown[60] = {0};
    if (address_is_right(address)) return true;
    return err_set(e, ERR_USAGE, "'%s' is no address such as tcp://acme.example:7700",
                   span_show(span_text(address), shown, sizeof shown));
}

static bool addresses_take(struct invitation *out, const char *const *addresses, size_t count,
                           struct err *e)
{
    if (count < 1 || count > ADDRESSES_MAX)
        return err_set(e, ERR_USAGE, "an invitation names 1 to %d addresses, these are %zu",
                       ADDRESSES_MAX, count);
    for (size_t i = 0; i < count; i++) {
        if (!address_check(addresses[i], e)) return false;
        must(span_to_text(span_text(addresses[i]), out->addresses[i], sizeof out->addresses[i]));
    }
    out->address_count = count;
    return true;
}

/* Only the opener invites, and nobody twice who is confirmed. */
static bool may_invite(struct home *home, struct relationship *r, const char *code, struct err *e)
{
    char title[60] = {0};
    if (!r->is_open_known || r->our_party != 0)
        return err_set(e, ERR_REFUSED, "\"%s\" was opened by %s, who invites to it",
                       span_show(span_text(r->title), title, sizeof title), r->parties[0].code);
    const struct party *party = party_find(r, code);
    if (!party) return no_party(r, code, e);
    if (strcmp(code, home_organisation(home)->code) == 0)
        return err_set(e, ERR_USAGE, "%s is this home itself", code);
    if (party->is_confirmed) {
        (void)err_set(e, ERR_REFUSED, "%s is confirmed, and keeps its place in the record", code);
        return err_next(e, "if it is the wrong one, open a new relationship");
    }
    /* A home that was restored has its record back, but not whom it had confirmed. */
    if (party->is_known && !party->is_guest) {
        (void)err_set(e, ERR_REFUSED, "the record names the keys of %s already", code);
        return err_next(e, "counterpart confirm %s, once you have compared words", code);
    }
    return true;
}

struct inviting {
    struct store *store;
    const struct invited *invited;
};

/* Whoever had come by the earlier invitation is forgotten, and the words that were compared with it. */
static bool keep_invited(void *self, struct err *e)
{
    const struct inviting *i = self;
    return invited_put(i->store, i->invited, e) &&
           contact_put(i->store, &i->invited->relationship, i->invited->code, NULL, NULL, "", e);
}

static bool invitation_fill(struct home *home, const struct relationship *r, const char *code,
                            struct invitation *out, struct err *e)
{
    const struct world *world = home_world(home);
    struct sink note = sink_over(out->inviter_note, sizeof out->inviter_note);
    out->relationship = r->id;
    must(span_to_text(span_text(r->title), out->title, sizeof out->title));
    must(span_to_text(span_text(code), out->invited, sizeof out->invited));
    if (!pairing_certificate(home, &r->id, &note, e)) return false;
    out->inviter_note_bytes = note.len;
    world->random(world->self, out->secret, sizeof out->secret);
    return true;
}

static bool invite(struct home *home, const struct invitation *invitation, struct sink *text,
                   struct err *e)
{
    struct invited invited = {.relationship = invitation->relationship,
                              .expires_s = invitation->expires_s};
    memcpy(invited.code, invitation->invited, sizeof invited.code);
    memcpy(invited.secret, invitation->secret, sizeof invited.secret);
    struct inviting inviting = {home_store(home), &invited};
    char block[INVITATION_TEXT_MAX] = {0};
    struct sink sink = sink_over(block, sizeof block);

    bool is_invited =
        home_keys(home, e) && invitation_write(&sink, invitation, home_identity_key(home), e);
    if (is_invited && (text->full || sink.len > text->cap - text->len))
        is_invited =
            err_set(e, ERR_LIMIT, "the invitation is %zu bytes and does not fit", sink.len);
    is_invited = is_invited && store_transact(inviting.store, keep_invited, &inviting, e);
    if (is_invited) sink_put(text, sink_span(&sink));
    secret_wipe(block, sizeof block);
    secret_wipe(&invited, sizeof invited);
    return is_invited;
}

bool pairing_invite(struct home *home, const struct relationship_id *id, const char *code,
                    const char *const *addresses, size_t address_count, uint64_t lasts_s,
                    struct sink *text, struct err *e)
{
    if (!home_may_work(home, false, e)) return false;
    OWNED(relationship_free) struct relationship *r = relationship_get(home, id, e);
    if (!r || !may_invite(home, r, code, e)) return false;
    if (lasts_s < 1 || lasts_s > LASTS_MAX_S)
        return err_set(e, ERR_USAGE, "an invitation lasts 1 second to 366 days");
    struct invitation invitation = {.expires_s = now_s(home_world(home)) + lasts_s};
    bool is_invited = addresses_take(&invitation, addresses, address_count, e) &&
                      invitation_fill(home, r, code, &invitation, e) &&
                      invite(home, &invitation, text, e);
    invitation_wipe(&invitation);
    return is_invited;
}

/* ---- certificates in the record ---- */

static bool certificate_equal(const struct certificate *a, const struct certificate *b)
{
    return key_public_equal(&a->identity, &b->identity) && key_public_equal(&a->log, &b->log) &&
           key_public_equal(&a->receipt, &b->receipt) &&
           key_public_equal(&a->transport, &b->transport);
}

/* Looks through a feed's entries for the certificate a party is known by. */
struct certificate_search {
    const struct party *party;
    struct buffer *note;
    bool is_found, is_out_of_memory;
};

static bool look_at_entry(void *self, uint64_t index, const struct stored_entry *entry)
{
    struct certificate_search *search = self;
    struct body_field fields[FIELDS_MAX] = {0};
    struct certificate found = {0};
    size_t count = 0;
    (void)index;
    if (!entry->has_body || !body_read(entry->body, 0, fields, &count, NULL)) return true;
    const struct value *note = body_find(fields, count, "certificate");
    if (!note || !note->is_text || !certificate_read(note->text, &found, NULL)) return true;
    if (strcmp(found.code, search->party->code) != 0) return true;
    if (!certificate_equal(&found, &search->party->certificate)) return true;
    search->is_found = buffer_put(search->note, note->text, NULL);
    search->is_out_of_memory = !search->is_found;
    return false;
}

/* Does the feed of `log_key` name the party by the certificate we know it by? Then `note` is that, as signed. */
static bool is_named_by(struct home *home, const struct relationship *r, const struct key_public *log_key,
                        const struct party *party, struct buffer *note, bool *out, struct err *e)
{
    struct certificate_search search = {.party = party, .note = note};
    struct feed feed = {0};
    struct err why = {0};
    *out = false;
    if (!feed_load(home_store(home), &r->id, log_key, 0, &feed, &why))
        return why.code == ERR_MISSING || err_set(e, why.code, "%s", why.said);
    if (!feed_read(home_store(home), &r->id, feed.feed, 0, look_at_entry, &search, e)) return false;
    *out = search.is_found;
    return !search.is_out_of_memory || err_memory(e);
}

/* ---- join ---- */

static bool expired(uint64_t expires_s, const struct world *world, struct err *e)
{
    uint64_t now = now_s(world);
    if (now <= expires_s) return false;
    (void)err_set(e, ERR_REFUSED, "the invitation expired %llu minutes ago",
                  (unsigned long long)((now - expires_s) / 60));
    (void)err_next(e, "ask whoever invited for a new one");
    return true;
}

static bool invitation_check(struct home *home, const struct invitation *i, struct err *e)
{
    const struct organisation *own = home_organisation(home);
    if (key_public_equal(&i->inviter.identity, &own->identity))
        return err_set(e, ERR_REFUSED, "this invitation was written by this home itself");
    if (strcmp(i->invited, own->code) != 0)
        return err_set(e, ERR_REFUSED, "%s is invited, and this home is %s", i->invited, own->code);
    if (strcmp(i->inviter.code, own->code) == 0)
        return err_set(e, ERR_REFUSED, "the inviter calls itself %s, as this home does", own->code);
    if (!i->inviter.has_log || !i->inviter.has_receipt || !i->inviter.has_transport)
        return err_set(e, ERR_REFUSED, "the inviter's certificate lacks a key");
    return !expired(i->expires_s, home_world(home), e);
}

struct joining {
    struct home *home;
    const struct invitation *invitation;
    span text, own_note;
    const char *own_address;
    bool is_anew;     /* the relationship is held, and its opening entry was never seen: it begins again */
    bool is_going_on; /* the relationship is held: only the invitation is another */
};

static bool keep_joining(void *self, struct err *e)
{
    const struct joining *j = self;
    const struct invitation *i = j->invitation;
    struct store *store = home_store(j->home);
    const char *address = i->address_count ? i->addresses[0] : NULL;
    span note = span_of(i->inviter_note, i->inviter_note_bytes);
    struct invitation_id shown = invitation_id_of(i->secret);
    if (j->is_anew && !relationship_forget(store, &i->relationship, e)) return false;
    if (!j->is_going_on && !relationship_add(store, &i->relationship, i->title, j->own_note, note, e))
        return false;
    /* Check words of an earlier invitation are no longer worth comparing. */
    if (!contact_put(store, &i->relationship, i->inviter.code, address, NULL, "", e)) return false;
    if (!joining_put(store, &i->relationship, &shown, j->text, e) || !home_log_key_kept(j->home, &i->relationship, 0, e))
        return false;
    /* Ours is kept as a contact's is: it is what the opener is told. */
    return !j->own_address || contact_put(store, &i->relationship, home_organisation(j->home)->code,
                                          j->own_address, NULL, NULL, e);
}

static bool is_held(struct home *home, const struct relationship_id *id, bool *out, struct err *e)
{
    OWNED_BUFFER note = {0};
    struct err why = {0};
    *out = relationship_own_certificate(home_store(home), id, &note, &why);
    return *out || why.code == ERR_MISSING || err_set(e, why.code, "%s", why.said);
}

static bool voided_here(const struct invitation *i, struct err *e)
{
    (void)err_set(e, ERR_REFUSED, "%s has voided this invitation", i->inviter.code);
    return err_next(e, "ask %s for a new one, then: counterpart join FILE", i->inviter.code);
}

/* The invitation that this home took last, once more. */
static bool not_taken_yet(const struct joining *j, struct err *e)
{
    struct joining_last last = {0};
    struct err why = {0};
    struct invitation_id shown = invitation_id_of(j->invitation->secret);
    if (!joining_load(home_store(j->home), &j->invitation->relationship, &last, &why))
        return why.code == ERR_MISSING || err_set(e, why.code, "%s", why.said);
    if (!span_equal(span_of(last.invitation.bytes, sizeof last.invitation.bytes),
                    span_of(shown.bytes, sizeof shown.bytes)))
        return true;
    if (last.state == JOINING_VOIDED) return voided_here(j->invitation, e);
    (void)err_set(e, ERR_CONFLICT, "this home holds the relationship already");
    return err_next(e, "counterpart sync goes on with a join that was begun");
}

/*
 * A relationship that is held already, by an invitation that is not the one it was held by: the opener may invite anew
 * until it has confirmed us. What another opener left here goes; an opening entry that was verified tells who is right.
 */
static bool join_held(struct joining *j, struct err *e)
{
    const struct certificate *inviter = &j->invitation->inviter;
    OWNED_BUFFER own_note = {0};
    OWNED_BUFFER found = {0};
    struct party us = {0};
    bool is_paired = false;
    OWNED(relationship_free) struct relationship *r = relationship_get(j->home, &j->invitation->relationship, e);
    if (!r || !not_taken_yet(j, e)) return false;
    if (!relationship_own_certificate(home_store(j->home), &r->id, &own_note, e) ||
        !certificate_read(buffer_span(&own_note), &us.certificate, e))
        return false;
    const struct certificate *opener = &r->parties[0].certificate;
    bool is_same = key_public_equal(&opener->identity, &inviter->identity) &&
                   key_public_equal(&opener->log, &inviter->log) &&
                   key_public_equal(&opener->transport, &inviter->transport);
    if (r->is_open_known && !is_same)
        return err_set(e, ERR_REFUSED, "this relationship was opened by %s with other keys than the inviter's",
                       opener->code);
    if (r->is_open_known) memcpy(us.code, r->parties[r->our_party].code, sizeof us.code);
    if (r->is_open_known &&
        !is_named_by(j->home, r, &opener->log, &us, &found, &is_paired, e))
        return false;
    if (is_paired) return err_set(e, ERR_CONFLICT, "this home has joined, and %s has confirmed it", opener->code);
    j->is_anew = !is_same;
    j->is_going_on = is_same;
    j->own_note = buffer_span(&own_note); /* nothing was said with its log key yet, or the same feed goes on */
    return store_transact(home_store(j->home), keep_joining, j, e);
}

static bool join(struct joining *joining, struct err *e)
{
    struct home *home = joining->home;
    const struct relationship_id *id = &joining->invitation->relationship;
    const struct signing_key *log_key = NULL;
    uint8_t note[CERTIFICATE_BYTES_MAX] = {0};
    struct sink own = sink_over(note, sizeof note);
    bool is_there = false;
    struct err why = {0};
    if (!is_held(home, id, &is_there, e)) return false;
    if (is_there) return join_held(joining, e);
    if (!home_log_key_make(home, id, 0, &log_key, e)) return false;
    bool is_joining = home_certify(home, id, 0, &own, e);
    joining->own_note = sink_span(&own);
    is_joining = is_joining && store_transact(home_store(home), keep_joining, joining, e);
    if (!is_joining && is_held(home, id, &is_there, &why) && !is_there) home_log_key_unmake(home, id, 0);
    return is_joining;
}

bool pairing_join(struct home *home, span invitation_text, const char *own_address,
                  struct invitation *out, struct err *e)
{
    struct invitation invitation = {0};
    if (!home_may_work(home, false, e)) return false;
    if (own_address && !address_check(own_address, e)) return false;
    if (!invitation_read(invitation_text, &invitation, e))
        return err_because(e, "reading the invitation");
    struct joining joining = {.home = home,
                              .invitation = &invitation,
                              .text = invitation_text,
                              .own_address = own_address};
    bool is_joining = invitation_check(home, &invitation, e) && join(&joining, e);
    if (is_joining) *out = invitation;
    invitation_wipe(&invitation);
    return is_joining;
}

struct join_entry {
    struct home *home;
    const struct relationship_id *id;
};

/* Our `join` is the first entry of our feed. */
static bool has_spoken(struct home *home, const struct certificate *own, bool *out, struct err *e)
{
    struct feed feed = {0};
    struct err why = {0};
    *out = false;
    if (feed_load(home_store(home), &own->relationship, &own->log, 0, &feed, &why))
        *out = feed.edge.size > 0;
    else if (why.code != ERR_MISSING) return err_set(e, why.code, "%s", why.said);
    return true;
}

static bool say_join(void *self, struct err *e)
{
    const struct join_entry *j = self;
    struct store *store = home_store(j->home);
    OWNED_BUFFER note = {0};
    struct certificate own = {0};
    bool is_said = false;
    OWNED(relationship_free) struct relationship *r = relationship_get(j->home, j->id, e);
    if (!r) return false;
    if (!r->is_open_known) return err_set(e, ERR_MISSING, "the opener's feed is not here yet");
    if (r->our_party == 0) return true; /* the opener has nothing to join */
    if (!party_find(r, home_organisation(j->home)->code))
        return err_set(e, ERR_REFUSED, "the opener does not name %s among the parties",
                       home_organisation(j->home)->code);
    if (!relationship_own_certificate(store, j->id, &note, e)) return false;
    if (!certificate_read(buffer_span(&note), &own, e)) return false;
    if (!has_spoken(j->home, &own, &is_said, e)) return false;
    struct body_field field = text_field("certificate", buffer_span(&note));
    if (!is_said && !work_setup_inside(j->home, &ASKER_NODE, j->id, VERB_JOIN, NULL, &field, 1, e))
        return false;
    return joining_done(store, j->id, e);
}

bool pairing_joined(struct home *home, const struct relationship_id *id, struct err *e)
{
    struct join_entry entry = {home, id};
    if (!home_may_work(home, false, e)) return false;
    if (!store_transact(home_store(home), say_join, &entry, e))
        return err_because(e, "joining the relationship");
    return home_mark(home, e);
}

struct refused {
    struct home *home;
    const struct shared *shared;
    const struct invitation_id *invitation;
    enum refusal_why why;
};

/* A newer invitation that another process has just taken is not meant. */
static bool keep_refused(void *self, struct err *e)
{
    const struct refused *r = self;
    struct store *store = home_store(r->home);
    struct joining_last last = {0};
    struct err why = {0};
    if (!joining_load(store, &r->shared->id, &last, &why))
        return why.code == ERR_MISSING || err_set(e, why.code, "%s", why.said);
    bool is_meant = r->invitation ? span_equal(span_of(last.invitation.bytes, sizeof last.invitation.bytes),
                                               span_of(r->invitation->bytes, sizeof r->invitation->bytes))
                                  : last.state != JOINING_UNDER_WAY;
    if (is_meant && r->why == REFUSAL_VOIDED && last.state != JOINING_VOIDED)
        return joining_voided(store, &r->shared->id, e);
    if (is_meant && r->why == REFUSAL_NONE && last.state == JOINING_VOIDED) return joining_done(store, &r->shared->id, e);
    return true;
}

bool pairing_refused(struct home *home, const struct shared *shared, const struct invitation_id *invitation,
                     enum refusal_why why, struct err *e)
{
    struct refused refused = {home, shared, invitation, why};
    if (shared->party != 0) return true; /* only the opener invites, and voids */
    return store_transact(home_store(home), keep_refused, &refused, e);
}

/* ---- admit ---- */

struct admitting {
    struct home *home;
    const uint8_t *invitation_id;
    span note;
    struct certificate shown;
    struct relationship *relationship;
    struct refusal refusal;
};

static bool invited_get(struct admitting *a, struct invited *out, struct err *e)
{
    struct err unknown = {0};
    if (invited_find(home_store(a->home), a->invitation_id, out, e)) return true;
    if (e && e->code != ERR_MISSING) return false;
    if (!voided_find(home_store(a->home), a->invitation_id, out, &unknown))
        return err_set(e, unknown.code == ERR_MISSING ? ERR_REFUSED : unknown.code, "%s", unknown.said);
    a->refusal = (struct refusal){out->relationship, REFUSAL_VOIDED};
    return err_set(e, ERR_REFUSED, "the invitation that %s shows was voided by a later one", out->code);
}

/* May this certificate use this invitation? */
static bool shown_check(struct admitting *a, const struct invited *invited, struct err *e)
{
    const struct certificate *c = &a->shown;
    if (expired(invited->expires_s, home_world(a->home), e)) {
        a->refusal = (struct refusal){invited->relationship, REFUSAL_EXPIRED};
        return false;
    }
    if (!span_equal(relationship_span(&c->relationship), relationship_span(&invited->relationship)))
        return err_set(e, ERR_REFUSED, "the certificate is of another relationship");
    if (strcmp(c->code, invited->code) != 0)
        return err_set(e, ERR_REFUSED, "%s was invited, and %s came", invited->code, c->code);
    if (!c->has_log || !c->has_receipt || !c->has_transport)
        return err_set(e, ERR_REFUSED, "the certificate of %s lacks a key", c->code);
    if (invited->is_bound && !key_public_equal(&c->identity, &invited->identity)) {
        a->refusal = (struct refusal){invited->relationship, REFUSAL_USED};
        return err_set(e, ERR_REFUSED, "another identity has used the invitation of %s", c->code);
    }
    return true;
}

static bool key_is_in(const struct key_public *key, const struct certificate *c)
{
    return key_public_equal(key, &c->identity) || (c->has_log && key_public_equal(key, &c->log)) ||
           (c->has_receipt && key_public_equal(key, &c->receipt)) ||
           (c->has_transport && key_public_equal(key, &c->transport));
}

/* A joiner that names a key of another party would speak, or be heard, in its place. */
static bool keys_are_its_own(const struct admitting *a, struct err *e)
{
    const struct certificate *c = &a->shown;
    const struct key_public *keys[] = {&c->identity, &c->log, &c->receipt, &c->transport};
    for (unsigned i = 0; i < a->relationship->party_count; i++) {
        const struct party *party = &a->relationship->parties[i];
        if (!party->is_known || strcmp(party->code, c->code) == 0) continue;
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
            if (key_is_in(keys[k], &party->certificate))
                return err_set(e, ERR_REFUSED, "the certificate of %s names a key of %s", c->code,
                               party->code);
    }
    return true;
}

/*
 * Nothing is said of a guest: in the record the first identity for a place stands, on every node, so it is named there
 * only when a person has confirmed it. Until then it can be replaced.
 */
static bool admit_party(const struct admitting *a, const struct invited *invited, struct err *e)
{
    const struct certificate *c = &a->shown;
    const struct party *party = party_find(a->relationship, c->code);
    if (!party) return no_party(a->relationship, c->code, e);
    if (party->is_known && certificate_equal(&party->certificate, c)) return true;
    if (party->is_known && !party->is_guest) {
        (void)err_set(e, ERR_REFUSED, "%s has joined already, with other keys", c->code);
        return err_next(e, "if the wrong one joined, open a new relationship");
    }
    return contact_put(home_store(a->home), &c->relationship, c->code, NULL, NULL, NULL, e) &&
           invited_bind(home_store(a->home), invited, c, a->note, e);
}

/* ---- the charter ---- */

static bool stop_at_first(void *self, struct item_view *view)
{
    bool *is_there = self;
    (void)view;
    *is_there = true;
    return false;
}

static bool everybody_is_in_the_record(const struct relationship *r)
{
    for (unsigned i = 0; i < r->party_count; i++)
        if (!r->parties[i].is_known || r->parties[i].is_guest) return false;
    return true;
}

static void parties_text(const struct relationship *r, struct sink *codes,
                         struct sink *fingerprints)
{
    char hex[2 * sizeof(struct hash) + 1] = {0};
    for (unsigned i = 0; i < r->party_count; i++) {
        const struct party *party = &r->parties[i];
        struct hash fingerprint = key_fingerprint(&party->certificate.identity);
        if (i) sink_text(codes, " ");
        if (i) sink_text(fingerprints, "\n");
        sink_text(codes, party->code);
        sink_text(fingerprints, party->code);
        sink_text(fingerprints, " ");
        sink_text(fingerprints, hex_write(hash_span(&fingerprint), hex, sizeof hex));
    }
    must(!codes->full && !fingerprints->full);
}

static bool date_text(const struct world *world, char *out, size_t cap)
{
    time_t now = (time_t)now_s(world);
    struct tm day = {0};
    return gmtime_r(&now, &day) && strftime(out, cap, "%Y-%m-%d", &day) == DATE_BYTES;
}

/* The opener's node offers the charter when the last party is in the record, unless there is one. */
static bool charter_offer(struct home *home, const struct relationship *r, struct err *e)
{
    bool is_there = false;
    char codes[PARTIES_MAX * (CODE_BYTES_MAX + 1)] = {0};
    char fingerprints[PARTIES_MAX * FINGERPRINT_LINE_MAX] = {0};
    char date[DATE_BYTES + 1] = {0};
    struct sink codes_sink = sink_over(codes, sizeof codes);
    struct sink fingerprints_sink = sink_over(fingerprints, sizeof fingerprints);
    struct hash proposal = {0};
    if (r->our_party != 0 || !everybody_is_in_the_record(r)) return true;
    if (!items_each(home_store(home), &r->id, "charter", stop_at_first, &is_there, e))
        return false;
    if (is_there) return true;
    parties_text(r, &codes_sink, &fingerprints_sink);
    struct body_field fields[] = {
        text_field("title", span_text(r->title)),
        text_field("parties", sink_span(&codes_sink)),
        text_field("fingerprints", sink_span(&fingerprints_sink)),
        text_field("start", span_text(date)),
    };
    size_t count = sizeof fields / sizeof fields[0];
    if (!date_text(home_world(home), date, sizeof date))
        count--; /* a clock beyond the year 9999 */
    fields[3].value.text = span_text(date);
    return work_propose_inside(home, &ASKER_NODE, &r->id, vocabulary_find(span_text("charter")),
                               NULL, fields, count, &proposal, e);
}

static bool admit_bound(struct admitting *a, const struct invited *invited, struct err *e)
{
    struct store *store = home_store(a->home);
    return shown_check(a, invited, e) &&
           relationship_load(store, &invited->relationship, a->relationship, e) &&
           keys_are_its_own(a, e) && admit_party(a, invited, e);
}

static bool admit(void *self, struct err *e)
{
    struct admitting *a = self;
    struct invited invited = {0};
    if (!invited_get(a, &invited, e)) return false;
    bool is_admitted = admit_bound(a, &invited, e);
    secret_wipe(&invited, sizeof invited);
    return is_admitted;
}

bool pairing_admit(struct home *home, const uint8_t invitation_id[16], span certificate_note,
                   struct refusal *refusal, struct err *e)
{
    struct admitting admitting = {
        .home = home, .invitation_id = invitation_id, .note = certificate_note};
    *refusal = (struct refusal){.why = REFUSAL_NONE};
    if (!home_may_work(home, false, e)) return false;
    if (!certificate_read(certificate_note, &admitting.shown, e)) return false;
    OWNED(relationship_free) struct relationship *room = calloc(1, sizeof *room);
    if (!room) return err_memory(e);
    admitting.relationship = room;
    bool is_admitted = store_transact(home_store(home), admit, &admitting, e);
    *refusal = admitting.refusal;
    return is_admitted;
}

/* ---- confirm ---- */

/* A party's certificate as it signed it: as a guest, or in its own first entry, or in the opener's `pair`. */
static bool certificate_find(struct home *home, const struct relationship *r,
                             const struct party *party, struct buffer *note, struct err *e)
{
    bool is_found = false;
    if (party->is_guest) return invited_note(home_store(home), &r->id, party->code, note, e);
    if (!is_named_by(home, r, &party->certificate.log, party, note, &is_found, e)) return false;
    if (!is_found &&
        !is_named_by(home, r, &r->parties[0].certificate.log, party, note, &is_found, e))
        return false;
    return is_found ||
           err_set(e, ERR_MISSING, "the certificate of %s is not here yet", party->code);
}

struct confirming {
    struct home *home;
    const struct asker *asker;
    const struct relationship_id *id;
    const char *code;
    enum check how;
};

static const char *how_word(enum check how)
{
    static const char *const words[] = {
        [CHECK_NOT_CHECKED] = "not_checked",
        [CHECK_VOICE] = "voice",
        [CHECK_IN_PERSON] = "in_person",
    };
    return words[how];
}

static bool confirm_check(const struct confirming *c, struct relationship *r, struct err *e)
{
    const struct party *party = party_find(r, c->code);
    if (!party) return no_party(r, c->code, e);
    if (strcmp(c->code, home_organisation(c->home)->code) == 0)
        return err_set(e, ERR_USAGE, "%s is this home itself", c->code);
    if (!party->is_known) {
        (void)err_set(e, ERR_MISSING, "the keys of %s are not known yet", c->code);
        return err_next(e, "%s joins by an invitation first", c->code);
    }
    if (party->is_confirmed && party->check >= c->how)
        return err_set(e, ERR_CONFLICT, "%s is confirmed already: %s", c->code,
                       check_word(party->check));
    return true;
}

static bool say_pair(void *self, struct err *e)
{
    const struct confirming *c = self;
    OWNED_BUFFER note = {0};
    OWNED(relationship_free) struct relationship *r = relationship_get(c->home, c->id, e);
    if (!r || !confirm_check(c, r, e)) return false;
    if (!certificate_find(c->home, r, party_find(r, c->code), &note, e)) return false;
    struct body_field fields[] = {
        text_field("party", span_text(c->code)),
        text_field("certificate", buffer_span(&note)),
        text_field("how", span_text(how_word(c->how))),
    };
    struct store *store = home_store(c->home);
    if (!work_setup_inside(c->home, c->asker, c->id, VERB_PAIR, NULL, fields,
                           sizeof fields / sizeof fields[0], e) ||
        !contact_put(store, c->id, c->code, NULL, &c->how, NULL, e) ||
        !relationship_load(store, c->id, r, e))
        return false;
    /* What every other node will refuse is not kept here either. */
    if (party_find(r, c->code)->is_guest)
        return err_set(e, ERR_REFUSED, "the certificate of %s names a key of another party", c->code);
    return charter_offer(c->home, r, e);
}

bool pairing_confirm(struct home *home, const struct asker *asker, const struct relationship_id *id,
                     const char *code, enum check how, struct err *e)
{
    struct confirming confirming = {home, asker, id, code, how};
    if (!home_may_work(home, false, e)) return false;
    if (how != CHECK_NOT_CHECKED && how != CHECK_VOICE && how != CHECK_IN_PERSON)
        return err_set(e, ERR_USAGE, "say how it was checked: voice, in_person or not_checked");
    return store_transact(home_store(home), say_pair, &confirming, e) && home_mark(home, e);
}

static bool say_keys(void *self, struct err *e)
{
    const struct confirming *c = self;
    uint8_t note[CERTIFICATE_BYTES_MAX] = {0};
    struct sink own = sink_over(note, sizeof note);
    if (!home_certify(c->home, c->id, 0, &own, e)) return false;
    struct body_field fields[] = {
        text_field("party", span_text(c->code)),
        text_field("certificate", sink_span(&own)),
        text_field("how", span_text(how_word(CHECK_IN_PERSON))),
    };
    return work_setup_inside(c->home, c->asker, c->id, VERB_PAIR, NULL, fields,
                             sizeof fields / sizeof fields[0], e);
}

struct announcing {
    struct confirming confirming;
    struct buffer ids; /* of all relationships */
    bool is_whole;
};

static bool note_id(void *self, const struct relationship_id *id)
{
    struct announcing *a = self;
    return a->is_whole = buffer_put(&a->ids, relationship_span(id), NULL);
}

static bool announce_in(struct announcing *a, const struct relationship_id *id, struct err *e)
{
    struct feed own;
    struct err why = {0};
    bool is_known = false;
    struct store *store = home_store(a->confirming.home);
    const struct signing_key *key = home_receipt_key(a->confirming.home);
    if (!receipt_key_is_known(store, id, signing_key_public(key), &is_known, e)) return false;
    if (is_known || !feed_own(store, id, &own, &why)) return is_known || why.code == ERR_MISSING || err_set(e, why.code, "%s", why.said);
    a->confirming.id = id;
    if (store_transact(store, say_keys, &a->confirming, &why) || why.code == ERR_REFUSED) return true;
    return err_set(e, why.code, "%s", why.said);
}

bool pairing_announce(struct home *home, const struct asker *asker, struct err *e)
{
    struct announcing a = {{home, asker, NULL, home_organisation(home)->code, CHECK_IN_PERSON}, {0}, true};
    struct relationship_id id;
    span one = {0};
    bool is_fine = home_keys(home, e) && home_may_work(home, false, e) &&
                   relationships_each(home_store(home), note_id, &a, e) && (a.is_whole || err_memory(e));
    for (span left = buffer_span(&a.ids); is_fine && span_take(&left, sizeof id.bytes, &one);) {
        memcpy(id.bytes, one.at, one.len);
        is_fine = announce_in(&a, &id, e);
    }
    buffer_wipe(&a.ids);
    return is_fine && home_mark(home, e);
}

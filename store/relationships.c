#include "store/relationships.h"

#include "crypto/lthash.h"
#include "store/database.h"
#include "store/feeds.h"
#include "store/members.h"

#include <string.h>

static const char *const check_words[] = {"", "not checked", "voice", "in person"};

const char *check_word(enum check check)
{
    return check_words[check];
}

bool check_of(span word, enum check *out)
{
    static const struct {
        const char *word;
        enum check check;
    } known[] = {
        {"", CHECK_NONE},           {"none", CHECK_NONE},
        {"not checked", CHECK_NOT_CHECKED}, {"not_checked", CHECK_NOT_CHECKED}, {"not-checked", CHECK_NOT_CHECKED},
        {"voice", CHECK_VOICE},
        {"in person", CHECK_IN_PERSON},     {"in_person", CHECK_IN_PERSON},     {"in-person", CHECK_IN_PERSON},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!span_equal(word, span_text(known[i].word))) continue;
        *out = known[i].check;
        return true;
    }
    return false;
}

bool relationships_each(struct store *store, bool (*each)(void *self, const struct relationship_id *id), void *self,
                        struct err *e)
{
    struct buffer ids = {0};
    bool is_fine = true;
    enum found found = FOUND;
    struct rows rows = {0};
    if (!rows_open(&rows, store, QUERY_relationships, e, NULL, 0)) return false;
    while (is_fine && (found = rows_next(&rows, e)) == FOUND) {
        struct relationship_id id;
        is_fine = rows_fixed(&rows, 0, id.bytes, sizeof id.bytes, e) && buffer_put(&ids, relationship_span(&id), e);
    }
    rows_close(&rows);
    span left = buffer_span(&ids), one = {0};
    while (is_fine && found != FOUND_FAILED && span_take(&left, sizeof(struct relationship_id), &one)) {
        struct relationship_id id;
        memcpy(id.bytes, one.at, sizeof id.bytes);
        if (!each(self, &id)) break;
    }
    buffer_wipe(&ids);
    return is_fine && found != FOUND_FAILED;
}

static bool party_from_row(const struct rows *rows, struct party *out, struct err *e)
{
    if (!rows_below(rows, 0, PARTIES_MAX, &out->party, e)) return false;
    if (!span_to_text(rows_bytes(rows, 1), out->code, sizeof out->code))
        return err_set(e, ERR_CORRUPT, "a party's code is damaged");
    out->is_guest = rows_is_null(rows, 2) && !rows_is_null(rows, 7);
    out->is_known = out->is_guest || !rows_is_null(rows, 2);
    if (out->is_known && !certificate_read(rows_bytes(rows, out->is_guest ? 7 : 2), &out->certificate, e))
        return err_because(e, "the certificate of %s", out->code);
    out->is_introduced = !rows_is_null(rows, 3);
    if (out->is_introduced && !rows_below(rows, 3, PARTIES_MAX, &out->introduced_by, e)) return false;
    if (rows_is_null(rows, 5)) return true;
    (void)span_show(rows_bytes(rows, 4), out->address, sizeof out->address);
    unsigned check = 0;
    if (!rows_below(rows, 5, CHECK_IN_PERSON + 1, &check, e)) return false;
    out->check = (enum check)check;
    out->is_confirmed = check != CHECK_NONE;
    (void)span_show(rows_bytes(rows, 6), out->words, sizeof out->words);
    return true;
}

static bool parties_load(struct store *store, const struct relationship_id *id, struct relationship *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, store, QUERY_parties, e, BINDS(bind_blob(relationship_span(id))))) return false;
    enum found found = FOUND;
    size_t n = 0;
    while (n < PARTIES_MAX && (found = rows_next(&rows, e)) == FOUND)
        if (!party_from_row(&rows, &out->parties[n++], e)) return false;
    if (!out->is_open_known) out->party_count = (unsigned)n;
    return found != FOUND_FAILED;
}

bool relationship_load(struct store *store, const struct relationship_id *id, struct relationship *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, QUERY_relationship, e, BINDS(bind_blob(relationship_span(id))))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "that relationship is not here");
    case FOUND: break;
    }
    memset(out, 0, sizeof *out);
    out->id = *id;
    (void)span_show(rows_bytes(&rows, 0), out->title, sizeof out->title);
    out->is_open_known = rows_number(&rows, 1) != 0;
    if (!rows_below(&rows, 2, PARTIES_MAX, &out->our_party, e) ||
        !rows_below(&rows, 3, PARTIES_MAX + 1, &out->party_count, e))
        return false;
    struct lthash state;
    if (!lthash_load(&state, rows_bytes(&rows, 4))) return err_set(e, ERR_CORRUPT, "the state digest is damaged");
    out->state_digest = lthash_digest(&state, "counterpart/v1/state");
    rows_close(&rows);
    enum found trouble = query_first(&rows, store, QUERY_feed_trouble, e, BINDS(bind_blob(relationship_span(id))));
    rows_close(&rows);
    out->is_trouble = trouble == FOUND;
    return trouble != FOUND_FAILED && parties_load(store, id, out, e);
}

/* ---- members: what the fold writes about parties ---- */

bool member_put_code(struct store *store, const struct relationship_id *id, unsigned party, const char *code,
                     struct err *e)
{
    return query_run(store, QUERY_party_add, e,
                     BINDS(bind_blob(relationship_span(id)), bind_number(party), bind_text(span_text(code))));
}

bool member_put_receipt_key(struct store *store, const struct relationship_id *id, unsigned party,
                            const struct key_public *receipt_key, struct err *e)
{
    return query_run(store, QUERY_receipt_key_add, e,
                     BINDS(bind_blob(relationship_span(id)), bind_blob(key_public_span(receipt_key)),
                           bind_number(party)));
}

bool member_put_certificate(struct store *store, const struct relationship_id *id, unsigned party, span note,
                            const struct certificate *certificate, unsigned introduced_by, struct err *e)
{
    bool is_introduced = introduced_by != party;
    if (!query_run(store, QUERY_party_certify, e,
                   BINDS(bind_text(span_text(certificate->name)), bind_text(span_text(certificate->domain)),
                         bind_blob(key_public_span(&certificate->identity)), bind_blob(note),
                         is_introduced ? bind_number(introduced_by) : bind_null(), bind_blob(relationship_span(id)),
                         bind_number(party))))
        return false;
    if (certificate->has_receipt && !member_put_receipt_key(store, id, party, &certificate->receipt, e)) return false;
    if (!certificate->has_log) return true;
    char origin[ORIGIN_BYTES_MAX + 1];
    (void)origin_write(certificate->domain, id, &certificate->log, origin, sizeof origin);
    return query_run(store, QUERY_feed_add, e,
                     BINDS(bind_blob(relationship_span(id)), bind_number(party), bind_number(party), bind_number(0),
                           bind_number(0), bind_blob(key_public_span(&certificate->log)),
                           bind_text(span_text(origin)), bind_number(0), bind_blob(span_of("", 0)), bind_number(0)));
}

struct addition {
    struct store *store;
    const struct relationship_id *id;
    const char *title;
    span own_note, opener_note;
    const struct certificate *own, *opener;
};

static bool add_relationship(void *self, struct err *e)
{
    const struct addition *a = self;
    OWNED_ROWS rows = {0};
    enum found found =
        query_first(&rows, a->store, QUERY_relationship_party, e, BINDS(bind_blob(relationship_span(a->id))));
    rows_close(&rows);
    if (found == FOUND_FAILED) return false;
    if (found == FOUND) return err_set(e, ERR_CONFLICT, "this node already holds that relationship");
    uint8_t nothing[LTHASH_BYTES] = {0};
    const struct world *world = store_world(a->store);
    return query_run(a->store, QUERY_relationship_add, e,
                     BINDS(bind_blob(relationship_span(a->id)), bind_text(span_text(a->title)),
                           bind_number(world->date_ms(world->self)), bind_blob(a->own_note),
                           bind_blob(span_of(nothing, sizeof nothing)))) &&
           member_put_code(a->store, a->id, 0, a->opener->code, e) &&
           member_put_certificate(a->store, a->id, 0, a->opener_note, a->opener, 0, e);
}

bool relationship_add(struct store *store, const struct relationship_id *id, const char *title, span own_note,
                      span opener_note, struct err *e)
{
    struct certificate own, opener;
    if (!certificate_read(own_note, &own, e) || !certificate_read(opener_note, &opener, e)) return false;
    struct addition a = {store, id, title, own_note, opener_note, &own, &opener};
    return store_transact(store, add_relationship, &a, e);
}

bool relationship_forget(struct store *store, const struct relationship_id *id, struct err *e)
{
    static const enum query forgetting[] = {
        QUERY_forget_parties, QUERY_forget_receipt_keys, QUERY_forget_contacts, QUERY_forget_joining,
        QUERY_forget_feeds,   QUERY_forget_entries,      QUERY_forget_heads,    QUERY_forget_receipts,
        QUERY_forget_forks,   QUERY_forget_relationship,
    };
    OWNED_ROWS rows = {0};
    must(store_in_transaction(store));
    enum found found = query_first(&rows, store, QUERY_relationship, e, BINDS(bind_blob(relationship_span(id))));
    bool is_open_known = found == FOUND && rows_number(&rows, 1) != 0;
    rows_close(&rows);
    if (found == FOUND_FAILED) return false;
    if (is_open_known) return err_set(e, ERR_CONFLICT, "the relationship has been opened, and is part of the record");
    for (size_t i = 0; i < sizeof forgetting / sizeof forgetting[0]; i++)
        if (!query_run(store, forgetting[i], e, BINDS(bind_blob(relationship_span(id))))) return false;
    return true;
}

bool relationship_own_certificate(struct store *store, const struct relationship_id *id, struct buffer *note,
                                  struct err *e)
{
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, QUERY_relationship_own, e, BINDS(bind_blob(relationship_span(id))))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "that relationship is not here");
    case FOUND: break;
    }
    note->len = 0;
    return buffer_put(note, rows_bytes(&rows, 0), e);
}

bool receipt_key_is_known(struct store *store, const struct relationship_id *id, const struct key_public *receipt_key,
                          bool *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, store, QUERY_receipt_key_party, e,
                                   BINDS(bind_blob(relationship_span(id)), bind_blob(key_public_span(receipt_key))));
    *out = found == FOUND;
    return found != FOUND_FAILED;
}

/* ---- what we alone know ---- */

struct contact_change {
    struct store *store;
    const struct relationship_id *id;
    const char *code, *address, *words;
    const enum check *check;
};

static bool change_contact(void *self, struct err *e)
{
    const struct contact_change *c = self;
    return query_run(c->store, QUERY_contact_put, e,
                     BINDS(bind_blob(relationship_span(c->id)), bind_text(span_text(c->code)),
                           c->address ? bind_text(span_text(c->address)) : bind_null(),
                           c->check ? bind_number(*c->check) : bind_null(),
                           c->words ? bind_text(span_text(c->words)) : bind_null()));
}

bool contact_put(struct store *store, const struct relationship_id *id, const char *code, const char *address,
                 const enum check *check, const char *words, struct err *e)
{
    struct contact_change c = {store, id, code, address, words, check};
    return store_transact(store, change_contact, &c, e);
}

struct inviting {
    struct store *store;
    const struct invited *invited;
};

static bool put_invited(void *self, struct err *e)
{
    const struct inviting *inviting = self;
    const struct invited *i = inviting->invited;
    struct invitation_id id = invitation_id_of(i->secret);
    struct bind relationship = bind_blob(relationship_span(&i->relationship)), code = bind_text(span_text(i->code));
    return query_run(inviting->store, QUERY_voided_add, e, BINDS(relationship, code)) &&
           query_run(inviting->store, QUERY_invited_put, e,
                     BINDS(relationship, code, bind_blob(span_of(id.bytes, sizeof id.bytes)),
                           bind_blob(span_of(i->secret, sizeof i->secret)), bind_u64(i->expires_s)));
}

bool invited_put(struct store *store, const struct invited *invited, struct err *e)
{
    struct inviting inviting = {store, invited};
    return store_transact(store, put_invited, &inviting, e);
}

bool invited_bind(struct store *store, const struct invited *i, const struct certificate *certificate, span note,
                  struct err *e)
{
    return query_run(store, QUERY_invited_bind, e,
                     BINDS(bind_blob(key_public_span(&certificate->identity)),
                           bind_blob(key_public_span(&certificate->transport)), bind_blob(note),
                           bind_blob(relationship_span(&i->relationship)), bind_text(span_text(i->code))));
}

bool invited_note(struct store *store, const struct relationship_id *id, const char *code, struct buffer *note,
                  struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, store, QUERY_invited_note, e,
                                   BINDS(bind_blob(relationship_span(id)), bind_text(span_text(code))));
    if (found == FOUND_FAILED) return false;
    if (found == ABSENT || rows_is_null(&rows, 0))
        return err_set(e, ERR_MISSING, "%s has not come by an invitation of ours", code);
    note->len = 0;
    return buffer_put(note, rows_bytes(&rows, 0), e);
}

static bool invited_from_row(const struct rows *rows, struct invited *out, struct err *e)
{
    struct invited i = {.expires_s = (uint64_t)rows_number(rows, 3), .is_bound = !rows_is_null(rows, 4)};
    if (!rows_fixed(rows, 0, i.relationship.bytes, sizeof i.relationship.bytes, e)) return false;
    if (!span_to_text(rows_bytes(rows, 1), i.code, sizeof i.code))
        return err_set(e, ERR_CORRUPT, "an invitation's code is damaged");
    if (!rows_fixed(rows, 2, i.secret, sizeof i.secret, e)) return false;
    if (i.is_bound && !rows_fixed(rows, 4, i.identity.bytes, sizeof i.identity.bytes, e)) return false;
    *out = i;
    return true;
}

static bool find_by_id(struct store *store, enum query query, const uint8_t id[16], struct invited *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, query, e, BINDS(bind_blob(span_of(id, 16))))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "no such invitation was given out");
    case FOUND: return invited_from_row(&rows, out, e);
    }
    return false;
}

bool invited_find(struct store *store, const uint8_t id[16], struct invited *out, struct err *e)
{
    return find_by_id(store, QUERY_invited_find, id, out, e);
}

bool voided_find(struct store *store, const uint8_t id[16], struct invited *out, struct err *e)
{
    return find_by_id(store, QUERY_voided_find, id, out, e);
}

bool voided_of(struct store *store, const struct key_public *transport, struct relationship_id *out, size_t most,
               size_t *count, struct err *e)
{
    enum found found = ABSENT;
    OWNED_ROWS rows = {0};
    *count = 0;
    if (!rows_open(&rows, store, QUERY_voided_of, e, BINDS(bind_blob(key_public_span(transport))))) return false;
    while (*count < most && (found = rows_next(&rows, e)) == FOUND)
        if (!rows_fixed(&rows, 0, out[(*count)++].bytes, sizeof out->bytes, e)) return false;
    return found != FOUND_FAILED;
}

bool invited_each(struct store *store, const struct relationship_id *id,
                  bool (*each)(void *self, const struct invited *i), void *self, struct err *e)
{
    struct invited found[PARTIES_MAX];
    size_t count = 0;
    enum found next = FOUND;
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, store, QUERY_invited, e, BINDS(bind_blob(relationship_span(id))))) return false;
    while (count < PARTIES_MAX && (next = rows_next(&rows, e)) == FOUND)
        if (!invited_from_row(&rows, &found[count++], e)) return false;
    rows_close(&rows);
    for (size_t i = 0; i < count; i++)
        if (!each(self, &found[i])) break;
    secret_wipe(found, sizeof found);
    return next != FOUND_FAILED;
}

bool joining_put(struct store *store, const struct relationship_id *id, const struct invitation_id *invitation,
                 span text, struct err *e)
{
    return query_run(store, QUERY_joining_put, e,
                     BINDS(bind_blob(relationship_span(id)), bind_blob(span_of(invitation->bytes, sizeof invitation->bytes)),
                           bind_text(text)));
}

/* Either may be NULL. */
static bool load_joining(struct store *store, const struct relationship_id *id, struct joining_last *last,
                         struct buffer *text, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, store, QUERY_joining_get, e, BINDS(bind_blob(relationship_span(id))));
    if (found == FOUND_FAILED) return false;
    int64_t state = found == FOUND ? rows_number(&rows, 2) : JOINING_DONE;
    if (state < JOINING_UNDER_WAY || state > JOINING_VOIDED)
        return err_set(e, ERR_CORRUPT, "the state of an invitation we accepted is damaged");
    if (found == ABSENT || (text && state != JOINING_UNDER_WAY))
        return err_set(e, ERR_MISSING, "no invitation is being taken up there");
    if (last && !rows_fixed(&rows, 1, last->invitation.bytes, sizeof last->invitation.bytes, e)) return false;
    if (last) last->state = (enum joining_state)state;
    if (!text) return true;
    text->len = 0;
    return buffer_put(text, rows_bytes(&rows, 0), e);
}

bool joinings(struct store *store, struct relationship_id *out, size_t most, size_t *count, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = FOUND;
    *count = 0;
    if (!rows_open(&rows, store, QUERY_joinings, e, NULL, 0)) return false;
    while (*count < most && (found = rows_next(&rows, e)) == FOUND)
        if (!rows_fixed(&rows, 0, out[(*count)++].bytes, sizeof out->bytes, e)) return false;
    return found != FOUND_FAILED;
}

bool joining_get(struct store *store, const struct relationship_id *id, struct buffer *out, struct err *e)
{
    return load_joining(store, id, NULL, out, e);
}

bool joining_load(struct store *store, const struct relationship_id *id, struct joining_last *out, struct err *e)
{
    return load_joining(store, id, out, NULL, e);
}

static bool joining_over(struct store *store, const struct relationship_id *id, enum joining_state state, struct err *e)
{
    return query_run(store, QUERY_joining_over, e, BINDS(bind_number(state), bind_blob(relationship_span(id))));
}

bool joining_done(struct store *store, const struct relationship_id *id, struct err *e)
{
    return joining_over(store, id, JOINING_DONE, e);
}

bool joining_voided(struct store *store, const struct relationship_id *id, struct err *e)
{
    return joining_over(store, id, JOINING_VOIDED, e);
}

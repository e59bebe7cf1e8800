/*
 * Successor feeds: a party whose feed cannot go on (it has forked, rests on another's fork, or its end was lost with a
 * disk) goes on in a new one. FORMAT.md section 11.
 */
#include "store/members.h"

#include "store/database.h"
#include "store/feeds.h"
#include "store/record.h"

#include <string.h>

#define SLOT_UNIT 256u
#define BRANCH_UNIT 65536u

static bool add_feed(struct store *store, const struct relationship_id *id, unsigned party, unsigned ordinal,
                     const struct certificate *c, struct err *e)
{
    char origin[ORIGIN_BYTES_MAX + 1];
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, store, QUERY_feeds_of_party, e,
                                   BINDS(bind_blob(relationship_span(id)), bind_number(party)));
    if (found == FOUND_FAILED) return false;
    if (rows_number(&rows, 0) >= FEEDS_OF_PARTY_MAX)
        return err_set(e, ERR_LIMIT, "%s has had %d feeds, which is as many as are kept", c->code, FEEDS_OF_PARTY_MAX);
    unsigned last = (unsigned)rows_number(&rows, 1) % BRANCH_UNIT / SLOT_UNIT;
    rows_close(&rows);
    (void)origin_write(c->domain, id, &c->log, origin, sizeof origin);
    return query_run(store, QUERY_feed_add, e,
                     BINDS(bind_blob(relationship_span(id)), bind_number(party + SLOT_UNIT * (last + 1)),
                           bind_number(party), bind_number(ordinal), bind_number(0),
                           bind_blob(key_public_span(&c->log)), bind_text(span_text(origin)), bind_number(0),
                           bind_blob(span_of("", 0)), bind_number(0)));
}

bool successor_begin(struct store *store, const struct relationship_id *id, span note, unsigned *ordinal, struct err *e)
{
    struct feed own;
    struct certificate c;
    must(store_in_transaction(store));
    if (!feed_own(store, id, &own, e) || !certificate_read(note, &c, e)) return false;
    if (own.ordinal + 1 >= ORDINALS_MAX)
        return err_set(e, ERR_LIMIT, "this party has had %d feeds one after the other: open a new relationship",
                       ORDINALS_MAX);
    *ordinal = own.ordinal + 1;
    return add_feed(store, id, own.party, own.ordinal + 1, &c, e);
}

/* ---- another party's, by its first entry ---- */

bool successor_read(const struct relationship_id *id, const struct header *h, span body, struct certificate *c,
                    unsigned *ordinal)
{
    struct body_field fields[FIELDS_MAX];
    size_t count = 0;
    if (header_is_newer(h) || h->verb != VERB_SUCCEED || h->has_ref || h->index != 0 ||
        !body_read(body, 0, fields, &count, NULL))
        return false;
    const struct value *note = body_find(fields, count, "certificate");
    const struct value *number = body_find(fields, count, "ordinal");
    if (!note || !note->is_text || !certificate_read(note->text, c, NULL) || !c->has_log || !c->has_receipt) return false;
    if (!number || number->is_text || number->number < 1 || number->number >= ORDINALS_MAX) return false;
    *ordinal = (unsigned)number->number;
    return key_public_equal(&c->log, &h->log_key) &&
           span_equal(relationship_span(&c->relationship), relationship_span(id)) &&
           span_equal(relationship_span(&h->relationship), relationship_span(id));
}

/* Which party is known by this identity and code? */
static enum found party_of(struct store *store, const struct relationship_id *id, const struct certificate *c,
                           unsigned *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = FOUND;
    if (!rows_open(&rows, store, QUERY_party_rows, e, BINDS(bind_blob(relationship_span(id))))) return FOUND_FAILED;
    while ((found = rows_next(&rows, e)) == FOUND) {
        if (rows_is_null(&rows, 2) || !span_equal(rows_bytes(&rows, 3), key_public_span(&c->identity)) ||
            !span_equal(rows_bytes(&rows, 1), span_text(c->code)))
            continue;
        return rows_below(&rows, 0, PARTIES_MAX, out, e) ? FOUND : FOUND_FAILED;
    }
    return found;
}

bool successor_introduce(struct store *store, const struct relationship_id *id, const struct batch *batch,
                         struct err *e)
{
    struct header h;
    struct certificate c;
    unsigned party = 0, ordinal = 0;
    const struct stored_entry *first = batch->entries;
    bool is_read = batch->from == 0 && batch->entry_count > 0 && first->has_body &&
                   header_read(first->header, &h, NULL) && key_public_equal(&h.log_key, batch->log_key);
    if (is_read) {
        struct hash digest = body_digest(first->salt, first->body);
        is_read = hash_equal(&digest, &h.body_digest) && successor_read(id, &h, first->body, &c, &ordinal);
    }
    if (!is_read) return err_set(e, ERR_MISSING, "no party of this relationship is known by that log key");
    switch (party_of(store, id, &c, &party, e)) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "a successor feed of a party that is not known here");
    case FOUND: break;
    }
    struct err full = {0};
    if (add_feed(store, id, party, ordinal, &c, &full)) return true;
    /* Not the fault of whoever brings it: it is passed over like entries that join on to nothing. */
    return err_set(e, full.code == ERR_LIMIT ? ERR_MISSING : full.code, "%s", full.said);
}

/* ---- who has countersigned what ---- */

struct listing {
    struct store *store;
    const struct relationship_id *id;
    unsigned our_party, party_count;
    bool (*each)(void *self, const struct successor *successor);
    void *self;
    struct err *e;
    bool is_fine, is_enough;
};

static bool list_successor(void *self, const struct feed *feed)
{
    struct listing *l = self;
    struct successor s = {.party = feed->party, .ordinal = feed->ordinal, .log_key = feed->log_key};
    struct feed_nodes nodes = feed_nodes_of(l->store, l->id, feed);
    bool is_awaited = false;
    if (feed->ordinal == 0 || feed->branch != 0 || feed->edge.size == 0 || feed->folded == 0 || feed_is_live(feed) ||
        feed->fork_at != UINT64_MAX)
        return true;
    l->is_fine = feed_nodes(&nodes).find(&nodes, 0, 0, &s.begins, l->e);
    for (unsigned p = 0; l->is_fine && p < l->party_count; p++) {
        OWNED_ROWS rows = {0};
        if (p == feed->party) continue;
        enum found found =
            query_first(&rows, l->store, QUERY_countersigned, l->e,
                        BINDS(bind_blob(relationship_span(l->id)), bind_number(feed->feed), bind_number(p)));
        l->is_fine = found != FOUND_FAILED;
        s.is_missing[p] = found == ABSENT;
        if (found == ABSENT && (p == l->our_party || feed->party == l->our_party)) is_awaited = true;
    }
    if (!l->is_fine) return false;
    l->is_enough = is_awaited && !l->each(l->self, &s);
    return !l->is_enough;
}

bool successors_each(struct store *store, const struct relationship_id *id,
                     bool (*each)(void *self, const struct successor *successor), void *self, struct err *e)
{
    struct listing l = {.store = store, .id = id, .each = each, .self = self, .e = e, .is_fine = true};
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, QUERY_relationship, e, BINDS(bind_blob(relationship_span(id))))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "that relationship is not here");
    case FOUND: break;
    }
    if (!rows_below(&rows, 2, PARTIES_MAX, &l.our_party, e) || !rows_below(&rows, 3, PARTIES_MAX + 1, &l.party_count, e))
        return false;
    rows_close(&rows);
    return feeds_each(store, id, list_successor, &l, e) && l.is_fine;
}

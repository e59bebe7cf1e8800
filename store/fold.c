#include "store/fold.h"

#include "store/members.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEED_PARTY_MASK 0xffu
#define FEED_BRANCH_SHIFT 16

static const struct hash nothing;

uint64_t fold_position(const struct feed *feed, uint64_t index)
{
    return ((uint64_t)feed->ordinal << POSITION_ORDINAL_SHIFT) + index;
}

/* ---- loading and saving ---- */

static bool add_slot(void *self, const struct feed *feed)
{
    struct fold *fold = self;
    if (fold->feed_count == FEEDS_MAX) return true;
    struct fold_feed *slot = calloc(1, sizeof *slot);
    fold->is_out_of_memory = !slot;
    if (!slot) return false;
    slot->feed = *feed;
    fold->feeds[fold->feed_count++] = slot;
    return true;
}

static struct fold_feed *slot_by_number(const struct fold *fold, unsigned feed, size_t *at)
{
    for (size_t i = 0; i < fold->feed_count; i++) {
        if (fold->feeds[i]->feed.feed != feed) continue;
        *at = i;
        return fold->feeds[i];
    }
    return NULL;
}

static bool load_fronts(struct fold *fold, struct err *e)
{
    OWNED_ROWS rows = {0};
    for (size_t f = 0; f < fold->feed_count; f++) {
        struct fold_feed *slot = fold->feeds[f];
        for (size_t n = 0; n < fold->feed_count; n++) {
            enum found found = query_first(&rows, fold->store, QUERY_front_latest, e,
                                           BINDS(bind_blob(relationship_span(&fold->id)), bind_number(slot->feed.feed),
                                                 bind_number(fold->feeds[n]->feed.feed), bind_u64(INT64_MAX)));
            if (found == FOUND_FAILED) return false;
            if (found == FOUND) slot->seen[n] = (uint64_t)rows_number(&rows, 0);
            rows_close(&rows);
        }
    }
    return true;
}

static bool load_relationship(struct fold *fold, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_relationship, e,
                                   BINDS(bind_blob(relationship_span(&fold->id))));
    if (found != FOUND) return found == ABSENT && err_set(e, ERR_MISSING, "that relationship is not here");
    fold->is_open_known = rows_number(&rows, 1) != 0;
    if (!rows_below(&rows, 2, PARTIES_MAX, &fold->our_party, e) ||
        !rows_below(&rows, 3, PARTIES_MAX + 1, &fold->party_count, e))
        return false;
    if (fold->is_open_known && fold->our_party >= fold->party_count)
        return err_set(e, ERR_CORRUPT, "we are party %u of %u", fold->our_party, fold->party_count);
    if (!lthash_load(&fold->sum, rows_bytes(&rows, 4))) return err_set(e, ERR_CORRUPT, "the state digest is damaged");
    rows_close(&rows);
    if (!rows_open(&rows, fold->store, QUERY_party_codes, e, BINDS(bind_blob(relationship_span(&fold->id)))))
        return false;
    while ((found = rows_next(&rows, e)) == FOUND) {
        int64_t party = rows_number(&rows, 0);
        if (party < 0 || party >= PARTIES_MAX ||
            !span_to_text(rows_bytes(&rows, 1), fold->codes[party], sizeof fold->codes[party]))
            return err_set(e, ERR_CORRUPT, "a party's row is damaged");
    }
    return found == ABSENT;
}

bool fold_load(struct fold **out, struct store *store, const struct relationship_id *id, struct err *e)
{
    OWNED(fold_free) struct fold *fold = calloc(1, sizeof *fold);
    if (!fold) return err_memory(e);
    fold->store = store;
    fold->id = *id;
    if (!load_relationship(fold, e) || !feeds_each(store, id, add_slot, fold, e)) return false;
    if (fold->is_out_of_memory) return err_memory(e);
    for (size_t f = 0; f < fold->feed_count && fold->is_open_known; f++)
        if (fold->feeds[f]->feed.party >= fold->party_count)
            return err_set(e, ERR_CORRUPT, "a feed of party %u of %u", fold->feeds[f]->feed.party, fold->party_count);
    if (!load_fronts(fold, e)) return false;
    *out = GIVE(fold);
    return true;
}

bool fold_save(struct fold *fold, struct err *e)
{
    for (size_t f = 0; f < fold->feed_count; f++) {
        const struct feed *feed = &fold->feeds[f]->feed;
        if (!fold->feeds[f]->is_changed) continue;
        fold->feeds[f]->is_changed = false;
        if (!query_run(fold->store, QUERY_feed_folded, e,
                       BINDS(bind_u64(feed->folded), bind_u64(feed->setup), bind_u64(feed->items),
                             bind_optional(feed->broken_at), bind_text(span_text(feed->broken_why)),
                             bind_optional(feed->contested_at),
                             bind_optional(feed->ordinal == 0 ? UINT64_MAX : feed->live_at),
                             bind_blob(relationship_span(&fold->id)),
                             bind_number(feed->feed))))
            return false;
    }
    if (!fold->is_sum_changed) return true;
    uint8_t lanes[LTHASH_BYTES];
    lthash_save(&fold->sum, lanes);
    fold->is_sum_changed = false;
    return query_run(fold->store, QUERY_relationship_state, e,
                     BINDS(bind_blob(span_of(lanes, sizeof lanes)), bind_blob(relationship_span(&fold->id))));
}

void fold_free(struct fold *fold)
{
    if (!fold) return;
    for (size_t f = 0; f < fold->feed_count; f++) free(fold->feeds[f]);
    free(fold);
}

struct fold_feed *fold_own(struct fold *fold)
{
    struct fold_feed *own = NULL;
    if (!fold->is_open_known) return NULL;
    for (size_t f = 0; f < fold->feed_count; f++) {
        struct fold_feed *slot = fold->feeds[f];
        if (slot->feed.party != fold->our_party || slot->feed.branch != 0) continue;
        if (!own || slot->feed.ordinal > own->feed.ordinal ||
            (slot->feed.ordinal == own->feed.ordinal && slot->feed.feed < own->feed.feed))
            own = slot;
    }
    return own;
}

/*
 * What of a feed being seen adds to a past. Until a successor feed is live its entries say nothing, and do not yet put
 * all of the feed before it into anybody's past.
 */
static void past_see(struct past *past, const struct feed *feed, uint64_t size)
{
    if (size == 0 || (feed->ordinal > 0 && (!feed_is_live(feed) || size <= feed->live_at))) return;
    uint64_t below = fold_position(feed, size);
    if (below > past->below[feed->party]) past->below[feed->party] = below;
}

void fold_past(const struct fold *fold, const struct fold_feed *feed, struct past *out)
{
    *out = (struct past){0};
    for (size_t n = 0; n < fold->feed_count; n++) past_see(out, &fold->feeds[n]->feed, feed->seen[n]);
    out->below[feed->feed.party] = fold_position(&feed->feed, feed->feed.folded);
}

uint64_t fold_nameable(const struct feed *feed)
{
    if (feed->branch != 0) return 0;
    return feed->folded < feed->contested_at ? feed->folded : feed->contested_at;
}

void fold_past_now(const struct fold *fold, struct past *out)
{
    const struct fold_feed *own = fold_own((struct fold *)fold);
    *out = (struct past){0};
    for (size_t n = 0; n < fold->feed_count; n++)
        past_see(out, &fold->feeds[n]->feed, fold_nameable(&fold->feeds[n]->feed));
    if (own) out->below[own->feed.party] = fold_position(&own->feed, own->feed.folded);
}

/* ---- the envelope ---- */

/* Freezes the feed at the entry being folded, for a reason that every node finds in the same bytes. */
static bool freeze(struct fold *fold, const char *why)
{
    struct feed *feed = &fold->at->feed;
    feed->broken_at = fold->index;
    (void)span_show(span_text(why), feed->broken_why, sizeof feed->broken_why);
    fold->at->is_changed = true;
    return true;
}

static const char *envelope_trouble(const struct fold *fold, const struct header *h)
{
    if (!span_equal(relationship_span(&h->relationship), relationship_span(&fold->id)))
        return "it names another relationship";
    if (!key_public_equal(&h->log_key, &fold->at->feed.log_key)) return "it names another log key";
    if (h->index != fold->index) return "it names another index";
    return NULL;
}

enum met { MET, NOT_YET, BACKWARDS, MET_FAILED };

/*
 * Does the branch in `slot` hold the first `size` entries with that root? What comes after a fork is not folded into
 * anything; what comes before, in branch 0, must be: it can be referred to.
 */
static enum met branch_meets(struct fold *fold, const struct fold_feed *slot, uint64_t main_folded,
                             const struct front_row *row, struct err *e)
{
    const struct feed *feed = &slot->feed;
    struct hash root = feed->root;
    if (row->size > feed->edge.size) return NOT_YET;
    if (row->size != feed->edge.size) {
        struct feed_nodes nodes = feed_nodes_of(fold->store, &fold->id, feed);
        if (!merkle_root_at(feed_nodes(&nodes), row->size, &root, e)) return MET_FAILED;
    }
    if (!hash_equal(&root, &row->root)) return NOT_YET;
    if (row->size > feed->fork_at) return main_folded >= feed->fork_at ? MET : NOT_YET;
    return row->size <= feed->folded ? MET : NOT_YET;
}

/* Does the author name less of a feed than before? Which branch comes first here says nothing: beyond a fork all are alike. */
static bool runs_backwards(const struct fold *fold, const struct front_row *row)
{
    for (size_t n = 0; n < fold->feed_count; n++) {
        const struct feed *feed = &fold->feeds[n]->feed;
        if (key_public_equal(&feed->log_key, &row->log_key) && row->size <= feed->fork_at &&
            row->size < fold->at->seen[n])
            return true;
    }
    return false;
}

/* Which slot meets a row of a front: matched by key, size and root. What branches have in common is branch 0's. */
static enum met row_meets(struct fold *fold, const struct front_row *row, size_t *at, struct err *e)
{
    if (runs_backwards(fold, row)) return BACKWARDS;
    uint64_t main_folded = 0;
    for (size_t n = 0; n < fold->feed_count; n++) { /* a key's branch 0 comes before its others */
        const struct feed *feed = &fold->feeds[n]->feed;
        if (!key_public_equal(&feed->log_key, &row->log_key)) continue;
        if (feed->branch == 0) main_folded = feed->folded;
        if (feed->branch != 0 && row->size <= feed->branch_from) continue;
        enum met met = branch_meets(fold, fold->feeds[n], main_folded, row, e);
        *at = n;
        if (met != NOT_YET) return met;
    }
    return NOT_YET;
}

static enum met front_meets(struct fold *fold, const struct header *h, size_t *slots, struct err *e)
{
    for (size_t i = 0; i < h->front_count; i++) {
        if (key_public_equal(&h->front[i].log_key, &h->log_key)) return BACKWARDS;
        enum met met = row_meets(fold, &h->front[i], &slots[i], e);
        if (met != MET) return met;
    }
    return MET;
}

/*
 * True when `named`'s author had, at the entry named, seen no more than this front says: the past is closed. What it had
 * seen of our author's own feed our author knows; an earlier feed of its own it has to name like any other.
 */
static enum met front_closed(struct fold *fold, size_t named, uint64_t size, struct err *e)
{
    for (size_t n = 0; n < fold->feed_count; n++) {
        if (n == named || key_public_equal(&fold->feeds[n]->feed.log_key, &fold->at->feed.log_key)) continue;
        OWNED_ROWS rows = {0};
        enum found found = query_first(&rows, fold->store, QUERY_front_latest, e,
                                       BINDS(bind_blob(relationship_span(&fold->id)),
                                             bind_number(fold->feeds[named]->feed.feed),
                                             bind_number(fold->feeds[n]->feed.feed), bind_u64(size)));
        if (found == FOUND_FAILED) return MET_FAILED;
        if (found == FOUND && (uint64_t)rows_number(&rows, 0) > fold->at->seen[n]) return NOT_YET;
    }
    return MET;
}

/* Takes the front into what this author has seen. */
static bool front_apply(struct fold *fold, const struct header *h, const size_t *slots, struct act *act, struct err *e)
{
    for (size_t i = 0; i < h->front_count; i++) {
        const struct feed *named = &fold->feeds[slots[i]]->feed;
        if (fold->at->seen[slots[i]] == h->front[i].size) continue;
        fold->at->seen[slots[i]] = h->front[i].size;
        act->advanced[named->party] = true;
        if (!query_run(fold->store, QUERY_front_add, e,
                       BINDS(bind_blob(relationship_span(&fold->id)), bind_number(fold->at->feed.feed),
                             bind_number(named->feed), bind_u64(fold->index), bind_u64(h->front[i].size))))
            return false;
    }
    return true;
}

static bool is_front_closed(struct fold *fold, const struct header *h, const size_t *slots, bool *out, struct err *e)
{
    *out = true;
    if (fold->feed_count < 3) return true;
    for (size_t i = 0; i < h->front_count && *out; i++) {
        enum met met = front_closed(fold, slots[i], h->front[i].size, e);
        if (met == MET_FAILED) return false;
        *out = met == MET;
    }
    return true;
}

/* ---- who is who: open and pair ---- */

static bool text_field(const struct body_field *fields, size_t count, const char *name, span *out)
{
    const struct value *value = body_find(fields, count, name);
    if (!value || !value->is_text) return false;
    *out = value->text;
    return true;
}

/* Splits "ACME BOLT CORD" into the fold's codes. */
static bool split_codes(struct fold *fold, span codes)
{
    char split[PARTIES_MAX][CODE_BYTES_MAX + 1];
    size_t count = 0;
    while (codes.len > 0) {
        span code = {0};
        if (!span_take_until(&codes, ' ', &code)) {
            code = codes;
            codes = (span){0};
        } else if (codes.len == 0) return false;
        if (count == PARTIES_MAX || !code_is_valid(code) || !span_to_text(code, split[count], sizeof split[0]))
            return false;
        for (size_t i = 0; i < count; i++)
            if (strcmp(split[i], split[count]) == 0) return false;
        count++;
    }
    if (count < PARTIES_MIN) return false;
    memcpy(fold->codes, split, count * sizeof split[0]);
    fold->party_count = (unsigned)count;
    return true;
}

static bool add_feed_slot(struct fold *fold, const struct key_public *log_key, struct err *e)
{
    struct feed feed;
    size_t at = 0;
    if (!feed_load(fold->store, &fold->id, log_key, 0, &feed, e)) return false;
    if (slot_by_number(fold, feed.feed, &at)) return true;
    return add_slot(fold, &feed) || err_memory(e);
}

static bool put_parties(struct fold *fold, span title, const struct certificate *own, span own_note, struct err *e)
{
    unsigned us = PARTIES_MAX;
    for (unsigned p = 0; p < fold->party_count; p++)
        if (strcmp(fold->codes[p], own->code) == 0) us = p;
    if (us == PARTIES_MAX) return freeze(fold, "its list of parties does not name us");
    if ((us == 0) != key_public_equal(&own->log, &fold->at->feed.log_key))
        return freeze(fold, "its list of parties puts us in the opener's place");
    for (unsigned p = 0; p < fold->party_count; p++)
        if (!member_put_code(fold->store, &fold->id, p, fold->codes[p], e)) return false;
    fold->our_party = us;
    fold->is_open_known = true;
    return query_run(fold->store, QUERY_relationship_open, e,
                     BINDS(bind_text(title), bind_number(us), bind_number(fold->party_count),
                           bind_blob(relationship_span(&fold->id)))) &&
           member_put_certificate(fold->store, &fold->id, us, own_note, own, us, e) &&
           add_feed_slot(fold, &own->log, e);
}

/* The opening entry: entry 0 of the opener's feed, whose nonce makes the relationship's id. */
static bool fold_open(struct fold *fold, struct err *e)
{
    struct body_field fields[FIELDS_MAX];
    size_t count = 0;
    struct err unfit = {0};
    span title = {0}, codes = {0}, nonce_text = {0}, note = {0};
    uint8_t nonce[32];
    struct certificate opener, own;
    if (fold->at->feed.party != 0 || fold->index != 0) return true;
    if (!body_read(fold->body, 0, fields, &count, &unfit) || !text_field(fields, count, "title", &title) ||
        !text_field(fields, count, "parties", &codes) || !text_field(fields, count, "nonce", &nonce_text) ||
        !text_field(fields, count, "certificate", &note) || !hex_read(nonce_text, nonce, sizeof nonce) ||
        !certificate_read(note, &opener, &unfit) || title.len > TITLE_BYTES_MAX)
        return freeze(fold, "the opening entry does not fit its vocabulary");
    struct relationship_id id = relationship_id_of(&opener.identity, nonce);
    if (!span_equal(relationship_span(&id), relationship_span(&fold->id)) ||
        !key_public_equal(&opener.log, &fold->at->feed.log_key))
        return freeze(fold, "the opening entry is another relationship's");
    if (!split_codes(fold, codes) || strcmp(fold->codes[0], opener.code) != 0)
        return freeze(fold, "the opening entry's list of parties is not one");
    OWNED_BUFFER own_note = {0};
    if (!relationship_own_certificate(fold->store, &fold->id, &own_note, e) ||
        !certificate_read(buffer_span(&own_note), &own, e))
        return false;
    return put_parties(fold, title, &own, buffer_span(&own_note), e);
}

static enum found party_identity(struct fold *fold, unsigned party, struct key_public *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_party_identity, e,
                                   BINDS(bind_blob(relationship_span(&fold->id)), bind_number(party)));
    if (found == FOUND && rows_is_null(&rows, 0)) return ABSENT;
    if (found == FOUND && !rows_fixed(&rows, 0, out->bytes, sizeof out->bytes, e)) return FOUND_FAILED;
    return found;
}

/* A party says its own keys anew: only the receipt key may change so. */
static bool fold_own_keys(struct fold *fold, const struct certificate *c, enum effect *effect, struct err *e)
{
    struct key_public known;
    enum found found = party_identity(fold, fold->at->feed.party, &known, e);
    if (found == FOUND_FAILED) return false;
    *effect = EFFECT_NO_RIGHT;
    if (found == ABSENT || !key_public_equal(&known, &c->identity)) return true;
    *effect = EFFECT_FULL;
    return member_put_receipt_key(fold->store, &fold->id, fold->at->feed.party, &c->receipt, e);
}

static bool shares_a_key(const struct certificate *a, const struct certificate *b)
{
    return key_public_equal(&a->identity, &b->identity) || key_public_equal(&a->log, &b->log) ||
           key_public_equal(&a->receipt, &b->receipt) || key_public_equal(&a->transport, &b->transport);
}

/* Does another party go by one of these keys? Two parties with one log key would have one feed. */
static bool keys_are_taken(struct fold *fold, unsigned party, const struct certificate *c, bool *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = FOUND;
    *out = false;
    if (!rows_open(&rows, fold->store, QUERY_party_rows, e, BINDS(bind_blob(relationship_span(&fold->id)))))
        return false;
    while (!*out && (found = rows_next(&rows, e)) == FOUND) {
        struct certificate other;
        if (rows_number(&rows, 0) == (int64_t)party || rows_is_null(&rows, 2)) continue;
        if (!certificate_read(rows_bytes(&rows, 2), &other, e)) return false;
        *out = shares_a_key(&other, c);
    }
    return *out || found == ABSENT;
}

/* The opener says which identity takes a place; the first for a place stands. */
static bool fold_member(struct fold *fold, const struct certificate *c, span note, enum effect *effect, struct err *e)
{
    struct key_public known;
    unsigned party = 1;
    while (party < fold->party_count && strcmp(fold->codes[party], c->code) != 0) party++;
    *effect = EFFECT_NOT_KNOWN;
    if (party >= fold->party_count) return true;
    enum found found = party_identity(fold, party, &known, e);
    if (found == FOUND_FAILED) return false;
    *effect = found == FOUND && !key_public_equal(&known, &c->identity) ? EFFECT_NO_RIGHT : EFFECT_FULL;
    if (found == FOUND) return true;
    bool is_direct = fold->our_party == 0, is_taken = false;
    if (!keys_are_taken(fold, party, c, &is_taken, e)) return false;
    if (is_taken) {
        *effect = EFFECT_NO_RIGHT;
        return true;
    }
    return member_put_certificate(fold->store, &fold->id, party, note, c, is_direct ? party : 0, e) &&
           add_feed_slot(fold, &c->log, e);
}

/* A `pair` entry: about its author's own keys; from the opener, about a member; from others, how they checked. */
static bool fold_pair(struct fold *fold, enum effect *effect, struct err *e)
{
    struct body_field fields[FIELDS_MAX];
    size_t count = 0;
    struct err unfit = {0};
    span note = {0};
    struct certificate c;
    if (!body_read(fold->body, 0, fields, &count, &unfit) || !text_field(fields, count, "certificate", &note) ||
        !certificate_read(note, &c, &unfit) || !c.has_log || !c.has_receipt || !c.has_transport ||
        !span_equal(relationship_span(&c.relationship), relationship_span(&fold->id))) {
        *effect = EFFECT_NOT_KNOWN;
        return true;
    }
    unsigned author = fold->at->feed.party;
    if (strcmp(c.code, fold->codes[author]) == 0) return fold_own_keys(fold, &c, effect, e);
    return author != 0 || fold_member(fold, &c, note, effect, e);
}

/* ---- successor feeds ---- */

/* Is that entry in the past of the one being folded? Only such may be looked at, for others come in any order. */
static bool is_in_past(struct fold *fold, const struct hash *entry, bool *out, struct err *e)
{
    unsigned feed = 0;
    uint64_t index = 0;
    size_t at = 0;
    struct err missing = {0};
    *out = false;
    if (!feed_find(fold->store, &fold->id, entry, &feed, &index, &missing))
        return missing.code == ERR_MISSING || err_set(e, missing.code, "%s", missing.said);
    const struct fold_feed *slot = slot_by_number(fold, feed, &at);
    *out = slot && index < (slot == fold->at ? fold->index : fold->at->seen[at]);
    return true;
}

/* Has the party countersigned `slot`'s feed, in an entry below the sizes that `sees` gives of each feed? */
static bool is_countersigned(struct fold *fold, const struct fold_feed *slot, unsigned party, const uint64_t *sees,
                             bool *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = FOUND;
    *out = false;
    if (!rows_open(&rows, fold->store, QUERY_countersigned, e,
                   BINDS(bind_blob(relationship_span(&fold->id)), bind_number(slot->feed.feed), bind_number(party))))
        return false;
    while (!*out && (found = rows_next(&rows, e)) == FOUND) {
        size_t by = 0;
        *out = slot_by_number(fold, (unsigned)rows_number(&rows, 0), &by) && (uint64_t)rows_number(&rows, 1) < sees[by];
    }
    return found != FOUND_FAILED;
}

/* Has every other party countersigned it so? */
static bool all_countersigned(struct fold *fold, const struct fold_feed *slot, const uint64_t *sees, bool *out,
                              struct err *e)
{
    *out = true;
    for (unsigned p = 0; p < fold->party_count && *out; p++)
        if (p != slot->feed.party && !is_countersigned(fold, slot, p, sees, out, e)) return false;
    return true;
}

/* Adds the feeds that hold a countersignature of ours. */
static bool front_countersigners(struct fold *fold, const struct fold_feed *own, uint64_t sizes[FEEDS_MAX], struct err *e)
{
    for (unsigned p = 0; p < fold->party_count; p++) {
        OWNED_ROWS rows = {0};
        enum found found = FOUND;
        if (!rows_open(&rows, fold->store, QUERY_countersigned, e,
                       BINDS(bind_blob(relationship_span(&fold->id)), bind_number(own->feed.feed), bind_number(p))))
            return false;
        while ((found = rows_next(&rows, e)) == FOUND) {
            size_t by = 0;
            const struct fold_feed *slot = slot_by_number(fold, (unsigned)rows_number(&rows, 0), &by);
            if (slot) sizes[by] = fold_nameable(&slot->feed);
        }
        if (found == FOUND_FAILED) return false;
    }
    return true;
}

bool fold_front(struct fold *fold, const struct fold_feed *own, unsigned begun, uint64_t sizes[FEEDS_MAX], struct err *e)
{
    bool is_more = true;
    for (size_t n = 0; n < fold->feed_count; n++) {
        const struct feed *feed = &fold->feeds[n]->feed;
        bool is_named = feed_is_live(feed) || own->seen[n] > 0 || feed->feed == begun;
        sizes[n] = is_named ? fold_nameable(feed) : 0;
    }
    if (!feed_is_live(&own->feed) && !front_countersigners(fold, own, sizes, e)) return false;
    while (is_more) {
        is_more = false;
        for (size_t n = 0; n < fold->feed_count; n++)
            for (size_t by = 0; by < fold->feed_count && sizes[n] == 0 && fold_nameable(&fold->feeds[n]->feed) > 0; by++) {
                if (sizes[by] == 0 || fold->feeds[by]->seen[n] == 0) continue;
                sizes[n] = fold_nameable(&fold->feeds[n]->feed);
                is_more = true;
            }
    }
    return true;
}

bool fold_may_go_on(struct fold *fold, const struct fold_feed *own, bool *out, struct err *e)
{
    uint64_t sizes[FEEDS_MAX] = {0};
    *out = true;
    return feed_is_live(&own->feed) ||
           (fold_front(fold, own, FEED_NONE, sizes, e) && all_countersigned(fold, own, sizes, out, e));
}

/* The earlier feeds of the author end where this entry, the first that has effect, goes on from them. */
static bool go_live(struct fold *fold, struct act *act, struct err *e)
{
    struct feed *feed = &fold->at->feed;
    for (size_t n = 0; n < fold->feed_count; n++) {
        struct feed *old = &fold->feeds[n]->feed;
        uint64_t end = fold->at->seen[n];
        if (old->party != feed->party || old->branch != 0 || old->ordinal >= feed->ordinal) continue;
        if (old->items > feed->items) feed->items = old->items; /* references go on */
        if (old->ends_at <= end) continue;
        if (old->folded > end && old->contested_at > end) fold->is_outlived = true;
        old->ends_at = end;
        if (!query_run(fold->store, QUERY_feed_end, e,
                       BINDS(bind_u64(end), bind_blob(relationship_span(&fold->id)),
                             bind_blob(key_public_span(&old->log_key)))))
            return false;
    }
    fold->items_before = feed->items;
    feed->live_at = fold->index;
    /* Whatever the author had come to see while it could say nothing is new to it now. */
    for (unsigned p = 0; p < fold->party_count; p++) act->advanced[p] = p != feed->party;
    fold_past(fold, fold->at, &act->past);
    return true;
}

/*
 * A party goes on in one feed: of rivals the first countersigned stands. First is what our author had seen, for of its own
 * feeds any may come to us before another.
 */
static bool has_countersigned_rival(struct fold *fold, const struct fold_feed *slot, bool *out, struct err *e)
{
    uint64_t sees[FEEDS_MAX];
    *out = false;
    for (size_t n = 0; n < fold->feed_count; n++) sees[n] = fold->feeds[n] == fold->at ? fold->index : fold->at->seen[n];
    for (size_t n = 0; n < fold->feed_count && !*out; n++) {
        const struct feed *rival = &fold->feeds[n]->feed;
        if (rival->party != slot->feed.party || rival->branch != 0 || rival->ordinal < slot->feed.ordinal) continue;
        if (!is_countersigned(fold, fold->feeds[n], fold->at->feed.party, sees, out, e)) return false;
    }
    return true;
}

static bool countersign(struct fold *fold, enum effect *effect, struct err *e)
{
    unsigned number = 0;
    uint64_t index = 0;
    size_t at = 0;
    bool is_known = false;
    *effect = EFFECT_NOT_KNOWN;
    if (!is_in_past(fold, &fold->header->ref, &is_known, e)) return false;
    if (!is_known) return true;
    if (!feed_find(fold->store, &fold->id, &fold->header->ref, &number, &index, e)) return false;
    const struct fold_feed *slot = slot_by_number(fold, number, &at);
    if (!slot || index != 0 || slot->feed.ordinal == 0 || slot->feed.branch != 0) return true;
    *effect = EFFECT_OWN;
    if (slot->feed.party == fold->at->feed.party) return true;
    bool is_spoken = false;
    if (!has_countersigned_rival(fold, slot, &is_spoken, e)) return false;
    *effect = EFFECT_ALREADY_SPOKE;
    if (is_spoken) return true;
    *effect = EFFECT_FULL;
    return query_run(fold->store, QUERY_countersign, e,
                     BINDS(bind_blob(relationship_span(&fold->id)), bind_number(number),
                           bind_number(fold->at->feed.party), bind_number(fold->at->feed.feed),
                           bind_u64(fold->index)));
}

/* The entry that begins a successor feed, or a countersignature of one. */
static bool fold_succeed(struct fold *fold, enum effect *effect, struct err *e)
{
    struct certificate c;
    unsigned ordinal = 0;
    const struct feed *feed = &fold->at->feed;
    if (fold->header->has_ref) return countersign(fold, effect, e);
    *effect = EFFECT_NOT_KNOWN;
    if (feed->ordinal == 0 || !successor_read(&fold->id, fold->header, fold->body, &c, &ordinal)) return true;
    *effect = EFFECT_FULL;
    return member_put_receipt_key(fold->store, &fold->id, feed->party, &c.receipt, e);
}

/* ---- one entry ---- */

/* An item that a newer version has touched can only be read. */
static bool mark_newer(struct fold *fold, const struct hash *item, struct err *e)
{
    struct facts facts = fold_facts(fold);
    struct past past;
    unsigned party = 0;
    uint64_t position = 0;
    enum found found = facts.item(facts.self, item, &party, &position, e);
    if (found != FOUND) return found == ABSENT;
    fold_past(fold, fold->at, &past);
    return party >= PARTIES_MAX || position >= past.below[party] ||
           query_run(fold->store, QUERY_item_newer, e,
                     BINDS(bind_blob(relationship_span(&fold->id)), bind_blob(hash_span(item))));
}

static bool touch(struct fold *fold, const struct hash *item, enum effect effect, struct err *e)
{
    if (effect == EFFECT_NEWER && !mark_newer(fold, item, e)) return false;
    return query_run(fold->store, QUERY_touch_add, e,
                     BINDS(bind_blob(relationship_span(&fold->id)), bind_blob(hash_span(item)),
                           bind_number(fold->at->feed.feed), bind_u64(fold->index), bind_number(effect)));
}

/* Writes which items the entry concerns: those it names, or those of what it refers to. */
static bool touch_items(struct fold *fold, enum effect effect, struct err *e)
{
    const struct header *h = fold->header;
    for (size_t i = 0; i < h->item_count; i++) {
        struct hash item = header_item(h, &fold->entry, i);
        if (h->items[i].is_new && effect == EFFECT_FULL) continue; /* the item's own row says so */
        if (!touch(fold, &item, effect, e)) return false;
    }
    bool is_known = false;
    if (h->item_count > 0) return true;
    if (h->has_ref && !is_in_past(fold, &h->ref, &is_known, e)) return false;
    if (!is_known) return touch(fold, &nothing, effect, e);
    struct hash items[ITEMS_MAX];
    size_t count = 0;
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, fold->store, QUERY_items_of, e,
                   BINDS(bind_blob(relationship_span(&fold->id)), bind_blob(hash_span(&h->ref)))))
        return false;
    while (count < ITEMS_MAX && (found = rows_next(&rows, e)) == FOUND)
        if (!rows_fixed(&rows, 0, items[count++].bytes, sizeof items[0].bytes, e)) return false;
    rows_close(&rows);
    if (found == FOUND_FAILED) return false;
    for (size_t i = 0; i < count; i++)
        if (!touch(fold, &items[i], effect, e)) return false;
    return count > 0 || touch(fold, &nothing, effect, e);
}

static void act_items(const struct header *h, const struct hash *entry, struct act *act)
{
    act->change_count = h->item_count;
    for (size_t i = 0; i < h->item_count; i++) {
        act->changes[i].item = header_item(h, entry, i);
        act->changes[i].base = h->items[i].from_start ? nothing : h->items[i].base;
        act->creates[i] = h->items[i].is_new;
    }
}

/* An item keeps the noun it was created with. One that is not in the entry's past may be here or may come later. */
static bool nouns_match(struct fold *fold, const struct header *h, const struct past *past, bool *out, struct err *e)
{
    *out = true;
    for (size_t i = 0; i < h->item_count && *out; i++) {
        if (h->items[i].is_new) continue;
        OWNED_ROWS rows = {0};
        enum found found = query_first(
            &rows, fold->store, QUERY_item_reference, e,
            BINDS(bind_blob(relationship_span(&fold->id)), bind_blob(hash_span(&h->items[i].item))));
        if (found == FOUND_FAILED) return false;
        if (found == ABSENT) continue;
        int64_t party = rows_number(&rows, 0);
        if (party < 0 || party >= PARTIES_MAX || (uint64_t)rows_number(&rows, 3) >= past->below[party]) continue;
        *out = span_equal(rows_bytes(&rows, 2), h->noun);
    }
    return true;
}

/* A seal lists what it seals; R4 is the judge, and a list that disagrees is without effect. */
static bool judge_seal(struct fold *fold, const struct act *act, enum effect *effect, struct err *e)
{
    struct proposal p;
    struct facts facts = fold_facts(fold);
    enum found found = facts.proposal(facts.self, &fold->header->ref, &p, e);
    if (found == FOUND_FAILED) return false;
    bool is_sealed = found == FOUND && p.party == act->party && p.sealed != POSITION_NONE && p.sealed <= act->position;
    *effect = is_sealed ? EFFECT_FULL : EFFECT_NOT_FOR;
    return true;
}

static bool is_setup(const struct header *h)
{
    return h->verb == VERB_OPEN || h->verb == VERB_JOIN || h->verb == VERB_PAIR || h->verb == VERB_SUCCEED ||
           span_equal(h->noun, span_text("charter"));
}

static bool fold_effect(struct fold *fold, struct act *act, enum effect *effect, struct err *e)
{
    const struct header *h = fold->header;
    struct facts facts = fold_facts(fold);
    bool is_match = true;
    act->verb = header_is_newer(h) ? VERB_UNKNOWN : h->verb;
    act->ref = h->ref;
    if (act->verb != VERB_UNKNOWN) {
        act_items(h, &fold->entry, act);
        if (!nouns_match(fold, h, &act->past, &is_match, e)) return false;
        if (h->verb == VERB_STATE && h->item_count == 0) is_match = false; /* a statement is about something */
        if (!is_match) act->verb = VERB_UNKNOWN;
    }
    if (!agreement_fold(&facts, act, effect, NULL, e)) return false;
    if (!is_match) *effect = EFFECT_NOT_KNOWN;
    if (header_is_newer(h) || h->verb == VERB_UNKNOWN) {
        *effect = EFFECT_NEWER;
        return true;
    }
    if (h->verb == VERB_SEAL) return judge_seal(fold, act, effect, e);
    if (h->verb == VERB_PAIR) return fold_pair(fold, effect, e);
    if (h->verb == VERB_SUCCEED) return fold_succeed(fold, effect, e);
    return true;
}

/* R9, feed by feed. */
static bool is_contested(const struct fold *fold)
{
    uint64_t reach[FEEDS_MAX], limits[FEEDS_MAX];
    for (size_t n = 0; n < fold->feed_count; n++) {
        reach[n] = fold->feeds[n] == fold->at ? fold->index + 1 : fold->at->seen[n];
        limits[n] = fold->feeds[n]->feed.fork_at;
    }
    return fold->at->feed.branch != 0 || agreement_is_contested(reach, limits, fold->feed_count);
}

/* Who follows whom is settled before, and apart from, what has effect: so no two ends can hang on one another. */
static bool fold_uncontested(struct fold *fold, struct act *act, enum effect *effect, struct err *e)
{
    struct feed *feed = &fold->at->feed;
    bool is_live = feed_is_live(feed);
    if (!is_live && !all_countersigned(fold, fold->at, fold->at->seen, &is_live, e)) return false;
    if (is_live && !feed_is_live(feed) && !go_live(fold, act, e)) return false;
    if (fold->index < feed->ends_at && is_live) return fold_effect(fold, act, effect, e);
    *effect = is_live ? EFFECT_ENDED : EFFECT_NOT_COUNTERSIGNED;
    return header_is_newer(fold->header) || fold->header->verb != VERB_SUCCEED || fold_succeed(fold, effect, e);
}

static bool fold_judged(struct fold *fold, const struct header *h, const size_t *slots, struct err *e)
{
    struct act act = {.party = fold->at->feed.party, .position = fold_position(&fold->at->feed, fold->index),
                      .id = fold->entry};
    enum effect effect = EFFECT_FULL;
    bool is_closed = true;
    if (!front_apply(fold, h, slots, &act, e)) return false;
    fold_past(fold, fold->at, &act.past);
    if (!is_front_closed(fold, h, slots, &is_closed, e)) return false;
    if (is_contested(fold)) effect = EFFECT_CONTESTED;
    else if (!is_closed) effect = EFFECT_FRONT_OPEN;
    else if (!fold_uncontested(fold, &act, &effect, e)) return false;
    struct feed *feed = &fold->at->feed;
    fold->effect = effect;
    if (!header_is_newer(h) && !touch_items(fold, effect, e)) return false;
    if (header_is_newer(h) && !touch(fold, &nothing, effect, e)) return false;
    if (feed->setup == fold->index && !header_is_newer(h) && is_setup(h)) feed->setup++;
    feed->items += fold->created;
    if (effect == EFFECT_CONTESTED && feed->contested_at == UINT64_MAX) feed->contested_at = fold->index;
    feed->folded++;
    fold->at->is_changed = true;
    return true;
}

/* The next entry of a feed. `*is_folded` is false when it has to wait, or the feed is frozen there. */
static bool fold_entry(struct fold *fold, const struct stored_entry *stored, bool *is_folded, struct err *e)
{
    struct header h;
    struct err unreadable = {0};
    size_t slots[FRONT_MAX] = {0};
    *is_folded = false;
    fold->header = &h;
    fold->body = stored->body;
    fold->created = 0;
    fold->is_own_word = false;
    fold->items_before = fold->at->feed.items;
    if (!header_read(stored->header, &h, &unreadable)) return freeze(fold, unreadable.said);
    const char *trouble = envelope_trouble(fold, &h);
    if (trouble) return freeze(fold, trouble);
    switch (front_meets(fold, &h, slots, e)) {
    case MET_FAILED: return false;
    case BACKWARDS: return freeze(fold, "its front runs backwards");
    case NOT_YET: return true;
    case MET: break;
    }
    if (h.verb == VERB_OPEN && h.version == FORMAT_VERSION && fold->index == 0) {
        if (!stored->has_body) return true;
        if (!fold_open(fold, e)) return false;
    }
    bool is_body_needed = h.verb == VERB_PAIR || h.verb == VERB_SUCCEED;
    if (is_body_needed && h.version == FORMAT_VERSION && !stored->has_body) return true;
    if (fold->at->feed.broken_at != UINT64_MAX || !fold->is_open_known) return true;
    *is_folded = true;
    return fold_judged(fold, &h, slots, e);
}

/* The next row of a feed, which stays where it is until the one after it is asked for. */
static enum found next_entry(struct fold *fold, struct rows *rows, struct stored_entry *out, struct err *e)
{
    enum found found = rows_next(rows, e);
    if (found == FOUND_FAILED) return found;
    if (found == ABSENT || (uint64_t)rows_number(rows, 0) != fold->index) {
        (void)err_set(e, ERR_CORRUPT, "entry %" PRIu64 " of a feed is missing", fold->index);
        return FOUND_FAILED;
    }
    *out = (struct stored_entry){.header = rows_bytes(rows, 1), .has_body = !rows_is_null(rows, 3)};
    if (out->has_body) out->body = rows_bytes(rows, 3);
    if (!rows_fixed(rows, 2, out->salt, sizeof out->salt, e) ||
        !rows_fixed(rows, 4, fold->entry.bytes, sizeof fold->entry.bytes, e))
        return FOUND_FAILED;
    return FOUND;
}

/* Folds one feed as far as it goes. */
static bool fold_feed_run(struct fold *fold, size_t slot, bool *is_progress, struct err *e)
{
    OWNED_ROWS rows = {0};
    struct fold_feed *at = fold->feeds[slot];
    bool is_fine = true, is_folded = true;
    if (at->feed.folded < at->feed.branch_from) at->feed.folded = at->feed.branch_from;
    while (is_fine && is_folded && at->feed.folded < at->feed.edge.size && at->feed.broken_at == UINT64_MAX) {
        struct stored_entry entry;
        fold->at = at;
        fold->index = at->feed.folded;
        if (!rows.statement && !rows_open(&rows, fold->store, QUERY_entries_to_fold, e,
                                          BINDS(bind_blob(relationship_span(&fold->id)), bind_number(at->feed.feed),
                                                bind_u64(fold->index))))
            return false;
        is_fine = next_entry(fold, &rows, &entry, e) == FOUND && fold_entry(fold, &entry, &is_folded, e);
        fold->header = NULL;
        *is_progress = *is_progress || (is_fine && is_folded);
    }
    return is_fine;
}

bool fold_run(struct fold *fold, struct err *e)
{
    bool is_progress = true;
    while (is_progress) {
        is_progress = false;
        for (size_t f = 0; f < fold->feed_count; f++)
            if (!fold_feed_run(fold, f, &is_progress, e)) return false;
    }
    return true;
}

/* ---- the record's doors ---- */

static bool unfold(struct store *store, const struct relationship_id *id, struct err *e)
{
    uint8_t nothing_yet[LTHASH_BYTES] = {0};
    return query_run(store, QUERY_relationship_state, e,
                     BINDS(bind_blob(span_of(nothing_yet, sizeof nothing_yet)), bind_blob(relationship_span(id)))) &&
           tables_clear(store, id, e) && query_run(store, QUERY_feeds_unfold, e, BINDS(bind_blob(relationship_span(id))));
}

bool record_fold(struct store *store, const struct relationship_id *id, struct err *e)
{
    must(store_in_transaction(store));
    for (unsigned again = 0; again <= FEEDS_MAX; again++) {
        OWNED(fold_free) struct fold *fold = NULL;
        if (!fold_load(&fold, store, id, e) || !fold_run(fold, e)) return false;
        if (!fold->is_outlived) return fold_save(fold, e);
        /* With a feed's end known it is not outlived again: once for each feed at the most. */
        if (!unfold(store, id, e)) return false;
    }
    return err_set(e, ERR_CORRUPT, "the ends of the feeds do not settle");
}

bool record_rebuild(struct store *store, const struct relationship_id *id, struct err *e)
{
    must(store_in_transaction(store));
    return query_run(store, QUERY_feeds_unend, e, BINDS(bind_blob(relationship_span(id)))) && unfold(store, id, e) &&
           record_fold(store, id, e);
}

static bool digest_row(void *self, span row)
{
    struct hash *chain = self;
    span parts[2] = {hash_span(chain), row};
    *chain = hash_labelled("counterpart/v1/tables", parts, 2);
    return true;
}

bool record_tables_digest(struct store *store, const struct relationship_id *id, struct hash *out, struct err *e)
{
    *out = nothing;
    return tables_dump(store, id, digest_row, out, e);
}

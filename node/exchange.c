#include "node/exchange.h"

#include "node/pack.h"

#include <stdlib.h>
#include <string.h>

/* ---- with whom we share what ---- */

struct sharing {
    struct home *home;
    const struct key_public *transport;
    struct shared_list *list;
    struct relationship *relationship;
    struct err *e;
    bool is_fine;
};

static bool share_one(void *self, const struct relationship_id *id)
{
    struct sharing *s = self;
    s->is_fine = relationship_load(home_store(s->home), id, s->relationship, s->e);
    if (!s->is_fine) return false;
    for (size_t p = 0; p < s->relationship->party_count && s->list->count < RELATIONSHIPS_MAX; p++) {
        const struct party *party = &s->relationship->parties[p];
        if (!party->is_known || !key_public_equal(&party->certificate.transport, s->transport)) continue;
        struct shared *grown = realloc(s->list->shared, (s->list->count + 1) * sizeof *grown);
        if (!grown) return s->is_fine = err_memory(s->e);
        s->list->shared = grown;
        struct shared *shared = &grown[s->list->count++];
        *shared = (struct shared){.id = *id, .party = party->party, .is_confirmed = party->is_confirmed};
        memcpy(shared->code, party->code, sizeof shared->code);
        break;
    }
    return true;
}

bool exchange_shared(struct home *home, const struct key_public *transport, struct shared_list *out, struct err *e)
{
    struct shared_list list = {0};
    struct sharing s = {home, transport, &list, calloc(1, sizeof(struct relationship)), e, true};
    if (!s.relationship) return err_memory(e);
    bool is_own = key_public_equal(transport, transport_key_public(home_transport_key(home)));
    bool is_fine = is_own || (relationships_each(home_store(home), share_one, &s, e) && s.is_fine);
    free(s.relationship);
    if (!is_fine) {
        shared_wipe(&list);
        return false;
    }
    shared_wipe(out);
    *out = list;
    return true;
}

void shared_wipe(struct shared_list *list)
{
    free(list->shared);
    *list = (struct shared_list){0};
}

const struct shared *shared_find(const struct shared_list *list, const struct relationship_id *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (span_equal(relationship_span(&list->shared[i].id), relationship_span(id))) return &list->shared[i];
    return NULL;
}

/* ---- showing ---- */

struct show_work {
    struct home *home;
    const struct shared *shared;
    struct showing *out;
    struct err *e;
    bool is_fine;
};

/* The head we show of a feed: all of it to a confirmed counterpart, else what sets up. Size 0: nothing. */
static bool visible_head(struct home *home, const struct shared *shared, const struct feed *feed, struct head *out,
                         struct err *e)
{
    *out = feed->head;
    if (shared->is_confirmed || feed->party == shared->party || feed->head.size <= feed->setup) return true;
    struct err missing = {0};
    *out = (struct head){0};
    if (feed_head_upto(home_store(home), &shared->id, feed->feed, feed->setup, out, &missing)) return true;
    *out = (struct head){0};
    return missing.code == ERR_MISSING || err_set(e, missing.code, "%s", missing.said);
}

static bool show_mark(void *self, const struct feed_receipt *r)
{
    struct feed_row *row = self;
    if (row->mark_count == sizeof row->marks / sizeof row->marks[0]) return false;
    row->marks[row->mark_count++] = (struct receipt_mark){r->receipt_key, r->receipt.size};
    return true;
}

static int row_order(const struct feed_row *a, const struct feed_row *b)
{
    int order = span_compare(key_public_span(&a->log_key), key_public_span(&b->log_key));
    if (order == 0) order = (a->size > b->size) - (a->size < b->size);
    return order ? order : span_compare(hash_span(&a->root), hash_span(&b->root));
}

static bool show_feed(void *self, const struct feed *feed)
{
    struct show_work *w = self;
    struct head head;
    if (w->out->row_count == FEED_ROWS_MAX) return false;
    w->is_fine = visible_head(w->home, w->shared, feed, &head, w->e);
    if (!w->is_fine || head.size == 0) return w->is_fine;
    struct feed_row row = {.log_key = feed->log_key, .size = head.size, .root = head.root};
    /* Which branch is our branch 0 says nothing to them: of a forked feed receipts are not compared. */
    if (w->shared->is_confirmed && feed->branch == 0 && feed->fork_at == UINT64_MAX)
        w->is_fine = feed_receipts_each(home_store(w->home), &w->shared->id, feed->feed, show_mark, &row, w->e);
    size_t at = w->out->row_count++;
    for (; at > 0 && row_order(&row, &w->out->rows[at - 1]) < 0; at--) w->out->rows[at] = w->out->rows[at - 1];
    w->out->rows[at] = row;
    return w->is_fine;
}

static bool show(void *self, struct err *e)
{
    struct show_work *w = self;
    const struct shared *shared = w->shared;
    struct showing *out = w->out;
    struct relationship *r = calloc(1, sizeof *r);
    if (!r) return err_memory(e);
    out->row_count = 0;
    bool is_fine = relationship_load(home_store(w->home), &shared->id, r, e) &&
                   feeds_each(home_store(w->home), &shared->id, show_feed, w, e) && w->is_fine;
    if (is_fine) {
        out->summary.relationship = shared->id;
        out->summary.digest = rows_digest(&shared->id, out->rows, out->row_count);
        /* Before we have confirmed them we show less than our state rests on: it compares with nothing. */
        out->summary.state = shared->is_confirmed ? r->state_digest : (struct hash){0};
    }
    free(r);
    return is_fine;
}

/* Entries and state of one moment: a command may be writing meanwhile. */
bool exchange_show(struct home *home, const struct shared *shared, struct showing *out, struct err *e)
{
    struct show_work w = {home, shared, out, e, true};
    return store_snapshot(home_store(home), show, &w, e);
}

/* ---- planning ---- */

struct plan {
    struct home *home;
    const struct shared *shared;
    struct job *jobs;
    size_t *count;
};

static bool is_ours(struct home *home, const struct relationship_id *id, const struct feed *feed)
{
    struct feed own;
    return feed_own(home_store(home), id, &own, NULL) && own.party == feed->party;
}

static bool add_job(struct plan *p, enum job_kind kind, const struct feed_row *row, uint64_t from)
{
    if (*p->count == JOBS_MAX) return true;
    p->jobs[(*p->count)++] = (struct job){.kind = kind, .id = p->shared->id, .log_key = row->log_key, .from = from,
                                          .size = row->size, .root = row->root};
    return true;
}

static bool lacks_marks(const struct feed_row *mine, const struct feed_row *theirs)
{
    for (size_t i = 0; i < theirs->mark_count; i++) {
        bool has = false;
        for (size_t k = 0; k < mine->mark_count && !has; k++)
            has = key_public_equal(&mine->marks[k].receipt_key, &theirs->marks[i].receipt_key) &&
                  mine->marks[k].size >= theirs->marks[i].size;
        if (!has) return true;
    }
    return false;
}

static const struct feed_row *row_with_root(const struct feed_row *rows, size_t count, const struct feed_row *like)
{
    for (size_t i = 0; i < count; i++)
        if (key_public_equal(&rows[i].log_key, &like->log_key) && rows[i].size == like->size &&
            hash_equal(&rows[i].root, &like->root))
            return &rows[i];
    return NULL;
}

/* Their row: do we hold it (some branch of ours begins so)? */
static bool plan_pull(struct plan *p, const struct showing *ours, const struct feed_row *row, struct err *e)
{
    struct feed feed;
    struct err missing = {0};
    struct store *store = home_store(p->home);
    const struct feed_row *mine = row_with_root(ours->rows, ours->row_count, row);
    if (mine) return !lacks_marks(mine, row) || add_job(p, JOB_PULL, row, row->size);
    if (feed_with_root(store, &p->shared->id, &row->log_key, row->size, &row->root, &feed, &missing)) return true;
    if (missing.code != ERR_MISSING) return err_set(e, missing.code, "%s", missing.said);
    if (!feed_load(store, &p->shared->id, &row->log_key, 0, &feed, &missing)) {
        /* Of a party we do not know yet the keys come first, with the opener's feed; a successor feed shows whose it is. */
        if (missing.code != ERR_MISSING) return err_set(e, missing.code, "%s", missing.said);
        return add_job(p, JOB_PULL, row, 0);
    }
    uint64_t from = feed.edge.size < row->size ? feed.edge.size : row->size / 2;
    return add_job(p, JOB_PULL, row, from);
}

/* Has the branch this root at `size`? */
static bool has_root_at(struct plan *p, const struct feed *feed, uint64_t size, const struct hash *root, bool *out,
                        struct err *e)
{
    struct hash ours;
    struct feed_nodes nodes = feed_nodes_of(home_store(p->home), &p->shared->id, feed);
    *out = false;
    if (size > feed->edge.size) return true;
    if (!merkle_root_at(feed_nodes(&nodes), size, &ours, e)) return false;
    *out = hash_equal(&ours, root);
    return true;
}

/* One row of theirs beside our row: do they have all of it (`has`), or else from where do they lack it (`from` grows)? */
static bool compare_row(struct plan *p, const struct feed *mine, const struct feed_row *row,
                        const struct feed_row *theirs, bool *has, uint64_t *from, struct err *e)
{
    struct feed other;
    struct err missing = {0};
    bool is_same = false;
    if (theirs->size <= row->size) {
        if (!has_root_at(p, mine, theirs->size, &theirs->root, &is_same, e)) return false;
        *has = is_same && theirs->size == row->size;
        uint64_t common = is_same ? theirs->size : theirs->size / 2; /* if not common either, they ask for less */
        if (common > *from) *from = common;
        return true;
    }
    if (!feed_with_root(home_store(p->home), &p->shared->id, &row->log_key, theirs->size, &theirs->root, &other,
                        &missing)) {
        *has = true; /* they are ahead, as far as we can tell: pulling shows */
        return missing.code == ERR_MISSING || err_set(e, missing.code, "%s", missing.said);
    }
    return has_root_at(p, &other, row->size, &row->root, has, e);
}

static bool plan_push(struct plan *p, const struct feed_row *row, const struct feed_row *theirs, size_t their_count,
                      struct err *e)
{
    uint64_t from = 0;
    struct feed mine;
    if (!feed_with_root(home_store(p->home), &p->shared->id, &row->log_key, row->size, &row->root, &mine, e))
        return false;
    for (size_t i = 0; i < their_count; i++) {
        bool has = false;
        if (!key_public_equal(&theirs[i].log_key, &row->log_key)) continue;
        if (!compare_row(p, &mine, row, &theirs[i], &has, &from, e)) return false;
        if (has) return true;
    }
    return add_job(p, JOB_PUSH, row, from);
}

bool exchange_plan(struct home *home, const struct shared *shared, const struct showing *ours,
                   const struct feed_row *theirs, size_t their_count, struct job *jobs, size_t *count, struct err *e)
{
    struct plan p = {.home = home, .shared = shared, .jobs = jobs, .count = count};
    *count = 0;
    for (size_t i = 0; i < their_count; i++)
        if (!plan_pull(&p, ours, &theirs[i], e)) return false;
    for (size_t i = 0; i < ours->row_count; i++)
        if (!plan_push(&p, &ours->rows[i], theirs, their_count, e)) return false;
    return true;
}

struct newest_receipt {
    unsigned party;
    uint64_t size;
};

static bool newest_of(void *self, const struct feed_receipt *r)
{
    struct newest_receipt *n = self;
    if (r->party == n->party && r->receipt.size > n->size) n->size = r->receipt.size;
    return true;
}

bool exchange_unreceipted(struct home *home, const struct shared *shared, struct job *out, bool *has, struct err *e)
{
    struct newest_receipt newest = {.party = shared->party};
    struct feed own;
    struct err missing = {0};
    *has = false;
    if (!shared->is_confirmed) return true;
    if (!feed_own(home_store(home), &shared->id, &own, &missing))
        return missing.code == ERR_MISSING || err_set(e, missing.code, "%s", missing.said);
    if (!feed_receipts_each(home_store(home), &shared->id, own.feed, newest_of, &newest, e)) return false;
    *has = newest.size > 0 && newest.size < own.head.size && own.fork_at == UINT64_MAX;
    *out = (struct job){.kind = JOB_PUSH, .id = shared->id, .log_key = own.log_key, .from = newest.size,
                        .size = own.head.size, .root = own.head.root};
    return true;
}

/* ---- receipts ---- */

struct receipt_work {
    const struct shared *shared;
    const struct feed_row *theirs;
    const struct feed *feed;
    struct message_receipt *out;
    size_t most, *count;
};

static bool want_receipt(void *self, const struct feed_receipt *r)
{
    struct receipt_work *w = self;
    if (*w->count == w->most) return false;
    if (r->receipt.size > w->theirs->size) return true;
    for (size_t i = 0; i < w->theirs->mark_count; i++)
        if (key_public_equal(&w->theirs->marks[i].receipt_key, &r->receipt_key) &&
            w->theirs->marks[i].size >= r->receipt.size)
            return true;
    w->out[(*w->count)++] = (struct message_receipt){.relationship = w->shared->id, .log_key = w->feed->log_key,
                                                     .receipt_key = r->receipt_key, .size = r->receipt.size,
                                                     .time_s = r->receipt.time_s, .signature = r->receipt.signature};
    return true;
}

bool exchange_receipts(struct home *home, const struct shared *shared, const struct feed_row *theirs,
                       size_t their_count, struct message_receipt *out, size_t most, size_t *count, struct err *e)
{
    if (!shared->is_confirmed) return true;
    for (size_t i = 0; i < their_count; i++) {
        struct feed feed;
        struct err missing = {0};
        if (!feed_load(home_store(home), &shared->id, &theirs[i].log_key, 0, &feed, &missing)) {
            if (missing.code == ERR_MISSING) continue;
            return err_set(e, missing.code, "%s", missing.said);
        }
        struct receipt_work w = {shared, &theirs[i], &feed, out, most, count};
        if (!feed_receipts_each(home_store(home), &shared->id, feed.feed, want_receipt, &w, e)) return false;
    }
    return true;
}

bool exchange_take_receipts(struct home *home, const struct shared_list *list, const struct message_receipt *receipts,
                            size_t count, size_t *new_count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        const struct message_receipt *m = &receipts[i];
        const struct shared *shared = shared_find(list, &m->relationship);
        struct feed feed;
        struct err passed = {0};
        bool is_new = false;
        if (!shared) continue;
        struct feed_receipt r = {.receipt_key = m->receipt_key,
                                 .receipt = {.size = m->size, .time_s = m->time_s, .signature = m->signature}};
        if (!feed_load(home_store(home), &shared->id, &m->log_key, 0, &feed, &passed) ||
            !feed_receipt_take(home_store(home), &shared->id, &feed, &r, &is_new, &passed)) {
            if (passed.code == ERR_DISK || passed.code == ERR_MEMORY || passed.code == ERR_CORRUPT)
                return err_set(e, passed.code, "%s", passed.said);
            continue;
        }
        if (new_count) *new_count += is_new;
    }
    return true;
}

/* ---- batches ---- */

void batch_scratch_wipe(struct batch_scratch *scratch)
{
    buffer_wipe(&scratch->raw);
    buffer_wipe(&scratch->packed);
}

struct gathering {
    struct buffer *raw;
    uint64_t until;
    size_t bytes_most, count;
    struct err *e;
    bool is_fine;
};

static bool gather(void *self, uint64_t index, const struct stored_entry *entry)
{
    struct gathering *g = self;
    size_t needed = entry->header.len + (entry->has_body ? entry->body.len : 0) + 64;
    if (index >= g->until || (g->count > 0 && g->raw->len + needed > g->bytes_most)) return false;
    g->is_fine = buffer_reserve(g->raw, g->raw->len + needed, g->e);
    if (!g->is_fine) return false;
    struct sink out = sink_over(g->raw->at + g->raw->len, g->raw->cap - g->raw->len);
    batch_entry_write(&out, entry->header, entry->salt, entry->has_body, entry->body);
    must(!out.full);
    g->raw->len += out.len;
    g->count++;
    return index + 1 < g->until;
}

/* A branch's first entries stand in branch 0's rows. */
static bool gather_rows(struct home *home, const struct shared *shared, const struct feed *feed, uint64_t from,
                        struct gathering *g, struct err *e)
{
    uint64_t until = g->until;
    if (feed->branch != 0 && from < feed->branch_from) {
        if (g->until > feed->branch_from) g->until = feed->branch_from;
        if (!feed_read(home_store(home), &shared->id, feed->feed & 0xffffu, from, gather, g, e) || !g->is_fine)
            return false;
        if (from + g->count < feed->branch_from) return true;
        from = feed->branch_from;
        g->until = until;
    }
    return from >= g->until || (feed_read(home_store(home), &shared->id, feed->feed, from, gather, g, e) && g->is_fine);
}

/* Gathers and packs; when that is more than a frame takes, again with as many bytes as should fit. */
static bool gather_packed(struct home *home, const struct batch_request *request, const struct feed *feed,
                          uint64_t until, struct batch_scratch *scratch, size_t *count, bool *is_packed, struct err *e)
{
    size_t bytes_most = request->bytes_most;
    for (;;) {
        struct gathering g = {&scratch->raw, until, bytes_most, 0, e, true};
        scratch->raw.len = 0;
        if (request->most > 0 && !gather_rows(home, request->shared, feed, request->from, &g, e)) return false;
        *count = g.count;
        *is_packed = pack(buffer_span(&scratch->raw), &scratch->packed);
        size_t len = *is_packed ? scratch->packed.len : scratch->raw.len;
        if (len <= EXCHANGE_PACKED_BYTES || g.count <= 1) return true;
        size_t fitting = (size_t)((double)scratch->raw.len * (EXCHANGE_PACKED_BYTES * 0.9) / (double)len);
        bytes_most = fitting < bytes_most ? fitting : bytes_most / 2;
    }
}

bool exchange_batch(struct home *home, const struct batch_request *request, struct batch_scratch *scratch,
                    struct message_batch *out, size_t *entry_count, struct err *e)
{
    struct feed feed;
    struct store *store = home_store(home);
    const struct shared *shared = request->shared;
    bool is_found = request->size > 0 ? feed_with_root(store, &shared->id, request->log_key, request->size,
                                                       request->root, &feed, e)
                                      : feed_load(store, &shared->id, request->log_key, 0, &feed, e);
    if (!is_found) return false;
    struct message_batch b = {.relationship = shared->id, .log_key = feed.log_key, .from = request->from};
    if (!visible_head(home, shared, &feed, &b.head, e)) return false;
    if (b.head.size == 0 || request->from > b.head.size) return err_set(e, ERR_MISSING, "nothing to show of that feed");
    if (!home_mark_covers(home, &shared->id, &feed.log_key, b.head.size, e)) return false;
    struct feed_nodes nodes = feed_nodes_of(store, &shared->id, &feed);
    uint64_t until = b.head.size;
    bool is_packed = false;
    if (request->most < b.head.size - request->from) until = request->from + request->most;
    if (!merkle_root_at(feed_nodes(&nodes), request->from, &b.root_at, e) ||
        !gather_packed(home, request, &feed, until, scratch, entry_count, &is_packed, e))
        return false;
    uint64_t end = request->from + *entry_count;
    if (end < b.head.size &&
        !merkle_prove_consistency(feed_nodes(&nodes), end, b.head.size, &b.proof, e))
        return false;
    b.entries = buffer_span(&scratch->raw);
    if (is_packed) {
        b.unpacked_bytes = scratch->raw.len;
        b.entries = buffer_span(&scratch->packed);
    }
    *out = b;
    return true;
}

/* ---- taking ---- */

#define TAKE_ENTRIES_MAX 16384

struct taking {
    struct home *home;
    const struct shared *shared;
    const struct message_batch *message;
    struct stored_entry *entries;
    size_t entry_count;
    bool is_unknown; /* a feed that is not known here yet, from its start */
    struct taken *out;
};

static bool read_entries(span bytes, struct stored_entry **out, size_t *count, struct err *e)
{
    struct reader r = reader_over(bytes);
    size_t cap = 64;
    struct stored_entry *entries = malloc(cap * sizeof *entries);
    if (!entries) return err_memory(e);
    *count = 0;
    while (r.left.len > 0) {
        if (*count == cap) {
            struct stored_entry *grown = realloc(entries, 2 * cap * sizeof *grown);
            if (!grown || cap >= TAKE_ENTRIES_MAX) {
                free(grown ? grown : entries);
                return grown ? err_set(e, ERR_LIMIT, "a batch of more than %d entries", TAKE_ENTRIES_MAX)
                             : err_memory(e);
            }
            entries = grown;
            cap *= 2;
        }
        struct stored_entry *entry = &entries[*count];
        if (!batch_entry_read(&r, &entry->header, entry->salt, &entry->has_body, &entry->body, e)) {
            free(entries);
            return false;
        }
        (*count)++;
    }
    *out = entries;
    return true;
}

static bool make_receipt(struct taking *t, const struct feed *feed, struct err *e)
{
    struct feed_receipt made;
    bool is_known = false;
    const struct signing_key *key = home_receipt_key(t->home);
    /* A receipt says how much we hold: of others' feeds that is not for whom we have not confirmed. */
    if (!t->shared->is_confirmed && feed->party != t->shared->party) return true;
    if (home_health(t->home) != HEALTH_FINE || t->out->is_own || feed->head.size != feed->edge.size ||
        feed->branch != 0)
        return true;
    if (!receipt_key_is_known(home_store(t->home), &t->shared->id, signing_key_public(key), &is_known, e)) return false;
    if (!is_known) return true; /* a receipt by a key that the record does not know says nothing: engine_start tells of it */
    struct err late = {0};
    if (!feed_receipt_make(home_store(t->home), &t->shared->id, feed, feed->edge.size, key, &made, &late)) {
        t->out->no_receipt = late;
        return late.code == ERR_TIME || err_set(e, late.code, "%s", late.said);
    }
    t->out->receipt_count = 1;
    t->out->receipt = (struct message_receipt){.relationship = t->shared->id, .log_key = feed->log_key,
                                               .receipt_key = made.receipt_key, .size = made.receipt.size,
                                               .time_s = made.receipt.time_s, .signature = made.receipt.signature};
    return true;
}

struct owing {
    struct home *home;
    const struct shared *shared;
    struct err *e;
    bool is_fine, is_behind;
};

static bool make_owed(void *self, const struct feed *feed)
{
    struct owing *o = self;
    struct feed_receipt made;
    struct err late = {0};
    if (feed->branch != 0 || feed->head.size == 0 || feed->head.size != feed->edge.size ||
        is_ours(o->home, &o->shared->id, feed))
        return true;
    o->is_fine = feed_receipt_make(home_store(o->home), &o->shared->id, feed, feed->edge.size,
                                   home_receipt_key(o->home), &made, &late) ||
                 late.code == ERR_TIME || err_set(o->e, late.code, "%s", late.said);
    if (late.code == ERR_TIME) o->is_behind = true;
    return o->is_fine;
}

static bool make_all_owed(void *self, struct err *e)
{
    struct owing *o = self;
    o->e = e;
    o->is_behind = false;
    return feeds_each(home_store(o->home), &o->shared->id, make_owed, o, e) && o->is_fine;
}

bool exchange_owed_receipts(struct home *home, const struct relationship_id *id, bool *is_behind, struct err *e)
{
    struct shared shared = {.id = *id};
    struct owing o = {.home = home, .shared = &shared, .is_fine = true};
    bool is_known = false;
    const struct signing_key *key = home_receipt_key(home);
    if (!receipt_key_is_known(home_store(home), id, signing_key_public(key), &is_known, e)) return false;
    bool is_fine = home_health(home) != HEALTH_FINE || !is_known ||
                   store_transact(home_store(home), make_all_owed, &o, e);
    if (is_behind) *is_behind = o.is_behind;
    return is_fine;
}

/*
 * How long the feed is as far as they may know: to whom we have not confirmed, others' feeds are what we show of them. The
 * answers are then made from this alone, so that a push finds out nothing of what is held back.
 */
static bool known_size(struct taking *t, uint64_t *out, bool *is_all, struct err *e)
{
    struct feed feed;
    struct head shown = {0};
    struct err missing = {0};
    if (!feed_load(home_store(t->home), &t->shared->id, &t->message->log_key, 0, &feed, &missing)) {
        t->is_unknown = missing.code == ERR_MISSING && t->message->from == 0 && t->shared->is_confirmed;
        return t->is_unknown || err_set(e, missing.code, "%s", missing.said);
    }
    *is_all = t->shared->is_confirmed || feed.party == t->shared->party;
    if (!visible_head(t->home, t->shared, &feed, &shown, e)) return false;
    *out = *is_all ? feed.edge.size : shown.size;
    return true;
}

/* Does what they send go on from something we hold, of what they may know? */
static bool continues(struct taking *t, uint64_t size, bool is_all, bool *out, struct err *e)
{
    struct feed feed;
    struct err missing = {0};
    *out = t->is_unknown; /* it may show itself to be a successor feed */
    if (*out) return true;
    *out = (is_all || t->message->from <= size) &&
           feed_with_root(home_store(t->home), &t->shared->id, &t->message->log_key, t->message->from,
                          &t->message->root_at, &feed, &missing);
    if (*out) return true;
    if (missing.code != ERR_MISSING && missing.code != ERR_NONE) return err_set(e, missing.code, "%s", missing.said);
    t->out->is_wanted = true;
    t->out->held = size;
    t->out->want_from = size < t->message->from ? size : t->message->from / 2;
    return true;
}

static bool take(void *self, struct err *e)
{
    struct taking *t = self;
    struct store *store = home_store(t->home);
    const struct message_batch *m = t->message;
    struct feed feed;
    bool goes_on = false, is_all = true;
    unsigned branch = 0;
    uint64_t size = 0;
    *t->out = (struct taken){0};
    if (!known_size(t, &size, &is_all, e) || !continues(t, size, is_all, &goes_on, e)) return false;
    if (!goes_on) return true;
    struct batch batch = {.log_key = &m->log_key, .from = m->from, .entries = t->entries,
                          .entry_count = t->entry_count, .head = &m->head,
                          .proof = m->from + t->entry_count < m->head.size ? &m->proof : NULL, .root_at = &m->root_at};
    struct err missing = {0};
    if (!feed_take_any(store, &t->shared->id, &batch, &branch, &t->out->entries, &t->out->is_forked, &missing)) {
        if (missing.code != ERR_MISSING || m->from == 0) return err_set(e, missing.code, "%s", missing.said);
        t->out->is_wanted = true; /* it parts from a branch: from further back it has a place */
        t->out->want_from = m->from / 2;
        return true;
    }
    if (t->out->entries > 0 && !record_fold(store, &t->shared->id, e)) return false;
    if (!feed_load(store, &t->shared->id, &m->log_key, branch, &feed, e)) return false;
    t->out->held = feed.edge.size;
    t->out->is_own = is_ours(t->home, &t->shared->id, &feed);
    if (!is_all) t->out->held = m->from + t->entry_count > size ? m->from + t->entry_count : size;
    return make_receipt(t, &feed, e);
}

bool exchange_take(struct home *home, const struct shared *shared, const struct message_batch *batch,
                   struct batch_scratch *scratch, struct taken *out, struct err *e)
{
    struct taking t = {.home = home, .shared = shared, .message = batch, .out = out};
    span entries = batch->entries;
    if (batch->unpacked_bytes > 0) {
        if (!unpack(batch->entries, (size_t)batch->unpacked_bytes, &scratch->raw, e)) return false;
        entries = buffer_span(&scratch->raw);
    }
    if (!read_entries(entries, &t.entries, &t.entry_count, e)) return false;
    bool is_fine = home_is_there(home, e) && store_transact(home_store(home), take, &t, e);
    free(t.entries);
    /* Our own feed that came back has moved: the marker follows before anything else is sent. */
    return is_fine && (!out->is_own || out->entries == 0 || home_mark(home, e));
}

/* ---- forks ---- */

struct fork_work {
    struct home *home;
    const struct shared *shared;
    struct fork_proof proof;
    bool is_new;
};

static bool keep_fork(void *self, struct err *e)
{
    struct fork_work *w = self;
    return fork_keep(home_store(w->home), &w->shared->id, &w->proof, &w->is_new, e);
}

bool exchange_take_fork(struct home *home, const struct shared *shared, span proof, bool *is_new, struct err *e)
{
    struct fork_work *w = calloc(1, sizeof *w);
    if (!w) return err_memory(e);
    struct reader r = reader_over(proof);
    *w = (struct fork_work){.home = home, .shared = shared};
    bool is_fine = fork_read(&r, &w->proof, e) && read_end(&r, e) &&
                   store_transact(home_store(home), keep_fork, w, e);
    *is_new = is_fine && w->is_new;
    free(w);
    return is_fine;
}

struct fork_list {
    struct buffer *scratch;
    size_t ends[FORKS_MAX], count;
    struct key_public log_key; /* of the last one */
    bool is_fine;
};

static bool list_fork(void *self, const struct fork_proof *proof)
{
    struct fork_list *l = self;
    uint8_t bytes[FORK_PROOF_BYTES_MAX];
    struct sink out = sink_over(bytes, sizeof bytes);
    if (l->count > 0 && key_public_equal(&l->log_key, &proof->log_key)) return true; /* the earliest is enough */
    if (l->count == FORKS_MAX) return false;
    l->log_key = proof->log_key;
    fork_write(&out, proof);
    l->is_fine = buffer_put(l->scratch, sink_span(&out), NULL);
    if (l->is_fine) l->ends[l->count++] = l->scratch->len;
    return l->is_fine;
}

bool exchange_forks(struct home *home, const struct shared *shared, struct buffer *scratch, span forks[FORKS_MAX],
                    size_t *count, struct err *e)
{
    struct fork_list l = {.scratch = scratch, .is_fine = true};
    scratch->len = 0;
    *count = 0;
    if (!shared->is_confirmed) return true;
    if (!forks_each(home_store(home), &shared->id, list_fork, &l, e)) return false;
    if (!l.is_fine) return err_memory(e);
    span left = buffer_span(scratch);
    for (size_t i = 0; i < l.count; i++)
        if (!span_take(&left, l.ends[i] - (i ? l.ends[i - 1] : 0), &forks[i])) return err_memory(e);
    *count = l.count;
    return true;
}

#include "store/feeds.h"

#include "store/database.h"

#include <stdlib.h>
#include <string.h>

#define BRANCH_SHIFT 16
#define SUBTREES_BYTES (MERKLE_LEVELS_MAX * sizeof(struct hash))

static size_t peak_count(uint64_t size)
{
    return (size_t)__builtin_popcountll(size);
}

/* The columns of queries.h FEED_COLUMNS, in order. */
static bool feed_from_row(const struct rows *rows, struct feed *out, struct err *e)
{
    if (!rows_below(rows, 0, 1u << 31, &out->feed, e) || !rows_below(rows, 1, PARTIES_MAX, &out->party, e) ||
        !rows_below(rows, 2, ORDINALS_MAX, &out->ordinal, e) || !rows_below(rows, 3, FEEDS_OF_PARTY_MAX, &out->branch, e))
        return false;
    if (!rows_fixed(rows, 4, out->log_key.bytes, sizeof out->log_key.bytes, e)) return false;
    if (!span_to_text(rows_bytes(rows, 5), out->origin, sizeof out->origin))
        return err_set(e, ERR_CORRUPT, "a feed's origin is damaged");
    out->edge.size = (uint64_t)rows_number(rows, 6);
    span edge = rows_bytes(rows, 7);
    if (edge.len != peak_count(out->edge.size) * sizeof(struct hash))
        return err_set(e, ERR_CORRUPT, "the tree edge of a feed is %zu bytes", edge.len);
    if (edge.len) memcpy(out->edge.peaks, edge.at, edge.len);
    out->root = merkle_root(&out->edge);
    out->folded = (uint64_t)rows_number(rows, 8);
    out->setup = (uint64_t)rows_number(rows, 9);
    out->items = (uint64_t)rows_number(rows, 10);
    out->branch_from = (uint64_t)rows_number(rows, 11);
    out->broken_at = rows_optional(rows, 12);
    (void)span_show(rows_bytes(rows, 13), out->broken_why, sizeof out->broken_why);
    out->fork_at = rows_optional(rows, 14);
    out->contested_at = rows_optional(rows, 15);
    out->live_at = out->ordinal == 0 ? 0 : rows_optional(rows, 16);
    out->ends_at = rows_optional(rows, 17);
    out->head = (struct head){0};
    return true;
}

bool feed_head_upto(struct store *store, const struct relationship_id *id, unsigned feed, uint64_t most,
                    struct head *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, QUERY_head_upto, e,
                        BINDS(bind_blob(relationship_span(id)), bind_number(feed), bind_u64(most)))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "no signed head of that feed is here");
    case FOUND: break;
    }
    struct head head = {.size = (uint64_t)rows_number(&rows, 0)};
    if (head.size == 0 || head.size > most) return err_set(e, ERR_CORRUPT, "a signed head is of size %llu", (unsigned long long)head.size);
    if (!rows_fixed(&rows, 1, head.root.bytes, sizeof head.root.bytes, e)) return false;
    if (!rows_fixed(&rows, 2, head.signature.bytes, sizeof head.signature.bytes, e)) return false;
    *out = head;
    return true;
}

static bool feed_add_head(struct store *store, const struct relationship_id *id, struct feed *feed, struct err *e)
{
    struct err missing = {0};
    if (feed_head_upto(store, id, feed->feed, feed->edge.size, &feed->head, &missing)) return true;
    if (missing.code == ERR_MISSING) return true;
    if (e) *e = missing;
    return false;
}

bool feed_load(struct store *store, const struct relationship_id *id, const struct key_public *log_key, unsigned branch,
               struct feed *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, QUERY_feed_by_key, e,
                        BINDS(bind_blob(relationship_span(id)), bind_blob(key_public_span(log_key)),
                              bind_number(branch)))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "no party of this relationship is known by that log key");
    case FOUND: break;
    }
    if (!feed_from_row(&rows, out, e)) return false;
    rows_close(&rows);
    return feed_add_head(store, id, out, e);
}

bool feed_own(struct store *store, const struct relationship_id *id, struct feed *out, struct err *e)
{
    struct key_public log_key;
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, QUERY_feed_own, e, BINDS(bind_blob(relationship_span(id))))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "the opener's feed has not arrived: the parties are not known yet");
    case FOUND: break;
    }
    if (!rows_fixed(&rows, 0, log_key.bytes, sizeof log_key.bytes, e)) return false;
    rows_close(&rows);
    return feed_load(store, id, &log_key, 0, out, e);
}

bool feeds_own_each(struct store *store,
                    bool (*each)(void *self, const struct relationship_id *id, const struct key_public *log_key,
                                 uint64_t size, const struct hash *root),
                    void *self, struct err *e)
{
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, store, QUERY_feeds_own, e, NULL, 0)) return false;
    for (;;) {
        enum found found = rows_next(&rows, e);
        if (found != FOUND) return found == ABSENT;
        struct relationship_id id;
        struct key_public log_key;
        struct merkle_edge tree = {.size = (uint64_t)rows_number(&rows, 2)};
        span edge = rows_bytes(&rows, 3);
        if (!rows_fixed(&rows, 0, id.bytes, sizeof id.bytes, e) ||
            !rows_fixed(&rows, 1, log_key.bytes, sizeof log_key.bytes, e))
            return false;
        if (edge.len != peak_count(tree.size) * sizeof(struct hash))
            return err_set(e, ERR_CORRUPT, "the tree edge of a feed is %zu bytes", edge.len);
        if (edge.len) memcpy(tree.peaks, edge.at, edge.len);
        struct hash root = merkle_root(&tree);
        if (!each(self, &id, &log_key, tree.size, &root)) return true;
    }
}

/* All feeds of a relationship in one array: callers may then run any other statement. */
static bool feeds_load(struct store *store, const struct relationship_id *id, struct feed **out, size_t *count,
                       struct err *e)
{
    struct feed *feeds = calloc(FEEDS_MAX, sizeof *feeds);
    if (!feeds) return err_memory(e);
    OWNED_ROWS rows = {0};
    size_t n = 0;
    enum found found = FOUND;
    bool is_fine = rows_open(&rows, store, QUERY_feeds, e, BINDS(bind_blob(relationship_span(id))));
    while (is_fine && n < FEEDS_MAX && (found = rows_next(&rows, e)) == FOUND)
        is_fine = feed_from_row(&rows, &feeds[n++], e);
    if (!is_fine || found == FOUND_FAILED) {
        free(feeds);
        return false;
    }
    *out = feeds;
    *count = n;
    return true;
}

bool feeds_each(struct store *store, const struct relationship_id *id, bool (*each)(void *self, const struct feed *feed),
                void *self, struct err *e)
{
    struct feed *feeds = NULL;
    size_t count = 0;
    if (!feeds_load(store, id, &feeds, &count, e)) return false;
    bool is_fine = true;
    for (size_t i = 0; i < count && is_fine; i++) is_fine = feed_add_head(store, id, &feeds[i], e);
    for (size_t i = 0; i < count && is_fine; i++)
        if (!each(self, &feeds[i])) break;
    free(feeds);
    return is_fine;
}

bool feed_read(struct store *store, const struct relationship_id *id, unsigned feed, uint64_t from,
               bool (*each)(void *self, uint64_t index, const struct stored_entry *entry), void *self, struct err *e)
{
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, store, QUERY_entries_from, e,
                   BINDS(bind_blob(relationship_span(id)), bind_number(feed), bind_u64(from))))
        return false;
    for (;;) {
        enum found found = rows_next(&rows, e);
        if (found != FOUND) return found == ABSENT;
        struct stored_entry entry = {.header = rows_bytes(&rows, 1), .has_body = !rows_is_null(&rows, 3)};
        if (!rows_fixed(&rows, 2, entry.salt, sizeof entry.salt, e)) return false;
        if (entry.has_body) entry.body = rows_bytes(&rows, 3);
        if (!each(self, (uint64_t)rows_number(&rows, 0), &entry)) return true;
    }
}

bool feed_find(struct store *store, const struct relationship_id *id, const struct hash *entry, unsigned *feed,
               uint64_t *index, struct err *e)
{
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, QUERY_entry_by_id, e,
                        BINDS(bind_blob(relationship_span(id)), bind_blob(hash_span(entry))))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "that entry is not here");
    case FOUND: break;
    }
    *feed = (unsigned)rows_number(&rows, 0);
    *index = (uint64_t)rows_number(&rows, 1);
    return true;
}

/* ---- the tree ---- */

static bool nodes_find(void *self, unsigned level, uint64_t index, struct hash *out, struct err *e)
{
    const struct feed_nodes *n = self;
    if (level >= MERKLE_LEVELS_MAX || index >= (UINT64_MAX >> level))
        return err_set(e, ERR_MISSING, "no such subtree");
    uint64_t last = ((index + 1) << level) - 1; /* the leaf that completed it */
    unsigned feed = last < n->branch_from ? n->feed & 0xffffu : n->feed;
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, n->store, QUERY_entry_subtrees, e,
                        BINDS(bind_blob(relationship_span(&n->id)), bind_number(feed), bind_u64(last)))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "entry %llu is not here", (unsigned long long)last);
    case FOUND: break;
    }
    if (level == 0) return rows_fixed(&rows, 0, out->bytes, sizeof out->bytes, e);
    span subtrees = rows_bytes(&rows, 1), skipped = {0}, node = {0};
    if (!span_take(&subtrees, (level - 1) * sizeof out->bytes, &skipped) ||
        !span_take(&subtrees, sizeof out->bytes, &node))
        return err_set(e, ERR_CORRUPT, "entry %llu lacks its subtree of level %u", (unsigned long long)last, level);
    memcpy(out->bytes, node.at, node.len);
    return true;
}

struct feed_nodes feed_nodes_of(struct store *store, const struct relationship_id *id, const struct feed *feed)
{
    return (struct feed_nodes){store, *id, feed->feed, feed->branch_from};
}

struct merkle_nodes feed_nodes(struct feed_nodes *self)
{
    return (struct merkle_nodes){nodes_find, self};
}

/* ---- taking in ---- */

static bool feed_save(struct store *store, const struct relationship_id *id, const struct feed *feed, struct err *e)
{
    span edge = span_of(feed->edge.peaks, peak_count(feed->edge.size) * sizeof(struct hash));
    return query_run(store, QUERY_feed_grow, e,
                     BINDS(bind_u64(feed->edge.size), bind_blob(edge), bind_blob(relationship_span(id)),
                           bind_number(feed->feed)));
}

/* Adds one leaf to the tree and its row to the database. */
static bool entry_add(struct store *store, const struct relationship_id *id, struct feed *feed,
                      const struct stored_entry *entry, struct hash *leaf, struct err *e)
{
    struct hash completed[MERKLE_LEVELS_MAX];
    uint64_t position = feed->edge.size;
    *leaf = merkle_leaf(entry->header);
    size_t count = merkle_append(&feed->edge, leaf, completed);
    return query_run(store, QUERY_entry_add, e,
                     BINDS(bind_blob(relationship_span(id)), bind_number(feed->feed), bind_u64(position),
                           bind_blob(hash_span(leaf)), bind_blob(entry->header),
                           bind_blob(span_of(entry->salt, sizeof entry->salt)),
                           entry->has_body ? bind_blob(entry->body) : bind_null(),
                           bind_blob(span_of(completed, count * sizeof completed[0]))));
}

static bool head_add(struct store *store, const struct relationship_id *id, unsigned feed, const struct head *head,
                     struct err *e)
{
    return query_run(store, QUERY_head_add, e,
                     BINDS(bind_blob(relationship_span(id)), bind_number(feed), bind_u64(head->size),
                           bind_blob(hash_span(&head->root)),
                           bind_blob(span_of(head->signature.bytes, sizeof head->signature.bytes))));
}

/* Who the parties are and who may do what must be known for ever: these bodies are never erased. */
static bool is_never_erased(const struct header *h)
{
    return !header_is_newer(h) && (h->verb == VERB_OPEN || h->verb == VERB_JOIN || h->verb == VERB_PAIR ||
                                   h->verb == VERB_SUCCEED || span_equal(h->noun, span_text("charter")) ||
                                   span_equal(h->noun, span_text("authority")));
}

/*
 * A body must be the one its header names. A leaf whose envelope cannot be read names none, so a body brought with it is
 * left behind; the leaf itself is kept, since its author has signed it.
 */
static bool entry_check(struct stored_entry *entry, struct err *e)
{
    if (entry->header.len == 0 || entry->header.len > HEADER_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "an entry header is %zu bytes, the limit is %d", entry->header.len,
                       HEADER_BYTES_MAX);
    if (entry->has_body && entry->body.len > BODY_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "an entry body is %zu bytes, the limit is %d", entry->body.len, BODY_BYTES_MAX);
    struct header header;
    struct err unreadable = {0};
    if (!header_read(entry->header, &header, &unreadable)) {
        entry->has_body = false;
        memset(entry->salt, 0, sizeof entry->salt);
        return true;
    }
    if (!entry->has_body && is_never_erased(&header))
        return err_set(e, ERR_REFUSED, "entry %llu came without its body, which cannot be erased",
                       (unsigned long long)header.index);
    if (!entry->has_body) return true;
    struct hash digest = body_digest(entry->salt, entry->body);
    if (header.body_bytes != entry->body.len || !hash_equal(&digest, &header.body_digest))
        return err_set(e, ERR_REFUSED, "the body of entry %llu is not the one its header names",
                       (unsigned long long)header.index);
    return true;
}

/* Appends what is new of a batch to the tree and the table; nothing is believed before batch_matches. */
static bool batch_append(struct store *store, const struct relationship_id *id, const struct batch *batch,
                         struct feed *feed, struct err *e)
{
    size_t skip = (size_t)(feed->edge.size - batch->from);
    for (size_t i = skip; i < batch->entry_count; i++) {
        struct stored_entry entry = batch->entries[i];
        struct hash leaf;
        if (!entry_check(&entry, e) || !entry_add(store, id, feed, &entry, &leaf, e)) return false;
    }
    return true;
}

static bool batch_matches(const struct batch *batch, const struct feed *feed, struct err *e)
{
    struct hash root = merkle_root(&feed->edge);
    bool is_match = feed->edge.size == batch->head->size ? hash_equal(&root, &batch->head->root)
                    : batch->proof ? merkle_check_consistency(feed->edge.size, batch->head->size, &root,
                                                              &batch->head->root, batch->proof)
                                   : false;
    if (is_match) return true;
    return err_set(e, ERR_CONFLICT, "the entries from %llu on do not lead to the signed head of size %llu",
                   (unsigned long long)batch->from, (unsigned long long)batch->head->size);
}

/* A head over entries we hold already: it must name our root at its size. */
static bool head_take(struct store *store, const struct relationship_id *id, const struct feed *feed,
                      const struct head *head, struct err *e)
{
    struct feed_nodes nodes = feed_nodes_of(store, id, feed);
    struct hash root;
    if (!merkle_root_at(feed_nodes(&nodes), head->size, &root, e)) return false;
    if (!hash_equal(&root, &head->root))
        return err_set(e, ERR_CONFLICT, "a signed head of size %llu names another root than our entries",
                       (unsigned long long)head->size);
    return head->size == 0 || head_add(store, id, feed->feed, head, e);
}

bool feed_take(struct store *store, const struct relationship_id *id, const struct batch *batch, uint64_t *taken,
               struct err *e)
{
    struct feed feed;
    must(store_in_transaction(store));
    if (!feed_load(store, id, batch->log_key, batch->branch, &feed, e)) return false;
    if (!head_verify(batch->log_key, feed.origin, batch->head))
        return err_set(e, ERR_REFUSED, "the head of size %llu is not signed by its feed's key",
                       (unsigned long long)batch->head->size);
    if (batch->from > feed.edge.size)
        return err_set(e, ERR_MISSING, "the entries begin at %llu, we hold %llu", (unsigned long long)batch->from,
                       (unsigned long long)feed.edge.size);
    uint64_t end = batch->from + batch->entry_count;
    if (end > batch->head->size && batch->entry_count > 0)
        return err_set(e, ERR_REFUSED, "%llu entries under a head of size %llu", (unsigned long long)end,
                       (unsigned long long)batch->head->size);
    *taken = 0;
    if (end <= feed.edge.size)
        return batch->head->size <= feed.edge.size ? head_take(store, id, &feed, batch->head, e) : true;
    uint64_t held = feed.edge.size;
    if (!batch_append(store, id, batch, &feed, e) || !batch_matches(batch, &feed, e)) return false;
    if (!feed_save(store, id, &feed, e)) return false;
    if (feed.edge.size == batch->head->size && !head_add(store, id, feed.feed, batch->head, e)) return false;
    *taken = feed.edge.size - held;
    return true;
}

bool feed_append(struct store *store, const struct relationship_id *id, struct feed *own,
                 const struct stored_entry *entry, struct hash *entry_id, struct err *e)
{
    must(store_in_transaction(store));
    return entry_add(store, id, own, entry, entry_id, e) && feed_save(store, id, own, e);
}

bool feed_sign(struct store *store, const struct relationship_id *id, struct feed *own,
               const struct signing_key *log_key, struct err *e)
{
    must(store_in_transaction(store));
    must(key_public_equal(signing_key_public(log_key), &own->log_key));
    own->root = merkle_root(&own->edge);
    head_sign(log_key, own->origin, own->edge.size, &own->root, &own->head);
    return head_add(store, id, own->feed, &own->head, e);
}

/* ---- receipts ---- */

static bool receipt_from_row(const struct rows *rows, struct feed_receipt *out, struct err *e)
{
    struct feed_receipt r = {0};
    if (!rows_below(rows, 1, PARTIES_MAX, &r.party, e)) return false;
    r.receipt.size = (uint64_t)rows_number(rows, 2);
    r.receipt.time_s = (uint64_t)rows_number(rows, 3);
    if (!rows_fixed(rows, 0, r.receipt_key.bytes, sizeof r.receipt_key.bytes, e)) return false;
    if (!rows_fixed(rows, 4, r.receipt.signature.bytes, sizeof r.receipt.signature.bytes, e)) return false;
    *out = r;
    return true;
}

static enum found receipt_find(struct store *store, const struct relationship_id *id, unsigned feed,
                               const struct key_public *key, uint64_t size, struct feed_receipt *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, store, QUERY_receipt_find, e,
                                   BINDS(bind_blob(relationship_span(id)), bind_number(feed),
                                         bind_blob(key_public_span(key)), bind_u64(size)));
    if (found == FOUND && !receipt_from_row(&rows, out, e)) return FOUND_FAILED;
    return found;
}

static bool receipt_add(struct store *store, const struct relationship_id *id, unsigned feed,
                        const struct feed_receipt *r, struct err *e)
{
    span signature = span_of(r->receipt.signature.bytes, sizeof r->receipt.signature.bytes);
    return query_run(store, QUERY_receipt_add, e,
                     BINDS(bind_blob(relationship_span(id)), bind_number(feed),
                           bind_blob(key_public_span(&r->receipt_key)), bind_u64(r->receipt.size),
                           bind_number(r->party), bind_u64(r->receipt.time_s), bind_blob(signature)));
}

/* The time a new receipt of this key carries: our clock, never below the key's last one. */
static bool receipt_time(struct store *store, const struct key_public *key, uint64_t *out, struct err *e)
{
    char name[32 + 2 * sizeof key->bytes] = "receipt-time ";
    (void)hex_write(key_public_span(key), name + strlen(name), sizeof name - strlen(name));
    const struct world *world = store_world(store);
    int64_t now = world->date_ms(world->self) / 1000;
    uint64_t last = 0;
    OWNED_BUFFER saved = {0};
    struct err missing = {0};
    if (setting_get(store, name, 8, &saved, &missing) && saved.len == 8)
        for (size_t i = 0; i < 8; i++) last = last << 8 | saved.at[i];
    else if (missing.code != ERR_MISSING)
        return err_set(e, missing.code, "%s", missing.said);
    uint64_t time = now > 0 ? (uint64_t)now : 1;
    if (time < last && last - time > RECEIPT_BACK_S) {
        (void)err_set(e, ERR_TIME, "this machine's clock is %llu s behind the last receipt it signed",
                      (unsigned long long)(last - time));
        return err_next(e, "set the clock right; if the earlier receipt was signed with a clock that was ahead, run "
                           "`counterpart doctor --new-receipt-key`");
    }
    if (time < last) time = last;
    uint8_t bytes[8] = {0};
    struct sink sink = sink_over(bytes, sizeof bytes);
    sink_u64_be(&sink, time);
    *out = time;
    return time == last || setting_put(store, name, sink_span(&sink), e);
}

static bool our_party(struct store *store, const struct relationship_id *id, unsigned *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, QUERY_relationship_party, e, BINDS(bind_blob(relationship_span(id))))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "that relationship is not here");
    case FOUND: break;
    }
    return rows_below(&rows, 0, PARTIES_MAX, out, e);
}

bool feed_receipt_make(struct store *store, const struct relationship_id *id, const struct feed *feed, uint64_t size,
                       const struct signing_key *receipt_key, struct feed_receipt *out, struct err *e)
{
    must(store_in_transaction(store) && size > 0 && size <= feed->edge.size);
    struct feed_receipt made = {.receipt_key = *signing_key_public(receipt_key)};
    enum found found = receipt_find(store, id, feed->feed, &made.receipt_key, size, out, e);
    if (found != ABSENT) return found == FOUND;
    struct feed_nodes nodes = feed_nodes_of(store, id, feed);
    struct hash root = feed->root;
    uint64_t time = 0;
    if (size != feed->edge.size && !merkle_root_at(feed_nodes(&nodes), size, &root, e)) return false;
    if (!our_party(store, id, &made.party, e) || !receipt_time(store, &made.receipt_key, &time, e)) return false;
    receipt_sign(receipt_key, feed->origin, size, &root, time, &made.receipt);
    if (!receipt_add(store, id, feed->feed, &made, e)) return false;
    *out = made;
    return true;
}

bool feed_receipt_take(struct store *store, const struct relationship_id *id, const struct feed *feed,
                       const struct feed_receipt *receipt, bool *is_new, struct err *e)
{
    struct feed_receipt known = {0}, checked = *receipt;
    *is_new = false;
    if (checked.receipt.size == 0 || checked.receipt.size > feed->edge.size)
        return err_set(e, ERR_MISSING, "a receipt for %llu entries of a feed of which we hold %llu",
                       (unsigned long long)checked.receipt.size, (unsigned long long)feed->edge.size);
    enum found found =
        receipt_find(store, id, feed->feed, &checked.receipt_key, checked.receipt.size, &known, e);
    if (found != ABSENT) return found == FOUND;
    OWNED_ROWS rows = {0};
    found = query_first(&rows, store, QUERY_receipt_key_party, e,
                        BINDS(bind_blob(relationship_span(id)), bind_blob(key_public_span(&checked.receipt_key))));
    if (found == FOUND_FAILED) return false;
    if (found == ABSENT) return err_set(e, ERR_MISSING, "a receipt by a key of no party we know");
    if (!rows_below(&rows, 0, PARTIES_MAX, &checked.party, e)) return false;
    rows_close(&rows);
    struct feed_nodes nodes = feed_nodes_of(store, id, feed);
    checked.receipt.root = feed->root;
    if (checked.receipt.size != feed->edge.size &&
        !merkle_root_at(feed_nodes(&nodes), checked.receipt.size, &checked.receipt.root, e))
        return false;
    if (!receipt_verify(&checked.receipt_key, feed->origin, &checked.receipt))
        return err_set(e, ERR_REFUSED, "a receipt for %llu entries does not verify",
                       (unsigned long long)checked.receipt.size);
    *is_new = true;
    return receipt_add(store, id, feed->feed, &checked, e);
}

bool feed_receipts_each(struct store *store, const struct relationship_id *id, unsigned feed,
                        bool (*each)(void *self, const struct feed_receipt *r), void *self, struct err *e)
{
    struct feed_receipt newest[4 * PARTIES_MAX];
    size_t count = 0;
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, store, QUERY_receipts_newest, e,
                   BINDS(bind_blob(relationship_span(id)), bind_number(feed))))
        return false;
    enum found found = FOUND;
    while (count < sizeof newest / sizeof newest[0] && (found = rows_next(&rows, e)) == FOUND)
        if (!receipt_from_row(&rows, &newest[count++], e)) return false;
    rows_close(&rows);
    if (found == FOUND_FAILED) return false;
    for (size_t i = 0; i < count; i++)
        if (!each(self, &newest[i])) break;
    return true;
}

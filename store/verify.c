/*
 * Verifying: everything is computed again from the bytes of the entries, and compared with what stands beside them.
 * First the bytes of each feed in one pass, then, when they are right, the fold.
 */
#include "store/fold.h"
#include "store/members.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_OF_A_FEED 50 /* named one by one: what is wrong throughout is soon seen to be */

struct verifying {
    struct store *store;
    const struct relationship_id *id;
    void (*found)(void *self, const struct finding *finding);
    void *self;
    uint64_t entries, findings;
    char codes[PARTIES_MAX][CODE_BYTES_MAX + 1];
    bool is_certified[PARTIES_MAX];
    bool is_named[PARTIES_MAX]; /* the opener's feed has said who it is */
    struct certificate certificates[PARTIES_MAX]; /* as the parties' rows say */
    size_t feed_count;
    struct checked_feed *feeds; /* FEEDS_MAX of them */
};

/* A feed's row, read without believing it. */
struct checked_feed {
    unsigned feed, party, ordinal, branch;
    struct key_public log_key;
    char origin[ORIGIN_BYTES_MAX + 1];
    uint64_t size, folded, branch_from, broken_at, fork_at;
    struct hash edge[MERKLE_LEVELS_MAX];
    size_t edge_bytes;
    char name[64]; /* "ACME's feed", for people */
};

static struct bind rel(const struct verifying *v) { return bind_blob(relationship_span(v->id)); }

/* ---- findings ---- */

static void report(struct verifying *v, const char *where, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void report(struct verifying *v, const char *where, const char *format, ...)
{
    struct finding finding = {0};
    va_list args;
    va_start(args, format);
    (void)snprintf(finding.where, sizeof finding.where, "%s", where);
    (void)vsnprintf(finding.what, sizeof finding.what, format, args);
    va_end(args);
    v->findings++;
    v->found(v->self, &finding);
}

/* A reader that met damage has found something; what else it met keeps us from looking at everything. */
static bool damaged(struct verifying *v, const char *where, const struct err *trouble,
                    struct err *e)
{
    if (trouble->code != ERR_CORRUPT && trouble->code != ERR_MISSING) {
        if (e) *e = *trouble;
        return false;
    }
    report(v, where, "%.150s", trouble->said);
    return true;
}

static const char *party_name(const struct verifying *v, uint64_t party)
{
    return party < PARTIES_MAX && v->codes[party][0] ? v->codes[party] : "an unknown party";
}

/* ---- parties ---- */

static bool party_check(struct verifying *v, const struct rows *rows, struct err *e)
{
    char where[64], text[NAME_BYTES_MAX + 1];
    struct certificate c;
    struct err why = {0};
    uint64_t party = (uint64_t)rows_number(rows, 0);
    if (party >= PARTIES_MAX) return err_set(e, ERR_CORRUPT, "a party has number %" PRIu64, party);
    (void)span_show(rows_bytes(rows, 1), v->codes[party], sizeof v->codes[party]);
    (void)snprintf(where, sizeof where, "%s's certificate", party_name(v, party));
    if (rows_is_null(rows, 2)) return true; /* not paired yet */
    if (!certificate_read(rows_bytes(rows, 2), &c, &why)) {
        report(v, where, "%.150s", why.said);
        return true;
    }
    v->certificates[party] = c;
    v->is_certified[party] = true;
    if (!span_equal(relationship_span(&c.relationship), relationship_span(v->id)))
        report(v, where, "it is for another relationship");
    if (strcmp(c.code, v->codes[party]) != 0) report(v, where, "it is for code %s", c.code);
    if (!span_equal(rows_bytes(rows, 3), key_public_span(&c.identity)))
        report(v, where, "the identity key kept beside it is another");
    if (!span_to_text(rows_bytes(rows, 4), text, sizeof text) || strcmp(text, c.name) != 0)
        report(v, where, "the name kept beside it is another");
    if (!span_to_text(rows_bytes(rows, 5), text, sizeof text) || strcmp(text, c.domain) != 0)
        report(v, where, "the domain kept beside it is another");
    return true;
}

static bool parties_check(struct verifying *v, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = FOUND;
    if (!rows_open(&rows, v->store, QUERY_party_rows, e, BINDS(rel(v)))) return false;
    while ((found = rows_next(&rows, e)) == FOUND)
        if (!party_check(v, &rows, e)) return false;
    return found == ABSENT;
}

/*
 * A certificate in an entry of the opener's feed, its own in `open`, the others' in `pair`: the first for each party is
 * the one it has to be known by.
 */
static void certificate_check(struct verifying *v, const char *where, const struct header *h,
                              span body)
{
    struct body_field fields[FIELDS_MAX];
    size_t count = 0;
    struct certificate c;
    uint8_t nonce[32];
    if (!body_read(body, 0, fields, &count, NULL)) return;
    const struct value *note = body_find(fields, count, "certificate");
    if (!note || !note->is_text || !certificate_read(note->text, &c, NULL)) return;
    bool is_whole = c.has_log && c.has_receipt && c.has_transport &&
                    span_equal(relationship_span(&c.relationship), relationship_span(v->id));
    for (unsigned p = 0; p < PARTIES_MAX && is_whole; p++) {
        if (!v->is_certified[p] || v->is_named[p] || strcmp(v->codes[p], c.code) != 0) continue;
        v->is_named[p] = true;
        if (!key_public_equal(&v->certificates[p].identity, &c.identity))
            report(v, where, "its identity key is not the one %s is known by", v->codes[p]);
    }
    if (h->verb != VERB_OPEN) return;
    const struct value *text = body_find(fields, count, "nonce");
    if (!text || !text->is_text || !hex_read(text->text, nonce, sizeof nonce)) return;
    struct relationship_id id = relationship_id_of(&c.identity, nonce);
    if (!span_equal(relationship_span(&id), relationship_span(v->id)))
        report(v, where, "its key and nonce do not make this relationship's id");
}

/* ---- feeds ---- */

static void feed_read_row(struct verifying *v, const struct rows *rows)
{
    struct checked_feed *f = &v->feeds[v->feed_count];
    *f = (struct checked_feed){.feed = (unsigned)rows_number(rows, 0),
                               .party = (unsigned)rows_number(rows, 1),
                               .ordinal = (unsigned)rows_number(rows, 2),
                               .branch = (unsigned)rows_number(rows, 3),
                               .size = (uint64_t)rows_number(rows, 6),
                               .folded = (uint64_t)rows_number(rows, 8),
                               .branch_from = (uint64_t)rows_number(rows, 11),
                               .broken_at = rows_optional(rows, 12),
                               .fork_at = rows_optional(rows, 14)};
    char ordinal[24] = {0}, branch[24] = {0};
    if (f->ordinal) (void)snprintf(ordinal, sizeof ordinal, " %u", f->ordinal + 1);
    if (f->branch) (void)snprintf(branch, sizeof branch, ", branch %u", f->branch);
    (void)snprintf(f->name, sizeof f->name, "%s's feed%s%s", party_name(v, f->party), ordinal,
                   branch);
    if (f->party >= PARTIES_MAX || f->ordinal >= ORDINALS_MAX || f->branch >= FEEDS_OF_PARTY_MAX) {
        report(v, f->name, "its numbers are damaged");
        return;
    }
    span edge = rows_bytes(rows, 7);
    f->edge_bytes = edge.len;
    if (edge.len <= sizeof f->edge && edge.len > 0) memcpy(f->edge, edge.at, edge.len);
    if (!rows_fixed(rows, 4, f->log_key.bytes, sizeof f->log_key.bytes, NULL))
        report(v, f->name, "its log key is damaged");
    else if (!span_to_text(rows_bytes(rows, 5), f->origin, sizeof f->origin))
        report(v, f->name, "its origin is damaged");
    else v->feed_count++;
}

static bool feeds_read(struct verifying *v, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = FOUND;
    if (!rows_open(&rows, v->store, QUERY_feeds, e, BINDS(rel(v)))) return false;
    while ((found = rows_next(&rows, e)) == FOUND) {
        if (v->feed_count == FEEDS_MAX)
            return err_set(e, ERR_CORRUPT, "more than %d feeds", FEEDS_MAX);
        feed_read_row(v, &rows);
    }
    return found == ABSENT;
}

/* The first feed of a party has the log key of its certificate, and every feed's origin follows from its key. */
static void feed_key_check(struct verifying *v, const struct checked_feed *f)
{
    char origin[ORIGIN_BYTES_MAX + 1];
    if (f->party >= PARTIES_MAX || !v->is_certified[f->party]) return;
    const struct certificate *c = &v->certificates[f->party];
    if (f->ordinal == 0 && !(c->has_log && key_public_equal(&c->log, &f->log_key)))
        report(v, f->name, "its log key is not the one in %s's certificate", c->code);
    if (strcmp(origin_write(c->domain, v->id, &f->log_key, origin, sizeof origin), f->origin) != 0)
        report(v, f->name, "its origin does not follow from its key");
}

/* One pass over a feed: the tree grows entry by entry, and is compared with heads and receipts at their sizes. */
struct walk {
    struct verifying *v;
    const struct checked_feed *feed;
    struct merkle_edge edge;
    bool is_lost; /* entries are missing: no root can be computed any more */
    /*
     * A stored id that is not its header's hash: the tree is grown with both until a subtree, a head or the edge tells
     * which of the two is damaged.
     */
    bool is_in_doubt;
    uint64_t doubt_at;
    struct merkle_edge by_id;
    struct rows heads, receipts;
    bool has_head, has_receipt;
    struct head head;
    struct feed_receipt receipt;
    bool is_key_known;
    unsigned key_party;
};

static void place(const struct walk *w, char *out, size_t cap, uint64_t index, const char *part)
{
    (void)snprintf(out, cap, "%s, entry %" PRIu64 "%s%s", w->feed->name, index, part ? ", " : "",
                   part ? part : "");
}

static void doubt_settle(struct walk *w, bool header_fits, bool id_fits)
{
    char where[160];
    if (!w->is_in_doubt || header_fits == id_fits) return;
    place(w, where, sizeof where, w->doubt_at, id_fits ? "header" : "id");
    report(w->v, where,
           id_fits ? "the header's bytes are not those that were signed"
                   : "the stored id is not the hash of the header");
    if (id_fits) w->edge = w->by_id;
    w->is_in_doubt = false;
}

static bool head_next(struct walk *w, struct err *e)
{
    enum found found = rows_next(&w->heads, e);
    w->has_head = found == FOUND;
    if (found != FOUND) return found == ABSENT;
    w->head = (struct head){.size = (uint64_t)rows_number(&w->heads, 0)};
    return rows_fixed(&w->heads, 1, w->head.root.bytes, sizeof w->head.root.bytes, e) &&
           rows_fixed(&w->heads, 2, w->head.signature.bytes, sizeof w->head.signature.bytes, e);
}

static bool receipt_next(struct walk *w, struct err *e)
{
    enum found found = rows_next(&w->receipts, e);
    struct feed_receipt *r = &w->receipt;
    w->has_receipt = found == FOUND;
    if (found != FOUND) return found == ABSENT;
    *r = (struct feed_receipt){.party = (unsigned)rows_number(&w->receipts, 1)};
    r->receipt.size = (uint64_t)rows_number(&w->receipts, 2);
    r->receipt.time_s = (uint64_t)rows_number(&w->receipts, 3);
    w->is_key_known = !rows_is_null(&w->receipts, 5);
    w->key_party = (unsigned)rows_number(&w->receipts, 5);
    return rows_fixed(&w->receipts, 0, r->receipt_key.bytes, sizeof r->receipt_key.bytes, e) &&
           rows_fixed(&w->receipts, 4, r->receipt.signature.bytes,
                      sizeof r->receipt.signature.bytes, e);
}

static void head_check(struct walk *w, const struct hash *root)
{
    char where[160];
    (void)snprintf(where, sizeof where, "%s, head of size %" PRIu64, w->feed->name, w->head.size);
    if (root && !hash_equal(root, &w->head.root))
        report(w->v, where, "its root is not that of the entries");
    else if (!head_verify(&w->feed->log_key, w->feed->origin, &w->head))
        report(w->v, where, "its signature does not verify");
}

static void receipt_check(struct walk *w, const struct hash *root)
{
    char where[160];
    struct feed_receipt *r = &w->receipt;
    (void)snprintf(where, sizeof where, "%s, %s's receipt for %" PRIu64, w->feed->name,
                   party_name(w->v, r->party), r->receipt.size);
    if (!w->is_key_known) report(w->v, where, "its key is of no party we know");
    else if (w->key_party != r->party)
        report(w->v, where, "its key is %s's", party_name(w->v, w->key_party));
    if (!root) return;
    r->receipt.root = *root;
    if (!receipt_verify(&r->receipt_key, w->feed->origin, &r->receipt))
        report(w->v, where, "its signature does not verify");
}

/* Heads and receipts at the size the tree has reached. */
static bool signed_check(struct walk *w, struct err *e)
{
    struct hash root = {0};
    uint64_t size = w->edge.size;
    bool is_due = (w->has_head && w->head.size <= size) ||
                  (w->has_receipt && w->receipt.receipt.size <= size);
    if (!is_due) return true;
    if (w->is_in_doubt && w->has_head && w->head.size == size) {
        struct hash by_header = merkle_root(&w->edge), by_id = merkle_root(&w->by_id);
        doubt_settle(w, hash_equal(&by_header, &w->head.root), hash_equal(&by_id, &w->head.root));
    }
    root = merkle_root(&w->edge);
    while (w->has_head && w->head.size <= size) {
        head_check(w, w->is_lost || w->head.size < size ? NULL : &root);
        if (!head_next(w, e)) return false;
    }
    while (w->has_receipt && w->receipt.receipt.size <= size) {
        receipt_check(w, w->is_lost || w->receipt.receipt.size < size ? NULL : &root);
        if (!receipt_next(w, e)) return false;
    }
    return true;
}

static void leaf_grow(struct walk *w, uint64_t index, const struct hash *leaf,
                      const struct hash *id, span subtrees)
{
    struct hash completed[MERKLE_LEVELS_MAX], other[MERKLE_LEVELS_MAX];
    char where[160];
    if (!hash_equal(leaf, id)) {
        if (w->is_in_doubt) {
            place(w, where, sizeof where, w->doubt_at, "header or id");
            report(w->v, where, "the stored id is not the hash of the header");
        }
        w->is_in_doubt = true;
        w->doubt_at = index;
        w->by_id = w->edge;
    }
    size_t count = merkle_append(&w->edge, leaf, completed);
    span computed = span_of(completed, count * sizeof completed[0]);
    bool is_same = span_equal(computed, subtrees);
    if (w->is_in_doubt) {
        (void)merkle_append(&w->by_id, id, other);
        bool is_other = count > 0 && span_equal(span_of(other, count * sizeof other[0]), subtrees);
        doubt_settle(w, is_same && count > 0, is_other);
        is_same = is_same || is_other;
    }
    if (is_same) return;
    place(w, where, sizeof where, index, "subtrees");
    report(w->v, where, "the stored subtrees are not those of the leaves below them");
}

/* What a header says of itself. A feed that is frozen for it, or has not been folded so far, may hold anything. */
static void header_check(struct walk *w, uint64_t index, const struct header *h,
                         const struct err *unreadable)
{
    char where[160];
    if (index >= w->feed->folded || index >= w->feed->broken_at) return;
    place(w, where, sizeof where, index, "header");
    if (unreadable->code != ERR_NONE) report(w->v, where, "%.140s", unreadable->said);
    else if (!span_equal(relationship_span(&h->relationship), relationship_span(w->v->id)))
        report(w->v, where, "it names another relationship");
    else if (!key_public_equal(&h->log_key, &w->feed->log_key))
        report(w->v, where, "it names another log key");
    else if (h->index != index) report(w->v, where, "it names index %" PRIu64, h->index);
}

/* A successor feed begins with its party's certificate for its key; a branch that parts there may say anything. */
static void beginning_check(struct walk *w, const char *where, const struct header *h, span body)
{
    const struct checked_feed *f = w->feed;
    struct certificate c;
    unsigned ordinal = 0;
    if (!successor_read(w->v->id, h, body, &c, &ordinal) || ordinal != f->ordinal)
        report(w->v, where, "it does not begin a successor feed of ordinal %u", f->ordinal);
    else if (f->party < PARTIES_MAX && w->v->is_certified[f->party] &&
             !key_public_equal(&w->v->certificates[f->party].identity, &c.identity))
        report(w->v, where, "its identity key is not the one %s is known by", party_name(w->v, f->party));
}

static void body_check(struct walk *w, uint64_t index, const struct header *h,
                       const struct rows *rows)
{
    char where[160];
    uint8_t salt[SALT_BYTES];
    span kept = rows_bytes(rows, 2), body = rows_bytes(rows, 3);
    if (kept.len != sizeof salt) {
        place(w, where, sizeof where, index, "salt");
        report(w->v, where, "it is %zu bytes", kept.len);
        return;
    }
    if (rows_is_null(rows, 3)) return; /* erased or never here: the feed verifies without it */
    memcpy(salt, kept.at, sizeof salt);
    struct hash digest = body_digest(salt, body);
    bool is_size = h->body_bytes == body.len, is_digest = hash_equal(&digest, &h->body_digest);
    if (is_size && is_digest) {
        place(w, where, sizeof where, index, "body");
        if (w->feed->party == 0 && (h->verb == VERB_OPEN || h->verb == VERB_PAIR))
            certificate_check(w->v, where, h, body);
        if (w->feed->ordinal > 0 && w->feed->branch == 0 && index == 0) beginning_check(w, where, h, body);
        return;
    }
    place(w, where, sizeof where, index, is_size ? "body or salt" : "body");
    if (is_size) report(w->v, where, "salt and body do not give the digest that the header names");
    else report(w->v, where, "it is %zu bytes, the header names %" PRIu64, body.len, h->body_bytes);
}

static bool entry_check(struct walk *w, const struct rows *rows, struct err *e)
{
    struct header h;
    struct hash id;
    struct err unreadable = {0};
    uint64_t index = (uint64_t)rows_number(rows, 0);
    char where[160];
    w->v->entries++;
    if (index != w->edge.size && !w->is_lost) {
        place(w, where, sizeof where, w->edge.size, NULL);
        report(w->v, where, "it is missing; the next one here is %" PRIu64, index);
        w->is_lost = true;
    }
    struct hash leaf = merkle_leaf(rows_bytes(rows, 1));
    place(w, where, sizeof where, index, "id");
    if (!rows_fixed(rows, 4, id.bytes, sizeof id.bytes, &unreadable)) {
        report(w->v, where, "%.150s", unreadable.said);
        id = leaf;
        unreadable = (struct err){0};
    }
    bool is_whole = hash_equal(&leaf, &id);
    if (!w->is_lost) leaf_grow(w, index, &leaf, &id, rows_bytes(rows, 5));
    else if (!is_whole) report(w->v, where, "header and id do not belong together");
    bool is_read = header_read(rows_bytes(rows, 1), &h, &unreadable);
    if (is_whole) header_check(w, index, &h, &unreadable);
    if (is_whole && is_read) body_check(w, index, &h, rows);
    return signed_check(w, e);
}

static bool entries_check(struct walk *w, struct err *e)
{
    struct verifying *v = w->v;
    OWNED_ROWS rows = {0};
    enum found found = FOUND;
    uint64_t before = v->findings;
    if (!rows_open(&rows, v->store, QUERY_entries_raw, e,
                   BINDS(rel(v), bind_number(w->feed->feed))))
        return false;
    while ((found = rows_next(&rows, e)) == FOUND) {
        if (!entry_check(w, &rows, e)) return false;
        if (v->findings - before < FINDINGS_OF_A_FEED) continue;
        report(v, w->feed->name, "there is too much wrong with it to name it all");
        w->is_lost = true;
        return true;
    }
    return found == ABSENT;
}

/* After the last entry: the edge and the size in the feed's row, and that nothing was signed beyond. */
static void end_check(struct walk *w)
{
    char where[160];
    const struct checked_feed *f = w->feed;
    if (w->is_lost) return;
    (void)snprintf(where, sizeof where, "%s, edge", f->name);
    span kept = span_of(f->edge, f->edge_bytes <= sizeof f->edge ? f->edge_bytes : 0);
    span computed = span_of(w->edge.peaks,
                            (size_t)__builtin_popcountll(w->edge.size) * sizeof w->edge.peaks[0]);
    span by_id = span_of(w->by_id.peaks, computed.len);
    if (w->is_in_doubt) doubt_settle(w, span_equal(kept, computed), span_equal(kept, by_id));
    if (w->is_in_doubt) doubt_settle(w, true, false);
    if (!span_equal(kept, computed)) report(w->v, where, "the stored edge is not that of the tree");
    if (f->size != w->edge.size)
        report(w->v, f->name, "its size is %" PRIu64 ", there are %" PRIu64 " entries", f->size,
               w->edge.size);
    if (w->has_head)
        report(w->v, f->name, "a head of size %" PRIu64 " goes beyond the entries", w->head.size);
    if (w->has_receipt)
        report(w->v, f->name, "a receipt for %" PRIu64 " goes beyond the entries",
               w->receipt.receipt.size);
}

/* A branch goes on where it leaves branch 0, whose own subtrees are verified with it. */
static bool walk_start(struct walk *w, struct err *e)
{
    const struct checked_feed *f = w->feed;
    struct verifying *v = w->v;
    if (f->branch != 0) {
        struct feed_nodes nodes = {v->store, *v->id, f->feed & 0xffffu, 0};
        if (!merkle_edge_at(feed_nodes(&nodes), f->branch_from, &w->edge, e)) return false;
    }
    return rows_open(&w->heads, v->store, QUERY_heads, e, BINDS(rel(v), bind_number(f->feed))) &&
           rows_open(&w->receipts, v->store, QUERY_receipts, e,
                     BINDS(rel(v), bind_number(f->feed))) &&
           head_next(w, e) && receipt_next(w, e) && signed_check(w, e);
}

static bool feed_check(struct verifying *v, const struct checked_feed *f, struct err *e)
{
    struct err trouble = {0};
    struct walk *w = calloc(1, sizeof *w);
    if (!w) return err_memory(e);
    w->v = v;
    w->feed = f;
    feed_key_check(v, f);
    bool is_read = walk_start(w, &trouble) && entries_check(w, &trouble);
    if (is_read) end_check(w);
    rows_close(&w->heads);
    rows_close(&w->receipts);
    free(w);
    return is_read || damaged(v, f->name, &trouble, e);
}

/* ---- forks ---- */

static void fork_row_check(struct verifying *v, const struct rows *rows, uint64_t *earliest)
{
    struct fork_proof proof;
    uint8_t bytes[FORK_PROOF_BYTES_MAX];
    struct sink again = sink_over(bytes, sizeof bytes);
    struct reader r = reader_over(rows_bytes(rows, 0));
    if (!fork_read(&r, &proof, NULL) || !read_end(&r, NULL)) {
        report(v, "a fork's proof", "its bytes cannot be read");
        return;
    }
    fork_write(&again, &proof);
    bool is_placed = span_equal(rows_bytes(rows, 1), key_public_span(&proof.log_key)) &&
                     (uint64_t)rows_number(rows, 2) == proof.at &&
                     span_equal(sink_span(&again), rows_bytes(rows, 0));
    for (size_t f = 0; f < v->feed_count; f++) {
        if (!key_public_equal(&v->feeds[f].log_key, &proof.log_key)) continue;
        if (!is_placed || !fork_check(&proof, v->feeds[f].origin)) break;
        if (proof.at < earliest[f]) earliest[f] = proof.at;
        for (size_t b = f + 1; b < v->feed_count; b++) /* branches of one key stand together */
            if (key_public_equal(&v->feeds[b].log_key, &proof.log_key)) earliest[b] = earliest[f];
        return;
    }
    report(v, "a fork's proof", "it proves no fork of a feed that is here");
}

static bool forks_check(struct verifying *v, struct err *e)
{
    uint64_t earliest[FEEDS_MAX];
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    for (size_t f = 0; f < FEEDS_MAX; f++) earliest[f] = UINT64_MAX;
    if (!rows_open(&rows, v->store, QUERY_forks, e, BINDS(rel(v)))) return false;
    while ((found = rows_next(&rows, e)) == FOUND) fork_row_check(v, &rows, earliest);
    for (size_t f = 0; f < v->feed_count; f++)
        if (v->feeds[f].branch == 0 && v->feeds[f].fork_at != earliest[f])
            report(v, v->feeds[f].name, "the proven forks do not say where it is frozen");
    return found == ABSENT;
}

static bool bytes_check(void *self, struct err *e)
{
    struct verifying *v = self;
    struct err trouble = {0};
    if (!parties_check(v, &trouble) && !damaged(v, "the parties", &trouble, e)) return false;
    trouble = (struct err){0};
    if (!feeds_read(v, &trouble) && !damaged(v, "the feeds", &trouble, e)) return false;
    for (size_t f = 0; f < v->feed_count; f++)
        if (!feed_check(v, &v->feeds[f], e)) return false;
    trouble = (struct err){0};
    return forks_check(v, &trouble) || damaged(v, "the forks", &trouble, e);
}

/* ---- the fold ---- */

/* What the fold has written, in three parts that are named apart. */
struct folded {
    struct hash tables, state, members;
};

struct refolding {
    struct verifying *v;
    struct folded before, after;
    bool is_done;
    struct err trouble;
};

static bool digest_row(void *self, span row)
{
    struct hash *chain = self;
    *chain = hash_labelled("counterpart/v1/tables", (span[]){hash_span(chain), row}, 2);
    return true;
}

static bool folded_read(struct verifying *v, struct folded *out, struct err *e)
{
    static const char *const member_rows[] = {
        "SELECT * FROM party WHERE relationship = $1 ORDER BY party",
        "SELECT * FROM receipt_key WHERE relationship = $1 ORDER BY receipt_key",
        ("SELECT feed, party, ordinal, branch, log_key, origin, folded, setup, items, broken_at, "
         "broken_why, contested_at, live_at, ends_at"
         " FROM feed WHERE relationship = $1 ORDER BY feed"),
        "SELECT title, is_open_known, our_party, party_count FROM relationship WHERE relationship "
        "= $1",
    };
    span id = relationship_span(v->id);
    *out = (struct folded){0};
    for (size_t i = 0; i < sizeof member_rows / sizeof member_rows[0]; i++)
        if (!database_dump(v->store, member_rows[i], id, digest_row, &out->members, e))
            return false;
    return database_dump(v->store, "SELECT state FROM relationship WHERE relationship = $1", id,
                         digest_row, &out->state, e) &&
           record_tables_digest(v->store, v->id, &out->tables, e);
}

/* Folds anew inside a transaction, and fails on purpose when it is done, so that all of it is rolled back. */
static bool refold(void *self, struct err *e)
{
    (void)e;
    struct refolding *r = self;
    r->is_done = folded_read(r->v, &r->before, &r->trouble) &&
                 record_rebuild(r->v->store, r->v->id, &r->trouble) &&
                 folded_read(r->v, &r->after, &r->trouble);
    return false;
}

static bool fold_check(struct verifying *v, struct err *e)
{
    static const char where[] = "the item tables";
    struct refolding r = {.v = v};
    if (v->findings > 0) {
        report(v, where, "not compared: the entries have to be right first");
        return true;
    }
    if (!store_transact(v->store, refold, &r, &r.trouble) && !r.is_done)
        return damaged(v, where, &r.trouble, e);
    if (!hash_equal(&r.before.tables, &r.after.tables))
        report(v, where, "the item tables differ from the entries: run `counterpart rebuild`");
    if (!hash_equal(&r.before.state, &r.after.state))
        report(v, "the state digest", "it differs from the entries: run `counterpart rebuild`");
    if (!hash_equal(&r.before.members, &r.after.members))
        report(v, "the parties and feeds",
               "what is kept of them differs from the entries: run `counterpart rebuild`");
    return true;
}

bool record_verify(struct store *store, const struct relationship_id *id,
                   void (*found)(void *self, const struct finding *finding), void *self,
                   uint64_t *entries, struct err *e)
{
    must(!store_in_transaction(store));
    struct verifying *v = calloc(1, sizeof *v);
    struct checked_feed *feeds = calloc(FEEDS_MAX, sizeof *feeds);
    bool is_seen = false;
    if (!v || !feeds) {
        (void)err_memory(e);
    } else {
        *v = (struct verifying){
            .store = store, .id = id, .found = found, .self = self, .feeds = feeds};
        is_seen = store_snapshot(store, bytes_check, v, e) && fold_check(v, e);
        if (is_seen) *entries = v->entries;
    }
    free(v);
    free(feeds);
    return is_seen;
}

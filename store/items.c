/*
 * Items as people read them: agreed terms, progress, and the offers beside them, each with how it stands.
 */
#include "store/fold.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ITEMS 64 /* what items_after gives at once */
#define OFFERS_MAX 64 /* shown of one item, beside what was agreed: people compare a few */
#define RIVALS_MAX 64 /* looked at to tell whether two offers crossed: the newest */
#define CANDIDATES_MAX (OFFERS_MAX + 2 * PARTIES_MAX + 2)

struct item_row {
    struct hash item, revision, statement;
    bool has_revision, has_statement, needs_newer;
    unsigned party;
    uint64_t number;
    char noun[NOUN_BYTES_MAX + 1];
};

/* An entry whose body now stands in the view's text; the text may still move, so it is known by its place. */
struct said {
    bool has_body;
    size_t body_at, body_bytes;
    int64_t time_ms;
    char person[PERSON_BYTES_MAX + 1];
};

struct candidate {
    struct hash proposal, base;
    size_t ordinal; /* which map of the body is this item's */
    unsigned party;
    struct said said;
};

static struct bind rel(const struct fold *fold) { return bind_blob(relationship_span(&fold->id)); }

static bool row_read(const struct rows *rows, struct item_row *out, struct err *e)
{
    struct item_row row = {.has_revision = !rows_is_null(rows, 5),
                           .has_statement = !rows_is_null(rows, 6)};
    int64_t party = rows_number(rows, 2);
    if (party < 0 || party >= PARTIES_MAX)
        return err_set(e, ERR_CORRUPT, "an item names party %" PRId64, party);
    row.party = (unsigned)party;
    row.number = (uint64_t)rows_number(rows, 3);
    row.needs_newer = rows_number(rows, 7) != 0;
    (void)span_show(rows_bytes(rows, 1), row.noun, sizeof row.noun);
    if (!rows_fixed(rows, 0, row.item.bytes, sizeof row.item.bytes, e)) return false;
    if (row.has_revision && !rows_fixed(rows, 5, row.revision.bytes, sizeof row.revision.bytes, e))
        return false;
    if (row.has_statement &&
        !rows_fixed(rows, 6, row.statement.bytes, sizeof row.statement.bytes, e))
        return false;
    *out = row;
    return true;
}

/* ---- bodies ---- */

/* Reads who said an entry and when, and adds its body to the text. An entry that is not here has neither. */
static bool said_load(struct fold *fold, const struct hash *entry, struct buffer *text,
                      struct said *out, struct err *e)
{
    struct header h;
    struct said said = {.body_at = text->len};
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_entry_body, e,
                                   BINDS(rel(fold), bind_blob(hash_span(entry))));
    if (found == FOUND_FAILED) return false;
    if (found == FOUND && header_read(rows_bytes(&rows, 1), &h, NULL)) {
        said.time_ms = (int64_t)h.time_ms;
        (void)span_show(h.person, said.person, sizeof said.person);
    }
    if (found == FOUND && !rows_is_null(&rows, 0)) {
        if (!buffer_put(text, rows_bytes(&rows, 0), e)) return false;
        said.has_body = true;
        said.body_bytes = text->len - said.body_at;
    }
    *out = said;
    return true;
}

/* Names this version does not know may come from a newer vocabulary and are shown; a known name must hold its kind. */
static bool fields_fit(const struct noun *noun, enum field_kind kind,
                       const struct body_field *fields, size_t count)
{
    for (size_t i = 0; noun && i < count; i++) {
        const struct field *field = noun_field(noun, fields[i].name);
        if (field && (field->kind != kind || !field_check(field, &fields[i].value, NULL)))
            return false;
    }
    return true;
}

/* The fields of one map of a body; a body that does not fit shows none. Needs the text to stay where it is. */
static size_t said_fields(const struct item_view *view, const struct said *said, size_t ordinal,
                          enum field_kind kind, struct body_field *out)
{
    size_t count = 0;
    if (!said->has_body) return 0;
    span body = span_of(view->text.at + said->body_at, said->body_bytes);
    if (!body_read(body, ordinal, out, &count, NULL) || !fields_fit(view->noun, kind, out, count))
        return 0;
    return count;
}

/* ---- offers ---- */

/*
 * The agreed revision and what it was built on: offers on either are shown, so that the agreed one itself and those it
 * overtook stand beside the next ones. Before any agreement both are the start.
 */
static bool find_bases(struct fold *fold, const struct item_row *row, struct hash bases[2],
                       size_t *ordinal, struct err *e)
{
    bases[0] = bases[1] = (struct hash){0};
    *ordinal = 0;
    if (!row->has_revision) return true;
    OWNED_ROWS rows = {0};
    enum found found = query_first(
        &rows, fold->store, QUERY_change_of_item, e,
        BINDS(rel(fold), bind_blob(hash_span(&row->revision)), bind_blob(hash_span(&row->item))));
    if (found != FOUND)
        return found == ABSENT && err_set(e, ERR_CORRUPT, "an agreed revision is not in the table");
    bases[0] = row->revision;
    *ordinal = (size_t)rows_number(&rows, 0);
    return rows_fixed(&rows, 1, bases[1].bytes, sizeof bases[1].bytes, e);
}

/* Of each party the newest few on each base, so that nobody crowds out the others' offers, and whatever was agreed. */
static bool candidates_find(struct fold *fold, const struct hash *item, const struct hash bases[2],
                            struct candidate *out, size_t *count, struct err *e)
{
    unsigned share = OFFERS_MAX / (2 * fold->party_count), shown[2][PARTIES_MAX] = {{0}};
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, fold->store, QUERY_offers, e,
                   BINDS(rel(fold), bind_blob(hash_span(item)), bind_blob(hash_span(&bases[0])),
                         bind_blob(hash_span(&bases[1])))))
        return false;
    *count = 0;
    while (*count < CANDIDATES_MAX && (found = rows_next(&rows, e)) == FOUND) {
        struct candidate c = {.ordinal = (size_t)rows_number(&rows, 1),
                              .party = (unsigned)rows_number(&rows, 3)};
        if (!rows_fixed(&rows, 0, c.proposal.bytes, sizeof c.proposal.bytes, e) ||
            !rows_fixed(&rows, 2, c.base.bytes, sizeof c.base.bytes, e))
            return false;
        if (c.party >= PARTIES_MAX)
            return err_set(e, ERR_CORRUPT, "a proposal is of party %u", c.party);
        unsigned *of_party = &shown[hash_equal(&c.base, &bases[0]) ? 0 : 1][c.party];
        if (++*of_party <= share || !rows_is_null(&rows, 4)) out[(*count)++] = c;
    }
    return found != FOUND_FAILED;
}

static int by_time(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->said.time_ms != right->said.time_ms)
        return left->said.time_ms < right->said.time_ms ? -1 : 1;
    return span_compare(hash_span(&left->proposal), hash_span(&right->proposal));
}

static bool rivals_on(struct fold *fold, const struct change *on, unsigned party,
                      struct hash *rivals, size_t *count, struct err *e)
{
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, fold->store, QUERY_spoken_rivals, e,
                   BINDS(rel(fold), bind_blob(hash_span(&on->item)),
                         bind_blob(hash_span(&on->base)), bind_number(party))))
        return false;
    while (*count < RIVALS_MAX && (found = rows_next(&rows, e)) == FOUND)
        if (!rows_fixed(&rows, 0, rivals[(*count)++].bytes, sizeof rivals[0].bytes, e))
            return false;
    return found != FOUND_FAILED;
}

/* How it stands. Once its proposer has left it, it may have crossed a rival on which the proposer has spoken. */
static bool offer_stand(struct fold *fold, struct offer *offer, struct err *e)
{
    struct facts facts = fold_facts(fold);
    struct hash rivals[RIVALS_MAX];
    struct proposal proposal;
    struct word word = {0};
    size_t count = 0;
    enum found found = facts.word(facts.self, &offer->proposal, offer->party, &word, e);
    if (found == FOUND && word.left != POSITION_NONE) {
        found = facts.proposal(facts.self, &offer->proposal, &proposal, e);
        for (size_t i = 0; found == FOUND && i < proposal.change_count; i++)
            if (!rivals_on(fold, &proposal.changes[i], offer->party, rivals, &count, e))
                return false;
    }
    if (found == FOUND_FAILED) return false;
    return agreement_standing(&facts, &offer->proposal, rivals, count, fold->our_party,
                              &offer->standing, e);
}

static bool offers_show(struct fold *fold, struct item_view *view,
                        const struct candidate *candidates, size_t count, struct err *e)
{
    if (count == 0) return true;
    view->offers = calloc(count, sizeof *view->offers);
    if (!view->offers) return err_memory(e);
    for (size_t i = 0; i < count; i++) {
        const struct candidate *c = &candidates[i];
        struct offer *offer = &view->offers[view->offer_count++];
        offer->proposal = c->proposal;
        offer->party = c->party;
        offer->time_ms = c->said.time_ms;
        memcpy(offer->person, c->said.person, sizeof offer->person);
        offer->from_start = hash_is_zero(&c->base);
        offer->base = c->base;
        offer->field_count = said_fields(view, &c->said, c->ordinal, FIELD_TERM, offer->fields);
        if (!offer_stand(fold, offer, e)) return false;
    }
    return true;
}

/* Nothing is agreed: the item stands as its furthest offer does. */
static enum standing furthest(const struct item_view *view)
{
    static const enum standing ranked[] = {
        STANDING_RECEIPT_AWAITED, STANDING_OFFERED,   STANDING_CROSSED,   STANDING_TAKEN_BACK,
        STANDING_DECLINED,        STANDING_WITHDRAWN, STANDING_OVERTAKEN,
    };
    for (size_t r = 0; r < sizeof ranked / sizeof ranked[0]; r++)
        for (size_t i = 0; i < view->offer_count; i++)
            if (view->offers[i].standing == ranked[r]) return ranked[r];
    return STANDING_OFFERED;
}

/* ---- one item ---- */

static bool statement_words_load(struct fold *fold, struct item_view *view, struct err *e)
{
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, fold->store, QUERY_statement_words, e,
                   BINDS(rel(fold), bind_blob(hash_span(&view->statement)))))
        return false;
    while ((found = rows_next(&rows, e)) == FOUND) {
        int64_t party = rows_number(&rows, 0), word = rows_number(&rows, 1);
        if (party < 0 || party >= PARTIES_MAX || word < STATEMENT_ACKNOWLEDGED ||
            word > STATEMENT_NO_WORD)
            return err_set(e, ERR_CORRUPT, "a word on a statement is damaged");
        view->statement_words[party] = (enum statement_word)word;
    }
    return found == ABSENT;
}

static bool statement_load(struct fold *fold, struct item_view *view, struct said *said,
                           struct err *e)
{
    struct facts facts = fold_facts(fold);
    struct statement statement = {0};
    enum found found = facts.statement(facts.self, &view->statement, &statement, e);
    if (found != FOUND)
        return found == ABSENT &&
               err_set(e, ERR_CORRUPT, "an item's statement is not in the table");
    if (!said_load(fold, &view->statement, &view->text, said, e)) return false;
    view->statement_party = statement.party;
    view->statement_ms = said->time_ms;
    return statement_words_load(fold, view, e);
}

static void view_start(const struct fold *fold, const struct item_row *row, struct item_view *view)
{
    *view = (struct item_view){.relationship = fold->id,
                               .item = row->item,
                               .party = row->party,
                               .has_terms = row->has_revision,
                               .revision = row->revision,
                               .has_statement = row->has_statement,
                               .statement = row->statement};
    (void)snprintf(view->ref, sizeof view->ref, "%s-%" PRIu64, fold->codes[row->party],
                   row->number);
    memcpy(view->noun_text, row->noun, sizeof view->noun_text);
    view->noun = vocabulary_find(span_text(row->noun));
    view->needs_newer = row->needs_newer || !view->noun;
}

struct filling {
    struct fold *fold;
    const struct item_row *row;
    struct item_view *view;
};

static bool fill(void *self, struct err *e)
{
    const struct filling *f = self;
    struct fold *fold = f->fold;
    const struct item_row *row = f->row;
    struct item_view *view = f->view;
    struct candidate candidates[CANDIDATES_MAX];
    struct said terms = {0}, progress = {0};
    struct hash bases[2];
    size_t count = 0, ordinal = 0;
    view_start(fold, row, view);
    if (fold->party_count < PARTIES_MIN || fold->our_party >= fold->party_count)
        return err_set(e, ERR_CORRUPT, "there are items, and %u parties", fold->party_count);
    if (!find_bases(fold, row, bases, &ordinal, e) ||
        !candidates_find(fold, &row->item, bases, candidates, &count, e))
        return false;
    if (row->has_revision && !said_load(fold, &row->revision, &view->text, &terms, e)) return false;
    if (row->has_statement && !statement_load(fold, view, &progress, e)) return false;
    for (size_t i = 0; i < count; i++)
        if (!said_load(fold, &candidates[i].proposal, &view->text, &candidates[i].said, e))
            return false;
    /* From here on the text stays where it is. */
    if (count > 1) qsort(candidates, count, sizeof candidates[0], by_time);
    view->term_count = said_fields(view, &terms, ordinal, FIELD_TERM, view->terms);
    view->progress_count = said_fields(view, &progress, 0, FIELD_STATEMENT, view->progress);
    if (!offers_show(fold, view, candidates, count, e)) return false;
    view->standing = view->has_terms ? STANDING_AGREED : furthest(view);
    view->is_statement = view->noun
                             ? !view->noun->is_proposed
                             : view->has_statement && !view->has_terms && view->offer_count == 0;
    return true;
}

/* Fills a view, which the caller wipes whether this succeeds or not. */
static bool view_fill(struct fold *fold, const struct item_row *row, struct item_view *view,
                      struct err *e)
{
    struct filling filling = {fold, row, view};
    return store_snapshot(fold->store, fill, &filling, e);
}

void item_view_wipe(struct item_view *view)
{
    if (!view) return;
    free(view->offers);
    buffer_wipe(&view->text);
    *view = (struct item_view){0};
}

bool item_load(struct store *store, const struct relationship_id *id, const struct hash *item,
               struct item_view *out, struct err *e)
{
    OWNED(fold_free) struct fold *fold = NULL;
    struct item_view view = {0};
    struct item_row row;
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, QUERY_item, e,
                        BINDS(bind_blob(relationship_span(id)), bind_blob(hash_span(item))))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "that item is not here");
    case FOUND: break;
    }
    if (!row_read(&rows, &row, e)) return false;
    rows_close(&rows);
    if (!fold_load(&fold, store, id, e)) return false;
    if (!view_fill(fold, &row, &view, e)) {
        item_view_wipe(&view);
        return false;
    }
    *out = view;
    return true;
}

/* ---- all items ---- */

/* The items after (party, number), in one piece: no statement stays open while `each` runs. */
static bool page_load(struct fold *fold, int64_t party, uint64_t number, struct item_row *page,
                      size_t *count, struct err *e)
{
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, fold->store, QUERY_items_after, e,
                   BINDS(rel(fold), bind_number(party), bind_u64(number))))
        return false;
    *count = 0;
    while (*count < PAGE_ITEMS && (found = rows_next(&rows, e)) == FOUND)
        if (!row_read(&rows, &page[(*count)++], e)) return false;
    return found != FOUND_FAILED;
}

bool items_each(struct store *store, const struct relationship_id *id, const char *noun,
                bool (*each)(void *self, struct item_view *view), void *self, struct err *e)
{
    OWNED(fold_free) struct fold *fold = NULL;
    struct item_row page[PAGE_ITEMS];
    size_t count = PAGE_ITEMS;
    int64_t party = -1;
    uint64_t number = 0;
    bool goes_on = true;
    if (!fold_load(&fold, store, id, e)) return false;
    while (goes_on && count == PAGE_ITEMS) {
        if (!page_load(fold, party, number, page, &count, e)) return false;
        for (size_t i = 0; i < count && goes_on; i++) {
            struct item_view view = {0};
            party = page[i].party;
            number = page[i].number;
            if (noun && strcmp(noun, page[i].noun) != 0) continue;
            bool is_filled = view_fill(fold, &page[i], &view, e);
            if (is_filled) goes_on = each(self, &view);
            item_view_wipe(&view);
            if (!is_filled) return false;
        }
    }
    return true;
}

/* ---- what waits for our word ---- */

static bool waiting_read(const struct rows *rows, struct waiting *out, struct err *e)
{
    int64_t need = rows_number(rows, 0);
    char code[CODE_BYTES_MAX + 1];
    struct waiting w = {.party = (unsigned)rows_number(rows, 3), .time_ms = rows_number(rows, 4)};
    if (need < NEED_WORD_ON_OFFER || need > NEED_ANSWER_TO_DISPUTE)
        return err_set(e, ERR_CORRUPT, "the inbox holds a need of kind %" PRId64, need);
    w.need = (enum need)need;
    (void)snprintf(w.ref, sizeof w.ref, "%s-%" PRId64,
                   span_show(rows_bytes(rows, 5), code, sizeof code), rows_number(rows, 6));
    (void)span_show(rows_bytes(rows, 7), w.noun, sizeof w.noun);
    if (!rows_fixed(rows, 1, w.entry.bytes, sizeof w.entry.bytes, e)) return false;
    if (!rows_fixed(rows, 2, w.item.bytes, sizeof w.item.bytes, e)) return false;
    *out = w;
    return true;
}

bool inbox_each(struct store *store, const struct relationship_id *id,
                bool (*each)(void *self, const struct waiting *w), void *self, struct err *e)
{
    OWNED_BUFFER inbox = {0}; /* copied first, so that `each` may read and write what it likes */
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, store, QUERY_waiting, e, BINDS(bind_blob(relationship_span(id)))))
        return false;
    while ((found = rows_next(&rows, e)) == FOUND) {
        struct waiting w;
        if (!waiting_read(&rows, &w, e) || !buffer_put(&inbox, span_of(&w, sizeof w), e))
            return false;
    }
    rows_close(&rows);
    span left = buffer_span(&inbox), one = {0};
    while (found == ABSENT && span_take(&left, sizeof(struct waiting), &one)) {
        struct waiting w;
        memcpy(&w, one.at, sizeof w);
        if (!each(self, &w)) break;
    }
    return found == ABSENT;
}

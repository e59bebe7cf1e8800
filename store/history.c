/*
 * History: entries of all feeds in one causal order, by merging the feeds. Each feed is in order by itself; an entry
 * comes after everything its front names, and entries that know nothing of each other by claimed time.
 */
#include "store/fold.h"

#include <stdlib.h>
#include <string.h>

/* One feed and its next line. */
struct stream {
    struct feed feed;
    bool has_line; /* false: nothing more of this feed */
    struct history_line line;
    struct buffer body;        /* what the line's fields point into */
    uint64_t needs[FEEDS_MAX]; /* entries of each other stream's feed that come before the line */
};

struct history {
    struct store *store;
    const struct relationship_id *id;
    const struct hash *item; /* NULL: all of the relationship */
    size_t count;
    struct stream *streams[FEEDS_MAX];
    bool is_out_of_memory;
    unsigned created_feed;  /* where the item was created ... */
    uint64_t created_index; /* ... or UINT64_MAX */
    struct buffer
        seals; /* of struct place: the entries that brought an agreement into force, sorted */
};

struct place {
    uint64_t party, position;
};

static struct bind rel(const struct history *h) { return bind_blob(relationship_span(h->id)); }

static void history_wipe(struct history *history)
{
    buffer_wipe(&history->seals);
    for (size_t i = 0; i < history->count; i++) {
        buffer_wipe(&history->streams[i]->body);
        free(history->streams[i]);
    }
    history->count = 0;
}

/* Which stream is branch 0 of a log key; `count` when none is. */
static size_t stream_of(const struct history *history, const struct key_public *log_key)
{
    size_t n = 0;
    while (n < history->count && !(history->streams[n]->feed.branch == 0 &&
                                   key_public_equal(&history->streams[n]->feed.log_key, log_key)))
        n++;
    return n;
}

/* ---- one line ---- */

static enum found effect_on(const struct history *history, const struct stream *s,
                            const struct hash *item, enum effect *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, history->store, QUERY_entry_effect, e,
                                   BINDS(rel(history), bind_blob(hash_span(item)),
                                         bind_number(s->feed.feed), bind_u64(s->line.index)));
    if (found != FOUND) return found;
    int64_t effect = rows_number(&rows, 0);
    if (effect < EFFECT_FULL || effect > EFFECT_NOT_COUNTERSIGNED) {
        (void)err_set(e, ERR_CORRUPT, "an entry's effect is damaged");
        return FOUND_FAILED;
    }
    *out = (enum effect)effect;
    return FOUND;
}

/*
 * An entry has the same effect on all it touches: what it names, else what it refers to, else the
 * relationship itself.
 */
static bool find_effect(const struct history *history, struct stream *s, const struct header *h,
                        struct err *e)
{
    struct hash touched = {0};
    enum found found = FOUND;
    if (history->item)
        return effect_on(history, s, history->item, &s->line.effect, e) != FOUND_FAILED;
    if (h->item_count > 0) touched = header_item(h, &s->line.entry, 0);
    else if (h->has_ref) {
        OWNED_ROWS rows = {0};
        found = query_first(&rows, history->store, QUERY_items_of, e,
                            BINDS(rel(history), bind_blob(hash_span(&h->ref))));
        if (found == FOUND && !rows_fixed(&rows, 0, touched.bytes, sizeof touched.bytes, e))
            return false;
        if (found == FOUND_FAILED) return false;
    }
    found = effect_on(history, s, &touched, &s->line.effect, e);
    if (found == ABSENT && !hash_is_zero(&touched)) {
        touched = (struct hash){0};
        found = effect_on(history, s, &touched, &s->line.effect, e);
    }
    return found != FOUND_FAILED;
}

/* What comes before the line: what the feed's folded entries had named by then, and what a waiting one names itself. */
static bool find_needs(const struct history *history, struct stream *s, const struct header *h,
                       struct err *e)
{
    memset(s->needs, 0, sizeof s->needs);
    for (size_t n = 0; n < history->count; n++) {
        if (history->streams[n] == s) continue;
        OWNED_ROWS rows = {0};
        enum found found = query_first(&rows, history->store, QUERY_front_latest, e,
                                       BINDS(rel(history), bind_number(s->feed.feed),
                                             bind_number(history->streams[n]->feed.feed),
                                             bind_u64(s->line.index + 1)));
        if (found == FOUND_FAILED) return false;
        if (found == FOUND) s->needs[n] = (uint64_t)rows_number(&rows, 0);
    }
    size_t main = stream_of(history, &s->feed.log_key);
    if (s->feed.branch != 0 && main < history->count) s->needs[main] = s->feed.branch_from;
    for (size_t i = 0; s->line.is_waiting && i < h->front_count; i++) {
        size_t n = stream_of(history, &h->front[i].log_key);
        if (n < history->count && s->needs[n] < h->front[i].size) s->needs[n] = h->front[i].size;
    }
    return true;
}

static size_t map_of(const struct history *history, const struct header *h,
                     const struct hash *entry)
{
    for (size_t i = 0; history->item && i < h->item_count; i++) {
        struct hash item = header_item(h, entry, i);
        if (hash_equal(&item, history->item)) return i;
    }
    return 0;
}

static void line_show(const struct history *history, struct stream *s, const struct header *h)
{
    struct history_line *line = &s->line;
    line->time_ms = (int64_t)h->time_ms;
    (void)span_show(h->person, line->person, sizeof line->person);
    (void)span_show(h->role, line->role, sizeof line->role);
    (void)span_show(h->verb_text, line->verb, sizeof line->verb);
    (void)span_show(h->noun, line->noun, sizeof line->noun);
    line->has_ref = h->has_ref;
    line->ref = h->ref;
    line->field_count = 0;
    if (s->body.len == 0) return;
    if (!body_read(buffer_span(&s->body), map_of(history, h, &line->entry), line->fields,
                   &line->field_count, NULL))
        line->field_count = 0;
}

static int by_place(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    if (left->party != right->party) return left->party < right->party ? -1 : 1;
    return left->position < right->position ? -1 : left->position > right->position;
}

static bool seals_load(struct history *history, struct err *e)
{
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    if (!(history->item
              ? rows_open(&rows, history->store, QUERY_revisions_of_item, e,
                          BINDS(rel(history), bind_blob(hash_span(history->item))))
              : rows_open(&rows, history->store, QUERY_revisions, e, BINDS(rel(history)))))
        return false;
    while ((found = rows_next(&rows, e)) == FOUND) {
        struct place place = {(uint64_t)rows_number(&rows, 0), (uint64_t)rows_number(&rows, 1)};
        if (!buffer_put(&history->seals, span_of(&place, sizeof place), e)) return false;
    }
    if (history->seals.len > 0)
        qsort(history->seals.at, history->seals.len / sizeof(struct place), sizeof(struct place),
              by_place);
    return found == ABSENT;
}

static bool sealed_something(const struct history *history, const struct stream *s)
{
    const struct place place = {s->feed.party, fold_position(&s->feed, s->line.index)};
    if (s->feed.branch != 0 || history->seals.len == 0) return false;
    return bsearch(&place, history->seals.at, history->seals.len / sizeof place, sizeof place,
                   by_place) != NULL;
}

/* The next entry of the feed that belongs in the history: any, or one that created or mentions the item. */
static bool find_next(const struct history *history, const struct stream *s, uint64_t *index,
                      struct err *e)
{
    uint64_t from = *index;
    if (!history->item) return true;
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, history->store, QUERY_mention_from, e,
                                   BINDS(rel(history), bind_blob(hash_span(history->item)),
                                         bind_number(s->feed.feed), bind_u64(from)));
    *index = found == FOUND ? (uint64_t)rows_number(&rows, 0) : INT64_MAX;
    if (s->feed.feed == history->created_feed && history->created_index >= from &&
        history->created_index < *index)
        *index = history->created_index;
    return found != FOUND_FAILED;
}

/* The next entry of the feed from `from` on, copied: nothing stays open while the caller looks at it. */
static bool stream_next(const struct history *history, struct stream *s, uint64_t from,
                        struct err *e)
{
    struct header h = {0};
    uint8_t header[HEADER_BYTES_MAX];
    OWNED_ROWS rows = {0};
    span held = {0};
    uint64_t index = from;
    if (!find_next(history, s, &index, e)) return false;
    enum found found = query_first(&rows, history->store, QUERY_entry_whole, e,
                                   BINDS(rel(history), bind_number(s->feed.feed), bind_u64(index)));
    s->has_line = found == FOUND;
    if (found != FOUND) return found == ABSENT;
    s->line = (struct history_line){.feed = s->feed.feed, .party = s->feed.party, .index = index};
    s->line.is_waiting = s->line.index >= s->feed.folded;
    s->body.len = 0;
    held = rows_bytes(&rows, 1);
    if (!rows_fixed(&rows, 0, s->line.entry.bytes, sizeof s->line.entry.bytes, e)) return false;
    if (held.len > sizeof header) return err_set(e, ERR_CORRUPT, "a header of %zu bytes", held.len);
    if (held.len) memcpy(header, held.at, held.len); /* the header's texts point into it */
    if (!rows_is_null(&rows, 2) && !buffer_put(&s->body, rows_bytes(&rows, 2), e)) return false;
    rows_close(&rows);
    if (!header_read(span_of(header, held.len), &h, NULL))
        h = (struct header){0}; /* its feed is frozen there */
    line_show(history, s, &h);
    if (!s->line.is_waiting && !find_effect(history, s, &h, e)) return false;
    s->line.sealed_something = !s->line.is_waiting && sealed_something(history, s);
    return find_needs(history, s, &h, e);
}

/* ---- all lines ---- */

static bool is_ready(const struct history *history, const struct stream *s)
{
    for (size_t n = 0; n < history->count; n++) {
        const struct stream *other = history->streams[n];
        if (other != s && other->has_line && other->line.index < s->needs[n]) return false;
    }
    return true;
}

static bool is_earlier(const struct stream *a, const struct stream *b)
{
    if (a->line.time_ms != b->line.time_ms) return a->line.time_ms < b->line.time_ms;
    return span_compare(key_public_span(&a->feed.log_key), key_public_span(&b->feed.log_key)) < 0;
}

/* Among the ready ones the earliest; entries that wait may name each other in a circle, then the earliest of all. */
static struct stream *choose(const struct history *history)
{
    struct stream *ready = NULL, *any = NULL;
    for (size_t n = 0; n < history->count; n++) {
        struct stream *s = history->streams[n];
        if (!s->has_line) continue;
        if (!any || is_earlier(s, any)) any = s;
        if (is_ready(history, s) && (!ready || is_earlier(s, ready))) ready = s;
    }
    return ready ? ready : any;
}

static bool find_creation(struct history *history, struct err *e)
{
    OWNED_ROWS rows = {0};
    if (!history->item) return true;
    enum found found = query_first(&rows, history->store, QUERY_item_created, e,
                                   BINDS(rel(history), bind_blob(hash_span(history->item))));
    if (found != FOUND) return found == ABSENT;
    history->created_feed = (unsigned)rows_number(&rows, 0);
    history->created_index =
        (uint64_t)rows_number(&rows, 1) & ((UINT64_C(1) << POSITION_ORDINAL_SHIFT) - 1);
    return true;
}

static bool add_stream(void *self, const struct feed *feed)
{
    struct history *history = self;
    if (history->count == FEEDS_MAX) return true;
    struct stream *s = calloc(1, sizeof *s);
    history->is_out_of_memory = !s;
    if (!s) return false;
    s->feed = *feed;
    history->streams[history->count++] = s;
    return true;
}

static bool merge(struct history *history,
                  bool (*each)(void *self, const struct history_line *line), void *self,
                  struct err *e)
{
    for (size_t n = 0; n < history->count; n++)
        if (!stream_next(history, history->streams[n], history->streams[n]->feed.branch_from, e))
            return false;
    for (;;) {
        struct stream *s = choose(history);
        if (!s || !each(self, &s->line)) return true;
        if (!stream_next(history, s, s->line.index + 1, e)) return false;
    }
}

bool history_each(struct store *store, const struct relationship_id *id, const struct hash *item,
                  bool (*each)(void *self, const struct history_line *line), void *self,
                  struct err *e)
{
    __attribute__((cleanup(history_wipe))) struct history history = {
        .store = store, .id = id, .item = item, .created_index = UINT64_MAX};
    if (!seals_load(&history, e) || !find_creation(&history, e)) return false;
    if (!feeds_each(store, id, add_stream, &history, e)) return false;
    return history.is_out_of_memory ? err_memory(e) : merge(&history, each, self, e);
}

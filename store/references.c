/*
 * What a person typed to name something: CODE-n, or the first digits of an id.
 */
#include "store/database.h"
#include "store/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MIN 4         /* fewer would often name several things */
#define NUMBER_DIGITS_MAX 18 /* fits an int64_t */
#define FOUND_MAX 3          /* named when it could be several; more help nobody */
#define REFS_MAX 8           /* from entry to entry: a comment on an acceptance of a proposal is 2 */
#define SHOWN_DIGITS 12

struct typed {
    char shown[48]; /* what was typed, for sentences */
    bool is_code;
    char code[CODE_BYTES_MAX + 1];
    int64_t number;
    struct hash low, high; /* every id that begins so lies between */
};

struct search {
    struct store *store;
    const struct typed *typed;
    size_t found_count;
    struct reference found[FOUND_MAX];
    struct err *e;
    bool is_fine;
};

/* ---- what was typed ---- */

static bool is_blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static span trimmed(span text)
{
    span drop = {0};
    while (text.len && is_blank(text.at[0])) (void)!span_take(&text, 1, &drop);
    while (text.len && is_blank(text.at[text.len - 1])) text.len--;
    return text;
}

static bool code_typed(span text, struct typed *out)
{
    span code = {0};
    if (!span_take_until(&text, '-', &code) || !span_to_text(code, out->code, sizeof out->code))
        return false;
    for (char *c = out->code; *c; c++)
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
    if (!code_is_valid(span_text(out->code))) return false;
    if (text.len == 0 || text.len > NUMBER_DIGITS_MAX || text.at[0] == '0') return false;
    out->number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') return false;
        out->number = 10 * out->number + (text.at[i] - '0');
    }
    out->is_code = true;
    return true;
}

static bool digit_value(uint8_t c, uint8_t *out)
{
    if (c >= '0' && c <= '9') *out = (uint8_t)(c - '0');
    else if (c >= 'a' && c <= 'f') *out = (uint8_t)(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F') *out = (uint8_t)(c - 'A' + 10);
    else return false;
    return true;
}

static bool digits_typed(span text, struct typed *out)
{
    if (text.len < DIGITS_MIN || text.len > 2 * sizeof out->low.bytes) return false;
    memset(out->low.bytes, 0, sizeof out->low.bytes);
    memset(out->high.bytes, 0xff, sizeof out->high.bytes);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t value = 0;
        unsigned shift = i % 2 ? 0 : 4;
        if (!digit_value(text.at[i], &value)) return false;
        out->low.bytes[i / 2] |= (uint8_t)(value << shift);
        out->high.bytes[i / 2] &= (uint8_t) ~((0xfu ^ value) << shift);
    }
    return true;
}

static bool typed_read(span text, struct typed *out, struct err *e)
{
    *out = (struct typed){0};
    text = trimmed(text);
    (void)span_show(text, out->shown, sizeof out->shown);
    if (code_typed(text, out) || digits_typed(text, out)) return true;
    (void)err_set(e, ERR_MISSING, "'%s' names nothing", out->shown);
    return err_next(e,
                    "give a reference such as ACME-12, or the first %d or more hex digits of an id",
                    DIGITS_MIN);
}

/* ---- looking ---- */

static void search_add(struct search *s, const struct reference *reference)
{
    if (s->found_count < FOUND_MAX) s->found[s->found_count++] = *reference;
}

static bool find_code(struct search *s, const struct relationship_id *id, struct err *e)
{
    struct reference r = {.relationship = *id};
    OWNED_ROWS rows = {0};
    enum found found =
        query_first(&rows, s->store, QUERY_item_by_reference, e,
                    BINDS(bind_blob(relationship_span(id)), bind_text(span_text(s->typed->code)),
                          bind_number(s->typed->number)));
    if (found != FOUND) return found == ABSENT;
    if (!rows_fixed(&rows, 0, r.item.bytes, sizeof r.item.bytes, e) ||
        !rows_fixed(&rows, 1, r.entry.bytes, sizeof r.entry.bytes, e))
        return false;
    search_add(s, &r);
    return true;
}

static enum found first_hash(struct store *store, enum query query,
                             const struct relationship_id *id, const struct hash *of,
                             struct hash *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(
        &rows, store, query, e, BINDS(bind_blob(relationship_span(id)), bind_blob(hash_span(of))));
    if (found == FOUND && !rows_fixed(&rows, 0, out->bytes, sizeof out->bytes, e))
        return FOUND_FAILED;
    return found;
}

/* The entry that `entry` is about. */
static enum found ref_of(struct store *store, const struct relationship_id *id,
                         const struct hash *entry, struct hash *out, struct err *e)
{
    struct header h;
    OWNED_ROWS rows = {0};
    enum found found =
        query_first(&rows, store, QUERY_entry_body, e,
                    BINDS(bind_blob(relationship_span(id)), bind_blob(hash_span(entry))));
    if (found != FOUND) return found;
    if (!header_read(rows_bytes(&rows, 1), &h, NULL) || !h.has_ref) return ABSENT;
    *out = h.ref;
    return FOUND;
}

/* The item an entry concerns: its own, or that of what it is about; zero when there is none. */
static bool item_of(struct store *store, const struct relationship_id *id, const struct hash *entry,
                    struct hash *out, struct err *e)
{
    struct hash at = *entry;
    *out = (struct hash){0};
    for (size_t i = 0; i < REFS_MAX; i++) {
        enum found found = first_hash(store, QUERY_items_of, id, &at, out, e);
        if (found != ABSENT) return found == FOUND;
        found = ref_of(store, id, &at, &at, e);
        if (found != FOUND) return found == ABSENT;
    }
    return true;
}

/* `named` is an entry's id or, for the second and later items of one entry, an item's. */
static bool resolve(struct search *s, const struct relationship_id *id, const struct hash *named,
                    struct err *e)
{
    struct reference r = {.relationship = *id, .entry = *named, .is_entry = true};
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    found = query_first(&rows, s->store, QUERY_entry_by_id, e,
                        BINDS(bind_blob(relationship_span(id)), bind_blob(hash_span(named))));
    rows_close(&rows);
    if (found == FOUND_FAILED) return false;
    if (found == FOUND && !item_of(s->store, id, named, &r.item, e)) return false;
    if (found == ABSENT) {
        r.is_entry = false;
        r.item = *named;
        found = first_hash(s->store, QUERY_item_entry, id, named, &r.entry, e);
        if (found != FOUND) return found == ABSENT;
    }
    search_add(s, &r);
    return true;
}

static bool find_digits(struct search *s, const struct relationship_id *id, struct err *e)
{
    struct hash ids[FOUND_MAX];
    size_t count = 0;
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, s->store, QUERY_ids_like, e,
                   BINDS(bind_blob(relationship_span(id)), bind_blob(hash_span(&s->typed->low)),
                         bind_blob(hash_span(&s->typed->high)))))
        return false;
    while (count < FOUND_MAX && (found = rows_next(&rows, e)) == FOUND)
        if (!rows_fixed(&rows, 0, ids[count++].bytes, sizeof ids[0].bytes, e)) return false;
    rows_close(&rows);
    for (size_t i = 0; i < count && found != FOUND_FAILED; i++)
        if (!resolve(s, id, &ids[i], e)) return false;
    return found != FOUND_FAILED;
}

static bool search_one(void *self, const struct relationship_id *id)
{
    struct search *s = self;
    s->is_fine = s->typed->is_code ? find_code(s, id, s->e) : find_digits(s, id, s->e);
    return s->is_fine && s->found_count < FOUND_MAX;
}

/* ---- what was found ---- */

/* "BOLT plan" for a reference that several relationships have, "3fa1b2c3d4e5 (ACME-12)" for an id. */
static bool candidate_show(struct search *s, const struct reference *r, struct sink *out,
                           struct err *e)
{
    char text[TITLE_BYTES_MAX + 1], digits[2 * sizeof r->entry.bytes + 1];
    const struct hash *named = r->is_entry ? &r->entry : &r->item;
    OWNED_ROWS rows = {0};
    bool is_code = s->typed->is_code;
    enum found found = is_code ? query_first(&rows, s->store, QUERY_relationship, e,
                                             BINDS(bind_blob(relationship_span(&r->relationship))))
                               : query_first(&rows, s->store, QUERY_item_shown, e,
                                             BINDS(bind_blob(relationship_span(&r->relationship)),
                                                   bind_blob(hash_span(&r->item))));
    if (found == FOUND_FAILED) return false;
    if (!is_code) {
        (void)hex_write(hash_span(named), digits, sizeof digits);
        digits[SHOWN_DIGITS] = '\0';
        sink_text(out, digits);
    }
    if (found == ABSENT) return true;
    sink_text(out, is_code ? "'" : " (");
    sink_text(out, span_show(rows_bytes(&rows, 0), text, is_code ? 40 : sizeof text));
    if (!is_code) {
        sink_text(out, "-");
        sink_decimal(out, (uint64_t)rows_number(&rows, 1));
    }
    sink_text(out, is_code ? "'" : ")");
    return true;
}

static bool ambiguous(struct search *s, struct err *e)
{
    char list[160] = {0};
    struct sink out = sink_over(list, sizeof list - 1);
    for (size_t i = 0; i < s->found_count; i++) {
        if (i) sink_text(&out, i + 1 == s->found_count ? " and " : ", ");
        if (!candidate_show(s, &s->found[i], &out, e)) return false;
    }
    if (s->typed->is_code) {
        (void)err_set(e, ERR_CONFLICT, "%s is in several relationships: %s", s->typed->shown, list);
        return err_next(e, "say which one with -r");
    }
    (void)err_set(e, ERR_CONFLICT, "several ids begin with %s: %s", s->typed->shown, list);
    return err_next(e, "give more of its digits");
}

static bool nothing_found(const struct typed *typed, bool is_one_relationship, struct err *e)
{
    const char *where = is_one_relationship ? "in that relationship" : "in any relationship";
    if (typed->is_code) {
        (void)err_set(e, ERR_MISSING, "there is no %s-%" PRId64 " %s", typed->code, typed->number,
                      where);
        return err_next(
            e,
            "`counterpart list action` shows what there is; `counterpart sync` brings what is new");
    }
    (void)err_set(e, ERR_MISSING, "no item or entry begins with %s %s", typed->shown, where);
    return err_next(e, "`counterpart history` shows the ids of all entries");
}

bool reference_find(struct store *store, const struct relationship_id *id, span typed,
                    struct reference *out, struct err *e)
{
    struct typed what;
    if (!typed_read(typed, &what, e)) return false;
    struct search s = {.store = store, .typed = &what, .e = e, .is_fine = true};
    if (id) (void)search_one(&s, id);
    else if (!relationships_each(store, search_one, &s, e)) return false;
    if (!s.is_fine) return false;
    if (s.found_count == 0) return nothing_found(&what, id != NULL, e);
    if (s.found_count > 1) return ambiguous(&s, e);
    *out = s.found[0];
    return true;
}

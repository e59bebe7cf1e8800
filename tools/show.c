#include "tools/show.h"

#include "tools/moment.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* ------------------------------------------------------------ words */

span show_value(const struct value *value, char room[SHOW_VALUE_MAX])
{
    if (!value) return (span){0};
    if (value->is_text) return value->text;
    (void)snprintf(room, SHOW_VALUE_MAX, "%lld", (long long)value->number);
    return span_text(room);
}

const char *show_id(const struct hash *id, char out[SHOW_ID_DIGITS + 1])
{
    return hex_write(span_of(id->bytes, SHOW_ID_DIGITS / 2), out, SHOW_ID_DIGITS + 1);
}

const char *show_standing_words(enum standing standing)
{
    static const char *const words[] = {
        [STANDING_OFFERED] = "Offered",
        [STANDING_RECEIPT_AWAITED] = "Accepted – receipt awaited",
        [STANDING_AGREED] = "Agreed",
        [STANDING_DECLINED] = "Declined",
        [STANDING_WITHDRAWN] = "Withdrawn",
        [STANDING_CROSSED] = "Lapsed (crossed)",
        [STANDING_OVERTAKEN] = "Overtaken",
        [STANDING_TAKEN_BACK] = "Taken back",
    };
    must((size_t)standing < COUNT(words));
    return words[standing];
}

enum paint show_standing_paint(enum standing standing)
{
    if (standing == STANDING_AGREED) return PAINT_GOOD;
    if (standing == STANDING_OFFERED || standing == STANDING_RECEIPT_AWAITED) return PAINT_WAIT;
    return PAINT_FAINT;
}

const char *show_statement_word(enum statement_word word)
{
    static const char *const words[] = {
        "", [STATEMENT_ACKNOWLEDGED] = "acknowledged", [STATEMENT_DISPUTED] = "disputed",
        [STATEMENT_NO_WORD] = "dispute_withdrawn"};
    must((size_t)word < COUNT(words));
    return words[word];
}

/* Disputed as soon as one says so; acknowledged once one has and none disputes. */
static const char *statement_state(const struct item_view *view)
{
    const char *state = "stated";
    for (size_t i = 0; i < PARTIES_MAX; i++) {
        if (view->statement_words[i] == STATEMENT_DISPUTED) return "disputed";
        if (view->statement_words[i] == STATEMENT_ACKNOWLEDGED) state = "acknowledged";
    }
    return state;
}

const char *show_state(const struct item_view *view)
{
    return view->is_statement ? statement_state(view) : standing_word(view->standing);
}

const char *show_state_words(const struct item_view *view)
{
    if (!view->is_statement) return show_standing_words(view->standing);
    const char *state = statement_state(view);
    return state[0] == 's' ? "Stated" : state[0] == 'a' ? "Acknowledged" : "Disputed";
}

const char *show_choice(span choice, char *out, size_t cap)
{
    struct sink text = sink_over(out, cap - 1);
    for (size_t i = 0; i < choice.len; i++)
        sink_byte(&text, choice.at[i] == '_' ? ' ' : choice.at[i]);
    out[text.len] = '\0';
    return out;
}

/* ------------------------------------------------------------ for programs */

void show_fields_json(struct json *json, const char *name, const struct body_field *fields,
                      size_t count)
{
    json_start_object(json, name);
    for (size_t i = 0; i < count; i++) {
        char field[FIELD_NAME_BYTES_MAX + 1] = {0};
        if (!span_to_text(fields[i].name, field, sizeof field)) continue;
        if (fields[i].value.is_text) json_put_span(json, field, fields[i].value.text);
        else json_put_number(json, field, fields[i].value.number);
    }
    json_end(json);
}

static void offer_json(struct json *json, const struct offer *offer,
                       const struct relationship *relationship)
{
    char moment[MOMENT_TEXT_MAX] = {0};
    json_start_object(json, NULL);
    json_put_hex(json, "proposal", hash_span(&offer->proposal));
    json_put_text(json, "by", party_code(relationship, offer->party));
    json_put_text(json, "state", standing_word(offer->standing));
    show_fields_json(json, "terms", offer->fields, offer->field_count);
    if (offer->from_start) json_put_text(json, "base", "start");
    else json_put_hex(json, "base", hash_span(&offer->base));
    json_put_text(json, "time", moment_iso(offer->time_ms / 1000, moment, sizeof moment));
    json_put_text(json, "person", offer->person);
    json_end(json);
}

static void statement_json(struct json *json, const struct item_view *view,
                           const struct relationship *relationship)
{
    char moment[MOMENT_TEXT_MAX] = {0};
    json_start_object(json, "statement");
    json_put_hex(json, "id", hash_span(&view->statement));
    json_put_text(json, "by", party_code(relationship, view->statement_party));
    json_put_text(json, "time", moment_iso(view->statement_ms / 1000, moment, sizeof moment));
    json_put_text(json, "state", statement_state(view));
    json_start_array(json, "words");
    for (unsigned i = 0; i < relationship->party_count; i++) {
        if (!view->statement_words[i]) continue;
        json_start_object(json, NULL);
        json_put_text(json, "code", party_code(relationship, i));
        json_put_text(json, "word", show_statement_word(view->statement_words[i]));
        json_end(json);
    }
    json_end(json);
    json_end(json);
}

void show_item_json(struct json *json, const struct item_view *view,
                    const struct relationship *relationship)
{
    json_put_text(json, "ref", view->ref);
    json_put_hex(json, "id", hash_span(&view->item));
    json_put_text(json, "noun", view->noun_text);
    json_put_hex(json, "relationship", relationship_span(&view->relationship));
    json_put_text(json, "state", show_state(view));
    json_put_text(json, "by", party_code(relationship, view->party));
    if (view->has_terms) json_put_hex(json, "revision", hash_span(&view->revision));
    else json_put_null(json, "revision");
    if (view->needs_newer) json_put_bool(json, "needs_newer", true);
    show_fields_json(json, "terms", view->terms, view->term_count);
    show_fields_json(json, "progress", view->progress, view->progress_count);
    json_start_array(json, "offers");
    for (size_t i = 0; i < view->offer_count; i++) offer_json(json, &view->offers[i], relationship);
    json_end(json);
    if (view->has_statement) statement_json(json, view, relationship);
    else json_put_null(json, "statement");
}

/* ------------------------------------------------------------ for people */

const struct body_field *show_terms(const struct item_view *view, size_t *count)
{
    if (view->is_statement) {
        *count = view->progress_count;
        return view->progress;
    }
    for (size_t i = 0; !view->has_terms && i < view->offer_count; i++) {
        *count = view->offers[i].field_count;
        return view->offers[i].fields;
    }
    *count = view->term_count;
    return view->terms;
}

static bool is_long(span value)
{
    return value.len > 60 || (value.len && memchr(value.at, '\n', value.len));
}

static const struct field *field_at(const struct noun *noun, const struct body_field *field)
{
    return noun ? noun_field(noun, field->name) : NULL;
}

/* Fields of the vocabulary in its order, then those it does not know. */
static const struct body_field *next_field(const struct noun *noun, const struct body_field *fields,
                                           size_t count, size_t *at)
{
    size_t known = noun ? noun->field_count : 0;
    for (; *at < known; (*at)++)
        for (size_t i = 0; i < count; i++)
            if (span_equal(fields[i].name, span_text(noun->fields[*at].name))) {
                (*at)++;
                return &fields[i];
            }
    while (*at < known + count) {
        const struct body_field *field = &fields[*at - known];
        (*at)++;
        if (!field_at(noun, field)) return field;
    }
    return NULL;
}

static void put_value(struct table *table, const struct field *field, const struct value *value,
                      enum paint paint)
{
    char room[SHOW_VALUE_MAX] = {0}, words[80] = {0};
    span text = show_value(value, room);
    if (!value) table_put_text(table, "–", PAINT_FAINT);
    else if (field && field->type == FIELD_CHOICE)
        table_put_text(table, show_choice(text, words, sizeof words), paint);
    else table_put(table, text, paint);
}

bool show_fields(const struct noun *noun, const struct body_field *fields, size_t count,
                 struct err *e)
{
    OWNED(table_free) struct table *table = NULL;
    const struct body_field *field = NULL;
    if (!table_new(&table, NULL, 2, e)) return false;
    for (size_t at = 0; (field = next_field(noun, fields, count, &at));) {
        char room[SHOW_VALUE_MAX] = {0};
        const struct field *known = field_at(noun, field);
        if (is_long(show_value(&field->value, room))) continue;
        if (known) table_put_text(table, known->label, PAINT_FAINT);
        else table_put(table, field->name, PAINT_FAINT);
        put_value(table, known, &field->value, PAINT_PLAIN);
    }
    if (!table_print(table, "  ", true, e)) return false;
    for (size_t at = 0; (field = next_field(noun, fields, count, &at));) {
        char shown[FIELD_NAME_BYTES_MAX + 1] = {0};
        const struct field *known = field_at(noun, field);
        if (!field->value.is_text || !is_long(field->value.text)) continue;
        const char *label = known ? known->label : span_show(field->name, shown, sizeof shown);
        printf("  %s%s%s\n", terminal_paint(PAINT_FAINT), label, terminal_paint(PAINT_PLAIN));
        table_print_text(field->value.text, "    ");
    }
    return true;
}

static bool same_value(const struct value *a, const struct value *b)
{
    if (!a || !b) return a == b;
    if (a->is_text != b->is_text) return false;
    return a->is_text ? span_equal(a->text, b->text) : a->number == b->number;
}

/* `at` walks over the offer's fields, then over the agreed terms for those that the offer leaves out. */
bool show_next_difference(const struct item_view *view, const struct offer *offer, size_t *at,
                          struct difference *out)
{
    while (*at < offer->field_count + view->term_count) {
        bool is_offered = *at < offer->field_count;
        const struct body_field *field =
            is_offered ? &offer->fields[*at] : &view->terms[*at - offer->field_count];
        struct difference found = {.field = field_at(view->noun, field)};
        (*at)++;
        if (!span_to_text(field->name, found.name, sizeof found.name)) continue;
        found.agreed = body_find(view->terms, view->term_count, found.name);
        found.offered = body_find(offer->fields, offer->field_count, found.name);
        if (!is_offered && found.offered) continue; /* seen already */
        if (same_value(found.agreed, found.offered)) continue;
        *out = found;
        return true;
    }
    return false;
}

bool show_offer(const struct item_view *view, const struct offer *offer,
                const struct relationship *relationship, int64_t now_ms, struct err *e)
{
    static const char *const headings[] = {"", "Agreed", "Offered"};
    char id[SHOW_ID_DIGITS + 1] = {0}, moment[MOMENT_TEXT_MAX] = {0},
                             person[PERSON_BYTES_MAX + 1] = {0};
    OWNED(table_free) struct table *table = NULL;
    struct difference difference = {0};
    printf("Offer %s%s%s by %s, %s, %s: %s%s%s\n", terminal_paint(PAINT_STRONG),
           show_id(&offer->proposal, id), terminal_paint(PAINT_PLAIN),
           party_code(relationship, offer->party),
           span_show(span_text(offer->person), person, sizeof person),
           moment_local(offer->time_ms, now_ms, moment, sizeof moment),
           terminal_paint(show_standing_paint(offer->standing)),
           show_standing_words(offer->standing), terminal_paint(PAINT_PLAIN));
    if (offer->field_count == 0) {
        printf("  (its text is not here)\n");
        return true;
    }
    if (!view->has_terms) return show_fields(view->noun, offer->fields, offer->field_count, e);
    if (!table_new(&table, headings, COUNT(headings), e)) return false;
    for (size_t at = 0; show_next_difference(view, offer, &at, &difference);) {
        table_put_text(table, difference.field ? difference.field->label : difference.name,
                       PAINT_FAINT);
        put_value(table, difference.field, difference.agreed, PAINT_PLAIN);
        put_value(table, difference.field, difference.offered, PAINT_STRONG);
    }
    if (table_row_count(table) == 0) {
        printf("  the same as the agreed terms\n");
        return true;
    }
    return table_print(table, "  ", true, e);
}

static void show_statement_line(const struct item_view *view,
                                const struct relationship *relationship, int64_t now_ms)
{
    char moment[MOMENT_TEXT_MAX] = {0}, id[SHOW_ID_DIGITS + 1] = {0};
    printf("Stated by %s, %s (%s)", party_code(relationship, view->statement_party),
           moment_local(view->statement_ms, now_ms, moment, sizeof moment),
           show_id(&view->statement, id));
    for (unsigned i = 0; i < relationship->party_count; i++) {
        enum statement_word word = view->statement_words[i];
        if (word == STATEMENT_ACKNOWLEDGED)
            printf(", acknowledged by %s", party_code(relationship, i));
        if (word == STATEMENT_DISPUTED)
            printf(", %sdisputed by %s%s", terminal_paint(PAINT_BAD), party_code(relationship, i),
                   terminal_paint(PAINT_PLAIN));
        if (word == STATEMENT_NO_WORD)
            printf(", dispute withdrawn by %s", party_code(relationship, i));
    }
    printf("\n");
}

bool show_item(const struct item_view *view, const struct relationship *relationship,
               int64_t now_ms, struct err *e)
{
    char title[TITLE_BYTES_MAX + 1] = {0};
    enum paint paint = view->is_statement ? PAINT_PLAIN : show_standing_paint(view->standing);
    printf("%s%s%s  %s, %s%s%s\n", terminal_paint(PAINT_STRONG), view->ref,
           terminal_paint(PAINT_PLAIN), view->noun ? view->noun->label : "of a newer version",
           terminal_paint(paint), show_state_words(view), terminal_paint(PAINT_PLAIN));
    printf("In \"%s\"\n", span_show(span_text(relationship->title), title, sizeof title));
    if (view->needs_newer)
        printf("Something here needs a newer version of this program: read only.\n");
    if (view->has_terms) {
        printf("\nAgreed terms\n");
        if (!show_fields(view->noun, view->terms, view->term_count, e)) return false;
    }
    if (view->has_statement) {
        printf("\n");
        show_statement_line(view, relationship, now_ms);
        if (!show_fields(view->noun, view->progress, view->progress_count, e)) return false;
    }
    for (size_t i = 0; i < view->offer_count; i++) {
        const struct offer *offer = &view->offers[i];
        if (view->has_terms && hash_equal(&offer->proposal, &view->revision)) continue;
        printf("\n");
        if (!show_offer(view, offer, relationship, now_ms, e)) return false;
    }
    return true;
}

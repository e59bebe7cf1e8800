/* history, diff - how an item came to be as it is, and what the open offers would change. */
#include "tools/moment.h"
#include "tools/show.h"
#include "tools/verbs.h"

#include <stdio.h>
#include <string.h>

#define WHAT_BYTES_MAX 400 /* of the fields in one line of history */

struct telling {
    struct command *c;
    const struct relationship *relationship;
    struct table *table;
    size_t count;
};

/* Several proposals that become due at once are all sealed by the first entry; each has a seal of its own to say so. */
static bool has_sealed(const struct history_line *line)
{
    return line->sealed_something || strcmp(line->verb, "seal") == 0;
}

static void line_json(struct telling *telling, const struct history_line *line)
{
    struct json *json = telling->c->json;
    char moment[MOMENT_TEXT_MAX] = {0};
    json_start_object(json, NULL);
    json_put_hex(json, "entry", hash_span(&line->entry));
    json_put_text(json, "party", party_code(telling->relationship, line->party));
    json_put_count(json, "index", line->index);
    json_put_text(json, "time", moment_iso(line->time_ms / 1000, moment, sizeof moment));
    json_put_text(json, "person", line->person);
    json_put_text(json, "role", line->role);
    json_put_text(json, "verb", line->verb);
    json_put_text(json, "noun", line->noun);
    if (line->has_ref) json_put_hex(json, "about", hash_span(&line->ref));
    else json_put_null(json, "about");
    json_put_bool(json, "has_effect", line->effect == EFFECT_FULL && !line->is_waiting);
    json_put_text(json, "effect",
                  line->is_waiting ? "waits for what it rests on" : effect_words(line->effect));
    json_put_bool(json, "sealed", line->sealed_something);
    show_fields_json(json, "fields", line->fields, line->field_count);
    json_put_hex(json, "relationship", relationship_span(&telling->relationship->id));
    json_end(json);
}

static void write_field(struct sink *text, const struct body_field *field)
{
    char room[SHOW_VALUE_MAX] = {0}, shown[121] = {0}, flat[120] = {0};
    span value = show_value(&field->value, room);
    size_t len = value.len < sizeof flat ? value.len : sizeof flat;
    for (size_t i = 0; i < len; i++)
        flat[i] = value.at[i] == '\n' || value.at[i] == '\r' ? ' ' : (char)value.at[i];
    if (text->len) sink_text(text, ", ");
    sink_put(text, field->name);
    sink_text(text, " ");
    sink_text(text, span_show(span_of(flat, len), shown, sizeof shown));
}

/* "title Paint, due 2026-12-18": in the vocabulary's order, then what it does not know; keys stay out. */
static void write_fields(const struct history_line *line, char out[WHAT_BYTES_MAX])
{
    struct sink text = sink_over(out, WHAT_BYTES_MAX - 1);
    const struct noun *noun = vocabulary_find(span_text(line->noun));
    for (size_t f = 0; noun && f < noun->field_count; f++)
        for (size_t i = 0; i < line->field_count; i++)
            if (span_equal(line->fields[i].name, span_text(noun->fields[f].name)))
                write_field(&text, &line->fields[i]);
    for (size_t i = 0; i < line->field_count; i++) {
        span name = line->fields[i].name;
        if (noun && noun_field(noun, name)) continue;
        if (span_equal(name, span_text("certificate")) || span_equal(name, span_text("nonce")))
            continue;
        write_field(&text, &line->fields[i]);
    }
    out[text.len] = '\0';
}

static bool tell_line(void *self, const struct history_line *line)
{
    struct telling *telling = self;
    struct command *c = telling->c;
    struct table *table = telling->table;
    char moment[MOMENT_TEXT_MAX] = {0}, id[SHOW_ID_DIGITS + 1] = {0},
         about[SHOW_ID_DIGITS + 1] = {0};
    char verb[VERB_BYTES_MAX + SHOW_ID_DIGITS + 2] = {0}, fields[WHAT_BYTES_MAX] = {0};
    telling->count++;
    if (c->json) {
        line_json(telling, line);
        return true;
    }
    (void)snprintf(verb, sizeof verb, "%s%s%s", line->verb, line->has_ref ? " " : "",
                   line->has_ref ? show_id(&line->ref, about) : "");
    write_fields(line, fields);
    table_put_text(table, moment_local(line->time_ms, command_now_ms(c), moment, sizeof moment),
                   PAINT_PLAIN);
    table_put_text(table, party_code(telling->relationship, line->party), PAINT_STRONG);
    table_put_text(table, line->person, PAINT_PLAIN);
    table_put_text(table, show_id(&line->entry, id), PAINT_FAINT);
    table_put_text(table, verb, PAINT_PLAIN);
    if (line->is_waiting) table_put_text(table, "waits for what it rests on", PAINT_BAD);
    else if (line->effect != EFFECT_FULL)
        table_put_text(table, effect_words(line->effect), PAINT_BAD);
    else table_put_text(table, has_sealed(line) ? "agreed" : "", PAINT_GOOD);
    table_put_text(table, fields, PAINT_PLAIN);
    return true;
}

static bool tell(struct command *c, const struct relationship *relationship,
                 const struct hash *item, struct err *e)
{
    static const char *const headings[] = {"When", "Party",  "Person", "Entry",
                                           "Said", "Effect", "What"};
    OWNED(table_free) struct table *table = NULL;
    struct telling telling = {.c = c, .relationship = relationship};
    if (!table_new(&table, headings, sizeof headings / sizeof headings[0], e)) return false;
    telling.table = table;
    if (!history_each(c->store, &relationship->id, item, tell_line, &telling, e)) return false;
    return c->json || table_print(table, "", false, e);
}

static bool tell_relationship(struct command *c, const struct relationship *relationship,
                              void *self, struct err *e)
{
    char title[TITLE_BYTES_MAX + 1] = {0};
    size_t *count = self;
    if (!c->json)
        printf("%s%s%s%s\n", (*count)++ ? "\n" : "", terminal_paint(PAINT_STRONG),
               span_show(span_text(relationship->title), title, sizeof title),
               terminal_paint(PAINT_PLAIN));
    return tell(c, relationship, NULL, e);
}

bool verb_history(struct command *c, struct err *e)
{
    OWNED(relationship_free) struct relationship *relationship = NULL;
    struct reference reference = {0};
    size_t count = 0;
    if (!command_home(c, e)) return false;
    if (c->json) json_start_array(c->json, "entries");
    if (!command_word(c, 0)) {
        if (!choose_each(c, tell_relationship, &count, e)) return false;
    } else {
        if (!choose_item(c, command_word(c, 0), &reference, &relationship, e)) return false;
        if (!tell(c, relationship, &reference.item, e)) return false;
    }
    if (c->json) json_end(c->json);
    return true;
}

/* ------------------------------------------------------------ diff */

static void value_json(struct json *json, const char *name, const struct value *value)
{
    if (!value) json_put_null(json, name);
    else if (value->is_text) json_put_span(json, name, value->text);
    else json_put_number(json, name, value->number);
}

static void offer_diff_json(struct json *json, const struct item_view *view,
                            const struct offer *offer, const struct relationship *relationship)
{
    struct difference difference = {0};
    json_start_object(json, NULL);
    json_put_hex(json, "proposal", hash_span(&offer->proposal));
    json_put_text(json, "by", party_code(relationship, offer->party));
    json_put_text(json, "state", standing_word(offer->standing));
    json_start_array(json, "changes");
    for (size_t at = 0; show_next_difference(view, offer, &at, &difference);) {
        json_start_object(json, NULL);
        json_put_text(json, "field", difference.name);
        value_json(json, "agreed", difference.agreed);
        value_json(json, "offered", difference.offered);
        json_end(json);
    }
    json_end(json);
    json_end(json);
}

bool verb_diff(struct command *c, struct err *e)
{
    OWNED(relationship_free) struct relationship *relationship = NULL;
    __attribute__((cleanup(item_view_wipe))) struct item_view view = {0};
    struct reference reference = {0};
    size_t shown = 0;
    if (!command_home(c, e) || !choose_item(c, command_word(c, 0), &reference, &relationship, e))
        return false;
    if (!item_load(c->store, &relationship->id, &reference.item, &view, e)) return false;
    if (c->json) {
        json_put_text(c->json, "ref", view.ref);
        json_put_text(c->json, "state", show_state(&view));
        json_start_array(c->json, "offers");
    }
    for (size_t i = 0; i < view.offer_count; i++) {
        const struct offer *offer = &view.offers[i];
        bool is_open =
            offer->standing == STANDING_OFFERED || offer->standing == STANDING_RECEIPT_AWAITED;
        if (!is_open && !command_has(c, "all")) continue;
        if (c->json) offer_diff_json(c->json, &view, offer, relationship);
        else {
            if (shown++) printf("\n");
            if (!show_offer(&view, offer, relationship, command_now_ms(c), e)) return false;
        }
    }
    if (c->json) json_end(c->json);
    else if (shown == 0) printf("%s: %s, no open offer.\n", view.ref, show_state_words(&view));
    return true;
}

/* inbox, list, show - what there is, and what waits for us. */
#include "tools/moment.h"
#include "tools/show.h"
#include "tools/verbs.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------ list */

/* One `list`, over one relationship or several. */
struct listing {
    struct command *c;
    const struct noun *noun;
    const struct relationship *relationship;
    size_t shown;
    const struct field *columns[TABLE_COLUMNS_MAX];
    const char *headings[TABLE_COLUMNS_MAX];
    size_t
        column_count; /* of fields; before them stand the reference and the state, after them the open offers */
    struct table *table;
};

/* Fields that fit a cell: what is required, and days, numbers, choices and parties. */
static void choose_columns(struct listing *listing)
{
    listing->headings[0] = "Ref";
    listing->headings[1] = "State";
    for (size_t i = 0;
         i < listing->noun->field_count && listing->column_count < TABLE_COLUMNS_MAX - 3; i++) {
        const struct field *field = &listing->noun->fields[i];
        bool is_short = field->type != FIELD_LINE && field->type != FIELD_TEXT;
        if (!field->is_required && !is_short) continue;
        listing->headings[2 + listing->column_count] = field->label;
        listing->columns[listing->column_count++] = field;
    }
    listing->headings[2 + listing->column_count] = "Offers";
}

static void put_offers(struct table *table, const struct item_view *view,
                       const struct relationship *relationship)
{
    char text[80] = {0};
    struct sink out = sink_over(text, sizeof text - 1);
    size_t open = 0;
    for (size_t i = 0; i < view->offer_count; i++) {
        const struct offer *offer = &view->offers[i];
        if (offer->standing != STANDING_OFFERED && offer->standing != STANDING_RECEIPT_AWAITED)
            continue;
        sink_text(&out, open++ ? ", " : "");
        sink_text(&out, party_code(relationship, offer->party));
    }
    table_put_text(table, text, PAINT_WAIT);
}

static bool list_item(void *self, struct item_view *view)
{
    struct listing *listing = self;
    struct command *c = listing->c;
    listing->shown++;
    if (c->json) {
        json_start_object(c->json, NULL);
        show_item_json(c->json, view, listing->relationship);
        json_end(c->json);
        return true;
    }
    size_t term_count = 0;
    const struct body_field *terms = show_terms(view, &term_count);
    enum paint paint = view->is_statement ? PAINT_PLAIN : show_standing_paint(view->standing);
    table_put_text(listing->table, view->ref, PAINT_STRONG);
    table_put_text(listing->table, show_state_words(view), paint);
    for (size_t i = 0; i < listing->column_count; i++) {
        const struct field *field = listing->columns[i];
        char room[SHOW_VALUE_MAX] = {0}, words[80] = {0};
        const struct value *value = body_find(terms, term_count, field->name);
        if (!value) value = body_find(view->progress, view->progress_count, field->name);
        span text = show_value(value, room);
        if (field->type == FIELD_CHOICE)
            table_put_text(listing->table, show_choice(text, words, sizeof words), PAINT_PLAIN);
        else table_put(listing->table, text, PAINT_PLAIN);
    }
    put_offers(listing->table, view, listing->relationship);
    return true;
}

static bool list_relationship(struct command *c, const struct relationship *relationship,
                              void *self, struct err *e)
{
    struct listing *listing = self;
    OWNED(table_free) struct table *table = NULL;
    char title[TITLE_BYTES_MAX + 1] = {0};
    size_t before = listing->shown;
    listing->relationship = relationship;
    if (!c->json && !table_new(&table, listing->headings, listing->column_count + 3, e))
        return false;
    listing->table = table;
    if (!items_each(c->store, &relationship->id, listing->noun->name, list_item, listing, e))
        return false;
    if (c->json || listing->shown == before) return true;
    printf("%s%s%s%s\n", before ? "\n" : "", terminal_paint(PAINT_STRONG),
           span_show(span_text(relationship->title), title, sizeof title),
           terminal_paint(PAINT_PLAIN));
    return table_print(table, "  ", false, e);
}

bool verb_list(struct command *c, struct err *e)
{
    struct listing listing = {.c = c};
    if (!choose_noun(command_word(c, 0), &listing.noun, e) || !command_home(c, e)) return false;
    choose_columns(&listing);
    if (c->json) json_start_array(c->json, "items");
    if (!choose_each(c, list_relationship, &listing, e)) return false;
    if (c->json) json_end(c->json);
    else if (!listing.noun->is_proposed && !listing.noun->is_stated)
        fprintf(stderr, "A %s stands in the history of what it is about: counterpart history REF\n",
                listing.noun->name);
    else if (listing.shown == 0)
        fprintf(stderr, "Nothing of the noun %s yet.\n", listing.noun->name);
    return true;
}

/* ------------------------------------------------------------ show */

bool verb_show(struct command *c, struct err *e)
{
    OWNED(relationship_free) struct relationship *relationship = NULL;
    __attribute__((cleanup(item_view_wipe))) struct item_view view = {0};
    struct reference reference = {0};
    if (!command_home(c, e) || !choose_item(c, command_word(c, 0), &reference, &relationship, e))
        return false;
    if (!item_load(c->store, &relationship->id, &reference.item, &view, e)) return false;
    if (c->json) {
        show_item_json(c->json, &view, relationship);
        return true;
    }
    return show_item(&view, relationship, command_now_ms(c), e);
}

/* ------------------------------------------------------------ inbox */

struct box {
    struct command *c;
    const struct relationship *relationship;
    struct table *table;
    size_t count;
};

static bool box_one(void *self, const struct waiting *waiting)
{
    static const char *const words[] = {[NEED_WORD_ON_OFFER] = "accept or decline",
                                        [NEED_WORD_ON_STATEMENT] = "acknowledge or dispute",
                                        [NEED_ANSWER_TO_DISPUTE] = "answer the dispute"};
    struct box *box = self;
    struct command *c = box->c;
    char id[SHOW_ID_DIGITS + 1] = {0}, moment[MOMENT_TEXT_MAX] = {0};
    const char *by = party_code(box->relationship, waiting->party);
    box->count++;
    if (c->json) {
        bool is_offer = waiting->need == NEED_WORD_ON_OFFER;
        json_start_object(c->json, NULL);
        json_put_text(c->json, "noun", waiting->noun);
        json_put_text(c->json, "ref", waiting->ref);
        if (is_offer) json_put_hex(c->json, "proposal", hash_span(&waiting->entry));
        else json_put_null(c->json, "proposal");
        if (!is_offer) json_put_hex(c->json, "statement", hash_span(&waiting->entry));
        else json_put_null(c->json, "statement");
        json_put_text(c->json, "needs", words[waiting->need]);
        json_put_text(c->json, "by", by);
        json_put_text(c->json, "time", moment_iso(waiting->time_ms / 1000, moment, sizeof moment));
        json_put_hex(c->json, "relationship", relationship_span(&box->relationship->id));
        json_end(c->json);
        return true;
    }
    table_put_text(box->table, waiting->ref, PAINT_STRONG);
    table_put_text(box->table, waiting->noun, PAINT_PLAIN);
    table_put_text(box->table, words[waiting->need], PAINT_WAIT);
    table_put_text(box->table, by, PAINT_PLAIN);
    table_put_text(box->table,
                   moment_local(waiting->time_ms, command_now_ms(c), moment, sizeof moment),
                   PAINT_PLAIN);
    table_put_text(box->table, show_id(&waiting->entry, id), PAINT_FAINT);
    table_put_text(box->table, box->relationship->title, PAINT_FAINT);
    return true;
}

static bool box_relationship(struct command *c, const struct relationship *relationship, void *self,
                             struct err *e)
{
    struct box *box = self;
    box->relationship = relationship;
    return inbox_each(c->store, &relationship->id, box_one, box, e);
}

bool verb_inbox(struct command *c, struct err *e)
{
    static const char *const headings[] = {"Ref",   "Noun", "Needs",       "From",
                                           "Since", "Id",   "Relationship"};
    struct box box = {.c = c};
    OWNED(table_free) struct table *table = NULL;
    if (!command_home(c, e)) return false;
    if (!table_new(&table, headings, sizeof headings / sizeof headings[0], e)) return false;
    box.table = table;
    if (c->json) json_start_array(c->json, "items");
    if (!choose_each(c, box_relationship, &box, e)) return false;
    c->exit = box.count ? EXIT_WAITS : EXIT_DONE;
    if (c->json) {
        json_end(c->json);
        return true;
    }
    if (box.count) return table_print(table, "", false, e);
    printf("Nothing waits for your word.\n");
    return true;
}

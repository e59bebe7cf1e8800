/* propose, state - new terms for all to accept, and our own word. */
#include "tools/show.h"
#include "tools/verbs.h"

#include <stdio.h>
#include <string.h>

/* What `propose` and `state` were given: NOUN [REF] field=value ... */
struct wish {
    const struct noun *noun;
    bool has_item;
    struct reference reference;
    struct relationship *relationship; /* owned */
    size_t count;
    struct body_field fields[FIELDS_MAX];
};
static void wish_wipe(struct wish *wish) { relationship_free(wish->relationship); }

/* The noun's fields of one kind, for the sentence after a wrong one. */
static bool list_fields(const struct noun *noun, enum field_kind kind, struct err *e)
{
    char names[200] = {0};
    struct sink list = sink_over(names, sizeof names - 1);
    for (size_t i = 0; i < noun->field_count; i++) {
        if (noun->fields[i].kind != kind) continue;
        if (list.len) sink_text(&list, ", ");
        sink_text(&list, noun->fields[i].name);
    }
    return err_next(e, "its fields are: %s", names);
}

/* One "due=2026-12-18"; "due=" takes it out. */
static bool read_field(const struct noun *noun, enum field_kind kind, const char *typed,
                       struct body_field *out, struct err *e)
{
    span value = span_text(typed), name = {0};
    char shown[60] = {0};
    struct body_field found = {.value = {.is_text = true}};
    if (!span_take_until(&value, '=', &name)) {
        (void)err_set(e, ERR_USAGE, "'%s' is not field=value",
                      span_show(value, shown, sizeof shown));
        return list_fields(noun, kind, e);
    }
    const struct field *field = noun_field(noun, name);
    if (!field) field = noun_field_loosely(noun, name);
    if (!field) {
        (void)err_set(e, ERR_USAGE, "%s has no field '%s'", noun->name,
                      span_show(name, shown, sizeof shown));
        return list_fields(noun, kind, e);
    }
    if (field->kind != kind) {
        (void)err_set(e, ERR_USAGE, "%s is %s", field->name,
                      field->kind == FIELD_TERM ? "a term, which is proposed"
                                                : "one party's own word, which is stated");
        return err_next(e, "counterpart %s %s REF %s=...",
                        field->kind == FIELD_TERM ? "propose" : "state", noun->name, field->name);
    }
    if (value.len && !field_parse(field, value, &found.value, e))
        return err_next(e, "%s", field->help);
    found.name = span_text(field->name);
    *out = found;
    return true;
}

static bool read_wish(struct command *c, enum field_kind kind, struct wish *wish, struct err *e)
{
    size_t next = 1;
    const char *typed = command_word(c, 1);
    if (!choose_noun(command_word(c, 0), &wish->noun, e)) return false;
    if (typed && !strchr(typed, '=')) {
        if (!choose_item(c, typed, &wish->reference, &wish->relationship, e)) return false;
        wish->has_item = true;
        next = 2;
    } else if (!choose_relationship(c, &wish->relationship, e)) return false;
    for (; next < command_words(c); next++) {
        struct body_field field = {0};
        if (!read_field(wish->noun, kind, command_word(c, next), &field, e)) return false;
        for (size_t i = 0; i < wish->count; i++)
            if (span_equal(wish->fields[i].name, field.name))
                return err_set(e, ERR_USAGE, "%s is given twice", command_word(c, next));
        if (wish->count == FIELDS_MAX)
            return err_set(e, ERR_LIMIT, "there are more than %d fields", FIELDS_MAX);
        wish->fields[wish->count++] = field;
    }
    if (wish->count) return true;
    (void)err_set(e, ERR_USAGE, "no field is given");
    return list_fields(wish->noun, kind, e);
}

static bool check_noun(struct command *c, const struct wish *wish, struct err *e)
{
    __attribute__((cleanup(item_view_wipe))) struct item_view view = {0};
    if (!wish->has_item) return true;
    if (!item_load(c->store, &wish->relationship->id, &wish->reference.item, &view, e))
        return false;
    if (view.noun == wish->noun) return true;
    return err_set(e, ERR_USAGE, "%s is not of the noun %s but %s", view.ref, wish->noun->name,
                   view.noun_text);
}

/* Shows what came of it: the entry is a proposal or a statement on an item that it may have made. */
static bool show_result(struct command *c, const struct wish *wish, const char *what,
                        const struct hash *entry, struct err *e)
{
    __attribute__((cleanup(item_view_wipe))) struct item_view view = {0};
    char id[SHOW_ID_DIGITS + 1] = {0};
    const struct hash *item = wish->has_item ? &wish->reference.item : entry;
    const char *state = "stated";
    if (!item_load(c->store, &wish->relationship->id, item, &view, e)) return false;
    for (size_t i = 0; i < view.offer_count; i++)
        if (hash_equal(&view.offers[i].proposal, entry))
            state = standing_word(view.offers[i].standing);
    if (c->json) {
        json_put_text(c->json, "ref", view.ref);
        json_put_hex(c->json, what, hash_span(entry));
        json_put_text(c->json, "state", state);
        json_put_hex(c->json, "id", hash_span(&view.item));
        json_put_hex(c->json, "relationship", relationship_span(&view.relationship));
        return true;
    }
    printf("%s %s (%s %s)\n", view.ref, state, what, show_id(entry, id));
    return true;
}

bool verb_propose(struct command *c, struct err *e)
{
    __attribute__((cleanup(wish_wipe))) struct wish wish = {0};
    struct hash proposal = {0};
    if (!command_work(c, e) || !read_wish(c, FIELD_TERM, &wish, e) || !check_noun(c, &wish, e))
        return false;
    if (!work_propose(c->home, &c->asker, &wish.relationship->id, wish.noun,
                      wish.has_item ? &wish.reference.item : NULL, wish.fields, wish.count,
                      &proposal, e))
        return false;
    return show_result(c, &wish, "proposal", &proposal, e);
}

bool verb_state(struct command *c, struct err *e)
{
    __attribute__((cleanup(wish_wipe))) struct wish wish = {0};
    struct hash statement = {0};
    if (!command_work(c, e) || !read_wish(c, FIELD_STATEMENT, &wish, e) || !check_noun(c, &wish, e))
        return false;
    if (!work_state(c->home, &c->asker, &wish.relationship->id, wish.noun,
                    wish.has_item ? &wish.reference.item : NULL, wish.fields, wish.count,
                    &statement, e))
        return false;
    return show_result(c, &wish, "statement", &statement, e);
}

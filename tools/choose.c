#include "tools/choose.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFIX_LEAST 4 /* hex digits of a relationship id */

/* ------------------------------------------------------------ relationships */

struct id_list {
    struct relationship_id *ids;
    size_t count;
};

static bool add_id(void *self, const struct relationship_id *id)
{
    struct id_list *list = self;
    if (list->count < RELATIONSHIPS_MAX) list->ids[list->count++] = *id;
    return true;
}

static void ids_free(struct relationship_id *ids) { free(ids); }
OWNABLE(struct relationship_id *, ids_free)

bool choose_load(struct command *c, const struct relationship_id *id, struct relationship **out,
                 struct err *e)
{
    OWNED(relationship_free) struct relationship *relationship = calloc(1, sizeof *relationship);
    if (!relationship) return err_memory(e);
    if (!relationship_load(c->store, id, relationship, e)) return false;
    *out = GIVE(relationship);
    return true;
}

/* Does what was typed after -r name this one: its id's first digits, its title, or the start of it? */
static bool is_named(const struct relationship *relationship, const char *typed, bool *is_exact)
{
    char id[2 * sizeof relationship->id.bytes + 1] = {0};
    size_t len = strlen(typed);
    hex_write(relationship_span(&relationship->id), id, sizeof id);
    *is_exact = strcasecmp(relationship->title, typed) == 0 || strcasecmp(id, typed) == 0;
    if (*is_exact) return true;
    if (len >= PREFIX_LEAST && strncasecmp(id, typed, len) == 0) return true;
    return len > 0 && strncasecmp(relationship->title, typed, len) == 0;
}

/* Choosing one of several: the one found so far, and the titles for the sentence when it does not work. */
struct choosing {
    const char *typed; /* NULL: the only one there is */
    struct relationship *found;
    bool is_exact;
    size_t fitting;
    char titles[160];
    struct sink list;
};

static void note_title(struct choosing *choosing, const struct relationship *relationship)
{
    char id[2 * sizeof relationship->id.bytes + 1] = {0}, title[TITLE_BYTES_MAX + 1] = {0};
    hex_write(relationship_span(&relationship->id), id, sizeof id);
    id[8] = '\0';
    if (choosing->list.len) sink_text(&choosing->list, ", ");
    sink_text(&choosing->list, id);
    sink_text(&choosing->list, " ");
    sink_text(&choosing->list, span_show(span_text(relationship->title), title, sizeof title));
}

static void consider(struct choosing *choosing, struct relationship **candidate)
{
    bool is_exact = false;
    if (choosing->typed && !is_named(*candidate, choosing->typed, &is_exact)) return;
    if (choosing->is_exact && !is_exact) return;
    if (is_exact && !choosing->is_exact) choosing->fitting = 0;
    choosing->is_exact = is_exact;
    choosing->fitting++;
    relationship_free(choosing->found);
    choosing->found = GIVE(*candidate);
}

static bool choose(struct command *c, const struct id_list *list, struct relationship **out,
                   struct err *e)
{
    struct choosing choosing = {.typed = command_value(c, "relationship")};
    choosing.list = sink_over(choosing.titles, sizeof choosing.titles - 1);
    for (size_t i = 0; i < list->count; i++) {
        OWNED(relationship_free) struct relationship *candidate = NULL;
        if (!choose_load(c, &list->ids[i], &candidate, e)) {
            relationship_free(choosing.found);
            return false;
        }
        note_title(&choosing, candidate);
        consider(&choosing, &candidate);
    }
    if (choosing.fitting == 1) {
        *out = choosing.found;
        return true;
    }
    relationship_free(choosing.found);
    if (list->count == 0) {
        (void)err_set(e, ERR_MISSING, "there is no relationship in this home yet");
        return err_next(
            e,
            "open one (counterpart open TITLE --party CODE) or join one (counterpart join FILE)");
    }
    if (choosing.fitting == 0)
        (void)err_set(e, ERR_MISSING, "no relationship is called '%s'", choosing.typed);
    else if (choosing.typed)
        (void)err_set(e, ERR_CONFLICT, "'%s' names several relationships", choosing.typed);
    else (void)err_set(e, ERR_CONFLICT, "there are several relationships");
    return err_next(e, "choose one with -r: %s", choosing.titles);
}

static bool list_ids(struct command *c, struct id_list *list, struct err *e)
{
    list->ids = calloc(RELATIONSHIPS_MAX, sizeof *list->ids);
    if (!list->ids) return err_memory(e);
    return relationships_each(c->store, add_id, list, e);
}

bool choose_relationship(struct command *c, struct relationship **out, struct err *e)
{
    struct id_list list = {0};
    bool is_chosen = list_ids(c, &list, e) && choose(c, &list, out, e);
    free(list.ids);
    return is_chosen;
}

bool choose_each(struct command *c, relationship_each each, void *self, struct err *e)
{
    struct id_list list = {0};
    if (command_value(c, "relationship")) {
        OWNED(relationship_free) struct relationship *chosen = NULL;
        return choose_relationship(c, &chosen, e) && each(c, chosen, self, e);
    }
    bool is_listed = list_ids(c, &list, e);
    OWNED(ids_free) struct relationship_id *ids = list.ids;
    if (!is_listed) return false;
    for (size_t i = 0; i < list.count; i++) {
        OWNED(relationship_free) struct relationship *relationship = NULL;
        if (!choose_load(c, &ids[i], &relationship, e)) return false;
        if (!each(c, relationship, self, e)) return false;
    }
    return true;
}

bool choose_item(struct command *c, const char *typed, struct reference *out,
                 struct relationship **relationship, struct err *e)
{
    OWNED(relationship_free) struct relationship *chosen = NULL;
    struct reference reference = {0};
    if (command_value(c, "relationship") && !choose_relationship(c, &chosen, e)) return false;
    if (!reference_find(c->store, chosen ? &chosen->id : NULL, span_text(typed), &reference, e))
        return false;
    if (!chosen && !choose_load(c, &reference.relationship, &chosen, e)) return false;
    *out = reference;
    *relationship = GIVE(chosen);
    return true;
}

/* ------------------------------------------------------------ names */

const char *party_code(const struct relationship *relationship, unsigned party)
{
    if (party >= relationship->party_count || !relationship->parties[party].code[0]) return "?";
    return relationship->parties[party].code;
}

bool choose_is_voided(struct command *c, const struct relationship *relationship)
{
    struct joining_last last = {0};
    return joining_load(c->store, &relationship->id, &last, NULL) && last.state == JOINING_VOIDED;
}

bool choose_party(const struct relationship *relationship, const char *code,
                  const struct party **out, struct err *e)
{
    char codes[160] = {0};
    struct sink list = sink_over(codes, sizeof codes - 1);
    for (size_t i = 0; i < relationship->party_count; i++) {
        if (strcasecmp(relationship->parties[i].code, code) == 0) {
            *out = &relationship->parties[i];
            return true;
        }
        if (i) sink_text(&list, ", ");
        sink_text(&list, relationship->parties[i].code);
    }
    (void)err_set(e, ERR_MISSING, "no party has the code '%.40s'", code);
    return err_next(e, "the parties are: %s", codes);
}

bool choose_noun(const char *name, const struct noun **out, struct err *e)
{
    char names[160] = {0};
    struct sink list = sink_over(names, sizeof names - 1);
    size_t count = 0;
    const struct noun *nouns = vocabulary_nouns(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(nouns[i].name, name) == 0) {
            *out = &nouns[i];
            return true;
        }
        if (i) sink_text(&list, ", ");
        sink_text(&list, nouns[i].name);
    }
    (void)err_set(e, ERR_USAGE, "there is no noun '%.40s'", name);
    return err_next(e, "the nouns are: %s", names);
}

bool choose_code(const char *typed, char out[CODE_BYTES_MAX + 1], struct err *e)
{
    char code[CODE_BYTES_MAX + 1] = {0};
    size_t len = strlen(typed);
    for (size_t i = 0; i < len && i < CODE_BYTES_MAX; i++)
        code[i] = (char)(typed[i] >= 'a' && typed[i] <= 'z' ? typed[i] - 'a' + 'A' : typed[i]);
    if (len > CODE_BYTES_MAX || !code_is_valid(span_text(code))) {
        (void)err_set(e, ERR_USAGE, "'%.40s' is no party's code", typed);
        return err_next(e, "a code is 2 to %d letters and digits, a letter first, such as ACME",
                        CODE_BYTES_MAX);
    }
    memcpy(out, code, sizeof code);
    return true;
}

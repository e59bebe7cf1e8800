/* export - items as a spreadsheet. */
#include "node/formats/csv.h"
#include "tools/show.h"
#include "tools/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BEFORE 3 /* columns before the fields: reference, state, relationship */

struct exporting {
    struct command *c;
    const struct noun *noun;
    const struct relationship *relationship;
    struct buffer out;
    size_t rows;
    bool is_failed;
    struct err *e;
};

static bool export_item(void *self, struct item_view *view)
{
    struct exporting *exporting = self;
    const struct noun *noun = exporting->noun;
    span cells[BEFORE + FIELDS_MAX] = {{0}};
    char rooms[FIELDS_MAX][SHOW_VALUE_MAX] = {{0}};
    size_t term_count = 0;
    const struct body_field *terms = show_terms(view, &term_count);
    cells[0] = span_text(view->ref);
    cells[1] = span_text(show_state(view));
    cells[2] = span_text(exporting->relationship->title);
    for (size_t i = 0; i < noun->field_count && i < FIELDS_MAX; i++) {
        bool is_term = noun->fields[i].kind == FIELD_TERM;
        const struct value *value =
            is_term ? body_find(terms, term_count, noun->fields[i].name)
                    : body_find(view->progress, view->progress_count, noun->fields[i].name);
        cells[BEFORE + i] = show_value(value, rooms[i]);
    }
    exporting->rows++;
    exporting->is_failed =
        !csv_write_row(&exporting->out, cells, BEFORE + noun->field_count, exporting->e);
    return !exporting->is_failed;
}

static bool export_relationship(struct command *c, const struct relationship *relationship,
                                void *self, struct err *e)
{
    struct exporting *exporting = self;
    exporting->relationship = relationship;
    if (!items_each(c->store, &relationship->id, exporting->noun->name, export_item, exporting, e))
        return false;
    return !exporting->is_failed;
}

static bool write_headings(struct exporting *exporting, struct err *e)
{
    span cells[BEFORE + FIELDS_MAX] = {span_text("Ref"), span_text("State"),
                                       span_text("Relationship")};
    const struct noun *noun = exporting->noun;
    must(noun->field_count <= FIELDS_MAX);
    for (size_t i = 0; i < noun->field_count; i++)
        cells[BEFORE + i] = span_text(noun->fields[i].label);
    return csv_write_start(&exporting->out, e) &&
           csv_write_row(&exporting->out, cells, BEFORE + noun->field_count, e);
}

static bool write_out(const char *path, span bytes, struct err *e)
{
    FILE *file = path ? fopen(path, "wb") : stdout;
    if (!file) return err_set(e, ERR_DISK, "%.120s cannot be written: %s", path, strerror(errno));
    bool is_written = fwrite(bytes.at, 1, bytes.len, file) == bytes.len && fflush(file) == 0;
    if (path && fclose(file) != 0) is_written = false;
    return is_written || err_set(e, ERR_DISK, "%.120s cannot be written: %s",
                                 path ? path : "stdout", strerror(errno));
}

static void exporting_wipe(struct exporting *exporting) { buffer_wipe(&exporting->out); }

bool verb_export(struct command *c, struct err *e)
{
    __attribute__((cleanup(exporting_wipe))) struct exporting exporting = {.c = c, .e = e};
    const char *path = command_value(c, "output");
    if (!choose_noun(command_word(c, 0), &exporting.noun, e) || !command_home(c, e)) return false;
    if (!write_headings(&exporting, e) || !choose_each(c, export_relationship, &exporting, e))
        return false;
    if (c->json) {
        json_put_count(c->json, "rows", exporting.rows);
        json_put_text(c->json, "output", path);
        if (!path) json_put_span(c->json, "csv", buffer_span(&exporting.out));
    }
    if (path || !c->json) {
        if (!write_out(path, buffer_span(&exporting.out), e)) return false;
    }
    if (path && !c->json) fprintf(stderr, "%zu rows in %s\n", exporting.rows, path);
    return true;
}

/* import - items from a spreadsheet, each as an offer. */
#include "node/formats/csv.h"
#include "tools/show.h"
#include "tools/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPS_MAX 64
#define BAD_SHOWN_MAX 200 /* further ones are only counted, for people */

/* ------------------------------------------------------------ import */

/* One import: the file, which field each column holds, and the rows that will be proposed. */
struct importing {
    struct command *c;
    const struct noun *noun;
    struct csv_table *csv;
    const struct field *columns[CSV_COLUMNS_MAX];
    struct row *rows; /* row_count of them, each with its own fields */
    char **texts;     /* changed texts which the fields point into */
    size_t row_count, text_count, text_cap, bad_count;
};

static void importing_wipe(struct importing *importing)
{
    csv_table_free(importing->csv);
    for (size_t i = 0; i < importing->row_count; i++) free(importing->rows[i].fields);
    for (size_t i = 0; i < importing->text_count; i++) free(importing->texts[i]);
    free(importing->rows);
    free(importing->texts);
}

static void tell_bad(struct importing *importing, uint64_t line, const char *reason)
{
    struct json *json = importing->c->json;
    importing->bad_count++;
    if (json) {
        json_start_object(json, NULL);
        json_put_count(json, "line", line);
        json_put_text(json, "reason", reason);
        json_end(json);
    } else if (importing->bad_count <= BAD_SHOWN_MAX) {
        fprintf(stderr, "line %llu: %s\n", (unsigned long long)line, reason);
    }
}

/* A one-line field takes a line break in its cell as a space: people break lines in any cell. */
static bool flatten(struct importing *importing, span *text, struct err *e)
{
    if (!text->len || !memchr(text->at, '\n', text->len)) return true;
    if (importing->text_count == importing->text_cap) {
        size_t cap = importing->text_cap ? importing->text_cap * 2 : 64;
        char **texts = realloc(importing->texts, cap * sizeof *texts);
        if (!texts) return err_memory(e);
        importing->texts = texts;
        importing->text_cap = cap;
    }
    char *copy = malloc(text->len);
    if (!copy) return err_memory(e);
    importing->texts[importing->text_count++] = copy;
    for (size_t i = 0; i < text->len; i++) copy[i] = text->at[i] == '\n' ? ' ' : (char)text->at[i];
    *text = span_of(copy, text->len);
    return true;
}

/* Fills `fields` (room for every column) from one row. ERR_USAGE is the row's fault. */
static bool read_row(struct importing *importing, size_t number, struct body_field *fields,
                     size_t *count, struct err *e)
{
    const struct csv_row *row = csv_row(importing->csv, number);
    size_t columns = csv_heading_count(importing->csv), found = 0;
    if (row->wrong) return err_set(e, ERR_USAGE, "%s", row->wrong);
    for (size_t i = columns; i < row->cell_count; i++)
        if (csv_cell(importing->csv, number, i).len)
            return err_set(e, ERR_USAGE, "it has %zu cells under %zu headings", row->cell_count,
                           columns);
    for (size_t i = 0; i < columns; i++) {
        const struct field *field = importing->columns[i];
        span cell = csv_cell(importing->csv, number, i);
        if (!field || field->kind != FIELD_TERM || cell.len == 0) continue;
        if (field->type != FIELD_TEXT && !flatten(importing, &cell, e)) return false;
        if (!field_parse(field, cell, &fields[found].value, e)) return false;
        fields[found++].name = span_text(field->name);
    }
    *count = found;
    return noun_check(importing->noun, FIELD_TERM, true, fields, found, e);
}

static bool keep_row(struct importing *importing, const struct body_field *fields, size_t count,
                     struct err *e)
{
    struct body_field *kept = calloc(count, sizeof *kept);
    if (!kept) return err_memory(e);
    memcpy(kept, fields, count * sizeof *kept);
    importing->rows[importing->row_count++] = (struct row){kept, count};
    return true;
}

/* Reads all rows, telling every bad one. */
static bool read_rows(struct importing *importing, struct err *e)
{
    size_t total = csv_row_count(importing->csv);
    importing->rows = calloc(total ? total : 1, sizeof *importing->rows);
    if (!importing->rows) return err_memory(e);
    for (size_t i = 0; i < total; i++) {
        struct body_field fields[CSV_COLUMNS_MAX] = {{.name = {0}}};
        struct err bad = {0};
        size_t count = 0;
        if (read_row(importing, i, fields, &count, &bad)) {
            if (!keep_row(importing, fields, count, e)) return false;
        } else if (bad.code == ERR_USAGE) {
            tell_bad(importing, csv_row(importing->csv, i)->line, bad.said);
        } else {
            *e = bad;
            return false;
        }
    }
    return true;
}

/* Columns that hold nothing `import` proposes are named, so that nothing is lost unseen. */
static void tell_columns(struct importing *importing)
{
    char shown[60] = {0};
    for (size_t i = 0; i < csv_heading_count(importing->csv); i++) {
        const struct field *field = importing->columns[i];
        if (importing->c->json || !csv_heading(importing->csv, i).len) continue;
        if (!field)
            fprintf(stderr, "column '%s' is not imported\n",
                    span_show(csv_heading(importing->csv, i), shown, sizeof shown));
        else if (field->kind != FIELD_TERM)
            fprintf(stderr, "column '%s' is not imported: %s is its owner's own word\n",
                    span_show(csv_heading(importing->csv, i), shown, sizeof shown), field->name);
    }
}

static bool check_headings(const struct importing *importing, struct err *e)
{
    for (size_t f = 0; f < importing->noun->field_count; f++) {
        const struct field *field = &importing->noun->fields[f];
        bool is_there = field->kind != FIELD_TERM || !field->is_required;
        for (size_t i = 0; i < csv_heading_count(importing->csv) && !is_there; i++)
            is_there = importing->columns[i] == field;
        if (is_there) continue;
        (void)err_set(e, ERR_USAGE, "no column holds %s, which %s needs", field->name,
                      importing->noun->name);
        return err_next(e, "say which one does: --map \"Heading=%s\"", field->name);
    }
    return true;
}

static bool read_delimiter(const struct command *c, char *out, struct err *e)
{
    const char *typed = command_value(c, "delimiter");
    *out = 0;
    if (!typed || strcmp(typed, "auto") == 0) return true;
    if (strcmp(typed, "tab") == 0 || strcmp(typed, "\t") == 0) *out = '\t';
    else if (strcmp(typed, ",") == 0 || strcmp(typed, ";") == 0) *out = typed[0];
    else {
        (void)err_set(e, ERR_USAGE, "--delimiter is '%.20s'", typed);
        return err_next(e, "it is \",\", \";\", tab or auto");
    }
    return true;
}

static bool open_file(struct importing *importing, const char *path, struct err *e)
{
    OWNED_BUFFER file = {0};
    const char *maps[MAPS_MAX] = {NULL};
    size_t map_count = arguments_values(&importing->c->arguments, "map", maps, MAPS_MAX);
    char delimiter = 0;
    if (map_count > MAPS_MAX)
        return err_set(e, ERR_USAGE, "there are more than %d --map", MAPS_MAX);
    if (!read_delimiter(importing->c, &delimiter, e)) return false;
    if (!command_read_file(path, CSV_FILE_BYTES_MAX, &file, e)) return false;
    if (!csv_read(&importing->csv, buffer_span(&file), delimiter, e))
        return err_because(e, "reading %.100s", path);
    if (!csv_map(importing->csv, importing->noun, maps, map_count, importing->columns, e))
        return false;
    return check_headings(importing, e);
}

static bool too_many_bad(struct importing *importing, struct err *e)
{
    importing->c->is_answered = true;
    (void)err_set(e, ERR_REFUSED, "%zu of %zu rows cannot be imported; nothing was",
                  importing->bad_count, csv_row_count(importing->csv));
    return err_next(e, "mend them in the file, or leave them out with --skip-bad");
}

static bool propose_rows(struct importing *importing, const struct relationship *relationship,
                         struct err *e)
{
    struct command *c = importing->c;
    struct hash *proposals =
        calloc(importing->row_count ? importing->row_count : 1, sizeof *proposals);
    if (!proposals) return err_memory(e);
    bool is_done = importing->row_count == 0 ||
                   work_propose_many(c->home, &c->asker, &relationship->id, importing->noun,
                                     importing->rows, importing->row_count, proposals, e);
    if (is_done && c->json) {
        json_start_array(c->json, "proposals");
        for (size_t i = 0; i < importing->row_count; i++)
            json_put_hex(c->json, NULL, hash_span(&proposals[i]));
        json_end(c->json);
    }
    free(proposals);
    return is_done;
}

bool verb_import(struct command *c, struct err *e)
{
    __attribute__((cleanup(importing_wipe))) struct importing importing = {.c = c};
    OWNED(relationship_free) struct relationship *relationship = NULL;
    bool is_dry = command_has(c, "dry-run");
    if (!choose_noun(command_word(c, 0), &importing.noun, e)) return false;
    if (!importing.noun->is_ours_to_import)
        return err_set(e, ERR_USAGE, "%s cannot be imported", importing.noun->name);
    if (!command_work(c, e) || !choose_relationship(c, &relationship, e)) return false;
    if (!open_file(&importing, command_word(c, 1), e)) return false;
    tell_columns(&importing);
    if (c->json) json_start_array(c->json, "bad");
    if (!read_rows(&importing, e)) return false;
    if (c->json) json_end(c->json);
    if (importing.bad_count && !command_has(c, "skip-bad")) return too_many_bad(&importing, e);
    if (!is_dry && !propose_rows(&importing, relationship, e)) return false;
    if (c->json) {
        json_put_count(c->json, "rows", csv_row_count(importing.csv));
        json_put_count(c->json, "imported", is_dry ? 0 : importing.row_count);
        json_put_count(c->json, "skipped", importing.bad_count);
        json_put_hex(c->json, "relationship", relationship_span(&relationship->id));
        return true;
    }
    printf("%s %zu of %zu rows%s\n", is_dry ? "Would offer" : "Offered", importing.row_count,
           csv_row_count(importing.csv), is_dry ? "; nothing was written." : ".");
    return true;
}

#include "tools/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define CELL_BYTES_MAX 600 /* shown of one cell */
#define COLUMN_LEAST 12    /* no column is cut below this */
#define GAP 2

struct cell {
    const char *text; /* a heading's is borrowed, any other is the table's own */
    enum paint paint;
};
struct table {
    const char *const *headings;
    size_t column_count;
    struct cell *cells;
    size_t cell_count, cell_cap;
    bool is_short; /* memory ran out */
};

bool table_new(struct table **out, const char *const *headings, size_t column_count, struct err *e)
{
    struct table *table = calloc(1, sizeof *table);
    must(column_count > 0 && column_count <= TABLE_COLUMNS_MAX);
    if (!table) return err_memory(e);
    table->headings = headings;
    table->column_count = column_count;
    *out = table;
    return true;
}

void table_free(struct table *table)
{
    if (!table) return;
    for (size_t i = 0; i < table->cell_count; i++) free((void *)table->cells[i].text);
    free(table->cells);
    free(table);
}

size_t table_row_count(const struct table *table)
{
    return table->cell_count / table->column_count;
}

static bool make_room(struct table *table)
{
    if (table->cell_count < table->cell_cap) return true;
    size_t cap = table->cell_cap ? table->cell_cap * 2 : 64, bytes = 0;
    if (!size_mul(cap, sizeof *table->cells, &bytes)) return false;
    struct cell *cells = realloc(table->cells, bytes);
    if (!cells) return false;
    table->cells = cells;
    table->cell_cap = cap;
    return true;
}

void table_put(struct table *table, span text, enum paint paint)
{
    char shown[CELL_BYTES_MAX] = {0}, flat[CELL_BYTES_MAX] = {0};
    size_t len = text.len < sizeof flat ? text.len : sizeof flat - 1;
    for (size_t i = 0; i < len; i++) {
        bool is_space = text.at[i] == '\n' || text.at[i] == '\r' || text.at[i] == '\t';
        flat[i] = is_space ? ' ' : (char)text.at[i];
    }
    if (!make_room(table)) {
        table->is_short = true;
        return;
    }
    char *copy = strdup(span_show(span_of(flat, len), shown, sizeof shown));
    if (!copy) table->is_short = true;
    else table->cells[table->cell_count++] = (struct cell){copy, paint};
}

void table_put_text(struct table *table, const char *text, enum paint paint)
{
    table_put(table, span_text(text), paint);
}

/* Columns one character takes, and its bytes. */
static size_t character_width(const char *text, size_t *bytes)
{
    mbstate_t state = {0};
    wchar_t wide = 0;
    size_t len = mbrtowc(&wide, text, MB_CUR_MAX, &state);
    if (len == 0 || len > MB_CUR_MAX) { /* no character of this locale: a byte, a column */
        *bytes = 1;
        return 1;
    }
    int width = wcwidth(wide);
    *bytes = len;
    return width < 0 ? 1 : (size_t)width;
}

static size_t text_width(const char *text)
{
    size_t width = 0, bytes = 0;
    for (; *text; text = &text[bytes]) width += character_width(text, &bytes);
    return width;
}

/* Prints up to `width` columns, filled with spaces unless it is the last in its row. */
static void print_cell(const char *text, size_t width, bool is_last, enum paint paint)
{
    bool is_cut = text_width(text) > width;
    size_t room = is_cut ? width - 1 : width, used = 0, at = 0, bytes = 0;
    while (text[at]) {
        size_t wide = character_width(&text[at], &bytes);
        if (used + wide > room) break;
        used += wide;
        at += bytes;
    }
    bool is_painted = paint != PAINT_PLAIN && at > 0;
    if (is_painted) fputs(terminal_paint(paint), stdout);
    fwrite(text, 1, at, stdout);
    if (is_cut) fputs("…", stdout);
    if (is_painted) fputs(terminal_paint(PAINT_PLAIN), stdout);
    size_t shown = used + (is_cut ? 1 : 0);
    for (size_t i = shown; !is_last && i < width + GAP; i++) fputc(' ', stdout);
}

/* The widest cell of each column, its heading included; 0 for a column that holds nothing. */
static void measure(const struct table *table, size_t *widths)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t width = text_width(table->cells[i].text), column = i % table->column_count;
        if (width > widths[column]) widths[column] = width;
    }
    for (size_t c = 0; table->headings && c < table->column_count; c++) {
        size_t width = text_width(table->headings[c]);
        if (widths[c] && width > widths[c]) widths[c] = width;
    }
}

/* Takes from the widest column until all fits. */
static void fit(size_t *widths, size_t column_count, size_t room)
{
    for (;;) {
        size_t total = 0, widest = 0;
        for (size_t c = 0; c < column_count; c++) {
            total += widths[c] ? widths[c] + GAP : 0;
            if (widths[c] > widths[widest]) widest = c;
        }
        if (total <= room + GAP || widths[widest] <= COLUMN_LEAST) return;
        widths[widest]--;
    }
}

static void print_row(const struct cell *cells, const size_t *widths, size_t column_count,
                      const char *indent)
{
    size_t last = 0;
    for (size_t c = 0; c < column_count; c++)
        if (widths[c] && cells[c].text[0]) last = c;
    fputs(indent, stdout);
    for (size_t c = 0; c <= last; c++)
        if (widths[c]) print_cell(cells[c].text, widths[c], c == last, cells[c].paint);
    fputc('\n', stdout);
}

bool table_print(const struct table *table, const char *indent, bool is_whole, struct err *e)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0}, columns = terminal_columns(), margin = strlen(indent);
    if (table->is_short) return err_memory(e);
    must(table->cell_count % table->column_count == 0);
    measure(table, widths);
    if (!is_whole) fit(widths, table->column_count, columns > margin ? columns - margin : 0);
    if (table->headings) {
        struct cell headings[TABLE_COLUMNS_MAX] = {{0}};
        for (size_t c = 0; c < table->column_count; c++)
            headings[c] = (struct cell){table->headings[c], PAINT_FAINT};
        print_row(headings, widths, table->column_count, indent);
    }
    for (size_t i = 0; i < table->cell_count; i += table->column_count)
        print_row(&table->cells[i], widths, table->column_count, indent);
    return true;
}

static void print_line(span line, const char *indent)
{
    char shown[CELL_BYTES_MAX] = {0};
    fputs(indent, stdout);
    do { /* in parts, cut between characters */
        size_t len = line.len < 256 ? line.len : 256;
        while (len < line.len && len > 1 && (line.at[len] & 0xc0) == 0x80) len--;
        span part = {0};
        if (!span_take(&line, len, &part)) return;
        fputs(span_show(part, shown, sizeof shown), stdout);
    } while (line.len);
    fputc('\n', stdout);
}

void table_print_text(span text, const char *indent)
{
    span line = {0};
    while (span_take_until(&text, '\n', &line)) {
        if (line.len && line.at[line.len - 1] == '\r') line.len--;
        print_line(line, indent);
    }
    if (text.len) print_line(text, indent);
}

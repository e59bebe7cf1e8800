/*
 * A spreadsheet's file: what is read is written and read again the same, whatever was quoted, and cells that a spreadsheet
 * would run are harmless in what we write. Input: one byte for the delimiter, then the file.
 */
#include "node/formats/csv.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static bool is_blank_row(const span *cells, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cells[i].len) return false;
    return true;
}

/* Row 0 is the headings. */
static size_t row_cells(const struct csv_table *csv, size_t row, span *cells)
{
    size_t count = row ? csv_row(csv, row - 1)->cell_count : csv_heading_count(csv);
    for (size_t i = 0; i < count; i++) cells[i] = row ? csv_cell(csv, row - 1, i) : csv_heading(csv, i);
    return count;
}

static bool is_readable(const struct csv_table *csv, size_t row)
{
    return row == 0 || !csv_row(csv, row - 1)->wrong;
}

static void write_table(const struct csv_table *csv, struct buffer *out)
{
    span cells[CSV_COLUMNS_MAX];
    must(csv_write_start(out, NULL));
    for (size_t row = 0; row <= csv_row_count(csv); row++) {
        size_t count = row_cells(csv, row, cells);
        must(count <= CSV_COLUMNS_MAX);
        if (is_readable(csv, row) && !is_blank_row(cells, count)) must(csv_write_row(out, cells, count, NULL));
    }
}

/* Every row of `a` that could be read stands in `b`, in order. */
static void must_hold(const struct csv_table *a, const struct csv_table *b)
{
    span ours[CSV_COLUMNS_MAX], theirs[CSV_COLUMNS_MAX];
    size_t next = 0;
    for (size_t row = 0; row <= csv_row_count(a); row++) {
        size_t count = row_cells(a, row, ours);
        if (!is_readable(a, row) || is_blank_row(ours, count)) continue;
        must(next <= csv_row_count(b) && is_readable(b, next));
        must(row_cells(b, next, theirs) == count);
        for (size_t i = 0; i < count; i++) must_be_same(ours[i], theirs[i]);
        next++;
    }
    must(next == csv_row_count(b) + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const char delimiters[] = {0, ',', ';', '\t'};
    OWNED(csv_table_free) struct csv_table *csv = NULL;
    OWNED(csv_table_free) struct csv_table *again = NULL;
    OWNED_BUFFER written = {0};
    struct err e = {0};
    span in = span_of(at, len), cells[CSV_COLUMNS_MAX];
    char delimiter = delimiters[input_byte(&in) % 4];
    if (!csv_read(&csv, in, delimiter, &e)) {
        must_say_why(&e);
        must(!csv);
        return 0;
    }
    for (size_t i = 0; i < csv_row_count(csv); i++) must(csv_row(csv, i)->line >= 1);
    if (is_blank_row(cells, row_cells(csv, 0, cells))) return 0;
    write_table(csv, &written);
    bool is_reread = csv_read(&again, buffer_span(&written), ',', &e);
    must(is_reread);
    must_hold(csv, again);
    return 0;
}

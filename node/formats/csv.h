/*
 * csv - comma-separated values: what people's spreadsheets save, and what is safe to open in them (RFC 4180).
 *
 * Reading, by libcsv (named only here): UTF-8 with or without a byte order mark; commas, semicolons or tabs, found out
 * from the first line (or said by a first line "sep=;"); quoted line breaks; any line ends. The first row holds the
 * headings. Empty rows are passed over.
 *
 * Writing: a byte order mark, which spreadsheets take as the sign of UTF-8, commas, CRLF. A cell that a spreadsheet would
 * take for a formula (= + - @ tab CR LF NUL at its start) gets an apostrophe before it; plain numbers keep their minus.
 * Reading takes that apostrophe off again, so what is written is what is read.
 */
#pragma once
#include "protocol/vocabulary.h"

#define CSV_FILE_BYTES_MAX (64 * 1024 * 1024)
#define CSV_COLUMNS_MAX 256 /* what spreadsheets showed for a long time; real logs have under 40 */
#define CSV_ROWS_MAX 100000

struct csv_table; /* a whole file */

struct csv_row {
    uint64_t line; /* where it starts, from 1 */
    size_t cell_count;
    size_t first_cell;
    const char *wrong; /* why it could not be read, NULL when it could */
};

/* `delimiter` 0 finds it out. Fails: ERR_MALFORMED (not UTF-8, no headings: says what to do), ERR_LIMIT, ERR_MEMORY. */
MUST_USE bool csv_read(struct csv_table **out, span file, char delimiter, struct err *e);
void csv_table_free(struct csv_table *csv); /* csv_free is libcsv's */
OWNABLE(struct csv_table *, csv_table_free)

size_t csv_heading_count(const struct csv_table *csv);
span csv_heading(const struct csv_table *csv, size_t column);
size_t csv_row_count(const struct csv_table *csv); /* without the headings */
const struct csv_row *csv_row(const struct csv_table *csv, size_t row);
/* Empty when the row ends before this column. Line breaks are LF. Valid as long as `csv`. */
span csv_cell(const struct csv_table *csv, size_t row, size_t column);

/*
 * Which field each column holds: as one of `maps` ("Action=title") says, else by the field's name or label (loosely).
 * `fields` has room for csv_heading_count; NULL is a column that no field takes; "Remarks=" makes it one.
 * Fails: ERR_USAGE (a map without '=', an unknown field, no such heading, two columns for one field).
 */
MUST_USE bool csv_map(const struct csv_table *csv, const struct noun *noun, const char *const *maps,
                      size_t map_count, const struct field **fields, struct err *e);

/* Starts a file that is written. Fails: ERR_MEMORY. */
MUST_USE bool csv_write_start(struct buffer *out, struct err *e);
MUST_USE bool csv_write_row(struct buffer *out, const span *cells, size_t cell_count,
                            struct err *e);

#include "node/formats/csv.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

struct csv_cell_at {
    size_t at, len; /* in the text */
};

struct csv_table {
    struct buffer text; /* all cells, one after the other */
    struct csv_cell_at *cells;
    size_t cell_count, cell_cap;
    struct csv_row *rows; /* the first one is the headings */
    size_t row_count, row_cap;
};

void csv_table_free(struct csv_table *csv)
{
    if (!csv) return;
    buffer_wipe(&csv->text);
    free(csv->cells);
    free(csv->rows);
    free(csv);
}

/* ------------------------------------------------------------ formulas */

/* True when a spreadsheet would take it for a formula, once apostrophes at the start are passed over. */
static bool is_formula(span cell)
{
    static const uint8_t starts[] = {'=', '+', '-', '@', '\t', '\r', '\n', 0};
    size_t at = 0;
    while (at < cell.len && cell.at[at] == '\'') at++;
    return at < cell.len && memchr(starts, cell.at[at], sizeof starts);
}

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

/* -12 or -12.5: its minus is only a minus. */
static bool is_plain_number(span cell)
{
    size_t at = cell.len && cell.at[0] == '-' ? 1 : 0;
    size_t points = 0;
    if (at == cell.len || !is_digit(cell.at[at]) || !is_digit(cell.at[cell.len - 1])) return false;
    for (; at < cell.len; at++) {
        if (cell.at[at] == '.') points++;
        else if (!is_digit(cell.at[at])) return false;
    }
    return points <= 1;
}

/* ------------------------------------------------------------ reading */

/* Reading one file: where it stands between libcsv's calls. */
struct reading {
    struct csv_table *csv;
    uint64_t row_line;   /* where the row being read starts */
    size_t row_cells;    /* cells of it so far */
    const char *trouble; /* a limit was met or memory ran out: reading stops */
    bool is_limit;
    bool is_empty_row; /* no cell of it holds anything */
};

static bool grow(void **rows, size_t *cap, size_t count, size_t each)
{
    if (count < *cap) return true;
    size_t grown = *cap ? *cap * 2 : 64, bytes = 0;
    if (!size_mul(grown, each, &bytes)) return false;
    void *at = realloc(*rows, bytes);
    if (!at) return false;
    *rows = at;
    *cap = grown;
    return true;
}

static void stop_reading(struct reading *reading, bool is_limit, const char *trouble)
{
    if (reading->trouble) return;
    reading->trouble = trouble;
    reading->is_limit = is_limit;
}

/* Line breaks become LF; an apostrophe that kept a formula harmless goes. */
static bool keep_cell_text(struct csv_table *csv, span cell, struct csv_cell_at *out)
{
    span apostrophe = {0}, byte = {0};
    if (cell.len && cell.at[0] == '\'' && is_formula(cell)) (void)!span_take(&cell, 1, &apostrophe);
    size_t start = csv->text.len;
    if (!buffer_reserve(&csv->text, start + cell.len + 1, NULL)) return false;
    if (cell.len && !memchr(cell.at, '\r', cell.len)) { /* nearly always: as it stands */
        if (!buffer_put(&csv->text, cell, NULL)) return false;
        cell = (span){0};
    }
    while (span_take(&cell, 1, &byte)) {
        bool is_break = byte.at[0] == '\r';
        if (is_break && cell.len && cell.at[0] == '\n') continue;
        if (!buffer_put(&csv->text, is_break ? span_of("\n", 1) : byte, NULL)) return false;
    }
    *out = (struct csv_cell_at){start, csv->text.len - start};
    return true;
}

static void take_cell(void *at, size_t len, void *self)
{
    struct reading *reading = self;
    struct csv_table *csv = reading->csv;
    if (reading->trouble) return;
    if (reading->row_cells == CSV_COLUMNS_MAX) {
        stop_reading(reading, true, "a row has more than 256 cells");
        return;
    }
    if (!grow((void **)&csv->cells, &csv->cell_cap, csv->cell_count, sizeof *csv->cells) ||
        !keep_cell_text(csv, span_of(at, len), &csv->cells[csv->cell_count])) {
        stop_reading(reading, false, "there is not enough memory");
        return;
    }
    if (len) reading->is_empty_row = false;
    csv->cell_count++;
    reading->row_cells++;
}

static void keep_row(struct reading *reading, const char *wrong)
{
    struct csv_table *csv = reading->csv;
    if (csv->row_count > CSV_ROWS_MAX) {
        stop_reading(reading, true, "there are more than 100000 rows");
        return;
    }
    if (!grow((void **)&csv->rows, &csv->row_cap, csv->row_count, sizeof *csv->rows)) {
        stop_reading(reading, false, "there is not enough memory");
        return;
    }
    csv->rows[csv->row_count++] = (struct csv_row){reading->row_line, reading->row_cells,
                                                   csv->cell_count - reading->row_cells, wrong};
}

static void start_row(struct reading *reading)
{
    reading->row_line = 0;
    reading->row_cells = 0;
    reading->is_empty_row = true;
}

static void take_row(int ended_by, void *self)
{
    struct reading *reading = self;
    (void)ended_by;
    if (reading->trouble) return;
    if (reading->is_empty_row) reading->csv->cell_count -= reading->row_cells;
    else keep_row(reading, NULL);
    start_row(reading);
}

/* Takes one line with its end off the file; lines end with LF, CR LF or CR. */
static bool take_line(span *left, span *line)
{
    size_t len = 0;
    if (left->len == 0) return false;
    while (len < left->len && left->at[len] != '\n' && left->at[len] != '\r') len++;
    if (len + 1 < left->len && left->at[len] == '\r' && left->at[len + 1] == '\n') len++;
    return span_take(left, len < left->len ? len + 1 : len, line);
}

static bool parser_start(struct csv_parser *parser, char delimiter)
{
    if (csv_init(parser, CSV_STRICT | CSV_STRICT_FINI) != 0) return false;
    csv_set_delim(parser, (unsigned char)delimiter);
    return true;
}

static bool is_blank(span line, char delimiter)
{
    for (size_t i = 0; i < line.len; i++) {
        uint8_t c = line.at[i];
        if ((c != ' ' && c != '\t' && c != '\r' && c != '\n') || c == (uint8_t)delimiter)
            return false;
    }
    return true;
}

/* Reads line by line, so that every row knows where it starts and a bad one does not spoil what follows. */
static bool read_rows(struct reading *reading, span file, char delimiter, uint64_t line_number)
{
    struct csv_parser parser = {0};
    span line = {0};
    if (!parser_start(&parser, delimiter)) return false;
    start_row(reading);
    for (; !reading->trouble && take_line(&file, &line); line_number++) {
        if (!reading->row_line && is_blank(line, delimiter)) continue;
        if (!reading->row_line) reading->row_line = line_number;
        size_t taken = csv_parse(&parser, line.at, line.len, take_cell, take_row, reading);
        if (taken == line.len) continue;
        if (csv_error(&parser) != CSV_EPARSE)
            stop_reading(reading, false, "there is not enough memory");
        keep_row(reading, "a quotation mark stands where none may stand");
        start_row(reading);
        csv_free(&parser);
        if (!parser_start(&parser, delimiter)) return false;
    }
    if (!reading->trouble && csv_fini(&parser, take_cell, take_row, reading) != 0)
        keep_row(reading, "a quotation mark is opened and never closed");
    csv_free(&parser);
    return true;
}

/* The delimiter that stands most often outside quotes in the first line; a comma when none does. */
static char find_delimiter(span file)
{
    static const char candidates[] = {',', ';', '\t'};
    size_t counts[sizeof candidates] = {0};
    bool is_quoted = false;
    size_t best = 0;
    span line = {0};
    if (!take_line(&file, &line)) return ',';
    for (size_t i = 0; i < line.len; i++) {
        if (line.at[i] == '"') is_quoted = !is_quoted;
        for (size_t c = 0; c < sizeof candidates && !is_quoted; c++)
            counts[c] += line.at[i] == (uint8_t)candidates[c];
    }
    for (size_t c = 1; c < sizeof candidates; c++)
        if (counts[c] > counts[best]) best = c;
    return candidates[best];
}

/* A first line "sep=;" is how some spreadsheets say it. */
static bool take_delimiter_line(span *file, char *delimiter)
{
    span left = *file, line = {0};
    if (!take_line(&left, &line) || line.len < 5 || memcmp(line.at, "sep=", 4) != 0) return false;
    char said = (char)line.at[4];
    if (!is_blank(span_of(&line.at[5], line.len - 5), 0)) return false;
    if (said != ',' && said != ';' && said != '\t') return false;
    *delimiter = said;
    *file = left;
    return true;
}

static bool check_utf8(span file, struct err *e)
{
    uint64_t number = 1;
    span line = {0};
    if (span_is_utf8(file)) return true;
    while (take_line(&file, &line) && span_is_utf8(line)) number++;
    (void)err_set(e, ERR_MALFORMED, "line %llu is not UTF-8 text", (unsigned long long)number);
    return err_next(e, "save it again from the spreadsheet as \"CSV UTF-8\"");
}

bool csv_read(struct csv_table **out, span file, char delimiter, struct err *e)
{
    OWNED(csv_table_free) struct csv_table *csv = calloc(1, sizeof *csv);
    struct reading reading = {.csv = csv};
    uint64_t line_number = 1;
    span mark = {0};
    if (!csv) return err_memory(e);
    if (file.len > CSV_FILE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "it is %zu bytes, the limit is %d", file.len,
                       CSV_FILE_BYTES_MAX);
    if (file.len >= 3 && memcmp(file.at, "\xef\xbb\xbf", 3) == 0) (void)!span_take(&file, 3, &mark);
    if (!check_utf8(file, e)) return false;
    char said = 0;
    if (take_delimiter_line(&file, &said)) line_number++;
    if (!delimiter) delimiter = said ? said : find_delimiter(file);
    if (!read_rows(&reading, file, delimiter, line_number)) return err_memory(e);
    if (reading.trouble)
        return err_set(e, reading.is_limit ? ERR_LIMIT : ERR_MEMORY, "%s", reading.trouble);
    if (csv->row_count == 0 || csv->rows[0].wrong) {
        (void)err_set(e, ERR_MALFORMED, "there is no row of headings that can be read");
        return err_next(e, "the first row names the columns, such as Title, Owner, Due");
    }
    *out = GIVE(csv);
    return true;
}

size_t csv_heading_count(const struct csv_table *csv) { return csv->rows[0].cell_count; }
size_t csv_row_count(const struct csv_table *csv) { return csv->row_count - 1; }

static span cell_of(const struct csv_table *csv, const struct csv_row *row, size_t column)
{
    if (column >= row->cell_count) return (span){0};
    const struct csv_cell_at *cell = &csv->cells[row->first_cell + column];
    return span_of(&csv->text.at[cell->at], cell->len);
}

span csv_heading(const struct csv_table *csv, size_t column)
{
    return cell_of(csv, &csv->rows[0], column);
}

const struct csv_row *csv_row(const struct csv_table *csv, size_t row)
{
    must(row < csv_row_count(csv));
    return &csv->rows[row + 1];
}

span csv_cell(const struct csv_table *csv, size_t row, size_t column)
{
    return cell_of(csv, csv_row(csv, row), column);
}

/* ------------------------------------------------------------ headings */

static bool same_heading(span a, span b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++) {
        uint8_t x = a.at[i], y = b.at[i];
        if (x >= 'A' && x <= 'Z') x = (uint8_t)(x - 'A' + 'a');
        if (y >= 'A' && y <= 'Z') y = (uint8_t)(y - 'A' + 'a');
        if (x != y) return false;
    }
    return true;
}

static bool list_headings(const struct csv_table *csv, struct err *e)
{
    char all[160] = {0}, shown[48] = {0};
    struct sink out = sink_over(all, sizeof all - 1);
    for (size_t i = 0; i < csv_heading_count(csv) && !out.full; i++) {
        if (i) sink_text(&out, ", ");
        sink_text(&out, span_show(csv_heading(csv, i), shown, sizeof shown));
    }
    return err_next(e, "the headings are: %s", all);
}

/* One "Action=title": the heading is what stands before the last '='. */
static bool map_one(const struct csv_table *csv, const struct noun *noun, span map,
                    const struct field **fields, bool *is_mapped, struct err *e)
{
    char shown[60] = {0};
    span heading = map, name = map, skipped = {0};
    while (heading.len && heading.at[heading.len - 1] != '=') heading.len--;
    if (!heading.len)
        return err_set(e, ERR_USAGE, "'%s' maps nothing: it should be \"Heading=field\"",
                       span_show(map, shown, sizeof shown));
    if (!span_take(&name, heading.len, &skipped)) return false;
    heading.len--;
    const struct field *field = name.len ? noun_field_loosely(noun, name) : NULL;
    if (name.len && !field)
        return err_set(e, ERR_USAGE, "%s has no field '%s'", noun->name,
                       span_show(name, shown, sizeof shown));
    for (size_t i = 0; i < csv_heading_count(csv); i++) {
        if (!same_heading(csv_heading(csv, i), heading)) continue;
        fields[i] = field;
        is_mapped[i] = true;
        return true;
    }
    (void)err_set(e, ERR_USAGE, "no column is headed '%s'",
                  span_show(heading, shown, sizeof shown));
    return list_headings(csv, e);
}

static bool check_once(const struct csv_table *csv, const struct field *const *fields,
                       struct err *e)
{
    char one[60] = {0}, other[60] = {0};
    for (size_t i = 0; i < csv_heading_count(csv); i++)
        for (size_t k = 0; fields[i] && k < i; k++)
            if (fields[k] == fields[i]) {
                (void)err_set(e, ERR_USAGE, "the columns '%s' and '%s' are both %s",
                              span_show(csv_heading(csv, k), one, sizeof one),
                              span_show(csv_heading(csv, i), other, sizeof other), fields[i]->name);
                return err_next(e, "leave one out with --map \"%s=\"", other);
            }
    return true;
}

bool csv_map(const struct csv_table *csv, const struct noun *noun, const char *const *maps,
             size_t map_count, const struct field **fields, struct err *e)
{
    bool is_mapped[CSV_COLUMNS_MAX] = {false};
    const struct field *found[CSV_COLUMNS_MAX] = {NULL};
    for (size_t i = 0; i < map_count; i++)
        if (!map_one(csv, noun, span_text(maps[i]), found, is_mapped, e)) return false;
    for (size_t i = 0; i < csv_heading_count(csv); i++) {
        if (!is_mapped[i] && csv_heading(csv, i).len)
            found[i] = noun_field_loosely(noun, csv_heading(csv, i));
        /* a heading that names a field which another column was mapped to is just a column */
        for (size_t k = 0; k < csv_heading_count(csv) && found[i] && !is_mapped[i]; k++)
            if (is_mapped[k] && found[k] == found[i]) found[i] = NULL;
    }
    if (!check_once(csv, found, e)) return false;
    memcpy(fields, found, csv_heading_count(csv) * sizeof fields[0]);
    return true;
}

/* ------------------------------------------------------------ writing */

bool csv_write_start(struct buffer *out, struct err *e)
{
    return buffer_put(out, span_of("\xef\xbb\xbf", 3), e);
}

static bool needs_quotes(span cell)
{
    /* at the start of a file it would say what the delimiter is */
    if (cell.len >= 4 && memcmp(cell.at, "sep=", 4) == 0) return true;
    if (cell.len && (cell.at[0] == ' ' || cell.at[cell.len - 1] == ' ')) return true;
    for (size_t i = 0; i < cell.len; i++)
        if (memchr("\",;\t\r\n", cell.at[i], 6)) return true;
    return false;
}

static bool write_cell(struct buffer *out, span cell, struct err *e)
{
    OWNED_BUFFER safe = {0};
    size_t room = 0, most = 0;
    if (is_formula(cell) && !is_plain_number(cell)) {
        if (!buffer_put(&safe, span_of("'", 1), e) || !buffer_put(&safe, cell, e)) return false;
        cell = buffer_span(&safe);
    }
    if (!needs_quotes(cell)) return buffer_put(out, cell, e);
    if (!size_mul(cell.len, 2, &room) || !size_add(room, 2, &room) ||
        !size_add(out->len, room, &most))
        return err_memory(e);
    if (!buffer_reserve(out, most, e)) return false;
    out->len +=
        csv_write(&out->at[out->len], room, cell.at, cell.len); /* doubles quotes, adds its own */
    return true;
}

bool csv_write_row(struct buffer *out, const span *cells, size_t cell_count, struct err *e)
{
    for (size_t i = 0; i < cell_count; i++) {
        if (i && !buffer_put(out, span_of(",", 1), e)) return false;
        if (!write_cell(out, cells[i], e)) return false;
    }
    return buffer_put(out, span_of("\r\n", 2), e);
}

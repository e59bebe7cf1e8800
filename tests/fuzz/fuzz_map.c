/*
 * Which column of a spreadsheet holds which field: `--map "Heading=field"`, and headings taken by their names.
 * Input: lines; the first holds the headings, those after it are maps.
 */
#include "node/formats/csv.h"
#include "tests/fuzz/fuzz.h"

#define MAPS_MAX 8
#define MAP_BYTES 120

static void check(const struct csv_table *csv, const struct noun *noun, const char *const *maps, size_t count)
{
    const struct field *fields[CSV_COLUMNS_MAX];
    struct err e = {0};
    size_t columns = csv_heading_count(csv);
    mark_untouched(fields, sizeof fields);
    if (!csv_map(csv, noun, maps, count, fields, &e)) {
        must(e.code == ERR_USAGE);
        must_say_why(&e);
        must(span_is_utf8(span_text(e.said)) && span_is_utf8(span_text(e.next)));
        must_be_untouched(fields, sizeof fields);
        return;
    }
    must_be_untouched(&fields[columns], (CSV_COLUMNS_MAX - columns) * sizeof fields[0]);
    for (size_t i = 0; i < columns; i++) {
        if (!fields[i]) continue;
        must(fields[i] >= noun->fields && fields[i] < noun->fields + noun->field_count);
        for (size_t k = 0; k < i; k++) must(fields[k] != fields[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    OWNED(csv_table_free) struct csv_table *csv = NULL;
    char rooms[MAPS_MAX][MAP_BYTES];
    const char *maps[MAPS_MAX];
    span in = span_of(at, len), headings = {0}, line = {0};
    size_t count = 0, nouns = 0;
    const struct noun *noun = vocabulary_nouns(&nouns);
    if (!span_take_until(&in, '\n', &headings)) headings = in, in = (span){0};
    while (count < MAPS_MAX && span_take_until(&in, '\n', &line))
        if (span_to_text(line, rooms[count], MAP_BYTES)) maps[count] = rooms[count], count++;
    if (!csv_read(&csv, headings, 0, NULL)) return 0;
    check(csv, &noun[len % nouns], maps, count);
    return 0;
}

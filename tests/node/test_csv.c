/* csv: reading people's spreadsheets, and writing what is safe to open in one. */
#include "node/formats/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct csv_table *table_of(const char *text)
{
    struct csv_table *csv = NULL;
    struct err e = {0};
    if (!csv_read(&csv, span_text(text), 0, &e)) fail_msg("%s", e.said);
    return csv;
}

static void assert_cell(const struct csv_table *csv, size_t row, size_t column,
                        const char *expected)
{
    char found[300] = {0};
    assert_true(span_to_text(csv_cell(csv, row, column), found, sizeof found));
    assert_string_equal(found, expected);
}

static void a_byte_order_mark_is_no_part_of_the_first_heading(void **state)
{
    (void)state;
    OWNED(csv_table_free) struct csv_table *csv = table_of("\xef\xbb\xbfTitle,Owner\nPaint,ACME\n");

    assert_true(span_equal(csv_heading(csv, 0), span_text("Title")));
    assert_int_equal(csv_row_count(csv), 1);
    assert_cell(csv, 0, 1, "ACME");
}

static void quoted_cells_hold_line_breaks_delimiters_and_quotes(void **state)
{
    (void)state;
    OWNED(csv_table_free)
    struct csv_table *csv =
        table_of("Title,Done when\r\n\"Paint, twice\",\"first\r\nthen \"\"dry\"\"\"\r\nLast,x\r\n");

    assert_int_equal(csv_row_count(csv), 2);
    assert_cell(csv, 0, 0, "Paint, twice");
    assert_cell(csv, 0, 1, "first\nthen \"dry\"");
    assert_int_equal(csv_row(csv, 0)->line, 2);
    assert_int_equal(csv_row(csv, 1)->line, 4);
}

static void semicolons_and_tabs_are_found_out(void **state)
{
    (void)state;
    OWNED(csv_table_free)
    struct csv_table *semicolons = table_of("Title;Owner;Due\nA, B;ACME;2026-12-18\n");
    OWNED(csv_table_free) struct csv_table *tabs = table_of("Title\tOwner\nA, B;C\tACME\n");
    OWNED(csv_table_free)
    struct csv_table *said = table_of("sep=;\r\nTitle;Owner\r\nA, B;ACME\r\n");

    assert_cell(semicolons, 0, 0, "A, B");
    assert_cell(semicolons, 0, 2, "2026-12-18");
    assert_cell(tabs, 0, 1, "ACME");
    assert_cell(said, 0, 0, "A, B");
    assert_int_equal(csv_row(said, 0)->line, 3);
}

static void empty_rows_are_passed_over_and_lines_counted_all_the_same(void **state)
{
    (void)state;
    OWNED(csv_table_free)
    struct csv_table *csv = table_of("Title,Owner\n\n,\n  \nPaint,ACME\n,,\n");

    assert_int_equal(csv_row_count(csv), 1);
    assert_int_equal(csv_row(csv, 0)->line, 5);
    assert_cell(csv, 0, 7, "");
}

static void a_row_with_a_stray_quote_is_bad_and_the_next_is_read(void **state)
{
    (void)state;
    OWNED(csv_table_free)
    struct csv_table *csv = table_of("Title,Owner\n5\" pipe,ACME\nPaint,BOLT\n");

    assert_int_equal(csv_row_count(csv), 2);
    assert_non_null(csv_row(csv, 0)->wrong);
    assert_int_equal(csv_row(csv, 0)->line, 2);
    assert_null(csv_row(csv, 1)->wrong);
    assert_cell(csv, 1, 1, "BOLT");
}

static void a_quote_that_is_never_closed_is_bad(void **state)
{
    (void)state;
    OWNED(csv_table_free)
    struct csv_table *csv = table_of("Title,Owner\nPaint,ACME\n\"open,BOLT\nmore,CORD\n");

    assert_int_equal(csv_row_count(csv), 2);
    assert_null(csv_row(csv, 0)->wrong);
    assert_non_null(csv_row(csv, 1)->wrong);
    assert_int_equal(csv_row(csv, 1)->line, 3);
}

static void other_encodings_are_refused_with_the_line(void **state)
{
    (void)state;
    struct csv_table *csv = NULL;
    struct err e = {0};

    assert_false(csv_read(&csv,
                          span_text("Title,Owner\nPaint,ACME\nStra\xdf"
                                    "e,BOLT\n"),
                          0, &e));

    assert_null(csv);
    assert_int_equal(e.code, ERR_MALFORMED);
    assert_non_null(strstr(e.said, "line 3"));
    assert_non_null(strstr(e.next, "UTF-8"));
}

static void a_file_without_headings_is_refused(void **state)
{
    (void)state;
    struct csv_table *csv = NULL;
    struct err e = {0};

    assert_false(csv_read(&csv, span_text("\n\n"), 0, &e));

    assert_int_equal(e.code, ERR_MALFORMED);
}

static void too_many_cells_in_a_row_are_refused(void **state)
{
    (void)state;
    struct csv_table *csv = NULL;
    struct err e = {0};
    char text[2 * CSV_COLUMNS_MAX + 8] = {0};
    memset(text, ',', CSV_COLUMNS_MAX + 1);
    text[0] = 'x';

    assert_false(csv_read(&csv, span_text(text), 0, &e));

    assert_int_equal(e.code, ERR_LIMIT);
}

/* ------------------------------------------------------------ headings */

static const struct noun *action(void) { return vocabulary_find(span_text("action")); }

static void headings_are_known_by_name_and_label(void **state)
{
    (void)state;
    OWNED(csv_table_free)
    struct csv_table *csv = table_of("DUE,Owner person,Remarks,title,Done-when\n1,2,3,4,5\n");
    const struct field *fields[5] = {NULL};

    assert_true(csv_map(csv, action(), NULL, 0, fields, NULL));

    assert_string_equal(fields[0]->name, "due");
    assert_string_equal(fields[1]->name, "owner_person");
    assert_null(fields[2]);
    assert_string_equal(fields[3]->name, "title");
    assert_string_equal(fields[4]->name, "done_when");
}

static void a_map_names_a_column_and_wins_over_its_own_name(void **state)
{
    (void)state;
    OWNED(csv_table_free) struct csv_table *csv = table_of("Action,Title,Who\nPaint,x,ACME\n");
    const char *maps[] = {"action=title", "Who=owner"};
    const struct field *fields[3] = {NULL};

    assert_true(csv_map(csv, action(), maps, 2, fields, NULL));

    assert_string_equal(fields[0]->name, "title");
    assert_null(fields[1]);
    assert_string_equal(fields[2]->name, "owner");
}

static void wrong_maps_are_refused(void **state)
{
    (void)state;
    OWNED(csv_table_free) struct csv_table *csv = table_of("Action,Who,Due,due\nPaint,ACME,,\n");
    const struct field *fields[4] = {NULL};
    const char *wrong[] = {"Action", "Action=colour", "Nothing=title"};
    for (size_t i = 0; i < 3; i++) {
        struct err e = {0};
        assert_false(csv_map(csv, action(), &wrong[i], 1, fields, &e));
        assert_int_equal(e.code, ERR_USAGE);
    }

    struct err twice = {0};
    assert_false(csv_map(csv, action(), NULL, 0, fields, &twice));
    assert_non_null(strstr(twice.said, "both due"));
}

/* ------------------------------------------------------------ writing */

static void assert_written(const char *cell, const char *expected)
{
    OWNED_BUFFER out = {0};
    char found[100] = {0};
    span cells[] = {span_text(cell)};
    assert_true(csv_write_row(&out, cells, 1, NULL));
    assert_true(span_to_text(buffer_span(&out), found, sizeof found));
    assert_string_equal(found, expected);
}

static void formulas_get_an_apostrophe_and_numbers_keep_their_minus(void **state)
{
    (void)state;
    assert_written("=1+1", "'=1+1\r\n");
    assert_written("+41 44", "'+41 44\r\n");
    assert_written("-2+3", "'-2+3\r\n");
    assert_written("@SUM(A1)", "'@SUM(A1)\r\n");
    assert_written("\tx", "\"'\tx\"\r\n");
    assert_written("\rx", "\"'\rx\"\r\n");
    assert_written("-12", "-12\r\n");
    assert_written("-12.5", "-12.5\r\n");
    assert_written("-", "'-\r\n");
    assert_written("-1.2.3", "'-1.2.3\r\n");
    assert_written("plain = text", "plain = text\r\n");
}

static void a_cell_that_begins_with_nul_is_made_harmless(void **state)
{
    (void)state;
    OWNED_BUFFER out = {0};
    span cells[] = {span_of("\0=1", 3)};

    assert_true(csv_write_row(&out, cells, 1, NULL));

    assert_int_equal(out.at[0], '\'');
}

static void delimiters_quotes_and_line_breaks_are_quoted(void **state)
{
    (void)state;
    assert_written("a,b", "\"a,b\"\r\n");
    assert_written("a;b", "\"a;b\"\r\n");
    assert_written("say \"x\"", "\"say \"\"x\"\"\"\r\n");
    assert_written("a\nb", "\"a\nb\"\r\n");
    assert_written(" a", "\" a\"\r\n");
}

static void what_is_written_is_what_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {"plain", "=1+1", "'=1",         "''=x", "'tis",
                                        "-5",    "-x",   "a\n\"b\",;c", "\tx",  "é – ü"};
    const size_t count = sizeof texts / sizeof texts[0];
    OWNED_BUFFER out = {0};
    OWNED(csv_table_free) struct csv_table *csv = NULL;
    span cells[10] = {{0}};
    for (size_t i = 0; i < count; i++) cells[i] = span_text(texts[i]);

    assert_true(csv_write_start(&out, NULL));
    assert_true(csv_write_row(&out, cells, count, NULL));
    assert_true(csv_write_row(&out, cells, count, NULL));
    assert_true(csv_read(&csv, buffer_span(&out), 0, NULL));

    assert_int_equal(csv_row_count(csv), 1);
    for (size_t i = 0; i < count; i++) assert_cell(csv, 0, i, texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_first_heading),
        cmocka_unit_test(quoted_cells_hold_line_breaks_delimiters_and_quotes),
        cmocka_unit_test(semicolons_and_tabs_are_found_out),
        cmocka_unit_test(empty_rows_are_passed_over_and_lines_counted_all_the_same),
        cmocka_unit_test(a_row_with_a_stray_quote_is_bad_and_the_next_is_read),
        cmocka_unit_test(a_quote_that_is_never_closed_is_bad),
        cmocka_unit_test(other_encodings_are_refused_with_the_line),
        cmocka_unit_test(a_file_without_headings_is_refused),
        cmocka_unit_test(too_many_cells_in_a_row_are_refused),
        cmocka_unit_test(headings_are_known_by_name_and_label),
        cmocka_unit_test(a_map_names_a_column_and_wins_over_its_own_name),
        cmocka_unit_test(wrong_maps_are_refused),
        cmocka_unit_test(formulas_get_an_apostrophe_and_numbers_keep_their_minus),
        cmocka_unit_test(a_cell_that_begins_with_nul_is_made_harmless),
        cmocka_unit_test(delimiters_quotes_and_line_breaks_are_quoted),
        cmocka_unit_test(what_is_written_is_what_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

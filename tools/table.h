/*
 * table - rows of text in aligned columns, for people.
 *
 * Text from anywhere goes in: what could drive or fool a terminal becomes '?'. Columns that hold nothing are left out;
 * where a row would be wider than the screen, the widest columns are cut and end in "…".
 */
#pragma once
#include "tools/terminal.h"

#define TABLE_COLUMNS_MAX 48

struct table;

/* `headings` (column_count of them) are not copied; NULL: a table without headings. Fails: ERR_MEMORY. */
MUST_USE bool table_new(struct table **out, const char *const *headings, size_t column_count,
                        struct err *e);
/* The next cell, row by row. A line break is shown as a space. */
void table_put(struct table *table, span text, enum paint paint);
void table_put_text(struct table *table, const char *text, enum paint paint);
/* Prints on stdout, each row after `indent`. `is_whole`: nothing is cut. Fails: ERR_MEMORY (of table_put, too). */
MUST_USE bool table_print(const struct table *table, const char *indent, bool is_whole,
                          struct err *e);
size_t table_row_count(const struct table *table);
void table_free(struct table *table);
OWNABLE(struct table *, table_free)

/* Prints text of any length on stdout, each of its lines after `indent`, made harmless as above. */
void table_print_text(span text, const char *indent);

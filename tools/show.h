/*
 * show - items with their terms, progress and offers: for people on stdout, and as JSON for programs.
 */
#pragma once
#include "tools/choose.h"
#include "tools/table.h"

#define SHOW_VALUE_MAX 24 /* room for a number */
#define SHOW_ID_DIGITS 8  /* of an entry id, for people */

/* A value as text: as it is, or the number written into `room`. */
span show_value(const struct value *value, char room[SHOW_VALUE_MAX]);
/* The first digits of an id. Returns `out`. */
const char *show_id(const struct hash *id, char out[SHOW_ID_DIGITS + 1]);
/* "offered", "agreed", "stated", "disputed" ...: where an item stands, for programs. */
const char *show_state(const struct item_view *view);
/* "Accepted – receipt awaited": the same for people. */
const char *show_state_words(const struct item_view *view);
const char *show_standing_words(enum standing standing);
enum paint show_standing_paint(enum standing standing);
/* "acknowledged", "disputed", "dispute_withdrawn". */
const char *show_statement_word(enum statement_word word);
/* "in progress" for "in_progress": choices as people write them. Returns `out`, cut to fit. */
const char *show_choice(span choice, char *out, size_t cap);

/* Fills the open JSON object with the item: ref, id, noun, relationship, state, terms, progress, offers, statement. */
void show_item_json(struct json *json, const struct item_view *view,
                    const struct relationship *relationship);
void show_fields_json(struct json *json, const char *name, const struct body_field *fields,
                      size_t count);

/* The terms that stand for it in a list: the agreed ones, else those of its first offer. */
const struct body_field *show_terms(const struct item_view *view, size_t *count);
/* Everything about an item, for people. Fails: ERR_MEMORY. */
MUST_USE bool show_item(const struct item_view *view, const struct relationship *relationship,
                        int64_t now_ms, struct err *e);
/* One offer against the agreed terms, field by field. Fails: ERR_MEMORY. */
MUST_USE bool show_offer(const struct item_view *view, const struct offer *offer,
                         const struct relationship *relationship, int64_t now_ms, struct err *e);
/* Fields with their labels, long ones below. Fails: ERR_MEMORY. */
MUST_USE bool show_fields(const struct noun *noun, const struct body_field *fields, size_t count,
                          struct err *e);

/* What an offer changes: `at` walks over the fields; false when there are no more. */
struct difference {
    char name[FIELD_NAME_BYTES_MAX + 1];
    const struct field *field;   /* NULL: of a newer version */
    const struct value *agreed;  /* NULL: not there */
    const struct value *offered; /* NULL: not there any more */
};
bool show_next_difference(const struct item_view *view, const struct offer *offer, size_t *at,
                          struct difference *out);

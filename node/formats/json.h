/*
 * json - JSON documents, written from the outside in (RFC 8259, by jansson, which is named only here).
 *
 * A document starts as an open object. Inside an object every value has a name, inside an array the name is NULL.
 * What could not be kept (no memory, text that is not UTF-8) is remembered and said once, by json_print.
 */
#pragma once
#include "crypto/base/span.h"

#define JSON_DEPTH_MAX 12

struct json;

MUST_USE bool json_new(struct json **out, struct err *e);
void json_start_object(struct json *json, const char *name);
void json_start_array(struct json *json, const char *name);
void json_end(struct json *json); /* of the object or array started last */
void json_put_text(struct json *json, const char *name, const char *text); /* NULL text: null */
void json_put_span(struct json *json, const char *name, span text);
void json_put_hex(struct json *json, const char *name, span bytes); /* as lower-case hex */
void json_put_number(struct json *json, const char *name, int64_t number);
void json_put_count(struct json *json, const char *name, uint64_t count); /* at most 2^63 - 1 */
void json_put_bool(struct json *json, const char *name, bool claim);
void json_put_null(struct json *json, const char *name);

/* Appends the whole document, without a final newline, what is still open closed. Fails: ERR_MEMORY, ERR_MALFORMED. */
MUST_USE bool json_print(const struct json *json, bool is_indented, struct buffer *out,
                         struct err *e);
void json_free(struct json *json);
OWNABLE(struct json *, json_free)

#include "node/formats/json.h"

#include <jansson.h>
#include <stdlib.h>

struct json {
    json_t *open[JSON_DEPTH_MAX]; /* open[0] is the document, which owns the others */
    size_t depth;                 /* how many are open, at least 1 */
    bool is_malformed;            /* some text was not UTF-8 */
    bool is_short;                /* memory ran out */
};

bool json_new(struct json **out, struct err *e)
{
    OWNED(json_free) struct json *json = calloc(1, sizeof *json);
    if (!json) return err_memory(e);
    json->open[0] = json_object();
    json->depth = 1;
    if (!json->open[0]) return err_memory(e);
    *out = GIVE(json);
    return true;
}

/* Takes `value` into what is open. */
static void put(struct json *json, const char *name, json_t *value)
{
    json_t *open = json->open[json->depth - 1];
    must(json_is_object(open) == (name != NULL));
    int failed = name ? json_object_set_new(open, name, value) : json_array_append_new(open, value);
    if (failed) json->is_short = true; /* a NULL value too */
}

/* What is started after memory ran out hangs in the air: it goes nowhere and is not printed. */
static void start(struct json *json, const char *name, json_t *value)
{
    must(json->depth < JSON_DEPTH_MAX);
    put(json, name, value);
    json->open[json->depth] = value && !json->is_short ? value : json->open[json->depth - 1];
    json->depth++;
}

void json_start_object(struct json *json, const char *name)
{
    if (!json->is_short) start(json, name, json_object());
}

void json_start_array(struct json *json, const char *name)
{
    if (!json->is_short) start(json, name, json_array());
}

void json_end(struct json *json)
{
    if (json->is_short) return;
    must(json->depth > 1);
    json->depth--;
}

void json_put_span(struct json *json, const char *name, span text)
{
    if (json->is_short) return;
    if (!span_is_utf8(text)) {
        json->is_malformed = true;
        return;
    }
    put(json, name, json_stringn_nocheck(text.len ? (const char *)text.at : "", text.len));
}

void json_put_text(struct json *json, const char *name, const char *text)
{
    if (text) json_put_span(json, name, span_text(text));
    else json_put_null(json, name);
}

void json_put_hex(struct json *json, const char *name, span bytes)
{
    OWNED_BUFFER digits = {0};
    must(bytes.len <= SIZE_MAX / 2 - 1);
    if (!buffer_reserve(&digits, 2 * bytes.len + 1, NULL)) {
        json->is_short = true;
        return;
    }
    json_put_text(json, name, hex_write(bytes, (char *)digits.at, digits.cap));
}

void json_put_number(struct json *json, const char *name, int64_t number)
{
    if (!json->is_short) put(json, name, json_integer(number));
}

void json_put_count(struct json *json, const char *name, uint64_t count)
{
    must(count <= INT64_MAX);
    json_put_number(json, name, (int64_t)count);
}

void json_put_bool(struct json *json, const char *name, bool claim)
{
    if (!json->is_short) put(json, name, json_boolean(claim));
}

void json_put_null(struct json *json, const char *name)
{
    if (!json->is_short) put(json, name, json_null());
}

struct printing {
    struct buffer *out;
    struct err *e;
};

static int print_part(const char *part, size_t len, void *self)
{
    struct printing *printing = self;
    return buffer_put(printing->out, span_of(part, len), printing->e) ? 0 : -1;
}

bool json_print(const struct json *json, bool is_indented, struct buffer *out, struct err *e)
{
    struct printing printing = {out, e};
    size_t flags = is_indented ? JSON_INDENT(2) : JSON_COMPACT;
    if (json->is_short) return err_memory(e);
    if (json->is_malformed)
        return err_set(e, ERR_MALFORMED, "some text is not UTF-8 and cannot be written as JSON");
    if (json_dump_callback(json->open[0], print_part, &printing, flags) != 0) return err_memory(e);
    return true;
}

void json_free(struct json *json)
{
    if (!json) return;
    json_decref(json->open[0]);
    free(json);
}

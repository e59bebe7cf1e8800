/*
 * JSON documents: whatever is put in comes out as JSON that another reader (jansson) takes and that says the same; text
 * that is not UTF-8 is said so. Input: a run of commands, each with its own bytes.
 */
#include "node/formats/json.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#define STEPS_MAX 64

/* What has been put: the same document, made by jansson alone. */
struct shadow {
    json_t *open[JSON_DEPTH_MAX];
    size_t depth;
    bool is_malformed;
};

static void shadow_put(struct shadow *s, const char *name, json_t *value)
{
    json_t *open = s->open[s->depth - 1];
    must(value && (name ? json_object_set_new(open, name, value) : json_array_append_new(open, value)) == 0);
}

static void shadow_open(struct shadow *s, const char *name, json_t *value)
{
    shadow_put(s, name, value);
    s->open[s->depth++] = value;
}

static void put_text(struct json *json, struct shadow *s, const char *name, span text)
{
    json_put_span(json, name, text);
    if (span_is_utf8(text)) shadow_put(s, name, json_stringn_nocheck(text.len ? (const char *)text.at : "", text.len));
    else s->is_malformed = true;
}

static void put_hex(struct json *json, struct shadow *s, const char *name, span bytes)
{
    char digits[512];
    json_put_hex(json, name, bytes);
    shadow_put(s, name, json_string(hex_write(bytes, digits, sizeof digits)));
}

static void step(struct json *json, struct shadow *s, span *in, const char *name)
{
    uint8_t what = input_byte(in) % 8;
    int64_t number = 0;
    switch (what) {
    case 0:
    case 1:
        if (s->depth == JSON_DEPTH_MAX) return;
        if (what) json_start_array(json, name);
        else json_start_object(json, name);
        shadow_open(s, name, what ? json_array() : json_object());
        return;
    case 2:
        if (s->depth == 1) return;
        json_end(json);
        s->depth--;
        return;
    case 3: put_text(json, s, name, input_run(in)); return;
    case 4: put_hex(json, s, name, input_run(in)); return;
    case 5:
        number = (int64_t)input_number(in, 8);
        if (number < 0) json_put_number(json, name, number);
        else json_put_count(json, name, (uint64_t)number);
        shadow_put(s, name, json_integer(number));
        return;
    case 6:
        number = input_byte(in) % 2;
        json_put_bool(json, name, number);
        shadow_put(s, name, json_boolean(number));
        return;
    default:
        json_put_null(json, name);
        shadow_put(s, name, json_null());
        return;
    }
}

static void must_say(const struct json *json, const struct shadow *s, bool is_indented)
{
    OWNED_BUFFER printed = {0};
    struct err e = {0};
    if (!json_print(json, is_indented, &printed, &e)) {
        must(s->is_malformed && e.code == ERR_MALFORMED && printed.len == 0);
        must_say_why(&e);
        return;
    }
    must(!s->is_malformed && span_is_utf8(buffer_span(&printed)));
    json_t *read = json_loadb((const char *)printed.at, printed.len, JSON_ALLOW_NUL, NULL);
    must(read && json_equal(read, s->open[0]));
    json_decref(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    OWNED(json_free) struct json *json = NULL;
    struct shadow s = {.open = {json_object()}, .depth = 1};
    span in = span_of(at, len);
    must(s.open[0] && json_new(&json, NULL));
    for (size_t i = 0; i < STEPS_MAX && in.len; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "n%u", input_byte(&in) % 8u); /* some come twice: the last one stays */
        step(json, &s, &in, json_is_object(s.open[s.depth - 1]) ? name : NULL);
    }
    must_say(json, &s, at && len % 2);
    json_decref(s.open[0]);
    return 0;
}

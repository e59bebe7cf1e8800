/*
 * `field=value` as `propose` and `state` take it. The room itself is included: what reads one is its own.
 * Input: a byte for the noun and the kind of field, then what was typed.
 */
#include "tools/verb_propose.c"

#include "tests/fuzz/fuzz.h"

#define TYPED_BYTES 2048

static void check(const struct noun *noun, enum field_kind kind, const char *typed, const struct body_field *found)
{
    char again[TYPED_BYTES + FIELD_NAME_BYTES_MAX + 2];
    struct body_field reread;
    struct sink out = sink_over(again, sizeof again - 1);
    const struct field *field = noun_field(noun, found->name);
    must(field && field->kind == kind && strchr(typed, '='));
    if (found->value.is_text && !found->value.text.len) return; /* takes the field out */
    must(field_check(field, &found->value, NULL));
    sink_put(&out, found->name);
    sink_text(&out, "=");
    if (found->value.is_text) {
        sink_put(&out, found->value.text);
    } else {
        if (found->value.number < 0) sink_text(&out, "-");
        sink_decimal(&out, found->value.number < 0 ? 0 - (uint64_t)found->value.number : (uint64_t)found->value.number);
    }
    must(!out.full);
    again[out.len] = '\0';
    must(read_field(noun, kind, again, &reread, NULL));
    must_be_same(reread.name, found->name);
    must(reread.value.is_text == found->value.is_text && reread.value.number == found->value.number);
    must_be_same(reread.value.text, found->value.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static char typed[TYPED_BYTES];
    struct body_field found;
    struct err e = {0};
    size_t nouns = 0;
    span in = span_of(at, len);
    uint8_t which = input_byte(&in);
    const struct noun *noun = vocabulary_nouns(&nouns);
    enum field_kind kind = which & 0x80 ? FIELD_STATEMENT : FIELD_TERM;
    if (!span_to_text(in, typed, sizeof typed)) return 0;
    noun += (which & 0x7f) % nouns;
    mark_untouched(&found, sizeof found);
    if (read_field(noun, kind, typed, &found, &e)) {
        check(noun, kind, typed, &found);
    } else {
        must(e.code == ERR_USAGE);
        must_say_why(&e);
        must(span_is_utf8(span_text(e.said)) && span_is_utf8(span_text(e.next)));
        must_be_untouched(&found, sizeof found);
    }
    return 0;
}

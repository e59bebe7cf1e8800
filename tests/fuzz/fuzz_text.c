/*
 * Text that people see and type: UTF-8, what is shown of it, hex digits, decimal numbers, days. Each is held against
 * another way to say what is right.
 */
#include "protocol/entry.h"
#include "protocol/vocabulary.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdio.h>

/* How many bytes the character at the start takes, 0 when there is none: the table of RFC 3629 section 4, row by row. */
static size_t character(span t)
{
#define IN(i, low, high) (t.len > (i) && t.at[i] >= (low) && t.at[i] <= (high))
    if (IN(0, 0x00, 0x7f)) return 1;
    if (IN(0, 0xc2, 0xdf) && IN(1, 0x80, 0xbf)) return 2;
    if (IN(0, 0xe0, 0xe0) && IN(1, 0xa0, 0xbf) && IN(2, 0x80, 0xbf)) return 3;
    if (IN(0, 0xe1, 0xec) && IN(1, 0x80, 0xbf) && IN(2, 0x80, 0xbf)) return 3;
    if (IN(0, 0xed, 0xed) && IN(1, 0x80, 0x9f) && IN(2, 0x80, 0xbf)) return 3;
    if (IN(0, 0xee, 0xef) && IN(1, 0x80, 0xbf) && IN(2, 0x80, 0xbf)) return 3;
    if (IN(0, 0xf0, 0xf0) && IN(1, 0x90, 0xbf) && IN(2, 0x80, 0xbf) && IN(3, 0x80, 0xbf)) return 4;
    if (IN(0, 0xf1, 0xf3) && IN(1, 0x80, 0xbf) && IN(2, 0x80, 0xbf) && IN(3, 0x80, 0xbf)) return 4;
    if (IN(0, 0xf4, 0xf4) && IN(1, 0x80, 0x8f) && IN(2, 0x80, 0xbf) && IN(3, 0x80, 0xbf)) return 4;
#undef IN
    return 0;
}

static bool is_utf8(span t)
{
    span one = {0};
    while (t.len) {
        size_t len = character(t);
        if (len == 0 || !span_take(&t, len, &one)) return false;
    }
    return true;
}

/* What is shown is UTF-8, fits, and drives no terminal. */
static void shown(span text, size_t cap)
{
    char room[300];
    mark_untouched(room, sizeof room);
    span out = span_text(span_show(text, room, cap));
    must(out.len < cap && is_utf8(out));
    must_be_untouched(room + cap, sizeof room - cap);
    for (size_t i = 0; i < out.len; i++) {
        must(out.at[i] >= 0x20 && out.at[i] != 0x7f);
        must(!(out.at[i] == 0xc2 && out.at[i + 1] < 0xa0));
        must(!(out.at[i] == 0xe2 && out.at[i + 1] == 0x80 && out.at[i + 2] >= 0x8b && out.at[i + 2] <= 0x8f));
        must(!(out.at[i] == 0xe2 && out.at[i + 1] == 0x80 && out.at[i + 2] >= 0xa8 && out.at[i + 2] <= 0xae));
    }
}

static void hex(span text)
{
    uint8_t bytes[256];
    char again[513];
    size_t len = text.len / 2 < sizeof bytes ? text.len / 2 : sizeof bytes;
    mark_untouched(bytes, len);
    if (hex_read(text, bytes, len)) must_be_same(span_text(hex_write(span_of(bytes, len), again, sizeof again)), text);
    else must_be_untouched(bytes, len);
}

/* The day after 0001-01-01, counted up by months: far slower than the rule in the room, and another way to it. */
static bool is_day(span text)
{
    int year = 0, month = 0, day = 0, end = 0;
    char copy[16] = "", again[48];
    if (!span_to_text(text, copy, sizeof copy)) return false;
    if (sscanf(copy, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3 || copy[end]) return false;
    (void)snprintf(again, sizeof again, "%04d-%02d-%02d", year, month, day);
    if (strcmp(copy, again) != 0 || year < 1 || month < 1 || month > 12 || day < 1) return false;
    static const int thirty[] = {4, 6, 9, 11};
    int most = 31;
    for (size_t i = 0; i < 4; i++)
        if (month == thirty[i]) most = 30;
    if (month == 2) most = (year % 400 == 0 || (year % 4 == 0 && year % 100 != 0)) ? 29 : 28;
    return day <= most;
}

static const struct field *field_of(const char *noun, const char *name)
{
    const struct field *field = noun_field(vocabulary_find(span_text(noun)), span_text(name));
    must(field);
    return field;
}

static void typed(const struct field *field, span text)
{
    struct value value, again;
    struct err e = {0};
    mark_untouched(&value, sizeof value);
    if (!field_parse(field, text, &value, &e)) {
        must(e.code == ERR_USAGE);
        must_say_why(&e);
        must(is_utf8(span_text(e.said)));
        must_be_untouched(&value, sizeof value);
        return;
    }
    must(field_check(field, &value, NULL));
    if (!value.is_text) {
        char digits[32];
        (void)snprintf(digits, sizeof digits, "%" PRId64, value.number);
        must(field_parse(field, span_text(digits), &again, NULL) && again.number == value.number);
        must(value.number >= field->least && value.number <= field->most);
        return;
    }
    must(field_parse(field, value.text, &again, NULL));
    must_be_same(again.text, value.text);
    if (field->type == FIELD_DATE) must(is_day(value.text));
}

static void day(span text)
{
    struct value value = {.is_text = true, .text = text};
    must(field_check(field_of("action", "due"), &value, NULL) == is_day(text));
}

/* Every field of every noun, chosen by the input. */
static void any_field(uint8_t which, span text)
{
    size_t nouns = 0, at = which;
    const struct noun *noun = vocabulary_nouns(&nouns);
    for (size_t i = 0; i < nouns; at -= noun[i++].field_count)
        if (at < noun[i].field_count) {
            typed(&noun[i].fields[at], text);
            return;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    span text = span_of(at, len);
    uint8_t what = input_byte(&text), which = input_byte(&text);
    switch (what % 5) {
    case 0:
        must(span_is_utf8(text) == is_utf8(text));
        if (line_is_valid(text)) must(is_utf8(text) && text.len);
        if (name_is_valid(text)) must(line_is_valid(text) && text.len <= NAME_BYTES_MAX);
        break;
    case 1: shown(text, 1u + which); break;
    case 2: hex(text); break;
    case 3: day(text); break;
    default: any_field(which, text); break;
    }
    return 0;
}

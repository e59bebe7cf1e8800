#include "protocol/reader.h"

#include "protocol/limits.h"

#include <string.h>

/*
 * The spellings of a number that says a value, a length or a count: in the first byte itself
 * (`fixed` up to `fixed` + `fixed_count` - 1), or in 1, 2, 4 or 8 bytes after one of these first
 * bytes. 0 where there is no such spelling.
 */
struct spelling {
    const char *what;
    uint8_t fixed, fixed_count;
    uint8_t one, two, four, eight;
};
static const struct spelling SPELL_UNSIGNED = {
    "an unsigned number", 0x00, 128, 0xcc, 0xcd, 0xce, 0xcf};
static const struct spelling SPELL_TEXT = {"text", 0xa0, 32, 0xd9, 0xda, 0xdb, 0};
static const struct spelling SPELL_BYTES = {"bytes", 0, 0, 0xc4, 0xc5, 0xc6, 0};
static const struct spelling SPELL_ARRAY = {"an array", 0x90, 16, 0, 0xdc, 0xdd, 0};
static const struct spelling SPELL_MAP = {"a map", 0x80, 16, 0, 0xde, 0xdf, 0};

static size_t position(const struct reader *r) { return r->whole.len - r->left.len; }

static bool malformed(const struct reader *r, const char *why, struct err *e)
{
    return err_set(e, ERR_MALFORMED, "at byte %zu: %s", position(r), why);
}

static bool expected(const struct reader *r, const char *what, struct err *e)
{
    if (r->left.len == 0)
        return err_set(e, ERR_MALFORMED, "at byte %zu: expected %s, found the end", position(r),
                       what);
    return err_set(e, ERR_MALFORMED,
                   "at byte %zu: expected %s, found a value that starts with %02x", position(r),
                   what, r->left.at[0]);
}

static bool take_big_endian(span *left, size_t n, uint64_t *out)
{
    span bytes = {0};
    if (!span_take(left, n, &bytes)) return false;
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) value = value << 8 | bytes.at[i];
    *out = value;
    return true;
}

/* The first value which the next shorter spelling than that in `size` bytes cannot say. */
static uint64_t least_in(const struct spelling *as, size_t size)
{
    if (size == 8) return UINT64_C(1) << 32;
    if (size == 4) return UINT64_C(1) << 16;
    if (size == 2 && as->one) return UINT64_C(1) << 8;
    return as->fixed_count;
}

static size_t size_after(const struct spelling *as, uint8_t first)
{
    if (first == 0) return 0;
    return first == as->one     ? 1u
           : first == as->two   ? 2u
           : first == as->four  ? 4u
           : first == as->eight ? 8u
                                : 0u;
}

/* Takes the first byte and the number it announces. On failure `r` is where it was. */
static bool take_number(struct reader *r, const struct spelling *as, uint64_t *out, struct err *e)
{
    if (r->left.len == 0) return expected(r, as->what, e);
    span left = r->left;
    span first = {0};
    if (!span_take(&left, 1, &first)) return expected(r, as->what, e);
    uint64_t value =
        (uint64_t)first.at[0] - as->fixed; /* wraps far above fixed_count when below `fixed` */
    if (value >= as->fixed_count) {
        size_t size = size_after(as, first.at[0]);
        if (size == 0) return expected(r, as->what, e);
        if (!take_big_endian(&left, size, &value)) return malformed(r, "a number is cut short", e);
        if (value < least_in(as, size))
            return malformed(r, "a number is not written in its shortest form", e);
    }
    r->left = left;
    *out = value;
    return true;
}

/* A count of values that need at least `bytes_each`: one that the remaining bytes cannot hold is
 * refused at once. */
static bool take_count(struct reader *r, const struct spelling *as, uint64_t bytes_each,
                       size_t *out, struct err *e)
{
    struct reader ahead = *r;
    uint64_t count = 0;
    if (!take_number(&ahead, as, &count, e)) return false;
    if (count > ahead.left.len / bytes_each)
        return err_set(e, ERR_MALFORMED, "at byte %zu: %s of %llu values is cut short", position(r),
                       as->what, (unsigned long long)count);
    *r = ahead;
    *out = (size_t)count;
    return true;
}

static bool take_run(struct reader *r, const struct spelling *as, size_t most, span *out,
                     struct err *e)
{
    struct reader ahead = *r;
    uint64_t len = 0;
    if (!take_number(&ahead, as, &len, e)) return false;
    if (len > most)
        return err_set(e, ERR_LIMIT, "at byte %zu: %s of %llu bytes, the limit is %zu", position(r),
                       as->what, (unsigned long long)len, most);
    span run = {0};
    if (!span_take(&ahead.left, (size_t)len, &run))
        return err_set(e, ERR_MALFORMED, "at byte %zu: %s of %llu bytes is cut short", position(r),
                       as->what, (unsigned long long)len);
    *r = ahead;
    *out = run;
    return true;
}

enum reader_kind reader_next_kind(const struct reader *r)
{
    if (r->left.len == 0) return READER_END;
    uint8_t first = r->left.at[0];
    if (first <= 0x7f || (first >= 0xcc && first <= 0xcf)) return READER_UNSIGNED;
    if (first <= 0x8f || first == 0xde || first == 0xdf) return READER_MAP;
    if (first <= 0x9f || first == 0xdc || first == 0xdd) return READER_ARRAY;
    if (first <= 0xbf || (first >= 0xd9 && first <= 0xdb)) return READER_TEXT;
    if (first >= 0xe0 || (first >= 0xd0 && first <= 0xd3)) return READER_NEGATIVE;
    if (first >= 0xc4 && first <= 0xc6) return READER_BYTES;
    if (first == 0xc2 || first == 0xc3) return READER_BOOL;
    if (first == 0xc0) return READER_NIL;
    return READER_BAD; /* c1, floats, extension types */
}

bool read_array(struct reader *r, size_t exactly, struct err *e)
{
    struct reader ahead = *r;
    size_t count = 0;
    if (!take_count(&ahead, &SPELL_ARRAY, 1, &count, e)) return false;
    if (count != exactly)
        return err_set(e, ERR_MALFORMED, "at byte %zu: an array of %zu values, expected %zu",
                       position(r), count, exactly);
    *r = ahead;
    return true;
}

static bool read_count_upto(struct reader *r, const struct spelling *as, uint64_t bytes_each,
                            size_t most, size_t *count, struct err *e)
{
    struct reader ahead = *r;
    size_t found = 0;
    if (!take_count(&ahead, as, bytes_each, &found, e)) return false;
    if (found > most)
        return err_set(e, ERR_LIMIT, "at byte %zu: %s of %zu values, the limit is %zu", position(r),
                       as->what, found, most);
    *r = ahead;
    *count = found;
    return true;
}

bool read_array_upto(struct reader *r, size_t most, size_t *count, struct err *e)
{
    return read_count_upto(r, &SPELL_ARRAY, 1, most, count, e);
}

bool read_map_upto(struct reader *r, size_t most, size_t *count, struct err *e)
{
    return read_count_upto(r, &SPELL_MAP, 2, most, count, e);
}

bool read_key(struct reader *r, size_t most_bytes, span *previous, struct err *e)
{
    struct reader ahead = *r;
    span key = {0};
    if (!read_text(&ahead, most_bytes, &key, e)) return false;
    if (span_compare(key, *previous) <= 0)
        return malformed(r, "a key is not above the one before it", e);
    *r = ahead;
    *previous = key;
    return true;
}

bool read_u64(struct reader *r, uint64_t most, uint64_t *out, struct err *e)
{
    struct reader ahead = *r;
    uint64_t value = 0;
    if (!take_number(&ahead, &SPELL_UNSIGNED, &value, e)) return false;
    if (value > most)
        return err_set(e, ERR_LIMIT, "at byte %zu: the number %llu, the limit is %llu", position(r),
                       (unsigned long long)value, (unsigned long long)most);
    *r = ahead;
    *out = value;
    return true;
}

static bool read_negative(struct reader *r, int64_t *out, struct err *e)
{
    span left = r->left;
    span first = {0};
    if (!span_take(&left, 1, &first)) return expected(r, "a number", e);
    int64_t value = (int64_t)first.at[0] - 0x100; /* e0 to ff */
    if (first.at[0] < 0xe0) {
        size_t size = (size_t)1 << (first.at[0] - 0xd0);
        uint64_t bits = 0;
        if (!take_big_endian(&left, size, &bits)) return malformed(r, "a number is cut short", e);
        if (size < 8 && bits >> (8 * size - 1)) bits |= UINT64_MAX << (8 * size);
        memcpy(&value, &bits, sizeof value);
        int64_t shorter_least = size == 1   ? -32
                                : size == 2 ? INT8_MIN
                                : size == 4 ? INT16_MIN
                                            : INT32_MIN;
        if (value >= shorter_least)
            return malformed(r, "a number is not written in its shortest form", e);
    }
    r->left = left;
    *out = value;
    return true;
}

bool read_i64(struct reader *r, int64_t *out, struct err *e)
{
    if (reader_next_kind(r) == READER_NEGATIVE) return read_negative(r, out, e);
    uint64_t value = 0;
    if (!read_u64(r, INT64_MAX, &value, e)) return false;
    *out = (int64_t)value;
    return true;
}

bool read_bool(struct reader *r, bool *out, struct err *e)
{
    span first = {0};
    if (reader_next_kind(r) != READER_BOOL || !span_take(&r->left, 1, &first))
        return expected(r, "true or false", e);
    *out = first.at[0] == 0xc3;
    return true;
}

bool read_nil(struct reader *r, struct err *e)
{
    span first = {0};
    if (reader_next_kind(r) != READER_NIL || !span_take(&r->left, 1, &first))
        return expected(r, "nil", e);
    return true;
}

bool read_bytes(struct reader *r, uint8_t *out, size_t exactly, struct err *e)
{
    struct reader ahead = *r;
    span found = {0};
    if (!take_run(&ahead, &SPELL_BYTES, SIZE_MAX, &found, e)) return false;
    if (found.len != exactly)
        return err_set(e, ERR_MALFORMED, "at byte %zu: %zu bytes, expected %zu", position(r),
                       found.len, exactly);
    if (exactly) memcpy(out, found.at, exactly);
    *r = ahead;
    return true;
}

bool read_span(struct reader *r, size_t most, span *out, struct err *e)
{
    return take_run(r, &SPELL_BYTES, most, out, e);
}

bool read_text(struct reader *r, size_t most, span *out, struct err *e)
{
    struct reader ahead = *r;
    span text = {0};
    if (!take_run(&ahead, &SPELL_TEXT, most, &text, e)) return false;
    if (text.len && memchr(text.at, 0, text.len)) return malformed(r, "text holds a zero byte", e);
    if (!span_is_utf8(text)) return malformed(r, "text is not UTF-8", e);
    *r = ahead;
    *out = text;
    return true;
}

/* An array or map that read_skip is inside of. */
struct level {
    size_t left; /* values still to come, keys counted too */
    bool is_map;
    span previous_key;
};

/* Reads one value, or the start of an array or map, which `inside` then describes (left = 0 for
 * anything else). */
static bool skip_one(struct reader *r, struct level *inside, struct err *e)
{
    uint64_t number = 0;
    int64_t negative = 0;
    bool truth = false;
    span run = {0};
    size_t count = 0;
    *inside = (struct level){0};
    switch (reader_next_kind(r)) {
    case READER_NIL: return read_nil(r, e);
    case READER_BOOL: return read_bool(r, &truth, e);
    case READER_UNSIGNED: return read_u64(r, UINT64_MAX, &number, e);
    case READER_NEGATIVE: return read_i64(r, &negative, e);
    case READER_TEXT: return read_text(r, SIZE_MAX, &run, e);
    case READER_BYTES: return read_span(r, SIZE_MAX, &run, e);
    case READER_ARRAY:
        if (!take_count(r, &SPELL_ARRAY, 1, &count, e)) return false;
        inside->left = count;
        return true;
    case READER_MAP:
        if (!take_count(r, &SPELL_MAP, 2, &count, e)) return false;
        inside->left = 2 * count; /* at most the bytes that are left */
        inside->is_map = true;
        return true;
    case READER_END:
    case READER_BAD: break;
    }
    return expected(r, "a value", e);
}

bool read_skip(struct reader *r, span *out, struct err *e)
{
    struct reader ahead = *r;
    struct level levels[DEPTH_MAX] = {0};
    size_t depth = 0;
    do {
        struct level *in = depth ? &levels[depth - 1] : NULL;
        if (in) in->left--;
        if (in && in->is_map && in->left % 2 == 1) { /* its value is still to come: this is a key */
            if (!read_key(&ahead, SIZE_MAX, &in->previous_key, e)) return false;
            continue;
        }
        enum reader_kind kind = reader_next_kind(&ahead);
        bool goes_deeper = kind == READER_ARRAY || kind == READER_MAP;
        if (goes_deeper && depth == DEPTH_MAX)
            return err_set(e, ERR_LIMIT, "at byte %zu: a value is more than %d deep",
                           position(&ahead), DEPTH_MAX);
        struct level inside = {0};
        if (!skip_one(&ahead, &inside, e)) return false;
        if (goes_deeper) levels[depth++] = inside;
        while (depth && levels[depth - 1].left == 0) depth--;
    } while (depth);
    if (out) *out = span_of(r->left.at, r->left.len - ahead.left.len);
    *r = ahead;
    return true;
}

bool read_end(struct reader *r, struct err *e)
{
    if (r->left.len == 0) return true;
    return err_set(e, ERR_MALFORMED, "at byte %zu: %zu bytes follow the end", position(r),
                   r->left.len);
}

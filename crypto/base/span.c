#include "crypto/base/span.h"

#include <stdlib.h>
#include <string.h>

span span_text(const char *text)
{
    return (span){(const uint8_t *)text, text ? strlen(text) : 0};
}

bool span_equal(span a, span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

int span_compare(span a, span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.at, b.at, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool span_take(span *left, size_t n, span *out)
{
    if (left->len < n) return false;
    *out = (span){left->at, n};
    if (n) left->at += n;
    left->len -= n;
    return true;
}

bool span_take_until(span *left, uint8_t stop, span *out)
{
    const uint8_t *found = left->len ? memchr(left->at, stop, left->len) : NULL;
    if (!found) return false;
    size_t n = (size_t)(found - left->at);
    *out = (span){left->at, n};
    left->at += n + 1;
    left->len -= n + 1;
    return true;
}

bool span_to_text(span text, char *out, size_t cap)
{
    if (text.len >= cap || (text.len && memchr(text.at, 0, text.len))) return false;
    if (text.len) memcpy(out, text.at, text.len);
    out[text.len] = '\0';
    return true;
}

struct utf8_shape {
    uint8_t first, last; /* lead bytes of this shape */
    size_t more;         /* bytes that follow */
    uint32_t least;      /* code point that may use so many */
    uint8_t mask;        /* the lead byte's own bits of it */
};

/* Takes one character, RFC 3629. False, and nothing taken, when it is cut or not well formed. */
static bool utf8_take(span *left, uint32_t *out)
{
    static const struct utf8_shape shapes[] = {
        {0x00, 0x7f, 0, 0, 0x7f},
        {0xc2, 0xdf, 1, 0x80, 0x1f},
        {0xe0, 0xef, 2, 0x800, 0x0f},
        {0xf0, 0xf4, 3, 0x10000, 0x07},
    };
    const struct utf8_shape *shape = NULL;
    if (left->len == 0) return false;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (left->at[0] >= shapes[i].first && left->at[0] <= shapes[i].last) shape = &shapes[i];
    if (!shape || left->len - 1 < shape->more) return false;
    uint32_t code = left->at[0] & shape->mask;
    for (size_t i = 1; i <= shape->more; i++) {
        if ((left->at[i] & 0xc0) != 0x80) return false;
        code = code << 6 | (left->at[i] & 0x3f);
    }
    if (code < shape->least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    left->at += shape->more + 1;
    left->len -= shape->more + 1;
    *out = code;
    return true;
}

bool span_is_utf8(span text)
{
    uint32_t code = 0;
    span ascii = {0};
    while (text.len > 0) {
        size_t len = 0;
        while (len < text.len && text.at[len] < 0x80) len++;
        if (!span_take(&text, len, &ascii)) return false;
        if (text.len > 0 && !utf8_take(&text, &code)) return false;
    }
    return true;
}

/* Controls drive a terminal; the others reorder or hide what stands around them (Unicode TR 36). */
static bool may_be_shown(uint32_t code)
{
    bool is_control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
    bool is_invisible = (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                        (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || code == 0x061c;
    return !is_control && !is_invisible;
}

const char *span_show(span text, char *out, size_t cap)
{
    must(cap > 0);
    size_t len = 0;
    while (text.len > 0) {
        span before = text, shown = span_of("?", 1), skipped = {0};
        uint32_t code = 0;
        if (!utf8_take(&text, &code)) {
            must(span_take(&text, 1, &skipped)); /* one mark for each byte that is no character */
        } else if (may_be_shown(code)) {
            shown = span_of(before.at, before.len - text.len);
        }
        if (shown.len > cap - 1 - len) break; /* cut between characters, not inside one */
        memcpy(out + len, shown.at, shown.len);
        len += shown.len;
    }
    out[len] = '\0';
    return out;
}

void sink_put(struct sink *s, span bytes)
{
    if (s->full || bytes.len > s->cap - s->len) {
        s->full = true;
        return;
    }
    if (bytes.len) memcpy(s->at + s->len, bytes.at, bytes.len);
    s->len += bytes.len;
}

void sink_text(struct sink *s, const char *text) { sink_put(s, span_text(text)); }
void sink_byte(struct sink *s, uint8_t byte) { sink_put(s, span_of(&byte, 1)); }

void sink_u64_be(struct sink *s, uint64_t value)
{
    uint8_t bytes[8] = {0};
    for (size_t i = 0; i < 8; i++) bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    sink_put(s, span_of(bytes, sizeof bytes));
}

void sink_decimal(struct sink *s, uint64_t value)
{
    uint8_t digits[20] = {0};
    size_t first = sizeof digits;
    do {
        digits[--first] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    sink_put(s, span_of(digits + first, sizeof digits - first));
}

bool buffer_reserve(struct buffer *b, size_t cap, struct err *e)
{
    if (cap <= b->cap) return true;
    size_t grown = b->cap > SIZE_MAX / 2 ? cap : b->cap * 2;
    if (grown < cap) grown = cap;
    uint8_t *at = realloc(b->at, grown);
    if (!at) return err_memory(e);
    b->at = at;
    b->cap = grown;
    return true;
}

bool buffer_put(struct buffer *b, span bytes, struct err *e)
{
    size_t needed = 0;
    if (!size_add(b->len, bytes.len, &needed)) return err_memory(e);
    if (!buffer_reserve(b, needed, e)) return false;
    if (bytes.len) memcpy(b->at + b->len, bytes.at, bytes.len);
    b->len = needed;
    return true;
}

void buffer_wipe(struct buffer *b)
{
    if (!b) return;
    free(b->at);
    *b = (struct buffer){0};
}

const char *hex_write(span bytes, char *out, size_t cap)
{
    must(cap / 2 >= bytes.len && cap > 2 * bytes.len);
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        out[2 * i] = digit[bytes.at[i] >> 4];
        out[2 * i + 1] = digit[bytes.at[i] & 15];
    }
    out[2 * bytes.len] = '\0';
    return out;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

bool hex_read(span text, uint8_t *out, size_t len)
{
    if (text.len / 2 != len || text.len % 2 != 0) return false;
    for (size_t i = 0; i < text.len; i++)
        if (hex_digit(text.at[i]) < 0) return false;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(hex_digit(text.at[2 * i]) << 4 | hex_digit(text.at[2 * i + 1]));
    return true;
}

bool size_add(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
bool size_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }

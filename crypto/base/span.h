/*
 * span - bytes someone else owns: `span` to look at, `struct sink` to write into, `struct buffer` owned and growing.
 *
 * A pointer and its length never travel apart; pointer arithmetic stands in span.c alone.
 * Threads: no shared state.
 */
#pragma once
#include "crypto/base/err.h"
#include "crypto/base/own.h"
#include <stdint.h>

typedef struct {
    const uint8_t *at;
    size_t len; /* bytes; `at` may be NULL when 0 */
} span;

static inline span span_of(const void *at, size_t len) { return (span){at, len}; }
span span_text(const char *text); /* without the final zero; NULL gives an empty span */
bool span_equal(span a, span b);  /* public bytes only: not constant time */
int  span_compare(span a, span b); /* memcmp order, the shorter first when one starts the other */
/* Takes the first n bytes off `left`. False, and nothing taken, when there are fewer. */
MUST_USE bool span_take(span *left, size_t n, span *out);
/* Takes up to (not including) the first `stop` byte, and removes it too. False when there is none. */
MUST_USE bool span_take_until(span *left, uint8_t stop, span *out);
/*
 * For showing a partner's text: copies as a C string that is always UTF-8, cut between characters to fit. What is not
 * UTF-8, controls (below 20, 7f to 9f) and invisible or direction-changing characters become '?'. Returns `out`.
 */
const char *span_show(span text, char *out, size_t cap);
/* Copies exactly. False when it does not fit with its final zero or holds a zero byte. */
MUST_USE bool span_to_text(span text, char *out, size_t cap);
bool span_is_utf8(span text); /* RFC 3629: no surrogates, no overlong forms, no zero byte refused here */

/* Writing into room someone else owns; a full sink remembers it overflowed, so a writer checks once, at the end. */
struct sink {
    uint8_t *at;
    size_t len, cap;
    bool full;
};
static inline struct sink sink_over(void *at, size_t cap) { return (struct sink){at, 0, cap, false}; }
void sink_put(struct sink *s, span bytes);
void sink_text(struct sink *s, const char *text);
void sink_byte(struct sink *s, uint8_t byte);
void sink_u64_be(struct sink *s, uint64_t value);
void sink_decimal(struct sink *s, uint64_t value); /* ASCII digits, no sign, no leading zeros */
static inline span sink_span(const struct sink *s) { return (span){s->at, s->len}; }

/* Owned bytes that grow up to a stated limit. Zero-initialise; release with buffer_wipe (frees, does not zero). */
struct buffer {
    uint8_t *at;
    size_t len, cap;
};
MUST_USE bool buffer_reserve(struct buffer *b, size_t cap, struct err *e); /* at least `cap` bytes of room in all */
MUST_USE bool buffer_put(struct buffer *b, span bytes, struct err *e);
static inline span buffer_span(const struct buffer *b) { return (span){b->at, b->len}; }
void buffer_wipe(struct buffer *b);
#define OWNED_BUFFER __attribute__((cleanup(buffer_wipe))) struct buffer

/* Lower-case hex. `out` holds 2 * bytes.len + 1 characters; returns `out`. */
const char *hex_write(span bytes, char *out, size_t cap);
/* Exactly 2 * len lower-case digits. False on anything else. */
MUST_USE bool hex_read(span text, uint8_t *out, size_t len);

/* Sums and products of sizes that come from outside. False on overflow. */
MUST_USE bool size_add(size_t a, size_t b, size_t *out);
MUST_USE bool size_mul(size_t a, size_t b, size_t *out);

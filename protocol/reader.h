/*
 * reader - canonical msgpack, pulled one expected thing at a time. Bounded, no allocation, no recursion.
 *
 * One spelling of every value: shortest integers and lengths, no floats, no extension types, map keys are text in rising
 * byte order and once, UTF-8 checked, nothing after the end. Another spelling is ERR_MALFORMED, beyond a stated bound is
 * ERR_LIMIT. Spans point into the bytes being read. (msgpack specification, github.com/msgpack/msgpack spec.md)
 */
#pragma once
#include "crypto/base/span.h"

struct reader {
    span left;
    span whole;
};

enum reader_kind { READER_END, READER_NIL, READER_BOOL, READER_UNSIGNED, READER_NEGATIVE, READER_TEXT, READER_BYTES,
                   READER_ARRAY, READER_MAP, READER_BAD };

static inline struct reader reader_over(span bytes) { return (struct reader){bytes, bytes}; }
enum reader_kind reader_next_kind(const struct reader *r); /* looks, takes nothing */

MUST_USE bool read_array(struct reader *r, size_t exactly, struct err *e);
MUST_USE bool read_array_upto(struct reader *r, size_t most, size_t *count, struct err *e);
MUST_USE bool read_map_upto(struct reader *r, size_t most, size_t *count, struct err *e);
/* A map key: text above `*previous` (start with an empty span), which is then replaced. */
MUST_USE bool read_key(struct reader *r, size_t most_bytes, span *previous, struct err *e);
MUST_USE bool read_u64(struct reader *r, uint64_t most, uint64_t *out, struct err *e);
MUST_USE bool read_i64(struct reader *r, int64_t *out, struct err *e);
MUST_USE bool read_bool(struct reader *r, bool *out, struct err *e);
MUST_USE bool read_nil(struct reader *r, struct err *e);
MUST_USE bool read_bytes(struct reader *r, uint8_t *out, size_t exactly, struct err *e);
MUST_USE bool read_span(struct reader *r, size_t most, span *out, struct err *e); /* bin */
MUST_USE bool read_text(struct reader *r, size_t most, span *out, struct err *e); /* str, UTF-8 without zero bytes */
/* Steps over one whole value of any shape, checking its spelling, to DEPTH_MAX deep; `out` may be NULL. */
MUST_USE bool read_skip(struct reader *r, span *out, struct err *e);
MUST_USE bool read_end(struct reader *r, struct err *e); /* nothing may follow */

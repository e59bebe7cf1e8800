/*
 * pack - entries of one batch compressed together (zstd, RFC 8878), with a bound on what they unpack to.
 */
#pragma once
#include "crypto/base/span.h"

/* Compresses into `out` (cleared first). False without an error when it would not be smaller, or zstd cannot. */
bool pack(span bytes, struct buffer *out);
/* Unpacks exactly `bytes` bytes into `out` (cleared first). Fails: ERR_MALFORMED, ERR_MEMORY. */
MUST_USE bool unpack(span packed, size_t bytes, struct buffer *out, struct err *e);

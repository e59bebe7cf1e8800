/*
 * base64 - RFC 4648 section 4 with padding, one spelling of every value.
 */
#pragma once
#include "crypto/base/span.h"

void base64_write(struct sink *out, span bytes);
/* False unless `text` is exactly what base64_write makes of `exactly` bytes: no stray bits, no white space. */
MUST_USE bool base64_read(span text, uint8_t *out, size_t exactly);

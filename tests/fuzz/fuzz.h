/*
 * fuzz - what the fuzz targets share. A target is one function that takes any bytes and checks more than "no crash":
 *
 *     what a strict reader accepts is written again to exactly the same bytes,
 *     what a writer writes is read again equal,
 *     what is refused leaves its outputs as they were and says why.
 *
 * The preset `fuzz` makes build/fuzz/fuzz_NAME of each (clang, libFuzzer); every other preset makes replay_NAME, which
 * runs the files of corpus/NAME through the same function as an ordinary test.
 */
#pragma once
#include "crypto/base/span.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

/* ---- taking the input apart: what is not there is zero ---- */

static inline uint8_t input_byte(span *in)
{
    span byte = {0};
    return span_take(in, 1, &byte) ? byte.at[0] : 0;
}

/* `bytes` of it, most significant first. */
static inline uint64_t input_number(span *in, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value = value << 8 | input_byte(in);
    return value;
}

/* As many bytes as one byte says, or what is left. */
static inline span input_run(span *in)
{
    size_t len = input_byte(in);
    span run = {0};
    must(span_take(in, len < in->len ? len : in->len, &run));
    return run;
}

/* ---- what must hold ---- */

/* A refusal says why. */
static inline void must_say_why(const struct err *e) { must(e->code != ERR_NONE && e->said[0] != '\0'); }

/* Marks room that a reader may write into, so that must_be_untouched sees whether a refusal left it alone. */
#define UNTOUCHED 0x5a
static inline void mark_untouched(void *at, size_t len) { memset(at, UNTOUCHED, len); }
static inline void must_be_untouched(const void *at, size_t len)
{
    const uint8_t *bytes = at;
    must(len == 0 || (bytes[0] == UNTOUCHED && memcmp(bytes, bytes + 1, len - 1) == 0));
}

static inline void must_be_same(span a, span b) { must(span_equal(a, b)); }
static inline void must_be_written(const struct sink *s, span expected)
{
    must(!s->full && span_equal(sink_span(s), expected));
}

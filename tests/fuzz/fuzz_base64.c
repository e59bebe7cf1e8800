/*
 * base64: text that is accepted is exactly what writing gives; any bytes come back. Input: a size, then the text.
 */
#include "crypto/base64.h"
#include "tests/fuzz/fuzz.h"

#define ROOM 1024

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    uint8_t bytes[ROOM], again[2 * ROOM];
    struct sink out = sink_over(again, sizeof again);
    span in = span_of(at, len);
    size_t exactly = (size_t)input_byte(&in);
    if (in.len > ROOM) return 0;
    mark_untouched(bytes, exactly);
    if (base64_read(in, bytes, exactly)) {
        base64_write(&out, span_of(bytes, exactly));
        must_be_written(&out, in);
    } else {
        must_be_untouched(bytes, exactly);
    }
    out.len = 0;
    base64_write(&out, in);
    must(!out.full && out.len == (in.len + 2) / 3 * 4);
    must(base64_read(sink_span(&out), bytes, in.len));
    must_be_same(span_of(bytes, in.len), in);
    return 0;
}

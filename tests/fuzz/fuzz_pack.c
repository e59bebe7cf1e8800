/*
 * Packed batches: unpacking gives exactly the bytes that were announced or refuses, and never needs more room than that.
 * Input: what is announced, three bytes; then what is packed. The rest is also packed and unpacked again.
 */
#include "node/pack.h"
#include "protocol/limits.h"
#include "tests/fuzz/fuzz.h"

static void again(span bytes)
{
    static struct buffer packed, unpacked;
    struct err e = {0};
    if (!pack(bytes, &packed)) return;
    must(packed.len < bytes.len);
    must(unpack(buffer_span(&packed), bytes.len, &unpacked, &e));
    must_be_same(buffer_span(&unpacked), bytes);
    must(!unpack(buffer_span(&packed), bytes.len - 1, &unpacked, &e));
    must(!unpack(buffer_span(&packed), bytes.len + 1, &unpacked, &e));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct buffer out; /* kept, as the engine keeps its own */
    struct err e = {0};
    span in = span_of(at, len);
    size_t announced = (size_t)input_number(&in, 3) % (BATCH_BYTES_MAX + 1);
    if (unpack(in, announced, &out, &e)) {
        must(out.len == announced);
        again(buffer_span(&out));
    } else {
        must_say_why(&e);
        must(out.len == 0);
    }
    must(out.cap <= 2 * BATCH_BYTES_MAX);
    again(in);
    return 0;
}

/*
 * Any bytes as an entry's header and body: reading never crashes, and what is accepted has one spelling.
 * Built by the preset `fuzz` (clang, libFuzzer): build/fuzz/fuzz_entry [CORPUS ...]
 */
#include "protocol/entry.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct header header;
    struct body_field fields[FIELDS_MAX];
    size_t count = 0;
    uint8_t again[HEADER_BYTES_MAX];
    struct sink out = sink_over(again, sizeof again);
    struct err e = {0};
    if (body_read(span_of(at, len), 0, fields, &count, &e)) must(count <= FIELDS_MAX);
    if (!header_read(span_of(at, len), &header, &e) || header_is_newer(&header)) return 0;
    header_write(&out, &header);
    must(!out.full && span_equal(sink_span(&out), span_of(at, len)));
    return 0;
}

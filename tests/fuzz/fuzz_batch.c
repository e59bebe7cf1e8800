/*
 * Any bytes as the entries of a batch once unpacked: a run of [header, salt, body or nil] has one spelling, and so have the
 * headers and bodies in it.
 */
#include "protocol/entry.h"
#include "protocol/messages.h"
#include "tests/fuzz/fuzz.h"

static void header_again(span bytes)
{
    static struct header header;
    uint8_t room[HEADER_BYTES_MAX];
    struct sink out = sink_over(room, sizeof room);
    if (!header_read(bytes, &header, NULL) || header_is_newer(&header)) return;
    header_write(&out, &header);
    must_be_written(&out, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static uint8_t room[1 << 20];
    static struct body_field fields[FIELDS_MAX];
    struct sink out = sink_over(room, sizeof room);
    struct reader r = reader_over(span_of(at, len));
    if (len > sizeof room) return 0;
    while (r.left.len > 0) {
        span header = {0}, body = {0};
        uint8_t salt[SALT_BYTES];
        bool has_body = false;
        size_t before = r.left.len, count = 0;
        struct err e = {0};
        if (!batch_entry_read(&r, &header, salt, &has_body, &body, &e)) {
            must_say_why(&e);
            return 0;
        }
        must(header.len <= HEADER_BYTES_MAX && body.len <= BODY_BYTES_MAX && (has_body || body.len == 0));
        must(r.left.len < before);
        header_again(header);
        if (has_body && body_read(body, 0, fields, &count, NULL)) must(count <= FIELDS_MAX);
        batch_entry_write(&out, header, salt, has_body, body);
    }
    must_be_written(&out, span_of(at, len));
    return 0;
}

/*
 * A marker file: what is accepted has one spelling. Input: a byte, then a whole file (0) or one without its checksum (1).
 */
#include "node/marker.h"
#include "tests/fuzz/fuzz.h"

static void checksum(span fields, struct buffer *out)
{
    struct hash check = hash_labelled("counterpart/v1/marker", &fields, 1);
    must(buffer_put(out, fields, NULL) && buffer_put(out, hash_span(&check), NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    OWNED_BUFFER whole = {0};
    OWNED_BUFFER again = {0};
    OWNED_MARKER marker = {0};
    struct err e = {0};
    span file = span_of(at, len);
    if (input_byte(&file) % 2) {
        checksum(file, &whole);
        file = buffer_span(&whole);
    }
    if (!marker_read(file, &marker, &e)) {
        must(e.code == ERR_CORRUPT && marker.feed_count == 0 && !marker.feeds);
        must_say_why(&e);
        return 0;
    }
    for (size_t i = 0; i < marker.feed_count; i++)
        must(marker_find(&marker, &marker.feeds[i].relationship, &marker.feeds[i].log_key) == &marker.feeds[i]);
    must(marker_equal(&marker, &marker) && !marker_ahead(&marker, &marker));
    must(marker_judge(&marker, &marker, &marker) == HEALTH_FINE);
    must(marker_write(&marker, &again, NULL));
    must_be_same(buffer_span(&again), file);
    return 0;
}

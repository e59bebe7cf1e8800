/*
 * Any bytes as an entry's header: what is accepted has one spelling, whatever its verb and noun.
 */
#include "protocol/entry.h"
#include "tests/fuzz/fuzz.h"

/* Of a newer version only what stands first and last is read; the rest has been skipped, checked. */
static void newer(const struct header *header)
{
    must(header->verb == VERB_UNKNOWN && header->item_count == 0 && header->word_count == 0 && !header->has_ref);
    must(header->person.len == 0 && header->noun.len == 0 && header->time_ms == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct header header;
    uint8_t again[HEADER_BYTES_MAX];
    struct sink out = sink_over(again, sizeof again);
    struct err e = {0};
    struct hash entry = {{1}};
    if (!header_read(span_of(at, len), &header, &e)) {
        must_say_why(&e);
        return 0;
    }
    must(header.version >= 1 && header.index < FEED_ENTRIES_MAX && header.body_bytes <= BODY_BYTES_MAX);
    must(header.front_count <= FRONT_MAX);
    if (header_is_newer(&header)) {
        newer(&header);
        return 0;
    }
    must(header.item_count <= ITEMS_MAX && header.word_count <= PARTIES_MAX && header.time_ms <= TIME_MS_MAX);
    must(header.verb == VERB_UNKNOWN || span_equal(span_text(verb_word(header.verb)), header.verb_text));
    for (size_t i = 0; i < header.item_count; i++) {
        struct hash item = header_item(&header, &entry, i);
        must(!hash_is_zero(&item));
    }
    header_write(&out, &header);
    must_be_written(&out, span_of(at, len));
    return 0;
}

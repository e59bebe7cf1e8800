/*
 * Any bytes as an entry's body: what is accepted has one spelling; each of its maps is judged as the fields of every noun
 * and verb; and a map that the vocabulary takes is taken again when it is written.
 */
#include "protocol/entry.h"
#include "protocol/reader.h"
#include "protocol/vocabulary.h"
#include "tests/fuzz/fuzz.h"

static void judge(const struct noun *noun, const struct body_field *fields, size_t count)
{
    for (int kind = FIELD_TERM; kind <= FIELD_STATEMENT; kind++) {
        struct err e = {0};
        if (!noun_check(noun, (enum field_kind)kind, count % 2, fields, count, &e)) {
            must(e.code == ERR_USAGE);
            must_say_why(&e);
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            const struct field *field = noun_field(noun, fields[i].name);
            must(field && (int)field->kind == kind && field_check(field, &fields[i].value, NULL));
        }
    }
}

static void judge_all(const struct body_field *fields, size_t count)
{
    size_t nouns = 0;
    const struct noun *noun = vocabulary_nouns(&nouns);
    for (size_t i = 0; i < nouns; i++) judge(&noun[i], fields, count);
    for (int verb = VERB_UNKNOWN; verb <= VERB_SUCCEED; verb++)
        if (vocabulary_verb((enum verb)verb)) judge(vocabulary_verb((enum verb)verb), fields, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static uint8_t again[BODY_BYTES_MAX];
    static struct body_field fields[FIELDS_MAX];
    struct sink out = sink_over(again, sizeof again);
    struct reader r = reader_over(span_of(at, len));
    size_t maps = 0, count = UNTOUCHED;
    struct err e = {0};
    mark_untouched(fields, sizeof fields);
    if (!body_read(span_of(at, len), 0, fields, &count, &e)) {
        must_say_why(&e);
        must(count == UNTOUCHED);
        must_be_untouched(fields, sizeof fields);
        return 0;
    }
    must(read_array_upto(&r, ITEMS_MAX, &maps, NULL) && maps > 0);
    body_start(&out, maps);
    for (size_t i = 0; i < maps; i++) {
        must(body_read(span_of(at, len), i, fields, &count, &e) && count <= FIELDS_MAX);
        judge_all(fields, count);
        body_map(&out, fields, count);
    }
    must_be_written(&out, span_of(at, len));
    must(!body_read(span_of(at, len), maps, fields, &count, &e) && e.code == ERR_MISSING);
    return 0;
}

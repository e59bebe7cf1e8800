/*
 * protocol/reader against protocol/writer: any value that is accepted has one spelling, and every single read states its
 * bound. Input: one byte that chooses a read, one its bound; the whole input is also read as any value.
 */
#include "protocol/limits.h"
#include "protocol/reader.h"
#include "protocol/writer.h"
#include "tests/fuzz/fuzz.h"

struct level {
    size_t left;
    bool is_map;
    span previous;
};

/* Takes the start of one value from `r` and writes it; an array or a map is described by `inside`. */
static bool copy_one(struct reader *r, struct level *inside, struct sink *out, struct err *e)
{
    uint64_t number = 0;
    int64_t negative = 0;
    bool truth = false;
    span run = {0};
    *inside = (struct level){0};
    switch (reader_next_kind(r)) {
    case READER_NIL:
        if (!read_nil(r, e)) return false;
        write_nil(out);
        return true;
    case READER_BOOL:
        if (!read_bool(r, &truth, e)) return false;
        write_bool(out, truth);
        return true;
    case READER_UNSIGNED:
        if (!read_u64(r, UINT64_MAX, &number, e)) return false;
        write_u64(out, number);
        return true;
    case READER_NEGATIVE:
        if (!read_i64(r, &negative, e)) return false;
        must(negative < 0);
        write_i64(out, negative);
        return true;
    case READER_TEXT:
        if (!read_text(r, SIZE_MAX, &run, e)) return false;
        must(span_is_utf8(run));
        write_text(out, run);
        return true;
    case READER_BYTES:
        if (!read_span(r, SIZE_MAX, &run, e)) return false;
        write_bytes(out, run);
        return true;
    case READER_ARRAY:
        if (!read_array_upto(r, SIZE_MAX, &inside->left, e)) return false;
        must(inside->left <= r->left.len);
        write_array(out, inside->left);
        return true;
    case READER_MAP:
        if (!read_map_upto(r, SIZE_MAX, &inside->left, e)) return false;
        must(inside->left <= r->left.len / 2);
        write_map(out, inside->left);
        inside->left *= 2;
        inside->is_map = true;
        return true;
    case READER_END:
    case READER_BAD: break;
    }
    return false;
}

/* One whole value, at most DEPTH_MAX deep. */
static bool copy_value(struct reader *r, struct sink *out, struct err *e)
{
    struct level levels[DEPTH_MAX] = {{0}};
    size_t depth = 0;
    do {
        struct level *in = depth ? &levels[depth - 1] : NULL;
        enum reader_kind kind = reader_next_kind(r);
        bool is_key = in && in->is_map && in->left % 2 == 0;
        if (in) in->left--;
        if (is_key) {
            if (!read_key(r, SIZE_MAX, &in->previous, e)) return false;
            write_text(out, in->previous);
            continue;
        }
        struct level inside = {0};
        if ((kind == READER_ARRAY || kind == READER_MAP) && depth == DEPTH_MAX) return false;
        if (!copy_one(r, &inside, out, e)) return false;
        if (kind == READER_ARRAY || kind == READER_MAP) levels[depth++] = inside;
        while (depth && levels[depth - 1].left == 0) depth--;
    } while (depth);
    return true;
}

static void whole_value(span input, struct sink *out)
{
    struct reader copied = reader_over(input), skipped = copied, again = reader_over((span){0});
    struct err e = {0};
    span value = span_of(NULL, UNTOUCHED);
    bool is_copied = copy_value(&copied, out, NULL);
    bool is_skipped = read_skip(&skipped, &value, &e);
    must(is_copied == is_skipped);
    if (!is_skipped) {
        must_say_why(&e);
        must(value.len == UNTOUCHED && skipped.left.len == input.len);
        return;
    }
    must_be_written(out, value);
    must(value.at == input.at && value.len == input.len - skipped.left.len && copied.left.len == skipped.left.len);
    must(read_end(&skipped, NULL) == (value.len == input.len));
    again = reader_over(sink_span(out));
    must(read_skip(&again, NULL, NULL) && read_end(&again, NULL));
}

enum choice { CHOOSE_ARRAY, CHOOSE_ARRAY_UPTO, CHOOSE_MAP_UPTO, CHOOSE_KEY, CHOOSE_U64, CHOOSE_I64, CHOOSE_BOOL, CHOOSE_NIL,
              CHOOSE_BYTES, CHOOSE_SPAN, CHOOSE_TEXT, CHOICES };

union room {
    uint8_t bytes[256];
    uint64_t number;
    int64_t negative;
    size_t count;
    bool truth;
    span run;
};

/* One read with a bound. What it accepts is written again; false when it refuses. */
static bool read_one(struct reader *r, enum choice choice, size_t bound, union room *room, struct sink *out, struct err *e)
{
    span previous = span_of("bb", bound % 3);
    switch (choice) {
    case CHOOSE_ARRAY:
        if (!read_array(r, bound, e)) return false;
        write_array(out, bound);
        return true;
    case CHOOSE_ARRAY_UPTO:
        if (!read_array_upto(r, bound, &room->count, e)) return false;
        must(room->count <= bound);
        write_array(out, room->count);
        return true;
    case CHOOSE_MAP_UPTO:
        if (!read_map_upto(r, bound, &room->count, e)) return false;
        must(room->count <= bound);
        write_map(out, room->count);
        return true;
    case CHOOSE_KEY:
        room->run = previous;
        if (!read_key(r, bound, &room->run, e)) {
            must(room->run.len == previous.len);
            mark_untouched(room, sizeof *room);
            return false;
        }
        must(room->run.len <= bound && span_compare(room->run, previous) > 0);
        write_text(out, room->run);
        return true;
    case CHOOSE_U64:
        if (!read_u64(r, bound, &room->number, e)) return false;
        must(room->number <= bound);
        write_u64(out, room->number);
        return true;
    case CHOOSE_I64:
        if (!read_i64(r, &room->negative, e)) return false;
        write_i64(out, room->negative);
        return true;
    case CHOOSE_BOOL:
        if (!read_bool(r, &room->truth, e)) return false;
        write_bool(out, room->truth);
        return true;
    case CHOOSE_NIL:
        if (!read_nil(r, e)) return false;
        write_nil(out);
        return true;
    case CHOOSE_BYTES:
        if (!read_bytes(r, room->bytes, bound, e)) return false;
        write_bytes(out, span_of(room->bytes, bound));
        return true;
    case CHOOSE_SPAN:
        if (!read_span(r, bound, &room->run, e)) return false;
        must(room->run.len <= bound);
        write_bytes(out, room->run);
        return true;
    case CHOOSE_TEXT:
        if (!read_text(r, bound, &room->run, e)) return false;
        must(room->run.len <= bound);
        write_text(out, room->run);
        return true;
    case CHOICES: break;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static uint8_t written[1 << 20];
    struct sink out = sink_over(written, sizeof written);
    span input = span_of(at, len), left = input;
    enum choice choice = (enum choice)(input_byte(&left) % CHOICES);
    size_t bound = input_byte(&left);
    struct reader r = reader_over(left);
    union room room;
    struct err e = {0};
    if (len > sizeof written) return 0;
    whole_value(input, &out);
    out.len = 0;
    mark_untouched(&room, sizeof room);
    if (read_one(&r, choice, bound, &room, &out, &e)) {
        must_be_written(&out, span_of(left.at, left.len - r.left.len));
        return 0;
    }
    must_say_why(&e);
    must_be_untouched(&room, sizeof room);
    must(r.left.at == left.at && r.left.len == left.len);
    return 0;
}

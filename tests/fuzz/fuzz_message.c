/*
 * Any bytes as the plaintext of a frame, read as the engine's two sides read them: what is accepted, as a request or as an
 * answer, has one spelling. It is written again while it is read.
 */
#include "protocol/messages.h"
#include "protocol/writer.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static bool copy_summary(struct reader *r, struct sink *out, struct err *e)
{
    struct summary summary;
    if (!summary_read(r, &summary, e)) return false;
    summary_write(out, &summary);
    return true;
}

static bool copy_summary_or_nil(struct reader *r, struct sink *out, struct err *e)
{
    if (reader_next_kind(r) != READER_NIL) return copy_summary(r, out, e);
    write_nil(out);
    return read_nil(r, e);
}

static bool copy_detail(struct reader *r, struct sink *out, struct err *e)
{
    static struct feed_row rows[FEED_ROWS_MAX];
    static struct detail detail;
    detail.rows = rows;
    if (!detail_read(r, &detail, e)) return false;
    must(detail.row_count <= FEED_ROWS_MAX && detail.fork_count <= FORKS_MAX);
    detail_write(out, &detail);
    return true;
}

static bool copy_batch(struct reader *r, struct sink *out, struct err *e)
{
    static struct message_batch batch;
    mark_untouched(&batch, sizeof batch);
    if (!batch_read(r, &batch, e)) {
        must_be_untouched(&batch, sizeof batch);
        return false;
    }
    must(batch.proof.count <= MERKLE_PROOF_MAX && batch.unpacked_bytes <= BATCH_BYTES_MAX);
    must(batch.entries.len <= FRAME_BYTES_MAX);
    batch_write(out, &batch);
    return true;
}

static bool copy_batch_or_nil(struct reader *r, struct sink *out, struct err *e)
{
    if (reader_next_kind(r) != READER_NIL) return copy_batch(r, out, e);
    write_nil(out);
    return read_nil(r, e);
}

static bool copy_pull(struct reader *r, struct sink *out, struct err *e)
{
    struct message_pull pull;
    mark_untouched(&pull, sizeof pull);
    if (!pull_read(r, &pull, e)) {
        must_be_untouched(&pull, sizeof pull);
        return false;
    }
    pull_write(out, &pull);
    return true;
}

static bool copy_list(struct reader *r, struct sink *out, size_t most, bool (*copy)(struct reader *, struct sink *, struct err *),
                      struct err *e)
{
    size_t count = 0;
    if (!read_array_upto(r, most, &count, e)) return false;
    write_array(out, count);
    for (size_t i = 0; i < count; i++)
        if (!copy(r, out, e)) return false;
    return true;
}

static bool copy_number(struct reader *r, struct sink *out, uint64_t most, struct err *e)
{
    uint64_t number = 0;
    if (!read_u64(r, most, &number, e)) return false;
    write_u64(out, number);
    return true;
}

static bool copy_fixed(struct reader *r, struct sink *out, size_t bytes, struct err *e)
{
    uint8_t room[64];
    if (!read_bytes(r, room, bytes, e)) return false;
    write_bytes(out, span_of(room, bytes));
    return true;
}

static bool copy_request(enum message_kind kind, struct reader *r, struct sink *out, struct err *e)
{
    switch (kind) {
    case MESSAGE_FRONTIER:
        return copy_number(r, out, UINT64_MAX, e) && copy_number(r, out, UINT64_MAX, e) &&
               copy_list(r, out, RELATIONSHIPS_MAX, copy_summary, e);
    case MESSAGE_PULL: return copy_pull(r, out, e);
    case MESSAGE_PUSH: return copy_batch(r, out, e);
    case MESSAGE_WATCH: return copy_list(r, out, RELATIONSHIPS_MAX, copy_summary, e);
    case MESSAGE_COMMIT:
    case MESSAGE_REVEAL: return copy_fixed(r, out, sizeof(struct relationship_id), e) && copy_fixed(r, out, 32, e);
    }
    abort(); /* message_open knows no other */
}

static bool copy_answer(enum message_kind kind, struct reader *r, struct sink *out, struct err *e)
{
    switch (kind) {
    case MESSAGE_FRONTIER:
        return copy_number(r, out, UINT64_MAX, e) && copy_number(r, out, UINT64_MAX, e) &&
               copy_list(r, out, RELATIONSHIPS_MAX, copy_detail, e);
    case MESSAGE_PULL: return copy_number(r, out, STATUS_UNKNOWN, e) && copy_batch_or_nil(r, out, e);
    case MESSAGE_PUSH:
        return copy_number(r, out, STATUS_UNKNOWN, e) && copy_number(r, out, INT64_MAX, e) && copy_summary_or_nil(r, out, e);
    case MESSAGE_WATCH:
        return copy_list(r, out, RELATIONSHIPS_MAX, copy_summary, e) && copy_list(r, out, RELATIONSHIPS_MAX, copy_detail, e) &&
               copy_list(r, out, NEWS_MAX, copy_batch, e);
    case MESSAGE_COMMIT: return copy_fixed(r, out, 32, e);
    case MESSAGE_REVEAL: return copy_number(r, out, STATUS_UNKNOWN, e);
    }
    abort(); /* message_open knows no other */
}

static void copy_message(span input, enum message_side side)
{
    static const size_t request_fields[] = {0, 3, 1, 1, 1, 2, 2}, answer_fields[] = {0, 3, 2, 3, 3, 1, 1}; /* FORMAT.md section 8 */
    static uint8_t room[FRAME_BYTES_MAX];
    static struct message_head head;
    struct sink out = sink_over(room, sizeof room);
    struct reader r = reader_over(input);
    struct err e = {0};
    if (!message_open(&r, side, &head, &e)) {
        must_say_why(&e);
        return;
    }
    must(head.receipt_count <= RECEIPTS_MAX);
    message_start(&out, head.kind, head.receipts, head.receipt_count,
                  side == MESSAGE_REQUEST ? request_fields[head.kind] : answer_fields[head.kind]);
    bool is_read = side == MESSAGE_REQUEST ? copy_request(head.kind, &r, &out, &e) : copy_answer(head.kind, &r, &out, &e);
    if (is_read && read_end(&r, &e)) must_be_written(&out, input);
    else must_say_why(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct refusal refusals[REFUSALS_MAX];
    struct err e = {0};
    size_t count = 0;
    if (len > FRAME_BYTES_MAX) return 0;
    copy_message(span_of(at, len), MESSAGE_REQUEST);
    copy_message(span_of(at, len), MESSAGE_ANSWER);
    if (refusals_read(span_of(at, len), refusals, &count, &e)) must(count <= REFUSALS_MAX);
    return 0;
}

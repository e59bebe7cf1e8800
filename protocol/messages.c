#include "protocol/messages.h"

#include "crypto/hash.h"
#include "protocol/writer.h"

#include <stdlib.h>

static void receipt_write(struct sink *out, const struct message_receipt *r)
{
    write_array(out, 6);
    write_bytes(out, relationship_span(&r->relationship));
    write_bytes(out, key_public_span(&r->log_key));
    write_bytes(out, key_public_span(&r->receipt_key));
    write_u64(out, r->size);
    write_u64(out, r->time_s);
    write_bytes(out, span_of(r->signature.bytes, sizeof r->signature.bytes));
}

static bool receipt_read(struct reader *r, struct message_receipt *out, struct err *e)
{
    return read_array(r, 6, e) && read_bytes(r, out->relationship.bytes, sizeof out->relationship.bytes, e) &&
           read_bytes(r, out->log_key.bytes, sizeof out->log_key.bytes, e) &&
           read_bytes(r, out->receipt_key.bytes, sizeof out->receipt_key.bytes, e) &&
           read_u64(r, INT64_MAX, &out->size, e) && read_u64(r, INT64_MAX, &out->time_s, e) &&
           read_bytes(r, out->signature.bytes, sizeof out->signature.bytes, e);
}

void message_start(struct sink *out, enum message_kind kind, const struct message_receipt *receipts,
                   size_t receipt_count, size_t fields)
{
    must(receipt_count <= RECEIPTS_MAX);
    write_array(out, 2 + fields);
    write_u64(out, kind);
    write_array(out, receipt_count);
    for (size_t i = 0; i < receipt_count; i++) receipt_write(out, &receipts[i]);
}

/* After the kind and the receipts. */
static const size_t fields_of[MESSAGE_REVEAL + 1][2] = {
    [MESSAGE_FRONTIER] = {3, 3}, [MESSAGE_PULL] = {1, 2},   [MESSAGE_PUSH] = {1, 3},
    [MESSAGE_WATCH] = {1, 3},    [MESSAGE_COMMIT] = {2, 1}, [MESSAGE_REVEAL] = {2, 1},
};

bool message_open(struct reader *r, enum message_side side, struct message_head *out, struct err *e)
{
    uint64_t kind = 0;
    size_t fields = 0;
    if (!read_array_upto(r, 16, &fields, e)) return false;
    if (fields < 2) return err_set(e, ERR_MALFORMED, "a message of %zu fields", fields);
    if (!read_u64(r, UINT8_MAX, &kind, e) || !read_array_upto(r, RECEIPTS_MAX, &out->receipt_count, e)) return false;
    if (kind < MESSAGE_FRONTIER || kind > MESSAGE_REVEAL)
        return err_set(e, ERR_REFUSED, "a message of a kind this version does not know: %u", (unsigned)kind);
    if (fields != 2 + fields_of[kind][side])
        return err_set(e, ERR_MALFORMED, "message %u has %zu fields, expected %zu", (unsigned)kind, fields, 2 + fields_of[kind][side]);
    out->kind = (enum message_kind)kind;
    for (size_t i = 0; i < out->receipt_count; i++)
        if (!receipt_read(r, &out->receipts[i], e)) return false;
    return true;
}

void refusals_write(struct sink *out, const struct refusal *refusals, size_t count)
{
    must(count <= REFUSALS_MAX);
    write_array(out, count);
    for (size_t i = 0; i < count; i++) {
        write_array(out, 2);
        write_bytes(out, relationship_span(&refusals[i].relationship));
        write_u64(out, refusals[i].why);
    }
}

bool refusals_read(span plain, struct refusal out[REFUSALS_MAX], size_t *count, struct err *e)
{
    struct reader r = reader_over(plain);
    *count = 0;
    if (plain.len == 0) return true;
    if (!read_array_upto(&r, REFUSALS_MAX, count, e)) return false;
    for (size_t i = 0; i < *count; i++) {
        uint64_t why = 0;
        if (!read_array(&r, 2, e) ||
            !read_bytes(&r, out[i].relationship.bytes, sizeof out[i].relationship.bytes, e) ||
            !read_u64(&r, REFUSAL_USED, &why, e))
            return false;
        if (why == REFUSAL_NONE) return err_set(e, ERR_MALFORMED, "a refusal without a reason");
        out[i].why = (enum refusal_why)why;
    }
    return read_end(&r, e);
}

void summary_write(struct sink *out, const struct summary *s)
{
    write_array(out, 3);
    write_bytes(out, relationship_span(&s->relationship));
    write_bytes(out, hash_span(&s->digest));
    write_bytes(out, hash_span(&s->state));
}

bool summary_read(struct reader *r, struct summary *out, struct err *e)
{
    struct summary s;
    if (!read_array(r, 3, e) || !read_bytes(r, s.relationship.bytes, sizeof s.relationship.bytes, e) ||
        !read_bytes(r, s.digest.bytes, sizeof s.digest.bytes, e) || !read_bytes(r, s.state.bytes, sizeof s.state.bytes, e))
        return false;
    *out = s;
    return true;
}

static void row_write(struct sink *out, const struct feed_row *row)
{
    write_array(out, 4);
    write_bytes(out, key_public_span(&row->log_key));
    write_u64(out, row->size);
    write_bytes(out, hash_span(&row->root));
    write_array(out, row->mark_count);
    for (size_t i = 0; i < row->mark_count; i++) {
        write_array(out, 2);
        write_bytes(out, key_public_span(&row->marks[i].receipt_key));
        write_u64(out, row->marks[i].size);
    }
}

static bool row_read(struct reader *r, struct feed_row *out, struct err *e)
{
    if (!read_array(r, 4, e) || !read_bytes(r, out->log_key.bytes, sizeof out->log_key.bytes, e) ||
        !read_u64(r, INT64_MAX, &out->size, e) || !read_bytes(r, out->root.bytes, sizeof out->root.bytes, e) ||
        !read_array_upto(r, 2 * PARTIES_MAX, &out->mark_count, e))
        return false;
    for (size_t i = 0; i < out->mark_count; i++) {
        struct receipt_mark *mark = &out->marks[i];
        if (!read_array(r, 2, e) || !read_bytes(r, mark->receipt_key.bytes, sizeof mark->receipt_key.bytes, e) ||
            !read_u64(r, INT64_MAX, &mark->size, e))
            return false;
    }
    return true;
}

void detail_write(struct sink *out, const struct detail *d)
{
    write_array(out, d->is_same ? 2 : 5);
    write_bytes(out, relationship_span(&d->relationship));
    write_bool(out, d->is_same);
    if (d->is_same) return;
    write_bytes(out, hash_span(&d->state));
    write_array(out, d->row_count);
    for (size_t i = 0; i < d->row_count; i++) row_write(out, &d->rows[i]);
    write_array(out, d->fork_count);
    for (size_t i = 0; i < d->fork_count; i++) write_bytes(out, d->forks[i]);
}

bool detail_read(struct reader *r, struct detail *out, struct err *e)
{
    size_t fields = 0;
    if (!read_array_upto(r, 5, &fields, e) ||
        !read_bytes(r, out->relationship.bytes, sizeof out->relationship.bytes, e) ||
        !read_bool(r, &out->is_same, e))
        return false;
    if (fields != (out->is_same ? 2u : 5u)) return err_set(e, ERR_MALFORMED, "a relationship in %zu fields", fields);
    out->row_count = out->fork_count = 0;
    if (out->is_same) return true;
    if (!read_bytes(r, out->state.bytes, sizeof out->state.bytes, e) ||
        !read_array_upto(r, FEED_ROWS_MAX, &out->row_count, e))
        return false;
    for (size_t i = 0; i < out->row_count; i++)
        if (!row_read(r, &out->rows[i], e)) return false;
    if (!read_array_upto(r, FORKS_MAX, &out->fork_count, e)) return false;
    for (size_t i = 0; i < out->fork_count; i++)
        if (!read_span(r, FORK_PROOF_BYTES_MAX, &out->forks[i], e)) return false;
    return true;
}

void batch_write(struct sink *out, const struct message_batch *b)
{
    write_array(out, 10);
    write_bytes(out, relationship_span(&b->relationship));
    write_bytes(out, key_public_span(&b->log_key));
    write_u64(out, b->from);
    write_bytes(out, hash_span(&b->root_at));
    write_u64(out, b->head.size);
    write_bytes(out, hash_span(&b->head.root));
    write_bytes(out, span_of(b->head.signature.bytes, sizeof b->head.signature.bytes));
    proof_hashes_write(out, &b->proof);
    write_u64(out, b->unpacked_bytes);
    write_bytes(out, b->entries);
}

bool batch_read(struct reader *r, struct message_batch *out, struct err *e)
{
    struct message_batch b = {0};
    if (!read_array(r, 10, e) || !read_bytes(r, b.relationship.bytes, sizeof b.relationship.bytes, e) ||
        !read_bytes(r, b.log_key.bytes, sizeof b.log_key.bytes, e) || !read_u64(r, INT64_MAX, &b.from, e) ||
        !read_bytes(r, b.root_at.bytes, sizeof b.root_at.bytes, e) || !read_u64(r, INT64_MAX, &b.head.size, e) ||
        !read_bytes(r, b.head.root.bytes, sizeof b.head.root.bytes, e) ||
        !read_bytes(r, b.head.signature.bytes, sizeof b.head.signature.bytes, e) || !proof_hashes_read(r, &b.proof, e) ||
        !read_u64(r, BATCH_BYTES_MAX, &b.unpacked_bytes, e) || !read_span(r, FRAME_BYTES_MAX, &b.entries, e))
        return false;
    *out = b;
    return true;
}

void pull_write(struct sink *out, const struct message_pull *p)
{
    write_array(out, 6);
    write_bytes(out, relationship_span(&p->relationship));
    write_bytes(out, key_public_span(&p->log_key));
    write_u64(out, p->from);
    write_u64(out, p->size);
    write_bytes(out, hash_span(&p->root));
    write_u64(out, p->most);
}

bool pull_read(struct reader *r, struct message_pull *out, struct err *e)
{
    struct message_pull p;
    if (!read_array(r, 6, e) || !read_bytes(r, p.relationship.bytes, sizeof p.relationship.bytes, e) ||
        !read_bytes(r, p.log_key.bytes, sizeof p.log_key.bytes, e) || !read_u64(r, INT64_MAX, &p.from, e) ||
        !read_u64(r, INT64_MAX, &p.size, e) || !read_bytes(r, p.root.bytes, sizeof p.root.bytes, e) ||
        !read_u64(r, INT64_MAX, &p.most, e))
        return false;
    *out = p;
    return true;
}

void batch_entry_write(struct sink *out, span header, const uint8_t salt[SALT_BYTES], bool has_body, span body)
{
    write_array(out, 3);
    write_bytes(out, header);
    write_bytes(out, span_of(salt, SALT_BYTES));
    if (has_body) write_bytes(out, body);
    else write_nil(out);
}

bool batch_entry_read(struct reader *r, span *header, uint8_t salt[SALT_BYTES], bool *has_body, span *body,
                      struct err *e)
{
    if (!read_array(r, 3, e) || !read_span(r, HEADER_BYTES_MAX, header, e) || !read_bytes(r, salt, SALT_BYTES, e))
        return false;
    *has_body = reader_next_kind(r) != READER_NIL;
    *body = (span){0};
    return *has_body ? read_span(r, BODY_BYTES_MAX, body, e) : read_nil(r, e);
}

struct hash rows_digest(const struct relationship_id *relationship, const struct feed_row *rows, size_t row_count)
{
    struct hash chain = {0};
    span start[1] = {relationship_span(relationship)};
    chain = hash_labelled("counterpart/v1/frontier", start, 1);
    for (size_t i = 0; i < row_count; i++) {
        uint8_t bytes[128 + 2 * PARTIES_MAX * 48];
        struct sink out = sink_over(bytes, sizeof bytes);
        row_write(&out, &rows[i]);
        must(!out.full);
        span parts[2] = {hash_span(&chain), sink_span(&out)};
        chain = hash_labelled("counterpart/v1/frontier", parts, 2);
    }
    return chain;
}

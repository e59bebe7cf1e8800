#include "protocol/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/lthash.h"
#include "protocol/writer.h"
#include "tests/testing.h"

/* The vectors of FORMAT.md sections 8 and 9, which were computed by another program. */
#define ORIGIN                                                                                     \
    "acme.example/counterpart/716f2def735f5972501a3d5aa7b70bb3/"                                   \
    "24f6ed6acbfe1009c030d7ca567c33ca4830911498236b5561a6c82abec5de28"
static const char RECEIPT_AND_PULL[] =
    "93029196c410716f2def735f5972501a3d5aa7b70bb3c42029acbae141bccaf0b22e1a94d34d0bc7361e526d"
    "0bfe12c89794bc9322966dd7c4202543b92ff1095511476adc8369db6ddc933665a11978dda1404ee1066ca9"
    "559d02ce6955b900c440889cec0c762bc5cc7069ca5620a3400bc69b2064acbea6d78c8f0a2301975e586c08"
    "b80853290319adc86a35a62bf3fec9e4364de8d823d0178b458d5963de0c96c410716f2def735f5972501a3d"
    "5aa7b70bb3c42029acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc9322966dd70103c4205a"
    "ac771c899ac292e74bf1afe2e6e302f8b55883b2d1bf197b46a6bea6dabca9cd0800";
static const char SUMMARY[] =
    "93c410716f2def735f5972501a3d5aa7b70bb3c42009a946719453965668e3654dc18c8a3ba4ea9802e6397a"
    "f790ee3ff4f89454b9c42056d485d93118fd0d63ea54fcb5b2a2bdfe30342bc774f8d3559c4af6b673eeb3";
static const char DETAIL[] =
    "95c410716f2def735f5972501a3d5aa7b70bb3c2c42056d485d93118fd0d63ea54fcb5b2a2bdfe30342bc774"
    "f8d3559c4af6b673eeb39294c42029acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc932296"
    "6dd703c4205aac771c899ac292e74bf1afe2e6e302f8b55883b2d1bf197b46a6bea6dabca99192c4202543b9"
    "2ff1095511476adc8369db6ddc933665a11978dda1404ee1066ca9559d0294c420cd14b37f956e953194ff7f"
    "b73b3d81dcc561d61a7538094b7c3e1a643ee5f3aacd012cc420ca233e7a26b8c35c2c93f524c7b905e7a210"
    "5640d6dcc594694cff56d26efb259292c4202543b92ff1095511476adc8369db6ddc933665a11978dda1404e"
    "e1066ca9559dcd012b92c420eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
    "0791c5020594c42029acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc9322966dd702c4204f"
    "55f619d9215235778b2b9f17d6f4915b16171214d152381293669764de722e929603c4205aac771c899ac292"
    "e74bf1afe2e6e302f8b55883b2d1bf197b46a6bea6dabca9c4401c748843cfe5993dbf1f96e74824f9fef829"
    "8fc7b6258f0d8d4012820640d91d39ceaeed319e4275ba6c20f487e5b40e48c9706c6925438b425bf4419ffa"
    "1509c420671f146c5e471e8a1a83a3c214ce4ba907b8f3a5888d14cc8cd3ce75bb12ef9491c420671f146c5e"
    "471e8a1a83a3c214ce4ba907b8f3a5888d14cc8cd3ce75bb12ef9491c4204f55f619d9215235778b2b9f17d6"
    "f4915b16171214d152381293669764de722e9604c420e0ba6fa09155dd04f75fd3f3c25cda619bbba27dac22"
    "925fa0042f34f91d8b16c440e37b6d0c452db7132bfcf5db01e16f70c3fd1b8f86e5ef9ff04c04ba2d69ca11"
    "9ffc28aacdb02c9b459f086ba4fa2fba0e62fd0570cc45c6e359bfd67b227503c420f715ab3faa5d071e6e2a"
    "c4bb994d5bf735943dcc3799da0d085e7980cfb9336a91c420b94a8e3f947b1bf97636effb6f7ff87adceb31"
    "28e85db2ab31856bcc0b520e6092c420ccc29ae0e02a77b0f4578c1ac17493d79cf4262104929ac804f91fc4"
    "e7ac5af0c4204f55f619d9215235778b2b9f17d6f4915b16171214d152381293669764de722e";
static const char DETAIL_SAME[] = "92c410716f2def735f5972501a3d5aa7b70bb3c3";
static const char BATCH[] =
    "9ac410716f2def735f5972501a3d5aa7b70bb3c42029acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12"
    "c89794bc9322966dd701c420d0d7360ab79f58ab1e1e3fe64ad77e2ea0bc07e36b5f46ed2223edd9298df9e9"
    "03c4205aac771c899ac292e74bf1afe2e6e302f8b55883b2d1bf197b46a6bea6dabca9c4401c748843cfe599"
    "3dbf1f96e74824f9fef8298fc7b6258f0d8d4012820640d91d39ceaeed319e4275ba6c20f487e5b40e48c970"
    "6c6925438b425bf4419ffa150991c420671f146c5e471e8a1a83a3c214ce4ba907b8f3a5888d14cc8cd3ce75"
    "bb12ef9400c41c93c40374776fc410000102030405060708090a0b0c0d0e0fc4029180";
static const char ENTRY[] = "93c40374776fc410000102030405060708090a0b0c0d0e0fc4029180";
static const char ENTRY_ERASED[] = "93c4057468726565c41000000000000000000000000000000000c0";

#define ROOM 8192
#define TIME_S 1767225600

static struct feed_row rows_room[FEED_ROWS_MAX];
static struct message_head head_room;

/* ------------------------------------------------------------ read and written again */

typedef bool (*rewrite)(struct reader *r, struct sink *out, struct err *e);

static bool pull_message_again(struct reader *r, struct sink *out, struct err *e)
{
    struct message_pull pull = {0};
    if (!message_open(r, MESSAGE_REQUEST, &head_room, e) || !pull_read(r, &pull, e)) return false;
    message_start(out, head_room.kind, head_room.receipts, head_room.receipt_count, 1);
    pull_write(out, &pull);
    return true;
}

static bool summary_again(struct reader *r, struct sink *out, struct err *e)
{
    struct summary summary = {0};
    if (!summary_read(r, &summary, e)) return false;
    summary_write(out, &summary);
    return true;
}

static bool detail_again(struct reader *r, struct sink *out, struct err *e)
{
    struct detail detail = {.rows = rows_room};
    if (!detail_read(r, &detail, e)) return false;
    detail_write(out, &detail);
    return true;
}

static bool batch_again(struct reader *r, struct sink *out, struct err *e)
{
    struct message_batch batch = {0};
    if (!batch_read(r, &batch, e)) return false;
    batch_write(out, &batch);
    return true;
}

static bool entry_again(struct reader *r, struct sink *out, struct err *e)
{
    span header = {0}, body = {0};
    uint8_t salt[SALT_BYTES] = {0};
    bool has_body = false;
    if (!batch_entry_read(r, &header, salt, &has_body, &body, e)) return false;
    batch_entry_write(out, header, salt, has_body, body);
    return true;
}

static const struct {
    const char *hex;
    rewrite again;
} messages[] = {
    {RECEIPT_AND_PULL, pull_message_again},
    {SUMMARY, summary_again},
    {DETAIL, detail_again},
    {DETAIL_SAME, detail_again},
    {BATCH, batch_again},
    {ENTRY, entry_again},
    {ENTRY_ERASED, entry_again},
};
#define MESSAGES (sizeof messages / sizeof messages[0])

static enum err_code again_code(rewrite again, span bytes)
{
    uint8_t room[ROOM];
    struct reader r = reader_over(bytes);
    struct sink out = sink_over(room, sizeof room);
    struct err e = {0};
    if (!again(&r, &out, &e) || !read_end(&r, &e)) return e.code;
    assert_false(out.full);
    test_assert_span(sink_span(&out), bytes.at, bytes.len);
    return ERR_NONE;
}

static void what_is_read_is_written_again_to_the_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGES; i++) {
        uint8_t bytes[ROOM];
        assert_int_equal(
            again_code(messages[i].again, test_hex(messages[i].hex, bytes, sizeof bytes)),
            ERR_NONE);
    }
}

static void a_message_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGES; i++) {
        uint8_t bytes[ROOM];
        span whole = test_hex(messages[i].hex, bytes, sizeof bytes);
        for (size_t len = 0; len < whole.len; len++)
            assert_int_equal(again_code(messages[i].again, span_of(bytes, len)), ERR_MALFORMED);
        bytes[whole.len] = 0xc0;
        assert_int_equal(again_code(messages[i].again, span_of(bytes, whole.len + 1)),
                         ERR_MALFORMED);
    }
}

/* A changed byte is refused, or is another message, which is written again to the byte as well. */
static void every_message_has_one_spelling(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGES; i++) {
        uint8_t bytes[ROOM];
        span whole = test_hex(messages[i].hex, bytes, sizeof bytes);
        for (size_t at = 0; at < whole.len; at++)
            for (unsigned bit = 0; bit < 8; bit++) {
                bytes[at] ^= (uint8_t)(1u << bit);
                (void)again_code(messages[i].again, whole);
                bytes[at] ^= (uint8_t)(1u << bit);
            }
    }
}

/* ----------------------------------------------------------------------- field by field */

static struct signing_key *signing_key(uint8_t first)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    struct signing_key *key = NULL;
    struct err e = {0};
    for (size_t i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)(first + i);
    assert_true(signing_key_new(&key, seed, &e));
    return key;
}

static struct key_public key_of(uint8_t first)
{
    OWNED(signing_key_free) struct signing_key *key = signing_key(first);
    return *signing_key_public(key);
}

static struct relationship_id relationship(void)
{
    struct relationship_id id = {{0}};
    assert_true(hex_read(span_text("716f2def735f5972501a3d5aa7b70bb3"), id.bytes, sizeof id.bytes));
    return id;
}

/* The root of the first `count` of these three entries. */
static struct hash root_of(size_t count)
{
    static const char *const entries[] = {"one", "two", "three"};
    struct merkle_edge edge = {0};
    struct hash completed[MERKLE_LEVELS_MAX];
    for (size_t i = 0; i < count; i++) {
        struct hash leaf = merkle_leaf(span_text(entries[i]));
        (void)merkle_append(&edge, &leaf, completed);
    }
    return merkle_root(&edge);
}

static void vector_rows(struct feed_row out[2])
{
    memset(out, 0, 2 * sizeof *out);
    out[0] =
        (struct feed_row){.log_key = key_of(0x20), .size = 3, .root = root_of(3), .mark_count = 1};
    out[0].marks[0] = (struct receipt_mark){key_of(0x40), 2};
    out[1] = (struct feed_row){.log_key = key_of(0x80),
                               .size = 300,
                               .root = merkle_leaf(span_text("six")),
                               .mark_count = 2};
    out[1].marks[0] = (struct receipt_mark){key_of(0x40), 299};
    out[1].marks[1].size = 7;
    memset(out[1].marks[1].receipt_key.bytes, 0xee, 32);
}

static void assert_hash(struct hash hash, const char *hex)
{
    char text[65] = "";
    assert_string_equal(hex_write(hash_span(&hash), text, sizeof text), hex);
}

static void the_frontier_digest_is_that_of_the_format(void **state)
{
    (void)state;
    struct relationship_id id = relationship();
    struct feed_row rows[2];
    vector_rows(rows);
    assert_hash(rows_digest(&id, rows, 0),
                "081d2ae7f893b64497d186847d111aebfa6b3b97492889eb4f8985bf4ce7feec");
    assert_hash(rows_digest(&id, rows, 1),
                "f1397ff967270cd2157374dc7b55c990f077b302051bb4b0c692638a0883d54e");
    assert_hash(rows_digest(&id, rows, 2),
                "09a946719453965668e3654dc18c8a3ba4ea9802e6397af790ee3ff4f89454b9");
}

static void the_frontier_digest_depends_on_every_mark_and_on_the_order(void **state)
{
    (void)state;
    struct relationship_id id = relationship();
    struct feed_row rows[2], turned[2];
    vector_rows(rows);
    vector_rows(turned);
    struct hash before = rows_digest(&id, rows, 2);

    rows[1].marks[1].size++;
    struct hash marked = rows_digest(&id, rows, 2);
    turned[0] = rows[1];
    turned[1] = rows[0];
    struct hash turned_round = rows_digest(&id, turned, 2);

    assert_false(hash_equal(&before, &marked));
    assert_false(hash_equal(&marked, &turned_round));
}

static void a_receipt_and_a_pull_are_read_field_by_field(void **state)
{
    (void)state;
    uint8_t bytes[ROOM];
    struct message_pull pull = {0};
    struct key_public log = key_of(0x20), receipt_key = key_of(0x40);
    struct hash root = root_of(3);
    struct err e = {0};
    struct reader r = reader_over(test_hex(RECEIPT_AND_PULL, bytes, sizeof bytes));

    assert_true(message_open(&r, MESSAGE_REQUEST, &head_room, &e));
    assert_true(pull_read(&r, &pull, &e));

    assert_int_equal(head_room.kind, MESSAGE_PULL);
    assert_int_equal(head_room.receipt_count, 1);
    const struct message_receipt *m = &head_room.receipts[0];
    struct receipt receipt = {m->size, root_of(2), m->time_s, m->signature};
    assert_int_equal(m->size, 2);
    assert_int_equal(m->time_s, TIME_S);
    assert_true(key_public_equal(&m->log_key, &log) &&
                key_public_equal(&m->receipt_key, &receipt_key));
    assert_true(receipt_verify(&m->receipt_key, ORIGIN, &receipt));
    assert_int_equal(pull.from, 1);
    assert_int_equal(pull.size, 3);
    assert_int_equal(pull.most, 2048);
    assert_true(hash_equal(&pull.root, &root) && key_public_equal(&pull.log_key, &log));
}

static void a_batch_is_read_field_by_field(void **state)
{
    (void)state;
    uint8_t bytes[ROOM];
    struct message_batch batch = {0};
    struct key_public log = key_of(0x20);
    struct err e = {0};
    struct reader r = reader_over(test_hex(BATCH, bytes, sizeof bytes));

    assert_true(batch_read(&r, &batch, &e));

    struct hash root_at = root_of(1), root = root_of(3), upto = root_of(2);
    assert_int_equal(batch.from, 1);
    assert_int_equal(batch.unpacked_bytes, 0);
    assert_true(hash_equal(&batch.root_at, &root_at) && hash_equal(&batch.head.root, &root));
    assert_int_equal(batch.head.size, 3);
    assert_true(head_verify(&log, ORIGIN, &batch.head));
    assert_true(merkle_check_consistency(2, 3, &upto, &root, &batch.proof));
    uint8_t entry[ROOM];
    span expected = test_hex(ENTRY, entry, sizeof entry);
    test_assert_span(batch.entries, expected.at, expected.len);
}

static void a_detail_is_read_field_by_field(void **state)
{
    (void)state;
    uint8_t bytes[ROOM];
    struct detail detail = {.rows = rows_room};
    struct relationship_id id = relationship();
    struct feed_row expected[2];
    struct err e = {0};
    struct reader r = reader_over(test_hex(DETAIL, bytes, sizeof bytes));
    vector_rows(expected);

    assert_true(detail_read(&r, &detail, &e));

    assert_false(detail.is_same);
    assert_int_equal(detail.row_count, 2);
    struct hash digest = rows_digest(&id, detail.rows, 2), ours = rows_digest(&id, expected, 2);
    assert_true(hash_equal(&digest, &ours));
    assert_hash(detail.state, "56d485d93118fd0d63ea54fcb5b2a2bdfe30342bc774f8d3559c4af6b673eeb3");
    assert_int_equal(detail.fork_count, 1);
    struct fork_proof *proof = calloc(1, sizeof *proof);
    struct reader fork = reader_over(detail.forks[0]);
    assert_true(fork_read(&fork, proof, &e) && read_end(&fork, &e));
    assert_true(fork_check(proof, ORIGIN));
    free(proof);
}

/* ----------------------------------------------------------------------- bounds */

static enum err_code open_code(const struct sink *bytes, enum message_side side)
{
    struct reader r = reader_over(sink_span(bytes));
    struct err e = {0};
    return message_open(&r, side, &head_room, &e) ? ERR_NONE : e.code;
}

static void a_message_begins_with_a_known_kind_and_its_receipts(void **state)
{
    static const struct {
        size_t fields;
        uint64_t kind;
        size_t receipts;
        enum err_code code;
    } cases[] = {
        {5, 1, 0, ERR_NONE},      {4, 6, 0, ERR_NONE},
        {4, 1, 0, ERR_MALFORMED}, {6, 1, 0, ERR_MALFORMED},
        {1, 1, 0, ERR_MALFORMED}, {0, 1, 0, ERR_MALFORMED},
        {17, 1, 0, ERR_LIMIT},    {2, 0, 0, ERR_REFUSED},
        {2, 7, 0, ERR_REFUSED},   {2, 255, 0, ERR_REFUSED},
        {2, 256, 0, ERR_LIMIT},   {2, 1, RECEIPTS_MAX + 1, ERR_LIMIT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[16 + RECEIPTS_MAX] = {0};
        struct sink out = sink_over(bytes, sizeof bytes);
        write_array(&out, cases[i].fields);
        write_u64(&out, cases[i].kind);
        write_array(&out, cases[i].receipts);
        out.len = sizeof bytes; /* zeros follow: no count is beyond what is there */
        assert_int_equal(open_code(&out, MESSAGE_REQUEST), cases[i].code);
    }
}

static void a_request_and_its_answer_have_their_own_number_of_fields(void **state)
{
    static const size_t right[MESSAGE_REVEAL + 1][2] = {{0, 0}, {3, 3}, {1, 2}, {1, 3}, {1, 3}, {2, 1}, {2, 1}};
    (void)state;
    for (int kind = MESSAGE_FRONTIER; kind <= MESSAGE_REVEAL; kind++)
        for (size_t fields = 0; fields <= 14; fields++)
            for (int side = MESSAGE_REQUEST; side <= MESSAGE_ANSWER; side++) {
                uint8_t bytes[64] = {0};
                struct sink out = sink_over(bytes, sizeof bytes);
                message_start(&out, (enum message_kind)kind, NULL, 0, fields);
                out.len = sizeof bytes;
                assert_int_equal(open_code(&out, (enum message_side)side),
                                 fields == right[kind][side] ? ERR_NONE : ERR_MALFORMED);
            }
}

/* As many receipts as allowed fit a frame. */
static void the_most_receipts_are_read(void **state)
{
    (void)state;
    static struct message_receipt receipts[RECEIPTS_MAX];
    static uint8_t bytes[RECEIPTS_MAX * 200];
    struct sink out = sink_over(bytes, sizeof bytes);
    for (size_t i = 0; i < RECEIPTS_MAX; i++) receipts[i].size = receipts[i].time_s = INT64_MAX;
    message_start(&out, MESSAGE_WATCH, receipts, RECEIPTS_MAX, 1);
    assert_false(out.full);
    assert_int_equal(open_code(&out, MESSAGE_REQUEST), ERR_NONE);
    assert_int_equal(head_room.receipt_count, RECEIPTS_MAX);
    assert_true(head_room.receipts[RECEIPTS_MAX - 1].size == INT64_MAX);
}

static enum err_code detail_code(const struct detail *detail)
{
    static uint8_t bytes[FRAME_BYTES_MAX];
    struct detail read = {.rows = rows_room};
    struct sink out = sink_over(bytes, sizeof bytes);
    struct err e = {0};
    detail_write(&out, detail);
    assert_false(out.full);
    struct reader r = reader_over(sink_span(&out));
    return detail_read(&r, &read, &e) && read_end(&r, &e) ? ERR_NONE : e.code;
}

static void a_detail_has_bounds(void **state)
{
    (void)state;
    static struct feed_row rows[FEED_ROWS_MAX + 1];
    static uint8_t proof[FORK_PROOF_BYTES_MAX + 1];
    struct detail detail = {.rows = rows, .row_count = FEED_ROWS_MAX, .fork_count = FORKS_MAX};
    for (size_t i = 0; i < FEED_ROWS_MAX; i++) rows[i].mark_count = 2 * PARTIES_MAX;
    for (size_t i = 0; i < FORKS_MAX; i++) detail.forks[i] = span_of(proof, FORK_PROOF_BYTES_MAX);
    assert_int_equal(detail_code(&detail), ERR_NONE);

    detail.row_count++;
    assert_int_equal(detail_code(&detail), ERR_LIMIT);
    detail.row_count = 1;
    detail.forks[FORKS_MAX - 1].len++;
    assert_int_equal(detail_code(&detail), ERR_LIMIT);
    detail.fork_count = 0;
    rows[0].size = (uint64_t)INT64_MAX + 1;
    assert_int_equal(detail_code(&detail), ERR_LIMIT);
}

static void a_detail_that_says_same_says_nothing_more(void **state)
{
    (void)state;
    struct relationship_id id = relationship();
    for (size_t fields = 1; fields <= 5; fields++) {
        uint8_t bytes[64];
        struct sink out = sink_over(bytes, sizeof bytes);
        write_array(&out, fields);
        write_bytes(&out, relationship_span(&id));
        write_bool(&out, fields != 2);
        for (size_t i = 2; i < fields; i++) write_nil(&out);
        assert_int_equal(again_code(detail_again, sink_span(&out)), ERR_MALFORMED);
    }
}

static enum err_code batch_code(const struct message_batch *batch)
{
    static uint8_t bytes[2 * FRAME_BYTES_MAX];
    struct message_batch read = {0};
    struct sink out = sink_over(bytes, sizeof bytes);
    struct err e = {0};
    batch_write(&out, batch);
    assert_false(out.full);
    struct reader r = reader_over(sink_span(&out));
    return batch_read(&r, &read, &e) && read_end(&r, &e) ? ERR_NONE : e.code;
}

static void a_batch_has_bounds(void **state)
{
    (void)state;
    static uint8_t entries[FRAME_BYTES_MAX + 1];
    const struct message_batch most = {.from = INT64_MAX,
                                       .head.size = INT64_MAX,
                                       .proof.count = MERKLE_PROOF_MAX,
                                       .unpacked_bytes = BATCH_BYTES_MAX,
                                       .entries = {entries, FRAME_BYTES_MAX}};
    struct message_batch batch = most;
    assert_int_equal(batch_code(&batch), ERR_NONE);
    batch.unpacked_bytes++;
    assert_int_equal(batch_code(&batch), ERR_LIMIT);
    batch = most;
    batch.entries.len++;
    assert_int_equal(batch_code(&batch), ERR_LIMIT);
    batch = most;
    batch.from++;
    assert_int_equal(batch_code(&batch), ERR_LIMIT);
    batch = most;
    batch.head.size++;
    assert_int_equal(batch_code(&batch), ERR_LIMIT);
}

static void an_entry_of_a_batch_has_bounds(void **state)
{
    (void)state;
    static uint8_t bytes[HEADER_BYTES_MAX + BODY_BYTES_MAX + 64], content[BODY_BYTES_MAX + 1];
    static const size_t sizes[][2] = {
        {HEADER_BYTES_MAX, BODY_BYTES_MAX}, {HEADER_BYTES_MAX + 1, 1}, {1, BODY_BYTES_MAX + 1}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t salt[SALT_BYTES] = {0};
        span header = {0}, body = {0};
        bool has_body = false;
        struct err e = {0};
        struct sink out = sink_over(bytes, sizeof bytes);
        batch_entry_write(&out, span_of(content, sizes[i][0]), salt, true,
                          span_of(content, sizes[i][1]));
        struct reader r = reader_over(sink_span(&out));
        bool is_read = batch_entry_read(&r, &header, salt, &has_body, &body, &e);
        assert_int_equal(is_read ? ERR_NONE : e.code, i == 0 ? ERR_NONE : ERR_LIMIT);
    }
}

/* ----------------------------------------------------------------------- the state digest */

static span fact(uint8_t word)
{
    static uint8_t bytes[34];
    memset(bytes, 0x01, 33);
    bytes[33] = word;
    return span_of(bytes, sizeof bytes);
}

static void the_state_digest_is_that_of_the_format(void **state)
{
    static const struct {
        const char *label;
        uint8_t word;
        const char *alone;
    } facts[] = {
        {"counterpart/v1/state/item", 0,
         "58910edb126413cde56f578ca40243e3b9bd759b41f60a23074ef2ccb8a14e17"},
        {"counterpart/v1/state/word", 1,
         "64670bc865ca9147053a6b890749829a4ffdedd2f9c4935caad0cd2cb1b4f290"},
        {"counterpart/v1/state/agreed", 0,
         "701cddad0f4edd226fcd0e34c24c1db373b1c75411db85c90812f1574ee9346a"},
        {"counterpart/v1/state/statement", 0,
         "0efd18ac16df7a16e91c176cebdd4e6ebe6163fe64b61e65eeb52681755714aa"},
        {"counterpart/v1/state/answer", 2,
         "3992abb1b0a4ba644aa280cdef3abd93c4fb2fba9b913de2f558f051e27f8c01"},
    };
    (void)state;
    struct lthash all = {0};
    assert_hash(lthash_digest(&all, "counterpart/v1/state"),
                "fb089ba25b740464433d761da9dc7e60b86f0a27fc20da9397a6af0c2f6ae68e");
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        struct lthash one = {0};
        lthash_add(&one, facts[i].label, fact(facts[i].word));
        lthash_add(&all, facts[i].label, fact(facts[i].word));
        assert_hash(lthash_digest(&one, "counterpart/v1/state"), facts[i].alone);
    }
    assert_hash(lthash_digest(&all, "counterpart/v1/state"),
                "56d485d93118fd0d63ea54fcb5b2a2bdfe30342bc774f8d3559c4af6b673eeb3");
    lthash_remove(&all, "counterpart/v1/state/word", fact(1));
    assert_hash(lthash_digest(&all, "counterpart/v1/state"),
                "48ff10ea8abc829b15eef374a2bd5367cba88002d62364856d3e97afa4ad1a6f");
    lthash_add(&all, "counterpart/v1/state/word", fact(3));
    assert_hash(lthash_digest(&all, "counterpart/v1/state"),
                "0aa3e31ddafd7c7baf1215345687e17304ec8bb33c1d19a7ba4b065b1c3f69e1");
}

/* ------------------------------------------------------------ refusals */

static const char REFUSALS[] = "9192c410716f2def735f5972501a3d5aa7b70bb301";

static void refusals_are_read_as_they_are_written(void **state)
{
    (void)state;
    uint8_t bytes[64], room[ROOM];
    struct sink out = sink_over(room, sizeof room);
    struct refusal refusals[REFUSALS_MAX], most[REFUSALS_MAX] = {{.why = REFUSAL_NONE}};
    size_t count = 9;
    struct err e = {0};
    span whole = test_hex(REFUSALS, bytes, sizeof bytes);

    assert_true(refusals_read(whole, refusals, &count, &e));
    assert_int_equal(count, 1);
    assert_int_equal(refusals[0].why, REFUSAL_VOIDED);
    refusals_write(&out, refusals, count);
    assert_true(span_equal(sink_span(&out), whole));

    assert_true(refusals_read((span){0}, refusals, &count, &e));
    assert_int_equal(count, 0);
    for (size_t i = 0; i < REFUSALS_MAX; i++) most[i].why = (enum refusal_why)(1 + i % REFUSAL_USED);
    out = sink_over(room, sizeof room);
    refusals_write(&out, most, REFUSALS_MAX);
    assert_true(refusals_read(sink_span(&out), refusals, &count, &e));
    assert_int_equal(count, REFUSALS_MAX);
}

static void refusals_that_break_the_format_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "9192c410716f2def735f5972501a3d5aa7b70bb300",   /* no reason */
        "9192c410716f2def735f5972501a3d5aa7b70bb304",   /* no such reason */
        "9191c410716f2def735f5972501a3d5aa7b70bb3",     /* no reason at all */
        "9192c410716f2def735f5972501a3d5aa7b70bb30101", /* bytes after the end */
        "9192c40f716f2def735f5972501a3d5aa7b70b01",     /* a short id */
        "dc0041",                                       /* 65 of them */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t bytes[64];
        struct refusal refusals[REFUSALS_MAX];
        size_t count = 0;
        struct err e = {0};
        assert_false(refusals_read(test_hex(bad[i], bytes, sizeof bytes), refusals, &count, &e));
    }
    uint8_t bytes[64];
    span whole = test_hex(REFUSALS, bytes, sizeof bytes);
    for (size_t len = 1; len < whole.len; len++) {
        struct refusal refusals[REFUSALS_MAX];
        size_t count = 0;
        struct err e = {0};
        assert_false(refusals_read(span_of(whole.at, len), refusals, &count, &e));
    }
}

static int start(void **state)
{
    (void)state;
    return crypto_start(NULL) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_again_to_the_byte),
        cmocka_unit_test(a_message_cut_anywhere_is_refused),
        cmocka_unit_test(every_message_has_one_spelling),
        cmocka_unit_test(the_frontier_digest_is_that_of_the_format),
        cmocka_unit_test(the_frontier_digest_depends_on_every_mark_and_on_the_order),
        cmocka_unit_test(a_receipt_and_a_pull_are_read_field_by_field),
        cmocka_unit_test(a_batch_is_read_field_by_field),
        cmocka_unit_test(a_detail_is_read_field_by_field),
        cmocka_unit_test(a_message_begins_with_a_known_kind_and_its_receipts),
        cmocka_unit_test(a_request_and_its_answer_have_their_own_number_of_fields),
        cmocka_unit_test(the_most_receipts_are_read),
        cmocka_unit_test(a_detail_has_bounds),
        cmocka_unit_test(a_detail_that_says_same_says_nothing_more),
        cmocka_unit_test(a_batch_has_bounds),
        cmocka_unit_test(an_entry_of_a_batch_has_bounds),
        cmocka_unit_test(the_state_digest_is_that_of_the_format),
        cmocka_unit_test(refusals_are_read_as_they_are_written),
        cmocka_unit_test(refusals_that_break_the_format_are_refused),
    };
    return cmocka_run_group_tests_name("protocol/messages", tests, start, NULL);
}

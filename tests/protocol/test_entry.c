#include "protocol/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/writer.h"
#include "tests/testing.h"

#define ROUNDS 60000

/*
 * The vectors of FORMAT.md, which were computed by another program: identity key, log key, nonce
 * and salt are the bytes counted up from 00 (seed), 20 (seed), 80 and 00.
 */
static const char IDENTITY[] = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
static const char LOG_KEY[] = "29acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc9322966dd7";
static const char RELATIONSHIP[] = "716f2def735f5972501a3d5aa7b70bb3";
static const char BODY[] = "9183a3647565aa323032362d31322d3138a770657263656e74d0d8a57469746c65"
                           "adc39c626572617262656974656e";
static const char BODY_DIGEST[] =
    "d70bf92d4b813bf787c9cb9dc96c0163945fec88cbc2eb76c1f33c59fee92247";
static const char EMPTY_DIGEST[] =
    "a8f46f4d96e30aa6cc05ab3193a5c5798125bbc9b38488dc5e2419d682ba1109";
static const char SMALL[] =
    "9f01c410716f2def735f5972501a3d5aa7b70bb3c42029acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c8"
    "9794bc9322966dd70090cf0000019b76daa800a3416e6ea3534552a46f70656ea090c40090c420a8f46f4d96e30a"
    "a6cc05ab3193a5c5798125bbc9b38488dc5e2419d682ba110902";
static const char SMALL_ID[] = "0288c2d5549857d6c554b5091140c966d0e6a3e760fb78bb6c1b0f5de9842992";
static const char LARGE[] =
    "9f01c410716f2def735f5972501a3d5aa7b70bb3c42029acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c8"
    "9794bc9322966dd7cd012c9293c42011111111111111111111111111111111111111111111111111111111111111"
    "1105c420aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa93c42022222222222222"
    "22222222222222222222222222222222222222222222222222ce00011170c420bbbbbbbbbbbbbbbbbbbbbbbbbbbb"
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbcf0000019b76daa801ab416e6e204578616d706c65a3534552a77072"
    "6f706f7365a6616374696f6e9492c400c40092c42033333333333333333333333333333333333333333333333333"
    "33333333333333c420444444444444444444444444444444444444444444444444444444444444444492c400c400"
    "92c4205555555555555555555555555555555555555555555555555555555555555555c400c42066666666666666"
    "666666666666666666666666666666666666666666666666669193c4201111111111111111111111111111111111"
    "11111111111111111111111111111104c42077777777777777777777777777777777777777777777777777777777"
    "77777777c420d70bf92d4b813bf787c9cb9dc96c0163945fec88cbc2eb76c1f33c59fee922472f";
static const char LARGE_ID[] = "669ce7edf5b4f24d66abde9e1ce1e11d5b3dd904ee186d3ebefddfa25d5715da";
static const char LARGE_ITEM_2[] =
    "1a2dac1ffa8de440d19d8d3b37daf25b6c3ba69e3e988223d3ebd57a815d1987";
static const char ORIGIN[] = "acme.example/counterpart/716f2def735f5972501a3d5aa7b70bb3/"
                             "24f6ed6acbfe1009c030d7ca567c33ca4830911498236b5561a6c82abec5de28";

static void fill(const char *hex, uint8_t *out, size_t len)
{
    assert_true(hex_read(span_text(hex), out, len));
}
static struct hash repeated(uint8_t byte)
{
    struct hash hash = {0};
    memset(hash.bytes, byte, sizeof hash.bytes);
    return hash;
}
static struct key_public key_of(uint8_t byte)
{
    struct key_public key = {0};
    memset(key.bytes, byte, sizeof key.bytes);
    return key;
}

static struct header small_header(void)
{
    struct header h = {.version = FORMAT_VERSION, .time_ms = 1767225600000, .body_bytes = 2};
    fill(RELATIONSHIP, h.relationship.bytes, sizeof h.relationship.bytes);
    fill(LOG_KEY, h.log_key.bytes, sizeof h.log_key.bytes);
    fill(EMPTY_DIGEST, h.body_digest.bytes, sizeof h.body_digest.bytes);
    h.person = span_text("Ann");
    h.role = span_text("SER");
    h.verb_text = span_text("open");
    h.verb = VERB_OPEN;
    return h;
}

static struct header large_header(void)
{
    struct header h = small_header();
    h.index = 300;
    h.front_count = 2;
    h.front[0] = (struct front_row){key_of(0x11), 5, repeated(0xaa)};
    h.front[1] = (struct front_row){key_of(0x22), 70000, repeated(0xbb)};
    h.time_ms = 1767225600001;
    h.person = span_text("Ann Example");
    h.verb_text = span_text("propose");
    h.verb = VERB_PROPOSE;
    h.noun = span_text("action");
    h.item_count = 4;
    h.items[0] = (struct item_base){.is_new = true, .from_start = true};
    h.items[1] = (struct item_base){.item = repeated(0x33), .base = repeated(0x44)};
    h.items[2] = (struct item_base){.is_new = true, .from_start = true};
    h.items[3] = (struct item_base){.item = repeated(0x55), .from_start = true};
    h.has_ref = true;
    h.ref = repeated(0x66);
    h.word_count = 1;
    h.words[0] = (struct seal_word){key_of(0x11), 4, repeated(0x77)};
    fill(BODY_DIGEST, h.body_digest.bytes, sizeof h.body_digest.bytes);
    h.body_bytes = 47;
    return h;
}

static span written(const struct header *header, uint8_t *out, size_t cap)
{
    struct sink s = sink_over(out, cap);
    header_write(&s, header);
    assert_false(s.full);
    return sink_span(&s);
}

static void assert_hash(const struct hash *hash, const char *hex)
{
    char text[65] = "";
    assert_string_equal(hex_write(hash_span(hash), text, sizeof text), hex);
}

static void assert_hex(span bytes, const char *hex)
{
    char text[2 * HEADER_BYTES_MAX + 1] = "";
    assert_string_equal(hex_write(bytes, text, sizeof text), hex);
}

static enum err_code read_code(const struct header *header)
{
    uint8_t bytes[2 * HEADER_BYTES_MAX] = {0};
    struct header back = {0};
    struct err e = {0};
    return header_read(written(header, bytes, sizeof bytes), &back, &e) ? ERR_NONE : e.code;
}

/* --------------------------------------------------------------------------- headers */

static void headers_are_the_bytes_of_the_format(void **state)
{
    (void)state;
    uint8_t bytes[HEADER_BYTES_MAX] = {0};
    struct header small = small_header(), large = large_header();
    span leaf = written(&small, bytes, sizeof bytes);
    struct hash id = merkle_leaf(leaf);
    assert_hex(leaf, SMALL);
    assert_hash(&id, SMALL_ID);
    leaf = written(&large, bytes, sizeof bytes);
    id = merkle_leaf(leaf);
    assert_hex(leaf, LARGE);
    assert_hash(&id, LARGE_ID);
}

static void a_header_is_read_field_by_field(void **state)
{
    (void)state;
    uint8_t bytes[HEADER_BYTES_MAX] = {0};
    struct header h = {0};
    struct err e = {0};
    assert_true(header_read(test_hex(LARGE, bytes, sizeof bytes), &h, &e));

    struct header expected = large_header();
    assert_false(header_is_newer(&h));
    assert_int_equal(h.index, 300);
    assert_int_equal(h.front_count, 2);
    assert_int_equal(h.front[1].size, 70000);
    assert_memory_equal(h.front, expected.front, 2 * sizeof h.front[0]);
    assert_int_equal(h.time_ms, 1767225600001);
    test_assert_text(h.person, "Ann Example");
    test_assert_text(h.role, "SER");
    test_assert_text(h.verb_text, "propose");
    assert_int_equal(h.verb, VERB_PROPOSE);
    test_assert_text(h.noun, "action");
    assert_int_equal(h.item_count, 4);
    assert_true(h.items[0].is_new && h.items[0].from_start && hash_is_zero(&h.items[0].base));
    assert_false(h.items[1].is_new || h.items[1].from_start);
    assert_true(hash_equal(&h.items[1].base, &expected.items[1].base));
    assert_true(h.has_ref && hash_equal(&h.ref, &expected.ref));
    assert_int_equal(h.word_count, 1);
    assert_int_equal(h.words[0].index, 4);
    assert_hash(&h.body_digest, BODY_DIGEST);
    assert_int_equal(h.body_bytes, 47);
}

static void items_are_named_by_the_entry_that_creates_them(void **state)
{
    (void)state;
    struct header h = large_header();
    struct hash entry = {0};
    fill(LARGE_ID, entry.bytes, sizeof entry.bytes);
    struct hash items[4] = {{{0}}};
    for (size_t i = 0; i < 4; i++) items[i] = header_item(&h, &entry, i);
    assert_hash(&items[0], LARGE_ID);
    assert_true(hash_equal(&items[1], &h.items[1].item));
    assert_hash(&items[2], LARGE_ITEM_2);
    assert_true(hash_equal(&items[3], &h.items[3].item));
}

static void a_header_cut_at_any_byte_or_with_one_more_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[HEADER_BYTES_MAX] = {0};
    struct header back = {0};
    struct err e = {0};
    span whole = test_hex(LARGE, bytes, sizeof bytes);
    for (size_t len = 0; len < whole.len; len++) {
        e.code = ERR_NONE;
        assert_false(header_read(span_of(bytes, len), &back, &e));
        assert_int_equal(e.code, ERR_MALFORMED);
    }
    assert_false(header_read(span_of(bytes, whole.len + 1), &back, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
    assert_true(header_read(whole, &back, &e));
}

static void a_front_is_in_rising_order_of_other_feeds_that_say_something(void **state)
{
    (void)state;
    struct header falling = large_header(), twice = large_header(), own = large_header();
    struct header empty = large_header(), huge = large_header();
    falling.front[0].log_key = key_of(0x33);
    twice.front[0].log_key = key_of(0x22);
    own.front[1].log_key = own.log_key;
    empty.front[0].size = 0;
    huge.front[0].size = FEED_ENTRIES_MAX + 1;
    assert_int_equal(read_code(&falling), ERR_MALFORMED);
    assert_int_equal(read_code(&twice), ERR_MALFORMED);
    assert_int_equal(read_code(&own), ERR_MALFORMED);
    assert_int_equal(read_code(&empty), ERR_MALFORMED);
    assert_int_equal(read_code(&huge), ERR_LIMIT);
    huge.front[0].size = FEED_ENTRIES_MAX;
    assert_int_equal(read_code(&huge), ERR_NONE);
}

static void numbers_and_texts_above_their_limits_are_refused(void **state)
{
    static uint8_t letters[200];
    (void)state;
    memset(letters, 'a', sizeof letters);
    struct header index = small_header(), time = small_header(), body = small_header();
    struct header person = small_header(), role = small_header(), verb = small_header();
    struct header noun = small_header(), word = large_header();
    index.index = FEED_ENTRIES_MAX;
    time.time_ms = TIME_MS_MAX + 1;
    body.body_bytes = BODY_BYTES_MAX + 1;
    person.person = span_of(letters, PERSON_BYTES_MAX + 1);
    role.role = span_of(letters, ROLE_BYTES_MAX + 1);
    verb.verb_text = span_of(letters, VERB_BYTES_MAX + 1);
    noun.noun = span_of(letters, NOUN_BYTES_MAX + 1);
    word.words[0].index = FEED_ENTRIES_MAX;
    assert_int_equal(read_code(&index), ERR_LIMIT);
    assert_int_equal(read_code(&time), ERR_LIMIT);
    assert_int_equal(read_code(&body), ERR_LIMIT);
    assert_int_equal(read_code(&person), ERR_LIMIT);
    assert_int_equal(read_code(&role), ERR_LIMIT);
    assert_int_equal(read_code(&verb), ERR_LIMIT);
    assert_int_equal(read_code(&noun), ERR_LIMIT);
    assert_int_equal(read_code(&word), ERR_LIMIT);
    index.index = FEED_ENTRIES_MAX - 1;
    index.time_ms = TIME_MS_MAX;
    index.body_bytes = BODY_BYTES_MAX;
    index.person.len = 0;
    assert_int_equal(read_code(&index), ERR_NONE);
}

static void ids_of_zeros_or_of_another_length_are_refused(void **state)
{
    (void)state;
    struct header item = large_header(), base = large_header(), ref = large_header();
    item.items[1].item = repeated(0);
    base.items[1].base = repeated(0);
    ref.ref = repeated(0);
    assert_int_equal(read_code(&item), ERR_MALFORMED);
    assert_int_equal(read_code(&base), ERR_MALFORMED);
    assert_int_equal(read_code(&ref), ERR_MALFORMED);

    uint8_t bytes[HEADER_BYTES_MAX] = {0};
    struct header back = {0};
    struct err e = {0};
    span leaf = test_hex(SMALL, bytes, sizeof bytes);
    static const uint8_t before[] = {0x90, 0xc4, 0x00,
                                     0x90, 0xc4, 0x20}; /* items, ref, words, digest */
    uint8_t *at = memmem(bytes, leaf.len, before, sizeof before);
    assert_non_null(at);
    size_t rest = leaf.len - (size_t)(at + 3 - bytes);
    memmove(at + 4, at + 3, rest);
    at[2] = 1;
    at[3] = 0xff;
    assert_false(header_read(span_of(bytes, leaf.len + 1), &back, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
}

static void a_header_has_fifteen_fields_and_a_version(void **state)
{
    (void)state;
    uint8_t bytes[HEADER_BYTES_MAX] = {0};
    struct header back = {0}, zero = small_header();
    struct err e = {0};
    zero.version = 0;
    assert_int_equal(read_code(&zero), ERR_MALFORMED);
    span leaf = test_hex(SMALL, bytes, sizeof bytes);
    bytes[0] = 0x9e;
    assert_false(header_read(span_of(bytes, leaf.len - 1), &back, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
    static const uint8_t four[] = {0x94, 0x01, 0x01, 0x01, 0x01};
    assert_false(header_read(span_of(four, sizeof four), &back, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
}

static void of_a_newer_header_the_front_and_the_name_of_the_body_are_read(void **state)
{
    (void)state;
    uint8_t bytes[HEADER_BYTES_MAX] = {0};
    struct header newer = large_header(), back = small_header();
    struct err e = {0};
    newer.version = 7;
    back.verb = VERB_SEAL;
    back.has_ref = true;
    back.item_count = back.word_count = 1;
    assert_true(header_read(written(&newer, bytes, sizeof bytes), &back, &e));
    assert_true(header_is_newer(&back));
    assert_int_equal(back.version, 7);
    assert_int_equal(back.index, 300);
    assert_int_equal(back.front_count, 2);
    assert_int_equal(back.verb, VERB_UNKNOWN);
    assert_int_equal(back.person.len + back.role.len + back.verb_text.len + back.noun.len, 0);
    assert_int_equal(back.item_count + back.word_count + back.time_ms, 0);
    assert_false(back.has_ref);
    assert_hash(&back.body_digest, BODY_DIGEST);
    assert_int_equal(back.body_bytes, 47);
}

/* The large header as version 7 with `fields`, of which `between` stand between the front and the
 * body's name. */
static enum err_code newer_code(size_t fields, const char *between)
{
    static const char front_end[] = "bbbbbbbbcf0000019b76daa801"; /* the last root, then the time */
    uint8_t bytes[HEADER_BYTES_MAX] = {0}, extra[128] = {0};
    const size_t name_bytes = 2 + 32 + 1;
    size_t start = (size_t)(strstr(LARGE, front_end) - LARGE) / 2 + 4;
    struct sink s = sink_over(bytes, sizeof bytes);
    struct header back = {0};
    struct err e = {0};
    uint8_t large[HEADER_BYTES_MAX] = {0};
    span leaf = test_hex(LARGE, large, sizeof large);
    large[1] = 7;
    write_array(&s, fields);
    sink_put(&s, span_of(large + 1, start - 1));
    sink_put(&s, test_hex(between, extra, sizeof extra));
    sink_put(&s, span_of(large + leaf.len - name_bytes, name_bytes));
    return header_read(sink_span(&s), &back, &e) ? ERR_NONE : e.code;
}

static void a_newer_header_may_have_more_or_fewer_fields(void **state)
{
    (void)state;
    assert_int_equal(newer_code(7, ""), ERR_NONE);
    assert_int_equal(newer_code(8, "81a36e6577c0"), ERR_NONE);
    assert_int_equal(newer_code(17, "00010203040506070809"), ERR_NONE);
    assert_int_equal(newer_code(8, ""), ERR_MALFORMED);     /* one is missing */
    assert_int_equal(newer_code(7, "c0"), ERR_MALFORMED);   /* one too many */
    assert_int_equal(newer_code(8, "cc05"), ERR_MALFORMED); /* not canonical */
    assert_int_equal(newer_code(8, "ca00000000"), ERR_MALFORMED);
    assert_int_equal(newer_code(65, ""), ERR_LIMIT);
    static const uint8_t only_the_front[] = {0x95, 0x07, 0xc4, 0x10};
    uint8_t bytes[128] = {0};
    struct sink s = sink_over(bytes, sizeof bytes);
    struct header back = {0};
    struct err e = {0};
    sink_put(&s, span_of(only_the_front, sizeof only_the_front));
    sink_put(&s, span_of((uint8_t[16]){0}, 16));
    write_bytes(&s, span_of((uint8_t[32]){1}, 32));
    write_u64(&s, 0);
    write_array(&s, 0);
    assert_false(header_read(sink_span(&s), &back, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
}

static void an_unknown_verb_is_kept_as_text(void **state)
{
    (void)state;
    uint8_t bytes[HEADER_BYTES_MAX] = {0};
    struct header h = small_header(), back = {0};
    struct err e = {0};
    h.verb_text = span_text("levitate");
    assert_true(header_read(written(&h, bytes, sizeof bytes), &back, &e));
    assert_int_equal(back.verb, VERB_UNKNOWN);
    test_assert_text(back.verb_text, "levitate");
}

static void verbs_and_their_words_agree(void **state)
{
    (void)state;
    assert_null(verb_word(VERB_UNKNOWN));
    for (int verb = VERB_OPEN; verb <= VERB_SUCCEED; verb++)
        assert_int_equal(verb_of(span_text(verb_word((enum verb)verb))), verb);
    assert_null(verb_word((enum verb)(VERB_SUCCEED + 1)));
    assert_int_equal(verb_of(span_text("")), VERB_UNKNOWN);
    assert_int_equal(verb_of(span_text("Open")), VERB_UNKNOWN);
}

static void a_header_that_is_too_large_fills_the_sink_and_is_not_read(void **state)
{
    static uint8_t bytes[3 * HEADER_BYTES_MAX];
    (void)state;
    struct header h = small_header(), back = {0};
    struct err e = {0};
    h.front_count = FRONT_MAX;
    for (size_t i = 0; i < FRONT_MAX; i++)
        h.front[i] = (struct front_row){key_of((uint8_t)(i + 0x40)), i + 1, repeated(1)};
    assert_int_equal(read_code(&h), ERR_NONE);
    h.item_count = ITEMS_MAX;
    for (size_t i = 0; i < ITEMS_MAX; i++)
        h.items[i] = (struct item_base){.item = repeated(2), .base = repeated(3)};
    struct sink s = sink_over(bytes, sizeof bytes);
    header_write(&s, &h);
    assert_true(s.full);
    assert_false(header_read(sink_span(&s), &back, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    h.front_count = 0;
    assert_int_equal(read_code(&h), ERR_NONE);
}

/* ---------------------------------------------------------------------- random headers */

static size_t random_text(struct test_random *random, uint8_t *out, size_t most)
{
    size_t len = test_random_below(random, most + 1);
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(1 + test_random_below(random, 127));
    return len;
}

static uint64_t random_number(struct test_random *random, uint64_t most)
{
    return (test_random_next(random) >> test_random_below(random, 64)) % (most + 1);
}

static int by_key(const void *a, const void *b) { return memcmp(a, b, sizeof(struct key_public)); }

/* `texts` has room for four texts of 120 bytes. */
static struct header random_header(struct test_random *random, uint8_t texts[4][PERSON_BYTES_MAX])
{
    struct header h = {.version = FORMAT_VERSION};
    test_random_bytes(random, h.relationship.bytes, sizeof h.relationship.bytes);
    test_random_bytes(random, h.log_key.bytes, sizeof h.log_key.bytes);
    h.index = random_number(random, FEED_ENTRIES_MAX - 1);
    h.front_count = test_random_below(random, 5);
    for (size_t i = 0; i < h.front_count; i++) {
        test_random_bytes(random, (uint8_t *)&h.front[i], sizeof h.front[i]);
        h.front[i].size = 1 + random_number(random, FEED_ENTRIES_MAX - 1);
    }
    qsort(h.front, h.front_count, sizeof h.front[0], by_key);
    h.time_ms = random_number(random, TIME_MS_MAX);
    h.person = span_of(texts[0], random_text(random, texts[0], PERSON_BYTES_MAX));
    h.role = span_of(texts[1], random_text(random, texts[1], ROLE_BYTES_MAX));
    h.verb_text = span_of(texts[2], random_text(random, texts[2], VERB_BYTES_MAX));
    if (test_random_below(random, 2))
        h.verb_text =
            span_text(verb_word((enum verb)(1 + test_random_below(random, VERB_SUCCEED))));
    h.verb = verb_of(h.verb_text);
    h.noun = span_of(texts[3], random_text(random, texts[3], NOUN_BYTES_MAX));
    h.item_count = test_random_below(random, 5);
    for (size_t i = 0; i < h.item_count; i++) {
        struct item_base *item = &h.items[i];
        item->is_new = test_random_below(random, 2);
        item->from_start = test_random_below(random, 2);
        if (!item->is_new) test_random_bytes(random, item->item.bytes, sizeof item->item.bytes);
        if (!item->from_start) test_random_bytes(random, item->base.bytes, sizeof item->base.bytes);
    }
    h.has_ref = test_random_below(random, 2);
    if (h.has_ref) test_random_bytes(random, h.ref.bytes, sizeof h.ref.bytes);
    h.word_count = test_random_below(random, 4);
    for (size_t i = 0; i < h.word_count; i++) {
        test_random_bytes(random, (uint8_t *)&h.words[i], sizeof h.words[i]);
        h.words[i].index = random_number(random, FEED_ENTRIES_MAX - 1);
    }
    test_random_bytes(random, h.body_digest.bytes, sizeof h.body_digest.bytes);
    h.body_bytes = random_number(random, BODY_BYTES_MAX);
    return h;
}

static void assert_headers_equal(const struct header *a, const struct header *b)
{
    assert_int_equal(a->version, b->version);
    assert_memory_equal(&a->relationship, &b->relationship, sizeof a->relationship);
    assert_memory_equal(&a->log_key, &b->log_key, sizeof a->log_key);
    assert_true(a->index == b->index && a->time_ms == b->time_ms && a->body_bytes == b->body_bytes);
    assert_int_equal(a->front_count, b->front_count);
    if (a->front_count)
        assert_memory_equal(a->front, b->front, a->front_count * sizeof a->front[0]);
    assert_true(span_equal(a->person, b->person) && span_equal(a->role, b->role));
    assert_true(span_equal(a->verb_text, b->verb_text) && span_equal(a->noun, b->noun));
    assert_int_equal(a->verb, b->verb);
    assert_int_equal(a->item_count, b->item_count);
    if (a->item_count) assert_memory_equal(a->items, b->items, a->item_count * sizeof a->items[0]);
    assert_int_equal(a->has_ref, b->has_ref);
    assert_true(hash_equal(&a->ref, &b->ref) && hash_equal(&a->body_digest, &b->body_digest));
    assert_int_equal(a->word_count, b->word_count);
    if (a->word_count) assert_memory_equal(a->words, b->words, a->word_count * sizeof a->words[0]);
}

/* One change of the kind that a hostile partner or a torn disk makes. */
static size_t mutate(struct test_random *random, uint8_t *bytes, size_t len)
{
    size_t at = test_random_below(random, len);
    switch (test_random_below(random, 5)) {
    case 0: bytes[at] ^= (uint8_t)(1u << test_random_below(random, 8)); return len;
    case 1: bytes[at] = (uint8_t)test_random_next(random); return len;
    case 2: return at; /* cut */
    case 3: /* a byte out */ memmove(bytes + at, bytes + at + 1, len - at - 1); return len - 1;
    default: /* a byte in */
        memmove(bytes + at + 1, bytes + at, len - at);
        bytes[at] = (uint8_t)test_random_next(random);
        return len + 1;
    }
}

static void headers_survive_writing_and_reading_and_accepted_bytes_reading_and_writing(void **state)
{
    static uint8_t bytes[HEADER_BYTES_MAX + 64], again[HEADER_BYTES_MAX];
    static struct header back;
    (void)state;
    struct test_random random = test_random_start();
    size_t accepted = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        uint8_t texts[4][PERSON_BYTES_MAX] = {{0}};
        struct header h = random_header(&random, texts);
        struct err e = {0};
        size_t len = written(&h, bytes, HEADER_BYTES_MAX).len;
        assert_true(header_read(span_of(bytes, len), &back, &e));
        assert_headers_equal(&h, &back);

        for (size_t changes = 1 + test_random_below(&random, 3); changes && len; changes--)
            len = mutate(&random, bytes, len);
        if (!header_read(span_of(bytes, len), &back, &e) || header_is_newer(&back)) continue;
        accepted++;
        span same = written(&back, again, sizeof again);
        test_assert_span(same, bytes, len);
    }
    assert_true(accepted > ROUNDS / 50);
}

/* ---------------------------------------------------------------------------- bodies */

static void bodies_are_the_bytes_of_the_format(void **state)
{
    (void)state;
    uint8_t bytes[128] = {0}, salt[SALT_BYTES] = {0};
    for (size_t i = 0; i < sizeof salt; i++) salt[i] = (uint8_t)i;
    struct body_field fields[] = {
        {span_text("title"),
         {.is_text = true,
          .text = span_text("\xc3\x9c"
                            "berarbeiten")}},
        {span_text("due"), {.is_text = true, .text = span_text("2026-12-18")}},
        {span_text("percent"), {.number = -40}},
    };
    struct sink s = sink_over(bytes, sizeof bytes);
    body_start(&s, 1);
    body_map(&s, fields, 3);
    struct hash digest = body_digest(salt, sink_span(&s));
    assert_hex(sink_span(&s), BODY);
    assert_hash(&digest, BODY_DIGEST);
    test_assert_text(fields[0].name, "due"); /* sorted */

    s = sink_over(bytes, sizeof bytes);
    body_start(&s, 1);
    body_map(&s, NULL, 0);
    digest = body_digest(salt, sink_span(&s));
    assert_hex(sink_span(&s), "9180");
    assert_hash(&digest, EMPTY_DIGEST);
}

static void a_body_is_read_map_by_map(void **state)
{
    (void)state;
    uint8_t bytes[64] = {0};
    struct body_field fields[FIELDS_MAX];
    struct err e = {0};
    size_t count = 0;
    span body = test_hex("9382a16101a162a1788081a163ff", bytes, sizeof bytes);
    assert_true(body_read(body, 0, fields, &count, &e));
    assert_int_equal(count, 2);
    assert_int_equal(body_find(fields, count, "a")->number, 1);
    test_assert_text(body_find(fields, count, "b")->text, "x");
    assert_null(body_find(fields, count, "c"));
    assert_true(body_read(body, 1, fields, &count, &e));
    assert_int_equal(count, 0);
    assert_true(body_read(body, 2, fields, &count, &e));
    assert_int_equal(body_find(fields, count, "c")->number, -1);
    assert_false(body_read(body, 3, fields, &count, &e));
    assert_int_equal(e.code, ERR_MISSING);
    assert_int_equal(count, 1);
}

static void a_body_is_checked_whole_whichever_map_is_wanted(void **state)
{
    static const char *const malformed[] = {
        "",
        "90",
        "80",
        "91",
        "9180c0",
        "9181a161c0",
        "9181a161c3",
        "9181a161c40161",
        "9181a16190",
        "9280",
        "928081a161c0",
        "928082a16201a16101",
        "9181a161a100",
        "9181a161cc01",
        "9181a001",
    };
    static const char *const beyond[] = {
        "9181a161cf8000000000000000",
        "9181d92161616161616161616161616161616161616161616161616161616161616161616101", /* name of
                                                                                           33 */
    };
    (void)state;
    uint8_t bytes[64] = {0};
    struct body_field fields[FIELDS_MAX];
    struct err e = {0};
    size_t count = 7;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        assert_false(body_read(test_hex(malformed[i], bytes, sizeof bytes), 0, fields, &count, &e));
        if (e.code != ERR_MALFORMED) fail_msg("%s: %s", malformed[i], e.said);
    }
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        assert_false(body_read(test_hex(beyond[i], bytes, sizeof bytes), 0, fields, &count, &e));
        if (e.code != ERR_LIMIT) fail_msg("%s: %s", beyond[i], e.said);
    }
    assert_int_equal(count, 7);
}

static void a_body_keeps_to_its_limits(void **state)
{
    static uint8_t bytes[BODY_BYTES_MAX + 100], letters[BODY_BYTES_MAX];
    (void)state;
    struct body_field fields[FIELDS_MAX + 1] = {{{0}, {0}}};
    char names[FIELDS_MAX + 1][4] = {""};
    struct err e = {0};
    size_t count = 0;
    memset(letters, 'a', sizeof letters);
    for (size_t i = 0; i <= FIELDS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "f%02u", (unsigned)(i % 100));
        fields[i] = (struct body_field){span_text(names[i]), {.number = (int64_t)i}};
    }
    struct sink s = sink_over(bytes, sizeof bytes);
    body_start(&s, 1);
    body_map(&s, fields, FIELDS_MAX);
    assert_true(body_read(sink_span(&s), 0, fields, &count, &e));
    assert_int_equal(count, FIELDS_MAX);

    s = sink_over(bytes, sizeof bytes);
    write_array(&s, 1);
    write_map(&s, FIELDS_MAX + 1);
    for (size_t i = 0; i <= FIELDS_MAX; i++) {
        write_text(&s, span_text(names[i]));
        write_nil(&s);
    }
    assert_false(body_read(sink_span(&s), 0, fields, &count, &e));
    assert_int_equal(e.code, ERR_LIMIT);

    s = sink_over(bytes, sizeof bytes);
    write_array(&s, ITEMS_MAX + 1);
    for (size_t i = 0; i <= ITEMS_MAX; i++) write_map(&s, 0);
    assert_false(body_read(sink_span(&s), 0, fields, &count, &e));
    assert_int_equal(e.code, ERR_LIMIT);

    fields[0] = (struct body_field){
        span_text("a"), {.is_text = true, .text = span_of(letters, BODY_BYTES_MAX - 7)}};
    s = sink_over(bytes, sizeof bytes);
    body_start(&s, 1);
    body_map(&s, fields, 1);
    assert_int_equal(s.len, BODY_BYTES_MAX);
    assert_true(body_read(sink_span(&s), 0, fields, &count, &e));
    assert_false(body_read(span_of(bytes, BODY_BYTES_MAX + 1), 0, fields, &count, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

/* ----------------------------------------------------------------------------- names */

static void relationship_and_origin_are_those_of_the_format(void **state)
{
    (void)state;
    struct key_public identity = {0}, log = {0};
    uint8_t nonce[32] = {0};
    char origin[ORIGIN_BYTES_MAX + 1] = "";
    fill(IDENTITY, identity.bytes, sizeof identity.bytes);
    fill(LOG_KEY, log.bytes, sizeof log.bytes);
    for (size_t i = 0; i < sizeof nonce; i++) nonce[i] = (uint8_t)(0x80 + i);
    struct relationship_id id = relationship_id_of(&identity, nonce);
    assert_hex(relationship_span(&id), RELATIONSHIP);
    assert_string_equal(origin_write("acme.example", &id, &log, origin, sizeof origin), ORIGIN);
}

static void the_longest_domain_fits_an_origin(void **state)
{
    (void)state;
    char domain[DOMAIN_BYTES_MAX + 1] = "", origin[ORIGIN_BYTES_MAX + 1] = "";
    memset(domain, 'a', DOMAIN_BYTES_MAX);
    domain[60] = '.';
    assert_true(domain_is_valid(span_text(domain)));
    struct relationship_id id = {{0}};
    struct key_public log = {{0}};
    assert_int_equal(strlen(origin_write(domain, &id, &log, origin, sizeof origin)), 230);
}

static void codes_domains_and_names_are_told_from_what_only_looks_like_them(void **state)
{
    static const char *const codes[] = {"AB", "A1", "ACME", "ABCDEFGHIJK9"};
    static const char *const no_codes[] = {"",
                                           "A",
                                           "1A",
                                           "acme",
                                           "AC-ME",
                                           "A B",
                                           "ABCDEFGHIJKLM",
                                           ("\xc3\x84"
                                            "A")};
    static const char *const domains[] = {"a.b", "acme.example", "a-b.c1.example", "1.2"};
    static const char *const no_domains[] = {
        "",      ".",
        "a",     "a.",
        ".a",    "a..b",
        "-a.b",  "a-.b",
        "a.b-",  "A.b",
        "a_b.c", "a b.c",
        "a.b/c", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"};
    static const char *const names[] = {"A", "Acme Soci\xc3\xa9t\xc3\xa9 (Z\xc3\xbcrich)",
                                        "\xc2\xa0"};
    static const char *const no_names[] = {"",     "a\nb",      "a\x7f",   "a\tb",
                                           "\xff", "a\xc2\x85", "\xc2\x80"};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_true(code_is_valid(span_text(codes[i])));
    for (size_t i = 0; i < sizeof no_codes / sizeof no_codes[0]; i++)
        assert_false(code_is_valid(span_text(no_codes[i])));
    for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++)
        assert_true(domain_is_valid(span_text(domains[i])));
    for (size_t i = 0; i < sizeof no_domains / sizeof no_domains[0]; i++)
        if (domain_is_valid(span_text(no_domains[i]))) fail_msg("%s", no_domains[i]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_true(name_is_valid(span_text(names[i])));
    for (size_t i = 0; i < sizeof no_names / sizeof no_names[0]; i++)
        assert_false(name_is_valid(span_text(no_names[i])));
    assert_false(name_is_valid(span_of("a\0b", 3)));
    char longest[NAME_BYTES_MAX + 2] = "";
    memset(longest, 'a', NAME_BYTES_MAX + 1);
    assert_false(name_is_valid(span_text(longest)));
    assert_true(name_is_valid(span_of(longest, NAME_BYTES_MAX)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_the_bytes_of_the_format),
        cmocka_unit_test(a_header_is_read_field_by_field),
        cmocka_unit_test(items_are_named_by_the_entry_that_creates_them),
        cmocka_unit_test(a_header_cut_at_any_byte_or_with_one_more_is_refused),
        cmocka_unit_test(a_front_is_in_rising_order_of_other_feeds_that_say_something),
        cmocka_unit_test(numbers_and_texts_above_their_limits_are_refused),
        cmocka_unit_test(ids_of_zeros_or_of_another_length_are_refused),
        cmocka_unit_test(a_header_has_fifteen_fields_and_a_version),
        cmocka_unit_test(of_a_newer_header_the_front_and_the_name_of_the_body_are_read),
        cmocka_unit_test(a_newer_header_may_have_more_or_fewer_fields),
        cmocka_unit_test(an_unknown_verb_is_kept_as_text),
        cmocka_unit_test(verbs_and_their_words_agree),
        cmocka_unit_test(a_header_that_is_too_large_fills_the_sink_and_is_not_read),
        cmocka_unit_test(
            headers_survive_writing_and_reading_and_accepted_bytes_reading_and_writing),
        cmocka_unit_test(bodies_are_the_bytes_of_the_format),
        cmocka_unit_test(a_body_is_read_map_by_map),
        cmocka_unit_test(a_body_is_checked_whole_whichever_map_is_wanted),
        cmocka_unit_test(a_body_keeps_to_its_limits),
        cmocka_unit_test(relationship_and_origin_are_those_of_the_format),
        cmocka_unit_test(the_longest_domain_fits_an_origin),
        cmocka_unit_test(codes_domains_and_names_are_told_from_what_only_looks_like_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

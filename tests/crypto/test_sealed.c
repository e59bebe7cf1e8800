#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/sealed.h"
#include "tests/testing.h"

/* Computed apart: the argon2 command, and a ChaCha20-Poly1305 of another library. */
static const char known_open[] =
    "636f756e74657270617274206b65790a010200000102030405060708090a0b0c"
    "0d0e0f101112131415161718191a1b1c1d1e1f1dd6c69d65ef1560";
static const char known_locked[] =
    "636f756e74657270617274206b65790a01010100000000000000010000000000"
    "0020003031323334353637383961626364656630313233343536373839616263"
    "64656630313233343536374e722645b99bb8c73e5dc6c12420c254870eea347f"
    "dc0cea4ff760d22ec6351542ad26851eaaaa0642aa1cdaa1d905e8";

#define OPEN_BYTES 59
#define LOCKED_BYTES 123
#define LIMITS_AT 19 /* opslimit, then memlimit, 8 bytes each */

struct file {
    uint8_t room[SEALED_BYTES_MAX];
    struct sink sink;
};

/* "0123456789abcdef0123..." from the start at every call. */
static void not_so_random(void *self, uint8_t *at, size_t len)
{
    (void)self;
    for (size_t i = 0; i < len; i++) at[i] = (uint8_t)"0123456789abcdef"[i % 16];
}

static const struct world world = {.random = not_so_random};

static const uint8_t secret[KEY_SEED_BYTES] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                               11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                               22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static span passphrase(void)
{
    return span_text("correct horse");
}

/* Without a passphrase the file is open. */
static void write_file(struct file *file, enum key_kind kind, span phrase)
{
    struct err e = {0};
    file->sink = sink_over(file->room, sizeof file->room);
    assert_true(sealed_write(&file->sink, kind, secret, phrase, SEALED_CHEAP, &world, &e));
}

static void assert_reads(span file, enum key_kind kind, span phrase)
{
    uint8_t out[KEY_SEED_BYTES] = {0};
    struct err e = {0};
    if (!sealed_read(file, kind, phrase, out, &e)) fail_msg("%s", e.said);
    assert_memory_equal(out, secret, sizeof out);
}

/* Returns the reason; `out` must be left alone. */
static enum err_code refusal(span file, enum key_kind kind, span phrase)
{
    uint8_t out[KEY_SEED_BYTES] = {[5] = 0x77}, before[KEY_SEED_BYTES] = {[5] = 0x77};
    struct err e = {0};
    assert_false(sealed_read(file, kind, phrase, out, &e));
    assert_memory_equal(out, before, sizeof out);
    assert_true(e.said[0] != '\0');
    return e.code;
}

static void put_u64_be(uint8_t *at, uint64_t value)
{
    struct sink sink = sink_over(at, 8);
    sink_u64_be(&sink, value);
}

static void an_open_file_is_the_known_bytes(void **state)
{
    (void)state;
    struct file file = {0};
    char hex[2 * SEALED_BYTES_MAX + 1] = "";

    write_file(&file, KEY_LOG, (span){0});

    assert_int_equal(file.sink.len, OPEN_BYTES);
    assert_string_equal(hex_write(sink_span(&file.sink), hex, sizeof hex), known_open);
    assert_false(sealed_needs_passphrase(sink_span(&file.sink)));
    assert_reads(sink_span(&file.sink), KEY_LOG, (span){0});
}

static void a_locked_file_is_the_known_bytes(void **state)
{
    (void)state;
    struct file file = {0};
    char hex[2 * SEALED_BYTES_MAX + 1] = "";

    write_file(&file, KEY_IDENTITY, passphrase());

    assert_int_equal(file.sink.len, LOCKED_BYTES);
    assert_string_equal(hex_write(sink_span(&file.sink), hex, sizeof hex), known_locked);
    assert_true(sealed_needs_passphrase(sink_span(&file.sink)));
    assert_reads(sink_span(&file.sink), KEY_IDENTITY, passphrase());
}

static void daily_use_works_with_64_mebibytes(void **state)
{
    (void)state;
    struct file file = {0};
    uint8_t limits[16] = {0};
    struct err e = {0};
    file.sink = sink_over(file.room, sizeof file.room);
    put_u64_be(&limits[0], 2);
    put_u64_be(&limits[8], 64 << 20);

    assert_true(sealed_write(&file.sink, KEY_RECEIPT, secret, passphrase(), SEALED_INTERACTIVE,
                             &world, &e));

    assert_memory_equal(&file.room[LIMITS_AT], limits, sizeof limits);
    assert_reads(sink_span(&file.sink), KEY_RECEIPT, passphrase());
}

static void an_open_file_does_not_mind_a_passphrase(void **state)
{
    (void)state;
    struct file file = {0};
    write_file(&file, KEY_TRANSPORT, (span){0});

    assert_reads(sink_span(&file.sink), KEY_TRANSPORT, passphrase());
}

static void a_wrong_passphrase_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"correct hors", "correct horse ", "Correct horse", "x"};
    struct file file = {0};
    write_file(&file, KEY_IDENTITY, passphrase());

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(refusal(sink_span(&file.sink), KEY_IDENTITY, span_text(wrong[i])),
                         ERR_REFUSED);
}

static void a_missing_passphrase_is_refused(void **state)
{
    (void)state;
    struct file file = {0};
    write_file(&file, KEY_IDENTITY, passphrase());

    assert_int_equal(refusal(sink_span(&file.sink), KEY_IDENTITY, (span){0}), ERR_REFUSED);
    assert_int_equal(refusal(sink_span(&file.sink), KEY_IDENTITY, span_text("")), ERR_REFUSED);
}

static void a_passphrase_has_1_to_1024_bytes(void **state)
{
    (void)state;
    static const uint8_t letters[PASSPHRASE_BYTES_MAX + 1];
    struct file file = {0};
    struct err e = {0};

    write_file(&file, KEY_LOG, span_of(letters, PASSPHRASE_BYTES_MAX));
    assert_reads(sink_span(&file.sink), KEY_LOG, span_of(letters, PASSPHRASE_BYTES_MAX));
    assert_int_equal(refusal(sink_span(&file.sink), KEY_LOG, span_of(letters, sizeof letters)),
                     ERR_REFUSED);

    file.sink = sink_over(file.room, sizeof file.room);
    assert_false(sealed_write(&file.sink, KEY_LOG, secret, span_of(letters, sizeof letters),
                              SEALED_CHEAP, &world, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(sealed_write(&file.sink, KEY_LOG, secret, span_text(""), SEALED_CHEAP, &world,
                              &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(file.sink.len, 0);
}

static void every_flipped_bit_of_an_open_file_is_noticed(void **state)
{
    (void)state;
    struct file file = {0};
    write_file(&file, KEY_LOG, (span){0});

    for (size_t bit = 0; bit < 8 * file.sink.len; bit++) {
        file.room[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(refusal(sink_span(&file.sink), KEY_LOG, (span){0}), ERR_CORRUPT);
        file.room[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void every_flipped_byte_of_a_locked_file_is_refused(void **state)
{
    (void)state;
    struct file file = {0};
    /* From the sixth byte of memlimit on, a flipped byte leaves limits that may be tried. */
    size_t tried_from = LIMITS_AT + 8 + 5;
    write_file(&file, KEY_LOG, passphrase());

    for (size_t at = 0; at < file.sink.len; at++) {
        file.room[at] ^= 0xff;
        enum err_code code = refusal(sink_span(&file.sink), KEY_LOG, passphrase());
        assert_int_equal(code, at < tried_from ? ERR_CORRUPT : ERR_REFUSED);
        file.room[at] ^= 0xff;
    }
    assert_reads(sink_span(&file.sink), KEY_LOG, passphrase());
}

static void the_clear_part_of_a_locked_file_is_authenticated(void **state)
{
    (void)state;
    struct file file = {0};
    write_file(&file, KEY_LOG, passphrase());

    file.room[17] = KEY_RECEIPT; /* relabelled: the file claims another kind */
    assert_int_equal(refusal(sink_span(&file.sink), KEY_RECEIPT, passphrase()), ERR_REFUSED);
}

static void every_shorter_or_longer_file_is_noticed(void **state)
{
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        struct file file = {0};
        span phrase = i == 0 ? (span){0} : passphrase();
        write_file(&file, KEY_LOG, phrase);
        for (size_t len = 0; len <= sizeof file.room; len++)
            if (len != file.sink.len)
                assert_int_equal(refusal(span_of(file.room, len), KEY_LOG, phrase), ERR_CORRUPT);
        assert_false(sealed_needs_passphrase(span_of(file.room, file.sink.len - 1)));
    }
}

static void another_kind_of_key_is_refused(void **state)
{
    (void)state;

    for (enum key_kind held = KEY_IDENTITY; held <= KEY_TRANSPORT; held++)
        for (enum key_kind wanted = KEY_IDENTITY; wanted <= KEY_TRANSPORT; wanted++)
            for (size_t i = 0; i < 2; i++) {
                struct file file = {0};
                span phrase = i == 0 ? (span){0} : passphrase();
                write_file(&file, held, phrase);
                if (held == wanted)
                    assert_reads(sink_span(&file.sink), wanted, phrase);
                else
                    assert_int_equal(refusal(sink_span(&file.sink), wanted, phrase), ERR_USAGE);
            }
}

static void limits_from_a_file_are_bounded(void **state)
{
    (void)state;
    static const struct {
        uint64_t operations, memory;
    } absurd[] = {
        {0, 8192},          {11, 8192},
        {UINT64_MAX, 8192}, {1, 0},
        {1, 8191},          {1, (UINT64_C(1) << 30) + 1},
        {1, UINT64_MAX},    {UINT64_C(1) << 32 | 1, 8192},
    };
    struct file file = {0};
    write_file(&file, KEY_LOG, passphrase());

    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        put_u64_be(&file.room[LIMITS_AT], absurd[i].operations);
        put_u64_be(&file.room[LIMITS_AT + 8], absurd[i].memory);
        assert_int_equal(refusal(sink_span(&file.sink), KEY_LOG, passphrase()), ERR_CORRUPT);
    }
}

static void writing_into_too_little_room_is_refused(void **state)
{
    (void)state;
    struct file file = {0};
    struct err e = {0};

    for (size_t i = 0; i < 2; i++) {
        file.sink = sink_over(file.room, i == 0 ? OPEN_BYTES - 1 : LOCKED_BYTES - 1);
        assert_false(sealed_write(&file.sink, KEY_LOG, secret, i == 0 ? (span){0} : passphrase(),
                                  SEALED_CHEAP, &world, &e));
        assert_int_equal(e.code, ERR_LIMIT);
        assert_int_equal(file.sink.len, 0);
    }
}

static void what_is_no_key_file_needs_no_passphrase(void **state)
{
    (void)state;

    assert_false(sealed_needs_passphrase((span){0}));
    assert_false(sealed_needs_passphrase(span_text("counterpart key\n")));
    assert_int_equal(refusal(span_text("counterpart key\n"), KEY_LOG, (span){0}), ERR_CORRUPT);
    assert_int_equal(refusal((span){0}, KEY_LOG, (span){0}), ERR_CORRUPT);
}

static int start(void **state)
{
    struct err e = {0};
    (void)state;
    return crypto_start(&e) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_file_is_the_known_bytes),
        cmocka_unit_test(a_locked_file_is_the_known_bytes),
        cmocka_unit_test(daily_use_works_with_64_mebibytes),
        cmocka_unit_test(an_open_file_does_not_mind_a_passphrase),
        cmocka_unit_test(a_wrong_passphrase_is_refused),
        cmocka_unit_test(a_missing_passphrase_is_refused),
        cmocka_unit_test(a_passphrase_has_1_to_1024_bytes),
        cmocka_unit_test(every_flipped_bit_of_an_open_file_is_noticed),
        cmocka_unit_test(every_flipped_byte_of_a_locked_file_is_refused),
        cmocka_unit_test(the_clear_part_of_a_locked_file_is_authenticated),
        cmocka_unit_test(every_shorter_or_longer_file_is_noticed),
        cmocka_unit_test(another_kind_of_key_is_refused),
        cmocka_unit_test(limits_from_a_file_are_bounded),
        cmocka_unit_test(writing_into_too_little_room_is_refused),
        cmocka_unit_test(what_is_no_key_file_needs_no_passphrase),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}

#include "crypto/note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing.h"

/* ------------------------------------------------------------ the worked example of the format */

#define LOG_NAME "acme.example/counterpart/feed-1"
#define BOLT_NAME "bolt.example/counterpart/receipt"
#define CORD_NAME "cord.example/counterpart/receipt"
#define DASH "\xe2\x80\x94 "

#define LOG_VKEY LOG_NAME "+7c8a0bdb+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
#define BOLT_VKEY BOLT_NAME "+74499363+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"
#define CORD_VKEY CORD_NAME "+2fb2989c+BCVDuS/xCVURR2rcg2nbbdyTNmWhGXjdoUBO4QZsqVWd"

#define ROOT3 "NBAoOwQjdlQ221GXBD+2YHIiq80VeK2s4jSs8hWquhY="
#define TEXT LOG_NAME "\n3\n" ROOT3 "\n"
#define LOG_FIELD                                                                                  \
    "fIoL24nvJM0vdQBHZMtsxTtpGlHvf2fBCEowx8cdbBgxTpYurlRxOEzBoUxFVgYzMU2xmiOC6/"                   \
    "ieL1VZdPS0F/pdGwI="
#define BOLT_FIELD                                                                                 \
    "dEmTYwAAAABpVbkA97/hBeAVQiEuAOfzsqk4iaJX8Ko1fLh8R1RlulSVZT8JKFfStokPVmX02LZ9"                 \
    "JVqMPHaW4N/ATUJYB+jc9rnIBg=="
#define CORD_FIELD                                                                                 \
    "L7KYnAAAAABpVbk8AmdSS/hRvAqedGGZsUruKDicMm+3/0oxHkc3HY+FoebomTUOvDZeNB/ZZHl7"                 \
    "Ecn0bWBU42TZHL+w8m/ephr1BQ=="
#define LOG_LINE DASH LOG_NAME " " LOG_FIELD "\n"
#define BOLT_LINE DASH BOLT_NAME " " BOLT_FIELD "\n"
#define CORD_LINE DASH CORD_NAME " " CORD_FIELD "\n"
#define NOTE TEXT "\n" LOG_LINE BOLT_LINE CORD_LINE
/* Well formed, of a key nobody here knows. */
#define STRANGER_LINE DASH "eve.example/other 4/DDgAECAwQF\n"

enum { LOG, BOLT, CORD, KEYS };

/* The worked example's roots, signed by the log and cosigned by Bolt at BOLT_TIME. */
#define BOLT_TIME UINT64_C(1767225600)
static const struct {
    uint64_t size;
    const char *root, *log_signature, *cosignature;
} signed_heads[] = {
    {0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "0d5745c9d184d118657f8d94fcd79f645af90a0cf01f5a804b5ec49acb95f8a1"
     "c94aba4134df617fe9225ec9a32a03bfaa8f820b189ebf3fb7026703ef163402",
     "5cbb844f0fcde2510b6abd52907b3e003a531845bb9e8a0fe7e7e99d074fe433"
     "69563b290d518ada0a1757eaa59fde9eec0551f0bb10f181b26089406863f30d"},
    {1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
     "1a504c933eafa471146d45cb50d51696049005fd087e4a1ac4c226de8ef43618"
     "052d018dce708878af15830227c8e5ddc7f11b180ceaea131d44f99b23f6a70f",
     "d6d8bba518629e67fb0df99a38b2ed1db7703051bcf35587ff4540dbdb230ab9"
     "0f2eb175ae41283dddb746824cfaf96e6da1283aaaeb9a120c75f1735e7a1d09"},
    {2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
     "f40e9fc1c3e9c7c4a92ce0f56a44de7250f90d02367a367509b07d64b03c8051"
     "c8886498e3d175abc1c82a5bfcc58f7a6693546ffc4dfe25660ce268bcac7804",
     "782137043ab0a7195ed973ac78db8c8451949ff54624dc98c636f58ae6d0dda5"
     "b576089e3758bacb329509ec53021a0fcc644cd8d24a22b4a87e93ab69a6a403"},
    {3, "3410283b0423765436db5197043fb6607222abcd1578adace234acf215aaba16",
     "89ef24cd2f75004764cb6cc53b691a51ef7f67c1084a30c7c71d6c18314e962e"
     "ae5471384cc1a14c45560633314db19a2382ebf89e2f555974f4b417fa5d1b02",
     "f7bfe105e01542212e00e7f3b2a93889a257f0aa357cb87c475465ba5495653f"
     "092857d2b6890f5665f4d8b67d255a8c3c7696e0dfc04d425807e8dcf6b9c806"},
    {7, "1e22e8343d4e798bc1d9ae19e0c78440d95e7a1afa402f1d49c3d63161d096bb",
     "5e78748b25368db4d7a560b966e692172699b8422778a3a76101fa7ec9d88308"
     "4200ef8cebe53ddc6b89e6cea80a62376cf0fb48d3c4bd9d89482a4f78482502",
     "5541b5e51c6430998edd763042acfd84c9f78e6070b8083f06aeca34f94e263b"
     "36f69d0b45a4fef0ff28f260db68b08ba7a2f16cddac66009870f0a1552d6909"},
    {8, "1abd5df73946fc46f54f97b438efd7d3d999b47e295fa7166c56c867added797",
     "fc2e938c3f3af0eb0812bca32e67151233649f1501867861771b59b414a25612"
     "47d68121c5a0596a46aadffe91b13fde9ebb7ee44f571a5584af741ac25b6003",
     "b83ce9e306e1f3234fdd1d502c71a1f6f2abf29b6a21621153f54bafdcb775d5"
     "08a7c5a1c31670c6b08b9c0cf4c496653b6a48ffe37ec5f74843e959fde45d03"},
};
#define SIGNED_HEADS (sizeof signed_heads / sizeof signed_heads[0])

/* Test keys: seeds 00 01 02 ..., 20 21 22 ..., 40 41 42 ... */
struct fixture {
    struct signing_key *keys[KEYS];
    struct note_verifier verifiers[KEYS];
};

static int set_up(void **state)
{
    static struct fixture fixture;
    static const char *const names[KEYS] = {LOG_NAME, BOLT_NAME, CORD_NAME};
    if (!crypto_start(NULL)) return -1;
    for (size_t k = 0; k < KEYS; k++) {
        uint8_t seed[KEY_SEED_BYTES] = {0};
        for (size_t i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)(0x20 * k + i);
        if (!signing_key_new(&fixture.keys[k], seed, NULL)) return -1;
        enum note_signature_type type = k == LOG ? NOTE_ED25519 : NOTE_COSIGNATURE;
        const struct key_public *key = signing_key_public(fixture.keys[k]);
        fixture.verifiers[k] = (struct note_verifier){names[k], type, key};
    }
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    for (size_t k = 0; k < KEYS; k++) signing_key_free(f->keys[k]);
    return 0;
}

static struct hash hash_from(const char *hex)
{
    struct hash hash = {0};
    assert_true(hex_read(span_text(hex), hash.bytes, sizeof hash.bytes));
    return hash;
}

static struct signature signature_from(const char *hex)
{
    struct signature signature = {0};
    assert_true(hex_read(span_text(hex), signature.bytes, sizeof signature.bytes));
    return signature;
}

static struct key_public key_from(const char *hex)
{
    struct key_public key = {0};
    assert_true(hex_read(span_text(hex), key.bytes, sizeof key.bytes));
    return key;
}

/* Opens with all three keys; the code says how it went. */
static enum err_code opened(const struct fixture *f, span note)
{
    struct err e = {0};
    span text = {0};
    if (note_open(note, f->verifiers, KEYS, &text, NULL, NULL, &e)) return ERR_NONE;
    assert_null(text.at);
    return e.code;
}

#define assert_opens(note) assert_int_equal(opened(*state, span_text(note)), ERR_NONE)
#define assert_refuses(note, code) assert_int_equal(opened(*state, span_text(note)), code)

/* ------------------------------------------------------------ keys */

static void key_ids_and_verifier_keys_are_the_known_ones(void **state)
{
    const struct fixture *f = *state;
    static const char *const ids[KEYS] = {"7c8a0bdb", "74499363", "2fb2989c"};
    static const char *const vkeys[KEYS] = {LOG_VKEY, BOLT_VKEY, CORD_VKEY};
    for (size_t k = 0; k < KEYS; k++) {
        const struct note_verifier *v = &f->verifiers[k];
        uint8_t id[4] = {0};
        char hex[9] = "", written[VKEY_TEXT_MAX] = "", name[NOTE_NAME_MAX + 1] = "";
        enum note_signature_type type = 0;
        struct key_public key = {0};

        note_key_id(v->name, v->type, v->key, id);
        assert_string_equal(hex_write(span_of(id, 4), hex, sizeof hex), ids[k]);
        assert_true(note_vkey_write(v->name, v->type, v->key, written, sizeof written, NULL));
        assert_string_equal(written, vkeys[k]);
        assert_true(note_vkey_read(span_text(vkeys[k]), name, sizeof name, &type, &key, NULL));
        assert_string_equal(name, v->name);
        assert_int_equal(type, v->type);
        assert_true(key_public_equal(&key, v->key));
    }
}

static enum err_code vkey_read_code(const char *vkey, size_t name_cap)
{
    char name[NOTE_NAME_MAX + 1] = "as it was";
    enum note_signature_type type = NOTE_ED25519;
    struct key_public key = {0};
    struct err e = {0};
    if (note_vkey_read(span_text(vkey), name, name_cap, &type, &key, &e)) return ERR_NONE;
    assert_string_equal(name, "as it was");
    return e.code;
}

static void a_verifier_key_has_one_spelling(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "+",
        "++",
        LOG_NAME,
        LOG_NAME "+7c8a0bdb",
        LOG_NAME "+7c8a0bdb+",
        LOG_NAME "+7c8a0bdc+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4", /* another id */
        LOG_NAME "+7C8A0BDB+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4", /* capitals */
        LOG_NAME "+07c8a0bdb+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        LOG_NAME "+7c8a0bdb+AgOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4", /* type 2 */
        LOG_NAME "+7c8a0bdb+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4", /* type 4, id of 1 */
        LOG_NAME "+7c8a0bdb+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n",
        LOG_NAME "+7c8a0bdb+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4 ",
        LOG_NAME "+7c8a0bdb+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4AAAA",
        LOG_NAME "+7c8a0bdb+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTE=",
        "acme.example/counterpart/feed-2+7c8a0bdb+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "+7c8a0bdb+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "a b+7c8a0bdb+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (vkey_read_code(bad[i], NOTE_NAME_MAX + 1) != ERR_MALFORMED) fail_msg("%s", bad[i]);
    assert_int_equal(vkey_read_code(LOG_VKEY, sizeof LOG_NAME - 1), ERR_LIMIT);
    assert_int_equal(vkey_read_code(LOG_VKEY, sizeof LOG_NAME), ERR_NONE);
}

/* The id is right for the key with a zero byte after it, which a careless buffer would supply. */
static void a_verifier_key_one_byte_short_is_refused(void **state)
{
    (void)state;
    static const char zeros[] = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    struct key_public key = {0};
    char full[VKEY_TEXT_MAX] = "", cut[VKEY_TEXT_MAX] = "";
    assert_true(note_vkey_write("a", NOTE_ED25519, &key, full, sizeof full, NULL));
    assert_string_equal(strchr(strchr(full, '+') + 1, '+') + 1, zeros);

    memcpy(cut, full, sizeof cut);
    cut[strlen(cut) - 1] = '=';

    assert_int_equal(vkey_read_code(full, NOTE_NAME_MAX + 1), ERR_NONE);
    assert_int_equal(vkey_read_code(cut, NOTE_NAME_MAX + 1), ERR_MALFORMED);
}

static void a_verifier_key_longer_than_any_is_refused(void **state)
{
    const struct fixture *f = *state;
    char name[NOTE_NAME_MAX + 2] = "", vkey[VKEY_TEXT_MAX + 2] = "";
    struct err e = {0};
    memset(name, 'a', NOTE_NAME_MAX + 1);
    memset(vkey, 'a', VKEY_TEXT_MAX + 1);

    assert_false(note_vkey_write(name, NOTE_ED25519, f->verifiers[LOG].key, vkey, sizeof vkey, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(vkey_read_code(vkey, NOTE_NAME_MAX + 1), ERR_LIMIT);
    name[NOTE_NAME_MAX] = '\0';
    assert_true(note_vkey_write(name, NOTE_ED25519, f->verifiers[LOG].key, vkey, sizeof vkey, &e));
    assert_int_equal(vkey_read_code(vkey, NOTE_NAME_MAX + 1), ERR_NONE);
    assert_false(note_vkey_write(name, NOTE_ED25519, f->verifiers[LOG].key, vkey, 300, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

static void a_key_cannot_be_written_under_an_ambiguous_name(void **state)
{
    const struct fixture *f = *state;
    static const char *const bad[] = {"",         "a b",          "a+b",          "a\nb",
                                      "a\xc2\xa0", "\xe2\x80\x83", "\xe3\x80\x80", "a\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char vkey[VKEY_TEXT_MAX] = "";
        struct err e = {0};
        assert_false(
            note_vkey_write(bad[i], NOTE_ED25519, f->verifiers[LOG].key, vkey, sizeof vkey, &e));
        assert_int_equal(e.code, ERR_MALFORMED);
    }
}

static void our_names_use_a_small_alphabet(void **state)
{
    (void)state;
    char longest[NOTE_NAME_MAX + 2] = "";
    memset(longest, 'a', NOTE_NAME_MAX + 1);

    assert_true(note_name_is_ours(span_text(LOG_NAME)));
    assert_true(note_name_is_ours(span_text("az09.-/")));
    assert_true(note_name_is_ours(span_of(longest, NOTE_NAME_MAX)));
    assert_false(note_name_is_ours(span_of(longest, NOTE_NAME_MAX + 1)));
    assert_false(note_name_is_ours(span_text("")));
    for (unsigned c = 0; c < 256; c++) {
        uint8_t byte = (uint8_t)c;
        bool is_ours = c != 0 && strchr("abcdefghijklmnopqrstuvwxyz0123456789.-/", (int)c);
        assert_int_equal(note_name_is_ours(span_of(&byte, 1)), is_ours);
    }
}

/* ------------------------------------------------------------ checkpoints */

static void checkpoints_are_three_lines(void **state)
{
    (void)state;
    uint8_t room[CHECKPOINT_TEXT_MAX] = {0};
    struct sink sink = sink_over(room, sizeof room);
    struct hash root = hash_from(signed_heads[3].root), read_root = {0};
    char origin[NOTE_NAME_MAX + 1] = "";
    uint64_t size = 0;

    checkpoint_text(&sink, LOG_NAME, 3, &root);
    test_assert_text(sink_span(&sink), TEXT);
    assert_true(checkpoint_read(sink_span(&sink), origin, sizeof origin, &size, &read_root, NULL));

    assert_string_equal(origin, LOG_NAME);
    assert_int_equal(size, 3);
    assert_true(hash_equal(&root, &read_root));
}

static enum err_code checkpoint_code(const char *text, size_t origin_cap, uint64_t *size)
{
    char origin[NOTE_NAME_MAX + 1] = "as it was";
    struct hash root = {0};
    struct err e = {0};
    if (checkpoint_read(span_text(text), origin, origin_cap, size, &root, &e)) return ERR_NONE;
    assert_string_equal(origin, "as it was");
    assert_true(hash_is_zero(&root));
    return e.code;
}

static void a_checkpoint_has_one_spelling(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\n",
        "\n\n\n",
        "o\n3\n",
        "o\n3\n" ROOT3,                 /* no last LF */
        "o\n3\n" ROOT3 "\n\n",          /* an empty fourth line */
        "o\n3\n" ROOT3 "\nextension\n", /* an extension */
        "o\r\n3\r\n" ROOT3 "\r\n",
        "\n3\n" ROOT3 "\n",
        "o\tp\n3\n" ROOT3 "\n",
        "o\xff\n3\n" ROOT3 "\n",
        "o\n\n" ROOT3 "\n",
        "o\n03\n" ROOT3 "\n",
        "o\n00\n" ROOT3 "\n",
        "o\n+3\n" ROOT3 "\n",
        "o\n-3\n" ROOT3 "\n",
        "o\n 3\n" ROOT3 "\n",
        "o\n3 \n" ROOT3 "\n",
        "o\n0x3\n" ROOT3 "\n",
        "o\n3:\n" ROOT3 "\n",
        "o\n9223372036854775808\n" ROOT3 "\n",
        "o\n18446744073709551616\n" ROOT3 "\n",
        "o\n99999999999999999999999\n" ROOT3 "\n",
        "o\n3\n\n",
        "o\n3\nNBAoOwQjdlQ221GXBD+2YHIiq80VeK2s4jSs8hWquhY\n",   /* no padding */
        "o\n3\nNBAoOwQjdlQ221GXBD+2YHIiq80VeK2s4jSs8hWquhZ=\n",  /* stray bits */
        "o\n3\nNBAoOwQjdlQ221GXBD+2YHIiq80VeK2s4jSs8hWquhX=\n",  /* stray bits */
        "o\n3\nNBAoOwQjdlQ221GXBD-2YHIiq80VeK2s4jSs8hWquhY=\n",  /* the other alphabet */
        "o\n3\nNBAoOwQjdlQ221GXBD+2YHIiq80VeK2s4jSs8hWquhYA\n",  /* 33 bytes */
        "o\n3\nNBAoOwQjdlQ221GXBD+2YHIiq80VeK2s4jSs8hWqug==\n",  /* 31 bytes */
        "o\n3\nNBAoOwQjdlQ221GXBD+2YHIiq80VeK2s4jSs8hWquhY= \n",
        "o\n3\n NBAoOwQjdlQ221GXBD+2YHIiq80VeK2s4jSs8hWquhY=\n",
        "o\n3\nNBAo OwQjdlQ221GXBD+2YHIiq80VeK2s4jSs8hWquhY=\n",
    };
    uint64_t size = 77;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (checkpoint_code(bad[i], NOTE_NAME_MAX + 1, &size) != ERR_MALFORMED)
            fail_msg("%s", bad[i]);
    assert_int_equal(size, 77);
    assert_int_equal(checkpoint_code("o\n0\n" ROOT3 "\n", 2, &size), ERR_NONE);
    assert_int_equal(size, 0);
    assert_int_equal(checkpoint_code("o\n9223372036854775807\n" ROOT3 "\n", 2, &size), ERR_NONE);
    assert_true(size == INT64_MAX);
    assert_int_equal(checkpoint_code("op\n3\n" ROOT3 "\n", 2, &size), ERR_LIMIT);
}

static void a_zero_byte_is_never_part_of_an_origin(void **state)
{
    (void)state;
    char origin[NOTE_NAME_MAX + 1] = "";
    uint64_t size = 0;
    struct hash root = {0};
    static const char text[] = "o\0p\n3\n" ROOT3 "\n";

    assert_false(checkpoint_read(span_of(text, sizeof text - 1), origin, sizeof origin, &size,
                                 &root, NULL));
}

/* ------------------------------------------------------------ heads and receipts */

static void heads_and_receipts_sign_to_the_known_bytes(void **state)
{
    const struct fixture *f = *state;
    for (size_t i = 0; i < SIGNED_HEADS; i++) {
        struct hash root = hash_from(signed_heads[i].root);
        struct signature log_signature = signature_from(signed_heads[i].log_signature);
        struct signature cosignature = signature_from(signed_heads[i].cosignature);
        struct head head = {0};
        struct receipt receipt = {0};

        head_sign(f->keys[LOG], LOG_NAME, signed_heads[i].size, &root, &head);
        receipt_sign(f->keys[BOLT], LOG_NAME, signed_heads[i].size, &root, BOLT_TIME, &receipt);

        assert_int_equal(head.size, signed_heads[i].size);
        assert_true(hash_equal(&head.root, &root));
        assert_memory_equal(head.signature.bytes, log_signature.bytes, 64);
        assert_int_equal(receipt.size, signed_heads[i].size);
        assert_int_equal(receipt.time_s, BOLT_TIME);
        assert_true(hash_equal(&receipt.root, &root));
        assert_memory_equal(receipt.signature.bytes, cosignature.bytes, 64);
        assert_true(head_verify(f->verifiers[LOG].key, LOG_NAME, &head));
        assert_true(receipt_verify(f->verifiers[BOLT].key, LOG_NAME, &receipt));
    }
}

static void a_head_speaks_for_its_key_origin_size_and_root_only(void **state)
{
    const struct fixture *f = *state;
    struct hash root = hash_from(signed_heads[3].root);
    struct head head = {0}, other = {0};
    char long_origin[500] = "";
    head_sign(f->keys[LOG], LOG_NAME, 3, &root, &head);
    memset(long_origin, 'a', sizeof long_origin - 1);

    assert_false(head_verify(f->verifiers[BOLT].key, LOG_NAME, &head));
    assert_false(head_verify(f->verifiers[LOG].key, "acme.example/counterpart/feed-2", &head));
    assert_false(head_verify(f->verifiers[LOG].key, long_origin, &head));
    other = head;
    other.size++;
    assert_false(head_verify(f->verifiers[LOG].key, LOG_NAME, &other));
    other = head;
    other.root.bytes[31] ^= 1;
    assert_false(head_verify(f->verifiers[LOG].key, LOG_NAME, &other));
    other = head;
    other.signature.bytes[0] ^= 1;
    assert_false(head_verify(f->verifiers[LOG].key, LOG_NAME, &other));
}

static void a_receipt_speaks_for_its_key_origin_size_root_and_time_only(void **state)
{
    const struct fixture *f = *state;
    const struct key_public *key = f->verifiers[BOLT].key;
    struct hash root = hash_from(signed_heads[3].root);
    struct receipt receipt = {0}, other = {0};
    receipt_sign(f->keys[BOLT], LOG_NAME, 3, &root, BOLT_TIME, &receipt);

    assert_false(receipt_verify(f->verifiers[CORD].key, LOG_NAME, &receipt));
    assert_false(receipt_verify(key, "acme.example/counterpart/feed-2", &receipt));
    other = receipt;
    other.size++;
    assert_false(receipt_verify(key, LOG_NAME, &other));
    other = receipt;
    other.root.bytes[0] ^= 1;
    assert_false(receipt_verify(key, LOG_NAME, &other));
    other = receipt;
    other.time_s++;
    assert_false(receipt_verify(key, LOG_NAME, &other));
}

static void a_head_is_no_receipt_even_under_one_key(void **state)
{
    const struct fixture *f = *state;
    struct hash root = hash_from(signed_heads[3].root);
    struct head head = {0};
    head_sign(f->keys[BOLT], LOG_NAME, 3, &root, &head);
    struct receipt receipt = {3, root, BOLT_TIME, head.signature};

    assert_false(receipt_verify(f->verifiers[BOLT].key, LOG_NAME, &receipt));
}

/* Signs what no honest key signs: the message with any time at all. */
static struct receipt receipt_at_any_time(const struct fixture *f, uint64_t time_s)
{
    uint8_t room[600] = {0};
    struct sink sink = sink_over(room, sizeof room);
    struct receipt receipt = {3, hash_from(signed_heads[3].root), time_s, {{0}}};
    sink_text(&sink, "cosignature/v1\ntime ");
    sink_decimal(&sink, time_s);
    sink_text(&sink, "\n" TEXT);
    signing_key_sign(f->keys[BOLT], sink_span(&sink), &receipt.signature);
    return receipt;
}

static void a_receipt_from_no_time_or_too_late_a_time_is_refused(void **state)
{
    const struct fixture *f = *state;
    const struct {
        uint64_t time_s;
        bool is_good;
    } cases[] = {{0, false},
                 {1, true},
                 {INT64_MAX, true},
                 {(uint64_t)INT64_MAX + 1, false},
                 {UINT64_MAX, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t room[1000] = {0};
        struct sink sink = sink_over(room, sizeof room);
        struct receipt receipt = receipt_at_any_time(f, cases[i].time_s);
        sink_text(&sink, TEXT "\n");
        note_line_cosignature(&sink, BOLT_NAME, f->verifiers[BOLT].key, &receipt);

        bool is_verified = receipt_verify(f->verifiers[BOLT].key, LOG_NAME, &receipt);

        assert_int_equal(is_verified, cases[i].is_good);
        assert_int_equal(opened(f, sink_span(&sink)), cases[i].is_good ? ERR_NONE : ERR_REFUSED);
    }
}

/* ------------------------------------------------------------ notes */

static void the_known_note_is_written_byte_by_byte(void **state)
{
    const struct fixture *f = *state;
    uint8_t room[2000] = {0};
    struct sink sink = sink_over(room, sizeof room);
    struct hash root = hash_from(signed_heads[3].root);
    struct receipt bolt = {0}, cord = {0};
    receipt_sign(f->keys[BOLT], LOG_NAME, 3, &root, BOLT_TIME, &bolt);
    receipt_sign(f->keys[CORD], LOG_NAME, 3, &root, BOLT_TIME + 60, &cord);

    note_sign(&sink, span_text(TEXT), LOG_NAME, f->keys[LOG]);
    note_line_cosignature(&sink, BOLT_NAME, f->verifiers[BOLT].key, &bolt);
    note_line_cosignature(&sink, CORD_NAME, f->verifiers[CORD].key, &cord);

    assert_false(sink.full);
    test_assert_text(sink_span(&sink), NOTE);
}

static void a_note_that_does_not_fit_says_so(void **state)
{
    const struct fixture *f = *state;
    for (size_t cap = 0; cap < sizeof TEXT "\n" LOG_LINE - 1; cap++) {
        uint8_t room[400] = {0};
        struct sink sink = sink_over(room, cap);
        note_sign(&sink, span_text(TEXT), LOG_NAME, f->keys[LOG]);
        assert_true(sink.full);
    }
}

static void opening_tells_who_signed_and_when(void **state)
{
    const struct fixture *f = *state;
    bool signed_by[KEYS] = {false, true, false};
    uint64_t times_s[KEYS] = {9, 9, 9};
    span text = {0}, note = span_text(NOTE);

    assert_true(note_open(note, f->verifiers, KEYS, &text, signed_by, times_s, NULL));

    test_assert_text(text, TEXT);
    assert_ptr_equal(text.at, note.at);
    assert_true(signed_by[LOG] && signed_by[BOLT] && signed_by[CORD]);
    assert_int_equal(times_s[LOG], 0);
    assert_int_equal(times_s[BOLT], BOLT_TIME);
    assert_int_equal(times_s[CORD], BOLT_TIME + 60);

    note = span_text(TEXT "\n" STRANGER_LINE CORD_LINE);
    assert_true(note_open(note, f->verifiers, KEYS, &text, signed_by, times_s, NULL));
    assert_false(signed_by[LOG] || signed_by[BOLT]);
    assert_true(signed_by[CORD]);
    assert_int_equal(times_s[BOLT], 0);
}

static void the_order_of_lines_means_nothing(void **state)
{
    assert_opens(TEXT "\n" CORD_LINE LOG_LINE BOLT_LINE);
    assert_opens(TEXT "\n" BOLT_LINE STRANGER_LINE LOG_LINE);
    assert_opens(TEXT "\n" LOG_LINE);
}

static void lines_of_unknown_keys_are_ignored(void **state)
{
    assert_opens(TEXT "\n" LOG_LINE STRANGER_LINE STRANGER_LINE);
    /* a known name with another key id; a known key id under another name */
    assert_opens(TEXT "\n" LOG_LINE DASH LOG_NAME " AAAAAAAA\n");
    assert_opens(TEXT "\n" LOG_LINE DASH "bolt.example/other " LOG_FIELD "\n");
    assert_refuses(TEXT "\n" STRANGER_LINE, ERR_REFUSED);
    assert_refuses(TEXT "\n" DASH "bolt.example/other " LOG_FIELD "\n", ERR_REFUSED);
}

static void a_known_key_that_does_not_verify_condemns_the_note(void **state)
{
    /* the log's line under a text with another size */
    assert_refuses(LOG_NAME "\n4\n" ROOT3 "\n\n" LOG_LINE, ERR_REFUSED);
    assert_refuses(TEXT "\n" LOG_LINE DASH BOLT_NAME
                   " dEmTYwAAAABpVbkB97/hBeAVQiEuAOfzsqk4iaJX8Ko1fLh8R1RlulSVZT8JKFfStokPVmX02LZ9JV"
                   "qMPHaW4N/ATUJYB+jc9rnIBg==\n",
                   ERR_REFUSED); /* Bolt's, a second later than signed */
    assert_refuses(TEXT "\n" LOG_LINE DASH BOLT_NAME " dEmTYwAAAABpVbkA\n", ERR_MALFORMED);
    assert_refuses(TEXT "\n" BOLT_LINE DASH LOG_NAME " fIoL24nvJM0v\n", ERR_MALFORMED);
}

static void two_lines_of_one_key_are_refused(void **state)
{
    const struct fixture *f = *state;
    uint8_t room[1000] = {0};
    struct sink sink = sink_over(room, sizeof room);
    struct receipt later = receipt_at_any_time(f, BOLT_TIME + 1);
    sink_text(&sink, TEXT "\n" BOLT_LINE);
    note_line_cosignature(&sink, BOLT_NAME, f->verifiers[BOLT].key, &later);

    assert_int_equal(opened(f, sink_span(&sink)), ERR_MALFORMED);
    assert_refuses(TEXT "\n" LOG_LINE LOG_LINE, ERR_MALFORMED);
    assert_refuses(TEXT "\n" LOG_LINE BOLT_LINE LOG_LINE, ERR_MALFORMED);
}

static void two_known_keys_that_look_alike_are_never_guessed_between(void **state)
{
    const struct fixture *f = *state;
    struct note_verifier twice[2] = {f->verifiers[LOG], f->verifiers[LOG]};
    struct err e = {0};
    span text = {0};

    assert_false(note_open(span_text(NOTE), twice, 2, &text, NULL, NULL, &e));
    assert_int_equal(e.code, ERR_REFUSED);
}

static void without_any_known_key_nothing_opens(void **state)
{
    (void)state;
    struct err e = {0};
    span text = {0};

    assert_false(note_open(span_text(NOTE), NULL, 0, &text, NULL, NULL, &e));
    assert_int_equal(e.code, ERR_REFUSED);
}

static void a_note_has_one_spelling(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "\n\n",
        TEXT,
        TEXT "\n",
        TEXT LOG_LINE,                              /* no empty line */
        "\n" LOG_LINE,                              /* no text */
        TEXT "\n" LOG_LINE "\n",                    /* an empty line after */
        TEXT "\n" LOG_LINE "more",                  /* bytes after */
        TEXT "\n" LOG_LINE "more\n",
        TEXT "\n" DASH LOG_NAME " " LOG_FIELD,      /* no last LF */
        TEXT "\n" DASH LOG_NAME " " LOG_FIELD "\r\n",
        TEXT "\n" DASH LOG_NAME " " LOG_FIELD " \n",
        TEXT "\n" DASH LOG_NAME "  " LOG_FIELD "\n",
        TEXT "\n" DASH " " LOG_NAME " " LOG_FIELD "\n",
        TEXT "\n- " LOG_NAME " " LOG_FIELD "\n",                /* a hyphen */
        TEXT "\n\xe2\x80\x93 " LOG_NAME " " LOG_FIELD "\n",     /* an en dash */
        TEXT "\n\xe2\x80\x94" LOG_NAME " " LOG_FIELD "\n",      /* no space */
        TEXT "\n" DASH LOG_NAME "\t" LOG_FIELD "\n",
        TEXT "\n" DASH LOG_NAME "\n",
        TEXT "\n" DASH LOG_NAME " \n",
        TEXT "\n" DASH "a+b AAAAAAAA\n" LOG_LINE,               /* names with plus or space */
        TEXT "\n" DASH "a\xc2\xa0" "b AAAAAAAA\n" LOG_LINE,
        TEXT "\n" DASH "a\xc2\x85" "b AAAAAAAA\n" LOG_LINE,
        TEXT "\n" DASH "\xe2\x80\x8a" "b AAAAAAAA\n" LOG_LINE,
        TEXT "\n" DASH "b\xe3\x80\x80 AAAAAAAA\n" LOG_LINE,
        TEXT "\n" DASH "eve AAAAAA==\n" LOG_LINE,               /* a key id and nothing */
        TEXT "\n" DASH "eve AAAAAAA\n" LOG_LINE,                /* no padding */
        TEXT "\n" DASH "eve AAAAAAB=\n" LOG_LINE,               /* stray bits */
        TEXT "\n" DASH "eve AAAAAAAAAA=A\n" LOG_LINE,
        TEXT "\n" DASH "eve AAAA====\n" LOG_LINE,
        TEXT "\n" DASH "eve AA_AAAAA\n" LOG_LINE,
        "a\tb\n\n" LOG_LINE,                                    /* controls and not UTF-8 */
        "a\xff\n\n" LOG_LINE,
        "a\r\n\n" LOG_LINE,
        TEXT "\n" DASH "eve\x01 AAAAAAAA\n" LOG_LINE,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (opened(*state, span_text(bad[i])) != ERR_MALFORMED) fail_msg("note %zu", i);
}

/* The last character of 68 bytes in base64 carries two bits that mean nothing. */
static void stray_bits_in_a_good_signature_are_refused(void **state)
{
    static const char stray[] = "IJKL"; /* the good one, then its siblings */
    char note[] = TEXT "\n" LOG_LINE;
    char *last = note + sizeof note - 1 - 3;

    assert_int_equal(*last, stray[0]);
    assert_opens(note);
    for (size_t i = 1; i < sizeof stray - 1; i++) {
        *last = stray[i];
        assert_refuses(note, ERR_MALFORMED);
    }
}

static void a_zero_byte_is_refused(void **state)
{
    static const char note[] = "a\0b\n\n" LOG_LINE;
    assert_int_equal(opened(*state, span_of(note, sizeof note - 1)), ERR_MALFORMED);
}

static void the_text_goes_to_the_last_empty_line(void **state)
{
    const struct fixture *f = *state;
    static const char *const texts[] = {
        "a\n", "\n", "a\n\nb\n", "a\n\n", "\n\n\n", "a\n" DASH "b AAAAAAAA\n",
        "a\n\n" LOG_LINE, /* a text that looks like a note */
        "Soci\xc3\xa9t\xc3\xa9 \xe2\x80\x93\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t room[1000] = {0};
        struct sink sink = sink_over(room, sizeof room);
        span text = {0};
        note_sign(&sink, span_text(texts[i]), LOG_NAME, f->keys[LOG]);
        assert_false(sink.full);

        assert_true(note_open(sink_span(&sink), f->verifiers, KEYS, &text, NULL, NULL, NULL));

        test_assert_text(text, texts[i]);
    }
}

static void a_note_has_a_largest_size_and_number_of_lines(void **state)
{
    const struct fixture *f = *state;
    static uint8_t room[NOTE_BYTES_MAX + 1], body[NOTE_BYTES_MAX];
    struct sink sink = sink_over(room, sizeof room);
    memset(body, 'a', sizeof body);

    sink_text(&sink, TEXT "\n" LOG_LINE);
    for (size_t i = 1; i < NOTE_LINES_MAX; i++) sink_text(&sink, STRANGER_LINE);
    assert_int_equal(opened(f, sink_span(&sink)), ERR_NONE);
    sink_text(&sink, STRANGER_LINE);
    assert_int_equal(opened(f, sink_span(&sink)), ERR_LIMIT);

    size_t around = sizeof "\n" LOG_LINE - 1;
    for (size_t more = 0; more < 2; more++) {
        size_t len = NOTE_BYTES_MAX - around + more;
        sink = sink_over(room, sizeof room);
        body[len - 1] = '\n';
        note_sign(&sink, span_of(body, len), LOG_NAME, f->keys[LOG]);
        assert_false(sink.full);
        assert_int_equal(opened(f, sink_span(&sink)), more ? ERR_LIMIT : ERR_NONE);
        body[len - 1] = 'a';
    }
}

static void a_large_signature_of_an_unknown_key_is_ignored_and_a_larger_refused(void **state)
{
    const struct fixture *f = *state;
    static uint8_t room[20000];
    for (size_t more = 0; more < 2; more++) {
        struct sink sink = sink_over(room, sizeof room);
        sink_text(&sink, TEXT "\n" LOG_LINE DASH "eve ");
        for (size_t i = 0; i < 8190 / 3 + more; i++) sink_text(&sink, "AAAA");
        sink_text(&sink, more ? "AAAA\n" : "\n");
        assert_int_equal(opened(f, sink_span(&sink)), more ? ERR_LIMIT : ERR_NONE);
    }
}

static void a_long_text_can_be_signed_but_not_cosigned(void **state)
{
    const struct fixture *f = *state;
    uint8_t room[2000] = {0}, body[2 * CHECKPOINT_TEXT_MAX] = {0};
    struct sink sink = sink_over(room, sizeof room);
    struct receipt receipt = receipt_at_any_time(f, BOLT_TIME);
    memset(body, 'a', sizeof body - 1);
    body[sizeof body - 1] = '\n';

    note_sign(&sink, span_of(body, sizeof body), LOG_NAME, f->keys[LOG]);
    assert_int_equal(opened(f, sink_span(&sink)), ERR_NONE);
    note_line_cosignature(&sink, BOLT_NAME, f->verifiers[BOLT].key, &receipt);
    assert_int_equal(opened(f, sink_span(&sink)), ERR_REFUSED);
}

static void nothing_is_reported_from_a_note_that_fails(void **state)
{
    const struct fixture *f = *state;
    bool signed_by[KEYS] = {false, true, true};
    uint64_t times_s[KEYS] = {1, 2, 3};
    span text = span_text("before");

    assert_false(note_open(span_text(TEXT "\n" LOG_LINE BOLT_LINE LOG_LINE), f->verifiers, KEYS,
                           &text, signed_by, times_s, NULL));

    test_assert_text(text, "before");
    assert_true(!signed_by[LOG] && signed_by[BOLT] && signed_by[CORD]);
    assert_true(times_s[LOG] == 1 && times_s[BOLT] == 2 && times_s[CORD] == 3);
}

static void no_changed_byte_of_a_note_goes_unnoticed(void **state)
{
    struct test_random random = test_random_start();
    for (size_t at = 0; at < sizeof NOTE - 1; at++) {
        char note[] = NOTE;
        note[at] = (char)(note[at] ^ (1 << test_random_below(&random, 8)));
        struct err e = {0};
        bool signed_by[KEYS] = {false};
        span text = {0};
        const struct fixture *f = *state;
        bool is_open = note_open(span_of(note, sizeof note - 1), f->verifiers, KEYS, &text,
                                 signed_by, NULL, &e);
        /* A change in a name or key id makes a line unknown: it must not count. */
        assert_false(is_open && signed_by[LOG] && signed_by[BOLT] && signed_by[CORD]);
        if (is_open) test_assert_text(text, TEXT);
    }
}

static void any_cut_or_garbled_note_is_survived(void **state)
{
    struct test_random random = test_random_start();
    for (size_t len = 0; len < sizeof NOTE - 1; len++)
        (void)opened(*state, span_of(NOTE, len));
    for (int round = 0; round < 3000; round++) {
        char note[] = NOTE;
        size_t changes = 1 + (size_t)test_random_below(&random, 4);
        static const char likely[] = "\n\n\n =+A\xe2\x80\x94\xff";
        for (size_t i = 0; i < changes; i++)
            note[test_random_below(&random, sizeof note - 1)] =
                likely[test_random_below(&random, sizeof likely)];
        (void)opened(*state, span_of(note, test_random_below(&random, sizeof note)));
    }
}

/* ------------------------------------------------------------ bundles */

#define PROOF_START "c2sp.org/tlog-proof@v1\n"
#define N01 "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU="
#define PROOF PROOF_START "index 2\n" N01 "\n\n" TEXT "\n" LOG_LINE BOLT_LINE

static void a_bundle_is_written_and_read_byte_by_byte(void **state)
{
    (void)state;
    uint8_t room[2000] = {0};
    struct sink sink = sink_over(room, sizeof room);
    struct merkle_proof proof = {.count = 1}, found = {0};
    uint64_t index = 0;
    span checkpoint = {0};
    proof.hashes[0] = hash_from("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");

    proof_write(&sink, 2, &proof, span_text(TEXT "\n" LOG_LINE BOLT_LINE));
    test_assert_text(sink_span(&sink), PROOF);
    assert_true(proof_read(sink_span(&sink), &index, &found, &checkpoint, NULL));

    assert_int_equal(index, 2);
    assert_int_equal(found.count, 1);
    assert_true(hash_equal(&found.hashes[0], &proof.hashes[0]));
    test_assert_text(checkpoint, TEXT "\n" LOG_LINE BOLT_LINE);
}

static void a_bundle_proves_its_entry_from_start_to_end(void **state)
{
    const struct fixture *f = *state;
    struct hash leaf = merkle_leaf(span_text("Counterpart leaf 2")), root = {0};
    struct merkle_proof proof = {0};
    uint64_t index = 0, size = 0, times_s[KEYS] = {0};
    bool signed_by[KEYS] = {false};
    char origin[NOTE_NAME_MAX + 1] = "";
    span note = {0}, text = {0};

    assert_true(proof_read(span_text(PROOF), &index, &proof, &note, NULL));
    assert_true(note_open(note, f->verifiers, KEYS, &text, signed_by, times_s, NULL));
    assert_true(checkpoint_read(text, origin, sizeof origin, &size, &root, NULL));

    assert_true(signed_by[LOG] && signed_by[BOLT]);
    assert_string_equal(origin, LOG_NAME);
    assert_true(merkle_check_inclusion(index, size, &leaf, &proof, &root));
}

static enum err_code proof_code(span file)
{
    uint64_t index = 77;
    struct merkle_proof proof = {.count = 7};
    span note = {0};
    struct err e = {0};
    if (proof_read(file, &index, &proof, &note, &e)) return ERR_NONE;
    assert_int_equal(index, 77);
    assert_int_equal(proof.count, 7);
    assert_null(note.at);
    return e.code;
}

static void a_bundle_has_one_spelling(void **state)
{
    (void)state;
    static const char *const good[] = {
        PROOF_START "index 0\n\nx", PROOF_START "extra AP8=\nindex 0\n\nx",
        PROOF_START "index 9223372036854775807\n" N01 "\n" N01 "\n\nx",
    };
    static const char *const bad[] = {
        "",
        "\n",
        "c2sp.org/tlog-proof@v1",
        PROOF_START,
        PROOF_START "\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nx",
        " " PROOF_START "index 0\n\nx",
        "c2sp.org/tlog-proof@v1\r\nindex 0\n\nx",
        PROOF_START "index 0\n",
        PROOF_START "index 0\n\n", /* no checkpoint */
        PROOF_START "index 0\n" N01 "\n",
        PROOF_START "index 0\n" N01,
        PROOF_START "index\n\nx",
        PROOF_START "index \n\nx",
        PROOF_START "index 00\n\nx",
        PROOF_START "index -1\n\nx",
        PROOF_START "index  1\n\nx",
        PROOF_START "index 1 \n\nx",
        PROOF_START "index 9223372036854775808\n\nx",
        PROOF_START N01 "\n\nx",
        PROOF_START "index 0\nindex 0\n\nx",
        PROOF_START "index 0\nextra AP8=\n\nx",
        PROOF_START "extra AP8=\nextra AP8=\nindex 0\n\nx",
        PROOF_START "extra \nindex 0\n\nx",
        PROOF_START "extra AP8\nindex 0\n\nx",
        PROOF_START "extra AP9=\nindex 0\n\nx", /* stray bits */
        PROOF_START "extra AP8=\n",
        PROOF_START "index 0\n+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSV=\n\nx",
        PROOF_START "index 0\n+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU\n\nx",
        PROOF_START "index 0\n+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwQ==\n\nx",
        PROOF_START "index 0\n" N01 " \n\nx",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (proof_code(span_text(good[i])) != ERR_NONE) fail_msg("good bundle %zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (proof_code(span_text(bad[i])) != ERR_MALFORMED) fail_msg("bad bundle %zu", i);
}

static void a_bundle_has_limits(void **state)
{
    (void)state;
    static uint8_t room[NOTE_BYTES_MAX + 1000], body[NOTE_BYTES_MAX + 1];
    struct merkle_proof proof = {.count = MERKLE_PROOF_MAX};
    memset(body, 'a', sizeof body);
    struct sink sink = sink_over(room, sizeof room);
    proof_write(&sink, 1, &proof, span_text("x"));
    assert_int_equal(proof_code(sink_span(&sink)), ERR_NONE);

    sink = sink_over(room, sizeof room);
    sink_text(&sink, PROOF_START "index 0\n");
    for (size_t i = 0; i <= MERKLE_PROOF_MAX; i++) sink_text(&sink, N01 "\n");
    sink_text(&sink, "\nx");
    assert_int_equal(proof_code(sink_span(&sink)), ERR_LIMIT);

    for (size_t more = 0; more < 2; more++) {
        sink = sink_over(room, sizeof room);
        sink_text(&sink, PROOF_START "index 0\n\n");
        sink_put(&sink, span_of(body, NOTE_BYTES_MAX + more));
        assert_int_equal(proof_code(sink_span(&sink)), more ? ERR_LIMIT : ERR_NONE);
    }

    memset(body, 'A', sizeof body);
    sink = sink_over(room, sizeof room);
    sink_text(&sink, PROOF_START "extra ");
    sink_put(&sink, span_of(body, 16000));
    sink_text(&sink, "\nindex 0\n\nx");
    assert_int_equal(proof_code(sink_span(&sink)), ERR_LIMIT);
}

static void any_cut_or_garbled_bundle_is_survived(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    for (size_t len = 0; len < sizeof PROOF - 1; len++) (void)proof_code(span_of(PROOF, len));
    for (int round = 0; round < 5000; round++) {
        char file[] = PROOF;
        for (int i = 0; i < 3; i++)
            file[test_random_below(&random, 100)] = (char)test_random_next(&random);
        (void)proof_code(span_of(file, test_random_below(&random, sizeof file)));
    }
}

/* ------------------------------------------------------------ shared vectors */

/* A key of the vectors, known by its role. */
struct role {
    const char *role, *name;
    struct signing_key *key;
    struct note_verifier verifier;
};

static const struct role *find_role(const struct role roles[4], const char *name)
{
    for (size_t i = 0; i < 4; i++)
        if (strcmp(roles[i].role, name) == 0) return &roles[i];
    fail_msg("the vectors have no key of role %s", name);
    return NULL;
}

static void check_key_vector(const json_t *vector, struct role *out)
{
    uint8_t seed[KEY_SEED_BYTES] = {0}, id[4] = {0}, preimage[400] = {0};
    char hex[9] = "", vkey[VKEY_TEXT_MAX] = "";
    out->role = test_json_text(vector, "role");
    out->name = test_json_text(vector, "name");
    test_hex(test_json_text(vector, "seed"), seed, sizeof seed);
    assert_true(signing_key_new(&out->key, seed, NULL));
    struct key_public expected = key_from(test_json_text(vector, "public"));
    const struct key_public *key = signing_key_public(out->key);
    assert_true(key_public_equal(key, &expected));
    bool is_log = strcmp(test_json_text(vector, "signature_type"), "01") == 0;
    enum note_signature_type type = is_log ? NOTE_ED25519 : NOTE_COSIGNATURE;
    out->verifier = (struct note_verifier){out->name, type, key};
    note_key_id(out->name, out->verifier.type, key, id);
    hex_write(span_of(id, 4), hex, sizeof hex);
    assert_string_equal(hex, test_json_text(vector, "key_id"));
    struct hash hash = hash_of(
        test_hex(test_json_text(vector, "key_id_preimage"), preimage, sizeof preimage));
    assert_memory_equal(hash.bytes, id, 4);
    assert_true(note_vkey_write(out->name, out->verifier.type, key, vkey, sizeof vkey, NULL));
    assert_string_equal(vkey, test_json_text(vector, "vkey"));
}

static void check_bundle(const char *file, uint64_t index, const char *checkpoint)
{
    uint64_t found_index = 0;
    struct merkle_proof proof = {0};
    span note = {0};
    uint8_t room[8000] = {0};
    struct sink sink = sink_over(room, sizeof room);
    assert_true(proof_read(span_text(file), &found_index, &proof, &note, NULL));
    assert_int_equal(found_index, index);
    if (!checkpoint) return; /* an extra line is read, never written */
    test_assert_text(note, checkpoint);
    proof_write(&sink, index, &proof, note);
    test_assert_text(sink_span(&sink), file);
}

static void check_head_vector(const json_t *vector, const struct role roles[4])
{
    const struct role *log = find_role(roles, "log");
    const char *text = test_json_text(vector, "text_text");
    uint8_t room[4000] = {0};
    struct sink sink = sink_over(room, sizeof room);
    char origin[NOTE_NAME_MAX + 1] = "";
    uint64_t size = 0;
    struct hash root = {0};
    struct head head = {0};
    assert_true(checkpoint_read(span_text(text), origin, sizeof origin, &size, &root, NULL));
    assert_int_equal(size, test_json_u64(vector, "size"));
    head_sign(log->key, origin, size, &root, &head);
    struct signature expected = signature_from(test_json_text(vector, "log_signature"));
    assert_memory_equal(head.signature.bytes, expected.bytes, 64);
    assert_true(head_verify(log->verifier.key, origin, &head));

    checkpoint_text(&sink, origin, size, &root);
    test_assert_text(sink_span(&sink), text);
    sink_byte(&sink, '\n');
    size_t before = sink.len;
    note_line_ed25519(&sink, log->name, log->verifier.key, &head.signature);
    test_assert_text(span_of(room + before, sink.len - before),
                     test_json_text(vector, "log_line_text"));

    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(vector, "cosignatures"), i, value) {
        const struct role *role = find_role(roles, test_json_text(value, "role"));
        struct receipt receipt = {0};
        receipt_sign(role->key, origin, size, &root, test_json_u64(value, "time"), &receipt);
        expected = signature_from(test_json_text(value, "signature"));
        assert_memory_equal(receipt.signature.bytes, expected.bytes, 64);
        assert_true(receipt_verify(role->verifier.key, origin, &receipt));
        before = sink.len;
        note_line_cosignature(&sink, role->name, role->verifier.key, &receipt);
        test_assert_text(span_of(room + before, sink.len - before),
                         test_json_text(value, "line_text"));
    }

    struct note_verifier verifiers[4];
    bool signed_by[4] = {false};
    span opened_text = {0};
    for (size_t k = 0; k < 4; k++) verifiers[k] = roles[k].verifier;
    test_assert_text(sink_span(&sink), test_json_text(vector, "signed_checkpoint_text"));
    assert_true(note_open(sink_span(&sink), verifiers, 4, &opened_text, signed_by, NULL, NULL));
    test_assert_text(opened_text, text);
    for (size_t k = 0; k < 4; k++)
        assert_int_equal(signed_by[k], strcmp(roles[k].role, "stranger") != 0);
}

static void the_evidence_vectors_hold(void **state)
{
    (void)state;
    json_t *file = test_vectors("evidence/evidence.json"), *value = NULL;
    struct role roles[4] = {{0}};
    size_t i = 0, bundles = 0;
    assert_int_equal(json_array_size(json_object_get(file, "keys")), 4);
    json_array_foreach(json_object_get(file, "keys"), i, value) check_key_vector(value, &roles[i]);
    assert_int_equal(json_array_size(json_object_get(file, "checkpoints")), 6);
    json_array_foreach(json_object_get(file, "checkpoints"), i, value) {
        check_head_vector(value, roles);
        const json_t *bundle = json_object_get(value, "tlog_proof");
        if (!json_is_object(bundle)) continue; /* the empty tree has none */
        check_bundle(test_json_text(bundle, "file_text"), test_json_u64(bundle, "index"),
                     test_json_text(value, "signed_checkpoint_text"));
        bundles++;
    }
    assert_int_equal(bundles, 5);
    const json_t *extra = json_object_get(file, "tlog_proof_with_extra");
    check_bundle(test_json_text(extra, "file_text"), test_json_u64(extra, "index"), NULL);
    for (size_t k = 0; k < 4; k++) signing_key_free(roles[k].key);
    json_decref(file);
}

static const json_t *third_party(const json_t *file, const char *kind, size_t number)
{
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(file, "vectors"), i, value) {
        if (strcmp(test_json_text(value, "kind"), kind) != 0) continue;
        if (number-- == 0) return value;
    }
    fail_msg("no vector of kind %s", kind);
    return NULL;
}

static void the_note_of_the_specification_opens(void **state)
{
    (void)state;
    json_t *file = test_vectors("evidence/third-party.json");
    const json_t *vector = third_party(file, "note", 0);
    char name[NOTE_NAME_MAX + 1] = "";
    enum note_signature_type type = 0;
    struct key_public key = {0};
    span text = {0};

    assert_true(note_vkey_read(span_text(test_json_text(vector, "vkey")), name, sizeof name, &type,
                               &key, NULL));
    struct note_verifier verifier = {name, type, &key};
    span note = span_text(test_json_text(vector, "note"));
    assert_true(note_open(note, &verifier, 1, &text, NULL, NULL, NULL));

    test_assert_text(text, "This is an example message.\n");
    json_decref(file);
}

/* What a witness holds of one log; it makes the checks of tlog-witness, in HTTP's numbers. */
struct witness {
    struct note_verifier log;
    uint64_t size;
    struct hash root;
};

static struct hash line_hash(span line)
{
    /* A checkpoint's third line is read by the same strict reader. */
    uint8_t room[100] = "o\n1\n";
    struct sink sink = {room, 4, sizeof room, false};
    char origin[4] = "";
    uint64_t size = 0;
    struct hash hash = {0};
    sink_put(&sink, line);
    sink_byte(&sink, '\n');
    assert_true(checkpoint_read(sink_span(&sink), origin, sizeof origin, &size, &hash, NULL));
    return hash;
}

static unsigned witness_answer(struct witness *w, span request)
{
    span line = {0}, text = {0}, old_text = {0};
    struct merkle_proof proof = {0};
    uint64_t old = 0, size = 0;
    struct hash root = {0};
    char origin[NOTE_NAME_MAX + 1] = "", number[24] = "";
    assert_true(span_take_until(&request, ' ', &old_text));
    assert_true(span_take_until(&request, '\n', &line));
    assert_true(span_to_text(line, number, sizeof number));
    old = strtoull(number, NULL, 10);
    while (span_take_until(&request, '\n', &line) && line.len > 0)
        proof.hashes[proof.count++] = line_hash(line);

    if (!note_open(request, &w->log, 1, &text, NULL, NULL, NULL)) return 403;
    if (!checkpoint_read(text, origin, sizeof origin, &size, &root, NULL)) return 400;
    if (old != w->size) return 409;
    if (!merkle_check_consistency(old, size, &w->root, &root, &proof)) return 422;
    w->size = size;
    w->root = root;
    return 200;
}

static void check_witness_requests(const json_t *vector, struct note_verifier log)
{
    struct witness witness = {log, 0, hash_of(span_of(NULL, 0))};
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(vector, "requests"), i, value) {
        unsigned answer = witness_answer(&witness, span_text(test_json_text(value, "body")));
        if (answer != test_json_u64(value, "status")) fail_msg("request %zu: %u", i, answer);
    }
}

static void a_witness_made_of_these_checks_answers_as_others_do(void **state)
{
    (void)state;
    static const char origin[] =
        "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562";
    json_t *file = test_vectors("evidence/third-party.json");
    const json_t *sigsum = third_party(file, "witness-requests", 0);
    const json_t *sumdb = third_party(file, "witness-requests", 1);
    char name[NOTE_NAME_MAX + 1] = "";
    enum note_signature_type type = 0;
    struct key_public sigsum_key = key_from(test_json_text(sigsum, "log_key")), sumdb_key = {0};
    assert_true(note_vkey_read(span_text(test_json_text(sumdb, "log_key")), name, sizeof name,
                               &type, &sumdb_key, NULL));

    check_witness_requests(sigsum, (struct note_verifier){origin, NOTE_ED25519, &sigsum_key});
    check_witness_requests(sumdb, (struct note_verifier){name, type, &sumdb_key});
    json_decref(file);
}

/* The value after "name=" in a Sigsum proof, up to the line's end. */
static const char *sigsum_value(const char *proof, const char *name, size_t number)
{
    const char *at = proof;
    for (size_t i = 0; i <= number; i++) {
        at = strstr(at, name);
        assert_non_null(at);
        at += strlen(name);
    }
    return at;
}

static span sigsum_hex(const char *at, uint8_t *out, size_t len)
{
    assert_true(hex_read(span_of(at, 2 * len), out, len));
    return span_of(out, len);
}

static void a_sigsum_proof_holds(void **state)
{
    (void)state;
    json_t *file = test_vectors("evidence/third-party.json");
    const json_t *vector = third_party(file, "sigsum-proof", 0);
    const char *text = test_json_text(vector, "proof");
    struct key_public log = key_from(test_json_text(vector, "log_public"));
    struct key_public submitter = key_from(test_json_text(vector, "submit_public"));
    struct key_public witness = key_from(test_json_text(vector, "witness_public"));
    struct hash log_hash = hash_of(key_public_span(&log));
    uint8_t message[32] = {0}, leaf_bytes[128] = {0}, leaf_signed[56] = "sigsum.org/v1/tree-leaf";
    char hex[65] = "", origin[100] = "";
    struct head head = {.size = 4};
    struct receipt receipt = {.size = 4, .time_s = 1683202758};
    struct merkle_proof proof = {.count = 2};
    snprintf(origin, sizeof origin, "sigsum.org/v1/tree/%s",
             hex_write(hash_span(&log_hash), hex, sizeof hex));

    /* leaf = checksum, signature over it, hash of the submitter's key, which "leaf=" has first */
    struct hash checksum = hash_of(
        test_hex(test_json_text(vector, "message"), message, sizeof message));
    memcpy(leaf_bytes, checksum.bytes, 32);
    sigsum_hex(sigsum_value(text, "leaf=", 0) + 65, leaf_bytes + 32, 64);
    sigsum_hex(sigsum_value(text, "leaf=", 0), leaf_bytes + 96, 32);
    struct hash submitter_hash = hash_of(key_public_span(&submitter));
    assert_memory_equal(submitter_hash.bytes, leaf_bytes + 96, 32);
    struct signature leaf_signature = {0};
    memcpy(leaf_signature.bytes, leaf_bytes + 32, 64);
    memcpy(leaf_signed + 24, checksum.bytes, 32);
    assert_true(signature_verify(&submitter, span_of(leaf_signed, 56), &leaf_signature));

    sigsum_hex(sigsum_value(text, "root_hash=", 0), head.root.bytes, 32);
    sigsum_hex(sigsum_value(text, "\nsignature=", 0), head.signature.bytes, 64);
    assert_true(head_verify(&log, origin, &head));
    receipt.root = head.root;
    sigsum_hex(sigsum_value(text, " 1683202758 ", 0), receipt.signature.bytes, 64);
    assert_true(receipt_verify(&witness, origin, &receipt));
    for (size_t i = 0; i < 2; i++)
        sigsum_hex(sigsum_value(text, "node_hash=", i), proof.hashes[i].bytes, 32);
    struct hash leaf = merkle_leaf(span_of(leaf_bytes, sizeof leaf_bytes));
    assert_true(merkle_check_inclusion(3, 4, &leaf, &proof, &head.root));
    json_decref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_ids_and_verifier_keys_are_the_known_ones),
        cmocka_unit_test(a_verifier_key_has_one_spelling),
        cmocka_unit_test(a_verifier_key_one_byte_short_is_refused),
        cmocka_unit_test(a_verifier_key_longer_than_any_is_refused),
        cmocka_unit_test(a_key_cannot_be_written_under_an_ambiguous_name),
        cmocka_unit_test(our_names_use_a_small_alphabet),
        cmocka_unit_test(checkpoints_are_three_lines),
        cmocka_unit_test(a_checkpoint_has_one_spelling),
        cmocka_unit_test(a_zero_byte_is_never_part_of_an_origin),
        cmocka_unit_test(heads_and_receipts_sign_to_the_known_bytes),
        cmocka_unit_test(a_head_speaks_for_its_key_origin_size_and_root_only),
        cmocka_unit_test(a_receipt_speaks_for_its_key_origin_size_root_and_time_only),
        cmocka_unit_test(a_head_is_no_receipt_even_under_one_key),
        cmocka_unit_test(a_receipt_from_no_time_or_too_late_a_time_is_refused),
        cmocka_unit_test(the_known_note_is_written_byte_by_byte),
        cmocka_unit_test(a_note_that_does_not_fit_says_so),
        cmocka_unit_test(opening_tells_who_signed_and_when),
        cmocka_unit_test(the_order_of_lines_means_nothing),
        cmocka_unit_test(lines_of_unknown_keys_are_ignored),
        cmocka_unit_test(a_known_key_that_does_not_verify_condemns_the_note),
        cmocka_unit_test(two_lines_of_one_key_are_refused),
        cmocka_unit_test(two_known_keys_that_look_alike_are_never_guessed_between),
        cmocka_unit_test(without_any_known_key_nothing_opens),
        cmocka_unit_test(a_note_has_one_spelling),
        cmocka_unit_test(stray_bits_in_a_good_signature_are_refused),
        cmocka_unit_test(a_zero_byte_is_refused),
        cmocka_unit_test(the_text_goes_to_the_last_empty_line),
        cmocka_unit_test(a_note_has_a_largest_size_and_number_of_lines),
        cmocka_unit_test(a_large_signature_of_an_unknown_key_is_ignored_and_a_larger_refused),
        cmocka_unit_test(a_long_text_can_be_signed_but_not_cosigned),
        cmocka_unit_test(nothing_is_reported_from_a_note_that_fails),
        cmocka_unit_test(no_changed_byte_of_a_note_goes_unnoticed),
        cmocka_unit_test(any_cut_or_garbled_note_is_survived),
        cmocka_unit_test(a_bundle_is_written_and_read_byte_by_byte),
        cmocka_unit_test(a_bundle_proves_its_entry_from_start_to_end),
        cmocka_unit_test(a_bundle_has_one_spelling),
        cmocka_unit_test(a_bundle_has_limits),
        cmocka_unit_test(any_cut_or_garbled_bundle_is_survived),
        cmocka_unit_test(the_evidence_vectors_hold),
        cmocka_unit_test(the_note_of_the_specification_opens),
        cmocka_unit_test(a_witness_made_of_these_checks_answers_as_others_do),
        cmocka_unit_test(a_sigsum_proof_holds),
    };
    return cmocka_run_group_tests_name("crypto/note", tests, set_up, tear_down);
}

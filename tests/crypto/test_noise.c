#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/noise.h"
#include "tests/testing.h"

/*
 * Two vectors in the field names of the public files (a ' stands for a "), with the keys 20 21 ...,
 * 40 41 ... and so on. They were computed by a separate program in another language.
 */
static const char known_xk[] =
    "{"
    " 'protocol_name': 'Noise_XK_25519_ChaChaPoly_SHA256',"
    " 'init_prologue': '636f756e746572706172742f7631',"
    " 'init_static': '202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f',"
    " 'init_ephemeral': '404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f',"
    " 'init_remote_static': '675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958371ea52f',"
    " 'resp_prologue': '636f756e746572706172742f7631',"
    " 'resp_static': '606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f',"
    " 'resp_ephemeral': '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',"
    " 'handshake_hash': 'c7805685e8d0cf12bca9c98f609f7663d100dfcb7426aca9ea00f67ce8fffa4f',"
    " 'messages': ["
    "  {'payload': '', 'ciphertext': '79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89a"
    "f85a51a0b6b7cac5d3ac0513e134af78893ae92'},"
    "  {'payload': '', 'ciphertext': '493e82fc74464a59268817623d2053c5eb8e2cc4a988b4fee179ec6b0"
    "10d531dbd09ea62b8774c5d2831f3c68182f3f8'},"
    "  {'payload': '636572746966696361746573', 'ciphertext': 'ebeaca799c24cc39e6e657a4c0de48f83"
    "78193ee3664d831d1066fbb9eb22811528a49a7bcb2930f7356fd7e16af8c64b203c520e9c57813c2792e9f05d"
    "5e83f8913e12c095e1f5179630300'},"
    "  {'from': 'initiator', 'payload': '6f726465722031372070616c6c657473', 'ciphertext': '1ce8"
    "008c896c0756d9991712377e8528b31d56676bcb6a68e30972f3814f67b0'},"
    "  {'from': 'responder', 'payload': '616772656564', 'ciphertext': '32dc871bad2d844af1cd79bf"
    "7d9e31856b4f77882e5e'},"
    "  {'rekey': 'initiator'},"
    "  {'from': 'initiator', 'payload': '6166746572206f6e652072656b6579', 'ciphertext': 'bf620f"
    "1dc0da0ec592264ea1a3b62b39c55689bdeb516313001c963cb8f5fc'},"
    "  {'from': 'responder', 'payload': '', 'ciphertext': '83d803fafdf3ce68eb595fe593684a68'},"
    "  {'rekey': 'responder'},"
    "  {'rekey': 'responder'},"
    "  {'from': 'responder', 'payload': '61667465722074776f', 'ciphertext': '30ca38415df5cd7183"
    "1220a153710a49a7a6c24297604b8ea2'}]"
    "}";

static const char known_xkpsk3[] =
    "{"
    " 'protocol_name': 'Noise_XKpsk3_25519_ChaChaPoly_SHA256',"
    " 'init_prologue': '636f756e746572706172742f7631',"
    " 'init_static': '202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f',"
    " 'init_ephemeral': '404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f',"
    " 'init_remote_static': '675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958371ea52f',"
    " 'resp_prologue': '636f756e746572706172742f7631',"
    " 'resp_static': '606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f',"
    " 'resp_ephemeral': '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',"
    " 'handshake_hash': '939fd44ea61f83eec0fc2c09c97c8ff7f412c7b75129f1e9b77cc84b51f6dff7',"
    " 'init_psks': ['a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf'],"
    " 'resp_psks': ['a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf'],"
    " 'messages': ["
    "  {'payload': '', 'ciphertext': '79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89a"
    "f85a51a6b590935bb7815cc2027619f0a145565'},"
    "  {'payload': '', 'ciphertext': '493e82fc74464a59268817623d2053c5eb8e2cc4a988b4fee179ec6b0"
    "10d531d9f11cc49c0ebe24a726ceede59e89163'},"
    "  {'payload': '636572746966696361746573', 'ciphertext': '295aa4579e10de5c31a0d742883b9aa73"
    "b8bf2f2f61842dd766b9e41e25cd7175ce5fc2c4ce67f42dd44015fca5632e75911e4a132bcd7580d126da7bf6"
    "415ac24c60873f15bcd68f6c22167'},"
    "  {'from': 'initiator', 'payload': '6f726465722031372070616c6c657473', 'ciphertext': '6b11"
    "6ef735cffada9a96da1be04fece1032027fb94fa24c4696ab45523f7c5c3'},"
    "  {'from': 'responder', 'payload': '616772656564', 'ciphertext': 'c600bcc7338cd60b3720684d"
    "d0df2b7ddfbb6bb6a2e7'},"
    "  {'rekey': 'initiator'},"
    "  {'from': 'initiator', 'payload': '6166746572206f6e652072656b6579', 'ciphertext': '4ff6ca"
    "961bc9f9149a849c747a87d8402518f8ca347d617ac86f182b6e7dbf'},"
    "  {'from': 'responder', 'payload': '', 'ciphertext': '6a26f42a47978b936cc7fb25a3a41819'},"
    "  {'rekey': 'responder'},"
    "  {'rekey': 'responder'},"
    "  {'from': 'responder', 'payload': '61667465722074776f', 'ciphertext': 'b38403661a9e4a8761"
    "d85f79e6ae59bc481815600eab7167dd'}]"
    "}";

/* Message 3 of known_xk with a static key of zeros sealed in it. */
static const char known_zero_static[] =
    "de6ab8afaa7c4ce8480c653e1f4f69c00fd07ecf94eae3443863bf6953a44a45"
    "4fbcc14bf5700b15ef19f6b548524f8ccdc60bfb631564d1d83665541f9ffdd4";

/* ---- one side, two sides ---- */

#define ROOM (NOISE_MESSAGE_MAX + 64)

/* Bytes and the sink over them. */
struct text {
    uint8_t room[ROOM];
    struct sink sink;
};

static void text_start(struct text *text)
{
    text->sink = sink_over(text->room, sizeof text->room);
}

static void seed_fill(uint8_t seed[32], uint8_t first)
{
    for (size_t i = 0; i < 32; i++) seed[i] = (uint8_t)(first + i);
}

struct side {
    struct transport_key *own;
    struct noise_handshake *handshake;
    struct cipher send, receive;
    uint64_t sent, received; /* messages since the handshake */
};

struct pair {
    struct side side[2]; /* by enum noise_role */
    struct text message, payload;
};

/* What a pair is made of; tests spoil one of them at a time. */
struct setting {
    enum noise_pattern pattern;
    uint8_t static_seed[2][32], ephemeral_seed[2][32], psk[2][32];
    const char *prologue[2];
    struct key_public remote; /* all zero: the responder's own */
};

static struct setting setting_of(enum noise_pattern pattern)
{
    struct setting setting = {.pattern = pattern, .prologue = {"counterpart/v1", "counterpart/v1"}};

    for (uint8_t role = 0; role < 2; role++) {
        seed_fill(setting.static_seed[role], (uint8_t)(0x20 + 0x40 * role));
        seed_fill(setting.ephemeral_seed[role], (uint8_t)(0x40 + 0x40 * role));
        seed_fill(setting.psk[role], 0xa0);
    }
    return setting;
}

static const enum noise_role roles[] = {NOISE_INITIATOR, NOISE_RESPONDER};
static const enum noise_pattern both_patterns[] = {NOISE_XK, NOISE_XKPSK3};

static struct pair *pair_new(const struct setting *setting, span prologue[2])
{
    static const struct key_public unset;
    struct pair *pair = calloc(1, sizeof *pair);
    struct err e = {0};

    assert_non_null(pair);
    for (size_t i = 0; i < 2; i++)
        assert_true(transport_key_new(&pair->side[i].own, setting->static_seed[i], &e));
    const struct key_public *remote = &setting->remote;
    if (key_public_equal(remote, &unset)) remote = transport_key_public(pair->side[1].own);
    for (size_t i = 0; i < 2; i++) {
        struct noise_options options = {
            .pattern = setting->pattern,
            .role = roles[i],
            .prologue = prologue ? prologue[i] : span_text(setting->prologue[i]),
            .own = pair->side[i].own,
            .remote = roles[i] == NOISE_INITIATOR ? remote : NULL,
            .ephemeral_seed = setting->ephemeral_seed[i],
            .psk = setting->pattern == NOISE_XKPSK3 ? setting->psk[i] : NULL,
        };
        assert_true(noise_handshake_new(&pair->side[i].handshake, &options, &e));
    }
    return pair;
}

static struct pair *pair_of(enum noise_pattern pattern)
{
    struct setting setting = setting_of(pattern);
    return pair_new(&setting, NULL);
}

static void pair_free(struct pair *pair)
{
    if (!pair) return;
    for (size_t i = 0; i < 2; i++) {
        noise_handshake_free(pair->side[i].handshake);
        transport_key_free(pair->side[i].own);
        cipher_wipe(&pair->side[i].send);
        cipher_wipe(&pair->side[i].receive);
    }
    free(pair);
}

static struct side *writer_of(struct pair *pair, size_t message)
{
    return &pair->side[message % 2];
}

static struct side *reader_of(struct pair *pair, size_t message)
{
    return &pair->side[1 - message % 2];
}

static void write_message(struct pair *pair, size_t message)
{
    struct err e = {0};

    text_start(&pair->message);
    if (!noise_write(writer_of(pair, message)->handshake, (span){0}, &pair->message.sink, &e))
        fail_msg("message %zu: %s", message + 1, e.said);
}

/* Messages 1 to `count` are exchanged with empty payloads. */
static void play(struct pair *pair, size_t count)
{
    struct err e = {0};

    for (size_t message = 0; message < count; message++) {
        write_message(pair, message);
        text_start(&pair->payload);
        if (!noise_read(reader_of(pair, message)->handshake, sink_span(&pair->message.sink),
                        &pair->payload.sink, &e))
            fail_msg("message %zu: %s", message + 1, e.said);
    }
}

/* Nothing may come out of a handshake that has failed. */
static void assert_dead(struct side *side)
{
    static const uint8_t any[64];
    uint8_t room[256];
    struct sink sink = sink_over(room, sizeof room);
    struct cipher send = {0}, receive = {0};
    struct err e = {0};

    assert_false(noise_is_done(side->handshake));
    assert_false(noise_write(side->handshake, (span){0}, &sink, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_false(noise_read(side->handshake, span_of(any, sizeof any), &sink, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_false(noise_split(side->handshake, &send, &receive, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_int_equal(sink.len, 0);
}

/* The reader of `message` refuses `bytes` with nothing to show for it, and is dead. */
static void assert_refused(struct pair *pair, size_t message, span bytes, enum err_code code)
{
    struct side *reader = reader_of(pair, message);
    struct err e = {0};

    text_start(&pair->payload);
    assert_false(noise_read(reader->handshake, bytes, &pair->payload.sink, &e));
    assert_int_equal(e.code, code);
    assert_int_equal(pair->payload.sink.len, 0);
    assert_dead(reader);
}

/* ---- known answers ---- */

static span hex_of(const json_t *object, const char *name, struct text *out)
{
    const char *hex = json_string_value(json_object_get(object, name));

    if (!hex) return (span){0};
    return test_hex(hex, out->room, sizeof out->room);
}

static void seed_of(const json_t *vector, const char *name, uint8_t out[32])
{
    assert_true(hex_read(span_text(json_string_value(json_object_get(vector, name))), out, 32));
}

static void psk_of(const json_t *vector, const char *name, uint8_t out[32])
{
    const json_t *psks = json_object_get(vector, name);
    if (json_array_size(psks) == 0) return;
    assert_true(hex_read(span_text(json_string_value(json_array_get(psks, 0))), out, 32));
}

static struct pair *pair_of_vector(const json_t *vector, enum noise_pattern pattern)
{
    struct setting setting = {.pattern = pattern};
    struct text *texts = calloc(2, sizeof *texts);

    assert_non_null(texts);
    span prologue[2] = {hex_of(vector, "init_prologue", &texts[0]),
                        hex_of(vector, "resp_prologue", &texts[1])};
    seed_of(vector, "init_static", setting.static_seed[0]);
    seed_of(vector, "resp_static", setting.static_seed[1]);
    seed_of(vector, "init_ephemeral", setting.ephemeral_seed[0]);
    seed_of(vector, "resp_ephemeral", setting.ephemeral_seed[1]);
    seed_of(vector, "init_remote_static", setting.remote.bytes);
    psk_of(vector, "init_psks", setting.psk[0]);
    psk_of(vector, "resp_psks", setting.psk[1]);
    struct pair *pair = pair_new(&setting, prologue);
    free(texts);
    return pair;
}

/* Who speaks, or whose direction is rekeyed: by name if there is one, else they alternate. */
static size_t speaker_of(const json_t *message, const char *name, size_t number)
{
    const char *who = json_string_value(json_object_get(message, name));
    return who ? strcmp(who, "responder") == 0 : number % 2;
}

static void check_handshake_message(struct pair *pair, size_t number, span payload, span expected)
{
    struct err e = {0};

    text_start(&pair->message);
    text_start(&pair->payload);
    if (!noise_write(writer_of(pair, number)->handshake, payload, &pair->message.sink, &e) ||
        !noise_read(reader_of(pair, number)->handshake, expected, &pair->payload.sink, &e))
        fail_msg("message %zu: %s", number + 1, e.said);
    assert_true(span_equal(sink_span(&pair->message.sink), expected));
    assert_true(span_equal(sink_span(&pair->payload.sink), payload));
}

static void check_transport_message(struct pair *pair, size_t speaker, span payload, span expected)
{
    struct side *from = &pair->side[speaker], *to = &pair->side[1 - speaker];
    struct err e = {0};

    text_start(&pair->message);
    text_start(&pair->payload);
    if (!cipher_seal(&from->send, from->sent++, (span){0}, payload, &pair->message.sink, &e) ||
        !cipher_open(&to->receive, to->received++, (span){0}, expected, &pair->payload.sink, &e))
        fail_msg("a transport message: %s", e.said);
    assert_true(span_equal(sink_span(&pair->message.sink), expected));
    assert_true(span_equal(sink_span(&pair->payload.sink), payload));
}

static void check_end_of_handshake(struct pair *pair, const json_t *vector)
{
    struct hash expected = {0}, is = {0};
    struct err e = {0};

    seed_of(vector, "handshake_hash", expected.bytes);
    for (size_t i = 0; i < 2; i++) {
        struct side *side = &pair->side[i];
        assert_true(noise_is_done(side->handshake));
        noise_hash(side->handshake, &is);
        assert_true(hash_equal(&is, &expected));
        assert_true(key_public_equal(noise_remote(side->handshake),
                                     transport_key_public(pair->side[1 - i].own)));
        assert_true(noise_split(side->handshake, &side->send, &side->receive, &e));
    }
}

static void check_vector(const json_t *vector, enum noise_pattern pattern)
{
    struct pair *pair = pair_of_vector(vector, pattern);
    struct text *texts = calloc(2, sizeof *texts);
    size_t number = 0;
    json_t *message = NULL;

    assert_non_null(texts);
    json_array_foreach(json_object_get(vector, "messages"), number, message) {
        span payload = hex_of(message, "payload", &texts[0]);
        span ciphertext = hex_of(message, "ciphertext", &texts[1]);
        if (json_object_get(message, "rekey")) {
            size_t speaker = speaker_of(message, "rekey", number);
            cipher_rekey(&pair->side[speaker].send);
            cipher_rekey(&pair->side[1 - speaker].receive);
        } else if (number < 3) {
            check_handshake_message(pair, number, payload, ciphertext);
        } else {
            size_t speaker = speaker_of(message, "from", number);
            check_transport_message(pair, speaker, payload, ciphertext);
        }
        if (number == 2) check_end_of_handshake(pair, vector);
    }
    assert_true(number >= 5);
    free(texts);
    pair_free(pair);
}

/* Runs the vectors of our two patterns; returns how many they were. */
static size_t check_vectors(const json_t *vectors)
{
    size_t checked = 0, i = 0;
    json_t *vector = NULL;

    json_array_foreach(vectors, i, vector) {
        const char *name = json_string_value(json_object_get(vector, "protocol_name"));
        assert_non_null(name);
        if (strcmp(name, "Noise_XK_25519_ChaChaPoly_SHA256") == 0)
            check_vector(vector, NOISE_XK);
        else if (strcmp(name, "Noise_XKpsk3_25519_ChaChaPoly_SHA256") == 0)
            check_vector(vector, NOISE_XKPSK3);
        else
            continue;
        checked++;
    }
    return checked;
}

static void check_known(const char *known, enum noise_pattern pattern)
{
    char *text = strdup(known);
    json_error_t error = {0};

    assert_non_null(text);
    for (char *c = text; *c; c++)
        if (*c == '\'') *c = '"';
    json_t *vector = json_loads(text, 0, &error);
    if (!vector) fail_msg("line %d: %s", error.line, error.text);
    check_vector(vector, pattern);
    json_decref(vector);
    free(text);
}

static void xk_and_its_rekeys_give_the_known_answers(void **state)
{
    (void)state;
    check_known(known_xk, NOISE_XK);
}

static void xkpsk3_and_its_rekeys_give_the_known_answers(void **state)
{
    (void)state;
    check_known(known_xkpsk3, NOISE_XKPSK3);
}

static void the_public_vectors_agree(void **state)
{
    (void)state;
    json_t *root = test_vectors("noise/cacophony-sha256.json");

    assert_int_equal(check_vectors(json_object_get(root, "vectors")), 2);
    json_decref(root);
}

static void the_shared_vectors_with_rekeys_agree(void **state)
{
    (void)state;
    json_t *root = test_vectors("noise/own-sha256.json");

    assert_int_equal(check_vectors(json_object_get(root, "vectors")), 13);
    json_decref(root);
}

static void check_cipher_state(const json_t *state, struct text texts[4])
{
    struct cipher cipher = {0};
    uint8_t rekeyed[32] = {0};
    struct err e = {0};
    uint64_t n = strtoull(json_string_value(json_object_get(state, "n")), NULL, 10);
    span ad = hex_of(state, "ad", &texts[0]);
    span plaintext = hex_of(state, "plaintext", &texts[1]);
    span ciphertext = hex_of(state, "ciphertext", &texts[2]);

    seed_of(state, "key", cipher.key);
    seed_of(state, "rekeyed_key", rekeyed);
    text_start(&texts[3]);
    assert_true(cipher_seal(&cipher, n, ad, plaintext, &texts[3].sink, &e));
    assert_true(span_equal(sink_span(&texts[3].sink), ciphertext));
    text_start(&texts[3]);
    assert_true(cipher_open(&cipher, n, ad, ciphertext, &texts[3].sink, &e));
    assert_true(span_equal(sink_span(&texts[3].sink), plaintext));
    cipher_rekey(&cipher);
    assert_memory_equal(cipher.key, rekeyed, sizeof rekeyed);
}

static void the_shared_cipher_states_agree(void **state)
{
    (void)state;
    json_t *root = test_vectors("noise/own-sha256.json");
    struct text *texts = calloc(4, sizeof *texts);
    const json_t *states = json_object_get(root, "cipher_states");
    size_t i = 0;
    json_t *vector = NULL;

    assert_non_null(texts);
    assert_int_equal(json_array_size(states), 8);
    json_array_foreach(states, i, vector) check_cipher_state(vector, texts);
    free(texts);
    json_decref(root);
}

/* ---- the handshake refuses ---- */

static void every_flipped_byte_of_every_message_is_refused(void **state)
{
    (void)state;
    static const uint8_t flips[] = {0x01, 0x80};

    for (size_t p = 0; p < 2; p++)
        for (size_t message = 0; message < 3; message++)
            for (size_t at = 0; at < (message == 2 ? 64 : 48); at++)
                for (size_t flip = 0; flip < 2; flip++) {
                    struct pair *pair = pair_of(both_patterns[p]);
                    play(pair, message);
                    write_message(pair, message);
                    pair->message.room[at] ^= flips[flip];

                    assert_refused(pair, message, sink_span(&pair->message.sink), ERR_REFUSED);
                    pair_free(pair);
                }
}

static void every_shorter_message_is_refused(void **state)
{
    (void)state;

    for (size_t p = 0; p < 2; p++)
        for (size_t message = 0; message < 3; message++) {
            size_t whole = message == 2 ? 64 : 48;
            for (size_t len = 0; len < whole; len++) {
                struct pair *pair = pair_of(both_patterns[p]);
                play(pair, message);
                write_message(pair, message);
                assert_int_equal(pair->message.sink.len, whole);

                assert_refused(pair, message, span_of(pair->message.room, len), ERR_MALFORMED);
                pair_free(pair);
            }
        }
}

static void a_longer_message_is_refused(void **state)
{
    (void)state;

    for (size_t message = 0; message < 3; message++) {
        struct pair *pair = pair_of(NOISE_XK);
        play(pair, message);
        write_message(pair, message);

        span longer = span_of(pair->message.room, pair->message.sink.len + 1);
        assert_refused(pair, message, longer, ERR_REFUSED);
        pair_free(pair);
    }
}

static void a_message_above_the_greatest_length_is_refused(void **state)
{
    (void)state;
    struct pair *pair = pair_of(NOISE_XK);

    assert_refused(pair, 0, span_of(pair->message.room, NOISE_MESSAGE_MAX + 1), ERR_LIMIT);
    pair_free(pair);
}

static void the_greatest_message_passes_and_one_byte_more_is_refused(void **state)
{
    (void)state;
    static const uint8_t payload[NOISE_MESSAGE_MAX + 1];
    static const size_t overhead[] = {48, 48, 64};

    for (size_t message = 0; message < 3; message++)
        for (size_t more = 0; more < 2; more++) {
            struct pair *pair = pair_of(NOISE_XKPSK3);
            struct side *writer = writer_of(pair, message), *reader = reader_of(pair, message);
            size_t len = NOISE_MESSAGE_MAX - overhead[message] + more;
            struct err e = {0};
            play(pair, message);
            text_start(&pair->message);
            text_start(&pair->payload);

            bool is_written = noise_write(writer->handshake, span_of(payload, len),
                                          &pair->message.sink, &e);

            assert_int_equal(is_written, more == 0);
            assert_int_equal(pair->message.sink.len, more == 0 ? NOISE_MESSAGE_MAX : 0);
            if (is_written) {
                assert_true(noise_read(reader->handshake, sink_span(&pair->message.sink),
                                       &pair->payload.sink, &e));
                assert_int_equal(pair->payload.sink.len, len);
            } else {
                assert_int_equal(e.code, ERR_LIMIT);
                assert_dead(writer);
            }
            pair_free(pair);
        }
}

static void an_endless_payload_is_refused(void **state)
{
    (void)state;
    struct pair *pair = pair_of(NOISE_XK);
    struct err e = {0};
    text_start(&pair->message);

    span endless = span_of(pair->payload.room, SIZE_MAX);
    assert_false(noise_write(pair->side[0].handshake, endless, &pair->message.sink, &e));

    assert_int_equal(e.code, ERR_LIMIT);
    pair_free(pair);
}

static void writing_into_too_little_room_is_refused(void **state)
{
    (void)state;

    for (size_t message = 0; message < 3; message++) {
        size_t whole = message == 2 ? 64 : 48;
        for (size_t cap = 0; cap < whole; cap++) {
            struct pair *pair = pair_of(NOISE_XKPSK3);
            struct side *writer = writer_of(pair, message);
            struct err e = {0};
            play(pair, message);

            struct sink small = sink_over(pair->message.room, cap);
            assert_false(noise_write(writer->handshake, (span){0}, &small, &e));

            assert_int_equal(e.code, ERR_LIMIT);
            assert_int_equal(small.len, 0);
            assert_dead(writer);
            pair_free(pair);
        }
    }
}

static void reading_into_too_little_room_is_refused(void **state)
{
    (void)state;
    struct pair *pair = pair_of(NOISE_XK);
    struct sink small = sink_over(pair->payload.room, 4);
    struct err e = {0};
    text_start(&pair->message);
    assert_true(noise_write(pair->side[0].handshake, span_text("hello"), &pair->message.sink, &e));

    assert_false(noise_read(pair->side[1].handshake, sink_span(&pair->message.sink), &small, &e));

    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(small.len, 0);
    assert_dead(&pair->side[1]);
    pair_free(pair);
}

static void another_psk_is_refused_at_the_third_message(void **state)
{
    (void)state;
    struct setting setting = setting_of(NOISE_XKPSK3);
    setting.psk[0][31] ^= 1;
    struct pair *pair = pair_new(&setting, NULL);
    play(pair, 2);
    write_message(pair, 2);

    assert_refused(pair, 2, sink_span(&pair->message.sink), ERR_REFUSED);
    pair_free(pair);
}

static void a_joiner_without_the_psk_is_refused(void **state)
{
    (void)state;
    struct pair *with = pair_of(NOISE_XKPSK3), *without = pair_of(NOISE_XK);
    write_message(without, 0);

    assert_refused(with, 0, sink_span(&without->message.sink), ERR_REFUSED);
    pair_free(with);
    pair_free(without);
}

static void a_message_for_another_responder_is_refused(void **state)
{
    (void)state;

    for (size_t p = 0; p < 2; p++) {
        struct setting setting = setting_of(both_patterns[p]);
        struct transport_key *other = NULL;
        struct err e = {0};
        assert_true(transport_key_new(&other, setting.psk[0], &e));
        setting.remote = *transport_key_public(other);
        struct pair *pair = pair_new(&setting, NULL);
        write_message(pair, 0);

        assert_refused(pair, 0, sink_span(&pair->message.sink), ERR_REFUSED);
        pair_free(pair);
        transport_key_free(other);
    }
}

static void another_prologue_is_refused(void **state)
{
    (void)state;
    struct setting setting = setting_of(NOISE_XK);
    setting.prologue[1] = "counterpart/v2";
    struct pair *pair = pair_new(&setting, NULL);
    write_message(pair, 0);

    assert_refused(pair, 0, sink_span(&pair->message.sink), ERR_REFUSED);
    pair_free(pair);
}

static void an_all_zero_agreement_on_an_ephemeral_key_is_refused(void **state)
{
    (void)state;

    for (size_t p = 0; p < 2; p++)
        for (size_t message = 0; message < 2; message++) {
            struct pair *pair = pair_of(both_patterns[p]);
            play(pair, message);
            write_message(pair, message);
            memset(pair->message.room, 0, 32);

            assert_refused(pair, message, sink_span(&pair->message.sink), ERR_REFUSED);
            pair_free(pair);
        }
}

static void an_all_zero_agreement_on_a_static_key_is_refused(void **state)
{
    (void)state;
    struct pair *pair = pair_of(NOISE_XK);
    play(pair, 2);
    assert_true(hex_read(span_text(known_zero_static), pair->message.room, 64));

    assert_refused(pair, 2, span_of(pair->message.room, 64), ERR_REFUSED);
    assert_null(noise_remote(pair->side[1].handshake));
    pair_free(pair);
}

static void writing_to_a_small_order_key_is_refused(void **state)
{
    (void)state;
    struct setting setting = setting_of(NOISE_XK);
    setting.remote.bytes[0] = 1;
    struct pair *pair = pair_new(&setting, NULL);
    struct err e = {0};
    text_start(&pair->message);

    assert_false(noise_write(pair->side[0].handshake, (span){0}, &pair->message.sink, &e));

    assert_int_equal(e.code, ERR_REFUSED);
    assert_int_equal(pair->message.sink.len, 0);
    assert_dead(&pair->side[0]);
    pair_free(pair);
}

static void writing_out_of_turn_is_refused(void **state)
{
    (void)state;

    for (size_t message = 0; message < 4; message++)
        for (size_t i = 0; i < 2; i++) {
            if (message < 3 && i == message % 2) continue;
            struct pair *pair = pair_of(NOISE_XK);
            struct err e = {0};
            play(pair, message);
            text_start(&pair->message);

            assert_false(noise_write(pair->side[i].handshake, (span){0}, &pair->message.sink, &e));

            assert_int_equal(e.code, ERR_REFUSED);
            assert_int_equal(pair->message.sink.len, 0);
            assert_dead(&pair->side[i]);
            pair_free(pair);
        }
}

/* Every message is handed to each side at every moment except the right one. */
static void messages_out_of_order_are_refused(void **state)
{
    (void)state;

    for (size_t moment = 0; moment < 4; moment++)
        for (size_t message = 0; message < 3; message++)
            for (size_t i = 0; i < 2; i++) {
                if (message == moment && i != message % 2) continue;
                struct pair *pair = pair_of(NOISE_XKPSK3), *source = pair_of(NOISE_XKPSK3);
                play(pair, moment);
                play(source, message);
                write_message(source, message);

                /* A reader is the other side of the message whose number has its parity. */
                assert_refused(pair, 1 - i, sink_span(&source->message.sink), ERR_REFUSED);
                pair_free(pair);
                pair_free(source);
            }
}

static void a_failed_handshake_refuses_the_right_message_too(void **state)
{
    (void)state;
    struct pair *pair = pair_of(NOISE_XK);
    struct err e = {0};
    write_message(pair, 0);
    pair->message.room[40] ^= 1;
    assert_refused(pair, 0, sink_span(&pair->message.sink), ERR_REFUSED);

    pair->message.room[40] ^= 1;
    text_start(&pair->payload);
    assert_false(noise_read(pair->side[1].handshake, sink_span(&pair->message.sink),
                            &pair->payload.sink, &e));

    assert_int_equal(e.code, ERR_REFUSED);
    pair_free(pair);
}

static void the_responder_knows_the_initiator_only_after_the_third_message(void **state)
{
    (void)state;
    struct pair *pair = pair_of(NOISE_XK);
    const struct key_public *responder = transport_key_public(pair->side[1].own);

    assert_true(key_public_equal(noise_remote(pair->side[0].handshake), responder));
    play(pair, 2);
    assert_null(noise_remote(pair->side[1].handshake));
    assert_false(noise_is_done(pair->side[1].handshake));
    pair_free(pair);
}

static void splitting_before_the_end_is_refused(void **state)
{
    (void)state;

    for (size_t message = 0; message < 3; message++) {
        struct pair *pair = pair_of(NOISE_XK);
        struct cipher send = {0}, receive = {0};
        struct err e = {0};
        play(pair, message);

        for (size_t i = 0; i < 2; i++) {
            assert_false(noise_split(pair->side[i].handshake, &send, &receive, &e));
            assert_int_equal(e.code, ERR_REFUSED);
        }
        pair_free(pair);
    }
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;

    noise_handshake_free(NULL);
    cipher_wipe(NULL);
}

/* ---- the cipher ---- */

static struct cipher some_cipher(void)
{
    struct cipher cipher = {0};
    seed_fill(cipher.key, 0xe0);
    return cipher;
}

static void a_cipher_and_its_rekey_give_the_known_answers(void **state)
{
    (void)state;
    static const char sealed[] = "c5bcd96754351dd3eb9aa5f452271a6eeb390b7d384e";
    static const char rekeyed[] =
        "4e34daa127f413213c917db198b5ffe118dd37bec3d4c1984ba1cb28b257e022";
    struct cipher cipher = some_cipher();
    uint8_t room[64];
    char hex[2 * sizeof room + 1];
    struct sink out = sink_over(room, sizeof room);
    struct err e = {0};

    assert_true(cipher_seal(&cipher, 0x0123456789abcdef, span_text("clear"), span_text("sealed"),
                            &out, &e));
    assert_string_equal(hex_write(sink_span(&out), hex, sizeof hex), sealed);
    cipher_rekey(&cipher);
    assert_string_equal(hex_write(span_of(cipher.key, 32), hex, sizeof hex), rekeyed);
}

static void a_cipher_opens_nothing_that_was_changed(void **state)
{
    (void)state;
    struct cipher cipher = some_cipher(), other = some_cipher();
    uint8_t room[64], opened[64];
    struct sink out = sink_over(room, sizeof room), plain = sink_over(opened, sizeof opened);
    struct err e = {0};
    span ad = span_text("clear");
    other.key[0] ^= 1;
    assert_true(cipher_seal(&cipher, 7, ad, span_text("sealed"), &out, &e));

    for (size_t at = 0; at < out.len; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            room[at] ^= (uint8_t)(1u << bit);
            assert_false(cipher_open(&cipher, 7, ad, sink_span(&out), &plain, &e));
            assert_int_equal(e.code, ERR_REFUSED);
            room[at] ^= (uint8_t)(1u << bit);
        }
    for (size_t len = 0; len < out.len; len++)
        assert_false(cipher_open(&cipher, 7, ad, span_of(room, len), &plain, &e));
    assert_false(cipher_open(&cipher, 8, ad, sink_span(&out), &plain, &e));
    assert_false(cipher_open(&cipher, 7, span_text("cleaR"), sink_span(&out), &plain, &e));
    assert_false(cipher_open(&other, 7, ad, sink_span(&out), &plain, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_int_equal(plain.len, 0);
    assert_true(cipher_open(&cipher, 7, ad, sink_span(&out), &plain, &e));
    assert_true(span_equal(sink_span(&plain), span_text("sealed")));
}

static void a_cipher_appends_to_what_is_there(void **state)
{
    (void)state;
    struct cipher cipher = some_cipher();
    uint8_t room[64], opened[64];
    struct sink out = sink_over(room, sizeof room), plain = sink_over(opened, sizeof opened);
    struct err e = {0};

    sink_text(&out, "head ");
    sink_text(&plain, "dear ");
    assert_true(cipher_seal(&cipher, 0, (span){0}, span_text("partner"), &out, &e));
    assert_true(cipher_open(&cipher, 0, (span){0}, span_of(&room[5], out.len - 5), &plain, &e));

    assert_memory_equal(room, "head ", 5);
    assert_true(span_equal(sink_span(&plain), span_text("dear partner")));
}

static void the_last_nonce_is_refused(void **state)
{
    (void)state;
    struct cipher cipher = some_cipher();
    uint8_t room[64];
    struct sink out = sink_over(room, sizeof room);
    struct err e = {0};

    assert_true(cipher_seal(&cipher, UINT64_MAX - 1, (span){0}, span_text("x"), &out, &e));
    size_t len = out.len;
    assert_false(cipher_seal(&cipher, UINT64_MAX, (span){0}, span_text("x"), &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(cipher_open(&cipher, UINT64_MAX, (span){0}, span_of(room, len), &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(out.len, len);
}

static void a_cipher_keeps_to_its_limits(void **state)
{
    (void)state;
    static const uint8_t plaintext[NOISE_MESSAGE_MAX];
    static uint8_t room[NOISE_MESSAGE_MAX + 1], opened[NOISE_MESSAGE_MAX];
    struct cipher cipher = some_cipher();
    struct sink out = sink_over(room, sizeof room), small = sink_over(opened, 65518);
    struct err e = {0};

    assert_false(cipher_seal(&cipher, 0, (span){0}, span_of(plaintext, 65520), &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_true(cipher_seal(&cipher, 0, (span){0}, span_of(plaintext, 65519), &out, &e));
    assert_false(cipher_seal(&cipher, 0, (span){0}, (span){0}, &out, &e)); /* one byte is left */
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(out.len, NOISE_MESSAGE_MAX);
    assert_false(cipher_open(&cipher, 0, (span){0}, span_of(room, sizeof room), &small, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(cipher_open(&cipher, 0, (span){0}, sink_span(&out), &small, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(small.len, 0);
}

static void an_empty_plaintext_needs_no_room(void **state)
{
    (void)state;
    struct cipher cipher = some_cipher();
    uint8_t room[NOISE_TAG_BYTES];
    struct sink out = sink_over(room, sizeof room), none = {0};
    struct err e = {0};

    assert_true(cipher_seal(&cipher, 0, (span){0}, (span){0}, &out, &e));
    assert_true(cipher_open(&cipher, 0, (span){0}, sink_span(&out), &none, &e));
    room[0] ^= 1;
    assert_false(cipher_open(&cipher, 0, (span){0}, sink_span(&out), &none, &e));
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
        cmocka_unit_test(xk_and_its_rekeys_give_the_known_answers),
        cmocka_unit_test(xkpsk3_and_its_rekeys_give_the_known_answers),
        cmocka_unit_test(the_public_vectors_agree),
        cmocka_unit_test(the_shared_vectors_with_rekeys_agree),
        cmocka_unit_test(the_shared_cipher_states_agree),
        cmocka_unit_test(every_flipped_byte_of_every_message_is_refused),
        cmocka_unit_test(every_shorter_message_is_refused),
        cmocka_unit_test(a_longer_message_is_refused),
        cmocka_unit_test(a_message_above_the_greatest_length_is_refused),
        cmocka_unit_test(the_greatest_message_passes_and_one_byte_more_is_refused),
        cmocka_unit_test(an_endless_payload_is_refused),
        cmocka_unit_test(writing_into_too_little_room_is_refused),
        cmocka_unit_test(reading_into_too_little_room_is_refused),
        cmocka_unit_test(another_psk_is_refused_at_the_third_message),
        cmocka_unit_test(a_joiner_without_the_psk_is_refused),
        cmocka_unit_test(a_message_for_another_responder_is_refused),
        cmocka_unit_test(another_prologue_is_refused),
        cmocka_unit_test(an_all_zero_agreement_on_an_ephemeral_key_is_refused),
        cmocka_unit_test(an_all_zero_agreement_on_a_static_key_is_refused),
        cmocka_unit_test(writing_to_a_small_order_key_is_refused),
        cmocka_unit_test(writing_out_of_turn_is_refused),
        cmocka_unit_test(messages_out_of_order_are_refused),
        cmocka_unit_test(a_failed_handshake_refuses_the_right_message_too),
        cmocka_unit_test(the_responder_knows_the_initiator_only_after_the_third_message),
        cmocka_unit_test(splitting_before_the_end_is_refused),
        cmocka_unit_test(freeing_nothing_is_fine),
        cmocka_unit_test(a_cipher_and_its_rekey_give_the_known_answers),
        cmocka_unit_test(a_cipher_opens_nothing_that_was_changed),
        cmocka_unit_test(a_cipher_appends_to_what_is_there),
        cmocka_unit_test(the_last_nonce_is_refused),
        cmocka_unit_test(a_cipher_keeps_to_its_limits),
        cmocka_unit_test(an_empty_plaintext_needs_no_room),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}

/*
 * Handshake messages of any kind into both sides of a session: none is accepted but the true one.
 * Input: which message, whether by invitation, what to do with the true one, and bytes.
 */
#include "node/session.h"
#include "tests/fuzz/fuzz.h"

#define ROOM 512

static struct transport_key *dialer_key, *listener_key;
static const uint8_t secret[32] = {9, 9};
static uint64_t random_state;

static uint64_t no_time(void *self) { return (void)self, 1000; }
static void some_random(void *self, uint8_t *at, size_t len)
{
    (void)self;
    for (size_t i = 0; i < len; i++) at[i] = (uint8_t)(random_state += 29);
}
static const struct world world = {.now_ms = no_time, .random = some_random};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    uint8_t seed[KEY_SEED_BYTES] = {1};
    (void)argc, (void)argv;
    must(crypto_start(NULL) && transport_key_new(&dialer_key, seed, NULL));
    seed[0] = 2;
    must(transport_key_new(&listener_key, seed, NULL));
    return 0;
}

/* The true message changed as the input says, or the input's own bytes. True when it is still the true one. */
static bool spoil(struct sink *message, uint8_t how, span bytes)
{
    static const size_t most = ROOM;
    uint8_t before[ROOM];
    size_t len = message->len;
    memcpy(before, message->at, len);
    if (how == 0) return true;
    if (how % 4 == 0) {
        message->len = 0;
        sink_put(message, span_of(bytes.at, bytes.len < most ? bytes.len : most));
    } else if (how % 4 == 1) {
        message->len = how % (len + 1);
    } else {
        for (size_t i = 0; i + 1 < bytes.len; i += 2) message->at[bytes.at[i] % len] ^= bytes.at[i + 1];
    }
    return message->len == len && memcmp(before, message->at, len) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    OWNED(session_free) struct session *dialed = NULL;
    OWNED(session_free) struct session *accepted = NULL;
    struct session_secrets dialer = {dialer_key, &world}, listener = {listener_key, &world};
    uint8_t rooms[4][ROOM];
    struct sink one = sink_over(rooms[0], ROOM), two = sink_over(rooms[1], ROOM), three = sink_over(rooms[2], ROOM),
                payload = sink_over(rooms[3], ROOM);
    struct session_id id;
    struct err e = {0};
    span in = span_of(at, len);
    uint8_t which = input_byte(&in), how = input_byte(&in);
    const uint8_t *psk = which & 4 ? secret : NULL;
    random_state = which;
    (void)frame_look(in, &id);
    must(session_dial(&dialed, &dialer, transport_key_public(listener_key), psk, &one, NULL));
    bool is_true = which % 3 != 0 || spoil(&one, how, in);
    if (!is_true && (frame_look(sink_span(&one), &id) == FRAME_HELLO_PSK) != (psk != NULL)) return 0;
    if (!session_accept(&accepted, &listener, psk, sink_span(&one), &two, &e)) {
        must(!is_true && !accepted && two.len == 0);
        must_say_why(&e);
        return 0;
    }
    is_true = is_true && (which % 3 != 1 || spoil(&two, how, in));
    if (!session_dialed(dialed, sink_span(&two), span_text("certificate"), &three, &e)) {
        must(!is_true && three.len == 0 && !session_is_open(dialed));
        must_say_why(&e);
        return 0;
    }
    must(session_is_open(dialed));
    is_true = is_true && (which % 3 != 2 || spoil(&three, how, in));
    bool is_open = session_accepted(accepted, sink_span(&three), &payload, &e);
    must(is_open == is_true && is_open == session_is_open(accepted));
    if (!is_open) {
        must_say_why(&e);
        must(payload.len == 0);
        return 0;
    }
    must_be_written(&payload, span_text("certificate"));
    must(key_public_equal(session_remote(accepted), transport_key_public(dialer_key)));
    must(hash_equal(session_hash(dialed), session_hash(accepted)));
    return 0;
}

/* The room itself is included, so that a counter can be set near its end and a window be looked at. */
#include "node/session.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing.h"

/* ---- a world from a seed, and two sides ---- */

struct seeded {
    struct test_random random;
    uint64_t now_ms;
};

static uint64_t seeded_now(void *self) { return ((struct seeded *)self)->now_ms; }

static int64_t seeded_date(void *self) { return (int64_t)((struct seeded *)self)->now_ms; }

static void seeded_random(void *self, uint8_t *at, size_t len)
{
    test_random_bytes(&((struct seeded *)self)->random, at, len);
}

struct side {
    struct transport_key *key;
    struct session_secrets secrets;
};

struct pair {
    struct seeded seeded;
    struct world world;
    struct side dialer, listener;
    struct session *dialed, *accepted;
};

static void pair_wipe(struct pair *p)
{
    session_free(p->dialed);
    session_free(p->accepted);
    transport_key_free(p->dialer.key);
    transport_key_free(p->listener.key);
}
#define OWNED_PAIR __attribute__((cleanup(pair_wipe))) struct pair

static void side_start(struct pair *p, struct side *side)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    struct err e = {0};
    seeded_random(&p->seeded, seed, sizeof seed);
    assert_true(transport_key_new(&side->key, seed, &e));
    side->secrets = (struct session_secrets){.own = side->key, .world = &p->world};
}

/* The pair must stay where it is. */
static void pair_start(struct pair *p)
{
    *p = (struct pair){.seeded = {{2024}, 1000}};
    p->world = (struct world){
        .now_ms = seeded_now, .date_ms = seeded_date, .random = seeded_random, .self = &p->seeded};
    side_start(p, &p->dialer);
    side_start(p, &p->listener);
}

struct frame {
    uint8_t bytes[4096];
    struct sink sink;
};

static struct sink *frame_sink(struct frame *f)
{
    f->sink = sink_over(f->bytes, sizeof f->bytes);
    return &f->sink;
}

static span frame_span(const struct frame *f) { return sink_span(&f->sink); }

static const uint8_t secret[32] = {1, 2, 3};

/* As far as both sides being open; `psk` may be NULL. */
static void shake_hands(struct pair *p, const uint8_t *psk)
{
    struct frame one, two, three, payload;
    struct err e = {0};
    assert_true(session_dial(&p->dialed, &p->dialer.secrets, transport_key_public(p->listener.key),
                             psk, frame_sink(&one), &e));
    assert_true(session_accept(&p->accepted, &p->listener.secrets, psk, frame_span(&one),
                               frame_sink(&two), &e));
    assert_true(session_dialed(p->dialed, frame_span(&two), span_text("certificates"),
                               frame_sink(&three), &e));
    assert_true(session_accepted(p->accepted, frame_span(&three), frame_sink(&payload), &e));
    test_assert_text(frame_span(&payload), "certificates");
}

static void pair_open(struct pair *p)
{
    pair_start(p);
    shake_hands(p, NULL);
}

static void seal(struct session *s, const char *text, struct frame *out)
{
    struct err e = {0};
    assert_true(session_seal(s, span_text(text), frame_sink(out), &e));
}

static void assert_unseals(struct session *s, const struct frame *frame, const char *text)
{
    struct frame plain;
    struct err e = {0};
    if (!session_unseal(s, frame_span(frame), frame_sink(&plain), &e)) fail_msg("%s", e.said);
    test_assert_text(frame_span(&plain), text);
}

/* Refused with this code, and nothing appended. */
static void assert_refused(struct session *s, span frame, enum err_code code)
{
    struct frame plain;
    struct err e = {0};
    sink_text(frame_sink(&plain), "before");
    assert_false(session_unseal(s, frame, &plain.sink, &e));
    assert_int_equal(e.code, code);
    test_assert_text(frame_span(&plain), "before");
}

static void assert_talks(struct pair *p)
{
    struct frame frame;
    seal(p->dialed, "to the listener", &frame);
    assert_unseals(p->accepted, &frame, "to the listener");
    seal(p->accepted, "to the dialer", &frame);
    assert_unseals(p->dialed, &frame, "to the dialer");
}

/* ---- the handshake ---- */

static void a_handshake_opens_both_sides(void **state)
{
    (void)state;
    OWNED_PAIR p;
    pair_open(&p);

    assert_true(session_is_open(p.dialed) && session_is_open(p.accepted));
    assert_true(key_public_equal(session_remote(p.accepted), transport_key_public(p.dialer.key)));
    assert_true(key_public_equal(session_remote(p.dialed), transport_key_public(p.listener.key)));
    assert_true(hash_equal(session_hash(p.dialed), session_hash(p.accepted)));
    assert_false(hash_is_zero(session_hash(p.dialed)));
    assert_memory_equal(session_identity(p.dialed), session_identity(p.accepted),
                        sizeof(struct session_id));
    assert_talks(&p);
}

static void an_invitation_opens_both_sides(void **state)
{
    (void)state;
    OWNED_PAIR p;
    pair_start(&p);

    shake_hands(&p, secret);

    assert_talks(&p);
}

static void the_clear_bytes_stand_where_the_format_says(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame one, two, three, sealed, payload;
    struct invitation_id id = invitation_id_of(secret), found = {{0}};
    struct session_id session = {{0}};
    struct err e = {0};
    pair_start(&p);

    assert_true(session_dial(&p.dialed, &p.dialer.secrets, transport_key_public(p.listener.key),
                             secret, frame_sink(&one), &e));
    assert_true(session_accept(&p.accepted, &p.listener.secrets, secret, frame_span(&one),
                               frame_sink(&two), &e));
    assert_true(
        session_dialed(p.dialed, frame_span(&two), span_text("abc"), frame_sink(&three), &e));
    assert_true(session_accepted(p.accepted, frame_span(&three), frame_sink(&payload), &e));
    seal(p.accepted, "abcd", &sealed);

    const uint8_t *name = session_identity(p.dialed)->bytes;
    assert_int_equal(frame_span(&one).len, 1 + 1 + 8 + 16 + 48);
    assert_int_equal(one.bytes[0], 2);
    assert_int_equal(one.bytes[1], 1);
    assert_memory_equal(&one.bytes[2], name, 8);
    assert_memory_equal(&one.bytes[10], id.bytes, 16);
    assert_true(session_invitation(frame_span(&one), &found));
    assert_memory_equal(found.bytes, id.bytes, 16);
    assert_int_equal(frame_span(&two).len, 1 + 8 + 48);
    assert_int_equal(two.bytes[0], 3);
    assert_memory_equal(&two.bytes[1], name, 8);
    assert_false(session_invitation(frame_span(&two), &found));
    assert_int_equal(frame_span(&three).len, 1 + 8 + 48 + 3 + 16);
    assert_int_equal(three.bytes[0], 4);
    assert_memory_equal(&three.bytes[1], name, 8);
    assert_int_equal(frame_span(&sealed).len, SESSION_FRAME_OVERHEAD + 4);
    assert_int_equal(sealed.bytes[0], 5);
    assert_memory_equal(&sealed.bytes[1], name, 8);
    assert_int_equal(sealed.bytes[9], 1);
    assert_memory_equal(&sealed.bytes[10], ((uint8_t[8]){0}), 8);
    assert_int_equal(frame_look(frame_span(&sealed), &session), FRAME_SEALED);
    assert_memory_equal(session.bytes, name, 8);
}

/* The prologue and the associated data as FORMAT.md has them, put together here by hand from crypto/ alone. */
static void another_reading_of_the_format_opens_the_frames(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame one, two, three, sealed, plain;
    uint8_t ephemeral[32] = {7}, prologue_bytes[64], ad_bytes[32], room[256];
    struct sink prologue = sink_over(prologue_bytes, sizeof prologue_bytes);
    struct sink ad = sink_over(ad_bytes, sizeof ad_bytes), out = sink_over(room, sizeof room);
    struct cipher send = {{0}}, receive = {{0}};
    struct err e = {0};
    pair_start(&p);

    assert_true(session_dial(&p.dialed, &p.dialer.secrets, transport_key_public(p.listener.key),
                             NULL, frame_sink(&one), &e));
    sink_text(&prologue, "counterpart/v1/noise");
    sink_byte(&prologue, 0);
    sink_put(&prologue, span_of(one.bytes, 10));
    OWNED(noise_handshake_free) struct noise_handshake *noise = NULL;
    assert_true(noise_handshake_new(&noise,
                                    &(struct noise_options){.pattern = NOISE_XK,
                                                            .role = NOISE_RESPONDER,
                                                            .prologue = sink_span(&prologue),
                                                            .own = p.listener.key,
                                                            .ephemeral_seed = ephemeral},
                                    &e));
    assert_true(noise_read(noise, span_of(&one.bytes[10], 48), &out, &e));
    sink_byte(frame_sink(&two), 3);
    sink_put(&two.sink, span_of(&one.bytes[2], 8));
    assert_true(noise_write(noise, (span){0}, &two.sink, &e));
    assert_true(session_dialed(p.dialed, frame_span(&two), (span){0}, frame_sink(&three), &e));
    assert_true(noise_read(noise, span_of(&three.bytes[9], 64), &out, &e));
    assert_true(noise_split(noise, &send, &receive, &e));
    seal(p.dialed, "first", &sealed);
    seal(p.dialed, "second", &sealed);

    sink_put(&ad, span_of((uint8_t[]){5}, 1));
    sink_put(&ad, span_of(&one.bytes[2], 8));
    sink_put(&ad, span_of((uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, 10));
    assert_true(cipher_open(&receive, 1, sink_span(&ad), span_of(&sealed.bytes[18], 6 + 16),
                            frame_sink(&plain), &e));
    test_assert_text(frame_span(&plain), "second");
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    OWNED_PAIR p;
    OWNED_PAIR q;
    struct frame ours, theirs;
    pair_open(&p);
    pair_open(&q);

    seal(p.dialed, "the same", &ours);
    seal(q.dialed, "the same", &theirs);

    assert_true(span_equal(frame_span(&ours), frame_span(&theirs)));
}

static void every_changed_byte_of_the_handshake_is_refused(void **state)
{
    (void)state;
    enum { ONE = 74, TWO = 57, THREE = 73 };
    for (size_t i = 0; i < ONE + TWO + THREE; i++) {
        OWNED_PAIR p;
        struct frame one, two, three, payload;
        struct err e = {0};
        pair_start(&p);
        assert_true(session_dial(&p.dialed, &p.dialer.secrets, transport_key_public(p.listener.key),
                                 secret, frame_sink(&one), &e));
        assert_int_equal(one.sink.len, ONE);
        /* Kind 2 becomes 3; the invitation's id finds its secret all the same, to show that it is bound. */
        if (i < ONE) one.bytes[i] ^= 1;
        bool is_fine = session_accept(&p.accepted, &p.listener.secrets, secret, frame_span(&one),
                                      frame_sink(&two), &e);
        if (is_fine) assert_int_equal(two.sink.len, TWO);
        if (is_fine && i >= ONE && i < ONE + TWO) two.bytes[i - ONE] ^= 1;
        is_fine = is_fine &&
                  session_dialed(p.dialed, frame_span(&two), (span){0}, frame_sink(&three), &e);
        if (is_fine) assert_int_equal(three.sink.len, THREE);
        if (is_fine && i >= ONE + TWO) three.bytes[i - ONE - TWO] ^= 1;
        is_fine =
            is_fine && session_accepted(p.accepted, frame_span(&three), frame_sink(&payload), &e);
        assert_false(is_fine);
        assert_true(e.code == ERR_REFUSED || e.code == ERR_MALFORMED);
        assert_true(!p.accepted || !session_is_open(p.accepted));
    }
}

static void frames_of_other_lengths_are_none(void **state)
{
    (void)state;
    static uint8_t bytes[FRAME_BYTES_MAX + 1];
    static const struct {
        uint8_t kind;
        size_t least, most;
    } kinds[] = {{1, 58, 58}, {2, 74, 74}, {3, 57, 57}, {4, 73, 9 + 65535}, {6, 1, 1}};
    struct session_id id = {{0}};

    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        memset(bytes, 1, sizeof bytes);
        bytes[0] = kinds[k].kind;
        for (size_t len = 0; len < 200; len++)
            assert_int_equal(frame_look(span_of(bytes, len), &id),
                             len >= kinds[k].least && len <= kinds[k].most ? kinds[k].kind
                                                                           : FRAME_BAD);
        assert_int_equal(frame_look(span_of(bytes, kinds[k].most), &id), kinds[k].kind);
        assert_int_equal(frame_look(span_of(bytes, kinds[k].most + 1), &id), FRAME_BAD);
    }
    bytes[0] = 5;
    assert_int_equal(frame_look(span_of(bytes, 33), &id), FRAME_BAD);
    assert_int_equal(frame_look(span_of(bytes, 34), &id), FRAME_SEALED);
    bytes[9] = 2;
    assert_int_equal(frame_look(span_of(bytes, 34), &id), FRAME_BAD);
    for (unsigned kind = 0; kind < 256; kind++) {
        bytes[0] = (uint8_t)kind;
        if (kind == 0 || kind > 6)
            for (size_t len = 0; len < 100; len++)
                assert_int_equal(frame_look(span_of(bytes, len), &id), FRAME_BAD);
    }
    bytes[0] = 1;
    bytes[1] = 2; /* a version to come */
    assert_int_equal(frame_look(span_of(bytes, 58), &id), FRAME_BAD);
}

static void a_listener_with_another_key_refuses_the_first_message(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame one, two;
    struct err e = {0};
    pair_start(&p);
    assert_true(session_dial(&p.dialed, &p.dialer.secrets, transport_key_public(p.dialer.key), NULL,
                             frame_sink(&one), &e));

    assert_false(session_accept(&p.accepted, &p.listener.secrets, NULL, frame_span(&one),
                                frame_sink(&two), &e));

    assert_int_equal(e.code, ERR_REFUSED);
    assert_int_equal(two.sink.len, 0);
    assert_null(p.accepted);
}

static void an_unknown_invitation_is_refused_at_the_third_message_like_a_wrong_one(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame one, two, three, payload;
    uint8_t random[32] = {9};
    struct err e = {0};
    pair_start(&p);
    assert_true(session_dial(&p.dialed, &p.dialer.secrets, transport_key_public(p.listener.key),
                             secret, frame_sink(&one), &e));

    assert_true(session_accept(&p.accepted, &p.listener.secrets, random, frame_span(&one),
                               frame_sink(&two), &e));
    assert_true(session_dialed(p.dialed, frame_span(&two), (span){0}, frame_sink(&three), &e));

    assert_false(session_accepted(p.accepted, frame_span(&three), frame_sink(&payload), &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_false(session_is_open(p.accepted));
    assert_null(session_remote(p.accepted));
}

static void messages_at_the_wrong_time_are_refused_without_harm(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame one, two, three, payload, frame;
    struct err e = {0};
    pair_start(&p);
    assert_true(session_dial(&p.dialed, &p.dialer.secrets, transport_key_public(p.listener.key),
                             NULL, frame_sink(&one), &e));
    assert_true(session_accept(&p.accepted, &p.listener.secrets, NULL, frame_span(&one),
                               frame_sink(&two), &e));

    assert_false(session_dialed(p.dialed, frame_span(&one), (span){0}, frame_sink(&three), &e));
    assert_false(session_accepted(p.accepted, frame_span(&two), frame_sink(&payload), &e));
    assert_false(session_dialed(p.accepted, frame_span(&two), (span){0}, frame_sink(&three), &e));
    assert_false(session_seal(p.dialed, (span){0}, frame_sink(&frame), &e));
    assert_int_equal(e.code, ERR_CLOSED);
    assert_true(session_dialed(p.dialed, frame_span(&two), (span){0}, frame_sink(&three), &e));
    assert_true(session_accepted(p.accepted, frame_span(&three), frame_sink(&payload), &e));
    assert_false(session_dialed(p.dialed, frame_span(&two), (span){0}, frame_sink(&frame), &e));
    assert_false(session_accepted(p.accepted, frame_span(&three), frame_sink(&payload), &e));

    assert_talks(&p);
}

static void messages_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame one, two, three;
    uint8_t room[57];
    static uint8_t payload[NOISE_MESSAGE_MAX];
    struct sink tight = sink_over(room, 57);
    struct err e = {0};
    pair_start(&p);

    assert_false(session_dial(&p.dialed, &p.dialer.secrets, transport_key_public(p.listener.key),
                              NULL, &tight, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(tight.len, 0);
    assert_true(session_dial(&p.dialed, &p.dialer.secrets, transport_key_public(p.listener.key),
                             NULL, frame_sink(&one), &e));
    tight.cap = 56;
    assert_false(
        session_accept(&p.accepted, &p.listener.secrets, NULL, frame_span(&one), &tight, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_true(session_accept(&p.accepted, &p.listener.secrets, NULL, frame_span(&one),
                               frame_sink(&two), &e));
    assert_false(session_dialed(p.dialed, frame_span(&two), (span){0}, &tight, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(session_dialed(p.dialed, frame_span(&two), span_of(payload, sizeof payload),
                                frame_sink(&three), &e));
    assert_int_equal(e.code, ERR_LIMIT);

    assert_true(session_dialed(p.dialed, frame_span(&two), (span){0}, frame_sink(&three), &e));
}

static void a_session_is_old_after_a_day(void **state)
{
    (void)state;
    OWNED_PAIR p;
    pair_open(&p);

    p.seeded.now_ms += SESSION_LIFE_MS;
    assert_false(session_is_old(p.dialed) || session_is_old(p.accepted));
    p.seeded.now_ms += 1;
    assert_true(session_is_old(p.dialed) && session_is_old(p.accepted));
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;
    session_free(NULL);
}

/* ---- sealed frames ---- */

static void a_replayed_frame_is_refused_without_harm(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame frame;
    pair_open(&p);
    seal(p.dialed, "once", &frame);
    assert_unseals(p.accepted, &frame, "once");

    assert_refused(p.accepted, frame_span(&frame), ERR_REFUSED);

    assert_talks(&p);
}

static void a_reflected_frame_is_refused_without_harm(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame frame;
    pair_open(&p);
    seal(p.dialed, "echo", &frame);

    assert_refused(p.dialed, frame_span(&frame), ERR_REFUSED);
    frame.bytes[9] = 1; /* claims the other direction */
    assert_refused(p.dialed, frame_span(&frame), ERR_REFUSED);

    assert_talks(&p);
}

static void a_frame_of_another_session_is_refused_without_harm(void **state)
{
    (void)state;
    OWNED_PAIR p;
    OWNED_PAIR q;
    struct frame frame;
    pair_open(&p);
    pair_start(&q);
    q.seeded.random.state = 77;
    shake_hands(&q, NULL);
    seal(q.dialed, "strange", &frame);

    assert_refused(p.accepted, frame_span(&frame), ERR_REFUSED);
    memcpy(&frame.bytes[1], session_identity(p.accepted)->bytes, 8);
    assert_refused(p.accepted, frame_span(&frame), ERR_REFUSED);

    assert_talks(&p);
}

static void every_flipped_bit_of_a_frame_is_refused_without_harm(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame frame;
    pair_open(&p);
    seal(p.dialed, "every bit counts", &frame);

    for (size_t bit = 0; bit < frame_span(&frame).len * 8; bit++) {
        struct frame plain;
        struct err e = {0};
        frame.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(session_unseal(p.accepted, frame_span(&frame), frame_sink(&plain), &e));
        assert_true(e.code == ERR_REFUSED || e.code == ERR_MALFORMED);
        assert_int_equal(plain.sink.len, 0);
        frame.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }

    assert_unseals(p.accepted, &frame, "every bit counts");
    assert_talks(&p);
}

static void every_cut_or_lengthened_frame_is_refused_without_harm(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame frame, plain;
    struct err e = {0};
    pair_open(&p);
    seal(p.dialed, "whole", &frame);

    for (size_t len = 0; len < frame_span(&frame).len; len++)
        assert_false(session_unseal(p.accepted, span_of(frame.bytes, len), frame_sink(&plain), &e));
    frame.bytes[frame.sink.len] = 0;
    assert_refused(p.accepted, span_of(frame.bytes, frame.sink.len + 1), ERR_REFUSED);

    assert_unseals(p.accepted, &frame, "whole");
}

/* Frames as large as they may be, in both directions. */
static void frames_of_many_messages_pass(void **state)
{
    (void)state;
    static uint8_t plain[FRAME_BYTES_MAX], sealed[FRAME_BYTES_MAX], back[FRAME_BYTES_MAX];
    static const size_t lens[] = {
        0, 1, 65518, 65519, 65520, 131038, 131039, 500000, FRAME_BYTES_MAX - 18 - 16 * 16};
    OWNED_PAIR p;
    struct err e = {0};
    pair_open(&p);
    test_random_bytes(&(struct test_random){5}, plain, sizeof plain);

    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct sink frame = sink_over(sealed, sizeof sealed), out = sink_over(back, sizeof back);
        assert_true(session_seal(p.dialed, span_of(plain, lens[i]), &frame, &e));
        size_t messages = lens[i] == 0 ? 1 : (lens[i] + 65518) / 65519;
        assert_int_equal(frame.len, 18 + lens[i] + 16 * messages);
        assert_true(session_unseal(p.accepted, sink_span(&frame), &out, &e));
        test_assert_span(sink_span(&out), plain, lens[i]);
        out.len = 0;
        assert_false(session_unseal(p.accepted, sink_span(&frame), &out, &e));
    }

    assert_talks(&p);
}

static void messages_of_a_large_frame_cannot_be_dropped_moved_or_repeated(void **state)
{
    (void)state;
    enum { MESSAGE = 65535, LEN = 3 * 65519 };
    static uint8_t plain[LEN], sealed[LEN + 200], forged[LEN + 70000], back[LEN + 70000];
    OWNED_PAIR p;
    struct sink frame = sink_over(sealed, sizeof sealed), out = sink_over(back, sizeof back);
    struct err e = {0};
    pair_open(&p);
    assert_true(session_seal(p.dialed, span_of(plain, LEN), &frame, &e));
    assert_int_equal(frame.len, 18 + 3 * MESSAGE);

    /* The last, the last two; then the first two change places; then the last stands twice. */
    assert_false(session_unseal(p.accepted, span_of(sealed, 18 + 2 * MESSAGE), &out, &e));
    assert_false(session_unseal(p.accepted, span_of(sealed, 18 + MESSAGE), &out, &e));
    memcpy(forged, sealed, frame.len);
    memcpy(&forged[18], &sealed[18 + MESSAGE], MESSAGE);
    memcpy(&forged[18 + MESSAGE], &sealed[18], MESSAGE);
    assert_false(session_unseal(p.accepted, span_of(forged, frame.len), &out, &e));
    memcpy(forged, sealed, frame.len);
    memcpy(&forged[frame.len], &sealed[18 + 2 * MESSAGE], MESSAGE);
    assert_false(session_unseal(p.accepted, span_of(forged, frame.len + MESSAGE), &out, &e));
    assert_int_equal(out.len, 0);

    assert_true(session_unseal(p.accepted, sink_span(&frame), &out, &e));
    assert_int_equal(out.len, LEN);
}

static void an_empty_message_behind_others_is_malformed(void **state)
{
    (void)state;
    static uint8_t bytes[18 + 65535 + 16];
    OWNED_PAIR p;
    struct frame frame;
    pair_open(&p);
    seal(p.dialed, "", &frame);
    memcpy(bytes, frame.bytes, 18);

    assert_refused(p.accepted, span_of(bytes, sizeof bytes), ERR_MALFORMED);
    assert_unseals(p.accepted, &frame, "");
}

static void a_frame_above_the_limit_is_refused(void **state)
{
    (void)state;
    static uint8_t plain[FRAME_BYTES_MAX + 1], sealed[2 * FRAME_BYTES_MAX];
    OWNED_PAIR p;
    struct sink frame = sink_over(sealed, sizeof sealed);
    struct err e = {0};
    pair_open(&p);

    assert_false(
        session_seal(p.dialed, span_of(plain, FRAME_BYTES_MAX - 18 - 16 * 16 + 1), &frame, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(session_seal(p.dialed, span_of(plain, FRAME_BYTES_MAX + 1), &frame, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(frame.len, 0);
    assert_refused(p.accepted, span_of(plain, FRAME_BYTES_MAX + 1), ERR_LIMIT);
    assert_talks(&p);
}

static void too_little_room_changes_nothing(void **state)
{
    (void)state;
    OWNED_PAIR p;
    struct frame frame;
    uint8_t room[64] = {0};
    struct sink tight = sink_over(room, SESSION_FRAME_OVERHEAD + 3);
    struct err e = {0};
    pair_open(&p);

    assert_false(session_seal(p.dialed, span_text("abcd"), &tight, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(tight.len, 0);
    seal(p.dialed, "abcd", &frame);
    tight.cap = 3;
    assert_false(session_unseal(p.accepted, frame_span(&frame), &tight, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(tight.len, 0);

    assert_unseals(p.accepted, &frame, "abcd");
}

/* ---- counters and epochs ---- */

static void frames_arrive_in_any_order_within_the_window(void **state)
{
    (void)state;
    enum { COUNT = SESSION_WINDOW };
    static struct frame frames[COUNT];
    size_t order[COUNT];
    struct test_random random = test_random_start();
    OWNED_PAIR p;
    pair_open(&p);
    for (size_t i = 0; i < COUNT; i++) {
        seal(p.dialed, "shuffled", &frames[i]);
        order[i] = i;
    }
    for (size_t i = COUNT - 1; i > 0; i--) {
        size_t j = (size_t)test_random_below(&random, i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }

    for (size_t i = 0; i < COUNT; i++) assert_unseals(p.accepted, &frames[order[i]], "shuffled");
    for (size_t i = 0; i < COUNT; i++)
        assert_refused(p.accepted, frame_span(&frames[order[i]]), ERR_REFUSED);
}

static void a_frame_below_the_window_is_refused(void **state)
{
    (void)state;
    struct frame oldest, second, frame;
    OWNED_PAIR p;
    pair_open(&p);
    seal(p.dialed, "oldest", &oldest);
    seal(p.dialed, "second", &second);
    for (int i = 2; i < SESSION_WINDOW + 1; i++) seal(p.dialed, "newer", &frame);
    assert_unseals(p.accepted, &frame,
                   "newer"); /* the highest now: the window begins at the second */

    assert_refused(p.accepted, frame_span(&oldest), ERR_REFUSED);
    assert_unseals(p.accepted, &second, "second");
}

static void the_window_forgets_nothing_over_gaps(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    struct window window = {0};
    static bool is_seen[COUNT];
    struct test_random random = test_random_start();
    uint64_t end = 0;

    for (int i = 0; i < 200000; i++) {
        uint64_t reach = test_random_below(&random, 100) == 0 ? 3000 : 8;
        uint64_t base = end > SESSION_WINDOW + 20 ? end - SESSION_WINDOW - 20 : 0;
        uint64_t counter = base + test_random_below(&random, end - base + reach);
        if (counter >= COUNT) {
            memset(is_seen, 0, sizeof is_seen);
            window = (struct window){0};
            end = 0;
            continue;
        }
        bool is_within = counter >= end || end - counter <= SESSION_WINDOW;
        assert_int_equal(window_accepts(&window, counter), is_within && !is_seen[counter]);
        if (!window_accepts(&window, counter)) continue;
        window_mark(&window, counter);
        is_seen[counter] = true;
        if (counter >= end) end = counter + 1;
    }
}

static void epochs_cross_in_any_order_at_the_border(void **state)
{
    (void)state;
    enum { AROUND = 20 };
    struct frame frames[2 * AROUND], frame;
    struct test_random random = test_random_start();
    OWNED_PAIR p;
    pair_open(&p);

    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        while (p.dialed->send_next < epoch * SESSION_EPOCH - AROUND) {
            seal(p.dialed, "", &frame);
            assert_unseals(p.accepted, &frame, "");
        }
        for (size_t i = 0; i < 2 * AROUND; i++) seal(p.dialed, "border", &frames[i]);
        for (size_t i = 2 * AROUND - 1; i > 0; i--) {
            size_t j = (size_t)test_random_below(&random, i + 1);
            frame = frames[i];
            frames[i] = frames[j];
            frames[j] = frame;
            frames[i].sink.at = frames[i].bytes;
            frames[j].sink.at = frames[j].bytes;
        }
        for (size_t i = 0; i < 2 * AROUND; i++) assert_unseals(p.accepted, &frames[i], "border");
        assert_int_equal(p.accepted->receive_epoch, epoch);
        assert_refused(p.accepted, frame_span(&frames[0]), ERR_REFUSED);
    }
    assert_talks(&p);
}

/* The frame's own epoch is that of its first counter, for all of its messages. */
static void a_large_frame_across_the_border_passes(void **state)
{
    (void)state;
    static uint8_t plain[200000], sealed[201000], back[200000];
    struct frame frame;
    struct err e = {0};
    OWNED_PAIR p;
    pair_open(&p);
    while (p.dialed->send_next < SESSION_EPOCH - 2) {
        seal(p.dialed, "", &frame);
        assert_unseals(p.accepted, &frame, "");
    }

    struct sink large = sink_over(sealed, sizeof sealed), out = sink_over(back, sizeof back);
    assert_true(session_seal(p.dialed, span_of(plain, sizeof plain), &large, &e));
    seal(p.dialed, "behind it", &frame);

    assert_int_equal(p.dialed->send_next, SESSION_EPOCH - 2 + 4 + 1);
    assert_unseals(p.accepted, &frame, "behind it");
    assert_true(session_unseal(p.accepted, sink_span(&large), &out, &e));
    assert_int_equal(out.len, sizeof plain);
}

static void a_forged_frame_of_the_next_epoch_does_not_advance_us(void **state)
{
    (void)state;
    struct frame frame;
    OWNED_PAIR p;
    pair_open(&p);
    seal(p.dialed, "honest", &frame);
    struct frame forged = frame;
    forged.sink.at = forged.bytes;

    forged.bytes[15] = 1; /* counter 65,536 */
    assert_refused(p.accepted, frame_span(&forged), ERR_REFUSED);
    forged.bytes[15] = 2;
    assert_refused(p.accepted, frame_span(&forged), ERR_REFUSED);
    memset(&forged.bytes[10], 0xff, 8);
    assert_refused(p.accepted, frame_span(&forged), ERR_REFUSED);

    assert_int_equal(p.accepted->receive_epoch, 0);
    assert_unseals(p.accepted, &frame, "honest");
}

static void the_last_counters_are_used_and_no_more(void **state)
{
    (void)state;
    static uint8_t plain[70000], sealed[70200];
    struct sink large = sink_over(sealed, sizeof sealed);
    struct frame frame;
    struct err e = {0};
    OWNED_PAIR p;
    pair_open(&p);
    p.dialed->send_next = UINT64_MAX - 1;
    p.dialed->send_epoch = p.accepted->receive_epoch = (UINT64_MAX - 1) / SESSION_EPOCH;

    assert_false(session_seal(p.dialed, span_of(plain, sizeof plain), &large, &e)); /* needs two */
    assert_int_equal(e.code, ERR_CLOSED);
    seal(p.dialed, "the very last", &frame);
    assert_unseals(p.accepted, &frame, "the very last");
    assert_refused(p.accepted, frame_span(&frame), ERR_REFUSED);

    assert_false(session_seal(p.dialed, span_text("one more"), frame_sink(&frame), &e));
    assert_int_equal(e.code, ERR_CLOSED);
    assert_int_equal(frame.sink.len, 0);
    seal(p.accepted, "the other direction", &frame);
    assert_unseals(p.dialed, &frame, "the other direction");
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
        cmocka_unit_test(a_handshake_opens_both_sides),
        cmocka_unit_test(an_invitation_opens_both_sides),
        cmocka_unit_test(the_clear_bytes_stand_where_the_format_says),
        cmocka_unit_test(another_reading_of_the_format_opens_the_frames),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(every_changed_byte_of_the_handshake_is_refused),
        cmocka_unit_test(frames_of_other_lengths_are_none),
        cmocka_unit_test(a_listener_with_another_key_refuses_the_first_message),
        cmocka_unit_test(an_unknown_invitation_is_refused_at_the_third_message_like_a_wrong_one),
        cmocka_unit_test(messages_at_the_wrong_time_are_refused_without_harm),
        cmocka_unit_test(messages_that_do_not_fit_change_nothing),
        cmocka_unit_test(a_session_is_old_after_a_day),
        cmocka_unit_test(freeing_nothing_is_fine),
        cmocka_unit_test(a_replayed_frame_is_refused_without_harm),
        cmocka_unit_test(a_reflected_frame_is_refused_without_harm),
        cmocka_unit_test(a_frame_of_another_session_is_refused_without_harm),
        cmocka_unit_test(every_flipped_bit_of_a_frame_is_refused_without_harm),
        cmocka_unit_test(every_cut_or_lengthened_frame_is_refused_without_harm),
        cmocka_unit_test(frames_of_many_messages_pass),
        cmocka_unit_test(messages_of_a_large_frame_cannot_be_dropped_moved_or_repeated),
        cmocka_unit_test(an_empty_message_behind_others_is_malformed),
        cmocka_unit_test(a_frame_above_the_limit_is_refused),
        cmocka_unit_test(too_little_room_changes_nothing),
        cmocka_unit_test(frames_arrive_in_any_order_within_the_window),
        cmocka_unit_test(a_frame_below_the_window_is_refused),
        cmocka_unit_test(the_window_forgets_nothing_over_gaps),
        cmocka_unit_test(epochs_cross_in_any_order_at_the_border),
        cmocka_unit_test(a_large_frame_across_the_border_passes),
        cmocka_unit_test(a_forged_frame_of_the_next_epoch_does_not_advance_us),
        cmocka_unit_test(the_last_counters_are_used_and_no_more),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}

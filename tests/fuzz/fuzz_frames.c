/*
 * Sealed frames of one open session, in any order: lost, repeated, reflected, changed, across key epochs. A small model
 * says which must open. The room itself is included, so that every input begins with the same open session and counters
 * can stand near their ends.
 *
 * Input: a byte for where the counters begin, then steps of three bytes: what, which frame, and a number.
 */
#include "node/session.c"

#include "tests/fuzz/fuzz.h"

#define FRAMES_MAX 32
#define PLAIN_MAX 300

struct sealed {
    uint8_t bytes[PLAIN_MAX + SESSION_FRAME_OVERHEAD];
    size_t len;
    uint8_t plain[PLAIN_MAX];
    size_t plain_bytes;
    uint64_t counter;
    bool is_opened;
};

static struct session dialer_start, listener_start; /* as the handshake leaves them */
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
    struct transport_key *keys[2] = {NULL, NULL};
    struct session *dialed = NULL, *accepted = NULL;
    uint8_t seed[KEY_SEED_BYTES] = {1}, rooms[4][256];
    struct sink one = sink_over(rooms[0], 256), two = sink_over(rooms[1], 256), three = sink_over(rooms[2], 256),
                payload = sink_over(rooms[3], 256);
    (void)argc, (void)argv;
    must(crypto_start(NULL) && transport_key_new(&keys[0], seed, NULL));
    seed[0] = 2;
    must(transport_key_new(&keys[1], seed, NULL));
    struct session_secrets dialer = {keys[0], &world}, listener = {keys[1], &world};
    must(session_dial(&dialed, &dialer, transport_key_public(keys[1]), NULL, &one, NULL));
    must(session_accept(&accepted, &listener, NULL, sink_span(&one), &two, NULL));
    must(session_dialed(dialed, sink_span(&two), span_text("hello"), &three, NULL));
    must(session_accepted(accepted, sink_span(&three), &payload, NULL) && payload.len == 5);
    dialer_start = *dialed;
    listener_start = *accepted;
    session_free(dialed);
    session_free(accepted);
    transport_key_free(keys[0]);
    transport_key_free(keys[1]);
    return 0;
}

/* The receiver, and what it must make of counters: the highest opened is the end of the window. */
struct model {
    struct session from, to;
    struct sealed frames[FRAMES_MAX];
    size_t count;
    uint64_t end; /* one above the highest counter opened */
};

/* As if `start` frames had been sealed and opened before. */
static void model_start(struct model *m, uint64_t start)
{
    m->from = dialer_start;
    m->to = listener_start;
    m->count = 0;
    m->end = start;
    m->from.send_next = start;
    for (; m->to.receive_epoch < start / SESSION_EPOCH; m->to.receive_epoch++) {
        m->to.receive_before = m->to.receive;
        cipher_rekey(&m->to.receive);
    }
    m->to.window.end = start;
    memset(m->to.window.seen, 0xff, sizeof m->to.window.seen);
}

static void seal_one(struct model *m, uint8_t len, uint16_t skipped)
{
    if (m->count == FRAMES_MAX || m->from.send_next > UINT64_MAX - 70000) return;
    m->from.send_next += skipped; /* frames that are lost */
    struct sealed *f = &m->frames[m->count++];
    struct sink out = sink_over(f->bytes, sizeof f->bytes);
    f->plain_bytes = len;
    for (size_t i = 0; i < len; i++) f->plain[i] = (uint8_t)(i * 7 + m->count);
    f->counter = m->from.send_next;
    f->is_opened = false;
    must(session_seal(&m->from, span_of(f->plain, len), &out, NULL));
    f->len = out.len;
    must(f->len == (size_t)len + SESSION_FRAME_OVERHEAD);
}

static bool is_in_window(const struct model *m, const struct sealed *f)
{
    uint64_t ours = m->to.receive_epoch, theirs = f->counter / SESSION_EPOCH;
    bool is_near = theirs == ours || theirs == ours + 1 || theirs + 1 == ours;
    return is_near && !f->is_opened && (f->counter >= m->end || m->end - f->counter <= SESSION_WINDOW);
}

/* Refused, the session as it was and nothing appended. */
static void must_refuse(struct session *s, span frame)
{
    uint8_t room[PLAIN_MAX];
    struct sink plain = sink_over(room, sizeof room);
    struct session before = *s;
    struct err e = {0};
    mark_untouched(room, sizeof room);
    must(!session_unseal(s, frame, &plain, &e));
    must_say_why(&e);
    must(plain.len == 0 && memcmp(&before, s, sizeof before) == 0);
}

static void deliver(struct model *m, struct sealed *f)
{
    uint8_t room[PLAIN_MAX];
    struct sink plain = sink_over(room, sizeof room);
    struct err e = {0};
    if (!is_in_window(m, f)) {
        must_refuse(&m->to, span_of(f->bytes, f->len));
        return;
    }
    must(session_unseal(&m->to, span_of(f->bytes, f->len), &plain, &e));
    must_be_written(&plain, span_of(f->plain, f->plain_bytes));
    f->is_opened = true;
    if (f->counter >= m->end) m->end = f->counter + 1;
}

static void step(struct model *m, uint8_t what, uint8_t which, uint8_t number)
{
    static const uint16_t lost[] = {0, 0, 1, 1000, 1023, 1024, 1025, 65535};
    struct sealed *f = &m->frames[m->count ? which % m->count : 0];
    if (what % 8 == 0 || !m->count) {
        seal_one(m, number, lost[which % 8]);
        return;
    }
    struct sealed changed = *f;
    switch (what % 8) {
    case 1:
    case 2:
    case 3: deliver(m, f); break;
    case 4:
        changed.bytes[((size_t)what >> 3 | (size_t)number << 5) % f->len] ^= (uint8_t)(1u << which % 8);
        must_refuse(&m->to, span_of(changed.bytes, f->len));
        break;
    case 5: must_refuse(&m->to, span_of(f->bytes, number % f->len)); break;
    case 6: must_refuse(&m->from, span_of(f->bytes, f->len)); break; /* sent back to where it came from */
    default: /* cut and glued: the end of another frame */
        if (f->len > CLEAR_SEALED && m->frames[0].len > CLEAR_SEALED && f != &m->frames[0]) {
            size_t shared = f->len < m->frames[0].len ? f->len : m->frames[0].len;
            memcpy(changed.bytes + CLEAR_SEALED, m->frames[0].bytes + CLEAR_SEALED, shared - CLEAR_SEALED);
            must_refuse(&m->to, span_of(changed.bytes, shared));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const uint64_t starts[] = {0, 1, SESSION_WINDOW - 1, SESSION_WINDOW, SESSION_EPOCH - 2, SESSION_EPOCH, 2 * SESSION_EPOCH - 1,
                                      3 * SESSION_EPOCH + 5};
    static struct model m;
    span in = span_of(at, len);
    model_start(&m, starts[input_byte(&in) % 8]);
    for (size_t i = 0; i < 64 && in.len; i++) {
        uint8_t what = input_byte(&in), which = input_byte(&in);
        step(&m, what, which, input_byte(&in));
    }
    return 0;
}

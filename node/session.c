#include "node/session.h"

#include "protocol/limits.h"

#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define CLEAR_HELLO_XK 10  /* kind, version, session id */
#define CLEAR_HELLO_PSK 26 /* the same and the invitation id */
#define CLEAR_MESSAGE 9    /* kind, session id */
#define CLEAR_SEALED 18    /* kind, session id, direction, counter */
#define MESSAGE_1_BYTES 48 /* of Noise: an ephemeral key and the tag of an empty payload */
#define MESSAGE_2_BYTES 48
#define MESSAGE_3_LEAST 64 /* a sealed static key and the tag of the payload */
#define CHUNK_BYTES                                                                                \
    (NOISE_MESSAGE_MAX - NOISE_TAG_BYTES) /* plaintext in every transport message but the last */
#define CHUNKS_MAX (FRAME_BYTES_MAX / NOISE_MESSAGE_MAX + 1)

_Static_assert(SESSION_FRAME_OVERHEAD == CLEAR_SEALED + NOISE_TAG_BYTES, "one transport message");
_Static_assert(SESSION_WINDOW % 64 == 0, "the window is kept in words of 64 bits");
_Static_assert(CHUNKS_MAX < SESSION_WINDOW, "a frame's counters fit the window");

/*
 * The counters we have accepted: `end` is one above the highest; of the SESSION_WINDOW below it, bit (counter modulo
 * SESSION_WINDOW) says which have been. As the anti-replay window of RFC 4303 section 3.4.3.
 */
struct window {
    uint64_t end;
    uint64_t seen[SESSION_WINDOW / 64];
};

struct session {
    bool is_dialer, is_open;
    struct session_id id;
    const struct world *world;
    uint64_t started_ms;
    struct noise_handshake *handshake; /* until the session is open */
    struct key_public remote;
    struct hash hash;

    struct cipher send; /* of send_epoch */
    uint64_t send_epoch, send_next;

    struct cipher receive, receive_before; /* of receive_epoch and of the one before it */
    uint64_t receive_epoch;
    struct window window;
};

/* ---- what stands in the clear ---- */

static bool take_id(span *left, struct session_id *id)
{
    span bytes = {0};
    if (!span_take(left, sizeof id->bytes, &bytes)) return false;
    memcpy(id->bytes, bytes.at, bytes.len);
    return true;
}

static bool take_version(span *left)
{
    span version = {0};
    return span_take(left, 1, &version) && version.at[0] == VERSION;
}

static bool is_between(span left, size_t least, size_t most)
{
    return left.len >= least && left.len <= most;
}

static bool look(enum frame_kind kind, span left, struct session_id *id)
{
    switch (kind) {
    case FRAME_HELLO_XK:
        return take_version(&left) && take_id(&left, id) &&
               is_between(left, MESSAGE_1_BYTES, MESSAGE_1_BYTES);
    case FRAME_HELLO_PSK:
        return take_version(&left) && take_id(&left, id) &&
               is_between(left, sizeof(struct invitation_id) + MESSAGE_1_BYTES,
                          sizeof(struct invitation_id) + MESSAGE_1_BYTES);
    case FRAME_MESSAGE_2:
        return take_id(&left, id) && is_between(left, MESSAGE_2_BYTES, MESSAGE_2_BYTES);
    case FRAME_MESSAGE_3:
        return take_id(&left, id) && is_between(left, MESSAGE_3_LEAST, NOISE_MESSAGE_MAX);
    case FRAME_SEALED:
        return take_id(&left, id) && is_between(left, 1 + 8 + NOISE_TAG_BYTES, FRAME_BYTES_MAX) &&
               left.at[0] <= 1;
    case FRAME_REFUSED: return left.len == 0;
    case FRAME_BAD: return false;
    }
    return false; /* a kind nobody has named yet */
}

enum frame_kind frame_look(span frame, struct session_id *id)
{
    struct session_id found = {{0}};
    span left = frame, first = {0};
    if (!span_take(&left, 1, &first)) return FRAME_BAD;
    enum frame_kind kind = (enum frame_kind)first.at[0];
    if (!look(kind, left, &found)) return FRAME_BAD;
    *id = found;
    return kind;
}

bool session_invitation(span message1, struct invitation_id *out)
{
    struct session_id id = {{0}};
    span before = {0}, bytes = {0};
    if (frame_look(message1, &id) != FRAME_HELLO_PSK) return false;
    if (!span_take(&message1, CLEAR_HELLO_XK, &before)) return false;
    if (!span_take(&message1, sizeof out->bytes, &bytes)) return false;
    memcpy(out->bytes, bytes.at, bytes.len);
    return true;
}

/* The frame must be of this kind and of this session; `rest` is what follows its clear bytes. */
static bool expect(const struct session *s, span frame, enum frame_kind kind, span *rest,
                   struct err *e)
{
    struct session_id id = {{0}};
    span clear = {0};
    enum frame_kind found = frame_look(frame, &id);
    if (found != kind)
        return err_set(e, ERR_MALFORMED, "a frame of %zu bytes and kind %d is not of kind %d",
                       frame.len, (int)found, (int)kind);
    if (memcmp(id.bytes, s->id.bytes, sizeof id.bytes) != 0)
        return err_set(e, ERR_REFUSED, "the frame belongs to another session");
    must(span_take(&frame, kind == FRAME_SEALED ? CLEAR_SEALED : CLEAR_MESSAGE, &clear));
    *rest = frame;
    return true;
}

/* ---- the handshake ---- */

/* A session with its Noise handshake begun. `clear` is the clear part of message 1, `remote` NULL for a listener. */
static bool begin(struct session **out, const struct session_secrets *secrets,
                  const struct key_public *remote, const uint8_t *psk, span clear, struct err *e)
{
    static const char label[] = "counterpart/v1/noise"; /* its final zero is part of the prologue */
    uint8_t prologue_bytes[sizeof label + CLEAR_HELLO_PSK];
    uint8_t seed[KEY_SEED_BYTES] = {0};
    struct sink prologue = sink_over(prologue_bytes, sizeof prologue_bytes);

    OWNED(session_free) struct session *s = calloc(1, sizeof *s);
    if (!s) return err_memory(e);
    sink_put(&prologue, span_of(label, sizeof label));
    sink_put(&prologue, clear);
    must(!prologue.full);
    s->is_dialer = remote != NULL;
    s->world = secrets->world;
    s->started_ms = s->world->now_ms(s->world->self);
    s->world->random(s->world->self, seed, sizeof seed);

    bool is_begun = noise_handshake_new(
        &s->handshake,
        &(struct noise_options){.pattern = psk ? NOISE_XKPSK3 : NOISE_XK,
                                .role = s->is_dialer ? NOISE_INITIATOR : NOISE_RESPONDER,
                                .prologue = sink_span(&prologue),
                                .own = secrets->own,
                                .remote = remote,
                                .ephemeral_seed = seed,
                                .psk = psk},
        e);
    secret_wipe(seed, sizeof seed);
    if (is_begun) *out = GIVE(s);
    return is_begun;
}

/* The handshake is done: takes what it leaves and lets it go. */
static bool open_session(struct session *s, struct err *e)
{
    if (!noise_split(s->handshake, &s->send, &s->receive, e)) return false;
    noise_hash(s->handshake, &s->hash);
    s->remote = *noise_remote(s->handshake);
    noise_handshake_free(s->handshake);
    s->handshake = NULL;
    s->is_open = true;
    return true;
}

static bool has_room(const struct sink *sink, size_t len, struct err *e)
{
    if (sink->full || len > sink->cap - sink->len)
        return err_set(e, ERR_LIMIT, "%zu bytes do not fit into %zu", len,
                       sink->full ? 0 : sink->cap - sink->len);
    return true;
}

bool session_dial(struct session **out, const struct session_secrets *secrets,
                  const struct key_public *remote, const uint8_t *invitation_secret,
                  struct sink *message1, struct err *e)
{
    uint8_t clear_bytes[CLEAR_HELLO_PSK] = {0};
    struct sink clear = sink_over(clear_bytes, sizeof clear_bytes);
    struct session_id id = {{0}};

    secrets->world->random(secrets->world->self, id.bytes, sizeof id.bytes);
    sink_byte(&clear, invitation_secret ? FRAME_HELLO_PSK : FRAME_HELLO_XK);
    sink_byte(&clear, VERSION);
    sink_put(&clear, span_of(id.bytes, sizeof id.bytes));
    if (invitation_secret) {
        struct invitation_id invitation = invitation_id_of(invitation_secret);
        sink_put(&clear, span_of(invitation.bytes, sizeof invitation.bytes));
    }

    OWNED(session_free) struct session *s = NULL;
    if (!has_room(message1, clear.len + MESSAGE_1_BYTES, e)) return false;
    if (!begin(&s, secrets, remote, invitation_secret, sink_span(&clear), e)) return false;
    s->id = id;
    size_t before = message1->len;
    sink_put(message1, sink_span(&clear));
    if (!noise_write(s->handshake, (span){0}, message1, e)) {
        message1->len = before;
        return false;
    }
    *out = GIVE(s);
    return true;
}

bool session_dialed(struct session *s, span message2, span payload, struct sink *message3,
                    struct err *e)
{
    struct sink nothing = sink_over(NULL, 0);
    span noise = {0};
    size_t before = message3->len;

    if (!s->is_dialer || !s->handshake)
        return err_set(e, ERR_REFUSED, "message 2 comes at the wrong time");
    if (!expect(s, message2, FRAME_MESSAGE_2, &noise, e)) return false;
    if (payload.len > NOISE_MESSAGE_MAX - MESSAGE_3_LEAST)
        return err_set(e, ERR_LIMIT, "the payload of message 3 is %zu bytes, the limit is %d",
                       payload.len, NOISE_MESSAGE_MAX - MESSAGE_3_LEAST);
    if (!has_room(message3, CLEAR_MESSAGE + MESSAGE_3_LEAST + payload.len, e)) return false;
    if (!noise_read(s->handshake, noise, &nothing, e)) return false;

    sink_byte(message3, FRAME_MESSAGE_3);
    sink_put(message3, span_of(s->id.bytes, sizeof s->id.bytes));
    if (!noise_write(s->handshake, payload, message3, e) || !open_session(s, e)) {
        message3->len = before;
        return false;
    }
    return true;
}

bool session_accept(struct session **out, const struct session_secrets *secrets,
                    const uint8_t *invitation_secret, span message1, struct sink *message2,
                    struct err *e)
{
    struct sink nothing = sink_over(NULL, 0);
    struct session_id id = {{0}};
    span clear = {0};
    enum frame_kind kind = frame_look(message1, &id);
    size_t before = message2->len;

    if (kind != FRAME_HELLO_XK && kind != FRAME_HELLO_PSK)
        return err_set(e, ERR_MALFORMED, "a frame of %zu bytes does not begin a session",
                       message1.len);
    must((kind == FRAME_HELLO_PSK) == (invitation_secret != NULL));
    must(span_take(&message1, kind == FRAME_HELLO_PSK ? CLEAR_HELLO_PSK : CLEAR_HELLO_XK, &clear));

    OWNED(session_free) struct session *s = NULL;
    if (!has_room(message2, CLEAR_MESSAGE + MESSAGE_2_BYTES, e)) return false;
    if (!begin(&s, secrets, NULL, invitation_secret, clear, e)) return false;
    s->id = id;
    if (!noise_read(s->handshake, message1, &nothing, e)) return false;
    sink_byte(message2, FRAME_MESSAGE_2);
    sink_put(message2, span_of(id.bytes, sizeof id.bytes));
    if (!noise_write(s->handshake, (span){0}, message2, e)) {
        message2->len = before;
        return false;
    }
    *out = GIVE(s);
    return true;
}

bool session_accepted(struct session *s, span message3, struct sink *payload, struct err *e)
{
    span noise = {0};
    size_t before = payload->len;

    if (s->is_dialer || !s->handshake)
        return err_set(e, ERR_REFUSED, "message 3 comes at the wrong time");
    if (!expect(s, message3, FRAME_MESSAGE_3, &noise, e)) return false;
    if (!noise_read(s->handshake, noise, payload, e) || !open_session(s, e)) {
        payload->len = before;
        return false;
    }
    return true;
}

bool session_is_open(const struct session *s) { return s->is_open; }

bool session_is_old(const struct session *s)
{
    uint64_t now = s->world->now_ms(s->world->self);
    return now > s->started_ms && now - s->started_ms > SESSION_LIFE_MS;
}

const struct session_id *session_identity(const struct session *s) { return &s->id; }

const struct key_public *session_remote(const struct session *s)
{
    return s->handshake ? noise_remote(s->handshake) : &s->remote;
}

const struct hash *session_hash(const struct session *s) { return &s->hash; }

void session_free(struct session *s)
{
    if (!s) return;
    noise_handshake_free(s->handshake);
    secret_wipe(s, sizeof *s);
    free(s);
}

/* ---- the window of counters ---- */

static bool window_accepts(const struct window *w, uint64_t counter)
{
    if (counter >= w->end) return true;
    if (w->end - counter > SESSION_WINDOW) return false;
    uint64_t bit = counter % SESSION_WINDOW;
    return (w->seen[bit / 64] >> (bit % 64) & 1) == 0;
}

static void window_mark(struct window *w, uint64_t counter)
{
    if (counter >= w->end) {
        /* What lies between was not seen; more than a whole turn clears everything. */
        uint64_t skipped = counter - w->end;
        if (skipped >= SESSION_WINDOW) memset(w->seen, 0, sizeof w->seen);
        for (uint64_t n = w->end; skipped < SESSION_WINDOW && n < counter; n++) {
            uint64_t bit = n % SESSION_WINDOW;
            w->seen[bit / 64] &= ~((uint64_t)1 << (bit % 64));
        }
        w->end = counter + 1;
    }
    uint64_t bit = counter % SESSION_WINDOW;
    w->seen[bit / 64] |= (uint64_t)1 << (bit % 64);
}

/* ---- sealed frames ---- */

/* Transport messages for this much plaintext: an empty one has a message too. */
static uint64_t chunks_of(size_t len)
{
    return len == 0 ? 1 : (len + CHUNK_BYTES - 1) / CHUNK_BYTES;
}

/* The associated data of a frame's messages: its clear bytes, and whether it is the last one. */
struct frame_ad {
    uint8_t bytes[CLEAR_SEALED + 1];
};

static struct frame_ad frame_ad_new(const struct session *s, uint8_t direction, uint64_t counter)
{
    struct frame_ad ad = {{0}};
    struct sink out = sink_over(ad.bytes, sizeof ad.bytes);
    sink_byte(&out, FRAME_SEALED);
    sink_put(&out, span_of(s->id.bytes, sizeof s->id.bytes));
    sink_byte(&out, direction);
    sink_u64_be(&out, counter);
    return ad;
}

static span frame_ad_span(struct frame_ad *ad, bool is_last)
{
    ad->bytes[CLEAR_SEALED] = is_last;
    return span_of(ad->bytes, sizeof ad->bytes);
}

bool session_seal(struct session *s, span plaintext, struct sink *frame, struct err *e)
{
    if (!s->is_open) return err_set(e, ERR_CLOSED, "the session is not open");
    if (plaintext.len > FRAME_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "%zu bytes do not fit a frame of %d", plaintext.len,
                       FRAME_BYTES_MAX);
    uint64_t chunk_count = chunks_of(plaintext.len);
    size_t frame_bytes = CLEAR_SEALED + plaintext.len + (size_t)chunk_count * NOISE_TAG_BYTES;
    if (frame_bytes > FRAME_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "the frame would be %zu bytes, the limit is %d", frame_bytes,
                       FRAME_BYTES_MAX);
    /* The last nonce is Noise's own. */
    if (s->send_next > UINT64_MAX - chunk_count)
        return err_set(e, ERR_CLOSED, "the session has sealed all it may");
    if (!has_room(frame, frame_bytes, e)) return false;

    uint64_t counter = s->send_next;
    struct frame_ad ad = frame_ad_new(s, s->is_dialer ? 0 : 1, counter);
    s->send_next +=
        chunk_count; /* before anything is sealed: a nonce is used once, come what may */
    for (; s->send_epoch < counter / SESSION_EPOCH; s->send_epoch++) cipher_rekey(&s->send);

    size_t before = frame->len;
    sink_put(frame, span_of(ad.bytes, CLEAR_SEALED));
    for (uint64_t i = 0; i < chunk_count; i++) {
        bool is_last = i + 1 == chunk_count;
        span chunk = {0};
        must(span_take(&plaintext, is_last ? plaintext.len : CHUNK_BYTES, &chunk));
        if (!cipher_seal(&s->send, counter + i, frame_ad_span(&ad, is_last), chunk, frame, e)) {
            frame->len = before;
            return false;
        }
    }
    return true;
}

/* The key of that epoch: the newest we know, the one before, or the next, which is not kept until it has opened a frame. */
static bool key_of(const struct session *s, uint64_t epoch, struct cipher *out, struct err *e)
{
    if (epoch == s->receive_epoch) {
        *out = s->receive;
    } else if (epoch == s->receive_epoch + 1) {
        *out = s->receive;
        cipher_rekey(out);
    } else if (s->receive_epoch > 0 && epoch == s->receive_epoch - 1) {
        *out = s->receive_before;
    } else {
        return err_set(e, ERR_REFUSED, "the frame is of key epoch %llu, we are in %llu",
                       (unsigned long long)epoch, (unsigned long long)s->receive_epoch);
    }
    return true;
}

static bool open_run(const struct cipher *key, uint64_t counter, struct frame_ad *ad, span run,
                     struct sink *plaintext, struct err *e)
{
    for (uint64_t i = 0; run.len > 0; i++) {
        bool is_last = run.len <= NOISE_MESSAGE_MAX;
        span message = {0};
        must(span_take(&run, is_last ? run.len : NOISE_MESSAGE_MAX, &message));
        if (!cipher_open(key, counter + i, frame_ad_span(ad, is_last), message, plaintext, e))
            return false;
    }
    return true;
}

/* Takes the frame's direction and counter from its clear bytes, and how many counters it uses. */
static bool judge_counters(const struct session *s, span frame, span run, uint64_t *counter,
                           uint64_t *count, struct err *e)
{
    uint8_t theirs = s->is_dialer ? 1 : 0;
    uint64_t first = 0;
    for (size_t i = 0; i < 8; i++) first = first << 8 | frame.at[CLEAR_SEALED - 8 + i];

    if (frame.at[CLEAR_MESSAGE] != theirs)
        return err_set(e, ERR_REFUSED, "the frame is one of our own");
    size_t last_bytes = (run.len - 1) % NOISE_MESSAGE_MAX + 1;
    size_t least = run.len > NOISE_MESSAGE_MAX ? NOISE_TAG_BYTES + 1 : NOISE_TAG_BYTES;
    if (last_bytes < least)
        return err_set(e, ERR_MALFORMED, "the frame's last message is %zu bytes", last_bytes);
    uint64_t messages = (run.len - 1) / NOISE_MESSAGE_MAX + 1;
    if (first > UINT64_MAX - messages)
        return err_set(e, ERR_REFUSED, "the frame's counter is beyond the last");
    for (uint64_t i = 0; i < messages; i++)
        if (!window_accepts(&s->window, first + i))
            return err_set(e, ERR_REFUSED,
                           "the frame's counter %llu has been before, or is too old",
                           (unsigned long long)(first + i));
    *counter = first;
    *count = messages;
    return true;
}

bool session_unseal(struct session *s, span frame, struct sink *plaintext, struct err *e)
{
    span run = {0};
    uint64_t counter = 0, count = 0;
    struct cipher key = {{0}};
    size_t before = plaintext->len;

    if (!s->is_open) return err_set(e, ERR_REFUSED, "the session is not open");
    if (frame.len > FRAME_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "the frame is %zu bytes, the limit is %d", frame.len,
                       FRAME_BYTES_MAX);
    if (!expect(s, frame, FRAME_SEALED, &run, e)) return false;
    if (!judge_counters(s, frame, run, &counter, &count, e)) return false;
    if (!has_room(plaintext, run.len - (size_t)count * NOISE_TAG_BYTES, e)) return false;
    uint64_t epoch = counter / SESSION_EPOCH;
    if (!key_of(s, epoch, &key, e)) return false;

    struct frame_ad ad = frame_ad_new(s, s->is_dialer ? 1 : 0, counter);
    bool is_genuine = open_run(&key, counter, &ad, run, plaintext, e);
    if (is_genuine && epoch > s->receive_epoch) {
        s->receive_before = s->receive;
        s->receive = key;
        s->receive_epoch = epoch;
    }
    cipher_wipe(&key);
    if (!is_genuine) {
        plaintext->len = before;
        return false;
    }
    for (uint64_t i = 0; i < count; i++) window_mark(&s->window, counter + i);
    return true;
}

/*
 * session - one encrypted conversation: a Noise handshake, then sealed frames. No I/O; frames go in and come out.
 *
 * What stands in the clear (FORMAT.md section 7):
 *     01 ‖ version 01 ‖ session id 8 ‖ Noise XK message 1                        request
 *     02 ‖ version 01 ‖ session id 8 ‖ invitation id 16 ‖ XKpsk3 message 1       request
 *     03 ‖ session id 8 ‖ message 2                                              answer
 *     04 ‖ session id 8 ‖ message 3                                              request
 *     05 ‖ session id 8 ‖ direction (0 from the dialer, 1 to it) ‖ counter u64 be ‖ sealed run      both
 *     06                                                                         answer: refused, no session
 * The Noise prologue is "counterpart/v1/noise" ‖ 00 ‖ the clear bytes of message 1. The session id is the dialer's, random.
 * A sealed run is Noise transport messages of at most 65,535 bytes under consecutive nonces, the counter being the first;
 * each has the frame's 18 clear bytes as associated data, followed by one byte: 01 on the last, 00 before.
 * The key epoch is counter / 65,536; the previous epoch's key is kept. Counters are accepted in a sliding window of 1,024
 * below the highest seen, each nonce once: contexts reorder.
 *
 * Threads: one. A session belongs to one pipe; the caller ends it with the pipe.
 */
#pragma once
#include "crypto/noise.h"
#include "protocol/invitation.h"

#define SESSION_FRAME_OVERHEAD 34 /* of a frame that holds one transport message */
#define SESSION_EPOCH 65536
#define SESSION_WINDOW 1024
#define SESSION_LIFE_MS (24ull * 3600 * 1000)

enum frame_kind { FRAME_BAD, FRAME_HELLO_XK = 1, FRAME_HELLO_PSK = 2, FRAME_MESSAGE_2 = 3, FRAME_MESSAGE_3 = 4,
                  FRAME_SEALED = 5, FRAME_REFUSED = 6 };

struct session_id {
    uint8_t bytes[8];
};
/* What kind of frame this is and its session id (zero for FRAME_REFUSED). FRAME_BAD on anything else. */
enum frame_kind frame_look(span frame, struct session_id *id);

struct session;

struct session_secrets {
    const struct transport_key *own;
    const struct world *world; /* randomness and the clock */
};

/* Dialer: starts, writing message 1. `invitation_secret` is NULL for XK. Fails: ERR_MEMORY. */
MUST_USE bool session_dial(struct session **out, const struct session_secrets *secrets, const struct key_public *remote,
                           const uint8_t *invitation_secret, struct sink *message1, struct err *e);
/* Dialer: takes message 2, writes message 3 carrying `payload`; the session is open afterwards. Fails: ERR_MALFORMED, ERR_REFUSED. */
MUST_USE bool session_dialed(struct session *s, span message2, span payload, struct sink *message3, struct err *e);

/*
 * Listener: answers message 1. For FRAME_HELLO_PSK the caller has looked the secret up by invitation id (session_invitation)
 * and hands it in; unknown ids get 32 random bytes, so that an unknown id and a wrong key are refused alike.
 * Fails: ERR_MALFORMED, ERR_REFUSED, ERR_MEMORY.
 */
MUST_USE bool session_accept(struct session **out, const struct session_secrets *secrets, const uint8_t *invitation_secret,
                             span message1, struct sink *message2, struct err *e);
MUST_USE bool session_invitation(span message1, struct invitation_id *out); /* false unless FRAME_HELLO_PSK */
/* Listener: takes message 3 and appends its payload; the session is open afterwards. Fails: ERR_MALFORMED, ERR_REFUSED. */
MUST_USE bool session_accepted(struct session *s, span message3, struct sink *payload, struct err *e);

bool session_is_open(const struct session *s);
bool session_is_old(const struct session *s); /* beyond SESSION_LIFE_MS by the monotonic clock: renew it */
const struct session_id *session_identity(const struct session *s);
/* The other side's transport key: for a listener known once the session is open. */
const struct key_public *session_remote(const struct session *s);
/* The handshake's hash, the same on both sides once open. */
const struct hash *session_hash(const struct session *s);

/* Appends a sealed frame. At the moment of sending, not before. Fails: ERR_LIMIT (beyond FRAME_BYTES_MAX), ERR_CLOSED. */
MUST_USE bool session_seal(struct session *s, span plaintext, struct sink *frame, struct err *e);
/* Checks and opens a frame from the other side, appending to `plaintext`. Fails: ERR_MALFORMED, ERR_REFUSED (forged,
 * replayed, reflected, too old), ERR_LIMIT. After a failure the session goes on as before. */
MUST_USE bool session_unseal(struct session *s, span frame, struct sink *plaintext, struct err *e);
void session_free(struct session *s);
OWNABLE(struct session *, session_free)

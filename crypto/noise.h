/*
 * noise - Noise_XK_25519_ChaChaPoly_SHA256 and Noise_XKpsk3_25519_ChaChaPoly_SHA256 (Noise revision 34).
 *
 *     XK:  <- s  ...  -> e, es   <- e, ee   -> s, se          (XKpsk3 ends with psk)
 *
 * An all-zero Diffie-Hellman result is refused. A handshake that failed is dead: every later call fails.
 * Secrets are wiped by noise_handshake_free and cipher_wipe.
 */
#pragma once
#include "crypto/keys.h"

#define NOISE_MESSAGE_MAX 65535
#define NOISE_TAG_BYTES 16

enum noise_pattern { NOISE_XK, NOISE_XKPSK3 };
enum noise_role { NOISE_INITIATOR, NOISE_RESPONDER };

struct noise_handshake; /* opaque */

struct noise_options {
    enum noise_pattern pattern;
    enum noise_role role;
    span prologue;
    const struct transport_key *own;        /* borrowed until the handshake is freed */
    const struct key_public *remote;        /* initiator: the responder's static key; responder: NULL */
    const uint8_t *ephemeral_seed;          /* 32 fresh random bytes, copied */
    const uint8_t *psk;                     /* 32 bytes for XKpsk3 (copied), else NULL */
};

/* Fails: ERR_MEMORY. */
MUST_USE bool noise_handshake_new(struct noise_handshake **out, const struct noise_options *options, struct err *e);
/* Writes the next message. Fails: ERR_LIMIT (too long or sink full), ERR_REFUSED (all-zero DH, dead handshake). */
MUST_USE bool noise_write(struct noise_handshake *h, span payload, struct sink *out, struct err *e);
/* Reads the next message; the payload is appended to `payload`. Fails: ERR_MALFORMED, ERR_REFUSED, ERR_LIMIT. */
MUST_USE bool noise_read(struct noise_handshake *h, span message, struct sink *payload, struct err *e);
bool noise_is_done(const struct noise_handshake *h);
/* The other side's static key: known to the initiator from the start, to the responder after message 3 (NULL before). */
const struct key_public *noise_remote(const struct noise_handshake *h);
void noise_hash(const struct noise_handshake *h, struct hash *out);
void noise_handshake_free(struct noise_handshake *h);
OWNABLE(struct noise_handshake *, noise_handshake_free)

/* One direction's key. The nonce is the caller's: explicit, each used once. */
struct cipher {
    uint8_t key[32];
};
/* After the handshake is done: the cipher we send with and the one we receive with. */
MUST_USE bool noise_split(const struct noise_handshake *h, struct cipher *send, struct cipher *receive, struct err *e);
/* Appends ciphertext and tag. Fails: ERR_LIMIT (plaintext above 65,519 bytes, nonce 2^64-1, or sink full). */
MUST_USE bool cipher_seal(const struct cipher *c, uint64_t nonce, span ad, span plaintext, struct sink *out,
                          struct err *e);
/* Appends plaintext. Fails: ERR_REFUSED (does not authenticate), ERR_LIMIT. */
MUST_USE bool cipher_open(const struct cipher *c, uint64_t nonce, span ad, span ciphertext, struct sink *out,
                          struct err *e);
/* Rekey() of Noise section 4.2: the next key is the first 32 bytes of ENCRYPT(k, 2^64-1, "", zeros). */
void cipher_rekey(struct cipher *c);
void cipher_wipe(struct cipher *c);

#include "crypto/noise.h"

#include <sodium.h>
#include <string.h>

/* Named as the Noise specification does: tokens in section 7, the state in sections 5.2 and 5.3. */
enum token { TOKEN_END, TOKEN_E, TOKEN_S, TOKEN_EE, TOKEN_ES, TOKEN_SE, TOKEN_PSK };

#define MESSAGE_COUNT 3
#define TOKENS_MAX 4 /* in one message, with the end */
#define KEY_BYTES 32

static const struct pattern {
    const char *name;
    enum token messages[MESSAGE_COUNT][TOKENS_MAX];
} patterns[] = {
    [NOISE_XK] = {"Noise_XK_25519_ChaChaPoly_SHA256",
                  {{TOKEN_E, TOKEN_ES}, {TOKEN_E, TOKEN_EE}, {TOKEN_S, TOKEN_SE}}},
    [NOISE_XKPSK3] = {"Noise_XKpsk3_25519_ChaChaPoly_SHA256",
                      {{TOKEN_E, TOKEN_ES}, {TOKEN_E, TOKEN_EE}, {TOKEN_S, TOKEN_SE, TOKEN_PSK}}},
};

struct noise_handshake {
    enum noise_pattern pattern;
    enum noise_role role;
    unsigned messages_done;
    bool is_dead;
    const struct transport_key *own;    /* s */
    struct transport_key *ephemeral;    /* e */
    struct key_public remote;           /* rs */
    struct key_public remote_ephemeral; /* re */
    uint8_t psk[KEY_BYTES];
    struct hash h;
    uint8_t ck[KEY_BYTES];
    /* Both patterns mix a key (es) before they first encrypt, so k is never used empty. */
    struct cipher k;
    uint64_t n;
};

/* ---- one direction's cipher: RFC 8439, nonce = 4 zero bytes ‖ n (u64, little-endian) ---- */

#define NONCE_BYTES crypto_aead_chacha20poly1305_ietf_NPUBBYTES

_Static_assert(NOISE_TAG_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES, "a Poly1305 tag");
_Static_assert(sizeof(struct cipher) == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "its key");

static void nonce_bytes(uint64_t n, uint8_t out[NONCE_BYTES])
{
    memset(out, 0, NONCE_BYTES);
    for (unsigned i = 0; i < 8; i++) out[4 + i] = (uint8_t)(n >> (8 * i));
}

static bool sink_has_room(const struct sink *out, size_t len, struct err *e)
{
    if (out->full || len > out->cap - out->len)
        return err_set(e, ERR_LIMIT, "%zu bytes do not fit: %zu of %zu are free", len,
                       out->full ? 0 : out->cap - out->len, out->cap);
    return true;
}

static bool nonce_is_usable(uint64_t nonce, struct err *e)
{
    if (nonce == UINT64_MAX) return err_set(e, ERR_LIMIT, "this key has sealed all it may");
    return true;
}

bool cipher_seal(const struct cipher *c, uint64_t nonce, span ad, span plaintext, struct sink *out,
                 struct err *e)
{
    uint8_t n[NONCE_BYTES] = {0};
    if (!nonce_is_usable(nonce, e)) return false;
    if (plaintext.len > NOISE_MESSAGE_MAX - NOISE_TAG_BYTES)
        return err_set(e, ERR_LIMIT, "the plaintext is %zu bytes, the limit is %d", plaintext.len,
                       NOISE_MESSAGE_MAX - NOISE_TAG_BYTES);
    if (!sink_has_room(out, plaintext.len + NOISE_TAG_BYTES, e)) return false;

    nonce_bytes(nonce, n);
    must(crypto_aead_chacha20poly1305_ietf_encrypt(&out->at[out->len], NULL, plaintext.at,
                                                   plaintext.len, ad.at, ad.len, NULL, n,
                                                   c->key) == 0);
    out->len += plaintext.len + NOISE_TAG_BYTES;
    return true;
}

bool cipher_open(const struct cipher *c, uint64_t nonce, span ad, span ciphertext, struct sink *out,
                 struct err *e)
{
    uint8_t n[NONCE_BYTES] = {0};
    if (!nonce_is_usable(nonce, e)) return false;
    if (ciphertext.len > NOISE_MESSAGE_MAX)
        return err_set(e, ERR_LIMIT, "the ciphertext is %zu bytes, the limit is %d", ciphertext.len,
                       NOISE_MESSAGE_MAX);
    if (ciphertext.len < NOISE_TAG_BYTES)
        return err_set(e, ERR_REFUSED, "the ciphertext is %zu bytes, its tag alone is %d",
                       ciphertext.len, NOISE_TAG_BYTES);
    if (!sink_has_room(out, ciphertext.len - NOISE_TAG_BYTES, e)) return false;

    nonce_bytes(nonce, n);
    /* An empty plaintext may be opened into a sink over nothing. */
    uint8_t *end = out->at ? &out->at[out->len] : NULL;
    if (crypto_aead_chacha20poly1305_ietf_decrypt(end, NULL, NULL, ciphertext.at, ciphertext.len,
                                                  ad.at, ad.len, n, c->key) != 0)
        return err_set(e, ERR_REFUSED, "%zu sealed bytes do not authenticate", ciphertext.len);
    out->len += ciphertext.len - NOISE_TAG_BYTES;
    return true;
}

void cipher_rekey(struct cipher *c)
{
    static const uint8_t zeros[KEY_BYTES];
    uint8_t n[NONCE_BYTES] = {0};
    uint8_t sealed[KEY_BYTES + NOISE_TAG_BYTES] = {0};

    nonce_bytes(UINT64_MAX, n);
    must(crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, zeros, sizeof zeros, NULL, 0, NULL,
                                                   n, c->key) == 0);
    memcpy(c->key, sealed, sizeof c->key);
    secret_wipe(sealed, sizeof sealed);
}

void cipher_wipe(struct cipher *c)
{
    if (c) secret_wipe(c, sizeof *c);
}

/* ---- the symmetric state: Noise section 5.2 ---- */

static void hmac(const uint8_t key[KEY_BYTES], span first, span second, uint8_t out[KEY_BYTES])
{
    crypto_auth_hmacsha256_state state = {0};
    crypto_auth_hmacsha256_init(&state, key, KEY_BYTES);
    crypto_auth_hmacsha256_update(&state, first.at, first.len);
    crypto_auth_hmacsha256_update(&state, second.at, second.len);
    crypto_auth_hmacsha256_final(&state, out);
    secret_wipe(&state, sizeof state);
}

/* HKDF of section 4.3 with `count` (2 or 3) outputs. None of them may be `ck`. */
static void hkdf(const uint8_t ck[KEY_BYTES], span input, uint8_t *const out[], unsigned count)
{
    uint8_t temp[KEY_BYTES] = {0};
    span before = {NULL, 0};

    hmac(ck, input, before, temp);
    for (unsigned i = 0; i < count; i++) {
        uint8_t number = (uint8_t)(i + 1);
        hmac(temp, before, span_of(&number, 1), out[i]);
        before = span_of(out[i], KEY_BYTES);
    }
    secret_wipe(temp, sizeof temp);
}

static void mix_hash(struct noise_handshake *h, span bytes)
{
    crypto_hash_sha256_state state = {0};
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, h->h.bytes, sizeof h->h.bytes);
    crypto_hash_sha256_update(&state, bytes.at, bytes.len);
    crypto_hash_sha256_final(&state, h->h.bytes);
}

static void mix_key(struct noise_handshake *h, span input)
{
    uint8_t ck[KEY_BYTES] = {0};
    hkdf(h->ck, input, (uint8_t *[]){ck, h->k.key}, 2);
    memcpy(h->ck, ck, sizeof h->ck);
    h->n = 0;
    secret_wipe(ck, sizeof ck);
}

static void mix_key_and_hash(struct noise_handshake *h, span input)
{
    uint8_t ck[KEY_BYTES] = {0}, mixed[KEY_BYTES] = {0};
    hkdf(h->ck, input, (uint8_t *[]){ck, mixed, h->k.key}, 3);
    memcpy(h->ck, ck, sizeof h->ck);
    mix_hash(h, span_of(mixed, sizeof mixed));
    h->n = 0;
    secret_wipe(ck, sizeof ck);
    secret_wipe(mixed, sizeof mixed);
}

static bool encrypt_and_hash(struct noise_handshake *h, span plaintext, struct sink *out,
                             struct err *e)
{
    size_t before = out->len;
    if (!cipher_seal(&h->k, h->n, hash_span(&h->h), plaintext, out, e)) return false;
    h->n++;
    mix_hash(h, span_of(&out->at[before], out->len - before));
    return true;
}

static bool decrypt_and_hash(struct noise_handshake *h, span ciphertext, struct sink *out,
                             struct err *e)
{
    if (!cipher_open(&h->k, h->n, hash_span(&h->h), ciphertext, out, e)) return false;
    h->n++;
    mix_hash(h, ciphertext);
    return true;
}

/* ---- the handshake: Noise section 5.3 ---- */

static bool mix_dh(struct noise_handshake *h, enum token token, struct err *e)
{
    uint8_t shared[KEY_BYTES] = {0};
    bool is_initiator = h->role == NOISE_INITIATOR;

    /* In "es" and "se" the first letter is the initiator's key, the second the responder's. */
    bool ours_is_static = token == (is_initiator ? TOKEN_SE : TOKEN_ES);
    bool theirs_is_static = token == (is_initiator ? TOKEN_ES : TOKEN_SE);
    if (!transport_key_agree(ours_is_static ? h->own : h->ephemeral,
                             theirs_is_static ? &h->remote : &h->remote_ephemeral, shared))
        return err_set(e, ERR_REFUSED, "a transport key of the other side agrees on nothing");
    mix_key(h, span_of(shared, sizeof shared));
    secret_wipe(shared, sizeof shared);
    return true;
}

/* The modifiers of section 9.2: with a psk, every ephemeral key is mixed into the key as well. */
static void mix_ephemeral(struct noise_handshake *h, const struct key_public *key)
{
    mix_hash(h, key_public_span(key));
    if (h->pattern == NOISE_XKPSK3) mix_key(h, key_public_span(key));
}

static bool write_token(struct noise_handshake *h, enum token token, struct sink *out,
                        struct err *e)
{
    const struct key_public *ephemeral = transport_key_public(h->ephemeral);

    switch (token) {
    case TOKEN_E:
        if (!sink_has_room(out, sizeof ephemeral->bytes, e)) return false;
        sink_put(out, key_public_span(ephemeral));
        mix_ephemeral(h, ephemeral);
        return true;
    case TOKEN_S: return encrypt_and_hash(h, key_public_span(transport_key_public(h->own)), out, e);
    case TOKEN_EE:
    case TOKEN_ES:
    case TOKEN_SE: return mix_dh(h, token, e);
    case TOKEN_PSK: mix_key_and_hash(h, span_of(h->psk, sizeof h->psk)); return true;
    case TOKEN_END: break;
    }
    must(token != TOKEN_END);
    return false;
}

static bool read_token(struct noise_handshake *h, enum token token, span *left, struct err *e)
{
    span bytes = {0};
    struct sink remote = sink_over(h->remote.bytes, sizeof h->remote.bytes);

    switch (token) {
    case TOKEN_E:
        if (!span_take(left, sizeof h->remote_ephemeral.bytes, &bytes))
            return err_set(e, ERR_MALFORMED, "the handshake message ends inside its first key");
        memcpy(h->remote_ephemeral.bytes, bytes.at, bytes.len);
        mix_ephemeral(h, &h->remote_ephemeral);
        return true;
    case TOKEN_S:
        if (!span_take(left, sizeof h->remote.bytes + NOISE_TAG_BYTES, &bytes))
            return err_set(e, ERR_MALFORMED, "the handshake message ends inside its sealed key");
        return decrypt_and_hash(h, bytes, &remote, e);
    case TOKEN_EE:
    case TOKEN_ES:
    case TOKEN_SE: return mix_dh(h, token, e);
    case TOKEN_PSK: mix_key_and_hash(h, span_of(h->psk, sizeof h->psk)); return true;
    case TOKEN_END: break;
    }
    must(token != TOKEN_END);
    return false;
}

static bool write_message(struct noise_handshake *h, span payload, struct sink *out, struct err *e)
{
    const enum token *tokens = patterns[h->pattern].messages[h->messages_done];
    size_t before = out->len;

    /* Checked here for a plain sentence and to keep the sum below from running over. */
    if (payload.len > NOISE_MESSAGE_MAX)
        return err_set(e, ERR_LIMIT, "the handshake payload is %zu bytes, a message at most %d",
                       payload.len, NOISE_MESSAGE_MAX);
    for (size_t i = 0; tokens[i] != TOKEN_END; i++)
        if (!write_token(h, tokens[i], out, e)) return false;
    if (!encrypt_and_hash(h, payload, out, e)) return false;
    if (out->len - before > NOISE_MESSAGE_MAX)
        return err_set(e, ERR_LIMIT, "the handshake message is %zu bytes, the limit is %d",
                       out->len - before, NOISE_MESSAGE_MAX);
    return true;
}

static bool read_message(struct noise_handshake *h, span message, struct sink *payload,
                         struct err *e)
{
    const enum token *tokens = patterns[h->pattern].messages[h->messages_done];
    span left = message;

    if (message.len > NOISE_MESSAGE_MAX)
        return err_set(e, ERR_LIMIT, "the handshake message is %zu bytes, the limit is %d",
                       message.len, NOISE_MESSAGE_MAX);
    for (size_t i = 0; tokens[i] != TOKEN_END; i++)
        if (!read_token(h, tokens[i], &left, e)) return false;
    if (left.len < NOISE_TAG_BYTES)
        return err_set(e, ERR_MALFORMED, "the handshake message of %zu bytes ends inside its tag",
                       message.len);
    return decrypt_and_hash(h, left, payload, e);
}

/* Fails unless the next message is one that `writer` writes. */
static bool is_turn_of(const struct noise_handshake *h, enum noise_role writer, struct err *e)
{
    if (h->is_dead) return err_set(e, ERR_REFUSED, "the handshake has failed before");
    if (h->messages_done == MESSAGE_COUNT)
        return err_set(e, ERR_REFUSED, "the handshake is over, there is no message %d",
                       MESSAGE_COUNT + 1);
    enum noise_role next = h->messages_done % 2 == 0 ? NOISE_INITIATOR : NOISE_RESPONDER;
    if (next != writer)
        return err_set(e, ERR_REFUSED, "message %u of the handshake is the other side's to write",
                       h->messages_done + 1);
    return true;
}

bool noise_write(struct noise_handshake *h, span payload, struct sink *out, struct err *e)
{
    size_t before = out->len;

    if (!is_turn_of(h, h->role, e) || !write_message(h, payload, out, e)) {
        h->is_dead = true;
        out->len = before;
        return false;
    }
    h->messages_done++;
    return true;
}

bool noise_read(struct noise_handshake *h, span message, struct sink *payload, struct err *e)
{
    enum noise_role theirs = h->role == NOISE_INITIATOR ? NOISE_RESPONDER : NOISE_INITIATOR;

    if (!is_turn_of(h, theirs, e) || !read_message(h, message, payload, e)) {
        h->is_dead = true;
        return false;
    }
    h->messages_done++;
    return true;
}

/* The protocol's name, padded or hashed; the prologue; the responder's static key ("<- s"). */
static void start(struct noise_handshake *h, span prologue)
{
    span name = span_text(patterns[h->pattern].name);

    if (name.len <= sizeof h->h.bytes)
        memcpy(h->h.bytes, name.at, name.len);
    else
        h->h = hash_of(name);
    memcpy(h->ck, h->h.bytes, sizeof h->ck);
    mix_hash(h, prologue);
    mix_hash(h, key_public_span(h->role == NOISE_INITIATOR ? &h->remote
                                                           : transport_key_public(h->own)));
}

bool noise_handshake_new(struct noise_handshake **out, const struct noise_options *options,
                         struct err *e)
{
    must(options->own && options->ephemeral_seed);
    must((options->role == NOISE_INITIATOR) == (options->remote != NULL));
    must((options->pattern == NOISE_XKPSK3) == (options->psk != NULL));

    OWNED(noise_handshake_free) struct noise_handshake *h = sodium_malloc(sizeof *h);
    if (!h) return err_memory(e);
    memset(h, 0, sizeof *h);
    h->pattern = options->pattern;
    h->role = options->role;
    h->own = options->own;
    if (options->remote) h->remote = *options->remote;
    if (options->psk) memcpy(h->psk, options->psk, sizeof h->psk);
    if (!transport_key_new(&h->ephemeral, options->ephemeral_seed, e)) return false;
    start(h, options->prologue);
    *out = GIVE(h);
    return true;
}

bool noise_is_done(const struct noise_handshake *h)
{
    return !h->is_dead && h->messages_done == MESSAGE_COUNT;
}

const struct key_public *noise_remote(const struct noise_handshake *h)
{
    return h->role == NOISE_INITIATOR || noise_is_done(h) ? &h->remote : NULL;
}

void noise_hash(const struct noise_handshake *h, struct hash *out)
{
    *out = h->h;
}

bool noise_split(const struct noise_handshake *h, struct cipher *send, struct cipher *receive,
                 struct err *e)
{
    if (!noise_is_done(h)) return err_set(e, ERR_REFUSED, "the handshake has not been completed");
    bool is_initiator = h->role == NOISE_INITIATOR;
    uint8_t *first = is_initiator ? send->key : receive->key;
    uint8_t *second = is_initiator ? receive->key : send->key;
    hkdf(h->ck, (span){NULL, 0}, (uint8_t *[]){first, second}, 2);
    return true;
}

void noise_handshake_free(struct noise_handshake *h)
{
    if (!h) return;
    transport_key_free(h->ephemeral);
    sodium_free(h); /* wipes */
}

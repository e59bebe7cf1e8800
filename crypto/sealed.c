#include "crypto/sealed.h"

#include <sodium.h>
#include <string.h>

#define MAGIC "counterpart key\n"
#define MAGIC_BYTES 16
#define VERSION 1
#define CHECK_BYTES 8
#define FRONT_BYTES (MAGIC_BYTES + 3)
#define SALT_BYTES crypto_pwhash_argon2id_SALTBYTES
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define BOX_BYTES (KEY_SEED_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES)
#define OPEN_BYTES (FRONT_BYTES + KEY_SEED_BYTES + CHECK_BYTES)
/* All that stands before the box. */
#define CLEAR_BYTES (FRONT_BYTES + 16 + SALT_BYTES + NONCE_BYTES)
#define LOCKED_BYTES (CLEAR_BYTES + BOX_BYTES)

/* What a file may ask of us: some seconds and a size that a small machine has. */
#define OPSLIMIT_MAX 10
#define MEMLIMIT_MAX (UINT64_C(1) << 30)

_Static_assert(sizeof MAGIC - 1 == MAGIC_BYTES, "the magic's length");
_Static_assert(LOCKED_BYTES <= SEALED_BYTES_MAX, "a key file fits");
_Static_assert(SALT_BYTES == 16 && NONCE_BYTES == 24 && BOX_BYTES == 48, "as the header says");

enum protection { PROTECTION_OPEN = 0, PROTECTION_PASSPHRASE = 1 };

struct limits {
    uint64_t operations; /* passes over the memory */
    uint64_t memory;     /* bytes */
};

static const struct limits efforts[] = {
    [SEALED_INTERACTIVE] = {crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
                            crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE},
    [SEALED_CHEAP] = {crypto_pwhash_argon2id_OPSLIMIT_MIN, crypto_pwhash_argon2id_MEMLIMIT_MIN},
};

/* The pieces of a key file, pointing into it. */
struct parts {
    uint8_t kind;
    uint8_t protection;
    span secret;          /* open: the secret itself */
    struct limits limits; /* passphrase, and so are the rest */
    span salt, nonce, clear, box;
};

static const char *kind_name(enum key_kind kind)
{
    switch (kind) {
    case KEY_IDENTITY: return "identity";
    case KEY_LOG: return "log";
    case KEY_RECEIPT: return "receipt";
    case KEY_TRANSPORT: return "transport";
    }
    return NULL;
}

static struct hash check_of(span file)
{
    return hash_labelled("counterpart/v1/key-file", &file, 1);
}

/* Fails: ERR_MEMORY. */
static bool box_key(const struct limits *limits, span passphrase, span salt,
                    uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES], struct err *e)
{
    if (crypto_pwhash_argon2id(key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
                               (const char *)passphrase.at, passphrase.len, salt.at,
                               limits->operations, (size_t)limits->memory,
                               crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
        return err_set(e, ERR_MEMORY, "there are no %llu bytes of memory to work on the passphrase",
                       (unsigned long long)limits->memory);
    return true;
}

/* Adds everything behind the protection byte. */
static bool put_locked(struct sink *file, const uint8_t secret[KEY_SEED_BYTES], span passphrase,
                       enum sealed_effort effort, const struct world *world, struct err *e)
{
    uint8_t random[SALT_BYTES + NONCE_BYTES] = {0};
    uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES] = {0};
    uint8_t box[BOX_BYTES] = {0};

    world->random(world->self, random, sizeof random);
    if (!box_key(&efforts[effort], passphrase, span_of(random, SALT_BYTES), key, e)) return false;
    sink_u64_be(file, efforts[effort].operations);
    sink_u64_be(file, efforts[effort].memory);
    sink_put(file, span_of(random, sizeof random));
    must(crypto_aead_xchacha20poly1305_ietf_encrypt(box, NULL, secret, KEY_SEED_BYTES, file->at,
                                                    file->len, NULL, &random[SALT_BYTES],
                                                    key) == 0);
    sink_put(file, span_of(box, sizeof box));
    secret_wipe(key, sizeof key);
    return true;
}

bool sealed_write(struct sink *out, enum key_kind kind, const uint8_t secret[KEY_SEED_BYTES],
                  span passphrase, enum sealed_effort effort, const struct world *world,
                  struct err *e)
{
    uint8_t bytes[SEALED_BYTES_MAX] = {0};
    struct sink file = sink_over(bytes, sizeof bytes);

    if (passphrase.at && (passphrase.len == 0 || passphrase.len > PASSPHRASE_BYTES_MAX))
        return err_set(e, ERR_LIMIT, "the passphrase is %zu bytes, it must have 1 to %d",
                       passphrase.len, PASSPHRASE_BYTES_MAX);
    if (out->full || out->cap - out->len < (passphrase.at ? LOCKED_BYTES : OPEN_BYTES))
        return err_set(e, ERR_LIMIT, "the key file does not fit into %zu bytes", out->cap);

    sink_put(&file, span_text(MAGIC));
    sink_byte(&file, VERSION);
    sink_byte(&file, (uint8_t)kind);
    sink_byte(&file, passphrase.at ? PROTECTION_PASSPHRASE : PROTECTION_OPEN);
    if (passphrase.at) {
        if (!put_locked(&file, secret, passphrase, effort, world, e)) return false;
    } else {
        sink_put(&file, span_of(secret, KEY_SEED_BYTES));
        struct hash check = check_of(sink_span(&file));
        sink_put(&file, span_of(check.bytes, CHECK_BYTES));
    }
    must(!file.full);
    sink_put(out, sink_span(&file));
    secret_wipe(bytes, sizeof bytes);
    return true;
}

static bool take_byte(span *left, uint8_t *out)
{
    span byte = {0};
    if (!span_take(left, 1, &byte)) return false;
    *out = byte.at[0];
    return true;
}

static bool take_u64_be(span *left, uint64_t *out)
{
    span bytes = {0};
    if (!span_take(left, 8, &bytes)) return false;
    *out = 0;
    for (size_t i = 0; i < bytes.len; i++) *out = *out << 8 | bytes.at[i];
    return true;
}

/* The magic, version, kind and protection. Fails: ERR_CORRUPT. */
static bool take_front(span *left, struct parts *parts, struct err *e)
{
    span magic = {0};
    uint8_t version = 0;

    if (!span_take(left, MAGIC_BYTES, &magic) || !span_equal(magic, span_text(MAGIC)))
        return err_set(e, ERR_CORRUPT, "this is not a key file");
    if (!take_byte(left, &version) || !take_byte(left, &parts->kind) ||
        !take_byte(left, &parts->protection))
        return err_set(e, ERR_CORRUPT, "the key file ends after its name");
    if (version != VERSION)
        return err_set(e, ERR_CORRUPT, "the key file has version %u, this program reads %d",
                       version, VERSION);
    if (!kind_name((enum key_kind)parts->kind))
        return err_set(e, ERR_CORRUPT, "the key file holds an unknown kind of key, %u",
                       parts->kind);
    if (parts->protection > PROTECTION_PASSPHRASE)
        return err_set(e, ERR_CORRUPT, "the key file has an unknown protection, %u",
                       parts->protection);
    size_t expected = parts->protection == PROTECTION_OPEN ? OPEN_BYTES : LOCKED_BYTES;
    if (left->len != expected - FRONT_BYTES)
        return err_set(e, ERR_CORRUPT, "the key file is %zu bytes, it should have %zu",
                       left->len + FRONT_BYTES, expected);
    return true;
}

/* Fails: ERR_CORRUPT. */
static bool parts_of(span file, struct parts *out, struct err *e)
{
    span left = file, check = {0};
    struct parts parts = {0};

    if (!take_front(&left, &parts, e)) return false;
    if (parts.protection == PROTECTION_OPEN) {
        must(span_take(&left, KEY_SEED_BYTES, &parts.secret));
        must(span_take(&left, CHECK_BYTES, &check));
        struct hash expected = check_of(span_of(file.at, FRONT_BYTES + KEY_SEED_BYTES));
        if (!secret_equal(check.at, expected.bytes, CHECK_BYTES))
            return err_set(e, ERR_CORRUPT, "the key file is damaged: its check does not match");
    } else {
        must(take_u64_be(&left, &parts.limits.operations));
        must(take_u64_be(&left, &parts.limits.memory));
        must(span_take(&left, SALT_BYTES, &parts.salt));
        must(span_take(&left, NONCE_BYTES, &parts.nonce));
        parts.clear = span_of(file.at, CLEAR_BYTES);
        parts.box = left;
    }
    *out = parts;
    return true;
}

/* Both limits come from the file: judged before they are used. */
static bool limits_are_sane(const struct limits *limits, struct err *e)
{
    if (limits->operations < crypto_pwhash_argon2id_OPSLIMIT_MIN ||
        limits->operations > OPSLIMIT_MAX)
        return err_set(e, ERR_CORRUPT, "the key file asks for %llu passes, 1 to %d are sensible",
                       (unsigned long long)limits->operations, OPSLIMIT_MAX);
    if (limits->memory < crypto_pwhash_argon2id_MEMLIMIT_MIN || limits->memory > MEMLIMIT_MAX)
        return err_set(e, ERR_CORRUPT, "the key file asks for %llu bytes of memory, %u to %llu are "
                       "sensible", (unsigned long long)limits->memory,
                       crypto_pwhash_argon2id_MEMLIMIT_MIN, (unsigned long long)MEMLIMIT_MAX);
    return true;
}

static bool unlock(const struct parts *parts, span passphrase, uint8_t out[KEY_SEED_BYTES],
                   struct err *e)
{
    uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES] = {0};
    uint8_t secret[KEY_SEED_BYTES] = {0};

    if (!limits_are_sane(&parts->limits, e)) return false;
    if (!passphrase.at || passphrase.len == 0)
        return err_set(e, ERR_REFUSED, "the key is locked and needs its passphrase");
    if (passphrase.len > PASSPHRASE_BYTES_MAX)
        return err_set(e, ERR_REFUSED, "the passphrase is wrong: %zu bytes are more than the %d "
                       "allowed", passphrase.len, PASSPHRASE_BYTES_MAX);
    if (!box_key(&parts->limits, passphrase, parts->salt, key, e)) return false;

    bool is_open = crypto_aead_xchacha20poly1305_ietf_decrypt(
                       secret, NULL, NULL, parts->box.at, parts->box.len, parts->clear.at,
                       parts->clear.len, parts->nonce.at, key) == 0;
    if (is_open) memcpy(out, secret, sizeof secret);
    secret_wipe(key, sizeof key);
    secret_wipe(secret, sizeof secret);
    if (!is_open)
        return err_set(e, ERR_REFUSED, "the passphrase is wrong, or the key file is damaged");
    return true;
}

bool sealed_needs_passphrase(span file)
{
    struct parts parts = {0};
    return take_front(&file, &parts, NULL) && parts.protection == PROTECTION_PASSPHRASE;
}

bool sealed_read(span file, enum key_kind kind, span passphrase, uint8_t out[KEY_SEED_BYTES],
                 struct err *e)
{
    struct parts parts = {0};

    if (!parts_of(file, &parts, e)) return false;
    if (parts.kind != kind)
        return err_set(e, ERR_USAGE, "the key file holds the %s key, not the %s key",
                       kind_name((enum key_kind)parts.kind), kind_name(kind));
    if (parts.protection == PROTECTION_PASSPHRASE) return unlock(&parts, passphrase, out, e);
    memcpy(out, parts.secret.at, KEY_SEED_BYTES);
    return true;
}

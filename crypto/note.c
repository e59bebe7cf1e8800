#include "crypto/note.h"

#include "crypto/base64.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define KEY_ID_BYTES 4
#define TIME_BYTES 8
#define TIME_MAX ((uint64_t)INT64_MAX)
#define SIZE_MAX_READ ((uint64_t)INT64_MAX) /* what an auditor's tools in Go can still read */
/* Of one base64 field. Lines of unknown keys are ignored but read; SLH-DSA-128s takes 7,856. */
#define FIELD_BYTES_MAX 8192
#define COSIGNED_TEXT_MAX (CHECKPOINT_TEXT_MAX + 48)

static const char line_start[] = "\xe2\x80\x94 "; /* an em dash and a space */
static const char proof_start[] = "c2sp.org/tlog-proof@v1";

/* ------------------------------------------------------------------------------ base64, decimal */

/* Not by libsodium: 1.0.18 takes some bytes above 7f for letters, so that one value would have many spellings. */
static bool read_base64(span text, uint8_t *out, size_t cap, size_t *len)
{
    if (text.len == 0 || text.len % 4 != 0) return false;
    size_t bytes = text.len / 4 * 3;
    for (size_t i = 1; i <= 2 && text.at[text.len - i] == '='; i++) bytes--;
    if (bytes > cap || !base64_read(text, out, bytes)) return false;
    *len = bytes;
    return true;
}

static bool read_hash_base64(span text, struct hash *out)
{
    struct hash hash = {0};
    size_t len = 0;
    if (!read_base64(text, hash.bytes, sizeof hash.bytes, &len) || len != sizeof hash.bytes)
        return false;
    *out = hash;
    return true;
}

static bool read_decimal(span text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (text.len == 0 || (text.len > 1 && text.at[0] == '0')) return false;
    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)text.at[i] - '0';
        if (digit > 9 || value > (max - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* ------------------------------------------------------------------------------- names and keys */

/* Where Unicode says White_Space, other than in ASCII's control characters. */
static bool starts_with_space(span text)
{
    static const char *const spaces[] = {
        " ",            "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
    };
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        span left = text, start = {0};
        span space = span_text(spaces[i]);
        if (span_take(&left, space.len, &start) && span_equal(start, space)) return true;
    }
    /* U+2000 to U+200A: the spaces of many widths */
    return text.len >= 3 && text.at[0] == 0xe2 && text.at[1] == 0x80 && text.at[2] >= 0x80 &&
           text.at[2] <= 0x8a;
}

static bool has_control(span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < 0x20) return true;
    return false;
}

/* The format's rule, wider than ours: UTF-8 without any space and without '+'. */
static bool name_is_valid(span name)
{
    if (name.len == 0 || has_control(name) || !span_is_utf8(name)) return false;
    span left = name, byte = {0};
    do
        if (left.at[0] == '+' || starts_with_space(left)) return false;
    while (span_take(&left, 1, &byte) && left.len > 0);
    return true;
}

bool note_name_is_ours(span name)
{
    if (name.len == 0 || name.len > NOTE_NAME_MAX) return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.at[i];
        bool is_ours = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                       c == '/';
        if (!is_ours) return false;
    }
    return true;
}

static void key_id(span name, enum note_signature_type type, const struct key_public *key,
                   uint8_t out[KEY_ID_BYTES])
{
    struct hash hash = {0};
    const uint8_t between[2] = {'\n', (uint8_t)type};
    crypto_hash_sha256_state state;
    (void)crypto_hash_sha256_init(&state);
    if (name.len) (void)crypto_hash_sha256_update(&state, name.at, name.len);
    (void)crypto_hash_sha256_update(&state, between, sizeof between);
    (void)crypto_hash_sha256_update(&state, key->bytes, sizeof key->bytes);
    (void)crypto_hash_sha256_final(&state, hash.bytes);
    memcpy(out, hash.bytes, KEY_ID_BYTES);
}

void note_key_id(const char *name, enum note_signature_type type, const struct key_public *key,
                 uint8_t out[4])
{
    key_id(span_text(name), type, key, out);
}

bool note_vkey_write(const char *name, enum note_signature_type type, const struct key_public *key,
                     char *out, size_t cap, struct err *e)
{
    span text = span_text(name);
    if (text.len > NOTE_NAME_MAX)
        return err_set(e, ERR_LIMIT, "the key's name is %zu bytes, the limit is %d", text.len,
                       NOTE_NAME_MAX);
    if (!name_is_valid(text))
        return err_set(e, ERR_MALFORMED, "the key's name is empty or holds a space or a plus sign");
    uint8_t id[KEY_ID_BYTES] = {0};
    char id_hex[2 * KEY_ID_BYTES + 1] = {0};
    uint8_t typed[1 + sizeof key->bytes] = {(uint8_t)type};
    key_id(text, type, key, id);
    memcpy(typed + 1, key->bytes, sizeof key->bytes);

    char written[VKEY_TEXT_MAX] = {0};
    struct sink sink = sink_over(written, sizeof written - 1);
    sink_put(&sink, text);
    sink_byte(&sink, '+');
    sink_text(&sink, hex_write(span_of(id, sizeof id), id_hex, sizeof id_hex));
    sink_byte(&sink, '+');
    base64_write(&sink, span_of(typed, sizeof typed));
    must(!sink.full);
    if (!span_to_text(sink_span(&sink), out, cap))
        return err_set(e, ERR_LIMIT, "the verifier key needs %zu bytes, there is room for %zu",
                       sink.len + 1, cap);
    return true;
}

bool note_vkey_read(span vkey, char *name, size_t name_cap, enum note_signature_type *type,
                    struct key_public *key, struct err *e)
{
    if (vkey.len > VKEY_TEXT_MAX)
        return err_set(e, ERR_LIMIT, "the verifier key is %zu bytes, the limit is %d", vkey.len,
                       VKEY_TEXT_MAX);
    span left = vkey, name_text = {0}, id_text = {0};
    uint8_t id[KEY_ID_BYTES] = {0}, id_computed[KEY_ID_BYTES] = {0};
    uint8_t typed[1 + sizeof key->bytes] = {0};
    size_t typed_bytes = 0;
    /* base64 holds '+' too, so only the first two split. */
    if (!span_take_until(&left, '+', &name_text) || !span_take_until(&left, '+', &id_text) ||
        !name_is_valid(name_text) || !hex_read(id_text, id, sizeof id) ||
        !read_base64(left, typed, sizeof typed, &typed_bytes) || typed_bytes != sizeof typed)
        return err_set(e, ERR_MALFORMED, "a verifier key is not name+key id+key");
    if (typed[0] != NOTE_ED25519 && typed[0] != NOTE_COSIGNATURE)
        return err_set(e, ERR_MALFORMED, "a verifier key has type %u, known are 1 and 4", typed[0]);
    if (name_text.len > NOTE_NAME_MAX || name_text.len >= name_cap)
        return err_set(e, ERR_LIMIT, "the verifier key's name is %zu bytes, the limit is %d",
                       name_text.len, NOTE_NAME_MAX);
    enum note_signature_type found_type = (enum note_signature_type)typed[0];
    struct key_public found = {0};
    memcpy(found.bytes, typed + 1, sizeof found.bytes);
    key_id(name_text, found_type, &found, id_computed);
    if (memcmp(id, id_computed, sizeof id) != 0)
        return err_set(e, ERR_MALFORMED, "a verifier key's id does not match its name and key");
    if (!span_to_text(name_text, name, name_cap))
        return err_set(e, ERR_MALFORMED, "a verifier key's name holds a zero byte");
    *type = found_type;
    *key = found;
    return true;
}

/* ---------------------------------------------------------------------------------- checkpoints */

void checkpoint_text(struct sink *out, const char *origin, uint64_t size, const struct hash *root)
{
    sink_text(out, origin);
    sink_byte(out, '\n');
    sink_decimal(out, size);
    sink_byte(out, '\n');
    base64_write(out, hash_span(root));
    sink_byte(out, '\n');
}

bool checkpoint_read(span text, char *origin, size_t origin_cap, uint64_t *size, struct hash *root,
                     struct err *e)
{
    span left = text, origin_line = {0}, size_line = {0}, root_line = {0};
    if (!span_take_until(&left, '\n', &origin_line) || !span_take_until(&left, '\n', &size_line) ||
        !span_take_until(&left, '\n', &root_line) || left.len != 0)
        return err_set(e, ERR_MALFORMED, "a checkpoint is not exactly three lines");
    uint64_t found_size = 0;
    struct hash found_root = {0};
    if (origin_line.len == 0 || has_control(origin_line) || !span_is_utf8(origin_line))
        return err_set(e, ERR_MALFORMED, "a checkpoint's origin is empty or not plain UTF-8");
    if (!read_decimal(size_line, SIZE_MAX_READ, &found_size))
        return err_set(e, ERR_MALFORMED, "a checkpoint's size is not a decimal number below 2^63");
    if (!read_hash_base64(root_line, &found_root))
        return err_set(e, ERR_MALFORMED, "a checkpoint's root is not 32 bytes in base64");
    if (origin_line.len > NOTE_NAME_MAX || !span_to_text(origin_line, origin, origin_cap))
        return err_set(e, ERR_LIMIT, "a checkpoint's origin is %zu bytes, the limit is %d",
                       origin_line.len, NOTE_NAME_MAX);
    *size = found_size;
    *root = found_root;
    return true;
}

void head_sign(const struct signing_key *log, const char *origin, uint64_t size,
               const struct hash *root, struct head *out)
{
    uint8_t text[CHECKPOINT_TEXT_MAX] = {0};
    struct sink sink = sink_over(text, sizeof text);
    struct head head = {.size = size, .root = *root};
    checkpoint_text(&sink, origin, size, root);
    must(!sink.full);
    signing_key_sign(log, sink_span(&sink), &head.signature);
    *out = head;
}

bool head_verify(const struct key_public *log, const char *origin, const struct head *head)
{
    uint8_t text[CHECKPOINT_TEXT_MAX] = {0};
    struct sink sink = sink_over(text, sizeof text);
    checkpoint_text(&sink, origin, head->size, &head->root);
    return !sink.full && signature_verify(log, sink_span(&sink), &head->signature);
}

/* --------------------------------------------------------------------------------- cosignatures */

static bool time_is_valid(uint64_t time_s)
{
    return time_s >= 1 && time_s <= TIME_MAX;
}

static void cosigned_start(struct sink *out, uint64_t time_s)
{
    sink_text(out, "cosignature/v1\ntime ");
    sink_decimal(out, time_s);
    sink_byte(out, '\n');
}

void receipt_sign(const struct signing_key *receipt_key, const char *origin, uint64_t size,
                  const struct hash *root, uint64_t time_s, struct receipt *out)
{
    must(time_is_valid(time_s));
    uint8_t message[COSIGNED_TEXT_MAX] = {0};
    struct sink sink = sink_over(message, sizeof message);
    struct receipt receipt = {.size = size, .root = *root, .time_s = time_s};
    cosigned_start(&sink, time_s);
    checkpoint_text(&sink, origin, size, root);
    must(!sink.full);
    signing_key_sign(receipt_key, sink_span(&sink), &receipt.signature);
    *out = receipt;
}

bool receipt_verify(const struct key_public *receipt_key, const char *origin,
                    const struct receipt *receipt)
{
    uint8_t message[COSIGNED_TEXT_MAX] = {0};
    struct sink sink = sink_over(message, sizeof message);
    if (!time_is_valid(receipt->time_s)) return false;
    cosigned_start(&sink, receipt->time_s);
    checkpoint_text(&sink, origin, receipt->size, &receipt->root);
    return !sink.full && signature_verify(receipt_key, sink_span(&sink), &receipt->signature);
}

/* -------------------------------------------------------------------------------- writing notes */

static void put_line(struct sink *out, const char *name, span id_and_signature)
{
    sink_text(out, line_start);
    sink_text(out, name);
    sink_byte(out, ' ');
    base64_write(out, id_and_signature);
    sink_byte(out, '\n');
}

void note_line_ed25519(struct sink *out, const char *name, const struct key_public *key,
                       const struct signature *signature)
{
    uint8_t field[KEY_ID_BYTES + sizeof signature->bytes] = {0};
    note_key_id(name, NOTE_ED25519, key, field);
    memcpy(field + KEY_ID_BYTES, signature->bytes, sizeof signature->bytes);
    put_line(out, name, span_of(field, sizeof field));
}

void note_line_cosignature(struct sink *out, const char *name, const struct key_public *key,
                           const struct receipt *receipt)
{
    uint8_t field[KEY_ID_BYTES + TIME_BYTES + sizeof receipt->signature.bytes] = {0};
    uint8_t id[KEY_ID_BYTES] = {0};
    struct sink sink = sink_over(field, sizeof field);
    note_key_id(name, NOTE_COSIGNATURE, key, id);
    sink_put(&sink, span_of(id, sizeof id));
    sink_u64_be(&sink, receipt->time_s);
    sink_put(&sink, span_of(receipt->signature.bytes, sizeof receipt->signature.bytes));
    put_line(out, name, sink_span(&sink));
}

void note_sign(struct sink *out, span text, const char *name, const struct signing_key *key)
{
    must(text.len > 0 && text.at[text.len - 1] == '\n');
    struct signature signature = {0};
    signing_key_sign(key, text, &signature);
    sink_put(out, text);
    sink_byte(out, '\n');
    note_line_ed25519(out, name, signing_key_public(key), &signature);
}

/* -------------------------------------------------------------------------------- opening notes */

/* One line of a note, taken apart; nothing in it is believed yet. */
struct line {
    span name;
    uint8_t id[KEY_ID_BYTES];
    uint8_t field[FIELD_BYTES_MAX]; /* key id, then whatever the key's type says */
    size_t field_bytes;
};

/* A note being opened, and the lines whose signatures have verified. */
struct opening {
    span text;
    const struct note_verifier *verifiers;
    size_t verifier_count;
    struct {
        size_t verifier;
        uint64_t time_s; /* 0 unless a cosignature */
    } found[NOTE_LINES_MAX];
    size_t found_count;
};

/* The text goes up to the last empty line and keeps its own last LF. */
static bool split_note(span note, span *text, span *lines, struct err *e)
{
    if (note.len > NOTE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "a note is %zu bytes, the limit is %d", note.len,
                       NOTE_BYTES_MAX);
    size_t text_bytes = 0;
    for (size_t i = 0; i < note.len; i++) {
        if (note.at[i] < 0x20 && note.at[i] != '\n')
            return err_set(e, ERR_MALFORMED, "a note holds the control character %02x", note.at[i]);
        if (i > 0 && note.at[i] == '\n' && note.at[i - 1] == '\n') text_bytes = i;
    }
    if (!span_is_utf8(note)) return err_set(e, ERR_MALFORMED, "a note is not UTF-8");
    span left = note, found = {0}, empty_line = {0};
    if (text_bytes == 0 || !span_take(&left, text_bytes, &found) ||
        !span_take(&left, 1, &empty_line))
        return err_set(e, ERR_MALFORMED, "a note has no empty line before its signatures");
    if (left.len == 0) return err_set(e, ERR_MALFORMED, "a note has no signature line");
    *text = found;
    *lines = left;
    return true;
}

static bool read_line(span *lines, struct line *out, struct err *e)
{
    span left = {0}, start = {0};
    if (!span_take_until(lines, '\n', &left))
        return err_set(e, ERR_MALFORMED, "a note's last line does not end");
    if (!span_take(&left, sizeof line_start - 1, &start) ||
        !span_equal(start, span_text(line_start)) || !span_take_until(&left, ' ', &out->name) ||
        !name_is_valid(out->name))
        return err_set(e, ERR_MALFORMED, "a note's signature line is not dash, name, signature");
    if (left.len > sodium_base64_ENCODED_LEN(FIELD_BYTES_MAX, sodium_base64_VARIANT_ORIGINAL) - 1)
        return err_set(e, ERR_LIMIT, "a note's signature is longer than %d bytes", FIELD_BYTES_MAX);
    if (!read_base64(left, out->field, sizeof out->field, &out->field_bytes) ||
        out->field_bytes <= KEY_ID_BYTES)
        return err_set(e, ERR_MALFORMED, "a note's signature is not strict base64");
    memcpy(out->id, out->field, KEY_ID_BYTES);
    return true;
}

/* The one verifier of this line's name and key id, or verifier_count when the key is unknown. */
static bool find_verifier(const struct opening *opening, const struct line *line, size_t *out,
                          struct err *e)
{
    size_t found = opening->verifier_count;
    for (size_t i = 0; i < opening->verifier_count; i++) {
        const struct note_verifier *verifier = &opening->verifiers[i];
        uint8_t id[KEY_ID_BYTES] = {0};
        if (!span_equal(line->name, span_text(verifier->name))) continue;
        key_id(line->name, verifier->type, verifier->key, id);
        if (memcmp(id, line->id, sizeof id) != 0) continue;
        /* Four bytes collide at will: never guess which of two keys was meant. */
        if (found != opening->verifier_count)
            return err_set(e, ERR_REFUSED, "two known keys share the name \"%s\" and a key id",
                           verifier->name);
        found = i;
    }
    *out = found;
    return true;
}

static bool verify_ed25519(const struct line *line, const struct key_public *key, span text)
{
    struct signature signature = {0};
    memcpy(signature.bytes, line->field + KEY_ID_BYTES, sizeof signature.bytes);
    return signature_verify(key, text, &signature);
}

static bool verify_cosignature(const struct line *line, const struct key_public *key, span text,
                               uint64_t *time_s)
{
    uint64_t time = 0;
    for (size_t i = 0; i < TIME_BYTES; i++) time = time << 8 | line->field[KEY_ID_BYTES + i];
    if (!time_is_valid(time) || text.len > CHECKPOINT_TEXT_MAX) return false;
    uint8_t message[COSIGNED_TEXT_MAX] = {0};
    struct sink sink = sink_over(message, sizeof message);
    struct signature signature = {0};
    memcpy(signature.bytes, line->field + KEY_ID_BYTES + TIME_BYTES, sizeof signature.bytes);
    cosigned_start(&sink, time);
    sink_put(&sink, text);
    must(!sink.full);
    *time_s = time;
    return signature_verify(key, sink_span(&sink), &signature);
}

/* Notes the line as found when its signature verifies. */
static bool verify_line(struct opening *opening, const struct line *line, size_t index,
                        struct err *e)
{
    const struct note_verifier *verifier = &opening->verifiers[index];
    bool is_cosignature = verifier->type == NOTE_COSIGNATURE;
    size_t expected = KEY_ID_BYTES + sizeof(struct signature);
    if (is_cosignature) expected += TIME_BYTES;
    uint64_t time_s = 0;
    if (line->field_bytes != expected)
        return err_set(e, ERR_MALFORMED, "the signature of \"%s\" is %zu bytes, not %zu",
                       verifier->name, line->field_bytes, expected);
    for (size_t i = 0; i < opening->found_count; i++)
        if (opening->found[i].verifier == index)
            return err_set(e, ERR_MALFORMED, "\"%s\" has signed the note twice", verifier->name);
    bool is_verified = is_cosignature
                           ? verify_cosignature(line, verifier->key, opening->text, &time_s)
                           : verify_ed25519(line, verifier->key, opening->text);
    if (!is_verified)
        return err_set(e, ERR_REFUSED, "the signature of \"%s\" does not verify", verifier->name);
    opening->found[opening->found_count].verifier = index;
    opening->found[opening->found_count++].time_s = time_s;
    return true;
}

static bool verify_lines(struct opening *opening, span lines, struct err *e)
{
    for (size_t count = 0; lines.len > 0; count++) {
        if (count == NOTE_LINES_MAX)
            return err_set(e, ERR_LIMIT, "a note has more than %d signature lines", NOTE_LINES_MAX);
        struct line line = {0};
        size_t verifier = 0;
        if (!read_line(&lines, &line, e)) return false;
        if (!find_verifier(opening, &line, &verifier, e)) return false;
        if (verifier == opening->verifier_count) continue;
        if (!verify_line(opening, &line, verifier, e)) return false;
    }
    if (opening->found_count == 0)
        return err_set(e, ERR_REFUSED, "a note is not signed by any known key");
    return true;
}

bool note_open(span note, const struct note_verifier *verifiers, size_t verifier_count, span *text,
               bool *signed_by, uint64_t *times_s, struct err *e)
{
    struct opening opening = {.verifiers = verifiers, .verifier_count = verifier_count};
    span lines = {0};
    if (!split_note(note, &opening.text, &lines, e)) return false;
    if (!verify_lines(&opening, lines, e)) return false;

    for (size_t i = 0; i < verifier_count; i++) {
        if (signed_by) signed_by[i] = false;
        if (times_s) times_s[i] = 0;
    }
    for (size_t i = 0; i < opening.found_count; i++) {
        if (signed_by) signed_by[opening.found[i].verifier] = true;
        if (times_s) times_s[opening.found[i].verifier] = opening.found[i].time_s;
    }
    *text = opening.text;
    return true;
}

/* -------------------------------------------------------------------------------------- bundles */

void proof_write(struct sink *out, uint64_t index, const struct merkle_proof *proof,
                 span signed_checkpoint)
{
    sink_text(out, proof_start);
    sink_text(out, "\nindex ");
    sink_decimal(out, index);
    sink_byte(out, '\n');
    for (size_t i = 0; i < proof->count; i++) {
        base64_write(out, hash_span(&proof->hashes[i]));
        sink_byte(out, '\n');
    }
    sink_byte(out, '\n');
    sink_put(out, signed_checkpoint);
}

/* Takes `start` off the line, if it is there. */
static bool take_start(span *line, const char *start)
{
    span left = *line, found = {0}, wanted = span_text(start);
    if (!span_take(&left, wanted.len, &found) || !span_equal(found, wanted)) return false;
    *line = left;
    return true;
}

/* The first two or three lines, up to the index. */
static bool read_proof_start(span *left, uint64_t *index, struct err *e)
{
    span line = {0};
    if (!span_take_until(left, '\n', &line) || !span_equal(line, span_text(proof_start)))
        return err_set(e, ERR_MALFORMED, "a bundle does not start with %s", proof_start);
    if (!span_take_until(left, '\n', &line))
        return err_set(e, ERR_MALFORMED, "a bundle has no index");
    if (take_start(&line, "extra ")) {
        uint8_t extra[FIELD_BYTES_MAX] = {0};
        size_t extra_bytes = 0;
        if (line.len / 4 * 3 > sizeof extra)
            return err_set(e, ERR_LIMIT, "a bundle's extra line is longer than %zu bytes",
                           sizeof extra);
        if (!read_base64(line, extra, sizeof extra, &extra_bytes) ||
            !span_take_until(left, '\n', &line))
            return err_set(e, ERR_MALFORMED, "a bundle's extra line is not strict base64");
    }
    if (!take_start(&line, "index ") || !read_decimal(line, SIZE_MAX_READ, index))
        return err_set(e, ERR_MALFORMED, "a bundle's index is not a decimal number below 2^63");
    return true;
}

bool proof_read(span file, uint64_t *index, struct merkle_proof *proof, span *signed_checkpoint,
                struct err *e)
{
    span left = file, line = {0};
    uint64_t found_index = 0;
    struct merkle_proof found = {0};
    if (!read_proof_start(&left, &found_index, e)) return false;
    for (;;) {
        if (!span_take_until(&left, '\n', &line))
            return err_set(e, ERR_MALFORMED, "a bundle has no empty line before its checkpoint");
        if (line.len == 0) break;
        if (found.count == MERKLE_PROOF_MAX)
            return err_set(e, ERR_LIMIT, "a bundle's proof has more than %d hashes",
                           MERKLE_PROOF_MAX);
        if (!read_hash_base64(line, &found.hashes[found.count++]))
            return err_set(e, ERR_MALFORMED, "hash %zu of a bundle is not 32 bytes in base64",
                           found.count - 1);
    }
    if (left.len == 0) return err_set(e, ERR_MALFORMED, "a bundle has no checkpoint");
    if (left.len > NOTE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "a bundle's checkpoint is %zu bytes, the limit is %d",
                       left.len, NOTE_BYTES_MAX);
    *index = found_index;
    *proof = found;
    *signed_checkpoint = left;
    return true;
}

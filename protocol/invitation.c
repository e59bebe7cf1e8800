#include "protocol/invitation.h"

#include "protocol/writer.h"

#include <string.h>

#define INVITATION_VERSION 1
#define INVITATION_FIELDS 8
#define LABEL "counterpart/v1/invitation"
#define LINE_LETTERS 60
#define FIRST_LINE "COUNTERPART INVITATION\n"
#define LAST_LINE "END OF INVITATION\n"
#define FIRST_LINE_READ                                                                            \
    "counterpartinvitation" /* as they look with blanks dropped, in lower case */
#define LAST_LINE_READ "endofinvitation"
#define SIGNED_BYTES_MAX (sizeof LABEL + INVITATION_BYTES_MAX)

struct invitation_id invitation_id_of(const uint8_t secret[32])
{
    struct hash hash =
        hash_labelled("counterpart/v1/invitation-id", (span[]){span_of(secret, 32)}, 1);
    struct invitation_id id = {0};
    memcpy(id.bytes, hash.bytes, sizeof id.bytes);
    return id;
}

void invitation_wipe(struct invitation *invitation)
{
    if (invitation) secret_wipe(invitation, sizeof *invitation);
}

/* Printable ASCII without blanks: it is shown, pasted and handed to the network library. */
static bool address_is_valid(span address)
{
    for (size_t i = 0; i < address.len; i++)
        if (address.at[i] <= 0x20 || address.at[i] >= 0x7f) return false;
    return address.len > 0;
}

/* The signed bytes: their writer and reader stand together. */

static void fields_write(struct sink *out, const struct invitation *invitation)
{
    write_array(out, INVITATION_FIELDS);
    write_u64(out, INVITATION_VERSION);
    write_bytes(out, relationship_span(&invitation->relationship));
    write_text(out, span_text(invitation->title));
    write_text(out, span_text(invitation->invited));
    write_array(out, invitation->address_count);
    for (size_t i = 0; i < invitation->address_count; i++)
        write_text(out, span_text(invitation->addresses[i]));
    write_u64(out, invitation->expires_s);
    write_bytes(out, span_of(invitation->secret, sizeof invitation->secret));
    write_bytes(out, span_of(invitation->inviter_note, invitation->inviter_note_bytes));
}

/* A line that `is_valid`, as a C string. */
static bool line_read(struct reader *r, const char *what, bool (*is_valid)(span), char *out,
                      size_t cap, struct err *e)
{
    span text = {0};
    if (!read_text(r, cap - 1, &text, e)) return false;
    if (!is_valid(text) || !span_to_text(text, out, cap))
        return err_set(e, ERR_MALFORMED, "the invitation's %s is not valid", what);
    return true;
}

static bool addresses_read(struct reader *r, struct invitation *out, struct err *e)
{
    if (!read_array_upto(r, ADDRESSES_MAX, &out->address_count, e)) return false;
    for (size_t i = 0; i < out->address_count; i++)
        if (!line_read(r, "address", address_is_valid, out->addresses[i], sizeof out->addresses[i],
                       e))
            return false;
    return true;
}

/* Reads the fields up to the signature, which is left in `r`. */
static bool fields_read(struct reader *r, struct invitation *out, struct err *e)
{
    uint64_t version = 0;
    span note = {0};
    if (!read_array(r, INVITATION_FIELDS, e)) return false;
    if (!read_u64(r, UINT64_MAX, &version, e)) return false;
    if (version != INVITATION_VERSION)
        return err_set(e, ERR_MALFORMED, "the invitation is of format %llu, this program reads %d",
                       (unsigned long long)version, INVITATION_VERSION);
    if (!read_bytes(r, out->relationship.bytes, sizeof out->relationship.bytes, e)) return false;
    if (!line_read(r, "title", line_is_valid, out->title, sizeof out->title, e)) return false;
    if (!line_read(r, "code", code_is_valid, out->invited, sizeof out->invited, e)) return false;
    if (!addresses_read(r, out, e)) return false;
    if (!read_u64(r, TIME_MS_MAX / 1000, &out->expires_s, e)) return false;
    if (!read_bytes(r, out->secret, sizeof out->secret, e)) return false;
    if (!read_span(r, sizeof out->inviter_note, &note, e)) return false;
    if (note.len) memcpy(out->inviter_note, note.at, note.len);
    out->inviter_note_bytes = note.len;
    return certificate_read(note, &out->inviter, e);
}

/* label ‖ 00 ‖ fields, which is what is signed. `out` has room for SIGNED_BYTES_MAX. */
static span signed_bytes(uint8_t *out, span fields)
{
    struct sink s = sink_over(out, SIGNED_BYTES_MAX);
    sink_put(&s, span_of(LABEL, sizeof LABEL)); /* its final zero is the 00 */
    sink_put(&s, fields);
    must(!s.full);
    return sink_span(&s);
}

static bool bytes_read(span bytes, struct invitation *out, struct err *e)
{
    struct reader r = reader_over(bytes);
    struct signature signature = {0};
    uint8_t message[SIGNED_BYTES_MAX] = {0};
    if (!fields_read(&r, out, e)) return false;
    span fields = {bytes.at, bytes.len - r.left.len};
    if (r.left.len != sizeof signature.bytes)
        return err_set(e, ERR_MALFORMED, "the invitation's signature is %zu bytes, expected %zu",
                       r.left.len, sizeof signature.bytes);
    memcpy(signature.bytes, r.left.at, sizeof signature.bytes);
    bool is_signed =
        signature_verify(&out->inviter.identity, signed_bytes(message, fields), &signature);
    secret_wipe(message, sizeof message);
    if (!is_signed) return err_set(e, ERR_REFUSED, "the invitation's signature does not verify");
    if (!span_equal(relationship_span(&out->relationship),
                    relationship_span(&out->inviter.relationship)))
        return err_set(e, ERR_REFUSED, "the inviter's certificate is of another relationship");
    if (!out->inviter.has_transport)
        return err_set(e, ERR_REFUSED, "the inviter's certificate names no transport key");
    return true;
}

/* The text block: base32, RFC 4648 section 6, in lower case and without padding. */

static void letter_write(struct sink *out, uint32_t five_bits, size_t *letters)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    sink_byte(out, (uint8_t)alphabet[five_bits & 31]);
    if (++*letters % LINE_LETTERS == 0) sink_byte(out, '\n');
}

static void base32_write(struct sink *out, span bytes)
{
    uint32_t bits = 0;
    unsigned held = 0; /* bits that are not written yet */
    size_t letters = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | bytes.at[i];
        for (held += 8; held >= 5; held -= 5) letter_write(out, bits >> (held - 5), &letters);
    }
    if (held) letter_write(out, bits << (5 - held), &letters);
    if (letters % LINE_LETTERS) sink_byte(out, '\n');
}

static bool base32_read(struct sink *out, span letters, struct err *e)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < letters.len; i++) {
        uint8_t c = letters.at[i];
        bool is_letter = c >= 'a' && c <= 'z';
        if (!is_letter && !(c >= '2' && c <= '7'))
            return err_set(e, ERR_MALFORMED,
                           "the invitation holds a character that is not part of it");
        bits = bits << 5 | (uint32_t)(is_letter ? c - 'a' : c - '2' + 26);
        held += 5;
        if (held < 8) continue;
        held -= 8;
        sink_byte(out, (uint8_t)(bits >> held));
    }
    if (out->full)
        return err_set(e, ERR_LIMIT, "the invitation is longer than %d bytes",
                       INVITATION_BYTES_MAX);
    if (held >= 5 || bits & ((UINT32_C(1) << held) - 1))
        return err_set(e, ERR_MALFORMED, "the invitation is not complete");
    return true;
}

/* How many bytes at the start of `text` are one character that mail programs and people put in. */
static size_t ignored_at(span text)
{
    static const char *const invisible[] = {
        "\xc2\xa0",     "\xc2\xad",     "\xe2\x80\x8b", "\xe2\x80\x8c", "\xe2\x80\x8d",
        "\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x81\xa0", "\xef\xbb\xbf",
    };
    uint8_t c = text.at[0];
    if (c == ' ' || (c >= '\t' && c <= '\r') || c == '>' || c == '-') return 1;
    if (c != 0xc2 && c != 0xe2 && c != 0xef) return 0; /* nothing invisible starts otherwise */
    for (size_t i = 0; i < sizeof invisible / sizeof invisible[0]; i++) {
        span rest = text, start = {0}, character = span_text(invisible[i]);
        if (span_take(&rest, character.len, &start) && span_equal(start, character))
            return character.len;
    }
    return 0;
}

static void clean(struct sink *out, span text)
{
    span drop = {0};
    while (text.len) {
        size_t ignored = ignored_at(text);
        uint8_t c = text.at[0];
        if (!ignored) sink_byte(out, c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c);
        must(span_take(&text, ignored ? ignored : 1, &drop));
    }
}

/* Splits around the first `mark`. False when there is none. */
static bool split_at(span text, const char *mark, span *before, span *after)
{
    span wanted = span_text(mark), found = {0};
    const uint8_t *at = text.len ? memmem(text.at, text.len, wanted.at, wanted.len) : NULL;
    if (!at) return false;
    must(span_take(&text, (size_t)(at - text.at), before) && span_take(&text, wanted.len, &found));
    *after = text;
    return true;
}

bool invitation_write(struct sink *out, const struct invitation *invitation,
                      const struct signing_key *identity, struct err *e)
{
    must(line_is_valid(span_text(invitation->title)) &&
         code_is_valid(span_text(invitation->invited)));
    must(invitation->address_count <= ADDRESSES_MAX && invitation->expires_s <= TIME_MS_MAX / 1000);
    for (size_t i = 0; i < invitation->address_count; i++)
        must(address_is_valid(span_text(invitation->addresses[i])));
    must(invitation->inviter_note_bytes > 0 &&
         invitation->inviter_note_bytes <= CERTIFICATE_BYTES_MAX);
    uint8_t bytes[INVITATION_BYTES_MAX] = {0}, message[SIGNED_BYTES_MAX] = {0};
    struct sink sink = sink_over(bytes, sizeof bytes);
    struct signature signature = {0};
    fields_write(&sink, invitation);
    must(!sink.full);
    signing_key_sign(identity, signed_bytes(message, sink_span(&sink)), &signature);
    sink_put(&sink, span_of(signature.bytes, sizeof signature.bytes));
    must(!sink.full);
    sink_text(out, FIRST_LINE);
    base32_write(out, sink_span(&sink));
    sink_text(out, LAST_LINE);
    secret_wipe(bytes, sizeof bytes);
    secret_wipe(message, sizeof message);
    return !out->full || err_set(e, ERR_LIMIT, "the invitation does not fit");
}

/* `letters` has room for the whole text, `bytes` for an invitation. */
static bool text_read(span text, struct sink *letters, struct sink *bytes, struct invitation *out,
                      struct err *e)
{
    span before = {0}, block = {0}, after = {0};
    clean(letters, text);
    block = sink_span(letters);
    if (split_at(block, FIRST_LINE_READ, &before, &after)) block = after;
    if (split_at(block, LAST_LINE_READ, &before, &after)) block = before;
    if (!base32_read(bytes, block, e)) return false;
    return bytes_read(sink_span(bytes), out, e);
}

bool invitation_read(span text, struct invitation *out, struct err *e)
{
    if (text.len > INVITATION_PASTE_MAX)
        return err_set(e, ERR_LIMIT, "the text is %zu bytes, an invitation is at most %d", text.len,
                       INVITATION_PASTE_MAX);
    uint8_t letters[INVITATION_PASTE_MAX] = {0}, bytes[INVITATION_BYTES_MAX] = {0};
    struct sink letters_sink = sink_over(letters, sizeof letters);
    struct sink bytes_sink = sink_over(bytes, sizeof bytes);
    struct invitation invitation = {0};
    bool is_read = text_read(text, &letters_sink, &bytes_sink, &invitation, e);
    if (is_read) *out = invitation;
    invitation_wipe(&invitation);
    secret_wipe(letters, sizeof letters);
    secret_wipe(bytes, sizeof bytes);
    return is_read || err_because(e, "reading an invitation");
}

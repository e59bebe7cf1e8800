#include "protocol/certificate.h"

#include "crypto/base64.h"

#include <string.h>

#define FIRST_LINE "counterpart/certificate/v1"
#define IDENTITY_NAME_MAX (DOMAIN_BYTES_MAX + sizeof "/counterpart/identity")

static const char *identity_name(const char *domain, char out[IDENTITY_NAME_MAX])
{
    struct sink s = sink_over(out, IDENTITY_NAME_MAX - 1);
    sink_text(&s, domain);
    sink_text(&s, "/counterpart/identity");
    must(!s.full);
    out[s.len] = '\0';
    return out;
}

static bool keys_differ(const struct certificate *c)
{
    if (c->has_log && key_public_equal(&c->log, &c->identity)) return false;
    if (c->has_receipt && key_public_equal(&c->receipt, &c->identity)) return false;
    return !(c->has_log && c->has_receipt && key_public_equal(&c->log, &c->receipt));
}

/* The text: its writer and reader stand together. */

static void line_write(struct sink *out, const char *word, span value)
{
    sink_text(out, word);
    sink_byte(out, ' ');
    sink_put(out, value);
    sink_byte(out, '\n');
}

static void key_write(struct sink *out, const char *word, const struct key_public *key)
{
    sink_text(out, word);
    sink_byte(out, ' ');
    base64_write(out, key_public_span(key));
    sink_byte(out, '\n');
}

static void text_write(struct sink *out, const struct certificate *c)
{
    char relationship[2 * sizeof c->relationship.bytes + 1] = {0};
    hex_write(relationship_span(&c->relationship), relationship, sizeof relationship);
    sink_text(out, FIRST_LINE "\n");
    line_write(out, "relationship", span_text(relationship));
    line_write(out, "code", span_text(c->code));
    line_write(out, "domain", span_text(c->domain));
    line_write(out, "name", span_text(c->name));
    key_write(out, "identity", &c->identity);
    if (c->has_log) key_write(out, "log", &c->log);
    if (c->has_receipt) key_write(out, "receipt", &c->receipt);
    if (c->has_transport) key_write(out, "transport", &c->transport);
}

/* Takes the line `word value` off. Nothing is taken when the next line starts with another word. */
static bool line_take(span *left, const char *word, span *value)
{
    span ahead = *left, line = {0}, first = {0};
    if (!span_take_until(&ahead, '\n', &line)) return false;
    if (!span_take_until(&line, ' ', &first) || !span_equal(first, span_text(word))) return false;
    *left = ahead;
    *value = line;
    return true;
}

static bool line_missing(const char *word, struct err *e)
{
    return err_set(e, ERR_MALFORMED, "the certificate has no line '%s' where it should stand",
                   word);
}

static bool text_line_read(span *left, const char *word, bool (*is_valid)(span), char *out,
                           size_t cap, struct err *e)
{
    span value = {0};
    if (!line_take(left, word, &value)) return line_missing(word, e);
    if (!is_valid(value) || !span_to_text(value, out, cap))
        return err_set(e, ERR_MALFORMED, "the certificate's %s is not valid", word);
    return true;
}

/* A key that may be left out: `has` says whether it was there. */
static bool key_read(span *left, const char *word, bool *has, struct key_public *out, struct err *e)
{
    span value = {0};
    *has = line_take(left, word, &value);
    if (*has && !base64_read(value, out->bytes, sizeof out->bytes))
        return err_set(e, ERR_MALFORMED, "the certificate's %s key is not 32 bytes in base64",
                       word);
    return true;
}

static bool text_read(span *left, struct certificate *c, struct err *e)
{
    span line = {0};
    bool has_identity = false;
    if (!span_take_until(left, '\n', &line) || !span_equal(line, span_text(FIRST_LINE)))
        return err_set(e, ERR_MALFORMED, "a certificate does not start with " FIRST_LINE);
    if (!line_take(left, "relationship", &line)) return line_missing("relationship", e);
    if (!hex_read(line, c->relationship.bytes, sizeof c->relationship.bytes))
        return err_set(e, ERR_MALFORMED, "the certificate's relationship is not 32 hex digits");
    if (!text_line_read(left, "code", code_is_valid, c->code, sizeof c->code, e)) return false;
    if (!text_line_read(left, "domain", domain_is_valid, c->domain, sizeof c->domain, e))
        return false;
    if (!text_line_read(left, "name", name_is_valid, c->name, sizeof c->name, e)) return false;
    if (!key_read(left, "identity", &has_identity, &c->identity, e)) return false;
    if (!has_identity) return line_missing("identity", e);
    if (!key_read(left, "log", &c->has_log, &c->log, e)) return false;
    if (!key_read(left, "receipt", &c->has_receipt, &c->receipt, e)) return false;
    if (!key_read(left, "transport", &c->has_transport, &c->transport, e)) return false;
    if (!c->has_log && !c->has_receipt && !c->has_transport)
        return err_set(e, ERR_MALFORMED, "the certificate names no key");
    if (!keys_differ(c))
        return err_set(e, ERR_MALFORMED, "the certificate names one key for two purposes");
    return true;
}

bool certificate_write(struct sink *out, const struct certificate *c,
                       const struct signing_key *identity, struct err *e)
{
    must(code_is_valid(span_text(c->code)) && domain_is_valid(span_text(c->domain)));
    must(name_is_valid(span_text(c->name)));
    must(key_public_equal(&c->identity, signing_key_public(identity)));
    must((c->has_log || c->has_receipt || c->has_transport) && keys_differ(c));
    uint8_t text[CERTIFICATE_BYTES_MAX] = {0}, note[CERTIFICATE_BYTES_MAX] = {0};
    char name[IDENTITY_NAME_MAX] = {0};
    struct sink text_sink = sink_over(text, sizeof text), note_sink = sink_over(note, sizeof note);
    text_write(&text_sink, c);
    must(!text_sink.full);
    note_sign(&note_sink, sink_span(&text_sink), identity_name(c->domain, name), identity);
    if (note_sink.full || out->full || note_sink.len > out->cap - out->len)
        return err_set(e, ERR_LIMIT, "the certificate does not fit");
    sink_put(out, sink_span(&note_sink));
    return true;
}

bool certificate_read(span note, struct certificate *out, struct err *e)
{
    if (note.len > CERTIFICATE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "the certificate is %zu bytes, the limit is %d", note.len,
                       CERTIFICATE_BYTES_MAX);
    struct certificate c = {0};
    char name[IDENTITY_NAME_MAX] = {0};
    span left = note, text = {0};
    if (!text_read(&left, &c, e)) return false;
    struct note_verifier verifier = {identity_name(c.domain, name), NOTE_ED25519, &c.identity};
    if (!note_open(note, &verifier, 1, &text, NULL, NULL, e))
        return err_because(e, "reading a certificate");
    if (text.len != note.len - left.len) /* what was read is what was signed, no more and no less */
        return err_set(e, ERR_MALFORMED, "the certificate has lines that do not belong there");
    *out = c;
    return true;
}

/*
 * A certificate, its signatures not judged (see signatures.h). The room itself is included, so that what was read can be
 * written without the key that signed it.
 *
 * Input: a byte 0 and a whole note; or a byte 1 and a text, which is given the signature line that it asks for.
 */
#include "protocol/certificate.c"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/signatures.h"

/* The value of the first line that starts with `word`. */
static span line_of(span text, const char *word)
{
    span line = {0}, first = {0};
    while (span_take_until(&text, '\n', &line))
        if (span_take_until(&line, ' ', &first) && span_equal(first, span_text(word))) return line;
    return (span){0};
}

/* Text, empty line, and a signature by the key and the domain that the text names. */
static span signed_text(span text, struct sink *out)
{
    struct signature signature = {{0}};
    struct key_public identity = {{0}};
    char name[IDENTITY_NAME_MAX], domain[DOMAIN_BYTES_MAX + 1];
    if (!span_to_text(line_of(text, "domain"), domain, sizeof domain)) domain[0] = '\0';
    (void)!base64_read(line_of(text, "identity"), identity.bytes, sizeof identity.bytes);
    sink_put(out, text);
    sink_text(out, "\n");
    note_line_ed25519(out, identity_name(domain, name), &identity, &signature);
    return sink_span(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    uint8_t room[CERTIFICATE_BYTES_MAX + 512], again[CERTIFICATE_BYTES_MAX];
    struct sink given = sink_over(room, sizeof room), out = sink_over(again, sizeof again);
    span note = span_of(at, len);
    struct certificate c;
    struct err e = {0};
    if (input_byte(&note) % 2) note = signed_text(note, &given);
    mark_untouched(&c, sizeof c);
    if (!certificate_read(note, &c, &e)) {
        must_say_why(&e);
        must_be_untouched(&c, sizeof c);
        return 0;
    }
    must(note.len <= CERTIFICATE_BYTES_MAX && code_is_valid(span_text(c.code)) && domain_is_valid(span_text(c.domain)));
    must(name_is_valid(span_text(c.name)) && keys_differ(&c) && (c.has_log || c.has_receipt || c.has_transport));
    text_write(&out, &c);
    must(!out.full && out.len < note.len);
    must_be_same(sink_span(&out), span_of(note.at, out.len));
    must(note.at[out.len] == '\n'); /* nothing else stands in the text */
    return 0;
}

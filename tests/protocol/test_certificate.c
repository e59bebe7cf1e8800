#include "protocol/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing.h"

/* The vector of FORMAT.md, which was computed by another program; seeds are counted up from 00, 20,
 * 40 and 60. */
static const char VECTOR[] = "counterpart/certificate/v1\n"
                             "relationship 716f2def735f5972501a3d5aa7b70bb3\n"
                             "code ACME\n"
                             "domain acme.example\n"
                             "name Acme Soci\xc3\xa9t\xc3\xa9\n"
                             "identity A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n"
                             "log Kay64UG8yvCyLhqU000LxzYeUm0L/hLIl5S8kyKWbdc=\n"
                             "receipt JUO5L/EJVRFHatyDadtt3JM2ZaEZeN2hQE7hBmypVZ0=\n"
                             "transport Z13VdO13iTELPS52gfN5C0ZsdzsVIf7PNld5WDcepS8=\n"
                             "\n"
                             "\xe2\x80\x94 acme.example/counterpart/identity "
                             "gM2BYJ/+bUbOfryYrmVorMfrFRt696XmKcYcvcgbkaFDwwRe7apMkT"
                             "0Z5W24nFsriMKv/Am+C0IpWUTk+MU0UndP5As=\n";

static struct signing_key *signing_key(uint8_t first)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    struct signing_key *key = NULL;
    struct err e = {0};
    for (size_t i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)(first + i);
    assert_true(signing_key_new(&key, seed, &e));
    return key;
}

static struct key_public transport_public(void)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    OWNED(transport_key_free) struct transport_key *key = NULL;
    struct err e = {0};
    for (size_t i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)(0x60 + i);
    assert_true(transport_key_new(&key, seed, &e));
    return *transport_key_public(key);
}

static struct certificate vector_certificate(void)
{
    struct certificate c = {
        .code = "ACME", .domain = "acme.example", .name = "Acme Soci\xc3\xa9t\xc3\xa9"};
    OWNED(signing_key_free) struct signing_key *identity = signing_key(0);
    OWNED(signing_key_free) struct signing_key *log = signing_key(0x20);
    OWNED(signing_key_free) struct signing_key *receipt = signing_key(0x40);
    assert_true(hex_read(span_text("716f2def735f5972501a3d5aa7b70bb3"), c.relationship.bytes, 16));
    c.identity = *signing_key_public(identity);
    c.has_log = c.has_receipt = c.has_transport = true;
    c.log = *signing_key_public(log);
    c.receipt = *signing_key_public(receipt);
    c.transport = transport_public();
    return c;
}

static enum err_code read_code(span note)
{
    struct certificate c = {0}, untouched = {0};
    struct err e = {0};
    if (certificate_read(note, &c, &e)) return ERR_NONE;
    assert_memory_equal(&c, &untouched, sizeof c);
    return e.code;
}

/* The vector with the first `was` replaced by `now`, signed anew by the identity key of `first`. */
static enum err_code resigned_code(const char *was, const char *now, uint8_t first)
{
    char text[CERTIFICATE_BYTES_MAX] = "", note[2 * CERTIFICATE_BYTES_MAX] = "";
    const char *at = strstr(VECTOR, was), *end = strstr(VECTOR, "\n\n") + 1;
    assert_non_null(at);
    int len = snprintf(text, sizeof text, "%.*s%s%.*s", (int)(at - VECTOR), VECTOR, now,
                       (int)(end - at - (ptrdiff_t)strlen(was)), at + strlen(was));
    assert_true(len > 0 && (size_t)len < sizeof text);
    OWNED(signing_key_free) struct signing_key *key = signing_key(first);
    struct sink s = sink_over(note, sizeof note);
    note_sign(&s, span_text(text), "acme.example/counterpart/identity", key);
    assert_false(s.full);
    return read_code(sink_span(&s));
}

static void a_certificate_is_the_note_of_the_format(void **state)
{
    (void)state;
    uint8_t bytes[CERTIFICATE_BYTES_MAX] = {0};
    struct err e = {0};
    struct certificate c = vector_certificate();
    OWNED(signing_key_free) struct signing_key *identity = signing_key(0);
    struct sink s = sink_over(bytes, sizeof bytes);
    assert_true(certificate_write(&s, &c, identity, &e));
    test_assert_text(sink_span(&s), VECTOR);
}

static void a_certificate_is_read_line_by_line(void **state)
{
    (void)state;
    struct certificate c = {0}, expected = vector_certificate();
    struct err e = {0};
    assert_true(certificate_read(span_text(VECTOR), &c, &e));
    assert_memory_equal(&c.relationship, &expected.relationship, sizeof c.relationship);
    assert_string_equal(c.code, "ACME");
    assert_string_equal(c.domain, "acme.example");
    assert_string_equal(c.name, "Acme Soci\xc3\xa9t\xc3\xa9");
    assert_true(c.has_log && c.has_receipt && c.has_transport);
    assert_true(key_public_equal(&c.identity, &expected.identity));
    assert_true(key_public_equal(&c.log, &expected.log));
    assert_true(key_public_equal(&c.receipt, &expected.receipt));
    assert_true(key_public_equal(&c.transport, &expected.transport));
}

static void any_one_or_more_keys_may_be_named(void **state)
{
    (void)state;
    OWNED(signing_key_free) struct signing_key *identity = signing_key(0);
    for (unsigned keys = 1; keys < 8; keys++) {
        uint8_t bytes[CERTIFICATE_BYTES_MAX] = {0};
        struct certificate c = vector_certificate(), back = {0};
        struct err e = {0};
        c.has_log = keys & 1;
        c.has_receipt = keys & 2;
        c.has_transport = keys & 4;
        struct sink s = sink_over(bytes, sizeof bytes);
        assert_true(certificate_write(&s, &c, identity, &e));
        assert_true(certificate_read(sink_span(&s), &back, &e));
        assert_true(back.has_log == c.has_log && back.has_receipt == c.has_receipt);
        assert_true(back.has_transport == c.has_transport);
    }
}

static void a_certificate_cut_or_changed_anywhere_is_refused(void **state)
{
    (void)state;
    size_t len = strlen(VECTOR);
    for (size_t i = 0; i < len; i++) {
        uint8_t bytes[sizeof VECTOR] = {0};
        assert_int_equal(read_code(span_of(VECTOR, i)), ERR_MALFORMED);
        memcpy(bytes, VECTOR, len);
        bytes[i] ^= 1;
        enum err_code code = read_code(span_of(bytes, len));
        assert_true(code == ERR_MALFORMED || code == ERR_REFUSED);
    }
}

static void a_signature_of_another_key_is_refused(void **state)
{
    (void)state;
    assert_int_equal(resigned_code("code ACME", "code ACME", 0), ERR_NONE);
    assert_int_equal(resigned_code("code ACME", "code BOLT", 0), ERR_NONE);
    assert_int_equal(resigned_code("code ACME", "code ACME", 1), ERR_REFUSED);
    assert_int_equal(resigned_code("domain acme.example", "domain bolt.example", 0), ERR_REFUSED);
}

static void lines_that_are_missing_wrong_or_out_of_order_are_malformed(void **state)
{
    static const char *const changes[][2] = {
        {"certificate/v1", "certificate/v2"},
        {"relationship 7", "relationship 77"},
        {"relationship 716f2def", "relationship 716F2DEF"},
        {"code ACME\n", ""},
        {"code ACME", "code acme"},
        {"code ACME", "code  ACME"},
        {"code ACME\n", "code ACME\r\n"},
        {"domain acme.example", "domain acme"},
        {"name Acme Soci\xc3\xa9t\xc3\xa9", "name "},
        {"name Acme", "name A\tcme"},
        {"identity A6EH", "identity A6E"},
        {"identity A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n", ""},
        {"VMbg=\nlog", "VMbh=\nlog"}, /* a stray bit */
        {"log Kay", "log  Kay"},
        {"log Kay64UG8yvCyLhqU000LxzYeUm0L/hLIl5S8kyKWbdc=\n",
         "log A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n"}, /* the identity key */
        {"receipt JUO5L/EJVRFHatyDadtt3JM2ZaEZeN2hQE7hBmypVZ0=\n",
         "receipt Kay64UG8yvCyLhqU000LxzYeUm0L/hLIl5S8kyKWbdc=\n"}, /* the log key */
        {"transport Z", "colour Z"},
        {"transport", "log Kay64UG8yvCyLhqU000LxzYeUm0L/hLIl5S8kyKWbdc=\ntransport"},
        {"transport Z13VdO13iTELPS52gfN5C0ZsdzsVIf7PNld5WDcepS8=\n",
         "transport Z13VdO13iTELPS52gfN5C0ZsdzsVIf7PNld5WDcepS8=\nmore\n"},
        {"code ACME\n", "code ACME\n\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        enum err_code code = resigned_code(changes[i][0], changes[i][1], 0);
        if (code != ERR_MALFORMED)
            fail_msg("%s for %s: %s", changes[i][1], changes[i][0], err_word(code));
    }
    assert_int_equal(resigned_code("log Kay64UG8yvCyLhqU000LxzYeUm0L/hLIl5S8kyKWbdc=\n"
                                   "receipt JUO5L/EJVRFHatyDadtt3JM2ZaEZeN2hQE7hBmypVZ0=\n"
                                   "transport Z13VdO13iTELPS52gfN5C0ZsdzsVIf7PNld5WDcepS8=\n",
                                   "", 0),
                     ERR_MALFORMED);
}

static void a_certificate_that_is_too_long_is_a_limit(void **state)
{
    (void)state;
    uint8_t bytes[CERTIFICATE_BYTES_MAX + 1] = {0};
    assert_int_equal(read_code(span_of(bytes, sizeof bytes)), ERR_LIMIT);

    struct certificate c = vector_certificate();
    struct err e = {0};
    OWNED(signing_key_free) struct signing_key *identity = signing_key(0);
    struct sink s = sink_over(bytes, strlen(VECTOR) - 1);
    assert_false(certificate_write(&s, &c, identity, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(s.len, 0);
}

static void the_longest_certificate_fits(void **state)
{
    (void)state;
    uint8_t bytes[CERTIFICATE_BYTES_MAX] = {0};
    struct certificate c = vector_certificate(), back = {0};
    struct err e = {0};
    OWNED(signing_key_free) struct signing_key *identity = signing_key(0);
    memset(c.code, 'A', CODE_BYTES_MAX);
    memset(c.domain, 'a', DOMAIN_BYTES_MAX);
    c.domain[60] = '.';
    memset(c.name, 'n', NAME_BYTES_MAX);
    struct sink s = sink_over(bytes, sizeof bytes);
    assert_true(certificate_write(&s, &c, identity, &e));
    assert_true(certificate_read(sink_span(&s), &back, &e));
    assert_string_equal(back.domain, c.domain);
    assert_string_equal(back.name, c.name);
}

static void the_fingerprint_is_that_of_the_format(void **state)
{
    (void)state;
    struct certificate c = vector_certificate();
    struct hash fingerprint = key_fingerprint(&c.identity);
    char hex[65] = "";
    assert_string_equal(hex_write(hash_span(&fingerprint), hex, sizeof hex),
                        "2b6f82912d3959831a646521e293d6883d643ab32083e4246b80f5fadb207e66");
}

static int start(void **state)
{
    (void)state;
    struct err e = {0};
    return crypto_start(&e) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_the_note_of_the_format),
        cmocka_unit_test(a_certificate_is_read_line_by_line),
        cmocka_unit_test(any_one_or_more_keys_may_be_named),
        cmocka_unit_test(a_certificate_cut_or_changed_anywhere_is_refused),
        cmocka_unit_test(a_signature_of_another_key_is_refused),
        cmocka_unit_test(lines_that_are_missing_wrong_or_out_of_order_are_malformed),
        cmocka_unit_test(a_certificate_that_is_too_long_is_a_limit),
        cmocka_unit_test(the_longest_certificate_fits),
        cmocka_unit_test(the_fingerprint_is_that_of_the_format),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}

#include "protocol/invitation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing.h"

/* The vector of FORMAT.md, which was computed by another program: ACME invites BOLT. */
static const char CERTIFICATE[] = "counterpart/certificate/v1\n"
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
static const char BLOCK[] = "COUNTERPART INVITATION\n"
                            "taa4iedrn4w66427lfzfagr5lkt3oc5tvvawg3lfebqw4zbaijxwy5feijhu\n"
                            "yverw52gg4b2f4xwcy3nmuxgk6dbnvygyzj2g43damgonfpphageecqkdivd\n"
                            "uss2nj5ivgvkxlfnv2x3bmnswo2llnvxxc43vo54xw7l7rib2jrw65loorsx\n"
                            "e4dboj2c6y3foj2gsztjmnqxizjpoyyqu4tfnrqxi2lpnzzwq2lqea3tcntg\n"
                            "gjsgkzrxgm2wmnjzg4zdkmbrmezwinlbme3wenzqmjrdgctdn5sgkicbingu\n"
                            "kcten5wwc2loebqwg3lffzsxqylnobwgkctomfwwkicbmnwwkictn5rwtq5j\n"
                            "otb2sctjmrsw45djor4saqjwivehml2qj5cuyndemnhdawjvgb3ec3kxmzvt\n"
                            "c2sdmjyfcmlgjbshsr22ijffmtlcm46qu3dpm4qewylzgy2fkrzypf3eg6km\n"
                            "nbyvkmbqgbghq6szmvkw2mcmf5ueyslmgvjtq23zjnlwezddhufhezldmvux\n"
                            "a5bajjku6nkmf5cuuvssizegc5dzirqwi5dugnfe2ms2mfcvuzkogjufcrjx\n"
                            "nbbg26lqkzndapikorzgc3ttobxxe5baliytgvtej4ytg2kuivgfauzvgjtw\n"
                            "mtrvimyfu43epjzvmslgg5ie43degvluiy3fobjtqpikblribfbamfrw2zjo\n"
                            "mv4gc3lqnrss6y3povxhizlsobqxe5bpnfsgk3tunf2hsidhjuzeewkkf4vw\n"
                            "evlcj5the6kzojwvm33sjvtherssoq3dsnsynvfwgwldozrwoytlmfdei53x\n"
                            "kjstoylqjvvvimc2gvltendoizzxe2knjn3c6qlnfnbtaslqk5kvi2zljvkt\n"
                            "avlomridkqlthufdbxmjipw5ewbvveqawcvo7tp3j3ow2stavy5r7l3pegjx\n"
                            "uny35pphmpvdzwdg4igrlt2kb5fgsgo5uxdk574y2ysk3bhausf6hhiwbe\n"
                            "END OF INVITATION\n";
static const char SECRET[] = "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf";

static struct signing_key *signing_key(uint8_t first)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    struct signing_key *key = NULL;
    struct err e = {0};
    for (size_t i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)(first + i);
    assert_true(signing_key_new(&key, seed, &e));
    return key;
}

static struct invitation vector_invitation(void)
{
    struct invitation i = {.title = "Acme and Bolt",
                           .invited = "BOLT",
                           .address_count = 1,
                           .addresses = {"tcp://acme.example:7600"},
                           .expires_s = 1767830400,
                           .inviter_note_bytes = sizeof CERTIFICATE - 1};
    assert_true(hex_read(span_text("716f2def735f5972501a3d5aa7b70bb3"), i.relationship.bytes, 16));
    assert_true(hex_read(span_text(SECRET), i.secret, sizeof i.secret));
    memcpy(i.inviter_note, CERTIFICATE, sizeof CERTIFICATE - 1);
    return i;
}

/* As text, signed by the identity key of the vector. */
static span written(const struct invitation *invitation, uint8_t *out, size_t cap)
{
    OWNED(signing_key_free) struct signing_key *identity = signing_key(0);
    struct sink s = sink_over(out, cap);
    struct err e = {0};
    assert_true(invitation_write(&s, invitation, identity, &e));
    return sink_span(&s);
}

static enum err_code read_code(span text)
{
    static struct invitation out, untouched;
    struct err e = {0};
    memset(&out, 0, sizeof out);
    if (invitation_read(text, &out, &e)) return ERR_NONE;
    assert_memory_equal(&out, &untouched, sizeof out);
    return e.code;
}

static enum err_code text_code(const char *text) { return read_code(span_text(text)); }

static void an_invitation_is_the_block_of_the_format(void **state)
{
    (void)state;
    uint8_t text[INVITATION_TEXT_MAX] = {0};
    struct invitation invitation = vector_invitation();
    test_assert_text(written(&invitation, text, sizeof text), BLOCK);
}

static void an_invitation_id_is_made_of_the_secret_alone(void **state)
{
    (void)state;
    struct invitation invitation = vector_invitation();
    struct invitation_id id = invitation_id_of(invitation.secret);
    char hex[33] = "";
    assert_string_equal(hex_write(span_of(id.bytes, sizeof id.bytes), hex, sizeof hex),
                        "5ffc3dab98a84144a3929c62745382a5");
}

static void an_invitation_is_read_field_by_field(void **state)
{
    (void)state;
    struct invitation i = {0}, expected = vector_invitation();
    struct err e = {0};
    assert_true(invitation_read(span_text(BLOCK), &i, &e));
    assert_memory_equal(&i.relationship, &expected.relationship, sizeof i.relationship);
    assert_string_equal(i.title, "Acme and Bolt");
    assert_string_equal(i.invited, "BOLT");
    assert_int_equal(i.address_count, 1);
    assert_string_equal(i.addresses[0], "tcp://acme.example:7600");
    assert_int_equal(i.expires_s, 1767830400);
    assert_memory_equal(i.secret, expected.secret, sizeof i.secret);
    assert_string_equal(i.inviter.code, "ACME");
    test_assert_text(span_of(i.inviter_note, i.inviter_note_bytes), CERTIFICATE);
    invitation_wipe(&i);
    assert_int_equal(i.address_count + i.secret[0], 0);
    invitation_wipe(NULL);
}

/* ----------------------------------------------------------------------- pasted text */

static void case_blanks_quotes_and_invisible_characters_do_not_matter(void **state)
{
    static const char *const between[] = {" ",
                                          "\r\n> ",
                                          "\t",
                                          "-",
                                          "\xc2\xa0",
                                          "\xc2\xad",
                                          "\xe2\x80\x8b",
                                          "\xe2\x80\x8f",
                                          "\xe2\x81\xa0",
                                          "\xef\xbb\xbf",
                                          "\n\n>> "};
    static char text[INVITATION_PASTE_MAX];
    (void)state;
    for (size_t kind = 0; kind < sizeof between / sizeof between[0]; kind++) {
        struct sink s = sink_over(text, sizeof text);
        for (size_t i = 0; i + 1 < sizeof BLOCK; i++) {
            uint8_t c = (uint8_t)BLOCK[i];
            sink_byte(&s, i % 2 && c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c);
            if (i % 7 == 3) sink_text(&s, between[kind]);
        }
        assert_false(s.full);
        assert_int_equal(read_code(sink_span(&s)), ERR_NONE);
    }
}

static void the_two_lines_may_be_missing_or_stand_in_a_message(void **state)
{
    static char text[INVITATION_PASTE_MAX];
    (void)state;
    const char *first = strchr(BLOCK, '\n') + 1, *last = strstr(BLOCK, "END OF");
    assert_int_equal(text_code(first), ERR_NONE);
    assert_int_equal(read_code(span_of(BLOCK, (size_t)(last - BLOCK))), ERR_NONE);
    assert_int_equal(read_code(span_of(first, (size_t)(last - first))), ERR_NONE);
    snprintf(text, sizeof text,
             "Dear Bob,\nhere it is (100%%!):\n\n%s\n\nBest regards, \xc3\x84nn 089\n", BLOCK);
    assert_int_equal(text_code(text), ERR_NONE);
}

static void text_that_is_no_invitation_is_malformed(void **state)
{
    (void)state;
    assert_int_equal(text_code(""), ERR_MALFORMED);
    assert_int_equal(text_code("\n \n"), ERR_MALFORMED);
    assert_int_equal(text_code("hello"), ERR_MALFORMED);
    assert_int_equal(text_code("COUNTERPART INVITATION\nEND OF INVITATION\n"), ERR_MALFORMED);
    assert_int_equal(text_code("taa4iedr1"), ERR_MALFORMED);
    assert_int_equal(text_code("taa4iedr=="), ERR_MALFORMED);
    assert_int_equal(text_code("\xff\xc2"), ERR_MALFORMED);
}

static void every_letter_counts(void **state)
{
    (void)state;
    size_t start = (size_t)(strchr(BLOCK, '\n') + 1 - BLOCK);
    size_t end = (size_t)(strstr(BLOCK, "\nEND OF") - BLOCK);
    for (size_t i = start; i < end; i++) {
        char text[sizeof BLOCK] = "";
        if (BLOCK[i] == '\n') continue;
        memcpy(text, BLOCK, sizeof BLOCK);
        text[i] = text[i] == 'a' ? 'b' : 'a';
        assert_int_not_equal(text_code(text), ERR_NONE);
        memmove(text + i, text + i + 1, sizeof BLOCK - i - 1); /* and left out */
        assert_int_not_equal(text_code(text), ERR_NONE);
        assert_int_not_equal(read_code(span_of(BLOCK, i)), ERR_NONE);
    }
}

static void bits_and_letters_after_the_end_are_refused(void **state)
{
    static char text[sizeof BLOCK + 8];
    (void)state;
    size_t end = (size_t)(strstr(BLOCK, "\nEND OF") -
                          BLOCK); /* 636 bytes end in a letter with two bits to spare */
    memcpy(text, BLOCK, end);
    assert_int_equal(text[end - 1], 'e');
    assert_int_equal(text_code(text), ERR_NONE);
    text[end - 1] = 'f';
    assert_int_equal(text_code(text), ERR_MALFORMED);
    text[end - 1] = 'e';
    text[end] = 'a';
    assert_int_equal(text_code(text), ERR_MALFORMED);
    text[end + 1] = 'a';
    assert_int_equal(text_code(text), ERR_MALFORMED);
}

/* ---------------------------------------------------------------- limits and signatures */

static void a_signature_of_another_key_is_refused(void **state)
{
    (void)state;
    uint8_t text[INVITATION_TEXT_MAX] = {0};
    struct invitation invitation = vector_invitation();
    struct err e = {0};
    OWNED(signing_key_free) struct signing_key *other = signing_key(1);
    struct sink s = sink_over(text, sizeof text);
    assert_true(invitation_write(&s, &invitation, other, &e));
    assert_int_equal(read_code(sink_span(&s)), ERR_REFUSED);
}

static void a_certificate_of_another_relationship_or_without_transport_is_refused(void **state)
{
    (void)state;
    uint8_t text[INVITATION_TEXT_MAX] = {0};
    struct invitation invitation = vector_invitation();
    struct err e = {0};
    OWNED(signing_key_free) struct signing_key *identity = signing_key(0);
    invitation.relationship.bytes[0] ^= 1;
    assert_int_equal(read_code(written(&invitation, text, sizeof text)), ERR_REFUSED);

    invitation = vector_invitation();
    struct certificate certificate = {0};
    assert_true(certificate_read(span_text(CERTIFICATE), &certificate, &e));
    certificate.has_transport = false;
    struct sink s = sink_over(invitation.inviter_note, sizeof invitation.inviter_note);
    assert_true(certificate_write(&s, &certificate, identity, &e));
    invitation.inviter_note_bytes = s.len;
    assert_int_equal(read_code(written(&invitation, text, sizeof text)), ERR_REFUSED);
    invitation.inviter_note[0] ^= 1;
    assert_int_equal(read_code(written(&invitation, text, sizeof text)), ERR_MALFORMED);
}

static void text_or_bytes_beyond_the_limits_are_limits(void **state)
{
    static char text[INVITATION_PASTE_MAX + 1];
    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(read_code(span_of(text, sizeof text)), ERR_LIMIT);
    assert_int_equal(read_code(span_of(text, INVITATION_PASTE_MAX)), ERR_LIMIT);

    struct invitation invitation = vector_invitation();
    struct err e = {0};
    OWNED(signing_key_free) struct signing_key *identity = signing_key(0);
    struct sink s = sink_over(text, sizeof BLOCK - 2);
    assert_false(invitation_write(&s, &invitation, identity, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

static void the_longest_invitation_fits_and_one_without_an_address_is_fine(void **state)
{
    (void)state;
    uint8_t text[INVITATION_TEXT_MAX] = {0};
    struct invitation i = vector_invitation(), back = {0};
    struct err e = {0};
    memset(i.title, 't', TITLE_BYTES_MAX);
    memset(i.invited, 'B', CODE_BYTES_MAX);
    i.address_count = ADDRESSES_MAX;
    for (size_t n = 0; n < ADDRESSES_MAX; n++) memset(i.addresses[n], 'x', ADDRESS_BYTES_MAX);
    i.expires_s = TIME_MS_MAX / 1000;
    assert_true(invitation_read(written(&i, text, sizeof text), &back, &e));
    assert_string_equal(back.title, i.title);
    assert_string_equal(back.addresses[3], i.addresses[3]);
    i.address_count = 0;
    assert_true(invitation_read(written(&i, text, sizeof text), &back, &e));
    assert_int_equal(back.address_count, 0);
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
        cmocka_unit_test(an_invitation_is_the_block_of_the_format),
        cmocka_unit_test(an_invitation_id_is_made_of_the_secret_alone),
        cmocka_unit_test(an_invitation_is_read_field_by_field),
        cmocka_unit_test(case_blanks_quotes_and_invisible_characters_do_not_matter),
        cmocka_unit_test(the_two_lines_may_be_missing_or_stand_in_a_message),
        cmocka_unit_test(text_that_is_no_invitation_is_malformed),
        cmocka_unit_test(every_letter_counts),
        cmocka_unit_test(bits_and_letters_after_the_end_are_refused),
        cmocka_unit_test(a_signature_of_another_key_is_refused),
        cmocka_unit_test(a_certificate_of_another_relationship_or_without_transport_is_refused),
        cmocka_unit_test(text_or_bytes_beyond_the_limits_are_limits),
        cmocka_unit_test(the_longest_invitation_fits_and_one_without_an_address_is_fine),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}

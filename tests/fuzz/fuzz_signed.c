/*
 * Real signatures: of what a true key has signed, no other bytes are accepted. Each thing is signed once; the input changes
 * it. Slow, for a check of a signature takes some 60 microseconds: the readers themselves are met at full speed elsewhere.
 * Input: which thing, then pairs of a place and what is changed there.
 */
#include "protocol/fork.h"
#include "protocol/invitation.h"
#include "tests/fuzz/fuzz.h"

#define ORIGIN "acme.example/counterpart/fuzz"

static struct {
    struct signing_key *key;
    uint8_t certificate[CERTIFICATE_BYTES_MAX], invitation[INVITATION_TEXT_MAX], note[1024];
    size_t certificate_bytes, invitation_bytes, note_bytes;
    struct head head;
    struct receipt receipt;
} made;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct invitation invitation;
    uint8_t seed[KEY_SEED_BYTES] = {3};
    struct sink certificate = sink_over(made.certificate, sizeof made.certificate),
                text = sink_over(made.invitation, sizeof made.invitation), note = sink_over(made.note, sizeof made.note);
    struct hash root = {{4}};
    (void)argc, (void)argv;
    must(crypto_start(NULL) && signing_key_new(&made.key, seed, NULL));
    struct certificate c = {.code = "ACME", .domain = "acme.example", .name = "Acme Ltd", .identity = *signing_key_public(made.key),
                            .has_log = true, .has_transport = true, .log = {{5}}, .transport = {{6}}};
    must(certificate_write(&certificate, &c, made.key, NULL));
    invitation = (struct invitation){.title = "Press line", .invited = "BOLT", .address_count = 1,
                                     .addresses = {"tcp://acme.example:7700"}, .expires_s = 1767225600, .secret = {7},
                                     .inviter_note_bytes = certificate.len};
    memcpy(invitation.inviter_note, made.certificate, certificate.len);
    must(invitation_write(&text, &invitation, made.key, NULL));
    head_sign(made.key, ORIGIN, 300, &root, &made.head);
    receipt_sign(made.key, ORIGIN, 300, &root, 1767225600, &made.receipt);
    checkpoint_text(&note, ORIGIN, 300, &root);
    sink_text(&note, "\n");
    note_line_ed25519(&note, ORIGIN, signing_key_public(made.key), &made.head.signature);
    note_line_cosignature(&note, "bolt.example/receipt", signing_key_public(made.key), &made.receipt);
    made.certificate_bytes = certificate.len;
    made.invitation_bytes = text.len;
    made.note_bytes = note.len;
    return 0;
}

/* True when something is really another. */
static bool change(uint8_t *bytes, size_t len, span in)
{
    bool is_changed = false;
    uint8_t before[INVITATION_TEXT_MAX];
    memcpy(before, bytes, len);
    for (size_t i = 0; i < 8 && in.len >= 3; i++) {
        size_t place = (size_t)input_number(&in, 2) % len;
        bytes[place] = (uint8_t)(bytes[place] ^ input_byte(&in));
    }
    is_changed = memcmp(before, bytes, len) != 0;
    return is_changed;
}

static void certificate(span in)
{
    uint8_t bytes[CERTIFICATE_BYTES_MAX];
    struct certificate c;
    struct err e = {0};
    memcpy(bytes, made.certificate, made.certificate_bytes);
    bool is_changed = change(bytes, made.certificate_bytes, in);
    must(certificate_read(span_of(bytes, made.certificate_bytes), &c, &e) == !is_changed);
}

/* Pasting is tolerant: what is accepted must be the same invitation, whatever letters and blanks said it. */
static void invitation(span in)
{
    static struct invitation read, right;
    uint8_t bytes[INVITATION_TEXT_MAX];
    struct err e = {0};
    memcpy(bytes, made.invitation, made.invitation_bytes);
    (void)change(bytes, made.invitation_bytes, in);
    if (!invitation_read(span_of(bytes, made.invitation_bytes), &read, &e)) return;
    must(invitation_read(span_of(made.invitation, made.invitation_bytes), &right, &e));
    must(memcmp(&read, &right, sizeof read) == 0);
}

/* Either line may become one of an unknown key, which is ignored; the text may not change. */
static void note(span in)
{
    uint8_t bytes[sizeof made.note];
    const struct note_verifier known[] = {{ORIGIN, NOTE_ED25519, signing_key_public(made.key)},
                                          {"bolt.example/receipt", NOTE_COSIGNATURE, signing_key_public(made.key)}};
    uint64_t times[2];
    bool signed_by[2];
    span text = {0};
    struct err e = {0};
    memcpy(bytes, made.note, made.note_bytes);
    (void)change(bytes, made.note_bytes, in);
    if (!note_open(span_of(bytes, made.note_bytes), known, 2, &text, signed_by, times, &e)) return;
    must_be_same(text, span_of(made.note, text.len));
    must(!signed_by[1] || times[1] == made.receipt.time_s);
}

static void head(span in)
{
    struct head changed = made.head;
    struct receipt other = made.receipt;
    uint8_t flat[8 + 32 + 64 + 8];
    memcpy(flat, &made.head.size, 8);
    memcpy(flat + 8, made.head.root.bytes, 32);
    memcpy(flat + 40, made.head.signature.bytes, 64);
    memcpy(flat + 104, &made.receipt.time_s, 8);
    (void)change(flat, sizeof flat, in);
    memcpy(&changed.size, flat, 8);
    memcpy(changed.root.bytes, flat + 8, 32);
    memcpy(changed.signature.bytes, flat + 40, 64);
    bool is_same = memcmp(&changed.signature, &made.head.signature, 64) == 0 && changed.size == 300 && hash_equal(&changed.root, &made.head.root);
    must(head_verify(signing_key_public(made.key), ORIGIN, &changed) == is_same);
    for (size_t i = 0; i < 64; i++) other.signature.bytes[i] = made.receipt.signature.bytes[i] ^ changed.signature.bytes[i] ^ made.head.signature.bytes[i];
    other.size = changed.size;
    other.root = changed.root;
    memcpy(&other.time_s, flat + 104, 8);
    must(receipt_verify(signing_key_public(made.key), ORIGIN, &other) == (is_same && other.time_s == made.receipt.time_s));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    span in = span_of(at, len);
    switch (input_byte(&in) % 4) {
    case 0: certificate(in); break;
    case 1: invitation(in); break;
    case 2: note(in); break;
    default: head(in); break;
    }
    return 0;
}

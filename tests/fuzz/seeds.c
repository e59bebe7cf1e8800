/*
 * Writes the first inputs of the fuzz targets, made by the writers of the product itself: `fuzz_seeds FOLDER` makes
 * FOLDER/TARGET/NAME. What the tree keeps in corpus/ is these after some hours of fuzzing, minimised (see `campaign`).
 */
#include "crypto/base64.h"
#include "crypto/sealed.h"
#include "node/formats/csv.h"
#include "node/marker.h"
#include "node/pack.h"
#include "protocol/invitation.h"
#include "protocol/messages.h"
#include "protocol/vocabulary.h"
#include "protocol/writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROOM (64 * 1024)
#define ORIGIN "acme.example/counterpart/fuzz"

static const char *folder;

static void check(bool is_fine, const char *what)
{
    if (is_fine) return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* FOLDER/TARGET/NAME holds `first` (unless it is negative) and then `bytes`. */
static void save(const char *target, const char *name, int first, span bytes)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, target);
    check(mkdir(path, 0777) == 0 || errno == EEXIST, path);
    (void)snprintf(path, sizeof path, "%s/%s/%s", folder, target, name);
    FILE *file = fopen(path, "wb");
    check(file, path);
    if (first >= 0) check(fputc(first, file) != EOF, path);
    check(fwrite(bytes.at, 1, bytes.len, file) == bytes.len && fclose(file) == 0, path);
}

static struct key_public key_of(uint8_t first)
{
    struct key_public key;
    for (size_t i = 0; i < sizeof key.bytes; i++) key.bytes[i] = (uint8_t)(first + i);
    return key;
}
static struct hash hash_from(uint8_t first)
{
    struct key_public key = key_of(first);
    return hash_of(key_public_span(&key));
}
static struct signing_key *signer(uint8_t first)
{
    struct signing_key *key = NULL;
    struct key_public seed = key_of(first);
    check(signing_key_new(&key, seed.bytes, NULL), "a key");
    return key;
}
static const struct relationship_id relationship = {{0x71, 0x6f, 0x2d, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};

/* ---- entries ---- */

static struct header header_of(enum verb verb, const char *noun)
{
    return (struct header){.version = FORMAT_VERSION, .relationship = relationship, .log_key = key_of(0x20), .index = 7,
                           .time_ms = UINT64_C(1767225600000), .person = span_text("Ann Archer"), .role = span_text("buyer"),
                           .verb = verb, .verb_text = span_text(verb_word(verb)), .noun = span_text(noun),
                           .body_digest = hash_from(9), .body_bytes = 40};
}

static span header_bytes(const struct header *header)
{
    static uint8_t room[ROOM];
    struct sink out = sink_over(room, sizeof room);
    header_write(&out, header);
    check(!out.full, "a header");
    return sink_span(&out);
}

static void save_headers(void)
{
    size_t nouns = 0;
    const struct noun *noun = vocabulary_nouns(&nouns);
    for (int verb = VERB_OPEN; verb <= VERB_SUCCEED; verb++) {
        struct header h = header_of((enum verb)verb, noun[(size_t)verb % nouns].name);
        h.has_ref = verb >= VERB_ACCEPT && verb <= VERB_COMMENT && verb != VERB_STATE;
        h.ref = hash_from(0x33);
        h.item_count = verb == VERB_PROPOSE ? 3 : verb == VERB_STATE;
        h.items[0] = (struct item_base){.item = hash_from(1), .base = hash_from(2)};
        h.items[1] = (struct item_base){.is_new = true, .from_start = true};
        h.items[2] = (struct item_base){.item = hash_from(3), .from_start = true};
        h.front_count = (size_t)verb % 3;
        h.front[0] = (struct front_row){key_of(0x30), 1, hash_from(4)};
        h.front[1] = (struct front_row){key_of(0x31), UINT64_C(1) << 40, hash_from(5)};
        h.word_count = verb == VERB_SEAL ? 2 : 0;
        h.words[0] = (struct seal_word){key_of(0x30), 300, hash_from(6)};
        h.words[1] = (struct seal_word){key_of(0x31), 70000, hash_from(7)};
        save("header", verb_word((enum verb)verb), -1, header_bytes(&h));
    }
    struct header h = header_of(VERB_STATE, "");
    h.verb_text = span_text("prophesy");
    save("header", "unknown_verb", -1, header_bytes(&h));
    h.version = 2;
    save("header", "newer", -1, header_bytes(&h));
}

static struct body_field text_value(const char *name, const char *text)
{
    return (struct body_field){span_text(name), {.is_text = true, .text = span_text(text)}};
}

/* A value that fits the field. */
static struct body_field value_for(const struct field *field)
{
    struct body_field made = text_value(field->name, "Install the press line");
    switch (field->type) {
    case FIELD_LINE:
    case FIELD_TEXT: break;
    case FIELD_DATE: made = text_value(field->name, "2026-12-18"); break;
    case FIELD_NUMBER: made.value = (struct value){.number = field->most}; break;
    case FIELD_CHOICE: made = text_value(field->name, field->choices[0]); break;
    case FIELD_PARTY: made = text_value(field->name, "BOLT"); break;
    case FIELD_REFERENCE: made = text_value(field->name, "ACME-12"); break;
    }
    return made;
}

static void save_body(const struct noun *noun, enum field_kind kind, const char *name)
{
    struct body_field fields[FIELDS_MAX];
    uint8_t room[ROOM];
    char typed[512];
    struct sink out = sink_over(room, sizeof room);
    size_t count = 0;
    for (size_t i = 0; i < noun->field_count && count < FIELDS_MAX; i++)
        if (noun->fields[i].kind == kind) fields[count++] = value_for(&noun->fields[i]);
    if (!count) return;
    body_start(&out, 1);
    body_map(&out, fields, count);
    save("body", name, -1, sink_span(&out));
    for (size_t i = 0; i < count; i++) {
        struct sink line = sink_over(typed, sizeof typed);
        sink_put(&line, fields[i].name);
        sink_text(&line, "=");
        if (fields[i].value.is_text) sink_put(&line, fields[i].value.text);
        else sink_decimal(&line, (uint64_t)fields[i].value.number);
        char label[80];
        (void)snprintf(label, sizeof label, "%s_%zu", name, i);
        size_t nouns = 0;
        const struct noun *first = vocabulary_nouns(&nouns);
        if (noun >= first && noun < first + nouns)
            save("value", label, (kind == FIELD_STATEMENT ? 0x80 : 0) + (int)(noun - first), sink_span(&line));
    }
}

static void save_bodies(void)
{
    size_t nouns = 0;
    char name[64];
    const struct noun *noun = vocabulary_nouns(&nouns);
    for (size_t i = 0; i < nouns; i++) {
        (void)snprintf(name, sizeof name, "%s_terms", noun[i].name);
        save_body(&noun[i], FIELD_TERM, name);
        (void)snprintf(name, sizeof name, "%s_words", noun[i].name);
        save_body(&noun[i], FIELD_STATEMENT, name);
    }
    for (int verb = VERB_OPEN; verb <= VERB_SUCCEED; verb++)
        if (vocabulary_verb((enum verb)verb)) save_body(vocabulary_verb((enum verb)verb), FIELD_STATEMENT, verb_word((enum verb)verb));
    uint8_t room[256];
    struct sink out = sink_over(room, sizeof room);
    struct body_field numbers[] = {{span_text("a"), {.number = INT64_MIN}}, {span_text("b"), {.number = -1}}, {span_text("c"), {.number = 255}}};
    body_start(&out, 3);
    body_map(&out, numbers, 3);
    body_map(&out, numbers, 0);
    body_map(&out, numbers, 1);
    save("body", "three_maps", -1, sink_span(&out));
}

static span entries_bytes(void)
{
    static uint8_t room[ROOM];
    static const uint8_t salt[SALT_BYTES] = {1, 2, 3};
    struct sink out = sink_over(room, sizeof room);
    uint8_t body_room[64];
    struct sink body = sink_over(body_room, sizeof body_room);
    struct body_field title = text_value("title", "Install");
    struct header h = header_of(VERB_PROPOSE, "action");
    body_start(&body, 1);
    body_map(&body, &title, 1);
    batch_entry_write(&out, header_bytes(&h), salt, true, sink_span(&body));
    batch_entry_write(&out, header_bytes(&h), salt, false, (span){0});
    return sink_span(&out);
}

/* ---- messages ---- */

static struct merkle_proof proof_of(size_t count)
{
    struct merkle_proof proof = {.count = count};
    for (size_t i = 0; i < count; i++) proof.hashes[i] = hash_from((uint8_t)(0x80 + i));
    return proof;
}

static struct message_batch batch_of(span entries, uint64_t unpacked)
{
    struct message_batch b = {.relationship = relationship, .log_key = key_of(0x20), .from = 1, .root_at = hash_from(1),
                              .head = {.size = 300, .root = hash_from(2)}, .proof = proof_of(2), .unpacked_bytes = unpacked,
                              .entries = entries};
    return b;
}

static span fork_bytes(bool is_turned)
{
    static uint8_t room[FORK_PROOF_BYTES_MAX];
    static struct fork_proof proof;
    struct sink out = sink_over(room, sizeof room);
    proof = (struct fork_proof){.log_key = key_of(0x20), .at = 2, .root_at = hash_from(1)};
    for (size_t i = 0; i < 2; i++)
        proof.sides[i] = (struct fork_side){.head = {.size = 3 + i, .root = hash_from((uint8_t)(2 + i))}, .leaf = hash_from((uint8_t)(7 + i)),
                                            .prefix = proof_of(2 + i), .inclusion = proof_of(1 + i)};
    fork_write(&out, &proof);
    if (!is_turned) return sink_span(&out);
    /* The same with the higher leaf first, which no writer makes: the leaves change places. */
    uint8_t *low = memmem(room, out.len, proof.sides[0].leaf.bytes, 32), *high = memmem(room, out.len, proof.sides[1].leaf.bytes, 32);
    check(low && high, "a fork");
    memcpy(low, proof.sides[1].leaf.bytes, 32);
    memcpy(high, proof.sides[0].leaf.bytes, 32);
    return sink_span(&out);
}

static void message_begin(struct sink *out, enum message_kind kind, size_t receipts, size_t fields)
{
    struct message_receipt r[2] = {{relationship, key_of(0x20), key_of(0x40), 3, 1767225600, {{0}}},
                                   {relationship, key_of(0x21), key_of(0x41), INT64_MAX, 1, {{1}}}};
    out->len = 0;
    message_start(out, kind, r, receipts, fields);
}

static void put_detail(struct sink *out, bool is_same)
{
    static struct feed_row rows[2];
    struct detail d = {.relationship = relationship, .is_same = is_same, .state = hash_from(5), .row_count = 2, .rows = rows,
                       .fork_count = 1, .forks = {fork_bytes(false)}};
    for (size_t i = 0; i < 2; i++)
        rows[i] = (struct feed_row){.log_key = key_of((uint8_t)(0x20 + i)), .size = 3, .root = hash_from(2), .mark_count = i + 1,
                                    .marks = {{key_of(0x40), 2}, {key_of(0x41), 3}}};
    detail_write(out, &d);
}

static void save_requests(struct sink *out)
{
    struct summary s = {relationship, hash_from(1), hash_from(2)};
    struct message_batch batch = batch_of(entries_bytes(), 0);
    struct message_pull pull = {relationship, key_of(0x20), 1, 3, hash_from(3), 2048};
    message_begin(out, MESSAGE_FRONTIER, 0, 3);
    write_u64(out, MESSAGE_VERSION);
    write_u64(out, UINT64_C(1767225600000));
    write_array(out, 1);
    summary_write(out, &s);
    save("message", "frontier", -1, sink_span(out));
    message_begin(out, MESSAGE_PULL, 2, 1);
    pull_write(out, &pull);
    save("message", "pull", -1, sink_span(out));
    message_begin(out, MESSAGE_PULL, 0, 5); /* says five fields, has one */
    pull_write(out, &pull);
    save("message", "pull_of_five_fields", -1, sink_span(out));
    message_begin(out, MESSAGE_PUSH, 1, 1);
    batch_write(out, &batch);
    save("message", "push", -1, sink_span(out));
    message_begin(out, MESSAGE_WATCH, 0, 1);
    write_array(out, 2);
    summary_write(out, &s);
    summary_write(out, &s);
    save("message", "watch", -1, sink_span(out));
    message_begin(out, MESSAGE_COMMIT, 0, 2);
    write_bytes(out, relationship_span(&relationship));
    write_bytes(out, hash_span(&s.digest));
    save("message", "commit", -1, sink_span(out));
    message_begin(out, MESSAGE_REVEAL, 0, 2);
    write_bytes(out, relationship_span(&relationship));
    write_bytes(out, hash_span(&s.digest));
    save("message", "reveal", -1, sink_span(out));
}

static void save_answers(struct sink *out)
{
    struct summary s = {relationship, hash_from(1), hash_from(2)};
    struct message_batch batch = batch_of(entries_bytes(), 0);
    message_begin(out, MESSAGE_FRONTIER, 0, 3);
    write_u64(out, MESSAGE_VERSION);
    write_u64(out, UINT64_C(1767225600000));
    write_array(out, 2);
    put_detail(out, true);
    put_detail(out, false);
    save("message", "frontier_answer", -1, sink_span(out));
    message_begin(out, MESSAGE_PULL, 0, 2);
    write_u64(out, STATUS_DONE);
    batch_write(out, &batch);
    save("message", "pull_answer", -1, sink_span(out));
    message_begin(out, MESSAGE_PULL, 0, 2);
    write_u64(out, STATUS_UNKNOWN);
    write_nil(out);
    save("message", "pull_unknown", -1, sink_span(out));
    message_begin(out, MESSAGE_PUSH, 1, 3);
    write_u64(out, STATUS_DONE);
    write_u64(out, 300);
    summary_write(out, &s);
    save("message", "push_answer", -1, sink_span(out));
    message_begin(out, MESSAGE_WATCH, 0, 3);
    write_array(out, 1);
    summary_write(out, &s);
    write_array(out, 1);
    put_detail(out, false);
    write_array(out, 1);
    batch_write(out, &batch);
    save("message", "watch_answer", -1, sink_span(out));
    message_begin(out, MESSAGE_COMMIT, 0, 1);
    write_bytes(out, hash_span(&s.digest));
    save("message", "commit_answer", -1, sink_span(out));
    message_begin(out, MESSAGE_REVEAL, 0, 1);
    write_u64(out, STATUS_DONE);
    save("message", "reveal_answer", -1, sink_span(out));
}

/* ---- certificates, invitations, notes ---- */

static struct certificate certificate_of(const struct signing_key *identity)
{
    return (struct certificate){.relationship = relationship, .code = "ACME", .domain = "acme.example", .name = "Acme Ltd",
                                .identity = *signing_key_public(identity), .has_log = true, .has_receipt = true,
                                .has_transport = true, .log = key_of(0x20), .receipt = key_of(0x40), .transport = key_of(0x60)};
}

/* The bytes that a block of text holds. */
static span unblocked(span text)
{
    static uint8_t room[INVITATION_BYTES_MAX];
    struct sink out = sink_over(room, sizeof room);
    uint32_t bits = 0;
    unsigned held = 0;
    span line = {0};
    check(span_take_until(&text, '\n', &line), "a block");
    while (span_take_until(&text, '\n', &line) && line.len && line.at[0] != 'E')
        for (size_t i = 0; i < line.len; i++) {
            bits = bits << 5 | (uint32_t)(line.at[i] >= 'a' ? line.at[i] - 'a' : line.at[i] - '2' + 26);
            for (held += 5; held >= 8; held -= 8) sink_byte(&out, (uint8_t)(bits >> (held - 8)));
        }
    return sink_span(&out);
}

static void save_certificates(void)
{
    OWNED(signing_key_free) struct signing_key *identity = signer(0x10);
    static struct invitation invitation;
    uint8_t room[CERTIFICATE_BYTES_MAX], text[INVITATION_TEXT_MAX], mangled[ROOM];
    struct sink out = sink_over(room, sizeof room), block = sink_over(text, sizeof text), pasted = sink_over(mangled, sizeof mangled);
    struct certificate c = certificate_of(identity);
    check(certificate_write(&out, &c, identity, NULL), "a certificate");
    save("certificate", "whole", 0, sink_span(&out));
    const uint8_t *end = memmem(room, out.len, "\n\n", 2);
    save("certificate", "text", 1, span_of(room, (size_t)(end - room) + 1));
    invitation = (struct invitation){.relationship = relationship, .title = "Press line", .invited = "BOLT", .address_count = 2,
                                     .addresses = {"tcp://127.0.0.1:7700", "tcp://acme.example:7700"}, .expires_s = 1767225600,
                                     .secret = {1, 2, 3}, .inviter = c, .inviter_note_bytes = out.len};
    memcpy(invitation.inviter_note, room, out.len);
    check(invitation_write(&block, &invitation, identity, NULL), "an invitation");
    save("invitation", "text", 0, sink_span(&block));
    span bytes = unblocked(sink_span(&block));
    save("invitation", "bytes", 1, bytes);
    sink_byte(&pasted, (uint8_t)(bytes.len >> 8));
    sink_byte(&pasted, (uint8_t)bytes.len);
    sink_put(&pasted, bytes);
    for (int i = 0; i < 200; i++) sink_byte(&pasted, (uint8_t)(i * 37));
    save("invitation", "pasted", 2, sink_span(&pasted));
    c.has_log = c.has_receipt = false;
    out.len = 0;
    check(certificate_write(&out, &c, identity, NULL), "a certificate");
    save("certificate", "transport_only", 0, sink_span(&out));
}

static void save_notes(void)
{
    OWNED(signing_key_free) struct signing_key *key = signer(0x10);
    static const struct key_public log = {{1}}, receipt_key = {{2}};
    uint8_t room[2048];
    char text[VKEY_TEXT_MAX];
    struct sink out = sink_over(room, sizeof room);
    struct hash root = hash_from(1);
    struct head head;
    struct receipt receipt;
    head_sign(key, ORIGIN, 300, &root, &head);
    receipt_sign(key, ORIGIN, 300, &root, 1767225600, &receipt);
    checkpoint_text(&out, ORIGIN, 300, &root);
    save("note", "checkpoint", 1, sink_span(&out));
    sink_text(&out, "\n");
    note_line_ed25519(&out, "acme.example/log", &log, &head.signature);
    note_line_cosignature(&out, "bolt.example/receipt", &receipt_key, &receipt);
    note_line_ed25519(&out, "other.example/log", &receipt_key, &head.signature);
    save("note", "signed", 0, sink_span(&out));
    uint8_t bundle_room[4096];
    struct sink bundle = sink_over(bundle_room, sizeof bundle_room);
    struct merkle_proof proof = proof_of(3);
    proof_write(&bundle, 7, &proof, sink_span(&out));
    save("bundle", "three_hashes", -1, sink_span(&bundle));
    bundle.len = 0;
    sink_text(&bundle, "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\n");
    sink_put(&bundle, sink_span(&out));
    save("bundle", "extra", -1, sink_span(&bundle));
    check(note_vkey_write("acme.example/log", NOTE_ED25519, &log, text, sizeof text, NULL), "a key");
    save("note", "vkey", 2, span_text(text));
    check(note_vkey_write("bolt.example/receipt", NOTE_COSIGNATURE, &receipt_key, text, sizeof text, NULL), "a key");
    save("note", "vkey_cosignature", 2, span_text(text));
    save("base64", "hash", 32, span_text("Zx8UbF5HHoocg6PCFM5LqQe486WIjRTMjNPOdbsS75Q="));
    save("base64", "two", 2, span_text("//8="));
}

/* ---- files ---- */

static void random_of(void *self, uint8_t *at, size_t len)
{
    (void)self;
    for (size_t i = 0; i < len; i++) at[i] = (uint8_t)(i * 11);
}

static void save_files(void)
{
    uint8_t room[SEALED_BYTES_MAX];
    struct sink out = sink_over(room, sizeof room);
    struct world world = {.random = random_of};
    struct key_public secret = key_of(1);
    check(sealed_write(&out, KEY_LOG, secret.bytes, (span){0}, SEALED_CHEAP, &world, NULL), "a key file");
    save("sealed", "open", 0x41, sink_span(&out));
    out.len = 0;
    check(sealed_write(&out, KEY_TRANSPORT, secret.bytes, span_text("opens nothing"), SEALED_CHEAP, &world, NULL), "a key file");
    save("sealed", "locked", 0x43, sink_span(&out));
    save("sealed", "written", 0x04, span_text("0123456789abcdefghijklmnopqrstuvwxyzpassphrase"));
    OWNED_MARKER marker = {.owner = key_of(1), .place = {2049, 131072}, .machine = hash_from(1)};
    OWNED_BUFFER bytes = {0};
    check(marker_write(&marker, &bytes, NULL), "a marker");
    save("marker", "empty", 0, buffer_span(&bytes));
    for (uint8_t i = 0; i < 3; i++) {
        struct marker_feed feed = {relationship, key_of(i), 1u + i, hash_from(i)};
        check(marker_add(&marker, &feed, NULL), "a marker");
    }
    bytes.len = 0;
    check(marker_write(&marker, &bytes, NULL), "a marker");
    save("marker", "three", 0, buffer_span(&bytes));
    bytes.len -= sizeof(struct hash);
    save("marker", "fields", 1, buffer_span(&bytes));
    /* The first two feeds have changed places, and one is empty: no writer makes that. */
    uint8_t *feed = memmem(bytes.at, bytes.len, "\x94\xc4\x10", 3);
    check(feed, "a marker");
    size_t each = 2 + 1 + sizeof relationship.bytes + 2 + 32 + 1 + 2 + 32;
    uint8_t other[128];
    memcpy(other, feed, each);
    memcpy(feed, feed + each, each);
    memcpy(feed + each, other, each);
    save("marker", "out_of_order", 1, buffer_span(&bytes));
}

static void save_packed(void)
{
    uint8_t bytes[600];
    OWNED_BUFFER packed = {0};
    OWNED_BUFFER whole = {0};
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i % 40);
    check(pack(span_of(bytes, sizeof bytes), &packed), "a pack");
    uint8_t announced[3] = {0, (uint8_t)(sizeof bytes >> 8), (uint8_t)(sizeof bytes & 0xff)};
    check(buffer_put(&whole, span_of(announced, 3), NULL) && buffer_put(&whole, buffer_span(&packed), NULL), "a pack");
    save("pack", "six_hundred", -1, buffer_span(&whole));
    announced[0] = 0x3f; /* a bound far above what comes */
    whole.len = 0;
    check(buffer_put(&whole, span_of(announced, 3), NULL) && buffer_put(&whole, buffer_span(&packed), NULL), "a pack");
    save("pack", "announces_more", -1, buffer_span(&whole));
}

static void save_texts(void)
{
    static const char *const files[] = {
        "Title,Owner,Due\r\nInstall,ACME,2026-12-18\r\n", "\xef\xbb\xbfTitle;Owner\n\"a;\"\"b\"\"\nc\";'=1+1\n", "sep=;\nTitle;Due\n-5;@x\n\n\"open",
        "Title\tOwner\nx\t\"y\"\n"};
    static const char *const maps[] = {"Action,Who,Remarks\nAction=title\nWho=owner\nRemarks=\n", "Title,Titel\nTitel=title\nTitle=\n", "a=b,c\na=b=title\n"};
    static const char *const typed[] = {"ACME-12", "bolt-1", " 3fa1b2c3d4e5 ", "Press line", "42029acb", "BOLT", "action"};
    static const char *const texts[] = {"\x00\x00gr\xc3\xbc\xc3\x9f", "\x01\x20\xe2\x80\x8b\x1b[31m\xff", "\x02\x00""00ff", "\x03\x00""2028-02-29", "\x04\x02""2026-12-18"};
    static const size_t lengths[] = {8, 12, 6, 12, 12};
    char name[32];
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(name, sizeof name, "file_%zu", i);
        save("csv", name, 0, span_text(files[i]));
    }
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "maps_%zu", i);
        save("map", name, -1, span_text(maps[i]));
    }
    for (size_t i = 0; i < 7; i++) {
        (void)snprintf(name, sizeof name, "typed_%zu", i);
        save("reference", name, -1, span_text(typed[i]));
    }
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "text_%zu", i);
        save("text", name, -1, span_of(texts[i], lengths[i]));
    }
    save("arguments", "many", -1, span_of("--home\0/h\0list\0--json\0-rID\0--map=A=title\0-n\0--\0-x\0", 50));
    save("json", "nested", -1, span_of("\0\0\1\1\0\3\2hi\0\5\0\0\0\0\0\0\1\2\0\2\0\6\1\0\7\0\4\1a", 31));
    save("merkle", "inclusion", -1, span_of("\1\3\7\3\2\50\76\0", 8));
    save("merkle", "consistency", -1, span_of("\0\3\7\3\2\3\50", 7));
    uint8_t room[64];
    struct sink out = sink_over(room, sizeof room);
    write_map(&out, 2);
    write_text(&out, span_text("a"));
    write_array(&out, 3);
    write_i64(&out, -300);
    write_nil(&out);
    write_bool(&out, true);
    write_text(&out, span_text("b"));
    write_bytes(&out, span_text("bytes"));
    save("reader", "map", -1, sink_span(&out));
}

int main(int argc, char **argv)
{
    static uint8_t room[ROOM];
    struct sink out = sink_over(room, sizeof room);
    if (argc != 2 || !crypto_start(NULL)) {
        fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
        return 2;
    }
    folder = argv[1];
    check(mkdir(folder, 0777) == 0 || errno == EEXIST, folder);
    save_headers();
    save_bodies();
    save("batch", "two", -1, entries_bytes());
    save_requests(&out);
    save_answers(&out);
    save("fork", "shape", -1, fork_bytes(false));
    save("fork", "turned", -1, fork_bytes(true));
    save_certificates();
    save_notes();
    save_files();
    save_packed();
    save_texts();
    return 0;
}

/*
 * Whole sessions with a hostile partner that holds true keys, into the real engine over a real store.
 *
 * ACME is the node under test; the target is BOLT, which is paired with it, and CRUX, which holds an invitation. The input
 * is a run of steps: one byte what, one byte how, two bytes of length, that many bytes. A frame goes in as it stands, or
 * sealed by the session's true key, or as a batch whose entries the input shapes and BOLT's log key signs. What must hold
 * besides the sanitizers: an answer comes once, is refused or opens and reads strictly as an answer, and after entries were
 * taken `verify` finds nothing and a rebuild changes nothing.
 *
 * Homes lie in a folder of their own below /dev/shm or TMPDIR; a session that changed ACME's starts the next one from a copy.
 */
#include "node/engine.h"
#include "node/exchange.h"
#include "node/pairing.h"
#include "node/session.h"
#include "node/world_real.h"
#include "protocol/vocabulary.h"
#include "protocol/writer.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM 256
#define PIPES 3
#define STEPS_MAX 24
#define IDS_MAX 64
#define ENTRIES_MAX 8
#define REQUESTS_MAX 32
#define FRAME_ROOM (FRAME_BYTES_MAX + 65536)
#define START_MS INT64_C(1767225600000)

static const struct asker person = {"ann", "buyer"};
static const struct organisation organisations[] = {
    {"Acme Ltd", "acme.example", "ACME", {{0}}}, {"Bolt GmbH", "bolt.example", "BOLT", {{0}}}};

/* ---- a world from a seed ---- */

static struct {
    uint64_t now_ms, random;
    struct files files;
    struct world world;
} seeded;

static uint64_t seeded_now(void *self) { return (void)self, seeded.now_ms; }
static int64_t seeded_date(void *self) { return (void)self, START_MS + (int64_t)seeded.now_ms; }
static void seeded_random(void *self, uint8_t *at, size_t len)
{
    (void)self;
    for (size_t i = 0; i < len; i++) { /* SplitMix64 */
        uint64_t z = (seeded.random += UINT64_C(0x9e3779b97f4a7c15));
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        at[i] = (uint8_t)(z ^ z >> 31);
    }
}

static void world_start(uint64_t seed)
{
    seeded.now_ms = 1000;
    seeded.random = seed;
    seeded.files = *world_real()->files;
    seeded.world = (struct world){seeded_now, seeded_date, seeded_random, NULL, &seeded.files, NULL};
}

static void worked(bool is_fine, const struct err *e)
{
    if (is_fine) return;
    fprintf(stderr, "setting up: %s\n", e->said);
    abort();
}

/* ---- what stays from input to input ---- */

struct feed_point { /* one of a party's feeds as it was when BOLT went hostile */
    struct feed feed;
    struct hash leaves[IDS_MAX];
};

static struct {
    char root[PATH_ROOM], acme[PATH_ROOM + 8], kept[PATH_ROOM + 8];
    struct home *home, *bolt;
    struct relationship_id id, invited_to;
    struct key_public acme_transport, acme_log, bolt_log;
    const struct signing_key *log_key;
    struct feed_point ours, theirs; /* ACME's and BOLT's */
    struct hash ids[IDS_MAX];
    size_t id_count;
    uint8_t invitation_secret[32];
    struct transport_key *crux_transport;
    uint8_t crux_note[CERTIFICATE_BYTES_MAX];
    size_t crux_note_bytes;
    bool is_changed;
} stage;

/* ---- what one input does ---- */

struct talking {
    struct session *session;
    bool is_gone;
};

struct asked { /* a request of ACME's, as a dialler */
    uint64_t tag;
    size_t len;
    uint8_t bytes[4096]; /* enough for a handshake; of others only that they came */
};

static struct {
    struct engine *engine;
    struct talking pipes[PIPES];
    uint64_t last_slot, open_slots;
    uint8_t answer[FRAME_ROOM];
    size_t answer_bytes;
    bool is_answered;
    struct session *dialled;
    bool is_dialled;
    size_t asked_count;
    struct asked asked[REQUESTS_MAX];
    uint8_t kept_frame[4096];
    size_t kept_bytes;
    /* BOLT's feed, as far as ACME has taken it */
    struct merkle_edge edge;
    size_t leaf_count;
    struct hash leaves[IDS_MAX];
    size_t id_count;
    struct hash ids[IDS_MAX];
    bool is_taken;
} play;

static void net_dial(void *self, uint32_t dial, const char *address) { (void)self, (void)dial, (void)address; }
static void net_hang_up(void *self, uint32_t dial)
{
    (void)self, (void)dial;
    play.asked_count = 0;
    play.is_dialled = false;
}
static void net_request(void *self, uint32_t dial, uint64_t tag, span frame, uint64_t timeout_ms)
{
    (void)self, (void)dial, (void)timeout_ms;
    if (play.asked_count == REQUESTS_MAX) return;
    struct asked *asked = &play.asked[play.asked_count++];
    asked->tag = tag;
    asked->len = frame.len < sizeof asked->bytes ? frame.len : sizeof asked->bytes;
    memcpy(asked->bytes, frame.at, asked->len);
}
static void net_answer(void *self, uint64_t slot, span frame)
{
    (void)self;
    must(slot >= 1 && slot <= play.last_slot && slot < 64);
    must(play.open_slots >> slot & 1); /* once */
    must(frame.len > 0 && frame.len <= FRAME_BYTES_MAX);
    play.open_slots &= ~(UINT64_C(1) << slot);
    if (slot != play.last_slot) return;
    play.is_answered = true;
    play.answer_bytes = frame.len;
    memcpy(play.answer, frame.at, frame.len);
}
static void net_drop(void *self, uint32_t pipe) { (void)self, (void)pipe; }
static const struct network network = {NULL, net_dial, net_hang_up, net_request, net_answer, net_drop};

static void say_nothing(void *self, enum loudness loudness, const char *line) { (void)self, (void)loudness, (void)line; }
static const struct voice voice = {say_nothing, NULL};

/* ---- setting the stage: two honest engines, joined by hand ---- */

struct wire {
    struct engine *engines[2]; /* BOLT dials ACME */
    struct queued {
        unsigned to;
        struct event event;
        uint8_t *bytes;
    } queue[64];
    size_t first, count;
};
static struct wire wire;

static void wire_put(unsigned to, struct event event, span bytes)
{
    must(wire.count < 64);
    struct queued *q = &wire.queue[(wire.first + wire.count++) % 64];
    *q = (struct queued){to, event, malloc(bytes.len + 1)};
    must(q->bytes);
    if (bytes.len) memcpy(q->bytes, bytes.at, bytes.len);
    q->event.bytes = span_of(q->bytes, bytes.len);
}
static void wire_dial(void *self, uint32_t dial, const char *address)
{
    (void)self, (void)address;
    wire_put(0, (struct event){.kind = EVENT_PIPE_OPENED, .pipe = 9}, (span){0});
    wire_put(1, (struct event){.kind = EVENT_LINK_UP, .dial = dial, .pipe = 9}, (span){0});
}
static void wire_request(void *self, uint32_t dial, uint64_t tag, span frame, uint64_t timeout_ms)
{
    (void)self, (void)dial, (void)timeout_ms;
    wire_put(0, (struct event){.kind = EVENT_REQUEST, .pipe = 9, .slot = tag}, frame);
}
static void wire_answer(void *self, uint64_t slot, span frame)
{
    (void)self;
    wire_put(1, (struct event){.kind = EVENT_ANSWER, .dial = 1, .tag = slot}, frame);
}
static void wire_nothing(void *self, uint32_t what) { (void)self, (void)what; }

/* BOLT syncs with ACME until it has nothing left to do. */
static void sync_homes(void)
{
    static const struct network joined = {NULL, wire_dial, wire_nothing, wire_request, wire_answer, wire_nothing};
    struct home *homes[2] = {stage.home, stage.bolt};
    struct err e = {0};
    wire = (struct wire){.first = 0};
    for (int i = 0; i < 2; i++) {
        struct engine_options options = {.home = homes[i], .network = &joined, .voice = &voice, .is_once = i == 1};
        worked(engine_open(&wire.engines[i], &options, &e), &e);
    }
    engine_start(wire.engines[1]);
    while (wire.count) {
        struct queued q = wire.queue[wire.first++ % 64];
        wire.count--;
        engine_step(wire.engines[q.to], &q.event);
        free(q.bytes);
        seeded.now_ms += 7;
    }
    for (int i = 0; i < 2; i++) engine_close(wire.engines[i]);
}

static struct home_options options_of(const char *path)
{
    return (struct home_options){.path = path, .world = &seeded.world, .machine = {{1, 2, 3}}, .is_forced = true};
}

static int remove_one(const char *path, const struct stat *found, int type, struct FTW *where)
{
    (void)found, (void)type, (void)where;
    return remove(path);
}
static void remove_stage(void)
{
    home_close(stage.home);
    home_close(stage.bolt);
    transport_key_free(stage.crux_transport);
    stage.home = stage.bolt = NULL;
    stage.crux_transport = NULL;
    (void)nftw(stage.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void copy_file(const char *from_folder, const char *to_folder, const char *name)
{
    static uint8_t room[1 << 20];
    char from[2 * PATH_ROOM], to[2 * PATH_ROOM];
    (void)snprintf(from, sizeof from, "%s/%s", from_folder, name);
    (void)snprintf(to, sizeof to, "%s/%s", to_folder, name);
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(in >= 0 && out >= 0);
    ssize_t len = read(in, room, sizeof room);
    must(len >= 0 && (size_t)len < sizeof room && write(out, room, (size_t)len) == len);
    (void)close(in);
    (void)close(out);
}

static void home_again(void)
{
    char path[2 * PATH_ROOM];
    struct err e = {0};
    struct home_options options = options_of(stage.acme);
    home_close(stage.home);
    static const char *const left[] = {"counterpart.db-wal", "counterpart.db-shm"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", stage.acme, left[i]);
        (void)unlink(path);
    }
    copy_file(stage.kept, stage.acme, "counterpart.db");
    copy_file(stage.kept, stage.acme, "marker");
    worked(home_open(&stage.home, &options, &e) && home_keys(stage.home, &e), &e);
    stage.is_changed = false;
}

static bool keep_leaf(void *self, uint64_t index, const struct stored_entry *entry)
{
    struct feed_point *point = self;
    if (index >= IDS_MAX) return false;
    point->leaves[index] = merkle_leaf(entry->header);
    if (stage.id_count < IDS_MAX) stage.ids[stage.id_count++] = point->leaves[index];
    return true;
}
static void note_feed(struct feed_point *point, const struct key_public *log_key)
{
    struct err e = {0};
    struct store *store = home_store(stage.home);
    worked(feed_load(store, &stage.id, log_key, 0, &point->feed, &e) &&
               feed_read(store, &stage.id, point->feed.feed, 0, keep_leaf, point, &e), &e);
}

static void invite(const struct relationship_id *id, const char *code, struct sink *text)
{
    static const char *const addresses[] = {"tcp://acme.example:7700"};
    struct err e = {0};
    worked(pairing_invite(stage.home, id, code, addresses, 1, 86400, text, &e), &e);
}

/* ACME and BOLT pair, confirm, and agree on something. */
static void pair_homes(void)
{
    static const char *const codes[] = {"ACME", "BOLT"};
    static struct invitation invitation;
    uint8_t text[INVITATION_TEXT_MAX];
    struct sink block = sink_over(text, sizeof text);
    struct err e = {0};
    struct hash proposal, other, word;
    const struct noun *action = vocabulary_find(span_text("action"));
    struct body_field terms[] = {{span_text("title"), {.is_text = true, .text = span_text("Press")}},
                                 {span_text("owner"), {.is_text = true, .text = span_text("BOLT")}},
                                 {span_text("due"), {.is_text = true, .text = span_text("2026-12-18")}}};
    worked(work_open(stage.home, &person, "Press line", codes, 2, &stage.id, &e), &e);
    invite(&stage.id, "BOLT", &block);
    worked(pairing_join(stage.bolt, sink_span(&block), NULL, &invitation, &e), &e);
    sync_homes();
    worked(pairing_confirm(stage.home, &person, &stage.id, "BOLT", CHECK_VOICE, &e), &e);
    worked(pairing_confirm(stage.bolt, &person, &stage.id, "ACME", CHECK_VOICE, &e), &e);
    worked(work_propose(stage.home, &person, &stage.id, action, NULL, terms, 3, &proposal, &e), &e);
    sync_homes();
    worked(work_word(stage.bolt, &person, &stage.id, VERB_ACCEPT, &proposal, "action", (span){0}, &word, &e), &e);
    worked(work_propose(stage.bolt, &person, &stage.id, action, NULL, terms, 3, &other, &e), &e);
    sync_homes();
    sync_homes();
    worked(contact_put(home_store(stage.home), &stage.id, "BOLT", "tcp://bolt.example:7700", NULL, NULL, &e), &e);
}

/* An invitation that nobody has used yet, and the certificate of somebody who could. */
static void invite_crux(void)
{
    static const char *const codes[] = {"ACME", "CRUX"};
    static struct invitation invitation;
    uint8_t text[INVITATION_TEXT_MAX], seed[KEY_SEED_BYTES] = {77};
    struct sink block = sink_over(text, sizeof text), note = sink_over(stage.crux_note, sizeof stage.crux_note);
    struct err e = {0};
    OWNED(signing_key_free) struct signing_key *identity = NULL;
    worked(work_open(stage.home, &person, "Pumps", codes, 2, &stage.invited_to, &e), &e);
    invite(&stage.invited_to, "CRUX", &block);
    worked(invitation_read(sink_span(&block), &invitation, &e), &e);
    memcpy(stage.invitation_secret, invitation.secret, 32);
    worked(signing_key_new(&identity, seed, &e) && transport_key_new(&stage.crux_transport, seed, &e), &e);
    struct certificate c = {.relationship = stage.invited_to, .code = "CRUX", .domain = "crux.example", .name = "Crux SA",
                            .identity = *signing_key_public(identity), .has_log = true, .has_receipt = true,
                            .has_transport = true, .log = {{5}}, .receipt = {{6}}, .transport = *transport_key_public(stage.crux_transport)};
    worked(certificate_write(&note, &c, identity, &e), &e);
    stage.crux_note_bytes = note.len;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    char bolt[2 * PATH_ROOM];
    struct err e = {0};
    (void)argc, (void)argv;
    world_start(1);
    worked(crypto_start(&e), &e);
    (void)snprintf(stage.root, sizeof stage.root, "%s/counterpart_fuzz.XXXXXX", folder ? folder : "/tmp");
    must(mkdtemp(stage.root));
    (void)snprintf(stage.acme, sizeof stage.acme, "%s/acme", stage.root);
    (void)snprintf(stage.kept, sizeof stage.kept, "%s/kept", stage.root);
    (void)snprintf(bolt, sizeof bolt, "%s/bolt", stage.root);
    must(mkdir(stage.kept, 0700) == 0);
    (void)atexit(remove_stage);
    struct home_options acme_options = options_of(stage.acme), bolt_options = options_of(bolt);
    worked(home_init(&acme_options, &organisations[0], &e) && home_init(&bolt_options, &organisations[1], &e), &e);
    worked(home_open(&stage.home, &acme_options, &e) && home_open(&stage.bolt, &bolt_options, &e), &e);
    pair_homes();
    invite_crux();
    worked(home_keys(stage.bolt, &e) && home_log_key(stage.bolt, &stage.id, &stage.log_key, &e), &e);
    stage.bolt_log = *signing_key_public(stage.log_key);
    const struct signing_key *acme_log = NULL;
    worked(home_log_key(stage.home, &stage.id, &acme_log, &e), &e);
    stage.acme_log = *signing_key_public(acme_log);
    stage.acme_transport = *transport_key_public(home_transport_key(stage.home));
    note_feed(&stage.ours, &stage.acme_log);
    note_feed(&stage.theirs, &stage.bolt_log);
    must(stage.theirs.feed.edge.size >= 3 && stage.ours.feed.edge.size >= 4);
    home_close(stage.home); /* the last connection closes: everything stands in the one file */
    stage.home = NULL;
    copy_file(stage.acme, stage.kept, "counterpart.db");
    copy_file(stage.acme, stage.kept, "marker");
    home_again();
    return 0;
}

/* ---- steps: frames ---- */

/* Hands a request in; true when it was answered at once, the answer in play.answer. */
static bool request(unsigned pipe, span frame)
{
    if (play.last_slot + 1 >= 64 || frame.len > FRAME_BYTES_MAX) return false;
    play.last_slot++;
    play.open_slots |= UINT64_C(1) << play.last_slot;
    play.is_answered = false;
    struct event event = {.kind = EVENT_REQUEST, .pipe = pipe, .slot = play.last_slot, .bytes = frame};
    engine_step(play.engine, &event);
    return play.is_answered;
}
static span answered(void) { return span_of(play.answer, play.answer_bytes); }
static bool is_refused(void)
{
    struct session_id id;
    return frame_look(answered(), &id) == FRAME_REFUSED;
}

/* A handshake by BOLT's or CRUX's true keys; `payload` stands in message 3. */
static void handshake(unsigned pipe, bool is_invited, span payload)
{
    static uint8_t one_room[256], three_room[65535];
    struct talking *t = &play.pipes[pipe];
    struct session_secrets secrets = {is_invited ? stage.crux_transport : home_transport_key(stage.bolt), &seeded.world};
    struct sink one = sink_over(one_room, sizeof one_room), three = sink_over(three_room, sizeof three_room);
    uint8_t empty_room[64];
    struct sink empty = sink_over(empty_room, sizeof empty_room);
    session_free(t->session);
    t->session = NULL;
    must(session_dial(&t->session, &secrets, &stage.acme_transport, is_invited ? stage.invitation_secret : NULL, &one, NULL));
    if (!request(pipe, sink_span(&one)) || is_refused() ||
        !session_dialed(t->session, answered(), payload, &three, NULL) || !request(pipe, sink_span(&three)) || is_refused()) {
        session_free(t->session);
        t->session = NULL;
        return;
    }
    must(session_unseal(t->session, answered(), &empty, NULL) && empty.len == 0);
    stage.is_changed = stage.is_changed || is_invited;
}

/* The answer to a sealed request: refused, or it opens and reads as an answer. `r` stands after its receipts. */
static bool read_answer(unsigned pipe, struct reader *r, enum message_kind *kind)
{
    static uint8_t room[FRAME_ROOM];
    static struct message_head head;
    struct sink plain = sink_over(room, sizeof room);
    struct err e = {0};
    if (is_refused()) return false;
    must(session_unseal(play.pipes[pipe].session, answered(), &plain, &e));
    *r = reader_over(sink_span(&plain));
    must(message_open(r, MESSAGE_ANSWER, &head, &e));
    *kind = head.kind;
    return true;
}

static bool ask(unsigned pipe, span plain, struct reader *answer)
{
    static uint8_t room[FRAME_ROOM];
    struct sink frame = sink_over(room, sizeof room);
    enum message_kind kind = MESSAGE_FRONTIER;
    if (!play.pipes[pipe].session || !session_seal(play.pipes[pipe].session, plain, &frame, NULL)) return false;
    play.kept_bytes = frame.len <= sizeof play.kept_frame ? frame.len : 0;
    memcpy(play.kept_frame, room, play.kept_bytes);
    stage.is_changed = true;
    return request(pipe, sink_span(&frame)) && read_answer(pipe, answer, &kind);
}

/* A byte of a sealed frame changed: nothing may come of it but a refusal. */
static void forge(unsigned pipe, uint8_t at, span plain)
{
    static uint8_t room[FRAME_ROOM];
    struct sink frame = sink_over(room, sizeof room);
    if (!play.pipes[pipe].session || !session_seal(play.pipes[pipe].session, plain, &frame, NULL)) return;
    room[at % frame.len] ^= 0x11;
    if (request(pipe, sink_span(&frame))) must(is_refused() || room[0] != FRAME_SEALED);
}

/* ---- steps: what BOLT says under its own signature ---- */

static struct hash id_of(uint8_t which)
{
    struct hash zero = {{0xee}};
    if (which < play.id_count) return play.ids[which];
    return which - play.id_count < stage.id_count ? stage.ids[which - play.id_count] : zero;
}

static span body_of(const struct noun *noun, span *in, struct sink *out)
{
    uint8_t form = input_byte(in);
    struct body_field fields[4];
    size_t count = form % 4;
    if (form & 0x80) return input_run(in);
    for (size_t i = 0; i < count; i++) {
        const struct field *field = noun && noun->field_count ? &noun->fields[(input_byte(in) + i) % noun->field_count] : NULL;
        span text = input_run(in);
        fields[i] = (struct body_field){span_text(field ? field->name : "x"), {.is_text = true, .text = text}};
        if (field && field->type == FIELD_NUMBER) fields[i].value = (struct value){.number = (int8_t)input_byte(in)};
        if (field && field->type == FIELD_CHOICE && text.len == 0) fields[i].value.text = span_text(field->choices[form % 2]);
        if (field && field->type == FIELD_DATE && text.len == 0) fields[i].value.text = span_text("2027-01-08");
        if (!span_is_utf8(fields[i].value.text)) fields[i].value.text = span_text("?");
        for (size_t k = 0; k < i; k++)
            if (span_equal(fields[k].name, fields[i].name)) count = i; /* no name twice */
    }
    body_start(out, 1);
    body_map(out, fields, count);
    return sink_span(out);
}

/* One entry as the input shapes it, at `index` of BOLT's feed; its bytes follow those in `entries`. */
static struct hash put_entry(span *in, uint64_t index, struct sink *entries)
{
    static struct header h;
    uint8_t header_room[8192], body_room[2048], salt[SALT_BYTES] = {9};
    struct sink out = sink_over(header_room, sizeof header_room), body = sink_over(body_room, sizeof body_room);
    size_t nouns = 0;
    const struct noun *noun = vocabulary_nouns(&nouns);
    uint8_t what = input_byte(in), how = input_byte(in), about = input_byte(in);
    enum verb verb = (enum verb)(what % (VERB_SUCCEED + 1));
    noun += (size_t)(what >> 4) % nouns;
    uint64_t named = how & 1 ? stage.ours.feed.edge.size : 0;
    h = (struct header){.version = what == 0xff ? 2 : FORMAT_VERSION, .relationship = stage.id, .log_key = stage.bolt_log, .index = index,
                        .time_ms = (uint64_t)START_MS + 5, .person = span_text("ben"), .role = span_text("seller"), .verb = verb,
                        .verb_text = span_text(verb ? verb_word(verb) : "foretell"),
                        .noun = span_text(verb == VERB_OPEN || verb == VERB_JOIN || verb == VERB_PAIR ? SETUP_NOUN : noun->name),
                        .has_ref = how & 2, .ref = id_of(about)};
    if (named) h.front[h.front_count++] = (struct front_row){stage.acme_log, named, stage.ours.feed.root};
    for (size_t i = (how >> 2) % 4; i > 0; i--) {
        uint8_t item = input_byte(in), base = input_byte(in);
        h.items[h.item_count++] = (struct item_base){item == 0, base == 0, item ? id_of((uint8_t)(item - 1)) : (struct hash){{0}},
                                                     base ? id_of((uint8_t)(base - 1)) : (struct hash){{0}}};
    }
    for (size_t i = how >> 6; i > 0; i--) {
        uint8_t at = input_byte(in);
        const struct feed_point *point = at & 0x80 ? &stage.theirs : &stage.ours;
        h.words[h.word_count++] = (struct seal_word){at & 0x80 ? stage.bolt_log : stage.acme_log, at & 0x3f, point->leaves[at % IDS_MAX]};
    }
    const struct noun *judged = vocabulary_verb(verb) ? vocabulary_verb(verb) : noun;
    span text = body_of(judged, in, &body);
    h.body_digest = body_digest(salt, text);
    h.body_bytes = text.len;
    header_write(&out, &h);
    must(!out.full);
    batch_entry_write(entries, sink_span(&out), salt, !(how & 0x20), text);
    return merkle_leaf(sink_span(&out));
}

/* A signed batch of the entries in `in`, which begin at `from` of BOLT's feed; `out` is the feed with them. */
static void make_batch(span in, uint64_t from, uint8_t how, struct message_batch *out, struct merkle_edge *edge, struct hash *leaves)
{
    static uint8_t room[65536];
    struct sink entries = sink_over(room, sizeof room);
    struct hash done[MERKLE_LEVELS_MAX];
    struct head head;
    *edge = (struct merkle_edge){0};
    for (uint64_t i = 0; i < from; i++) (void)merkle_append(edge, &play.leaves[i], done);
    *out = (struct message_batch){.relationship = stage.id, .log_key = stage.bolt_log, .from = from, .root_at = merkle_root(edge)};
    for (size_t i = 0; i < ENTRIES_MAX && in.len && !entries.full && edge->size < IDS_MAX; i++) {
        struct hash leaf = how & 0x80 ? merkle_leaf(in) : put_entry(&in, edge->size, &entries);
        if (how & 0x80) { /* the bytes themselves as a header */
            static const uint8_t salt[SALT_BYTES];
            batch_entry_write(&entries, in, salt, false, (span){0});
            in = (span){0};
        }
        leaves[edge->size] = leaf;
        (void)merkle_append(edge, &leaf, done);
    }
    struct hash root = merkle_root(edge);
    head_sign(stage.log_key, stage.theirs.feed.origin, edge->size, &root, &head);
    if (how & 0x40) head.size++; /* a head that was signed for something else */
    out->head = head;
    out->entries = entries.full ? (span){0} : sink_span(&entries);
}

/* `how` 1: from an earlier entry on, which forks BOLT's feed. */
static void push(unsigned pipe, uint8_t how, span in)
{
    static uint8_t room[FRAME_BYTES_MAX / 2];
    static struct hash leaves[IDS_MAX];
    static struct message_batch batch;
    static struct merkle_edge edge;
    struct sink plain = sink_over(room, sizeof room);
    struct reader r;
    uint64_t from = how & 1 ? input_byte(&in) % play.edge.size : play.edge.size, status = 0, held = 0;
    memcpy(leaves, play.leaves, sizeof leaves);
    make_batch(in, from, how, &batch, &edge, leaves);
    if (batch.entries.len > FRAME_BYTES_MAX / 4) return;
    message_start(&plain, MESSAGE_PUSH, NULL, 0, 1);
    batch_write(&plain, &batch);
    if (!ask(pipe, sink_span(&plain), &r)) return;
    must(read_u64(&r, STATUS_UNKNOWN, &status, NULL) && read_u64(&r, INT64_MAX, &held, NULL));
    if (status != STATUS_DONE || held != edge.size || how & 1) return;
    must(how < 0x40 || how & 0x80);
    for (uint64_t i = from; i < edge.size && play.id_count < IDS_MAX; i++) play.ids[play.id_count++] = leaves[i];
    memcpy(play.leaves, leaves, sizeof leaves);
    play.edge = edge;
    play.is_taken = true;
}

/* A receipt of BOLT's for ACME's feed, for a size and a time of the input's choice. */
static void receipts(unsigned pipe, span in)
{
    uint8_t room[2048];
    struct sink plain = sink_over(room, sizeof room);
    struct reader r;
    struct merkle_edge edge = {0};
    struct hash done[MERKLE_LEVELS_MAX];
    struct message_receipt list[4];
    size_t count = 0;
    for (; count < 4 && in.len; count++) {
        uint64_t size = input_byte(&in) % (stage.ours.feed.edge.size + 1), time_s = input_number(&in, 5) + 1;
        struct receipt made;
        edge = (struct merkle_edge){0};
        for (uint64_t i = 0; i < size; i++) (void)merkle_append(&edge, &stage.ours.leaves[i], done);
        struct hash root = merkle_root(&edge);
        receipt_sign(home_receipt_key(stage.bolt), stage.ours.feed.origin, size, &root, time_s, &made);
        list[count] = (struct message_receipt){stage.id, stage.acme_log, *signing_key_public(home_receipt_key(stage.bolt)),
                                               size, time_s, made.signature};
    }
    message_start(&plain, MESSAGE_FRONTIER, list, count, 3);
    write_u64(&plain, MESSAGE_VERSION);
    write_u64(&plain, (uint64_t)START_MS);
    write_array(&plain, 0);
    if (ask(pipe, sink_span(&plain), &r)) play.is_taken = true;
}

/* ---- steps: answers to what ACME asks as a dialler ---- */

static void answer_asked(struct asked *asked, span bytes)
{
    struct event event = {.kind = EVENT_ANSWER, .dial = 1, .tag = asked->tag, .bytes = bytes};
    uint64_t tag = asked->tag;
    for (size_t i = 0; i < play.asked_count; i++)
        if (play.asked[i].tag == tag) {
            memmove(&play.asked[i], &play.asked[i + 1], (play.asked_count - i - 1) * sizeof play.asked[0]);
            play.asked_count--;
            break;
        }
    engine_step(play.engine, &event);
}

static span sealed(span plain)
{
    static uint8_t room[FRAME_ROOM];
    struct sink frame = sink_over(room, sizeof room);
    if (!play.dialled || !session_is_open(play.dialled) || !session_seal(play.dialled, plain, &frame, NULL)) return span_of("\6", 1);
    return sink_span(&frame);
}

/* What a sealed request of ACME's asks for. */
static enum message_kind kind_asked(const struct asked *asked)
{
    static struct message_head head;
    static uint8_t room[sizeof asked->bytes];
    struct sink plain = sink_over(room, sizeof room);
    if (!play.dialled || !session_unseal(play.dialled, span_of(asked->bytes, asked->len), &plain, NULL)) return MESSAGE_FRONTIER;
    struct reader r = reader_over(sink_span(&plain));
    must(message_open(&r, MESSAGE_REQUEST, &head, NULL));
    return head.kind;
}

/* What an honest BOLT would say of its feed, but with entries that the input shapes. */
static span shaped_answer(enum message_kind kind, uint8_t how, span in)
{
    static uint8_t room[FRAME_BYTES_MAX / 2];
    static struct hash leaves[IDS_MAX];
    static struct message_batch batch;
    static struct merkle_edge edge;
    static struct feed_row row;
    struct sink plain = sink_over(room, sizeof room);
    memcpy(leaves, play.leaves, sizeof leaves);
    make_batch(in, play.edge.size, how & 0xc0, &batch, &edge, leaves);
    if (batch.entries.len > FRAME_BYTES_MAX / 4) batch.entries = (span){0};
    row = (struct feed_row){.log_key = stage.bolt_log, .size = edge.size, .root = merkle_root(&edge)};
    struct detail detail = {.relationship = stage.id, .state = {{1}}, .row_count = 1, .rows = &row};
    struct summary summary = {stage.id, {{2}}, {{3}}};
    switch (kind) {
    case MESSAGE_FRONTIER:
        message_start(&plain, MESSAGE_FRONTIER, NULL, 0, 3);
        write_u64(&plain, MESSAGE_VERSION);
        write_u64(&plain, (uint64_t)START_MS);
        write_array(&plain, 1);
        detail_write(&plain, &detail);
        break;
    case MESSAGE_PULL:
        message_start(&plain, MESSAGE_PULL, NULL, 0, 2);
        write_u64(&plain, STATUS_DONE);
        batch_write(&plain, &batch);
        break;
    case MESSAGE_PUSH:
        message_start(&plain, MESSAGE_PUSH, NULL, 0, 3);
        write_u64(&plain, how % 3u);
        write_u64(&plain, how % 8u);
        summary_write(&plain, &summary);
        break;
    case MESSAGE_WATCH:
    case MESSAGE_COMMIT:
    case MESSAGE_REVEAL:
        message_start(&plain, MESSAGE_WATCH, NULL, 0, 3);
        write_array(&plain, 1);
        summary_write(&plain, &summary);
        write_array(&plain, 1);
        detail_write(&plain, &detail);
        write_array(&plain, 1);
        batch_write(&plain, &batch);
    }
    play.is_taken = true;
    return sink_span(&plain);
}

/* The handshake is answered as it should be; then `plain`, sealed. */
static void answer_honestly(struct asked *asked, span plain)
{
    uint8_t two_room[256], nothing_room[CERTIFICATE_BYTES_MAX];
    struct sink two = sink_over(two_room, sizeof two_room), nothing = sink_over(nothing_room, sizeof nothing_room);
    struct session_id id;
    struct session_secrets secrets = {home_transport_key(stage.bolt), &seeded.world};
    span frame = span_of(asked->bytes, asked->len);
    switch (frame_look(frame, &id)) {
    case FRAME_HELLO_XK:
        session_free(play.dialled);
        play.dialled = NULL;
        must(session_accept(&play.dialled, &secrets, NULL, frame, &two, NULL));
        answer_asked(asked, sink_span(&two));
        break;
    case FRAME_MESSAGE_3:
        must(play.dialled && session_accepted(play.dialled, frame, &nothing, NULL));
        answer_asked(asked, sealed((span){0}));
        break;
    case FRAME_SEALED: answer_asked(asked, sealed(plain)); break;
    case FRAME_BAD: /* cut, being long: a sealed one */
        answer_asked(asked, sealed(plain));
        break;
    case FRAME_HELLO_PSK:
    case FRAME_MESSAGE_2:
    case FRAME_REFUSED: abort();
    }
    stage.is_changed = true;
}

/* ---- steps ---- */

static void event(enum event_kind kind, unsigned pipe)
{
    struct event event = {.kind = kind, .pipe = pipe, .dial = 1, .why = ERR_CLOSED, .said = "gone"};
    if (kind == EVENT_UNANSWERED && play.asked_count) event.tag = play.asked[0].tag;
    engine_step(play.engine, &event);
    if (kind != EVENT_PIPE_GONE) return;
    session_free(play.pipes[pipe].session);
    play.pipes[pipe].session = NULL;
}

static void step(uint8_t what, uint8_t how, span bytes)
{
    unsigned pipe = (unsigned)(what >> 4) % PIPES;
    struct reader r;
    switch (what % 16) {
    case 0: (void)request(pipe, bytes); break;
    case 1: handshake(pipe, false, bytes); break;
    case 2: handshake(pipe, true, bytes.len ? bytes : span_of(stage.crux_note, stage.crux_note_bytes)); break;
    case 3:
    case 4: (void)ask(pipe, bytes, &r); break;
    case 5: forge(pipe, how, bytes); break;
    case 6:
        if (play.kept_bytes && request(pipe, span_of(play.kept_frame, play.kept_bytes))) must(is_refused()); /* replayed */
        break;
    case 7:
    case 8:
    case 9: push(pipe, how, bytes); break;
    case 10: receipts(pipe, bytes); break;
    case 11:
        seeded.now_ms += how % 2 ? UINT64_C(1) << how % 30 : how;
        event(EVENT_TIMER, pipe);
        break;
    case 12: event(how % 3 == 0 ? EVENT_PIPE_GONE : how % 3 == 1 ? EVENT_PIPE_OPENED : EVENT_WROTE, pipe); break;
    case 13:
        if (!play.is_dialled) engine_start(play.engine);
        play.is_dialled = true;
        event(how % 4 == 0 ? EVENT_LINK_DOWN : how % 4 == 1 ? EVENT_UNANSWERED : EVENT_LINK_UP, pipe);
        break;
    case 14:
        if (play.asked_count) answer_honestly(&play.asked[how % 2 ? play.asked_count - 1 : 0], bytes);
        break;
    default:
        if (!play.asked_count) break;
        if (how & 0x20) answer_asked(&play.asked[0], bytes);
        else answer_honestly(&play.asked[0], shaped_answer(how & 0x10 ? kind_asked(&play.asked[0]) : (enum message_kind)(how % 4 + 1), how, bytes));
        break;
    }
}

static void found_wrong(void *self, const struct finding *finding)
{
    (void)self;
    fprintf(stderr, "verify: %s: %s\n", finding->where, finding->what);
    abort();
}
static bool rebuild(void *self, struct err *e) { return record_rebuild(home_store(stage.home), self, e); }

/* What ACME holds now is what it should hold, whatever BOLT said. */
static void look_at_home(void)
{
    struct err e = {0};
    struct hash before, after;
    struct store *store = home_store(stage.home);
    uint64_t entries = 0;
    worked(record_tables_digest(store, &stage.id, &before, &e), &e);
    worked(store_transact(store, rebuild, &stage.id, &e), &e);
    worked(record_tables_digest(store, &stage.id, &after, &e), &e);
    must(hash_equal(&before, &after));
    worked(record_verify(store, &stage.id, found_wrong, NULL, &entries, &e), &e);
    must(entries >= stage.ours.feed.edge.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    span in = span_of(at, len);
    struct err e = {0};
    struct engine_options options = {.home = stage.home, .network = &network, .voice = &voice};
    world_start(len);
    seeded.now_ms = 100000;
    play.last_slot = play.open_slots = 0;
    play.asked_count = play.kept_bytes = play.id_count = 0;
    play.is_dialled = play.is_taken = false;
    play.edge = stage.theirs.feed.edge;
    memcpy(play.leaves, stage.theirs.leaves, sizeof play.leaves);
    worked(engine_open(&play.engine, &options, &e), &e);
    for (unsigned pipe = 0; pipe < PIPES; pipe++) event(EVENT_PIPE_OPENED, pipe);
    for (size_t i = 0; i < STEPS_MAX && in.len; i++) {
        uint8_t what = input_byte(&in), how = input_byte(&in);
        size_t bytes = (size_t)input_number(&in, 2);
        span run = {0};
        must(span_take(&in, bytes < in.len ? bytes : in.len, &run));
        step(what, how, run);
    }
    event(EVENT_STOP, 0);
    engine_close(play.engine);
    for (unsigned pipe = 0; pipe < PIPES; pipe++) {
        session_free(play.pipes[pipe].session);
        play.pipes[pipe].session = NULL;
    }
    session_free(play.dialled);
    play.dialled = NULL;
    if (play.is_taken) look_at_home();
    if (stage.is_changed || play.is_taken) home_again();
    return 0;
}

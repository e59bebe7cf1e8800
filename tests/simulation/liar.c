#include "tests/simulation/liar.h"

#include "node/exchange.h"
#include "node/session.h"
#include "protocol/writer.h"

#include <stdlib.h>
#include <string.h>

#define ROOM (256 * 1024)
#define FLOOD 40
#define MADE_MAX 3

const char *lie_word(enum lie lie)
{
    static const char *const words[] = {"twin", "fork", "next", "break", "front", "strip", "alter", "receipt", "question", "garbage", "flood"};
    return words[lie];
}

/* ---- a session of its own ---- */

struct talking {
    const struct liar *liar;
    struct session *session;
    uint32_t pipe;
    uint8_t *plain, *frame; /* ROOM each */
};

static void talking_end(struct talking *t)
{
    wires_raw_close(t->liar->wires, t->pipe);
    session_free(t->session);
    free(t->plain);
    free(t->frame);
}

static bool victim_key(const struct liar *liar, struct key_public *out)
{
    static struct relationship r; /* large */
    struct err e = {0};
    if (!relationship_load(home_store(liar->machine->home), liar->id, &r, &e)) return false;
    if (!r.parties[liar->victim->number].is_known) return false;
    *out = r.parties[liar->victim->number].certificate.transport;
    return true;
}

static bool talking_begin(struct talking *t, const struct liar *liar)
{
    struct err e = {0};
    struct key_public remote;
    struct session_secrets secrets = {home_transport_key(liar->machine->home), &liar->machine->world};
    *t = (struct talking){.liar = liar, .plain = malloc(ROOM), .frame = malloc(ROOM)};
    must(t->plain && t->frame);
    struct sink frame = sink_over(t->frame, ROOM);
    if (!victim_key(liar, &remote) || (t->pipe = wires_raw_open(liar->wires, liar->victim->number)) == 0) return false;
    if (!session_dial(&t->session, &secrets, &remote, NULL, &frame, &e)) return false;
    span answer = wires_raw_ask(liar->wires, t->pipe, sink_span(&frame));
    frame = sink_over(t->frame, ROOM);
    return session_dialed(t->session, answer, (span){0}, &frame, &e) &&
           wires_raw_ask(liar->wires, t->pipe, sink_span(&frame)).len > 1;
}

static void ask(struct talking *t, const struct sink *plain)
{
    struct err e = {0};
    struct sink frame = sink_over(t->frame, ROOM);
    if (!plain->full && session_seal(t->session, sink_span(plain), &frame, &e))
        (void)wires_raw_ask(t->liar->wires, t->pipe, sink_span(&frame));
}

/* ---- its own feed, going on otherwise ---- */

struct own {
    struct feed feed;
    struct merkle_edge edge; /* where the made up entries begin */
    const struct signing_key *key;
};

static bool own_load(const struct liar *liar, uint64_t from, struct own *out)
{
    struct err e = {0};
    struct store *store = home_store(liar->machine->home);
    if (!home_log_key(liar->machine->home, liar->id, &out->key, &e) ||
        !feed_load(store, liar->id, signing_key_public(out->key), 0, &out->feed, &e))
        return false;
    if (from > out->feed.edge.size) from = out->feed.edge.size;
    struct feed_nodes nodes = feed_nodes_of(store, liar->id, &out->feed);
    return merkle_edge_at(feed_nodes(&nodes), from, &out->edge, &e);
}

/* A hash of something that exists, most of the time. */
struct some {
    struct dice *dice;
    size_t seen;
    struct hash id;
};
static bool take_some(void *self, uint64_t index, const struct stored_entry *entry)
{
    struct some *s = self;
    (void)index;
    if (dice_below(s->dice, ++s->seen) == 0) s->id = merkle_leaf(entry->header);
    return true;
}

static struct hash some_entry(const struct liar *liar)
{
    static struct relationship r;
    struct some s = {.dice = liar->dice};
    struct err e = {0};
    struct store *store = home_store(liar->machine->home);
    for (size_t i = 0; i < sizeof s.id.bytes; i++) s.id.bytes[i] = (uint8_t)dice_next(liar->dice);
    if (dice_one_in(liar->dice, 8) || !relationship_load(store, liar->id, &r, &e)) return s.id;
    const struct party *party = &r.parties[dice_below(liar->dice, r.party_count)];
    struct feed feed;
    if (party->is_known && feed_load(store, liar->id, &party->certificate.log, 0, &feed, &e))
        (void)!feed_read(store, liar->id, feed.feed, dice_below(liar->dice, feed.edge.size), take_some, &s, &e);
    return s.id;
}

static void make_items(const struct liar *liar, struct header *h)
{
    h->item_count = 1 + (size_t)dice_below(liar->dice, 3);
    for (size_t i = 0; i < h->item_count; i++) {
        struct item_base *item = &h->items[i];
        *item = (struct item_base){.is_new = dice_one_in(liar->dice, 3), .from_start = dice_one_in(liar->dice, 2)};
        if (!item->is_new) item->item = some_entry(liar);
        if (item->is_new) item->from_start = true;
        if (!item->from_start) item->base = some_entry(liar);
    }
}

static void break_header(const struct liar *liar, struct header *h)
{
    switch (dice_below(liar->dice, 5)) {
    case 0: h->index += 1 + dice_below(liar->dice, 3); break;
    case 1: h->relationship.bytes[0] ^= 1; break;
    case 2: h->log_key.bytes[0] ^= 1; break;
    case 3: h->version = 2; break;
    default: h->version = 0; break;
    }
}

static int front_order(const void *a, const void *b)
{
    const struct front_row *left = a, *right = b;
    return memcmp(left->log_key.bytes, right->log_key.bytes, sizeof left->log_key.bytes);
}

/* Fronts that go back, that leave something out, that name what nobody has. */
static void make_front(const struct liar *liar, struct header *h)
{
    static struct relationship r;
    struct err e = {0};
    struct store *store = home_store(liar->machine->home);
    h->front_count = 0;
    if (!relationship_load(store, liar->id, &r, &e)) return;
    for (unsigned p = 0; p < r.party_count; p++) {
        struct feed feed;
        if (p == liar->machine->number || !r.parties[p].is_known || dice_one_in(liar->dice, 3)) continue;
        if (!feed_load(store, liar->id, &r.parties[p].certificate.log, 0, &feed, &e) || feed.edge.size == 0) continue;
        struct front_row *row = &h->front[h->front_count++];
        struct feed_nodes nodes = feed_nodes_of(store, liar->id, &feed);
        row->log_key = feed.log_key;
        row->size = 1 + dice_below(liar->dice, feed.edge.size);
        if (dice_one_in(liar->dice, 3)) row->size = feed.edge.size;
        if (!merkle_root_at(feed_nodes(&nodes), row->size, &row->root, &e)) h->front_count--;
        else if (dice_one_in(liar->dice, 12)) row->root.bytes[0] ^= 1;
    }
    qsort(h->front, h->front_count, sizeof h->front[0], front_order);
}

static void make_header(const struct liar *liar, enum lie lie, const struct own *own, struct header *h)
{
    static const enum verb verbs[] = {VERB_PROPOSE, VERB_PROPOSE, VERB_ACCEPT, VERB_DECLINE, VERB_WITHDRAW, VERB_STATE,
                                      VERB_ACKNOWLEDGE, VERB_DISPUTE, VERB_COMMENT, VERB_SEAL, VERB_PAIR, VERB_OPEN, VERB_SUCCEED};
    static const char *const nouns[] = {"action", "action", "appointment", "charter", "comment", "relationship", "figure"};
    h->version = FORMAT_VERSION;
    h->relationship = *liar->id;
    h->log_key = own->feed.log_key;
    h->index = own->edge.size;
    h->time_ms = dice_below(liar->dice, 1u << 31) * 1000;
    h->person = span_text("A. Liar");
    h->role = span_text("manager");
    h->verb = verbs[dice_below(liar->dice, sizeof verbs / sizeof verbs[0])];
    h->verb_text = span_text(dice_one_in(liar->dice, 12) ? "frobnicate" : verb_word(h->verb));
    h->noun = span_text(nouns[dice_below(liar->dice, sizeof nouns / sizeof nouns[0])]);
    if (h->verb == VERB_PROPOSE || h->verb == VERB_STATE) make_items(liar, h);
    else {
        h->has_ref = true;
        h->ref = some_entry(liar);
    }
    if (lie == LIE_FRONT || dice_one_in(liar->dice, 2)) make_front(liar, h);
    if (lie == LIE_BREAK) break_header(liar, h);
}

/* Appends one made up entry to `entries`, and its leaf to the tree. */
static void make_entry(const struct liar *liar, enum lie lie, struct own *own, struct sink *entries)
{
    static struct header h; /* large */
    struct hash completed[MERKLE_LEVELS_MAX];
    uint8_t bytes[HEADER_BYTES_MAX], body_bytes[64], salt[SALT_BYTES] = {0};
    struct sink out = sink_over(bytes, sizeof bytes), body = sink_over(body_bytes, sizeof body_bytes);
    memset(&h, 0, sizeof h);
    make_header(liar, lie, own, &h);
    body_start(&body, h.item_count ? h.item_count : 1);
    for (size_t i = 0; i < (h.item_count ? h.item_count : 1); i++) {
        struct body_field field = {span_text("title"), {.is_text = true, .text = span_text("A lie")}};
        body_map(&body, &field, 1);
    }
    salt[0] = (uint8_t)dice_next(liar->dice);
    h.body_digest = body_digest(salt, sink_span(&body));
    h.body_bytes = body.len;
    header_write(&out, &h);
    if (lie == LIE_BREAK && dice_one_in(liar->dice, 4)) out.len -= 1;
    batch_entry_write(entries, sink_span(&out), salt, !dice_one_in(liar->dice, 6), sink_span(&body));
    struct hash leaf = merkle_leaf(sink_span(&out));
    (void)merkle_append(&own->edge, &leaf, completed);
}

static void push_made_up(struct talking *t, enum lie lie)
{
    const struct liar *liar = t->liar;
    struct own own;
    uint8_t room[32 * 1024];
    struct sink entries = sink_over(room, sizeof room), plain = sink_over(t->plain, ROOM);
    if (!own_load(liar, UINT64_MAX, &own)) return;
    if (lie == LIE_FORK) {
        uint64_t back = 1 + dice_below(liar->dice, 6);
        if (!own_load(liar, own.feed.edge.size > back + 4 ? own.feed.edge.size - back : 4, &own)) return;
    }
    struct message_batch batch = {.relationship = *liar->id, .log_key = own.feed.log_key, .from = own.edge.size,
                                  .root_at = merkle_root(&own.edge)};
    for (uint64_t n = 1 + dice_below(liar->dice, MADE_MAX); n > 0; n--) make_entry(liar, lie, &own, &entries);
    struct hash root = merkle_root(&own.edge);
    head_sign(own.key, own.feed.origin, own.edge.size, &root, &batch.head);
    batch.entries = sink_span(&entries);
    message_start(&plain, MESSAGE_PUSH, NULL, 0, 1);
    batch_write(&plain, &batch);
    ask(t, &plain);
}

/* ---- what others have said, passed on otherwise ---- */

struct passing {
    struct sink out;
    enum lie lie;
    struct dice *dice;
    uint64_t count;
};
static bool pass_entry(void *self, uint64_t index, const struct stored_entry *entry)
{
    struct passing *p = self;
    uint8_t salt[SALT_BYTES], body[1024];
    (void)index;
    if (p->out.cap - p->out.len < 8192) return false;
    memcpy(salt, entry->salt, sizeof salt);
    span shown = entry->body;
    bool is_here = entry->has_body && !(p->lie == LIE_STRIP && dice_one_in(p->dice, 2));
    if (is_here && p->lie == LIE_ALTER && dice_one_in(p->dice, 3) && shown.len && shown.len < sizeof body) {
        memcpy(body, shown.at, shown.len);
        body[dice_below(p->dice, shown.len)] ^= 1;
        shown = span_of(body, shown.len);
    }
    batch_entry_write(&p->out, entry->header, salt, is_here, shown);
    p->count++;
    return true;
}

static void push_passed_on(struct talking *t, enum lie lie)
{
    static struct relationship r;
    const struct liar *liar = t->liar;
    struct err e = {0};
    struct store *store = home_store(liar->machine->home);
    struct feed feed;
    uint8_t *room = malloc(ROOM / 2);
    must(room);
    struct sink plain = sink_over(t->plain, ROOM);
    struct passing p = {sink_over(room, ROOM / 2), lie, liar->dice, 0};
    bool is_there = relationship_load(store, liar->id, &r, &e);
    const struct party *party = &r.parties[dice_below(liar->dice, is_there ? r.party_count : 1)];
    if (is_there && party->is_known && feed_load(store, liar->id, &party->certificate.log, 0, &feed, &e) && feed.head.size > 0) {
        struct feed_nodes nodes = feed_nodes_of(store, liar->id, &feed);
        struct message_batch batch = {.relationship = *liar->id, .log_key = feed.log_key, .head = feed.head};
        batch.from = feed.head.size - dice_below(liar->dice, feed.head.size < 8 ? feed.head.size : 8);
        if (merkle_root_at(feed_nodes(&nodes), batch.from, &batch.root_at, &e) &&
            feed_read(store, liar->id, feed.feed, batch.from, pass_entry, &p, &e)) {
            batch.entries = sink_span(&p.out);
            message_start(&plain, MESSAGE_PUSH, NULL, 0, 1);
            batch_write(&plain, &batch);
            ask(t, &plain);
        }
    }
    free(room);
}

/* ---- other talk ---- */

static void send_receipts(struct talking *t)
{
    static struct relationship r;
    const struct liar *liar = t->liar;
    struct err e = {0};
    struct feed feed;
    struct message_receipt receipts[8];
    struct sink plain = sink_over(t->plain, ROOM);
    size_t count = 0;
    struct store *store = home_store(liar->machine->home);
    if (!relationship_load(store, liar->id, &r, &e)) return;
    for (unsigned p = 0; p < r.party_count; p++) {
        if (!r.parties[p].is_known || !feed_load(store, liar->id, &r.parties[p].certificate.log, 0, &feed, &e)) continue;
        struct receipt made;
        uint64_t size = feed.edge.size + dice_below(liar->dice, 3);
        receipt_sign(home_receipt_key(liar->machine->home), feed.origin, size, &feed.root, 1 + dice_below(liar->dice, 1u << 31),
                     &made);
        receipts[count++] = (struct message_receipt){.relationship = *liar->id, .log_key = feed.log_key,
                                                     .receipt_key = *signing_key_public(home_receipt_key(liar->machine->home)),
                                                     .size = made.size, .time_s = made.time_s, .signature = made.signature};
    }
    message_start(&plain, MESSAGE_FRONTIER, receipts, count, 3);
    write_u64(&plain, MESSAGE_VERSION);
    write_u64(&plain, dice_next(liar->dice) >> 8);
    write_array(&plain, 0);
    ask(t, &plain);
}

static void ask_strangely(struct talking *t)
{
    const struct liar *liar = t->liar;
    struct own own;
    struct sink plain = sink_over(t->plain, ROOM);
    if (!own_load(liar, UINT64_MAX, &own)) return;
    struct message_pull pull = {.relationship = *liar->id, .log_key = own.feed.log_key, .from = dice_below(liar->dice, 40),
                                .size = dice_below(liar->dice, 40), .root = own.feed.root, .most = dice_next(liar->dice) >> 2};
    struct summary summary = {.relationship = *liar->id, .digest = some_entry(liar), .state = some_entry(liar)};
    switch (dice_below(liar->dice, 4)) {
    case 0:
        message_start(&plain, MESSAGE_PULL, NULL, 0, 1);
        pull_write(&plain, &pull);
        break;
    case 1:
        message_start(&plain, MESSAGE_FRONTIER, NULL, 0, 3);
        write_u64(&plain, MESSAGE_VERSION);
        write_u64(&plain, 0);
        write_array(&plain, 1);
        summary_write(&plain, &summary);
        break;
    case 2:
        message_start(&plain, MESSAGE_WATCH, NULL, 0, 1);
        write_array(&plain, 2);
        summary_write(&plain, &summary);
        summary_write(&plain, &summary);
        break;
    default:
        message_start(&plain, MESSAGE_COMMIT, NULL, 0, 2);
        write_bytes(&plain, relationship_span(liar->id));
        write_bytes(&plain, hash_span(&own.feed.root));
        break;
    }
    ask(t, &plain);
}

static void send_garbage(const struct liar *liar)
{
    uint8_t bytes[300];
    uint32_t pipe = wires_raw_open(liar->wires, liar->victim->number);
    size_t len = 1 + (size_t)dice_below(liar->dice, sizeof bytes);
    for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)dice_next(liar->dice);
    bytes[0] = (uint8_t)dice_below(liar->dice, 8);
    if (dice_one_in(liar->dice, 2)) bytes[1] = 1;
    (void)wires_raw_ask(liar->wires, pipe, span_of(bytes, len));
    if (dice_one_in(liar->dice, 2)) wires_raw_close(liar->wires, pipe);
}

static void flood(const struct liar *liar)
{
    struct key_public remote;
    struct session_secrets secrets = {home_transport_key(liar->machine->home), &liar->machine->world};
    if (!victim_key(liar, &remote)) return;
    for (unsigned i = 0; i < FLOOD; i++) {
        uint8_t bytes[256];
        struct sink frame = sink_over(bytes, sizeof bytes);
        struct session *s = NULL;
        struct err e = {0};
        uint32_t pipe = wires_raw_open(liar->wires, liar->victim->number);
        if (i < 2 && session_dial(&s, &secrets, &remote, NULL, &frame, &e))
            (void)wires_raw_ask(liar->wires, pipe, sink_span(&frame));
        session_free(s);
        if (dice_one_in(liar->dice, 2)) wires_raw_close(liar->wires, pipe);
    }
}

void liar_lie(const struct liar *liar, enum lie lie)
{
    struct talking t;
    if (!liar->machine->home || !home_transport_key(liar->machine->home)) return;
    if (lie == LIE_GARBAGE) send_garbage(liar);
    if (lie == LIE_FLOOD) flood(liar);
    if (lie == LIE_TWIN || lie == LIE_GARBAGE || lie == LIE_FLOOD || lie == LIE_COUNT) return;
    if (talking_begin(&t, liar)) {
        if (lie == LIE_STRIP || lie == LIE_ALTER) push_passed_on(&t, lie);
        else if (lie == LIE_RECEIPT) send_receipts(&t);
        else if (lie == LIE_QUESTION) ask_strangely(&t);
        else push_made_up(&t, lie);
    }
    talking_end(&t);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/store/parties.h"

#define START_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */
#define TICK_MS 1000
#define NOUN_OF_SETUP "relationship"

static const uint8_t empty_body[] = {0x91, 0x80}; /* one empty map */
static const char *const codes[] = {"ACME", "BOLT", "CORD"};
static const char *const domains[] = {"acme.example", "bolt.example", "cord.example"};

void expect(bool is_fine, const struct err *e)
{
    if (!is_fine) fail_msg("%s: %s", err_word(e->code), e->said);
}

void assert_hash_equal(const struct hash *a, const struct hash *b)
{
    assert_memory_equal(a->bytes, b->bytes, sizeof a->bytes);
}

/* ---- the world ---- */

static uint64_t world_now(void *self)
{
    const struct side *side = self;
    return (uint64_t)side->all->now_ms;
}

static int64_t world_date(void *self)
{
    struct side *side = self;
    return side->all->now_ms += TICK_MS;
}

static void world_random(void *self, uint8_t *at, size_t len)
{
    struct side *side = self;
    test_random_bytes(&side->random, at, len);
}

static struct signing_key *make_key(struct side *side)
{
    uint8_t seed[KEY_SEED_BYTES];
    struct signing_key *key = NULL;
    struct err e = {0};
    test_random_bytes(&side->random, seed, sizeof seed);
    expect(signing_key_new(&key, seed, &e), &e);
    return key;
}

static void certify(struct parties *p, struct side *side)
{
    struct certificate *c = &side->certificate;
    struct sink note = sink_over(side->note, sizeof side->note);
    struct err e = {0};
    *c = (struct certificate){
        .relationship = p->id, .has_log = true, .has_receipt = true, .has_transport = true};
    snprintf(c->code, sizeof c->code, "%s", side->code);
    snprintf(c->domain, sizeof c->domain, "%s", domains[side->party]);
    snprintf(c->name, sizeof c->name, "%s Ltd", side->code);
    c->identity = *signing_key_public(side->identity);
    c->log = *signing_key_public(side->log);
    c->receipt = *signing_key_public(side->receipt);
    test_random_bytes(&side->random, c->transport.bytes, sizeof c->transport.bytes);
    expect(certificate_write(&note, c, side->identity, &e), &e);
    side->note_bytes = note.len;
}

span note_of(const struct side *side) { return span_of(side->note, side->note_bytes); }

static void side_open(struct parties *p, unsigned party, uint64_t seed)
{
    struct side *side = &p->sides[party];
    struct sink path = sink_over(side->path, sizeof side->path - 1);
    struct err e = {0};
    side->all = p;
    side->party = party;
    side->random = (struct test_random){seed + party * UINT64_C(7919)};
    side->world = (struct world){world_now, world_date, world_random, NULL, NULL, side};
    snprintf(side->code, sizeof side->code, "%s", codes[party]);
    sink_text(&path, p->folder);
    sink_text(&path, "/");
    sink_text(&path, side->code);
    sink_text(&path, ".db");
    side->identity = make_key(side);
    side->log = make_key(side);
    side->receipt = make_key(side);
    side->author = (struct author){"Ann", "manager", side->log};
    expect(store_open(&side->store, side->path, &side->world, &e), &e);
}

/* ---- opening the relationship ---- */

struct body_field text_of(const char *name, span value)
{
    return (struct body_field){span_text(name), {.is_text = true, .text = value}};
}

span body_of(struct body_field *fields, size_t count)
{
    static uint8_t bytes[BODY_BYTES_MAX];
    struct sink body = sink_over(bytes, sizeof bytes);
    body_start(&body, 1);
    body_map(&body, fields, count);
    assert_false(body.full);
    return sink_span(&body);
}

static struct hash say_fields(struct parties *p, unsigned us, struct draft draft,
                              struct body_field *fields, size_t count)
{
    draft.body = body_of(fields, count);
    return say(p, us, &draft);
}

static void say_open(struct parties *p, const uint8_t nonce[32])
{
    char list[64] = "", hex[65];
    struct side *acme = &p->sides[ACME];
    struct err e = {0};
    for (size_t i = 0; i < p->count; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? " " : "", codes[i]);
    expect(
        relationship_add(acme->store, &p->id, "Acme and others", note_of(acme), note_of(acme), &e),
        &e);
    struct body_field fields[] = {
        text_of("title", span_text("Acme and others")), text_of("parties", span_text(list)),
        text_of("nonce", span_text(hex_write(span_of(nonce, 32), hex, sizeof hex))),
        text_of("certificate", note_of(acme))};
    (void)say_fields(p, ACME, (struct draft){.verb = VERB_OPEN, .noun = NOUN_OF_SETUP}, fields, 4);
}

static void say_pair(struct parties *p, const struct side *other)
{
    struct body_field fields[] = {text_of("party", span_text(other->code)),
                                  text_of("certificate", note_of(other)),
                                  text_of("how", span_text("voice"))};
    (void)say_fields(p, ACME, (struct draft){.verb = VERB_PAIR, .noun = NOUN_OF_SETUP}, fields, 3);
}

static void say_join(struct parties *p, struct side *joiner)
{
    struct body_field fields[] = {text_of("certificate", note_of(joiner))};
    struct err e = {0};
    expect(relationship_add(joiner->store, &p->id, "Acme and others", note_of(joiner),
                            note_of(&p->sides[ACME]), &e),
           &e);
    send(p, ACME, joiner->party);
    (void)say_fields(p, joiner->party, (struct draft){.verb = VERB_JOIN, .noun = NOUN_OF_SETUP},
                     fields, 1);
}

void parties_start(struct parties *p, size_t count, uint64_t seed, uint8_t *nonce)
{
    struct err e = {0};
    expect(crypto_start(&e), &e);
    *p = (struct parties){
        .count = count, .now_ms = START_MS, .folder = "/tmp/counterpart-test-XXXXXX"};
    assert_non_null(mkdtemp(p->folder));
    for (unsigned i = 0; i < count; i++) side_open(p, i, seed);
    test_random_bytes(&p->sides[ACME].random, nonce, 32);
    p->id = relationship_id_of(signing_key_public(p->sides[ACME].identity), nonce);
    for (unsigned i = 0; i < count; i++) certify(p, &p->sides[i]);
}

static void introduce(struct parties *p, const uint8_t nonce[32])
{
    say_open(p, nonce);
    for (unsigned i = 1; i < p->count; i++) say_pair(p, &p->sides[i]);
    for (unsigned i = 1; i < p->count; i++) say_join(p, &p->sides[i]);
    settle(p);
}

void parties_open(struct parties *p, size_t count, uint64_t seed)
{
    uint8_t nonce[32];
    parties_start(p, count, seed, nonce);
    introduce(p, nonce);
}

void parties_open_another(struct parties *another, const struct parties *p)
{
    static const uint8_t nonce[32] = {4, 2};
    *another = *p;
    another->id = relationship_id_of(signing_key_public(p->sides[ACME].identity), nonce);
    for (unsigned i = 0; i < p->count; i++) certify(another, &another->sides[i]);
    introduce(another, nonce);
}

static void remove_database(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t n = 0; n < 3; n++) {
        char name[160];
        snprintf(name, sizeof name, "%s%s", path, endings[n]);
        unlink(name);
    }
}

void parties_close(struct parties *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct side *side = &p->sides[i];
        store_close(side->store);
        signing_key_free(side->identity);
        signing_key_free(side->log);
        signing_key_free(side->receipt);
        remove_database(side->path);
    }
    rmdir(p->folder);
}

/* ---- saying ---- */

struct hash say(struct parties *p, unsigned us, const struct draft *draft)
{
    struct hash id = {0};
    struct err e = {0};
    expect(record_append(p->sides[us].store, &p->id, &p->sides[us].author, draft, 1, &id, NULL, &e),
           &e);
    return id;
}

enum err_code answer_refused(struct parties *p, unsigned us, enum verb verb, const struct hash *ref)
{
    struct draft draft = {.verb = verb,
                          .noun = "action",
                          .has_ref = true,
                          .ref = *ref,
                          .body = span_of(empty_body, sizeof empty_body)};
    struct hash id = {0};
    struct err e = {0};
    assert_false(
        record_append(p->sides[us].store, &p->id, &p->sides[us].author, &draft, 1, &id, NULL, &e));
    return e.code;
}

struct hash propose_on(struct parties *p, unsigned us, const struct hash *item,
                       const struct hash *base, const char *title)
{
    struct draft draft = {.verb = VERB_PROPOSE, .noun = "action", .item_count = 1};
    struct body_field fields[] = {text_of("title", span_text(title)),
                                  text_of("owner", span_text(p->sides[us].code))};
    draft.items[0] = (struct item_base){.is_new = !item, .from_start = !base};
    if (item) draft.items[0].item = *item;
    if (base) draft.items[0].base = *base;
    return say_fields(p, us, draft, fields, 2);
}

struct hash propose_new(struct parties *p, unsigned us, const char *title)
{
    return propose_on(p, us, NULL, NULL, title);
}

struct hash answer(struct parties *p, unsigned us, enum verb verb, const struct hash *ref)
{
    struct body_field reason[] = {
        text_of(verb == VERB_COMMENT ? "text" : "reason", span_text("because"))};
    bool has_reason = verb == VERB_DECLINE || verb == VERB_DISPUTE || verb == VERB_COMMENT;
    struct draft draft = {.verb = verb, .noun = "action", .has_ref = true, .ref = *ref};
    return say_fields(p, us, draft, reason, has_reason ? 1 : 0);
}

struct hash appoint(struct parties *p, unsigned us, const struct hash *item, const char *person)
{
    struct draft draft = {.verb = VERB_STATE, .noun = "appointment", .item_count = 1};
    struct body_field fields[] = {text_of("person", span_text(person)),
                                  text_of("role", span_text("manager"))};
    draft.items[0] = (struct item_base){.is_new = !item, .from_start = true};
    if (item) draft.items[0].item = *item;
    return say_fields(p, us, draft, fields, 2);
}

struct hash report_progress(struct parties *p, unsigned us, const struct hash *item,
                            const struct hash *base, int64_t percent)
{
    struct draft draft = {.verb = VERB_STATE, .noun = "action", .item_count = 1};
    struct body_field fields[] = {text_of("status", span_text("in_progress")),
                                  {span_text("percent"), {.number = percent}}};
    draft.items[0] = (struct item_base){.item = *item, .base = *base};
    return say_fields(p, us, draft, fields, 2);
}

size_t seal_due(struct parties *p, unsigned us)
{
    size_t seals = 0;
    struct err e = {0};
    expect(
        record_append(p->sides[us].store, &p->id, &p->sides[us].author, NULL, 0, NULL, &seals, &e),
        &e);
    return seals;
}

/* ---- carrying ---- */

static bool copy_entry(void *self, uint64_t index, const struct stored_entry *entry)
{
    struct lot *lot = self;
    struct err e = {0};
    if (index >= lot->from + LOT_MAX) return false;
    struct buffer *header = &lot->headers[lot->count], *body = &lot->bodies[lot->count];
    struct stored_entry *copy = &lot->entries[lot->count++];
    *copy = *entry;
    expect(buffer_put(header, entry->header, &e) && buffer_put(body, entry->body, &e), &e);
    copy->header = buffer_span(header);
    copy->body = entry->has_body ? buffer_span(body) : (span){0};
    return true;
}

struct lot *lot_copy(struct parties *p, unsigned owner, unsigned at, uint64_t from, uint64_t below)
{
    struct feed feed = feed_of(p, at, owner);
    struct feed_nodes nodes = feed_nodes_of(p->sides[at].store, &p->id, &feed);
    struct err e = {0};
    struct lot *lot = calloc(1, sizeof *lot);
    assert_non_null(lot);
    if (below > feed.head.size) below = feed.head.size; /* only what a head signs can be served */
    assert_true(from <= below && below - from <= LOT_MAX);
    lot->log_key = feed.log_key;
    lot->from = from;
    lot->head = feed.head;
    lot->has_proof = below < feed.head.size;
    expect(merkle_prove_consistency(feed_nodes(&nodes), below, feed.head.size, &lot->proof, &e),
           &e);
    expect(feed_read(p->sides[at].store, &p->id, feed.feed, from, copy_entry, lot, &e), &e);
    lot->count = (size_t)(below - from);
    return lot;
}

void lot_free(struct lot *lot)
{
    for (size_t i = 0; i < LOT_MAX; i++) {
        buffer_wipe(&lot->headers[i]);
        buffer_wipe(&lot->bodies[i]);
    }
    free(lot);
}

struct taking {
    struct store *store;
    const struct relationship_id *id;
    const struct lot *lot;
    bool any, is_forked;
    uint64_t taken;
};

static bool take(void *self, struct err *e)
{
    struct taking *t = self;
    const struct lot *lot = t->lot;
    unsigned branch = 0;
    struct batch batch = {.log_key = &lot->log_key,
                          .from = lot->from,
                          .entries = lot->entries,
                          .entry_count = lot->count,
                          .head = &lot->head,
                          .proof = lot->has_proof ? &lot->proof : NULL};
    return (t->any ? feed_take_any(t->store, t->id, &batch, &branch, &t->taken, &t->is_forked, e)
                   : feed_take(t->store, t->id, &batch, &t->taken, e)) &&
           record_fold(t->store, t->id, e);
}

enum err_code lot_take(struct parties *p, unsigned to, const struct lot *lot, uint64_t *taken)
{
    struct taking t = {.store = p->sides[to].store, .id = &p->id, .lot = lot};
    struct err e = {0};
    if (!store_transact(t.store, take, &t, &e)) return e.code;
    if (taken) *taken = t.taken;
    return ERR_NONE;
}

enum err_code lot_take_any(struct parties *p, unsigned to, const struct lot *lot, bool *is_forked)
{
    struct taking t = {.store = p->sides[to].store, .id = &p->id, .lot = lot, .any = true};
    struct err e = {0};
    if (!store_transact(t.store, take, &t, &e)) return e.code;
    *is_forked = t.is_forked;
    return ERR_NONE;
}

struct receipting {
    struct parties *p;
    unsigned owner, side;
    struct feed_receipt *made;
    const struct feed_receipt *taken;
};

static bool make_receipt(void *self, struct err *e)
{
    struct receipting *r = self;
    struct side *side = &r->p->sides[r->side];
    struct feed feed = feed_of(r->p, r->side, r->owner);
    return feed_receipt_make(side->store, &r->p->id, &feed, feed.head.size, side->receipt, r->made,
                             e);
}

enum err_code receipt_make(struct parties *p, unsigned owner, unsigned by, struct feed_receipt *out)
{
    struct receipting r = {.p = p, .owner = owner, .side = by, .made = out};
    struct err e = {0};
    return store_transact(p->sides[by].store, make_receipt, &r, &e) ? ERR_NONE : e.code;
}

static bool take_receipt(void *self, struct err *e)
{
    struct receipting *r = self;
    struct side *side = &r->p->sides[r->side];
    struct feed feed = feed_of(r->p, r->side, r->owner);
    bool is_new = false;
    return feed_receipt_take(side->store, &r->p->id, &feed, r->taken, &is_new, e);
}

enum err_code receipt_take(struct parties *p, unsigned owner, unsigned at,
                           const struct feed_receipt *receipt)
{
    struct receipting r = {.p = p, .owner = owner, .side = at, .taken = receipt};
    struct err e = {0};
    return store_transact(p->sides[at].store, take_receipt, &r, &e) ? ERR_NONE : e.code;
}

void carry_upto(struct parties *p, unsigned owner, unsigned from, unsigned to, uint64_t size)
{
    struct feed here = feed_of(p, from, owner), there = feed_of(p, to, owner);
    struct feed_receipt receipt;
    uint64_t taken = 0;
    if (size > here.head.size) size = here.head.size;
    if (size <= there.edge.size) return;
    struct lot *lot = lot_copy(p, owner, from, there.edge.size, size);
    assert_int_equal(lot_take(p, to, lot, &taken), ERR_NONE);
    assert_int_equal(taken, lot->count);
    bool is_receipt_due = owner != to && !lot->has_proof;
    lot_free(lot);
    if (!is_receipt_due) return;
    assert_int_equal(receipt_make(p, owner, to, &receipt), ERR_NONE);
    /* Between two that hear of each other through the opener, the receipt key may not be known yet. */
    enum err_code code = receipt_take(p, owner, from, &receipt);
    assert_true(code == ERR_NONE || code == ERR_MISSING);
}

void carry(struct parties *p, unsigned owner, unsigned from, unsigned to)
{
    carry_upto(p, owner, from, to, UINT64_MAX);
}

void send(struct parties *p, unsigned from, unsigned to) { carry(p, from, from, to); }

static uint64_t entries_held(struct parties *p)
{
    uint64_t held = 0;
    for (unsigned us = 0; us < p->count; us++)
        for (unsigned owner = 0; owner < p->count; owner++) held += feed_of(p, us, owner).edge.size;
    return held;
}

void settle(struct parties *p)
{
    for (uint64_t before = UINT64_MAX; before != entries_held(p);) {
        before = entries_held(p);
        for (unsigned from = 0; from < p->count; from++) {
            struct feed own = feed_of(p, from, from);
            if (own.broken_at == UINT64_MAX && own.fork_at == UINT64_MAX) (void)seal_due(p, from);
            for (unsigned to = 0; to < p->count; to++)
                if (to != from) send(p, from, to);
        }
    }
}

void replica_open(struct parties *replica, const struct parties *p, unsigned us)
{
    struct side *side = &replica->sides[us];
    struct err e = {0};
    *replica = *p;
    snprintf(side->path + strlen(side->path), sizeof side->path - strlen(side->path), "-replica");
    expect(store_open(&side->store, side->path, &p->sides[us].world, &e), &e);
    expect(relationship_add(side->store, &p->id, "", note_of(side), note_of(&p->sides[ACME]), &e),
           &e);
}

void replica_close(struct parties *replica, unsigned us)
{
    store_close(replica->sides[us].store);
    remove_database(replica->sides[us].path);
}

uint64_t fork_bolt(struct parties *p)
{
    struct parties copy;
    replica_open(&copy, p, BOLT);
    for (unsigned owner = 0; owner < p->count; owner++)
        carry_upto(&copy, owner, ACME, BOLT, owner == ACME ? p->count : UINT64_MAX);
    for (unsigned owner = 0; owner < p->count; owner++) carry(&copy, owner, ACME, BOLT);
    uint64_t at = feed_of(p, BOLT, BOLT).edge.size;
    assert_int_equal(feed_of(&copy, BOLT, BOLT).edge.size, at);
    (void)appoint(p, BOLT, NULL, "Rosa");
    (void)appoint(&copy, BOLT, NULL, "Karl");
    (void)appoint(&copy, BOLT, NULL, "Clara");
    send(p, BOLT, ACME);
    send(&copy, BOLT, CORD);
    replica_close(&copy, BOLT);
    return at;
}

/* ---- a party that breaks the rules ---- */

struct header next_header(struct parties *p, unsigned us, enum verb verb, const char *noun)
{
    struct feed own = feed_of(p, us, us);
    struct header h = {.version = FORMAT_VERSION,
                       .relationship = p->id,
                       .log_key = own.log_key,
                       .index = own.edge.size};
    h.time_ms = (uint64_t)world_date(&p->sides[us]);
    h.person = span_text("Mallory");
    h.role = span_text("manager");
    h.verb = verb;
    h.verb_text = span_text(verb_word(verb) ? verb_word(verb) : "transmogrify");
    h.noun = span_text(noun);
    return h;
}

void add_front(struct parties *p, struct header *h, unsigned us, unsigned named)
{
    struct feed feed = feed_of(p, us, named);
    struct front_row row = {.log_key = feed.log_key, .size = feed.folded};
    struct feed_nodes nodes = feed_nodes_of(p->sides[us].store, &p->id, &feed);
    struct err e = {0};
    size_t at = h->front_count++;
    expect(merkle_root_at(feed_nodes(&nodes), row.size, &row.root, &e), &e);
    for (; at > 0 && span_compare(key_public_span(&h->front[at - 1].log_key),
                                  key_public_span(&row.log_key)) > 0;
         at--)
        h->front[at] = h->front[at - 1];
    h->front[at] = row;
}

struct raw {
    struct parties *p;
    unsigned us;
    struct stored_entry entry;
    struct hash id;
};

static bool append_raw(void *self, struct err *e)
{
    struct raw *r = self;
    struct side *side = &r->p->sides[r->us];
    struct feed own;
    return feed_load(side->store, &r->p->id, signing_key_public(side->log), 0, &own, e) &&
           feed_append(side->store, &r->p->id, &own, &r->entry, &r->id, e) &&
           feed_sign(side->store, &r->p->id, &own, side->log, e) &&
           record_fold(side->store, &r->p->id, e);
}

struct hash say_leaf(struct parties *p, unsigned us, span leaf, const span *body)
{
    struct raw raw = {p, us, {.header = leaf, .has_body = body != NULL}, {{0}}};
    struct err e = {0};
    if (body) raw.entry.body = *body;
    expect(store_transact(p->sides[us].store, append_raw, &raw, &e), &e);
    return raw.id;
}

struct hash say_header(struct parties *p, unsigned us, struct header *h, const span *body)
{
    uint8_t bytes[HEADER_BYTES_MAX], salt[SALT_BYTES] = {0};
    struct sink out = sink_over(bytes, sizeof bytes);
    span said = body ? *body : span_of(empty_body, sizeof empty_body);
    h->body_digest = body_digest(salt, said);
    h->body_bytes = said.len;
    header_write(&out, h);
    assert_false(out.full);
    return say_leaf(p, us, sink_span(&out), &said);
}

/* ---- looking ---- */

struct feed feed_of(struct parties *p, unsigned us, unsigned owner)
{
    struct feed feed = {0};
    struct err e = {0};
    if (feed_load(p->sides[us].store, &p->id, signing_key_public(p->sides[owner].log), 0, &feed,
                  &e))
        return feed;
    assert_int_equal(e.code, ERR_MISSING); /* not paired yet */
    return (struct feed){0};
}

struct hash state_digest(struct parties *p, unsigned us)
{
    struct relationship *r = calloc(1, sizeof *r);
    struct err e = {0};
    assert_non_null(r);
    expect(relationship_load(p->sides[us].store, &p->id, r, &e), &e);
    struct hash digest = r->state_digest;
    free(r);
    return digest;
}

struct hash tables_digest(struct parties *p, unsigned us)
{
    struct hash digest = {0};
    struct err e = {0};
    expect(record_tables_digest(p->sides[us].store, &p->id, &digest, &e), &e);
    return digest;
}

enum standing standing_of(struct parties *p, unsigned us, const struct hash *item,
                          const struct hash *proposal)
{
    struct item_view view = {0};
    struct err e = {0};
    enum standing standing = STANDING_OFFERED;
    bool is_shown = false;
    expect(item_load(p->sides[us].store, &p->id, item, &view, &e), &e);
    for (size_t i = 0; i < view.offer_count; i++) {
        if (!hash_equal(&view.offers[i].proposal, proposal)) continue;
        standing = view.offers[i].standing;
        is_shown = true;
    }
    item_view_wipe(&view);
    assert_true(is_shown);
    return standing;
}

struct looking {
    const struct hash *entry;
    enum effect effect;
    size_t count;
};

static bool look_at_line(void *self, const struct history_line *line)
{
    struct looking *l = self;
    if (!hash_equal(&line->entry, l->entry)) return true;
    l->effect = line->effect;
    l->count++;
    return true;
}

enum effect effect_of(struct parties *p, unsigned us, const struct hash *entry)
{
    struct looking l = {.entry = entry};
    struct err e = {0};
    expect(history_each(p->sides[us].store, &p->id, NULL, look_at_line, &l, &e), &e);
    assert_int_equal(l.count, 1);
    return l.effect;
}

static bool count_waiting(void *self, const struct waiting *w)
{
    (void)w;
    size_t *count = self;
    (*count)++;
    return true;
}

size_t inbox_count(struct parties *p, unsigned us)
{
    size_t count = 0;
    struct err e = {0};
    expect(inbox_each(p->sides[us].store, &p->id, count_waiting, &count, &e), &e);
    return count;
}

struct verified {
    size_t count;
    struct finding *last;
};

static void keep_finding(void *self, const struct finding *finding)
{
    struct verified *v = self;
    v->count++;
    if (v->last) *v->last = *finding;
}

size_t verify_count(struct parties *p, unsigned us, struct finding *last)
{
    struct verified v = {0, last};
    uint64_t entries = 0;
    struct err e = {0};
    expect(record_verify(p->sides[us].store, &p->id, keep_finding, &v, &entries, &e), &e);
    return v.count;
}

struct rebuilding {
    struct store *store;
    const struct relationship_id *id;
};

static bool do_rebuild(void *self, struct err *e)
{
    const struct rebuilding *r = self;
    return record_rebuild(r->store, r->id, e);
}

void rebuild(struct parties *p, unsigned us)
{
    struct rebuilding r = {p->sides[us].store, &p->id};
    struct err e = {0};
    expect(store_transact(r.store, do_rebuild, &r, &e), &e);
}

void assert_same_everywhere(struct parties *p)
{
    struct hash state = state_digest(p, ACME);
    for (unsigned us = 0; us < p->count; us++) {
        struct hash here = state_digest(p, us), tables = tables_digest(p, us);
        struct finding last = {0};
        if (verify_count(p, us, &last))
            fail_msg("%s verifies: %s: %s", codes[us], last.where, last.what);
        rebuild(p, us);
        struct hash state_again = state_digest(p, us), tables_again = tables_digest(p, us);
        assert_hash_equal(&here, &state);
        assert_hash_equal(&state_again, &state);
        assert_hash_equal(&tables_again, &tables);
    }
}

#include "tests/stage/stage.h"

#include "node/marker.h"
#include "tests/stage/real_files.h"
#include "tests/stage/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_FOLDER "/state"
#define TALK_STEPS_MAX 20000

/* ---- the world of a node ---- */

static uint64_t draw(struct stage_node *node)
{
    uint64_t z = (node->random += UINT64_C(0x9e3779b97f4a7c15)); /* SplitMix64 */
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void world_random(void *self, uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++) at[i] = (uint8_t)draw(self);
}

static uint64_t world_now(void *self) { return (uint64_t)((struct stage_node *)self)->stage->now_ms++; }
static int64_t world_date(void *self) { return ((struct stage_node *)self)->stage->now_ms++; }

static const struct organisation organisations[STAGE_NODES] = {
    {"Acme Ltd", "acme.example", "ACME", {{0}}},
    {"Bolt AG", "bolt.example", "BOLT", {{0}}},
    {"Bolt AG", "bolt.example", "BOLT", {{0}}},
};
static const char *const paths[STAGE_NODES] = {"/acme", "/bolt", "/bolt"};
static const struct asker anna = {"anna", "manager"};

struct disk_options stage_disk_options(struct stage *stage, unsigned node)
{
    static const char *const names[STAGE_NODES] = {"acme", "bolt", "again"};
    static char name[64];
    (void)snprintf(name, sizeof name, "%s-%s", stage->name, names[node]);
    return (struct disk_options){.name = name, .seed = stage->seed + node, .keeps_changes = stage->keeps_changes,
                                 .clock = &stage->clock};
}

void stage_seat(struct stage *stage, unsigned n, struct disk *disk)
{
    struct stage_node *node = &stage->nodes[n];
    must(!node->disk);
    *node = (struct stage_node){.disk = disk, .stage = stage, .random = stage->seed * STAGE_NODES + n, .path = paths[n],
                                .code = organisations[n].code};
    node->world = (struct world){.now_ms = world_now, .date_ms = world_date, .random = world_random,
                                 .disk = disk_name(disk), .files = real_files(), .self = node};
}

void stage_seat_new(struct stage *stage, unsigned node)
{
    struct disk_options options = stage_disk_options(stage, node);
    stage_seat(stage, node, disk_new(&options));
}

struct stage *stage_new(const char *name, uint64_t seed, bool keeps_changes)
{
    struct stage *stage = calloc(1, sizeof *stage);
    must(stage);
    *stage = (struct stage){.seed = seed, .now_ms = INT64_C(1764000000000), .keeps_changes = keeps_changes};
    (void)snprintf(stage->name, sizeof stage->name, "%s", name);
    stage->wire = wire_new(stage);
    return stage;
}

void stage_free(struct stage *stage)
{
    if (!stage) return;
    for (unsigned n = 0; n < STAGE_NODES; n++) {
        stage_close(stage, n);
        disk_free(stage->nodes[n].disk);
    }
    wire_free(stage->wire);
    free(stage->promises);
    free(stage);
}

struct stage *stage_copy(const struct stage *from, const char *name, uint64_t seed, bool keeps_changes)
{
    struct stage *stage = stage_new(name, seed, keeps_changes);
    stage->now_ms = from->now_ms;
    stage->id = from->id;
    memcpy(stage->spoken, from->spoken, sizeof stage->spoken);
    memcpy(stage->invitation, from->invitation, sizeof stage->invitation);
    for (unsigned n = 0; n < STAGE_NODES; n++) {
        if (!from->nodes[n].disk) continue;
        struct disk_options options = stage_disk_options(stage, n);
        stage_seat(stage, n, disk_copy(from->nodes[n].disk, &options));
    }
    return stage;
}

struct home_options stage_home_options(struct stage *stage, unsigned node)
{
    return (struct home_options){.path = paths[node], .state_folder = STATE_FOLDER, .world = &stage->nodes[node].world,
                                 .machine = {{1, 2, 3}}};
}

/* ---- what a person does ---- */

bool stage_init(struct stage *stage, unsigned node, struct err *e)
{
    struct home_options options = stage_home_options(stage, node);
    return home_init(&options, &organisations[node], e);
}

bool stage_open(struct stage *stage, unsigned node, struct err *e)
{
    struct home_options options = stage_home_options(stage, node);
    return stage->nodes[node].home || home_open(&stage->nodes[node].home, &options, e);
}

void stage_close(struct stage *stage, unsigned node)
{
    engine_close(stage->nodes[node].engine);
    stage->nodes[node].engine = NULL;
    home_close(stage->nodes[node].home);
    stage->nodes[node].home = NULL;
}

bool stage_propose(struct stage *stage, unsigned node, const char *title, struct hash *out, struct err *e)
{
    const struct body_field field = {span_text("title"), {.is_text = true, .text = span_text(title)}};
    return work_propose(stage->nodes[node].home, &anna, &stage->id, vocabulary_find(span_text("action")), NULL, &field, 1, out,
                        e);
}

bool stage_word(struct stage *stage, unsigned node, enum verb verb, const struct hash *entry, struct err *e)
{
    struct hash said = {0};
    bool wants_reason = verb == VERB_DISPUTE || verb == VERB_DECLINE;
    return work_word(stage->nodes[node].home, &anna, &stage->id, verb, entry, NULL,
                     wants_reason ? span_text("One line stands still.") : (span){0}, &said, e);
}

/* ---- talking ---- */

static void voice_say(void *self, enum loudness loudness, const char *line)
{
    struct stage *stage = self;
    if (loudness == TROUBLE) (void)snprintf(stage->trouble, sizeof stage->trouble, "%s", line);
}

static void promise_sent(struct stage *stage, unsigned from, unsigned to, uint64_t sent_at);

static void ring_timers(struct stage *stage)
{
    uint64_t next = UINT64_MAX;
    for (unsigned n = 0; n < STAGE_NODES; n++)
        if (stage->nodes[n].engine && engine_next_ms(stage->nodes[n].engine) < next)
            next = engine_next_ms(stage->nodes[n].engine);
    if (next != UINT64_MAX && (int64_t)next > stage->now_ms) stage->now_ms = (int64_t)next;
    for (unsigned n = 0; n < STAGE_NODES; n++)
        if (stage->nodes[n].engine) engine_step(stage->nodes[n].engine, &(struct event){.kind = EVENT_TIMER});
}

static bool wire_once(struct stage *stage)
{
    unsigned from = 0, to = 0;
    uint64_t sent_at = 0;
    if (!wire_step(stage->wire, &from, &to, &sent_at)) return false;
    if (from != to) promise_sent(stage, from, to, sent_at);
    return true;
}

static bool run_until_done(struct stage *stage, unsigned dialer, struct err *e)
{
    struct engine *engine = stage->nodes[dialer].engine;
    size_t steps = 0;
    while (!engine_is_done(engine)) {
        if (++steps > TALK_STEPS_MAX) return err_set(e, ERR_TIME, "they talk without end");
        if (!wire_once(stage)) ring_timers(stage);
    }
    while (wire_once(stage)) {}
    return true;
}

static bool reached(struct stage *stage, unsigned dialer, struct err *e)
{
    struct engine_counts counts = {0};
    engine_counts(stage->nodes[dialer].engine, &counts);
    if (counts.partners_failed == 0 && counts.partners_reached > 0) return true;
    const char *failure = engine_last_failure(stage->nodes[dialer].engine);
    return err_set(e, ERR_CLOSED, "%s (%s)", failure[0] ? failure : "nobody to dial", stage->trouble);
}

bool stage_talk(struct stage *stage, unsigned dialer, struct err *e)
{
    static const struct voice no_voice = {voice_say, NULL};
    struct voice voice = no_voice;
    bool is_fine = true;
    voice.self = stage;
    stage->trouble[0] = '\0';
    for (unsigned n = 0; n < STAGE_NODES && is_fine; n++) {
        struct stage_node *node = &stage->nodes[n];
        struct engine_options options = {.home = node->home, .network = wire_network(stage->wire, n), .voice = &voice,
                                         .is_once = n == dialer};
        if (stage->is_joining && n == dialer) options.only_relationship = &stage->id;
        if (node->home && (n == dialer || n == ACME)) is_fine = engine_open(&node->engine, &options, e);
    }
    for (unsigned n = 0; n < STAGE_NODES && is_fine; n++)
        if (stage->nodes[n].engine) engine_start(stage->nodes[n].engine);
    is_fine = is_fine && run_until_done(stage, dialer, e) && reached(stage, dialer, e);
    for (unsigned n = 0; n < STAGE_NODES; n++) {
        engine_close(stage->nodes[n].engine);
        stage->nodes[n].engine = NULL;
    }
    wire_clear(stage->wire);
    return is_fine;
}

bool stage_in_step(struct stage *stage, unsigned node, struct err *e)
{
    struct in_step found = {0};
    if (!engine_in_step(stage->nodes[node].home, &stage->id, &found, e)) return false;
    return found.is_in_step || err_set(e, ERR_CONFLICT, "%s is not in step: %llu of our %llu are receipted",
                                       stage->nodes[node].code, (unsigned long long)found.parties[0].holds_ours,
                                       (unsigned long long)found.ours);
}

/* ---- what is held ---- */

typedef bool each_held(void *self, const struct held *held);
struct looking {
    struct store *store;
    struct relationship_id id;
    each_held *each;
    void *self;
    struct buffer ids, feeds;
    bool is_fine;
};

static bool look_at_relationship(void *self, const struct relationship_id *id)
{
    struct looking *l = self;
    return l->is_fine = buffer_put(&l->ids, relationship_span(id), NULL);
}

static bool look_at_feed(void *self, const struct feed *feed)
{
    struct looking *l = self;
    return l->is_fine = feed->branch != 0 || feed->edge.size == 0 || buffer_put(&l->feeds, span_of(feed, sizeof *feed), NULL);
}

struct receipting {
    struct looking *looking;
    const struct feed *feed;
};

static bool look_at_receipt(void *self, const struct feed_receipt *receipt)
{
    const struct receipting *r = self;
    const struct held held = {.id = r->looking->id, .log_key = r->feed->log_key, .is_receipt = true,
                              .receipt_key = receipt->receipt_key, .size = receipt->receipt.size};
    return r->looking->is_fine = r->looking->each(r->looking->self, &held);
}

static bool look_in_relationship(struct looking *l, struct err *e)
{
    l->feeds.len = 0;
    if (!feeds_each(l->store, &l->id, look_at_feed, l, e)) return false;
    if (!l->is_fine) return err_memory(e);
    for (size_t at = 0; at < l->feeds.len; at += sizeof(struct feed)) {
        struct feed feed;
        memcpy(&feed, l->feeds.at + at, sizeof feed);
        const struct held held = {.id = l->id, .log_key = feed.log_key, .size = feed.edge.size, .root = feed.root};
        struct receipting receipting = {l, &feed};
        if (!l->each(l->self, &held)) return false;
        if (!feed_receipts_each(l->store, &l->id, feed.feed, look_at_receipt, &receipting, e)) return false;
    }
    return true;
}

static bool held_each(struct store *store, each_held *each, void *self, struct err *e)
{
    struct looking l = {.store = store, .each = each, .self = self, .is_fine = true};
    bool is_fine = relationships_each(store, look_at_relationship, &l, e);
    for (size_t at = 0; at < l.ids.len && is_fine; at += sizeof l.id.bytes) {
        memcpy(l.id.bytes, l.ids.at + at, sizeof l.id.bytes);
        is_fine = look_in_relationship(&l, e);
    }
    buffer_wipe(&l.ids);
    buffer_wipe(&l.feeds);
    return is_fine;
}

static bool is_of_same(const struct held *a, const struct held *b)
{
    return memcmp(&a->id, &b->id, sizeof a->id) == 0 && key_public_equal(&a->log_key, &b->log_key) &&
           a->is_receipt == b->is_receipt && (!a->is_receipt || key_public_equal(&a->receipt_key, &b->receipt_key));
}

/* ---- promises ---- */

static void promise_add(struct stage *stage, const struct promise *promise)
{
    for (size_t i = stage->promise_count; i-- > 0;) {
        const struct promise *p = &stage->promises[i];
        if (p->node == promise->node && p->is_sent == promise->is_sent && is_of_same(&p->held, &promise->held) &&
            p->held.size >= promise->held.size && p->at <= promise->at)
            return;
    }
    if (stage->promise_count == stage->promise_cap) {
        stage->promise_cap = stage->promise_cap ? 2 * stage->promise_cap : 32;
        stage->promises = realloc(stage->promises, stage->promise_cap * sizeof *stage->promises);
        must(stage->promises);
    }
    stage->promises[stage->promise_count++] = *promise;
}

struct promising {
    struct stage *stage;
    unsigned node;
    uint64_t at;
    bool is_sent;
    struct key_public log_key, receipt_key; /* is_sent: whose */
};

/* What a home of the same keys had sent, before a copy or a restore, this one has not. */
static bool is_here(struct store *store, const struct held *held)
{
    struct feed feed;
    return held->is_receipt || feed_with_root(store, &held->id, &held->log_key, held->size, &held->root, &feed, NULL);
}

static bool promise_held(void *self, const struct held *held)
{
    struct promising *p = self;
    struct promise promise = {p->at, p->node, p->is_sent, *held};
    if (p->is_sent) {
        const struct signing_key *log_key = NULL, *receipt_key = home_receipt_key(p->stage->nodes[p->node].home);
        bool is_theirs = home_log_key(p->stage->nodes[p->node].home, &held->id, &log_key, NULL);
        if (held->is_receipt) is_theirs = receipt_key && key_public_equal(&held->receipt_key, signing_key_public(receipt_key));
        else is_theirs = is_theirs && key_public_equal(&held->log_key, signing_key_public(log_key));
        if (!is_theirs || !is_here(home_store(p->stage->nodes[p->node].home), held)) return true;
    }
    promise_add(p->stage, &promise);
    return true;
}

/* What `to` holds now that comes from `from` is what `from` had sent. */
static void promise_sent(struct stage *stage, unsigned from, unsigned to, uint64_t sent_at)
{
    struct promising p = {.stage = stage, .node = from, .at = sent_at, .is_sent = true};
    if (!stage->keeps_changes || !stage->nodes[from].home || !stage->nodes[to].home) return;
    (void)!held_each(home_store(stage->nodes[to].home), promise_held, &p, NULL);
}

bool stage_promise(struct stage *stage, struct err *e)
{
    for (unsigned n = 0; n < STAGE_NODES; n++) {
        struct promising p = {.stage = stage, .node = n, .at = stage->clock};
        if (stage->nodes[n].home && !held_each(home_store(stage->nodes[n].home), promise_held, &p, e)) return false;
    }
    return true;
}

static const char *held_words(const struct held *held, char *out, size_t cap)
{
    char hex[9];
    (void)snprintf(out, cap, "%s %s size %llu", held->is_receipt ? "a receipt for" : "feed",
                   hex_write(span_of(held->log_key.bytes, 4), hex, sizeof hex), (unsigned long long)held->size);
    return out;
}

struct keeping {
    struct store *store;
    const struct held *wanted;
    bool is_kept;
};

static bool keep_look(void *self, const struct feed_receipt *receipt)
{
    struct keeping *k = self;
    k->is_kept |= key_public_equal(&receipt->receipt_key, &k->wanted->receipt_key) && receipt->receipt.size >= k->wanted->size;
    return true;
}

static bool is_held(struct store *store, const struct held *wanted, struct err *e)
{
    struct keeping k = {store, wanted, false};
    struct feed feed = {0};
    char words[80];
    if (!feed_load(store, &wanted->id, &wanted->log_key, 0, &feed, e))
        return err_because(e, "promised %s", held_words(wanted, words, sizeof words));
    if (wanted->is_receipt) {
        if (!feed_receipts_each(store, &wanted->id, feed.feed, keep_look, &k, e)) return false;
        return k.is_kept || err_set(e, ERR_MISSING, "promised %s: it is lost", held_words(wanted, words, sizeof words));
    }
    if (feed.edge.size < wanted->size && feed.fork_at == UINT64_MAX)
        return err_set(e, ERR_MISSING, "promised %s: only %llu are there", held_words(wanted, words, sizeof words),
                       (unsigned long long)feed.edge.size);
    /* Which branch of a forked feed is the first depends on what came first. */
    return feed_with_root(store, &wanted->id, &wanted->log_key, wanted->size, &wanted->root, &feed, NULL) ||
           err_set(e, ERR_CONFLICT, "promised %s: other entries are there", held_words(wanted, words, sizeof words));
}

bool stage_keeps_promises(const struct stage *promised, uint64_t at, struct stage *stage, unsigned node, struct err *e)
{
    for (size_t i = 0; i < promised->promise_count; i++) {
        const struct promise *p = &promised->promises[i];
        if (p->node == node && p->at <= at && !is_held(home_store(stage->nodes[node].home), &p->held, e))
            return err_because(e, p->is_sent ? "sent" : "acknowledged");
    }
    return true;
}

bool stage_marker_keeps_promises(const struct stage *promised, uint64_t at, struct stage *stage, unsigned node, struct err *e)
{
    OWNED_MARKER_PAIR pair = {0};
    struct marker_files files;
    const struct world *world = &stage->nodes[node].world;
    if (!marker_files_of(&files, paths[node], STATE_FOLDER, world, e) || !marker_files_read(&files, &pair, e)) return false;
    for (size_t i = 0; i < promised->promise_count; i++) {
        const struct promise *p = &promised->promises[i];
        if (p->node != node || p->at > at || !p->is_sent || p->held.is_receipt) continue;
        const struct marker_feed *home = marker_find(&pair.home, &p->held.id, &p->held.log_key),
                                 *mirror = marker_find(&pair.mirror, &p->held.id, &p->held.log_key);
        if (!home || home->size < p->held.size || !mirror || mirror->size < p->held.size)
            return err_set(e, ERR_CONFLICT, "sent %llu entries, the markers name %llu and %llu", (unsigned long long)p->held.size,
                           (unsigned long long)(home ? home->size : 0), (unsigned long long)(mirror ? mirror->size : 0));
    }
    return true;
}

struct comparing {
    struct stage *stage;
    unsigned node;
    bool is_ahead;
};

static bool compare_held(void *self, const struct held *held)
{
    struct comparing *c = self;
    const struct signing_key *own = NULL;
    if (held->is_receipt || !home_log_key(c->stage->nodes[c->node].home, &held->id, &own, NULL)) return true;
    if (!key_public_equal(&held->log_key, signing_key_public(own))) return true;
    if (!is_held(home_store(c->stage->nodes[c->node].home), held, NULL)) c->is_ahead = false;
    return true;
}

bool stage_is_ahead_of(struct stage *stage, unsigned node, unsigned other, bool *is_ahead, struct err *e)
{
    struct comparing c = {stage, node, true};
    if (!held_each(home_store(stage->nodes[other].home), compare_held, &c, e)) return false;
    *is_ahead = c.is_ahead;
    return true;
}

/* ---- proving ---- */

struct proving {
    struct finding first;
    size_t count;
};

static void note_finding(void *self, const struct finding *finding)
{
    struct proving *p = self;
    if (p->count++ == 0) p->first = *finding;
}

bool stage_verify(struct stage *stage, unsigned node, struct err *e)
{
    struct store *store = home_store(stage->nodes[node].home);
    struct looking l = {.store = store, .is_fine = true};
    struct proving proving = {.count = 0};
    bool is_fine = relationships_each(store, look_at_relationship, &l, e);
    for (size_t at = 0; at < l.ids.len && is_fine; at += sizeof l.id.bytes) {
        uint64_t entries = 0;
        memcpy(l.id.bytes, l.ids.at + at, sizeof l.id.bytes);
        is_fine = record_verify(store, &l.id, note_finding, &proving, &entries, e);
        if (is_fine && proving.count)
            is_fine = err_set(e, ERR_CORRUPT, "verify: %s: %s", proving.first.where, proving.first.what);
    }
    buffer_wipe(&l.ids);
    return is_fine;
}

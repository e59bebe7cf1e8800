#include "node/engine.h"

#include "node/engine_rooms.h"
#include "node/pairing.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN_BYTES (FRAME_BYTES_MAX + 65536)
#define LOOK_MS 1000 /* a timer at least this often */

uint64_t engine_now(const struct engine *engine)
{
    return engine->world->now_ms(engine->world->self);
}

void engine_say(struct engine *engine, enum loudness loudness, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    engine->options.voice->say(engine->options.voice->self, loudness, line);
}

void engine_fail(struct engine *engine, const char *partner, const struct err *e)
{
    (void)snprintf(engine->failure, sizeof engine->failure, "%s: %.150s", partner, e->said);
    (void)snprintf(engine->failure_next, sizeof engine->failure_next, "%.190s", e->next);
    if (e->next[0]) engine_say(engine, TROUBLE, "partner=%s trouble=\"%s\" next=\"%s\"", partner, e->said, e->next);
    else engine_say(engine, TROUBLE, "partner=%s trouble=\"%s\"", partner, e->said);
}

bool engine_plain(struct engine *engine, struct sink *out, struct err *e)
{
    if (!buffer_reserve(&engine->plain, PLAIN_BYTES, e)) return false;
    *out = sink_over(engine->plain.at, engine->plain.cap);
    return true;
}

bool engine_seal(struct engine *engine, struct session *session, const struct sink *plain, struct err *e)
{
    if (plain->full) return err_set(e, ERR_LIMIT, "a message is larger than a frame");
    if (!buffer_reserve(&engine->frame, plain->len + plain->len / 1024 + 4096, e)) return false;
    struct sink frame = sink_over(engine->frame.at, engine->frame.cap);
    if (!session_seal(session, sink_span(plain), &frame, e)) return false;
    engine->frame.len = frame.len;
    return true;
}

bool engine_unseal(struct engine *engine, struct session *session, span frame, struct err *e)
{
    struct sink plain;
    if (!engine_plain(engine, &plain, e)) return false;
    if (!session_unseal(session, frame, &plain, e)) return false;
    engine->plain.len = plain.len;
    return true;
}

bool engine_write_seals(struct engine *engine)
{
    size_t seals = 0;
    struct err e = {0};
    if (home_health(engine->home) != HEALTH_FINE) return false;
    if (!work_seal(engine->home, &seals, &e)) engine_say(engine, TROUBLE, "sealing trouble=\"%s\"", e.said);
    if (seals > 0) engine_say(engine, NOTE, "sealed=%zu", seals);
    return seals > 0;
}

void engine_news(struct engine *engine)
{
    listener_news(engine);
    dialer_news(engine);
}

void engine_say_fork(struct engine *engine, const struct shared *shared, const char *from)
{
    char id[33];
    engine_say(engine, TROUBLE, "fork relationship=%s learned_from=%s: two histories are signed by one key; see `counterpart status`",
               hex_write(relationship_span(&shared->id), id, sizeof id), from);
}

void engine_say_no_receipt(struct engine *engine, const char *from, const struct taken *taken)
{
    if (taken->no_receipt.code == ERR_NONE) return;
    engine_say(engine, TROUBLE, "partner=%s gets no receipt: %s; %s", from, taken->no_receipt.said, taken->no_receipt.next);
    engine->owes_receipts = true;
    engine->owed_ms = engine_now(engine) + OWED_MS;
}

static bool pay_receipts(void *self, const struct relationship_id *id)
{
    struct engine *engine = self;
    struct err e = {0};
    bool is_behind = false;
    if (!exchange_owed_receipts(engine->home, id, &is_behind, &e)) engine_say(engine, TROUBLE, "receipts trouble=\"%s\"", e.said);
    if (is_behind) engine->owes_receipts = true;
    return true;
}

/* A clock that was set right, a restored home that may sign again: who waits for our word gets it, though nothing else is new. */
static void engine_pay_receipts(struct engine *engine)
{
    struct err e = {0};
    if (!engine->owes_receipts || engine_now(engine) < engine->owed_ms) return;
    engine->owes_receipts = false;
    engine->owed_ms = engine_now(engine) + OWED_MS;
    if (!relationships_each(home_store(engine->home), pay_receipts, engine, &e))
        engine_say(engine, TROUBLE, "receipts trouble=\"%s\"", e.said);
    (void)engine_write_seals(engine);
    engine_news(engine);
}

/* The setting that stands as long as a counterpart computed another state from the same entries. */
#define DIFFERS_NAME_MAX (sizeof "state-differs " + 33 + CODE_BYTES_MAX + 1)
static const char *differs_name(const struct relationship_id *id, const char *code, char out[DIFFERS_NAME_MAX])
{
    char hex[33];
    (void)snprintf(out, DIFFERS_NAME_MAX, "state-differs %s %s", hex_write(relationship_span(id), hex, sizeof hex), code);
    return out;
}

static bool has_differed(struct store *store, const struct relationship_id *id, const char *code)
{
    char name[DIFFERS_NAME_MAX];
    struct err missing = {0};
    OWNED_BUFFER value = {0};
    return setting_get(store, differs_name(id, code, name), 1, &value, &missing);
}

void engine_compare_states(struct engine *engine, const struct shared *shared, const struct hash *ours,
                           const struct hash *theirs)
{
    char name[DIFFERS_NAME_MAX];
    struct err e = {0};
    if (hash_equal(ours, theirs) || hash_is_zero(ours) || hash_is_zero(theirs)) return;
    engine_say(engine, TROUBLE, "partner=%s holds the same entries and computes another state; run `counterpart rebuild` on both sides",
               shared->code);
    if (!setting_put(home_store(engine->home), differs_name(&shared->id, shared->code, name), span_of("", 0), &e))
        engine_fail(engine, shared->code, &e);
}

void engine_agreed(struct engine *engine, const struct shared *shared)
{
    char name[DIFFERS_NAME_MAX];
    struct err e = {0};
    struct store *store = home_store(engine->home);
    if (has_differed(store, &shared->id, shared->code) &&
        !setting_remove(store, differs_name(&shared->id, shared->code, name), &e))
        engine_fail(engine, shared->code, &e);
    if (home_health(engine->home) == HEALTH_FINE || !home_waits_for(engine->home, &shared->id, shared->code)) return;
    if (!home_returned(engine->home, &shared->id, shared->code, &e)) engine_fail(engine, shared->code, &e);
    else engine_say(engine, NOTE, "restore returned_by=%s", shared->code);
    if (home_health(engine->home) != HEALTH_FINE) return;
    engine->owes_receipts = true; /* nothing was signed meanwhile */
    engine->owed_ms = engine_now(engine);
}

bool engine_open(struct engine **out, const struct engine_options *options, struct err *e)
{
    OWNED(engine_close) struct engine *engine = calloc(1, sizeof *engine);
    if (!engine) return err_memory(e);
    engine->options = *options;
    engine->home = options->home;
    engine->world = home_world(options->home);
    engine->showing = calloc(1, sizeof *engine->showing);
    engine->rows = calloc(FEED_ROWS_MAX, sizeof *engine->rows);
    engine->head = calloc(1, sizeof *engine->head);
    if (!engine->showing || !engine->rows || !engine->head) return err_memory(e);
    if (!home_may_work(options->home, true, e) || !home_keys(options->home, e)) return false;
    *out = GIVE(engine);
    return true;
}

/* An earlier run may have ended between making a new receipt key and telling of it. */
static void announce_keys(struct engine *engine)
{
    struct err e = {0};
    if (home_health(engine->home) != HEALTH_FINE) return;
    if (!pairing_announce(engine->home, &ASKER_NODE, &e)) engine_say(engine, TROUBLE, "announcing trouble=\"%s\"", e.said);
}

void engine_start(struct engine *engine)
{
    engine->is_started = true;
    engine->owes_receipts = true; /* of an earlier run */
    engine->owed_ms = engine_now(engine);
    announce_keys(engine);
    (void)engine_write_seals(engine);
    dialer_start(engine);
}

static void engine_look_at_home(struct engine *engine)
{
    struct err e = {0};
    engine->looked_ms = engine_now(engine);
    if (home_may_work(engine->home, true, &e)) return;
    engine_say(engine, TROUBLE, "home trouble=\"%s\"", e.said);
    engine->home_trouble = e;
    listener_stop(engine);
    engine->is_stopping = true;
}

static void engine_timer(struct engine *engine)
{
    if (engine_now(engine) - engine->looked_ms >= LOOK_MS) engine_look_at_home(engine); /* it may have been removed */
    if (engine->is_stopping) return;
    engine_pay_receipts(engine);
    listener_timer(engine);
    dialer_timer(engine);
}

void engine_step(struct engine *engine, const struct event *event)
{
    if (engine->is_stopping) return;
    switch (event->kind) {
    case EVENT_LINK_UP:
    case EVENT_LINK_DOWN:
    case EVENT_DIAL_FAILED:
    case EVENT_ANSWER:
    case EVENT_UNANSWERED: dialer_step(engine, event); break;
    case EVENT_REQUEST:
    case EVENT_PIPE_OPENED:
    case EVENT_PIPE_GONE: listener_step(engine, event); break;
    case EVENT_WROTE:
        engine_look_at_home(engine); /* another process may have found, or adopted, a restored home */
        (void)engine_write_seals(engine);
        if (!engine->options.is_once) dialer_scan(engine);
        engine_news(engine);
        break;
    case EVENT_TIMER: break;
    case EVENT_STOP:
        listener_stop(engine);
        engine->is_stopping = true;
        return;
    }
    engine_timer(engine);
}

uint64_t engine_next_ms(const struct engine *engine)
{
    uint64_t next = engine_now(engine) + LOOK_MS;
    uint64_t dialer = dialer_next_ms(engine), listener = listener_next_ms(engine);
    if (engine->owes_receipts && engine->owed_ms < next) next = engine->owed_ms;
    if (dialer < next) next = dialer;
    return listener < next ? listener : next;
}

bool engine_is_done(const struct engine *engine)
{
    return engine->is_stopping || (engine->options.is_once && engine->is_started && dialer_is_done(engine));
}

void engine_close(struct engine *engine)
{
    if (!engine) return;
    dialer_close(engine);
    listener_close(engine);
    batch_scratch_wipe(&engine->scratch);
    buffer_wipe(&engine->plain);
    buffer_wipe(&engine->frame);
    buffer_wipe(&engine->forks);
    free(engine->showing);
    free(engine->rows);
    free(engine->head);
    free(engine);
}

void engine_counts(const struct engine *engine, struct engine_counts *out)
{
    *out = engine->counts;
}

const struct err *engine_home_trouble(const struct engine *engine)
{
    return &engine->home_trouble;
}

const char *engine_last_failure(const struct engine *engine)
{
    return engine->failure;
}

const char *engine_last_next(const struct engine *engine)
{
    return engine->failure_next;
}

/* ---- in step, from what is stored ---- */

struct stepping {
    struct home *home;
    const struct relationship_id *id;
    struct relationship *relationship;
    struct in_step *out;
    bool is_behind; /* something is not folded, or a feed is frozen or forked */
    uint64_t newest[PARTIES_MAX]; /* how much of the feed being looked at each party has receipted */
    struct err *e;
    bool is_fine;
};

static struct in_step_party *step_party(struct stepping *s, unsigned party)
{
    size_t at = 0;
    for (size_t p = 0; p < s->relationship->party_count; p++) {
        if (p == s->relationship->our_party) continue;
        if (p == party) return &s->out->parties[at];
        at++;
    }
    return NULL;
}

static bool step_receipt(void *self, const struct feed_receipt *r)
{
    struct stepping *s = self;
    struct in_step_party *party = step_party(s, r->party);
    if (!party || r->receipt.size <= s->newest[r->party]) return true;
    party->holds_ours += r->receipt.size - s->newest[r->party];
    s->newest[r->party] = r->receipt.size;
    if ((int64_t)r->receipt.time_s > party->received_at_s) party->received_at_s = (int64_t)r->receipt.time_s;
    return true;
}

static bool step_feed(void *self, const struct feed *feed)
{
    struct stepping *s = self;
    if (feed->ends_at != UINT64_MAX && feed->folded >= feed->ends_at) return true; /* its party goes on in a successor */
    if (feed->broken_at != UINT64_MAX || feed->fork_at != UINT64_MAX) s->is_behind = true;
    if (feed->branch != 0) return true;
    if (feed->folded < feed->edge.size) s->is_behind = true;
    if (feed->party != s->relationship->our_party) {
        struct in_step_party *party = step_party(s, feed->party);
        if (party) party->we_hold += feed->edge.size;
        return true;
    }
    s->out->ours += feed->edge.size;
    memset(s->newest, 0, sizeof s->newest);
    s->is_fine = feed_receipts_each(home_store(s->home), &s->relationship->id, feed->feed, step_receipt, s, s->e);
    return s->is_fine;
}

static bool step_all(void *self, struct err *e)
{
    struct stepping *s = self;
    struct in_step *out = s->out;
    struct home *home = s->home;
    struct relationship *r = s->relationship;
    const struct relationship_id *id = s->id;
    bool is_fine = relationship_load(home_store(home), id, r, e);
    for (size_t p = 0; is_fine && p < r->party_count; p++) {
        if (p == r->our_party && r->is_open_known) continue;
        memcpy(out->parties[out->party_count++].code, r->parties[p].code, sizeof out->parties[0].code);
    }
    is_fine = is_fine && feeds_each(home_store(home), id, step_feed, s, e) && s->is_fine;
    out->is_in_step = is_fine && r->is_open_known && !s->is_behind && out->ours > 0;
    for (size_t p = 0; p < out->party_count; p++) {
        if (out->parties[p].holds_ours < out->ours || out->parties[p].we_hold == 0) out->is_in_step = false;
        if (has_differed(home_store(home), id, out->parties[p].code)) out->is_in_step = false;
    }
    return is_fine;
}

bool engine_in_step(struct home *home, const struct relationship_id *id, struct in_step *out, struct err *e)
{
    struct relationship *r = calloc(1, sizeof *r);
    struct stepping s = {.home = home, .id = id, .relationship = r, .out = out, .e = e, .is_fine = true};
    *out = (struct in_step){0};
    if (!r) return err_memory(e);
    bool is_fine = store_snapshot(home_store(home), step_all, &s, e);
    free(r);
    return is_fine;
}

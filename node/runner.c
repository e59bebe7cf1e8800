#include "node/runner.h"

/* How long to wait for the network: until the engine wants its timer, but never past the next look at the database. */
static uint64_t wait_ms(uint64_t now, uint64_t timer_ms, uint64_t look_ms)
{
    uint64_t until = timer_ms < look_ms ? timer_ms : look_ms;
    return until > now ? until - now : 0;
}

static void step_kind(struct engine *engine, enum event_kind kind)
{
    struct event event = {.kind = kind};
    engine_step(engine, &event);
}

static void run(struct engine *engine, const struct runner_options *options)
{
    const struct world *world = home_world(options->home);
    struct store *store = home_store(options->home);
    uint64_t look_ms = 0;
    while (!engine_is_done(engine)) {
        struct event event = {0};
        uint64_t now = world->now_ms(world->self);
        if (now >= look_ms) {
            look_ms = now + RUNNER_LOOK_MS;
            if (store_was_written(store)) step_kind(engine, EVENT_WROTE);
        }
        /* a busy network must not keep the timer from ringing */
        if (engine_next_ms(engine) <= now) step_kind(engine, EVENT_TIMER);
        if (engine_is_done(engine)) return;
        link_next(options->link, wait_ms(now, engine_next_ms(engine), look_ms), &event);
        if (event.kind != EVENT_TIMER) engine_step(engine, &event);
    }
}

bool runner_run(const struct runner_options *options, struct runner_outcome *out, struct err *e)
{
    OWNED(engine_close) struct engine *engine = NULL;
    struct runner_outcome outcome = {0};
    struct engine_options engine_options = {
        .home = options->home,
        .network = link_network(options->link),
        .voice = options->voice,
        .is_once = options->is_once,
        .only_party = options->only_party,
        .only_relationship = options->only_relationship,
    };
    if (!engine_open(&engine, &engine_options, e)) return false;
    engine_start(engine);
    run(engine, options);
    if (engine_home_trouble(engine)->code != ERR_NONE) {
        if (e) *e = *engine_home_trouble(engine);
        return false;
    }
    engine_counts(engine, &outcome.counts);
    span_show(span_text(engine_last_failure(engine)), outcome.failure, sizeof outcome.failure);
    span_show(span_text(engine_last_next(engine)), outcome.next, sizeof outcome.next);
    *out = outcome;
    return true;
}

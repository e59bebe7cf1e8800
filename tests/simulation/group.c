#include "tests/simulation/group.h"

#include "node/engine_rooms.h"
#include "node/pairing.h"
#include "tests/simulation/liar.h"
#include "tests/simulation/truth.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define HOME_FOLDER "/home/counterpart"
#define DELIVERIES_MAX 2500  /* at one moment: beyond that the machines keep each other busy for nothing */
#define HEALING_MS 300000    /* in which all must have come in step */
#define QUIET_MS 100000      /* looked at afterwards: nothing but watches is to be heard */
#define FRAMES_PER_WATCH 2
#define VERIFY_EVERY 97

struct group {
    struct surroundings around;
    const struct schedule *schedule;
    unsigned count;
    struct machine machines[PARTIES_MOST];
    struct disk *backups[PARTIES_MOST];
    struct disk *twin; /* the liar's other history */
    bool has_touched[PARTIES_MOST], has_trouble[PARTIES_MOST], was_ahead[PARTIES_MOST], has_reached[PARTIES_MOST];
    struct relationship_id id;
    struct wires *wires;
    struct truth *truth;
    FILE *transcript;
    struct outcome *out;
    size_t step;
};

/* ---- saying and failing ---- */

static void tell(struct group *g, const char *format, ...) PRINTF_LIKE(2, 3);
static void tell(struct group *g, const char *format, ...)
{
    va_list args;
    if (!g->transcript) return;
    va_start(args, format);
    (void)vfprintf(g->transcript, format, args);
    va_end(args);
    (void)fputc('\n', g->transcript);
}

static bool fail(struct group *g, const char *format, ...) PRINTF_LIKE(2, 3);
static bool fail(struct group *g, const char *format, ...)
{
    va_list args;
    if (!g->out->is_fine) return false;
    va_start(args, format);
    (void)vsnprintf(g->out->why, sizeof g->out->why, format, args);
    va_end(args);
    g->out->is_fine = false;
    g->out->failed_at = g->step;
    tell(g, "WRONG: %s", g->out->why);
    return false;
}

static void around_say(void *self, unsigned machine, enum loudness loudness, const char *line)
{
    static const char *const words[] = {"trouble", "note", "detail"};
    struct group *g = self;
    tell(g, "      %s %s: %s", g->machines[machine].code, words[loudness], line);
}

static void end_note(void *self, const char *line)
{
    tell(self, "    %s", line);
}

/* ---- between wires and machines ---- */

static bool end_is_up(void *self, unsigned machine)
{
    struct group *g = self;
    return machine < g->count && g->machines[machine].engine;
}

static uint64_t end_now(void *self, unsigned machine)
{
    struct group *g = self;
    return machine_now_ms(&g->machines[machine]);
}

static void step_machine(struct group *g, unsigned machine, const struct event *event)
{
    bool was_up = g->machines[machine].engine;
    g->has_touched[machine] = true;
    machine_step(&g->machines[machine], event);
    if (was_up && !g->machines[machine].engine) {
        tell(g, "    %s's daemon has stopped by itself", g->machines[machine].code);
        wires_forget(g->wires, machine);
    }
}

static void end_arrive(void *self, unsigned machine, const struct event *event)
{
    step_machine(self, machine, event);
}

static bool is_liar(const struct group *g, unsigned machine)
{
    return g->schedule->has_liar && machine == g->count - 1;
}

/* ---- starting and stopping ---- */

static void start(struct group *g, unsigned who)
{
    struct machine *m = &g->machines[who];
    struct err e = {0};
    g->has_touched[who] = true;
    if (m->engine) return;
    bool is_up = m->home ? machine_start_daemon(m, &e) : machine_start(m, &e);
    if (is_up) return;
    tell(g, "    %s does not start: %s", m->code, e.said);
    if (g->has_trouble[who]) return;
    if (!m->home) (void)fail(g, "%s's home does not open: %s", m->code, e.said);
    else if (home_health(m->home) == HEALTH_FINE) (void)fail(g, "%s's daemon does not start: %s", m->code, e.said);
}

static void cut_power(struct group *g, unsigned who, enum disk_unsynced unsynced, uint64_t seed)
{
    machine_cut_power(&g->machines[who], unsynced, seed);
    wires_forget(g->wires, who);
    g->has_trouble[who] = false; /* the disk was changed with the machine */
    g->out->totals.crashes++;
}

static void stop(struct group *g, unsigned who)
{
    if (g->has_trouble[who]) {
        cut_power(g, who, DISK_LOSES, 0);
        return;
    }
    machine_stop(&g->machines[who]);
    wires_forget(g->wires, who);
    g->out->totals.stops++;
}

/* ---- time ---- */

static void ring(struct group *g, unsigned who)
{
    struct event timer = {.kind = EVENT_TIMER};
    if (!g->machines[who].engine) return;
    wires_expire(g->wires, who);
    step_machine(g, who, &timer);
}

static void wait_ms(struct group *g, uint64_t ms)
{
    g->around.now_ms += ms;
    for (unsigned m = 0; m < g->count; m++)
        if (g->machines[m].engine && g->machines[m].wakes_ms <= g->around.now_ms) ring(g, m);
}

/* ---- choices ---- */

static bool is_serious(enum err_code code)
{
    return code == ERR_DISK || code == ERR_CORRUPT || code == ERR_MEMORY || code == ERR_MALFORMED;
}

static void person(struct group *g, const struct choice *c, struct dice *dice)
{
    char said[120];
    struct err e = {0};
    struct machine *m = &g->machines[c->who];
    struct people people = {&g->id, g->count, g->machines};
    bool was_down = !m->home;
    if (was_down) {
        struct home_options options = machine_options(m);
        if (!home_open(&m->home, &options, &e)) {
            if (!g->has_trouble[c->who]) (void)fail(g, "%s's home does not open: %s", m->code, e.said);
            return;
        }
    }
    g->has_touched[c->who] = true;
    bool is_done = people_do(&people, m, (enum deed)c->amount, dice, said, sizeof said, &e);
    tell(g, "    %s %s: %s", m->code, said, is_done ? "done" : e.said);
    if (is_done) {
        g->out->totals.acknowledged++;
        truth_acknowledged(g->truth, m);
        if (m->engine) wires_wrote(g->wires, c->who);
    } else g->out->totals.refused++;
    bool may_fail = g->has_trouble[c->who] || (is_liar(g, c->who) && !is_done);
    if (!is_done && !may_fail && is_serious(e.code)) (void)fail(g, "%s %s: %s", m->code, said, e.said);
    if (was_down && !is_done && g->has_trouble[c->who]) cut_power(g, c->who, DISK_KEEPS, 0);
}

static void restore(struct group *g, const struct choice *c, struct dice *dice)
{
    struct machine *m = &g->machines[c->who];
    if (!g->backups[c->who] || is_liar(g, c->who)) return;
    cut_power(g, c->who, dice_one_in(dice, 2) ? DISK_KEEPS : DISK_LOSES, dice_next(dice));
    disk_put_back(m->disk, g->backups[c->who], HOME_FOLDER);
    truth_restored(g->truth, c->who);
    g->out->totals.restores++;
}

static void adopt(struct group *g, unsigned who)
{
    struct machine *m = &g->machines[who];
    struct err e = {0};
    if (!m->home || home_health(m->home) == HEALTH_FINE || home_health(m->home) == HEALTH_RECOVERING) return;
    bool is_adopted = home_adopt(m->home, &e);
    tell(g, "    %s %s", m->code, is_adopted ? "is adopted" : e.said);
    if (!is_adopted && !g->has_trouble[who]) (void)fail(g, "%s cannot be adopted: %s", m->code, e.said);
    if (is_adopted) start(g, who);
}

/* The liar goes on from its other history. */
static void twin(struct group *g, unsigned who)
{
    struct machine *m = &g->machines[who];
    struct err e = {0};
    if (g->has_trouble[who]) return;
    if (m->home) stop(g, who);
    struct disk *now = machine_backup(m);
    m->is_forced = true;
    machine_put_disk(m, g->twin ? g->twin : g->backups[who] ? g->backups[who] : now);
    if (g->twin) disk_free(g->twin);
    g->twin = now;
    truth_restored(g->truth, who);
    if (!machine_start(m, &e)) (void)fail(g, "the liar's other home does not open: %s", e.said);
}

static void lie(struct group *g, const struct choice *c, struct dice *dice)
{
    struct liar liar = {&g->machines[c->who], &g->machines[c->other], &g->id, g->wires, dice};
    if (!is_liar(g, c->who)) return;
    tell(g, "    %s lies to %s: %s", liar.machine->code, liar.victim->code, lie_word((enum lie)c->amount));
    g->out->totals.lies++;
    if (c->amount == LIE_TWIN) twin(g, c->who);
    else if (liar.machine->home) liar_lie(&liar, (enum lie)c->amount);
    g->has_touched[c->other] = true;
}

static void deliver(struct group *g, uint64_t count, struct dice *dice)
{
    for (uint64_t i = 0; i < count && wires_deliver(g->wires, dice); i++) g->out->totals.deliveries++;
}

static void clock_jumps(struct group *g, unsigned who, struct dice *dice)
{
    static const int64_t jumps[] = {1000, 60000, 400000, 3600000, 86400000};
    int64_t jump = jumps[dice_below(dice, sizeof jumps / sizeof jumps[0])];
    jump = 1 + (int64_t)dice_below(dice, (uint64_t)jump);
    g->machines[who].ahead_ms += dice_one_in(dice, 2) ? jump : -jump;
    if (g->machines[who].ahead_ms > 0) g->was_ahead[who] = true;
}

static void choose(struct group *g, const struct choice *c)
{
    struct dice dice = {c->dice};
    struct machine *m = &g->machines[c->who];
    switch (c->kind) {
    case CHOICE_DELIVER: deliver(g, c->amount, &dice); break;
    case CHOICE_WAIT: wait_ms(g, c->amount); break;
    case CHOICE_PERSON: person(g, c, &dice); break;
    case CHOICE_MEDDLE: g->out->totals.meddled += wires_meddle(g->wires, (enum meddling)c->amount, &dice); break;
    case CHOICE_CUT:
        wires_cut(g->wires, c->who, c->other, c->amount != 0);
        g->out->totals.cuts++;
        break;
    case CHOICE_HEAL: wires_heal(g->wires); break;
    case CHOICE_KILL: cut_power(g, c->who, (enum disk_unsynced)c->amount, dice_next(&dice)); break;
    case CHOICE_STOP: stop(g, c->who); break;
    case CHOICE_START: start(g, c->who); break;
    case CHOICE_TROUBLE:
        disk_fail(m->disk, (enum disk_trouble)dice_below(&dice, DISK_SYNC_FAILS + 1), c->amount, true);
        g->has_trouble[c->who] = true;
        g->out->totals.troubles++;
        break;
    case CHOICE_CLOCK: clock_jumps(g, c->who, &dice); break;
    case CHOICE_DRIFT: machine_drift(m, (int64_t)dice_below(&dice, 20001) - 10000); break;
    case CHOICE_BACKUP:
        if (g->has_trouble[c->who]) break;
        if (g->backups[c->who]) disk_free(g->backups[c->who]);
        g->backups[c->who] = machine_backup(m);
        g->out->totals.backups++;
        break;
    case CHOICE_RESTORE: restore(g, c, &dice); break;
    case CHOICE_ADOPT: adopt(g, c->who); break;
    case CHOICE_LIE: lie(g, c, &dice); break;
    case CHOICE_KIND_COUNT: break;
    }
}

/* ---- what is looked at after every step ---- */

/* Engines answer at once but for one parked watch a session, and ask no more than they may. */
static bool is_bounded(struct group *g, unsigned who)
{
    size_t slots = 0, pipes = 0;
    const struct machine *m = &g->machines[who];
    if (!m->engine) return true;
    wires_waiting(g->wires, who, &slots, &pipes);
    if (slots > 1) return fail(g, "%s keeps %zu requests of one pipe waiting", m->code, slots);
    if (m->engine->visitor_count > pipes || m->engine->pipe_count > pipes)
        return fail(g, "%s holds %zu sessions and %zu strangers on %zu pipes", m->code, m->engine->visitor_count,
                    m->engine->pipe_count, pipes);
    if (wires_pending(g->wires, who) > PENDING_MAX)
        return fail(g, "%s has %zu requests under way on one dial", m->code, wires_pending(g->wires, who));
    if (m->engine->scratch.raw.cap + m->engine->scratch.packed.cap > 8u << 20)
        return fail(g, "%s's rooms have grown to %zu bytes", m->code, m->engine->scratch.raw.cap);
    return true;
}

static bool look(struct group *g)
{
    char why[300] = "";
    for (unsigned m = 0; m < g->count && g->out->is_fine; m++) {
        if (!g->has_touched[m]) continue;
        g->has_touched[m] = false;
        if (g->has_trouble[m]) continue; /* reads may fail too */
        if (!truth_look(g->truth, &g->machines[m], why, sizeof why)) (void)fail(g, "%s", why);
        (void)is_bounded(g, m);
    }
    if (g->out->is_fine && (g->step + 1) % VERIFY_EVERY == 0) {
        unsigned who = (unsigned)(g->step / VERIFY_EVERY) % g->count;
        if (!g->has_trouble[who] && !is_liar(g, who) && !truth_verify(g->truth, &g->machines[who], why, sizeof why))
            (void)fail(g, "%s", why);
    }
    return g->out->is_fine;
}

/* ---- healing ---- */

static bool drain(struct group *g)
{
    for (unsigned i = 0; wires_deliver(g->wires, NULL); i++) {
        g->out->totals.deliveries++;
        if (i == DELIVERIES_MAX) return fail(g, "the machines do not come to rest");
        if (i % 16 == 0 && !look(g)) return false;
    }
    return look(g);
}

/* Who recovers must hear from everybody: where two do not reach each other, a person gives an address. */
struct address_put {
    struct group *g;
    unsigned from, to;
};
static bool put_address(void *self, struct err *e)
{
    const struct address_put *a = self;
    char address[16];
    return contact_put(home_store(a->g->machines[a->from].home), &a->g->id, a->g->machines[a->to].code,
                       wires_address(a->to, address), NULL, NULL, e);
}

static void reach_everybody(struct group *g, unsigned who)
{
    struct err e = {0};
    if (!g->machines[who].home || home_health(g->machines[who].home) != HEALTH_RECOVERING || g->has_reached[who]) return;
    g->has_reached[who] = true;
    for (unsigned m = 0; m < g->count; m++) {
        struct address_put a = {g, who, m};
        if (m != who && home_waits_for(g->machines[who].home, &g->id, g->machines[m].code) &&
            !store_transact(home_store(g->machines[who].home), put_address, &a, &e))
            (void)fail(g, "%s cannot keep an address: %s", g->machines[who].code, e.said);
    }
    wires_wrote(g->wires, who);
}

static void raise_all(struct group *g)
{
    wires_heal(g->wires);
    for (unsigned m = 0; m < g->count && g->out->is_fine; m++) {
        if (g->has_trouble[m]) cut_power(g, m, DISK_KEEPS, 0);
        machine_drift(&g->machines[m], 0);
        start(g, m);
        adopt(g, m);
        if (g->schedule->topology == TOPOLOGY_STAR) reach_everybody(g, m);
        if (!g->machines[m].engine && !is_liar(g, m) && g->out->is_fine)
            (void)fail(g, "%s cannot be brought up: %s", g->machines[m].code,
                       g->machines[m].home ? home_health_words(g->machines[m].home) : "no home");
    }
}

/* Clocks are set right; who signed receipts with one that was ahead needs a new receipt key. */
static void set_clocks(struct group *g)
{
    for (unsigned m = 0; m < g->count && g->out->is_fine; m++) {
        struct machine *machine = &g->machines[m];
        struct asker asker = {"A. Manager", "manager"};
        struct err e = {0};
        machine->ahead_ms = 0;
        if (!g->was_ahead[m] || is_liar(g, m) || !machine->home || home_health(machine->home) != HEALTH_FINE) continue;
        if (truth_sees_fork(g->truth, m)) continue; /* its own feed may rest on the fork: then it can announce no key */
        bool is_renewed = home_receipt_key_renew(machine->home, &e) && pairing_announce(machine->home, &asker, &e);
        if (!is_renewed) {
            (void)fail(g, "%s cannot renew its receipt key: %s", machine->code, e.said);
            return;
        }
        truth_acknowledged(g->truth, machine);
        g->was_ahead[m] = false;
        wires_wrote(g->wires, m);
    }
}

static bool is_in_step(struct group *g)
{
    char why[300];
    bool has_fork = g->schedule->has_liar;
    for (unsigned m = 0; m < g->count; m++) has_fork = has_fork || truth_sees_fork(g->truth, m);
    for (unsigned m = 0; m < g->count; m++) {
        struct in_step step;
        struct err e = {0};
        if (is_liar(g, m)) continue;
        if (home_health(g->machines[m].home) != HEALTH_FINE) return false;
        if (!engine_in_step(g->machines[m].home, &g->id, &step, &e)) return fail(g, "%s", e.said);
        if (!step.is_in_step && !has_fork) return false;
    }
    return truth_agree(g->truth, g->machines, why, sizeof why);
}

static bool come_in_step(struct group *g)
{
    char why[300] = "";
    for (uint64_t until = g->around.now_ms + HEALING_MS; g->around.now_ms < until;) {
        if (!drain(g)) return false;
        set_clocks(g);
        if (!drain(g)) return false;
        if (is_in_step(g) || !g->out->is_fine) return g->out->is_fine;
        raise_all(g);
        wait_ms(g, 1000);
    }
    if (truth_agree(g->truth, g->machines, why, sizeof why)) (void)snprintf(why, sizeof why, "receipts are missing");
    for (unsigned m = 0; m < g->count; m++)
        if (home_health(g->machines[m].home) != HEALTH_FINE)
            return fail(g, "%s does not recover: %s", g->machines[m].code, home_health_words(g->machines[m].home));
    return fail(g, "all was healed, and they do not come in step: %s", why);
}

static bool stays_quiet(struct group *g)
{
    struct wires_counts before, after;
    size_t dials = 0;
    for (unsigned i = 0; g->schedule->has_liar && i < 24; i++) { /* it has its own to say first */
        wait_ms(g, 5000);
        if (!drain(g)) return false;
    }
    wires_counts(g->wires, &before);
    for (unsigned m = 0; m < g->count; m++) dials += g->machines[m].engine ? g->machines[m].engine->dial_count : 0;
    for (unsigned i = 0; i < QUIET_MS / 5000; i++) {
        wait_ms(g, 5000);
        if (!drain(g)) return false;
    }
    wires_counts(g->wires, &after);
    uint64_t most = dials * (QUIET_MS / WATCH_MS + 2) * FRAMES_PER_WATCH + 40;
    if (after.frames - before.frames > most)
        return fail(g, "in step, and %" PRIu64 " frames in %d s all the same", after.frames - before.frames, QUIET_MS / 1000);
    return true;
}

static void heal(struct group *g)
{
    char why[300] = "";
    g->step = g->schedule->count;
    tell(g, "healing");
    raise_all(g);
    if (!g->out->is_fine || !come_in_step(g)) return;
    tell(g, "in step");
    if (!stays_quiet(g)) return;
    if (!truth_agree(g->truth, g->machines, why, sizeof why)) (void)fail(g, "%s", why);
    for (unsigned m = 0; m < g->count && g->out->is_fine; m++) {
        if (is_liar(g, m)) continue;
        if (!truth_verify(g->truth, &g->machines[m], why, sizeof why)) (void)fail(g, "%s", why);
        g->out->totals.verified++;
    }
}

/* ---- the whole ---- */

static void set_up(struct group *g, struct foundings *foundings)
{
    const struct founded *founded = foundings_get(foundings, g->count, g->schedule->topology);
    struct wires_end end = {end_is_up, end_now, end_arrive, g->transcript ? end_note : NULL, g};
    g->around = (struct surroundings){founded->now_ms, g->transcript ? around_say : NULL, g};
    g->id = founded->id;
    g->wires = wires_new(&end);
    g->truth = truth_new(g->count, &g->id);
    if (g->schedule->has_liar) truth_is_liar(g->truth, g->count - 1);
    for (unsigned m = 0; m < g->count; m++) {
        machine_init(&g->machines[m], m, &g->around, wires_network(g->wires, m));
        g->machines[m].dice = dice_for(g->schedule->seed, 100 + m);
        machine_put_disk(&g->machines[m], founded->disks[m]);
        start(g, m);
    }
}

static void tear_down(struct group *g)
{
    struct wires_counts counts;
    wires_counts(g->wires, &counts);
    g->out->totals.frames = counts.frames;
    for (unsigned m = 0; m < g->count; m++) {
        if (truth_entries(g->truth, m) > g->out->totals.entries) g->out->totals.entries = truth_entries(g->truth, m);
        if (truth_agreed(g->truth, m) > g->out->totals.agreed) g->out->totals.agreed = truth_agreed(g->truth, m);
        if (truth_sees_fork(g->truth, m)) g->out->totals.forks = 1;
        machine_free(&g->machines[m]);
        if (g->backups[m]) disk_free(g->backups[m]);
    }
    if (g->twin) disk_free(g->twin);
    wires_free(g->wires);
    truth_free(g->truth);
}

void group_run(struct foundings *foundings, const struct schedule *schedule, const bool *left_out, FILE *transcript,
               struct outcome *out)
{
    struct group *g = calloc(1, sizeof *g);
    must(g);
    *out = (struct outcome){.is_fine = true, .totals = {.seeds = 1}};
    g->schedule = schedule;
    g->count = schedule->party_count;
    g->transcript = transcript;
    g->out = out;
    set_up(g, foundings);
    for (g->step = 0; g->step < schedule->count && out->is_fine; g->step++) {
        const struct choice *c = &schedule->choices[g->step];
        if (left_out && left_out[g->step]) continue;
        out->totals.steps++;
        tell(g, "%zu at %" PRIu64 ": %s %s-%s %" PRIu64, g->step, g->around.now_ms, choice_word(c->kind),
             g->machines[c->who].code, g->machines[c->other].code, c->amount);
        choose(g, c);
        (void)look(g);
        if (!out->is_fine) break;
    }
    if (out->is_fine) heal(g);
    tear_down(g);
    free(g);
}

#include "tests/simulation/founding.h"

#include "node/pairing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 2000

static const struct asker founder = {"A. Founder", "manager"};

struct making {
    struct surroundings around;
    struct machine machines[PARTIES_MOST];
    unsigned count;
    struct wires *wires;
    struct founded *out;
};

static void worked(bool is_fine, const struct err *e)
{
    if (is_fine) return;
    fprintf(stderr, "founding: %s\n", e->said);
    must(is_fine && "a relationship can be founded");
}

static bool end_is_up(void *self, unsigned machine)
{
    struct making *f = self;
    return machine < f->count && f->machines[machine].engine;
}

static uint64_t end_now(void *self, unsigned machine)
{
    struct making *f = self;
    return machine_now_ms(&f->machines[machine]);
}

static void end_arrive(void *self, unsigned machine, const struct event *event)
{
    struct making *f = self;
    machine_step(&f->machines[machine], event);
}

static void settle(struct making *f)
{
    struct event timer = {.kind = EVENT_TIMER};
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < ROUNDS_MAX && wires_deliver(f->wires, NULL); i++) continue;
        f->around.now_ms += 500;
        for (unsigned m = 0; m < f->count; m++) machine_step(&f->machines[m], &timer);
    }
}

static void make_home(struct machine *m)
{
    static const char *const names[] = {"Acme Ltd", "Bolt GmbH", "Crux SA", "Delt AB", "Echo Oy"};
    struct organisation organisation = {0};
    struct err e = {0};
    machine_put_disk(m, NULL);
    struct home_options options = machine_options(m);
    (void)snprintf(organisation.name, sizeof organisation.name, "%s", names[m->number]);
    (void)snprintf(organisation.code, sizeof organisation.code, "%s", m->code);
    (void)snprintf(organisation.domain, sizeof organisation.domain, "party%u.example", m->number);
    worked(home_init(&options, &organisation, &e), &e);
    worked(home_open(&m->home, &options, &e), &e);
}

static void open_and_invite(struct making *f)
{
    const char *codes[PARTIES_MOST];
    char address[16], text[INVITATION_TEXT_MAX];
    struct err e = {0};
    for (unsigned m = 0; m < f->count; m++) codes[m] = f->machines[m].code;
    worked(work_open(f->machines[0].home, &founder, "Founded", codes, f->count, &f->out->id, &e), &e);
    const char *addresses[] = {wires_address(0, address)};
    for (unsigned m = 1; m < f->count; m++) {
        struct sink out = sink_over(text, sizeof text);
        struct invitation taken;
        worked(pairing_invite(f->machines[0].home, &f->out->id, codes[m], addresses, 1, 3600, &out, &e), &e);
        worked(pairing_join(f->machines[m].home, sink_span(&out), NULL, &taken, &e), &e);
    }
}

struct address_put {
    struct making *f;
    unsigned machine, other;
};
static bool put_address(void *self, struct err *e)
{
    struct address_put *a = self;
    char address[16];
    return contact_put(home_store(a->f->machines[a->machine].home), &a->f->out->id, a->f->machines[a->other].code,
                       wires_address(a->other, address), NULL, NULL, e);
}

static void connect_all(struct making *f, enum topology topology)
{
    struct err e = {0};
    for (unsigned m = 0; m < f->count; m++)
        for (unsigned o = 0; o < f->count; o++) {
            struct address_put a = {f, m, o};
            bool dials = topology == TOPOLOGY_BOTH ? m != o : topology == TOPOLOGY_MESH && o < m;
            if (dials) worked(store_transact(home_store(f->machines[m].home), put_address, &a, &e), &e);
        }
}

static void wrote(struct making *f)
{
    struct event event = {.kind = EVENT_WROTE};
    for (unsigned m = 0; m < f->count; m++) machine_step(&f->machines[m], &event);
    settle(f);
}

static void confirm(struct making *f, unsigned m, unsigned other)
{
    struct err e = {0};
    worked(pairing_confirm(f->machines[m].home, &founder, &f->out->id, f->machines[other].code, CHECK_VOICE, &e), &e);
}

/* The opener and each of the others, then the others one another, whom the opener has introduced by then. */
static void confirm_all(struct making *f)
{
    for (unsigned m = 1; m < f->count; m++) {
        confirm(f, 0, m);
        confirm(f, m, 0);
    }
    wrote(f);
    wrote(f);
    for (unsigned m = 1; m < f->count; m++)
        for (unsigned o = 1; o < f->count; o++)
            if (o != m) confirm(f, m, o);
    wrote(f);
}

static bool first_waiting(void *self, const struct waiting *w)
{
    *(struct waiting *)self = *w;
    return false;
}

static void accept_charter(struct making *f)
{
    struct err e = {0};
    struct hash said;
    for (unsigned m = 1; m < f->count; m++) {
        struct waiting w = {0};
        worked(inbox_each(home_store(f->machines[m].home), &f->out->id, first_waiting, &w, &e), &e);
        worked(work_word(f->machines[m].home, &founder, &f->out->id, VERB_ACCEPT, &w.entry, NULL, (span){0}, &said, &e), &e);
    }
    wrote(f);
    wrote(f);
}

static struct founded *found(unsigned count, enum topology topology)
{
    struct making *f = calloc(1, sizeof *f);
    struct err e = {0};
    must(f);
    f->out = calloc(1, sizeof *f->out);
    must(f->out);
    f->count = count;
    f->around.now_ms = 1000;
    struct wires_end end = {end_is_up, end_now, end_arrive, NULL, f};
    f->wires = wires_new(&end);
    for (unsigned m = 0; m < count; m++) {
        machine_init(&f->machines[m], m, &f->around, wires_network(f->wires, m));
        f->machines[m].dice = dice_for(7, m);
        make_home(&f->machines[m]);
    }
    open_and_invite(f);
    for (unsigned m = 0; m < count; m++) worked(machine_start_daemon(&f->machines[m], &e), &e);
    settle(f);
    connect_all(f, topology);
    confirm_all(f);
    accept_charter(f);
    for (unsigned m = 0; m < count; m++) {
        struct in_step step;
        worked(engine_in_step(f->machines[m].home, &f->out->id, &step, &e), &e);
        must(step.is_in_step);
    }
    for (unsigned m = 0; m < count; m++) {
        machine_stop(&f->machines[m]);
        wires_forget(f->wires, m);
        f->out->disks[m] = machine_backup(&f->machines[m]);
        machine_free(&f->machines[m]);
    }
    f->out->now_ms = f->around.now_ms;
    wires_free(f->wires);
    struct founded *out = f->out;
    free(f);
    return out;
}

const struct founded *foundings_get(struct foundings *foundings, unsigned party_count, enum topology topology)
{
    struct founded **made = &foundings->made[party_count][topology];
    must(party_count >= PARTIES_LEAST && party_count <= PARTIES_MOST);
    if (!*made) *made = found(party_count, topology);
    return *made;
}

void foundings_wipe(struct foundings *foundings)
{
    for (unsigned c = 0; c <= PARTIES_MOST; c++)
        for (unsigned t = 0; t < TOPOLOGY_COUNT; t++) {
            struct founded *f = foundings->made[c][t];
            for (unsigned m = 0; f && m < c; m++) disk_free(f->disks[m]);
            free(f);
        }
    *foundings = (struct foundings){0};
}

#include "tests/simulation/wires.h"

#include "crypto/hash.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLIGHTS_MAX 20000 /* a simulation that gets there has gone mad */
#define PIPES_MAX 512
#define RAW_PIPES_MAX 64 /* at one machine: what node/link.c grants one address */
#define REQUESTS_MAX 512
#define SLOTS_MAX 4096
#define NOBODY UINT32_MAX /* who dials a pipe that no machine dials */

struct pipe {
    uint32_t id;
    unsigned dialler, listener;
    uint32_t dial;
    bool is_cut; /* nothing passes any more */
    bool is_raw; /* answers stand in `raw` */
};

struct request {
    unsigned machine;
    uint32_t dial, pipe;
    uint64_t tag, deadline_ms;
};

struct slot {
    uint64_t number, tag;
    uint32_t pipe;
};

struct side {
    struct wires *wires;
    unsigned machine;
    struct network network;
};

struct wires {
    struct wires_end end;
    struct side sides[MACHINES_MAX];
    bool is_blocked[MACHINES_MAX][MACHINES_MAX];
    size_t flight_count, flight_cap, pipe_count, request_count, slot_count;
    struct flight *flights;
    struct pipe pipes[PIPES_MAX];
    struct request requests[REQUESTS_MAX];
    struct slot slots[SLOTS_MAX];
    uint32_t last_pipe;
    uint64_t last_slot;
    struct buffer raw;
    struct wires_counts counts;
};

static const char *const kind_words[] = {"connect", "up", "request", "answer", "unanswered", "down", "gone", "wrote"};

static void note(struct wires *w, const char *format, ...) PRINTF_LIKE(2, 3);
static void note(struct wires *w, const char *format, ...)
{
    char line[256];
    va_list args;
    if (!w->end.note) return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    w->end.note(w->end.self, line);
}

/* ---- lists ---- */

static void flight_free(struct flight *f)
{
    free(f->bytes);
    f->bytes = NULL;
}

static struct flight flight_take(struct wires *w, size_t at)
{
    struct flight f = w->flights[at];
    memmove(&w->flights[at], &w->flights[at + 1], (--w->flight_count - at) * sizeof f);
    return f;
}

static void flight_add(struct wires *w, struct flight f, span bytes)
{
    must(w->flight_count < FLIGHTS_MAX);
    if (w->flight_count == w->flight_cap) {
        w->flight_cap = w->flight_cap ? 2 * w->flight_cap : 64;
        w->flights = realloc(w->flights, w->flight_cap * sizeof *w->flights);
        must(w->flights);
    }
    if (bytes.len) {
        f.bytes = malloc(bytes.len);
        must(f.bytes);
        memcpy(f.bytes, bytes.at, bytes.len);
        f.len = bytes.len;
        w->counts.frames++;
        w->counts.bytes += bytes.len;
    }
    w->flights[w->flight_count++] = f;
    if (w->flight_count > w->counts.most_flights) w->counts.most_flights = w->flight_count;
}

static struct pipe *pipe_find(struct wires *w, uint32_t id)
{
    for (size_t i = 0; i < w->pipe_count; i++)
        if (w->pipes[i].id == id) return &w->pipes[i];
    return NULL;
}

static struct pipe *pipe_add(struct wires *w, unsigned dialler, uint32_t dial, unsigned listener)
{
    must(w->pipe_count < PIPES_MAX);
    struct pipe *p = &w->pipes[w->pipe_count++];
    *p = (struct pipe){.id = ++w->last_pipe, .dialler = dialler, .dial = dial, .listener = listener};
    return p;
}

static struct pipe *pipe_of_dial(struct wires *w, unsigned machine, uint32_t dial)
{
    for (size_t i = 0; i < w->pipe_count; i++)
        if (w->pipes[i].dialler == machine && w->pipes[i].dial == dial && !w->pipes[i].is_cut) return &w->pipes[i];
    return NULL;
}

static void slots_drop(struct wires *w, uint32_t pipe)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->slot_count; i++)
        if (w->slots[i].pipe != pipe) w->slots[kept++] = w->slots[i];
    w->slot_count = kept;
}

/* The listener has taken note of the pipe's end, or is no more: nothing of it stays. */
static void pipe_bury(struct wires *w, uint32_t id)
{
    slots_drop(w, id);
    for (size_t i = w->flight_count; i > 0; i--)
        if (w->flights[i - 1].pipe == id &&
            (w->flights[i - 1].kind == FLIGHT_REQUEST || w->flights[i - 1].kind == FLIGHT_GONE)) {
            struct flight f = flight_take(w, i - 1);
            flight_free(&f);
        }
    for (size_t i = 0; i < w->pipe_count; i++) {
        if (w->pipes[i].id != id) continue;
        w->pipes[i] = w->pipes[--w->pipe_count];
        return;
    }
}

/* ---- ends of pipes ---- */

/* What was under way to the dialler is lost; the listener may still get what was under way to it. */
static void answers_lost(struct wires *w, uint32_t pipe)
{
    for (size_t i = w->flight_count; i > 0; i--)
        if (w->flights[i - 1].pipe == pipe &&
            (w->flights[i - 1].kind == FLIGHT_ANSWER || w->flights[i - 1].kind == FLIGHT_UP)) {
            struct flight f = flight_take(w, i - 1);
            flight_free(&f);
        }
}

static void pipe_cut(struct wires *w, struct pipe *p)
{
    if (p->is_cut) return;
    p->is_cut = true;
    bool was_up = true;
    for (size_t i = 0; i < w->flight_count; i++)
        if (w->flights[i].kind == FLIGHT_UP && w->flights[i].pipe == p->id) was_up = false;
    answers_lost(w, p->id);
    flight_add(w, (struct flight){.kind = FLIGHT_GONE, .to = p->listener, .pipe = p->id}, (span){0});
    if (p->dialler == NOBODY) return;
    if (!was_up) {
        /* the dialler never heard that it was up: the network dials again by itself */
        flight_add(w, (struct flight){.kind = FLIGHT_CONNECT, .to = p->dialler, .from = p->listener, .dial = p->dial},
                   (span){0});
        return;
    }
    flight_add(w, (struct flight){.kind = FLIGHT_DOWN, .to = p->dialler, .dial = p->dial, .pipe = p->id}, (span){0});
    for (size_t i = 0; i < w->request_count; i++)
        if (w->requests[i].pipe == p->id)
            flight_add(w, (struct flight){.kind = FLIGHT_UNANSWERED, .to = p->dialler, .dial = p->dial, .pipe = p->id,
                                          .tag = w->requests[i].tag},
                       (span){0});
}

static bool request_take(struct wires *w, unsigned machine, uint64_t tag)
{
    for (size_t i = 0; i < w->request_count; i++) {
        if (w->requests[i].machine != machine || w->requests[i].tag != tag) continue;
        w->requests[i] = w->requests[--w->request_count];
        return true;
    }
    return false;
}

/* ---- the actions of one machine ---- */

static unsigned machine_of(const char *address)
{
    unsigned machine = MACHINES_MAX;
    if (sscanf(address, "sim://%u", &machine) != 1) return MACHINES_MAX;
    return machine;
}

static void act_hang_up(void *self, uint32_t dial)
{
    struct side *s = self;
    struct wires *w = s->wires;
    struct pipe *p = pipe_of_dial(w, s->machine, dial);
    if (p) {
        p->is_cut = true;
        flight_add(w, (struct flight){.kind = FLIGHT_GONE, .to = p->listener, .pipe = p->id}, (span){0});
    }
    for (size_t i = w->flight_count; i > 0; i--) {
        struct flight *f = &w->flights[i - 1];
        if (f->to != s->machine || f->dial != dial || f->kind == FLIGHT_WROTE) continue;
        if (f->kind == FLIGHT_REQUEST || f->kind == FLIGHT_GONE) continue;
        struct flight gone = flight_take(w, i - 1);
        flight_free(&gone);
    }
    for (size_t i = w->request_count; i > 0; i--)
        if (w->requests[i - 1].machine == s->machine && w->requests[i - 1].dial == dial)
            w->requests[i - 1] = w->requests[--w->request_count];
}

static void act_dial(void *self, uint32_t dial, const char *address)
{
    struct side *s = self;
    act_hang_up(self, dial);
    flight_add(s->wires, (struct flight){.kind = FLIGHT_CONNECT, .to = s->machine, .from = machine_of(address), .dial = dial},
               (span){0});
}

static void act_request(void *self, uint32_t dial, uint64_t tag, span frame, uint64_t timeout_ms)
{
    struct side *s = self;
    struct wires *w = s->wires;
    struct pipe *p = pipe_of_dial(w, s->machine, dial);
    must(w->request_count < REQUESTS_MAX && frame.len <= 1024 * 1024);
    w->requests[w->request_count++] = (struct request){s->machine, dial, p ? p->id : 0, tag,
                                                       w->end.now_ms(w->end.self, s->machine) + timeout_ms};
    if (p)
        flight_add(w, (struct flight){.kind = FLIGHT_REQUEST, .to = p->listener, .from = s->machine, .pipe = p->id, .tag = tag},
                   frame);
    else
        flight_add(w, (struct flight){.kind = FLIGHT_UNANSWERED, .to = s->machine, .dial = dial, .tag = tag}, (span){0});
}

static void act_answer(void *self, uint64_t number, span frame)
{
    struct side *s = self;
    struct wires *w = s->wires;
    for (size_t i = 0; i < w->slot_count; i++) {
        struct slot slot = w->slots[i];
        if (slot.number != number) continue;
        w->slots[i] = w->slots[--w->slot_count];
        struct pipe *p = pipe_find(w, slot.pipe);
        if (p && p->is_raw) {
            w->raw.len = 0;
            must(buffer_put(&w->raw, frame, NULL));
        }
        if (!p || p->is_cut || p->dialler == NOBODY) return;
        flight_add(w, (struct flight){.kind = FLIGHT_ANSWER, .to = p->dialler, .from = s->machine, .dial = p->dial,
                                      .pipe = p->id, .tag = slot.tag},
                   frame);
        return;
    }
}

static void act_drop(void *self, uint32_t pipe)
{
    struct side *s = self;
    struct pipe *p = pipe_find(s->wires, pipe);
    if (p) pipe_cut(s->wires, p);
}

/* ---- the wires themselves ---- */

struct wires *wires_new(const struct wires_end *end)
{
    struct wires *w = calloc(1, sizeof *w);
    must(w);
    w->end = *end;
    for (unsigned m = 0; m < MACHINES_MAX; m++) {
        struct side *s = &w->sides[m];
        s->wires = w;
        s->machine = m;
        s->network = (struct network){s, act_dial, act_hang_up, act_request, act_answer, act_drop};
    }
    return w;
}

void wires_free(struct wires *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->flight_count; i++) flight_free(&w->flights[i]);
    free(w->flights);
    buffer_wipe(&w->raw);
    free(w);
}

const struct network *wires_network(struct wires *w, unsigned machine)
{
    must(machine < MACHINES_MAX);
    return &w->sides[machine].network;
}

const char *wires_address(unsigned machine, char out[16])
{
    (void)snprintf(out, 16, "sim://%u", machine % MACHINES_MAX);
    return out;
}

size_t wires_count(const struct wires *w)
{
    return w->flight_count;
}

static void arrive(struct wires *w, unsigned machine, const struct event *event)
{
    w->end.arrive(w->end.self, machine, event);
}

static void fail_dial(struct wires *w, const struct flight *f)
{
    struct event event = {.kind = EVENT_DIAL_FAILED, .dial = f->dial, .why = ERR_CLOSED};
    (void)snprintf(event.said, sizeof event.said, "nobody answers at sim://%u", f->from);
    arrive(w, f->to, &event);
}

static void connect(struct wires *w, const struct flight *f)
{
    if (f->from >= MACHINES_MAX || w->is_blocked[f->to][f->from] || !w->end.is_up(w->end.self, f->from)) {
        fail_dial(w, f);
        return;
    }
    struct pipe *p = pipe_add(w, f->to, f->dial, f->from);
    uint32_t id = p->id;
    flight_add(w, (struct flight){.kind = FLIGHT_UP, .to = f->to, .dial = f->dial, .pipe = id}, (span){0});
    struct event opened = {.kind = EVENT_PIPE_OPENED, .pipe = id};
    arrive(w, f->from, &opened);
}

static void take_request(struct wires *w, const struct flight *f)
{
    must(w->slot_count < SLOTS_MAX);
    struct slot slot = {.number = ++w->last_slot, .tag = f->tag, .pipe = f->pipe};
    w->slots[w->slot_count++] = slot;
    struct event event = {.kind = EVENT_REQUEST, .pipe = f->pipe, .slot = slot.number, .bytes = span_of(f->bytes, f->len)};
    arrive(w, f->to, &event);
}

static void land(struct wires *w, const struct flight *f)
{
    struct event event = {.dial = f->dial, .pipe = f->pipe, .tag = f->tag, .why = ERR_CLOSED};
    switch (f->kind) {
    case FLIGHT_CONNECT: connect(w, f); return;
    case FLIGHT_REQUEST: take_request(w, f); return;
    case FLIGHT_UP: event.kind = EVENT_LINK_UP; break;
    case FLIGHT_ANSWER:
        if (!request_take(w, f->to, f->tag)) return;
        event.kind = EVENT_ANSWER;
        event.bytes = span_of(f->bytes, f->len);
        break;
    case FLIGHT_UNANSWERED:
        if (!request_take(w, f->to, f->tag)) return;
        event.kind = EVENT_UNANSWERED;
        (void)snprintf(event.said, sizeof event.said, "the connection was lost");
        break;
    case FLIGHT_DOWN: event.kind = EVENT_LINK_DOWN; break;
    case FLIGHT_GONE:
        event.kind = EVENT_PIPE_GONE;
        pipe_bury(w, f->pipe);
        break;
    case FLIGHT_WROTE: event.kind = EVENT_WROTE; break;
    }
    arrive(w, f->to, &event);
}

bool wires_deliver(struct wires *w, struct dice *dice)
{
    if (w->flight_count == 0) return false;
    struct flight f = flight_take(w, dice ? (size_t)dice_below(dice, w->flight_count) : 0);
    if (w->end.note) {
        struct hash h = hash_labelled("frame", (span[]){span_of(f.bytes, f.len)}, 1);
        note(w, "to=%u %s dial=%u pipe=%u tag=%" PRIu64 " bytes=%zu %02x%02x%02x%02x", f.to, kind_words[f.kind], f.dial,
             f.pipe, f.tag, f.len, h.bytes[0], h.bytes[1], h.bytes[2], h.bytes[3]);
    }
    if (w->end.is_up(w->end.self, f.to)) land(w, &f);
    flight_free(&f);
    return true;
}

void wires_cut(struct wires *w, unsigned a, unsigned b, bool is_blocked)
{
    for (size_t i = w->pipe_count; i > 0; i--) {
        struct pipe *p = &w->pipes[i - 1];
        if ((p->dialler == a && p->listener == b) || (p->dialler == b && p->listener == a)) pipe_cut(w, p);
    }
    if (is_blocked) w->is_blocked[a][b] = w->is_blocked[b][a] = true;
}

void wires_heal(struct wires *w)
{
    memset(w->is_blocked, 0, sizeof w->is_blocked);
}

void wires_forget(struct wires *w, unsigned machine)
{
    for (size_t i = w->pipe_count; i > 0; i--) {
        struct pipe *p = &w->pipes[i - 1];
        if (p->listener != machine && p->dialler != machine) continue;
        pipe_cut(w, p);
        if (p->listener == machine) pipe_bury(w, p->id);
    }
    for (size_t i = w->flight_count; i > 0; i--) {
        if (w->flights[i - 1].to != machine) continue;
        struct flight f = flight_take(w, i - 1);
        flight_free(&f);
    }
    for (size_t i = w->request_count; i > 0; i--)
        if (w->requests[i - 1].machine == machine) w->requests[i - 1] = w->requests[--w->request_count];
}

void wires_expire(struct wires *w, unsigned machine)
{
    uint64_t now = w->end.now_ms(w->end.self, machine);
    for (size_t i = 0; i < w->request_count; i++) {
        struct request r = w->requests[i];
        if (r.machine != machine || now < r.deadline_ms) continue;
        w->requests[i] = w->requests[--w->request_count];
        struct event event = {.kind = EVENT_UNANSWERED, .dial = r.dial, .tag = r.tag, .why = ERR_TIME};
        (void)snprintf(event.said, sizeof event.said, "no answer in time");
        arrive(w, machine, &event);
        i = (size_t)-1; /* the list may have changed */
    }
}

void wires_wrote(struct wires *w, unsigned machine)
{
    flight_add(w, (struct flight){.kind = FLIGHT_WROTE, .to = machine}, (span){0});
}

/* ---- people on the wire ---- */

static struct flight *some_frame(struct wires *w, struct dice *dice)
{
    size_t count = 0;
    for (size_t i = 0; i < w->flight_count; i++) count += w->flights[i].len > 0;
    if (count == 0) return NULL;
    size_t which = (size_t)dice_below(dice, count);
    for (size_t i = 0;; i++)
        if (w->flights[i].len > 0 && which-- == 0) return &w->flights[i];
}

bool wires_meddle(struct wires *w, enum meddling how, struct dice *dice)
{
    static const uint8_t refused[1] = {6};
    struct flight *f = some_frame(w, dice);
    if (!f) return false;
    switch (how) {
    case MEDDLE_REPEAT: {
        struct flight again = *f;
        again.bytes = NULL;
        flight_add(w, again, span_of(f->bytes, f->len));
        break;
    }
    case MEDDLE_ALTER: f->bytes[dice_below(dice, f->len)] ^= (uint8_t)(1 + dice_below(dice, 255)); break;
    case MEDDLE_CUT_SHORT: f->len = 1 + (size_t)dice_below(dice, f->len); break;
    case MEDDLE_REFUSE:
        f->bytes[0] = refused[0];
        f->len = 1;
        break;
    case MEDDLE_SWAP: {
        struct flight *other = some_frame(w, dice);
        uint8_t *bytes = f->bytes;
        size_t len = f->len;
        f->bytes = other->bytes;
        f->len = other->len;
        other->bytes = bytes;
        other->len = len;
        break;
    }
    case MEDDLE_COUNT: break;
    }
    return true;
}

uint32_t wires_raw_open(struct wires *w, unsigned machine)
{
    size_t open = 0;
    for (size_t i = 0; i < w->pipe_count; i++) open += w->pipes[i].is_raw && w->pipes[i].listener == machine;
    if (open >= RAW_PIPES_MAX || !w->end.is_up(w->end.self, machine)) return 0;
    struct pipe *p = pipe_add(w, NOBODY, 0, machine);
    uint32_t id = p->id;
    p->is_raw = true;
    struct event opened = {.kind = EVENT_PIPE_OPENED, .pipe = id};
    arrive(w, machine, &opened);
    return id;
}

span wires_raw_ask(struct wires *w, uint32_t pipe, span frame)
{
    struct pipe *p = pipe_find(w, pipe);
    w->raw.len = 0;
    if (!p || p->is_cut) return (span){0};
    struct flight f = {.kind = FLIGHT_REQUEST, .to = p->listener, .pipe = pipe, .bytes = (uint8_t *)(uintptr_t)frame.at,
                       .len = frame.len};
    take_request(w, &f);
    return buffer_span(&w->raw);
}

void wires_raw_close(struct wires *w, uint32_t pipe)
{
    struct pipe *p = pipe_find(w, pipe);
    if (p) pipe_cut(w, p);
}

void wires_counts(const struct wires *w, struct wires_counts *out)
{
    *out = w->counts;
}

void wires_waiting(const struct wires *w, unsigned machine, size_t *slots_of_a_pipe, size_t *pipes)
{
    *slots_of_a_pipe = *pipes = 0;
    for (size_t i = 0; i < w->pipe_count; i++) {
        size_t slots = 0;
        if (w->pipes[i].listener != machine) continue;
        ++*pipes;
        for (size_t s = 0; s < w->slot_count; s++) slots += w->slots[s].pipe == w->pipes[i].id;
        if (slots > *slots_of_a_pipe) *slots_of_a_pipe = slots;
    }
}

size_t wires_pending(const struct wires *w, unsigned machine)
{
    size_t most = 0;
    for (size_t i = 0; i < w->request_count; i++) {
        size_t same = 0;
        for (size_t k = 0; k < w->request_count; k++)
            same += w->requests[k].machine == machine && w->requests[k].dial == w->requests[i].dial;
        if (w->requests[i].machine == machine && same > most) most = same;
    }
    return most;
}

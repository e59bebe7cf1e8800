#include "tests/stage/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 64
#define REQUESTS_MAX 4096

struct packet {
    struct packet *next;
    unsigned from, to;
    uint64_t sent_at;
    struct event event;
    uint8_t *bytes;
};
struct connection {
    bool is_up;
    unsigned dialer, listener;
    uint32_t dial;
};
struct asked {
    uint32_t pipe;
    uint64_t tag;
};
struct port {
    struct wire *wire;
    unsigned node;
    struct network network;
};
struct wire {
    struct stage *stage;
    struct port ports[STAGE_NODES];
    struct packet *first, **last;
    uint32_t connection_count; /* a pipe is a connection's place, from 1 */
    struct connection connections[CONNECTIONS_MAX];
    uint64_t asked_count; /* a slot is a request's place, from 1 */
    struct asked asked[REQUESTS_MAX];
};

static void post(struct wire *wire, unsigned from, unsigned to, const struct event *event)
{
    struct packet *packet = calloc(1, sizeof *packet);
    must(packet);
    *packet = (struct packet){.from = from, .to = to, .sent_at = wire->stage->clock, .event = *event};
    if (event->bytes.len) {
        packet->bytes = malloc(event->bytes.len);
        must(packet->bytes);
        memcpy(packet->bytes, event->bytes.at, event->bytes.len);
        packet->event.bytes.at = packet->bytes;
    }
    *wire->last = packet;
    wire->last = &packet->next;
}

static struct connection *connection_of(struct wire *wire, uint32_t pipe)
{
    must(pipe >= 1 && pipe <= wire->connection_count);
    return &wire->connections[pipe - 1];
}

static uint32_t pipe_of_dial(struct wire *wire, unsigned node, uint32_t dial)
{
    for (uint32_t pipe = wire->connection_count; pipe > 0; pipe--) {
        const struct connection *c = connection_of(wire, pipe);
        if (c->is_up && c->dialer == node && c->dial == dial) return pipe;
    }
    return 0;
}

/* An address is tcp://CODE.example:7700; a second machine with a copy of a home is never dialled. */
static unsigned node_at(const struct stage *stage, const char *address)
{
    for (unsigned n = 0; n < AGAIN; n++) {
        size_t len = strlen(stage->nodes[n].code);
        if (stage->nodes[n].engine && strncmp(address + strlen("tcp://"), stage->nodes[n].code, len) == 0) return n;
    }
    return STAGE_NODES;
}

static void net_dial(void *self, uint32_t dial, const char *address)
{
    const struct port *port = self;
    struct wire *wire = port->wire;
    unsigned to = node_at(wire->stage, address);
    if (to == STAGE_NODES || to == port->node) {
        struct event failed = {.kind = EVENT_DIAL_FAILED, .dial = dial, .why = ERR_CLOSED};
        (void)snprintf(failed.said, sizeof failed.said, "nobody listens at %s", address);
        post(wire, port->node, port->node, &failed);
        return;
    }
    must(wire->connection_count < CONNECTIONS_MAX);
    wire->connections[wire->connection_count++] = (struct connection){true, port->node, to, dial};
    post(wire, to, port->node, &(struct event){.kind = EVENT_LINK_UP, .dial = dial, .pipe = wire->connection_count});
    post(wire, port->node, to, &(struct event){.kind = EVENT_PIPE_OPENED, .pipe = wire->connection_count});
}

static void net_hang_up(void *self, uint32_t dial)
{
    const struct port *port = self;
    uint32_t pipe = pipe_of_dial(port->wire, port->node, dial);
    if (!pipe) return;
    struct connection *c = connection_of(port->wire, pipe);
    c->is_up = false;
    post(port->wire, port->node, c->listener, &(struct event){.kind = EVENT_PIPE_GONE, .pipe = pipe});
}

static void net_request(void *self, uint32_t dial, uint64_t tag, span frame, uint64_t timeout_ms)
{
    const struct port *port = self;
    struct wire *wire = port->wire;
    uint32_t pipe = pipe_of_dial(wire, port->node, dial);
    (void)timeout_ms;
    if (!pipe) return;
    must(wire->asked_count < REQUESTS_MAX);
    wire->asked[wire->asked_count++] = (struct asked){pipe, tag};
    post(wire, port->node, connection_of(wire, pipe)->listener,
         &(struct event){.kind = EVENT_REQUEST, .pipe = pipe, .slot = wire->asked_count, .bytes = frame});
}

static void net_answer(void *self, uint64_t slot, span frame)
{
    const struct port *port = self;
    struct wire *wire = port->wire;
    must(slot >= 1 && slot <= wire->asked_count);
    const struct asked *asked = &wire->asked[slot - 1];
    const struct connection *c = connection_of(wire, asked->pipe);
    if (!c->is_up) return;
    post(wire, port->node, c->dialer, &(struct event){.kind = EVENT_ANSWER, .dial = c->dial, .tag = asked->tag, .bytes = frame});
}

static void net_drop(void *self, uint32_t pipe)
{
    const struct port *port = self;
    struct connection *c = connection_of(port->wire, pipe);
    if (!c->is_up) return;
    c->is_up = false;
    post(port->wire, port->node, c->dialer, &(struct event){.kind = EVENT_LINK_DOWN, .dial = c->dial, .pipe = pipe});
}

struct wire *wire_new(struct stage *stage)
{
    struct wire *wire = calloc(1, sizeof *wire);
    must(wire);
    wire->stage = stage;
    wire->last = &wire->first;
    for (unsigned n = 0; n < STAGE_NODES; n++) {
        struct port *port = &wire->ports[n];
        *port = (struct port){wire, n, {port, net_dial, net_hang_up, net_request, net_answer, net_drop}};
    }
    return wire;
}

void wire_clear(struct wire *wire)
{
    while (wire->first) {
        struct packet *packet = wire->first;
        wire->first = packet->next;
        free(packet->bytes);
        free(packet);
    }
    wire->last = &wire->first;
    wire->connection_count = 0;
    wire->asked_count = 0;
}

void wire_free(struct wire *wire)
{
    if (!wire) return;
    wire_clear(wire);
    free(wire);
}

const struct network *wire_network(struct wire *wire, unsigned node) { return &wire->ports[node].network; }

bool wire_step(struct wire *wire, unsigned *from, unsigned *to, uint64_t *sent_at)
{
    struct packet *packet = wire->first;
    if (!packet) return false;
    wire->first = packet->next;
    if (!wire->first) wire->last = &wire->first;
    *from = packet->from;
    *to = packet->to;
    *sent_at = packet->sent_at;
    struct engine *engine = wire->stage->nodes[packet->to].engine;
    if (engine) engine_step(engine, &packet->event);
    free(packet->bytes);
    free(packet);
    return true;
}

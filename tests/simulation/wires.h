/*
 * wires - the simulated network between the machines of a group: everything that is under way, in no order but what the
 * dice say. What nng's REQ/REP may do, it may do: requests of one pipe overtake each other, a pipe ends on its two sides
 * at different moments and takes what was under way with it, an answer to a request that is over goes nowhere. Somebody
 * on the wire may repeat, alter and invent frames.
 */
#pragma once
#include "node/event.h"
#include "tests/simulation/dice.h"

#define MACHINES_MAX 6

enum flight_kind { FLIGHT_CONNECT, FLIGHT_UP, FLIGHT_REQUEST, FLIGHT_ANSWER, FLIGHT_UNANSWERED, FLIGHT_DOWN, FLIGHT_GONE,
                   FLIGHT_WROTE };

/* Something on its way to a machine. */
struct flight {
    enum flight_kind kind;
    unsigned to;   /* the machine at which it arrives */
    unsigned from; /* whose frame it is */
    uint32_t dial, pipe;
    uint64_t tag;
    uint8_t *bytes; /* owned */
    size_t len;
};

struct wires;

/* Where events arrive, one at a time. False: nobody is there. */
struct wires_end {
    bool (*is_up)(void *self, unsigned machine);
    uint64_t (*now_ms)(void *self, unsigned machine); /* its monotonic clock */
    void (*arrive)(void *self, unsigned machine, const struct event *event);
    void (*note)(void *self, const char *line); /* what happens on the wire, for the transcript */
    void *self;
};

struct wires *wires_new(const struct wires_end *end);
void wires_free(struct wires *wires);
/* What the engine of a machine is handed. */
const struct network *wires_network(struct wires *wires, unsigned machine);
/* "sim://N" */
const char *wires_address(unsigned machine, char out[16]);

size_t wires_count(const struct wires *wires); /* of what is under way */
/* Lets one thing arrive, chosen by the dice; NULL: the oldest. False when nothing is under way. */
bool wires_deliver(struct wires *wires, struct dice *dice);
/* Ends the pipes between two machines; with `is_blocked` no new ones are made until wires_heal. */
void wires_cut(struct wires *wires, unsigned a, unsigned b, bool is_blocked);
void wires_heal(struct wires *wires);
/* A machine has lost its power, or its process was killed: nothing of it stays. */
void wires_forget(struct wires *wires, unsigned machine);
/* Requests whose time is over by their machine's clock. */
void wires_expire(struct wires *wires, unsigned machine);
/* Another process has written to the machine's database: it notices later. */
void wires_wrote(struct wires *wires, unsigned machine);

enum meddling { MEDDLE_REPEAT, MEDDLE_ALTER, MEDDLE_CUT_SHORT, MEDDLE_REFUSE, MEDDLE_SWAP, MEDDLE_COUNT };
/* Somebody on the wire does something to one frame that is under way. False when there is none. */
bool wires_meddle(struct wires *wires, enum meddling how, struct dice *dice);

/*
 * Somebody without a machine of its own dials: the answers to its frames come back at once. A raw pipe, 0 when nobody is
 * there. The answer is valid until the next call; empty when there was none at once.
 */
uint32_t wires_raw_open(struct wires *wires, unsigned machine);
span wires_raw_ask(struct wires *wires, uint32_t pipe, span frame);
void wires_raw_close(struct wires *wires, uint32_t pipe);

struct wires_counts {
    uint64_t frames, bytes; /* handed to the network */
    size_t most_flights;
};
void wires_counts(const struct wires *wires, struct wires_counts *out);
/* Of a listening machine: the most requests of one pipe that wait for their answer, and how many pipes there are. */
void wires_waiting(const struct wires *wires, unsigned machine, size_t *slots_of_a_pipe, size_t *pipes);
/* Of a dialling machine: the most requests under way on one dial. */
size_t wires_pending(const struct wires *wires, unsigned machine);

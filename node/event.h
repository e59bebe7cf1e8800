/*
 * event - how the network reaches the engine, and the engine the network.
 *
 * Events go in (engine_step), actions come out as calls of `struct network`. node/link turns nng into these;
 * tests hand in their own network, in one process, from a seed.
 */
#pragma once
#include "crypto/base/span.h"

enum event_kind {
    EVENT_LINK_UP,     /* `dial` has a pipe to its partner: `pipe`                                           */
    EVENT_LINK_DOWN,   /* that pipe is gone; the network dials again by itself                               */
    EVENT_DIAL_FAILED, /* the first attempt of `dial` failed: `said`; nothing more happens until dialled again */
    EVENT_ANSWER,      /* the answer to request `tag` of `dial`: `bytes`                                     */
    EVENT_UNANSWERED,  /* request `tag` of `dial` failed or timed out: `why`, `said`                         */
    EVENT_REQUEST,     /* a request on the listening side: `bytes`, from `pipe`, to be answered by `slot`    */
    EVENT_PIPE_OPENED, /* somebody connected to us: `pipe`                                                   */
    EVENT_PIPE_GONE,   /* a listening side's pipe is gone: its sessions end, its slots need no answer        */
    EVENT_TIMER,       /* time has passed: also sent when nothing else happens                               */
    EVENT_WROTE,       /* another process may have written to our database                                   */
    EVENT_STOP,        /* answer what is parked and stop                                                     */
};

struct event {
    enum event_kind kind;
    uint32_t dial;
    uint32_t pipe;
    uint64_t tag;
    uint64_t slot;
    span bytes; /* valid during the step */
    enum err_code why;
    char said[160];
};

/* None of these waits or calls back; what happens arrives as an event later. Bytes are copied before they return. */
struct network {
    void *self;
    void (*dial)(void *self, uint32_t dial, const char *address);
    void (*hang_up)(void *self, uint32_t dial);                     /* its unanswered requests are forgotten */
    void (*request)(void *self, uint32_t dial, uint64_t tag, span frame, uint64_t timeout_ms);
    void (*answer)(void *self, uint64_t slot, span frame);
    void (*drop)(void *self, uint32_t pipe);                        /* closes a listening side's pipe */
};

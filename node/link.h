/*
 * link - nng REQ/REP as events and actions (node/event.h). Its rooms, link_*.c, are the only ones that name nng (1.5.2).
 *
 * Known traps of nng 1.5.2, all met here: REQ resends by default (NNG_OPT_REQ_RESENDTIME is set to -1) and receives
 * without limit (NNG_OPT_RECVMAXSZ is set on every socket before it listens or dials); receiving on a request must not
 * start before its send has completed; a dialer that blocks until connected can hang when it is closed; a TCP pipe that is
 * closed by us while something comes in stops nng's clean-up for good (so its connection is shut instead, see pipe_cut). One
 * remains: a partner that vanishes while a frame is partly sent can, rarely, stop the clean-up too. Killing a slow reader on
 * a busy machine brought that about with 16 MiB under way (three times in less than 12000 kills), not with 1 MiB (24000) or
 * 2 MiB (5000). The engine has at most a push one way and two pulls' answers the other under way on a pipe: 2 MiB; who lets
 * it have more must measure again. Closing then gives up after some seconds instead of hanging.
 *
 * Threads: nng's own threads only put finished things into a bounded mailbox, whose lock is the only one in the program.
 * Everything declared here is called by the node thread, except link_wake and link_stop.
 */
#pragma once
#include "crypto/base/world.h"
#include "node/event.h"

#define LINK_PIPES_MAX 512          /* listening side, all together */
#define LINK_PIPES_PER_ADDRESS 64
#define LINK_SLOTS_MAX 1024         /* requests taken in and not answered yet */
#define LINK_DIALS_MAX 256
#define LINK_REQUESTS_MAX 16        /* under way at once on one dial */

struct link;

MUST_USE bool link_open(struct link **out, struct err *e);
/* Addresses, here and in dial, are tcp://, tcp4://, tcp6:// or (in one process) inproc://. */
/* Listens too ("tcp://0.0.0.0:7700"); port 0 takes a free one. `bound` (may be NULL) gets the address in use. Fails: ERR_USAGE, ERR_REFUSED (in use). */
MUST_USE bool link_listen(struct link *link, const char *address, char *bound, size_t cap, struct err *e);
/*
 * The actions, for the engine. Valid as long as the link. A lost pipe's EVENT_LINK_DOWN and its requests' EVENT_UNANSWERED
 * come in either order. hang_up waits until nng has let go, a millisecond or so. Dialling a number that is in use hangs
 * up first; after EVENT_DIAL_FAILED its waiting requests are kept.
 */
const struct network *link_network(struct link *link);
/*
 * Waits up to timeout_ms for the next event. EVENT_TIMER when the time passed with none. `out->bytes` stays valid until
 * the next call.
 */
void link_next(struct link *link, uint64_t timeout_ms, struct event *out);
/* EVENT_STOP comes next; safe in a signal handler's thread (not in the handler itself). */
void link_stop(struct link *link);
/* EVENT_WROTE comes next, once however often this was called; from any thread. */
void link_wake(struct link *link);
/* Bytes and messages handed to nng and taken from it since the link opened. */
struct link_counts {
    uint64_t sent_messages, sent_bytes, received_messages, received_bytes;
};
void link_counts(const struct link *link, struct link_counts *out);
/*
 * Sends what was answered, closes every socket, frees everything. Listens to the end: who dials meanwhile sees a pipe
 * come up and go at once.
 */
void link_close(struct link *link);
OWNABLE(struct link *, link_close)

/*
 * link_rooms - what the rooms of link share. Not for anybody else: see link.h.
 *
 * Everything that can happen is a `struct post` inside the thing it happens to, made before it can happen: so a callback
 * never needs memory, and the mailbox is bounded by the number of those things. A thing is used again only when its
 * post has been taken. Receives are posted by the node thread alone, as many as requests were taken: a slow node
 * slows its partners down.
 */
#pragma once
#include "node/link.h"
#include "protocol/limits.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>

#define REFUSALS_MAX 256   /* actions refused on the spot whose events nobody has taken yet */
#define CLOSE_WAIT_MS 2000 /* for answers handed in just before link_close, and for pipes to end */

/* The calls of nng that can fail, in one table, so that a test can hand in one of its own in which they do. */
struct nng_calls {
    int (*msg_alloc)(nng_msg **out, size_t bytes);
    int (*aio_alloc)(nng_aio **out, void (*callback)(void *), void *self);
    int (*aio_result)(nng_aio *aio);
    int (*ctx_open)(nng_ctx *out, nng_socket socket);
    int (*req_open)(nng_socket *out);
    int (*rep_open)(nng_socket *out);
    int (*socket_set_size)(nng_socket socket, const char *name, size_t value);
    int (*socket_set_ms)(nng_socket socket, const char *name, nng_duration value);
    int (*pipe_notify)(nng_socket socket, nng_pipe_ev change, nng_pipe_cb callback, void *self);
    int (*pipe_get_addr)(nng_pipe pipe, const char *name, nng_sockaddr *out);
    int (*dialer_create)(nng_dialer *out, nng_socket socket, const char *address);
    int (*dialer_set_bool)(nng_dialer dialer, const char *name, bool value);
    int (*dialer_set_ms)(nng_dialer dialer, const char *name, nng_duration value);
    int (*dialer_start)(nng_dialer dialer, int flags);
    int (*listener_create)(nng_listener *out, nng_socket socket, const char *address);
    int (*listener_set_bool)(nng_listener listener, const char *name, bool value);
    int (*listener_start)(nng_listener listener, int flags);
    int (*listener_get_string)(nng_listener listener, const char *name, char **out);
    int (*stats_get)(nng_stat **out);
};

struct post {
    struct post *next;
    enum event_kind kind;
    bool is_waiting;
    void *about;
};

enum slot_state { SLOT_IDLE, SLOT_RECEIVING, SLOT_WAITING, SLOT_HELD, SLOT_SENDING };

/* A context of the listening side: takes in one request, then sends its answer. */
struct slot {
    struct link *link;
    uint16_t number;
    nng_ctx context;
    nng_aio *receive, *send;
    enum slot_state state;
    uint64_t generation; /* rises with every request: tells a late answer to an earlier one */
    uint32_t pipe;
    nng_msg *request; /* while SLOT_WAITING */
    struct post arrived;
};

/* Who counts as one: family and IPv4 address, or family and IPv6 network; all zero is not an internet address. */
struct address {
    uint8_t bytes[9];
};

/* A pipe of the listening side, from its first moment until EVENT_PIPE_GONE was taken. Its id is in link->pipes. */
struct visitor {
    struct address address;
    bool is_gone;
    bool is_stuck;     /* does not read its answers */
    size_t held_count; /* slots held or sending */
    struct post opened, gone;
};

/* A context of the dialling side. */
struct request {
    struct dial *dial;
    nng_ctx context;
    nng_aio *send, *receive; /* NULL until first used */
    bool is_under_way;
    uint64_t tag;
    uint64_t deadline_ms;
    int failure;     /* nng's number, 0 when there is an answer */
    nng_msg *answer; /* while `done` waits */
    struct post done;
};

struct dial {
    struct link *link;
    uint32_t id;
    char address[ADDRESS_BYTES_MAX + 1];
    nng_socket socket;
    nng_dialer dialer;
    bool has_dialer, is_watched; /* the node thread's: a first attempt that may still fail */
    uint64_t watched_until_ms;
    bool is_closing, was_up;
    uint32_t coming; /* the newest pipe, before nng has said it is up */
    uint32_t pipe;   /* the pipe that is up, or 0 */
    uint32_t up_pipe, down_pipe;
    struct post up, down;
    struct request requests[LINK_REQUESTS_MAX];
};

/* An action that failed before it reached nng. */
struct refusal {
    uint32_t dial;
    uint64_t tag;
    enum err_code why;
    char said[160];
    bool is_used;
    struct post post;
};

struct link {
    struct network network;
    const struct nng_calls *nng;
    pthread_mutex_t lock; /* guards all that callbacks touch: posts, states, flags */
    pthread_cond_t changed;
    struct post *first, *last;
    bool is_stopping, is_woken, is_untidy, is_closing;
    bool is_left_to_nng; /* a socket did not close: its callbacks may still come */

    nng_socket reply;
    bool has_reply;
    struct slot *slots[LINK_SLOTS_MAX];
    size_t slot_count, receiver_count, sending_count;
    uint16_t idle[LINK_SLOTS_MAX];
    size_t idle_count;
    uint32_t pipes[LINK_PIPES_MAX]; /* 0: the visitor of that number is not in use */
    struct visitor visitors[LINK_PIPES_MAX];

    /* The node thread's. */
    struct dial *dials[LINK_DIALS_MAX];
    size_t watched_count;
    uint64_t watch_at_ms;
    bool is_short; /* of memory for receives: tried again at every link_next, since perhaps none is posted */
    struct refusal refusals[REFUSALS_MAX];
    nng_msg *taken; /* what the last event's bytes are in */
    struct link_counts counts;
};

/* link.c - opening, listening, closing */
/* As link_open. `calls` is borrowed. */
MUST_USE bool link_open_over(struct link **out, const struct nng_calls *calls, struct err *e);

/* link_nng.c - nng's calls, numbers and messages */
extern const struct nng_calls nng_calls_real;
enum err_code link_code(int failure);
nng_msg *link_message_new(const struct link *link, span frame); /* NULL: no memory */
span link_message_span(nng_msg *message);
void link_message_drop(nng_aio *aio); /* the message an aio that failed still holds */

/* link_mailbox.c - what callbacks hand to the node thread */
uint64_t link_now_ms(void);
uint64_t link_after_ms(uint64_t from_ms, uint64_t wait_ms);
struct post post_of(enum event_kind kind, void *about);
void mailbox_lock(struct link *link);
void mailbox_unlock(struct link *link);
/* With the lock held, as are the next three. */
void mailbox_put(struct link *link, struct post *post);
struct post *mailbox_take(struct link *link); /* NULL: it is empty */
void mailbox_take_back(struct link *link, struct post *post);
bool mailbox_wait(struct link *link, uint64_t deadline_ms); /* false when the time came before anything changed */
/* The node thread's: an action ends here, and its event says why. */
void mailbox_refuse(struct link *link, struct refusal what, enum event_kind kind);

/* link_sockets.c - nng's sockets: made ready, ended */
bool socket_address_is_usable(const char *address);
/* What both kinds of socket need before they listen or dial. Both give nng's number, 0 for success. */
int socket_prepare(const struct link *link, nng_socket socket);
int socket_notify(const struct link *link, nng_socket socket, nng_pipe_cb callback, void *self);
void pipe_cut(const struct link *link, nng_pipe pipe);
bool socket_close(nng_socket socket);

/* link_visitors.c - the listening side's pipes */
struct visitor *visitor_find(struct link *link, uint32_t pipe); /* with the lock held */
void visitor_changed(nng_pipe pipe, nng_pipe_ev change, void *self);
void visitors_drop_stuck(struct link *link);
void visitors_cut(struct link *link); /* all; waits, not for long, until they have ended */
void network_drop(void *self, uint32_t pipe);

/* link_slots.c - the listening side's requests and answers */
void slot_release(struct slot *slot); /* with the lock held */
void slot_free(struct slot *slot);
OWNABLE(struct slot *, slot_free)
void slots_post_receives(struct link *link); /* has as many posted as the mailbox has room for */
void network_answer(void *self, uint64_t number, span frame);

/* link_requests.c - the dialling side's requests */
void request_wipe(struct request *request);
void network_request(void *self, uint32_t id, uint64_t tag, span frame, uint64_t timeout_ms);

/* link_dials.c - the dialling side's pipes */
struct dial *dial_find(const struct link *link, uint32_t id);
void dial_failed(struct dial *dial, const char *reason, int failure);
void dial_close(struct dial *dial);
OWNABLE(struct dial *, dial_close)
void network_dial(void *self, uint32_t id, const char *address);
void network_hang_up(void *self, uint32_t id);

/* link_watch.c - whether a first attempt has failed */
void watch_start(struct dial *dial);
void watch_stop(struct dial *dial);
void watch_dials(struct link *link);

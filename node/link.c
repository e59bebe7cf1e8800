#include "node/link.h"

#include "protocol/limits.h"

#include <dirent.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/*
 * Everything that can happen is a `struct post` inside the thing it happens to, made before it can happen: so a callback
 * never needs memory, and the mailbox is bounded by the number of those things. A thing is used again only when its
 * post has been taken. Receives are posted by the node thread alone, as many as requests were taken: a slow node
 * slows its partners down.
 */

#define RECEIVERS 16 /* receives posted and requests in the mailbox, together: 16 MiB at most */
/* Requests of one pipe not answered; an honest partner has LINK_REQUESTS_MAX under way. */
#define SLOTS_PER_PIPE 64
#define REFUSALS_MAX 256      /* actions refused on the spot whose events nobody has taken yet */
#define ANSWER_WAIT_MS 30000  /* a partner that does not read its answer for this long is dropped */
#define CONNECT_WAIT_MS 20000 /* of a first attempt */
#define CLOSE_WAIT_MS 2000 /* for answers handed in just before link_close, and for pipes to end */
#define SOCKET_WAIT_S 5    /* for a socket to close */
#define WATCH_MS 20        /* how often a first attempt is looked at */
#define RECONNECT_LEAST_MS 100
#define RECONNECT_MOST_MS 5000
#define REQUEST_ID_BYTES 4 /* which nng puts before every frame and counts with it */

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
    struct refusal refusals[REFUSALS_MAX];
    nng_msg *taken; /* what the last event's bytes are in */
    struct link_counts counts;
};

/* ---- time and messages ---- */

static uint64_t clock_ms(void)
{
    struct timespec now = {0};
    must(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t after_ms(uint64_t from_ms, uint64_t wait_ms)
{
    return wait_ms > UINT64_MAX / 2 - from_ms ? UINT64_MAX / 2 : from_ms + wait_ms;
}

/* For nng, where 0 and less have meanings of their own. */
static nng_duration left_ms(uint64_t deadline_ms)
{
    uint64_t now = clock_ms();
    if (deadline_ms <= now) return 1;
    return deadline_ms - now > INT32_MAX ? INT32_MAX : (nng_duration)(deadline_ms - now);
}

static nng_msg *message_new(span frame)
{
    nng_msg *message = NULL;
    must(frame.len <= FRAME_BYTES_MAX);
    if (nng_msg_alloc(&message, frame.len) != 0) return NULL;
    if (frame.len) memcpy(nng_msg_body(message), frame.at, frame.len);
    return message;
}

static span message_span(nng_msg *message)
{
    return span_of(nng_msg_body(message), nng_msg_len(message));
}

/* The message an aio that failed still holds. */
static void drop_message(nng_aio *aio)
{
    nng_msg_free(nng_aio_get_msg(aio));
    nng_aio_set_msg(aio, NULL);
}

static enum err_code code_of(int failure)
{
    switch (failure) {
    case NNG_ETIMEDOUT: return ERR_TIME;
    case NNG_ENOMEM: return ERR_MEMORY;
    case NNG_EMSGSIZE: return ERR_LIMIT;
    case NNG_EADDRINUSE:
    case NNG_EPERM: return ERR_REFUSED;
    default: return ERR_CLOSED;
    }
}

/* ---- the mailbox ---- */

static void lock(struct link *link) { must(pthread_mutex_lock(&link->lock) == 0); }

static void unlock(struct link *link) { must(pthread_mutex_unlock(&link->lock) == 0); }

static struct post post_of(enum event_kind kind, void *about)
{
    return (struct post){.kind = kind, .about = about};
}

/* With the lock held, as are the next two. */
static void put(struct link *link, struct post *post)
{
    must(!post->is_waiting);
    post->is_waiting = true;
    post->next = NULL;
    if (link->last) link->last->next = post;
    else link->first = post;
    link->last = post;
    pthread_cond_broadcast(&link->changed);
}

static struct post *take(struct link *link)
{
    struct post *post = link->first;
    if (!post) return NULL;
    link->first = post->next;
    if (!link->first) link->last = NULL;
    post->is_waiting = false;
    return post;
}

static void take_back(struct link *link, struct post *post)
{
    struct post *before = NULL;
    if (!post->is_waiting) return;
    for (struct post *at = link->first; at != post; at = at->next) before = at;
    if (before) before->next = post->next;
    else link->first = post->next;
    if (link->last == post) link->last = before;
    post->is_waiting = false;
}

/* False when the time came before anything changed. With the lock held. */
static bool wait_until(struct link *link, uint64_t deadline_ms)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                             .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    return pthread_cond_timedwait(&link->changed, &link->lock, &until) == 0;
}

/* The node thread's: an action ends here, and its event says why. */
static void refuse(struct link *link, struct refusal what, enum event_kind kind)
{
    struct refusal *free_one = NULL;
    for (size_t i = 0; i < REFUSALS_MAX && !free_one; i++)
        if (!link->refusals[i].is_used) free_one = &link->refusals[i];
    must(free_one != NULL); /* somebody acts on and on without ever taking an event */
    *free_one = what;
    free_one->is_used = true;
    free_one->post = post_of(kind, free_one);
    lock(link);
    put(link, &free_one->post);
    unlock(link);
}

/* ---- ending a pipe ---- */

static bool is_same_address(const nng_sockaddr *a, const struct sockaddr_storage *b)
{
    const struct sockaddr_in *b4 = (const void *)b;
    const struct sockaddr_in6 *b6 = (const void *)b;
    if (a->s_family == NNG_AF_INET)
        return b->ss_family == AF_INET && a->s_in.sa_port == b4->sin_port &&
               a->s_in.sa_addr == b4->sin_addr.s_addr;
    return a->s_family == NNG_AF_INET6 && b->ss_family == AF_INET6 &&
           a->s_in6.sa_port == b6->sin6_port &&
           memcmp(a->s_in6.sa_addr, &b6->sin6_addr, sizeof b6->sin6_addr) == 0;
}

static bool is_between(int file, const nng_sockaddr *here, const nng_sockaddr *there)
{
    struct sockaddr_storage ours = {0}, theirs = {0};
    socklen_t ours_bytes = sizeof ours, theirs_bytes = sizeof theirs;
    return getsockname(file, (struct sockaddr *)&ours, &ours_bytes) == 0 &&
           is_same_address(here, &ours) &&
           getpeername(file, (struct sockaddr *)&theirs, &theirs_bytes) == 0 &&
           is_same_address(there, &theirs);
}

static void shut_connection(const nng_sockaddr *here, const nng_sockaddr *there)
{
    DIR *files = opendir("/proc/self/fd");
    if (!files) return;
    for (const struct dirent *one = readdir(files); one; one = readdir(files)) {
        int file = (int)strtol(one->d_name, NULL, 10);
        if (is_between(file, here, there)) {
            shutdown(file, SHUT_RDWR);
            break;
        }
    }
    closedir(files);
}

/*
 * Ends a pipe the way a partner's hanging up does. nng_pipe_close of 1.5.2 would not do: when a part of a message comes in
 * at that moment, nng's one clean-up thread waits for ever for a receive that nobody finishes, and from then on no
 * pipe of this process is cleaned up or dialled again. A partner could bring that about at will. So the connection
 * itself is shut, which nng then notices and tidies up after; nng does not tell its descriptor, the system does.
 */
static void cut(nng_pipe pipe)
{
    nng_sockaddr here = {0}, there = {0};
    if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &there) != 0) return; /* has ended already */
    if (there.s_family != NNG_AF_INET && there.s_family != NNG_AF_INET6) nng_pipe_close(pipe);
    else if (nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &here) == 0) shut_connection(&here, &there);
}

static void *close_it(void *socket)
{
    nng_close(*(nng_socket *)socket);
    free(socket);
    return NULL;
}

/*
 * False when nng does not come back, as may happen when a partner vanishes while a part of a message is being sent to it
 * (the same mistake in the other direction): then what nng's callbacks know must be left to it.
 */
static bool close_socket(nng_socket socket)
{
    pthread_t thread;
    struct timespec until = {0};
    nng_socket *ours = malloc(sizeof *ours);
    if (!ours) return nng_close(socket) == 0;
    *ours = socket;
    if (pthread_create(&thread, NULL, close_it, ours) != 0) {
        close_it(ours);
        return true;
    }
    must(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += SOCKET_WAIT_S;
    if (pthread_timedjoin_np(thread, NULL, &until) == 0) return true;
    pthread_detach(thread);
    return false;
}

/* ---- the listening side: pipes ---- */

static struct address address_of(nng_pipe pipe)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* an IPv4 address within IPv6 */
    struct address address = {{0}};
    nng_sockaddr remote = {0};

    if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &remote) != 0) return address;
    if (remote.s_family == NNG_AF_INET) {
        address.bytes[0] = 4;
        memcpy(&address.bytes[1], &remote.s_in.sa_addr, 4);
    } else if (remote.s_family == NNG_AF_INET6) {
        bool is_mapped = memcmp(remote.s_in6.sa_addr, mapped, sizeof mapped) == 0;
        address.bytes[0] = is_mapped ? 4 : 6;
        memcpy(&address.bytes[1], &remote.s_in6.sa_addr[is_mapped ? 12 : 0], is_mapped ? 4 : 8);
    }
    return address;
}

/* With the lock held, as is the next. */
static struct visitor *visitor_find(struct link *link, uint32_t pipe)
{
    if (pipe == 0) return NULL;
    for (size_t i = 0; i < LINK_PIPES_MAX; i++)
        if (link->pipes[i] == pipe) return &link->visitors[i];
    return NULL;
}

static bool visitor_admit(struct link *link, uint32_t pipe, const struct address *address)
{
    size_t same_count = 0;
    size_t room = LINK_PIPES_MAX;
    for (size_t i = 0; i < LINK_PIPES_MAX; i++) {
        if (link->pipes[i] == 0) room = i;
        else if (memcmp(&link->visitors[i].address, address, sizeof *address) == 0) same_count++;
    }
    if (link->is_closing || room == LINK_PIPES_MAX) return false;
    if (address->bytes[0] != 0 && same_count >= LINK_PIPES_PER_ADDRESS) return false;

    struct visitor *visitor = &link->visitors[room];
    *visitor = (struct visitor){.address = *address};
    visitor->opened = post_of(EVENT_PIPE_OPENED, visitor);
    visitor->gone = post_of(EVENT_PIPE_GONE, visitor);
    link->pipes[room] = pipe;
    put(link, &visitor->opened);
    return true;
}

/*
 * Told at ADD_PRE and not at ADD_POST, since the first request may be in before the latter. REM_POST always follows. At
 * ADD_PRE nothing is being received yet, so nng_pipe_close is safe.
 */
static void visitor_changed(nng_pipe pipe, nng_pipe_ev change, void *self)
{
    struct link *link = self;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);

    if (change == NNG_PIPE_EV_ADD_PRE) {
        struct address address = address_of(pipe);
        lock(link);
        bool is_admitted = visitor_admit(link, id, &address);
        unlock(link);
        if (!is_admitted) nng_pipe_close(pipe);
        return;
    }
    if (change != NNG_PIPE_EV_REM_POST) return;
    lock(link);
    struct visitor *visitor = visitor_find(link, id);
    if (visitor && !visitor->is_gone) {
        visitor->is_gone = true;
        put(link, &visitor->gone);
    }
    unlock(link);
}

/* ---- the listening side: requests and answers ---- */

/* With the lock held. */
static void slot_release(struct slot *slot)
{
    struct link *link = slot->link;
    struct visitor *visitor = visitor_find(link, slot->pipe);
    if (visitor && (slot->state == SLOT_HELD || slot->state == SLOT_SENDING)) visitor->held_count--;
    if (slot->state == SLOT_RECEIVING || slot->state == SLOT_WAITING) link->receiver_count--;
    if (slot->state == SLOT_SENDING) link->sending_count--;
    slot->state = SLOT_IDLE;
    slot->pipe = 0;
    link->idle[link->idle_count++] = slot->number;
    link->is_untidy = true;
    pthread_cond_broadcast(&link->changed);
}

static void slot_received(void *self)
{
    struct slot *slot = self;
    struct link *link = slot->link;
    bool is_received = nng_aio_result(slot->receive) == 0;
    nng_msg *message = is_received ? nng_aio_get_msg(slot->receive) : NULL;
    nng_pipe pipe = {0};
    bool is_too_long = false;

    if (message) {
        nng_aio_set_msg(slot->receive, NULL);
        pipe = nng_msg_get_pipe(message);
        is_too_long =
            nng_msg_len(message) > FRAME_BYTES_MAX; /* inproc does not heed NNG_OPT_RECVMAXSZ */
    }
    lock(link);
    struct visitor *visitor = message ? visitor_find(link, (uint32_t)nng_pipe_id(pipe)) : NULL;
    bool is_wanted = visitor && !visitor->is_gone && !is_too_long && !link->is_closing;
    if (is_wanted) {
        slot->state = SLOT_WAITING;
        slot->pipe = (uint32_t)nng_pipe_id(pipe);
        slot->request = message;
        put(link, &slot->arrived);
    } else {
        slot_release(slot);
    }
    unlock(link);
    if (is_wanted) return;
    nng_msg_free(message);
    if (is_too_long) cut(pipe);
}

static void slot_sent(void *self)
{
    struct slot *slot = self;
    struct link *link = slot->link;
    int failure = nng_aio_result(slot->send);

    if (failure != 0) drop_message(slot->send);
    lock(link);
    struct visitor *visitor = visitor_find(link, slot->pipe);
    if (visitor && failure == NNG_ETIMEDOUT) visitor->is_stuck = true;
    slot_release(slot);
    unlock(link);
}

static void slot_free(struct slot *slot)
{
    if (!slot) return;
    nng_aio_stop(slot->receive);
    nng_aio_stop(slot->send);
    if (nng_ctx_id(slot->context) > 0) nng_ctx_close(slot->context);
    nng_aio_free(slot->receive);
    nng_aio_free(slot->send);
    nng_msg_free(slot->request);
    free(slot);
}
OWNABLE(struct slot *, slot_free)

static bool slot_new(struct link *link)
{
    OWNED(slot_free) struct slot *slot = calloc(1, sizeof *slot);
    if (!slot) return false;
    slot->link = link;
    slot->number = (uint16_t)link->slot_count;
    slot->arrived = post_of(EVENT_REQUEST, slot);
    if (nng_aio_alloc(&slot->receive, slot_received, slot) != 0) return false;
    if (nng_aio_alloc(&slot->send, slot_sent, slot) != 0) return false;
    if (nng_ctx_open(&slot->context, link->reply) != 0) return false;
    nng_aio_set_timeout(slot->receive, NNG_DURATION_INFINITE);
    nng_aio_set_timeout(slot->send, ANSWER_WAIT_MS);

    lock(link);
    link->idle[link->idle_count++] = slot->number;
    link->slots[link->slot_count++] = GIVE(slot);
    unlock(link);
    return true;
}

/* Has RECEIVERS receives posted, as far as there are slots. */
static void post_receives(struct link *link)
{
    for (;;) {
        struct slot *slot = NULL;
        lock(link);
        bool is_enough = link->receiver_count >= RECEIVERS;
        if (!is_enough && link->idle_count > 0) {
            slot = link->slots[link->idle[--link->idle_count]];
            slot->state = SLOT_RECEIVING;
            link->receiver_count++;
        }
        unlock(link);
        if (slot) nng_ctx_recv(slot->context, slot->receive);
        else if (is_enough || link->slot_count == LINK_SLOTS_MAX || !slot_new(link)) return;
    }
}

static void network_answer(void *self, uint64_t number, span frame)
{
    struct link *link = self;
    size_t index = number & 0xffff;
    nng_msg *message = message_new(frame);

    lock(link);
    struct slot *slot = index < link->slot_count ? link->slots[index] : NULL;
    bool is_held = slot && slot->state == SLOT_HELD && slot->generation == number >> 16;
    nng_pipe pipe = {.id = is_held ? slot->pipe : 0};
    if (is_held && message) {
        slot->state = SLOT_SENDING;
        link->sending_count++;
    } else if (is_held) {
        slot_release(slot);
    }
    unlock(link);

    if (is_held && message) {
        link->counts.sent_messages++;
        link->counts.sent_bytes += frame.len;
        nng_aio_set_msg(slot->send, message);
        nng_ctx_send(slot->context, slot->send);
        return;
    }
    nng_msg_free(message);
    if (is_held) cut(pipe); /* no memory for the answer: the partner may ask again */
}

static void network_drop(void *self, uint32_t pipe)
{
    (void)self;
    cut((nng_pipe){.id = pipe});
}

static void drop_stuck(struct link *link)
{
    for (size_t i = 0; i < LINK_PIPES_MAX; i++) {
        lock(link);
        struct visitor *visitor = &link->visitors[i];
        bool is_stuck = link->pipes[i] != 0 && visitor->is_stuck && !visitor->is_gone;
        uint32_t pipe = link->pipes[i];
        visitor->is_stuck = false;
        unlock(link);
        if (is_stuck) network_drop(link, pipe);
    }
}

/* ---- the dialling side: requests ---- */

static void request_done(struct request *request, int failure, nng_msg *answer)
{
    struct link *link = request->dial->link;
    lock(link);
    bool is_wanted = !request->dial->is_closing;
    if (is_wanted) {
        request->failure = failure;
        request->answer = answer;
        request->done.kind = answer ? EVENT_ANSWER : EVENT_UNANSWERED;
        put(link, &request->done);
    }
    unlock(link);
    if (!is_wanted) nng_msg_free(answer);
}

static void request_received(void *self)
{
    struct request *request = self;
    int failure = nng_aio_result(request->receive);
    nng_msg *answer = failure == 0 ? nng_aio_get_msg(request->receive) : NULL;

    nng_aio_set_msg(request->receive, NULL);
    if (answer && nng_msg_len(answer) > FRAME_BYTES_MAX) {
        nng_msg_free(answer);
        answer = NULL;
        failure = NNG_EMSGSIZE;
    }
    request_done(request, failure, answer);
}

/* Only now may the receive start: nng 1.5.2 stops the process when a send is cancelled with a receive behind it. */
static void request_sent(void *self)
{
    struct request *request = self;
    struct link *link = request->dial->link;
    int failure = nng_aio_result(request->send);

    if (failure != 0) {
        drop_message(request->send);
        request_done(request, failure, NULL);
        return;
    }
    lock(link);
    nng_duration left = left_ms(request->deadline_ms);
    unlock(link);
    nng_aio_set_timeout(request->receive, left);
    nng_ctx_recv(request->context, request->receive);
}

static void request_wipe(struct request *request)
{
    nng_aio_stop(request->send);
    nng_aio_stop(request->receive); /* in this order: the first one's callback starts the second */
    if (nng_ctx_id(request->context) > 0) nng_ctx_close(request->context);
    nng_aio_free(request->send);
    nng_aio_free(request->receive);
    nng_msg_free(request->answer);
}

/* On failure the parts that are there wait for the next attempt, or for request_wipe. */
static bool request_prepare(struct request *request)
{
    if (!request->send && nng_aio_alloc(&request->send, request_sent, request) != 0) return false;
    if (!request->receive && nng_aio_alloc(&request->receive, request_received, request) != 0)
        return false;
    return nng_ctx_id(request->context) > 0 ||
           nng_ctx_open(&request->context, request->dial->socket) == 0;
}

static struct dial *dial_find(const struct link *link, uint32_t id)
{
    for (size_t i = 0; i < LINK_DIALS_MAX; i++)
        if (link->dials[i] && link->dials[i]->id == id) return link->dials[i];
    return NULL;
}

static struct request *request_idle(struct dial *dial)
{
    for (size_t i = 0; i < LINK_REQUESTS_MAX; i++)
        if (!dial->requests[i].is_under_way) return &dial->requests[i];
    return NULL;
}

static void network_request(void *self, uint32_t id, uint64_t tag, span frame, uint64_t timeout_ms)
{
    struct link *link = self;
    struct dial *dial = dial_find(link, id);
    struct request *request = dial ? request_idle(dial) : NULL;
    struct refusal refusal = {.dial = id, .tag = tag, .why = ERR_MEMORY, .said = "out of memory"};

    if (!dial) {
        refusal.why = ERR_CLOSED;
        snprintf(refusal.said, sizeof refusal.said, "nobody has been dialled");
        return refuse(link, refusal, EVENT_UNANSWERED);
    }
    if (!request) {
        refusal.why = ERR_LIMIT;
        snprintf(refusal.said, sizeof refusal.said, "%d requests are under way already",
                 LINK_REQUESTS_MAX);
        return refuse(link, refusal, EVENT_UNANSWERED);
    }
    nng_msg *message = request_prepare(request) ? message_new(frame) : NULL;
    if (!message) return refuse(link, refusal, EVENT_UNANSWERED);

    lock(link);
    request->is_under_way = true;
    request->tag = tag;
    request->deadline_ms = after_ms(clock_ms(), timeout_ms);
    unlock(link);
    link->counts.sent_messages++;
    link->counts.sent_bytes += frame.len;
    nng_aio_set_msg(request->send, message);
    nng_aio_set_timeout(request->send, left_ms(request->deadline_ms));
    nng_ctx_send(request->context, request->send);
}

/* ---- the dialling side: pipes ---- */

/*
 * nng calls this from several threads: REM_POST may overtake ADD_POST. A pipe that is gone before the node has heard of
 * it leaves no trace, so one post for each direction is enough.
 */
static void dial_changed(nng_pipe pipe, nng_pipe_ev change, void *self)
{
    struct dial *dial = self;
    struct link *link = dial->link;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);

    lock(link);
    bool is_closing = dial->is_closing;
    unlock(link);
    /* Here nng has not begun to dial again: what it is just connecting when its dialer closes, 1.5.2 never frees. */
    if (is_closing && change == NNG_PIPE_EV_REM_POST) nng_dialer_close(dial->dialer);

    lock(link);
    bool is_refused = dial->is_closing && change == NNG_PIPE_EV_ADD_PRE;
    if (dial->is_closing) {
        if (change == NNG_PIPE_EV_REM_POST && dial->coming == id) dial->coming = 0;
        if (change == NNG_PIPE_EV_REM_POST && dial->pipe == id) dial->pipe = 0;
        pthread_cond_broadcast(&link->changed);
    } else if (change == NNG_PIPE_EV_ADD_PRE) {
        dial->coming = id;
    } else if (change == NNG_PIPE_EV_ADD_POST && dial->coming == id) {
        dial->coming = 0;
        dial->was_up = true;
        dial->pipe = dial->up_pipe = id;
        put(link, &dial->up);
    } else if (change == NNG_PIPE_EV_REM_POST) {
        if (dial->coming == id) dial->coming = 0;
        if (dial->pipe == id) {
            dial->pipe = 0;
            dial->down_pipe = id;
            if (dial->up.is_waiting) take_back(link, &dial->up);
            else put(link, &dial->down);
        }
    }
    unlock(link);
    if (is_refused) nng_pipe_close(pipe);
}

static int notify(nng_socket socket, nng_pipe_cb callback, void *self)
{
    int failure = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, callback, self);
    if (!failure) failure = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, callback, self);
    if (!failure) failure = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, callback, self);
    return failure;
}

/* What both kinds of socket need before they listen or dial. */
static int prepare_socket(nng_socket socket)
{
    return nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, FRAME_BYTES_MAX + REQUEST_ID_BYTES);
}

static void stop_watching(struct dial *dial)
{
    if (!dial->is_watched) return;
    dial->is_watched = false;
    dial->link->watched_count--;
}

/* Lets no new pipe come up and waits, not for long, until the one that is has ended. */
static void dial_cut(struct dial *dial)
{
    struct link *link = dial->link;
    uint64_t deadline_ms = after_ms(clock_ms(), CLOSE_WAIT_MS);

    lock(link);
    dial->is_closing = true;
    uint32_t pipes[] = {dial->pipe, dial->coming};
    unlock(link);
    for (size_t i = 0; i < sizeof pipes / sizeof pipes[0]; i++)
        if (pipes[i] != 0) cut((nng_pipe){.id = pipes[i]});
    lock(link);
    while ((dial->pipe != 0 || dial->coming != 0) && wait_until(link, deadline_ms)) {
    }
    unlock(link);
}

static void dial_close(struct dial *dial)
{
    if (!dial) return;
    struct link *link = dial->link;
    bool is_closed = true;

    stop_watching(dial);
    dial_cut(dial);
    if (dial->has_dialer) nng_dialer_close(dial->dialer);
    for (size_t i = 0; i < LINK_REQUESTS_MAX; i++) request_wipe(&dial->requests[i]);
    if (nng_socket_id(dial->socket) > 0) is_closed = close_socket(dial->socket);

    lock(link);
    take_back(link, &dial->up);
    take_back(link, &dial->down);
    for (size_t i = 0; i < LINK_REQUESTS_MAX; i++) take_back(link, &dial->requests[i].done);
    link->is_left_to_nng |= !is_closed;
    unlock(link);
    if (is_closed) free(dial);
}
OWNABLE(struct dial *, dial_close)

static int dial_new(struct dial **out, struct link *link, uint32_t id)
{
    OWNED(dial_close) struct dial *dial = calloc(1, sizeof *dial);
    if (!dial) return NNG_ENOMEM;
    dial->link = link;
    dial->id = id;
    dial->up = post_of(EVENT_LINK_UP, dial);
    dial->down = post_of(EVENT_LINK_DOWN, dial);
    for (size_t i = 0; i < LINK_REQUESTS_MAX; i++) {
        dial->requests[i].dial = dial;
        dial->requests[i].done = post_of(EVENT_UNANSWERED, &dial->requests[i]);
    }
    int failure = nng_req0_open(&dial->socket);
    if (!failure) failure = prepare_socket(dial->socket);
    if (!failure)
        failure = nng_socket_set_ms(dial->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    if (!failure) failure = notify(dial->socket, dial_changed, dial);
    if (!failure) *out = GIVE(dial);
    return failure;
}

/*
 * A dialer that blocks until it is connected would say why it cannot, but hangs for ever when it is closed just
 * before it begins. So it starts in the background, and its counters tell of a first failure (watch_dials).
 */
static int dial_start(struct dial *dial)
{
    int failure = nng_dialer_create(&dial->dialer, dial->socket, dial->address);
    if (failure) return failure;
    dial->has_dialer = true;
    /* Not every transport knows the first two. */
    (void)nng_dialer_set_bool(dial->dialer, NNG_OPT_TCP_NODELAY, true);
    (void)nng_dialer_set_bool(dial->dialer, NNG_OPT_TCP_KEEPALIVE, true);
    failure = nng_dialer_set_ms(dial->dialer, NNG_OPT_RECONNMINT, RECONNECT_LEAST_MS);
    if (!failure) failure = nng_dialer_set_ms(dial->dialer, NNG_OPT_RECONNMAXT, RECONNECT_MOST_MS);
    if (!failure) failure = nng_dialer_start(dial->dialer, NNG_FLAG_NONBLOCK);
    return failure;
}

/* Requests that wait for a pipe go on waiting. */
static void dial_failed(struct dial *dial, const char *reason, int failure)
{
    struct refusal refusal = {.dial = dial->id, .why = code_of(failure)};
    stop_watching(dial);
    if (dial->has_dialer) nng_dialer_close(dial->dialer);
    dial->has_dialer = false;
    snprintf(refusal.said, sizeof refusal.said, "%s: %s (%d)", dial->address, reason, failure);
    refuse(dial->link, refusal, EVENT_DIAL_FAILED);
}

/*
 * The transports that are safe to use with partners. Addresses come out of invitations: one must not lead us to a local
 * socket; and an ipc listener of nng 1.5.2 dies on a rude client.
 */
static bool address_is_usable(const char *address)
{
    static const char *const schemes[] = {"tcp://", "tcp4://", "tcp6://", "inproc://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strncmp(address, schemes[i], strlen(schemes[i])) == 0)
            return strlen(address) <= ADDRESS_BYTES_MAX;
    return false;
}

static void network_hang_up(void *self, uint32_t id)
{
    struct link *link = self;
    for (size_t i = 0; i < LINK_DIALS_MAX; i++) {
        if (!link->dials[i] || link->dials[i]->id != id) continue;
        dial_close(link->dials[i]);
        link->dials[i] = NULL;
    }
    lock(link);
    for (size_t i = 0; i < REFUSALS_MAX; i++) {
        if (!link->refusals[i].is_used || link->refusals[i].dial != id) continue;
        take_back(link, &link->refusals[i].post);
        link->refusals[i].is_used = false;
    }
    unlock(link);
}

static void network_dial(void *self, uint32_t id, const char *address)
{
    struct link *link = self;
    struct refusal refusal = {.dial = id, .why = ERR_LIMIT};

    if (!address_is_usable(address)) {
        refusal.why = ERR_USAGE;
        snprintf(refusal.said, sizeof refusal.said, "%.100s is not an address like tcp://host:port",
                 address);
        return refuse(link, refusal, EVENT_DIAL_FAILED);
    }
    struct dial *dial = dial_find(link, id);
    if (dial && dial->has_dialer) {
        network_hang_up(link, id);
        dial = NULL;
    }
    for (size_t i = 0; i < LINK_DIALS_MAX && !dial; i++) {
        if (link->dials[i]) continue;
        int failure = dial_new(&link->dials[i], link, id);
        dial = link->dials[i];
        if (failure) {
            refusal.why = code_of(failure);
            snprintf(refusal.said, sizeof refusal.said, "%s: %s (%d)", address,
                     nng_strerror(failure), failure);
            return refuse(link, refusal, EVENT_DIAL_FAILED);
        }
    }
    if (!dial) {
        snprintf(refusal.said, sizeof refusal.said, "%d partners are dialled already",
                 LINK_DIALS_MAX);
        return refuse(link, refusal, EVENT_DIAL_FAILED);
    }
    snprintf(dial->address, sizeof dial->address, "%s", address);
    int failure = dial_start(dial);
    if (failure) return dial_failed(dial, nng_strerror(failure), failure);

    dial->is_watched = true;
    dial->watched_until_ms = after_ms(clock_ms(), CONNECT_WAIT_MS);
    link->watch_at_ms = 0;
    link->watched_count++;
}

/* ---- first attempts ---- */

/* nng's counters of a dialer, and what each means. */
static const struct counter {
    const char *name;
    int failure;
    const char *reason;
} counters[] = {
    {"refused", NNG_ECONNREFUSED, "connection refused"},
    {"timeout", NNG_ETIMEDOUT, "no answer"},
    {"disconnect", NNG_ECONNRESET, "the other side hung up at once"},
    {"proto", NNG_EPROTO, "something else listens there"},
    {"auth", NNG_EPEERAUTH, "the other side could not show who it is"},
    {"oom", NNG_ENOMEM, "out of memory"},
    {"other", NNG_EUNREACHABLE, "no such host, or no way to it"},
};

/* nng_stat_find_dialer of 1.5.2 finds the first dialer, whichever was asked for. */
static nng_stat *stats_of(nng_stat *all, nng_dialer dialer)
{
    for (nng_stat *group = nng_stat_child(all); group; group = nng_stat_next(group)) {
        if (strcmp(nng_stat_name(group), "dialer") != 0) continue;
        for (nng_stat *one = nng_stat_child(group); one; one = nng_stat_next(one))
            if (strcmp(nng_stat_name(one), "id") == 0 &&
                nng_stat_value(one) == (uint64_t)nng_dialer_id(dialer))
                return group;
    }
    return NULL;
}

static const struct counter *failed_counter(nng_stat *all, nng_dialer dialer)
{
    nng_stat *group = stats_of(all, dialer);
    if (!group) return NULL;
    for (nng_stat *one = nng_stat_child(group); one; one = nng_stat_next(one))
        for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
            if (strcmp(nng_stat_name(one), counters[i].name) == 0 && nng_stat_value(one) > 0)
                return &counters[i];
    return NULL;
}

static void watch_dials(struct link *link)
{
    nng_stat *all = NULL;
    uint64_t now = clock_ms();
    if (link->watched_count == 0 || now < link->watch_at_ms) return;
    link->watch_at_ms = now + WATCH_MS;
    bool is_told = nng_stats_get(&all) == 0;

    for (size_t i = 0; i < LINK_DIALS_MAX; i++) {
        struct dial *dial = link->dials[i];
        if (!dial || !dial->is_watched) continue;
        lock(link);
        bool is_connected = dial->was_up || dial->coming != 0;
        bool was_up = dial->was_up;
        unlock(link);
        const struct counter *counter = is_told ? failed_counter(all, dial->dialer) : NULL;
        if (was_up) stop_watching(dial);
        else if (!is_connected && counter) dial_failed(dial, counter->reason, counter->failure);
        else if (now >= dial->watched_until_ms) dial_failed(dial, "no answer", NNG_ETIMEDOUT);
    }
    if (is_told) nng_stats_free(all);
}

/* ---- events ---- */

static void take_request(struct link *link, struct slot *slot, struct event *out)
{
    lock(link);
    struct visitor *visitor = visitor_find(link, slot->pipe);
    must(visitor != NULL); /* EVENT_PIPE_GONE comes behind the pipe's last request */
    slot->state = SLOT_HELD;
    slot->generation++;
    link->receiver_count--;
    link->is_untidy = true;
    link->taken = slot->request;
    slot->request = NULL;
    visitor->held_count++;
    out->pipe = slot->pipe;
    out->slot = slot->generation << 16 | slot->number;
    out->bytes = message_span(link->taken);
    bool is_too_many = visitor->held_count > SLOTS_PER_PIPE;
    if (is_too_many)
        slot_release(slot); /* the event goes out all the same; its answer will be ignored */
    unlock(link);
    if (is_too_many) network_drop(link, out->pipe);
}

static void take_gone(struct link *link, struct visitor *visitor, struct event *out)
{
    size_t number = (size_t)(visitor - link->visitors);
    lock(link);
    out->pipe = link->pipes[number];
    for (size_t i = 0; i < link->slot_count; i++)
        if (link->slots[i]->state == SLOT_HELD && link->slots[i]->pipe == out->pipe)
            slot_release(link->slots[i]);
    link->pipes[number] = 0;
    unlock(link);
}

static void take_done(struct link *link, struct request *request, struct event *out)
{
    lock(link);
    out->dial = request->dial->id;
    out->tag = request->tag;
    int failure = request->failure;
    link->taken = request->answer;
    request->answer = NULL;
    request->is_under_way = false;
    unlock(link);
    if (link->taken) {
        out->bytes = message_span(link->taken);
    } else {
        out->why = code_of(failure);
        snprintf(out->said, sizeof out->said, "%s (%d)", nng_strerror(failure), failure);
    }
}

static void take_refusal(struct refusal *refusal, struct event *out)
{
    out->dial = refusal->dial;
    out->tag = refusal->tag;
    out->why = refusal->why;
    memcpy(out->said, refusal->said, sizeof out->said);
    refusal->is_used = false;
}

static bool is_refusal(const struct link *link, const void *about)
{
    const struct refusal *refusal = about;
    return refusal >= link->refusals && refusal < link->refusals + REFUSALS_MAX;
}

static void take_dial(struct link *link, const struct dial *dial, struct event *out)
{
    lock(link);
    out->dial = dial->id;
    out->pipe = out->kind == EVENT_LINK_UP ? dial->up_pipe : dial->down_pipe;
    unlock(link);
}

static void take_opened(struct link *link, const struct visitor *visitor, struct event *out)
{
    lock(link);
    out->pipe = link->pipes[visitor - link->visitors];
    unlock(link);
}

static void fill_event(struct link *link, struct post *post, struct event *out)
{
    out->kind = post->kind;
    switch (post->kind) {
    case EVENT_LINK_UP:
    case EVENT_LINK_DOWN: take_dial(link, post->about, out); break;
    case EVENT_DIAL_FAILED: take_refusal(post->about, out); break;
    case EVENT_UNANSWERED:
    case EVENT_ANSWER:
        if (is_refusal(link, post->about)) take_refusal(post->about, out);
        else take_done(link, post->about, out);
        break;
    case EVENT_REQUEST: take_request(link, post->about, out); break;
    case EVENT_PIPE_OPENED: take_opened(link, post->about, out); break;
    case EVENT_PIPE_GONE: take_gone(link, post->about, out); break;
    case EVENT_TIMER:
    case EVENT_WROTE:
    case EVENT_STOP: must(false && "an event that is posted");
    }
    if (link->taken) {
        link->counts.received_messages++;
        link->counts.received_bytes += nng_msg_len(link->taken);
    }
}

/* What the node thread does between events: posts receives, looks after first attempts. */
static void tidy(struct link *link)
{
    lock(link);
    bool is_untidy = link->is_untidy;
    link->is_untidy = false;
    unlock(link);
    if (is_untidy && link->has_reply) {
        drop_stuck(link);
        post_receives(link);
    }
    watch_dials(link);
}

enum woken { WOKEN_BY_POST, WOKEN_TO_TIDY, WOKEN_TO_WRITE, WOKEN_TO_STOP, WOKEN_BY_TIME };

static enum woken wait_for_post(struct link *link, uint64_t deadline_ms, struct post **post)
{
    enum woken woken = WOKEN_BY_TIME;
    uint64_t until_ms = deadline_ms;
    bool is_watching = link->watched_count > 0 && link->watch_at_ms < deadline_ms;
    if (is_watching) until_ms = link->watch_at_ms;

    lock(link);
    for (;;) {
        if (link->is_stopping) {
            link->is_stopping = false;
            woken = WOKEN_TO_STOP;
        } else if (link->is_woken) {
            link->is_woken = false;
            woken = WOKEN_TO_WRITE;
        } else if ((*post = take(link)) != NULL) {
            woken = WOKEN_BY_POST;
        } else if (link->is_untidy) {
            woken = WOKEN_TO_TIDY;
        } else if (clock_ms() >= until_ms) {
            woken = is_watching ? WOKEN_TO_TIDY : WOKEN_BY_TIME;
        } else {
            wait_until(link, until_ms);
            continue;
        }
        break;
    }
    unlock(link);
    return woken;
}

void link_next(struct link *link, uint64_t timeout_ms, struct event *out)
{
    static const enum event_kind kinds[] = {[WOKEN_TO_WRITE] = EVENT_WROTE,
                                            [WOKEN_TO_STOP] = EVENT_STOP,
                                            [WOKEN_BY_TIME] = EVENT_TIMER};
    uint64_t deadline_ms = after_ms(clock_ms(), timeout_ms);

    for (;;) {
        struct post *post = NULL;
        nng_msg_free(link->taken);
        link->taken = NULL;
        *out = (struct event){.kind = EVENT_TIMER};
        tidy(link);
        enum woken woken = wait_for_post(link, deadline_ms, &post);
        if (woken == WOKEN_TO_TIDY) continue;
        if (woken != WOKEN_BY_POST) {
            out->kind = kinds[woken];
            return;
        }
        fill_event(link, post, out);
        return;
    }
}

void link_stop(struct link *link)
{
    lock(link);
    link->is_stopping = true;
    pthread_cond_broadcast(&link->changed);
    unlock(link);
}

void link_wake(struct link *link)
{
    lock(link);
    link->is_woken = true;
    pthread_cond_broadcast(&link->changed);
    unlock(link);
}

/* ---- opening and closing ---- */

MUST_USE static bool start_lock(struct link *link)
{
    pthread_condattr_t how;
    if (pthread_condattr_init(&how) != 0) return false;
    bool is_started = pthread_condattr_setclock(&how, CLOCK_MONOTONIC) == 0 &&
                      pthread_cond_init(&link->changed, &how) == 0;
    pthread_condattr_destroy(&how);
    if (is_started && pthread_mutex_init(&link->lock, NULL) != 0) {
        pthread_cond_destroy(&link->changed);
        is_started = false;
    }
    return is_started;
}

bool link_open(struct link **out, struct err *e)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link) return err_memory(e);
    if (!start_lock(link)) {
        free(link);
        return err_memory(e);
    }
    link->network = (struct network){.self = link,
                                     .dial = network_dial,
                                     .hang_up = network_hang_up,
                                     .request = network_request,
                                     .answer = network_answer,
                                     .drop = network_drop};
    *out = link;
    return true;
}

static int open_reply(struct link *link)
{
    if (link->has_reply) return 0;
    int failure = nng_rep0_open(&link->reply);
    if (failure) return failure;
    failure = prepare_socket(link->reply);
    if (!failure) failure = notify(link->reply, visitor_changed, link);
    if (failure) {
        nng_close(link->reply);
        return failure;
    }
    link->has_reply = true;
    lock(link);
    link->is_untidy = true;
    unlock(link);
    return 0;
}

static int start_listener(struct link *link, const char *address, char *bound, size_t cap)
{
    nng_listener listener = {0};
    char *url = NULL;
    int failure = nng_listener_create(&listener, link->reply, address);
    if (failure) return failure;
    (void)nng_listener_set_bool(listener, NNG_OPT_TCP_NODELAY, true);
    (void)nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
    failure = nng_listener_start(listener, 0);
    if (!failure && bound) {
        failure = nng_listener_get_string(listener, NNG_OPT_URL, &url);
        if (!failure) snprintf(bound, cap, "%s", url);
        nng_strfree(url);
    }
    if (failure) nng_listener_close(listener);
    return failure;
}

bool link_listen(struct link *link, const char *address, char *bound, size_t cap, struct err *e)
{
    if (!address_is_usable(address))
        return err_set(e, ERR_USAGE, "%.100s is not an address like tcp://0.0.0.0:7700", address);
    int failure = open_reply(link);
    if (!failure) failure = start_listener(link, address, bound, cap);
    if (!failure) return true;

    enum err_code code = code_of(failure);
    return err_set(e, code == ERR_CLOSED ? ERR_USAGE : code, "listening at %s: %s (%d)", address,
                   nng_strerror(failure), failure);
}

const struct network *link_network(struct link *link) { return &link->network; }

void link_counts(const struct link *link, struct link_counts *out) { *out = link->counts; }

/* Answers handed in just now get their chance to go out. */
static void wait_for_answers(struct link *link)
{
    uint64_t deadline_ms = clock_ms() + CLOSE_WAIT_MS;
    lock(link);
    while (link->sending_count > 0 && wait_until(link, deadline_ms)) {
    }
    link->is_closing = true;
    unlock(link);
}

static size_t visitor_count(const struct link *link)
{
    size_t count = 0;
    for (size_t i = 0; i < LINK_PIPES_MAX; i++)
        if (link->pipes[i] != 0 && !link->visitors[i].is_gone) count++;
    return count;
}

static void cut_visitors(struct link *link)
{
    uint64_t deadline_ms = clock_ms() + CLOSE_WAIT_MS;
    for (size_t i = 0; i < LINK_PIPES_MAX; i++) {
        lock(link);
        uint32_t pipe = link->visitors[i].is_gone ? 0 : link->pipes[i];
        unlock(link);
        if (pipe != 0) network_drop(link, pipe);
    }
    lock(link);
    while (visitor_count(link) > 0 && wait_until(link, deadline_ms)) {
    }
    unlock(link);
}

void link_close(struct link *link)
{
    if (!link) return;
    wait_for_answers(link);
    for (size_t i = 0; i < LINK_DIALS_MAX; i++) dial_close(link->dials[i]);
    cut_visitors(link);
    for (size_t i = 0; i < link->slot_count; i++) nng_aio_stop(link->slots[i]->receive);
    for (size_t i = 0; i < link->slot_count; i++) slot_free(link->slots[i]);
    if (link->has_reply && !close_socket(link->reply)) link->is_left_to_nng = true;
    nng_msg_free(link->taken);
    if (link->is_left_to_nng) return;
    pthread_mutex_destroy(&link->lock);
    pthread_cond_destroy(&link->changed);
    free(link);
}

#include "node/link_rooms.h"

#include <stdio.h>
#include <stdlib.h>

#define RECONNECT_LEAST_MS 100
#define RECONNECT_MOST_MS 5000

struct dial *dial_find(const struct link *link, uint32_t id)
{
    for (size_t i = 0; i < LINK_DIALS_MAX; i++)
        if (link->dials[i] && link->dials[i]->id == id) return link->dials[i];
    return NULL;
}

/*
 * nng calls this from several threads: REM_POST may overtake ADD_POST. A pipe that is gone before the node has heard of
 * it leaves no trace, so one post for each direction is enough.
 */
static void dial_changed(nng_pipe pipe, nng_pipe_ev change, void *self)
{
    struct dial *dial = self;
    struct link *link = dial->link;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);

    mailbox_lock(link);
    bool is_closing = dial->is_closing;
    mailbox_unlock(link);
    /* Here nng has not begun to dial again: what it is just connecting when its dialer closes, 1.5.2 never frees. */
    if (is_closing && change == NNG_PIPE_EV_REM_POST) nng_dialer_close(dial->dialer);

    mailbox_lock(link);
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
        mailbox_put(link, &dial->up);
    } else if (change == NNG_PIPE_EV_REM_POST) {
        if (dial->coming == id) dial->coming = 0;
        if (dial->pipe == id) {
            dial->pipe = 0;
            dial->down_pipe = id;
            if (dial->up.is_waiting) mailbox_take_back(link, &dial->up);
            else mailbox_put(link, &dial->down);
        }
    }
    mailbox_unlock(link);
    if (is_refused) nng_pipe_close(pipe);
}

/* Lets no new pipe come up and waits, not for long, until the one that is has ended. */
static void dial_cut(struct dial *dial)
{
    struct link *link = dial->link;
    uint64_t deadline_ms = link_after_ms(link_now_ms(), CLOSE_WAIT_MS);

    mailbox_lock(link);
    dial->is_closing = true;
    uint32_t pipes[] = {dial->pipe, dial->coming};
    mailbox_unlock(link);
    for (size_t i = 0; i < sizeof pipes / sizeof pipes[0]; i++)
        if (pipes[i] != 0) pipe_cut(link, (nng_pipe){.id = pipes[i]});
    mailbox_lock(link);
    while ((dial->pipe != 0 || dial->coming != 0) && mailbox_wait(link, deadline_ms)) {
    }
    mailbox_unlock(link);
}

void dial_close(struct dial *dial)
{
    if (!dial) return;
    struct link *link = dial->link;
    bool is_closed = true;

    watch_stop(dial);
    dial_cut(dial);
    if (dial->has_dialer) nng_dialer_close(dial->dialer);
    for (size_t i = 0; i < LINK_REQUESTS_MAX; i++) request_wipe(&dial->requests[i]);
    if (nng_socket_id(dial->socket) > 0) is_closed = socket_close(dial->socket);

    mailbox_lock(link);
    mailbox_take_back(link, &dial->up);
    mailbox_take_back(link, &dial->down);
    for (size_t i = 0; i < LINK_REQUESTS_MAX; i++) mailbox_take_back(link, &dial->requests[i].done);
    link->is_left_to_nng |= !is_closed;
    mailbox_unlock(link);
    if (is_closed) free(dial);
}

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
    int failure = link->nng->req_open(&dial->socket);
    if (!failure) failure = socket_prepare(link, dial->socket);
    if (!failure)
        failure =
            link->nng->socket_set_ms(dial->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    if (!failure) failure = socket_notify(link, dial->socket, dial_changed, dial);
    if (!failure) *out = GIVE(dial);
    return failure;
}

/*
 * A dialer that blocks until it is connected would say why it cannot, but hangs for ever when it is closed just
 * before it begins. So it starts in the background, and its counters tell of a first failure (watch_dials).
 */
static int dial_start(struct dial *dial)
{
    const struct nng_calls *nng = dial->link->nng;
    int failure = nng->dialer_create(&dial->dialer, dial->socket, dial->address);
    if (failure) return failure;
    dial->has_dialer = true;
    /* Not every transport knows the first two. */
    (void)nng->dialer_set_bool(dial->dialer, NNG_OPT_TCP_NODELAY, true);
    (void)nng->dialer_set_bool(dial->dialer, NNG_OPT_TCP_KEEPALIVE, true);
    failure = nng->dialer_set_ms(dial->dialer, NNG_OPT_RECONNMINT, RECONNECT_LEAST_MS);
    if (!failure) failure = nng->dialer_set_ms(dial->dialer, NNG_OPT_RECONNMAXT, RECONNECT_MOST_MS);
    if (!failure) failure = nng->dialer_start(dial->dialer, NNG_FLAG_NONBLOCK);
    return failure;
}

/* Requests that wait for a pipe go on waiting. */
void dial_failed(struct dial *dial, const char *reason, int failure)
{
    struct refusal refusal = {.dial = dial->id, .why = link_code(failure)};
    watch_stop(dial);
    if (dial->has_dialer) nng_dialer_close(dial->dialer);
    dial->has_dialer = false;
    snprintf(refusal.said, sizeof refusal.said, "%s: %s (%d)", dial->address, reason, failure);
    mailbox_refuse(dial->link, refusal, EVENT_DIAL_FAILED);
}

void network_hang_up(void *self, uint32_t id)
{
    struct link *link = self;
    for (size_t i = 0; i < LINK_DIALS_MAX; i++) {
        if (!link->dials[i] || link->dials[i]->id != id) continue;
        dial_close(link->dials[i]);
        link->dials[i] = NULL;
    }
    mailbox_lock(link);
    for (size_t i = 0; i < REFUSALS_MAX; i++) {
        if (!link->refusals[i].is_used || link->refusals[i].dial != id) continue;
        mailbox_take_back(link, &link->refusals[i].post);
        link->refusals[i].is_used = false;
    }
    mailbox_unlock(link);
}

void network_dial(void *self, uint32_t id, const char *address)
{
    struct link *link = self;
    struct refusal refusal = {.dial = id, .why = ERR_LIMIT};

    if (!socket_address_is_usable(address)) {
        refusal.why = ERR_USAGE;
        snprintf(refusal.said, sizeof refusal.said, "%.100s is not an address like tcp://host:port",
                 address);
        return mailbox_refuse(link, refusal, EVENT_DIAL_FAILED);
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
            refusal.why = link_code(failure);
            snprintf(refusal.said, sizeof refusal.said, "%s: %s (%d)", address,
                     nng_strerror(failure), failure);
            return mailbox_refuse(link, refusal, EVENT_DIAL_FAILED);
        }
    }
    if (!dial) {
        snprintf(refusal.said, sizeof refusal.said, "%d partners are dialled already",
                 LINK_DIALS_MAX);
        return mailbox_refuse(link, refusal, EVENT_DIAL_FAILED);
    }
    snprintf(dial->address, sizeof dial->address, "%s", address);
    int failure = dial_start(dial);
    if (failure) return dial_failed(dial, nng_strerror(failure), failure);

    watch_start(dial);
}

#include "node/link_rooms.h"

#include <stdio.h>
#include <stdlib.h>

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

bool link_open_over(struct link **out, const struct nng_calls *calls, struct err *e)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link) return err_memory(e);
    if (!start_lock(link)) {
        free(link);
        return err_memory(e);
    }
    link->nng = calls;
    link->network = (struct network){.self = link,
                                     .dial = network_dial,
                                     .hang_up = network_hang_up,
                                     .request = network_request,
                                     .answer = network_answer,
                                     .drop = network_drop};
    *out = link;
    return true;
}

bool link_open(struct link **out, struct err *e) { return link_open_over(out, &nng_calls_real, e); }

static int open_reply(struct link *link)
{
    if (link->has_reply) return 0;
    int failure = link->nng->rep_open(&link->reply);
    if (failure) return failure;
    failure = socket_prepare(link, link->reply);
    if (!failure) failure = socket_notify(link, link->reply, visitor_changed, link);
    if (failure) {
        nng_close(link->reply);
        return failure;
    }
    link->has_reply = true;
    mailbox_lock(link);
    link->is_untidy = true;
    mailbox_unlock(link);
    return 0;
}

static int start_listener(struct link *link, const char *address, char *bound, size_t cap)
{
    nng_listener listener = {0};
    char *url = NULL;
    int failure = link->nng->listener_create(&listener, link->reply, address);
    if (failure) return failure;
    (void)link->nng->listener_set_bool(listener, NNG_OPT_TCP_NODELAY, true);
    (void)link->nng->listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
    failure = link->nng->listener_start(listener, 0);
    if (!failure && bound) {
        failure = link->nng->listener_get_string(listener, NNG_OPT_URL, &url);
        if (!failure) snprintf(bound, cap, "%s", url);
        nng_strfree(url);
    }
    if (failure) nng_listener_close(listener);
    return failure;
}

bool link_listen(struct link *link, const char *address, char *bound, size_t cap, struct err *e)
{
    if (!socket_address_is_usable(address))
        return err_set(e, ERR_USAGE, "%.100s is not an address like tcp://0.0.0.0:7700", address);
    int failure = open_reply(link);
    if (!failure) failure = start_listener(link, address, bound, cap);
    if (!failure) return true;

    enum err_code code = link_code(failure);
    return err_set(e, code == ERR_CLOSED ? ERR_USAGE : code, "listening at %s: %s (%d)", address,
                   nng_strerror(failure), failure);
}

const struct network *link_network(struct link *link) { return &link->network; }

void link_counts(const struct link *link, struct link_counts *out) { *out = link->counts; }

/* Answers handed in just now get their chance to go out. */
static void wait_for_answers(struct link *link)
{
    uint64_t deadline_ms = link_now_ms() + CLOSE_WAIT_MS;
    mailbox_lock(link);
    while (link->sending_count > 0 && mailbox_wait(link, deadline_ms)) {
    }
    link->is_closing = true;
    mailbox_unlock(link);
}

void link_close(struct link *link)
{
    if (!link) return;
    wait_for_answers(link);
    for (size_t i = 0; i < LINK_DIALS_MAX; i++) dial_close(link->dials[i]);
    visitors_cut(link);
    for (size_t i = 0; i < link->slot_count; i++) nng_aio_stop(link->slots[i]->receive);
    for (size_t i = 0; i < link->slot_count; i++) slot_free(link->slots[i]);
    if (link->has_reply && !socket_close(link->reply)) link->is_left_to_nng = true;
    nng_msg_free(link->taken);
    if (link->is_left_to_nng) return;
    pthread_mutex_destroy(&link->lock);
    pthread_cond_destroy(&link->changed);
    free(link);
}

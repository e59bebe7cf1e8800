#include "node/link_rooms.h"

#include <stdio.h>

/* For nng, where 0 and less have meanings of their own. */
static nng_duration left_ms(uint64_t deadline_ms)
{
    uint64_t now = link_now_ms();
    if (deadline_ms <= now) return 1;
    return deadline_ms - now > INT32_MAX ? INT32_MAX : (nng_duration)(deadline_ms - now);
}

static void request_done(struct request *request, int failure, nng_msg *answer)
{
    struct link *link = request->dial->link;
    mailbox_lock(link);
    bool is_wanted = !request->dial->is_closing;
    if (is_wanted) {
        request->failure = failure;
        request->answer = answer;
        request->done.kind = answer ? EVENT_ANSWER : EVENT_UNANSWERED;
        mailbox_put(link, &request->done);
    }
    mailbox_unlock(link);
    if (!is_wanted) nng_msg_free(answer);
}

static void request_received(void *self)
{
    struct request *request = self;
    int failure = request->dial->link->nng->aio_result(request->receive);
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
    int failure = link->nng->aio_result(request->send);

    if (failure != 0) {
        link_message_drop(request->send);
        request_done(request, failure, NULL);
        return;
    }
    mailbox_lock(link);
    nng_duration left = left_ms(request->deadline_ms);
    mailbox_unlock(link);
    nng_aio_set_timeout(request->receive, left);
    nng_ctx_recv(request->context, request->receive);
}

void request_wipe(struct request *request)
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
    const struct nng_calls *nng = request->dial->link->nng;
    if (!request->send && nng->aio_alloc(&request->send, request_sent, request) != 0) return false;
    if (!request->receive && nng->aio_alloc(&request->receive, request_received, request) != 0)
        return false;
    return nng_ctx_id(request->context) > 0 ||
           nng->ctx_open(&request->context, request->dial->socket) == 0;
}

static struct request *request_idle(struct dial *dial)
{
    for (size_t i = 0; i < LINK_REQUESTS_MAX; i++)
        if (!dial->requests[i].is_under_way) return &dial->requests[i];
    return NULL;
}

void network_request(void *self, uint32_t id, uint64_t tag, span frame, uint64_t timeout_ms)
{
    struct link *link = self;
    struct dial *dial = dial_find(link, id);
    struct request *request = dial ? request_idle(dial) : NULL;
    struct refusal refusal = {.dial = id, .tag = tag, .why = ERR_MEMORY, .said = "out of memory"};

    if (!dial) {
        refusal.why = ERR_CLOSED;
        snprintf(refusal.said, sizeof refusal.said, "nobody has been dialled");
        return mailbox_refuse(link, refusal, EVENT_UNANSWERED);
    }
    if (!request) {
        refusal.why = ERR_LIMIT;
        snprintf(refusal.said, sizeof refusal.said, "%d requests are under way already",
                 LINK_REQUESTS_MAX);
        return mailbox_refuse(link, refusal, EVENT_UNANSWERED);
    }
    nng_msg *message = request_prepare(request) ? link_message_new(link, frame) : NULL;
    if (!message) return mailbox_refuse(link, refusal, EVENT_UNANSWERED);

    mailbox_lock(link);
    request->is_under_way = true;
    request->tag = tag;
    request->deadline_ms = link_after_ms(link_now_ms(), timeout_ms);
    mailbox_unlock(link);
    link->counts.sent_messages++;
    link->counts.sent_bytes += frame.len;
    nng_aio_set_msg(request->send, message);
    nng_aio_set_timeout(request->send, left_ms(request->deadline_ms));
    nng_ctx_send(request->context, request->send);
}

#include "node/link_rooms.h"

#include <stdlib.h>

#define RECEIVERS 16 /* receives posted and requests in the mailbox, together: 16 MiB at most */
#define ANSWER_WAIT_MS 30000 /* a partner that does not read its answer for this long is dropped */

void slot_release(struct slot *slot)
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
    bool is_received = link->nng->aio_result(slot->receive) == 0;
    nng_msg *message = is_received ? nng_aio_get_msg(slot->receive) : NULL;
    nng_pipe pipe = {0};
    bool is_too_long = false;

    if (message) {
        nng_aio_set_msg(slot->receive, NULL);
        pipe = nng_msg_get_pipe(message);
        is_too_long =
            nng_msg_len(message) > FRAME_BYTES_MAX; /* inproc does not heed NNG_OPT_RECVMAXSZ */
    }
    mailbox_lock(link);
    struct visitor *visitor = message ? visitor_find(link, (uint32_t)nng_pipe_id(pipe)) : NULL;
    bool is_wanted = visitor && !visitor->is_gone && !is_too_long && !link->is_closing;
    if (is_wanted) {
        slot->state = SLOT_WAITING;
        slot->pipe = (uint32_t)nng_pipe_id(pipe);
        slot->request = message;
        mailbox_put(link, &slot->arrived);
    } else {
        slot_release(slot);
    }
    mailbox_unlock(link);
    if (is_wanted) return;
    nng_msg_free(message);
    if (is_too_long) pipe_cut(link, pipe);
}

static void slot_sent(void *self)
{
    struct slot *slot = self;
    struct link *link = slot->link;
    int failure = link->nng->aio_result(slot->send);

    if (failure != 0) link_message_drop(slot->send);
    mailbox_lock(link);
    struct visitor *visitor = visitor_find(link, slot->pipe);
    if (visitor && failure == NNG_ETIMEDOUT) visitor->is_stuck = true;
    slot_release(slot);
    mailbox_unlock(link);
}

void slot_free(struct slot *slot)
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

static bool slot_new(struct link *link)
{
    OWNED(slot_free) struct slot *slot = calloc(1, sizeof *slot);
    if (!slot) return false;
    slot->link = link;
    slot->number = (uint16_t)link->slot_count;
    slot->arrived = post_of(EVENT_REQUEST, slot);
    if (link->nng->aio_alloc(&slot->receive, slot_received, slot) != 0) return false;
    if (link->nng->aio_alloc(&slot->send, slot_sent, slot) != 0) return false;
    if (link->nng->ctx_open(&slot->context, link->reply) != 0) return false;
    nng_aio_set_timeout(slot->receive, NNG_DURATION_INFINITE);
    nng_aio_set_timeout(slot->send, ANSWER_WAIT_MS);

    mailbox_lock(link);
    link->idle[link->idle_count++] = slot->number;
    link->slots[link->slot_count++] = GIVE(slot);
    mailbox_unlock(link);
    return true;
}

/* Has RECEIVERS receives posted, as far as there are slots. */
void slots_post_receives(struct link *link)
{
    for (;;) {
        struct slot *slot = NULL;
        mailbox_lock(link);
        bool is_enough = link->receiver_count >= RECEIVERS;
        if (!is_enough && link->idle_count > 0) {
            slot = link->slots[link->idle[--link->idle_count]];
            slot->state = SLOT_RECEIVING;
            link->receiver_count++;
        }
        mailbox_unlock(link);
        if (slot) {
            nng_ctx_recv(slot->context, slot->receive);
            continue;
        }
        if (is_enough || link->slot_count == LINK_SLOTS_MAX) break;
        if (!slot_new(link)) {
            link->is_short = true;
            return;
        }
    }
    link->is_short = false;
}

void network_answer(void *self, uint64_t number, span frame)
{
    struct link *link = self;
    size_t index = number & 0xffff;
    nng_msg *message = link_message_new(link, frame);

    mailbox_lock(link);
    struct slot *slot = index < link->slot_count ? link->slots[index] : NULL;
    bool is_held = slot && slot->state == SLOT_HELD && slot->generation == number >> 16;
    nng_pipe pipe = {.id = is_held ? slot->pipe : 0};
    if (is_held && message) {
        slot->state = SLOT_SENDING;
        link->sending_count++;
    } else if (is_held) {
        slot_release(slot);
    }
    mailbox_unlock(link);

    if (is_held && message) {
        link->counts.sent_messages++;
        link->counts.sent_bytes += frame.len;
        nng_aio_set_msg(slot->send, message);
        nng_ctx_send(slot->context, slot->send);
        return;
    }
    nng_msg_free(message);
    if (is_held) pipe_cut(link, pipe); /* no memory for the answer: the partner may ask again */
}

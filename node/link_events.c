#include "node/link_rooms.h"

#include <stdio.h>
#include <string.h>

/* Requests of one pipe not answered; an honest partner has LINK_REQUESTS_MAX under way. */
#define SLOTS_PER_PIPE 64

static void take_request(struct link *link, struct slot *slot, struct event *out)
{
    mailbox_lock(link);
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
    out->bytes = link_message_span(link->taken);
    bool is_too_many = visitor->held_count > SLOTS_PER_PIPE;
    if (is_too_many)
        slot_release(slot); /* the event goes out all the same; its answer will be ignored */
    mailbox_unlock(link);
    if (is_too_many) network_drop(link, out->pipe);
}

static void take_gone(struct link *link, struct visitor *visitor, struct event *out)
{
    size_t number = (size_t)(visitor - link->visitors);
    mailbox_lock(link);
    out->pipe = link->pipes[number];
    for (size_t i = 0; i < link->slot_count; i++)
        if (link->slots[i]->state == SLOT_HELD && link->slots[i]->pipe == out->pipe)
            slot_release(link->slots[i]);
    link->pipes[number] = 0;
    mailbox_unlock(link);
}

static void take_done(struct link *link, struct request *request, struct event *out)
{
    mailbox_lock(link);
    out->dial = request->dial->id;
    out->tag = request->tag;
    int failure = request->failure;
    link->taken = request->answer;
    request->answer = NULL;
    request->is_under_way = false;
    mailbox_unlock(link);
    if (link->taken) {
        out->bytes = link_message_span(link->taken);
    } else {
        out->why = link_code(failure);
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
    mailbox_lock(link);
    out->dial = dial->id;
    out->pipe = out->kind == EVENT_LINK_UP ? dial->up_pipe : dial->down_pipe;
    mailbox_unlock(link);
}

static void take_opened(struct link *link, const struct visitor *visitor, struct event *out)
{
    mailbox_lock(link);
    out->pipe = link->pipes[visitor - link->visitors];
    mailbox_unlock(link);
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
    mailbox_lock(link);
    bool is_untidy = link->is_untidy;
    link->is_untidy = false;
    mailbox_unlock(link);
    if ((is_untidy || link->is_short) && link->has_reply) {
        visitors_drop_stuck(link);
        slots_post_receives(link);
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

    mailbox_lock(link);
    for (;;) {
        if (link->is_stopping) {
            link->is_stopping = false;
            woken = WOKEN_TO_STOP;
        } else if (link->is_woken) {
            link->is_woken = false;
            woken = WOKEN_TO_WRITE;
        } else if ((*post = mailbox_take(link)) != NULL) {
            woken = WOKEN_BY_POST;
        } else if (link->is_untidy) {
            woken = WOKEN_TO_TIDY;
        } else if (link_now_ms() >= until_ms) {
            woken = is_watching ? WOKEN_TO_TIDY : WOKEN_BY_TIME;
        } else {
            mailbox_wait(link, until_ms);
            continue;
        }
        break;
    }
    mailbox_unlock(link);
    return woken;
}

void link_next(struct link *link, uint64_t timeout_ms, struct event *out)
{
    static const enum event_kind kinds[] = {[WOKEN_TO_WRITE] = EVENT_WROTE,
                                            [WOKEN_TO_STOP] = EVENT_STOP,
                                            [WOKEN_BY_TIME] = EVENT_TIMER};
    uint64_t deadline_ms = link_after_ms(link_now_ms(), timeout_ms);

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
    mailbox_lock(link);
    link->is_stopping = true;
    pthread_cond_broadcast(&link->changed);
    mailbox_unlock(link);
}

void link_wake(struct link *link)
{
    mailbox_lock(link);
    link->is_woken = true;
    pthread_cond_broadcast(&link->changed);
    mailbox_unlock(link);
}

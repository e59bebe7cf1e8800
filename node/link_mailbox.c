#include "node/link_rooms.h"

#include <time.h>

uint64_t link_now_ms(void)
{
    struct timespec now = {0};
    must(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t link_after_ms(uint64_t from_ms, uint64_t wait_ms)
{
    return wait_ms > UINT64_MAX / 2 - from_ms ? UINT64_MAX / 2 : from_ms + wait_ms;
}

void mailbox_lock(struct link *link) { must(pthread_mutex_lock(&link->lock) == 0); }

void mailbox_unlock(struct link *link) { must(pthread_mutex_unlock(&link->lock) == 0); }

struct post post_of(enum event_kind kind, void *about)
{
    return (struct post){.kind = kind, .about = about};
}

void mailbox_put(struct link *link, struct post *post)
{
    must(!post->is_waiting);
    post->is_waiting = true;
    post->next = NULL;
    if (link->last) link->last->next = post;
    else link->first = post;
    link->last = post;
    pthread_cond_broadcast(&link->changed);
}

struct post *mailbox_take(struct link *link)
{
    struct post *post = link->first;
    if (!post) return NULL;
    link->first = post->next;
    if (!link->first) link->last = NULL;
    post->is_waiting = false;
    return post;
}

void mailbox_take_back(struct link *link, struct post *post)
{
    struct post *before = NULL;
    if (!post->is_waiting) return;
    for (struct post *at = link->first; at != post; at = at->next) before = at;
    if (before) before->next = post->next;
    else link->first = post->next;
    if (link->last == post) link->last = before;
    post->is_waiting = false;
}

bool mailbox_wait(struct link *link, uint64_t deadline_ms)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                             .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    return pthread_cond_timedwait(&link->changed, &link->lock, &until) == 0;
}

void mailbox_refuse(struct link *link, struct refusal what, enum event_kind kind)
{
    struct refusal *free_one = NULL;
    for (size_t i = 0; i < REFUSALS_MAX && !free_one; i++)
        if (!link->refusals[i].is_used) free_one = &link->refusals[i];
    must(free_one != NULL); /* somebody acts on and on without ever taking an event */
    *free_one = what;
    free_one->is_used = true;
    free_one->post = post_of(kind, free_one);
    mailbox_lock(link);
    mailbox_put(link, &free_one->post);
    mailbox_unlock(link);
}

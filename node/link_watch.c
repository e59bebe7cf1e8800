#include "node/link_rooms.h"

#include <string.h>

#define CONNECT_WAIT_MS 20000 /* of a first attempt */
#define WATCH_MS 20           /* how often a first attempt is looked at */

void watch_start(struct dial *dial)
{
    dial->is_watched = true;
    dial->watched_until_ms = link_after_ms(link_now_ms(), CONNECT_WAIT_MS);
    dial->link->watch_at_ms = 0;
    dial->link->watched_count++;
}

void watch_stop(struct dial *dial)
{
    if (!dial->is_watched) return;
    dial->is_watched = false;
    dial->link->watched_count--;
}

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

void watch_dials(struct link *link)
{
    nng_stat *all = NULL;
    uint64_t now = link_now_ms();
    if (link->watched_count == 0 || now < link->watch_at_ms) return;
    link->watch_at_ms = now + WATCH_MS;
    bool is_told = link->nng->stats_get(&all) == 0;

    for (size_t i = 0; i < LINK_DIALS_MAX; i++) {
        struct dial *dial = link->dials[i];
        if (!dial || !dial->is_watched) continue;
        mailbox_lock(link);
        bool is_connected = dial->was_up || dial->coming != 0;
        bool was_up = dial->was_up;
        mailbox_unlock(link);
        const struct counter *counter = is_told ? failed_counter(all, dial->dialer) : NULL;
        if (was_up) watch_stop(dial);
        else if (!is_connected && counter) dial_failed(dial, counter->reason, counter->failure);
        else if (now >= dial->watched_until_ms) dial_failed(dial, "no answer", NNG_ETIMEDOUT);
    }
    if (is_told) nng_stats_free(all);
}

#include "tests/simulation/truth.h"

#include "store/database.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEEDS_SEEN (2 * MACHINES_MAX * 16)
#define SHOWN_MAX 4096

/* One feed as a machine held it when it was looked at. */
struct seen_feed {
    unsigned party, branch;
    struct key_public log_key;
    uint64_t size, folded, broken_at, fork_at;
    struct hash root;
};

struct revision_shown {
    struct hash item, base, proposal;
};

struct seen {
    size_t feed_count;
    struct seen_feed feeds[FEEDS_SEEN];
    uint64_t frontier; /* over the feeds: equal frontiers hold the same */
    struct hash state;
    bool sees_fork;
    uint64_t acknowledged; /* of its own feed */
    size_t shown_count;
    struct revision_shown shown[SHOWN_MAX];
};

struct known_root {
    unsigned party;
    uint64_t size;
    struct hash root;
};
struct known_state {
    uint64_t frontier;
    struct hash state;
    unsigned machine;
};

struct list {
    size_t count, cap;
    void *at;
};

struct truth {
    size_t machine_count;
    struct relationship_id id;
    bool is_liar[MACHINES_MAX];
    struct seen seen[MACHINES_MAX];
    struct list roots, states, agreed; /* known_root, known_state, revision_shown */
    struct seen now;                   /* room for one look */
};

static bool wrong(char *why, size_t cap, const char *format, ...) PRINTF_LIKE(3, 4);
static bool wrong(char *why, size_t cap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, cap, format, args);
    va_end(args);
    return false;
}

static void *list_add(struct list *list, size_t one)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 64;
        list->at = realloc(list->at, list->cap * one);
        must(list->at);
    }
    return (uint8_t *)list->at + one * list->count++;
}

struct truth *truth_new(size_t machine_count, const struct relationship_id *id)
{
    struct truth *t = calloc(1, sizeof *t);
    must(t);
    t->machine_count = machine_count;
    t->id = *id;
    return t;
}

void truth_free(struct truth *t)
{
    if (!t) return;
    free(t->roots.at);
    free(t->states.at);
    free(t->agreed.at);
    free(t);
}

void truth_is_liar(struct truth *t, unsigned machine)
{
    t->is_liar[machine] = true;
}

uint64_t truth_frontier(const struct truth *t, unsigned machine)
{
    return t->seen[machine].frontier;
}

bool truth_sees_fork(const struct truth *t, unsigned machine)
{
    return t->seen[machine].sees_fork;
}

uint64_t truth_entries(const struct truth *t, unsigned machine)
{
    uint64_t entries = 0;
    for (size_t i = 0; i < t->seen[machine].feed_count; i++) entries += t->seen[machine].feeds[i].size;
    return entries;
}

uint64_t truth_agreed(const struct truth *t, unsigned machine)
{
    return t->seen[machine].shown_count;
}

/* ---- reading ---- */

static bool see_feed(void *self, const struct feed *feed)
{
    struct seen *now = self;
    if (now->feed_count == FEEDS_SEEN) return false;
    now->feeds[now->feed_count++] = (struct seen_feed){feed->party,  feed->branch,    feed->log_key, feed->edge.size,
                                                       feed->folded, feed->broken_at, feed->fork_at, feed->root};
    return true;
}

static int feed_order(const void *a, const void *b)
{
    const struct seen_feed *left = a, *right = b;
    int order = memcmp(left->log_key.bytes, right->log_key.bytes, sizeof left->log_key.bytes);
    if (order) return order;
    if (left->size != right->size) return left->size < right->size ? -1 : 1;
    return memcmp(left->root.bytes, right->root.bytes, sizeof left->root.bytes);
}

/* Over what is held, in an order that does not depend on which branch came first. */
static uint64_t frontier_of(const struct seen *now)
{
    struct seen_feed feeds[FEEDS_SEEN];
    struct hash chain = {0};
    uint64_t out = 0;
    memcpy(feeds, now->feeds, now->feed_count * sizeof feeds[0]);
    qsort(feeds, now->feed_count, sizeof feeds[0], feed_order);
    for (size_t i = 0; i < now->feed_count; i++) {
        uint8_t numbers[16];
        struct sink sink = sink_over(numbers, sizeof numbers);
        if (feeds[i].size == 0) continue;
        sink_u64_be(&sink, feeds[i].size);
        sink_u64_be(&sink, feeds[i].fork_at);
        chain = hash_labelled("frontier", (span[]){hash_span(&chain), key_public_span(&feeds[i].log_key),
                                                   hash_span(&feeds[i].root), sink_span(&sink)}, 4);
    }
    memcpy(&out, chain.bytes, sizeof out);
    return out;
}

static bool see_revision(void *self, span row)
{
    struct seen *now = self;
    span part = {0};
    struct revision_shown r;
    struct hash *fields[] = {&r.item, &r.base, &r.proposal};
    must(now->shown_count < SHOWN_MAX);
    for (size_t i = 0; i < 3; i++) { /* each value after its type and length */
        if (!span_take(&row, 9, &part) || !span_take(&row, 32, &part)) return false;
        memcpy(fields[i]->bytes, part.at, 32);
    }
    now->shown[now->shown_count++] = r;
    return true;
}

static bool see_agreed(struct truth *t, struct machine *m, struct err *e)
{
    t->now.shown_count = 0;
    return database_dump(home_store(m->home), "SELECT item, base, proposal FROM revision WHERE relationship = $1",
                         relationship_span(&t->id), see_revision, &t->now, e);
}

/* ---- what must hold ---- */

static bool roots_hold(struct truth *t, const struct machine *m, char *why, size_t cap)
{
    for (size_t i = 0; i < t->now.feed_count; i++) {
        const struct seen_feed *f = &t->now.feeds[i];
        const struct known_root *known = NULL;
        if (f->branch > 0 && f->fork_at == UINT64_MAX)
            return wrong(why, cap, "%s holds two branches of party %u's feed and no proof of the fork", m->code, f->party);
        if (f->party >= t->machine_count || t->is_liar[f->party]) continue;
        if (f->fork_at != UINT64_MAX || f->branch > 0)
            return wrong(why, cap, "%s sees a fork at %" PRIu64 " in the feed of party %u, which is honest", m->code,
                         f->fork_at, f->party);
        if (f->broken_at != UINT64_MAX)
            return wrong(why, cap, "%s has frozen the feed of party %u, which is honest, at %" PRIu64, m->code, f->party,
                         f->broken_at);
        if (f->party == m->number || f->size == 0) continue; /* what nobody else holds may still be lost with a disk */
        for (size_t k = 0; !known && k < t->roots.count; k++) {
            const struct known_root *r = (struct known_root *)t->roots.at + k;
            if (r->party == f->party && r->size == f->size) known = r;
        }
        if (known && !hash_equal(&known->root, &f->root))
            return wrong(why, cap, "%s holds another history of party %u at size %" PRIu64 " than was seen before", m->code,
                         f->party, f->size);
        if (!known) *(struct known_root *)list_add(&t->roots, sizeof *known) = (struct known_root){f->party, f->size, f->root};
    }
    return true;
}

static uint64_t size_of(const struct seen *seen, unsigned party, const struct hash **root)
{
    for (size_t i = 0; i < seen->feed_count; i++)
        if (seen->feeds[i].party == party && seen->feeds[i].branch == 0) {
            if (root) *root = &seen->feeds[i].root;
            return seen->feeds[i].size;
        }
    return 0;
}

static bool nothing_is_lost(const struct truth *t, const struct machine *m, char *why, size_t cap)
{
    const struct seen *before = &t->seen[m->number];
    uint64_t own = size_of(&t->now, m->number, NULL);
    if (own < before->acknowledged)
        return wrong(why, cap, "%s had acknowledged %" PRIu64 " entries of its own and holds %" PRIu64, m->code,
                     before->acknowledged, own);
    return true;
}

static bool states_hold(struct truth *t, const struct machine *m, char *why, size_t cap)
{
    for (size_t i = 0; i < t->states.count; i++) {
        const struct known_state *s = (struct known_state *)t->states.at + i;
        if (s->frontier != t->now.frontier) continue;
        if (hash_equal(&s->state, &t->now.state)) return true;
        return wrong(why, cap, "%s holds what machine %u held and computes another state", m->code, s->machine);
    }
    *(struct known_state *)list_add(&t->states, sizeof(struct known_state)) =
        (struct known_state){t->now.frontier, t->now.state, m->number};
    return true;
}

static const struct revision_shown *shown_as(const struct revision_shown *list, size_t count, const struct hash *item,
                                             const struct hash *base)
{
    for (size_t i = 0; i < count; i++)
        if (hash_equal(&list[i].item, item) && hash_equal(&list[i].base, base)) return &list[i];
    return NULL;
}

static bool agreed_holds(struct truth *t, const struct machine *m, char *why, size_t cap)
{
    char item[17];
    const struct seen *before = &t->seen[m->number];
    for (size_t i = 0; i < before->shown_count && !t->now.sees_fork; i++) {
        const struct revision_shown *was = &before->shown[i];
        const struct revision_shown *is = shown_as(t->now.shown, t->now.shown_count, &was->item, &was->base);
        if (!is || !hash_equal(&is->proposal, &was->proposal))
            return wrong(why, cap, "%s had shown a revision of item %s as agreed, and %s", m->code,
                         hex_write(span_of(was->item.bytes, 8), item, sizeof item), is ? "shows another" : "it is gone");
    }
    for (size_t i = 0; i < t->now.shown_count; i++) {
        const struct revision_shown *is = &t->now.shown[i];
        const struct revision_shown *known = shown_as(t->agreed.at, t->agreed.count, &is->item, &is->base);
        if (known && !hash_equal(&known->proposal, &is->proposal) && !t->now.sees_fork)
            return wrong(why, cap, "%s shows another revision of item %s as agreed than was agreed on that base", m->code,
                         hex_write(span_of(is->item.bytes, 8), item, sizeof item));
        if (!hash_is_zero(&is->base)) {
            bool has_base = false;
            for (size_t k = 0; k < t->now.shown_count; k++)
                has_base = has_base || (hash_equal(&t->now.shown[k].item, &is->item) &&
                                        hash_equal(&t->now.shown[k].proposal, &is->base));
            if (!has_base)
                return wrong(why, cap, "%s shows a revision of item %s as agreed whose base is not", m->code,
                             hex_write(span_of(is->item.bytes, 8), item, sizeof item));
        }
        if (!known) *(struct revision_shown *)list_add(&t->agreed, sizeof *is) = *is;
    }
    return true;
}

bool truth_look(struct truth *t, struct machine *m, char *why, size_t cap)
{
    struct err e = {0};
    struct seen *before = &t->seen[m->number];
    static struct relationship r; /* large */
    if (!m->home) return true;
    t->now.feed_count = 0;
    if (!feeds_each(home_store(m->home), &t->id, see_feed, &t->now, &e))
        return wrong(why, cap, "%s cannot read its feeds: %s", m->code, e.said);
    t->now.frontier = frontier_of(&t->now);
    t->now.sees_fork = false;
    for (size_t i = 0; i < t->now.feed_count; i++)
        if (t->now.feeds[i].fork_at != UINT64_MAX) t->now.sees_fork = true;
    if (t->now.frontier == before->frontier) return t->is_liar[m->number] || nothing_is_lost(t, m, why, cap);
    if (!relationship_load(home_store(m->home), &t->id, &r, &e) || !see_agreed(t, m, &e))
        return wrong(why, cap, "%s cannot read what is agreed: %s", m->code, e.said);
    t->now.state = r.state_digest;
    t->now.acknowledged = before->acknowledged;
    if (!t->is_liar[m->number] && !(roots_hold(t, m, why, cap) && nothing_is_lost(t, m, why, cap) &&
                                    states_hold(t, m, why, cap) && agreed_holds(t, m, why, cap)))
        return false;
    memcpy(before->feeds, t->now.feeds, t->now.feed_count * sizeof t->now.feeds[0]);
    before->feed_count = t->now.feed_count;
    before->frontier = t->now.frontier;
    before->state = t->now.state;
    before->sees_fork = t->now.sees_fork;
    memcpy(before->shown, t->now.shown, t->now.shown_count * sizeof t->now.shown[0]);
    before->shown_count = t->now.shown_count;
    return true;
}

void truth_acknowledged(struct truth *t, struct machine *m)
{
    struct err e = {0};
    t->now.feed_count = 0;
    must(feeds_each(home_store(m->home), &t->id, see_feed, &t->now, &e));
    t->seen[m->number].acknowledged = size_of(&t->now, m->number, NULL);
}

/* What only the replaced disk held, besides disks that are gone already, nobody can bring back: it is forgotten. */
static bool is_held(const struct truth *t, unsigned without, unsigned party, uint64_t size)
{
    for (unsigned m = 0; m < t->machine_count; m++)
        if (m != without && size_of(&t->seen[m], party, NULL) >= size) return true;
    return false;
}

static bool is_shown(const struct truth *t, unsigned without, const struct revision_shown *r)
{
    for (unsigned m = 0; m < t->machine_count; m++)
        if (m != without && shown_as(t->seen[m].shown, t->seen[m].shown_count, &r->item, &r->base)) return true;
    return false;
}

void truth_restored(struct truth *t, unsigned machine)
{
    struct seen *s = &t->seen[machine];
    struct known_root *roots = t->roots.at;
    struct revision_shown *agreed = t->agreed.at;
    size_t kept = 0;
    for (size_t i = 0; i < t->roots.count; i++)
        if (is_held(t, machine, roots[i].party, roots[i].size)) roots[kept++] = roots[i];
    t->roots.count = kept;
    kept = 0;
    for (size_t i = 0; i < t->agreed.count; i++)
        if (is_shown(t, machine, &agreed[i])) agreed[kept++] = agreed[i];
    t->agreed.count = kept;
    s->acknowledged = 0;
    s->shown_count = 0;
    s->feed_count = 0;
    s->frontier = 0;
}

/* ---- full checks ---- */

static void first_finding(void *self, const struct finding *finding)
{
    struct finding *first = self;
    if (!first->what[0]) *first = *finding;
}

bool truth_verify(struct truth *t, struct machine *m, char *why, size_t cap)
{
    struct finding first = {0};
    struct err e = {0};
    uint64_t entries = 0;
    if (!m->home) return true;
    if (!record_verify(home_store(m->home), &t->id, first_finding, &first, &entries, &e))
        return wrong(why, cap, "%s cannot verify: %s", m->code, e.said);
    if (first.what[0]) return wrong(why, cap, "%s verifies badly: %s: %s", m->code, first.where, first.what);
    return true;
}

/* " PARTY.BRANCH:SIZE(ROOT), f and how many are folded, ! and where it is frozen, / and where it forks ..." */
static const char *feeds_words(const struct seen *s, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < s->feed_count && len < cap; i++) {
        const struct seen_feed *f = &s->feeds[i];
        len += (size_t)snprintf(out + len, cap - len, " %u.%u:%" PRIu64 "(%02x)", f->party, f->branch, f->size, f->root.bytes[0]);
        if (f->folded != f->size && len < cap) len += (size_t)snprintf(out + len, cap - len, "f%" PRIu64, f->folded);
        if (f->broken_at != UINT64_MAX && len < cap) len += (size_t)snprintf(out + len, cap - len, "!%" PRIu64, f->broken_at);
        if (f->fork_at != UINT64_MAX && len < cap) len += (size_t)snprintf(out + len, cap - len, "/%" PRIu64, f->fork_at);
    }
    return out;
}

/*
 * Of a feed that has parted more often than branches are kept each machine holds those it met first, and one that only
 * listens may not hear of an earlier fork: then what is contested differs (seed 666). This is let pass here.
 */
static bool has_all_branches(const struct seen *s)
{
    for (size_t i = 0; i < s->feed_count; i++)
        if (s->feeds[i].branch == BRANCHES_MAX - 1) return true;
    return false;
}

bool truth_agree(struct truth *t, struct machine *machines, char *why, size_t cap)
{
    const struct seen *first = NULL;
    unsigned which = 0;
    for (unsigned m = 0; m < t->machine_count; m++) {
        const struct seen *s = &t->seen[m];
        if (t->is_liar[m]) continue;
        if (!first) {
            first = s;
            which = m;
            continue;
        }
        for (unsigned p = 0; p < t->machine_count; p++) {
            const struct hash *a = NULL, *b = NULL;
            uint64_t one = size_of(first, p, &a), other = size_of(s, p, &b);
            if (t->is_liar[p]) continue;
            if (one != other || !a || !b || !hash_equal(a, b))
                return wrong(why, cap, "%s holds %" PRIu64 " of party %u, %s holds %" PRIu64, machines[which].code, one, p,
                             machines[m].code, other);
        }
        if (first->frontier != s->frontier && !has_all_branches(first) && !has_all_branches(s)) {
            char one[200], other[200];
            return wrong(why, cap, "%s and %s do not hold the same:%s and%s", machines[which].code, machines[m].code,
                         feeds_words(first, one, sizeof one), feeds_words(s, other, sizeof other));
        }
        if (!hash_equal(&first->state, &s->state) && !has_all_branches(first) && !has_all_branches(s)) {
            char one[160], other[160];
            return wrong(why, cap, "%s and %s do not compute the same state:%s and%s", machines[which].code, machines[m].code,
                         feeds_words(first, one, sizeof one), feeds_words(s, other, sizeof other));
        }
    }
    return true;
}

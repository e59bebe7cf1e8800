#include "node/succession.h"

#include "crypto/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WHY_BYTES 160
#define PATH_ROOM 4096

void succession_words(const struct hash *begins, char *out, size_t cap)
{
    const span part = hash_span(begins);
    struct hash hash = hash_labelled("counterpart/v1/succeed-words", &part, 1);
    (void)words_write(&hash, 6, out, cap);
}

/* ---- going on in a new feed ---- */

struct awaiting {
    unsigned party;
    bool *is_found;
    struct successor *newest;
};

static bool find_awaited(void *self, const struct successor *successor)
{
    struct awaiting *a = self;
    if (successor->party != a->party || (*a->is_found && successor->ordinal < a->newest->ordinal)) return true;
    *a->is_found = true;
    *a->newest = *successor;
    return true;
}

bool succession_awaited(struct home *home, const struct relationship_id *id, unsigned party, bool *is_found,
                        struct successor *out, struct err *e)
{
    struct awaiting awaiting = {party, is_found, out};
    *is_found = false;
    return successors_each(home_store(home), id, find_awaited, &awaiting, e);
}

bool succession_is_needed(struct home *home, const struct relationship_id *id, bool *out, char *why, struct err *e)
{
    struct feed own;
    struct err lost = {0};
    const struct signing_key *key = NULL;
    *out = true;
    why[0] = '\0';
    if (!feed_own(home_store(home), id, &own, e)) return false;
    if (own.fork_at != UINT64_MAX)
        (void)snprintf(why, WHY_BYTES, "our feed has forked at entry %" PRIu64, own.fork_at);
    else if (own.contested_at != UINT64_MAX)
        (void)snprintf(why, WHY_BYTES, "our feed rests on a fork since entry %" PRIu64, own.contested_at);
    else if (!home_log_key(home, id, &key, &lost) && lost.code == ERR_MISSING)
        (void)snprintf(why, WHY_BYTES, "the key of our newest feed is not in this home");
    else if (home_health(home) == HEALTH_RECOVERING)
        (void)snprintf(why, WHY_BYTES, "not every counterpart has returned what this home had said");
    else *out = false;
    return true;
}

static bool may_begin(struct home *home, const struct relationship_id *id, unsigned *ordinal, struct err *e)
{
    char why[WHY_BYTES] = {0};
    bool is_needed = false;
    struct feed own;
    if (!feed_own(home_store(home), id, &own, e) || !succession_is_needed(home, id, &is_needed, why, e)) return false;
    *ordinal = own.ordinal + 1;
    if (is_needed) return true;
    struct successor awaited;
    bool is_awaited = false;
    if (!succession_awaited(home, id, own.party, &is_awaited, &awaited, e)) return false;
    if (!is_awaited) return err_set(e, ERR_REFUSED, "our feed can go on: there is no need of a new one");
    (void)err_set(e, ERR_REFUSED, "our new feed is begun already, and waits for countersignatures");
    return err_next(e, "`counterpart status` says who is awaited");
}

struct beginning {
    struct home *home;
    const struct asker *asker;
    const struct relationship_id *id;
    span note;
    unsigned ordinal;
};

static bool begin(void *self, struct err *e)
{
    const struct beginning *b = self;
    unsigned ordinal = 0;
    struct body_field fields[] = {
        {span_text("certificate"), {.is_text = true, .text = b->note}},
        {span_text("ordinal"), {.is_text = false, .number = b->ordinal}},
    };
    if (!successor_begin(home_store(b->home), b->id, b->note, &ordinal, e)) return false;
    if (ordinal != b->ordinal) return err_set(e, ERR_CONFLICT, "another process has just begun a new feed");
    return work_setup_inside(b->home, b->asker, b->id, VERB_SUCCEED, NULL, fields, sizeof fields / sizeof fields[0], e) &&
           home_log_key_kept(b->home, b->id, b->ordinal, e) && home_goes_on(b->home, b->id, e);
}

static bool begin_locked(struct home *home, const struct asker *asker, const struct relationship_id *id, struct err *e)
{
    uint8_t note[CERTIFICATE_BYTES_MAX];
    struct sink sink = sink_over(note, sizeof note);
    struct beginning b = {home, asker, id, .ordinal = 0};
    const struct signing_key *key = NULL;
    struct err why = {0};
    if (!may_begin(home, id, &b.ordinal, e)) return false;
    if (!home_log_key_make(home, id, b.ordinal, &key, &why)) {
        if (why.code != ERR_CONFLICT) return err_set(e, why.code, "%s", why.said);
        /* Of a feed that a database knew which is lost: never signed with again, for what it has signed is not known. */
        home_log_key_unmake(home, id, b.ordinal);
        if (!home_log_key_make(home, id, b.ordinal, &key, e)) return false;
    }
    if (!home_certify(home, id, b.ordinal, &sink, e)) return false;
    must(!sink.full);
    b.note = sink_span(&sink);
    return home_will_go_on(home, id, e) && store_transact(home_store(home), begin, &b, e);
}

bool succession_begin(struct home *home, const struct asker *asker, const struct relationship_id *id, struct err *e)
{
    char path[PATH_ROOM] = {0};
    const struct world *world = home_world(home);
    struct file_lock lock = {0};
    if (!home_may_work(home, true, e)) return false;
    /* One process at a time: the key that another has just made is not to be taken for a lost one's. */
    (void)snprintf(path, sizeof path, "%s/succession.lock", home_path(home));
    if (!world->files->lock(world->self, path, &lock, e)) return false;
    bool is_begun = begin_locked(home, asker, id, e);
    world->files->unlock(world->self, &lock);
    return is_begun && home_mark(home, e);
}

/* ---- countersigning ---- */

struct countersigning {
    struct home *home;
    const struct asker *asker;
    const struct relationship_id *id;
    const struct hash *begins;
    const char *how;
};

static bool countersign(void *self, struct err *e)
{
    const struct countersigning *c = self;
    struct body_field fields[] = {{span_text("how"), {.is_text = true, .text = span_text(c->how)}}};
    return work_setup_inside(c->home, c->asker, c->id, VERB_SUCCEED, c->begins, fields, 1, e);
}

bool succession_countersign(struct home *home, const struct asker *asker, const struct relationship_id *id,
                            const struct successor *successor, enum check how, struct err *e)
{
    static const char *const words[] = {
        [CHECK_NONE] = "", [CHECK_NOT_CHECKED] = "not_checked", [CHECK_VOICE] = "voice", [CHECK_IN_PERSON] = "in_person"};
    must(how != CHECK_NONE);
    if (!home_may_work(home, false, e)) return false;
    struct countersigning c = {home, asker, id, &successor->begins, words[how]};
    return store_transact(home_store(home), countersign, &c, e) && home_mark(home, e);
}

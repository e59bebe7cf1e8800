/*
 * The dialling side of the engine: it drives every conversation, for both. One dial for each partner with an address.
 *
 *     dial -> handshake -> (check words) -> round: frontier, then pulls, then pushes -> ... -> settled, a watch parked
 *
 * News of ours is pushed at once from what the partner was last known to hold, in one round trip; news of theirs comes in
 * the answer to the watch. A round that brings nothing new three times over ends in waiting: something is held back.
 */
#include "node/engine_rooms.h"
#include "node/pairing.h"
#include "protocol/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_FIRST_MS 500
#define RETRY_MOST_MS 30000
#define TRIES_MAX 64 /* requests for one job that did not fit, before it is left for another round */
#define JOININGS_MAX 64 /* invitations looked at in one handshake */

enum dial_state { DIAL_WAITING, DIAL_CONNECTING, DIAL_GREETING, DIAL_PAIRING, DIAL_WORKING, DIAL_SETTLED, DIAL_OVER };
enum pending_kind { PENDING_NONE, PENDING_MESSAGE_1, PENDING_MESSAGE_3, PENDING_COMMIT, PENDING_REVEAL, PENDING_FRONTIER,
                    PENDING_PULL, PENDING_PUSH, PENDING_WATCH };

struct pending {
    enum pending_kind kind;
    uint64_t tag;
};

struct dial {
    uint32_t id;
    char address[ADDRESS_BYTES_MAX + 1];
    char name[CODE_BYTES_MAX + 1];
    struct key_public remote;
    struct key_public identity;    /* of the inviter, while joining */
    bool is_joining;
    struct relationship_id joining; /* which it is that we join by this dial */
    uint8_t secret[32];            /* of the invitation, while joining */
    uint8_t nonce[32];
    enum dial_state state;
    uint64_t retry_ms, retry_after_ms; /* when to dial again; how long the next wait is */
    struct session *session;
    struct shared_list list;
    size_t talk_count;
    struct talk *talks;
    struct pending pending[PENDING_MAX];
    size_t job_count, job_next;
    struct job *jobs;
    size_t job_cap;
    uint64_t pull_next;            /* the next entry to ask for, while pulling */
    unsigned pulls, tries;
    unsigned fruitless;
    bool has_progress;             /* this round brought or took something */
    bool is_failed;
};

/* ---- talks ---- */

static void talks_wipe(struct dial *d)
{
    for (size_t i = 0; i < d->talk_count; i++) free(d->talks[i].rows);
    free(d->talks);
    d->talks = NULL;
    d->talk_count = 0;
}

static struct talk *talk_find(struct dial *d, const struct relationship_id *id)
{
    for (size_t i = 0; i < d->talk_count; i++)
        if (span_equal(relationship_span(&d->talks[i].shared.id), relationship_span(id))) return &d->talks[i];
    return NULL;
}

/* Renews who shares what with us, keeping what we know of each that is still shared. */
static bool talks_renew(struct engine *engine, struct dial *d, struct err *e)
{
    if (!exchange_shared(engine->home, &d->remote, &d->list, e)) return false;
    for (size_t i = d->talk_count; i > 0; i--) {
        if (shared_find(&d->list, &d->talks[i - 1].shared.id)) continue;
        free(d->talks[i - 1].rows);
        d->talks[i - 1] = d->talks[--d->talk_count];
    }
    if (d->list.count == 0) return err_set(e, ERR_REFUSED, "we no longer share a relationship with %s", d->name);
    for (size_t i = 0; i < d->list.count; i++) {
        struct talk *talk = talk_find(d, &d->list.shared[i].id);
        if (!talk) {
            struct talk *grown = realloc(d->talks, (d->talk_count + 1) * sizeof *grown);
            if (!grown) return err_memory(e);
            d->talks = grown;
            talk = &grown[d->talk_count++];
            *talk = (struct talk){0};
        }
        talk->shared = d->list.shared[i];
    }
    return true;
}

/* What they hold, as far as we know now. */
static bool talk_rows(struct talk *talk, const struct feed_row *rows, size_t count, struct err *e)
{
    struct feed_row *kept = calloc(count + 1, sizeof *kept);
    if (!kept) return err_memory(e);
    memcpy(kept, rows, count * sizeof *kept);
    free(talk->rows);
    talk->rows = kept;
    talk->row_count = count;
    return true;
}

/* Compares their summary with ours; when equal, what they hold is what we show. */
static bool talk_compare(struct engine *engine, struct talk *talk, struct err *e)
{
    if (!exchange_show(engine->home, &talk->shared, engine->showing, e)) return false;
    const struct summary *ours = &engine->showing->summary;
    bool is_same = talk->is_heard && hash_equal(&talk->heard.digest, &ours->digest);
    talk->is_agreed = is_same && hash_equal(&talk->heard.state, &ours->state);
    if (is_same) engine_compare_states(engine, &talk->shared, &ours->state, &talk->heard.state);
    if (!talk->is_agreed) return true;
    talk->agreed = ours->digest;
    engine_agreed(engine, &talk->shared);
    return talk_rows(talk, engine->showing->rows, engine->showing->row_count, e);
}

/* ---- sending ---- */

static struct pending *pending_add(struct engine *engine, struct dial *d, enum pending_kind kind)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        if (d->pending[i].kind != PENDING_NONE) continue;
        d->pending[i] = (struct pending){kind, ++engine->last_tag};
        return &d->pending[i];
    }
    return NULL;
}

static bool has_pending(const struct dial *d, enum pending_kind kind)
{
    for (size_t i = 0; i < PENDING_MAX; i++)
        if (d->pending[i].kind == kind) return true;
    return false;
}

static bool send_frame(struct engine *engine, struct dial *d, enum pending_kind kind, span frame, uint64_t timeout_ms,
                       struct err *e)
{
    struct pending *p = pending_add(engine, d, kind);
    if (!p) return err_set(e, ERR_LIMIT, "too many requests under way");
    engine->counts.bytes_sent += frame.len;
    if (kind == PENDING_MESSAGE_1 || kind == PENDING_MESSAGE_3) engine->counts.handshake_bytes += frame.len;
    engine->options.network->request(engine->options.network->self, d->id, p->tag, frame, timeout_ms);
    return true;
}

static bool send_sealed(struct engine *engine, struct dial *d, enum pending_kind kind, const struct sink *plain,
                        uint64_t timeout_ms, struct err *e)
{
    return engine_seal(engine, d->session, plain, e) &&
           send_frame(engine, d, kind, buffer_span(&engine->frame), timeout_ms, e);
}

/* Receipts they lack, of every relationship whose rows we know. */
static bool collect_receipts(struct engine *engine, struct dial *d, struct message_receipt **out, size_t *count,
                             struct err *e)
{
    *count = 0;
    *out = calloc(RECEIPTS_MAX, sizeof **out);
    if (!*out) return err_memory(e);
    for (size_t i = 0; i < d->talk_count; i++)
        if (d->talks[i].rows && !exchange_receipts(engine->home, &d->talks[i].shared, d->talks[i].rows,
                                                   d->talks[i].row_count, *out, RECEIPTS_MAX, count, e))
            return false;
    return true;
}

static void dial_down(struct engine *engine, struct dial *d, bool is_hung_up);

static bool send_round(struct engine *engine, struct dial *d, struct err *e)
{
    struct sink plain;
    struct message_receipt *receipts = NULL;
    size_t receipt_count = 0;
    if (!talks_renew(engine, d, e)) return false;
    d->state = DIAL_WORKING;
    for (size_t i = 0; i < d->talk_count; i++)
        if (!exchange_owed_receipts(engine->home, &d->talks[i].shared.id, NULL, e)) return false;
    bool is_fine = collect_receipts(engine, d, &receipts, &receipt_count, e) && engine_plain(engine, &plain, e);
    if (is_fine) {
        message_start(&plain, MESSAGE_FRONTIER, receipts, receipt_count, 3);
        write_u64(&plain, MESSAGE_VERSION);
        write_u64(&plain, (uint64_t)engine->world->date_ms(engine->world->self));
        write_array(&plain, d->talk_count);
    }
    free(receipts);
    for (size_t i = 0; i < d->talk_count && is_fine; i++) {
        is_fine = exchange_show(engine->home, &d->talks[i].shared, engine->showing, e);
        if (is_fine) summary_write(&plain, &engine->showing->summary);
    }
    return is_fine && send_sealed(engine, d, PENDING_FRONTIER, &plain, REQUEST_MS, e);
}

static bool send_watch(struct engine *engine, struct dial *d, struct err *e)
{
    struct sink plain;
    struct message_receipt *receipts = NULL;
    size_t receipt_count = 0, heard = 0;
    if (engine->options.is_once || has_pending(d, PENDING_WATCH)) return true;
    for (size_t i = 0; i < d->talk_count; i++) heard += d->talks[i].is_heard;
    bool is_fine = collect_receipts(engine, d, &receipts, &receipt_count, e) && engine_plain(engine, &plain, e);
    if (is_fine) {
        message_start(&plain, MESSAGE_WATCH, receipts, receipt_count, 1);
        write_array(&plain, heard);
        for (size_t i = 0; i < d->talk_count; i++)
            if (d->talks[i].is_heard) summary_write(&plain, &d->talks[i].heard);
    }
    free(receipts);
    return is_fine && send_sealed(engine, d, PENDING_WATCH, &plain, WATCH_MS + REQUEST_MS, e);
}

/* ---- jobs ---- */

static bool jobs_add(struct dial *d, const struct job *jobs, size_t count, struct err *e)
{
    if (count == 0) return true;
    if (d->job_count + count > d->job_cap) {
        size_t cap = 2 * (d->job_count + count);
        struct job *grown = realloc(d->jobs, cap * sizeof *grown);
        if (!grown) return err_memory(e);
        d->jobs = grown;
        d->job_cap = cap;
    }
    memcpy(&d->jobs[d->job_count], jobs, count * sizeof *jobs);
    d->job_count += count;
    return true;
}

/* Plans one relationship from what they hold. */
static bool plan_talk(struct engine *engine, struct dial *d, struct talk *talk, struct err *e)
{
    struct job jobs[JOBS_MAX];
    size_t count = 0;
    return exchange_show(engine->home, &talk->shared, engine->showing, e) &&
           exchange_plan(engine->home, &talk->shared, engine->showing, talk->rows, talk->row_count, jobs, &count, e) &&
           jobs_add(d, jobs, count, e);
}

static bool send_pull(struct engine *engine, struct dial *d, const struct job *job, struct err *e)
{
    struct sink plain;
    struct message_pull pull = {.relationship = job->id, .log_key = job->log_key, .from = d->pull_next,
                                .size = job->size, .root = job->root, .most = BATCH_ENTRIES};
    if (!engine_plain(engine, &plain, e)) return false;
    message_start(&plain, MESSAGE_PULL, NULL, 0, 1);
    pull_write(&plain, &pull);
    d->pulls++;
    d->pull_next += BATCH_ENTRIES;
    return send_sealed(engine, d, PENDING_PULL, &plain, REQUEST_MS, e);
}

/* Keeps several pulls in flight; the last may ask beyond what is there. */
static bool pull_more(struct engine *engine, struct dial *d, struct err *e)
{
    const struct job *job = &d->jobs[d->job_next];
    if (d->pulls == 0 && !send_pull(engine, d, job, e)) return false; /* also when only receipts are wanted */
    while (d->pulls < PULLS_MAX && d->pull_next < job->size)
        if (!send_pull(engine, d, job, e)) return false;
    return true;
}

static bool send_push(struct engine *engine, struct dial *d, struct job *job, struct err *e)
{
    struct sink plain;
    struct message_batch batch;
    size_t entries = 0, receipt_count = 0;
    struct talk *talk = talk_find(d, &job->id);
    struct message_receipt receipts[4 * PARTIES_MAX];
    if (!talk) return err_set(e, ERR_MISSING, "that relationship is no longer shared");
    struct batch_request request = {&talk->shared, &job->log_key, job->from, BATCH_ENTRIES, job->size, &job->root,
                                    EXCHANGE_BATCH_BYTES};
    if (!exchange_batch(engine->home, &request, &engine->scratch, &batch, &entries, e)) return false;
    struct feed_row row = {.log_key = job->log_key, .size = batch.head.size};
    if (!exchange_receipts(engine->home, &talk->shared, &row, 1, receipts, sizeof receipts / sizeof receipts[0],
                           &receipt_count, e) ||
        !engine_plain(engine, &plain, e))
        return false;
    message_start(&plain, MESSAGE_PUSH, receipts, receipt_count, 1);
    batch_write(&plain, &batch);
    engine->counts.entries_sent += entries;
    return send_sealed(engine, d, PENDING_PUSH, &plain, REQUEST_MS, e);
}

static bool settle(struct engine *engine, struct dial *d, struct err *e);

static bool is_all_agreed(const struct dial *d)
{
    for (size_t i = 0; i < d->talk_count; i++)
        if (!d->talks[i].is_agreed) return false;
    return true;
}

/* Joining ends when the opener's feed is here and our own first word is said. */
static void finish_joining(struct engine *engine, struct dial *d)
{
    struct err e = {0};
    struct relationship *r = calloc(1, sizeof *r);
    if (!d->is_joining || !r) {
        free(r);
        return;
    }
    if (relationship_load(home_store(engine->home), &d->joining, r, &e) && r->is_open_known &&
        pairing_joined(engine->home, &d->joining, &e) && joining_done(home_store(engine->home), &d->joining, &e)) {
        d->is_joining = false;
        secret_wipe(d->secret, sizeof d->secret);
        d->has_progress = true;
    } else if (e.code != ERR_NONE) engine_fail(engine, d->name, &e);
    free(r);
}

/* Every job is done: was it enough, or is another round due? */
static bool round_done(struct engine *engine, struct dial *d, struct err *e)
{
    d->job_count = d->job_next = 0;
    finish_joining(engine, d);
    if (engine_write_seals(engine)) d->has_progress = true;
    if (!talks_renew(engine, d, e)) return false;
    for (size_t i = 0; i < d->talk_count; i++)
        if (!talk_compare(engine, &d->talks[i], e)) return false;
    if (d->has_progress) engine_news(engine);
    if (is_all_agreed(d)) return settle(engine, d, e);
    d->fruitless = d->has_progress ? 0 : d->fruitless + 1;
    d->has_progress = false;
    if (d->fruitless >= FRUITLESS_MAX) return settle(engine, d, e);
    return send_round(engine, d, e);
}

static bool run_jobs(struct engine *engine, struct dial *d, struct err *e)
{
    while (d->job_next < d->job_count) {
        struct job *job = &d->jobs[d->job_next];
        struct err missing = {0};
        d->tries = 0;
        d->pull_next = job->from;
        if (job->kind == JOB_PULL) return pull_more(engine, d, e);
        if (send_push(engine, d, job, &missing)) return true;
        if (missing.code != ERR_MISSING) return err_set(e, missing.code, "%s", missing.said);
        d->job_next++;
    }
    return round_done(engine, d, e);
}

static bool settle(struct engine *engine, struct dial *d, struct err *e)
{
    d->state = DIAL_SETTLED;
    d->fruitless = 0;
    d->has_progress = false;
    if (!engine->options.is_once) return send_watch(engine, d, e);
    d->state = DIAL_OVER;
    engine->counts.partners_reached++;
    engine->options.network->hang_up(engine->options.network->self, d->id);
    return true;
}

/* ---- answers ---- */

static bool take_forks(struct engine *engine, struct dial *d, const struct detail *detail, const struct shared *shared,
                       struct err *e)
{
    for (size_t i = 0; i < detail->fork_count; i++) {
        bool is_new = false;
        struct err refused = {0};
        if (!exchange_take_fork(engine->home, shared, detail->forks[i], &is_new, &refused)) {
            if (refused.code == ERR_DISK || refused.code == ERR_MEMORY) return err_set(e, refused.code, "%s", refused.said);
            continue; /* it proves nothing here: perhaps of a party we do not know yet */
        }
        if (is_new) engine_say_fork(engine, shared, d->name);
        if (is_new) d->has_progress = true;
    }
    return true;
}

/* One relationship as they hold it. The rows stand in engine->rows. */
static bool on_detail(struct engine *engine, struct dial *d, const struct detail *detail, struct err *e)
{
    struct talk *talk = talk_find(d, &detail->relationship);
    if (!talk) return true;
    if (detail->is_same) {
        if (!exchange_show(engine->home, &talk->shared, engine->showing, e)) return false;
        talk->heard = engine->showing->summary;
        talk->is_heard = true;
        return talk_compare(engine, talk, e);
    }
    talk->heard.relationship = detail->relationship;
    talk->heard.digest = rows_digest(&detail->relationship, detail->rows, detail->row_count);
    talk->heard.state = detail->state;
    talk->is_heard = true;
    talk->is_agreed = false;
    return talk_rows(talk, detail->rows, detail->row_count, e) && take_forks(engine, d, detail, &talk->shared, e) &&
           plan_talk(engine, d, talk, e);
}

static bool on_frontier(struct engine *engine, struct dial *d, struct reader *r, struct err *e)
{
    uint64_t version = 0, clock_ms = 0;
    size_t count = 0;
    if (!read_u64(r, UINT64_MAX, &version, e) || !read_u64(r, UINT64_MAX, &clock_ms, e) ||
        !read_array_upto(r, RELATIONSHIPS_MAX, &count, e))
        return false;
    if (clock_ms > TIME_MS_MAX) clock_ms = TIME_MS_MAX;
    int64_t apart = (int64_t)clock_ms - engine->world->date_ms(engine->world->self);
    if (apart > CLOCK_WARNING_MS || apart < -CLOCK_WARNING_MS)
        engine_say(engine, NOTE, "clock partner=%s differs_by_s=%lld", d->name, (long long)(apart / 1000));
    d->job_count = d->job_next = 0;
    for (size_t i = 0; i < count; i++) {
        struct detail detail = {.rows = engine->rows};
        if (!detail_read(r, &detail, e) || !on_detail(engine, d, &detail, e)) return false;
    }
    return read_end(r, e) && run_jobs(engine, d, e);
}

static void count_taken(struct engine *engine, struct dial *d, const struct shared *shared, const struct taken *taken)
{
    engine->counts.entries_received += taken->entries;
    engine_say_no_receipt(engine, d->name, taken);
    if (taken->entries > 0) d->has_progress = true;
    if (taken->is_forked) engine_say_fork(engine, shared, d->name);
    if (taken->is_own && taken->entries > 0 && home_health(engine->home) == HEALTH_FINE)
        engine_say(engine, TROUBLE, "partner=%s returned %llu entries of ours that we did not have", d->name,
                   (unsigned long long)taken->entries);
}

static bool on_pull(struct engine *engine, struct dial *d, struct reader *r, struct err *e)
{
    uint64_t status = 0;
    struct message_batch batch;
    struct taken taken = {0};
    d->pulls--;
    if (d->job_next >= d->job_count) return true;
    struct job *job = &d->jobs[d->job_next];
    struct talk *talk = talk_find(d, &job->id);
    bool is_over = false;
    if (!read_u64(r, STATUS_UNKNOWN, &status, e)) return false;
    if (status == STATUS_DONE) {
        if (!batch_read(r, &batch, e) || !read_end(r, e)) return false;
        if (!talk || !key_public_equal(&batch.log_key, &job->log_key) ||
            !span_equal(relationship_span(&batch.relationship), relationship_span(&job->id)))
            return err_set(e, ERR_MALFORMED, "an answer to another pull");
        struct err missing = {0};
        bool is_taken = exchange_take(engine->home, &talk->shared, &batch, &engine->scratch, &taken, &missing);
        if (!is_taken && missing.code != ERR_MISSING) return err_set(e, missing.code, "%s", missing.said);
        count_taken(engine, d, &talk->shared, &taken);
        if (!is_taken) {
            is_over = d->pulls == 0; /* no place for it here: another job may have better luck */
        } else if (taken.is_wanted && d->pulls == 0) {
            d->pull_next = taken.want_from;
            is_over = ++d->tries > TRIES_MAX;
        } else if (!taken.is_wanted && d->pulls == 0) {
            d->pull_next = batch.from + BATCH_ENTRIES;
            is_over = taken.entries == 0 || taken.held >= job->size;
            if (taken.held < job->size) d->pull_next = taken.held;
        }
    } else is_over = d->pulls == 0;
    if (!is_over) return pull_more(engine, d, e);
    d->job_next++;
    return run_jobs(engine, d, e);
}

static bool on_push(struct engine *engine, struct dial *d, struct reader *r, struct err *e)
{
    uint64_t status = 0, held = 0;
    if (!read_u64(r, STATUS_UNKNOWN, &status, e) || !read_u64(r, INT64_MAX, &held, e)) return false;
    if (d->job_next >= d->job_count) return true;
    struct job *job = &d->jobs[d->job_next];
    struct talk *talk = talk_find(d, &job->id);
    if (reader_next_kind(r) == READER_NIL) {
        if (!read_nil(r, e)) return false;
    } else {
        struct summary heard;
        if (!summary_read(r, &heard, e)) return false;
        if (talk) talk->heard = heard;
        if (talk) talk->is_heard = true;
    }
    if (!read_end(r, e)) return false;
    bool is_more = status == STATUS_WANTED ? held < job->from || (held > job->from && held < job->size)
                                           : status == STATUS_DONE && held > job->from && held < job->size;
    if (status == STATUS_DONE && held > job->from) d->has_progress = true;
    if (is_more && ++d->tries <= TRIES_MAX + job->size / 64) {
        job->from = held;
        return send_push(engine, d, job, e);
    }
    d->job_next++;
    return run_jobs(engine, d, e);
}

static bool take_news(struct engine *engine, struct dial *d, struct reader *r, struct err *e)
{
    size_t count = 0;
    if (!read_array_upto(r, NEWS_MAX, &count, e)) return false;
    for (size_t i = 0; i < count; i++) {
        struct message_batch batch;
        struct taken taken = {0};
        if (!batch_read(r, &batch, e)) return false;
        struct talk *talk = talk_find(d, &batch.relationship);
        struct err missing = {0};
        if (!talk) continue;
        if (exchange_take(engine->home, &talk->shared, &batch, &engine->scratch, &taken, &missing))
            count_taken(engine, d, &talk->shared, &taken);
        else if (missing.code != ERR_MISSING) return err_set(e, missing.code, "%s", missing.said);
    }
    return read_end(r, e);
}

/* They showed us no state to compare with, though we show them ours: a restored home wants to compare in full. */
static bool is_asked_in_full(const struct dial *d)
{
    for (size_t i = 0; i < d->talk_count; i++)
        if (!d->talks[i].is_agreed && d->talks[i].is_heard && d->talks[i].shared.is_confirmed &&
            hash_is_zero(&d->talks[i].heard.state))
            return true;
    return false;
}

/* What a watch brought: summaries, what changed in full, and the news itself when it was small. */
static bool on_watch(struct engine *engine, struct dial *d, struct reader *r, struct err *e)
{
    size_t count = 0;
    struct reader details;
    bool is_idle = d->state == DIAL_SETTLED;
    if (!talks_renew(engine, d, e) || !read_array_upto(r, RELATIONSHIPS_MAX, &count, e)) return false;
    for (size_t i = 0; i < count; i++) {
        struct summary heard;
        if (!summary_read(r, &heard, e)) return false;
        struct talk *talk = talk_find(d, &heard.relationship);
        if (talk) talk->heard = heard;
    }
    if (!read_array_upto(r, RELATIONSHIPS_MAX, &count, e)) return false;
    details = *r;
    for (size_t i = 0; i < count; i++) { /* the news first: then less is left to plan */
        struct detail detail = {.rows = engine->rows};
        if (!detail_read(r, &detail, e)) return false;
    }
    if (!take_news(engine, d, r, e)) return false;
    if (!is_idle) return true; /* a round is under way and will see the rest */
    d->job_count = d->job_next = 0;
    for (size_t i = 0; i < count; i++) {
        struct detail detail = {.rows = engine->rows};
        if (!detail_read(&details, &detail, e) || !on_detail(engine, d, &detail, e)) return false;
    }
    if (d->job_count > 0) {
        d->state = DIAL_WORKING;
        return run_jobs(engine, d, e);
    }
    if (count > 0 && is_asked_in_full(d)) return send_round(engine, d, e);
    bool is_progress = d->has_progress;
    d->has_progress = false;
    if (!send_watch(engine, d, e)) return false; /* carries the receipts for what came */
    for (size_t i = 0; i < d->talk_count; i++) {
        struct talk *talk = &d->talks[i];
        if (talk->is_agreed || !talk->rows) continue;
        /* our receipts make us equal, once they are there: what they hold is what we show */
        if (!exchange_show(engine->home, &talk->shared, engine->showing, e) ||
            !talk_rows(talk, engine->showing->rows, engine->showing->row_count, e))
            return false;
        talk->agreed = engine->showing->summary.digest;
        talk->is_agreed = true;
    }
    if (is_progress) (void)engine_write_seals(engine);
    if (is_progress) engine_news(engine);
    return true;
}

/* ---- the handshake and check words ---- */

/* Is an invitation to this relationship under way, and by this partner? */
static bool load_secret_of(struct engine *engine, struct dial *d, const struct relationship_id *id)
{
    struct buffer text = {0};
    struct invitation *invitation = calloc(1, sizeof *invitation);
    struct err e = {0};
    d->is_joining = invitation && joining_get(home_store(engine->home), id, &text, &e) &&
                    invitation_read(buffer_span(&text), invitation, &e) &&
                    key_public_equal(&invitation->inviter.transport, &d->remote);
    if (d->is_joining) {
        d->joining = *id;
        d->identity = invitation->inviter.identity;
        memcpy(d->secret, invitation->secret, sizeof d->secret);
    }
    if (invitation) secret_wipe(invitation, sizeof *invitation);
    free(invitation);
    if (text.at) secret_wipe(text.at, text.len);
    buffer_wipe(&text);
    return d->is_joining;
}

/*
 * An invitation by this partner that is under way, to any relationship: another process may have taken one, or finished,
 * since we dialled last. Of several one is taken up by each session.
 */
static void load_secret(struct engine *engine, struct dial *d)
{
    struct relationship_id ids[JOININGS_MAX];
    const struct relationship_id *only = engine->options.only_relationship;
    size_t count = 0;
    struct err e = {0};
    secret_wipe(d->secret, sizeof d->secret);
    d->is_joining = false;
    if (!joinings(home_store(engine->home), ids, JOININGS_MAX, &count, &e)) {
        engine_say(engine, TROUBLE, "invitations trouble=\"%s\"", e.said);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (only && !span_equal(relationship_span(only), relationship_span(&ids[i]))) continue;
        if (load_secret_of(engine, d, &ids[i])) return;
    }
}

static bool greet(struct engine *engine, struct dial *d, struct err *e)
{
    uint8_t bytes[256];
    struct sink message1 = sink_over(bytes, sizeof bytes);
    struct session_secrets secrets = {home_transport_key(engine->home), engine->world};
    session_free(d->session);
    d->session = NULL;
    memset(d->pending, 0, sizeof d->pending);
    d->pulls = 0;
    d->job_count = d->job_next = 0;
    d->state = DIAL_GREETING;
    load_secret(engine, d);
    return session_dial(&d->session, &secrets, &d->remote, d->is_joining ? d->secret : NULL, &message1, e) &&
           send_frame(engine, d, PENDING_MESSAGE_1, sink_span(&message1), REQUEST_MS, e);
}

static bool on_message_2(struct engine *engine, struct dial *d, span frame, struct err *e)
{
    uint8_t bytes[CERTIFICATE_BYTES_MAX + 512];
    struct sink message3 = sink_over(bytes, sizeof bytes);
    OWNED_BUFFER note = {0};
    if (d->is_joining && !relationship_own_certificate(home_store(engine->home), &d->joining, &note, e)) return false;
    return session_dialed(d->session, frame, buffer_span(&note), &message3, e) &&
           send_frame(engine, d, PENDING_MESSAGE_3, sink_span(&message3), REQUEST_MS, e);
}

static bool send_commit(struct engine *engine, struct dial *d, struct err *e)
{
    struct sink plain;
    engine->world->random(engine->world->self, d->nonce, sizeof d->nonce);
    struct hash commitment = pairing_commitment(d->nonce, &d->joining);
    if (!engine_plain(engine, &plain, e)) return false;
    d->state = DIAL_PAIRING;
    message_start(&plain, MESSAGE_COMMIT, NULL, 0, 2);
    write_bytes(&plain, relationship_span(&d->joining));
    write_bytes(&plain, hash_span(&commitment));
    return send_sealed(engine, d, PENDING_COMMIT, &plain, REQUEST_MS, e);
}

/*
 * What their receipts say they lack goes first, before anything is asked: when it is all there is, their answer shows that
 * both hold the same, and one round trip was enough.
 */
static bool push_unreceipted(struct engine *engine, struct dial *d, struct err *e)
{
    if (!talks_renew(engine, d, e)) return false;
    for (size_t i = 0; i < d->talk_count; i++) {
        struct job job;
        bool has = false;
        if (!exchange_unreceipted(engine->home, &d->talks[i].shared, &job, &has, e)) return false;
        if (has && !jobs_add(d, &job, 1, e)) return false;
    }
    d->state = DIAL_WORKING;
    return d->job_count > 0 ? run_jobs(engine, d, e) : send_round(engine, d, e);
}

/* Of the relationships that we think we share, how many did they not refuse? Keeps that an invitation was voided, or no longer is. */
static size_t take_refusals(struct engine *engine, struct dial *d, const struct refusal *refusals, size_t count)
{
    size_t left = 0;
    struct err e = {0};
    struct invitation_id invitation = invitation_id_of(d->secret);
    for (size_t i = 0; i < d->list.count; i++) {
        const struct shared *shared = &d->list.shared[i];
        enum refusal_why why = REFUSAL_NONE;
        for (size_t k = 0; k < count && why == REFUSAL_NONE; k++)
            if (span_equal(relationship_span(&refusals[k].relationship), relationship_span(&shared->id)))
                why = refusals[k].why;
        left += why == REFUSAL_NONE;
        bool is_joining = d->is_joining && span_equal(relationship_span(&d->joining), relationship_span(&shared->id));
        if (!pairing_refused(engine->home, shared, is_joining ? &invitation : NULL, why, &e))
            engine_say(engine, TROUBLE, "partner=%s trouble=\"%s\"", d->name, e.said);
    }
    return left;
}

static bool refused(const struct dial *d, enum refusal_why why, struct err *e)
{
    static const char *const words[] = {
        [REFUSAL_NONE] = "they refused us",
        [REFUSAL_VOIDED] = "our invitation was voided",
        [REFUSAL_EXPIRED] = "our invitation has expired",
        [REFUSAL_USED] = "another identity has used our invitation",
    };
    return err_set(e, ERR_REFUSED, "%s: ask %s for a new one", words[why], d->name);
}

/* What the answer to message 3 says: nothing, or that they do not know us where we thought they would. */
static bool on_accepted(struct engine *engine, struct dial *d, struct err *e)
{
    struct refusal refusals[REFUSALS_MAX];
    size_t count = 0;
    if (!refusals_read(buffer_span(&engine->plain), refusals, &count, e)) return false;
    if (!exchange_shared(engine->home, &d->remote, &d->list, e)) return false;
    size_t left = take_refusals(engine, d, refusals, count);
    for (size_t i = 0; i < count && d->is_joining; i++)
        if (span_equal(relationship_span(&refusals[i].relationship), relationship_span(&d->joining)))
            return refused(d, refusals[i].why, e);
    return left > 0 || count == 0 || refused(d, refusals[0].why, e);
}

static bool on_session(struct engine *engine, struct dial *d, struct err *e)
{
    if (!on_accepted(engine, d, e)) return false;
    engine_say(engine, DETAIL, "session with=%s side=dialling", d->name);
    d->retry_after_ms = RETRY_FIRST_MS;
    d->fruitless = 0;
    d->has_progress = false;
    return d->is_joining ? send_commit(engine, d, e) : push_unreceipted(engine, d, e);
}

static bool on_commit(struct engine *engine, struct dial *d, struct reader *r, struct err *e)
{
    uint8_t theirs[32];
    char words[CONTACT_WORDS_MAX];
    struct sink plain;
    if (!read_bytes(r, theirs, sizeof theirs, e) || !read_end(r, e)) return false;
    pairing_words(&d->joining, &home_organisation(engine->home)->identity, &d->identity, d->nonce, theirs, words,
                  sizeof words);
    if (!contact_put(home_store(engine->home), &d->joining, d->name, NULL, NULL, words, e) ||
        !engine_plain(engine, &plain, e))
        return false;
    message_start(&plain, MESSAGE_REVEAL, NULL, 0, 2);
    write_bytes(&plain, relationship_span(&d->joining));
    write_bytes(&plain, span_of(d->nonce, sizeof d->nonce));
    return send_sealed(engine, d, PENDING_REVEAL, &plain, REQUEST_MS, e);
}

/* ---- one answer ---- */

static bool on_sealed(struct engine *engine, struct dial *d, enum pending_kind kind, span frame, struct err *e)
{
    static const enum message_kind expected[] = {
        [PENDING_COMMIT] = MESSAGE_COMMIT, [PENDING_REVEAL] = MESSAGE_REVEAL, [PENDING_FRONTIER] = MESSAGE_FRONTIER,
        [PENDING_PULL] = MESSAGE_PULL,     [PENDING_PUSH] = MESSAGE_PUSH,     [PENDING_WATCH] = MESSAGE_WATCH,
    };
    if (!engine_unseal(engine, d->session, frame, e)) return false;
    if (kind == PENDING_MESSAGE_3) return on_session(engine, d, e);
    OWNED_BUFFER answer = {0};
    if (!buffer_put(&answer, buffer_span(&engine->plain), e)) return false;
    struct reader r = reader_over(buffer_span(&answer));
    struct message_head *head = engine->head;
    if (!message_open(&r, MESSAGE_ANSWER, head, e)) return false;
    if (head->kind != expected[kind]) return err_set(e, ERR_MALFORMED, "an answer of another kind than the request");
    size_t new_receipts = 0;
    if (!exchange_take_receipts(engine->home, &d->list, head->receipts, head->receipt_count, &new_receipts, e))
        return false;
    if (new_receipts > 0) d->has_progress = true;
    switch (kind) {
    case PENDING_COMMIT: return on_commit(engine, d, &r, e);
    case PENDING_REVEAL: return send_round(engine, d, e);
    case PENDING_FRONTIER: return on_frontier(engine, d, &r, e);
    case PENDING_PULL: return on_pull(engine, d, &r, e);
    case PENDING_PUSH: return on_push(engine, d, &r, e);
    case PENDING_WATCH: return on_watch(engine, d, &r, e);
    case PENDING_NONE:
    case PENDING_MESSAGE_1:
    case PENDING_MESSAGE_3: break;
    }
    return err_set(e, ERR_MALFORMED, "an answer nobody asked for");
}

static void dial_retry(struct engine *engine, struct dial *d)
{
    uint64_t spread = 0;
    if (engine->options.is_once) {
        if (d->state != DIAL_OVER) engine->counts.partners_failed++;
        d->state = DIAL_OVER;
        d->is_failed = true;
        return;
    }
    engine->world->random(engine->world->self, (uint8_t *)&spread, sizeof spread);
    d->state = DIAL_WAITING;
    d->retry_ms = engine_now(engine) + d->retry_after_ms + spread % (d->retry_after_ms / 2 + 1);
    d->retry_after_ms = d->retry_after_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : d->retry_after_ms * 2;
}

/* The session is over; dial anew after a while. */
static void dial_down(struct engine *engine, struct dial *d, bool is_hung_up)
{
    session_free(d->session);
    d->session = NULL;
    memset(d->pending, 0, sizeof d->pending);
    d->pulls = 0;
    d->job_count = d->job_next = 0;
    if (!is_hung_up) engine->options.network->hang_up(engine->options.network->self, d->id);
    dial_retry(engine, d);
}

static void on_answer(struct engine *engine, struct dial *d, const struct event *event)
{
    enum pending_kind kind = PENDING_NONE;
    struct err e = {0};
    for (size_t i = 0; i < PENDING_MAX; i++) {
        if (d->pending[i].kind == PENDING_NONE || d->pending[i].tag != event->tag) continue;
        kind = d->pending[i].kind;
        d->pending[i].kind = PENDING_NONE;
    }
    if (kind == PENDING_NONE) return;
    engine->counts.bytes_received += event->bytes.len;
    engine->counts.round_trips++;
    if (kind == PENDING_MESSAGE_1 || kind == PENDING_MESSAGE_3) engine->counts.handshake_bytes += event->bytes.len;
    struct session_id id;
    enum frame_kind frame = frame_look(event->bytes, &id);
    bool is_fine = false;
    if (frame == FRAME_REFUSED)
        (void)err_set(&e, ERR_REFUSED, kind == PENDING_MESSAGE_1 || kind == PENDING_MESSAGE_3
                                           ? "they refused us: another key than expected, an invitation that is "
                                             "used or expired, or no relationship in common"
                                           : "they refused a request");
    else if (kind == PENDING_MESSAGE_1) is_fine = on_message_2(engine, d, event->bytes, &e);
    else if (frame == FRAME_SEALED) is_fine = on_sealed(engine, d, kind, event->bytes, &e);
    else (void)err_set(&e, ERR_MALFORMED, "a frame that is no answer");
    if (is_fine) return;
    engine_fail(engine, d->name, &e);
    dial_down(engine, d, false);
}

static void on_unanswered(struct engine *engine, struct dial *d, const struct event *event)
{
    bool is_ours = false;
    for (size_t i = 0; i < PENDING_MAX; i++)
        is_ours = is_ours || (d->pending[i].kind != PENDING_NONE && d->pending[i].tag == event->tag);
    if (!is_ours) return;
    struct err e = {0};
    (void)err_set(&e, event->why, "%s", event->said);
    engine_fail(engine, d->name, &e);
    dial_down(engine, d, false);
}

static struct dial *dial_by_id(struct engine *engine, uint32_t id)
{
    for (size_t i = 0; i < engine->dial_count; i++)
        if (engine->dials[i]->id == id) return engine->dials[i];
    return NULL;
}

void dialer_step(struct engine *engine, const struct event *event)
{
    struct dial *d = dial_by_id(engine, event->dial);
    struct err e = {0};
    if (!d || d->state == DIAL_OVER) return;
    switch (event->kind) {
    case EVENT_LINK_UP:
        if (!greet(engine, d, &e)) {
            engine_fail(engine, d->name, &e);
            dial_down(engine, d, false);
        }
        break;
    case EVENT_LINK_DOWN:
        if (d->state == DIAL_WAITING) break;
        (void)err_set(&e, ERR_CLOSED, "the connection to %s was lost", d->address);
        engine_fail(engine, d->name, &e);
        dial_down(engine, d, false);
        break;
    case EVENT_DIAL_FAILED:
        (void)err_set(&e, ERR_CLOSED, "%s", event->said);
        engine_fail(engine, d->name, &e);
        dial_down(engine, d, false);
        break;
    case EVENT_ANSWER: on_answer(engine, d, event); break;
    case EVENT_UNANSWERED: on_unanswered(engine, d, event); break;
    case EVENT_REQUEST:
    case EVENT_PIPE_OPENED:
    case EVENT_PIPE_GONE:
    case EVENT_TIMER:
    case EVENT_WROTE:
    case EVENT_STOP: break;
    }
}

/* ---- whom to dial ---- */

struct scanning {
    struct engine *engine;
    struct relationship *relationship;
};

static void dial_begin(struct engine *engine, struct dial *d)
{
    d->state = DIAL_CONNECTING;
    engine->options.network->dial(engine->options.network->self, d->id, d->address);
}

static void add_dial(struct engine *engine, const struct party *party)
{
    for (size_t i = 0; i < engine->dial_count; i++)
        if (key_public_equal(&engine->dials[i]->remote, &party->certificate.transport)) return;
    if (engine->dial_count == DIALS_MAX) return;
    struct dial *d = calloc(1, sizeof *d);
    if (!d) return;
    d->id = (uint32_t)engine->dial_count + 1;
    d->remote = party->certificate.transport;
    d->retry_after_ms = RETRY_FIRST_MS;
    memcpy(d->address, party->address, sizeof d->address);
    memcpy(d->name, party->code, sizeof d->name);
    engine->dials[engine->dial_count++] = d;
    dial_begin(engine, d);
}

static bool scan_one(void *self, const struct relationship_id *id)
{
    struct scanning *s = self;
    struct err e = {0};
    const struct engine_options *options = &s->engine->options;
    if (options->only_relationship &&
        !span_equal(relationship_span(options->only_relationship), relationship_span(id)))
        return true;
    if (!relationship_load(home_store(s->engine->home), id, s->relationship, &e)) {
        engine_say(s->engine, TROUBLE, "relationship trouble=\"%s\"", e.said);
        return true;
    }
    for (size_t p = 0; p < s->relationship->party_count; p++) {
        const struct party *party = &s->relationship->parties[p];
        bool is_us = s->relationship->is_open_known && party->party == s->relationship->our_party;
        if (is_us || !party->is_known || party->address[0] == '\0') continue;
        if (options->only_party && strcmp(options->only_party, party->code) != 0) continue;
        add_dial(s->engine, party);
    }
    return true;
}

void dialer_scan(struct engine *engine)
{
    struct err e = {0};
    struct scanning s = {engine, calloc(1, sizeof(struct relationship))};
    if (!s.relationship) return;
    if (!relationships_each(home_store(engine->home), scan_one, &s, &e))
        engine_say(engine, TROUBLE, "scan trouble=\"%s\"", e.said);
    free(s.relationship);
}

void dialer_start(struct engine *engine)
{
    dialer_scan(engine);
}

/* Something of ours is new: whoever is settled gets it now, from what it was last known to hold. */
static bool news_for(struct engine *engine, struct dial *d, struct err *e)
{
    bool is_changed = false;
    if (!talks_renew(engine, d, e)) return false;
    d->job_count = d->job_next = 0;
    for (size_t i = 0; i < d->talk_count; i++) {
        struct talk *talk = &d->talks[i];
        if (!exchange_show(engine->home, &talk->shared, engine->showing, e)) return false;
        if (talk->rows && hash_equal(&talk->agreed, &engine->showing->summary.digest)) continue;
        is_changed = true;
        talk->is_agreed = false;
        if (talk->rows && !plan_talk(engine, d, talk, e)) return false;
    }
    if (!is_changed) return true;
    d->state = DIAL_WORKING;
    d->fruitless = 0;
    return d->job_count > 0 ? run_jobs(engine, d, e) : send_round(engine, d, e);
}

void dialer_news(struct engine *engine)
{
    for (size_t i = 0; i < engine->dial_count; i++) {
        struct dial *d = engine->dials[i];
        struct err e = {0};
        if (d->state != DIAL_SETTLED || news_for(engine, d, &e)) continue;
        engine_fail(engine, d->name, &e);
        dial_down(engine, d, false);
    }
}

void dialer_timer(struct engine *engine)
{
    uint64_t now = engine_now(engine);
    for (size_t i = 0; i < engine->dial_count; i++) {
        struct dial *d = engine->dials[i];
        struct err e = {0};
        if (d->state == DIAL_WAITING && now >= d->retry_ms) dial_begin(engine, d);
        if (d->state == DIAL_SETTLED && d->session && session_is_old(d->session) && !greet(engine, d, &e)) {
            engine_fail(engine, d->name, &e);
            dial_down(engine, d, false);
        }
    }
}

uint64_t dialer_next_ms(const struct engine *engine)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < engine->dial_count; i++)
        if (engine->dials[i]->state == DIAL_WAITING && engine->dials[i]->retry_ms < next)
            next = engine->dials[i]->retry_ms;
    return next;
}

bool dialer_is_done(const struct engine *engine)
{
    for (size_t i = 0; i < engine->dial_count; i++)
        if (engine->dials[i]->state != DIAL_OVER) return false;
    return true;
}

void dialer_close(struct engine *engine)
{
    for (size_t i = 0; i < engine->dial_count; i++) {
        struct dial *d = engine->dials[i];
        session_free(d->session);
        shared_wipe(&d->list);
        talks_wipe(d);
        free(d->jobs);
        secret_wipe(d->secret, sizeof d->secret);
        secret_wipe(d->nonce, sizeof d->nonce);
        free(d);
    }
    engine->dial_count = 0;
}

/*
 * The answering side of the engine: whoever dials us. It serves only what its holder of a transport key shares with us.
 */
#include "node/engine_rooms.h"
#include "node/pairing.h"
#include "protocol/writer.h"

#include <stdlib.h>
#include <string.h>

/* One conversation somebody else dialled. */
struct visitor {
    uint32_t pipe;
    struct session *session;
    bool is_invited;
    struct invitation_id invitation;
    char name[CODE_BYTES_MAX + 1]; /* for what we say of it */
    struct shared_list list;
    size_t talk_count;
    struct talk *talks;            /* of the relationships in its watch */
    bool is_parked;
    uint64_t slot, until_ms;
    bool has_commitment;
    struct relationship_id pairing;
    struct hash commitment;
    uint8_t nonce[32];
};

static void talks_wipe(struct visitor *v)
{
    for (size_t i = 0; i < v->talk_count; i++) free(v->talks[i].rows);
    free(v->talks);
    v->talks = NULL;
    v->talk_count = 0;
}

static void visitor_free(struct visitor *v)
{
    if (!v) return;
    session_free(v->session);
    shared_wipe(&v->list);
    talks_wipe(v);
    secret_wipe(v->nonce, sizeof v->nonce);
    free(v);
}

static void visitor_remove(struct engine *engine, size_t at)
{
    visitor_free(engine->visitors[at]);
    engine->visitors[at] = engine->visitors[--engine->visitor_count];
}

static struct visitor *visitor_find(struct engine *engine, uint32_t pipe, const struct session_id *id)
{
    for (size_t i = 0; i < engine->visitor_count; i++) {
        struct visitor *v = engine->visitors[i];
        if (v->pipe == pipe && span_equal(span_of(session_identity(v->session)->bytes, 8), span_of(id->bytes, 8)))
            return v;
    }
    return NULL;
}

static void answer(struct engine *engine, uint64_t slot, span frame)
{
    engine->counts.bytes_sent += frame.len;
    engine->options.network->answer(engine->options.network->self, slot, frame);
}

static void refuse(struct engine *engine, uint64_t slot)
{
    static const uint8_t refused[1] = {FRAME_REFUSED};
    answer(engine, slot, span_of(refused, sizeof refused));
}

static bool answer_sealed(struct engine *engine, struct visitor *v, uint64_t slot, const struct sink *plain,
                          struct err *e)
{
    if (!engine_seal(engine, v->session, plain, e)) return false;
    answer(engine, slot, buffer_span(&engine->frame));
    return true;
}

/* ---- pipes without a session ---- */

/* A partner's handshake takes a moment, so it is the one that has waited longest who has to make room. */
static void pipes_make_room(struct engine *engine)
{
    size_t oldest = 0;
    for (size_t i = 1; i < engine->pipe_count; i++)
        if (engine->pipes[i].since_ms < engine->pipes[oldest].since_ms) oldest = i;
    uint32_t pipe = engine->pipes[oldest].pipe;
    engine->pipes[oldest] = engine->pipes[--engine->pipe_count];
    engine->options.network->drop(engine->options.network->self, pipe);
}

static void pipe_opened(struct engine *engine, uint32_t pipe)
{
    if (engine->pipe_count == SESSIONLESS_MAX) pipes_make_room(engine);
    engine->pipes[engine->pipe_count].pipe = pipe;
    engine->pipes[engine->pipe_count++].since_ms = engine_now(engine);
}

static void pipe_forget(struct engine *engine, uint32_t pipe)
{
    for (size_t i = 0; i < engine->pipe_count; i++) {
        if (engine->pipes[i].pipe != pipe) continue;
        engine->pipes[i] = engine->pipes[--engine->pipe_count];
        return;
    }
}

static void pipe_gone(struct engine *engine, uint32_t pipe)
{
    pipe_forget(engine, pipe);
    for (size_t i = engine->visitor_count; i > 0; i--)
        if (engine->visitors[i - 1]->pipe == pipe) visitor_remove(engine, i - 1);
}

/* ---- the handshake ---- */

/*
 * The secret of an invitation by its id; an unknown one gets bytes that open nothing. A voided one still opens: who holds it
 * is told so.
 */
static void invitation_secret(struct engine *engine, const struct invitation_id *id, uint8_t out[32])
{
    struct invited invited;
    struct err missing = {0};
    engine->world->random(engine->world->self, out, 32);
    if (!invited_find(home_store(engine->home), id->bytes, &invited, &missing) &&
        !voided_find(home_store(engine->home), id->bytes, &invited, &missing))
        return;
    memcpy(out, invited.secret, sizeof invited.secret);
    secret_wipe(&invited, sizeof invited);
}

static bool accept_session(struct engine *engine, const struct event *event, bool is_invited, struct err *e)
{
    struct session_secrets secrets = {home_transport_key(engine->home), engine->world};
    uint8_t bytes[256], secret[32] = {0};
    struct sink message2 = sink_over(bytes, sizeof bytes);
    struct visitor *v = NULL;
    if (engine->visitor_count == SESSIONS_MAX) return err_set(e, ERR_LIMIT, "too many sessions");
    for (size_t i = engine->visitor_count; i > 0; i--) /* one session a pipe: a new handshake ends the old */
        if (engine->visitors[i - 1]->pipe == event->pipe) {
            if (engine->visitors[i - 1]->is_parked) refuse(engine, engine->visitors[i - 1]->slot);
            visitor_remove(engine, i - 1);
        }
    v = calloc(1, sizeof *v);
    if (!v) return err_memory(e);
    v->pipe = event->pipe;
    v->is_invited = is_invited;
    if (is_invited && session_invitation(event->bytes, &v->invitation))
        invitation_secret(engine, &v->invitation, secret);
    bool is_fine = session_accept(&v->session, &secrets, is_invited ? secret : NULL, event->bytes, &message2, e);
    secret_wipe(secret, sizeof secret);
    if (!is_fine) {
        visitor_free(v);
        return false;
    }
    engine->visitors[engine->visitor_count++] = v;
    answer(engine, event->slot, sink_span(&message2));
    return true;
}

/* Takes a joiner in by its invitation. One that was refused for a reason it may be told has it in `refusals`. */
static bool admit(struct engine *engine, struct visitor *v, span note, struct refusal refusals[REFUSALS_MAX],
                  size_t *count, struct err *e)
{
    struct certificate shown;
    struct err why = {0};
    if (!certificate_read(note, &shown, e)) return false;
    if (!key_public_equal(&shown.transport, session_remote(v->session)))
        return err_set(e, ERR_REFUSED, "%s shows another transport key than it uses", shown.code);
    if (pairing_admit(engine->home, v->invitation.bytes, note, &refusals[0], &why)) {
        engine_say(engine, NOTE, "joined=%s", shown.code);
        return true;
    }
    if (refusals[0].why == REFUSAL_NONE) return err_set(e, why.code, "%s", why.said);
    engine_say(engine, NOTE, "refused from=%s because=\"%s\"", shown.code, why.said);
    *count = 1;
    v->is_invited = false; /* no check words are made with it */
    return true;
}

/* The relationships in which it lost its place because we invited anew, and has not come by the new invitation. */
static bool list_voided(struct engine *engine, const struct visitor *v, struct refusal refusals[REFUSALS_MAX],
                        size_t *count, struct err *e)
{
    struct relationship_id ids[REFUSALS_MAX];
    size_t id_count = 0;
    if (!voided_of(home_store(engine->home), session_remote(v->session), ids, REFUSALS_MAX, &id_count, e)) return false;
    for (size_t i = 0; i < id_count && *count < REFUSALS_MAX; i++) {
        bool is_said = *count > 0 && span_equal(relationship_span(&refusals[0].relationship), relationship_span(&ids[i]));
        if (is_said || shared_find(&v->list, &ids[i])) continue;
        refusals[(*count)++] = (struct refusal){ids[i], REFUSAL_VOIDED};
    }
    return true;
}

/* Message 3: now we know who it is. Strangers are refused like a wrong key. */
static bool accepted(struct engine *engine, struct visitor *v, const struct event *event, struct err *e)
{
    uint8_t bytes[CERTIFICATE_BYTES_MAX];
    struct sink payload = sink_over(bytes, sizeof bytes);
    struct sink plain;
    struct refusal refusals[REFUSALS_MAX] = {{.why = REFUSAL_NONE}};
    size_t refusal_count = 0;
    if (!session_accepted(v->session, event->bytes, &payload, e)) return false;
    if (v->is_invited && !admit(engine, v, sink_span(&payload), refusals, &refusal_count, e)) return false;
    if (!exchange_shared(engine->home, session_remote(v->session), &v->list, e) ||
        !list_voided(engine, v, refusals, &refusal_count, e))
        return false;
    if (v->list.count == 0 && refusal_count == 0)
        return err_set(e, ERR_REFUSED, "a node that shares no relationship with us");
    if (!engine_plain(engine, &plain, e)) return false;
    if (refusal_count > 0) refusals_write(&plain, refusals, refusal_count);
    if (!answer_sealed(engine, v, event->slot, &plain, e)) return false;
    if (v->list.count == 0 && !v->is_invited)
        engine_say(engine, DETAIL, "session with=nobody because=\"a guest whose invitation was voided\"");
    if (v->list.count == 0) return true; /* its pipe is closed when nothing else comes of it */
    memcpy(v->name, v->list.shared[0].code, sizeof v->name);
    pipe_forget(engine, v->pipe);
    engine_say(engine, DETAIL, "session with=%s side=listening", v->name);
    if (v->is_invited) engine_news(engine);
    return true;
}

/* ---- requests ---- */

static bool showing_of(struct engine *engine, const struct shared *shared, struct summary *out, struct err *e)
{
    if (!exchange_show(engine->home, shared, engine->showing, e)) return false;
    *out = engine->showing->summary;
    return true;
}

static bool is_same_summary(const struct summary *a, const struct summary *b)
{
    return hash_equal(&a->digest, &b->digest) && hash_equal(&a->state, &b->state);
}

/* A restored home has to hear that they hold no more of ours: without a state to compare with they ask again, until both are the same. */
static void hide_state(struct engine *engine, const struct shared *shared, struct hash *state)
{
    if (home_waits_for(engine->home, &shared->id, shared->code)) *state = (struct hash){0};
}

/* What we hold of a relationship, in full; engine->showing holds it already. */
static bool write_detail(struct engine *engine, const struct shared *shared, struct sink *plain, struct err *e)
{
    struct detail detail = {.relationship = shared->id, .state = engine->showing->summary.state,
                            .rows = engine->showing->rows, .row_count = engine->showing->row_count};
    if (!exchange_forks(engine->home, shared, &engine->forks, detail.forks, &detail.fork_count, e)) return false;
    hide_state(engine, shared, &detail.state);
    detail_write(plain, &detail);
    return true;
}

static bool on_frontier(struct engine *engine, struct visitor *v, struct reader *r, uint64_t slot, struct err *e)
{
    uint64_t version = 0, clock_ms = 0;
    size_t count = 0, shared_count = 0;
    struct sink plain;
    struct summary *theirs = NULL;
    if (!read_u64(r, UINT64_MAX, &version, e) || !read_u64(r, UINT64_MAX, &clock_ms, e) ||
        !read_array_upto(r, RELATIONSHIPS_MAX, &count, e))
        return false;
    theirs = calloc(count + 1, sizeof *theirs);
    if (!theirs) return err_memory(e);
    bool is_fine = true;
    for (size_t i = 0; i < count && is_fine; i++) {
        is_fine = summary_read(r, &theirs[shared_count], e);
        if (is_fine && shared_find(&v->list, &theirs[shared_count].relationship)) shared_count++;
    }
    is_fine = is_fine && read_end(r, e) && engine_plain(engine, &plain, e);
    if (is_fine) {
        message_start(&plain, MESSAGE_FRONTIER, NULL, 0, 3);
        write_u64(&plain, MESSAGE_VERSION);
        write_u64(&plain, (uint64_t)engine->world->date_ms(engine->world->self));
        write_array(&plain, shared_count);
    }
    for (size_t i = 0; i < shared_count && is_fine; i++) {
        const struct shared *shared = shared_find(&v->list, &theirs[i].relationship);
        struct summary ours;
        is_fine = exchange_owed_receipts(engine->home, &shared->id, NULL, e) && showing_of(engine, shared, &ours, e);
        if (!is_fine) break;
        if (is_same_summary(&ours, &theirs[i])) {
            struct detail same = {.relationship = shared->id, .is_same = true};
            detail_write(&plain, &same);
            engine_agreed(engine, shared);
            continue;
        }
        if (hash_equal(&ours.digest, &theirs[i].digest))
            engine_compare_states(engine, shared, &ours.state, &theirs[i].state);
        is_fine = write_detail(engine, shared, &plain, e);
    }
    free(theirs);
    return is_fine && answer_sealed(engine, v, slot, &plain, e);
}

static bool on_pull(struct engine *engine, struct visitor *v, struct reader *r, uint64_t slot, struct err *e)
{
    struct message_pull pull;
    struct message_batch batch;
    struct message_receipt receipts[4 * PARTIES_MAX];
    size_t entries = 0, receipt_count = 0;
    struct sink plain;
    struct err missing = {0};
    if (!pull_read(r, &pull, e) || !read_end(r, e)) return false;
    const struct shared *shared = shared_find(&v->list, &pull.relationship);
    bool is_there = false;
    if (shared) {
        struct batch_request request = {shared, &pull.log_key, pull.from,
                                        pull.most < BATCH_ENTRIES ? pull.most : BATCH_ENTRIES, pull.size, &pull.root,
                                        EXCHANGE_BATCH_BYTES};
        is_there = exchange_batch(engine->home, &request, &engine->scratch, &batch, &entries, &missing);
        if (!is_there && missing.code != ERR_MISSING) return err_set(e, missing.code, "%s", missing.said);
    }
    if (is_there) {
        struct feed_row row = {.log_key = batch.log_key, .size = batch.head.size};
        if (!exchange_receipts(engine->home, shared, &row, 1, receipts, sizeof receipts / sizeof receipts[0],
                               &receipt_count, e))
            return false;
    }
    if (!engine_plain(engine, &plain, e)) return false;
    message_start(&plain, MESSAGE_PULL, receipts, receipt_count, 2);
    write_u64(&plain, is_there ? STATUS_DONE : STATUS_UNKNOWN);
    if (is_there) batch_write(&plain, &batch);
    else write_nil(&plain);
    engine->counts.entries_sent += entries;
    return answer_sealed(engine, v, slot, &plain, e);
}

/* What this visitor has been told is what we hold now: its parked watch wakes only for what comes after. */
static bool told(struct engine *engine, struct visitor *v, const struct shared *shared, struct err *e)
{
    for (size_t i = 0; i < v->talk_count; i++) {
        struct talk *talk = &v->talks[i];
        if (!span_equal(relationship_span(&talk->shared.id), relationship_span(&shared->id))) continue;
        struct feed_row *rows = calloc(engine->showing->row_count + 1, sizeof *rows);
        if (!rows) return err_memory(e);
        memcpy(rows, engine->showing->rows, engine->showing->row_count * sizeof *rows);
        free(talk->rows);
        talk->rows = rows;
        talk->row_count = engine->showing->row_count;
        talk->heard = engine->showing->summary;
    }
    return true;
}

static bool on_push(struct engine *engine, struct visitor *v, struct reader *r, uint64_t slot, struct err *e)
{
    struct message_batch batch;
    struct taken taken = {0};
    struct summary ours;
    struct sink plain;
    enum message_status status = STATUS_UNKNOWN;
    struct err missing = {0};
    if (!batch_read(r, &batch, e) || !read_end(r, e)) return false;
    const struct shared *shared = shared_find(&v->list, &batch.relationship);
    if (shared && exchange_take(engine->home, shared, &batch, &engine->scratch, &taken, &missing))
        status = taken.is_wanted ? STATUS_WANTED : STATUS_DONE;
    else if (shared && missing.code != ERR_MISSING) return err_set(e, missing.code, "%s", missing.said);
    engine->counts.entries_received += taken.entries;
    engine_say_no_receipt(engine, v->name, &taken);
    if (taken.is_forked) engine_say_fork(engine, shared, v->name);
    if (taken.is_own && taken.entries > 0 && home_health(engine->home) == HEALTH_FINE)
        engine_say(engine, TROUBLE, "partner=%s returned %llu entries of ours that we did not have", v->name,
                   (unsigned long long)taken.entries);
    if (taken.entries > 0) (void)engine_write_seals(engine);
    if (shared && !showing_of(engine, shared, &ours, e)) return false;
    if (shared) hide_state(engine, shared, &ours.state);
    if (!engine_plain(engine, &plain, e)) return false;
    message_start(&plain, MESSAGE_PUSH, &taken.receipt, taken.receipt_count, 3);
    write_u64(&plain, status);
    write_u64(&plain, taken.is_wanted ? taken.want_from : taken.held);
    if (shared) summary_write(&plain, &ours);
    else write_nil(&plain);
    if (!answer_sealed(engine, v, slot, &plain, e)) return false;
    if (shared && !told(engine, v, shared, e)) return false;
    if (taken.entries > 0) engine_news(engine);
    return true;
}

/* ---- watch ---- */

/* One small batch for each feed that grew beyond what the visitor holds. */
static bool write_news(struct engine *engine, const struct talk *talk, struct sink *news, size_t *count, struct err *e)
{
    struct job jobs[JOBS_MAX];
    size_t job_count = 0;
    if (!exchange_plan(engine->home, &talk->shared, engine->showing, talk->rows, talk->row_count, jobs, &job_count, e))
        return false;
    for (size_t i = 0; i < job_count && *count < NEWS_MAX; i++) {
        struct message_batch batch;
        size_t entries = 0;
        /* the first entry rides along however large it is */
        if (jobs[i].kind != JOB_PUSH || news->cap - news->len < NEWS_BYTES + HEADER_BYTES_MAX + BODY_BYTES_MAX) continue;
        struct batch_request request = {&talk->shared, &jobs[i].log_key, jobs[i].from, BATCH_ENTRIES, jobs[i].size,
                                        &jobs[i].root, NEWS_BYTES};
        if (!exchange_batch(engine->home, &request, &engine->scratch, &batch, &entries, e)) return false;
        if (jobs[i].from + entries < jobs[i].size) continue; /* too much to ride along: it is pulled */
        batch_write(news, &batch);
        engine->counts.entries_sent += entries;
        (*count)++;
    }
    return true;
}

static bool wake_with_news(struct engine *engine, struct visitor *v, bool is_due, struct err *e)
{
    uint8_t *room = malloc(4 * NEWS_BYTES + 4 * 65536);
    struct message_receipt *receipts = calloc(RECEIPTS_MAX, sizeof *receipts);
    OWNED_BUFFER details = {0};
    size_t detail_count = 0, news_count = 0, receipt_count = 0;
    struct sink plain, news = sink_over(room, 4 * NEWS_BYTES + 4 * 65536);
    bool is_fine = room && receipts ? true : err_memory(e);
    for (size_t i = 0; i < v->talk_count && is_fine; i++) {
        struct talk *talk = &v->talks[i];
        struct summary ours;
        is_fine = showing_of(engine, &talk->shared, &ours, e);
        if (!is_fine || is_same_summary(&ours, &talk->heard)) continue;
        is_fine = engine_plain(engine, &plain, e) && write_detail(engine, &talk->shared, &plain, e) &&
                  !plain.full && buffer_put(&details, sink_span(&plain), e) &&
                  exchange_receipts(engine->home, &talk->shared, talk->rows, talk->row_count, receipts, RECEIPTS_MAX,
                                    &receipt_count, e) &&
                  write_news(engine, talk, &news, &news_count, e);
        talk->heard = ours;
        detail_count++;
    }
    if (is_fine && (detail_count > 0 || is_due)) {
        is_fine = engine_plain(engine, &plain, e);
        if (is_fine) {
            message_start(&plain, MESSAGE_WATCH, receipts, receipt_count, 3);
            write_array(&plain, v->talk_count);
            for (size_t i = 0; i < v->talk_count; i++) summary_write(&plain, &v->talks[i].heard);
            write_array(&plain, detail_count);
            sink_put(&plain, buffer_span(&details));
            write_array(&plain, news_count);
            sink_put(&plain, sink_span(&news));
            is_fine = answer_sealed(engine, v, v->slot, &plain, e);
            v->is_parked = !is_fine;
        }
    }
    free(room);
    free(receipts);
    return is_fine;
}

/*
 * Answers a parked watch with whatever is new; with nothing new only when `is_due`. One that cannot be answered is
 * refused, so that it does not come due again and again: the visitor comes anew.
 */
static bool wake(struct engine *engine, struct visitor *v, bool is_due, struct err *e)
{
    if (wake_with_news(engine, v, is_due, e)) return true;
    v->is_parked = false;
    refuse(engine, v->slot);
    return false;
}

static bool is_watched(const struct visitor *v, const struct relationship_id *id)
{
    for (size_t i = 0; i < v->talk_count; i++)
        if (span_equal(relationship_span(&v->talks[i].shared.id), relationship_span(id))) return true;
    return false;
}

static bool on_watch(struct engine *engine, struct visitor *v, struct reader *r, uint64_t slot, struct err *e)
{
    size_t count = 0;
    struct err unsent = {0};
    if (!read_array_upto(r, RELATIONSHIPS_MAX, &count, e)) return false;
    if (v->is_parked && !wake(engine, v, true, &unsent)) return err_set(e, unsent.code, "%s", unsent.said);
    talks_wipe(v);
    v->talks = calloc(count + 1, sizeof *v->talks);
    if (!v->talks) return err_memory(e);
    for (size_t i = 0; i < count; i++) {
        struct summary heard, ours;
        if (!summary_read(r, &heard, e)) return false;
        const struct shared *shared = shared_find(&v->list, &heard.relationship);
        if (!shared || is_watched(v, &heard.relationship)) continue;
        struct talk *talk = &v->talks[v->talk_count++];
        *talk = (struct talk){.shared = *shared, .heard = heard};
        if (!showing_of(engine, shared, &ours, e)) return false;
        if (is_same_summary(&ours, &heard) && !told(engine, v, shared, e)) return false;
    }
    if (!read_end(r, e)) return false;
    v->is_parked = true;
    v->slot = slot;
    v->until_ms = engine_now(engine) + WATCH_MS;
    return true;
}

/* After the receipts that rode with a watch are kept: what they changed here the visitor knows already. */
static bool rebase(struct engine *engine, struct visitor *v, struct err *e)
{
    for (size_t i = 0; i < v->talk_count; i++) {
        struct summary ours;
        if (!v->talks[i].rows) continue;
        if (!showing_of(engine, &v->talks[i].shared, &ours, e) || !told(engine, v, &v->talks[i].shared, e)) return false;
    }
    return true;
}

/* ---- check words ---- */

static bool on_commit(struct engine *engine, struct visitor *v, struct reader *r, uint64_t slot, struct err *e)
{
    struct sink plain;
    if (!read_bytes(r, v->pairing.bytes, sizeof v->pairing.bytes, e) ||
        !read_bytes(r, v->commitment.bytes, sizeof v->commitment.bytes, e) || !read_end(r, e))
        return false;
    if (!v->is_invited || v->has_commitment || !shared_find(&v->list, &v->pairing))
        return err_set(e, ERR_REFUSED, "check words are made once, in a session by invitation");
    v->has_commitment = true;
    engine->world->random(engine->world->self, v->nonce, sizeof v->nonce);
    if (!engine_plain(engine, &plain, e)) return false;
    message_start(&plain, MESSAGE_COMMIT, NULL, 0, 1);
    write_bytes(&plain, span_of(v->nonce, sizeof v->nonce));
    return answer_sealed(engine, v, slot, &plain, e);
}

static bool keep_words(struct engine *engine, struct visitor *v, const uint8_t nonce[32], struct err *e)
{
    struct relationship *r = calloc(1, sizeof *r);
    const struct shared *shared = shared_find(&v->list, &v->pairing);
    char words[CONTACT_WORDS_MAX];
    if (!r) return err_memory(e);
    bool is_fine = relationship_load(home_store(engine->home), &v->pairing, r, e);
    if (is_fine) {
        pairing_words(&v->pairing, &r->parties[shared->party].certificate.identity,
                      &home_organisation(engine->home)->identity, nonce, v->nonce, words, sizeof words);
        is_fine = contact_put(home_store(engine->home), &v->pairing, shared->code, NULL, NULL, words, e);
    }
    if (is_fine) engine_say(engine, NOTE, "check_words with=%s words=\"%s\"", shared->code, words);
    free(r);
    return is_fine;
}

static bool on_reveal(struct engine *engine, struct visitor *v, struct reader *r, uint64_t slot, struct err *e)
{
    struct sink plain;
    uint8_t nonce[32];
    struct relationship_id id;
    if (!read_bytes(r, id.bytes, sizeof id.bytes, e) || !read_bytes(r, nonce, sizeof nonce, e) || !read_end(r, e))
        return false;
    struct hash commitment = pairing_commitment(nonce, &v->pairing);
    if (!v->has_commitment || !span_equal(relationship_span(&id), relationship_span(&v->pairing)) ||
        !hash_equal_ct(&commitment, &v->commitment))
        return err_set(e, ERR_REFUSED, "the nonce is not the one that was committed to");
    v->has_commitment = false;
    if (!keep_words(engine, v, nonce, e) || !engine_plain(engine, &plain, e)) return false;
    message_start(&plain, MESSAGE_REVEAL, NULL, 0, 1);
    write_u64(&plain, STATUS_DONE);
    return answer_sealed(engine, v, slot, &plain, e);
}

/* ---- one request ---- */

static bool on_request(struct engine *engine, struct visitor *v, const struct event *event, struct err *e)
{
    if (!engine_unseal(engine, v->session, event->bytes, e)) return false;
    /* The answer is written where the request stands: it is read from a copy. */
    OWNED_BUFFER request = {0};
    if (!buffer_put(&request, buffer_span(&engine->plain), e)) return false;
    struct reader r = reader_over(buffer_span(&request));
    struct message_head *head = engine->head;
    if (!message_open(&r, MESSAGE_REQUEST, head, e)) return false;
    if (!exchange_shared(engine->home, session_remote(v->session), &v->list, e)) return false;
    if (v->list.count == 0) return err_set(e, ERR_REFUSED, "a node that shares no relationship with us");
    size_t new_receipts = 0;
    bool is_watch = head->kind == MESSAGE_WATCH;
    if (is_watch && !on_watch(engine, v, &r, event->slot, e)) return false;
    if (!exchange_take_receipts(engine->home, &v->list, head->receipts, head->receipt_count, &new_receipts, e))
        return false;
    if (new_receipts > 0 && is_watch && !rebase(engine, v, e)) return false;
    bool is_fine = true;
    switch (head->kind) {
    case MESSAGE_FRONTIER: is_fine = on_frontier(engine, v, &r, event->slot, e); break;
    case MESSAGE_PULL: is_fine = on_pull(engine, v, &r, event->slot, e); break;
    case MESSAGE_PUSH: is_fine = on_push(engine, v, &r, event->slot, e); break;
    case MESSAGE_WATCH: is_fine = wake(engine, v, false, e); break;
    case MESSAGE_COMMIT: is_fine = on_commit(engine, v, &r, event->slot, e); break;
    case MESSAGE_REVEAL: is_fine = on_reveal(engine, v, &r, event->slot, e); break;
    }
    if (is_fine && new_receipts > 0) engine_news(engine);
    return is_fine;
}

/* Anybody can bring this about, as often as he likes: he does not fill our disk with it. */
static void say_refused(struct engine *engine, const char *name, const struct err *e)
{
    uint64_t now = engine_now(engine);
    if (now < engine->refused_say_ms) {
        engine->refused_unsaid++;
        return;
    }
    engine->refused_say_ms = now + REFUSED_SAY_MS;
    engine_say(engine, NOTE, "refused from=%s because=\"%s\" untold_before=%llu", name, e->said,
               (unsigned long long)engine->refused_unsaid);
    engine->refused_unsaid = 0;
}

static void on_frame(struct engine *engine, const struct event *event)
{
    struct session_id id;
    struct err e = {0};
    enum frame_kind kind = frame_look(event->bytes, &id);
    struct visitor *v = visitor_find(engine, event->pipe, &id);
    bool is_fine = false;
    engine->counts.bytes_received += event->bytes.len;
    switch (kind) {
    case FRAME_HELLO_XK:
    case FRAME_HELLO_PSK: is_fine = accept_session(engine, event, kind == FRAME_HELLO_PSK, &e); break;
    case FRAME_MESSAGE_3: is_fine = v && accepted(engine, v, event, &e); break;
    case FRAME_SEALED: is_fine = v && session_is_open(v->session) && on_request(engine, v, event, &e); break;
    case FRAME_MESSAGE_2:
    case FRAME_REFUSED:
    case FRAME_BAD: (void)err_set(&e, ERR_MALFORMED, "a frame that is no request"); break;
    }
    if (is_fine) return;
    v = visitor_find(engine, event->pipe, &id); /* a new handshake has ended the old session of its pipe */
    if (e.code != ERR_NONE) say_refused(engine, v ? v->name : "", &e);
    refuse(engine, event->slot);
    if (v && v->is_parked && v->slot == event->slot) v->is_parked = false;
    /* A handshake that failed is over. A sealed frame that was refused leaves its session as it was. */
    if (!v || (session_is_open(v->session) && v->list.count > 0)) return;
    for (size_t i = engine->visitor_count; i > 0; i--)
        if (engine->visitors[i - 1] == v) {
            visitor_remove(engine, i - 1);
            return;
        }
}

void listener_step(struct engine *engine, const struct event *event)
{
    if (event->kind == EVENT_PIPE_OPENED) pipe_opened(engine, event->pipe);
    else if (event->kind == EVENT_PIPE_GONE) pipe_gone(engine, event->pipe);
    else on_frame(engine, event);
}

/* Takes over what is shared now. False: something no longer is, and the visitor is to come anew and hear why. */
static bool talks_renew(struct engine *engine, struct visitor *v, struct err *e)
{
    if (!exchange_shared(engine->home, session_remote(v->session), &v->list, e)) return false;
    for (size_t t = 0; t < v->talk_count; t++) {
        const struct shared *shared = shared_find(&v->list, &v->talks[t].shared.id);
        if (!shared) return err_set(e, ERR_REFUSED, "a relationship is no longer shared");
        v->talks[t].shared = *shared;
    }
    return v->list.count > 0 || err_set(e, ERR_REFUSED, "a node that shares no relationship with us");
}

/* Wakes whoever is parked, when `is_due` only those whose time is over. */
static void wake_parked(struct engine *engine, bool is_due)
{
    uint64_t now = engine_now(engine);
    for (size_t i = engine->visitor_count; i > 0; i--) {
        struct visitor *v = engine->visitors[i - 1];
        struct err e = {0};
        if (!v->is_parked || (is_due && now < v->until_ms)) continue;
        if (!talks_renew(engine, v, &e)) {
            engine_say(engine, NOTE, "refused from=%s because=\"%s\"", v->name, e.said);
            refuse(engine, v->slot);
            visitor_remove(engine, i - 1);
        } else if (!wake(engine, v, is_due, &e)) {
            engine_say(engine, TROUBLE, "watch of=%s trouble=\"%s\"", v->name, e.said);
        }
    }
}

void listener_news(struct engine *engine)
{
    wake_parked(engine, false);
}

void listener_timer(struct engine *engine)
{
    uint64_t now = engine_now(engine);
    wake_parked(engine, true);
    for (size_t i = engine->pipe_count; i > 0; i--) {
        uint32_t pipe = engine->pipes[i - 1].pipe;
        if (now - engine->pipes[i - 1].since_ms < UNSESSIONED_MS) continue;
        engine->pipes[i - 1] = engine->pipes[--engine->pipe_count];
        engine->options.network->drop(engine->options.network->self, pipe);
    }
}

uint64_t listener_next_ms(const struct engine *engine)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < engine->visitor_count; i++)
        if (engine->visitors[i]->is_parked && engine->visitors[i]->until_ms < next) next = engine->visitors[i]->until_ms;
    return next;
}

void listener_stop(struct engine *engine)
{
    for (size_t i = 0; i < engine->visitor_count; i++) {
        struct err e = {0};
        if (engine->visitors[i]->is_parked && !wake(engine, engine->visitors[i], true, &e))
            engine_say(engine, DETAIL, "stopping trouble=\"%s\"", e.said);
    }
}

void listener_close(struct engine *engine)
{
    while (engine->visitor_count > 0) visitor_remove(engine, engine->visitor_count - 1);
}

/*
 * What we say ourselves: drafts become entries of our own feed, due seals first, under one signed head.
 */
#include "store/fold.h"

#include "protocol/writer.h"

#include <stdlib.h>
#include <string.h>

struct appending {
    struct store *store;
    const struct relationship_id *id;
    const struct author *author;
    const struct draft *drafts;
    size_t draft_count;
    struct hash *ids;
    size_t seals;
    bool is_without_effect; /* a draft was refused by the rules, after seals had become due */
};

/* Which feed does the draft countersign? */
static bool find_begun(struct fold *fold, const struct draft *draft, unsigned *out, struct err *e)
{
    uint64_t index = 0;
    struct err missing = {0};
    *out = FEED_NONE;
    if (draft->verb != VERB_SUCCEED || !draft->has_ref) return true;
    return feed_find(fold->store, &fold->id, &draft->ref, out, &index, &missing) || missing.code == ERR_MISSING ||
           err_set(e, missing.code, "%s", missing.said);
}

/* The front: every feed of which we are to name more than our feed has named yet. */
static bool make_front(struct fold *fold, const struct fold_feed *own, const struct draft *draft, struct header *h,
                       struct err *e)
{
    unsigned begun = FEED_NONE;
    uint64_t sizes[FEEDS_MAX] = {0};
    h->front_count = 0;
    if (!find_begun(fold, draft, &begun, e) || !fold_front(fold, own, begun, sizes, e)) return false;
    for (size_t n = 0; n < fold->feed_count; n++) {
        const struct feed *feed = &fold->feeds[n]->feed;
        if (feed == &own->feed || sizes[n] <= own->seen[n]) continue;
        if (h->front_count == FRONT_MAX) return err_set(e, ERR_LIMIT, "more than %d feeds changed", FRONT_MAX);
        struct front_row *row = &h->front[h->front_count++];
        struct feed_nodes nodes = feed_nodes_of(fold->store, &fold->id, feed);
        row->log_key = feed->log_key;
        row->size = sizes[n];
        row->root = feed->root;
        if (row->size != feed->edge.size && !merkle_root_at(feed_nodes(&nodes), row->size, &row->root, e))
            return false;
    }
    return true; /* feeds are loaded by rising log key */
}

static bool append_one(struct fold *fold, struct fold_feed *own, const struct appending *a, const struct draft *draft,
                       const struct header *words, struct hash *entry_id, struct err *e)
{
    const struct world *world = store_world(fold->store);
    struct header h = {.version = FORMAT_VERSION, .relationship = fold->id, .log_key = own->feed.log_key,
                       .index = own->feed.edge.size};
    uint8_t bytes[HEADER_BYTES_MAX];
    struct stored_entry entry = {.has_body = true, .body = draft->body};
    int64_t now = world->date_ms(world->self);
    must(draft->item_count <= ITEMS_MAX);
    h.time_ms = now > 0 ? (uint64_t)now : 0;
    h.person = span_text(a->author->person);
    h.role = span_text(a->author->role);
    h.verb = draft->verb;
    h.verb_text = span_text(verb_word(draft->verb));
    h.noun = span_text(draft->noun);
    h.item_count = draft->item_count;
    memcpy(h.items, draft->items, draft->item_count * sizeof draft->items[0]);
    h.has_ref = draft->has_ref;
    h.ref = draft->ref;
    if (words) {
        h.word_count = words->word_count;
        memcpy(h.words, words->words, words->word_count * sizeof words->words[0]);
    }
    if (!make_front(fold, own, draft, &h, e)) return false;
    world->random(world->self, entry.salt, sizeof entry.salt);
    h.body_digest = body_digest(entry.salt, draft->body);
    h.body_bytes = draft->body.len;
    struct sink out = sink_over(bytes, sizeof bytes);
    header_write(&out, &h);
    if (out.full) return err_set(e, ERR_LIMIT, "the entry's header is larger than %d bytes", HEADER_BYTES_MAX);
    if (draft->body.len > BODY_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "the text is %zu bytes, the limit is %d", draft->body.len, BODY_BYTES_MAX);
    entry.header = sink_span(&out);
    return feed_append(fold->store, &fold->id, &own->feed, &entry, entry_id, e) && fold_run(fold, e);
}

/* ---- seals ---- */

static bool collect_due(struct fold *fold, struct buffer *due, struct err *e)
{
    struct past past;
    struct facts facts = fold_facts(fold);
    struct hash id = {0};
    int64_t gate = -1, position = 0;
    fold_past_now(fold, &past);
    for (;;) {
        OWNED_ROWS rows = {0};
        enum found found = query_first(&rows, fold->store, QUERY_due_after, e,
                                       BINDS(bind_blob(relationship_span(&fold->id)), bind_number(fold->our_party),
                                             bind_number(gate), bind_number(position), bind_blob(hash_span(&id))));
        if (found != FOUND) return found == ABSENT;
        struct hash next;
        bool would = false;
        if (!rows_fixed(&rows, 0, next.bytes, sizeof next.bytes, e)) return false;
        gate = rows_number(&rows, 1);
        position = rows_number(&rows, 2);
        id = next;
        rows_close(&rows);
        if (!agreement_would_seal(&facts, &past, &id, &would, e)) return false;
        if (would && !buffer_put(due, hash_span(&id), e)) return false;
    }
}

static bool seal_word_of(struct fold *fold, const struct hash *entry, struct seal_word *out, struct err *e)
{
    unsigned feed = 0;
    out->leaf = *entry;
    if (!feed_find(fold->store, &fold->id, entry, &feed, &out->index, e)) return false;
    for (size_t n = 0; n < fold->feed_count; n++)
        if (fold->feeds[n]->feed.feed == feed) out->log_key = fold->feeds[n]->feed.log_key;
    return true;
}

/* The proposal and each acceptance, by log key, index and leaf. */
static bool seal_words(struct fold *fold, const struct hash *proposal, struct header *out, struct err *e)
{
    struct hash entries[PARTIES_MAX];
    size_t count = 0;
    enum found found = FOUND;
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, fold->store, QUERY_words, e,
                   BINDS(bind_blob(relationship_span(&fold->id)), bind_blob(hash_span(proposal)))))
        return false;
    while (count < PARTIES_MAX && (found = rows_next(&rows, e)) == FOUND)
        if (!rows_fixed(&rows, 2, entries[count++].bytes, sizeof entries[0].bytes, e)) return false;
    rows_close(&rows);
    if (found == FOUND_FAILED) return false;
    out->word_count = count;
    for (size_t i = 0; i < count; i++)
        if (!seal_word_of(fold, &entries[i], &out->words[i], e)) return false;
    return true;
}

static bool noun_of(struct fold *fold, const struct hash *proposal, char *out, size_t cap, struct err *e)
{
    OWNED_ROWS rows = {0};
    struct header h;
    enum found found = query_first(&rows, fold->store, QUERY_entry_body, e,
                                   BINDS(bind_blob(relationship_span(&fold->id)), bind_blob(hash_span(proposal))));
    if (found != FOUND) return found == ABSENT && err_set(e, ERR_CORRUPT, "a proposal that is due is not here");
    if (!header_read(rows_bytes(&rows, 1), &h, e)) return false;
    return span_to_text(h.noun, out, cap) || err_set(e, ERR_CORRUPT, "a proposal's noun is damaged");
}

static bool append_seals(struct fold *fold, struct fold_feed *own, struct appending *a, struct err *e)
{
    static const uint8_t empty_body[2] = {0x91, 0x80}; /* one empty map */
    OWNED_BUFFER due = {0};
    if (own->feed.contested_at != UINT64_MAX) return true; /* what rests on a fork seals nothing: it would stay due for ever */
    if (!collect_due(fold, &due, e)) return false;
    span left = buffer_span(&due), one = {0};
    while (span_take(&left, sizeof(struct hash), &one)) {
        char noun[NOUN_BYTES_MAX + 1] = {0};
        struct header words;
        struct hash entry;
        struct draft draft = {.verb = VERB_SEAL, .noun = noun, .has_ref = true,
                              .body = span_of(empty_body, sizeof empty_body)};
        memcpy(draft.ref.bytes, one.at, one.len);
        if (!noun_of(fold, &draft.ref, noun, sizeof noun, e) || !seal_words(fold, &draft.ref, &words, e) ||
            !append_one(fold, own, a, &draft, &words, &entry, e))
            return false;
        if (fold->effect != EFFECT_FULL)
            return err_set(e, ERR_CORRUPT, "a seal that was due would have no effect: %s", effect_words(fold->effect));
        a->seals++;
    }
    return true;
}

/* ---- drafts ---- */

static bool check_effect(struct fold *fold, struct appending *a, const struct fold_feed *own, struct err *e)
{
    if (own->feed.folded != own->feed.edge.size)
        return err_set(e, ERR_CORRUPT, "our own entry cannot be folded: %s", own->feed.broken_why);
    if (fold->effect == EFFECT_FULL) return true;
    a->is_without_effect = true;
    return err_set(e, ERR_CONFLICT, "this would have no effect: %s", effect_words(fold->effect));
}

/* `is_said`: a person's words follow, not only the seals that are due. */
static bool may_append(const struct fold_feed *own, bool is_said, struct err *e)
{
    if (!own) return err_set(e, ERR_REFUSED, "the opener's feed has not arrived: the parties are not known yet");
    if (own->feed.fork_at != UINT64_MAX) {
        (void)err_set(e, ERR_REFUSED, "our own feed has forked at entry %llu: two nodes wrote under one key",
                      (unsigned long long)own->feed.fork_at);
        return err_next(e, "show `counterpart status` to your counterparts; `counterpart doctor --new-feed` goes on in a new one");
    }
    if (is_said && own->feed.contested_at != UINT64_MAX) {
        (void)err_set(e, ERR_REFUSED, "our own feed rests on a counterpart's fork since entry %llu: what is said in it has no effect",
                      (unsigned long long)own->feed.contested_at);
        return err_next(e, "`counterpart doctor --new-feed` goes on in a new one");
    }
    return own->feed.broken_at == UINT64_MAX || err_set(e, ERR_CORRUPT, "our own feed is frozen: %s", own->feed.broken_why);
}

static bool waits_for_countersignatures(struct err *e)
{
    (void)err_set(e, ERR_REFUSED, "our new feed is not countersigned by every counterpart yet");
    return err_next(e, "`counterpart status` says who is awaited: they compare the check words with you and confirm you again");
}

static bool append_all(void *self, struct err *e)
{
    struct appending *a = self;
    OWNED(fold_free) struct fold *fold = NULL;
    a->seals = 0;
    a->is_without_effect = false;
    if (!fold_load(&fold, a->store, a->id, e) || !fold_run(fold, e)) return false;
    struct fold_feed *own = fold_own(fold);
    if (!fold->is_open_known && a->draft_count == 1 && a->drafts[0].verb == VERB_OPEN && fold->feed_count == 1)
        own = fold->feeds[0];
    if (!may_append(own, a->draft_count > 0, e)) return false;
    bool has_effect = false;
    uint64_t before = own->feed.edge.size;
    if (!fold_may_go_on(fold, own, &has_effect, e)) return false;
    for (size_t i = 0; i < a->draft_count && !has_effect; i++)
        if (a->drafts[i].verb != VERB_SUCCEED) return waits_for_countersignatures(e);
    if (has_effect && !append_seals(fold, own, a, e)) return false;
    for (size_t i = 0; i < a->draft_count; i++)
        if (!append_one(fold, own, a, &a->drafts[i], NULL, &a->ids[i], e) || !check_effect(fold, a, own, e))
            return false;
    if (own->feed.edge.size == before) return fold_save(fold, e);
    return feed_sign(a->store, a->id, &own->feed, a->author->log_key, e) && fold_save(fold, e);
}

bool record_append(struct store *store, const struct relationship_id *id, const struct author *author,
                   const struct draft *drafts, size_t draft_count, struct hash *ids, size_t *seals, struct err *e)
{
    struct appending a = {store, id, author, drafts, draft_count, ids, 0, false};
    bool is_fine = store_transact(store, append_all, &a, e);
    if (!is_fine && a.is_without_effect && a.seals > 0 && !store_in_transaction(store)) {
        /* What was refused must not keep back the seals that were due: they are written by themselves. */
        struct appending only_seals = {store, id, author, NULL, 0, NULL, 0, false};
        struct err unseen = {0};
        if (store_transact(store, append_all, &only_seals, &unseen)) a.seals = only_seals.seals;
    }
    if (seals) *seals = a.seals;
    return is_fine;
}

#include "store/database.h"
#include "store/members.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

#define BRANCH_UNIT 65536u

bool feed_with_root(struct store *store, const struct relationship_id *id, const struct key_public *log_key,
                    uint64_t size, const struct hash *root, struct feed *out, struct err *e)
{
    for (unsigned branch = 0; branch < BRANCHES_MAX; branch++) {
        struct hash ours;
        if (!feed_load(store, id, log_key, branch, out, e)) return false;
        if (size > out->edge.size) continue;
        struct feed_nodes nodes = feed_nodes_of(store, id, out);
        if (!merkle_root_at(feed_nodes(&nodes), size, &ours, e)) return false;
        if (hash_equal(&ours, root)) return true;
    }
    return err_set(e, ERR_MISSING, "no branch of that feed begins so");
}

static bool forks_list(struct store *store, const struct relationship_id *id, struct buffer *out, size_t *count,
                       struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = FOUND;
    if (!rows_open(&rows, store, QUERY_forks, e, BINDS(bind_blob(relationship_span(id))))) return false;
    while ((found = rows_next(&rows, e)) == FOUND) {
        struct fork_proof proof;
        struct reader r = reader_over(rows_bytes(&rows, 0));
        if (!fork_read(&r, &proof, e) || !read_end(&r, e)) return err_set(e, ERR_CORRUPT, "a fork's proof is damaged");
        if (!buffer_put(out, span_of(&proof, sizeof proof), e)) return false;
        (*count)++;
    }
    return found == ABSENT;
}

bool forks_each(struct store *store, const struct relationship_id *id,
                bool (*each)(void *self, const struct fork_proof *proof), void *self, struct err *e)
{
    OWNED_BUFFER proofs = {0};
    size_t count = 0;
    if (!forks_list(store, id, &proofs, &count, e)) return false;
    span left = buffer_span(&proofs), one = {0};
    while (span_take(&left, sizeof(struct fork_proof), &one)) {
        struct fork_proof proof;
        memcpy(&proof, one.at, sizeof proof);
        if (!each(self, &proof)) break;
    }
    return true;
}

bool fork_keep(struct store *store, const struct relationship_id *id, const struct fork_proof *proof, bool *is_new,
               struct err *e)
{
    struct feed feed;
    uint8_t bytes[FORK_PROOF_BYTES_MAX];
    must(store_in_transaction(store));
    *is_new = false;
    if (!feed_load(store, id, &proof->log_key, 0, &feed, e)) return false;
    if (!fork_check(proof, feed.origin)) return err_set(e, ERR_REFUSED, "a fork's proof does not prove it");
    if (feed.fork_at <= proof->at) return true; /* known from there on already: one proof is enough */
    struct sink out = sink_over(bytes, sizeof bytes);
    fork_write(&out, proof);
    must(!out.full);
    *is_new = true;
    return query_run(store, QUERY_fork_add, e,
                     BINDS(bind_blob(relationship_span(id)), bind_blob(key_public_span(&proof->log_key)),
                           bind_u64(proof->at), bind_blob(sink_span(&out)))) &&
           query_run(store, QUERY_feed_fork, e,
                     BINDS(bind_u64(proof->at), bind_blob(relationship_span(id)),
                           bind_blob(key_public_span(&proof->log_key)))) &&
           record_rebuild(store, id, e); /* also when branch 0 had not gone beyond: another branch may have */
}

/* One side of a proof, from a branch we hold. */
static bool side_make(struct store *store, const struct relationship_id *id, const struct feed *feed, uint64_t at,
                      struct fork_side *out, struct err *e)
{
    struct feed_nodes nodes = feed_nodes_of(store, id, feed);
    out->head = feed->head;
    return feed->head.size > at && feed_nodes(&nodes).find(&nodes, 0, at, &out->leaf, e) &&
           merkle_prove_consistency(feed_nodes(&nodes), at, feed->head.size, &out->prefix, e) &&
           merkle_prove_inclusion(feed_nodes(&nodes), at, feed->head.size, &out->inclusion, e);
}

/* Proves the fork between branch 0 and another, once each has a signed head beyond where they part. */
static bool fork_prove(struct store *store, const struct relationship_id *id, const struct key_public *log_key,
                       unsigned branch, bool *is_new, struct err *e)
{
    struct feed main, other;
    struct fork_proof proof = {.log_key = *log_key};
    if (!feed_load(store, id, log_key, 0, &main, e) || !feed_load(store, id, log_key, branch, &other, e)) return false;
    proof.at = other.branch_from;
    if (main.head.size <= proof.at || other.head.size <= proof.at) return true;
    struct feed_nodes nodes = feed_nodes_of(store, id, &main);
    return merkle_root_at(feed_nodes(&nodes), proof.at, &proof.root_at, e) &&
           side_make(store, id, &main, proof.at, &proof.sides[0], e) &&
           side_make(store, id, &other, proof.at, &proof.sides[1], e) && fork_keep(store, id, &proof, is_new, e);
}

/* Branch 0 may be the one that had no signed head beyond where the others part from it, until now. */
static bool forks_prove(struct store *store, const struct relationship_id *id, const struct key_public *log_key,
                        bool *is_new, struct err *e)
{
    for (unsigned branch = 1; branch < BRANCHES_MAX; branch++) {
        struct feed other;
        struct err missing = {0};
        bool is_proven = false;
        if (!feed_load(store, id, log_key, branch, &other, &missing))
            return missing.code == ERR_MISSING || err_set(e, missing.code, "%s", missing.said);
        if (!fork_prove(store, id, log_key, branch, &is_proven, e)) return false;
        *is_new = *is_new || is_proven;
    }
    return true;
}

/* How many of a batch's entries are those we hold of this branch; stops at the first that differs. */
static bool common_count(struct store *store, const struct relationship_id *id, const struct batch *batch,
                         const struct feed *feed, size_t *common, struct err *e)
{
    struct feed_nodes nodes = feed_nodes_of(store, id, feed);
    *common = 0;
    while (*common < batch->entry_count && batch->from + *common < feed->edge.size) {
        struct hash held, leaf = merkle_leaf(batch->entries[*common].header);
        if (!feed_nodes(&nodes).find(&nodes, 0, batch->from + *common, &held, e)) return false;
        if (!hash_equal(&held, &leaf)) break;
        (*common)++;
    }
    return true;
}

static bool branch_open(struct store *store, const struct relationship_id *id, const struct feed *main,
                        unsigned branch, uint64_t from, struct err *e)
{
    struct merkle_edge edge;
    struct feed_nodes nodes = feed_nodes_of(store, id, main);
    if (!merkle_edge_at(feed_nodes(&nodes), from, &edge, e)) return false;
    size_t peaks = (size_t)__builtin_popcountll(from);
    return query_run(store, QUERY_feed_add, e,
                     BINDS(bind_blob(relationship_span(id)), bind_number(main->feed + branch * BRANCH_UNIT),
                           bind_number(main->party), bind_number(main->ordinal), bind_number(branch),
                           bind_blob(key_public_span(&main->log_key)), bind_text(span_text(main->origin)),
                           bind_u64(from), bind_blob(span_of(edge.peaks, peaks * sizeof edge.peaks[0])),
                           bind_u64(from))) &&
           (main->fork_at == UINT64_MAX || /* its proof came before the branch itself */
            query_run(store, QUERY_feed_fork, e,
                      BINDS(bind_u64(main->fork_at), bind_blob(relationship_span(id)),
                            bind_blob(key_public_span(&main->log_key)))));
}

static bool take_into(struct store *store, const struct relationship_id *id, const struct batch *batch,
                      unsigned branch, size_t skip, uint64_t *taken, struct err *e)
{
    struct batch rest = *batch;
    rest.branch = branch;
    rest.from += skip;
    rest.entries += skip;
    rest.entry_count -= skip;
    return feed_take(store, id, &rest, taken, e);
}

/* Does the batch begin with what the branch holds so far, and is its head none of another branch? */
static bool joins(struct store *store, const struct relationship_id *id, const struct batch *batch,
                  const struct feed *feed, bool *begins, bool *has_head, struct err *e)
{
    struct hash root;
    struct feed_nodes nodes = feed_nodes_of(store, id, feed);
    *begins = *has_head = batch->from <= feed->edge.size;
    if (!*begins) return true;
    if (batch->root_at) {
        if (!merkle_root_at(feed_nodes(&nodes), batch->from, &root, e)) return false;
        *begins = *has_head = hash_equal(&root, batch->root_at);
    }
    if (!*begins || batch->head->size > feed->edge.size) return true;
    if (!merkle_root_at(feed_nodes(&nodes), batch->head->size, &root, e)) return false;
    *has_head = hash_equal(&root, &batch->head->root);
    return true;
}

/* Where a batch may go. */
struct placing {
    unsigned branch_count;
    bool is_in_main;  /* it begins as branch 0 does ... */
    struct feed main;
    size_t common;    /* ... and goes on so for this many entries */
};

/* The branch that holds the batch or that it goes on with; false in `is_placed` when it parts from all. */
static bool find_branch(struct store *store, const struct relationship_id *id, const struct batch *batch,
                        struct placing *p, unsigned *branch, bool *is_placed, struct err *e)
{
    *is_placed = false;
    for (unsigned b = 0; b < BRANCHES_MAX && !*is_placed; b++) {
        struct feed feed;
        struct err missing = {0};
        size_t common = 0;
        bool begins = false, has_head = false;
        if (!feed_load(store, id, batch->log_key, b, &feed, &missing))
            return missing.code == ERR_MISSING && b > 0 ? true : err_set(e, missing.code, "%s", missing.said);
        p->branch_count = b + 1;
        if (!joins(store, id, batch, &feed, &begins, &has_head, e)) return false;
        if (!begins) continue;
        if (!common_count(store, id, batch, &feed, &common, e)) return false;
        *is_placed = has_head && (common == batch->entry_count || batch->from + common == feed.edge.size);
        if (*is_placed) *branch = b;
        if (b > 0) continue;
        p->is_in_main = true;
        p->main = feed;
        p->common = common;
    }
    return true;
}

/* May one more branch be kept of this party's feeds? */
static bool has_room(struct store *store, const struct relationship_id *id, unsigned party, bool *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, store, QUERY_feeds_of_party, e,
                                   BINDS(bind_blob(relationship_span(id)), bind_number(party)));
    *out = found == FOUND && rows_number(&rows, 0) < FEEDS_OF_PARTY_MAX;
    return found != FOUND_FAILED;
}

bool feed_take_any(struct store *store, const struct relationship_id *id, const struct batch *batch, unsigned *branch,
                   uint64_t *taken, bool *is_forked, struct err *e)
{
    struct placing p = {0};
    bool is_placed = false;
    struct err missing = {0};
    *branch = 0;
    *taken = 0;
    *is_forked = false;
    if (!feed_load(store, id, batch->log_key, 0, &p.main, &missing) &&
        (missing.code != ERR_MISSING || !successor_introduce(store, id, batch, &missing)))
        return err_set(e, missing.code, "%s", missing.said);
    if (!find_branch(store, id, batch, &p, branch, &is_placed, e)) return false;
    if (is_placed)
        return take_into(store, id, batch, *branch, 0, taken, e) &&
               (*branch == 0 ? forks_prove(store, id, batch->log_key, is_forked, e)
                             : fork_prove(store, id, batch->log_key, *branch, is_forked, e));
    if (!p.is_in_main)
        return err_set(e, ERR_MISSING, "the entries from %llu on part from a branch, or join on to nothing",
                       (unsigned long long)batch->from);
    if (p.common == batch->entry_count) return true; /* another head over what we hold: the entry that differs comes yet */
    /* Not the fault of whoever brings it: it is passed over like entries that join on to nothing. */
    if (!has_room(store, id, p.main.party, &is_placed, e)) return false;
    if (p.branch_count == BRANCHES_MAX || !is_placed)
        return err_set(e, ERR_MISSING, "a feed has parted more often than the %d branches that are kept", BRANCHES_MAX);
    *branch = p.branch_count;
    return branch_open(store, id, &p.main, *branch, batch->from + p.common, e) &&
           take_into(store, id, batch, *branch, p.common, taken, e) &&
           fork_prove(store, id, batch->log_key, *branch, is_forked, e);
}

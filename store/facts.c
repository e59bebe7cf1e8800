/*
 * The rules' look-ups and records (protocol/agreement.h) over SQL, and the state digest kept up beside them.
 */
#include "store/fold.h"

#include <string.h>

static struct bind rel(const struct fold *fold)
{
    return bind_blob(relationship_span(&fold->id));
}

static struct bind hashed(const struct hash *h)
{
    return bind_blob(hash_span(h));
}

/* ---- the state digest: FORMAT.md section 9 ---- */

static void sum_change(struct fold *fold, bool is_added, const char *label, const struct hash *what, unsigned party,
                       unsigned word)
{
    uint8_t fact[34];
    memcpy(fact, what->bytes, sizeof what->bytes);
    fact[32] = (uint8_t)party;
    fact[33] = (uint8_t)word;
    if (is_added) lthash_add(&fold->sum, label, span_of(fact, sizeof fact));
    else lthash_remove(&fold->sum, label, span_of(fact, sizeof fact));
    fold->is_sum_changed = true;
}

static unsigned word_state(const struct word *word)
{
    return (unsigned)word->kind + (word->left == POSITION_NONE ? 0 : 2);
}

/* ---- look-ups ---- */

static enum found find_changes(struct fold *fold, const struct hash *id, struct proposal *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, fold->store, QUERY_changes, e, BINDS(rel(fold), hashed(id)))) return FOUND_FAILED;
    out->change_count = 0;
    for (;;) {
        enum found found = rows_next(&rows, e);
        if (found == FOUND_FAILED) return found;
        if (found == ABSENT) return FOUND;
        if (out->change_count == ITEMS_MAX) {
            (void)err_set(e, ERR_CORRUPT, "a proposal changes more than %d items", ITEMS_MAX);
            return FOUND_FAILED;
        }
        struct change *c = &out->changes[out->change_count++];
        if (!rows_fixed(&rows, 0, c->item.bytes, 32, e) || !rows_fixed(&rows, 1, c->base.bytes, 32, e))
            return FOUND_FAILED;
    }
}

static enum found find_proposal(void *self, const struct hash *id, struct proposal *out, struct err *e)
{
    struct fold *fold = self;
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_proposal, e, BINDS(rel(fold), hashed(id)));
    if (found != FOUND) return found;
    if (!rows_below(&rows, 0, PARTIES_MAX, &out->party, e)) return FOUND_FAILED;
    out->position = (uint64_t)rows_number(&rows, 1);
    out->sealed = rows_optional(&rows, 2);
    return find_changes(fold, id, out, e);
}

static bool find_proposer(struct fold *fold, const struct hash *proposal, unsigned *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_proposal, e, BINDS(rel(fold), hashed(proposal)));
    if (found == ABSENT) return err_set(e, ERR_CORRUPT, "a word on a proposal that is not in the table");
    return found == FOUND && rows_below(&rows, 0, PARTIES_MAX, out, e);
}

static enum found find_word(void *self, const struct hash *proposal, unsigned party, struct word *out, struct err *e)
{
    struct fold *fold = self;
    OWNED_ROWS rows = {0};
    if (fold->header && hash_equal(proposal, &fold->entry) && !fold->is_own_word) return ABSENT; /* it is being proposed now */
    enum found found =
        query_first(&rows, fold->store, QUERY_word, e, BINDS(rel(fold), hashed(proposal), bind_number(party)));
    if (found != FOUND) return found;
    unsigned kind = 0;
    if (!rows_below(&rows, 0, WORD_NO + 1, &kind, e)) return FOUND_FAILED;
    *out = (struct word){(enum word_kind)kind, (uint64_t)rows_number(&rows, 1), rows_optional(&rows, 2)};
    return FOUND;
}

/* Did the entry being folded create this item? Then nothing that was folded before knows it. */
static bool is_created_here(const struct fold *fold, const struct hash *item)
{
    for (size_t i = 0; i < fold->header->item_count; i++) {
        struct hash created = {0};
        if (!fold->header->items[i].is_new) continue;
        created = header_item(fold->header, &fold->entry, i);
        if (hash_equal(&created, item)) return true;
    }
    return false;
}

static enum found find_stand(void *self, unsigned party, const struct change *on, struct hash *proposal, struct err *e)
{
    struct fold *fold = self;
    OWNED_ROWS rows = {0};
    if (is_created_here(fold, &on->item)) return ABSENT; /* nobody has stood on it before */
    enum found found = query_first(&rows, fold->store, QUERY_stand, e,
                                   BINDS(rel(fold), bind_number(party), hashed(&on->item), hashed(&on->base),
                                         hashed(&fold->entry))); /* not on what is being proposed now */
    if (found == FOUND && !rows_fixed(&rows, 0, proposal->bytes, 32, e)) return FOUND_FAILED;
    return found;
}

static bool revision_from_row(const struct rows *rows, struct revision *out, struct err *e)
{
    out->sealed = (uint64_t)rows_number(rows, 3);
    return rows_below(rows, 2, PARTIES_MAX, &out->party, e) && rows_fixed(rows, 0, out->proposal.bytes, 32, e) &&
           rows_fixed(rows, 1, out->base.bytes, 32, e);
}

static enum found find_successor(void *self, const struct change *on, struct revision *out, struct err *e)
{
    struct fold *fold = self;
    OWNED_ROWS rows = {0};
    enum found found =
        fold->header && is_created_here(fold, &on->item)
            ? ABSENT
            : query_first(&rows, fold->store, QUERY_revision, e,
                          BINDS(rel(fold), hashed(&on->item), hashed(&on->base)));
    if (found == FOUND && !revision_from_row(&rows, out, e)) return FOUND_FAILED;
    return found;
}

static enum found find_revision(void *self, const struct hash *item, const struct hash *proposal, struct revision *out,
                                struct err *e)
{
    struct proposal p;
    enum found found = find_proposal(self, proposal, &p, e);
    if (found != FOUND) return found;
    if (p.sealed == POSITION_NONE) return ABSENT;
    for (size_t i = 0; i < p.change_count; i++) {
        if (!hash_equal(&p.changes[i].item, item)) continue;
        *out = (struct revision){*proposal, p.party, p.sealed, p.changes[i].base};
        return FOUND;
    }
    return ABSENT;
}

static enum found find_item(void *self, const struct hash *item, unsigned *party, uint64_t *position, struct err *e)
{
    struct fold *fold = self;
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_item_place, e, BINDS(rel(fold), hashed(item)));
    if (found != FOUND) return found;
    if (!rows_below(&rows, 0, PARTIES_MAX, party, e)) return FOUND_FAILED;
    *position = (uint64_t)rows_number(&rows, 1);
    return FOUND;
}

static enum found find_due(void *self, unsigned proposer, unsigned gate_party, uint64_t below, struct hash *proposal,
                           struct err *e)
{
    struct fold *fold = self;
    OWNED_ROWS rows = {0};
    enum found found = query_first(
        &rows, fold->store, QUERY_due, e,
        BINDS(rel(fold), bind_number(proposer), bind_number(gate_party), bind_u64(below)));
    if (found == FOUND && !rows_fixed(&rows, 0, proposal->bytes, 32, e)) return FOUND_FAILED;
    return found;
}

static enum found find_statement(void *self, const struct hash *id, struct statement *out, struct err *e)
{
    struct fold *fold = self;
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_statement, e, BINDS(rel(fold), hashed(id)));
    if (found != FOUND) return found;
    out->position = (uint64_t)rows_number(&rows, 1);
    if (!rows_below(&rows, 0, PARTIES_MAX, &out->party, e)) return FOUND_FAILED;
    return FOUND;
}

static enum found find_statement_word(void *self, const struct hash *statement, unsigned party,
                                      enum statement_word *out, struct err *e)
{
    struct fold *fold = self;
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_statement_word, e,
                                   BINDS(rel(fold), hashed(statement), bind_number(party)));
    unsigned word = 0;
    if (found != FOUND) return found;
    if (!rows_below(&rows, 0, STATEMENT_NO_WORD + 1, &word, e)) return FOUND_FAILED;
    *out = (enum statement_word)word;
    return FOUND;
}

/* ---- records ---- */

/* A proposal that does nothing but create one item has no row of its own: the item's tells it. */
static bool is_told_by_item(const struct hash *proposal, const struct hash *first_item, size_t change_count)
{
    return change_count == 1 && hash_equal(proposal, first_item);
}

static bool add_item(void *self, const struct hash *item, unsigned party, uint64_t position, struct err *e)
{
    static const struct hash start;
    struct fold *fold = self;
    bool is_proposal = fold->header->verb == VERB_PROPOSE &&
                       is_told_by_item(&fold->entry, item, fold->header->item_count);
    /* The number counts every item the author's entries created, this one's in the order they stand in it. */
    uint64_t number = fold->items_before + ++fold->created;
    sum_change(fold, true, "counterpart/v1/state/item", item, party, 0);
    return query_run(fold->store, QUERY_item_add, e,
                     BINDS(rel(fold), hashed(item), bind_text(fold->header->noun), bind_number(party), bind_u64(number),
                           bind_u64(position), bind_number(fold->at->feed.feed),
                           hash_equal(item, &fold->entry) ? bind_null() : hashed(&fold->entry),
                           is_proposal ? hashed(&start) : bind_null()));
}

static bool put_waiting(struct fold *fold, enum need need, const struct hash *entry, const struct hash *item,
                        unsigned party, uint64_t time_ms, struct err *e)
{
    return query_run(fold->store, QUERY_open_statement_put, e,
                     BINDS(rel(fold), bind_number(need), hashed(entry), hashed(item), bind_number(party),
                           bind_u64(time_ms)));
}

static bool drop_waiting(struct fold *fold, enum need need, const struct hash *statement, struct err *e)
{
    return query_run(fold->store, QUERY_open_statement_drop, e, BINDS(rel(fold), bind_number(need), hashed(statement)));
}

static bool drop_open_offer(struct fold *fold, const struct hash *proposal, struct err *e)
{
    return query_run(fold->store, QUERY_open_offer_drop, e, BINDS(rel(fold), hashed(proposal)));
}

static bool add_proposal(void *self, const struct hash *id, const struct proposal *p, struct err *e)
{
    struct fold *fold = self;
    if (!is_told_by_item(id, &p->changes[0].item, p->change_count) &&
        !query_run(fold->store, QUERY_proposal_add, e,
                   BINDS(rel(fold), hashed(id), bind_number(p->party), bind_u64(p->position),
                         hashed(&p->changes[0].item), hashed(&p->changes[0].base))))
        return false;
    for (size_t i = 1; i < p->change_count; i++)
        if (!query_run(fold->store, QUERY_change_add, e,
                       BINDS(rel(fold), hashed(id), bind_u64(i), hashed(&p->changes[i].item),
                             hashed(&p->changes[i].base))))
            return false;
    if (p->party == fold->our_party) return true;
    for (size_t i = 0; i < p->change_count; i++) {
        struct revision revision;
        enum found found = find_successor(fold, &p->changes[i], &revision, e);
        if (found != ABSENT) return found == FOUND; /* overtaken before it came to us */
    }
    return query_run(fold->store, QUERY_open_offer_put, e,
                     BINDS(rel(fold), bind_number(p->party), bind_u64(p->position), hashed(id),
                           hashed(&p->changes[0].item), bind_u64(fold->header->time_ms)));
}

/* The proposer's own word stands in the proposal's row; it is FOR from the start, and may be left. */
static bool write_word(struct fold *fold, const struct hash *proposal, unsigned party, bool is_proposers,
                       const struct word *word, const struct hash *entry, struct err *e)
{
    if (!is_proposers)
        return query_run(fold->store, QUERY_word_put, e,
                         BINDS(rel(fold), hashed(proposal), bind_number(party), bind_number(word->kind),
                               bind_u64(word->given), bind_optional(word->left), hashed(entry)));
    return word->left == POSITION_NONE ||
           (query_run(fold->store, QUERY_proposal_leave, e,
                      BINDS(bind_optional(word->left), rel(fold), hashed(proposal))) &&
            query_run(fold->store, QUERY_proposal_leave_created, e,
                      BINDS(bind_optional(word->left), rel(fold), hashed(proposal))));
}

static bool put_word(void *self, const struct hash *proposal, unsigned party, const struct word *word,
                     const struct hash *entry, struct err *e)
{
    struct fold *fold = self;
    struct word was;
    bool is_proposed_now = hash_equal(proposal, &fold->entry);
    unsigned proposer = party;
    enum found found = find_word(fold, proposal, party, &was, e);
    if (found == FOUND_FAILED) return false;
    if (found == FOUND) sum_change(fold, false, "counterpart/v1/state/word", proposal, party, word_state(&was));
    sum_change(fold, true, "counterpart/v1/state/word", proposal, party, word_state(word));
    if (is_proposed_now) fold->is_own_word = true;
    else if (!find_proposer(fold, proposal, &proposer, e)) return false;
    if (!write_word(fold, proposal, party, party == proposer, word, entry, e)) return false;
    /* An offer waits for us until we have spoken, somebody has said NO or its proposer has left it. */
    bool is_settled = party == fold->our_party || word->kind == WORD_NO ||
                      (party == proposer && word->left != POSITION_NONE);
    return !is_settled || is_proposed_now || drop_open_offer(fold, proposal, e);
}

static bool put_stand(void *self, unsigned party, const struct change *on, const struct hash *proposal, struct err *e)
{
    struct fold *fold = self;
    if (!proposal) /* a stand on one's own proposal ends with the word on it */
        return query_run(fold->store, QUERY_stand_drop, e,
                         BINDS(rel(fold), bind_number(party), hashed(&on->item), hashed(&on->base)));
    if (hash_equal(proposal, &fold->entry)) return true; /* one's own: the proposal's row says it */
    return query_run(fold->store, QUERY_stand_put, e,
                     BINDS(rel(fold), bind_number(party), hashed(&on->item), hashed(&on->base), hashed(proposal)));
}

static bool reference_of(struct fold *fold, const struct hash *item, char *out, size_t cap, struct buffer *noun,
                         struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_item_reference, e, BINDS(rel(fold), hashed(item)));
    if (found != FOUND) return found == ABSENT && err_set(e, ERR_CORRUPT, "an agreed item is not in the table");
    unsigned party = 0;
    if (!rows_below(&rows, 0, PARTIES_MAX, &party, e)) return false;
    struct sink sink = sink_over(out, cap - 1);
    sink_text(&sink, fold->codes[party]);
    sink_text(&sink, "-");
    sink_decimal(&sink, (uint64_t)rows_number(&rows, 1));
    out[sink.len] = '\0';
    noun->len = 0;
    return buffer_put(noun, rows_bytes(&rows, 2), e);
}

/* Puts map number `ordinal` of an entry's body into its noun's typed table. A body that does not fit shows no fields. */
static bool put_typed(struct fold *fold, enum field_kind kind, const struct hash *item, const struct hash *entry,
                      span body, size_t ordinal, struct err *e)
{
    char reference[CODE_BYTES_MAX + 24] = {0};
    struct body_field fields[FIELDS_MAX];
    size_t count = 0;
    struct err unfit = {0};
    OWNED_BUFFER noun_text = {0};
    if (!reference_of(fold, item, reference, sizeof reference, &noun_text, e)) return false;
    const struct noun *noun = vocabulary_find(buffer_span(&noun_text));
    if (!noun) return true;
    if (!body.at || !body_read(body, ordinal, fields, &count, &unfit)) count = 0;
    return tables_put(fold->store, &fold->id, noun, kind, item, reference, entry, fields, count, e);
}

static bool show_sealed(struct fold *fold, const struct hash *id, const struct proposal *p, struct err *e)
{
    OWNED_ROWS rows = {0};
    OWNED_BUFFER body = {0};
    enum found found = query_first(&rows, fold->store, QUERY_entry_body, e, BINDS(rel(fold), hashed(id)));
    if (found == FOUND_FAILED) return false;
    if (found == FOUND && !rows_is_null(&rows, 0) && !buffer_put(&body, rows_bytes(&rows, 0), e)) return false;
    rows_close(&rows);
    for (size_t i = 0; i < p->change_count; i++)
        if (!put_typed(fold, FIELD_TERM, &p->changes[i].item, id, buffer_span(&body), i, e)) return false;
    return true;
}

static bool seal(void *self, const struct hash *id, const struct proposal *p, uint64_t position,
                 const struct hash *entry, struct err *e)
{
    struct fold *fold = self;
    sum_change(fold, true, "counterpart/v1/state/agreed", id, p->party, 0);
    bool is_in_item = is_told_by_item(id, &p->changes[0].item, p->change_count);
    if (!query_run(fold->store, is_in_item ? QUERY_proposal_seal_created : QUERY_proposal_seal, e,
                   BINDS(bind_u64(position), hashed(entry), rel(fold), hashed(id))))
        return false;
    for (size_t i = 0; i < p->change_count; i++) {
        const struct change *c = &p->changes[i];
        if (!query_run(fold->store, QUERY_revision_add, e,
                       BINDS(rel(fold), hashed(&c->item), hashed(&c->base), hashed(id), bind_number(p->party),
                             bind_u64(position))) ||
            !query_run(fold->store, QUERY_item_revise, e, BINDS(hashed(id), rel(fold), hashed(&c->item))) ||
            !query_run(fold->store, QUERY_open_offers_overtaken, e, BINDS(rel(fold), hashed(&c->item), hashed(&c->base))))
            return false;
    }
    return drop_open_offer(fold, id, e) && show_sealed(fold, id, p, e);
}

static bool drop_due(void *self, unsigned proposer, const struct hash *proposal, struct err *e)
{
    (void)proposer;
    struct fold *fold = self;
    return query_run(fold->store, QUERY_due_drop, e, BINDS(rel(fold), hashed(proposal)));
}

static bool put_due(void *self, unsigned proposer, const struct hash *proposal, unsigned gate_party,
                    uint64_t gate_position, struct err *e)
{
    struct fold *fold = self;
    return drop_due(self, proposer, proposal, e) &&
           query_run(fold->store, QUERY_due_put, e,
                     BINDS(rel(fold), bind_number(proposer), bind_number(gate_party), bind_u64(gate_position),
                           hashed(proposal)));
}

/*
 * Of two statements on one item, the later is the one whose author had seen more; that is fixed by the entry itself and
 * grows along every path, so that the newest does not depend on which came to us first.
 */
static uint64_t past_sum(const struct fold *fold)
{
    struct past past;
    uint64_t sum = 0;
    fold_past(fold, fold->at, &past);
    for (size_t p = 0; p < PARTIES_MAX; p++) sum += past.below[p];
    return sum;
}

static bool is_newest(struct fold *fold, const struct hash *statement, const struct hash *item, bool *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_item_statement, e, BINDS(rel(fold), hashed(item)));
    *out = found == FOUND && span_equal(rows_bytes(&rows, 0), hash_span(statement));
    return found != FOUND_FAILED;
}

static bool add_statement(void *self, const struct hash *id, const struct statement *s, struct err *e)
{
    struct fold *fold = self;
    struct hash item = header_item(fold->header, &fold->entry, 0);
    bool is_shown = false;
    sum_change(fold, true, "counterpart/v1/state/statement", id, s->party, 0);
    if (!query_run(fold->store, QUERY_statement_add, e,
                   BINDS(rel(fold), hashed(id), hashed(&item), bind_number(s->party), bind_u64(s->position),
                         bind_u64(past_sum(fold)))) ||
        !query_run(fold->store, QUERY_item_state, e, BINDS(rel(fold), hashed(&item))) ||
        !is_newest(fold, id, &item, &is_shown, e))
        return false;
    if (!is_shown) return true;
    if (!query_run(fold->store, QUERY_open_statements_restated, e, BINDS(rel(fold), hashed(&item)))) return false;
    const struct noun *noun = vocabulary_find(fold->header->noun);
    if (noun && noun->wants_acknowledgement && s->party != fold->our_party &&
        !put_waiting(fold, NEED_WORD_ON_STATEMENT, id, &item, s->party, fold->header->time_ms, e))
        return false;
    return put_typed(fold, FIELD_STATEMENT, &item, id, fold->body, 0, e);
}

static bool entry_time(struct fold *fold, const struct hash *entry, uint64_t *out, struct err *e)
{
    struct header h;
    OWNED_ROWS rows = {0};
    enum found found = query_first(&rows, fold->store, QUERY_entry_body, e, BINDS(rel(fold), hashed(entry)));
    if (found != FOUND) return found == ABSENT && err_set(e, ERR_CORRUPT, "a word on a statement is not here");
    if (!header_read(rows_bytes(&rows, 1), &h, e)) return false;
    *out = h.time_ms;
    return true;
}

/* Our statement waits for our answer as long as somebody disputes it and we have not restated it. */
static bool settle_dispute(struct fold *fold, const struct hash *statement, struct err *e)
{
    struct hash entry, item;
    uint64_t time_ms = 0;
    bool is_shown = false;
    OWNED_ROWS rows = {0};
    if (!drop_waiting(fold, NEED_ANSWER_TO_DISPUTE, statement, e)) return false;
    enum found found =
        query_first(&rows, fold->store, QUERY_statement_disputed, e, BINDS(rel(fold), hashed(statement)));
    if (found != FOUND) return found == ABSENT;
    unsigned party = 0;
    if (!rows_below(&rows, 0, PARTIES_MAX, &party, e) || !rows_fixed(&rows, 1, entry.bytes, sizeof entry.bytes, e) ||
        !rows_fixed(&rows, 2, item.bytes, sizeof item.bytes, e))
        return false;
    rows_close(&rows);
    if (!is_newest(fold, statement, &item, &is_shown, e) || !entry_time(fold, &entry, &time_ms, e)) return false;
    return !is_shown || put_waiting(fold, NEED_ANSWER_TO_DISPUTE, statement, &item, party, time_ms, e);
}

static bool put_statement_word(void *self, const struct hash *statement, unsigned party, enum statement_word word,
                               const struct hash *entry, struct err *e)
{
    struct fold *fold = self;
    enum statement_word was = STATEMENT_NO_WORD;
    struct statement s = {0};
    enum found found = find_statement_word(fold, statement, party, &was, e);
    if (found == FOUND_FAILED || find_statement(fold, statement, &s, e) != FOUND) return false;
    if (found == FOUND) sum_change(fold, false, "counterpart/v1/state/answer", statement, party, (unsigned)was);
    sum_change(fold, true, "counterpart/v1/state/answer", statement, party, (unsigned)word);
    if (!query_run(fold->store, QUERY_statement_word_put, e,
                   BINDS(rel(fold), hashed(statement), bind_number(party), bind_number(word), hashed(entry))))
        return false;
    if (party == fold->our_party) return drop_waiting(fold, NEED_WORD_ON_STATEMENT, statement, e);
    return s.party != fold->our_party || settle_dispute(fold, statement, e);
}

struct facts fold_facts(struct fold *fold)
{
    return (struct facts){
        .self = fold,
        .party_count = fold->party_count,
        .proposal = find_proposal,
        .word = find_word,
        .stand = find_stand,
        .revision = find_revision,
        .successor = find_successor,
        .item = find_item,
        .due = find_due,
        .statement = find_statement,
        .statement_word = find_statement_word,
        .add_item = add_item,
        .add_proposal = add_proposal,
        .put_word = put_word,
        .put_stand = put_stand,
        .seal = seal,
        .put_due = put_due,
        .drop_due = drop_due,
        .add_statement = add_statement,
        .put_statement_word = put_statement_word,
    };
}

#include "protocol/agreement.h"

/*
 * From where a judgement is made: a past, and whose own seal at its end counts too (-1: nobody's).
 */
struct view {
    const struct facts *facts;
    const struct past *past;
    int viewer;
};

static struct view view_of_author(const struct facts *facts, const struct act *act)
{
    return (struct view){facts, &act->past, (int)act->party};
}

static bool is_past(const struct past *past, unsigned party, uint64_t position)
{
    return position < past->below[party];
}

/*
 * The author's own seals at the position it now writes bind it already: R4 was applied before its
 * own effect is judged, so they stand recorded with exactly that position.
 */
static bool seal_counts(unsigned party, uint64_t sealed, const struct past *past, int viewer)
{
    if (sealed == POSITION_NONE) return false;
    return is_past(past, party, sealed) || ((int)party == viewer && sealed == past->below[party]);
}

bool agreement_is_agreed(const struct proposal *proposal, const struct past *past, int viewer)
{
    return seal_counts(proposal->party, proposal->sealed, past, viewer);
}

bool agreement_is_contested(const uint64_t *reach, const uint64_t *limits, size_t feed_count)
{
    for (size_t feed = 0; feed < feed_count; feed++) {
        if (reach[feed] > limits[feed]) return true;
    }
    return false;
}

/* R5: is the base of `change` the head of its item, as seen in `view`? */
static bool base_is_head(const struct view *view, const struct change *change, bool *is_head,
                         struct err *e)
{
    const struct facts *facts = view->facts;
    struct revision revision = {0};

    if (!hash_is_zero(&change->base)) {
        enum found found = facts->revision(facts->self, &change->item, &change->base, &revision, e);
        if (found == FOUND_FAILED) return false;
        if (found == ABSENT ||
            !seal_counts(revision.party, revision.sealed, view->past, view->viewer)) {
            *is_head = false;
            return true;
        }
    }
    enum found found = facts->successor(facts->self, change, &revision, e);
    if (found == FOUND_FAILED) return false;
    *is_head =
        found == ABSENT || !seal_counts(revision.party, revision.sealed, view->past, view->viewer);
    return true;
}

static bool bases_are_heads(const struct view *view, const struct change *changes, size_t count,
                            bool *are_heads, struct err *e)
{
    bool is_head = true;
    for (size_t i = 0; i < count && is_head; i++) {
        if (!base_is_head(view, &changes[i], &is_head, e)) return false;
    }
    *are_heads = is_head;
    return true;
}

/* What the record says exists; its absence is our own disk contradicting itself. */
static bool proposal_recorded(const struct facts *facts, const struct hash *id,
                              struct proposal *out, struct err *e)
{
    enum found found = facts->proposal(facts->self, id, out, e);
    if (found == ABSENT)
        return err_set(e, ERR_CORRUPT, "the record points to a proposal it does not hold");
    return found == FOUND;
}

static bool word_recorded(const struct facts *facts, const struct hash *id, unsigned party,
                          struct word *out, struct err *e)
{
    enum found found = facts->word(facts->self, id, party, out, e);
    if (found == ABSENT || (found == FOUND && out->kind != WORD_FOR))
        return err_set(e, ERR_CORRUPT,
                       "the record lacks the acceptance of party %u that it points to", party);
    return found == FOUND;
}

/* ------------------------------------------------------------ R4: the proposer's seal */

/* Where the words on a due proposal stand in the past of the entry that may seal it. */
struct tally {
    bool is_left;    /* somebody has left */
    bool is_waiting; /* somebody's word is not in this past: `party`'s, given at `position` */
    unsigned party;
    uint64_t position;
};

static bool tally_words(const struct facts *facts, const struct past *past, const struct hash *id,
                        struct tally *out, struct err *e)
{
    struct tally tally = {0};
    for (unsigned party = 0; party < facts->party_count; party++) {
        struct word word = {0};
        if (!word_recorded(facts, id, party, &word, e)) return false;
        if (!is_past(past, party, word.given)) {
            tally.is_waiting = true;
            tally.party = party;
            tally.position = word.given;
        } else if (is_past(past, party, word.left)) {
            tally.is_left = true;
        }
    }
    *out = tally;
    return true;
}

/*
 * `id` is due (every party's FOR word is recorded) and the party it waited for has spoken in this
 * past. It is sealed, waits for another party, or is dropped for good. For good, because what
 * hinders it is final: a word left stays left (R1), a base once built upon is never the head again
 * (R5), and the pasts of the proposer's later entries hold all of this one's.
 */
static bool judge_due(const struct facts *facts, const struct act *act, const struct hash *id,
                      size_t *seals, struct err *e)
{
    struct proposal proposal = {0};
    struct tally tally = {0};
    if (!proposal_recorded(facts, id, &proposal, e)) return false;
    if (!tally_words(facts, &act->past, id, &tally, e)) return false;
    /* Waiting comes first, so that what is due depends on what was folded and not on the order. */
    if (tally.is_waiting)
        return facts->put_due(facts->self, act->party, id, tally.party, tally.position, e);
    if (tally.is_left) return facts->drop_due(facts->self, act->party, id, e);

    bool are_heads = false;
    const struct view view = {facts, &act->past, -1};
    /* Follows from R1 and R2 while they hold for everybody; R4 asks for it, so it is asked. */
    if (!bases_are_heads(&view, proposal.changes, proposal.change_count, &are_heads, e))
        return false;
    if (are_heads) {
        if (!facts->seal(facts->self, id, &proposal, act->position, &act->id, e)) return false;
        (*seals)++;
    }
    return facts->drop_due(facts->self, act->party, id, e);
}

bool agreement_would_seal(const struct facts *facts, const struct past *past, const struct hash *id,
                          bool *would, struct err *e)
{
    struct proposal proposal = {0};
    struct tally tally = {0};
    const struct view view = {facts, past, -1};
    *would = false;
    if (!proposal_recorded(facts, id, &proposal, e)) return false;
    if (!tally_words(facts, past, id, &tally, e)) return false;
    if (tally.is_left || tally.is_waiting || proposal.sealed != POSITION_NONE) return true;
    return bases_are_heads(&view, proposal.changes, proposal.change_count, would, e);
}

/* Everything of the author that waited for the word of `gate`, as far as this past reaches. */
static bool judge_gate(const struct facts *facts, const struct act *act, unsigned gate,
                       size_t *seals, struct err *e)
{
    struct hash last = {0};
    for (;;) {
        struct hash id = {0};
        enum found found = facts->due(facts->self, act->party, gate, act->past.below[gate], &id, e);
        if (found == FOUND_FAILED) return false;
        if (found == ABSENT) return true;
        /* Judging moved or dropped its gate; a record that forgets would keep us here for ever. */
        if (hash_equal(&id, &last))
            return err_set(e, ERR_CORRUPT, "a due proposal is still due after it was judged");
        if (!judge_due(facts, act, &id, seals, e)) return false;
        last = id;
    }
}

static bool seal_what_is_due(const struct facts *facts, const struct act *act, size_t *seals,
                             struct err *e)
{
    for (unsigned gate = 0; gate < facts->party_count; gate++) {
        if (gate == act->party || !act->advanced[gate]) continue;
        if (!judge_gate(facts, act, gate, seals, e)) return false;
    }
    return true;
}

/*
 * Once the last party's FOR word is recorded the proposal is due, and waits for its proposer to
 * hear that word.
 */
static bool note_if_due(const struct facts *facts, const struct act *act,
                        const struct proposal *proposal, struct err *e)
{
    for (unsigned party = 0; party < facts->party_count; party++) {
        struct word word = {0};
        enum found found = facts->word(facts->self, &act->ref, party, &word, e);
        if (found == FOUND_FAILED) return false;
        if (found == ABSENT || word.kind != WORD_FOR) return true;
    }
    return facts->put_due(facts->self, proposal->party, &act->ref, act->party, act->position, e);
}

/* ------------------------------------------------------------ R1 and R2: words and stands */

/* The author leaves `id`, which it is FOR, at this position. */
static bool leave(const struct facts *facts, const struct act *act, const struct hash *id,
                  const struct proposal *proposal, struct err *e)
{
    struct word word = {0};
    if (!word_recorded(facts, id, act->party, &word, e)) return false;
    word.left = act->position;
    if (!facts->put_word(facts->self, id, act->party, &word, &act->id, e)) return false;

    for (size_t i = 0; i < proposal->change_count; i++) {
        struct hash stand = {0};
        enum found found = facts->stand(facts->self, act->party, &proposal->changes[i], &stand, e);
        if (found == FOUND_FAILED) return false;
        if (found == ABSENT || !hash_equal(&stand, id)) continue;
        if (!facts->put_stand(facts->self, act->party, &proposal->changes[i], NULL, e))
            return false;
    }
    return true;
}

/*
 * R2: leaves every other open proposal that shares an (item, base) with `id`, and stands on `id`
 * there instead.
 */
static bool take_stand(const struct facts *facts, const struct act *act, const struct hash *id,
                       const struct proposal *proposal, struct err *e)
{
    for (size_t i = 0; i < proposal->change_count; i++) {
        const struct change *on = &proposal->changes[i];
        struct hash other_id = {0};
        struct proposal other = {0};
        enum found found = facts->stand(facts->self, act->party, on, &other_id, e);
        if (found == FOUND_FAILED) return false;
        if (found == FOUND) {
            if (!proposal_recorded(facts, &other_id, &other, e)) return false;
            if (!agreement_is_agreed(&other, &act->past, (int)act->party) &&
                !leave(facts, act, &other_id, &other, e))
                return false;
        }
        if (!facts->put_stand(facts->self, act->party, on, id, e)) return false;
    }
    const struct word word = {WORD_FOR, act->position, POSITION_NONE};
    return facts->put_word(facts->self, id, act->party, &word, &act->id, e);
}

/* The proposal the act refers to: FOUND only when its past holds it. */
static enum found proposal_in_past(const struct facts *facts, const struct act *act,
                                   struct proposal *out, struct err *e)
{
    enum found found = facts->proposal(facts->self, &act->ref, out, e);
    if (found == FOUND && !is_past(&act->past, out->party, out->position)) return ABSENT;
    return found;
}

static enum found statement_in_past(const struct facts *facts, const struct act *act,
                                    struct statement *out, struct err *e)
{
    enum found found = facts->statement(facts->self, &act->ref, out, e);
    if (found == FOUND && !is_past(&act->past, out->party, out->position)) return ABSENT;
    return found;
}

/* ------------------------------------------------------------ what each verb does */

static bool verdict(enum effect *effect, enum effect found)
{
    *effect = found;
    return true;
}

/* EFFECT_FULL when every item is created here or exists in the past. */
static bool judge_items(const struct facts *facts, const struct act *act, enum effect *effect,
                        struct err *e)
{
    for (size_t i = 0; i < act->change_count; i++) {
        unsigned party = 0;
        uint64_t position = 0;
        if (act->creates[i]) continue;
        enum found found = facts->item(facts->self, &act->changes[i].item, &party, &position, e);
        if (found == FOUND_FAILED) return false;
        if (found == ABSENT || !is_past(&act->past, party, position))
            return verdict(effect, EFFECT_NOT_KNOWN);
    }
    return verdict(effect, EFFECT_FULL);
}

static bool add_created_items(const struct facts *facts, const struct act *act, struct err *e)
{
    for (size_t i = 0; i < act->change_count; i++) {
        if (!act->creates[i]) continue;
        if (!facts->add_item(facts->self, &act->changes[i].item, act->party, act->position, e))
            return false;
    }
    return true;
}

static bool names_an_item_twice(const struct act *act)
{
    for (size_t i = 0; i < act->change_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (hash_equal(&act->changes[i].item, &act->changes[k].item)) return true;
        }
    }
    return false;
}

static bool fold_propose(const struct facts *facts, const struct act *act, enum effect *effect,
                         struct err *e)
{
    const struct view view = view_of_author(facts, act);
    struct proposal proposal = {.party = act->party,
                                .position = act->position,
                                .sealed = POSITION_NONE,
                                .change_count = act->change_count};
    bool are_heads = false;

    if (act->change_count == 0)
        return verdict(effect, EFFECT_NOT_KNOWN); /* R0: one item at least */
    if (names_an_item_twice(act)) return verdict(effect, EFFECT_ITEM_TWICE);
    if (!judge_items(facts, act, effect, e)) return false;
    if (*effect != EFFECT_FULL) return true;
    if (!bases_are_heads(&view, act->changes, act->change_count, &are_heads, e)) return false;
    if (!are_heads) return verdict(effect, EFFECT_BASE_MOVED);

    for (size_t i = 0; i < act->change_count; i++) proposal.changes[i] = act->changes[i];
    if (!add_created_items(facts, act, e)) return false;
    if (!facts->add_proposal(facts->self, &act->id, &proposal, e)) return false;
    return take_stand(facts, act, &act->id, &proposal, e);
}

/*
 * EFFECT_FULL when the proposer has not left and nobody has said NO, as far as this past reaches.
 */
static bool judge_words(const struct facts *facts, const struct act *act, unsigned proposer,
                        enum effect *effect, struct err *e)
{
    enum effect judged = EFFECT_FULL;
    for (unsigned party = 0; party < facts->party_count; party++) {
        struct word word = {0};
        enum found found = facts->word(facts->self, &act->ref, party, &word, e);
        if (found == FOUND_FAILED) return false;
        if (found == ABSENT || !is_past(&act->past, party, word.given)) continue;
        if (word.kind == WORD_NO) judged = EFFECT_DECLINED;
        if (party == proposer && is_past(&act->past, party, word.left))
            return verdict(effect, EFFECT_PROPOSER_LEFT);
    }
    return verdict(effect, judged);
}

/*
 * What accepting and declining have in common: a proposal of somebody else, in the past, on which
 * the author has not spoken. (Its own feed is folded in order, so a word of its own that is
 * recorded is in its past.)
 */
static bool judge_first_word(const struct facts *facts, const struct act *act,
                             struct proposal *proposal, enum effect *effect, struct err *e)
{
    struct word word = {0};
    enum found found = proposal_in_past(facts, act, proposal, e);
    if (found == FOUND_FAILED) return false;
    if (found == ABSENT) return verdict(effect, EFFECT_NOT_KNOWN);
    if (proposal->party == act->party) return verdict(effect, EFFECT_OWN);

    found = facts->word(facts->self, &act->ref, act->party, &word, e);
    if (found == FOUND_FAILED) return false;
    return verdict(effect, found == FOUND ? EFFECT_ALREADY_SPOKE : EFFECT_FULL);
}

static bool fold_accept(const struct facts *facts, const struct act *act, enum effect *effect,
                        struct err *e)
{
    const struct view view = view_of_author(facts, act);
    struct proposal proposal = {0};
    bool are_heads = false;

    if (!judge_first_word(facts, act, &proposal, effect, e)) return false;
    if (*effect != EFFECT_FULL) return true;
    if (!judge_words(facts, act, proposal.party, effect, e)) return false;
    if (*effect != EFFECT_FULL) return true;
    if (!bases_are_heads(&view, proposal.changes, proposal.change_count, &are_heads, e))
        return false;
    if (!are_heads) return verdict(effect, EFFECT_BASE_MOVED);

    if (!take_stand(facts, act, &act->ref, &proposal, e)) return false;
    return note_if_due(facts, act, &proposal, e);
}

static bool fold_decline(const struct facts *facts, const struct act *act, enum effect *effect,
                         struct err *e)
{
    struct proposal proposal = {0};
    if (!judge_first_word(facts, act, &proposal, effect, e)) return false;
    if (*effect != EFFECT_FULL) return true;

    /* Not too late: what is agreed needed the author's own word, and it has not spoken. */
    const struct word word = {WORD_NO, act->position, POSITION_NONE};
    return facts->put_word(facts->self, &act->ref, act->party, &word, &act->id, e);
}

/* Withdrawing one's dispute of a statement. */
static bool fold_withdraw_dispute(const struct facts *facts, const struct act *act,
                                  enum effect *effect, struct err *e)
{
    struct statement statement = {0};
    enum statement_word word = STATEMENT_NO_WORD;
    enum found found = statement_in_past(facts, act, &statement, e);
    if (found == FOUND_FAILED) return false;
    if (found == ABSENT) return verdict(effect, EFFECT_NOT_KNOWN);

    found = facts->statement_word(facts->self, &act->ref, act->party, &word, e);
    if (found == FOUND_FAILED) return false;
    if (found == ABSENT || word != STATEMENT_DISPUTED) return verdict(effect, EFFECT_NOT_FOR);
    *effect = EFFECT_FULL;
    return facts->put_statement_word(facts->self, &act->ref, act->party, STATEMENT_NO_WORD,
                                     &act->id, e);
}

/* Withdrawing one's own proposal, or taking an acceptance back. */
static bool fold_withdraw(const struct facts *facts, const struct act *act, enum effect *effect,
                          struct err *e)
{
    struct proposal proposal = {0};
    struct word word = {0};
    enum found found = proposal_in_past(facts, act, &proposal, e);
    if (found == FOUND_FAILED) return false;
    if (found == ABSENT) return fold_withdraw_dispute(facts, act, effect, e);

    found = facts->word(facts->self, &act->ref, act->party, &word, e);
    if (found == FOUND_FAILED) return false;
    if (found == ABSENT || word.kind != WORD_FOR || word.left != POSITION_NONE)
        return verdict(effect, EFFECT_NOT_FOR);
    if (agreement_is_agreed(&proposal, &act->past, (int)act->party))
        return verdict(effect, EFFECT_TOO_LATE);
    *effect = EFFECT_FULL;
    return leave(facts, act, &act->ref, &proposal, e);
}

static bool fold_state(const struct facts *facts, const struct act *act, enum effect *effect,
                       struct err *e)
{
    const struct statement statement = {act->party, act->position};
    if (!judge_items(facts, act, effect, e)) return false;
    if (*effect != EFFECT_FULL) return true;
    if (!add_created_items(facts, act, e)) return false;
    return facts->add_statement(facts->self, &act->id, &statement, e);
}

/* Acknowledging or disputing: the latest word counts, and the author's feed is folded in order. */
static bool fold_statement_word(const struct facts *facts, const struct act *act,
                                enum statement_word word, enum effect *effect, struct err *e)
{
    struct statement statement = {0};
    enum found found = statement_in_past(facts, act, &statement, e);
    if (found == FOUND_FAILED) return false;
    if (found == ABSENT) return verdict(effect, EFFECT_NOT_KNOWN);
    if (statement.party == act->party) return verdict(effect, EFFECT_OWN);
    *effect = EFFECT_FULL;
    return facts->put_statement_word(facts->self, &act->ref, act->party, word, &act->id, e);
}

static bool fold_verb(const struct facts *facts, const struct act *act, enum effect *effect,
                      struct err *e)
{
    switch (act->verb) {
    case VERB_PROPOSE: return fold_propose(facts, act, effect, e);
    case VERB_ACCEPT: return fold_accept(facts, act, effect, e);
    case VERB_DECLINE: return fold_decline(facts, act, effect, e);
    case VERB_WITHDRAW: return fold_withdraw(facts, act, effect, e);
    case VERB_STATE: return fold_state(facts, act, effect, e);
    case VERB_ACKNOWLEDGE:
        return fold_statement_word(facts, act, STATEMENT_ACKNOWLEDGED, effect, e);
    case VERB_DISPUTE: return fold_statement_word(facts, act, STATEMENT_DISPUTED, effect, e);
    case VERB_UNKNOWN:
    case VERB_OPEN:
    case VERB_JOIN:
    case VERB_PAIR:
    case VERB_COMMENT:
    case VERB_SEAL:
    case VERB_SUCCEED: break;
    }
    return verdict(effect, EFFECT_FULL);
}

bool agreement_fold(const struct facts *facts, const struct act *act, enum effect *effect,
                    size_t *seals, struct err *e)
{
    enum effect judged = EFFECT_FULL;
    size_t sealed = 0;
    must(facts->party_count <= PARTIES_MAX && act->party < facts->party_count);
    must(act->change_count <= ITEMS_MAX);
    must(act->past.below[act->party] == act->position);

    if (!seal_what_is_due(facts, act, &sealed, e)) return false;
    if (!fold_verb(facts, act, &judged, e)) return false;
    *effect = judged;
    if (seals) *seals = sealed;
    return true;
}

/* ------------------------------------------------------------ how a proposal stands */

/* Every party's last word on a proposal, on everything folded so far. */
enum last_word { LAST_NONE, LAST_FOR, LAST_LEFT, LAST_NO };

static bool last_word(const struct facts *facts, const struct hash *id, unsigned party,
                      enum last_word *out, struct err *e)
{
    struct word word = {0};
    enum found found = facts->word(facts->self, id, party, &word, e);
    if (found == FOUND_FAILED) return false;
    if (found == ABSENT) *out = LAST_NONE;
    else if (word.kind == WORD_NO) *out = LAST_NO;
    else *out = word.left == POSITION_NONE ? LAST_FOR : LAST_LEFT;
    return true;
}

/* Has another proposal been agreed on one of its bases? */
static bool is_overtaken(const struct facts *facts, const struct proposal *proposal, bool *out,
                         struct err *e)
{
    bool overtaken = false;
    for (size_t i = 0; i < proposal->change_count && !overtaken; i++) {
        struct revision revision = {0};
        enum found found = facts->successor(facts->self, &proposal->changes[i], &revision, e);
        if (found == FOUND_FAILED) return false;
        overtaken = found == FOUND;
    }
    *out = overtaken;
    return true;
}

/* What the tests below look at. */
struct outlook {
    const struct facts *facts;
    struct proposal proposal;
    enum last_word words[PARTIES_MAX];
    bool any[LAST_NO + 1]; /* does any party's last word say this? */
};

/*
 * Its proposer, who has left it, has spoken on a rival whose own proposer is FOR it: each gave way
 * to the other.
 */
static bool is_crossed(const struct outlook *outlook, const struct hash *rivals, size_t rival_count,
                       bool *out, struct err *e)
{
    const struct facts *facts = outlook->facts;
    const unsigned proposer = outlook->proposal.party;
    bool crossed = false;
    for (size_t i = 0; i < rival_count && !crossed; i++) {
        struct proposal rival = {0};
        enum last_word word = LAST_NONE;
        enum found found = facts->proposal(facts->self, &rivals[i], &rival, e);
        if (found == FOUND_FAILED) return false;
        if (found == ABSENT || rival.party == proposer) continue;
        if (!last_word(facts, &rivals[i], proposer, &word, e)) return false;
        crossed = word != LAST_NONE && outlook->words[rival.party] == LAST_FOR;
    }
    *out = crossed;
    return true;
}

static bool look_out(const struct facts *facts, const struct hash *id, struct outlook *out,
                     struct err *e)
{
    struct outlook outlook = {.facts = facts};
    enum found found = facts->proposal(facts->self, id, &outlook.proposal, e);
    if (found == FOUND_FAILED) return false;
    if (found == ABSENT)
        return err_set(e, ERR_MISSING, "there is no proposal with effect under this id");
    for (unsigned party = 0; party < facts->party_count; party++) {
        if (!last_word(facts, id, party, &outlook.words[party], e)) return false;
        outlook.any[outlook.words[party]] = true;
    }
    *out = outlook;
    return true;
}

bool agreement_standing(const struct facts *facts, const struct hash *id, const struct hash *rivals,
                        size_t rival_count, unsigned us, enum standing *out, struct err *e)
{
    struct outlook outlook = {0};
    bool overtaken = false, crossed = false;
    must(us < facts->party_count && facts->party_count <= PARTIES_MAX);
    if (!look_out(facts, id, &outlook, e)) return false;
    if (!is_overtaken(facts, &outlook.proposal, &overtaken, e)) return false;
    const bool proposer_left = outlook.words[outlook.proposal.party] == LAST_LEFT;
    if (proposer_left && !is_crossed(&outlook, rivals, rival_count, &crossed, e)) return false;

    if (outlook.proposal.sealed != POSITION_NONE) *out = STANDING_AGREED;
    else if (outlook.any[LAST_NO]) *out = STANDING_DECLINED;
    else if (overtaken) *out = STANDING_OVERTAKEN;
    else if (crossed) *out = STANDING_CROSSED;
    else if (proposer_left) *out = STANDING_WITHDRAWN;
    else if (outlook.words[us] == LAST_LEFT || outlook.any[LAST_LEFT]) *out = STANDING_TAKEN_BACK;
    else if (!outlook.any[LAST_NONE]) *out = STANDING_RECEIPT_AWAITED;
    else *out = STANDING_OFFERED;
    return true;
}

/* ------------------------------------------------------------ words for people */

const char *effect_words(enum effect effect)
{
    static const char *const words[] = {
        [EFFECT_FULL] = "in effect",
        [EFFECT_NOT_KNOWN] = "without effect: what it refers to was not there",
        [EFFECT_BASE_MOVED] = "without effect: other terms had been agreed first",
        [EFFECT_PROPOSER_LEFT] = "without effect: withdrawn first",
        [EFFECT_DECLINED] = "without effect: declined first",
        [EFFECT_ALREADY_SPOKE] = "without effect: this party had given its word before",
        [EFFECT_OWN] = "without effect: it is this party's own",
        [EFFECT_NOT_FOR] = "without effect: there was no word to take back",
        [EFFECT_TOO_LATE] = "without effect: it was agreed first",
        [EFFECT_ITEM_TWICE] = "without effect: it names one item twice",
        [EFFECT_NEWER] = "needs a newer version",
        [EFFECT_NO_RIGHT] = "without effect: its author may not say this",
        [EFFECT_FRONT_OPEN] = "without effect: it leaves out what it rests on",
        [EFFECT_CONTESTED] = "contested: it rests on a fork",
        [EFFECT_ENDED] = "without effect: its party had gone on in a successor feed",
        [EFFECT_NOT_COUNTERSIGNED] = "without effect: not everybody had countersigned its successor feed",
    };
    must((size_t)effect < sizeof words / sizeof words[0]);
    return words[effect];
}

const char *standing_word(enum standing standing)
{
    static const char *const words[] = {
        [STANDING_OFFERED] = "offered",     [STANDING_RECEIPT_AWAITED] = "receipt_awaited",
        [STANDING_AGREED] = "agreed",       [STANDING_DECLINED] = "declined",
        [STANDING_WITHDRAWN] = "withdrawn", [STANDING_CROSSED] = "crossed",
        [STANDING_OVERTAKEN] = "overtaken", [STANDING_TAKEN_BACK] = "taken_back",
    };
    must((size_t)standing < sizeof words / sizeof words[0]);
    return words[standing];
}

/* accept, decline, withdraw, acknowledge, dispute, comment - our word on what the others, or we, have said. */
#include "tools/show.h"
#include "tools/verbs.h"

#include <stdio.h>
#include <string.h>

/* What was named: an item in its relationship, and perhaps one entry. */
struct named {
    struct reference reference;
    struct relationship *relationship; /* owned */
    struct item_view view;             /* owned */
};
static void named_wipe(struct named *named)
{
    relationship_free(named->relationship);
    item_view_wipe(&named->view);
}

static bool find_named(struct command *c, struct named *out, struct err *e)
{
    if (!choose_item(c, command_word(c, 0), &out->reference, &out->relationship, e)) return false;
    return item_load(c->store, &out->relationship->id, &out->reference.item, &out->view, e);
}

/* ------------------------------------------------------------ which offer */

static bool is_open(const struct offer *offer)
{
    return offer->standing == STANDING_OFFERED || offer->standing == STANDING_RECEIPT_AWAITED;
}

struct awaited {
    const struct hash *proposal;
    bool is_found;
};

static bool is_awaited_one(void *self, const struct waiting *waiting)
{
    struct awaited *awaited = self;
    awaited->is_found =
        waiting->need == NEED_WORD_ON_OFFER && hash_equal(&waiting->entry, awaited->proposal);
    return !awaited->is_found;
}

/* Does the offer wait for our word? With three parties an open offer may be one we have accepted already. */
static bool awaits_us(struct command *c, const struct named *named, const struct offer *offer,
                      bool *out, struct err *e)
{
    struct awaited awaited = {&offer->proposal, false};
    *out = false;
    if (offer->party == named->relationship->our_party || offer->standing != STANDING_OFFERED)
        return true;
    if (!inbox_each(c->store, &named->relationship->id, is_awaited_one, &awaited, e)) return false;
    *out = awaited.is_found;
    return true;
}

/* Accept and decline: what waits for us. Withdraw: what is ours and open, or what we have accepted. */
static bool fits(struct command *c, const struct named *named, enum verb verb,
                 const struct offer *offer, bool *out, struct err *e)
{
    bool is_ours = offer->party == named->relationship->our_party, awaits = false;
    if (!awaits_us(c, named, offer, &awaits, e)) return false;
    *out = verb == VERB_WITHDRAW ? is_open(offer) && (is_ours || !awaits) : awaits;
    return true;
}

static bool starts_with(const struct hash *id, const char *digits)
{
    char all[2 * sizeof id->bytes + 1] = {0};
    size_t len = strlen(digits);
    hex_write(hash_span(id), all, sizeof all);
    return len >= 4 && len < sizeof all && memcmp(all, digits, len) == 0;
}

static bool none_fits(const struct named *named, enum verb verb, struct err *e)
{
    const char *ref = named->view.ref;
    if (verb == VERB_WITHDRAW)
        (void)err_set(e, ERR_MISSING, "%s has no open offer of ours and none that we accepted",
                      ref);
    else (void)err_set(e, ERR_MISSING, "%s has no offer that waits for our word", ref);
    return err_next(e, "counterpart show %s", ref);
}

/* Named by its id: whether our word on it still has effect is for the rules to say. */
static bool pick_named_offer(const struct named *named, const char *expected,
                             const struct offer **out, struct err *e)
{
    for (size_t i = 0; i < named->view.offer_count; i++) {
        const struct offer *offer = &named->view.offers[i];
        if (!hash_equal(&offer->proposal, &named->reference.entry)) continue;
        if (expected && !starts_with(&offer->proposal, expected))
            return err_set(e, ERR_CONFLICT, "the offer named is not the expected one");
        *out = offer;
        return true;
    }
    (void)err_set(e, ERR_MISSING, "that is no offer on the present terms of %s", named->view.ref);
    return err_next(e, "counterpart show %s", named->view.ref);
}

/* A script that accepts by reference must say which offer it has seen, as soon as several stand, our own included. */
static bool must_expect(const struct command *c, const struct named *named, enum verb verb)
{
    size_t open = 0;
    for (size_t i = 0; i < named->view.offer_count; i++) open += is_open(&named->view.offers[i]);
    return verb == VERB_ACCEPT && command_has(c, "yes") && open > 1;
}

/* The one offer that is meant. */
static bool pick_offer(struct command *c, const struct named *named, enum verb verb,
                       const struct offer **out, struct err *e)
{
    const char *expected = command_value(c, "expect");
    const struct offer *picked = NULL;
    size_t fitting = 0, expected_count = 0;
    if (named->reference.is_entry) return pick_named_offer(named, expected, out, e);
    for (size_t i = 0; i < named->view.offer_count; i++) {
        const struct offer *offer = &named->view.offers[i];
        bool is_fit = false;
        if (!fits(c, named, verb, offer, &is_fit, e)) return false;
        if (!is_fit) continue;
        fitting++;
        bool is_expected = !expected || starts_with(&offer->proposal, expected);
        expected_count += is_expected;
        if (is_expected) picked = offer;
    }
    if (fitting == 0) return none_fits(named, verb, e);
    bool is_clear = expected || !must_expect(c, named, verb);
    if (expected_count == 1 && is_clear) {
        *out = picked;
        return true;
    }
    if (expected)
        (void)err_set(e, ERR_CONFLICT, "the offer on %s is not the expected one", named->view.ref);
    else (void)err_set(e, ERR_CONFLICT, "%s has several open offers", named->view.ref);
    return err_next(e,
                    "choose one with --expect and the first digits of its id: counterpart show %s",
                    named->view.ref);
}

/* ------------------------------------------------------------ giving the word */

/* Shows what is about to be accepted and asks, on a terminal; a script has said --yes. */
static bool agree(struct command *c, const struct named *named, const struct offer *offer,
                  struct err *e)
{
    bool is_asked = terminal_can_ask() && !command_has(c, "yes");
    if (!is_asked && !command_has(c, "yes")) {
        (void)err_set(e, ERR_USAGE,
                      "accepting binds your organisation, and there is no terminal to ask on");
        return err_next(e,
                        "a script says --yes, and --expect HASH to be sure which offer it accepts");
    }
    if (!c->json) {
        struct item_view view = named->view; /* with this one offer; it borrows the rest */
        struct offer only = *offer;
        view.offers = &only;
        view.offer_count = 1;
        if (!show_item(&view, named->relationship, command_now_ms(c), e)) return false;
    }
    if (!is_asked ||
        terminal_agrees("\nAccept this offer in the name of your organisation? [y/N] "))
        return true;
    return err_set(e, ERR_REFUSED, "nothing was accepted");
}

/* Tells how the item stands now. */
static bool show_after(struct command *c, struct named *named, const struct offer *before,
                       struct err *e)
{
    const struct hash proposal = before ? before->proposal : (struct hash){0};
    item_view_wipe(&named->view);
    if (!item_load(c->store, &named->relationship->id, &named->reference.item, &named->view, e))
        return false;
    if (c->json) {
        show_item_json(c->json, &named->view, named->relationship);
        if (before) json_put_hex(c->json, "proposal", hash_span(&proposal));
        return true;
    }
    if (!before) {
        char id[SHOW_ID_DIGITS + 1] = {0}, words[32] = {0};
        enum statement_word word = named->view.statement_words[named->relationship->our_party];
        show_choice(span_text(show_statement_word(word)), words, sizeof words);
        printf("%s: statement %s %s\n", named->view.ref, show_id(&named->view.statement, id),
               words);
        return true;
    }
    const char *words = show_state_words(&named->view);
    for (size_t i = 0; i < named->view.offer_count; i++)
        if (hash_equal(&named->view.offers[i].proposal, &proposal))
            words = show_standing_words(named->view.offers[i].standing);
    printf("%s: %s\n", named->view.ref, words);
    return true;
}

static bool say_word(struct command *c, struct named *named, enum verb verb,
                     const struct hash *entry, struct err *e)
{
    struct hash said = {0};
    const char *reason = command_value(c, "reason");
    return work_word(c->home, &c->asker, &named->relationship->id, verb, entry,
                     named->view.noun_text, span_text(reason), &said, e);
}

static bool word_on_offer(struct command *c, enum verb verb, struct err *e)
{
    __attribute__((cleanup(named_wipe))) struct named named = {0};
    const struct offer *offer = NULL;
    if (!command_work(c, e) || !find_named(c, &named, e)) return false;
    if (!pick_offer(c, &named, verb, &offer, e)) return false;
    if (verb == VERB_ACCEPT && !agree(c, &named, offer, e)) return false;
    const struct hash proposal = offer->proposal;
    const struct offer kept = {.proposal = proposal};
    if (!say_word(c, &named, verb, &proposal, e)) return false;
    return show_after(c, &named, &kept, e);
}

bool verb_accept(struct command *c, struct err *e) { return word_on_offer(c, VERB_ACCEPT, e); }

static bool needs_reason(struct command *c, struct err *e)
{
    if (command_value(c, "reason")) return true;
    (void)err_set(e, ERR_USAGE, "%s needs --reason", command_word(c, 0));
    return err_next(e, "say why in a sentence: --reason \"...\"");
}

bool verb_decline(struct command *c, struct err *e)
{
    return needs_reason(c, e) && word_on_offer(c, VERB_DECLINE, e);
}

/* The statement that was named, else the newest one on the item. */
static bool pick_statement(const struct named *named, struct hash *out, struct err *e)
{
    bool is_named =
        named->reference.is_entry && !hash_equal(&named->reference.entry, &named->view.item);
    if (is_named || named->view.has_statement) {
        *out = is_named ? named->reference.entry : named->view.statement;
        return true;
    }
    (void)err_set(e, ERR_MISSING, "nothing has been stated about %s", named->view.ref);
    return err_next(e, "counterpart show %s", named->view.ref);
}

/* Our dispute of the newest statement, when that is what can be taken back. */
static bool is_dispute_ours(const struct named *named)
{
    const struct item_view *view = &named->view;
    if (!view->has_statement ||
        view->statement_words[named->relationship->our_party] != STATEMENT_DISPUTED)
        return false;
    return !named->reference.is_entry || hash_equal(&named->reference.entry, &view->statement);
}

bool verb_withdraw(struct command *c, struct err *e)
{
    struct err no_offer = {0};
    __attribute__((cleanup(named_wipe))) struct named named = {0};
    const struct offer *offer = NULL;
    if (!command_work(c, e) || !find_named(c, &named, e)) return false;
    if (pick_offer(c, &named, VERB_WITHDRAW, &offer, &no_offer)) {
        const struct offer kept = {.proposal = offer->proposal};
        return say_word(c, &named, VERB_WITHDRAW, &kept.proposal, e) &&
               show_after(c, &named, &kept, e);
    }
    if (is_dispute_ours(&named)) {
        const struct hash statement = named.view.statement;
        return say_word(c, &named, VERB_WITHDRAW, &statement, e) && show_after(c, &named, NULL, e);
    }
    *e = no_offer;
    return false;
}

static bool word_on_statement(struct command *c, enum verb verb, struct err *e)
{
    __attribute__((cleanup(named_wipe))) struct named named = {0};
    struct hash statement = {0};
    if (!command_work(c, e) || !find_named(c, &named, e) || !pick_statement(&named, &statement, e))
        return false;
    if (!say_word(c, &named, verb, &statement, e)) return false;
    return show_after(c, &named, NULL, e);
}

bool verb_acknowledge(struct command *c, struct err *e)
{
    return word_on_statement(c, VERB_ACKNOWLEDGE, e);
}
bool verb_dispute(struct command *c, struct err *e)
{
    return needs_reason(c, e) && word_on_statement(c, VERB_DISPUTE, e);
}

bool verb_comment(struct command *c, struct err *e)
{
    __attribute__((cleanup(named_wipe))) struct named named = {0};
    struct hash said = {0};
    char id[SHOW_ID_DIGITS + 1] = {0};
    if (!command_work(c, e) || !find_named(c, &named, e)) return false;
    if (!work_comment(c->home, &c->asker, &named.relationship->id, &named.reference.entry,
                      span_text(command_word(c, 1)), &said, e))
        return false;
    if (c->json) {
        json_put_text(c->json, "ref", named.view.ref);
        json_put_hex(c->json, "comment", hash_span(&said));
    } else {
        printf("%s: comment %s\n", named.view.ref, show_id(&said, id));
    }
    return true;
}

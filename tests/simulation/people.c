#include "tests/simulation/people.h"

#include "node/work.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHOICES_MAX 256

static const struct asker manager = {"A. Manager", "manager"};

/* What there is to say something about. */
struct subject {
    struct hash item, entry;
    bool is_offer, is_ours, is_agreed;
    const struct noun *noun;
};
struct subjects {
    size_t count;
    struct subject all[CHOICES_MAX];
    unsigned our_party;
    bool (*wants)(const struct subject *subject);
};

struct doing {
    const struct people *people;
    struct machine *m;
    struct dice *dice;
    char *said;
    size_t cap;
    struct err *e;
};

static void add_subject(struct subjects *s, struct subject subject)
{
    if (s->count < CHOICES_MAX && s->wants(&subject)) s->all[s->count++] = subject;
}

static bool look_at_item(void *self, struct item_view *view)
{
    struct subjects *s = self;
    struct subject subject = {.item = view->item, .entry = view->item, .noun = view->noun,
                              .is_agreed = view->has_terms, .is_ours = view->party == s->our_party};
    if (!view->noun) return true;
    add_subject(s, subject);
    for (size_t i = 0; i < view->offer_count; i++) {
        subject.is_offer = true;
        subject.entry = view->offers[i].proposal;
        subject.is_ours = view->offers[i].party == s->our_party;
        add_subject(s, subject);
    }
    if (view->has_statement) {
        subject.is_offer = false;
        subject.entry = view->statement;
        subject.is_ours = view->statement_party == s->our_party;
        add_subject(s, subject);
    }
    return true;
}

static bool is_anything(const struct subject *s)
{
    (void)s;
    return true;
}
static bool is_offer(const struct subject *s) { return s->is_offer; }
static bool is_action(const struct subject *s) { return s->noun->is_ours_to_import; }
static bool is_agreed_action(const struct subject *s) { return is_action(s) && s->is_agreed; }

/* One of what there is; false when there is nothing. */
static bool some_subject(struct doing *d, bool (*wants)(const struct subject *), struct subject *out)
{
    struct subjects *s = calloc(1, sizeof *s);
    must(s);
    s->wants = wants;
    s->our_party = d->m->number;
    bool is_fine = items_each(home_store(d->m->home), d->people->id, NULL, look_at_item, s, d->e) && s->count > 0;
    if (is_fine) *out = s->all[dice_below(d->dice, s->count)];
    free(s);
    return is_fine;
}

static const struct noun *action(void)
{
    return vocabulary_find(span_text("action"));
}

static struct body_field text_field(const char *name, const char *text)
{
    return (struct body_field){span_text(name), {.is_text = true, .text = span_text(text)}};
}

struct terms_room {
    char title[40], due[16];
    struct body_field fields[4];
    size_t count;
};

static void some_terms(struct doing *d, struct terms_room *t)
{
    static const char *const priorities[] = {"low", "medium", "high", "critical"};
    t->count = 0;
    (void)snprintf(t->title, sizeof t->title, "Work %" PRIu64, dice_below(d->dice, 1000000));
    (void)snprintf(t->due, sizeof t->due, "2026-%02u-%02u", 1 + (unsigned)dice_below(d->dice, 12),
                   1 + (unsigned)dice_below(d->dice, 28));
    t->fields[t->count++] = text_field("title", t->title);
    if (dice_one_in(d->dice, 2)) t->fields[t->count++] = text_field("due", t->due);
    if (dice_one_in(d->dice, 3)) t->fields[t->count++] = text_field("priority", priorities[dice_below(d->dice, 4)]);
    if (dice_one_in(d->dice, 2))
        t->fields[t->count++] =
            text_field("owner", d->people->machines[dice_below(d->dice, d->people->party_count)].code);
}

static bool propose(struct doing *d, const struct hash *item)
{
    struct terms_room terms;
    struct hash proposal;
    some_terms(d, &terms);
    (void)snprintf(d->said, d->cap, "%s %s", item ? "offers other terms than" : "proposes", terms.title);
    return work_propose(d->m->home, &manager, d->people->id, action(), item, terms.fields, terms.count, &proposal, d->e);
}

static bool counter(struct doing *d)
{
    struct subject s;
    if (!some_subject(d, is_action, &s)) return propose(d, NULL);
    return propose(d, &s.item);
}

static bool import_rows(struct doing *d)
{
    struct terms_room terms[4];
    struct row rows[4];
    struct hash proposals[4];
    size_t count = 2 + (size_t)dice_below(d->dice, 3);
    for (size_t i = 0; i < count; i++) {
        some_terms(d, &terms[i]);
        rows[i] = (struct row){terms[i].fields, terms[i].count};
    }
    (void)snprintf(d->said, d->cap, "imports %zu actions", count);
    return work_propose_many(d->m->home, &manager, d->people->id, action(), rows, count, proposals, d->e);
}

/* One proposal for several items, all or nothing. The command line has no verb for it yet, the format and the rules do. */
static bool bundle(struct doing *d)
{
    static const uint8_t bodies[] = {0x93, 0x80, 0x80, 0x80}; /* an empty map each */
    const struct signing_key *key = NULL;
    struct subject one, other;
    struct hash id;
    struct item_view view = {0};
    struct draft draft = {.verb = VERB_PROPOSE, .noun = "action"};
    const struct subject *subjects[] = {&one, &other};
    size_t old = 0;
    if (some_subject(d, is_agreed_action, &one)) old++;
    if (old && some_subject(d, is_agreed_action, &other) && !hash_equal(&one.item, &other.item)) old++;
    for (size_t i = 0; i < old; i++) {
        if (!item_load(home_store(d->m->home), d->people->id, &subjects[i]->item, &view, d->e)) return false;
        draft.items[i] = (struct item_base){.item = view.item, .base = view.revision};
        item_view_wipe(&view);
    }
    draft.item_count = old;
    draft.items[draft.item_count++] = (struct item_base){.is_new = true, .from_start = true};
    if (draft.item_count == 1) draft.items[draft.item_count++] = (struct item_base){.is_new = true, .from_start = true};
    uint8_t body[sizeof bodies];
    memcpy(body, bodies, sizeof bodies);
    body[0] = (uint8_t)(0x90 + draft.item_count);
    draft.body = span_of(body, 1 + draft.item_count);
    (void)snprintf(d->said, d->cap, "proposes a bundle of %zu", draft.item_count);
    if (!home_may_work(d->m->home, false, d->e) || !home_log_key(d->m->home, d->people->id, &key, d->e)) return false;
    const struct author author = {manager.person, manager.role, key};
    return record_append(home_store(d->m->home), d->people->id, &author, &draft, 1, &id, NULL, d->e) &&
           home_mark(d->m->home, d->e);
}

static bool word(struct doing *d, enum verb verb, const struct hash *entry, const char *reason)
{
    char hex[9];
    struct hash id;
    (void)snprintf(d->said, d->cap, "%ss %s", verb_word(verb), hex_write(span_of(entry->bytes, 4), hex, sizeof hex));
    return work_word(d->m->home, &manager, d->people->id, verb, entry, NULL, span_text(reason), &id, d->e);
}

struct inbox {
    size_t count;
    struct waiting all[CHOICES_MAX];
};
static bool look_at_waiting(void *self, const struct waiting *w)
{
    struct inbox *inbox = self;
    if (inbox->count < CHOICES_MAX) inbox->all[inbox->count++] = *w;
    return true;
}

/* Answers what waits in the inbox. */
static bool answer(struct doing *d)
{
    struct inbox *inbox = calloc(1, sizeof *inbox);
    must(inbox);
    struct waiting w = {0};
    bool is_there = inbox_each(home_store(d->m->home), d->people->id, look_at_waiting, inbox, d->e) && inbox->count > 0;
    if (is_there) w = inbox->all[dice_below(d->dice, inbox->count)];
    free(inbox);
    if (!is_there) return propose(d, NULL);
    bool is_yes = !dice_one_in(d->dice, 5);
    if (w.need == NEED_WORD_ON_OFFER) return word(d, is_yes ? VERB_ACCEPT : VERB_DECLINE, &w.entry, is_yes ? "" : "Not so.");
    if (w.need == NEED_WORD_ON_STATEMENT)
        return word(d, is_yes ? VERB_ACKNOWLEDGE : VERB_DISPUTE, &w.entry, is_yes ? "" : "Not so.");
    return word(d, VERB_WITHDRAW, &w.entry, "");
}

/* Any word on anything: most are refused. */
static bool any_word(struct doing *d)
{
    static const enum verb verbs[] = {VERB_ACCEPT, VERB_DECLINE, VERB_WITHDRAW, VERB_ACKNOWLEDGE, VERB_DISPUTE};
    struct subject s;
    enum verb verb = verbs[dice_below(d->dice, 5)];
    if (!some_subject(d, is_anything, &s)) return propose(d, NULL);
    return word(d, verb, &s.entry, verb == VERB_DECLINE || verb == VERB_DISPUTE ? "No." : "");
}

static bool withdraw(struct doing *d)
{
    struct subject s;
    if (!some_subject(d, is_offer, &s)) return propose(d, NULL);
    return word(d, VERB_WITHDRAW, &s.entry, "");
}

static bool state(struct doing *d)
{
    static const char *const statuses[] = {"not_started", "in_progress", "blocked", "done_claimed"};
    struct subject s;
    struct hash id;
    struct body_field fields[2] = {text_field("status", statuses[dice_below(d->dice, 4)]),
                                   {span_text("percent"), {.number = (int64_t)dice_below(d->dice, 101)}}};
    if (!some_subject(d, is_agreed_action, &s)) return propose(d, NULL);
    (void)snprintf(d->said, d->cap, "states progress");
    return work_state(d->m->home, &manager, d->people->id, action(), &s.item, fields, 2, &id, d->e);
}

static bool appoint(struct doing *d)
{
    struct hash id;
    struct body_field fields[2] = {text_field("person", "A. Manager"), text_field("role", "manager")};
    (void)snprintf(d->said, d->cap, "appoints");
    return work_state(d->m->home, &manager, d->people->id, vocabulary_find(span_text("appointment")), NULL, fields, 2, &id,
                      d->e);
}

static bool comment(struct doing *d)
{
    struct subject s;
    struct hash id;
    if (!some_subject(d, is_anything, &s)) return propose(d, NULL);
    (void)snprintf(d->said, d->cap, "comments");
    return work_comment(d->m->home, &manager, d->people->id, &s.entry, span_text("A remark."), &id, d->e);
}

bool people_do(const struct people *people, struct machine *m, enum deed deed, struct dice *dice, char *said, size_t cap,
               struct err *e)
{
    struct doing d = {people, m, dice, said, cap, e};
    said[0] = '\0';
    switch (deed) {
    case DEED_PROPOSE: return propose(&d, NULL);
    case DEED_COUNTER: return counter(&d);
    case DEED_IMPORT: return import_rows(&d);
    case DEED_BUNDLE: return bundle(&d);
    case DEED_ANSWER: return answer(&d);
    case DEED_WORD: return any_word(&d);
    case DEED_WITHDRAW: return withdraw(&d);
    case DEED_STATE: return state(&d);
    case DEED_APPOINT: return appoint(&d);
    case DEED_COMMENT: return comment(&d);
    case DEED_COUNT: break;
    }
    return false;
}

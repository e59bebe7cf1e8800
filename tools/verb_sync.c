/* sync - one exchange with the counterparts, complete in itself. */
#include "tools/choose.h"
#include "tools/talk.h"
#include "tools/verbs.h"

#include <stdio.h>

/* Which of the counterparts asked for has no address, for the sentence when nobody was reached. */
struct reach {
    const char *only; /* a code, or NULL */
    size_t counterparts, addressed;
    bool is_in_step;
};

static bool look_at(struct command *c, const struct relationship *relationship, void *self,
                    struct err *e)
{
    struct reach *reach = self;
    struct in_step step = {0};
    for (unsigned i = 0; i < relationship->party_count; i++) {
        const struct party *party = &relationship->parties[i];
        if (relationship->is_open_known && i == relationship->our_party) continue;
        if (reach->only && !span_equal(span_text(reach->only), span_text(party->code))) continue;
        reach->counterparts++;
        if (party->address[0]) reach->addressed++;
    }
    if (!engine_in_step(c->home, &relationship->id, &step, e)) return false;
    if (!step.is_in_step) reach->is_in_step = false;
    return true;
}

static bool nobody(const struct reach *reach, const struct runner_outcome *outcome, struct err *e)
{
    if (reach->counterparts == 0)
        return err_set(e, ERR_MISSING, "there is nobody to exchange with%s%s",
                       reach->only ? " called " : "", reach->only ? reach->only : "");
    if (reach->addressed == 0) {
        (void)err_set(e, ERR_MISSING, "no counterpart's address is known here");
        return err_next(e, "they reach us when `counterpart serve` runs, or: counterpart confirm "
                           "CODE --address tcp://HOST:PORT");
    }
    (void)err_set(e, ERR_CLOSED, "nobody could be reached%s%s", outcome->failure[0] ? ": " : "",
                  outcome->failure);
    if (outcome->next[0]) return err_next(e, "%s", outcome->next);
    return err_next(e, "what you say is kept; sync again when they can be reached");
}

static void print_outcome(const struct engine_counts *counts, bool is_in_step)
{
    printf("Entries sent: %llu, received: %llu. Round trips: %llu. Bytes out: %llu, in: %llu.\n",
           (unsigned long long)counts->entries_sent, (unsigned long long)counts->entries_received,
           (unsigned long long)counts->round_trips, (unsigned long long)counts->bytes_sent,
           (unsigned long long)counts->bytes_received);
    printf("%s\n",
           is_in_step ? "In step." : "Not in step: `counterpart status` says who holds what.");
}

bool verb_sync(struct command *c, struct err *e)
{
    struct runner_outcome outcome = {0};
    struct reach reach = {.is_in_step = true};
    char code[CODE_BYTES_MAX + 1] = {0};
    OWNED(relationship_free) struct relationship *only = NULL;
    if (!command_home(c, e) || !home_may_work(c->home, true, e)) return false;
    if (command_value(c, "relationship") && !choose_relationship(c, &only, e)) return false;
    if (command_word(c, 0)) {
        if (!choose_code(command_word(c, 0), code, e)) return false;
        reach.only = code;
    }
    if (!talk_once(c, reach.only, only ? &only->id : NULL, &outcome, e)) return false;
    if (!choose_each(c, look_at, &reach, e)) return false;
    if (outcome.counts.partners_reached == 0) return nobody(&reach, &outcome, e);
    c->exit = reach.is_in_step ? EXIT_DONE : EXIT_NOT_IN_STEP;
    if (outcome.failure[0]) fprintf(stderr, "not everybody was reached: %s\n", outcome.failure);
    if (c->json) {
        talk_counts_json(c->json, &outcome.counts);
        json_put_bool(c->json, "in_step", reach.is_in_step);
    } else {
        print_outcome(&outcome.counts, reach.is_in_step);
    }
    return true;
}

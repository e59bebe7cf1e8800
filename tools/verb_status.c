/* status - who holds what, and whether both sides have the same agreed state. */
#include "crypto/words.h"
#include "node/engine.h"
#include "node/succession.h"
#include "tools/moment.h"
#include "tools/terminal.h"
#include "tools/trouble.h"
#include "tools/verbs.h"

#include <stdio.h>

static void relationship_json(struct command *c, const struct relationship *relationship,
                              const struct in_step *step)
{
    char moment[MOMENT_TEXT_MAX] = {0};
    json_put_hex(c->json, "relationship", relationship_span(&relationship->id));
    json_put_text(c->json, "title", relationship->title);
    json_put_hex(c->json, "digest", hash_span(&relationship->state_digest));
    json_put_bool(c->json, "in_step", step->is_in_step);
    json_put_count(c->json, "ours", step->ours);
    json_start_array(c->json, "parties");
    for (size_t i = 0; i < step->party_count; i++) {
        const struct in_step_party *party = &step->parties[i];
        json_start_object(c->json, NULL);
        json_put_text(c->json, "code", party->code);
        json_put_count(c->json, "holds_ours", party->holds_ours);
        json_put_text(c->json, "received_at",
                      party->received_at_s ? moment_iso(party->received_at_s, moment, sizeof moment)
                                           : NULL);
        json_put_count(c->json, "we_hold", party->we_hold);
        json_end(c->json);
    }
    json_end(c->json);
}

/* "BOLT holds everything up to our 41 (signed receipt today 14:02). We have 3 that they have not received." */
static void print_party(struct command *c, const struct in_step *step,
                        const struct in_step_party *party)
{
    char moment[MOMENT_TEXT_MAX] = {0};
    uint64_t missing = step->ours > party->holds_ours ? step->ours - party->holds_ours : 0;
    if (party->holds_ours)
        printf("  %s holds everything up to our %llu (signed receipt %s).", party->code,
               (unsigned long long)party->holds_ours,
               moment_local(party->received_at_s * 1000, command_now_ms(c), moment, sizeof moment));
    else printf("  %s has signed no receipt yet.", party->code);
    if (missing) printf(" We have %llu that they have not received.", (unsigned long long)missing);
    printf(" We hold everything up to their %llu.\n", (unsigned long long)party->we_hold);
}

/* Work does not move to whom we have not confirmed, which would look like a fault. */
static void print_unconfirmed(const struct relationship *relationship)
{
    for (unsigned i = 0; i < relationship->party_count; i++) {
        const struct party *party = &relationship->parties[i];
        if (i == relationship->our_party || !party->is_known || party->is_confirmed) continue;
        printf("  %s%s waits for your confirmation%s: until then no work moves between you "
               "(counterpart confirm %s)\n",
               terminal_paint(PAINT_WAIT), party->code, terminal_paint(PAINT_PLAIN), party->code);
    }
}

/* ------------------------------------------------------------ feeds that succeed others */

struct succeeding {
    struct command *c;
    const struct relationship *relationship;
};

static bool successor_json(void *self, const struct successor *successor)
{
    struct succeeding *s = self;
    char words[WORDS_TEXT_MAX] = {0};
    succession_words(&successor->begins, words, sizeof words);
    json_start_object(s->c->json, NULL);
    json_put_text(s->c->json, "party", party_code(s->relationship, successor->party));
    json_put_bool(s->c->json, "is_us", successor->party == s->relationship->our_party);
    json_put_text(s->c->json, "words", words);
    json_start_array(s->c->json, "awaits");
    for (unsigned p = 0; p < s->relationship->party_count; p++)
        if (successor->is_missing[p]) json_put_text(s->c->json, NULL, party_code(s->relationship, p));
    json_end(s->c->json);
    json_end(s->c->json);
    return true;
}

static bool print_successor(void *self, const struct successor *successor)
{
    struct succeeding *s = self;
    const struct relationship *r = s->relationship;
    char words[WORDS_TEXT_MAX] = {0};
    bool is_ours = successor->party == r->our_party;
    const char *code = party_code(r, successor->party), *between = "";
    succession_words(&successor->begins, words, sizeof words);
    printf("  %sNEW FEED%s: %s %s on in a new feed. Check words:  %s\n", terminal_paint(PAINT_WAIT),
           terminal_paint(PAINT_PLAIN), is_ours ? "we" : code, is_ours ? "go" : "goes", words);
    if (!is_ours) {
        printf("    Compare them with %s by voice, then: counterpart confirm %s --how voice\n", code, code);
        return true;
    }
    printf("    Nothing we say has effect until it is countersigned by ");
    for (unsigned p = 0; p < r->party_count; p++) {
        if (!successor->is_missing[p]) continue;
        printf("%s%s", between, party_code(r, p));
        between = ", ";
    }
    printf(": read the words to them by voice; they then confirm you again.\n");
    return true;
}

struct survey {
    size_t count, troubles;
    bool is_in_step;
};

static bool print_relationship(struct command *c, const struct relationship *relationship,
                               const struct in_step *step, size_t *troubles, struct err *e)
{
    char title[TITLE_BYTES_MAX + 1] = {0}, digest[17] = {0};
    hex_write(span_of(relationship->state_digest.bytes, 8), digest, sizeof digest);
    printf("%s%s%s\n", terminal_paint(PAINT_STRONG),
           span_show(span_text(relationship->title), title, sizeof title),
           terminal_paint(PAINT_PLAIN));
    for (size_t i = 0; i < step->party_count; i++) print_party(c, step, &step->parties[i]);
    enum paint paint = step->is_in_step ? PAINT_GOOD : PAINT_WAIT;
    printf("  Same agreed state: %s%s%s (digest %s)\n", terminal_paint(paint),
           step->is_in_step ? "yes" : "not known yet", terminal_paint(PAINT_PLAIN), digest);
    if (relationship->is_open_known) print_unconfirmed(relationship);
    struct succeeding succeeding = {c, relationship};
    if (!successors_each(c->store, &relationship->id, print_successor, &succeeding, e)) return false;
    return trouble_print(c, relationship, troubles, e);
}

static bool survey_one(struct command *c, const struct relationship *relationship, void *self,
                       struct err *e)
{
    struct survey *survey = self;
    struct in_step step = {0};
    size_t troubles = 0;
    if (!engine_in_step(c->home, &relationship->id, &step, e)) return false;
    if (c->json) {
        json_start_object(c->json, NULL);
        struct succeeding succeeding = {c, relationship};
        relationship_json(c, relationship, &step);
        json_start_array(c->json, "successors");
        if (!successors_each(c->store, &relationship->id, successor_json, &succeeding, e)) return false;
        json_end(c->json);
        if (!trouble_json(c, relationship, &troubles, e)) return false;
        json_end(c->json);
    } else {
        if (survey->count) printf("\n");
        if (!print_relationship(c, relationship, &step, &troubles, e)) return false;
    }
    survey->count++;
    survey->troubles += troubles;
    survey->is_in_step = survey->is_in_step && step.is_in_step;
    return true;
}

bool verb_status(struct command *c, struct err *e)
{
    struct survey survey = {.is_in_step = true};
    if (!command_home(c, e)) return false;
    if (c->json) json_start_array(c->json, "relationships");
    if (!choose_each(c, survey_one, &survey, e)) return false;
    if (c->json) json_end(c->json);
    else if (survey.count == 0) printf("No relationship yet.\n");
    if (c->json) json_put_text(c->json, "health_words", home_health_words(c->home));
    if (home_health(c->home) != HEALTH_FINE)
        fprintf(stderr, "counterpart: %s\n", home_health_words(c->home));
    c->exit = survey.is_in_step ? EXIT_DONE : EXIT_NOT_IN_STEP;
    return true;
}

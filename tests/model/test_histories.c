/*
 * test_histories - holds protocol/agreement.c against the model on random histories in permuted
 * orders of arrival.
 *
 *     agreement_model.py emit --parties 3 --runs 1000 --seed 7 --forks | test_histories [FILE]
 *
 * The lines are those of `emit` in agreement_model.py. Every order is played as a node would: an
 * entry waits until its parent and its front have been met, is folded, and when a fork becomes
 * known everything is folded anew without what it contests. The first difference is told with its
 * history, and ends the run with 1.
 */
#include "tests/model/arrays.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 512 /* in one history: emit makes less than 100 */
#define LINES_MAX 4096  /* of one history */
#define LINE_BYTES_MAX 16384
#define ORDERS_MAX 8 /* in one view */

/* One entry as it was read; entries are numbered from 1, 0 is none. */
struct entry {
    struct act act; /* its past, once its front is known */
    size_t parent, front[PARTIES_MAX];
};

struct history {
    char *lines[LINES_MAX]; /* all of it, to tell the story */
    size_t line_count;
    unsigned party_count;
    size_t entry_count;
    struct entry entries[ENTRIES_MAX + 1];
    const char *orders[ORDERS_MAX]; /* of the present view */
    size_t order_count;
    const char *order; /* the one being played */
};

/* A node that is being told things. */
struct node {
    struct history *history;
    struct arrays *arrays;
    struct facts facts;
    struct past limits;
    size_t waiting[ENTRIES_MAX], waiting_count; /* arrived, not met, in order of arrival */
    size_t met[ENTRIES_MAX], met_count;
    bool is_met[ENTRIES_MAX + 1];
    enum effect effects[ENTRIES_MAX + 1];
};

struct figures {
    unsigned long histories, orders, folds, refolds, agreed, contested;
};

/* ------------------------------------------------------------ telling */

_Noreturn static void differs(const struct history *history, const char *format, ...)
    PRINTF_LIKE(2, 3);
static void differs(const struct history *history, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "\nthe rules in C and the model differ\n");
    for (size_t i = 0; i < history->line_count; i++) fprintf(stderr, "    %s\n", history->lines[i]);
    fprintf(stderr, "(the letters are explained in agreement_model.py, at emit)\n");
    if (history->order) fprintf(stderr, "when they arrive in this order: %s\n", history->order + 2);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    exit(1);
}

_Noreturn static void unreadable(const struct history *history, const char *what)
{
    const size_t last = history->line_count ? history->line_count - 1 : 0;
    fprintf(stderr, "cannot read %s in the line: %s\n", what,
            history->line_count ? history->lines[last] : "");
    exit(2);
}

/* ------------------------------------------------------------ reading */

static size_t number(const struct history *history, const char **at, size_t most)
{
    char *end = NULL;
    const unsigned long value = strtoul(*at, &end, 10);
    if (end == *at || value > most) unreadable(history, "a number");
    *at = end;
    return value;
}

static char letter(const struct history *history, const char **at)
{
    while (**at == ' ') (*at)++;
    if (!**at) unreadable(history, "a letter");
    return *(*at)++;
}

static bool take(const char **at, char wanted)
{
    if (**at != wanted) return false;
    (*at)++;
    return true;
}

/*
 * An id for entry number `entry`; of its created items the first has the same id, as in the real
 * format.
 */
static struct hash id_of(size_t entry, size_t item)
{
    struct hash id = {0};
    if (entry == 0) return id;
    for (size_t i = 0; i < 8; i++) id.bytes[i] = (uint8_t)((uint64_t)entry >> (56 - 8 * i));
    id.bytes[31] = (uint8_t)(1 + item);
    return id;
}

/* item/base,item/base */
static void read_changes(const struct history *history, const char **at, size_t self,
                         struct act *act)
{
    do {
        const size_t n = act->change_count++;
        if (n == ITEMS_MAX) unreadable(history, "so many items");
        act->creates[n] = take(at, '+');
        size_t creator = self, item = number(history, at, ENTRIES_MAX);
        if (!act->creates[n]) {
            creator = item;
            if (!take(at, '.')) unreadable(history, "an item");
            item = number(history, at, 200);
        }
        if (!take(at, '/')) unreadable(history, "a base");
        act->changes[n].item = id_of(creator, item);
        act->changes[n].base = id_of(number(history, at, ENTRIES_MAX), 0);
    } while (take(at, ','));
}

static enum verb verb_of_letter(const struct history *history, char kind)
{
    static const struct {
        char kind;
        enum verb verb;
    } verbs[] = {{'p', VERB_PROPOSE}, {'a', VERB_ACCEPT}, {'w', VERB_WITHDRAW},
                 {'d', VERB_DECLINE}, {'s', VERB_STATE},  {'k', VERB_ACKNOWLEDGE},
                 {'x', VERB_DISPUTE}, {'n', VERB_COMMENT}};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (verbs[i].kind == kind) return verbs[i].verb;
    }
    unreadable(history, "a kind");
}

/* How many entries of a feed the prefix ending with entry `last` has. */
static uint64_t size_of(const struct history *history, size_t last)
{
    return last ? history->entries[last].act.position + 1 : 0;
}

/* E number party index parent kind ref front */
static void read_entry(struct history *history, const char *at)
{
    const size_t n = number(history, &at, ENTRIES_MAX);
    if (n != ++history->entry_count) unreadable(history, "the next number");
    struct entry *entry = &history->entries[n];
    struct act *act = &entry->act;
    *entry = (struct entry){.act.id = id_of(n, 0)};

    act->party = (unsigned)number(history, &at, history->party_count - 1);
    act->position = number(history, &at, ENTRIES_MAX);
    entry->parent = number(history, &at, n - 1);
    act->verb = verb_of_letter(history, letter(history, &at));
    while (*at == ' ') at++;
    if (act->verb == VERB_PROPOSE || act->verb == VERB_STATE) {
        if (!take(&at, '-')) read_changes(history, &at, n, act);
    } else if (!take(&at, '-')) {
        act->ref = id_of(number(history, &at, ENTRIES_MAX), 0);
    }
    for (unsigned party = 0; party < history->party_count; party++) {
        if (party && !take(&at, ',')) unreadable(history, "a front");
        entry->front[party] = number(history, &at, n - 1);
        const size_t before = entry->parent ? history->entries[entry->parent].front[party] : 0;
        act->past.below[party] = size_of(history, entry->front[party]);
        act->advanced[party] =
            party != act->party && act->past.below[party] > size_of(history, before);
    }
    if (act->past.below[act->party] != act->position) unreadable(history, "its own front");
}

/* ------------------------------------------------------------ playing */

static void fold(struct node *node, size_t n, struct figures *figures)
{
    const struct act *act = &node->history->entries[n].act;
    struct err e = {0};
    struct past reach = act->past; /* one feed a party here */
    reach.below[act->party] = act->position + 1;
    node->effects[n] = EFFECT_CONTESTED;
    if (agreement_is_contested(reach.below, node->limits.below, PARTIES_MAX)) return;
    if (!agreement_fold(&node->facts, act, &node->effects[n], NULL, &e))
        differs(node->history, "entry %zu cannot be folded: %s", n, e.said);
    figures->folds++;
}

static void learn_fork(struct node *node, unsigned party, uint64_t position,
                       struct figures *figures)
{
    if (position >= node->limits.below[party]) return;
    node->limits.below[party] = position;
    arrays_clear(node->arrays);
    for (size_t i = 0; i < node->met_count; i++) fold(node, node->met[i], figures);
    figures->refolds++;
}

/* Its parent and its front are here: it is folded, or shows that its author's feed has forked. */
static void meet(struct node *node, size_t n, struct figures *figures)
{
    const struct act *act = &node->history->entries[n].act;
    node->is_met[n] = true;
    node->met[node->met_count++] = n;
    for (size_t i = 0; i + 1 < node->met_count; i++) {
        const struct act *other = &node->history->entries[node->met[i]].act;
        if (other->party == act->party && other->position == act->position)
            learn_fork(node, act->party, act->position, figures);
    }
    fold(node, n, figures);
}

static bool can_be_met(const struct node *node, size_t n)
{
    const struct entry *entry = &node->history->entries[n];
    bool can = node->is_met[entry->parent];
    for (unsigned party = 0; party < node->history->party_count; party++)
        can = can && node->is_met[entry->front[party]];
    return can;
}

static void arrive(struct node *node, size_t n, struct figures *figures)
{
    node->waiting[node->waiting_count++] = n;
    for (size_t i = 0; i < node->waiting_count;) {
        const size_t next = node->waiting[i];
        if (!can_be_met(node, next)) {
            i++;
            continue;
        }
        node->waiting_count--;
        memmove(&node->waiting[i], &node->waiting[i + 1],
                (node->waiting_count - i) * sizeof node->waiting[0]);
        meet(node, next, figures);
        i = 0; /* others may have waited for it */
    }
}

/* O step step ... */
static void play(struct node *node, const char *order, struct figures *figures)
{
    const struct history *history = node->history;
    const char *at = order + 1;
    arrays_clear(node->arrays);
    node->waiting_count = node->met_count = 0;
    memset(node->is_met, 0, sizeof node->is_met);
    node->is_met[0] = true;
    for (unsigned party = 0; party < PARTIES_MAX; party++)
        node->limits.below[party] = POSITION_NONE;

    while (take(&at, ' ')) {
        if (take(&at, '!')) {
            const unsigned party = (unsigned)number(history, &at, history->party_count - 1);
            if (!take(&at, ':')) unreadable(history, "a fork");
            learn_fork(node, party, number(history, &at, ENTRIES_MAX), figures);
        } else {
            arrive(node, number(history, &at, history->entry_count), figures);
        }
    }
    if (node->waiting_count) differs(history, "%zu entries still wait", node->waiting_count);
    figures->orders++;
}

/* ------------------------------------------------------------ comparing */

/* A proposal:seal ... */
static void compare_agreed(struct node *node, const char *at, struct figures *figures)
{
    const struct history *history = node->history;
    size_t expected = 0, agreed = 0;
    while (take(&at, ' ') && *at) {
        const size_t n = number(history, &at, ENTRIES_MAX);
        if (!take(&at, ':')) unreadable(history, "a seal");
        const size_t seal = number(history, &at, ENTRIES_MAX);
        const struct hash id = id_of(n, 0), sealing = id_of(seal, 0);
        const struct hash *found = NULL;
        for (size_t i = 0; i < arrays_proposal_count(node->arrays); i++) {
            if (hash_equal(arrays_proposal_id(node->arrays, i), &id))
                found = arrays_sealing_entry(node->arrays, i);
        }
        if (!found || hash_is_zero(found)) differs(history, "%zu should be agreed", n);
        if (!hash_equal(found, &sealing)) differs(history, "%zu should be sealed by %zu", n, seal);
        expected++;
    }
    for (size_t i = 0; i < arrays_proposal_count(node->arrays); i++)
        agreed += !hash_is_zero(arrays_sealing_entry(node->arrays, i));
    if (agreed != expected) differs(history, "%zu agreed, should be %zu", agreed, expected);
    figures->agreed += agreed;
}

static char word_letter(const struct node *node, const struct hash *id, unsigned party)
{
    struct word word = {0};
    struct err e = {0};
    if (node->facts.word(node->facts.self, id, party, &word, &e) != FOUND) return '-';
    if (word.kind == WORD_NO) return 'n';
    return word.left == POSITION_NONE ? 'f' : 'l';
}

static char standing_letter(const struct node *node, const struct hash *id, unsigned party)
{
    static const char letters[] = {
        [STANDING_OFFERED] = 'o',   [STANDING_RECEIPT_AWAITED] = 'r', [STANDING_AGREED] = 'a',
        [STANDING_DECLINED] = 'd',  [STANDING_WITHDRAWN] = 'w',       [STANDING_CROSSED] = 'c',
        [STANDING_OVERTAKEN] = 'v', [STANDING_TAKEN_BACK] = 't'};
    struct hash rivals[ENTRIES_MAX];
    enum standing standing = STANDING_OFFERED;
    struct err e = {0};
    const size_t count = arrays_rivals(node->arrays, id, rivals, ENTRIES_MAX);
    if (!agreement_standing(&node->facts, id, rivals, count, party, &standing, &e)) return '!';
    return letters[standing];
}

static char statement_letter(const struct node *node, const struct hash *id, unsigned party)
{
    static const char letters[] = {
        [STATEMENT_ACKNOWLEDGED] = 'a', [STATEMENT_DISPUTED] = 'd', [STATEMENT_NO_WORD] = 'u'};
    enum statement_word word = STATEMENT_NO_WORD;
    struct err e = {0};
    struct statement statement = {0};
    if (node->facts.statement(node->facts.self, id, &statement, &e) != FOUND) return '!';
    if (node->facts.statement_word(node->facts.self, id, party, &word, &e) != FOUND) return '-';
    return letters[word];
}

/* W, T and S: number:letters ..., one letter a party; `count` of them there should be. */
static void compare_letters(struct node *node, const char *line, size_t count,
                            char (*answer)(const struct node *, const struct hash *, unsigned))
{
    const struct history *history = node->history;
    const char *at = line + 1;
    size_t seen = 0;
    while (take(&at, ' ') && *at) {
        const size_t n = number(history, &at, ENTRIES_MAX);
        const struct hash id = id_of(n, 0);
        if (!take(&at, ':')) unreadable(history, "a word");
        for (unsigned party = 0; party < history->party_count; party++) {
            const char wanted = letter(history, &at), got = answer(node, &id, party);
            if (got != wanted)
                differs(history, "line %c, entry %zu, party %u: got %c, should be %c", *line, n,
                        party, got, wanted);
        }
        seen++;
    }
    if (seen != count) differs(history, "line %c: got %zu, should be %zu", *line, count, seen);
}

/* F letters */
static void compare_effects(struct node *node, const char *at, struct figures *figures)
{
    static const char letters[] = {
        [EFFECT_FULL] = '.',          [EFFECT_NOT_KNOWN] = 'k', [EFFECT_BASE_MOVED] = 'b',
        [EFFECT_PROPOSER_LEFT] = 'l', [EFFECT_DECLINED] = 'd',  [EFFECT_ALREADY_SPOKE] = 's',
        [EFFECT_OWN] = 'o',           [EFFECT_NOT_FOR] = 'f',   [EFFECT_TOO_LATE] = 't',
        [EFFECT_ITEM_TWICE] = '2',    [EFFECT_NEWER] = '!',     [EFFECT_NO_RIGHT] = '!',
        [EFFECT_FRONT_OPEN] = '!',    [EFFECT_CONTESTED] = 'c'};
    for (size_t n = 1; n <= node->history->entry_count; n++) {
        const char wanted = letter(node->history, &at);
        const char got = node->is_met[n] ? letters[node->effects[n]] : '?';
        if (got != wanted)
            differs(node->history, "entry %zu: %s (%c), should be %c", n,
                    node->is_met[n] ? effect_words(node->effects[n]) : "not here", got, wanted);
        figures->contested += got == 'c';
    }
}

/* Plays every order of the view, whose answers are the last five lines read. */
static void check_view(struct node *node, struct figures *figures)
{
    struct history *history = node->history;
    char *const *answers = &history->lines[history->line_count - 5];
    if (history->order_count == 0 || answers[0][0] != 'A' || answers[1][0] != 'W' ||
        answers[2][0] != 'T' || answers[3][0] != 'S')
        unreadable(history, "the answers A W T S F before this");
    for (size_t i = 0; i < history->order_count; i++) {
        history->order = history->orders[i];
        play(node, history->order, figures);
        const size_t proposals = arrays_proposal_count(node->arrays);
        compare_effects(node, answers[4] + 1, figures);
        compare_agreed(node, answers[0] + 1, figures);
        compare_letters(node, answers[1], proposals, word_letter);
        compare_letters(node, answers[2], proposals, standing_letter);
        compare_letters(node, answers[3], arrays_statement_count(node->arrays), statement_letter);
    }
    history->order = NULL;
}

static void begin(struct history *history, const char *at)
{
    number(history, &at, SIZE_MAX);
    history->party_count = (unsigned)number(history, &at, PARTIES_MAX);
    number(history, &at, ENTRIES_MAX);
    history->entry_count = history->order_count = 0;
}

/* One history, from its H line to its dot. False at the end of the file. */
static bool read_history(FILE *file, struct history *history, struct figures *figures)
{
    static char line[LINE_BYTES_MAX];
    struct err e = {0};
    OWNED(arrays_free) struct arrays *arrays = NULL;
    static struct node node;
    while (history->line_count) free(history->lines[--history->line_count]);

    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (history->line_count == LINES_MAX) unreadable(history, "so many lines");
        char *kept = strdup(line);
        if (!kept) exit(2);
        history->lines[history->line_count++] = kept;
        if (!arrays && line[0] != 'H') unreadable(history, "the beginning of a history");
        switch (line[0]) {
        case 'H':
            if (arrays) unreadable(history, "the end of the history before this");
            begin(history, kept + 1);
            if (!arrays_new(&arrays, history->party_count, &e)) exit(2);
            node =
                (struct node){.history = history, .arrays = arrays, .facts = arrays_facts(arrays)};
            break;
        case 'E': read_entry(history, kept + 1); break;
        case 'V': history->order_count = 0; break;
        case 'O':
            if (history->order_count == ORDERS_MAX) unreadable(history, "so many orders");
            history->orders[history->order_count++] = kept;
            break;
        case 'A':
        case 'W':
        case 'T':
        case 'S': break;
        case 'F': check_view(&node, figures); break;
        case '.': return true;
        default: unreadable(history, "this");
        }
    }
    if (history->line_count) unreadable(history, "the end of the history after this");
    return false;
}

int main(int argc, char **argv)
{
    static struct history history;
    struct figures figures = {0};
    char first[LINE_BYTES_MAX] = "";
    FILE *file = argc > 1 ? fopen(argv[1], "r") : stdin;
    if (!file) {
        fprintf(stderr, "cannot open %s\n", argv[1]);
        return 2;
    }
    while (read_history(file, &history, &figures)) {
        if (figures.histories++ == 0)
            snprintf(first, sizeof first, "%u parties, seed %s", history.party_count,
                     strrchr(history.lines[0], ' ') + 1);
    }
    if (file != stdin) fclose(file);
    if (figures.histories == 0) {
        fprintf(stderr, "there was no history to read\n");
        return 2;
    }
    printf(
        "%lu histories (from %s): as the model says, in %lu orders of arrival; %lu entries folded, "
        "%lu times anew for a fork; %lu agreements, %lu contested entries\n",
        figures.histories, first, figures.orders, figures.folds, figures.refolds, figures.agreed,
        figures.contested);
    return 0;
}

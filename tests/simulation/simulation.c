/*
 * simulation - whole nodes of two to five parties in one process, from one seed: see group.h for what happens to them and
 * truth.h for what must hold all the same.
 *
 *     simulation                  seeds 1 to 40, and some of them twice
 *     simulation FROM TO          those seeds; prints totals, and stops at the first that fails
 *     simulation --list FROM TO   those seeds; names all that fail, without making them shorter
 *     simulation --show SEED      the whole transcript of one
 *
 * A seed that fails is made as short as it still fails, and its transcript printed.
 */
#include "tests/simulation/group.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_FROM 1
#define SHORT_TO 40
#define TWICE_EVERY 25 /* of the short form: these are run twice and compared */

static void add(struct totals *sum, const struct totals *one)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)one;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) to[i] += from[i];
}

static void print_totals(const struct totals *t)
{
    printf("seeds=%" PRIu64 " steps=%" PRIu64 " entries=%" PRIu64 " agreed=%" PRIu64 " acknowledged=%" PRIu64
           " refused=%" PRIu64 " frames=%" PRIu64 " crashes=%" PRIu64 " stops=%" PRIu64 " cuts=%" PRIu64
           " disk_troubles=%" PRIu64 " meddled=%" PRIu64 " backups=%" PRIu64 " restores=%" PRIu64 " lies=%" PRIu64
           " forks=%" PRIu64 "\n",
           t->seeds, t->steps, t->entries, t->agreed, t->acknowledged, t->refused, t->frames, t->crashes, t->stops, t->cuts,
           t->troubles, t->meddled, t->backups, t->restores, t->lies, t->forks);
}

static bool fails_without(struct foundings *foundings, const struct schedule *s, const bool *left_out)
{
    struct outcome outcome;
    group_run(foundings, s, left_out, NULL, &outcome);
    return !outcome.is_fine;
}

/* Leaves out ever smaller runs of choices as long as it still fails. */
static void shrink(struct foundings *foundings, const struct schedule *s, bool *left_out)
{
    bool *without = calloc(s->count, sizeof *without);
    must(without);
    for (size_t size = s->count / 2; size > 0; size /= 2) {
        bool is_shorter = true;
        while (is_shorter) {
            is_shorter = false;
            for (size_t at = 0; at < s->count; at += size) {
                bool is_new = false;
                memcpy(without, left_out, s->count * sizeof *without);
                for (size_t i = at; i < at + size && i < s->count; i++) {
                    is_new = is_new || !without[i];
                    without[i] = true;
                }
                if (!is_new || !fails_without(foundings, s, without)) continue;
                memcpy(left_out, without, s->count * sizeof *without);
                is_shorter = size > 1;
            }
        }
    }
    free(without);
}

static void print_short(struct foundings *foundings, const struct schedule *s)
{
    struct outcome outcome;
    bool *left_out = calloc(s->count, sizeof *left_out);
    size_t kept = 0;
    must(left_out);
    shrink(foundings, s, left_out);
    for (size_t i = 0; i < s->count; i++) kept += !left_out[i];
    printf("%zu of its steps are enough:\n", kept);
    group_run(foundings, s, left_out, stdout, &outcome);
    free(left_out);
}

static bool run_seed(struct foundings *foundings, uint64_t seed, bool is_shrunk, struct totals *sum)
{
    struct schedule s;
    struct outcome outcome;
    schedule_draw(&s, seed);
    group_run(foundings, &s, NULL, NULL, &outcome);
    if (!outcome.is_fine)
        printf("seed %" PRIu64 " fails at step %zu of %zu: %s\n", seed, outcome.failed_at, s.count, outcome.why);
    (void)fflush(stdout);
    if (!outcome.is_fine && is_shrunk) print_short(foundings, &s);
    add(sum, &outcome.totals);
    schedule_wipe(&s);
    return outcome.is_fine;
}

static char *transcript_of(struct foundings *foundings, uint64_t seed, size_t *len)
{
    char *text = NULL;
    struct schedule s;
    struct outcome outcome;
    FILE *transcript = open_memstream(&text, len);
    must(transcript);
    schedule_draw(&s, seed);
    group_run(foundings, &s, NULL, transcript, &outcome);
    schedule_wipe(&s);
    must(fclose(transcript) == 0);
    return text;
}

/* Same seed, same bytes. The first place where they part is printed. */
static bool run_twice(struct foundings *foundings, uint64_t seed)
{
    size_t one_len = 0, other_len = 0, line = 0;
    char *one = transcript_of(foundings, seed, &one_len), *other = transcript_of(foundings, seed, &other_len);
    bool is_same = one_len == other_len && memcmp(one, other, one_len) == 0;
    for (size_t i = 0; !is_same && i < one_len && i < other_len && one[i] == other[i]; i++)
        if (one[i] == '\n') line = i + 1;
    if (!is_same) printf("seed %" PRIu64 " gave two transcripts:\n%.200s\n---\n%.200s\n", seed, one + line, other + line);
    free(one);
    free(other);
    return is_same;
}

static bool run_range(struct foundings *foundings, uint64_t from, uint64_t to, bool is_short)
{
    struct totals sum = {0};
    for (uint64_t seed = from; seed <= to; seed++) {
        if (!run_seed(foundings, seed, true, &sum)) return false;
        if (is_short && seed % TWICE_EVERY == 0 && !run_twice(foundings, seed)) return false;
        if (is_short || (seed - from + 1) % 1000 != 0) continue;
        printf("up to %" PRIu64 ": ", seed);
        print_totals(&sum);
        (void)fflush(stdout);
    }
    printf("%" PRIu64 " to %" PRIu64 ": ", from, to);
    print_totals(&sum);
    return true;
}

static bool list_range(struct foundings *foundings, uint64_t from, uint64_t to)
{
    struct totals sum = {0};
    bool is_fine = true;
    for (uint64_t seed = from; seed <= to; seed++)
        if (!run_seed(foundings, seed, false, &sum)) is_fine = false;
    print_totals(&sum);
    return is_fine;
}

int main(int argc, char **argv)
{
    struct foundings foundings = {0};
    struct err e = {0};
    bool is_fine = true;
    must(crypto_start(&e));
    /* one thread: SQLite need not guard against others, nor count its memory */
    must(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK && sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
    if (argc == 3 && strcmp(argv[1], "--show") == 0) {
        size_t len = 0;
        char *text = transcript_of(&foundings, strtoull(argv[2], NULL, 10), &len);
        (void)fwrite(text, 1, len, stdout);
        free(text);
    } else if (argc == 4 && strcmp(argv[1], "--list") == 0) {
        is_fine = list_range(&foundings, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    } else if (argc == 3) {
        is_fine = run_range(&foundings, strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10), false);
    } else {
        printf("seeds %d to %d\n", SHORT_FROM, SHORT_TO);
        is_fine = run_range(&foundings, SHORT_FROM, SHORT_TO, true);
    }
    foundings_wipe(&foundings);
    return is_fine ? 0 : 1;
}

/*
 * crash - after a power cut at any moment, a home opens, holds what it promised, and goes on.
 *
 *     crash                          a short run, for every day: seed 1, a sample of the moments
 *     crash SEED_FROM SEED_TO [SCENE]        every moment of every scene (or of one), for each seed; a line of totals after each
 *     crash SEED SCENE NODE CHANGES TREATMENT     one state again, told step by step (TREATMENT as a failure names it)
 *
 * A state is a scene, a node, a number of changes that had been made when the power went, and a treatment of those that
 * were not synced. Its image is what is on the disk then; an image that was met before, promising the same, is not tried twice.
 */
#include "tests/stage/scenes.h"

#include <inttypes.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TREATMENTS 8 /* lost, kept, torn twice, four random subsets */
#define SHORT_SEED 1
#define SHORT_STRIDE 37 /* of the states */
#define FAILURES_SHOWN 20

struct totals {
    uint64_t states, images, failures;
};

struct run {
    uint64_t seed, stride, next;
    const char *only; /* the scene; NULL: all */
    struct totals totals;
    struct stage *base;
};

/* The images of one scene and node that were tried, and what their databases said. */
struct image {
    uint64_t digest, facts;
};
struct tried {
    struct image *images;
    size_t count, cap;
};

/* The image's place, made when it was not tried yet. */
static struct image *image_of(struct tried *tried, uint64_t digest, bool *is_new)
{
    if (2 * (tried->count + 1) > tried->cap) {
        size_t cap = tried->cap ? 2 * tried->cap : 1024;
        struct tried bigger = {calloc(cap, sizeof(struct image)), 0, cap};
        must(bigger.images);
        for (size_t i = 0; i < tried->cap; i++)
            if (tried->images[i].digest) image_of(&bigger, tried->images[i].digest, is_new)->facts = tried->images[i].facts;
        free(tried->images);
        *tried = bigger;
    }
    size_t at = digest % tried->cap;
    while (tried->images[at].digest && tried->images[at].digest != digest) at = (at + 1) % tried->cap;
    *is_new = tried->images[at].digest == 0;
    if (*is_new) tried->count++;
    tried->images[at].digest = digest;
    return &tried->images[at];
}

/* ---- playing a scene ---- */

/* When each step was done, on the stage's clock; the homes are closed at the end, which is recorded too. */
struct played {
    struct stage *stage;
    size_t step_count;
    uint64_t done_at[SCENE_STEPS_MAX + 1];
};

static uint64_t mixed(uint64_t digest, const void *at, size_t len)
{
    const uint8_t *bytes = at;
    for (size_t i = 0; i < len; i++) digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
    return (digest ^ len) * UINT64_C(0x9fb21c651e98df25);
}

static uint64_t table_facts(sqlite3 *db, const char *table, uint64_t digest)
{
    char sql[200];
    sqlite3_stmt *rows = NULL;
    (void)snprintf(sql, sizeof sql, "SELECT * FROM \"%s\"", table);
    must(sqlite3_prepare_v2(db, sql, -1, &rows, NULL) == SQLITE_OK);
    digest = mixed(digest, table, strlen(table));
    while (sqlite3_step(rows) == SQLITE_ROW)
        for (int c = 0; c < sqlite3_column_count(rows); c++) {
            const void *at = sqlite3_column_blob(rows, c);
            digest = mixed(digest, at, (size_t)sqlite3_column_bytes(rows, c));
        }
    must(sqlite3_finalize(rows) == SQLITE_OK);
    return digest;
}

/* Everything the database says, row for row. 0: it is not there, or nothing was made in it yet. */
static uint64_t facts_of(const struct stage_node *node)
{
    char path[64];
    span content = {0};
    sqlite3 *db = NULL;
    sqlite3_stmt *tables = NULL;
    uint64_t digest = 0;
    (void)snprintf(path, sizeof path, "%s/counterpart.db", node->path);
    if (!node->disk || !disk_content(node->disk, path, &content)) return 0;
    must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, disk_name(node->disk)) == SQLITE_OK);
    if (sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", -1, &tables, NULL) == SQLITE_OK)
        while (sqlite3_step(tables) == SQLITE_ROW) digest = table_facts(db, (const char *)sqlite3_column_text(tables, 0), digest | 1);
    (void)sqlite3_finalize(tables);
    (void)sqlite3_close(db);
    return digest;
}

static bool play(const struct scene *scene, const struct run *run, struct played *out)
{
    struct err e = {0};
    *out = (struct played){.stage = scene_begin(scene, run->base, "played", run->seed << 32 | 1, true)};
    struct stage *stage = out->stage;
    out->done_at[0] = stage->clock;
    for (size_t i = 0; i < SCENE_STEPS_MAX && scene->steps[i]; i++) {
        if (!scene->steps[i](stage, &e) || !stage_promise(stage, &e)) {
            printf("%s: step %zu: %s\n", scene->name, i, e.said);
            return false;
        }
        out->done_at[++out->step_count] = stage->clock;
    }
    for (unsigned n = 0; n < STAGE_NODES; n++) stage_close(stage, n);
    return true;
}

/* ---- one state ---- */

static enum disk_unsynced unsynced_of(unsigned treatment)
{
    static const enum disk_unsynced unsynced[TREATMENTS] = {DISK_LOSES,      DISK_KEEPS,      DISK_TEARS,      DISK_TEARS,
                                                            DISK_KEEPS_SOME, DISK_KEEPS_SOME, DISK_KEEPS_SOME, DISK_KEEPS_SOME};
    return unsynced[treatment];
}

/* Every node but the one whose power goes has all it had at that moment. */
static void seat_others(const struct stage *played, struct stage *after, unsigned cut, uint64_t at)
{
    for (unsigned n = 0; n < STAGE_NODES; n++) {
        const struct disk *disk = played->nodes[n].disk;
        if (n == cut || !disk) continue;
        size_t changes = 0;
        while (changes < disk_change_count(disk) && disk_change_at(disk, changes)->at <= at) changes++;
        struct disk_options options = stage_disk_options(after, n);
        stage_seat(after, n, disk_after_power_cut(disk, changes, DISK_KEEPS, 0, &options));
    }
}

static bool is_fine_now(const struct scene *scene, const struct played *played, struct stage *after, unsigned node, uint64_t at,
                        struct err *e)
{
    unsigned other = node == ACME ? BOLT : ACME;
    bool is_ahead = true;
    struct err missing = {0};
    if (!stage_marker_keeps_promises(played->stage, at, after, node, e)) return err_because(e, "marker");
    if (!stage_open(after, node, &missing)) {
        bool is_promised = strcmp(scene->name, "init") != 0 || node != BOLT || played->done_at[1] <= at;
        if (missing.code == ERR_MISSING && !is_promised) return true; /* it was being made */
        *e = missing;
        return err_because(e, "opening");
    }
    if (!stage_keeps_promises(played->stage, at, after, node, e)) return false;
    if (!stage_verify(after, node, e)) return false;
    if (!scene->is_restored && home_health(after->nodes[node].home) != HEALTH_FINE)
        return err_set(e, ERR_REFUSED, "not fine: %s", home_health_words(after->nodes[node].home));
    if (scene->is_forked || home_health(after->nodes[node].home) != HEALTH_FINE) return true;
    if (!stage_open(after, other, &missing)) return true; /* it was not made yet */
    if (!stage_is_ahead_of(after, node, other, &is_ahead, e)) return false;
    return is_ahead || err_set(e, ERR_CONFLICT, "the counterpart holds more of ours than we do");
}

struct state {
    unsigned node;
    size_t changes;
    unsigned treatment;
};

static void state_words(const struct scene *scene, const struct played *played, const struct state *state, uint64_t seed)
{
    char words[300] = "nothing";
    const struct disk *disk = played->stage->nodes[state->node].disk;
    if (state->changes) (void)disk_change_words(disk_change_at(disk, state->changes - 1), words, sizeof words);
    printf("crash %" PRIu64 " \"%s\" %u %zu %u   (after: %s)\n", seed, scene->name, state->node, state->changes, state->treatment,
           words);
}

/* False: there is something wrong with it, and it was told. */
static bool try_state(struct run *run, const struct scene *scene, const struct played *played, const struct state *state,
                      struct tried *tried, uint64_t *facts)
{
    const struct disk *disk = played->stage->nodes[state->node].disk;
    uint64_t at = state->changes ? disk_change_at(disk, state->changes - 1)->at : played->done_at[0];
    uint64_t seed = run->seed << 32 | (2 + state->changes * TREATMENTS + state->treatment);
    size_t step = 0;
    struct err e = {0};
    OWNED(stage_free) struct stage *after = stage_new("after", seed, false);
    struct disk_options options = stage_disk_options(after, state->node);
    while (step < played->step_count && played->done_at[step + 1] <= at) step++;

    after->now_ms = played->stage->now_ms + 1000;
    after->id = played->stage->id;
    memcpy(after->spoken, played->stage->spoken, sizeof after->spoken);
    memcpy(after->invitation, played->stage->invitation, sizeof after->invitation);
    stage_seat(after, state->node, disk_after_power_cut(disk, state->changes, unsynced_of(state->treatment), seed, &options));
    run->totals.states++;
    uint64_t image = disk_digest(after->nodes[state->node].disk) * 31 + step * TREATMENTS;
    bool is_new = true;
    struct image *found = tried ? image_of(tried, image, &is_new) : NULL;
    if (!is_new) {
        *facts = found->facts;
        return true;
    }
    run->totals.images++;

    seat_others(played->stage, after, state->node, at);
    bool is_fine = is_fine_now(scene, played, after, state->node, at, &e);
    if (is_fine && facts) *facts = found->facts = facts_of(&after->nodes[state->node]);
    is_fine = is_fine && (scene_goes_on(scene, after, state->node, &e) || err_because(&e, "going on"));
    if (is_fine) return true;
    run->totals.failures++;
    if (run->totals.failures <= FAILURES_SHOWN) {
        state_words(scene, played, state, run->seed);
        printf("    step %zu: %s%s%s\n", step, e.said, e.next[0] ? "; " : "", e.next);
    }
    return false;
}

/*
 * Whatever is lost, the database says what it said at some moment since the last step was done: with everything kept, as it
 * would be found after each change since. In the order of the treatments, 1 keeps everything.
 */
static void check_facts(struct run *run, const struct scene *scene, const struct played *played, const struct state *state,
                        const uint64_t *kept, uint64_t facts)
{
    const struct disk *disk = played->stage->nodes[state->node].disk;
    uint64_t at = state->changes ? disk_change_at(disk, state->changes - 1)->at : played->done_at[0];
    size_t step = played->step_count, n = state->changes;
    while (step > 0 && played->done_at[step] > at) step--;
    for (;; n--) {
        if (kept[n] == facts) return;
        if (n == 0 || disk_change_at(disk, n - 1)->at <= played->done_at[step]) break;
    }
    run->totals.failures++;
    if (run->totals.failures > FAILURES_SHOWN) return;
    state_words(scene, played, state, run->seed);
    printf("    step %zu: the database says what it did not say since then\n", step);
}

static void try_node(struct run *run, const struct scene *scene, const struct played *played, unsigned node)
{
    static const unsigned order[TREATMENTS] = {1, 0, 2, 3, 4, 5, 6, 7};
    size_t changes = disk_change_count(played->stage->nodes[node].disk);
    struct tried tried = {0};
    uint64_t *kept = calloc(changes + 1, sizeof *kept);
    must(kept);
    for (size_t n = 0; n <= changes; n++)
        for (size_t i = 0; i < TREATMENTS; i++) {
            if (run->next++ % run->stride != 0) continue;
            const struct state state = {node, n, order[i]};
            uint64_t facts = 0;
            if (!try_state(run, scene, played, &state, &tried, &facts)) continue;
            if (order[i] == 1) kept[n] = facts;
            else if (run->stride == 1) check_facts(run, scene, played, &state, kept, facts);
        }
    free(kept);
    free(tried.images);
}

static bool run_scene(struct run *run, const struct scene *scene)
{
    struct played played;
    struct totals before = run->totals;
    bool is_played = play(scene, run, &played);
    for (unsigned node = 0; node < STAGE_NODES && is_played; node++)
        if (played.stage->nodes[node].disk && disk_change_count(played.stage->nodes[node].disk) > 0)
            try_node(run, scene, &played, node);
    stage_free(played.stage);
    printf("  %-22s %7" PRIu64 " states, %6" PRIu64 " images%s\n", scene->name, run->totals.states - before.states,
           run->totals.images - before.images, is_played && run->totals.failures == before.failures ? "" : "   FAILED");
    if (!is_played) run->totals.failures++;
    return is_played;
}

static bool make_base(struct run *run)
{
    struct err e = {0};
    run->base = stage_new("base", run->seed, false);
    if (scene_base(run->base, &e)) return true;
    printf("the base of seed %" PRIu64 ": %s\n", run->seed, e.said);
    return false;
}

static bool run_seed(struct run *run)
{
    size_t count = 0;
    const struct scene *scene = scenes(&count);
    if (!make_base(run)) return false;
    for (size_t i = 0; i < count; i++)
        if (!run->only || strcmp(run->only, scene[i].name) == 0) (void)run_scene(run, &scene[i]);
    stage_free(run->base);
    run->base = NULL;
    return run->totals.failures == 0;
}

static bool run_again(struct run *run, const char *name, const struct state *state)
{
    size_t count = 0;
    const struct scene *scene = scenes(&count);
    struct played played;
    bool is_fine = false;
    while (count > 0 && strcmp(scene->name, name) != 0) scene++, count--;
    if (count == 0 || !make_base(run)) return false;
    if (play(scene, run, &played)) {
        const struct disk *disk = played.stage->nodes[state->node].disk;
        for (size_t i = 0; i < disk_change_count(disk); i++) {
            char words[300];
            printf("%s%6zu %6" PRIu64 " %s\n", i + 1 == state->changes ? "->" : "  ", i + 1, disk_change_at(disk, i)->at,
                   disk_change_words(disk_change_at(disk, i), words, sizeof words));
        }
        for (size_t i = 0; i <= played.step_count; i++) printf("step %zu done at %" PRIu64 "\n", i, played.done_at[i]);
        is_fine = try_state(run, scene, &played, state, NULL, NULL);
    }
    stage_free(played.stage);
    stage_free(run->base);
    return is_fine;
}

static double seconds(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_totals(const char *what, const struct totals *totals)
{
    double spent = seconds();
    printf("%s: %" PRIu64 " states, %" PRIu64 " images tried, %" PRIu64 " failures, %.0f s of processor time (%.0f states/s)\n",
           what, totals->states, totals->images, totals->failures, spent, (double)totals->states / spent);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    struct run run = {.seed = SHORT_SEED, .stride = SHORT_STRIDE};
    must(crypto_start(NULL));
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 28); /* the same large blocks again and again: not from the kernel each time */
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 28);
    if (argc == 6) {
        struct state state = {(unsigned)strtoul(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), (unsigned)strtoul(argv[5], NULL, 10)};
        run.seed = strtoull(argv[1], NULL, 10);
        return run_again(&run, argv[2], &state) ? 0 : 1;
    }
    uint64_t last = SHORT_SEED;
    if (argc == 3 || argc == 4) {
        run.only = argv[3]; /* NULL when it is not given */
        run.stride = 1;
        run.seed = strtoull(argv[1], NULL, 10);
        last = strtoull(argv[2], NULL, 10);
    }
    for (; run.seed <= last; run.seed++) {
        char what[64];
        printf("seed %" PRIu64 "\n", run.seed);
        (void)run_seed(&run);
        (void)snprintf(what, sizeof what, "up to seed %" PRIu64, run.seed);
        print_totals(what, &run.totals);
    }
    return run.totals.failures ? 1 : 0;
}

/*
 * faults - whatever call fails, nothing is lost, the sentence is clear, and trying again succeeds.
 *
 *     faults                              a short run, for every day: a sample of the calls, drawn from COUNTERPART_TEST_SEED
 *     faults all [SCENE]                  every call of every scene, or of one
 *     faults SCENE TROUBLE NODE K once|on    one fault again
 *
 * A fault is a scene, a trouble (memory, io, full, sync), the node whose disk it befalls, and the number of the call that
 * fails, alone or with all that follow until a step has failed. The same homes go on, without being opened again.
 */
#include "tests/stage/scenes.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FAILURES_SHOWN 20
#define TRIES_MAX 4
#define SHORT_FAULTS 240

/* ---- memory that runs out: the linker sends our allocations here, SQLite is told to ---- */

static struct {
    bool is_armed, is_for_good, has_struck;
    uint64_t calls, at;
} memory;

static bool memory_fails(void)
{
    if (!memory.is_armed) return false;
    uint64_t call = memory.calls++;
    bool is_struck = memory.is_for_good ? call >= memory.at : call == memory.at;
    memory.has_struck |= is_struck;
    return is_struck;
}

void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *at, size_t len);
void *__wrap_malloc(size_t len) { return memory_fails() ? NULL : __real_malloc(len); }
void *__wrap_calloc(size_t count, size_t len) { return memory_fails() ? NULL : __real_calloc(count, len); }
void *__wrap_realloc(void *at, size_t len) { return memory_fails() ? NULL : __real_realloc(at, len); }

static sqlite3_mem_methods usual;
static void *sqlite_malloc(int len) { return memory_fails() ? NULL : usual.xMalloc(len); }
static void *sqlite_realloc(void *at, int len) { return memory_fails() ? NULL : usual.xRealloc(at, len); }

static void take_over_sqlite(void)
{
    must(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &usual) == SQLITE_OK);
    sqlite3_mem_methods ours = usual;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    must(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) == SQLITE_OK);
    must(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) == SQLITE_OK); /* every allocation is seen */
}

/* ---- troubles ---- */

enum trouble { TROUBLE_MEMORY, TROUBLE_IO, TROUBLE_FULL, TROUBLE_SYNC, TROUBLES };
static const char *const trouble_words[TROUBLES] = {"memory", "io", "full", "sync"};
static const enum disk_trouble disk_troubles[TROUBLES] = {
    [TROUBLE_IO] = DISK_IO_ERROR, [TROUBLE_FULL] = DISK_FULL, [TROUBLE_SYNC] = DISK_SYNC_FAILS};

struct fault {
    enum trouble trouble;
    unsigned node; /* of a disk's trouble */
    uint64_t k;
    bool is_for_good;
};

static void arm(struct stage *stage, const struct fault *fault)
{
    if (fault->trouble == TROUBLE_MEMORY) {
        memory.calls = 0;
        memory.at = fault->k;
        memory.is_for_good = fault->is_for_good;
        memory.has_struck = false;
    } else disk_fail(stage->nodes[fault->node].disk, disk_troubles[fault->trouble], fault->k, fault->is_for_good);
}

/* The trouble is over; says whether it had come to pass. */
static bool mend(struct stage *stage, const struct fault *fault)
{
    if (fault->trouble != TROUBLE_MEMORY) return disk_mend(stage->nodes[fault->node].disk);
    bool has_struck = memory.has_struck;
    memory.at = UINT64_MAX;
    memory.has_struck = false;
    return has_struck;
}

/* ---- one scene under one fault ---- */

static bool step_now(const struct scene *scene, size_t i, struct stage *stage, struct err *e)
{
    *e = (struct err){0};
    memory.is_armed = true;
    bool is_done = scene->steps[i](stage, e);
    memory.is_armed = false;
    return is_done;
}

/* A step that fails says why, and then succeeds when it is tried again. */
static bool step_at_last(const struct scene *scene, size_t i, struct stage *stage, const struct fault *fault, bool *has_struck,
                         struct err *e)
{
    for (unsigned tries = 0; !step_now(scene, i, stage, e); tries++) {
        if (e->code == ERR_NONE || e->said[0] == '\0') return err_set(e, ERR_CORRUPT, "it failed and did not say why");
        if (tries == TRIES_MAX) return err_because(e, "it was tried again and again");
        if (fault->is_for_good || tries > 1) *has_struck |= mend(stage, fault);
    }
    return true;
}

static size_t said_count(struct stage *stage, unsigned node, const char *title);

/* What was said once is there once. */
static bool is_said_once(struct stage *stage, struct err *e)
{
    static const char *const titles[] = {"Sweep the hall", "Paint the hall", "Move the press"};
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        for (unsigned n = 0; n < STAGE_NODES; n++)
            if (stage->nodes[n].home && said_count(stage, n, titles[i]) > 1)
                return err_set(e, ERR_CONFLICT, "\"%s\" was proposed twice: a call failed that had succeeded", titles[i]);
    return true;
}

static bool keeps_all(const struct scene *scene, struct stage *stage, struct err *e)
{
    for (unsigned n = 0; n < STAGE_NODES; n++) stage_close(stage, n);
    for (unsigned n = 0; n < STAGE_NODES; n++) {
        if (!stage->nodes[n].disk) continue;
        if (!stage_open(stage, n, e)) return err_because(e, "opening it at the end");
        if (!stage_keeps_promises(stage, UINT64_MAX, stage, n, e) || !stage_verify(stage, n, e)) return false;
        if (!scene->is_restored && home_health(stage->nodes[n].home) != HEALTH_FINE)
            return err_set(e, ERR_REFUSED, "not fine: %s", home_health_words(stage->nodes[n].home));
    }
    if (!is_said_once(stage, e)) return false;
    return scene_goes_on(scene, stage, BOLT, e) || err_because(e, "going on");
}

static bool play(const struct scene *scene, const struct stage *base, const struct fault *fault, bool *has_struck, struct err *e)
{
    OWNED(stage_free) struct stage *stage = scene_begin(scene, base, "faulty", UINT64_C(1) << 40, false);
    size_t step = 0;
    bool is_fine = true;
    *has_struck = false;
    arm(stage, fault);
    for (; step < SCENE_STEPS_MAX && scene->steps[step] && is_fine; step++) {
        is_fine = step_at_last(scene, step, stage, fault, has_struck, e) || err_because(e, "step %zu", step);
        /* Looking at a disk that is failing would meet the fault, not the step. */
        if (is_fine && fault->trouble == TROUBLE_MEMORY) is_fine = stage_promise(stage, e);
    }
    *has_struck |= mend(stage, fault);
    if (is_fine) is_fine = stage_promise(stage, e);
    return is_fine && keeps_all(scene, stage, e);
}

struct saying {
    const char *title;
    size_t count;
};

static bool count_said(void *self, struct item_view *view)
{
    struct saying *s = self;
    for (size_t o = 0; o < view->offer_count; o++)
        for (size_t f = 0; f < view->offers[o].field_count; f++)
            if (view->offers[o].fields[f].value.is_text && span_equal(view->offers[o].fields[f].value.text, span_text(s->title)))
                s->count++;
    return true;
}

static size_t said_count(struct stage *stage, unsigned node, const char *title)
{
    struct saying s = {title, 0};
    (void)!items_each(home_store(stage->nodes[node].home), &stage->id, "action", count_said, &s, NULL);
    return s.count;
}

/* ---- counting calls ---- */

struct calls {
    uint64_t of[TROUBLES][STAGE_NODES];
};

static void count_calls(const struct scene *scene, const struct stage *base, struct calls *out)
{
    struct err e = {0};
    OWNED(stage_free) struct stage *stage = scene_begin(scene, base, "counted", UINT64_C(1) << 40, false);
    uint64_t before[TROUBLES][STAGE_NODES] = {{0}};
    *out = (struct calls){{{0}}};
    for (unsigned t = TROUBLE_IO; t < TROUBLES; t++)
        for (unsigned n = 0; n < STAGE_NODES; n++)
            if (stage->nodes[n].disk) before[t][n] = disk_calls(stage->nodes[n].disk, disk_troubles[t]);
    memory.calls = 0;
    memory.at = UINT64_MAX;
    for (size_t i = 0; i < SCENE_STEPS_MAX && scene->steps[i]; i++)
        if (!step_now(scene, i, stage, &e)) {
            printf("%s: step %zu: %s\n", scene->name, i, e.said);
            exit(1);
        }
    out->of[TROUBLE_MEMORY][0] = memory.calls;
    for (unsigned t = TROUBLE_IO; t < TROUBLES; t++)
        for (unsigned n = 0; n < STAGE_NODES; n++)
            if (stage->nodes[n].disk) out->of[t][n] = disk_calls(stage->nodes[n].disk, disk_troubles[t]) - before[t][n];
}

/* ---- runs ---- */

struct run {
    struct stage *base;
    uint64_t stride, next; /* every stride-th fault */
    uint64_t faults, struck, failures;
};

static bool try_fault(struct run *run, const struct scene *scene, const struct fault *fault)
{
    struct err e = {0};
    bool has_struck = false;
    run->faults++;
    bool is_fine = play(scene, run->base, fault, &has_struck, &e);
    run->struck += has_struck;
    if (is_fine) return true;
    if (run->failures++ < FAILURES_SHOWN)
        printf("faults \"%s\" %s %u %" PRIu64 " %s\n    %s: %s\n", scene->name, trouble_words[fault->trouble], fault->node, fault->k,
               fault->is_for_good ? "on" : "once", err_word(e.code), e.said);
    return false;
}

static void run_scene(struct run *run, const struct scene *scene)
{
    struct calls calls;
    struct run before = *run;
    count_calls(scene, run->base, &calls);
    for (unsigned t = 0; t < TROUBLES; t++)
        for (unsigned n = 0; n < STAGE_NODES; n++)
            for (uint64_t k = 0; k < calls.of[t][n]; k++)
                for (unsigned on = 0; on < 2; on++) {
                    const struct fault fault = {(enum trouble)t, n, k, on == 1};
                    if (run->next++ % run->stride == 0) (void)try_fault(run, scene, &fault);
                }
    printf("  %-22s %7" PRIu64 " faults, %" PRIu64 " came to pass%s\n", scene->name, run->faults - before.faults,
           run->struck - before.struck, run->failures == before.failures ? "" : "   FAILED");
    (void)fflush(stdout);
}

static uint64_t all_calls(struct run *run, const struct scene *scene, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        struct calls calls;
        count_calls(&scene[i], run->base, &calls);
        for (unsigned t = 0; t < TROUBLES; t++)
            for (unsigned n = 0; n < STAGE_NODES; n++) all += 2 * calls.of[t][n];
    }
    return all;
}

static bool run_one(struct run *run, char **argv)
{
    size_t count = 0;
    const struct scene *scene = scenes(&count);
    struct fault fault = {.node = (unsigned)strtoul(argv[3], NULL, 10), .k = strtoull(argv[4], NULL, 10),
                          .is_for_good = strcmp(argv[5], "on") == 0};
    for (unsigned t = 0; t < TROUBLES; t++)
        if (strcmp(trouble_words[t], argv[2]) == 0) fault.trouble = (enum trouble)t;
    for (size_t i = 0; i < count; i++)
        if (strcmp(scene[i].name, argv[1]) == 0) return try_fault(run, &scene[i], &fault);
    return false;
}

int main(int argc, char **argv)
{
    struct run run = {.stride = 1};
    size_t count = 0;
    const struct scene *scene = scenes(&count);
    struct err e = {0};
    const char *given = getenv("COUNTERPART_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) ^ (uint64_t)getpid() << 40;
    take_over_sqlite();
    must(crypto_start(NULL));
    run.base = stage_new("base", 1, false);
    if (!scene_base(run.base, &e)) {
        printf("the base: %s\n", e.said);
        return 1;
    }
    if (argc == 6) {
        (void)run_one(&run, argv);
    } else {
        const char *only = argc == 3 ? argv[2] : NULL;
        if (argc == 1) {
            run.stride = all_calls(&run, scene, count) / SHORT_FAULTS + 1;
            run.next = seed % run.stride;
            printf("COUNTERPART_TEST_SEED=%" PRIu64 "\n", seed);
        }
        for (size_t i = 0; i < count; i++)
            if (!only || strcmp(only, scene[i].name) == 0) run_scene(&run, &scene[i]);
    }
    stage_free(run.base);
    printf("%" PRIu64 " faults, %" PRIu64 " came to pass, %" PRIu64 " failures\n", run.faults, run.struck, run.failures);
    return run.failures ? 1 : 0;
}

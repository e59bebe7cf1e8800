/*
 * counterpart-bench - figures, measured on this machine's loopback between two real nodes in two processes.
 *
 *     counterpart-bench [ENTRIES]      50,000 by default; nothing is left behind
 *
 * Every figure is printed as "name value unit". Rates count entries verified, stored durably (synchronous=FULL) and
 * folded into the record; a copy is pulled in batches, one commit each.
 */
#include "node/link.h"
#include "node/pairing.h"
#include "node/runner.h"
#include "node/world_real.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 5000
#define SETTLE_MS 20000

struct side {
    char path[64], state[64];
    const char *name, *domain, *code;
};
struct bench {
    struct side acme, bolt;
    struct relationship_id id;
    char address[64];
    pid_t server;
};

static const struct asker person = {"Bench", "relationship manager"};

static void quiet(void *self, enum loudness loudness, const char *line)
{
    (void)self;
    if (loudness == TROUBLE) fprintf(stderr, "%s\n", line);
}
static const struct voice voice = {quiet, NULL};

static _Noreturn void stop(struct bench *b, const char *doing, const struct err *e)
{
    fprintf(stderr, "counterpart-bench: %s: %s\n", doing, e->said);
    if (b->server > 0) (void)kill(b->server, SIGKILL);
    exit(1);
}

static struct home_options options_of(const struct side *side)
{
    return (struct home_options){.path = side->path, .state_folder = side->state, .world = world_real(),
                                 .machine = world_machine()};
}

static struct home *open_home(struct bench *b, const struct side *side)
{
    struct home_options options = options_of(side);
    struct home *home = NULL;
    struct err e = {0};
    if (!home_open(&home, &options, &e)) stop(b, side->path, &e);
    return home;
}

static void make_home(struct bench *b, struct side *side, const char *folder)
{
    struct organisation organisation = {0};
    struct err e = {0};
    (void)snprintf(side->path, sizeof side->path, "%s/%s", folder, side->code);
    (void)snprintf(side->state, sizeof side->state, "%s/%s-state", folder, side->code);
    (void)snprintf(organisation.name, sizeof organisation.name, "%s", side->name);
    (void)snprintf(organisation.domain, sizeof organisation.domain, "%s", side->domain);
    (void)snprintf(organisation.code, sizeof organisation.code, "%s", side->code);
    struct home_options options = options_of(side);
    if (!home_init(&options, &organisation, &e)) stop(b, "init", &e);
}

static double seconds(void)
{
    return (double)world_real()->now_ms(world_real()->self) / 1000.0;
}

/* Processor time, which other work on the machine changes far less than it changes the time by the clock. */
static double processor_seconds(clockid_t clock)
{
    struct timespec spent = {0};
    (void)clock_gettime(clock, &spent);
    return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

static double server_seconds(const struct bench *b)
{
    clockid_t clock;
    return b->server > 0 && clock_getcpuclockid(b->server, &clock) == 0 ? processor_seconds(clock) : 0;
}

/* ---- the other company's daemon ---- */

/* In a process of its own, started anew: neither nng nor SQLite may be carried across a fork. */
static int serve(const char *path, const char *state, const char *address)
{
    struct home_options options = {.path = path, .state_folder = state, .world = world_real(),
                                   .machine = world_machine()};
    struct home *home = NULL;
    struct link *link = NULL;
    struct runner_outcome outcome;
    struct err e = {0};
    char bound[64] = {0};
    if (!home_open(&home, &options, &e) || !link_open(&link, &e) ||
        !link_listen(link, address, bound, sizeof bound, &e)) {
        fprintf(stderr, "counterpart-bench: serving: %s\n", e.said);
        return 1;
    }
    printf("%s\n", bound);
    fflush(stdout);
    struct runner_options runner = {.home = home, .link = link, .voice = &voice};
    return runner_run(&runner, &outcome, &e) ? 0 : 1;
}

static void start_server(struct bench *b)
{
    int out[2];
    struct err e = {0};
    if (pipe(out) != 0) stop(b, "pipe", &e);
    fflush(stdout);
    b->server = fork();
    if (b->server == 0) {
        (void)dup2(out[1], STDOUT_FILENO);
        (void)close(out[0]);
        (void)close(out[1]);
        (void)execl("/proc/self/exe", "counterpart-bench", "--serve", b->acme.path, b->acme.state, b->address, (char *)NULL);
        _exit(1);
    }
    (void)close(out[1]);
    FILE *from = fdopen(out[0], "r");
    if (!from || !fgets(b->address, sizeof b->address, from)) stop(b, "the other node did not start", &e);
    b->address[strcspn(b->address, "\n")] = '\0';
    (void)fclose(from);
}

static void stop_server(struct bench *b)
{
    (void)kill(b->server, SIGKILL);
    (void)waitpid(b->server, NULL, 0);
    b->server = 0;
}

/* From dialling to the last commit; opening and closing the home are not in it. */
struct spent {
    double by_clock, here, there; /* s; the other two are processor time, of this node and of the other */
};

static struct spent sync_once(struct bench *b, struct engine_counts *out)
{
    struct home *home = open_home(b, &b->bolt);
    struct link *link = NULL;
    struct runner_outcome outcome;
    struct err e = {0};
    if (!link_open(&link, &e)) stop(b, "link", &e);
    struct runner_options options = {.home = home, .link = link, .voice = &voice, .is_once = true};
    struct spent from = {seconds(), processor_seconds(CLOCK_PROCESS_CPUTIME_ID), server_seconds(b)};
    if (!runner_run(&options, &outcome, &e) || outcome.counts.partners_reached == 0) stop(b, outcome.failure, &e);
    struct spent took = {seconds() - from.by_clock, processor_seconds(CLOCK_PROCESS_CPUTIME_ID) - from.here,
                         server_seconds(b) - from.there};
    *out = outcome.counts;
    link_close(link);
    home_close(home);
    return took;
}

static void pair(struct bench *b)
{
    struct home *acme = open_home(b, &b->acme);
    const char *codes[] = {"ACME", "BOLT"}, *addresses[] = {b->address};
    struct invitation *invitation = calloc(1, sizeof *invitation);
    struct engine_counts counts;
    struct err e = {0};
    char text[INVITATION_TEXT_MAX];
    struct sink out = sink_over(text, sizeof text);
    if (!work_open(acme, &person, "Bench", codes, 2, &b->id, &e)) stop(b, "open", &e);
    home_close(acme); /* an open database must not be carried across a fork */
    start_server(b);
    acme = open_home(b, &b->acme);
    if (!pairing_invite(acme, &b->id, "BOLT", addresses, 1, 3600, &out, &e)) stop(b, "invite", &e);
    struct home *bolt = open_home(b, &b->bolt);
    if (!pairing_join(bolt, sink_span(&out), NULL, invitation, &e)) stop(b, "join", &e);
    home_close(bolt);
    free(invitation);
    sync_once(b, &counts);
    bolt = open_home(b, &b->bolt);
    if (!pairing_confirm(acme, &person, &b->id, "BOLT", CHECK_VOICE, &e)) stop(b, "confirm", &e);
    if (!pairing_confirm(bolt, &person, &b->id, "ACME", CHECK_VOICE, &e)) stop(b, "confirm", &e);
    home_close(acme);
    home_close(bolt);
    sync_once(b, &counts);
}

/* ---- work ---- */

static void propose(struct bench *b, const struct side *side, size_t count)
{
    struct home *home = open_home(b, side);
    const struct noun *action = vocabulary_find(span_text("action"));
    struct row *rows = calloc(count, sizeof *rows);
    struct body_field *fields = calloc(3 * count, sizeof *fields);
    struct hash *ids = calloc(count, sizeof *ids);
    struct err e = {0};
    for (size_t i = 0; i < count; i++) {
        struct body_field *f = &fields[3 * i];
        f[0] = (struct body_field){span_text("title"), {true, span_text("Check the customs form and send it on"), 0}};
        f[1] = (struct body_field){span_text("due"), {true, span_text("2027-03-31"), 0}};
        f[2] = (struct body_field){span_text("priority"), {true, span_text("high"), 0}};
        rows[i] = (struct row){f, 3};
    }
    if (!work_propose_many(home, &person, &b->id, action, rows, count, ids, &e)) stop(b, "propose", &e);
    home_close(home);
    free(rows);
    free(fields);
    free(ids);
}

struct singly {
    struct bench *b;
    struct home *home;
    size_t count;
};

/* One head for each entry, as 50,000 separate commits leave them; made in one transaction to save the bench's time. */
static bool propose_singly(void *self, struct err *e)
{
    struct singly *s = self;
    uint8_t body[128];
    const struct signing_key *key = NULL;
    struct sink out = sink_over(body, sizeof body);
    struct body_field fields[1] = {{span_text("title"), {true, span_text("One commit, one entry"), 0}}};
    if (!home_log_key(s->home, &s->b->id, &key, e)) return false;
    struct author author = {person.person, person.role, key};
    struct draft draft = {.verb = VERB_PROPOSE, .noun = "action", .item_count = 1};
    draft.items[0] = (struct item_base){.is_new = true, .from_start = true};
    body_start(&out, 1);
    body_map(&out, fields, 1);
    draft.body = sink_span(&out);
    for (size_t i = 0; i < s->count; i++) {
        struct hash id;
        if (!record_append(home_store(s->home), &s->b->id, &author, &draft, 1, &id, NULL, e)) return false;
    }
    return true;
}

static void print_rate(const char *name, double entries, double took)
{
    printf("%s %.0f entries/s (%.0f in %.2f s)\n", name, entries / took, entries, took);
}

static void copy(struct bench *b, const char *name)
{
    struct engine_counts counts;
    struct spent took = sync_once(b, &counts);
    double entries = (double)counts.entries_received;
    print_rate(name, entries, took.by_clock);
    printf("%s_processor_time %.1f us/entry here, %.1f us/entry there\n", name, took.here / entries * 1e6,
           took.there / entries * 1e6);
    printf("%s_bytes_received %llu bytes\n%s_round_trips %llu\n", name, (unsigned long long)counts.bytes_received, name,
           (unsigned long long)counts.round_trips);
}

static void in_step(struct bench *b, const char *name)
{
    struct engine_counts counts;
    sync_once(b, &counts); /* the first settles receipts */
    sync_once(b, &counts);
    printf("%s_in_step_check %llu bytes in %llu round trips, and %llu bytes of handshake in 2\n", name,
           (unsigned long long)(counts.bytes_sent + counts.bytes_received - counts.handshake_bytes),
           (unsigned long long)counts.round_trips - 2, (unsigned long long)counts.handshake_bytes);
}

/* ---- a live session ---- */

static bool until_in_step(struct engine *engine, struct link *link, struct home *home, const struct relationship_id *id)
{
    const struct world *world = world_real();
    uint64_t until = world->now_ms(world->self) + SETTLE_MS;
    while (world->now_ms(world->self) < until) {
        struct in_step step;
        struct event event = {0};
        struct err e = {0};
        link_next(link, 20, &event);
        engine_step(engine, &event);
        if (event.kind == EVENT_TIMER && engine_in_step(home, id, &step, &e) && step.is_in_step) return true;
    }
    return false;
}

/* Bolt dials and stays; then one entry of its own is brought over. */
static void live(struct bench *b, const char *name)
{
    struct home *home = open_home(b, &b->bolt);
    struct link *link = NULL;
    struct engine *engine = NULL;
    struct engine_counts before, after;
    struct err e = {0};
    if (!link_open(&link, &e)) stop(b, "link", &e);
    struct engine_options options = {.home = home, .network = link_network(link), .voice = &voice};
    if (!engine_open(&engine, &options, &e)) stop(b, "engine", &e);
    engine_start(engine);
    if (!until_in_step(engine, link, home, &b->id)) stop(b, "settling", &e);
    engine_counts(engine, &before);
    propose(b, &b->bolt, 1);
    struct event wrote = {.kind = EVENT_WROTE};
    engine_step(engine, &wrote);
    if (!until_in_step(engine, link, home, &b->id)) stop(b, "one entry", &e);
    engine_counts(engine, &after);
    printf("%s_one_entry_out %llu bytes in %llu round trips\n", name,
           (unsigned long long)(after.bytes_sent + after.bytes_received - before.bytes_sent - before.bytes_received),
           (unsigned long long)(after.round_trips - before.round_trips));
    before = after;
    propose(b, &b->acme, 1);
    for (int i = 0; i < 20 && after.entries_received == before.entries_received; i++) {
        struct event event = {0};
        link_next(link, 100, &event);
        engine_step(engine, &event);
        engine_counts(engine, &after);
    }
    printf("%s_one_entry_in %llu bytes in %llu round trips\n", name,
           (unsigned long long)(after.bytes_sent + after.bytes_received - before.bytes_sent - before.bytes_received),
           (unsigned long long)(after.round_trips - before.round_trips));
    engine_close(engine);
    link_close(link);
    home_close(home);
}

static void run(struct bench *b, size_t entries)
{
    pair(b);
    propose(b, &b->acme, 100);
    copy(b, "small_copy");
    in_step(b, "at_100");
    live(b, "at_100");
    stop_server(b);

    double start = seconds();
    for (size_t done = 0; done < entries; done += CHUNK) propose(b, &b->acme, entries - done < CHUNK ? entries - done : CHUNK);
    print_rate("propose_many", (double)entries, seconds() - start);
    start_server(b);
    copy(b, "full_copy");
    in_step(b, "at_full");
    live(b, "at_full");
    stop_server(b);

    struct singly singly = {b, open_home(b, &b->acme), entries};
    struct err e = {0};
    start = seconds();
    if (!store_transact(home_store(singly.home), propose_singly, &singly, &e) || !home_mark(singly.home, &e))
        stop(b, "proposing singly", &e);
    print_rate("propose_singly", (double)entries, seconds() - start);
    home_close(singly.home);
    start_server(b);
    copy(b, "copy_of_single_commits");
    stop_server(b);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/counterpart-bench-XXXXXX", command[64];
    struct bench b = {.acme = {.name = "Acme Ltd", .domain = "acme.example", .code = "ACME"},
                      .bolt = {.name = "Bolt GmbH", .domain = "bolt.example", .code = "BOLT"},
                      .address = "tcp://127.0.0.1:0"};
    struct err e = {0};
    if (argc == 5 && strcmp(argv[1], "--serve") == 0)
        return crypto_start(&e) ? serve(argv[2], argv[3], argv[4]) : 1;
    size_t entries = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 50000;
    if (entries == 0 || argc > 2) {
        fprintf(stderr, "usage: counterpart-bench [ENTRIES]\n");
        return 2;
    }
    if (!crypto_start(&e) || !mkdtemp(folder)) stop(&b, "starting", &e);
    make_home(&b, &b.acme, folder);
    make_home(&b, &b.bolt, folder);
    run(&b, entries);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? 0 : 1;
}

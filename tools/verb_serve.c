/* serve - the daemon: listens, dials, and keeps every counterpart up to date until SIGTERM or SIGINT. */
#include "tools/choose.h"
#include "tools/talk.h"
#include "tools/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#define LISTENERS_MAX 16
#define FILES_MAX 65536 /* a connection takes one, for 10 s even when its other side never says a word */

/* ------------------------------------------------------------ one daemon a home */

static void lock_close(int lock)
{
    if (lock >= 0) (void)close(lock); /* and so lets go of it */
}
static void lock_close_owned(int *lock) { lock_close(*lock); }

/* Holds HOME/serve.lock, with our process id in it, until the file is closed. */
static bool take_lock(const char *home, int *out, struct err *e)
{
    char path[PATH_BYTES_MAX + 16] = {0}, text[32] = {0};
    (void)snprintf(path, sizeof path, "%s/serve.lock", home);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) return err_set(e, ERR_DISK, "%.150s cannot be opened: %s", path, strerror(errno));
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        ssize_t got = read(lock, text, sizeof text - 1);
        long process = got > 0 ? strtol(text, NULL, 10) : 0;
        lock_close(lock);
        (void)err_set(e, ERR_CONFLICT,
                      "another `counterpart serve` (process %ld) works for this home", process);
        return err_next(e, "stop that one first; its lock is %.120s", path);
    }
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(lock, 0) != 0 || len < 0 || write(lock, text, (size_t)len) != len) {
        lock_close(lock);
        return err_set(e, ERR_DISK, "%.150s cannot be written: %s", path, strerror(errno));
    }
    *out = lock;
    return true;
}

/* ------------------------------------------------------------ signals */

/* A thread that does nothing but wait for SIGTERM or SIGINT, so that no handler has to be careful. */
struct stopper {
    pthread_t thread;
    sigset_t signals;
    struct link *link;
    bool is_running;
};

static void *wait_for_signal(void *self)
{
    const struct stopper *stopper = self;
    int caught = 0;
    if (sigwait(&stopper->signals, &caught) == 0) link_stop(stopper->link);
    return NULL;
}

/* Before any thread starts: those of the network must not take these signals. */
static void block_signals(struct stopper *stopper)
{
    (void)sigemptyset(&stopper->signals);
    (void)sigaddset(&stopper->signals, SIGTERM);
    (void)sigaddset(&stopper->signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &stopper->signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static bool stopper_start(struct stopper *stopper, struct link *link, struct err *e)
{
    stopper->link = link;
    if (pthread_create(&stopper->thread, NULL, wait_for_signal, stopper) != 0)
        return err_set(e, ERR_MEMORY, "no thread could be started");
    stopper->is_running = true;
    return true;
}

static void stopper_close(struct stopper *stopper)
{
    if (!stopper->is_running) return;
    (void)pthread_kill(stopper->thread, SIGTERM); /* it may still be waiting */
    (void)pthread_join(stopper->thread, NULL);
    stopper->is_running = false;
}

/* ------------------------------------------------------------ listening */

/* The usual 1,024 files would be used up by as many idle strangers, and then nobody is let in and no file is written. */
static void allow_files(void)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FILES_MAX) return;
    limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* if not, fewer */
}

/* Binds --listen and the words after it; says where on stderr and, with --json, as one line on stdout. */
static bool listen_all(struct command *c, struct link *link, struct err *e)
{
    const char *addresses[LISTENERS_MAX * 2] = {NULL};
    size_t count = arguments_values(&c->arguments, "listen", addresses, LISTENERS_MAX);
    OWNED(json_free) struct json *json = NULL;
    OWNED_BUFFER line = {0};
    for (size_t i = 0; i < command_words(c) && count < LISTENERS_MAX; i++)
        addresses[count++] = command_word(c, i);
    if (count > LISTENERS_MAX)
        return err_set(e, ERR_USAGE, "there are more than %d addresses", LISTENERS_MAX);
    if (!json_new(&json, e)) return false;
    json_start_array(json, "listening");
    for (size_t i = 0; i < count; i++) {
        char bound[2 * ADDRESS_BYTES_MAX] = {0};
        if (!link_listen(link, addresses[i], bound, sizeof bound, e)) return false;
        fprintf(stderr, "listening on %s\n", bound);
        json_put_text(json, NULL, bound);
    }
    if (count == 0) fprintf(stderr, "not listening; dialling only\n");
    if (!c->is_json) return true;
    if (!json_print(json, false, &line, e) || !buffer_put(&line, span_text("\n"), e)) return false;
    fwrite(line.at, 1, line.len, stdout);
    fflush(stdout);
    return true;
}

bool verb_serve(struct command *c, struct err *e)
{
    struct stopper stopper = {0};
    struct speaker speaker = {true, command_has(c, "verbose")};
    const struct voice voice = talk_voice(&speaker);
    struct runner_outcome outcome = {0};
    __attribute__((cleanup(lock_close_owned))) int lock = -1;
    if (!command_home(c, e) || !home_may_work(c->home, true, e)) return false;
    if (!take_lock(c->home_path, &lock, e)) return false;
    allow_files();
    block_signals(&stopper);
    OWNED(link_close) struct link *link = NULL;
    if (!link_open(&link, e) || !listen_all(c, link, e)) return false;
    const struct runner_options options = {.home = c->home, .link = link, .voice = &voice};
    if (!stopper_start(&stopper, link, e)) return false;
    bool is_done = runner_run(&options, &outcome, e);
    stopper_close(&stopper);
    json_free(GIVE(c->json)); /* the one line was printed when it was bound */
    return is_done;
}

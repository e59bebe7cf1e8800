/* Whichever of nng's calls fails, once: nothing is lost or left behind, and the next attempt works. */
#include "node/link_rooms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SOON_MS 60000 /* by when whatever must happen has happened, however busy the machine is */
#define TRY_MS 200    /* a try whose request or answer was lost ends after this */
#define STEP_MS 5
#define CALLS_LEAST 60 /* there are three for each of the sixteen receives alone */
#define CALLS_MOST 1000
#define HANG_S 540 /* the whole program is taken to hang after this */

/* ---- calls of which one fails ---- */

static atomic_size_t call_count, failing_call; /* nng's threads call too */

static bool fails(void)
{
    return atomic_fetch_add(&call_count, 1) + 1 == atomic_load(&failing_call);
}

static int faulty_msg_alloc(nng_msg **out, size_t bytes)
{
    return fails() ? NNG_ENOMEM : nng_msg_alloc(out, bytes);
}

static int faulty_aio_alloc(nng_aio **out, void (*callback)(void *), void *self)
{
    return fails() ? NNG_ENOMEM : nng_aio_alloc(out, callback, self);
}

/* What has failed has brought no message. */
static int faulty_aio_result(nng_aio *aio)
{
    if (!fails()) return nng_aio_result(aio);
    if (nng_aio_result(aio) == 0) {
        nng_msg_free(nng_aio_get_msg(aio));
        nng_aio_set_msg(aio, NULL);
    }
    return NNG_ECONNRESET;
}

static int faulty_ctx_open(nng_ctx *out, nng_socket socket)
{
    return fails() ? NNG_ENOMEM : nng_ctx_open(out, socket);
}

static int faulty_req_open(nng_socket *out) { return fails() ? NNG_ENOMEM : nng_req0_open(out); }

static int faulty_rep_open(nng_socket *out) { return fails() ? NNG_ENOMEM : nng_rep0_open(out); }

static int faulty_socket_set_size(nng_socket socket, const char *name, size_t value)
{
    return fails() ? NNG_ENOMEM : nng_socket_set_size(socket, name, value);
}

static int faulty_socket_set_ms(nng_socket socket, const char *name, nng_duration value)
{
    return fails() ? NNG_ENOMEM : nng_socket_set_ms(socket, name, value);
}

static int faulty_pipe_notify(nng_socket socket, nng_pipe_ev change, nng_pipe_cb callback,
                              void *self)
{
    return fails() ? NNG_ENOMEM : nng_pipe_notify(socket, change, callback, self);
}

static int faulty_pipe_get_addr(nng_pipe pipe, const char *name, nng_sockaddr *out)
{
    return fails() ? NNG_ECLOSED : nng_pipe_get_addr(pipe, name, out);
}

static int faulty_dialer_create(nng_dialer *out, nng_socket socket, const char *address)
{
    return fails() ? NNG_ENOMEM : nng_dialer_create(out, socket, address);
}

static int faulty_dialer_set_bool(nng_dialer dialer, const char *name, bool value)
{
    return fails() ? NNG_ENOTSUP : nng_dialer_set_bool(dialer, name, value);
}

static int faulty_dialer_set_ms(nng_dialer dialer, const char *name, nng_duration value)
{
    return fails() ? NNG_ENOMEM : nng_dialer_set_ms(dialer, name, value);
}

static int faulty_dialer_start(nng_dialer dialer, int flags)
{
    return fails() ? NNG_ENOMEM : nng_dialer_start(dialer, flags);
}

static int faulty_listener_create(nng_listener *out, nng_socket socket, const char *address)
{
    return fails() ? NNG_ENOMEM : nng_listener_create(out, socket, address);
}

static int faulty_listener_set_bool(nng_listener listener, const char *name, bool value)
{
    return fails() ? NNG_ENOTSUP : nng_listener_set_bool(listener, name, value);
}

static int faulty_listener_start(nng_listener listener, int flags)
{
    return fails() ? NNG_EADDRINUSE : nng_listener_start(listener, flags);
}

static int faulty_listener_get_string(nng_listener listener, const char *name, char **out)
{
    return fails() ? NNG_ENOMEM : nng_listener_get_string(listener, name, out);
}

static int faulty_stats_get(nng_stat **out) { return fails() ? NNG_ENOMEM : nng_stats_get(out); }

static const struct nng_calls faulty_calls = {
    .msg_alloc = faulty_msg_alloc,
    .aio_alloc = faulty_aio_alloc,
    .aio_result = faulty_aio_result,
    .ctx_open = faulty_ctx_open,
    .req_open = faulty_req_open,
    .rep_open = faulty_rep_open,
    .socket_set_size = faulty_socket_set_size,
    .socket_set_ms = faulty_socket_set_ms,
    .pipe_notify = faulty_pipe_notify,
    .pipe_get_addr = faulty_pipe_get_addr,
    .dialer_create = faulty_dialer_create,
    .dialer_set_bool = faulty_dialer_set_bool,
    .dialer_set_ms = faulty_dialer_set_ms,
    .dialer_start = faulty_dialer_start,
    .listener_create = faulty_listener_create,
    .listener_set_bool = faulty_listener_set_bool,
    .listener_start = faulty_listener_start,
    .listener_get_string = faulty_listener_get_string,
    .stats_get = faulty_stats_get,
};

/* ---- one story, told over and over ---- */

static struct link *open_link(void)
{
    struct link *link = NULL;
    struct err e = {0};
    assert_true(link_open_over(&link, &faulty_calls, &e));
    return link;
}

/* Only one call fails, so the second attempt may not. */
static void listen_somewhere(struct link *link, char bound[64])
{
    struct err e = {0};
    if (link_listen(link, "tcp://127.0.0.1:0", bound, 64, &e)) return;
    assert_true(e.code == ERR_MEMORY || e.code == ERR_REFUSED);
    assert_true(strlen(e.said) > 0);
    if (!link_listen(link, "tcp://127.0.0.1:0", bound, 64, &e)) fail_msg("%s", e.said);
}

static void serve(struct link *link)
{
    const struct network *network = link_network(link);
    struct event event = {0};
    for (link_next(link, 0, &event); event.kind != EVENT_TIMER; link_next(link, 0, &event))
        if (event.kind == EVENT_REQUEST) network->answer(network->self, event.slot, event.bytes);
}

/* Asks until it is answered; dials again when dialling has failed. Every request ends exactly once. */
static void ask_until_answered(struct link *ours, struct link *theirs, const char *address)
{
    const struct network *network = link_network(ours);
    uint64_t tag = 1;
    bool is_answered = false;
    network->dial(network->self, 1, address);
    network->request(network->self, 1, tag, span_text("are you there?"), TRY_MS);

    for (int waited_ms = 0; !is_answered && waited_ms < SOON_MS;) {
        struct event event = {0};
        serve(theirs);
        link_next(ours, STEP_MS, &event);
        switch (event.kind) {
        case EVENT_DIAL_FAILED: network->dial(network->self, 1, address); break;
        case EVENT_UNANSWERED:
            assert_int_equal(event.tag, tag);
            network->request(network->self, 1, ++tag, span_text("are you there?"), TRY_MS);
            break;
        case EVENT_ANSWER:
            assert_int_equal(event.tag, tag);
            assert_true(span_equal(event.bytes, span_text("are you there?")));
            is_answered = true;
            break;
        case EVENT_TIMER: waited_ms += STEP_MS; break;
        case EVENT_LINK_UP:
        case EVENT_LINK_DOWN: break;
        case EVENT_REQUEST:
        case EVENT_PIPE_OPENED:
        case EVENT_PIPE_GONE:
        case EVENT_WROTE:
        case EVENT_STOP: fail_msg("event %d on the dialling side", (int)event.kind);
        }
    }
    if (!is_answered) fail_msg("no answer after call %zu failed", atomic_load(&failing_call));
}

/* True when the story was long enough for its call to fail. */
static bool tell(size_t failing)
{
    char bound[64] = "";
    atomic_store(&call_count, 0);
    atomic_store(&failing_call, failing);
    {
        OWNED(link_close) struct link *theirs = open_link();
        OWNED(link_close) struct link *ours = open_link();
        listen_somewhere(theirs, bound);
        ask_until_answered(ours, theirs, bound);
        link_network(ours)->hang_up(link_network(ours)->self, 1);
        ask_until_answered(ours, theirs, bound);
    }
    return atomic_load(&call_count) >= failing;
}

static void whichever_call_fails_the_next_attempt_works(void **state)
{
    (void)state;
    size_t failing = 1;
    while (failing <= CALLS_MOST && tell(failing)) failing++;

    assert_in_range(failing, CALLS_LEAST, CALLS_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whichever_call_fails_the_next_attempt_works)};
    alarm(HANG_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

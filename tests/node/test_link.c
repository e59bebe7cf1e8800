#include "node/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANYWHERE "tcp://127.0.0.1:0"
#define SOON_MS 60000 /* by when whatever must happen has happened, however busy the machine is */
#define PASSING_MS                                                                                 \
    3000 /* enough for a request to reach the other side, and its end is waited for */
#define STEP_MS 5
#define HANG_S 540 /* the whole program is taken to hang after this */

/* ---- two nodes in one thread ---- */

static struct link *new_link(void)
{
    struct link *link = NULL;
    struct err e = {0};
    assert_true(link_open(&link, &e));
    return link;
}

static struct link *new_listener(char bound[64])
{
    struct link *link = new_link();
    struct err e = {0};
    struct event event = {0};
    assert_true(link_listen(link, ANYWHERE, bound, 64, &e));
    link_next(link, 0, &event); /* posts its first receives */
    return link;
}

static void listen_again(struct link *link, const char *address)
{
    struct err e = {0};
    struct event event = {0};
    if (!link_listen(link, address, NULL, 0, &e)) fail_msg("%s", e.said);
    link_next(link, 0, &event);
}

/* A socket that only holds on to its port: the system gives the port to nobody else, and whoever dials it is refused. */
static int reserve_address(char bound[64])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int yes = 1; /* so that a link can listen there all the same */
    int holder = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(holder >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(holder, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
    assert_int_equal(bind(holder, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(holder, (struct sockaddr *)&address, &len), 0);
    snprintf(bound, 64, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    return holder;
}

/* The next event of this kind; others are passed over. */
static struct event wait_for(struct link *link, enum event_kind kind)
{
    struct event event = {0};
    for (int waited_ms = 0; waited_ms < SOON_MS; waited_ms += STEP_MS) {
        do {
            link_next(link, STEP_MS, &event);
            if (event.kind == kind) return event;
        } while (event.kind != EVENT_TIMER);
    }
    fail_msg("event %d did not come", (int)kind);
    return event;
}

/* Both, in whichever order: a lost pipe and its requests are told by different threads. */
static void wait_for_both(struct link *link, enum event_kind first, struct event *of_first,
                          enum event_kind second, struct event *of_second)
{
    bool has_first = false, has_second = false;
    for (int waited_ms = 0; waited_ms < SOON_MS && !(has_first && has_second);) {
        struct event event = {0};
        link_next(link, STEP_MS, &event);
        if (event.kind == EVENT_TIMER) waited_ms += STEP_MS;
        if (event.kind == first && !has_first) {
            has_first = true;
            *of_first = event;
        } else if (event.kind == second && !has_second) {
            has_second = true;
            *of_second = event;
        }
    }
    if (!has_first) fail_msg("event %d did not come", (int)first);
    if (!has_second) fail_msg("event %d did not come", (int)second);
}

/* Answers what has come in with the same bytes. Returns how many. */
static size_t serve(struct link *link)
{
    const struct network *network = link_network(link);
    struct event event = {0};
    size_t count = 0;
    for (link_next(link, 0, &event); event.kind != EVENT_TIMER; link_next(link, 0, &event)) {
        if (event.kind != EVENT_REQUEST) continue;
        network->answer(network->self, event.slot, event.bytes);
        count++;
    }
    return count;
}

/* As wait_for, while `server` serves. */
static struct event wait_served(struct link *link, struct link *server, enum event_kind kind)
{
    struct event event = {0};
    for (int waited_ms = 0; waited_ms < SOON_MS; waited_ms += STEP_MS) {
        serve(server);
        do {
            link_next(link, STEP_MS, &event);
            if (event.kind == kind) return event;
        } while (event.kind != EVENT_TIMER);
    }
    fail_msg("event %d did not come", (int)kind);
    return event;
}

static void dial(struct link *link, uint32_t id, const char *address)
{
    const struct network *network = link_network(link);
    network->dial(network->self, id, address);
}

static void hang_up(struct link *link, uint32_t id)
{
    const struct network *network = link_network(link);
    network->hang_up(network->self, id);
}

static void ask(struct link *link, uint32_t id, uint64_t tag, const char *text)
{
    const struct network *network = link_network(link);
    network->request(network->self, id, tag, span_text(text), SOON_MS);
}

static void answer(struct link *link, uint64_t slot, const char *text)
{
    const struct network *network = link_network(link);
    network->answer(network->self, slot, span_text(text));
}

static void assert_bytes(struct event event, const char *text)
{
    assert_int_equal(event.bytes.len, strlen(text));
    assert_memory_equal(event.bytes.at, text, strlen(text));
}

/* ---- a bare TCP peer that speaks nng's framing: 00 "SP" 00, protocol, 00 00, then length (u64 be) and bytes ---- */

static const uint8_t req_hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
static const uint8_t rep_hello[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};

static struct sockaddr_in internet_address(const char *bound)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    unsigned port = 0;
    assert_int_equal(sscanf(bound, "tcp://127.0.0.1:%u", &port), 1);
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void put_all(int peer, const void *at, size_t len)
{
    assert_int_equal(send(peer, at, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* As much as there is room for just now. */
static size_t put_some(int peer, const void *at, size_t len)
{
    ssize_t put = send(peer, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    assert_true(put > 0 || errno == EAGAIN);
    return put > 0 ? (size_t)put : 0;
}

/* False when the other side has hung up. */
static bool get_all(int peer, void *at, size_t len)
{
    ssize_t got = recv(peer, at, len, MSG_WAITALL);
    return got == (ssize_t)len;
}

/* Connects from 127.0.0.`host`. */
static int bare_connect(const char *bound, uint8_t host)
{
    struct sockaddr_in to = internet_address(bound);
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = SOON_MS / 1000};
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(peer >= 0);
    from.sin_addr.s_addr = htonl(0x7f000000u + host);
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(bind(peer, (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(peer, (struct sockaddr *)&to, sizeof to), 0);
    return peer;
}

static int bare_client(const char *bound, uint8_t host)
{
    uint8_t hello[8] = {0};
    int peer = bare_connect(bound, host);
    put_all(peer, req_hello, sizeof req_hello);
    assert_true(get_all(peer, hello, sizeof hello));
    assert_memory_equal(hello, rep_hello, sizeof hello);
    return peer;
}

static void bare_length(int peer, uint64_t len)
{
    uint8_t bytes[8] = {0};
    struct sink out = sink_over(bytes, sizeof bytes);
    sink_u64_be(&out, len);
    put_all(peer, bytes, sizeof bytes);
}

static void bare_ask(int peer, uint8_t number, const char *text)
{
    uint8_t id[4] = {0x80, 0, 0, number};
    bare_length(peer, sizeof id + strlen(text));
    put_all(peer, id, sizeof id);
    put_all(peer, text, strlen(text));
}

/* True when the other side hangs up before it says anything more. */
static bool is_hung_up(int peer)
{
    uint8_t byte = 0;
    ssize_t got = recv(peer, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

static int bare_listen(char bound[64])
{
    int listener = reserve_address(bound);
    assert_int_equal(listen(listener, 8), 0);
    return listener;
}

/* Where an address is reserved. */
static int bare_listen_at(const char *bound)
{
    struct sockaddr_in address = internet_address(bound);
    int yes = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(listener >= 0);
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    return listener;
}

static int bare_accept(int listener)
{
    uint8_t hello[8] = {0};
    int peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    put_all(peer, rep_hello, sizeof rep_hello);
    assert_true(get_all(peer, hello, sizeof hello));
    assert_memory_equal(hello, req_hello, sizeof hello);
    return peer;
}

/* What a killed process leaves behind: a reset, not an orderly end. */
static void bare_kill(int peer)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(peer);
}

/* ---- requests and answers ---- */

static void a_request_is_answered(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();

    dial(ours, 7, bound);
    struct event up = wait_for(ours, EVENT_LINK_UP);
    ask(ours, 7, 42, "how are you?");
    struct event opened = wait_for(theirs, EVENT_PIPE_OPENED);
    struct event request = wait_for(theirs, EVENT_REQUEST);
    assert_bytes(request, "how are you?");
    assert_int_equal(request.pipe, opened.pipe);
    answer(theirs, request.slot, "in step");

    struct event answered = wait_for(ours, EVENT_ANSWER);
    assert_int_equal(up.dial, 7);
    assert_int_not_equal(up.pipe, 0);
    assert_int_equal(answered.dial, 7);
    assert_int_equal(answered.tag, 42);
    assert_bytes(answered, "in step");
}

static void a_request_made_before_the_pipe_is_there_goes_out_with_it(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();

    dial(ours, 1, bound);
    ask(ours, 1, 1, "early");

    assert_bytes(wait_served(ours, theirs, EVENT_ANSWER), "early");
}

/* Sixteen under way at once, answered in the opposite order, until a hundred are through. */
static void a_hundred_requests_interleave(void **state)
{
    (void)state;
    enum { ALL = 100 };
    char bound[64] = "", text[32] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    bool is_answered[ALL] = {false};
    uint64_t asked_count = 0, answered_count = 0;

    dial(ours, 1, bound);
    while (answered_count < ALL) {
        uint64_t slots[LINK_REQUESTS_MAX] = {0};
        char texts[LINK_REQUESTS_MAX][32] = {""};
        size_t held_count = 0;
        while (asked_count < ALL && asked_count - answered_count < LINK_REQUESTS_MAX) {
            snprintf(text, sizeof text, "question %llu", (unsigned long long)asked_count);
            ask(ours, 1, asked_count++, text);
        }
        while (held_count < asked_count - answered_count) {
            struct event request = wait_for(theirs, EVENT_REQUEST);
            assert_true(span_to_text(request.bytes, texts[held_count], sizeof texts[0]));
            slots[held_count++] = request.slot;
        }
        for (size_t i = held_count; i > 0; i--) answer(theirs, slots[i - 1], texts[i - 1]);
        for (size_t i = 0; i < held_count; i++) {
            struct event answered = wait_for(ours, EVENT_ANSWER);
            snprintf(text, sizeof text, "question %llu", (unsigned long long)answered.tag);
            assert_bytes(answered, text);
            assert_true(answered.tag < ALL && !is_answered[answered.tag]);
            is_answered[answered.tag] = true;
            answered_count++;
        }
    }

    assert_int_equal(answered_count, ALL);
}

static void a_request_beyond_the_limit_is_refused_at_once(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    dial(ours, 1, bound);
    for (uint64_t tag = 0; tag < LINK_REQUESTS_MAX; tag++) ask(ours, 1, tag, "?");

    ask(ours, 1, 99, "one too many");

    struct event refused = wait_for(ours, EVENT_UNANSWERED);
    assert_int_equal(refused.tag, 99);
    assert_int_equal(refused.why, ERR_LIMIT);
    for (int i = 0; i < LINK_REQUESTS_MAX; i++) wait_served(ours, theirs, EVENT_ANSWER);
    ask(ours, 1, 100, "there is room again");
    assert_int_equal(wait_served(ours, theirs, EVENT_ANSWER).tag, 100);
}

static void a_request_on_a_number_nobody_dialled_is_refused(void **state)
{
    (void)state;
    OWNED(link_close) struct link *ours = new_link();

    ask(ours, 5, 6, "anyone?");

    struct event refused = wait_for(ours, EVENT_UNANSWERED);
    assert_int_equal(refused.dial, 5);
    assert_int_equal(refused.tag, 6);
    assert_int_equal(refused.why, ERR_CLOSED);
}

static void a_request_nobody_answers_ends_at_its_timeout(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    const struct network *network = link_network(ours);
    dial(ours, 1, bound);
    wait_for(ours, EVENT_LINK_UP);

    network->request(network->self, 1, 9, span_text("parked"), PASSING_MS);
    struct event request = wait_for(theirs, EVENT_REQUEST);
    struct event unanswered = wait_for(ours, EVENT_UNANSWERED);
    answer(theirs, request.slot, "too late");
    ask(ours, 1, 10, "next");

    assert_int_equal(unanswered.tag, 9);
    assert_int_equal(unanswered.why, ERR_TIME);
    struct event answered = wait_served(ours, theirs, EVENT_ANSWER);
    assert_int_equal(answered.tag, 10);
    assert_bytes(answered, "next");
}

static void a_request_without_a_pipe_waits_until_its_timeout(void **state)
{
    (void)state;
    char nowhere[64] = "";
    OWNED(link_close) struct link *ours = new_link();
    const struct network *network = link_network(ours);
    int holder = reserve_address(nowhere);

    dial(ours, 1, nowhere);
    network->request(network->self, 1, 3, span_text("hello?"), 200);

    struct event failed = {0}, unanswered = {0};
    wait_for_both(ours, EVENT_DIAL_FAILED, &failed, EVENT_UNANSWERED, &unanswered);
    assert_int_equal(unanswered.tag, 3);
    assert_int_equal(unanswered.why, ERR_TIME);
    close(holder);
}

static void the_largest_frame_passes_both_ways(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    const struct network *network = link_network(ours);
    OWNED_BUFFER frame = {0};
    struct err e = {0};
    assert_true(buffer_reserve(&frame, FRAME_BYTES_MAX, &e));
    frame.len = FRAME_BYTES_MAX;
    for (size_t i = 0; i < frame.len; i++) frame.at[i] = (uint8_t)(i * 7 >> 3);

    dial(ours, 1, bound);
    network->request(network->self, 1, 1, buffer_span(&frame), SOON_MS);

    struct event answered = wait_served(ours, theirs, EVENT_ANSWER);
    assert_true(span_equal(answered.bytes, buffer_span(&frame)));
}

static void an_empty_frame_passes(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();

    dial(ours, 1, bound);
    ask(ours, 1, 1, "");

    assert_int_equal(wait_served(ours, theirs, EVENT_ANSWER).bytes.len, 0);
}

static void requests_pass_within_one_process(void **state)
{
    (void)state;
    OWNED(link_close) struct link *theirs = new_link();
    OWNED(link_close) struct link *ours = new_link();
    listen_again(theirs, "inproc://within");

    dial(ours, 1, "inproc://within");
    ask(ours, 1, 1, "near");

    assert_bytes(wait_served(ours, theirs, EVENT_ANSWER), "near");
}

static void what_passed_is_counted(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    struct link_counts counts = {0};
    dial(ours, 1, bound);
    ask(ours, 1, 1, "12345");
    struct event request = wait_for(theirs, EVENT_REQUEST);
    answer(theirs, request.slot, "123");
    wait_for(ours, EVENT_ANSWER);

    link_counts(ours, &counts);
    assert_int_equal(counts.sent_messages, 1);
    assert_int_equal(counts.sent_bytes, 5);
    assert_int_equal(counts.received_messages, 1);
    assert_int_equal(counts.received_bytes, 3);
    link_counts(theirs, &counts);
    assert_int_equal(counts.received_bytes, 5);
    assert_int_equal(counts.sent_bytes, 3);
}

/* ---- slots ---- */

static void a_second_answer_to_one_slot_is_ignored(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    dial(ours, 1, bound);
    ask(ours, 1, 1, "?");
    struct event request = wait_for(theirs, EVENT_REQUEST);

    answer(theirs, request.slot, "first");
    answer(theirs, request.slot, "second");
    answer(theirs, request.slot + 1, "third");
    answer(theirs, UINT64_MAX, "fourth");

    assert_bytes(wait_for(ours, EVENT_ANSWER), "first");
    ask(ours, 1, 2, "again");
    assert_bytes(wait_served(ours, theirs, EVENT_ANSWER), "again");
}

static void a_late_answer_to_a_slot_whose_pipe_went_is_ignored(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    dial(ours, 1, bound);
    ask(ours, 1, 1, "old");
    struct event old = wait_for(theirs, EVENT_REQUEST);

    hang_up(ours, 1);
    struct event gone = wait_for(theirs, EVENT_PIPE_GONE);
    dial(ours, 1, bound);
    ask(ours, 1, 2, "new");
    struct event new = wait_for(theirs, EVENT_REQUEST);
    answer(theirs, old.slot, "for the old one");
    answer(theirs, new.slot, "for the new one");

    assert_int_equal(gone.pipe, old.pipe);
    assert_int_not_equal(new.slot, old.slot);
    struct event answered = wait_for(ours, EVENT_ANSWER);
    assert_int_equal(answered.tag, 2);
    assert_bytes(answered, "for the new one");
}

static void a_pipe_with_too_many_parked_requests_is_dropped(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    int greedy = bare_client(bound, 1), modest = bare_client(bound, 2);

    for (uint8_t i = 0; i < 100; i++) bare_ask(greedy, i, "park this");

    wait_for(theirs, EVENT_PIPE_GONE);
    bare_ask(modest, 1, "just one");
    struct event request = {0};
    do request = wait_for(theirs, EVENT_REQUEST);
    while (request.bytes.len != strlen("just one"));
    assert_bytes(request, "just one");
    close(greedy);
    close(modest);
}

#define SMALL_BUFFER (64 * 1024)

/* Left alone, the system lets a connection's buffers grow to dozens of MiB. Whoever connects after this inherits it. */
static void keep_buffers_small(const char *bound)
{
    enum { FILES = 1024 };
    struct sockaddr_in wanted = internet_address(bound);
    int small = SMALL_BUFFER, listener_count = 0;
    for (int file = 0; file < FILES; file++) {
        struct sockaddr_in found = {0};
        socklen_t found_bytes = sizeof found;
        int is_listener = 0;
        socklen_t bytes = sizeof is_listener;
        if (getsockopt(file, SOL_SOCKET, SO_ACCEPTCONN, &is_listener, &bytes) != 0 || !is_listener)
            continue;
        if (getsockname(file, (struct sockaddr *)&found, &found_bytes) != 0) continue;
        if (found.sin_port != wanted.sin_port) continue;
        assert_int_equal(setsockopt(file, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
        listener_count++;
    }
    assert_int_equal(listener_count, 1);
}

/* Nothing but the mailbox's room, nng's two messages for the pipe and the sockets' buffers takes in what is sent. */
static void a_slow_node_slows_its_partner_down(void **state)
{
    (void)state;
    enum { FRAMES = 64, BODY = FRAME_BYTES_MAX, TAKEN_IN = 16 + 2, BUFFERED = 1 };
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED_BUFFER bytes = {0};
    struct err e = {0};
    size_t sent = 0, taken_count = 0;
    bool is_taken[FRAMES] = {false};
    assert_true(buffer_reserve(&bytes, (size_t)FRAMES * (8 + 4 + BODY), &e));
    for (uint8_t i = 0; i < FRAMES; i++) {
        struct sink out = sink_over(&bytes.at[bytes.len], 8 + 4 + BODY);
        sink_u64_be(&out, 4 + BODY);
        sink_put(&out, span_of((uint8_t[]){0x80, 0, 0, i}, 4));
        memset(&bytes.at[bytes.len + out.len], i, BODY);
        bytes.len += 8 + 4 + BODY;
    }
    keep_buffers_small(bound);
    int peer = bare_client(bound, 1);
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &(int){SMALL_BUFFER}, sizeof(int)), 0);
    struct pollfd room = {.fd = peer, .events = POLLOUT};

    /* The longer this waits, the more goes out, up to the bound: a busy machine makes the claim weaker, never wrong. */
    while (sent < bytes.len && poll(&room, 1, 500) == 1)
        sent += put_some(peer, &bytes.at[sent], bytes.len - sent);
    size_t swallowed = sent;
    for (int waited_ms = 0; taken_count < FRAMES && waited_ms < SOON_MS;) {
        struct event request = {0};
        if (sent < bytes.len) sent += put_some(peer, &bytes.at[sent], bytes.len - sent);
        link_next(theirs, STEP_MS, &request);
        if (request.kind == EVENT_TIMER) waited_ms += STEP_MS;
        if (request.kind != EVENT_REQUEST) continue;
        assert_int_equal(request.bytes.len, BODY);
        uint8_t number = request.bytes.at[BODY - 1];
        assert_true(number < FRAMES && !is_taken[number]);
        is_taken[number] = true;
        taken_count++;
        answer(theirs, request.slot, "");
    }

    assert_int_equal(taken_count, FRAMES);
    assert_true(swallowed <= (size_t)(TAKEN_IN + BUFFERED) * FRAME_BYTES_MAX);
    assert_int_equal(sent, bytes.len);
    close(peer);
}

/* ---- pipes that come and go ---- */

static void dialling_where_nobody_listens_fails_with_the_reason(void **state)
{
    (void)state;
    char nowhere[64] = "";
    OWNED(link_close) struct link *ours = new_link();
    int holder = reserve_address(nowhere);

    dial(ours, 3, nowhere);

    struct event failed = wait_for(ours, EVENT_DIAL_FAILED);
    assert_int_equal(failed.dial, 3);
    assert_non_null(strstr(failed.said, nowhere));
    assert_non_null(strstr(failed.said, "refused"));
    close(holder);
}

static void dialling_again_after_a_failure_works(void **state)
{
    (void)state;
    char nowhere[64] = "";
    OWNED(link_close) struct link *theirs = new_link();
    OWNED(link_close) struct link *ours = new_link();
    int holder = reserve_address(nowhere);
    dial(ours, 3, nowhere);
    ask(ours, 3, 1, "patient");
    wait_for(ours, EVENT_DIAL_FAILED);

    dial(ours, 3, nowhere);
    wait_for(ours, EVENT_DIAL_FAILED);
    listen_again(theirs, nowhere);
    dial(ours, 3, nowhere);

    wait_for(ours, EVENT_LINK_UP);
    assert_bytes(wait_served(ours, theirs, EVENT_ANSWER), "patient");
    close(holder);
}

static void an_address_of_another_kind_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "ipc:///tmp/somewhere", "tcp://", "tcp://127.0.0.1:0x",
        "127.0.0.1:7700",       "",       "tcp://127.0.0.1:7700/path?query"};
    OWNED(link_close) struct link *ours = new_link();
    struct err e = {0};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        dial(ours, (uint32_t)i, bad[i]);
        assert_int_equal(wait_for(ours, EVENT_DIAL_FAILED).dial, i);
    }
    assert_false(link_listen(ours, "ipc:///tmp/somewhere", NULL, 0, &e));
    assert_int_equal(e.code, ERR_USAGE);
    assert_false(link_listen(ours, "tcp://127.0.0.1:7700/path?query", NULL, 0, &e));
    assert_int_equal(e.code, ERR_USAGE);
}

static void a_host_without_a_name_fails(void **state)
{
    (void)state;
    OWNED(link_close) struct link *ours = new_link();

    dial(ours, 1, "tcp://nobody.invalid:7700");

    assert_non_null(strstr(wait_for(ours, EVENT_DIAL_FAILED).said, "nobody.invalid"));
}

static void an_address_in_use_is_refused(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    struct err e = {0};

    assert_false(link_listen(ours, bound, NULL, 0, &e));

    assert_int_equal(e.code, ERR_REFUSED);
    assert_non_null(strstr(e.said, bound));
}

static void a_killed_peer_ends_its_requests_and_is_dialled_again(void **state)
{
    (void)state;
    char bound[64] = "";
    uint8_t request[8 + 4 + 3] = {0};
    OWNED(link_close) struct link *ours = new_link();
    int listener = bare_listen(bound);
    dial(ours, 1, bound);
    int peer = bare_accept(listener);
    struct event up = wait_for(ours, EVENT_LINK_UP);
    ask(ours, 1, 8, "die");
    assert_true(get_all(peer, request, sizeof request));

    bare_kill(peer);

    struct event unanswered = {0}, down = {0};
    wait_for_both(ours, EVENT_UNANSWERED, &unanswered, EVENT_LINK_DOWN, &down);
    assert_int_equal(unanswered.tag, 8);
    assert_int_equal(unanswered.why, ERR_CLOSED);
    assert_int_equal(down.pipe, up.pipe);
    peer = bare_accept(listener);
    assert_int_not_equal(wait_for(ours, EVENT_LINK_UP).pipe, up.pipe);
    close(peer);
    close(listener);
}

/* A request that fills the sockets' buffers is still being sent when the peer dies. */
static void a_request_half_sent_to_a_killed_peer_ends(void **state)
{
    (void)state;
    enum { COUNT = LINK_REQUESTS_MAX };
    static uint8_t big[FRAME_BYTES_MAX];
    char bound[64] = "";
    OWNED(link_close) struct link *ours = new_link();
    const struct network *network = link_network(ours);
    int holder = reserve_address(bound);
    int listener = bare_listen_at(bound);
    dial(ours, 1, bound);
    int peer = bare_accept(listener);
    wait_for(ours, EVENT_LINK_UP);
    for (uint64_t tag = 0; tag < COUNT; tag++)
        network->request(network->self, 1, tag, span_of(big, sizeof big), PASSING_MS);

    bare_kill(peer);
    close(listener);

    /* Those that nng had begun to send end at once; the others wait for another pipe until their time is over. */
    size_t closed_count = 0;
    for (int i = 0; i < COUNT; i++) {
        struct event unanswered = wait_for(ours, EVENT_UNANSWERED);
        assert_true(unanswered.why == ERR_CLOSED || unanswered.why == ERR_TIME);
        if (unanswered.why == ERR_CLOSED) closed_count++;
    }
    assert_true(closed_count > 0);
    close(holder);
}

static void a_peer_that_returns_is_found_again(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_link();
    OWNED(link_close) struct link *ours = new_link();
    int holder = reserve_address(bound);
    int listener = bare_listen_at(bound);
    dial(ours, 1, bound);
    int peer = bare_accept(listener);
    struct event up = wait_for(ours, EVENT_LINK_UP);

    close(listener); /* first, so that nobody is found before the peer returns */
    bare_kill(peer);
    assert_int_equal(wait_for(ours, EVENT_LINK_DOWN).pipe, up.pipe);
    listen_again(theirs, bound);

    assert_int_not_equal(wait_for(ours, EVENT_LINK_UP).pipe, up.pipe);
    ask(ours, 1, 1, "welcome back");
    assert_bytes(wait_served(ours, theirs, EVENT_ANSWER), "welcome back");
    close(holder);
}

static void a_peer_that_closes_and_returns_is_found_again(void **state)
{
    (void)state;
    char bound[64] = "";
    struct link *old = new_link();
    OWNED(link_close) struct link *new = new_link();
    OWNED(link_close) struct link *ours = new_link();
    int holder = reserve_address(bound);
    listen_again(old, bound);
    dial(ours, 1, bound);
    wait_for(ours, EVENT_LINK_UP);

    link_close(old);
    wait_for(ours, EVENT_LINK_DOWN);
    listen_again(new, bound);

    /* While the old one closes, dialling again may reach it once more, for a moment: an event of ours that a pipe is up
       may be about that one. The new one's own event cannot be. */
    wait_for(new, EVENT_PIPE_OPENED);
    ask(ours, 1, 1, "welcome back");
    assert_bytes(wait_served(ours, new, EVENT_ANSWER), "welcome back");
    close(holder);
}

static void a_dropped_pipe_goes_on_both_sides(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    const struct network *network = link_network(theirs);
    dial(ours, 1, bound);
    struct event opened = wait_for(theirs, EVENT_PIPE_OPENED);
    struct event up = wait_for(ours, EVENT_LINK_UP);

    network->drop(network->self, opened.pipe);

    assert_int_equal(wait_for(theirs, EVENT_PIPE_GONE).pipe, opened.pipe);
    assert_int_equal(wait_for(ours, EVENT_LINK_DOWN).pipe, up.pipe);
    wait_for(ours, EVENT_LINK_UP);
    network->drop(network->self, opened.pipe); /* of a pipe that is gone */
    ask(ours, 1, 1, "still there");
    assert_bytes(wait_served(ours, theirs, EVENT_ANSWER), "still there");
}

static void hanging_up_forgets_everything_of_that_dial(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    dial(ours, 1, bound);
    for (uint64_t tag = 0; tag < LINK_REQUESTS_MAX + 3; tag++) ask(ours, 1, tag, "forget me");
    wait_for(theirs, EVENT_REQUEST);

    hang_up(ours, 1);
    hang_up(ours, 1);

    struct event event = {0};
    link_next(ours, 50, &event);
    assert_int_equal(event.kind, EVENT_TIMER);
    dial(ours, 1, bound);
    ask(ours, 1, 77, "a new start");
    assert_int_equal(wait_served(ours, theirs, EVENT_ANSWER).tag, 77);
}

static void hanging_up_at_once_is_harmless(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    struct event event = {0};

    for (int i = 0; i < 50; i++) {
        dial(ours, 1, bound);
        if (i % 2 == 0) ask(ours, 1, 1, "?");
        if (i % 5 == 0) link_next(ours, 1, &event);
        hang_up(ours, 1);
        serve(theirs);
    }

    /* Once this one is through, the listener has seen off all before it. */
    dial(ours, 1, bound);
    ask(ours, 1, 2, "at last");
    assert_bytes(wait_served(ours, theirs, EVENT_ANSWER), "at last");
}

static void several_partners_are_told_apart(void **state)
{
    (void)state;
    enum { COUNT = 12 };
    char bound[64] = "", text[16] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    bool is_answered[COUNT] = {false};

    for (uint32_t i = 0; i < COUNT; i++) {
        dial(ours, i, bound);
        snprintf(text, sizeof text, "I am %u", i);
        ask(ours, i, 1000 + i, text);
    }

    for (int i = 0; i < COUNT; i++) {
        struct event answered = wait_served(ours, theirs, EVENT_ANSWER);
        snprintf(text, sizeof text, "I am %u", answered.dial);
        assert_bytes(answered, text);
        assert_int_equal(answered.tag, 1000 + answered.dial);
        assert_false(is_answered[answered.dial]);
        is_answered[answered.dial] = true;
    }
}

static void a_dial_beyond_the_limit_fails(void **state)
{
    (void)state;
    OWNED(link_close) struct link *ours = new_link();
    for (uint32_t i = 0; i < LINK_DIALS_MAX; i++) {
        dial(ours, i, "inproc://nobody");
        wait_for(ours, EVENT_DIAL_FAILED);
    }

    dial(ours, LINK_DIALS_MAX, "inproc://nobody");

    struct event failed = wait_for(ours, EVENT_DIAL_FAILED);
    assert_int_equal(failed.dial, LINK_DIALS_MAX);
    assert_int_equal(failed.why, ERR_LIMIT);
}

/* ---- rude peers ---- */

static void a_frame_above_the_limit_drops_its_pipe_only(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    int rude = bare_client(bound, 1);

    bare_length(rude, (uint64_t)FRAME_BYTES_MAX + 4 + 1);

    assert_true(is_hung_up(rude));
    wait_for(theirs, EVENT_PIPE_GONE);
    dial(ours, 1, bound);
    ask(ours, 1, 1, "polite");
    assert_bytes(wait_served(ours, theirs, EVENT_ANSWER), "polite");
    close(rude);
}

static void an_answer_above_the_limit_drops_its_pipe(void **state)
{
    (void)state;
    char bound[64] = "";
    uint8_t request[8 + 4 + 3] = {0};
    OWNED(link_close) struct link *ours = new_link();
    int listener = bare_listen(bound);
    dial(ours, 1, bound);
    int peer = bare_accept(listener);
    wait_for(ours, EVENT_LINK_UP);
    ask(ours, 1, 8, "how");
    assert_true(get_all(peer, request, sizeof request));

    bare_length(peer, UINT64_MAX);

    struct event unanswered = {0}, down = {0};
    wait_for_both(ours, EVENT_UNANSWERED, &unanswered, EVENT_LINK_DOWN, &down);
    assert_int_equal(unanswered.tag, 8);
    assert_int_equal(unanswered.why, ERR_CLOSED);
    close(peer);
    close(listener);
}

static void rude_clients_do_not_stop_the_listener(void **state)
{
    (void)state;
    static const uint8_t rubbish[64] = "GET / HTTP/1.1\r\n\r\n";
    static const uint8_t pair_hello[8] = {0, 'S', 'P', 0, 0, 0x10, 0, 0};
    static const uint8_t no_id[12] = {
        [7] = 4, [8] = 0, [11] = 1}; /* a backtrace that does not end */
    char bound[64] = "";
    uint8_t hello[8] = {0};
    OWNED(link_close) struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();

    int web = bare_connect(bound, 1), pair = bare_connect(bound, 1), half = bare_connect(bound, 1);
    int endless = bare_client(bound, 1), cut = bare_client(bound, 1);
    put_all(web, rubbish, sizeof rubbish);
    put_all(pair, pair_hello, sizeof pair_hello);
    put_all(half, req_hello, 3);
    put_all(endless, no_id, sizeof no_id);
    bare_length(cut, 100);
    bare_kill(cut);

    assert_true(get_all(web, hello, sizeof hello) && is_hung_up(web));
    assert_true(get_all(pair, hello, sizeof hello) && is_hung_up(pair));
    assert_true(is_hung_up(endless));
    dial(ours, 1, bound);
    ask(ours, 1, 1, "polite");
    assert_bytes(wait_served(ours, theirs, EVENT_ANSWER), "polite");
    close(web);
    close(pair);
    close(half);
    close(endless);
}

/* True unless the listener hangs up on this client. */
static bool is_served(struct link *link, int peer)
{
    struct pollfd ready = {.fd = peer, .events = POLLIN};
    uint8_t reply[8 + 4 + 1] = {0};
    uint8_t ask_one[8 + 4 + 1] = {[7] = 5, [8] = 0x80, [12] = '?'};
    if (send(peer, ask_one, sizeof ask_one, MSG_NOSIGNAL) != sizeof ask_one) return false;
    for (int waited_ms = 0; waited_ms < SOON_MS; waited_ms += STEP_MS) {
        serve(link);
        if (poll(&ready, 1, STEP_MS) == 1) return get_all(peer, reply, sizeof reply);
    }
    return false;
}

static void one_address_has_so_many_pipes_and_no_more(void **state)
{
    (void)state;
    char bound[64] = "";
    OWNED(link_close) struct link *theirs = new_listener(bound);
    int peers[LINK_PIPES_PER_ADDRESS];
    for (size_t i = 0; i < LINK_PIPES_PER_ADDRESS; i++) {
        peers[i] = bare_client(bound, 1);
        assert_true(is_served(theirs, peers[i]));
    }

    int surplus = bare_client(bound, 1), elsewhere = bare_client(bound, 2);

    assert_false(is_served(theirs, surplus));
    assert_true(is_served(theirs, elsewhere));
    close(peers[0]);
    wait_for(theirs, EVENT_PIPE_GONE);
    peers[0] = bare_client(bound, 1);
    assert_true(is_served(theirs, peers[0]));
    for (size_t i = 0; i < LINK_PIPES_PER_ADDRESS; i++) close(peers[i]);
    close(surplus);
    close(elsewhere);
}

static void all_addresses_together_have_so_many_pipes_and_no_more(void **state)
{
    (void)state;
    char bound[64] = "";
    struct rlimit files = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_max < 2 * LINK_PIPES_MAX + 100) skip();
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    OWNED(link_close) struct link *theirs = new_listener(bound);
    int peers[LINK_PIPES_MAX];

    for (size_t i = 0; i < LINK_PIPES_MAX; i++) {
        peers[i] = bare_client(bound, (uint8_t)(1 + i / LINK_PIPES_PER_ADDRESS));
        assert_true(is_served(theirs, peers[i]));
    }

    int surplus = bare_client(bound, 200);
    assert_false(is_served(theirs, surplus));
    assert_true(is_served(theirs, peers[LINK_PIPES_MAX - 1]));
    for (size_t i = 0; i < LINK_PIPES_MAX; i++) close(peers[i]);
    close(surplus);
}

/* ---- waiting, stopping, closing ---- */

static void without_events_the_time_passes(void **state)
{
    (void)state;
    OWNED(link_close) struct link *ours = new_link();
    struct event event = {.kind = EVENT_STOP};

    link_next(ours, 0, &event);
    assert_int_equal(event.kind, EVENT_TIMER);
    event.kind = EVENT_STOP;
    link_next(ours, 20, &event);
    assert_int_equal(event.kind, EVENT_TIMER);
}

static void *stop_it(void *link)
{
    link_wake(link);
    link_wake(link);
    link_stop(link);
    return NULL;
}

static void another_thread_wakes_and_stops(void **state)
{
    (void)state;
    OWNED(link_close) struct link *ours = new_link();
    struct event event = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_it, ours), 0);

    wait_for(ours, EVENT_STOP);

    assert_int_equal(pthread_join(thread, NULL), 0);
    link_wake(ours);
    link_wake(ours);
    wait_for(ours, EVENT_WROTE);
    link_next(ours, 0, &event);
    assert_int_equal(event.kind, EVENT_TIMER);
}

static void answers_handed_in_just_before_closing_go_out(void **state)
{
    (void)state;
    char bound[64] = "";
    struct link *theirs = new_listener(bound);
    OWNED(link_close) struct link *ours = new_link();
    uint64_t slots[LINK_REQUESTS_MAX] = {0};
    dial(ours, 1, bound);
    for (uint64_t i = 0; i < LINK_REQUESTS_MAX; i++) ask(ours, 1, i, "parked");
    for (size_t i = 0; i < LINK_REQUESTS_MAX; i++) slots[i] = wait_for(theirs, EVENT_REQUEST).slot;

    for (size_t i = 0; i < LINK_REQUESTS_MAX; i++) answer(theirs, slots[i], "farewell");
    link_close(theirs);

    for (size_t i = 0; i < LINK_REQUESTS_MAX; i++)
        assert_bytes(wait_for(ours, EVENT_ANSWER), "farewell");
}

static void closing_with_everything_under_way_is_quick(void **state)
{
    (void)state;
    char bound[64] = "", silent[64] = "", nowhere[64] = "";
    struct link *theirs = new_listener(bound), *ours = new_link();
    int listener = bare_listen(silent); /* takes the connection and never says a word */
    int holder = reserve_address(nowhere);
    dial(ours, 1, bound);
    dial(ours, 2, silent);
    dial(ours, 3, nowhere);
    dial(ours, 4, "tcp://192.0.2.1:7700"); /* kept for documentation: nobody is there */
    for (uint32_t id = 1; id <= 4; id++)
        for (uint64_t tag = 0; tag < LINK_REQUESTS_MAX + 2; tag++) ask(ours, id, tag, "parked");
    wait_for(theirs, EVENT_REQUEST);
    wait_for(theirs, EVENT_REQUEST);
    wait_for(ours, EVENT_DIAL_FAILED);

    link_close(ours);
    link_close(theirs);

    close(listener);
    close(holder);
}

static void closing_nothing_is_fine(void **state)
{
    (void)state;
    link_close(NULL);
    link_close(new_link());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered),
        cmocka_unit_test(a_request_made_before_the_pipe_is_there_goes_out_with_it),
        cmocka_unit_test(a_hundred_requests_interleave),
        cmocka_unit_test(a_request_beyond_the_limit_is_refused_at_once),
        cmocka_unit_test(a_request_on_a_number_nobody_dialled_is_refused),
        cmocka_unit_test(a_request_nobody_answers_ends_at_its_timeout),
        cmocka_unit_test(a_request_without_a_pipe_waits_until_its_timeout),
        cmocka_unit_test(the_largest_frame_passes_both_ways),
        cmocka_unit_test(an_empty_frame_passes),
        cmocka_unit_test(requests_pass_within_one_process),
        cmocka_unit_test(what_passed_is_counted),
        cmocka_unit_test(a_second_answer_to_one_slot_is_ignored),
        cmocka_unit_test(a_late_answer_to_a_slot_whose_pipe_went_is_ignored),
        cmocka_unit_test(a_pipe_with_too_many_parked_requests_is_dropped),
        cmocka_unit_test(a_slow_node_slows_its_partner_down),
        cmocka_unit_test(dialling_where_nobody_listens_fails_with_the_reason),
        cmocka_unit_test(dialling_again_after_a_failure_works),
        cmocka_unit_test(an_address_of_another_kind_is_refused),
        cmocka_unit_test(a_host_without_a_name_fails),
        cmocka_unit_test(an_address_in_use_is_refused),
        cmocka_unit_test(a_killed_peer_ends_its_requests_and_is_dialled_again),
        cmocka_unit_test(a_peer_that_returns_is_found_again),
        cmocka_unit_test(a_peer_that_closes_and_returns_is_found_again),
        cmocka_unit_test(a_dropped_pipe_goes_on_both_sides),
        cmocka_unit_test(hanging_up_forgets_everything_of_that_dial),
        cmocka_unit_test(hanging_up_at_once_is_harmless),
        cmocka_unit_test(several_partners_are_told_apart),
        cmocka_unit_test(a_dial_beyond_the_limit_fails),
        cmocka_unit_test(a_frame_above_the_limit_drops_its_pipe_only),
        cmocka_unit_test(an_answer_above_the_limit_drops_its_pipe),
        cmocka_unit_test(rude_clients_do_not_stop_the_listener),
        cmocka_unit_test(one_address_has_so_many_pipes_and_no_more),
        cmocka_unit_test(all_addresses_together_have_so_many_pipes_and_no_more),
        cmocka_unit_test(without_events_the_time_passes),
        cmocka_unit_test(another_thread_wakes_and_stops),
        cmocka_unit_test(answers_handed_in_just_before_closing_go_out),
        cmocka_unit_test(closing_with_everything_under_way_is_quick),
        cmocka_unit_test(closing_nothing_is_fine),
        /* The last one: nng's clean-up may, rarely, stand still from then on in this process (node/link.h). */
        cmocka_unit_test(a_request_half_sent_to_a_killed_peer_ends),
    };
    alarm(HANG_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

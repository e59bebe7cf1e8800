/*
 * engine_rooms - what engine.c, dialer.c and listener.c share. Not for anybody else: see engine.h.
 */
#pragma once
#include "node/engine.h"
#include "node/exchange.h"
#include "node/session.h"
#include "node/work.h"

#define DIALS_MAX 256
#define PENDING_MAX 12
#define SESSIONS_MAX 1024       /* of those who dialled us */
#define WATCH_MS 25000          /* how long a watch is parked */
#define REQUEST_MS 30000        /* how long a request may take */
#define UNSESSIONED_MS 10000    /* how long a pipe may stay without a session */
#define SESSIONLESS_MAX 256     /* pipes without a session: half of what the link takes in, so that strangers never fill it */
#define BATCH_ENTRIES 8192      /* asked for at once: few large commits */
#define NEWS_BYTES (32 * 1024)  /* news that ride in the answer to a watch */
#define PULLS_MAX 2             /* in flight on one dial: one is taken while the next is made */
#define REFUSED_SAY_MS 1000     /* strangers' frames are told of at most so often */
#define OWED_MS 30000            /* how often receipts are tried that a clock kept us from */
#define FRUITLESS_MAX 3         /* rounds that brought nothing, before waiting for news */

/* What we know of the other side in one relationship. */
struct talk {
    struct shared shared;
    bool is_heard;          /* `heard` is what it told us last */
    struct summary heard;
    bool is_agreed;         /* its summary was ours, as in `agreed` */
    struct hash agreed;
    size_t row_count;       /* what it holds, as far as we know */
    struct feed_row *rows;
};

struct engine {
    struct engine_options options;
    struct home *home;
    const struct world *world;
    uint64_t last_tag;
    bool is_stopping, is_started;
    bool owes_receipts;            /* our clock kept us from signing: tried again from time to time */
    uint64_t owed_ms;
    struct engine_counts counts;
    uint64_t looked_ms;       /* at the home */
    struct err home_trouble;
    char failure[200], failure_next[200];
    size_t dial_count;
    struct dial *dials[DIALS_MAX];
    size_t visitor_count;
    struct visitor *visitors[SESSIONS_MAX];
    size_t pipe_count;
    struct open_pipe {
        uint32_t pipe;
        uint64_t since_ms;
    } pipes[SESSIONLESS_MAX]; /* those without a session yet */
    uint64_t refused_say_ms, refused_unsaid; /* when the next refusal may be told; how many were not */

    /* room used within one step */
    struct batch_scratch scratch;
    struct buffer plain, frame, forks;
    struct showing *showing;
    struct feed_row *rows;
    struct message_head *head;
};

uint64_t engine_now(const struct engine *engine);
void engine_say(struct engine *engine, enum loudness loudness, const char *format, ...) PRINTF_LIKE(3, 4);
/* Records why a partner could not be reached or served, and says so. */
void engine_fail(struct engine *engine, const char *partner, const struct err *e);
/* A sink over the whole plain room: messages are written there, then sealed. */
MUST_USE bool engine_plain(struct engine *engine, struct sink *out, struct err *e);
/* Seals what stands in `plain` into engine->frame. */
MUST_USE bool engine_seal(struct engine *engine, struct session *session, const struct sink *plain, struct err *e);
/* Opens a sealed frame into engine->plain. */
MUST_USE bool engine_unseal(struct engine *engine, struct session *session, span frame, struct err *e);
/* Writes due seals; true when there were any. */
bool engine_write_seals(struct engine *engine);
/* Something of ours has changed: everybody who should hear of it does. */
void engine_news(struct engine *engine);
void engine_say_fork(struct engine *engine, const struct shared *shared, const char *from);
/* Says so when entries were taken and our clock kept us from signing for them. */
void engine_say_no_receipt(struct engine *engine, const char *from, const struct taken *taken);
/* Both sides of `shared` hold the same and compute the same state: remembers it, and counts it as an answer after a restore. */
void engine_agreed(struct engine *engine, const struct shared *shared);
/* Both hold the same entries and compute different states, unless one of them holds back (zeros): says and remembers it. */
void engine_compare_states(struct engine *engine, const struct shared *shared, const struct hash *ours, const struct hash *theirs);

/* dialer.c */
void dialer_start(struct engine *engine);
void dialer_scan(struct engine *engine); /* new addresses */
void dialer_step(struct engine *engine, const struct event *event);
void dialer_news(struct engine *engine);
void dialer_timer(struct engine *engine);
uint64_t dialer_next_ms(const struct engine *engine);
bool dialer_is_done(const struct engine *engine);
void dialer_close(struct engine *engine);

/* listener.c */
void listener_step(struct engine *engine, const struct event *event);
void listener_news(struct engine *engine);
void listener_timer(struct engine *engine);
uint64_t listener_next_ms(const struct engine *engine);
void listener_stop(struct engine *engine);
void listener_close(struct engine *engine);

/*
 * err - how anything here fails: a code to branch on and a sentence to read.
 *
 * Fallible functions return bool (true is success), carry MUST_USE and take `struct err *e` last. The caller owns the
 * err; on failure every `out` is untouched. A sentence names the thing and the number, and holds no secret.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

enum err_code {    /* who is at fault -> what the caller does */
    ERR_NONE,
    ERR_MALFORMED, /* the bytes break the format           -> drop the session              */
    ERR_REFUSED,   /* well formed, not permitted           -> tell the partner, keep on     */
    ERR_CONFLICT,  /* two truths that exclude each other   -> keep both as evidence         */
    ERR_MISSING,   /* asked for what is not there          -> ask elsewhere or say so       */
    ERR_LIMIT,     /* larger, deeper or more than agreed   -> drop the session              */
    ERR_TIME,      /* too late, or a clock that ran back   -> retry with back-off           */
    ERR_CLOSED,    /* the other side or we have gone       -> tidy up quietly               */
    ERR_DISK,      /* a read or write failed               -> stop accepting, keep serving  */
    ERR_CORRUPT,   /* our own disk contradicts itself      -> stop and say what to run      */
    ERR_MEMORY,
    ERR_USAGE,     /* the person typed something else      -> show how                      */
};

struct err {
    enum err_code code;
    char said[240]; /* UTF-8, no final newline; cut when too long */
    char next[200]; /* what to do about it, or empty */
};

/* Records the failure and returns false, so that failing is one line. `e` may be NULL. */
bool err_set(struct err *e, enum err_code code, const char *format, ...) PRINTF_LIKE(3, 4);
/* Puts "what was being done: " before the sentence; returns false. */
bool err_because(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);
/* Adds what to do next; returns false. */
bool err_next(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);
bool err_memory(struct err *e);
/* The code as a lower-case word ("refused"), for programs that read our errors. */
const char *err_word(enum err_code code);

/* A mistake in our own code, never anything a partner, a person or a disk can cause: stops the process. */
#define must(claim) ((claim) ? (void)0 : err_must_failed(#claim, __FILE__, __LINE__))
_Noreturn void err_must_failed(const char *claim, const char *file, int line);

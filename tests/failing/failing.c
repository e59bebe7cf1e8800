#include "tests/failing/failing.h"

#include <execinfo.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 40
#define PLACES_MAX 32768 /* a power of two */

/* Why SQLite fails, in turn, and what that is to us. */
static const struct {
    int sqlite;
    enum err_code ours;
} reasons[] = {
    {SQLITE_IOERR_READ, ERR_DISK}, {SQLITE_FULL, ERR_DISK},        {SQLITE_BUSY, ERR_DISK},
    {SQLITE_NOMEM, ERR_MEMORY},    {SQLITE_READONLY, ERR_DISK},    {SQLITE_CORRUPT, ERR_CORRUPT},
    {SQLITE_INTERRUPT, ERR_DISK},
};

static struct {
    enum failing failing;
    bool is_armed, has_struck;
    enum err_code code;
    int sqlite_code; /* what SQLite is to say of the call that failed, 0: what it says itself */
    size_t strikes, place_count;
    uint64_t places[PLACES_MAX]; /* 0: free */
} trouble;

void failing_start(enum failing failing)
{
    void *frames[1];
    (void)backtrace(frames, 1); /* takes memory the first time */
    memset(&trouble, 0, sizeof trouble);
    trouble.failing = failing;
}

void failing_arm(void)
{
    trouble.is_armed = true;
    trouble.has_struck = false;
}

bool failing_disarm(enum err_code *code)
{
    trouble.is_armed = false;
    trouble.sqlite_code = 0;
    *code = trouble.has_struck ? trouble.code : ERR_NONE;
    return trouble.has_struck;
}

/* FNV-1a over the return addresses; true when it was not there yet. */
static bool place_is_new(void)
{
    void *frames[FRAMES_MAX];
    uint64_t place = UINT64_C(0xcbf29ce484222325);
    int count = backtrace(frames, FRAMES_MAX);
    for (int i = 2; i < count; i++) place = (place ^ (uint64_t)(uintptr_t)frames[i]) * UINT64_C(0x100000001b3);
    place |= 1;
    size_t at = (size_t)(place >> 20) % PLACES_MAX;
    for (; trouble.places[at]; at = (at + 1) % PLACES_MAX)
        if (trouble.places[at] == place) return false;
    must(trouble.place_count++ < PLACES_MAX / 2);
    trouble.places[at] = place;
    return true;
}

static __attribute__((noinline)) bool strikes(enum failing failing)
{
    if (!trouble.is_armed || trouble.has_struck || trouble.failing != failing || !place_is_new()) return false;
    return trouble.has_struck = true;
}

/* 0, or the code with which a call to SQLite is to fail. */
static __attribute__((noinline)) int struck_code(void)
{
    if (trouble.is_armed) trouble.sqlite_code = 0;
    if (!strikes(FAILING_STATEMENT)) return 0;
    size_t reason = trouble.strikes++ % (sizeof reasons / sizeof reasons[0]);
    trouble.code = reasons[reason].ours;
    return trouble.sqlite_code = reasons[reason].sqlite;
}

/* ---- SQLite ---- */

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __real_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **), void *self, char **said);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **), void *self, char **said);
int __real_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **out, const char **tail);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **out, const char **tail);
int __real_sqlite3_bind_int64(sqlite3_stmt *statement, int at, sqlite3_int64 number);
int __wrap_sqlite3_bind_int64(sqlite3_stmt *statement, int at, sqlite3_int64 number);
int __real_sqlite3_bind_blob64(sqlite3_stmt *statement, int at, const void *bytes, sqlite3_uint64 len, void (*wipe)(void *));
int __wrap_sqlite3_bind_blob64(sqlite3_stmt *statement, int at, const void *bytes, sqlite3_uint64 len, void (*wipe)(void *));
int __real_sqlite3_bind_text64(sqlite3_stmt *statement, int at, const char *text, sqlite3_uint64 len,
                                void (*wipe)(void *), unsigned char encoding);
int __wrap_sqlite3_bind_text64(sqlite3_stmt *statement, int at, const char *text, sqlite3_uint64 len,
                                void (*wipe)(void *), unsigned char encoding);
int __real_sqlite3_extended_errcode(sqlite3 *db);
int __wrap_sqlite3_extended_errcode(sqlite3 *db);
int __real_sqlite3_column_bytes(sqlite3_stmt *statement, int column);
int __wrap_sqlite3_column_bytes(sqlite3_stmt *statement, int column);

sqlite3_int64 __real_sqlite3_column_int64(sqlite3_stmt *statement, int column);
sqlite3_int64 __wrap_sqlite3_column_int64(sqlite3_stmt *statement, int column);

int __wrap_sqlite3_step(sqlite3_stmt *statement)
{
    const char *sql = sqlite3_sql(statement);
    int code = sql && strcmp(sql, "ROLLBACK") == 0 ? 0 : struck_code(); /* there is no answer to that */
    return code ? code : __real_sqlite3_step(statement);
}

int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **), void *self, char **said)
{
    int code = strcmp(sql, "ROLLBACK") == 0 ? 0 : struck_code(); /* there is no answer to that */
    return code ? code : __real_sqlite3_exec(db, sql, each, self, said);
}

int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **out, const char **tail)
{
    int code = struck_code();
    return code ? code : __real_sqlite3_prepare_v3(db, sql, len, flags, out, tail);
}

int __wrap_sqlite3_bind_int64(sqlite3_stmt *statement, int at, sqlite3_int64 number)
{
    int code = struck_code();
    return code ? code : __real_sqlite3_bind_int64(statement, at, number);
}

int __wrap_sqlite3_bind_blob64(sqlite3_stmt *statement, int at, const void *bytes, sqlite3_uint64 len, void (*wipe)(void *))
{
    int code = struck_code();
    return code ? code : __real_sqlite3_bind_blob64(statement, at, bytes, len, wipe);
}

int __wrap_sqlite3_bind_text64(sqlite3_stmt *statement, int at, const char *text, sqlite3_uint64 len,
                                void (*wipe)(void *), unsigned char encoding)
{
    int code = struck_code();
    return code ? code : __real_sqlite3_bind_text64(statement, at, text, len, wipe, encoding);
}

int __wrap_sqlite3_extended_errcode(sqlite3 *db)
{
    return trouble.sqlite_code ? trouble.sqlite_code : __real_sqlite3_extended_errcode(db);
}

int __wrap_sqlite3_column_bytes(sqlite3_stmt *statement, int column)
{
    int len = __real_sqlite3_column_bytes(statement, column);
    if (len == 0 || !strikes(FAILING_VALUE)) return len;
    trouble.code = ERR_NONE;
    return len - 1;
}

sqlite3_int64 __wrap_sqlite3_column_int64(sqlite3_stmt *statement, int column)
{
    static const sqlite3_int64 others[] = {-1, 77, INT64_MAX, INT64_C(1) << 32};
    if (!strikes(FAILING_NUMBER)) return __real_sqlite3_column_int64(statement, column);
    trouble.code = ERR_NONE;
    return others[trouble.strikes++ % (sizeof others / sizeof others[0])];
}

/* ---- memory ---- */

void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__real_realloc(void *at, size_t len);
void *__wrap_realloc(void *at, size_t len);

static __attribute__((noinline)) bool memory_fails(void)
{
    if (!strikes(FAILING_MEMORY)) return false;
    trouble.code = ERR_MEMORY;
    return true;
}

void *__wrap_malloc(size_t len) { return memory_fails() ? NULL : __real_malloc(len); }
void *__wrap_calloc(size_t count, size_t len) { return memory_fails() ? NULL : __real_calloc(count, len); }
void *__wrap_realloc(void *at, size_t len) { return memory_fails() ? NULL : __real_realloc(at, len); }

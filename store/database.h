/*
 * database - SQLite for the other rooms of store/: statements by name, values bound, transactions. Not for other floors.
 *
 * Every statement stands in queries.h and is prepared at open. Parameters are written $1, $2 ..., first used in that order
 * (checked at prepare: SQLite counts `$2` as the first when it meets it first, PostgreSQL does not). A `rows` is one running statement; the same statement cannot run
 * twice at once.
 */
#pragma once
#include "protocol/agreement.h"
#include "store/store.h"

enum query {
#define QUERY(name, sql) QUERY_##name,
#include "store/queries.h"
#undef QUERY
    QUERY_COUNT
};

enum bind_kind { BIND_NUMBER, BIND_BLOB, BIND_TEXT, BIND_NULL };
struct bind {
    enum bind_kind kind;
    int64_t number;
    span bytes; /* must stay until the rows are closed */
};
static inline struct bind bind_number(int64_t n) { return (struct bind){BIND_NUMBER, n, {0}}; }
static inline struct bind bind_u64(uint64_t n) { return (struct bind){BIND_NUMBER, (int64_t)n, {0}}; }
static inline struct bind bind_blob(span b) { return (struct bind){BIND_BLOB, 0, b}; }
static inline struct bind bind_text(span t) { return (struct bind){BIND_TEXT, 0, t}; }
static inline struct bind bind_null(void) { return (struct bind){BIND_NULL, 0, {0}}; }
/* UINT64_MAX ("none") is NULL on disk. */
static inline struct bind bind_optional(uint64_t n) { return n == UINT64_MAX ? bind_null() : bind_u64(n); }
#define BINDS(...) (const struct bind[]){__VA_ARGS__}, sizeof((const struct bind[]){__VA_ARGS__}) / sizeof(struct bind)

struct rows {
    struct store *store;
    void *statement;
    int query; /* -1 for a typed table's statement */
};
/* Starts a statement. Fails: ERR_DISK, ERR_MEMORY. */
MUST_USE bool rows_open(struct rows *rows, struct store *store, enum query query, struct err *e, const struct bind *binds,
                        size_t bind_count);
enum found rows_next(struct rows *rows, struct err *e);
int64_t rows_number(const struct rows *rows, int column);
/* A number from 0 to below `limit`, else ERR_CORRUPT: what becomes an index or a choice is not taken as it stands. */
MUST_USE bool rows_below(const struct rows *rows, int column, unsigned limit, unsigned *out, struct err *e);
uint64_t rows_optional(const struct rows *rows, int column); /* NULL is UINT64_MAX */
span rows_bytes(const struct rows *rows, int column);        /* blob or text; valid until the next call */
bool rows_is_null(const struct rows *rows, int column);
/* Exactly the size of a fixed field, else ERR_CORRUPT. */
MUST_USE bool rows_fixed(const struct rows *rows, int column, uint8_t *out, size_t len, struct err *e);
void rows_close(struct rows *rows); /* harmless when not open */
#define OWNED_ROWS __attribute__((cleanup(rows_close))) struct rows
/* Runs a statement that gives no rows. */
MUST_USE bool query_run(struct store *store, enum query query, struct err *e, const struct bind *binds, size_t bind_count);
/* Starts a statement that gives at most one row of interest: FOUND leaves `rows` on it. */
enum found query_first(struct rows *rows, struct store *store, enum query query, struct err *e, const struct bind *binds,
                       size_t bind_count);

/* The typed item tables (tables.c) are made from the vocabulary: their statements are written by us, not by anybody else. */
MUST_USE bool database_execute(struct store *store, const char *sql, struct err *e);
MUST_USE bool database_prepare(struct store *store, const char *sql, void **statement, struct err *e);
void database_finalize(void *statement);
MUST_USE bool database_run(struct store *store, void *statement, const struct bind *binds, size_t bind_count, struct err *e);
/* Runs `sql` (one statement, its $1 a blob) and feeds every value of every row into `sink_row`. */
MUST_USE bool database_dump(struct store *store, const char *sql, span first, bool (*each)(void *self, span row), void *self,
                            struct err *e);

/* The prepared upsert of a noun's typed table, by the noun's place in the vocabulary. */
#define TYPED_TABLES_MAX 64
void **database_typed(struct store *store, size_t noun);
bool store_in_transaction(const struct store *store);
/* Runs once when the typed tables have to be made (new vocabulary); set by store_open through tables.c. */
MUST_USE bool tables_open(struct store *store, struct err *e);

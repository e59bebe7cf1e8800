#include "store/database.h"

#include "store_schema.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_VERSION 1
#define APPLICATION_ID 0x43505254 /* "CPRT" */
#define BUSY_MS 10000

struct query_text {
    const char *name, *sql;
};
static const struct query_text texts[] = {
#define QUERY(name, sql) {#name, sql},
#include "store/queries.h"
#undef QUERY
};

struct store {
    const struct world *world;
    sqlite3 *db;
    sqlite3_stmt *statements[QUERY_COUNT];
    void *typed[TYPED_TABLES_MAX];
    void *rollback; /* made at open, so that it needs no memory when memory has run out */
    unsigned depth; /* of store_transact */
    struct err trouble; /* the first that the database had in this transaction, which then comes to nothing */
    int64_t seen_version;
    struct store_counts counts;
};

/* The one place where SQLite's codes become ours. */
static bool trouble_words(struct store *store, const char *doing, struct err *e)
{
    int code = sqlite3_extended_errcode(store->db);
    switch (code & 0xff) {
    case SQLITE_NOMEM: return err_memory(e);
    case SQLITE_FULL:
        err_set(e, ERR_DISK, "%s: the disk is full (sqlite %d)", doing, code);
        return err_next(e, "make room on the disk and try again; nothing was lost");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        err_set(e, ERR_DISK, "%s: the database is busy (sqlite %d)", doing, code);
        return err_next(e, "another counterpart process is writing; try again");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        err_set(e, ERR_DISK, "%s: the database cannot be written (sqlite %d: %s)", doing, code,
                sqlite3_errmsg(store->db));
        return err_next(e, "check who owns %.120s and its folder, and that its disk can be written",
                        sqlite3_db_filename(store->db, "main"));
    case SQLITE_IOERR: {
        int number = sqlite3_system_errno(store->db); /* lost when SQLite has tidied up since */
        return err_set(e, ERR_DISK, "%s: the disk does not do it: %s (sqlite %d)", doing,
                       number ? strerror(number) : sqlite3_errmsg(store->db), code);
    }
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        err_set(e, ERR_CORRUPT, "%s: the database file is damaged (sqlite %d)", doing, code);
        return err_next(e, "restore a backup of the home, then run `counterpart doctor`");
    default: return err_set(e, ERR_DISK, "%s: sqlite %d: %s", doing, code, sqlite3_errmsg(store->db));
    }
}

/*
 * SQLite may have left the transaction by itself, and what follows would be committed statement by statement. So whatever
 * failed in a transaction is remembered, whether or not whoever asked makes much of it.
 */
static bool disk_trouble(struct store *store, const char *doing, struct err *e)
{
    struct err why = {0};
    (void)trouble_words(store, doing, &why);
    if (store->depth > 0 && store->trouble.code == ERR_NONE) store->trouble = why;
    if (e) *e = why;
    return false;
}

static bool is_untroubled(const struct store *store, struct err *e)
{
    if (store->depth == 0 || store->trouble.code == ERR_NONE) return true;
    if (e) *e = store->trouble;
    return false;
}

bool database_execute(struct store *store, const char *sql, struct err *e)
{
    if (!is_untroubled(store, e)) return false;
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK) return true;
    return disk_trouble(store, "writing the database", e);
}

/* SQLite numbers parameters by first use, PostgreSQL by name: they must agree, so $1 is used first, then $2, and so on. */
static bool parameters_in_order(sqlite3_stmt *statement)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) {
        char name[16] = {0};
        (void)snprintf(name, sizeof name, "$%d", i);
        const char *there = sqlite3_bind_parameter_name(statement, i);
        if (!there || strcmp(there, name) != 0) return false;
    }
    return true;
}

bool database_prepare(struct store *store, const char *sql, void **statement, struct err *e)
{
    sqlite3_stmt *made = NULL;
    if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, NULL) != SQLITE_OK)
        return disk_trouble(store, "preparing a statement", e);
    must(parameters_in_order(made));
    *statement = made;
    return true;
}

void database_finalize(void *statement)
{
    sqlite3_finalize(statement);
}

static bool bind_all(struct store *store, sqlite3_stmt *statement, const struct bind *binds, size_t count,
                     struct err *e)
{
    must(sqlite3_bind_parameter_count(statement) == (int)count);
    if (!is_untroubled(store, e)) return false;
    for (size_t i = 0; i < count; i++) {
        const struct bind *b = &binds[i];
        int at = (int)i + 1, code = SQLITE_OK; /* database_prepare saw that parameter i is named $i */
        const void *bytes = b->bytes.at ? (const void *)b->bytes.at : "";
        switch (b->kind) {
        case BIND_NUMBER: code = sqlite3_bind_int64(statement, at, b->number); break;
        case BIND_BLOB: code = sqlite3_bind_blob64(statement, at, bytes, b->bytes.len, SQLITE_STATIC); break;
        case BIND_TEXT: code = sqlite3_bind_text64(statement, at, bytes, b->bytes.len, SQLITE_STATIC, SQLITE_UTF8); break;
        case BIND_NULL: code = sqlite3_bind_null(statement, at); break;
        }
        if (code != SQLITE_OK) return disk_trouble(store, "binding a value", e);
    }
    return true;
}

bool rows_open(struct rows *rows, struct store *store, enum query query, struct err *e, const struct bind *binds,
               size_t bind_count)
{
    sqlite3_stmt *statement = store->statements[query];
    must(!sqlite3_stmt_busy(statement));
    if (!bind_all(store, statement, binds, bind_count, e)) return false;
    *rows = (struct rows){store, statement, (int)query};
    return true;
}

enum found rows_next(struct rows *rows, struct err *e)
{
    switch (sqlite3_step(rows->statement)) {
    case SQLITE_ROW: return FOUND;
    case SQLITE_DONE: return ABSENT;
    default:
        (void)disk_trouble(rows->store, rows->query >= 0 ? texts[rows->query].name : "an item table", e);
        return FOUND_FAILED;
    }
}

int64_t rows_number(const struct rows *rows, int column)
{
    return sqlite3_column_int64(rows->statement, column);
}

bool rows_below(const struct rows *rows, int column, unsigned limit, unsigned *out, struct err *e)
{
    int64_t number = rows_number(rows, column);
    if (number < 0 || number >= (int64_t)limit)
        return err_set(e, ERR_CORRUPT, "the database holds %lld where a number below %u belongs (%s)", (long long)number, limit,
                       rows->query >= 0 ? texts[rows->query].name : "item table");
    *out = (unsigned)number;
    return true;
}

uint64_t rows_optional(const struct rows *rows, int column)
{
    return rows_is_null(rows, column) ? UINT64_MAX : (uint64_t)rows_number(rows, column);
}

bool rows_is_null(const struct rows *rows, int column)
{
    return sqlite3_column_type(rows->statement, column) == SQLITE_NULL;
}

span rows_bytes(const struct rows *rows, int column)
{
    const void *at = sqlite3_column_blob(rows->statement, column);
    return span_of(at, (size_t)sqlite3_column_bytes(rows->statement, column));
}

bool rows_fixed(const struct rows *rows, int column, uint8_t *out, size_t len, struct err *e)
{
    span bytes = rows_bytes(rows, column);
    if (bytes.len != len)
        return err_set(e, ERR_CORRUPT, "the database holds %zu bytes where %zu belong (%s)", bytes.len, len,
                       rows->query >= 0 ? texts[rows->query].name : "item table");
    memcpy(out, bytes.at, len);
    return true;
}

void rows_close(struct rows *rows)
{
    if (rows->statement) (void)sqlite3_reset(rows->statement);
    rows->statement = NULL;
}

bool query_run(struct store *store, enum query query, struct err *e, const struct bind *binds, size_t bind_count)
{
    OWNED_ROWS rows = {0};
    if (!rows_open(&rows, store, query, e, binds, bind_count)) return false;
    return rows_next(&rows, e) != FOUND_FAILED;
}

enum found query_first(struct rows *rows, struct store *store, enum query query, struct err *e,
                       const struct bind *binds, size_t bind_count)
{
    if (!rows_open(rows, store, query, e, binds, bind_count)) return FOUND_FAILED;
    enum found found = rows_next(rows, e);
    if (found != FOUND) rows_close(rows);
    return found;
}

bool database_run(struct store *store, void *statement, const struct bind *binds, size_t bind_count, struct err *e)
{
    if (!bind_all(store, statement, binds, bind_count, e)) return false;
    int code = sqlite3_step(statement);
    bool is_fine = code == SQLITE_DONE || code == SQLITE_ROW || disk_trouble(store, "writing an item table", e);
    (void)sqlite3_reset(statement);
    return is_fine;
}

/* One row's values, each with its type and length before it, so that no two rows give the same bytes. */
static bool dump_row(sqlite3_stmt *statement, struct buffer *row, struct err *e)
{
    row->len = 0;
    for (int c = 0; c < sqlite3_column_count(statement); c++) {
        uint8_t prefix[9] = {(uint8_t)sqlite3_column_type(statement, c)};
        span bytes = {sqlite3_column_blob(statement, c), 0};
        bytes.len = (size_t)sqlite3_column_bytes(statement, c);
        for (size_t i = 0; i < 8; i++) prefix[1 + i] = (uint8_t)((uint64_t)bytes.len >> (56 - 8 * i));
        if (!buffer_put(row, span_of(prefix, sizeof prefix), e) || !buffer_put(row, bytes, e)) return false;
    }
    return true;
}

bool database_dump(struct store *store, const char *sql, span first, bool (*each)(void *self, span row), void *self,
                   struct err *e)
{
    void *statement = NULL;
    if (!database_prepare(store, sql, &statement, e)) return false;
    OWNED_BUFFER row = {0};
    bool is_fine = bind_all(store, statement, BINDS(bind_blob(first)), e);
    int code = SQLITE_DONE;
    while (is_fine && (code = sqlite3_step(statement)) == SQLITE_ROW)
        is_fine = dump_row(statement, &row, e) && each(self, buffer_span(&row));
    if (is_fine && code != SQLITE_DONE) is_fine = disk_trouble(store, "reading an item table", e);
    database_finalize(statement);
    return is_fine;
}

void **database_typed(struct store *store, size_t noun)
{
    must(noun < TYPED_TABLES_MAX);
    return &store->typed[noun];
}

bool store_in_transaction(const struct store *store)
{
    return store->depth > 0;
}

static bool pragma_number(struct store *store, const char *sql, int64_t *out, struct err *e)
{
    void *statement = NULL;
    if (!database_prepare(store, sql, &statement, e)) return false;
    bool is_fine = sqlite3_step(statement) == SQLITE_ROW || disk_trouble(store, "opening the database", e);
    if (is_fine) *out = sqlite3_column_int64(statement, 0);
    database_finalize(statement);
    return is_fine;
}

/* Everything that is particular to SQLite: how durable, how strict, how much memory. */
static bool store_tune(struct store *store, struct err *e)
{
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return database_execute(store,
                            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                            "PRAGMA cache_size = -131072; PRAGMA temp_store = MEMORY;"
                            "PRAGMA wal_autocheckpoint = 40000; PRAGMA journal_size_limit = 67108864;",
                            e);
}

static bool make_schema(void *self, struct err *e)
{
    struct store *store = self;
    int64_t version = 0;
    if (!pragma_number(store, "PRAGMA user_version", &version, e)) return false;
    if (version == SCHEMA_VERSION) return true; /* another process made it meanwhile */
    char sql[96] = {0};
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %d; PRAGMA application_id = %d;", SCHEMA_VERSION,
                   APPLICATION_ID);
    return database_execute(store, store_schema_sql, e) && database_execute(store, sql, e);
}

static bool store_schema(struct store *store, struct err *e)
{
    int64_t version = 0, application = 0, tables = 0;
    if (!pragma_number(store, "PRAGMA user_version", &version, e) ||
        !pragma_number(store, "PRAGMA application_id", &application, e) ||
        !pragma_number(store, "SELECT count(*) FROM sqlite_schema", &tables, e))
        return false;
    if (version == 0 && tables == 0) return store_transact(store, make_schema, store, e);
    if (application != APPLICATION_ID) return err_set(e, ERR_CORRUPT, "the database is not one of Counterpart's");
    if (version > SCHEMA_VERSION) {
        err_set(e, ERR_CORRUPT, "the database has schema %lld, this program knows %d", (long long)version,
                SCHEMA_VERSION);
        return err_next(e, "use the newer version of counterpart that wrote it");
    }
    return true;
}

static bool store_prepare(struct store *store, struct err *e)
{
    for (size_t q = 0; q < QUERY_COUNT; q++) {
        void *statement = NULL;
        if (!database_prepare(store, texts[q].sql, &statement, e)) return err_because(e, "query %s", texts[q].name);
        store->statements[q] = statement;
    }
    return database_prepare(store, "ROLLBACK", &store->rollback, e);
}

bool store_open(struct store **out, const char *path, const struct world *world, struct err *e)
{
    OWNED(store_close) struct store *store = calloc(1, sizeof *store);
    if (!store) return err_memory(e);
    store->world = world;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &store->db, flags, world->disk) != SQLITE_OK) {
        if (!store->db) return err_memory(e);
        (void)disk_trouble(store, "opening the database", e);
        return err_because(e, "opening %s", path);
    }
    /* Before SQLite makes the files beside it, which would be as little writable, also when it can be written again. */
    if (sqlite3_db_readonly(store->db, "main") == 1) {
        (void)err_set(e, ERR_DISK, "opening %s: it may be read and not written", path);
        return err_next(e, "check who owns it and its folder, and that its disk can be written");
    }
    if (!store_tune(store, e) || !store_schema(store, e) || !store_prepare(store, e) || !tables_open(store, e))
        return err_because(e, "opening %s", path);
    (void)store_was_written(store);
    *out = GIVE(store);
    return true;
}

void store_close(struct store *store)
{
    if (!store) return;
    for (size_t q = 0; q < QUERY_COUNT; q++) sqlite3_finalize(store->statements[q]);
    for (size_t t = 0; t < TYPED_TABLES_MAX; t++) sqlite3_finalize(store->typed[t]);
    sqlite3_finalize(store->rollback);
    (void)sqlite3_close(store->db);
    free(store);
}

const struct world *store_world(const struct store *store)
{
    return store->world;
}

/* Leaves the transaction; before the statements are prepared, there is nothing but text to do it with. */
static void leave(struct store *store)
{
    if (sqlite3_get_autocommit(store->db)) return;
    if (store->rollback) {
        (void)sqlite3_step(store->rollback);
        (void)sqlite3_reset(store->rollback);
    }
    if (!sqlite3_get_autocommit(store->db)) (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

bool store_transact(struct store *store, bool (*work)(void *self, struct err *e), void *self, struct err *e)
{
    if (store->depth > 0) return work(self, e);
    if (!database_execute(store, "BEGIN IMMEDIATE", e)) return false;
    int64_t before = sqlite3_total_changes64(store->db);
    store->trouble = (struct err){0};
    store->depth++;
    bool is_fine = work(self, e) && is_untroubled(store, e);
    store->depth--;
    if (is_fine) is_fine = database_execute(store, "COMMIT", e);
    if (is_fine) {
        if (sqlite3_total_changes64(store->db) != before) store->counts.commits++;
        return true;
    }
    leave(store);
    return false;
}

bool store_snapshot(struct store *store, bool (*work)(void *self, struct err *e), void *self, struct err *e)
{
    if (store->depth > 0) return work(self, e);
    if (!database_execute(store, "BEGIN", e)) return false;
    bool is_fine = work(self, e);
    leave(store);
    return is_fine;
}

bool store_was_written(struct store *store)
{
    int64_t version = store->seen_version;
    if (!pragma_number(store, "PRAGMA data_version", &version, NULL)) return false;
    bool is_new = version != store->seen_version;
    store->seen_version = version;
    return is_new;
}

void store_counts(const struct store *store, struct store_counts *out)
{
    *out = store->counts;
}

bool setting_put(struct store *store, const char *name, span value, struct err *e)
{
    return query_run(store, QUERY_setting_put, e, BINDS(bind_text(span_text(name)), bind_blob(value)));
}

bool setting_get(struct store *store, const char *name, size_t max, struct buffer *out, struct err *e)
{
    OWNED_ROWS rows = {0};
    switch (query_first(&rows, store, QUERY_setting_get, e, BINDS(bind_text(span_text(name))))) {
    case FOUND_FAILED: return false;
    case ABSENT: return err_set(e, ERR_MISSING, "there is no setting \"%s\"", name);
    case FOUND: break;
    }
    span value = rows_bytes(&rows, 0);
    if (value.len > max) return err_set(e, ERR_CORRUPT, "the setting \"%s\" is %zu bytes", name, value.len);
    out->len = 0;
    return buffer_put(out, value, e);
}

bool setting_remove(struct store *store, const char *name, struct err *e)
{
    return query_run(store, QUERY_setting_remove, e, BINDS(bind_text(span_text(name))));
}

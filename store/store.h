/*
 * store - one SQLite database for one node: entries are the truth, item tables are a fold that can be made anew.
 *
 * Threads: a store belongs to one thread; several processes may have the same file open (WAL). Every change happens in
 * store_transact. Fails, everywhere: ERR_DISK (read or write failed, disk full, busy), ERR_CORRUPT, ERR_MEMORY.
 */
#pragma once
#include "crypto/base/world.h"
#include "protocol/entry.h"

struct store;

/* Creates the file when it is not there. ERR_CORRUPT when it is not ours or of a newer schema. */
MUST_USE bool store_open(struct store **out, const char *path, const struct world *world, struct err *e);
void store_close(struct store *store);
OWNABLE(struct store *, store_close)
const struct world *store_world(const struct store *store);

/*
 * Runs `work` between BEGIN IMMEDIATE and COMMIT, so that there is one appender at a time; rolls back when it returns
 * false. `work` may be run again after a busy database: it must start from nothing each time. Nested calls run inside the outer one.
 */
MUST_USE bool store_transact(struct store *store, bool (*work)(void *self, struct err *e), void *self, struct err *e);

/*
 * Runs `work`, which writes nothing, over one state of the database, whatever other processes commit meanwhile. Many small
 * reads are faster so: the locks are taken once. Inside store_transact it just
 * runs; inside itself it must not.
 */
MUST_USE bool store_snapshot(struct store *store, bool (*work)(void *self, struct err *e), void *self, struct err *e);

/* True when another connection has committed since the last call. Cheap. */
bool store_was_written(struct store *store);

/* Small values by name: who we are, what a restore waits for. */
MUST_USE bool setting_put(struct store *store, const char *name, span value, struct err *e);
/* False with ERR_MISSING when there is none. */
MUST_USE bool setting_get(struct store *store, const char *name, size_t max, struct buffer *out, struct err *e);
MUST_USE bool setting_remove(struct store *store, const char *name, struct err *e);

struct store_counts {
    uint64_t commits; /* transactions committed through this handle that changed something */
};
void store_counts(const struct store *store, struct store_counts *out);

/* Opening a database: whose it is, what may be in its way, and that an opening that failed leaves it as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/failing/failing.h"
#include "tests/store/parties.h"
#include <sqlite3.h>

static void run_behind(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void close_store(struct side *side)
{
    store_close(side->store);
    side->store = NULL;
}

static void assert_refused(const struct side *side, const char *path, enum err_code code, const char *said)
{
    struct store *store = NULL;
    struct err e = {0};
    assert_false(store_open(&store, path, &side->world, &e));
    assert_null(store);
    assert_int_equal(e.code, code);
    if (!strstr(e.said, said)) fail_msg("\"%s\" does not say \"%s\"", e.said, said);
}

static void somebody_elses_database_is_left_alone(void **state)
{
    (void)state;
    struct parties p;
    char path[160];
    parties_open(&p, 2, 1);
    snprintf(path, sizeof path, "%s/other.db", p.folder);
    run_behind(path, "CREATE TABLE entry (id INTEGER)");

    assert_refused(&p.sides[ACME], path, ERR_CORRUPT, "not one of Counterpart's");

    unlink(path);
    parties_close(&p);
}

static void a_newer_schema_is_left_alone(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 2, 1);
    struct side *acme = &p.sides[ACME];
    close_store(acme);
    run_behind(acme->path, "PRAGMA user_version = 2");

    assert_refused(acme, acme->path, ERR_CORRUPT, "schema 2");

    parties_close(&p);
}

static void what_is_no_database_is_called_damaged(void **state)
{
    (void)state;
    struct parties p;
    char path[160];
    parties_open(&p, 2, 1);
    snprintf(path, sizeof path, "%s/letter.db", p.folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < 1000; i++) fputs("Dear partner, ", file);
    fclose(file);

    assert_refused(&p.sides[ACME], path, ERR_CORRUPT, "damaged");

    unlink(path);
    parties_close(&p);
}

static void a_database_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    struct parties p;
    char path[160];
    parties_open(&p, 2, 1);
    snprintf(path, sizeof path, "%s/nowhere/acme.db", p.folder);

    assert_refused(&p.sides[ACME], path, ERR_DISK, path);

    parties_close(&p);
}

static bool write_setting(void *self, struct err *e)
{
    return setting_put(self, "name", span_text("value"), e);
}

static bool write_and_fail(void *self, struct err *e)
{
    return write_setting(self, e) && err_set(e, ERR_REFUSED, "on second thoughts");
}

static void work_that_fails_is_undone(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    OWNED_BUFFER value = {0};
    struct store_counts before, after;
    parties_open(&p, 2, 1);
    struct store *store = p.sides[ACME].store;
    store_counts(store, &before);

    assert_false(store_transact(store, write_and_fail, store, &e));

    assert_int_equal(e.code, ERR_REFUSED);
    assert_false(setting_get(store, "name", 16, &value, &e));
    assert_int_equal(e.code, ERR_MISSING);
    store_counts(store, &after);
    assert_int_equal(after.commits, before.commits);
    expect(store_transact(store, write_setting, store, &e), &e);
    expect(setting_get(store, "name", 16, &value, &e), &e);
    assert_true(span_equal(buffer_span(&value), span_text("value")));
    assert_false(setting_get(store, "name", 4, &value, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    parties_close(&p);
}

static void what_another_process_commits_is_noticed_once(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    parties_open(&p, 2, 1);
    struct store *store = p.sides[ACME].store, *other = NULL;
    expect(store_open(&other, p.sides[ACME].path, &p.sides[ACME].world, &e), &e);
    (void)store_was_written(store);
    assert_false(store_was_written(store));

    expect(store_transact(other, write_setting, other, &e), &e);

    assert_true(store_was_written(store));
    assert_false(store_was_written(store));
    store_close(other);
    parties_close(&p);
}

/* Opens until nothing is left to fail; how many times it failed. */
static size_t open_through(struct side *side, const char *path, enum failing failing)
{
    failing_start(failing);
    for (size_t places = 0;; places++) {
        struct err e = {0};
        enum err_code code = ERR_NONE;
        failing_arm();
        bool is_open = store_open(&side->store, path, &side->world, &e);
        if (!failing_disarm(&code)) {
            expect(is_open, &e);
            return places;
        }
        if (is_open) {
            /* It could not look how far others have written, and takes it that they have: a look more than needed. */
            if (!store_was_written(side->store)) fail_msg("place %zu: it did not notice", places);
            close_store(side);
            continue;
        }
        if (e.code != code || e.said[0] == '\0') fail_msg("place %zu: %s rather than %s: %s", places, err_word(e.code), err_word(code),
                     e.said);
        assert_null(side->store);
    }
}

static void an_opening_that_fails_anywhere_can_be_tried_again(void **state)
{
    (void)state;
    struct parties p;
    struct hash agreed;
    parties_open(&p, 2, 1);
    struct side *acme = &p.sides[ACME];
    agreed = propose_new(&p, ACME, "Install the press line");
    settle(&p);
    (void)answer(&p, BOLT, VERB_ACCEPT, &agreed);
    settle(&p);
    struct hash before = tables_digest(&p, ACME), after;
    static const enum failing troubles[] = {FAILING_MEMORY, FAILING_STATEMENT};

    for (size_t t = 0; t < 2; t++) {
        close_store(acme);
        assert_true(open_through(acme, acme->path, troubles[t]) > 0);
        /* Made with another vocabulary: the item tables are made anew. */
        close_store(acme);
        run_behind(acme->path, "UPDATE setting SET value = x'00' WHERE name = 'vocabulary'");
        assert_true(open_through(acme, acme->path, troubles[t]) > 0);
        after = tables_digest(&p, ACME);
        assert_hash_equal(&after, &before);
    }
    assert_same_everywhere(&p);
    parties_close(&p);
}

static void a_new_database_that_fails_anywhere_can_be_tried_again(void **state)
{
    (void)state;
    struct parties p;
    uint8_t nonce[32];
    parties_start(&p, 2, 1, nonce);
    struct side *acme = &p.sides[ACME];
    struct err e = {0};
    close_store(acme);
    unlink(acme->path);

    assert_true(open_through(acme, acme->path, FAILING_STATEMENT) > 0);

    expect(relationship_add(acme->store, &p.id, "", note_of(acme), note_of(acme), &e), &e);
    parties_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(somebody_elses_database_is_left_alone),
        cmocka_unit_test(a_newer_schema_is_left_alone),
        cmocka_unit_test(what_is_no_database_is_called_damaged),
        cmocka_unit_test(a_database_that_cannot_be_made_is_named),
        cmocka_unit_test(work_that_fails_is_undone),
        cmocka_unit_test(what_another_process_commits_is_noticed_once),
        cmocka_unit_test(an_opening_that_fails_anywhere_can_be_tried_again),
        cmocka_unit_test(a_new_database_that_fails_anywhere_can_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

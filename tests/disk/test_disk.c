#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/disk/disk.h"
#include "tests/testing.h"

#include <errno.h>
#include <sqlite3.h>

/* ---- one disk, and what is made of it ---- */

struct machine {
    struct disk *disk; /* first, as disk_files wants it */
};
static struct machine machine;
static struct err e;

static struct disk *disk_called(const char *name)
{
    return disk_new(&(struct disk_options){.name = name, .seed = 1, .keeps_changes = true});
}

static int new_disk(void **state)
{
    (void)state;
    machine.disk = disk_called("disk");
    return 0;
}

static int free_disk(void **state)
{
    (void)state;
    disk_free(machine.disk);
    return 0;
}

static struct disk *cut_at(size_t changes, enum disk_unsynced unsynced, uint64_t seed)
{
    return disk_after_power_cut(machine.disk, changes, unsynced, seed, &(struct disk_options){.name = "after", .keeps_changes = true});
}

static struct disk *cut_now(enum disk_unsynced unsynced)
{
    return cut_at(disk_change_count(machine.disk), unsynced, 1);
}

static struct disk_file *opened(const char *path)
{
    struct disk_file *file = NULL;
    assert_int_equal(disk_open_file(machine.disk, path, DISK_WRITES | DISK_CREATES, 0600, &file), 0);
    return file;
}

static void put(struct disk_file *file, uint64_t offset, const char *text)
{
    assert_int_equal(disk_write(file, offset, span_text(text)), 0);
}

/* NULL: it is not there. */
static void assert_content(const struct disk *disk, const char *path, const char *text)
{
    span content = {0};
    bool is_there = disk_content(disk, path, &content);
    if (is_there != (text != NULL)) fail_msg("%s: %s", path, is_there ? "is there" : "is not there");
    if (text) test_assert_text(content, text);
}

static void assert_cut_content(enum disk_unsynced unsynced, const char *path, const char *text)
{
    struct disk *after = cut_now(unsynced);
    assert_content(after, path, text);
    disk_free(after);
}

/* ---- files ---- */

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct disk_file *file = opened("/a");
    uint8_t read[8] = {0};

    put(file, 2, "there");
    assert_int_equal(disk_read(file, 0, read, sizeof read), 7);
    assert_memory_equal(read, "\0\0there", 7);
    assert_int_equal(disk_read(file, 7, read, sizeof read), 0);
    assert_int_equal(disk_truncate(file, 3), 0);
    assert_int_equal(disk_size(file), 3);
    disk_close_file(file);
    assert_int_equal(disk_open_file(machine.disk, "/none", 0, 0, &file), -ENOENT);
    assert_int_equal(disk_open_file(machine.disk, "/no/a", DISK_CREATES | DISK_WRITES, 0600, &file), -ENOENT);
    assert_int_equal(disk_open_file(machine.disk, "/a", DISK_CREATES | DISK_EXCLUSIVE, 0600, &file), -EEXIST);
}

static void an_unlinked_file_lives_as_long_as_it_is_open(void **state)
{
    (void)state;
    struct disk_file *file = opened("/a");
    uint8_t read[3] = {0};
    put(file, 0, "abc");

    assert_int_equal(disk_unlink(machine.disk, "/a"), 0);

    assert_int_equal(disk_read(file, 0, read, 3), 3);
    assert_content(machine.disk, "/a", NULL);
    disk_close_file(file);
}

/* ---- what a power cut leaves ---- */

static void only_what_was_synced_survives_when_the_rest_is_lost(void **state)
{
    (void)state;
    struct disk_file *file = opened("/a");
    put(file, 0, "one");
    assert_int_equal(disk_sync(file), 0);
    assert_int_equal(disk_sync_folder(machine.disk, "/"), 0);
    put(file, 3, "two");
    disk_close_file(file);

    assert_cut_content(DISK_LOSES, "/a", "one");
    assert_cut_content(DISK_KEEPS, "/a", "onetwo");
}

static void a_file_whose_folder_was_not_synced_has_no_name_yet(void **state)
{
    (void)state;
    struct disk_file *file = opened("/a");
    put(file, 0, "one");
    assert_int_equal(disk_sync(file), 0);
    disk_close_file(file);

    assert_cut_content(DISK_LOSES, "/a", NULL);
    assert_cut_content(DISK_KEEPS, "/a", "one");
}

static void a_rename_is_durable_with_its_folder(void **state)
{
    (void)state;
    struct disk_file *file = opened("/a");
    put(file, 0, "old");
    assert_int_equal(disk_sync(file), 0);
    disk_close_file(file);
    file = opened("/b");
    put(file, 0, "new");
    assert_int_equal(disk_sync(file), 0);
    disk_close_file(file);
    assert_int_equal(disk_sync_folder(machine.disk, "/"), 0);

    assert_int_equal(disk_rename(machine.disk, "/b", "/a"), 0);

    assert_cut_content(DISK_LOSES, "/a", "old");
    assert_cut_content(DISK_LOSES, "/b", "new");
    assert_cut_content(DISK_KEEPS, "/a", "new");
    assert_int_equal(disk_sync_folder(machine.disk, "/"), 0);
    assert_cut_content(DISK_LOSES, "/a", "new");
    assert_cut_content(DISK_LOSES, "/b", NULL);
}

static void a_deleted_file_may_come_back(void **state)
{
    (void)state;
    struct disk_file *file = opened("/a");
    put(file, 0, "old");
    assert_int_equal(disk_sync(file), 0);
    assert_int_equal(disk_sync_folder(machine.disk, "/"), 0);
    disk_close_file(file);

    assert_int_equal(disk_unlink(machine.disk, "/a"), 0);

    assert_cut_content(DISK_LOSES, "/a", "old");
    assert_cut_content(DISK_KEEPS, "/a", NULL);
}

static void what_stood_in_a_lost_folder_is_lost(void **state)
{
    (void)state;
    assert_int_equal(disk_make_folder(machine.disk, "/f", 0700), 0);
    struct disk_file *file = opened("/f/a");
    put(file, 0, "one");
    assert_int_equal(disk_sync(file), 0);
    assert_int_equal(disk_sync_folder(machine.disk, "/f"), 0);
    disk_close_file(file);

    assert_cut_content(DISK_LOSES, "/f/a", NULL);
    assert_int_equal(disk_sync_folder(machine.disk, "/"), 0);
    assert_cut_content(DISK_LOSES, "/f/a", "one");
}

static void the_last_write_is_torn_between_sectors(void **state)
{
    (void)state;
    static char text[2 * DISK_SECTOR_BYTES + 11];
    bool has_met[3] = {false};
    struct disk_file *file = opened("/a");
    memset(text, 'x', sizeof text - 1);
    put(file, 0, "before");
    put(file, 6, text);
    disk_close_file(file);

    for (uint64_t seed = 0; seed < 40; seed++) {
        struct disk *after = cut_at(disk_change_count(machine.disk), DISK_TEARS, seed);
        span content = {0};
        assert_true(disk_content(after, "/a", &content));
        assert_int_equal((content.len - 6) % DISK_SECTOR_BYTES, 0);
        assert_true(content.len < 6 + sizeof text - 1);
        has_met[(content.len - 6) / DISK_SECTOR_BYTES] = true;
        disk_free(after);
    }

    assert_true(has_met[0] && has_met[1] && has_met[2]);
}

static void every_subset_of_what_was_unsynced_comes_up_and_the_seed_decides(void **state)
{
    (void)state;
    bool has_met[8] = {false};
    struct disk_file *file = opened("/a");
    put(file, 0, "...");
    assert_int_equal(disk_sync(file), 0);
    assert_int_equal(disk_sync_folder(machine.disk, "/"), 0);
    for (unsigned i = 0; i < 3; i++) put(file, i, "x");
    disk_close_file(file);

    for (uint64_t seed = 0; seed < 200; seed++) {
        struct disk *after = cut_at(disk_change_count(machine.disk), DISK_KEEPS_SOME, seed);
        span content = {0};
        assert_true(disk_content(after, "/a", &content));
        assert_int_equal(content.len, 3);
        size_t met = 0;
        for (size_t i = 0; i < 3; i++) met |= (size_t)(content.at[i] == 'x') << i;
        has_met[met] = true;
        uint64_t digest = disk_digest(after);
        disk_free(after);
        after = cut_at(disk_change_count(machine.disk), DISK_KEEPS_SOME, seed);
        assert_true(digest == disk_digest(after));
        disk_free(after);
    }

    for (size_t i = 0; i < 8; i++) assert_true(has_met[i]);
}

static void each_first_part_of_the_changes_is_a_disk(void **state)
{
    (void)state;
    struct disk_file *file = opened("/a");
    put(file, 0, "1");
    put(file, 1, "2");
    disk_close_file(file);
    static const char *const contents[] = {NULL, "", "1", "12"};

    assert_int_equal(disk_change_count(machine.disk), 3);
    for (size_t n = 0; n <= 3; n++) {
        struct disk *after = cut_at(n, DISK_KEEPS, 1);
        assert_content(after, "/a", contents[n]);
        disk_free(after);
    }
}

/* The same work on a disk that keeps its changes and on one that forgets what is durable. */
static void forgetting_what_is_durable_changes_nothing_else(void **state)
{
    (void)state;
    struct disk *short_disk = disk_new(&(struct disk_options){.name = "short", .seed = 1});
    struct disk *both[] = {machine.disk, short_disk};
    struct test_random random = test_random_start();
    for (size_t step = 0; step < 400; step++) {
        uint64_t what = test_random_below(&random, 8), which = test_random_below(&random, 3), at = test_random_below(&random, 50);
        for (size_t d = 0; d < 2; d++) {
            static const char *const paths[] = {"/a", "/b", "/c"};
            struct disk_file *file = NULL;
            if (what == 0) (void)disk_unlink(both[d], paths[which]);
            else if (what == 1) (void)disk_rename(both[d], paths[which], paths[(which + 1) % 3]);
            else if (what == 2) assert_int_equal(disk_sync_folder(both[d], "/"), 0);
            else assert_int_equal(disk_open_file(both[d], paths[which], DISK_WRITES | DISK_CREATES, 0600, &file), 0);
            if (what == 3) assert_int_equal(disk_sync(file), 0);
            if (what == 4) assert_int_equal(disk_truncate(file, at), 0);
            if (what > 4) assert_int_equal(disk_write(file, at, span_text(paths[at % 3])), 0);
            disk_close_file(file);
        }
        struct disk *long_after = cut_now(DISK_LOSES);
        struct disk *short_after = disk_after_power_cut(short_disk, disk_change_count(short_disk), DISK_LOSES, 1,
                                                        &(struct disk_options){.name = "after short"});
        assert_true(disk_digest(long_after) == disk_digest(short_after));
        disk_free(long_after);
        disk_free(short_after);
    }
    assert_true(disk_change_count(short_disk) < disk_change_count(machine.disk));
    disk_free(short_disk);
}

/* ---- backups ---- */

static void a_backup_put_back_replaces_its_folder_alone(void **state)
{
    (void)state;
    const struct world world = {.files = disk_files(), .self = &machine};
    assert_true(world.files->make_folder(&machine, "/home/keys", &e));
    assert_true(world.files->make_folder(&machine, "/state", &e));
    assert_true(world.files->write(&machine, "/home/keys/a", span_text("old"), &e));
    struct disk *backup = disk_copy(machine.disk, &(struct disk_options){.name = "backup"});
    struct file_identity before = {0}, after = {0};
    assert_true(world.files->identity(&machine, "/home", &before, &e));
    assert_true(world.files->write(&machine, "/home/keys/a", span_text("new"), &e));
    assert_true(world.files->write(&machine, "/home/b", span_text("new"), &e));
    assert_true(world.files->write(&machine, "/state/mirror", span_text("new"), &e));

    disk_put_back(machine.disk, backup, "/home");

    assert_content(machine.disk, "/home/keys/a", "old");
    assert_content(machine.disk, "/home/b", NULL);
    assert_content(machine.disk, "/state/mirror", "new");
    assert_true(world.files->identity(&machine, "/home", &after, &e));
    assert_true(before.inode == after.inode && before.device == after.device);
    disk_free(backup);
}

/* ---- files of a world ---- */

static void a_written_file_survives_whole_at_every_moment(void **state)
{
    (void)state;
    const struct files *files = disk_files();
    assert_true(files->write(&machine, "/key", span_text("old"), &e));
    disk_settle(machine.disk);
    assert_true(files->write(&machine, "/key", span_text("new"), &e));

    for (size_t n = 0; n <= disk_change_count(machine.disk); n++)
        for (enum disk_unsynced unsynced = DISK_LOSES; unsynced <= DISK_TEARS; unsynced++) {
            struct disk *after = cut_at(n, unsynced, n);
            span content = {0};
            assert_true(disk_content(after, "/key", &content));
            bool is_new = span_equal(content, span_text("new"));
            assert_true(is_new || span_equal(content, span_text("old")));
            assert_true(is_new || n < disk_change_count(machine.disk));
            disk_free(after);
        }
}

static void a_lock_is_one_holder_s(void **state)
{
    (void)state;
    const struct files *files = disk_files();
    struct file_lock first = {0}, second = {0};

    assert_true(files->lock(&machine, "/lock", &first, &e));
    assert_false(files->lock(&machine, "/lock", &second, &e));
    assert_int_equal(e.code, ERR_DISK);
    files->unlock(&machine, &first);
    assert_true(files->lock(&machine, "/lock", &second, &e));
    files->unlock(&machine, &second);
}

static void a_missing_file_is_missing_and_a_large_one_too_large(void **state)
{
    (void)state;
    const struct files *files = disk_files();
    OWNED_BUFFER out = {0};

    assert_false(files->read(&machine, "/none", 10, &out, &e));
    assert_int_equal(e.code, ERR_MISSING);
    assert_true(files->write(&machine, "/key", span_text("1234"), &e));
    assert_false(files->read(&machine, "/key", 3, &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_true(files->read(&machine, "/key", 4, &out, &e));
    test_assert_text(buffer_span(&out), "1234");
    assert_int_equal(files->mode(&machine, "/key"), 0600);
    assert_true(files->remove(&machine, "/key", &e));
    assert_true(files->remove(&machine, "/key", &e));
}

/* ---- trouble ---- */

static void the_kth_call_fails_once_or_from_then_on(void **state)
{
    (void)state;
    struct disk_file *file = opened("/a");
    static const int once[] = {0, -EIO, 0, 0}, for_good[] = {0, -EIO, -EIO, -EIO};

    for (size_t round = 0; round < 2; round++) {
        disk_fail(machine.disk, DISK_IO_ERROR, 1, round == 1);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(disk_write(file, 0, span_text("x")), round ? for_good[i] : once[i]);
        assert_true(disk_mend(machine.disk));
    }
    assert_int_equal(disk_write(file, 0, span_text("x")), 0);
    assert_false(disk_mend(machine.disk));
    disk_close_file(file);
}

static void a_full_disk_fails_what_needs_room_and_a_failed_sync_keeps_nothing(void **state)
{
    (void)state;
    struct disk_file *file = opened("/a");
    assert_int_equal(disk_sync_folder(machine.disk, "/"), 0);
    uint8_t read[1] = {0};

    disk_fail(machine.disk, DISK_FULL, 0, true);
    assert_int_equal(disk_write(file, 0, span_text("x")), -ENOSPC);
    assert_int_equal(disk_read(file, 0, read, 1), 0);
    assert_int_equal(disk_sync(file), 0);
    disk_fail(machine.disk, DISK_SYNC_FAILS, 0, true);
    assert_int_equal(disk_write(file, 0, span_text("x")), 0);
    assert_int_equal(disk_sync(file), -EIO);
    (void)disk_mend(machine.disk);

    assert_cut_content(DISK_LOSES, "/a", "");
    disk_close_file(file);
}

/* ---- SQLite on it ---- */

static sqlite3 *database_on(const struct disk *disk)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    assert_int_equal(sqlite3_open_v2("/db", &db, flags, disk_name(disk)), SQLITE_OK);
    sqlite3_busy_timeout(db, 1000);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t found = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return found;
}

static void several_connections_share_one_database(void **state)
{
    (void)state;
    sqlite3 *one = database_on(machine.disk);
    run(one, "PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)");
    sqlite3 *two = database_on(machine.disk);

    run(two, "BEGIN; SELECT count(*) FROM t");
    run(one, "INSERT INTO t VALUES (2)");
    assert_int_equal(number(two, "SELECT count(*) FROM t"), 1);
    run(two, "COMMIT");
    assert_int_equal(number(two, "SELECT count(*) FROM t"), 2);
    run(one, "BEGIN IMMEDIATE");
    assert_int_equal(sqlite3_exec(two, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_BUSY);
    run(one, "COMMIT");
    run(two, "INSERT INTO t VALUES (3); PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(number(one, "SELECT count(*) FROM t"), 3);

    sqlite3_close(one);
    sqlite3_close(two);
    assert_content(machine.disk, "/db-wal", NULL);
}

/* Rows that were committed before the cut, of a database in this mode; the largest that may be missing. */
static size_t rows_missing_after_cuts(const char *pragmas)
{
    size_t missing_most = 0;
    size_t committed[64] = {0};
    sqlite3 *db = database_on(machine.disk);
    run(db, pragmas);
    run(db, "CREATE TABLE t (n INTEGER)");
    disk_settle(machine.disk);
    for (size_t i = 1; i <= 8; i++) {
        run(db, "INSERT INTO t VALUES (1)");
        committed[i] = disk_change_count(machine.disk);
    }
    for (size_t n = 0; n <= disk_change_count(machine.disk); n++)
        for (unsigned treatment = 0; treatment < 8; treatment++) {
            enum disk_unsynced unsynced = treatment < 4 ? (enum disk_unsynced)treatment : DISK_KEEPS_SOME;
            struct disk *after = cut_at(n, unsynced, treatment);
            sqlite3 *again = database_on(after);
            size_t promised = 0, found = 0;
            while (promised < 8 && committed[promised + 1] <= n) promised++;
            found = (size_t)number(again, "SELECT count(*) FROM t");
            assert_int_equal(number(again, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
            if (found < promised && promised - found > missing_most) missing_most = promised - found;
            sqlite3_close(again);
            disk_free(after);
        }
    sqlite3_close(db);
    return missing_most;
}

static void a_full_sync_loses_nothing_that_was_committed(void **state)
{
    (void)state;
    assert_int_equal(rows_missing_after_cuts("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"), 0);
}

static void a_normal_sync_loses_what_was_committed(void **state)
{
    (void)state;
    assert_true(rows_missing_after_cuts("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL") > 0);
}

static void a_rollback_journal_loses_nothing_that_was_committed(void **state)
{
    (void)state;
    assert_int_equal(rows_missing_after_cuts("PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA"), 0);
}

static void a_read_only_disk_can_be_read(void **state)
{
    (void)state;
    sqlite3 *db = database_on(machine.disk);
    run(db, "CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (7)");
    sqlite3_close(db);
    disk_set_read_only(machine.disk, true);

    db = database_on(machine.disk);
    assert_int_equal(number(db, "SELECT n FROM t"), 7);
    assert_int_equal(sqlite3_exec(db, "INSERT INTO t VALUES (8)", NULL, NULL, NULL), SQLITE_READONLY);
    assert_false(disk_files()->write(&machine, "/key", span_text("x"), &e));
    assert_int_equal(e.code, ERR_DISK);
    sqlite3_close(db);
}

static void the_same_calls_make_the_same_disk(void **state)
{
    (void)state;
    struct disk *other = disk_called("other");
    struct disk *both[] = {machine.disk, other};
    for (size_t d = 0; d < 2; d++) {
        sqlite3 *db = database_on(both[d]);
        run(db, "PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)");
        sqlite3_close(db);
    }
    assert_int_equal(disk_change_count(machine.disk), disk_change_count(other));
    for (size_t i = 0; i < disk_change_count(other); i++) {
        char one[200], two[200];
        assert_string_equal(disk_change_words(disk_change_at(machine.disk, i), one, sizeof one),
                            disk_change_words(disk_change_at(other, i), two, sizeof two));
    }
    disk_free(other);
}

#define ON_A_DISK(test) cmocka_unit_test_setup_teardown(test, new_disk, free_disk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_DISK(what_is_written_is_read_back),
        ON_A_DISK(an_unlinked_file_lives_as_long_as_it_is_open),
        ON_A_DISK(only_what_was_synced_survives_when_the_rest_is_lost),
        ON_A_DISK(a_file_whose_folder_was_not_synced_has_no_name_yet),
        ON_A_DISK(a_rename_is_durable_with_its_folder),
        ON_A_DISK(a_deleted_file_may_come_back),
        ON_A_DISK(what_stood_in_a_lost_folder_is_lost),
        ON_A_DISK(the_last_write_is_torn_between_sectors),
        ON_A_DISK(every_subset_of_what_was_unsynced_comes_up_and_the_seed_decides),
        ON_A_DISK(each_first_part_of_the_changes_is_a_disk),
        ON_A_DISK(forgetting_what_is_durable_changes_nothing_else),
        ON_A_DISK(a_backup_put_back_replaces_its_folder_alone),
        ON_A_DISK(a_written_file_survives_whole_at_every_moment),
        ON_A_DISK(a_lock_is_one_holder_s),
        ON_A_DISK(a_missing_file_is_missing_and_a_large_one_too_large),
        ON_A_DISK(the_kth_call_fails_once_or_from_then_on),
        ON_A_DISK(a_full_disk_fails_what_needs_room_and_a_failed_sync_keeps_nothing),
        ON_A_DISK(several_connections_share_one_database),
        ON_A_DISK(a_full_sync_loses_nothing_that_was_committed),
        ON_A_DISK(a_normal_sync_loses_what_was_committed),
        ON_A_DISK(a_rollback_journal_loses_nothing_that_was_committed),
        ON_A_DISK(a_read_only_disk_can_be_read),
        ON_A_DISK(the_same_calls_make_the_same_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

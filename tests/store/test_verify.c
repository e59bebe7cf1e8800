/*
 * Verifying: every byte that was changed behind the program's back is found, and named by its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/store/parties.h"
#include <sqlite3.h>

#define FINDINGS_KEPT 8

/* ---- changing the database behind the program's back ---- */

static sqlite3 *open_behind(struct parties *p, unsigned us)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(p->sides[us].path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static sqlite3_stmt *prepared(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    return statement;
}

struct seen {
    size_t count;
    struct finding kept[FINDINGS_KEPT];
};

static void keep(void *self, const struct finding *finding)
{
    struct seen *f = self;
    if (f->count < FINDINGS_KEPT) f->kept[f->count] = *finding;
    f->count++;
}

static struct seen verify(struct parties *p, unsigned us)
{
    struct seen found = {0};
    uint64_t entries = 0;
    struct err e = {0};
    expect(record_verify(p->sides[us].store, &p->id, keep, &found, &entries, &e), &e);
    return found;
}

/* A finding whose place holds all three words. */
static bool is_named(const struct seen *found, const char *feed, const char *where,
                     const char *part)
{
    for (size_t i = 0; i < found->count && i < FINDINGS_KEPT; i++)
        if (strstr(found->kept[i].where, feed) && strstr(found->kept[i].where, where) &&
            strstr(found->kept[i].where, part))
            return true;
    return false;
}

/* ---- every byte ---- */

/* A column of bytes; `rows` gives key1, key2, the bytes and the feed's number, `update` takes bytes, key1 and key2. */
struct column {
    const char *name, *rows, *update;
    const char *where; /* with the number of key2, "%lld" */
    const char *part;
};

static const struct column columns[] = {
    {"entry.id", "SELECT feed, position, id, feed FROM entry",
     "UPDATE entry SET id = ? WHERE feed = ? AND position = ?", ", entry %lld,", "id"},
    {"entry.header", "SELECT feed, position, header, feed FROM entry",
     "UPDATE entry SET header = ? WHERE feed = ? AND position = ?", ", entry %lld,", "header"},
    {"entry.salt", "SELECT feed, position, salt, feed FROM entry",
     "UPDATE entry SET salt = ? WHERE feed = ? AND position = ?", ", entry %lld,", "salt"},
    {"entry.body", "SELECT feed, position, body, feed FROM entry",
     "UPDATE entry SET body = ? WHERE feed = ? AND position = ?", ", entry %lld,", "body"},
    {"entry.subtrees", "SELECT feed, position, subtrees, feed FROM entry",
     "UPDATE entry SET subtrees = ? WHERE feed = ? AND position = ?", ", entry %lld,", "subtrees"},
    {"head.root", "SELECT feed, size, root, feed FROM head",
     "UPDATE head SET root = ? WHERE feed = ? AND size = ?", ", head of size %lld", ""},
    {"head.signature", "SELECT feed, size, signature, feed FROM head",
     "UPDATE head SET signature = ? WHERE feed = ? AND size = ?", ", head of size %lld", ""},
    {"receipt.receipt_key", "SELECT feed, size, receipt_key, feed FROM receipt",
     "UPDATE receipt SET receipt_key = ? WHERE feed = ? AND size = ?", "receipt for %lld", ""},
    {"receipt.signature", "SELECT feed, size, signature, feed FROM receipt",
     "UPDATE receipt SET signature = ? WHERE feed = ? AND size = ?", "receipt for %lld", ""},
    {"feed.edge", "SELECT feed, 0, edge, feed FROM feed",
     "UPDATE feed SET edge = ? WHERE feed = ? AND 0 = ?", "", "edge"},
};

struct spoiling {
    struct parties *p;
    sqlite3 *db;
    const struct column *column;
    sqlite3_stmt *update;
    size_t bytes;
};

static void put(struct spoiling *s, const uint8_t *bytes, int len, int64_t key1, int64_t key2)
{
    sqlite3_bind_blob(s->update, 1, len ? (const void *)bytes : "", len, SQLITE_STATIC);
    sqlite3_bind_int64(s->update, 2, key1);
    sqlite3_bind_int64(s->update, 3, key2);
    assert_int_equal(sqlite3_step(s->update), SQLITE_DONE);
    assert_int_equal(sqlite3_changes(s->db), 1);
    sqlite3_reset(s->update);
}

static void spoil_value(struct spoiling *s, const uint8_t *value, int len, int64_t key1,
                        int64_t key2)
{
    static uint8_t bytes[BODY_BYTES_MAX];
    char where[64], feed[32];
    snprintf(where, sizeof where, s->column->where, (long long)key2);
    snprintf(feed, sizeof feed, "%s's feed", s->p->sides[key1 & 0xff].code);
    memcpy(bytes, value, (size_t)len);
    for (int i = 0; i < len; i++, s->bytes++) {
        bytes[i] ^= (uint8_t)(1u << i % 8);
        put(s, bytes, len, key1, key2);
        struct seen found = verify(s->p, ACME);
        /* Nothing else is blamed but, beside it, the comparison that was left out (and a key that signs for nobody). */
        if (!is_named(&found, feed, where, s->column->part) || found.count > 3)
            fail_msg("%s, byte %d of %s %s: %zu findings, the first is %s: %s", s->column->name, i,
                     feed, where, found.count, found.kept[0].where, found.kept[0].what);
        bytes[i] ^= (uint8_t)(1u << i % 8);
    }
    put(s, bytes, len, key1, key2);
}

/* Values of a column, copied first: they are changed while we look at them. */
static void spoil_column(struct spoiling *s)
{
    sqlite3_stmt *rows = prepared(s->db, s->column->rows);
    struct {
        int64_t key1, key2;
        uint8_t *bytes;
        int len;
    } values[256];
    size_t count = 0;
    while (sqlite3_step(rows) == SQLITE_ROW && count < 256) {
        values[count].key1 = sqlite3_column_int64(rows, 0);
        values[count].key2 = sqlite3_column_int64(rows, 1);
        values[count].len = sqlite3_column_bytes(rows, 2);
        values[count].bytes = malloc((size_t)values[count].len + 1);
        assert_non_null(values[count].bytes);
        if (values[count].len)
            memcpy(values[count].bytes, sqlite3_column_blob(rows, 2), (size_t)values[count].len);
        count++;
    }
    sqlite3_finalize(rows);
    s->update = prepared(s->db, s->column->update);
    for (size_t i = 0; i < count; i++) {
        spoil_value(s, values[i].bytes, values[i].len, values[i].key1, values[i].key2);
        free(values[i].bytes);
    }
    sqlite3_finalize(s->update);
}

static void every_changed_byte_is_found_and_named(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 2, 1);
    struct hash item = propose_new(&p, ACME, "Plan");
    settle(&p);
    (void)answer(&p, BOLT, VERB_ACCEPT, &item);
    settle(&p);
    struct hash said = appoint(&p, ACME, NULL, "Rosa");
    settle(&p);
    (void)answer(&p, BOLT, VERB_ACKNOWLEDGE, &said);
    settle(&p);
    struct spoiling s = {.p = &p, .db = open_behind(&p, ACME)};

    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
        s.column = &columns[c];
        s.bytes = 0;
        spoil_column(&s);
        print_message("%s: %zu bytes\n", s.column->name, s.bytes);
        assert_true(s.bytes > 0);
    }

    sqlite3_close(s.db);
    assert_same_everywhere(&p);
    parties_close(&p);
}

/* ---- the rest ---- */

/* Two parties that have agreed on something, ACME's database open behind its back. */
static sqlite3 *agreed(struct parties *p, struct hash *item)
{
    parties_open(p, 2, 2);
    *item = propose_new(p, ACME, "Deliver the drawings");
    settle(p);
    (void)answer(p, BOLT, VERB_ACCEPT, item);
    settle(p);
    (void)report_progress(p, ACME, item, item, 40);
    settle(p);
    return open_behind(p, ACME);
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_changes(db) == 0) fail_msg("%s: nothing was changed", sql);
}

static void looking_changes_nothing(void **state)
{
    (void)state;
    struct parties p;
    struct hash item;
    struct store_counts before, after;
    uint64_t entries = 0;
    struct seen found = {0};
    struct err e = {0};
    sqlite3_close(agreed(&p, &item));
    struct hash tables = tables_digest(&p, ACME);
    store_counts(p.sides[ACME].store, &before);

    expect(record_verify(p.sides[ACME].store, &p.id, keep, &found, &entries, &e), &e);

    store_counts(p.sides[ACME].store, &after);
    assert_int_equal(found.count, 0);
    assert_int_equal(entries,
                     feed_of(&p, ACME, ACME).edge.size + feed_of(&p, ACME, BOLT).edge.size);
    assert_int_equal(after.commits, before.commits);
    struct hash again = tables_digest(&p, ACME);
    assert_hash_equal(&again, &tables);
    parties_close(&p);
}

/* Changes of whole rows, and where they are found. */
static void changed_rows_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *feed, *where;
    } changes[] = {
        {"DELETE FROM entry WHERE feed = 0 AND position = 2", "ACME's feed", "entry 2"},
        {"DELETE FROM entry WHERE feed = 1 AND position = 1", "BOLT's feed", ""},
        {"INSERT INTO entry SELECT relationship, feed, 77, id, header, salt, body, subtrees FROM "
         "entry"
         " WHERE feed = 1 AND position = 1",
         "BOLT's feed", "entry 2"},
        {"UPDATE entry SET position = position + 100 WHERE feed = 0 AND position = 3",
         "ACME's feed", "entry 3"},
        {"UPDATE entry SET salt = x'00' WHERE feed = 0 AND position = 2", "ACME's feed",
         "entry 2, salt"},
        {"UPDATE entry SET id = x'00' WHERE feed = 0 AND position = 2", "ACME's feed",
         "entry 2, id"},
        {"UPDATE entry SET body = x'9180' WHERE feed = 0 AND position = 2", "ACME's feed",
         "entry 2, body"},
        {"UPDATE head SET size = 40 WHERE feed = 1 AND size = 2", "BOLT's feed", ""},
        {"UPDATE head SET root = x'00' WHERE feed = 1 AND size = 2", "BOLT's feed", ""},
        {"UPDATE receipt SET party = 0 WHERE feed = 0 AND size = 3", "ACME's feed",
         "receipt for 3"},
        {"UPDATE receipt SET time_s = time_s + 1 WHERE feed = 0 AND size = 3", "ACME's feed",
         "receipt for 3"},
        {"UPDATE receipt SET size = 1000 WHERE feed = 0 AND size = 3", "ACME's feed", ""},
        {"DELETE FROM receipt_key WHERE party = 1", "ACME's feed", "receipt for"},
        {"UPDATE feed SET edge = x'00' WHERE feed = 1", "BOLT's feed", "edge"},
        {"UPDATE feed SET size = 1, edge = substr(edge, 1, 32) WHERE feed = 1", "BOLT's feed", ""},
        {"UPDATE feed SET log_key = x'00' WHERE feed = 1", "BOLT's feed", ""},
        {"UPDATE feed SET log_key = zeroblob(32) WHERE feed = 1", "BOLT's feed", ""},
        {"UPDATE feed SET origin = 'elsewhere' WHERE feed = 1", "BOLT's feed", ""},
        {"UPDATE feed SET fork_at = 1 WHERE feed = 1", "BOLT's feed", ""},
        {"UPDATE party SET certificate = zeroblob(300) WHERE party = 1", "BOLT's certificate", ""},
        {"UPDATE party SET identity = zeroblob(32) WHERE party = 1", "BOLT's certificate", ""},
        {"UPDATE party SET name = 'Somebody' WHERE party = 1", "BOLT's certificate", ""},
        {"UPDATE party SET certificate = (SELECT o.certificate FROM party o WHERE o.party = 0) "
         "WHERE party = 1",
         "BOLT's certificate", ""},
        {"UPDATE item SET revision = NULL", "", "item tables"},
        {"UPDATE item SET needs_newer = 1", "", "item tables"},
        {"UPDATE item SET sealed = sealed + 1", "", "item tables"},
        {"UPDATE answer SET left_at = 7 WHERE party = 1", "", "item tables"},
        {"DELETE FROM statement", "", "item tables"},
        {"DELETE FROM front", "", "item tables"},
        {"UPDATE action SET title = 'Something else'", "", "item tables"},
        {"UPDATE action SET percent = 100", "", "item tables"},
        {"UPDATE relationship SET state = zeroblob(2048)", "", "state digest"},
        {"UPDATE relationship SET our_party = 1", "", "parties and feeds"},
        {"UPDATE feed SET setup = 1 WHERE feed = 0", "", "parties and feeds"},
        {"UPDATE feed SET broken_at = 3, broken_why = 'so' WHERE feed = 0", "", ""},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct parties p;
        struct hash item;
        sqlite3 *db = agreed(&p, &item);
        run(db, changes[i].sql);
        struct seen found = verify(&p, ACME);
        if (!is_named(&found, changes[i].feed, changes[i].where, ""))
            fail_msg("%s: %zu findings, the first is %s: %s", changes[i].sql, found.count,
                     found.kept[0].where, found.kept[0].what);
        sqlite3_close(db);
        parties_close(&p);
    }
}

/* Only the feed's own key can make such a head: it is a second history, or the entries are not those that were signed. */
static void a_head_that_was_signed_over_other_entries_is_found(void **state)
{
    (void)state;
    struct parties p;
    struct head head = {0};
    parties_open(&p, 2, 31);
    struct feed bolt = feed_of(&p, ACME, BOLT);
    struct hash root = bolt.head.root;
    root.bytes[0] ^= 1;
    head_sign(p.sides[BOLT].log, bolt.origin, bolt.head.size, &root, &head);
    sqlite3 *db = open_behind(&p, ACME);
    sqlite3_stmt *update = prepared(db, "UPDATE head SET root = ?, signature = ? WHERE feed = ? AND size = ?");
    sqlite3_bind_blob(update, 1, head.root.bytes, sizeof head.root.bytes, SQLITE_STATIC);
    sqlite3_bind_blob(update, 2, head.signature.bytes, sizeof head.signature.bytes, SQLITE_STATIC);
    sqlite3_bind_int64(update, 3, bolt.feed);
    sqlite3_bind_int64(update, 4, (sqlite3_int64)head.size);
    assert_int_equal(sqlite3_step(update), SQLITE_DONE);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_finalize(update);
    sqlite3_close(db);

    struct seen found = verify(&p, ACME);

    assert_true(is_named(&found, "BOLT's feed", "head of size", ""));
    parties_close(&p);
}

static void a_rebuild_mends_the_item_tables(void **state)
{
    (void)state;
    struct parties p;
    struct hash item;
    sqlite3 *db = agreed(&p, &item);
    run(db, "UPDATE action SET title = 'Something else'");
    run(db, "DELETE FROM answer");
    assert_int_equal(verify_count(&p, ACME, NULL), 1);

    rebuild(&p, ACME);

    assert_int_equal(verify_count(&p, ACME, NULL), 0);
    sqlite3_close(db);
    parties_close(&p);
}

static void a_feed_that_is_wrong_throughout_is_not_named_entry_by_entry(void **state)
{
    (void)state;
    struct parties p;
    struct hash item;
    sqlite3 *db = agreed(&p, &item);
    for (size_t i = 0; i < 200; i++) (void)answer(&p, ACME, VERB_COMMENT, &item);
    run(db, "UPDATE entry SET header = zeroblob(40) WHERE feed = 0");

    struct seen found = verify(&p, ACME);

    assert_true(found.count > 10 && found.count < 100);
    sqlite3_close(db);
    parties_close(&p);
}

static void bodies_may_be_missing(void **state)
{
    (void)state;
    struct parties p;
    struct hash item;
    sqlite3 *db = agreed(&p, &item);
    run(db, "UPDATE entry SET body = NULL WHERE feed = 0 AND position >= 2");

    struct seen found = verify(&p, ACME);

    /* Nothing is wrong with the entries; the terms they had filled in are shown no more once that is folded anew. */
    assert_int_equal(found.count, 1);
    assert_string_equal(found.kept[0].where, "the item tables");
    struct hash before = state_digest(&p, ACME);
    rebuild(&p, ACME);
    struct hash after = state_digest(&p, ACME);
    assert_hash_equal(&after, &before);
    assert_int_equal(verify_count(&p, ACME, NULL), 0);
    sqlite3_close(db);
    parties_close(&p);
}

static void a_branch_and_the_proof_of_its_fork_are_verified_too(void **state)
{
    (void)state;
    struct parties p;
    bool is_forked = false;
    parties_open(&p, 3, 3);
    uint64_t at = fork_bolt(&p);
    struct lot *lot = lot_copy(&p, BOLT, CORD, at, UINT64_MAX);
    assert_int_equal(lot_take_any(&p, ACME, lot, &is_forked), ERR_NONE);
    lot_free(lot);
    assert_int_equal(verify_count(&p, ACME, NULL), 0);
    sqlite3 *db = open_behind(&p, ACME);

    run(db,
        "UPDATE entry SET header = zeroblob(length(header)) WHERE feed >= 65536 AND position = 2");
    struct seen found = verify(&p, ACME);
    assert_true(is_named(&found, "BOLT's feed, branch 1", "entry 2", "header"));
    run(db, "UPDATE fork SET proof = CAST(substr(proof, 1, 100) || x'00' || substr(proof, 102) AS "
            "BLOB)");
    found = verify(&p, ACME);
    assert_true(is_named(&found, "fork", "", ""));

    sqlite3_close(db);
    parties_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looking_changes_nothing),
        cmocka_unit_test(changed_rows_are_found),
        cmocka_unit_test(a_head_that_was_signed_over_other_entries_is_found),
        cmocka_unit_test(a_rebuild_mends_the_item_tables),
        cmocka_unit_test(a_feed_that_is_wrong_throughout_is_not_named_entry_by_entry),
        cmocka_unit_test(bodies_may_be_missing),
        cmocka_unit_test(a_branch_and_the_proof_of_its_fork_are_verified_too),
        cmocka_unit_test(every_changed_byte_is_found_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

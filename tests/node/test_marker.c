#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/marker.h"
#include "tests/testing.h"

static struct key_public key_of(uint8_t byte)
{
    struct key_public key = {{0}};
    memset(key.bytes, byte, sizeof key.bytes);
    return key;
}

static struct hash hash_filled(uint8_t byte)
{
    struct hash hash = {{0}};
    memset(hash.bytes, byte, sizeof hash.bytes);
    return hash;
}

static struct marker_feed feed_of(uint8_t relationship, uint8_t log_key, uint64_t size,
                                  uint8_t root)
{
    struct marker_feed feed = {.log_key = key_of(log_key), .size = size, .root = hash_filled(root)};
    memset(feed.relationship.bytes, relationship, sizeof feed.relationship.bytes);
    return feed;
}

static void add(struct marker *marker, struct marker_feed feed)
{
    struct err e = {0};
    if (!marker_add(marker, &feed, &e)) fail_msg("%s", e.said);
}

static struct marker empty_marker(void)
{
    return (struct marker){.owner = key_of(7), .place = {11, 22}, .machine = hash_filled(33)};
}

static void write_marker(const struct marker *marker, struct buffer *out)
{
    struct err e = {0};
    out->len = 0;
    if (!marker_write(marker, out, &e)) fail_msg("%s", e.said);
}

static void assert_torn(span file)
{
    struct marker marker = {0};
    struct err e = {0};
    assert_false(marker_read(file, &marker, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_null(marker.feeds);
}

/* ---- bytes ---- */

static void a_marker_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct test_random random = test_random_start();
    for (size_t round = 0; round < 50; round++) {
        OWNED_MARKER written = empty_marker();
        OWNED_MARKER read = {0};
        OWNED_BUFFER file = {0};
        OWNED_BUFFER again = {0};
        struct err e = {0};
        written.place.inode = test_random_next(&random);
        for (uint8_t i = 0; i < round; i++)
            add(&written,
                feed_of((uint8_t)(i * 37), i, 1 + test_random_below(&random, 1u << 20), i));

        write_marker(&written, &file);
        assert_true(marker_read(buffer_span(&file), &read, &e));

        assert_true(marker_equal(&written, &read));
        write_marker(&read, &again);
        assert_true(span_equal(buffer_span(&file), buffer_span(&again)));
    }
}

static void a_file_that_was_cut_or_changed_anywhere_is_torn(void **state)
{
    (void)state;
    OWNED_MARKER marker = empty_marker();
    OWNED_BUFFER file = {0};
    add(&marker, feed_of(1, 2, 3, 4));
    write_marker(&marker, &file);

    for (size_t len = 0; len < file.len; len++) assert_torn(span_of(file.at, len));
    for (size_t bit = 0; bit < 8 * file.len; bit++) {
        file.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_torn(buffer_span(&file));
        file.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_marker_of_another_format_is_not_believed(void **state)
{
    (void)state;
    OWNED_MARKER marker = empty_marker();
    OWNED_BUFFER file = {0};
    write_marker(&marker, &file);
    size_t fields = file.len - sizeof(struct hash);
    file.at[1] = 2; /* the version, after the array's one byte */
    span parts[] = {span_of(file.at, fields)};
    struct hash check = hash_labelled("counterpart/v1/marker", parts, 1);
    memcpy(&file.at[fields], check.bytes, sizeof check.bytes);

    assert_torn(buffer_span(&file));
}

static void feeds_stand_in_rising_order_however_they_come(void **state)
{
    (void)state;
    OWNED_MARKER one = empty_marker();
    OWNED_MARKER other = empty_marker();
    static const uint8_t orders[2][4] = {{1, 2, 3, 4}, {3, 1, 4, 2}};
    for (size_t i = 0; i < 4; i++) {
        add(&one, feed_of(orders[0][i], 9, 5, 5));
        add(&other, feed_of(orders[1][i], 9, 5, 5));
    }

    assert_true(marker_equal(&one, &other));
    assert_int_equal(one.feed_count, 4);
}

static void an_empty_feed_is_left_out_and_a_second_of_a_key_is_refused(void **state)
{
    (void)state;
    OWNED_MARKER marker = empty_marker();
    struct err e = {0};
    add(&marker, feed_of(1, 1, 0, 0));
    assert_int_equal(marker.feed_count, 0);
    add(&marker, feed_of(1, 1, 2, 2));
    add(&marker, feed_of(1, 2, 2, 2));

    struct marker_feed twice = feed_of(1, 1, 9, 9);
    assert_false(marker_add(&marker, &twice, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_int_equal(marker.feed_count, 2);
}

static void the_number_of_feeds_is_bounded(void **state)
{
    (void)state;
    OWNED_MARKER marker = empty_marker();
    OWNED_MARKER read = {0};
    OWNED_BUFFER file = {0};
    struct err e = {0};
    struct marker_feed feed = feed_of(1, 1, UINT64_C(1) << 40, 1);
    for (size_t i = 0; i < MARKER_FEEDS_MAX; i++) {
        feed.relationship.bytes[0] = (uint8_t)(i >> 8);
        feed.relationship.bytes[1] = (uint8_t)i;
        add(&marker, feed);
    }

    feed.log_key = key_of(2);
    assert_false(marker_add(&marker, &feed, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    write_marker(&marker, &file);
    assert_true(file.len <= MARKER_BYTES_MAX);
    assert_true(marker_read(buffer_span(&file), &read, &e));
    assert_true(marker_equal(&marker, &read));
}

static void a_relationship_s_feed_is_found(void **state)
{
    (void)state;
    OWNED_MARKER marker = empty_marker();
    const struct marker_feed wanted = feed_of(3, 8, 0, 0);
    assert_null(marker_find(&marker, &wanted.relationship, &wanted.log_key));
    add(&marker, feed_of(2, 1, 1, 1));
    add(&marker, feed_of(4, 8, 1, 1));
    add(&marker, feed_of(3, 7, 1, 1));
    assert_null(marker_find(&marker, &wanted.relationship, &wanted.log_key));
    add(&marker, feed_of(3, 8, 5, 1));

    const struct marker_feed *found = marker_find(&marker, &wanted.relationship, &wanted.log_key);
    assert_non_null(found);
    assert_int_equal(found->size, 5);
}

/* ---- judging ---- */

/* What a marker may say when the database holds two feeds of 5 entries each. */
enum said {
    NONE,
    SAME,
    BEHIND,
    AHEAD,
    FORKED,
    UNKNOWN,
    INODE,
    DEVICE,
    MACHINE,
    COPY_AHEAD,
    FOREIGN
};

static const struct marker *marker_saying(enum said said, struct marker *out)
{
    struct marker_feed feed = feed_of(2, 2, 5, 5);
    *out = empty_marker();
    switch (said) {
    case NONE: return NULL;
    case SAME: break;
    case BEHIND: feed = feed_of(2, 2, 4, 9); break;
    case AHEAD: feed = feed_of(2, 2, 6, 6); break;
    case FORKED: feed = feed_of(2, 2, 5, 6); break;
    case UNKNOWN: feed = feed_of(3, 3, 1, 1); break;
    case INODE: out->place.inode++; break;
    case DEVICE: out->place.device++; break;
    case MACHINE: out->machine = hash_filled(34); break;
    case COPY_AHEAD:
        out->place.inode++;
        feed = feed_of(2, 2, 6, 6);
        break;
    case FOREIGN:
        out->owner = key_of(8);
        feed = feed_of(2, 2, 6, 6);
        break;
    }
    add(out, feed_of(1, 1, 5, 5));
    add(out, feed);
    return out;
}

static void every_pair_of_markers_is_judged_as_the_design_says(void **state)
{
    (void)state;
    /* F fine, R restored, C copied. Rows: the home's marker; columns: its mirror; as enum said. */
    static const char *const expected[] = {
        [NONE] = "RFFRRRCCCRR",       [SAME] = "FFFRRRFFFRF",    [BEHIND] = "FFFRRRFFFRF",
        [AHEAD] = "RRRRRRRRRRR",      [FORKED] = "RRRRRRRRRRR",  [UNKNOWN] = "RRRRRRRRRRR",
        [INODE] = "CCCRRRCCCRC",      [DEVICE] = "CCCRRRCCCRC",  [MACHINE] = "CCCRRRCCCRC",
        [COPY_AHEAD] = "RRRRRRRRRRR", [FOREIGN] = "RFFRRRCCCRR",
    };
    static const char letters[] = {
        [HEALTH_FINE] = 'F', [HEALTH_RESTORED] = 'R', [HEALTH_COPIED] = 'C'};
    OWNED_MARKER now = empty_marker();
    add(&now, feed_of(1, 1, 5, 5));
    add(&now, feed_of(2, 2, 5, 5));

    for (enum said home = NONE; home <= FOREIGN; home++) {
        for (enum said mirror = NONE; mirror <= FOREIGN; mirror++) {
            OWNED_MARKER room = {0};
            OWNED_MARKER mirror_room = {0};
            const struct marker *home_marker = marker_saying(home, &room);
            enum health health =
                marker_judge(home_marker, marker_saying(mirror, &mirror_room), &now);
            if (letters[health] != expected[home][mirror])
                fail_msg("home %d, mirror %d: %c, expected %c", (int)home, (int)mirror,
                         letters[health], expected[home][mirror]);
        }
    }
}

static void a_home_that_has_said_nothing_needs_no_marker(void **state)
{
    (void)state;
    OWNED_MARKER now = empty_marker();
    OWNED_MARKER ahead = {0};
    OWNED_MARKER copy = empty_marker();
    copy.machine = hash_filled(1);

    assert_int_equal(marker_judge(NULL, NULL, &now), HEALTH_FINE);
    assert_int_equal(marker_judge(&now, NULL, &now), HEALTH_FINE);
    assert_int_equal(marker_judge(NULL, &now, &now), HEALTH_FINE);
    assert_int_equal(marker_judge(NULL, marker_saying(SAME, &ahead), &now), HEALTH_RESTORED);
    assert_int_equal(marker_judge(&copy, NULL, &now), HEALTH_COPIED);
}

static void the_feed_that_went_further_is_named(void **state)
{
    (void)state;
    OWNED_MARKER now = empty_marker();
    OWNED_MARKER marker = empty_marker();
    add(&now, feed_of(1, 1, 5, 5));
    add(&now, feed_of(2, 2, 5, 5));
    add(&marker, feed_of(1, 1, 4, 4));
    assert_null(marker_ahead(&marker, &now));
    add(&marker, feed_of(2, 2, 6, 6));

    const struct marker_feed *ahead = marker_ahead(&marker, &now);
    assert_non_null(ahead);
    assert_int_equal(ahead->size, 6);
}

/* ---- files ---- */

struct disk {
    char written[4][MARKER_PATH_MAX];
    size_t written_count, fails_at; /* which write fails, from 1; 0: none */
    struct buffer home, mirror;     /* what reading gives; NULL: missing */
};

static bool disk_write(void *self, const char *path, span bytes, struct err *e)
{
    struct disk *disk = self;
    (void)bytes;
    if (disk->written_count + 1 == disk->fails_at) return err_set(e, ERR_DISK, "no room");
    assert_true(
        span_to_text(span_text(path), disk->written[disk->written_count++], MARKER_PATH_MAX));
    return true;
}

static bool disk_read(void *self, const char *path, size_t max, struct buffer *out, struct err *e)
{
    const struct disk *disk = self;
    const struct buffer *file = strstr(path, "/state/") ? &disk->mirror : &disk->home;
    if (!file->at) return err_set(e, ERR_MISSING, "%s is not there", path);
    if (file->len > max) return err_set(e, ERR_LIMIT, "too long");
    out->len = 0;
    return buffer_put(out, buffer_span(file), e);
}

static bool disk_make_folder(void *self, const char *path, struct err *e)
{
    (void)self, (void)path, (void)e;
    return true;
}

static const struct files disk_files = {
    .read = disk_read, .write = disk_write, .make_folder = disk_make_folder};

static void files_on(struct disk *disk, struct world *world, struct marker_files *files,
                     const char *home)
{
    struct err e = {0};
    *world = (struct world){.files = &disk_files, .self = disk};
    assert_true(marker_files_of(files, home, "/state", world, &e));
}

static void the_home_s_marker_is_written_first_then_its_mirror(void **state)
{
    (void)state;
    static struct disk disk;
    static struct marker_files files;
    struct world world = {0};
    OWNED_MARKER marker = empty_marker();
    struct err e = {0};
    disk = (struct disk){0};
    files_on(&disk, &world, &files, "/homes/acme");

    assert_true(marker_files_write(&files, &marker, &e));

    assert_int_equal(disk.written_count, 2);
    assert_string_equal(disk.written[0], "/homes/acme/marker");
    assert_non_null(strstr(disk.written[1], "/state/"));
}

static void a_failed_write_is_an_error_and_stops_there(void **state)
{
    (void)state;
    static struct disk disk;
    static struct marker_files files;
    struct world world = {0};
    OWNED_MARKER marker = empty_marker();
    for (size_t fails_at = 1; fails_at <= 2; fails_at++) {
        struct err e = {0};
        disk = (struct disk){.fails_at = fails_at};
        files_on(&disk, &world, &files, "/homes/acme");

        assert_false(marker_files_write(&files, &marker, &e));

        assert_int_equal(e.code, ERR_DISK);
        assert_int_equal(disk.written_count, fails_at - 1);
    }
}

static void homes_in_different_places_have_different_mirrors(void **state)
{
    (void)state;
    static struct disk disk;
    static struct marker_files one, other, again;
    struct world world = {0};
    files_on(&disk, &world, &one, "/homes/acme");
    files_on(&disk, &world, &other, "/homes/bolt");
    files_on(&disk, &world, &again, "/homes/acme");

    assert_string_not_equal(one.mirror, other.mirror);
    assert_string_equal(one.mirror, again.mirror);
}

static void without_a_state_folder_there_is_no_mirror(void **state)
{
    (void)state;
    static struct disk disk;
    static struct marker_files files;
    struct world world = {.files = &disk_files, .self = &disk};
    OWNED_MARKER marker = empty_marker();
    OWNED_MARKER_PAIR pair = {0};
    struct err e = {0};
    disk = (struct disk){0};

    assert_true(marker_files_of(&files, "/homes/acme", NULL, &world, &e));
    assert_true(marker_files_write(&files, &marker, &e));
    assert_true(marker_files_read(&files, &pair, &e));

    assert_int_equal(disk.written_count, 1);
    assert_false(pair.has_mirror);
}

static void a_torn_or_missing_file_is_no_marker(void **state)
{
    (void)state;
    static struct disk disk;
    static struct marker_files files;
    struct world world = {0};
    OWNED_MARKER marker = empty_marker();
    OWNED_MARKER_PAIR missing = {0};
    OWNED_MARKER_PAIR torn = {0};
    struct err e = {0};
    disk = (struct disk){0};
    add(&marker, feed_of(1, 1, 1, 1));
    files_on(&disk, &world, &files, "/homes/acme");

    assert_true(marker_files_read(&files, &missing, &e));
    assert_false(missing.has_home || missing.has_mirror);
    write_marker(&marker, &disk.home);
    write_marker(&marker, &disk.mirror);
    disk.home.at[disk.home.len / 2] ^= 1;
    assert_true(marker_files_read(&files, &torn, &e));
    assert_false(torn.has_home);
    assert_true(torn.has_mirror);
    assert_true(marker_equal(&torn.mirror, &marker));
    buffer_wipe(&disk.home);
    buffer_wipe(&disk.mirror);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_marker_is_read_as_it_was_written),
        cmocka_unit_test(a_file_that_was_cut_or_changed_anywhere_is_torn),
        cmocka_unit_test(a_marker_of_another_format_is_not_believed),
        cmocka_unit_test(feeds_stand_in_rising_order_however_they_come),
        cmocka_unit_test(an_empty_feed_is_left_out_and_a_second_of_a_key_is_refused),
        cmocka_unit_test(the_number_of_feeds_is_bounded),
        cmocka_unit_test(a_relationship_s_feed_is_found),
        cmocka_unit_test(every_pair_of_markers_is_judged_as_the_design_says),
        cmocka_unit_test(a_home_that_has_said_nothing_needs_no_marker),
        cmocka_unit_test(the_feed_that_went_further_is_named),
        cmocka_unit_test(the_home_s_marker_is_written_first_then_its_mirror),
        cmocka_unit_test(a_failed_write_is_an_error_and_stops_there),
        cmocka_unit_test(homes_in_different_places_have_different_mirrors),
        cmocka_unit_test(without_a_state_folder_there_is_no_mirror),
        cmocka_unit_test(a_torn_or_missing_file_is_no_marker),
    };
    struct err e = {0};
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

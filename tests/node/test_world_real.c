#include "node/world_real.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64]; /* a new one for each test */

static int make_test_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/counterpart-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_test_folder(void **state)
{
    char command[256] = "";
    (void)state;
    snprintf(command, sizeof command, "chmod -R u+w '%s' && rm -rf '%s'", folder, folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static size_t entry_count(const char *path)
{
    size_t count = 0;
    DIR *entries = opendir(path);
    assert_non_null(entries);
    while (readdir(entries)) count++;
    closedir(entries);
    return count - 2; /* . and .. */
}

static unsigned mode_of(const char *path)
{
    struct stat found = {0};
    assert_int_equal(stat(path, &found), 0);
    return found.st_mode & 07777;
}

static bool read_file(const char *path, size_t max, struct buffer *out, struct err *e)
{
    const struct world *world = world_real();
    return world->files->read(world->self, path, max, out, e);
}

static bool write_file(const char *path, const char *text, struct err *e)
{
    const struct world *world = world_real();
    return world->files->write(world->self, path, span_text(text), e);
}

static bool make_folder(const char *path, struct err *e)
{
    const struct world *world = world_real();
    return world->files->make_folder(world->self, path, e);
}

static void assert_file(const char *path, const char *text)
{
    OWNED_BUFFER file = {0};
    struct err e = {0};
    assert_true(read_file(path, 4096, &file, &e));
    assert_true(span_equal(buffer_span(&file), span_text(text)));
}

static void the_clocks_run_forward_from_plausible_times(void **state)
{
    (void)state;
    const struct world *world = world_real();
    uint64_t first = world->now_ms(world->self), second = world->now_ms(world->self);

    assert_true(first > 0 && second >= first && second - first < 60000);
    assert_true(world->date_ms(world->self) > INT64_C(1700000000000)); /* 2023 */
}

static void randomness_fills_all_that_was_asked_for(void **state)
{
    (void)state;
    const struct world *world = world_real();
    static uint8_t bytes[1000];
    bool is_touched[sizeof bytes] = {false};

    for (int round = 0; round < 20; round++) {
        memset(bytes, 0, sizeof bytes);
        world->random(world->self, bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++) is_touched[i] |= bytes[i] != 0;
    }

    for (size_t i = 0; i < sizeof bytes; i++) assert_true(is_touched[i]);
    world->random(world->self, NULL, 0);
}

static void a_file_is_read_back_as_written(void **state)
{
    (void)state;
    struct err e = {0};
    const char *path = in_folder("key");

    assert_true(write_file(path, "first", &e));
    assert_file(path, "first");
    assert_true(write_file(path, "", &e));
    assert_file(path, "");
    assert_true(write_file(path, "second and longer", &e));
    assert_file(path, "second and longer");
}

static void a_large_file_is_read_back_as_written(void **state)
{
    (void)state;
    const struct world *world = world_real();
    static uint8_t bytes[300001];
    OWNED_BUFFER file = {0};
    struct err e = {0};
    world->random(world->self, bytes, sizeof bytes);

    assert_true(
        world->files->write(world->self, in_folder("large"), span_of(bytes, sizeof bytes), &e));
    assert_true(read_file(in_folder("large"), sizeof bytes, &file, &e));

    assert_true(span_equal(buffer_span(&file), span_of(bytes, sizeof bytes)));
}

static void a_written_file_is_its_owners_only_and_leaves_nothing_beside_it(void **state)
{
    (void)state;
    struct err e = {0};
    mode_t before = umask(0);

    assert_true(write_file(in_folder("key"), "secret", &e));

    umask(before);
    assert_int_equal(mode_of(in_folder("key")), 0600);
    assert_int_equal(entry_count(folder), 1);
}

static void a_write_replaces_the_file_and_does_not_change_it(void **state)
{
    (void)state;
    const struct world *world = world_real();
    struct file_identity before = {0}, after = {0};
    struct err e = {0};
    assert_true(write_file(in_folder("key"), "old", &e));
    assert_int_equal(link(in_folder("key"), strcat(strcpy((char[128]){0}, folder), "/other")), 0);
    assert_true(world->files->identity(world->self, in_folder("key"), &before, &e));

    assert_true(write_file(in_folder("key"), "new", &e));

    assert_true(world->files->identity(world->self, in_folder("key"), &after, &e));
    assert_true(before.inode != after.inode);
    assert_file(in_folder("other"), "old");
}

static void a_write_that_fails_says_so_and_leaves_nothing(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(mkdir(in_folder("is-a-folder"), 0700), 0);

    assert_false(write_file(in_folder("is-a-folder"), "text", &e));
    assert_int_equal(e.code, ERR_DISK);
    assert_non_null(strstr(e.said, "is-a-folder"));
    assert_false(write_file(in_folder("nowhere/key"), "text", &e));
    assert_int_equal(e.code, ERR_DISK);
    assert_int_equal(entry_count(folder), 1);
}

static void a_file_that_is_not_there_is_missing(void **state)
{
    (void)state;
    const struct world *world = world_real();
    struct file_identity identity = {0};
    OWNED_BUFFER file = {0};
    struct err e = {0};
    assert_true(buffer_put(&file, span_text("what was in it before"), &e));

    assert_false(read_file(in_folder("nothing"), 10, &file, &e));
    assert_int_equal(e.code, ERR_MISSING);
    assert_int_equal(file.len, 0);
    e.code = ERR_NONE;
    assert_false(world->files->identity(world->self, in_folder("nothing"), &identity, &e));
    assert_int_equal(e.code, ERR_MISSING);
}

static void a_file_above_the_limit_is_refused(void **state)
{
    (void)state;
    OWNED_BUFFER file = {0};
    struct err e = {0};
    assert_true(write_file(in_folder("key"), "12345", &e));

    assert_true(read_file(in_folder("key"), 5, &file, &e));
    assert_false(read_file(in_folder("key"), 4, &file, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(file.len, 0);
    assert_false(read_file(in_folder("key"), 0, &file, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

static void reading_a_folder_fails(void **state)
{
    (void)state;
    OWNED_BUFFER file = {0};
    struct err e = {0};

    assert_false(read_file(folder, 10, &file, &e));

    assert_int_equal(e.code, ERR_DISK);
}

static void removing_is_content_with_nothing_there(void **state)
{
    (void)state;
    const struct world *world = world_real();
    struct err e = {0};
    assert_true(write_file(in_folder("key"), "text", &e));

    assert_true(world->files->remove(world->self, in_folder("key"), &e));
    assert_int_equal(entry_count(folder), 0);
    assert_true(world->files->remove(world->self, in_folder("key"), &e));
    assert_true(world->files->remove(world->self, in_folder("no/such/folder"), &e));
    assert_false(world->files->remove(world->self, folder, &e));
    assert_int_equal(e.code, ERR_DISK);
}

static void a_folder_is_made_with_its_parents_for_its_owner_only(void **state)
{
    (void)state;
    struct err e = {0};
    mode_t before = umask(0);

    assert_true(make_folder(in_folder("a//b/c/"), &e));
    assert_true(make_folder(in_folder("a/b/c"), &e));

    umask(before);
    assert_int_equal(mode_of(in_folder("a")), 0700);
    assert_int_equal(mode_of(in_folder("a/b/c")), 0700);
    assert_true(make_folder("/", &e));
}

static void a_relative_folder_is_made_where_we_are(void **state)
{
    (void)state;
    struct err e = {0};
    char before[1024] = "";
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);

    bool is_made = make_folder("near/by", &e);
    bool is_written = write_file("key", "text", &e);

    assert_int_equal(chdir(before), 0);
    assert_true(is_made && is_written);
    assert_int_equal(mode_of(in_folder("near/by")), 0700);
    assert_file(in_folder("key"), "text");
}

static void a_folder_where_a_file_is_fails(void **state)
{
    (void)state;
    struct err e = {0};
    assert_true(write_file(in_folder("file"), "text", &e));

    assert_false(make_folder(in_folder("file"), &e));
    assert_int_equal(e.code, ERR_DISK);
    assert_false(make_folder(in_folder("file/below"), &e));
    assert_int_equal(e.code, ERR_DISK);
    assert_false(make_folder("", &e));
    assert_int_equal(e.code, ERR_DISK);
}

static void a_path_that_is_too_long_fails(void **state)
{
    (void)state;
    static char path[5000];
    struct err e = {0};
    memset(path, 'a', sizeof path - 1);

    assert_false(write_file(path, "text", &e));
    assert_int_equal(e.code, ERR_DISK);
    assert_false(make_folder(path, &e));
    assert_int_equal(e.code, ERR_DISK);
}

static void a_copy_has_another_identity_than_its_original(void **state)
{
    (void)state;
    const struct world *world = world_real();
    struct file_identity a = {0}, again = {0}, b = {0};
    struct err e = {0};
    assert_true(make_folder(in_folder("a"), &e));
    assert_true(make_folder(in_folder("b"), &e));

    assert_true(world->files->identity(world->self, in_folder("a"), &a, &e));
    assert_true(world->files->identity(world->self, in_folder("a"), &again, &e));
    assert_true(world->files->identity(world->self, in_folder("b"), &b, &e));

    assert_true(a.device == again.device && a.inode == again.inode);
    assert_true(a.device == b.device && a.inode != b.inode);
}

static void the_machine_is_known_by_a_hash_of_its_id(void **state)
{
    (void)state;
    struct hash first = world_machine(), second = world_machine();
    OWNED_BUFFER id = {0};
    struct err e = {0};

    assert_true(hash_equal(&first, &second));
    if (!read_file("/etc/machine-id", 256, &id, &e) || id.len < 2) {
        assert_true(hash_is_zero(&first));
        return;
    }
    span line = span_of(id.at, id.at[id.len - 1] == '\n' ? id.len - 1 : id.len);
    struct hash expected = hash_labelled("counterpart/v1/machine", &line, 1);
    assert_true(hash_equal(&first, &expected));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_test_folder, remove_test_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_clocks_run_forward_from_plausible_times),
        TEST(randomness_fills_all_that_was_asked_for),
        TEST(a_file_is_read_back_as_written),
        TEST(a_large_file_is_read_back_as_written),
        TEST(a_written_file_is_its_owners_only_and_leaves_nothing_beside_it),
        TEST(a_write_replaces_the_file_and_does_not_change_it),
        TEST(a_write_that_fails_says_so_and_leaves_nothing),
        TEST(a_file_that_is_not_there_is_missing),
        TEST(a_file_above_the_limit_is_refused),
        TEST(reading_a_folder_fails),
        TEST(removing_is_content_with_nothing_there),
        TEST(a_folder_is_made_with_its_parents_for_its_owner_only),
        TEST(a_relative_folder_is_made_where_we_are),
        TEST(a_folder_where_a_file_is_fails),
        TEST(a_path_that_is_too_long_fails),
        TEST(a_copy_has_another_identity_than_its_original),
        TEST(the_machine_is_known_by_a_hash_of_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

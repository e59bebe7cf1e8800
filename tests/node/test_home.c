#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/pairing.h"
#include "node/world_real.h"
#include "tests/testing.h"

#include <ftw.h>
#include <sys/stat.h>

#define PATH_ROOM 512
static const struct asker anna = {"anna", "manager"};

/* ---- a folder for one test, and a world that counts what is written ---- */

struct scene {
    char root[PATH_ROOM];
    struct world world;
    struct files files;
    size_t marker_writes;
    bool has_room; /* for a marker */
    const char *failing; /* a file whose path holds this is written, and the call fails all the same; NULL: none */
    struct err e;
};
static struct scene scene;

static bool counted_write(void *self, const char *path, span bytes, struct err *e)
{
    size_t len = strlen(path);
    if (len > 6 && strcmp(path + len - 6, "marker") == 0) {
        if (!scene.has_room) return err_set(e, ERR_DISK, "writing %s: no room", path);
        scene.marker_writes++;
    }
    bool is_written = world_real()->files->write(self, path, bytes, e);
    return scene.failing && strstr(path, scene.failing) ? err_set(e, ERR_DISK, "%s fails", path) : is_written;
}

static int set_scene(void **state)
{
    (void)state;
    const char *folder = getenv("TMPDIR");
    scene = (struct scene){.has_room = true, .world = *world_real(), .files = *world_real()->files};
    scene.files.write = counted_write;
    scene.world.files = &scene.files;
    snprintf(scene.root, sizeof scene.root, "%s/test_home.XXXXXX", folder ? folder : "/tmp");
    return mkdtemp(scene.root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *found, int type, struct FTW *where)
{
    (void)found, (void)type, (void)where;
    return remove(path);
}

static int clear_scene(void **state)
{
    (void)state;
    return nftw(scene.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path below the test's folder, in one of a few rooms that are used in turn. */
static const char *in_scene(const char *name)
{
    static char rooms[8][2 * PATH_ROOM];
    static size_t next;
    char *room = rooms[next++ % 8];
    snprintf(room, sizeof rooms[0], "%s/%s", scene.root, name);
    return room;
}

static void shell(const char *command)
{
    char line[4 * PATH_ROOM] = "";
    snprintf(line, sizeof line, "cd '%s' && %s", scene.root, command);
    assert_int_equal(system(line), 0);
}

static const struct organisation acme = {"Acme Ltd", "acme.example", "ACME", {{0}}};
static const struct organisation bolt = {"Bolt AG", "bolt.example", "BOLT", {{0}}};

static struct home_options options_of(const char *home)
{
    static char state_folder[PATH_ROOM + 8];
    snprintf(state_folder, sizeof state_folder, "%s/state", scene.root);
    return (struct home_options){.path = in_scene(home),
                                 .state_folder = state_folder,
                                 .world = &scene.world,
                                 .machine = {{1, 2, 3}}};
}

static void worked(bool is_fine)
{
    if (!is_fine) fail_msg("%s", scene.e.said);
}

static void init_home(const char *home, const struct organisation *organisation)
{
    struct home_options options = options_of(home);
    worked(home_init(&options, organisation, &scene.e));
}

static struct home *open_home(const char *home)
{
    struct home_options options = options_of(home);
    struct home *opened = NULL;
    worked(home_open(&opened, &options, &scene.e));
    return opened;
}

static struct relationship_id say_something(struct home *home)
{
    static const char *const codes[] = {"ACME", "BOLT"};
    struct relationship_id id = {0};
    worked(work_open(home, &anna, "Supply of gears", codes, 2, &id, &scene.e));
    return id;
}

/* Opens the home, says something, closes it. */
static void say_something_in(const char *name)
{
    struct home *home = open_home(name);
    (void)say_something(home);
    home_close(home);
}

static void assert_health(const char *name, enum health expected)
{
    struct home *home = open_home(name);
    if (home_health(home) != expected)
        fail_msg("health %d, expected %d: %s", (int)home_health(home), (int)expected,
                 home_health_words(home));
    assert_int_equal(home_health_words(home)[0] == '\0', expected == HEALTH_FINE);
    home_close(home);
}

static unsigned mode_of(const char *name)
{
    struct stat found = {0};
    assert_int_equal(stat(in_scene(name), &found), 0);
    return found.st_mode & 0777;
}

/* ---- making and opening ---- */

static void a_new_home_opens_with_its_organisation(void **state)
{
    (void)state;
    init_home("acme", &acme);

    struct home *home = open_home("acme");

    assert_string_equal(home_organisation(home)->name, "Acme Ltd");
    assert_string_equal(home_organisation(home)->domain, "acme.example");
    assert_string_equal(home_organisation(home)->code, "ACME");
    worked(home_keys(home, &scene.e));
    assert_true(key_public_equal(&home_organisation(home)->identity,
                                 signing_key_public(home_identity_key(home))));
    assert_non_null(home_receipt_key(home));
    assert_non_null(home_transport_key(home));
    assert_int_equal(home_health(home), HEALTH_FINE);
    home_close(home);
}

static void only_its_owner_may_look_into_a_home(void **state)
{
    (void)state;
    shell("mkdir acme && chmod 755 acme");
    init_home("acme", &acme);
    struct home *home = open_home("acme");
    (void)say_something(home);
    home_close(home);

    assert_int_equal(mode_of("acme"), 0700);
    assert_int_equal(mode_of("acme/keys"), 0700);
    shell("test -z \"$(find acme/keys -type f ! -perm 600)\" && ls acme/keys/log-*.key >/dev/null");
}

static void init_refuses_where_there_is_a_home(void **state)
{
    (void)state;
    struct home_options options = options_of("acme");
    init_home("acme", &acme);

    assert_false(home_init(&options, &bolt, &scene.e));

    assert_int_equal(scene.e.code, ERR_CONFLICT);
    assert_non_null(strstr(scene.e.said, "ACME"));
    struct home *home = open_home("acme");
    assert_string_equal(home_organisation(home)->code, "ACME");
    home_close(home);
}

static void init_refuses_names_that_are_not_valid(void **state)
{
    (void)state;
    static const struct organisation wrong[] = {
        {"", "acme.example", "ACME", {{0}}},      {"Ac\nme", "acme.example", "ACME", {{0}}},
        {"Acme", "acme", "ACME", {{0}}},          {"Acme", "acme..example", "ACME", {{0}}},
        {"Acme", "acme.example", "A", {{0}}},     {"Acme", "acme.example", "acme", {{0}}},
        {"Acme", "acme.example", "1ACME", {{0}}}, {"Acme", "ACME.example", "ACME", {{0}}},
    };
    struct home_options options = options_of("acme");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(home_init(&options, &wrong[i], &scene.e));
        assert_int_equal(scene.e.code, ERR_USAGE);
    }
    assert_int_not_equal(access(in_scene("acme"), F_OK), 0);
}

static void init_spares_keys_whose_database_was_lost(void **state)
{
    (void)state;
    struct home_options options = options_of("acme");
    init_home("acme", &acme);
    shell("cp acme/keys/identity.key kept && rm acme/counterpart.db*");

    assert_false(home_init(&options, &acme, &scene.e));

    assert_int_equal(scene.e.code, ERR_CONFLICT);
    shell("cmp kept acme/keys/identity.key");
}

static void an_init_that_was_broken_off_can_be_begun_again(void **state)
{
    (void)state;
    init_home("acme", &acme);
    shell("rm -r acme/keys acme/counterpart.db*");
    init_home("acme", &bolt);

    struct home *home = open_home("acme");

    assert_string_equal(home_organisation(home)->code, "BOLT");
    home_close(home);
}

static void an_init_that_was_broken_off_after_its_keys_can_be_begun_again(void **state)
{
    (void)state;
    struct home_options options = options_of("acme");
    scene.failing = "identity.key";
    assert_false(home_init(&options, &acme, &scene.e));
    scene.failing = NULL;
    shell("test -f acme/keys/identity.key && cp acme/keys/identity.key broken-off");

    init_home("acme", &acme);

    shell("! cmp -s broken-off acme/keys/identity.key");
    assert_health("acme", HEALTH_FINE);
}

static void a_log_key_that_was_made_and_not_kept_is_made_anew(void **state)
{
    (void)state;
    const struct relationship_id id = {{7}};
    const struct signing_key *key = NULL;
    init_home("acme", &acme);
    struct home *home = open_home("acme");
    scene.failing = "log-";
    assert_false(home_log_key_make(home, &id, 0, &key, &scene.e));
    scene.failing = NULL;

    worked(home_log_key_make(home, &id, 0, &key, &scene.e));
    worked(home_log_key_kept(home, &id, 0, &scene.e));

    assert_false(home_log_key_make(home, &id, 0, &key, &scene.e));
    assert_int_equal(scene.e.code, ERR_CONFLICT);
    home_close(home);
}

static void what_was_said_stays_said_when_the_marker_fails_and_is_not_sent_before_it(void **state)
{
    (void)state;
    struct feed own = {0};
    init_home("acme", &acme);
    struct home *home = open_home("acme");
    scene.failing = "marker";

    struct relationship_id id = say_something(home); /* succeeds */

    worked(feed_own(home_store(home), &id, &own, &scene.e));
    assert_false(home_mark_covers(home, &id, &own.log_key, own.edge.size, &scene.e));
    assert_int_equal(scene.e.code, ERR_DISK);
    scene.failing = NULL;
    worked(home_mark_covers(home, &id, &own.log_key, own.edge.size, &scene.e));
    size_t writes = scene.marker_writes;
    worked(home_mark_covers(home, &id, &own.log_key, own.edge.size, &scene.e));
    assert_int_equal(scene.marker_writes, writes);
    home_close(home);
}

static void without_a_home_open_says_to_run_init(void **state)
{
    (void)state;
    struct home_options options = options_of("nowhere");
    struct home *home = NULL;

    assert_false(home_open(&home, &options, &scene.e));

    assert_int_equal(scene.e.code, ERR_MISSING);
    assert_non_null(strstr(scene.e.next, "counterpart init"));
    assert_null(home);
    assert_int_not_equal(access(in_scene("nowhere"), F_OK), 0);
}

static void open_refuses_a_key_file_that_others_may_read(void **state)
{
    (void)state;
    struct home_options options = options_of("acme");
    struct home *home = NULL;
    init_home("acme", &acme);
    static const char *const commands[] = {"chmod 640 acme/keys/identity.key",
                                           "chmod 604 acme/keys/transport.key",
                                           "chmod 660 acme/keys/receipt.key"};
    for (size_t i = 0; i < 3; i++) {
        shell(commands[i]);
        assert_false(home_open(&home, &options, &scene.e));
        assert_int_equal(scene.e.code, ERR_REFUSED);
        assert_non_null(strstr(scene.e.next, "chmod 600"));
        shell("chmod 600 acme/keys/*");
    }
}

static void open_refuses_a_home_without_its_keys(void **state)
{
    (void)state;
    struct home_options options = options_of("acme");
    struct home *home = NULL;
    init_home("acme", &acme);
    shell("rm acme/keys/receipt.key");

    assert_false(home_open(&home, &options, &scene.e));

    assert_int_equal(scene.e.code, ERR_CORRUPT);
}

static void an_identity_key_of_another_home_is_found_out(void **state)
{
    (void)state;
    init_home("acme", &acme);
    init_home("bolt", &bolt);
    shell("cp bolt/keys/identity.key acme/keys/");
    struct home *home = open_home("acme");

    assert_false(home_keys(home, &scene.e));

    assert_int_equal(scene.e.code, ERR_CORRUPT);
    assert_null(home_identity_key(home));
    home_close(home);
}

static void keys_under_a_passphrase_open_with_it_alone(void **state)
{
    (void)state;
    struct home_options options = options_of("acme");
    struct home *home = NULL;
    options.passphrase = span_text("correct horse");
    worked(home_init(&options, &acme, &scene.e));

    options.passphrase = (span){0};
    assert_false(home_open(&home, &options, &scene.e));
    assert_int_equal(scene.e.code, ERR_REFUSED);
    assert_non_null(strstr(scene.e.next, "--passphrase-file"));
    options.passphrase = span_text("correct mule");
    assert_false(home_open(&home, &options, &scene.e));
    assert_int_equal(scene.e.code, ERR_REFUSED);
    options.passphrase = span_text("correct horse");
    worked(home_open(&home, &options, &scene.e));
    worked(home_keys(home, &scene.e));
    home_close(home);
}

static void a_log_key_is_made_once_and_opens_again(void **state)
{
    (void)state;
    const struct relationship_id id = {{9}}, other = {{8}};
    const struct signing_key *made = NULL, *again = NULL;
    struct key_public public = {{0}};
    init_home("acme", &acme);
    struct home *home = open_home("acme");

    assert_false(home_log_key(home, &id, &made, &scene.e));
    assert_int_equal(scene.e.code, ERR_MISSING);
    worked(home_log_key_make(home, &id, 0, &made, &scene.e));
    public = *signing_key_public(made);
    worked(home_log_key_kept(home, &id, 0, &scene.e));
    assert_false(home_log_key_make(home, &id, 0, &again, &scene.e));
    assert_int_equal(scene.e.code, ERR_CONFLICT);
    worked(home_log_key_make(home, &other, 0, &again, &scene.e));
    worked(home_log_key(home, &id, &again, &scene.e));
    assert_ptr_equal(made, again);
    home_close(home);

    home = open_home("acme");
    worked(home_log_key(home, &id, &again, &scene.e));
    assert_true(key_public_equal(&public, signing_key_public(again)));
    shell("chmod 644 acme/keys/log-08*.key");
    assert_false(home_log_key(home, &other, &again, &scene.e));
    assert_int_equal(scene.e.code, ERR_REFUSED);
    home_close(home);
}

static void a_log_key_can_be_taken_back(void **state)
{
    (void)state;
    const struct relationship_id id = {{9}};
    const struct signing_key *key = NULL;
    init_home("acme", &acme);
    struct home *home = open_home("acme");
    worked(home_log_key_make(home, &id, 0, &key, &scene.e));

    home_log_key_unmake(home, &id, 0);

    assert_false(home_log_key(home, &id, &key, &scene.e));
    assert_int_equal(scene.e.code, ERR_MISSING);
    worked(home_log_key_make(home, &id, 0, &key, &scene.e));
    home_close(home);
}

/* ---- health ---- */

static void a_home_in_use_stays_fine(void **state)
{
    (void)state;
    init_home("acme", &acme);
    for (size_t i = 0; i < 3; i++) say_something_in("acme");

    assert_health("acme", HEALTH_FINE);
    shell("mv acme elsewhere");
    assert_health("elsewhere", HEALTH_FINE);
}

static void a_copied_folder_is_a_copy(void **state)
{
    (void)state;
    init_home("acme", &acme);
    say_something_in("acme");
    shell("cp -a acme copy");

    assert_health("copy", HEALTH_COPIED);
    assert_health("acme", HEALTH_FINE);
}

static void a_home_on_another_machine_is_a_copy(void **state)
{
    (void)state;
    struct home_options options = options_of("acme");
    struct home *home = NULL;
    init_home("acme", &acme);
    options.machine.bytes[0] = 99;

    worked(home_open(&home, &options, &scene.e));

    assert_int_equal(home_health(home), HEALTH_COPIED);
    home_close(home);
}

static void a_database_put_back_is_a_restore(void **state)
{
    (void)state;
    init_home("acme", &acme);
    say_something_in("acme");
    shell("cp -a acme/counterpart.db backup");
    say_something_in("acme");
    shell("rm acme/counterpart.db* && cp -a backup acme/counterpart.db");

    assert_health("acme", HEALTH_RESTORED);
}

static void a_whole_home_put_back_in_its_folder_is_a_restore(void **state)
{
    (void)state;
    init_home("acme", &acme);
    say_something_in("acme");
    shell("cp -a acme backup");
    say_something_in("acme");
    shell("rm -r acme/* && cp -a backup/* acme/");

    assert_health("acme", HEALTH_RESTORED);
}

static void a_marker_behind_the_database_is_a_crash(void **state)
{
    (void)state;
    init_home("acme", &acme);
    say_something_in("acme");
    shell("cp -a acme/marker behind && cp -a state state-behind");
    say_something_in("acme");
    shell("cp -a acme/marker now && cp -a behind acme/marker && rm -r state && mv state-behind "
          "state");

    assert_health("acme", HEALTH_FINE);

    shell("cmp now acme/marker && cmp now state/*.marker"); /* and is brought up to date */
}

static void a_marker_whose_mirror_was_not_reached_is_a_crash(void **state)
{
    (void)state;
    init_home("acme", &acme);
    say_something_in("acme");
    shell("cp -a state state-behind");
    say_something_in("acme");
    shell("rm -r state && mv state-behind state");

    assert_health("acme", HEALTH_FINE);

    shell("cmp acme/marker state/*.marker");
}

static void without_its_marker_a_home_needs_a_mirror_that_agrees(void **state)
{
    (void)state;
    init_home("acme", &acme);
    say_something_in("acme");

    shell("rm acme/marker");
    assert_health("acme", HEALTH_FINE);
    shell("rm acme/marker state/*");
    assert_health("acme", HEALTH_RESTORED);
}

static void a_torn_marker_with_a_good_mirror_is_no_trouble(void **state)
{
    (void)state;
    init_home("acme", &acme);
    say_something_in("acme");
    shell("printf x >> acme/marker");

    assert_health("acme", HEALTH_FINE);

    shell("cmp acme/marker state/*.marker");
}

static void a_restored_home_works_only_when_adopted(void **state)
{
    (void)state;
    static const char *const codes[] = {"ACME", "BOLT"};
    struct relationship_id id = {0};
    size_t seals = 9;
    init_home("acme", &acme);
    say_something_in("acme");
    shell("rm acme/marker state/*");
    struct home *home = open_home("acme");

    assert_false(home_may_work(home, true, &scene.e));
    assert_int_equal(scene.e.code, ERR_REFUSED);
    assert_non_null(strstr(scene.e.next, "counterpart doctor --adopt"));
    assert_non_null(strstr(scene.e.next, "counterpart sync"));
    assert_false(work_open(home, &anna, "More", codes, 2, &id, &scene.e));
    assert_false(home_mark(home, &scene.e));
    worked(work_seal(home, &seals, &scene.e));
    assert_int_equal(seals, 0);
    assert_int_not_equal(access(in_scene("acme/marker"), F_OK), 0);

    worked(home_adopt(home, &scene.e)); /* nobody knows this home: nobody is waited for */
    assert_int_equal(home_health(home), HEALTH_FINE);
    worked(home_may_work(home, false, &scene.e));
    home_close(home);
    assert_health("acme", HEALTH_FINE);
}

/* BOLT, who knows ACME from two invitations: two counterparts to wait for. */
static void init_bolt_with_counterparts(struct relationship_id ids[2])
{
    static const char *const addresses[] = {"tcp://acme.example:7700"};
    static uint8_t text[INVITATION_TEXT_MAX];
    struct invitation invitation = {0};
    init_home("acme", &acme);
    init_home("bolt", &bolt);
    struct home *a = open_home("acme"), *b = open_home("bolt");
    for (size_t i = 0; i < 2; i++) {
        struct sink sink = sink_over(text, sizeof text);
        ids[i] = say_something(a);
        worked(pairing_invite(a, &ids[i], "BOLT", addresses, 1, 3600, &sink, &scene.e));
        worked(pairing_join(b, sink_span(&sink), NULL, &invitation, &scene.e));
        invitation_wipe(&invitation);
    }
    home_close(a);
    home_close(b);
}

static void an_adopted_home_waits_for_every_counterpart(void **state)
{
    (void)state;
    struct relationship_id ids[2] = {0};
    init_bolt_with_counterparts(ids);
    shell("cp -a bolt copy");
    struct home *home = open_home("copy");

    worked(home_adopt(home, &scene.e));
    assert_int_equal(home_health(home), HEALTH_RECOVERING);
    worked(home_may_work(home, true, &scene.e));
    assert_false(home_may_work(home, false, &scene.e));
    assert_int_equal(scene.e.code, ERR_REFUSED);
    assert_non_null(strstr(scene.e.said, "ACME"));
    assert_true(home_waits_for(home, &ids[0], "ACME"));
    assert_true(home_waits_for(home, &ids[1], "ACME"));
    assert_false(home_waits_for(home, &ids[0], "BOLT"));
    assert_false(home_waits_for(home, &ids[0], "CRUX"));

    worked(home_returned(home, &ids[0], "ACME", &scene.e));
    worked(home_returned(home, &ids[0], "ACME", &scene.e));
    worked(home_returned(home, &ids[1], "CRUX", &scene.e));
    assert_false(home_waits_for(home, &ids[0], "ACME"));
    assert_int_equal(home_health(home), HEALTH_RECOVERING);
    worked(home_returned(home, &ids[1], "ACME", &scene.e));
    assert_int_equal(home_health(home), HEALTH_FINE);
    worked(home_may_work(home, false, &scene.e));
    home_close(home);
}

static void waiting_outlives_a_restart_and_adopting_again_forgets_nobody_s_answer(void **state)
{
    (void)state;
    struct relationship_id ids[2] = {0};
    init_bolt_with_counterparts(ids);
    shell("cp -a bolt copy");
    struct home *home = open_home("copy");
    worked(home_adopt(home, &scene.e));
    worked(home_returned(home, &ids[0], "ACME", &scene.e));
    home_close(home);

    assert_health("copy", HEALTH_RECOVERING);

    home = open_home("copy");
    worked(home_adopt(home, &scene.e));
    assert_false(home_waits_for(home, &ids[0], "ACME"));
    assert_true(home_waits_for(home, &ids[1], "ACME"));
    home_close(home);
}

static void bolt_opens_one(void)
{
    static const char *const codes[] = {"BOLT", "ACME"};
    struct relationship_id id = {0};
    struct home *home = open_home("bolt");
    worked(work_open(home, &anna, "More", codes, 2, &id, &scene.e));
    home_close(home);
}

static void the_same_backup_put_back_again_is_a_restore_again(void **state)
{
    (void)state;
    struct relationship_id ids[2] = {0};
    init_bolt_with_counterparts(ids);
    bolt_opens_one();
    shell("cp -a bolt backup");
    bolt_opens_one();
    shell("rm -r bolt/* && cp -a backup/* bolt/");
    struct home *home = open_home("bolt");
    worked(home_adopt(home, &scene.e));
    home_close(home);
    assert_health("bolt", HEALTH_RECOVERING);

    shell("rm -r bolt/* && cp -a backup/* bolt/");

    assert_health("bolt", HEALTH_RESTORED);
    home = open_home("bolt");
    worked(home_adopt(home, &scene.e));
    assert_true(home_waits_for(home, &ids[0], "ACME"));
    worked(home_returned(home, &ids[0], "ACME", &scene.e));
    worked(home_returned(home, &ids[1], "ACME", &scene.e));
    assert_int_equal(home_health(home), HEALTH_FINE);
    home_close(home);
    assert_health("bolt", HEALTH_FINE);
}

static void a_fine_home_may_be_adopted_after_its_machine_was_put_back(void **state)
{
    (void)state;
    struct relationship_id ids[2] = {0};
    init_bolt_with_counterparts(ids);
    struct home *home = open_home("bolt");

    worked(home_adopt(home, &scene.e));

    assert_int_equal(home_health(home), HEALTH_RECOVERING);
    home_close(home);
}

static void a_recovering_home_that_is_copied_is_a_copy_again(void **state)
{
    (void)state;
    struct relationship_id ids[2] = {0};
    init_bolt_with_counterparts(ids);
    shell("cp -a bolt copy");
    struct home *home = open_home("copy");
    worked(home_adopt(home, &scene.e));
    home_close(home);
    shell("cp -a copy copy-of-copy");

    assert_health("copy-of-copy", HEALTH_COPIED);
}

static void what_another_process_adopts_and_gets_back_is_seen(void **state)
{
    (void)state;
    struct relationship_id ids[2] = {0};
    init_bolt_with_counterparts(ids);
    shell("cp -a bolt copy");
    struct home *daemon = open_home("copy"), *command = open_home("copy");

    assert_false(home_may_work(daemon, true, &scene.e));
    worked(home_adopt(command, &scene.e));
    worked(home_may_work(daemon, true, &scene.e));
    assert_int_equal(home_health(daemon), HEALTH_RECOVERING);
    for (size_t i = 0; i < 2; i++) worked(home_returned(daemon, &ids[i], "ACME", &scene.e));
    worked(home_may_work(command, false, &scene.e));
    worked(home_adopt(
        command, &scene.e)); /* a person wants to be sure: the daemon signs nothing from now on */
    assert_false(home_may_work(daemon, false, &scene.e));
    home_close(daemon);
    home_close(command);
}

static void a_forced_home_is_fine_and_stays_so(void **state)
{
    (void)state;
    struct home_options options = options_of("copy");
    struct home *home = NULL;
    init_home("acme", &acme);
    say_something_in("acme");
    shell("cp -a acme copy");
    options.is_forced = true;

    worked(home_open(&home, &options, &scene.e));
    worked(home_may_work(home, false, &scene.e));
    (void)say_something(home);
    home_close(home);

    assert_health("copy", HEALTH_FINE);
}

/* ---- marking ---- */

static void the_marker_is_written_once_for_what_was_said_and_not_again(void **state)
{
    (void)state;
    init_home("acme", &acme);
    struct home *home = open_home("acme");
    scene.marker_writes = 0;

    (void)say_something(home);
    assert_int_equal(scene.marker_writes, 2); /* the home's and its mirror */
    for (size_t i = 0; i < 5; i++) worked(home_mark(home, &scene.e));
    assert_int_equal(scene.marker_writes, 2);
    home_close(home);

    assert_health("acme", HEALTH_FINE);
    assert_int_equal(scene.marker_writes, 2);
}

static void what_the_marker_does_not_say_is_said_and_not_handed_out(void **state)
{
    (void)state;
    init_home("acme", &acme);
    struct home *daemon = open_home("acme"), *command = open_home("acme");
    const struct signing_key *key = NULL;
    scene.has_room = false;
    scene.marker_writes = 0;

    struct relationship_id id = say_something(command);
    worked(home_log_key(daemon, &id, &key, &scene.e));
    home_close(command);
    command = open_home("acme"); /* reading goes on */
    assert_int_equal(home_health(command), HEALTH_FINE);
    assert_false(home_mark_covers(daemon, &id, signing_key_public(key), 1, &scene.e));
    assert_int_equal(scene.e.code, ERR_DISK);

    scene.has_room = true;
    worked(home_mark_covers(daemon, &id, signing_key_public(key), 1, &scene.e));
    assert_int_equal(scene.marker_writes, 2);
    worked(home_mark_covers(command, &id, signing_key_public(key), 1, &scene.e));
    assert_int_equal(scene.marker_writes, 2); /* what another process has written is not written again */
    home_close(daemon);
    home_close(command);
}

static void a_log_key_left_by_a_join_that_was_killed_is_replaced(void **state)
{
    (void)state;
    const struct relationship_id id = {{7}};
    const struct signing_key *key = NULL;
    init_home("acme", &acme);
    struct home *killed = open_home("acme");
    worked(home_log_key_make(killed, &id, 0, &key, &scene.e));
    home_close(killed);

    struct home *home = open_home("acme");
    worked(home_log_key_make(home, &id, 0, &key, &scene.e));
    home_close(home);
}

static void a_log_key_that_has_said_something_is_never_made_anew(void **state)
{
    (void)state;
    const struct signing_key *key = NULL;
    init_home("acme", &acme);
    struct home *home = open_home("acme");
    struct relationship_id id = say_something(home);
    home_close(home);

    home = open_home("acme");
    assert_false(home_log_key_make(home, &id, 0, &key, &scene.e));
    assert_int_equal(scene.e.code, ERR_CONFLICT);
    home_close(home);
}

static void a_stale_process_never_takes_the_marker_back(void **state)
{
    (void)state;
    init_home("acme", &acme);
    struct home *daemon = open_home("acme"), *command = open_home("acme");
    (void)say_something(daemon);
    (void)say_something(command);
    shell("cp acme/marker newest");

    worked(home_mark(daemon, &scene.e));
    shell("cmp newest acme/marker");

    (void)say_something(daemon);
    shell("! cmp -s newest acme/marker");
    home_close(daemon);
    home_close(command);
    assert_health("acme", HEALTH_FINE);
}

static void marking_stops_when_the_files_say_more_than_the_database(void **state)
{
    (void)state;
    init_home("acme", &acme);
    say_something_in("acme");
    shell("cp -a acme/counterpart.db backup");
    say_something_in("acme");
    shell("cp -a acme/marker ahead && cp -a state state-ahead");
    shell("rm acme/counterpart.db* && cp -a backup acme/counterpart.db && rm acme/marker state/*");
    struct home_options options = options_of("acme");
    struct home *home = NULL;
    options.is_forced = true;
    worked(home_open(&home, &options, &scene.e));
    shell("cp -a ahead acme/marker && cp -a state-ahead/* state/");

    static const char *const codes[] = {"ACME", "BOLT"};
    struct relationship_id id = {0};
    assert_false(work_open(home, &anna, "More", codes, 2, &id, &scene.e));

    assert_int_equal(scene.e.code, ERR_REFUSED);
    assert_int_equal(home_health(home), HEALTH_RESTORED);
    shell("cmp ahead acme/marker");
    home_close(home);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, set_scene, clear_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_home_opens_with_its_organisation),
        TEST(only_its_owner_may_look_into_a_home),
        TEST(init_refuses_where_there_is_a_home),
        TEST(init_refuses_names_that_are_not_valid),
        TEST(init_spares_keys_whose_database_was_lost),
        TEST(an_init_that_was_broken_off_can_be_begun_again),
        TEST(an_init_that_was_broken_off_after_its_keys_can_be_begun_again),
        TEST(a_log_key_that_was_made_and_not_kept_is_made_anew),
        TEST(what_was_said_stays_said_when_the_marker_fails_and_is_not_sent_before_it),
        TEST(without_a_home_open_says_to_run_init),
        TEST(open_refuses_a_key_file_that_others_may_read),
        TEST(open_refuses_a_home_without_its_keys),
        TEST(an_identity_key_of_another_home_is_found_out),
        TEST(keys_under_a_passphrase_open_with_it_alone),
        TEST(a_log_key_is_made_once_and_opens_again),
        TEST(a_log_key_can_be_taken_back),
        TEST(a_home_in_use_stays_fine),
        TEST(a_copied_folder_is_a_copy),
        TEST(a_home_on_another_machine_is_a_copy),
        TEST(a_database_put_back_is_a_restore),
        TEST(a_whole_home_put_back_in_its_folder_is_a_restore),
        TEST(a_marker_behind_the_database_is_a_crash),
        TEST(a_marker_whose_mirror_was_not_reached_is_a_crash),
        TEST(without_its_marker_a_home_needs_a_mirror_that_agrees),
        TEST(a_torn_marker_with_a_good_mirror_is_no_trouble),
        TEST(a_restored_home_works_only_when_adopted),
        TEST(an_adopted_home_waits_for_every_counterpart),
        TEST(waiting_outlives_a_restart_and_adopting_again_forgets_nobody_s_answer),
        TEST(the_same_backup_put_back_again_is_a_restore_again),
        TEST(a_fine_home_may_be_adopted_after_its_machine_was_put_back),
        TEST(a_recovering_home_that_is_copied_is_a_copy_again),
        TEST(what_another_process_adopts_and_gets_back_is_seen),
        TEST(a_forced_home_is_fine_and_stays_so),
        TEST(the_marker_is_written_once_for_what_was_said_and_not_again),
        TEST(what_the_marker_does_not_say_is_said_and_not_handed_out),
        TEST(a_log_key_left_by_a_join_that_was_killed_is_replaced),
        TEST(a_log_key_that_has_said_something_is_never_made_anew),
        TEST(a_stale_process_never_takes_the_marker_back),
        TEST(marking_stops_when_the_files_say_more_than_the_database),
    };
    struct err e = {0};
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

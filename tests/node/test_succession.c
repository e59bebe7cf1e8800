/* A party that goes on in a new feed, as its people ask for it. */
#include "node/succession.h"

#include "crypto/words.h"
#include "tests/node/homes.h"

#include <string.h>

static struct relationship_id id;

static int set_pair(void **state)
{
    if (set_scene(state) != 0) return -1;
    id = open_between(ACME, two, 2);
    join(ACME, BOLT, &id);
    worked(pairing_confirm(ACME, &anna, &id, "BOLT", CHECK_VOICE, &scene.e));
    worked(pairing_confirm(BOLT, &anna, &id, "ACME", CHECK_VOICE, &scene.e));
    exchange(ACME, BOLT, &id);
    return 0;
}

static void the_words_are_as_the_format_says(void **state)
{
    (void)state;
    struct hash begins;
    char words[WORDS_TEXT_MAX] = "";
    memset(begins.bytes, 0x66, sizeof begins.bytes);
    succession_words(&begins, words, sizeof words);
    assert_string_equal(words, "brunch pharmacy motor razor area atomic");
}

static void a_feed_that_can_go_on_is_not_succeeded(void **state)
{
    (void)state;
    bool is_needed = true;
    char why[160] = "as it was";
    worked(succession_is_needed(BOLT, &id, &is_needed, why, &scene.e));
    assert_false(is_needed);
    assert_string_equal(why, "");
    failed(succession_begin(BOLT, &anna, &id, &scene.e), ERR_REFUSED);
}

/* BOLT's home is restored as it is, so that it has to wait for ACME. */
static void a_person_who_does_not_wait_goes_on_in_a_new_feed(void **state)
{
    (void)state;
    bool is_needed = false, is_awaited = false;
    char why[160] = "";
    struct successor ours, theirs;
    struct home_options options = options_of(1);
    home_close(BOLT);
    options.machine.bytes[0] ^= 1; /* woken up on another machine */
    worked(home_open(&BOLT, &options, &scene.e));
    assert_int_equal(home_health(BOLT), HEALTH_COPIED);
    failed(succession_begin(BOLT, &anna, &id, &scene.e), ERR_REFUSED);
    worked(home_adopt(BOLT, &scene.e));
    assert_true(home_waits_for(BOLT, &id, "ACME"));
    worked(succession_is_needed(BOLT, &id, &is_needed, why, &scene.e));
    assert_true(is_needed && strlen(why) > 0);

    worked(succession_begin(BOLT, &anna, &id, &scene.e));
    assert_int_equal(home_health(BOLT), HEALTH_FINE);
    failed(succession_begin(BOLT, &anna, &id, &scene.e), ERR_REFUSED); /* one is begun and waits */
    worked(succession_awaited(BOLT, &id, 1, &is_awaited, &ours, &scene.e));
    assert_true(is_awaited && ours.is_missing[0] && !ours.is_missing[1] && ours.ordinal == 1);

    exchange(ACME, BOLT, &id);
    worked(succession_awaited(ACME, &id, 1, &is_awaited, &theirs, &scene.e));
    assert_true(is_awaited);
    assert_memory_equal(&theirs.begins, &ours.begins, sizeof ours.begins);
    worked(succession_countersign(ACME, &anna, &id, &theirs, CHECK_VOICE, &scene.e));
    failed(succession_countersign(ACME, &anna, &id, &theirs, CHECK_VOICE, &scene.e), ERR_CONFLICT);
    worked(succession_awaited(ACME, &id, 1, &is_awaited, &theirs, &scene.e));
    assert_false(is_awaited);
    exchange(ACME, BOLT, &id);
    worked(succession_awaited(BOLT, &id, 1, &is_awaited, &ours, &scene.e));
    assert_false(is_awaited);

    /* The home knows its newest key again when it is opened anew. */
    home_close(BOLT);
    worked(home_open(&BOLT, &options, &scene.e));
    assert_int_equal(home_health(BOLT), HEALTH_FINE);
    struct hash proposal;
    struct body_field title[] = {{span_text("title"), {.is_text = true, .text = span_text("Said in the new feed")}}};
    worked(work_propose(BOLT, &anna, &id, vocabulary_find(span_text("action")), NULL, title, 1, &proposal, &scene.e));
    struct feed own;
    worked(feed_own(home_store(BOLT), &id, &own, &scene.e));
    assert_int_equal(own.ordinal, 1);
    assert_true(feed_is_live(&own));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_words_are_as_the_format_says),
        cmocka_unit_test_setup_teardown(a_feed_that_can_go_on_is_not_succeeded, set_pair, clear_scene),
        cmocka_unit_test_setup_teardown(a_person_who_does_not_wait_goes_on_in_a_new_feed, set_pair, clear_scene),
    };
    struct err e = {0};
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

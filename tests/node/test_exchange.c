#include "tests/node/homes.h"

/* ---- what a counterpart that is not confirmed can find out by pushing ---- */

#define HIDDEN_MAX 5

/* ACME opened it and BOLT is its guest; ACME has said `hidden` things since that BOLT is not shown. */
static struct relationship_id with_hidden(size_t hidden)
{
    struct relationship_id id = open_between(ACME, two, 2);
    struct body_field title = {span_text("title"), {.is_text = true, .text = span_text("Gears")}};
    struct hash proposal = {{0}};
    join(ACME, BOLT, &id);
    for (size_t i = 0; i < hidden; i++)
        worked(work_propose(ACME, &anna, &id, vocabulary_find(span_text("action")), NULL, &title, 1,
                            &proposal, &scene.e));
    return id;
}

static struct shared guest_of(const struct relationship_id *id)
{
    struct shared_list list = {0};
    worked(exchange_shared(ACME, transport_key_public(home_transport_key(BOLT)), &list, &scene.e));
    const struct shared *found = shared_find(&list, id);
    assert_non_null(found);
    struct shared shared = *found;
    assert_false(shared.is_confirmed);
    shared_wipe(&list);
    return shared;
}

static struct feed own_feed(struct home *home, const struct relationship_id *id)
{
    const struct signing_key *key = NULL;
    struct feed feed = {0};
    worked(home_log_key(home, id, &key, &scene.e));
    worked(feed_load(home_store(home), id, signing_key_public(key), 0, &feed, &scene.e));
    return feed;
}

/* Pushes nothing, from `from`, as if it held ACME's feed to there. */
static struct taken probe(const struct shared *shared, uint64_t from, const struct hash *root)
{
    struct batch_scratch scratch = {0};
    struct taken taken = {0};
    struct feed feed = own_feed(ACME, &shared->id);
    struct message_batch batch = {.relationship = shared->id,
                                  .log_key = feed.log_key,
                                  .from = from,
                                  .root_at = *root,
                                  .head = feed.head};
    worked(exchange_take(ACME, shared, &batch, &scratch, &taken, &scene.e));
    batch_scratch_wipe(&scratch);
    return taken;
}

static void a_guest_finds_out_nothing_by_a_push_that_does_not_join_on(void **state)
{
    (void)state;
    struct hash guess = {{7}};
    struct relationship_id bare = with_hidden(0), long_one = with_hidden(HIDDEN_MAX);
    struct shared of_bare = guest_of(&bare), of_long = guest_of(&long_one);
    assert_int_equal(own_feed(ACME, &bare).edge.size, 1);
    assert_int_equal(own_feed(ACME, &long_one).edge.size, 1 + HIDDEN_MAX);

    for (uint64_t from = 1; from < 2 * HIDDEN_MAX + 4; from++) {
        struct taken a = probe(&of_bare, from, &guess), b = probe(&of_long, from, &guess);
        assert_true(a.is_wanted && b.is_wanted);
        assert_int_equal(a.want_from, b.want_from);
        assert_int_equal(a.held, b.held);
        assert_int_equal(b.receipt_count, 0);
    }
    /* nor by the right root of what it is not shown */
    struct feed feed = own_feed(ACME, &long_one);
    struct taken taken = probe(&of_long, feed.edge.size, &feed.root);
    assert_true(taken.is_wanted);
    assert_int_equal(taken.want_from, 1);
}

/* What it is shown it may push back: it hears of no more than that. */
static void a_guest_that_pushes_what_it_was_shown_hears_of_no_more(void **state)
{
    (void)state;
    struct relationship_id id = with_hidden(HIDDEN_MAX);
    struct shared shared = guest_of(&id);
    struct batch_scratch shown = {0}, scratch = {0};
    struct message_batch batch = {0};
    struct taken taken = {0};
    size_t entries = 0;
    struct feed feed = own_feed(ACME, &id);
    struct batch_request request = {&shared, &feed.log_key, 0, 100, 0, NULL, EXCHANGE_BATCH_BYTES};
    worked(exchange_batch(ACME, &request, &shown, &batch, &entries, &scene.e));
    assert_int_equal(entries, 1);

    worked(exchange_take(ACME, &shared, &batch, &scratch, &taken, &scene.e));

    assert_false(taken.is_wanted);
    assert_int_equal(taken.entries, 0);
    assert_int_equal(taken.held, 1);
    worked(pairing_confirm(ACME, &anna, &id, "BOLT", CHECK_VOICE, &scene.e));
    shared.is_confirmed = true;
    worked(exchange_take(ACME, &shared, &batch, &scratch, &taken, &scene.e));
    assert_int_equal(taken.held, own_feed(ACME, &id).edge.size);
    batch_scratch_wipe(&shown);
    batch_scratch_wipe(&scratch);
}

/* ---- what a receipt says ---- */

/* ACME as BOLT knows it; ACME has confirmed BOLT and said more than BOLT holds yet. */
static struct shared opener_of(const struct relationship_id *id)
{
    struct shared_list list = {0};
    worked(pairing_confirm(ACME, &anna, id, "BOLT", CHECK_VOICE, &scene.e));
    worked(exchange_shared(BOLT, transport_key_public(home_transport_key(ACME)), &list, &scene.e));
    const struct shared *found = shared_find(&list, id);
    assert_non_null(found);
    struct shared shared = *found;
    shared_wipe(&list);
    return shared;
}

/* The next `most` entries of ACME's feed go to BOLT. */
static struct taken next_entries(const struct shared *opener, uint64_t from, uint64_t most)
{
    struct shared guest = {.id = opener->id, .party = 1, .is_confirmed = true};
    struct batch_scratch sent = {0}, scratch = {0};
    struct message_batch batch = {0};
    struct taken taken = {0};
    size_t entries = 0;
    struct feed feed = own_feed(ACME, &opener->id);
    struct batch_request request = {&guest, &feed.log_key, from, most, 0, NULL, EXCHANGE_BATCH_BYTES};
    worked(exchange_batch(ACME, &request, &sent, &batch, &entries, &scene.e));
    worked(exchange_take(BOLT, opener, &batch, &scratch, &taken, &scene.e));
    assert_int_equal(taken.entries, entries);
    assert_int_equal(taken.held, from + entries);
    batch_scratch_wipe(&sent);
    batch_scratch_wipe(&scratch);
    return taken;
}

/* The head of the first batch names more than came with it. */
static void a_receipt_is_for_what_is_held_and_no_more(void **state)
{
    (void)state;
    struct relationship_id id = with_hidden(HIDDEN_MAX);
    struct shared opener = opener_of(&id);
    uint64_t size = own_feed(ACME, &id).edge.size;

    struct taken part = next_entries(&opener, 1, 2);
    assert_int_equal(part.receipt_count, 0);

    struct taken rest = next_entries(&opener, 3, size);
    assert_int_equal(rest.held, size);
    assert_int_equal(rest.receipt_count, 1);
    assert_int_equal(rest.receipt.size, size);
    struct shared_list list = {0};
    size_t new_count = 0;
    worked(exchange_shared(ACME, transport_key_public(home_transport_key(BOLT)), &list, &scene.e));
    worked(exchange_take_receipts(ACME, &list, &rest.receipt, 1, &new_count, &scene.e));
    assert_int_equal(new_count, 1);
    shared_wipe(&list);
}

static void a_home_that_recovers_signs_no_receipt(void **state)
{
    (void)state;
    struct relationship_id id = with_hidden(HIDDEN_MAX);
    struct shared opener = opener_of(&id);
    uint64_t size = own_feed(ACME, &id).edge.size;
    bool is_behind = false;
    worked(home_adopt(BOLT, &scene.e));

    assert_int_equal(next_entries(&opener, 1, size).receipt_count, 0);
    worked(exchange_owed_receipts(BOLT, &id, &is_behind, &scene.e));
    assert_int_equal(next_entries(&opener, size, 0).receipt_count, 0);

    worked(home_returned(BOLT, &id, "ACME", &scene.e));
    struct taken again = next_entries(&opener, size, 0);
    assert_int_equal(again.receipt_count, 1);
    assert_int_equal(again.receipt.size, size);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, set_scene, clear_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_guest_finds_out_nothing_by_a_push_that_does_not_join_on),
        TEST(a_guest_that_pushes_what_it_was_shown_hears_of_no_more),
        TEST(a_receipt_is_for_what_is_held_and_no_more),
        TEST(a_home_that_recovers_signs_no_receipt),
    };
    struct err e = {0};
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

#include "tests/node/homes.h"

#include "node/marker.h"

static struct relationship_id
    id; /* of ACME and BOLT, paired, in the tests that begin with set_pair */

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

/* ---- saying things in one line ---- */

static const struct noun *noun(const char *name)
{
    const struct noun *found = vocabulary_find(span_text(name));
    assert_non_null(found);
    return found;
}

#define FIELDS_IN_TESTS 8
struct given {
    size_t count;
    struct body_field fields[FIELDS_IN_TESTS];
};

/* "title=Gears|due=2026-12-18": a number when the field is one. */
static struct given given(const char *noun_name, const char *text)
{
    struct given out = {0};
    span left = span_text(text);
    while (left.len > 0) {
        span pair = {0}, name = {0};
        if (!span_take_until(&left, '|', &pair)) {
            pair = left;
            left = (span){0};
        }
        assert_true(out.count < FIELDS_IN_TESTS && span_take_until(&pair, '=', &name));
        const struct field *field = noun_field(noun(noun_name), name);
        struct body_field *to = &out.fields[out.count++];
        *to = (struct body_field){name, {.is_text = true, .text = pair}};
        if (field && field->type == FIELD_NUMBER)
            worked(field_parse(field, pair, &to->value, &scene.e));
    }
    return out;
}

static bool try_propose(struct home *home, const char *noun_name, const struct hash *item,
                        const char *text, struct hash *out)
{
    struct given fields = given(noun_name, text);
    return work_propose(home, &anna, &id, noun(noun_name), item, fields.fields, fields.count, out,
                        &scene.e);
}

static struct hash propose(struct home *home, const struct hash *item, const char *text)
{
    struct hash proposal = {{0}};
    worked(try_propose(home, "action", item, text, &proposal));
    return proposal;
}

static bool try_state(struct home *home, const char *noun_name, const struct hash *item,
                      const char *text, struct hash *out)
{
    struct given fields = given(noun_name, text);
    return work_state(home, &anna, &id, noun(noun_name), item, fields.fields, fields.count, out,
                      &scene.e);
}

static bool try_word(struct home *home, enum verb verb, const struct hash *entry,
                     const char *reason)
{
    struct hash out = {{0}};
    return work_word(home, &anna, &id, verb, entry, "action", span_text(reason), &out, &scene.e);
}

/* BOLT accepts, ACME seals, both know. */
static void agree(const struct hash *proposal)
{
    size_t seals = 0;
    exchange(ACME, BOLT, &id);
    worked(try_word(BOLT, VERB_ACCEPT, proposal, ""));
    exchange(ACME, BOLT, &id);
    worked(work_seal(ACME, &seals, &scene.e));
    assert_int_equal(seals, 1);
    exchange(ACME, BOLT, &id);
}

static struct hash agreed_action(const char *text)
{
    struct hash item = propose(ACME, NULL, text);
    agree(&item);
    return item;
}

/* "due=2026-12-18|title=Gears": by name, as text. */
static const char *fields_text(const struct body_field *fields, size_t count)
{
    static char rooms[4][1000];
    static size_t next;
    char *room = rooms[next++ % 4];
    struct sink out = sink_over(room, sizeof rooms[0] - 1);
    for (size_t i = 0; i < count; i++) {
        if (i) sink_text(&out, "|");
        sink_put(&out, fields[i].name);
        sink_text(&out, "=");
        if (fields[i].value.is_text) sink_put(&out, fields[i].value.text);
        else sink_decimal(&out, (uint64_t)fields[i].value.number);
    }
    assert_false(out.full);
    room[out.len] = '\0';
    return room;
}

static void assert_terms(struct home *home, const struct hash *item, const char *expected)
{
    struct item_view view = {0};
    worked(item_load(home_store(home), &id, item, &view, &scene.e));
    assert_true(view.has_terms);
    assert_string_equal(fields_text(view.terms, view.term_count), expected);
    item_view_wipe(&view);
}

static void assert_progress(struct home *home, const struct hash *item, const char *expected)
{
    struct item_view view = {0};
    worked(item_load(home_store(home), &id, item, &view, &scene.e));
    assert_string_equal(fields_text(view.progress, view.progress_count), expected);
    item_view_wipe(&view);
}

static void assert_offer(struct home *home, const struct hash *item, const struct hash *proposal,
                         const char *expected)
{
    struct item_view view = {0};
    worked(item_load(home_store(home), &id, item, &view, &scene.e));
    const struct offer *found = NULL;
    for (size_t i = 0; i < view.offer_count; i++)
        if (hash_equal(&view.offers[i].proposal, proposal)) found = &view.offers[i];
    assert_non_null(found);
    assert_string_equal(fields_text(found->fields, found->field_count), expected);
    item_view_wipe(&view);
}

/* Entries in a home's own feed. */
static uint64_t said_by(struct home *home)
{
    const struct signing_key *key = NULL;
    struct feed feed = {0};
    worked(home_log_key(home, &id, &key, &scene.e));
    worked(feed_load(home_store(home), &id, signing_key_public(key), 0, &feed, &scene.e));
    return feed.edge.size;
}

/* ---- open ---- */

static void opening_makes_a_relationship_with_its_parties(void **state)
{
    (void)state;
    static const char *const codes[] = {"ACME", "BOLT", "CRUX"};
    static struct relationship r;

    worked(work_open(ACME, &anna, "Supply of gears", codes, 3, &id, &scene.e));

    worked(relationship_load(home_store(ACME), &id, &r, &scene.e));
    assert_string_equal(r.title, "Supply of gears");
    assert_true(r.is_open_known);
    assert_int_equal(r.our_party, 0);
    assert_int_equal(r.party_count, 3);
    assert_string_equal(r.parties[2].code, "CRUX");
    assert_true(r.parties[0].is_known);
    assert_int_equal(said_by(ACME), 1);
}

static void open_refuses_parties_and_titles_that_do_not_fit(void **state)
{
    (void)state;
    static const char *const other_first[] = {"BOLT", "ACME"}, *const twice[] = {"ACME", "ACME"},
                             *const lower[] = {"ACME", "bolt"};
    const char *many[PARTIES_MAX + 1];
    char codes[PARTIES_MAX + 1][4];
    struct relationship_id out = {{0}}, none = {{0}};
    for (size_t i = 0; i <= PARTIES_MAX; i++) {
        snprintf(codes[i], sizeof codes[i], "P%02zu", i);
        many[i] = i ? codes[i] : "ACME";
    }

    failed(work_open(ACME, &anna, "T", other_first, 2, &out, &scene.e), ERR_USAGE);
    failed(work_open(ACME, &anna, "T", twice, 2, &out, &scene.e), ERR_USAGE);
    failed(work_open(ACME, &anna, "T", lower, 2, &out, &scene.e), ERR_USAGE);
    failed(work_open(ACME, &anna, "T", two, 1, &out, &scene.e), ERR_LIMIT);
    failed(work_open(ACME, &anna, "T", many, PARTIES_MAX + 1, &out, &scene.e), ERR_LIMIT);
    failed(work_open(ACME, &anna, "", two, 2, &out, &scene.e), ERR_USAGE);
    failed(work_open(ACME, &anna, "a\nb", two, 2, &out, &scene.e), ERR_USAGE);
    failed(work_open(ACME, &(struct asker){"", "manager"}, "T", two, 2, &out, &scene.e), ERR_USAGE);
    failed(work_open(ACME, &(struct asker){"anna", ""}, "T", two, 2, &out, &scene.e), ERR_USAGE);
    assert_memory_equal(out.bytes, none.bytes, sizeof out.bytes);
    worked(work_open(ACME, &anna, "T", many, PARTIES_MAX, &out, &scene.e));
}

/* ---- propose ---- */

static void a_new_action_is_its_proposer_s_unless_said_otherwise(void **state)
{
    (void)state;
    struct hash ours = propose(ACME, NULL, "title=Gears");
    struct hash theirs = propose(ACME, NULL, "title=Bolts|owner=BOLT");

    assert_offer(ACME, &ours, &ours, "owner=ACME|title=Gears");
    assert_offer(ACME, &theirs, &theirs, "owner=BOLT|title=Bolts");
}

static void an_accepted_and_sealed_proposal_is_agreed_on_both_sides(void **state)
{
    (void)state;
    struct hash item = agreed_action("title=Gears|due=2026-12-18");

    assert_terms(ACME, &item, "due=2026-12-18|owner=ACME|title=Gears");
    assert_terms(BOLT, &item, "due=2026-12-18|owner=ACME|title=Gears");
}

static void new_terms_change_what_is_given_and_carry_the_rest_over(void **state)
{
    (void)state;
    struct hash item = agreed_action("title=Gears|due=2026-12-18|priority=high|area=Line 2");

    struct hash proposal = propose(BOLT, &item, "due=2027-01-15|area=");

    assert_offer(BOLT, &item, &proposal, "due=2027-01-15|owner=ACME|priority=high|title=Gears");
    assert_terms(BOLT, &item, "area=Line 2|due=2026-12-18|owner=ACME|priority=high|title=Gears");
}

static void propose_refuses_fields_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *noun, *text;
    } wrong[] = {
        {"action", "due=2026-12-18"},                 /* no title */
        {"action", "title=Gears|colour=red"},         /* no such field */
        {"action", "title=Gears|colour="},            /* nor to clear it */
        {"action", "title=Gears|status=in_progress"}, /* is stated */
        {"action", "title=Gears|status="},
        {"action", "title=Gears|due=2026-02-30"},
        {"action", "title=Gears|title=Bolts"},
        {"action", "title="},
        {"action", "title=Gears|owner=CRUX"},        /* no party */
        {"appointment", "person=anna|role=manager"}, /* has no terms */
    };
    struct hash out = {{0}};
    uint64_t said = said_by(ACME);

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        failed(try_propose(ACME, wrong[i].noun, NULL, wrong[i].text, &out), ERR_USAGE);
    assert_int_equal(said_by(ACME), said);
    assert_true(hash_is_zero(&out));
}

static void new_terms_refuse_what_does_not_fit_the_item(void **state)
{
    (void)state;
    struct hash item = agreed_action("title=Gears|due=2026-12-18"), out = {{0}};
    struct hash unknown = {{1}};

    failed(try_propose(ACME, "action", &item, "title=", &out), ERR_USAGE);
    failed(try_propose(ACME, "action", &item, "", &out), ERR_USAGE);
    failed(try_propose(ACME, "charter", &item, "title=Gears", &out), ERR_USAGE);
    failed(try_propose(ACME, "action", &unknown, "title=Gears", &out), ERR_MISSING);
}

static void competing_terms_start_from_the_oldest_open_offer_then_from_our_own(void **state)
{
    (void)state;
    struct hash item = propose(ACME, NULL, "title=Gears|due=2026-12-18");
    exchange(ACME, BOLT, &id);

    struct hash counter = propose(BOLT, &item, "due=2027-01-15");
    assert_offer(BOLT, &item, &counter, "due=2027-01-15|owner=ACME|title=Gears");
    exchange(ACME, BOLT, &id);
    struct hash again = propose(BOLT, &item, "priority=high");
    assert_offer(BOLT, &item, &again, "due=2027-01-15|owner=ACME|priority=high|title=Gears");
    struct hash back = propose(ACME, &item, "area=Line 2");
    assert_offer(ACME, &item, &back, "area=Line 2|due=2026-12-18|owner=ACME|title=Gears");
}

static void an_offer_that_was_declined_is_easily_made_again(void **state)
{
    (void)state;
    struct hash item = propose(ACME, NULL, "title=Gears|due=2026-12-18");
    exchange(ACME, BOLT, &id);
    worked(try_word(BOLT, VERB_DECLINE, &item, "too soon"));
    exchange(ACME, BOLT, &id);

    struct hash again = propose(ACME, &item, "due=2027-01-15");

    assert_offer(ACME, &item, &again, "due=2027-01-15|owner=ACME|title=Gears");
}

static void many_rows_are_many_proposals_in_one_go(void **state)
{
    (void)state;
    struct given fields[3] = {given("action", "title=One"), given("action", "title=Two|owner=BOLT"),
                              given("action", "title=Three|due=2026-12-18")};
    struct row rows[3];
    struct hash ids[3];
    for (size_t i = 0; i < 3; i++) rows[i] = (struct row){fields[i].fields, fields[i].count};
    uint64_t said = said_by(ACME);

    worked(work_propose_many(ACME, &anna, &id, noun("action"), rows, 3, ids, &scene.e));

    assert_int_equal(said_by(ACME), said + 3);
    assert_offer(ACME, &ids[0], &ids[0], "owner=ACME|title=One");
    assert_offer(ACME, &ids[1], &ids[1], "owner=BOLT|title=Two");
    assert_offer(ACME, &ids[2], &ids[2], "due=2026-12-18|owner=ACME|title=Three");
}

static void one_row_that_does_not_fit_stops_them_all_and_is_named(void **state)
{
    (void)state;
    struct given fields[2] = {given("action", "title=One"), given("action", "due=2026-12-18")};
    struct row rows[2];
    struct hash ids[2];
    for (size_t i = 0; i < 2; i++) rows[i] = (struct row){fields[i].fields, fields[i].count};
    uint64_t said = said_by(ACME);

    failed(work_propose_many(ACME, &anna, &id, noun("action"), rows, 2, ids, &scene.e), ERR_USAGE);

    assert_non_null(strstr(scene.e.said, "row 2"));
    assert_int_equal(said_by(ACME), said);
    failed(work_propose_many(ACME, &anna, &id, noun("action"), rows, 10001, ids, &scene.e),
           ERR_LIMIT);
    worked(work_propose_many(ACME, &anna, &id, noun("action"), rows, 0, ids, &scene.e));
}

/* ---- words ---- */

static void a_word_without_effect_is_refused_before_it_is_said(void **state)
{
    (void)state;
    struct hash item = propose(ACME, NULL, "title=Gears"), unknown = {{1}};
    exchange(ACME, BOLT, &id);
    uint64_t said = said_by(ACME);

    failed(try_word(ACME, VERB_ACCEPT, &item, ""), ERR_CONFLICT);
    assert_int_equal(said_by(ACME), said);
    worked(try_word(BOLT, VERB_ACCEPT, &item, ""));
    failed(try_word(BOLT, VERB_ACCEPT, &item, ""), ERR_CONFLICT);
    failed(try_word(BOLT, VERB_DECLINE, &item, "changed my mind"), ERR_CONFLICT);
    assert_false(try_word(BOLT, VERB_ACCEPT, &unknown, ""));
    worked(try_word(BOLT, VERB_WITHDRAW, &item, ""));
}

static void a_withdrawal_that_comes_too_late_still_lets_the_seal_be_written(void **state)
{
    (void)state;
    struct home_options options = options_of(0);
    struct hash item = propose(ACME, NULL, "title=Gears");
    exchange(ACME, BOLT, &id);
    worked(try_word(BOLT, VERB_ACCEPT, &item, ""));
    exchange(ACME, BOLT, &id);

    failed(try_word(ACME, VERB_WITHDRAW, &item, ""), ERR_CONFLICT);

    assert_terms(ACME, &item, "owner=ACME|title=Gears");
    home_close(ACME);
    scene.homes[0] = NULL;
    worked(home_open(&scene.homes[0], &options, &scene.e));
    assert_int_equal(home_health(ACME), HEALTH_FINE);
}

static void saying_no_takes_a_reason_and_saying_yes_takes_none(void **state)
{
    (void)state;
    struct hash item = propose(ACME, NULL, "title=Gears");
    exchange(ACME, BOLT, &id);

    failed(try_word(BOLT, VERB_DECLINE, &item, ""), ERR_USAGE);
    failed(try_word(BOLT, VERB_ACCEPT, &item, "fine"), ERR_USAGE);
    worked(try_word(BOLT, VERB_DECLINE, &item, "too dear"));
}

struct line {
    char noun[NOUN_BYTES_MAX + 1];
    char text[80];
    bool is_there;
    struct hash entry;
};

static bool find_line(void *self, const struct history_line *history)
{
    struct line *line = self;
    if (!hash_equal(&history->entry, &line->entry)) return true;
    line->is_there = true;
    memcpy(line->noun, history->noun, sizeof line->noun);
    const struct value *text = body_find(history->fields, history->field_count, "text");
    if (text) assert_true(span_to_text(text->text, line->text, sizeof line->text));
    return true;
}

static void a_comment_is_about_what_its_entry_is_about(void **state)
{
    (void)state;
    struct hash item = propose(ACME, NULL, "title=Gears"), unknown = {{1}};
    struct line line = {0};
    exchange(ACME, BOLT, &id);

    worked(work_comment(BOLT, &anna, &id, &item, span_text("Which size?"), &line.entry, &scene.e));

    worked(history_each(home_store(BOLT), &id, &item, find_line, &line, &scene.e));
    assert_true(line.is_there);
    assert_string_equal(line.noun, "action");
    assert_string_equal(line.text, "Which size?");
    failed(work_comment(BOLT, &anna, &id, &unknown, span_text("?"), &line.entry, &scene.e),
           ERR_MISSING);
    failed(work_comment(BOLT, &anna, &id, &item, (span){0}, &line.entry, &scene.e), ERR_USAGE);
}

/* ---- state ---- */

static void progress_is_for_the_owner_of_an_agreed_action(void **state)
{
    (void)state;
    struct hash item = propose(ACME, NULL, "title=Gears"), out = {{0}};
    failed(try_state(ACME, "action", &item, "status=in_progress", &out), ERR_REFUSED);
    assert_non_null(strstr(scene.e.said, "not agreed"));
    agree(&item);

    failed(try_state(BOLT, "action", &item, "status=in_progress", &out), ERR_REFUSED);
    assert_non_null(strstr(scene.e.said, "ACME"));
    worked(try_state(ACME, "action", &item, "status=in_progress|percent=40", &out));
    exchange(ACME, BOLT, &id);
    assert_progress(BOLT, &item, "percent=40|status=in_progress");
}

static void a_further_statement_changes_what_is_given_and_carries_the_rest_over(void **state)
{
    (void)state;
    struct hash item = agreed_action("title=Gears"), out = {{0}};
    worked(try_state(ACME, "action", &item, "status=in_progress|percent=40|next_step=Order", &out));

    worked(try_state(ACME, "action", &item, "percent=60|next_step=", &out));

    assert_progress(ACME, &item, "percent=60|status=in_progress");
    failed(try_state(ACME, "action", &item, "status=", &out), ERR_USAGE);
}

static void state_refuses_fields_that_do_not_fit(void **state)
{
    (void)state;
    struct hash item = agreed_action("title=Gears"), out = {{0}};

    failed(try_state(ACME, "action", &item, "due=2026-12-18", &out), ERR_USAGE); /* is a term */
    failed(try_state(ACME, "action", &item, "percent=10", &out), ERR_USAGE);     /* no status yet */
    failed(try_state(ACME, "action", &item, "", &out), ERR_USAGE);
    failed(try_state(ACME, "action", NULL, "status=blocked", &out), ERR_USAGE);
    failed(try_state(ACME, "charter", &item, "title=Gears", &out), ERR_USAGE);
}

static void a_statement_of_its_own_is_restated_by_its_author_alone(void **state)
{
    (void)state;
    struct hash item = {{0}}, out = {{0}};
    worked(try_state(ACME, "appointment", NULL, "person=anna|role=manager|party=ACME", &item));
    exchange(ACME, BOLT, &id);

    failed(try_state(BOLT, "appointment", &item, "role=director", &out), ERR_REFUSED);
    assert_non_null(strstr(scene.e.said, "ACME"));
    worked(try_word(BOLT, VERB_ACKNOWLEDGE, &item, ""));
    worked(try_state(ACME, "appointment", &item, "role=director", &out));
    assert_progress(ACME, &item, "party=ACME|person=anna|role=director");
    exchange(ACME, BOLT, &id);
    failed(try_word(BOLT, VERB_DISPUTE, &out, ""), ERR_USAGE);
    worked(try_word(BOLT, VERB_DISPUTE, &out, "he has left"));
    failed(try_state(ACME, "appointment", NULL, "person=anna|role=boss|party=CRUX", &out),
           ERR_USAGE);
}

/* ---- homes that may not work, homes used twice ---- */

static void a_home_that_recovers_says_nothing(void **state)
{
    (void)state;
    struct hash item = propose(ACME, NULL, "title=Gears"), out = {{0}};
    size_t seals = 9;
    exchange(ACME, BOLT, &id);
    worked(try_word(BOLT, VERB_ACCEPT, &item, ""));
    exchange(ACME, BOLT, &id);
    uint64_t said = said_by(ACME);
    worked(home_adopt(ACME, &scene.e));

    failed(try_propose(ACME, "action", NULL, "title=Bolts", &out), ERR_REFUSED);
    failed(try_state(ACME, "action", &item, "status=blocked", &out), ERR_REFUSED);
    failed(try_word(ACME, VERB_WITHDRAW, &item, ""), ERR_REFUSED);
    failed(work_comment(ACME, &anna, &id, &item, span_text("?"), &out, &scene.e), ERR_REFUSED);
    worked(work_seal(ACME, &seals, &scene.e));
    assert_int_equal(seals, 0);
    assert_int_equal(said_by(ACME), said);
    worked(home_returned(ACME, &id, "BOLT", &scene.e));
    worked(work_seal(ACME, &seals, &scene.e));
    assert_int_equal(seals, 1);
}

static void two_processes_speak_in_turn(void **state)
{
    (void)state;
    struct home_options options = options_of(0);
    struct home *command = NULL;
    worked(home_open(&command, &options, &scene.e));
    uint64_t said = said_by(ACME);

    (void)propose(ACME, NULL, "title=One");
    (void)propose(command, NULL, "title=Two");
    (void)propose(ACME, NULL, "title=Three");

    assert_int_equal(said_by(command), said + 3);
    home_close(command);
    home_close(ACME);
    scene.homes[0] = NULL;
    worked(home_open(&scene.homes[0], &options, &scene.e));
    assert_int_equal(home_health(ACME), HEALTH_FINE);
}

static void what_is_said_is_in_the_marker_when_the_call_returns(void **state)
{
    (void)state;
    struct home_options options = options_of(0);
    struct marker_files *files = calloc(1, sizeof *files);
    OWNED_MARKER_PAIR pair = {0};
    assert_non_null(files);

    (void)propose(ACME, NULL, "title=One");

    worked(marker_files_of(files, home_path(ACME), options.state_folder, &scene.world, &scene.e));
    worked(marker_files_read(files, &pair, &scene.e));
    free(files);
    assert_true(pair.has_home && pair.has_mirror);
    assert_true(marker_equal(&pair.home, &pair.mirror));
    assert_int_equal(pair.home.feed_count, 1);
    assert_int_equal(pair.home.feeds[0].size, said_by(ACME));
}

#define ALONE(claim) cmocka_unit_test_setup_teardown(claim, set_scene, clear_scene)
#define PAIRED(claim) cmocka_unit_test_setup_teardown(claim, set_pair, clear_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(opening_makes_a_relationship_with_its_parties),
        ALONE(open_refuses_parties_and_titles_that_do_not_fit),
        PAIRED(a_new_action_is_its_proposer_s_unless_said_otherwise),
        PAIRED(an_accepted_and_sealed_proposal_is_agreed_on_both_sides),
        PAIRED(new_terms_change_what_is_given_and_carry_the_rest_over),
        PAIRED(propose_refuses_fields_that_do_not_fit),
        PAIRED(new_terms_refuse_what_does_not_fit_the_item),
        PAIRED(competing_terms_start_from_the_oldest_open_offer_then_from_our_own),
        PAIRED(an_offer_that_was_declined_is_easily_made_again),
        PAIRED(many_rows_are_many_proposals_in_one_go),
        PAIRED(one_row_that_does_not_fit_stops_them_all_and_is_named),
        PAIRED(a_word_without_effect_is_refused_before_it_is_said),
        PAIRED(a_withdrawal_that_comes_too_late_still_lets_the_seal_be_written),
        PAIRED(saying_no_takes_a_reason_and_saying_yes_takes_none),
        PAIRED(a_comment_is_about_what_its_entry_is_about),
        PAIRED(progress_is_for_the_owner_of_an_agreed_action),
        PAIRED(a_further_statement_changes_what_is_given_and_carries_the_rest_over),
        PAIRED(state_refuses_fields_that_do_not_fit),
        PAIRED(a_statement_of_its_own_is_restated_by_its_author_alone),
        PAIRED(a_home_that_recovers_says_nothing),
        PAIRED(two_processes_speak_in_turn),
        PAIRED(what_is_said_is_in_the_marker_when_the_call_returns),
    };
    struct err e = {0};
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

/*
 * What a node knows of its relationships: from the opener's feed, and what it alone knows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "protocol/invitation.h"
#include "tests/store/parties.h"

static struct relationship *loaded(struct parties *p, unsigned us)
{
    struct relationship *r = calloc(1, sizeof *r);
    struct err e = {0};
    assert_non_null(r);
    expect(relationship_load(p->sides[us].store, &p->id, r, &e), &e);
    return r;
}

/* ---- parties ---- */

static void the_openers_feed_says_who_the_parties_are(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 3, 1);

    for (unsigned us = 0; us < 3; us++) {
        struct relationship *r = loaded(&p, us);
        assert_true(r->is_open_known);
        assert_string_equal(r->title, "Acme and others");
        assert_int_equal(r->our_party, us);
        assert_int_equal(r->party_count, 3);
        for (unsigned n = 0; n < 3; n++) {
            assert_string_equal(r->parties[n].code, p.sides[n].code);
            assert_true(r->parties[n].is_known);
            assert_memory_equal(r->parties[n].certificate.log.bytes,
                                p.sides[n].certificate.log.bytes, 32);
        }
        assert_false(r->is_trouble);
        free(r);
    }
    assert_same_everywhere(&p);
    parties_close(&p);
}

static void keys_that_came_through_another_are_marked(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 3, 1);

    struct relationship *acme = loaded(&p, ACME), *bolt = loaded(&p, BOLT);

    assert_false(acme->parties[BOLT].is_introduced);
    assert_false(bolt->parties[ACME].is_introduced);
    assert_true(bolt->parties[CORD].is_introduced);
    assert_int_equal(bolt->parties[CORD].introduced_by, ACME);
    free(acme);
    free(bolt);
    parties_close(&p);
}

static void before_the_opening_entry_only_the_opener_is_known(void **state)
{
    (void)state;
    struct parties p, replica;
    parties_open(&p, 2, 1);
    replica_open(&replica, &p, BOLT);

    struct relationship *r = loaded(&replica, BOLT);

    assert_false(r->is_open_known);
    assert_int_equal(r->party_count, 1);
    assert_string_equal(r->parties[0].code, "ACME");
    free(r);
    replica_close(&replica, BOLT);
    parties_close(&p);
}

static void the_first_identity_paired_for_a_place_stands(void **state)
{
    (void)state;
    struct parties p, strangers;
    uint8_t nonce[32];
    struct side *stranger = &strangers.sides[BOLT];
    parties_open(&p, 2, 1);
    parties_start(&strangers, 2, 77, nonce);
    uint8_t note[CERTIFICATE_BYTES_MAX];
    struct sink out = sink_over(note, sizeof note);
    stranger->certificate.relationship = p.id;
    assert_true(certificate_write(&out, &stranger->certificate, stranger->identity, NULL));
    struct body_field fields[] = {text_of("party", span_text("BOLT")),
                                  text_of("certificate", sink_span(&out)),
                                  text_of("how", span_text("voice"))};
    span body = body_of(fields, 3);
    struct header h = next_header(&p, ACME, VERB_PAIR, "relationship");

    struct hash entry = say_header(&p, ACME, &h, &body);
    settle(&p);

    for (unsigned us = 0; us < 2; us++)
        assert_int_equal(effect_of(&p, us, &entry), EFFECT_NO_RIGHT);
    struct relationship *r = loaded(&p, ACME);
    assert_memory_equal(r->parties[BOLT].certificate.identity.bytes,
                        p.sides[BOLT].certificate.identity.bytes, 32);
    free(r);
    assert_same_everywhere(&p);
    parties_close(&strangers);
    parties_close(&p);
}

/* ---- opening entries that open nothing ---- */

struct opening {
    const char *title, *parties;
    bool is_nonce_wrong, is_certificate_wrong;
};

static void say_opening(struct parties *p, const struct opening *o, uint8_t *nonce)
{
    char hex[65];
    struct err e = {0};
    const struct side *certified = &p->sides[o->is_certificate_wrong ? BOLT : ACME];
    for (unsigned us = 0; us < 2; us++)
        expect(relationship_add(p->sides[us].store, &p->id, "", note_of(&p->sides[us]),
                                note_of(&p->sides[ACME]), &e),
               &e);
    if (o->is_nonce_wrong) nonce[31] ^= 1;
    struct body_field fields[] = {
        text_of("title", span_text(o->title)), text_of("parties", span_text(o->parties)),
        text_of("nonce", span_text(hex_write(span_of(nonce, 32), hex, sizeof hex))),
        text_of("certificate", note_of(certified))};
    span body = body_of(fields, 4);
    struct header h = next_header(p, ACME, VERB_OPEN, "relationship");
    (void)say_header(p, ACME, &h, &body);
}

static void an_opening_entry_that_is_wrong_freezes_the_openers_feed(void **state)
{
    (void)state;
    static const struct opening openings[] = {
        {"Ours", "ACME BOLT", true, false},  {"Ours", "ACME BOLT", false, true},
        {"Ours", "BOLT ACME", false, false}, {"Ours", "ACME", false, false},
        {"Ours", "ACME ACME", false, false}, {"Ours", "ACME  BOLT", false, false},
        {"Ours", "ACME bolt", false, false}, {"Ours", "ACME BOLT ", false, false},
        {"Ours", "", false, false},
    };
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        struct parties p;
        uint8_t nonce[32];
        parties_start(&p, 2, 5, nonce);
        say_opening(&p, &openings[i], nonce);

        send(&p, ACME, BOLT);

        for (unsigned us = 0; us < 2; us++) {
            struct relationship *r = loaded(&p, us);
            assert_false(r->is_open_known);
            assert_true(r->is_trouble);
            assert_int_equal(feed_of(&p, us, ACME).broken_at, 0);
            free(r);
        }
        parties_close(&p);
    }
}

static void a_right_opening_entry_opens(void **state)
{
    (void)state;
    static const struct opening right = {"Ours", "ACME BOLT", false, false};
    struct parties p;
    uint8_t nonce[32];
    parties_start(&p, 2, 5, nonce);
    say_opening(&p, &right, nonce);

    send(&p, ACME, BOLT);

    struct relationship *r = loaded(&p, BOLT);
    assert_true(r->is_open_known);
    assert_string_equal(r->title, "Ours");
    free(r);
    parties_close(&p);
}

/* ---- which there are ---- */

static void a_relationship_is_added_once(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    parties_open(&p, 2, 1);

    assert_false(relationship_add(p.sides[BOLT].store, &p.id, "Again", note_of(&p.sides[BOLT]),
                                  note_of(&p.sides[ACME]), &e));

    assert_int_equal(e.code, ERR_CONFLICT);
    parties_close(&p);
}

static void what_is_not_here_is_missing(void **state)
{
    (void)state;
    struct parties p;
    struct relationship_id other = {{7}};
    OWNED_BUFFER note = {0};
    struct err e = {0};
    parties_open(&p, 2, 1);
    struct relationship *r = loaded(&p, ACME);

    assert_false(relationship_load(p.sides[ACME].store, &other, r, &e));
    assert_int_equal(e.code, ERR_MISSING);
    assert_false(relationship_own_certificate(p.sides[ACME].store, &other, &note, &e));
    assert_int_equal(e.code, ERR_MISSING);

    free(r);
    parties_close(&p);
}

struct listing {
    struct relationship_id ids[4];
    size_t count, most;
};

static bool list_one(void *self, const struct relationship_id *id)
{
    struct listing *l = self;
    l->ids[l->count++] = *id;
    return l->count < l->most;
}

static void relationships_come_oldest_first(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    parties_open(&p, 2, 1);
    struct side *acme = &p.sides[ACME];
    struct relationship_id second = {{0}}; /* before the first by its id, after it by its time */
    expect(relationship_add(acme->store, &second, "Second", note_of(acme), note_of(acme), &e), &e);

    struct listing all = {.most = 4}, one = {.most = 1};
    expect(relationships_each(acme->store, list_one, &all, &e), &e);
    expect(relationships_each(acme->store, list_one, &one, &e), &e);

    assert_int_equal(all.count, 2);
    assert_memory_equal(all.ids[0].bytes, p.id.bytes, 16);
    assert_memory_equal(all.ids[1].bytes, second.bytes, 16);
    assert_int_equal(one.count, 1);
    parties_close(&p);
}

/* ---- what we alone know ---- */

static void a_contact_keeps_what_is_not_given_anew(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    const enum check voice = CHECK_VOICE;
    parties_open(&p, 2, 1);
    struct store *store = p.sides[ACME].store;

    expect(contact_put(store, &p.id, "BOLT", "tcp://bolt.example:7000", NULL, "one two three", &e),
           &e);
    expect(contact_put(store, &p.id, "BOLT", NULL, &voice, NULL, &e), &e);

    struct relationship *r = loaded(&p, ACME);
    assert_string_equal(r->parties[BOLT].address, "tcp://bolt.example:7000");
    assert_string_equal(r->parties[BOLT].words, "one two three");
    assert_int_equal(r->parties[BOLT].check, CHECK_VOICE);
    assert_true(r->parties[BOLT].is_confirmed);
    assert_false(r->parties[ACME].is_confirmed);
    free(r);
    parties_close(&p);
}

static void a_check_is_read_as_it_is_written(void **state)
{
    (void)state;
    enum check read = CHECK_NONE;
    for (enum check check = CHECK_NONE; check <= CHECK_IN_PERSON; check++) {
        assert_true(check_of(span_text(check_word(check)), &read));
        assert_int_equal(read, check);
    }
    assert_true(check_of(span_text("in_person"), &read));
    assert_int_equal(read, CHECK_IN_PERSON);
    assert_false(check_of(span_text("by letter"), &read));
}

static bool keep_invited(void *self, const struct invited *invited)
{
    struct invited *kept = self;
    *kept = *invited;
    return true;
}

static void a_new_invitation_voids_the_partys_old_one_and_its_guest(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    OWNED_BUFFER note = {0};
    struct invited invited = {.code = "BOLT", .secret = {1, 2, 3}, .expires_s = 99}, read = {0};
    struct relationship_id voided[2];
    size_t count = 0;
    parties_open(&p, 2, 1);
    struct store *store = p.sides[ACME].store;
    const struct certificate *bolt = &p.sides[BOLT].certificate;
    invited.relationship = p.id;
    struct invitation_id first = invitation_id_of(invited.secret);
    expect(invited_put(store, &invited, &e), &e);
    assert_false(invited_note(store, &p.id, "BOLT", &note, &e));
    assert_int_equal(e.code, ERR_MISSING);
    expect(invited_bind(store, &invited, bolt, note_of(&p.sides[BOLT]), &e), &e);
    expect(invited_find(store, first.bytes, &read, &e), &e);
    assert_memory_equal(read.secret, invited.secret, 32);
    assert_true(read.is_bound && key_public_equal(&read.identity, &bolt->identity));
    expect(invited_note(store, &p.id, "BOLT", &note, &e), &e);
    assert_true(span_equal(buffer_span(&note), note_of(&p.sides[BOLT])));

    invited.secret[0] = 9;
    expect(invited_put(store, &invited, &e), &e);

    assert_false(invited_find(store, first.bytes, &read, &e));
    assert_int_equal(e.code, ERR_MISSING);
    expect(voided_find(store, first.bytes, &read, &e), &e);
    assert_int_equal(read.secret[0], 1);
    expect(voided_of(store, &bolt->transport, voided, 2, &count, &e), &e);
    assert_int_equal(count, 1);
    read = (struct invited){0};
    expect(invited_each(store, &p.id, keep_invited, &read, &e), &e);
    assert_int_equal(read.secret[0], 9);
    assert_false(read.is_bound);
    assert_int_equal(read.expires_s, 99);
    assert_false(invited_note(store, &p.id, "BOLT", &note, &e));
    parties_close(&p);
}

static void the_record_knows_a_party_better_than_an_invitation(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    struct relationship r;
    struct invited invited = {.code = "BOLT", .secret = {1}, .expires_s = 99};
    parties_open(&p, 2, 1);
    struct store *store = p.sides[ACME].store;
    invited.relationship = p.id;
    expect(invited_put(store, &invited, &e), &e);
    expect(invited_bind(store, &invited, &p.sides[ACME].certificate, note_of(&p.sides[ACME]), &e), &e);

    expect(relationship_load(store, &p.id, &r, &e), &e);

    assert_true(r.parties[1].is_known && !r.parties[1].is_guest);
    assert_string_equal(r.parties[1].certificate.code, "BOLT");
    parties_close(&p);
}

static void an_invitation_being_taken_up_is_kept_until_done(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    OWNED_BUFFER text = {0};
    struct joining_last last = {0};
    const struct invitation_id id = {{5}};
    parties_open(&p, 2, 1);
    struct store *store = p.sides[BOLT].store;

    assert_false(joining_load(store, &p.id, &last, &e));
    assert_int_equal(e.code, ERR_MISSING);
    expect(joining_put(store, &p.id, &id, span_text("COUNTERPART INVITATION"), &e), &e);
    expect(joining_get(store, &p.id, &text, &e), &e);
    test_assert_text(buffer_span(&text), "COUNTERPART INVITATION");
    expect(joining_done(store, &p.id, &e), &e);
    assert_false(joining_get(store, &p.id, &text, &e));
    assert_int_equal(e.code, ERR_MISSING);
    expect(joining_load(store, &p.id, &last, &e), &e);
    assert_int_equal(last.state, JOINING_DONE);
    assert_memory_equal(last.invitation.bytes, id.bytes, sizeof id.bytes);
    expect(joining_voided(store, &p.id, &e), &e);
    expect(joining_load(store, &p.id, &last, &e), &e);
    assert_int_equal(last.state, JOINING_VOIDED);

    parties_close(&p);
}

struct forgetting {
    struct store *store;
    const struct relationship_id *id;
};

static bool forget(void *self, struct err *e)
{
    const struct forgetting *f = self;
    return relationship_forget(f->store, f->id, e);
}

static void only_a_relationship_that_never_opened_is_forgotten(void **state)
{
    (void)state;
    struct parties p;
    struct err e = {0};
    struct relationship r;
    uint8_t nonce[32] = {0};
    parties_start(&p, 2, 1, nonce);
    struct store *store = p.sides[BOLT].store;
    struct forgetting forgetting = {store, &p.id};
    span own = note_of(&p.sides[BOLT]), opener = note_of(&p.sides[ACME]);
    expect(relationship_add(store, &p.id, "Gears", own, opener, &e), &e);

    expect(store_transact(store, forget, &forgetting, &e), &e);

    assert_false(relationship_load(store, &p.id, &r, &e));
    assert_int_equal(e.code, ERR_MISSING);
    expect(relationship_add(store, &p.id, "Gears", own, opener, &e), &e);
    parties_close(&p);
    parties_open(&p, 2, 1);
    forgetting = (struct forgetting){p.sides[BOLT].store, &p.id};
    assert_false(store_transact(forgetting.store, forget, &forgetting, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    parties_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_openers_feed_says_who_the_parties_are),
        cmocka_unit_test(keys_that_came_through_another_are_marked),
        cmocka_unit_test(before_the_opening_entry_only_the_opener_is_known),
        cmocka_unit_test(the_first_identity_paired_for_a_place_stands),
        cmocka_unit_test(an_opening_entry_that_is_wrong_freezes_the_openers_feed),
        cmocka_unit_test(a_right_opening_entry_opens),
        cmocka_unit_test(a_relationship_is_added_once),
        cmocka_unit_test(what_is_not_here_is_missing),
        cmocka_unit_test(relationships_come_oldest_first),
        cmocka_unit_test(a_contact_keeps_what_is_not_given_anew),
        cmocka_unit_test(a_check_is_read_as_it_is_written),
        cmocka_unit_test(a_new_invitation_voids_the_partys_old_one_and_its_guest),
        cmocka_unit_test(the_record_knows_a_party_better_than_an_invitation),
        cmocka_unit_test(an_invitation_being_taken_up_is_kept_until_done),
        cmocka_unit_test(only_a_relationship_that_never_opened_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/node/homes.h"

#include "crypto/words.h"

static struct relationship *load(struct home *home, const struct relationship_id *id)
{
    static struct relationship rooms[2];
    static size_t next;
    struct relationship *room = &rooms[next++ % 2];
    worked(relationship_load(home_store(home), id, room, &scene.e));
    return room;
}

/* How many entries a home's own feed holds. */
static uint64_t said_by(struct home *home, const struct relationship_id *id)
{
    const struct signing_key *key = NULL;
    struct feed feed = {0};
    worked(home_log_key(home, id, &key, &scene.e));
    if (!feed_load(home_store(home), id, signing_key_public(key), 0, &feed, &scene.e)) return 0;
    return feed.edge.size;
}

/* A fresh invitation of BOLT by ACME, and what BOLT made of it. */
struct invited_bolt {
    struct relationship_id id;
    uint8_t room[INVITATION_TEXT_MAX];
    struct sink text;
    struct invitation invitation;
    struct invitation_id shown;
};
static struct invited_bolt bolts;

static void invite_bolt(const char *const *codes, size_t count)
{
    bolts = (struct invited_bolt){.id = open_between(ACME, codes, count)};
    bolts.text = sink_over(bolts.room, sizeof bolts.room);
    invite(ACME, &bolts.id, "BOLT", 3600, &bolts.text);
}

static bool join_bolt(void)
{
    if (!pairing_join(BOLT, sink_span(&bolts.text), NULL, &bolts.invitation, &scene.e))
        return false;
    bolts.shown = invitation_id_of(bolts.invitation.secret);
    return true;
}

static struct refusal refusal; /* what the last admission refused, as the joiner may know it */

static bool admit(span certificate)
{
    return pairing_admit(ACME, bolts.shown.bytes, certificate, &refusal, &scene.e);
}

/* ACME invites BOLT once more; what BOLT has of it stands in `bolts`. */
static void invite_bolt_again(void)
{
    bolts.text = sink_over(bolts.room, sizeof bolts.room);
    invite(ACME, &bolts.id, "BOLT", 3600, &bolts.text);
    worked(invitation_read(sink_span(&bolts.text), &bolts.invitation, &scene.e));
    bolts.shown = invitation_id_of(bolts.invitation.secret);
}

static void confirm(struct home *home, const struct relationship_id *id, const char *code)
{
    worked(pairing_confirm(home, &anna, id, code, CHECK_VOICE, &scene.e));
}

static enum joining_state joining_of_bolt(void)
{
    struct joining_last last = {0};
    worked(joining_load(home_store(BOLT), &bolts.id, &last, &scene.e));
    return last.state;
}

/* ---- check words ---- */

/* Computed by a separate program from FORMAT.md section 10. */
static const char identity_words[] = "eternal mural fish inhabit dictate visitor "
                                     "theme globe owner theme cedar width";

static void check_words_are_as_the_format_says(void **state)
{
    (void)state;
    struct relationship_id id = {{0}};
    struct key_public a = {{0}}, b = {{0}};
    uint8_t nonce_a[32] = {0}, nonce_b[32] = {0};
    char words[WORDS_TEXT_MAX] = "", hex[65] = "";
    memset(id.bytes, 0x11, sizeof id.bytes);
    memset(a.bytes, 0x22, sizeof a.bytes);
    memset(b.bytes, 0x33, sizeof b.bytes);
    memset(nonce_a, 0x44, sizeof nonce_a);
    memset(nonce_b, 0x55, sizeof nonce_b);

    struct hash commitment = pairing_commitment(nonce_a, &id);
    assert_string_equal(hex_write(hash_span(&commitment), hex, sizeof hex),
                        "0e5a56a9c1311a70ee75e000277cf8e633bc61458257a59700c2f44ed645209a");
    pairing_words(&id, &a, &b, nonce_a, nonce_b, words, sizeof words);
    assert_string_equal(words, "brother acquire lasso dream noun triangle");
    pairing_identity_words(&a, &b, words, sizeof words);
    assert_string_equal(words, identity_words);
    pairing_identity_words(&b, &a, words, sizeof words);
    assert_string_equal(words, identity_words);
}

static void check_words_change_with_everything_they_are_made_of(void **state)
{
    (void)state;
    static uint8_t parts[5][32];
    char first[WORDS_TEXT_MAX] = "", changed[WORDS_TEXT_MAX] = "";
    for (int round = -1; round < 5; round++) {
        struct relationship_id id = {{0}};
        struct key_public keys[2] = {{{0}}};
        memset(parts, 7, sizeof parts);
        if (round >= 0) parts[round][15] ^= 1;
        memcpy(id.bytes, parts[0], sizeof id.bytes);
        memcpy(keys[0].bytes, parts[1], 32);
        memcpy(keys[1].bytes, parts[2], 32);
        pairing_words(&id, &keys[0], &keys[1], parts[3], parts[4], round < 0 ? first : changed,
                      WORDS_TEXT_MAX);
        if (round >= 0) assert_string_not_equal(first, changed);
    }
}

/* ---- invite ---- */

static void an_invitation_says_who_invites_whom_to_what_and_until_when(void **state)
{
    (void)state;
    static const char *const addresses[] = {"tcp://acme.example:7700", "tcp://10.0.0.1:7700"};
    struct relationship_id id = open_between(ACME, two, 2);
    static uint8_t room[INVITATION_TEXT_MAX];
    struct sink text = sink_over(room, sizeof room);
    struct invitation read = {0};

    worked(pairing_invite(ACME, &id, "BOLT", addresses, 2, 2, &text, &scene.e));

    worked(invitation_read(sink_span(&text), &read, &scene.e));
    assert_memory_equal(read.relationship.bytes, id.bytes, sizeof id.bytes);
    assert_string_equal(read.title, "Supply of gears");
    assert_string_equal(read.invited, "BOLT");
    assert_string_equal(read.inviter.code, "ACME");
    assert_int_equal(read.address_count, 2);
    assert_string_equal(read.addresses[1], addresses[1]);
    uint64_t now = (uint64_t)shifted_date(NULL) / 1000;
    assert_in_range(read.expires_s, now + 1, now + 2);
    invitation_wipe(&read);
}

static void only_the_opener_invites(void **state)
{
    (void)state;
    static const char *const addresses[] = {"tcp://bolt.example:7700"};
    static uint8_t room[INVITATION_TEXT_MAX];
    struct sink text = sink_over(room, sizeof room);
    struct relationship_id id = open_between(ACME, three, 3);
    join(ACME, BOLT, &id);

    failed(pairing_invite(BOLT, &id, "CRUX", addresses, 1, 60, &text, &scene.e), ERR_REFUSED);
    assert_non_null(strstr(scene.e.said, "ACME"));
    assert_int_equal(text.len, 0);
}

static void invite_refuses_whom_and_what_does_not_fit(void **state)
{
    (void)state;
    static const char *const good[] = {"tcp://acme.example:7700"}, *const bad[] = {"acme example"};
    static uint8_t room[INVITATION_TEXT_MAX];
    struct sink text = sink_over(room, sizeof room), small = sink_over(room, 100);
    struct relationship_id id = open_between(ACME, two, 2);

    failed(pairing_invite(ACME, &id, "CRUX", good, 1, 60, &text, &scene.e), ERR_MISSING);
    failed(pairing_invite(ACME, &id, "ACME", good, 1, 60, &text, &scene.e), ERR_USAGE);
    failed(pairing_invite(ACME, &id, "BOLT", bad, 1, 60, &text, &scene.e), ERR_USAGE);
    failed(pairing_invite(ACME, &id, "BOLT", good, 0, 60, &text, &scene.e), ERR_USAGE);
    failed(pairing_invite(ACME, &id, "BOLT", good, 1, 0, &text, &scene.e), ERR_USAGE);
    failed(pairing_invite(ACME, &id, "BOLT", good, 1, 60, &small, &scene.e), ERR_LIMIT);
    join(ACME, BOLT, &id);
    worked(pairing_confirm(ACME, &anna, &id, "BOLT", CHECK_VOICE, &scene.e));
    failed(pairing_invite(ACME, &id, "BOLT", good, 1, 60, &text, &scene.e), ERR_REFUSED);
}

static void a_new_invitation_voids_the_one_before(void **state)
{
    (void)state;
    static uint8_t room[INVITATION_TEXT_MAX];
    struct sink again = sink_over(room, sizeof room);
    invite_bolt(two, 2);
    invite(ACME, &bolts.id, "BOLT", 3600, &again);

    assert_true(join_bolt());
    failed(admit(certificate_of(BOLT, &bolts.id)), ERR_REFUSED);
    assert_int_equal(refusal.why, REFUSAL_VOIDED);
    assert_memory_equal(refusal.relationship.bytes, bolts.id.bytes, sizeof bolts.id.bytes);
}

/* ---- join ---- */

static void joining_makes_room_and_knows_the_opener(void **state)
{
    (void)state;
    OWNED_BUFFER kept = {0};
    invite_bolt(two, 2);

    worked(join_bolt());

    const struct relationship *r = load(BOLT, &bolts.id);
    assert_false(r->is_open_known);
    assert_string_equal(r->parties[0].code, "ACME");
    assert_true(r->parties[0].is_known);
    assert_string_equal(r->parties[0].address, "tcp://acme.example:7700");
    assert_false(r->parties[0].is_confirmed);
    worked(joining_get(home_store(BOLT), &bolts.id, &kept, &scene.e));
    assert_true(span_equal(buffer_span(&kept), sink_span(&bolts.text)));
}

static void a_relationship_is_joined_once(void **state)
{
    (void)state;
    const struct signing_key *before = NULL, *after = NULL;
    invite_bolt(two, 2);
    worked(join_bolt());
    worked(home_log_key(BOLT, &bolts.id, &before, &scene.e));

    assert_false(join_bolt());

    assert_int_equal(scene.e.code, ERR_CONFLICT);
    worked(home_log_key(BOLT, &bolts.id, &after, &scene.e));
    assert_ptr_equal(before, after);
}

static void join_refuses_an_invitation_that_is_not_for_this_home_or_too_old(void **state)
{
    (void)state;
    struct invitation out = {0};
    invite_bolt(two, 2);

    failed(pairing_join(CRUX, sink_span(&bolts.text), NULL, &out, &scene.e), ERR_REFUSED);
    assert_non_null(strstr(scene.e.said, "BOLT"));
    failed(pairing_join(ACME, sink_span(&bolts.text), NULL, &out, &scene.e), ERR_REFUSED);
    failed(pairing_join(BOLT, span_text("nonsense"), NULL, &out, &scene.e), ERR_MALFORMED);
    failed(pairing_join(BOLT, sink_span(&bolts.text), "bolt", &out, &scene.e), ERR_USAGE);
    scene.ahead_ms = 3602 * 1000;
    failed(pairing_join(BOLT, sink_span(&bolts.text), NULL, &out, &scene.e), ERR_REFUSED);
    assert_int_equal(out.address_count, 0);
    scene.ahead_ms = 0;
    worked(join_bolt()); /* and none of this left anything behind */
}

static void the_join_entry_is_written_once_and_not_before_the_opener_s_feed_is_here(void **state)
{
    (void)state;
    invite_bolt(two, 2);
    worked(join_bolt());
    failed(pairing_joined(BOLT, &bolts.id, &scene.e), ERR_MISSING);
    worked(admit(certificate_of(BOLT, &bolts.id)));
    carry(ACME, BOLT, &bolts.id);

    for (size_t i = 0; i < 2; i++) {
        OWNED_BUFFER kept = {0};
        worked(pairing_joined(BOLT, &bolts.id, &scene.e));
        assert_int_equal(said_by(BOLT, &bolts.id), 1);
        failed(joining_get(home_store(BOLT), &bolts.id, &kept, &scene.e), ERR_MISSING);
    }
    confirm(ACME, &bolts.id, "BOLT");
    carry(BOLT, ACME, &bolts.id);
    assert_int_equal(said_by(ACME, &bolts.id), 3); /* open, pair, charter */
    worked(pairing_joined(ACME, &bolts.id, &scene.e));
    assert_int_equal(said_by(ACME, &bolts.id), 3);
}

/* ---- admit ---- */

static void an_admitted_party_is_a_guest_and_nothing_is_said_of_it(void **state)
{
    (void)state;
    invite_bolt(three, 3);
    worked(join_bolt());
    for (size_t i = 0; i < 3; i++) {
        worked(admit(certificate_of(BOLT, &bolts.id)));
        assert_int_equal(said_by(ACME, &bolts.id), 1); /* open */
    }

    const struct relationship *r = load(ACME, &bolts.id);
    assert_true(r->parties[1].is_known && r->parties[1].is_guest);
    assert_false(r->parties[1].is_confirmed);
    assert_string_equal(r->parties[1].certificate.name, "Bolt AG");
    assert_false(r->parties[2].is_known);
}

static void admit_refuses_an_invitation_that_is_unknown_or_too_old(void **state)
{
    (void)state;
    invite_bolt(two, 2);
    worked(join_bolt());
    span certificate = certificate_of(BOLT, &bolts.id);

    bolts.shown.bytes[3] ^= 1;
    failed(admit(certificate), ERR_REFUSED);
    assert_int_equal(refusal.why, REFUSAL_NONE);
    bolts.shown.bytes[3] ^= 1;
    scene.ahead_ms = 3602 * 1000;
    failed(admit(certificate), ERR_REFUSED);
    assert_int_equal(refusal.why, REFUSAL_EXPIRED);
    scene.ahead_ms = 0;
    worked(admit(certificate));
}

/* A certificate of CRUX, who took BOLT's invitation, as `change` makes it. */
static span forged(void (*change)(struct certificate *certificate))
{
    static uint8_t note[CERTIFICATE_BYTES_MAX];
    struct sink sink = sink_over(note, sizeof note);
    struct certificate c = {.relationship = bolts.id,
                            .code = "BOLT",
                            .domain = "bolt.example",
                            .name = "Bolt AG",
                            .has_log = true,
                            .has_receipt = true,
                            .has_transport = true};
    worked(home_keys(CRUX, &scene.e));
    c.identity = home_organisation(CRUX)->identity;
    memset(c.log.bytes, 1, sizeof c.log.bytes);
    memset(c.receipt.bytes, 2, sizeof c.receipt.bytes);
    memset(c.transport.bytes, 3, sizeof c.transport.bytes);
    if (change) change(&c);
    worked(certificate_write(&sink, &c, home_identity_key(CRUX), &scene.e));
    return sink_span(&sink);
}

static void call_itself_crux(struct certificate *c) { memcpy(c->code, "CRUX", 5); }
static void be_elsewhere(struct certificate *c) { c->relationship.bytes[0] ^= 1; }
static void lack_a_receipt_key(struct certificate *c) { c->has_receipt = false; }

static void name_the_opener_s_log_key(struct certificate *c)
{
    const struct signing_key *key = NULL;
    worked(home_log_key(ACME, &bolts.id, &key, &scene.e));
    c->log = *signing_key_public(key);
}

static void name_the_opener_s_log_key_as_receipt_key(struct certificate *c)
{
    name_the_opener_s_log_key(c);
    c->receipt = c->log;
    memset(c->log.bytes, 1, sizeof c->log.bytes);
}

static void admit_refuses_a_certificate_that_is_not_the_invited_party_s_own(void **state)
{
    (void)state;
    static void (*const changes[])(struct certificate *) = {
        call_itself_crux, be_elsewhere, lack_a_receipt_key, name_the_opener_s_log_key,
        name_the_opener_s_log_key_as_receipt_key};
    invite_bolt(two, 2);
    worked(join_bolt());

    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        failed(admit(forged(changes[i])), ERR_REFUSED);
    failed(admit(span_text("no certificate")), ERR_MALFORMED);

    worked(admit(certificate_of(BOLT, &bolts.id))); /* none of them took the place */
}

static void the_first_identity_keeps_an_invitation(void **state)
{
    (void)state;
    invite_bolt(two, 2);
    worked(join_bolt());
    worked(admit(certificate_of(BOLT, &bolts.id)));

    failed(admit(forged(NULL)), ERR_REFUSED);

    assert_int_equal(refusal.why, REFUSAL_USED);
    assert_true(key_public_equal(&load(ACME, &bolts.id)->parties[1].certificate.identity,
                                 &home_organisation(BOLT)->identity));
}

/* CRUX has taken BOLT's place by its invitation, and is its guest. */
static void let_the_wrong_one_in(void)
{
    invite_bolt(two, 2);
    worked(invitation_read(sink_span(&bolts.text), &bolts.invitation, &scene.e));
    bolts.shown = invitation_id_of(bolts.invitation.secret);
    worked(admit(forged(NULL)));
    assert_true(load(ACME, &bolts.id)->parties[1].is_guest);
}

static void until_it_is_confirmed_a_guest_is_replaced_by_inviting_again(void **state)
{
    (void)state;
    let_the_wrong_one_in();
    worked(contact_put(home_store(ACME), &bolts.id, "BOLT", NULL, NULL, "six words of the wrong one", &scene.e));
    struct invitation_id wrong = bolts.shown;

    invite_bolt_again();

    const struct party *place = &load(ACME, &bolts.id)->parties[1];
    assert_false(place->is_known);
    assert_string_equal(place->words, "");
    failed(pairing_confirm(ACME, &anna, &bolts.id, "BOLT", CHECK_VOICE, &scene.e), ERR_MISSING);
    struct invitation_id right = bolts.shown;
    bolts.shown = wrong;
    failed(admit(forged(NULL)), ERR_REFUSED);
    assert_int_equal(refusal.why, REFUSAL_VOIDED);
    bolts.shown = right;
    worked(join_bolt());
    worked(admit(certificate_of(BOLT, &bolts.id)));
    confirm(ACME, &bolts.id, "BOLT");
    assert_true(key_public_equal(&load(ACME, &bolts.id)->parties[1].certificate.identity,
                                 &home_organisation(BOLT)->identity));
    assert_int_equal(said_by(ACME, &bolts.id), 3); /* open, pair, charter: nothing of the wrong one */
}

static void whoever_lost_its_place_shares_nothing_until_it_comes_again(void **state)
{
    (void)state;
    struct shared_list list = {0};
    struct relationship_id voided[2] = {{{0}}};
    size_t count = 0;
    invite_bolt(two, 2);
    worked(join_bolt());
    worked(admit(certificate_of(BOLT, &bolts.id)));
    const struct key_public *bolt = transport_key_public(home_transport_key(BOLT));
    worked(exchange_shared(ACME, bolt, &list, &scene.e));
    assert_int_equal(list.count, 1);

    invite_bolt_again();

    worked(exchange_shared(ACME, bolt, &list, &scene.e));
    assert_int_equal(list.count, 0);
    worked(voided_of(home_store(ACME), bolt, voided, 2, &count, &scene.e));
    assert_int_equal(count, 1);
    assert_memory_equal(voided[0].bytes, bolts.id.bytes, sizeof bolts.id.bytes);
    worked(admit(certificate_of(BOLT, &bolts.id)));
    worked(exchange_shared(ACME, bolt, &list, &scene.e));
    assert_int_equal(list.count, 1);
    shared_wipe(&list);
}

static void whoever_is_confirmed_keeps_its_place(void **state)
{
    (void)state;
    static const char *const addresses[] = {"tcp://acme.example:7700"};
    static uint8_t room[INVITATION_TEXT_MAX];
    struct sink again = sink_over(room, sizeof room);
    struct store *store = NULL;
    enum check none = CHECK_NONE;
    invite_bolt(two, 2);
    worked(join_bolt());
    worked(admit(certificate_of(BOLT, &bolts.id)));
    confirm(ACME, &bolts.id, "BOLT");
    uint64_t said = said_by(ACME, &bolts.id);

    failed(pairing_invite(ACME, &bolts.id, "BOLT", addresses, 1, 60, &again, &scene.e), ERR_REFUSED);
    failed(admit(forged(NULL)), ERR_REFUSED);
    worked(admit(certificate_of(BOLT, &bolts.id)));
    assert_int_equal(said_by(ACME, &bolts.id), said);

    store = home_store(ACME); /* and so it is where it is forgotten whom we confirmed: the record knows */
    worked(contact_put(store, &bolts.id, "BOLT", NULL, &none, NULL, &scene.e));
    failed(pairing_invite(ACME, &bolts.id, "BOLT", addresses, 1, 60, &again, &scene.e), ERR_REFUSED);
    assert_non_null(strstr(scene.e.said, "record"));
}

/* ---- joining again ---- */

static void a_joiner_whose_invitation_was_voided_goes_on_with_a_new_one(void **state)
{
    (void)state;
    const struct signing_key *before = NULL, *after = NULL;
    struct shared acme = {.party = 0};
    invite_bolt(two, 2);
    worked(join_bolt());
    worked(admit(certificate_of(BOLT, &bolts.id)));
    carry(ACME, BOLT, &bolts.id);
    worked(pairing_joined(BOLT, &bolts.id, &scene.e));
    confirm(BOLT, &bolts.id, "ACME");
    worked(home_log_key(BOLT, &bolts.id, &before, &scene.e));
    acme.id = bolts.id;
    static uint8_t old_room[INVITATION_TEXT_MAX];
    memcpy(old_room, bolts.room, bolts.text.len);
    span old_text = span_of(old_room, bolts.text.len);
    struct invitation old = {0};

    invite_bolt_again();
    worked(pairing_refused(BOLT, &acme, NULL, REFUSAL_VOIDED, &scene.e));
    assert_int_equal(joining_of_bolt(), JOINING_VOIDED);
    failed(pairing_join(BOLT, old_text, NULL, &old, &scene.e), ERR_REFUSED);
    assert_non_null(strstr(scene.e.said, "voided"));

    worked(join_bolt());
    assert_int_equal(joining_of_bolt(), JOINING_UNDER_WAY);
    worked(admit(certificate_of(BOLT, &bolts.id)));
    worked(pairing_joined(BOLT, &bolts.id, &scene.e));
    assert_int_equal(joining_of_bolt(), JOINING_DONE);
    confirm(ACME, &bolts.id, "BOLT");
    exchange(ACME, BOLT, &bolts.id);
    worked(home_log_key(BOLT, &bolts.id, &after, &scene.e));
    assert_ptr_equal(before, after); /* its feed goes on: one `join`, one `pair` */
    assert_int_equal(said_by(BOLT, &bolts.id), 2);
    struct hash digests[] = {load(ACME, &bolts.id)->state_digest, load(BOLT, &bolts.id)->state_digest};
    assert_true(hash_equal(&digests[0], &digests[1]));
    assert_false(join_bolt());
    assert_int_equal(scene.e.code, ERR_CONFLICT);
}

static void a_voided_invitation_is_not_one_that_was_taken_since(void **state)
{
    (void)state;
    struct shared acme = {.party = 0}, crux = {.party = 2};
    invite_bolt(two, 2);
    worked(join_bolt());
    struct invitation_id first = bolts.shown;
    acme.id = crux.id = bolts.id;
    invite_bolt_again();
    worked(join_bolt());

    worked(pairing_refused(BOLT, &acme, NULL, REFUSAL_VOIDED, &scene.e));
    worked(pairing_refused(BOLT, &acme, &first, REFUSAL_VOIDED, &scene.e));
    worked(pairing_refused(BOLT, &crux, &bolts.shown, REFUSAL_VOIDED, &scene.e));
    assert_int_equal(joining_of_bolt(), JOINING_UNDER_WAY);
    worked(pairing_refused(BOLT, &acme, &bolts.shown, REFUSAL_VOIDED, &scene.e));
    assert_int_equal(joining_of_bolt(), JOINING_VOIDED);
    worked(pairing_refused(BOLT, &acme, NULL, REFUSAL_NONE, &scene.e));
    assert_int_equal(joining_of_bolt(), JOINING_DONE);
}

/* An invitation by CRUX into the relationship that ACME opened, under the name of ACME. */
static span false_invitation(void)
{
    static uint8_t room[INVITATION_TEXT_MAX];
    static struct invitation i;
    struct sink text = sink_over(room, sizeof room), note = {0};
    i = (struct invitation){.relationship = bolts.id,
                            .title = "Supply of gears",
                            .invited = "BOLT",
                            .expires_s = (uint64_t)shifted_date(NULL) / 1000 + 3600,
                            .secret = {7}};
    note = sink_over(i.inviter_note, sizeof i.inviter_note);
    struct certificate c = {.relationship = bolts.id,
                            .code = "ACME",
                            .domain = "acme.example",
                            .name = "Acme Ltd",
                            .has_log = true,
                            .has_receipt = true,
                            .has_transport = true};
    worked(home_keys(CRUX, &scene.e));
    c.identity = home_organisation(CRUX)->identity;
    memset(c.log.bytes, 1, sizeof c.log.bytes);
    memset(c.receipt.bytes, 2, sizeof c.receipt.bytes);
    memset(c.transport.bytes, 3, sizeof c.transport.bytes);
    worked(certificate_write(&note, &c, home_identity_key(CRUX), &scene.e));
    i.inviter_note_bytes = note.len;
    worked(invitation_write(&text, &i, home_identity_key(CRUX), &scene.e));
    return sink_span(&text);
}

static void what_a_false_inviter_left_goes_when_the_right_one_invites(void **state)
{
    (void)state;
    struct invitation out = {0};
    invite_bolt(two, 2);
    worked(pairing_join(BOLT, false_invitation(), NULL, &out, &scene.e));
    assert_true(key_public_equal(&load(BOLT, &bolts.id)->parties[0].certificate.identity,
                                 &home_organisation(CRUX)->identity));

    worked(join_bolt());

    assert_true(key_public_equal(&load(BOLT, &bolts.id)->parties[0].certificate.identity,
                                 &home_organisation(ACME)->identity));
    worked(admit(certificate_of(BOLT, &bolts.id)));
    carry(ACME, BOLT, &bolts.id);
    worked(pairing_joined(BOLT, &bolts.id, &scene.e));
    failed(pairing_join(BOLT, false_invitation(), NULL, &out, &scene.e), ERR_REFUSED);
    confirm(ACME, &bolts.id, "BOLT");
    exchange(ACME, BOLT, &bolts.id);
    assert_int_equal(joining_of_bolt(), JOINING_DONE);
}

/* ---- the charter ---- */

struct charters {
    size_t count;
    char title[80], parties[80], start[16];
    size_t fingerprint_lines;
};

static void take_text(const struct offer *offer, const char *name, char *out, size_t cap)
{
    const struct value *value = body_find(offer->fields, offer->field_count, name);
    if (value) assert_true(span_to_text(value->text, out, cap));
}

static bool look_at_charter(void *self, struct item_view *view)
{
    struct charters *charters = self;
    charters->count++;
    assert_int_equal(view->offer_count, 1);
    take_text(&view->offers[0], "title", charters->title, sizeof charters->title);
    take_text(&view->offers[0], "parties", charters->parties, sizeof charters->parties);
    take_text(&view->offers[0], "start", charters->start, sizeof charters->start);
    const struct value *lines =
        body_find(view->offers[0].fields, view->offers[0].field_count, "fingerprints");
    assert_non_null(lines);
    charters->fingerprint_lines = 1;
    for (size_t i = 0; i < lines->text.len; i++)
        charters->fingerprint_lines += lines->text.at[i] == '\n';
    return true;
}

static struct charters charters_of(struct home *home, const struct relationship_id *id)
{
    struct charters charters = {0};
    worked(items_each(home_store(home), id, "charter", look_at_charter, &charters, &scene.e));
    return charters;
}

static void the_charter_is_offered_once_when_the_last_party_is_confirmed(void **state)
{
    (void)state;
    struct relationship_id id = open_between(ACME, three, 3);
    join(ACME, BOLT, &id);
    confirm(ACME, &id, "BOLT");
    join(ACME, CRUX, &id);
    assert_int_equal(charters_of(ACME, &id).count, 0);

    confirm(ACME, &id, "CRUX");
    worked(pairing_confirm(ACME, &anna, &id, "CRUX", CHECK_IN_PERSON, &scene.e));

    struct charters charters = charters_of(ACME, &id);
    assert_int_equal(charters.count, 1);
    assert_string_equal(charters.title, "Supply of gears");
    assert_string_equal(charters.parties, "ACME BOLT CRUX");
    assert_int_equal(charters.fingerprint_lines, 3);
    assert_int_equal(strlen(charters.start), 10);
    carry(ACME, BOLT, &id);
    assert_int_equal(charters_of(BOLT, &id).count, 1);
    assert_true(load(BOLT, &id)->parties[2].is_introduced);
}

/* ---- confirm ---- */

static void both_sides_confirm_and_may_check_better_later(void **state)
{
    (void)state;
    struct relationship_id id = open_between(ACME, two, 2);
    join(ACME, BOLT, &id);
    uint64_t said = said_by(BOLT, &id);

    worked(pairing_confirm(BOLT, &anna, &id, "ACME", CHECK_NOT_CHECKED, &scene.e));
    assert_true(load(BOLT, &id)->parties[0].is_confirmed);
    worked(pairing_confirm(BOLT, &anna, &id, "ACME", CHECK_IN_PERSON, &scene.e));
    assert_int_equal(load(BOLT, &id)->parties[0].check, CHECK_IN_PERSON);
    failed(pairing_confirm(BOLT, &anna, &id, "ACME", CHECK_VOICE, &scene.e), ERR_CONFLICT);
    assert_int_equal(said_by(BOLT, &id), said + 2);
    worked(pairing_confirm(ACME, &anna, &id, "BOLT", CHECK_VOICE, &scene.e));
    assert_int_equal(load(ACME, &id)->parties[1].check, CHECK_VOICE);
}

static void the_opener_may_confirm_before_the_joiner_has_said_anything(void **state)
{
    (void)state;
    invite_bolt(two, 2);
    worked(join_bolt());
    worked(admit(certificate_of(BOLT, &bolts.id)));

    worked(pairing_confirm(ACME, &anna, &bolts.id, "BOLT", CHECK_VOICE, &scene.e));

    assert_true(load(ACME, &bolts.id)->parties[1].is_confirmed);
}

static void a_party_met_through_the_opener_can_be_confirmed(void **state)
{
    (void)state;
    struct relationship_id id = open_between(ACME, three, 3);
    join(ACME, BOLT, &id);
    join(ACME, CRUX, &id);
    carry(ACME, BOLT, &id);
    failed(pairing_confirm(BOLT, &anna, &id, "CRUX", CHECK_VOICE, &scene.e), ERR_MISSING);
    confirm(ACME, &id, "CRUX");
    carry(ACME, BOLT, &id);

    worked(pairing_confirm(BOLT, &anna, &id, "CRUX", CHECK_VOICE, &scene.e));

    assert_int_equal(load(BOLT, &id)->parties[2].check, CHECK_VOICE);
}

static void confirm_refuses_whom_it_does_not_know(void **state)
{
    (void)state;
    struct relationship_id id = open_between(ACME, two, 2), unknown = {{1}};

    failed(pairing_confirm(ACME, &anna, &id, "BOLT", CHECK_VOICE, &scene.e), ERR_MISSING);
    failed(pairing_confirm(ACME, &anna, &id, "CRUX", CHECK_VOICE, &scene.e), ERR_MISSING);
    failed(pairing_confirm(ACME, &anna, &id, "ACME", CHECK_VOICE, &scene.e), ERR_USAGE);
    failed(pairing_confirm(ACME, &anna, &unknown, "BOLT", CHECK_VOICE, &scene.e), ERR_MISSING);
    failed(pairing_confirm(ACME, &anna, &id, "BOLT", CHECK_NONE, &scene.e), ERR_USAGE);
}

static void a_home_that_recovers_pairs_with_nobody(void **state)
{
    (void)state;
    static const char *const addresses[] = {"tcp://acme.example:7700"};
    static uint8_t room[INVITATION_TEXT_MAX];
    struct sink text = sink_over(room, sizeof room);
    struct relationship_id id = open_between(ACME, two, 2);
    join(ACME, BOLT, &id);
    invite_bolt(two, 2);
    worked(join_bolt());
    worked(home_adopt(ACME, &scene.e));
    assert_int_equal(home_health(ACME), HEALTH_RECOVERING);

    failed(admit(certificate_of(BOLT, &bolts.id)), ERR_REFUSED);
    failed(pairing_invite(ACME, &id, "BOLT", addresses, 1, 60, &text, &scene.e), ERR_REFUSED);
    failed(pairing_confirm(ACME, &anna, &id, "BOLT", CHECK_VOICE, &scene.e), ERR_REFUSED);
    failed(pairing_joined(ACME, &id, &scene.e), ERR_REFUSED);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, set_scene, clear_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_words_are_as_the_format_says),
        cmocka_unit_test(check_words_change_with_everything_they_are_made_of),
        TEST(an_invitation_says_who_invites_whom_to_what_and_until_when),
        TEST(only_the_opener_invites),
        TEST(invite_refuses_whom_and_what_does_not_fit),
        TEST(a_new_invitation_voids_the_one_before),
        TEST(joining_makes_room_and_knows_the_opener),
        TEST(a_relationship_is_joined_once),
        TEST(join_refuses_an_invitation_that_is_not_for_this_home_or_too_old),
        TEST(the_join_entry_is_written_once_and_not_before_the_opener_s_feed_is_here),
        TEST(an_admitted_party_is_a_guest_and_nothing_is_said_of_it),
        TEST(admit_refuses_an_invitation_that_is_unknown_or_too_old),
        TEST(admit_refuses_a_certificate_that_is_not_the_invited_party_s_own),
        TEST(the_first_identity_keeps_an_invitation),
        TEST(until_it_is_confirmed_a_guest_is_replaced_by_inviting_again),
        TEST(whoever_lost_its_place_shares_nothing_until_it_comes_again),
        TEST(whoever_is_confirmed_keeps_its_place),
        TEST(a_joiner_whose_invitation_was_voided_goes_on_with_a_new_one),
        TEST(a_voided_invitation_is_not_one_that_was_taken_since),
        TEST(what_a_false_inviter_left_goes_when_the_right_one_invites),
        TEST(the_charter_is_offered_once_when_the_last_party_is_confirmed),
        TEST(both_sides_confirm_and_may_check_better_later),
        TEST(the_opener_may_confirm_before_the_joiner_has_said_anything),
        TEST(a_party_met_through_the_opener_can_be_confirmed),
        TEST(confirm_refuses_whom_it_does_not_know),
        TEST(a_home_that_recovers_pairs_with_nobody),
    };
    struct err e = {0};
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

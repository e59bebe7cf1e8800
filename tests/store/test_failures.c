/*
 * Whatever fails below a call of the store, at whatever place: it says so, nothing was stored, and it succeeds when it is
 * tried again. What a damaged row holds is never taken for more than it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/failing/failing.h"
#include "tests/store/parties.h"
#include <sqlite3.h>

/* ---- scenes ---- */

struct scene {
    struct parties p;
    unsigned us;             /* the side that everything is tried on */
    struct store *store;     /* its store */
    struct relationship_id fresh; /* a relationship that is not here yet */
    struct lot *lot, *second; /* what there is to take, one after the other */
    struct hash item, offer, statement;
    struct hash begins; /* the entry that begins ACME's next feed */
    struct invited invited;
    struct feed_receipt receipt;
    uint8_t note[CERTIFICATE_BYTES_MAX]; /* a successor's */
    size_t note_bytes;
    struct signing_key *next; /* its log key */
};

static struct invited invitation_to(const struct parties *p, uint8_t first)
{
    return (struct invited){.relationship = p->id, .code = "BOLT", .secret = {first}, .expires_s = 99};
}

static void certify_next(struct scene *s)
{
    static const uint8_t seed[KEY_SEED_BYTES] = {9};
    struct side *side = &s->p.sides[ACME];
    struct certificate next = side->certificate;
    struct sink note = sink_over(s->note, sizeof s->note);
    struct err e = {0};
    expect(signing_key_new(&s->next, seed, &e), &e);
    next.log = *signing_key_public(s->next);
    expect(certificate_write(&note, &next, side->identity, &e), &e);
    s->note_bytes = note.len;
}

/* An agreed item with everything that can be said about it, and two feeds of which ACME has not everything yet. */
static void talk(struct parties *p, struct scene *s)
{
    struct hash agreed = propose_new(p, ACME, "Install the press line");
    settle(p);
    (void)answer(p, BOLT, VERB_ACCEPT, &agreed);
    if (p->count > CORD) (void)answer(p, CORD, VERB_ACCEPT, &agreed);
    settle(p);
    s->item = agreed;
    s->offer = propose_on(p, BOLT, &agreed, &agreed, "Install both press lines");
    s->statement = report_progress(p, ACME, &agreed, &agreed, 40);
    struct hash person = appoint(p, BOLT, NULL, "Rosa");
    settle(p);
    (void)answer(p, BOLT, VERB_DISPUTE, &s->statement);
    (void)answer(p, BOLT, VERB_COMMENT, &s->statement);
    (void)answer(p, ACME, VERB_ACKNOWLEDGE, &person);
    (void)propose_on(p, ACME, &agreed, &agreed, "Install no press line");
    (void)propose_new(p, BOLT, "Sweep the hall");
    settle(p);
}

static void scene_open(struct scene *s)
{
    static const uint8_t other[32] = {7};
    struct err e = {0};
    *s = (struct scene){0};
    parties_open(&s->p, 3, 1);
    s->store = s->p.sides[ACME].store;
    talk(&s->p, s);
    s->fresh = relationship_id_of(signing_key_public(s->p.sides[ACME].identity), other);
    s->invited = invitation_to(&s->p, 1);
    expect(invited_put(s->store, &s->invited, &e), &e);
    expect(invited_bind(s->store, &s->invited, &s->p.sides[BOLT].certificate, note_of(&s->p.sides[BOLT]), &e), &e);
    struct invited second = invitation_to(&s->p, 2);
    expect(invited_put(s->store, &second, &e), &e);
    s->invited = second;
    const struct invitation_id id = invitation_id_of(second.secret);
    expect(joining_put(s->store, &s->p.id, &id, span_text("invitation"), &e), &e);
    expect(setting_put(s->store, "name", span_text("value"), &e), &e);
    certify_next(s);
    /* BOLT has answered meanwhile; its receipt for what ACME has said is on its way too. */
    struct hash mine = propose_new(&s->p, ACME, "Paint the hall");
    struct lot *mine_now = lot_copy(&s->p, ACME, ACME, feed_of(&s->p, BOLT, ACME).edge.size, UINT64_MAX);
    assert_int_equal(lot_take(&s->p, BOLT, mine_now, NULL), ERR_NONE);
    assert_int_equal(receipt_make(&s->p, ACME, BOLT, &s->receipt), ERR_NONE);
    assert_int_equal(lot_take(&s->p, CORD, mine_now, NULL), ERR_NONE);
    lot_free(mine_now);
    (void)answer(&s->p, CORD, VERB_ACCEPT, &mine); /* with BOLT's word it is due to be sealed */
    send(&s->p, CORD, ACME);
    (void)answer(&s->p, BOLT, VERB_ACCEPT, &mine);
    (void)answer(&s->p, BOLT, VERB_WITHDRAW, &s->offer);
    (void)appoint(&s->p, BOLT, NULL, "Karl");
    s->lot = lot_copy(&s->p, BOLT, BOLT, feed_of(&s->p, ACME, BOLT).edge.size, UINT64_MAX);
}

/* BOLT has said one thing to ACME and another to CORD, which ACME is about to hear. */
static void scene_open_forked(struct scene *s)
{
    *s = (struct scene){0};
    parties_open(&s->p, 3, 1);
    talk(&s->p, s);
    (void)fork_bolt(&s->p);
    s->store = s->p.sides[ACME].store;
    s->lot = lot_copy(&s->p, BOLT, CORD, 0, UINT64_MAX);
    certify_next(s);
}

/* BOLT as it hears for the first time who the parties are, from the opener and from what it has said itself. */
static void scene_open_new(struct scene *s, struct parties *all)
{
    *s = (struct scene){.us = BOLT};
    parties_open(all, 3, 1);
    talk(all, s);
    s->lot = lot_copy(all, ACME, ACME, 0, UINT64_MAX);
    s->second = lot_copy(all, CORD, CORD, 0, UINT64_MAX);
    replica_open(&s->p, all, BOLT);
    s->store = s->p.sides[BOLT].store;
}

static bool begin_successor(struct scene *s, struct err *e);
static bool begin_now(void *self, struct err *e) { return begin_successor(self, e); }

/* ACME goes on in a new feed, which CORD has countersigned and BOLT is about to hear of. */
static void scene_open_succeeded(struct scene *s)
{
    struct err e = {0};
    bool is_forked = false;
    *s = (struct scene){.us = ACME};
    parties_open(&s->p, 3, 1);
    struct side *acme = &s->p.sides[ACME];
    s->store = acme->store;
    talk(&s->p, s);
    certify_next(s);
    expect(store_transact(acme->store, begin_now, s, &e), &e);
    struct signing_key *old = acme->log;
    acme->log = s->next;
    acme->author.log_key = s->next;
    s->next = old;
    s->lot = lot_copy(&s->p, ACME, ACME, 0, UINT64_MAX);
    assert_int_equal(lot_take_any(&s->p, CORD, s->lot, &is_forked), ERR_NONE);
    struct body_field how[] = {text_of("how", span_text("voice"))};
    const struct draft draft = {.verb = VERB_SUCCEED, .noun = "relationship", .has_ref = true, .ref = s->begins,
                                .body = body_of(how, 1)};
    (void)say(&s->p, CORD, &draft);
    s->second = lot_copy(&s->p, CORD, CORD, feed_of(&s->p, BOLT, CORD).edge.size, UINT64_MAX);
    s->us = BOLT;
    s->store = s->p.sides[BOLT].store;
}

static void scene_close(struct scene *s)
{
    if (s->lot) lot_free(s->lot);
    if (s->second) lot_free(s->second);
    signing_key_free(s->next);
    parties_close(&s->p);
}

/* ---- what is tried ---- */

struct call {
    const char *name;
    bool (*run)(struct scene *s, struct err *e);
    bool writes;
};

#define STORE s->store
#define ID &s->p.id
#define EACH(type, name)                                                                           \
    static bool name(void *self, type)                                                             \
    {                                                                                              \
        ++*(size_t *)self;                                                                         \
        return true;                                                                               \
    }
EACH(const struct relationship_id *id __attribute__((unused)), each_relationship)
EACH(const struct feed *feed __attribute__((unused)), each_feed)
EACH(const struct feed_receipt *receipt __attribute__((unused)), each_receipt)
EACH(const struct successor *successor __attribute__((unused)), each_successor)
EACH(const struct fork_proof *proof __attribute__((unused)), each_fork)
EACH(struct item_view *view __attribute__((unused)), each_item)
EACH(const struct waiting *waiting __attribute__((unused)), each_waiting)
EACH(const struct history_line *line __attribute__((unused)), each_line)
EACH(const struct invited *invited __attribute__((unused)), each_invited)

static bool each_entry(void *self, uint64_t index, const struct stored_entry *entry)
{
    (void)index;
    (void)entry;
    ++*(size_t *)self;
    return true;
}

static bool each_own(void *self, const struct relationship_id *id, const struct key_public *log_key, uint64_t size, const struct hash *root)
{
    (void)id;
    (void)log_key;
    (void)size;
    (void)root;
    ++*(size_t *)self;
    return true;
}

static void found_wrong(void *self, const struct finding *finding)
{
    (void)finding;
    ++*(size_t *)self;
}

/* The callbacks only count. */
#define READS(call_name, expression)                                                               \
    static bool call_name(struct scene *s, struct err *e)                                          \
    {                                                                                              \
        size_t n = 0;                                                                              \
        (void)n;                                                                                   \
        return expression;                                                                         \
    }
READS(read_relationships, relationships_each(STORE, each_relationship, &n, e))
READS(read_feeds, feeds_each(STORE, ID, each_feed, &n, e))
READS(read_own_feeds, feeds_own_each(STORE, each_own, &n, e))
READS(read_entries, feed_read(STORE, ID, BOLT, 1, each_entry, &n, e))
READS(read_receipts, feed_receipts_each(STORE, ID, ACME, each_receipt, &n, e))
READS(read_successors, successors_each(STORE, ID, each_successor, &n, e))
READS(read_forks, forks_each(STORE, ID, each_fork, &n, e))
READS(read_items, items_each(STORE, ID, NULL, each_item, &n, e))
READS(read_actions, items_each(STORE, ID, "action", each_item, &n, e))
READS(read_inbox, inbox_each(STORE, ID, each_waiting, &n, e))
READS(read_history, history_each(STORE, ID, NULL, each_line, &n, e))
READS(read_items_history, history_each(STORE, ID, &s->item, each_line, &n, e))
READS(read_invited, invited_each(STORE, ID, each_invited, &n, e))
static bool read_relationship(struct scene *s, struct err *e)
{
    struct relationship *r = calloc(1, sizeof *r);
    if (!r) return err_memory(e);
    bool is_fine = relationship_load(STORE, ID, r, e);
    free(r);
    return is_fine;
}

static bool read_certificate(struct scene *s, struct err *e)
{
    OWNED_BUFFER note = {0};
    return relationship_own_certificate(STORE, ID, &note, e);
}

static bool read_proofs(struct scene *s, struct err *e)
{
    struct feed feed, same;
    struct merkle_proof proof;
    struct hash root, leaf_id = s->item;
    struct head head;
    unsigned number = 0;
    uint64_t index = 0;
    if (!feed_own(STORE, ID, &feed, e)) return false;
    struct feed_nodes nodes = feed_nodes_of(STORE, ID, &feed);
    return merkle_root_at(feed_nodes(&nodes), feed.edge.size - 1, &root, e) &&
           merkle_prove_consistency(feed_nodes(&nodes), 3, feed.edge.size, &proof, e) &&
           feed_with_root(STORE, ID, &feed.log_key, feed.edge.size - 1, &root, &same, e) &&
           feed_head_upto(STORE, ID, feed.feed, feed.edge.size - 1, &head, e) && feed_find(STORE, ID, &leaf_id, &number, &index, e);
}

static bool read_item(struct scene *s, struct err *e)
{
    struct item_view view = {0};
    bool is_fine = item_load(STORE, ID, &s->item, &view, e);
    item_view_wipe(&view);
    return is_fine;
}

static bool read_reference(struct scene *s, struct err *e)
{
    struct reference found;
    char digits[65];
    return reference_find(STORE, NULL, span_text("ACME-2"), &found, e) &&
           reference_find(STORE, ID, span_text(hex_write(hash_span(&s->offer), digits, sizeof digits)), &found, e) &&
           reference_find(STORE, NULL, span_of(digits, 12), &found, e);
}

static bool read_invitations(struct scene *s, struct err *e)
{
    uint8_t voided[32] = {1};
    struct invitation_id first = invitation_id_of(voided), second = invitation_id_of(s->invited.secret);
    struct invited found;
    struct relationship_id lost[2];
    struct joining_last last;
    size_t count = 0;
    OWNED_BUFFER text = {0};
    return invited_find(STORE, second.bytes, &found, e) && voided_find(STORE, first.bytes, &found, e) &&
           voided_of(STORE, &s->p.sides[BOLT].certificate.transport, lost, 2, &count, e) && joining_get(STORE, ID, &text, e) &&
           joining_load(STORE, ID, &last, e);
}

static bool read_setting(struct scene *s, struct err *e)
{
    OWNED_BUFFER value = {0};
    return setting_get(STORE, "name", 16, &value, e);
}

static bool verify(struct scene *s, struct err *e)
{
    size_t wrong = 0;
    uint64_t entries = 0;
    if (!record_verify(STORE, ID, found_wrong, &wrong, &entries, e)) return false;
    return wrong == 0 || err_set(e, ERR_CORRUPT, "%zu findings", wrong);
}

static bool digest(struct scene *s, struct err *e)
{
    struct hash out;
    return record_tables_digest(STORE, ID, &out, e);
}

static bool add(struct scene *s, struct err *e)
{
    const struct side *us = &s->p.sides[ACME];
    return relationship_add(STORE, &s->fresh, "Another line", note_of(us), note_of(us), e);
}

static bool forget(struct scene *s, struct err *e)
{
    return relationship_forget(STORE, &s->fresh, e);
}

static bool write_contact(struct scene *s, struct err *e)
{
    enum check voice = CHECK_VOICE;
    return contact_put(STORE, ID, "BOLT", "tcp://bolt.example:7000", &voice, "one two three", e);
}

static bool write_settings(struct scene *s, struct err *e)
{
    return setting_put(STORE, "name", span_text("other"), e) && setting_remove(STORE, "other", e);
}

static bool write_invitation(struct scene *s, struct err *e)
{
    struct invited third = invitation_to(&s->p, 3);
    return invited_bind(STORE, &s->invited, &s->p.sides[BOLT].certificate, note_of(&s->p.sides[BOLT]), e) &&
           invited_put(STORE, &third, e);
}

static bool write_joining(struct scene *s, struct err *e)
{
    struct invitation_id id = invitation_id_of(s->invited.secret);
    return joining_put(STORE, ID, &id, span_text("text"), e) && joining_done(STORE, ID, e) && joining_voided(STORE, ID, e);
}

static bool take_receipt(struct scene *s, struct err *e)
{
    struct feed own;
    bool is_new = false;
    return feed_own(STORE, ID, &own, e) && feed_receipt_take(STORE, ID, &own, &s->receipt, &is_new, e);
}

static bool take_lot(struct scene *s, struct err *e)
{
    const struct lot *lot = s->lot;
    const struct batch batch = {.log_key = &lot->log_key, .from = lot->from, .entries = lot->entries,
                                .entry_count = lot->count, .head = &lot->head};
    uint64_t taken = 0;
    return feed_take(STORE, ID, &batch, &taken, e) && record_fold(STORE, ID, e);
}

static bool take_any(struct scene *s, struct err *e)
{
    const struct lot *lot = s->lot;
    const struct batch batch = {.log_key = &lot->log_key, .from = lot->from, .entries = lot->entries,
                                .entry_count = lot->count, .head = &lot->head};
    uint64_t taken = 0;
    unsigned branch = 0;
    bool is_forked = false;
    return feed_take_any(STORE, ID, &batch, &branch, &taken, &is_forked, e) && record_fold(STORE, ID, e);
}

static bool take_second(struct scene *s, struct err *e)
{
    struct scene other = *s;
    other.lot = s->second;
    return take_any(&other, e);
}

static bool countersign(struct scene *s, struct err *e)
{
    struct body_field how[] = {text_of("how", span_text("voice"))};
    const struct draft draft = {.verb = VERB_SUCCEED, .noun = "relationship", .has_ref = true, .ref = s->begins,
                                .body = body_of(how, 1)};
    struct hash id;
    return record_append(STORE, ID, &s->p.sides[s->us].author, &draft, 1, &id, NULL, e);
}

static bool make_receipt(struct scene *s, struct err *e)
{
    const struct side *us = &s->p.sides[ACME];
    struct feed bolt;
    struct feed_receipt made;
    return feed_load(STORE, ID, &s->lot->log_key, 0, &bolt, e) &&
           feed_receipt_make(STORE, ID, &bolt, bolt.head.size, us->receipt, &made, e);
}

/* A proposal, which with what is due goes into one transaction. */
static bool append(struct scene *s, struct err *e)
{
    struct body_field fields[] = {text_of("title", span_text("Move the press")), text_of("owner", span_text("BOLT"))};
    const struct draft draft = {.verb = VERB_PROPOSE, .noun = "action", .item_count = 2,
                                .items = {{.is_new = true, .from_start = true}, {.is_new = true, .from_start = true}}};
    static uint8_t bytes[1024];
    struct sink body = sink_over(bytes, sizeof bytes);
    struct draft said = draft;
    struct hash id;
    body_start(&body, 2);
    body_map(&body, fields, 2);
    body_map(&body, fields, 2);
    said.body = sink_span(&body);
    return record_append(STORE, ID, &s->p.sides[ACME].author, &said, 1, &id, NULL, e);
}

static bool rebuild_record(struct scene *s, struct err *e)
{
    return record_rebuild(STORE, ID, e);
}

static bool begin_successor(struct scene *s, struct err *e)
{
    unsigned ordinal = 0;
    span note = span_of(s->note, s->note_bytes);
    struct author author = {"Ann", "manager", s->next};
    if (!successor_begin(STORE, ID, note, &ordinal, e)) return false;
    struct body_field fields[] = {text_of("certificate", note), {span_text("ordinal"), {.number = ordinal}}};
    const struct draft draft = {.verb = VERB_SUCCEED, .noun = "relationship", .body = body_of(fields, 2)};
    return record_append(STORE, ID, &author, &draft, 1, &s->begins, NULL, e);
}

static const struct call calls[] = {
    {"relationships", read_relationships, false},
    {"relationship", read_relationship, false},
    {"own certificate", read_certificate, false},
    {"feeds", read_feeds, false},
    {"own feeds", read_own_feeds, false},
    {"entries", read_entries, false},
    {"proofs", read_proofs, false},
    {"receipts", read_receipts, false},
    {"successors", read_successors, false},
    {"items", read_items, false},
    {"actions", read_actions, false},
    {"item", read_item, false},
    {"inbox", read_inbox, false},
    {"reference", read_reference, false},
    {"history", read_history, false},
    {"an item's history", read_items_history, false},
    {"invitations", read_invitations, false},
    {"invited", read_invited, false},
    {"setting", read_setting, false},
    {"tables' digest", digest, false},
    {"verify", verify, false},
    {"contact", write_contact, true},
    {"settings", write_settings, true},
    {"add", add, true},
    {"forget", forget, true},
    {"invitation", write_invitation, true},
    {"joining", write_joining, true},
    {"take a receipt", take_receipt, true},
    {"make a receipt", make_receipt, true},
    {"take entries", take_lot, true},
    {"append", append, true},
    {"rebuild", rebuild_record, true},
    {"begin a successor", begin_successor, true},
    {"successors now", read_successors, false},
};
static const struct call forked_calls[] = {
    {"take a fork", take_any, true},        {"forks", read_forks, false},           {"relationship", read_relationship, false},
    {"feeds", read_feeds, false},           {"items", read_items, false},           {"inbox", read_inbox, false},
    {"history", read_history, false},       {"verify", verify, false},              {"rebuild", rebuild_record, true},
    {"successors", read_successors, false}, {"tables' digest", digest, false},
};

static const struct call new_calls[] = {
    {"take what the opener said", take_any, true},
    {"take what another said", take_second, true},
    {"relationship", read_relationship, false},
    {"verify", verify, false},
};
static const struct call succeeded_calls[] = {
    {"take a successor", take_any, true},         {"successors", read_successors, false},
    {"countersign", countersign, true},           {"take a countersignature", take_second, true},
    {"successors then", read_successors, false},  {"verify", verify, false},
    {"history", read_history, false},             {"rebuild", rebuild_record, true},
};

/* ---- trying ---- */

struct attempt {
    struct scene *scene;
    const struct call *call;
    bool is_kept, is_done;
};

static bool attempt_inside(void *self, struct err *e)
{
    struct attempt *a = self;
    a->is_done = a->call->run(a->scene, e);
    return a->is_done && a->is_kept;
}

/* Like any caller of what writes: in one transaction. Unless it `is_kept`, all is rolled back. */
static bool attempt(struct scene *s, const struct call *call, bool is_kept, struct err *e)
{
    struct attempt a = {s, call, is_kept, false};
    if (!call->writes) return call->run(s, e);
    return store_transact(s->store, attempt_inside, &a, e) || (!is_kept && a.is_done);
}

/* Every value of every row, as somebody else who opens the database finds them. */
static uint64_t whole(const struct scene *s)
{
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    sqlite3 *db = NULL;
    sqlite3_stmt *names = NULL, *rows = NULL;
    assert_int_equal(sqlite3_open(s->p.sides[s->us].path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", -1, &names,
                                        NULL), SQLITE_OK);
    while (sqlite3_step(names) == SQLITE_ROW) {
        char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", (const char *)sqlite3_column_text(names, 0));
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
        while (sqlite3_step(rows) == SQLITE_ROW)
            for (int c = 0; c < sqlite3_column_count(rows); c++) {
                const uint8_t *at = sqlite3_column_blob(rows, c);
                int len = sqlite3_column_bytes(rows, c);
                digest = (digest ^ (uint64_t)len) * UINT64_C(0x100000001b3);
                for (int i = 0; i < len; i++) digest = (digest ^ at[i]) * UINT64_C(0x100000001b3);
            }
        sqlite3_finalize(rows);
        sqlite3_free(sql);
    }
    sqlite3_finalize(names);
    sqlite3_close(db);
    return digest;
}

/* Fails at one place more each time, until nothing is left to fail. Returns how many there were. */
static size_t fail_everywhere(struct scene *s, const struct call *call, enum failing failing)
{
    uint64_t before = call->writes ? whole(s) : 0;
    bool is_kept = failing == FAILING_STATEMENT;
    failing_start(failing);
    for (size_t places = 0;; places++) {
        struct err e = {0};
        enum err_code code = ERR_NONE;
        failing_arm();
        bool is_done = attempt(s, call, is_kept, &e);
        if (!failing_disarm(&code)) {
            if (!is_done) fail_msg("%s, when nothing fails: %s: %s", call->name, err_word(e.code), e.said);
            return places;
        }
        bool is_damage = failing == FAILING_VALUE || failing == FAILING_NUMBER;
        if (is_done && !is_damage) fail_msg("%s, place %zu: it did not notice", call->name, places);
        if (!is_done && (e.said[0] == '\0' || (code != ERR_NONE && e.code != code)))
            fail_msg("%s, place %zu: %s rather than %s: %s", call->name, places, err_word(e.code), err_word(code), e.said);
        if (call->writes && whole(s) != before) fail_msg("%s, place %zu: something of it was stored", call->name, places);
    }
}

static void fail_all(struct scene *s, const struct call *all, size_t count)
{
    static const char *const words[] = {"statements", "memory", "values", "numbers"};
    for (size_t i = 0; i < count; i++) {
        /* What is kept comes last. */
        static const enum failing order[] = {FAILING_VALUE, FAILING_NUMBER, FAILING_MEMORY, FAILING_STATEMENT};
        for (size_t n = 0; n < sizeof order / sizeof order[0]; n++) {
            size_t places = fail_everywhere(s, &all[i], order[n]);
            print_message("%s: %s: %zu\n", all[i].name, words[order[n]], places);
        }
    }
}

static void what_fails_is_said_and_leaves_nothing_behind(void **state)
{
    (void)state;
    static struct scene s;
    scene_open(&s);

    fail_all(&s, calls, sizeof calls / sizeof calls[0]);

    struct finding last = {0};
    assert_int_equal(verify_count(&s.p, ACME, &last), 0);
    scene_close(&s);
}

static void what_fails_around_a_fork_is_said_and_leaves_nothing_behind(void **state)
{
    (void)state;
    static struct scene s;
    scene_open_forked(&s);

    fail_all(&s, forked_calls, sizeof forked_calls / sizeof forked_calls[0]);

    struct finding last = {0};
    assert_int_equal(verify_count(&s.p, ACME, &last), 0);
    scene_close(&s);
}

static void what_fails_while_the_parties_become_known_is_said_too(void **state)
{
    (void)state;
    static struct scene s;
    static struct parties all;
    scene_open_new(&s, &all);

    fail_all(&s, new_calls, sizeof new_calls / sizeof new_calls[0]);

    struct finding last = {0};
    assert_int_equal(verify_count(&s.p, BOLT, &last), 0);
    replica_close(&s.p, BOLT);
    lot_free(s.lot);
    lot_free(s.second);
    parties_close(&all);
}

static void what_fails_while_a_feed_is_succeeded_is_said_too(void **state)
{
    (void)state;
    static struct scene s;
    scene_open_succeeded(&s);

    fail_all(&s, succeeded_calls, sizeof succeeded_calls / sizeof succeeded_calls[0]);

    struct finding last = {0};
    assert_int_equal(verify_count(&s.p, BOLT, &last), 0);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fails_is_said_and_leaves_nothing_behind),
        cmocka_unit_test(what_fails_around_a_fork_is_said_and_leaves_nothing_behind),
        cmocka_unit_test(what_fails_while_the_parties_become_known_is_said_too),
        cmocka_unit_test(what_fails_while_a_feed_is_succeeded_is_said_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

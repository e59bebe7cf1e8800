#include "tests/stage/scenes.h"

#include <stdio.h>
#include <string.h>

static const struct asker anna = {"anna", "manager"};
static const char *const codes[] = {"ACME", "BOLT"};
#define LASTS_S 864000

static struct home *home_at(struct stage *stage, unsigned node) { return stage->nodes[node].home; }

/* ---- steps: meeting ---- */

static bool is_conflict(const struct err *e) { return e->code == ERR_CONFLICT; }

static bool init_node(struct stage *stage, unsigned node, struct err *e)
{
    struct err why = {0};
    if (stage_init(stage, node, &why)) return true;
    if (is_conflict(&why) && stage_open(stage, node, e)) return true; /* it was made to its end, and the call failed after it */
    *e = why;
    return false;
}

static bool init_acme(struct stage *stage, struct err *e) { return init_node(stage, ACME, e); }
static bool init_bolt(struct stage *stage, struct err *e) { return init_node(stage, BOLT, e); }
static bool open_acme(struct stage *stage, struct err *e) { return stage_open(stage, ACME, e); }
static bool open_bolt(struct stage *stage, struct err *e) { return stage_open(stage, BOLT, e); }

static bool close_both(struct stage *stage, struct err *e)
{
    (void)e;
    stage_close(stage, ACME);
    stage_close(stage, BOLT);
    stage_close(stage, AGAIN);
    return true;
}

static bool acme_opens(struct stage *stage, struct err *e)
{
    return work_open(home_at(stage, ACME), &anna, STAGE_TITLE, codes, 2, &stage->id, e);
}

static bool acme_invites(struct stage *stage, struct err *e)
{
    static const char *const addresses[] = {"tcp://ACME.example:7700"};
    struct sink text = sink_over(stage->invitation, sizeof stage->invitation - 1);
    if (!pairing_invite(home_at(stage, ACME), &stage->id, "BOLT", addresses, 1, LASTS_S, &text, e)) return false;
    stage->invitation[text.len] = '\0';
    return true;
}

static bool bolt_joins(struct stage *stage, struct err *e)
{
    struct invitation invitation = {0};
    struct err why = {0};
    OWNED_BUFFER held = {0};
    bool is_joining = pairing_join(home_at(stage, BOLT), span_text(stage->invitation), NULL, &invitation, &why);
    invitation_wipe(&invitation);
    if (is_joining) return true;
    /* As the command line does: a join that was begun is gone on with. */
    if (is_conflict(&why) && relationship_own_certificate(home_store(home_at(stage, BOLT)), &stage->id, &held, NULL)) return true;
    *e = why;
    return false;
}

static bool talk(struct stage *stage, struct err *e) { return stage_talk(stage, BOLT, e); }

/* As `counterpart join` does: for the one relationship. */
static bool talk_to_join(struct stage *stage, struct err *e)
{
    stage->is_joining = true;
    bool is_fine = stage_talk(stage, BOLT, e);
    stage->is_joining = false;
    return is_fine;
}

static bool confirm(struct stage *stage, unsigned node, struct err *e)
{
    struct err why = {0};
    if (pairing_confirm(home_at(stage, node), &anna, &stage->id, codes[!node], CHECK_VOICE, &why) || is_conflict(&why)) return true;
    *e = why;
    return false;
}

static bool acme_confirms(struct stage *stage, struct err *e) { return confirm(stage, ACME, e); }
static bool bolt_confirms(struct stage *stage, struct err *e) { return confirm(stage, BOLT, e); }

/* ---- steps: working ---- */

static bool acme_proposes(struct stage *stage, struct err *e) { return stage_propose(stage, ACME, "Oil the press", &stage->spoken[0], e); }
static bool bolt_proposes(struct stage *stage, struct err *e) { return stage_propose(stage, BOLT, "Sweep the hall", &stage->spoken[1], e); }

static bool bolt_accepts(struct stage *stage, struct err *e)
{
    struct err why = {0};
    if (stage_word(stage, BOLT, VERB_ACCEPT, &stage->spoken[0], &why) || is_conflict(&why)) return true; /* said already */
    *e = why;
    return false;
}

static bool acme_withdraws(struct stage *stage, struct err *e)
{
    struct err why = {0};
    if (stage_word(stage, ACME, VERB_WITHDRAW, &stage->spoken[2], &why) || is_conflict(&why)) return true;
    *e = why;
    return false;
}

static bool acme_seals(struct stage *stage, struct err *e)
{
    size_t seals = 0;
    return work_seal(home_at(stage, ACME), &seals, e);
}

static bool bolt_changes_terms(struct stage *stage, struct err *e)
{
    const struct body_field field = {span_text("title"), {.is_text = true, .text = span_text("Oil the press twice")}};
    return work_propose(home_at(stage, BOLT), &anna, &stage->id, vocabulary_find(span_text("action")), &stage->spoken[3], &field, 1,
                        &stage->spoken[4], e);
}

static bool acme_states(struct stage *stage, struct err *e)
{
    const struct body_field fields[] = {{span_text("status"), {.is_text = true, .text = span_text("in_progress")}},
                                        {span_text("percent"), {.number = 40}}};
    return work_state(home_at(stage, ACME), &anna, &stage->id, vocabulary_find(span_text("action")), &stage->spoken[3], fields, 2,
                      &stage->spoken[5], e);
}

static bool bolt_disputes(struct stage *stage, struct err *e) { return stage_word(stage, BOLT, VERB_DISPUTE, &stage->spoken[5], e); }

static bool bolt_comments(struct stage *stage, struct err *e)
{
    struct hash said = {0};
    return work_comment(home_at(stage, BOLT), &anna, &stage->id, &stage->spoken[3], span_text("Which press?"), &said, e);
}

#define ROWS 60
static bool acme_imports(struct stage *stage, struct err *e)
{
    static const char title[] = "Bolt down the press, check its level, and note both readings in the book";
    struct body_field field = {span_text("title"), {.is_text = true, .text = span_text(title)}};
    struct row rows[ROWS];
    struct hash proposals[ROWS];
    for (size_t i = 0; i < ROWS; i++) rows[i] = (struct row){&field, 1};
    return work_propose_many(home_at(stage, ACME), &anna, &stage->id, vocabulary_find(span_text("action")), rows, ROWS, proposals, e);
}

struct rebuilding {
    struct store *store;
    const struct relationship_id *id;
};
static bool rebuild_inside(void *self, struct err *e)
{
    const struct rebuilding *r = self;
    return record_rebuild(r->store, r->id, e);
}

static bool acme_rebuilds(struct stage *stage, struct err *e)
{
    struct rebuilding r = {home_store(home_at(stage, ACME)), &stage->id};
    return store_transact(r.store, rebuild_inside, &r, e);
}

static bool bolt_renews_its_receipt_key(struct stage *stage, struct err *e) { return home_receipt_key_renew(home_at(stage, BOLT), e); }
static bool bolt_announces(struct stage *stage, struct err *e) { return pairing_announce(home_at(stage, BOLT), &anna, e); }

static bool bolt_moves_its_address(struct stage *stage, struct err *e)
{
    return contact_put(home_store(home_at(stage, BOLT)), &stage->id, "ACME", "tcp://ACME.example:7701", NULL, NULL, e);
}

/* ---- steps: trouble that is no fault of the disk ---- */

static bool again_proposes(struct stage *stage, struct err *e)
{
    return stage_propose(stage, AGAIN, "Paint the hall", &stage->spoken[6], e);
}
static bool again_talks(struct stage *stage, struct err *e) { return stage_talk(stage, AGAIN, e); }
static bool bolt_adopts(struct stage *stage, struct err *e) { return home_adopt(home_at(stage, BOLT), e); }

/* A second machine runs a copy of BOLT, marker and all. */
static bool copy_bolt(struct stage *stage, struct err *e)
{
    struct disk_options options = stage_disk_options(stage, AGAIN);
    stage_close(stage, BOLT);
    stage_seat(stage, AGAIN, disk_copy(stage->nodes[BOLT].disk, &options));
    return stage_open(stage, BOLT, e) && stage_open(stage, AGAIN, e);
}

/* BOLT says something, ACME has it, and BOLT's folder becomes what it was before. */
static bool put_bolt_back(struct stage *stage, struct err *e)
{
    struct disk_options options = stage_disk_options(stage, AGAIN);
    struct disk *backup = NULL;
    stage_close(stage, BOLT);
    backup = disk_copy(stage->nodes[BOLT].disk, &options);
    bool is_fine = stage_open(stage, BOLT, e) && bolt_proposes(stage, e) && talk(stage, e);
    stage_close(stage, BOLT);
    disk_put_back(stage->nodes[BOLT].disk, backup, stage->nodes[BOLT].path);
    disk_free(backup);
    return is_fine && stage_open(stage, BOLT, e);
}

static bool acme_has_withdrawn_nothing(struct stage *stage, struct err *e)
{
    return stage_propose(stage, ACME, "Move the press", &stage->spoken[2], e) && talk(stage, e);
}

static bool acme_has_offered(struct stage *stage, struct err *e) { return acme_proposes(stage, e) && talk(stage, e); }
static bool acme_has_imported(struct stage *stage, struct err *e) { return acme_imports(stage, e); }
static bool both_are_made(struct stage *stage, struct err *e)
{
    return init_acme(stage, e) && init_bolt(stage, e) && open_acme(stage, e) && open_bolt(stage, e);
}

static bool acme_is_made(struct stage *stage, struct err *e) { return init_acme(stage, e) && open_acme(stage, e); }

static bool both_have_spoken(struct stage *stage, struct err *e)
{
    return acme_proposes(stage, e) && bolt_proposes(stage, e) && bolt_comments(stage, e);
}

static const struct scene all[] = {
    {"init", .is_from_nothing = true, .is_meeting = true, .before = acme_is_made, .steps = {init_bolt, open_bolt}},
    {"open and invite", .is_from_nothing = true, .is_meeting = true, .before = both_are_made, .steps = {acme_opens, acme_invites, close_both}},
    {"pairing", .is_from_nothing = true, .is_meeting = true, .before = both_are_made,
     .steps = {acme_opens, acme_invites, bolt_joins, talk_to_join, acme_confirms, bolt_confirms, talk, close_both}},
    {"another relationship", .is_meeting = true, .steps = {acme_opens, acme_invites, bolt_joins, talk_to_join, acme_confirms, bolt_confirms, talk}},
    {"propose", .steps = {acme_proposes, bolt_proposes, talk}},
    {"accept and seal", .before = acme_has_offered, .steps = {bolt_accepts, talk, acme_seals, talk}},
    {"import", .steps = {acme_imports, close_both}},
    {"take a batch", .before = acme_has_imported, .steps = {talk, close_both}},
    {"receipts", .before = both_have_spoken, .steps = {talk, talk}},
    {"statements", .steps = {acme_states, talk, bolt_disputes, bolt_comments, talk}},
    {"crossing terms", .before = acme_has_withdrawn_nothing, .steps = {bolt_changes_terms, acme_withdraws, talk}},
    {"a fork becomes known", .is_forked = true, .before = copy_bolt, .steps = {bolt_proposes, talk, again_proposes, again_talks}},
    {"rebuild", .steps = {acme_rebuilds, close_both}},
    {"a new receipt key", .steps = {bolt_renews_its_receipt_key, bolt_announces, talk}},
    {"a restored home", .is_restored = true, .before = put_bolt_back, .steps = {bolt_adopts, talk, bolt_comments, talk}},
    {"close and open", .before = both_have_spoken, .steps = {close_both, open_acme, open_bolt, talk, close_both}},
    {"an address", .steps = {bolt_moves_its_address, close_both}},
};

const struct scene *scenes(size_t *count)
{
    *count = sizeof all / sizeof all[0];
    return all;
}

/* ---- before and after ---- */

bool scene_base(struct stage *stage, struct err *e)
{
    scene_step *const steps[] = {both_are_made, acme_opens, acme_invites, bolt_joins, talk, acme_confirms, bolt_confirms, talk,
                                 acme_proposes, talk, bolt_accepts, talk, talk};
    stage_seat_new(stage, ACME);
    stage_seat_new(stage, BOLT);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (!steps[i](stage, e)) return err_because(e, "step %zu of the base", i);
    stage->spoken[3] = stage->spoken[0]; /* a new item is known by its first proposal */
    (void)close_both(stage, e);
    disk_settle(stage->nodes[ACME].disk);
    disk_settle(stage->nodes[BOLT].disk);
    return true;
}

struct stage *scene_begin(const struct scene *scene, const struct stage *base, const char *name, uint64_t seed, bool keeps_changes)
{
    struct err e = {0};
    struct stage *stage = NULL;
    if (scene->is_from_nothing) {
        stage = stage_new(name, seed, keeps_changes);
        stage_seat_new(stage, ACME);
        stage_seat_new(stage, BOLT);
    } else {
        stage = stage_copy(base, name, seed, keeps_changes);
        must(stage_open(stage, ACME, &e) && stage_open(stage, BOLT, &e));
    }
    if (scene->before && !scene->before(stage, &e)) {
        fprintf(stderr, "%s: before: %s\n", scene->name, e.said);
        must(!"a scene begins");
    }
    for (unsigned n = 0; n < STAGE_NODES; n++)
        if (stage->nodes[n].disk) disk_settle(stage->nodes[n].disk);
    stage->promise_count = 0;
    return stage;
}

static bool takes_in_use_again(struct stage *stage, unsigned node, struct err *e)
{
    struct home *home = home_at(stage, node);
    if (home_health(home) == HEALTH_FINE) return true;
    if (home_health(home) != HEALTH_RECOVERING && !home_adopt(home, e)) return false;
    if (!stage_talk(stage, BOLT, e)) return false;
    return home_may_work(home, false, e);
}

static bool holds(struct stage *stage, unsigned node)
{
    OWNED_BUFFER note = {0};
    return relationship_own_certificate(home_store(home_at(stage, node)), &stage->id, &note, NULL);
}

/* Whatever of the pairing is not there yet. */
static bool pairs(struct stage *stage, struct err *e)
{
    if (!holds(stage, ACME) && !acme_opens(stage, e)) return err_because(e, "opening again");
    if (!holds(stage, BOLT)) {
        if (!acme_invites(stage, e)) return err_because(e, "inviting again");
        if (!bolt_joins(stage, e)) return err_because(e, "joining again");
    }
    if (!talk_to_join(stage, e)) return err_because(e, "pairing again");
    return acme_confirms(stage, e) && bolt_confirms(stage, e) && talk(stage, e);
}

/* Receipts for what was said last may need a second conversation. */
static bool comes_in_step(struct stage *stage, struct err *e)
{
    for (unsigned talks = 0; talks < 3; talks++) {
        if (!talk(stage, e)) return false;
        if (stage_in_step(stage, ACME, e) && stage_in_step(stage, BOLT, e)) return true;
    }
    return false;
}

static bool makes_home(struct stage *stage, unsigned node, struct err *e)
{
    struct err why = {0};
    if (stage_open(stage, node, &why)) return true;
    if (why.code != ERR_MISSING) {
        *e = why;
        return false;
    }
    return (stage_init(stage, node, e) || err_because(e, "making the home again")) && stage_open(stage, node, e);
}

bool scene_goes_on(const struct scene *scene, struct stage *stage, unsigned node, struct err *e)
{
    struct hash said = {0};
    unsigned other = node == ACME ? BOLT : ACME;
    if (!makes_home(stage, node, e) || !makes_home(stage, other, e)) return false;
    if (scene->is_forked) {
        unsigned dialer = node == AGAIN ? AGAIN : BOLT;
        return (stage_propose(stage, ACME, "Go on", &said, e) || err_because(e, "saying one more thing")) &&
               (stage_talk(stage, dialer, e) || err_because(e, "exchanging it"));
    }
    if (!takes_in_use_again(stage, BOLT, e)) return err_because(e, "taking it in use again");
    if (scene->is_meeting && !pairs(stage, e)) return false;
    if (!stage_propose(stage, node, "Go on", &said, e)) return err_because(e, "saying one more thing");
    if (!comes_in_step(stage, e)) return err_because(e, "exchanging it");
    return stage_verify(stage, node, e);
}

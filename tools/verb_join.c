/* join - takes an invitation and meets the one who sent it. */
#include "node/pairing.h"
#include "tools/choose.h"
#include "tools/moment.h"
#include "tools/talk.h"
#include "tools/verbs.h"

#include <stdio.h>
#include <string.h>

/* The invitation has been taken already, by an earlier `join` that may not have reached anybody: go on from there. */
static bool take_again(struct command *c, span text, struct invitation *out, struct err *e)
{
    OWNED(relationship_free) struct relationship *held = NULL;
    if (!invitation_read(text, out, e)) return false;
    return choose_load(c, &out->relationship, &held, e);
}

static bool take(struct command *c, span text, struct invitation *out, struct err *e)
{
    struct err again = {0};
    if (pairing_join(c->home, text, command_value(c, "address"), out, e)) return true;
    return e->code == ERR_CONFLICT && take_again(c, text, out, &again);
}

static const struct party *find_inviter(const struct relationship *relationship,
                                        const struct invitation *invitation)
{
    for (size_t i = 0; i < relationship->party_count; i++)
        if (strcmp(relationship->parties[i].code, invitation->inviter.code) == 0)
            return &relationship->parties[i];
    return NULL;
}

/* The opener's feed is here, and both have seen the same check words. */
static bool is_joined(const struct relationship *relationship, const struct party *inviter)
{
    return relationship->is_open_known && inviter && inviter->is_known && inviter->words[0];
}

static bool not_reached(const struct invitation *invitation, const struct runner_outcome *outcome,
                        struct err *e)
{
    (void)err_set(e, ERR_CLOSED, "%s could not be reached%s%s", invitation->inviter.code,
                  outcome->failure[0] ? ": " : "", outcome->failure);
    return err_next(
        e, "the invitation is kept: `counterpart sync` tries again, and so does this command");
}

static bool voided(const struct invitation *invitation, struct err *e)
{
    (void)err_set(e, ERR_REFUSED, "%s has voided this invitation", invitation->inviter.code);
    return err_next(e, "ask %s for a new one, then: counterpart join FILE", invitation->inviter.code);
}

bool verb_join(struct command *c, struct err *e)
{
    OWNED(relationship_free) struct relationship *relationship = NULL;
    OWNED_BUFFER text = {0};
    struct invitation invitation = {0};
    struct runner_outcome outcome = {0};
    if (!command_work(c, e)) return false;
    if (!command_read_file(command_word(c, 0), 4 * INVITATION_TEXT_MAX, &text, e)) return false;
    if (!take(c, buffer_span(&text), &invitation, e)) return false;
    if (!choose_load(c, &invitation.relationship, &relationship, e)) return false;
    if (!is_joined(relationship, find_inviter(relationship, &invitation))) {
        char title[TITLE_BYTES_MAX + 1] = {0}, name[NAME_BYTES_MAX + 1] = {0};
        fprintf(stderr, "%s (%s, %s) invites %s to \"%s\".\n",
                span_show(span_text(invitation.inviter.name), name, sizeof name),
                invitation.inviter.code, invitation.inviter.domain, invitation.invited,
                span_show(span_text(invitation.title), title, sizeof title));
        if (!talk_once(c, NULL, &invitation.relationship, &outcome, e)) return false;
        relationship_free(GIVE(relationship));
        if (!choose_load(c, &invitation.relationship, &relationship, e)) return false;
    }
    const struct party *inviter = find_inviter(relationship, &invitation);
    if (choose_is_voided(c, relationship)) return voided(&invitation, e);
    if (!is_joined(relationship, inviter)) return not_reached(&invitation, &outcome, e);
    if (c->json) {
        json_put_hex(c->json, "relationship", relationship_span(&relationship->id));
        json_put_text(c->json, "title", relationship->title);
        json_put_text(c->json, "party", inviter->code);
        json_put_text(c->json, "words", inviter->words);
        return true;
    }
    printf("Joined. Check words with %s:  %s\n", inviter->code, inviter->words);
    printf("Read them to each other, on a line you know to be theirs. When they are the same on "
           "both sides:\n");
    printf("  counterpart confirm %s --how voice\n", inviter->code);
    return true;
}

/* confirm, relationships - who the others are, and how we know. */
#include "crypto/words.h"
#include "node/pairing.h"
#include "node/succession.h"
#include "tools/choose.h"
#include "tools/moment.h"
#include "tools/table.h"
#include "tools/verbs.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ------------------------------------------------------------ confirm */

/* `feed_words` are of a new feed of the party that waits for us, or empty. */
static bool ask_how(const struct party *party, const char *identity_words, const char *feed_words,
                    enum check *out, struct err *e)
{
    char answer[16] = {0};
    if (!terminal_can_ask()) {
        (void)err_set(e, ERR_USAGE, "it is not said how %s was checked", party->code);
        return err_next(e, "add --how voice, --how in-person or --how not-checked");
    }
    if (feed_words[0])
        fprintf(stderr, "%s goes on in a new feed. Check words:\n  %s\n", party->code, feed_words);
    else if (party->words[0]) fprintf(stderr, "Check words with %s:\n  %s\n", party->code, party->words);
    else
        fprintf(stderr, "%s was introduced to you; words from both identity keys:\n  %s\n",
                party->code, identity_words);
    fprintf(stderr, "Read them to each other. Only if they are the same on both sides:\n");
    if (!terminal_ask(
            "How did you check? [v]oice, [i]n person, [n]ot checked, anything else to leave it: ",
            answer, sizeof answer))
        return err_set(e, ERR_USAGE, "nothing was answered");
    if (strcasecmp(answer, "v") == 0 || strcasecmp(answer, "voice") == 0) *out = CHECK_VOICE;
    else if (strcasecmp(answer, "i") == 0 || strcasecmp(answer, "in-person") == 0)
        *out = CHECK_IN_PERSON;
    else if (strcasecmp(answer, "n") == 0 || strcasecmp(answer, "not-checked") == 0)
        *out = CHECK_NOT_CHECKED;
    else return err_set(e, ERR_REFUSED, "%s is left as it was", party->code);
    return true;
}

/* "voice", "in-person", "not-checked", with any of "-", "_" and " " between the words. */
static bool read_how(const char *typed, enum check *out, struct err *e)
{
    static const struct {
        const char *word;
        enum check check;
    } hows[] = {
        {"voice", CHECK_VOICE}, {"in-person", CHECK_IN_PERSON}, {"not-checked", CHECK_NOT_CHECKED}};
    char word[16] = {0};
    for (size_t i = 0; typed[i] && i < sizeof word - 1; i++)
        word[i] = typed[i] == '_' || typed[i] == ' ' ? '-' : typed[i];
    for (size_t i = 0; i < sizeof hows / sizeof hows[0]; i++)
        if (strcasecmp(word, hows[i].word) == 0) {
            *out = hows[i].check;
            return true;
        }
    (void)err_set(e, ERR_USAGE, "--how is '%.30s'", typed);
    return err_next(e, "it is voice, in-person or not-checked");
}

static void identity_words_of(struct command *c, const struct party *party,
                              char out[WORDS_TEXT_MAX])
{
    out[0] = '\0';
    if (party->is_known)
        pairing_identity_words(&home_organisation(c->home)->identity, &party->certificate.identity,
                               out, WORDS_TEXT_MAX);
}

static bool put_address(struct command *c, const struct relationship *relationship,
                        const char *code, const char *address, struct err *e)
{
    if (strlen(address) > ADDRESS_BYTES_MAX || (address[0] && !strstr(address, "://"))) {
        (void)err_set(e, ERR_USAGE, "'%.60s' is no address", address);
        return err_next(e, "an address is written tcp://HOST:PORT");
    }
    return contact_put(c->store, &relationship->id, code, address, NULL, NULL, e);
}

bool verb_confirm(struct command *c, struct err *e)
{
    OWNED(relationship_free) struct relationship *relationship = NULL;
    const struct party *party = NULL;
    const char *how = command_value(c, "how"), *address = command_value(c, "address");
    char words[WORDS_TEXT_MAX] = {0}, code[CODE_BYTES_MAX + 1] = {0};
    enum check check = CHECK_NONE;
    if (!command_work(c, e) || !choose_relationship(c, &relationship, e)) return false;
    if (!choose_party(relationship, command_word(c, 0), &party, e)) return false;
    memcpy(code, party->code, sizeof code);
    identity_words_of(c, party, words);
    if (address && !put_address(c, relationship, code, address, e)) return false;
    if (how || !address) {
        if (!party->is_known) {
            (void)err_set(e, ERR_MISSING, "%s has not joined yet", code);
            return err_next(
                e,
                "send it the invitation: counterpart invite --party %s --address tcp://HOST:PORT",
                code);
        }
        struct successor awaited;
        bool is_awaited = false;
        char feed_words[WORDS_TEXT_MAX] = {0};
        unsigned number = party->party;
        if (!succession_awaited(c->home, &relationship->id, number, &is_awaited, &awaited, e)) return false;
        if (is_awaited) succession_words(&awaited.begins, feed_words, sizeof feed_words);
        if (how ? !read_how(how, &check, e) : !ask_how(party, words, feed_words, &check, e)) return false;
        if (!(is_awaited && party->is_confirmed) &&
            !pairing_confirm(c->home, &c->asker, &relationship->id, code, check, e))
            return false;
        if (is_awaited && !succession_countersign(c->home, &c->asker, &relationship->id, &awaited, check, e))
            return false;
    }
    relationship_free(GIVE(relationship));
    if (!choose_relationship(c, &relationship, e) || !choose_party(relationship, code, &party, e))
        return false;
    if (c->json) {
        json_put_hex(c->json, "relationship", relationship_span(&relationship->id));
        json_put_text(c->json, "party", code);
        json_put_text(c->json, "check", check_word(party->check));
        json_put_bool(c->json, "confirmed", party->is_confirmed);
        json_put_text(c->json, "address", party->address[0] ? party->address : NULL);
        return true;
    }
    if (check != CHECK_NONE) printf("%s is confirmed: %s.\n", code, check_word(check));
    if (address) printf("%s is dialled at %s.\n", code, address[0] ? address : "(no address)");
    return true;
}

/* ------------------------------------------------------------ relationships */

static void party_json(struct command *c, const struct relationship *relationship, unsigned number)
{
    const struct party *party = &relationship->parties[number];
    char words[WORDS_TEXT_MAX] = {0};
    json_start_object(c->json, NULL);
    json_put_text(c->json, "code", party->code);
    json_put_bool(c->json, "is_us", number == relationship->our_party);
    json_put_bool(c->json, "known", party->is_known);
    json_put_text(c->json, "name", party->is_known ? party->certificate.name : NULL);
    json_put_text(c->json, "domain", party->is_known ? party->certificate.domain : NULL);
    if (party->is_known) {
        struct hash fingerprint = key_fingerprint(&party->certificate.identity);
        json_put_hex(c->json, "fingerprint", hash_span(&fingerprint));
    } else {
        json_put_null(c->json, "fingerprint");
    }
    json_put_bool(c->json, "confirmed", party->is_confirmed);
    json_put_text(c->json, "check", check_word(party->check));
    json_put_text(c->json, "introduced_by",
                  party->is_introduced ? party_code(relationship, party->introduced_by) : NULL);
    json_put_text(c->json, "words", party->words[0] ? party->words : NULL);
    if (number != relationship->our_party) identity_words_of(c, party, words);
    json_put_text(c->json, "identity_words", words[0] ? words : NULL);
    json_put_text(c->json, "address", party->address[0] ? party->address : NULL);
    json_end(c->json);
}

/* "voice", "introduced by ACME, not checked", "not joined yet": how well we know a party. */
static const char *acquaintance(const struct relationship *relationship, unsigned number, char *out,
                                size_t cap)
{
    const struct party *party = &relationship->parties[number];
    bool is_checked = party->check == CHECK_VOICE || party->check == CHECK_IN_PERSON;
    if (relationship->is_open_known && number == relationship->our_party)
        (void)snprintf(out, cap, "this is us");
    else if (!party->is_known) (void)snprintf(out, cap, "not joined yet");
    else if (is_checked) (void)snprintf(out, cap, "checked: %s", check_word(party->check));
    else if (party->is_introduced)
        (void)snprintf(out, cap, "introduced by %s, not checked",
                       party_code(relationship, party->introduced_by));
    else if (party->is_confirmed) (void)snprintf(out, cap, "not checked");
    else (void)snprintf(out, cap, "waits for your confirmation");
    return out;
}

static bool print_parties(struct command *c, const struct relationship *relationship, struct err *e)
{
    static const char *const headings[] = {"Code", "Name", "Domain", "How we know it", "Address"};
    OWNED(table_free) struct table *table = NULL;
    if (!table_new(&table, headings, sizeof headings / sizeof headings[0], e)) return false;
    for (unsigned i = 0; i < relationship->party_count; i++) {
        const struct party *party = &relationship->parties[i];
        char known[80] = {0};
        table_put_text(table, party->code, PAINT_STRONG);
        table_put_text(table, party->is_known ? party->certificate.name : "", PAINT_PLAIN);
        table_put_text(table, party->is_known ? party->certificate.domain : "", PAINT_PLAIN);
        table_put_text(table, acquaintance(relationship, i, known, sizeof known), PAINT_PLAIN);
        table_put_text(table, party->address, PAINT_PLAIN);
    }
    if (!table_print(table, "  ", false, e)) return false;
    for (unsigned i = 0; i < relationship->party_count; i++) {
        const struct party *party = &relationship->parties[i];
        char words[WORDS_TEXT_MAX] = {0};
        bool is_checked = party->check == CHECK_VOICE || party->check == CHECK_IN_PERSON;
        if (!party->is_known || is_checked || i == relationship->our_party) continue;
        identity_words_of(c, party, words);
        if (party->words[0])
            printf("  Check words with %s:  %s%s%s\n", party->code, terminal_paint(PAINT_STRONG),
                   party->words, terminal_paint(PAINT_PLAIN));
        else printf("  Words from your and %s's identity keys:  %s\n", party->code, words);
    }
    return true;
}

struct invitations {
    struct command *c;
    uint64_t now_s;
};

static bool one_invitation(void *self, const struct invited *invited)
{
    struct invitations *invitations = self;
    struct command *c = invitations->c;
    char moment[MOMENT_TEXT_MAX] = {0};
    if (invited->expires_s <= invitations->now_s) return true;
    moment_iso((int64_t)invited->expires_s, moment, sizeof moment);
    if (c->json) {
        json_start_object(c->json, NULL);
        json_put_text(c->json, "party", invited->code);
        json_put_text(c->json, "expires", moment);
        json_put_bool(c->json, "used", invited->is_bound);
        json_end(c->json);
        return true;
    }
    printf("  Invitation for %s, until %s%s\n", invited->code, moment,
           invited->is_bound ? ", used" : "");
    return true;
}

/* An invitation we took whose sender has not been met yet. */
static bool is_joining(struct command *c, const struct relationship *relationship)
{
    OWNED_BUFFER text = {0};
    return joining_get(c->store, &relationship->id, &text, NULL);
}

static bool one_relationship(struct command *c, const struct relationship *relationship, void *self,
                             struct err *e)
{
    struct invitations invitations = {c, (uint64_t)(command_now_ms(c) / 1000)};
    char digits[2 * sizeof relationship->id.bytes + 1] = {0}, title[TITLE_BYTES_MAX + 1] = {0};
    size_t *shown = self;
    hex_write(relationship_span(&relationship->id), digits, sizeof digits);
    if (c->json) {
        json_start_object(c->json, NULL);
        json_put_text(c->json, "relationship", digits);
        json_put_text(c->json, "title", relationship->title);
        json_put_bool(c->json, "joining", is_joining(c, relationship));
        json_start_array(c->json, "parties");
        for (unsigned i = 0; i < relationship->party_count; i++) party_json(c, relationship, i);
        json_end(c->json);
        json_start_array(c->json, "invitations");
    } else {
        printf("%s%s%s%s  %s\n", (*shown)++ ? "\n" : "", terminal_paint(PAINT_STRONG),
               span_show(span_text(relationship->title), title, sizeof title),
               terminal_paint(PAINT_PLAIN), digits);
        if (is_joining(c, relationship))
            printf("  Invited; the sender has not been met yet: `counterpart sync` tries again.\n");
        if (!print_parties(c, relationship, e)) return false;
    }
    if (!invited_each(c->store, &relationship->id, one_invitation, &invitations, e)) return false;
    if (c->json) {
        json_end(c->json);
        json_end(c->json);
    }
    return true;
}

bool verb_relationships(struct command *c, struct err *e)
{
    size_t shown = 0;
    if (!command_home(c, e)) return false;
    if (c->json) json_start_array(c->json, "relationships");
    if (!choose_each(c, one_relationship, &shown, e)) return false;
    if (c->json) json_end(c->json);
    else if (shown == 0)
        fprintf(
            stderr,
            "No relationship yet: counterpart open TITLE --party CODE, or counterpart join FILE\n");
    return true;
}

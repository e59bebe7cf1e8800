/* open, invite - starting a relationship, and asking the others in. */
#include "node/pairing.h"
#include "tools/choose.h"
#include "tools/moment.h"
#include "tools/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAYS_USUAL 14
#define DAYS_MOST 365
#define DAY_S (24 * 3600)

/* Our code first, then what --party and the words after the title name; our own may be among them. */
static bool read_codes(struct command *c, char codes[][CODE_BYTES_MAX + 1], size_t *count,
                       struct err *e)
{
    const char *typed[PARTIES_MAX * 2] = {NULL};
    size_t typed_count = arguments_values(&c->arguments, "party", typed, PARTIES_MAX);
    if (typed_count > PARTIES_MAX)
        return err_set(e, ERR_USAGE, "there are more than %d parties", PARTIES_MAX);
    for (size_t i = 1; i < command_words(c) && typed_count < PARTIES_MAX * 2; i++)
        typed[typed_count++] = command_word(c, i);
    memcpy(codes[0], home_organisation(c->home)->code, CODE_BYTES_MAX + 1);
    *count = 1;
    for (size_t i = 0; i < typed_count; i++) {
        char code[CODE_BYTES_MAX + 1] = {0};
        if (!choose_code(typed[i], code, e)) return false;
        if (strcmp(code, codes[0]) == 0) continue;
        if (*count == PARTIES_MAX)
            return err_set(e, ERR_USAGE, "there are more than %d parties", PARTIES_MAX);
        memcpy(codes[(*count)++], code, sizeof code);
    }
    if (*count >= PARTIES_MIN) return true;
    (void)err_set(e, ERR_USAGE, "a relationship has at least one other party");
    return err_next(e, "name it with --party CODE");
}

bool verb_open(struct command *c, struct err *e)
{
    char codes[PARTIES_MAX][CODE_BYTES_MAX + 1] = {{0}};
    const char *list[PARTIES_MAX] = {NULL};
    size_t count = 0;
    struct relationship_id id = {0};
    char digits[2 * sizeof id.bytes + 1] = {0};
    if (!command_work(c, e) || !read_codes(c, codes, &count, e)) return false;
    for (size_t i = 0; i < count; i++) list[i] = codes[i];
    if (!work_open(c->home, &c->asker, command_word(c, 0), list, count, &id, e)) return false;
    hex_write(relationship_span(&id), digits, sizeof digits);
    if (c->json) {
        json_put_text(c->json, "relationship", digits);
        json_put_text(c->json, "title", command_word(c, 0));
        json_start_array(c->json, "parties");
        for (size_t i = 0; i < count; i++) json_put_text(c->json, NULL, list[i]);
        json_end(c->json);
        return true;
    }
    printf("%s\n", digits);
    fprintf(
        stderr,
        "Opened. Next: counterpart invite --party %s --address tcp://HOST:PORT > %s.invitation\n",
        list[1], list[1]);
    return true;
}

static bool read_days(struct command *c, uint64_t *seconds, struct err *e)
{
    const char *typed = command_value(c, "days");
    char *end = NULL;
    long days = typed ? strtol(typed, &end, 10) : DAYS_USUAL;
    if (typed && (end == typed || *end || days < 1 || days > DAYS_MOST))
        return err_set(e, ERR_USAGE, "--days is '%.20s', it should be 1 to %d", typed, DAYS_MOST);
    *seconds = (uint64_t)days * DAY_S;
    return true;
}

bool verb_invite(struct command *c, struct err *e)
{
    OWNED(relationship_free) struct relationship *relationship = NULL;
    const char *addresses[ADDRESSES_MAX] = {NULL};
    const char *party = command_value(c, "party") ? command_value(c, "party") : command_word(c, 0);
    size_t address_count = arguments_values(&c->arguments, "address", addresses, ADDRESSES_MAX);
    char text[INVITATION_TEXT_MAX + 1] = {0}, code[CODE_BYTES_MAX + 1] = {0},
                                    moment[MOMENT_TEXT_MAX] = {0};
    struct sink out = sink_over(text, INVITATION_TEXT_MAX);
    uint64_t lasts_s = 0;
    bool is_replacing = false; /* somebody has come by an earlier invitation */
    if (!party || address_count == 0) {
        (void)err_set(e, ERR_USAGE, "invite needs --party and --address");
        return err_next(e, "the address is where your `counterpart serve` can be reached, such as "
                           "tcp://host.example:7700");
    }
    if (address_count > ADDRESSES_MAX)
        return err_set(e, ERR_USAGE, "there are more than %d addresses", ADDRESSES_MAX);
    if (!choose_code(party, code, e) || !read_days(c, &lasts_s, e)) return false;
    if (!command_work(c, e) || !choose_relationship(c, &relationship, e)) return false;
    for (unsigned i = 0; i < relationship->party_count; i++)
        is_replacing |= relationship->parties[i].is_guest && strcmp(relationship->parties[i].code, code) == 0;
    if (!pairing_invite(c->home, &relationship->id, code, addresses, address_count, lasts_s, &out,
                        e))
        return false;
    moment_iso(command_now_ms(c) / 1000 + (int64_t)lasts_s, moment, sizeof moment);
    if (c->json) {
        json_put_text(c->json, "invitation", text);
        json_put_hex(c->json, "relationship", relationship_span(&relationship->id));
        json_put_text(c->json, "party", code);
        json_put_text(c->json, "expires", moment);
        json_put_bool(c->json, "replaces_guest", is_replacing);
        return true;
    }
    fputs(text, stdout);
    if (out.len && text[out.len - 1] != '\n') fputc('\n', stdout);
    if (is_replacing)
        fprintf(stderr, "Whoever had joined as %s has lost its place: it is refused, and is told so.\n", code);
    fprintf(
        stderr,
        "For %s, once, until %s. It holds a secret: send it in a way that only they can read.\n",
        code, moment);
    return true;
}

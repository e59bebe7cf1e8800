/* init, whoami - the home and the organisation it speaks for. */
#include "tools/terminal.h"
#include "tools/verbs.h"

#include <stdio.h>
#include <string.h>

#include "crypto/sealed.h"

/* A passphrase, typed twice. */
static bool ask_new_passphrase(struct command *c, struct err *e)
{
    char first[PASSPHRASE_BYTES_MAX + 1] = {0}, second[PASSPHRASE_BYTES_MAX + 1] = {0};
    bool is_kept = false;
    fprintf(stderr, "The keys of this home are kept under a passphrase (--no-passphrase leaves "
                    "them open to whoever\n"
                    "can read your files). There is no way to recover a forgotten one.\n");
    if (!terminal_ask_secret("Passphrase: ", first, sizeof first) ||
        !terminal_ask_secret("Once more:  ", second, sizeof second))
        (void)err_set(e, ERR_USAGE, "no passphrase was typed");
    else if (strcmp(first, second) != 0) (void)err_set(e, ERR_USAGE, "the two passphrases differ");
    else is_kept = command_keep_passphrase(c, span_text(first), e);
    secret_wipe(first, sizeof first);
    secret_wipe(second, sizeof second);
    return is_kept;
}

static bool choose_protection(struct command *c, struct err *e)
{
    bool is_sealed = command_value(c, "passphrase-file") != NULL;
    bool is_open = command_has(c, "no-passphrase");
    if (is_sealed && is_open)
        return err_set(e, ERR_USAGE, "--passphrase-file and --no-passphrase exclude each other");
    if (is_sealed || is_open) return true;
    if (terminal_can_ask()) return ask_new_passphrase(c, e);
    (void)err_set(e, ERR_USAGE, "it is not said how the keys are to be kept");
    return err_next(e, "add --passphrase-file FILE, or --no-passphrase to leave them open to "
                       "whoever can read your files");
}

static bool read_organisation(struct command *c, struct organisation *out, struct err *e)
{
    const char *name = command_value(c, "name"), *domain = command_value(c, "domain"),
               *code = command_value(c, "code");
    struct organisation organisation = {0};
    if (!name || !domain || !code) {
        (void)err_set(e, ERR_USAGE, "init needs --name, --domain and --code");
        return err_next(e,
                        "counterpart init --name \"Acme Ltd\" --domain acme.example --code ACME");
    }
    if (!name_is_valid(span_text(name)) ||
        !span_to_text(span_text(name), organisation.name, sizeof organisation.name))
        return err_set(e, ERR_USAGE, "--name is not one line of 1 to %d bytes", NAME_BYTES_MAX);
    if (!domain_is_valid(span_text(domain)) ||
        !span_to_text(span_text(domain), organisation.domain, sizeof organisation.domain)) {
        (void)err_set(e, ERR_USAGE, "'%.60s' is no domain", domain);
        return err_next(e, "a domain is written in lower case and has a dot, such as acme.example");
    }
    if (!code_is_valid(span_text(code)) ||
        !span_to_text(span_text(code), organisation.code, sizeof organisation.code)) {
        (void)err_set(e, ERR_USAGE, "'%.40s' is no code", code);
        return err_next(e, "a code is 2 to %d of A-Z and 0-9, a letter first, such as ACME",
                        CODE_BYTES_MAX);
    }
    *out = organisation;
    return true;
}

static void organisation_json(struct json *json, const struct organisation *organisation)
{
    struct hash fingerprint = key_fingerprint(&organisation->identity);
    json_start_object(json, "organisation");
    json_put_text(json, "code", organisation->code);
    json_put_text(json, "name", organisation->name);
    json_put_text(json, "domain", organisation->domain);
    json_put_hex(json, "fingerprint", hash_span(&fingerprint));
    json_end(json);
}

/* The fingerprint in groups of four, as people compare it. */
static void print_fingerprint(const struct key_public *identity, const char *indent)
{
    struct hash fingerprint = key_fingerprint(identity);
    char digits[2 * sizeof fingerprint.bytes + 1] = {0};
    hex_write(hash_span(&fingerprint), digits, sizeof digits);
    for (size_t i = 0; i < sizeof digits - 1; i += 4)
        printf("%s%.4s", i == 32 ? indent : i ? " " : "", &digits[i]);
    printf("\n");
}

bool verb_init(struct command *c, struct err *e)
{
    struct organisation organisation = {0};
    struct home_options options = {0};
    if (!read_organisation(c, &organisation, e)) return false;
    if (!choose_protection(c, e)) return false;
    if (!command_home_options(c, &options, e)) return false;
    if (!home_init(&options, &organisation, e)) return false;
    if (!command_home(c, e)) return false;
    const struct organisation *made = home_organisation(c->home);
    if (c->json) {
        organisation_json(c->json, made);
        json_put_text(c->json, "home", c->home_path);
        return true;
    }
    printf("%s (%s) has a home at %s\n", made->name, made->code, c->home_path);
    printf("fingerprint  ");
    print_fingerprint(&made->identity, "\n             ");
    printf("Next: open a relationship (counterpart open TITLE --party CODE), or join one "
           "(counterpart join FILE).\n");
    return true;
}

bool verb_whoami(struct command *c, struct err *e)
{
    static const char *const words[] = {[HEALTH_FINE] = "fine",
                                        [HEALTH_RESTORED] = "restored",
                                        [HEALTH_COPIED] = "copied",
                                        [HEALTH_RECOVERING] = "recovering"};
    if (!command_home(c, e)) return false;
    const struct organisation *us = home_organisation(c->home);
    enum health health = home_health(c->home);
    if (c->json) {
        organisation_json(c->json, us);
        json_put_text(c->json, "home", c->home_path);
        json_put_text(c->json, "health", words[health]);
        json_put_text(c->json, "health_words", home_health_words(c->home));
        json_put_text(c->json, "person", c->person);
        json_put_text(c->json, "role", c->role);
        return true;
    }
    printf("%s (%s), %s\n", us->name, us->code, us->domain);
    printf("fingerprint  ");
    print_fingerprint(&us->identity, "\n             ");
    printf("home         %s (%s)\n", c->home_path, words[health]);
    if (health != HEALTH_FINE) printf("             %s\n", home_health_words(c->home));
    printf("acting       %s, %s\n", c->person, c->role);
    return true;
}

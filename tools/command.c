#include "tools/command.h"

#include "crypto/sealed.h"
#include "node/world_real.h"
#include "tools/terminal.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROLE_USUAL "relationship manager"

/* ------------------------------------------------------------ what all verbs share */

/* $NAME/tail, when the variable is set and absolute. */
static bool path_from(const char *variable, const char *tail, char *out, size_t cap)
{
    const char *base = getenv(variable);
    if (!base || base[0] != '/') return false;
    int len = snprintf(out, cap, "%s%s", base, tail);
    return len > 0 && (size_t)len < cap;
}

/*
 * Where the home is, in one spelling, since its marker is mirrored under its path: absolute, without links. Of a home
 * that is not there yet the folder around it is looked at.
 */
static bool settle_path(const char *given, char *out, size_t cap)
{
    char resolved[PATH_MAX] = {0}, around[PATH_BYTES_MAX] = {0};
    if (realpath(given, resolved)) return span_to_text(span_text(resolved), out, cap);
    if (!span_to_text(span_text(given), around, sizeof around)) return false;
    size_t len = strlen(around);
    while (len > 1 && around[len - 1] == '/') around[--len] = '\0';
    char *slash = strrchr(around, '/');
    const char *name = slash ? slash + 1 : around;
    if (slash) *slash = '\0';
    int total = 0;
    if (realpath(slash ? (slash == around ? "/" : around) : ".", resolved))
        total = snprintf(out, cap, "%s/%s", resolved, name);
    else if (given[0] != '/' && getcwd(resolved, sizeof resolved))
        total = snprintf(out, cap, "%s/%s", resolved, given);
    else total = snprintf(out, cap, "%s", given);
    return total > 0 && (size_t)total < cap;
}

static bool find_home_path(struct command *c, struct err *e)
{
    const char *given = command_value(c, "home");
    const char *from_env = getenv("COUNTERPART_HOME");
    if (!given && from_env && from_env[0]) given = from_env;
    if (given) {
        if (given[0] == '\0' || !settle_path(given, c->home_path, sizeof c->home_path))
            return err_set(e, ERR_USAGE, "--home is empty or too long");
        return true;
    }
    if (path_from("XDG_DATA_HOME", "/counterpart", c->home_path, sizeof c->home_path)) return true;
    if (path_from("HOME", "/.local/share/counterpart", c->home_path, sizeof c->home_path))
        return true;
    (void)err_set(e, ERR_USAGE, "there is no $HOME to keep a home in");
    return err_next(e, "say where with --home DIR");
}

static bool find_person(struct command *c, struct err *e)
{
    const char *person = command_value(c, "person");
    const char *role = command_value(c, "role");
    const struct passwd *login = NULL;
    if (!person) person = getenv("COUNTERPART_PERSON");
    if (!person || !person[0]) {
        login = getpwuid(getuid());
        person = login ? login->pw_name : NULL;
    }
    if (!person || !line_is_valid(span_text(person)) ||
        !span_to_text(span_text(person), c->person, sizeof c->person)) {
        (void)err_set(e, ERR_USAGE, "who acts is not one line of 1 to %d bytes", PERSON_BYTES_MAX);
        return err_next(e, "say who with --person NAME");
    }
    if (!role) role = ROLE_USUAL;
    if (!line_is_valid(span_text(role)) || !span_to_text(span_text(role), c->role, sizeof c->role))
        return err_set(e, ERR_USAGE, "--role is not one line of 1 to %d bytes", ROLE_BYTES_MAX);
    c->asker = (struct asker){c->person, c->role};
    return true;
}

bool command_start(struct command *c, struct err *e)
{
    c->world = world_real();
    if (!find_home_path(c, e) || !find_person(c, e)) return false;
    if (!path_from("XDG_STATE_HOME", "/counterpart", c->state_folder, sizeof c->state_folder) &&
        !path_from("HOME", "/.local/state/counterpart", c->state_folder, sizeof c->state_folder))
        c->state_folder[0] = '\0';
    return !c->is_json || json_new(&c->json, e);
}

void command_finish(struct command *c)
{
    home_close(c->home);
    json_free(c->json);
    if (c->passphrase) {
        secret_wipe(c->passphrase, c->passphrase_bytes);
        free(c->passphrase);
    }
    c->home = NULL;
    c->json = NULL;
    c->passphrase = NULL;
}

const char *command_value(const struct command *c, const char *option)
{
    return arguments_value(&c->arguments, option);
}
bool command_has(const struct command *c, const char *option)
{
    return arguments_has(&c->arguments, option);
}
size_t command_words(const struct command *c) { return c->arguments.word_count; }
const char *command_word(const struct command *c, size_t n)
{
    return n < c->arguments.word_count ? c->arguments.words[n] : NULL;
}
int64_t command_now_ms(const struct command *c) { return c->world->date_ms(c->world->self); }

/* ------------------------------------------------------------ the home */

bool command_keep_passphrase(struct command *c, span passphrase, struct err *e)
{
    if (passphrase.len == 0) return err_set(e, ERR_USAGE, "the passphrase is empty");
    if (passphrase.len > PASSPHRASE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "the passphrase is longer than %d bytes",
                       PASSPHRASE_BYTES_MAX);
    uint8_t *kept = malloc(passphrase.len);
    if (!kept) return err_memory(e);
    memcpy(kept, passphrase.at, passphrase.len);
    c->passphrase = kept;
    c->passphrase_bytes = passphrase.len;
    return true;
}

/* The first line of the file. */
static bool read_passphrase_file(struct command *c, const char *path, struct err *e)
{
    OWNED_BUFFER file = {0};
    if (!command_read_file(path, PASSPHRASE_BYTES_MAX + 2, &file, e))
        return err_because(e, "reading the passphrase");
    span passphrase = buffer_span(&file);
    for (size_t i = 0; i < passphrase.len; i++)
        if (passphrase.at[i] == '\n' || passphrase.at[i] == '\r') passphrase.len = i;
    bool is_kept = command_keep_passphrase(c, passphrase, e);
    secret_wipe(file.at, file.len);
    return is_kept;
}

bool command_home_options(struct command *c, struct home_options *out, struct err *e)
{
    const char *path = command_value(c, "passphrase-file");
    if (path && !c->passphrase && !read_passphrase_file(c, path, e)) return false;
    *out = (struct home_options){
        .path = c->home_path,
        .state_folder = c->state_folder[0] ? c->state_folder : NULL,
        .passphrase = span_of(c->passphrase, c->passphrase_bytes),
        .world = c->world,
        .machine = world_machine(),
        .is_forced = command_has(c, "force-copied-home"),
    };
    return true;
}

/* Are the home's keys under a passphrase that we have not been given? */
static bool needs_passphrase(const struct command *c)
{
    OWNED_BUFFER file = {0};
    char path[PATH_BYTES_MAX + 32] = {0};
    (void)snprintf(path, sizeof path, "%s/keys/identity.key", c->home_path);
    if (c->passphrase) return false;
    if (!c->world->files->read(c->world->self, path, SEALED_BYTES_MAX, &file, NULL)) return false;
    return sealed_needs_passphrase(buffer_span(&file));
}

static bool ask_passphrase(struct command *c, struct err *e)
{
    char typed[PASSPHRASE_BYTES_MAX + 1] = {0};
    if (!terminal_can_ask()) {
        (void)err_set(e, ERR_USAGE, "the keys of this home are under a passphrase");
        return err_next(e, "give it with --passphrase-file FILE");
    }
    bool is_kept = terminal_ask_secret("Passphrase: ", typed, sizeof typed) &&
                   command_keep_passphrase(c, span_text(typed), e);
    secret_wipe(typed, sizeof typed);
    return is_kept || (c->passphrase == NULL && err_set(e, ERR_USAGE, "no passphrase was typed"));
}

bool command_home(struct command *c, struct err *e)
{
    struct home_options options = {0};
    if (c->home) return true;
    if (!command_home_options(c, &options, e)) return false;
    if (needs_passphrase(c)) {
        if (!ask_passphrase(c, e)) return false;
        options.passphrase = span_of(c->passphrase, c->passphrase_bytes);
    }
    if (!home_open(&c->home, &options, e)) return false;
    c->store = home_store(c->home);
    return true;
}

bool command_work(struct command *c, struct err *e)
{
    return command_home(c, e) && home_may_work(c->home, false, e);
}

/* ------------------------------------------------------------ files */

static void file_close(FILE *file)
{
    if (file != stdin) (void)fclose(file);
}
OWNABLE(FILE *, file_close)

bool command_read_file(const char *path, size_t max, struct buffer *out, struct err *e)
{
    OWNED(file_close) FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    uint8_t part[8192] = {0};
    size_t got = 0;
    if (!file)
        return err_set(e, errno == ENOENT ? ERR_MISSING : ERR_DISK, "%.120s cannot be read: %s",
                       path, strerror(errno));
    while ((got = fread(part, 1, sizeof part, file)) > 0) {
        if (got > max - out->len)
            return err_set(e, ERR_LIMIT, "%.120s is longer than %zu bytes", path, max);
        if (!buffer_put(out, span_of(part, got), e)) return false;
    }
    if (ferror(file))
        return err_set(e, ERR_DISK, "%.120s cannot be read: %s", path, strerror(errno));
    return true;
}

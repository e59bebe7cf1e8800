/*
 * command - one call of the program: what was typed, the home it works on, and how its answer is given.
 *
 * Data goes to stdout, talk to stderr. With --json a verb fills `json`, which is printed when it is done; without, it
 * prints for people. A verb returns false with an err, which is printed once, in main.
 */
#pragma once
#include "node/formats/json.h"
#include "node/work.h"
#include "tools/arguments.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_IN_STEP = 3,
    EXIT_WAITS = 4,
    EXIT_NOT_VERIFIED = 5,
};

#define PATH_BYTES_MAX 4096

struct verb_entry;
struct command {
    const struct verb_entry *verb;
    struct arguments arguments; /* words without the verb */
    bool is_json;
    char home_path[PATH_BYTES_MAX];
    char state_folder[PATH_BYTES_MAX];
    char person[PERSON_BYTES_MAX + 1];
    char role[ROLE_BYTES_MAX + 1];
    struct asker asker;
    struct json *json;   /* the answer, with --json */
    enum exit_code exit; /* what the verb found: 0, 3, 4 or 5 */
    bool is_answered;    /* `json` stands although the verb failed */
    const struct world *world;
    struct home *home;   /* once command_home or command_work succeeded */
    struct store *store; /* the home's */
    uint8_t *passphrase; /* wiped by command_finish; NULL: none */
    size_t passphrase_bytes;
};

/* Reads the options all verbs share. Fails: ERR_USAGE. */
MUST_USE bool command_start(struct command *c, struct err *e);
void command_finish(struct command *c);

const char *command_value(const struct command *c, const char *option); /* NULL when not given */
bool command_has(const struct command *c, const char *option);
const char *command_word(const struct command *c,
                         size_t n); /* the n-th word, NULL when there are fewer */
size_t command_words(const struct command *c);

/* The options for home_init and home_open, with the passphrase of --passphrase-file when given. */
MUST_USE bool command_home_options(struct command *c, struct home_options *out, struct err *e);
/* Keeps a passphrase until command_finish wipes it. Fails: ERR_LIMIT, ERR_USAGE (empty), ERR_MEMORY. */
MUST_USE bool command_keep_passphrase(struct command *c, span passphrase, struct err *e);
/* Opens the home to read it, whatever its health; asks for its passphrase on a terminal. */
MUST_USE bool command_home(struct command *c, struct err *e);
/* Opens the home to say something in its name: refuses a copied or restored one. */
MUST_USE bool command_work(struct command *c, struct err *e);

/* Reads a whole file, "-" for stdin. Fails: ERR_MISSING, ERR_LIMIT, ERR_DISK. */
MUST_USE bool command_read_file(const char *path, size_t max, struct buffer *out, struct err *e);
int64_t command_now_ms(const struct command *c);

/*
 * arguments - what was typed after the program's name: options with and without values, and words.
 *
 * Options stand anywhere before `--`: `--home DIR`, `--home=DIR`, `-r ID`, `-rID`. A lone `-` is a word. Everything
 * points into argv. Threads: no shared state.
 */
#pragma once
#include "crypto/base/err.h"

#define ARGUMENTS_GIVEN_MAX 256 /* options in one call */
#define ARGUMENTS_WORDS_MAX 256

struct option {
    const char *name;  /* "home" for --home */
    char letter;       /* 'r' for -r, 0 when there is none */
    const char *value; /* what the value is called in the help, NULL for an option without one */
    const char *help;  /* one sentence, NULL when it is not shown */
};
struct option_list {
    const struct option *options;
    size_t count;
};

struct given {
    const struct option *option;
    const char *value; /* NULL for an option without one */
};
struct arguments {
    size_t given_count;
    struct given given[ARGUMENTS_GIVEN_MAX];
    size_t word_count;
    const char *words[ARGUMENTS_WORDS_MAX];
};

/* Sorts argv[1] and on into `out`, by the options of all lists. Fails: ERR_USAGE, ERR_LIMIT. */
MUST_USE bool arguments_parse(struct arguments *out, int argc, char *const *argv,
                              const struct option_list *lists, size_t list_count, struct err *e);
/* The first word, passing over options of `list` and their values; NULL when there is none or another option comes first. */
const char *arguments_first_word(int argc, char *const *argv, const struct option_list *list);
/* True when `--name` stands before `--`, whatever else is wrong. */
bool arguments_mention(int argc, char *const *argv, const char *name);

bool arguments_has(const struct arguments *arguments, const char *name);
/* The last one given, NULL when none was. */
const char *arguments_value(const struct arguments *arguments, const char *name);
/* All given, in order, up to `cap`; returns how many there are. */
size_t arguments_values(const struct arguments *arguments, const char *name, const char **out,
                        size_t cap);

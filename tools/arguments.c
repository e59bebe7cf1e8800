#include "tools/arguments.h"

#include <string.h>

/* Where reading argv stands. */
struct cursor {
    int argc;
    char *const *argv;
    int next;
    const struct option_list *lists;
    size_t list_count;
};

static const struct option *option_by_name(const struct cursor *at, const char *name, size_t len)
{
    for (size_t l = 0; l < at->list_count; l++)
        for (size_t i = 0; i < at->lists[l].count; i++) {
            const struct option *option = &at->lists[l].options[i];
            if (strlen(option->name) == len && memcmp(option->name, name, len) == 0) return option;
        }
    return NULL;
}

static const struct option *option_by_letter(const struct cursor *at, char letter)
{
    for (size_t l = 0; l < at->list_count; l++)
        for (size_t i = 0; i < at->lists[l].count; i++)
            if (at->lists[l].options[i].letter == letter) return &at->lists[l].options[i];
    return NULL;
}

static bool is_option(const char *text) { return text[0] == '-' && text[1] != '\0'; }

/* Gives the option its value: what is glued to it, or the next argument. */
static bool take_value(struct cursor *at, const char *glued, struct given *out, struct err *e)
{
    if (!out->option->value) {
        if (glued) return err_set(e, ERR_USAGE, "--%s takes no value", out->option->name);
        return true;
    }
    if (glued) {
        out->value = glued;
        return true;
    }
    if (at->next >= at->argc)
        return err_set(e, ERR_USAGE, "--%s needs %s", out->option->name, out->option->value);
    out->value = at->argv[at->next++];
    return true;
}

/* Reads the option that stands at the cursor, and its value. */
static bool take_option(struct cursor *at, struct given *out, struct err *e)
{
    const char *text = at->argv[at->next];
    struct given given = {0};
    const char *glued = NULL;
    if (text[1] == '-') {
        const char *name = text + 2;
        const char *equals = strchr(name, '=');
        size_t len = equals ? (size_t)(equals - name) : strlen(name);
        given.option = option_by_name(at, name, len);
        glued = equals ? equals + 1 : NULL;
    } else {
        given.option = option_by_letter(at, text[1]);
        glued = text[2] ? text + 2 : NULL;
    }
    if (!given.option) return err_set(e, ERR_USAGE, "there is no option %.60s", text);
    at->next++;
    if (!take_value(at, glued, &given, e)) return false;
    *out = given;
    return true;
}

bool arguments_parse(struct arguments *out, int argc, char *const *argv,
                     const struct option_list *lists, size_t list_count, struct err *e)
{
    struct cursor at = {argc, argv, 1, lists, list_count};
    bool only_words = false;
    *out = (struct arguments){0};
    while (at.next < argc) {
        const char *text = argv[at.next];
        if (!only_words && strcmp(text, "--") == 0) {
            only_words = true;
            at.next++;
        } else if (!only_words && is_option(text)) {
            if (out->given_count == ARGUMENTS_GIVEN_MAX)
                return err_set(e, ERR_LIMIT, "there are more than %d options", ARGUMENTS_GIVEN_MAX);
            if (!take_option(&at, &out->given[out->given_count], e)) return false;
            out->given_count++;
        } else {
            if (out->word_count == ARGUMENTS_WORDS_MAX)
                return err_set(e, ERR_LIMIT, "there are more than %d words", ARGUMENTS_WORDS_MAX);
            out->words[out->word_count++] = text;
            at.next++;
        }
    }
    return true;
}

const char *arguments_first_word(int argc, char *const *argv, const struct option_list *list)
{
    struct cursor at = {argc, argv, 1, list, 1};
    while (at.next < argc) {
        const char *text = argv[at.next];
        struct given given = {0};
        if (strcmp(text, "--") == 0) return at.next + 1 < argc ? argv[at.next + 1] : NULL;
        if (!is_option(text)) return text;
        if (!take_option(&at, &given, NULL)) return NULL;
    }
    return NULL;
}

bool arguments_mention(int argc, char *const *argv, const char *name)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0) return true;
    return false;
}

bool arguments_has(const struct arguments *arguments, const char *name)
{
    for (size_t i = 0; i < arguments->given_count; i++)
        if (strcmp(arguments->given[i].option->name, name) == 0) return true;
    return false;
}

const char *arguments_value(const struct arguments *arguments, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < arguments->given_count; i++)
        if (strcmp(arguments->given[i].option->name, name) == 0) value = arguments->given[i].value;
    return value;
}

size_t arguments_values(const struct arguments *arguments, const char *name, const char **out,
                        size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < arguments->given_count; i++) {
        if (strcmp(arguments->given[i].option->name, name) != 0) continue;
        if (count < cap) out[count] = arguments->given[i].value;
        count++;
    }
    return count;
}

/*
 * What is typed after the program's name: everything that is typed is an option, its value or a word, once, in order.
 * Input: the arguments, each ended by a zero byte.
 */
#include "tests/fuzz/fuzz.h"
#include "tools/arguments.h"

#define ARGUMENTS_MAX 40
#define TEXT_BYTES 4096

static const struct option common[] = {
    {"home", 0, "DIR", "Where."}, {"relationship", 'r', "ID", "Which."}, {"json", 0, NULL, "Document."}, {"help", 'h', NULL, "Help."}};
static const struct option own[] = {
    {"map", 'm', "H=F", "Column."}, {"dry-run", 'n', NULL, "Nothing."}, {"yes", 'y', NULL, "Yes."}, {"h", 0, "X", "Short."}};
static const struct option_list lists[] = {{common, 4}, {own, 4}};

/* `text` is one of what was typed, or the end of one. */
static void must_be_typed(const char *text, char *const *argv, int argc)
{
    bool is_there = false;
    for (int i = 1; i < argc && !is_there; i++) is_there = text >= argv[i] && text <= argv[i] + strlen(argv[i]);
    must(is_there);
}

static void check(const struct arguments *a, int argc, char *const *argv)
{
    size_t used = a->word_count;
    must(a->given_count <= ARGUMENTS_GIVEN_MAX && a->word_count <= ARGUMENTS_WORDS_MAX);
    for (size_t i = 0; i < a->given_count; i++) {
        const struct given *given = &a->given[i];
        const char *values[ARGUMENTS_GIVEN_MAX];
        must(!given->value == !given->option->value);
        must(arguments_has(a, given->option->name));
        must(arguments_values(a, given->option->name, values, ARGUMENTS_GIVEN_MAX) >= 1);
        if (given->value) must_be_typed(given->value, argv, argc);
        used++;
        for (int k = 1; k < argc; k++) used += given->value == argv[k];
    }
    for (size_t i = 0; i < a->word_count; i++) must_be_typed(a->words[i], argv, argc);
    must(used == (size_t)argc - 1 || used == (size_t)argc - 2); /* `--` is none of them */
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct arguments arguments;
    static char text[TEXT_BYTES];
    char *argv[ARGUMENTS_MAX] = {text};
    int argc = 1;
    struct err e = {0};
    if (len >= TEXT_BYTES) return 0;
    if (len) memcpy(text, at, len);
    text[len] = '\0';
    for (size_t i = 0; i < len && argc < ARGUMENTS_MAX; i += strlen(&text[i]) + 1) argv[argc++] = &text[i];
    const char *first = arguments_first_word(argc, argv, &lists[0]);
    if (first) must_be_typed(first, argv, argc);
    (void)arguments_mention(argc, argv, "help");
    if (arguments_parse(&arguments, argc, argv, lists, 2, &e)) check(&arguments, argc, argv);
    else must_say_why(&e);
    return 0;
}

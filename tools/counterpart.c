/* counterpart - the one program: command line and daemon. */
#include "tools/terminal.h"
#include "tools/verbs.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#ifndef COUNTERPART_VERSION
#define COUNTERPART_VERSION "0.1.0"
#endif

/* What to do when whoever failed did not say. */
static const char *usual_next(enum err_code code)
{
    switch (code) {
    case ERR_MALFORMED: return "see that what was handed in is whole, and what it should be";
    case ERR_REFUSED:
    case ERR_CONFLICT: return "counterpart show REF, status and doctor say how things stand";
    case ERR_MISSING: return "counterpart relationships, list NOUN and history show what there is";
    case ERR_LIMIT: return "counterpart help, and protocol/limits.h, name the limits";
    case ERR_TIME: return "see that this machine's clock is right, then try again";
    case ERR_CLOSED: return "try again when they can be reached; what you say meanwhile is kept";
    case ERR_DISK: return "see that the disk has room and may be written, then try again";
    case ERR_CORRUPT: return "counterpart verify names what is damaged";
    case ERR_MEMORY: return "close other programs, then try again";
    case ERR_NONE:
    case ERR_USAGE: break;
    }
    return "counterpart help lists the verbs";
}

/* The error, once: two lines for people, or one JSON object. */
static void print_error(const struct err *e, bool is_json)
{
    char said[sizeof e->said] = {0}, next[sizeof e->next] = {0};
    span_show(span_text(e->said), said, sizeof said);
    span_show(span_text(e->next[0] ? e->next : usual_next(e->code)), next, sizeof next);
    OWNED(json_free) struct json *json = NULL;
    OWNED_BUFFER text = {0};
    if (!is_json || !json_new(&json, NULL)) {
        fprintf(stderr, "counterpart: %s\n  %s\n", said, next);
        return;
    }
    json_start_object(json, "error");
    json_put_text(json, "code", err_word(e->code));
    json_put_text(json, "message", said);
    json_put_text(json, "next", next);
    json_end(json);
    if (!json_print(json, false, &text, NULL)) fprintf(stderr, "counterpart: %s\n", said);
    else fprintf(stderr, "%.*s\n", (int)text.len, (const char *)text.at);
}

static bool print_answer(const struct json *json, struct err *e)
{
    OWNED_BUFFER text = {0};
    if (!json_print(json, terminal_is_out(), &text, e) || !buffer_put(&text, span_text("\n"), e))
        return false;
    if (fwrite(text.at, 1, text.len, stdout) == text.len && fflush(stdout) == 0) return true;
    return err_set(e, ERR_DISK, "stdout cannot be written");
}

static bool check_words(const struct command *c, struct err *e)
{
    size_t count = command_words(c);
    if (count >= c->verb->words_least && count <= c->verb->words_most) return true;
    return err_set(e, ERR_USAGE,
                   count < c->verb->words_least ? "something is missing"
                                                : "there is a word too many");
}

/* The verb's own code, when it said what it found; else by the error. */
static int exit_code(const struct command *c, bool is_done, const struct err *e)
{
    if (is_done || c->exit != EXIT_DONE) return (int)c->exit;
    return e->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static int run_verb(struct command *c, struct err *e)
{
    bool is_done = check_words(c, e) && command_start(c, e) && c->verb->run(c, e);
    if (c->json && (is_done || c->is_answered)) {
        struct err unprinted = {0};
        if (!print_answer(c->json, &unprinted)) {
            if (is_done) *e = unprinted;
            is_done = false;
        }
    } else if (is_done && (fflush(stdout) != 0 || ferror(stdout))) {
        is_done = err_set(e, ERR_DISK, "stdout cannot be written");
    }
    if (!is_done && e->code == ERR_USAGE && !e->next[0])
        (void)err_next(e, "counterpart %s --help", c->verb->name);
    if (!is_done) print_error(e, c->is_json);
    return exit_code(c, is_done, e);
}

/* `help`, --help and --version need no home; -1 when something else was asked for. */
static int answer_without_home(struct command *c, const char *name, struct err *e)
{
    bool wants_help = command_has(c, "help") || (name && strcmp(name, "help") == 0);
    const char *about = name && strcmp(name, "help") == 0 ? command_word(c, 1) : name;
    if (command_has(c, "version")) {
        printf("counterpart %s\n", COUNTERPART_VERSION);
        return EXIT_DONE;
    }
    if (!wants_help) return -1;
    const struct verb_entry *verb = about ? verbs_find(about) : NULL;
    if (about && !verb) {
        (void)err_set(e, ERR_USAGE, "there is no verb '%.40s'", about);
        return -1;
    }
    if (verb) verbs_print_one(verb);
    else verbs_print_all();
    return EXIT_DONE;
}

/* Finds the verb and sorts what was typed; the words are those after the verb. Fails: ERR_USAGE. */
static bool read_arguments(struct command *c, int argc, char *const *argv, const char **name,
                           struct err *e)
{
    const char *first = arguments_first_word(argc, argv, verbs_common());
    c->verb = first ? verbs_find(first) : NULL;
    struct option_list lists[2] = {*verbs_common(), {NULL, 0}};
    if (c->verb) lists[1] = (struct option_list){c->verb->options, c->verb->option_count};
    if (!arguments_parse(&c->arguments, argc, argv, lists, 2, e)) {
        if (c->verb) (void)err_next(e, "counterpart %s --help", c->verb->name);
        return false;
    }
    *name = first;
    return true;
}

static int run(struct command *c, int argc, char *const *argv)
{
    struct err e = {0};
    const char *name = NULL;
    c->is_json = arguments_mention(argc, argv, "json");
    if (read_arguments(c, argc, argv, &name, &e)) {
        int code = answer_without_home(c, name, &e);
        if (code >= 0) return code;
        if (!c->verb && !e.said[0]) {
            if (name) (void)err_set(&e, ERR_USAGE, "there is no verb '%.40s'", name);
            else (void)err_set(&e, ERR_USAGE, "nothing is asked for");
        }
    }
    if (e.said[0]) {
        print_error(&e, c->is_json);
        return EXIT_USAGE;
    }
    struct arguments *arguments = &c->arguments; /* the verb itself is no word of the verb's */
    arguments->word_count--;
    memmove(arguments->words, &arguments->words[1],
            arguments->word_count * sizeof arguments->words[0]);
    if (!crypto_start(&e)) {
        print_error(&e, c->is_json);
        return EXIT_FAILED;
    }
    int code = run_verb(c, &e);
    command_finish(c);
    return code;
}

int main(int argc, char **argv)
{
    struct command command = {0};
    (void)setlocale(LC_CTYPE, "C.UTF-8");   /* for the width of characters; everything is UTF-8 */
    (void)signal(SIGXFSZ, SIG_IGN);         /* a file that may not grow is an error to tell, not an end */
    (void)umask(077);                       /* what we write is the owner's alone */
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* so that data and talk come in order */
    return run(&command, argc, argv);
}

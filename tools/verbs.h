/*
 * verbs - the one table of what the program can do: name, group, help, usage, options, function.
 */
#pragma once
#include "tools/command.h"

enum verb_group {
    GROUP_BEGIN,
    GROUP_WORK,
    GROUP_READ,
    GROUP_SYNC,
    GROUP_FILES,
    GROUP_PROVE,
    GROUP_KEEP,
    GROUP_COUNT
};

struct verb_entry {
    const char *name;
    enum verb_group group;
    const char *help;  /* one line */
    const char *usage; /* what follows the name */
    const struct option *options;
    size_t option_count;
    size_t words_least, words_most;
    const char *more; /* paragraphs for --help, may be NULL */
    bool (*run)(struct command *c, struct err *e);
};

const struct verb_entry *verbs_find(const char *name); /* NULL when there is none */
/* The options every verb takes. */
const struct option_list *verbs_common(void);
void verbs_print_all(void);                          /* `help` */
void verbs_print_one(const struct verb_entry *verb); /* `VERB --help` */

/* One function a verb, in verb_*.c. Words and options have been counted against the table. */
MUST_USE bool verb_init(struct command *c, struct err *e);
MUST_USE bool verb_whoami(struct command *c, struct err *e);
MUST_USE bool verb_open(struct command *c, struct err *e);
MUST_USE bool verb_invite(struct command *c, struct err *e);
MUST_USE bool verb_join(struct command *c, struct err *e);
MUST_USE bool verb_confirm(struct command *c, struct err *e);
MUST_USE bool verb_relationships(struct command *c, struct err *e);
MUST_USE bool verb_propose(struct command *c, struct err *e);
MUST_USE bool verb_state(struct command *c, struct err *e);
MUST_USE bool verb_accept(struct command *c, struct err *e);
MUST_USE bool verb_decline(struct command *c, struct err *e);
MUST_USE bool verb_withdraw(struct command *c, struct err *e);
MUST_USE bool verb_acknowledge(struct command *c, struct err *e);
MUST_USE bool verb_dispute(struct command *c, struct err *e);
MUST_USE bool verb_comment(struct command *c, struct err *e);
MUST_USE bool verb_inbox(struct command *c, struct err *e);
MUST_USE bool verb_list(struct command *c, struct err *e);
MUST_USE bool verb_show(struct command *c, struct err *e);
MUST_USE bool verb_history(struct command *c, struct err *e);
MUST_USE bool verb_diff(struct command *c, struct err *e);
MUST_USE bool verb_status(struct command *c, struct err *e);
MUST_USE bool verb_serve(struct command *c, struct err *e);
MUST_USE bool verb_sync(struct command *c, struct err *e);
MUST_USE bool verb_import(struct command *c, struct err *e);
MUST_USE bool verb_export(struct command *c, struct err *e);
MUST_USE bool verb_verify(struct command *c, struct err *e);
MUST_USE bool verb_rebuild(struct command *c, struct err *e);
MUST_USE bool verb_doctor(struct command *c, struct err *e);

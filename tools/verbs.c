#include "tools/verbs.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define OPTIONS(table) (table), COUNT(table)
#define NO_OPTIONS NULL, 0
#define ANY ARGUMENTS_WORDS_MAX

/* clang-format off */

static const struct option COMMON[] = {
    {"home", 0, "DIR", "The home folder; else $COUNTERPART_HOME, else the XDG data folder."},
    {"json", 0, NULL, "One JSON document on stdout; errors as JSON on stderr."},
    {"relationship", 'r', "ID", "Which relationship: its id, the id's first digits, or its title."},
    {"passphrase-file", 0, "FILE", "The passphrase of the home's keys is the first line of FILE."},
    {"person", 0, "NAME", "Who acts; else $COUNTERPART_PERSON, else the login name."},
    {"role", 0, "ROLE", "In which role; else \"relationship manager\"."},
    {"help", 'h', NULL, "This help."},
    {"version", 0, NULL, NULL},
    {"force-copied-home", 0, NULL, NULL},
};
static const struct option INIT[] = {
    {"name", 0, "NAME", "The organisation's name, such as \"Acme Ltd\"."},
    {"domain", 0, "DOMAIN", "Its domain, such as acme.example."},
    {"code", 0, "CODE", "Its code in references, such as ACME."},
    {"no-passphrase", 0, NULL, "Leave the keys open to whoever can read your files."},
};
static const struct option OPEN[] = {
    {"party", 0, "CODE", "Another party; once for each."},
};
static const struct option INVITE[] = {
    {"party", 0, "CODE", "Who is invited."},
    {"address", 0, "ADDRESS", "Where our `serve` can be reached, such as tcp://host.example:7700; up to four."},
    {"days", 0, "N", "How long it can be used; 14 when not given."},
};
static const struct option JOIN[] = {
    {"address", 0, "ADDRESS", "Where our own `serve` can be reached, when it can."},
    {"verbose", 0, NULL, "Say what happens."},
};
static const struct option CONFIRM[] = {
    {"how", 0, "HOW", "voice, in-person or not-checked; without it the words are shown and you are asked."},
    {"address", 0, "ADDRESS", "Dial this party there from now on; empty: do not dial it."},
};
static const struct option ACCEPT[] = {
    {"yes", 0, NULL, "Do not ask."},
    {"expect", 0, "HASH", "Only the offer whose id begins like this; needed when several stand."},
};
static const struct option DECLINE[] = {
    {"reason", 0, "TEXT", "Why; it is told to all parties."},
    {"expect", 0, "HASH", "Only the offer whose id begins like this; needed when several stand."},
};
static const struct option WITHDRAW[] = {
    {"expect", 0, "HASH", "Only the offer whose id begins like this; needed when several stand."},
};
static const struct option DISPUTE[] = {
    {"reason", 0, "TEXT", "Why, and what would be right."},
};
static const struct option DIFF[] = {
    {"all", 0, NULL, "Also offers that are no longer open."},
};
static const struct option SERVE[] = {
    {"listen", 0, "ADDRESS", "Where to listen, such as tcp://0.0.0.0:7700; port 0 takes a free one; once for each."},
    {"no-console", 0, NULL, "Without the console, which comes in a later version."},
    {"verbose", 0, NULL, "Say every detail."},
};
static const struct option SYNC[] = {
    {"verbose", 0, NULL, "Say what happens."},
};
static const struct option IMPORT[] = {
    {"map", 0, "HEADING=FIELD", "Which field a column holds, such as \"Action=title\"; once for each; \"Remarks=\" leaves one out."},
    {"skip-bad", 0, NULL, "Import the good rows although others are bad."},
    {"dry-run", 0, NULL, "Check everything, write nothing."},
    {"delimiter", 0, "CHAR", "\",\", \";\" or tab; found out when not given."},
};
static const struct option EXPORT[] = {
    {"output", 0, "FILE", "Write there; else on stdout."},
};
static const struct option DOCTOR[] = {
    {"adopt", 0, NULL, "Go on with a home that was copied or restored; shows what it means and asks."},
    {"new-receipt-key", 0, NULL, "Sign receipts with a new key, after a clock that was ahead."},
    {"new-feed", 0, NULL, "Go on in a new feed where ours cannot go on (a fork, or an end that is lost); every counterpart countersigns it."},
    {"yes", 0, NULL, "Do not ask."},
};

static const char *const GROUPS[GROUP_COUNT] = {
    [GROUP_BEGIN] = "begin", [GROUP_WORK] = "work", [GROUP_READ] = "read", [GROUP_SYNC] = "sync",
    [GROUP_FILES] = "files", [GROUP_PROVE] = "prove", [GROUP_KEEP] = "keep",
};

#define REF_HELP "REF is a reference such as ACME-12 or the first digits of an entry's id (4 or more)."

static const struct verb_entry VERBS[] = {
    {"init", GROUP_BEGIN, "Make a home and its keys for your organisation.",
     "--name NAME --domain DOMAIN --code CODE [--passphrase-file FILE | --no-passphrase]", OPTIONS(INIT), 0, 0,
     "On a terminal a passphrase is asked for when neither option is given.", verb_init},
    {"whoami", GROUP_BEGIN, "Say which organisation this home speaks for, and how the home is.", "", NO_OPTIONS, 0, 0, NULL,
     verb_whoami},
    {"open", GROUP_BEGIN, "Open a relationship with one or more parties.", "TITLE --party CODE ...", OPTIONS(OPEN), 1, ANY,
     "The list of parties is fixed when the relationship opens. Our own code is added.", verb_open},
    {"invite", GROUP_BEGIN, "Make an invitation for a party, to be sent to it privately.",
     "--party CODE --address tcp://HOST:PORT", OPTIONS(INVITE), 0, 1,
     "Prints the block of text that the other side gives to `join`. A new invitation for a party replaces the one before.",
     verb_invite},
    {"join", GROUP_BEGIN, "Take an invitation and meet the one who sent it.", "FILE [--address ADDRESS]", OPTIONS(JOIN), 1, 1,
     "FILE is - for stdin. When the sender cannot be reached, the invitation is kept and `sync` tries again.", verb_join},
    {"confirm", GROUP_BEGIN, "Say how you checked a party's keys; work moves to it from then on.",
     "PARTY [--how voice|in-person|not-checked]", OPTIONS(CONFIRM), 1, 1, NULL, verb_confirm},
    {"relationships", GROUP_BEGIN, "Show relationships, their parties, and check words to read out.", "", NO_OPTIONS, 0, 0,
     NULL, verb_relationships},

    {"propose", GROUP_WORK, "Offer new terms, for all parties to accept.", "NOUN [REF] field=value ...", NO_OPTIONS, 2, ANY,
     "Without REF a new item. With REF the fields named change and the others are carried over; `field=` takes one out.",
     verb_propose},
    {"accept", GROUP_WORK, "Accept an offer in the name of your organisation.", "REF [--yes] [--expect HASH]",
     OPTIONS(ACCEPT), 1, 1, REF_HELP, verb_accept},
    {"decline", GROUP_WORK, "Decline an offer, for good.", "REF --reason TEXT", OPTIONS(DECLINE), 1, 1, REF_HELP, verb_decline},
    {"withdraw", GROUP_WORK, "Take back our own offer, our acceptance, or our dispute.", "REF", OPTIONS(WITHDRAW), 1, 1,
     REF_HELP " What is agreed already cannot be taken back.", verb_withdraw},
    {"state", GROUP_WORK, "State our own word: progress on an action, an appointment.", "NOUN [REF] field=value ...",
     NO_OPTIONS, 2, ANY, NULL, verb_state},
    {"acknowledge", GROUP_WORK, "Acknowledge the newest statement on an item.", "REF", NO_OPTIONS, 1, 1, REF_HELP,
     verb_acknowledge},
    {"dispute", GROUP_WORK, "Dispute the newest statement on an item.", "REF --reason TEXT", OPTIONS(DISPUTE), 1, 1, REF_HELP,
     verb_dispute},
    {"comment", GROUP_WORK, "Remark on an item or an entry; it changes nothing.", "REF TEXT", NO_OPTIONS, 2, 2, REF_HELP,
     verb_comment},

    {"inbox", GROUP_READ, "Show what waits for our word. Exit code 4 when something does.", "", NO_OPTIONS, 0, 0, NULL,
     verb_inbox},
    {"list", GROUP_READ, "List the items of a noun.", "NOUN", NO_OPTIONS, 1, 1, NULL, verb_list},
    {"show", GROUP_READ, "Show everything about an item.", "REF", NO_OPTIONS, 1, 1, REF_HELP, verb_show},
    {"history", GROUP_READ, "Show every entry about an item, or of the whole relationship.", "[REF]", NO_OPTIONS, 0, 1,
     REF_HELP, verb_history},
    {"diff", GROUP_READ, "Show what the open offers would change, field by field.", "REF", OPTIONS(DIFF), 1, 1, REF_HELP,
     verb_diff},
    {"status", GROUP_READ, "Say who holds what, and whether we are in step. Exit code 3 when not.", "", NO_OPTIONS, 0, 0, NULL,
     verb_status},

    {"serve", GROUP_SYNC, "Run the node: listen, dial, keep everyone up to date until SIGTERM.",
     "--listen ADDRESS ... --no-console", OPTIONS(SERVE), 0, ANY, NULL, verb_serve},
    {"sync", GROUP_SYNC, "Exchange once with everybody, or with one party. Exit code 3 when not in step after.", "[PARTY]",
     OPTIONS(SYNC), 0, 1, NULL, verb_sync},

    {"import", GROUP_FILES, "Offer the rows of a spreadsheet (CSV) as new items.", "NOUN FILE.csv [--map \"Heading=field\"] ...",
     OPTIONS(IMPORT), 2, 2,
     "The first row names the columns, in any order; names and labels of fields are known. Every bad row is reported with\n"
     "its line, and nothing is imported when there is one, unless --skip-bad.",
     verb_import},
    {"export", GROUP_FILES, "Write the items of a noun as a spreadsheet (CSV).", "NOUN [--output FILE]", OPTIONS(EXPORT), 1, 1,
     "Cells that a spreadsheet would take for a formula begin with an apostrophe. Nothing is agreed unless State says so.",
     verb_export},

    {"verify", GROUP_PROVE, "Check every byte, signature and receipt. Exit code 5 when something is wrong.", "", NO_OPTIONS, 0,
     0, NULL, verb_verify},
    {"rebuild", GROUP_KEEP, "Make the item tables anew from the entries.", "", NO_OPTIONS, 0, 0, NULL, verb_rebuild},
    {"doctor", GROUP_KEEP, "Check the home, and go on with a copied or restored one.", "[--adopt | --new-receipt-key | --new-feed]", OPTIONS(DOCTOR), 0, 0,
     "A home that was copied or restored from a backup signs nothing, since its counterparts may hold entries it no longer\n"
     "knows. --adopt says that it is the one to go on: it talks to every counterpart, takes back what they hold of ours,\n"
     "and then works again. The other copy must never be used again.\n\n"
     "For tests there is --force-copied-home, which takes such a home as it is. Two homes with one key end in a fork,\n"
     "which every counterpart can prove: never use it otherwise.",
     verb_doctor},
};

/* clang-format on */

const struct verb_entry *verbs_find(const char *name)
{
    for (size_t i = 0; i < COUNT(VERBS); i++)
        if (strcmp(VERBS[i].name, name) == 0) return &VERBS[i];
    return NULL;
}

const struct option_list *verbs_common(void)
{
    static const struct option_list common = {COMMON, COUNT(COMMON)};
    return &common;
}

static void print_options(const struct option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char left[60] = {0};
        if (!options[i].help) continue;
        (void)snprintf(left, sizeof left, "%s%c%s--%s%s%s", options[i].letter ? "-" : "",
                       options[i].letter ? options[i].letter : ' ',
                       options[i].letter ? ", " : "   ", options[i].name,
                       options[i].value ? " " : "", options[i].value ? options[i].value : "");
        printf("  %-28s %s\n", left, options[i].help);
    }
}

void verbs_print_all(void)
{
    printf("counterpart keeps one relationship record in as many copies as there are partners.\n\n"
           "  counterpart VERB ...        counterpart VERB --help\n");
    for (size_t group = 0; group < GROUP_COUNT; group++) {
        printf("\n%s\n", GROUPS[group]);
        for (size_t i = 0; i < COUNT(VERBS); i++)
            if (VERBS[i].group == group) printf("  %-14s %s\n", VERBS[i].name, VERBS[i].help);
    }
    printf("\nevery verb\n");
    print_options(COMMON, COUNT(COMMON));
    printf("\nExit codes: 0 done, 1 failed, 2 usage, 3 not in step, 4 waits for your word, 5 "
           "verification failed.\n");
}

static void print_fields(void)
{
    size_t count = 0;
    const struct noun *nouns = vocabulary_nouns(&count);
    for (size_t n = 0; n < count; n++) {
        printf("\n%s: %s\n", nouns[n].name, nouns[n].help);
        for (size_t i = 0; i < nouns[n].field_count; i++) {
            const struct field *field = &nouns[n].fields[i];
            printf("  %-14s %-8s %s\n", field->name,
                   field->kind == FIELD_TERM ? "propose" : "state", field->help);
        }
    }
}

void verbs_print_one(const struct verb_entry *verb)
{
    printf("counterpart %s %s\n\n%s\n", verb->name, verb->usage, verb->help);
    if (verb->more) printf("\n%s\n", verb->more);
    if (verb->option_count) printf("\noptions\n");
    print_options(verb->options, verb->option_count);
    printf("\nevery verb\n");
    print_options(COMMON, COUNT(COMMON));
    if (strstr(verb->usage, "NOUN")) print_fields();
}

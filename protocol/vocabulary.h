/*
 * vocabulary - the nouns and their fields, as one table. Adding a noun or a field is one edit, in vocabulary.c.
 *
 * Validation, the command line's arguments, JSON, CSV columns and the typed item tables are derived from it. A body that
 * does not fit affects what is shown, never what was agreed.
 */
#pragma once
#include "protocol/entry.h"

enum field_type {
    FIELD_LINE,     /* text without line breaks */
    FIELD_TEXT,     /* text, line breaks allowed */
    FIELD_DATE,     /* YYYY-MM-DD, a real day of the Gregorian calendar, 0001 to 9999 */
    FIELD_NUMBER,   /* integer between least and most */
    FIELD_CHOICE,   /* one of `choices` */
    FIELD_PARTY,    /* a party's code */
    FIELD_REFERENCE /* CODE-n */
};

enum field_kind {
    FIELD_TERM,      /* changes only with every party's word */
    FIELD_STATEMENT, /* one party's own word */
};

/* Who may set a statement's field; effect is decided by headers alone, so this is judged where it is written. */
enum field_author { AUTHOR_EITHER, AUTHOR_OWNER /* the party in the item's `owner` term */ };

struct field {
    const char *name;  /* "due"; a column, an argument, a JSON member */
    const char *label; /* "Due", for people and CSV headings */
    enum field_type type;
    enum field_kind kind;
    bool is_required;  /* in a first proposal or statement */
    enum field_author author;
    int64_t least, most;         /* FIELD_NUMBER: the value; FIELD_LINE, FIELD_TEXT: the bytes (least 0 is as 1) */
    const char *const *choices;  /* FIELD_CHOICE: NULL-terminated */
    const char *help;            /* one sentence */
};

struct noun {
    const char *name;  /* "action" */
    const char *label; /* "Action" */
    const char *help;
    bool is_proposed;  /* has terms: `propose` makes one */
    bool is_stated;    /* `state` may make one (it has no terms), or adds statements to one that has terms */
    bool wants_acknowledgement; /* a statement waits in the others' inbox until acknowledged or disputed */
    bool is_ours_to_import; /* `import` takes it */
    const struct field *fields;
    size_t field_count;
};

const struct noun *vocabulary_nouns(size_t *count); /* in a fixed order */
const struct noun *vocabulary_find(span name);      /* NULL when unknown */
/*
 * A verb's own fields, which are those of its body: a reason, a certificate. All are FIELD_STATEMENT. NULL for `propose`
 * and `state`, whose fields are their noun's, and for verbs without a body of this version.
 */
const struct noun *vocabulary_verb(enum verb verb);
const struct field *noun_field(const struct noun *noun, span name); /* NULL when unknown; exact name */
/* By name or label, ignoring case, spaces, '-' and '_': for CSV headings and people's typing. NULL when unknown. */
const struct field *noun_field_loosely(const struct noun *noun, span heading);

/*
 * Checks one value. Text that is empty or blank is refused: a field without a value is left out.
 * Fails: ERR_USAGE with the field's name, what was given and what would be right.
 */
MUST_USE bool field_check(const struct field *field, const struct value *value, struct err *e);
/*
 * Turns what a person typed into a checked value. Blanks around it are dropped; choices are found as headings are ("In
 * progress"). Text stays in `typed`, a choice in the table. Fails: ERR_USAGE as field_check.
 */
MUST_USE bool field_parse(const struct field *field, span typed, struct value *out, struct err *e);
/*
 * Checks a map of fields for a noun: all known, of `kind`, none twice, each value right, the required ones present when
 * `is_first`.
 * Fails: ERR_USAGE.
 */
MUST_USE bool noun_check(const struct noun *noun, enum field_kind kind, bool is_first, const struct body_field *fields,
                         size_t count, struct err *e);
/* Digest of the table but for labels and help: when it changes, the item tables are made anew. */
struct hash vocabulary_digest(void);

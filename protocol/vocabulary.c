#include "protocol/vocabulary.h"

#include "protocol/writer.h"

#include <string.h>

#define LINE_MOST 200
#define TEXT_MOST 4000
#define REASON_MOST 2000
#define COMMENT_MOST 8000
#define CODES_MOST (PARTIES_MAX * (CODE_BYTES_MAX + 1))
#define FINGERPRINTS_MOST                                                                          \
    (PARTIES_MAX * (CODE_BYTES_MAX + 1 + 2 * 32 + 1)) /* a line CODE HEX each */
#define REFERENCE_DIGITS_MAX 10
#define SHOWN_BYTES 48 /* of a wrong value in a message */

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define FIELDS(table) .fields = (table), .field_count = COUNT(table)
#define CHOICES(...)                                                                               \
    .type = FIELD_CHOICE, .choices = (const char *const[]) { __VA_ARGS__, NULL }
#define LINE(bytes) .type = FIELD_LINE, .most = (bytes)
#define TEXT(bytes) .type = FIELD_TEXT, .most = (bytes)

/* clang-format off */

static const struct field CHARTER_FIELDS[] = {
    {"title", "Title", LINE(TITLE_BYTES_MAX), .is_required = true,
     .help = "What the relationship is called."},
    {"parties", "Parties", LINE(CODES_MOST),
     .help = "The codes of all parties, the opener first; fixed when the relationship opens."},
    {"kind", "Kind",
     CHOICES("supplier", "client", "partner", "affiliate", "alliance", "joint-venture"),
     .help = "What the parties are to each other."},
    {"scope", "Scope", TEXT(TEXT_MOST),
     .help = "What the relationship covers."},
    {"boundaries", "Boundaries", TEXT(TEXT_MOST),
     .help = "What it does not cover, and what neither side may do in its name."},
    {"start", "Start", .type = FIELD_DATE,
     .help = "The day it starts."},
    {"contract", "Contract", LINE(LINE_MOST),
     .help = "The contracts it rests on."},
    {"language", "Language", LINE(LINE_MOST),
     .help = "The language the parties write in."},
    {"time_zone", "Time zone", LINE(LINE_MOST),
     .help = "The time zone that dates are meant in, such as Europe/Zurich."},
    {"currency", "Currency", LINE(LINE_MOST),
     .help = "The currency that amounts are meant in, such as EUR."},
    {"fingerprints", "Fingerprints", TEXT(FINGERPRINTS_MOST),
     .help = "The identity fingerprints of all parties, a line for each."},
};

static const struct field APPOINTMENT_FIELDS[] = {
    {"person", "Person", LINE(PERSON_BYTES_MAX), .kind = FIELD_STATEMENT, .is_required = true,
     .help = "Who is appointed."},
    {"role", "Role", LINE(ROLE_BYTES_MAX), .kind = FIELD_STATEMENT, .is_required = true,
     .help = "The role, such as relationship manager."},
    {"party", "Party", .type = FIELD_PARTY, .kind = FIELD_STATEMENT,
     .help = "The party the person acts for."},
    {"from", "From", .type = FIELD_DATE, .kind = FIELD_STATEMENT,
     .help = "The first day in the role."},
    {"to", "To", .type = FIELD_DATE, .kind = FIELD_STATEMENT,
     .help = "The last day in the role."},
    {"deputy", "Deputy", LINE(PERSON_BYTES_MAX), .kind = FIELD_STATEMENT,
     .help = "Who stands in."},
    {"area", "Area", LINE(LINE_MOST), .kind = FIELD_STATEMENT,
     .help = "What the role is about."},
    {"opposite", "Opposite number", LINE(PERSON_BYTES_MAX), .kind = FIELD_STATEMENT,
     .help = "The person with the same role on the other side."},
};

static const struct field ACTION_FIELDS[] = {
    {"title", "Title", LINE(300), .is_required = true,
     .help = "What is to be done, in one line."},
    {"owner", "Owner", .type = FIELD_PARTY,
     .help = "The party that does it; the proposer's when left out."},
    {"owner_person", "Owner person", LINE(PERSON_BYTES_MAX),
     .help = "The person at the owner who does it."},
    {"area", "Area", LINE(LINE_MOST),
     .help = "What it is about, for sorting."},
    {"due", "Due", .type = FIELD_DATE,
     .help = "The agreed day; slipping is said with a forecast."},
    {"priority", "Priority", CHOICES("low", "medium", "high", "critical"),
     .help = "How much it matters."},
    {"link", "Link", .type = FIELD_REFERENCE,
     .help = "The item it comes from, such as ACME-12."},
    {"done_when", "Done when", TEXT(TEXT_MOST),
     .help = "How both sides will know that it is done."},
    {"resource", "Resource", LINE(LINE_MOST),
     .help = "What is committed to it: people, days, money."},
    {"closed", "Closed", CHOICES("done", "cancelled", "transferred"),
     .help = "How it ended; closing is agreed like any other change."},
    {"closed_reason", "Closed reason", TEXT(REASON_MOST),
     .help = "Why it was closed."},
    {"status", "Status", CHOICES("not_started", "in_progress", "blocked", "done_claimed"),
     .kind = FIELD_STATEMENT, .is_required = true, .author = AUTHOR_OWNER,
     .help = "Where the owner says it stands."},
    {"percent", "Percent", .type = FIELD_NUMBER, .least = 0, .most = 100,
     .kind = FIELD_STATEMENT, .author = AUTHOR_OWNER,
     .help = "How much is done, 0 to 100."},
    {"rag", "RAG", CHOICES("red", "amber", "green"),
     .kind = FIELD_STATEMENT, .author = AUTHOR_OWNER,
     .help = "The owner's own judgement: red, amber or green."},
    {"next_step", "Next step", TEXT(TEXT_MOST), .kind = FIELD_STATEMENT, .author = AUTHOR_OWNER,
     .help = "What the owner does next."},
    {"evidence", "Evidence", TEXT(TEXT_MOST), .kind = FIELD_STATEMENT, .author = AUTHOR_OWNER,
     .help = "What shows the progress."},
    {"forecast", "Forecast", .type = FIELD_DATE, .kind = FIELD_STATEMENT, .author = AUTHOR_OWNER,
     .help = "The day the owner now expects it to be done."},
};

static const struct field COMMENT_FIELDS[] = {
    {"text", "Text", TEXT(COMMENT_MOST), .kind = FIELD_STATEMENT, .is_required = true,
     .help = "What is said."},
};

static const struct noun NOUNS[] = {
    {.name = "charter", .label = "Charter", FIELDS(CHARTER_FIELDS), .is_proposed = true,
     .help = "What the relationship is for, who its parties are and by which keys they are known."},
    {.name = "appointment", .label = "Appointment", FIELDS(APPOINTMENT_FIELDS),
     .is_stated = true, .wants_acknowledgement = true,
     .help = "Who acts for a party in which role; each party decides its own."},
    {.name = "action", .label = "Action", FIELDS(ACTION_FIELDS),
     .is_proposed = true, .is_stated = true, .is_ours_to_import = true,
     .help = "Something one party is to do by an agreed day; its owner states the progress."},
    {.name = "comment", .label = "Comment", FIELDS(COMMENT_FIELDS),
     .help = "A remark about an entry, which changes nothing."},
};

static const struct field OPEN_FIELDS[] = {
    {"title", "Title", LINE(TITLE_BYTES_MAX), .kind = FIELD_STATEMENT, .is_required = true,
     .help = "What the relationship is called."},
    {"parties", "Parties", LINE(CODES_MOST), .kind = FIELD_STATEMENT, .is_required = true,
     .help = "The codes of all parties, separated by one space, the opener first."},
    {"nonce", "Nonce", LINE(64), .least = 64, .kind = FIELD_STATEMENT, .is_required = true,
     .help = "The 32 random bytes in the relationship id, as hex digits."},
    {"certificate", "Certificate", TEXT(CERTIFICATE_BYTES_MAX), .kind = FIELD_STATEMENT,
     .is_required = true, .help = "The opener's own certificate."},
};

static const struct field JOIN_FIELDS[] = {
    {"certificate", "Certificate", TEXT(CERTIFICATE_BYTES_MAX), .kind = FIELD_STATEMENT,
     .is_required = true, .help = "The joiner's own certificate."},
};

static const struct field PAIR_FIELDS[] = {
    {"party", "Party", .type = FIELD_PARTY, .kind = FIELD_STATEMENT, .is_required = true,
     .help = "The party whose keys were checked."},
    {"certificate", "Certificate", TEXT(CERTIFICATE_BYTES_MAX), .kind = FIELD_STATEMENT,
     .is_required = true, .help = "That party's certificate."},
    {"how", "How", CHOICES("voice", "in_person", "not_checked", "invitation"),
     .kind = FIELD_STATEMENT, .is_required = true, .help = "How its keys were checked."},
};

/* All are of the entry that begins a successor feed but `how`, which is of the countersignature. */
static const struct field SUCCEED_FIELDS[] = {
    {"certificate", "Certificate", TEXT(CERTIFICATE_BYTES_MAX), .kind = FIELD_STATEMENT,
     .help = "The party's certificate with the successor feed's log key."},
    {"ordinal", "Ordinal", .type = FIELD_NUMBER, .least = 1, .most = ORDINALS_MAX - 1, .kind = FIELD_STATEMENT,
     .help = "How many feeds the party had before this one."},
    {"how", "How", CHOICES("voice", "in_person", "not_checked"), .kind = FIELD_STATEMENT,
     .help = "How the successor feed's check words were compared."},
};

static const struct field REASON_FIELDS[] = {
    {"reason", "Reason", TEXT(REASON_MOST), .kind = FIELD_STATEMENT, .is_required = true,
     .help = "Why."},
};

/* A verb without an entry of its own here has no body of this version, or its noun's. */
static const struct noun VERBS[] = {
    [VERB_OPEN] = {.name = "open", .label = "Open", FIELDS(OPEN_FIELDS),
                   .help = "Opens the relationship."},
    [VERB_JOIN] = {.name = "join", .label = "Join", FIELDS(JOIN_FIELDS),
                   .help = "Joins the relationship."},
    [VERB_PAIR] = {.name = "pair", .label = "Pair", FIELDS(PAIR_FIELDS),
                   .help = "Names another party's keys and how they were checked."},
    [VERB_ACCEPT] = {.name = "accept", .label = "Accept",
                     .help = "Says yes to a proposal."},
    [VERB_DECLINE] = {.name = "decline", .label = "Decline", FIELDS(REASON_FIELDS),
                      .help = "Says no to a proposal, for good."},
    [VERB_WITHDRAW] = {.name = "withdraw", .label = "Withdraw",
                       .help = "Takes back one's own proposal, acceptance or dispute."},
    [VERB_ACKNOWLEDGE] = {.name = "acknowledge", .label = "Acknowledge",
                          .help = "Says that a statement was noted and stands."},
    [VERB_DISPUTE] = {.name = "dispute", .label = "Dispute", FIELDS(REASON_FIELDS),
                      .help = "Says that a statement is not right."},
    [VERB_COMMENT] = {.name = "comment", .label = "Comment", FIELDS(COMMENT_FIELDS),
                      .help = "A remark about an entry, which changes nothing."},
    [VERB_SEAL] = {.name = "seal", .label = "Seal",
                   .help = "Says that a proposal is agreed, and by which words."},
    [VERB_SUCCEED] = {.name = "succeed", .label = "Succeed", FIELDS(SUCCEED_FIELDS),
                      .help = "Begins a successor feed, or countersigns another party's."},
};

/* clang-format on */

const struct noun *vocabulary_nouns(size_t *count)
{
    *count = COUNT(NOUNS);
    return NOUNS;
}

const struct noun *vocabulary_find(span name)
{
    for (size_t i = 0; i < COUNT(NOUNS); i++)
        if (span_equal(name, span_text(NOUNS[i].name))) return &NOUNS[i];
    return NULL;
}

const struct noun *vocabulary_verb(enum verb verb)
{
    return (size_t)verb < COUNT(VERBS) && VERBS[verb].name ? &VERBS[verb] : NULL;
}

const struct field *noun_field(const struct noun *noun, span name)
{
    for (size_t i = 0; i < noun->field_count; i++)
        if (span_equal(name, span_text(noun->fields[i].name))) return &noun->fields[i];
    return NULL;
}

/* The next byte that counts when people write names, in lower case; -1 at the end. */
static int loose_next(span *left)
{
    span byte = {0};
    while (span_take(left, 1, &byte)) {
        uint8_t c = byte.at[0];
        if (c == ' ' || c == '-' || c == '_') continue;
        return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
    }
    return -1;
}

static bool loosely_equal(span a, span b)
{
    int next = 0;
    do {
        next = loose_next(&a);
        if (next != loose_next(&b)) return false;
    } while (next >= 0);
    return true;
}

const struct field *noun_field_loosely(const struct noun *noun, span heading)
{
    for (size_t i = 0; i < noun->field_count; i++) {
        const struct field *field = &noun->fields[i];
        if (loosely_equal(heading, span_text(field->name))) return field;
        if (loosely_equal(heading, span_text(field->label))) return field;
    }
    return NULL;
}

/* Values. */

static bool is_blank_byte(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static span trimmed(span text)
{
    span drop = {0};
    while (text.len && is_blank_byte(text.at[0])) (void)!span_take(&text, 1, &drop);
    while (text.len && is_blank_byte(text.at[text.len - 1])) text.len--;
    return text;
}

/* Digits that say 0 to `most`, without leading zeros unless `len` fixes how many there are. */
static bool digits_read(span text, size_t len, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;
    if (text.len == 0 || (len && text.len != len)) return false;
    if (!len && text.len > 1 && text.at[0] == '0') return false;
    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)text.at[i] - '0';
        if (digit > 9 || digit > most || value > (most - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

static bool is_date(span text)
{
    static const uint8_t days[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    span year_text = {0}, month_text = {0};
    uint64_t year = 0, month = 0, day = 0;
    if (!span_take_until(&text, '-', &year_text)) return false;
    if (!span_take_until(&text, '-', &month_text)) return false;
    if (!digits_read(year_text, 4, 9999, &year) || year == 0) return false;
    if (!digits_read(month_text, 2, 12, &month) || month == 0) return false;
    if (!digits_read(text, 2, 31, &day) || day == 0) return false;
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days[month] + (uint64_t)(month == 2 && is_leap);
}

static bool is_reference(span text)
{
    span code = {0};
    uint64_t number = 0;
    if (!span_take_until(&text, '-', &code) || !code_is_valid(code)) return false;
    return text.len <= REFERENCE_DIGITS_MAX && digits_read(text, 0, UINT64_MAX, &number) && number;
}

/* As line_is_valid, but with line breaks and tabs. */
static bool text_is_valid(span text)
{
    if (!span_is_utf8(text)) return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) return false;
        if (c == 0xc2 && text.at[i + 1] < 0xa0)
            return false; /* valid UTF-8: one more byte follows */
    }
    return true;
}

static const char *choice_loosely(const struct field *field, span typed)
{
    for (size_t i = 0; field->choices[i]; i++)
        if (loosely_equal(typed, span_text(field->choices[i]))) return field->choices[i];
    return NULL;
}

static bool wrong(const struct field *field, span given, const char *right, struct err *e)
{
    char shown[SHOWN_BYTES] = {0};
    return err_set(
        e, ERR_USAGE, "%s is '%s', it should be %s", field->name,
        span_show(span_is_utf8(given) ? given : span_text("(not UTF-8)"), shown, sizeof shown),
        right);
}

static bool wrong_choice(const struct field *field, span given, struct err *e)
{
    char right[128] = {0};
    struct sink out = sink_over(right, sizeof right - 1);
    for (size_t i = 0; field->choices[i]; i++) {
        bool is_last = !field->choices[i + 1];
        if (i) sink_text(&out, is_last ? " or " : ", ");
        sink_text(&out, field->choices[i]);
    }
    return wrong(field, given, right, e);
}

static bool number_check(const struct field *field, int64_t number, struct err *e)
{
    if (number >= field->least && number <= field->most) return true;
    return err_set(e, ERR_USAGE, "%s is %lld, it should be %lld to %lld", field->name,
                   (long long)number, (long long)field->least, (long long)field->most);
}

static bool words_check(const struct field *field, span text, struct err *e)
{
    if (text.len > (uint64_t)field->most)
        return err_set(e, ERR_USAGE, "%s is %zu bytes long, the limit is %lld", field->name,
                       text.len, (long long)field->most);
    if (text.len < (uint64_t)field->least)
        return err_set(e, ERR_USAGE, "%s is %zu bytes long, it should be at least %lld",
                       field->name, text.len, (long long)field->least);
    if (field->type == FIELD_LINE && !line_is_valid(text))
        return wrong(field, text, "one line without control characters", e);
    if (field->type == FIELD_TEXT && !text_is_valid(text))
        return wrong(field, text, "text without control characters", e);
    return true;
}

bool field_check(const struct field *field, const struct value *value, struct err *e)
{
    if (field->type == FIELD_NUMBER) {
        if (value->is_text) return wrong(field, value->text, "a whole number", e);
        return number_check(field, value->number, e);
    }
    if (!value->is_text)
        return err_set(e, ERR_USAGE, "%s is a number, it should be text", field->name);
    if (trimmed(value->text).len == 0) return err_set(e, ERR_USAGE, "%s is empty", field->name);
    span text = value->text;
    switch (field->type) {
    case FIELD_LINE:
    case FIELD_TEXT: return words_check(field, text, e);
    case FIELD_DATE: return is_date(text) || wrong(field, text, "a day such as 2026-12-18", e);
    case FIELD_PARTY:
        return code_is_valid(text) || wrong(field, text, "a party's code such as ACME", e);
    case FIELD_REFERENCE:
        return is_reference(text) || wrong(field, text, "a reference such as ACME-12", e);
    case FIELD_CHOICE:
        for (size_t i = 0; field->choices[i]; i++)
            if (span_equal(text, span_text(field->choices[i]))) return true;
        return wrong_choice(field, text, e);
    case FIELD_NUMBER: break;
    }
    return false;
}

static bool number_parse(const struct field *field, span typed, int64_t *out, struct err *e)
{
    span digits = typed, sign = {0};
    uint64_t amount = 0;
    bool is_negative = digits.len > 0 && digits.at[0] == '-';
    if (is_negative && !span_take(&digits, 1, &sign)) return false;
    if (!digits_read(digits, 0, INT64_MAX, &amount))
        return wrong(field, typed, "a whole number", e);
    *out = is_negative ? -(int64_t)amount : (int64_t)amount;
    return true;
}

bool field_parse(const struct field *field, span typed, struct value *out, struct err *e)
{
    struct value value = {.is_text = field->type != FIELD_NUMBER, .text = trimmed(typed)};
    if (!value.is_text) {
        if (!number_parse(field, value.text, &value.number, e)) return false;
        value.text = (span){0};
    }
    if (field->type == FIELD_CHOICE) {
        const char *choice = choice_loosely(field, value.text);
        if (choice) value.text = span_text(choice);
    }
    if (!field_check(field, &value, e)) return false;
    *out = value;
    return true;
}

bool noun_check(const struct noun *noun, enum field_kind kind, bool is_first,
                const struct body_field *fields, size_t count, struct err *e)
{
    char shown[FIELD_NAME_BYTES_MAX + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        const struct field *field = noun_field(noun, fields[i].name);
        if (!field)
            return err_set(e, ERR_USAGE, "%s has no field '%s'", noun->name,
                           span_show(fields[i].name, shown, sizeof shown));
        if (field->kind != kind)
            return err_set(e, ERR_USAGE, "%s of %s is %s", field->name, noun->name,
                           field->kind == FIELD_TERM ? "a term: propose it"
                                                     : "one party's word: state it");
        if (body_find(fields, i, field->name))
            return err_set(e, ERR_USAGE, "%s is given twice", field->name);
        if (!field_check(field, &fields[i].value, e)) return false;
    }
    for (size_t i = 0; is_first && i < noun->field_count; i++) {
        const struct field *field = &noun->fields[i];
        if (field->kind == kind && field->is_required && !body_find(fields, count, field->name))
            return err_set(e, ERR_USAGE, "%s needs %s", noun->name, field->name);
    }
    return true;
}

static struct hash digest_field(const struct hash *before, const struct field *field)
{
    uint8_t bytes[512] = {0};
    struct sink out = sink_over(bytes, sizeof bytes);
    write_text(&out, span_text(field->name));
    write_i64(&out, field->type);
    write_i64(&out, field->kind);
    write_i64(&out, field->author);
    write_bool(&out, field->is_required);
    write_i64(&out, field->least);
    write_i64(&out, field->most);
    for (size_t i = 0; field->choices && field->choices[i]; i++)
        write_text(&out, span_text(field->choices[i]));
    must(!out.full);
    span parts[] = {hash_span(before), sink_span(&out)};
    return hash_labelled("counterpart/v1/vocabulary", parts, COUNT(parts));
}

static struct hash digest_noun(const struct hash *before, const struct noun *noun)
{
    uint8_t bytes[64] = {0};
    struct sink out = sink_over(bytes, sizeof bytes);
    write_text(&out, span_text(noun->name));
    write_bool(&out, noun->is_proposed);
    write_bool(&out, noun->is_stated);
    write_bool(&out, noun->wants_acknowledgement);
    must(!out.full);
    span parts[] = {hash_span(before), sink_span(&out)};
    struct hash digest = hash_labelled("counterpart/v1/vocabulary", parts, COUNT(parts));
    for (size_t i = 0; i < noun->field_count; i++) digest = digest_field(&digest, &noun->fields[i]);
    return digest;
}

struct hash vocabulary_digest(void)
{
    struct hash digest = {0};
    for (size_t i = 0; i < COUNT(NOUNS); i++) digest = digest_noun(&digest, &NOUNS[i]);
    for (size_t i = 0; i < COUNT(VERBS); i++)
        if (VERBS[i].name) digest = digest_noun(&digest, &VERBS[i]);
    return digest;
}

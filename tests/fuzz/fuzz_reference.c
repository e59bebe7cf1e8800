/*
 * What a person types to name something: CODE-n or the first digits of an id, a relationship, a party, a noun. Both rooms
 * are included: what reads it is their own. Input: what was typed.
 */
#include "store/references.c"

#include "tools/choose.c"

#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <inttypes.h>

#define TYPED_BYTES 512

/* A code and its number, written as the program shows them, are read as the same. */
static void code_again(const struct typed *typed)
{
    struct typed again;
    char text[CODE_BYTES_MAX + 24];
    must(code_is_valid(span_text(typed->code)) && typed->number > 0);
    (void)snprintf(text, sizeof text, "%s-%" PRId64, typed->code, typed->number);
    must(typed_read(span_text(text), &again, NULL) && again.is_code);
    must(again.number == typed->number && strcmp(again.code, typed->code) == 0);
}

/* Every id with these first digits lies between the two ends, and no other. */
static void digits_again(const struct typed *typed, span text)
{
    char low[2 * sizeof typed->low.bytes + 1], high[sizeof low];
    span digits = trimmed(text);
    (void)hex_write(hash_span(&typed->low), low, sizeof low);
    (void)hex_write(hash_span(&typed->high), high, sizeof high);
    must(digits.len >= DIGITS_MIN && digits.len < sizeof low);
    for (size_t i = 0; i < digits.len; i++) must(low[i] == high[i] && low[i] == tolower(digits.at[i]));
    for (size_t i = digits.len; i + 1 < sizeof low; i++) must(low[i] == '0' && high[i] == 'f');
}

static void reference(span text)
{
    struct typed typed;
    struct err e = {0};
    if (!typed_read(text, &typed, &e)) {
        must(e.code == ERR_MISSING && span_is_utf8(span_text(e.said)));
        must_say_why(&e);
    } else if (typed.is_code) {
        code_again(&typed);
    } else {
        digits_again(&typed, text);
    }
}

static void relationship(const char *typed)
{
    static const struct relationship known = {
        .id = {{0x42, 0x02, 0x9a, 0xcb}}, .title = "Press line", .is_open_known = true, .party_count = 2,
        .parties = {{.code = "ACME"}, {.code = "BOLT", .party = 1}}};
    bool is_exact = false;
    (void)is_named(&known, typed, &is_exact);
    const struct party *party = NULL;
    struct err e = {0};
    if (choose_party(&known, typed, &party, &e)) must(party && strcasecmp(party->code, typed) == 0);
    else must(!party && e.code == ERR_MISSING);
}

static void names(const char *typed)
{
    const struct noun *noun = NULL;
    char code[CODE_BYTES_MAX + 1];
    struct err e = {0};
    if (choose_noun(typed, &noun, &e)) must(noun && strcasecmp(noun->name, typed) == 0);
    else must(!noun && e.code == ERR_USAGE);
    mark_untouched(code, sizeof code);
    if (choose_code(typed, code, &e)) must(code_is_valid(span_text(code)) && strcasecmp(code, typed) == 0);
    else must_be_untouched(code, sizeof code);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    char typed[TYPED_BYTES];
    reference(span_of(at, len));
    if (!span_to_text(span_of(at, len), typed, sizeof typed)) return 0;
    relationship(typed);
    names(typed);
    return 0;
}

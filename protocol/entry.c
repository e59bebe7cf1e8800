#include "protocol/entry.h"

#include "protocol/writer.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_FIELDS 15
#define HEADER_FIELDS_FIXED 5 /* the first ones, which keep their layout in all versions */
#define HEADER_FIELDS_MOST 64 /* of any version */

static const char *const VERB_WORDS[] = {
    [VERB_OPEN] = "open",         [VERB_JOIN] = "join",       [VERB_PAIR] = "pair",
    [VERB_PROPOSE] = "propose",   [VERB_ACCEPT] = "accept",   [VERB_DECLINE] = "decline",
    [VERB_WITHDRAW] = "withdraw", [VERB_STATE] = "state",     [VERB_ACKNOWLEDGE] = "acknowledge",
    [VERB_DISPUTE] = "dispute",   [VERB_COMMENT] = "comment", [VERB_SEAL] = "seal",
    [VERB_SUCCEED] = "succeed",
};
#define VERB_WORDS_COUNT (sizeof VERB_WORDS / sizeof VERB_WORDS[0])

const char *verb_word(enum verb verb)
{
    return (size_t)verb < VERB_WORDS_COUNT ? VERB_WORDS[verb] : NULL;
}

enum verb verb_of(span word)
{
    for (size_t i = VERB_UNKNOWN + 1; i < VERB_WORDS_COUNT; i++)
        if (span_equal(word, span_text(VERB_WORDS[i]))) return (enum verb)i;
    return VERB_UNKNOWN;
}

/* The header: each part's writer and reader stand together. */

static void front_write(struct sink *out, const struct header *header)
{
    write_array(out, header->front_count);
    for (size_t i = 0; i < header->front_count; i++) {
        const struct front_row *row = &header->front[i];
        write_array(out, 3);
        write_bytes(out, key_public_span(&row->log_key));
        write_u64(out, row->size);
        write_bytes(out, hash_span(&row->root));
    }
}

static bool front_read(struct reader *r, struct header *out, struct err *e)
{
    if (!read_array_upto(r, FRONT_MAX, &out->front_count, e)) return false;
    span previous = {0};
    for (size_t i = 0; i < out->front_count; i++) {
        struct front_row *row = &out->front[i];
        if (!read_array(r, 3, e)) return false;
        if (!read_bytes(r, row->log_key.bytes, sizeof row->log_key.bytes, e)) return false;
        if (!read_u64(r, FEED_ENTRIES_MAX, &row->size, e)) return false;
        if (!read_bytes(r, row->root.bytes, sizeof row->root.bytes, e)) return false;
        if (span_compare(key_public_span(&row->log_key), previous) <= 0)
            return err_set(e, ERR_MALFORMED, "row %zu of the front is not above the one before it",
                           i);
        if (key_public_equal(&row->log_key, &out->log_key))
            return err_set(e, ERR_MALFORMED, "row %zu of the front names the author's own feed", i);
        if (row->size == 0)
            return err_set(e, ERR_MALFORMED, "row %zu of the front names an empty feed", i);
        previous = key_public_span(&row->log_key);
    }
    return true;
}

static void hash_or_empty_write(struct sink *out, const struct hash *hash, bool is_present)
{
    write_bytes(out, is_present ? hash_span(hash) : (span){0});
}

/* No bytes, or a hash. All zeros stand for "none" in our structs and are not the hash of anything.
 */
static bool hash_or_empty_read(struct reader *r, struct hash *out, bool *is_present, struct err *e)
{
    span bytes = {0};
    if (!read_span(r, sizeof out->bytes, &bytes, e)) return false;
    *out = (struct hash){0};
    *is_present = bytes.len > 0;
    if (!*is_present) return true;
    if (bytes.len != sizeof out->bytes)
        return err_set(e, ERR_MALFORMED, "an entry id of %zu bytes, expected 0 or %zu", bytes.len,
                       sizeof out->bytes);
    memcpy(out->bytes, bytes.at, sizeof out->bytes);
    if (hash_is_zero(out)) return err_set(e, ERR_MALFORMED, "an entry id of zeros");
    return true;
}

static void items_write(struct sink *out, const struct header *header)
{
    write_array(out, header->item_count);
    for (size_t i = 0; i < header->item_count; i++) {
        const struct item_base *item = &header->items[i];
        write_array(out, 2);
        hash_or_empty_write(out, &item->item, !item->is_new);
        hash_or_empty_write(out, &item->base, !item->from_start);
    }
}

static bool items_read(struct reader *r, struct header *out, struct err *e)
{
    if (!read_array_upto(r, ITEMS_MAX, &out->item_count, e)) return false;
    for (size_t i = 0; i < out->item_count; i++) {
        struct item_base *item = &out->items[i];
        bool has_item = false, has_base = false;
        if (!read_array(r, 2, e)) return false;
        if (!hash_or_empty_read(r, &item->item, &has_item, e)) return false;
        if (!hash_or_empty_read(r, &item->base, &has_base, e)) return false;
        item->is_new = !has_item;
        item->from_start = !has_base;
    }
    return true;
}

static void words_of_seal_write(struct sink *out, const struct header *header)
{
    write_array(out, header->word_count);
    for (size_t i = 0; i < header->word_count; i++) {
        const struct seal_word *word = &header->words[i];
        write_array(out, 3);
        write_bytes(out, key_public_span(&word->log_key));
        write_u64(out, word->index);
        write_bytes(out, hash_span(&word->leaf));
    }
}

static bool words_of_seal_read(struct reader *r, struct header *out, struct err *e)
{
    if (!read_array_upto(r, PARTIES_MAX, &out->word_count, e)) return false;
    for (size_t i = 0; i < out->word_count; i++) {
        struct seal_word *word = &out->words[i];
        if (!read_array(r, 3, e)) return false;
        if (!read_bytes(r, word->log_key.bytes, sizeof word->log_key.bytes, e)) return false;
        if (!read_u64(r, FEED_ENTRIES_MAX - 1, &word->index, e)) return false;
        if (!read_bytes(r, word->leaf.bytes, sizeof word->leaf.bytes, e)) return false;
    }
    return true;
}

void header_write(struct sink *out, const struct header *header)
{
    must(header->front_count <= FRONT_MAX && header->item_count <= ITEMS_MAX &&
         header->word_count <= PARTIES_MAX);
    size_t start = out->len;
    write_array(out, HEADER_FIELDS);
    write_u64(out, header->version);
    write_bytes(out, relationship_span(&header->relationship));
    write_bytes(out, key_public_span(&header->log_key));
    write_u64(out, header->index);
    front_write(out, header);
    write_u64(out, header->time_ms);
    write_text(out, header->person);
    write_text(out, header->role);
    write_text(out, header->verb_text);
    write_text(out, header->noun);
    items_write(out, header);
    hash_or_empty_write(out, &header->ref, header->has_ref);
    words_of_seal_write(out, header);
    write_bytes(out, hash_span(&header->body_digest));
    write_u64(out, header->body_bytes);
    if (out->len - start > HEADER_BYTES_MAX) out->full = true;
}

static bool header_read_fixed(struct reader *r, struct header *out, struct err *e)
{
    if (!read_u64(r, UINT64_MAX, &out->version, e)) return false;
    if (out->version == 0) return err_set(e, ERR_MALFORMED, "format version 0 does not exist");
    if (!read_bytes(r, out->relationship.bytes, sizeof out->relationship.bytes, e)) return false;
    if (!read_bytes(r, out->log_key.bytes, sizeof out->log_key.bytes, e)) return false;
    if (!read_u64(r, FEED_ENTRIES_MAX - 1, &out->index, e)) return false;
    return front_read(r, out, e);
}

static bool body_name_read(struct reader *r, struct header *out, struct err *e)
{
    if (!read_bytes(r, out->body_digest.bytes, sizeof out->body_digest.bytes, e)) return false;
    return read_u64(r, BODY_BYTES_MAX, &out->body_bytes, e);
}

static bool header_read_rest(struct reader *r, struct header *out, struct err *e)
{
    if (!read_u64(r, TIME_MS_MAX, &out->time_ms, e)) return false;
    if (!read_text(r, PERSON_BYTES_MAX, &out->person, e)) return false;
    if (!read_text(r, ROLE_BYTES_MAX, &out->role, e)) return false;
    if (!read_text(r, VERB_BYTES_MAX, &out->verb_text, e)) return false;
    if (!read_text(r, NOUN_BYTES_MAX, &out->noun, e)) return false;
    out->verb = verb_of(out->verb_text);
    if (!items_read(r, out, e)) return false;
    if (!hash_or_empty_read(r, &out->ref, &out->has_ref, e)) return false;
    if (!words_of_seal_read(r, out, e)) return false;
    return body_name_read(r, out, e);
}

/* A newer version's further fields: only their spelling is checked, but for the last two, which name the body. */
static bool header_skip_rest(struct reader *r, size_t fields, struct header *out, struct err *e)
{
    if (fields < 2) return err_set(e, ERR_MALFORMED, "a header that does not name its body");
    for (size_t i = 0; i + 2 < fields; i++)
        if (!read_skip(r, NULL, e)) return false;
    out->time_ms = 0;
    out->person = out->role = out->verb_text = out->noun = (span){0};
    out->verb = VERB_UNKNOWN;
    out->item_count = out->word_count = 0;
    out->has_ref = false;
    out->ref = (struct hash){0};
    return body_name_read(r, out, e);
}

bool header_read(span bytes, struct header *out, struct err *e)
{
    if (bytes.len > HEADER_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "the entry header is %zu bytes, the limit is %d", bytes.len,
                       HEADER_BYTES_MAX);
    struct reader r = reader_over(bytes);
    size_t fields = 0;
    if (!read_array_upto(&r, HEADER_FIELDS_MOST, &fields, e))
        return err_because(e, "reading an entry header");
    if (fields < HEADER_FIELDS_FIXED)
        return err_set(e, ERR_MALFORMED, "an entry header of %zu fields, expected %d", fields,
                       HEADER_FIELDS);
    if (!header_read_fixed(&r, out, e)) return err_because(e, "reading an entry header");
    if (!header_is_newer(out) && fields != HEADER_FIELDS)
        return err_set(e, ERR_MALFORMED, "an entry header of %zu fields, expected %d", fields,
                       HEADER_FIELDS);
    bool is_read = header_is_newer(out) ? header_skip_rest(&r, fields - HEADER_FIELDS_FIXED, out, e)
                                        : header_read_rest(&r, out, e);
    if (!is_read || !read_end(&r, e)) return err_because(e, "reading an entry header");
    return true;
}

struct hash header_item(const struct header *header, const struct hash *entry, size_t n)
{
    must(n < header->item_count);
    if (!header->items[n].is_new) return header->items[n].item;
    uint64_t created = 0; /* items created before this one */
    for (size_t i = 0; i < n; i++) created += header->items[i].is_new;
    if (created == 0) return *entry;
    uint8_t number[8] = {0};
    struct sink out = sink_over(number, sizeof number);
    sink_u64_be(&out, created);
    return hash_labelled("counterpart/v1/item", (span[]){hash_span(entry), sink_span(&out)}, 2);
}

/* The body. */

struct hash body_digest(const uint8_t salt[SALT_BYTES], span body)
{
    return hash_labelled("counterpart/v1/body", (span[]){span_of(salt, SALT_BYTES), body}, 2);
}

static bool value_read(struct reader *r, struct value *out, struct err *e)
{
    *out = (struct value){0};
    out->is_text = reader_next_kind(r) == READER_TEXT;
    return out->is_text ? read_text(r, BODY_BYTES_MAX, &out->text, e)
                        : read_i64(r, &out->number, e);
}

static void value_write(struct sink *out, const struct value *value)
{
    if (value->is_text)
        write_text(out, value->text);
    else
        write_i64(out, value->number);
}

/* `fields` may be NULL: then the map is only checked. */
static bool map_read(struct reader *r, struct body_field *fields, size_t *count, struct err *e)
{
    if (!read_map_upto(r, FIELDS_MAX, count, e)) return false;
    span key = {0};
    for (size_t i = 0; i < *count; i++) {
        struct value value = {0};
        if (!read_key(r, FIELD_NAME_BYTES_MAX, &key, e)) return false;
        if (!value_read(r, &value, e)) return false;
        if (fields) fields[i] = (struct body_field){key, value};
    }
    return true;
}

/* Reads all of it, or only checks when `fields` is NULL. `found` is set when there is a map
 * `ordinal`. */
static bool body_walk(span body, size_t ordinal, struct body_field *fields, size_t *found,
                      size_t *maps, struct err *e)
{
    struct reader r = reader_over(body);
    if (!read_array_upto(&r, ITEMS_MAX, maps, e)) return false;
    if (*maps == 0) return err_set(e, ERR_MALFORMED, "a body without a map");
    for (size_t i = 0; i < *maps; i++) {
        size_t count = 0;
        if (!map_read(&r, i == ordinal ? fields : NULL, &count, e)) return false;
        if (i == ordinal) *found = count;
    }
    return read_end(&r, e);
}

bool body_read(span body, size_t ordinal, struct body_field *fields, size_t *count, struct err *e)
{
    if (body.len > BODY_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "the entry body is %zu bytes, the limit is %d", body.len,
                       BODY_BYTES_MAX);
    struct body_field read[FIELDS_MAX] = {0};
    size_t found = 0, maps = 0;
    if (!body_walk(body, ordinal, read, &found, &maps, e))
        return err_because(e, "reading an entry body");
    if (ordinal >= maps)
        return err_set(e, ERR_MISSING, "the entry body has %zu maps, number %zu was asked for",
                       maps, ordinal + 1);
    memcpy(fields, read, found * sizeof *fields);
    *count = found;
    return true;
}

const struct value *body_find(const struct body_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (span_equal(fields[i].name, span_text(name))) return &fields[i].value;
    return NULL;
}

void body_start(struct sink *out, size_t map_count)
{
    must(map_count >= 1 && map_count <= ITEMS_MAX);
    write_array(out, map_count);
}

static int by_name(const void *a, const void *b)
{
    const struct body_field *left = a, *right = b;
    return span_compare(left->name, right->name);
}

void body_map(struct sink *out, struct body_field *fields, size_t count)
{
    must(count <= FIELDS_MAX);
    if (count > 1) qsort(fields, count, sizeof *fields, by_name);
    write_map(out, count);
    for (size_t i = 0; i < count; i++) {
        must(i == 0 || by_name(&fields[i - 1], &fields[i]) < 0);
        write_text(out, fields[i].name);
        value_write(out, &fields[i].value);
    }
}

/* Names that are made of other things. */

struct relationship_id relationship_id_of(const struct key_public *opener, const uint8_t nonce[32])
{
    struct hash hash = hash_labelled("counterpart/v1/relationship",
                                     (span[]){key_public_span(opener), span_of(nonce, 32)}, 2);
    struct relationship_id id = {0};
    memcpy(id.bytes, hash.bytes, sizeof id.bytes);
    return id;
}

const char *origin_write(const char *domain, const struct relationship_id *relationship,
                         const struct key_public *log_key, char *out, size_t cap)
{
    char hex[2 * sizeof(struct hash) + 1] = {0};
    struct hash feed = hash_of(key_public_span(log_key));
    struct sink s = sink_over(out, cap - 1);
    sink_text(&s, domain);
    sink_text(&s, "/counterpart/");
    sink_text(&s, hex_write(relationship_span(relationship), hex, sizeof hex));
    sink_text(&s, "/");
    sink_text(&s, hex_write(hash_span(&feed), hex, sizeof hex));
    must(cap > ORIGIN_BYTES_MAX && !s.full);
    out[s.len] = '\0';
    return out;
}

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

bool code_is_valid(span code)
{
    if (code.len < 2 || code.len > CODE_BYTES_MAX) return false;
    for (size_t i = 0; i < code.len; i++) {
        bool is_letter = code.at[i] >= 'A' && code.at[i] <= 'Z';
        if (!is_letter && (i == 0 || !is_digit(code.at[i]))) return false;
    }
    return true;
}

/* One part of a host name (RFC 1123 section 2.1): 1 to 63 letters, digits and hyphens, no hyphen at
 * either end. */
static bool domain_part_is_valid(span part)
{
    if (part.len < 1 || part.len > 63) return false;
    if (part.at[0] == '-' || part.at[part.len - 1] == '-') return false;
    for (size_t i = 0; i < part.len; i++)
        if (!(part.at[i] >= 'a' && part.at[i] <= 'z') && !is_digit(part.at[i]) && part.at[i] != '-')
            return false;
    return true;
}

bool domain_is_valid(span domain)
{
    if (domain.len > DOMAIN_BYTES_MAX) return false;
    span part = {0};
    size_t dots = 0;
    for (; span_take_until(&domain, '.', &part); dots++)
        if (!domain_part_is_valid(part)) return false;
    return dots > 0 && domain_part_is_valid(domain);
}

bool name_is_valid(span name) { return name.len <= NAME_BYTES_MAX && line_is_valid(name); }

bool line_is_valid(span text)
{
    if (text.len == 0 || !span_is_utf8(text)) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < 0x20 || text.at[i] == 0x7f) return false;
        if (text.at[i] == 0xc2 && text.at[i + 1] < 0xa0)
            return false; /* valid UTF-8: one more byte follows c2 */
    }
    return true;
}

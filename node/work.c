#include "node/work.h"

#include <stdlib.h>
#include <string.h>

#define WORK_ROWS_MAX 10000 /* rows of one import: what one commit should carry */

/* ---- who asks ---- */

static bool asker_check(const struct asker *asker, struct err *e)
{
    span person = span_text(asker->person), role = span_text(asker->role);
    if (!line_is_valid(person) || person.len > PERSON_BYTES_MAX)
        return err_set(e, ERR_USAGE, "the person should be a line of 1 to %d bytes",
                       PERSON_BYTES_MAX);
    if (!line_is_valid(role) || role.len > ROLE_BYTES_MAX)
        return err_set(e, ERR_USAGE, "the role should be a line of 1 to %d bytes", ROLE_BYTES_MAX);
    return true;
}

static bool may_start(struct home *home, const struct asker *asker, struct err *e)
{
    return asker_check(asker, e) && home_may_work(home, false, e);
}

static const char *own_code(const struct home *home) { return home_organisation(home)->code; }

static bool is_own_code(const struct home *home, span code)
{
    return span_equal(code, span_text(own_code(home)));
}

/* ---- fields: a map that is being put together ---- */

struct terms {
    size_t count;
    struct body_field fields[FIELDS_MAX];
};

static struct body_field *terms_find(struct terms *terms, span name)
{
    for (size_t i = 0; i < terms->count; i++)
        if (span_equal(terms->fields[i].name, name)) return &terms->fields[i];
    return NULL;
}

static bool is_empty(const struct value *value) { return value->is_text && value->text.len == 0; }

/* Sets one field, or takes it out when its value is empty. */
static bool terms_set(struct terms *terms, const struct body_field *field, struct err *e)
{
    struct body_field *held = terms_find(terms, field->name);
    if (is_empty(&field->value)) {
        if (held) *held = terms->fields[--terms->count];
        return true;
    }
    if (!held && terms->count == FIELDS_MAX)
        return err_set(e, ERR_LIMIT, "there are more than %d fields", FIELDS_MAX);
    if (!held) held = &terms->fields[terms->count++];
    *held = *field;
    return true;
}

static void terms_carry(struct terms *terms, const struct body_field *fields, size_t count)
{
    must(count <= FIELDS_MAX);
    if (count) memcpy(terms->fields, fields, count * sizeof *fields);
    terms->count = count;
}

static bool fields_differ(const struct body_field *fields, size_t count, struct err *e)
{
    char shown[FIELD_NAME_BYTES_MAX + 1] = {0};
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (span_equal(fields[i].name, fields[j].name))
                return err_set(e, ERR_USAGE, "%s is given twice",
                               span_show(fields[i].name, shown, sizeof shown));
    return true;
}

/* An empty value takes a field out: its name and kind are still to be right. */
static bool cleared_check(const struct noun *noun, enum field_kind kind,
                          const struct body_field *fields, size_t count, struct err *e)
{
    char shown[FIELD_NAME_BYTES_MAX + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        if (!is_empty(&fields[i].value)) continue;
        const struct field *field = noun_field(noun, fields[i].name);
        if (!field || field->kind != kind)
            return err_set(e, ERR_USAGE, "%s has no such field to clear: '%s'", noun->name,
                           span_show(fields[i].name, shown, sizeof shown));
        if (field->is_required)
            return err_set(e, ERR_USAGE, "%s of %s cannot be cleared", field->name, noun->name);
    }
    return true;
}

static bool terms_change(struct terms *terms, const struct noun *noun, enum field_kind kind,
                         const struct body_field *fields, size_t count, struct err *e)
{
    if (!fields_differ(fields, count, e)) return false;
    if (!cleared_check(noun, kind, fields, count, e)) return false;
    for (size_t i = 0; i < count; i++)
        if (!terms_set(terms, &fields[i], e)) return false;
    return true;
}

static bool is_party(const struct relationship *relationship, span code)
{
    for (unsigned i = 0; i < relationship->party_count; i++)
        if (span_equal(code, span_text(relationship->parties[i].code))) return true;
    return false;
}

static bool parties_words(const struct relationship *relationship, char *out, size_t cap)
{
    struct sink words = sink_over(out, cap - 1);
    for (unsigned i = 0; i < relationship->party_count; i++) {
        if (i) sink_text(&words, ", ");
        sink_text(&words, relationship->parties[i].code);
    }
    out[words.len] = '\0';
    return true;
}

/* A field that names a party must name one of the relationship's. */
static bool parties_check(const struct noun *noun, const struct relationship *relationship,
                          const struct terms *terms, struct err *e)
{
    char given[CODE_BYTES_MAX + 1] = {0}, parties[PARTIES_MAX * (CODE_BYTES_MAX + 2)] = {0};
    for (size_t i = 0; i < terms->count; i++) {
        const struct body_field *term = &terms->fields[i];
        const struct field *field = noun_field(noun, term->name);
        if (!field || field->type != FIELD_PARTY || is_party(relationship, term->value.text))
            continue;
        (void)parties_words(relationship, parties, sizeof parties);
        return err_set(e, ERR_USAGE, "%s is '%s', which is no party here: %s", field->name,
                       span_show(term->value.text, given, sizeof given), parties);
    }
    return true;
}

/* One map in canonical bytes, kept in `out`. */
static bool body_of(struct terms *terms, struct buffer *out, struct err *e)
{
    OWNED_BUFFER room = {0};
    if (!buffer_reserve(&room, BODY_BYTES_MAX, e)) return false;
    struct sink body = sink_over(room.at, BODY_BYTES_MAX);
    body_start(&body, 1);
    body_map(&body, terms->fields, terms->count);
    if (body.full)
        return err_set(e, ERR_LIMIT, "what is said is longer than %d bytes", BODY_BYTES_MAX);
    return buffer_put(out, sink_span(&body), e);
}

/* ---- saying it ---- */

/* Everything one call needs while its transaction runs. */
struct said {
    struct home *home;
    const struct asker *asker;
    const struct relationship_id *id;
    struct relationship *relationship; /* loaded by said_begin */
    const struct noun *noun;
    const struct hash *item; /* NULL: none */
    const struct body_field *fields;
    size_t field_count;
    struct hash *out;
};

static bool said_append(const struct said *said, const struct draft *drafts, size_t count,
                        struct hash *ids, struct err *e)
{
    struct author author = {.person = said->asker->person, .role = said->asker->role};
    if (!home_log_key(said->home, said->id, &author.log_key, e)) return false;
    return record_append(home_store(said->home), said->id, &author, drafts, count, ids, NULL, e);
}

/* One relationship. A feed of ours that is frozen or not begun seals nothing and stops no other. */
static bool seal_one(struct home *home, const struct relationship_id *id, size_t *seals,
                     struct err *e)
{
    struct author author = {.person = ASKER_NODE.person, .role = ASKER_NODE.role};
    struct err why = {0};
    size_t written = 0;
    if (!home_log_key(home, id, &author.log_key, &why)) {
        if (why.code == ERR_MISSING) return true; /* its key is lost: nothing is said in it until a new feed is begun */
        return err_set(e, why.code, "%s", why.said);
    }
    if (!record_append(home_store(home), id, &author, NULL, 0, NULL, &written, &why)) {
        if (why.code == ERR_REFUSED) return true;
        if (e) *e = why;
        return false;
    }
    *seals += written;
    return true;
}

/* What had no effect and was refused does not keep back the seals that were due before it. */
static bool seal_after_refusal(const struct said *said, const struct err *why, struct err *e)
{
    size_t seals = 0;
    struct err unseen = {0};
    if (why->code == ERR_CONFLICT && seal_one(said->home, said->id, &seals, &unseen) && seals)
        (void)!home_mark(said->home, &unseen);
    if (e) *e = *why;
    return false;
}

/* Runs `work` in one transaction on the relationship as it is then, and writes the marker. */
static bool said_in_one(struct said *said, bool (*work)(void *self, struct err *e), struct err *e)
{
    struct err why = {0};
    if (!may_start(said->home, said->asker, e)) return false;
    said->relationship = calloc(1, sizeof *said->relationship);
    if (!said->relationship) return err_memory(e);
    bool is_said = store_transact(home_store(said->home), work, said, &why);
    free(said->relationship);
    said->relationship = NULL;
    return is_said ? home_mark(said->home, e) : seal_after_refusal(said, &why, e);
}

static bool relationship_ready(const struct said *said, struct err *e)
{
    if (!relationship_load(home_store(said->home), said->id, said->relationship, e)) return false;
    if (said->relationship->is_open_known) return true;
    (void)err_set(e, ERR_REFUSED,
                  "the relationship's opener has not told us yet who its parties are");
    return err_next(e, "counterpart sync");
}

/* ---- open ---- */

static bool codes_check(const struct home *home, const char *const *codes, size_t count,
                        struct err *e)
{
    if (count < PARTIES_MIN || count > PARTIES_MAX)
        return err_set(e, ERR_LIMIT, "a relationship has %d to %d parties, these are %zu",
                       PARTIES_MIN, PARTIES_MAX, count);
    for (size_t i = 0; i < count; i++) {
        char shown[CODE_BYTES_MAX + 4] = {0};
        (void)span_show(span_text(codes[i]), shown, sizeof shown);
        if (!code_is_valid(span_text(codes[i])))
            return err_set(e, ERR_USAGE,
                           "'%s' is no party's code: 2 to %d of A-Z and 0-9, a letter first", shown,
                           CODE_BYTES_MAX);
        for (size_t j = 0; j < i; j++)
            if (strcmp(codes[i], codes[j]) == 0)
                return err_set(e, ERR_USAGE, "the party %s is named twice", shown);
    }
    if (!is_own_code(home, span_text(codes[0])))
        return err_set(e, ERR_USAGE, "the first party should be %s, who opens it", own_code(home));
    return true;
}

static struct body_field text_field(const char *name, span text)
{
    return (struct body_field){span_text(name), {.is_text = true, .text = text}};
}

/* An entry about no item, with its verb's own fields. */
static bool say_setup(const struct said *said, enum verb verb, const struct hash *about,
                      const struct terms *fields, struct err *e)
{
    OWNED_BUFFER body = {0};
    struct terms terms = *fields;
    struct hash entry = {0};
    if (!noun_check(vocabulary_verb(verb), FIELD_STATEMENT, true, terms.fields, terms.count, e))
        return false;
    if (!body_of(&terms, &body, e)) return false;
    struct draft draft = {.verb = verb, .noun = SETUP_NOUN, .has_ref = about != NULL, .body = buffer_span(&body)};
    if (about) draft.ref = *about;
    return said_append(said, &draft, 1, &entry, e);
}

bool work_setup_inside(struct home *home, const struct asker *asker,
                       const struct relationship_id *id, enum verb verb, const struct hash *about,
                       struct body_field *fields, size_t field_count, struct err *e)
{
    const struct said said = {.home = home, .asker = asker, .id = id};
    struct terms terms = {0};
    if (!asker_check(asker, e)) return false;
    terms_carry(&terms, fields, field_count);
    return say_setup(&said, verb, about, &terms, e);
}

struct opening {
    struct said said;
    const char *title;
    span parties, certificate;
    uint8_t nonce[32];
};

static bool say_open(void *self, struct err *e)
{
    const struct opening *o = self;
    char nonce[2 * sizeof o->nonce + 1] = {0};
    (void)hex_write(span_of(o->nonce, sizeof o->nonce), nonce, sizeof nonce);
    const struct terms terms = {
        4,
        {text_field("title", span_text(o->title)), text_field("parties", o->parties),
         text_field("nonce", span_text(nonce)), text_field("certificate", o->certificate)},
    };
    return relationship_add(home_store(o->said.home), o->said.id, o->title, o->certificate,
                            o->certificate, e) &&
           home_log_key_kept(o->said.home, o->said.id, 0, e) && say_setup(&o->said, VERB_OPEN, NULL, &terms, e);
}

/* What was made for a relationship that is not there after all goes again. */
static bool open_undone(struct home *home, const struct relationship_id *id)
{
    OWNED_BUFFER note = {0};
    struct err why = {0};
    if (!relationship_own_certificate(home_store(home), id, &note, &why) && why.code == ERR_MISSING)
        home_log_key_unmake(home, id, 0);
    return false;
}

static bool open_checked(struct opening *opening, const char *const *codes, size_t code_count,
                         struct err *e)
{
    struct home *home = opening->said.home;
    const struct signing_key *log_key = NULL;
    char parties[PARTIES_MAX * (CODE_BYTES_MAX + 1)] = {0};
    uint8_t note[CERTIFICATE_BYTES_MAX] = {0};
    struct sink note_sink = sink_over(note, sizeof note);
    struct sink codes_sink = sink_over(parties, sizeof parties);
    for (size_t i = 0; i < code_count; i++) {
        if (i) sink_text(&codes_sink, " ");
        sink_text(&codes_sink, codes[i]);
    }
    must(!codes_sink.full);

    if (!home_log_key_make(home, opening->said.id, 0, &log_key, e)) return false;
    if (!home_certify(home, opening->said.id, 0, &note_sink, e))
        return open_undone(home, opening->said.id);
    opening->parties = sink_span(&codes_sink);
    opening->certificate = sink_span(&note_sink);
    if (!store_transact(home_store(home), say_open, opening, e))
        return open_undone(home, opening->said.id);
    return home_mark(home, e);
}

bool work_open(struct home *home, const struct asker *asker, const char *title,
               const char *const *codes, size_t code_count, struct relationship_id *out,
               struct err *e)
{
    const struct world *world = home_world(home);
    struct relationship_id id = {0};
    struct opening opening = {.said = {.home = home, .asker = asker, .id = &id}, .title = title};

    if (!may_start(home, asker, e) || !codes_check(home, codes, code_count, e)) return false;
    if (!line_is_valid(span_text(title)) || strlen(title) > TITLE_BYTES_MAX)
        return err_set(e, ERR_USAGE, "the title should be a line of 1 to %d bytes",
                       TITLE_BYTES_MAX);
    world->random(world->self, opening.nonce, sizeof opening.nonce);
    id = relationship_id_of(&home_organisation(home)->identity, opening.nonce);
    if (!open_checked(&opening, codes, code_count, e))
        return err_because(e, "opening the relationship");
    *out = id;
    return true;
}

/* ---- propose ---- */

static bool is_open_offer(const struct offer *offer)
{
    return offer->standing == STANDING_OFFERED || offer->standing == STANDING_RECEIPT_AWAITED;
}

/*
 * Nothing is agreed yet: whose terms a new offer starts from. Ours while it is open, else the
 * oldest open one; when none is open, the newest that was, ours before the others', so that an
 * offer which lapsed is easily made again.
 */
static const struct offer *offer_to_carry(const struct item_view *view, unsigned us)
{
    const struct offer *ours = NULL, *oldest = NULL, *newest_of_ours = NULL, *newest = NULL;
    for (size_t i = 0; i < view->offer_count; i++) {
        const struct offer *offer = &view->offers[i];
        newest = offer;
        if (offer->party == us) newest_of_ours = offer;
        if (!is_open_offer(offer)) continue;
        if (offer->party == us) ours = offer;
        if (!oldest) oldest = offer;
    }
    if (ours) return ours;
    if (oldest) return oldest;
    return newest_of_ours ? newest_of_ours : newest;
}

/* The item must be one that this version may go on with. */
static bool view_check(const struct item_view *view, const struct noun *noun, struct err *e)
{
    char shown[NOUN_BYTES_MAX + 1] = {0};
    if (view->needs_newer || !view->noun) {
        (void)err_set(e, ERR_REFUSED, "%s needs a newer version of this program", view->ref);
        return err_next(e, "update Counterpart; until then %s can only be read", view->ref);
    }
    if (strcmp(view->noun->name, noun->name) != 0)
        return err_set(e, ERR_USAGE, "%s is no %s, it is '%s'", view->ref, noun->name,
                       span_show(span_text(view->noun_text), shown, sizeof shown));
    return true;
}

static void carry_over(struct terms *terms, const struct item_view *view, unsigned us)
{
    if (view->has_terms) {
        terms_carry(terms, view->terms, view->term_count);
        return;
    }
    const struct offer *offer = offer_to_carry(view, us);
    if (offer) terms_carry(terms, offer->fields, offer->field_count);
}

/* A new item's owner, when it has one, is whoever proposes it. */
static bool default_owner(const struct said *said, struct terms *terms, struct err *e)
{
    const struct field *owner = noun_field(said->noun, span_text("owner"));
    if (!owner || owner->type != FIELD_PARTY || owner->kind != FIELD_TERM) return true;
    if (terms_find(terms, span_text("owner"))) return true;
    const struct body_field ours = text_field("owner", span_text(own_code(said->home)));
    return terms_set(terms, &ours, e);
}

/* The checked terms of a proposal as a body. `view` is NULL for a new item. */
static bool proposal_body(const struct said *said, const struct item_view *view,
                          const struct body_field *fields, size_t count, struct buffer *body,
                          struct err *e)
{
    struct terms terms = {0};
    if (view) carry_over(&terms, view, said->relationship->our_party);
    if (!terms_change(&terms, said->noun, FIELD_TERM, fields, count, e)) return false;
    if (!view && !default_owner(said, &terms, e)) return false;
    return noun_check(said->noun, FIELD_TERM, true, terms.fields, terms.count, e) &&
           parties_check(said->noun, said->relationship, &terms, e) && body_of(&terms, body, e);
}

static bool propose_new(const struct said *said, struct err *e)
{
    OWNED_BUFFER body = {0};
    if (!proposal_body(said, NULL, said->fields, said->field_count, &body, e)) return false;
    const struct draft draft = {.verb = VERB_PROPOSE,
                                .noun = said->noun->name,
                                .item_count = 1,
                                .items = {{.is_new = true, .from_start = true}},
                                .body = buffer_span(&body)};
    return said_append(said, &draft, 1, said->out, e);
}

static bool propose_on(const struct said *said, const struct item_view *view, struct err *e)
{
    OWNED_BUFFER body = {0};
    if (!view_check(view, said->noun, e)) return false;
    if (view->has_terms && said->field_count == 0)
        return err_set(e, ERR_USAGE, "say which terms of %s are to change", view->ref);
    if (!proposal_body(said, view, said->fields, said->field_count, &body, e)) return false;
    struct draft draft = {.verb = VERB_PROPOSE,
                          .noun = said->noun->name,
                          .item_count = 1,
                          .items = {{.item = *said->item, .from_start = !view->has_terms}},
                          .body = buffer_span(&body)};
    if (view->has_terms) draft.items[0].base = view->revision;
    return said_append(said, &draft, 1, said->out, e);
}

static bool with_view(const struct said *said,
                      bool (*work)(const struct said *said, const struct item_view *view,
                                   struct err *e),
                      struct err *e)
{
    struct item_view view = {0};
    if (!item_load(home_store(said->home), said->id, said->item, &view, e)) return false;
    bool is_done = work(said, &view, e);
    item_view_wipe(&view);
    return is_done;
}

static bool say_propose(void *self, struct err *e)
{
    const struct said *said = self;
    if (!relationship_ready(said, e)) return false;
    return said->item ? with_view(said, propose_on, e) : propose_new(said, e);
}

static bool is_proposable(const struct noun *noun, struct err *e)
{
    return noun->is_proposed ||
           err_set(e, ERR_USAGE, "%s has no terms to propose: state it", noun->name);
}

bool work_propose_inside(struct home *home, const struct asker *asker,
                         const struct relationship_id *id, const struct noun *noun,
                         const struct hash *item, const struct body_field *fields,
                         size_t field_count, struct hash *proposal, struct err *e)
{
    struct said said = {.home = home,
                        .asker = asker,
                        .id = id,
                        .noun = noun,
                        .item = item,
                        .fields = fields,
                        .field_count = field_count,
                        .out = proposal};
    if (!asker_check(asker, e) || !is_proposable(noun, e)) return false;
    said.relationship = calloc(1, sizeof *said.relationship);
    if (!said.relationship) return err_memory(e);
    bool is_said = say_propose(&said, e);
    free(said.relationship);
    return is_said;
}

bool work_propose(struct home *home, const struct asker *asker, const struct relationship_id *id,
                  const struct noun *noun, const struct hash *item, const struct body_field *fields,
                  size_t field_count, struct hash *proposal, struct err *e)
{
    struct said said = {.home = home,
                        .asker = asker,
                        .id = id,
                        .noun = noun,
                        .item = item,
                        .fields = fields,
                        .field_count = field_count,
                        .out = proposal};
    return is_proposable(noun, e) && said_in_one(&said, say_propose, e);
}

struct importing {
    struct said said;
    const struct row *rows;
    size_t row_count;
    struct draft *drafts; /* row_count of them */
    struct buffer bodies; /* one after the other */
};

/* The bodies move while they grow: the drafts get their place when all are there. */
static bool import_drafts(struct importing *import, struct err *e)
{
    size_t at = 0;
    import->bodies.len = 0;
    for (size_t i = 0; i < import->row_count; i++) {
        const struct row *row = &import->rows[i];
        size_t before = import->bodies.len;
        if (!proposal_body(&import->said, NULL, row->fields, row->field_count, &import->bodies, e))
            return err_because(e, "row %zu", i + 1);
        import->drafts[i] = (struct draft){.verb = VERB_PROPOSE,
                                           .noun = import->said.noun->name,
                                           .item_count = 1,
                                           .items = {{
                                               .is_new = true,
                                               .from_start = true
                                           }},
                                           .body = {
                                               NULL,
                                               import->bodies.len - before
                                           }};
    }
    for (size_t i = 0; i < import->row_count; i++) {
        import->drafts[i].body.at = &import->bodies.at[at];
        at += import->drafts[i].body.len;
    }
    return true;
}

static bool say_import(void *self, struct err *e)
{
    struct importing *import = (struct importing *)self;
    return relationship_ready(&import->said, e) && import_drafts(import, e) &&
           said_append(&import->said, import->drafts, import->row_count, import->said.out, e);
}

bool work_propose_many(struct home *home, const struct asker *asker,
                       const struct relationship_id *id, const struct noun *noun,
                       const struct row *rows, size_t row_count, struct hash *proposals,
                       struct err *e)
{
    struct importing import = {
        .said = {.home = home, .asker = asker, .id = id, .noun = noun, .out = proposals},
        .rows = rows,
        .row_count = row_count,
    };
    if (!is_proposable(noun, e)) return false;
    if (row_count > WORK_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "these are %zu rows, one import takes %d", row_count,
                       WORK_ROWS_MAX);
    if (row_count == 0) return may_start(home, asker, e);
    import.drafts = calloc(row_count, sizeof *import.drafts);
    if (!import.drafts) return err_memory(e);
    bool is_said = said_in_one(&import.said, say_import, e);
    free(import.drafts);
    buffer_wipe(&import.bodies);
    return is_said;
}

/* ---- words ---- */

struct speaking {
    struct said said;
    enum verb verb;
    const char *noun; /* NULL: that of the entry it is about */
    const struct hash *entry;
    struct terms terms;
};

struct noun_search {
    char *out; /* NOUN_BYTES_MAX + 1 */
    bool is_found;
};

static bool take_noun(void *self, uint64_t index, const struct stored_entry *entry)
{
    struct noun_search *search = self;
    struct header *header = calloc(1, sizeof *header);
    (void)index;
    search->is_found = header && header_read(entry->header, header, NULL) && header->noun.len > 0 &&
                       span_to_text(header->noun, search->out, NOUN_BYTES_MAX + 1);
    free(header);
    return false;
}

/* What the entry is about, as its own header says. */
static bool noun_of_entry(const struct said *said, const struct hash *entry,
                          char out[NOUN_BYTES_MAX + 1], struct err *e)
{
    struct store *store = home_store(said->home);
    struct noun_search search = {.out = out};
    unsigned feed = 0;
    uint64_t index = 0;
    if (!feed_find(store, said->id, entry, &feed, &index, e)) return false;
    if (!feed_read(store, said->id, feed, index, take_noun, &search, e)) return false;
    if (search.is_found) return true;
    return err_set(e, ERR_REFUSED, "that entry needs a newer version of this program");
}

static bool say_word(void *self, struct err *e)
{
    struct speaking *speaking = self;
    const struct said *said = &speaking->said;
    char noun[NOUN_BYTES_MAX + 1] = {0};
    OWNED_BUFFER body = {0};
    if (!relationship_ready(said, e)) return false;
    if (!speaking->noun && !noun_of_entry(said, speaking->entry, noun, e)) return false;
    if (!body_of(&speaking->terms, &body, e)) return false;
    const struct draft draft = {.verb = speaking->verb,
                                .noun = speaking->noun ? speaking->noun : noun,
                                .has_ref = true,
                                .ref = *speaking->entry,
                                .body = buffer_span(&body)};
    return said_append(said, &draft, 1, said->out, e);
}

static bool is_word(enum verb verb)
{
    return verb == VERB_ACCEPT || verb == VERB_DECLINE || verb == VERB_WITHDRAW ||
           verb == VERB_ACKNOWLEDGE || verb == VERB_DISPUTE;
}

bool work_word(struct home *home, const struct asker *asker, const struct relationship_id *id,
               enum verb verb, const struct hash *entry, const char *noun, span reason,
               struct hash *out, struct err *e)
{
    struct speaking speaking = {
        .said = {.home = home, .asker = asker, .id = id, .out = out},
        .verb = verb,
        .noun = noun,
        .entry = entry,
    };
    must(is_word(verb));
    if (noun && (noun[0] == '\0' || strlen(noun) > NOUN_BYTES_MAX))
        return err_set(e, ERR_USAGE, "a noun has 1 to %d bytes", NOUN_BYTES_MAX);
    if (reason.len) speaking.terms = (struct terms){1, {text_field("reason", reason)}};
    if (!noun_check(vocabulary_verb(verb), FIELD_STATEMENT, true, speaking.terms.fields,
                    speaking.terms.count, e))
        return false;
    return said_in_one(&speaking.said, say_word, e);
}

bool work_comment(struct home *home, const struct asker *asker, const struct relationship_id *id,
                  const struct hash *entry, span text, struct hash *out, struct err *e)
{
    struct speaking speaking = {
        .said = {.home = home, .asker = asker, .id = id, .out = out},
        .verb = VERB_COMMENT,
        .entry = entry,
        .terms = {1, {text_field("text", text)}},
    };
    if (!noun_check(vocabulary_verb(VERB_COMMENT), FIELD_STATEMENT, true, speaking.terms.fields, 1,
                    e))
        return false;
    return said_in_one(&speaking.said, say_word, e);
}

/* ---- state ---- */

/* Progress is of agreed terms, and some of its fields are the owner's alone to state. */
static bool progress_check(const struct said *said, const struct item_view *view, struct err *e)
{
    char owner_shown[CODE_BYTES_MAX + 4] = {0};
    if (!view->has_terms) {
        (void)err_set(e, ERR_REFUSED, "%s is not agreed yet, and progress is of agreed items",
                      view->ref);
        return err_next(e, "accept an offer for %s, or wait for the others' word", view->ref);
    }
    const struct value *owner = body_find(view->terms, view->term_count, "owner");
    if (!owner || !owner->is_text || is_own_code(said->home, owner->text)) return true;
    for (size_t i = 0; i < said->field_count; i++) {
        const struct field *field = noun_field(said->noun, said->fields[i].name);
        if (field && field->author == AUTHOR_OWNER)
            return err_set(e, ERR_REFUSED, "%s of %s is for its owner %s to state", field->name,
                           view->ref, span_show(owner->text, owner_shown, sizeof owner_shown));
    }
    return true;
}

/* A statement of its own is restated only by the party that made it. */
static bool restatement_check(const struct said *said, const struct item_view *view, struct err *e)
{
    if (view->party == said->relationship->our_party) return true;
    const char *author = view->party < said->relationship->party_count
                             ? said->relationship->parties[view->party].code
                             : "another party";
    (void)err_set(e, ERR_REFUSED, "%s is %s's own statement", view->ref, author);
    return err_next(e, "acknowledge or dispute it");
}

/* The checked fields of a statement as a body. */
static bool statement_body(const struct said *said, const struct item_view *view,
                           struct buffer *body, struct err *e)
{
    struct terms terms = {0};
    if (view && view->has_statement && view->statement_party == said->relationship->our_party)
        terms_carry(&terms, view->progress, view->progress_count);
    return terms_change(&terms, said->noun, FIELD_STATEMENT, said->fields, said->field_count, e) &&
           noun_check(said->noun, FIELD_STATEMENT, true, terms.fields, terms.count, e) &&
           parties_check(said->noun, said->relationship, &terms, e) && body_of(&terms, body, e);
}

static bool state_on(const struct said *said, const struct item_view *view, struct err *e)
{
    OWNED_BUFFER body = {0};
    if (!view_check(view, said->noun, e)) return false;
    if (!(said->noun->is_proposed ? progress_check(said, view, e)
                                  : restatement_check(said, view, e)))
        return false;
    if (!statement_body(said, view, &body, e)) return false;
    struct draft draft = {.verb = VERB_STATE,
                          .noun = said->noun->name,
                          .item_count = 1,
                          .items = {{.item = *said->item, .from_start = !view->has_terms}},
                          .body = buffer_span(&body)};
    if (view->has_terms) draft.items[0].base = view->revision;
    return said_append(said, &draft, 1, said->out, e);
}

static bool state_new(const struct said *said, struct err *e)
{
    OWNED_BUFFER body = {0};
    if (said->noun->is_proposed)
        return err_set(e, ERR_USAGE, "say which %s it is about", said->noun->name);
    if (!statement_body(said, NULL, &body, e)) return false;
    const struct draft draft = {.verb = VERB_STATE,
                                .noun = said->noun->name,
                                .item_count = 1,
                                .items = {{.is_new = true, .from_start = true}},
                                .body = buffer_span(&body)};
    return said_append(said, &draft, 1, said->out, e);
}

static bool say_state(void *self, struct err *e)
{
    const struct said *said = self;
    if (!relationship_ready(said, e)) return false;
    return said->item ? with_view(said, state_on, e) : state_new(said, e);
}

bool work_state(struct home *home, const struct asker *asker, const struct relationship_id *id,
                const struct noun *noun, const struct hash *item, const struct body_field *fields,
                size_t field_count, struct hash *out, struct err *e)
{
    struct said said = {.home = home,
                        .asker = asker,
                        .id = id,
                        .noun = noun,
                        .item = item,
                        .fields = fields,
                        .field_count = field_count,
                        .out = out};
    if (!noun->is_stated)
        return err_set(e, ERR_USAGE, "%s has nothing to state: propose it", noun->name);
    if (field_count == 0) return err_set(e, ERR_USAGE, "say what of %s you state", noun->name);
    return said_in_one(&said, say_state, e);
}

/* ---- seals ---- */

struct id_list {
    struct buffer ids;
    bool is_whole;
};

static bool collect_id(void *self, const struct relationship_id *id)
{
    struct id_list *list = self;
    return list->is_whole = buffer_put(&list->ids, relationship_span(id), NULL);
}

bool work_seal(struct home *home, size_t *seals, struct err *e)
{
    struct id_list list = {.is_whole = true};
    struct err first = {0}, why = {0};
    size_t written = 0;
    *seals = 0;
    if (!home_may_work(home, false, &why)) {
        if (why.code == ERR_REFUSED) return true;
        if (e) *e = why;
        return false;
    }
    bool is_fine = relationships_each(home_store(home), collect_id, &list, e);
    if (!list.is_whole) is_fine = err_memory(e);
    span left = buffer_span(&list.ids), bytes = {0};
    struct relationship_id id = {0};
    while (is_fine && span_take(&left, sizeof id.bytes, &bytes)) {
        memcpy(id.bytes, bytes.at, bytes.len);
        /* One relationship in trouble does not keep the others from their seals. */
        if (!seal_one(home, &id, &written, &why) && first.code == ERR_NONE) first = why;
    }
    buffer_wipe(&list.ids);
    if (!is_fine) return false;
    if (written && !home_mark(home, e)) return false;
    *seals = written;
    if (first.code == ERR_NONE) return true;
    if (e) *e = first;
    return false;
}

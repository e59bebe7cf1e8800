/*
 * The typed item tables an analyst reads (`action`, `appointment`, `charter` ...): made from the vocabulary, one row an
 * item, one column a field. When the vocabulary changes they are dropped and folded anew.
 */
#include "store/fold.h"

#include <stdio.h>
#include <string.h>

#define SQL_MAX 8192
#define DIGEST_SETTING "vocabulary"

static size_t slot_of(const struct noun *noun, enum field_kind kind)
{
    size_t count = 0;
    const struct noun *nouns = vocabulary_nouns(&count);
    return 2 * (size_t)(noun - nouns) + (kind == FIELD_STATEMENT ? 1 : 0);
}

static bool has_table(const struct noun *noun)
{
    return noun->is_proposed || noun->is_stated;
}

static const char *column_type(const struct field *field)
{
    return field->type == FIELD_NUMBER ? "INTEGER" : "TEXT";
}

static size_t fields_of(const struct noun *noun, enum field_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < noun->field_count; i++) n += noun->fields[i].kind == kind;
    return n;
}

static bool sql_run(struct store *store, struct sink *sql, struct err *e)
{
    sink_byte(sql, 0);
    must(!sql->full);
    return database_execute(store, (const char *)sql->at, e);
}

static bool make_table(struct store *store, const struct noun *noun, struct err *e)
{
    char text[SQL_MAX];
    struct sink sql = sink_over(text, sizeof text);
    sink_text(&sql, "DROP TABLE IF EXISTS \"");
    sink_text(&sql, noun->name);
    sink_text(&sql, "\"; CREATE TABLE \"");
    sink_text(&sql, noun->name);
    sink_text(&sql, "\" (relationship BLOB NOT NULL, item BLOB NOT NULL, reference TEXT NOT NULL,"
                    " agreed BLOB, stated BLOB");
    for (size_t i = 0; i < noun->field_count; i++) {
        sink_text(&sql, ", \"");
        sink_text(&sql, noun->fields[i].name);
        sink_text(&sql, "\" ");
        sink_text(&sql, column_type(&noun->fields[i]));
    }
    sink_text(&sql, ", PRIMARY KEY (relationship, item)) STRICT, WITHOUT ROWID");
    return sql_run(store, &sql, e);
}

/* INSERT ... ON CONFLICT DO UPDATE of one kind of field: $1 relationship, $2 item, $3 reference, $4 the entry, $5... fields. */
static bool prepare_upsert(struct store *store, const struct noun *noun, enum field_kind kind, struct err *e)
{
    char text[SQL_MAX], number[16];
    struct sink sql = sink_over(text, sizeof text);
    const char *by = kind == FIELD_TERM ? "agreed" : "stated";
    sink_text(&sql, "INSERT INTO \"");
    sink_text(&sql, noun->name);
    sink_text(&sql, "\" (relationship, item, reference, ");
    sink_text(&sql, by);
    for (size_t i = 0; i < noun->field_count; i++) {
        if (noun->fields[i].kind != kind) continue;
        sink_text(&sql, ", \"");
        sink_text(&sql, noun->fields[i].name);
        sink_text(&sql, "\"");
    }
    sink_text(&sql, ") VALUES ($1, $2, $3, $4");
    for (size_t n = 0; n < fields_of(noun, kind); n++) {
        (void)snprintf(number, sizeof number, ", $%zu", n + 5);
        sink_text(&sql, number);
    }
    sink_text(&sql, ") ON CONFLICT (relationship, item) DO UPDATE SET ");
    sink_text(&sql, by);
    sink_text(&sql, " = excluded.");
    sink_text(&sql, by);
    for (size_t i = 0; i < noun->field_count; i++) {
        if (noun->fields[i].kind != kind) continue;
        sink_text(&sql, ", \"");
        sink_text(&sql, noun->fields[i].name);
        sink_text(&sql, "\" = excluded.\"");
        sink_text(&sql, noun->fields[i].name);
        sink_text(&sql, "\"");
    }
    sink_byte(&sql, 0);
    must(!sql.full);
    return database_prepare(store, text, database_typed(store, slot_of(noun, kind)), e);
}

struct remaking {
    struct store *store;
    struct err *e;
    bool is_fine;
};

static bool remake_one(void *self, const struct relationship_id *id)
{
    struct remaking *r = self;
    r->is_fine = record_rebuild(r->store, id, r->e);
    return r->is_fine;
}

static bool make_tables(void *self, struct err *e)
{
    struct store *store = self;
    size_t count = 0;
    const struct noun *nouns = vocabulary_nouns(&count);
    struct hash digest = vocabulary_digest();
    for (size_t i = 0; i < count; i++)
        if (has_table(&nouns[i]) && !make_table(store, &nouns[i], e)) return false;
    return setting_put(store, DIGEST_SETTING, hash_span(&digest), e);
}

static bool prepare_all(struct store *store, struct err *e)
{
    size_t count = 0;
    const struct noun *nouns = vocabulary_nouns(&count);
    must(2 * count <= TYPED_TABLES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (has_table(&nouns[i]) && fields_of(&nouns[i], FIELD_TERM) &&
            !prepare_upsert(store, &nouns[i], FIELD_TERM, e))
            return false;
        if (has_table(&nouns[i]) && fields_of(&nouns[i], FIELD_STATEMENT) &&
            !prepare_upsert(store, &nouns[i], FIELD_STATEMENT, e))
            return false;
    }
    return true;
}

static bool remake_all(void *self, struct err *e)
{
    struct store *store = self;
    struct remaking r = {store, e, true};
    return make_tables(store, e) && prepare_all(store, e) && relationships_each(store, remake_one, &r, e) && r.is_fine;
}

bool tables_open(struct store *store, struct err *e)
{
    OWNED_BUFFER saved = {0};
    struct err missing = {0};
    struct hash digest = vocabulary_digest();
    bool is_there = setting_get(store, DIGEST_SETTING, 64, &saved, &missing);
    if (!is_there && missing.code != ERR_MISSING) {
        if (e) *e = missing;
        return false;
    }
    if (is_there && span_equal(buffer_span(&saved), hash_span(&digest))) return prepare_all(store, e);
    return store_transact(store, remake_all, store, e);
}

static struct bind bind_value(const struct field *field, const struct value *value)
{
    if (!value) return bind_null();
    if (field->type == FIELD_NUMBER) return value->is_text ? bind_null() : bind_number(value->number);
    return value->is_text ? bind_text(value->text) : bind_null();
}

bool tables_put(struct store *store, const struct relationship_id *id, const struct noun *noun, enum field_kind kind,
                const struct hash *item, const char *reference, const struct hash *entry,
                const struct body_field *fields, size_t field_count, struct err *e)
{
    struct bind binds[4 + FIELDS_MAX];
    size_t n = 0;
    void *statement = *database_typed(store, slot_of(noun, kind));
    if (!statement) return true; /* the noun has no fields of this kind: nothing to show */
    binds[n++] = bind_blob(relationship_span(id));
    binds[n++] = bind_blob(hash_span(item));
    binds[n++] = bind_text(span_text(reference));
    binds[n++] = bind_blob(hash_span(entry));
    for (size_t i = 0; i < noun->field_count && n < sizeof binds / sizeof binds[0]; i++)
        if (noun->fields[i].kind == kind)
            binds[n++] = bind_value(&noun->fields[i], body_find(fields, field_count, noun->fields[i].name));
    return database_run(store, statement, binds, n, e);
}

static const char *const folded_tables[] = {
    "front", "countersignature", "item", "further_proposal", "further_change", "revision", "answer", "answer_stand", "due", "statement",
    "statement_word", "mention", "open_offer", "open_statement",
};

static bool each_table(bool (*each)(void *self, const char *table, struct err *e), void *self, struct err *e)
{
    size_t count = 0;
    const struct noun *nouns = vocabulary_nouns(&count);
    for (size_t i = 0; i < sizeof folded_tables / sizeof folded_tables[0]; i++)
        if (!each(self, folded_tables[i], e)) return false;
    for (size_t i = 0; i < count; i++)
        if (has_table(&nouns[i]) && !each(self, nouns[i].name, e)) return false;
    return true;
}

struct clearing {
    struct store *store;
    span id;
};

static bool clear_one(void *self, const char *table, struct err *e)
{
    const struct clearing *c = self;
    char sql[128];
    void *statement = NULL;
    (void)snprintf(sql, sizeof sql, "DELETE FROM \"%s\" WHERE relationship = $1", table);
    if (!database_prepare(c->store, sql, &statement, e)) return false;
    bool is_fine = database_run(c->store, statement, BINDS(bind_blob(c->id)), e);
    database_finalize(statement);
    return is_fine;
}

bool tables_clear(struct store *store, const struct relationship_id *id, struct err *e)
{
    struct clearing c = {store, relationship_span(id)};
    return each_table(clear_one, &c, e);
}

struct dumping {
    struct store *store;
    span id;
    bool (*each)(void *self, span row);
    void *self;
};

static bool dump_one(void *self, const char *table, struct err *e)
{
    const struct dumping *d = self;
    char sql[128];
    /* Which party's word a due proposal waits for depends on which came to us last; that it is due does not. */
    if (strcmp(table, "due") == 0)
        (void)snprintf(sql, sizeof sql, "SELECT proposer, proposal FROM due WHERE relationship = $1 ORDER BY proposal");
    else (void)snprintf(sql, sizeof sql, "SELECT * FROM \"%s\" WHERE relationship = $1", table);
    return d->each(d->self, span_text(table)) && database_dump(d->store, sql, d->id, d->each, d->self, e);
}

bool tables_dump(struct store *store, const struct relationship_id *id, bool (*each)(void *self, span row), void *self,
                 struct err *e)
{
    struct dumping d = {store, relationship_span(id), each, self};
    return each_table(dump_one, &d, e);
}

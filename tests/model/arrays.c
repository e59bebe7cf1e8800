#include "tests/model/arrays.h"
#include <stdlib.h>
#include <string.h>

/* Every look-up is by one or two ids and a party; what a table does not use stays zero. */
struct key {
    struct hash first, second;
    uint64_t party;
};

struct row {
    struct key key;
    union {
        size_t ordinal; /* of a proposal */
        struct word word;
        struct revision revision;
        struct statement statement;
        enum statement_word statement_word;
        struct {
            bool is_set;
            struct hash proposal;
        } stand;
        struct {
            unsigned party;
            uint64_t position;
        } item;
    } as;
};

/*
 * Rows in the order they came, and an open-addressed index over them: 1 + row number, 0 for an
 * empty slot.
 */
struct table {
    struct row *rows;
    size_t count, cap;
    size_t *slots;
    size_t slot_count; /* a power of two, more than twice the rows */
};

enum {
    PROPOSALS,
    WORDS,
    STANDS,
    REVISIONS,
    SUCCESSORS,
    ITEMS,
    STATEMENTS,
    STATEMENT_WORDS,
    TABLES
};

struct numbered_proposal {
    struct hash id, sealing_entry;
    struct proposal proposal;
};

struct due {
    unsigned proposer, gate_party;
    uint64_t gate_position;
    struct hash proposal;
};

struct arrays {
    unsigned party_count;
    size_t calls_left; /* until one fails */
    struct table tables[TABLES];
    struct numbered_proposal *proposals;
    size_t proposal_count, proposal_cap;
    struct due *due;
    size_t due_count, due_cap;
};

/* ------------------------------------------------------------ tables */

static size_t key_slot(const struct key *key, size_t slot_count)
{
    uint64_t sum = 0xcbf29ce484222325u ^ key->party; /* FNV-1a */
    for (size_t i = 0; i < sizeof key->first.bytes; i++) {
        sum = (sum ^ key->first.bytes[i]) * 0x100000001b3u;
        sum = (sum ^ key->second.bytes[i]) * 0x100000001b3u;
    }
    return (size_t)(sum ^ sum >> 32) & (slot_count - 1);
}

static bool key_equal(const struct key *a, const struct key *b)
{
    return a->party == b->party && hash_equal(&a->first, &b->first) &&
           hash_equal(&a->second, &b->second);
}

/* The slot that points to the key's row, or the empty one where it would. */
static size_t *table_slot(const struct table *table, const struct key *key)
{
    size_t at = key_slot(key, table->slot_count);
    while (table->slots[at] && !key_equal(&table->rows[table->slots[at] - 1].key, key))
        at = (at + 1) & (table->slot_count - 1);
    return &table->slots[at];
}

static struct row *table_find(const struct table *table, const struct key *key)
{
    if (table->count == 0) return NULL;
    const size_t *slot = table_slot(table, key);
    return *slot ? &table->rows[*slot - 1] : NULL;
}

/* Makes room for one more element of `each` bytes. */
static bool grow(void **rows, size_t count, size_t *cap, size_t each, struct err *e)
{
    size_t wanted = *cap ? *cap * 2 : 16, bytes = 0;
    if (count < *cap) return true;
    if (!size_mul(wanted, each, &bytes)) return err_memory(e);
    void *grown = realloc(*rows, bytes);
    if (!grown) return err_memory(e);
    *rows = grown;
    *cap = wanted;
    return true;
}

static bool table_grow_index(struct table *table, struct err *e)
{
    if (table->count * 2 + 2 < table->slot_count) return true;
    const size_t slot_count = table->slot_count ? table->slot_count * 2 : 64;
    size_t *slots = calloc(slot_count, sizeof *slots);
    if (!slots) return err_memory(e);
    free(table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    for (size_t i = 0; i < table->count; i++) *table_slot(table, &table->rows[i].key) = i + 1;
    return true;
}

/* The key's row, made anew (all zero) when there is none. */
static struct row *table_put(struct table *table, const struct key *key, struct err *e)
{
    struct row *row = table_find(table, key);
    if (row) return row;

    void *rows = table->rows;
    if (!grow(&rows, table->count, &table->cap, sizeof *row, e)) return NULL;
    table->rows = rows;
    if (!table_grow_index(table, e)) return NULL;
    row = &table->rows[table->count++];
    memset(row, 0, sizeof *row);
    row->key = *key;
    *table_slot(table, key) = table->count;
    return row;
}

static struct key key_of(const struct hash *first)
{
    return (struct key){.first = *first};
}

static struct key key_by(const struct hash *first, unsigned party)
{
    return (struct key){.first = *first, .party = party};
}

static struct key key_on(const struct change *on, unsigned party)
{
    return (struct key){on->item, on->base, party};
}

/* ------------------------------------------------------------ look-ups */

/* Counts a call; false when it is the one that is to fail. */
static bool works(struct arrays *arrays, struct err *e)
{
    if (arrays->calls_left == SIZE_MAX) return true;
    if (arrays->calls_left == 0) return err_set(e, ERR_DISK, "the look-up was made to fail");
    arrays->calls_left--;
    return true;
}

/* FOUND with the row, or what else there is to say. */
static enum found look_up(void *self, int table, const struct key *key, struct row **out,
                          struct err *e)
{
    struct arrays *arrays = self;
    if (!works(arrays, e)) return FOUND_FAILED;
    struct row *row = table_find(&arrays->tables[table], key);
    if (!row) return ABSENT;
    *out = row;
    return FOUND;
}

static struct row *record(void *self, int table, const struct key *key, struct err *e)
{
    struct arrays *arrays = self;
    if (!works(arrays, e)) return NULL;
    return table_put(&arrays->tables[table], key, e);
}

static enum found find_proposal(void *self, const struct hash *id, struct proposal *out,
                                struct err *e)
{
    const struct arrays *arrays = self;
    const struct key key = key_of(id);
    struct row *row = NULL;
    enum found found = look_up(self, PROPOSALS, &key, &row, e);
    if (found == FOUND) *out = arrays->proposals[row->as.ordinal].proposal;
    return found;
}

static enum found find_word(void *self, const struct hash *proposal, unsigned party,
                            struct word *out, struct err *e)
{
    const struct key key = key_by(proposal, party);
    struct row *row = NULL;
    enum found found = look_up(self, WORDS, &key, &row, e);
    if (found == FOUND) *out = row->as.word;
    return found;
}

static enum found find_stand(void *self, unsigned party, const struct change *on,
                             struct hash *proposal, struct err *e)
{
    const struct key key = key_on(on, party);
    struct row *row = NULL;
    enum found found = look_up(self, STANDS, &key, &row, e);
    if (found != FOUND) return found;
    if (!row->as.stand.is_set) return ABSENT;
    *proposal = row->as.stand.proposal;
    return FOUND;
}

static enum found find_revision(void *self, const struct hash *item, const struct hash *proposal,
                                struct revision *out, struct err *e)
{
    const struct key key = {*item, *proposal, 0};
    struct row *row = NULL;
    enum found found = look_up(self, REVISIONS, &key, &row, e);
    if (found == FOUND) *out = row->as.revision;
    return found;
}

static enum found find_successor(void *self, const struct change *on, struct revision *out,
                                 struct err *e)
{
    const struct key key = key_on(on, 0);
    struct row *row = NULL;
    enum found found = look_up(self, SUCCESSORS, &key, &row, e);
    if (found == FOUND) *out = row->as.revision;
    return found;
}

static enum found find_item(void *self, const struct hash *item, unsigned *party,
                            uint64_t *position, struct err *e)
{
    const struct key key = key_of(item);
    struct row *row = NULL;
    enum found found = look_up(self, ITEMS, &key, &row, e);
    if (found != FOUND) return found;
    *party = row->as.item.party;
    *position = row->as.item.position;
    return FOUND;
}

static enum found find_due(void *self, unsigned proposer, unsigned gate_party, uint64_t below,
                           struct hash *proposal, struct err *e)
{
    struct arrays *arrays = self;
    if (!works(arrays, e)) return FOUND_FAILED;
    for (size_t i = 0; i < arrays->due_count; i++) {
        const struct due *due = &arrays->due[i];
        if (due->proposer != proposer || due->gate_party != gate_party) continue;
        if (due->gate_position >= below) continue;
        *proposal = due->proposal;
        return FOUND;
    }
    return ABSENT;
}

static enum found find_statement(void *self, const struct hash *id, struct statement *out,
                                 struct err *e)
{
    const struct key key = key_of(id);
    struct row *row = NULL;
    enum found found = look_up(self, STATEMENTS, &key, &row, e);
    if (found == FOUND) *out = row->as.statement;
    return found;
}

static enum found find_statement_word(void *self, const struct hash *statement, unsigned party,
                                      enum statement_word *out, struct err *e)
{
    const struct key key = key_by(statement, party);
    struct row *row = NULL;
    enum found found = look_up(self, STATEMENT_WORDS, &key, &row, e);
    if (found == FOUND) *out = row->as.statement_word;
    return found;
}

/* ------------------------------------------------------------ records */

static bool add_item(void *self, const struct hash *item, unsigned party, uint64_t position,
                     struct err *e)
{
    const struct key key = key_of(item);
    struct row *row = record(self, ITEMS, &key, e);
    if (!row) return false;
    row->as.item.party = party;
    row->as.item.position = position;
    return true;
}

static bool add_proposal(void *self, const struct hash *id, const struct proposal *proposal,
                         struct err *e)
{
    struct arrays *arrays = self;
    const struct key key = key_of(id);
    void *proposals = arrays->proposals;
    if (!grow(&proposals, arrays->proposal_count, &arrays->proposal_cap, sizeof *arrays->proposals,
              e))
        return false;
    arrays->proposals = proposals;

    struct row *row = record(self, PROPOSALS, &key, e);
    if (!row) return false;
    row->as.ordinal = arrays->proposal_count++;
    arrays->proposals[row->as.ordinal] =
        (struct numbered_proposal){.id = *id, .proposal = *proposal};
    return true;
}

static bool put_word(void *self, const struct hash *proposal, unsigned party,
                     const struct word *word, const struct hash *entry, struct err *e)
{
    const struct key key = key_by(proposal, party);
    struct row *row = record(self, WORDS, &key, e);
    (void)entry;
    if (!row) return false;
    row->as.word = *word;
    return true;
}

static bool put_stand(void *self, unsigned party, const struct change *on,
                      const struct hash *proposal, struct err *e)
{
    const struct key key = key_on(on, party);
    struct row *row = record(self, STANDS, &key, e);
    if (!row) return false;
    row->as.stand.is_set = proposal != NULL;
    if (proposal) row->as.stand.proposal = *proposal;
    return true;
}

static bool put_revision(void *self, int table, const struct key *key,
                         const struct revision *revision, struct err *e)
{
    struct row *row = record(self, table, key, e);
    if (!row) return false;
    row->as.revision = *revision;
    return true;
}

static bool seal(void *self, const struct hash *id, const struct proposal *proposal,
                 uint64_t position, const struct hash *entry, struct err *e)
{
    struct arrays *arrays = self;
    const struct key key = key_of(id);
    struct row *row = NULL;
    if (look_up(self, PROPOSALS, &key, &row, e) != FOUND) return false;
    arrays->proposals[row->as.ordinal].proposal.sealed = position;
    arrays->proposals[row->as.ordinal].sealing_entry = *entry;

    for (size_t i = 0; i < proposal->change_count; i++) {
        const struct change *change = &proposal->changes[i];
        const struct revision revision = {*id, proposal->party, position, change->base};
        const struct key own = {change->item, *id, 0}, on = key_on(change, 0);
        if (!put_revision(self, REVISIONS, &own, &revision, e)) return false;
        if (!put_revision(self, SUCCESSORS, &on, &revision, e)) return false;
    }
    return true;
}

static bool drop_due(void *self, unsigned proposer, const struct hash *proposal, struct err *e)
{
    struct arrays *arrays = self;
    if (!works(arrays, e)) return false;
    for (size_t i = 0; i < arrays->due_count; i++) {
        const struct due *due = &arrays->due[i];
        if (due->proposer != proposer || !hash_equal(&due->proposal, proposal)) continue;
        arrays->due[i] = arrays->due[--arrays->due_count];
        break;
    }
    return true;
}

static bool put_due(void *self, unsigned proposer, const struct hash *proposal, unsigned gate_party,
                    uint64_t gate_position, struct err *e)
{
    struct arrays *arrays = self;
    void *due = arrays->due;
    if (!drop_due(self, proposer, proposal, e)) return false;
    if (!grow(&due, arrays->due_count, &arrays->due_cap, sizeof *arrays->due, e)) return false;
    arrays->due = due;
    arrays->due[arrays->due_count++] = (struct due){proposer, gate_party, gate_position, *proposal};
    return true;
}

static bool add_statement(void *self, const struct hash *id, const struct statement *statement,
                          struct err *e)
{
    const struct key key = key_of(id);
    struct row *row = record(self, STATEMENTS, &key, e);
    if (!row) return false;
    row->as.statement = *statement;
    return true;
}

static bool put_statement_word(void *self, const struct hash *statement, unsigned party,
                               enum statement_word word, const struct hash *entry, struct err *e)
{
    const struct key key = key_by(statement, party);
    struct row *row = record(self, STATEMENT_WORDS, &key, e);
    (void)entry;
    if (!row) return false;
    row->as.statement_word = word;
    return true;
}

struct facts arrays_facts(struct arrays *arrays)
{
    return (struct facts){
        .self = arrays,
        .party_count = arrays->party_count,
        .proposal = find_proposal,
        .word = find_word,
        .stand = find_stand,
        .revision = find_revision,
        .successor = find_successor,
        .item = find_item,
        .due = find_due,
        .statement = find_statement,
        .statement_word = find_statement_word,
        .add_item = add_item,
        .add_proposal = add_proposal,
        .put_word = put_word,
        .put_stand = put_stand,
        .seal = seal,
        .put_due = put_due,
        .drop_due = drop_due,
        .add_statement = add_statement,
        .put_statement_word = put_statement_word,
    };
}

/* ------------------------------------------------------------ the whole */

bool arrays_new(struct arrays **out, unsigned party_count, struct err *e)
{
    struct arrays *arrays = calloc(1, sizeof *arrays);
    if (!arrays) return err_memory(e);
    arrays->party_count = party_count;
    arrays->calls_left = SIZE_MAX;
    *out = arrays;
    return true;
}

void arrays_free(struct arrays *arrays)
{
    if (!arrays) return;
    for (size_t i = 0; i < TABLES; i++) {
        free(arrays->tables[i].rows);
        free(arrays->tables[i].slots);
    }
    free(arrays->proposals);
    free(arrays->due);
    free(arrays);
}

void arrays_clear(struct arrays *arrays)
{
    for (size_t i = 0; i < TABLES; i++) {
        struct table *table = &arrays->tables[i];
        if (table->count) memset(table->slots, 0, table->slot_count * sizeof *table->slots);
        table->count = 0;
    }
    arrays->proposal_count = 0;
    arrays->due_count = 0;
}

void arrays_fail_after(struct arrays *arrays, size_t calls)
{
    arrays->calls_left = calls;
}

size_t arrays_proposal_count(const struct arrays *arrays)
{
    return arrays->proposal_count;
}

const struct hash *arrays_proposal_id(const struct arrays *arrays, size_t ordinal)
{
    must(ordinal < arrays->proposal_count);
    return &arrays->proposals[ordinal].id;
}

const struct proposal *arrays_proposal(const struct arrays *arrays, size_t ordinal)
{
    must(ordinal < arrays->proposal_count);
    return &arrays->proposals[ordinal].proposal;
}

const struct hash *arrays_sealing_entry(const struct arrays *arrays, size_t ordinal)
{
    must(ordinal < arrays->proposal_count);
    return &arrays->proposals[ordinal].sealing_entry;
}

size_t arrays_statement_count(const struct arrays *arrays)
{
    return arrays->tables[STATEMENTS].count;
}

static bool share_a_base(const struct proposal *a, const struct proposal *b)
{
    for (size_t i = 0; i < a->change_count; i++) {
        for (size_t k = 0; k < b->change_count; k++) {
            if (hash_equal(&a->changes[i].item, &b->changes[k].item) &&
                hash_equal(&a->changes[i].base, &b->changes[k].base))
                return true;
        }
    }
    return false;
}

size_t arrays_rivals(const struct arrays *arrays, const struct hash *proposal, struct hash *out,
                     size_t cap)
{
    const struct key key = key_of(proposal);
    const struct row *row = table_find(&arrays->tables[PROPOSALS], &key);
    size_t count = 0;
    if (!row) return 0;
    for (size_t i = 0; i < arrays->proposal_count && count < cap; i++) {
        if (i == row->as.ordinal) continue;
        if (share_a_base(&arrays->proposals[row->as.ordinal].proposal,
                         &arrays->proposals[i].proposal))
            out[count++] = arrays->proposals[i].id;
    }
    return count;
}

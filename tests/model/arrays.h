/*
 * arrays - the facts of one relationship kept in memory: `struct facts` over hash tables that grow.
 *
 * For tests, and for checking a record without a database. Everything a fold needs is here, nothing
 * of bodies. Threads: one at a time. Memory: owned by the arrays; ids and proposals handed out are
 * copies or last until the next record.
 */
#pragma once
#include "protocol/agreement.h"

struct arrays;

MUST_USE bool arrays_new(struct arrays **out, unsigned party_count, struct err *e); /* ERR_MEMORY */
void arrays_free(struct arrays *arrays);
OWNABLE(struct arrays *, arrays_free)
void arrays_clear(struct arrays *arrays); /* forgets every fact, keeps the memory */
/* The table of functions over `arrays`, which must outlive it. Their failures: ERR_MEMORY. */
struct facts arrays_facts(struct arrays *arrays);
/*
 * For tests of failure: the call after `calls` more of them fails with ERR_DISK. SIZE_MAX: none
 * does.
 */
void arrays_fail_after(struct arrays *arrays, size_t calls);

/* Proposals with effect in the order they were folded. */
size_t arrays_proposal_count(const struct arrays *arrays);
const struct hash *arrays_proposal_id(const struct arrays *arrays, size_t ordinal);
const struct proposal *arrays_proposal(const struct arrays *arrays, size_t ordinal);
const struct hash *arrays_sealing_entry(const struct arrays *arrays,
                                        size_t ordinal); /* zero: not sealed */
size_t arrays_statement_count(const struct arrays *arrays);
/*
 * The proposals that share an (item, base) with `proposal`, itself left out; at most `cap`. Returns
 * how many.
 */
size_t arrays_rivals(const struct arrays *arrays, const struct hash *proposal, struct hash *out,
                     size_t cap);

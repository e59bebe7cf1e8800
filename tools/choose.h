/*
 * choose - from what a person typed to the relationship, item, party or noun that is meant.
 */
#pragma once
#include "tools/command.h"

/* Relationships are large: they live on the heap. */
static inline void relationship_free(struct relationship *r) { __builtin_free(r); }
OWNABLE(struct relationship *, relationship_free)
MUST_USE bool choose_load(struct command *c, const struct relationship_id *id,
                          struct relationship **out, struct err *e);
/* The one that -r names, or the only one there is. Fails: ERR_MISSING, ERR_CONFLICT (several fit: names them). */
MUST_USE bool choose_relationship(struct command *c, struct relationship **out, struct err *e);
/* The one that -r names, or every one in turn, until `each` returns false. */
typedef bool (*relationship_each)(struct command *c, const struct relationship *relationship,
                                  void *self, struct err *e);
MUST_USE bool choose_each(struct command *c, relationship_each each, void *self, struct err *e);
/* Finds what was typed in the one that -r names or in all, and loads its relationship. Fails: as reference_find. */
MUST_USE bool choose_item(struct command *c, const char *typed, struct reference *out,
                          struct relationship **relationship, struct err *e);

/* A party by its code, whatever the case. Fails: ERR_MISSING (names those there are). */
MUST_USE bool choose_party(const struct relationship *relationship, const char *code,
                           const struct party **out, struct err *e);
/* Has the opener voided the invitation by which we are here? */
bool choose_is_voided(struct command *c, const struct relationship *relationship);
/* A noun of the vocabulary. Fails: ERR_USAGE (names those there are). */
MUST_USE bool choose_noun(const char *name, const struct noun **out, struct err *e);
/* "ACME", or "?" for a party the relationship does not know yet. */
const char *party_code(const struct relationship *relationship, unsigned party);
/* Upper case, checked. Fails: ERR_USAGE. */
MUST_USE bool choose_code(const char *typed, char out[CODE_BYTES_MAX + 1], struct err *e);

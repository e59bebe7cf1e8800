/*
 * members - what the fold writes about the parties of a relationship. Not for other floors: everybody else reads
 * relationships.h.
 */
#pragma once
#include "store/relationships.h"

/* Harmless when repeated. */
MUST_USE bool member_put_code(struct store *store, const struct relationship_id *id, unsigned party, const char *code,
                              struct err *e);
/* A party's keys, and its feed; `introduced_by` is the party itself when it told us directly. */
MUST_USE bool member_put_certificate(struct store *store, const struct relationship_id *id, unsigned party, span note,
                                     const struct certificate *certificate, unsigned introduced_by, struct err *e);
/* A party has said itself that this is its receipt key too. */
MUST_USE bool member_put_receipt_key(struct store *store, const struct relationship_id *id, unsigned party,
                                     const struct key_public *receipt_key, struct err *e);

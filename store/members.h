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
/*
 * Does this entry begin a successor feed in the relationship? Gives the certificate in its body, whose signature, keys and
 * relationship are checked, but not whose it is, and how many feeds its party had before.
 */
bool successor_read(const struct relationship_id *id, const struct header *header, span body, struct certificate *certificate,
                    unsigned *ordinal);
struct batch;
/* Makes room for the feed of a batch that begins with such an entry of a party known here. Fails: ERR_MISSING (it does not), ERR_LIMIT. */
MUST_USE bool successor_introduce(struct store *store, const struct relationship_id *id, const struct batch *batch,
                                  struct err *e);
/* A party has said itself that this is its receipt key too. */
MUST_USE bool member_put_receipt_key(struct store *store, const struct relationship_id *id, unsigned party,
                                     const struct key_public *receipt_key, struct err *e);

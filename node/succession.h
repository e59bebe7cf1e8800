/*
 * succession - a party goes on in a new feed when its feed cannot go on: it has forked, it rests on a counterpart's fork,
 * or its end was lost with a disk and a person does not wait for the counterparts to return it (FORMAT.md section 4).
 *
 * The new feed is countersigned by every counterpart after its people have compared six check words. Until then nothing
 * said in it has effect.
 */
#pragma once
#include "node/work.h"

/*
 * Begins our next feed in a relationship: a new log key, and the entry that names the feeds before. A restored home goes
 * on with it without what has not been returned. Fails: ERR_REFUSED (the feed can go on, or a new one already waits for
 * countersignatures), ERR_LIMIT (as many feeds as a party may have), ERR_DISK.
 */
MUST_USE bool succession_begin(struct home *home, const struct asker *asker, const struct relationship_id *id, struct err *e);
/* Would succession_begin be refused because the feed can go on? `why` (room for 160) says what keeps it from going on. */
MUST_USE bool succession_is_needed(struct home *home, const struct relationship_id *id, bool *out, char *why, struct err *e);
/* Six words of a feed that succeeds another, the same on every side. FORMAT.md section 10. `out`: room for WORDS_TEXT_MAX. */
void succession_words(const struct hash *begins, char *out, size_t cap);
/* The newest feed of `party` that waits for countersignatures, ours if it is another's, the others' if it is our own. */
MUST_USE bool succession_awaited(struct home *home, const struct relationship_id *id, unsigned party, bool *is_found,
                                 struct successor *out, struct err *e);
/* A person has compared the words: countersigns. `how` is not CHECK_NONE. Fails: ERR_CONFLICT (countersigned meanwhile). */
MUST_USE bool succession_countersign(struct home *home, const struct asker *asker, const struct relationship_id *id,
                                     const struct successor *successor, enum check how, struct err *e);

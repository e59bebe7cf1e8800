/*
 * pairing - how two organisations become parties who know each other's keys: invitation, join, check words, confirm.
 *
 * The network part (the psk session and the exchange of nonces) is run by engine.h; this room makes and judges what is said.
 */
#pragma once
#include "node/exchange.h"
#include "node/work.h"
#include "protocol/invitation.h"
#include "protocol/messages.h"

/*
 * Makes an invitation for a party of a relationship we opened. An earlier one is voided, and so is the place of whoever has
 * come by it, as long as we have not confirmed it. `text` gets the block.
 * Fails: ERR_REFUSED (not the opener, already confirmed), ERR_USAGE (address).
 */
MUST_USE bool pairing_invite(struct home *home, const struct relationship_id *id, const char *code, const char *const *addresses,
                             size_t address_count, uint64_t lasts_s, struct sink *text, struct err *e);
/*
 * Takes an invitation: makes room, a log key and our certificates. The dialling follows. `own_address` (may be NULL) is kept as
 * the address of our own party. The caller wipes `out`, which holds the secret. A relationship that is held already goes on by
 * the new invitation while its opener has not confirmed us; what an inviter left here whose opening entry never came is removed.
 * Fails: ERR_CONFLICT (taken already, or confirmed), ERR_REFUSED (expired, voided, another code is invited, another opener),
 * ERR_MALFORMED.
 */
MUST_USE bool pairing_join(struct home *home, span invitation_text, const char *own_address, struct invitation *out, struct err *e);
/* Our certificate (log, receipt, transport) in a relationship, as a signed note. */
MUST_USE bool pairing_certificate(struct home *home, const struct relationship_id *id, struct sink *out, struct err *e);
/*
 * Opener's side: a joiner has shown its certificate in a psk session by invitation `invited`. Binds the invitation: the
 * joiner is a guest until we confirm it, and nothing is said of it. Harmless when repeated.
 * Fails: ERR_REFUSED (voided, expired, another code, another identity than the first); `refusal` is what the joiner may be told.
 */
MUST_USE bool pairing_admit(struct home *home, const uint8_t invitation_id[16], span certificate_note,
                            struct refusal *refusal, struct err *e);
/* Joiner's side: the opener's feed is here: writes our `join` entry unless it is there. Fails: ERR_MISSING (it is not). */
MUST_USE bool pairing_joined(struct home *home, const struct relationship_id *id, struct err *e);
/*
 * Joiner's side: the counterpart has said in the handshake why it does not know us, or REFUSAL_NONE: that it does. When it is
 * the opener, keeps whether our place was voided. `invitation`: the one that was shown, NULL in a session by keys.
 */
MUST_USE bool pairing_refused(struct home *home, const struct shared *shared, const struct invitation_id *invitation,
                              enum refusal_why why, struct err *e);
/* Six words from both identities and fresh nonces; initiator's first. FORMAT.md section 10. */
struct hash pairing_commitment(const uint8_t nonce[32], const struct relationship_id *id);
void pairing_words(const struct relationship_id *id, const struct key_public *initiator, const struct key_public *responder,
                   const uint8_t initiator_nonce[32], const uint8_t responder_nonce[32], char *out, size_t cap);
/* Twelve words from two identity keys alone, the same from both sides. */
void pairing_identity_words(const struct key_public *a, const struct key_public *b, char *out, size_t cap);
/*
 * A person confirms a party: writes the `pair` entry, which puts a guest into the record, opens the way for work, and offers
 * the charter when it was the last one. Fails: ERR_MISSING (not known yet), ERR_CONFLICT (checked as well already).
 */
MUST_USE bool pairing_confirm(struct home *home, const struct asker *asker, const struct relationship_id *id, const char *code,
                              enum check how, struct err *e);
/*
 * Tells the counterparts our receipt key, in a `pair` entry about ourselves, wherever the record does not know it: after
 * home_receipt_key_renew, and after a crash between the two. A relationship in which nothing can be said is passed over.
 */
MUST_USE bool pairing_announce(struct home *home, const struct asker *asker, struct err *e);

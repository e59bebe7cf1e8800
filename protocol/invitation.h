/*
 * invitation - one signed, single-use, expiring block of text: who invites whom to what, where, and 32 secret bytes.
 *
 * Bytes: canonical msgpack [1, relationship 16, title, invited code, [address ...], expires (s, UTC), secret 32,
 * inviter's certificate (bin)] followed by the inviter's Ed25519 signature (64 bytes) over
 * "counterpart/v1/invitation" ‖ 00 ‖ those bytes, by the identity key the certificate names.
 *
 * As text: a line "COUNTERPART INVITATION", base32 (RFC 4648 section 6 alphabet, written lower case, no padding) in
 * lines of 60, a line "END OF INVITATION". Reading ignores case, white space, '>', '-' and invisible characters
 * (U+00A0 U+00AD U+200B-U+200F U+2060 U+FEFF) and does not need the two lines; where they stand, what is before and
 * after them is ignored, so that a whole message can be pasted.
 */
#pragma once
#include "protocol/certificate.h"

#define INVITATION_TEXT_MAX 8192   /* written */
#define INVITATION_PASTE_MAX 32768 /* read: the block with what mail programs put around and into it */

struct invitation {
    struct relationship_id relationship;
    char title[TITLE_BYTES_MAX + 1];
    char invited[CODE_BYTES_MAX + 1];
    size_t address_count;
    char addresses[ADDRESSES_MAX][ADDRESS_BYTES_MAX + 1];
    uint64_t expires_s; /* since 1970, UTC; at most TIME_MS_MAX / 1000 */
    uint8_t secret[32];
    struct certificate inviter;
    uint8_t inviter_note[CERTIFICATE_BYTES_MAX]; /* the certificate as signed */
    size_t inviter_note_bytes;
};

/* First 16 bytes of H("counterpart/v1/invitation-id" ‖ 00 ‖ secret): stands in the clear in message 1. */
struct invitation_id {
    uint8_t bytes[16];
};
struct invitation_id invitation_id_of(const uint8_t secret[32]);

/*
 * Signs and writes the text block. `inviter_note` must be set; `inviter` is not looked at. must() on fields that are
 * not valid. Fails: ERR_LIMIT.
 */
MUST_USE bool invitation_write(struct sink *out, const struct invitation *invitation,
                               const struct signing_key *identity, struct err *e);
/*
 * Reads the text block and verifies it; the caller judges expiry, and wipes `out`, which holds the secret.
 * Fails: ERR_MALFORMED, ERR_LIMIT, ERR_REFUSED (a signature does not verify, or the certificate is of another
 * relationship or names no transport key).
 */
MUST_USE bool invitation_read(span text, struct invitation *out, struct err *e);
void invitation_wipe(struct invitation *invitation);

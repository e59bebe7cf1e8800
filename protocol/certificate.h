/*
 * certificate - an organisation's identity key says which other keys are its own, in one relationship.
 *
 * A signed note (crypto/note.h) under the key named DOMAIN/counterpart/identity, type 01. Its text, one line each:
 *     counterpart/certificate/v1
 *     relationship 32 hex digits
 *     code CODE
 *     domain DOMAIN
 *     name NAME
 *     identity BASE64        the key that signs this note
 *     log BASE64             these three in this order, each at most once, at least one
 *     receipt BASE64
 *     transport BASE64
 *
 * Identity, log and receipt are three different keys: one key makes one kind of statement. Lines of further keys may
 * follow the identity key's signature; they are ignored.
 */
#pragma once
#include "crypto/note.h"
#include "protocol/entry.h"

struct certificate {
    struct relationship_id relationship;
    char code[CODE_BYTES_MAX + 1];
    char domain[DOMAIN_BYTES_MAX + 1];
    char name[NAME_BYTES_MAX + 1];
    struct key_public identity;
    bool has_log, has_receipt, has_transport;
    struct key_public log, receipt, transport;
};

/* Appends the note. Fails: ERR_LIMIT; must() on fields that are not valid. */
MUST_USE bool certificate_write(struct sink *out, const struct certificate *certificate,
                                const struct signing_key *identity, struct err *e);
/*
 * Reads and verifies against the identity key it names: whose key that is, is for the caller to judge.
 * Fails: ERR_MALFORMED, ERR_LIMIT (longer than CERTIFICATE_BYTES_MAX), ERR_REFUSED (the signature does not verify).
 */
MUST_USE bool certificate_read(span note, struct certificate *out, struct err *e);

/*
 * note - signed notes, heads (checkpoints) and receipts (cosignature/v1): ../shared evidence sections 2 to 6 and 9.
 *
 * C2SP signed-note v1.0.0, tlog-checkpoint v1.0.0, tlog-cosignature v1.0.1, tlog-proof. Reading is strict as section 9
 * says: no stray base64 bits, no two lines of one key, no extension lines, nothing after the end.
 */
#pragma once
#include "crypto/keys.h"
#include "crypto/merkle.h"

#define NOTE_NAME_MAX 255    /* bytes of a key's name */
#define NOTE_BYTES_MAX 65536 /* of a whole note */
#define NOTE_LINES_MAX 100
#define CHECKPOINT_TEXT_MAX 400
#define VKEY_TEXT_MAX 320

enum note_signature_type { NOTE_ED25519 = 0x01, NOTE_COSIGNATURE = 0x04 };

/* A signed statement of a feed's size and root; its origin is known from the feed. */
struct head {
    uint64_t size;
    struct hash root;
    struct signature signature; /* type 01, by the log key, over the checkpoint's text */
};

/* A counterpart's cosignature over a head: by time_s it durably held every entry below size. */
struct receipt {
    uint64_t size;
    struct hash root;
    uint64_t time_s; /* seconds since 1970, UTC; 1 to 2^63-1 */
    struct signature signature;
};

/* First 4 bytes of H(name ‖ 0a ‖ type ‖ key). */
void note_key_id(const char *name, enum note_signature_type type, const struct key_public *key, uint8_t out[4]);
/* name "+" key id "+" base64(type ‖ key). Fails: ERR_LIMIT, ERR_MALFORMED (a name with a space or "+"). */
MUST_USE bool note_vkey_write(const char *name, enum note_signature_type type, const struct key_public *key, char *out,
                              size_t cap, struct err *e);
/* Refuses a key id that does not match. Fails: ERR_MALFORMED, ERR_LIMIT. */
MUST_USE bool note_vkey_read(span vkey, char *name, size_t name_cap, enum note_signature_type *type,
                             struct key_public *key, struct err *e);
/* Our own rule for names: only a-z 0-9 . - / and 1 to 255 bytes (section 11). */
bool note_name_is_ours(span name);

/* The checkpoint's three lines. Sets sink.full on overflow. */
void checkpoint_text(struct sink *out, const char *origin, uint64_t size, const struct hash *root);
/* Reads the three lines strictly; size up to 2^63-1. Fails: ERR_MALFORMED, ERR_LIMIT (the origin is too long). */
MUST_USE bool checkpoint_read(span text, char *origin, size_t origin_cap, uint64_t *size, struct hash *root,
                              struct err *e);

void head_sign(const struct signing_key *log, const char *origin, uint64_t size, const struct hash *root,
               struct head *out);
bool head_verify(const struct key_public *log, const char *origin, const struct head *head);
/* `time_s` must be 1 to 2^63-1. */
void receipt_sign(const struct signing_key *receipt_key, const char *origin, uint64_t size, const struct hash *root,
                  uint64_t time_s, struct receipt *out);
bool receipt_verify(const struct key_public *receipt_key, const char *origin, const struct receipt *receipt);

/* One signature line, to be written after a note's text and empty line. */
void note_line_ed25519(struct sink *out, const char *name, const struct key_public *key,
                       const struct signature *signature);
void note_line_cosignature(struct sink *out, const char *name, const struct key_public *key,
                           const struct receipt *receipt);

/* Any text under one Ed25519 key (certificates, invitations). The text must end in LF. Sets sink.full on overflow. */
void note_sign(struct sink *out, span text, const char *name, const struct signing_key *key);

struct note_verifier {
    const char *name;
    enum note_signature_type type;
    const struct key_public *key;
};
/*
 * Splits and checks a note: every line of a known key must verify (the time of a cosignature is 1 to 2^63-1), at least
 * one known key must have signed, no key twice. `text` points into `note`. `signed_by` (verifier_count entries, may be
 * NULL) says which have signed, `times_s` (may be NULL) their cosignatures' times, 0 for a key without one.
 * Fails: ERR_MALFORMED, ERR_LIMIT, ERR_REFUSED (a signature does not verify, or no known key).
 */
MUST_USE bool note_open(span note, const struct note_verifier *verifiers, size_t verifier_count, span *text,
                        bool *signed_by, uint64_t *times_s, struct err *e);

/* A tlog-proof bundle (evidence section 6): the index and its inclusion proof before a signed checkpoint, verbatim. */
void proof_write(struct sink *out, uint64_t index, const struct merkle_proof *proof, span signed_checkpoint);
/* `signed_checkpoint` points into `file`; an "extra" line is allowed and ignored. Fails: ERR_MALFORMED, ERR_LIMIT. */
MUST_USE bool proof_read(span file, uint64_t *index, struct merkle_proof *proof, span *signed_checkpoint,
                         struct err *e);

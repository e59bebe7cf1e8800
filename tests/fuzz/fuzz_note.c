/*
 * Signed notes, checkpoints and verifier keys, signatures not judged (see signatures.h).
 * Input: one byte that says which of the three, then its text.
 */
#include "crypto/note.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/signatures.h"

static void vkey(span text)
{
    char name[NOTE_NAME_MAX + 1], again[VKEY_TEXT_MAX + 1];
    enum note_signature_type type = NOTE_ED25519;
    struct key_public key;
    struct err e = {0};
    mark_untouched(name, sizeof name);
    mark_untouched(&key, sizeof key);
    if (!note_vkey_read(text, name, sizeof name, &type, &key, &e)) {
        must_say_why(&e);
        must_be_untouched(name, sizeof name);
        must_be_untouched(&key, sizeof key);
        return;
    }
    must(note_vkey_write(name, type, &key, again, sizeof again, NULL));
    must_be_same(span_text(again), text);
}

static void checkpoint(span text)
{
    char origin[NOTE_NAME_MAX + 1];
    uint8_t again[CHECKPOINT_TEXT_MAX];
    struct sink out = sink_over(again, sizeof again);
    uint64_t size = UNTOUCHED;
    struct hash root;
    struct err e = {0};
    mark_untouched(origin, sizeof origin);
    mark_untouched(&root, sizeof root);
    if (!checkpoint_read(text, origin, sizeof origin, &size, &root, &e)) {
        must_say_why(&e);
        must_be_untouched(origin, sizeof origin);
        must_be_untouched(&root, sizeof root);
        must(size == UNTOUCHED);
        return;
    }
    must(size <= INT64_MAX);
    checkpoint_text(&out, origin, size, &root);
    must_be_written(&out, text);
}

static void note(span whole)
{
    static const struct key_public log = {{1}}, receipt = {{2}};
    static const struct note_verifier known[] = {
        {"acme.example/log", NOTE_ED25519, &log},
        {"bolt.example/receipt", NOTE_COSIGNATURE, &receipt},
        {"acme.example/identity", NOTE_ED25519, &log},
    };
    bool signed_by[3] = {true, true, true};
    uint64_t times[3] = {UNTOUCHED, UNTOUCHED, UNTOUCHED};
    span text = span_of(NULL, UNTOUCHED);
    struct err e = {0};
    if (!note_open(whole, known, 3, &text, signed_by, times, &e)) {
        must_say_why(&e);
        must(text.len == UNTOUCHED && signed_by[0] && signed_by[1] && signed_by[2]);
        must(times[0] == UNTOUCHED && times[1] == UNTOUCHED && times[2] == UNTOUCHED);
        return;
    }
    must(text.at == whole.at && text.len > 0 && text.len < whole.len);
    must(whole.at[text.len - 1] == '\n' && whole.at[text.len] == '\n');
    must(signed_by[0] || signed_by[1] || signed_by[2]);
    must(times[0] == 0 && times[2] == 0);
    must(signed_by[1] ? times[1] >= 1 && times[1] <= INT64_MAX : times[1] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    span in = span_of(at, len);
    switch (input_byte(&in) % 3) {
    case 0: note(in); break;
    case 1: checkpoint(in); break;
    default: vkey(in); break;
    }
    return 0;
}

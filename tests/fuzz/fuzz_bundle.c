/*
 * Any text as a proof bundle: what is accepted has one spelling, but for an extra line, which is ignored.
 */
#include "crypto/note.h"
#include "tests/fuzz/fuzz.h"

static bool has_extra(span file)
{
    span line = {0}, second = {0};
    return span_take_until(&file, '\n', &line) && span_take(&file, 6, &second) && span_equal(second, span_text("extra "));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static uint8_t room[NOTE_BYTES_MAX + 8192];
    static struct merkle_proof proof;
    struct sink out = sink_over(room, sizeof room);
    span file = span_of(at, len), checkpoint = span_of(NULL, UNTOUCHED);
    uint64_t index = UNTOUCHED;
    struct err e = {0};
    mark_untouched(&proof, sizeof proof);
    if (!proof_read(file, &index, &proof, &checkpoint, &e)) {
        must_say_why(&e);
        must(index == UNTOUCHED && checkpoint.len == UNTOUCHED);
        must_be_untouched(&proof, sizeof proof);
        return 0;
    }
    must(proof.count <= MERKLE_PROOF_MAX && checkpoint.len > 0 && index <= INT64_MAX);
    must(checkpoint.at + checkpoint.len == at + len);
    proof_write(&out, index, &proof, checkpoint);
    if (has_extra(file)) must(!out.full && out.len < file.len);
    else must_be_written(&out, file);
    return 0;
}

/*
 * Any bytes as a fork proof: what is accepted has one spelling. Signatures are not judged here (see signatures.h), so that
 * the two trees behind them are.
 */
#include "protocol/fork.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/signatures.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct fork_proof proof;
    uint8_t again[FORK_PROOF_BYTES_MAX];
    struct sink out = sink_over(again, sizeof again);
    struct reader r = reader_over(span_of(at, len));
    struct err e = {0};
    if (len > sizeof again) return 0;
    mark_untouched(&proof, sizeof proof);
    if (!fork_read(&r, &proof, &e)) {
        must_say_why(&e);
        must_be_untouched(&proof, sizeof proof);
        return 0;
    }
    for (size_t side = 0; side < 2; side++)
        must(proof.sides[side].prefix.count <= MERKLE_PROOF_MAX && proof.sides[side].inclusion.count <= MERKLE_PROOF_MAX);
    fork_write(&out, &proof);
    must_be_written(&out, span_of(at, len - r.left.len));
    if (!fork_check(&proof, "acme.example/counterpart/fuzz")) return 0;
    must(!hash_equal(&proof.sides[0].leaf, &proof.sides[1].leaf));
    must(proof.at < proof.sides[0].head.size && proof.at < proof.sides[1].head.size);
    return 0;
}

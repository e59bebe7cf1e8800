#include "protocol/fork.h"

#include "protocol/writer.h"

#include <string.h>

void proof_hashes_write(struct sink *out, const struct merkle_proof *proof)
{
    write_array(out, proof->count);
    for (size_t i = 0; i < proof->count; i++) write_bytes(out, hash_span(&proof->hashes[i]));
}

bool proof_hashes_read(struct reader *r, struct merkle_proof *out, struct err *e)
{
    struct merkle_proof proof;
    if (!read_array_upto(r, MERKLE_PROOF_MAX, &proof.count, e)) return false;
    for (size_t i = 0; i < proof.count; i++)
        if (!read_bytes(r, proof.hashes[i].bytes, sizeof proof.hashes[i].bytes, e)) return false;
    out->count = proof.count;
    memcpy(out->hashes, proof.hashes, proof.count * sizeof proof.hashes[0]);
    return true;
}

static void side_write(struct sink *out, const struct fork_side *side)
{
    write_array(out, 6);
    write_u64(out, side->head.size);
    write_bytes(out, hash_span(&side->head.root));
    write_bytes(out, span_of(side->head.signature.bytes, sizeof side->head.signature.bytes));
    write_bytes(out, hash_span(&side->leaf));
    proof_hashes_write(out, &side->prefix);
    proof_hashes_write(out, &side->inclusion);
}

static bool side_read(struct reader *r, struct fork_side *out, struct err *e)
{
    return read_array(r, 6, e) && read_u64(r, INT64_MAX, &out->head.size, e) &&
           read_bytes(r, out->head.root.bytes, sizeof out->head.root.bytes, e) &&
           read_bytes(r, out->head.signature.bytes, sizeof out->head.signature.bytes, e) &&
           read_bytes(r, out->leaf.bytes, sizeof out->leaf.bytes, e) && proof_hashes_read(r, &out->prefix, e) &&
           proof_hashes_read(r, &out->inclusion, e);
}

void fork_write(struct sink *out, const struct fork_proof *proof)
{
    bool is_second_lower =
        span_compare(hash_span(&proof->sides[1].leaf), hash_span(&proof->sides[0].leaf)) < 0;
    write_array(out, 4);
    write_bytes(out, key_public_span(&proof->log_key));
    write_u64(out, proof->at);
    write_bytes(out, hash_span(&proof->root_at));
    write_array(out, 2);
    side_write(out, &proof->sides[is_second_lower ? 1 : 0]);
    side_write(out, &proof->sides[is_second_lower ? 0 : 1]);
}

bool fork_read(struct reader *r, struct fork_proof *out, struct err *e)
{
    struct fork_proof proof = {0};
    if (!read_array(r, 4, e) || !read_bytes(r, proof.log_key.bytes, sizeof proof.log_key.bytes, e) ||
        !read_u64(r, INT64_MAX, &proof.at, e) || !read_bytes(r, proof.root_at.bytes, sizeof proof.root_at.bytes, e) ||
        !read_array(r, 2, e) || !side_read(r, &proof.sides[0], e) || !side_read(r, &proof.sides[1], e))
        return false;
    if (span_compare(hash_span(&proof.sides[1].leaf), hash_span(&proof.sides[0].leaf)) < 0)
        return err_set(e, ERR_MALFORMED, "a fork proof's side with the higher leaf stands first");
    *out = proof;
    return true;
}

static bool side_check(const struct fork_proof *proof, const struct fork_side *side, const char *origin)
{
    return head_verify(&proof->log_key, origin, &side->head) &&
           merkle_check_consistency(proof->at, side->head.size, &proof->root_at, &side->head.root, &side->prefix) &&
           merkle_check_inclusion(proof->at, side->head.size, &side->leaf, &side->inclusion, &side->head.root);
}

bool fork_check(const struct fork_proof *proof, const char *origin)
{
    return !hash_equal(&proof->sides[0].leaf, &proof->sides[1].leaf) &&
           side_check(proof, &proof->sides[0], origin) && side_check(proof, &proof->sides[1], origin);
}

#include "crypto/merkle.h"

#include <inttypes.h>
#include <sodium.h>

/* What is hashed starts with one of these, so that a leaf cannot pose as a node. */
enum { PREFIX_LEAF = 0x00, PREFIX_NODE = 0x01 };

struct hash merkle_leaf(span entry)
{
    static const uint8_t prefix = PREFIX_LEAF;
    struct hash out = {0};
    crypto_hash_sha256_state state;
    (void)crypto_hash_sha256_init(&state);
    (void)crypto_hash_sha256_update(&state, &prefix, 1);
    if (entry.len) (void)crypto_hash_sha256_update(&state, entry.at, entry.len);
    (void)crypto_hash_sha256_final(&state, out.bytes);
    return out;
}

struct hash merkle_node(const struct hash *left, const struct hash *right)
{
    struct {
        uint8_t prefix;
        struct hash left, right;
    } both = {PREFIX_NODE, *left, *right};
    _Static_assert(sizeof both == 65, "what is hashed has no padding");
    return hash_of(span_of(&both, sizeof both));
}

static size_t peak_count(uint64_t size)
{
    return (size_t)__builtin_popcountll(size);
}

struct hash merkle_root(const struct merkle_edge *edge)
{
    size_t left = peak_count(edge->size);
    if (left == 0) return hash_of(span_of(NULL, 0));
    struct hash root = edge->peaks[--left];
    while (left > 0) root = merkle_node(&edge->peaks[--left], &root);
    return root;
}

size_t merkle_append(struct merkle_edge *edge, const struct hash *leaf, struct hash *completed)
{
    must(edge->size < UINT64_MAX);
    size_t peaks = peak_count(edge->size);
    size_t count = 0;
    struct hash node = *leaf;
    for (uint64_t ones = edge->size; ones & 1; ones >>= 1) {
        node = merkle_node(&edge->peaks[--peaks], &node);
        completed[count++] = node;
    }
    edge->peaks[peaks] = node;
    edge->size++;
    return count;
}

bool merkle_edge_at(struct merkle_nodes nodes, uint64_t size, struct merkle_edge *out,
                    struct err *e)
{
    struct merkle_edge edge = {.size = size};
    size_t peaks = 0;
    uint64_t start = 0;
    for (unsigned level = MERKLE_LEVELS_MAX; level-- > 0;) {
        if (!(size >> level & 1)) continue;
        if (!nodes.find(nodes.self, level, start >> level, &edge.peaks[peaks++], e)) return false;
        start += UINT64_C(1) << level;
    }
    *out = edge;
    return true;
}

/*
 * The root of leaves `start` up to `end` - 1, where start is a multiple of a power of two that is
 * not below end - start: the binary digits of the length are then its complete subtrees, the
 * smallest rightmost.
 */
static bool range_root(struct merkle_nodes nodes, uint64_t start, uint64_t end, struct hash *out,
                       struct err *e)
{
    struct hash root = {0};
    bool has_root = false;
    uint64_t length = end - start;
    for (unsigned level = 0; level < MERKLE_LEVELS_MAX; level++) {
        if (!(length >> level & 1)) continue;
        struct hash found = {0};
        end -= UINT64_C(1) << level;
        if (!nodes.find(nodes.self, level, end >> level, &found, e)) return false;
        root = has_root ? merkle_node(&found, &root) : found;
        has_root = true;
    }
    *out = has_root ? root : hash_of(span_of(NULL, 0));
    return true;
}

bool merkle_root_at(struct merkle_nodes nodes, uint64_t size, struct hash *out, struct err *e)
{
    return range_root(nodes, 0, size, out, e);
}

/* Above this a proof may need more than MERKLE_PROOF_MAX hashes. */
#define PROVABLE_SIZE_MAX (UINT64_C(1) << 62)

static bool is_provable(uint64_t size, struct err *e)
{
    if (size <= PROVABLE_SIZE_MAX) return true;
    return err_set(e, ERR_LIMIT, "a tree of %" PRIu64 " entries is too large for proofs", size);
}

/*
 * Appends the siblings met on the way from the node (level, index) up to the root of `size` leaves.
 * At each level `last` is the rightmost node; it alone may be incomplete, and is a sibling at most
 * once: from then on the way is itself last.
 */
static bool climb(struct merkle_nodes nodes, unsigned level, uint64_t index, uint64_t size,
                  struct merkle_proof *proof, struct err *e)
{
    for (uint64_t last = (size - 1) >> level; last > 0; level++, index >>= 1, last >>= 1) {
        uint64_t sibling = index ^ 1;
        if (sibling > last) continue; /* no sibling: the node stands for its parent too */
        must(proof->count < MERKLE_PROOF_MAX);
        struct hash *next = &proof->hashes[proof->count++];
        bool found = sibling == last ? range_root(nodes, sibling << level, size, next, e)
                                     : nodes.find(nodes.self, level, sibling, next, e);
        if (!found) return false;
    }
    return true;
}

bool merkle_prove_inclusion(struct merkle_nodes nodes, uint64_t index, uint64_t size,
                            struct merkle_proof *out, struct err *e)
{
    if (index >= size)
        return err_set(e, ERR_MISSING, "entry %" PRIu64 " is not among the first %" PRIu64, index,
                       size);
    if (!is_provable(size, e)) return false;
    struct merkle_proof proof = {0};
    if (!climb(nodes, 0, index, size, &proof, e)) return false;
    *out = proof;
    return true;
}

/*
 * The proof climbs from the largest complete subtree that ends where the old tree ends, and starts
 * with its hash, unless that subtree is the whole old tree, whose root the reader has.
 */
bool merkle_prove_consistency(struct merkle_nodes nodes, uint64_t old, uint64_t size,
                              struct merkle_proof *out, struct err *e)
{
    if (old > size)
        return err_set(e, ERR_MISSING, "there are %" PRIu64 " entries, not %" PRIu64, size, old);
    if (!is_provable(size, e)) return false;
    struct merkle_proof proof = {0};
    if (old > 0 && old < size) {
        unsigned level = (unsigned)__builtin_ctzll(old);
        uint64_t index = (old - 1) >> level;
        if (index > 0 && !nodes.find(nodes.self, level, index, &proof.hashes[proof.count++], e))
            return false;
        if (!climb(nodes, level, index, size, &proof, e)) return false;
    }
    *out = proof;
    return true;
}

/* One step up: `at` is our node's index, `last` the rightmost node's (fn and sn in RFC 9162). */
static void step_up(uint64_t *at, uint64_t *last, bool was_left_sibling)
{
    if (was_left_sibling)
        while (*at != 0 && !(*at & 1)) {
            *at >>= 1;
            *last >>= 1;
        }
    *at >>= 1;
    *last >>= 1;
}

bool merkle_check_inclusion(uint64_t index, uint64_t size, const struct hash *leaf,
                            const struct merkle_proof *proof, const struct hash *root)
{
    if (index >= size || proof->count > MERKLE_PROOF_MAX) return false;
    uint64_t at = index, last = size - 1;
    struct hash r = *leaf;
    for (size_t i = 0; i < proof->count; i++) {
        if (last == 0) return false;
        bool is_left = at & 1 || at == last; /* the proof's hash stands left of ours */
        r = is_left ? merkle_node(&proof->hashes[i], &r) : merkle_node(&r, &proof->hashes[i]);
        step_up(&at, &last, is_left);
    }
    return last == 0 && hash_equal(&r, root);
}

bool merkle_check_consistency(uint64_t old, uint64_t size, const struct hash *old_root,
                              const struct hash *root, const struct merkle_proof *proof)
{
    if (old > size || proof->count > MERKLE_PROOF_MAX) return false;
    if (old == size) return proof->count == 0 && hash_equal(old_root, root);
    if (old == 0) {
        struct hash empty = hash_of(span_of(NULL, 0));
        return proof->count == 0 && hash_equal(old_root, &empty);
    }
    if (proof->count == 0) return false;

    bool is_power_of_two = (old & (old - 1)) == 0;
    struct hash was = is_power_of_two ? *old_root : proof->hashes[0];
    struct hash is = was;
    unsigned level = (unsigned)__builtin_ctzll(old);
    uint64_t at = (old - 1) >> level, last = (size - 1) >> level;
    for (size_t i = is_power_of_two ? 0 : 1; i < proof->count; i++) {
        if (last == 0) return false;
        bool is_left = at & 1 || at == last;
        if (is_left) was = merkle_node(&proof->hashes[i], &was);
        is = is_left ? merkle_node(&proof->hashes[i], &is) : merkle_node(&is, &proof->hashes[i]);
        step_up(&at, &last, is_left);
    }
    return last == 0 && hash_equal(&was, old_root) && hash_equal(&is, root);
}

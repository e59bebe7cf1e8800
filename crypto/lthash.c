#include "crypto/lthash.h"

#include <endian.h>
#include <sodium.h>

#define LANES (LTHASH_BYTES / 2)

/* The fact as 1,024 lanes, in the machine's order. */
static void lthash_stretch(const char *label, span fact, uint16_t out[LANES])
{
    static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = {0};
    struct hash key = hash_labelled(label, &fact, 1);
    (void)crypto_stream_chacha20_ietf((unsigned char *)out, LTHASH_BYTES, nonce, key.bytes);
#if BYTE_ORDER != LITTLE_ENDIAN
    for (size_t i = 0; i < LANES; i++) out[i] = le16toh(out[i]);
#endif
}

/* Two plain loops over arrays of known size: the compiler turns each into vector instructions. */
void lthash_add(struct lthash *sum, const char *label, span fact)
{
    uint16_t lanes[LANES]; /* filled whole by lthash_stretch */
    lthash_stretch(label, fact, lanes);
    for (size_t i = 0; i < LANES; i++) sum->lanes[i] = (uint16_t)(sum->lanes[i] + lanes[i]);
}

void lthash_remove(struct lthash *sum, const char *label, span fact)
{
    uint16_t lanes[LANES];
    lthash_stretch(label, fact, lanes);
    for (size_t i = 0; i < LANES; i++) sum->lanes[i] = (uint16_t)(sum->lanes[i] - lanes[i]);
}

struct hash lthash_digest(const struct lthash *sum, const char *label)
{
    uint8_t saved[LTHASH_BYTES] = {0};
    lthash_save(sum, saved);
    span bytes = span_of(saved, sizeof saved);
    return hash_labelled(label, &bytes, 1);
}

void lthash_save(const struct lthash *sum, uint8_t out[LTHASH_BYTES])
{
    for (size_t i = 0; i < LANES; i++) {
        out[2 * i] = (uint8_t)(sum->lanes[i] & 0xff);
        out[2 * i + 1] = (uint8_t)(sum->lanes[i] >> 8);
    }
}

bool lthash_load(struct lthash *sum, span saved)
{
    if (saved.len != LTHASH_BYTES) return false;
    for (size_t i = 0; i < LANES; i++)
        sum->lanes[i] = (uint16_t)(saved.at[2 * i] | saved.at[2 * i + 1] << 8);
    return true;
}

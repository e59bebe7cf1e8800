#include "crypto/base64.h"

#include <sodium.h>
#include <string.h>

#define GROUP_BYTES 3
#define GROUP_TEXT 4

static void group_write(struct sink *out, span bytes)
{
    char text[GROUP_TEXT + 1] = {0};
    (void)sodium_bin2base64(text, sizeof text, bytes.at, bytes.len, sodium_base64_VARIANT_ORIGINAL);
    sink_text(out, text);
}

/* Three bytes at a time, so that any length needs no room of its own. */
void base64_write(struct sink *out, span bytes)
{
    span group = {0};
    while (span_take(&bytes, GROUP_BYTES, &group)) group_write(out, group);
    if (bytes.len) group_write(out, bytes);
}

/* Decode, encode again, compare: what another program's decoder lets pass is refused whatever
 * libsodium does. */
static bool group_read(span text, uint8_t *out, size_t bytes)
{
    uint8_t decoded[GROUP_BYTES] = {0};
    char again[GROUP_TEXT + 1] = {0};
    size_t len = 0;
    if (sodium_base642bin(decoded, sizeof decoded, (const char *)text.at, text.len, NULL, &len,
                          NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        len != bytes)
        return false;
    (void)sodium_bin2base64(again, sizeof again, decoded, len, sodium_base64_VARIANT_ORIGINAL);
    if (!span_equal(text, span_text(again))) return false;
    memcpy(out, decoded, bytes);
    return true;
}

/* `out` NULL: only judges, so that a bad last group leaves no good first ones behind. */
static bool groups_read(span text, uint8_t *out, size_t exactly)
{
    for (size_t done = 0; done < exactly; done += GROUP_BYTES) {
        span group = {0};
        uint8_t read[GROUP_BYTES] = {0};
        size_t bytes = exactly - done < GROUP_BYTES ? exactly - done : GROUP_BYTES;
        if (!span_take(&text, GROUP_TEXT, &group) || !group_read(group, read, bytes)) return false;
        if (out) memcpy(out + done, read, bytes);
    }
    return true;
}

bool base64_read(span text, uint8_t *out, size_t exactly)
{
    if (text.len % GROUP_TEXT != 0 ||
        text.len / GROUP_TEXT != (exactly + GROUP_BYTES - 1) / GROUP_BYTES)
        return false;
    return groups_read(text, NULL, exactly) && groups_read(text, out, exactly);
}

#include "crypto/base64.h"

#include <string.h>

#define GROUP_BYTES 3
#define GROUP_TEXT 4

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Up to three bytes, as four characters. */
static void group_write(struct sink *out, span bytes)
{
    char text[GROUP_TEXT] = {0};
    uint32_t bits = 0;
    for (size_t i = 0; i < GROUP_BYTES; i++) bits = bits << 8 | (i < bytes.len ? bytes.at[i] : 0u);
    for (size_t i = 0; i < GROUP_TEXT; i++) text[i] = i <= bytes.len ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
    sink_put(out, span_of(text, sizeof text));
}

/* Three bytes at a time, so that any length needs no room of its own. */
void base64_write(struct sink *out, span bytes)
{
    span group = {0};
    while (span_take(&bytes, GROUP_BYTES, &group)) group_write(out, group);
    if (bytes.len) group_write(out, bytes);
}

static bool value_read(uint8_t c, uint32_t *out)
{
    if (c >= 'A' && c <= 'Z') *out = (uint32_t)(c - 'A');
    else if (c >= 'a' && c <= 'z') *out = (uint32_t)(c - 'a' + 26);
    else if (c >= '0' && c <= '9') *out = (uint32_t)(c - '0' + 52);
    else if (c == '+') *out = 62;
    else if (c == '/') *out = 63;
    else return false;
    return true;
}

/* Four characters that say exactly `bytes` bytes, one to three: the bits that are left over are zero. */
static bool group_read(span text, uint8_t out[GROUP_BYTES], size_t bytes)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < GROUP_TEXT; i++) {
        uint32_t value = 0;
        if (i > bytes ? text.at[i] != '=' : !value_read(text.at[i], &value)) return false;
        bits = bits << 6 | value;
    }
    if (bits & (UINT32_C(0xffffff) >> (8 * bytes))) return false;
    for (size_t i = 0; i < GROUP_BYTES; i++) out[i] = (uint8_t)(bits >> (16 - 8 * i));
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
        text.len / GROUP_TEXT != exactly / GROUP_BYTES + (exactly % GROUP_BYTES != 0))
        return false;
    return groups_read(text, NULL, exactly) && groups_read(text, out, exactly);
}

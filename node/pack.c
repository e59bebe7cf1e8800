#include "node/pack.h"

#include <zstd.h>

#define PACK_LEVEL 1
#define PACK_WORTH_BYTES 200 /* below this a frame header costs more than it saves */

bool pack(span bytes, struct buffer *out)
{
    if (bytes.len < PACK_WORTH_BYTES) return false;
    out->len = 0;
    if (!buffer_reserve(out, ZSTD_compressBound(bytes.len), NULL)) return false;
    size_t packed = ZSTD_compress(out->at, out->cap, bytes.at, bytes.len, PACK_LEVEL);
    if (ZSTD_isError(packed) || packed >= bytes.len) return false;
    out->len = packed;
    return true;
}

bool unpack(span packed, size_t bytes, struct buffer *out, struct err *e)
{
    out->len = 0;
    if (!buffer_reserve(out, bytes ? bytes : 1, e)) return false;
    size_t got = ZSTD_decompress(out->at, bytes, packed.at, packed.len);
    if (ZSTD_isError(got) || got != bytes) return err_set(e, ERR_MALFORMED, "a batch does not unpack to %zu bytes", bytes);
    out->len = got;
    return true;
}

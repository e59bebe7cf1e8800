#include "protocol/writer.h"

#include <msgpack/pack.h>

static int into_sink(void *self, const char *bytes, size_t len)
{
    struct sink *s = self;
    sink_put(s, span_of(bytes, len));
    return s->full ? -1 : 0;
}

static msgpack_packer packer_over(struct sink *s)
{
    msgpack_packer packer = {0};
    msgpack_packer_init(&packer, s, into_sink);
    return packer;
}

/* A failed write shows in the sink, so what msgpack-c returns is not needed. */

void write_array(struct sink *s, size_t count)
{
    msgpack_packer p = packer_over(s);
    (void)msgpack_pack_array(&p, count);
}

void write_map(struct sink *s, size_t count)
{
    msgpack_packer p = packer_over(s);
    (void)msgpack_pack_map(&p, count);
}

void write_u64(struct sink *s, uint64_t value)
{
    msgpack_packer p = packer_over(s);
    (void)msgpack_pack_uint64(&p, value);
}

/* msgpack-c writes numbers from 0 on as unsigned ones, as the reader wants them. */
void write_i64(struct sink *s, int64_t value)
{
    msgpack_packer p = packer_over(s);
    (void)msgpack_pack_int64(&p, value);
}

void write_bool(struct sink *s, bool value)
{
    msgpack_packer p = packer_over(s);
    (void)(value ? msgpack_pack_true(&p) : msgpack_pack_false(&p));
}

void write_nil(struct sink *s)
{
    msgpack_packer p = packer_over(s);
    (void)msgpack_pack_nil(&p);
}

void write_bytes(struct sink *s, span bytes)
{
    msgpack_packer p = packer_over(s);
    (void)msgpack_pack_bin(&p, bytes.len);
    sink_put(s, bytes);
}

void write_text(struct sink *s, span text)
{
    msgpack_packer p = packer_over(s);
    (void)msgpack_pack_str(&p, text.len);
    sink_put(s, text);
}

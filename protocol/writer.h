/*
 * writer - canonical msgpack into a sink, by msgpack-c. What it writes, reader.h reads.
 *
 * Map keys must be written in rising byte order by the caller. Overflow shows in the sink.
 */
#pragma once
#include "crypto/base/span.h"

void write_array(struct sink *s, size_t count);
void write_map(struct sink *s, size_t count);
void write_u64(struct sink *s, uint64_t value);
void write_i64(struct sink *s, int64_t value);
void write_bool(struct sink *s, bool value);
void write_nil(struct sink *s);
void write_bytes(struct sink *s, span bytes);
void write_text(struct sink *s, span text);

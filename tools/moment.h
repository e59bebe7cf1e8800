/*
 * moment - points in time as people and programs read them.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define MOMENT_TEXT_MAX 40

/* "today 14:02", else "2026-03-05 14:02": in this machine's time zone, for people. Returns `out`. */
const char *moment_local(int64_t time_ms, int64_t now_ms, char *out, size_t cap);
/* "2026-03-05T14:02:11Z" (ISO 8601, UTC), for programs. Returns `out`. */
const char *moment_iso(int64_t time_s, char *out, size_t cap);

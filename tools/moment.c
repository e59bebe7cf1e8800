#include "tools/moment.h"

#include "crypto/base/err.h"

#include <stdio.h>
#include <time.h>

static bool is_same_day(const struct tm *a, const struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_yday == b->tm_yday;
}

const char *moment_local(int64_t time_ms, int64_t now_ms, char *out, size_t cap)
{
    time_t at = (time_t)(time_ms / 1000), now = (time_t)(now_ms / 1000);
    struct tm then = {0}, today = {0};
    must(cap >= MOMENT_TEXT_MAX);
    if (!localtime_r(&at, &then) || !localtime_r(&now, &today)) {
        (void)snprintf(out, cap, "(no date)");
        return out;
    }
    const char *format = is_same_day(&then, &today) ? "today %H:%M" : "%Y-%m-%d %H:%M";
    if (strftime(out, cap, format, &then) == 0) out[0] = '\0';
    return out;
}

const char *moment_iso(int64_t time_s, char *out, size_t cap)
{
    time_t at = (time_t)time_s;
    struct tm then = {0};
    must(cap >= MOMENT_TEXT_MAX);
    if (!gmtime_r(&at, &then) || strftime(out, cap, "%Y-%m-%dT%H:%M:%SZ", &then) == 0)
        (void)snprintf(out, cap, "(no date)");
    return out;
}

#include "crypto/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes off the start of a character whose end was cut away, so that what is left stays UTF-8. */
static void err_mend_cut(char *text)
{
    size_t len = strlen(text);
    size_t first = len;
    while (first > 0 && len - first < 3 && ((unsigned char)text[first - 1] & 0xc0) == 0x80) first--;
    if (first == 0) return;
    unsigned char lead = (unsigned char)text[first - 1];
    size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (more > len - first) text[first - 1] = '\0';
}

bool err_set(struct err *e, enum err_code code, const char *format, ...)
{
    if (!e) return false;
    va_list args;
    va_start(args, format);
    e->code = code;
    e->next[0] = '\0';
    (void)vsnprintf(e->said, sizeof e->said, format, args);
    va_end(args);
    err_mend_cut(e->said);
    return false;
}

bool err_because(struct err *e, const char *format, ...)
{
    if (!e) return false;
    char doing[sizeof e->said] = {0};
    char was[sizeof e->said] = {0};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(doing, sizeof doing, format, args);
    va_end(args);
    err_mend_cut(doing);
    memcpy(was, e->said, sizeof was);
    size_t len = strlen(doing);
    size_t room = sizeof e->said - 1;
    if (len > room) len = room;
    memcpy(e->said, doing, len);
    const char *joint = ": ";
    for (const char *c = joint; *c && len < room; c++) e->said[len++] = *c;
    for (const char *c = was; *c && len < room; c++) e->said[len++] = *c;
    e->said[len] = '\0';
    err_mend_cut(e->said);
    return false;
}

bool err_next(struct err *e, const char *format, ...)
{
    if (!e) return false;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(e->next, sizeof e->next, format, args);
    va_end(args);
    err_mend_cut(e->next);
    return false;
}

bool err_memory(struct err *e)
{
    return err_set(e, ERR_MEMORY, "there is not enough memory");
}

const char *err_word(enum err_code code)
{
    switch (code) {
    case ERR_NONE: return "none";
    case ERR_MALFORMED: return "malformed";
    case ERR_REFUSED: return "refused";
    case ERR_CONFLICT: return "conflict";
    case ERR_MISSING: return "missing";
    case ERR_LIMIT: return "limit";
    case ERR_TIME: return "time";
    case ERR_CLOSED: return "closed";
    case ERR_DISK: return "disk";
    case ERR_CORRUPT: return "corrupt";
    case ERR_MEMORY: return "memory";
    case ERR_USAGE: return "usage";
    }
    return "unknown";
}

_Noreturn void err_must_failed(const char *claim, const char *file, int line)
{
    fprintf(stderr, "counterpart: internal error at %s:%d: %s does not hold\n", file, line, claim);
    abort();
}

/* verify, rebuild - is what we hold what was said, and are the item tables what follows from it? */
#include "tools/choose.h"
#include "tools/terminal.h"
#include "tools/verbs.h"

#include <stdio.h>

struct verifying {
    struct command *c;
    size_t findings;
    uint64_t entries;
};

static void tell_finding(struct verifying *verifying, const char *where, const char *what)
{
    struct json *json = verifying->c->json;
    char place[200] = {0}, said[300] = {0};
    verifying->findings++;
    if (json) {
        json_start_object(json, NULL);
        json_put_text(json, "where", where);
        json_put_text(json, "what", what);
        json_end(json);
        return;
    }
    printf("  %s%s%s: %s\n", terminal_paint(PAINT_BAD),
           span_show(span_text(where), place, sizeof place), terminal_paint(PAINT_PLAIN),
           span_show(span_text(what), said, sizeof said));
}

static void take_finding(void *self, const struct finding *finding)
{
    tell_finding(self, finding->where, finding->what);
}

/* A disk that contradicts itself so far that nothing can be read is a finding too. */
static bool is_damage(const struct err *e)
{
    return e->code == ERR_CORRUPT || e->code == ERR_MALFORMED;
}

static bool verify_one(struct command *c, const struct relationship *relationship, void *self,
                       struct err *e)
{
    struct verifying *verifying = self;
    char title[TITLE_BYTES_MAX + 1] = {0};
    uint64_t entries = 0;
    size_t before = verifying->findings;
    struct err failed = {0};
    span_show(span_text(relationship->title), title, sizeof title);
    if (c->json) {
        json_start_object(c->json, NULL);
        json_put_hex(c->json, "relationship", relationship_span(&relationship->id));
        json_put_text(c->json, "title", relationship->title);
        json_start_array(c->json, "findings");
    } else {
        printf("%s\n", title);
    }
    if (!record_verify(c->store, &relationship->id, take_finding, verifying, &entries, &failed)) {
        if (!is_damage(&failed)) {
            *e = failed;
            return false;
        }
        tell_finding(verifying, "the database", failed.said);
    }
    verifying->entries += entries;
    if (c->json) {
        json_end(c->json);
        json_put_count(c->json, "entries", entries);
        json_put_bool(c->json, "verified", verifying->findings == before);
        json_end(c->json);
    } else if (verifying->findings == before) {
        printf("  every byte, signature, receipt and item is as it should be (entries: %llu)\n",
               (unsigned long long)entries);
    } else {
        printf("  (entries checked: %llu)\n", (unsigned long long)entries);
    }
    return true;
}

bool verb_verify(struct command *c, struct err *e)
{
    struct verifying verifying = {.c = c};
    struct err failed = {0};
    if (!command_home(c, e)) {
        if (!is_damage(e)) return false;
        c->exit = EXIT_NOT_VERIFIED;
        return false;
    }
    if (c->json) json_start_array(c->json, "relationships");
    if (!choose_each(c, verify_one, &verifying, &failed)) {
        *e = failed;
        if (is_damage(e)) c->exit = EXIT_NOT_VERIFIED;
        return false;
    }
    if (c->json) {
        json_end(c->json);
        json_put_count(c->json, "entries", verifying.entries);
        json_put_count(c->json, "findings", verifying.findings);
    }
    if (verifying.findings == 0) return true;
    c->exit = EXIT_NOT_VERIFIED;
    c->is_answered = true;
    (void)err_set(e, ERR_CORRUPT, "verification found %zu thing%s wrong", verifying.findings,
                  verifying.findings == 1 ? "" : "s");
    return err_next(e, "keep this home as it is and compare with a backup or a counterpart's copy");
}

/* ------------------------------------------------------------ rebuild */

struct rebuilding {
    struct command *c;
    const struct relationship *relationship;
    struct hash before, after;
};

static bool rebuild_inside(void *self, struct err *e)
{
    struct rebuilding *rebuilding = self;
    struct store *store = rebuilding->c->store;
    const struct relationship_id *id = &rebuilding->relationship->id;
    return record_tables_digest(store, id, &rebuilding->before, e) &&
           record_rebuild(store, id, e) && record_tables_digest(store, id, &rebuilding->after, e);
}

static bool rebuild_one(struct command *c, const struct relationship *relationship, void *self,
                        struct err *e)
{
    struct rebuilding rebuilding = {.c = c, .relationship = relationship};
    char title[TITLE_BYTES_MAX + 1] = {0}, before[65] = {0}, after[65] = {0};
    (void)self;
    if (!store_transact(c->store, rebuild_inside, &rebuilding, e)) return false;
    bool is_same = hash_equal(&rebuilding.before, &rebuilding.after);
    if (c->json) {
        json_start_object(c->json, NULL);
        json_put_hex(c->json, "relationship", relationship_span(&relationship->id));
        json_put_text(c->json, "title", relationship->title);
        json_put_hex(c->json, "before", hash_span(&rebuilding.before));
        json_put_hex(c->json, "after", hash_span(&rebuilding.after));
        json_put_bool(c->json, "same", is_same);
        json_end(c->json);
        return true;
    }
    printf("%s\n  before %s\n  after  %s\n  %s\n",
           span_show(span_text(relationship->title), title, sizeof title),
           hex_write(hash_span(&rebuilding.before), before, sizeof before),
           hex_write(hash_span(&rebuilding.after), after, sizeof after),
           is_same ? "the same to the byte"
                   : "the tables differed from the entries and have been made anew");
    return true;
}

bool verb_rebuild(struct command *c, struct err *e)
{
    if (!command_home(c, e)) return false;
    if (c->json) json_start_array(c->json, "relationships");
    if (!choose_each(c, rebuild_one, NULL, e)) return false;
    if (c->json) json_end(c->json);
    return true;
}

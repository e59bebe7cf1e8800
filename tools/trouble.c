#include "tools/trouble.h"

#include "tools/terminal.h"

#include <stdio.h>
#include <string.h>

#define NOWHERE UINT64_MAX

/* One walk over the feeds of a relationship, then over its proven forks. */
struct search {
    struct command *c;
    const struct relationship *relationship;
    size_t count;
    size_t feed_count; /* of those below */
    struct {
        struct key_public log_key;
        unsigned party;
    } feeds[FEEDS_MAX];
};

static const char *code_of(const struct search *search, const struct key_public *log_key)
{
    for (size_t i = 0; i < search->feed_count; i++)
        if (key_public_equal(&search->feeds[i].log_key, log_key))
            return party_code(search->relationship, search->feeds[i].party);
    return "?";
}

static void ended(struct json *json, const char *code, const struct feed *feed)
{
    uint64_t count = feed->edge.size - feed->ends_at;
    if (!json) {
        printf("  %sENDED%s: %s went on in a new feed, which leaves out %llu entr%s of the old one, from entry %llu on\n",
               terminal_paint(PAINT_BAD), terminal_paint(PAINT_PLAIN), code, (unsigned long long)count,
               count == 1 ? "y" : "ies", (unsigned long long)feed->ends_at);
        return;
    }
    json_start_object(json, NULL);
    json_put_text(json, "kind", "ended");
    json_put_text(json, "party", code);
    json_put_count(json, "at", feed->ends_at);
    json_put_count(json, "entries", count);
    json_end(json);
}

static bool look_at_feed(void *self, const struct feed *feed)
{
    struct search *search = self;
    struct json *json = search->c->json;
    const char *code = party_code(search->relationship, feed->party);
    char why[sizeof feed->broken_why] = {0};
    if (search->feed_count < FEEDS_MAX) {
        search->feeds[search->feed_count].log_key = feed->log_key;
        search->feeds[search->feed_count++].party = feed->party;
    }
    if (feed->branch == 0 && feed->edge.size > feed->ends_at && feed->fork_at == NOWHERE) {
        search->count++;
        ended(json, code, feed);
    }
    if (feed->broken_at == NOWHERE) return true;
    search->count++;
    if (json) {
        json_start_object(json, NULL);
        json_put_text(json, "kind", "frozen");
        json_put_text(json, "party", code);
        json_put_count(json, "at", feed->broken_at);
        json_put_text(json, "why", feed->broken_why);
        json_end(json);
        return true;
    }
    printf(
        "  %sFROZEN%s: %s's feed breaks the format at its entry %llu and is not read further: %s\n",
        terminal_paint(PAINT_BAD), terminal_paint(PAINT_PLAIN), code,
        (unsigned long long)feed->broken_at,
        span_show(span_text(feed->broken_why), why, sizeof why));
    return true;
}

static void fork_json(struct json *json, const char *code, const struct fork_proof *proof)
{
    uint8_t bytes[FORK_PROOF_BYTES_MAX] = {0};
    struct sink whole = sink_over(bytes, sizeof bytes);
    json_start_object(json, NULL);
    json_put_text(json, "kind", "fork");
    json_put_text(json, "party", code);
    json_put_hex(json, "log_key", key_public_span(&proof->log_key));
    json_put_count(json, "at", proof->at);
    json_start_array(json, "heads");
    for (size_t i = 0; i < 2; i++) {
        const struct fork_side *side = &proof->sides[i];
        json_start_object(json, NULL);
        json_put_count(json, "size", side->head.size);
        json_put_hex(json, "root", hash_span(&side->head.root));
        json_put_hex(json, "signature",
                     span_of(side->head.signature.bytes, sizeof side->head.signature.bytes));
        json_put_hex(json, "leaf", hash_span(&side->leaf));
        json_end(json);
    }
    json_end(json);
    fork_write(&whole, proof);
    json_put_hex(json, "proof", sink_span(&whole));
    json_end(json);
}

static bool look_at_fork(void *self, const struct fork_proof *proof)
{
    struct search *search = self;
    const char *code = code_of(search, &proof->log_key);
    search->count++;
    if (search->c->json) {
        fork_json(search->c->json, code, proof);
        return true;
    }
    printf("  %sFORK%s: %s has signed two different histories from its entry %llu on. Both are "
           "kept; what rests on\n"
           "  either from there is contested. Proof, both signed by the same key:\n",
           terminal_paint(PAINT_BAD), terminal_paint(PAINT_PLAIN), code,
           (unsigned long long)proof->at);
    for (size_t i = 0; i < 2; i++) {
        const struct head *head = &proof->sides[i].head;
        char root[2 * sizeof head->root.bytes + 1] = {0};
        printf("    head of size %llu, root %s\n", (unsigned long long)head->size,
               hex_write(hash_span(&head->root), root, sizeof root));
    }
    return true;
}

static bool search_all(struct search *search, struct err *e)
{
    struct store *store = search->c->store;
    const struct relationship_id *id = &search->relationship->id;
    return feeds_each(store, id, look_at_feed, search, e) &&
           forks_each(store, id, look_at_fork, search, e);
}

bool trouble_json(struct command *c, const struct relationship *relationship, size_t *count,
                  struct err *e)
{
    struct search search = {.c = c, .relationship = relationship};
    json_start_array(c->json, "trouble");
    if (!search_all(&search, e)) return false;
    json_end(c->json);
    *count = search.count;
    return true;
}

bool trouble_print(struct command *c, const struct relationship *relationship, size_t *count,
                   struct err *e)
{
    struct search search = {.c = c, .relationship = relationship};
    if (!search_all(&search, e)) return false;
    *count = search.count;
    return true;
}

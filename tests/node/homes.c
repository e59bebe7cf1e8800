#include "tests/node/homes.h"

#include "node/world_real.h"

#include <ftw.h>
#include <sys/stat.h>

/* ---- homes in one folder, and entries carried between them by hand ---- */

#define CARRIED_MAX 256

static const struct organisation organisations[HOMES_MAX] = {
    {"Acme Ltd", "acme.example", "ACME", {{0}}},
    {"Bolt AG", "bolt.example", "BOLT", {{0}}},
    {"Crux SA", "crux.example", "CRUX", {{0}}},
};
const struct asker anna = {"anna", "manager"};

struct scene scene;

int64_t shifted_date(void *self)
{
    (void)self;
    return world_real()->date_ms(NULL) + scene.ahead_ms;
}

void worked(bool is_fine)
{
    if (!is_fine) fail_msg("%s", scene.e.said);
}

void failed(bool is_fine, enum err_code code)
{
    assert_false(is_fine);
    if (scene.e.code != code)
        fail_msg("%s, expected %s: %s", err_word(scene.e.code), err_word(code), scene.e.said);
}

struct home_options options_of(size_t home)
{
    static char path[PATH_ROOM + 16], state_folder[PATH_ROOM + 16];
    snprintf(path, sizeof path, "%s/%s", scene.root, organisations[home].code);
    snprintf(state_folder, sizeof state_folder, "%s/state", scene.root);
    return (struct home_options){
        .path = path, .state_folder = state_folder, .world = &scene.world, .machine = {{1, 2, 3}}};
}

int set_scene(void **state)
{
    const char *folder = getenv("TMPDIR");
    (void)state;
    scene = (struct scene){.world = *world_real()};
    scene.world.date_ms = shifted_date;
    snprintf(scene.root, sizeof scene.root, "%s/counterpart.XXXXXX", folder ? folder : "/tmp");
    if (!mkdtemp(scene.root)) return -1;
    for (size_t i = 0; i < HOMES_MAX; i++) {
        struct home_options options = options_of(i);
        if (!home_init(&options, &organisations[i], &scene.e)) return -1;
        if (!home_open(&scene.homes[i], &options, &scene.e)) return -1;
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *found, int type, struct FTW *where)
{
    (void)found, (void)type, (void)where;
    return remove(path);
}

int clear_scene(void **state)
{
    (void)state;
    for (size_t i = 0; i < HOMES_MAX; i++) home_close(scene.homes[i]);
    return nftw(scene.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* What one feed has that the other home lacks, copied. */
struct carried {
    struct store *to;
    const struct relationship_id *id;
    struct batch batch;
    struct stored_entry entries[CARRIED_MAX];
    uint64_t taken;
};

static span copied(span bytes)
{
    uint8_t *at = malloc(bytes.len + 1);
    assert_non_null(at);
    if (bytes.len) memcpy(at, bytes.at, bytes.len);
    return span_of(at, bytes.len);
}

static bool copy_entry(void *self, uint64_t index, const struct stored_entry *entry)
{
    struct carried *carried = self;
    (void)index;
    assert_true(carried->batch.entry_count < CARRIED_MAX);
    struct stored_entry *copy = &carried->entries[carried->batch.entry_count++];
    *copy = *entry;
    copy->header = copied(entry->header);
    copy->body = copied(entry->body);
    return true;
}

static bool take_carried(void *self, struct err *e)
{
    struct carried *carried = self;
    unsigned branch = 0;
    bool is_forked = false;
    return feed_take_any(carried->to, carried->id, &carried->batch, &branch, &carried->taken, &is_forked, e) &&
           record_fold(carried->to, carried->id, e);
}

struct feed_keys {
    size_t count;
    struct feed feeds[FEEDS_MAX];
};

static bool note_feed(void *self, const struct feed *feed)
{
    struct feed_keys *keys = self;
    keys->feeds[keys->count++] = *feed;
    return true;
}

/* Takes over one feed, if its party is known; says how many entries were new. */
static uint64_t carry_feed(struct store *from, struct store *to, const struct relationship_id *id,
                           const struct feed *source)
{
    static struct carried carried;
    struct feed held = {0};
    if (!feed_load(to, id, &source->log_key, 0, &held, &scene.e) && source->ordinal == 0) return 0;
    if (source->edge.size <= held.edge.size) return 0;
    carried = (struct carried){.to = to, .id = id};
    carried.batch = (struct batch){.log_key = &source->log_key,
                                   .from = held.edge.size,
                                   .entries = carried.entries,
                                   .head = &source->head};
    worked(feed_read(from, id, source->feed, held.edge.size, copy_entry, &carried, &scene.e));
    worked(store_transact(to, take_carried, &carried, &scene.e));
    for (size_t i = 0; i < carried.batch.entry_count; i++) {
        free((void *)(uintptr_t)carried.entries[i].header.at);
        free((void *)(uintptr_t)carried.entries[i].body.at);
    }
    return carried.taken;
}

/* Everything `from` has of the feeds of parties that `to` knows, again while there are new ones. */
void carry(struct home *from, struct home *to, const struct relationship_id *id)
{
    uint64_t taken = 0;
    do {
        static struct feed_keys keys;
        keys.count = 0;
        taken = 0;
        worked(feeds_each(home_store(from), id, note_feed, &keys, &scene.e));
        for (size_t i = 0; i < keys.count; i++)
            taken += carry_feed(home_store(from), home_store(to), id, &keys.feeds[i]);
    } while (taken > 0);
}

void exchange(struct home *a, struct home *b, const struct relationship_id *id)
{
    carry(a, b, id);
    carry(b, a, id);
    carry(a, b, id);
}

/* ---- pairing, as the engine does it ---- */

struct relationship_id open_between(struct home *opener, const char *const *codes, size_t count)
{
    struct relationship_id id = {0};
    worked(work_open(opener, &anna, "Supply of gears", codes, count, &id, &scene.e));
    return id;
}

span certificate_of(struct home *home, const struct relationship_id *id)
{
    static uint8_t note[CERTIFICATE_BYTES_MAX];
    struct sink sink = sink_over(note, sizeof note);
    worked(pairing_certificate(home, id, &sink, &scene.e));
    return sink_span(&sink);
}

void invite(struct home *opener, const struct relationship_id *id, const char *code,
            uint64_t lasts_s, struct sink *text)
{
    static const char *const addresses[] = {"tcp://acme.example:7700"};
    worked(pairing_invite(opener, id, code, addresses, 1, lasts_s, text, &scene.e));
}

void join(struct home *opener, struct home *joiner, const struct relationship_id *id)
{
    static uint8_t room[INVITATION_TEXT_MAX];
    struct sink text = sink_over(room, sizeof room);
    struct invitation invitation = {0};
    invite(opener, id, home_organisation(joiner)->code, 3600, &text);
    worked(pairing_join(joiner, sink_span(&text), NULL, &invitation, &scene.e));
    struct invitation_id shown = invitation_id_of(invitation.secret);
    struct refusal refusal = {.why = REFUSAL_NONE};
    worked(pairing_admit(opener, shown.bytes, certificate_of(joiner, id), &refusal, &scene.e));
    carry(opener, joiner, id);
    worked(pairing_joined(joiner, id, &scene.e));
    carry(joiner, opener, id);
    invitation_wipe(&invitation);
}

const char *const two[2] = {"ACME", "BOLT"};
const char *const three[3] = {"ACME", "BOLT", "CRUX"};

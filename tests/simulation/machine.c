#include "tests/simulation/machine.h"

#include <stdio.h>
#include <string.h>

#define HOME_PATH "/home/counterpart"
#define STATE_PATH "/state"

/* ---- its world ---- */

static uint64_t with_drift(const struct machine *m)
{
    int64_t passed = (int64_t)(m->around->now_ms - m->since_ms);
    return m->since_ms + (uint64_t)(passed + passed * m->drift_ppm / 1000000);
}

uint64_t machine_now_ms(const struct machine *m)
{
    return with_drift(m) - m->started_ms + 1000;
}

int64_t machine_date_ms(const struct machine *m)
{
    return BEGINNING_MS + (int64_t)with_drift(m) + m->ahead_ms;
}

static uint64_t world_now(void *self)
{
    return machine_now_ms(self);
}

static int64_t world_date(void *self)
{
    return machine_date_ms(self);
}

static void world_random(void *self, uint8_t *at, size_t len)
{
    struct machine *m = self;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t z = dice_next(&m->dice);
        for (size_t k = i; k < len && k < i + 8; k++, z >>= 8) at[k] = (uint8_t)z;
    }
}

void machine_drift(struct machine *m, int64_t ppm)
{
    /* what the clocks have gained stays: the monotonic one never goes back */
    int64_t gained = (int64_t)with_drift(m) - (int64_t)m->around->now_ms;
    m->ahead_ms += gained;
    m->started_ms -= (uint64_t)gained;
    m->since_ms = m->around->now_ms;
    m->drift_ppm = ppm;
}

static void voice_say(void *self, enum loudness loudness, const char *line)
{
    const struct machine *m = self;
    if (m->around->say) m->around->say(m->around->self, m->number, loudness, line);
}

/* ---- its disk ---- */

static struct disk_options disk_options_of(struct machine *m, char name[32])
{
    (void)snprintf(name, 32, "machine-%u-%u", m->number, m->generation++);
    return (struct disk_options){.name = name, .seed = dice_next(&m->dice)};
}

static void use_disk(struct machine *m, struct disk *disk)
{
    if (m->disk) disk_free(m->disk);
    m->disk = disk;
    m->world.disk = disk_name(disk);
}

void machine_init(struct machine *m, unsigned number, struct surroundings *around, const struct network *network)
{
    static const char *const codes[] = {"ACME", "BOLT", "CRUX", "DELT", "ECHO", "FOXX"};
    *m = (struct machine){.number = number, .around = around, .network = network, .since_ms = around->now_ms};
    must(number < sizeof codes / sizeof codes[0]);
    (void)snprintf(m->code, sizeof m->code, "%s", codes[number]);
    m->started_ms = around->now_ms;
    m->world = (struct world){world_now, world_date, world_random, NULL, disk_files(), m};
    m->voice = (struct voice){voice_say, m};
}

void machine_free(struct machine *m)
{
    engine_close(m->engine);
    home_close(m->home);
    if (m->disk) disk_free(m->disk);
    *m = (struct machine){0};
}

void machine_put_disk(struct machine *m, const struct disk *disk)
{
    char name[32];
    struct disk_options options = disk_options_of(m, name);
    must(!m->home && !m->engine);
    use_disk(m, disk ? disk_copy(disk, &options) : disk_new(&options));
}

struct disk *machine_backup(const struct machine *m)
{
    static unsigned number; /* names of backups differ */
    char name[32];
    (void)snprintf(name, sizeof name, "backup-%u-%u", m->number, number++);
    return disk_copy(m->disk, &(struct disk_options){.name = name});
}

/* ---- starting and stopping ---- */

struct home_options machine_options(const struct machine *m)
{
    return (struct home_options){.path = HOME_PATH, .state_folder = STATE_PATH, .world = &m->world,
                                 .machine = {{(uint8_t)(m->number + 1)}}, .is_forced = m->is_forced};
}

bool machine_start_daemon(struct machine *m, struct err *e)
{
    struct engine_options options = {.home = m->home, .network = m->network, .voice = &m->voice};
    if (m->engine) return true;
    if (!engine_open(&m->engine, &options, e)) return false;
    engine_start(m->engine);
    m->wakes_ms = m->around->now_ms;
    return true;
}

bool machine_start(struct machine *m, struct err *e)
{
    struct home_options options = machine_options(m);
    must(!m->home);
    m->started_ms = with_drift(m);
    if (!home_open(&m->home, &options, e)) return false;
    return machine_start_daemon(m, e);
}

void machine_stop(struct machine *m)
{
    struct event stop = {.kind = EVENT_STOP};
    if (m->engine) engine_step(m->engine, &stop);
    engine_close(m->engine);
    m->engine = NULL;
    home_close(m->home);
    m->home = NULL;
}

void machine_cut_power(struct machine *m, enum disk_unsynced unsynced, uint64_t seed)
{
    char name[32];
    struct disk_options options = disk_options_of(m, name);
    struct disk *kept = disk_after_power_cut(m->disk, disk_change_count(m->disk), unsynced, seed, &options);
    engine_close(m->engine);
    m->engine = NULL;
    home_close(m->home);
    m->home = NULL;
    use_disk(m, kept);
}

void machine_step(struct machine *m, const struct event *event)
{
    if (!m->engine) return;
    engine_step(m->engine, event);
    if (engine_is_done(m->engine)) {
        engine_close(m->engine);
        m->engine = NULL;
        return;
    }
    uint64_t now = machine_now_ms(m), next = engine_next_ms(m->engine);
    m->wakes_ms = m->around->now_ms + (next > now ? next - now : 0);
}

#include "tools/talk.h"

#include "tools/moment.h"
#include "tools/terminal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void say(void *self, enum loudness loudness, const char *line)
{
    static const char *const names[] = {
        [TROUBLE] = "trouble", [NOTE] = "note", [DETAIL] = "detail"};
    const struct speaker *speaker = self;
    char shown[600] = {0}, moment[MOMENT_TEXT_MAX] = {0};
    if (loudness == NOTE && !speaker->says_notes) return;
    if (loudness == DETAIL && !speaker->says_details) return;
    moment_iso((int64_t)time(NULL), moment, sizeof moment);
    fprintf(stderr, "%s %s %s\n", moment, names[loudness],
            span_show(span_text(line), shown, sizeof shown));
}

struct voice talk_voice(struct speaker *speaker) { return (struct voice){say, speaker}; }

bool talk_once(struct command *c, const char *party, const struct relationship_id *relationship,
               struct runner_outcome *out, struct err *e)
{
    OWNED(link_close) struct link *link = NULL;
    bool is_verbose = command_has(c, "verbose");
    struct speaker speaker = {is_verbose, is_verbose};
    const struct voice voice = talk_voice(&speaker);
    if (!link_open(&link, e)) return false;
    const struct runner_options options = {
        .home = c->home,
        .link = link,
        .voice = &voice,
        .is_once = true,
        .only_party = party,
        .only_relationship = relationship,
    };
    return runner_run(&options, out, e);
}

void talk_counts_json(struct json *json, const struct engine_counts *counts)
{
    json_put_count(json, "round_trips", counts->round_trips);
    json_put_count(json, "bytes_sent", counts->bytes_sent);
    json_put_count(json, "bytes_received", counts->bytes_received);
    json_put_count(json, "entries_sent", counts->entries_sent);
    json_put_count(json, "entries_received", counts->entries_received);
    json_put_count(json, "handshake_bytes", counts->handshake_bytes);
    json_put_count(json, "partners_reached", counts->partners_reached);
    json_put_count(json, "partners_failed", counts->partners_failed);
}

/* doctor - is this home healthy, and what to do when it is not. */
#include "crypto/words.h"
#include "node/pairing.h"
#include "node/succession.h"
#include "tools/choose.h"
#include "tools/moment.h"
#include "tools/terminal.h"
#include "tools/trouble.h"
#include "tools/verbs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct examination {
    struct command *c;
    size_t checks, troubles;
    int64_t newest_receipt_s; /* of those we signed with the key we have */
    const struct relationship *relationship;
    struct err *e;
    bool is_failed;
};

static void tell(struct examination *examination, bool is_fine, const char *what, const char *said)
{
    struct json *json = examination->c->json;
    examination->checks++;
    if (!is_fine) examination->troubles++;
    if (json) {
        json_start_object(json, NULL);
        json_put_text(json, "check", what);
        json_put_bool(json, "fine", is_fine);
        json_put_text(json, "said", said);
        json_end(json);
        return;
    }
    printf("%s%s%s  %s%s%s\n", terminal_paint(is_fine ? PAINT_GOOD : PAINT_BAD),
           is_fine ? "fine   " : "TROUBLE", terminal_paint(PAINT_PLAIN), what, said[0] ? ": " : "",
           said);
}

/* ------------------------------------------------------------ files */

/* Nobody but the owner may read or write it. */
static void check_mode(struct examination *examination, const char *path, const char *what)
{
    struct stat found = {0};
    char said[PATH_BYTES_MAX + 100] = {0};
    if (lstat(path, &found) != 0) {
        (void)snprintf(said, sizeof said, "%s cannot be looked at: %s", path, strerror(errno));
        tell(examination, false, what, said);
    } else if (found.st_mode & (S_IRWXG | S_IRWXO)) {
        (void)snprintf(said, sizeof said, "others may reach %s; close it with: chmod go= '%s'",
                       path, path);
        tell(examination, false, what, said);
    } else {
        tell(examination, true, what, "");
    }
}

static void directory_close(DIR *directory) { (void)closedir(directory); }
OWNABLE(DIR *, directory_close)

static void check_files(struct examination *examination)
{
    char path[PATH_BYTES_MAX + 300] = {0}, what[300] = {0};
    const char *home = examination->c->home_path;
    check_mode(examination, home, "the home is its owner's alone");
    (void)snprintf(path, sizeof path, "%s/counterpart.db", home);
    check_mode(examination, path, "the database is its owner's alone");
    (void)snprintf(path, sizeof path, "%s/keys", home);
    OWNED(directory_close) DIR *keys = opendir(path);
    const struct dirent *entry = NULL;
    while (keys && (entry = readdir(keys))) {
        if (entry->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "%s/keys/%s", home, entry->d_name);
        (void)snprintf(what, sizeof what, "key %s is its owner's alone", entry->d_name);
        check_mode(examination, path, what);
    }
}

/* ------------------------------------------------------------ receipts and forks */

static bool look_at_receipt(void *self, const struct feed_receipt *receipt)
{
    struct examination *examination = self;
    int64_t time_s = (int64_t)receipt->receipt.time_s;
    const struct signing_key *key = home_receipt_key(examination->c->home);
    bool is_ours = key && key_public_equal(&receipt->receipt_key, signing_key_public(key));
    if (is_ours && time_s > examination->newest_receipt_s) examination->newest_receipt_s = time_s;
    return true;
}

static bool look_at_feed(void *self, const struct feed *feed)
{
    struct examination *examination = self;
    examination->is_failed =
        !feed_receipts_each(examination->c->store, &examination->relationship->id, feed->feed,
                            look_at_receipt, examination, examination->e);
    return !examination->is_failed;
}

/* A restored home may still be given back what it lacks: then a new feed would come too soon. */
static bool check_own_feed(struct examination *examination, const char *title, struct err *e)
{
    struct command *c = examination->c;
    const struct relationship *relationship = examination->relationship;
    char what[TITLE_BYTES_MAX + 40] = {0}, why[160] = {0}, said[240] = {0};
    bool is_needed = false;
    if (!relationship->is_open_known || home_health(c->home) != HEALTH_FINE) return true;
    if (!succession_is_needed(c->home, &relationship->id, &is_needed, why, e)) return false;
    (void)snprintf(what, sizeof what, "our feed of \"%s\" can go on", title);
    if (is_needed) (void)snprintf(said, sizeof said, "%s: run `counterpart doctor --new-feed`", why);
    tell(examination, !is_needed, what, said);
    return true;
}

static bool examine_relationship(struct command *c, const struct relationship *relationship,
                                 void *self, struct err *e)
{
    struct examination *examination = self;
    char what[TITLE_BYTES_MAX + 40] = {0}, title[TITLE_BYTES_MAX + 1] = {0};
    examination->relationship = relationship;
    examination->e = e;
    if (!feeds_each(c->store, &relationship->id, look_at_feed, examination, e) ||
        examination->is_failed)
        return false;
    (void)snprintf(what, sizeof what, "\"%s\" has no fork and no frozen feed",
                   span_show(span_text(relationship->title), title, sizeof title));
    tell(examination, !relationship->is_trouble, what,
         relationship->is_trouble ? "see: counterpart status" : "");
    return check_own_feed(examination, title, e);
}

static void check_clock(struct examination *examination)
{
    char said[300] = {0}, moment[MOMENT_TEXT_MAX] = {0};
    int64_t now_s = command_now_ms(examination->c) / 1000;
    int64_t behind_s = examination->newest_receipt_s - now_s;
    if (behind_s > 0)
        (void)snprintf(
            said, sizeof said, "our newest receipt says %s, %lld s after this machine's clock%s",
            moment_iso(examination->newest_receipt_s, moment, sizeof moment), (long long)behind_s,
            behind_s > RECEIPT_BACK_S ? "; none can be signed until the clock is right; if it is, and was ahead "
                                        "then, run `counterpart doctor --new-receipt-key`"
                                      : "");
    tell(examination, behind_s <= 0, "the clock is not behind our receipts", said);
}

/* ------------------------------------------------------------ adopting */

static bool adopt(struct command *c, struct err *e)
{
    if (home_health(c->home) == HEALTH_FINE)
        return err_set(e, ERR_USAGE, "this home is fine: there is nothing to adopt");
    fprintf(stderr,
            "%s\n"
            "Adopting it means: this home goes on, and the one it was copied from or restored over "
            "must never be used\n"
            "again. Nothing is signed here until every counterpart has returned what it holds of "
            "ours; whatever only the\n"
            "old home knew and no counterpart has received is lost.\n",
            home_health_words(c->home));
    if (!command_has(c, "yes")) {
        if (!terminal_can_ask()) {
            (void)err_set(e, ERR_USAGE, "there is no terminal to ask on");
            return err_next(e, "a script says --yes");
        }
        if (!terminal_agrees("Adopt this home? [y/N] "))
            return err_set(e, ERR_REFUSED, "nothing was changed");
    }
    if (!home_adopt(c->home, e)) return false;
    if (c->json) json_put_bool(c->json, "adopted", true);
    fprintf(stderr, "Adopted. Next: counterpart sync, or counterpart serve, until every "
                    "counterpart has answered.\n");
    return true;
}

/* ------------------------------------------------------------ a new receipt key */

static bool announce(struct command *c, const struct relationship *relationship, void *self, struct err *e)
{
    (void)self;
    return !relationship->is_open_known || pairing_announce(c->home, &c->asker, &relationship->id, e);
}

static bool renew_receipt_key(struct command *c, struct err *e)
{
    if (!home_may_work(c->home, false, e) || !home_receipt_key_renew(c->home, e) ||
        !choose_each(c, announce, NULL, e))
        return false;
    if (c->json) json_put_bool(c->json, "renewed", true);
    fprintf(stderr, "Receipts are signed with a new key from now on; counterparts learn it with the next sync.\n"
                    "A daemon that is running goes on with the old one: start it anew.\n");
    return true;
}

/* ------------------------------------------------------------ a new feed */

struct renewal {
    size_t begun;
    bool is_told; /* what it means */
};

static bool may_begin(struct command *c, struct renewal *renewal, const char *title, const char *why, struct err *e)
{
    fprintf(stderr, "\"%s\": %s.\n", title, why);
    if (!renewal->is_told)
        fprintf(stderr, "A new feed goes on from what is here and uncontested. What only the old one held and nobody returns is "
                        "lost. Every\ncounterpart has to countersign it after comparing check words with you.\n");
    renewal->is_told = true;
    if (command_has(c, "yes")) return true;
    if (!terminal_can_ask()) {
        (void)err_set(e, ERR_USAGE, "there is no terminal to ask on");
        return err_next(e, "a script says --yes");
    }
    return terminal_agrees("Begin a new feed? [y/N] ") || err_set(e, ERR_REFUSED, "nothing was changed");
}

static bool renew_feed(struct command *c, const struct relationship *relationship, void *self, struct err *e)
{
    struct renewal *renewal = self;
    char why[160] = {0}, title[TITLE_BYTES_MAX + 1] = {0};
    bool is_needed = false;
    if (!relationship->is_open_known) return true;
    if (!succession_is_needed(c->home, &relationship->id, &is_needed, why, e)) return false;
    if (!is_needed) return true;
    (void)span_show(span_text(relationship->title), title, sizeof title);
    if (!may_begin(c, renewal, title, why, e) || !succession_begin(c->home, &c->asker, &relationship->id, e)) return false;
    renewal->begun++;
    return true;
}

static bool renew_feeds(struct command *c, struct err *e)
{
    struct renewal renewal = {0};
    if (!home_may_work(c->home, true, e) || !choose_each(c, renew_feed, &renewal, e)) return false;
    if (c->json) json_put_count(c->json, "begun", renewal.begun);
    if (renewal.begun == 0) {
        fprintf(stderr, "Every feed of ours can go on: nothing was changed.\n");
        return true;
    }
    fprintf(stderr, "Next: counterpart sync, then counterpart status for the check words to read to your counterparts.\n");
    return true;
}

bool verb_doctor(struct command *c, struct err *e)
{
    struct examination examination = {.c = c};
    if (!command_home(c, e)) return false;
    if (command_has(c, "adopt")) return adopt(c, e);
    if (command_has(c, "new-receipt-key")) return renew_receipt_key(c, e);
    if (command_has(c, "new-feed")) return renew_feeds(c, e);
    if (c->json) json_start_array(c->json, "checks");
    bool is_fine = home_health(c->home) == HEALTH_FINE;
    tell(&examination, is_fine, "the home is where and as it was left",
         is_fine ? "" : home_health_words(c->home));
    check_files(&examination);
    if (!choose_each(c, examine_relationship, &examination, e)) return false;
    check_clock(&examination);
    if (c->json) {
        json_end(c->json);
        json_put_bool(c->json, "healthy", examination.troubles == 0);
    }
    if (examination.troubles == 0) return true;
    c->is_answered = true;
    (void)err_set(e, ERR_CORRUPT, "%zu of %zu checks found trouble", examination.troubles,
                  examination.checks);
    return err_next(e, is_fine ? "each says what to do"
                               : "counterpart doctor --help says what --adopt does");
}

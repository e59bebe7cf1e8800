/*
 * homes - three organisations' homes in one temporary folder, and entries carried between them by hand, for tests of node/.
 *
 * One scene at a time: set_scene and clear_scene are a test's setup and teardown. What a call finds wrong stands in
 * scene.e; worked() and failed() look at it.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/pairing.h"
#include "tests/testing.h"

#define PATH_ROOM 512
#define HOMES_MAX 3

struct scene {
    char root[PATH_ROOM];
    struct world world;
    int64_t ahead_ms; /* of the real clock */
    struct err e;
    struct home *homes[HOMES_MAX];
};
extern struct scene scene;
extern const struct asker anna;
extern const char *const two[2];   /* ACME BOLT */
extern const char *const three[3]; /* ACME BOLT CRUX */
#define ACME scene.homes[0]
#define BOLT scene.homes[1]
#define CRUX scene.homes[2]

int set_scene(void **state);
int clear_scene(void **state);
int64_t shifted_date(void *self); /* the scene's wall clock, ms */
struct home_options options_of(size_t home);
void worked(bool is_fine);
void failed(bool is_fine, enum err_code code);

/* Everything `from` has of the feeds of parties that `to` knows, again while there are new ones. */
void carry(struct home *from, struct home *to, const struct relationship_id *id);
void exchange(struct home *a, struct home *b, const struct relationship_id *id);

/* Pairing, as the engine does it. */
struct relationship_id open_between(struct home *opener, const char *const *codes, size_t count);
span certificate_of(struct home *home, const struct relationship_id *id);
void invite(struct home *opener, const struct relationship_id *id, const char *code, uint64_t lasts_s,
            struct sink *text);
/* The joiner is the opener's guest then, and has said its `join`, which the opener takes once it has confirmed it. */
void join(struct home *opener, struct home *joiner, const struct relationship_id *id);

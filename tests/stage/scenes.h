/*
 * scenes - what homes do, as steps that may be cut short at any moment and made to fail at any call.
 *
 * A step that failed may be tried again, and then succeeds. Each scene starts from a stage on which ACME and BOLT have met
 * and agreed on something (scene_base), changed by its `before`.
 */
#pragma once
#include "tests/stage/stage.h"

typedef bool scene_step(struct stage *stage, struct err *e);
#define SCENE_STEPS_MAX 8
struct scene {
    const char *name;
    bool is_from_nothing;  /* the disks are empty */
    bool is_meeting;       /* going on, they meet first, as far as they have not */
    bool is_forked;        /* ends with a fork known: they are not in step after it */
    bool is_restored;      /* homes may be found restored, and recover */
    scene_step *before;    /* not cut and not failed; may be NULL */
    scene_step *steps[SCENE_STEPS_MAX];
};
const struct scene *scenes(size_t *count);
/* Met, confirmed, a charter offered, actions proposed, one agreed. Homes closed, disks settled. */
MUST_USE bool scene_base(struct stage *stage, struct err *e);
/* The stage on which a scene begins: homes open unless it is from nothing, nothing promised, nothing changed yet. */
struct stage *scene_begin(const struct scene *scene, const struct stage *base, const char *name, uint64_t seed, bool keeps_changes);
/*
 * What a person does after whatever befell `node`: makes the home when there is none, opens it, takes it in use again when
 * it was restored, and finishes a pairing that was cut short. `other` is open. Then says one more thing, and exchanges it.
 */
MUST_USE bool scene_goes_on(const struct scene *scene, struct stage *stage, unsigned node, struct err *e);

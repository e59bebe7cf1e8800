/*
 * trouble - forks and frozen feeds of a relationship, said loudly and with their proof.
 */
#pragma once
#include "tools/choose.h"

/* Puts an array `trouble` into the open JSON object, or prints; `count` is how many. Fails: as feeds_each. */
MUST_USE bool trouble_json(struct command *c, const struct relationship *relationship,
                           size_t *count, struct err *e);
MUST_USE bool trouble_print(struct command *c, const struct relationship *relationship,
                            size_t *count, struct err *e);

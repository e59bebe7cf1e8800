/*
 * wire - the network between the engines of a stage: nothing is lost, and everything arrives in the order it was sent.
 */
#pragma once
#include "tests/stage/stage.h"

struct wire *wire_new(struct stage *stage);
void wire_free(struct wire *wire);
/* The network of one node. */
const struct network *wire_network(struct wire *wire, unsigned node);
/* Brings the next event to its engine; says from whom it came and when that was sent. False: there is none. */
bool wire_step(struct wire *wire, unsigned *from, unsigned *to, uint64_t *sent_at);
/* Everything that is under way is lost, and every connection gone. */
void wire_clear(struct wire *wire);

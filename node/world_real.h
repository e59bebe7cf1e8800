/*
 * world_real - the clock, the randomness and the files of this machine, as a struct world.
 */
#pragma once
#include "crypto/base/world.h"

/* Static and unchanging; needs crypto_start to have succeeded. */
const struct world *world_real(void);
/* This machine's id (/etc/machine-id), hashed; zero when there is none. */
#include "crypto/hash.h"
struct hash world_machine(void);

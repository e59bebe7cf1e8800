/*
 * dice - one seed gives one sequence of numbers, on every machine (SplitMix64: Steele, Lea, Flood 2014).
 */
#pragma once
#include "crypto/base/span.h"

struct dice {
    uint64_t state;
};

static inline uint64_t dice_next(struct dice *d)
{
    uint64_t z = (d->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to bound - 1; 0 when bound is 0. */
static inline uint64_t dice_below(struct dice *d, uint64_t bound)
{
    return bound ? dice_next(d) % bound : 0;
}

static inline bool dice_one_in(struct dice *d, uint64_t n)
{
    return dice_below(d, n) == 0;
}

/* A number of its own for each part of a seed, so that what one part draws does not move another. */
static inline struct dice dice_for(uint64_t seed, uint64_t part)
{
    struct dice d = {seed ^ part * UINT64_C(0xd1342543de82ef95)};
    return (struct dice){dice_next(&d)};
}

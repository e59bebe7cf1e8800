/*
 * own - owned locals: a pointer that is released on every way out of its scope.
 *
 *     OWNABLE(struct store *, store_close)                    one line beside the destructor
 *     OWNED(store_close) struct store *store = NULL;          released when the scope ends
 *     *out = GIVE(store);                                     takes the pointer and leaves NULL behind
 */
#pragma once
#include <stddef.h>

#define OWNABLE(type, destroy)                                                                     \
    static inline __attribute__((unused)) void destroy##_owned(type *owned)                        \
    {                                                                                              \
        if (*owned) destroy(*owned);                                                               \
    }
#define OWNED(destroy) __attribute__((cleanup(destroy##_owned)))
#define GIVE(pointer)                                                                              \
    __extension__({                                                                                \
        __typeof__(pointer) give_taken = (pointer);                                                \
        (pointer) = NULL;                                                                          \
        give_taken;                                                                                \
    })

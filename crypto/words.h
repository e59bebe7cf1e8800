/*
 * words - check words that two people read to each other.
 *
 * The list has 2,048 words (11 bits each), each 3 to 8 letters a-z, no two with the same first four letters; a word of
 * three letters is not the start of another. Six words carry 66 bits, twelve 132.
 */
#pragma once
#include "crypto/hash.h"

#define WORDS_COUNT 2048
#define WORDS_TEXT_MAX 120 /* twelve words with spaces and the final zero */

/* The first `word_count` * 11 bits of `from` (most significant first), as words with single spaces. word_count <= 12. */
const char *words_write(const struct hash *from, size_t word_count, char *out, size_t cap);
/* A word by its number, 0 to 2,047. */
const char *words_at(size_t number);

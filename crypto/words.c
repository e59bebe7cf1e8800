#include "crypto/words.h"

#include "crypto/words_list.h"

#define WORD_BITS 11
#define WORD_COUNT_MAX 12

_Static_assert(WORDS_COUNT == 1 << WORD_BITS, "one word for every value of its bits");
_Static_assert(WORD_COUNT_MAX * WORD_BITS <= 8 * sizeof(struct hash), "a hash has enough bits");
_Static_assert(WORD_COUNT_MAX * WORD_LETTERS_MAX + WORD_COUNT_MAX <= WORDS_TEXT_MAX, "they fit");

static size_t bit_at(const struct hash *from, size_t position)
{
    return from->bytes[position / 8] >> (7 - position % 8) & 1;
}

const char *words_at(size_t number)
{
    must(number < WORDS_COUNT);
    return words_list[number];
}

const char *words_write(const struct hash *from, size_t word_count, char *out, size_t cap)
{
    struct sink text = sink_over(out, cap);

    must(word_count <= WORD_COUNT_MAX);
    for (size_t word = 0; word < word_count; word++) {
        size_t number = 0;
        for (size_t bit = 0; bit < WORD_BITS; bit++)
            number = number << 1 | bit_at(from, word * WORD_BITS + bit);
        if (word > 0) sink_text(&text, " ");
        sink_text(&text, words_at(number));
    }
    sink_byte(&text, 0);
    must(!text.full);
    return out;
}

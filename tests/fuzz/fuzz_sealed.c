/*
 * Key files: an open one has one spelling; a locked one opens with its passphrase alone, and one changed byte spoils it.
 * Input: a byte for the kind that is asked for and the way; then a file, or a secret and a passphrase.
 * Files that ask for much work are read without a passphrase: their limits are judged before anything else.
 */
#include "crypto/sealed.h"
#include "tests/fuzz/fuzz.h"

#define LIMITS_AT 19
#define MEMORY_CHEAP 8192

static void random_of(void *self, uint8_t *at, size_t len)
{
    uint8_t next = *(const uint8_t *)self;
    for (size_t i = 0; i < len; i++) at[i] = next++;
}

static bool is_cheap(span file)
{
    span before = {0};
    if (!span_take(&file, LIMITS_AT, &before)) return true;
    uint64_t operations = input_number(&file, 8), memory = input_number(&file, 8);
    return operations <= 2 && memory <= MEMORY_CHEAP;
}

static void any_file(enum key_kind kind, span file)
{
    uint8_t secret[KEY_SEED_BYTES], again[SEALED_BYTES_MAX];
    struct sink out = sink_over(again, sizeof again);
    struct err e = {0};
    span passphrase = is_cheap(file) ? span_text("opens nothing") : (span){0};
    bool is_locked = sealed_needs_passphrase(file);
    mark_untouched(secret, sizeof secret);
    if (!sealed_read(file, kind, passphrase, secret, &e)) {
        must_say_why(&e);
        must_be_untouched(secret, sizeof secret);
        return;
    }
    if (is_locked) return; /* a genuine one of the corpus */
    must(sealed_write(&out, kind, secret, (span){0}, SEALED_CHEAP, NULL, &e));
    must_be_written(&out, file);
}

static void written(enum key_kind kind, uint8_t way, span in)
{
    uint8_t given[KEY_SEED_BYTES] = {0}, secret[KEY_SEED_BYTES], file[SEALED_BYTES_MAX];
    struct sink out = sink_over(file, sizeof file);
    struct err e = {0};
    uint8_t start = input_byte(&in), flip = input_byte(&in), place = input_byte(&in);
    struct world world = {.random = random_of, .self = &start};
    for (size_t i = 0; i < sizeof given; i++) given[i] = input_byte(&in);
    span passphrase = way & 1 && in.len > 0 && in.len <= PASSPHRASE_BYTES_MAX ? in : (span){0};
    must(sealed_write(&out, kind, given, passphrase, SEALED_CHEAP, &world, &e));
    must(sealed_needs_passphrase(sink_span(&out)) == (passphrase.at != NULL));
    must(sealed_read(sink_span(&out), kind, passphrase, secret, &e));
    must(memcmp(secret, given, sizeof secret) == 0);
    if (!flip) return;
    file[place % out.len] ^= flip;
    if (!is_cheap(sink_span(&out))) passphrase = (span){0};
    mark_untouched(secret, sizeof secret);
    must(!sealed_read(sink_span(&out), kind, passphrase, secret, &e));
    must_say_why(&e);
    must_be_untouched(secret, sizeof secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    span in = span_of(at, len);
    uint8_t way = input_byte(&in);
    enum key_kind kind = (enum key_kind)(KEY_IDENTITY + way % 4);
    if (way < 0x40) written(kind, (uint8_t)(way >> 2), in);
    else any_file(kind, in);
    return 0;
}

/*
 * Without memory, keys, handshakes and key files say so and leave their outputs as they were. The linker sends the calls of
 * libsodium that take memory here, and realloc.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/noise.h"
#include "crypto/sealed.h"

#include <stdbool.h>

static bool is_gone; /* memory */

void *__real_sodium_malloc(size_t len);
void *__wrap_sodium_malloc(size_t len);
int __real_crypto_pwhash_argon2id(unsigned char *out, unsigned long long out_len, const char *passphrase, unsigned long long passphrase_len,
                                  const unsigned char *salt, unsigned long long operations, size_t memory, int algorithm);
int __wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long out_len, const char *passphrase, unsigned long long passphrase_len,
                                  const unsigned char *salt, unsigned long long operations, size_t memory, int algorithm);
void *__real_realloc(void *at, size_t len);
void *__wrap_realloc(void *at, size_t len);

void *__wrap_sodium_malloc(size_t len) { return is_gone ? NULL : __real_sodium_malloc(len); }
void *__wrap_realloc(void *at, size_t len) { return is_gone ? NULL : __real_realloc(at, len); }

int __wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long out_len, const char *passphrase, unsigned long long passphrase_len,
                                  const unsigned char *salt, unsigned long long operations, size_t memory, int algorithm)
{
    if (is_gone) return -1;
    return __real_crypto_pwhash_argon2id(out, out_len, passphrase, passphrase_len, salt, operations, memory, algorithm);
}

static void a_fixed_byte(void *self, uint8_t *at, size_t len)
{
    (void)self;
    for (size_t i = 0; i < len; i++) at[i] = 7;
}

static const struct world world = {.random = a_fixed_byte};
static const uint8_t seed[KEY_SEED_BYTES] = {1, 2, 3};

static int give_memory(void **state)
{
    (void)state;
    is_gone = false;
    return crypto_start(NULL) ? 0 : -1;
}

static void a_key_without_memory_is_not_made(void **state)
{
    (void)state;
    struct signing_key *signing = NULL;
    struct transport_key *transport = NULL;
    struct err e = {0};
    is_gone = true;

    assert_false(signing_key_new(&signing, seed, &e));
    assert_int_equal(e.code, ERR_MEMORY);
    e = (struct err){0};
    assert_false(transport_key_new(&transport, seed, &e));
    assert_int_equal(e.code, ERR_MEMORY);

    assert_null(signing);
    assert_null(transport);
}

static void a_handshake_without_memory_is_not_begun(void **state)
{
    (void)state;
    struct transport_key *own = NULL;
    struct noise_handshake *handshake = NULL;
    struct err e = {0};
    assert_true(transport_key_new(&own, seed, &e));
    const struct noise_options options = {
        .pattern = NOISE_XK, .role = NOISE_RESPONDER, .own = own, .ephemeral_seed = seed};
    is_gone = true;

    assert_false(noise_handshake_new(&handshake, &options, &e));

    assert_int_equal(e.code, ERR_MEMORY);
    assert_null(handshake);
    transport_key_free(own);
}

static void a_passphrase_that_cannot_be_worked_on_opens_and_locks_nothing(void **state)
{
    (void)state;
    uint8_t room[SEALED_BYTES_MAX], other[SEALED_BYTES_MAX], out[KEY_SEED_BYTES] = {0};
    const uint8_t untouched[KEY_SEED_BYTES] = {0};
    struct sink file = sink_over(room, sizeof room), second = sink_over(other, sizeof other);
    struct err e = {0};
    span passphrase = span_text("correct horse");
    assert_true(sealed_write(&file, KEY_LOG, seed, passphrase, SEALED_CHEAP, &world, &e));
    is_gone = true;

    assert_false(sealed_write(&second, KEY_LOG, seed, passphrase, SEALED_CHEAP, &world, &e));
    assert_int_equal(e.code, ERR_MEMORY);
    assert_int_equal(second.len, 0);
    e = (struct err){0};
    assert_false(sealed_read(sink_span(&file), KEY_LOG, passphrase, out, &e));
    assert_int_equal(e.code, ERR_MEMORY);

    assert_memory_equal(out, untouched, sizeof out);
    is_gone = false;
    assert_true(sealed_read(sink_span(&file), KEY_LOG, passphrase, out, &e));
    assert_memory_equal(out, seed, sizeof seed);
}

static void a_buffer_that_cannot_grow_keeps_what_it_holds(void **state)
{
    (void)state;
    OWNED_BUFFER buffer = {0};
    uint8_t much[4096] = {0};
    struct err e = {0};
    assert_true(buffer_put(&buffer, span_text("kept"), &e));
    is_gone = true;

    assert_false(buffer_put(&buffer, span_of(much, sizeof much), &e));

    assert_int_equal(e.code, ERR_MEMORY);
    assert_true(span_equal(buffer_span(&buffer), span_text("kept")));
    is_gone = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_without_memory_is_not_made, give_memory, give_memory),
        cmocka_unit_test_setup_teardown(a_handshake_without_memory_is_not_begun, give_memory, give_memory),
        cmocka_unit_test_setup_teardown(a_passphrase_that_cannot_be_worked_on_opens_and_locks_nothing, give_memory, give_memory),
        cmocka_unit_test_setup_teardown(a_buffer_that_cannot_grow_keeps_what_it_holds, give_memory, give_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

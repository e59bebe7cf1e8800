/*
 * testing - what the test programs share: a seed that is printed and taken back, and vectors read from JSON files.
 *
 * Include after <cmocka.h>. Random tests take their seed from the environment variable COUNTERPART_TEST_SEED; without
 * it a new one is drawn, and either way it is printed.
 */
#pragma once
#include "crypto/base/span.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where the shared vectors are; tests that need them are skipped when the folder is not there. */
#ifndef SHARED_VECTORS_DIR
#define SHARED_VECTORS_DIR ""
#endif

/* SplitMix64 (Steele, Lea, Flood 2014): one seed gives one sequence, on every machine. */
struct test_random {
    uint64_t state;
};

static inline uint64_t test_random_next(struct test_random *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to bound - 1. */
static inline uint64_t test_random_below(struct test_random *r, uint64_t bound)
{
    return test_random_next(r) % bound;
}

static inline void test_random_bytes(struct test_random *r, uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++) at[i] = (uint8_t)test_random_next(r);
}

static inline struct test_random test_random_start(void)
{
    const char *given = getenv("COUNTERPART_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) ^ (uint64_t)getpid() << 40;
    print_message("COUNTERPART_TEST_SEED=%" PRIu64 "\n", seed);
    return (struct test_random){seed};
}

/* A file below SHARED_VECTORS_DIR, parsed; skips the test when the folder is missing. Release with json_decref. */
static inline json_t *test_vectors(const char *name)
{
    char path[1024] = "";
    json_error_t why;
    if (SHARED_VECTORS_DIR[0] == '\0' || access(SHARED_VECTORS_DIR, R_OK) != 0) skip();
    snprintf(path, sizeof path, "%s/%s", SHARED_VECTORS_DIR, name);
    /* As reals, numbers up to 2^64-1 can be read, exactly up to 2^53. */
    json_t *json = json_load_file(path, JSON_DECODE_INT_AS_REAL, &why);
    if (!json) fail_msg("%s: %s", name, why.text);
    return json;
}

static inline const char *test_json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text) fail_msg("the vector has no text \"%s\"", name);
    return text;
}

static inline uint64_t test_json_u64(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_real(value)) fail_msg("the vector has no number \"%s\"", name);
    double number = json_real_value(value);
    return number >= 0x1p64 ? UINT64_MAX : (uint64_t)number;
}

static inline bool test_json_bool(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_boolean(value)) fail_msg("the vector has no truth \"%s\"", name);
    return json_is_true(value);
}

/* Hex of at most `cap` bytes into `out`. */
static inline span test_hex(const char *hex, uint8_t *out, size_t cap)
{
    size_t len = strlen(hex) / 2;
    assert_true(len <= cap);
    assert_true(hex_read(span_text(hex), out, len));
    return span_of(out, len);
}

static inline void test_assert_span(span actual, const void *expected, size_t len)
{
    assert_int_equal(actual.len, len);
    if (len) assert_memory_equal(actual.at, expected, len);
}

static inline void test_assert_text(span actual, const char *expected)
{
    test_assert_span(actual, expected, strlen(expected));
}

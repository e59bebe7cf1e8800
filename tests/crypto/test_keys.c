#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/keys.h"
#include "tests/testing.h"

static struct key_public key_of(const char *hex)
{
    struct key_public key = {0};
    test_hex(hex, key.bytes, sizeof key.bytes);
    return key;
}

static struct signing_key *signing_key_of(const char *seed_hex)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    struct signing_key *key = NULL;
    struct err e = {0};
    test_hex(seed_hex, seed, sizeof seed);
    assert_true(signing_key_new(&key, seed, &e));
    return key;
}

static struct transport_key *transport_key_of(const char *seed_hex)
{
    uint8_t seed[KEY_SEED_BYTES] = {0};
    struct transport_key *key = NULL;
    struct err e = {0};
    test_hex(seed_hex, seed, sizeof seed);
    assert_true(transport_key_new(&key, seed, &e));
    return key;
}

/* RFC 8032 section 7.1, tests 1 to 3. */
static const struct {
    const char *seed, *key, *message, *signature;
} rfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
     "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
};

static void signing_gives_the_answers_of_rfc_8032(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof rfc8032 / sizeof *rfc8032; i++) {
        OWNED(signing_key_free) struct signing_key *key = signing_key_of(rfc8032[i].seed);
        struct key_public expected = key_of(rfc8032[i].key);
        struct signature signature = {0};
        uint8_t room[2] = {0};
        char hex[129] = "";
        span message = test_hex(rfc8032[i].message, room, sizeof room);

        signing_key_sign(key, message, &signature);

        assert_true(key_public_equal(signing_key_public(key), &expected));
        assert_string_equal(hex_write(span_of(signature.bytes, 64), hex, sizeof hex),
                            rfc8032[i].signature);
        assert_true(signature_verify(&expected, message, &signature));
    }
}

static void every_flipped_bit_of_a_signature_a_key_or_a_message_is_refused(void **state)
{
    (void)state;
    OWNED(signing_key_free) struct signing_key *key = signing_key_of(rfc8032[0].seed);
    struct key_public public_key = *signing_key_public(key);
    struct signature signature = {0};
    uint8_t message[] = "four pallets of number 17";
    span text = span_of(message, sizeof message - 1);
    signing_key_sign(key, text, &signature);
    struct {
        uint8_t *at;
        size_t len;
    } spoiled[] = {{signature.bytes, 64}, {public_key.bytes, 32}, {message, text.len}};

    for (size_t i = 0; i < 3; i++)
        for (size_t bit = 0; bit < 8 * spoiled[i].len; bit++) {
            spoiled[i].at[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(signature_verify(&public_key, text, &signature));
            spoiled[i].at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    assert_true(signature_verify(&public_key, text, &signature));
    assert_false(signature_verify(&public_key, span_of(message, text.len - 1), &signature));
}

/* Unchecked, R = the neutral element and S = 0 would be valid for many messages under it. */
static void a_small_order_key_verifies_nothing(void **state)
{
    (void)state;
    static const char *const small_order[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    };
    struct signature signature = {{1}};

    for (size_t i = 0; i < sizeof small_order / sizeof *small_order; i++) {
        struct key_public key = key_of(small_order[i]);
        for (uint8_t n = 0; n < 16; n++)
            assert_false(signature_verify(&key, span_of(&n, 1), &signature));
    }
}

/* S and S + L satisfy the same equation; only the smaller is canonical (RFC 8032 section 5.1.7). */
static void a_signature_with_a_second_spelling_is_refused(void **state)
{
    (void)state;
    static const char order[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    struct key_public key = key_of(rfc8032[0].key);
    struct signature signature = {0};
    uint8_t l[32] = {0};
    unsigned carry = 0;
    test_hex(rfc8032[0].signature, signature.bytes, sizeof signature.bytes);
    test_hex(order, l, sizeof l);
    assert_true(signature_verify(&key, (span){0}, &signature));

    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)signature.bytes[32 + i] + l[i];
        signature.bytes[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }

    assert_int_equal(carry, 0);
    assert_false(signature_verify(&key, (span){0}, &signature));
}

static void agreeing_gives_the_answers_of_rfc_7748(void **state)
{
    (void)state;
    OWNED(transport_key_free) struct transport_key *alice = transport_key_of(
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    OWNED(transport_key_free) struct transport_key *bob = transport_key_of(
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    struct key_public alice_public =
        key_of("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    struct key_public bob_public =
        key_of("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    uint8_t shared[2][32] = {0};
    char hex[65] = "";

    assert_true(key_public_equal(transport_key_public(alice), &alice_public));
    assert_true(key_public_equal(transport_key_public(bob), &bob_public));
    assert_true(transport_key_agree(alice, &bob_public, shared[0]));
    assert_true(transport_key_agree(bob, &alice_public, shared[1]));
    assert_string_equal(hex_write(span_of(shared[0], 32), hex, sizeof hex),
                        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_memory_equal(shared[0], shared[1], 32);
}

static void agreeing_with_a_small_order_key_fails_and_writes_nothing(void **state)
{
    (void)state;
    static const char *const small_order[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    OWNED(transport_key_free) struct transport_key *key = transport_key_of(rfc8032[0].seed);

    for (size_t i = 0; i < sizeof small_order / sizeof *small_order; i++) {
        struct key_public theirs = key_of(small_order[i]);
        uint8_t shared[32] = {[0] = 0xaa, [31] = 0xbb}, before[32] = {0};
        memcpy(before, shared, sizeof before);
        assert_false(transport_key_agree(key, &theirs, shared));
        assert_memory_equal(shared, before, sizeof shared);
    }
}

static void keys_of_different_bytes_differ(void **state)
{
    (void)state;
    struct key_public a = key_of(rfc8032[0].key);

    for (size_t bit = 0; bit < 256; bit++) {
        struct key_public b = a;
        assert_true(key_public_equal(&a, &b));
        b.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(key_public_equal(&a, &b));
    }
}

static void secrets_are_compared_whole_and_wiped_whole(void **state)
{
    (void)state;
    uint8_t a[48] = {0}, b[48] = {0}, zeros[48] = {0};
    memset(a, 0x5a, sizeof a);
    memset(b, 0x5a, sizeof b);

    assert_true(secret_equal(a, b, sizeof a));
    for (size_t i = 0; i < sizeof b; i++) {
        b[i] ^= 0x40;
        assert_false(secret_equal(a, b, sizeof a));
        b[i] ^= 0x40;
    }
    secret_wipe(a, sizeof a);
    assert_memory_equal(a, zeros, sizeof a);
}

/* Computed apart: SHA-256 of the label, a zero byte and the key. */
static void a_fingerprint_gives_the_known_answer(void **state)
{
    (void)state;
    struct key_public key =
        key_of("29acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc9322966dd7");
    char hex[65] = "";

    struct hash fingerprint = key_fingerprint(&key);

    assert_string_equal(hex_write(hash_span(&fingerprint), hex, sizeof hex),
                        "3e1ae6bf7d418648580c233dbf882fc2c2c2d678cbfa97d96f4d44cdd726fb95");
}

static void starting_twice_and_freeing_nothing_are_fine(void **state)
{
    (void)state;
    struct err e = {0};

    assert_true(crypto_start(&e));
    signing_key_free(NULL);
    transport_key_free(NULL);
}

static int start(void **state)
{
    struct err e = {0};
    (void)state;
    return crypto_start(&e) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signing_gives_the_answers_of_rfc_8032),
        cmocka_unit_test(every_flipped_bit_of_a_signature_a_key_or_a_message_is_refused),
        cmocka_unit_test(a_small_order_key_verifies_nothing),
        cmocka_unit_test(a_signature_with_a_second_spelling_is_refused),
        cmocka_unit_test(agreeing_gives_the_answers_of_rfc_7748),
        cmocka_unit_test(agreeing_with_a_small_order_key_fails_and_writes_nothing),
        cmocka_unit_test(keys_of_different_bytes_differ),
        cmocka_unit_test(secrets_are_compared_whole_and_wiped_whole),
        cmocka_unit_test(a_fingerprint_gives_the_known_answer),
        cmocka_unit_test(starting_twice_and_freeing_nothing_are_fine),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}

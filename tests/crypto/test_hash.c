#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing.h"

static void assert_hash(struct hash actual, const char *hex)
{
    char text[65] = "";
    assert_string_equal(hex_write(hash_span(&actual), text, sizeof text), hex);
}

/* FIPS 180-4 and NIST's example values */
static void gives_the_published_digests(void **state)
{
    (void)state;
    static uint8_t million[1000000];
    memset(million, 'a', sizeof million);

    assert_hash(hash_of(span_of(NULL, 0)),
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash(hash_of(span_text("abc")),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hash(hash_of(span_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_hash(hash_of(span_of(million, sizeof million)),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void a_label_ends_in_one_zero_byte_before_the_parts(void **state)
{
    (void)state;
    span parts[] = {span_text("ab"), span_of(NULL, 0), span_text("c")};

    struct hash joined = hash_of(span_of("counterpart/test\0abc", 20));
    struct hash labelled = hash_labelled("counterpart/test", parts, 3);

    assert_true(hash_equal(&joined, &labelled));
    assert_hash(labelled, "f43ada42690e3b1c44436c649c2706b643cc74b264023dfcabe47cfd504a30ba");
    assert_hash(hash_labelled("counterpart/test", NULL, 0),
                "e4e971938aaa08ad94229b7b124807c05704350d70141b3d16fe901281b69ef8");
}

static void a_longer_label_is_not_a_label_and_a_part(void **state)
{
    (void)state;
    span x = span_text("x");

    struct hash split = hash_labelled("label", &x, 1);
    struct hash whole = hash_labelled("labelx", NULL, 0);

    assert_false(hash_equal(&split, &whole));
}

static void equality_looks_at_every_bit(void **state)
{
    (void)state;
    struct hash a = hash_of(span_text("abc"));

    assert_true(hash_equal(&a, &a));
    assert_true(hash_equal_ct(&a, &a));
    for (size_t bit = 0; bit < 256; bit++) {
        struct hash b = a;
        b.bytes[bit / 8] = (uint8_t)(b.bytes[bit / 8] ^ 1 << bit % 8);
        assert_false(hash_equal(&a, &b));
        assert_false(hash_equal_ct(&a, &b));
    }
}

static void zero_is_zero_in_every_byte(void **state)
{
    (void)state;
    struct hash h = {0};

    assert_true(hash_is_zero(&h));
    for (size_t i = 0; i < sizeof h.bytes; i++) {
        struct hash other = {0};
        other.bytes[i] = 1;
        assert_false(hash_is_zero(&other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_digests),
        cmocka_unit_test(a_label_ends_in_one_zero_byte_before_the_parts),
        cmocka_unit_test(a_longer_label_is_not_a_label_and_a_part),
        cmocka_unit_test(equality_looks_at_every_bit),
        cmocka_unit_test(zero_is_zero_in_every_byte),
    };
    return cmocka_run_group_tests_name("crypto/hash", tests, NULL, NULL);
}

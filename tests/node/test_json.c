/* json: documents written from the outside in. */
#include "node/formats/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_prints(const struct json *json, const char *expected)
{
    OWNED_BUFFER out = {0};
    char found[500] = {0};
    struct err e = {0};
    if (!json_print(json, false, &out, &e)) fail_msg("%s", e.said);
    assert_true(span_to_text(buffer_span(&out), found, sizeof found));
    assert_string_equal(found, expected);
}

static void members_stand_in_the_order_they_were_put(void **state)
{
    (void)state;
    OWNED(json_free) struct json *json = NULL;
    assert_true(json_new(&json, NULL));

    json_put_text(json, "ref", "ACME-1");
    json_start_object(json, "terms");
    json_put_text(json, "title", "say \"x\"\n");
    json_put_number(json, "percent", -5);
    json_end(json);
    json_start_array(json, "offers");
    json_start_object(json, NULL);
    json_put_bool(json, "open", true);
    json_end(json);
    json_put_null(json, NULL);
    json_end(json);
    json_put_count(json, "size", UINT64_C(1) << 40);
    json_put_hex(json, "id", span_of("\x0f\xa0", 2));
    json_put_text(json, "none", NULL);

    assert_prints(
        json,
        "{\"ref\":\"ACME-1\",\"terms\":{\"title\":\"say \\\"x\\\"\\n\",\"percent\":-5},"
        "\"offers\":[{\"open\":true},null],\"size\":1099511627776,\"id\":\"0fa0\",\"none\":null}");
}

static void a_document_with_nothing_in_it_is_an_object(void **state)
{
    (void)state;
    OWNED(json_free) struct json *json = NULL;
    assert_true(json_new(&json, NULL));

    assert_prints(json, "{}");
}

static void what_is_still_open_is_printed_closed(void **state)
{
    (void)state;
    OWNED(json_free) struct json *json = NULL;
    assert_true(json_new(&json, NULL));

    json_start_array(json, "items");
    json_start_object(json, NULL);

    assert_prints(json, "{\"items\":[{}]}");
}

static void text_that_is_not_utf8_is_refused_when_printing(void **state)
{
    (void)state;
    OWNED(json_free) struct json *json = NULL;
    OWNED_BUFFER out = {0};
    struct err e = {0};
    assert_true(json_new(&json, NULL));

    json_put_text(json, "title",
                  "Stra\xdf"
                  "e");

    assert_false(json_print(json, false, &out, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_stand_in_the_order_they_were_put),
        cmocka_unit_test(a_document_with_nothing_in_it_is_an_object),
        cmocka_unit_test(what_is_still_open_is_printed_closed),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_when_printing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

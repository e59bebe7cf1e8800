/*
 * What a node knows of its relationships: from the opener's feed, and of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/store/parties.h"

static void both_know_each_other(void **state)
{
    (void)state;
    struct parties p;
    parties_open(&p, 2, 1);
    assert_same_everywhere(&p);
    parties_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_know_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * failing - each place of the store from which a call to SQLite, or for memory, is made, fails once.
 *
 * A place is a path of calls, from the test down to the call that fails. Armed, the first call from a place that has not
 * failed yet fails; so what is tried again and again fails at every one of its places, and then succeeds. The linker sends
 * the calls here (CMakeLists.txt has the list). One thread, one trouble at a time.
 */
#pragma once
#include "crypto/base/err.h"

enum failing {
    FAILING_STATEMENT, /* SQLite cannot prepare, bind, step or commit; each time for another reason */
    FAILING_MEMORY,    /* there is no memory for us */
    FAILING_VALUE,     /* a text or blob that is read lacks its last byte, as one that was damaged may */
    FAILING_NUMBER,    /* a number that is read is another one: below, above or beyond what belongs there */
};
/* No place has failed yet. */
void failing_start(enum failing failing);
void failing_arm(void);
/* Says whether a call has failed since, and what our code for that is: ERR_NONE for a value or number. */
bool failing_disarm(enum err_code *code);

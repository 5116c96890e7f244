/* testing.h - cmocka with the headers it wants, and what nearly every test needs. */
#ifndef TESTS_TESTING_H
#define TESTS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TEST_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Fails with the error's own sentence when a call did not return TE_OK. */
#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if ((call) != 0) fail_msg("%s: %s", #call, (err).message);                                 \
    } while (0)

#endif

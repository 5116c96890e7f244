/* Messages are one line, cut at a character, and optional. */
#include "testing.h"
#include "base/error.h"

static void test_message(void **state)
{
    (void)state;
    te_error err;
    assert_int_equal(ti_fail(&err, TE_FORMAT, "a %d\nb", 3), TE_FORMAT);
    assert_string_equal(err.message, "a 3 b");
    assert_int_equal(err.status, TE_FORMAT);
    assert_int_equal(ti_fail(NULL, TE_IO, "nobody listens"), TE_IO);
}

static void test_long_message_is_cut_at_a_character(void **state)
{
    (void)state;
    char text[1024];
    for (size_t i = 0; i + 1 < sizeof text; i += 2) memcpy(text + i, "\xC3\xA4", 2);
    text[1022] = '\0';
    te_error err;
    ti_fail(&err, TE_IO, "x%s", text);
    size_t n = strlen(err.message);
    assert_true(n > 500 && n < sizeof err.message);
    assert_int_equal((unsigned char)err.message[n - 1], 0xA4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_long_message_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

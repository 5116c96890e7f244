/* How much memory there is: a limit on the address space counts. */
#include "base/memory.h"
#include "testing.h"

#include <sys/resource.h>

static void a_limit_counts(void **state)
{
    struct rlimit all, little;
    (void)state;
    const uint64_t before = ti_memory_available();
    assert_true(before > (uint64_t)100 << 20);
    assert_int_equal(getrlimit(RLIMIT_AS, &all), 0);
    little = (struct rlimit){(rlim_t)1 << 20, all.rlim_max}; /* less than this program has */
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    const uint64_t limited = ti_memory_available();
    assert_int_equal(setrlimit(RLIMIT_AS, &all), 0);
    assert_int_equal(limited, 0);
    assert_true(ti_memory_available() > (uint64_t)100 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_limit_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* start_gegl.h - starting GEGL in a test: what its modules keep for good is not the test's leak.
 * One file of a program includes it. */
#ifndef TESTS_START_GEGL_H
#define TESTS_START_GEGL_H

#include <gegl.h>

#if defined(__SANITIZE_ADDRESS__)
#define TEST_FINDS_LEAKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_FINDS_LEAKS 1
#endif
#endif

#ifdef TEST_FINDS_LEAKS
#include <sanitizer/lsan_interface.h>

/* babl keeps what it learns of colour spaces. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libbabl\n";
}
#endif

static inline void test_gegl_init(void)
{
#ifdef TEST_FINDS_LEAKS
    __lsan_disable();
#endif
    gegl_init(NULL, NULL);
#ifdef TEST_FINDS_LEAKS
    __lsan_enable();
#endif
}

#endif

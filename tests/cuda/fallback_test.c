/* fallback_test.c - a machine whose card cannot be used: asked for, it is refused in one sentence;
 * "auto" takes the CPU and says so. Run with the emulated module and no card, and where nvcc built
 * the real module, with that and the toolkit's stub of the driver, whose cuInit fails. */
#include "testing.h"

#include "backend/backend.h"
#include "backend/module.h"

static void expect_refusal(const char *device)
{
    te_error err;
    ti_backend *be = NULL;
    assert_int_equal(ti_backend_create(&be, device, 1, &err), TE_DEVICE);
    assert_null(be);
    assert_non_null(strstr(err.message, "no CUDA"));
    assert_non_null(strstr(err.message, "use device cpu"));
    assert_null(strstr(err.message, "cannot be opened")); /* the module itself was found */
    assert_null(strchr(err.message, '\n'));
    print_message("%s: %s\n", device, err.message);
}

static void test_asked_for(void **state)
{
    (void)state;
    expect_refusal("cuda");
    expect_refusal("cuda:1");
    expect_refusal("cuda-fp8");
    expect_refusal("cuda-fp8:0");
}

static void test_auto(void **state)
{
    (void)state;
    te_error err;
    ti_backend *be = NULL;
    assert_ok(ti_backend_create(&be, "auto", 1, &err), err);
    assert_memory_equal(be->description, "cpu", 3);
    ti_backend_free(be);
    assert_ok(ti_backend_create(&be, NULL, 1, &err), err);
    assert_memory_equal(be->description, "cpu", 3);
    ti_backend_free(be);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"cuda:",     "cuda:x",   "cuda:1x", "cuda:64",
                                      "cuda-fp8:", "cuda-fp9", "gpu"};
    te_error err;
    ti_backend *be = NULL;
    for (size_t i = 0; i < TEST_LENGTH(bad); i++) {
        assert_int_equal(ti_backend_create(&be, bad[i], 1, &err), TE_INVALID);
        assert_non_null(strstr(err.message, bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asked_for),
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* fallback_test.c - a machine whose card cannot be used: asked for, it is refused in one sentence;
 * "auto" takes the CPU. Arguments: words of that sentence, and "expected" where somebody would look
 * for a card, so that a model says why it has none. Run with the emulated module, and where nvcc
 * built the real one with that and drivers that go wrong. */
#include "testing.h"

#include "api.h"
#include "backend/module.h"
#include "stand-in/stand_in.h"

static const char *words;
static bool card_expected;

static void expect_refusal(const char *device)
{
    te_error err;
    ti_backend *be = NULL;
    te_status st = card_expected ? TE_DEVICE : TE_UNSUPPORTED;
    assert_int_equal(ti_backend_create(&be, device, 1, &err), st);
    assert_null(be);
    print_message("%s: %s\n", device, err.message);
    assert_non_null(strstr(err.message, words));
    assert_non_null(strstr(err.message, "use device cpu"));
    assert_null(strchr(err.message, '\n'));
}

static void test_asked_for(void **state)
{
    (void)state;
    expect_refusal("cuda");
    expect_refusal("cuda:1");
    expect_refusal("cuda-fp8");
    expect_refusal("cuda-fp8:0");
    expect_refusal("cuda-as-is");
    expect_refusal("cuda-as-is:1");
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

static void test_model(void **state)
{
    (void)state;
    te_error err;
    te_model *model;
    te_model_info info;
    const char *path = stand_in_path("model.gguf");
    stand_in_write(path, &(stand_in){.backbone = "m-tiny", .type = TI_BF16});
    assert_int_not_equal(te_model_open(&model, path, &(te_model_options){"cuda", 1}, &err), TE_OK);
    assert_null(model);
    assert_ok(te_model_open(&model, path, &(te_model_options){NULL, 1}, &err), err);
    te_model_get_info(model, &info);
    assert_memory_equal(info.device, "cpu", 3);
    assert_int_equal(info.note != NULL, card_expected);
    if (info.note) {
        print_message("note: %s\n", info.note);
        assert_non_null(strstr(info.note, words));
        assert_non_null(strstr(info.note, "the CPU takes over"));
        assert_null(strstr(info.note, "use device cpu"));
    }
    te_model_free(model);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"cuda:",       "cuda:x",      "cuda:1x",
                                      "cuda:64",     "cuda-fp8:",   "cuda-fp9",
                                      "cuda-as-is:", "cuda-as-is1", "gpu"};
    te_error err;
    ti_backend *be = NULL;
    for (size_t i = 0; i < TEST_LENGTH(bad); i++) {
        assert_int_equal(ti_backend_create(&be, bad[i], 1, &err), TE_INVALID);
        assert_non_null(strstr(err.message, bad[i]));
    }
}

static int remove_files(void **state)
{
    (void)state;
    stand_in_clean();
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asked_for),
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_names),
    };
    if (argc < 2) return 2;
    words = argv[1];
    card_expected = argc > 2 && !strcmp(argv[2], "expected");
    return cmocka_run_group_tests(tests, NULL, remove_files);
}

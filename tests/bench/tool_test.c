/* tool_test.c - thinkedit bench's report has what scripts read, adds up, and refuses nonsense. */
#include "testing.h"

#include <jansson.h>

#include "base/memory.h"
#include "tools.h"

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void test_report(void **state)
{
    (void)state;
    const te_bench bench = {.shape = "llada-8b",
                            .type = "q4_k",
                            .layers = 1,
                            .tokens = 7,
                            .rounds = 2,
                            .with = {.device = "cpu", .threads = 2}};
    char *text;
    te_error err;
    assert_ok(te_tool_bench(&bench, true, &text, &err), err);
    json_t *report = json_loads(text, 0, NULL);
    assert_non_null(report);
    assert_true(number(report, "tokens_per_second") > 0);
    assert_true(number(report, "linear_gops") > 0);
    assert_true(number(report, "peak_rss_mb") > 100); /* the layer alone is that large */
    static const char *const ops[] = {"embed",     "norm",       "linear", "linear_rope",
                                      "attention", "linear_add", "gate",   "gather"};
    double sum = 0, worked = 0;
    for (size_t i = 0; i < TEST_LENGTH(ops); i++) {
        const json_t *op = json_object_get(json_object_get(report, "ops"), ops[i]);
        sum += number(op, "seconds");
        worked += number(op, "cpu_seconds");
    }
    assert_true(sum > 0 && sum < 3 * number(report, "seconds"));
    assert_true(worked > 0 && worked < 3 * number(report, "cpu_seconds"));
    json_decref(report);
    te_free(text);
    assert_ok(te_tool_bench(&bench, false, &text, &err), err);
    assert_non_null(strstr(text, "attention"));
    te_free(text);
}

static void test_refusals(void **state)
{
    (void)state;
    const te_bench wrong[] = {{0},
                              {.shape = "llada-9b"},
                              {.shape = "llada-8b", .type = "q3"},
                              {.shape = "llada-8b", .layers = -1},
                              {.shape = "llada-8b", .layers = 1, .tokens = 5000},
                              {.model = "absent.gguf"}};
    for (size_t i = 0; i < TEST_LENGTH(wrong); i++) {
        char *text = (char *)"";
        te_error err;
        assert_int_not_equal(te_tool_bench(&wrong[i], true, &text, &err), TE_OK);
        assert_null(text);
        assert_true(strlen(err.message) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_report),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

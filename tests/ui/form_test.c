/* The options form: presets under the person's values, ranges, and the string a request carries. */
#include "testing.h"
#include "ui/form.h"

static const char info[] =
    "{\"model\": {\"name\": \"m\", \"device\": \"cpu\"}, \"problem\": null, \"options\": ["
    "{\"name\": \"seed\", \"type\": \"int\", \"min\": -1, \"max\": 9e18, \"default\": -1},"
    "{\"name\": \"text-steps\", \"type\": \"int\", \"min\": 1, \"max\": 4096, \"default\": 128},"
    "{\"name\": \"image-cfg\", \"type\": \"real\", \"min\": 0, \"max\": 20, \"default\": 3.5},"
    "{\"name\": \"strategy\", \"type\": \"choice\", \"choices\": [\"parallel\", \"sequential\"],"
    " \"default\": \"parallel\"}],"
    "\"presets\": [{\"name\": \"fast\", \"options\": {\"text-steps\": 32}}]}";

static void test_values(void **unused)
{
    (void)unused;
    ti_form *form = ti_form_parse(info, -1, NULL);
    assert_non_null(form);
    assert_int_equal(form->rows->len, 3); /* the seed has its own place */
    assert_string_equal(form->model, "m · cpu");
    const ti_form_row *steps = ti_form_find(form, "text-steps");
    assert_string_equal(ti_form_effective(form, steps), "128");
    ti_form_set_preset(form, "fast");
    assert_string_equal(ti_form_effective(form, steps), "32");
    assert_true(ti_form_set(form, "text-steps", "20"));
    assert_true(ti_form_set(form, "image-cfg", "4.25"));
    assert_true(ti_form_set(form, "strategy", "sequential"));
    char *text = ti_form_options(form);
    assert_string_equal(text, "preset=fast text-steps=20 image-cfg=4.25 strategy=sequential");
    g_free(text);
    text = ti_form_values(form);
    assert_string_equal(text, "text-steps=20 image-cfg=4.25 strategy=sequential");
    g_free(text);
    assert_true(ti_form_set(form, "text-steps", "32")); /* what the preset says anyway */
    ti_form_set_preset(form, "fast");
    text = ti_form_options(form);
    assert_string_equal(text, "preset=fast");
    g_free(text);
    ti_form_free(form);
}

static void test_what_is_out_of_range_changes_nothing(void **unused)
{
    (void)unused;
    ti_form *form = ti_form_parse(info, -1, NULL);
    static const char *const bad[][2] = {
        {"text-steps", "0"},   {"text-steps", "1.5"}, {"text-steps", "many"},
        {"text-steps", "nan"}, {"image-cfg", "21"},   {"strategy", "random"},
        {"no-such", "1"},      {"image-cfg", "3 4"},  {"text-steps", ""},
    };
    for (size_t i = 0; i < TEST_LENGTH(bad); i++)
        assert_false(ti_form_set(form, bad[i][0], bad[i][1]));
    char *text = ti_form_options(form);
    assert_string_equal(text, "preset=balanced");
    g_free(text);
    ti_form_free(form);
}

static void test_reuse(void **unused)
{
    (void)unused;
    ti_form *form = ti_form_parse(info, -1, NULL);
    ti_form_reuse(
        form, "{\"seed\": 7, \"text-steps\": 64, \"image-cfg\": 2.5, \"strategy\": \"parallel\"}");
    char *text = ti_form_options(form);
    assert_string_equal(text, "preset=balanced text-steps=64 image-cfg=2.5");
    g_free(text);
    ti_form_set_preset(form, "fast");
    ti_form_take(form, "image-cfg=4.5 text-steps=0 no-such=1 nonsense  strategy=sequential");
    text = ti_form_options(form);
    assert_string_equal(text, "preset=fast image-cfg=4.5 strategy=sequential");
    g_free(text);
    text = ti_form_differences(form, "{\"strategy\": \"sequential\", \"text-steps\": 128, "
                                     "\"image-cfg\": 3.25, \"seed\": 9, \"old\": 1}");
    assert_string_equal(
        text, "image-cfg 3.25, strategy sequential"); /* whatever the person has chosen now */
    g_free(text);
    text = ti_form_differences(form, NULL);
    assert_string_equal(text, "");
    g_free(text);
    ti_form_reuse(form, "not json");
    ti_form_reuse(form, NULL);
    ti_form_free(form);
}

static void test_no_model(void **unused)
{
    (void)unused;
    ti_form *form = ti_form_parse("{\"model\": null, \"problem\": \"There is none.\"}", -1, NULL);
    assert_non_null(form);
    assert_null(form->model);
    assert_string_equal(form->problem, "There is none.");
    ti_form_free(form);
    GError *error = NULL;
    assert_null(ti_form_parse("[]", -1, &error));
    assert_non_null(error);
    g_clear_error(&error);
    assert_null(ti_form_parse("{", -1, &error));
    assert_non_null(error);
    g_clear_error(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_what_is_out_of_range_changes_nothing),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_no_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

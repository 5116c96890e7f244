/* What the panel remembers survives, whatever is on the disk. */
#include "testing.h"
#include "ui/settings.h"

#include <glib/gstdio.h>

static char *path(void)
{
    char *folder = g_dir_make_tmp("panel-XXXXXX", NULL);
    char *file = g_build_filename(folder, "sub", "panel.json", NULL);
    g_free(folder);
    return file;
}

static void test_round_trip(void **unused)
{
    (void)unused;
    char *file = path();
    ti_settings *s = ti_settings_load(file);
    assert_string_equal(s->preset, "balanced");
    assert_int_equal(s->variations, 1);
    ti_settings_set_draft(s, "make \"it\"\nautumn");
    ti_settings_used(s, "one");
    ti_settings_used(s, "two");
    ti_settings_used(s, "one");
    ti_settings_keep(s, "kept");
    ti_settings_keep(s, "dropped");
    ti_settings_keep(s, "kept");
    ti_settings_drop(s, "dropped");
    s->seed = 1234567890123;
    s->seed_locked = true;
    s->from_source = true;
    ti_settings_set_options(s, "fast", "text-steps=20");
    assert_true(ti_settings_save(s, NULL));
    ti_settings_free(s);

    s = ti_settings_load(file);
    assert_string_equal(s->draft, "make \"it\"\nautumn");
    assert_int_equal(s->recent->len, 2);
    assert_string_equal(g_ptr_array_index(s->recent, 0), "one");
    assert_int_equal(s->saved->len, 1);
    assert_string_equal(g_ptr_array_index(s->saved, 0), "kept");
    assert_true(s->seed == 1234567890123);
    assert_true(s->seed_locked);
    assert_true(s->from_source);
    assert_string_equal(s->preset, "fast");
    assert_string_equal(s->options, "text-steps=20");
    ti_settings_free(s);
    g_free(file);
}

static void test_recent_is_bounded(void **unused)
{
    (void)unused;
    char *file = path(), text[32];
    ti_settings *s = ti_settings_load(file);
    for (int i = 0; i < 100; i++) {
        g_snprintf(text, sizeof text, "instruction %d", i);
        ti_settings_used(s, text);
    }
    assert_int_equal(s->recent->len, TI_SETTINGS_RECENT);
    assert_string_equal(g_ptr_array_index(s->recent, 0), "instruction 99");
    ti_settings_free(s);
    g_free(file);
}

static void test_damaged_file_gives_defaults(void **unused)
{
    (void)unused;
    static const char *const damaged[] = {
        "", "{", "[]", "{\"recent\": 3, \"width\": -5, \"variations\": 1000, \"output\": \"x\"}",
        "{\"draft\": null, \"saved\": [1, null, \"kept\"]}"};
    char *file = path(), *folder = g_path_get_dirname(file);
    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    for (size_t i = 0; i < TEST_LENGTH(damaged); i++) {
        assert_true(g_file_set_contents(file, damaged[i], -1, NULL));
        ti_settings *s = ti_settings_load(file);
        assert_non_null(s->draft);
        assert_int_equal(s->width, 440);
        assert_int_equal(s->variations, 1);
        assert_int_equal(s->saved->len, i == 4 ? 1 : 0);
        ti_settings_free(s);
    }
    g_free(folder);
    g_free(file);
}

static void test_unwritable_place_is_reported(void **unused)
{
    (void)unused;
    ti_settings *s = ti_settings_load("/proc/no-such-place/panel.json");
    GError *error = NULL;
    assert_false(ti_settings_save(s, &error));
    assert_non_null(error);
    g_clear_error(&error);
    ti_settings_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_recent_is_bounded),
        cmocka_unit_test(test_damaged_file_gives_defaults),
        cmocka_unit_test(test_unwritable_place_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

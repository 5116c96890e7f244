/* The panel's state through an edit's life, and the timeline it shows afterwards. */
#include "testing.h"
#include "ui/state.h"

static void assert_text(char *text, const char *expected)
{
    assert_string_equal(text, expected);
    g_free(text);
}

static void set_street(ti_state *s)
{
    ti_target target = {
        .image = (char *)"street.xcf", .layer = (char *)"Street", .width = 6000, .height = 4000};
    ti_state_set_target(s, &target);
}

static void test_obstacles(void **unused)
{
    (void)unused;
    ti_state *s = ti_state_new();
    assert_string_equal(ti_state_obstacle(s, "make it autumn"), "Open an image first.");
    set_street(s);
    assert_string_equal(ti_state_obstacle(s, " \n"), "Write what should change.");
    assert_null(ti_state_obstacle(s, "make it autumn"));
    ti_target indexed = {.image = (char *)"a", .problem = (char *)"Convert it to RGB first."};
    ti_state_set_target(s, &indexed);
    assert_string_equal(ti_state_obstacle(s, "make it autumn"), "Convert it to RGB first.");
    ti_state_free(s);
}

static void test_life_of_an_edit(void **unused)
{
    (void)unused;
    ti_state *s = ti_state_new();
    set_street(s);
    assert_false(ti_state_busy(s));
    ti_state_submitted(s, 1, 1);
    assert_true(ti_state_busy(s));
    assert_text(ti_state_status(s), "Starting…");
    ti_state_queued(s, 2);
    assert_text(ti_state_status(s), "Waiting behind 2 other edits");
    ti_state_progress(s, "loading the model", 0, 0, 1, -1);
    assert_text(ti_state_status(s), "loading the model · 0:01");
    ti_state_set_waiting(s, 2);
    ti_state_progress(s, "denoising", 12, 128, 9.2, 88);
    assert_text(ti_state_status(s), "Step 12 of 128 · 0:09 · 1:28 left · 2 more waiting");
    ti_state_set_waiting(s, 0);
    assert_text(ti_state_status(s), "Step 12 of 128 · 0:09 · 1:28 left");
    assert_true(ti_state_fraction(s) > 0.09 && ti_state_fraction(s) < 0.10);
    ti_state_text(s, "the sky █");
    assert_string_equal(s->text, "the sky █");
    ti_state_done(s, "the sky darkens");
    assert_false(ti_state_busy(s));
    assert_text(ti_state_status(s), "Done in 0:09");
    assert_true(ti_state_fraction(s) == 1);
    ti_state_free(s);
}

static void test_variations_share_the_bar(void **unused)
{
    (void)unused;
    ti_state *s = ti_state_new();
    ti_state_submitted(s, 3, 4);
    ti_state_progress(s, "denoising", 5, 10, 1, -1);
    assert_text(ti_state_status(s), "Variation 3 of 4 · Step 5 of 10 · 0:01");
    assert_true(ti_state_fraction(s) == 0.625);
    ti_state_free(s);
}

static void test_failure_and_cancel_end_it(void **unused)
{
    (void)unused;
    ti_state *s = ti_state_new();
    ti_state_submitted(s, 1, 1);
    ti_state_failed(s, "The server stopped.", true);
    assert_false(ti_state_busy(s));
    assert_true(s->retry);
    assert_string_equal(s->message, "The server stopped.");
    ti_state_submitted(s, 1, 1);
    assert_null(s->message);
    ti_state_cancelled(s);
    assert_false(ti_state_busy(s));
    assert_text(ti_state_status(s), "Cancelled. Nothing was changed.");
    ti_state_free(s);
}

static void test_target_text(void **unused)
{
    (void)unused;
    ti_state *s = ti_state_new();
    assert_text(ti_state_target_text(s, true), "No image");
    set_street(s);
    assert_text(ti_state_target_text(s, true), "Whole layer, 6000 × 4000 pixels");
    ti_target part = {.image = (char *)"a",
                      .layer = (char *)"b",
                      .width = 100,
                      .height = 100,
                      .has_selection = true,
                      .select_width = 30,
                      .select_height = 20};
    ti_state_set_target(s, &part);
    assert_text(ti_state_target_text(s, true), "Selection, 30 × 20 pixels");
    assert_text(ti_state_target_text(s, false), "Whole layer, 100 × 100 pixels");
    ti_state_free(s);
}

static void test_durations(void **unused)
{
    (void)unused;
    assert_text(ti_duration_text(0), "0:00");
    assert_text(ti_duration_text(59.6), "1:00");
    assert_text(ti_duration_text(3725), "1:02:05");
}

static void test_timeline(void **unused)
{
    (void)unused;
    static const char json[] =
        "{\"grid\": {\"width\": 32, \"height\": 24}, \"steps\": [{\"step\": 0, \"reasoning\": \"█ "
        "sky\", \"revealed_text\": [[2, 5], [4, 99], [9, 3]],"
        " \"revealed_image\": [0, 17], \"masked_text\": 1, \"masked_image\": 1022}, 7,"
        " {\"step\": 1, \"reasoning\": \"the sky\"}]}";
    GError *error = NULL;
    ti_timeline *t = ti_timeline_parse(json, -1, &error);
    assert_non_null(t);
    assert_int_equal(ti_timeline_length(t), 2);
    assert_int_equal(t->grid_width, 32);
    assert_int_equal(t->grid_height, 24);
    const ti_step *step = ti_timeline_step(t, 0);
    assert_string_equal(step->reasoning, "█ sky");
    assert_int_equal(step->revealed_text->len, 2); /* [9, 3] lies outside */
    assert_int_equal(g_array_index(step->revealed_text, ti_range, 1).end, 5); /* clipped */
    assert_int_equal(g_array_index(step->revealed_image, int, 1), 17);
    assert_int_equal(step->masked_image, 1022);
    assert_null(ti_timeline_step(t, 2));
    ti_timeline_free(t);
    t = ti_timeline_parse("{\"grid\": {\"width\": -1, \"height\": 5}, \"steps\": []}", -1, &error);
    assert_non_null(t);
    assert_int_equal(t->grid_width, 0);
    ti_timeline_free(t);
    assert_null(ti_timeline_parse("[1, 2", -1, &error));
    assert_non_null(error);
    g_clear_error(&error);
    assert_null(ti_timeline_parse("{\"steps\": 3}", -1, &error));
    assert_non_null(error);
    g_clear_error(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_obstacles),
        cmocka_unit_test(test_life_of_an_edit),
        cmocka_unit_test(test_variations_share_the_bar),
        cmocka_unit_test(test_failure_and_cancel_end_it),
        cmocka_unit_test(test_target_text),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_timeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

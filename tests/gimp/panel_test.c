/* panel_test.c - the panel as a person meets it: a real GIMP in windows, driven by key and mouse,
 * the real server with the stand-in model. One GIMP and one panel serve all tests, in their order.
 * What is seen is checked twice: on the screenshot, and by the names and texts that assistive
 * programs are given.
 *
 * test_gimp_panel [VERSION] [--keep FOLDER]: GIMP "2.10", "3.0" or "3.2"; screenshots stay in
 * FOLDER.
 */
#include "panel_steps.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define BLOCK "\xe2\x96\x88" /* U+2588, a masked word */

/* ---- opening ------------------------------------------------------------------------------- */

/* GIMP's own list of what plug-ins have registered. */
static void assert_menu_entry(void)
{
    g_autofree char *name = g_build_filename("config/GIMP", session_version, "pluginrc", NULL);
    g_autofree char *path = session_path(name), *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    const char *entry = strstr(text, "(proc-def \"plug-in-thinking-aware-edit\"");
    assert_non_null(entry);
    const char *menu = strstr(entry, "(menu-path \"<Image>/Filters\")");
    const char *next = strstr(entry + 1, "(proc-def ");
    assert_non_null(menu);
    assert_true(!next || menu < next);
}

static void the_menu_opens_the_panel_for_the_layer(void **state)
{
    static const char *const parts[] = {"What will be edited",
                                        "first.png",
                                        "Whole layer, 200",
                                        "m-tiny",
                                        "Edit the selection",
                                        "Prompts",
                                        "Quality",
                                        "Result",
                                        "Variations",
                                        "Seed",
                                        "Keep",
                                        "Generate",
                                        "Cancel",
                                        "Progress",
                                        "History",
                                        "Advanced",
                                        "Copy",
                                        "To a text layer"};
    (void)state;
    assert_menu_entry();
    call_menu();
    panel = session_window(PANEL);
    const seen thumbnail = {MAGENTA, 2000};
    session_wait(panel_shows, &thumbnail, "the layer's thumbnail in the panel");
    part_wait("m-tiny");
    session_shot screen = session_screen(panel);
    assert_true(screen.height <= 740); /* usable where 768 pixels are all there is */
    session_shot_clear(&screen);
    session_keep_screen(panel, "panel-open.png");
    for (size_t i = 0; i < TEST_LENGTH(parts); i++) assert_drawn(parts[i]);
    part generate_button = part_wait("Generate");
    assert_false(generate_button.usable); /* nothing is written yet */
}

/* ---- one edit and what it leaves ------------------------------------------------------------- */

static void words_become_a_layer_and_a_record(void **state)
{
    (void)state;
    write_instruction("make it winter");
    generate();
    wait_value(IN_FIRST, 2, "the result layer");
    g_autofree char *name = ask_text("(te-name (te-top first))");
    assert_string_equal(name, "make it winter");
    g_autofree char *record = ask_text("(te-record (te-top first))");
    assert_non_null(strstr(record, "\"instruction\":\"make it winter\""));
    g_autofree char *history = ask_text("(te-history first)");
    assert_non_null(strstr(history, "\"instruction\":\"make it winter\""));
    static const char *const parts[] = {"Instruction",    "Done in",  "Picture so far",
                                        "Reasoning",      "Timeline", "Denoising step",
                                        "Start over from"};
    part_wait("Denoising step");
    for (size_t i = 0; i < TEST_LENGTH(parts); i++) assert_drawn(parts[i]);
    session_keep_screen(0, "gimp-done.png");
}

static void a_recent_prompt_comes_back(void **state)
{
    (void)state;
    write_instruction("something else");
    session_keys(panel, "alt+p");
    part_wait("Recent");
    session_keys(panel, "Down");
    session_keys(panel, "Return");
    part_wait_text("Instruction", "make it winter");
}

static void the_timeline_goes_back(void **state)
{
    (void)state;
    g_autofree char *whole = part_text("Reasoning");
    assert_non_null(whole);
    assert_null(strstr(whole, BLOCK));
    session_keys(panel, "alt+t");
    session_keys(panel, "Home");
    part_wait_text("Step", "Step 1 of 128");
    part_wait_text("Reasoning", BLOCK); /* most words are masked */
    part slider = part_wait("Denoising step");
    session_click(panel, slider.x + slider.width / 2, slider.y + slider.height / 2);
    g_autofree char *middle = part_text("Step ");
    assert_non_null(middle);
    assert_null(strstr(middle, "Step 1 of"));
    session_keep_screen(panel, "panel-timeline.png");
    session_keys(panel, "alt+t");
    session_keys(panel, "End");
    part_wait_text("Step", "Step 128 of 128");
    part_wait_text("Reasoning", whole);
}

static void copied_words_can_be_pasted(void **state)
{
    (void)state;
    part_click(panel, "Copy");
    session_keys(panel, "alt+w");
    session_keys(panel, "ctrl+a");
    session_keys(panel, "ctrl+v");
    g_autofree char *reasoning = part_text("Reasoning");
    g_autofree char *line = g_strndup(reasoning, strcspn(reasoning, "\n"));
    part_wait_text("Instruction", line);
    write_instruction("make it winter");
}

static void the_reasoning_becomes_a_text_layer(void **state)
{
    (void)state;
    session_keys(panel, "alt+x");
    wait_value(IN_FIRST, 3, "the text layer");
    assert_int_equal(session_ask_int("(te-is-text (te-top first))"), 1);
    undo_in_gimp();
    wait_value(IN_FIRST, 2, "the text layer to be undone");
}

static void an_xcf_keeps_the_reasoning(void **state)
{
    (void)state;
    g_autofree char *path = session_path("kept.xcf");
    g_autofree char *expected = part_text("Reasoning");
    g_autofree char *reopen = g_strdup_printf(
        "(te-save first \"%s\") (define kept (te-load \"%s\")) (define kept-view (te-show kept)) "
        "(te-choose kept (te-bottom kept))",
        path, path);
    session_do(reopen);
    call_menu();                     /* the image shown last is in front */
    part_wait_text("Reasoning", ""); /* the source came of no edit */
    session_do("(te-choose kept (te-top kept))");
    part_wait_text("Reasoning", expected);
    part_wait("“make it winter”");
    part_wait("Denoising step"); /* the server has not forgotten it */
    session_do("(gimp-display-delete kept-view)");
    part_wait("The image was closed");
    call_menu();
    part_wait("make it winter · "); /* the first image; GIMP 3.2 has named it after the XCF */
}

static void one_undo_returns_the_exact_picture(void **state)
{
    (void)state;
    undo_in_gimp();
    wait_value(IN_FIRST, 1, "the layer to be undone");
    save_flat("first", "undone.png");
    assert_int_equal(differing("undone.png", "first.png", NULL), 0);
    assert_int_equal(session_ask_int("(te-has-history first)"), 0);
}

/* ---- selection ------------------------------------------------------------------------------- */

static void a_selection_is_all_that_changes(void **state)
{
    const area selected = {40, 30, 80, 60};
    (void)state;
    session_do("(gimp-image-select-rectangle first CHANNEL-OP-REPLACE 40 30 80 60)");
    part_wait("Selection, 80 × 60 pixels");
    assert_drawn("Edit the selection only");
    session_keys(panel, "alt+s"); /* off, and on again by mouse */
    part_wait("Whole layer, 200");
    part_click(panel, "Edit the selection only");
    part_wait("Selection, 80 × 60 pixels");
    save_flat("first", "selection-before.png");
    generate();
    wait_value(IN_FIRST, 2, "the result layer");
    part_wait("Done in"); /* the layer's mask comes after the layer */
    save_flat("first", "selection-after.png");
    int changed = differing("selection-before.png", "selection-after.png", &selected);
    if (changed <= 100) fail_msg("only %d pixels were edited", changed);
    assert_int_equal(session_ask_int("(te-has-mask (te-top first))"), 1);
    undo_in_gimp();
    wait_value(IN_FIRST, 1, "the layer to be undone");
    session_do("(gimp-selection-none first)");
    part_wait("Whole layer, 200");
}

/* Chooses what becomes of a result: KEY moves through the list. */
static void turn_output(const char *key)
{
    session_keys(panel, "alt+r");
    session_keys(panel, key);
}

static void replacing_is_one_undo_step_too(void **state)
{
    const area selected = {40, 30, 80, 60};
    (void)state;
    session_do("(gimp-image-select-rectangle first CHANNEL-OP-REPLACE 40 30 80 60)");
    part_wait("Selection, 80 × 60 pixels");
    turn_output("Down");
    save_flat("first", "replace-before.png");
    generate();
    wait_value("(te-has-history first)", 1, "the layer to be replaced");
    wait_idle();
    save_flat("first", "replace-after.png");
    int changed = differing("replace-before.png", "replace-after.png", &selected);
    if (changed <= 100) fail_msg("only %d pixels were edited", changed);
    assert_int_equal(session_ask_int(IN_FIRST), 1);
    undo_in_gimp();
    wait_value("(te-has-history first)", 0, "the replacing to be undone");
    save_flat("first", "replace-undone.png");
    assert_int_equal(differing("replace-before.png", "replace-undone.png", NULL), 0);
    assert_int_equal(session_ask_int("(te-selected first)"), 1);
    turn_output("Up");
    session_do("(gimp-selection-none first)");
    part_wait("Whole layer, 200");
}

static void write_variations(const char *number)
{
    session_keys(panel, "alt+v");
    session_keys(panel, "ctrl+a");
    session_type(panel, number);
    session_keys(panel, "Tab");
    part_wait_text("Variations", number);
}

static char *seed_of(const char *layer)
{
    g_autofree char *expression = g_strdup_printf("(te-record %s)", layer);
    g_autofree char *record = ask_text(expression);
    const char *seed = strstr(record, "\"seed\":");
    assert_non_null(seed);
    return g_strndup(seed, strcspn(seed, ","));
}

static void variations_have_seeds_of_their_own(void **state)
{
    (void)state;
    write_variations("2");
    generate();
    wait_value(IN_FIRST, 3, "two variations");
    wait_idle();
    g_autofree char *one = seed_of("(cadr (te-layers first))"), *two = seed_of("(te-top first)");
    assert_string_not_equal(one, two);
    write_variations("1");
    undo_in_gimp();
    wait_value(IN_FIRST, 2, "the second variation to be undone");
    undo_in_gimp();
    wait_value(IN_FIRST, 1, "the first variation to be undone");
}

/* ---- history --------------------------------------------------------------------------------- */

static void the_history_repeats_reuses_and_deletes(void **state)
{
    (void)state;
    write_instruction("make it night");
    generate();
    wait_value(IN_FIRST, 2, "the first layer");
    wait_idle();
    save_flat("first", "night.png");
    part_wait("make it night · ");
    session_keys(panel, "alt+o"); /* start over from what it was made of */
    part_wait("first.png · ");
    write_instruction("something else");
    part_click(panel, "History");
    part_wait("make it night");
    session_keep_screen(panel, "panel-history.png");
    part_click(panel, "Reuse settings");
    part_wait_text("Instruction", "make it night");
    g_autofree char *history = ask_text("(te-history first)"), *seed = part_text("Seed");
    g_autofree char *recorded = g_strdup_printf("\"seed\":%s", seed);
    assert_non_null(strstr(history, recorded));
    part keep = part_wait("Keep");
    assert_true(keep.checked);
    part_click(panel, "Apply again");
    wait_value(IN_FIRST, 3, "the edit to be applied again");
    wait_idle();
    save_flat("first", "night-again.png");
    assert_int_equal(differing("night.png", "night-again.png", NULL), 0);
    assert_int_equal(session_ask_int("(te-chosen first (te-top first))"), 1); /* it lies on top */
    session_keys(panel, "alt+2");
    part_click(panel, "Delete");
    part_click(panel, "Delete");
    part_wait("Edits of this image will be listed here.");
    g_autofree char *rest = ask_text("(te-history first)");
    assert_null(strstr(rest, "make it night"));
    assert_int_equal(session_ask_int(IN_FIRST), 3); /* their layers stay */
    session_keys(panel, "alt+1");
    part_click(panel, "Keep");
    session_keys(panel, "alt+o");
    part_wait("make it night #1 · ");
}

/* ---- the queue --------------------------------------------------------------------------- */

static void edits_wait_their_turn(void **state)
{
    (void)state;
    int layers = session_ask_int(IN_FIRST);
    generate_held();
    session_keys(panel, "ctrl+Return");
    session_keys(panel, "ctrl+Return");
    part_wait("Starting… · 2 more waiting");
    signal_server(SIGCONT); /* soon: half a minute of silence counts as the server's death */
    wait_value(IN_FIRST, layers + 3, "all three edits");
    part_wait("Done in");
    generate_held();
    session_keys(panel, "ctrl+Return");
    assert_drawn("Cancel all");
    session_keep_screen(panel, "panel-queue.png");
    part_click(panel, "Cancel all");
    part_wait("Cancelled.");
    session_wait(is_hidden, "Cancel all", "nothing to wait any more");
    signal_server(SIGCONT);
    wait_for_job(false);
    assert_int_equal(session_ask_int(IN_FIRST), layers + 3);
}

/* ---- another image ----------------------------------------------------------------------- */

static void a_second_menu_call_goes_to_the_same_panel(void **state)
{
    (void)state;
    g_autofree char *path = session_path("second.png");
    g_autofree char *open =
        g_strdup_printf("(define second (te-load \"%s\")) (define view (te-show second))", path);
    session_do(open);
    call_menu();
    const seen thumbnail = {GREEN, 2000};
    session_wait(panel_shows, &thumbnail, "the other image's thumbnail in the panel");
    session_wait(one_plugin_runs, NULL, "the process of the second call to end");
}

static void gimp_answers_while_an_edit_runs(void **state)
{
    (void)state;
    generate_held();
    session_keys(gimp, "ctrl+a");
    wait_value("(te-selected second)", 1, "GIMP to select all while an edit runs");
    session_keys(gimp, "ctrl+shift+a");
    wait_value("(te-selected second)", 0, "GIMP to select nothing while an edit runs");
    session_keys(panel, "Escape");
    part_wait("Cancelled. Nothing was changed.");
    signal_server(SIGCONT);
    wait_for_job(false);
    assert_int_equal(session_ask_int(IN_SECOND), 1);
}

/* ---- what can go wrong ------------------------------------------------------------------- */

static void a_killed_server_is_told_and_tried_again(void **state)
{
    (void)state;
    int layers = session_ask_int(IN_SECOND);
    wait_idle();
    session_keys(panel, "ctrl+Return"); /* the stand-in's edits are short */
    wait_for_job(true);
    signal_server(SIGKILL);
    part_wait("The engine stopped in the middle of the edit");
    assert_drawn("Try again");
    session_keep_screen(panel, "panel-failed.png");
    session_keys(panel, "alt+y");
    wait_value(IN_SECOND, layers + 1, "the edit after Try again");
    wait_idle();
}

/* Ends the server, so that it must look at the model's file anew. */
static void assert_model_refused(const char *sentence)
{
    signal_server(SIGKILL);
    session_keys(panel, "ctrl+Return");
    part_wait(sentence);
}

static void a_missing_or_damaged_model_is_told(void **state)
{
    (void)state;
    int layers = session_ask_int(IN_SECOND);
    g_autofree char *model = session_path("model.gguf"), *away = session_path("away.gguf");
    assert_int_equal(g_rename(model, away), 0);
    g_autofree char *missing = g_strdup_printf("The edit failed: %s: No such file", model);
    assert_model_refused(missing);
    session_keep_screen(panel, "panel-no-model.png");
    assert_true(g_file_set_contents(model, "no model at all, this", -1, NULL));
    g_autofree char *damaged = g_strdup_printf("The edit failed: %s: not a GGUF file", model);
    assert_model_refused(damaged);
    assert_int_equal(g_rename(away, model), 0);
    session_keys(panel, "alt+y");
    wait_value(IN_SECOND, layers + 1, "the edit with the model in its place again");
    wait_idle();
}

/* The server may have half a megabyte more than it has: the stand-in's edit needs twice as much. */
static rlim_t address_space(pid_t process)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/statm", (int)process), *pages = NULL;
    assert_true(g_file_get_contents(path, &pages, NULL, NULL));
    return (rlim_t)g_ascii_strtoull(pages, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void too_little_memory_is_told(void **state)
{
    (void)state;
    int layers = session_ask_int(IN_SECOND);
    pid_t server = session_server();
    struct rlimit all, little;
    wait_idle();
    assert_int_equal(prlimit(server, RLIMIT_AS, NULL, &all), 0);
    little = (struct rlimit){address_space(server) + (512 << 10), all.rlim_max};
    assert_int_equal(prlimit(server, RLIMIT_AS, &little, NULL), 0);
    session_keys(panel, "ctrl+Return");
    part_wait("There is too little memory: this edit needs ");
    g_autofree char *said = part_text("There is too little memory");
    assert_non_null(strstr(said, " are free; ")); /* and what to do */
    assert_non_null(strstr(said, "close other programs"));
    session_keep_screen(panel, "panel-memory.png");
    assert_int_equal(prlimit(server, RLIMIT_AS, &all, NULL), 0);
    session_keys(panel, "alt+y");
    wait_value(IN_SECOND, layers + 1, "the edit with memory again");
    wait_idle();
}

static void a_deleted_layer_loses_no_result(void **state)
{
    (void)state;
    int layers = session_ask_int(IN_SECOND);
    generate_held();
    session_do("(define doomed (te-layer second)) (gimp-image-remove-layer second doomed)");
    signal_server(SIGCONT);
    wait_value(IN_SECOND, layers, "the result in the place of the deleted layer");
    part_wait("The layer was deleted meanwhile");
    g_autofree char *record = ask_text("(te-record (te-top second))");
    assert_non_null(strstr(record, "\"instruction\""));
}

static void a_locked_layer_is_refused_with_advice(void **state)
{
    (void)state;
    turn_output("Down"); /* the result replaces the layer */
    session_do("(gimp-item-set-lock-content (te-layer second) TRUE)");
    session_keys(panel, "ctrl+Return");
    part_wait("The layer's pixels are locked: unlock them");
    session_do("(gimp-item-set-lock-content (te-layer second) FALSE)");
    turn_output("Up");
}

/* A folder in the file's place stands for whatever keeps a disk from taking it. */
static void what_cannot_be_kept_is_told(void **state)
{
    (void)state;
    g_autofree char *settings = session_path("config/thinkedit/panel.json");
    assert_int_equal(g_unlink(settings), 0);
    assert_int_equal(g_mkdir(settings, 0700), 0);
    write_instruction("make it autumn");
    part_wait("What you write here cannot be kept");
    assert_int_equal(g_rmdir(settings), 0);
    write_instruction("make it winter");
}

static void closing_the_image_loses_no_result(void **state)
{
    (void)state;
    int images = session_ask_int(OPEN);
    generate_held();
    session_do("(gimp-display-delete view)");
    wait_value(OPEN, images - 1, "the image to be closed");
    signal_server(SIGCONT);
    wait_value(OPEN, images, "the result as a new image");
    part_wait("The image was closed meanwhile");
    wait_idle(); /* the panel goes on with the new image */
    session_keep_screen(panel, "panel-closed-image.png");
}

/* ---- the end ----------------------------------------------------------------------------- */

static void closing_the_panel_ends_its_process(void **state)
{
    (void)state;
    session_close_window(panel);
    session_wait(plugin_is_gone, NULL, "the panel's process to end");
}

static bool gimp_is_gone(const void *unused)
{
    (void)unused;
    return session_gimp_gone();
}

static void quitting_gimp_cancels_the_edit(void **state)
{
    (void)state;
    call_menu();
    panel = session_window(PANEL);
    part_wait_text("Instruction", "make it winter"); /* the draft was kept */
    generate_held();
    g_free(session_try("(gimp-quit TRUE)"));
    session_wait(gimp_is_gone, NULL, "GIMP to quit");
    session_wait(plugin_is_gone, NULL, "the panel's process to end with GIMP");
    signal_server(SIGCONT);
    wait_for_job(false);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--keep") && i + 1 < argc)
            session_keep = argv[++i];
        else
            session_version = argv[i];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_menu_opens_the_panel_for_the_layer),
        cmocka_unit_test(words_become_a_layer_and_a_record),
        cmocka_unit_test(a_recent_prompt_comes_back),
        cmocka_unit_test(the_timeline_goes_back),
        cmocka_unit_test(copied_words_can_be_pasted),
        cmocka_unit_test(the_reasoning_becomes_a_text_layer),
        cmocka_unit_test(an_xcf_keeps_the_reasoning),
        cmocka_unit_test(one_undo_returns_the_exact_picture),
        cmocka_unit_test(a_selection_is_all_that_changes),
        cmocka_unit_test(replacing_is_one_undo_step_too),
        cmocka_unit_test(variations_have_seeds_of_their_own),
        cmocka_unit_test(the_history_repeats_reuses_and_deletes),
        cmocka_unit_test(edits_wait_their_turn),
        cmocka_unit_test(a_second_menu_call_goes_to_the_same_panel),
        cmocka_unit_test(gimp_answers_while_an_edit_runs),
        cmocka_unit_test(a_killed_server_is_told_and_tried_again),
        cmocka_unit_test(a_missing_or_damaged_model_is_told),
        cmocka_unit_test(too_little_memory_is_told),
        cmocka_unit_test(a_deleted_layer_loses_no_result),
        cmocka_unit_test(a_locked_layer_is_refused_with_advice),
        cmocka_unit_test(what_cannot_be_kept_is_told),
        cmocka_unit_test(closing_the_image_loses_no_result),
        cmocka_unit_test(closing_the_panel_ends_its_process),
        cmocka_unit_test(quitting_gimp_cancels_the_edit),
    };
    return cmocka_run_group_tests(tests, panel_set_up, panel_tear_down);
}

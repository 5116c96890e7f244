/* The window in an X server of its own, without GIMP: what its parts are called, that they can be
 * read in every theme, what is asked of its owner, and what is seen of an edit. Parts are found by
 * the names that assistive programs are given.
 *
 * test_ui_panel [--keep FOLDER]: pictures of the window stay in FOLDER.
 */
#include "testing.h"
#include "ui/settings.h"
#include "window.h"

#include <locale.h>
#include <math.h>

/* ---- names ------------------------------------------------------------------------------- */

static void assert_named(GtkWidget *widget, void *count)
{
    const GType kinds[] = {GTK_TYPE_BUTTON,   GTK_TYPE_ENTRY,     GTK_TYPE_TEXT_VIEW,
                           GTK_TYPE_RANGE,    GTK_TYPE_COMBO_BOX, GTK_TYPE_PROGRESS_BAR,
                           GTK_TYPE_LIST_BOX, GTK_TYPE_IMAGE,     GTK_TYPE_DRAWING_AREA};
    bool counts = false;
    for (size_t i = 0; i < TEST_LENGTH(kinds); i++)
        counts |= g_type_is_a(G_OBJECT_TYPE(widget), kinds[i]);
    if (!counts || gtk_widget_get_ancestor(widget, GTK_TYPE_LIST_BOX_ROW)) return;
    ++*(int *)count;
    if (*window_name_of(widget)) return;
    GdkRectangle at = window_place(widget);
    fail_msg("the %s at %d,%d has no name", G_OBJECT_TYPE_NAME(widget), at.x, at.y);
}

static void every_part_has_a_name(void **state)
{
    (void)state;
    window_begin_edit();
    window_end_edit();
    ti_panel_set_waiting(window_panel, 2);
    ti_panel_failed(window_panel, "It stopped.", true);
    for (int page = 0; page < 3; page++) {
        int n = 0;
        window_show_page(page);
        window_visit(ti_panel_window(window_panel), assert_named, &n);
        if (n < 18) fail_msg("only %d parts on page %d", n, page);
    }
}

/* With all that can be on show at once: where 768 pixels are all there is, GIMP's own title bar
 * among them. */
static void it_fits_a_small_screen(void **state)
{
    int height = 0;
    (void)state;
    window_begin_edit();
    window_end_edit();
    ti_panel_failed(window_panel,
                    "The engine stopped in the middle of the edit; nothing was changed: try again.",
                    true);
    for (int page = 0; page < 3; page++) {
        window_show_page(page);
        gtk_widget_get_preferred_height(ti_panel_window(window_panel), &height, NULL);
        if (height > 740) fail_msg("page %d needs %d pixels", page, height);
    }
}

/* ---- legible in every theme -------------------------------------------------------------- */

/* Relative luminance, as the Web Content Accessibility Guidelines have it. */
static double luminance(guint32 rgb)
{
    const double weight[3] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int c = 0; c < 3; c++) {
        double v = (rgb >> (16 - 8 * c) & 255) / 255.0;
        sum += weight[c] * (v <= 0.03928 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return sum;
}

typedef struct reading {
    cairo_surface_t *shot;
    double least; /* contrast that is asked for */
    int n;
    const char *theme;
} reading;

/* Where words are there is ink, and it stands out from what is around it. */
static void assert_legible(GtkWidget *widget, void *user)
{
    reading *r = user;
    if (!GTK_IS_LABEL(widget) || !gtk_widget_is_sensitive(widget)) return;
    if (!*gtk_label_get_text(GTK_LABEL(widget))) return;
    GdkRectangle place = window_place(widget), all = {0, 0, cairo_image_surface_get_width(r->shot),
                                                      cairo_image_surface_get_height(r->shot)};
    if (!gdk_rectangle_intersect(&place, &all, &place)) return;
    double low = 1, high = 0;
    for (int y = place.y; y < place.y + place.height; y++)
        for (int x = place.x; x < place.x + place.width; x++) {
            double l = luminance(window_pixel(r->shot, x, y));
            low = MIN(low, l);
            high = MAX(high, l);
        }
    double contrast = (high + 0.05) / (low + 0.05);
    if (contrast < r->least)
        fail_msg("%s: \"%s\" has a contrast of %.1f only", r->theme,
                 gtk_label_get_text(GTK_LABEL(widget)), contrast);
    r->n++;
}

static void assert_all_legible(const char *theme, double least, const char *what)
{
    for (int page = 0; page < 3; page++) {
        g_autofree char *name = g_strdup_printf("%s-%s-%d", theme, what, page);
        window_show_page(page);
        reading r = {window_look(name), least, 0, theme};
        window_visit(ti_panel_window(window_panel), assert_legible, &r);
        cairo_surface_destroy(r.shot);
        if (r.n < 14) fail_msg("only %d texts on page %d", r.n, page);
    }
}

static void every_word_can_be_read_in_every_theme(void **state)
{
    static const struct {
        const char *name;
        double contrast;
    } themes[] = {{"HighContrast", 4.5}, {"HighContrastInverse", 4.5}, {"Adwaita", 3}};
    (void)state;
    for (size_t i = 0; i < TEST_LENGTH(themes); i++) {
        g_object_set(gtk_settings_get_default(), "gtk-theme-name", themes[i].name, NULL);
        window_write_instruction("make it winter");
        window_begin_edit();
        assert_all_legible(themes[i].name, themes[i].contrast, "working");
        window_end_edit();
        ti_panel_failed(window_panel, "The engine stopped in the middle of the edit: try again.",
                        true);
        assert_all_legible(themes[i].name, themes[i].contrast, "failed");
    }
}

/* ---- prompts ----------------------------------------------------------------------------- */

/* Opens the menu of prompts and chooses the item called NAME. */
static void choose_prompt(const char *name)
{
    window_press("Prompts");
    g_autoptr(GList) windows = gtk_window_list_toplevels();
    GtkWidget *menu = NULL, *found = NULL;
    for (GList *w = windows; w; w = w->next) {
        GtkWidget *child = gtk_bin_get_child(GTK_BIN(w->data));
        if (child && GTK_IS_MENU(child) && gtk_widget_get_mapped(child)) menu = child;
    }
    if (!menu) fail_msg("no menu opened");
    g_autoptr(GList) items = gtk_container_get_children(GTK_CONTAINER(menu));
    for (GList *item = items; item; item = item->next) {
        const char *label = gtk_menu_item_get_label(GTK_MENU_ITEM(item->data));
        if (label && !strcmp(label, name)) found = item->data;
    }
    if (!found) fail_msg("the menu has no \"%s\"", name);
    assert_true(gtk_widget_is_sensitive(found));
    gtk_menu_shell_activate_item(GTK_MENU_SHELL(menu), found, TRUE);
    window_settle();
}

static void prompts_are_kept_and_come_back(void **state)
{
    (void)state;
    window_write_instruction("make it winter,\nwith snow on the roof");
    choose_prompt("_Save this prompt");
    window_write_instruction("make it night");
    window_press("Generate");
    assert_int_equal(window_notes.generated, 1);
    window_close();
    window_open();
    window_assert_says("Instruction", "make it night");
    choose_prompt("make it winter,\nwith snow on the roof");
    window_assert_says("Instruction", "make it winter,\nwith snow on the roof");
    choose_prompt("_Forget this saved prompt");
    choose_prompt("make it night");
    window_assert_says("Instruction", "make it night");
    window_close();
    ti_settings *kept = ti_settings_load(window_file);
    assert_int_equal(kept->saved->len, 0);
    ti_settings_free(kept);
    window_open();
}

/* What would be lost is on the disk before anybody asks. */
static void what_is_written_survives_a_kill(void **state)
{
    (void)state;
    window_write_instruction("make it autumn");
    gtk_spin_button_set_value(GTK_SPIN_BUTTON(window_find(GTK_TYPE_SPIN_BUTTON, "Variations")), 3);
    for (gint64 end = g_get_monotonic_time() + G_USEC_PER_SEC; g_get_monotonic_time() < end;)
        window_settle();
    ti_settings *kept = ti_settings_load(window_file);
    assert_string_equal(kept->draft, "make it autumn");
    assert_int_equal(kept->variations, 3);
    ti_settings_free(kept);
}

/* ---- what is asked for ------------------------------------------------------------------- */

static void settings_become_a_request(void **state)
{
    (void)state;
    GtkWidget *seed = window_find(GTK_TYPE_ENTRY, "Seed");
    assert_false(
        gtk_widget_is_sensitive(window_find(GTK_TYPE_BUTTON, "Generate"))); /* nothing is written */
    window_write_instruction("  make it autumn\n");
    window_press("Generate");
    assert_string_equal(window_notes.instruction, "make it autumn");
    assert_string_equal(window_notes.options, "preset=balanced");
    assert_int_equal(window_notes.request.seed, -1);
    assert_int_equal(window_notes.request.variations, 1);
    assert_true(window_notes.request.use_selection);
    gtk_combo_box_set_active_id(GTK_COMBO_BOX(window_find(GTK_TYPE_COMBO_BOX, "Quality")), "fast");
    gtk_combo_box_set_active(GTK_COMBO_BOX(window_find(GTK_TYPE_COMBO_BOX, "Result")),
                             TI_OUTPUT_REPLACE);
    gtk_spin_button_set_value(GTK_SPIN_BUTTON(window_find(GTK_TYPE_SPIN_BUTTON, "Variations")), 4);
    gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(window_find(GTK_TYPE_CHECK_BUTTON, "Keep")),
                                 TRUE);
    gtk_toggle_button_set_active(
        GTK_TOGGLE_BUTTON(window_find(GTK_TYPE_CHECK_BUTTON, "Edit the selection")), FALSE);
    gtk_entry_set_text(GTK_ENTRY(seed), "");
    int at = 0;
    gtk_editable_insert_text(GTK_EDITABLE(seed), "12x", -1, &at); /* no number: not taken */
    gtk_editable_insert_text(GTK_EDITABLE(seed), "12", -1, &at);
    window_show_page(2);
    GtkSpinButton *steps = GTK_SPIN_BUTTON(window_find(GTK_TYPE_SPIN_BUTTON, "Denoising steps"));
    assert_true(gtk_spin_button_get_value(steps) == 8); /* the preset's */
    gtk_spin_button_set_value(steps, 20);
    window_press("Generate");
    assert_string_equal(window_notes.options, "preset=fast text-steps=20");
    assert_int_equal(window_notes.request.seed, 12);
    assert_int_equal(window_notes.request.variations, 4);
    assert_int_equal(window_notes.request.output, TI_OUTPUT_REPLACE);
    assert_false(window_notes.request.use_selection);
    window_show_page(2);
    window_press("Back to the preset");
    window_press("Generate");
    assert_string_equal(window_notes.options, "preset=fast");
}

/* ---- what is seen of an edit ------------------------------------------------------------- */

static void assert_cancel_is_at_hand(void)
{
    GtkWidget *button = window_find(GTK_TYPE_BUTTON, "Cancel");
    GdkRectangle place = window_place(button), window = window_place(ti_panel_window(window_panel)),
                 seen;
    assert_true(gtk_widget_is_sensitive(button));
    assert_true(gdk_rectangle_intersect(&place, &window, &seen) &&
                gdk_rectangle_equal(&place, &seen));
}

static void cancel_is_always_at_hand(void **state)
{
    (void)state;
    gtk_window_resize(GTK_WINDOW(ti_panel_window(window_panel)), 1, 1); /* as small as it goes */
    assert_false(gtk_widget_is_sensitive(window_find(GTK_TYPE_BUTTON, "Cancel")));
    ti_panel_submitted(window_panel, 1, 1);
    for (int page = 0; page < 3; page++) {
        window_show_page(page);
        assert_cancel_is_at_hand();
    }
    ti_panel_queued(window_panel, 3);
    assert_cancel_is_at_hand();
    window_begin_edit();
    ti_panel_notice(
        window_panel,
        "A sentence that needs several lines where the window is as narrow as it can be.");
    assert_cancel_is_at_hand();
    ti_panel_applying(window_panel);
    assert_cancel_is_at_hand();
    window_press("Cancel");
    assert_int_equal(window_notes.cancelled, 1);
    assert_false(gtk_widget_is_sensitive(window_find(GTK_TYPE_BUTTON, "Cancel")));
}

static bool tagged(GtkTextBuffer *buffer, int offset, const char *property)
{
    GtkTextIter at;
    gboolean set = FALSE;
    gtk_text_buffer_get_iter_at_offset(buffer, &at, offset);
    GSList *tags = gtk_text_iter_get_tags(&at);
    for (GSList *t = tags; t && !set; t = t->next) g_object_get(t->data, property, &set, NULL);
    g_slist_free(tags);
    return set;
}

static void an_edit_is_seen_as_it_comes_about(void **state)
{
    (void)state;
    window_begin_edit();
    window_find(GTK_TYPE_LABEL, "Step 12 of 24 · 0:09 · 0:09 left");
    window_assert_says("Reasoning", "the sky " WINDOW_BLOCK " red");
    GtkTextBuffer *text = window_buffer("Reasoning");
    assert_true(tagged(text, 8, "scale-set")); /* the block */
    assert_false(tagged(text, 4, "scale-set"));
    if (window_count(WINDOW_RED) < 2000) fail_msg("the preview is not drawn");
    double fraction = gtk_progress_bar_get_fraction(
        GTK_PROGRESS_BAR(window_find(GTK_TYPE_PROGRESS_BAR, "Progress")));
    assert_true(fraction == 0.5);
}

/* Words and regions that became known in a step are marked together. */
static void the_timeline_marks_words_and_regions(void **state)
{
    (void)state;
    g_autoptr(GdkPixbuf) red = window_red_picture();
    window_begin_edit();
    window_end_edit();
    int else_where = window_count(WINDOW_OUTLINE); /* in an icon, say */
    GtkRange *slider = GTK_RANGE(window_find(GTK_TYPE_SCALE, "Denoising step"));
    gtk_range_set_value(slider, 1);
    assert_int_equal(window_notes.step, 0);
    ti_panel_step_picture(window_panel, 0, red);
    window_assert_says("Reasoning", "the " WINDOW_BLOCK);
    GtkTextBuffer *text = window_buffer("Reasoning");
    assert_true(tagged(text, 1, "underline-set"));
    assert_false(tagged(text, 4, "underline-set"));
    int two_cells = window_count(WINDOW_OUTLINE) - else_where;
    assert_true(two_cells > 50);
    gtk_range_set_value(slider, 2);
    window_assert_says("Reasoning", "the sky");
    assert_false(tagged(text, 1, "underline-set"));
    assert_true(tagged(text, 5, "underline-set"));
    int one_cell = window_count(WINDOW_OUTLINE) - else_where;
    assert_true(one_cell > 20 && one_cell < two_cells);
}

static void the_history_has_thumbnails(void **state)
{
    (void)state;
    window_begin_edit();
    window_end_edit();
    window_show_page(1);
    window_find(GTK_TYPE_LABEL, "make it winter");
    if (window_count(WINDOW_RED) < 48 * 48) fail_msg("there is no thumbnail");
    window_write_instruction("something else");
    window_press("Reuse settings");
    window_assert_says("Instruction", "make it winter");
    window_press("Generate");
    assert_string_equal(window_notes.options, "preset=balanced text-steps=8 strategy=sequential");
    assert_int_equal(window_notes.request.seed, 7);
}

static void a_layers_edit_is_shown_with_its_settings(void **state)
{
    (void)state;
    ti_entry *entry = ti_entry_new("00ff");
    entry->instruction = g_strdup("make it winter");
    entry->options = g_strdup("{\"text-steps\":8,\"strategy\":\"parallel\",\"seed\":7}");
    entry->reasoning = g_strdup("the sky");
    entry->model = g_strdup("small");
    entry->seed = 7;
    ti_panel_show_entry(window_panel, entry);
    window_assert_says("Reasoning", "the sky");
    window_find(GTK_TYPE_LABEL, "“make it winter” · seed 7 · small · text-steps 8");
    ti_panel_show_entry(window_panel, NULL);
    window_assert_says("Reasoning", "");
    ti_entry_free(entry);
}

/* ---- languages --------------------------------------------------------------------------- */

static void it_speaks_other_languages(void **state)
{
    static const struct {
        const char *language, *generate, *cancel;
    } cases[] = {{"de", "Erzeugen", "Abbrechen"},
                 {"ja", "生成", "キャンセル"},
                 {"en", "Generate", "Cancel"}};
    (void)state;
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        window_close();
        g_setenv("LANGUAGE", cases[i].language, TRUE);
        assert_non_null(setlocale(LC_ALL, "")); /* whoever translated before is forgotten */
        window_open();
        window_find(GTK_TYPE_BUTTON, cases[i].generate);
        window_find(GTK_TYPE_BUTTON, cases[i].cancel);
        cairo_surface_destroy(window_look(cases[i].language));
        int width = 0;
        gtk_widget_get_preferred_width(gtk_bin_get_child(GTK_BIN(ti_panel_window(window_panel))),
                                       &width, NULL);
        if (width > 520) fail_msg("%s: the panel needs %d pixels", cases[i].language, width);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--keep")) window_keep_folder = argv[2];
#define WITH_PANEL(test) cmocka_unit_test_setup_teardown(test, window_set_up, window_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_PANEL(every_part_has_a_name),
        WITH_PANEL(it_fits_a_small_screen),
        WITH_PANEL(every_word_can_be_read_in_every_theme),
        WITH_PANEL(prompts_are_kept_and_come_back),
        WITH_PANEL(what_is_written_survives_a_kill),
        WITH_PANEL(settings_become_a_request),
        WITH_PANEL(cancel_is_always_at_hand),
        WITH_PANEL(an_edit_is_seen_as_it_comes_about),
        WITH_PANEL(the_timeline_marks_words_and_regions),
        WITH_PANEL(the_history_has_thumbnails),
        WITH_PANEL(a_layers_edit_is_shown_with_its_settings),
        WITH_PANEL(it_speaks_other_languages),
    };
    return cmocka_run_group_tests(tests, window_display_start, window_display_stop);
}

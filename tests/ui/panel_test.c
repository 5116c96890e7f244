/* The window in an X server of its own, without GIMP: what its parts are called, that they can be
 * read in every theme, what is asked of its owner, and what is seen of an edit. Parts are found by
 * the names that assistive programs are given.
 *
 * test_ui_panel [--keep FOLDER]: pictures of the window stay in FOLDER.
 */
#include "testing.h"
#include "ui/i18n.h"
#include "ui/panel.h"
#include "ui/settings.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>

#ifdef __SANITIZE_ADDRESS__
/* GTK keeps what it has for good. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

#define BLOCK "\xe2\x96\x88" /* U+2588, a masked word */

enum { RED = 0xc81e1e, OUTLINE = 0xffd933 };

static const char *keep_folder;
static GSubprocess *xvfb;
static char *folder, *file; /* of the panel's settings */
static ti_panel *panel;

/* ---- the owner, who takes notes ---------------------------------------------------------- */

static struct {
    char *instruction, *options;
    ti_panel_request request;
    int generated, cancelled, step;
} notes;

static void on_generate(void *user, const ti_panel_request *request)
{
    (void)user;
    g_free(notes.instruction);
    g_free(notes.options);
    notes.instruction = g_strdup(request->instruction);
    notes.options = g_strdup(request->options);
    notes.request = *request;
    notes.generated++;
}

static void on_cancel(void *user, bool all)
{
    (void)user;
    (void)all;
    notes.cancelled++;
    ti_panel_cancelled(panel);
}

static void on_step(void *user, int step)
{
    (void)user;
    notes.step = step;
}

static void on_text(void *user, const char *text)
{
    (void)user;
    (void)text;
}

static void on_nothing(void *user)
{
    (void)user;
}

/* ---- finding and looking ----------------------------------------------------------------- */

static void settle(void)
{
    for (int quiet = 0; quiet < 3; quiet++) {
        g_usleep(5000);
        while (gtk_events_pending()) gtk_main_iteration();
    }
}

static const char *name_of(GtkWidget *widget)
{
    const char *name = atk_object_get_name(gtk_widget_get_accessible(widget));
    return name ? name : "";
}

typedef void (*visit_fn)(GtkWidget *widget, void *user);

/* Every part that is on show, the parts' inner ones included. */
static void visit(GtkWidget *widget, visit_fn each, void *user)
{
    if (!gtk_widget_get_mapped(widget)) return;
    each(widget, user);
    if (!GTK_IS_CONTAINER(widget)) return;
    g_autoptr(GList) children = gtk_container_get_children(GTK_CONTAINER(widget));
    for (GList *child = children; child; child = child->next) visit(child->data, each, user);
}

typedef struct wanted {
    const char *name;
    GType type;
    GtkWidget *found;
} wanted;

static void match(GtkWidget *widget, void *user)
{
    wanted *w = user;
    if (!w->found && g_type_is_a(G_OBJECT_TYPE(widget), w->type) &&
        g_str_has_prefix(name_of(widget), w->name))
        w->found = widget;
}

/* The part of TYPE whose name begins with NAME. */
static GtkWidget *find(GType type, const char *name)
{
    wanted w = {name, type, NULL};
    settle();
    visit(ti_panel_window(panel), match, &w);
    if (!w.found) fail_msg("there is no %s called \"%s\"", g_type_name(type), name);
    return w.found;
}

static void press(const char *name)
{
    gtk_button_clicked(GTK_BUTTON(find(GTK_TYPE_BUTTON, name)));
    settle();
}

static GtkTextBuffer *buffer_of(const char *name)
{
    return gtk_text_view_get_buffer(GTK_TEXT_VIEW(find(GTK_TYPE_TEXT_VIEW, name)));
}

static void write_instruction(const char *text)
{
    gtk_text_buffer_set_text(buffer_of("Instruction"), text, -1);
}

static void assert_says(const char *name, const char *text)
{
    GtkTextIter start, end;
    GtkTextBuffer *buffer = buffer_of(name);
    gtk_text_buffer_get_bounds(buffer, &start, &end);
    g_autofree char *said = gtk_text_buffer_get_text(buffer, &start, &end, FALSE);
    assert_string_equal(said, text);
}

/* The window as it is drawn. */
static cairo_surface_t *look(const char *name)
{
    GtkWidget *window = ti_panel_window(panel);
    settle();
    cairo_surface_t *shot =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, gtk_widget_get_allocated_width(window),
                                   gtk_widget_get_allocated_height(window));
    cairo_t *cr = cairo_create(shot);
    gtk_widget_draw(window, cr);
    cairo_destroy(cr);
    cairo_surface_flush(shot);
    if (keep_folder && name) {
        g_autofree char *path = g_strdup_printf("%s/%s.png", keep_folder, name);
        assert_int_equal(cairo_surface_write_to_png(shot, path), CAIRO_STATUS_SUCCESS);
    }
    return shot;
}

static guint32 pixel(cairo_surface_t *shot, int x, int y)
{
    const guchar *row =
        cairo_image_surface_get_data(shot) + y * cairo_image_surface_get_stride(shot);
    return ((const guint32 *)(const void *)row)[x] & 0xffffff;
}

static GdkRectangle place_of(GtkWidget *widget)
{
    GdkRectangle r = {0, 0, gtk_widget_get_allocated_width(widget),
                      gtk_widget_get_allocated_height(widget)};
    gtk_widget_translate_coordinates(widget, ti_panel_window(panel), 0, 0, &r.x, &r.y);
    return r;
}

/* Whether it is COLOUR, drawn where no pixel ends, too. */
static bool is_alike(guint32 rgb, guint32 colour)
{
    for (int shift = 0; shift < 24; shift += 8)
        if (abs((int)(rgb >> shift & 255) - (int)(colour >> shift & 255)) > 40) return false;
    return true;
}

static int pixels_of(guint32 colour)
{
    cairo_surface_t *shot = look(NULL);
    int n = 0;
    for (int y = 0; y < cairo_image_surface_get_height(shot); y++)
        for (int x = 0; x < cairo_image_surface_get_width(shot); x++)
            n += is_alike(pixel(shot, x, y), colour);
    cairo_surface_destroy(shot);
    return n;
}

/* ---- the window -------------------------------------------------------------------------- */

static const char info[] =
    "{\"model\":{\"name\":\"small\",\"device\":\"cpu\"},\"problem\":null,\"options\":["
    "{\"name\":\"text-steps\",\"type\":\"int\",\"min\":1,\"max\":4096,"
    "\"summary\":\"denoising steps of the reasoning\",\"default\":24},"
    "{\"name\":\"strategy\",\"type\":\"choice\",\"choices\":[\"parallel\",\"sequential\"],"
    "\"summary\":\"in which order reasoning and picture appear\",\"default\":\"parallel\"}],"
    "\"presets\":[{\"name\":\"fast\",\"options\":{\"text-steps\":8}}]}";

static void open_panel(void)
{
    static const ti_panel_host host = {NULL,    on_generate, on_cancel, on_step,    on_text,
                                       on_text, on_text,     on_text,   on_nothing, on_nothing};
    ti_target target = {.image = (char *)"street.xcf",
                        .layer = (char *)"Street",
                        .width = 6000,
                        .height = 4000,
                        .has_selection = true,
                        .select_width = 1800,
                        .select_height = 1200,
                        .source = (char *)"Photograph"};
    panel = ti_panel_new(&host, file);
    ti_panel_set_info(panel, info, -1);
    ti_panel_set_target(panel, &target, NULL);
    ti_panel_present(panel);
    settle();
}

static void close_panel(void)
{
    ti_panel_free(panel);
    panel = NULL;
}

static int with_panel(void **state)
{
    (void)state;
    g_unlink(file);
    memset(&notes.request, 0, sizeof notes.request);
    notes.generated = notes.cancelled = 0;
    notes.step = -1;
    open_panel();
    return 0;
}

static int without_panel(void **state)
{
    (void)state;
    close_panel();
    return 0;
}

static GdkPixbuf *red_picture(void)
{
    GdkPixbuf *red = gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, 64, 64);
    gdk_pixbuf_fill(red, (guint32)RED << 8 | 0xff);
    return red;
}

static void begin_edit(void)
{
    g_autoptr(GdkPixbuf) red = red_picture();
    ti_panel_submitted(panel, 1, 1);
    ti_panel_progress(panel, "denoising", 12, 24, 9, 9);
    ti_panel_text(panel, "the sky " BLOCK " red");
    ti_panel_preview(panel, red);
}

static void end_edit(void)
{
    static const char steps[] =
        "{\"grid\":{\"width\":4,\"height\":4},\"steps\":[{\"step\":0,\"reasoning\":\"the " BLOCK
        "\",\"revealed_text\":[[0,3]],\"revealed_image\":[5,6],\"masked_text\":1,\"masked_image\":"
        "14},"
        "{\"step\":1,\"reasoning\":\"the sky\",\"revealed_text\":[[4,7]],\"revealed_image\":[0],"
        "\"masked_text\":0,\"masked_image\":0}]}";
    g_autoptr(GdkPixbuf) red = red_picture();
    ti_panel_done(panel, "the sky", red, 7);
    ti_panel_set_steps(panel, steps, -1);
    GPtrArray *entries = g_ptr_array_new_with_free_func(ti_entry_free);
    g_autoptr(GPtrArray) thumbnails = g_ptr_array_new_with_free_func(g_object_unref);
    ti_entry *entry = ti_entry_new("00ff");
    entry->instruction = g_strdup("make it winter");
    entry->options = g_strdup("{\"text-steps\":8,\"strategy\":\"sequential\"}");
    entry->reasoning = g_strdup("the sky");
    entry->model = g_strdup("small");
    entry->seed = 7;
    g_ptr_array_add(entries, entry);
    g_ptr_array_add(thumbnails, gdk_pixbuf_scale_simple(red, 48, 48, GDK_INTERP_NEAREST));
    ti_panel_set_history(panel, entries, thumbnails);
}

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
    if (*name_of(widget)) return;
    GdkRectangle at = place_of(widget);
    fail_msg("the %s at %d,%d has no name", G_OBJECT_TYPE_NAME(widget), at.x, at.y);
}

static void show_page(int page)
{
    static const char *const pages[] = {"Result", "History", "Advanced"};
    gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(find(GTK_TYPE_RADIO_BUTTON, pages[page])), TRUE);
    settle();
}

static void every_part_has_a_name(void **state)
{
    (void)state;
    begin_edit();
    end_edit();
    ti_panel_set_waiting(panel, 2);
    ti_panel_failed(panel, "It stopped.", true);
    for (int page = 0; page < 3; page++) {
        int n = 0;
        show_page(page);
        visit(ti_panel_window(panel), assert_named, &n);
        if (n < 18) fail_msg("only %d parts on page %d", n, page);
    }
}

/* With all that can be on show at once: where 768 pixels are all there is, GIMP's own title bar
 * among them. */
static void it_fits_a_small_screen(void **state)
{
    int height = 0;
    (void)state;
    begin_edit();
    end_edit();
    ti_panel_failed(panel,
                    "The engine stopped in the middle of the edit; nothing was changed: try again.",
                    true);
    for (int page = 0; page < 3; page++) {
        show_page(page);
        gtk_widget_get_preferred_height(ti_panel_window(panel), &height, NULL);
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
    GdkRectangle place = place_of(widget), all = {0, 0, cairo_image_surface_get_width(r->shot),
                                                  cairo_image_surface_get_height(r->shot)};
    if (!gdk_rectangle_intersect(&place, &all, &place)) return;
    double low = 1, high = 0;
    for (int y = place.y; y < place.y + place.height; y++)
        for (int x = place.x; x < place.x + place.width; x++) {
            double l = luminance(pixel(r->shot, x, y));
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
        show_page(page);
        reading r = {look(name), least, 0, theme};
        visit(ti_panel_window(panel), assert_legible, &r);
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
        write_instruction("make it winter");
        begin_edit();
        assert_all_legible(themes[i].name, themes[i].contrast, "working");
        end_edit();
        ti_panel_failed(panel, "The engine stopped in the middle of the edit: try again.", true);
        assert_all_legible(themes[i].name, themes[i].contrast, "failed");
    }
}

/* ---- prompts ----------------------------------------------------------------------------- */

/* Opens the menu of prompts and chooses the item called NAME. */
static void choose_prompt(const char *name)
{
    press("Prompts");
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
    settle();
}

static void prompts_are_kept_and_come_back(void **state)
{
    (void)state;
    write_instruction("make it winter,\nwith snow on the roof");
    choose_prompt("_Save this prompt");
    write_instruction("make it night");
    press("Generate");
    assert_int_equal(notes.generated, 1);
    close_panel();
    open_panel();
    assert_says("Instruction", "make it night");
    choose_prompt("make it winter,\nwith snow on the roof");
    assert_says("Instruction", "make it winter,\nwith snow on the roof");
    choose_prompt("_Forget this saved prompt");
    choose_prompt("make it night");
    assert_says("Instruction", "make it night");
    close_panel();
    ti_settings *kept = ti_settings_load(file);
    assert_int_equal(kept->saved->len, 0);
    ti_settings_free(kept);
    open_panel();
}

/* What would be lost is on the disk before anybody asks. */
static void what_is_written_survives_a_kill(void **state)
{
    (void)state;
    write_instruction("make it autumn");
    gtk_spin_button_set_value(GTK_SPIN_BUTTON(find(GTK_TYPE_SPIN_BUTTON, "Variations")), 3);
    for (gint64 end = g_get_monotonic_time() + G_USEC_PER_SEC; g_get_monotonic_time() < end;)
        settle();
    ti_settings *kept = ti_settings_load(file);
    assert_string_equal(kept->draft, "make it autumn");
    assert_int_equal(kept->variations, 3);
    ti_settings_free(kept);
}

/* ---- what is asked for ------------------------------------------------------------------- */

static void settings_become_a_request(void **state)
{
    (void)state;
    GtkWidget *seed = find(GTK_TYPE_ENTRY, "Seed");
    assert_false(
        gtk_widget_is_sensitive(find(GTK_TYPE_BUTTON, "Generate"))); /* nothing is written */
    write_instruction("  make it autumn\n");
    press("Generate");
    assert_string_equal(notes.instruction, "make it autumn");
    assert_string_equal(notes.options, "preset=balanced");
    assert_int_equal(notes.request.seed, -1);
    assert_int_equal(notes.request.variations, 1);
    assert_true(notes.request.use_selection);
    gtk_combo_box_set_active_id(GTK_COMBO_BOX(find(GTK_TYPE_COMBO_BOX, "Quality")), "fast");
    gtk_combo_box_set_active(GTK_COMBO_BOX(find(GTK_TYPE_COMBO_BOX, "Result")), TI_OUTPUT_REPLACE);
    gtk_spin_button_set_value(GTK_SPIN_BUTTON(find(GTK_TYPE_SPIN_BUTTON, "Variations")), 4);
    gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(find(GTK_TYPE_CHECK_BUTTON, "Keep")), TRUE);
    gtk_toggle_button_set_active(
        GTK_TOGGLE_BUTTON(find(GTK_TYPE_CHECK_BUTTON, "Edit the selection")), FALSE);
    gtk_entry_set_text(GTK_ENTRY(seed), "");
    int at = 0;
    gtk_editable_insert_text(GTK_EDITABLE(seed), "12x", -1, &at); /* no number: not taken */
    gtk_editable_insert_text(GTK_EDITABLE(seed), "12", -1, &at);
    show_page(2);
    GtkSpinButton *steps = GTK_SPIN_BUTTON(find(GTK_TYPE_SPIN_BUTTON, "Denoising steps"));
    assert_true(gtk_spin_button_get_value(steps) == 8); /* the preset's */
    gtk_spin_button_set_value(steps, 20);
    press("Generate");
    assert_string_equal(notes.options, "preset=fast text-steps=20");
    assert_int_equal(notes.request.seed, 12);
    assert_int_equal(notes.request.variations, 4);
    assert_int_equal(notes.request.output, TI_OUTPUT_REPLACE);
    assert_false(notes.request.use_selection);
    show_page(2);
    press("Back to the preset");
    press("Generate");
    assert_string_equal(notes.options, "preset=fast");
}

/* ---- what is seen of an edit ------------------------------------------------------------- */

static void assert_cancel_is_at_hand(void)
{
    GtkWidget *button = find(GTK_TYPE_BUTTON, "Cancel");
    GdkRectangle place = place_of(button), window = place_of(ti_panel_window(panel)), seen;
    assert_true(gtk_widget_is_sensitive(button));
    assert_true(gdk_rectangle_intersect(&place, &window, &seen) &&
                gdk_rectangle_equal(&place, &seen));
}

static void cancel_is_always_at_hand(void **state)
{
    (void)state;
    gtk_window_resize(GTK_WINDOW(ti_panel_window(panel)), 1, 1); /* as small as it goes */
    assert_false(gtk_widget_is_sensitive(find(GTK_TYPE_BUTTON, "Cancel")));
    ti_panel_submitted(panel, 1, 1);
    for (int page = 0; page < 3; page++) {
        show_page(page);
        assert_cancel_is_at_hand();
    }
    ti_panel_queued(panel, 3);
    assert_cancel_is_at_hand();
    begin_edit();
    ti_panel_notice(
        panel, "A sentence that needs several lines where the window is as narrow as it can be.");
    assert_cancel_is_at_hand();
    ti_panel_applying(panel);
    assert_cancel_is_at_hand();
    press("Cancel");
    assert_int_equal(notes.cancelled, 1);
    assert_false(gtk_widget_is_sensitive(find(GTK_TYPE_BUTTON, "Cancel")));
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
    begin_edit();
    find(GTK_TYPE_LABEL, "Step 12 of 24 · 0:09 · 0:09 left");
    assert_says("Reasoning", "the sky " BLOCK " red");
    GtkTextBuffer *text = buffer_of("Reasoning");
    assert_true(tagged(text, 8, "scale-set")); /* the block */
    assert_false(tagged(text, 4, "scale-set"));
    if (pixels_of(RED) < 2000) fail_msg("the preview is not drawn");
    double fraction =
        gtk_progress_bar_get_fraction(GTK_PROGRESS_BAR(find(GTK_TYPE_PROGRESS_BAR, "Progress")));
    assert_true(fraction == 0.5);
}

/* Words and regions that became known in a step are marked together. */
static void the_timeline_marks_words_and_regions(void **state)
{
    (void)state;
    g_autoptr(GdkPixbuf) red = red_picture();
    begin_edit();
    end_edit();
    int else_where = pixels_of(OUTLINE); /* in an icon, say */
    GtkRange *slider = GTK_RANGE(find(GTK_TYPE_SCALE, "Denoising step"));
    gtk_range_set_value(slider, 1);
    assert_int_equal(notes.step, 0);
    ti_panel_step_picture(panel, 0, red);
    assert_says("Reasoning", "the " BLOCK);
    GtkTextBuffer *text = buffer_of("Reasoning");
    assert_true(tagged(text, 1, "underline-set"));
    assert_false(tagged(text, 4, "underline-set"));
    int two_cells = pixels_of(OUTLINE) - else_where;
    assert_true(two_cells > 50);
    gtk_range_set_value(slider, 2);
    assert_says("Reasoning", "the sky");
    assert_false(tagged(text, 1, "underline-set"));
    assert_true(tagged(text, 5, "underline-set"));
    int one_cell = pixels_of(OUTLINE) - else_where;
    assert_true(one_cell > 20 && one_cell < two_cells);
}

static void the_history_has_thumbnails(void **state)
{
    (void)state;
    begin_edit();
    end_edit();
    show_page(1);
    find(GTK_TYPE_LABEL, "make it winter");
    if (pixels_of(RED) < 48 * 48) fail_msg("there is no thumbnail");
    write_instruction("something else");
    press("Reuse settings");
    assert_says("Instruction", "make it winter");
    press("Generate");
    assert_string_equal(notes.options, "preset=balanced text-steps=8 strategy=sequential");
    assert_int_equal(notes.request.seed, 7);
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
    ti_panel_show_entry(panel, entry);
    assert_says("Reasoning", "the sky");
    find(GTK_TYPE_LABEL, "“make it winter” · seed 7 · small · text-steps 8");
    ti_panel_show_entry(panel, NULL);
    assert_says("Reasoning", "");
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
        close_panel();
        g_setenv("LANGUAGE", cases[i].language, TRUE);
        assert_non_null(setlocale(LC_ALL, "")); /* whoever translated before is forgotten */
        open_panel();
        find(GTK_TYPE_BUTTON, cases[i].generate);
        find(GTK_TYPE_BUTTON, cases[i].cancel);
        cairo_surface_destroy(look(cases[i].language));
        int width = 0;
        gtk_widget_get_preferred_width(gtk_bin_get_child(GTK_BIN(ti_panel_window(panel))), &width,
                                       NULL);
        if (width > 520) fail_msg("%s: the panel needs %d pixels", cases[i].language, width);
    }
}

/* ---- the X server ------------------------------------------------------------------------ */

static int set_up(void **state)
{
    char number[8] = "";
    (void)state;
    xvfb = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                            NULL, "Xvfb", "-displayfd", "1", "-screen", "0", "1366x768x24",
                            "-nolisten", "tcp", NULL);
    assert_non_null(xvfb);
    GInputStream *out = g_subprocess_get_stdout_pipe(xvfb);
    for (size_t n = 0; n + 1 < sizeof number && !strchr(number, '\n'); n++)
        assert_int_equal(g_input_stream_read(out, number + n, 1, NULL, NULL), 1);
    g_autofree char *display = g_strdup_printf(":%s", g_strchomp(number));
    folder = g_dir_make_tmp("panel-XXXXXX", NULL);
    file = g_build_filename(folder, "panel.json", NULL);
    g_setenv("DISPLAY", display, TRUE);
    g_setenv("GDK_BACKEND", "x11", TRUE);
    g_setenv("NO_AT_BRIDGE", "1", TRUE);
    g_setenv("LC_ALL", "C.UTF-8", TRUE);
    g_setenv("LANGUAGE", "en", TRUE);
    g_unsetenv("GTK_THEME");
    g_setenv("XDG_CONFIG_HOME", folder, TRUE);
    assert_true(gtk_init_check(NULL, NULL));
    g_object_set(gtk_settings_get_default(), "gtk-enable-animations", FALSE, "gtk-theme-name",
                 "Adwaita", NULL);
    ti_i18n_init(CATALOGUES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    g_subprocess_force_exit(xvfb);
    g_subprocess_wait(xvfb, NULL, NULL);
    g_clear_object(&xvfb);
    g_unlink(file);
    g_rmdir(folder);
    return 0;
}

/* Fontconfig keeps some memory for good. Asked by AddressSanitizer where a test is built with it.
 */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--keep")) keep_folder = argv[2];
#define WITH_PANEL(test) cmocka_unit_test_setup_teardown(test, with_panel, without_panel)
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
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

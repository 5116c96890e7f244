/* window.c - see window.h */
#include "window.h"

#include "testing.h"
#include "ui/i18n.h"

#include <glib/gstdio.h>

#ifdef __SANITIZE_ADDRESS__
/* GTK keeps what it has for good. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

const char *window_keep_folder;
ti_panel *window_panel;
char *window_file;
static GSubprocess *xvfb;
static char *folder;

/* ---- the owner, who takes notes ---------------------------------------------------------- */

struct window_notes window_notes;

static void on_generate(void *user, const ti_panel_request *request)
{
    (void)user;
    g_free(window_notes.instruction);
    g_free(window_notes.options);
    window_notes.instruction = g_strdup(request->instruction);
    window_notes.options = g_strdup(request->options);
    window_notes.request = *request;
    window_notes.generated++;
}

static void on_cancel(void *user, bool all)
{
    (void)user;
    (void)all;
    window_notes.cancelled++;
    ti_panel_cancelled(window_panel);
}

static void on_step(void *user, int step)
{
    (void)user;
    window_notes.step = step;
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

void window_settle(void)
{
    for (int quiet = 0; quiet < 3; quiet++) {
        g_usleep(5000);
        while (gtk_events_pending()) gtk_main_iteration();
    }
}

const char *window_name_of(GtkWidget *widget)
{
    const char *name = atk_object_get_name(gtk_widget_get_accessible(widget));
    return name ? name : "";
}

/* Every part that is on show, the parts' inner ones included. */
void window_visit(GtkWidget *widget, window_visit_fn each, void *user)
{
    if (!gtk_widget_get_mapped(widget)) return;
    each(widget, user);
    if (!GTK_IS_CONTAINER(widget)) return;
    g_autoptr(GList) children = gtk_container_get_children(GTK_CONTAINER(widget));
    for (GList *child = children; child; child = child->next) window_visit(child->data, each, user);
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
        g_str_has_prefix(window_name_of(widget), w->name))
        w->found = widget;
}

/* The part of TYPE whose name begins with NAME. */
GtkWidget *window_find(GType type, const char *name)
{
    wanted w = {name, type, NULL};
    window_settle();
    window_visit(ti_panel_window(window_panel), match, &w);
    if (!w.found) fail_msg("there is no %s called \"%s\"", g_type_name(type), name);
    return w.found;
}

void window_press(const char *name)
{
    gtk_button_clicked(GTK_BUTTON(window_find(GTK_TYPE_BUTTON, name)));
    window_settle();
}

GtkTextBuffer *window_buffer(const char *name)
{
    return gtk_text_view_get_buffer(GTK_TEXT_VIEW(window_find(GTK_TYPE_TEXT_VIEW, name)));
}

void window_write_instruction(const char *text)
{
    gtk_text_buffer_set_text(window_buffer("Instruction"), text, -1);
}

void window_assert_says(const char *name, const char *text)
{
    GtkTextIter start, end;
    GtkTextBuffer *buffer = window_buffer(name);
    gtk_text_buffer_get_bounds(buffer, &start, &end);
    g_autofree char *said = gtk_text_buffer_get_text(buffer, &start, &end, FALSE);
    assert_string_equal(said, text);
}

/* The window as it is drawn. */
cairo_surface_t *window_look(const char *name)
{
    GtkWidget *window = ti_panel_window(window_panel);
    window_settle();
    cairo_surface_t *shot =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, gtk_widget_get_allocated_width(window),
                                   gtk_widget_get_allocated_height(window));
    cairo_t *cr = cairo_create(shot);
    gtk_widget_draw(window, cr);
    cairo_destroy(cr);
    cairo_surface_flush(shot);
    if (window_keep_folder && name) {
        g_autofree char *path = g_strdup_printf("%s/%s.png", window_keep_folder, name);
        assert_int_equal(cairo_surface_write_to_png(shot, path), CAIRO_STATUS_SUCCESS);
    }
    return shot;
}

guint32 window_pixel(cairo_surface_t *shot, int x, int y)
{
    const guchar *row =
        cairo_image_surface_get_data(shot) + y * cairo_image_surface_get_stride(shot);
    return ((const guint32 *)(const void *)row)[x] & 0xffffff;
}

GdkRectangle window_place(GtkWidget *widget)
{
    GdkRectangle r = {0, 0, gtk_widget_get_allocated_width(widget),
                      gtk_widget_get_allocated_height(widget)};
    gtk_widget_translate_coordinates(widget, ti_panel_window(window_panel), 0, 0, &r.x, &r.y);
    return r;
}

/* Whether it is COLOUR, drawn where no pixel ends, too. */
static bool is_alike(guint32 rgb, guint32 colour)
{
    for (int shift = 0; shift < 24; shift += 8)
        if (abs((int)(rgb >> shift & 255) - (int)(colour >> shift & 255)) > 40) return false;
    return true;
}

int window_count(guint32 colour)
{
    cairo_surface_t *shot = window_look(NULL);
    int n = 0;
    for (int y = 0; y < cairo_image_surface_get_height(shot); y++)
        for (int x = 0; x < cairo_image_surface_get_width(shot); x++)
            n += is_alike(window_pixel(shot, x, y), colour);
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

void window_open(void)
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
    window_panel = ti_panel_new(&host, window_file);
    ti_panel_set_info(window_panel, info, -1);
    ti_panel_set_target(window_panel, &target, NULL);
    ti_panel_present(window_panel);
    window_settle();
}

void window_close(void)
{
    ti_panel_free(window_panel);
    window_panel = NULL;
}

int window_set_up(void **state)
{
    (void)state;
    g_unlink(window_file);
    memset(&window_notes.request, 0, sizeof window_notes.request);
    window_notes.generated = window_notes.cancelled = 0;
    window_notes.step = -1;
    window_open();
    return 0;
}

int window_tear_down(void **state)
{
    (void)state;
    window_close();
    return 0;
}

GdkPixbuf *window_red_picture(void)
{
    GdkPixbuf *red = gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, 64, 64);
    gdk_pixbuf_fill(red, (guint32)WINDOW_RED << 8 | 0xff);
    return red;
}

void window_begin_edit(void)
{
    g_autoptr(GdkPixbuf) red = window_red_picture();
    ti_panel_submitted(window_panel, 1, 1);
    ti_panel_progress(window_panel, "denoising", 12, 24, 9, 9);
    ti_panel_text(window_panel, "the sky " WINDOW_BLOCK " red");
    ti_panel_preview(window_panel, red);
}

void window_end_edit(void)
{
    static const char steps[] =
        "{\"grid\":{\"width\":4,\"height\":4},\"steps\":[{\"step\":0,\"reasoning\":"
        "\"the " WINDOW_BLOCK
        "\",\"revealed_text\":[[0,3]],\"revealed_image\":[5,6],\"masked_text\":1,\"masked_image\":"
        "14},"
        "{\"step\":1,\"reasoning\":\"the sky\",\"revealed_text\":[[4,7]],\"revealed_image\":[0],"
        "\"masked_text\":0,\"masked_image\":0}]}";
    g_autoptr(GdkPixbuf) red = window_red_picture();
    ti_panel_done(window_panel, "the sky", red, 7);
    ti_panel_set_steps(window_panel, steps, -1);
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
    ti_panel_set_history(window_panel, entries, thumbnails);
}

void window_show_page(int page)
{
    static const char *const pages[] = {"Result", "History", "Advanced"};
    gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(window_find(GTK_TYPE_RADIO_BUTTON, pages[page])),
                                 TRUE);
    window_settle();
}

/* ---- the X server ------------------------------------------------------------------------ */

int window_display_start(void **state)
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
    window_file = g_build_filename(folder, "panel.json", NULL);
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

int window_display_stop(void **state)
{
    (void)state;
    g_subprocess_force_exit(xvfb);
    g_subprocess_wait(xvfb, NULL, NULL);
    g_clear_object(&xvfb);
    g_unlink(window_file);
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

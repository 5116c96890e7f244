/* host_panel_gimp2.c - the panel's host for GIMP 2.10.
 *
 * The window is GTK 3 in a process that has libgimp-2.0 but not libgimpui-2.0, which would bring
 * GTK 2. GIMP 2.10 itself is an X11 program, also on Wayland, so its window can only be told apart
 * from others when the panel is one, too.
 */
#include "host_panel.h"
#include "ui/i18n.h"

#include <gdk/gdkx.h>
#include <libgimp/gimp.h>
#include <string.h>

enum { HISTORY_FLAGS = GIMP_PARASITE_PERSISTENT | GIMP_PARASITE_UNDOABLE };

/* ---- one panel for all menu calls -------------------------------------------------------- */

static struct {
    ti_host_chosen_fn chosen;
    void *user;
    guint window; /* of the newest menu call */
} listener;       /* GIMP's callback has no argument of ours */

bool ti_host_relay(int image, int layer)
{
    gint n = 0;
    if (!gimp_procedural_db_proc_exists(TI_PANEL_PROCEDURE)) return false;
    GimpParam *values =
        gimp_run_procedure(TI_PANEL_PROCEDURE, &n, GIMP_PDB_INT32, GIMP_RUN_INTERACTIVE,
                           GIMP_PDB_IMAGE, image, GIMP_PDB_DRAWABLE, layer, GIMP_PDB_END);
    bool taken = n > 0 && values[0].data.d_status == GIMP_PDB_SUCCESS;
    gimp_destroy_params(values, n);
    return taken;
}

static void run_relay(const gchar *name, gint n_params, const GimpParam *p, gint *n_values,
                      GimpParam **values)
{
    static GimpParam returned; /* libgimp reads it after this function has returned */
    (void)name;
    returned.type = GIMP_PDB_STATUS;
    returned.data.d_status = n_params == 3 ? GIMP_PDB_SUCCESS : GIMP_PDB_CALLING_ERROR;
    *n_values = 1;
    *values = &returned;
    if (n_params != 3) return;
    guint window = (guint)gimp_progress_get_window_handle();
    if (window) listener.window = window;
    listener.chosen(p[1].data.d_image, p[2].data.d_drawable, listener.user);
}

void ti_host_listen(ti_host_chosen_fn chosen, void *user)
{
    static const GimpParamDef arguments[] = {
        {GIMP_PDB_INT32, (char *)"run-mode", (char *)"The run mode { RUN-INTERACTIVE (0) }"},
        {GIMP_PDB_IMAGE, (char *)"image", (char *)"The image"},
        {GIMP_PDB_DRAWABLE, (char *)"drawable", (char *)"The layer to edit"},
    };
    listener.chosen = chosen;
    listener.user = user;
    listener.window = (guint)gimp_progress_get_window_handle();
    gimp_install_temp_proc(TI_PANEL_PROCEDURE, "Shows an image in the open panel",
                           "There while the panel is open.", "The Thinking-Aware Edit authors",
                           "Apache-2.0", "2026", NULL, NULL, GIMP_TEMPORARY,
                           G_N_ELEMENTS(arguments), 0, arguments, NULL, run_relay);
    gimp_extension_enable();
}

/* ---- the window -------------------------------------------------------------------------- */

/* GIMP's own themes are dark but for "Light" and "System". */
static bool theme_is_dark(void)
{
    g_autofree char *theme = gimp_gimprc_query("theme");
    return !theme || !*theme || !strcmp(theme, "Dark") || !strcmp(theme, "Gray");
}

bool ti_host_start_gtk(void)
{
    gdk_set_allowed_backends("x11");
    if (!gtk_init_check(NULL, NULL)) return false;
    gdk_set_program_class("Gimp");
    if (theme_is_dark())
        g_object_set(gtk_settings_get_default(), "gtk-application-prefer-dark-theme", TRUE, NULL);
    return true;
}

void ti_host_keep_above(GtkWindow *window)
{
    GdkDisplay *display = gtk_widget_get_display(GTK_WIDGET(window));
    GdkWindow *own;
    gtk_widget_realize(GTK_WIDGET(window));
    own = gtk_widget_get_window(GTK_WIDGET(window));
    if (!listener.window || !GDK_IS_X11_DISPLAY(display)) return;
    GdkWindow *gimp = gdk_x11_window_foreign_new_for_display(display, listener.window);
    if (!gimp) return;
    gdk_window_set_transient_for(own, gimp);
    g_object_unref(gimp);
    gdk_x11_window_set_user_time(own, gdk_x11_get_server_time(own));
}

/* ---- the target -------------------------------------------------------------------------- */

bool ti_host_has_image(int image)
{
    return gimp_image_is_valid(image);
}

bool ti_host_has_layer(int image, int layer)
{
    return gimp_item_is_valid(layer) && gimp_item_is_layer(layer) &&
           gimp_item_get_image(layer) == image;
}

char *ti_host_image_name(int image)
{
    return gimp_image_get_name(image);
}

int ti_host_image_of(int layer)
{
    return gimp_item_is_valid(layer) ? gimp_item_get_image(layer) : -1;
}

int ti_host_active_layer(int image)
{
    return gimp_image_get_active_layer(image);
}

void ti_host_layer_size(int layer, int *width, int *height)
{
    *width = gimp_drawable_width(layer);
    *height = gimp_drawable_height(layer);
}

bool ti_host_selection_bounds(int image, int layer, GeglRectangle *bounds)
{
    return !gimp_selection_is_empty(image) &&
           gimp_drawable_mask_intersect(layer, &bounds->x, &bounds->y, &bounds->width,
                                        &bounds->height);
}

GdkPixbuf *ti_host_thumbnail(int layer, int side)
{
    gint width = side, height = side, channels = 0;
    guchar *pixels = gimp_drawable_get_thumbnail_data(layer, &width, &height, &channels);
    if (!pixels || width <= 0 || height <= 0) {
        g_free(pixels);
        return NULL;
    }
    GdkPixbuf *out = gdk_pixbuf_new(GDK_COLORSPACE_RGB, channels % 2 == 0, 8, width, height);
    guchar *to = gdk_pixbuf_get_pixels(out);
    int stride = gdk_pixbuf_get_rowstride(out), n = gdk_pixbuf_get_n_channels(out);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const guchar *from = pixels + (y * width + x) * channels;
            for (int c = 0; c < 3; c++) to[y * stride + x * n + c] = from[channels < 3 ? 0 : c];
            if (n == 4) to[y * stride + x * n + 3] = from[channels - 1];
        }
    g_free(pixels);
    return out;
}

/* ---- changes ----------------------------------------------------------------------------- */

void ti_host_set_history(int image, const char *history)
{
    GimpParasite *parasite =
        gimp_parasite_new(TI_HISTORY, HISTORY_FLAGS, (guint32)strlen(history) + 1, history);
    gimp_image_attach_parasite(image, parasite);
    gimp_parasite_free(parasite);
}

int ti_host_text_layer(int image, int layer, const char *text, GError **error)
{
    gint x = 0, y = 0, width = gimp_image_width(image), height = gimp_image_height(image);
    bool beside = ti_host_has_layer(image, layer);
    if (beside) {
        width = gimp_drawable_width(layer);
        height = gimp_drawable_height(layer);
        gimp_drawable_offsets(layer, &x, &y);
    }
    double size = CLAMP(width / 40.0, 8, 400);
    gimp_image_undo_group_start(image);
    gint32 made = gimp_text_layer_new(image, text, "Sans", size, GIMP_UNIT_PIXEL);
    if (made != -1) {
        gimp_image_insert_layer(image, made, beside ? gimp_item_get_parent(layer) : -1,
                                beside ? gimp_image_get_item_position(image, layer) : 0);
        gimp_text_layer_resize(made, width - size, height - size);
        gimp_layer_set_offsets(made, x + (gint)(size / 2), y + (gint)(size / 2));
        if (beside) gimp_image_set_active_layer(image, layer); /* what is edited stays chosen */
    }
    gimp_image_undo_group_end(image);
    gimp_displays_flush();
    if (made == -1)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                    _("GIMP could not make the text layer (%s): copy the reasoning and use the "
                      "text "
                      "tool."),
                    gimp_get_pdb_error());
    return made;
}

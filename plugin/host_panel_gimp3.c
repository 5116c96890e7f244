/* host_panel_gimp3.c - the panel's host for GIMP 3.x: libgimpui brings GIMP's theme and knows how
 * to keep a window above GIMP's, on X11 and on Wayland. */
#include "host_panel.h"
#include "host_gimp3.h"
#include "ui/i18n.h"

#include <libgimp/gimpui.h>
#include <string.h>

enum { HISTORY_FLAGS = GIMP_PARASITE_PERSISTENT | GIMP_PARASITE_UNDOABLE };

/* ---- one panel for all menu calls -------------------------------------------------------- */

typedef struct listener {
    ti_host_chosen_fn chosen;
    void *user;
} listener;

bool ti_host_relay(int image, int layer)
{
    GimpProcedure *panel = gimp_pdb_lookup_procedure(gimp_get_pdb(), TI_PANEL_PROCEDURE);
    GObject *layers[] = {(GObject *)gimp_item_get_by_id(layer), NULL};
    if (!panel) return false;
    g_autoptr(GimpProcedureConfig) config = gimp_procedure_create_config(panel);
    g_object_set(config, "image", ti_gimp3_image(image), "run-mode", GIMP_RUN_INTERACTIVE, NULL);
    gimp_procedure_config_set_core_object_array(config, "drawables", layers, layers[0] ? 1 : 0);
    GimpValueArray *values = gimp_procedure_run_config(panel, config);
    bool taken = values && GIMP_VALUES_GET_ENUM(values, 0) == GIMP_PDB_SUCCESS;
    gimp_value_array_unref(values);
    return taken;
}

static GimpValueArray *run_relay(GimpProcedure *procedure, GimpRunMode mode, GimpImage *image,
                                 GimpDrawable **drawables, GimpProcedureConfig *config, void *user)
{
    listener *l = user;
    (void)mode;
    (void)config;
    l->chosen(gimp_image_get_id(image),
              drawables && drawables[0] ? gimp_item_get_id(GIMP_ITEM(drawables[0])) : -1, l->user);
    return gimp_procedure_new_return_values(procedure, GIMP_PDB_SUCCESS, NULL);
}

void ti_host_listen(ti_host_chosen_fn chosen, void *user)
{
    listener *l = g_new(listener, 1);
    *l = (listener){chosen, user};
    GimpProcedure *p = gimp_image_procedure_new(gimp_get_plug_in(), TI_PANEL_PROCEDURE,
                                                GIMP_PDB_PROC_TYPE_TEMPORARY, run_relay, l, g_free);
    gimp_procedure_set_image_types(p, "*");
    gimp_procedure_set_documentation(p, "Shows an image in the open panel",
                                     "There while the panel is open.", TI_PANEL_PROCEDURE);
    gimp_procedure_set_attribution(p, "The Thinking-Aware Edit authors", "Apache-2.0", "2026");
    gimp_plug_in_add_temp_procedure(gimp_get_plug_in(), p);
    g_object_unref(p);
    gimp_plug_in_persistent_enable(gimp_get_plug_in());
}

/* ---- the window -------------------------------------------------------------------------- */

bool ti_host_start_gtk(void)
{
    if (!gtk_init_check(NULL, NULL)) return false;
    gimp_ui_init("thinking-aware-edit");
    return true;
}

void ti_host_keep_above(GtkWindow *window)
{
    gimp_window_set_transient(window);
}

/* ---- the target -------------------------------------------------------------------------- */

bool ti_host_has_image(int image)
{
    return ti_gimp3_image(image) != NULL;
}

bool ti_host_has_layer(int image, int layer)
{
    GimpLayer *l = ti_gimp3_layer(layer);
    GimpImage *of = l ? gimp_item_get_image(GIMP_ITEM(l)) : NULL;
    return of && gimp_image_get_id(of) == image;
}

char *ti_host_image_name(int image)
{
    return gimp_image_get_name(ti_gimp3_image(image));
}

int ti_host_image_of(int layer)
{
    GimpLayer *l = ti_gimp3_layer(layer);
    GimpImage *image = l ? gimp_item_get_image(GIMP_ITEM(l)) : NULL;
    return image ? gimp_image_get_id(image) : -1;
}

int ti_host_active_layer(int image)
{
    GimpImage *i = ti_gimp3_image(image);
    GimpLayer **layers = i ? gimp_image_get_selected_layers(i) : NULL;
    int layer = !layers || !layers[0] ? TI_NO_LAYER
                : layers[1]           ? TI_LAYERS
                                      : gimp_item_get_id(GIMP_ITEM(layers[0]));
    g_free(layers);
    return layer;
}

void ti_host_layer_size(int layer, int *width, int *height)
{
    GimpDrawable *drawable = GIMP_DRAWABLE(ti_gimp3_layer(layer));
    *width = gimp_drawable_get_width(drawable);
    *height = gimp_drawable_get_height(drawable);
}

bool ti_host_selection_bounds(int image, int layer, GeglRectangle *bounds)
{
    GimpImage *i = ti_gimp3_image(image);
    GimpLayer *l = ti_gimp3_layer(layer);
    return i && l && !gimp_selection_is_empty(i) &&
           gimp_drawable_mask_intersect(GIMP_DRAWABLE(l), &bounds->x, &bounds->y, &bounds->width,
                                        &bounds->height);
}

GdkPixbuf *ti_host_thumbnail(int layer, int side)
{
    GimpLayer *l = ti_gimp3_layer(layer);
    return l ? gimp_drawable_get_thumbnail(GIMP_DRAWABLE(l), side, side, GIMP_PIXBUF_KEEP_ALPHA)
             : NULL;
}

/* ---- changes ----------------------------------------------------------------------------- */

void ti_host_set_history(int image, const char *history)
{
    GimpParasite *parasite =
        gimp_parasite_new(TI_HISTORY, HISTORY_FLAGS, (guint32)strlen(history) + 1, history);
    gimp_image_attach_parasite(ti_gimp3_image(image), parasite);
    gimp_parasite_free(parasite);
}

/* Sets the text into a box over LAYER, NULL: over the image. */
static void place_text(GimpTextLayer *text, GimpImage *image, GimpLayer *layer, double size)
{
    gint x = 0, y = 0, width = gimp_image_get_width(image), height = gimp_image_get_height(image);
    GimpItem *parent = layer ? gimp_item_get_parent(GIMP_ITEM(layer)) : NULL;
    if (layer) {
        width = gimp_drawable_get_width(GIMP_DRAWABLE(layer));
        height = gimp_drawable_get_height(GIMP_DRAWABLE(layer));
        gimp_drawable_get_offsets(GIMP_DRAWABLE(layer), &x, &y);
    }
    gimp_image_insert_layer(image, GIMP_LAYER(text), parent ? GIMP_LAYER(parent) : NULL,
                            layer ? gimp_image_get_item_position(image, GIMP_ITEM(layer)) : 0);
    gimp_text_layer_resize(text, width - size, height - size);
    gimp_layer_set_offsets(GIMP_LAYER(text), x + (gint)(size / 2), y + (gint)(size / 2));
    if (layer) { /* what is edited stays chosen */
        GimpLayer *chosen[] = {layer, NULL};
        gimp_image_set_selected_layers(image, (const GimpLayer **)chosen);
    }
}

int ti_host_text_layer(int image_id, int layer_id, const char *text, GError **error)
{
    GimpImage *image = ti_gimp3_image(image_id);
    GimpLayer *layer = ti_host_has_layer(image_id, layer_id) ? ti_gimp3_layer(layer_id) : NULL;
    gint width =
        layer ? gimp_drawable_get_width(GIMP_DRAWABLE(layer)) : gimp_image_get_width(image);
    double size = CLAMP(width / 40.0, 8, 400);
    gimp_image_undo_group_start(image);
    GimpTextLayer *made =
        gimp_text_layer_new(image, text, gimp_context_get_font(), size, gimp_unit_pixel());
    if (made) place_text(made, image, layer, size);
    gimp_image_undo_group_end(image);
    gimp_displays_flush();
    if (made) return gimp_item_get_id(GIMP_ITEM(made));
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                _("GIMP could not make the text layer (%s): copy the reasoning and use the text "
                  "tool."),
                gimp_pdb_get_last_error(gimp_get_pdb()));
    return -1;
}

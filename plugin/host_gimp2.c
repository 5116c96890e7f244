/* host_gimp2.c - the host for GIMP 2.10, through libgimp-2.0.
 *
 * libgimpui-2.0 stays out: it would bring GTK 2 beside the panel's GTK 3. GIMP 2.10 hands out
 * buffers whose format does not say that the image has a colour profile, so the profile's space is
 * put on the copy that leaves this file, and taken off before pixels go back: numbers are never
 * converted here.
 */
#include "host.h"
#include "ui/i18n.h"

#include <libgimp/gimp.h>
#include <string.h>

/* Persistent: saved in XCF. Undoable: goes and comes with its layer. */
enum { PARASITE_FLAGS = GIMP_PARASITE_PERSISTENT | GIMP_PARASITE_UNDOABLE };

static bool refuse(GError **error, const char *sentence)
{
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, sentence);
    return false;
}

bool ti_host_check(int image, int layer, ti_output output, GError **error)
{
    if (!gimp_image_is_valid(image) || !gimp_item_is_valid(layer) ||
        gimp_item_get_image(layer) != image)
        return refuse(error, _("The layer is not there any more: choose one in the Layers "
                               "dialog."));
    if (gimp_image_base_type(image) == GIMP_INDEXED)
        return refuse(error, _("An indexed image has no room for new colours: choose "
                               "Image > Mode > RGB first."));
    if (!gimp_item_is_layer(layer))
        return refuse(error,
                      _("A mask or a channel is active: click on a layer in the Layers dialog."));
    if (gimp_layer_is_floating_sel(layer))
        return refuse(error, _("A floating selection is active: anchor it first "
                               "(Layer > Anchor Layer)."));
    if (output != TI_REPLACE) return true;
    if (gimp_item_is_group(layer))
        return refuse(error, _("A layer group has no pixels to replace: let the result become a "
                               "new layer."));
    if (gimp_item_is_text_layer(layer))
        return refuse(error, _("Replacing would destroy the text layer's text: let the result "
                               "become a new layer."));
    for (gint32 item = layer; item != -1; item = gimp_item_get_parent(item))
        if (gimp_item_get_lock_content(item))
            return refuse(error, _("The layer's pixels are locked: unlock them in the Layers "
                                   "dialog, or let the result become a new layer."));
    return true;
}

/* ---- reading ------------------------------------------------------------------------------- */

static void extent_of(gint32 layer, GeglRectangle *out)
{
    *out = (GeglRectangle){0, 0, gimp_drawable_width(layer), gimp_drawable_height(layer)};
}

/* The space of the image's profile; NULL without a profile, and with ERROR set when babl cannot
 * have it: a profile of tables instead of curves and a matrix. */
static const Babl *space_of(gint32 image, GError **error)
{
    g_autoptr(GObject) object = (GObject *)gimp_image_get_color_profile(image);
    GimpColorProfile *profile = (GimpColorProfile *)object;
    g_autoptr(GError) why = NULL;
    if (!profile) return NULL;
    const Babl *space = gimp_color_profile_get_space(
        profile, GIMP_COLOR_RENDERING_INTENT_RELATIVE_COLORIMETRIC, &why);
    if (!space)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    _("The image's colour profile \"%s\" cannot be computed with (%s): convert the "
                      "image to sRGB first (Image > Color Management > Convert to Color Profile)."),
                    gimp_color_profile_get_label(profile), why ? why->message : "unknown kind");
    return space;
}

GeglBuffer *ti_host_read(int image, int layer, GError **error)
{
    GError *why = NULL;
    const Babl *space = space_of(image, &why);
    if (why) {
        g_propagate_error(error, why);
        return NULL;
    }
    g_autoptr(GeglBuffer) shared = gimp_drawable_get_buffer(layer);
    if (!shared) {
        refuse(error, _("GIMP did not hand out the layer's pixels: try again."));
        return NULL;
    }
    GeglBuffer *copy = gegl_buffer_dup(shared);
    if (space) {
        const char *encoding = babl_format_get_encoding(gegl_buffer_get_format(copy));
        gegl_buffer_set_format(copy, babl_format_with_space(encoding, space));
    }
    return copy;
}

GeglBuffer *ti_host_selection(int image, int layer, GeglRectangle *bounds, GError **error)
{
    if (gimp_selection_is_empty(image)) return NULL;
    if (!gimp_drawable_mask_intersect(layer, &bounds->x, &bounds->y, &bounds->width,
                                      &bounds->height)) {
        refuse(error, _("The selection does not touch the layer: select a part of it, or "
                        "nothing."));
        return NULL;
    }
    GeglRectangle extent, source;
    extent_of(layer, &extent);
    source = extent;
    gimp_drawable_offsets(layer, &source.x, &source.y);
    g_autoptr(GeglBuffer) selection = gimp_drawable_get_buffer(gimp_image_get_selection(image));
    GeglBuffer *out = gegl_buffer_new(&extent, babl_format("Y float"));
    gegl_buffer_copy(selection, &source, GEGL_ABYSS_NONE, out, &extent);
    return out;
}

char *ti_host_layer_name(int layer)
{
    return gimp_item_get_name(layer);
}

unsigned ti_host_tattoo(int layer)
{
    return gimp_item_get_tattoo(layer);
}

int ti_host_tattooed(int image, unsigned tattoo)
{
    return gimp_image_is_valid(image) ? gimp_image_get_layer_by_tattoo(image, tattoo) : -1;
}

void ti_host_kind_read(int image, ti_host_kind *kind)
{
    GimpColorProfile *profile = gimp_image_get_color_profile(image);
    kind->precision = gimp_image_get_precision(image);
    kind->gray = gimp_image_base_type(image) == GIMP_GRAY;
    kind->profile = NULL;
    if (profile) {
        gsize size = 0;
        const guint8 *icc = gimp_color_profile_get_icc_profile(profile, &size);
        kind->profile = g_bytes_new(icc, size);
        g_object_unref(profile);
    }
}

void ti_host_kind_clear(ti_host_kind *kind)
{
    g_clear_pointer(&kind->profile, g_bytes_unref);
}

/* ---- applying ------------------------------------------------------------------------------ */

/* Raw numbers from PIXELS into DRAWABLE's buffer TARGET, which has the same encoding without space.
 */
static void write_pixels(GeglBuffer *pixels, GeglBuffer *target)
{
    const Babl *format = gegl_buffer_get_format(pixels);
    gegl_buffer_set_format(pixels, babl_format(babl_format_get_encoding(format)));
    gegl_buffer_copy(pixels, NULL, GEGL_ABYSS_NONE, target, NULL);
    gegl_buffer_set_format(pixels, format);
    gegl_buffer_flush(target);
}

static void attach_record(gint32 layer, const char *record)
{
    GimpParasite *parasite =
        gimp_parasite_new(TI_PARASITE, PARASITE_FLAGS, (guint32)strlen(record) + 1, record);
    gimp_item_attach_parasite(layer, parasite);
    gimp_parasite_free(parasite);
}

static void attach_history(gint32 image, const char *history)
{
    GimpParasite *parasite =
        gimp_parasite_new(TI_HISTORY, PARASITE_FLAGS, (guint32)strlen(history) + 1, history);
    gimp_image_attach_parasite(image, parasite);
    gimp_parasite_free(parasite);
}

/* A layer with the result's pixels and record, not yet in the image. */
static gint32 make_layer(const ti_host_result *r, gint32 image)
{
    const GeglRectangle *extent = gegl_buffer_get_extent(r->pixels);
    gint32 layer = gimp_layer_new(image, r->name, extent->width, extent->height,
                                  r->kind.gray ? GIMP_GRAYA_IMAGE : GIMP_RGBA_IMAGE, 100.0,
                                  gimp_image_get_default_new_layer_mode(image));
    if (layer == -1) return -1;
    g_autoptr(GeglBuffer) target = gimp_drawable_get_buffer(layer);
    write_pixels(r->pixels, target);
    attach_record(layer, r->record);
    return layer;
}

static void add_mask(gint32 layer, GeglBuffer *mask)
{
    gint32 id = gimp_layer_create_mask(layer, GIMP_ADD_MASK_BLACK);
    gimp_layer_add_mask(layer, id);
    GeglBuffer *target = gimp_drawable_get_buffer(id);
    gegl_buffer_copy(mask, NULL, GEGL_ABYSS_NONE, target, NULL);
    g_object_unref(target);
    gimp_drawable_update(id, 0, 0, gimp_drawable_width(id), gimp_drawable_height(id));
    gimp_layer_set_edit_mask(layer, FALSE);
}

static bool came_of_an_edit(gint32 layer)
{
    GimpParasite *parasite = gimp_item_get_parasite(layer, TI_PARASITE);
    if (parasite) gimp_parasite_free(parasite);
    return parasite != NULL;
}

/* The place above LAYER and the edits that lie on it. */
static gint place_above(gint32 image, gint32 layer)
{
    gint n = 0, place = gimp_image_get_item_position(image, layer);
    gint32 parent = gimp_item_get_parent(layer);
    gint *all =
        parent == -1 ? gimp_image_get_layers(image, &n) : gimp_item_get_children(parent, &n);
    while (place > 0 && place <= n && came_of_an_edit(all[place - 1])) place--;
    g_free(all);
    return place;
}

static int apply_layer(const ti_host_result *r)
{
    bool source = gimp_item_is_valid(r->layer) && gimp_item_get_image(r->layer) == r->image;
    gint32 layer = make_layer(r, r->image);
    if (layer == -1) return -1;
    if (source) {
        gint x, y;
        gimp_drawable_offsets(r->layer, &x, &y);
        gimp_layer_set_offsets(layer, x, y);
    }
    gimp_image_insert_layer(r->image, layer, source ? gimp_item_get_parent(r->layer) : -1,
                            source ? place_above(r->image, r->layer) : 0);
    if (r->mask) add_mask(layer, r->mask);
    gimp_drawable_update(layer, 0, 0, gimp_drawable_width(layer), gimp_drawable_height(layer));
    return layer;
}

/* The shadow buffer is what makes it one undo step. Merging would apply the selection once more,
 * and the result already has it, so the selection steps aside meanwhile. */
static int apply_replace(const ti_host_result *r)
{
    gint32 saved = gimp_selection_is_empty(r->image) ? -1 : gimp_selection_save(r->image);
    if (saved != -1) gimp_selection_none(r->image);
    g_autoptr(GeglBuffer) shadow = gimp_drawable_get_shadow_buffer(r->layer);
    write_pixels(r->pixels, shadow);
    gimp_drawable_merge_shadow(r->layer, TRUE);
    attach_record(r->layer, r->record);
    gimp_drawable_update(r->layer, 0, 0, gimp_drawable_width(r->layer),
                         gimp_drawable_height(r->layer));
    if (saved != -1) {
        gimp_image_select_item(r->image, GIMP_CHANNEL_OP_REPLACE, saved);
        gimp_image_remove_channel(r->image, saved);
        gimp_image_set_active_layer(r->image, r->layer);
    }
    return r->layer;
}

static int apply_image(const ti_host_result *r)
{
    const GeglRectangle *extent = gegl_buffer_get_extent(r->pixels);
    gint32 image = gimp_image_new_with_precision(extent->width, extent->height,
                                                 r->kind.gray ? GIMP_GRAY : GIMP_RGB,
                                                 (GimpPrecision)r->kind.precision);
    if (image == -1) return -1;
    if (r->kind.profile) {
        gsize size = 0;
        const guint8 *icc = g_bytes_get_data(r->kind.profile, &size);
        GimpColorProfile *profile = gimp_color_profile_new_from_icc_profile(icc, size, NULL);
        if (profile) gimp_image_set_color_profile(image, profile);
        g_clear_object(&profile);
    }
    gimp_image_undo_disable(image);
    gint32 layer = make_layer(r, image);
    if (layer != -1) gimp_image_insert_layer(image, layer, -1, 0);
    if (layer != -1) attach_history(image, r->history);
    gimp_image_undo_enable(image);
    if (gimp_default_display() > 0) gimp_display_new(image);
    return layer;
}

int ti_host_apply(const ti_host_result *r, GError **error)
{
    int layer;
    if (r->output == TI_NEW_IMAGE || !gimp_image_is_valid(r->image)) {
        layer = apply_image(r);
    } else {
        bool replace =
            r->output == TI_REPLACE && ti_host_check(r->image, r->layer, TI_REPLACE, NULL);
        gimp_image_undo_group_start(r->image);
        layer = replace ? apply_replace(r) : apply_layer(r);
        if (layer != -1) attach_history(r->image, r->history);
        gimp_image_undo_group_end(r->image);
    }
    gimp_displays_flush();
    if (layer == -1)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                    _("GIMP could not make the layer (%s): free some memory or disk and try "
                      "again."),
                    gimp_get_pdb_error());
    return layer;
}

/* Takes PARASITE, which may be NULL. */
static char *text_of(GimpParasite *parasite)
{
    if (!parasite) return NULL;
    char *text = g_strndup(gimp_parasite_data(parasite), (gsize)gimp_parasite_data_size(parasite));
    gimp_parasite_free(parasite);
    return text;
}

char *ti_host_record(int layer)
{
    return gimp_item_is_valid(layer) ? text_of(gimp_item_get_parasite(layer, TI_PARASITE)) : NULL;
}

char *ti_host_history(int image)
{
    return gimp_image_is_valid(image) ? text_of(gimp_image_get_parasite(image, TI_HISTORY)) : NULL;
}

void ti_host_progress(double fraction, const char *text)
{
    static bool shown; /* GIMP has one progress per plug-in process */
    if (fraction < 0) {
        if (shown) gimp_progress_end();
        shown = false;
        return;
    }
    if (!shown)
        gimp_progress_init(text);
    else
        gimp_progress_set_text(text);
    shown = true;
    gimp_progress_update(fraction);
}

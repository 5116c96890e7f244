/* host_gimp3.c - the host for GIMP 3.x, through libgimp-3.0; a build against 3.0 runs in 3.2.
 *
 * Objects belong to libgimp and must not be kept, so ids go in and out and are looked up each time.
 * Buffers carry the image's colour space here, but leave out non-destructive filters: a layer that
 * has some is read from a duplicate of the image in which they are merged, so that nothing of it
 * reaches the person's undo steps.
 */
#include "host_gimp3.h"

#include "host.h"
#include "ui/i18n.h"

#include <libgimp/gimp.h>
#include <string.h>

/* Persistent: saved in XCF. Undoable: goes and comes with its layer. */
enum { PARASITE_FLAGS = GIMP_PARASITE_PERSISTENT | GIMP_PARASITE_UNDOABLE };

GimpImage *ti_gimp3_image(int id)
{
    return gimp_image_id_is_valid(id) ? gimp_image_get_by_id(id) : NULL;
}

GimpLayer *ti_gimp3_layer(int id)
{
    return gimp_item_id_is_valid(id) && gimp_item_id_is_layer(id) ? gimp_layer_get_by_id(id) : NULL;
}

static bool refuse(GError **error, const char *sentence)
{
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, sentence);
    return false;
}

/* GIMP 3.2 has layers made of something else than pixels; the headers of 3.0 have no names for
 * them. */
static bool made_of_pixels(GimpItem *item)
{
    const char *type = G_OBJECT_TYPE_NAME(item);
    return !gimp_item_is_text_layer(item) && strcmp(type, "GimpVectorLayer") &&
           strcmp(type, "GimpLinkLayer");
}

static bool check_replace(GimpItem *item, GError **error)
{
    if (gimp_item_is_group(item))
        return refuse(error, _("A layer group has no pixels to replace: let the result become a "
                               "new layer."));
    if (!made_of_pixels(item))
        return refuse(error,
                      _("Replacing would destroy the text, path or link that the layer is made "
                        "of: let the result become a new layer."));
    for (; item; item = gimp_item_get_parent(item))
        if (gimp_item_get_lock_content(item))
            return refuse(error, _("The layer's pixels are locked: unlock them in the Layers "
                                   "dialog, or let the result become a new layer."));
    return true;
}

bool ti_host_check(int image_id, int layer_id, ti_output output, GError **error)
{
    GimpImage *image = ti_gimp3_image(image_id);
    GimpItem *item = gimp_item_get_by_id(layer_id);
    if (!image || !item || gimp_item_get_image(item) != image)
        return refuse(error, _("The layer is not there any more: choose one in the Layers "
                               "dialog."));
    if (gimp_image_get_base_type(image) == GIMP_INDEXED)
        return refuse(error, _("An indexed image has no room for new colours: choose "
                               "Image > Mode > RGB first."));
    if (!gimp_item_is_layer(item))
        return refuse(error,
                      _("A mask or a channel is active: click on a layer in the Layers dialog."));
    if (gimp_layer_is_floating_sel(GIMP_LAYER(item)))
        return refuse(error, _("A floating selection is active: anchor it first "
                               "(Layer > Anchor Floating Selection)."));
    return output != TI_REPLACE || check_replace(item, error);
}

/* ---- reading ------------------------------------------------------------------------------- */

static GeglRectangle extent_of(GimpDrawable *drawable)
{
    return (GeglRectangle){0, 0, gimp_drawable_get_width(drawable),
                           gimp_drawable_get_height(drawable)};
}

static bool has_filters(GimpDrawable *drawable)
{
    GimpDrawableFilter **filters = gimp_drawable_get_filters(drawable);
    bool any = filters && filters[0];
    g_free(filters);
    return any;
}

/* The layer of COPY, a duplicate of the layer's image, that stands where LAYER stands. */
static GimpDrawable *same_place(GimpImage *image, GimpItem *layer, GimpImage *copy)
{
    GimpItem *parent = gimp_item_get_parent(layer);
    gint position = gimp_image_get_item_position(image, layer);
    GimpDrawable *above = parent ? same_place(image, parent, copy) : NULL;
    if (parent && !above) return NULL;
    GimpItem **children =
        above ? gimp_item_get_children(GIMP_ITEM(above)) : (GimpItem **)gimp_image_get_layers(copy);
    GimpItem *found = NULL;
    for (gint i = 0; children && children[i] && !found; i++)
        if (i == position) found = children[i];
    g_free(children);
    return found ? GIMP_DRAWABLE(found) : NULL;
}

/* Merging may grow or shrink a layer; what counts is where the original lies. */
static GeglBuffer *read_filtered(GimpImage *image, GimpDrawable *layer)
{
    GimpImage *duplicate = gimp_image_duplicate(image);
    GimpDrawable *copy = duplicate ? same_place(image, GIMP_ITEM(layer), duplicate) : NULL;
    GeglBuffer *out = NULL;
    if (copy && gimp_drawable_merge_filters(copy)) {
        GeglRectangle extent = extent_of(layer), source = extent;
        gint x, y;
        gimp_drawable_get_offsets(layer, &source.x, &source.y);
        gimp_drawable_get_offsets(copy, &x, &y);
        source.x -= x;
        source.y -= y;
        g_autoptr(GeglBuffer) merged = gimp_drawable_get_buffer(copy);
        out = gegl_buffer_new(&extent, gegl_buffer_get_format(merged));
        gegl_buffer_copy(merged, &source, GEGL_ABYSS_NONE, out, &extent);
    }
    if (duplicate) gimp_image_delete(duplicate);
    return out;
}

GeglBuffer *ti_host_read(int image_id, int layer_id, GError **error)
{
    GimpImage *image = ti_gimp3_image(image_id);
    GimpLayer *layer = ti_gimp3_layer(layer_id);
    GeglBuffer *out = NULL;
    if (image && layer && has_filters(GIMP_DRAWABLE(layer))) {
        out = read_filtered(image, GIMP_DRAWABLE(layer));
    } else if (image && layer) {
        g_autoptr(GeglBuffer) shared = gimp_drawable_get_buffer(GIMP_DRAWABLE(layer));
        out = shared ? gegl_buffer_dup(shared) : NULL;
    }
    if (!out) refuse(error, _("GIMP did not hand out the layer's pixels: try again."));
    return out;
}

GeglBuffer *ti_host_selection(int image_id, int layer_id, GeglRectangle *bounds, GError **error)
{
    GimpImage *image = ti_gimp3_image(image_id);
    GimpDrawable *layer = GIMP_DRAWABLE(ti_gimp3_layer(layer_id));
    if (gimp_selection_is_empty(image)) return NULL;
    if (!gimp_drawable_mask_intersect(layer, &bounds->x, &bounds->y, &bounds->width,
                                      &bounds->height)) {
        refuse(error, _("The selection does not touch the layer: select a part of it, or "
                        "nothing."));
        return NULL;
    }
    GeglRectangle extent = extent_of(layer), source = extent;
    gimp_drawable_get_offsets(layer, &source.x, &source.y);
    GimpSelection *selection = gimp_image_get_selection(image);
    g_autoptr(GeglBuffer) selected = gimp_drawable_get_buffer(GIMP_DRAWABLE(selection));
    GeglBuffer *out = gegl_buffer_new(&extent, babl_format("Y float"));
    gegl_buffer_copy(selected, &source, GEGL_ABYSS_NONE, out, &extent);
    return out;
}

char *ti_host_layer_name(int layer_id)
{
    return gimp_item_get_name(GIMP_ITEM(ti_gimp3_layer(layer_id)));
}

unsigned ti_host_tattoo(int layer_id)
{
    return gimp_item_get_tattoo(GIMP_ITEM(ti_gimp3_layer(layer_id)));
}

int ti_host_tattooed(int image_id, unsigned tattoo)
{
    GimpImage *image = ti_gimp3_image(image_id);
    GimpLayer *layer = image ? gimp_image_get_layer_by_tattoo(image, tattoo) : NULL;
    return layer ? gimp_item_get_id(GIMP_ITEM(layer)) : -1;
}

void ti_host_kind_read(int image_id, ti_host_kind *kind)
{
    GimpImage *image = ti_gimp3_image(image_id);
    GimpColorProfile *profile = gimp_image_get_color_profile(image);
    kind->precision = gimp_image_get_precision(image);
    kind->gray = gimp_image_get_base_type(image) == GIMP_GRAY;
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

static void update_all(GimpDrawable *drawable)
{
    gimp_drawable_update(drawable, 0, 0, gimp_drawable_get_width(drawable),
                         gimp_drawable_get_height(drawable));
}

/* Same encoding and space on both sides, so that no number changes. */
static void write_pixels(GeglBuffer *pixels, GeglBuffer *target)
{
    gegl_buffer_copy(pixels, NULL, GEGL_ABYSS_NONE, target, NULL);
    gegl_buffer_flush(target);
}

static void attach_record(GimpLayer *layer, const char *record)
{
    GimpParasite *parasite =
        gimp_parasite_new(TI_PARASITE, PARASITE_FLAGS, (guint32)strlen(record) + 1, record);
    gimp_item_attach_parasite(GIMP_ITEM(layer), parasite);
    gimp_parasite_free(parasite);
}

static void attach_history(GimpImage *image, const char *history)
{
    GimpParasite *parasite =
        gimp_parasite_new(TI_HISTORY, PARASITE_FLAGS, (guint32)strlen(history) + 1, history);
    gimp_image_attach_parasite(image, parasite);
    gimp_parasite_free(parasite);
}

/* A layer with the result's pixels and record, not yet in the image. */
static GimpLayer *make_layer(const ti_host_result *r, GimpImage *image)
{
    const GeglRectangle *extent = gegl_buffer_get_extent(r->pixels);
    GimpLayer *layer = gimp_layer_new(image, r->name, extent->width, extent->height,
                                      r->kind.gray ? GIMP_GRAYA_IMAGE : GIMP_RGBA_IMAGE, 100.0,
                                      gimp_image_get_default_new_layer_mode(image));
    if (!layer) return NULL;
    g_autoptr(GeglBuffer) target = gimp_drawable_get_buffer(GIMP_DRAWABLE(layer));
    write_pixels(r->pixels, target);
    attach_record(layer, r->record);
    return layer;
}

static void add_mask(GimpLayer *layer, GeglBuffer *mask)
{
    GimpLayerMask *drawn = gimp_layer_create_mask(layer, GIMP_ADD_MASK_BLACK);
    gimp_layer_add_mask(layer, drawn);
    GeglBuffer *target = gimp_drawable_get_buffer(GIMP_DRAWABLE(drawn));
    gegl_buffer_copy(mask, NULL, GEGL_ABYSS_NONE, target, NULL);
    g_object_unref(target);
    update_all(GIMP_DRAWABLE(drawn));
    gimp_layer_set_edit_mask(layer, FALSE);
}

static bool came_of_an_edit(GimpItem *layer)
{
    GimpParasite *parasite = gimp_item_get_parasite(layer, TI_PARASITE);
    if (parasite) gimp_parasite_free(parasite);
    return parasite != NULL;
}

/* The place above LAYER and the edits that lie on it. */
static gint place_above(GimpImage *image, GimpItem *layer)
{
    gint place = gimp_image_get_item_position(image, layer);
    GimpItem *parent = gimp_item_get_parent(layer);
    GimpItem **all =
        parent ? gimp_item_get_children(parent) : (GimpItem **)gimp_image_get_layers(image);
    gint n = gimp_core_object_array_get_length((GObject **)all);
    while (place > 0 && place <= n && came_of_an_edit(all[place - 1])) place--;
    g_free(all);
    return place;
}

static GimpLayer *apply_layer(const ti_host_result *r, GimpImage *image)
{
    GimpLayer *source = ti_gimp3_layer(r->layer);
    if (source && gimp_item_get_image(GIMP_ITEM(source)) != image) source = NULL;
    GimpLayer *layer = make_layer(r, image);
    if (!layer) return NULL;
    GimpItem *parent = source ? gimp_item_get_parent(GIMP_ITEM(source)) : NULL;
    if (source) {
        gint x, y;
        gimp_drawable_get_offsets(GIMP_DRAWABLE(source), &x, &y);
        gimp_layer_set_offsets(layer, x, y);
    }
    gimp_image_insert_layer(image, layer, parent ? GIMP_LAYER(parent) : NULL,
                            source ? place_above(image, GIMP_ITEM(source)) : 0);
    if (r->mask) add_mask(layer, r->mask);
    update_all(GIMP_DRAWABLE(layer));
    return layer;
}

/* The shadow buffer is what makes it one undo step. Merging would apply the selection once more,
 * and the result already has it, so the selection steps aside meanwhile. Filters were read with the
 * pixels, so they are done with. */
static GimpLayer *apply_replace(const ti_host_result *r, GimpImage *image)
{
    GimpLayer *layer = ti_gimp3_layer(r->layer);
    GimpDrawable *drawable = GIMP_DRAWABLE(layer);
    GimpItem *saved = gimp_selection_is_empty(image) ? NULL : GIMP_ITEM(gimp_selection_save(image));
    if (saved) gimp_selection_none(image);
    if (has_filters(drawable)) gimp_drawable_merge_filters(drawable);
    g_autoptr(GeglBuffer) shadow = gimp_drawable_get_shadow_buffer(drawable);
    write_pixels(r->pixels, shadow);
    gimp_drawable_merge_shadow(drawable, TRUE);
    attach_record(layer, r->record);
    update_all(drawable);
    if (saved) {
        GimpLayer *selected[] = {layer, NULL};
        gimp_image_select_item(image, GIMP_CHANNEL_OP_REPLACE, saved);
        gimp_image_remove_channel(image, GIMP_CHANNEL(saved));
        gimp_image_set_selected_layers(image, (const GimpLayer **)selected);
    }
    return layer;
}

static GimpLayer *apply_image(const ti_host_result *r)
{
    const GeglRectangle *extent = gegl_buffer_get_extent(r->pixels);
    GimpImage *image = gimp_image_new_with_precision(extent->width, extent->height,
                                                     r->kind.gray ? GIMP_GRAY : GIMP_RGB,
                                                     (GimpPrecision)r->kind.precision);
    if (!image) return NULL;
    if (r->kind.profile) {
        gsize size = 0;
        const guint8 *icc = g_bytes_get_data(r->kind.profile, &size);
        GimpColorProfile *profile = gimp_color_profile_new_from_icc_profile(icc, size, NULL);
        if (profile) gimp_image_set_color_profile(image, profile);
        g_clear_object(&profile);
    }
    gimp_image_undo_disable(image);
    GimpLayer *layer = make_layer(r, image);
    if (layer) gimp_image_insert_layer(image, layer, NULL, 0);
    if (layer) attach_history(image, r->history);
    gimp_image_undo_enable(image);
    if (gimp_default_display()) gimp_display_new(image);
    return layer;
}

int ti_host_apply(const ti_host_result *r, GError **error)
{
    GimpImage *image = ti_gimp3_image(r->image);
    GimpLayer *layer;
    if (r->output == TI_NEW_IMAGE || !image) {
        layer = apply_image(r);
    } else {
        bool replace =
            r->output == TI_REPLACE && ti_host_check(r->image, r->layer, TI_REPLACE, NULL);
        gimp_image_undo_group_start(image);
        layer = replace ? apply_replace(r, image) : apply_layer(r, image);
        if (layer) attach_history(image, r->history);
        gimp_image_undo_group_end(image);
    }
    gimp_displays_flush();
    if (layer) return gimp_item_get_id(GIMP_ITEM(layer));
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                _("GIMP could not make the layer (%s): free some memory or disk and try again."),
                gimp_pdb_get_last_error(gimp_get_pdb()));
    return -1;
}

/* Takes PARASITE, which may be NULL. */
static char *text_of(GimpParasite *parasite)
{
    guint32 size = 0;
    if (!parasite) return NULL;
    const char *data = gimp_parasite_get_data(parasite, &size);
    char *text = g_strndup(data, size);
    gimp_parasite_free(parasite);
    return text;
}

char *ti_host_record(int layer_id)
{
    GimpLayer *layer = ti_gimp3_layer(layer_id);
    return layer ? text_of(gimp_item_get_parasite(GIMP_ITEM(layer), TI_PARASITE)) : NULL;
}

char *ti_host_history(int image_id)
{
    GimpImage *image = ti_gimp3_image(image_id);
    return image ? text_of(gimp_image_get_parasite(image, TI_HISTORY)) : NULL;
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

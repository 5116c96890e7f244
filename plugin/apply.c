/* apply.c - taking the shot that the model is shown, and putting its edit into the image.
 *
 * The pixel work is engine/picture's. What is decided here: which region is shown, and which of the
 * carried pixels and masks become what in the image:
 *
 *     new layer                the whole layer with the edit in it, no mask
 *     new layer, selection     the edit, with selection times change as a layer mask to paint on
 *     replace, new image       the whole layer with the edit in it, within the selection
 */
#include "apply.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <string.h>
#include <sys/statvfs.h>

#include "picture/picture.h"
#include "record.h"
#include "ui/i18n.h"

struct ti_shot {
    int image, layer;
    ti_host_kind kind;
    char *layer_name;
    unsigned tattoo;                /* of the layer */
    GeglBuffer *source, *selection; /* the layer as it was; NULL: everything */
    GeglRectangle region;           /* of the layer, shown to the model */
    GBytes *png, *mask;
};

static void set_error(GError **error, const te_error *err)
{
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, err->message);
}

void ti_shot_free(ti_shot *shot)
{
    if (!shot) return;
    ti_host_kind_clear(&shot->kind);
    g_free(shot->layer_name);
    g_clear_object(&shot->source);
    g_clear_object(&shot->selection);
    g_clear_pointer(&shot->png, g_bytes_unref);
    g_clear_pointer(&shot->mask, g_bytes_unref);
    g_free(shot);
}

GBytes *ti_shot_image(const ti_shot *shot)
{
    return shot->png;
}

GBytes *ti_shot_mask(const ti_shot *shot)
{
    return shot->mask;
}

/* ---- PNG ----------------------------------------------------------------------------------- */

static GBytes *write_png(const te_image *image, GError **error)
{
    GdkPixbuf *pixels =
        gdk_pixbuf_new_from_data(image->pixels, GDK_COLORSPACE_RGB, FALSE, 8, image->width,
                                 image->height, (int)image->stride, NULL, NULL);
    char *data = NULL;
    gsize size = 0;
    gboolean ok =
        gdk_pixbuf_save_to_buffer(pixels, &data, &size, "png", error, "compression", "1", NULL);
    g_object_unref(pixels);
    return ok ? g_bytes_new_take(data, size) : NULL;
}

/* RGB u8, a view of the pixbuf's pixels. NULL when it is not a picture of that size. */
static GdkPixbuf *read_png(GBytes *png, int width, int height, te_image *view, GError **error)
{
    g_autoptr(GInputStream) stream = g_memory_input_stream_new_from_bytes(png);
    GdkPixbuf *pixels = gdk_pixbuf_new_from_stream(stream, NULL, error);
    if (!pixels) return NULL;
    *view = (te_image){gdk_pixbuf_get_pixels(pixels),
                       gdk_pixbuf_get_width(pixels),
                       gdk_pixbuf_get_height(pixels),
                       gdk_pixbuf_get_n_channels(pixels),
                       TE_U8,
                       (size_t)gdk_pixbuf_get_rowstride(pixels)};
    if (view->channels == 3 && view->width == width && view->height == height) return pixels;
    g_object_unref(pixels);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                        _("The engine's picture is not of the size it announced: update the "
                          "engine."));
    return NULL;
}

/* "R'G'B' u8" becomes "R'G'B'A u8", in the same space. */
static const Babl *with_alpha(const Babl *format)
{
    const char *encoding = babl_format_get_encoding(format);
    const char *type = strchr(encoding, ' ');
    if (babl_format_has_alpha(format)) return format;
    g_autofree char *name = g_strdup_printf("%.*sA%s", (int)(type - encoding), encoding, type);
    return babl_format_with_space(name, babl_format_get_space(format));
}

/* GEGL keeps what exceeds its cache in a file, and where that finds no room pixels are lost with a
 * mere warning: so there must be room before an edit begins, and again before it is carried. At
 * most the layer, the result and the mask lie there. */
static bool check_swap(GeglBuffer *source, GError **error)
{
    g_autofree char *folder = NULL;
    guint64 cache = 0;
    struct statvfs disk;
    const GeglRectangle *extent = gegl_buffer_get_extent(source);
    int bytes = babl_format_get_bytes_per_pixel(with_alpha(gegl_buffer_get_format(source)));
    guint64 need =
        (guint64)extent->width * (guint64)extent->height * (2 * (guint64)bytes + sizeof(float));
    g_object_get(gegl_config(), "swap", &folder, "tile-cache-size", &cache, NULL);
    if (need <= cache || !folder || statvfs(folder, &disk)) return true;
    guint64 have = (guint64)disk.f_bavail * disk.f_frsize;
    if (need - cache <= have) return true;
    g_autofree char *needed = g_format_size(need - cache), *there = g_format_size(have);
    g_set_error(
        error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
        _("Bringing the edit to full size may need %s in %s and %s are free: free some disk "
          "space, or edit a smaller layer."),
        needed, folder, there);
    return false;
}

/* ---- taking -------------------------------------------------------------------------------- */

/* One grey RGB pixel per byte of the mask. */
static bool take_mask(ti_shot *shot, int width, int height, GError **error)
{
    te_error err;
    uint8_t *grey = NULL;
    size_t n = (size_t)width * (size_t)height;
    if (ti_picture_sample_mask(&grey, shot->selection, &shot->region, width, height, &err)) {
        set_error(error, &err);
        return false;
    }
    if (!memchr(grey, 255, n)) {
        g_free(grey);
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            _("The selection is too faint to edit in: select something fully."));
        return false;
    }
    uint8_t *rgb = g_malloc(3 * n);
    for (size_t i = 0; i < 3 * n; i++) rgb[i] = grey[i / 3];
    te_image image = {rgb, width, height, 3, TE_U8, 3 * (size_t)width};
    shot->mask = write_png(&image, error);
    g_free(rgb);
    g_free(grey);
    return shot->mask != NULL;
}

bool ti_shot_draw(ti_shot *shot, int width, int height, GError **error)
{
    te_error err;
    te_image *small = NULL;
    if (ti_picture_sample(&small, shot->source, &shot->region, width, height, &err)) {
        set_error(error, &err);
        return false;
    }
    shot->png = write_png(small, error);
    ti_picture_image_free(small);
    return shot->png && (!shot->selection || take_mask(shot, width, height, error));
}

const GeglRectangle *ti_shot_region(const ti_shot *shot)
{
    return &shot->region;
}

ti_shot *ti_shot_read(int image, int layer, bool use_selection, GError **error)
{
    GError *why = NULL;
    GeglRectangle bounds;
    ti_shot *shot = g_new0(ti_shot, 1);
    shot->image = image;
    shot->layer = layer;
    shot->layer_name = ti_host_layer_name(layer);
    shot->tattoo = ti_host_tattoo(layer);
    ti_host_kind_read(image, &shot->kind);
    shot->source = ti_host_read(image, layer, &why);
    if (shot->source && check_swap(shot->source, &why)) {
        shot->region = *gegl_buffer_get_extent(shot->source);
        if (use_selection) shot->selection = ti_host_selection(image, layer, &bounds, &why);
        if (shot->selection) shot->region = ti_picture_context(&bounds, &shot->region);
    }
    if (!why) return shot;
    ti_shot_free(shot);
    g_propagate_error(error, why);
    return NULL;
}

ti_shot *ti_shot_take(ti_client *client, int image, int layer, bool use_selection, GError **error)
{
    int width, height;
    ti_shot *shot = ti_shot_read(image, layer, use_selection, error);
    if (!shot) return NULL;
    if (ti_client_size(client, shot->region.width, shot->region.height, &width, &height, error) &&
        ti_shot_draw(shot, width, height, error))
        return shot;
    ti_shot_free(shot);
    return NULL;
}

/* ---- applying ------------------------------------------------------------------------------ */

bool ti_shot_carry(const ti_shot *shot, const ti_client_result *result, ti_output output,
                   const volatile int *cancel, ti_carried *carried, GError **error)
{
    te_image input, edited;
    te_error err;
    if (!check_swap(shot->source, error)) return false;
    g_autoptr(GdkPixbuf) before =
        read_png(result->input, result->width, result->height, &input, error);
    if (!before) return false;
    g_autoptr(GdkPixbuf) after =
        read_png(result->picture, result->width, result->height, &edited, error);
    if (!after) return false;
    bool layer_mask = output == TI_NEW_LAYER && shot->selection;
    ti_carry job = {.original = shot->source,
                    .area = &shot->region,
                    .input = &input,
                    .edited = &edited,
                    .change = result->change,
                    .grid_width = result->grid_width,
                    .grid_height = result->grid_height,
                    .selection = shot->selection,
                    .unmasked = layer_mask,
                    .cancel = cancel};
    *carried = (ti_carried){0};
    if (output != TI_REPLACE) job.format = with_alpha(gegl_buffer_get_format(shot->source));
    if (!ti_picture_carry(&job, &carried->pixels, layer_mask ? &carried->mask : NULL, &err))
        return true;
    set_error(error, &err);
    return false;
}

void ti_carried_clear(ti_carried *carried)
{
    g_clear_object(&carried->pixels);
    g_clear_object(&carried->mask);
}

/* "make it autumn" names its layer; a long instruction is cut at 48 characters. */
static char *layer_name(const char *instruction)
{
    g_autofree char *line = g_strstrip(g_strdelimit(g_strdup(instruction), "\r\n\t", ' '));
    if (g_utf8_strlen(line, -1) <= 48) return g_steal_pointer(&line);
    g_autofree char *start = g_utf8_substring(line, 0, 47);
    return g_strconcat(start, "\u2026", NULL);
}

int ti_shot_put(const ti_shot *shot, const ti_client_result *result, const ti_carried *carried,
                const char *instruction, ti_output output, GError **error)
{
    g_autofree char *name = layer_name(instruction);
    const ti_record_source source = {shot->layer_name, shot->tattoo};
    g_autofree char *record = ti_record_write(result, instruction, &source, &shot->region);
    g_autofree char *before = ti_host_history(shot->image);
    g_autofree char *history = ti_record_remember(before, record);
    ti_host_result made = {.image = shot->image,
                           .layer = shot->layer,
                           .output = output,
                           .kind = shot->kind,
                           .pixels = carried->pixels,
                           .mask = carried->mask,
                           .name = name,
                           .record = record,
                           .history = history};
    return ti_host_apply(&made, error);
}

int ti_shot_apply(const ti_shot *shot, const ti_client_result *result, const char *instruction,
                  ti_output output, GError **error)
{
    ti_carried carried;
    if (!ti_shot_carry(shot, result, output, NULL, &carried, error)) return -1;
    int layer = ti_shot_put(shot, result, &carried, instruction, output, error);
    ti_carried_clear(&carried);
    return layer;
}

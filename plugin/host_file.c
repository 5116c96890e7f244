/* host_file.c - a host without GIMP: images are picture files, layers a list in memory.
 *
 * For tests of what scripts in GIMP cannot bring about at a given moment: an image closed, or a
 * layer deleted, while its edit runs. No undo, no groups, no offsets.
 */
#include "host_file.h"

#include <gio/gio.h>

#include "picture/picture.h"

typedef struct layer {
    int id, image;
    char *name, *record;
    GeglBuffer *pixels, *mask;
} layer;

typedef struct image {
    int id;
    GeglBuffer *selection;
} image;

/* The one table of open things that stands for GIMP's own state, topmost layer first. */
static GList *images, *layers;
static int next_id = 1;

static image *find_image(int id)
{
    for (GList *l = images; l; l = l->next)
        if (((image *)l->data)->id == id) return l->data;
    return NULL;
}

static layer *find_layer(int id)
{
    for (GList *l = layers; l; l = l->next)
        if (((layer *)l->data)->id == id) return l->data;
    return NULL;
}

static void free_layer(layer *l)
{
    g_free(l->name);
    g_free(l->record);
    g_clear_object(&l->pixels);
    g_clear_object(&l->mask);
    g_free(l);
}

static layer *add_layer(int image_id, const char *name, GeglBuffer *pixels)
{
    layer *l = g_new0(layer, 1);
    l->id = next_id++;
    l->image = image_id;
    l->name = g_strdup(name);
    l->pixels = gegl_buffer_dup(pixels);
    layers = g_list_prepend(layers, l);
    return l;
}

static image *add_image(void)
{
    image *i = g_new0(image, 1);
    i->id = next_id++;
    images = g_list_prepend(images, i);
    return i;
}

/* ---- for tests ----------------------------------------------------------------------------- */

bool ti_file_open(const char *path, int *image_id, int *layer_id, GError **error)
{
    te_error err;
    GeglBuffer *buffer = NULL;
    if (ti_picture_load(&buffer, path, &err)) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, err.message);
        return false;
    }
    g_autofree char *name = g_path_get_basename(path);
    *image_id = add_image()->id;
    *layer_id = add_layer(*image_id, name, buffer)->id;
    g_object_unref(buffer);
    return true;
}

void ti_file_select(int image_id, GeglBuffer *selection)
{
    image *i = find_image(image_id);
    g_clear_object(&i->selection);
    if (selection) i->selection = gegl_buffer_dup(selection);
}

void ti_file_delete_layer(int id)
{
    layer *l = find_layer(id);
    layers = g_list_remove(layers, l);
    free_layer(l);
}

void ti_file_close(int id)
{
    image *i = find_image(id);
    for (GList *l = layers, *next; l; l = next) {
        next = l->next;
        if (((layer *)l->data)->image == id) ti_file_delete_layer(((layer *)l->data)->id);
    }
    images = g_list_remove(images, i);
    g_clear_object(&i->selection);
    g_free(i);
}

void ti_file_close_all(void)
{
    while (images) ti_file_close(((image *)images->data)->id);
}

GeglBuffer *ti_file_pixels(int id)
{
    layer *l = find_layer(id);
    return l ? l->pixels : NULL;
}

GeglBuffer *ti_file_mask(int id)
{
    layer *l = find_layer(id);
    return l ? l->mask : NULL;
}

int ti_file_image_of(int id)
{
    layer *l = find_layer(id);
    return l ? l->image : -1;
}

/* ---- host.h -------------------------------------------------------------------------------- */

bool ti_host_check(int image_id, int layer_id, ti_output output, GError **error)
{
    layer *l = find_layer(layer_id);
    (void)output;
    if (find_image(image_id) && l && l->image == image_id) return true;
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                        "The layer is not there any more: choose one in the Layers dialog.");
    return false;
}

GeglBuffer *ti_host_read(int image_id, int layer_id, GError **error)
{
    if (!ti_host_check(image_id, layer_id, TI_NEW_LAYER, error)) return NULL;
    return gegl_buffer_dup(find_layer(layer_id)->pixels);
}

GeglBuffer *ti_host_selection(int image_id, int layer_id, GeglRectangle *bounds, GError **error)
{
    image *i = find_image(image_id);
    const GeglRectangle *extent = gegl_buffer_get_extent(find_layer(layer_id)->pixels);
    if (!i->selection) return NULL;
    GeglBuffer *out = gegl_buffer_new(extent, babl_format("Y float"));
    gegl_buffer_copy(i->selection, extent, GEGL_ABYSS_NONE, out, extent);
    *bounds = ti_picture_mask_bounds(out);
    if (!gegl_rectangle_is_empty(bounds)) return out;
    g_object_unref(out);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                        "The selection does not touch the layer: select a part of it, or nothing.");
    return NULL;
}

char *ti_host_layer_name(int layer_id)
{
    return g_strdup(find_layer(layer_id)->name);
}

unsigned ti_host_tattoo(int layer_id)
{
    return (unsigned)layer_id;
}

int ti_host_tattooed(int image_id, unsigned tattoo)
{
    layer *l = find_layer((int)tattoo);
    return l && l->image == image_id ? l->id : -1;
}

void ti_host_kind_read(int image_id, ti_host_kind *kind)
{
    (void)image_id;
    *kind = (ti_host_kind){0};
}

void ti_host_kind_clear(ti_host_kind *kind)
{
    *kind = (ti_host_kind){0};
}

int ti_host_apply(const ti_host_result *r, GError **error)
{
    image *i = find_image(r->image);
    layer *source = find_layer(r->layer);
    layer *made;
    (void)error;
    if (r->output == TI_REPLACE && i && source) {
        gegl_buffer_copy(r->pixels, NULL, GEGL_ABYSS_NONE, source->pixels, NULL);
        made = source;
    } else {
        bool own = r->output == TI_NEW_IMAGE || !i;
        made = add_layer(own ? add_image()->id : i->id, r->name, r->pixels);
        if (r->mask && !own) made->mask = gegl_buffer_dup(r->mask);
    }
    g_free(made->record);
    made->record = g_strdup(r->record);
    return made->id;
}

char *ti_host_record(int layer_id)
{
    layer *l = find_layer(layer_id);
    return l ? g_strdup(l->record) : NULL;
}

/* Files have no place for one. */
char *ti_host_history(int image_id)
{
    (void)image_id;
    return NULL;
}

void ti_host_progress(double fraction, const char *text)
{
    (void)fraction;
    (void)text;
}

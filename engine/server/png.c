/* png.c - see png.h */
#include "server/png.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "server/place.h"

static guint32 big_endian(const guint8 *p)
{
    return (guint32)p[0] << 24 | (guint32)p[1] << 16 | (guint32)p[2] << 8 | p[3];
}

gboolean ti_png_size(GBytes *png, guint32 *width, guint32 *height)
{
    gsize n;
    const guint8 *p = g_bytes_get_data(png, &n);
    if (n < 33 || memcmp(p, "\x89PNG\r\n\x1a\n", 8) || memcmp(p + 12, "IHDR", 4)) return FALSE;
    *width = big_endian(p + 16);
    *height = big_endian(p + 20);
    return TRUE;
}

static te_status read_as(GBytes *png, const char *what, guint32 format, guint8 **pixels,
                         png_image *image, te_error *err)
{
    gsize n;
    const void *bytes = g_bytes_get_data(png, &n);
    *pixels = NULL;
    memset(image, 0, sizeof *image);
    image->version = PNG_IMAGE_VERSION;
    if (png_image_begin_read_from_memory(image, bytes, n)) {
        image->format = format;
        *pixels = g_try_malloc(PNG_IMAGE_SIZE(*image));
        if (!*pixels) {
            png_image_free(image);
            return ti_server_fail(err, TE_NOMEM, "not enough memory to decode the %s", what);
        }
        png_color black = {0, 0, 0};
        if (png_image_finish_read(image, &black, *pixels, 0, NULL)) return TE_OK;
    }
    te_status st = ti_server_fail(err, TE_FORMAT, "the %s is a damaged PNG (%s): send it again",
                                  what, image->message);
    g_free(*pixels);
    *pixels = NULL;
    png_image_free(image);
    return st;
}

te_status ti_png_read_rgba(GBytes *png, const char *what, te_image *out, te_error *err)
{
    png_image image;
    guint8 *pixels;
    te_status st = read_as(png, what, PNG_FORMAT_RGBA, &pixels, &image, err);
    if (!st)
        *out = (te_image){pixels, (int)image.width,       (int)image.height, 4,
                          TE_U8,  (size_t)image.width * 4};
    return st;
}

te_status ti_png_read_grey(GBytes *png, const char *what, guint8 **out, te_error *err)
{
    png_image image;
    return read_as(png, what, PNG_FORMAT_GRAY, out, &image, err);
}

GBytes *ti_png_write(const te_image *picture)
{
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = (guint32)picture->width;
    image.height = (guint32)picture->height;
    image.format = PNG_FORMAT_RGB;
    image.flags = PNG_IMAGE_FLAG_FAST;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *bytes = g_try_malloc(size);
    if (bytes && png_image_write_to_memory(&image, bytes, &size, 0, picture->pixels,
                                           (png_int_32)picture->stride, NULL))
        return g_bytes_new_take(bytes, size);
    g_free(bytes);
    return NULL;
}

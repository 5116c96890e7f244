/* pngfile.c - see pngfile.h; cairo writes the file. */
#include "world/pngfile.h"

#include <cairo.h>

te_status ti_world_png_write(const char *path, const uint8_t *rgb, int width, int height,
                             te_error *err)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_status_t status = cairo_surface_status(surface);
    if (status == CAIRO_STATUS_SUCCESS) {
        uint8_t *data = cairo_image_surface_get_data(surface);
        int stride = cairo_image_surface_get_stride(surface);
        for (int y = 0; y < height; y++) {
            uint32_t *row = (uint32_t *)(void *)(data + (size_t)y * (size_t)stride);
            for (int x = 0; x < width; x++, rgb += 3)
                row[x] = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
        }
        cairo_surface_mark_dirty(surface);
        status = cairo_surface_write_to_png(surface, path);
    }
    cairo_surface_destroy(surface);
    if (status != CAIRO_STATUS_SUCCESS)
        return ti_fail(err, TE_IO, "%s: cannot write the picture (%s); check folder and disk space",
                       path, cairo_status_to_string(status));
    return TE_OK;
}

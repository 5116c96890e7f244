/* sample.c - from a buffer of any size to what the model is given. */
#include "picture/internal.h"

#include <math.h>

/* Rows of an area, fetched from the buffer in bands. */
typedef struct band_reader {
    GeglBuffer *buffer;
    GeglRectangle area;
    const Babl *format;
    int channels;
    int first, n; /* rows held, from the top of the area */
    float *rows;
} band_reader;

static void read_row(void *source, int y, float *row)
{
    band_reader *r = source;
    size_t stride = (size_t)r->area.width * (size_t)r->channels;
    if (y < r->first || y >= r->first + r->n) {
        r->first = y;
        r->n = MIN(TI_BAND_ROWS, r->area.height - y);
        gegl_buffer_get(r->buffer, GEGL_RECTANGLE(r->area.x, r->area.y + y, r->area.width, r->n),
                        1.0, r->format, r->rows, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
    }
    memcpy(row, r->rows + (size_t)(y - r->first) * stride, stride * sizeof *row);
}

void ti_picture_image_free(te_image *image)
{
    if (!image) return;
    g_free(image->pixels);
    g_free(image);
}

te_status ti_picture_sample(te_image **out, GeglBuffer *buffer, const GeglRectangle *area,
                            int width, int height, te_error *err)
{
    *out = NULL;
    gboolean alpha = babl_format_has_alpha(gegl_buffer_get_format(buffer));
    band_reader r = {.buffer = buffer, .area = area ? *area : *gegl_buffer_get_extent(buffer)};
    r.channels = alpha ? 4 : 3;
    r.format = babl_format(alpha ? "R'aG'aB'aA float" : "R'G'B' float");
    size_t n = (size_t)width * (size_t)height;
    r.rows = g_try_new(float, (size_t)r.area.width *TI_BAND_ROWS *(size_t)r.channels);
    float *small = g_try_new(float, n *(size_t)r.channels);
    te_image *image = g_try_new0(te_image, 1);
    uint8_t *pixels = image ? image->pixels = g_try_malloc(n * 3) : NULL;
    te_status st = r.rows && small && pixels ? TE_OK : ti_picture_no_memory(err);
    if (!st)
        st = ti_resample(read_row, &r, r.area.width, r.area.height, r.channels, small, width,
                         height, err);
    for (size_t i = 0; !st && i < n; i++) {
        const float *p = small + i * (size_t)r.channels;
        float white = alpha ? 1 - CLAMP(p[3], 0.0f, 1.0f) : 0;
        for (int c = 0; c < 3; c++)
            pixels[3 * i + (size_t)c] = (uint8_t)(CLAMP(p[c] + white, 0.0f, 1.0f) * 255.0f + 0.5f);
    }
    g_free(r.rows);
    g_free(small);
    if (st) {
        ti_picture_image_free(image);
        return st;
    }
    image->width = width;
    image->height = height;
    image->channels = 3;
    image->depth = TE_U8;
    image->stride = (size_t)width * 3;
    *out = image;
    return TE_OK;
}

GeglBuffer *ti_picture_to_buffer(const te_image *image)
{
    const GeglRectangle extent = {0, 0, image->width, image->height};
    const Babl *format = babl_format(image->channels == 4 ? "R'G'B'A u8" : "R'G'B' u8");
    GeglBuffer *buffer = gegl_buffer_new(&extent, babl_format("R'G'B' u8"));
    gegl_buffer_set(buffer, &extent, 0, format, image->pixels, (int)image->stride);
    return buffer;
}

te_status ti_picture_sample_mask(uint8_t **out, GeglBuffer *mask, const GeglRectangle *area,
                                 int width, int height, te_error *err)
{
    GeglRectangle from = area ? *area : *gegl_buffer_get_extent(mask);
    float *row = g_try_new(float, (size_t)from.width);
    *out = g_try_new0(uint8_t, (size_t)width * (size_t)height);
    if (!row || !*out) {
        g_free(row);
        g_clear_pointer(out, g_free);
        return ti_picture_no_memory(err);
    }
    for (int y = 0; y < from.height; y++) {
        gegl_buffer_get(mask, GEGL_RECTANGLE(from.x, from.y + y, from.width, 1), 1.0,
                        babl_format("Y float"), row, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
        /* The small rows this one falls on: one when shrinking, maybe several when enlarging. */
        int y0 = (int)((int64_t)y * height / from.height);
        int y1 = MAX(y0 + 1, (int)((int64_t)(y + 1) * height / from.height));
        for (int x = 0; x < from.width; x++) {
            if (!(row[x] > 0.5f)) continue;
            int x0 = (int)((int64_t)x * width / from.width);
            int x1 = MAX(x0 + 1, (int)((int64_t)(x + 1) * width / from.width));
            for (int j = y0; j < y1; j++)
                memset(*out + (size_t)j * (size_t)width + x0, 255, (size_t)(x1 - x0));
        }
    }
    g_free(row);
    return TE_OK;
}

GeglRectangle ti_picture_mask_bounds(GeglBuffer *mask)
{
    const GeglRectangle *extent = gegl_buffer_get_extent(mask);
    int left = G_MAXINT, right = -1, top = G_MAXINT, bottom = -1;
    float *row = g_new(float, (size_t)extent->width);
    for (int y = 0; y < extent->height; y++) {
        gegl_buffer_get(mask, GEGL_RECTANGLE(extent->x, extent->y + y, extent->width, 1), 1.0,
                        babl_format("Y float"), row, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
        int first = 0, last = extent->width - 1;
        while (first <= last && !(row[first] > 0)) first++;
        while (last >= first && !(row[last] > 0)) last--;
        if (first > last) continue;
        left = MIN(left, first);
        right = MAX(right, last);
        top = MIN(top, y);
        bottom = y;
    }
    g_free(row);
    if (right < 0) return *GEGL_RECTANGLE(0, 0, 0, 0);
    return *GEGL_RECTANGLE(extent->x + left, extent->y + top, right - left + 1, bottom - top + 1);
}

GeglRectangle ti_picture_context(const GeglRectangle *selection, const GeglRectangle *whole)
{
    GeglRectangle inside;
    if (!gegl_rectangle_intersect(&inside, selection, whole)) return *whole;
    /* Half as much again on every side, and never less than a model's own size in full pixels. */
    int side = MAX(MAX(inside.width, inside.height) * 2, 512);
    int width = MAX(side, inside.width * 2), height = MAX(side, inside.height * 2);
    GeglRectangle wide = {0, 0, MIN(width, whole->width), MIN(height, whole->height)};
    wide.x = CLAMP(inside.x + inside.width / 2 - wide.width / 2, whole->x,
                   whole->x + whole->width - wide.width);
    wide.y = CLAMP(inside.y + inside.height / 2 - wide.height / 2, whole->y,
                   whole->y + whole->height - wide.height);
    return wide;
}

gboolean ti_picture_has_colour(const te_image *image)
{
    double sum = 0;
    for (int y = 0; y < image->height; y++) {
        const uint8_t *p = (const uint8_t *)image->pixels + (size_t)y * image->stride;
        for (int x = 0; x < image->width; x++, p += image->channels)
            sum += MAX(MAX(p[0], p[1]), p[2]) - MIN(MIN(p[0], p[1]), p[2]);
    }
    return sum / ((double)image->width * image->height) > 10; /* of 255 */
}

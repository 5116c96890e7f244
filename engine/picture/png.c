/* png.c - PNG by libpng: an error ends the call, and says nothing on its own. Palettes and small
 * depths come out as 8-bit RGB or grey, 16 bits stay. A profile counts; a bare gamma value does
 * not, since it nearly always means sRGB. */
#include "picture/internal.h"

#include <png.h>
#include <setjmp.h>

typedef struct trap {
    jmp_buf back;
    char message[160];
} trap;

static void on_error(png_structp png, png_const_charp message)
{
    trap *t = png_get_error_ptr(png);
    g_strlcpy(t->message, message, sizeof t->message);
    longjmp(t->back, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

/* What outlives a longjmp lives here, not in registers. */
typedef struct reader {
    trap trap;
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t size, at;
    uint8_t *pixels;
    png_bytep *rows;
    GeglBuffer *buffer;
} reader;

static void read_bytes(png_structp png, png_bytep to, png_size_t n)
{
    reader *r = png_get_io_ptr(png);
    if (n > r->size - r->at) png_error(png, "it ends too early");
    memcpy(to, r->bytes + r->at, n);
    r->at += n;
}

static const Babl *space_of(reader *r)
{
    png_charp name;
    png_bytep profile;
    png_uint_32 n;
    int method;
    const char *why = NULL;
    if (!png_get_iCCP(r->png, r->info, &name, &method, &profile, &n) || n > G_MAXINT) return NULL;
    const Babl *space = babl_space_from_icc((const char *)profile, (int)n,
                                            BABL_ICC_INTENT_RELATIVE_COLORIMETRIC, &why);
    return space && (babl_space_is_gray(space) || babl_space_is_cmyk(space)) ? NULL : space;
}

/* Asks libpng for 8 or 16 bits a channel, grey or RGB, and names that. */
static const Babl *expand(reader *r)
{
    png_set_expand(r->png);
    if (G_BYTE_ORDER == G_LITTLE_ENDIAN) png_set_swap(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    static const char *const names[] = {"", "Y' ", "Y'A ", "R'G'B' ", "R'G'B'A "};
    char name[16];
    g_snprintf(name, sizeof name, "%s%s", names[png_get_channels(r->png, r->info)],
               png_get_bit_depth(r->png, r->info) == 16 ? "u16" : "u8");
    return babl_format_with_space(name, space_of(r));
}

static te_status decode(reader *r, const char *path, te_error *err)
{
    if (setjmp(r->trap.back))
        return ti_picture_fail(err, TE_FORMAT, "%s: the PNG file is damaged (%s)", path,
                               r->trap.message);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (!r->info) return ti_picture_no_memory(err);
    png_set_user_limits(r->png, TI_MAX_SIDE, TI_MAX_SIDE);
    png_set_read_fn(r->png, r, read_bytes);
    png_read_info(r->png, r->info);
    int width = (int)png_get_image_width(r->png, r->info),
        height = (int)png_get_image_height(r->png, r->info);
    te_status st = ti_check_size(path, width, height, err);
    if (st) return st;
    const Babl *format = expand(r);
    /* An interlaced picture comes whole or not at all; others in bands. */
    gboolean interlaced = png_get_interlace_type(r->png, r->info) != PNG_INTERLACE_NONE;
    int most = interlaced ? height : TI_BAND_ROWS;
    size_t stride = png_get_rowbytes(r->png, r->info);
    r->pixels = g_try_malloc_n((size_t)most, stride);
    r->rows = g_try_new(png_bytep, (size_t)most);
    if (!r->pixels || !r->rows) return ti_picture_no_memory(err);
    for (int i = 0; i < most; i++) r->rows[i] = r->pixels + (size_t)i * stride;
    r->buffer = gegl_buffer_new(GEGL_RECTANGLE(0, 0, width, height), format);
    for (int y = 0; y < height; y += most) {
        int n = MIN(most, height - y);
        if (interlaced)
            png_read_image(r->png, r->rows);
        else
            png_read_rows(r->png, r->rows, NULL, (png_uint_32)n);
        gegl_buffer_set(r->buffer, GEGL_RECTANGLE(0, y, width, n), 0, format, r->pixels,
                        (int)stride);
    }
    png_read_end(r->png, NULL);
    return TE_OK;
}

te_status ti_png_load(GeglBuffer **out, const char *path, const uint8_t *bytes, size_t size,
                      te_error *err)
{
    *out = NULL;
    reader *r = g_try_new0(reader, 1);
    if (!r) return ti_picture_no_memory(err);
    r->bytes = bytes;
    r->size = size;
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r->trap, on_error, on_warning);
    te_status st = decode(r, path, err);
    png_destroy_read_struct(&r->png, &r->info, NULL);
    g_free(r->pixels);
    g_free(r->rows);
    if (st) g_clear_object(&r->buffer);
    *out = r->buffer;
    g_free(r);
    return st;
}

typedef struct writer {
    trap trap;
    png_structp png;
    png_infop info;
    GByteArray *bytes;
    uint8_t *pixels;
} writer;

static void write_bytes(png_structp png, png_bytep from, png_size_t n)
{
    writer *w = png_get_io_ptr(png);
    if (n > G_MAXUINT - w->bytes->len) png_error(png, "it would have more than 4 GB");
    g_byte_array_append(w->bytes, from, (guint)n);
}

static void flush_bytes(png_structp png)
{
    (void)png;
}

static te_status encode(writer *w, GeglBuffer *buffer, const char *path, te_error *err)
{
    if (setjmp(w->trap.back))
        return ti_picture_fail(err, TE_IO, "%s: the PNG file cannot be written (%s)", path,
                               w->trap.message);
    w->info = w->png ? png_create_info_struct(w->png) : NULL;
    if (!w->info) return ti_picture_no_memory(err);
    const GeglRectangle *e = gegl_buffer_get_extent(buffer);
    const Babl *own = gegl_buffer_get_format(buffer), *space = babl_format_get_space(own);
    gboolean alpha = babl_format_has_alpha(own), grey = babl_format_get_n_components(own) <= 2;
    gboolean deep = babl_format_get_type(own, 0) != babl_type("u8");
    if (babl_space_is_gray(space)) space = babl_space("sRGB");
    char name[16];
    g_snprintf(name, sizeof name, "%s%s %s", grey ? "Y'" : "R'G'B'", alpha ? "A" : "",
               deep ? "u16" : "u8");
    const Babl *format = babl_format_with_space(name, space);
    size_t stride = (size_t)e->width * (size_t)babl_format_get_bytes_per_pixel(format);
    w->pixels = g_try_malloc(stride * TI_BAND_ROWS);
    if (!w->pixels) return ti_picture_no_memory(err);
    png_set_write_fn(w->png, w, write_bytes, flush_bytes);
    png_set_compression_level(w->png, 5);
    png_set_IHDR(w->png, w->info, (png_uint_32)e->width, (png_uint_32)e->height, deep ? 16 : 8,
                 (grey ? 0 : PNG_COLOR_MASK_COLOR) | (alpha ? PNG_COLOR_MASK_ALPHA : 0),
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    int n_icc = 0;
    const char *icc =
        space == babl_space("sRGB") || grey ? NULL : babl_space_get_icc(space, &n_icc);
    if (icc && n_icc > 0)
        png_set_iCCP(w->png, w->info, "profile", 0, (png_const_bytep)icc, (png_uint_32)n_icc);
    png_write_info(w->png, w->info);
    if (deep && G_BYTE_ORDER == G_LITTLE_ENDIAN) png_set_swap(w->png);
    for (int y = 0; y < e->height; y += TI_BAND_ROWS) {
        int n = MIN(TI_BAND_ROWS, e->height - y);
        gegl_buffer_get(buffer, GEGL_RECTANGLE(e->x, e->y + y, e->width, n), 1.0, format, w->pixels,
                        (int)stride, GEGL_ABYSS_NONE);
        for (int i = 0; i < n; i++) png_write_row(w->png, w->pixels + (size_t)i * stride);
    }
    png_write_end(w->png, NULL);
    return ti_write_all(path, w->bytes->data, w->bytes->len, err);
}

te_status ti_png_save(GeglBuffer *buffer, const char *path, te_error *err)
{
    writer *w = g_try_new0(writer, 1);
    if (!w) return ti_picture_no_memory(err);
    w->bytes = g_byte_array_new();
    w->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w->trap, on_error, on_warning);
    te_status st = encode(w, buffer, path, err);
    png_destroy_write_struct(&w->png, &w->info);
    g_byte_array_unref(w->bytes);
    g_free(w->pixels);
    g_free(w);
    return st;
}

/* ---- small pictures in memory ------------------------------------------------------------ */

GBytes *ti_picture_to_png(const uint8_t *pixels, int width, int height, int channels)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *bytes = g_try_malloc(size);
    if (bytes && png_image_write_to_memory(&image, bytes, &size, 0, pixels, 0, NULL))
        return g_bytes_new_take(bytes, size);
    g_free(bytes);
    return NULL;
}

te_status ti_picture_from_png(te_image **out, GBytes *png, te_error *err)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    gsize size;
    const void *bytes = g_bytes_get_data(png, &size);
    *out = NULL;
    if (!png_image_begin_read_from_memory(&image, bytes, size))
        return ti_picture_fail(err, TE_FORMAT, "the PNG picture is damaged (%s)", image.message);
    te_status st = ti_check_size("the PNG picture", image.width, image.height, err);
    image.format = PNG_FORMAT_RGB;
    te_image *small = st ? NULL : g_try_new0(te_image, 1);
    if (small) {
        *small = (te_image){NULL,  (int)image.width,       (int)image.height, 3,
                            TE_U8, (size_t)image.width * 3};
        small->pixels = g_try_malloc(small->stride * (size_t)small->height);
    }
    if (!st && (!small || !small->pixels)) st = ti_picture_no_memory(err);
    if (!st && !png_image_finish_read(&image, NULL, small->pixels, 0, NULL))
        st = ti_picture_fail(err, TE_FORMAT, "the PNG picture is damaged (%s)", image.message);
    png_image_free(&image);
    if (st)
        ti_picture_image_free(small);
    else
        *out = small;
    return st;
}

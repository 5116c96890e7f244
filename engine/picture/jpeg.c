/* jpeg.c - JPEG by libjpeg: an error ends the call, not the program, and names the file. */
#include "picture/internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>

#define QUALITY 95

/* Where libjpeg jumps on an error; warnings (damaged data it can guess its way past) count as well.
 */
typedef struct trap {
    struct jpeg_error_mgr manager; /* first: libjpeg hands back a pointer to it */
    jmp_buf back;
    char message[JMSG_LENGTH_MAX];
} trap;

static void on_error(j_common_ptr jpeg)
{
    trap *t = (trap *)jpeg->err;
    jpeg->err->format_message(jpeg, t->message);
    longjmp(t->back, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0) on_error(jpeg);
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void trap_init(trap *t, struct jpeg_error_mgr **manager)
{
    *manager = jpeg_std_error(&t->manager);
    t->manager.error_exit = on_error;
    t->manager.emit_message = on_message;
    t->manager.output_message = on_output;
    t->message[0] = '\0';
}

/* What outlives a longjmp lives here, not in registers. */
typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    trap trap;
    GeglBuffer *buffer;
    JSAMPLE *rows;
    JOCTET *profile;
} reader;

static const Babl *format_of(reader *r)
{
    unsigned size = 0;
    const Babl *space = NULL;
    if (jpeg_read_icc_profile(&r->jpeg, &r->profile, &size)) {
        const char *why = NULL;
        space = babl_space_from_icc((const char *)r->profile, (int)size,
                                    BABL_ICC_INTENT_RELATIVE_COLORIMETRIC, &why);
    }
    if (r->jpeg.out_color_space == JCS_CMYK)
        return babl_format_with_space(
            "cmyk u8", space && babl_space_is_cmyk(space) ? space : NULL); /* 255: no ink */
    if (space && (babl_space_is_cmyk(space) || babl_space_is_gray(space))) space = NULL;
    const char *name = r->jpeg.out_color_space == JCS_GRAYSCALE ? "Y' u8" : "R'G'B' u8";
    if (space && babl_space_is_gray(space) != (r->jpeg.out_color_space == JCS_GRAYSCALE))
        space = NULL;
    return babl_format_with_space(name, space);
}

static te_status decode(reader *r, const char *path, const uint8_t *bytes, size_t size,
                        te_error *err)
{
    if (setjmp(r->trap.back))
        return ti_picture_fail(err, TE_FORMAT, "%s: the JPEG file is damaged (%s)", path,
                               r->trap.message);
    jpeg_create_decompress(&r->jpeg);
    jpeg_mem_src(&r->jpeg, bytes, size);
    jpeg_save_markers(&r->jpeg, JPEG_APP0 + 2, 0xFFFF);
    jpeg_read_header(&r->jpeg, TRUE);
    te_status st = ti_check_size(path, r->jpeg.image_width, r->jpeg.image_height, err);
    if (st) return st;
    if (r->jpeg.jpeg_color_space == JCS_YCCK) r->jpeg.out_color_space = JCS_CMYK;
    jpeg_start_decompress(&r->jpeg);
    const Babl *format = format_of(r);
    int width = (int)r->jpeg.output_width, height = (int)r->jpeg.output_height;
    size_t stride = (size_t)width * (size_t)r->jpeg.output_components;
    r->rows = g_try_malloc(stride * TI_BAND_ROWS);
    if (!r->rows) return ti_picture_no_memory(err);
    r->buffer = gegl_buffer_new(GEGL_RECTANGLE(0, 0, width, height), format);
    for (int y = 0; y < height;) {
        int n = 0;
        while (n < TI_BAND_ROWS && y + n < height) {
            JSAMPROW row = r->rows + (size_t)n * stride;
            n += (int)jpeg_read_scanlines(&r->jpeg, &row, 1);
        }
        if (r->jpeg.out_color_space == JCS_CMYK && !r->jpeg.saw_Adobe_marker)
            for (size_t i = 0; i < stride * (size_t)n; i++)
                r->rows[i] = (JSAMPLE)(255 - r->rows[i]);
        gegl_buffer_set(r->buffer, GEGL_RECTANGLE(0, y, width, n), 0, format, r->rows, (int)stride);
        y += n;
    }
    jpeg_finish_decompress(&r->jpeg);
    return TE_OK;
}

te_status ti_jpeg_load(GeglBuffer **out, const char *path, const uint8_t *bytes, size_t size,
                       te_error *err)
{
    *out = NULL;
    reader *r = g_try_new0(reader, 1);
    if (!r) return ti_picture_no_memory(err);
    trap_init(&r->trap, &r->jpeg.err);
    te_status st = decode(r, path, bytes, size, err);
    jpeg_destroy_decompress(&r->jpeg);
    free(r->profile);
    g_free(r->rows);
    if (st) g_clear_object(&r->buffer);
    *out = r->buffer;
    g_free(r);
    return st;
}

typedef struct writer {
    struct jpeg_compress_struct jpeg;
    trap trap;
    JSAMPLE *rows;
    float *clear; /* a band of a transparent picture, premultiplied */
    unsigned char *bytes;
    unsigned long size;
} writer;

/* A band in FORMAT; what is transparent is put on white, as JPEG knows no transparency. */
static void fetch(writer *w, GeglBuffer *buffer, const GeglRectangle *band, const Babl *format)
{
    if (!w->clear) {
        gegl_buffer_get(buffer, band, 1.0, format, w->rows, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
        return;
    }
    const Babl *space = babl_format_get_space(format);
    size_t n = (size_t)band->width * (size_t)band->height;
    gegl_buffer_get(buffer, band, 1.0, babl_format_with_space("R'aG'aB'aA float", space), w->clear,
                    GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            w->clear[3 * i + c] = w->clear[4 * i + c] + 1 - w->clear[4 * i + 3];
    babl_process(babl_fish(babl_format_with_space("R'G'B' float", space), format), w->clear,
                 w->rows, (long)n);
}

static te_status encode(writer *w, GeglBuffer *buffer, const char *path, te_error *err)
{
    if (setjmp(w->trap.back))
        return ti_picture_fail(err, TE_IO, "%s: the JPEG file cannot be written (%s)", path,
                               w->trap.message);
    const GeglRectangle *extent = gegl_buffer_get_extent(buffer);
    const Babl *format = gegl_buffer_get_format(buffer), *space = babl_format_get_space(format);
    gboolean grey = babl_format_get_n_components(format) <= 2,
             alpha = babl_format_has_alpha(format);
    format = babl_format_with_space(grey ? "Y' u8" : "R'G'B' u8", space);
    size_t stride = (size_t)extent->width * (grey ? 1 : 3);
    w->rows = g_try_malloc(stride * TI_BAND_ROWS);
    if (alpha) w->clear = g_try_new(float, 4 * (size_t)extent->width * TI_BAND_ROWS);
    if (!w->rows || (alpha && !w->clear)) return ti_picture_no_memory(err);
    jpeg_create_compress(&w->jpeg);
    jpeg_mem_dest(&w->jpeg, &w->bytes, &w->size);
    w->jpeg.image_width = (JDIMENSION)extent->width;
    w->jpeg.image_height = (JDIMENSION)extent->height;
    w->jpeg.input_components = grey ? 1 : 3;
    w->jpeg.in_color_space = grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&w->jpeg);
    jpeg_set_quality(&w->jpeg, QUALITY, TRUE);
    w->jpeg.comp_info[0].h_samp_factor = w->jpeg.comp_info[0].v_samp_factor = 1; /* 4:4:4 */
    w->jpeg.optimize_coding = TRUE;
    jpeg_start_compress(&w->jpeg, TRUE);
    int n_icc = 0;
    const char *icc = space == babl_space("sRGB") ? NULL : babl_space_get_icc(space, &n_icc);
    if (icc && n_icc > 0) jpeg_write_icc_profile(&w->jpeg, (const JOCTET *)icc, (unsigned)n_icc);
    for (int y = 0; y < extent->height; y += TI_BAND_ROWS) {
        int n = MIN(TI_BAND_ROWS, extent->height - y);
        fetch(w, buffer, GEGL_RECTANGLE(extent->x, extent->y + y, extent->width, n), format);
        for (int i = 0; i < n; i++) {
            JSAMPROW row = w->rows + (size_t)i * stride;
            jpeg_write_scanlines(&w->jpeg, &row, 1);
        }
    }
    jpeg_finish_compress(&w->jpeg);
    return ti_write_all(path, w->bytes, w->size, err);
}

te_status ti_jpeg_save(GeglBuffer *buffer, const char *path, te_error *err)
{
    writer *w = g_try_new0(writer, 1);
    if (!w) return ti_picture_no_memory(err);
    trap_init(&w->trap, &w->jpeg.err);
    te_status st = encode(w, buffer, path, err);
    jpeg_destroy_compress(&w->jpeg);
    free(w->bytes);
    g_free(w->rows);
    g_free(w->clear);
    g_free(w);
    return st;
}

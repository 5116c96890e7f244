/* internal.h - shared by the files of engine/picture. */
#ifndef TI_PICTURE_INTERNAL_H
#define TI_PICTURE_INTERNAL_H

#include "picture/picture.h"

#define TI_MAX_SIDE   65535
#define TI_MAX_PIXELS 1000000000 /* a thousand megapixels */
#define TI_BAND_ROWS  64

te_status ti_picture_fail(te_error *err, te_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
te_status ti_picture_no_memory(te_error *err);

/* ---- container.c: what the bytes of a file say before anything decodes them -------------- */

typedef enum ti_kind { TI_KIND_NONE, TI_PNG, TI_JPEG, TI_TIFF, TI_WEBP } ti_kind;

typedef struct ti_container {
    ti_kind kind;
    int orientation;        /* Exif, 1 .. 8 */
    gboolean whole;         /* every part is there, and where there are checksums they hold */
    const uint8_t *profile; /* WebP's ICC profile, in the bytes; or NULL */
    size_t profile_size;
} ti_container;

ti_container ti_container_read(const uint8_t *bytes, size_t size);
const char *ti_kind_name(ti_kind kind);

/* ---- png.c, jpeg.c, webp.c: codecs. GEGL's own operations end the program on a damaged JPEG, take
 * half a PNG for a whole one and know no profile in WebP; TIFF they do well.
 * ------------------------------ */

te_status ti_png_load(GeglBuffer **out, const char *path, const uint8_t *bytes, size_t size,
                      te_error *err);
te_status ti_png_save(GeglBuffer *buffer, const char *path, te_error *err);
te_status ti_jpeg_load(GeglBuffer **out, const char *path, const uint8_t *bytes, size_t size,
                       te_error *err);
te_status ti_jpeg_save(GeglBuffer *buffer, const char *path, te_error *err);
te_status ti_webp_load(GeglBuffer **out, const char *path, const ti_container *container,
                       const uint8_t *bytes, size_t size, te_error *err);
te_status ti_webp_save(GeglBuffer *buffer, const char *path, te_error *err);
te_status ti_write_all(const char *path, const void *bytes, size_t size, te_error *err);
/* TE_FORMAT where a side or the area is beyond the limits above. */
te_status ti_check_size(const char *path, int64_t width, int64_t height, te_error *err);

/* ---- resample.c -------------------------------------------------------------------------- */

/* Row Y of the source, width * channels floats. */
typedef void (*ti_row_fn)(void *source, int y, float *row);
/* Antialiased bicubic; to is [to_height][to_width][channels]. */
te_status ti_resample(ti_row_fn read, void *source, int width, int height, int channels, float *to,
                      int to_width, int to_height, te_error *err);

/* ---- fit.c: what the edit is ------------------------------------------------------------- */

/* At a small size, tone of the edit and where it holds. For a pixel x of the original, at whose
 * place the maps below have the values A, b: tone(x) = curve . phi(c) + slope (x - c) + A x + b,  c
 * = x clamped to [low, high], phi(c) = 1, r, g, b, rr, gg, bb, rg, rb, gb. */
typedef struct ti_fit {
    int width, height;
    float light; /* 1: a change of light, or of everything .. 0: of things */
    float curve[3][10], slope[3][3];
    float low[3], high[3];
    float *local;  /* [height][width][12]: rows of A with b behind each */
    float *change; /* [height][width]: 0 as the original .. 1 as the edit */
    float *fresh;  /* [height][width]: 0 tone of the original .. 1 the edited picture itself */
    float *edited; /* [height][width][3]: without colour where the edit took all colour */
} ti_fit;

/* input, edited, and the original at their size: [height][width][3]; change as in ti_carry. CHOSEN:
 * the share of the picture that may change, above 0 .. 1. */
te_status ti_fit_create(ti_fit **out, const float *input, const float *edited,
                        const float *original, int width, int height, const uint8_t *change,
                        int grid_width, int grid_height, double chosen, te_error *err);
void ti_fit_free(ti_fit *fit);
void ti_fit_tone(const ti_fit *fit, const float local[12], const float in[3], float out[3]);

/* ---- structure.c: edges outlast a change of light ----------------------------------------- */

/* A tone may flatten one end of the range until edges there are lost. Then lightness goes, by SHARE
 * of the way, to the line base + slope (original's lightness) that is nearest to the tone: it has
 * the tone's mean and contrast, and all of the original's edges. */
typedef struct ti_structure {
    float share, base, slope;
} ti_structure;

/* The least share that keeps the edges. BEFORE, AFTER: pairs of neighbouring rows in R'G'B'A of
 * sRGB, [pairs][2][width][4]; MASK [pairs][2][width]: how much of the edit is in a pixel. What is
 * outside the edit says nothing of its tone. */
te_status ti_structure_find(ti_structure *s, const float *before, const float *after,
                            const float *mask, int width, int pairs, te_error *err);
/* Moves TONE, of the pixel IN; hue and saturation stay where sRGB has room for them. */
void ti_structure_keep(const ti_structure *s, const float in[3], float tone[3]);

#endif

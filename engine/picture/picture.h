/* picture.h - between picture files or layers of any size and the small picture the model works on.
 *
 *     GeglBuffer *photo, *result;
 *     te_image *small;
 *     ti_picture_load(&photo, "photo.jpg", &err);
 *     te_model_working_size(model, width, height, &w, &h);
 *     ti_picture_sample(&small, photo, NULL, w, h, &err);
 *     te_edit(model, small, "make it evening", &opt, NULL, &edit, &err);
 *     ti_carry job = {.original = photo, .input = te_result_input(edit),
 *                     .edited = te_result_image(edit)};
 *     job.change = te_result_change(edit, &job.grid_width, &job.grid_height);
 *     ti_picture_carry(&job, &result, NULL, &err);
 *     ti_picture_save(result, "photo-evening.jpg", &err);
 *
 * Callers have called gegl_init() (a GIMP plug-in has). Every GeglBuffer handed out is the caller's
 * to unref; buffers handed in stay as they are. Formats carry precision and colour space: a buffer
 * loaded from a 16-bit file with a profile is a 16-bit buffer in the profile's space, and is saved
 * as such. Memory is bounded by bands of rows; GEGL's own tiles may go to its swap. */
#ifndef TI_PICTURE_PICTURE_H
#define TI_PICTURE_PICTURE_H

#include <gegl.h>

#include "thinkedit.h"

/* ---- files ------------------------------------------------------------------------------- */

/* Loads PNG, JPEG, TIFF or WebP (told apart by content), upright as its Exif orientation says, in
 * RGB or grey with or without alpha. A damaged or cut off file is TE_FORMAT. */
te_status ti_picture_load(GeglBuffer **out, const char *path, te_error *err);
/* Saves by extension, with the buffer's precision as far as the format goes, and its profile. PATH
 * is whole or as it was: the file is written beside it and renamed. */
te_status ti_picture_save(GeglBuffer *buffer, const char *path, te_error *err);
/* Whether ti_picture_save() could write there: known extension, writable folder. For asking before
 * long work. */
te_status ti_picture_check_target(const char *path, te_error *err);

/* ---- to the model's size ----------------------------------------------------------------- */

/* AREA of BUFFER (NULL: its extent) at width x height as RGB u8, by an antialiased bicubic over
 * sRGB values, as the model was trained with. The whole area is stretched to that size, so that a
 * point of one is linearly a point of the other. What is transparent is seen on white. */
te_status ti_picture_sample(te_image **out, GeglBuffer *buffer, const GeglRectangle *area,
                            int width, int height, te_error *err);
void ti_picture_image_free(te_image *image);
/* The mask of te_region: 255 where any pixel of MASK (its luminance or single channel) in AREA that
 * falls on the small pixel is above a half. width * height bytes, g_free() them. */
te_status ti_picture_sample_mask(uint8_t **out, GeglBuffer *mask, const GeglRectangle *area,
                                 int width, int height, te_error *err);
/* SELECTION and as much around it as the model needs to see, within WHOLE. */
GeglRectangle ti_picture_context(const GeglRectangle *selection, const GeglRectangle *whole);
/* Bounding box of what is above zero in MASK, within its extent; empty when nothing is. */
GeglRectangle ti_picture_mask_bounds(GeglBuffer *mask);
/* Whether the picture has colour to speak of; a grey file edited into colour is saved in colour. */
gboolean ti_picture_has_colour(const te_image *image);
/* BUFFER in FORMAT, or itself with another reference. */
GeglBuffer *ti_picture_convert(GeglBuffer *buffer, const Babl *format);
/* FORMAT with three channels where it has one; precision, alpha and space stay. */
const Babl *ti_picture_colour_format(const Babl *format);

/* A small picture as a PNG in memory, for the wire: 1 channel (masks) or 3, 8 bits, rows without
 * gaps. NULL: no memory. And back, always as RGB; *out is ti_picture_image_free()'d. */
GBytes *ti_picture_to_png(const uint8_t *pixels, int width, int height, int channels);
te_status ti_picture_from_png(te_image **out, GBytes *png, te_error *err);
/* IMAGE as a buffer of "R'G'B' u8". */
GeglBuffer *ti_picture_to_buffer(const te_image *image);

/* ---- carrying an edit back to full size -------------------------------------------------- */

/* What changed between INPUT and EDITED, both of the model's size, is applied to AREA of ORIGINAL:
 *
 *   where a change of tone explains the edit (locally affine, fitted between the two small
 * pictures), the original's own pixels go through it, so that all their detail stays; where it does
 * not, because something is there that was not, the edited picture itself is taken; where nothing
 * changed, the original's bytes are copied: bit-identical.
 *
 * The three meet along soft masks that follow the original's edges. A change of light covers all of
 * the area, and leaves the original's edges visible where its tone alone would swallow them. */
typedef struct ti_carry {
    GeglBuffer *original;
    const GeglRectangle *area;      /* what was sampled for the model; NULL: all of it */
    const te_image *input, *edited; /* te_result_input(), te_result_image(): RGB u8, one size */
    const uint8_t *change;          /* te_result_change(); NULL: every token changed */
    int grid_width, grid_height;
    GeglBuffer *selection; /* NULL, or how much of each pixel may change, in original's place */
    const Babl *format;    /* of the output; NULL: the original's */
    gboolean unmasked;     /* the output is the edit throughout; the mask tells where it counts */
    const volatile int *cancel; /* may be NULL */
} ti_carry;

/* *out has the extent of the original. *mask, if wanted: "Y float", how much of the edit is in each
 * pixel (selection included). */
te_status ti_picture_carry(const ti_carry *job, GeglBuffer **out, GeglBuffer **mask, te_error *err);

#endif

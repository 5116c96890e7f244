/* geometry.h - from a caller's picture of any size to the pixels a model works at, and from places
 * in the picture to image tokens.
 *
 * Resampling is bicubic (a = -0.5), widened when it shrinks, as Pillow and torchvision do it,
 * because the released models were trained on pictures brought to size that way; 8-bit pictures
 * give Pillow's very bytes. Colour under alpha is kept as it is, so that an edited picture can take
 * its old alpha back; a fully transparent pixel has no colour and counts as white. */
#ifndef TI_VISION_GEOMETRY_H
#define TI_VISION_GEOMETRY_H

#include "base/error.h"

/* The part of a picture that is seen, in its pixels, and the working size it is brought to. */
typedef struct ti_frame {
    double x, y, width, height;
    int out_width, out_height;
} ti_frame;

/* Variant M: the whole picture, stretched to one size. Measured against mirrored borders around it
 * (photo-bench, the embedded model, two photographs at 3:2 and 2:1, seeds 7 and 8): 38 of 44 edits
 * hold either way at 3:2; at 2:1, 40 stretched and 38 padded. */
ti_frame ti_frame_whole(int width, int height, int out_width, int out_height);
/* Variant A: the picture scaled to cover a size that keeps the area of grid_h x grid_w tokens of
 * PATCH pixels, and what sticks out cut off both ends alike. Sizes go in steps of two tokens each
 * way (one, where the grid's sides are odd); of those no more than 4 to 1, the one of the nearest
 * aspect. */
ti_frame ti_frame_crop(int width, int height, int grid_h, int grid_w, int patch);

/* TE_INVALID unless PICTURE is one thinkedit.h allows. */
te_status ti_picture_check(const te_image *picture, te_error *err);
/* rgb [out_height][out_width][3] in [0, 1]; needs memory for the working size only. */
te_status ti_picture_read(const te_image *picture, const ti_frame *frame, float *rgb,
                          te_error *err);

/* N values in [0, 1] to 8 bits, rounded. */
void ti_rgb_to_u8(uint8_t *to, const float *rgb, size_t n);

/* tokens [grid_h][grid_w]: 1 where the token sees a pixel whose MASK byte ([height][width]) is
 * above 127, else 0. */
void ti_mask_to_tokens(const uint8_t *mask, int width, int height, const ti_frame *frame,
                       int grid_h, int grid_w, uint8_t *tokens);

#endif

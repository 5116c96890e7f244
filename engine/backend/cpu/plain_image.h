/* plain_image.h - the judge of the image tokeniser's ops, as plain.h is of the backbone's: each as
 * its formula says, sums in double, no threads. Contracts in backend.h. Not used in an edit. */
#ifndef TI_BACKEND_CPU_PLAIN_IMAGE_H
#define TI_BACKEND_CPU_PLAIN_IMAGE_H

#include "backend/cpu/cpu.h"

/* W is [out][in][kernel][kernel] float32; BIAS may be NULL. */
void ti_plain_conv(float *y, const float *x, const float *w, const float *bias,
                   const ti_conv *shape, bool accumulate);
void ti_plain_group_norm(float *y, const float *x, const float *gain, const float *bias,
                         int n_pixels, int channels, int groups, float eps, bool silu);
void ti_plain_upsample(float *y, const float *x, int height, int width, int channels);
void ti_plain_add(float *y, const float *x, size_t n);
/* ROOM holds n_pixels scores. */
void ti_plain_pixel_attention(float *y, const float *q, const float *k, const float *v,
                              int n_pixels, int channels, float *room);

#endif

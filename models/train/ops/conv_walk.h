/* conv_walk.h - how the convolutions go over a picture: KERNEL x KERNEL weights over rows that are
 * padded and dilated as they are copied into a band. Forwards it is the convolution; backwards the
 * same walk over the gradient of the output, dilated by the stride. */
#ifndef TI_TRAIN_OPS_CONV_WALK_H
#define TI_TRAIN_OPS_CONV_WALK_H

#include "ops/ops.h"

#define TI_CONV_BAND  8 /* output rows a task computes */
#define TI_CONV_PARTS 8 /* buffers the gradient of the weights adds up in */

typedef struct ti_walk {
    int n, height, width, in;
    int dilate, stride, pad, kernel;
    int out_height, out_width, out;
} ti_walk;

/* Where the walk's sums go. */
typedef struct ti_walk_target {
    float *y;
    const float *bias, *residual; /* may be NULL */
    bool accumulate;
} ti_walk_target;

ti_walk ti_walk_forward(const ti_conv_shape *s);
ti_walk ti_walk_backward(const ti_conv_shape *s);
int ti_walk_band_width(const ti_walk *k); /* pixels of a padded row */
/* One padded row, [band width][in]; ROW counts in padded coordinates. */
void ti_walk_fill_row(float *to, const float *image, const ti_walk *k, int row);
/* Gradients of the weights and (not NULL) the bias: adds up PARTS, each [kernel * kernel * in + 1]
 * [lds] with the bias's in the last row, in their order. */
void ti_walk_add_parts(float *dw, float *dbias, const float *parts, int lds, const ti_conv_shape *s,
                       int threads);

#endif

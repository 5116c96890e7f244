/* layers.h - what both image tokenisers are made of, and the canvas their layers paint on.
 *
 * Binding finds a layer's tensors in the model file by name and takes its widths from their shapes;
 * the caller says only what comes in. Running is a series of ti_canvas_* calls; after the first
 * failure, or when the cancel flag is seen between two layers, the rest do nothing. A canvas
 * without a backend runs nothing either and only measures: the same description tells how much
 * memory it needs. */
#ifndef TI_VISION_LAYERS_H
#define TI_VISION_LAYERS_H

#include "backend/backend.h"
#include "format/gguf.h"

#define TI_IMAGE_MAX_CHANNELS 2048
#define TI_IMAGE_NAME         128 /* bytes of a tensor's name, at most */

typedef struct ti_conv_layer {
    ti_weight *kernel, *bias;
    int in, out, size; /* channels, channels, kernel */
} ti_conv_layer;

typedef struct ti_norm_layer {
    ti_weight *gain, *bias;
    int channels;
} ti_norm_layer;

/* x + conv2(silu(norm2(conv1(silu(norm1(x)))))); a 1 x 1 shortcut where the channels change */
typedef struct ti_residual {
    ti_norm_layer norm1, norm2;
    ti_conv_layer conv1, conv2, shortcut; /* shortcut.kernel is NULL where there is none */
} ti_residual;

/* x + out(attention(q(norm(x)), k(norm(x)), v(norm(x)))) */
typedef struct ti_attention {
    ti_norm_layer norm;
    ti_conv_layer q, k, v, out;
} ti_attention;

/* ---- binding --------------------------------------------------------------------------------- */

typedef struct ti_binder {
    const ti_gguf *file;
    ti_backend *backend;
    int groups;          /* of every norm */
    float eps;           /* the same */
    bool exact;          /* kernels are bound as float32, whatever the file has */
    ti_weight **weights; /* all that was bound: the owner frees them, ti_binder_clear() does */
    int n_weights, capacity;
    te_status status;
    te_error *err;
} ti_binder;

void ti_binder_clear(ti_binder *b);
/* Whether the file has "image." NAME (printf format) ".weight". */
bool ti_binder_has(const ti_binder *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Records a failure unless there is one already. */
void ti_binder_fail(ti_binder *b, te_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* NAME is the network's own, without "image." before and ".weight" or ".bias" after it. Each
 * returns the channels that come out (0 after a failure). */
int ti_bind_conv(ti_binder *b, ti_conv_layer *layer, int in, int size, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
int ti_bind_norm(ti_binder *b, ti_norm_layer *layer, int channels, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* SHORTCUT is the name of the 1 x 1 convolution within the block. */
int ti_bind_residual(ti_binder *b, ti_residual *block, int in, const char *shortcut,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));
int ti_bind_attention(ti_binder *b, ti_attention *block, int channels, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- running --------------------------------------------------------------------------------- */

typedef struct ti_canvas {
    ti_backend *backend;         /* NULL: only measure */
    float *x, *h, *t;            /* device; x is what the next layer reads, h and t are room */
    int height, width, channels; /* of x */
    int groups;                  /* of every norm */
    float eps;
    size_t peak;                /* floats the largest of the three has to hold so far */
    const volatile int *cancel; /* may be NULL */
    te_status status;
    te_error *err;
} ti_canvas;

void ti_canvas_conv(ti_canvas *c, const ti_conv_layer *layer); /* same size */
void ti_canvas_down(ti_canvas *c, const ti_conv_layer *layer); /* half, padded right and below */
void ti_canvas_up(ti_canvas *c, const ti_conv_layer *layer);   /* double, pixels repeated */
void ti_canvas_norm_silu(ti_canvas *c, const ti_norm_layer *layer);
void ti_canvas_residual(ti_canvas *c, const ti_residual *block);
void ti_canvas_attend(ti_canvas *c, const ti_attention *block);

#endif

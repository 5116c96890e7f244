/* ops.h - the operations training needs, forward and backward, and nothing else about the device.
 *
 * The networks (llada.c, magvit.c) and the optimiser are written once against this table, like the
 * engine's model against its own. Pointers are device memory unless marked host. Everything is
 * enqueued in order; only download() and sum() wait. Nothing allocates but alloc().
 *
 * Matrices are row-major float32; images are [n][height][width][channels]. A gradient op writes its
 * result over the target unless it says "adds to". Results are the same for any number of threads:
 * sums go over fixed chunks in a fixed order.
 */
#ifndef TI_TRAIN_OPS_H
#define TI_TRAIN_OPS_H

#include "backend/cpu/gemm.h"

/* Limits of the scratch memory a device keeps; builders of networks check them. */
#define TI_TRAIN_MAX_CHANNELS 256
#define TI_TRAIN_MAX_TOKENS   4096
#define TI_TRAIN_MAX_IMAGE    (1 << 21) /* floats of one image at one layer */

/* Rows [first, first + count) attend to each other. */
typedef struct ti_span {
    int first, count;
} ti_span;

typedef struct ti_attention_shape {
    const ti_span *spans; /* host */
    int n_spans, heads, head_size;
    int ld; /* floats between rows of q, k and v */
    bool bf16;
} ti_attention_shape;

/* y[oy][ox][o] = bias[o] + sum x[oy * stride + ky - pad][ox * stride + kx - pad][i] *
 * w[o][i][ky][kx] */
typedef struct ti_conv_shape {
    int n, height, width, in; /* of x */
    int out_height, out_width, out;
    int kernel, stride, pad;
    bool bf16; /* factors may be rounded to bf16 where that is faster */
} ti_conv_shape;

typedef struct ti_group_shape {
    int n, pixels, channels, groups;
    float eps;
    bool silu;
} ti_group_shape;

/* Look-up-free quantisation: its own loss terms. */
typedef struct ti_lfq_shape {
    int n, bits;
    float commitment; /* weight of mean (z - sign z)^2 */
    float certainty;  /* weight of the mean entropy of a code given its picture: pushed down */
    float diversity;  /* weight of the entropy of the mean code: pushed up */
    float sharpness;  /* p(bit) = sigmoid(sharpness * z) */
} ti_lfq_shape;

/* Reconstruction in pixels and in their differences to the right and lower neighbour. */
typedef struct ti_picture_shape {
    int n, height, width;
    float l1, l2, gradient;
} ti_picture_shape;

typedef struct ti_adamw {
    float rate, beta1, beta2, eps, decay;
    float correction1, correction2; /* 1 - beta^step */
    float gradient_scale;           /* clipping and accumulation */
    float ema;                      /* share of the average that stays */
} ti_adamw;

typedef struct ti_train_device ti_train_device;

typedef struct ti_train_ops {
    /* ---- device ---- */
    void (*free)(ti_train_device *d);
    te_status (*alloc)(ti_train_device *d, size_t bytes, void **memory, te_error *err);
    void (*release)(ti_train_device *d, void *memory);
    void (*upload)(ti_train_device *d, void *to, const void *from_host, size_t bytes);
    te_status (*download)(ti_train_device *d, void *to_host, const void *from, size_t bytes,
                          te_error *err);
    void (*zero)(ti_train_device *d, float *x, size_t n);
    void (*copy)(ti_train_device *d, float *y, const float *x, size_t n);
    /* y = a y + b x; x may be y */
    void (*mix)(ti_train_device *d, float *y, float a, const float *x, float b, size_t n);

    /* ---- products: see gemm.h ---- */
    void (*gemm)(ti_train_device *d, const ti_gemm_shape *s, const float *a, const float *b,
                 float *c);

    /* ---- backbone ---- */
    /* x[r] = table[tokens[r]]; back adds to dtable */
    void (*embed)(ti_train_device *d, float *x, const float *table, const int32_t *tokens, int rows,
                  int width);
    void (*embed_back)(ti_train_device *d, float *dtable, const float *dx, const int32_t *tokens,
                       int rows, int width);
    /* y = x * rstd * gain, rstd[r] = 1 / sqrt(mean(x[r]^2) + eps); back adds to dx and dgain */
    void (*norm)(ti_train_device *d, float *y, float *rstd, const float *x, const float *gain,
                 int rows, int width, float eps);
    void (*norm_back)(ti_train_device *d, float *dx, float *dgain, const float *dy, const float *x,
                      const float *gain, const float *rstd, int rows, int width);
    /* rotate-half embedding in place; SIGN -1 turns back, which is the gradient */
    void (*rope)(ti_train_device *d, float *x, const int32_t *positions, int rows, int heads,
                 int head_size, int ld, float theta, int sign);
    /* y = softmax(q k^T / sqrt(head_size)) v with y dense [rows][heads * head_size];
     * lse[rows][heads] keeps the logarithms of the sums. dq, dk, dv have q's ld. */
    void (*attention)(ti_train_device *d, float *y, float *lse, const float *q, const float *k,
                      const float *v, const ti_attention_shape *s);
    void (*attention_back)(ti_train_device *d, float *dq, float *dk, float *dv, const float *dy,
                           const float *y, const float *lse, const float *q, const float *k,
                           const float *v, const ti_attention_shape *s);
    /* y[r][j] = silu(x[r][j]) * x[r][width + j], x [rows][2 * width] */
    void (*swiglu)(ti_train_device *d, float *y, const float *x, int rows, int width);
    void (*swiglu_back)(ti_train_device *d, float *dx, const float *dy, const float *x, int rows,
                        int width);
    /* y[r] = x[index[r]]; back: dx[index[r]] += dy[r], each index at most once */
    void (*gather)(ti_train_device *d, float *y, const float *x, const int32_t *index, int rows,
                   int width);
    void (*scatter)(ti_train_device *d, float *dx, const float *dy, const int32_t *index, int rows,
                    int width);
    /* loss[r] = -ln softmax(scale * logits[r])[target[r]], hit[r] = 1 where target is the arg-max;
     * logits become their gradient of sum weight[r] * loss[r] */
    void (*cross_entropy)(ti_train_device *d, float *logits, float *loss, float *hit,
                          const int32_t *target, const float *weight, int rows, int cols,
                          float scale);

    /* ---- image tokeniser ---- */
    /* y = conv(x) + bias + residual (may be NULL) */
    void (*conv)(ti_train_device *d, float *y, const float *x, const float *w, const float *bias,
                 const float *residual, const ti_conv_shape *s);
    /* gradient of the input; adds to dx if ACCUMULATE */
    void (*conv_back_input)(ti_train_device *d, float *dx, const float *dy, const float *w,
                            const ti_conv_shape *s, bool accumulate);
    /* adds to dw and dbias */
    void (*conv_back_weight)(ti_train_device *d, float *dw, float *dbias, const float *dy,
                             const float *x, const ti_conv_shape *s);
    /* stats[n][groups][2]: mean and 1 / sqrt(var + eps) */
    void (*group_norm)(ti_train_device *d, float *y, float *stats, const float *x,
                       const float *gain, const float *bias, const ti_group_shape *s);
    /* adds to dgain and dbias, and to dx if ACCUMULATE */
    void (*group_norm_back)(ti_train_device *d, float *dx, float *dgain, float *dbias,
                            const float *dy, const float *x, const float *stats, const float *gain,
                            const float *bias, const ti_group_shape *s, bool accumulate);
    void (*upsample)(ti_train_device *d, float *y, const float *x, int n, int height, int width,
                     int channels); /* nearest, twice the size; sizes are x's */
    void (*upsample_back)(ti_train_device *d, float *dx, const float *dy, int n, int height,
                          int width, int channels);
    /* q = sign(z) as +1 / -1, n rows of bits */
    void (*quantise)(ti_train_device *d, float *q, const float *z, const ti_lfq_shape *s);
    /* dz = dq (straight through) + gradient of the terms of S, which land in
     * terms[3]: commitment, certainty (bits), diversity (bits) */
    void (*quantise_back)(ti_train_device *d, float *dz, float *terms, const float *dq,
                          const float *z, const ti_lfq_shape *s);
    /* dy = gradient of the loss for SCALE times it; terms[3]: mean l1, mean l2, mean gradient
     * term. A pixel counts WEIGHT[n][height][width] times, a step between two as often as both do on
     * average; NULL: once. */
    void (*picture_loss)(ti_train_device *d, float *dy, float *terms, const float *y,
                         const float *target, const float *weight, const ti_picture_shape *s,
                         float scale);

    /* ---- optimiser ---- */
    double (*sum_squares)(ti_train_device *d, const float *x, size_t n); /* waits */
    void (*adamw)(ti_train_device *d, float *param, float *m, float *v, float *ema,
                  const float *grad, size_t n, const ti_adamw *o);
} ti_train_ops;

struct ti_train_device {
    const ti_train_ops *op;
    const char *description;
    int rows_at_once; /* rows whose logits are best made together; 0: a few hundred */
};

te_status ti_train_device_create_cpu(ti_train_device **out, int threads, te_error *err);
static inline void ti_train_device_free(ti_train_device *d)
{
    if (d) d->op->free(d);
}

#endif

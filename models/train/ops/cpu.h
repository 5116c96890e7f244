/* cpu.h - what the CPU ops share. Every file of this folder but device.c is compiled once per
 * instruction set; TI_OP(name) gives each build's functions their own names, and table.c collects
 * them. */
#ifndef TI_TRAIN_OPS_CPU_H
#define TI_TRAIN_OPS_CPU_H

#include "ops/ops.h"

#include <omp.h>

#define TI_OP_JOIN2(name, isa) ti_train_##name##_##isa
#define TI_OP_JOIN(name, isa)  TI_OP_JOIN2(name, isa)
#ifdef TI_TRAIN_ISA
#define TI_OP(name) TI_OP_JOIN(name, TI_TRAIN_ISA)
#endif

#define TI_SCRATCH_FLOATS ((size_t)1 << 21) /* per thread */
#define TI_SHARED_FLOATS  ((size_t)1 << 23)

typedef struct ti_train_cpu {
    ti_train_device base;
    int threads;
    bool bf16; /* the processor multiplies pairs of bf16: conv_bf16.c */
    ti_gemm *gemm;
    ti_gemm **single; /* [threads], one-threaded products inside an op's own parallel region */
    float *scratch;   /* [threads][TI_SCRATCH_FLOATS] */
    float *shared;    /* [TI_SHARED_FLOATS] */
    char text[96];
} ti_train_cpu;

static inline ti_train_cpu *ti_train_cpu_of(ti_train_device *d)
{
    return (ti_train_cpu *)d;
}

static inline float *ti_train_scratch(ti_train_cpu *c, int thread)
{
    return c->scratch + (size_t)thread * TI_SCRATCH_FLOATS;
}

/* Sixteen floats; wide registers where the build has them. */
typedef float ti_v16 __attribute__((vector_size(64), aligned(4), may_alias));

static inline int ti_min(int a, int b)
{
    return a < b ? a : b;
}

static inline size_t ti_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

#ifdef TI_TRAIN_ISA
/* Elementwise work goes in chunks of this many floats. */
#define TI_CHUNK ((size_t)16384)

void TI_OP(zero)(ti_train_device *d, float *x, size_t n);
void TI_OP(copy)(ti_train_device *d, float *y, const float *x, size_t n);
void TI_OP(mix)(ti_train_device *d, float *y, float a, const float *x, float b, size_t n);
void TI_OP(embed)(ti_train_device *d, float *x, const float *table, const int32_t *tokens, int rows,
                  int width);
void TI_OP(embed_back)(ti_train_device *d, float *dtable, const float *dx, const int32_t *tokens,
                       int rows, int width);
void TI_OP(norm)(ti_train_device *d, float *y, float *rstd, const float *x, const float *gain,
                 int rows, int width, float eps);
void TI_OP(norm_back)(ti_train_device *d, float *dx, float *dgain, const float *dy, const float *x,
                      const float *gain, const float *rstd, int rows, int width);
void TI_OP(rope)(ti_train_device *d, float *x, const int32_t *positions, int rows, int heads,
                 int head_size, int ld, float theta, int sign);
void TI_OP(attention)(ti_train_device *d, float *y, float *lse, const float *q, const float *k,
                      const float *v, const ti_attention_shape *s);
void TI_OP(attention_back)(ti_train_device *d, float *dq, float *dk, float *dv, const float *dy,
                           const float *y, const float *lse, const float *q, const float *k,
                           const float *v, const ti_attention_shape *s);
void TI_OP(swiglu)(ti_train_device *d, float *y, const float *x, int rows, int width);
void TI_OP(swiglu_back)(ti_train_device *d, float *dx, const float *dy, const float *x, int rows,
                        int width);
void TI_OP(gather)(ti_train_device *d, float *y, const float *x, const int32_t *index, int rows,
                   int width);
void TI_OP(scatter)(ti_train_device *d, float *dx, const float *dy, const int32_t *index, int rows,
                    int width);
void TI_OP(cross_entropy)(ti_train_device *d, float *logits, float *loss, float *hit,
                          const int32_t *target, const float *weight, int rows, int cols,
                          float scale);
void TI_OP(conv)(ti_train_device *d, float *y, const float *x, const float *w, const float *bias,
                 const float *residual, const ti_conv_shape *s);
void TI_OP(conv_back_input)(ti_train_device *d, float *dx, const float *dy, const float *w,
                            const ti_conv_shape *s, bool accumulate);
void TI_OP(conv_back_weight)(ti_train_device *d, float *dw, float *dbias, const float *dy,
                             const float *x, const ti_conv_shape *s);
void TI_OP(group_norm)(ti_train_device *d, float *y, float *stats, const float *x,
                       const float *gain, const float *bias, const ti_group_shape *s);
void TI_OP(group_norm_back)(ti_train_device *d, float *dx, float *dgain, float *dbias,
                            const float *dy, const float *x, const float *stats, const float *gain,
                            const float *bias, const ti_group_shape *s, bool accumulate);
void TI_OP(upsample)(ti_train_device *d, float *y, const float *x, int n, int height, int width,
                     int channels);
void TI_OP(upsample_back)(ti_train_device *d, float *dx, const float *dy, int n, int height,
                          int width, int channels);
void TI_OP(quantise)(ti_train_device *d, float *q, const float *z, const ti_lfq_shape *s);
void TI_OP(quantise_back)(ti_train_device *d, float *dz, float *terms, const float *dq,
                          const float *z, const ti_lfq_shape *s);
void TI_OP(picture_loss)(ti_train_device *d, float *dy, float *terms, const float *y,
                         const float *target, const float *weight, const ti_picture_shape *s,
                         float scale);
double TI_OP(sum_squares)(ti_train_device *d, const float *x, size_t n);
void TI_OP(adamw)(ti_train_device *d, float *param, float *m, float *v, float *ema,
                  const float *grad, size_t n, const ti_adamw *o);
#endif

/* conv_bf16.c, for processors that have it */
void ti_train_conv_bf16(ti_train_device *d, float *y, const float *x, const float *w,
                        const float *bias, const float *residual, const ti_conv_shape *s);
void ti_train_conv_back_input_bf16(ti_train_device *d, float *dx, const float *dy, const float *w,
                                   const ti_conv_shape *s, bool accumulate);
void ti_train_conv_back_weight_bf16(ti_train_device *d, float *dw, float *dbias, const float *dy,
                                    const float *x, const ti_conv_shape *s);

/* The builds that exist on this processor family; each fills its own entries of the table. */
void ti_train_fill_plain(ti_train_ops *ops);
#if defined(__x86_64__)
void ti_train_fill_avx2(ti_train_ops *ops);
void ti_train_fill_avx512(ti_train_ops *ops);
#endif

#endif

/* matmul.h - matrix products on the card: cuBLASLt behind five functions. Host and device pointers
 * are never mixed: x, w, y and the scales are on the card. */
#ifndef TI_BACKEND_CUDA_MATMUL_H
#define TI_BACKEND_CUDA_MATMUL_H

#include <cuda_runtime.h>

#include "base/error.h"

typedef enum ti_scalar { TI_SCALAR_F32, TI_SCALAR_BF16, TI_SCALAR_E4M3 } ti_scalar;

/* y[r][o] = alpha * sum_i x[r][i] w[o][i] + beta * y[r][o], summed in float32 however the sum is
 * cut; float32 inputs are not rounded. E4M3 inputs are multiplied by x_scale[r] and w_scale[o], or
 * taken as they are where both are NULL. */
typedef struct ti_matmul {
    int rows, out, in;
    ti_scalar in_type, out_type;
    const void *x, *w;
    const float *x_scale, *w_scale; /* E4M3 only */
    void *y;
    int64_t y_stride; /* elements from one row of y to the next */
    float alpha, beta;
} ti_matmul;

typedef struct ti_matmuls ti_matmuls;

te_status ti_matmuls_create(ti_matmuls **out, te_error *err);
void ti_matmuls_free(ti_matmuls *m);
/* Whether cuBLASLt has this product on this card. Of E4M3 not every one: what it documents is that
 * `in`, `out`, rows of y and all addresses are multiples of 16 numbers or bytes, but products with
 * scales are missing beyond that (few rows of a long sum, for one). Asked once, then remembered. */
bool ti_matmuls_has(ti_matmuls *m, const ti_matmul *p);
/* Enqueues the product; NULL, or what went wrong. */
const char *ti_matmuls_run(ti_matmuls *m, const ti_matmul *p, cudaStream_t stream);
/* Whether the card has products of E4M3 at all. Asks the library, not the card's name. */
bool ti_matmuls_fp8(ti_matmuls *m);

static inline bool ti_matmul_is_sixteens(const ti_matmul *p)
{
    uintptr_t bits = (uintptr_t)p->x | (uintptr_t)p->w | (uintptr_t)p->y | (uintptr_t)p->x_scale |
                     (uintptr_t)p->w_scale;
    return (p->in | p->out | p->y_stride | (int64_t)bits) % 16 == 0;
}

#endif

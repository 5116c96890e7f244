/* gemm.h - dense matrix products in float32, and with inputs rounded to bf16 (float32 sums).
 *
 *     ti_gemm *g = NULL;
 *     ti_cpu_features features = ti_cpu_detect();
 *     te_status st = ti_gemm_create(&g, &features, threads, err);      once; all memory is taken
 * here ti_gemm_shape s = {.form = TI_GEMM_NT, .m = rows, .n = outs, .k = ins, .alpha = 1.0f, .lda =
 * ins, .ldb = ins, .ldc = outs}; ti_gemm_run(g, &s, x, w, y); y = x w^T; cannot fail
 *     ti_gemm_free(g);
 *
 * All matrices are row-major, ld* is the distance between rows in elements:
 *     NN   C[m,n] = alpha A[m,k] B[k,n]  (+ C)      forward with [in, out] weights, gradient of
 * input NT   C[m,n] = alpha A[m,k] B[n,k]^T (+ C)     forward with PyTorch's [out, in] weights, q
 * k^T TN   C[m,n] = alpha A[k,m]^T B[k,n] (+ C)     gradient of weights C must not overlap A or B.
 * m, n or k may be 0 (k = 0 gives zeros, or leaves C when accumulating).
 *
 * Every element is summed over k in an order fixed by k alone, so the bits do not depend on the
 * number of threads, nor on m and n, nor on where in the matrix the element lies: a row's result is
 * the same in any batch. (They do depend on the processor's instruction set.)
 *
 * A ti_gemm serves one call at a time; calls do their own parallel region of at most THREADS.
 */
#ifndef TI_BACKEND_CPU_GEMM_H
#define TI_BACKEND_CPU_GEMM_H

#include <stddef.h>
#include <stdint.h>

#include "backend/cpu/features.h"
#include "base/error.h"

typedef struct ti_gemm ti_gemm;

typedef enum ti_gemm_form { TI_GEMM_NN, TI_GEMM_NT, TI_GEMM_TN } ti_gemm_form;

typedef struct ti_gemm_shape {
    ti_gemm_form form;
    bool bf16;       /* round A and B to bf16 (to nearest even) first: about twice as fast where the
                      * processor has AVX-512 BF16, the same speed and rounding elsewhere */
    bool accumulate; /* add to C */
    int m, n, k;
    float alpha;
    ptrdiff_t lda, ldb, ldc;
} ti_gemm_shape;

/* One product of a batch. */
typedef struct ti_gemm_item {
    const float *a, *b;
    float *c;
} ti_gemm_item;

/* About 2 MB of working memory per thread, aligned and touched only when used. */
te_status ti_gemm_create(ti_gemm **out, const ti_cpu_features *features, int threads,
                         te_error *err);
void ti_gemm_free(ti_gemm *gemm); /* NULL is fine */

/* One product, cut among the threads. */
void ti_gemm_run(ti_gemm *gemm, const ti_gemm_shape *shape, const float *a, const float *b,
                 float *c);
/* COUNT independent products of the same shape, each by one thread: for many small ones (attention
 * per sequence and head). The C of different items must not overlap. */
void ti_gemm_batch(ti_gemm *gemm, const ti_gemm_shape *shape, const ti_gemm_item *items, int count);

/* Arrays of floats to bf16 (nearest even, as ti_float_to_bf16) and back; any alignment. */
void ti_bf16_pack(const ti_cpu_features *features, uint16_t *to, const float *from, size_t n);
void ti_bf16_unpack(const ti_cpu_features *features, float *to, const uint16_t *from, size_t n);

#endif

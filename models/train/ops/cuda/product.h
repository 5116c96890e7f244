/* product.h - matrix products on the card: cuBLAS behind three functions. Row-major matrices. */
#ifndef TI_TRAIN_CUDA_PRODUCT_H
#define TI_TRAIN_CUDA_PRODUCT_H

#include <cuda_runtime.h>
#include <stdint.h>

#include "base/error.h"

/* c[m,n] = alpha op(a) op(b) + beta c, BATCH times; a is [m][k] or, turned, [k][m]; b is [k][n] or,
 * turned, [n][k]. Sums and c are float32; a and b float32 (never TF32) or bf16. */
typedef struct ti_product {
    bool turn_a, turn_b, bf16;
    int m, n, k;
    float alpha, beta;
    int64_t lda, ldb, ldc; /* elements between rows */
    int batch;
    int64_t step_a, step_b, step_c; /* elements between the products of a batch */
} ti_product;

typedef struct ti_products ti_products;

te_status ti_products_create(ti_products **out, cudaStream_t stream, te_error *err);
void ti_products_free(ti_products *p);
/* Enqueues it; NULL, or what went wrong. */
const char *ti_products_run(ti_products *p, const ti_product *shape, const void *a, const void *b,
                            float *c);

#endif

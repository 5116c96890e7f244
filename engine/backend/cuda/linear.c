/* linear.c - y = x w^T, and x += h w^T for the ends of a block: there the product itself adds to
 * the stream. */
#include "backend/cuda/cuda.h"

void ti_cuda_linear(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                    int n_rows)
{
    ti_cuda_multiply(ti_cuda_of(be), &(ti_cuda_product){.x = operand,
                                                        .n_rows = n_rows,
                                                        .w = w,
                                                        .n_out = (int)w->rows,
                                                        .y = values,
                                                        .scale = 1});
}

void ti_cuda_linear_add(ti_backend *be, void *stream, const void *operand, const ti_weight *w,
                        int n_rows)
{
    ti_cuda_multiply(ti_cuda_of(be), &(ti_cuda_product){.x = operand,
                                                        .n_rows = n_rows,
                                                        .w = w,
                                                        .n_out = (int)w->rows,
                                                        .y = stream,
                                                        .y_float = true,
                                                        .scale = 1,
                                                        .keep = 1});
}

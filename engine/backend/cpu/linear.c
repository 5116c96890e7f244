/* linear.c - y = x w^T, and x += h w^T for the ends of a block. */
#include "backend/cpu/product.h"

void ti_cpu_linear(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                   int n_rows)
{
    ti_cpu_product(ti_cpu_of(be), &(ti_product){.x = operand,
                                                .n_rows = n_rows,
                                                .w = w,
                                                .n_out = (int)w->rows,
                                                .y = values,
                                                .finish = TI_FINISH_STORE,
                                                .scale = 1});
}

void ti_cpu_linear_add(ti_backend *be, void *stream, const void *operand, const ti_weight *w,
                       int n_rows)
{
    ti_cpu_product(ti_cpu_of(be), &(ti_product){.x = operand,
                                                .n_rows = n_rows,
                                                .w = w,
                                                .n_out = (int)w->rows,
                                                .y = stream,
                                                .finish = TI_FINISH_ADD});
}

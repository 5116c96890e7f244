/* head.c - logits of some rows over some columns of the vocabulary. */
#include "backend/cpu/product.h"

void ti_cpu_head(ti_backend *be, float *logits, const void *operand, int first_row, int n_rows,
                 const ti_weight *w, int first_out, int n_out, float scale)
{
    const float *x = operand;
    ti_cpu_product(ti_cpu_of(be), &(ti_product){.x = x + (size_t)first_row * (size_t)w->cols,
                                                .n_rows = n_rows,
                                                .w = w,
                                                .first_out = first_out,
                                                .n_out = n_out,
                                                .y = logits,
                                                .finish = TI_FINISH_STORE,
                                                .scale = scale});
}

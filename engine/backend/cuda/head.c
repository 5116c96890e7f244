/* head.c - logits of some rows over some columns of the vocabulary. */
#include "backend/cuda/cuda.h"

void ti_cuda_head(ti_backend *be, float *logits, const void *operand, int first_row, int n_rows,
                  const ti_weight *w, int first_out, int n_out, float scale)
{
    ti_cuda *cuda = ti_cuda_of(be);
    const char *x = operand;
    ti_cuda_multiply(
        cuda, &(ti_cuda_product){.x = x + (size_t)first_row * (size_t)w->cols * ti_cuda_cell(cuda),
                                 .n_rows = n_rows,
                                 .w = w,
                                 .first_out = first_out,
                                 .n_out = n_out,
                                 .y = logits,
                                 .y_float = true,
                                 .scale = scale});
}

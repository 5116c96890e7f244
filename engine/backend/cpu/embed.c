/* embed.c - x[r] = table[tokens[r]], a table row widened to float32: all rows of a batch, or those
 * of tokens just picked and kept. The caller keeps tokens inside the table. */
#include "backend/cpu/cpu.h"

void ti_cpu_embed(ti_backend *be, void *stream, const ti_weight *table, const int32_t *host_tokens,
                  int n_rows)
{
    float *x = stream;
#pragma omp parallel for num_threads(ti_cpu_of(be)->threads)                                       \
    schedule(static) if (n_rows * table->cols > TI_CPU_SMALL)
    for (int r = 0; r < n_rows; r++)
        ti_weight_row(table, host_tokens[r], x + (size_t)r * (size_t)table->cols);
}

void ti_cpu_embed_kept(ti_backend *be, void *stream, const ti_weight *table, const ti_keep *keep,
                       const int32_t *host_rows, int first_row)
{
    float *x = stream;
    (void)be;
    for (int r = 0; r < keep->pick->n_rows; r++) { /* a few rows */
        size_t to = (size_t)(first_row + host_rows[r]) * (size_t)table->cols;
        if (keep->kept[r]) ti_weight_row(table, keep->pick->ids[r], x + to);
    }
}

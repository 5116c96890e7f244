/* embed.c - x[r] = table[tokens[r]], a table row widened to float32. The caller keeps tokens inside
 * the table. */
#include "backend/cpu/cpu.h"

void ti_cpu_embed(ti_backend *be, void *stream, const ti_weight *table, const int32_t *host_tokens,
                  int n_rows)
{
    float *x = stream;
#pragma omp parallel for num_threads(ti_cpu_of(be)->threads) schedule(static) \
    if (n_rows * table->cols > TI_CPU_SMALL)
    for (int r = 0; r < n_rows; r++)
        ti_weight_row(table, host_tokens[r], x + (size_t)r * (size_t)table->cols);
}

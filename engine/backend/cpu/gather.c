/* gather.c - y[r] = x[rows[r]]: the rows of the residual stream that are still needed, side by
 * side. */
#include "backend/cpu/cpu.h"

#include <string.h>

void ti_cpu_gather(ti_backend *be, void *stream, const void *from, const int32_t *host_rows,
                   int n_rows, int width)
{
    float *y = stream;
    const float *x = from;
#pragma omp parallel for num_threads(ti_cpu_of(be)->threads)                                       \
    schedule(static) if ((int64_t)n_rows * width > TI_CPU_SMALL)
    for (int r = 0; r < n_rows; r++)
        memcpy(y + (size_t)r * (size_t)width, x + (size_t)host_rows[r] * (size_t)width,
               (size_t)width * sizeof *y);
}

/* add.c - y += x. */
#include "backend/cpu/cpu.h"

void ti_cpu_add(ti_backend *be, float *y, const float *x, size_t n)
{
#pragma omp parallel for num_threads(ti_cpu_of(be)->threads) schedule(static)
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

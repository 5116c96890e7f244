/* norm.c - RMS normalisation: y = x / sqrt(mean(x^2) + eps) * gain, in float32.
 *
 * The mean is summed in sixteen lanes that are added at the end: vector code may take them
 * together, and the bits are the same on every machine. */
#include "backend/cpu/cpu.h"

#include <math.h>

#define LANES 16

static float sum_of_squares(const float *x, int width)
{
    float lane[LANES] = {0};
    int i = 0;
    for (; i + LANES <= width; i += LANES)
        for (int l = 0; l < LANES; l++) lane[l] += x[i + l] * x[i + l];
    float sum = 0;
    for (; i < width; i++) sum += x[i] * x[i];
    for (int l = 0; l < LANES; l++) sum += lane[l];
    return sum;
}

void ti_cpu_norm(ti_backend *be, void *operand, const void *stream, const int32_t *host_rows,
                 int n_rows, const ti_weight *gain, float eps)
{
    int width = (int)gain->rows;
    const float *g = gain->values;
#pragma omp parallel for num_threads(ti_cpu_of(be)->threads)                                       \
    schedule(static) if ((int64_t)n_rows * width > TI_CPU_SMALL)
    for (int r = 0; r < n_rows; r++) {
        int from = host_rows ? host_rows[r] : r;
        const float *x = (const float *)stream + (size_t)from * (size_t)width;
        float *y = (float *)operand + (size_t)r * (size_t)width;
        float scale = 1.0f / sqrtf(sum_of_squares(x, width) / (float)width + eps);
        for (int i = 0; i < width; i++) y[i] = x[i] * scale * g[i];
    }
    ti_cpu_operand_written(ti_cpu_of(be), operand);
}

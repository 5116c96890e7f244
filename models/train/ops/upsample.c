/* upsample.c - nearest neighbour, twice the size each way, and its gradient. */
#include "ops/cpu.h"

#include <string.h>

void TI_OP(upsample)(ti_train_device *d, float *y, const float *x, int n, int height, int width,
                     int channels)
{
    ti_train_cpu *cpu = ti_train_cpu_of(d);
    const size_t c = (size_t)channels, row = (size_t)width * c;
#pragma omp parallel for num_threads(cpu->threads)
    for (int r = 0; r < n * height; r++) {
        const float *from = x + (size_t)r * row;
        float *to = y + (size_t)r * 4 * row;
        for (int i = 0; i < width; i++) {
            memcpy(to + (size_t)(2 * i) * c, from + (size_t)i * c, c * sizeof *to);
            memcpy(to + (size_t)(2 * i + 1) * c, from + (size_t)i * c, c * sizeof *to);
        }
        memcpy(to + 2 * row, to, 2 * row * sizeof *to);
    }
}

void TI_OP(upsample_back)(ti_train_device *d, float *dx, const float *dy, int n, int height,
                          int width, int channels)
{
    ti_train_cpu *cpu = ti_train_cpu_of(d);
    const size_t c = (size_t)channels, row = (size_t)width * c;
#pragma omp parallel for num_threads(cpu->threads)
    for (int r = 0; r < n * height; r++) {
        const float *top = dy + (size_t)r * 4 * row, *bottom = top + 2 * row;
        float *to = dx + (size_t)r * row;
        for (size_t i = 0; i < (size_t)width; i++)
            for (size_t j = 0; j < c; j++)
                to[i * c + j] = top[2 * i * c + j] + top[(2 * i + 1) * c + j] +
                                bottom[2 * i * c + j] + bottom[(2 * i + 1) * c + j];
    }
}

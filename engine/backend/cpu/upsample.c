/* upsample.c - twice the size each way by repeating pixels. */
#include "backend/cpu/cpu.h"

#include <string.h>

void ti_cpu_upsample(ti_backend *be, float *y, const float *x, int height, int width, int channels)
{
    size_t pixel = (size_t)channels, row = (size_t)width * pixel;
#pragma omp parallel for num_threads(ti_cpu_of(be)->threads) schedule(static)
    for (int r = 0; r < height; r++) {
        const float *from = x + (size_t)r * row;
        float *to = y + (size_t)r * 4 * row;
        for (int c = 0; c < width; c++)
            for (int twice = 0; twice < 2; twice++)
                memcpy(to + (size_t)(2 * c + twice) * pixel, from + (size_t)c * pixel,
                       pixel * sizeof *to);
        memcpy(to + 2 * row, to, 2 * row * sizeof *to);
    }
}

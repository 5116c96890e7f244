/* swiglu.c - silu(gate) * up, the two side by side in a row, and its gradient. */
#include "ops/cpu.h"

#include "backend/cpu/exp.h"

void TI_OP(swiglu)(ti_train_device *d, float *y, const float *x, int rows, int width)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads)
    for (int r = 0; r < rows; r++) {
        const float *gate = x + (size_t)r * 2 * (size_t)width, *up = gate + width;
        float *to = y + (size_t)r * (size_t)width;
        for (int i = 0; i < width; i++) to[i] = ti_cpu_silu(gate[i]) * up[i];
    }
}

void TI_OP(swiglu_back)(ti_train_device *d, float *dx, const float *dy, const float *x, int rows,
                        int width)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads)
    for (int r = 0; r < rows; r++) {
        const float *gate = x + (size_t)r * 2 * (size_t)width, *up = gate + width;
        const float *g = dy + (size_t)r * (size_t)width;
        float *dgate = dx + (size_t)r * 2 * (size_t)width, *dup = dgate + width;
        for (int i = 0; i < width; i++) {
            float sigmoid = 1 / (1 + ti_cpu_exp(-gate[i]));
            dup[i] = g[i] * gate[i] * sigmoid;
            dgate[i] = g[i] * up[i] * sigmoid * (1 + gate[i] * (1 - sigmoid));
        }
    }
}

/* elementwise.c - zero, copy, mix, and the optimiser: AdamW with decoupled decay and an average of
 * the weights. */
#include "ops/cpu.h"

#include <math.h>
#include <string.h>

void TI_OP(zero)(ti_train_device *d, float *x, size_t n)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads)
    for (size_t i = 0; i < n; i += TI_CHUNK)
        memset(x + i, 0, ti_min_size(TI_CHUNK, n - i) * sizeof *x);
}

void TI_OP(copy)(ti_train_device *d, float *y, const float *x, size_t n)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads)
    for (size_t i = 0; i < n; i += TI_CHUNK)
        memcpy(y + i, x + i, ti_min_size(TI_CHUNK, n - i) * sizeof *x);
}

void TI_OP(mix)(ti_train_device *d, float *y, float a, const float *x, float b, size_t n)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads)
    for (size_t i = 0; i < n; i++) y[i] = a * y[i] + b * x[i];
}

/* Sixteen sums side by side per chunk, chunks added in order: the same for any number of threads.
 */
double TI_OP(sum_squares)(ti_train_device *d, const float *x, size_t n)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    const size_t chunks = (n + TI_CHUNK - 1) / TI_CHUNK;
    double total = 0;
    for (size_t base = 0; base < chunks; base += 1024) {
        double sums[1024];
        size_t count = ti_min_size(1024, chunks - base);
#pragma omp parallel for num_threads(c->threads)
        for (size_t b = 0; b < count; b++) {
            const float *from = x + (base + b) * TI_CHUNK;
            size_t m = ti_min_size(TI_CHUNK, n - (base + b) * TI_CHUNK), i = 0;
            ti_v16 acc = {0};
            for (; i + 16 <= m; i += 16) {
                ti_v16 v = *(const ti_v16 *)(from + i);
                acc += v * v;
            }
            double sum = 0;
            for (int j = 0; j < 16; j++) sum += (double)acc[j];
            for (; i < m; i++) sum += (double)from[i] * (double)from[i];
            sums[b] = sum;
        }
        for (size_t b = 0; b < count; b++) total += sums[b];
    }
    return total;
}

void TI_OP(adamw)(ti_train_device *d, float *param, float *m, float *v, float *ema,
                  const float *grad, size_t n, const ti_adamw *o)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    const float rate1 = 1 / o->correction1, rate2 = 1 / o->correction2;
#pragma omp parallel for num_threads(c->threads)
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * o->gradient_scale;
        m[i] = o->beta1 * m[i] + (1 - o->beta1) * g;
        v[i] = o->beta2 * v[i] + (1 - o->beta2) * g * g;
        float step = m[i] * rate1 / (sqrtf(v[i] * rate2) + o->eps) + o->decay * param[i];
        param[i] -= o->rate * step;
        ema[i] = o->ema * ema[i] + (1 - o->ema) * param[i];
    }
}

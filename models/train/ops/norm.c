/* norm.c - RMS normalisation and its gradient. The gain's gradient adds up per chunk of ROWS rows
 * in memory of the chunk's own, then over chunks in order. */
#include "ops/cpu.h"

#include <math.h>
#include <string.h>

#define ROWS 64

void TI_OP(norm)(ti_train_device *d, float *y, float *rstd, const float *x, const float *gain,
                 int rows, int width, float eps)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads)
    for (int r = 0; r < rows; r++) {
        const float *from = x + (size_t)r * (size_t)width;
        float *to = y + (size_t)r * (size_t)width, acc[16] = {0}, sum = 0;
        int i = 0;
        for (; i + 16 <= width; i += 16)
            for (int j = 0; j < 16; j++) acc[j] += from[i + j] * from[i + j];
        for (; i < width; i++) sum += from[i] * from[i];
        for (int j = 0; j < 16; j++) sum += acc[j];
        float scale = 1 / sqrtf(sum / (float)width + eps);
        rstd[r] = scale;
        for (i = 0; i < width; i++) to[i] = from[i] * scale * gain[i];
    }
}

/* dx += rstd (g - xhat mean(g xhat)), g = dy gain */
static void row_back(float *dx, float *dgain, const float *dy, const float *x, const float *gain,
                     float rstd, int width)
{
    float acc[16] = {0}, sum = 0;
    int i = 0;
    for (; i + 16 <= width; i += 16)
        for (int j = 0; j < 16; j++) acc[j] += dy[i + j] * gain[i + j] * x[i + j];
    for (; i < width; i++) sum += dy[i] * gain[i] * x[i];
    for (int j = 0; j < 16; j++) sum += acc[j];
    const float slope = sum * rstd * rstd * rstd / (float)width;
    for (i = 0; i < width; i++) {
        dx[i] += rstd * dy[i] * gain[i] - slope * x[i];
        dgain[i] += dy[i] * x[i] * rstd;
    }
}

void TI_OP(norm_back)(ti_train_device *d, float *dx, float *dgain, const float *dy, const float *x,
                      const float *gain, const float *rstd, int rows, int width)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    const size_t w = (size_t)width, most = TI_SHARED_FLOATS / w;
    for (int done = 0; done < rows;) { /* one round unless there are millions of rows */
        int round = (int)ti_min_size((size_t)(rows - done), most * ROWS);
        int chunks = (round + ROWS - 1) / ROWS;
#pragma omp parallel for num_threads(c->threads)
        for (int b = 0; b < chunks; b++) {
            float *own = c->shared + (size_t)b * w;
            memset(own, 0, w * sizeof *own);
            for (int r = b * ROWS; r < ti_min((b + 1) * ROWS, round); r++) {
                size_t at = (size_t)(done + r) * w;
                row_back(dx + at, own, dy + at, x + at, gain, rstd[done + r], width);
            }
        }
        for (int b = 0; b < chunks; b++)
            for (int i = 0; i < width; i++) dgain[i] += c->shared[(size_t)b * w + (size_t)i];
        done += round;
    }
}

/* embed.c - rows of a table by number: the embedding, and picking out the rows whose predictions
 * count. The embedding's gradient meets the same row many times, so a task owns columns and walks
 * all rows in order. */
#include "ops/cpu.h"

#include <string.h>

#define COLUMNS 16

void TI_OP(embed)(ti_train_device *d, float *x, const float *table, const int32_t *tokens, int rows,
                  int width)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads)
    for (int r = 0; r < rows; r++)
        memcpy(x + (size_t)r * (size_t)width, table + (size_t)tokens[r] * (size_t)width,
               (size_t)width * sizeof *x);
}

void TI_OP(embed_back)(ti_train_device *d, float *dtable, const float *dx, const int32_t *tokens,
                       int rows, int width)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads)
    for (int first = 0; first < width; first += COLUMNS) {
        int last = ti_min(first + COLUMNS, width);
        for (int r = 0; r < rows; r++) {
            float *to = dtable + (size_t)tokens[r] * (size_t)width;
            const float *from = dx + (size_t)r * (size_t)width;
            for (int i = first; i < last; i++) to[i] += from[i];
        }
    }
}

void TI_OP(gather)(ti_train_device *d, float *y, const float *x, const int32_t *index, int rows,
                   int width)
{
    TI_OP(embed)(d, y, x, index, rows, width);
}

void TI_OP(scatter)(ti_train_device *d, float *dx, const float *dy, const int32_t *index, int rows,
                    int width)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads)
    for (int r = 0; r < rows; r++) {
        float *to = dx + (size_t)index[r] * (size_t)width;
        const float *from = dy + (size_t)r * (size_t)width;
        for (int i = 0; i < width; i++) to[i] += from[i];
    }
}

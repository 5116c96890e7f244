/* cross_entropy.c - the loss of a row of logits and its gradient, in place. */
#include "ops/cpu.h"

#include "backend/cpu/exp.h"

#include <math.h>

static int arg_max(const float *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

void TI_OP(cross_entropy)(ti_train_device *d, float *logits, float *loss, float *hit,
                          const int32_t *target, const float *weight, int rows, int cols,
                          float scale)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads)
    for (int r = 0; r < rows; r++) {
        float *l = logits + (size_t)r * (size_t)cols;
        const int best = arg_max(l, cols);
        const float top = l[best], wanted = l[target[r]];
        double sum = 0;
        for (int i = 0; i < cols; i += 16) {
            int n = ti_min(16, cols - i);
            float part = 0;
            for (int j = 0; j < n; j++) {
                l[i + j] = ti_cpu_exp(scale * (l[i + j] - top));
                part += l[i + j];
            }
            sum += (double)part;
        }
        loss[r] = (float)log(sum) - scale * (wanted - top);
        hit[r] = best == target[r] ? 1.0f : 0.0f;
        const float slope = weight[r] * scale, share = (float)((double)slope / sum);
        for (int i = 0; i < cols; i++) l[i] *= share;
        l[target[r]] -= slope;
    }
}

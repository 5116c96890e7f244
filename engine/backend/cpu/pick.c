/* pick.c - one token per row from guided logits, its probability in float64. A row is one thread's work
 * and every sum runs in column order, so results do not depend on the threads. */
#include "backend/cpu/cpu.h"

#include <math.h>
#include <omp.h>

static void guide(const ti_pick *p, int row, float *l)
{
    size_t at = (size_t)row * (size_t)p->n_cols;
    const float *a = p->logits[0] + at;
    for (int c = 0; c < p->n_cols; c++) l[c] = p->scale[0] * a[c];
    for (int i = 1; i < p->n_terms; i++) {
        const float *b = p->logits[i] + at;
        for (int c = 0; c < p->n_cols; c++) l[c] += p->scale[i] * b[c];
    }
}

static int highest(const float *l, int n)
{
    int best = 0;
    for (int c = 1; c < n; c++)
        if (l[c] > l[best]) best = c;
    return best;
}

/* arg-max exp(l) / (-ln u)^T is arg-max l + T * gumbel: the logarithm is monotone. */
static int gumbel_highest(const ti_pick *p, int row, const float *l)
{
    int best = 0;
    double top = -INFINITY;
    uint64_t draw = (uint64_t)p->keys[row] * (uint64_t)p->n_cols;
    for (int c = 0; c < p->n_cols; c++) {
        double score = (double)l[c] + p->temperature * ti_random_gumbel(p->random, draw + (uint64_t)c);
        if (score > top) {
            top = score;
            best = c;
        }
    }
    return best;
}

/* The first column whose running sum passes u * total. */
static int multinomial(const ti_pick *p, int row, const float *l, float top, double total)
{
    uint64_t draw = (uint64_t)p->keys[row] * (uint64_t)p->n_cols;
    double left = ti_random_uniform(p->random, draw) * total;
    for (int c = 0; c + 1 < p->n_cols; c++) {
        left -= exp((double)l[c] - (double)top);
        if (left < 0) return c;
    }
    return p->n_cols - 1;
}

void ti_cpu_pick(ti_backend *be, const ti_pick *p)
{
    ti_cpu *cpu = ti_cpu_of(be);
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic) \
    if ((int64_t)p->n_rows * p->n_cols > TI_CPU_SMALL)
    for (int row = 0; row < p->n_rows; row++) {
        float *l = ti_cpu_scratch(cpu, omp_get_thread_num());
        guide(p, row, l);
        int id = highest(l, p->n_cols);
        float top = l[id];
        double total = 0;
        for (int c = 0; c < p->n_cols; c++) total += exp((double)l[c] - (double)top);
        if (p->method == TI_PICK_GUMBEL)
            id = gumbel_highest(p, row, l);
        else if (p->method == TI_PICK_MULTINOMIAL)
            id = multinomial(p, row, l, top, total);
        p->ids[row] = id;
        p->probs[row] = exp((double)l[id] - (double)top) / total;
    }
}

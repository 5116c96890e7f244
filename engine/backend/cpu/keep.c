/* keep.c - which of the picked tokens are kept: the rows in the order of their confidence. A few
 * thousand at most, so one thread sorts them. */
#include "backend/cpu/cpu.h"

#include <math.h>
#include <stdlib.h>

typedef struct rank {
    double confidence;
    int row;
} rank;

static int more_confident_first(const void *a, const void *b)
{
    const rank *x = a, *y = b;
    if (x->confidence != y->confidence) return x->confidence > y->confidence ? -1 : 1;
    return x->row - y->row;
}

static int less_confident_first(const void *a, const void *b)
{
    const rank *x = a, *y = b;
    if (x->confidence != y->confidence) return x->confidence < y->confidence ? -1 : 1;
    return x->row - y->row;
}

static double confidence(const ti_keep *k, int row)
{
    double prob = k->pick->probs[row], noise = 0;
    uint64_t draw = (uint64_t)k->pick->keys[row];
    if (k->method == TI_KEEP_HIGHEST) return prob;
    if (k->heat > 0)
        noise = k->heat * (k->method == TI_KEEP_GUMBEL ? ti_random_gumbel(k->random, draw)
                                                       : ti_random_normal(k->random, draw));
    return log(fmax(prob, 1e-20)) + noise;
}

void ti_cpu_keep(ti_backend *be, const ti_keep *k)
{
    rank *ranks = ti_cpu_scratch(ti_cpu_of(be), 0); /* holds some 300,000 */
    bool highest = k->method == TI_KEEP_HIGHEST;
    int n_rows = k->pick->n_rows, n = k->n < n_rows ? k->n : n_rows;
    for (int r = 0; r < n_rows; r++) ranks[r] = (rank){confidence(k, r), r};
    qsort(ranks, (size_t)n_rows, sizeof *ranks,
          highest ? more_confident_first : less_confident_first);
    if (k->method == TI_KEEP_GUMBEL && n < n_rows)
        while (n > 0 && ranks[n - 1].confidence == ranks[n].confidence) n--;
    for (int i = 0; i < n_rows; i++) k->kept[ranks[i].row] = highest == (i < n);
}

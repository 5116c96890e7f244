/* pick.c - one token per row from guided logits, its probability in float64. A row is one thread's
 * work and every sum is cut by the number of columns alone, so results do not depend on the
 * threads. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/exp.h"

#include <math.h>
#include <omp.h>

#define INLINE inline __attribute__((always_inline))

enum { RUN = 64 }; /* columns at a time */

/* The row's guided logits, in ROOM where they are not there already. */
static INLINE const float *guide(const ti_pick *p, int row, float *room)
{
    size_t at = (size_t)row * (size_t)p->n_cols;
    const float *a = p->logits[0] + at;
    if (p->n_terms == 1 && p->scale[0] == 1) return a;
    for (int c = 0; c < p->n_cols; c++) room[c] = p->scale[0] * a[c];
    for (int i = 1; i < p->n_terms; i++) {
        const float *b = p->logits[i] + at;
        for (int c = 0; c < p->n_cols; c++) room[c] += p->scale[i] * b[c];
    }
    return room;
}

/* Of a row without numbers, minus infinity. */
static INLINE float highest(const float *l, int n)
{
    float top[RUN];
    int c = 0;
    for (int j = 0; j < RUN; j++) top[j] = -INFINITY;
    for (; c + RUN <= n; c += RUN)
        for (int j = 0; j < RUN; j++) top[j] = l[c + j] > top[j] ? l[c + j] : top[j];
    for (; c < n; c++) top[0] = l[c] > top[0] ? l[c] : top[0];
    for (int j = 1; j < RUN; j++) top[0] = top[j] > top[0] ? top[j] : top[0];
    return top[0];
}

/* The first column that is TOP; 0 if none is. */
static INLINE int first_at(const float *l, int n, float top)
{
    int c = 0, hits = 0;
    for (; c + RUN <= n; c += RUN) {
        for (int j = 0; j < RUN; j++) hits += l[c + j] == top;
        if (hits) break;
    }
    for (; c < n; c++)
        if (l[c] == top) return c;
    return 0;
}

/* e[j] = exp(l[j] - top) for j < n <= RUN, 0 beyond. */
static INLINE void exp_run(double *e, const float *l, int n, float top, bool fused)
{
    for (int j = 0; j < n; j++) e[j] = ti_cpu_exp64_clamp((double)l[j] - (double)top);
    for (int j = 0; j < n; j++) e[j] = ti_cpu_exp64_inside(e[j], fused);
    for (int j = n; j < RUN; j++) e[j] = 0;
}

static INLINE double sum_exp(const float *l, int n, float top, bool fused)
{
    double sum[RUN] = {0}, e[RUN];
    int c = 0;
    for (; c + RUN <= n; c += RUN) {
        exp_run(e, l + c, RUN, top, fused);
        for (int j = 0; j < RUN; j++) sum[j] += e[j];
    }
    exp_run(e, l + c, n - c, top, fused);
    for (int j = 0; j < RUN; j++) sum[j] += e[j];
    for (int j = 1; j < RUN; j++) sum[0] += sum[j];
    return sum[0];
}

/* arg-max exp(l) / (-ln u)^T is arg-max l + T * gumbel: the logarithm is monotone. */
static int gumbel_highest(const ti_pick *p, int row, const float *l)
{
    int best = 0;
    double top = -INFINITY;
    uint64_t draw = (uint64_t)p->keys[row] * (uint64_t)p->n_cols;
    for (int c = 0; c < p->n_cols; c++) {
        double score =
            (double)l[c] + p->temperature * ti_random_gumbel(p->random, draw + (uint64_t)c);
        if (score > top) {
            top = score;
            best = c;
        }
    }
    return best;
}

/* The first column whose running sum passes u * total. */
static INLINE int multinomial(const ti_pick *p, int row, const float *l, float top, double total,
                              bool fused)
{
    uint64_t draw = (uint64_t)p->keys[row] * (uint64_t)p->n_cols;
    double left = ti_random_uniform(p->random, draw) * total;
    for (int first = 0; first < p->n_cols; first += RUN) {
        double e[RUN];
        const int n = p->n_cols - first < RUN ? p->n_cols - first : RUN;
        exp_run(e, l + first, n, top, fused);
        for (int j = 0; j < n; j++) {
            left -= e[j];
            if (left < 0) return first + j;
        }
    }
    return p->n_cols - 1;
}

/* The highest of all columns but one; that one where there is no other. */
static INLINE int first_besides(const float *l, int n, int besides)
{
    int best = besides;
    for (int c = 0; c < n; c++)
        if (c != besides && (best == besides || l[c] > l[best])) best = c;
    return best;
}

static INLINE void pick_row(const ti_pick *p, int row, float *room, bool fused)
{
    const float *l = guide(p, row, room), top = highest(l, p->n_cols);
    double total = sum_exp(l, p->n_cols, top, fused);
    int id;
    if (p->method == TI_PICK_GUMBEL)
        id = gumbel_highest(p, row, l);
    else if (p->method == TI_PICK_MULTINOMIAL)
        id = multinomial(p, row, l, top, total, fused);
    else
        id = first_at(l, p->n_cols, top);
    if (p->method == TI_PICK_GREEDY && p->stay && id == p->stay[row] && 1 / total < p->stay_least)
        id = first_besides(l, p->n_cols, id);
    p->ids[row] = id;
    p->probs[row] = exp((double)l[id] - (double)top) / total;
}

static void pick_row_plain(const ti_pick *p, int row, float *room)
{
    pick_row(p, row, room, false);
}

/* The same C once more for wider registers. */
#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void pick_row_avx2(const ti_pick *p, int row,
                                                              float *room)
{
    pick_row(p, row, room, true);
}

__attribute__((target("avx512f,avx512dq,fma"))) static void pick_row_avx512(const ti_pick *p,
                                                                            int row, float *room)
{
    pick_row(p, row, room, true);
}
#endif

void ti_cpu_pick(ti_backend *be, const ti_pick *p)
{
    ti_cpu *cpu = ti_cpu_of(be);
    void (*one)(const ti_pick *, int, float *) = pick_row_plain;
#if defined(__x86_64__)
    if (cpu->features.avx2) one = pick_row_avx2;
    if (cpu->features.avx512) one = pick_row_avx512;
#endif
#pragma omp parallel for num_threads(cpu->threads)                                                 \
    schedule(dynamic) if ((int64_t)p->n_rows * p->n_cols > TI_CPU_SMALL)
    for (int row = 0; row < p->n_rows; row++)
        one(p, row, ti_cpu_scratch(cpu, omp_get_thread_num()));
}

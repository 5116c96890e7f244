/* attend.c - attention without the score matrix (Milakov and Gimelshein's running softmax, Dao's
 * blocks): keys and values pass in blocks of KEYS; each block's scores correct the running maximum,
 * sum and output of every query. Both products run on panels of the matrix kernels, so that a block
 * of keys is laid out once for all queries of the call. */
#include "backend/cpu/attend.h"
#include "backend/cpu/gemm_kernels.h"
#include "backend/cpu/exp.h"

#include <math.h>
#include <string.h>

enum { TILES = 24, FEW_TILES = 4, KEYS = 128, MAX_QUERIES = TILES * TI_GEMM_MAX_LEFT, LANES = 16 };

/* One thread's scratch. */
typedef struct work {
    float top[MAX_QUERIES], sum[MAX_QUERIES];
    float scores[MAX_QUERIES][KEYS];
    uint32_t *queries; /* panels [tile][size][a_width] */
    uint32_t *weights; /* panels [tile][keys][a_width] of the scores after softmax */
    uint32_t *block;   /* panels of keys [][size][nr], then of values [][keys][nr] */
} work;

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Words of one panel K deep. */
static size_t panel_words(const ti_gemm_kernel *f, int k, int width)
{
    return (size_t)(f->pairs ? (k + 1) / 2 : k) * (size_t)width;
}

/* ROWS rows of FROM, K floats each, as left-hand panels. */
static void pack_left(const ti_gemm_kernel *f, uint32_t *to, const float *from, ptrdiff_t step,
                      int rows, int k)
{
    for (int r = 0; r < rows; r += f->mr, to += panel_words(f, k, f->a_width)) {
        ti_gemm_panel panel = {.from = from + r * step,
                               .lane_step = step,
                               .k_step = 1,
                               .lanes = min_int(f->mr, rows - r),
                               .width = f->a_width,
                               .k = k};
        f->pack(to, &panel);
    }
}

/* COLS columns, K deep; the steps say which way they lie. */
static void pack_right(const ti_gemm_kernel *f, uint32_t *to, const float *from,
                       ptrdiff_t lane_step, ptrdiff_t k_step, int cols, int k)
{
    for (int c = 0; c < cols; c += f->nr, to += panel_words(f, k, f->nr)) {
        ti_gemm_panel panel = {.from = from + c * lane_step,
                               .lane_step = lane_step,
                               .k_step = k_step,
                               .lanes = min_int(f->nr, cols - c),
                               .width = f->nr,
                               .k = k};
        f->pack(to, &panel);
    }
}

typedef struct product {
    const uint32_t *a, *b;
    float *c;
    ptrdiff_t ldc;
    int rows, cols, k;
    float alpha;
    bool add;
} product;

static void multiply(const ti_gemm_kernel *f, const product *p)
{
    size_t a_words = panel_words(f, p->k, f->a_width), b_words = panel_words(f, p->k, f->nr);
    for (int j = 0; j < p->cols; j += f->nr)
        for (int i = 0; i < p->rows; i += f->mr)
            f->tile(&(ti_gemm_tile){.rows = min_int(f->mr, p->rows - i),
                                    .cols = min_int(f->nr, p->cols - j),
                                    .k = p->k,
                                    .a = p->a + (size_t)(i / f->mr) * a_words,
                                    .b = p->b + (size_t)(j / f->nr) * b_words,
                                    .c = p->c + i * p->ldc + j,
                                    .ldc = p->ldc,
                                    .alpha = p->alpha,
                                    .add = p->add});
}

/* Scores of query I over N keys become e^(score - top); earlier sums shrink when the top rises.
 * Sums run in lanes, so that the loops become vector code. */
TI_ALWAYS_INLINE void weigh(work *w, int i, int n, float *y, int size)
{
    float *score = w->scores[i], top = w->top[i], lane[LANES], sum = 0;
    for (int c = n; c < KEYS; c++) score[c] = -3e38f;
    for (int l = 0; l < LANES; l++) lane[l] = top;
    for (int c = 0; c < KEYS; c += LANES)
        for (int l = 0; l < LANES; l++) lane[l] = score[c + l] > lane[l] ? score[c + l] : lane[l];
    for (int l = 0; l < LANES; l++) top = lane[l] > top ? lane[l] : top;
    float old = ti_cpu_exp(w->top[i] - top);
    for (int c = 0; c < KEYS; c++) score[c] = ti_cpu_exp_clamp(score[c] - top);
    for (int c = 0; c < KEYS; c++) score[c] = ti_cpu_exp_inside(score[c]);
    for (int c = n; c < KEYS; c++) score[c] = 0;
    for (int l = 0; l < LANES; l++) lane[l] = 0;
    for (int c = 0; c < KEYS; c += LANES)
        for (int l = 0; l < LANES; l++) lane[l] += score[c + l];
    for (int l = 0; l < LANES; l++) sum += lane[l];
    w->sum[i] = w->sum[i] * old + sum;
    w->top[i] = top;
    if (old != 1.0f)
        for (int c = 0; c < size; c++) y[c] *= old;
}

TI_ALWAYS_INLINE void weigh_rows(const ti_attend *a, work *w, int n)
{
    for (int i = 0; i < a->n_queries; i++) weigh(w, i, n, a->y + i * a->q_step, a->size);
}

/* The same code for wider registers: no sum is reordered or fused, so the bits are the same. */
#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static void
weigh_avx512(const ti_attend *a, work *w, int n)
{
    weigh_rows(a, w, n);
}

__attribute__((target("avx2"))) static void weigh_avx2(const ti_attend *a, work *w, int n)
{
    weigh_rows(a, w, n);
}
#endif

static void weigh_block(const ti_attend *a, work *w, int n)
{
#if defined(__x86_64__)
    if (a->features->avx512) {
        weigh_avx512(a, w, n);
        return;
    }
    if (a->features->avx2) {
        weigh_avx2(a, w, n);
        return;
    }
#endif
    weigh_rows(a, w, n);
}

static void begin(const ti_attend *a, const ti_gemm_kernel *f, work *w)
{
    pack_left(f, w->queries, a->q, a->q_step, a->n_queries, a->size);
    for (int i = 0; i < a->n_queries; i++) {
        memset(a->y + i * a->q_step, 0, (size_t)a->size * sizeof *a->y);
        w->top[i] = -3e38f; /* finite: its difference to a score must not be a NaN */
        w->sum[i] = 0;
    }
}

/* Many queries share what laying the keys out costs, as long as there are tasks for every thread.
 */
int ti_attend_block(const ti_cpu *cpu, int n_queries, int n_heads)
{
    const int rows = ti_gemm_kernel_for(&cpu->features, false)->mr;
    int tiles = TILES;
    while (tiles > FEW_TILES &&
           (n_queries + tiles * rows - 1) / (tiles * rows) * n_heads < 4 * cpu->threads)
        tiles /= 2;
    return tiles * rows;
}

void ti_cpu_attend(const ti_attend *a, void *scratch)
{
    const ti_gemm_kernel *f = ti_gemm_kernel_for(a->features, a->bf16);
    const size_t side = MAX_QUERIES;
    work *w = scratch;
    w->queries = (uint32_t *)scratch + (sizeof *w + 63) / 64 * 16;
    w->weights = w->queries + side * (size_t)(a->size + 1);
    w->block = w->weights + side * KEYS;
    begin(a, f, w);
    for (int key = 0; key < a->n_keys; key += KEYS) {
        int n = min_int(KEYS, a->n_keys - key);
        pack_right(f, w->block, a->k + key * a->kv_step, a->kv_step, 1, n, a->size);
        multiply(f, &(product){.a = w->queries,
                               .b = w->block,
                               .c = w->scores[0],
                               .ldc = KEYS,
                               .rows = a->n_queries,
                               .cols = n,
                               .k = a->size,
                               .alpha = 1.0f / sqrtf((float)a->size)});
        weigh_block(a, w, n);
        pack_left(f, w->weights, w->scores[0], KEYS, a->n_queries, n);
        pack_right(f, w->block, a->v + key * a->kv_step, 1, a->kv_step, a->size, n);
        multiply(f, &(product){.a = w->weights,
                               .b = w->block,
                               .c = a->y,
                               .ldc = a->q_step,
                               .rows = a->n_queries,
                               .cols = a->size,
                               .k = n,
                               .alpha = 1,
                               .add = true});
    }
    for (int i = 0; i < a->n_queries; i++)
        for (int c = 0; c < a->size; c++) a->y[i * a->q_step + c] /= w->sum[i];
}

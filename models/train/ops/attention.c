/* attention.c - bidirectional attention and its gradient, one task per span and head, QUERIES
 * queries at a time so that their scores stay in the second-level cache. The gradient computes the
 * probabilities again from the kept logarithm of their sum. */
#include "ops/cpu.h"

#include "backend/cpu/exp.h"

#include <math.h>

#define QUERIES 96

typedef struct task {
    ti_gemm *gemm;
    float *room;               /* the thread's scratch */
    int tokens, size, ld, ldy; /* ldy: of y and its gradient */
    float scale;
    bool bf16;
} task;

static void product(const task *t, ti_gemm_form form, bool accumulate, int m, int n, int k,
                    float alpha, const float *a, ptrdiff_t lda, const float *b, ptrdiff_t ldb,
                    float *c, ptrdiff_t ldc)
{
    ti_gemm_shape s = {.form = form,
                       .bf16 = t->bf16,
                       .accumulate = accumulate,
                       .m = m,
                       .n = n,
                       .k = k,
                       .alpha = alpha,
                       .lda = lda,
                       .ldb = ldb,
                       .ldc = ldc};
    ti_gemm_run(t->gemm, &s, a, b, c);
}

static float row_max(const float *x, int n)
{
    float most[16], top;
    int i = 0;
    for (int j = 0; j < 16; j++) most[j] = x[0];
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) most[j] = x[i + j] > most[j] ? x[i + j] : most[j];
    top = most[0];
    for (int j = 1; j < 16; j++) top = most[j] > top ? most[j] : top;
    for (; i < n; i++) top = x[i] > top ? x[i] : top;
    return top;
}

/* x = exp(x - top); returns the sum */
static float row_exp(float *x, int n, float top)
{
    float sums[16] = {0}, sum = 0;
    int i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) {
            x[i + j] = ti_cpu_exp(x[i + j] - top);
            sums[j] += x[i + j];
        }
    for (; i < n; i++) {
        x[i] = ti_cpu_exp(x[i] - top);
        sum += x[i];
    }
    for (int j = 0; j < 16; j++) sum += sums[j];
    return sum;
}

static void forward_task(const task *t, float *y, float *lse, int heads, const float *q,
                         const float *k, const float *v)
{
    for (int first = 0; first < t->tokens; first += QUERIES) {
        const int n = ti_min(QUERIES, t->tokens - first);
        float *p = t->room;
        product(t, TI_GEMM_NT, false, n, t->tokens, t->size, t->scale, q + (ptrdiff_t)first * t->ld,
                t->ld, k, t->ld, p, t->tokens);
        for (int r = 0; r < n; r++) {
            float *row = p + (size_t)r * (size_t)t->tokens;
            float top = row_max(row, t->tokens), sum = row_exp(row, t->tokens, top);
            lse[(ptrdiff_t)(first + r) * heads] = top + logf(sum);
            for (int i = 0; i < t->tokens; i++) row[i] *= 1 / sum;
        }
        product(t, TI_GEMM_NN, false, n, t->size, t->tokens, 1, p, t->tokens, v, t->ld,
                y + (ptrdiff_t)first * t->ldy, t->ldy);
    }
}

static task make_task(ti_train_cpu *c, const ti_attention_shape *s, int tokens)
{
    int thread = omp_get_thread_num();
    return (task){.gemm = c->single[thread],
                  .room = ti_train_scratch(c, thread),
                  .tokens = tokens,
                  .size = s->head_size,
                  .ld = s->ld,
                  .ldy = s->heads * s->head_size,
                  .scale = 1 / sqrtf((float)s->head_size),
                  .bf16 = s->bf16};
}

void TI_OP(attention)(ti_train_device *d, float *y, float *lse, const float *q, const float *k,
                      const float *v, const ti_attention_shape *s)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads) schedule(dynamic)
    for (int i = 0; i < s->n_spans * s->heads; i++) {
        const ti_span *span = &s->spans[i / s->heads];
        const int head = i % s->heads;
        task t = make_task(c, s, span->count);
        size_t at = (size_t)span->first * (size_t)s->ld + (size_t)(head * s->head_size);
        forward_task(&t, y + (size_t)span->first * (size_t)t.ldy + (size_t)(head * s->head_size),
                     lse + (size_t)span->first * (size_t)s->heads + head, s->heads, q + at, k + at,
                     v + at);
    }
}

typedef struct gradients {
    float *q, *k, *v;
    const float *y, *dy, *lse; /* lse strides by heads */
} gradients;

/* ds = p (dp - delta), p from the scores in P, dp in DP */
static void score_gradient(const task *t, float *p, float *dp, const gradients *g, int first, int n,
                           int heads)
{
    for (int r = 0; r < n; r++) {
        float *row = p + (size_t)r * (size_t)t->tokens, *drow = dp + (size_t)r * (size_t)t->tokens;
        const float *y = g->y + (ptrdiff_t)(first + r) * t->ldy;
        const float *dy = g->dy + (ptrdiff_t)(first + r) * t->ldy;
        const float sum = g->lse[(ptrdiff_t)(first + r) * heads];
        float delta = 0;
        for (int i = 0; i < t->size; i++) delta += y[i] * dy[i];
        for (int i = 0; i < t->tokens; i++) {
            row[i] = ti_cpu_exp(row[i] - sum);
            drow[i] = row[i] * (drow[i] - delta);
        }
    }
}

static void backward_task(const task *t, const gradients *g, int heads, const float *q,
                          const float *k, const float *v)
{
    const int ld = t->ld, tokens = t->tokens, size = t->size;
    float *p = t->room, *dp = t->room + (size_t)QUERIES * (size_t)tokens;
    for (int first = 0; first < tokens; first += QUERIES) {
        const int n = ti_min(QUERIES, tokens - first);
        const float *qb = q + (ptrdiff_t)first * ld, *dyb = g->dy + (ptrdiff_t)first * t->ldy;
        product(t, TI_GEMM_NT, false, n, tokens, size, t->scale, qb, ld, k, ld, p, tokens);
        product(t, TI_GEMM_NT, false, n, tokens, size, 1, dyb, t->ldy, v, ld, dp, tokens);
        score_gradient(t, p, dp, g, first, n, heads);
        product(t, TI_GEMM_TN, first > 0, tokens, size, n, 1, p, tokens, dyb, t->ldy, g->v, ld);
        product(t, TI_GEMM_TN, first > 0, tokens, size, n, t->scale, dp, tokens, qb, ld, g->k, ld);
        product(t, TI_GEMM_NN, false, n, size, tokens, t->scale, dp, tokens, k, ld,
                g->q + (ptrdiff_t)first * ld, ld);
    }
}

void TI_OP(attention_back)(ti_train_device *d, float *dq, float *dk, float *dv, const float *dy,
                           const float *y, const float *lse, const float *q, const float *k,
                           const float *v, const ti_attention_shape *s)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
#pragma omp parallel for num_threads(c->threads) schedule(dynamic)
    for (int i = 0; i < s->n_spans * s->heads; i++) {
        const ti_span *span = &s->spans[i / s->heads];
        const int head = i % s->heads;
        task t = make_task(c, s, span->count);
        size_t at = (size_t)span->first * (size_t)s->ld + (size_t)(head * s->head_size);
        size_t at_y = (size_t)span->first * (size_t)t.ldy + (size_t)(head * s->head_size);
        gradients g = {.q = dq + at,
                       .k = dk + at,
                       .v = dv + at,
                       .y = y + at_y,
                       .dy = dy + at_y,
                       .lse = lse + (size_t)span->first * (size_t)s->heads + head};
        backward_task(&t, &g, s->heads, q + at, k + at, v + at);
    }
}

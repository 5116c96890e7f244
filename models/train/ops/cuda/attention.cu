/* attention.cu - attention in float32 through matrices of scores, for the image tokeniser and for
 * exact runs; in bf16 the work goes to attend.cu where that can do it. */
#include "backend/cuda/reduce.cuh"
#include "ops/cuda/cuda.h"

/* Products that go together: all heads of one span, or, with one head, all spans if they are alike.
 */
typedef struct group {
    int first, tokens, count;
    int64_t step, step_y, step_lse; /* from one to the next: in q, in y, in lse */
} group;

static int group_of(group *g, const ti_attention_shape *s, int span)
{
    const ti_span *one = &s->spans[span];
    const int64_t ldy = (int64_t)s->heads * s->head_size;
    int n = 1;
    *g = {one->first, one->count, s->heads, s->head_size, s->head_size, 1};
    if (s->heads > 1) return 1;
    while (span + n < s->n_spans && one[n].count == one->count &&
           one[n].first == one->first + n * one->count)
        n++;
    *g = {one->first, one->count, n, (int64_t)one->count * s->ld, one->count * ldy, one->count};
    return n;
}

static ti_product product_of(const group *g, bool turn_a, bool turn_b, int m, int n, int k,
                             float alpha)
{
    ti_product p = {};
    p.turn_a = turn_a;
    p.turn_b = turn_b;
    p.m = m;
    p.n = n;
    p.k = k;
    p.alpha = alpha;
    p.batch = g->count;
    return p;
}

/* scores = alpha q k^T */
static void multiply_rows(ti_train_cuda *c, const group *g, float *scores, const float *q,
                          int64_t ldq, int64_t step_q, const float *k, int64_t ldk, int size,
                          float alpha)
{
    ti_product p = product_of(g, false, true, g->tokens, g->tokens, size, alpha);
    p.lda = ldq;
    p.ldb = ldk;
    p.ldc = g->tokens;
    p.step_a = step_q;
    p.step_b = g->step;
    p.step_c = (int64_t)g->tokens * g->tokens;
    ti_train_cuda_product(c, &p, q, k, scores);
}

/* y = alpha scores v, or with the scores turned */
static void mix_rows(ti_train_cuda *c, const group *g, bool turned, float *y, int64_t ldy,
                     int64_t step_y, const float *scores, const float *v, int64_t ldv,
                     int64_t step_v, int size, float alpha)
{
    ti_product p = product_of(g, turned, false, g->tokens, size, g->tokens, alpha);
    p.lda = g->tokens;
    p.ldb = ldv;
    p.ldc = ldy;
    p.step_a = (int64_t)g->tokens * g->tokens;
    p.step_b = step_v;
    p.step_c = step_y;
    ti_train_cuda_product(c, &p, scores, v, y);
}

/* Row blockIdx.x of product blockIdx.y. */
static __global__ void softmax(float *scores, float *lse, int tokens, int heads, int64_t step_lse)
{
    float *row = scores + ((int64_t)blockIdx.y * tokens + blockIdx.x) * tokens;
    float top = -INFINITY, sum = 0;
    for (int i = (int)threadIdx.x; i < tokens; i += TI_BLOCK) top = fmaxf(top, row[i]);
    top = ti_block_max(top);
    for (int i = (int)threadIdx.x; i < tokens; i += TI_BLOCK) sum += expf(row[i] - top);
    sum = ti_block_sum(sum);
    for (int i = (int)threadIdx.x; i < tokens; i += TI_BLOCK)
        row[i] = expf(row[i] - top) * (1.0f / sum);
    if (!threadIdx.x)
        lse[(int64_t)blockIdx.y * step_lse + (int64_t)blockIdx.x * heads] = top + logf(sum);
}

void ti_train_cuda_attention(ti_train_device *d, float *y, float *lse, const float *q,
                             const float *k, const float *v, const ti_attention_shape *s)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    if (ti_train_cuda_can_attend(s, q, k, v)) {
        ti_train_cuda_attend(c, y, lse, q, k, v, s);
        return;
    }
    const int64_t ldy = (int64_t)s->heads * s->head_size;
    group g;
    for (int i = 0; i < s->n_spans; i += group_of(&g, s, i)) {
        group_of(&g, s, i);
        if (!g.tokens) continue;
        const int64_t at = (int64_t)g.first * s->ld;
        float *scores = (float *)ti_train_cuda_room(c, TI_ROOM_PATCHES,
                                                    (size_t)g.count * (size_t)g.tokens *
                                                        (size_t)g.tokens * sizeof(float));
        multiply_rows(c, &g, scores, q + at, s->ld, g.step, k + at, s->ld, s->head_size,
                      1.0f / sqrtf((float)s->head_size));
        TI_LAUNCH(c, softmax, dim3((unsigned)g.tokens, (unsigned)g.count), TI_BLOCK, 0, c->stream,
                  scores, lse + (int64_t)g.first * s->heads, g.tokens, s->heads, g.step_lse);
        mix_rows(c, &g, false, y + g.first * ldy, ldy, g.step_y, scores, v + at, s->ld, g.step,
                 s->head_size, 1);
    }
}

/* scores become probabilities p, slopes (dp so far) become p (dp - delta) */
static __global__ void score_slopes(float *scores, float *slopes, const float *y, const float *dy,
                                    const float *lse, int tokens, int size, int heads, int64_t ldy,
                                    int64_t step_y, int64_t step_lse)
{
    const int64_t at = ((int64_t)blockIdx.y * tokens + blockIdx.x) * tokens;
    const int64_t at_y = (int64_t)blockIdx.y * step_y + (int64_t)blockIdx.x * ldy;
    const float sum = lse[(int64_t)blockIdx.y * step_lse + (int64_t)blockIdx.x * heads];
    float delta = 0;
    for (int i = (int)threadIdx.x; i < size; i += TI_BLOCK) delta += y[at_y + i] * dy[at_y + i];
    delta = ti_block_sum(delta);
    for (int i = (int)threadIdx.x; i < tokens; i += TI_BLOCK) {
        float p = expf(scores[at + i] - sum);
        scores[at + i] = p;
        slopes[at + i] = p * (slopes[at + i] - delta);
    }
}

void ti_train_cuda_attention_back(ti_train_device *d, float *dq, float *dk, float *dv,
                                  const float *dy, const float *y, const float *lse, const float *q,
                                  const float *k, const float *v, const ti_attention_shape *s)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    if (ti_train_cuda_can_attend(s, q, k, v)) {
        ti_train_cuda_attend_back(c, dq, dk, dv, dy, y, lse, q, k, v, s);
        return;
    }
    const int64_t ldy = (int64_t)s->heads * s->head_size, ld = s->ld;
    const float scale = 1.0f / sqrtf((float)s->head_size);
    const int size = s->head_size;
    group g;
    for (int i = 0; i < s->n_spans; i += group_of(&g, s, i)) {
        group_of(&g, s, i);
        if (!g.tokens) continue;
        const int64_t at = (int64_t)g.first * ld, at_y = (int64_t)g.first * ldy;
        const size_t bytes = (size_t)g.count * (size_t)g.tokens * (size_t)g.tokens * sizeof(float);
        float *p = (float *)ti_train_cuda_room(c, TI_ROOM_PATCHES, bytes);
        float *ds = (float *)ti_train_cuda_room(c, TI_ROOM_SLOPES, bytes);
        multiply_rows(c, &g, p, q + at, ld, g.step, k + at, ld, size, scale);
        multiply_rows(c, &g, ds, dy + at_y, ldy, g.step_y, v + at, ld, size, 1);
        TI_LAUNCH(c, score_slopes, dim3((unsigned)g.tokens, (unsigned)g.count), TI_BLOCK, 0,
                  c->stream, p, ds, y + at_y, dy + at_y, lse + (int64_t)g.first * s->heads,
                  g.tokens, size, s->heads, ldy, g.step_y, g.step_lse);
        mix_rows(c, &g, true, dv + at, ld, g.step, p, dy + at_y, ldy, g.step_y, size, 1);
        mix_rows(c, &g, true, dk + at, ld, g.step, ds, q + at, ld, g.step, size, scale);
        mix_rows(c, &g, false, dq + at, ld, g.step, ds, k + at, ld, g.step, size, scale);
    }
}

/* attention.c - bidirectional attention without the score matrix (Milakov and Gimelshein's running
 * softmax; Dao's blocking). A task is one head and QUERIES rows of one segment: keys and values pass
 * in blocks of KEYS; each block's scores correct the running maximum, sum and output. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/exp.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define QUERIES 32
#define KEYS 64

typedef struct job {
    const float *q, *k, *v;       /* first row of the segment, at the head's first channel */
    size_t q_stride, kv_stride;   /* floats from row to row */
    int n_queries, n_keys, size;  /* queries of this task; channels of a head */
    float *out;                   /* as q */
} job;

typedef struct work {
    float keys[KEYS];             /* scratch of one row of scores */
    float top[QUERIES], sum[QUERIES];
    float *turned;                /* [size][KEYS]: a block of keys, transposed */
    float *out;                   /* [QUERIES][size] */
} work;

static void turn_keys(const job *j, int first, int n, float *turned)
{
    for (int c = 0; c < n; c++) {
        const float *k = j->k + (size_t)(first + c) * j->kv_stride;
        for (int d = 0; d < j->size; d++) turned[(size_t)d * KEYS + c] = k[d];
    }
    for (int c = n; c < KEYS; c++)
        for (int d = 0; d < j->size; d++) turned[(size_t)d * KEYS + c] = 0;
}

/* Scores of query I against the block become weights e^(score - top); the block's values are added. */
static void take_block(const job *j, work *w, int i, int first, int n)
{
    const float *q = j->q + (size_t)i * j->q_stride;
    float *score = w->keys, *out = w->out + (size_t)i * (size_t)j->size;
    memset(score, 0, sizeof w->keys);
    for (int d = 0; d < j->size; d++)
        for (int c = 0; c < KEYS; c++) score[c] += q[d] * w->turned[(size_t)d * KEYS + c];
    float scale = 1.0f / sqrtf((float)j->size), top = w->top[i];
    for (int c = 0; c < n; c++) {
        score[c] *= scale;
        top = score[c] > top ? score[c] : top;
    }
    float old = ti_cpu_exp(w->top[i] - top), sum = w->sum[i] * old;
    for (int c = 0; c < n; c++) score[c] = ti_cpu_exp(score[c] - top);
    for (int d = 0; d < j->size; d++) out[d] *= old;
    for (int c = 0; c < n; c++) {
        const float *v = j->v + (size_t)(first + c) * j->kv_stride;
        sum += score[c];
        for (int d = 0; d < j->size; d++) out[d] += score[c] * v[d];
    }
    w->top[i] = top;
    w->sum[i] = sum;
}

static void attend(const job *j, work *w)
{
    memset(w->out, 0, (size_t)QUERIES * (size_t)j->size * sizeof *w->out);
    for (int i = 0; i < j->n_queries; i++) {
        w->top[i] = -3e38f; /* finite: its difference to a score must not be a NaN */
        w->sum[i] = 0;
    }
    for (int first = 0; first < j->n_keys; first += KEYS) {
        int n = j->n_keys - first < KEYS ? j->n_keys - first : KEYS;
        turn_keys(j, first, n, w->turned);
        for (int i = 0; i < j->n_queries; i++) take_block(j, w, i, first, n);
    }
    for (int i = 0; i < j->n_queries; i++)
        for (int d = 0; d < j->size; d++)
            j->out[(size_t)i * j->q_stride + d] = w->out[(size_t)i * (size_t)j->size + d] / w->sum[i];
}

void ti_cpu_attention(ti_backend *be, void *operand, const void *q, const void *k, const void *v,
                      const ti_heads *heads, const ti_segment *segments, int n_segments)
{
    ti_cpu *cpu = ti_cpu_of(be);
    size_t size = (size_t)heads->head_size;
    size_t q_stride = (size_t)heads->n_heads * size, kv_stride = (size_t)heads->n_kv_heads * size;
    for (int s = 0; s < n_segments; s++) {
        const ti_segment *g = &segments[s];
        int n_blocks = (g->q_count + QUERIES - 1) / QUERIES;
#pragma omp parallel for collapse(2) num_threads(cpu->threads) schedule(dynamic)
        for (int h = 0; h < heads->n_heads; h++)
            for (int b = 0; b < n_blocks; b++) {
                float *scratch = ti_cpu_scratch(cpu, omp_get_thread_num());
                work w = {.turned = scratch, .out = scratch + size * KEYS};
                size_t kv_head = (size_t)(h * heads->n_kv_heads / heads->n_heads);
                size_t from_q = (size_t)(g->q_first + b * QUERIES) * q_stride + (size_t)h * size;
                size_t from_kv = (size_t)g->kv_first * kv_stride + kv_head * size;
                int left = g->q_count - b * QUERIES;
                attend(&(job){.q = (const float *)q + from_q,
                              .k = (const float *)k + from_kv,
                              .v = (const float *)v + from_kv,
                              .q_stride = q_stride,
                              .kv_stride = kv_stride,
                              .n_queries = left < QUERIES ? left : QUERIES,
                              .n_keys = g->kv_count,
                              .size = heads->head_size,
                              .out = (float *)operand + from_q},
                       &w);
            }
    }
    ti_cpu_operand_written(cpu, operand);
}

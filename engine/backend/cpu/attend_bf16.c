/* attend_bf16.c - attention of one head in bf16 on AVX-512 (attend.h).
 *
 * Everything is computed transposed: scores [keys][queries], output [channels][queries]. So a
 * softmax runs down columns, sixteen queries to a register, without a sum across one; and its
 * weights leave it as pairs of bf16 that are already the next product's right-hand panels. Keys and
 * values of the head are laid out once, as left-hand panels, for all of the call's queries. */
#include "backend/cpu/attend.h"
#include "backend/cpu/gemm_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#define BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")))

enum {
    MR = 14,
    LEFT = 16,
    NR = 32,          /* of the bf16 kernel: ti_attend_bf16_bytes() makes sure */
    KEYS = 9 * MR,    /* in a block; even */
    QUERIES = 10 * NR /* in a block */
};

/* One thread's scratch, in words of 32 bits. */
typedef struct work {
    float top[QUERIES], sum[QUERIES];
    float scores[KEYS][QUERIES];          /* in units of ln 2; then nothing */
    uint32_t weights[KEYS / 2 * QUERIES]; /* panels [query / NR][key / 2][NR] */
    uint32_t
        panels[]; /* queries [][size / 2][NR], output, output turned, keys, values: see lay_out() */
} work;

typedef struct places {
    uint32_t *queries; /* panels [query / NR][size / 2][NR] */
    float *out;        /* [size][QUERIES] */
    float *turned;     /* [QUERIES][width] */
    uint32_t *keys;    /* panels [key / MR][size / 2][LEFT] */
    uint32_t *values;  /* [key / KEYS] panels [channel / MR][KEYS / 2][LEFT] */
    size_t words;
    int width; /* size, rounded up to 16 */
} places;

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static size_t ceil_div(int a, int b)
{
    return (size_t)((a + b - 1) / b);
}

/* PANELS may be NULL when only the number of words is asked for. */
static places lay_out(uint32_t *panels, int size, int n_keys)
{
    places p = {.width = (size + 15) / 16 * 16};
    size_t at = 0, pairs = ceil_div(size, 2);
    p.queries = panels + at;
    at += QUERIES * pairs;
    p.out = (float *)(panels + at);
    at += QUERIES * (size_t)size;
    p.turned = (float *)(panels + at);
    at += QUERIES * (size_t)p.width;
    p.keys = panels + at;
    at += ceil_div(n_keys, MR) * pairs * LEFT;
    p.values = panels + at;
    at += ceil_div(n_keys, KEYS) * ceil_div(size, MR) * (KEYS / 2) * LEFT;
    p.words = at;
    return p;
}

size_t ti_attend_bf16_bytes(int size, int n_keys)
{
    static uint32_t none[1];
    if (ti_gemm_avx512_bf16.mr != MR || ti_gemm_avx512_bf16.nr != NR) return SIZE_MAX;
    return sizeof(work) + lay_out(none, size, n_keys).words * sizeof(uint32_t);
}

/* ---- panels --------------------------------------------------------------------------------- */

static void pack_keys_and_values(const ti_attend *a, const places *p)
{
    const size_t key_words = ceil_div(a->size, 2) * LEFT;
    uint32_t *to = p->keys;
    for (int key = 0; key < a->n_keys; key += MR, to += key_words)
        ti_gemm_avx512_bf16.pack(to, &(ti_gemm_panel){.from = a->k + key * a->kv_step,
                                                      .lane_step = a->kv_step,
                                                      .k_step = 1,
                                                      .lanes = min_int(MR, a->n_keys - key),
                                                      .width = LEFT,
                                                      .k = a->size});
    to = p->values;
    for (int key = 0; key < a->n_keys; key += KEYS)
        for (int c = 0; c < a->size;
             c += MR, to += ceil_div(min_int(KEYS, a->n_keys - key), 2) * LEFT)
            ti_gemm_avx512_bf16.pack(to, &(ti_gemm_panel){.from = a->v + key * a->kv_step + c,
                                                          .lane_step = 1,
                                                          .k_step = a->kv_step,
                                                          .lanes = min_int(MR, a->size - c),
                                                          .width = LEFT,
                                                          .k = min_int(KEYS, a->n_keys - key)});
}

static void pack_queries(const ti_attend *a, const places *p, int first, int n)
{
    const size_t words = ceil_div(a->size, 2) * NR;
    uint32_t *to = p->queries;
    for (int q = 0; q < n; q += NR, to += words)
        ti_gemm_avx512_bf16.pack(to, &(ti_gemm_panel){.from = a->q + (first + q) * a->q_step,
                                                      .lane_step = a->q_step,
                                                      .k_step = 1,
                                                      .lanes = min_int(NR, n - q),
                                                      .width = NR,
                                                      .k = a->size});
}

/* ---- softmax -------------------------------------------------------------------------------- */

/* 2^x to 2e-6 of itself for x <= 0: nearest integer, then the series of 2^r to r^5. */
BF16 TI_ALWAYS_INLINE __m512 exp2_of(__m512 x)
{
    __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_sub_ps(x, n), p = _mm512_set1_ps(1.33335581e-3f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.61812911e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.55041087e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.40226507e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.93147181e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}

/* Sixteen queries from column Q on: scores of N keys become weights; the sums and outputs so far
 * shrink when the top rises. */
BF16 static void weigh(work *w, const places *p, int size, int q, int n)
{
    const __m512 before = _mm512_loadu_ps(w->top + q);
    __m512 top = before;
    for (int k = 0; k < n; k++) top = _mm512_max_ps(top, _mm512_loadu_ps(&w->scores[k][q]));
    const __m512 shrink = exp2_of(_mm512_sub_ps(before, top));
    __m512 sum = _mm512_mul_ps(_mm512_loadu_ps(w->sum + q), shrink);
    uint32_t *to = w->weights + (size_t)(q / NR) * (KEYS / 2 * NR) + q % NR;
    for (int k = 0; k < n; k += 2, to += NR) {
        __m512 even = exp2_of(_mm512_sub_ps(_mm512_loadu_ps(&w->scores[k][q]), top));
        __m512 odd = k + 1 < n ? exp2_of(_mm512_sub_ps(_mm512_loadu_ps(&w->scores[k + 1][q]), top))
                               : _mm512_setzero_ps();
        sum = _mm512_add_ps(sum, _mm512_add_ps(even, odd));
        __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even));
        __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
        _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
    _mm512_storeu_ps(w->top + q, top);
    _mm512_storeu_ps(w->sum + q, sum);
    if (_mm512_cmpeq_ps_mask(before, top) == 0xffff) return;
    for (int c = 0; c < size; c++) {
        float *out = p->out + (ptrdiff_t)c * QUERIES + q;
        _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_loadu_ps(out), shrink));
    }
}

/* ---- products ------------------------------------------------------------------------------- */

/* C [rows][QUERIES] (+)= alpha A B over K; the panels of A follow one another, those of B B_WORDS
 * apart. */
static void multiply(const uint32_t *a, const uint32_t *b, size_t b_words, float *c, int rows,
                     int cols, int k, float alpha, bool add)
{
    const size_t a_words = ceil_div(k, 2) * LEFT;
    for (int j = 0; j < cols; j += NR)
        for (int i = 0; i < rows; i += MR)
            ti_gemm_avx512_bf16.tile(&(ti_gemm_tile){.rows = min_int(MR, rows - i),
                                                     .cols = min_int(NR, cols - j),
                                                     .k = k,
                                                     .a = a + (size_t)(i / MR) * a_words,
                                                     .b = b + (size_t)(j / NR) * b_words,
                                                     .c = c + (ptrdiff_t)i * QUERIES + j,
                                                     .ldc = QUERIES,
                                                     .alpha = alpha,
                                                     .add = add});
}

/* y = out^T / sum for N queries from FIRST on. */
static void finish(const ti_attend *a, const work *w, const places *p, int first, int n)
{
    ti_gemm_avx512.pack((uint32_t *)(void *)p->turned, &(ti_gemm_panel){.from = p->out,
                                                                        .lane_step = QUERIES,
                                                                        .k_step = 1,
                                                                        .lanes = a->size,
                                                                        .width = p->width,
                                                                        .k = n});
    for (int q = 0; q < n; q++) {
        const float *from = p->turned + (ptrdiff_t)q * p->width, share = 1.0f / w->sum[q];
        float *y = a->y + (first + q) * a->q_step;
        for (int c = 0; c < a->size; c++) y[c] = from[c] * share;
    }
}

static void attend_block(const ti_attend *a, work *w, const places *p, int first, int n)
{
    const float log2_e = 1.44269504f, alpha = log2_e / sqrtf((float)a->size);
    const size_t query_words = ceil_div(a->size, 2) * NR, key_words = ceil_div(a->size, 2) * LEFT;
    const size_t value_words = ceil_div(a->size, MR) * (KEYS / 2) * LEFT;
    pack_queries(a, p, first, n);
    memset(p->out, 0, (size_t)a->size * QUERIES * sizeof *p->out);
    memset(w->scores, 0, sizeof w->scores); /* columns beyond the last query stay harmless */
    for (int q = 0; q < QUERIES; q++) {
        w->top[q] = -1e30f; /* finite: its difference to itself must not be a NaN */
        w->sum[q] = 0;
    }
    for (int key = 0; key < a->n_keys; key += KEYS) {
        const int n_keys = min_int(KEYS, a->n_keys - key);
        multiply(p->keys + (size_t)(key / MR) * key_words, p->queries, query_words, w->scores[0],
                 n_keys, n, a->size, alpha, false);
        for (int q = 0; q < n; q += 16) weigh(w, p, a->size, q, n_keys);
        multiply(p->values + (size_t)(key / KEYS) * value_words, w->weights, KEYS / 2 * NR, p->out,
                 a->size, n, n_keys, 1.0f, true);
    }
    finish(a, w, p, first, n);
}

void ti_cpu_attend_bf16(const ti_attend *a, void *scratch)
{
    work *w = scratch;
    const places p = lay_out(w->panels, a->size, a->n_keys);
    pack_keys_and_values(a, &p);
    for (int first = 0; first < a->n_queries; first += QUERIES)
        attend_block(a, w, &p, first, min_int(QUERIES, a->n_queries - first));
}

#else

size_t ti_attend_bf16_bytes(int size, int n_keys)
{
    (void)size, (void)n_keys;
    return SIZE_MAX;
}

void ti_cpu_attend_bf16(const ti_attend *a, void *scratch)
{
    ti_cpu_attend(a, scratch);
}

#endif

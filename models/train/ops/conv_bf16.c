/* conv_bf16.c - the convolutions of conv.c where their factors may be rounded to bf16 and the
 * processor multiplies pairs of them (vdpbf16ps): the same walks at twice the rate. Sums are
 * float32, and the same for any number of threads.
 *
 * Forwards and back to the input, a pair is two channels of a pixel. For the gradient of the
 * weights, which sums over pixels, it is two pixels of a channel.
 */
#include "ops/conv_walk.h"
#include "ops/cpu.h"

#if defined(__x86_64__)

#include "backend/cpu/gemm_kernels.h"

#include <immintrin.h>
#include <string.h>

#define BF16   __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")))
#define INLINE static inline __attribute__((always_inline))

#define PIXELS 8 /* of a tile */

BF16 INLINE __mmask16 lanes(int n)
{
    return n >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1);
}

BF16 static void round_row(uint16_t *to, const float *from, int n)
{
    for (int i = 0; i < n; i += 16) {
        const __mmask16 m = lanes(n - i);
        const __m256i half = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(m, from + i));
        _mm256_mask_storeu_epi16(to + i, m, half);
    }
}

/* Words of N pairs (low[i], high[i]). */
BF16 static void pair_rows(uint32_t *to, const uint16_t *low, const uint16_t *high, int n)
{
    for (int i = 0; i < n; i += 16) {
        const __mmask16 m = lanes(n - i);
        const __m512i a = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, low + i));
        const __m512i b = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, high + i));
        _mm512_mask_storeu_epi32(to + i, m, _mm512_or_si512(a, _mm512_slli_epi32(b, 16)));
    }
}

static uint32_t round_one(const float *value)
{
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    return ti_bf16_round_bits(bits) >> 16;
}

/* ---- the walk over pixels ---------------------------------------------------------------- */

/* Weights as words of two channels, [kernel * kernel][pairs][ldw]. Output O, input I and tap T are
 * at w[O * by_out + I * by_in + T]; TURNED counts taps from the end. */
static void pack_weights(uint32_t *packed, const float *w, const ti_walk *k, int ldw, size_t by_out,
                         size_t by_in, bool turned, int threads)
{
    const int taps = k->kernel * k->kernel, pairs = (k->in + 1) / 2;
    memset(packed, 0, (size_t)(taps * pairs) * (size_t)ldw * sizeof *packed);
#pragma omp parallel for num_threads(threads)
    for (int o = 0; o < k->out; o++)
        for (int i = 0; i < k->in; i++)
            for (int t = 0; t < taps; t++) {
                const size_t from =
                    (size_t)o * by_out + (size_t)i * by_in + (size_t)(turned ? taps - 1 - t : t);
                packed[(size_t)(t * pairs + i / 2) * (size_t)ldw + (size_t)o] |= round_one(w + from)
                                                                                 << (i % 2 * 16);
            }
}

/* Rows of words of two channels, [band width][pairs]; an odd last channel pairs with 0. */
static void fill_band(uint32_t *band, float *row, const float *image, const ti_walk *k,
                      int first_out, int rows)
{
    const int width = ti_walk_band_width(k), pairs = (k->in + 1) / 2;
    const int n = (rows - 1) * k->stride + k->kernel;
    for (int r = 0; r < n; r++) {
        uint16_t *to = (uint16_t *)(void *)(band + (size_t)(r * width) * (size_t)pairs);
        ti_walk_fill_row(row, image, k, first_out * k->stride + r);
        if (k->in % 2 == 0) {
            round_row(to, row, width * k->in);
            continue;
        }
        for (int x = 0; x < width; x++, to += 2 * pairs) {
            round_row(to, row + (size_t)x * (size_t)k->in, k->in);
            to[k->in] = 0;
        }
    }
}

/* acc[p][v] for P pixels and V vectors of outputs. X is the tile's first word in the band. */
BF16 INLINE void tile(__m512 acc[PIXELS][2], const int P, const int V, const uint32_t *x,
                      const ti_walk *k, const uint32_t *w, int ldw)
{
    const int pairs = (k->in + 1) / 2, run = k->kernel * pairs;
    const ptrdiff_t row = (ptrdiff_t)ti_walk_band_width(k) * pairs,
                    step = (ptrdiff_t)k->stride * pairs;
#pragma GCC unroll 8
    for (int p = 0; p < P; p++)
        for (int v = 0; v < V; v++) acc[p][v] = _mm512_setzero_ps();
    for (int ky = 0; ky < k->kernel; ky++) {
        const uint32_t *xr = x + ky * row;
        for (int j = 0; j < run; j++, w += ldw) {
            __m512bh weights[2];
            for (int v = 0; v < V; v++) weights[v] = (__m512bh)_mm512_loadu_si512(w + 16 * v);
#pragma GCC unroll 8
            for (int p = 0; p < P; p++) {
                const __m512bh value = (__m512bh)_mm512_set1_epi32((int)xr[p * step + j]);
                for (int v = 0; v < V; v++)
                    acc[p][v] = _mm512_dpbf16_ps(acc[p][v], value, weights[v]);
            }
        }
    }
}

BF16 INLINE void store(const ti_walk_target *t, size_t at, __m512 value, int first, int n)
{
    const __mmask16 m = lanes(n);
    if (t->bias) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(m, t->bias + first));
    if (t->residual) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(m, t->residual + at));
    if (t->accumulate) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(m, t->y + at));
    _mm512_mask_storeu_ps(t->y + at, m, value);
}

BF16 static void walk_row(const ti_walk_target *t, size_t row_at, const uint32_t *band,
                          const ti_walk *k, const uint32_t *w, int ldw)
{
    const ptrdiff_t step = (ptrdiff_t)k->stride * ((k->in + 1) / 2);
    for (int o = 0; o < k->out; o += 32) {
        const int vectors = k->out - o > 16 ? 2 : 1;
        for (int x = 0; x < k->out_width; x += PIXELS) {
            __m512 acc[PIXELS][2];
            const int pixels = ti_min(PIXELS, k->out_width - x);
            const uint32_t *from = band + x * step;
            if (pixels == PIXELS && vectors == 2)
                tile(acc, PIXELS, 2, from, k, w + o, ldw);
            else if (pixels == PIXELS)
                tile(acc, PIXELS, 1, from, k, w + o, ldw);
            else
                for (int p = 0; p < pixels; p++)
                    tile(acc + p, 1, 2, from + p * step, k, w + o, ldw);
            for (int p = 0; p < pixels; p++)
                for (int v = 0; v < vectors; v++)
                    store(t, row_at + (size_t)(x + p) * (size_t)k->out + (size_t)(o + 16 * v),
                          acc[p][v], o + 16 * v, k->out - o - 16 * v);
        }
    }
}

static void run_walk(ti_train_cpu *c, const ti_walk_target *t, const float *x, const ti_walk *k,
                     const uint32_t *w, int ldw)
{
    const int bands = (k->out_height + TI_CONV_BAND - 1) / TI_CONV_BAND;
    const size_t row_words = (size_t)ti_walk_band_width(k) * (size_t)((k->in + 1) / 2);
    const size_t band_words = row_words * (size_t)((TI_CONV_BAND - 1) * k->stride + k->kernel);
#pragma omp parallel for num_threads(c->threads) schedule(dynamic)
    for (int b = 0; b < k->n * bands; b++) {
        float *room = ti_train_scratch(c, omp_get_thread_num());
        uint32_t *band = (uint32_t *)(void *)room;
        const int image = b / bands, first = b % bands * TI_CONV_BAND;
        const int rows = ti_min(TI_CONV_BAND, k->out_height - first);
        const float *from =
            x + (size_t)image * (size_t)k->height * (size_t)k->width * (size_t)k->in;
        fill_band(band, room + band_words, from, k, first, rows);
        for (int r = 0; r < rows; r++) {
            const size_t at = ((size_t)image * (size_t)k->out_height + (size_t)(first + r)) *
                              (size_t)k->out_width * (size_t)k->out;
            walk_row(t, at, band + (size_t)(r * k->stride) * row_words, k, w, ldw);
        }
    }
}

static int padded(int outputs)
{
    return (outputs + 31) / 32 * 32;
}

void ti_train_conv_bf16(ti_train_device *d, float *y, const float *x, const float *w,
                        const float *bias, const float *residual, const ti_conv_shape *s)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    const ti_walk k = ti_walk_forward(s);
    const ti_walk_target t = {.y = y, .bias = bias, .residual = residual};
    const size_t taps = (size_t)(s->kernel * s->kernel);
    uint32_t *packed = (uint32_t *)(void *)c->shared;
    pack_weights(packed, w, &k, padded(k.out), (size_t)s->in * taps, taps, false, c->threads);
    run_walk(c, &t, x, &k, packed, padded(k.out));
}

void ti_train_conv_back_input_bf16(ti_train_device *d, float *dx, const float *dy, const float *w,
                                   const ti_conv_shape *s, bool accumulate)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    const ti_walk k = ti_walk_backward(s);
    const ti_walk_target t = {.y = dx, .accumulate = accumulate};
    const size_t taps = (size_t)(s->kernel * s->kernel);
    uint32_t *packed = (uint32_t *)(void *)c->shared;
    pack_weights(packed, w, &k, padded(k.out), taps, (size_t)s->in * taps, true, c->threads);
    run_walk(c, &t, dy, &k, packed, padded(k.out));
}

/* ---- gradient of the weights ------------------------------------------------------------- */

/* What one task works in, carved from its scratch. */
typedef struct room {
    float *row;      /* [max(band width * in, lds)] */
    uint16_t *round; /* the same and one stride of pixels more, or two rows of outputs */
    uint32_t *band;  /* rows of words of a channel's pixels x and x + stride, [band width][in] */
    uint32_t *slope; /* words of an output's two pixels, [(out width + 1) / 2][lds] */
} room;

static room carve(float *scratch, const ti_walk *k, int lds)
{
    const size_t row =
        (size_t)(ti_walk_band_width(k) + k->stride) * (size_t)k->in + 2 * (size_t)lds;
    const size_t band = (size_t)ti_walk_band_width(k) * (size_t)k->in *
                        (size_t)((TI_CONV_BAND - 1) * k->stride + k->kernel);
    room r = {.row = scratch};
    r.round = (uint16_t *)(void *)(scratch + row);
    r.band = (uint32_t *)(void *)(scratch + 2 * row);
    r.slope = r.band + band;
    return r;
}

static void fill_pixel_pairs(const room *m, const float *image, const ti_walk *k, int first_out,
                             int rows)
{
    const int words = ti_walk_band_width(k) * k->in, ahead = k->stride * k->in;
    const int n = (rows - 1) * k->stride + k->kernel;
    for (int r = 0; r < n; r++) {
        ti_walk_fill_row(m->row, image, k, first_out * k->stride + r);
        round_row(m->round, m->row, words);
        memset(m->round + words, 0, (size_t)ahead * sizeof *m->round);
        pair_rows(m->band + (size_t)r * (size_t)words, m->round, m->round + ahead, words);
    }
}

/* A row of dy, [out width][out], as words of two pixels; adds it to BIAS. */
static void fill_slope(const room *m, float *bias, const float *dy, const ti_walk *k, int lds)
{
    uint16_t *low = m->round, *high = m->round + lds;
    for (int p = 0; p < k->out_width; p += 2) {
        const float *a = dy + (size_t)p * (size_t)k->out, *b = a + k->out;
        const bool both = p + 1 < k->out_width;
        memset(low, 0, 2 * (size_t)lds * sizeof *low);
        round_row(low, a, k->out);
        if (both) round_row(high, b, k->out);
        pair_rows(m->slope + (size_t)(p / 2) * (size_t)lds, low, high, lds);
        for (int o = 0; o < k->out; o++) bias[o] += both ? a[o] + b[o] : a[o];
    }
}

/* sums[j][o] += over a row's pairs of pixels, for J values of one kernel row and V vectors. */
BF16 INLINE void row_product(const int J, const int V, float *sums, int lds, const uint32_t *x,
                             ptrdiff_t step, const uint32_t *slope, int pairs)
{
    __m512 acc[8][2];
#pragma GCC unroll 8
    for (int j = 0; j < J; j++)
        for (int v = 0; v < V; v++) acc[j][v] = _mm512_setzero_ps();
    for (int p = 0; p < pairs; p++, x += step, slope += lds) {
        __m512bh g[2];
        for (int v = 0; v < V; v++) g[v] = (__m512bh)_mm512_loadu_si512(slope + 16 * v);
#pragma GCC unroll 8
        for (int j = 0; j < J; j++) {
            const __m512bh value = (__m512bh)_mm512_set1_epi32((int)x[j]);
            for (int v = 0; v < V; v++) acc[j][v] = _mm512_dpbf16_ps(acc[j][v], value, g[v]);
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < J; j++)
        for (int v = 0; v < V; v++) {
            float *to = sums + (ptrdiff_t)j * lds + 16 * v;
            _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), acc[j][v]));
        }
}

BF16 static void row_sums(float *sums, int lds, const uint32_t *x, const ti_walk *k,
                          const uint32_t *slope)
{
    const int run = k->kernel * k->in, pairs = (k->out_width + 1) / 2;
    const ptrdiff_t step = 2 * (ptrdiff_t)k->stride * k->in;
    for (int o = 0; o < lds; o += 32) {
        const bool two = lds - o > 16;
        int j = 0;
        for (; j + 8 <= run; j += 8) {
            float *to = sums + (size_t)j * (size_t)lds + o;
            if (two)
                row_product(8, 2, to, lds, x + j, step, slope + o, pairs);
            else
                row_product(8, 1, to, lds, x + j, step, slope + o, pairs);
        }
        for (; j < run; j++) {
            float *to = sums + (size_t)j * (size_t)lds + o;
            if (two)
                row_product(1, 2, to, lds, x + j, step, slope + o, pairs);
            else
                row_product(1, 1, to, lds, x + j, step, slope + o, pairs);
        }
    }
}

/* SUMS is [kernel * kernel * in + 1][lds]; the last row is the bias's. */
static void part_sums(float *sums, int lds, const room *m, const float *dy, const float *x,
                      const ti_walk *k, int part)
{
    const int bands = (k->out_height + TI_CONV_BAND - 1) / TI_CONV_BAND, run = k->kernel * k->in;
    const size_t row_words = (size_t)ti_walk_band_width(k) * (size_t)k->in;
    float *bias = sums + (size_t)(k->kernel * run) * (size_t)lds;
    memset(sums, 0, (size_t)(k->kernel * run + 1) * (size_t)lds * sizeof *sums);
    for (int b = part; b < k->n * bands; b += TI_CONV_PARTS) {
        const int image = b / bands, first = b % bands * TI_CONV_BAND;
        const int rows = ti_min(TI_CONV_BAND, k->out_height - first);
        fill_pixel_pairs(m,
                         x + (size_t)image * (size_t)k->height * (size_t)k->width * (size_t)k->in,
                         k, first, rows);
        for (int r = 0; r < rows; r++) {
            const size_t at = ((size_t)image * (size_t)k->out_height + (size_t)(first + r)) *
                              (size_t)k->out_width * (size_t)k->out;
            fill_slope(m, bias, dy + at, k, lds);
            for (int ky = 0; ky < k->kernel; ky++)
                row_sums(sums + (size_t)(ky * run) * (size_t)lds, lds,
                         m->band + (size_t)(r * k->stride + ky) * row_words, k, m->slope);
        }
    }
}

void ti_train_conv_back_weight_bf16(ti_train_device *d, float *dw, float *dbias, const float *dy,
                                    const float *x, const ti_conv_shape *s)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    const ti_walk k = ti_walk_forward(s);
    const int lds = (s->out + 15) / 16 * 16;
    const size_t part_floats = (size_t)(s->kernel * s->kernel * s->in + 1) * (size_t)lds;
#pragma omp parallel for num_threads(c->threads) schedule(dynamic)
    for (int p = 0; p < TI_CONV_PARTS; p++) {
        const room m = carve(ti_train_scratch(c, omp_get_thread_num()), &k, lds);
        part_sums(c->shared + (size_t)p * part_floats, lds, &m, dy, x, &k, p);
    }
    ti_walk_add_parts(dw, dbias, c->shared, lds, s, c->threads);
}

#else

/* Never called: no processor of this family sets ti_train_cpu.bf16. */
void ti_train_conv_bf16(ti_train_device *d, float *y, const float *x, const float *w,
                        const float *bias, const float *residual, const ti_conv_shape *s)
{
    (void)d, (void)y, (void)x, (void)w, (void)bias, (void)residual, (void)s;
}

void ti_train_conv_back_input_bf16(ti_train_device *d, float *dx, const float *dy, const float *w,
                                   const ti_conv_shape *s, bool accumulate)
{
    (void)d, (void)dx, (void)dy, (void)w, (void)s, (void)accumulate;
}

void ti_train_conv_back_weight_bf16(ti_train_device *d, float *dw, float *dbias, const float *dy,
                                    const float *x, const ti_conv_shape *s)
{
    (void)d, (void)dw, (void)dbias, (void)dy, (void)x, (void)s;
}

#endif

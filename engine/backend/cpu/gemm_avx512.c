/* gemm_avx512.c - the AVX-512 kernels of gemm.c: tiles of 14 x 32, so that 28 sums, two columns of
 * B and a broadcast of A fill the 32 registers; float32 by fused multiply-add, bf16 by vdpbf16ps.
 * Where no more than 16 columns of C are left, half of that work is left out. */
#include "backend/cpu/gemm_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "backend/cpu/transpose_avx512.h"

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define BF16   __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")))

enum { MR = 14, A_WIDTH = 16, NR = 32 };

AVX512 TI_ALWAYS_INLINE __mmask16 first(int n)
{
    return n <= 0 ? 0 : n >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1);
}

AVX512 static void pack_avx512(uint32_t *to, const ti_gemm_panel *panel)
{
    for (int lane = 0; lane < panel->width; lane += 16) {
        const float *from = panel->from + lane * panel->lane_step;
        uint32_t *out = to + lane;
        if (panel->lane_step == 1) {
            __mmask16 lanes = first(panel->lanes - lane);
            for (int p = 0; p < panel->k; p++, from += panel->k_step, out += panel->width)
                _mm512_storeu_ps(out, _mm512_maskz_loadu_ps(lanes, from));
            continue;
        }
        for (int p = 0; p < panel->k; p += 16, out += 16 * (ptrdiff_t)panel->width) {
            __mmask16 depth = first(panel->k - p);
            __m512i r[16];
            for (int i = 0; i < 16; i++)
                r[i] = lane + i < panel->lanes
                           ? _mm512_maskz_loadu_epi32(depth, from + i * panel->lane_step + p)
                           : _mm512_setzero_si512();
            ti_transpose_avx512(r);
            int n = panel->k - p < 16 ? panel->k - p : 16;
            if (n == 16)
                for (int i = 0; i < 16; i++)
                    _mm512_storeu_si512(out + i * (ptrdiff_t)panel->width, r[i]);
            else
                for (int i = 0; i < n; i++)
                    _mm512_storeu_si512(out + i * (ptrdiff_t)panel->width, r[i]);
        }
    }
}

BF16 static void pack_bf16(uint32_t *to, const ti_gemm_panel *panel)
{
    for (int lane = 0; lane < panel->width; lane += 16) {
        const float *from = panel->from + lane * panel->lane_step;
        uint32_t *out = to + lane;
        if (panel->lane_step == 1) {
            __mmask16 lanes = first(panel->lanes - lane);
            for (int p = 0; p < panel->k; p += 2, out += panel->width) {
                const float *row = from + p * panel->k_step;
                __m512 even = _mm512_maskz_loadu_ps(lanes, row);
                __m512 odd = p + 1 < panel->k ? _mm512_maskz_loadu_ps(lanes, row + panel->k_step)
                                              : _mm512_setzero_ps();
                __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even));
                __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
                _mm512_storeu_si512(out, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
            }
            continue;
        }
        for (int p = 0; p < panel->k; p += 32, out += 16 * (ptrdiff_t)panel->width) {
            __mmask16 depth0 = first(panel->k - p), depth1 = first(panel->k - p - 16);
            __m512i r[16];
            for (int i = 0; i < 16; i++) {
                const float *row = from + i * panel->lane_step + p;
                r[i] = lane + i < panel->lanes
                           ? (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(depth1, row + 16),
                                                          _mm512_maskz_loadu_ps(depth0, row))
                           : _mm512_setzero_si512();
            }
            ti_transpose_avx512(r);
            int n = (panel->k - p + 1) / 2;
            for (int i = 0; i < 16; i++)
                if (i < n) _mm512_storeu_si512(out + i * (ptrdiff_t)panel->width, r[i]);
        }
    }
}

AVX512 TI_ALWAYS_INLINE void store_tile(const ti_gemm_tile *t, int rows, int halves,
                                        __m512 acc[MR][2])
{
    const __m512 alpha = _mm512_set1_ps(t->alpha);
    const __mmask16 m0 = first(t->cols), m1 = first(t->cols - 16);
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        if (i >= t->rows) break;
        for (int h = 0; h < halves; h++) {
            float *c = t->c + i * t->ldc + 16 * h;
            const __mmask16 mask = h ? m1 : m0;
            __m512 sum = _mm512_mul_ps(acc[i][h], alpha);
            if (t->add) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, c));
            _mm512_mask_storeu_ps(c, mask, sum);
        }
    }
}

/* ROWS and HALVES (of 16 columns) are constants at every call, so the sums live in registers. */
AVX512 TI_ALWAYS_INLINE void rows_avx512(const ti_gemm_tile *t, const int rows, const int halves)
{
    const float *a = t->a, *b = t->b;
    __m512 acc[MR][2];
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    for (int p = 0; p < t->k; p++, a += A_WIDTH, b += NR) {
        __m512 b0 = _mm512_load_ps(b), b1 = _mm512_load_ps(b + 16);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            __m512 x = _mm512_set1_ps(a[i]);
            acc[i][0] = _mm512_fmadd_ps(x, b0, acc[i][0]);
            if (halves > 1) acc[i][1] = _mm512_fmadd_ps(x, b1, acc[i][1]);
        }
    }
    store_tile(t, rows, halves, acc);
}

BF16 TI_ALWAYS_INLINE void rows_bf16(const ti_gemm_tile *t, const int rows, const int halves)
{
    const int32_t *a = t->a, *b = t->b;
    __m512 acc[MR][2];
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    for (int p = 0; p < t->k; p += 2, a += A_WIDTH, b += NR) {
        __m512bh b0 = (__m512bh)_mm512_load_si512(b), b1 = (__m512bh)_mm512_load_si512(b + 16);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32(a[i]);
            acc[i][0] = _mm512_dpbf16_ps(acc[i][0], x, b0);
            if (halves > 1) acc[i][1] = _mm512_dpbf16_ps(acc[i][1], x, b1);
        }
    }
    store_tile(t, rows, halves, acc);
}

/* A few heights are enough: the panel's absent rows are zeros, and only those that exist are
 * stored. */
#define EACH_HEIGHT(rows_kernel, halves)                                                           \
    if (t->rows <= 2)                                                                              \
        rows_kernel(t, 2, halves);                                                                 \
    else if (t->rows <= 4)                                                                         \
        rows_kernel(t, 4, halves);                                                                 \
    else if (t->rows <= 8)                                                                         \
        rows_kernel(t, 8, halves);                                                                 \
    else                                                                                           \
        rows_kernel(t, MR, halves);

AVX512 static void tile_avx512(const ti_gemm_tile *t)
{
    if (t->cols <= 16) {
        EACH_HEIGHT(rows_avx512, 1)
    } else {
        EACH_HEIGHT(rows_avx512, 2)
    }
}

BF16 static void tile_bf16(const ti_gemm_tile *t)
{
    if (t->cols <= 16) {
        EACH_HEIGHT(rows_bf16, 1)
    } else {
        EACH_HEIGHT(rows_bf16, 2)
    }
}

/* Rounding on request happens after packing: it is wanted only by processors without vdpbf16ps. */
AVX512 static void pack_avx512_round(uint32_t *to, const ti_gemm_panel *panel)
{
    pack_avx512(to, panel);
    if (!panel->round) return;
    ptrdiff_t n = (ptrdiff_t)panel->k * panel->width;
    for (ptrdiff_t i = 0; i < n; i++) to[i] = ti_bf16_round_bits(to[i]);
}

AVX512 void ti_bf16_pack_avx512(uint16_t *to, const float *from, size_t n)
{
    const uint32_t *bits = (const void *)from;
    for (size_t i = 0; i < n; i++) to[i] = (uint16_t)(ti_bf16_round_bits(bits[i]) >> 16);
}

const ti_gemm_kernel ti_gemm_avx512 = {
    .mr = MR, .a_width = A_WIDTH, .nr = NR, .pack = pack_avx512_round, .tile = tile_avx512};
const ti_gemm_kernel ti_gemm_avx512_bf16 = {
    .mr = MR, .a_width = A_WIDTH, .nr = NR, .pairs = true, .pack = pack_bf16, .tile = tile_bf16};

#else
typedef int gemm_avx512_is_for_x86; /* C wants a file to declare something */
#endif

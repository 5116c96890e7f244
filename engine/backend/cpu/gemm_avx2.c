/* gemm_avx2.c - the AVX2 kernel of gemm.c: tiles of 6 x 16, twelve sums in the 16 registers. */
#include "backend/cpu/gemm_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))

enum { MR = 6, A_WIDTH = 8, NR = 16 };

/* 8 x 8 words: r[i] lane j becomes r[j] lane i. */
AVX2 TI_ALWAYS_INLINE void transpose(__m256 r[8])
{
    __m256 t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    for (int i = 0; i < 8; i++) r[i] = t[i];
}

/* The whole 8 x 8 blocks; what is left at the edges goes the portable way. */
AVX2 static void pack_avx2(uint32_t *to, const ti_gemm_panel *panel)
{
    const ptrdiff_t width = panel->width;
    const bool across = panel->lane_step == 1;
    const int deep = panel->k & ~7;
    for (int lane = 0; lane < panel->width; lane += 8) {
        const float *from = panel->from + lane * panel->lane_step;
        float *out = (float *)to + lane;
        ti_gemm_panel rest = *panel;
        rest.from = from;
        rest.lanes = panel->lanes - lane < 8 ? panel->lanes - lane : 8;
        int p = 0;
        if (rest.lanes == 8 && across)
            for (; p < panel->k; p++)
                _mm256_storeu_ps(out + p * width, _mm256_loadu_ps(from + p * panel->k_step));
        else if (rest.lanes > 0 && !across)
            for (; p < deep; p += 8) {
                __m256 r[8];
                for (int i = 0; i < 8; i++)
                    r[i] = i < rest.lanes ? _mm256_loadu_ps(from + i * panel->lane_step + p)
                                          : _mm256_setzero_ps();
                transpose(r);
                for (int i = 0; i < 8; i++) _mm256_storeu_ps(out + (p + i) * width, r[i]);
            }
        for (; p < panel->k; p++)
            for (int i = 0; i < 8; i++)
                out[p * width + i] =
                    i < rest.lanes ? from[i * panel->lane_step + p * panel->k_step] : 0.0f;
    }
    if (!panel->round) return;
    const ptrdiff_t n = panel->k * width;
    for (ptrdiff_t i = 0; i < n; i++) to[i] = ti_bf16_round_bits(to[i]);
}

AVX2 TI_ALWAYS_INLINE void store_row(const ti_gemm_tile *t, float *c, __m256 c0, __m256 c1)
{
    const __m256 alpha = _mm256_set1_ps(t->alpha);
    c0 = _mm256_mul_ps(c0, alpha);
    c1 = _mm256_mul_ps(c1, alpha);
    if (t->cols == NR) {
        if (t->add) {
            c0 = _mm256_add_ps(c0, _mm256_loadu_ps(c));
            c1 = _mm256_add_ps(c1, _mm256_loadu_ps(c + 8));
        }
        _mm256_storeu_ps(c, c0);
        _mm256_storeu_ps(c + 8, c1);
        return;
    }
    float row[NR];
    _mm256_storeu_ps(row, c0);
    _mm256_storeu_ps(row + 8, c1);
    for (int j = 0; j < t->cols; j++) c[j] = t->add ? row[j] + c[j] : row[j];
}

AVX2 TI_ALWAYS_INLINE void rows_avx2(const ti_gemm_tile *t, const int rows)
{
    const float *a = t->a, *b = t->b;
    __m256 acc[MR][2];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) acc[i][0] = acc[i][1] = _mm256_setzero_ps();
    for (int p = 0; p < t->k; p++, a += A_WIDTH, b += NR) {
        __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            __m256 x = _mm256_set1_ps(a[i]);
            acc[i][0] = _mm256_fmadd_ps(x, b0, acc[i][0]);
            acc[i][1] = _mm256_fmadd_ps(x, b1, acc[i][1]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
        if (i < t->rows) store_row(t, t->c + i * t->ldc, acc[i][0], acc[i][1]);
}

AVX2 static void tile_avx2(const ti_gemm_tile *t)
{
    /* The panel's absent rows are zeros, and only those that exist are stored. */
    if (t->rows <= 2)
        rows_avx2(t, 2);
    else if (t->rows <= 4)
        rows_avx2(t, 4);
    else
        rows_avx2(t, MR);
}

AVX2 void ti_bf16_pack_avx2(uint16_t *to, const float *from, size_t n)
{
    const uint32_t *bits = (const void *)from;
    for (size_t i = 0; i < n; i++) to[i] = (uint16_t)(ti_bf16_round_bits(bits[i]) >> 16);
}

const ti_gemm_kernel ti_gemm_avx2 = {
    .mr = MR, .a_width = A_WIDTH, .nr = NR, .pack = pack_avx2, .tile = tile_avx2};

#else
typedef int gemm_avx2_is_for_x86; /* C wants a file to declare something */
#endif

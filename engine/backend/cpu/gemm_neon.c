/* gemm_neon.c - the NEON kernel of gemm.c: tiles of 6 x 16, 24 sums in the 32 registers. */
#include "backend/cpu/gemm_kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>

enum { MR = 6, A_WIDTH = 8, NR = 16 };

TI_ALWAYS_INLINE void rows_neon(const ti_gemm_tile *t, const int rows)
{
    const float *a = t->a, *b = t->b;
    float32x4_t acc[MR][4];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
        acc[i][0] = acc[i][1] = acc[i][2] = acc[i][3] = vdupq_n_f32(0.0f);
    for (int p = 0; p < t->k; p++, a += A_WIDTH, b += NR) {
        float32x4_t b0 = vld1q_f32(b), b1 = vld1q_f32(b + 4);
        float32x4_t b2 = vld1q_f32(b + 8), b3 = vld1q_f32(b + 12);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            acc[i][0] = vfmaq_n_f32(acc[i][0], b0, a[i]);
            acc[i][1] = vfmaq_n_f32(acc[i][1], b1, a[i]);
            acc[i][2] = vfmaq_n_f32(acc[i][2], b2, a[i]);
            acc[i][3] = vfmaq_n_f32(acc[i][3], b3, a[i]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        if (i >= t->rows) break;
        float row[NR], *c = t->c + i * t->ldc;
        for (int j = 0; j < 4; j++) vst1q_f32(row + 4 * j, vmulq_n_f32(acc[i][j], t->alpha));
        for (int j = 0; j < t->cols; j++) c[j] = t->add ? row[j] + c[j] : row[j];
    }
}

static void tile_neon(const ti_gemm_tile *t)
{
    /* The panel's absent rows are zeros, and only those that exist are stored. */
    if (t->rows <= 2)
        rows_neon(t, 2);
    else if (t->rows <= 4)
        rows_neon(t, 4);
    else
        rows_neon(t, MR);
}

const ti_gemm_kernel ti_gemm_neon = {
    .mr = MR, .a_width = A_WIDTH, .nr = NR, .pack = ti_gemm_plain_pack, .tile = tile_neon};

#else
typedef int gemm_neon_is_for_aarch64; /* C wants a file to declare something */
#endif

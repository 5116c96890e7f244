/* int8_neon.c - the NEON dot product kernel of int8.h: tiles of 4 x 16, twice for a panel. One
 * vector of x holds four bytes of each of the four rows, so a lane of it names a row. */
#include "backend/cpu/int8_decode.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <math.h>
#include <string.h>

#if defined(__clang__)
#define DOT __attribute__((target("dotprod")))
#else
#define DOT __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

enum { ROWS = 4, QUADS = TI_INT8_BLOCK / 4, PANEL = TI_INT8_PANEL, CHUNK = 16 };

typedef struct x_block {
    int8_t code[QUADS][ROWS][4];
    float scale[ROWS];
} x_block;

typedef struct w_block {
    int8_t code[QUADS][PANEL][4];
    float scale[PANEL];
} w_block;

static float pack_x(unsigned char *to, int row, const float *values)
{
    x_block *block = (x_block *)(void *)to;
    float extreme = 0.0f, inverse;
    for (int k = 0; k < TI_INT8_BLOCK && values; k++)
        if (fabsf(values[k]) > fabsf(extreme)) extreme = values[k];
    block->scale[row] = ti_int8_scale(extreme, &inverse);
    for (int k = 0; k < TI_INT8_BLOCK; k++) {
        int code = values ? (int)vcvtns_s32_f32(values[k] * inverse) : 0;
        block->code[k / 4][row][k % 4] = (int8_t)(code > 127 ? 127 : code < -128 ? -128 : code);
    }
    return fabsf(extreme);
}

static void unpack_x(float *values, int row, const unsigned char *from)
{
    const x_block *block = (const x_block *)(const void *)from;
    for (int k = 0; k < TI_INT8_BLOCK; k++)
        values[k] = block->scale[row] * (float)block->code[k / 4][row][k % 4];
}

static void pack_w(unsigned char *to, const ti_int8_block *block)
{
    w_block *w = (w_block *)(void *)to;
    for (int n = 0; n < PANEL; n++)
        for (int q = 0; q < QUADS; q++) memcpy(w->code[q][n], &block->code[n][4 * q], 4);
    memcpy(w->scale, block->scale, sizeof w->scale);
}

DOT static void half(float *y, const x_block *x, const w_block *w, int at, int n_blocks, bool add)
{
    float32x4_t f[ROWS][4];
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < 4; j++)
            f[i][j] = add ? vld1q_f32(y + i * PANEL + at + j * 4) : vdupq_n_f32(0.0f);
    for (int b = 0; b < n_blocks; b++, x++, w++) {
        int32x4_t sum[ROWS][4];
#pragma GCC unroll 4
        for (int i = 0; i < ROWS; i++)
            sum[i][0] = sum[i][1] = sum[i][2] = sum[i][3] = vdupq_n_s32(0);
        for (int q = 0; q < QUADS; q++) {
            int8x16_t v = vld1q_s8(x->code[q][0]);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                int8x16_t k = vld1q_s8(w->code[q][at + 4 * j]);
                sum[0][j] = vdotq_laneq_s32(sum[0][j], k, v, 0);
                sum[1][j] = vdotq_laneq_s32(sum[1][j], k, v, 1);
                sum[2][j] = vdotq_laneq_s32(sum[2][j], k, v, 2);
                sum[3][j] = vdotq_laneq_s32(sum[3][j], k, v, 3);
            }
        }
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            float32x4_t d = vld1q_f32(w->scale + at + 4 * j);
#pragma GCC unroll 4
            for (int i = 0; i < ROWS; i++)
                f[i][j] = vfmaq_f32(f[i][j], vcvtq_f32_s32(sum[i][j]), vmulq_n_f32(d, x->scale[i]));
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < 4; j++) vst1q_f32(y + i * PANEL + at + j * 4, f[i][j]);
}

static void tile(float *y, const unsigned char *x, const unsigned char *w, int n_blocks, bool add,
                 size_t ahead)
{
    const x_block *xb = (const x_block *)(const void *)x;
    const w_block *wb = (const w_block *)(const void *)w;
    ti_int8_fetch(x + ahead, (size_t)n_blocks * sizeof *xb);
    half(y, xb, wb, 0, n_blocks, add);
    half(y, xb, wb, 16, n_blocks, add);
}

TI_INT8_LOOPS()

const ti_int8_kernel ti_int8_neon = {.rows = ROWS,
                                     .chunk = CHUNK,
                                     .x_bytes = sizeof(x_block),
                                     .w_bytes = sizeof(w_block),
                                     .pack_x = pack_x,
                                     .unpack_x = unpack_x,
                                     .pack_w = pack_w,
                                     .tile = tile,
                                     .store = store,
                                     .gate = gate,
                                     .decode = decode};

#else
typedef int int8_neon_is_for_aarch64; /* C wants a file to declare something */
#endif

/* int8_vnni.c - the AVX-512 VNNI kernel of int8.h: tiles of 6 x 32.
 *
 * vpdpbusd multiplies unsigned by signed bytes, so codes of x carry +128, and what that adds to a
 * block's sums is the same for every row: the sums start from its negative instead of from zero.
 * Twelve sums in integers, twelve in float; per block of 32 the scales cost two float operations
 * beside eight dot products, the conversion runs on ports that are otherwise idle. */
#include "backend/cpu/exp.h"
#include "backend/cpu/int8_decode.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "backend/cpu/transpose_avx512.h"

#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))

enum { ROWS = 6, QUADS = 8, SUMS = QUADS * TI_INT8_PANEL * 4 };

/* One block of a panel: codes[quad][output][4], start[output] int32, scale[output] float. */
enum { START_AT = SUMS, SCALE_AT = SUMS + 4 * TI_INT8_PANEL, W_BYTES = SUMS + 8 * TI_INT8_PANEL };
/* One block of a group: codes[quad][row][4] + 128, scale[row] float. */
enum { X_SCALE_AT = QUADS * ROWS * 4, X_BYTES = X_SCALE_AT + 4 * ROWS };

VNNI static float pack_x(unsigned char *to, int row, const float *values)
{
    __m512 a = values ? _mm512_loadu_ps(values) : _mm512_setzero_ps();
    __m512 b = values ? _mm512_loadu_ps(values + 16) : _mm512_setzero_ps();
    const __m512 sign = _mm512_set1_ps(-0.0f);
    const float most =
        _mm512_reduce_max_ps(_mm512_max_ps(_mm512_andnot_ps(sign, a), _mm512_andnot_ps(sign, b)));
    const __m512 least = _mm512_set1_ps(-most);
    const bool below = _mm512_cmpeq_ps_mask(a, least) | _mm512_cmpeq_ps_mask(b, least);
    float inverse, scale = ti_int8_scale(below ? -most : most, &inverse);
    __m512 factor = _mm512_set1_ps(inverse);
    __m128i lower = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(a, factor)));
    __m128i upper = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(b, factor)));
    uint32_t quad[QUADS];
    const __m128i flip = _mm_set1_epi8((char)0x80);
    _mm_storeu_si128((__m128i *)quad, _mm_xor_si128(lower, flip));
    _mm_storeu_si128((__m128i *)(quad + 4), _mm_xor_si128(upper, flip));
    for (int q = 0; q < QUADS; q++) memcpy(to + (q * ROWS + row) * 4, &quad[q], 4);
    memcpy(to + X_SCALE_AT + 4 * row, &scale, 4);
    return most;
}

static void unpack_x(float *values, int row, const unsigned char *from)
{
    float scale;
    memcpy(&scale, from + X_SCALE_AT + 4 * row, 4);
    for (int k = 0; k < TI_INT8_BLOCK; k++)
        values[k] = scale * (float)(from[(k / 4 * ROWS + row) * 4 + k % 4] - 128);
}

/* Rows i and i + 16 of codes, eight words each, make register i: turned, register q holds quad q of
 * the first sixteen outputs and register q + 8 of the others. */
VNNI static void pack_w(unsigned char *to, const ti_int8_block *block)
{
    const __m512i offset = _mm512_set1_epi8((char)128), zero = _mm512_setzero_si512();
    __m512i r[16], sum[2] = {zero, zero};
    for (int i = 0; i < 16; i++) {
        __m256i lower = _mm256_loadu_si256((const __m256i *)block->code[i]);
        __m256i upper = _mm256_loadu_si256((const __m256i *)block->code[i + 16]);
        r[i] = _mm512_inserti64x4(_mm512_castsi256_si512(lower), upper, 1);
    }
    ti_transpose_avx512(r);
    for (int half = 0; half < 2; half++) {
        for (int q = 0; q < QUADS; q++) {
            _mm512_store_si512(to + (q * TI_INT8_PANEL + half * 16) * 4, r[half * QUADS + q]);
            sum[half] = _mm512_dpbusd_epi32(sum[half], offset, r[half * QUADS + q]);
        }
        _mm512_store_si512(to + START_AT + half * 64, _mm512_sub_epi32(zero, sum[half]));
    }
    memcpy(to + SCALE_AT, block->scale, sizeof block->scale);
}

VNNI static void tile(float *y, const unsigned char *x, const unsigned char *w, int n_blocks,
                      bool add, size_t ahead)
{
    __m512 f[ROWS][2];
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < 2; j++)
            f[i][j] = add ? _mm512_loadu_ps(y + i * TI_INT8_PANEL + j * 16) : _mm512_setzero_ps();
    for (int b = 0; b < n_blocks; b++, x += X_BYTES, w += W_BYTES) {
        ti_int8_fetch(x + ahead, X_BYTES);
        __m512i s0 = _mm512_load_si512(w + START_AT), s1 = _mm512_load_si512(w + START_AT + 64);
        __m512i sum[ROWS][2];
#pragma GCC unroll 6
        for (int i = 0; i < ROWS; i++) {
            sum[i][0] = s0;
            sum[i][1] = s1;
        }
#pragma GCC unroll 8
        for (int q = 0; q < QUADS; q++) {
            __m512i w0 = _mm512_load_si512(w + q * 128), w1 = _mm512_load_si512(w + q * 128 + 64);
#pragma GCC unroll 6
            for (int i = 0; i < ROWS; i++) {
                int32_t four;
                memcpy(&four, x + (q * ROWS + i) * 4, 4);
                __m512i v = _mm512_set1_epi32(four);
                sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], v, w0);
                sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], v, w1);
            }
        }
        __m512 d0 = _mm512_load_ps(w + SCALE_AT), d1 = _mm512_load_ps(w + SCALE_AT + 64);
#pragma GCC unroll 6
        for (int i = 0; i < ROWS; i++) {
            float scale;
            memcpy(&scale, x + X_SCALE_AT + 4 * i, 4);
            __m512 s = _mm512_set1_ps(scale);
            f[i][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][0]), _mm512_mul_ps(d0, s), f[i][0]);
            f[i][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][1]), _mm512_mul_ps(d1, s), f[i][1]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < 2; j++) _mm512_storeu_ps(y + i * TI_INT8_PANEL + j * 16, f[i][j]);
}

VNNI static void gate(float *y, const float *g, const float *u, int n)
{
    ti_cpu_gate_values(y, g, u, n);
}

VNNI static void decode(ti_int8_block *to, ti_type type, const void *rows, size_t stride, int n_out,
                        int first, int n)
{
    ti_int8_decode(to, type, rows, stride, n_out, first, n);
}

const ti_int8_kernel ti_int8_vnni = {.rows = ROWS,
                                     .x_bytes = X_BYTES,
                                     .w_bytes = W_BYTES,
                                     .pack_x = pack_x,
                                     .unpack_x = unpack_x,
                                     .pack_w = pack_w,
                                     .tile = tile,
                                     .gate = gate,
                                     .decode = decode};

#else
typedef int int8_vnni_is_for_x86; /* C wants a file to declare something */
#endif

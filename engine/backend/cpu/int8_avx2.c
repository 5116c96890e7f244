/* int8_avx2.c - the AVX2 kernel of int8.h: tiles of 4 x 16, twice for a panel.
 *
 * Codes are widened to 16 bits when they are laid out, and vpmaddwd adds pairs of their products:
 * exact, where vpmaddubsw would need x in 7 bits. */
#include "backend/cpu/int8_decode.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2,fma")))

enum { ROWS = 4, PAIRS = TI_INT8_BLOCK / 2, PANEL = TI_INT8_PANEL, CHUNK = 8 };

typedef struct x_block {
    int16_t code[PAIRS][ROWS][2];
    float scale[ROWS];
} x_block;

typedef struct w_block {
    int16_t code[PAIRS][PANEL][2];
    float scale[PANEL];
} w_block;

/* Largest of eight. */
AVX2 static float largest(__m256 v)
{
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

AVX2 static float pack_x(unsigned char *to, int row, const float *values)
{
    static const float zeros[TI_INT8_BLOCK];
    x_block *block = (x_block *)(void *)to;
    const float *from = values ? values : zeros;
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 v[4], high = _mm256_setzero_ps(), low = high;
    __m256i code[4];
    float inverse;
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(from + 8 * i);
        high = _mm256_max_ps(high, v[i]);
        low = _mm256_max_ps(low, _mm256_xor_ps(v[i], sign));
    }
    const float most = largest(high), least = -largest(low);
    block->scale[row] = ti_int8_scale(most > -least ? most : least, &inverse);
    for (int i = 0; i < 4; i++)
        code[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(inverse)));
    for (int i = 0; i < 4; i += 2) { /* no code is below -128 */
        __m256i pair =
            _mm256_min_epi16(_mm256_packs_epi32(code[i], code[i + 1]), _mm256_set1_epi16(127));
        int32_t two[8];
        _mm256_storeu_si256((__m256i *)two, _mm256_permute4x64_epi64(pair, 0xd8));
        for (int p = 0; p < 8; p++) memcpy(block->code[4 * i + p][row], &two[p], 4);
    }
    return most > -least ? most : -least;
}

static void unpack_x(float *values, int row, const unsigned char *from)
{
    const x_block *block = (const x_block *)(const void *)from;
    for (int k = 0; k < TI_INT8_BLOCK; k++)
        values[k] = block->scale[row] * (float)block->code[k / 2][row][k % 2];
}

static void pack_w(unsigned char *to, const ti_int8_block *block)
{
    w_block *w = (w_block *)(void *)to;
    for (int n = 0; n < PANEL; n++)
        for (int k = 0; k < TI_INT8_BLOCK; k++) w->code[k / 2][n][k % 2] = block->code[n][k];
    memcpy(w->scale, block->scale, sizeof w->scale);
}

/* One block by half a panel: outputs [at, at + 16). There are not registers enough for the float
 * sums as well, which stay in y. */
AVX2 static void half(float *y, const x_block *x, const w_block *w, int at)
{
    __m256i sum[ROWS][2];
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++) sum[i][0] = sum[i][1] = _mm256_setzero_si256();
    for (int p = 0; p < PAIRS; p++) {
        __m256i w0 = _mm256_loadu_si256((const __m256i *)w->code[p][at]);
        __m256i w1 = _mm256_loadu_si256((const __m256i *)w->code[p][at + 8]);
#pragma GCC unroll 4
        for (int i = 0; i < ROWS; i++) {
            int32_t two;
            memcpy(&two, x->code[p][i], 4);
            __m256i v = _mm256_set1_epi32(two);
            sum[i][0] = _mm256_add_epi32(sum[i][0], _mm256_madd_epi16(v, w0));
            sum[i][1] = _mm256_add_epi32(sum[i][1], _mm256_madd_epi16(v, w1));
        }
    }
    __m256 d0 = _mm256_loadu_ps(w->scale + at), d1 = _mm256_loadu_ps(w->scale + at + 8);
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++, y += PANEL) {
        __m256 s = _mm256_set1_ps(x->scale[i]);
        __m256 f0 = _mm256_loadu_ps(y + at), f1 = _mm256_loadu_ps(y + at + 8);
        f0 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[i][0]), _mm256_mul_ps(d0, s), f0);
        f1 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[i][1]), _mm256_mul_ps(d1, s), f1);
        _mm256_storeu_ps(y + at, f0);
        _mm256_storeu_ps(y + at + 8, f1);
    }
}

AVX2 static void tile(float *y, const unsigned char *x, const unsigned char *w, int n_blocks,
                      bool add, size_t ahead)
{
    const x_block *xb = (const x_block *)(const void *)x;
    const w_block *wb = (const w_block *)(const void *)w;
    if (!add) memset(y, 0, ROWS * PANEL * sizeof *y);
    for (int b = 0; b < n_blocks; b++) {
        ti_int8_fetch(x + (size_t)b * sizeof *xb + ahead, sizeof *xb);
        for (int at = 0; at < PANEL; at += 16) half(y, xb + b, wb + b, at);
    }
}

TI_INT8_LOOPS(AVX2)

const ti_int8_kernel ti_int8_avx2 = {.rows = ROWS,
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
typedef int int8_avx2_is_for_x86; /* C wants a file to declare something */
#endif

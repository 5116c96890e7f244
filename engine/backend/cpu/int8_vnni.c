/* int8_vnni.c - the AVX-512 VNNI kernels of int8.h: tiles of 6 x 32.
 *
 * vpdpbusd multiplies unsigned by signed bytes, so codes of x carry +128, and what that adds to a
 * block's sums is the same for every row: the sums start from its negative instead of from zero.
 * Twelve sums in integers, twelve in float; per block of 32 the scales cost two float operations
 * beside eight dot products, the conversion runs on ports that are otherwise idle.
 *
 * The coarse kernel takes scales of x that are 1, 1.25, 1.5 or 1.75 times a power of two. A panel
 * holds its own scales times each of the four, and the power of two is added to their exponents:
 * one of the two float operations becomes an integer addition, which those idle ports do. */
#include "backend/cpu/int8_decode.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "backend/cpu/int8_avx512.h"

#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))

enum { ROWS = 6, QUADS = 8, CHUNK = 16, SUMS = QUADS * TI_INT8_PANEL * 4 };

/* One block of a panel: codes[quad][output][4], start[output] int32, scale[output] float. */
enum { START_AT = SUMS, SCALE_AT = SUMS + 4 * TI_INT8_PANEL, W_BYTES = SUMS + 8 * TI_INT8_PANEL };
/* One block of a group: codes[quad][row][4] + 128, scale[row] float. */
enum { X_SCALE_AT = QUADS * ROWS * 4, X_BYTES = X_SCALE_AT + 4 * ROWS };

/* The coarse kernel's: scale[quarters][output]; power[row] as added to a float's bits, at[row]
 * bytes from the first quarters' scales. */
enum { STEPS = 4, STEP_BYTES = 4 * TI_INT8_PANEL, COARSE_W_BYTES = SCALE_AT + STEPS * STEP_BYTES };
enum { X_AT_AT = X_SCALE_AT + 4 * ROWS, COARSE_X_BYTES = X_AT_AT + 4 * ROWS };
enum { MANTISSA = 23, QUARTER = 1 << 21, MOST_POWER = 60 };

VNNI TI_INLINE void put_codes(unsigned char *to, int row, __m512 a, __m512 b, float inverse)
{
    __m128i codes[2];
    uint32_t quad[QUADS];
    const __m128i flip = _mm_set1_epi8((char)0x80);
    ti_avx512_codes(codes, a, b, inverse);
    _mm_storeu_si128((__m128i *)quad, _mm_xor_si128(codes[0], flip));
    _mm_storeu_si128((__m128i *)(quad + 4), _mm_xor_si128(codes[1], flip));
    for (int q = 0; q < QUADS; q++) memcpy(to + (q * ROWS + row) * 4, &quad[q], 4);
}

VNNI static float pack_x(unsigned char *to, int row, const float *values)
{
    __m512 a = values ? _mm512_loadu_ps(values) : _mm512_setzero_ps();
    __m512 b = values ? _mm512_loadu_ps(values + 16) : _mm512_setzero_ps();
    const float extreme = ti_avx512_extreme(a, b);
    float inverse, scale = ti_int8_scale(extreme, &inverse);
    put_codes(to, row, a, b, inverse);
    memcpy(to + X_SCALE_AT + 4 * row, &scale, 4);
    return fabsf(extreme);
}

/* The scale is rounded up, so every code fits. Beyond 2^60, either way, nothing is worth a code. */
VNNI static float pack_x_coarse(unsigned char *to, int row, const float *values)
{
    __m512 a = values ? _mm512_loadu_ps(values) : _mm512_setzero_ps();
    __m512 b = values ? _mm512_loadu_ps(values + 16) : _mm512_setzero_ps();
    const float extreme = ti_avx512_extreme(a, b);
    float scale = fabsf(extreme) / 128.0f, inverse = 0;
    uint32_t bits, power = 0;
    int32_t at = 0;
    memcpy(&bits, &scale, sizeof bits);
    bits = (bits + QUARTER - 1) / QUARTER * QUARTER;
    const int exponent = (int)(bits >> MANTISSA) - 127;
    if (exponent > -MOST_POWER && exponent < MOST_POWER) {
        memcpy(&scale, &bits, sizeof scale);
        inverse = extreme > 0 ? -1.0f / scale : 1.0f / scale;
        power = ((uint32_t)exponent << MANTISSA) + (extreme > 0 ? 1u << 31 : 0);
        at = (int32_t)(bits / QUARTER % STEPS) * STEP_BYTES;
    }
    put_codes(to, row, a, b, inverse);
    memcpy(to + X_SCALE_AT + 4 * row, &power, 4);
    memcpy(to + X_AT_AT + 4 * row, &at, 4);
    return fabsf(extreme);
}

static void get_values(float *values, int row, const unsigned char *from, float scale)
{
    for (int k = 0; k < TI_INT8_BLOCK; k++)
        values[k] = scale * (float)(from[(k / 4 * ROWS + row) * 4 + k % 4] - 128);
}

static void unpack_x(float *values, int row, const unsigned char *from)
{
    float scale;
    memcpy(&scale, from + X_SCALE_AT + 4 * row, 4);
    get_values(values, row, from, scale);
}

static void unpack_x_coarse(float *values, int row, const unsigned char *from)
{
    uint32_t power, bits;
    int32_t at;
    memcpy(&power, from + X_SCALE_AT + 4 * row, 4);
    memcpy(&at, from + X_AT_AT + 4 * row, 4);
    float scale = 1.0f + 0.25f * (float)(at / STEP_BYTES);
    memcpy(&bits, &scale, sizeof bits);
    bits += power;
    memcpy(&scale, &bits, sizeof scale);
    get_values(values, row, from, scale);
}

VNNI TI_INLINE void put_weights(unsigned char *to, const ti_int8_block *block)
{
    const __m512i offset = _mm512_set1_epi8((char)128), zero = _mm512_setzero_si512();
    __m512i r[16], sum[2] = {zero, zero};
    ti_avx512_quads(r, block->code);
    for (int half = 0; half < 2; half++) {
        for (int q = 0; q < QUADS; q++) {
            _mm512_store_si512(to + (q * TI_INT8_PANEL + half * 16) * 4, r[half * QUADS + q]);
            sum[half] = _mm512_dpbusd_epi32(sum[half], offset, r[half * QUADS + q]);
        }
        _mm512_store_si512(to + START_AT + half * 64, _mm512_sub_epi32(zero, sum[half]));
    }
}

VNNI static void pack_w(unsigned char *to, const ti_int8_block *block)
{
    put_weights(to, block);
    memcpy(to + SCALE_AT, block->scale, sizeof block->scale);
}

/* A scale of 0 has codes of 0 only; to its bits nothing could be added. */
VNNI static void pack_w_coarse(unsigned char *to, const ti_int8_block *block)
{
    float scale[STEPS][TI_INT8_PANEL];
    put_weights(to, block);
    for (int step = 0; step < STEPS; step++)
        for (int n = 0; n < TI_INT8_PANEL; n++)
            scale[step][n] =
                (1.0f + 0.25f * (float)step) * (block->scale[n] != 0.0f ? block->scale[n] : 1.0f);
    memcpy(to + SCALE_AT, scale, sizeof scale);
}

/* The products of both scales of row I for 32 outputs. */
VNNI TI_INLINE void scales_of(__m512 s[2], const unsigned char *x, const unsigned char *w, int i,
                              const bool coarse)
{
    if (coarse) {
        int32_t power, at;
        memcpy(&power, x + X_SCALE_AT + 4 * i, 4);
        memcpy(&at, x + X_AT_AT + 4 * i, 4);
        const unsigned char *d = w + SCALE_AT + at;
        const __m512i p = _mm512_set1_epi32(power);
        s[0] = _mm512_castsi512_ps(_mm512_add_epi32(p, _mm512_load_si512(d)));
        s[1] = _mm512_castsi512_ps(_mm512_add_epi32(p, _mm512_load_si512(d + 64)));
    } else {
        float scale;
        memcpy(&scale, x + X_SCALE_AT + 4 * i, 4);
        s[0] = _mm512_mul_ps(_mm512_load_ps(w + SCALE_AT), _mm512_set1_ps(scale));
        s[1] = _mm512_mul_ps(_mm512_load_ps(w + SCALE_AT + 64), _mm512_set1_ps(scale));
    }
}

VNNI TI_INLINE void run(float *y, const unsigned char *x, const unsigned char *w, int n_blocks,
                        bool add, size_t ahead, const bool coarse)
{
    const size_t x_bytes = coarse ? COARSE_X_BYTES : X_BYTES;
    const size_t w_bytes = coarse ? COARSE_W_BYTES : W_BYTES;
    __m512 f[ROWS][2];
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < 2; j++)
            f[i][j] = add ? _mm512_loadu_ps(y + i * TI_INT8_PANEL + j * 16) : _mm512_setzero_ps();
    for (int b = 0; b < n_blocks; b++, x += x_bytes, w += w_bytes) {
        ti_int8_fetch(x + ahead, x_bytes);
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
#pragma GCC unroll 6
        for (int i = 0; i < ROWS; i++) {
            __m512 s[2];
            scales_of(s, x, w, i, coarse);
            f[i][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][0]), s[0], f[i][0]);
            f[i][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][1]), s[1], f[i][1]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < 2; j++) _mm512_storeu_ps(y + i * TI_INT8_PANEL + j * 16, f[i][j]);
}

VNNI static void tile(float *y, const unsigned char *x, const unsigned char *w, int n_blocks,
                      bool add, size_t ahead)
{
    run(y, x, w, n_blocks, add, ahead, false);
}

VNNI static void tile_coarse(float *y, const unsigned char *x, const unsigned char *w, int n_blocks,
                             bool add, size_t ahead)
{
    run(y, x, w, n_blocks, add, ahead, true);
}

TI_INT8_LOOPS(VNNI)

const ti_int8_kernel ti_int8_vnni = {.rows = ROWS,
                                     .chunk = CHUNK,
                                     .x_bytes = X_BYTES,
                                     .w_bytes = W_BYTES,
                                     .pack_x = pack_x,
                                     .unpack_x = unpack_x,
                                     .pack_w = pack_w,
                                     .tile = tile,
                                     .store = store,
                                     .gate = gate,
                                     .decode = decode};

const ti_int8_kernel ti_int8_vnni_coarse = {.coarse = true,
                                            .rows = ROWS,
                                            .chunk = CHUNK,
                                            .x_bytes = COARSE_X_BYTES,
                                            .w_bytes = COARSE_W_BYTES,
                                            .pack_x = pack_x_coarse,
                                            .unpack_x = unpack_x_coarse,
                                            .pack_w = pack_w_coarse,
                                            .tile = tile_coarse,
                                            .store = store,
                                            .gate = gate,
                                            .decode = decode};

#else
typedef int int8_vnni_is_for_x86; /* C wants a file to declare something */
#endif

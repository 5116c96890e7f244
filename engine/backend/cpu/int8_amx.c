/* int8_amx.c - the AMX kernel of int8.h: tiles of 8 x 32.
 *
 * A block's integer sums for eight rows and 32 outputs are two products of tiles, 8 x 32 bytes by
 * 32 bytes x 16. They leave the tile registers through memory, where the sums of the block before
 * are meanwhile converted and scaled as in the VNNI kernel: that, three operations for each sixteen
 * sums, is what the kernel costs.
 *
 * Tile registers are set up for each call and given back after it, so that no thread carries them
 * about. Their use is asked of the system once (features.c).
 *
 * Never timed: it has run in an emulator only (tests/backend/amx/amx.sh), and so is used on request
 * only (cpu.c). */
#include "backend/cpu/int8_decode.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "backend/cpu/int8_avx512.h"

#define AMX __attribute__((target("amx-tile,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))

enum { ROWS = 8, QUADS = 8, PANEL = TI_INT8_PANEL, HALF = 16 };
enum { CHUNK = 192 }; /* a call sets the tiles up: seldom */

/* One block of a group, and one of a panel. */
typedef struct x_block {
    int8_t code[ROWS][TI_INT8_BLOCK];
    float scale[ROWS];
} x_block;

typedef struct w_block {
    int8_t code[QUADS][PANEL][4];
    float scale[PANEL];
} w_block;

/* What ldtilecfg reads: tiles 0 and 1 hold sums, 2 codes of x, 3 and 4 codes of w. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static const tile_config config __attribute__((aligned(64))) = {
    .palette = 1,
    .row_bytes = {64, 64, TI_INT8_BLOCK, 64, 64},
    .rows = {ROWS, ROWS, ROWS, QUADS, QUADS},
};

AMX static float pack_x(unsigned char *to, int row, const float *values)
{
    x_block *block = (x_block *)(void *)to;
    const __m512 a = values ? _mm512_loadu_ps(values) : _mm512_setzero_ps();
    const __m512 b = values ? _mm512_loadu_ps(values + 16) : _mm512_setzero_ps();
    const float extreme = ti_avx512_extreme(a, b);
    float inverse;
    __m128i codes[2];
    block->scale[row] = ti_int8_scale(extreme, &inverse);
    ti_avx512_codes(codes, a, b, inverse);
    _mm_storeu_si128((__m128i *)block->code[row], codes[0]);
    _mm_storeu_si128((__m128i *)(block->code[row] + 16), codes[1]);
    return fabsf(extreme);
}

static void unpack_x(float *values, int row, const unsigned char *from)
{
    const x_block *block = (const x_block *)(const void *)from;
    for (int k = 0; k < TI_INT8_BLOCK; k++)
        values[k] = block->scale[row] * (float)block->code[row][k];
}

AMX static void pack_w(unsigned char *to, const ti_int8_block *block)
{
    w_block *w = (w_block *)(void *)to;
    __m512i r[16];
    ti_avx512_quads(r, block->code);
    for (int half = 0; half < 2; half++)
        for (int q = 0; q < QUADS; q++)
            _mm512_storeu_si512(w->code[q][half * HALF], r[half * QUADS + q]);
    memcpy(w->scale, block->scale, sizeof w->scale);
}

/* The integer sums of one block. */
AMX TI_INLINE void sum_block(int32_t sums[2][ROWS][HALF], const x_block *x, const w_block *w)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_loadd(2, x->code, TI_INT8_BLOCK);
    _tile_loadd(3, w->code[0][0], PANEL * 4);
    _tile_loadd(4, w->code[0][HALF], PANEL * 4);
    _tile_dpbssd(0, 2, 3);
    _tile_dpbssd(1, 2, 4);
    _tile_stored(0, sums[0], HALF * 4);
    _tile_stored(1, sums[1], HALF * 4);
}

AMX TI_INLINE void scale_block(__m512 f[ROWS][2], const int32_t sums[2][ROWS][HALF],
                               const x_block *x, const w_block *w)
{
    const __m512 scale[2] = {_mm512_loadu_ps(w->scale), _mm512_loadu_ps(w->scale + HALF)};
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) {
        const __m512 s = _mm512_set1_ps(x->scale[i]);
        for (int h = 0; h < 2; h++)
            f[i][h] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums[h][i])),
                                      _mm512_mul_ps(scale[h], s), f[i][h]);
    }
}

AMX static void tile(float *y, const unsigned char *x, const unsigned char *w, int n_blocks,
                     bool add, size_t ahead)
{
    const x_block *xb = (const x_block *)(const void *)x;
    const w_block *wb = (const w_block *)(const void *)w;
    int32_t sums[2][2][ROWS][HALF] __attribute__((aligned(64)));
    __m512 f[ROWS][2];
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++)
        for (int h = 0; h < 2; h++)
            f[i][h] = add ? _mm512_loadu_ps(y + i * PANEL + h * HALF) : _mm512_setzero_ps();
    _tile_loadconfig(&config);
    sum_block(sums[0], xb, wb);
    for (int b = 0; b < n_blocks; b++) {
        ti_int8_fetch((const unsigned char *)&xb[b] + ahead, sizeof *xb);
        if (b + 1 < n_blocks) sum_block(sums[(b + 1) & 1], &xb[b + 1], &wb[b + 1]);
        scale_block(f, (const int32_t(*)[ROWS][HALF])sums[b & 1], &xb[b], &wb[b]);
    }
    _tile_release();
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++)
        for (int h = 0; h < 2; h++) _mm512_storeu_ps(y + i * PANEL + h * HALF, f[i][h]);
}

TI_INT8_LOOPS(AMX)

const ti_int8_kernel ti_int8_amx = {.rows = ROWS,
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
typedef int int8_amx_is_for_x86; /* C wants a file to declare something */
#endif

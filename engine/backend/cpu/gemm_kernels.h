/* gemm_kernels.h - what gemm.c needs from an instruction set: how to lay panels out and how to
 * multiply one tile.
 *
 * A panel is MR rows of op(A) or NR columns of op(B), k-major: packed[k][width], the width padded
 * with zeros. With bf16 pairs, two consecutive k lie in one 32-bit word: packed[(k + 1) /
 * 2][width], low half the even k, an odd last k paired with zero.
 */
#ifndef TI_BACKEND_CPU_GEMM_KERNELS_H
#define TI_BACKEND_CPU_GEMM_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/cpu/features.h"

#define TI_ALWAYS_INLINE static inline __attribute__((always_inline))

typedef struct ti_gemm_panel {
    const float *from;           /* element (lane, p) is from[lane * lane_step + p * k_step] */
    ptrdiff_t lane_step, k_step; /* one of them is 1 */
    int lanes, width;            /* lanes present, lanes laid out (a multiple of 8) */
    int k;
    bool round; /* to bf16, when the kernel multiplies floats */
} ti_gemm_panel;

typedef struct ti_gemm_tile {
    int rows, cols; /* of C: 1 .. mr, 1 .. nr */
    int k;
    const void *a, *b; /* panels */
    float *c;
    ptrdiff_t ldc;
    float alpha;
    bool add;
} ti_gemm_tile;

typedef struct ti_gemm_kernel {
    int mr, a_width; /* rows of a tile, and the width their panel is laid out with */
    int nr;          /* columns of a tile, and their panel's width */
    bool pairs;      /* panels hold pairs of bf16 */
    void (*pack)(uint32_t *to, const ti_gemm_panel *panel);
    void (*tile)(const ti_gemm_tile *tile);
} ti_gemm_kernel;

/* The best kernel for a processor with these features: what gemm.c and the convolutions run. */
const ti_gemm_kernel *ti_gemm_kernel_for(const ti_cpu_features *features, bool bf16);

/* The widest panel of any kernel, and the widest of op(A). */
#define TI_GEMM_MAX_WIDTH 32
#define TI_GEMM_MAX_LEFT  16

extern const ti_gemm_kernel ti_gemm_plain;
void ti_gemm_plain_pack(uint32_t *to, const ti_gemm_panel *panel);

#if defined(__x86_64__)
extern const ti_gemm_kernel ti_gemm_avx2, ti_gemm_avx512, ti_gemm_avx512_bf16;
void ti_bf16_pack_avx2(uint16_t *to, const float *from, size_t n);
void ti_bf16_pack_avx512(uint16_t *to, const float *from, size_t n);
#elif defined(__aarch64__)
extern const ti_gemm_kernel ti_gemm_neon;
#endif

/* To nearest even; a NaN stays one. Written so that compilers vectorise a loop over it. */
TI_ALWAYS_INLINE uint32_t ti_bf16_round_bits(uint32_t bits)
{
    uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1);
    bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    return (nan ? bits | 0x400000u : rounded) & 0xffff0000u;
}

#endif

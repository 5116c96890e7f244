/* gemm_plain.c - the portable kernel of gemm.c, and the packing the vector kernels fall back on. */
#include "backend/cpu/gemm_kernels.h"

#include <string.h>

enum { MR = 4, NR = 8 };

void ti_gemm_plain_pack(uint32_t *to, const ti_gemm_panel *panel)
{
    const ptrdiff_t width = panel->width;
    for (int lane = 0; lane < panel->width; lane++) {
        if (lane >= panel->lanes) {
            for (int p = 0; p < panel->k; p++) to[p * width + lane] = 0;
            continue;
        }
        const float *from = panel->from + lane * panel->lane_step;
        for (int p = 0; p < panel->k; p++) {
            uint32_t bits;
            memcpy(&bits, from + p * panel->k_step, sizeof bits);
            to[p * width + lane] = panel->round ? ti_bf16_round_bits(bits) : bits;
        }
    }
}

static void tile_plain(const ti_gemm_tile *t)
{
    const float *a = t->a, *b = t->b;
    float acc[MR][NR] = {{0}};
    for (int p = 0; p < t->k; p++, a += MR * 2, b += NR)
        for (int i = 0; i < MR; i++)
            for (int j = 0; j < NR; j++) acc[i][j] += a[i] * b[j];
    for (int i = 0; i < t->rows; i++) {
        float *c = t->c + i * t->ldc;
        for (int j = 0; j < t->cols; j++)
            c[j] = t->add ? c[j] + t->alpha * acc[i][j] : t->alpha * acc[i][j];
    }
}

const ti_gemm_kernel ti_gemm_plain = {
    .mr = MR, .a_width = MR * 2, .nr = NR, .pack = ti_gemm_plain_pack, .tile = tile_plain};

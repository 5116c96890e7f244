/* int8_plain.c - the portable kernel of int8.h, and the readable one. */
#include "backend/cpu/int8_decode.h"

#include <math.h>
#include <string.h>

enum { ROWS = 4, BLOCK = TI_INT8_BLOCK, PANEL = TI_INT8_PANEL, CHUNK = 8 };

typedef struct x_block {
    int8_t code[ROWS][BLOCK];
    float scale[ROWS];
} x_block;

static float pack_x(unsigned char *to, int row, const float *values)
{
    x_block *block = (x_block *)(void *)to;
    float extreme = 0.0f, inverse;
    for (int k = 0; k < BLOCK && values; k++)
        if (fabsf(values[k]) > fabsf(extreme)) extreme = values[k];
    block->scale[row] = ti_int8_scale(extreme, &inverse);
    for (int k = 0; k < BLOCK; k++) {
        long code = values ? lrintf(values[k] * inverse) : 0;
        block->code[row][k] = (int8_t)(code > 127 ? 127 : code < -128 ? -128 : code);
    }
    return fabsf(extreme);
}

static void unpack_x(float *values, int row, const unsigned char *from)
{
    const x_block *block = (const x_block *)(const void *)from;
    for (int k = 0; k < BLOCK; k++) values[k] = block->scale[row] * (float)block->code[row][k];
}

static void pack_w(unsigned char *to, const ti_int8_block *block)
{
    memcpy(to, block, sizeof *block);
}

static void tile(float *y, const unsigned char *x, const unsigned char *w, int n_blocks, bool add,
                 size_t ahead)
{
    (void)ahead;
    if (!add) memset(y, 0, ROWS * PANEL * sizeof *y);
    for (int b = 0; b < n_blocks; b++) {
        const x_block *xb = (const x_block *)(const void *)x + b;
        const ti_int8_block *wb = (const ti_int8_block *)(const void *)w + b;
        for (int i = 0; i < ROWS; i++)
            for (int n = 0; n < PANEL; n++) {
                int sum = 0;
                for (int k = 0; k < BLOCK; k++) sum += xb->code[i][k] * wb->code[n][k];
                y[i * PANEL + n] += wb->scale[n] * xb->scale[i] * (float)sum;
            }
    }
}

TI_INT8_LOOPS()

const ti_int8_kernel ti_int8_plain = {.rows = ROWS,
                                      .chunk = CHUNK,
                                      .x_bytes = sizeof(x_block),
                                      .w_bytes = sizeof(ti_int8_block),
                                      .pack_x = pack_x,
                                      .unpack_x = unpack_x,
                                      .pack_w = pack_w,
                                      .tile = tile,
                                      .store = store,
                                      .gate = gate,
                                      .decode = decode};

/* int8.h - products of 8-bit activations with quantised weights: what a kernel is, and what it is
 * fed.
 *
 * Both sides are cut along k into blocks of 32 with a float scale each, as fine as ggml's q8_0:
 * y = sum over blocks of sx * sw * (sum of 32 integer products).
 *
 *     x    groups of the kernel's ROWS rows; a block's scale maps the value largest in magnitude to
 *          -128 (its sign goes to the scale), so that one is exact and the step is 1/128 of it
 *     w    panels of 32 outputs; q8_0 exactly as in the file, q4_k turned into signed 8-bit codes
 *          whose error is far below that of x (ti_int8_codes)
 *
 * A block of x with an outlier in it would lose its other 31 values to the outlier's step. Where a
 * row has few such blocks, what their codes miss is coded once more, as an extra block multiplied
 * with the same weights (see product_int8.c).
 *
 * Weights stay in the file's bytes: a panel is laid out for the kernel while it is used, once for
 * all rows of x. Each output is one chain of float sums over the blocks in order, whatever the rows
 * beside it.
 */
#ifndef TI_BACKEND_CPU_INT8_H
#define TI_BACKEND_CPU_INT8_H

#include "backend/cpu/features.h"
#include "format/tensor.h"

enum { TI_INT8_BLOCK = 32, TI_INT8_PANEL = 32, TI_INT8_MAX_ROWS = 8, TI_INT8_DECODED = 8 };

/* A panel's block before layout: code[output][k] * scale[output]. */
typedef struct ti_int8_block {
    int8_t code[TI_INT8_PANEL][TI_INT8_BLOCK];
    float scale[TI_INT8_PANEL];
} ti_int8_block;

typedef struct ti_int8_kernel {
    bool coarse;    /* scales of x have two bits after the leading one: for q4_k, not for q8_0 */
    int rows;       /* of x in a tile */
    int chunk;      /* blocks of a panel best laid out at a time: a multiple of TI_INT8_DECODED */
    size_t x_bytes; /* of one block of a group of rows */
    size_t w_bytes; /* of one block of a panel */
    /* Block of row ROW of a group; returns the largest magnitude. VALUES NULL: zeros. */
    float (*pack_x)(unsigned char *to, int row, const float *values);
    void (*pack_w)(unsigned char *to, const ti_int8_block *block);
    /* Blocks [first, first + n) along k (n at most TI_INT8_DECODED, both multiples of that for
     * q4_k) of N_OUT outputs (at most 32; the rest become zeros) whose rows in the file are STRIDE
     * bytes apart. */
    void (*decode)(ti_int8_block *to, ti_type type, const void *rows, size_t stride, int n_out,
                   int first, int n);
    /* The values of row ROW in a block, back. */
    void (*unpack_x)(float *values, int row, const unsigned char *from);
    /* y[rows][32] (+)= x w^T over N_BLOCKS consecutive blocks. AHEAD bytes beyond each block of x
     * lies the one that the next call will want; it is fetched meanwhile. */
    void (*tile)(float *y, const unsigned char *x, const unsigned char *w, int n_blocks, bool add,
                 size_t ahead);
    /* y[i] (+)= scale * sums[i] */
    void (*store)(float *y, const float *sums, float scale, bool add, int n);
    /* y[i] = silu(g[i]) * u[i] */
    void (*gate)(float *y, const float *g, const float *u, int n);
} ti_int8_kernel;

/* For weights of TYPE. */
const ti_int8_kernel *ti_int8_kernel_for(const ti_cpu_features *features, ti_type type);

/* How an operand [rows][32 n_blocks] lies in memory: groups of rows, each its blocks, then room for
 * extra blocks, then which they are (int32: their number, then their places in ascending order). */
typedef struct ti_int8_layout {
    int n_blocks, most_extra, row_extra; /* extra blocks of a group and of one row, at most */
    size_t extra_at, list_at, group_bytes;
} ti_int8_layout;

ti_int8_layout ti_int8_layout_of(const ti_int8_kernel *kernel, int width);
size_t ti_int8_operand_bytes(const ti_int8_kernel *kernel, int n_rows, int width);

/* Whether weights of TYPE go this way: q8_0 and q4_k. */
bool ti_int8_takes(ti_type type);
/* Scale of 32 values and its inverse, by the rule above; both 0 for zeros. */
static inline float ti_int8_scale(float extreme, float *inverse)
{
    *inverse = extreme != 0.0f ? -128.0f / extreme : 0.0f;
    return extreme / -128.0f;
}

/* What every kernel compiles as its store(). */
static inline __attribute__((always_inline)) void ti_int8_store(float *y, const float *sums,
                                                                float scale, bool add, int n)
{
    if (add && n == TI_INT8_PANEL)
        for (int j = 0; j < TI_INT8_PANEL; j++) y[j] += scale * sums[j];
    else if (add)
        for (int j = 0; j < n; j++) y[j] += scale * sums[j];
    else
        for (int j = 0; j < n; j++) y[j] = scale * sums[j];
}

/* Asks for the BYTES at FROM, which need not be there: only a hint. */
static inline __attribute__((always_inline)) void ti_int8_fetch(const unsigned char *from,
                                                                size_t bytes)
{
    for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(from + line);
}

extern const ti_int8_kernel ti_int8_plain;
#if defined(__x86_64__)
extern const ti_int8_kernel ti_int8_avx2, ti_int8_vnni, ti_int8_vnni_coarse, ti_int8_amx;
#elif defined(__aarch64__)
extern const ti_int8_kernel ti_int8_neon;
#endif

#endif

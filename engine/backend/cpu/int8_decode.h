/* int8_decode.h - signed 8-bit codes from the file's blocks of quantised weights, for int8.h, and
 * the other plain loops. In a header because every kernel compiles them for its own instructions.
 *
 * A block of q4_k is w = d q - m with q in 0 .. 15 and float d, m: as signed codes it is
 * (a q - b) * (d / a) with b / a close to t = m / d. The four bits to spare make room for a up to
 * 16, so the best fraction is nearer to t than 1 / 16a; most often the codes stand for the same
 * weights to 0.1 % of their size, below what rounding x to 8 bits costs. Where no fraction fits
 * into a byte (m beyond 128 d: a block of nearly equal weights) the weights themselves are rounded.
 */
#ifndef TI_BACKEND_CPU_INT8_DECODE_H
#define TI_BACKEND_CPU_INT8_DECODE_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backend/cpu/exp.h"
#include "backend/cpu/int8.h"

#define TI_INLINE static inline __attribute__((always_inline))

enum { TI_MOST_FACTOR = 16, TI_Q4_K_BYTES = 144 };

TI_INLINE float read_half(const unsigned char *at)
{
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return ti_half_to_float(bits);
}

TI_INLINE void q8_0_codes(ti_int8_block *to, const unsigned char *rows, size_t stride, int n_out,
                          int first, int n)
{
    for (int o = 0; o < n_out; o++) {
        const unsigned char *from = rows + (size_t)o * stride + (size_t)first * 34;
        for (int b = 0; b < n; b++, from += 34) {
            to[b].scale[o] = read_half(from);
            memcpy(to[b].code[o], from + 2, TI_INT8_BLOCK);
        }
    }
}

/* A super-block of every output as numbers, [output][block]: w = d q - m = (a q - b) d / a. */
enum { TI_BLOCKS = TI_INT8_PANEL * TI_INT8_DECODED };
typedef struct ti_q4_k_blocks {
    float d[TI_BLOCKS], m[TI_BLOCKS], scale[TI_BLOCKS];
    uint16_t a[TI_BLOCKS]; /* 0: no fraction fits */
    uint8_t b[TI_BLOCKS];
} ti_q4_k_blocks;

/* ggml's packing of eight 6-bit scales and minima into twelve bytes, taken apart four at a time. */
TI_INLINE void read_sixes(unsigned char scales[TI_INT8_DECODED],
                          unsigned char minima[TI_INT8_DECODED], const unsigned char *from)
{
    uint32_t packed[3], words[4];
    memcpy(packed, from, sizeof packed);
    words[0] = packed[0] & 0x3f3f3f3f;
    words[1] = (packed[2] & 0x0f0f0f0f) | (packed[0] >> 2 & 0x30303030);
    words[2] = packed[1] & 0x3f3f3f3f;
    words[3] = (packed[2] >> 4 & 0x0f0f0f0f) | (packed[1] >> 2 & 0x30303030);
    memcpy(scales, words, TI_INT8_DECODED);
    memcpy(minima, words + 2, TI_INT8_DECODED);
}

TI_INLINE void read_scales(ti_q4_k_blocks *w, const unsigned char *rows, size_t stride, int n_out)
{
    unsigned char scales[TI_BLOCKS], minima[TI_BLOCKS];
    for (int o = 0; o < n_out; o++)
        read_sixes(scales + o * TI_INT8_DECODED, minima + o * TI_INT8_DECODED,
                   rows + (size_t)o * stride + 4);
    for (int o = 0; o < n_out; o++) {
        const float d = read_half(rows + (size_t)o * stride);
        const float m = read_half(rows + (size_t)o * stride + 2);
        const int at = o * TI_INT8_DECODED;
        for (int i = 0; i < TI_INT8_DECODED; i++) w->d[at + i] = d * (float)scales[at + i];
        for (int i = 0; i < TI_INT8_DECODED; i++) w->m[at + i] = m * (float)minima[at + i];
    }
}

/* Nearest integer of |x| < 2^22, in a form that vectorises everywhere. */
TI_INLINE float nearest(float x)
{
    const float shift = 12582912.0f;
    return (x + shift) - shift;
}

/* The b of a fraction b / FACTOR near to T with which all codes fit into a byte. */
TI_INLINE float numerator(float t, float factor)
{
    const float least = 15.0f * factor - 127.0f, whole = nearest(factor * t);
    const float most = least > whole ? least : whole;
    return most < 128.0f ? most : 128.0f;
}

typedef union ti_float_bits {
    float f;
    uint32_t bits;
} ti_float_bits;

/* The best fraction of each block: its miss, as bits of a float that is not negative, and its
 * factor in the lowest four of them; so the least of these is the best, of equals the smallest.
 * Returns whether every block has one. */
TI_INLINE bool best_fractions(ti_q4_k_blocks *w)
{
    float t[TI_BLOCKS];
    int32_t best[TI_BLOCKS], misfits = 0;
    for (int o = 0; o < TI_BLOCKS; o++) {
        float ratio = w->d[o] != 0.0f ? w->m[o] / w->d[o] : 1000.0f;
        t[o] = fabsf(ratio) < 1000.0f ? ratio : 1000.0f;
        best[o] = INT32_MAX;
    }
    for (int i = 0; i < TI_MOST_FACTOR; i++) {
        const float factor = (float)(i + 1), inverse = 1.0f / factor;
        for (int o = 0; o < TI_BLOCKS; o++) {
            ti_float_bits miss = {.f = fabsf(t[o] - numerator(t[o], factor) * inverse)};
            int32_t key = (int32_t)(miss.bits & ~15u) | i;
            best[o] = key < best[o] ? key : best[o];
        }
    }
    for (int o = 0; o < TI_BLOCKS; o++) {
        const int factor = (best[o] & 15) + 1;
        const int32_t fits = numerator(t[o], 1.0f) == nearest(t[o]) ? -1 : 0;
        misfits |= ~fits;
        w->a[o] = (uint16_t)(factor & fits);
        w->b[o] = (uint8_t)(int)numerator(t[o], (float)factor);
        w->scale[o] = w->d[o] / (float)factor;
    }
    return misfits == 0;
}

typedef uint16_t ti_pairs __attribute__((vector_size(TI_INT8_BLOCK)));
typedef uint8_t ti_bytes __attribute__((vector_size(TI_INT8_BLOCK)));

/* a q - b of the block in the lower or (SHIFT 4) upper halves of 32 bytes. No product of a and q
 * exceeds a byte, so two at a time are multiplied as one number of 16 bits. */
TI_INLINE void code_block(int8_t *codes, const unsigned char *from, int shift, uint16_t a,
                          uint8_t b)
{
    ti_pairs pairs;
    memcpy(&pairs, from, sizeof pairs);
    pairs = (pairs >> shift & 0x0f0f) * a;
    const ti_bytes bytes = (ti_bytes)pairs - b;
    memcpy(codes, &bytes, sizeof bytes);
}

TI_INLINE void round_weights(int8_t *codes, float *scale, float d, float m,
                             const unsigned char *pairs, int shift)
{
    float low = -m, high = 15.0f * d - m;
    float most = fabsf(low) > fabsf(high) ? fabsf(low) : fabsf(high);
    float inverse = most > 0.0f ? 127.0f / most : 0.0f;
    *scale = most / 127.0f;
    for (int k = 0; k < TI_INT8_BLOCK; k++)
        codes[k] = (int8_t)nearest(inverse * (d * (float)(pairs[k] >> shift & 15) - m));
}

/* The eight blocks of a super-block, of every output. */
TI_INLINE void q4_k_codes(ti_int8_block *to, const unsigned char *rows, size_t stride, int n_out,
                          int first)
{
    ti_q4_k_blocks w;
    if (n_out < TI_INT8_PANEL) memset(&w, 0, sizeof w);
    rows += (size_t)(first / TI_INT8_DECODED) * TI_Q4_K_BYTES;
    read_scales(&w, rows, stride, n_out);
    const bool all = best_fractions(&w);
    for (int o = 0; o < n_out; o++)
        for (int i = 0; i < TI_INT8_DECODED; i += 2) {
            const unsigned char *pairs = rows + (size_t)o * stride + 16 + i * (TI_INT8_BLOCK / 2);
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++) {
                ti_int8_block *block = &to[i + half];
                const int at = o * TI_INT8_DECODED + i + half;
                block->scale[o] = w.scale[at];
                code_block(block->code[o], pairs, 4 * half, w.a[at], w.b[at]);
                if (!all && !w.a[at])
                    round_weights(block->code[o], &block->scale[o], w.d[at], w.m[at], pairs,
                                  4 * half);
            }
        }
}

TI_INLINE void ti_int8_decode(ti_int8_block *to, ti_type type, const void *rows, size_t stride,
                              int n_out, int first, int n)
{
    if (n_out < TI_INT8_PANEL)
        for (int b = 0; b < n; b++) {
            memset(to[b].code[n_out], 0, (size_t)(TI_INT8_PANEL - n_out) * TI_INT8_BLOCK);
            memset(to[b].scale + n_out, 0, (size_t)(TI_INT8_PANEL - n_out) * sizeof(float));
        }
    if (type == TI_Q8_0)
        q8_0_codes(to, rows, stride, n_out, first, n);
    else
        q4_k_codes(to, rows, stride, n_out, first);
}

/* The loops of a kernel that are left to the compiler, which vectorises them for TARGET: the
 * attribute of the file's own functions; nothing where it has none. */
#define TI_INT8_LOOPS(TARGET)                                                                      \
    TARGET static void store(float *y, const float *sums, float scale, bool add, int n)            \
    {                                                                                              \
        ti_int8_store(y, sums, scale, add, n);                                                     \
    }                                                                                              \
    TARGET static void gate(float *y, const float *g, const float *u, int n)                       \
    {                                                                                              \
        ti_cpu_gate_values(y, g, u, n);                                                            \
    }                                                                                              \
    TARGET static void decode(ti_int8_block *to, ti_type type, const void *rows, size_t stride,    \
                              int n_out, int first, int n)                                         \
    {                                                                                              \
        ti_int8_decode(to, type, rows, stride, n_out, first, n);                                   \
    }

#endif

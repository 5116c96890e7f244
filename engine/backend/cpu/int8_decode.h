/* int8_decode.h - signed 8-bit codes from the file's blocks of quantised weights, for int8.h. In a
 * header because every kernel compiles it for its own instructions.
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
#include <string.h>

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

/* One block of 32 weights of each output: w = d q - m. */
typedef struct nibbles {
    float d[TI_INT8_PANEL], m[TI_INT8_PANEL];
    unsigned char q[TI_INT8_PANEL][TI_INT8_BLOCK];
} nibbles;

/* ggml's packing of eight 6-bit scales and minima into twelve bytes. */
TI_INLINE void scale_and_min(const unsigned char *packed, int b, int *scale, int *min)
{
    if (b < 4) {
        *scale = packed[b] & 63;
        *min = packed[b + 4] & 63;
    } else {
        *scale = (packed[b + 4] & 15) | (packed[b - 4] >> 6 << 4);
        *min = (packed[b + 4] >> 4) | (packed[b] >> 6 << 4);
    }
}

TI_INLINE void read_nibbles(nibbles *to, const unsigned char *from, int o)
{
    float d = read_half(from), m = read_half(from + 2);
    for (int b = 0; b < TI_INT8_DECODED; b++) {
        int scale, min, shift = b % 2 * 4;
        scale_and_min(from + 4, b, &scale, &min);
        to[b].d[o] = d * (float)scale;
        to[b].m[o] = m * (float)min;
        const unsigned char *pairs = from + 16 + b / 2 * 32;
        for (int k = 0; k < TI_INT8_BLOCK; k++)
            to[b].q[o][k] = (unsigned char)(pairs[k] >> shift & 15);
    }
}

/* Nearest integer of |x| < 2^22, in a form that vectorises everywhere. */
TI_INLINE float nearest(float x)
{
    const float shift = 12582912.0f;
    return (x + shift) - shift;
}

/* For each output the a (as float; 0 if none) and b of the best fraction. */
TI_INLINE void best_fractions(const nibbles *from, float a[TI_INT8_PANEL], float b[TI_INT8_PANEL])
{
    float t[TI_INT8_PANEL], error[TI_INT8_PANEL];
    for (int o = 0; o < TI_INT8_PANEL; o++) {
        float ratio = from->d[o] != 0.0f ? from->m[o] / from->d[o] : 1000.0f;
        t[o] = fabsf(ratio) < 1000.0f ? ratio : 1000.0f;
        a[o] = b[o] = 0.0f;
        error[o] = 1e30f;
    }
    for (int i = 1; i <= TI_MOST_FACTOR; i++) {
        const float factor = (float)i, inverse = 1.0f / factor;
        for (int o = 0; o < TI_INT8_PANEL; o++) {
            float whole = nearest(factor * t[o]), miss = fabsf(t[o] - whole * inverse);
            int fits = (whole <= 128.0f) & (15.0f * factor - whole <= 127.0f) & (miss < error[o]);
            a[o] = fits ? factor : a[o];
            b[o] = fits ? whole : b[o];
            error[o] = fits ? miss : error[o];
        }
    }
}

TI_INLINE void round_weights(ti_int8_block *to, const nibbles *from, int o)
{
    float low = -from->m[o], high = 15.0f * from->d[o] - from->m[o];
    float most = fabsf(low) > fabsf(high) ? fabsf(low) : fabsf(high);
    float inverse = most > 0.0f ? 127.0f / most : 0.0f;
    to->scale[o] = most / 127.0f;
    for (int k = 0; k < TI_INT8_BLOCK; k++)
        to->code[o][k] =
            (int8_t)nearest(inverse * (from->d[o] * (float)from->q[o][k] - from->m[o]));
}

TI_INLINE void q4_k_codes(ti_int8_block *to, const unsigned char *rows, size_t stride, int n_out,
                          int first, int n)
{
    nibbles eight[TI_INT8_DECODED];
    memset(eight, 0, sizeof eight);
    for (int s = 0; s < n; s += TI_INT8_DECODED) {
        for (int o = 0; o < n_out; o++)
            read_nibbles(eight,
                         rows + (size_t)o * stride +
                             (size_t)((first + s) / TI_INT8_DECODED) * TI_Q4_K_BYTES,
                         o);
        for (int i = 0; i < TI_INT8_DECODED && s + i < n; i++) {
            ti_int8_block *block = &to[s + i];
            float a[TI_INT8_PANEL], b[TI_INT8_PANEL];
            best_fractions(&eight[i], a, b);
            for (int o = 0; o < n_out; o++) {
                if (a[o] == 0.0f) {
                    round_weights(block, &eight[i], o);
                    continue;
                }
                const int factor = (int)a[o], offset = (int)b[o];
                block->scale[o] = eight[i].d[o] / a[o];
                for (int k = 0; k < TI_INT8_BLOCK; k++)
                    block->code[o][k] = (int8_t)(factor * eight[i].q[o][k] - offset);
            }
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
        q4_k_codes(to, rows, stride, n_out, first, n);
}

#endif

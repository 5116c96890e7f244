/* tensor.c - element types and their block layouts: sizes, names, and conversion to and from
 * float32.
 *
 * The two quantised layouts are ggml's, and quantising follows ggml's reference quantisers step by
 * step, in the same order of float32 operations, so that the same numbers give the same bytes.
 *
 *   Q8_0, 32 elements, 34 bytes:    half d | int8 q[32]                      x = d q
 *   Q4_K, 256 elements, 144 bytes:  half d, dmin | 12 bytes | 128 bytes      x = d s_j q - dmin m_j
 *         eight groups j of 32; the 12 bytes pack s_j and m_j in 6 bits each, the 128 bytes hold q
 *         in 4 bits, groups 2i and 2i + 1 in the low and high halves of bytes [32 i, 32 i + 32). */
#include "format/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "model files are little-endian");

#define Q8_BLOCK  32
#define Q4_BLOCK  256
#define Q4_GROUP  32
#define Q4_GROUPS 8

typedef struct q8_block {
    uint16_t d;
    int8_t q[Q8_BLOCK];
} q8_block;

typedef struct q4_block {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t q[Q4_BLOCK / 2];
} q4_block;

_Static_assert(sizeof(q8_block) == 34 && sizeof(q4_block) == 144, "ggml's block sizes");

static const struct type_row {
    ti_type type;
    const char *name;
    int block;
    size_t block_bytes;
} types[] = {
    {TI_F32, "f32", 1, 4},
    {TI_F16, "f16", 1, 2},
    {TI_BF16, "bf16", 1, 2},
    {TI_Q8_0, "q8_0", Q8_BLOCK, sizeof(q8_block)},
    {TI_Q4_K, "q4_k", Q4_BLOCK, sizeof(q4_block)},
    {TI_I32, "i32", 1, 4},
    {TI_I64, "i64", 1, 8},
    {TI_F64, "f64", 1, 8},
    {TI_U8, "u8", 1, 1},
};

static const struct type_row *find(ti_type type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type) return &types[i];
    return NULL;
}

const char *ti_type_name(ti_type type)
{
    const struct type_row *row = find(type);
    return row ? row->name : "?";
}

bool ti_type_parse(const char *name, ti_type *out)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, name)) continue;
        *out = types[i].type;
        return true;
    }
    return false;
}

int ti_type_block(ti_type type)
{
    const struct type_row *row = find(type);
    return row ? row->block : 0;
}

size_t ti_type_block_bytes(ti_type type)
{
    const struct type_row *row = find(type);
    return row ? row->block_bytes : 0;
}

size_t ti_type_row_bytes(ti_type type, int64_t n)
{
    const struct type_row *row = find(type);
    size_t bytes;
    if (!row || n < 0 || n % row->block) return 0;
    return __builtin_mul_overflow((size_t)(n / row->block), row->block_bytes, &bytes) ? 0 : bytes;
}

ti_type ti_type_for_rows(ti_type wanted, int64_t n)
{
    if (wanted == TI_Q4_K && n % Q4_BLOCK) wanted = TI_Q8_0;
    if (wanted == TI_Q8_0 && n % Q8_BLOCK) wanted = TI_F16;
    return wanted;
}

int64_t ti_tensor_elements(const ti_tensor *tensor)
{
    int64_t n = 1;
    for (int i = 0; i < tensor->n_dims; i++) n *= tensor->shape[i];
    return n;
}

void ti_shape_text(char *to, size_t size, int n_dims, const int64_t *shape)
{
    size_t used = 0;
    to[0] = '\0';
    for (int i = 0; i < n_dims && used < size; i++)
        used +=
            (size_t)snprintf(to + used, size - used, "%s%lld", i ? " x " : "", (long long)shape[i]);
}

/* ---- 16-bit floats --------------------------------------------------------------------------- */

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float ti_half_to_float(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent == 31) return bits_float(sign | 0x7F800000u | fraction << 13);
    if (exponent) return bits_float(sign | (exponent + 112) << 23 | fraction << 13);
    float value = (float)fraction * 0x1p-24f;
    return sign ? -value : value;
}

uint16_t ti_float_to_half(float value)
{
    uint32_t bits = float_bits(value), sign = bits >> 16 & 0x8000, size = bits & 0x7FFFFFFF;
    if (size > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (size >> 13 & 0x1FF));
    if (size >= 0x477FF000) return (uint16_t)(sign | 0x7C00); /* rounds past the largest half */
    if (size < 0x38800000) /* subnormal: adding 0.5 leaves the fraction rounded in the low bits */
        return (uint16_t)(sign | (float_bits(bits_float(size) + 0.5f) - 0x3F000000u));
    size += 0xFFF + (size >> 13 & 1);
    return (uint16_t)(sign | ((size - 0x38000000) >> 13));
}

uint16_t ti_float_to_bf16(float value)
{
    uint32_t bits = float_bits(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(bits >> 16 | 64);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* ---- Q8_0 ------------------------------------------------------------------------------------ */

static void quantize_q8(const float *x, q8_block *out)
{
    float largest = 0;
    for (int i = 0; i < Q8_BLOCK; i++) largest = fmaxf(largest, fabsf(x[i]));
    float d = largest / 127, inverse = d != 0 ? 1 / d : 0;
    out->d = ti_float_to_half(d);
    for (int i = 0; i < Q8_BLOCK; i++) {
        float q = roundf(x[i] * inverse);
        out->q[i] = q >= -128 && q <= 127 ? (int8_t)q : 0; /* not a number, or d underflowed */
    }
}

static void dequantize_q8(const q8_block *block, float *to)
{
    float d = ti_half_to_float(block->d);
    for (int i = 0; i < Q8_BLOCK; i++) to[i] = (float)block->q[i] * d;
}

/* ---- Q4_K ------------------------------------------------------------------------------------ */

/* The 6-bit scale and minimum of group J: bytes 0-3 and 4-7 hold those of groups 0-3 with the upper
 * two bits of groups 4-7 on top, bytes 8-11 the lower four bits of groups 4-7. */
static void unpack_scale(const uint8_t *packed, int j, int *scale, int *minimum)
{
    if (j < 4) {
        *scale = packed[j] & 63;
        *minimum = packed[j + 4] & 63;
    } else {
        *scale = (packed[j + 4] & 15) | packed[j - 4] >> 6 << 4;
        *minimum = packed[j + 4] >> 4 | packed[j] >> 6 << 4;
    }
}

static void pack_scale(uint8_t *packed, int j, int scale, int minimum)
{
    if (j < 4) {
        packed[j] = (uint8_t)scale;
        packed[j + 4] = (uint8_t)minimum;
    } else {
        packed[j + 4] = (uint8_t)((scale & 15) | (minimum & 15) << 4);
        packed[j - 4] |= (uint8_t)(scale >> 4 << 6);
        packed[j] |= (uint8_t)(minimum >> 4 << 6);
    }
}

/* Nearest integer in [0, limit], ties to even. */
static int nearest(float value, int limit)
{
    if (!(value > 0)) return 0;
    return value >= (float)limit ? limit : (int)rintf(value);
}

typedef struct group_sums {
    float w, x; /* of the weights and of weight * value */
} group_sums;

/* Least-squares scale and minimum for the levels in Q, under the same weights. */
static bool fit_levels(const float *x, const float *weights, const uint8_t *q, group_sums sum,
                       float *scale, float *minimum)
{
    float l = 0, l2 = 0, xl = 0;
    for (int i = 0; i < Q4_GROUP; i++) {
        float level = q[i], w = weights[i];
        l += w * level;
        l2 += w * level * level;
        xl += w * level * x[i];
    }
    float determinant = sum.w * l2 - l * l;
    if (!(determinant > 0)) return false;
    *scale = (sum.w * xl - sum.x * l) / determinant;
    *minimum = (l2 * sum.x - l * xl) / determinant;
    if (*minimum > 0) {
        *minimum = 0;
        *scale = xl / l2;
    }
    return true;
}

static float fit_error(const float *x, const float *weights, const uint8_t *q, float scale,
                       float minimum)
{
    float error = 0;
    for (int i = 0; i < Q4_GROUP; i++) {
        float difference = scale * q[i] + minimum - x[i];
        error += weights[i] * (difference * difference);
    }
    return error;
}

/* Levels 0..15, scale and (negated) minimum of one group: rounds at 22 slightly different scales,
 * refits each by weighted least squares and keeps the best. */
static float search_group(const float *x, const float *weights, uint8_t *q, float *negated_minimum)
{
    float low = x[0], high = x[0];
    group_sums sum = {weights[0], weights[0] * x[0]};
    for (int i = 1; i < Q4_GROUP; i++) {
        if (x[i] < low) low = x[i];
        if (x[i] > high) high = x[i];
        sum.w += weights[i];
        sum.x += weights[i] * x[i];
    }
    if (low > 0) low = 0;
    memset(q, 0, Q4_GROUP);
    *negated_minimum = -low;
    if (!(high > low)) return 0;
    float inverse = 15.0f / (high - low), scale = 1 / inverse, minimum = low;
    for (int i = 0; i < Q4_GROUP; i++) q[i] = (uint8_t)nearest(inverse * (x[i] - low), 15);
    float best = fit_error(x, weights, q, scale, minimum);
    for (int step = 0; step <= 20; step++) {
        uint8_t trial[Q4_GROUP];
        float trial_scale, trial_minimum;
        /* ggml measures the trial levels from the best minimum so far, not from the lowest value */
        inverse = (-1.0f + 0.1f * (float)step + 15.0f) / (high - minimum);
        for (int i = 0; i < Q4_GROUP; i++)
            trial[i] = (uint8_t)nearest(inverse * (x[i] - minimum), 15);
        if (!fit_levels(x, weights, trial, sum, &trial_scale, &trial_minimum)) continue;
        float error = fit_error(x, weights, trial, trial_scale, trial_minimum);
        if (!(error < best)) continue;
        memcpy(q, trial, sizeof trial);
        best = error;
        scale = trial_scale;
        minimum = trial_minimum;
    }
    *negated_minimum = -minimum;
    return scale;
}

static void quantize_q4(const float *x, q4_block *out)
{
    uint8_t q[Q4_BLOCK];
    float weights[Q4_GROUP], scales[Q4_GROUPS], minima[Q4_GROUPS], max_scale = 0, max_minimum = 0;
    for (int j = 0; j < Q4_GROUPS; j++) {
        const float *group = x + Q4_GROUP * j;
        float squares = 0;
        for (int i = 0; i < Q4_GROUP; i++) squares += group[i] * group[i];
        float spread = sqrtf(squares / Q4_GROUP);
        for (int i = 0; i < Q4_GROUP; i++) weights[i] = spread + fabsf(group[i]);
        scales[j] = search_group(group, weights, q + Q4_GROUP * j, &minima[j]);
        if (scales[j] > max_scale) max_scale = scales[j];
        if (minima[j] > max_minimum) max_minimum = minima[j];
    }
    memset(out->scales, 0, sizeof out->scales);
    float inverse_scale = max_scale > 0 ? 63 / max_scale : 0;
    float inverse_minimum = max_minimum > 0 ? 63 / max_minimum : 0;
    for (int j = 0; j < Q4_GROUPS; j++)
        pack_scale(out->scales, j, nearest(inverse_scale * scales[j], 63),
                   nearest(inverse_minimum * minima[j], 63));
    out->d = ti_float_to_half(max_scale / 63);
    out->dmin = ti_float_to_half(max_minimum / 63);
    for (int j = 0; j < Q4_GROUPS; j++) { /* the levels again, for scales as they will be read */
        int scale, minimum;
        unpack_scale(out->scales, j, &scale, &minimum);
        float d = ti_half_to_float(out->d) * (float)scale;
        if (d == 0) continue;
        float dm = ti_half_to_float(out->dmin) * (float)minimum;
        for (int i = Q4_GROUP * j; i < Q4_GROUP * (j + 1); i++)
            q[i] = (uint8_t)nearest((x[i] + dm) / d, 15);
    }
    for (int pair = 0; pair < Q4_GROUPS / 2; pair++)
        for (int i = 0; i < Q4_GROUP; i++)
            out->q[Q4_GROUP * pair + i] =
                (uint8_t)(q[2 * Q4_GROUP * pair + i] | q[2 * Q4_GROUP * pair + Q4_GROUP + i] << 4);
}

static void dequantize_q4(const q4_block *block, float *to)
{
    float d = ti_half_to_float(block->d), dmin = ti_half_to_float(block->dmin);
    for (int j = 0; j < Q4_GROUPS; j++) {
        const uint8_t *q = block->q + Q4_GROUP * (j / 2);
        int scale, minimum, shift = j % 2 * 4;
        unpack_scale(block->scales, j, &scale, &minimum);
        float step = d * (float)scale, low = dmin * (float)minimum;
        for (int i = 0; i < Q4_GROUP; i++) *to++ = step * (float)(q[i] >> shift & 15) - low;
    }
}

/* ---- any type -------------------------------------------------------------------------------- */

/* Scalars and blocks go through an aligned copy: safetensors data starts anywhere. */
#define EACH(ctype, value_of)                                                                      \
    for (int64_t i = 0; i < n; i++) {                                                              \
        ctype v;                                                                                   \
        memcpy(&v, bytes + i * (int64_t)sizeof v, sizeof v);                                       \
        to[i] = value_of(v);                                                                       \
    }

void ti_dequantize(ti_type type, const void *from, float *to, int64_t n)
{
    const uint8_t *bytes = from;
    switch (type) {
    case TI_F32:
        memcpy(to, from, (size_t)n * sizeof *to);
        break;
    case TI_F16:
        EACH(uint16_t, ti_half_to_float) break;
    case TI_BF16:
        EACH(uint16_t, ti_bf16_to_float) break;
    case TI_I32:
        EACH(int32_t, (float)) break;
    case TI_I64:
        EACH(int64_t, (float)) break;
    case TI_F64:
        EACH(double, (float)) break;
    case TI_U8:
        EACH(uint8_t, (float)) break;
    case TI_Q8_0:
        for (int64_t i = 0; i < n / Q8_BLOCK; i++) {
            q8_block block;
            memcpy(&block, bytes + i * (int64_t)sizeof block, sizeof block);
            dequantize_q8(&block, to + i * Q8_BLOCK);
        }
        break;
    case TI_Q4_K:
        for (int64_t i = 0; i < n / Q4_BLOCK; i++) {
            q4_block block;
            memcpy(&block, bytes + i * (int64_t)sizeof block, sizeof block);
            dequantize_q4(&block, to + i * Q4_BLOCK);
        }
        break;
    }
}

void ti_quantize(ti_type type, const float *from, void *to, int64_t n)
{
    uint8_t *bytes = to;
    switch (type) {
    case TI_F32:
        memcpy(to, from, (size_t)n * sizeof *from);
        break;
    case TI_F16:
    case TI_BF16:
        for (int64_t i = 0; i < n; i++) {
            uint16_t half = type == TI_F16 ? ti_float_to_half(from[i]) : ti_float_to_bf16(from[i]);
            memcpy(bytes + 2 * i, &half, 2);
        }
        break;
    case TI_Q8_0:
        for (int64_t i = 0; i < n / Q8_BLOCK; i++) {
            q8_block block;
            quantize_q8(from + i * Q8_BLOCK, &block);
            memcpy(bytes + i * (int64_t)sizeof block, &block, sizeof block);
        }
        break;
    case TI_Q4_K:
        for (int64_t i = 0; i < n / Q4_BLOCK; i++) {
            q4_block block;
            quantize_q4(from + i * Q4_BLOCK, &block);
            memcpy(bytes + i * (int64_t)sizeof block, &block, sizeof block);
        }
        break;
    case TI_I32:
    case TI_I64:
    case TI_F64:
    case TI_U8:
        break;
    }
}

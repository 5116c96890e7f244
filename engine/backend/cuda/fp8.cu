/* fp8.cu - rows to E4M3: every row gets the scale that brings its largest number to 448, the
 * largest there is. Used for weights once and for operands before every product, these from
 * registers: what is read is read once, and written eight codes at a time. Behind it the way
 * back, and the pass that gives a product of codes its scales: what product.c does where cuBLASLt
 * has no product of codes, or none with scales. */
#include "backend/cuda/cell.cuh"
#include "backend/cuda/reduce.cuh"

#define LARGEST 448.0f

/* Nearest E4M3 (sign, 4 bits of exponent with bias 7, 3 of fraction), ties to even, saturating. */
static __device__ unsigned char to_e4m3(float x)
{
    unsigned bits = __float_as_uint(x), sign = bits >> 24 & 128;
    float size = fabsf(x);
    if (isnan(x)) return 127;
    if (size >= LARGEST) return (unsigned char)(sign | 126);
    if (size < 0.015625f)
        return (unsigned char)(sign | (unsigned)rintf(size * 512)); /* subnormal */
    bits = __float_as_uint(size);
    bits += 0x7FFFF + (bits >> 20 & 1);
    return (unsigned char)(sign | ((bits >> 20) - ((127 - 7) << 3)));
}

/* The same of two, the first in the low byte: an instruction where there are FP8 products. */
static __device__ unsigned to_e4m3_pair(float low, float high)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
    unsigned short pair;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(high), "f"(low));
    return pair;
#else
    return to_e4m3(low) | (unsigned)to_e4m3(high) << 8;
#endif
}

/* Of a row whose largest number is MOST. What is below some 10^-30 is as good as zero. */
static __device__ float scale_of(float most)
{
    return most > 1e-30f ? most / LARGEST : 1;
}

/* A block a row. */
static __global__ void to_fp8(unsigned char *codes, float *scales, ti_type type, const void *from,
                              int64_t width)
{
    int64_t row = blockIdx.x;
    float most = 0;
    for (int64_t i = threadIdx.x; i < width; i += TI_BLOCK)
        most = fmaxf(most, fabsf(ti_element(type, from, row * width + i)));
    float scale = scale_of(ti_block_max(most)), up = 1 / scale;
    for (int64_t i = threadIdx.x; i < width; i += TI_BLOCK)
        codes[row * width + i] = to_e4m3(ti_element(type, from, row * width + i) * up);
    if (threadIdx.x == 0) scales[row] = scale;
}

enum { HELD = 8 /* of a thread */, MOST_HELD = HELD * 8 * TI_BLOCK };

/* The same of bf16 rows of at most MOST_HELD numbers, a multiple of eight. */
static __global__ void __launch_bounds__(TI_BLOCK)
    operand_to_fp8(unsigned char *codes, float *scales, const ti_bf16 *from, int width)
{
    int64_t row = blockIdx.x;
    int first = (int)threadIdx.x * 8;
    ti_pack<ti_bf16, 8> x[HELD];
    float most = 0;
#pragma unroll
    for (int h = 0; h < HELD; h++) {
        int i = first + h * 8 * TI_BLOCK;
        if (i >= width) break;
        x[h] = ti_load<8>(from + row * width + i);
        for (int k = 0; k < 8; k++) most = fmaxf(most, fabsf(ti_bf16_value(x[h].v[k])));
    }
    float scale = scale_of(ti_block_max(most)), up = 1 / scale;
#pragma unroll
    for (int h = 0; h < HELD; h++) {
        int i = first + h * 8 * TI_BLOCK;
        if (i >= width) break;
        ti_pack<unsigned, 2> out;
        for (int k = 0; k < 2; k++) {
            const ti_bf16 *four = x[h].v + 4 * k;
            out.v[k] = to_e4m3_pair(ti_bf16_value(four[0]) * up, ti_bf16_value(four[1]) * up) |
                       to_e4m3_pair(ti_bf16_value(four[2]) * up, ti_bf16_value(four[3]) * up) << 16;
        }
        ti_store<2>((unsigned *)(codes + row * width + i), out);
    }
    if (threadIdx.x == 0) scales[row] = scale;
}

void ti_cuda_to_fp8(ti_cuda *cuda, void *codes, float *scales, ti_type type, const void *from,
                    int64_t n_rows, int64_t width, cudaStream_t stream)
{
    bool held = type == TI_BF16 && width % 8 == 0 && width <= MOST_HELD &&
                (uintptr_t)from % 16 == 0 && (uintptr_t)codes % 8 == 0;
    if (held)
        TI_LAUNCH(cuda, operand_to_fp8, (unsigned)n_rows, TI_BLOCK, 0, stream,
                  (unsigned char *)codes, scales, (const ti_bf16 *)from, (int)width);
    else
        TI_LAUNCH(cuda, to_fp8, (unsigned)n_rows, TI_BLOCK, 0, stream, (unsigned char *)codes,
                  scales, type, from, width);
}

static __device__ float of_e4m3(unsigned char code)
{
    int exponent = code >> 3 & 15, fraction = code & 7;
    float size = exponent ? ldexpf((float)(8 + fraction), exponent - 10) : (float)fraction / 512;
    if ((code & 127) == 127) size = NAN;
    return code & 128 ? -size : size;
}

/* A block a row. */
template <typename T>
static __global__ void from_fp8(T *to, const unsigned char *codes, const float *scales,
                                int64_t width)
{
    int64_t row = blockIdx.x;
    for (int64_t i = threadIdx.x; i < width; i += TI_BLOCK)
        ti_put(to, row * width + i, of_e4m3(codes[row * width + i]) * scales[row]);
}

void ti_cuda_from_fp8(ti_cuda *cuda, void *to, bool wide, const void *codes, const float *scales,
                      int64_t n_rows, int64_t width, cudaStream_t stream)
{
    if (wide)
        TI_LAUNCH(cuda, from_fp8, (unsigned)n_rows, TI_BLOCK, 0, stream, (float *)to,
                  (const unsigned char *)codes, scales, width);
    else
        TI_LAUNCH(cuda, from_fp8, (unsigned)n_rows, TI_BLOCK, 0, stream, (ti_bf16 *)to,
                  (const unsigned char *)codes, scales, width);
}

/* A block a row. */
template <typename T> static __global__ void scale_rows(T *y, ti_cuda_scaling s)
{
    int64_t row = blockIdx.x;
    const ti_bf16 *raw = (const ti_bf16 *)s.raw + row * s.raw_stride;
    float scale = s.scale * s.x_scale[row];
    y += row * s.y_stride;
    for (int c = (int)threadIdx.x; c < s.n_out; c += TI_BLOCK) {
        float value = scale * s.w_scale[c] * ti_bf16_value(raw[c]);
        ti_put(y, c, s.keep != 0 ? value + s.keep * ti_get(y, c) : value);
    }
}

void ti_cuda_scale_rows(ti_cuda *cuda, const ti_cuda_scaling *s, bool y_float)
{
    if (y_float)
        TI_LAUNCH(cuda, scale_rows, (unsigned)s->n_rows, TI_BLOCK, 0, cuda->stream, (float *)s->y,
                  *s);
    else
        TI_LAUNCH(cuda, scale_rows, (unsigned)s->n_rows, TI_BLOCK, 0, cuda->stream, (ti_bf16 *)s->y,
                  *s);
}

/* fp8.cu - rows to E4M3: every row gets the scale that brings its largest number to 448, the
 * largest there is. Used for weights once and for operands before every product. Behind it the way
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

static __global__ void to_fp8(unsigned char *codes, float *scales, ti_type type, const void *from,
                              int64_t width)
{
    int64_t row = blockIdx.x;
    float most = 0;
    for (int64_t i = threadIdx.x; i < width; i += TI_BLOCK)
        most = fmaxf(most, fabsf(ti_element(type, from, row * width + i)));
    most = ti_block_max(most);
    float scale = most > 0 ? most / LARGEST : 1;
    for (int64_t i = threadIdx.x; i < width; i += TI_BLOCK)
        codes[row * width + i] = to_e4m3(ti_element(type, from, row * width + i) / scale);
    if (threadIdx.x == 0) scales[row] = scale;
}

void ti_cuda_to_fp8(ti_cuda *cuda, void *codes, float *scales, ti_type type, const void *from,
                    int64_t n_rows, int64_t width, cudaStream_t stream)
{
    TI_LAUNCH(cuda, to_fp8, (unsigned)n_rows, TI_BLOCK, 0, stream, (unsigned char *)codes, scales,
              type, from, width);
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

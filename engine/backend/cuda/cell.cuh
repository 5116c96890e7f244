/* cell.cuh - reading single numbers of every kind on the card: operands, values, and elements of a
 * weight in the block layouts of format/tensor.c. */
#ifndef TI_BACKEND_CUDA_CELL_CUH
#define TI_BACKEND_CUDA_CELL_CUH

#include "backend/cuda/device.cuh"

/* N numbers that lie together and move at once: their address is a multiple of their size, or of 16
 * bytes. */
template <typename T, int N> struct __align__(sizeof(T) * N < 16 ? sizeof(T) * N : 16) ti_pack
{
    T v[N];
};

template <int N, typename T> static __device__ __forceinline__ ti_pack<T, N> ti_load(const T *x)
{
    return *(const ti_pack<T, N> *)x;
}

template <int N, typename T>
static __device__ __forceinline__ void ti_store(T *x, const ti_pack<T, N> &pack)
{
    *(ti_pack<T, N> *)x = pack;
}

static __device__ __forceinline__ float ti_get(const float *x, int64_t i)
{
    return x[i];
}

static __device__ __forceinline__ float ti_get(const ti_bf16 *x, int64_t i)
{
    return ti_bf16_value(x[i]);
}

static __device__ __forceinline__ void ti_put(float *x, int64_t i, float value)
{
    x[i] = value;
}

static __device__ __forceinline__ void ti_put(ti_bf16 *x, int64_t i, float value)
{
    x[i] = ti_bf16_of(value);
}

/* Scale and minimum of group J of a Q4_K block: 6 bits each, see format/tensor.c. */
static __device__ __forceinline__ void ti_q4_group(const unsigned char *packed, int j, int *scale,
                                                   int *minimum)
{
    if (j < 4) {
        *scale = packed[j] & 63;
        *minimum = packed[j + 4] & 63;
    } else {
        *scale = (packed[j + 4] & 15) | packed[j - 4] >> 6 << 4;
        *minimum = packed[j + 4] >> 4 | packed[j] >> 6 << 4;
    }
}

static __device__ __forceinline__ float ti_q8_element(const void *data, int64_t e)
{
    const unsigned char *block = (const unsigned char *)data + e / 32 * 34;
    return (float)(signed char)block[2 + e % 32] * ti_half_value(*(const unsigned short *)block);
}

static __device__ __forceinline__ float ti_q4_element(const void *data, int64_t e)
{
    const unsigned char *block = (const unsigned char *)data + e / 256 * 144;
    int in = (int)(e % 256), group = in / 32, scale, minimum;
    ti_q4_group(block + 4, group, &scale, &minimum);
    int both = block[16 + group / 2 * 32 + in % 32], q = group % 2 ? both >> 4 : both & 15;
    float d = ti_half_value(*(const unsigned short *)block);
    float dmin = ti_half_value(*(const unsigned short *)(block + 2));
    return __fadd_rn(__fmul_rn(d * (float)scale, (float)q), -(dmin * (float)minimum));
}

/* Element E of rows of TYPE, one after another. */
static __device__ __forceinline__ float ti_element(ti_type type, const void *data, int64_t e)
{
    switch (type) {
    case TI_F32:
        return ((const float *)data)[e];
    case TI_F16:
        return ti_half_value(((const unsigned short *)data)[e]);
    case TI_BF16:
        return ti_bf16_value(((const ti_bf16 *)data)[e]);
    case TI_Q8_0:
        return ti_q8_element(data, e);
    case TI_Q4_K:
        return ti_q4_element(data, e);
    default:
        return 0;
    }
}

#endif

/* random.cuh - base/random.c on the card: the same draws, bit for bit up to the logarithm
 * and the cosine. */
#ifndef TI_BACKEND_CUDA_RANDOM_CUH
#define TI_BACKEND_CUDA_RANDOM_CUH

#include "backend/cuda/device.cuh"

static __device__ void ti_words(ti_random r, uint64_t index, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32);
    uint32_t c2 = (uint32_t)r.stream, c3 = (uint32_t)(r.stream >> 32);
    uint32_t k0 = (uint32_t)r.seed, k1 = (uint32_t)(r.seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static __device__ double ti_uniform_from(uint32_t high, uint32_t low)
{
    uint64_t bits = ((uint64_t)high << 32 | low) >> 11;
    return ((double)bits + 0.5) * (1.0 / 9007199254740992.0); /* 2^-53 */
}

static __device__ double ti_uniform(ti_random r, uint64_t index)
{
    uint32_t w[4];
    ti_words(r, index, w);
    return ti_uniform_from(w[0], w[1]);
}

static __device__ double ti_gumbel(ti_random r, uint64_t index)
{
    return -log(-log(ti_uniform(r, index)));
}

static __device__ __forceinline__ double ti_normal(ti_random r, uint64_t index)
{
    uint32_t w[4];
    ti_words(r, index, w);
    double radius = sqrt(-2 * log(ti_uniform_from(w[0], w[1])));
    return radius * cos(6.283185307179586476925 * ti_uniform_from(w[2], w[3]));
}

#endif

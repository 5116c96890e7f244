/* reduce.cuh - sums and maxima over a block of TI_BLOCK threads, in an order that never changes. */
#ifndef TI_BACKEND_CUDA_REDUCE_CUH
#define TI_BACKEND_CUDA_REDUCE_CUH

#include "backend/cuda/device.cuh"

#define TI_BLOCK 256

template <typename T> static __device__ T ti_block_sum(T x)
{
    __shared__ T part[TI_BLOCK];
    part[threadIdx.x] = x;
    for (unsigned n = TI_BLOCK / 2; n; n /= 2) {
        __syncthreads();
        if (threadIdx.x < n) part[threadIdx.x] += part[threadIdx.x + n];
    }
    __syncthreads();
    T sum = part[0];
    __syncthreads(); /* before the next call writes */
    return sum;
}

static inline __device__ float ti_block_max(float x)
{
    __shared__ float part[TI_BLOCK];
    part[threadIdx.x] = x;
    for (unsigned n = TI_BLOCK / 2; n; n /= 2) {
        __syncthreads();
        if (threadIdx.x < n) part[threadIdx.x] = fmaxf(part[threadIdx.x], part[threadIdx.x + n]);
    }
    __syncthreads();
    float most = part[0];
    __syncthreads();
    return most;
}

#endif

/* index.cuh - where element number I stands. Division of 64-bit numbers costs a card some hundred
 * instructions; few arrays need it. */
#ifndef TI_TRAIN_CUDA_INDEX_CUH
#define TI_TRAIN_CUDA_INDEX_CUH

#include "backend/cuda/reduce.cuh"
#include "ops/cuda/cuda.h"

static __device__ __forceinline__ int64_t ti_my_index(void)
{
    return (int64_t)blockIdx.x * TI_BLOCK + threadIdx.x;
}

/* I / BY, with the remainder. */
static __device__ __forceinline__ int64_t ti_divide(int64_t i, int by, int *rest)
{
    if (i <= 0x7FFFFFFF) {
        const unsigned quotient = (unsigned)i / (unsigned)by;
        *rest = (int)((unsigned)i - quotient * (unsigned)by);
        return quotient;
    }
    const int64_t quotient = i / by;
    *rest = (int)(i - quotient * by);
    return quotient;
}

#endif

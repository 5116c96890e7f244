/* device.cuh - the few machine instructions the kernels use, under readable names, and how kernels
 * are launched. Below compute capability 8.0 there is no bf16 on the tensor cores and no
 * asynchronous copy: kernels that use them are not launched there. */
#ifndef TI_BACKEND_CUDA_DEVICE_CUH
#define TI_BACKEND_CUDA_DEVICE_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <math.h>
#include <stdint.h>

#include "backend/cuda/cuda.h"

typedef unsigned short ti_bf16; /* bits */

/* Launches on a device that has not failed yet, and keeps the failure if it does. */
#define TI_LAUNCH(cuda, kernel, grid, block, shared, stream, ...)                                  \
    do {                                                                                           \
        if (!(cuda)->failed) {                                                                     \
            kernel<<<grid, block, shared, stream>>>(__VA_ARGS__);                                  \
            ti_cuda_check(cuda, cudaGetLastError(), #kernel);                                      \
        }                                                                                          \
    } while (0)

/* NAME: the block's dynamic shared memory. */
#define TI_SHARED(type, name)                                                                      \
    extern __shared__ __align__(16) unsigned char ti_dynamic_shared[];                             \
    type *name = reinterpret_cast<type *>(ti_dynamic_shared)

static __device__ __forceinline__ float ti_bf16_value(ti_bf16 bits)
{
    return __uint_as_float((unsigned)bits << 16);
}

static __device__ __forceinline__ float ti_half_value(unsigned short bits)
{
    return __half2float(__ushort_as_half(bits));
}

static __device__ __forceinline__ ti_bf16 ti_bf16_of(float x)
{
    return __bfloat16_as_ushort(__float2bfloat16_rn(x));
}

static __device__ __forceinline__ unsigned ti_bf16_pair(float low, float high)
{
    return (unsigned)ti_bf16_of(high) << 16 | ti_bf16_of(low);
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define TI_ASM(...) __trap()
#else
#define TI_ASM(...) asm volatile(__VA_ARGS__)
#endif

/* 2^x within 2 units of the last place; what is below the normal numbers is 0. */
static __device__ __forceinline__ float ti_exp2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* Four 8 x 8 matrices of bf16; lane l names row l % 8 of matrix l / 8. A lane receives columns
 * 2 (l % 4) and + 1 of row l / 4 of each. */
static __device__ __forceinline__ void ti_load_matrices(unsigned r[4], const void *row)
{
    unsigned at = (unsigned)__cvta_generic_to_shared(row);
    TI_ASM("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
           : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
           : "r"(at)
           : "memory");
}

/* The same, each matrix transposed. */
static __device__ __forceinline__ void ti_load_transposed(unsigned r[4], const void *row)
{
    unsigned at = (unsigned)__cvta_generic_to_shared(row);
    TI_ASM("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
           : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
           : "r"(at)
           : "memory");
}

/* c[16][8] += a[16][16] b[16][8] over a warp. With g = lane / 4 and t = lane % 4 a lane holds
 *     a: rows g, g + 8, g, g + 8; columns 2 t, 2 t + 1, in a[2] and a[3] 8 more
 *     b: column g; rows 2 t, 2 t + 1, in b1 8 more
 *     c: row g in c[0] c[1], row g + 8 in c[2] c[3]; columns 2 t, 2 t + 1 */
static __device__ __forceinline__ void ti_mma(float c[4], const unsigned a[4], unsigned b0,
                                              unsigned b1)
{
    TI_ASM("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
           "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
           : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
           : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* 16 bytes to shared memory behind the thread's back; zeros when not INSIDE. */
static __device__ __forceinline__ void ti_copy_async(void *shared, const void *global, bool inside)
{
    unsigned at = (unsigned)__cvta_generic_to_shared(shared);
    TI_ASM("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(global),
           "r"(inside ? 16 : 0)
           : "memory");
}

/* Closes a group of copies; waits until at most LEFT groups are under way. */
static __device__ __forceinline__ void ti_copy_commit(void)
{
    TI_ASM("cp.async.commit_group;" ::: "memory");
}

template <int LEFT> static __device__ __forceinline__ void ti_copy_wait(void)
{
    TI_ASM("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

#endif

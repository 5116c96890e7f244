/* emulate.h - runs the backend's kernels without a card. Test code only: the very .cu files of the
 * module are compiled as C++ with this header put in front, in place of device.cuh and of what nvcc
 * knows.
 *
 * A block's threads are fibers on one thread of the host, run one after another until each waits:
 * at __syncthreads for the block, at a shuffle or a matrix instruction for its warp. Threads that
 * wait for each other in different places are a deadlock and end the program. A warp runs as far as
 * it gets before the next one does, and the order is turned round at every wait, so that a missing
 * barrier shows as a wrong result. Asynchronous copies happen only when waited for. Shared memory
 * is poisoned before every block, device memory when it is allocated. What cannot be seen here:
 * memory models, bank conflicts, speed.
 *
 * Streams are queues (card.cc). A test chooses by the environment variable EMULATED_ORDER when
 * their work is done: at once, or as late as may be with one of the streams always ahead ("first",
 * "last": by age), so that a missing wait shows as a wrong result. Recording graphs follows CUDA's
 * rules. */
#ifndef TESTS_CUDA_EMULATE_H
#define TESTS_CUDA_EMULATE_H

#define TI_BACKEND_CUDA_DEVICE_CUH /* this file is device.cuh */

#include <math.h>
#include <string.h>

#include <functional>

#include "backend/cuda/cuda.h"

#define __global__
#define __grid_constant__
#define __device__
#define __forceinline__ inline __attribute__((unused))
#define __shared__      static
#define __align__(n)    __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __trap() __builtin_trap()

using std::isnan;

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c)
    {
    }
};
struct __align__(16) float4
{
    float x, y, z, w;
};
struct __align__(16) uint4
{
    unsigned x, y, z, w;
};
static inline float4 make_float4(float x, float y, float z, float w)
{
    return {x, y, z, w};
}
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w)
{
    return {x, y, z, w};
}

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

/* What the lanes of a warp show each other. */
struct emulated_warp {
    float number[32];
    unsigned a[32][4], b[32][2];
    const void *row[32];
};

enum { EMULATED_SHARED = 227 << 10 };
enum emulated_wait { EMULATED_WARP, EMULATED_BLOCK };
void emulated_wait_for(emulated_wait what);
/* What the kernel uses is not on cards before compute capability ARCH / 10. */
void emulated_needs(int arch);
/* Another place every second time: who is quick and shows the next thing spoils nothing. */
emulated_warp *emulated_my_warp(void);
void *emulated_shared(void);
void emulated_copy(void *to, const void *from, bool inside);
void emulated_copy_commit(void);
void emulated_copy_wait(int left);
[[noreturn]] void emulated_complain(const char *what);
/* Runs a grid now; queues one as STREAM's next work. */
void emulated_grid(dim3 grid, dim3 block, size_t shared, void (*body)(void *), void *data);
void emulated_launch(cudaStream_t stream, size_t shared, std::function<void()> grid);
extern "C" cudaError_t emulated_attribute(size_t bytes);
enum { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
#define cudaFuncSetAttribute(kernel, attribute, bytes) emulated_attribute((size_t)(bytes))

/* Arguments are copied when the kernel is launched, as a card does. */
template <typename K, typename... A>
static void emulated_run(cudaStream_t stream, dim3 grid, dim3 block, size_t shared, K kernel,
                         A... args)
{
    emulated_launch(stream, shared, [=] {
        auto body = [&] { kernel(args...); };
        emulated_grid(
            grid, block, shared, [](void *f) { (*(decltype(body) *)f)(); }, (void *)&body);
    });
}

#define TI_LAUNCH(cuda, kernel, grid, block, shared, stream, ...)                                  \
    do {                                                                                           \
        if (!(cuda)->failed) {                                                                     \
            emulated_run(                                                                          \
                stream, grid, block, (size_t)(shared),                                             \
                [=](auto... ti_args) { kernel(ti_args...); }, __VA_ARGS__);                        \
            ti_cuda_check(cuda, cudaGetLastError(), #kernel);                                      \
        }                                                                                          \
    } while (0)
#define TI_SHARED(type, name) type *name = reinterpret_cast<type *>(emulated_shared())

#define __syncthreads() emulated_wait_for(EMULATED_BLOCK)
#define __syncwarp()    emulated_wait_for(EMULATED_WARP)

static inline __attribute__((unused)) float __shfl_xor_sync(unsigned, float x, int mask)
{
    emulated_warp *w = emulated_my_warp();
    unsigned lane = threadIdx.x % 32;
    w->number[lane] = x;
    emulated_wait_for(EMULATED_WARP);
    return w->number[lane ^ (unsigned)mask];
}

static inline float __fmul_rn(float a, float b)
{
    return a * b; /* built with -ffp-contract=off */
}
static inline float __fadd_rn(float a, float b)
{
    return a + b;
}
static inline double __dmul_rn(double a, double b)
{
    return a * b;
}
static inline double __dadd_rn(double a, double b)
{
    return a + b;
}
static inline unsigned __float_as_uint(float x)
{
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

typedef unsigned short ti_bf16;

static inline float ti_bf16_value(ti_bf16 bits)
{
    return ti_bf16_to_float(bits);
}
static inline float ti_half_value(unsigned short bits)
{
    return ti_half_to_float(bits);
}
static inline ti_bf16 ti_bf16_of(float x)
{
    return ti_float_to_bf16(x);
}
static inline unsigned ti_bf16_pair(float low, float high)
{
    return (unsigned)ti_bf16_of(high) << 16 | ti_bf16_of(low);
}

static inline __attribute__((unused)) float ti_exp2(float x)
{
    return exp2f(x);
}

/* Rows are named by the lanes, eight to a matrix. */
static inline void emulated_matrices(unsigned r[4], const void *row, bool transposed)
{
    emulated_warp *w = emulated_my_warp();
    unsigned lane = threadIdx.x % 32;
    emulated_needs(80);
    w->row[lane] = row;
    emulated_wait_for(EMULATED_WARP);
    for (unsigned m = 0; m < 4; m++) {
        unsigned g = lane / 4, t = lane % 4 * 2;
        const ti_bf16 *const *rows = (const ti_bf16 *const *)(w->row + 8 * m);
        ti_bf16 low = transposed ? rows[t][g] : rows[g][t],
                high = transposed ? rows[t + 1][g] : rows[g][t + 1];
        r[m] = (unsigned)high << 16 | low;
    }
}

static inline __attribute__((unused)) void ti_load_matrices(unsigned r[4], const void *row)
{
    emulated_matrices(r, row, false);
}

static inline __attribute__((unused)) void ti_load_transposed(unsigned r[4], const void *row)
{
    emulated_matrices(r, row, true);
}

static inline float emulated_half(unsigned pair, unsigned k)
{
    return ti_bf16_to_float((uint16_t)(k % 2 ? pair >> 16 : pair & 0xFFFF));
}

static inline __attribute__((unused)) void ti_mma(float c[4], const unsigned a[4], unsigned b0,
                                                  unsigned b1)
{
    emulated_warp *w = emulated_my_warp();
    unsigned lane = threadIdx.x % 32;
    emulated_needs(80);
    memcpy(w->a[lane], a, sizeof w->a[lane]);
    w->b[lane][0] = b0;
    w->b[lane][1] = b1;
    emulated_wait_for(EMULATED_WARP);
    for (unsigned i = 0; i < 4; i++) {
        unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        for (unsigned k = 0; k < 16; k++) {
            unsigned x = w->a[row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2];
            unsigned y = w->b[column * 4 + k % 8 / 2][k / 8];
            c[i] += emulated_half(x, k) * emulated_half(y, k);
        }
    }
}

static inline __attribute__((unused)) void ti_copy_async(void *shared, const void *global,
                                                         bool inside)
{
    emulated_needs(80);
    emulated_copy(shared, global, inside);
}

static inline __attribute__((unused)) void ti_copy_commit(void)
{
    emulated_copy_commit();
}

template <int LEFT> static inline void ti_copy_wait(void)
{
    emulated_copy_wait(LEFT);
}

#endif

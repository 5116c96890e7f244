/* column_sums.cuh - two sums per column of a matrix whose elements a functor makes, by chunks of
 * rows that do not cross images: sums[image * chunks + chunk][2][cols]. Any later sum over chunks
 * goes in order. */
#ifndef TI_TRAIN_CUDA_COLUMN_SUMS_CUH
#define TI_TRAIN_CUDA_COLUMN_SUMS_CUH

#include "backend/cuda/reduce.cuh"
#include "ops/cuda/cuda.h"

/* IMAGES x ROWS rows; chunks of CHUNK rows, CHUNKS to an image. */
typedef struct ti_columns {
    int images, rows, cols, chunk, chunks;
} ti_columns;

static inline ti_columns ti_columns_of(int images, int rows, int cols)
{
    int most = images > 16 ? 16 : 320 / images, chunk = (rows + most - 1) / most;
    if (chunk < 256) chunk = 256;
    ti_columns k = {images, rows, cols, chunk, (rows + chunk - 1) / chunk};
    return k;
}

static inline size_t ti_columns_bytes(const ti_columns *k)
{
    return (size_t)k->images * (size_t)k->chunks * 2 * (size_t)k->cols * sizeof(double);
}

template <typename F> static __global__ void ti_column_sums(double *sums, F element, ti_columns k)
{
    __shared__ double part[2][TI_BLOCK];
    const int tid = (int)threadIdx.x, left = k.cols - (int)blockIdx.y * TI_BLOCK;
    const int width = left < TI_BLOCK ? left : TI_BLOCK, across = TI_BLOCK / width;
    const int image = (int)blockIdx.x / k.chunks, first = (int)blockIdx.x % k.chunks * k.chunk;
    const int last = first + k.chunk < k.rows ? first + k.chunk : k.rows;
    const int col = (int)blockIdx.y * TI_BLOCK + tid % width;
    double a = 0, b = 0;
    if (tid < across * width)
        for (int row = first + tid / width; row < last; row += across) {
            float x, y;
            element(image, (int64_t)image * k.rows + row, col, &x, &y);
            a += (double)x;
            b += (double)y;
        }
    part[0][tid] = a;
    part[1][tid] = b;
    __syncthreads();
    if (tid < width) {
        for (int i = 1; i < across; i++) {
            a += part[0][i * width + tid];
            b += part[1][i * width + tid];
        }
        sums[((int64_t)blockIdx.x * 2) * k.cols + col] = a;
        sums[((int64_t)blockIdx.x * 2 + 1) * k.cols + col] = b;
    }
}

#define TI_COLUMN_SUMS(c, sums, functor, k)                                                        \
    TI_LAUNCH(c, ti_column_sums,                                                                   \
              dim3((unsigned)((k).images * (k).chunks),                                            \
                   (unsigned)(((k).cols + TI_BLOCK - 1) / TI_BLOCK)),                              \
              TI_BLOCK, 0, (c)->stream, sums, functor, k)

#endif

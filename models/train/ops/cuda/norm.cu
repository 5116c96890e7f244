/* norm.cu - RMS normalisation and its gradient, a warp a row; the gain's gradient is a sum of
 * columns. */
#include "ops/cuda/column_sums.cuh"

enum { WARPS = TI_BLOCK / 32 };

static __device__ __forceinline__ float warp_sum(float x)
{
    for (int mask = 16; mask; mask /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, mask);
    return x;
}

static __global__ void norm(float *y, float *rstd, const float *x, const float *gain, int rows,
                            int width, float eps)
{
    const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    const int lane = (int)(threadIdx.x % 32);
    if (row >= rows) return;
    const float *from = x + row * width;
    float *to = y + row * width, sum = 0;
    for (int i = lane; i < width; i += 32) sum += from[i] * from[i];
    const float scale = 1.0f / sqrtf(warp_sum(sum) / (float)width + eps);
    if (!lane) rstd[row] = scale;
    for (int i = lane; i < width; i += 32) to[i] = from[i] * scale * gain[i];
}

void ti_train_cuda_norm(ti_train_device *d, float *y, float *rstd, const float *x,
                        const float *gain, int rows, int width, float eps)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    if (!rows) return;
    TI_LAUNCH(c, norm, (unsigned)((rows + WARPS - 1) / WARPS), TI_BLOCK, 0, c->stream, y, rstd, x,
              gain, rows, width, eps);
}

/* dx += rstd (g - xhat mean(g xhat)), g = dy gain */
static __global__ void norm_back(float *dx, const float *dy, const float *x, const float *gain,
                                 const float *rstd, int rows, int width)
{
    const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    const int lane = (int)(threadIdx.x % 32);
    if (row >= rows) return;
    const float *from = x + row * width, *g = dy + row * width, scale = rstd[row];
    float *to = dx + row * width, sum = 0;
    for (int i = lane; i < width; i += 32) sum += g[i] * gain[i] * from[i];
    const float slope = warp_sum(sum) * scale * scale * scale / (float)width;
    for (int i = lane; i < width; i += 32) to[i] += scale * g[i] * gain[i] - slope * from[i];
}

struct gain_element {
    const float *dy, *x, *rstd;
    int width;
    __device__ void operator()(int, int64_t row, int col, float *a, float *b) const
    {
        *a = dy[row * width + col] * x[row * width + col] * rstd[row];
        *b = 0;
    }
};

void ti_train_cuda_norm_back(ti_train_device *d, float *dx, float *dgain, const float *dy,
                             const float *x, const float *gain, const float *rstd, int rows,
                             int width)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    if (!rows) return;
    ti_columns k = ti_columns_of(1, rows, width);
    double *sums = (double *)ti_train_cuda_room(c, TI_ROOM_SUMS, ti_columns_bytes(&k));
    gain_element element = {dy, x, rstd, width};
    TI_COLUMN_SUMS(c, sums, element, k);
    ti_train_cuda_add_sums(c, dgain, sums, k.chunks, width, 0);
    TI_LAUNCH(c, norm_back, (unsigned)((rows + WARPS - 1) / WARPS), TI_BLOCK, 0, c->stream, dx, dy,
              x, gain, rstd, rows, width);
}

/* ---- the end of every sum of columns: a block a column -------------------------------------- */

static __global__ void add_sums(float *dst, const double *sums, int chunks, int cols, int which)
{
    const int col = (int)blockIdx.x;
    double sum = 0;
    for (int i = (int)threadIdx.x; i < chunks; i += TI_BLOCK)
        sum += sums[((int64_t)i * 2 + which) * cols + col];
    sum = ti_block_sum(sum);
    if (!threadIdx.x) dst[col] += (float)sum;
}

void ti_train_cuda_add_sums(ti_train_cuda *c, float *dst, const double *sums, int chunks, int cols,
                            int which)
{
    TI_LAUNCH(c, add_sums, (unsigned)cols, TI_BLOCK, 0, c->stream, dst, sums, chunks, cols, which);
}

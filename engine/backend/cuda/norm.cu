/* norm.cu - RMS normalisation, a block a row: the stream is read twice, the second time from cache.
 */
#include "backend/cuda/cell.cuh"
#include "backend/cuda/reduce.cuh"

template <typename T>
static __global__ void norm(T *y, const float *x, const int32_t *rows, const float *gain, int width,
                            float eps)
{
    int64_t row = blockIdx.x;
    const float *from = x + (rows ? rows[row] : row) * width;
    float sum = 0;
    for (int i = (int)threadIdx.x; i < width; i += TI_BLOCK) sum += from[i] * from[i];
    float scale = 1.0f / sqrtf(ti_block_sum(sum) / (float)width + eps);
    for (int i = (int)threadIdx.x; i < width; i += TI_BLOCK)
        ti_put(y, row * width + i, from[i] * scale * gain[i]);
}

void ti_cuda_norm(ti_backend *be, void *operand, const void *stream, const int32_t *host_rows,
                  int n_rows, const ti_weight *gain, float eps)
{
    ti_cuda *cuda = ti_cuda_of(be);
    const int32_t *rows = ti_cuda_list_of(cuda, host_rows, n_rows);
    const float *x = (const float *)stream, *g = (const float *)gain->data;
    int width = (int)gain->rows;
    cuda->coded.x = NULL;
    if (!n_rows) return;
    if (cuda->exact)
        TI_LAUNCH(cuda, norm, (unsigned)n_rows, TI_BLOCK, 0, cuda->stream, (float *)operand, x,
                  rows, g, width, eps);
    else
        TI_LAUNCH(cuda, norm, (unsigned)n_rows, TI_BLOCK, 0, cuda->stream, (ti_bf16 *)operand, x,
                  rows, g, width, eps);
}

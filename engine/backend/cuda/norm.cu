/* norm.cu - RMS normalisation, a block a row, N numbers at a time: the stream is read twice, the
 * second time from cache. */
#include "backend/cuda/cell.cuh"
#include "backend/cuda/reduce.cuh"

template <int N, typename T>
static __global__ void norm(T *y, const float *x, const int32_t *rows, const float *gain, int width,
                            float eps)
{
    int64_t row = blockIdx.x;
    const float *from = x + (rows ? rows[row] : row) * width;
    float sum = 0;
    for (int i = (int)threadIdx.x * N; i < width; i += TI_BLOCK * N) {
        ti_pack<float, N> some = ti_load<N>(from + i);
        for (int k = 0; k < N; k++) sum += some.v[k] * some.v[k];
    }
    float scale = 1.0f / sqrtf(ti_block_sum(sum) / (float)width + eps);
    for (int i = (int)threadIdx.x * N; i < width; i += TI_BLOCK * N) {
        ti_pack<float, N> some = ti_load<N>(from + i), by = ti_load<N>(gain + i);
        ti_pack<T, N> out;
        for (int k = 0; k < N; k++) ti_put(out.v, k, some.v[k] * scale * by.v[k]);
        ti_store<N>(y + row * width + i, out);
    }
}

template <typename T>
static void launch(ti_cuda *cuda, T *y, const float *x, const int32_t *rows, int n_rows,
                   const ti_weight *gain, float eps)
{
    int width = (int)gain->rows;
    const float *g = (const float *)gain->data;
    if (width % 4)
        TI_LAUNCH(cuda, norm<1>, (unsigned)n_rows, TI_BLOCK, 0, cuda->stream, y, x, rows, g, width,
                  eps);
    else
        TI_LAUNCH(cuda, norm<4>, (unsigned)n_rows, TI_BLOCK, 0, cuda->stream, y, x, rows, g, width,
                  eps);
}

void ti_cuda_norm(ti_backend *be, void *operand, const void *stream, const int32_t *host_rows,
                  int n_rows, const ti_weight *gain, float eps)
{
    ti_cuda *cuda = ti_cuda_of(be);
    const int32_t *rows = ti_cuda_list_of(cuda, host_rows, n_rows);
    cuda->coded.x = NULL;
    if (!n_rows) return;
    if (cuda->exact)
        launch(cuda, (float *)operand, (const float *)stream, rows, n_rows, gain, eps);
    else
        launch(cuda, (ti_bf16 *)operand, (const float *)stream, rows, n_rows, gain, eps);
}

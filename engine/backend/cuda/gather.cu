/* gather.cu - some rows of a stream as a compact one. */
#include "backend/cuda/device.cuh"

static __global__ void gather(float *y, const float *x, const int32_t *rows, int64_t width)
{
    int64_t from = rows[blockIdx.x] * width, to = blockIdx.x * width;
    for (int64_t i = threadIdx.x; i < width; i += blockDim.x) y[to + i] = x[from + i];
}

void ti_cuda_gather(ti_backend *be, void *stream, const void *from, const int32_t *host_rows,
                    int n_rows, int width)
{
    ti_cuda *cuda = ti_cuda_of(be);
    const int32_t *rows = ti_cuda_list_of(cuda, host_rows, n_rows);
    if (!n_rows) return;
    TI_LAUNCH(cuda, gather, (unsigned)n_rows, 128, 0, cuda->stream, (float *)stream,
              (const float *)from, rows, (int64_t)width);
}

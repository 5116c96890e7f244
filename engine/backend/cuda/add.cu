/* add.cu - y += x. */
#include "backend/cuda/device.cuh"

static __global__ void add(float *y, const float *x, size_t n)
{
    size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < n) y[i] += x[i];
}

void ti_cuda_add(ti_backend *be, float *y, const float *x, size_t n)
{
    ti_cuda *cuda = ti_cuda_of(be);
    if (n) TI_LAUNCH(cuda, add, (unsigned)((n + 255) / 256), 256, 0, cuda->stream, y, x, n);
}

/* upsample.cu - twice the height and width, every pixel repeated. */
#include "backend/cuda/device.cuh"

static __global__ void upsample(float *y, const float *x, int width, int channels)
{
    int64_t row = blockIdx.y, at = (int64_t)blockIdx.x * 256 + threadIdx.x; /* within a row of y */
    int64_t wide = 2 * (int64_t)width * channels;
    if (at >= wide) return;
    y[row * wide + at] = x[(row / 2 * width + at / channels / 2) * channels + at % channels];
}

void ti_cuda_upsample(ti_backend *be, float *y, const float *x, int height, int width, int channels)
{
    ti_cuda *cuda = ti_cuda_of(be);
    unsigned across = (unsigned)((2 * (int64_t)width * channels + 255) / 256);
    TI_LAUNCH(cuda, upsample, dim3(across, 2 * (unsigned)height), 256, 0, cuda->stream, y, x, width,
              channels);
}

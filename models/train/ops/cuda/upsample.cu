/* upsample.cu - nearest neighbour, twice the size each way, and its gradient. */
#include "ops/cuda/index.cuh"

/* Number I of the small picture is at this place of the large one; rows of both in ROW numbers. */
static __device__ __forceinline__ int64_t corner_of(int64_t i, int width, int channels)
{
    int channel, x;
    const int64_t pixel = ti_divide(i, channels, &channel), row = ti_divide(pixel, width, &x);
    return (row * 4 * width + 2 * x) * channels + channel;
}

static __global__ void upsample(float *y, const float *x, int64_t n, int width, int channels)
{
    const int64_t i = ti_my_index();
    if (i >= n) return;
    float *to = y + corner_of(i, width, channels), value = x[i];
    const int64_t below = (int64_t)2 * width * channels;
    to[0] = to[channels] = to[below] = to[below + channels] = value;
}

void ti_train_cuda_upsample(ti_train_device *d, float *y, const float *x, int n, int height,
                            int width, int channels)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const size_t all = (size_t)n * (size_t)height * (size_t)width * (size_t)channels;
    TI_LAUNCH(c, upsample, ti_blocks(all), TI_BLOCK, 0, c->stream, y, x, (int64_t)all, width,
              channels);
}

static __global__ void upsample_back(float *dx, const float *dy, int64_t n, int width, int channels)
{
    const int64_t i = ti_my_index();
    if (i >= n) return;
    const float *from = dy + corner_of(i, width, channels);
    const int64_t below = (int64_t)2 * width * channels;
    dx[i] = from[0] + from[channels] + from[below] + from[below + channels];
}

void ti_train_cuda_upsample_back(ti_train_device *d, float *dx, const float *dy, int n, int height,
                                 int width, int channels)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const size_t all = (size_t)n * (size_t)height * (size_t)width * (size_t)channels;
    TI_LAUNCH(c, upsample_back, ti_blocks(all), TI_BLOCK, 0, c->stream, dx, dy, (int64_t)all, width,
              channels);
}

/* group_norm.cu - y = (x - mean) / sqrt(var + eps) * gain + bias over groups of channels, then
 * SiLU.
 *
 * Three passes: sums of slices of every group in float64 (a group has up to a million numbers),
 * gain and shift of every channel from them, then one multiplication and addition a number. */
#include "backend/cuda/reduce.cuh"

enum { SLICE = 4096 /* numbers that are worth a block */ };

/* sums[group][slice] = {sum x, sum x^2} over the slice's pixels. */
static __global__ void slice_sums(double *sums, const float *x, int n_pixels, int channels,
                                  int width)
{
    int64_t slice = blockIdx.x, group = blockIdx.y, n_slices = gridDim.x;
    int64_t first = slice * n_pixels / n_slices, last = (slice + 1) * n_pixels / n_slices;
    double sum = 0, square = 0;
    for (int64_t i = threadIdx.x; i < (last - first) * width; i += TI_BLOCK) {
        double value = x[(first + i / width) * channels + group * width + i % width];
        sum += value;
        square += value * value;
    }
    sum = ti_block_sum(sum);
    square = ti_block_sum(square);
    if (threadIdx.x) return;
    sums[(group * n_slices + slice) * 2] = sum;
    sums[(group * n_slices + slice) * 2 + 1] = square;
}

static __global__ void channel_affine(float *affine, const double *sums, const float *gain,
                                      const float *bias, int n_slices, int n_pixels, int width,
                                      float eps)
{
    int64_t group = blockIdx.x;
    double sum = 0, square = 0, n = (double)n_pixels * width;
    for (int s = 0; s < n_slices; s++) {
        sum += sums[(group * n_slices + s) * 2];
        square += sums[(group * n_slices + s) * 2 + 1];
    }
    double mean = sum / n, variance = fmax(square / n - mean * mean, 0.0);
    double scale = 1 / sqrt(variance + (double)eps);
    for (int64_t c = group * width + threadIdx.x; c < (group + 1) * width; c += blockDim.x) {
        affine[c] = (float)(scale * (double)gain[c]);
        affine[TI_CUDA_CHANNELS + c] = (float)((double)bias[c] - mean * scale * (double)gain[c]);
    }
}

static __global__ void apply(float *y, const float *x, const float *affine, int64_t n, int channels,
                             bool silu)
{
    int64_t i = (int64_t)blockIdx.x * TI_BLOCK + threadIdx.x;
    if (i >= n) return;
    int64_t c = i % channels;
    float v = x[i] * affine[c] + affine[TI_CUDA_CHANNELS + c];
    y[i] = silu ? v / (1 + expf(-v)) : v;
}

void ti_cuda_group_norm(ti_backend *be, float *y, const float *x, const ti_weight *gain,
                        const ti_weight *bias, int n_pixels, int channels, int groups, float eps,
                        bool silu)
{
    ti_cuda *cuda = ti_cuda_of(be);
    int width = channels / groups;
    int64_t n = (int64_t)n_pixels * channels, slices = n / groups / SLICE + 1;
    if (slices > TI_CUDA_SLICES) slices = TI_CUDA_SLICES;
    if (channels > TI_CUDA_CHANNELS)
        return ti_cuda_fail(cuda, "an image has more than 2048 channels");
    TI_LAUNCH(cuda, slice_sums, dim3((unsigned)slices, (unsigned)groups), TI_BLOCK, 0, cuda->stream,
              cuda->sums, x, n_pixels, channels, width);
    TI_LAUNCH(cuda, channel_affine, (unsigned)groups, 32, 0, cuda->stream, cuda->affine, cuda->sums,
              (const float *)gain->data, (const float *)bias->data, (int)slices, n_pixels, width,
              eps);
    TI_LAUNCH(cuda, apply, (unsigned)((n + TI_BLOCK - 1) / TI_BLOCK), TI_BLOCK, 0, cuda->stream, y,
              x, cuda->affine, n, channels, silu);
}

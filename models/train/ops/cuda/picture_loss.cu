/* picture_loss.cu - how far pictures are from what they should be, and the gradient; a thread a
 * value. */
#include "ops/cuda/index.cuh"

enum { CHANNELS = 3 };

static __device__ __forceinline__ float sign_of(float x)
{
    return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
}

typedef struct weights {
    float l1, l2, gradient;
} weights;

static __device__ __forceinline__ float weight_at(const float *weight, int64_t value)
{
    return weight ? weight[value / CHANNELS] : 1.0f;
}

/* The block's sums of the three terms into sums[block][3]. */
static __global__ void picture_loss(float *dy, double *sums, const float *y, const float *target,
                                    const float *weight, int64_t n, int height, int width,
                                    weights w)
{
    const int64_t i = ti_my_index(), line = (int64_t)width * CHANNELS;
    double l1 = 0, l2 = 0, steps = 0;
    if (i < n) {
        int in_row, in_image;
        ti_divide(ti_divide(i, width * CHANNELS, &in_row), height, &in_image);
        const float e = y[i] - target[i], here = weight_at(weight, i);
        float slope = 0, step, both;
        if (in_row + CHANNELS < line) {
            step = (y[i + CHANNELS] - target[i + CHANNELS]) - e;
            both = 0.5f * (here + weight_at(weight, i + CHANNELS));
            slope -= both * sign_of(step);
            steps += (double)(both * fabsf(step));
        }
        if (in_row >= CHANNELS)
            slope += 0.5f * (here + weight_at(weight, i - CHANNELS)) *
                     sign_of(e - (y[i - CHANNELS] - target[i - CHANNELS]));
        if (in_image + 1 < height) {
            step = (y[i + line] - target[i + line]) - e;
            both = 0.5f * (here + weight_at(weight, i + line));
            slope -= both * sign_of(step);
            steps += (double)(both * fabsf(step));
        }
        if (in_image > 0)
            slope += 0.5f * (here + weight_at(weight, i - line)) *
                     sign_of(e - (y[i - line] - target[i - line]));
        dy[i] = here * (w.l1 * sign_of(e) + w.l2 * 2 * e) + w.gradient * slope;
        l1 = (double)(here * fabsf(e));
        l2 = (double)(here * e * e);
    }
    l1 = ti_block_sum(l1);
    l2 = ti_block_sum(l2);
    steps = ti_block_sum(steps);
    if (threadIdx.x) return;
    sums[3 * blockIdx.x] = l1;
    sums[3 * blockIdx.x + 1] = l2;
    sums[3 * blockIdx.x + 2] = steps;
}

static __global__ void end_loss(float *terms, const double *sums, int blocks, double values,
                                double steps)
{
    for (int t = 0; t < 3; t++) {
        double sum = 0;
        for (int i = (int)threadIdx.x; i < blocks; i += TI_BLOCK) sum += sums[3 * i + t];
        sum = ti_block_sum(sum);
        if (!threadIdx.x) terms[t] = (float)(sum / (t < 2 ? values : steps));
    }
}

void ti_train_cuda_picture_loss(ti_train_device *d, float *dy, float *terms, const float *y,
                                const float *target, const float *weight, const ti_picture_shape *s,
                                float scale)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const size_t n = (size_t)s->n * (size_t)s->height * (size_t)s->width * CHANNELS;
    const double values = (double)n;
    const double steps = (double)s->n * 3 *
                         ((double)s->height * (s->width - 1) + (double)(s->height - 1) * s->width);
    const weights w = {(float)(scale * s->l1 / values), (float)(scale * s->l2 / values),
                       (float)(scale * s->gradient / steps)};
    const unsigned blocks = ti_blocks(n);
    double *sums =
        (double *)ti_train_cuda_room(c, TI_ROOM_SUMS, (size_t)blocks * 3 * sizeof(double));
    TI_LAUNCH(c, picture_loss, blocks, TI_BLOCK, 0, c->stream, dy, sums, y, target, weight,
              (int64_t)n, s->height, s->width, w);
    TI_LAUNCH(c, end_loss, 1, TI_BLOCK, 0, c->stream, terms, sums, (int)blocks, values, steps);
}

/* cross_entropy.cu - the loss of a row of logits and its gradient, in place; a block a row. */
#include "backend/cuda/reduce.cuh"
#include "ops/cuda/cuda.h"

/* The index of the largest value, the first of equals. */
static __device__ int block_arg_max(const float *l, int cols)
{
    __shared__ float values[TI_BLOCK];
    __shared__ int places[TI_BLOCK];
    const int tid = (int)threadIdx.x;
    int best = tid < cols ? tid : 0;
    for (int i = tid + TI_BLOCK; i < cols; i += TI_BLOCK)
        if (l[i] > l[best]) best = i;
    values[tid] = l[best];
    places[tid] = best;
    for (int n = TI_BLOCK / 2; n; n /= 2) {
        __syncthreads();
        if (tid < n) {
            bool later = values[tid + n] > values[tid] ||
                         (values[tid + n] == values[tid] && places[tid + n] < places[tid]);
            if (later) {
                values[tid] = values[tid + n];
                places[tid] = places[tid + n];
            }
        }
    }
    __syncthreads();
    return places[0];
}

static __global__ void cross_entropy(float *logits, float *loss, float *hit, const int32_t *target,
                                     const float *weight, int cols, float scale)
{
    const int row = (int)blockIdx.x, tid = (int)threadIdx.x, wanted = target[row];
    float *l = logits + (int64_t)row * cols;
    const int best = block_arg_max(l, cols);
    const float top = l[best], at_target = l[wanted];
    double sum = 0;
    for (int i = tid; i < cols; i += TI_BLOCK) sum += (double)expf(scale * (l[i] - top));
    sum = ti_block_sum(sum);
    const float slope = weight[row] * scale, share = (float)((double)slope / sum);
    for (int i = tid; i < cols; i += TI_BLOCK)
        l[i] = expf(scale * (l[i] - top)) * share - (i == wanted ? slope : 0.0f);
    if (tid) return;
    loss[row] = (float)log(sum) - scale * (at_target - top);
    hit[row] = best == wanted ? 1.0f : 0.0f;
}

void ti_train_cuda_cross_entropy(ti_train_device *d, float *logits, float *loss, float *hit,
                                 const int32_t *target, const float *weight, int rows, int cols,
                                 float scale)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    if (!rows) return;
    TI_LAUNCH(c, cross_entropy, (unsigned)rows, TI_BLOCK, 0, c->stream, logits, loss, hit, target,
              weight, cols, scale);
}

/* rope.cu - rotary positions: a thread turns one pair of numbers in every head, as the angle is the
 * same. */
#include "ops/cuda/index.cuh"

static __global__ void rope(float *x, const int32_t *positions, int64_t n, int heads, int half,
                            int ld, float theta, float sign)
{
    const int64_t at = ti_my_index();
    int i;
    if (at >= n) return;
    const int64_t row = ti_divide(at, half, &i);
    const float angle =
        (float)positions[row] * (1.0f / powf(theta, (float)(2 * i) / (float)(2 * half)));
    const float c = cosf(angle), s = sign * sinf(angle);
    for (int h = 0; h < heads; h++) {
        float *a = x + row * ld + h * 2 * half + i, u = a[0], v = a[half];
        a[0] = u * c - v * s;
        a[half] = v * c + u * s;
    }
}

void ti_train_cuda_rope(ti_train_device *d, float *x, const int32_t *positions, int rows, int heads,
                        int head_size, int ld, float theta, int sign)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const int half = head_size / 2;
    const size_t n = (size_t)rows * (size_t)half;
    TI_LAUNCH(c, rope, ti_blocks(n), TI_BLOCK, 0, c->stream, x, positions, (int64_t)n, heads, half,
              ld, theta, (float)sign);
}

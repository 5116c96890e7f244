/* rope.c - rotary positions: value i of a head turns with value i + head_size / 2, by an angle
 * computed in float32 as the released code does. */
#include "ops/cpu.h"

#include <math.h>

#define MAX_HALF 256

void TI_OP(rope)(ti_train_device *d, float *x, const int32_t *positions, int rows, int heads,
                 int head_size, int ld, float theta, int sign)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    const int half = head_size / 2;
    float rates[MAX_HALF];
    for (int i = 0; i < half; i++) rates[i] = 1.0f / powf(theta, (float)(2 * i) / (float)head_size);
#pragma omp parallel for num_threads(c->threads)
    for (int r = 0; r < rows; r++) {
        float cosines[MAX_HALF], sines[MAX_HALF];
        for (int i = 0; i < half; i++) {
            float angle = (float)positions[r] * rates[i];
            cosines[i] = cosf(angle);
            sines[i] = (float)sign * sinf(angle);
        }
        for (int h = 0; h < heads; h++) {
            float *a = x + (size_t)r * (size_t)ld + (size_t)(h * head_size), *b = a + half;
            for (int i = 0; i < half; i++) {
                float u = a[i], v = b[i];
                a[i] = u * cosines[i] - v * sines[i];
                b[i] = v * cosines[i] + u * sines[i];
            }
        }
    }
}

/* rope.c - rotary position embedding, rotate-half form: channels i and i + head_size / 2 of a head
 * are the two coordinates of a point, turned by position * theta^(-2 i / head_size). Angles are
 * float32 as in the released model. */
#include "backend/cpu/cpu.h"

#include <math.h>
#include <omp.h>

static void rotate_head(float *x, const float *cosine, const float *sine, int half)
{
    for (int i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cosine[i] - b * sine[i];
        x[i + half] = b * cosine[i] + a * sine[i];
    }
}

void ti_cpu_rope(ti_backend *be, void *values, const int32_t *host_positions, int n_rows, int n_heads,
                 int head_size, float theta)
{
    ti_cpu *cpu = ti_cpu_of(be);
    int half = head_size / 2;
#pragma omp parallel num_threads(cpu->threads) \
    if ((int64_t)n_rows * n_heads * head_size > TI_CPU_SMALL)
    {
        float *speed = ti_cpu_scratch(cpu, omp_get_thread_num());
        float *cosine = speed + half, *sine = cosine + half;
        for (int i = 0; i < half; i++)
            speed[i] = 1.0f / powf(theta, (float)(2 * i) / (float)head_size);
#pragma omp for schedule(static)
        for (int r = 0; r < n_rows; r++) {
            for (int i = 0; i < half; i++) {
                float angle = (float)host_positions[r] * speed[i];
                cosine[i] = cosf(angle);
                sine[i] = sinf(angle);
            }
            float *x = (float *)values + (size_t)r * (size_t)n_heads * (size_t)head_size;
            for (int h = 0; h < n_heads; h++)
                rotate_head(x + (size_t)h * (size_t)head_size, cosine, sine, half);
        }
    }
}

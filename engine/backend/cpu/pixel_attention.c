/* pixel_attention.c - one attention head over all pixels (attend.h). Float32: the head is as wide
 * as the layer, 512 channels in MAGVIT-v2, and codes hang on its accuracy. */
#include "backend/cpu/attend.h"

#include <omp.h>

void ti_cpu_pixel_attention(ti_backend *be, float *y, const float *q, const float *k,
                            const float *v, int n_pixels, int channels)
{
    ti_cpu *cpu = ti_cpu_of(be);
    int block = ti_attend_block(cpu, n_pixels, 1), n_blocks = (n_pixels + block - 1) / block;
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int b = 0; b < n_blocks; b++) {
        ptrdiff_t at = (ptrdiff_t)b * block * channels;
        int left = n_pixels - b * block;
        ti_cpu_attend(&(ti_attend){.features = &cpu->features,
                                   .q = q + at,
                                   .k = k,
                                   .v = v,
                                   .y = y + at,
                                   .q_step = channels,
                                   .kv_step = channels,
                                   .n_queries = left < block ? left : block,
                                   .n_keys = n_pixels,
                                   .size = channels},
                      ti_cpu_scratch(cpu, omp_get_thread_num()));
    }
}

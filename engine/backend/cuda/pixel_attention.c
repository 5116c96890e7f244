/* pixel_attention.c - one head over all pixels of an image. */
#include "backend/cuda/cuda.h"

void ti_cuda_pixel_attention(ti_backend *be, float *y, const float *q, const float *k,
                             const float *v, int n_pixels, int channels)
{
    ti_heads heads = {.n_heads = 1, .n_kv_heads = 1, .head_size = channels};
    ti_segment all = {.q_count = n_pixels, .kv_count = n_pixels};
    ti_cuda_attend(ti_cuda_of(be), y, q, k, v, &heads, &all, true);
}

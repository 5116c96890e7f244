/* rope.cu - rotary position embedding, rotate-half form; angles in float32 as in the released
 * model. A block turns one row: sines once, then every head. */
#include "backend/cuda/cell.cuh"

enum { THREADS = 128, MOST = 1024 /* of half a head */ };

template <typename T>
static __global__ void rope(T *values, const int32_t *positions, int n_heads, int half, float theta)
{
    TI_SHARED(float, cosine);
    float *sine = cosine + half;
    float position = (float)positions[blockIdx.x];
    for (int i = (int)threadIdx.x; i < half; i += THREADS) {
        float angle = position * (1.0f / powf(theta, (float)(2 * i) / (float)(2 * half)));
        cosine[i] = cosf(angle);
        sine[i] = sinf(angle);
    }
    __syncthreads();
    T *row = values + (int64_t)blockIdx.x * n_heads * 2 * half;
    for (int p = (int)threadIdx.x; p < n_heads * half; p += THREADS) {
        int i = p % half;
        T *head = row + p / half * 2 * half;
        float a = ti_get(head, i), b = ti_get(head, i + half);
        ti_put(head, i, a * cosine[i] - b * sine[i]);
        ti_put(head, i + half, b * cosine[i] + a * sine[i]);
    }
}

void ti_cuda_rope(ti_backend *be, void *values, const int32_t *host_positions, int n_rows,
                  int n_heads, int head_size, float theta)
{
    ti_cuda *cuda = ti_cuda_of(be);
    const int32_t *positions = ti_cuda_list_of(cuda, host_positions, n_rows);
    int half = head_size / 2;
    unsigned rows = (unsigned)n_rows, bytes = 2 * (unsigned)half * (unsigned)sizeof(float);
    if (!n_rows) return;
    if (half > MOST)
        ti_cuda_fail(cuda, "heads of more than 2048 channels are not supported");
    else if (cuda->exact)
        TI_LAUNCH(cuda, rope, rows, THREADS, bytes, cuda->stream, (float *)values, positions,
                  n_heads, half, theta);
    else
        TI_LAUNCH(cuda, rope, rows, THREADS, bytes, cuda->stream, (ti_bf16 *)values, positions,
                  n_heads, half, theta);
}

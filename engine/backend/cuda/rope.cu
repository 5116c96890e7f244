/* rope.cu - y = x w^T, turned by rotary position embedding, rotate-half form; angles in float32 as
 * in the released model. A block turns one row: sines once, then every head. */
#include "backend/cuda/cell.cuh"

enum { THREADS = 128, MOST = 1024 /* of half a head */ };

template <typename T, typename F>
static __global__ void turn(T *y, const F *from, const int32_t *positions, int n_heads, int half,
                            float theta)
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
    int64_t row = (int64_t)blockIdx.x * n_heads * 2 * half;
    for (int p = (int)threadIdx.x; p < n_heads * half; p += THREADS) {
        int i = p % half;
        int64_t head = row + p / half * 2 * half;
        float a = ti_get(from, head + i), b = ti_get(from, head + i + half);
        ti_put(y, head + i, a * cosine[i] - b * sine[i]);
        ti_put(y, head + i + half, b * cosine[i] + a * sine[i]);
    }
}

void ti_cuda_linear_rope(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                         int n_rows, const ti_rope *rope)
{
    ti_cuda *cuda = ti_cuda_of(be);
    const int32_t *positions = ti_cuda_list_of(cuda, rope->positions, n_rows);
    int half = rope->head_size / 2, n_heads = (int)w->rows / rope->head_size;
    unsigned rows = (unsigned)n_rows, bytes = 2 * (unsigned)half * (unsigned)sizeof(float);
    bool wide;
    if (!n_rows) return;
    if (half > MOST)
        return ti_cuda_fail(cuda, "heads of more than 2048 channels are not supported");
    void *beside = ti_cuda_beside(cuda, (size_t)n_rows * (size_t)w->rows, &wide);
    if (!beside) return;
    ti_cuda_product p = {operand, n_rows, w, 0, (int)w->rows, beside, wide, 1, 0};
    ti_cuda_multiply(cuda, &p);
    if (cuda->exact)
        TI_LAUNCH(cuda, turn, rows, THREADS, bytes, cuda->stream, (float *)values,
                  (const float *)beside, positions, n_heads, half, rope->theta);
    else if (wide)
        TI_LAUNCH(cuda, turn, rows, THREADS, bytes, cuda->stream, (ti_bf16 *)values,
                  (const float *)beside, positions, n_heads, half, rope->theta);
    else
        TI_LAUNCH(cuda, turn, rows, THREADS, bytes, cuda->stream, (ti_bf16 *)values,
                  (const ti_bf16 *)beside, positions, n_heads, half, rope->theta);
}

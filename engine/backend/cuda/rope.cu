/* rope.cu - y = x w^T, turned by rotary position embedding, rotate-half form; angles in float32 as
 * in the released model. A block turns one row: sines once, then every head, N channels at a time.
 */
#include "backend/cuda/cell.cuh"

enum { THREADS = 128, MOST = 1024 /* of half a head */ };

template <int N, typename T, typename F>
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
    for (int p = (int)threadIdx.x * N; p < n_heads * half; p += THREADS * N) {
        int i = p % half;
        int64_t at = row + p / half * 2 * half + i;
        ti_pack<F, N> a = ti_load<N>(from + at), b = ti_load<N>(from + at + half);
        ti_pack<T, N> low, high;
        for (int k = 0; k < N; k++) {
            float c = cosine[i + k], s = sine[i + k];
            ti_put(low.v, k, ti_get(a.v, k) * c - ti_get(b.v, k) * s);
            ti_put(high.v, k, ti_get(b.v, k) * c + ti_get(a.v, k) * s);
        }
        ti_store<N>(y + at, low);
        ti_store<N>(y + at + half, high);
    }
}

template <typename T, typename F>
static void launch(ti_cuda *cuda, T *y, const F *from, int n_rows, int n_heads, const ti_rope *rope)
{
    const int32_t *positions = ti_cuda_list_of(cuda, rope->positions, n_rows);
    int half = rope->head_size / 2;
    unsigned bytes = 2 * (unsigned)half * (unsigned)sizeof(float);
    if (half % 4)
        TI_LAUNCH(cuda, turn<1>, (unsigned)n_rows, THREADS, bytes, cuda->stream, y, from, positions,
                  n_heads, half, rope->theta);
    else
        TI_LAUNCH(cuda, turn<4>, (unsigned)n_rows, THREADS, bytes, cuda->stream, y, from, positions,
                  n_heads, half, rope->theta);
}

void ti_cuda_linear_rope(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                         int n_rows, const ti_rope *rope)
{
    ti_cuda *cuda = ti_cuda_of(be);
    int n_heads = (int)w->rows / rope->head_size;
    bool wide;
    if (!n_rows) return;
    if (rope->head_size > 2 * MOST)
        return ti_cuda_fail(cuda, "heads of more than 2048 channels are not supported");
    void *beside = ti_cuda_beside(cuda, (size_t)n_rows * (size_t)w->rows, &wide);
    if (!beside) return;
    ti_cuda_product p = {operand, n_rows, w, 0, (int)w->rows, beside, wide, 1, 0};
    ti_cuda_multiply(cuda, &p);
    if (cuda->exact)
        launch(cuda, (float *)values, (const float *)beside, n_rows, n_heads, rope);
    else if (wide)
        launch(cuda, (ti_bf16 *)values, (const float *)beside, n_rows, n_heads, rope);
    else
        launch(cuda, (ti_bf16 *)values, (const ti_bf16 *)beside, n_rows, n_heads, rope);
}

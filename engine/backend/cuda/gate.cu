/* gate.cu - y = silu(h w_gate^T) * (h w_up^T): two products, the gate's beside and the other into
 * y, then one pass over both. */
#include "backend/cuda/cell.cuh"

enum { THREADS = 256, EACH = 8 };

static __device__ __forceinline__ float silu(float x)
{
    return x / (1 + expf(-x));
}

/* Y holds the other half. */
template <typename T, typename F> static __global__ void silu_times(T *y, const F *gate, int64_t n)
{
    int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * EACH;
    if (i + EACH <= n) {
        ti_pack<F, EACH> g = ti_load<EACH>(gate + i);
        ti_pack<T, EACH> u = ti_load<EACH>(y + i);
#pragma unroll
        for (int k = 0; k < EACH; k++) ti_put(u.v, k, silu(ti_get(g.v, k)) * ti_get(u.v, k));
        ti_store<EACH>(y + i, u);
        return;
    }
    for (; i < n; i++) ti_put(y, i, silu(ti_get(gate, i)) * ti_get(y, i));
}

void ti_cuda_gate(ti_backend *be, void *operand, const void *h, const ti_weight *w_gate,
                  const ti_weight *w_up, int n_rows)
{
    ti_cuda *cuda = ti_cuda_of(be);
    int64_t n = n_rows * w_up->rows;
    unsigned blocks = (unsigned)((n + THREADS * EACH - 1) / (THREADS * EACH));
    bool wide;
    if (!n_rows) return;
    void *beside = ti_cuda_beside(cuda, (size_t)n, &wide);
    if (!beside) return;
    ti_cuda_product p = {h, n_rows, w_gate, 0, (int)w_gate->rows, beside, wide, 1, 0};
    ti_cuda_multiply(cuda, &p);
    p.w = w_up;
    p.y = operand;
    p.y_float = false;
    ti_cuda_multiply(cuda, &p);
    cuda->coded.x = NULL;
    if (cuda->exact)
        TI_LAUNCH(cuda, silu_times, blocks, THREADS, 0, cuda->stream, (float *)operand,
                  (const float *)beside, n);
    else if (wide)
        TI_LAUNCH(cuda, silu_times, blocks, THREADS, 0, cuda->stream, (ti_bf16 *)operand,
                  (const float *)beside, n);
    else
        TI_LAUNCH(cuda, silu_times, blocks, THREADS, 0, cuda->stream, (ti_bf16 *)operand,
                  (const ti_bf16 *)beside, n);
}

/* gate.cu - y = silu(h w_gate^T) * (h w_up^T): two products, the gate's into y and the other beside
 * it, then one pass over both. */
#include "backend/cuda/cell.cuh"

enum { THREADS = 256, EACH = 8 };

template <typename T> struct __align__(16) eight
{
    T v[EACH];
};

template <typename T> static __global__ void silu_times(T *y, const T *up, int64_t n)
{
    int64_t first = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * EACH;
    if (first >= n) return;
    eight<T> g, u;
    int here = n - first < EACH ? (int)(n - first) : EACH;
    if (here == EACH) {
        g = *(const eight<T> *)(y + first);
        u = *(const eight<T> *)(up + first);
    } else {
        for (int i = 0; i < here; i++) g.v[i] = y[first + i], u.v[i] = up[first + i];
    }
    for (int i = 0; i < EACH; i++) {
        if (i >= here) break;
        float x = ti_get(g.v, i);
        ti_put(g.v, i, x / (1 + expf(-x)) * ti_get(u.v, i));
    }
    if (here == EACH)
        *(eight<T> *)(y + first) = g;
    else
        for (int i = 0; i < here; i++) y[first + i] = g.v[i];
}

void ti_cuda_gate(ti_backend *be, void *operand, const void *h, const ti_weight *w_gate,
                  const ti_weight *w_up, int n_rows)
{
    ti_cuda *cuda = ti_cuda_of(be);
    int64_t n = n_rows * w_up->rows;
    unsigned blocks = (unsigned)((n + THREADS * EACH - 1) / (THREADS * EACH));
    ti_cuda_product p = {h, n_rows, w_gate, 0, (int)w_gate->rows, operand, false, 1, 0};
    /* FP8 codes of h lie where the other half will be: there a scratch of its own is behind them.
     */
    void *up = cuda->fp8 ? (char *)cuda->second + cuda->operand_bytes : (char *)cuda->second;
    if (!n_rows) return;
    if ((size_t)n * ti_cuda_cell(cuda) > cuda->operand_bytes)
        return ti_cuda_fail(cuda, "a gate is wider than the session said");
    ti_cuda_multiply(cuda, &p);
    p.w = w_up;
    p.y = up;
    ti_cuda_multiply(cuda, &p);
    cuda->coded.x = NULL;
    if (cuda->exact)
        TI_LAUNCH(cuda, silu_times, blocks, THREADS, 0, cuda->stream, (float *)operand,
                  (const float *)up, n);
    else
        TI_LAUNCH(cuda, silu_times, blocks, THREADS, 0, cuda->stream, (ti_bf16 *)operand,
                  (const ti_bf16 *)up, n);
}

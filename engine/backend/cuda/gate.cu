/* gate.cu - y = silu(h w_gate^T) * (h w_up^T): two products, the gate's beside and the other into
 * y, then one pass over both. */
#include "backend/cuda/cell.cuh"

enum { THREADS = 256, EACH = 8 };

template <typename T> struct __align__(16) eight
{
    T v[EACH];
};

/* Y holds the other half. */
template <typename T, typename F> static __global__ void silu_times(T *y, const F *gate, int64_t n)
{
    int64_t first = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * EACH;
    if (first >= n) return;
    eight<T> u;
    eight<F> g;
    int here = n - first < EACH ? (int)(n - first) : EACH;
    if (here == EACH) {
        g = *(const eight<F> *)(gate + first);
        u = *(const eight<T> *)(y + first);
    } else {
        for (int i = 0; i < here; i++) g.v[i] = gate[first + i], u.v[i] = y[first + i];
    }
    for (int i = 0; i < EACH; i++) {
        if (i >= here) break;
        float x = ti_get(g.v, i);
        ti_put(u.v, i, x / (1 + expf(-x)) * ti_get(u.v, i));
    }
    if (here == EACH)
        *(eight<T> *)(y + first) = u;
    else
        for (int i = 0; i < here; i++) y[first + i] = u.v[i];
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

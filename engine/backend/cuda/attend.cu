/* attend.cu - attention of any head size, in float32 or bf16, on any card: what exact models, the
 * image tokenisers and cards without bf16 tensor cores run. attention.cu has the fast one.
 *
 * A block takes up to 16 queries of one head and walks the keys 32 at a time: scores, the running
 * maximum and total of every query, and the weighted sum of values, all in float32. */
#include "backend/cuda/cell.cuh"

enum { THREADS = 256, KEYS = 32, CHUNK = 32, MOST = 16, CELLS = 4096 /* queries x channels */ };

typedef struct attend_case {
    ti_segment at;
    ti_heads heads;
    int n_queries; /* a block */
    float scale;
} attend_case;

/* score[i][j] of the block's queries and keys KEY0 .. + KEYS. */
template <typename T>
static __device__ void score_keys(float (*score)[KEYS], float (*keys)[CHUNK + 1], const float *q,
                                  const T *k, int64_t stride, int key0, const attend_case *c)
{
    int size = c->heads.head_size, pairs = c->n_queries * KEYS, tid = (int)threadIdx.x;
    float sum[MOST * KEYS / THREADS] = {0};
    for (int c0 = 0; c0 < size; c0 += CHUNK) {
        for (int e = tid; e < KEYS * CHUNK; e += THREADS) {
            int key = e / CHUNK, channel = c0 + e % CHUNK;
            bool there = key0 + key < c->at.kv_count && channel < size;
            keys[key][e % CHUNK] = there ? ti_get(k, (key0 + key) * stride + channel) : 0;
        }
        __syncthreads();
        int n = size - c0 < CHUNK ? size - c0 : CHUNK;
#pragma unroll
        for (int p = 0; p < MOST * KEYS / THREADS; p++) {
            int pair = tid + p * THREADS;
            if (pair >= pairs) break;
            const float *query = q + pair / KEYS * size + c0;
            for (int i = 0; i < n; i++) sum[p] += query[i] * keys[pair % KEYS][i];
        }
        __syncthreads();
    }
#pragma unroll
    for (int p = 0; p < MOST * KEYS / THREADS; p++) {
        int pair = tid + p * THREADS;
        if (pair >= pairs) break;
        bool there = key0 + pair % KEYS < c->at.kv_count;
        score[pair / KEYS][pair % KEYS] = there ? sum[p] * c->scale : -INFINITY;
    }
}

/* Scores to weights relative to the highest so far; FADE is what earlier sums shrink by. A warp a
 * query. */
static __device__ void weigh(float *score, float *top, float *total, float *fade)
{
    int lane = (int)threadIdx.x % 32;
    float s = score[lane], most = s;
    for (int m = 16; m; m /= 2) most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, m));
    most = fmaxf(most, *top);
    float weight = expf(s - most), sum = weight;
    for (int m = 16; m; m /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, m);
    score[lane] = weight;
    __syncwarp(); /* all have read the old top */
    if (lane) return;
    *fade = expf(*top - most);
    *total = *total * *fade + sum;
    *top = most;
}

template <typename T>
static __global__ void __launch_bounds__(THREADS)
    attend(T *y, const T *q, const T *k, const T *v, attend_case c)
{
    TI_SHARED(float, queries);
    __shared__ float keys[KEYS][CHUNK + 1], score[MOST][KEYS], top[MOST], total[MOST], fade[MOST];
    int size = c.heads.head_size, tid = (int)threadIdx.x, head = (int)blockIdx.y;
    int first = (int)blockIdx.x * c.n_queries, here = c.at.q_count - first;
    if (here > c.n_queries) here = c.n_queries;
    int64_t q_stride = (int64_t)c.heads.n_heads * size,
            kv_stride = (int64_t)c.heads.n_kv_heads * size;
    int64_t q_at = (int64_t)(c.at.q_first + first) * q_stride + (int64_t)head * size;
    int64_t kv_at =
        c.at.kv_first * kv_stride + (int64_t)(head * c.heads.n_kv_heads / c.heads.n_heads) * size;
    float *sum = queries + c.n_queries * size;
    for (int e = tid; e < c.n_queries * size; e += THREADS) {
        queries[e] = e / size < here ? ti_get(q, q_at + e / size * q_stride + e % size) : 0;
        sum[e] = 0;
    }
    if (tid < MOST) top[tid] = -INFINITY, total[tid] = 0;
    __syncthreads();
    for (int key0 = 0; key0 < c.at.kv_count; key0 += KEYS) {
        score_keys(score, keys, queries, k + kv_at, kv_stride, key0, &c);
        __syncthreads();
        for (int i = tid / 32; i < c.n_queries; i += THREADS / 32)
            weigh(score[i], &top[i], &total[i], &fade[i]);
        __syncthreads();
        int n = c.at.kv_count - key0 < KEYS ? c.at.kv_count - key0 : KEYS;
        for (int e = tid; e < here * size; e += THREADS) {
            const T *value = v + kv_at + key0 * kv_stride;
            float s = sum[e] * fade[e / size];
            for (int j = 0; j < n; j++)
                s += score[e / size][j] * ti_get(value, j * kv_stride + e % size);
            sum[e] = s;
        }
        __syncthreads();
    }
    for (int e = tid; e < here * size; e += THREADS)
        ti_put(y, q_at + e / size * q_stride + e % size, sum[e] / total[e / size]);
}

void ti_cuda_attend(ti_cuda *cuda, void *y, const void *q, const void *k, const void *v,
                    const ti_heads *heads, const ti_segment *segment, bool wide)
{
    int size = heads->head_size, n = size > CELLS / MOST ? CELLS / size : MOST;
    attend_case c = {*segment, *heads, n, 1.0f / sqrtf((float)size)};
    if (!segment->q_count) return;
    if (!n) return ti_cuda_fail(cuda, "heads of more than 4096 channels are not supported");
    dim3 grid((unsigned)((segment->q_count + n - 1) / n), (unsigned)heads->n_heads);
    unsigned bytes = 2 * (unsigned)(n * size) * (unsigned)sizeof(float);
    if (wide)
        TI_LAUNCH(cuda, attend, grid, THREADS, bytes, cuda->stream, (float *)y, (const float *)q,
                  (const float *)k, (const float *)v, c);
    else
        TI_LAUNCH(cuda, attend, grid, THREADS, bytes, cuda->stream, (ti_bf16 *)y,
                  (const ti_bf16 *)q, (const ti_bf16 *)k, (const ti_bf16 *)v, c);
}

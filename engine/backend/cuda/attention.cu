/* attention.cu - bidirectional attention on the tensor cores (Dao, FlashAttention-2, 2023). A block
 * takes 128 queries of one head, a warp 32 of them; keys and values pass through shared memory a
 * tile at a time. Scores and sums stay in registers, where the layout of a product's result is that
 * of the next one's left side. A warp has two sets of 16 rows, so that every piece of keys and
 * values it loads from shared memory serves two products: with one the loads take longer than the
 * products.
 *
 * There is one tile of keys and one of values. The values of a tile are fetched while its scores
 * are made, the next keys while its values are summed; two barriers a tile keep fetching and
 * reading apart. That leaves room for two blocks on a multiprocessor, whose products and
 * exponentials then overlap.
 *
 * A row of a tile has no padding. Its parts, of eight numbers or 16 bytes, change places by the
 * row's number, so that the eight rows a matrix load touches lie in different banks.
 *
 * Head sizes 32, 64 and 128 in bf16; everything else goes to attend.cu. */
#include "backend/cuda/device.cuh"

enum { THREADS = 128, QUERIES = 128, SETS = 2, ROWS = 16 * SETS /* a warp */, SEGMENTS = 4 };

typedef struct flash_case {
    ti_segment segments[SEGMENTS];
    ti_heads heads;
    float scale; /* log2(e) / sqrt(head_size): exponentials are powers of two */
} flash_case;

/* Where PART of ROW lies in a tile. All banks are 64 numbers. */
template <int SIZE>
static __device__ __forceinline__ ti_bf16 *part_of(ti_bf16 (*tile)[SIZE], unsigned row,
                                                   unsigned part)
{
    const unsigned parts = SIZE < 64 ? SIZE / 8 : 8, rows = SIZE < 64 ? 64 / SIZE : 1;
    return tile[row] + (part ^ row / rows % parts) * 8;
}

/* The part of the first rows of a tile that this thread fetches, from the first number on. */
template <int SIZE> static __device__ __forceinline__ int64_t own_part(int64_t stride)
{
    return threadIdx.x / (SIZE / 8) * stride + threadIdx.x % (SIZE / 8) * 8;
}

/* N rows to a tile of MOST, zeros behind them; FROM is the thread's own part. */
template <int SIZE, int MOST>
static __device__ __forceinline__ void fetch(ti_bf16 (*tile)[SIZE], const ti_bf16 *from,
                                             int64_t stride, int n)
{
    const unsigned parts = SIZE / 8, at_once = THREADS / parts;
    unsigned row = threadIdx.x / parts, part = threadIdx.x % parts;
    if (n >= MOST) {
#pragma unroll
        for (unsigned i = 0; i < MOST; i += at_once)
            ti_copy_async(part_of<SIZE>(tile, row + i, part), from + i * stride, true);
    } else {
#pragma unroll 1
        for (unsigned i = 0; i < MOST; i += at_once) {
            bool inside = row + i < (unsigned)n;
            const ti_bf16 *at = inside ? from + i * stride : from - row * stride;
            ti_copy_async(part_of<SIZE>(tile, row + i, part), at, inside);
        }
    }
}

/* The warp's queries times keys. */
template <int SIZE, int KEYS>
static __device__ __forceinline__ void score_tile(float score[SETS][KEYS / 8][4],
                                                  ti_bf16 (*queries)[SIZE], ti_bf16 (*keys)[SIZE])
{
    unsigned lane = threadIdx.x % 32;
#pragma unroll
    for (int m = 0; m < SETS; m++)
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
            for (int c = 0; c < 4; c++) score[m][n][c] = 0;
#pragma unroll
    for (int i = 0; i < SIZE / 16; i++) {
        unsigned q[SETS][4];
#pragma unroll
        for (int m = 0; m < SETS; m++)
            ti_load_matrices(q[m], part_of<SIZE>(queries, m * 16 + lane % 16, i * 2 + lane / 16));
#pragma unroll
        for (int n = 0; n < KEYS / 16; n++) {
            unsigned k[4];
            ti_load_matrices(
                k, part_of<SIZE>(keys, n * 16 + lane % 8 + lane / 16 * 8, i * 2 + lane / 8 % 2));
#pragma unroll
            for (int m = 0; m < SETS; m++) {
                ti_mma(score[m][2 * n], q[m], k[0], k[1]);
                ti_mma(score[m][2 * n + 1], q[m], k[2], k[3]);
            }
        }
    }
}

/* There are only N keys. */
template <int KEYS>
static __device__ __forceinline__ void hide(float score[SETS][KEYS / 8][4], int n_keys)
{
    int column = (int)threadIdx.x % 4 * 2;
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
        for (int c = 0; c < 4; c++)
            if (n * 8 + column + c % 2 >= n_keys)
#pragma unroll
                for (int m = 0; m < SETS; m++) score[m][n][c] = -INFINITY;
}

/* Scores to weights against each row's highest so far; earlier sums fade. The lane's rows are g and
 * g + 8, shared with the three lanes beside it. */
template <int SIZE, int KEYS>
static __device__ __forceinline__ void weigh(float score[KEYS / 8][4], float sum[SIZE / 8][4],
                                             float top[2], float total[2],
                                             unsigned weight[KEYS / 16][4], float scale)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float most = top[half];
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++)
            most = fmaxf(most, fmaxf(score[n][half * 2], score[n][half * 2 + 1]));
        most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, 1));
        most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, 2));
        float base = most * scale, fade = ti_exp2(top[half] * scale - base), add = 0;
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
            float a = ti_exp2(score[n][half * 2] * scale - base);
            float b = ti_exp2(score[n][half * 2 + 1] * scale - base);
            add += a + b;
            weight[n / 2][n % 2 * 2 + half] = ti_bf16_pair(a, b);
        }
#pragma unroll
        for (int n = 0; n < SIZE / 8; n++)
#pragma unroll
            for (int c = 0; c < 2; c++) sum[n][half * 2 + c] *= fade;
        total[half] = total[half] * fade + add;
        top[half] = most;
    }
}

template <int SIZE, int KEYS>
static __device__ __forceinline__ void add_values(float sum[SETS][SIZE / 8][4],
                                                  const unsigned weight[SETS][KEYS / 16][4],
                                                  ti_bf16 (*values)[SIZE])
{
    unsigned lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < SIZE / 16; n++)
#pragma unroll
        for (int i = 0; i < KEYS / 16; i++) {
            unsigned v[4];
            ti_load_transposed(v, part_of<SIZE>(values, i * 16 + lane % 16, n * 2 + lane / 16));
#pragma unroll
            for (int m = 0; m < SETS; m++) {
                ti_mma(sum[m][2 * n], weight[m][i], v[0], v[1]);
                ti_mma(sum[m][2 * n + 1], weight[m][i], v[2], v[3]);
            }
        }
}

/* HERE of a set's 16 rows. */
template <int SIZE>
static __device__ __forceinline__ void
store_rows(ti_bf16 *y, int64_t stride, int here, const float sum[SIZE / 8][4], const float total[2])
{
    unsigned lane = threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float all = total[half];
        all += __shfl_xor_sync(0xFFFFFFFFu, all, 1);
        all += __shfl_xor_sync(0xFFFFFFFFu, all, 2);
        int row = lane / 4 + half * 8;
        float share = 1 / all;
        if (row >= here) continue;
#pragma unroll
        for (int n = 0; n < SIZE / 8; n++)
            *(unsigned *)(y + row * stride + n * 8 + lane % 4 * 2) =
                ti_bf16_pair(sum[n][half * 2] * share, sum[n][half * 2 + 1] * share);
    }
}

template <int SIZE, int KEYS>
static __global__ void __launch_bounds__(THREADS, 2)
    flash(ti_bf16 *y, const ti_bf16 *q, const ti_bf16 *k, const ti_bf16 *v,
          const __grid_constant__ flash_case f) /* else a copy for every thread: it is indexed */
{
    typedef ti_bf16 row_of_tile[SIZE];
    TI_SHARED(row_of_tile, queries);
    ti_bf16(*keys)[SIZE] = queries + QUERIES, (*values)[SIZE] = keys + KEYS;
    const ti_segment s = f.segments[blockIdx.z];
    int head = (int)blockIdx.y, first = (int)blockIdx.x * QUERIES;
    int row = (int)threadIdx.x / 32 * ROWS, here = s.q_count - first - row; /* the warp's */
    if (first >= s.q_count) return;
    int64_t q_stride = (int64_t)f.heads.n_heads * SIZE,
            kv_stride = (int64_t)f.heads.n_kv_heads * SIZE;
    int64_t q_at = (int64_t)(s.q_first + first) * q_stride + (int64_t)head * SIZE;
    int64_t kv_at =
        s.kv_first * kv_stride + (int64_t)(head * f.heads.n_kv_heads / f.heads.n_heads) * SIZE;
    float sum[SETS][SIZE / 8][4] = {}, top[SETS][2], total[SETS][2] = {};
    for (int m = 0; m < SETS; m++) top[m][0] = top[m][1] = -INFINITY;
    k += kv_at + own_part<SIZE>(kv_stride), v += kv_at + own_part<SIZE>(kv_stride);
    fetch<SIZE, QUERIES>(queries, q + q_at + own_part<SIZE>(q_stride), q_stride, s.q_count - first);
    fetch<SIZE, KEYS>(keys, k, kv_stride, s.kv_count);
    ti_copy_commit();
    for (int left = s.kv_count; left > 0; left -= KEYS) {
        float score[SETS][KEYS / 8][4];
        unsigned weight[SETS][KEYS / 16][4];
        ti_copy_wait<0>();
        __syncthreads(); /* keys are there, nobody reads values */
        fetch<SIZE, KEYS>(values, v, kv_stride, left);
        ti_copy_commit();
        score_tile<SIZE, KEYS>(score, queries + row, keys);
        k += KEYS * kv_stride, v += KEYS * kv_stride;
        ti_copy_wait<0>();
        __syncthreads(); /* and the other way round */
        if (left > KEYS) fetch<SIZE, KEYS>(keys, k, kv_stride, left - KEYS);
        ti_copy_commit();
        if (left < KEYS) hide<KEYS>(score, left);
#pragma unroll
        for (int m = 0; m < SETS; m++)
            weigh<SIZE, KEYS>(score[m], sum[m], top[m], total[m], weight[m], f.scale);
        add_values<SIZE, KEYS>(sum, weight, values);
    }
#pragma unroll
    for (int m = 0; m < SETS; m++)
        store_rows<SIZE>(y + q_at + (row + m * 16) * q_stride, q_stride, here - m * 16, sum[m],
                         total[m]);
}

template <int SIZE, int KEYS>
static void run(ti_cuda *cuda, void *y, const void *q, const void *k, const void *v,
                const flash_case *f, int n_segments)
{
    auto *kernel = flash<SIZE, KEYS>;
    const int bytes = (QUERIES + 2 * KEYS) * SIZE * (int)sizeof(ti_bf16);
    int most = 0;
    for (int i = 0; i < n_segments; i++)
        if (f->segments[i].q_count > most) most = f->segments[i].q_count;
    if (!most) return;
    dim3 grid((unsigned)((most + QUERIES - 1) / QUERIES), (unsigned)f->heads.n_heads,
              (unsigned)n_segments);
    ti_cuda_check(cuda,
                  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
                  "attention");
    TI_LAUNCH(cuda, kernel, grid, THREADS, bytes, cuda->stream, (ti_bf16 *)y, (const ti_bf16 *)q,
              (const ti_bf16 *)k, (const ti_bf16 *)v, *f);
}

static void run_four(ti_cuda *cuda, void *y, const void *q, const void *k, const void *v,
                     const ti_heads *heads, const ti_segment *segments, int n)
{
    flash_case f = {.segments = {},
                    .heads = *heads,
                    .scale = 1.4426950408889634f / sqrtf((float)heads->head_size)};
    for (int i = 0; i < n; i++) f.segments[i] = segments[i];
    if (heads->head_size == 32)
        run<32, 64>(cuda, y, q, k, v, &f, n);
    else if (heads->head_size == 64)
        run<64, 64>(cuda, y, q, k, v, &f, n);
    else if (cuda->shared_per_multiprocessor >= 160 * 1024) /* room for two blocks at least */
        run<128, 64>(cuda, y, q, k, v, &f, n);
    else
        run<128, 32>(cuda, y, q, k, v, &f, n);
}

void ti_cuda_attention(ti_backend *be, void *operand, const void *q, const void *k, const void *v,
                       const ti_heads *heads, const ti_segment *segments, int n_segments)
{
    ti_cuda *cuda = ti_cuda_of(be);
    int size = heads->head_size;
    bool fast = !cuda->exact && cuda->arch >= 80 && (size == 32 || size == 64 || size == 128);
    cuda->coded.x = NULL;
    for (int i = 0; i < n_segments; i += fast ? SEGMENTS : 1) {
        int n = n_segments - i < SEGMENTS ? n_segments - i : SEGMENTS;
        if (fast)
            run_four(cuda, operand, q, k, v, heads, segments + i, n);
        else
            ti_cuda_attend(cuda, operand, q, k, v, heads, segments + i, cuda->exact);
    }
}

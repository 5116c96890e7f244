/* attention.cu - bidirectional attention on the tensor cores (Dao, FlashAttention-2, 2023): a block
 * takes 64 queries of one head, a warp 16 of them; keys and values pass through shared memory a
 * tile at a time, the next tile being fetched while the present one is used; scores stay in
 * registers, where the layout of a product's result is that of the next one's left side. Head sizes
 * 32, 64 and 128 in bf16; everything else goes to attend.cu. Rows of a tile are 16 bytes longer
 * than a head, so that the eight rows a matrix load touches lie in different banks. */
#include "backend/cuda/device.cuh"

enum { THREADS = 128, QUERIES = 64, SEGMENTS = 4, PAD = 8 };

typedef struct flash_case {
    ti_segment segments[SEGMENTS];
    ti_heads heads;
    float scale; /* log2(e) / sqrt(head_size): exponentials are powers of two */
} flash_case;

/* KEYS rows, of which N exist, the others zero. */
template <int SIZE, int KEYS>
static __device__ void fetch(ti_bf16 (*tile)[SIZE + PAD], const ti_bf16 *from, int64_t stride,
                             int n)
{
    for (int i = (int)threadIdx.x; i < KEYS * (SIZE / 8); i += THREADS) {
        int row = i / (SIZE / 8), part = i % (SIZE / 8) * 8;
        ti_copy_async(&tile[row][part], from + (row < n ? row : 0) * stride + part, row < n);
    }
}

/* The warp's 16 queries as the left side of products; rows beyond HERE are zero. */
template <int SIZE>
static __device__ void load_queries(unsigned to[SIZE / 16][4], const ti_bf16 *q, int64_t stride,
                                    int here)
{
    int lane = (int)threadIdx.x % 32, row = lane / 4, column = lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < SIZE / 16; i++)
#pragma unroll
        for (int part = 0; part < 4; part++) {
            int r = row + part % 2 * 8;
            const ti_bf16 *at = q + r * stride + i * 16 + column + part / 2 * 8;
            to[i][part] = r < here ? *(const unsigned *)at : 0;
        }
}

template <int SIZE, int KEYS>
static __device__ void score_tile(float score[KEYS / 8][4], const unsigned q[SIZE / 16][4],
                                  const ti_bf16 (*keys)[SIZE + PAD])
{
    int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
        for (int c = 0; c < 4; c++) score[n][c] = 0;
#pragma unroll
    for (int i = 0; i < SIZE / 16; i++)
#pragma unroll
        for (int n = 0; n < KEYS / 16; n++) {
            unsigned k[4];
            ti_load_matrices(k,
                             &keys[n * 16 + lane % 8 + lane / 16 * 8][i * 16 + lane / 8 % 2 * 8]);
            ti_mma(score[2 * n], q[i], k[0], k[1]);
            ti_mma(score[2 * n + 1], q[i], k[2], k[3]);
        }
}

/* Scores to weights against each row's highest so far; earlier sums fade. The lane's rows are g and
 * g + 8, shared with the three lanes beside it. */
template <int SIZE, int KEYS>
static __device__ void weigh(float score[KEYS / 8][4], float sum[SIZE / 8][4], float top[2],
                             float total[2], float scale, int n_keys)
{
    int column = (int)threadIdx.x % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float most = top[half];
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                float *s = &score[n][half * 2 + c];
                if (n * 8 + column + c >= n_keys) *s = -INFINITY;
                most = fmaxf(most, *s);
            }
        most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, 1));
        most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, 2));
        float base = most * scale, fade = exp2f(top[half] * scale - base), add = 0;
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                float *s = &score[n][half * 2 + c];
                *s = exp2f(*s * scale - base);
                add += *s;
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
static __device__ void add_values(float sum[SIZE / 8][4], const float weight[KEYS / 8][4],
                                  const ti_bf16 (*values)[SIZE + PAD])
{
    int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < KEYS / 16; i++) {
        unsigned w[4] = {ti_bf16_pair(weight[2 * i][0], weight[2 * i][1]),
                         ti_bf16_pair(weight[2 * i][2], weight[2 * i][3]),
                         ti_bf16_pair(weight[2 * i + 1][0], weight[2 * i + 1][1]),
                         ti_bf16_pair(weight[2 * i + 1][2], weight[2 * i + 1][3])};
#pragma unroll
        for (int n = 0; n < SIZE / 16; n++) {
            unsigned v[4];
            ti_load_transposed(v, &values[i * 16 + lane % 16][n * 16 + lane / 16 * 8]);
            ti_mma(sum[2 * n], w, v[0], v[1]);
            ti_mma(sum[2 * n + 1], w, v[2], v[3]);
        }
    }
}

template <int SIZE>
static __device__ void store_rows(ti_bf16 *y, int64_t stride, int here,
                                  const float sum[SIZE / 8][4], const float total[2])
{
    int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float all = total[half];
        all += __shfl_xor_sync(0xFFFFFFFFu, all, 1);
        all += __shfl_xor_sync(0xFFFFFFFFu, all, 2);
        int row = lane / 4 + half * 8;
        if (row >= here) continue;
#pragma unroll
        for (int n = 0; n < SIZE / 8; n++)
            *(unsigned *)(y + row * stride + n * 8 + lane % 4 * 2) =
                ti_bf16_pair(sum[n][half * 2] / all, sum[n][half * 2 + 1] / all);
    }
}

template <int SIZE, int KEYS>
static __global__ void __launch_bounds__(THREADS)
    flash(ti_bf16 *y, const ti_bf16 *q, const ti_bf16 *k, const ti_bf16 *v,
          const __grid_constant__ flash_case f) /* else a copy for every thread: it is indexed */
{
    typedef ti_bf16 tile[KEYS][SIZE + PAD];
    TI_SHARED(tile, tiles); /* keys, values; keys, values of the next */
    const ti_segment s = f.segments[blockIdx.z];
    int head = (int)blockIdx.y, first = (int)blockIdx.x * QUERIES, row = (int)threadIdx.x / 32 * 16;
    if (first >= s.q_count) return;
    int64_t q_stride = (int64_t)f.heads.n_heads * SIZE,
            kv_stride = (int64_t)f.heads.n_kv_heads * SIZE;
    int64_t q_at = (int64_t)(s.q_first + first + row) * q_stride + (int64_t)head * SIZE;
    int64_t kv_at =
        s.kv_first * kv_stride + (int64_t)(head * f.heads.n_kv_heads / f.heads.n_heads) * SIZE;
    int here = s.q_count - first - row;
    unsigned query[SIZE / 16][4];
    float sum[SIZE / 8][4] = {{0}}, top[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
    load_queries<SIZE>(query, q + q_at, q_stride, here);
    fetch<SIZE, KEYS>(tiles[0], k + kv_at, kv_stride, s.kv_count);
    fetch<SIZE, KEYS>(tiles[1], v + kv_at, kv_stride, s.kv_count);
    ti_copy_commit();
    for (int done = 0, stage = 0; done < s.kv_count; done += KEYS, stage ^= 2) {
        int after = done + KEYS;
        if (after < s.kv_count) {
            fetch<SIZE, KEYS>(tiles[stage ^ 2], k + kv_at + after * kv_stride, kv_stride,
                              s.kv_count - after);
            fetch<SIZE, KEYS>(tiles[(stage ^ 2) + 1], v + kv_at + after * kv_stride, kv_stride,
                              s.kv_count - after);
        }
        ti_copy_commit(); /* maybe an empty group: the count below stays right */
        ti_copy_wait<1>();
        __syncthreads();
        float score[KEYS / 8][4];
        score_tile<SIZE, KEYS>(score, query, tiles[stage]);
        weigh<SIZE, KEYS>(score, sum, top, total, f.scale, s.kv_count - done);
        add_values<SIZE, KEYS>(sum, score, tiles[stage + 1]);
        __syncthreads();
    }
    store_rows<SIZE>(y + q_at, q_stride, here, sum, total);
}

template <int SIZE, int KEYS>
static void run(ti_cuda *cuda, void *y, const void *q, const void *k, const void *v,
                const flash_case *f, int n_segments)
{
    auto *kernel = flash<SIZE, KEYS>;
    const int bytes = 4 * KEYS * (SIZE + PAD) * (int)sizeof(ti_bf16);
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

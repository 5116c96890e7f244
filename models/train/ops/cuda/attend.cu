/* attend.cu - attention on the tensor cores, without matrices of scores in memory. Inputs are
 * rounded to bf16 on their way in, sums are float32.
 *
 * A warp owns 16 rows, a block 128 of one head of one sequence; the other rows pass by in tiles of
 * 64 in shared memory. Forward, rows are queries and keys pass. The gradient computes the
 * probabilities again from the kept logarithm of their sum, twice: once with queries as own rows,
 * for theirs, and once with keys as own rows, for the keys' and values': so no two blocks add to
 * the same place.
 */
#include "backend/cuda/reduce.cuh"
#include "ops/cuda/cuda.h"

enum { OWN = 128, OTHER = 64, SLICE = 16 /* others that become one factor of a product */ };
#define LOG2E 1.44269504f

bool ti_train_cuda_can_attend(const ti_attention_shape *s, const float *q, const float *k,
                              const float *v)
{
    const uintptr_t bits = (uintptr_t)q | (uintptr_t)k | (uintptr_t)v;
    return s->bf16 && (s->head_size == 32 || s->head_size == 64) && s->ld % 4 == 0 &&
           bits % 16 == 0;
}

/* ---- tiles and fragments: see ti_mma for who holds what ------------------------------------- */

/* 16 rows of the warp, from X on; rows beyond LEFT are zeros. */
template <int SIZE>
static __device__ __forceinline__ void load_own(unsigned own[SIZE / 16][4], const float *x,
                                                int64_t ld, int left)
{
    const int lane = (int)(threadIdx.x % 32), g = lane / 4, t = lane % 4;
    for (int k = 0; k < SIZE / 16; k++)
        for (int i = 0; i < 4; i++) {
            int row = g + i % 2 * 8, col = 16 * k + 2 * t + i / 2 * 8;
            const float *from = x + row * ld + col;
            own[k][i] = row < left ? ti_bf16_pair(from[0], from[1]) : 0u;
        }
}

/* 64 rows as bf16 at a distance that keeps ldmatrix free of bank conflicts. */
template <int SIZE>
static __device__ void load_tile(ti_bf16 *tile, const float *x, int64_t ld, int left)
{
    unsigned *to = (unsigned *)tile;
    for (int i = (int)threadIdx.x; i < OTHER * SIZE / 4; i += TI_BLOCK) {
        int row = i / (SIZE / 4), col = i % (SIZE / 4) * 4;
        float4 value = make_float4(0, 0, 0, 0);
        if (row < left) value = *(const float4 *)(x + row * ld + col);
        to[(row * (SIZE + 8) + col) / 2] = ti_bf16_pair(value.x, value.y);
        to[(row * (SIZE + 8) + col) / 2 + 1] = ti_bf16_pair(value.z, value.w);
    }
}

/* c[2][4] += own times rows [first, first + 16) of the tile, turned. */
template <int SIZE>
static __device__ __forceinline__ void by_rows(float c[2][4], const unsigned own[SIZE / 16][4],
                                               const ti_bf16 *tile, int first)
{
    const int lane = (int)(threadIdx.x % 32), row = first + lane / 16 * 8 + lane % 8;
    const ti_bf16 *from = tile + row * (SIZE + 8) + lane / 8 % 2 * 8;
    for (int k = 0; k < SIZE / 16; k++) {
        unsigned b[4];
        ti_load_matrices(b, from + 16 * k);
        ti_mma(c[0], own[k], b[0], b[1]);
        ti_mma(c[1], own[k], b[2], b[3]);
    }
}

/* to[SIZE / 8][4] += a (16 rows, 16 others) times rows [first, first + 16) of the tile. */
template <int SIZE>
static __device__ __forceinline__ void by_columns(float to[SIZE / 8][4], const unsigned a[4],
                                                  const ti_bf16 *tile, int first)
{
    const int lane = (int)(threadIdx.x % 32), row = first + lane / 8 % 2 * 8 + lane % 8;
    const ti_bf16 *from = tile + row * (SIZE + 8) + lane / 16 * 8;
    for (int j = 0; j < SIZE / 16; j++) {
        unsigned b[4];
        ti_load_transposed(b, from + 16 * j);
        ti_mma(to[2 * j], a, b[0], b[1]);
        ti_mma(to[2 * j + 1], a, b[2], b[3]);
    }
}

/* What two neighbouring results are as the left factor of the next product. */
static __device__ __forceinline__ void as_factor(unsigned a[4], float c[2][4])
{
    a[0] = ti_bf16_pair(c[0][0], c[0][1]);
    a[1] = ti_bf16_pair(c[0][2], c[0][3]);
    a[2] = ti_bf16_pair(c[1][0], c[1][1]);
    a[3] = ti_bf16_pair(c[1][2], c[1][3]);
}

static __device__ __forceinline__ float quad_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, 2));
}

static __device__ __forceinline__ float quad_sum(float x)
{
    x += __shfl_xor_sync(0xFFFFFFFFu, x, 1);
    return x + __shfl_xor_sync(0xFFFFFFFFu, x, 2);
}

/* Own rows' sums to memory. */
template <int SIZE>
static __device__ __forceinline__ void store_own(float *y, int64_t ld, float acc[SIZE / 8][4],
                                                 int left, float low, float high)
{
    const int lane = (int)(threadIdx.x % 32), g = lane / 4, t = lane % 4;
    for (int j = 0; j < SIZE / 8; j++)
        for (int i = 0; i < 4; i++) {
            int row = g + i / 2 * 8, col = 8 * j + 2 * t + i % 2;
            if (row < left) y[row * ld + col] = acc[j][i] * (i < 2 ? low : high);
        }
}

/* ---- forward -------------------------------------------------------------------------------- */

/* s (scaled by log2 e) becomes probabilities against the largest score so far; what was summed up
 * before shrinks when that grows. */
template <int SIZE>
static __device__ __forceinline__ void soften(float s[OTHER / 8][4], float o[SIZE / 8][4],
                                              float top[2], float sum[2])
{
    for (int half = 0; half < 2; half++) {
        float most = top[half], shrink, part = 0;
        for (int j = 0; j < OTHER / 8; j++)
            most = fmaxf(most, fmaxf(s[j][2 * half], s[j][2 * half + 1]));
        most = quad_max(most);
        shrink = exp2f(top[half] - most);
        for (int j = 0; j < OTHER / 8; j++)
            for (int i = 2 * half; i < 2 * half + 2; i++) {
                s[j][i] = exp2f(s[j][i] - most);
                part += s[j][i];
            }
        sum[half] = sum[half] * shrink + part;
        top[half] = most;
        for (int j = 0; j < SIZE / 8; j++)
            for (int i = 2 * half; i < 2 * half + 2; i++) o[j][i] *= shrink;
    }
}

template <int SIZE>
static __global__ void __launch_bounds__(TI_BLOCK)
    attend(float *y, float *lse, const float *q, const float *k, const float *v,
           const ti_span *spans, int heads, int ld, float scale)
{
    __shared__ __align__(16) ti_bf16 keys[OTHER * (SIZE + 8)];
    __shared__ __align__(16) ti_bf16 values[OTHER * (SIZE + 8)];
    const int lane = (int)(threadIdx.x % 32), t = lane % 4, head = (int)blockIdx.y;
    const int start = spans[blockIdx.z].first, count = spans[blockIdx.z].count;
    if ((int)blockIdx.x * OWN >= count) return;
    const int first = (int)(blockIdx.x * OWN + threadIdx.x / 32 * 16);
    const int64_t at = (int64_t)start * ld + head * SIZE, ldy = (int64_t)heads * SIZE;
    unsigned own[SIZE / 16][4];
    float o[SIZE / 8][4] = {}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
    load_own<SIZE>(own, q + at + (int64_t)first * ld, ld, count - first);
    for (int key = 0; key < count; key += OTHER) {
        float s[OTHER / 8][4] = {};
        __syncthreads();
        load_tile<SIZE>(keys, k + at + (int64_t)key * ld, ld, count - key);
        load_tile<SIZE>(values, v + at + (int64_t)key * ld, ld, count - key);
        __syncthreads();
        for (int j = 0; j < OTHER / SLICE; j++) by_rows<SIZE>(&s[2 * j], own, keys, SLICE * j);
        for (int j = 0; j < OTHER / 8; j++)
            for (int i = 0; i < 4; i++)
                s[j][i] = key + 8 * j + 2 * t + i % 2 < count ? s[j][i] * scale : -INFINITY;
        soften<SIZE>(s, o, top, sum);
        for (int j = 0; j < OTHER / SLICE; j++) {
            unsigned a[4];
            as_factor(a, &s[2 * j]);
            by_columns<SIZE>(o, a, values, SLICE * j);
        }
    }
    sum[0] = quad_sum(sum[0]);
    sum[1] = quad_sum(sum[1]);
    store_own<SIZE>(y + ((int64_t)start + first) * ldy + head * SIZE, ldy, o, count - first,
                    1.0f / sum[0], 1.0f / sum[1]);
    for (int half = 0; half < 2; half++) {
        int row = first + lane / 4 + 8 * half;
        if (!t && row < count)
            lse[((int64_t)start + row) * heads + head] = (top[half] + log2f(sum[half])) / LOG2E;
    }
}

/* ---- backward ------------------------------------------------------------------------------- */

/* delta[row][head] = y dy, a warp each */
static __global__ void deltas(float *delta, const float *y, const float *dy, int64_t n, int size)
{
    const int64_t at = (int64_t)blockIdx.x * (TI_BLOCK / 32) + threadIdx.x / 32;
    const int lane = (int)(threadIdx.x % 32);
    if (at >= n) return;
    float sum = 0;
    for (int i = lane; i < size; i += 32) sum += y[at * size + i] * dy[at * size + i];
    for (int mask = 16; mask; mask /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, mask);
    if (!lane) delta[at] = sum;
}

/* own1 other1^T are scores, own2 other2^T their slopes by value. KEYS: own rows are keys (own1) and
 * values (own2), the others queries and dy; else the other way round. */
typedef struct sides {
    const float *own1, *own2, *other1, *other2;
    int64_t ld_own1, ld_own2, ld_other1, ld_other2;
    float *d1, *d2; /* gradients of own1, and with KEYS of own2; rows as own1's */
    const float *lse, *delta;
    const ti_span *spans;
    int heads;
    float scale;
} sides;

/* Probabilities into p and slopes of scores into ds, for others FIRST .. FIRST + 16 of the tile. */
template <bool KEYS>
static __device__ __forceinline__ void slopes(float p[2][4], float ds[2][4], const float *lse_of,
                                              const float *delta_of, int first, int left,
                                              float scale)
{
    const int lane = (int)(threadIdx.x % 32), t = lane % 4;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 4; i++) {
            int other = first + 8 * j + 2 * t + i % 2, row = KEYS ? other : i / 2;
            float x = exp2f((scale * p[j][i] - lse_of[row]) * LOG2E);
            p[j][i] = other < left ? x : 0.0f;
            ds[j][i] = other < left ? x * (ds[j][i] - delta_of[row]) : 0.0f;
        }
}

template <int SIZE, bool KEYS>
static __global__ void __launch_bounds__(TI_BLOCK) attend_back(sides a)
{
    __shared__ __align__(16) ti_bf16 tile1[OTHER * (SIZE + 8)];
    __shared__ __align__(16) ti_bf16 tile2[OTHER * (SIZE + 8)];
    __shared__ float lse_tile[OTHER], delta_tile[OTHER];
    const int head = (int)blockIdx.y, start = a.spans[blockIdx.z].first,
              count = a.spans[blockIdx.z].count;
    if ((int)blockIdx.x * OWN >= count) return;
    const int first = (int)(blockIdx.x * OWN + threadIdx.x / 32 * 16);
    unsigned own1[SIZE / 16][4], own2[SIZE / 16][4];
    float d1[SIZE / 8][4] = {}, d2[SIZE / 8][4] = {}, lse_own[2] = {0, 0}, delta_own[2] = {0, 0};
    const int64_t row0 = (int64_t)start + first;
    load_own<SIZE>(own1, a.own1 + row0 * a.ld_own1 + head * SIZE, a.ld_own1, count - first);
    load_own<SIZE>(own2, a.own2 + row0 * a.ld_own2 + head * SIZE, a.ld_own2, count - first);
    for (int half = 0; !KEYS && half < 2; half++) {
        int row = first + (int)(threadIdx.x % 32 / 4) + 8 * half;
        if (row >= count) continue;
        lse_own[half] = a.lse[((int64_t)start + row) * a.heads + head];
        delta_own[half] = a.delta[((int64_t)start + row) * a.heads + head];
    }
    for (int other = 0; other < count; other += OTHER) {
        const int64_t row = (int64_t)start + other;
        const int left = count - other, tid = (int)threadIdx.x;
        __syncthreads();
        load_tile<SIZE>(tile1, a.other1 + row * a.ld_other1 + head * SIZE, a.ld_other1, left);
        load_tile<SIZE>(tile2, a.other2 + row * a.ld_other2 + head * SIZE, a.ld_other2, left);
        if (KEYS && tid < OTHER) {
            lse_tile[tid] = tid < left ? a.lse[(row + tid) * a.heads + head] : 0.0f;
            delta_tile[tid] = tid < left ? a.delta[(row + tid) * a.heads + head] : 0.0f;
        }
        __syncthreads();
        for (int j = 0; j < OTHER; j += SLICE) {
            float p[2][4] = {}, ds[2][4] = {};
            unsigned factor[4];
            by_rows<SIZE>(p, own1, tile1, j);
            by_rows<SIZE>(ds, own2, tile2, j);
            slopes<KEYS>(p, ds, KEYS ? lse_tile : lse_own, KEYS ? delta_tile : delta_own, j, left,
                         a.scale);
            as_factor(factor, ds);
            by_columns<SIZE>(d1, factor, tile1, j);
            if (!KEYS) continue;
            as_factor(factor, p);
            by_columns<SIZE>(d2, factor, tile2, j);
        }
    }
    store_own<SIZE>(a.d1 + row0 * a.ld_own1 + head * SIZE, a.ld_own1, d1, count - first, a.scale,
                    a.scale);
    if (KEYS)
        store_own<SIZE>(a.d2 + row0 * a.ld_own2 + head * SIZE, a.ld_own2, d2, count - first, 1.0f,
                        1.0f);
}

/* ---- launching ------------------------------------------------------------------------------ */

static dim3 grid_of(const ti_attention_shape *s, int64_t *rows)
{
    int most = 0;
    *rows = 0;
    for (int i = 0; i < s->n_spans; i++) {
        const ti_span *one = &s->spans[i];
        if (one->count > most) most = one->count;
        if (one->first + one->count > *rows) *rows = one->first + one->count;
    }
    return dim3((unsigned)((most + OWN - 1) / OWN), (unsigned)s->heads, (unsigned)s->n_spans);
}

void ti_train_cuda_attend(ti_train_cuda *c, float *y, float *lse, const float *q, const float *k,
                          const float *v, const ti_attention_shape *s)
{
    int64_t rows;
    const dim3 grid = grid_of(s, &rows);
    const ti_span *spans = ti_train_cuda_spans(c, s->spans, s->n_spans);
    const float scale = LOG2E / sqrtf((float)s->head_size);
    if (!rows) return;
    if (s->head_size == 32)
        TI_LAUNCH(c, attend<32>, grid, TI_BLOCK, 0, c->stream, y, lse, q, k, v, spans, s->heads,
                  s->ld, scale);
    else
        TI_LAUNCH(c, attend<64>, grid, TI_BLOCK, 0, c->stream, y, lse, q, k, v, spans, s->heads,
                  s->ld, scale);
}

template <int SIZE>
static void launch_back(ti_train_cuda *c, dim3 grid, const sides *by_query, const sides *by_key)
{
    const sides queries = *by_query, keys = *by_key;
    TI_LAUNCH(c, (attend_back<SIZE, false>), grid, TI_BLOCK, 0, c->stream, queries);
    TI_LAUNCH(c, (attend_back<SIZE, true>), grid, TI_BLOCK, 0, c->stream, keys);
}

void ti_train_cuda_attend_back(ti_train_cuda *c, float *dq, float *dk, float *dv, const float *dy,
                               const float *y, const float *lse, const float *q, const float *k,
                               const float *v, const ti_attention_shape *s)
{
    int64_t rows;
    const dim3 grid = grid_of(s, &rows);
    const ti_span *spans = ti_train_cuda_spans(c, s->spans, s->n_spans);
    const int64_t ld = s->ld, ldy = (int64_t)s->heads * s->head_size, n = rows * s->heads;
    float *delta = (float *)ti_train_cuda_room(c, TI_ROOM_SUMS, (size_t)n * sizeof(float));
    if (!rows) return;
    TI_LAUNCH(c, deltas, (unsigned)((n + 7) / 8), TI_BLOCK, 0, c->stream, delta, y, dy, n,
              s->head_size);
    const float scale = 1.0f / sqrtf((float)s->head_size);
    const sides by_query = {q,  dy,   k,   v,     ld,    ldy,      ld,   ld,
                            dq, NULL, lse, delta, spans, s->heads, scale};
    const sides by_key = {k, v, q, dy, ld, ld, ld, ldy, dk, dv, lse, delta, spans, s->heads, scale};
    if (s->head_size == 32)
        launch_back<32>(c, grid, &by_query, &by_key);
    else
        launch_back<64>(c, grid, &by_query, &by_key);
}

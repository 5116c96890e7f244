/* quantise.cu - look-up-free quantisation and its terms; the mathematics stands in ../quantise.c.
 */
#include "ops/cuda/index.cuh"

enum { GROUP = 7, CODES = 1 << GROUP, ROWS = 256 /* of a chunk */ };

static __global__ void quantise(float *q, const float *z, int64_t n)
{
    const int64_t i = ti_my_index();
    if (i < n) q[i] = z[i] > 0 ? 1.0f : -1.0f;
}

void ti_train_cuda_quantise(ti_train_device *d, float *q, const float *z, const ti_lfq_shape *s)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const size_t n = (size_t)s->n * (size_t)s->bits;
    TI_LAUNCH(c, quantise, ti_blocks(n), TI_BLOCK, 0, c->stream, q, z, (int64_t)n);
}

static __device__ __forceinline__ float clamped_sigmoid(float x)
{
    const float p = 1.0f / (1.0f + expf(-x));
    return p < 1e-6f ? 1e-6f : p > 1 - 1e-6f ? 1 - 1e-6f : p;
}

/* dz = dq + commitment and certainty; the block's sums of both terms into sums[block][2]. */
static __global__ void own_terms(float *dz, double *sums, const float *dq, const float *z,
                                 ti_lfq_shape s)
{
    const int64_t i = ti_my_index(), n = (int64_t)s.n * s.bits;
    const float commit = 2 * s.commitment / ((float)s.n * (float)s.bits),
                certain = s.certainty / (float)s.n;
    double square = 0, entropy = 0;
    if (i < n) {
        const float gap = z[i] - (z[i] > 0 ? 1.0f : -1.0f), l = s.sharpness * z[i],
                    p = clamped_sigmoid(l);
        dz[i] = dq[i] + commit * gap - certain * s.sharpness * p * (1 - p) * l * 1.44269504f;
        square = (double)(gap * gap);
        entropy = -(double)(p * log2f(p) + (1 - p) * log2f(1 - p));
    }
    square = ti_block_sum(square);
    entropy = ti_block_sum(entropy);
    if (threadIdx.x) return;
    sums[2 * blockIdx.x] = square;
    sums[2 * blockIdx.x + 1] = entropy;
}

/* terms[0], terms[1], and terms[2] = 0 for the groups to add to. */
static __global__ void end_terms(float *terms, const double *sums, int blocks, ti_lfq_shape s)
{
    double square = 0, entropy = 0;
    for (int i = (int)threadIdx.x; i < blocks; i += TI_BLOCK) {
        square += sums[2 * i];
        entropy += sums[2 * i + 1];
    }
    square = ti_block_sum(square);
    entropy = ti_block_sum(entropy);
    if (threadIdx.x) return;
    terms[0] = (float)(square / ((double)s.n * s.bits));
    terms[1] = (float)(entropy / s.n);
    terms[2] = 0;
}

/* Bits FIRST .. FIRST + BITS of a code, the first the most significant. */
typedef struct group {
    int first, bits;
} group;

/* p[row][bit] of a chunk's rows; thread i's row. */
static __device__ __forceinline__ float joint_of(const float *p, int code, int bits)
{
    float joint = 1;
    for (int b = 0; b < bits; b++) joint *= code >> (bits - 1 - b) & 1 ? p[b] : 1 - p[b];
    return joint;
}

/* sums[chunk][code] of the joint probabilities */
static __global__ void joint_sums(double *sums, const float *z, ti_lfq_shape s, group g)
{
    __shared__ float p[ROWS][GROUP + 1];
    const int first = (int)blockIdx.x * ROWS, tid = (int)threadIdx.x, size = 1 << g.bits;
    const int rows = s.n - first < ROWS ? s.n - first : ROWS;
    if (tid < rows)
        for (int b = 0; b < g.bits; b++)
            p[tid][b] =
                clamped_sigmoid(s.sharpness * z[(int64_t)(first + tid) * s.bits + g.first + b]);
    __syncthreads();
    if (tid >= size) return;
    double sum = 0;
    for (int r = 0; r < rows; r++) sum += (double)joint_of(p[r], tid, g.bits);
    sums[(int64_t)blockIdx.x * CODES + tid] = sum;
}

/* Slopes of the mean code's entropy by each mean probability; the entropy is added to terms[2]. */
static __global__ void mean_slopes(float *slope, float *terms, const double *sums, int chunks,
                                   ti_lfq_shape s, group g)
{
    const int tid = (int)threadIdx.x;
    double entropy = 0;
    if (tid < 1 << g.bits) {
        double mean = 0;
        for (int i = 0; i < chunks; i++) mean += sums[(int64_t)i * CODES + tid];
        mean /= s.n;
        const double l = log2(mean > 1e-12 ? mean : 1e-12);
        entropy = -mean * l;
        slope[tid] = (float)(-(l + 1.4426950408889634));
    }
    entropy = ti_block_sum(entropy);
    if (!tid) terms[2] += (float)entropy;
}

/* dz -= diversity * gradient of that entropy, a thread a row */
static __global__ void diversity_back(float *dz, const float *z, const float *slope, ti_lfq_shape s,
                                      group g)
{
    const int row = (int)(blockIdx.x * TI_BLOCK + threadIdx.x);
    if (row >= s.n) return;
    const int64_t at = (int64_t)row * s.bits + g.first;
    const float scale = s.diversity / (float)s.n;
    float p[GROUP], one[GROUP], zero[GROUP];
    for (int b = 0; b < GROUP; b++) {
        p[b] = b < g.bits ? clamped_sigmoid(s.sharpness * z[at + b]) : 0.0f;
        one[b] = zero[b] = 0;
    }
    for (int code = 0; code < 1 << g.bits; code++) {
        const float part = joint_of(p, code, g.bits) * slope[code];
        for (int b = 0; b < GROUP; b++) {
            if (b >= g.bits) continue;
            if (code >> (g.bits - 1 - b) & 1)
                one[b] += part;
            else
                zero[b] += part;
        }
    }
    for (int b = 0; b < g.bits; b++)
        dz[at + b] -= scale * s.sharpness * (one[b] * (1 - p[b]) - zero[b] * p[b]);
}

void ti_train_cuda_quantise_back(ti_train_device *d, float *dz, float *terms, const float *dq,
                                 const float *z, const ti_lfq_shape *s)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const unsigned blocks = ti_blocks((size_t)s->n * (size_t)s->bits);
    const int chunks = (s->n + ROWS - 1) / ROWS;
    const size_t most = blocks * 2 > (size_t)chunks * CODES ? blocks * 2 : (size_t)chunks * CODES;
    double *sums = (double *)ti_train_cuda_room(c, TI_ROOM_SUMS, most * sizeof(double));
    float *slope = (float *)ti_train_cuda_room(c, TI_ROOM_NUMBERS, CODES * sizeof(float));
    TI_LAUNCH(c, own_terms, blocks, TI_BLOCK, 0, c->stream, dz, sums, dq, z, *s);
    TI_LAUNCH(c, end_terms, 1, TI_BLOCK, 0, c->stream, terms, sums, (int)blocks, *s);
    const int groups = (s->bits + GROUP - 1) / GROUP;
    for (int i = 0, first = 0; i < groups; i++) {
        const group g = {first, (s->bits - first + groups - i - 1) / (groups - i)};
        TI_LAUNCH(c, joint_sums, (unsigned)chunks, TI_BLOCK, 0, c->stream, sums, z, *s, g);
        TI_LAUNCH(c, mean_slopes, 1, TI_BLOCK, 0, c->stream, slope, terms, sums, chunks, *s, g);
        TI_LAUNCH(c, diversity_back, ti_blocks((size_t)s->n), TI_BLOCK, 0, c->stream, dz, z, slope,
                  *s, g);
        first += g.bits;
    }
}

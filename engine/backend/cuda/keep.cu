/* keep.cu - which of the picked tokens are kept. A row's place in the order of confidence is how
 * many rows come before it; every thread counts for one row, the others passing by in shared
 * memory. That is n^2 comparisons for some thousands of rows at most, and no sort: the order does
 * not depend on how the work is cut. */
#include "backend/cuda/random.cuh"
#include "backend/cuda/reduce.cuh"

typedef struct keep_case {
    const double *probs;
    const int32_t *keys;
    int n_rows, n;
    ti_keep_method method;
    double heat;
    ti_random random;
    bool *kept;
} keep_case;

static __device__ double confidence(const keep_case *k, int row)
{
    double prob = k->probs[row], noise = 0;
    uint64_t draw = (uint64_t)k->keys[row];
    if (k->method == TI_KEEP_HIGHEST) return prob;
    if (k->heat > 0)
        noise = __dmul_rn(k->heat, k->method == TI_KEEP_GUMBEL ? ti_gumbel(k->random, draw)
                                                               : ti_normal(k->random, draw));
    return __dadd_rn(log(fmax(prob, 1e-20)), noise);
}

/* What is counted: rows kept sooner (highest), rows dropped sooner (normal), rows that do not pass
 * MINE (Gumbel: rank N is strictly above where fewer than N others do not pass). */
static __device__ bool comes_before(const keep_case *k, double theirs, int other, double mine,
                                    int row)
{
    bool first = theirs == mine && (k->method == TI_KEEP_GUMBEL ? other != row : other < row);
    return first || (k->method == TI_KEEP_HIGHEST ? theirs > mine : theirs < mine);
}

static __global__ void keep(const __grid_constant__ keep_case k)
{
    __shared__ double others[TI_BLOCK];
    int row = (int)(blockIdx.x * TI_BLOCK + threadIdx.x), before = 0;
    double mine = row < k.n_rows ? confidence(&k, row) : 0;
    for (int first = 0; first < k.n_rows; first += TI_BLOCK) {
        int other = first + (int)threadIdx.x,
            n = k.n_rows - first < TI_BLOCK ? k.n_rows - first : TI_BLOCK;
        if (other < k.n_rows) others[threadIdx.x] = confidence(&k, other);
        __syncthreads();
        for (int i = 0; i < n; i++) before += comes_before(&k, others[i], first + i, mine, row);
        __syncthreads();
    }
    if (row < k.n_rows) k.kept[row] = (before < k.n) == (k.method == TI_KEEP_HIGHEST);
}

void ti_cuda_keep(ti_backend *be, const ti_keep *asked)
{
    ti_cuda *cuda = ti_cuda_of(be);
    const ti_pick *pick = asked->pick;
    if (!pick->n_rows || cuda->failed) return;
    ti_cuda_pending *picked = ti_cuda_just_picked(cuda, pick);
    if (!picked) return;
    size_t n = (size_t)pick->n_rows;
    keep_case k = {cuda->probs + picked->first,
                   ti_cuda_list_of(cuda, pick->keys, pick->n_rows),
                   pick->n_rows,
                   asked->n,
                   asked->method,
                   asked->heat,
                   asked->random,
                   cuda->kept + picked->first};
    TI_LAUNCH(cuda, keep, (unsigned)((n + TI_BLOCK - 1) / TI_BLOCK), TI_BLOCK, 0, cuda->stream, k);
    ti_cuda_check(cuda,
                  cudaMemcpyAsync(cuda->pinned_kept + picked->first, k.kept, n * sizeof *k.kept,
                                  cudaMemcpyDeviceToHost, cuda->stream),
                  "keep");
    picked->kept = asked->kept;
}

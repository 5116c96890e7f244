/* pick.cu - one token per row from guided logits, with its probability; a block a row. Logits stay
 * on the card: only ids and probabilities travel, and those arrive with the next sync().
 *
 * Guided logits are float32 in the order of the terms, without fused multiply-add, as on the CPU;
 * sums and noise are float64. */
#include "backend/cuda/random.cuh"
#include "backend/cuda/reduce.cuh"

typedef struct pick_case {
    const float *logits[3];
    float scale[3];
    int n_terms, n_cols;
    ti_pick_method method;
    double temperature;
    ti_random random;
    const int32_t *keys;
    int32_t *ids;
    double *probs;
    const int32_t *stay;
    double stay_least;
} pick_case;

static __device__ float guided(const pick_case *p, int64_t row, int c)
{
    int64_t at = row * p->n_cols + c;
    float l = __fmul_rn(p->scale[0], p->logits[0][at]);
    for (int i = 1; i < p->n_terms; i++) l = __fadd_rn(l, __fmul_rn(p->scale[i], p->logits[i][at]));
    return l;
}

/* The column of the highest score in the block; the lowest one on ties. */
static __device__ int block_highest(double score, int column)
{
    __shared__ double scores[TI_BLOCK];
    __shared__ int columns[TI_BLOCK];
    unsigned me = threadIdx.x;
    scores[me] = score;
    columns[me] = column;
    for (unsigned n = TI_BLOCK / 2; n; n /= 2) {
        __syncthreads();
        if (me >= n) continue;
        bool higher = scores[me + n] > scores[me];
        bool tie = scores[me + n] == scores[me] && columns[me + n] < columns[me];
        if (!higher && !tie) continue;
        scores[me] = scores[me + n];
        columns[me] = columns[me + n];
    }
    __syncthreads();
    int best = columns[0];
    __syncthreads();
    return best;
}

/* BESIDES: a column that is left out, or -1. */
static __device__ int highest(const pick_case *p, int64_t row, bool noisy, int besides)
{
    uint64_t draw = (uint64_t)p->keys[row] * (uint64_t)p->n_cols;
    double top = -INFINITY;
    int best = p->n_cols - 1;
    for (int c = (int)threadIdx.x; c < p->n_cols; c += TI_BLOCK) {
        double score = (double)guided(p, row, c);
        if (noisy) score += p->temperature * ti_gumbel(p->random, draw + (uint64_t)c);
        if (!(score > top) || c == besides) continue;
        top = score;
        best = c;
    }
    return block_highest(top, best);
}

/* The first column whose running sum passes u * total. Every thread sums a run of columns; the one
 * run that crosses is walked column by column. */
static __device__ int multinomial(const pick_case *p, int64_t row, double top)
{
    __shared__ double sums[TI_BLOCK];
    __shared__ int found;
    int run = (p->n_cols + TI_BLOCK - 1) / TI_BLOCK, first = (int)threadIdx.x * run;
    int last = first + run < p->n_cols ? first + run : p->n_cols;
    double sum = 0;
    for (int c = first; c < last; c++) sum += exp((double)guided(p, row, c) - top);
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        double total = 0;
        for (int i = 0; i < TI_BLOCK; i++) total += sums[i];
        uint64_t draw = (uint64_t)p->keys[row] * (uint64_t)p->n_cols;
        double left = ti_uniform(p->random, draw) * total;
        int at = 0;
        while (at + 1 < TI_BLOCK && left >= sums[at]) left -= sums[at++];
        int c = at * run, end = c + run < p->n_cols ? c + run : p->n_cols;
        for (; c < end; c++) {
            left -= exp((double)guided(p, row, c) - top);
            if (left < 0) break;
        }
        found = c < p->n_cols ? c : p->n_cols - 1;
    }
    __syncthreads();
    return found;
}

static __global__ void pick(const __grid_constant__ pick_case p)
{
    int64_t row = blockIdx.x;
    int id = highest(&p, row, false, -1);
    double top = (double)guided(&p, row, id), total = 0;
    for (int c = (int)threadIdx.x; c < p.n_cols; c += TI_BLOCK)
        total += exp((double)guided(&p, row, c) - top);
    total = ti_block_sum(total);
    if (p.stay && id == p.stay[row] && 1 / total < p.stay_least && p.n_cols > 1)
        id = highest(&p, row, false, id);
    if (p.method == TI_PICK_GUMBEL) id = highest(&p, row, true, -1);
    if (p.method == TI_PICK_MULTINOMIAL) id = multinomial(&p, row, top);
    if (threadIdx.x) return;
    p.ids[row] = id;
    p.probs[row] = exp((double)guided(&p, row, id) - top) / total;
}

ti_cuda_pending *ti_cuda_just_picked(ti_cuda *cuda, const ti_pick *pick)
{
    ti_cuda_pending *last = cuda->n_pending ? &cuda->pending[cuda->n_pending - 1] : NULL;
    if (last && last->ids == pick->ids) return last;
    ti_cuda_fail(cuda, "tokens are used before they are picked");
    return NULL;
}

void ti_cuda_pick(ti_backend *be, const ti_pick *asked)
{
    ti_cuda *cuda = ti_cuda_of(be);
    int n = asked->n_rows, first = cuda->n_picked;
    if (!n || cuda->failed) return;
    if (n > TI_CUDA_LIST_LENGTH)
        return ti_cuda_fail(cuda, "more than 65536 rows are picked at once");
    if (cuda->n_pending == TI_CUDA_PICKS || first + n > TI_CUDA_LIST_LENGTH) {
        if (be->op->sync(be, NULL)) return; /* kept, and told by the next one */
        first = 0;
    }
    pick_case p = {{asked->logits[0], asked->logits[1], asked->logits[2]},
                   {asked->scale[0], asked->scale[1], asked->scale[2]},
                   asked->n_terms,
                   asked->n_cols,
                   asked->method,
                   asked->temperature,
                   asked->random,
                   ti_cuda_list_of(cuda, asked->keys, n),
                   cuda->ids + first,
                   cuda->probs + first,
                   asked->method == TI_PICK_GREEDY ? ti_cuda_list_of(cuda, asked->stay, n) : NULL,
                   asked->stay_least};
    TI_LAUNCH(cuda, pick, (unsigned)n, TI_BLOCK, 0, cuda->stream, p);
    ti_cuda_check(cuda,
                  cudaMemcpyAsync(cuda->pinned_ids + first, p.ids, (size_t)n * sizeof *p.ids,
                                  cudaMemcpyDeviceToHost, cuda->stream),
                  "pick");
    ti_cuda_check(cuda,
                  cudaMemcpyAsync(cuda->pinned_probs + first, p.probs, (size_t)n * sizeof *p.probs,
                                  cudaMemcpyDeviceToHost, cuda->stream),
                  "pick");
    cuda->pending[cuda->n_pending++] = (ti_cuda_pending){first, n, asked->ids, asked->probs, NULL};
    cuda->n_picked = first + n;
}

/* embed.cu - rows of a table by number. The embedding's gradient meets the same row many times:
 * rows are sorted by token within chunks, each chunk adds up its rows of a token in order, and each
 * row of the table adds the chunks that know it, in order. */
#include "ops/cuda/index.cuh"

enum { CHUNK = 2048, INDEX_BITS = 11 };

static __global__ void embed(float *x, const float *table, const int32_t *tokens, int64_t n,
                             int width)
{
    const int64_t i = ti_my_index();
    int col;
    if (i >= n) return;
    const int64_t row = ti_divide(i, width, &col);
    x[i] = table[(int64_t)tokens[row] * width + col];
}

void ti_train_cuda_embed(ti_train_device *d, float *x, const float *table, const int32_t *tokens,
                         int rows, int width)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    size_t n = (size_t)rows * (size_t)width;
    TI_LAUNCH(c, embed, ti_blocks(n), TI_BLOCK, 0, c->stream, x, table, tokens, (int64_t)n, width);
}

static __global__ void scatter(float *dx, const float *dy, const int32_t *index, int64_t n,
                               int width)
{
    const int64_t i = ti_my_index();
    int col;
    if (i >= n) return;
    const int64_t row = ti_divide(i, width, &col);
    dx[(int64_t)index[row] * width + col] += dy[i];
}

void ti_train_cuda_scatter(ti_train_device *d, float *dx, const float *dy, const int32_t *index,
                           int rows, int width)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    size_t n = (size_t)rows * (size_t)width;
    TI_LAUNCH(c, scatter, ti_blocks(n), TI_BLOCK, 0, c->stream, dx, dy, index, (int64_t)n, width);
}

/* ---- gradient of the embedding -------------------------------------------------------------- */

/* keys[CHUNK]: token << INDEX_BITS | place, ascending; places beyond ROWS sort last. */
static __device__ void sort_chunk(unsigned *keys, const int32_t *tokens, int rows)
{
    for (int i = (int)threadIdx.x; i < CHUNK; i += TI_BLOCK)
        keys[i] = i < rows ? (unsigned)tokens[i] << INDEX_BITS | (unsigned)i : 0xFFFFFFFFu;
    for (int size = 2; size <= CHUNK; size *= 2)
        for (int step = size / 2; step; step /= 2) {
            __syncthreads();
            for (int i = (int)threadIdx.x; i < CHUNK / 2; i += TI_BLOCK) {
                int low = 2 * i - (i & (step - 1)), high = low + step;
                unsigned a = keys[low], b = keys[high];
                if ((a > b) == !(low & size)) {
                    keys[low] = b;
                    keys[high] = a;
                }
            }
        }
    __syncthreads();
}

/* One chunk: its distinct tokens, ascending, at known[chunk][CHUNK] (their number in
 * n_known[chunk]), and their sums of rows at sums[chunk][CHUNK][width]. */
static __global__ void chunk_sums(float *sums, int32_t *known, int32_t *n_known, const float *dx,
                                  const int32_t *tokens, int rows, int width)
{
    __shared__ unsigned keys[CHUNK];
    const int64_t first = (int64_t)blockIdx.x * CHUNK;
    const int n = rows - first < CHUNK ? (int)(rows - first) : CHUNK;
    sort_chunk(keys, tokens + first, n);
    int32_t *own = known + first;
    float *to = sums + first * width;
    int count = 0;
    for (int col = (int)threadIdx.x; col < width; col += TI_BLOCK) {
        float sum = 0;
        count = 0;
        for (int i = 0; i < n; i++) {
            unsigned key = keys[i];
            sum += dx[(first + (int64_t)(key & (CHUNK - 1))) * width + col];
            if (i + 1 < n && keys[i + 1] >> INDEX_BITS == key >> INDEX_BITS) continue;
            if (!col) own[count] = (int32_t)(key >> INDEX_BITS);
            to[(int64_t)count * width + col] = sum;
            count++;
            sum = 0;
        }
    }
    if (!threadIdx.x) n_known[blockIdx.x] = count;
}

/* dtable[token] += the chunks' sums. A block is a token of a chunk; the first chunk that knows the
 * token adds for all of them. */
static __global__ void table_sums(float *dtable, const float *sums, const int32_t *known,
                                  const int32_t *n_known, int chunks, int width)
{
    __shared__ int place[TI_BLOCK];
    const int own = (int)(blockIdx.x / CHUNK), slot = (int)(blockIdx.x % CHUNK),
              mine = (int)threadIdx.x;
    if (slot >= n_known[own]) return;
    const int token = known[(int64_t)own * CHUNK + slot];
    for (int base = 0; base < chunks; base += TI_BLOCK) {
        const int count = chunks - base < TI_BLOCK ? chunks - base : TI_BLOCK;
        if (mine < count) {
            const int32_t *list = known + (int64_t)(base + mine) * CHUNK;
            const int n = n_known[base + mine];
            int low = 0, high = n;
            while (low < high) {
                int middle = (low + high) / 2;
                if (list[middle] < token)
                    low = middle + 1;
                else
                    high = middle;
            }
            place[mine] = low < n && list[low] == token ? low : -1;
        }
        __syncthreads();
        for (int i = 0; i < count && base + i < own; i++)
            if (place[i] >= 0) return; /* the whole block */
        /* Before its own chunks there is nothing to add, and whose the row is is not known yet. */
        for (int col = base + count > own ? mine : width; col < width; col += TI_BLOCK) {
            float sum = dtable[(int64_t)token * width + col];
            for (int i = 0; i < count; i++)
                if (place[i] >= 0)
                    sum += sums[((int64_t)(base + i) * CHUNK + place[i]) * width + col];
            dtable[(int64_t)token * width + col] = sum;
        }
        __syncthreads();
    }
}

void ti_train_cuda_embed_back(ti_train_device *d, float *dtable, const float *dx,
                              const int32_t *tokens, int rows, int width)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    if (!rows) return;
    const int chunks = (rows + CHUNK - 1) / CHUNK;
    float *sums = (float *)ti_train_cuda_room(
        c, TI_ROOM_PATCHES, (size_t)chunks * CHUNK * (size_t)width * sizeof(float));
    int32_t *known = (int32_t *)ti_train_cuda_room(c, TI_ROOM_NUMBERS,
                                                   (size_t)chunks * (CHUNK + 1) * sizeof(int32_t));
    if (c->failed) return;
    int32_t *n_known = known + (size_t)chunks * CHUNK;
    TI_LAUNCH(c, chunk_sums, (unsigned)chunks, TI_BLOCK, 0, c->stream, sums, known, n_known, dx,
              tokens, rows, width);
    TI_LAUNCH(c, table_sums, (unsigned)(chunks * CHUNK), TI_BLOCK, 0, c->stream, dtable, sums,
              known, n_known, chunks, width);
}

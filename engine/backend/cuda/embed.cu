/* embed.cu - x[r] = table[tokens[r]], widened to float32. The table may lie in pinned host memory:
 * then the card fetches just these rows over the bus. */
#include "backend/cuda/cell.cuh"

static __device__ void copy_row(float *to, ti_type type, const void *table, int32_t token,
                                int64_t width)
{
    for (int64_t i = threadIdx.x; i < width; i += blockDim.x)
        to[i] = ti_element(type, table, token * width + i);
}

static __global__ void embed(float *x, ti_type type, const void *table, const int32_t *tokens,
                             int64_t width)
{
    copy_row(x + blockIdx.x * width, type, table, tokens[blockIdx.x], width);
}

static __global__ void embed_kept(float *x, ti_type type, const void *table, const int32_t *ids,
                                  const bool *kept, const int32_t *rows, int64_t width)
{
    if (kept[blockIdx.x])
        copy_row(x + rows[blockIdx.x] * width, type, table, ids[blockIdx.x], width);
}

void ti_cuda_embed(ti_backend *be, void *stream, const ti_weight *table, const int32_t *host_tokens,
                   int n_rows)
{
    ti_cuda *cuda = ti_cuda_of(be);
    const int32_t *tokens = ti_cuda_list_of(cuda, host_tokens, n_rows);
    if (!n_rows) return;
    TI_LAUNCH(cuda, embed, (unsigned)n_rows, 128, 0, cuda->stream, (float *)stream, table->type,
              table->data, tokens, table->cols);
}

void ti_cuda_embed_kept(ti_backend *be, void *stream, const ti_weight *table, const ti_keep *keep,
                        const int32_t *host_rows, int first_row)
{
    ti_cuda *cuda = ti_cuda_of(be);
    int n = keep->pick->n_rows;
    if (!n || cuda->failed) return;
    const ti_cuda_pending *picked = ti_cuda_just_picked(cuda, keep->pick);
    if (!picked) return;
    TI_LAUNCH(cuda, embed_kept, (unsigned)n, 128, 0, cuda->stream,
              (float *)stream + first_row * table->cols, table->type, table->data,
              cuda->ids + picked->first, cuda->kept + picked->first,
              ti_cuda_list_of(cuda, host_rows, n), table->cols);
}

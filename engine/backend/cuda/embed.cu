/* embed.cu - x[r] = table[tokens[r]], widened to float32. The table may lie in pinned host memory:
 * then the card fetches just these rows over the bus. */
#include "backend/cuda/cell.cuh"

static __global__ void embed(float *x, ti_type type, const void *table, const int32_t *tokens,
                             int64_t width)
{
    int64_t from = tokens[blockIdx.x] * width, to = blockIdx.x * width;
    for (int64_t i = threadIdx.x; i < width; i += blockDim.x)
        x[to + i] = ti_element(type, table, from + i);
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

/* weight.c - brings a tensor of the model file to the card, or as near as there is room.
 *
 * What is kept: vectors and convolution kernels as float32, the latter in conv.cu's arrangement;
 * F16 matrices as bf16; with FP8 the blocks' matrices as E4M3 and a scale a row; everything else in
 * the file's own bytes, so that a 4-bit model takes 4-bit room. Where: on the card or in pinned host
 * memory, from where product.c streams it, as plan.c says. */
#include "backend/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- memory -------------------------------------------------------------------------------------
 */

/* The token table: looked up row by row, and never multiplied if there is a head beside it. */
static bool is_table(const ti_tensor *tensor)
{
    return !strcmp(tensor->name, "token_embd.weight");
}

static te_status reserve(ti_cuda *cuda, ti_weight *w, size_t bytes, const ti_tensor *tensor,
                         te_error *err)
{
    bool matrix = w->n_dims == 2;
    if (ti_cuda_plan_place(&cuda->plan, bytes, matrix, is_table(tensor))) {
        if (cudaMalloc(&w->data, bytes) == cudaSuccess) return TE_OK;
        cudaGetLastError(); /* told here, not by the next launch */
        w->data = NULL;
    }
    w->on_host = true;
    if (matrix && cudaHostAlloc(&w->data, bytes, cudaHostAllocDefault) == cudaSuccess) return TE_OK;
    cudaGetLastError();
    w->data = NULL;
    size_t left = 0, total = 0;
    cudaMemGetInfo(&left, &total);
    return ti_fail(
        err, TE_NOMEM,
        "%s (%.1f MB) finds room neither on the card (%.1f of %.1f GB free) nor in locked memory; "
        "take a smaller type of the model or device cpu",
        tensor->name, (double)bytes / 1e6, (double)left / 1e9, (double)total / 1e9);
}

static te_status copy_in(ti_cuda *cuda, void *to, const void *from, size_t bytes, te_error *err)
{
    ti_cuda_check(cuda, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, cuda->stream),
                  "a weight's copy");
    return cuda->base.op->sync(&cuda->base, err);
}

/* ---- forms
 * ---------------------------------------------------------------------------------------- */

/* Vectors and convolution kernels: small, float32. */
static te_status bind_floats(ti_cuda *cuda, ti_weight *w, const ti_tensor *tensor, te_error *err)
{
    int64_t n = w->rows * w->cols;
    int64_t room = w->n_dims == 4 ? ti_cuda_conv_columns(w->rows) * w->cols : n;
    size_t bytes = (size_t)room * sizeof(float);
    float *values = ti_malloc_array((size_t)n, sizeof *values);
    float *packed = ti_malloc_array((size_t)room, sizeof *packed);
    te_status st = values && packed ? TE_OK : ti_fail_memory(err, tensor->name, 2 * bytes);
    if (!st) {
        ti_dequantize(tensor->type, tensor->data, values, n);
        if (w->n_dims == 4)
            ti_cuda_conv_pack(packed, values, tensor->shape);
        else
            memcpy(packed, values, bytes);
        st = reserve(cuda, w, bytes, tensor, err);
    }
    if (!st) st = copy_in(cuda, w->data, packed, bytes, err);
    w->type = TI_F32;
    free(values);
    free(packed);
    return st;
}

/* Matrices that change their form: through the card, a piece at a time. The card writes to pinned
 * host memory as well as to its own. */
static te_status bind_converted(ti_cuda *cuda, ti_weight *w, const ti_tensor *tensor, te_error *err)
{
    size_t from_bytes = ti_type_row_bytes(tensor->type, w->cols);
    int64_t step = (int64_t)(TI_CUDA_SLOT_BYTES / from_bytes);
    if (step > w->rows) step = w->rows;
    void *piece = NULL;
    if (cudaMalloc(&piece, (size_t)step * from_bytes) != cudaSuccess) {
        cudaGetLastError();
        return ti_fail_memory(err, "a weight's conversion on the card", (size_t)step * from_bytes);
    }
    te_status st = TE_OK;
    for (int64_t row = 0; row < w->rows && !st; row += step) {
        int64_t n = w->rows - row < step ? w->rows - row : step;
        const char *from = (const char *)tensor->data + (size_t)row * from_bytes;
        st = copy_in(cuda, piece, from, (size_t)n * from_bytes, err);
        if (st) break;
        if (w->scales)
            ti_cuda_to_fp8(cuda, (char *)w->data + row * w->cols, w->scales + row, tensor->type,
                           piece, n, w->cols, cuda->stream);
        else
            ti_cuda_expand(cuda, (char *)w->data + 2 * row * w->cols, false, tensor->type, piece,
                           n * w->cols, cuda->stream);
        st = cuda->base.op->sync(&cuda->base, err);
    }
    cudaFree(piece);
    return st;
}

/* E4M3 products want 16 bytes aligned on every side. */
static bool becomes_fp8(const ti_cuda *cuda, const ti_tensor *tensor)
{
    return cuda->fp8 && !strncmp(tensor->name, "blk.", 4) && tensor->shape[0] % 16 == 0 &&
           tensor->shape[1] % 16 == 0;
}

/* What the slots must hold for this matrix: at most their full size. */
static void want_slots(ti_cuda *cuda, const ti_weight *w, size_t bytes)
{
    size_t wide = (size_t)(w->rows * w->cols) * sizeof(float);
    if (bytes > TI_CUDA_SLOT_BYTES) bytes = TI_CUDA_SLOT_BYTES;
    if (wide > TI_CUDA_SLOT_BYTES) wide = TI_CUDA_SLOT_BYTES;
    if (w->on_host && cuda->raw_wanted < bytes) cuda->raw_wanted = bytes;
    bool expands = !w->scales && (cuda->exact ? w->type != TI_F32 : w->type != TI_BF16);
    if (expands && cuda->wide_wanted < wide) cuda->wide_wanted = wide;
}

/* Bytes MATRIX will be kept in; 0 for what cannot be. */
static size_t kept_bytes(const ti_cuda *cuda, const ti_tensor *matrix)
{
    size_t row = ti_type_row_bytes(matrix->type, matrix->shape[1]);
    if (becomes_fp8(cuda, matrix)) row = (size_t)matrix->shape[1];
    return row * (size_t)matrix->shape[0];
}

te_status ti_cuda_expect(ti_backend *be, const ti_tensor *const *tensors, int n, te_error *err)
{
    ti_cuda *cuda = (ti_cuda *)be;
    ti_cuda_needs needs = {.lockable = ti_memory_available()};
    for (int i = 0; i < n; i++) {
        const ti_tensor *t = tensors[i];
        uint64_t elements = (uint64_t)ti_tensor_elements(t);
        if (t->n_dims != 2) {
            needs.floats += elements * sizeof(float);
            continue;
        }
        uint64_t bytes = kept_bytes(cuda, t);
        needs.matrices += bytes;
        needs.elements += elements;
        if (is_table(t)) needs.table = bytes;
        if (!strcmp(t->name, "output.weight")) needs.has_head = true;
    }
    te_status st = ti_cuda_plan_expect(&cuda->plan, &needs, err);
    if (!st && cuda->plan.outside)
        snprintf(cuda->description, sizeof cuda->description,
                 "cuda (%s, %.1f of %.1f GB of weights in main memory)", cuda->name,
                 (double)cuda->plan.outside / 1e9, (double)needs.matrices / 1e9);
    return st;
}

static te_status bind_matrix(ti_cuda *cuda, ti_weight *w, const ti_tensor *tensor, te_error *err)
{
    size_t bytes = kept_bytes(cuda, tensor);
    bool converts = false;
    if (!bytes)
        return ti_fail(err, TE_FORMAT, "%s: rows of %lld elements cannot be of type %s",
                       tensor->name, (long long)w->cols, ti_type_name(tensor->type));
    if (tensor->type == TI_F32 && !cuda->settled) cuda->exact = true;
    if (becomes_fp8(cuda, tensor)) {
        if (cudaMalloc((void **)&w->scales, (size_t)w->rows * sizeof(float)) != cudaSuccess)
            return ti_fail_memory(err, tensor->name, (size_t)w->rows * sizeof(float));
        converts = true;
    } else if (tensor->type == TI_F16 && !cuda->exact) {
        w->type = TI_BF16;
        converts = true;
    }
    te_status st = reserve(cuda, w, bytes, tensor, err);
    if (st) return st;
    want_slots(cuda, w, bytes);
    if (converts) return bind_converted(cuda, w, tensor, err);
    return copy_in(cuda, w->data, tensor->data, bytes, err);
}

te_status ti_cuda_weight_create(ti_backend *be, const ti_tensor *tensor, ti_weight **out,
                                te_error *err)
{
    ti_cuda *cuda = ti_cuda_of(be);
    *out = NULL;
    ti_weight *w = ti_calloc(1, sizeof *w);
    if (!w) return ti_fail_memory(err, "a weight", sizeof *w);
    w->type = tensor->type;
    w->n_dims = tensor->n_dims;
    w->rows = tensor->shape[0];
    w->cols = 1;
    for (int i = 1; i < tensor->n_dims; i++) w->cols *= tensor->shape[i];
    te_status st =
        w->n_dims == 2 ? bind_matrix(cuda, w, tensor, err) : bind_floats(cuda, w, tensor, err);
    if (st) {
        ti_cuda_weight_free(be, w);
        return st;
    }
    *out = w;
    return TE_OK;
}

void ti_cuda_weight_free(ti_backend *be, ti_weight *w)
{
    if (!w) return;
    ti_cuda_forget_graphs(ti_cuda_of(be));
    if (w->data && w->on_host) cudaFreeHost(w->data);
    if (w->data && !w->on_host) cudaFree(w->data);
    if (w->scales) cudaFree(w->scales);
    free(w);
}

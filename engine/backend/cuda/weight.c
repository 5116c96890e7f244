/* weight.c - brings a tensor of the model file to the card, or as near as there is room.
 *
 * What is kept: vectors and convolution kernels as float32, the latter in conv.cu's arrangement;
 * F16 matrices as bf16; with FP8 the blocks' matrices as E4M3 and a scale a row; everything else in
 * the file's own bytes, so that a 4-bit model takes 4-bit room, or in those of a smaller type where
 * plan.c wants the room. Where: on the card or in pinned host memory, from where product.c streams
 * it, as plan.c says. */
#include "backend/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- memory ------------------------------------------------------------------------------ */

/* The token table: looked up row by row, and never multiplied if there is a head beside it. */
static bool is_table(const ti_tensor *tensor)
{
    return !strcmp(tensor->name, "token_embd.weight");
}

static bool is_head(const ti_tensor *tensor)
{
    return !strcmp(tensor->name, "output.weight");
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

/* ---- forms ------------------------------------------------------------------------------- */

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

/* Matrices that change their form: a piece at a time. What plan.c had made of a smaller type is
 * made by the CPU's threads, bit for bit as in a file of that type; what the card keeps otherwise
 * than a file would goes through the card, which writes to pinned host memory as well as to its
 * own. */
typedef struct piece {
    int64_t most;  /* rows */
    float *floats; /* [most][cols], and */
    void *made;    /* the same as the file would have it; NULL: it does */
    void *on_card; /* NULL: nothing is to be done there */
} piece;

static void free_piece(piece *p)
{
    free(p->floats);
    free(p->made);
    if (p->on_card) cudaFree(p->on_card);
}

static te_status take_piece(piece *p, const ti_tensor *tensor, ti_type type, bool converts,
                            te_error *err)
{
    size_t cols = (size_t)tensor->shape[1], row = ti_type_row_bytes(type, tensor->shape[1]);
    p->most = (int64_t)(TI_CUDA_SLOT_BYTES / (cols * sizeof(float)));
    if (p->most > tensor->shape[0]) p->most = tensor->shape[0];
    if (p->most < 1) p->most = 1;
    if (type != tensor->type) {
        p->floats = ti_malloc_array((size_t)p->most * cols, sizeof *p->floats);
        p->made = ti_malloc_array((size_t)p->most, row);
        if (!p->floats || !p->made)
            return ti_fail_memory(err, "rows of a weight", (size_t)p->most * (cols * 4 + row));
    }
    if (!converts || cudaMalloc(&p->on_card, (size_t)p->most * row) == cudaSuccess) return TE_OK;
    cudaGetLastError();
    p->on_card = NULL;
    return ti_fail_memory(err, "a weight's conversion on the card", (size_t)p->most * row);
}

/* N rows from ROW on, as the file has them or would have them if it were of TYPE. */
static const void *rows_as(const piece *p, const ti_tensor *tensor, ti_type type, int64_t row,
                           int64_t n)
{
    const int64_t cols = tensor->shape[1];
    const size_t from = ti_type_row_bytes(tensor->type, cols), to = ti_type_row_bytes(type, cols);
    const char *at = (const char *)tensor->data + (size_t)row * from;
    if (!p->made) return at;
#pragma omp parallel for schedule(static) if (n * cols >= 1 << 14)
    for (int64_t i = 0; i < n; i++) {
        ti_dequantize(tensor->type, at + (size_t)i * from, p->floats + i * cols, cols);
        ti_quantize(type, p->floats + i * cols, (char *)p->made + (size_t)i * to, cols);
    }
    return p->made;
}

/* CONVERTS: on the card, to E4M3 or bf16. */
static te_status bind_pieces(ti_cuda *cuda, ti_weight *w, const ti_tensor *tensor, ti_type type,
                             bool converts, te_error *err)
{
    size_t bytes = ti_type_row_bytes(type, w->cols);
    piece p = {0};
    te_status st = take_piece(&p, tensor, type, converts, err);
    for (int64_t row = 0; row < w->rows && !st; row += p.most) {
        int64_t n = w->rows - row < p.most ? w->rows - row : p.most;
        const void *from = rows_as(&p, tensor, type, row, n);
        char *to = converts ? p.on_card : (char *)w->data + (size_t)row * bytes;
        st = copy_in(cuda, to, from, (size_t)n * bytes, err);
        if (st || !converts) continue;
        if (w->scales)
            ti_cuda_to_fp8(cuda, (char *)w->data + row * w->cols, w->scales + row, type, p.on_card,
                           n, w->cols, cuda->stream);
        else
            ti_cuda_expand(cuda, (char *)w->data + 2 * row * w->cols, false, type, p.on_card,
                           n * w->cols, cuda->stream);
        st = cuda->base.op->sync(&cuda->base, err);
    }
    free_piece(&p);
    return st;
}

/* E4M3 products want 16 bytes aligned on every side: other matrices stay as they are. */
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
    bool expands = w->scales || w->type != ti_cuda_type(cuda); /* codes may have to: product.c */
    if (expands && cuda->wide_wanted < wide) cuda->wide_wanted = wide;
}

/* The type MATRIX is bound as in FORM. Which matrices a form is about, and what is done with rows
 * its type cannot hold, is the converter's rule: the backbone's, and the next type that can. */
static ti_type type_in(const ti_cuda_form *form, const ti_tensor *matrix)
{
    bool wide = matrix->type == TI_F32 || matrix->type == TI_F16 || matrix->type == TI_BF16;
    bool backbones = !strncmp(matrix->name, "blk.", 4) || is_table(matrix) || is_head(matrix);
    if (!form->made || !wide || !backbones) return matrix->type;
    return ti_type_for_rows(form->type, matrix->shape[1]);
}

/* Bytes MATRIX will be kept in; 0 for what cannot be. */
static size_t kept_bytes(const ti_cuda *cuda, const ti_cuda_form *form, const ti_tensor *matrix)
{
    size_t row = ti_type_row_bytes(type_in(form, matrix), matrix->shape[1]);
    if (becomes_fp8(cuda, matrix)) row = (size_t)matrix->shape[1];
    return row * (size_t)matrix->shape[0];
}

static void measure(const ti_cuda *cuda, ti_cuda_form *form, const ti_tensor *const *tensors, int n)
{
    for (int i = 0; i < n; i++) {
        if (tensors[i]->n_dims != 2) continue;
        uint64_t bytes = kept_bytes(cuda, form, tensors[i]);
        form->matrices += bytes;
        if (is_table(tensors[i])) form->table = bytes;
    }
}

/* The file's form, and smaller ones unless somebody wants the file's or asked for FP8 by name. */
static void list_forms(const ti_cuda *cuda, ti_cuda_needs *needs, const ti_tensor *const *tensors,
                       int n)
{
    static const ti_type types[] = {TI_BF16, TI_Q8_0, TI_Q4_K};
    measure(cuda, &needs->forms[0], tensors, n);
    needs->n_forms = 1;
    for (size_t i = 0; i < sizeof types / sizeof *types && !cuda->fp8 && !cuda->as_is; i++) {
        ti_cuda_form form = {.made = true, .type = types[i]};
        measure(cuda, &form, tensors, n);
        if (form.matrices < needs->forms[needs->n_forms - 1].matrices)
            needs->forms[needs->n_forms++] = form;
    }
}

/* The plan, in words a person sees. */
static void describe_plan(ti_cuda *cuda, uint64_t file_bytes)
{
    const ti_cuda_plan *p = &cuda->plan;
    char made[96] = "", outside[64] = "";
    if (p->form.made)
        snprintf(made, sizeof made,
                 ", weights made %s: %.1f of the file's %.1f GB would stream in every pass",
                 ti_type_name(p->form.type), (double)p->spared / 1e9, (double)file_bytes / 1e9);
    if (p->outside)
        snprintf(outside, sizeof outside, ", %.1f of %.1f GB of weights in main memory",
                 (double)p->outside / 1e9, (double)p->form.matrices / 1e9);
    snprintf(cuda->description, sizeof cuda->description, "cuda (%s%s%s)", cuda->name, made,
             outside);
}

te_status ti_cuda_expect(ti_backend *be, const ti_tensor *const *tensors, int n, te_error *err)
{
    ti_cuda *cuda = (ti_cuda *)be;
    ti_cuda_needs needs = {.lockable = ti_memory_available()};
    for (int i = 0; i < n; i++) {
        uint64_t elements = (uint64_t)ti_tensor_elements(tensors[i]);
        if (tensors[i]->n_dims == 2)
            needs.elements += elements;
        else
            needs.floats += elements * sizeof(float);
        if (is_head(tensors[i])) needs.has_head = true;
    }
    list_forms(cuda, &needs, tensors, n);
    te_status st = ti_cuda_plan_expect(&cuda->plan, &needs, err);
    if (!st) describe_plan(cuda, needs.forms[0].matrices);
    return st;
}

static te_status bind_matrix(ti_cuda *cuda, ti_weight *w, const ti_tensor *tensor, te_error *err)
{
    size_t bytes = kept_bytes(cuda, &cuda->plan.form, tensor);
    ti_type type = w->type = type_in(&cuda->plan.form, tensor);
    bool converts = false;
    if (!bytes)
        return ti_fail(err, TE_FORMAT, "%s: rows of %lld elements cannot be of type %s",
                       tensor->name, (long long)w->cols, ti_type_name(tensor->type));
    if (type == TI_F32 && !cuda->settled) cuda->exact = true;
    cuda->settled = true; /* what is bound so far is bound for one kind of operand */
    if (becomes_fp8(cuda, tensor)) {
        if (cudaMalloc((void **)&w->scales, (size_t)w->rows * sizeof(float)) != cudaSuccess)
            return ti_fail_memory(err, tensor->name, (size_t)w->rows * sizeof(float));
        converts = true;
    } else if (type == TI_F16 && !cuda->exact) {
        w->type = TI_BF16;
        converts = true;
    }
    te_status st = reserve(cuda, w, bytes, tensor, err);
    if (st) return st;
    want_slots(cuda, w, bytes);
    if (converts || type != tensor->type) return bind_pieces(cuda, w, tensor, type, converts, err);
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

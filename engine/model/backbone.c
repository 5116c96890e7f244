/* backbone.c - binds the weights of the model file to the device, each checked against the shape
 * the configuration promises. */
#include "model/backbone.h"
#include "base/memory.h"
#include "format/rope.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct binder {
    ti_backbone *b;
    const ti_gguf *file;
} binder;

/* COLS 0: a vector of ROWS. */
static te_status bind(const binder *bind, const char *name, int64_t rows, int64_t cols,
                      ti_weight **out, te_error *err)
{
    const ti_tensor *tensor;
    int64_t shape[2] = {rows, cols};
    te_status st = ti_gguf_need(bind->file, name, cols ? 2 : 1, shape, &tensor, err);
    if (!st) st = bind->b->backend->op->weight_create(bind->b->backend, tensor, out, err);
    if (!st) bind->b->parameters += rows * (cols ? cols : 1);
    return st;
}

/* A query or key matrix, its rows in rotate-half order: *COPY receives a copy where the file's are
 * not. */
static te_status bind_turning(const binder *bind_to, int layer, const char *part, int64_t rows,
                              ti_weight **out, void **copy, te_error *err)
{
    const ti_backbone_config *c = &bind_to->b->config;
    ti_backend *be = bind_to->b->backend;
    char name[64];
    const ti_tensor *tensor;
    int64_t shape[2] = {rows, c->width};
    snprintf(name, sizeof name, "blk.%d.%s.weight", layer, part);
    te_status st = ti_gguf_need(bind_to->file, name, 2, shape, &tensor, err);
    if (st) return st;
    ti_tensor turned = *tensor;
    if (c->interleaved) {
        *copy = ti_aligned_alloc(tensor->bytes);
        if (!*copy) return ti_fail_memory(err, name, tensor->bytes);
        ti_rope_rows_half(tensor, c->heads.head_size, *copy);
        turned.data = *copy;
    }
    bind_to->b->parameters += rows * c->width;
    return be->op->weight_create(be, &turned, out, err);
}

static te_status bind_in_layer(const binder *b, int layer, const char *part, int64_t rows,
                               int64_t cols, ti_weight **out, te_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%d.%s.weight", layer, part);
    return bind(b, name, rows, cols, out, err);
}

static te_status bind_layer(const binder *b, int i, te_error *err)
{
    const ti_backbone_config *c = &b->b->config;
    ti_layer *l = &b->b->layers[i];
    int64_t width = c->width, ff = c->ff_width;
    int64_t kv = (int64_t)c->heads.n_kv_heads * c->heads.head_size;
    te_status st = bind_in_layer(b, i, "attn_norm", width, 0, &l->attention_norm, err);
    if (!st) st = bind_turning(b, i, "attn_q", width, &l->q, &l->q_rows, err);
    if (!st) st = bind_turning(b, i, "attn_k", kv, &l->k, &l->k_rows, err);
    if (!st) st = bind_in_layer(b, i, "attn_v", kv, width, &l->v, err);
    if (!st) st = bind_in_layer(b, i, "attn_output", width, width, &l->o, err);
    if (!st) st = bind_in_layer(b, i, "ffn_norm", width, 0, &l->ff_norm, err);
    if (!st) st = bind_in_layer(b, i, "ffn_gate", ff, width, &l->gate, err);
    if (!st) st = bind_in_layer(b, i, "ffn_up", ff, width, &l->up, err);
    if (!st) st = bind_in_layer(b, i, "ffn_down", width, ff, &l->down, err);
    return st;
}

/* Tells the device what will come. */
static te_status announce(const binder *b, te_error *err)
{
    int n = ti_gguf_tensor_count(b->file);
    const ti_tensor **all = ti_malloc_array((size_t)n, sizeof *all);
    if (!all) return ti_fail_memory(err, "the list of tensors", (size_t)n * sizeof *all);
    for (int i = 0; i < n; i++) all[i] = ti_gguf_tensor(b->file, i);
    ti_backend *be = b->b->backend;
    te_status st = be->op->expect(be, all, n, err);
    free(all);
    return st;
}

static te_status bind_all(const binder *b, te_error *err)
{
    ti_backbone *m = b->b;
    const ti_backbone_config *c = &m->config;
    te_status st = bind(b, "token_embd.weight", c->vocab, c->width, &m->embedding, err);
    for (int i = 0; i < c->n_layers && !st; i++) st = bind_layer(b, i, err);
    if (!st) st = bind(b, "output_norm.weight", c->width, 0, &m->norm, err);
    if (st) return st;
    if (!ti_gguf_find(b->file, "output.weight")) {
        m->head = m->embedding;
        return TE_OK;
    }
    return bind(b, "output.weight", c->vocab, c->width, &m->head, err);
}

te_status ti_backbone_create(ti_backbone **out, const ti_gguf *file, ti_backend *backend,
                             te_error *err)
{
    *out = NULL;
    ti_backbone *b = ti_calloc(1, sizeof *b);
    if (!b) return ti_fail_memory(err, "the backbone", sizeof *b);
    b->backend = backend;
    te_status st = ti_backbone_read_config(&b->config, file, err);
    if (!st) {
        b->layers = ti_calloc((size_t)b->config.n_layers, sizeof *b->layers);
        if (!b->layers)
            st = ti_fail_memory(err, "the layers", (size_t)b->config.n_layers * sizeof *b->layers);
    }
    if (!st) st = announce(&(binder){b, file}, err);
    if (!st) st = bind_all(&(binder){b, file}, err);
    if (st) {
        ti_backbone_free(b);
        return st;
    }
    *out = b;
    return TE_OK;
}

static void free_layer(ti_backend *be, ti_layer *l)
{
    ti_weight *all[] = {l->attention_norm, l->q,    l->k,  l->v,   l->o,
                        l->ff_norm,        l->gate, l->up, l->down};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) be->op->weight_free(be, all[i]);
    free(l->q_rows);
    free(l->k_rows);
}

void ti_backbone_free(ti_backbone *b)
{
    if (!b) return;
    ti_backend *be = b->backend;
    for (int i = 0; b->layers && i < b->config.n_layers; i++) free_layer(be, &b->layers[i]);
    free(b->layers);
    be->op->weight_free(be, b->norm);
    if (b->head != b->embedding) be->op->weight_free(be, b->head);
    be->op->weight_free(be, b->embedding);
    free(b);
}

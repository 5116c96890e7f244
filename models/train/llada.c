/* llada.c - see llada.h. The queries', keys' and values' matrices are neighbours in memory, and so
 * are gate and up: one product makes all three, or both. */
#include "llada_internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGIT_ROWS 512 /* read rows whose logits are held at once, unless the device wants more */

typedef ti_llada_layer layer;

te_status ti_llada_config_read(ti_llada_config *c, const json_t *network, int vocab, te_error *err)
{
    int64_t width, layers, heads, ff;
    double theta;
    const char *precision;
    te_status st = ti_config_int(network, "width", 16, 8192, 256, &width, err);
    if (!st) st = ti_config_int(network, "layers", 1, 256, 8, &layers, err);
    if (!st) st = ti_config_int(network, "heads", 1, 256, 4, &heads, err);
    if (!st) st = ti_config_int(network, "ff", 16, 65536, 704, &ff, err);
    if (!st) st = ti_config_real(network, "theta", 1, 1e9, 10000, &theta, err);
    if (!st) st = ti_config_text(network, "precision", "bf16", &precision, err);
    if (st) return st;
    if (width % heads || width / heads % 2)
        return ti_fail(err, TE_INVALID,
                       "configuration: %lld heads do not divide a width of %lld evenly",
                       (long long)heads, (long long)width);
    if (strcmp(precision, "bf16") && strcmp(precision, "f32"))
        return ti_fail(err, TE_INVALID, "configuration: \"precision\" must be bf16 or f32");
    *c = (ti_llada_config){.width = (int)width,
                           .layers = (int)layers,
                           .heads = (int)heads,
                           .ff = (int)ff,
                           .vocab = vocab,
                           .context = TI_TRAIN_MAX_TOKENS,
                           .eps = 1e-5f,
                           .theta = (float)theta,
                           .logit_scale = 1,
                           .bf16 = !strcmp(precision, "bf16")};
    return TE_OK;
}

/* ---- parameters -------------------------------------------------------------------------- */

/* IN 0: a vector. Queries and keys of the first layer hold the planted head (llada_init.c), which
 * is a matter of exact angles. */
static int add(ti_llada *l, int number, const char *name, int64_t out, int64_t in)
{
    const bool planted = number == 0 && (!strcmp(name, "q_proj") || !strcmp(name, "k_proj"));
    const unsigned flags = (in ? TI_DECAYS : 0) | (planted             ? TI_SLOW
                                                   : in && number >= 0 ? TI_MATRIX
                                                                       : 0);
    char full[TI_PARAM_NAME];
    if (number < 0)
        snprintf(full, sizeof full, TI_LLADA_PREFIX "%s.weight", name);
    else
        snprintf(full, sizeof full, TI_LLADA_PREFIX "blocks.%d.%s.weight", number, name);
    return ti_params_add(&l->params, full, in ? 2 : 1, (int64_t[]){out, in}, flags);
}

static void declare_parameters(ti_llada *l)
{
    const ti_llada_config *c = &l->config;
    l->embedding = add(l, -1, "wte", c->vocab, c->width);
    for (int i = 0; i < c->layers; i++) {
        layer *y = &l->layers[i];
        y->attn_norm = add(l, i, "attn_norm", c->width, 0);
        y->qkv = add(l, i, "q_proj", c->width, c->width);
        add(l, i, "k_proj", c->width, c->width);
        add(l, i, "v_proj", c->width, c->width);
        y->attn_out = add(l, i, "attn_out", c->width, c->width);
        y->ff_norm = add(l, i, "ff_norm", c->width, 0);
        y->gate_up = add(l, i, "ff_proj", c->ff, c->width);
        add(l, i, "up_proj", c->ff, c->width);
        y->ff_out = add(l, i, "ff_out", c->width, c->ff);
    }
    l->norm = add(l, -1, "ln_f", c->width, 0);
    l->head = add(l, -1, "ff_out", c->vocab, c->width);
}

/* ---- memory: carved twice, first to count ------------------------------------------------ */

static float *carve(char *base, size_t *at, size_t floats)
{
    float *p = base ? (float *)(void *)(base + *at) : NULL;
    *at += (floats * sizeof(float) + 63) / 64 * 64;
    return p;
}

static size_t carve_all(ti_llada *l, char *base)
{
    const ti_llada_config *c = &l->config;
    const size_t rows = (size_t)l->max_rows, d = (size_t)c->width, f = (size_t)c->ff;
    const size_t held = (size_t)l->read_rows;
    size_t at = 0;
    for (int i = 0; i < c->layers; i++) {
        layer *y = &l->layers[i];
        y->in = carve(base, &at, rows * d);
        y->h1 = carve(base, &at, rows * d);
        y->qkv_rows = carve(base, &at, rows * 3 * d);
        y->mixed = carve(base, &at, rows * d);
        y->middle = carve(base, &at, rows * d);
        y->h2 = carve(base, &at, rows * d);
        y->gates = carve(base, &at, rows * 2 * f);
        y->gated = carve(base, &at, rows * f);
        y->rstd1 = carve(base, &at, rows);
        y->rstd2 = carve(base, &at, rows);
        y->lse = carve(base, &at, rows * (size_t)c->heads);
    }
    l->x = carve(base, &at, rows * d);
    l->dx = carve(base, &at, rows * d);
    l->wide = carve(base, &at, rows * (3 * d > 2 * f ? 3 * d : 2 * f));
    l->narrow = carve(base, &at, rows * (d > f ? d : f));
    l->read = carve(base, &at, held * d);
    l->read_h = carve(base, &at, held * d);
    l->read_dh = carve(base, &at, held * d);
    l->read_rstd = carve(base, &at, held);
    l->logits = carve(base, &at, held * (size_t)c->vocab);
    l->row_loss = carve(base, &at, 4 * rows);
    l->row_hit = base ? l->row_loss + 2 * rows : NULL;
    l->weights = carve(base, &at, 2 * rows);
    l->tokens = (int32_t *)(void *)carve(base, &at, rows);
    l->positions = (int32_t *)(void *)carve(base, &at, rows);
    l->index = (int32_t *)(void *)carve(base, &at, 2 * rows);
    l->targets = (int32_t *)(void *)carve(base, &at, 2 * rows);
    return at;
}

te_status ti_llada_create(ti_llada **out, ti_train_device *device, const ti_llada_config *config,
                          int max_rows, te_error *err)
{
    *out = NULL;
    ti_llada *l = ti_calloc(1, sizeof *l);
    if (!l) return ti_fail_memory(err, "the backbone", sizeof *l);
    l->config = *config;
    l->device = device;
    l->max_rows = max_rows;
    l->read_rows = device->rows_at_once ? device->rows_at_once : LOGIT_ROWS;
    if (l->read_rows > max_rows) l->read_rows = max_rows;
    ti_params_init(&l->params, device);
    l->layers = ti_calloc((size_t)config->layers, sizeof *l->layers);
    l->host = ti_malloc_array(4 * (size_t)max_rows, sizeof *l->host);
    te_status st = l->layers && l->host ? TE_OK : ti_fail_memory(err, "the backbone", sizeof *l);
    if (!st) declare_parameters(l);
    if (!st) st = ti_params_allocate(&l->params, err);
    if (!st) st = device->op->alloc(device, carve_all(l, NULL), &l->memory, err);
    if (st) {
        ti_llada_free(l);
        return st;
    }
    carve_all(l, l->memory);
    *out = l;
    return TE_OK;
}

void ti_llada_free(ti_llada *l)
{
    if (!l) return;
    if (l->memory) l->device->op->release(l->device, l->memory);
    ti_params_clear(&l->params);
    free(l->layers);
    free(l->host);
    free(l);
}

ti_params *ti_llada_params(ti_llada *l)
{
    return &l->params;
}

const ti_llada_config *ti_llada_get_config(const ti_llada *l)
{
    return &l->config;
}

/* ---- products ---------------------------------------------------------------------------- */

/* y[rows][out] = x w^T (+ y) */
static void forward_product(ti_llada *l, float *y, const float *x, const float *w, int rows, int in,
                            int out, bool accumulate)
{
    ti_gemm_shape s = {.form = TI_GEMM_NT,
                       .bf16 = l->config.bf16,
                       .accumulate = accumulate,
                       .m = rows,
                       .n = out,
                       .k = in,
                       .alpha = 1,
                       .lda = in,
                       .ldb = in,
                       .ldc = out};
    l->device->op->gemm(l->device, &s, x, w, y);
}

/* dx[rows][in] = dy w, dw[out][in] += dy^T x */
static void backward_product(ti_llada *l, float *dx, float *dw, const float *dy, const float *x,
                             const float *w, int rows, int in, int out)
{
    ti_gemm_shape s = {.form = TI_GEMM_TN,
                       .bf16 = l->config.bf16,
                       .accumulate = true,
                       .m = out,
                       .n = in,
                       .k = rows,
                       .alpha = 1,
                       .lda = out,
                       .ldb = in,
                       .ldc = in};
    l->device->op->gemm(l->device, &s, dy, x, dw);
    s = (ti_gemm_shape){.form = TI_GEMM_NN,
                        .bf16 = l->config.bf16,
                        .m = rows,
                        .n = in,
                        .k = out,
                        .alpha = 1,
                        .lda = out,
                        .ldb = in,
                        .ldc = in};
    l->device->op->gemm(l->device, &s, dy, w, dx);
}

#define VALUE(l, index) ti_param_value(&(l)->params, index)
#define GRAD(l, index)  ti_param_grad(&(l)->params, index)

static ti_attention_shape attention_shape(const ti_llada *l, const ti_packed *b)
{
    return (ti_attention_shape){.spans = b->spans,
                                .n_spans = b->n_spans,
                                .heads = l->config.heads,
                                .head_size = l->config.width / l->config.heads,
                                .ld = 3 * l->config.width,
                                .bf16 = l->config.bf16};
}

static void turn(ti_llada *l, float *qkv, int rows, int sign)
{
    const ti_llada_config *c = &l->config;
    const int size = c->width / c->heads, ld = 3 * c->width;
    l->device->op->rope(l->device, qkv, l->positions, rows, c->heads, size, ld, c->theta, sign);
    l->device->op->rope(l->device, qkv + c->width, l->positions, rows, c->heads, size, ld, c->theta,
                        sign);
}

/* ---- forward ----------------------------------------------------------------------------- */

static void forward_layer(ti_llada *l, layer *y, float *out, const ti_packed *b)
{
    ti_train_device *dev = l->device;
    const int d = l->config.width, f = l->config.ff, rows = b->rows;
    ti_attention_shape s = attention_shape(l, b);
    dev->op->norm(dev, y->h1, y->rstd1, y->in, VALUE(l, y->attn_norm), rows, d, l->config.eps);
    forward_product(l, y->qkv_rows, y->h1, VALUE(l, y->qkv), rows, d, 3 * d, false);
    turn(l, y->qkv_rows, rows, 1);
    dev->op->attention(dev, y->mixed, y->lse, y->qkv_rows, y->qkv_rows + d, y->qkv_rows + 2 * d,
                       &s);
    dev->op->copy(dev, y->middle, y->in, (size_t)rows * (size_t)d);
    forward_product(l, y->middle, y->mixed, VALUE(l, y->attn_out), rows, d, d, true);
    dev->op->norm(dev, y->h2, y->rstd2, y->middle, VALUE(l, y->ff_norm), rows, d, l->config.eps);
    forward_product(l, y->gates, y->h2, VALUE(l, y->gate_up), rows, d, 2 * f, false);
    dev->op->swiglu(dev, y->gated, y->gates, rows, f);
    dev->op->copy(dev, out, y->middle, (size_t)rows * (size_t)d);
    forward_product(l, out, y->gated, VALUE(l, y->ff_out), rows, f, d, true);
}

static void forward(ti_llada *l, const ti_packed *b)
{
    ti_train_device *dev = l->device;
    const int n = l->config.layers;
    dev->op->upload(dev, l->tokens, b->tokens, (size_t)b->rows * sizeof *b->tokens);
    dev->op->upload(dev, l->positions, b->positions, (size_t)b->rows * sizeof *b->positions);
    dev->op->embed(dev, l->layers[0].in, VALUE(l, l->embedding), l->tokens, b->rows,
                   l->config.width);
    for (int i = 0; i < n; i++)
        forward_layer(l, &l->layers[i], i + 1 < n ? l->layers[i + 1].in : l->x, b);
}

/* ---- loss -------------------------------------------------------------------------------- */

/* N read rows of X from number AT on: forward to their losses, and back to dx. */
static void read_rows(ti_llada *l, const ti_reading *r, const float *x, int at, int n)
{
    ti_train_device *dev = l->device;
    const int d = l->config.width;
    const size_t column = (size_t)r->first_column * (size_t)d;
    dev->op->gather(dev, l->read, x, l->index + at, n, d);
    dev->op->norm(dev, l->read_h, l->read_rstd, l->read, VALUE(l, l->norm), n, d, l->config.eps);
    forward_product(l, l->logits, l->read_h, VALUE(l, l->head) + column, n, d, r->columns, false);
    dev->op->cross_entropy(dev, l->logits, l->row_loss + at, l->row_hit + at, l->targets + at,
                           l->weights + at, n, r->columns, l->config.logit_scale);
    backward_product(l, l->read_dh, GRAD(l, l->head) + column, l->logits, l->read_h,
                     VALUE(l, l->head) + column, n, d, r->columns);
    float *dread = l->read_h; /* no longer needed */
    dev->op->zero(dev, dread, (size_t)n * (size_t)d);
    dev->op->norm_back(dev, dread, GRAD(l, l->norm), l->read_dh, l->read, VALUE(l, l->norm),
                       l->read_rstd, n, d);
    dev->op->scatter(dev, l->dx, dread, l->index + at, n, d);
}

/* Readings FROM .. TO - 1 of X, one after another in the lists of read rows. */
static void read_all(ti_llada *l, const ti_packed *b, const float *x, int from, int to)
{
    ti_train_device *dev = l->device;
    int at = 0;
    for (int k = 0; k < from; k++) at += b->readings[k].n;
    for (int k = from; k < to; k++) {
        const ti_reading *r = &b->readings[k];
        dev->op->upload(dev, l->index + at, r->rows, (size_t)r->n * sizeof *r->rows);
        dev->op->upload(dev, l->targets + at, r->targets, (size_t)r->n * sizeof *r->targets);
        dev->op->upload(dev, l->weights + at, r->weights, (size_t)r->n * sizeof *r->weights);
        for (int first = 0; first < r->n; first += l->read_rows)
            read_rows(l, r, x, at + first,
                      r->n - first < l->read_rows ? r->n - first : l->read_rows);
        at += r->n;
    }
}

/* ---- backward ---------------------------------------------------------------------------- */

static void backward_layer(ti_llada *l, layer *y, const ti_packed *b)
{
    ti_train_device *dev = l->device;
    const int d = l->config.width, f = l->config.ff, rows = b->rows;
    ti_attention_shape s = attention_shape(l, b);
    backward_product(l, l->narrow, GRAD(l, y->ff_out), l->dx, y->gated, VALUE(l, y->ff_out), rows,
                     f, d);
    dev->op->swiglu_back(dev, l->wide, l->narrow, y->gates, rows, f);
    backward_product(l, l->narrow, GRAD(l, y->gate_up), l->wide, y->h2, VALUE(l, y->gate_up), rows,
                     d, 2 * f);
    dev->op->norm_back(dev, l->dx, GRAD(l, y->ff_norm), l->narrow, y->middle, VALUE(l, y->ff_norm),
                       y->rstd2, rows, d);
    backward_product(l, l->narrow, GRAD(l, y->attn_out), l->dx, y->mixed, VALUE(l, y->attn_out),
                     rows, d, d);
    dev->op->attention_back(dev, l->wide, l->wide + d, l->wide + 2 * d, l->narrow, y->mixed, y->lse,
                            y->qkv_rows, y->qkv_rows + d, y->qkv_rows + 2 * d, &s);
    turn(l, l->wide, rows, -1);
    backward_product(l, l->narrow, GRAD(l, y->qkv), l->wide, y->h1, VALUE(l, y->qkv), rows, d,
                     3 * d);
    dev->op->norm_back(dev, l->dx, GRAD(l, y->attn_norm), l->narrow, y->in, VALUE(l, y->attn_norm),
                       y->rstd1, rows, d);
}

te_status ti_llada_step(ti_llada *l, const ti_packed *b, te_error *err)
{
    ti_train_device *dev = l->device;
    if (b->rows > l->max_rows)
        return ti_fail(err, TE_INVALID, "a batch of %d tokens, room for %d", b->rows, l->max_rows);
    int read = 0;
    for (int k = 0; k < TI_READINGS; k++) read += b->readings[k].n;
    if (read > 2 * l->max_rows) return ti_fail(err, TE_INVALID, "rows are read more than twice");
    forward(l, b);
    dev->op->zero(dev, l->dx, (size_t)b->rows * (size_t)l->config.width);
    read_all(l, b, l->x, 0, TI_READ_NAMES);
    for (int i = l->config.layers - 1; i >= 0; i--) {
        backward_layer(l, &l->layers[i], b);
        if (i == l->config.layers / 2) read_all(l, b, l->layers[i].in, TI_READ_NAMES, TI_READINGS);
    }
    dev->op->embed_back(dev, GRAD(l, l->embedding), l->dx, l->tokens, b->rows, l->config.width);
    return TE_OK;
}

te_status ti_llada_losses(ti_llada *l, const ti_packed *b, ti_llada_loss *loss, te_error *err)
{
    const float *losses = l->host, *hits = l->host + 2 * l->max_rows;
    te_status st = l->device->op->download(l->device, l->host, l->row_loss,
                                           4 * (size_t)l->max_rows * sizeof(float), err);
    for (int k = 0, at = 0; !st && k < TI_READINGS; k++)
        for (int i = 0; i < b->readings[k].n; i++, at++) {
            loss->weighted[k] += (double)b->readings[k].weights[i] * (double)losses[at];
            loss->plain[k] += (double)losses[at];
            loss->hits[k] += (double)hits[at];
        }
    return st;
}

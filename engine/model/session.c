/* session.c - the memory of one job and the forward pass over it. */
#include "model/backbone.h"
#include "base/memory.h"

#include <stdlib.h>

/* Device memory, carved from one allocation. Queries, keys and values are done with when the
 * feed-forward layer begins, so its wide operand lies over them. */
struct ti_session {
    ti_backbone *b;
    ti_session_shape shape;
    void *memory;
    void *x;       /* stream  [rows][width] */
    void *x_read;  /* stream  [read_rows][width]: the rows the last layer finishes */
    void *h;       /* operand [rows][width]: what goes into the next product */
    void *q;       /* values  [rows][width] */
    void *k, *v;   /* values  [rows][kv width] */
    void *wide;    /* operand [rows][ff_width], over q, k, v */
    float *logits; /* [logit_cells] */
    int32_t *positions, *read_positions; /* host, one allocation */
};

static size_t align_up(size_t n)
{
    return (n + 255) & ~(size_t)255;
}

/* Offsets of the parts, in order x, x_read, h, q, k, v, logits; the total last. */
enum { AT_X, AT_X_READ, AT_H, AT_Q, AT_K, AT_V, AT_LOGITS, AT_END, N_OFFSETS };

static void lay_out(const ti_backbone *b, const ti_session_shape *shape, size_t at[N_OFFSETS])
{
    ti_backend *be = b->backend;
    const ti_backbone_config *c = &b->config;
    int kv_width = c->heads.n_kv_heads * c->heads.head_size;
    size_t values = align_up(be->op->values_bytes(be, shape->rows, c->width));
    size_t kv = align_up(be->op->values_bytes(be, shape->rows, kv_width));
    size_t wide = align_up(be->op->operand_bytes(be, shape->rows, c->ff_width));
    at[AT_X] = 0;
    at[AT_X_READ] = align_up(be->op->stream_bytes(be, shape->rows, c->width));
    at[AT_H] = at[AT_X_READ] + align_up(be->op->stream_bytes(be, shape->read_rows, c->width));
    at[AT_Q] = at[AT_H] + align_up(be->op->operand_bytes(be, shape->rows, c->width));
    at[AT_K] = at[AT_Q] + values;
    at[AT_V] = at[AT_K] + kv;
    at[AT_LOGITS] = at[AT_V] + kv;
    if (at[AT_LOGITS] < at[AT_Q] + wide) at[AT_LOGITS] = at[AT_Q] + wide;
    at[AT_END] = at[AT_LOGITS] + align_up(shape->logit_cells * sizeof(float));
}

size_t ti_session_bytes(const ti_backbone *b, const ti_session_shape *shape)
{
    size_t at[N_OFFSETS];
    lay_out(b, shape, at);
    return at[AT_END];
}

te_status ti_session_create(ti_session **out, ti_backbone *b, const ti_session_shape *shape,
                            te_error *err)
{
    *out = NULL;
    ti_session *s = ti_calloc(1, sizeof *s);
    if (!s) return ti_fail_memory(err, "the session", sizeof *s);
    s->b = b;
    s->shape = *shape;
    size_t at[N_OFFSETS], n = (size_t)shape->rows + (size_t)shape->read_rows;
    lay_out(b, shape, at);
    te_status st = b->backend->op->alloc(b->backend, at[AT_END], &s->memory, err);
    if (!st && !(s->positions = ti_malloc_array(n, sizeof *s->positions)))
        st = ti_fail_memory(err, "the positions", n * sizeof *s->positions);
    if (st) {
        ti_session_free(s);
        return st;
    }
    char *base = s->memory;
    s->x = base + at[AT_X];
    s->x_read = base + at[AT_X_READ];
    s->h = base + at[AT_H];
    s->q = s->wide = base + at[AT_Q];
    s->k = base + at[AT_K];
    s->v = base + at[AT_V];
    s->logits = (float *)(void *)(base + at[AT_LOGITS]);
    s->read_positions = s->positions + shape->rows;
    *out = s;
    return TE_OK;
}

void ti_session_free(ti_session *s)
{
    if (!s) return;
    if (s->memory) s->b->backend->op->release(s->b->backend, s->memory);
    free(s->positions);
    free(s);
}

/* ---- the forward pass ------------------------------------------------------------------------ */

/* Which rows go where in a pass: all of them, or in the last layer's second half those that are
 * read. */
typedef struct pass {
    int n_rows, n_read, n_segments;
    ti_segment all[TI_MAX_SEQUENCES];  /* every row attends within its sequence */
    ti_segment read[TI_MAX_SEQUENCES]; /* read rows attend to all rows of their sequence */
    ti_rope rope, read_rope;
} pass;

static te_status prepare(ti_session *s, const ti_batch *batch, pass *p, te_error *err)
{
    const ti_backbone_config *c = &s->b->config;
    *p = (pass){.n_rows = batch->n_sequences * batch->length,
                .n_segments = batch->n_sequences,
                .rope = {s->positions, c->heads.head_size, c->rope_theta},
                .read_rope = {s->read_positions, c->heads.head_size, c->rope_theta}};
    if (batch->length > c->context)
        return ti_fail(err, TE_INVALID,
                       "a sequence of %d tokens exceeds the model's %d; shorten the text",
                       batch->length, c->context);
    for (int i = 0; i < batch->n_sequences; i++) {
        int first = i * batch->length;
        p->all[i] = (ti_segment){first, batch->length, first, batch->length};
        p->read[i] = (ti_segment){p->n_read, batch->read_count[i], first, batch->length};
        p->n_read += batch->read_count[i];
    }
    if (p->n_rows > s->shape.rows || p->n_read > s->shape.read_rows)
        return ti_fail(err, TE_INVALID, "a batch of %d tokens exceeds the session's %d", p->n_rows,
                       s->shape.rows);
    for (int r = 0; r < p->n_rows; r++) {
        if (batch->tokens[r] < 0 || batch->tokens[r] >= c->vocab)
            return ti_fail(err, TE_INVALID, "token %d is outside the model's vocabulary of %d",
                           (int)batch->tokens[r], c->vocab);
        s->positions[r] = r % batch->length;
    }
    for (int r = 0; r < p->n_read; r++) s->read_positions[r] = batch->read[r] % batch->length;
    return TE_OK;
}

/* x += down(silu(gate h) * up h), h = norm(x) */
static void feed_forward(ti_session *s, void *x, const ti_layer *l, int n_rows)
{
    ti_backend *be = s->b->backend;
    be->op->norm(be, s->h, x, NULL, n_rows, l->ff_norm, s->b->config.norm_eps);
    be->op->gate(be, s->wide, s->h, l->gate, l->up, n_rows);
    be->op->linear_add(be, x, s->wide, l->down, n_rows);
}

static void keys_and_values(ti_session *s, const ti_layer *l, const pass *p)
{
    ti_backend *be = s->b->backend;
    const ti_backbone_config *c = &s->b->config;
    be->op->norm(be, s->h, s->x, NULL, p->n_rows, l->attention_norm, c->norm_eps);
    be->op->linear_rope(be, s->k, s->h, l->k, p->n_rows, &p->rope);
    be->op->linear(be, s->v, s->h, l->v, p->n_rows);
}

static void block(ti_session *s, const ti_layer *l, const pass *p)
{
    ti_backend *be = s->b->backend;
    const ti_backbone_config *c = &s->b->config;
    keys_and_values(s, l, p);
    be->op->linear_rope(be, s->q, s->h, l->q, p->n_rows, &p->rope);
    be->op->attention(be, s->h, s->q, s->k, s->v, &c->heads, p->all, p->n_segments);
    be->op->linear_add(be, s->x, s->h, l->o, p->n_rows);
    feed_forward(s, s->x, l, p->n_rows);
}

/* The last block: every row gives keys and values, but only the rows that are read go on. */
static void last_block(ti_session *s, const ti_layer *l, const pass *p, const int32_t *read)
{
    ti_backend *be = s->b->backend;
    const ti_backbone_config *c = &s->b->config;
    keys_and_values(s, l, p);
    be->op->norm(be, s->h, s->x, read, p->n_read, l->attention_norm, c->norm_eps);
    be->op->linear_rope(be, s->q, s->h, l->q, p->n_read, &p->read_rope);
    be->op->attention(be, s->h, s->q, s->k, s->v, &c->heads, p->read, p->n_segments);
    be->op->gather(be, s->x_read, s->x, read, p->n_read, c->width);
    be->op->linear_add(be, s->x_read, s->h, l->o, p->n_read);
    feed_forward(s, s->x_read, l, p->n_read);
}

/* All blocks but the last: the same ops in every pass over as many rows. */
typedef struct whole_blocks {
    ti_session *s;
    const pass *p;
    const volatile int *cancel;
} whole_blocks;

static te_status issue_whole_blocks(void *user, te_error *err)
{
    const whole_blocks *w = user;
    ti_session *s = w->s;
    for (int i = 0; i + 1 < s->b->config.n_layers; i++) {
        if (w->cancel && *w->cancel) return ti_fail(err, TE_CANCELLED, "cancelled");
        block(s, &s->b->layers[i], w->p);
    }
    return TE_OK;
}

static te_status run_whole_blocks(ti_session *s, const pass *p, const volatile int *cancel,
                                  te_error *err)
{
    struct {
        void *memory[6];
        int n_rows, n_segments;
    } key = {{s->b->layers, s->x, s->h, s->q, s->k, s->v}, p->n_rows, p->n_segments};
    whole_blocks w = {s, p, cancel};
    ti_repeated what = {&key, sizeof key, issue_whole_blocks, &w};
    ti_backend *be = s->b->backend;
    return s->b->config.n_layers > 1 ? be->op->repeat(be, &what, err) : TE_OK;
}

te_status ti_session_forward(ti_session *s, const ti_batch *batch, const volatile int *cancel,
                             te_error *err)
{
    pass p;
    te_status st = prepare(s, batch, &p, err);
    if (st) return st;
    ti_backend *be = s->b->backend;
    const ti_backbone_config *c = &s->b->config;
    be->op->embed(be, s->x, s->b->embedding, batch->tokens, p.n_rows);
    const ti_revealed *r = &batch->revealed;
    for (int i = 0; r->keep && i < batch->n_sequences; i++)
        be->op->embed_kept(be, s->x, s->b->embedding, r->keep, r->rows,
                           i * batch->length + r->first);
    st = run_whole_blocks(s, &p, cancel, err);
    if (!st && cancel && *cancel) st = ti_fail(err, TE_CANCELLED, "cancelled");
    if (st) return st;
    last_block(s, &s->b->layers[c->n_layers - 1], &p, batch->read);
    be->op->norm(be, s->h, s->x_read, NULL, p.n_read, s->b->norm, c->norm_eps);
    return TE_OK;
}

void ti_session_head(ti_session *s, size_t at, int first_read, int n_read, int first_column,
                     int n_columns, const float **out)
{
    ti_backend *be = s->b->backend;
    *out = s->logits + at;
    be->op->head(be, s->logits + at, s->h, first_read, n_read, s->b->head, first_column, n_columns,
                 s->b->config.logit_scale);
}

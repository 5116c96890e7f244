/* timed.c - see timed.h */
#include "timed.h"

#include <string.h>
#include <time.h>

double ti_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double ti_cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *ti_timed_name(ti_timed_op op)
{
    static const char *const names[TI_TIMED_OPS] = {
        "embed", "norm", "linear", "linear_rope", "attention", "linear_add", "gate", "gather"};
    return names[op];
}

static ti_timed *timed_of(ti_backend *be)
{
    return (ti_timed *)be;
}

typedef struct start {
    double seconds, cpu_seconds;
} start;

static start begin(void)
{
    return (start){ti_seconds(), ti_cpu_seconds()};
}

/* Ends an op begun SINCE then. */
static void count(ti_timed *t, ti_timed_op op, start since)
{
    t->inner->op->sync(t->inner, NULL); /* a failure is kept, and returned by the next sync */
    t->seconds[op] += ti_seconds() - since.seconds;
    t->cpu_seconds[op] += ti_cpu_seconds() - since.cpu_seconds;
}

/* ---- passed on as it is ------------------------------------------------------------------ */

static void timed_free(ti_backend *be)
{
    (void)be; /* the caller's */
}

static te_status timed_alloc(ti_backend *be, size_t bytes, void **memory, te_error *err)
{
    ti_backend *inner = timed_of(be)->inner;
    return inner->op->alloc(inner, bytes, memory, err);
}

static void timed_release(ti_backend *be, void *memory)
{
    ti_backend *inner = timed_of(be)->inner;
    inner->op->release(inner, memory);
}

static te_status timed_sync(ti_backend *be, te_error *err)
{
    ti_backend *inner = timed_of(be)->inner;
    return inner->op->sync(inner, err);
}

static te_status timed_repeat(ti_backend *be, const ti_repeated *what, te_error *err)
{
    (void)be;
    return what->issue(what->user, err); /* each op is to be seen */
}

static te_status timed_expect(ti_backend *be, const ti_tensor *const *tensors, int n, te_error *err)
{
    ti_backend *inner = timed_of(be)->inner;
    return inner->op->expect(inner, tensors, n, err);
}

static te_status timed_weight_create(ti_backend *be, const ti_tensor *tensor, ti_weight **out,
                                     te_error *err)
{
    ti_backend *inner = timed_of(be)->inner;
    return inner->op->weight_create(inner, tensor, out, err);
}

static void timed_weight_free(ti_backend *be, ti_weight *w)
{
    ti_backend *inner = timed_of(be)->inner;
    inner->op->weight_free(inner, w);
}

static size_t timed_stream_bytes(ti_backend *be, int rows, int width)
{
    ti_backend *inner = timed_of(be)->inner;
    return inner->op->stream_bytes(inner, rows, width);
}

static size_t timed_operand_bytes(ti_backend *be, int rows, int width)
{
    ti_backend *inner = timed_of(be)->inner;
    return inner->op->operand_bytes(inner, rows, width);
}

static size_t timed_values_bytes(ti_backend *be, int rows, int width)
{
    ti_backend *inner = timed_of(be)->inner;
    return inner->op->values_bytes(inner, rows, width);
}

/* ---- timed ------------------------------------------------------------------------------- */

static void timed_embed(ti_backend *be, void *stream, const ti_weight *table,
                        const int32_t *host_tokens, int n_rows)
{
    ti_timed *t = timed_of(be);
    start since = begin();
    t->inner->op->embed(t->inner, stream, table, host_tokens, n_rows);
    count(t, TI_TIMED_EMBED, since);
}

static void timed_norm(ti_backend *be, void *operand, const void *stream, const int32_t *host_rows,
                       int n_rows, const ti_weight *gain, float eps)
{
    ti_timed *t = timed_of(be);
    start since = begin();
    t->inner->op->norm(t->inner, operand, stream, host_rows, n_rows, gain, eps);
    count(t, TI_TIMED_NORM, since);
}

static void timed_linear(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                         int n_rows)
{
    ti_timed *t = timed_of(be);
    start since = begin();
    t->inner->op->linear(t->inner, values, operand, w, n_rows);
    count(t, TI_TIMED_LINEAR, since);
}

static void timed_linear_rope(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                              int n_rows, const ti_rope *rope)
{
    ti_timed *t = timed_of(be);
    start since = begin();
    t->inner->op->linear_rope(t->inner, values, operand, w, n_rows, rope);
    count(t, TI_TIMED_LINEAR_ROPE, since);
}

static void timed_attention(ti_backend *be, void *operand, const void *q, const void *k,
                            const void *v, const ti_heads *heads, const ti_segment *segments,
                            int n_segments)
{
    ti_timed *t = timed_of(be);
    start since = begin();
    t->inner->op->attention(t->inner, operand, q, k, v, heads, segments, n_segments);
    count(t, TI_TIMED_ATTENTION, since);
}

static void timed_linear_add(ti_backend *be, void *stream, const void *operand, const ti_weight *w,
                             int n_rows)
{
    ti_timed *t = timed_of(be);
    start since = begin();
    t->inner->op->linear_add(t->inner, stream, operand, w, n_rows);
    count(t, TI_TIMED_LINEAR_ADD, since);
}

static void timed_gate(ti_backend *be, void *operand, const void *h, const ti_weight *w_gate,
                       const ti_weight *w_up, int n_rows)
{
    ti_timed *t = timed_of(be);
    start since = begin();
    t->inner->op->gate(t->inner, operand, h, w_gate, w_up, n_rows);
    count(t, TI_TIMED_GATE, since);
}

static void timed_gather(ti_backend *be, void *stream, const void *from, const int32_t *host_rows,
                         int n_rows, int width)
{
    ti_timed *t = timed_of(be);
    start since = begin();
    t->inner->op->gather(t->inner, stream, from, host_rows, n_rows, width);
    count(t, TI_TIMED_GATHER, since);
}

static const ti_ops timed_ops = {
    .free = timed_free,
    .alloc = timed_alloc,
    .release = timed_release,
    .sync = timed_sync,
    .repeat = timed_repeat,
    .expect = timed_expect,
    .weight_create = timed_weight_create,
    .weight_free = timed_weight_free,
    .stream_bytes = timed_stream_bytes,
    .operand_bytes = timed_operand_bytes,
    .values_bytes = timed_values_bytes,
    .embed = timed_embed,
    .norm = timed_norm,
    .linear = timed_linear,
    .linear_rope = timed_linear_rope,
    .attention = timed_attention,
    .linear_add = timed_linear_add,
    .gate = timed_gate,
    .gather = timed_gather,
};

void ti_timed_reset(ti_timed *timed)
{
    memset(timed->seconds, 0, sizeof timed->seconds);
    memset(timed->cpu_seconds, 0, sizeof timed->cpu_seconds);
}

void ti_timed_init(ti_timed *timed, ti_backend *inner)
{
    *timed =
        (ti_timed){.base = {.op = &timed_ops, .description = inner->description}, .inner = inner};
}

/* bench.c - te_tool_bench(): whole forward passes of a model, or of random weights in a model's
 * shape, timed op by op. Every row goes through every layer, as in other programs' benchmarks; an
 * edit does less (the last layer and the head only for rows that are read). The head is left out
 * for the same reason. */
#include "tools.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api.h"
#include "timed.h"

enum { MOST_ROUNDS = 100, RANDOM_VOCAB = 256 };

/* ---- a backbone of random weights -------------------------------------------------------- */

/* The backbone and the bytes its weights are views of. */
typedef struct random_backbone {
    ti_backbone *b;
    void **bytes;
    int n, capacity;
} random_backbone;

static const struct shape {
    const char *name;
    ti_backbone_config config;
} shapes[] = {{"llada-8b",
               {.width = 4096,
                .n_layers = 4,
                .ff_width = 12288,
                .vocab = RANDOM_VOCAB,
                .context = 4096,
                .heads = {32, 32, 128},
                .norm_eps = 1e-5f,
                .rope_theta = 500000,
                .logit_scale = 1}}};

static void free_random(random_backbone *r)
{
    ti_backbone_free(r->b);
    for (int i = 0; i < r->n; i++) free(r->bytes[i]);
    free(r->bytes);
}

/* ROWS x COLS of TYPE (COLS 0: a float32 vector): one row of normal numbers, repeated. */
static te_status random_weight(random_backbone *r, ti_type type, int64_t rows, int64_t cols,
                               ti_weight **out, te_error *err)
{
    const int64_t n = cols ? cols : rows, repeats = cols ? rows : 1;
    const size_t row = ti_type_row_bytes(cols ? type : TI_F32, n);
    unsigned char *bytes = ti_malloc_array((size_t)repeats, row);
    float *values = ti_malloc_array((size_t)n, sizeof *values);
    te_status st = TE_OK;
    if (!bytes || !values) {
        free(bytes);
        st = ti_fail_memory(err, "random weights", (size_t)repeats * row);
    } else {
        for (int64_t i = 0; i < n; i++)
            values[i] =
                cols ? 0.02f * (float)ti_random_normal((ti_random){1, 1}, (uint64_t)i) : 1.0f;
        ti_quantize(cols ? type : TI_F32, values, bytes, n);
        for (int64_t i = 1; i < repeats; i++) memcpy(bytes + (size_t)i * row, bytes, row);
        r->bytes[r->n++] = bytes;
        const ti_tensor tensor = {.name = "random",
                                  .type = cols ? type : TI_F32,
                                  .n_dims = cols ? 2 : 1,
                                  .shape = {rows, cols ? cols : 1, 1, 1},
                                  .data = bytes,
                                  .bytes = (size_t)repeats * row};
        st = r->b->backend->op->weight_create(r->b->backend, &tensor, out, err);
    }
    free(values);
    return st;
}

static te_status random_layer(random_backbone *r, ti_layer *l, ti_type type, te_error *err)
{
    const ti_backbone_config *c = &r->b->config;
    const int64_t d = c->width, ff = c->ff_width,
                  kv = (int64_t)c->heads.n_kv_heads * c->heads.head_size;
    const struct {
        ti_weight **out;
        int64_t rows, cols;
    } all[] = {{&l->attention_norm, d, 0},
               {&l->q, d, d},
               {&l->k, kv, d},
               {&l->v, kv, d},
               {&l->o, d, d},
               {&l->ff_norm, d, 0},
               {&l->gate, ff, d},
               {&l->up, ff, d},
               {&l->down, d, ff}};
    te_status st = TE_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && !st; i++)
        st = random_weight(r, type, all[i].rows, all[i].cols, all[i].out, err);
    return st;
}

static te_status create_random(random_backbone *r, const te_bench *bench, ti_backend *be,
                               te_error *err)
{
    const struct shape *shape = NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (bench->shape && !strcmp(shapes[i].name, bench->shape)) shape = &shapes[i];
    if (!shape)
        return ti_fail(err, TE_INVALID, "there is no shape '%s'; use llada-8b",
                       bench->shape ? bench->shape : "");
    ti_type type = TI_Q8_0;
    if (bench->type && !ti_type_parse(bench->type, &type))
        return ti_fail(err, TE_INVALID, "there is no type '%s'; use q8_0, q4_k, bf16, f16 or f32",
                       bench->type);
    const int layers = bench->layers ? bench->layers : shape->config.n_layers;
    r->capacity = 9 * layers + 2;
    r->b = ti_calloc(1, sizeof *r->b);
    r->bytes = ti_calloc((size_t)r->capacity, sizeof *r->bytes);
    if (r->b) r->b->layers = ti_calloc((size_t)layers, sizeof *r->b->layers);
    if (!r->b || !r->b->layers || !r->bytes) {
        free(r->b ? r->b->layers : NULL);
        free(r->b);
        r->b = NULL;
        return ti_fail_memory(err, "the layers", (size_t)layers * sizeof *r->b->layers);
    }
    r->b->config = shape->config;
    r->b->config.n_layers = layers;
    r->b->backend = be;
    te_status st = random_weight(r, type, RANDOM_VOCAB, shape->config.width, &r->b->embedding, err);
    r->b->head = r->b->embedding;
    if (!st) st = random_weight(r, type, shape->config.width, 0, &r->b->norm, err);
    for (int i = 0; i < layers && !st; i++) st = random_layer(r, &r->b->layers[i], type, err);
    return st;
}

/* ---- measuring --------------------------------------------------------------------------- */

/* Medians over the rounds. */
typedef struct measured {
    int tokens, rounds;
    double seconds, op_seconds[TI_TIMED_OPS];
    double cpu_seconds, op_cpu_seconds[TI_TIMED_OPS]; /* of all threads */
} measured;

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static te_status run_rounds(measured *m, ti_timed *timed, ti_session *session,
                            const ti_batch *batch, te_error *err)
{
    double seconds[MOST_ROUNDS], cpu[MOST_ROUNDS];
    double op[TI_TIMED_OPS][MOST_ROUNDS], op_cpu[TI_TIMED_OPS][MOST_ROUNDS];
    for (int round = -1; round < m->rounds; round++) {
        ti_timed_reset(timed);
        const double start = ti_seconds(), cpu_start = ti_cpu_seconds();
        te_status st = ti_session_forward(session, batch, NULL, err);
        if (!st) st = timed->inner->op->sync(timed->inner, err);
        if (st) return st;
        if (round < 0) continue; /* memory is touched for the first time */
        seconds[round] = ti_seconds() - start;
        cpu[round] = ti_cpu_seconds() - cpu_start;
        for (int i = 0; i < TI_TIMED_OPS; i++) {
            op[i][round] = timed->seconds[i];
            op_cpu[i][round] = timed->cpu_seconds[i];
        }
    }
    m->seconds = median(seconds, m->rounds);
    m->cpu_seconds = median(cpu, m->rounds);
    for (int i = 0; i < TI_TIMED_OPS; i++) {
        m->op_seconds[i] = median(op[i], m->rounds);
        m->op_cpu_seconds[i] = median(op_cpu[i], m->rounds);
    }
    return TE_OK;
}

static te_status measure(measured *m, ti_timed *timed, ti_backbone *b, te_error *err)
{
    const int n = m->tokens;
    const ti_session_shape shape = {.rows = n, .read_rows = n};
    ti_session *session = NULL;
    int32_t *tokens = ti_malloc_array((size_t)n, 2 * sizeof *tokens),
            *read = tokens ? tokens + n : NULL;
    if (!tokens) return ti_fail_memory(err, "the tokens", 2 * (size_t)n * sizeof *tokens);
    for (int i = 0; i < n; i++) {
        tokens[i] =
            (int32_t)ti_random_below((ti_random){2, 2}, (uint64_t)i, (uint32_t)b->config.vocab);
        read[i] = i;
    }
    const ti_batch batch = {
        .tokens = tokens, .n_sequences = 1, .length = n, .read = read, .read_count = &n};
    te_status st = ti_session_create(&session, b, &shape, err);
    if (!st) st = run_rounds(m, timed, session, &batch, err);
    ti_session_free(session);
    free(tokens);
    return st;
}

/* ---- reporting --------------------------------------------------------------------------- */

/* Multiplications and additions of OP in a forward pass; 0 for ops that are not products. */
static double work_of(ti_timed_op op, const ti_backbone_config *c, int tokens)
{
    const double d = c->width, ff = c->ff_width, kv = c->heads.n_kv_heads * c->heads.head_size;
    const double rows = 2.0 * tokens * c->n_layers;
    switch (op) {
    case TI_TIMED_LINEAR:
        return rows * d * kv;
    case TI_TIMED_LINEAR_ROPE:
        return rows * d * (d + kv);
    case TI_TIMED_LINEAR_ADD:
        return rows * d * (d + ff);
    case TI_TIMED_GATE:
        return rows * d * 2 * ff;
    case TI_TIMED_ATTENTION:
        return rows * 2 * d * tokens;
    default:
        return 0;
    }
}

static double peak_rss_mb(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) ? 0 : (double)usage.ru_maxrss / 1024;
}

static json_t *report(const measured *m, const ti_backbone_config *c, const char *device)
{
    json_t *ops = json_object();
    double work = 0, seconds = 0;
    for (int i = 0; i < TI_TIMED_OPS; i++) {
        const double done = work_of((ti_timed_op)i, c, m->tokens);
        if (i != TI_TIMED_ATTENTION && done > 0) {
            work += done;
            seconds += m->op_seconds[i];
        }
        json_t *entry = json_pack("{s:f, s:f, s:f}", "seconds", m->op_seconds[i], "cpu_seconds",
                                  m->op_cpu_seconds[i], "share", m->op_seconds[i] / m->seconds);
        if (done > 0) json_object_set_new(entry, "gops", json_real(1e-9 * done / m->op_seconds[i]));
        json_object_set_new(ops, ti_timed_name((ti_timed_op)i), entry);
    }
    return json_pack("{s:s, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:o}", "device", device,
                     "layers", c->n_layers, "tokens", m->tokens, "rounds", m->rounds, "seconds",
                     m->seconds, "cpu_seconds", m->cpu_seconds, "tokens_per_second",
                     m->tokens / m->seconds, "linear_gops", 1e-9 * work / seconds, "peak_rss_mb",
                     peak_rss_mb(), "ops", ops);
}

static double real(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static char *as_text(const json_t *r)
{
    char *text = NULL;
    size_t size;
    const char *name;
    json_t *entry;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fprintf(out, "%s, %g layers, %g tokens, median of %g passes\n",
            json_string_value(json_object_get(r, "device")), real(r, "layers"), real(r, "tokens"),
            real(r, "rounds"));
    fprintf(out,
            "%.3f s a pass (%.3f of processor time), %.1f tokens/s, %.0f GOP/s in the linear "
            "layers, at most %.0f MB\n\n",
            real(r, "seconds"), real(r, "cpu_seconds"), real(r, "tokens_per_second"),
            real(r, "linear_gops"), real(r, "peak_rss_mb"));
    fprintf(out, "%-12s %9s %7s %8s %8s\n", "op", "seconds", "share", "threads", "GOP/s");
    json_object_foreach(json_object_get(r, "ops"), name, entry)
    {
        const double seconds = real(entry, "seconds");
        fprintf(out, "%-12s %9.4f %6.1f%% %8.2f", name, seconds, 100 * real(entry, "share"),
                seconds > 0 ? real(entry, "cpu_seconds") / seconds : 0);
        if (real(entry, "gops") > 0) fprintf(out, " %8.1f", real(entry, "gops"));
        fputc('\n', out);
    }
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- the whole --------------------------------------------------------------------------- */

static te_status check(const te_bench *bench, te_error *err)
{
    if (!bench->model && !bench->shape)
        return ti_fail(err, TE_INVALID, "nothing to measure; name a model file or a shape");
    if (bench->layers < 0 || bench->layers > 1024 || bench->tokens < 0 || bench->tokens > 1 << 20 ||
        bench->rounds < 0 || bench->rounds > MOST_ROUNDS)
        return ti_fail(err, TE_INVALID,
                       "layers up to 1024, tokens up to 1048576 and rounds up to %d "
                       "can be measured",
                       MOST_ROUNDS);
    return TE_OK;
}

/* FILE's layers beyond LAYERS are left out of the passes. */
static te_status open_backbone(random_backbone *r, ti_gguf **file, const te_bench *bench,
                               ti_backend *be, int *whole, te_error *err)
{
    if (!bench->model) return create_random(r, bench, be, err);
    te_status st = ti_gguf_open(file, bench->model, err);
    if (!st) st = ti_backbone_create(&r->b, *file, be, err);
    if (st) return st;
    *whole = r->b->config.n_layers;
    if (bench->layers && bench->layers < *whole) r->b->config.n_layers = bench->layers;
    return TE_OK;
}

te_status te_tool_bench(const te_bench *bench, bool json, char **text, te_error *err)
{
    ti_backend *be = NULL;
    ti_gguf *file = NULL;
    ti_timed timed;
    random_backbone r = {0};
    measured m = {.rounds = bench->rounds ? bench->rounds : 3};
    int whole = 0;
    *text = NULL;
    te_status st = check(bench, err);
    if (!st) st = ti_backend_create(&be, bench->with.device, bench->with.threads, err);
    if (!st) {
        ti_timed_init(&timed, be);
        st = open_backbone(&r, &file, bench, &timed.base, &whole, err);
    }
    if (!st) {
        const int most = r.b->config.context;
        m.tokens = bench->tokens ? bench->tokens : most < 2340 ? most : 2340;
        st = measure(&m, &timed, r.b, err);
    }
    if (!st) {
        json_t *result = report(&m, &r.b->config, be->description);
        *text = !result ? NULL
                : json  ? json_dumps(result, JSON_INDENT(2) | JSON_REAL_PRECISION(6))
                        : as_text(result);
        json_decref(result);
        if (!*text) st = ti_fail_memory(err, "the report", 4096);
    }
    if (r.b && whole) r.b->config.n_layers = whole; /* all of them are freed */
    free_random(&r);
    ti_gguf_free(file);
    ti_backend_free(be);
    return st;
}

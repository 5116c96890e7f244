/* ops_test.c - every backbone op of the CPU against plain.c: odd shapes, shared key heads, every
 * weight type; and the same bits from 1, 2 and 3 threads. pick and keep are in sampler_test.c. */
#include "backend/devices.h"

#include <math.h>

#include "backend/cpu/plain.h"

/* ---- data -------------------------------------------------------------------------------- */

typedef struct matrix {
    ti_tensor tensor;
    ti_weight *w;
    void *bytes;
} matrix;

/* A weight of TYPE; VALUES: [rows][cols]; COLS 0: a vector. */
static matrix bind_weight(ti_type type, int rows, int cols, const float *values)
{
    matrix m = {
        .tensor = {.name = "test", .type = type, .n_dims = cols ? 2 : 1, .shape = {rows, 1, 1, 1}}};
    int64_t width = cols ? cols : rows, n_rows = cols ? rows : 1;
    if (cols) m.tensor.shape[1] = cols;
    size_t row_bytes = ti_type_row_bytes(type, width);
    assert_true(row_bytes > 0);
    m.tensor.bytes = row_bytes * (size_t)n_rows;
    m.bytes = malloc(m.tensor.bytes);
    assert_non_null(m.bytes);
    m.tensor.data = m.bytes;
    for (int64_t r = 0; r < n_rows; r++)
        ti_quantize(type, values + r * width, (char *)m.bytes + (size_t)r * row_bytes, width);
    te_error err;
    assert_ok(ti_cpu_weight_create(backends[0], &m.tensor, &m.w, &err), err);
    return m;
}

/* A random one. */
static matrix make_weight(ti_type type, int rows, int cols, uint64_t stream)
{
    float *values = floats((size_t)rows * (size_t)(cols ? cols : 1), stream);
    matrix m = bind_weight(type, rows, cols, values);
    free(values);
    return m;
}

static void free_weight(matrix *m)
{
    ti_cpu_weight_free(backends[0], m->w);
    free(m->bytes);
}

/* Largest difference relative to the expected values' root mean square. */
static double error_of(const float *got, const float *expected, size_t n)
{
    double worst = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        double e = fabs((double)got[i] - (double)expected[i]);
        assert_false(isnan(e));
        worst = e > worst ? e : worst;
        square += (double)expected[i] * (double)expected[i];
    }
    return n ? worst / (sqrt(square / (double)n) + 1e-12) : 0;
}

/* How far a product with this weight may be off: operands become 8-bit codes where weights are
 * quantised, and are rounded to bf16 where weights are of 16 bits and rows wide. */
static double tolerance(const matrix *m)
{
    if (m->tensor.type == TI_Q8_0 || m->tensor.type == TI_Q4_K) return 4e-2;
    return m->tensor.type == TI_F32 || m->tensor.shape[1] < 1024 ? 2e-5 : 2e-2;
}

typedef struct shape {
    ti_type type;
    int rows, in, out;
} shape;

static const shape shapes[] = {
    {TI_F32, 1, 64, 64},    {TI_F32, 7, 100, 33},    {TI_F32, 70, 257, 131},
    {TI_F32, 3, 1100, 65},  {TI_F16, 5, 96, 40},     {TI_BF16, 33, 64, 448},
    {TI_BF16, 9, 1056, 70}, {TI_Q8_0, 1, 32, 1},     {TI_Q8_0, 65, 288, 97},
    {TI_Q8_0, 6, 1024, 31}, {TI_Q4_K, 3, 256, 64},   {TI_Q4_K, 19, 1280, 35},
    {TI_Q8_0, 4, 6400, 3},  {TI_Q8_0, 4200, 64, 33}, {TI_Q4_K, 4100, 256, 1},
};

/* ---- products ---------------------------------------------------------------------------- */

typedef enum kind { LINEAR, LINEAR_ROPE, LINEAR_ADD, GATE, HEAD, KINDS } kind;

/* The part of the weight the head test asks for. */
static int head_first(const shape *s)
{
    return s->out / 3;
}

static int outputs(kind k, const shape *s)
{
    return k == HEAD ? s->out - head_first(s) : s->out;
}

/* The outputs as one head; rows at positions 0, 1, 2 and again. */
static ti_rope one_head(const shape *s)
{
    static int32_t positions[4200];
    assert_true(s->rows <= (int)TEST_LENGTH(positions));
    for (int r = 0; r < s->rows; r++) positions[r] = r % 3;
    return (ti_rope){positions, s->out, 500000};
}

static void run_product(ti_backend *be, kind k, const shape *s, float *y, const float *x,
                        const matrix *a, const matrix *b)
{
    const ti_ops *op = be->op;
    const ti_rope rope = one_head(s);
    if (k == LINEAR) op->linear(be, y, x, a->w, s->rows);
    if (k == LINEAR_ROPE) op->linear_rope(be, y, x, a->w, s->rows, &rope);
    if (k == LINEAR_ADD) op->linear_add(be, y, x, a->w, s->rows);
    if (k == GATE) op->gate(be, y, x, a->w, b->w, s->rows);
    if (k == HEAD)
        op->head(be, y, x, s->rows / 2, s->rows - s->rows / 2, a->w, head_first(s), outputs(k, s),
                 0.25f);
}

static void run_plain(kind k, const shape *s, float *y, const float *x, const matrix *a,
                      const matrix *b)
{
    float *room = floats((size_t)s->in, 0);
    const ti_rope rope = one_head(s);
    if (k == LINEAR) ti_plain_linear(y, x, a->w, s->rows, room);
    if (k == LINEAR_ROPE) ti_plain_linear_rope(y, x, a->w, s->rows, &rope, room);
    if (k == LINEAR_ADD) ti_plain_linear_add(y, x, a->w, s->rows, room);
    if (k == GATE) ti_plain_gate(y, x, a->w, b->w, s->rows, room);
    if (k == HEAD)
        ti_plain_head(y, x, s->rows / 2, s->rows - s->rows / 2, a->w, head_first(s), outputs(k, s),
                      0.25f, room);
    free(room);
}

static void check_product(kind k, const shape *s)
{
    if (k == LINEAR_ROPE && s->out % 2) return; /* no head */
    matrix a = make_weight(s->type, s->out, s->in, 1), b = make_weight(s->type, s->out, s->in, 2);
    float *x = floats((size_t)s->rows * (size_t)s->in, 3);
    size_t n = (size_t)(k == HEAD ? s->rows - s->rows / 2 : s->rows) * (size_t)outputs(k, s);
    float *expected = floats(n, 4), *first = floats(n, 4);
    run_plain(k, s, expected, x, &a, &b);
    run_product(backends[0], k, s, first, x, &a, &b);
    double e = error_of(first, expected, n);
    if (e > tolerance(&a) * (k == GATE ? 4 : 1)) /* a product of two such sums */
        fail_msg("kind %d, %s, %d rows, %d in, %d out: error %g", k, ti_type_name(s->type), s->rows,
                 s->in, s->out, e);
    for (int t = 1; t < MAX_THREADS; t++) {
        float *again = floats(n, 4);
        run_product(backends[t], k, s, again, x, &a, &b);
        assert_memory_equal(again, first, n * sizeof *again);
        free(again);
    }
    free(x), free(expected), free(first);
    free_weight(&a), free_weight(&b);
}

static void test_products(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++)
        for (size_t i = 0; i < TEST_LENGTH(shapes); i++) check_product((kind)k, &shapes[i]);
}

/* A row's product is the same alone and among others: the last layer takes only some rows. */
static void test_rows_do_not_matter_to_each_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_LENGTH(shapes); i++) {
        const shape *s = &shapes[i];
        matrix a = make_weight(s->type, s->out, s->in, 1);
        float *x = floats((size_t)s->rows * (size_t)s->in, 3);
        float *all = floats((size_t)s->rows * (size_t)s->out, 4), *one = floats((size_t)s->out, 5);
        int last = s->rows - 1;
        backends[1]->op->linear(backends[1], all, x, a.w, s->rows);
        backends[1]->op->linear(backends[1], one, x + (size_t)last * (size_t)s->in, a.w, 1);
        assert_memory_equal(one, all + (size_t)last * (size_t)s->out, (size_t)s->out * sizeof *one);
        free(x), free(all), free(one);
        free_weight(&a);
    }
}

/* ---- rows -------------------------------------------------------------------------------- */

static void test_embed_and_gather(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_F32, TI_F16, TI_BF16, TI_Q8_0, TI_Q4_K};
    static const int32_t tokens[] = {0, 8, 3, 3, 7}, rows[] = {4, 0, 2};
    for (size_t i = 0; i < TEST_LENGTH(types); i++) {
        matrix table = make_weight(types[i], 9, 256, 1);
        float *expected = floats(5 * 256, 2), *got = floats(5 * 256, 3);
        ti_plain_embed(expected, table.w, tokens, 5);
        backends[2]->op->embed(backends[2], got, table.w, tokens, 5);
        assert_memory_equal(got, expected, 5 * 256 * sizeof *got);
        float few[3 * 256], wanted[3 * 256];
        ti_plain_gather(wanted, expected, rows, 3, 256);
        backends[2]->op->gather(backends[2], few, got, rows, 3, 256);
        assert_memory_equal(few, wanted, sizeof few);
        free(expected), free(got);
        free_weight(&table);
    }
}

static void test_embed_kept(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_F32, TI_BF16, TI_Q8_0, TI_Q4_K};
    static const int32_t rows[] = {1, 3, 2};
    for (size_t i = 0; i < TEST_LENGTH(types); i++) {
        matrix table = make_weight(types[i], 9, 256, 1);
        int32_t ids[] = {8, 3, 0};
        bool kept[] = {true, false, true};
        ti_pick pick = {.n_rows = 3, .ids = ids};
        ti_keep keep = {.pick = &pick, .kept = kept};
        float *expected = floats(6 * 256, 2), *got = floats(6 * 256, 2),
              *before = floats(6 * 256, 2);
        ti_plain_embed_kept(expected, table.w, &keep, rows, 2);
        backends[1]->op->embed_kept(backends[1], got, table.w, &keep, rows, 2);
        assert_memory_equal(got, expected, 6 * 256 * sizeof *got);
        assert_memory_not_equal(got + 3 * 256, before + 3 * 256, 256 * sizeof *got);
        assert_memory_equal(got + 5 * 256, before + 5 * 256, 256 * sizeof *got); /* not kept */
        free(expected), free(got), free(before);
        free_weight(&table);
    }
}

static void test_norm(void **state)
{
    (void)state;
    static const int widths[] = {1, 2, 15, 16, 64, 1001};
    static const int32_t rows[] = {3, 0, 5, 5};
    for (size_t i = 0; i < TEST_LENGTH(widths); i++) {
        int width = widths[i];
        matrix gain = make_weight(TI_F32, width, 0, 1);
        float *x = floats(6 * (size_t)width, 2);
        float *expected = floats(6 * (size_t)width, 3), *got = floats(6 * (size_t)width, 3);
        for (int t = 0; t < MAX_THREADS; t++) {
            ti_plain_norm(expected, x, NULL, 6, gain.w->values, width, 1e-5f);
            backends[t]->op->norm(backends[t], got, x, NULL, 6, gain.w, 1e-5f);
            assert_true(error_of(got, expected, 6 * (size_t)width) < 1e-5);
            ti_plain_norm(expected, x, rows, 4, gain.w->values, width, 1e-5f);
            backends[t]->op->norm(backends[t], got, x, rows, 4, gain.w, 1e-5f);
            assert_true(error_of(got, expected, 4 * (size_t)width) < 1e-5);
        }
        free(x), free(expected), free(got);
        free_weight(&gain);
    }
}

/* Of the same products, the same bits with any instructions. */
static void test_rope(void **state)
{
    (void)state;
    static const int32_t positions[] = {0, 1, 2339, 77, 4095};
    static const int sizes[] = {2, 6, 16, 128};
    for (size_t i = 0; i < TEST_LENGTH(sizes); i++) {
        int width = 3 * sizes[i];
        ti_rope rope = {positions, sizes[i], 500000};
        size_t n = 5 * (size_t)width;
        float *one = calloc((size_t)(width * width), sizeof *one);
        assert_non_null(one);
        for (int c = 0; c < width; c++) one[c * width + c] = 1;
        matrix identity = bind_weight(TI_F32, width, width, one);
        float *x = floats(n, 1), *expected = floats(n, 2), *got = floats(n, 3);
        ti_plain_linear_rope(expected, x, identity.w, 5, &rope, one);
        backends[i % 3]->op->linear_rope(backends[i % 3], got, x, identity.w, 5, &rope);
        assert_true(error_of(got, expected, n) < 2e-3); /* float32 angles up to 4095 */
        for (size_t l = 0; l < LIMITS; l++) {
            ti_backend *be = limited(l);
            if (!be) continue;
            float *again = floats(n, 4);
            be->op->linear_rope(be, again, x, identity.w, 5, &rope);
            assert_memory_equal(again, got, n * sizeof *got);
            free(again);
            ti_backend_free(be);
        }
        free(one), free(x), free(expected), free(got);
        free_weight(&identity);
    }
}

/* ---- attention --------------------------------------------------------------------------- */

typedef struct attention_case {
    ti_heads heads;
    int n_segments;
    ti_segment segments[3];
} attention_case;

static const attention_case attention_cases[] = {
    {{1, 1, 2}, 1, {{0, 1, 0, 1}}},
    {{4, 4, 16}, 1, {{0, 71, 0, 71}}},
    {{4, 2, 6}, 2, {{0, 33, 0, 33}, {33, 33, 33, 33}}},                /* shared key heads */
    {{6, 1, 32}, 2, {{0, 5, 0, 130}, {5, 64, 130, 130}}},              /* few rows read */
    {{2, 2, 128}, 3, {{0, 0, 0, 40}, {0, 9, 40, 40}, {9, 1, 80, 40}}}, /* none of a sequence */
};

static void check_attention(const attention_case *c)
{
    int n_q = 0, n_kv = 0;
    for (int s = 0; s < c->n_segments; s++) {
        n_q += c->segments[s].q_count;
        n_kv = c->segments[s].kv_first + c->segments[s].kv_count;
    }
    size_t size = (size_t)c->heads.head_size, q_width = size * (size_t)c->heads.n_heads;
    size_t kv_width = size * (size_t)c->heads.n_kv_heads, n = (size_t)n_q * q_width;
    float *q = floats(n, 1), *k = floats((size_t)n_kv * kv_width, 2),
          *v = floats((size_t)n_kv * kv_width, 3);
    for (size_t i = 0; i < n; i++)
        q[i] *= 4; /* scores far apart, so that the running maximum works */
    float *expected = floats(n, 4), *first = floats(n, 4), *room = floats((size_t)n_kv, 5);
    ti_plain_attention(expected, q, k, v, &c->heads, c->segments, c->n_segments, room);
    for (int t = 0; t < MAX_THREADS; t++) /* q may lie where another test's product was written */
        ti_cpu_of(backends[t])->rounded = NULL;
    backends[0]->op->attention(backends[0], first, q, k, v, &c->heads, c->segments, c->n_segments);
    assert_true(error_of(first, expected, n) < 1e-4);
    for (int t = 1; t < MAX_THREADS; t++) {
        float *again = floats(n, 4);
        backends[t]->op->attention(backends[t], again, q, k, v, &c->heads, c->segments,
                                   c->n_segments);
        assert_memory_equal(again, first, n * sizeof *again);
        free(again);
    }
    free(q), free(k), free(v), free(expected), free(first), free(room);
}

static void test_attention(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_LENGTH(attention_cases); i++) check_attention(&attention_cases[i]);
}

/* ---- the device -------------------------------------------------------------------------- */

static void test_device(void **state)
{
    (void)state;
    te_error err;
    ti_backend *be = NULL;
    assert_int_equal(ti_backend_create(&be, "gpu9", 1, &err), TE_INVALID);
    assert_null(be);
    assert_non_null(strstr(err.message, "gpu9"));
    assert_int_equal(ti_backend_create(&be, "cpu", -1, &err), TE_INVALID);
    assert_ok(ti_backend_create(&be, "cpu", 0, &err), err);
    assert_true(be->op->memory_free(be) > 0);
    assert_true(ti_cpu_of(be)->threads >= 1);
    ti_backend_free(be);
    assert_int_equal(ti_backend_create(&be, "cpu:sse9", 1, &err), TE_INVALID);
    assert_non_null(strstr(err.message, "sse9"));
    assert_ok(ti_backend_create(&be, "cpu:portable", 1, &err), err);
    assert_memory_equal(be->description, "cpu (portable", 13);
    ti_backend_free(be);
    ti_backend_free(NULL);
}

/* Weights that lie in a file's pages are memory that an edit cannot have. */
static void test_weights_count(void **state)
{
    (void)state;
    te_error err;
    ti_backend *be = NULL;
    static const float data[4096];
    ti_tensor w = {
        .name = "w", .type = TI_F32, .n_dims = 1, .shape = {4096, 1, 1, 1}, .data = data};
    const ti_tensor *all[] = {&w};
    assert_ok(ti_backend_create(&be, "cpu", 1, &err), err);
    w.bytes = sizeof data;
    assert_ok(be->op->expect(be, all, 1, &err), err);
    assert_true(be->op->memory_free(be) > 0);
    w.bytes = (size_t)1 << 60; /* more than there is: not read beforehand, and nothing is left */
    assert_ok(be->op->expect(be, all, 1, &err), err);
    assert_int_equal(be->op->memory_free(be), 0);
    ti_backend_free(be);
}

static void test_bad_weight(void **state)
{
    (void)state;
    te_error err;
    float data[33] = {0};
    ti_weight *w;
    ti_tensor odd = {
        .name = "odd", .type = TI_Q8_0, .n_dims = 2, .shape = {1, 33, 1, 1}, .data = data};
    assert_int_equal(ti_cpu_weight_create(backends[0], &odd, &w, &err), TE_FORMAT);
    assert_null(w);
    assert_non_null(strstr(err.message, "odd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_rows_do_not_matter_to_each_other),
        cmocka_unit_test(test_embed_and_gather),
        cmocka_unit_test(test_embed_kept),
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_weights_count),
        cmocka_unit_test(test_bad_weight),
    };
    return cmocka_run_group_tests(tests, create_backends, free_backends);
}

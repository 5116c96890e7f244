/* ops_test.c - every op of the CUDA backend against backend/cpu/plain.c, in each of its kinds of
 * number: exact (float32 weights), bf16 (bf16, f16, q8_0 and q4_k weights) and FP8. It takes
 * whatever module lies beside the program: the emulated one in the build's tests, the real one on a
 * machine with a card. */
#include "testing.h"

#include <math.h>

#include "backend/cpu/plain.h"
#include "backend/cpu/plain_image.h"
#include "base/random.h"

static ti_backend *judge; /* a CPU, for the weights of plain.c */

/* ---- data -------------------------------------------------------------------------------- */

static ti_backend *open_device(const char *name)
{
    te_error err;
    ti_backend *be = NULL;
    assert_ok(ti_backend_create(&be, name, 1, &err), err);
    return be;
}

static bool emulated(const ti_backend *be)
{
    return strstr(be->description, "emulated") != NULL;
}

static float *floats(size_t n, uint64_t stream)
{
    float *x = calloc(n + 1, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)ti_random_normal((ti_random){21, stream}, i);
    return x;
}

/* Operands and values are float32 or bf16; the backend tells by their size. */
static bool is_exact(ti_backend *be)
{
    return be->op->values_bytes(be, 1, 64) == 256;
}

/* N floats on the device; CELLS: as operands and values are, and X is rounded as they are. */
static void *to_device(ti_backend *be, float *x, size_t n, bool cells)
{
    te_error err;
    void *memory;
    bool half = cells && !is_exact(be);
    uint16_t *bits = calloc(n + 1, sizeof *bits);
    assert_non_null(bits);
    for (size_t i = 0; i < n && half; i++) {
        bits[i] = ti_float_to_bf16(x[i]);
        x[i] = ti_bf16_to_float(bits[i]);
    }
    assert_ok(be->op->alloc(be, 4 * n + 16, &memory, &err), err);
    assert_ok(be->op->upload(be, memory, half ? (void *)bits : x, n * (half ? 2 : 4), &err), err);
    free(bits);
    return memory;
}

static void from_device(ti_backend *be, float *x, const void *memory, size_t n, bool cells)
{
    te_error err;
    bool half = cells && !is_exact(be);
    uint16_t *bits = calloc(n + 1, sizeof *bits);
    assert_non_null(bits);
    assert_ok(be->op->download(be, half ? (void *)bits : x, memory, n * (half ? 2 : 4), &err), err);
    for (size_t i = 0; i < n && half; i++) x[i] = ti_bf16_to_float(bits[i]);
    free(bits);
}

/* |got - expected| / |expected|. */
static double error_of(const float *got, const float *expected, size_t n)
{
    double off = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        double e = (double)got[i] - (double)expected[i];
        assert_false(isnan(e));
        off += e * e;
        size += (double)expected[i] * (double)expected[i];
    }
    return n ? sqrt(off / (size + 1e-30)) : 0;
}

static double tolerance(ti_backend *be, bool coded)
{
    return is_exact(be) ? 2e-6 : coded ? 6e-2 : 1e-2;
}

/* A random weight, bound to the device and to the judge. */
typedef struct matrix {
    ti_tensor tensor;
    ti_weight *w, *plain;
    void *bytes;
} matrix;

static matrix make_weight(ti_backend *be, const char *name, ti_type type, int rows, int cols,
                          uint64_t stream)
{
    matrix m = {
        .tensor = {.name = name, .type = type, .n_dims = cols ? 2 : 1, .shape = {rows, 1, 1, 1}}};
    int64_t width = cols ? cols : rows, n_rows = cols ? rows : 1;
    te_error err;
    if (cols) m.tensor.shape[1] = cols;
    size_t row_bytes = ti_type_row_bytes(type, width);
    m.tensor.bytes = row_bytes * (size_t)n_rows;
    m.bytes = malloc(m.tensor.bytes);
    assert_non_null(m.bytes);
    m.tensor.data = m.bytes;
    float *values = floats((size_t)(width * n_rows), stream);
    for (int64_t r = 0; r < n_rows; r++)
        ti_quantize(type, values + r * width, (char *)m.bytes + (size_t)r * row_bytes, width);
    free(values);
    assert_ok(judge->op->weight_create(judge, &m.tensor, &m.plain, &err), err);
    assert_ok(be->op->weight_create(be, &m.tensor, &m.w, &err), err);
    return m;
}

static void free_weight(ti_backend *be, matrix *m)
{
    judge->op->weight_free(judge, m->plain);
    be->op->weight_free(be, m->w);
    free(m->bytes);
}

/* ---- products ---------------------------------------------------------------------------- */

typedef struct shape {
    ti_type type;
    int rows, in, out;
} shape;

static const shape shapes[] = {
    {TI_F32, 1, 64, 64},    {TI_F32, 7, 100, 33},   {TI_F32, 20, 257, 131}, {TI_F16, 5, 96, 40},
    {TI_BF16, 33, 64, 448}, {TI_BF16, 9, 520, 72},  {TI_Q8_0, 1, 32, 8},    {TI_Q8_0, 17, 288, 96},
    {TI_Q4_K, 3, 256, 64},  {TI_Q4_K, 19, 512, 40},
};

typedef enum kind { LINEAR, LINEAR_ADD, GATE, HEAD, KINDS } kind;

static void run_product(ti_backend *be, kind k, const shape *s, void *y, const void *x,
                        const matrix *a, const matrix *b)
{
    const ti_ops *op = be->op;
    int first = s->out / 3, half = s->rows / 2;
    if (k == LINEAR) op->linear(be, y, x, a->w, s->rows);
    if (k == LINEAR_ADD) op->linear_add(be, y, x, a->w, s->rows);
    if (k == GATE) op->gate(be, y, x, a->w, b->w, s->rows);
    if (k == HEAD) op->head(be, y, x, half, s->rows - half, a->w, first, s->out - first, 0.25f);
}

static void run_plain(kind k, const shape *s, float *y, const float *x, const matrix *a,
                      const matrix *b)
{
    float *room = floats((size_t)s->in, 0);
    int first = s->out / 3, half = s->rows / 2;
    if (k == LINEAR) ti_plain_linear(y, x, a->plain, s->rows, room);
    if (k == LINEAR_ADD) ti_plain_linear_add(y, x, a->plain, s->rows, room);
    if (k == GATE) ti_plain_gate(y, x, a->plain, b->plain, s->rows, room);
    if (k == HEAD)
        ti_plain_head(y, x, half, s->rows - half, a->plain, first, s->out - first, 0.25f, room);
    free(room);
}

/* NAME tells FP8 which weights are a block's. */
static void check_product(ti_backend *be, const char *name, kind k, const shape *s)
{
    matrix a = make_weight(be, name, s->type, s->out, s->in, 1);
    matrix b = make_weight(be, name, s->type, s->out, s->in, 2);
    bool cells = k == LINEAR || k == GATE;
    size_t n = k == HEAD ? (size_t)((s->rows - s->rows / 2) * (s->out - s->out / 3))
                         : (size_t)(s->rows * s->out);
    float *x = floats((size_t)(s->rows * s->in), 3), *expected = floats(n, 4), *got = floats(n, 4);
    be->op->operand_bytes(be, s->rows, s->in > s->out ? s->in : s->out); /* as a session does */
    void *device_x = to_device(be, x, (size_t)(s->rows * s->in), true);
    void *y = to_device(be, got, n, cells);
    run_plain(k, s, expected, x, &a, &b);
    run_product(be, k, s, y, device_x, &a, &b);
    from_device(be, got, y, n, cells);
    bool coded = strstr(be->description, "FP8") != NULL;
    double e = error_of(got, expected, n), limit = tolerance(be, coded);
    if (e > limit * (coded && k == GATE ? 2 : 1)) /* two products' errors */
        fail_msg("kind %d, %s, %d rows, %d in, %d out: error %g", k, ti_type_name(s->type), s->rows,
                 s->in, s->out, e);
    be->op->release(be, device_x);
    be->op->release(be, y);
    free(x), free(expected), free(got);
    free_weight(be, &a), free_weight(be, &b);
}

static void test_products(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++)
        for (size_t i = 0; i < TEST_LENGTH(shapes); i++) {
            ti_backend *be = open_device("cuda");
            check_product(be, "blk.0.test", (kind)k, &shapes[i]);
            ti_backend_free(be);
        }
}

/* False: this card has none, and said so. */
static bool check_fp8_products(void)
{
    static const shape coded[] = {{TI_BF16, 5, 64, 48},
                                  {TI_Q8_0, 17, 160, 96},
                                  {TI_Q4_K, 8, 256, 32},
                                  {TI_F16, 3, 32, 16},
                                  {TI_BF16, 4, 32, 160}}; /* wider than what goes in */
    te_error err;
    ti_backend *be = NULL;
    te_status st = ti_backend_create(&be, "cuda-fp8", 1, &err);
    if (st == TE_UNSUPPORTED) {
        assert_non_null(strstr(err.message, "has no FP8 products; use device cuda"));
        return false;
    }
    assert_ok(st, err);
    for (int k = 0; k < KINDS; k++)
        for (size_t i = 0; i < TEST_LENGTH(coded); i++)
            check_product(be, "blk.0.test", (kind)k, &coded[i]);
    check_product(be, "blk.0.odd", LINEAR, &(shape){TI_BF16, 5, 24, 40}); /* stays bf16 */
    ti_backend_free(be);
    return true;
}

static void test_fp8_products(void **state)
{
    (void)state;
    if (!check_fp8_products()) skip();
}

/* Hopper multiplies codes with their scales; Ada and Blackwell do not, older cards have no codes. */
static void test_fp8_of_other_cards(void **state)
{
    (void)state;
    static const char *const archs[] = {"89", "100", "120", "86", "75"};
    ti_backend *be = open_device("cuda");
    bool whole = emulated(be);
    ti_backend_free(be);
    if (!whole) skip();
    for (size_t i = 0; i < TEST_LENGTH(archs); i++) {
        setenv("EMULATED_ARCH", archs[i], 1);
        assert_int_equal(check_fp8_products(), i < 3);
        unsetenv("EMULATED_ARCH");
    }
}

/* The first matrix says what operands are; others are brought to that. */
static void test_mixed_matrices(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_BF16, TI_F32, TI_BF16};
    enum { ROWS = 3, IN = 64, OUT = 48 };
    for (int exact = 0; exact < 2; exact++) {
        ti_backend *be = open_device("cuda");
        float *x = floats(ROWS * IN, 3), expected[ROWS * OUT], got[ROWS * OUT], room[IN];
        matrix w[2];
        for (int i = 0; i < 2; i++)
            w[i] = make_weight(be, "blk.0.test", types[i + exact], OUT, IN, (uint64_t)i);
        assert_int_equal(is_exact(be), exact);
        void *device_x = to_device(be, x, ROWS * IN, true), *y = to_device(be, got, ROWS * OUT, true);
        for (int i = 0; i < 2; i++) {
            ti_plain_linear(expected, x, w[i].plain, ROWS, room);
            be->op->linear(be, y, device_x, w[i].w, ROWS);
            from_device(be, got, y, ROWS * OUT, true);
            assert_true(error_of(got, expected, ROWS * OUT) < tolerance(be, false));
        }
        be->op->release(be, device_x), be->op->release(be, y);
        free(x);
        free_weight(be, &w[0]), free_weight(be, &w[1]);
        ti_backend_free(be);
    }
}

/* What a weight is made ready in grows with the next session; before that it is a failure, told. */
static void test_weights_without_a_place(void **state)
{
    (void)state;
    te_error err;
    ti_backend *be = open_device("cuda");
    float x[32] = {0};
    void *device_x = to_device(be, x, 32, true), *y = to_device(be, x, 8, true);
    matrix w = make_weight(be, "blk.0.test", TI_Q8_0, 8, 32, 1);
    be->op->linear(be, y, device_x, w.w, 1);
    assert_int_equal(be->op->sync(be, &err), TE_DEVICE);
    assert_non_null(strstr(err.message, "find no place on the card"));
    be->op->release(be, device_x), be->op->release(be, y);
    free_weight(be, &w);
    ti_backend_free(be);
}

/* Weights that found no room on the card give the bits of those that did. */
static void test_streamed_products(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_F32, TI_BF16, TI_F16, TI_Q8_0, TI_Q4_K};
    for (size_t i = 0; i < TEST_LENGTH(types); i++) {
        enum { ROWS = 6, IN = 256, OUT = 400 };
        float *x = floats(ROWS * IN, 3), *first = floats(ROWS * OUT, 0),
              *second = floats(ROWS * OUT, 0);
        te_error err;
        for (int streamed = 0; streamed < 2; streamed++) {
            ti_backend *filler = open_device("cuda");
            void *filling = NULL;
            if (streamed && emulated(filler)) setenv("EMULATED_MEMORY", "600000000", 1);
            if (streamed && !emulated(filler)) {
                uint64_t most = filler->op->memory_free(filler) - ((uint64_t)1 << 30);
                assert_ok(filler->op->alloc(filler, most, &filling, &err), err);
            }
            ti_backend *be = open_device("cuda");
            matrix w = make_weight(be, "blk.0.test", types[i], OUT, IN, 1);
            be->op->operand_bytes(be, ROWS, OUT);
            void *device_x = to_device(be, x, ROWS * IN, true),
                 *y = to_device(be, first, ROWS * OUT, true);
            for (int again = 0; again < 5; again++) be->op->linear(be, y, device_x, w.w, ROWS);
            from_device(be, streamed ? second : first, y, ROWS * OUT, true);
            be->op->release(be, device_x), be->op->release(be, y);
            free_weight(be, &w);
            ti_backend_free(be);
            if (filling) filler->op->release(filler, filling);
            ti_backend_free(filler);
            unsetenv("EMULATED_MEMORY");
        }
        assert_memory_equal(first, second, ROWS * OUT * sizeof *first);
        free(x), free(first), free(second);
    }
}

/* ---- rows -------------------------------------------------------------------------------- */

static void test_embed_and_gather(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_F32, TI_F16, TI_BF16, TI_Q8_0, TI_Q4_K};
    static const int32_t tokens[] = {0, 8, 3, 3, 7}, rows[] = {4, 0, 2};
    for (size_t i = 0; i < TEST_LENGTH(types); i++) {
        ti_backend *be = open_device("cuda");
        matrix table = make_weight(be, "token_embd.weight", types[i], 9, 256, 1);
        float *expected = floats(5 * 256, 2), *got = floats(5 * 256, 3), wanted[3 * 256],
              few[3 * 256];
        void *x = to_device(be, got, 5 * 256, false), *y = to_device(be, got, 3 * 256, false);
        ti_plain_embed(expected, table.plain, tokens, 5);
        be->op->embed(be, x, table.w, tokens, 5);
        be->op->gather(be, y, x, rows, 3, 256);
        from_device(be, got, x, 5 * 256, false);
        from_device(be, few, y, 3 * 256, false);
        ti_plain_gather(wanted, expected, rows, 3, 256);
        double limit = types[i] == TI_F16 ? 2e-3 : 1e-7; /* F16 is kept as bf16 */
        assert_true(error_of(got, expected, 5 * 256) < limit);
        assert_true(error_of(few, wanted, 3 * 256) < limit);
        be->op->release(be, x), be->op->release(be, y);
        free(expected), free(got);
        free_weight(be, &table);
        ti_backend_free(be);
    }
}

/* A backend whose first matrix is of TYPE. */
static ti_backend *open_first(ti_type type)
{
    ti_backend *be = open_device("cuda");
    matrix m = make_weight(be, "test", type, 8, 8, 9);
    free_weight(be, &m);
    return be;
}

/* A backend whose operands are of the kind asked for: a float32 matrix makes it exact. */
static ti_backend *open_kind(bool exact)
{
    ti_backend *be = open_first(exact ? TI_F32 : TI_BF16);
    assert_int_equal(is_exact(be), exact);
    return be;
}

static void test_embed_kept(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_F32, TI_BF16, TI_Q8_0, TI_Q4_K};
    static const int32_t rows[] = {1, 3, 2};
    for (size_t i = 0; i < TEST_LENGTH(types); i++) {
        ti_backend *be = open_device("cuda");
        matrix table = make_weight(be, "token_embd.weight", types[i], 9, 256, 1);
        float logits[3 * 9] = {[8] = 9, [9 + 3] = 1, [18 + 5] = 9}; /* the second is unsure */
        int32_t keys[] = {0, 1, 2}, ids[3];
        double probs[3];
        bool kept[3];
        te_error err;
        float *expected = floats(6 * 256, 2), *got = floats(6 * 256, 2);
        void *x = to_device(be, got, 6 * 256, false), *l = to_device(be, logits, 3 * 9, false);
        ti_pick pick = {.n_rows = 3,
                        .n_cols = 9,
                        .n_terms = 1,
                        .logits = {l},
                        .scale = {1},
                        .keys = keys,
                        .ids = ids,
                        .probs = probs};
        ti_keep keep = {.pick = &pick, .n = 2, .kept = kept};
        be->op->pick(be, &pick);
        be->op->keep(be, &keep);
        be->op->embed_kept(be, x, table.w, &keep, rows, 2); /* before the host knows */
        assert_ok(be->op->sync(be, &err), err);
        assert_true(kept[0] && !kept[1] && kept[2] && ids[0] == 8 && ids[2] == 5);
        ti_plain_embed_kept(expected, table.plain, &keep, rows, 2);
        from_device(be, got, x, 6 * 256, false);
        assert_true(error_of(got, expected, 6 * 256) < 1e-7);
        be->op->release(be, x), be->op->release(be, l);
        free(expected), free(got);
        free_weight(be, &table);
        ti_backend_free(be);
    }
}

static void test_norm(void **state)
{
    (void)state;
    static const int widths[] = {1, 15, 64, 1001};
    static const int32_t rows[] = {3, 0, 5, 5};
    for (size_t i = 0; i < 2 * TEST_LENGTH(widths); i++) {
        ti_backend *be = open_kind(i % 2);
        int width = widths[i / 2];
        size_t n = 6 * (size_t)width;
        matrix gain = make_weight(be, "test", TI_F32, width, 0, 1);
        float *x = floats(n, 2), *expected = floats(n, 3), *got = floats(n, 3),
              *g = floats((size_t)width, 1);
        void *device_x = to_device(be, x, n, false), *y = to_device(be, got, n, true);
        for (int some = 0; some < 2; some++) {
            int n_rows = some ? 4 : 6;
            ti_plain_norm(expected, x, some ? rows : NULL, n_rows, g, width, 1e-5f);
            be->op->norm(be, y, device_x, some ? rows : NULL, n_rows, gain.w, 1e-5f);
            from_device(be, got, y, (size_t)(n_rows * width), true);
            assert_true(error_of(got, expected, (size_t)(n_rows * width)) < tolerance(be, false));
        }
        be->op->release(be, device_x), be->op->release(be, y);
        free(x), free(expected), free(got), free(g);
        free_weight(be, &gain);
        ti_backend_free(be);
    }
}

static void test_rope(void **state)
{
    (void)state;
    static const int32_t positions[] = {0, 1, 2339, 77, 4095};
    static const int sizes[] = {2, 6, 16, 128};
    for (size_t i = 0; i < 2 * TEST_LENGTH(sizes); i++) {
        ti_backend *be = open_kind(i % 2);
        int size = sizes[i / 2];
        size_t n = 5 * 3 * (size_t)size;
        float *expected = floats(n, 1), *got = floats(n, 2);
        void *x = to_device(be, expected, n, true);
        ti_plain_rope(expected, positions, 5, 3, size, 500000);
        be->op->rope(be, x, positions, 5, 3, size, 500000);
        from_device(be, got, x, n, true);
        assert_true(error_of(got, expected, n) <
                    (is_exact(be) ? 1e-3 : 1e-2)); /* float32 angles up to 4095 */
        be->op->release(be, x);
        free(expected), free(got);
        ti_backend_free(be);
    }
}

/* ---- attention --------------------------------------------------------------------------- */

typedef struct attention_case {
    ti_heads heads;
    int n_segments;
    ti_segment segments[5];
} attention_case;

static const attention_case attention_cases[] = {
    {{1, 1, 2}, 1, {{0, 1, 0, 1}}},
    {{4, 4, 16}, 1, {{0, 71, 0, 71}}},
    {{4, 2, 6}, 2, {{0, 33, 0, 33}, {33, 33, 33, 33}}},   /* shared key heads */
    {{2, 1, 32}, 2, {{0, 5, 0, 130}, {5, 64, 130, 130}}}, /* few rows read */
    {{2, 2, 64}, 1, {{0, 67, 0, 129}}},
    {{1, 1, 128}, 1, {{0, 130, 0, 200}}},
    {{2, 2, 128}, 3, {{0, 0, 0, 40}, {0, 9, 40, 40}, {9, 1, 80, 40}}}, /* none of a sequence */
    {{1, 1, 64}, 5, {{0, 3, 0, 9}, {3, 3, 9, 9}, {6, 3, 18, 9}, {9, 3, 27, 9}, {12, 3, 36, 9}}},
    {{1, 1, 300}, 1, {{0, 20, 0, 40}}},
    {{2, 1, 128}, 1, {{0, 128, 0, 128}}}, /* whole tiles alone */
};

static void check_attention(ti_backend *be, const attention_case *c)
{
    int n_q = 0, n_kv = 0;
    for (int s = 0; s < c->n_segments; s++) {
        n_q += c->segments[s].q_count;
        n_kv = c->segments[s].kv_first + c->segments[s].kv_count;
    }
    size_t size = (size_t)c->heads.head_size, n = (size_t)n_q * size * (size_t)c->heads.n_heads;
    size_t n_keys = (size_t)n_kv * size * (size_t)c->heads.n_kv_heads;
    float *q = floats(n, 1), *k = floats(n_keys, 2), *v = floats(n_keys, 3),
          *room = floats((size_t)n_kv, 5);
    float *expected = floats(n, 4), *got = floats(n, 4);
    for (size_t i = 0; i < n; i++)
        q[i] *= 4; /* scores far apart, so that the running maximum works */
    void *dq = to_device(be, q, n, true), *dk = to_device(be, k, n_keys, true);
    void *dv = to_device(be, v, n_keys, true), *y = to_device(be, got, n, true);
    ti_plain_attention(expected, q, k, v, &c->heads, c->segments, c->n_segments, room);
    be->op->attention(be, y, dq, dk, dv, &c->heads, c->segments, c->n_segments);
    from_device(be, got, y, n, true);
    double e = error_of(got, expected, n);
    if (!(e < (is_exact(be) ? 1e-5 : 1e-2)))
        fail_msg("head size %zu, %d queries: error %g", size, n_q, e);
    be->op->release(be, dq), be->op->release(be, dk), be->op->release(be, dv),
        be->op->release(be, y);
    free(q), free(k), free(v), free(room), free(expected), free(got);
}

static void test_attention(void **state)
{
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        ti_backend *be = open_kind(exact);
        for (size_t i = 0; i < TEST_LENGTH(attention_cases); i++)
            check_attention(be, &attention_cases[i]);
        ti_backend_free(be);
    }
}

/* Cards with little shared memory take shorter tiles, and those before bf16 the plain kernel, as
 * their operands are float32. */
static void test_other_cards(void **state)
{
    (void)state;
    static const char *const archs[] = {"80", "86", "89", "100", "120", "75"};
    ti_backend *own = open_device("cuda");
    bool whole = emulated(own);
    ti_backend_free(own);
    if (!whole) skip();
    for (size_t a = 0; a < TEST_LENGTH(archs); a++) {
        bool old = !strcmp(archs[a], "75");
        setenv("EMULATED_ARCH", archs[a], 1);
        ti_backend *be = open_first(TI_BF16);
        assert_int_equal(is_exact(be), old);
        check_attention(be, &attention_cases[5]);
        ti_backend_free(be);
        be = open_device("cuda");
        for (size_t i = 3; i < TEST_LENGTH(shapes); i++) /* none of them float32 */
            check_product(be, "blk.0.test", LINEAR, &shapes[i]);
        ti_backend_free(be);
        unsetenv("EMULATED_ARCH");
    }
}

/* ---- pick -------------------------------------------------------------------------------- */

enum { PICK_ROWS = 9, PICK_COLS = 501 };

static void check_pick(ti_backend *be, float *const logits[3], float *const device[3], ti_pick p)
{
    int32_t keys[PICK_ROWS], expected[PICK_ROWS], got[PICK_ROWS];
    double expected_p[PICK_ROWS], got_p[PICK_ROWS];
    te_error err;
    for (int r = 0; r < PICK_ROWS; r++) keys[r] = 3 * r + 1;
    p.keys = keys;
    for (int i = 0; i < p.n_terms; i++) p.logits[i] = logits[i];
    p.ids = expected, p.probs = expected_p;
    ti_plain_pick(&p);
    for (int i = 0; i < p.n_terms; i++) p.logits[i] = device[i];
    p.ids = got, p.probs = got_p;
    be->op->pick(be, &p);
    assert_ok(be->op->sync(be, &err), err);
    assert_memory_equal(got, expected, sizeof got);
    for (int r = 0; r < PICK_ROWS; r++)
        assert_true(fabs(got_p[r] - expected_p[r]) < 1e-9 * (1 + expected_p[r]));
}

static void test_pick(void **state)
{
    (void)state;
    ti_backend *be = open_device("cuda");
    float *logits[3], *device[3];
    for (int i = 0; i < 3; i++) {
        logits[i] = floats(PICK_ROWS * PICK_COLS, (uint64_t)i);
        device[i] = to_device(be, logits[i], PICK_ROWS * PICK_COLS, false);
    }
    for (int method = TI_PICK_GREEDY; method <= TI_PICK_MULTINOMIAL; method++)
        for (int n_terms = 1; n_terms <= 3; n_terms++)
            for (uint64_t seed = 99; seed < 102; seed++)
                check_pick(be, logits, device,
                           (ti_pick){.n_rows = PICK_ROWS,
                                     .n_cols = seed == 101 ? 7 : PICK_COLS,
                                     .n_terms = n_terms,
                                     .scale = {5.5f, -3.5f, -1.0f},
                                     .method = (ti_pick_method)method,
                                     .temperature = 0.7,
                                     .random = {seed, 4}});
    for (int i = 0; i < 3; i++) be->op->release(be, device[i]), free(logits[i]);
    ti_backend_free(be);
}

/* Ties go to the lowest id; several picks wait for one sync. */
static void test_pick_ties(void **state)
{
    (void)state;
    ti_backend *be = open_device("cuda");
    float row[8] = {1, 5, 2, 5, 5, 0, -1, 5};
    void *logits = to_device(be, row, 8, false);
    int32_t key = 0, ids[12];
    double probs[12];
    te_error err;
    for (int i = 0; i < 12; i++) {
        ti_pick p = {.n_rows = 1,
                     .n_cols = 8 - i % 2,
                     .n_terms = 1,
                     .logits = {logits},
                     .scale = {1},
                     .keys = &key,
                     .ids = &ids[i],
                     .probs = &probs[i]};
        be->op->pick(be, &p);
    }
    assert_ok(be->op->sync(be, &err), err);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(ids[i], 1);
        assert_true(i % 2 ? probs[i] > 0.3 && probs[i] < 0.34 : probs[i] > 0.2 && probs[i] < 0.25);
    }
    be->op->release(be, logits);
    ti_backend_free(be);
}

/* ---- keep -------------------------------------------------------------------------------- */

enum { KEEP_ROWS = 300, KEEP_COLS = 3 };

/* Every third row is the one seven before it. */
static float *rows_with_ties(void)
{
    float *x = floats(KEEP_ROWS * KEEP_COLS, 6);
    for (int i = 7 * KEEP_COLS; i < KEEP_ROWS * KEEP_COLS; i++)
        if (i / KEEP_COLS % 3 == 0) x[i] = x[i - 7 * KEEP_COLS];
    return x;
}

static void check_keep(ti_backend *be, const float *logits, const float *device, ti_keep k)
{
    int32_t keys[KEEP_ROWS], ids[KEEP_ROWS];
    double probs[KEEP_ROWS];
    bool expected[KEEP_ROWS], got[KEEP_ROWS];
    te_error err;
    ti_pick pick = {.n_rows = KEEP_ROWS,
                    .n_cols = KEEP_COLS,
                    .n_terms = 1,
                    .logits = {logits},
                    .scale = {1},
                    .keys = keys,
                    .ids = ids,
                    .probs = probs};
    for (int r = 0; r < KEEP_ROWS; r++) keys[r] = 3 * r + 1;
    k.pick = &pick;
    k.kept = expected;
    ti_plain_pick(&pick);
    ti_plain_keep(&k);
    pick.logits[0] = device;
    k.kept = got;
    memset(probs, 0, sizeof probs); /* the card ranks its own */
    be->op->pick(be, &pick);
    be->op->keep(be, &k);
    assert_ok(be->op->sync(be, &err), err);
    assert_memory_equal(got, expected, sizeof got);
}

static void test_keep(void **state)
{
    (void)state;
    static const int ns[] = {0, 1, 150, KEEP_ROWS - 1, KEEP_ROWS, KEEP_ROWS + 1};
    ti_backend *be = open_device("cuda");
    float *logits = rows_with_ties(), *device = to_device(be, logits, KEEP_ROWS * KEEP_COLS, false);
    for (int method = TI_KEEP_HIGHEST; method <= TI_KEEP_GUMBEL; method++)
        for (size_t i = 0; i < TEST_LENGTH(ns); i++)
            for (int hot = 0; hot < 2; hot++)
                check_keep(be, logits, device,
                           (ti_keep){.method = (ti_keep_method)method,
                                     .n = ns[i],
                                     .heat = hot ? 0.6 : 0,
                                     .random = {5, 9}});
    be->op->release(be, device);
    free(logits);
    ti_backend_free(be);
}

/* Each answer goes to the pick it was asked for; without a pick there is none. */
static void test_keep_belongs_to_its_pick(void **state)
{
    (void)state;
    ti_backend *be = open_device("cuda");
    float rows[2][4] = {{0, 3, 1, 2}, {3, 0, 2, 1}};
    void *logits = to_device(be, rows[0], 8, false);
    int32_t keys[4] = {0, 1, 2, 3}, ids[2][4];
    double probs[2][4];
    bool kept[3][4] = {{false, true}, {false, true}, {true, true}};
    te_error err;
    ti_pick picks[2];
    for (int i = 0; i < 2; i++) {
        picks[i] = (ti_pick){.n_rows = 2,
                             .n_cols = 2,
                             .n_terms = 1,
                             .logits = {(float *)logits + 4 * i},
                             .scale = {1},
                             .keys = keys,
                             .ids = ids[i],
                             .probs = probs[i]};
        be->op->pick(be, &picks[i]);
        be->op->keep(be, &(ti_keep){.pick = &picks[i], .n = 1, .kept = kept[i]});
    }
    assert_ok(be->op->sync(be, &err), err);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ids[i][0], 1 - i);
        assert_true(kept[i][0]);
        assert_false(kept[i][1]); /* 3 to 0 is more certain than 2 to 1 */
    }
    be->op->keep(be, &(ti_keep){.pick = &picks[0], .n = 1, .kept = kept[2]});
    assert_int_equal(be->op->sync(be, &err), TE_DEVICE);
    assert_non_null(strstr(err.message, "used before they are picked"));
    assert_true(kept[2][1]);
    be->op->release(be, logits);
    ti_backend_free(be);
}

/* ---- image ops --------------------------------------------------------------------------- */

static ti_weight *bind(ti_backend *be, const float *data, int n_dims, const int64_t *dims)
{
    te_error err;
    ti_tensor t = {
        .name = "w", .type = TI_F32, .n_dims = n_dims, .shape = {1, 1, 1, 1}, .data = data};
    for (int i = 0; i < n_dims; i++) t.shape[i] = dims[i];
    ti_weight *w = NULL;
    assert_ok(be->op->weight_create(be, &t, &w, &err), err);
    return w;
}

static void check_conv(ti_backend *be, const ti_conv *s, bool accumulate, bool biased)
{
    size_t n_x = (size_t)(s->height * s->width * s->in_channels);
    size_t n_w = (size_t)(s->out_channels * s->in_channels * s->kernel * s->kernel);
    size_t n_y = (size_t)(s->out_height * s->out_width * s->out_channels);
    float *x = floats(n_x, 1), *w = floats(n_w, 2), *bias = floats((size_t)s->out_channels, 3);
    float *expected = floats(n_y, 4), *got = floats(n_y, 4);
    void *device_x = to_device(be, x, n_x, false), *y = to_device(be, got, n_y, false);
    ti_weight *kernel =
        bind(be, w, 4, (int64_t[]){s->out_channels, s->in_channels, s->kernel, s->kernel});
    ti_weight *b = biased ? bind(be, bias, 1, (int64_t[]){s->out_channels}) : NULL;
    ti_plain_conv(expected, x, w, biased ? bias : NULL, s, accumulate);
    be->op->conv(be, y, device_x, kernel, b, s, accumulate);
    from_device(be, got, y, n_y, false);
    assert_true(error_of(got, expected, n_y) < 2e-6);
    be->op->weight_free(be, kernel), be->op->weight_free(be, b);
    be->op->release(be, device_x), be->op->release(be, y);
    free(x), free(w), free(bias), free(expected), free(got);
}

static void test_conv(void **state)
{
    (void)state;
    static const struct {
        int height, width, in, out, kernel, stride;
    } cases[] = {
        {1, 1, 1, 1, 1, 1},     {1, 1, 3, 5, 3, 1},     {7, 5, 3, 33, 3, 1},
        {13, 11, 17, 70, 3, 1}, {4, 16, 64, 64, 3, 1},  {6, 10, 6, 6, 1, 1},
        {8, 12, 32, 32, 3, 2},  {10, 28, 37, 19, 3, 2}, {11, 9, 2, 3, 5, 1},
    };
    ti_backend *be = open_device("cuda");
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        int pad = cases[i].stride == 1 ? cases[i].kernel / 2 : 0;
        ti_conv s = {.height = cases[i].height,
                     .width = cases[i].width,
                     .in_channels = cases[i].in,
                     .out_height = cases[i].height / cases[i].stride,
                     .out_width = cases[i].width / cases[i].stride,
                     .out_channels = cases[i].out,
                     .kernel = cases[i].kernel,
                     .stride = cases[i].stride,
                     .pad_top = pad,
                     .pad_left = pad};
        check_conv(be, &s, i % 2 == 1, i % 3 != 0);
    }
    ti_backend_free(be);
}

static void check_group_norm(ti_backend *be, int n_pixels, int channels, int groups, bool silu)
{
    size_t n = (size_t)(n_pixels * channels);
    float *x = floats(n, 1), *expected = floats(n, 2), *got = floats(n, 2);
    float *gain = floats((size_t)channels, 3), *bias = floats((size_t)channels, 4);
    for (size_t i = 0; i < n; i++) x[i] += 3; /* a mean that matters */
    void *memory = to_device(be, x, n, false);
    ti_weight *g = bind(be, gain, 1, (int64_t[]){channels}),
              *b = bind(be, bias, 1, (int64_t[]){channels});
    ti_plain_group_norm(expected, x, gain, bias, n_pixels, channels, groups, 1e-6f, silu);
    be->op->group_norm(be, memory, memory, g, b, n_pixels, channels, groups, 1e-6f, silu);
    from_device(be, got, memory, n, false);
    assert_true(error_of(got, expected, n) < 2e-6);
    be->op->weight_free(be, g), be->op->weight_free(be, b);
    be->op->release(be, memory);
    free(x), free(expected), free(got), free(gain), free(bias);
}

static void test_image_ops(void **state)
{
    (void)state;
    ti_backend *be = open_device("cuda");
    check_group_norm(be, 1, 4, 2, false);
    check_group_norm(be, 131, 12, 3, true);
    check_group_norm(be, 70, 64, 32, true);
    check_group_norm(be, 5000, 8, 2, true); /* more than one slice */
    enum { H = 5, W = 3, C = 10, N = H * W * C };
    float *x = floats(N, 1), *expected = floats(4 * N, 2), *got = floats(4 * N, 3);
    void *from = to_device(be, x, N, false), *to = to_device(be, got, 4 * N, false);
    ti_plain_upsample(expected, x, H, W, C);
    be->op->upsample(be, to, from, H, W, C);
    ti_plain_add(expected, x, N);
    be->op->add(be, to, from, N);
    from_device(be, got, to, 4 * N, false);
    assert_memory_equal(got, expected, 4 * N * sizeof *got);
    be->op->release(be, from), be->op->release(be, to);
    free(x), free(expected), free(got);
    ti_backend_free(be);
}

static void test_pixel_attention(void **state)
{
    (void)state;
    static const struct {
        int n, channels;
    } cases[] = {{1, 3}, {50, 40}, {33, 512}};
    ti_backend *be = open_device("cuda");
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        size_t n = (size_t)(cases[i].n * cases[i].channels);
        float *q = floats(n, 1), *k = floats(n, 2), *v = floats(n, 3),
              *room = floats((size_t)cases[i].n, 5);
        float *expected = floats(n, 4), *got = floats(n, 4);
        void *dq = to_device(be, q, n, false), *dk = to_device(be, k, n, false);
        void *dv = to_device(be, v, n, false), *y = to_device(be, got, n, false);
        ti_plain_pixel_attention(expected, q, k, v, cases[i].n, cases[i].channels, room);
        be->op->pixel_attention(be, y, dq, dk, dv, cases[i].n, cases[i].channels);
        from_device(be, got, y, n, false);
        assert_true(error_of(got, expected, n) < 1e-5);
        be->op->release(be, dq), be->op->release(be, dk), be->op->release(be, dv),
            be->op->release(be, y);
        free(q), free(k), free(v), free(room), free(expected), free(got);
    }
    ti_backend_free(be);
}

/* ---- the device -------------------------------------------------------------------------- */

/* Two backends in one process, taken in turns, know nothing of each other. */
static void test_two_backends(void **state)
{
    (void)state;
    ti_backend *one = open_device("cuda");
    te_error err;
    ti_backend *two = NULL;
    if (ti_backend_create(&two, "cuda:1", 1, &err))
        two = open_device("cuda"); /* a machine with one card */
    float a[4] = {1, 2, 3, 4}, b[4] = {10, 20, 30, 40}, got[4];
    void *on_one = to_device(one, a, 4, false), *on_two = to_device(two, b, 4, false);
    for (int i = 0; i < 3; i++) {
        one->op->add(one, on_one, on_one, 4);
        two->op->add(two, on_two, on_two, 4);
    }
    from_device(one, got, on_one, 4, false);
    for (int i = 0; i < 4; i++) assert_true(got[i] == 8 * a[i]);
    from_device(two, got, on_two, 4, false);
    for (int i = 0; i < 4; i++) assert_true(got[i] == 8 * b[i]);
    one->op->release(one, on_one), two->op->release(two, on_two);
    ti_backend_free(one), ti_backend_free(two);
}

static void test_memory(void **state)
{
    (void)state;
    ti_backend *be = open_device("cuda");
    te_error err;
    void *memory;
    uint64_t before = be->op->memory_free(be);
    assert_true(before > 0);
    assert_int_equal(be->op->alloc(be, (size_t)1 << 50, &memory, &err), TE_NOMEM);
    assert_null(memory);
    assert_non_null(strstr(err.message, "GB free"));
    assert_ok(be->op->alloc(be, 1 << 20, &memory, &err), err); /* the failure is over */
    be->op->release(be, memory);
    float odd[33] = {0};
    ti_tensor bad = {
        .name = "odd", .type = TI_Q8_0, .n_dims = 2, .shape = {1, 33, 1, 1}, .data = odd};
    ti_weight *w;
    assert_int_equal(be->op->weight_create(be, &bad, &w, &err), TE_FORMAT);
    assert_null(w);
    ti_backend_free(be);
}

static int open_judge(void **state)
{
    (void)state;
    te_error err;
    return ti_cpu_create(&judge, 1, &err);
}

static int close_judge(void **state)
{
    (void)state;
    ti_backend_free(judge);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_fp8_products),
        cmocka_unit_test(test_fp8_of_other_cards),
        cmocka_unit_test(test_mixed_matrices),
        cmocka_unit_test(test_weights_without_a_place),
        cmocka_unit_test(test_streamed_products),
        cmocka_unit_test(test_embed_and_gather),
        cmocka_unit_test(test_embed_kept),
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_other_cards),
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_pick_ties),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_keep_belongs_to_its_pick),
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_image_ops),
        cmocka_unit_test(test_pixel_attention),
        cmocka_unit_test(test_two_backends),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, open_judge, close_judge);
}

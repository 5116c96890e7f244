/* ops_products.c - products of every type of weight, gates, FP8, weights that stream */
#include "ops.h"

typedef struct shape {
    ti_type type;
    int rows, in, out;
} shape;

static const shape shapes[] = {
    {TI_F32, 1, 64, 64},    {TI_F32, 7, 100, 33},   {TI_F32, 20, 257, 131}, {TI_F16, 5, 96, 40},
    {TI_BF16, 33, 64, 448}, {TI_BF16, 9, 520, 72},  {TI_Q8_0, 1, 32, 8},    {TI_Q8_0, 17, 288, 96},
    {TI_Q4_K, 3, 256, 64},  {TI_Q4_K, 19, 512, 40},
};

typedef enum kind { LINEAR, LINEAR_ROPE, LINEAR_ADD, GATE, HEAD, KINDS } kind;

/* The outputs as one head; rows at positions 0, 1, 2 and again. */
static ti_rope one_head(const shape *s)
{
    static int32_t positions[64];
    assert_true(s->rows <= (int)TEST_LENGTH(positions));
    for (int r = 0; r < s->rows; r++) positions[r] = r % 3;
    return (ti_rope){positions, s->out, 500000};
}

static void run_product(ti_backend *be, kind k, const shape *s, void *y, const void *x,
                        const ops_matrix *a, const ops_matrix *b)
{
    const ti_ops *op = be->op;
    const ti_rope rope = one_head(s);
    int first = s->out / 3, half = s->rows / 2;
    if (k == LINEAR) op->linear(be, y, x, a->w, s->rows);
    if (k == LINEAR_ROPE) op->linear_rope(be, y, x, a->w, s->rows, &rope);
    if (k == LINEAR_ADD) op->linear_add(be, y, x, a->w, s->rows);
    if (k == GATE) op->gate(be, y, x, a->w, b->w, s->rows);
    if (k == HEAD) op->head(be, y, x, half, s->rows - half, a->w, first, s->out - first, 0.25f);
}

static void run_plain(kind k, const shape *s, float *y, const float *x, const ops_matrix *a,
                      const ops_matrix *b)
{
    float *room = ops_floats((size_t)s->in, 0);
    const ti_rope rope = one_head(s);
    int first = s->out / 3, half = s->rows / 2;
    if (k == LINEAR) ti_plain_linear(y, x, a->plain, s->rows, room);
    if (k == LINEAR_ROPE) ti_plain_linear_rope(y, x, a->plain, s->rows, &rope, room);
    if (k == LINEAR_ADD) ti_plain_linear_add(y, x, a->plain, s->rows, room);
    if (k == GATE) ti_plain_gate(y, x, a->plain, b->plain, s->rows, room);
    if (k == HEAD)
        ti_plain_head(y, x, half, s->rows - half, a->plain, first, s->out - first, 0.25f, room);
    free(room);
}

/* NAME tells FP8 which weights are a block's. */
static void check_product(ti_backend *be, const char *name, kind k, const shape *s)
{
    if (k == LINEAR_ROPE && s->out % 2) return; /* no head */
    ops_matrix a = ops_make_weight(be, name, s->type, s->out, s->in, 1);
    ops_matrix b = ops_make_weight(be, name, s->type, s->out, s->in, 2);
    bool cells = k == LINEAR || k == LINEAR_ROPE || k == GATE;
    size_t n = k == HEAD ? (size_t)((s->rows - s->rows / 2) * (s->out - s->out / 3))
                         : (size_t)(s->rows * s->out);
    float *x = ops_floats((size_t)(s->rows * s->in), 3), *expected = ops_floats(n, 4),
          *got = ops_floats(n, 4);
    be->op->operand_bytes(be, s->rows, s->in > s->out ? s->in : s->out); /* as a session does */
    void *device_x = ops_to_device(be, x, (size_t)(s->rows * s->in), true);
    void *y = ops_to_device(be, got, n, cells);
    run_plain(k, s, expected, x, &a, &b);
    run_product(be, k, s, y, device_x, &a, &b);
    ops_from_device(be, got, y, n, cells);
    bool coded = strstr(be->description, "FP8") != NULL;
    double e = ops_error_of(got, expected, n), limit = ops_tolerance(be, coded);
    if (e > limit * (coded && k == GATE ? 2 : 1)) /* two products' errors */
        fail_msg("kind %d, %s, %d rows, %d in, %d out: error %g", k, ti_type_name(s->type), s->rows,
                 s->in, s->out, e);
    be->op->release(be, device_x);
    be->op->release(be, y);
    free(x), free(expected), free(got);
    ops_free_weight(be, &a), ops_free_weight(be, &b);
}

void test_products(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++)
        for (size_t i = 0; i < TEST_LENGTH(shapes); i++) {
            ti_backend *be = ops_open_device("cuda");
            check_product(be, "blk.0.test", (kind)k, &shapes[i]);
            ti_backend_free(be);
        }
}

/* False: this card has none, and said so. */
static bool check_fp8_products(void)
{
    static const shape coded[] = {{TI_BF16, 5, 64, 48},   {TI_Q8_0, 17, 160, 96},
                                  {TI_Q4_K, 8, 256, 32},  {TI_F16, 3, 32, 16},
                                  {TI_BF16, 4, 32, 160},    /* wider than what goes in */
                                  {TI_BF16, 40, 4352, 48}}; /* more than a thread's first eights */
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
    be = ops_open_device("cuda-fp8"); /* of a float32 model: values are float32 */
    for (int k = 0; k < KINDS; k++) {
        check_product(be, "blk.0.test", (kind)k, &(shape){TI_F32, 5, 64, 48});
        check_product(be, "blk.0.test", (kind)k, &(shape){TI_F32, 40, 64, 48});
    }
    assert_true(ops_is_exact(be));
    ti_backend_free(be);
    return true;
}

void test_fp8_products(void **state)
{
    (void)state;
    if (!check_fp8_products()) skip();
}

/* Hopper multiplies codes with their scales; Ada and Blackwell do not, older cards have no codes.
 */
void test_fp8_of_other_cards(void **state)
{
    (void)state;
    static const char *const archs[] = {"89", "100", "120", "86", "75"};
    ti_backend *be = ops_open_device("cuda");
    bool whole = ops_emulated(be);
    ti_backend_free(be);
    if (!whole) skip();
    for (size_t i = 0; i < TEST_LENGTH(archs); i++) {
        setenv("EMULATED_ARCH", archs[i], 1);
        assert_int_equal(check_fp8_products(), i < 3);
        unsetenv("EMULATED_ARCH");
    }
}

static void check_on_card(bool old)
{
    (void)old;
    ti_backend *be = ops_open_device("cuda");
    for (size_t i = 3; i < TEST_LENGTH(shapes); i++) /* none of them float32 */
        check_product(be, "blk.0.test", LINEAR, &shapes[i]);
    ti_backend_free(be);
}

void test_products_of_other_cards(void **state)
{
    (void)state;
    ops_on_other_cards(check_on_card);
}

/* The first matrix says what operands are; others are brought to that. */
void test_mixed_matrices(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_BF16, TI_F32, TI_BF16};
    enum { ROWS = 3, IN = 64, OUT = 48 };
    for (int exact = 0; exact < 2; exact++) {
        ti_backend *be = ops_open_device("cuda");
        float *x = ops_floats(ROWS * IN, 3), expected[ROWS * OUT], got[ROWS * OUT], room[IN];
        ops_matrix w[2];
        for (int i = 0; i < 2; i++)
            w[i] = ops_make_weight(be, "blk.0.test", types[i + exact], OUT, IN, (uint64_t)i);
        assert_int_equal(ops_is_exact(be), exact);
        void *device_x = ops_to_device(be, x, ROWS * IN, true),
             *y = ops_to_device(be, got, ROWS * OUT, true);
        for (int i = 0; i < 2; i++) {
            ti_plain_linear(expected, x, w[i].plain, ROWS, room);
            be->op->linear(be, y, device_x, w[i].w, ROWS);
            ops_from_device(be, got, y, ROWS * OUT, true);
            assert_true(ops_error_of(got, expected, ROWS * OUT) < ops_tolerance(be, false));
        }
        be->op->release(be, device_x), be->op->release(be, y);
        free(x);
        ops_free_weight(be, &w[0]), ops_free_weight(be, &w[1]);
        ti_backend_free(be);
    }
}

/* What a weight is made ready in grows with the next session; before that it is a failure, told. */
void test_weights_without_a_place(void **state)
{
    (void)state;
    te_error err;
    ti_backend *be = ops_open_device("cuda");
    float x[32] = {0};
    void *device_x = ops_to_device(be, x, 32, true), *y = ops_to_device(be, x, 8, true);
    ops_matrix w = ops_make_weight(be, "blk.0.test", TI_Q8_0, 8, 32, 1);
    be->op->linear(be, y, device_x, w.w, 1);
    assert_int_equal(be->op->sync(be, &err), TE_DEVICE);
    assert_non_null(strstr(err.message, "find no place on the card"));
    be->op->release(be, device_x), be->op->release(be, y);
    ops_free_weight(be, &w);
    ti_backend_free(be);
}

/* Weights that found no room on the card give the bits of those that did. */
void test_streamed_products(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_F32, TI_BF16, TI_F16, TI_Q8_0, TI_Q4_K};
    for (size_t i = 0; i < TEST_LENGTH(types); i++) {
        enum { ROWS = 6, IN = 256, OUT = 400 };
        float *x = ops_floats(ROWS * IN, 3), *first = ops_floats(ROWS * OUT, 0),
              *second = ops_floats(ROWS * OUT, 0);
        te_error err;
        for (int streamed = 0; streamed < 2; streamed++) {
            ti_backend *filler = ops_open_device("cuda");
            void *filling = NULL;
            if (streamed && ops_emulated(filler)) setenv("EMULATED_MEMORY", "600000000", 1);
            if (streamed && !ops_emulated(filler)) {
                uint64_t most = filler->op->memory_free(filler) - ((uint64_t)1 << 30);
                assert_ok(filler->op->alloc(filler, most, &filling, &err), err);
            }
            ti_backend *be = ops_open_device("cuda");
            ops_matrix w = ops_make_weight(be, "blk.0.test", types[i], OUT, IN, 1);
            be->op->operand_bytes(be, ROWS, OUT);
            void *device_x = ops_to_device(be, x, ROWS * IN, true),
                 *y = ops_to_device(be, first, ROWS * OUT, true);
            for (int again = 0; again < 5; again++) be->op->linear(be, y, device_x, w.w, ROWS);
            ops_from_device(be, streamed ? second : first, y, ROWS * OUT, true);
            be->op->release(be, device_x), be->op->release(be, y);
            ops_free_weight(be, &w);
            ti_backend_free(be);
            if (filling) filler->op->release(filler, filling);
            ti_backend_free(filler);
            unsetenv("EMULATED_MEMORY");
        }
        assert_memory_equal(first, second, ROWS * OUT * sizeof *first);
        free(x), free(first), free(second);
    }
}

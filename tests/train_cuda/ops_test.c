/* ops_test.c - the backbone's ops and the optimiser. */
#include "both.h"

static void products(void **state)
{
    (void)state;
    static const struct {
        ti_gemm_form form;
        bool bf16, accumulate;
        int m, n, k, more; /* more: of the distance between rows */
    } cases[] = {
        {TI_GEMM_NT, false, false, 37, 20, 33, 3}, {TI_GEMM_NN, false, true, 5, 70, 64, 0},
        {TI_GEMM_TN, false, true, 24, 16, 100, 8}, {TI_GEMM_NT, true, false, 37, 20, 33, 0},
        {TI_GEMM_NT, true, true, 40, 24, 64, 8},   {TI_GEMM_NN, true, false, 9, 31, 17, 1},
        {TI_GEMM_TN, true, true, 24, 16, 3000, 8}, {TI_GEMM_TN, false, true, 6, 10, 2100, 0},
        {TI_GEMM_NN, false, false, 4, 4, 0, 0}};
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        const int m = cases[i].m, n = cases[i].n, k_sum = cases[i].k;
        const bool turn_a = cases[i].form == TI_GEMM_TN, turn_b = cases[i].form == TI_GEMM_NT;
        ti_gemm_shape s = {.form = cases[i].form,
                           .bf16 = cases[i].bf16,
                           .accumulate = cases[i].accumulate,
                           .m = m,
                           .n = n,
                           .k = k_sum,
                           .alpha = 0.7f,
                           .lda = (turn_a ? m : k_sum) + cases[i].more,
                           .ldb = (turn_b ? k_sum : n) + cases[i].more,
                           .ldc = n + cases[i].more};
        both a = both_random((size_t)(turn_a ? k_sum : m) * (size_t)s.lda + 1, 1, 1);
        both b = both_random((size_t)(turn_b ? n : k_sum) * (size_t)s.ldb + 1, 2, 1);
        both c = both_random((size_t)m * (size_t)s.ldc, 3, 1);
        ON_BOTH(gemm(d, &s, a.at[k], b.at[k], c.at[k]));
        both_alike("a product", &c, 1e-5);
        both_free(&a);
        both_free(&b);
        both_free(&c);
    }
}

/* What is packed for a product must not outlive its source. */
static void products_after_changes(void **state)
{
    (void)state;
    ti_gemm_shape s = {.form = TI_GEMM_NN,
                       .bf16 = true,
                       .m = 16,
                       .n = 16,
                       .k = 16,
                       .alpha = 1,
                       .lda = 16,
                       .ldb = 16,
                       .ldc = 16};
    both a = both_random(256, 1, 1), b = both_random(256, 2, 1), c = both_zeros(256);
    ON_BOTH(gemm(d, &s, a.at[k], b.at[k], c.at[k]));
    ON_BOTH(gemm(d, &s, c.at[k], b.at[k], a.at[k])); /* a is written by a product */
    ON_BOTH(gemm(d, &s, a.at[k], b.at[k], c.at[k]));
    both_alike("a product of a product", &c, 1e-3);
    ON_BOTH(mix(d, a.at[k], 0.5f, b.at[k], 2, 256));
    ON_BOTH(gemm(d, &s, a.at[k], b.at[k], c.at[k]));
    both_alike("a product of a sum", &c, 1e-3);
    both_free(&a);
    both_free(&b);
    both_free(&c);
}

static void embedding(void **state)
{
    (void)state;
    enum { ROWS = 4300, WIDTH = 20, VOCAB = 50 };
    int32_t tokens[ROWS], order[10] = {7, 3, 4000, 12, 4299, 0, 88, 90, 2047, 2048};
    for (int i = 0; i < ROWS; i++)
        tokens[i] =
            i % 3 ? 49 : (int32_t)(ti_random_uniform((ti_random){5, 5}, (uint64_t)i) * VOCAB);
    both table = both_random(VOCAB * WIDTH, 1, 1), ids = both_ints(ROWS, tokens),
         list = both_ints(10, order);
    both x = both_zeros(ROWS * WIDTH), dtable = both_random(VOCAB * WIDTH, 2, 1),
         dx = both_random(ROWS * WIDTH, 3, 1);
    both y = both_zeros(10 * WIDTH);
    ON_BOTH(embed(d, x.at[k], table.at[k], ints_of(&ids, k), ROWS, WIDTH));
    both_alike("the embedding", &x, 0);
    ON_BOTH(embed_back(d, dtable.at[k], dx.at[k], ints_of(&ids, k), ROWS, WIDTH));
    both_alike("the embedding's gradient", &dtable, 1e-5);
    ON_BOTH(gather(d, y.at[k], x.at[k], ints_of(&list, k), 10, WIDTH));
    both_alike("rows", &y, 0);
    ON_BOTH(scatter(d, dx.at[k], y.at[k], ints_of(&list, k), 10, WIDTH));
    both_alike("rows put back", &dx, 0);
    both *all[] = {&table, &ids, &list, &x, &dtable, &dx, &y};
    for (size_t i = 0; i < TEST_LENGTH(all); i++) both_free(all[i]);
}

static void norms(void **state)
{
    (void)state;
    enum { ROWS = 700 };
    for (int width = 24; width <= 320; width += 148) { /* 24, 172, 320 */
        const size_t n = (size_t)ROWS * (size_t)width;
        both x = both_random(n, 1, 1), gain = both_random((size_t)width, 2, 1), y = both_zeros(n);
        both rstd = both_zeros(ROWS), dy = both_random(n, 3, 1), dx = both_random(n, 4, 1);
        both dgain = both_random((size_t)width, 5, 1);
        ON_BOTH(norm(d, y.at[k], rstd.at[k], x.at[k], gain.at[k], ROWS, width, 1e-5f));
        both_alike("a norm", &y, 1e-5);
        ON_BOTH(norm_back(d, dx.at[k], dgain.at[k], dy.at[k], x.at[k], gain.at[k], rstd.at[k], ROWS,
                          width));
        both_alike("a norm's gradient", &dx, 1e-5);
        both_alike("a gain's gradient", &dgain, 1e-5);
        both *all[] = {&x, &gain, &y, &rstd, &dy, &dx, &dgain};
        for (size_t i = 0; i < TEST_LENGTH(all); i++) both_free(all[i]);
    }
}

static void rope_and_gate(void **state)
{
    (void)state;
    enum { ROWS = 60, HEADS = 3, SIZE = 16, LD = 150, WIDTH = 44 };
    int32_t positions[ROWS];
    for (int i = 0; i < ROWS; i++) positions[i] = i * 11;
    both at = both_ints(ROWS, positions), x = both_random(ROWS * LD, 1, 1),
         y = both_zeros(ROWS * WIDTH);
    both dy = both_random(ROWS * WIDTH, 2, 1), dx = both_zeros(ROWS * 2 * WIDTH);
    ON_BOTH(rope(d, x.at[k], ints_of(&at, k), ROWS, HEADS, SIZE, LD, 10000, 1));
    both_alike("a turn", &x, 1e-4);
    ON_BOTH(swiglu(d, y.at[k], x.at[k], ROWS, WIDTH));
    both_alike("a gate", &y, 1e-4);
    ON_BOTH(swiglu_back(d, dx.at[k], dy.at[k], x.at[k], ROWS, WIDTH));
    both_alike("a gate's gradient", &dx, 1e-4);
    both *all[] = {&at, &x, &y, &dy, &dx};
    for (size_t i = 0; i < TEST_LENGTH(all); i++) both_free(all[i]);
}

static void attend_as(const ti_attention_shape *s, int rows, double tolerance)
{
    const int width = s->heads * s->head_size;
    const size_t n = (size_t)rows * (size_t)s->ld, n_y = (size_t)rows * (size_t)width;
    both qkv = both_random(n, 1, 1), y = both_zeros(n_y),
         lse = both_zeros((size_t)(rows * s->heads));
    both dy = both_random(n_y, 2, 1), dqkv = both_zeros(n);
    ON_BOTH(
        attention(d, y.at[k], lse.at[k], qkv.at[k], qkv.at[k] + width, qkv.at[k] + 2 * width, s));
    both_alike("attention", &y, tolerance);
    both_alike("attention's sums", &lse, tolerance);
    ON_BOTH(attention_back(d, dqkv.at[k], dqkv.at[k] + width, dqkv.at[k] + 2 * width, dy.at[k],
                           y.at[k], lse.at[k], qkv.at[k], qkv.at[k] + width, qkv.at[k] + 2 * width,
                           s));
    both_alike("attention's gradient", &dqkv, 2 * tolerance);
    both *all[] = {&qkv, &y, &lse, &dy, &dqkv};
    for (size_t i = 0; i < TEST_LENGTH(all); i++) both_free(all[i]);
}

static void attention(void **state)
{
    (void)state;
    static const ti_span ragged[] = {{0, 1}, {1, 150}, {151, 64}, {215, 17}},
                         even[] = {{0, 30}, {30, 30}, {60, 30}};
    ti_attention_shape s = {.spans = ragged, .n_spans = 4, .heads = 2, .head_size = 12, .ld = 80};
    attend_as(&s, 232, 1e-4);
    s = (ti_attention_shape){.spans = even, .n_spans = 3, .heads = 1, .head_size = 20, .ld = 60};
    attend_as(&s, 90, 1e-4);
    s = (ti_attention_shape){
        .spans = ragged, .n_spans = 4, .heads = 2, .head_size = 32, .ld = 192, .bf16 = true};
    attend_as(&s, 232, 1e-2);
    s = (ti_attention_shape){
        .spans = ragged, .n_spans = 4, .heads = 1, .head_size = 64, .ld = 192, .bf16 = true};
    attend_as(&s, 232, 1e-2);
}

static void cross_entropy(void **state)
{
    (void)state;
    enum { ROWS = 9 };
    for (int cols = 10; cols < 1000; cols += 600) {
        int32_t targets[ROWS];
        for (int i = 0; i < ROWS; i++) targets[i] = i * (cols - 1) / (ROWS - 1);
        both logits = both_random((size_t)(ROWS * cols), 1, 3), loss = both_zeros(ROWS),
             hit = both_zeros(ROWS);
        both weight = both_random(ROWS, 2, 1), target = both_ints(ROWS, targets);
        float same[10] = {0};
        ON_BOTH(upload(d, logits.at[k], same, sizeof same)); /* equals: the first is the largest */
        ON_BOTH(cross_entropy(d, logits.at[k], loss.at[k], hit.at[k], ints_of(&target, k),
                              weight.at[k], ROWS, cols, 0.8f));
        both_alike("losses", &loss, 1e-5);
        both_alike("logits' gradient", &logits, 1e-5);
        both_alike("hits", &hit, 0);
        both *all[] = {&logits, &loss, &hit, &weight, &target};
        for (size_t i = 0; i < TEST_LENGTH(all); i++) both_free(all[i]);
    }
}

static void optimiser(void **state)
{
    (void)state;
    enum { N = 40000 }; /* more than a slot of the emulated uploads holds */
    both p = both_random(N, 1, 1), m = both_random(N, 2, 0.1), g = both_random(N, 3, 1),
         average = both_zeros(N);
    both v = both_zeros(N);
    ti_adamw o = {.rate = 0.01f,
                  .beta1 = 0.9f,
                  .beta2 = 0.99f,
                  .eps = 1e-8f,
                  .decay = 0.02f,
                  .correction1 = 0.5f,
                  .correction2 = 0.3f,
                  .gradient_scale = 0.6f,
                  .ema = 0.9f};
    ON_BOTH(adamw(d, p.at[k], m.at[k], v.at[k], average.at[k], g.at[k], N, &o));
    both_alike("weights", &p, 1e-6);
    both_alike("first moments", &m, 1e-6);
    both_alike("second moments", &v, 1e-6);
    both_alike("averages", &average, 1e-6);
    double sums[2], again;
    for (int k = 0; k < 2; k++) sums[k] = devices[k]->op->sum_squares(devices[k], g.at[k], N);
    again = devices[1]->op->sum_squares(devices[1], g.at[1], N);
    assert_true(fabs(sums[1] - sums[0]) <= 1e-6 * sums[0]);
    assert_memory_equal(&again, &sums[1], sizeof again);
    ON_BOTH(copy(d, m.at[k], p.at[k], N));
    ON_BOTH(zero(d, p.at[k], N / 2));
    ON_BOTH(mix(d, m.at[k], -3, p.at[k], 0.25f, N));
    both_alike("sums", &m, 1e-6);
    both *all[] = {&p, &m, &g, &average, &v};
    for (size_t i = 0; i < TEST_LENGTH(all); i++) both_free(all[i]);
}

int run_ops(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),      cmocka_unit_test(products_after_changes),
        cmocka_unit_test(embedding),     cmocka_unit_test(norms),
        cmocka_unit_test(rope_and_gate), cmocka_unit_test(attention),
        cmocka_unit_test(optimiser),     cmocka_unit_test(cross_entropy)};
    return cmocka_run_group_tests_name("backbone", tests, NULL, NULL);
}

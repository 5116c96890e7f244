/* gemm_test.c - matrix products against float64 sums, for every form, kernel and odd size; the
 * promise that bits depend neither on threads nor on what else is in the matrix. */
#include "testing.h"

#include <math.h>

#include "backend/cpu/gemm.h"
#include "base/random.h"
#include "format/tensor.h"

enum { PATHS = 5 };

/* From all the machine has down to portable C; false when PATH is no different from the one before.
 */
static bool features_of(int path, ti_cpu_features *f)
{
    *f = ti_cpu_detect();
    const ti_cpu_features have = *f;
    if (path >= 1) f->avx512_bf16 = f->avx512_vnni = f->neon_dot = false;
    if (path >= 2) f->avx512 = false;
    if (path >= 3) f->avx2 = false;
    if (path >= 4) f->neon = false;
    return path == 0 || (path == 1 && (have.avx512_bf16 || have.neon_dot)) ||
           (path == 2 && have.avx512) || (path == 3 && have.avx2) || (path == 4 && have.neon);
}

static float *random_floats(size_t n, uint64_t stream)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(2 * ti_random_uniform((ti_random){7, stream}, i) - 1);
    return x;
}

static double rounded(float x, bool bf16)
{
    return bf16 ? ti_bf16_to_float(ti_float_to_bf16(x)) : x;
}

typedef struct operands {
    float *a, *b, *c, *expected;
    size_t c_size;
} operands;

static operands make_operands(const ti_gemm_shape *s)
{
    operands o;
    int a_rows = s->form == TI_GEMM_TN ? s->k : s->m, b_rows = s->form == TI_GEMM_NT ? s->n : s->k;
    o.a = random_floats((size_t)a_rows * (size_t)s->lda, 1);
    o.b = random_floats((size_t)b_rows * (size_t)s->ldb, 2);
    o.c_size = (size_t)s->m * (size_t)s->ldc;
    o.c = random_floats(o.c_size, 3);
    o.expected = random_floats(o.c_size, 3);
    for (int i = 0; i < s->m; i++)
        for (int j = 0; j < s->n; j++) {
            double sum = 0;
            for (int p = 0; p < s->k; p++) {
                float a = s->form == TI_GEMM_TN ? o.a[p * s->lda + i] : o.a[i * s->lda + p];
                float b = s->form == TI_GEMM_NT ? o.b[j * s->ldb + p] : o.b[p * s->ldb + j];
                sum += rounded(a, s->bf16) * rounded(b, s->bf16);
            }
            float *e = o.expected + i * s->ldc + j;
            *e = (float)(s->alpha * sum + (s->accumulate ? *e : 0.0));
        }
    return o;
}

static void free_operands(operands *o)
{
    free(o->a);
    free(o->b);
    free(o->c);
    free(o->expected);
}

static void check(ti_gemm *g, ti_gemm_shape s)
{
    s.lda = (s.form == TI_GEMM_TN ? s.m : s.k) + 3;
    s.ldb = (s.form == TI_GEMM_NT ? s.k : s.n) + 1;
    s.ldc = s.n + 2;
    operands o = make_operands(&s);
    ti_gemm_run(g, &s, o.a, o.b, o.c);
    double tolerance = 4e-7 * (s.k + 8);
    for (size_t i = 0; i < o.c_size; i++)
        if (!(fabs(o.c[i] - o.expected[i]) <= tolerance))
            fail_msg("form %d bf16 %d m %d n %d k %d element %zu: %g is not %g", s.form, s.bf16,
                     s.m, s.n, s.k, i, o.c[i], o.expected[i]);
    free_operands(&o);
}

static void test_products(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 1, 1},     {14, 32, 16}, {13, 31, 17},  {29, 65, 33},
                                   {3, 200, 5},   {150, 7, 40}, {15, 33, 800}, {20, 40, 1},
                                   {1, 70, 130},  {6, 16, 0},   {0, 5, 5},     {5, 0, 5},
                                   {920, 40, 10}, {10, 1600, 9}};
    for (int path = 0; path < PATHS; path++) {
        ti_cpu_features f;
        if (!features_of(path, &f)) continue;
        ti_gemm *g;
        te_error err;
        assert_ok(ti_gemm_create(&g, &f, 2, &err), err);
        for (size_t i = 0; i < TEST_LENGTH(sizes); i++)
            for (int variant = 0; variant < 12; variant++)
                check(g, (ti_gemm_shape){.form = (ti_gemm_form)(variant % 3),
                                         .bf16 = variant / 3 % 2,
                                         .accumulate = variant / 6,
                                         .alpha = variant % 2 ? 0.5f : 1.0f,
                                         .m = sizes[i][0],
                                         .n = sizes[i][1],
                                         .k = sizes[i][2]});
        ti_gemm_free(g);
    }
}

/* Rows 5 .. of a product are the bits of the same rows multiplied alone, by any number of threads.
 */
static void test_bits(void **state)
{
    (void)state;
    for (int path = 0; path < PATHS; path++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            ti_cpu_features f;
            if (!features_of(path, &f)) continue;
            ti_gemm_shape s = {
                .form = TI_GEMM_NT, .bf16 = bf16, .alpha = 0.3f, .m = 97, .n = 150, .k = 501};
            s.lda = s.ldb = s.k;
            s.ldc = s.n;
            operands o = make_operands(&s);
            for (int threads = 1; threads <= 5; threads += 2) {
                ti_gemm *g;
                te_error err;
                assert_ok(ti_gemm_create(&g, &f, threads, &err), err);
                float *c = threads == 1 ? o.expected : o.c;
                ti_gemm_run(g, &s, o.a, o.b, c);
                assert_memory_equal(c, o.expected, o.c_size * sizeof *c);
                ti_gemm_shape part = s;
                part.m = 3;
                part.n = 45;
                float alone[3 * 150];
                ti_gemm_run(g, &part, o.a + 5 * s.lda, o.b + 40 * s.ldb, alone);
                for (int i = 0; i < part.m; i++)
                    assert_memory_equal(alone + i * s.ldc, o.expected + (5 + i) * s.ldc + 40,
                                        (size_t)part.n * sizeof *c);
                ti_gemm_free(g);
            }
            free_operands(&o);
        }
}

static void test_batch(void **state)
{
    (void)state;
    ti_cpu_features f = ti_cpu_detect();
    ti_gemm *g;
    te_error err;
    assert_ok(ti_gemm_create(&g, &f, 2, &err), err);
    ti_gemm_shape s = {.form = TI_GEMM_NN,
                       .alpha = 1.0f,
                       .m = 20,
                       .n = 18,
                       .k = 30,
                       .lda = 30,
                       .ldb = 18,
                       .ldc = 18};
    for (int count = 1; count <= 9; count += 4) {
        float *a = random_floats(9 * 600, 1), *b = random_floats(9 * 540, 2),
              *c = random_floats(9 * 360, 3);
        ti_gemm_item items[9];
        for (int i = 0; i < count; i++)
            items[i] = (ti_gemm_item){a + i * 600, b + i * 540, c + i * 360};
        ti_gemm_batch(g, &s, items, count);
        for (int i = 0; i < count; i++) {
            float alone[360];
            ti_gemm_run(g, &s, items[i].a, items[i].b, alone);
            assert_memory_equal(alone, items[i].c, sizeof alone);
        }
        free(a);
        free(b);
        free(c);
    }
    ti_gemm_free(g);
}

static void test_bf16(void **state)
{
    (void)state;
    enum { N = 77 };
    float from[N] = {0.0f,   -0.0f,   INFINITY,    -INFINITY,  NAN,
                     1e-40f, 3.4e38f, 1.00390625f, 1.01171875f};
    for (int i = 9; i < N; i++) from[i] = (float)ti_random_normal((ti_random){1, 1}, (uint64_t)i);
    for (int path = 0; path < PATHS; path++) {
        ti_cpu_features f;
        if (!features_of(path, &f)) continue;
        uint16_t packed[N];
        float back[N];
        ti_bf16_pack(&f, packed, from, N);
        ti_bf16_unpack(&f, back, packed, N);
        for (int i = 0; i < N; i++) {
            float expected = ti_bf16_to_float(ti_float_to_bf16(from[i]));
            if (isnan(from[i]))
                assert_true(isnan(back[i]));
            else
                assert_memory_equal(&back[i], &expected, sizeof expected);
        }
    }
}

static void test_refusals(void **state)
{
    (void)state;
    ti_cpu_features f = ti_cpu_detect();
    ti_gemm *g;
    te_error err;
    assert_int_equal(ti_gemm_create(&g, &f, 0, &err), TE_INVALID);
    assert_null(g);
    ti_gemm_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products), cmocka_unit_test(test_bits),
                                       cmocka_unit_test(test_batch), cmocka_unit_test(test_bf16),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

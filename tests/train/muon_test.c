/* Muon's step: the momentum's singular values are levelled, whichever side is longer, its own
 * directions are kept, and value and average move by it. */
#include "check.h"

#include "muon.h"

#include <math.h>

enum { LONG = 48, SHORT = 20 };

static ti_recipe recipe(void)
{
    return (ti_recipe){.steps = 10,
                       .stop_at = 10,
                       .rate = 0.5,
                       .final_rate = 0.5,
                       .beta1 = 0.9,
                       .beta2 = 0.99,
                       .eps = 1e-8,
                       .clip = 1e9,
                       .ema = 0.75,
                       .slow = 1,
                       .muon = true,
                       .momentum = 0.5,
                       .matrix_rate = 2};
}

/* One matrix [rows][cols] with a gradient whose singular values are SIZES, on unit axes turned by
 * two reflections. */
static void one_matrix(ti_params *p, ti_train_device *d, int rows, int cols, const float *sizes)
{
    te_error err;
    ti_params_init(p, d);
    ti_params_add(p, "matrix", 2, (int64_t[]){rows, cols}, TI_MATRIX);
    assert_ok(ti_params_allocate(p, &err), err);
    const int n = rows < cols ? rows : cols;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) {
            float sum = 0; /* (I - 2 u u^T) diag(sizes) (I - 2 v v^T), u and v constant */
            for (int k = 0; k < n; k++)
                sum += ((r == k) - 2.0f / (float)rows) * sizes[k] * ((c == k) - 2.0f / (float)cols);
            p->grad[r * cols + c] = sum;
        }
}

/* The step's singular value along axis K of one_matrix(). */
static double along(const float *step, int rows, int cols, int k)
{
    double sum = 0;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++)
            sum += ((r == k) - 2.0 / rows) * (double)step[r * cols + c] * ((c == k) - 2.0 / cols);
    return sum;
}

static void levels(int rows, int cols)
{
    ti_train_device *d = open_device(2);
    ti_params p;
    float sizes[SHORT];
    double norm, all = 0, kept = 0;
    for (int k = 0; k < SHORT; k++) sizes[k] = k % 2 ? 0.02f : 1.0f; /* fifty times apart */
    one_matrix(&p, d, rows, cols, sizes);
    const ti_recipe r = recipe();
    ti_params_step(&p, &r, 0, &norm);
    assert_float_equal(norm, sqrt(10 * (1 + 0.02 * 0.02)), 1e-4);
    const double unit = -0.5 * 2 * 0.2 * sqrt(rows > cols ? rows : cols);
    for (int k = 0; k < SHORT; k++) {
        const double size = along(p.value, rows, cols, k) / unit;
        assert_true(size > 0.3 && size < 1.3);
        kept += size * unit * size * unit;
    }
    for (int i = 0; i < rows * cols; i++) all += (double)p.value[i] * (double)p.value[i];
    assert_true(kept > 0.99 * all); /* nothing outside the gradient's own directions */
    for (int i = 0; i < rows * cols; i++) {
        assert_float_equal(p.average[i], (1 - 1.0f / 11) * p.value[i], 1e-6); /* young average */
        assert_true(p.grad[i] == 0);
    }
    ti_params_clear(&p);
    ti_train_device_free(d);
}

static void wide_matrices(void **state)
{
    (void)state;
    levels(SHORT, LONG);
}

static void tall_matrices(void **state)
{
    (void)state;
    levels(LONG, SHORT);
}

/* Momentum 0.5 of gradient g, then none: 1.5 g looked ahead at first, 0.25 g afterwards: the same
 * direction, so the same step. */
static void momentum_goes_on(void **state)
{
    (void)state;
    ti_train_device *d = open_device(1);
    ti_params p;
    float sizes[SHORT], first[SHORT * LONG];
    double norm;
    for (int k = 0; k < SHORT; k++) sizes[k] = 1;
    one_matrix(&p, d, SHORT, LONG, sizes);
    const ti_recipe r = recipe();
    ti_params_step(&p, &r, 0, &norm);
    memcpy(first, p.value, sizeof first);
    ti_params_step(&p, &r, 1, &norm);
    assert_true(norm == 0);
    for (int i = 0; i < SHORT * LONG; i++)
        assert_float_equal(p.value[i], 2 * first[i], 1e-3 * (1 + fabs((double)first[i])));
    ti_params_clear(&p);
    ti_train_device_free(d);
}

static void nothing_gives_nothing(void **state)
{
    (void)state;
    ti_train_device *d = open_device(1);
    ti_params p;
    float sizes[SHORT] = {0};
    double norm;
    one_matrix(&p, d, SHORT, LONG, sizes);
    const ti_recipe r = recipe();
    ti_params_step(&p, &r, 0, &norm);
    for (int i = 0; i < SHORT * LONG; i++) assert_true(p.value[i] == 0);
    ti_params_clear(&p);
    ti_train_device_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_matrices),
        cmocka_unit_test(tall_matrices),
        cmocka_unit_test(momentum_goes_on),
        cmocka_unit_test(nothing_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* check.h - what the trainer's tests share: random arrays, and confirming a gradient by finite
 * differences along random directions. */
#ifndef TESTS_TRAIN_CHECK_H
#define TESTS_TRAIN_CHECK_H

#include "testing.h"

#include "base/random.h"
#include "ops/ops.h"

#include <math.h>

/* The curve's picture has text in it, and fontconfig keeps some memory for good. Asked by
 * AddressSanitizer where a test is built with it. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}

static inline float *random_floats(size_t n, uint64_t stream, double scale)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * ti_random_normal((ti_random){7, stream}, i));
    return x;
}

static inline double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static inline ti_train_device *open_device(int threads)
{
    ti_train_device *d = NULL;
    te_error err;
    assert_ok(ti_train_device_create_cpu(&d, threads, &err), err);
    return d;
}

/* VALUE(user) is a scalar; X [n] is one of its arguments, GRADIENT what its derivative by X is
 * claimed to be. Compares with central differences along random directions; TOLERANCE is relative
 * to the gradient's length. */
static inline void check_gradient(const char *what, double (*value)(void *user), void *user,
                                  float *x, const float *gradient, size_t n, double step,
                                  double tolerance)
{
    float *kept = malloc(n * sizeof *kept);
    assert_non_null(kept);
    memcpy(kept, x, n * sizeof *kept);
    const double length = sqrt(dot(gradient, gradient, n));
    assert_true(isfinite(length) && length > 0);
    for (uint64_t k = 0; k < 4; k++) {
        float *u = random_floats(n, 1000 + k, 1);
        double size = sqrt(dot(u, u, n)), sides[2];
        if (k == 0) { /* along the gradient itself */
            memcpy(u, gradient, n * sizeof *u);
            size = length;
        }
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < n; i++)
                x[i] = kept[i] + (float)((side ? step : -step) * (double)u[i] / size);
            sides[side] = value(user);
        }
        double measured = (sides[1] - sides[0]) / (2 * step), claimed = dot(gradient, u, n) / size;
        if (fabs(measured - claimed) > tolerance * length)
            fail_msg("%s: along direction %d the gradient is %g, claimed %g (length %g)", what,
                     (int)k, measured, claimed, length);
        free(u);
    }
    memcpy(x, kept, n * sizeof *kept);
    free(kept);
}

#endif

/* main.c - opens both devices and runs the groups. Exit status 77 when the module finds no card,
 * which is for whoever started it to judge; the emulated module always has one. */
#include "both.h"

ti_train_device *devices[2];

both both_zeros(size_t n)
{
    both b = {.n = n};
    te_error err;
    for (int k = 0; k < 2; k++) {
        void *memory = NULL;
        assert_ok(devices[k]->op->alloc(devices[k], n * sizeof(float), &memory, &err), err);
        b.at[k] = memory;
    }
    return b;
}

static both both_of(size_t n, const void *values)
{
    both b = both_zeros(n);
    for (int k = 0; k < 2; k++)
        devices[k]->op->upload(devices[k], b.at[k], values, n * sizeof(float));
    return b;
}

both both_ints(size_t n, const int32_t *values)
{
    return both_of(n, values);
}

both both_random(size_t n, uint64_t stream, double scale)
{
    float *x = malloc((n + !n) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * ti_random_normal((ti_random){7, stream}, i));
    both b = both_of(n, x);
    free(x);
    return b;
}

void both_free(both *b)
{
    for (int k = 0; k < 2; k++) devices[k]->op->release(devices[k], b->at[k]);
    *b = (both){0};
}

void both_alike(const char *what, const both *b, double tolerance)
{
    float *host[2];
    double difference = 0, size = 0;
    te_error err;
    for (int k = 0; k < 2; k++) {
        host[k] = malloc((b->n + !b->n) * sizeof(float));
        assert_non_null(host[k]);
        assert_ok(
            devices[k]->op->download(devices[k], host[k], b->at[k], b->n * sizeof(float), &err),
            err);
    }
    for (size_t i = 0; i < b->n; i++) {
        difference += pow((double)host[1][i] - (double)host[0][i], 2);
        size += pow((double)host[0][i], 2);
    }
    difference = sqrt(difference);
    size = sqrt(size);
    free(host[0]);
    free(host[1]);
    if (!(difference <= tolerance * size)) /* a NaN fails as well */
        fail_msg("%s: %g apart, of %g", what, difference, size);
}

int main(void)
{
    te_error err = {0};
    if (ti_train_device_create(&devices[0], "cpu", 2, &err) ||
        ti_train_device_create(&devices[1], "cuda", 2, &err)) {
        fprintf(stderr, "%s\n", err.message);
        ti_train_device_free(devices[0]);
        return 77;
    }
    fprintf(stderr, "%s against %s\n", devices[1]->description, devices[0]->description);
    int failed = run_ops() + run_image_ops() + run_golden();
    ti_train_device_free(devices[0]);
    ti_train_device_free(devices[1]);
    return failed ? 1 : 0;
}

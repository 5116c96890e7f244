/* devices.c - see devices.h */
#include "backend/devices.h"

#include "base/random.h"

ti_backend *backends[MAX_THREADS];

int create_backends(void **state)
{
    (void)state;
    te_error err;
    for (int t = 0; t < MAX_THREADS; t++)
        if (ti_cpu_create(&backends[t], t + 1, &err)) return -1;
    return 0;
}

int free_backends(void **state)
{
    (void)state;
    for (int t = 0; t < MAX_THREADS; t++) ti_backend_free(backends[t]);
    return 0;
}

ti_backend *limited(size_t i)
{
    static const char *const limits[LIMITS] = {"portable", "avx2", "neon"};
    te_error err;
    ti_backend *be = NULL;
    assert_true(i < LIMITS);
    return ti_cpu_create_limited(&be, limits[i], 1, &err) ? NULL : be;
}

float *floats(size_t n, uint64_t stream)
{
    float *x = calloc(n + 1, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)ti_random_normal((ti_random){11, stream}, i);
    return x;
}

/* both.h - every op on the CPU and on the card (or its emulation) with the same random numbers, and
 * how far the results are apart: the norm of the difference by the norm of the CPU's. */
#ifndef TESTS_TRAIN_CUDA_BOTH_H
#define TESTS_TRAIN_CUDA_BOTH_H

#include "testing.h"

#include "base/random.h"
#include "device.h"

#include <math.h>

/* devices[0] is the CPU. */
extern ti_train_device *devices[2];

typedef struct both {
    size_t n;
    float *at[2]; /* device memory */
} both;

#define ON_BOTH(call)                                                                              \
    for (int k = 0; k < 2; k++) {                                                                  \
        ti_train_device *d = devices[k];                                                           \
        d->op->call;                                                                               \
    }

both both_random(size_t n, uint64_t stream, double scale);
both both_zeros(size_t n);
both both_ints(size_t n, const int32_t *values);
void both_free(both *b);
void both_alike(const char *what, const both *b, double tolerance);

static inline int32_t *ints_of(const both *b, int k)
{
    return (int32_t *)(void *)b->at[k];
}

/* The program's groups of tests. */
int run_ops(void);
int run_image_ops(void);
int run_golden(void);

#endif

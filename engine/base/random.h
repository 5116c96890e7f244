/* random.h - a counter-based random generator (Philox 4x32-10; Salmon et al., SC 2011).
 *
 * A draw is a pure function of (seed, stream, index): no state, so any thread may make any draw and
 * the result does not depend on how many threads there are. */
#ifndef TI_BASE_RANDOM_H
#define TI_BASE_RANDOM_H

#include <stdint.h>

typedef struct ti_random {
    uint64_t seed;
    uint64_t stream; /* e.g. denoising step and purpose */
} ti_random;

/* Four independent 32-bit words for INDEX. */
void ti_random_words(ti_random r, uint64_t index, uint32_t out[4]);
/* Uniform in the open interval (0, 1), 53 bits. */
double ti_random_uniform(ti_random r, uint64_t index);
/* Standard Gumbel noise, -ln(-ln u). */
double ti_random_gumbel(ti_random r, uint64_t index);
/* Standard normal, by Box-Muller from the two halves of one draw. */
double ti_random_normal(ti_random r, uint64_t index);
/* Uniform integer in [0, n), n >= 1; bias below 2^-32. */
uint32_t ti_random_below(ti_random r, uint64_t index, uint32_t n);

#endif

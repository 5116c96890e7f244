/* devices.h - the CPU as the tests of its ops want it: with 1, 2 and 3 threads, with fewer
 * instructions than it has; and random values to feed it. */
#ifndef TESTS_BACKEND_DEVICES_H
#define TESTS_BACKEND_DEVICES_H

#include "testing.h"

#include "backend/cpu/cpu.h"

enum { MAX_THREADS = 3, LIMITS = 3 };

extern ti_backend *backends[MAX_THREADS]; /* [t]: of t + 1 threads */

int create_backends(void **state); /* set-up and tear-down of a group */
int free_backends(void **state);

/* A device with fewer instructions than the processor has, I below LIMITS; NULL where it never had
 * them. ti_backend_free(). */
ti_backend *limited(size_t i);

/* N normal values of a stream; free(). */
float *floats(size_t n, uint64_t stream);

#endif

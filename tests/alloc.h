/* alloc.h - makes the n-th allocation fail, and counts what is still allocated.
 *
 * A test built with te_alloc_test() has its calls of malloc, calloc, realloc, aligned_alloc, strdup
 * and free go through here (the linker's --wrap; those inside shared libraries do not). Typical
 * use:
 *
 *     static te_status work(void *user, te_error *err) { ...open, use, close... }
 *     ...
 *     test_every_allocation(work, user);
 *
 * fails each allocation of WORK once in turn and demands nothing left over and TE_NOMEM with a
 * message, or TE_OK where WORK could do without. */
#ifndef TESTS_ALLOC_H
#define TESTS_ALLOC_H

#include "thinkedit.h"

/* The N-th allocation from now on fails, counted from 1; 0: none does. */
void test_alloc_fail_at(long n);
/* Allocations since the last test_alloc_fail_at(). */
long test_alloc_calls(void);
/* Blocks allocated and not freed. */
long test_alloc_live(void);

typedef te_status (*test_work)(void *user, te_error *err);
/* Runs WORK unharmed (it must return TE_OK), then once for every allocation it makes. */
void test_every_allocation(test_work work, void *user);

#endif

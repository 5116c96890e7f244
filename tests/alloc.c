/* alloc.c - see alloc.h. Counters are atomic: the code under test may use threads. */
#include "alloc.h"

#include <stdatomic.h>

#include "testing.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

static atomic_long calls, live, failing;

static bool fails(void)
{
    return atomic_fetch_add(&calls, 1) + 1 == atomic_load(&failing);
}

static void *counted(void *memory)
{
    if (memory) atomic_fetch_add(&live, 1);
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (fails()) return NULL;
    return memory ? __real_realloc(memory, size) : counted(__real_realloc(NULL, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* What a shared library allocated and handed over (jansson's dumps) was never counted; tests of
 * code that frees such memory see a negative balance and must compare runs. */
void __wrap_free(void *memory)
{
    if (memory) atomic_fetch_sub(&live, 1);
    __real_free(memory);
}

void test_alloc_fail_at(long n)
{
    atomic_store(&calls, 0);
    atomic_store(&failing, n);
}

long test_alloc_calls(void)
{
    return atomic_load(&calls);
}

long test_alloc_live(void)
{
    return atomic_load(&live);
}

void test_every_allocation(test_work work, void *user)
{
    te_error err = {0};
    long before = test_alloc_live();
    test_alloc_fail_at(0);
    assert_ok(work(user, &err), err);
    long n = test_alloc_calls();
    assert_int_equal(test_alloc_live(), before);
    assert_true(n > 0);
    for (long i = 1; i <= n; i++) {
        memset(&err, 0, sizeof err);
        test_alloc_fail_at(i);
        te_status st = work(user, &err);
        test_alloc_fail_at(0);
        bool spared = st == TE_OK; /* it could do without */
        if (!spared && (st != TE_NOMEM || err.status != TE_NOMEM || !err.message[0]))
            fail_msg("allocation %ld of %ld failed, status %d: %s", i, n, st, err.message);
        if (test_alloc_live() != before)
            fail_msg("allocation %ld of %ld failed and left %ld blocks", i, n,
                     test_alloc_live() - before);
    }
}

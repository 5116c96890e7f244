/* memory.h - allocation with overflow checks. Everything here may return NULL; callers turn that
 * into TE_NOMEM. A test makes every one of these calls fail once. */
#ifndef TI_BASE_MEMORY_H
#define TI_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* a * b in *out; false on overflow. */
static inline bool ti_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

void *ti_calloc(size_t count, size_t size);       /* zeroed; NULL on overflow too */
void *ti_malloc_array(size_t count, size_t size); /* not zeroed */
void *ti_realloc_array(void *memory, size_t count, size_t size);
void *ti_aligned_alloc(size_t bytes); /* 64-byte aligned, release with free() */
char *ti_strdup(const char *text);
char *ti_strndup(const char *text, size_t n);

/* Bytes that can be had without swapping, or the rest of a container's limit (pages of files count
 * as available in both) or of this process's address space (ulimit -v). UINT64_MAX: nobody says. */
uint64_t ti_memory_available(void);

#endif

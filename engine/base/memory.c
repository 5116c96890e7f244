/* memory.c - see memory.h */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void *ti_calloc(size_t count, size_t size)
{
    return calloc(count ? count : 1, size ? size : 1);
}

void *ti_malloc_array(size_t count, size_t size)
{
    size_t bytes;
    return ti_mul_size(count, size, &bytes) ? malloc(bytes ? bytes : 1) : NULL;
}

void *ti_realloc_array(void *memory, size_t count, size_t size)
{
    size_t bytes;
    return ti_mul_size(count, size, &bytes) ? realloc(memory, bytes ? bytes : 1) : NULL;
}

void *ti_aligned_alloc(size_t bytes)
{
    size_t rounded;
    if (__builtin_add_overflow(bytes, (size_t)63, &rounded)) return NULL;
    rounded &= ~(size_t)63;
    return aligned_alloc(64, rounded ? rounded : 64);
}

char *ti_strndup(const char *text, size_t n)
{
    char *copy = ti_malloc_array(n + 1, 1);
    if (!copy) return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *ti_strdup(const char *text)
{
    return ti_strndup(text, strlen(text));
}

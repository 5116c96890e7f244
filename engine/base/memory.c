/* memory.c - see memory.h */
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

/* The number after LABEL in a small text file, or UINT64_MAX ("max", no file, no such line). */
static uint64_t read_number(const char *path, const char *label, uint64_t unit)
{
    char line[256];
    uint64_t value = UINT64_MAX;
    FILE *file = fopen(path, "re");
    if (!file) return value;
    while (value == UINT64_MAX && fgets(line, sizeof line, file)) {
        unsigned long long n;
        size_t skip = strlen(label);
        if (!strncmp(line, label, skip) && sscanf(line + skip, "%llu", &n) == 1) value = n * unit;
    }
    fclose(file);
    return value;
}

uint64_t ti_memory_available(void)
{
    uint64_t bytes = read_number("/proc/meminfo", "MemAvailable:", 1024);
    uint64_t limit = read_number("/sys/fs/cgroup/memory.max", "", 1);
    uint64_t used = read_number("/sys/fs/cgroup/memory.current", "", 1);
    if (limit != UINT64_MAX && used != UINT64_MAX) {
        const uint64_t cached = read_number("/sys/fs/cgroup/memory.stat", "file ", 1);
        if (cached <= used) used -= cached;
        uint64_t rest = limit > used ? limit - used : 0;
        if (rest < bytes) bytes = rest;
    }
    struct rlimit space; /* ulimit -v */
    if (!getrlimit(RLIMIT_AS, &space) && space.rlim_cur != RLIM_INFINITY) {
        const uint64_t taken = read_number("/proc/self/status", "VmSize:", 1024);
        uint64_t rest = taken < space.rlim_cur ? space.rlim_cur - taken : 0;
        if (rest < bytes) bytes = rest;
    }
    return bytes;
}

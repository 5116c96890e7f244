/* driver_stub.c - a libcuda.so.1 that goes no further than its first two functions: CUDA's runtime
 * finds a driver of VERSION whose start gives STARTS. */
#include <stddef.h>
#include <string.h>

enum { NOT_FOUND = 500 };

int cuInit(unsigned flags);
int cuDriverGetVersion(int *version);
int cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags,
                        int *status);

__attribute__((visibility("default"))) int cuInit(unsigned flags)
{
    (void)flags;
    return STARTS;
}

__attribute__((visibility("default"))) int cuDriverGetVersion(int *version)
{
    *version = VERSION;
    return 0;
}

__attribute__((visibility("default"))) int cuGetProcAddress_v2(const char *name, void **function,
                                                               int version,
                                                               unsigned long long flags,
                                                               int *status)
{
    static const struct {
        const char *name;
        void (*function)(void);
    } known[] = {{"cuInit", (void (*)(void))cuInit},
                 {"cuDriverGetVersion", (void (*)(void))cuDriverGetVersion},
                 {"cuGetProcAddress", (void (*)(void))cuGetProcAddress_v2}};
    (void)version, (void)flags;
    *function = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i].name)) memcpy(function, &known[i].function, sizeof *function);
    if (status) *status = 0;
    return *function ? 0 : NOT_FOUND;
}

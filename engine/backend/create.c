/* create.c - turns a device name into a backend. The CPU is part of the library; CUDA is a module
 * beside it, opened at run time, so that one build runs on machines with and without NVIDIA
 * software. */
#include "backend/backend.h"
#include "backend/cpu/cpu.h"
#include "backend/module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The module lies in the folder of the library that holds this function; else the linker's path. */
static void *open_module(void)
{
    Dl_info self;
    char path[4096];
    if (dladdr((void *)(uintptr_t)&open_module, &self) && self.dli_fname) {
        const char *slash = strrchr(self.dli_fname, '/');
        int folder = slash ? (int)(slash - self.dli_fname) + 1 : 0;
        int n = snprintf(path, sizeof path, "%.*s%s", folder, self.dli_fname, TI_CUDA_MODULE);
        void *module = n < (int)sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
        if (module) return module;
    }
    return dlopen(TI_CUDA_MODULE, RTLD_NOW | RTLD_LOCAL);
}

/* The module stays open for the life of the process: CUDA cannot be unloaded safely. */
static te_status create_cuda(ti_backend **out, int card, te_error *err)
{
    void *module = open_module();
    if (!module)
        return ti_fail(err, TE_UNSUPPORTED,
                       "no CUDA: the module %s cannot be opened; use device cpu", TI_CUDA_MODULE);
    void *symbol = dlsym(module, TI_CUDA_ENTRY);
    ti_cuda_create_fn create;
    memcpy(&create, &symbol, sizeof create); /* ISO C has no cast from data to function pointers */
    if (!create)
        return ti_fail(err, TE_DEVICE,
                       "%s is no CUDA module of this library; install the two together",
                       TI_CUDA_MODULE);
    return create(out, card, TI_MODULE_VERSION, err);
}

/* Names of a card, and what they ask of it; a number may follow, "cuda-fp8:1". */
static const struct {
    const char *name;
    int flags;
} cuda_devices[] = {{"cuda-as-is", TI_CUDA_AS_IS}, {"cuda-fp8", TI_CUDA_FP8}, {"cuda", 0}};

te_status ti_backend_create(ti_backend **out, const char *device, int threads, te_error *err)
{
    *out = NULL;
    if (!device || !strcmp(device, "auto")) {
        if (!create_cuda(out, 0, NULL)) return TE_OK;
        return ti_cpu_create(out, threads, err);
    }
    if (!strcmp(device, "cpu")) return ti_cpu_create(out, threads, err);
    if (!strncmp(device, "cpu:", 4)) return ti_cpu_create_limited(out, device + 4, threads, err);
    for (size_t i = 0; i < sizeof cuda_devices / sizeof *cuda_devices; i++) {
        size_t n = strlen(cuda_devices[i].name);
        if (strncmp(device, cuda_devices[i].name, n)) continue;
        if (!device[n]) return create_cuda(out, cuda_devices[i].flags, err);
        if (device[n] != ':' || device[n + 1] < '0' || device[n + 1] > '9') continue;
        char *end;
        long card = strtol(device + n + 1, &end, 10);
        if (!*end && card < 64) return create_cuda(out, (int)card | cuda_devices[i].flags, err);
    }
    return ti_fail(
        err, TE_INVALID,
        "unknown device \"%s\"; use auto, cpu, or cuda, cuda-as-is or cuda-fp8, each with :N",
        device);
}

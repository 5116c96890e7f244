/* device.c - see device.h. The module stays open for the life of the process: CUDA cannot be
 * unloaded safely. */
#include "device.h"

#include "ops/cuda/module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* Beside the program that holds this function. */
static te_status open_module(void **module, te_error *err)
{
    Dl_info self;
    char path[4096] = TI_TRAIN_CUDA_MODULE;
    if (dladdr((void *)(uintptr_t)&open_module, &self) && self.dli_fname) {
        const char *slash = strrchr(self.dli_fname, '/');
        int folder = slash ? (int)(slash - self.dli_fname) + 1 : 0;
        snprintf(path, sizeof path, "%.*s%s%s", folder, self.dli_fname, folder ? "" : "./",
                 TI_TRAIN_CUDA_MODULE);
    }
    *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*module) return TE_OK;
    return ti_fail(err, TE_DEVICE, "no CUDA: %s; build with TE_CUDA or train on the CPU",
                   dlerror());
}

static te_status create_cuda(ti_train_device **out, int card, te_error *err)
{
    void *module = NULL;
    te_status st = open_module(&module, err);
    if (st) return st;
    void *symbol = dlsym(module, TI_TRAIN_CUDA_ENTRY);
    ti_train_cuda_create_fn create;
    memcpy(&create, &symbol, sizeof create); /* ISO C has no cast from data to function pointers */
    if (!create)
        return ti_fail(err, TE_DEVICE, "%s is no module of this trainer; build the two together",
                       TI_TRAIN_CUDA_MODULE);
    return create(out, card, TI_TRAIN_MODULE_VERSION, err);
}

te_status ti_train_device_create(ti_train_device **out, const char *name, int threads,
                                 te_error *err)
{
    *out = NULL;
    if (!strcmp(name, "cpu")) return ti_train_device_create_cpu(out, threads, err);
    if (!strcmp(name, "cuda")) return create_cuda(out, 0, err);
    if (!strncmp(name, "cuda:", 5) && name[5] >= '0' && name[5] <= '9' && !name[6])
        return create_cuda(out, name[5] - '0', err);
    return ti_fail(err, TE_INVALID, "unknown device \"%s\"; use cpu, cuda or cuda:N", name);
}

/* device.c - the CPU as a training device: memory, threads, and the op table of the best
 * instruction set the processor has. */
#include "ops/cpu.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct device_with_table {
    ti_train_cpu cpu; /* first */
    ti_train_ops ops;
} device_with_table;

static void cpu_free(ti_train_device *d)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    for (int i = 0; c->single && i < c->threads; i++) ti_gemm_free(c->single[i]);
    free(c->single);
    ti_gemm_free(c->gemm);
    free(c->scratch);
    free(c->shared);
    free(c);
}

static te_status cpu_alloc(ti_train_device *d, size_t bytes, void **memory, te_error *err)
{
    (void)d;
    *memory = ti_aligned_alloc(bytes ? bytes : 64);
    if (!*memory) return ti_fail_memory(err, "training", bytes);
    memset(*memory, 0, bytes);
    return TE_OK;
}

static void cpu_release(ti_train_device *d, void *memory)
{
    (void)d;
    free(memory);
}

static void cpu_upload(ti_train_device *d, void *to, const void *from, size_t bytes)
{
    (void)d;
    if (bytes) memcpy(to, from, bytes);
}

static te_status cpu_download(ti_train_device *d, void *to, const void *from, size_t bytes,
                              te_error *err)
{
    (void)d;
    (void)err;
    if (bytes) memcpy(to, from, bytes);
    return TE_OK;
}

static void cpu_gemm(ti_train_device *d, const ti_gemm_shape *s, const float *a, const float *b,
                     float *c)
{
    ti_gemm_run(ti_train_cpu_of(d)->gemm, s, a, b, c);
}

static const char *fill_table(ti_train_ops *ops, const ti_cpu_features *features)
{
    *ops = (ti_train_ops){.free = cpu_free,
                          .alloc = cpu_alloc,
                          .release = cpu_release,
                          .upload = cpu_upload,
                          .download = cpu_download,
                          .gemm = cpu_gemm};
#if defined(__x86_64__)
    if (features->avx512) {
        ti_train_fill_avx512(ops);
        return features->avx512_bf16 ? "AVX-512 with BF16" : "AVX-512";
    }
    if (features->avx2) {
        ti_train_fill_avx2(ops);
        return "AVX2";
    }
#else
    (void)features;
#endif
    ti_train_fill_plain(ops);
    return "plain";
}

te_status ti_train_device_create_cpu(ti_train_device **out, int threads, te_error *err)
{
    *out = NULL;
    if (threads <= 0) threads = omp_get_max_threads();
    ti_cpu_features features = ti_cpu_detect();
    device_with_table *t = ti_calloc(1, sizeof *t);
    if (!t) return ti_fail_memory(err, "the training device", sizeof *t);
    ti_train_cpu *c = &t->cpu;
    const char *isa = fill_table(&t->ops, &features);
    c->base.op = &t->ops;
    c->threads = threads;
    c->bf16 = features.avx512_bf16;
    snprintf(c->text, sizeof c->text, "cpu (%s, %d threads)", isa, threads);
    c->base.description = c->text;
    size_t scratch = (size_t)threads * TI_SCRATCH_FLOATS * sizeof(float);
    c->scratch = ti_aligned_alloc(scratch);
    c->shared = ti_aligned_alloc(TI_SHARED_FLOATS * sizeof(float));
    c->single = ti_calloc((size_t)threads, sizeof *c->single);
    te_status st = c->scratch && c->shared && c->single
                       ? TE_OK
                       : ti_fail_memory(err, "the training device", scratch);
    if (!st) st = ti_gemm_create(&c->gemm, &features, threads, err);
    for (int i = 0; !st && i < threads; i++) st = ti_gemm_create(&c->single[i], &features, 1, err);
    if (st) {
        cpu_free(&c->base);
        return st;
    }
    *out = &c->base;
    return TE_OK;
}

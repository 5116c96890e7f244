/* cpu.c - the CPU as a device: its memory, its op table, and how many threads it runs.
 *
 * Memory is ordinary memory, so upload and download are copies and nothing is ever pending: sync()
 * returns at once. Scratch for every thread is taken here once. */
#include "backend/cpu/cpu.h"
#include "format/map.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void cpu_free(ti_backend *be)
{
    ti_gemm_free(ti_cpu_of(be)->gemm);
    free(ti_cpu_of(be)->codes);
    free(ti_cpu_of(be)->scratch);
    free(be);
}

/* Large memory on large pages where the system has them to give: operands are walked at a stride.
 */
static void *alloc_pages(size_t bytes)
{
    const size_t page = (size_t)2 << 20;
    if (bytes < 2 * page) return ti_aligned_alloc(bytes);
    void *memory = aligned_alloc(page, (bytes + page - 1) & ~(page - 1));
    if (memory) madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

/* Room for codes of the largest operand anyone asked the size of; smaller room only means more
 * passes. */
static te_status grow_codes(ti_cpu *cpu, te_error *err)
{
    if (cpu->codes_bytes >= cpu->codes_wanted) return TE_OK;
    unsigned char *codes = alloc_pages(cpu->codes_wanted);
    if (!codes) return ti_fail_memory(err, "the operands of an edit", cpu->codes_wanted);
    free(cpu->codes);
    cpu->codes = codes;
    cpu->codes_bytes = cpu->codes_wanted;
    cpu->coded.x = NULL;
    return TE_OK;
}

static te_status cpu_alloc(ti_backend *be, size_t bytes, void **memory, te_error *err)
{
    *memory = NULL;
    te_status st = grow_codes(ti_cpu_of(be), err);
    if (st) return st;
    *memory = alloc_pages(bytes);
    if (!*memory) return ti_fail_memory(err, "the working memory of an edit", bytes);
    return TE_OK;
}

static void cpu_release(ti_backend *be, void *memory)
{
    (void)be;
    free(memory);
}

static te_status cpu_copy(ti_backend *be, void *to, const void *from, size_t bytes, te_error *err)
{
    (void)err;
    if (bytes) memcpy(to, from, bytes);
    ti_cpu_of(be)->coded.x = NULL; /* the bytes may be an operand's */
    return TE_OK;
}

static te_status cpu_sync(ti_backend *be, te_error *err)
{
    (void)be, (void)err;
    return TE_OK;
}

/* The weights stay where the file is mapped, in pages that count as available; yet without them in
 * memory every pass would wait for the disk. */
static uint64_t cpu_memory_free(ti_backend *be)
{
    const uint64_t have = ti_memory_available(), weights = ti_cpu_of(be)->weights;
    return have > weights ? have - weights : 0;
}

static te_status cpu_expect(ti_backend *be, const ti_tensor *const *tensors, int n, te_error *err)
{
    ti_cpu *cpu = ti_cpu_of(be);
    (void)err;
    for (int i = 0; i < n; i++) cpu->weights += tensors[i]->bytes;
    if (cpu->weights > ti_memory_available()) return TE_OK;
    for (int i = 0; i < n; i++) ti_map_foresee(tensors[i]->data, tensors[i]->bytes);
    return TE_OK;
}

static te_status cpu_repeat(ti_backend *be, const ti_repeated *what, te_error *err)
{
    (void)be;
    return what->issue(what->user, err);
}

static size_t float_bytes(ti_backend *be, int rows, int width)
{
    (void)be;
    return (size_t)rows * (size_t)width * sizeof(float);
}

static size_t operand_bytes(ti_backend *be, int rows, int width)
{
    ti_cpu *cpu = ti_cpu_of(be);
    const ti_int8_kernel *kernels[] = {cpu->int8, cpu->int8_q4};
    for (int i = 0; i < 2; i++) {
        size_t wanted = ti_int8_operand_bytes(kernels[i], rows, width);
        if (cpu->codes_wanted < wanted) cpu->codes_wanted = wanted;
    }
    return float_bytes(be, rows, width);
}

static const ti_ops cpu_ops = {
    .free = cpu_free,
    .alloc = cpu_alloc,
    .release = cpu_release,
    .upload = cpu_copy,
    .download = cpu_copy,
    .sync = cpu_sync,
    .memory_free = cpu_memory_free,
    .repeat = cpu_repeat,
    .expect = cpu_expect,
    .weight_create = ti_cpu_weight_create,
    .weight_free = ti_cpu_weight_free,
    .stream_bytes = float_bytes,
    .operand_bytes = operand_bytes,
    .values_bytes = float_bytes,
    .embed = ti_cpu_embed,
    .embed_kept = ti_cpu_embed_kept,
    .norm = ti_cpu_norm,
    .linear = ti_cpu_linear,
    .linear_rope = ti_cpu_linear_rope,
    .attention = ti_cpu_attention,
    .linear_add = ti_cpu_linear_add,
    .gate = ti_cpu_gate,
    .gather = ti_cpu_gather,
    .head = ti_cpu_head,
    .pick = ti_cpu_pick,
    .keep = ti_cpu_keep,
    .conv = ti_cpu_conv,
    .group_norm = ti_cpu_group_norm,
    .upsample = ti_cpu_upsample,
    .add = ti_cpu_add,
    .pixel_attention = ti_cpu_pixel_attention,
};

te_status ti_cpu_create(ti_backend **out, int threads, te_error *err)
{
    return ti_cpu_create_limited(out, NULL, threads, err);
}

te_status ti_cpu_create_limited(ti_backend **out, const char *limit, int threads, te_error *err)
{
    ti_cpu_features features = ti_cpu_detect();
    *out = NULL;
    if (limit && !ti_cpu_features_limit(&features, limit))
        return ti_fail(
            err, TE_INVALID,
            "this processor has no \"%s\"; known are amx, avx2, avx512, neon and portable", limit);
    if (!limit) features.amx_int8 = false; /* on request only: it never ran on a real processor */
    if (threads < 0 || threads > 1024)
        return ti_fail(err, TE_INVALID, "%d threads are impossible; use 0 (all cores) to 1024",
                       threads);
    if (!threads) threads = omp_get_num_procs();
    ti_cpu *cpu = ti_calloc(1, sizeof *cpu);
    if (!cpu) return ti_fail_memory(err, "the device", sizeof *cpu);
    cpu->base.op = &cpu_ops;
    cpu->base.description = cpu->description;
    cpu->threads = threads;
    cpu->features = features;
    cpu->int8 = ti_int8_kernel_for(&cpu->features, TI_Q8_0);
    cpu->int8_q4 = ti_int8_kernel_for(&cpu->features, TI_Q4_K);
    cpu->codes_wanted = (size_t)4 << 20;
    cpu->scratch = alloc_pages((size_t)threads * TI_CPU_SCRATCH);
    te_status st = cpu->scratch ? TE_OK
                                : ti_fail_memory(err, "the threads' scratch",
                                                 (size_t)threads * TI_CPU_SCRATCH);
    if (!st) st = grow_codes(cpu, err);
    if (!st) st = ti_gemm_create(&cpu->gemm, &cpu->features, threads, err);
    if (st) {
        cpu_free(&cpu->base);
        return st;
    }
    snprintf(cpu->description, sizeof cpu->description, "cpu (%s, %d thread%s)",
             ti_cpu_features_name(&cpu->features), threads, threads == 1 ? "" : "s");
    *out = &cpu->base;
    return TE_OK;
}

/* cpu.h - what the files of the CPU backend share: the device, its weights, its scratch memory.
 *
 * On this device stream, operand and values are all float32 [rows][width]. The operand last
 * multiplied with quantised weights is kept as 8-bit codes too (see int8.h), so that queries, keys
 * and values share one conversion; an op that writes operands says so by ti_cpu_operand_written().
 * Weights stay in the file's bytes (a view) unless a kernel asks for a packed copy at creation.
 *
 * Rules for every op: parallel regions say num_threads(cpu->threads); work is cut by shape alone,
 * never by the number of threads, and no sum crosses a cut, so the bits do not depend on it;
 * working memory comes from ti_cpu_scratch(), never from malloc. plain.c has each op once more,
 * slow and readable, as ti_plain_*: the tests compare the two.
 */
#ifndef TI_BACKEND_CPU_H
#define TI_BACKEND_CPU_H

#include "backend/backend.h"
#include "backend/cpu/features.h"
#include "backend/cpu/gemm.h"
#include "backend/cpu/int8.h"
#include "base/memory.h"

#define TI_CPU_SCRATCH ((size_t)5 << 20) /* bytes per thread; pages are touched only when used */
/* Elements below which waking the other threads costs more than it brings. */
#define TI_CPU_SMALL 16384

typedef struct ti_cpu {
    ti_backend base; /* first: a ti_backend * of this device is a ti_cpu * */
    int threads;
    ti_cpu_features features; /* the processor's; a test clears members to force a path */
    ti_gemm *gemm;
    const ti_int8_kernel *int8, *int8_q4; /* in general, and where all weights are q4_k */
    unsigned char *codes;                 /* room for an operand as the int8 kernel reads it */
    size_t codes_bytes, codes_wanted;     /* had, and asked for through operand_bytes since */
    const void *operand;                  /* written last by an op */
    const void *rounded;                  /* values written last by a product of rounded operands */
    struct {
        const void *x; /* what the codes are of, if it is that operand; else NULL */
        const ti_int8_kernel *kernel;
        int n_rows, width;
    } coded;
    uint64_t weights;       /* bytes of the file that every forward pass reads */
    unsigned char *scratch; /* [threads][TI_CPU_SCRATCH], 64-byte aligned */
    char description[96];
} ti_cpu;

struct ti_weight {
    ti_tensor tensor; /* view of the caller's bytes: type, shape, data */
    int64_t rows;     /* shape[0] */
    int64_t cols;     /* product of the other dimensions */
    float *values;    /* 1-D: the vector as float32, owned; else NULL */
    void *packed;     /* a kernel's own arrangement, owned (free()); NULL: works from the view */
    size_t packed_bytes;
};

static inline ti_cpu *ti_cpu_of(ti_backend *be)
{
    return (ti_cpu *)be;
}

/* Scratch of THREAD (omp_get_thread_num() of a region of at most cpu->threads). */
static inline void *ti_cpu_scratch(ti_cpu *cpu, int thread)
{
    return cpu->scratch + (size_t)thread * TI_CPU_SCRATCH;
}

/* Every op that writes an operand calls this; without it codes would be made anew for each product.
 */
static inline void ti_cpu_operand_written(ti_cpu *cpu, const void *operand)
{
    cpu->operand = operand;
    cpu->coded.x = NULL;
}

/* Row ROW of a 2-D weight as float32. */
static inline void ti_weight_row(const ti_weight *w, int64_t row, float *to)
{
    size_t bytes = ti_type_row_bytes(w->tensor.type, w->cols);
    ti_dequantize(w->tensor.type, (const char *)w->tensor.data + (size_t)row * bytes, to, w->cols);
}

te_status ti_cpu_create(ti_backend **out, int threads, te_error *err);
/* With no more than the instructions LIMIT names (ti_cpu_features_limit); NULL: all there are. */
te_status ti_cpu_create_limited(ti_backend **out, const char *limit, int threads, te_error *err);
te_status ti_cpu_weight_create(ti_backend *be, const ti_tensor *tensor, ti_weight **out,
                               te_error *err);
void ti_cpu_weight_free(ti_backend *be, ti_weight *w);

/* ---- the ops, one file each; contracts in backend.h -------------------------------------- */

void ti_cpu_embed(ti_backend *be, void *stream, const ti_weight *table, const int32_t *host_tokens,
                  int n_rows);
void ti_cpu_embed_kept(ti_backend *be, void *stream, const ti_weight *table, const ti_keep *keep,
                       const int32_t *host_rows, int first_row);
void ti_cpu_norm(ti_backend *be, void *operand, const void *stream, const int32_t *host_rows,
                 int n_rows, const ti_weight *gain, float eps);
void ti_cpu_linear(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                   int n_rows);
void ti_cpu_linear_rope(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                        int n_rows, const ti_rope *rope);
void ti_cpu_attention(ti_backend *be, void *operand, const void *q, const void *k, const void *v,
                      const ti_heads *heads, const ti_segment *segments, int n_segments);
void ti_cpu_linear_add(ti_backend *be, void *stream, const void *operand, const ti_weight *w,
                       int n_rows);
void ti_cpu_gate(ti_backend *be, void *operand, const void *h, const ti_weight *w_gate,
                 const ti_weight *w_up, int n_rows);
void ti_cpu_gather(ti_backend *be, void *stream, const void *from, const int32_t *host_rows,
                   int n_rows, int width);
void ti_cpu_head(ti_backend *be, float *logits, const void *operand, int first_row, int n_rows,
                 const ti_weight *w, int first_out, int n_out, float scale);
void ti_cpu_pick(ti_backend *be, const ti_pick *pick);
void ti_cpu_keep(ti_backend *be, const ti_keep *keep);

/* Image tokeniser ops (conv.c, group_norm.c, upsample.c, add.c, pixel_attention.c). */
void ti_cpu_conv(ti_backend *be, float *y, const float *x, const ti_weight *w,
                 const ti_weight *bias, const ti_conv *shape, bool accumulate);
void ti_cpu_group_norm(ti_backend *be, float *y, const float *x, const ti_weight *gain,
                       const ti_weight *bias, int n_pixels, int channels, int groups, float eps,
                       bool silu);
void ti_cpu_upsample(ti_backend *be, float *y, const float *x, int height, int width, int channels);
void ti_cpu_add(ti_backend *be, float *y, const float *x, size_t n);
void ti_cpu_pixel_attention(ti_backend *be, float *y, const float *q, const float *k,
                            const float *v, int n_pixels, int channels);

/* Packs a [out][in][kh][kw] kernel for ti_cpu_conv into w->packed (conv.c); called by
 * weight_create. */
te_status ti_cpu_pack_conv(ti_cpu *cpu, ti_weight *w, te_error *err);

#endif

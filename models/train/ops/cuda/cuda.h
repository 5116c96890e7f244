/* cuda.h - what the files of the trainer's CUDA device share.
 *
 * The device is a module of its own (libthinkedit-train-cuda.so, opened at run time;
 * ../../device.h), so the trainer runs on machines without NVIDIA software. Host code is C, kernels
 * and the ops around them are C-style CUDA, one op a file as on the CPU. cuBLAS is opened when a
 * device is made; product.h is the only door to it.
 *
 * Order. Everything is enqueued on one stream. upload() copies to pinned memory and returns; only
 * download() and sum_squares() wait. The host therefore runs a whole step ahead: what it draws or
 * packs between enqueuing a step and asking for its losses costs the card nothing.
 *
 * Numbers. As on the CPU: float32, products without TF32, or with inputs rounded to bf16 where a
 * shape says so. Sums are trees of a fixed form over fixed chunks, without atomics; products are
 * cut by us, not by the library, where a sum is long. So the same card and library give the same
 * bits again.
 *
 * Memory. Rooms are scratch that grows when a larger shape comes and stays: after the first step
 * nothing allocates.
 *
 * Failures. The first failed call is kept; later ops do nothing; download() reports it, and
 * sum_squares() is then not a number.
 */
#ifndef TI_TRAIN_CUDA_H
#define TI_TRAIN_CUDA_H

#include <cuda_runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "ops/cuda/product.h"
#include "ops/ops.h"

#define TI_TRAIN_CUDA_SLOTS 2
#ifndef TI_TRAIN_CUDA_SLOT_BYTES /* tests have smaller ones */
#define TI_TRAIN_CUDA_SLOT_BYTES ((size_t)32 << 20)
#endif

/* Scratch by purpose: those of one op at a time may not share a room. */
typedef enum ti_train_room {
    TI_ROOM_A, /* inputs of products as bf16 */
    TI_ROOM_B,
    TI_ROOM_PARTS,   /* pieces of a long sum */
    TI_ROOM_PATCHES, /* of convolutions; scores of attention */
    TI_ROOM_SLOPES,  /* gradients of scores */
    TI_ROOM_WEIGHTS, /* kernels turned for a product */
    TI_ROOM_SUMS,
    TI_ROOM_NUMBERS, /* coefficients, orders */
    TI_ROOMS
} ti_train_room;

/* What ROOM_A and ROOM_B hold, to spare packing it again. */
typedef struct ti_train_packed {
    const float *from;
    int64_t rows, cols, ld;
    uint64_t epoch;
} ti_train_packed;

typedef struct ti_train_cuda {
    ti_train_device base; /* first */
    int card;
    cudaStream_t stream;
    ti_products *products;
    cudaError_t failed;
    char failure[160];
    uint64_t epoch; /* counts ops that may have changed the input of a product */
    void *rooms[TI_ROOMS];
    size_t room_bytes[TI_ROOMS];
    ti_train_packed packed[2];
    struct {
        unsigned char *pinned;
        cudaEvent_t sent;
    } slots[TI_TRAIN_CUDA_SLOTS];
    int slot;
    size_t slot_used;
    ti_span *spans; /* on the card, [spans_room] */
    ti_span *host_spans;
    int n_spans, spans_room;
    char text[96];
} ti_train_cuda;

/* The device as this folder knows it, about to be written to. */
static inline ti_train_cuda *ti_train_cuda_of(ti_train_device *d)
{
    ti_train_cuda *c = (ti_train_cuda *)d;
    c->epoch++;
    return c;
}

bool ti_train_cuda_check(ti_train_cuda *c, cudaError_t code, const char *what);
/* At least BYTES of scratch; what was in it is lost when it grows. NULL: failed. */
void *ti_train_cuda_room(ti_train_cuda *c, ti_train_room room, size_t bytes);
void ti_train_cuda_upload(ti_train_device *d, void *to, const void *from, size_t bytes);
te_status ti_train_cuda_download(ti_train_device *d, void *to, const void *from, size_t bytes,
                                 te_error *err);
/* The spans on the card. NULL: failed. */
const ti_span *ti_train_cuda_spans(ti_train_cuda *c, const ti_span *spans, int n);
/* c = alpha a b (+ c) with P's shape; inputs float32, or bf16 where P says so. */
void ti_train_cuda_product(ti_train_cuda *c, const ti_product *p, const void *a, const void *b,
                           float *to);

/* dst[c] += sum over CHUNKS of sums[chunk][WHICH][c], of COLS columns (column_sums.cuh). */
void ti_train_cuda_add_sums(ti_train_cuda *c, float *dst, const double *sums, int chunks, int cols,
                            int which);
/* Attention by tensor cores, for head sizes 32 and 64 with 16-byte aligned rows (attend.cu). */
bool ti_train_cuda_can_attend(const ti_attention_shape *s, const float *q, const float *k,
                              const float *v);
void ti_train_cuda_attend(ti_train_cuda *c, float *y, float *lse, const float *q, const float *k,
                          const float *v, const ti_attention_shape *s);
void ti_train_cuda_attend_back(ti_train_cuda *c, float *dq, float *dk, float *dv, const float *dy,
                               const float *y, const float *lse, const float *q, const float *k,
                               const float *v, const ti_attention_shape *s);

/* ---- the ops; contracts in ops.h ------------------------------------------------------------ */

void ti_train_cuda_zero(ti_train_device *d, float *x, size_t n);
void ti_train_cuda_copy(ti_train_device *d, float *y, const float *x, size_t n);
void ti_train_cuda_mix(ti_train_device *d, float *y, float a, const float *x, float b, size_t n);
void ti_train_cuda_gemm(ti_train_device *d, const ti_gemm_shape *s, const float *a, const float *b,
                        float *c);
void ti_train_cuda_embed(ti_train_device *d, float *x, const float *table, const int32_t *tokens,
                         int rows, int width);
void ti_train_cuda_embed_back(ti_train_device *d, float *dtable, const float *dx,
                              const int32_t *tokens, int rows, int width);
void ti_train_cuda_scatter(ti_train_device *d, float *dx, const float *dy, const int32_t *index,
                           int rows, int width);
void ti_train_cuda_norm(ti_train_device *d, float *y, float *rstd, const float *x,
                        const float *gain, int rows, int width, float eps);
void ti_train_cuda_norm_back(ti_train_device *d, float *dx, float *dgain, const float *dy,
                             const float *x, const float *gain, const float *rstd, int rows,
                             int width);
void ti_train_cuda_rope(ti_train_device *d, float *x, const int32_t *positions, int rows, int heads,
                        int head_size, int ld, float theta, int sign);
void ti_train_cuda_attention(ti_train_device *d, float *y, float *lse, const float *q,
                             const float *k, const float *v, const ti_attention_shape *s);
void ti_train_cuda_attention_back(ti_train_device *d, float *dq, float *dk, float *dv,
                                  const float *dy, const float *y, const float *lse, const float *q,
                                  const float *k, const float *v, const ti_attention_shape *s);
void ti_train_cuda_swiglu(ti_train_device *d, float *y, const float *x, int rows, int width);
void ti_train_cuda_swiglu_back(ti_train_device *d, float *dx, const float *dy, const float *x,
                               int rows, int width);
void ti_train_cuda_cross_entropy(ti_train_device *d, float *logits, float *loss, float *hit,
                                 const int32_t *target, const float *weight, int rows, int cols,
                                 float scale);
void ti_train_cuda_conv(ti_train_device *d, float *y, const float *x, const float *w,
                        const float *bias, const float *residual, const ti_conv_shape *s);
void ti_train_cuda_conv_back_input(ti_train_device *d, float *dx, const float *dy, const float *w,
                                   const ti_conv_shape *s, bool accumulate);
void ti_train_cuda_conv_back_weight(ti_train_device *d, float *dw, float *dbias, const float *dy,
                                    const float *x, const ti_conv_shape *s);
void ti_train_cuda_group_norm(ti_train_device *d, float *y, float *stats, const float *x,
                              const float *gain, const float *bias, const ti_group_shape *s);
void ti_train_cuda_group_norm_back(ti_train_device *d, float *dx, float *dgain, float *dbias,
                                   const float *dy, const float *x, const float *stats,
                                   const float *gain, const float *bias, const ti_group_shape *s,
                                   bool accumulate);
void ti_train_cuda_upsample(ti_train_device *d, float *y, const float *x, int n, int height,
                            int width, int channels);
void ti_train_cuda_upsample_back(ti_train_device *d, float *dx, const float *dy, int n, int height,
                                 int width, int channels);
void ti_train_cuda_quantise(ti_train_device *d, float *q, const float *z, const ti_lfq_shape *s);
void ti_train_cuda_quantise_back(ti_train_device *d, float *dz, float *terms, const float *dq,
                                 const float *z, const ti_lfq_shape *s);
void ti_train_cuda_picture_loss(ti_train_device *d, float *dy, float *terms, const float *y,
                                const float *target, const float *weight,
                                const ti_picture_shape *s, float scale);
double ti_train_cuda_sum_squares(ti_train_device *d, const float *x, size_t n);
void ti_train_cuda_adamw(ti_train_device *d, float *param, float *m, float *v, float *ema,
                         const float *grad, size_t n, const ti_adamw *o);

#ifdef __cplusplus
}

/* For TI_LAUNCH of the inference backend's device.cuh. */
static inline bool ti_cuda_check(ti_train_cuda *c, cudaError_t code, const char *what)
{
    return ti_train_cuda_check(c, code, what);
}

/* Blocks of TI_BLOCK threads for N of them; never 0. */
static inline unsigned ti_blocks(size_t n)
{
    return (unsigned)((n + 255) / 256 + !n);
}
#endif
#endif

/* cuda.h - what the files of the CUDA backend share.
 *
 * The backend is a module of its own (libthinkedit-cuda.so, opened at run time; backend/module.h),
 * so the library runs on machines without NVIDIA software. Host code is C (.c), kernels and the ops
 * around them are C-style CUDA (.cu), one op a file as on the CPU. cuBLASLt is opened when a
 * backend is made; matmul.h is the only door to it.
 *
 * Numbers. The residual stream is float32. Operands and values are bf16, products accumulate in
 * float32. A model whose first matrix is float32 makes the backend exact: operands and values are
 * then float32 too, and no product uses TF32, so that it reproduces golden tokens. So are they on
 * cards before compute capability 8.0: cuBLAS does bf16 there without tensor cores, and slower than
 * float32. F16 matrices become bf16. With FP8 asked for (backend/module.h) the matrices of the
 * blocks are E4M3 with a scale a row, and so are the operands they meet: each number is then off by
 * up to 2^-4 of itself, a product by about 4 % of its root mean square (bf16: 0.3 %). On the golden
 * models of two layers the logits are 0.9 to 1.0 % off in bf16 and 15 % in FP8. The image
 * tokenisers run in float32 everywhere: a code is the sign of a sum.
 *
 * Order. Everything a caller sees happens on one stream. Weights that are not kept in the form they
 * are multiplied in - quantised ones, and those that found no room on the card and wait in pinned
 * host memory - are made ready piece by piece in a ring of slots by a second stream. The host never
 * waits within a step, so it runs far ahead of the card, and the second stream readies the next
 * weights while the first still multiplies: that is all the prefetching there is (product.c). The
 * one wait of a step is sync(), for the first stream: it has waited for all the second did.
 *
 * Graphs. What repeat() is given is issued the first time, recorded as a CUDA graph with both
 * streams the second, and played from then on (graph.c). A large model gains little - a forward of
 * 8B launches some 400 kernels of 100 us - a small one is bound by launches without it.
 *
 * Memory. plan.c decides what lies on the card: as much as is free at the start, less a margin for
 * the desktop and room for an edit; the rest streams, and where that would cost time the matrices
 * become a smaller type than the file's as they are bound. Scratch grows only in alloc().
 *
 * Failures. The first failed call is kept; every later op does nothing; sync() and download()
 * report it. A recording that fails is no failure: that backend goes on without graphs.
 *
 * Several cards, or several backends on one, may live in one process: there are no globals, and
 * every op makes its own card the thread's current one. A backend serves one thread at a time.
 */
#ifndef TI_BACKEND_CUDA_H
#define TI_BACKEND_CUDA_H

#include <cuda_runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "backend/backend.h"
#include "backend/cuda/matmul.h"
#include "backend/cuda/plan.h"
#include "backend/module.h"

#define TI_CUDA_SLOTS 3
#ifndef TI_CUDA_SLOT_BYTES                    /* tests have smaller ones */
#define TI_CUDA_SLOT_BYTES ((size_t)96 << 20) /* a feed-forward matrix of the 8B model in bf16 */
#endif
#define TI_CUDA_GRAPHS      4
#define TI_CUDA_LISTS       16 /* host arrays the card remembers */
#define TI_CUDA_LIST_LENGTH (1 << 16)
#define TI_CUDA_PICKS       8
#define TI_CUDA_SLICES      64   /* a group norm's sums are cut into */
#define TI_CUDA_CHANNELS    2048 /* of image features, at most */

/* Where a piece of a weight is made ready for the product. */
typedef struct ti_cuda_slot {
    void *raw;  /* as in the file, fetched from the host */
    void *wide; /* as it is multiplied */
    cudaEvent_t ready, used;
} ti_cuda_slot;

/* A host array on the card: positions, rows, tokens. The same content is not sent twice. */
typedef struct ti_cuda_list {
    int32_t *pinned, *device;
    int n;
    uint64_t sent; /* before which sync() */
    bool kept;     /* a graph reads it */
    bool recorded; /* sent by a recording that has not been played yet */
} ti_cuda_list;

/* What repeat() has seen; recorded when EXEC is there. */
typedef struct ti_cuda_graph {
    unsigned char key[TI_REPEATED_KEY];
    size_t key_bytes; /* 0: empty */
    cudaGraphExec_t exec;
} ti_cuda_graph;

/* A pick whose results are still on their way. */
typedef struct ti_cuda_pending {
    int first, n;
    int32_t *ids;
    double *probs;
    bool *kept; /* NULL: nobody asked which */
} ti_cuda_pending;

typedef struct ti_cuda {
    ti_backend base; /* first: a ti_backend * of this device is a ti_cuda * */
    int card, arch;  /* arch: 90 is compute capability 9.0 */
    int shared_per_multiprocessor;
    bool exact;      /* operands and values are float32 */
    bool settled;    /* a matrix is bound or sizes are told: exact may not change any more */
    bool fp8, as_is; /* as asked for by name: backend/module.h */
    cudaStream_t stream, side;
    ti_matmuls *matmuls;
    cudaError_t failed;
    char failure[160];

    ti_cuda_plan plan;
    size_t raw_wanted, wide_wanted, raw_bytes, wide_bytes; /* of each slot: asked for, had */
    ti_cuda_slot slots[TI_CUDA_SLOTS];
    int next_slot;
    size_t beside_wanted, beside_bytes; /* 4 a number of the largest operand or values */
    void *beside;                       /* what a kernel is still to finish: ti_cuda_beside() */
    void *codes;                        /* of an FP8 operand, beside_bytes / 4 of them */
    float *scales;                      /* of these, one a row */
    struct {
        const void *x; /* what the codes are of; NULL: of nothing */
        int n_rows, width;
    } coded;

    ti_cuda_list lists[TI_CUDA_LISTS];
    int next_list;
    uint64_t n_syncs;
    ti_cuda_graph graphs[TI_CUDA_GRAPHS];
    int next_graph;
    bool recording, no_graphs;
    cudaEvent_t fork;
    ti_cuda_pending pending[TI_CUDA_PICKS];
    int n_pending, n_picked;
    int32_t *ids, *pinned_ids; /* [TI_CUDA_LIST_LENGTH] on the card and here */
    double *probs, *pinned_probs;
    bool *kept, *pinned_kept;
    double *sums;  /* [TI_CUDA_CHANNELS][TI_CUDA_SLICES][2] of a group norm */
    float *affine; /* [2][TI_CUDA_CHANNELS]: gain and shift of every channel */
    char name[128], description[320];
} ti_cuda;

struct ti_weight {
    ti_type type; /* of DATA; an E4M3 weight has SCALES */
    int n_dims;
    int64_t rows, cols; /* shape[0], product of the others */
    void *data;         /* on the card, or in pinned host memory, which the card can read as well */
    bool on_host;
    float *scales; /* E4M3: on the card, one a row; else NULL */
};

/* ---- the device (cuda.c) ----------------------------------------------------------------- */

/* The backend as this file knows it, its card current. */
ti_cuda *ti_cuda_of(ti_backend *be);
/* Keeps the first failure. Returns whether all is well. */
bool ti_cuda_check(ti_cuda *cuda, cudaError_t code, const char *what);
void ti_cuda_fail(ti_cuda *cuda, const char *why);
/* N numbers on the card, good for the next TI_CUDA_LISTS - 1 calls; NULL for NULL. */
const int32_t *ti_cuda_list_of(ti_cuda *cuda, const int32_t *host, int n);

te_status ti_cuda_repeat(ti_backend *be, const ti_repeated *what, te_error *err); /* graph.c */
/* Records are of no use any more: what they point to goes or moves. */
void ti_cuda_forget_graphs(ti_cuda *cuda);

static inline size_t
ti_cuda_cell(const ti_cuda *cuda) /* bytes of an operand's or a value's number */
{
    return cuda->exact ? 4 : 2;
}

static inline ti_type ti_cuda_type(const ti_cuda *cuda)
{
    return cuda->exact ? TI_F32 : TI_BF16;
}

/* ---- weights (weight.c) and products with them (product.c) ------------------------------- */

te_status ti_cuda_expect(ti_backend *be, const ti_tensor *const *tensors, int n, te_error *err);
te_status ti_cuda_weight_create(ti_backend *be, const ti_tensor *tensor, ti_weight **out,
                                te_error *err);
void ti_cuda_weight_free(ti_backend *be, ti_weight *w);

typedef struct ti_cuda_product {
    const void *x; /* operand [n_rows][w->cols] */
    int n_rows;
    const ti_weight *w;
    int first_out, n_out; /* rows of W */
    void *y;              /* [n_rows][n_out] */
    bool y_float;         /* float32, else as values are */
    float scale, keep;    /* y = scale * x w^T + keep * y */
} ti_cuda_product;

void ti_cuda_multiply(ti_cuda *cuda, const ti_cuda_product *p);

/* Where a product of N numbers waits for the kernel that turns it or puts it through a gate, so
 * that the result alone is rounded: float32, or, of FP8 products, whose error is twenty times that
 * of rounding, bf16 (WIDE tells). Good until the next op. NULL, and a failure: more than the
 * session said. */
void *ti_cuda_beside(ti_cuda *cuda, size_t n, bool *wide);

/* ---- kernels that serve several files ---------------------------------------------------- */

/* N elements of TYPE, whole blocks, to float32 (WIDE) or bf16 (expand.cu). */
void ti_cuda_expand(ti_cuda *cuda, void *to, bool wide, ti_type type, const void *from, int64_t n,
                    cudaStream_t stream);
/* Rows as E4M3 codes with a scale each (fp8.cu). */
void ti_cuda_to_fp8(ti_cuda *cuda, void *codes, float *scales, ti_type type, const void *from,
                    int64_t n_rows, int64_t width, cudaStream_t stream);
/* And back, to float32 (WIDE) or bf16. */
void ti_cuda_from_fp8(ti_cuda *cuda, void *to, bool wide, const void *codes, const float *scales,
                      int64_t n_rows, int64_t width, cudaStream_t stream);
/* y = scale * raw * x_scale[row] * w_scale[column] + keep * y, [n_rows][n_out] with these numbers
 * from row to row; RAW, a product of codes alone, may be y (fp8.cu). */
typedef struct ti_cuda_scaling {
    void *y;
    const void *raw; /* bf16 */
    int64_t y_stride, raw_stride;
    const float *x_scale, *w_scale;
    int n_rows, n_out;
    float scale, keep;
} ti_cuda_scaling;
void ti_cuda_scale_rows(ti_cuda *cuda, const ti_cuda_scaling *s, bool y_float);
/* Where the results of PICK are on their way from; NULL, and a failure, unless it was the last one
 * asked for since a sync() (pick.cu). */
ti_cuda_pending *ti_cuda_just_picked(ti_cuda *cuda, const ti_pick *pick);
/* The attention of any head size, type and card (attend.cu). */
void ti_cuda_attend(ti_cuda *cuda, void *y, const void *q, const void *k, const void *v,
                    const ti_heads *heads, const ti_segment *segment, bool wide);
/* [out][in][kh][kw] as conv.cu reads it: [kh][kw][in][out padded], float32. */
int64_t ti_cuda_conv_columns(int64_t out);
void ti_cuda_conv_pack(float *to, const float *from, const int64_t shape[4]);

/* ---- the ops, one file each; contracts in backend.h -------------------------------------- */

void ti_cuda_embed(ti_backend *be, void *stream, const ti_weight *table, const int32_t *host_tokens,
                   int n_rows);
void ti_cuda_embed_kept(ti_backend *be, void *stream, const ti_weight *table, const ti_keep *keep,
                        const int32_t *host_rows, int first_row);
void ti_cuda_norm(ti_backend *be, void *operand, const void *stream, const int32_t *host_rows,
                  int n_rows, const ti_weight *gain, float eps);
void ti_cuda_linear(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                    int n_rows);
void ti_cuda_linear_add(ti_backend *be, void *stream, const void *operand, const ti_weight *w,
                        int n_rows);
void ti_cuda_linear_rope(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                         int n_rows, const ti_rope *rope);
void ti_cuda_attention(ti_backend *be, void *operand, const void *q, const void *k, const void *v,
                       const ti_heads *heads, const ti_segment *segments, int n_segments);
void ti_cuda_gate(ti_backend *be, void *operand, const void *h, const ti_weight *w_gate,
                  const ti_weight *w_up, int n_rows);
void ti_cuda_gather(ti_backend *be, void *stream, const void *from, const int32_t *host_rows,
                    int n_rows, int width);
void ti_cuda_head(ti_backend *be, float *logits, const void *operand, int first_row, int n_rows,
                  const ti_weight *w, int first_out, int n_out, float scale);
void ti_cuda_pick(ti_backend *be, const ti_pick *pick);
void ti_cuda_keep(ti_backend *be, const ti_keep *keep);
void ti_cuda_conv(ti_backend *be, float *y, const float *x, const ti_weight *w,
                  const ti_weight *bias, const ti_conv *shape, bool accumulate);
void ti_cuda_group_norm(ti_backend *be, float *y, const float *x, const ti_weight *gain,
                        const ti_weight *bias, int n_pixels, int channels, int groups, float eps,
                        bool silu);
void ti_cuda_upsample(ti_backend *be, float *y, const float *x, int height, int width,
                      int channels);
void ti_cuda_add(ti_backend *be, float *y, const float *x, size_t n);
void ti_cuda_pixel_attention(ti_backend *be, float *y, const float *q, const float *k,
                             const float *v, int n_pixels, int channels);

#ifdef __cplusplus
}
#endif
#endif

/* backend.h - the operations a device must have, and nothing else about it.
 *
 * The backbone (model/), the image tokenisers (vision/) and the denoiser (denoise/) are written
 * once against this table. Every backend implements every operation in a file of the operation's
 * name; backend/cpu/plain.c holds the slow readable version that judges them all.
 *
 * Device memory comes from alloc() once per session and is carved by pointer arithmetic; what it
 * holds is the backend's business, in four kinds:
 *     stream    the residual stream, [rows][width]; accumulates, at least float32-like range
 *     operand   left side of the next matrix product, [rows][width], in whatever form the backend
 *               multiplies best: float32, bf16, int8 with scales (ask operand_bytes)
 *     values    queries, keys and values between projection and attention (ask values_bytes)
 *     float32   logits and image features, always float
 * Rows are tokens, all sequences of a batch one after another. Arrays marked host are ordinary
 * memory and are copied before the call returns. Operations are enqueued in order; a device failure
 * is kept and returned by the next sync() or download(). Nothing here allocates but alloc and
 * *_create.
 *
 * Results of every operation are the same for any number of threads.
 */
#ifndef TI_BACKEND_BACKEND_H
#define TI_BACKEND_BACKEND_H

#include "base/random.h"
#include "format/tensor.h"

typedef struct ti_backend ti_backend;
typedef struct ti_weight
    ti_weight; /* a matrix, convolution kernel or vector in the device's form */

/* Which rows attend to which: queries [q_first, q_first + q_count) of the q buffer see keys and
 * values [kv_first, kv_first + kv_count) of theirs. Segments do not overlap in q. */
typedef struct ti_segment {
    int q_first, q_count, kv_first, kv_count;
} ti_segment;

typedef struct ti_heads {
    int n_heads, n_kv_heads, head_size; /* query head h uses key head h * n_kv_heads / n_heads */
} ti_heads;

/* Rotary position embedding, rotate-half: channels i and i + head_size / 2 of a head are turned by
 * positions[r] * theta^(-2 i / head_size), an angle in float32. */
typedef struct ti_rope {
    const int32_t *positions; /* host, [n_rows] */
    int head_size;
    float theta;
} ti_rope;

/* One token per row from guided logits, with its probability.
 *     l[c] = sum_i scale[i] * logits[i][row][c]                      (i < n_terms, float32)
 *     greedy             id = arg-max l (lowest id on ties)
 *     gumbel             id = arg-max exp(l) / (-ln u)^temperature   (float64; released code, text)
 *     multinomial        id = first c with sum_{j<=c} exp(l[j]) > u * sum exp(l), u = draw (row, 0)
 *                                                                    (released code, image)
 * prob = softmax(l)[id] in float64. Draw (row, c) of the generator is index keys[row] * n_cols + c.
 */
typedef enum ti_pick_method { TI_PICK_GREEDY, TI_PICK_GUMBEL, TI_PICK_MULTINOMIAL } ti_pick_method;

typedef struct ti_pick {
    int n_rows, n_cols, n_terms;
    const float *logits[3]; /* device, [n_rows][n_cols] each */
    float scale[3];
    ti_pick_method method;
    double temperature;
    ti_random random;
    const int32_t *keys; /* host, [n_rows]: names each row to the random generator */
    /* Greedy alone: host, [n_rows], columns that a row takes only if their probability is
     * STAY_LEAST at least, else the highest of the others; -1: none. NULL: no row has one. */
    const int32_t *stay;
    double stay_least;
    int32_t *ids;  /* host, [n_rows], column numbers; filled after sync() */
    double *probs; /* host, [n_rows]; filled after sync() */
} ti_pick;

/* Which rows of a pick are kept, by their confidences (float64), as in the released code.
 *     highest   prob; the N highest are kept, of equal ones the lower rows (text)
 *     normal    ln max(prob, 1e-20) + heat * normal draw; all are kept but the N lowest, of equal
 *               ones the lower rows (image, A)
 *     gumbel    ln max(prob, 1e-20) + heat * Gumbel draw; all are kept but those strictly below
 *               the one of rank N, counted from 0 at the lowest; no such rank: none (image, M)
 * Draw r of the generator is index keys[r] of the pick; heat 0 makes none. */
typedef enum ti_keep_method { TI_KEEP_HIGHEST, TI_KEEP_NORMAL, TI_KEEP_GUMBEL } ti_keep_method;

typedef struct ti_keep {
    const ti_pick *pick; /* the pick just asked for: nothing was picked after it */
    ti_keep_method method;
    int n;
    double heat;
    ti_random random;
    bool *kept; /* host, [pick->n_rows]; filled after sync() */
} ti_keep;

/* y[oy][ox][o] = bias[o] + sum x[oy * stride + ky - pad_top][ox * stride + kx - pad_left][i] *
 * w[o][i][ky][kx]; outside x is zero. Images are [height][width][channels] float32. */
typedef struct ti_conv {
    int height, width, in_channels; /* of x */
    int out_height, out_width, out_channels;
    int kernel, stride, pad_top, pad_left;
} ti_conv;

/* Ops that are the same each time: same arguments, same content of every host array. */
typedef struct ti_repeated {
    const void *key;  /* what tells them from others; padding counts, so clear it */
    size_t key_bytes; /* at most TI_REPEATED_KEY */
    te_status (*issue)(void *user, te_error *err); /* nothing but ops that return nothing */
    void *user;
} ti_repeated;

#define TI_REPEATED_KEY 64

typedef struct ti_ops {
    /* ---- device ---- */
    void (*free)(ti_backend *be);
    te_status (*alloc)(ti_backend *be, size_t bytes, void **memory, te_error *err);
    void (*release)(ti_backend *be, void *memory);
    te_status (*upload)(ti_backend *be, void *to, const void *from, size_t bytes, te_error *err);
    te_status (*download)(ti_backend *be, void *to, const void *from, size_t bytes, te_error *err);
    te_status (*sync)(ti_backend *be, te_error *err);
    uint64_t (*memory_free)(ti_backend *be); /* bytes a new session may take */
    /* Has WHAT done: issued by its function, or played again from a record of an earlier time. */
    te_status (*repeat)(ti_backend *be, const ti_repeated *what, te_error *err);

    /* ---- weights: 2-D [out, in], 4-D [out, in, kh, kw], 1-D vectors. The bytes of a 2-D tensor
     * must outlive the weight, for a backend may read them in place; those of others are copied. */
    /* What will be bound, all of it, before the first one: a device with too little memory decides
     * by it which matrices wait elsewhere, or says that it cannot be. Need not be called. */
    te_status (*expect)(ti_backend *be, const ti_tensor *const *tensors, int n, te_error *err);
    te_status (*weight_create)(ti_backend *be, const ti_tensor *tensor, ti_weight **out,
                               te_error *err);
    void (*weight_free)(ti_backend *be, ti_weight *w);

    /* ---- sizes of the opaque kinds ---- */
    size_t (*stream_bytes)(ti_backend *be, int rows, int width);
    size_t (*operand_bytes)(ti_backend *be, int rows, int width);
    size_t (*values_bytes)(ti_backend *be, int rows, int width);

    /* ---- backbone ---- */
    /* x[r] = table[tokens[r]] */
    void (*embed)(ti_backend *be, void *stream, const ti_weight *table, const int32_t *host_tokens,
                  int n_rows);
    /* x[first_row + rows[r]] = table[id of row r] where r is kept: tokens that only the device
     * knows yet. KEEP: the one just asked for, nothing was picked after it. */
    void (*embed_kept)(ti_backend *be, void *stream, const ti_weight *table, const ti_keep *keep,
                       const int32_t *host_rows, int first_row);
    /* y[r] = x[rows[r]] / sqrt(mean(x^2) + eps) * gain; host_rows NULL: r */
    void (*norm)(ti_backend *be, void *operand, const void *stream, const int32_t *host_rows,
                 int n_rows, const ti_weight *gain, float eps);
    /* y = x w^T */
    void (*linear)(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                   int n_rows);
    /* y = x w^T, every head of it turned. Values of fewer bits are rounded once, when turned. */
    void (*linear_rope)(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                        int n_rows, const ti_rope *rope);
    /* y = softmax(q k^T / sqrt(head_size)) v, bidirectional, per segment and head */
    void (*attention)(ti_backend *be, void *operand, const void *q, const void *k, const void *v,
                      const ti_heads *heads, const ti_segment *segments, int n_segments);
    /* x[r] += h[r] w^T */
    void (*linear_add)(ti_backend *be, void *stream, const void *operand, const ti_weight *w,
                       int n_rows);
    /* y = silu(h w_gate^T) * (h w_up^T) */
    void (*gate)(ti_backend *be, void *operand, const void *h, const ti_weight *w_gate,
                 const ti_weight *w_up, int n_rows);
    /* y[r] = x[rows[r]] as a compact stream (the last layer's rows whose logits are read) */
    void (*gather)(ti_backend *be, void *stream, const void *from, const int32_t *host_rows,
                   int n_rows, int width);
    /* logits[r][c] = scale * h[first_row + r] . w[first_out + c] */
    void (*head)(ti_backend *be, float *logits, const void *operand, int first_row, int n_rows,
                 const ti_weight *w, int first_out, int n_out, float scale);
    void (*pick)(ti_backend *be, const ti_pick *pick);
    void (*keep)(ti_backend *be, const ti_keep *keep);

    /* ---- image tokenisers, [height][width][channels] float32 ---- */
    /* y = conv(x) + bias, or y += it when ACCUMULATE (a residual); BIAS may be NULL. Where W's
     * tensor is float32, in float32; where it has 16 bits, both sides may be rounded to bf16 first.
     */
    void (*conv)(ti_backend *be, float *y, const float *x, const ti_weight *w,
                 const ti_weight *bias, const ti_conv *shape, bool accumulate);
    /* y = (x - mean) / sqrt(var + eps) * gain + bias over each group of channels; then SiLU if
     * asked. y may be x */
    void (*group_norm)(ti_backend *be, float *y, const float *x, const ti_weight *gain,
                       const ti_weight *bias, int n_pixels, int channels, int groups, float eps,
                       bool silu);
    void (*upsample)(ti_backend *be, float *y, const float *x, int height, int width, int channels);
    void (*add)(ti_backend *be, float *y, const float *x, size_t n); /* y += x */
    /* one head over all pixels: y = softmax(q k^T / sqrt(channels)) v */
    void (*pixel_attention)(ti_backend *be, float *y, const float *q, const float *k,
                            const float *v, int n_pixels, int channels);
} ti_ops;

/* Backends embed this first. */
struct ti_backend {
    const ti_ops *op;
    const char *description; /* "cpu (AVX-512 VNNI, 2 threads)"; the backend's */
};

/* DEVICE as in te_model_options. "auto" takes CUDA when a usable card is there, else the CPU. */
te_status ti_backend_create(ti_backend **out, const char *device, int threads, te_error *err);
static inline void ti_backend_free(ti_backend *be)
{
    if (be) be->op->free(be);
}

#endif

/* product.c - products with weights in every form they are kept in.
 *
 * A weight that lies on the card as it is multiplied is used where it lies. Any other goes through
 * the ring of slots, a piece of rows at a time: the second stream fetches the piece from the host,
 * if it is there, and expands it, if it must be, while the first still multiplies the piece before.
 * Two events a slot keep them apart: ready (the second stream is done) and used (the first is).
 *
 * FP8 codes are multiplied with their rows' scales where cuBLASLt has that product: on compute
 * capability 9.0, and there not for every shape. Elsewhere it multiplies the codes alone, into
 * bf16, and the scales follow in a pass over the result: in its place, or, where it is added to
 * float32, from the scratch beside, which nobody uses then. Where it has neither, or that scratch
 * is too small or, values being float32, taken, the codes of the weight are expanded in the slots,
 * as other types are, and meet the operand itself.
 */
#include "backend/cuda/cuda.h"

static size_t row_bytes(const ti_weight *w)
{
    return w->scales ? (size_t)w->cols : ti_type_row_bytes(w->type, w->cols);
}

/* Rows of a piece: what a slot holds in both forms. Sixteen at a time keeps pieces aligned. */
static int piece_rows(const ti_cuda *cuda, const ti_weight *w)
{
    size_t raw = row_bytes(w), wide = (size_t)w->cols * ti_cuda_cell(cuda);
    return (int)(TI_CUDA_SLOT_BYTES / (raw > wide ? raw : wide)) & ~15;
}

/* Rows FIRST .. + N of W, ready to be multiplied by what the first stream does next. */
static const void *ready(ti_cuda *cuda, const ti_weight *w, int first, int n, bool expands,
                         ti_cuda_slot **taken)
{
    const char *at = (const char *)w->data + (size_t)first * row_bytes(w);
    size_t bytes = (size_t)n * row_bytes(w);
    *taken = NULL;
    if (!expands && !w->on_host) return at;
    if ((w->on_host && bytes > cuda->raw_bytes) ||
        (expands && (size_t)(n * w->cols) * ti_cuda_cell(cuda) > cuda->wide_bytes)) {
        ti_cuda_fail(cuda, "weights find no place on the card to be made ready in");
        return NULL;
    }
    ti_cuda_slot *slot = *taken = &cuda->slots[cuda->next_slot];
    cuda->next_slot = (cuda->next_slot + 1) % TI_CUDA_SLOTS;
    ti_cuda_check(cuda, cudaStreamWaitEvent(cuda->side, slot->used, 0), "a weight's place");
    if (w->on_host) {
        ti_cuda_check(cuda,
                      cudaMemcpyAsync(slot->raw, at, bytes, cudaMemcpyHostToDevice, cuda->side),
                      "a weight's way to the card");
        at = slot->raw;
    }
    if (expands) {
        if (w->scales)
            ti_cuda_from_fp8(cuda, slot->wide, cuda->exact, at, w->scales + first, n, w->cols,
                             cuda->side);
        else
            ti_cuda_expand(cuda, slot->wide, cuda->exact, w->type, at, n * w->cols, cuda->side);
        at = slot->wide;
    }
    ti_cuda_check(cuda, cudaEventRecord(slot->ready, cuda->side), "a weight");
    ti_cuda_check(cuda, cudaStreamWaitEvent(cuda->stream, slot->ready, 0), "a weight");
    return at;
}

/* The operand as codes: made once for all products with it. */
static void code(ti_cuda *cuda, const ti_cuda_product *p)
{
    int width = (int)p->w->cols;
    if (cuda->coded.x == p->x && cuda->coded.n_rows >= p->n_rows && cuda->coded.width == width)
        return;
    if ((size_t)p->n_rows * (size_t)width > cuda->beside_bytes / 4) {
        ti_cuda_fail(cuda, "an operand is larger than the session said");
        return;
    }
    ti_cuda_to_fp8(cuda, cuda->codes, cuda->scales, ti_cuda_type(cuda), p->x, p->n_rows, width,
                   cuda->stream);
    cuda->coded.x = p->x;
    cuda->coded.n_rows = p->n_rows;
    cuda->coded.width = width;
}

/* M, a product of codes and scales, as one of the codes alone. */
static ti_matmul codes_alone(const ti_cuda *cuda, const ti_matmul *m)
{
    ti_matmul codes = *m;
    codes.x_scale = codes.w_scale = NULL;
    codes.out_type = TI_SCALAR_BF16;
    codes.alpha = 1;
    codes.beta = 0;
    if (m->out_type == TI_SCALAR_F32) {
        codes.y = cuda->beside;
        codes.y_stride = m->out;
    }
    return codes;
}

static bool has_codes(ti_cuda *cuda, const ti_matmul *m)
{
    ti_matmul codes = codes_alone(cuda, m);
    bool fits = m->out_type != TI_SCALAR_F32 ||
                (!cuda->exact && (size_t)m->rows * (size_t)m->out * 2 <= cuda->beside_bytes);
    return ti_matmuls_has(cuda->matmuls, m) || (fits && ti_matmuls_has(cuda->matmuls, &codes));
}

static const char *run_codes(ti_cuda *cuda, const ti_matmul *m)
{
    ti_matmul codes = codes_alone(cuda, m);
    if (ti_matmuls_has(cuda->matmuls, m)) return ti_matmuls_run(cuda->matmuls, m, cuda->stream);
    const char *why = ti_matmuls_run(cuda->matmuls, &codes, cuda->stream);
    if (why) return why;
    ti_cuda_scale_rows(cuda,
                       &(ti_cuda_scaling){.y = m->y,
                                          .raw = codes.y,
                                          .y_stride = m->y_stride,
                                          .raw_stride = codes.y_stride,
                                          .x_scale = m->x_scale,
                                          .w_scale = m->w_scale,
                                          .n_rows = m->rows,
                                          .n_out = m->out,
                                          .scale = m->alpha,
                                          .keep = m->beta},
                       m->out_type == TI_SCALAR_F32);
    return NULL;
}

/* Outputs DONE .. + N of P. Of a weight with codes a product of codes: its w is then where they lie
 * or will lie. */
static ti_matmul piece_of(const ti_cuda *cuda, const ti_cuda_product *p, int done, int n)
{
    const ti_weight *w = p->w;
    ti_scalar own = cuda->exact ? TI_SCALAR_F32 : TI_SCALAR_BF16;
    size_t first = (size_t)(p->first_out + done);
    size_t cell = p->y_float ? sizeof(float) : ti_cuda_cell(cuda);
    ti_matmul m = {.rows = p->n_rows,
                   .out = n,
                   .in = (int)w->cols,
                   .in_type = own,
                   .out_type = p->y_float ? TI_SCALAR_F32 : own,
                   .x = p->x,
                   .y = (char *)p->y + (size_t)done * cell,
                   .y_stride = p->n_out,
                   .alpha = p->scale,
                   .beta = p->keep};
    if (!w->scales) return m;
    m.in_type = TI_SCALAR_E4M3;
    m.x = cuda->codes;
    m.w = w->on_host ? cuda->slots[0].raw : (char *)w->data + first * row_bytes(w);
    m.x_scale = cuda->scales;
    m.w_scale = w->scales + first;
    return m;
}

/* Whether P's weight must be expanded for its product M. */
static bool must_expand(ti_cuda *cuda, const ti_cuda_product *p, const ti_matmul *m)
{
    return p->w->scales ? !has_codes(cuda, m) : p->w->type != ti_cuda_type(cuda);
}

static void multiply_piece(ti_cuda *cuda, const ti_cuda_product *p, int done, int n)
{
    ti_matmul m = piece_of(cuda, p, done, n);
    bool expands = must_expand(cuda, p, &m), coded = p->w->scales && !expands;
    ti_cuda_slot *slot;
    if (coded) {
        code(cuda, p);
    } else {
        m.in_type = cuda->exact ? TI_SCALAR_F32 : TI_SCALAR_BF16;
        m.x = p->x;
    }
    m.w = ready(cuda, p->w, p->first_out + done, n, expands, &slot);
    const char *why = cuda->failed ? NULL
                      : coded      ? run_codes(cuda, &m)
                                   : ti_matmuls_run(cuda->matmuls, &m, cuda->stream);
    if (why) ti_cuda_fail(cuda, why);
    if (slot) ti_cuda_check(cuda, cudaEventRecord(slot->used, cuda->stream), "a product");
}

void ti_cuda_multiply(ti_cuda *cuda, const ti_cuda_product *p)
{
    if (!p->n_rows || !p->n_out || cuda->failed) return;
    ti_matmul whole = piece_of(cuda, p, 0, p->n_out);
    bool pieces = p->w->on_host || must_expand(cuda, p, &whole);
    int step = pieces ? piece_rows(cuda, p->w) : p->n_out;
    if (!step) return ti_cuda_fail(cuda, "rows of a weight are too long for a slot");
    for (int done = 0; done < p->n_out && !cuda->failed; done += step)
        multiply_piece(cuda, p, done, p->n_out - done < step ? p->n_out - done : step);
}

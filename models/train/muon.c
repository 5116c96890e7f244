/* muon.c - see muon.h. Newton-Schulz by Jordan's quintic: five rounds of
 * X <- a X + b (X X^T) X + c (X X^T)^2 X bring singular values in (0, 1] to about [0.7, 1.2]. */
#include "muon.h"

#include <math.h>

enum { ROUNDS = 5 };

#define A 3.4445f
#define B (-4.7750f)
#define C 2.0315f

/* X, its product with the square, that again, and the square of the shorter side */
typedef struct room {
    float *x, *once, *twice, *square;
} room;

static size_t shorter(const ti_param *item)
{
    return (size_t)(item->shape[0] < item->shape[1] ? item->shape[0] : item->shape[1]);
}

size_t ti_muon_room(const ti_params *p)
{
    size_t most = 0;
    for (int i = 0; i < p->n; i++) {
        const ti_param *item = &p->items[i];
        const size_t floats = 3 * item->count + shorter(item) * shorter(item);
        if (item->flags & TI_MATRIX && floats > most) most = floats;
    }
    return most;
}

static void product(ti_train_device *d, ti_gemm_form form, int m, int n, int k, float alpha,
                    const float *a, int lda, const float *b, int ldb, float *c)
{
    ti_gemm_shape s = {.form = form,
                       .bf16 = true,
                       .m = m,
                       .n = n,
                       .k = k,
                       .alpha = alpha,
                       .lda = lda,
                       .ldb = ldb,
                       .ldc = n};
    d->op->gemm(d, &s, a, b, c);
}

/* X [rows][cols] of norm at most 1: all singular values to about 1. */
static void orthogonalise(ti_train_device *d, const room *r, int rows, int cols)
{
    const size_t n = (size_t)rows * (size_t)cols;
    for (int i = 0; i < ROUNDS; i++) {
        if (rows <= cols) {
            product(d, TI_GEMM_NT, rows, rows, cols, 1, r->x, cols, r->x, cols, r->square);
            product(d, TI_GEMM_NN, rows, cols, rows, 1, r->square, rows, r->x, cols, r->once);
            product(d, TI_GEMM_NN, rows, cols, rows, C, r->square, rows, r->once, cols, r->twice);
        } else {
            product(d, TI_GEMM_TN, cols, cols, rows, 1, r->x, cols, r->x, cols, r->square);
            product(d, TI_GEMM_NN, rows, cols, cols, 1, r->x, cols, r->square, cols, r->once);
            product(d, TI_GEMM_NN, rows, cols, cols, C, r->once, cols, r->square, cols, r->twice);
        }
        d->op->mix(d, r->x, A, r->once, B, n);
        d->op->mix(d, r->x, 1, r->twice, 1, n);
    }
}

void ti_muon_step(ti_params *p, const ti_param *item, float *memory, const ti_recipe *recipe,
                  const ti_adamw *o)
{
    ti_train_device *d = p->device;
    const size_t n = item->count;
    const int rows = (int)item->shape[0], cols = (int)item->shape[1];
    float *value = p->value + item->first, *m = p->m + item->first;
    const float momentum = (float)recipe->momentum;
    const room r = {memory, memory + n, memory + 2 * n, memory + 3 * n};
    d->op->mix(d, m, momentum, p->grad + item->first, o->gradient_scale, n);
    d->op->copy(d, r.x, m, n); /* Nesterov: a look ahead along the momentum */
    d->op->mix(d, r.x, momentum, p->grad + item->first, o->gradient_scale, n);
    const double norm = sqrt(d->op->sum_squares(d, r.x, n));
    d->op->mix(d, r.x, norm > 0 ? (float)(1 / norm) : 0, r.x, 0, n);
    orthogonalise(d, &r, rows, cols);
    const float size = 0.2f * sqrtf((float)(rows > cols ? rows : cols));
    d->op->mix(d, value, 1 - o->rate * o->decay, r.x, -o->rate * size, n);
    d->op->mix(d, p->average + item->first, o->ema, value, 1 - o->ema, n);
}

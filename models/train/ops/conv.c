/* conv.c - convolutions of images [height][width][channels] and both their gradients, without
 * building the matrix of patches.
 *
 * Rows of the input are copied into a zero-padded band; there the products of one kernel row -
 * kernel x channels floats - lie side by side, so a tile of 8 pixels by 32 outputs stays in
 * registers while one value per pixel is broadcast. The gradient of the input is the same walk over
 * the gradient of the output, dilated by the stride, with the kernel turned round. The gradient of
 * the weights adds up in a few buffers, each of a fixed share of the rows, which are then summed in
 * order.
 */
#include "ops/conv_walk.h"
#include "ops/cpu.h"

#include <string.h>

#define PIXELS 8 /* of a tile */

static int round_up(int n, int unit)
{
    return (n + unit - 1) / unit * unit;
}

static void fill_band(float *band, const float *image, const ti_walk *k, int first_out, int rows)
{
    const size_t row_floats = (size_t)ti_walk_band_width(k) * (size_t)k->in;
    const int n = (rows - 1) * k->stride + k->kernel;
    for (int r = 0; r < n; r++)
        ti_walk_fill_row(band + (size_t)r * row_floats, image, k, first_out * k->stride + r);
}

/* ---- forward walk ------------------------------------------------------------------------ */

/* acc[p][v] for P pixels and V vectors of outputs. X is the tile's first value in the band. */
static inline __attribute__((always_inline)) void
tile(ti_v16 acc[PIXELS][2], int P, int V, const float *x, const ti_walk *k, const float *w, int ldw)
{
    const int run = k->kernel * k->in;
    const ptrdiff_t row = (ptrdiff_t)ti_walk_band_width(k) * k->in,
                    step = (ptrdiff_t)k->stride * k->in;
    ti_v16 sum[PIXELS][2];
    for (int p = 0; p < P; p++)
        for (int v = 0; v < V; v++) sum[p][v] = (ti_v16){0};
    for (int ky = 0; ky < k->kernel; ky++) {
        const float *xr = x + ky * row;
        for (int j = 0; j < run; j++) {
            ti_v16 weights[2];
            for (int v = 0; v < V; v++) weights[v] = *(const ti_v16 *)(w + 16 * v);
            for (int p = 0; p < P; p++)
                for (int v = 0; v < V; v++) sum[p][v] += xr[p * step + j] * weights[v];
            w += ldw;
        }
    }
    for (int p = 0; p < P; p++)
        for (int v = 0; v < V; v++) acc[p][v] = sum[p][v];
}

static void run_tile(ti_v16 acc[PIXELS][2], int pixels, int vectors, const float *x,
                     const ti_walk *k, const float *w, int ldw)
{
    const ptrdiff_t step = (ptrdiff_t)k->stride * k->in;
    if (pixels == PIXELS && vectors == 2) {
        tile(acc, PIXELS, 2, x, k, w, ldw);
    } else if (pixels == PIXELS) {
        tile(acc, PIXELS, 1, x, k, w, ldw);
    } else {
        for (int p = 0; p < pixels; p++) {
            if (vectors == 2)
                tile(acc + p, 1, 2, x + p * step, k, w, ldw);
            else
                tile(acc + p, 1, 1, x + p * step, k, w, ldw);
        }
    }
}

static void store(const ti_walk_target *t, size_t at, const ti_v16 *acc, int first, int lanes)
{
    ti_v16 v = *acc;
    if (lanes == 16) {
        if (t->bias) v += *(const ti_v16 *)(t->bias + first);
        if (t->residual) v += *(const ti_v16 *)(t->residual + at);
        if (t->accumulate) v += *(const ti_v16 *)(t->y + at);
        *(ti_v16 *)(t->y + at) = v;
        return;
    }
    for (int j = 0; j < lanes; j++) {
        float value = v[j];
        if (t->bias) value += t->bias[first + j];
        if (t->residual) value += t->residual[at + (size_t)j];
        t->y[at + (size_t)j] = t->accumulate ? t->y[at + (size_t)j] + value : value;
    }
}

static void walk_row(const ti_walk_target *t, size_t row_at, const float *band, const ti_walk *k,
                     const float *w, int ldw)
{
    const ptrdiff_t step = (ptrdiff_t)k->stride * k->in;
    for (int o = 0; o < k->out; o += 32) {
        int vectors = k->out - o > 16 ? 2 : 1;
        for (int x = 0; x < k->out_width; x += PIXELS) {
            ti_v16 acc[PIXELS][2];
            int pixels = ti_min(PIXELS, k->out_width - x);
            run_tile(acc, pixels, vectors, band + x * step, k, w + o, ldw);
            for (int p = 0; p < pixels; p++)
                for (int v = 0; v < vectors; v++)
                    store(t, row_at + (size_t)(x + p) * (size_t)k->out + (size_t)(o + 16 * v),
                          &acc[p][v], o + 16 * v, ti_min(16, k->out - o - 16 * v));
        }
    }
}

static void run_walk(ti_train_cpu *c, const ti_walk_target *t, const float *x, const ti_walk *k,
                     const float *w, int ldw)
{
    const int bands = (k->out_height + TI_CONV_BAND - 1) / TI_CONV_BAND;
    const size_t row_floats = (size_t)ti_walk_band_width(k) * (size_t)k->in;
#pragma omp parallel for num_threads(c->threads) schedule(dynamic)
    for (int b = 0; b < k->n * bands; b++) {
        float *band = ti_train_scratch(c, omp_get_thread_num());
        int image = b / bands, first = b % bands * TI_CONV_BAND;
        int rows = ti_min(TI_CONV_BAND, k->out_height - first);
        const float *from =
            x + (size_t)image * (size_t)k->height * (size_t)k->width * (size_t)k->in;
        fill_band(band, from, k, first, rows);
        for (int r = 0; r < rows; r++) {
            size_t at = ((size_t)image * (size_t)k->out_height + (size_t)(first + r)) *
                        (size_t)k->out_width * (size_t)k->out;
            walk_row(t, at, band + (size_t)(r * k->stride) * row_floats, k, w, ldw);
        }
    }
}

void TI_OP(conv)(ti_train_device *d, float *y, const float *x, const float *w, const float *bias,
                 const float *residual, const ti_conv_shape *s)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    if (s->bf16 && c->bf16) {
        ti_train_conv_bf16(d, y, x, w, bias, residual, s);
        return;
    }
    const int ldw = round_up(s->out, 32), taps = s->kernel * s->kernel;
    float *packed = c->shared;
    memset(packed, 0, (size_t)(taps * s->in) * (size_t)ldw * sizeof *packed);
    for (int o = 0; o < s->out; o++)
        for (int i = 0; i < s->in; i++)
            for (int t = 0; t < taps; t++)
                packed[(size_t)(t * s->in + i) * (size_t)ldw + (size_t)o] =
                    w[(size_t)(o * s->in + i) * (size_t)taps + (size_t)t];
    ti_walk k = ti_walk_forward(s);
    ti_walk_target t = {.y = y, .bias = bias, .residual = residual};
    run_walk(c, &t, x, &k, packed, ldw);
}

void TI_OP(conv_back_input)(ti_train_device *d, float *dx, const float *dy, const float *w,
                            const ti_conv_shape *s, bool accumulate)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    if (s->bf16 && c->bf16) {
        ti_train_conv_back_input_bf16(d, dx, dy, w, s, accumulate);
        return;
    }
    const int ldw = round_up(s->in, 32), taps = s->kernel * s->kernel;
    float *packed = c->shared;
    memset(packed, 0, (size_t)(taps * s->out) * (size_t)ldw * sizeof *packed);
    for (int o = 0; o < s->out; o++)
        for (int i = 0; i < s->in; i++)
            for (int t = 0; t < taps; t++)
                packed[(size_t)((taps - 1 - t) * s->out + o) * (size_t)ldw + (size_t)i] =
                    w[(size_t)(o * s->in + i) * (size_t)taps + (size_t)t];
    ti_walk k = ti_walk_backward(s);
    ti_walk_target t = {.y = dx, .accumulate = accumulate};
    run_walk(c, &t, dy, &k, packed, ldw);
}

/* ---- gradient of the weights ------------------------------------------------------------- */

/* sums[j][o] += x[pixel][j] * dy[pixel][o] over a row, for J values of one kernel row and V
 * vectors. */
static inline __attribute__((always_inline)) void row_product(int J, int V, float *sums, int lds,
                                                              const float *x, ptrdiff_t step,
                                                              const float *dy, int ldy, int pixels)
{
    ti_v16 acc[8][2];
    for (int j = 0; j < J; j++)
        for (int v = 0; v < V; v++) acc[j][v] = (ti_v16){0};
    for (int p = 0; p < pixels; p++) {
        ti_v16 g[2];
        for (int v = 0; v < V; v++) g[v] = *(const ti_v16 *)(dy + (ptrdiff_t)p * ldy + 16 * v);
        for (int j = 0; j < J; j++)
            for (int v = 0; v < V; v++) acc[j][v] += x[p * step + j] * g[v];
    }
    for (int j = 0; j < J; j++)
        for (int v = 0; v < V; v++) *(ti_v16 *)(sums + (ptrdiff_t)j * lds + 16 * v) += acc[j][v];
}

static void row_sums(float *sums, int lds, const float *x, const ti_walk *k, const float *dy,
                     int ldy)
{
    const int run = k->kernel * k->in;
    const ptrdiff_t step = (ptrdiff_t)k->stride * k->in;
    for (int o = 0; o < lds; o += 32) {
        bool two = lds - o > 16;
        int j = 0;
        for (; j + 8 <= run; j += 8) {
            float *to = sums + (size_t)j * (size_t)lds + o;
            if (two)
                row_product(8, 2, to, lds, x + j, step, dy + o, ldy, k->out_width);
            else
                row_product(8, 1, to, lds, x + j, step, dy + o, ldy, k->out_width);
        }
        for (; j < run; j++) {
            float *to = sums + (size_t)j * (size_t)lds + o;
            if (two)
                row_product(1, 2, to, lds, x + j, step, dy + o, ldy, k->out_width);
            else
                row_product(1, 1, to, lds, x + j, step, dy + o, ldy, k->out_width);
        }
    }
}

/* dy's row with channels padded to LDY. */
static const float *padded_row(float *room, const float *dy, int pixels, int channels, int ldy)
{
    if (channels == ldy) return dy;
    memset(room, 0, (size_t)pixels * (size_t)ldy * sizeof *room);
    for (int p = 0; p < pixels; p++)
        memcpy(room + (size_t)p * (size_t)ldy, dy + (size_t)p * (size_t)channels,
               (size_t)channels * sizeof *room);
    return room;
}

/* SUMS is [kernel * kernel * in + 1][lds]; the last row is the bias's. */
static void part_sums(float *sums, int lds, float *room, const float *dy, const float *x,
                      const ti_walk *k, int part)
{
    const int bands = (k->out_height + TI_CONV_BAND - 1) / TI_CONV_BAND, run = k->kernel * k->in;
    const size_t row_floats = (size_t)ti_walk_band_width(k) * (size_t)k->in;
    const size_t band_floats = row_floats * (size_t)((TI_CONV_BAND - 1) * k->stride + k->kernel);
    float *bias = sums + (size_t)(k->kernel * run) * (size_t)lds;
    memset(sums, 0, (size_t)(k->kernel * run + 1) * (size_t)lds * sizeof *sums);
    for (int b = part; b < k->n * bands; b += TI_CONV_PARTS) {
        int image = b / bands, first = b % bands * TI_CONV_BAND;
        int rows = ti_min(TI_CONV_BAND, k->out_height - first);
        fill_band(room, x + (size_t)image * (size_t)k->height * (size_t)k->width * (size_t)k->in, k,
                  first, rows);
        for (int r = 0; r < rows; r++) {
            size_t at = ((size_t)image * (size_t)k->out_height + (size_t)(first + r)) *
                        (size_t)k->out_width * (size_t)k->out;
            const float *g = padded_row(room + band_floats, dy + at, k->out_width, k->out, lds);
            for (int p = 0; p < k->out_width; p++)
                for (int o = 0; o < lds; o++) bias[o] += g[(size_t)p * (size_t)lds + (size_t)o];
            for (int ky = 0; ky < k->kernel; ky++)
                row_sums(sums + (size_t)(ky * run) * (size_t)lds, lds,
                         room + (size_t)(r * k->stride + ky) * row_floats, k, g, lds);
        }
    }
}

void TI_OP(conv_back_weight)(ti_train_device *d, float *dw, float *dbias, const float *dy,
                             const float *x, const ti_conv_shape *s)
{
    ti_train_cpu *c = ti_train_cpu_of(d);
    if (s->bf16 && c->bf16) {
        ti_train_conv_back_weight_bf16(d, dw, dbias, dy, x, s);
        return;
    }
    const int lds = round_up(s->out, 16), taps = s->kernel * s->kernel;
    const size_t part_floats = (size_t)(taps * s->in + 1) * (size_t)lds;
    ti_walk k = ti_walk_forward(s);
#pragma omp parallel for num_threads(c->threads) schedule(dynamic)
    for (int p = 0; p < TI_CONV_PARTS; p++)
        part_sums(c->shared + (size_t)p * part_floats, lds,
                  ti_train_scratch(c, omp_get_thread_num()), dy, x, &k, p);
    ti_walk_add_parts(dw, dbias, c->shared, lds, s, c->threads);
}

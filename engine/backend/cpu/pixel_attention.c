/* pixel_attention.c - one attention head over all pixels, without the score matrix.
 *
 * As attention.c does it (running softmax, keys in blocks), but both products run on the float32 matrix
 * kernels: the head is as wide as the layer, 512 channels in MAGVIT-v2, and codes hang on its accuracy. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/exp.h"
#include "backend/cpu/gemm_kernels.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { TILES = 3, KEYS = 64, MAX_QUERIES = TILES * TI_GEMM_MAX_WIDTH };

typedef struct job {
    const ti_gemm_kernel *kernel;
    const float *q, *k, *v;
    float *y;
    int n_pixels, channels;
} job;

/* One thread's scratch for one block of queries. */
typedef struct work {
    float top[MAX_QUERIES], sum[MAX_QUERIES];
    float scores[MAX_QUERIES][KEYS];
    float *queries; /* panels [tile][channels][a_width] */
    float *weights; /* panels [tile][keys][a_width] of the scores after softmax */
    float *block;   /* panels of keys [][channels][nr], then of values [][keys][nr] */
} work;

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* ROWS rows of FROM, K floats each, as left-hand panels. */
static void pack_left(const ti_gemm_kernel *f, float *to, const float *from, ptrdiff_t step, int rows,
                      int k)
{
    for (int r = 0; r < rows; r += f->mr, to += (size_t)k * (size_t)f->a_width) {
        ti_gemm_panel panel = {.from = from + r * step, .lane_step = step, .k_step = 1,
                               .lanes = min_int(f->mr, rows - r), .width = f->a_width, .k = k};
        f->pack((uint32_t *)to, &panel);
    }
}

/* COLS columns, K deep; the steps say which way they lie. */
static void pack_right(const ti_gemm_kernel *f, float *to, const float *from, ptrdiff_t lane_step,
                       ptrdiff_t k_step, int cols, int k)
{
    for (int c = 0; c < cols; c += f->nr, to += (size_t)k * (size_t)f->nr) {
        ti_gemm_panel panel = {.from = from + c * lane_step, .lane_step = lane_step, .k_step = k_step,
                               .lanes = min_int(f->nr, cols - c), .width = f->nr, .k = k};
        f->pack((uint32_t *)to, &panel);
    }
}

static void multiply(const ti_gemm_kernel *f, const float *a, const float *b, float *c, ptrdiff_t ldc,
                     int rows, int cols, int k, float alpha, bool add)
{
    for (int j = 0; j < cols; j += f->nr)
        for (int i = 0; i < rows; i += f->mr)
            f->tile(&(ti_gemm_tile){.rows = min_int(f->mr, rows - i),
                                    .cols = min_int(f->nr, cols - j),
                                    .k = k,
                                    .a = a + (size_t)(i / f->mr) * (size_t)k * (size_t)f->a_width,
                                    .b = b + (size_t)(j / f->nr) * (size_t)k * (size_t)f->nr,
                                    .c = c + i * ldc + j,
                                    .ldc = ldc,
                                    .alpha = alpha,
                                    .add = add});
}

/* Scores of query I over N keys become e^(score - top); earlier sums shrink when the top rises. */
static void weigh(work *w, int i, int n, float *y, int channels)
{
    float *score = w->scores[i], top = w->top[i];
    for (int c = 0; c < n; c++) top = score[c] > top ? score[c] : top;
    float old = ti_cpu_exp(w->top[i] - top), sum = 0;
    for (int c = 0; c < n; c++) score[c] = ti_cpu_exp(score[c] - top);
    for (int c = 0; c < n; c++) sum += score[c];
    w->sum[i] = w->sum[i] * old + sum;
    w->top[i] = top;
    for (int c = 0; c < channels; c++) y[c] *= old;
}

static void attend(const job *j, work *w, int first, int rows)
{
    const ti_gemm_kernel *f = j->kernel;
    ptrdiff_t width = j->channels;
    float *y = j->y + first * width, scale = 1.0f / sqrtf((float)j->channels);
    pack_left(f, w->queries, j->q + first * width, width, rows, j->channels);
    memset(y, 0, (size_t)(rows * width) * sizeof *y);
    for (int i = 0; i < rows; i++) {
        w->top[i] = -3e38f; /* finite: its difference to a score must not be a NaN */
        w->sum[i] = 0;
    }
    for (int key = 0; key < j->n_pixels; key += KEYS) {
        int n = min_int(KEYS, j->n_pixels - key);
        pack_right(f, w->block, j->k + key * width, width, 1, n, j->channels);
        multiply(f, w->queries, w->block, w->scores[0], KEYS, rows, n, j->channels, scale, false);
        for (int i = 0; i < rows; i++) weigh(w, i, n, y + i * width, j->channels);
        pack_left(f, w->weights, w->scores[0], KEYS, rows, n);
        pack_right(f, w->block, j->v + key * width, 1, width, j->channels, n);
        multiply(f, w->weights, w->block, y, width, rows, j->channels, n, 1.0f, true);
    }
    for (int i = 0; i < rows; i++)
        for (int c = 0; c < j->channels; c++) y[i * width + c] /= w->sum[i];
}

void ti_cpu_pixel_attention(ti_backend *be, float *y, const float *q, const float *k, const float *v,
                            int n_pixels, int channels)
{
    ti_cpu *cpu = ti_cpu_of(be);
    job j = {.kernel = ti_gemm_kernel_for(&cpu->features, false), .q = q, .k = k, .v = v, .y = y,
             .n_pixels = n_pixels, .channels = channels};
    int rows = TILES * j.kernel->mr, n_blocks = (n_pixels + rows - 1) / rows;
    size_t side = (size_t)TILES * TI_GEMM_MAX_WIDTH;
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int b = 0; b < n_blocks; b++) {
        work *w = ti_cpu_scratch(cpu, omp_get_thread_num());
        w->queries = (float *)w + (sizeof *w + 63) / 64 * 16;
        w->weights = w->queries + side * (size_t)channels;
        w->block = w->weights + side * KEYS;
        attend(&j, w, b * rows, min_int(rows, n_pixels - b * rows));
    }
}

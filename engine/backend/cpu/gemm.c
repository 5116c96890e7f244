/* gemm.c - see gemm.h
 *
 * The usual three levels of blocking (Goto and van de Geijn, 2008). A block of op(B), KC deep, and
 * a block of op(A) are packed into panels by all threads together; then the tiles of that block of
 * C are dealt out in jobs small enough to balance and large enough to keep op(A)'s part in the
 * second-level cache. k is cut into the same blocks whatever the threads, and each element of C is
 * one chain of multiply-adds per block: so the bits depend on k alone.
 */
#include "backend/cpu/gemm.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/gemm_kernels.h"
#include "base/memory.h"

enum {
    KC_WORDS = 384,    /* depth of a block in packed words (a word is one float, or two bf16) */
    MC = 512,          /* lanes of op(A) packed at a time, per thread */
    NC = 768,          /* lanes of op(B) packed at a time, per thread */
    BLOCK_THREADS = 8, /* blocks grow with the threads up to this many */
    JOB_PANELS = 8,    /* tiles each way in one job, at most */
    SERIAL_WORK =
        1000000 /* multiply-adds below which one thread is quicker than waking the others */
};

#define A_WORDS ((size_t)KC_WORDS * MC)
#define B_WORDS ((size_t)KC_WORDS * NC)

struct ti_gemm {
    const ti_gemm_kernel *f32, *bf16;
    int threads;
    uint32_t *workspace; /* [threads][A_WORDS + B_WORDS], 64-byte aligned */
};

/* One call: the operands, the kernel, and memory enough for a_lanes and b_lanes. */
typedef struct job {
    const ti_gemm_shape *shape;
    const ti_gemm_kernel *kernel;
    const float *a, *b;
    float *c;
    uint32_t *a_panels, *b_panels;
    int a_lanes, b_lanes; /* lanes a block may have: whole panels */
    int threads;
} job;

const ti_gemm_kernel *ti_gemm_kernel_for(const ti_cpu_features *features, bool bf16)
{
#if defined(__x86_64__)
    if (bf16 && features->avx512_bf16) return &ti_gemm_avx512_bf16;
    if (features->avx512) return &ti_gemm_avx512;
    if (features->avx2) return &ti_gemm_avx2;
#elif defined(__aarch64__)
    if (features->neon) return &ti_gemm_neon;
#endif
    (void)features, (void)bf16;
    return &ti_gemm_plain;
}

te_status ti_gemm_create(ti_gemm **out, const ti_cpu_features *features, int threads, te_error *err)
{
    *out = NULL;
    if (threads < 1) return ti_fail(err, TE_INVALID, "a matrix product needs at least one thread");
    ti_gemm *g = ti_calloc(1, sizeof *g);
    size_t bytes;
    if (!g || !ti_mul_size((A_WORDS + B_WORDS) * sizeof(uint32_t), (size_t)threads, &bytes) ||
        !(g->workspace = ti_aligned_alloc(bytes))) {
        free(g);
        return ti_fail(err, TE_NOMEM, "no memory for the matrix products of %d threads", threads);
    }
    g->threads = threads;
    g->f32 = ti_gemm_kernel_for(features, false);
    g->bf16 = ti_gemm_kernel_for(features, true);
    *out = g;
    return TE_OK;
}

void ti_gemm_free(ti_gemm *g)
{
    if (!g) return;
    free(g->workspace);
    free(g);
}

/* One block of C: rows [m0, m0 + rows) by columns [n0, n0 + cols), k in [k0, k0 + depth). */
typedef struct block {
    int m0, rows, n0, cols, k0, depth;
    int a_panels, b_panels, a_step, b_step;
} block;

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

/* Depth of the blocks k is cut into: equal parts, even because bf16 goes in pairs. */
static int block_depth(const job *j)
{
    int most = j->kernel->pairs ? 2 * KC_WORDS : KC_WORDS;
    int depth = ceil_div(j->shape->k, ceil_div(j->shape->k, most));
    return min_int(most, (depth + 1) & ~1);
}

static size_t panel_words(const job *j, int width, int depth)
{
    return (size_t)width * (size_t)(j->kernel->pairs ? (depth + 1) / 2 : depth);
}

/* Panel P of the block's op(A). */
static void pack_a(const job *j, const block *b, int p)
{
    const ti_gemm_shape *s = j->shape;
    const ti_gemm_kernel *f = j->kernel;
    bool transposed = s->form == TI_GEMM_TN;
    int row = p * f->mr;
    ti_gemm_panel panel = {.lanes = min_int(f->mr, b->rows - row),
                           .width = f->a_width,
                           .k = b->depth,
                           .round = s->bf16,
                           .lane_step = transposed ? 1 : s->lda,
                           .k_step = transposed ? s->lda : 1};
    panel.from = j->a + (b->m0 + row) * panel.lane_step + b->k0 * panel.k_step;
    f->pack(j->a_panels + (size_t)p * panel_words(j, f->a_width, b->depth), &panel);
}

static void pack_b(const job *j, const block *b, int p)
{
    const ti_gemm_shape *s = j->shape;
    const ti_gemm_kernel *f = j->kernel;
    bool transposed = s->form == TI_GEMM_NT;
    int col = p * f->nr;
    ti_gemm_panel panel = {.lanes = min_int(f->nr, b->cols - col),
                           .width = f->nr,
                           .k = b->depth,
                           .round = s->bf16,
                           .lane_step = transposed ? s->ldb : 1,
                           .k_step = transposed ? 1 : s->ldb};
    panel.from = j->b + (b->n0 + col) * panel.lane_step + b->k0 * panel.k_step;
    f->pack(j->b_panels + (size_t)p * panel_words(j, f->nr, b->depth), &panel);
}

/* The tiles of panels A_RANGE x B_RANGE. */
static void multiply(const job *j, const block *b, const int a_range[2], const int b_range[2])
{
    const ti_gemm_shape *s = j->shape;
    const ti_gemm_kernel *f = j->kernel;
    for (int q = b_range[0]; q < b_range[1]; q++)
        for (int p = a_range[0]; p < a_range[1]; p++) {
            int row = p * f->mr, col = q * f->nr;
            ti_gemm_tile tile = {.rows = min_int(f->mr, b->rows - row),
                                 .cols = min_int(f->nr, b->cols - col),
                                 .k = b->depth,
                                 .a =
                                     j->a_panels + (size_t)p * panel_words(j, f->a_width, b->depth),
                                 .b = j->b_panels + (size_t)q * panel_words(j, f->nr, b->depth),
                                 .c = j->c + (b->m0 + row) * s->ldc + b->n0 + col,
                                 .ldc = s->ldc,
                                 .alpha = s->alpha,
                                 .add = s->accumulate || b->k0 > 0};
            f->tile(&tile);
        }
}

/* Jobs of at most JOB_PANELS x JOB_PANELS tiles, smaller when there would be too few to share out.
 */
static void job_size(const job *j, int a_panels, int b_panels, int *a_step, int *b_step)
{
    *a_step = min_int(a_panels, JOB_PANELS);
    *b_step = min_int(b_panels, JOB_PANELS);
    while (ceil_div(a_panels, *a_step) * ceil_div(b_panels, *b_step) < 4 * j->threads &&
           (*a_step > 1 || *b_step > 1)) {
        if (*b_step >= *a_step)
            *b_step = ceil_div(*b_step, 2);
        else
            *a_step = ceil_div(*a_step, 2);
    }
}

/* Job I of those that job_size() cut the block into. */
static void run_tiles(const job *j, const block *b, int i)
{
    const int b_jobs = ceil_div(b->b_panels, b->b_step);
    const int a0 = i / b_jobs * b->a_step, b0 = i % b_jobs * b->b_step;
    const int a_range[2] = {a0, min_int(a0 + b->a_step, b->a_panels)};
    const int b_range[2] = {b0, min_int(b0 + b->b_step, b->b_panels)};
    multiply(j, b, a_range, b_range);
}

/* With more than one thread, every thread of the team runs this on the same block. */
static void run_block(const job *j, const block *b)
{
    const int jobs = ceil_div(b->a_panels, b->a_step) * ceil_div(b->b_panels, b->b_step);
    const int new_b_panels = b->m0 == 0 ? b->b_panels : 0; /* op(B) stays for all of m */
    if (j->threads == 1) {
        for (int q = 0; q < new_b_panels; q++) pack_b(j, b, q);
        for (int p = 0; p < b->a_panels; p++) pack_a(j, b, p);
        for (int i = 0; i < jobs; i++) run_tiles(j, b, i);
        return;
    }
#pragma omp for schedule(static) nowait
    for (int q = 0; q < new_b_panels; q++) pack_b(j, b, q);
#pragma omp for schedule(static)
    for (int p = 0; p < b->a_panels; p++) pack_a(j, b, p);
#pragma omp for schedule(dynamic)
    for (int i = 0; i < jobs; i++) run_tiles(j, b, i);
}

static void run_blocks(const job *j)
{
    const ti_gemm_shape *s = j->shape;
    const int depth = block_depth(j);
    for (int n0 = 0; n0 < s->n; n0 += j->b_lanes)
        for (int k0 = 0; k0 < s->k; k0 += depth)
            for (int m0 = 0; m0 < s->m; m0 += j->a_lanes) {
                block b = {.m0 = m0,
                           .rows = min_int(j->a_lanes, s->m - m0),
                           .n0 = n0,
                           .cols = min_int(j->b_lanes, s->n - n0),
                           .k0 = k0,
                           .depth = min_int(depth, s->k - k0)};
                b.a_panels = ceil_div(b.rows, j->kernel->mr);
                b.b_panels = ceil_div(b.cols, j->kernel->nr);
                job_size(j, b.a_panels, b.b_panels, &b.a_step, &b.b_step);
                run_block(j, &b);
            }
}

/* k = 0: an empty sum. */
static void clear(const ti_gemm_shape *s, float *c)
{
    for (int i = 0; i < s->m && !s->accumulate; i++)
        memset(c + i * s->ldc, 0, (size_t)s->n * sizeof *c);
}

/* A job for the workspace of WORKERS threads beginning with that of FIRST. */
static job make_job(ti_gemm *g, const ti_gemm_shape *s, int first, int workers)
{
    const ti_gemm_kernel *f = s->bf16 ? g->bf16 : g->f32;
    int share = min_int(workers, BLOCK_THREADS);
    job j = {.shape = s, .kernel = f, .threads = workers};
    j.a_panels = g->workspace + (size_t)first * (A_WORDS + B_WORDS);
    j.b_panels = j.a_panels + A_WORDS * (size_t)share;
    j.a_lanes = MC * share / f->a_width * f->mr; /* the panels of mr lanes take a_width */
    j.b_lanes = NC * share / f->nr * f->nr;
    return j;
}

static void run_item(job *j, const ti_gemm_item *item)
{
    if (j->shape->m <= 0 || j->shape->n <= 0) return;
    if (j->shape->k <= 0) {
        clear(j->shape, item->c);
        return;
    }
    j->a = item->a;
    j->b = item->b;
    j->c = item->c;
    run_blocks(j);
}

void ti_gemm_run(ti_gemm *g, const ti_gemm_shape *s, const float *a, const float *b, float *c)
{
    const ti_gemm_item item = {a, b, c};
    const bool small = (double)s->m * s->n * s->k < SERIAL_WORK;
    if (small || g->threads == 1) {
        job j = make_job(g, s, 0, 1);
        run_item(&j, &item);
        return;
    }
#pragma omp parallel num_threads(g->threads)
    {
        /* The team may be smaller than asked for; the loops share out among whoever is there. */
        job j = make_job(g, s, 0, g->threads);
        run_item(&j, &item);
    }
}

void ti_gemm_batch(ti_gemm *g, const ti_gemm_shape *s, const ti_gemm_item *items, int count)
{
    if (count < g->threads || g->threads == 1) { /* too few to go round: share each one */
        for (int i = 0; i < count; i++) ti_gemm_run(g, s, items[i].a, items[i].b, items[i].c);
        return;
    }
#pragma omp parallel num_threads(g->threads)
    {
        job j = make_job(g, s, omp_get_thread_num(), 1);
#pragma omp for schedule(dynamic)
        for (int i = 0; i < count; i++) run_item(&j, &items[i]);
    }
}

void ti_bf16_pack(const ti_cpu_features *features, uint16_t *to, const float *from, size_t n)
{
#if defined(__x86_64__)
    if (features->avx512) {
        ti_bf16_pack_avx512(to, from, n);
        return;
    }
    if (features->avx2) {
        ti_bf16_pack_avx2(to, from, n);
        return;
    }
#else
    (void)features;
#endif
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, from + i, sizeof bits);
        to[i] = (uint16_t)(ti_bf16_round_bits(bits) >> 16);
    }
}

void ti_bf16_unpack(const ti_cpu_features *features, float *to, const uint16_t *from, size_t n)
{
    (void)features; /* a shift: compilers vectorise it well enough for any instruction set */
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)from[i] << 16;
        memcpy(to + i, &bits, sizeof bits);
    }
}

/* product_int8.c - the products of product.h with quantised weights.
 *
 * x becomes codes first, all threads together (or stays from the last product). Then k is walked in
 * stretches, so that a stretch of all rows of x stays in the last-level cache; y gathers the
 * stretches' sums. In a stretch a thread takes a panel of 32 outputs and walks k once more, in the
 * kernel's chunks: it lays a chunk of the panel out, in the first-level cache, and passes all rows
 * of x by it; the sums so far come and go. A gate has no y to gather in, so it goes in one
 * stretch: first the sums of the one weight, then those of the other, and its values.
 */
#include "backend/cpu/product.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    PANEL = TI_INT8_PANEL,
    BLOCK = TI_INT8_BLOCK,
    STRETCH = 192,   /* blocks of a stretch, at most */
    AHEAD = 16,      /* blocks of x that encode() has fetched */
    PART_ROWS = 96,  /* rows that are worth laying a panel out for */
    MOST_ROWS = 4096 /* rows whose sums a thread keeps */
};

/* What one thread works in. */
typedef struct room {
    ti_int8_block decoded[TI_INT8_DECODED];
    float sums[2][(MOST_ROWS + TI_INT8_MAX_ROWS) * PANEL]; /* of both weights of a gate */
    unsigned char panel[];                                 /* a chunk */
} room;
_Static_assert(sizeof(room) <= TI_CPU_SCRATCH / 2, "and a chunk of any kernel beside it");

/* ---- x becomes codes ------------------------------------------------------------------------ */

enum { OUTLIER = 3 }; /* a block this many times larger than the row's mean deserves an extra one */

/* Group G of the rows [first, first + n_rows) of x. */
typedef struct group {
    const ti_int8_kernel *kernel;
    const ti_int8_layout *layout;
    const float *x; /* its first row */
    int n_rows;     /* of it that exist */
    unsigned char *to;
    float *largest;        /* [n_blocks] of one row */
    unsigned char *marked; /* [n_blocks]: bit i where row i wants an extra block */
} group;

/* Marks the blocks of row I that are far larger than its others, at most row_extra: the largest. */
static void mark_outliers(const group *g, int i)
{
    const int n_blocks = g->layout->n_blocks;
    float mean = 0;
    for (int b = 0; b < n_blocks; b++) mean += g->largest[b];
    mean /= (float)n_blocks;
    for (int e = 0; e < g->layout->row_extra; e++) {
        int top = 0;
        for (int b = 1; b < n_blocks; b++) top = g->largest[b] > g->largest[top] ? b : top;
        if (!(g->largest[top] > (float)OUTLIER * mean)) return;
        g->marked[top] |= (unsigned char)(1 << i);
        g->largest[top] = 0;
    }
}

/* Codes what the codes of the marked blocks miss; zeros for the rows beside. */
static void add_extra(const group *g)
{
    const ti_int8_layout *l = g->layout;
    int32_t *list = (int32_t *)(void *)(g->to + l->list_at), count = 0;
    for (int b = 0; b < l->n_blocks; b++) {
        if (!g->marked[b]) continue;
        const unsigned char *codes = g->to + (size_t)b * g->kernel->x_bytes;
        unsigned char *extra = g->to + l->extra_at + (size_t)count * g->kernel->x_bytes;
        for (int i = 0; i < g->kernel->rows; i++) {
            float missed[BLOCK];
            if (g->marked[b] >> i & 1) {
                const float *x = g->x + ((size_t)i * (size_t)l->n_blocks + (size_t)b) * BLOCK;
                g->kernel->unpack_x(missed, i, codes);
                for (int k = 0; k < BLOCK; k++) missed[k] = x[k] - missed[k];
            }
            g->kernel->pack_x(extra, i, g->marked[b] >> i & 1 ? missed : NULL);
        }
        list[++count] = b;
    }
    list[0] = count;
}

static void encode_group(const group *g)
{
    const ti_int8_layout *l = g->layout;
    memset(g->marked, 0, (size_t)l->n_blocks);
    for (int i = 0; i < g->kernel->rows; i++) {
        const float *x = g->x + (size_t)i * (size_t)l->n_blocks * BLOCK;
        unsigned char *to = g->to;
        for (int b = 0; b < l->n_blocks; b++, to += g->kernel->x_bytes) {
            ti_int8_fetch((const unsigned char *)(x + (b + AHEAD) * BLOCK), BLOCK * sizeof *x);
            g->largest[b] = g->kernel->pack_x(to, i, i < g->n_rows ? x + b * BLOCK : NULL);
        }
        if (i < g->n_rows) mark_outliers(g, i);
    }
    add_extra(g);
}

/* Rows [first, first + n_rows) of x. */
static void encode(ti_cpu *cpu, const ti_int8_kernel *kernel, const ti_product *p,
                   const ti_int8_layout *layout, int first, int n_rows)
{
    const int n_groups = (n_rows + kernel->rows - 1) / kernel->rows;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int i = 0; i < n_groups; i++) {
        const int row = i * kernel->rows, left = n_rows - row;
        float *largest = ti_cpu_scratch(cpu, omp_get_thread_num());
        encode_group(&(group){.kernel = kernel,
                              .layout = layout,
                              .x = p->x + (size_t)(first + row) * (size_t)p->w->cols,
                              .n_rows = left < kernel->rows ? left : kernel->rows,
                              .to = cpu->codes + (size_t)i * layout->group_bytes,
                              .largest = largest,
                              .marked = (unsigned char *)(largest + layout->n_blocks)});
    }
}

/* ---- panels --------------------------------------------------------------------------------- */

/* The bytes [at, at + bytes) of all rows of a panel, from so many places of the file at once that
 * the processor would not foresee them. */
static void fetch_w(const char *rows, size_t stride, int n_rows, size_t at, size_t bytes)
{
    for (int o = 0; o < n_rows; o++)
        ti_int8_fetch((const unsigned char *)rows + (size_t)o * stride + at, bytes + 63);
}

/* Blocks [first, first + n) of a panel of w, into TO. */
static void lay_out(const ti_int8_kernel *kernel, const ti_product *p, const ti_weight *w,
                    int panel, int first, int n, ti_int8_block *decoded, unsigned char *to)
{
    const size_t stride = ti_type_row_bytes(w->tensor.type, w->cols);
    const size_t bytes = stride * BLOCK / (size_t)w->cols; /* of a block, on average */
    const int out = panel * PANEL, left = p->n_out - out, n_rows = left < PANEL ? left : PANEL;
    const char *rows = (const char *)w->tensor.data + (size_t)(p->first_out + out) * stride;
    fetch_w(rows, stride, n_rows, (size_t)first * bytes, TI_INT8_DECODED * bytes);
    for (int b = 0; b < n; b += TI_INT8_DECODED) {
        const int count = n - b < TI_INT8_DECODED ? n - b : TI_INT8_DECODED;
        fetch_w(rows, stride, n_rows, (size_t)(first + b + count) * bytes, TI_INT8_DECODED * bytes);
        kernel->decode(decoded, w->tensor.type, rows, stride, n_rows, first + b, count);
        for (int i = 0; i < count; i++, to += kernel->w_bytes) kernel->pack_w(to, &decoded[i]);
    }
}

/* Finished sums of up to kernel->rows rows from ROW on (counted in all of x). ADD: y has a stretch.
 * GATE: sums of w_gate, else NULL. */
static void finish(const ti_int8_kernel *kernel, const ti_product *p, int panel, int row,
                   int n_rows, bool add, const float *gate, const float *sums)
{
    const int out = panel * PANEL, n = p->n_out - out < PANEL ? p->n_out - out : PANEL;
    for (int i = 0; i < n_rows; i++) {
        const float *sum = sums + i * PANEL;
        float *y = p->y + (size_t)(row + i) * (size_t)p->n_out + out;
        if (gate)
            kernel->gate(y, gate + i * PANEL, sum, n);
        else if (p->finish == TI_FINISH_ADD)
            kernel->store(y, sum, 1.0f, true, n);
        else
            kernel->store(y, sum, p->scale, add, n);
    }
}

/* Where finish() will write: the lines come while the tiles before it run. */
static void fetch_y(const ti_product *p, int panel, int row, int n_rows)
{
    const int out = panel * PANEL, n = p->n_out - out < PANEL ? p->n_out - out : PANEL;
    for (int i = 0; i < n_rows; i++) {
        const float *y = p->y + (size_t)(row + i) * (size_t)p->n_out + out;
        for (int j = 0; j < n; j += 16) __builtin_prefetch(y + j, 1);
    }
}

/* One tile over the blocks [k, k + n) and the extra blocks among them; the next tile's sums come
 * meanwhile. */
static void run_tile(const ti_int8_kernel *kernel, const ti_int8_layout *l, float *sums,
                     const unsigned char *x, const unsigned char *panel, int k, int n, bool add)
{
    const int32_t *list = (const int32_t *)(const void *)(x + l->list_at);
    __builtin_prefetch(list);
    const float *next = sums + kernel->rows * PANEL;
    for (int i = 0; i < kernel->rows; i++, next += PANEL) {
        __builtin_prefetch(next, 1);
        __builtin_prefetch(next + PANEL / 2, 1);
    }
    kernel->tile(sums, x + (size_t)k * kernel->x_bytes, panel, n, add, l->group_bytes);
    for (int e = 0; e < list[0] && list[1 + e] < k + n; e++) {
        const int b = list[1 + e];
        if (b >= k)
            kernel->tile(sums, x + l->extra_at + (size_t)e * kernel->x_bytes,
                         panel + (size_t)(b - k) * kernel->w_bytes, 1, true, 0);
    }
}

/* What all threads of a stretch share: its place, and which rows of x the codes are of. */
typedef struct stretch {
    const ti_int8_kernel *kernel;
    const ti_product *p;
    const ti_int8_layout *layout;
    int first, n_rows; /* rows of x */
    int k, n;          /* blocks */
} stretch;

/* Rows [from, to) of the codes, at most MOST_ROWS, by a panel of the weights. */
static void multiply(const ti_cpu *cpu, const stretch *s, int panel, int from, int to, room *r)
{
    const ti_int8_kernel *kernel = s->kernel;
    const ti_weight *weights[2] = {s->p->w_gate, s->p->w};
    for (int i = s->p->w_gate ? 0 : 1; i < 2; i++)
        for (int k = 0; k < s->n; k += kernel->chunk) {
            const int n = s->n - k < kernel->chunk ? s->n - k : kernel->chunk;
            const bool last = i == 1 && k + n == s->n;
            lay_out(kernel, s->p, weights[i], panel, s->k + k, n, r->decoded, r->panel);
            for (int row = from; row < to; row += kernel->rows) {
                const unsigned char *x =
                    cpu->codes + (size_t)(row / kernel->rows) * s->layout->group_bytes;
                const int n_rows = to - row < kernel->rows ? to - row : kernel->rows;
                float *sums = r->sums[i] + (size_t)(row - from) * PANEL;
                if (last) fetch_y(s->p, panel, s->first + row, n_rows);
                run_tile(kernel, s->layout, sums, x, r->panel, s->k + k, n, k > 0);
                if (last)
                    finish(kernel, s->p, panel, s->first + row, n_rows, s->k > 0,
                           s->p->w_gate ? r->sums[0] + (size_t)(row - from) * PANEL : NULL, sums);
            }
        }
}

/* Where panels are fewer than the threads can share evenly, each is passed by parts of the rows. */
static void run_stretch(ti_cpu *cpu, const stretch *s)
{
    const int n_panels = (s->p->n_out + PANEL - 1) / PANEL, height = s->kernel->rows;
    int parts = (4 * cpu->threads + n_panels - 1) / n_panels, worth = s->n_rows / PART_ROWS;
    const int least = (s->n_rows + MOST_ROWS - 1) / MOST_ROWS;
    parts = parts < worth ? parts : worth;
    parts = parts > least ? parts : least;
    const int part_rows = ((s->n_rows + parts - 1) / parts + height - 1) / height * height;
#pragma omp parallel for collapse(2) num_threads(cpu->threads) schedule(dynamic)
    for (int panel = 0; panel < n_panels; panel++)
        for (int part = 0; part < parts; part++) {
            const int from = part * part_rows, to = from + part_rows;
            if (from >= s->n_rows) continue;
            multiply(cpu, s, panel, from, to < s->n_rows ? to : s->n_rows,
                     ti_cpu_scratch(cpu, omp_get_thread_num()));
        }
}

static const ti_int8_kernel *kernel_of(const ti_cpu *cpu, const ti_product *p)
{
    const bool q4 = p->w->tensor.type == TI_Q4_K;
    return q4 && (!p->w_gate || p->w_gate->tensor.type == TI_Q4_K) ? cpu->int8_q4 : cpu->int8;
}

void ti_cpu_product_int8(ti_cpu *cpu, const ti_product *p)
{
    const ti_int8_kernel *kernel = kernel_of(cpu, p);
    const int width = (int)p->w->cols;
    const ti_int8_layout layout = ti_int8_layout_of(kernel, width);
    const int strip = (int)(cpu->codes_bytes / layout.group_bytes) * kernel->rows;
    /* Equal stretches of whole q4_k super-blocks. */
    const int n_stretches = p->w_gate ? 1 : (layout.n_blocks + STRETCH - 1) / STRETCH;
    const int step = ((layout.n_blocks + n_stretches - 1) / n_stretches + 7) / 8 * 8;
    for (int first = 0; first < p->n_rows; first += strip) {
        const int n_rows = p->n_rows - first < strip ? p->n_rows - first : strip;
        const bool known = cpu->coded.x == p->x && cpu->coded.kernel == kernel &&
                           cpu->coded.n_rows == p->n_rows && cpu->coded.width == width;
        if (!known) encode(cpu, kernel, p, &layout, first, n_rows);
        cpu->coded.x = p->x == cpu->operand && n_rows == p->n_rows ? p->x : NULL;
        cpu->coded.kernel = kernel;
        cpu->coded.n_rows = n_rows;
        cpu->coded.width = width;
        for (int k = 0; k < layout.n_blocks; k += step) {
            const int n = layout.n_blocks - k < step ? layout.n_blocks - k : step;
            run_stretch(cpu, &(stretch){kernel, p, &layout, first, n_rows, k, n});
        }
    }
}

bool ti_cpu_product_int8_takes(const ti_product *p)
{
    return ti_int8_takes(p->w->tensor.type) &&
           (!p->w_gate || ti_int8_takes(p->w_gate->tensor.type));
}

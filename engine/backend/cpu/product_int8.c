/* product_int8.c - the products of product.h with quantised weights.
 *
 * x becomes codes first, all threads together (or stays from the last product). Then k is walked in
 * stretches, so that a stretch of all rows of x fits the last-level cache and is read from there
 * once per panel; y gathers the stretches' sums. In a stretch a thread takes a panel of 32 outputs,
 * lays it out for the kernel, and passes the rows of x by it and its neighbour: the panels lie in
 * the second-level cache, a group of rows in the first. A gate has no y to gather in, so it goes in
 * one stretch; the panels of its two weights lie side by side, and its values need no second pass.
 */
#include "backend/cpu/product.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    PANEL = TI_INT8_PANEL,
    BLOCK = TI_INT8_BLOCK,
    STRETCH = 192, /* blocks along k laid out at a time, at most */
    PART_ROWS = 96 /* rows that are worth laying a panel out for */
};

/* What one thread works in. */
typedef struct room {
    ti_int8_block decoded[TI_INT8_DECODED];
    float sums[2][TI_INT8_MAX_ROWS * PANEL]; /* of the two panels */
    unsigned char panels[];                  /* two stretches */
} room;

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
        for (int b = 0; b < l->n_blocks; b++, to += g->kernel->x_bytes)
            g->largest[b] = g->kernel->pack_x(to, i, i < g->n_rows ? x + b * BLOCK : NULL);
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

/* Blocks [first, first + n) of a panel of w, into TO. */
static void lay_out(const ti_int8_kernel *kernel, const ti_product *p, const ti_weight *w,
                    int panel, int first, int n, ti_int8_block *decoded, unsigned char *to)
{
    const size_t stride = ti_type_row_bytes(w->tensor.type, w->cols);
    const int out = panel * PANEL, left = p->n_out - out;
    const char *rows = (const char *)w->tensor.data + (size_t)(p->first_out + out) * stride;
    for (int b = 0; b < n; b += TI_INT8_DECODED) {
        const int count = n - b < TI_INT8_DECODED ? n - b : TI_INT8_DECODED;
        kernel->decode(decoded, w->tensor.type, rows, stride, left < PANEL ? left : PANEL,
                       first + b, count);
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
            for (int j = 0; j < n; j++) y[j] += sum[j];
        else if (add)
            for (int j = 0; j < n; j++) y[j] += p->scale * sum[j];
        else
            for (int j = 0; j < n; j++) y[j] = p->scale * sum[j];
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

/* One tile over the blocks [k, k + n) and the extra blocks among them. */
static void run_tile(const ti_int8_kernel *kernel, const ti_int8_layout *l, float *sum,
                     const unsigned char *x, const unsigned char *panel, int k, int n)
{
    const int32_t *list = (const int32_t *)(const void *)(x + l->list_at);
    __builtin_prefetch(list);
    kernel->tile(sum, x + (size_t)k * kernel->x_bytes, panel, n, false, l->group_bytes);
    for (int e = 0; e < list[0]; e++) {
        const int b = list[1 + e];
        if (b < k || b >= k + n) continue;
        kernel->tile(sum, x + l->extra_at + (size_t)e * kernel->x_bytes,
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

/* Jobs of a product are two panels that pass the same rows: of both weights of a gate, or
 * neighbours. */
static int count_jobs(const ti_product *p)
{
    const int n_panels = (p->n_out + PANEL - 1) / PANEL;
    return p->w_gate ? n_panels : (n_panels + 1) / 2;
}

/* Rows [from, to) of the codes by the panels of JOB. */
static void multiply(const ti_cpu *cpu, const stretch *s, int job, int from, int to, room *r)
{
    const ti_int8_kernel *kernel = s->kernel;
    const bool gate = s->p->w_gate != NULL;
    const ti_weight *weights[2] = {gate ? s->p->w_gate : s->p->w, s->p->w};
    const int panel[2] = {gate ? job : 2 * job, gate ? job : 2 * job + 1};
    const int lanes = panel[1] * PANEL < s->p->n_out ? 2 : 1;
    unsigned char *panels[2] = {r->panels, r->panels + (size_t)s->n * kernel->w_bytes};
    for (int i = 0; i < lanes; i++)
        lay_out(kernel, s->p, weights[i], panel[i], s->k, s->n, r->decoded, panels[i]);
    for (int row = from; row < to; row += kernel->rows) {
        const unsigned char *x = cpu->codes + (size_t)(row / kernel->rows) * s->layout->group_bytes;
        const int n_rows = to - row < kernel->rows ? to - row : kernel->rows;
        for (int i = gate; i < lanes; i++)
            fetch_y(s->p, panel[i], s->first + row, n_rows);
        for (int i = 0; i < lanes; i++)
            run_tile(kernel, s->layout, r->sums[i], x, panels[i], s->k, s->n);
        for (int i = gate; i < lanes; i++)
            finish(kernel, s->p, panel[i], s->first + row, n_rows, s->k > 0,
                   gate ? r->sums[0] : NULL, r->sums[i]);
    }
}

/* Where jobs are fewer than the threads can share evenly, each is cut into parts of the rows. */
static void run_stretch(ti_cpu *cpu, const stretch *s)
{
    const int n_jobs = count_jobs(s->p), height = s->kernel->rows;
    int parts = (4 * cpu->threads + n_jobs - 1) / n_jobs, worth = s->n_rows / PART_ROWS;
    parts = parts < worth ? parts : worth > 1 ? worth : 1;
    const int part_rows = ((s->n_rows + parts - 1) / parts + height - 1) / height * height;
#pragma omp parallel for collapse(2) num_threads(cpu->threads) schedule(dynamic)
    for (int job = 0; job < n_jobs; job++)
        for (int part = 0; part < parts; part++) {
            const int from = part * part_rows, to = from + part_rows;
            if (from >= s->n_rows) continue;
            multiply(cpu, s, job, from, to < s->n_rows ? to : s->n_rows,
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

bool ti_cpu_product_int8_takes(const ti_cpu *cpu, const ti_product *p)
{
    if (!ti_int8_takes(p->w->tensor.type)) return false;
    if (!p->w_gate) return true;
    size_t panels = 2 * kernel_of(cpu, p)->w_bytes * (size_t)(p->w->cols / BLOCK);
    return ti_int8_takes(p->w_gate->tensor.type) && sizeof(room) + panels <= TI_CPU_SCRATCH;
}

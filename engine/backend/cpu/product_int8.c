/* product_int8.c - the products of product.h with quantised weights.
 *
 * x becomes codes first, all threads together (or stays from the last product). Then a thread takes
 * a panel of 32 outputs, lays a stretch of it out for the kernel, and passes all rows of x by it:
 * the panel's stretch lies in the second-level cache, a group of rows in the first. The sums of
 * rows wait in scratch from stretch to stretch. Panels of a gate's two weights go side by side, so
 * that the finished values need no second pass. */
#include "backend/cpu/product.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    PANEL = TI_INT8_PANEL,
    BLOCK = TI_INT8_BLOCK,
    STRETCH = 128,     /* blocks along k laid out at a time; a multiple of a q4_k super-block's 8 */
    STRIP_ROWS = 4096, /* rows of x whose sums wait in scratch: 0.5 MB for each weight */
    LAID_OUT = 8       /* blocks decoded at a time */
};

/* What one thread works in. */
typedef struct room {
    ti_int8_block *decoded;  /* [LAID_OUT] */
    unsigned char *panel[2]; /* [STRETCH][w_bytes], of w_gate and w */
    float *sums[2];          /* [STRIP_ROWS][PANEL] */
} room;

static size_t round_up(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

static room make_room(ti_cpu *cpu)
{
    room r;
    unsigned char *at = ti_cpu_scratch(cpu, omp_get_thread_num());
    for (int i = 0; i < 2; i++) {
        r.panel[i] = at;
        at += round_up(STRETCH * cpu->int8->w_bytes);
        r.sums[i] = (float *)(void *)at;
        at += (STRIP_ROWS + TI_INT8_MAX_ROWS) * PANEL * sizeof(float);
    }
    r.decoded = (ti_int8_block *)(void *)at;
    return r;
}

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
static void encode(ti_cpu *cpu, const ti_product *p, const ti_int8_layout *layout, int first,
                   int n_rows)
{
    const ti_int8_kernel *kernel = cpu->int8;
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

static void lay_out(const ti_cpu *cpu, const ti_product *p, const ti_weight *w, int panel,
                    int first, int n, const room *r, unsigned char *to)
{
    const size_t stride = ti_type_row_bytes(w->tensor.type, w->cols);
    const int out = panel * PANEL, left = p->n_out - out;
    const char *rows = (const char *)w->tensor.data + (size_t)(p->first_out + out) * stride;
    for (int b = 0; b < n; b += LAID_OUT) {
        const int count = n - b < LAID_OUT ? n - b : LAID_OUT;
        ti_int8_codes(r->decoded, w->tensor.type, rows, stride, left < PANEL ? left : PANEL,
                      first + b, count);
        for (int i = 0; i < count; i++, to += cpu->int8->w_bytes)
            cpu->int8->pack_w(to, &r->decoded[i]);
    }
}

/* Finished sums of up to kernel->rows rows from ROW on (counted in all of x). */
static void finish(const ti_cpu *cpu, const ti_product *p, int panel, int row, int n_rows,
                   const float *gate, const float *sum)
{
    const int out = panel * PANEL, n = p->n_out - out < PANEL ? p->n_out - out : PANEL;
    for (int i = 0; i < n_rows; i++, gate += PANEL, sum += PANEL) {
        float *y = p->y + (size_t)(row + i) * (size_t)p->n_out + out;
        if (p->finish == TI_FINISH_GATE)
            cpu->int8->gate(y, gate, sum, n);
        else if (p->finish == TI_FINISH_ADD)
            for (int j = 0; j < n; j++) y[j] += sum[j];
        else
            for (int j = 0; j < n; j++) y[j] = p->scale * sum[j];
    }
}

/* One tile over the blocks [k, k + n) and the extra blocks among them. */
static void run_tile(const ti_int8_kernel *kernel, const ti_int8_layout *l, float *sum,
                     const unsigned char *x, const unsigned char *panel, int k, int n)
{
    const int32_t *list = (const int32_t *)(const void *)(x + l->list_at);
    kernel->tile(sum, x + (size_t)k * kernel->x_bytes, panel, n, k > 0);
    for (int e = 0; e < list[0]; e++) {
        const int b = list[1 + e];
        if (b < k || b >= k + n) continue;
        kernel->tile(sum, x + l->extra_at + (size_t)e * kernel->x_bytes,
                     panel + (size_t)(b - k) * kernel->w_bytes, 1, true);
    }
}

/* Rows [first, first + n_rows) of x, whose codes are there, by one panel. */
static void multiply(const ti_cpu *cpu, const ti_product *p, const ti_int8_layout *l, int panel,
                     int first, int n_rows, const room *r)
{
    const ti_int8_kernel *kernel = cpu->int8;
    const ti_weight *weights[2] = {p->w_gate, p->w};
    for (int k = 0; k < l->n_blocks; k += STRETCH) {
        const int n = l->n_blocks - k < STRETCH ? l->n_blocks - k : STRETCH;
        for (int i = 0; i < 2; i++)
            if (weights[i]) lay_out(cpu, p, weights[i], panel, k, n, r, r->panel[i]);
        for (int row = 0; row < n_rows; row += kernel->rows) {
            const unsigned char *x = cpu->codes + (size_t)(row / kernel->rows) * l->group_bytes;
            /* One stretch needs no waiting: the sums stay in one place in the first-level cache. */
            const size_t at = n == l->n_blocks ? 0 : (size_t)row * PANEL;
            for (int i = 0; i < 2; i++)
                if (weights[i]) run_tile(kernel, l, r->sums[i] + at, x, r->panel[i], k, n);
            if (k + n < l->n_blocks) continue;
            const int left = n_rows - row;
            finish(cpu, p, panel, first + row, left < kernel->rows ? left : kernel->rows,
                   r->sums[0] + at, r->sums[1] + at);
        }
    }
}

/* Rows whose codes the room takes: whole groups, at least one. */
static int strip_rows(const ti_cpu *cpu, const ti_int8_layout *layout)
{
    size_t fit = cpu->codes_bytes / layout->group_bytes,
           most = (size_t)(STRIP_ROWS / cpu->int8->rows);
    return (int)(fit < most ? fit : most) * cpu->int8->rows;
}

void ti_cpu_product_int8(ti_cpu *cpu, const ti_product *p)
{
    const int n_panels = (p->n_out + PANEL - 1) / PANEL;
    const ti_int8_layout layout = ti_int8_layout_of(cpu->int8, (int)p->w->cols);
    const int strip = strip_rows(cpu, &layout);
    for (int first = 0; first < p->n_rows; first += strip) {
        const int n_rows = p->n_rows - first < strip ? p->n_rows - first : strip;
        const bool known = cpu->coded.x == p->x && cpu->coded.n_rows == p->n_rows &&
                           cpu->coded.width == (int)p->w->cols;
        if (!known) encode(cpu, p, &layout, first, n_rows);
        cpu->coded.x = p->x == cpu->operand && n_rows == p->n_rows ? p->x : NULL;
        cpu->coded.n_rows = n_rows;
        cpu->coded.width = (int)p->w->cols;
#pragma omp parallel num_threads(cpu->threads)
        {
            const room r = make_room(cpu);
#pragma omp for schedule(dynamic)
            for (int panel = 0; panel < n_panels; panel++)
                multiply(cpu, p, &layout, panel, first, n_rows, &r);
        }
    }
}

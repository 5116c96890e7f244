/* conv.c - convolution as matrix products that are never laid out whole.
 *
 * In [height][width][channels] memory, what one kernel row sees under an output pixel is one run of
 * kernel * channels floats, and the next pixel's run begins stride * channels later. So a block of
 * output pixels needs a few zero-padded lines of x, and the left side of the product is packed from
 * them a few hundred words deep at a time. An item of work is a block of output pixels with all
 * their channels; memory per thread does not grow with the picture. Kernels are packed when they
 * are bound. Where there are only a few output channels (the last layer makes RGB), the two sides
 * of the product change places, because tiles are wider than they are high.
 *
 * Weights of 16 bits are multiplied as bf16, summed in float32, where the processor has such
 * instructions: a packed word is then two elements, and a run that is odd ends with a zero.
 *
 * Each output is summed over (ky, kx, channel) in that order, cut by the kernel's shape alone. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/gemm_kernels.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH = 384,           /* words of the sum packed at a time */
    TILES = 8,             /* pixel tiles of an item, at most */
    LINE_FLOATS = 1 << 16, /* of x, padded, that an item works from: most of it stays in L2 */
    MAX_SPAN = 8192 /* kernel * in_channels: beyond it one tile's lines outgrow the scratch */
};

typedef struct job {
    const ti_conv *shape;
    const ti_gemm_kernel *kernel;
    const float *x, *bias;
    const uint32_t *packed; /* [panel][total][nr], or [total][a_width] when narrow */
    float *y;
    bool accumulate, narrow; /* narrow: pixels are the right side of the product */
    int tile, tile_width;    /* pixels of a tile, and the width they are packed with */
    int run, total;          /* words under one kernel row, and under the kernel */
    int tiles, rows;         /* an item: tiles across, output rows down */
    int line_pixels;         /* of x under an item's row, padding included */
} job;

/* An item's place in the output. */
typedef struct block {
    int y, x, height, width;
} block;

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

static bool is_narrow(const ti_gemm_kernel *f, int out_channels)
{
    return out_channels <= f->mr;
}

static const ti_gemm_kernel *kernel_of(const ti_cpu *cpu, const ti_weight *w)
{
    return ti_gemm_kernel_for(&cpu->features, w->tensor.type != TI_F32);
}

/* Elements in a word of F's panels. */
static int per_word(const ti_gemm_kernel *f)
{
    return f->pairs ? 2 : 1;
}

/* Words under one row of a kernel of SIZE over IN channels. */
static int run_words(const ti_gemm_kernel *f, int size, int in)
{
    return ceil_div(size * in, per_word(f));
}

/* ---- binding --------------------------------------------------------------------------------- */

/* ROW [in][kernel * kernel] of the file as [kernel * kernel][in]. */
static void turn_row(const float *row, float *to, int in, int taps)
{
    for (int tap = 0; tap < taps; tap++)
        for (int c = 0; c < in; c++) to[(size_t)tap * (size_t)in + (size_t)c] = row[c * taps + tap];
}

static void pack_panels(const ti_weight *w, const ti_gemm_kernel *f, int width, float *rows,
                        float *row)
{
    int in = (int)w->tensor.shape[1], size = (int)w->tensor.shape[2], out = (int)w->rows;
    int total = (int)w->cols, words = run_words(f, size, in);
    uint32_t *to = w->packed;
    for (int first = 0; first < out; first += width) {
        int lanes = min_int(width, out - first);
        for (int j = 0; j < lanes; j++) {
            ti_weight_row(w, first + j, row);
            turn_row(row, rows + (size_t)j * (size_t)total, in, size * size);
        }
        for (int ky = 0; ky < size; ky++, to += (size_t)words * (size_t)width)
            f->pack(to, &(ti_gemm_panel){.from = rows + ky * size * in,
                                         .lane_step = total,
                                         .k_step = 1,
                                         .lanes = lanes,
                                         .width = width,
                                         .k = size * in});
    }
}

te_status ti_cpu_pack_conv(ti_cpu *cpu, ti_weight *w, te_error *err)
{
    const ti_tensor *t = &w->tensor;
    if (t->shape[2] != t->shape[3] || t->shape[1] * t->shape[2] > MAX_SPAN || w->rows > MAX_SPAN)
        return ti_fail(err, TE_UNSUPPORTED,
                       "%s: a convolution of %lld x %lld over %lld channels is not supported",
                       t->name, (long long)t->shape[2], (long long)t->shape[3],
                       (long long)t->shape[1]);
    const ti_gemm_kernel *f = kernel_of(cpu, w);
    int size = (int)t->shape[2];
    size_t total = (size_t)w->cols, words = (size_t)(size * run_words(f, size, (int)t->shape[1]));
    size_t width = (size_t)(is_narrow(f, (int)w->rows) ? f->a_width : f->nr);
    size_t lanes = ((size_t)w->rows + width - 1) / width * width;
    w->packed_bytes = lanes * words * sizeof(uint32_t);
    w->packed = ti_aligned_alloc(w->packed_bytes);
    float *rows = ti_malloc_array((width + 1) * total, sizeof *rows);
    te_status st = TE_OK;
    if (w->packed && rows)
        pack_panels(w, f, (int)width, rows, rows + width * total);
    else
        st = ti_fail_memory(err, t->name, w->packed_bytes);
    free(rows);
    return st; /* w->packed is freed with w */
}

/* ---- running --------------------------------------------------------------------------------- */

static int block_lines(const job *j)
{
    return (j->rows - 1) * j->shape->stride + j->shape->kernel;
}

static int line_pixels(const job *j)
{
    return (j->tiles * j->tile - 1) * j->shape->stride + j->shape->kernel;
}

/* Rows a kernel goes through in tiles of TILE for a line of WIDTH pixels: it takes few, 8 or MR. */
static int rows_of_line(int mr, int tile, int width)
{
    int rest = width % tile;
    return width - rest + (rest > 8 ? mr : rest > 4 ? 8 : rest ? 4 : 0);
}

/* Pixels of a tile: what the kernel holds, unless 8 go a tenth better into lines of this width. */
static int choose_tile(int mr, int width)
{
    return mr > 8 && 10 * rows_of_line(mr, mr, width) > 11 * rows_of_line(mr, 8, width) ? 8 : mr;
}

/* As many tiles across as there are and fit, then as many rows. */
static void choose_block(job *j)
{
    const ti_conv *s = j->shape;
    size_t in = (size_t)s->in_channels;
    j->rows = 1;
    j->tiles = min_int(TILES, ceil_div(s->out_width, j->tile));
    while (j->tiles > 1 && (size_t)block_lines(j) * (size_t)line_pixels(j) * in > LINE_FLOATS)
        j->tiles--;
    j->line_pixels = line_pixels(j);
    j->rows = min_int(TILES / j->tiles, s->out_height);
    while (j->rows > 1 && (size_t)block_lines(j) * (size_t)j->line_pixels * in > LINE_FLOATS)
        j->rows--;
}

/* The lines of x under B, zeros where they leave x: [lines][line_pixels][in_channels]. */
static void fill_lines(const job *j, const block *b, float *lines)
{
    const ti_conv *s = j->shape;
    size_t in = (size_t)s->in_channels;
    int n = block_lines(j), left = b->x * s->stride - s->pad_left;
    int first = left < 0 ? -left : 0;
    int end = s->width - left < j->line_pixels ? s->width - left : j->line_pixels;
    if (end < first) end = first = 0; /* the whole line lies beside x */
    for (int l = 0; l < n; l++) {
        float *line = lines + (size_t)l * (size_t)j->line_pixels * in;
        int y = b->y * s->stride - s->pad_top + l;
        bool inside = y >= 0 && y < s->height;
        int from = inside ? first : 0, to = inside ? end : 0;
        memset(line, 0, (size_t)from * in * sizeof *line);
        if (to > from)
            memcpy(line + (size_t)from * in,
                   j->x + ((size_t)y * (size_t)s->width + (size_t)(left + from)) * in,
                   (size_t)(to - from) * in * sizeof *line);
        memset(line + (size_t)to * in, 0, (size_t)(j->line_pixels - to) * in * sizeof *line);
    }
}

/* Words [k0, k0 + depth) of the sum for the tile of LANES pixels that begins COLUMN pixels into
 * line L. */
static void pack_tile(const job *j, const float *lines, int l, int column, int lanes, int k0,
                      int depth, uint32_t *to)
{
    const ti_conv *s = j->shape;
    int unit = per_word(j->kernel), run = s->kernel * s->in_channels;
    size_t in = (size_t)s->in_channels, line = (size_t)j->line_pixels * in;
    for (int k = k0; k < k0 + depth;) {
        int ky = k / j->run, within = k % j->run;
        int n = min_int(j->run - within, k0 + depth - k);
        ti_gemm_panel panel = {.from = lines + (size_t)(l + ky) * line +
                                       (size_t)(column * s->stride) * in + (size_t)(within * unit),
                               .lane_step = s->stride * s->in_channels,
                               .k_step = 1,
                               .lanes = lanes,
                               .width = j->tile_width,
                               .k = min_int(n * unit, run - within * unit)};
        j->kernel->pack(to + (size_t)(k - k0) * (size_t)j->tile_width, &panel);
        k += n;
    }
}

static float *output_at(const job *j, int y, int x)
{
    const ti_conv *s = j->shape;
    return j->y + ((size_t)y * (size_t)s->out_width + (size_t)x) * (size_t)s->out_channels;
}

/* What the sums are added to: the bias, or what is there already and the bias. */
static void start_block(const job *j, const block *b)
{
    int out = j->shape->out_channels;
    for (int r = 0; r < b->height; r++)
        for (int x = 0; x < b->width; x++) {
            float *y = output_at(j, b->y + r, b->x + x);
            if (j->accumulate)
                for (int o = 0; j->bias && o < out; o++) y[o] += j->bias[o];
            else if (j->bias)
                memcpy(y, j->bias, (size_t)out * sizeof *y);
            else
                memset(y, 0, (size_t)out * sizeof *y);
        }
}

/* All output channels of B, for words [k0, k0 + depth) of the sum. */
static void multiply_block(const job *j, const block *b, const uint32_t *a, int k0, int depth)
{
    const ti_gemm_kernel *f = j->kernel;
    int out = j->shape->out_channels;
    size_t tile_words = (size_t)depth * (size_t)f->a_width;
    for (int o = 0; o < out; o += f->nr) {
        const uint32_t *panel =
            j->packed + (size_t)o * (size_t)j->total + (size_t)k0 * (size_t)f->nr;
        const uint32_t *left = a;
        for (int r = 0; r < b->height; r++)
            for (int x = 0; x < b->width; x += j->tile, left += tile_words)
                f->tile(&(ti_gemm_tile){.rows = min_int(j->tile, b->width - x),
                                        .cols = min_int(f->nr, out - o),
                                        .k = depth * per_word(f),
                                        .a = left,
                                        .b = panel,
                                        .c = output_at(j, b->y + r, b->x + x) + o,
                                        .ldc = out,
                                        .alpha = 1.0f,
                                        .add = true});
    }
}

/* The same with the sides changed: a tile's sums are kept as [out][nr] in SUMS, one tile after
 * another. */
static void multiply_narrow(const job *j, const block *b, const uint32_t *right, int k0, int depth,
                            float *sums)
{
    const ti_gemm_kernel *f = j->kernel;
    int out = j->shape->out_channels;
    for (int r = 0; r < b->height; r++)
        for (int x = 0; x < b->width; x += j->tile) {
            f->tile(&(ti_gemm_tile){.rows = out,
                                    .cols = min_int(j->tile, b->width - x),
                                    .k = depth * per_word(f),
                                    .a = j->packed + (size_t)k0 * (size_t)f->a_width,
                                    .b = right,
                                    .c = sums,
                                    .ldc = j->tile,
                                    .alpha = 1.0f,
                                    .add = k0 > 0});
            right += (size_t)depth * (size_t)j->tile_width;
            sums += out * j->tile;
        }
}

static void add_narrow(const job *j, const block *b, const float *sums)
{
    int out = j->shape->out_channels;
    for (int r = 0; r < b->height; r++)
        for (int x = 0; x < b->width; x += j->tile, sums += out * j->tile) {
            float *y = output_at(j, b->y + r, b->x + x);
            for (int p = 0; p < min_int(j->tile, b->width - x); p++)
                for (int o = 0; o < out; o++) *y++ += sums[o * j->tile + p];
        }
}

static void convolve_block(const job *j, const block *b, void *scratch)
{
    const ti_conv *s = j->shape;
    uint32_t *packed = scratch;
    float *sums = (float *)packed + (size_t)TILES * DEPTH * TI_GEMM_MAX_WIDTH;
    float *lines = sums + (size_t)TILES * TI_GEMM_MAX_WIDTH * TI_GEMM_MAX_WIDTH;
    int depth = ceil_div(j->total, ceil_div(j->total, DEPTH));
    fill_lines(j, b, lines);
    start_block(j, b);
    for (int k0 = 0; k0 < j->total; k0 += depth) {
        int n = min_int(depth, j->total - k0);
        uint32_t *to = packed;
        for (int r = 0; r < b->height; r++)
            for (int x = 0; x < b->width; x += j->tile) {
                pack_tile(j, lines, r * s->stride, x, min_int(j->tile, b->width - x), k0, n, to);
                to += (size_t)n * (size_t)j->tile_width;
            }
        if (j->narrow)
            multiply_narrow(j, b, packed, k0, n, sums);
        else
            multiply_block(j, b, packed, k0, n);
    }
    if (j->narrow) add_narrow(j, b, sums);
}

void ti_cpu_conv(ti_backend *be, float *y, const float *x, const ti_weight *w,
                 const ti_weight *bias, const ti_conv *shape, bool accumulate)
{
    ti_cpu *cpu = ti_cpu_of(be);
    const ti_gemm_kernel *f = kernel_of(cpu, w);
    bool narrow = is_narrow(f, shape->out_channels);
    int run = run_words(f, shape->kernel, shape->in_channels);
    job j = {.shape = shape,
             .kernel = f,
             .x = x,
             .packed = w->packed,
             .bias = bias ? bias->values : NULL,
             .y = y,
             .accumulate = accumulate,
             .narrow = narrow,
             .tile = narrow ? f->nr : choose_tile(f->mr, shape->out_width),
             .tile_width = narrow ? f->nr : f->a_width,
             .run = run,
             .total = shape->kernel * run};
    choose_block(&j);
    int width = j.tiles * j.tile;
    int across = ceil_div(shape->out_width, width), down = ceil_div(shape->out_height, j.rows);
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int i = 0; i < across * down; i++) {
        block b = {.y = i / across * j.rows, .x = i % across * width};
        b.height = min_int(j.rows, shape->out_height - b.y);
        b.width = min_int(width, shape->out_width - b.x);
        convolve_block(&j, &b, ti_cpu_scratch(cpu, omp_get_thread_num()));
    }
}

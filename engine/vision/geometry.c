/* geometry.c - see geometry.h. Source rows pass once, in order: each is resampled across and added
 * to the output rows it belongs to, so a picture costs no memory beyond its working size. */
#include "vision/geometry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- frames ---------------------------------------------------------------------------------- */

ti_frame ti_frame_whole(int width, int height, int out_width, int out_height)
{
    return (ti_frame){
        .width = width, .height = height, .out_width = out_width, .out_height = out_height};
}

/* How much of a w x h picture scaled to cover cw x ch is left after cutting: 1 is all of it. */
static double kept(int w, int h, int cw, int ch)
{
    double across = (double)cw / w, down = (double)ch / h;
    return fmin(across, down) / fmax(across, down);
}

/* Sizes are walked from flat to tall, each as tall as the area allows; the widest wins a tie. */
static void choose_size(int width, int height, int area, int *best_w, int *best_h)
{
    double best = -1;
    for (int w = area, h = 1; w > 0;) {
        int longer = w > h ? w : h, shorter = w > h ? h : w;
        if (longer <= 4 * shorter && kept(width, height, w, h) > best) {
            best = kept(width, height, w, h);
            *best_w = w;
            *best_h = h;
        }
        if ((int64_t)(h + 1) * w <= area)
            h++;
        else
            w--;
    }
}

/* The cut begins at a whole pixel of the scaled picture, as in the released code. */
static void cover(double size, int out, double scale, double *first, double *length)
{
    double scaled = rint(size * scale);
    if (scaled < out) scaled = out;
    *first = floor((scaled - out) / 2) * size / scaled;
    *length = out * size / scaled;
}

ti_frame ti_frame_crop(int width, int height, int grid_h, int grid_w, int patch)
{
    int step = grid_h % 2 || grid_w % 2 ? 1 : 2, w = 1, h = 1;
    choose_size(width, height, (grid_h / step) * (grid_w / step), &w, &h);
    ti_frame f = {.out_width = w * step * patch, .out_height = h * step * patch};
    double scale = fmax((double)f.out_width / width, (double)f.out_height / height);
    cover(width, f.out_width, scale, &f.x, &f.width);
    cover(height, f.out_height, scale, &f.y, &f.height);
    return f;
}

/* ---- pixels ---------------------------------------------------------------------------------- */

static size_t depth_bytes(te_depth depth)
{
    return depth == TE_U8 ? 1 : depth == TE_U16 ? 2 : 4;
}

te_status ti_picture_check(const te_image *p, te_error *err)
{
    if (!p || !p->pixels) return ti_fail(err, TE_INVALID, "there is no picture");
    if (p->width < 1 || p->height < 1 || p->width > 65535 || p->height > 65535)
        return ti_fail(err, TE_INVALID,
                       "a picture of %d x %d pixels is not supported; sides may be 1 to 65535",
                       p->width, p->height);
    if (p->channels != 3 && p->channels != 4)
        return ti_fail(err, TE_INVALID,
                       "a picture of %d channels is not supported; convert it to RGB or RGBA",
                       p->channels);
    if (p->depth != TE_U8 && p->depth != TE_U16 && p->depth != TE_F32)
        return ti_fail(err, TE_INVALID, "unknown pixel type %d; use 8-bit, 16-bit or float",
                       (int)p->depth);
    if (p->stride < (size_t)p->width * (size_t)p->channels * depth_bytes(p->depth))
        return ti_fail(err, TE_INVALID,
                       "a row of %d pixels does not fit the picture's stride of %zu bytes",
                       p->width, p->stride);
    return TE_OK;
}

/* 8 bits stay whole numbers, 16 bits become [0, 1], floats are clamped there; a NaN is black. */
static float value_at(const unsigned char *at, te_depth depth)
{
    if (depth == TE_U8) return *at;
    if (depth == TE_U16) {
        uint16_t v;
        memcpy(&v, at, sizeof v);
        return (float)v / 65535.0f;
    }
    float v;
    memcpy(&v, at, sizeof v);
    return v > 0 ? (v < 1 ? v : 1) : 0;
}

/* Row Y as [width][3]. */
static void read_row(const te_image *p, int y, float *row)
{
    const unsigned char *at = (const unsigned char *)p->pixels + (size_t)y * p->stride;
    size_t bytes = depth_bytes(p->depth);
    float white = p->depth == TE_U8 ? 255 : 1;
    for (int x = 0; x < p->width; x++, row += 3, at += (size_t)p->channels * bytes) {
        bool clear = p->channels == 4 && value_at(at + 3 * bytes, p->depth) <= 0;
        for (size_t c = 0; c < 3; c++) row[c] = clear ? white : value_at(at + c * bytes, p->depth);
    }
}

void ti_rgb_to_u8(uint8_t *to, const float *rgb, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = rgb[i] > 0 ? (rgb[i] < 1 ? rgb[i] : 1) : 0;
        to[i] = (uint8_t)(v * 255.0f + 0.5f);
    }
}

/* ---- resampling ------------------------------------------------------------------------------ */

/* One direction: output i is the weighted sum of source [first[i], first[i] + count[i]). */
typedef struct filter {
    int n, taps; /* outputs; room for weights of each */
    int *first, *count;
    double *weights; /* [n][taps] */
} filter;

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/* For 8-bit pictures Pillow rounds weights to this many parts and every pass to whole values. */
static const double fixed_point = 4194304; /* 2^22 */

static void fill_weights(filter *f, int i, double centre, double stretch, int size, bool whole)
{
    double reach = 2 * stretch, sum = 0, *w = f->weights + (size_t)i * (size_t)f->taps;
    int first = (int)(centre - reach + 0.5), end = (int)(centre + reach + 0.5);
    first = first < 0 ? 0 : first;
    end = end > size ? size : end;
    for (int k = 0; k < end - first; k++) {
        w[k] = bicubic((first + k - centre + 0.5) / stretch);
        sum += w[k];
    }
    for (int k = 0; k < end - first; k++) {
        if (sum != 0) w[k] /= sum;
        if (whole) w[k] = round(w[k] * fixed_point);
    }
    f->first[i] = first;
    f->count[i] = end - first;
}

/* OUT samples of [start, start + length) of a line of SIZE. WHOLE: in Pillow's 8-bit arithmetic. */
static te_status filter_create(filter *f, int size, double start, double length, int out,
                               bool whole, te_error *err)
{
    double step = length / out, stretch = step < 1 ? 1 : step;
    *f = (filter){.n = out, .taps = (int)ceil(2 * stretch) * 2 + 1};
    f->first = ti_malloc_array((size_t)out, sizeof *f->first);
    f->count = ti_malloc_array((size_t)out, sizeof *f->count);
    f->weights = ti_malloc_array((size_t)out * (size_t)f->taps, sizeof *f->weights);
    if (!f->first || !f->count || !f->weights)
        return ti_fail_memory(err, "scaling the picture",
                              (size_t)out * (size_t)f->taps * sizeof *f->weights);
    for (int i = 0; i < out; i++)
        fill_weights(f, i, start + (i + 0.5) * step, stretch, size, whole);
    return TE_OK;
}

static void filter_clear(filter *f)
{
    free(f->first);
    free(f->count);
    free(f->weights);
}

/* A finished sum as a value: rounded and clamped like a byte, or as it is. */
static double settle(double sum, bool whole)
{
    if (!whole) return sum;
    double v = floor(sum / fixed_point + 0.5);
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

static void resample_row(const filter *f, const float *row, bool whole, double *to)
{
    for (int i = 0; i < f->n; i++, to += 3) {
        const double *w = f->weights + (size_t)i * (size_t)f->taps;
        const float *from = row + 3 * (size_t)f->first[i];
        double sum[3] = {0, 0, 0};
        for (int k = 0; k < f->count[i]; k++, from += 3)
            for (int c = 0; c < 3; c++) sum[c] += w[k] * (double)from[c];
        for (int c = 0; c < 3; c++) to[c] = settle(sum[c], whole);
    }
}

typedef struct resampling {
    filter across, down;
    float *row;   /* [picture width][3] */
    double *line; /* [out_width][3]: the row, resampled across */
    double *sums; /* [out_height][out_width][3] */
} resampling;

/* Every source row, once, into the sums of the output rows that see it. */
static void resample(const te_image *picture, resampling *r, bool whole)
{
    size_t width = 3 * (size_t)r->across.n;
    int open = 0, rows = r->down.n; /* the first output row still to be added to */
    int first = r->down.first[0], end = r->down.first[rows - 1] + r->down.count[rows - 1];
    for (int y = first; y < end; y++) {
        read_row(picture, y, r->row);
        resample_row(&r->across, r->row, whole, r->line);
        while (open < rows && r->down.first[open] + r->down.count[open] <= y) open++;
        for (int i = open; i < rows && r->down.first[i] <= y; i++) {
            double w =
                r->down.weights[(size_t)i * (size_t)r->down.taps + (size_t)(y - r->down.first[i])];
            double *sum = r->sums + (size_t)i * width;
            for (size_t c = 0; c < width; c++) sum[c] += w * r->line[c];
        }
    }
}

te_status ti_picture_read(const te_image *picture, const ti_frame *f, float *rgb, te_error *err)
{
    resampling r = {0};
    bool whole = picture && picture->depth == TE_U8;
    te_status st = ti_picture_check(picture, err);
    if (st) return st;
    st = filter_create(&r.across, picture->width, f->x, f->width, f->out_width, whole, err);
    if (!st)
        st = filter_create(&r.down, picture->height, f->y, f->height, f->out_height, whole, err);
    size_t line = 3 * (size_t)f->out_width, n = line * (size_t)f->out_height;
    r.row = ti_malloc_array(3 * (size_t)picture->width, sizeof *r.row);
    r.line = ti_malloc_array(line, sizeof *r.line);
    r.sums = ti_calloc(n, sizeof *r.sums);
    if (!st && (!r.row || !r.line || !r.sums))
        st = ti_fail_memory(err, "scaling the picture", n * sizeof *r.sums);
    if (!st) {
        resample(picture, &r, whole);
        for (size_t i = 0; i < n; i++) {
            double v = whole ? settle(r.sums[i], true) / 255 : r.sums[i];
            rgb[i] = (float)(v < 0 ? 0 : v > 1 ? 1 : v);
        }
    }
    filter_clear(&r.across);
    filter_clear(&r.down);
    free(r.row);
    free(r.line);
    free(r.sums);
    return st;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

/* The pixels of a line of SIZE that cell I of N in [start, start + length) touches; at least one. A
 * cell that ends on a pixel's edge but for rounding does not touch the next. */
static void cell_range(int i, int n, double start, double length, int size, int *first, int *end)
{
    const double slack = 1e-6;
    *first = (int)floor(start + length * i / n + slack);
    *end = (int)ceil(start + length * (i + 1) / n - slack);
    if (*first > size - 1) *first = size - 1;
    if (*first < 0) *first = 0;
    if (*end > size) *end = size;
    if (*end <= *first) *end = *first + 1;
}

void ti_mask_to_tokens(const uint8_t *mask, int width, int height, const ti_frame *f, int grid_h,
                       int grid_w, uint8_t *tokens)
{
    for (int gy = 0; gy < grid_h; gy++)
        for (int gx = 0; gx < grid_w; gx++) {
            int x0, x1, y0, y1;
            uint8_t any = 0;
            cell_range(gx, grid_w, f->x, f->width, width, &x0, &x1);
            cell_range(gy, grid_h, f->y, f->height, height, &y0, &y1);
            for (int y = y0; y < y1 && !any; y++)
                for (int x = x0; x < x1 && !any; x++)
                    any = mask[(size_t)y * (size_t)width + (size_t)x] > 127;
            *tokens++ = any;
        }
}

/* carry.c - an edit of the model's size onto the original's pixels. fit.c says what the edit is;
 * here every pixel of the original looks up the 4 x 4 small pixels around it, weighs those more
 * that it resembles (joint bilateral up-sampling, so that the edge of a change is the edge in the
 * photo, not a ramp thirty pixels wide), and goes through the tone it finds there; structure.c sees
 * to it that a change of light leaves the photo its edges. */
#include "picture/internal.h"

#include <math.h>

#define LIKENESS 0.01f  /* squared sRGB distance at which a small pixel counts half */
#define SEEN     200000 /* pairs of pixels that are looked at for the structure */
#define VISIBLE  0.002f /* a share of the edit below this moves no 8-bit value */

typedef struct taps4 {
    int at[4];       /* clamped positions */
    float smooth[4]; /* cubic B-spline: for maps */
    float sharp[4];  /* Catmull-Rom: for pixels */
    float inside; /* 0 at a side of the area that is inside the picture, 1 a token away from it */
} taps4;

typedef struct carrier {
    const ti_carry *job;
    GeglRectangle area;
    const ti_fit *fit;
    ti_structure structure;
    float *guide;    /* [h][w][3]: the original at the small size */
    uint8_t *active; /* [h + 1][w + 1]: whether the 4 x 4 around this corner holds any change */
    taps4 *across, *down;
    /* one band */
    float *pixels; /* [rows][width][4] R'G'B'A of sRGB */
    float *mask, *selection;
    uint8_t *native, *edited;
} carrier;

/* ---- small pictures ---------------------------------------------------------------------- */

static void read_image_row(void *source, int y, float *row)
{
    const te_image *image = source;
    const uint8_t *p = (const uint8_t *)image->pixels + (size_t)y * image->stride;
    for (int x = 0; x < image->width; x++)
        for (int c = 0; c < 3; c++) row[3 * x + c] = (float)p[x * image->channels + c] / 255.0f;
}

static te_status image_floats(const te_image *image, int w, int h, float **out, te_error *err)
{
    union {
        const te_image *image;
        void *source;
    } from = {image};
    *out = g_try_new(float, 3 * (size_t)w * (size_t)h);
    if (!*out) return ti_picture_no_memory(err);
    return ti_resample(read_image_row, from.source, image->width, image->height, 3, *out, w, h,
                       err);
}

/* The share of the small picture that the selection touches, above 0 .. 1. */
static te_status share_chosen(const carrier *c, int w, int h, double *share, te_error *err)
{
    const size_t n = (size_t)w * (size_t)h;
    uint8_t *mask = NULL;
    *share = 1;
    if (!c->job->selection) return TE_OK;
    te_status st = ti_picture_sample_mask(&mask, c->job->selection, &c->area, w, h, err);
    if (st) return st;
    size_t chosen = 0;
    for (size_t i = 0; i < n; i++) chosen += mask[i] > 0;
    *share = (double)MAX(chosen, 1) / (double)n;
    g_free(mask);
    return TE_OK;
}

static te_status fit_small(carrier *c, ti_fit **fit, te_error *err)
{
    const ti_carry *job = c->job;
    /* A layer smaller than the model's picture is met at its own size. */
    int w = MIN(job->input->width, c->area.width), h = MIN(job->input->height, c->area.height);
    float *input = NULL, *edited = NULL;
    te_image *sample = NULL;
    double chosen = 1;
    te_status st = share_chosen(c, w, h, &chosen, err);
    if (!st) st = image_floats(job->input, w, h, &input, err);
    if (!st) st = image_floats(job->edited, w, h, &edited, err);
    if (!st) st = ti_picture_sample(&sample, job->original, &c->area, w, h, err);
    if (!st) st = image_floats(sample, w, h, &c->guide, err);
    if (!st)
        st = ti_fit_create(fit, input, edited, c->guide, w, h, job->change, MAX(job->grid_width, 1),
                           MAX(job->grid_height, 1), chosen, err);
    c->fit = *fit;
    ti_picture_image_free(sample);
    g_free(input);
    g_free(edited);
    return st;
}

/* ---- where a pixel looks ----------------------------------------------------------------- */

static float ramp(float distance, float length)
{
    float x = CLAMP(distance / length, 0.0f, 1.0f);
    return x * x * (3 - 2 * x);
}

/* TO positions over FROM small ones. FADE_LOW, FADE_HIGH: this side of the area lies inside the
 * picture. */
static taps4 *taps_create(int from, int to, float patch, gboolean fade_low, gboolean fade_high)
{
    taps4 *taps = g_try_new(taps4, (size_t)to);
    for (int i = 0; taps && i < to; i++) {
        float u = ((float)i + 0.5f) * (float)from / (float)to - 0.5f;
        int base = (int)floorf(u);
        float t = u - (float)base, s = 1 - t;
        taps4 *p = &taps[i];
        for (int k = 0; k < 4; k++) p->at[k] = CLAMP(base - 1 + k, 0, from - 1);
        p->smooth[0] = s * s * s / 6;
        p->smooth[1] = (3 * t * t * t - 6 * t * t + 4) / 6;
        p->smooth[2] = (3 * s * s * s - 6 * s * s + 4) / 6;
        p->smooth[3] = t * t * t / 6;
        p->sharp[0] = 0.5f * (-t * t * t + 2 * t * t - t);
        p->sharp[1] = 0.5f * (3 * t * t * t - 5 * t * t + 2);
        p->sharp[2] = 0.5f * (-3 * t * t * t + 4 * t * t + t);
        p->sharp[3] = 0.5f * (t * t * t - t * t);
        p->inside = 1;
        if (fade_low) p->inside *= ramp(u + 0.5f, patch);
        if (fade_high) p->inside *= ramp((float)from - 0.5f - u, patch);
    }
    return taps;
}

static void find_active(carrier *c)
{
    int w = c->fit->width, h = c->fit->height;
    for (int y = 0; y <= h; y++)
        for (int x = 0; x <= w; x++) {
            uint8_t any = 0;
            for (int j = MAX(y - 2, 0); j < MIN(y + 2, h); j++)
                for (int i = MAX(x - 2, 0); i < MIN(x + 2, w); i++)
                    any |= c->fit->change[j * w + i] > 0;
            c->active[(size_t)y * (size_t)(w + 1) + (size_t)x] = any;
        }
}

/* ---- one pixel --------------------------------------------------------------------------- */

typedef struct found {
    float local[12], change, fresh;
} found;

static void look_up(const carrier *c, const taps4 *x, const taps4 *y, const float *pixel, found *f)
{
    const ti_fit *fit = c->fit;
    float sums[14] = {0}, total = 0;
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < 4; i++) {
            size_t at = (size_t)y->at[j] * (size_t)fit->width + (size_t)x->at[i];
            const float *g = c->guide + 3 * at, *local = fit->local + 12 * at;
            float r = pixel[0] - g[0], s = pixel[1] - g[1], b = pixel[2] - g[2];
            float d = (r * r + s * s + b * b) * (1 / LIKENESS);
            float w = y->smooth[j] * x->smooth[i] * (1e-3f + 1 / (1 + d * d));
            total += w;
            for (int k = 0; k < 12; k++) sums[k] += w * local[k];
            sums[12] += w * fit->change[at];
            sums[13] += w * fit->fresh[at];
        }
    float scale = 1 / total;
    for (int k = 0; k < 12; k++) f->local[k] = sums[k] * scale;
    f->change = sums[12] * scale;
    f->fresh = sums[13] * scale;
}

static void draw_edited(const carrier *c, const taps4 *x, const taps4 *y, float out[3])
{
    out[0] = out[1] = out[2] = 0;
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < 4; i++) {
            size_t at = (size_t)y->at[j] * (size_t)c->fit->width + (size_t)x->at[i];
            float w = y->sharp[j] * x->sharp[i];
            for (size_t k = 0; k < 3; k++) out[k] += w * c->fit->edited[3 * at + k];
        }
}

/* Edits row Y of the area in place and fills its part of the mask. Returns whether anything
 * changed. */
static gboolean carry_row(const carrier *c, int y, float *pixels, const float *selection,
                          float *mask)
{
    const taps4 *down = &c->down[y];
    gboolean any = FALSE;
    for (int x = 0; x < c->area.width; x++) {
        const taps4 *across = &c->across[x];
        float *p = pixels + 4 * (size_t)x, reach = down->inside * across->inside;
        if (selection) reach *= CLAMP(selection[x], 0.0f, 1.0f);
        mask[x] = 0;
        size_t corner =
            (size_t)(down->at[1] + (down->at[2] > down->at[1])) * (size_t)(c->fit->width + 1) +
            (size_t)(across->at[1] + (across->at[2] > across->at[1]));
        if (reach < VISIBLE || p[3] <= 0 || !c->active[corner]) continue;
        found f;
        look_up(c, across, down, p, &f);
        float share = f.change * reach;
        if (share < VISIBLE) continue;
        float tone[3], fresh[3] = {0};
        ti_fit_tone(c->fit, f.local, p, tone);
        if (c->structure.share > 0) ti_structure_keep(&c->structure, p, tone);
        if (f.fresh > 0) draw_edited(c, across, down, fresh);
        mask[x] = share > 0.999f ? 1 : share;
        float blend = c->job->unmasked ? 1 : mask[x];
        for (int k = 0; k < 3; k++) {
            float edit = tone[k] + f.fresh * (fresh[k] - tone[k]);
            p[k] += blend * (edit - p[k]);
        }
        any = TRUE;
    }
    return any;
}

/* ---- structure --------------------------------------------------------------------------- */

/* What the tone does to the edges, from pairs of rows all over the area; of a change of light
 * alone, as other edits are there to change structure. */
static te_status find_structure(carrier *c, te_error *err)
{
    const size_t width = (size_t)c->area.width, small = (size_t)c->fit->width * c->fit->height;
    const int pairs = MIN(CLAMP(SEEN / c->area.width, 8, 256), c->area.height / 2);
    double fresh = 0;
    for (size_t i = 0; i < small; i++) fresh += c->fit->fresh[i];
    if (c->fit->light < 0.5f || fresh > 0.03 * (double)small || width < 2 || !pairs) return TE_OK;
    const size_t row = 4 * width, all = 2 * row * (size_t)pairs;
    float *before = g_try_new(float, 2 * all + all / 4);
    if (!before) return ti_picture_no_memory(err);
    float *after = before + all, *mask = after + all;
    for (int k = 0; k < pairs; k++) {
        const int y = (int)((int64_t)k * (c->area.height - 2) / MAX(pairs - 1, 1));
        const GeglRectangle rows = {c->area.x, c->area.y + y, c->area.width, 2};
        float *pair = after + 2 * row * (size_t)k, *in = mask + 2 * width * (size_t)k;
        gegl_buffer_get(c->job->original, &rows, 1.0, babl_format("R'G'B'A float"), pair,
                        GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
        memcpy(before + 2 * row * (size_t)k, pair, 2 * row * sizeof *pair);
        carry_row(c, y, pair, NULL, in);
        carry_row(c, y + 1, pair + row, NULL, in + width);
    }
    te_status st = ti_structure_find(&c->structure, before, after, mask, c->area.width, pairs, err);
    g_free(before);
    return st;
}

/* ---- bands ------------------------------------------------------------------------------- */

static void carry_band(const carrier *c, int y, int rows, GeglBuffer *out, GeglBuffer *mask)
{
    const ti_carry *job = c->job;
    GeglRectangle band = {c->area.x, c->area.y + y, c->area.width, rows};
    const Babl *format = gegl_buffer_get_format(out), *working = babl_format("R'G'B'A float");
    size_t width = (size_t)band.width, bpp = (size_t)babl_format_get_bytes_per_pixel(format);
    int any = 0;
    gegl_buffer_get(job->original, &band, 1.0, working, c->pixels, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    if (job->selection)
        gegl_buffer_get(job->selection, &band, 1.0, babl_format("Y float"), c->selection,
                        GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
#pragma omp parallel for schedule(dynamic, 4) reduction(| : any)
    for (int i = 0; i < rows; i++) {
        size_t at = (size_t)i * width;
        any |= carry_row(c, y + i, c->pixels + 4 * at, job->selection ? c->selection + at : NULL,
                         c->mask + at);
    }
    if (!any) return;
    gegl_buffer_get(out, &band, 1.0, format, c->native, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
    babl_process(babl_fish(working, format), c->pixels, c->edited, (long)(width * (size_t)rows));
    for (size_t i = 0; i < width * (size_t)rows; i++)
        if (c->mask[i] > 0) memcpy(c->native + i * bpp, c->edited + i * bpp, bpp);
    gegl_buffer_set(out, &band, 0, format, c->native, GEGL_AUTO_ROWSTRIDE);
    if (mask) gegl_buffer_set(mask, &band, 0, babl_format("Y float"), c->mask, GEGL_AUTO_ROWSTRIDE);
}

static te_status carrier_init(carrier *c, const Babl *format, te_error *err)
{
    const ti_fit *fit = c->fit;
    const GeglRectangle *whole = gegl_buffer_get_extent(c->job->original), *area = &c->area;
    size_t n = (size_t)area->width * TI_BAND_ROWS,
           bpp = (size_t)babl_format_get_bytes_per_pixel(format);
    float patch_x = (float)fit->width / (float)MAX(c->job->grid_width, 1);
    float patch_y = (float)fit->height / (float)MAX(c->job->grid_height, 1);
    c->active = g_try_malloc((size_t)(fit->width + 1) * (size_t)(fit->height + 1));
    c->across = taps_create(fit->width, area->width, patch_x, area->x > whole->x,
                            area->x + area->width < whole->x + whole->width);
    c->down = taps_create(fit->height, area->height, patch_y, area->y > whole->y,
                          area->y + area->height < whole->y + whole->height);
    c->pixels = g_try_new(float, 4 * n);
    c->mask = g_try_new(float, n);
    c->selection = c->job->selection ? g_try_new(float, n) : NULL;
    c->native = g_try_malloc(n * bpp);
    c->edited = g_try_malloc(n * bpp);
    if (!c->active || !c->across || !c->down || !c->pixels || !c->mask || !c->native ||
        !c->edited || (c->job->selection && !c->selection))
        return ti_picture_no_memory(err);
    find_active(c);
    return TE_OK;
}

static void carrier_clear(carrier *c)
{
    g_free(c->guide);
    g_free(c->active);
    g_free(c->across);
    g_free(c->down);
    g_free(c->pixels);
    g_free(c->mask);
    g_free(c->selection);
    g_free(c->native);
    g_free(c->edited);
}

static te_status check_job(const ti_carry *job, const GeglRectangle *area, te_error *err)
{
    const te_image *a = job->input, *b = job->edited;
    if (!a || !b || a->depth != TE_U8 || b->depth != TE_U8 || a->width != b->width ||
        a->height != b->height)
        return ti_picture_fail(err, TE_INVALID,
                               "the edited picture and the input differ in size or depth");
    if (job->change && (job->grid_width < 1 || job->grid_height < 1))
        return ti_picture_fail(err, TE_INVALID, "the map of changed tokens has no size");
    if (!gegl_rectangle_contains(gegl_buffer_get_extent(job->original), area) || area->width < 1)
        return ti_picture_fail(err, TE_INVALID, "the edited area is not inside the picture");
    return TE_OK;
}

te_status ti_picture_carry(const ti_carry *job, GeglBuffer **out, GeglBuffer **mask, te_error *err)
{
    const GeglRectangle *whole = gegl_buffer_get_extent(job->original);
    carrier c = {.job = job, .area = job->area ? *job->area : *whole};
    const Babl *format = job->format ? job->format : gegl_buffer_get_format(job->original);
    ti_fit *fit = NULL;
    *out = NULL;
    if (mask) *mask = NULL;
    te_status st = check_job(job, &c.area, err);
    if (!st) st = fit_small(&c, &fit, err);
    if (!st) st = carrier_init(&c, format, err);
    if (!st) st = find_structure(&c, err);
    if (!st) {
        gboolean same = format == gegl_buffer_get_format(job->original);
        *out = same ? gegl_buffer_dup(job->original) : ti_picture_convert(job->original, format);
        if (mask) *mask = gegl_buffer_new(whole, babl_format("Y float"));
    }
    for (int y = 0; !st && y < c.area.height; y += TI_BAND_ROWS) {
        if (job->cancel && *job->cancel)
            st = ti_picture_fail(err, TE_CANCELLED, "cancelled");
        else
            carry_band(&c, y, MIN(TI_BAND_ROWS, c.area.height - y), *out, mask ? *mask : NULL);
    }
    if (st) {
        g_clear_object(out);
        if (mask) g_clear_object(mask);
    }
    carrier_clear(&c);
    ti_fit_free(fit);
    return st;
}

/* fit.c - reads an edit off two small pictures: the input as the model sees it and what it made of
 * it.
 *
 * Both went through the tokeniser, so both carry its error, and a plain local fit would paint that
 * error onto the photo in blotches. Hence a hierarchy, coarse to fine: first one curve of tone for
 * everything that changed; then affine corrections in windows that halve in size, each fitted to
 * what the coarser ones leave over and believed only as far as it stands out from the noise of the
 * tokeniser (positive-part James-Stein). A change of light over the whole picture ends up as the
 * one curve; a repainted door as a correction at the door. In flat windows nothing can be learnt
 * about contrast, and the coarser one stays. (Windowed affine fits: He, Sun and Tang, Guided Image
 * Filtering, 2010.) What stayed the same keeps its pixels, but where another light is drawn on it
 * (ti_fit_find_followers()).
 *
 * What no tone explains is told by structure: where prediction and edit do not vary together, the
 * edit shows something new. How much of a difference counts depends on the edit: a change of light
 * must not draw the tokeniser's smears into the photo, an edit of things must not let what it took
 * away shine through (find_light() in fit_tone.c, weigh_error() in fit_fresh.c). */
#include "picture/fit_internal.h"

#include <math.h>
#include <stdlib.h>

void ti_fit_box(ti_fitter *f, const float *from, float *to, int r)
{
    int w = f->w, h = f->h;
    float *across = f->plane;
    for (int y = 0; y < h; y++) {
        const float *row = from + (size_t)y * (size_t)w;
        double sum = 0;
        for (int x = 0; x < MIN(r, w); x++) sum += row[x];
        for (int x = 0; x < w; x++) {
            if (x + r < w) sum += row[x + r];
            if (x - r - 1 >= 0) sum -= row[x - r - 1];
            across[(size_t)y * (size_t)w + (size_t)x] = (float)sum;
        }
    }
    memset(f->columns, 0, (size_t)w * sizeof *f->columns);
    for (int y = 0; y < MIN(r, h); y++)
        for (int x = 0; x < w; x++) f->columns[x] += across[(size_t)y * (size_t)w + (size_t)x];
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            if (y + r < h) f->columns[x] += across[(size_t)(y + r) * (size_t)w + (size_t)x];
            if (y - r - 1 >= 0)
                f->columns[x] -= across[(size_t)(y - r - 1) * (size_t)w + (size_t)x];
            to[(size_t)y * (size_t)w + (size_t)x] = (float)f->columns[x];
        }
}

void ti_fit_box_mean(ti_fitter *f, float *plane, int r)
{
    if (r < 1) return;
    ti_fit_box(f, plane, plane, r);
    for (int y = 0; y < f->h; y++) {
        int rows = MIN(y + r, f->h - 1) - MAX(y - r, 0) + 1;
        for (int x = 0; x < f->w; x++) {
            int columns = MIN(x + r, f->w - 1) - MAX(x - r, 0) + 1;
            plane[(size_t)y * (size_t)f->w + (size_t)x] /= (float)(rows * columns);
        }
    }
}

int ti_fit_compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* ---- what changed ------------------------------------------------------------------------ */

static void read_tokens(ti_fitter *f, const uint8_t *change, int grid_w, int grid_h)
{
    double sum = 0;
    for (int y = 0; y < f->h; y++)
        for (int x = 0; x < f->w; x++) {
            size_t token =
                (size_t)(y * grid_h / f->h) * (size_t)grid_w + (size_t)(x * grid_w / f->w);
            float t = change && !change[token] ? 0.0f : 1.0f;
            f->token[(size_t)y * (size_t)f->w + (size_t)x] = t;
            sum += t;
        }
    f->coverage = sum / (double)f->n;
    for (size_t i = 0; i < f->n; i++) f->weight[i] = MAX(f->token[i], 0.02f);
}

/* Changed tokens with a soft edge; holes among them filled; nothing where nothing is to be seen. */
static void find_change(ti_fitter *f)
{
    float *change = f->fit->change, *around = f->sums, *seen = f->sums + f->n;
    int half = (int)(f->patch / 2 + 0.5);
    memcpy(around, f->token, f->n * sizeof *around);
    ti_fit_box_mean(f, around, (int)(2.5 * f->patch + 0.5));
    for (size_t i = 0; i < f->n; i++) {
        change[i] = around[i] > 0.6f ? 1 : f->token[i];
        float most = 0;
        for (size_t c = 0; c < 3; c++)
            most = MAX(most, fabsf(f->out[3 * i + c] - f->in[3 * i + c]));
        seen[i] = most;
    }
    ti_fit_box_mean(f, change, half);
    ti_fit_box_mean(f, seen, MAX(half, 1));
    for (size_t i = 0; i < f->n; i++) {
        float visible = f->coverage > 0.7 ? 1 : ti_smoothstep(0.004f, 0.015f, seen[i]);
        change[i] = f->grey ? 1 : ti_smoothstep(0.05f, 0.7f, change[i]) * visible;
    }
}

/* ---- the whole --------------------------------------------------------------------------- */

static void fit_all(ti_fitter *f, const float *edited, const float *original, float *delta)
{
    ti_fit_find_error(f, original);
    ti_fit_take_colour(f, edited, original);
    ti_fit_curve(f);
    ti_fit_find_followers(f);
    int finest = MAX(3, (int)(0.75 * f->patch));
    memcpy(f->broad, f->tone, 3 * f->n * sizeof *f->broad);
    for (int r = MAX(f->w, f->h) / 4; r >= finest; r /= 2) {
        ti_fit_windows(f, r, delta);
        if (r >= 1.5 * f->patch) memcpy(f->broad, f->tone, 3 * f->n * sizeof *f->broad);
    }
    find_change(f);
    ti_fit_measure_noise(f); /* what is left now is nearer to it */
    ti_fit_find_fresh(f);
    if (f->no_colour) ti_fit_no_colour(f);
}

te_status ti_fit_create(ti_fit **out, const float *input, const float *edited,
                        const float *original, int width, int height, const uint8_t *change,
                        int grid_width, int grid_height, double chosen, te_error *err)
{
    size_t n = (size_t)width * (size_t)height;
    ti_fit *fit = g_try_new0(ti_fit, 1);
    *out = NULL;
    if (!fit) return ti_picture_no_memory(err);
    fit->width = width;
    fit->height = height;
    fit->local = g_try_new0(float, 12 * n);
    fit->change = g_try_new0(float, n);
    fit->fresh = g_try_new0(float, n);
    fit->edited = g_try_new0(float, 3 * n);
    ti_fitter f = {.fit = fit,
                   .in = input,
                   .out = fit->edited,
                   .w = width,
                   .h = height,
                   .n = n,
                   .chosen = chosen};
    f.patch = MAX(1.0, (double)width / grid_width);
    f.error = g_try_new(float, n);
    f.token = g_try_new(float, n);
    f.weight = g_try_new(float, n);
    f.follows = g_try_new0(float, n);
    f.tone = g_try_new(float, 3 * n);
    f.broad = g_try_new(float, 3 * n);
    f.plane = g_try_new(float, n);
    f.sums = g_try_new(float, TI_FIT_SUMS *n);
    f.columns = g_try_new(double, (size_t)width);
    float *delta = g_try_new(float, 12 * n);
    gboolean ready = fit->local && fit->change && fit->fresh && fit->edited && f.error && f.token &&
                     f.weight && f.follows && f.tone && f.broad && f.plane && f.sums && f.columns &&
                     delta;
    if (ready) {
        read_tokens(&f, change, grid_width, grid_height);
        if (f.coverage > 0) fit_all(&f, edited, original, delta);
    }
    g_free(f.error);
    g_free(f.token);
    g_free(f.weight);
    g_free(f.follows);
    g_free(f.tone);
    g_free(f.broad);
    g_free(f.plane);
    g_free(f.sums);
    g_free(f.columns);
    g_free(delta);
    if (!ready) {
        ti_fit_free(fit);
        return ti_picture_no_memory(err);
    }
    *out = fit;
    return TE_OK;
}

void ti_fit_free(ti_fit *fit)
{
    if (!fit) return;
    g_free(fit->local);
    g_free(fit->change);
    g_free(fit->fresh);
    g_free(fit->edited);
    g_free(fit);
}

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
 * Filtering, 2010.)
 *
 * What no tone explains is told by structure: where prediction and edit do not vary together, the
 * edit shows something new. */
#include "picture/internal.h"

#include <math.h>
#include <stdlib.h>

#define N_SUMS 23 /* weight; wI 3; wR 3; wII 6; wIR 9; wRR */

typedef struct fitter {
    ti_fit *fit;
    const float *in;  /* [n][3] */
    const float *out; /* [n][3], fit->edited */
    int w, h;
    size_t n;
    double patch; /* small pixels per token */
    double noise; /* variance of the tokeniser's error in one channel, of both pictures together */
    float *error; /* [n] the same around a pixel, but never less than noise */
    double coverage; /* share of changed tokens */
    gboolean grey;   /* the edit took all colour */
    float *token;    /* [n] 1 where the token changed */
    float *weight;   /* [n] of a pixel in the fits */
    float *tone;     /* [n][3] the prediction so far */
    float *broad;    /* [n][3] the prediction of windows larger than things */
    float *plane;    /* [n] scratch */
    float *sums;     /* [N_SUMS][n] */
    double *columns; /* [w] scratch of box() */
} fitter;

/* Sums over windows of (2 r + 1) squared, cut off at the borders. from and to may be the same. */
static void box(fitter *f, const float *from, float *to, int r)
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

/* Means instead of sums. */
static void box_mean(fitter *f, float *plane, int r)
{
    if (r < 1) return;
    box(f, plane, plane, r);
    for (int y = 0; y < f->h; y++) {
        int rows = MIN(y + r, f->h - 1) - MAX(y - r, 0) + 1;
        for (int x = 0; x < f->w; x++) {
            int columns = MIN(x + r, f->w - 1) - MAX(x - r, 0) + 1;
            plane[(size_t)y * (size_t)f->w + (size_t)x] /= (float)(rows * columns);
        }
    }
}

static float smoothstep(float low, float high, float x)
{
    x = CLAMP((x - low) / (high - low), 0.0f, 1.0f);
    return x * x * (3 - 2 * x);
}

void ti_fit_tone(const ti_fit *fit, const float local[12], const float in[3], float out[3])
{
    float c[3], d[3];
    for (int k = 0; k < 3; k++) {
        c[k] = CLAMP(in[k], fit->low[k], fit->high[k]);
        d[k] = in[k] - c[k];
    }
    const float phi[10] = {1,           c[0],        c[1],        c[2],        c[0] * c[0],
                           c[1] * c[1], c[2] * c[2], c[0] * c[1], c[0] * c[2], c[1] * c[2]};
    for (int r = 0; r < 3; r++) {
        float sum = local[4 * r + 3];
        for (int k = 0; k < 10; k++) sum += fit->curve[r][k] * phi[k];
        for (int k = 0; k < 3; k++) sum += fit->slope[r][k] * d[k] + local[4 * r + k] * in[k];
        out[r] = sum;
    }
}

/* ---- what changed
 * --------------------------------------------------------------------------------- */

static void read_tokens(fitter *f, const uint8_t *change, int grid_w, int grid_h)
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

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Distance from grey of a picture whose noise is averaged away: the mean, and what 98 of 100 stay
 * under. */
static void chroma(fitter *f, const float *picture, double *mean, double *high)
{
    float *channel[3] = {f->sums, f->sums + f->n, f->sums + 2 * f->n};
    double sum = 0;
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < f->n; i++) channel[c][i] = picture[3 * i + (size_t)c];
        box_mean(f, channel[c], (int)(1.5 * f->patch + 0.5));
    }
    for (size_t i = 0; i < f->n; i++) {
        float a = channel[0][i], b = channel[1][i], c = channel[2][i];
        channel[0][i] = MAX(MAX(a, b), c) - MIN(MIN(a, b), c);
        sum += channel[0][i];
    }
    qsort(channel[0], f->n, sizeof(float), compare_floats);
    *mean = sum / (double)f->n;
    *high = channel[0][f->n * 98 / 100];
}

static double mean_luma(const float *picture, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += 0.299 * (double)picture[3 * i] + 0.587 * (double)picture[3 * i + 1] +
               0.114 * (double)picture[3 * i + 2];
    return sum / (double)n;
}

/* How much of the input's colour is left in the edit: the slope of one picture's colour on the
 * other's, as differences from grey, over windows as in chroma(). */
static double colour_left(fitter *f, const float *edited)
{
    float *plane[2] = {f->sums, f->sums + f->n};
    const float *picture[2] = {f->in, edited};
    double both = 0, own = 0;
    for (size_t c = 0; c < 3; c += 2) {
        for (int k = 0; k < 2; k++) {
            for (size_t i = 0; i < f->n; i++)
                plane[k][i] = picture[k][3 * i + c] - picture[k][3 * i + 1];
            box_mean(f, plane[k], (int)(1.5 * f->patch + 0.5));
        }
        for (size_t i = 0; i < f->n; i++) {
            both += (double)plane[0][i] * (double)plane[1][i];
            own += (double)plane[0][i] * (double)plane[0][i];
        }
    }
    return own > 0 ? both / own : 0;
}

/* An edit to black and white comes back with a trace of colour from the tokeniser, which is no
 * trace of the input's colour; it means none. A darker picture's colours are as much nearer to grey
 * as it is darker, and stay colours. */
static void take_colour(fitter *f, const float *edited)
{
    double mean_before, high_before, mean, high;
    chroma(f, f->in, &mean_before, &high_before);
    chroma(f, edited, &mean, &high);
    const double darker = MAX(mean_luma(f->in, f->n) / MAX(mean_luma(edited, f->n), 1e-3), 1);
    f->grey = f->coverage > 0.5 && darker * mean < 0.05 && darker * high < 0.11 &&
              mean < 0.7 * mean_before && darker * colour_left(f, edited) < 0.2;
    for (size_t i = 0; i < f->n; i++) {
        const float *p = edited + 3 * i;
        float luma = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
        for (size_t c = 0; c < 3; c++) f->fit->edited[3 * i + c] = f->grey ? luma : p[c];
    }
}

/* Changed tokens with a soft edge; holes among them filled; nothing where nothing is to be seen. */
static void find_change(fitter *f)
{
    float *change = f->fit->change, *around = f->sums, *seen = f->sums + f->n;
    int half = (int)(f->patch / 2 + 0.5);
    memcpy(around, f->token, f->n * sizeof *around);
    box_mean(f, around, (int)(2.5 * f->patch + 0.5));
    for (size_t i = 0; i < f->n; i++) {
        change[i] = around[i] > 0.6f ? 1 : f->token[i];
        float most = 0;
        for (size_t c = 0; c < 3; c++)
            most = MAX(most, fabsf(f->out[3 * i + c] - f->in[3 * i + c]));
        seen[i] = most;
    }
    box_mean(f, change, half);
    box_mean(f, seen, MAX(half, 1));
    for (size_t i = 0; i < f->n; i++) {
        float visible = f->coverage > 0.7 ? 1 : smoothstep(0.004f, 0.015f, seen[i]);
        change[i] = f->grey ? 1 : smoothstep(0.05f, 0.7f, change[i]) * visible;
    }
}

/* ---- one tone for all
 * ------------------------------------------------------------------------------ */

/* Solves the symmetric positive definite a x = b in place, n <= 10, for three right sides. */
static void solve(double a[10][10], double b[3][10], int n)
{
    for (int j = 0; j < n; j++) { /* Cholesky: a = L L' in the lower half */
        for (int k = 0; k < j; k++) a[j][j] -= a[j][k] * a[j][k];
        a[j][j] = sqrt(fmax(a[j][j], 1e-12));
        for (int i = j + 1; i < n; i++) {
            for (int k = 0; k < j; k++) a[i][j] -= a[i][k] * a[j][k];
            a[i][j] /= a[j][j];
        }
    }
    for (int r = 0; r < 3; r++) {
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < i; k++) b[r][i] -= a[i][k] * b[r][k];
            b[r][i] /= a[i][i];
        }
        for (int i = n - 1; i >= 0; i--) {
            for (int k = i + 1; k < n; k++) b[r][i] -= a[k][i] * b[r][k];
            b[r][i] /= a[i][i];
        }
    }
}

/* Ridge regression of the edit on the first N of phi, towards fit->curve as it is. */
static void fit_curve(fitter *f, int n, double ridge)
{
    double a[10][10] = {{0}}, b[3][10] = {{0}}, total = 0;
    for (size_t i = 0; i < f->n; i++) {
        const float *p = f->in + 3 * i;
        const double phi[10] = {1,           p[0],        p[1],        p[2],        p[0] * p[0],
                                p[1] * p[1], p[2] * p[2], p[0] * p[1], p[0] * p[2], p[1] * p[2]};
        double w = f->weight[i];
        total += w;
        for (int j = 0; j < n; j++)
            for (int k = 0; k <= j; k++) a[j][k] += w * phi[j] * phi[k];
        for (int r = 0; r < 3; r++) {
            double left = f->out[3 * i + (size_t)r];
            for (int k = 0; k < 10; k++) left -= (double)f->fit->curve[r][k] * phi[k];
            for (int j = 0; j < n; j++) b[r][j] += w * phi[j] * left;
        }
    }
    for (int j = 0; j < n; j++) a[j][j] += ridge * total * (j > 0) + 1e-9 * total;
    solve(a, b, n);
    for (int r = 0; r < 3; r++)
        for (int j = 0; j < n; j++) f->fit->curve[r][j] += (float)b[r][j];
}

/* The range the curve was learnt on; beyond it the affine fit goes on straight. */
static void find_range(fitter *f, int channel)
{
    enum { BINS = 256 };
    double histogram[BINS] = {0}, total = 0, sum = 0;
    for (size_t i = 0; i < f->n; i++) {
        int bin = (int)(CLAMP(f->in[3 * i + (size_t)channel], 0.0f, 1.0f) * (BINS - 1));
        histogram[bin] += f->weight[i];
        total += f->weight[i];
    }
    int low = 0, high = BINS - 1;
    while (low < BINS - 1 && (sum += histogram[low]) < 0.01 * total) low++;
    for (sum = 0; high > low && (sum += histogram[high]) < 0.01 * total;) high--;
    f->fit->low[channel] = (float)low / (BINS - 1) - 0.03f;
    f->fit->high[channel] = (float)high / (BINS - 1) + 0.03f;
}

/* The input's own error in luma, known because the original is (which may be grey): as much again
 * is in the edit. Where the tokeniser blurs and smears, a difference is no news. */
static void find_error(fitter *f, const float *original)
{
    static const float luma[3] = {0.299f, 0.587f, 0.114f};
    for (size_t i = 0; i < f->n; i++) {
        float d = 0;
        for (size_t c = 0; c < 3; c++) d += luma[c] * (f->in[3 * i + c] - original[3 * i + c]);
        f->error[i] = 2 * d * d;
    }
    box_mean(f, f->error, (int)(f->patch + 0.5));
}

static void predict(fitter *f)
{
    for (size_t i = 0; i < f->n; i++)
        ti_fit_tone(f->fit, f->fit->local + 12 * i, f->in + 3 * i, f->tone + 3 * i);
}

/* The tokeniser's error, as the median of what the one tone leaves over where tokens changed. */
static void measure_noise(fitter *f)
{
    float *squares = f->sums;
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (f->token[i] < 0.5f) continue;
        float sum = 0;
        for (size_t c = 0; c < 3; c++) {
            float d = f->out[3 * i + c] - f->tone[3 * i + c];
            sum += d * d / 3;
        }
        squares[n++] = sum;
    }
    qsort(squares, n, sizeof *squares, compare_floats);
    /* Median over mean of a chi-squared with three degrees of freedom; of grey's one, less for its
     * tail. */
    f->noise = CLAMP(n ? squares[n / 2] / (f->grey ? 0.3 : 0.79) : 0, 1e-4, 2.5e-3);
    for (size_t i = 0; i < f->n; i++) f->error[i] = MAX(f->error[i], (float)f->noise);
}

/* How much of the change the one tone explains, 0 .. 1. A new thing in the picture is no change of
 * tone though a mean colour can be fitted to it; then the pictures start out as the same. */
static void trust_curve(fitter *f)
{
    double left = 0, change = 0;
    for (size_t i = 0; i < 3 * f->n; i++) {
        double r = f->out[i] - f->tone[i], d = f->out[i] - f->in[i], w = f->weight[i / 3];
        left += w * r * r;
        change += w * d * d;
    }
    float trust = f->grey ? 1 : smoothstep(0.4f, 0.75f, (float)(1 - left / (change + 1e-12)));
    for (int r = 0; r < 3; r++) {
        for (int k = 0; k < 10; k++)
            f->fit->curve[r][k] = trust * f->fit->curve[r][k] + (1 - trust) * (k == r + 1);
        for (int k = 0; k < 3; k++)
            f->fit->slope[r][k] = trust * f->fit->slope[r][k] + (1 - trust) * (k == r);
    }
}

static void fit_everything(fitter *f)
{
    static const float luma[3] = {0.299f, 0.587f, 0.114f};
    for (int r = 0; r < 3; r++)
        for (int k = 0; k < 3; k++) f->fit->curve[r][k + 1] = f->grey ? luma[k] : (float)(r == k);
    fit_curve(f, 4, 3e-4);
    for (int r = 0; r < 3; r++) {
        for (int k = 0; k < 3; k++) f->fit->slope[r][k] = f->fit->curve[r][k + 1];
        find_range(f, r);
    }
    fit_curve(f, 10, 1e-4);
    predict(f);
    measure_noise(f);
    trust_curve(f);
    predict(f);
}

/* ---- windows
 * --------------------------------------------------------------------------------------- */

static void window_sums(fitter *f, int r)
{
    size_t n = f->n;
    float *s = f->sums;
    for (size_t i = 0; i < n; i++) {
        const float *p = f->in + 3 * i, w = f->weight[i];
        float left[3];
        for (size_t c = 0; c < 3; c++) left[c] = f->out[3 * i + c] - f->tone[3 * i + c];
        size_t at = 0;
        s[at++ * n + i] = w;
        for (int c = 0; c < 3; c++) s[at++ * n + i] = w * p[c];
        for (int c = 0; c < 3; c++) s[at++ * n + i] = w * left[c];
        for (int a = 0; a < 3; a++)
            for (int b = a; b < 3; b++) s[at++ * n + i] = w * p[a] * p[b];
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++) s[at++ * n + i] = w * left[a] * p[b];
        s[at * n + i] = w * (left[0] * left[0] + left[1] * left[1] + left[2] * left[2]) / 3;
    }
    for (size_t k = 0; k < N_SUMS; k++) box(f, s + k * n, s + k * n, r);
}

/* Inverse of the symmetric m by its cofactors. */
static void invert(const double m[3][3], double inverse[3][3])
{
    double c00 = m[1][1] * m[2][2] - m[1][2] * m[1][2];
    double c01 = m[0][2] * m[1][2] - m[0][1] * m[2][2];
    double c02 = m[0][1] * m[1][2] - m[0][2] * m[1][1];
    double det = m[0][0] * c00 + m[0][1] * c01 + m[0][2] * c02;
    double s = det > 1e-18 ? 1 / det : 0;
    inverse[0][0] = s * c00;
    inverse[0][1] = inverse[1][0] = s * c01;
    inverse[0][2] = inverse[2][0] = s * c02;
    inverse[1][1] = s * (m[0][0] * m[2][2] - m[0][2] * m[0][2]);
    inverse[1][2] = inverse[2][1] = s * (m[0][1] * m[0][2] - m[0][0] * m[1][2]);
    inverse[2][2] = s * (m[0][0] * m[1][1] - m[0][1] * m[0][1]);
}

/* The correction a window asks for, as far as it stands out from the noise. */
static void solve_window(const fitter *f, const double sums[N_SUMS], float delta[12])
{
    double total = sums[0], in[3], left[3], c[3][3], inverse[3][3];
    double samples =
        fmax(1, total / (0.5 * f->patch * f->patch)); /* the noise of a patch is one draw */
    double mean = 0, explained = 0, a[3][3] = {{0}};
    for (int k = 0; k < 3; k++) {
        in[k] = sums[1 + k] / total;
        left[k] = sums[4 + k] / total;
        mean += left[k] * left[k] / 3;
    }
    for (int i = 0, at = 7; i < 3; i++)
        for (int j = i; j < 3; j++) c[i][j] = c[j][i] = sums[at++] / total - in[i] * in[j];
    for (int i = 0; i < 3; i++) c[i][i] = fmax(c[i][i], 0) + f->noise * (0.5 + 4 / samples);
    invert(c, inverse);
    for (int r = 0; r < 3; r++) {
        double x[3];
        for (int k = 0; k < 3; k++) x[k] = sums[13 + 3 * r + k] / total - left[r] * in[k];
        for (int k = 0; k < 3; k++) {
            for (int j = 0; j < 3; j++) a[r][k] += x[j] * inverse[j][k];
            explained += a[r][k] * x[k] / 3;
        }
    }
    /* A window of which half became something else is left to smaller ones. */
    double energy = fmax(sums[22] / total - f->noise, 1e-6);
    double whole = f->grey ? 1 : smoothstep(0.3f, 0.8f, (float)((mean + explained) / energy));
    double trust_slope = explained > f->noise ? 1 - f->noise / explained : 0;
    double doubt = 2 * f->noise / samples;
    double trust_mean = mean > doubt ? 1 - doubt / mean : 0;
    trust_slope *= whole;
    trust_mean *= whole;
    for (int r = 0; r < 3; r++) {
        double b = trust_mean * left[r];
        for (int k = 0; k < 3; k++) {
            double slope = CLAMP(trust_slope * a[r][k], -2.0, 2.0);
            delta[4 * r + k] = (float)slope;
            b -= slope * in[k];
        }
        delta[4 * r + 3] = (float)b;
    }
}

/* Adds the corrections of windows of radius R to the maps. DELTA is [12][n]. */
static void fit_windows(fitter *f, int r, float *delta)
{
    window_sums(f, r);
    for (size_t i = 0; i < f->n; i++) {
        double sums[N_SUMS];
        float d[12];
        for (size_t k = 0; k < N_SUMS; k++) sums[k] = f->sums[k * f->n + i];
        solve_window(f, sums, d);
        for (size_t k = 0; k < 12; k++) delta[k * f->n + i] = d[k];
    }
    for (size_t k = 0; k < 12; k++) {
        box_mean(f, delta + k * f->n, r / 2);
        for (size_t i = 0; i < f->n; i++) f->fit->local[12 * i + k] += delta[k * f->n + i];
    }
    predict(f);
}

/* ---- what is new
 * ----------------------------------------------------------------------------------- */

/* Where the tone of the surroundings and the edit do not vary together, over windows of a token's
 * size. */
static void compare_structure(fitter *f, float *fresh)
{
    int r = MAX(2, (int)(f->patch + 0.5));
    size_t n = f->n;
    float *s = f->sums; /* count; tone 3; edit 3; tone squared, edit squared, product: each over
                           channels */
    for (size_t i = 0; i < n; i++) {
        const float *t = f->broad + 3 * i, *e = f->out + 3 * i;
        s[i] = 1;
        s[7 * n + i] = s[8 * n + i] = s[9 * n + i] = 0;
        for (size_t c = 0; c < 3; c++) {
            s[(1 + c) * n + i] = t[c];
            s[(4 + c) * n + i] = e[c];
            s[7 * n + i] += t[c] * t[c];
            s[8 * n + i] += e[c] * e[c];
            s[9 * n + i] += t[c] * e[c];
        }
    }
    for (size_t k = 0; k < 10; k++) box(f, s + k * n, s + k * n, r);
    for (size_t i = 0; i < n; i++) {
        const float slack = 12 * f->error[i] + 0.002f;
        float count = s[i], tone = s[7 * n + i] / count, edit = s[8 * n + i] / count;
        float both = s[9 * n + i] / count;
        for (size_t c = 0; c < 3; c++) {
            float t = s[(1 + c) * n + i] / count, e = s[(4 + c) * n + i] / count;
            tone -= t * t;
            edit -= e * e;
            both -= t * e;
        }
        float alike = (2 * both + slack) / (MAX(tone, 0) + MAX(edit, 0) + slack);
        fresh[i] = 1 - smoothstep(0.25f, 0.55f, alike);
    }
}

/* Mean squared difference of two pictures over small windows, in units of the noise. */
static void compare_values(fitter *f, const float *a, const float *b, int r, float *out)
{
    for (size_t i = 0; i < f->n; i++) {
        float sum = 0;
        for (size_t c = 0; c < 3; c++)
            sum += (a[3 * i + c] - b[3 * i + c]) * (a[3 * i + c] - b[3 * i + c]);
        out[i] = sum / (3 * f->error[i]);
    }
    box_mean(f, out, r);
}

/* The largest of the (2 r + 1) squared around. */
static void spread(fitter *f, float *plane, int r)
{
    for (int pass = 0; pass < 2; pass++) {
        memcpy(f->plane, plane, f->n * sizeof *plane);
        for (int y = 0; y < f->h; y++)
            for (int x = 0; x < f->w; x++) {
                float most = 0;
                for (int k = -r; k <= r; k++) {
                    int i = pass ? x : CLAMP(x + k, 0, f->w - 1),
                        j = pass ? CLAMP(y + k, 0, f->h - 1) : y;
                    most = MAX(most, f->plane[(size_t)j * (size_t)f->w + (size_t)i]);
                }
                plane[(size_t)y * (size_t)f->w + (size_t)x] = most;
            }
    }
}

/* New is what the tone misses, by structure or by value, where anything changed to speak of. Where
 * nothing did, a tone that strays from its neighbours (the glow around a new thing) is kept out of
 * the change. */
static void find_fresh(fitter *f)
{
    float *fresh = f->fit->fresh, *missed = f->sums, *moved = f->sums + f->n;
    compare_structure(f, fresh);
    compare_values(f, f->tone, f->out, MAX(1, (int)(f->patch / 3)), missed);
    compare_values(f, f->in, f->out, MAX(1, (int)(f->patch / 6)), moved);
    for (size_t i = 0; i < f->n; i++) {
        float here = smoothstep(2, 6, moved[i]);
        fresh[i] = MAX(fresh[i], smoothstep(3, 9, missed[i])) * here;
        if (!f->grey) f->fit->change[i] *= 1 - smoothstep(2, 5, missed[i]) * (1 - here);
    }
    spread(f, fresh, MAX(1, (int)(f->patch / 4))); /* so that its outline is drawn, not toned */
    box_mean(f, fresh, 1);
}

/* ---- the whole
 * ------------------------------------------------------------------------------------- */

static void fit_all(fitter *f, const float *edited, const float *original, float *delta)
{
    find_error(f, original);
    take_colour(f, edited);
    fit_everything(f);
    int finest = MAX(3, (int)(0.75 * f->patch));
    memcpy(f->broad, f->tone, 3 * f->n * sizeof *f->broad);
    for (int r = MAX(f->w, f->h) / 4; r >= finest; r /= 2) {
        fit_windows(f, r, delta);
        if (r >= 1.5 * f->patch) memcpy(f->broad, f->tone, 3 * f->n * sizeof *f->broad);
    }
    find_change(f);
    measure_noise(f); /* what is left now is nearer to it */
    find_fresh(f);
}

te_status ti_fit_create(ti_fit **out, const float *input, const float *edited,
                        const float *original, int width, int height, const uint8_t *change,
                        int grid_width, int grid_height, te_error *err)
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
    fitter f = {.fit = fit, .in = input, .out = fit->edited, .w = width, .h = height, .n = n};
    f.patch = MAX(1.0, (double)width / grid_width);
    f.error = g_try_new(float, n);
    f.token = g_try_new(float, n);
    f.weight = g_try_new(float, n);
    f.tone = g_try_new(float, 3 * n);
    f.broad = g_try_new(float, 3 * n);
    f.plane = g_try_new(float, n);
    f.sums = g_try_new(float, N_SUMS *n);
    f.columns = g_try_new(double, (size_t)width);
    float *delta = g_try_new(float, 12 * n);
    gboolean ready = fit->local && fit->change && fit->fresh && fit->edited && f.error && f.token &&
                     f.weight && f.tone && f.broad && f.plane && f.sums && f.columns && delta;
    if (ready) {
        read_tokens(&f, change, grid_width, grid_height);
        if (f.coverage > 0) fit_all(&f, edited, original, delta);
    }
    g_free(f.error);
    g_free(f.token);
    g_free(f.weight);
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

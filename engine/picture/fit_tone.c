/* fit_tone.c - the tone of an edit: whether it took the colour, one curve for everything,
 * corrections in windows; see fit.c. */
#include "picture/fit_internal.h"

#include <math.h>
#include <stdlib.h>

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

/* ---- colour -------------------------------------------------------------------------------- */

/* Distance from grey of a picture whose noise is averaged away, where tokens changed by LEAST or
 * more: the mean, and what 98 of 100 stay under. */
static void chroma(ti_fitter *f, const float *picture, float least, double *mean, double *high)
{
    float *channel[3] = {f->sums, f->sums + f->n, f->sums + 2 * f->n};
    double sum = 0;
    size_t n = 0;
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < f->n; i++) channel[c][i] = picture[3 * i + (size_t)c];
        ti_fit_box_mean(f, channel[c], (int)(1.5 * f->patch + 0.5));
    }
    for (size_t i = 0; i < f->n; i++) {
        if (f->token[i] < least) continue;
        float a = channel[0][i], b = channel[1][i], c = channel[2][i];
        channel[0][n] = MAX(MAX(a, b), c) - MIN(MIN(a, b), c);
        sum += channel[0][n++];
    }
    qsort(channel[0], n, sizeof(float), ti_fit_compare);
    *mean = n ? sum / (double)n : 0;
    *high = n ? channel[0][n * 98 / 100] : 0;
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
static double colour_left(ti_fitter *f, const float *edited)
{
    float *plane[2] = {f->sums, f->sums + f->n};
    const float *picture[2] = {f->in, edited};
    double both = 0, own = 0;
    for (size_t c = 0; c < 3; c += 2) {
        for (int k = 0; k < 2; k++) {
            for (size_t i = 0; i < f->n; i++)
                plane[k][i] = picture[k][3 * i + c] - picture[k][3 * i + 1];
            ti_fit_box_mean(f, plane[k], (int)(1.5 * f->patch + 0.5));
        }
        for (size_t i = 0; i < f->n; i++) {
            both += (double)plane[0][i] * (double)plane[1][i];
            own += (double)plane[0][i] * (double)plane[0][i];
        }
    }
    return own > 0 ? both / own : 0;
}

/* Mean change of luma over windows as in chroma(). */
static double light_moved(ti_fitter *f, const float *edited)
{
    static const float luma[3] = {0.299f, 0.587f, 0.114f};
    float *change = f->sums;
    double sum = 0;
    for (size_t i = 0; i < f->n; i++) {
        change[i] = 0;
        for (size_t c = 0; c < 3; c++)
            change[i] += luma[c] * (edited[3 * i + c] - f->in[3 * i + c]);
    }
    ti_fit_box_mean(f, change, (int)(1.5 * f->patch + 0.5));
    for (size_t i = 0; i < f->n; i++) sum += fabs((double)change[i]);
    return sum / (double)f->n;
}

/* An edit to black and white comes back with a trace of colour from the tokeniser, which is no
 * trace of the input's colour; it means none. More of it is believed to be such where the light
 * stayed, as it does in black and white; snow and fog, pale as they are, move it. A darker
 * picture's colours are as much nearer to grey as it is darker, and stay colours. A grey picture
 * has none that a trace could be left of: there, however little changes, a trace is no more than
 * the tokeniser puts into the picture as it was. */
void ti_fit_take_colour(ti_fitter *f, const float *edited, const float *original)
{
    double mean_original, high_original, mean_before, high_before, mean, high;
    chroma(f, original, 0, &mean_original, &high_original);
    const bool was_grey = high_original < 0.01;
    chroma(f, f->in, was_grey ? 0.5f : 0, &mean_before, &high_before);
    chroma(f, edited, was_grey ? 0.5f : 0, &mean, &high);
    const double darker = MAX(mean_luma(f->in, f->n) / MAX(mean_luma(edited, f->n), 1e-3), 1);
    const double left = darker * colour_left(f, edited);
    const bool still = light_moved(f, edited) < 0.05;
    const double room = still && (was_grey || left < 0.08) ? 1.4 : 1;
    bool trace;
    if (was_grey)
        trace = mean < MAX(0.05 * room, 1.25 * mean_before) &&
                high < MAX(0.11 * room, 1.25 * high_before);
    else
        trace = f->coverage > 0.5 && darker * mean < 0.05 * room && darker * high < 0.11 * room &&
                mean < 0.7 * mean_before && left < (still ? 0.3 : 0.2);
    f->grey = trace && f->coverage > 0.5;
    f->no_colour = trace && was_grey;
    for (size_t i = 0; i < f->n; i++) {
        const float *p = edited + 3 * i;
        float luma = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
        for (size_t c = 0; c < 3; c++) f->fit->edited[3 * i + c] = trace ? luma : p[c];
    }
}

void ti_fit_no_colour(ti_fitter *f)
{
    ti_fit *fit = f->fit;
    for (int k = 0; k < 10; k++)
        fit->curve[0][k] = fit->curve[1][k] = fit->curve[2][k] =
            (fit->curve[0][k] + fit->curve[1][k] + fit->curve[2][k]) / 3;
    for (int k = 0; k < 3; k++)
        fit->slope[0][k] = fit->slope[1][k] = fit->slope[2][k] =
            (fit->slope[0][k] + fit->slope[1][k] + fit->slope[2][k]) / 3;
    for (size_t i = 0; i < f->n; i++) {
        float *local = fit->local + 12 * i;
        for (int k = 0; k < 4; k++)
            local[k] = local[4 + k] = local[8 + k] = (local[k] + local[4 + k] + local[8 + k]) / 3;
    }
}

/* ---- one tone for all -------------------------------------------------------------------- */

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
static void fit_curve(ti_fitter *f, int n, double ridge)
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
static void find_range(ti_fitter *f, int channel)
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
void ti_fit_find_error(ti_fitter *f, const float *original)
{
    static const float luma[3] = {0.299f, 0.587f, 0.114f};
    for (size_t i = 0; i < f->n; i++) {
        float d = 0;
        for (size_t c = 0; c < 3; c++) d += luma[c] * (f->in[3 * i + c] - original[3 * i + c]);
        f->error[i] = 2 * d * d;
    }
    ti_fit_box_mean(f, f->error, (int)(f->patch + 0.5));
}

static void predict(ti_fitter *f)
{
    for (size_t i = 0; i < f->n; i++)
        ti_fit_tone(f->fit, f->fit->local + 12 * i, f->in + 3 * i, f->tone + 3 * i);
}

/* The tokeniser's error, as the median of what the one tone leaves over where tokens changed. */
void ti_fit_measure_noise(ti_fitter *f)
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
    qsort(squares, n, sizeof *squares, ti_fit_compare);
    /* Median over mean of a chi-squared with three degrees of freedom; of grey's one, less for its
     * tail. */
    f->noise = CLAMP(n ? squares[n / 2] / (f->grey ? 0.3 : 0.79) : 0, 1e-4, 2.5e-3);
}

/* Correlation of input and edit over windows of a token's size, where tokens changed: a change of
 * light keeps what is there, however it looks then; -1 for a negative. */
static float likeness(ti_fitter *f)
{
    const int r = MAX(2, (int)(f->patch + 0.5));
    const size_t n = f->n;
    float *s = f->sums; /* means of a, b, a squared, b squared, a b */
    double in = 0, out = 0, both = 0;
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < n; i++) {
            const float a = f->in[3 * i + c], b = f->out[3 * i + c];
            s[i] = a;
            s[n + i] = b;
            s[2 * n + i] = a * a;
            s[3 * n + i] = b * b;
            s[4 * n + i] = a * b;
        }
        for (size_t k = 0; k < 5; k++) ti_fit_box_mean(f, s + k * n, r);
        for (size_t i = 0; i < n; i++) {
            if (f->token[i] < 0.5f) continue;
            in += s[2 * n + i] - s[i] * s[i];
            out += s[3 * n + i] - s[n + i] * s[n + i];
            both += s[4 * n + i] - s[i] * s[n + i];
        }
    }
    return (float)(both / sqrt(MAX(in * out, 1e-12)));
}

/* A change of light keeps what is there, and is all over what may change: the more of it changed,
 * the less likeness tells of it, noise being in both pictures. Where nearly every token of the
 * picture changed, the codes of what stayed flickered too: no edit of things alone. */
static void find_light(ti_fitter *f)
{
    const float covered = (float)(f->coverage / f->chosen);
    const float least = 0.7f - 0.3f * ti_smoothstep(0.5f, 0.8f, covered);
    const float tones = ti_smoothstep(0.1f, 0.25f, covered) *
                        ti_smoothstep(least, least + 0.2f, fabsf(likeness(f)));
    f->fit->light = MAX(tones, ti_smoothstep(0.6f, 0.9f, (float)f->coverage));
}

/* How much of the change the one tone explains, 0 .. 1. A new thing in the picture is no change of
 * tone though a mean colour can be fitted to it; then the pictures start out as the same. */
static void trust_curve(ti_fitter *f)
{
    double left = 0, change = 0;
    for (size_t i = 0; i < 3 * f->n; i++) {
        double r = f->out[i] - f->tone[i], d = f->out[i] - f->in[i], w = f->weight[i / 3];
        left += w * r * r;
        change += w * d * d;
    }
    float trust = f->grey ? 1 : ti_smoothstep(0.4f, 0.75f, (float)(1 - left / (change + 1e-12)));
    for (int r = 0; r < 3; r++) {
        for (int k = 0; k < 10; k++)
            f->fit->curve[r][k] = trust * f->fit->curve[r][k] + (1 - trust) * (k == r + 1);
        for (int k = 0; k < 3; k++)
            f->fit->slope[r][k] = trust * f->fit->slope[r][k] + (1 - trust) * (k == r);
    }
}

void ti_fit_curve(ti_fitter *f)
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
    ti_fit_measure_noise(f);
    trust_curve(f);
    predict(f);
    find_light(f);
}

/* Dark and even parts often have tokens that another light does not change, and are drawn in it all
 * the same, because the tokens around them changed. There the drawn change is a good part of what
 * the one tone asks for; it is next to none of it where something is meant to stay ("all grey but
 * the red car"). Told over windows of a few tokens that stayed. Followers have no voice in the
 * windows: half a change is not what was asked for. */
void ti_fit_find_followers(ti_fitter *f)
{
    const float most = f->fit->light * ti_smoothstep(0.4f, 0.6f, (float)(f->coverage / f->chosen));
    float *both = f->sums, *own = f->sums + f->n;
    if (most <= 0) return;
    for (size_t i = 0; i < f->n; i++) {
        both[i] = own[i] = 0;
        for (size_t c = 0; c < 3 && f->token[i] < 0.5f; c++) {
            const float asked = f->tone[3 * i + c] - f->in[3 * i + c];
            both[i] += asked * (f->out[3 * i + c] - f->in[3 * i + c]);
            own[i] += asked * asked;
        }
    }
    ti_fit_box_mean(f, both, (int)(1.5 * f->patch + 0.5));
    ti_fit_box_mean(f, own, (int)(1.5 * f->patch + 0.5));
    for (size_t i = 0; i < f->n; i++) {
        f->follows[i] = most * ti_smoothstep(0.35f, 0.65f, both[i] / (own[i] + 1e-6f));
        if (f->token[i] < 0.5f) f->weight[i] *= 1 - f->follows[i];
    }
}

/* ---- windows ----------------------------------------------------------------------------- */

static void window_sums(ti_fitter *f, int r)
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
    for (size_t k = 0; k < TI_FIT_SUMS; k++) ti_fit_box(f, s + k * n, s + k * n, r);
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
static void solve_window(const ti_fitter *f, const double sums[TI_FIT_SUMS], float delta[12])
{
    double total = sums[0], in[3], left[3], c[3][3], inverse[3][3];
    double samples =
        fmax(1, total / (0.5 * f->patch * f->patch)); /* the noise of a patch is one draw */
    memset(delta, 0, 12 * sizeof *delta);
    if (total < 0.01 * f->patch * f->patch) return; /* followers alone */
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
    double whole = f->grey ? 1 : ti_smoothstep(0.3f, 0.8f, (float)((mean + explained) / energy));
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
void ti_fit_windows(ti_fitter *f, int r, float *delta)
{
    window_sums(f, r);
    for (size_t i = 0; i < f->n; i++) {
        double sums[TI_FIT_SUMS];
        float d[12];
        for (size_t k = 0; k < TI_FIT_SUMS; k++) sums[k] = f->sums[k * f->n + i];
        solve_window(f, sums, d);
        for (size_t k = 0; k < 12; k++) delta[k * f->n + i] = d[k];
    }
    for (size_t k = 0; k < 12; k++) {
        ti_fit_box_mean(f, delta + k * f->n, r / 2);
        for (size_t i = 0; i < f->n; i++) f->fit->local[12 * i + k] += delta[k * f->n + i];
    }
    predict(f);
}

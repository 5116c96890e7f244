/* group_norm.c - group normalisation followed by SiLU where asked, and its gradient. An image is
 * one task; sums over its pixels go in blocks of BLOCK in float32, blocks in float64. */
#include "ops/cpu.h"

#include "backend/cpu/exp.h"

#include <math.h>
#include <string.h>

#define BLOCK 256

/* sums[c] = sum over pixels of a[p][c], and of a[p][c] * b[p][c] in products. */
static void channel_sums(double *sums, double *products, const float *a, const float *b, int pixels,
                         int channels)
{
    float s[TI_TRAIN_MAX_CHANNELS], p[TI_TRAIN_MAX_CHANNELS];
    for (int c = 0; c < channels; c++) sums[c] = products[c] = 0;
    for (int first = 0; first < pixels; first += BLOCK) {
        int last = ti_min(first + BLOCK, pixels);
        memset(s, 0, (size_t)channels * sizeof *s);
        memset(p, 0, (size_t)channels * sizeof *p);
        for (int i = first; i < last; i++) {
            const float *ra = a + (size_t)i * (size_t)channels,
                        *rb = b + (size_t)i * (size_t)channels;
            for (int c = 0; c < channels; c++) {
                s[c] += ra[c];
                p[c] += ra[c] * rb[c];
            }
        }
        for (int c = 0; c < channels; c++) {
            sums[c] += (double)s[c];
            products[c] += (double)p[c];
        }
    }
}

static void group_stats(float *stats, const float *x, const ti_group_shape *s)
{
    double sums[TI_TRAIN_MAX_CHANNELS], squares[TI_TRAIN_MAX_CHANNELS];
    const int width = s->channels / s->groups;
    const double count = (double)s->pixels * width;
    channel_sums(sums, squares, x, x, s->pixels, s->channels);
    for (int g = 0; g < s->groups; g++) {
        double sum = 0, square = 0;
        for (int c = g * width; c < (g + 1) * width; c++) {
            sum += sums[c];
            square += squares[c];
        }
        double mean = sum / count, var = square / count - mean * mean;
        stats[2 * g] = (float)mean;
        stats[2 * g + 1] = (float)(1 / sqrt((var > 0 ? var : 0) + (double)s->eps));
    }
}

/* y = a x + b per channel, from the statistics */
static void affine(float *a, float *b, const float *stats, const float *gain, const float *bias,
                   const ti_group_shape *s)
{
    const int width = s->channels / s->groups;
    for (int c = 0; c < s->channels; c++) {
        a[c] = stats[2 * (c / width) + 1] * gain[c];
        b[c] = bias[c] - stats[2 * (c / width)] * a[c];
    }
}

void TI_OP(group_norm)(ti_train_device *d, float *y, float *stats, const float *x,
                       const float *gain, const float *bias, const ti_group_shape *s)
{
    ti_train_cpu *cpu = ti_train_cpu_of(d);
    const size_t floats = (size_t)s->pixels * (size_t)s->channels;
#pragma omp parallel for num_threads(cpu->threads)
    for (int n = 0; n < s->n; n++) {
        const float *from = x + (size_t)n * floats;
        float *to = y + (size_t)n * floats, *own = stats + (size_t)n * (size_t)s->groups * 2;
        float a[TI_TRAIN_MAX_CHANNELS], b[TI_TRAIN_MAX_CHANNELS];
        group_stats(own, from, s);
        affine(a, b, own, gain, bias, s);
        for (size_t i = 0; i < floats; i += (size_t)s->channels)
            for (int c = 0; c < s->channels; c++) {
                float z = a[c] * from[i + (size_t)c] + b[c];
                to[i + (size_t)c] = s->silu ? ti_cpu_silu(z) : z;
            }
    }
}

/* dz, the gradient before SiLU, of one image */
static void before_silu(float *dz, const float *dy, const float *x, const float *a, const float *b,
                        const ti_group_shape *s)
{
    const size_t floats = (size_t)s->pixels * (size_t)s->channels;
    for (size_t i = 0; i < floats; i += (size_t)s->channels)
        for (int c = 0; c < s->channels; c++) {
            float z = a[c] * x[i + (size_t)c] + b[c];
            float sigmoid = 1 / (1 + ti_cpu_exp(-z));
            dz[i + (size_t)c] = dy[i + (size_t)c] * sigmoid * (1 + z * (1 - sigmoid));
        }
}

/* One image: dx, and its share of dgain and dbias in OWN[2][channels]. */
static void image_back(float *dx, float *own, const float *dz, const float *x, const float *stats,
                       const float *gain, const ti_group_shape *s, bool accumulate)
{
    double sums[TI_TRAIN_MAX_CHANNELS], products[TI_TRAIN_MAX_CHANNELS];
    float a[TI_TRAIN_MAX_CHANNELS], b[TI_TRAIN_MAX_CHANNELS], e[TI_TRAIN_MAX_CHANNELS];
    const int channels = s->channels, width = channels / s->groups;
    const double count = (double)s->pixels * width;
    channel_sums(sums, products, dz, x, s->pixels, channels);
    for (int g = 0; g < s->groups; g++) {
        double mean = (double)stats[2 * g], rstd = (double)stats[2 * g + 1], m1 = 0, m2 = 0;
        for (int c = g * width; c < (g + 1) * width; c++) {
            double hat = (products[c] - mean * sums[c]) * rstd; /* sum of dz times x normalised */
            own[c] = (float)hat;
            own[channels + c] = (float)sums[c];
            m1 += (double)gain[c] * sums[c] / count;
            m2 += (double)gain[c] * hat / count;
        }
        /* dx = rstd (gain dz - m1 - xhat m2) = a dz + b x + e */
        for (int c = g * width; c < (g + 1) * width; c++) {
            a[c] = (float)(rstd * (double)gain[c]);
            b[c] = (float)(-rstd * rstd * m2);
            e[c] = (float)(rstd * (mean * rstd * m2 - m1));
        }
    }
    const size_t floats = (size_t)s->pixels * (size_t)channels;
    for (size_t i = 0; i < floats; i += (size_t)channels)
        for (int c = 0; c < channels; c++) {
            float value = a[c] * dz[i + (size_t)c] + b[c] * x[i + (size_t)c] + e[c];
            dx[i + (size_t)c] = accumulate ? dx[i + (size_t)c] + value : value;
        }
}

void TI_OP(group_norm_back)(ti_train_device *d, float *dx, float *dgain, float *dbias,
                            const float *dy, const float *x, const float *stats, const float *gain,
                            const float *bias, const ti_group_shape *s, bool accumulate)
{
    ti_train_cpu *cpu = ti_train_cpu_of(d);
    const size_t floats = (size_t)s->pixels * (size_t)s->channels;
    const size_t both = 2 * (size_t)s->channels;
#pragma omp parallel for num_threads(cpu->threads)
    for (int n = 0; n < s->n; n++) {
        const float *from = x + (size_t)n * floats, *g = dy + (size_t)n * floats;
        const float *own = stats + (size_t)n * (size_t)s->groups * 2;
        float *dz = ti_train_scratch(cpu, omp_get_thread_num());
        if (s->silu) {
            float a[TI_TRAIN_MAX_CHANNELS], b[TI_TRAIN_MAX_CHANNELS];
            affine(a, b, own, gain, bias, s);
            before_silu(dz, g, from, a, b, s);
        }
        image_back(dx + (size_t)n * floats, cpu->shared + (size_t)n * both, s->silu ? dz : g, from,
                   own, gain, s, accumulate);
    }
    for (int n = 0; n < s->n; n++)
        for (int c = 0; c < s->channels; c++) {
            dgain[c] += cpu->shared[(size_t)n * both + (size_t)c];
            dbias[c] += cpu->shared[(size_t)n * both + (size_t)(s->channels + c)];
        }
}

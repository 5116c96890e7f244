/* group_norm.c - group normalisation, and the SiLU that always follows it but in attention.
 *
 * Pixels are cut into at most CHUNKS parts by their number alone; each part's sums are kept apart
 * in double and added in order, so the bits do not depend on the threads. y may be x. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/exp.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { CHUNKS = 64, RUN = 32 };

/* Two accumulators per channel, in pixel order. */
static inline __attribute__((always_inline)) void
sum_pixels(const float *x, int n_pixels, int channels, double *sum, double *square)
{
    memset(sum, 0, (size_t)channels * sizeof *sum);
    memset(square, 0, (size_t)channels * sizeof *square);
    for (int p = 0; p < n_pixels; p++, x += channels)
        for (int c = 0; c < channels; c++) {
            double v = x[c];
            sum[c] += v;
            square[c] += v * v;
        }
}

/* y = silu(x * scale + shift) for n <= RUN channels. */
static inline __attribute__((always_inline)) void apply_silu(float *y, const float *x, int n,
                                                             const float *scale, const float *shift)
{
    float v[RUN], e[RUN];
    for (int c = 0; c < n; c++) v[c] = x[c] * scale[c] + shift[c];
    for (int c = 0; c < n; c++) e[c] = ti_cpu_exp_clamp(-v[c]);
    for (int c = 0; c < n; c++) y[c] = v[c] / (1.0f + ti_cpu_exp_inside(e[c]));
}

static inline __attribute__((always_inline)) void apply_pixels(float *y, const float *x,
                                                               int n_pixels, int channels,
                                                               const float *scale,
                                                               const float *shift, bool silu)
{
    for (int p = 0; p < n_pixels; p++, x += channels, y += channels) {
        int c = 0;
        for (; silu && c + RUN <= channels; c += RUN)
            apply_silu(y + c, x + c, RUN, scale + c, shift + c);
        if (silu)
            apply_silu(y + c, x + c, channels - c, scale + c, shift + c);
        else
            for (; c < channels; c++) y[c] = x[c] * scale[c] + shift[c];
    }
}

/* The same C once more for wider registers; contraction is off, so the results are the same too. */
#if defined(__x86_64__)
__attribute__((target("avx512f,avx512dq"))) static void
sum_avx512(const float *x, int n_pixels, int channels, double *sum, double *square)
{
    sum_pixels(x, n_pixels, channels, sum, square);
}

__attribute__((target("avx512f,avx512dq"))) static void apply_avx512(float *y, const float *x,
                                                                     int n_pixels, int channels,
                                                                     const float *scale,
                                                                     const float *shift, bool silu)
{
    apply_pixels(y, x, n_pixels, channels, scale, shift, silu);
}
#endif

static void sum_part(bool wide, const float *x, int n_pixels, int channels, double *sum,
                     double *square)
{
#if defined(__x86_64__)
    if (wide) {
        sum_avx512(x, n_pixels, channels, sum, square);
        return;
    }
#endif
    (void)wide;
    sum_pixels(x, n_pixels, channels, sum, square);
}

static void apply_part(bool wide, float *y, const float *x, int n_pixels, int channels,
                       const float *scale, const float *shift, bool silu)
{
#if defined(__x86_64__)
    if (wide) {
        apply_avx512(y, x, n_pixels, channels, scale, shift, silu);
        return;
    }
#endif
    (void)wide;
    apply_pixels(y, x, n_pixels, channels, scale, shift, silu);
}

/* Scale and shift of each channel from the parts' sums, [part][2][channels]. */
static void solve(const double *parts, int n_parts, int n_pixels, int channels, int groups,
                  const float *gain, const float *bias, float eps, float *scale, float *shift)
{
    int width = channels / groups;
    double n = (double)n_pixels * width;
    for (int g = 0; g < groups; g++) {
        double sum = 0, square = 0;
        for (int part = 0; part < n_parts; part++)
            for (int c = g * width; c < (g + 1) * width; c++) {
                sum += parts[(size_t)(2 * part) * (size_t)channels + (size_t)c];
                square += parts[(size_t)(2 * part + 1) * (size_t)channels + (size_t)c];
            }
        double mean = sum / n, var = square / n - mean * mean;
        double r = 1.0 / sqrt((var < 0 ? 0 : var) + (double)eps);
        for (int c = g * width; c < (g + 1) * width; c++) {
            scale[c] = (float)(r * (double)gain[c]);
            shift[c] = (float)((double)bias[c] - mean * r * (double)gain[c]);
        }
    }
}

void ti_cpu_group_norm(ti_backend *be, float *y, const float *x, const ti_weight *gain,
                       const ti_weight *bias, int n_pixels, int channels, int groups, float eps,
                       bool silu)
{
    ti_cpu *cpu = ti_cpu_of(be);
    bool wide = cpu->features.avx512;
    size_t width = (size_t)channels;
    int chunk = (n_pixels + CHUNKS - 1) / CHUNKS, n_parts = (n_pixels + chunk - 1) / chunk;
    double *parts =
        ti_cpu_scratch(cpu, 0); /* shared by all threads: nobody else uses scratch here */
    float *scale = (float *)(parts + 2 * CHUNKS * width), *shift = scale + width;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int part = 0; part < n_parts; part++) {
        int first = part * chunk, n = n_pixels - first < chunk ? n_pixels - first : chunk;
        double *sum = parts + (size_t)(2 * part) * width;
        sum_part(wide, x + (size_t)first * width, n, channels, sum, sum + width);
    }
    solve(parts, n_parts, n_pixels, channels, groups, gain->values, bias->values, eps, scale,
          shift);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int part = 0; part < n_parts; part++) {
        int first = part * chunk, n = n_pixels - first < chunk ? n_pixels - first : chunk;
        size_t at = (size_t)first * width;
        apply_part(wide, y + at, x + at, n, channels, scale, shift, silu);
    }
}

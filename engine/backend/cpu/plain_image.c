/* plain_image.c - see plain_image.h. Read this to know what an image op means. */
#include "backend/cpu/plain_image.h"

#include <math.h>

/* The sum of output channel O at (oy, ox). */
static double tap_sum(const float *x, const float *w, const ti_conv *s, int oy, int ox, int o)
{
    double sum = 0;
    for (int i = 0; i < s->in_channels; i++)
        for (int ky = 0; ky < s->kernel; ky++)
            for (int kx = 0; kx < s->kernel; kx++) {
                int iy = oy * s->stride + ky - s->pad_top, ix = ox * s->stride + kx - s->pad_left;
                if (iy < 0 || iy >= s->height || ix < 0 || ix >= s->width) continue;
                size_t pixel = (size_t)iy * (size_t)s->width + (size_t)ix;
                size_t tap = (((size_t)o * (size_t)s->in_channels + (size_t)i) * (size_t)s->kernel +
                              (size_t)ky) *
                                 (size_t)s->kernel +
                             (size_t)kx;
                sum += (double)x[pixel * (size_t)s->in_channels + (size_t)i] * (double)w[tap];
            }
    return sum;
}

void ti_plain_conv(float *y, const float *x, const float *w, const float *bias, const ti_conv *s,
                   bool accumulate)
{
    for (int oy = 0; oy < s->out_height; oy++)
        for (int ox = 0; ox < s->out_width; ox++)
            for (int o = 0; o < s->out_channels; o++, y++)
                *y = (float)(tap_sum(x, w, s, oy, ox, o) + (bias ? (double)bias[o] : 0) +
                             (accumulate ? (double)*y : 0));
}

void ti_plain_group_norm(float *y, const float *x, const float *gain, const float *bias,
                         int n_pixels, int channels, int groups, float eps, bool silu)
{
    int width = channels / groups;
    double n = (double)n_pixels * width;
    for (int g = 0; g < groups; g++) {
        double mean = 0, var = 0;
        for (int p = 0; p < n_pixels; p++)
            for (int c = g * width; c < (g + 1) * width; c++)
                mean += (double)x[(size_t)p * (size_t)channels + (size_t)c] / n;
        for (int p = 0; p < n_pixels; p++)
            for (int c = g * width; c < (g + 1) * width; c++) {
                double d = (double)x[(size_t)p * (size_t)channels + (size_t)c] - mean;
                var += d * d / n;
            }
        for (int p = 0; p < n_pixels; p++)
            for (int c = g * width; c < (g + 1) * width; c++) {
                size_t at = (size_t)p * (size_t)channels + (size_t)c;
                double v = ((double)x[at] - mean) / sqrt(var + (double)eps) * (double)gain[c] +
                           (double)bias[c];
                y[at] = (float)(silu ? v / (1 + exp(-v)) : v);
            }
    }
}

void ti_plain_upsample(float *y, const float *x, int height, int width, int channels)
{
    for (int r = 0; r < 2 * height; r++)
        for (int c = 0; c < 2 * width; c++)
            for (int i = 0; i < channels; i++)
                *y++ = x[((size_t)(r / 2) * (size_t)width + (size_t)(c / 2)) * (size_t)channels +
                         (size_t)i];
}

void ti_plain_add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

void ti_plain_pixel_attention(float *y, const float *q, const float *k, const float *v,
                              int n_pixels, int channels, float *room)
{
    size_t width = (size_t)channels;
    for (int p = 0; p < n_pixels; p++) {
        double top = -INFINITY, total = 0;
        for (int o = 0; o < n_pixels; o++) {
            double score = 0;
            for (size_t c = 0; c < width; c++)
                score += (double)q[(size_t)p * width + c] * (double)k[(size_t)o * width + c];
            room[o] = (float)(score / sqrt(channels));
            top = fmax(top, (double)room[o]);
        }
        for (int o = 0; o < n_pixels; o++) total += exp((double)room[o] - top);
        for (size_t c = 0; c < width; c++) {
            double sum = 0;
            for (int o = 0; o < n_pixels; o++)
                sum += exp((double)room[o] - top) * (double)v[(size_t)o * width + c];
            y[(size_t)p * width + c] = (float)(sum / total);
        }
    }
}

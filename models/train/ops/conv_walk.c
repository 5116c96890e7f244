/* conv_walk.c - see conv_walk.h */
#include "ops/conv_walk.h"

#include <string.h>

ti_walk ti_walk_forward(const ti_conv_shape *s)
{
    return (ti_walk){.n = s->n,
                     .height = s->height,
                     .width = s->width,
                     .in = s->in,
                     .dilate = 1,
                     .stride = s->stride,
                     .pad = s->pad,
                     .kernel = s->kernel,
                     .out_height = s->out_height,
                     .out_width = s->out_width,
                     .out = s->out};
}

ti_walk ti_walk_backward(const ti_conv_shape *s)
{
    return (ti_walk){.n = s->n,
                     .height = s->out_height,
                     .width = s->out_width,
                     .in = s->out,
                     .dilate = s->stride,
                     .stride = 1,
                     .pad = s->kernel - 1 - s->pad,
                     .kernel = s->kernel,
                     .out_height = s->height,
                     .out_width = s->width,
                     .out = s->in};
}

int ti_walk_band_width(const ti_walk *k)
{
    return (k->out_width - 1) * k->stride + k->kernel;
}

void ti_walk_fill_row(float *to, const float *image, const ti_walk *k, int row)
{
    const int width = ti_walk_band_width(k), y = row - k->pad;
    const size_t c = (size_t)k->in;
    if (y < 0 || y % k->dilate || y / k->dilate >= k->height) {
        memset(to, 0, (size_t)width * c * sizeof *to);
        return;
    }
    const float *from = image + (size_t)(y / k->dilate) * (size_t)k->width * c;
    if (k->dilate > 1) memset(to, 0, (size_t)width * c * sizeof *to);
    int first = k->pad < width ? k->pad : width;
    if (k->dilate == 1) {
        int count = k->width < width - first ? k->width : width - first;
        memset(to, 0, (size_t)first * c * sizeof *to);
        memcpy(to + (size_t)first * c, from, (size_t)count * c * sizeof *to);
        memset(to + (size_t)(first + count) * c, 0,
               (size_t)(width - first - count) * c * sizeof *to);
        return;
    }
    for (int x = 0; x < k->width && first + x * k->dilate < width; x++)
        memcpy(to + (size_t)(first + x * k->dilate) * c, from + (size_t)x * c, c * sizeof *to);
}

void ti_walk_add_parts(float *dw, float *dbias, const float *parts, int lds, const ti_conv_shape *s,
                       int threads)
{
    const int taps = s->kernel * s->kernel;
    const size_t part_floats = (size_t)(taps * s->in + 1) * (size_t)lds;
#pragma omp parallel for num_threads(threads)
    for (int i = 0; i <= s->in; i++) {
        for (int t = 0; t < (i < s->in ? taps : 1); t++) {
            size_t row = i < s->in ? (size_t)(t * s->in + i) : (size_t)(taps * s->in);
            for (int o = 0; o < s->out; o++) {
                float sum = 0;
                for (int p = 0; p < TI_CONV_PARTS; p++)
                    sum += parts[(size_t)p * part_floats + row * (size_t)lds + (size_t)o];
                if (i < s->in)
                    dw[(size_t)(o * s->in + i) * (size_t)taps + (size_t)t] += sum;
                else if (dbias)
                    dbias[o] += sum;
            }
        }
    }
}

/* picture_loss.c - how far a picture is from what it should be: absolute and squared differences of
 * values, and absolute differences between the two pictures' steps to the right and lower
 * neighbour. Pictures are [height][width][3]; each term is a mean over the values it has, a pixel
 * counted as often as its weight says. */
#include "ops/cpu.h"

#include <math.h>

#define CHANNELS 3

static float sign_of(float x)
{
    return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
}

/* How often pixel P counts. */
static float times(const float *weight, int p)
{
    return weight ? weight[p] : 1.0f;
}

/* How often the step between the pixels A and B counts. */
static float times_step(const float *weight, int a, int b)
{
    return 0.5f * (times(weight, a) + times(weight, b));
}

/* One row of one image: its gradient, and its sums of the three terms. E and WEIGHT begin at the
 * row and go on before and after it. */
static void row_loss(float *dy, const float *e, const float *weight, const ti_picture_shape *s,
                     int row, const float w[3], double sums[3])
{
    const int width = s->width * CHANNELS;
    sums[0] = sums[1] = sums[2] = 0;
    for (int i = 0; i < width; i++) {
        const int p = i / CHANNELS;
        const float here = times(weight, p);
        float g = here * (w[0] * sign_of(e[i]) + w[1] * 2 * e[i]), steps = 0;
        sums[0] += (double)(here * fabsf(e[i]));
        sums[1] += (double)(here * e[i] * e[i]);
        if (i + CHANNELS < width) {
            float step = e[i + CHANNELS] - e[i], both = times_step(weight, p, p + 1);
            steps -= both * sign_of(step);
            sums[2] += (double)(both * fabsf(step));
        }
        if (i >= CHANNELS) steps += times_step(weight, p, p - 1) * sign_of(e[i] - e[i - CHANNELS]);
        if (row + 1 < s->height) {
            float step = e[i + width] - e[i], both = times_step(weight, p, p + s->width);
            steps -= both * sign_of(step);
            sums[2] += (double)(both * fabsf(step));
        }
        if (row > 0) steps += times_step(weight, p, p - s->width) * sign_of(e[i] - e[i - width]);
        dy[i] = g + w[2] * steps;
    }
}

void TI_OP(picture_loss)(ti_train_device *d, float *dy, float *terms, const float *y,
                         const float *target, const float *weight, const ti_picture_shape *s,
                         float scale)
{
    ti_train_cpu *cpu = ti_train_cpu_of(d);
    const size_t row_floats = (size_t)s->width * CHANNELS, floats = row_floats * (size_t)s->height;
    const size_t pixels = floats / CHANNELS;
    const double values = (double)s->n * (double)floats;
    const double steps = (double)s->n * CHANNELS *
                         ((double)s->height * (s->width - 1) + (double)(s->height - 1) * s->width);
    const float w[3] = {(float)(scale * s->l1 / values), (float)(scale * s->l2 / values),
                        (float)(scale * s->gradient / steps)};
    double *sums = (double *)(void *)cpu->shared; /* [n][3] */
#pragma omp parallel for num_threads(cpu->threads)
    for (int n = 0; n < s->n; n++) {
        float *e = ti_train_scratch(cpu, omp_get_thread_num());
        for (size_t i = 0; i < floats; i++)
            e[i] = y[(size_t)n * floats + i] - target[(size_t)n * floats + i];
        const float *weights = weight ? weight + (size_t)n * pixels : NULL;
        double *own = sums + 3 * n;
        own[0] = own[1] = own[2] = 0;
        for (int row = 0; row < s->height; row++) {
            double part[3];
            row_loss(dy + (size_t)n * floats + (size_t)row * row_floats,
                     e + (size_t)row * row_floats,
                     weights ? weights + (size_t)row * (size_t)s->width : NULL, s, row, w, part);
            for (int t = 0; t < 3; t++) own[t] += part[t];
        }
    }
    double total[3] = {0, 0, 0};
    for (int n = 0; n < s->n; n++)
        for (int t = 0; t < 3; t++) total[t] += sums[3 * n + t];
    terms[0] = (float)(total[0] / values);
    terms[1] = (float)(total[1] / values);
    terms[2] = (float)(total[2] / steps);
}

/* structure.c - see internal.h. Lightness is L* of CIE 1976, from sRGB under D65. */
#include "picture/internal.h"

#include <math.h>

#define ENOUGH 0.92 /* correlation of edges: what a tone may cost */
enum { STEPS = 8 };

static float to_linear(float v)
{
    if (v <= 0) return 0;
    return v <= 0.04045f ? v / 12.92f : powf((v + 0.055f) / 1.055f, 2.4f);
}

static float to_srgb(float v)
{
    return v <= 0.0031308f ? 12.92f * v : 1.055f * powf(v, 1 / 2.4f) - 0.055f;
}

static float luminance(const float linear[3])
{
    return 0.2126f * linear[0] + 0.7152f * linear[1] + 0.0722f * linear[2];
}

static float luminance_of(float lightness)
{
    const float t = (lightness + 16) / 116;
    return t > 6 / 29.0f ? t * t * t : lightness / 903.3f;
}

static float lightness_of(const float rgb[3])
{
    const float linear[3] = {to_linear(rgb[0]), to_linear(rgb[1]), to_linear(rgb[2])};
    const float y = luminance(linear);
    return y > 0.008856f ? 116 * cbrtf(y) - 16 : 903.3f * y;
}

void ti_structure_keep(const ti_structure *s, const float in[3], float tone[3])
{
    float linear[3], most = 1, top = 0; /* beyond 1 only where the tone is */
    for (int c = 0; c < 3; c++) {
        linear[c] = to_linear(tone[c]);
        most = MAX(most, linear[c]);
    }
    const float line = s->base + s->slope * lightness_of(in);
    float lightness = lightness_of(tone);
    lightness += s->share * (line - lightness);
    const float was = luminance(linear), y = luminance_of(MAX(lightness, 0.0f));
    for (int c = 0; c < 3; c++) {
        linear[c] = was > 1e-4f ? linear[c] * y / was : y;
        top = MAX(top, linear[c]);
    }
    const float grey = MIN(y, most);
    const float colour = top > most && top > grey ? (most - grey) / (top - grey) : 1; /* paler */
    for (int c = 0; c < 3; c++) tone[c] = to_srgb(grey + colour * (linear[c] - grey));
}

/* ---- how much is needed ------------------------------------------------------------------ */

/* Lightness of N pixels R'G'B'A, as 8 bits hold them. */
static void read_lightness(const float *pixels, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++, pixels += 4) {
        float rgb[3];
        for (int c = 0; c < 3; c++) rgb[c] = roundf(CLAMP(pixels[c], 0.0f, 1.0f) * 255) / 255;
        to[i] = lightness_of(rgb);
    }
}

static double edge(const float *row, int width, int x)
{
    return hypot((double)(row[x + 1] - row[x]), (double)(row[width + x] - row[x]));
}

/* Pearson's correlation of the edges of two pictures, given as pairs of rows, where MASK says. */
static double correlation(const float *a, const float *b, const float *mask, int width, int pairs)
{
    double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (int k = 0; k < pairs; k++, a += 2 * width, b += 2 * width, mask += 2 * width)
        for (int x = 0; x + 1 < width; x++) {
            if (mask[x] < 0.5f || mask[x + 1] < 0.5f || mask[width + x] < 0.5f) continue;
            const double p = edge(a, width, x), q = edge(b, width, x);
            n++;
            sa += p;
            sb += q;
            saa += p * p;
            sbb += q * q;
            sab += p * q;
        }
    const double both = (n * saa - sa * sa) * (n * sbb - sb * sb);
    return both > 0 ? (n * sab - sa * sb) / sqrt(both) : 1;
}

/* The same, of the tone as far on its way to the line as S says. PIXELS and LIGHT: room. */
static double correlation_at(const ti_structure *s, const float *before, const float *after,
                             const float *mask, const float *light_before, int width, int pairs,
                             float *pixels, float *light)
{
    const size_t n = 2 * (size_t)width * (size_t)pairs;
    memcpy(pixels, after, 4 * n * sizeof *pixels);
#pragma omp parallel for
    for (size_t i = 0; i < (s->share > 0 ? n : 0); i++)
        ti_structure_keep(s, before + 4 * i, pixels + 4 * i);
    read_lightness(pixels, n, light);
    return correlation(light_before, light, mask, width, pairs);
}

/* The straight line of lightness after on lightness before, no steeper than black and white allow.
 */
static void find_line(ti_structure *s, const float *before, const float *after, const float *mask,
                      size_t n)
{
    double m = 0, sa = 0, sb = 0, saa = 0, sab = 0, low = 100, high = 0;
    for (size_t i = 0; i < n; i++) {
        if (mask[i] < 0.5f) continue;
        const double a = (double)before[i], b = (double)after[i];
        m++;
        sa += a;
        sb += b;
        saa += a * a;
        sab += a * b;
        low = MIN(low, a);
        high = MAX(high, a);
    }
    const double from = sa / MAX(m, 1), to = sb / MAX(m, 1), spread = saa - sa * from;
    double slope = spread > 0 ? (sab - sa * to) / spread : 0;
    if (low < from) slope = MIN(slope, to / (from - low));
    if (high > from) slope = MIN(slope, (100 - to) / (high - from));
    *s = (ti_structure){.slope = (float)slope, .base = (float)(to - slope * from)};
}

te_status ti_structure_find(ti_structure *s, const float *before, const float *after,
                            const float *mask, int width, int pairs, te_error *err)
{
    const size_t n = 2 * (size_t)width * (size_t)pairs;
    float *room = g_try_new(float, 6 * n);
    *s = (ti_structure){0};
    if (!room) return ti_picture_no_memory(err);
    float *pixels = room, *light_before = room + 4 * n, *light = room + 5 * n;
    read_lightness(before, n, light_before);
    read_lightness(after, n, light);
    find_line(s, light_before, light, mask, n);
    if (s->slope > 0.05f) /* a negative's edges are not the original's, and nothing has none */
        while (s->share < 1 && correlation_at(s, before, after, mask, light_before, width, pairs,
                                              pixels, light) < ENOUGH)
            s->share += 1.0f / STEPS;
    g_free(room);
    return TE_OK;
}

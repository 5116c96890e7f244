/* scenes.c - see scenes.h */
#include "picture/scenes.h"

#include <math.h>

static double wave(double u, double v, double fu, double fv, double phase)
{
    return sin(6.2831853 * (fu * u + fv * v) + phase);
}

void scene_colour(double u, double v, float rgb[3])
{
    double light = 0.55 + 0.25 * (1 - v) + 0.1 * wave(u, v, 0.7, 0.3, 1);
    double base[3] = {0.55 * light, 0.75 * light, 0.95 * light};
    if (v > 0.55 + 0.05 * wave(u, 0, 1.3, 0, 0)) { /* ground */
        base[0] = 0.45 * light, base[1] = 0.6 * light, base[2] = 0.25 * light;
    }
    double x = u - 0.35, y = v - 0.5;
    if (x * x + y * y < 0.03) base[0] = 0.85, base[1] = 0.2, base[2] = 0.15; /* a ball */
    if (fabs(u - 0.75) < 0.1 && fabs(v - 0.6) < 0.25) { /* a house with windows */
        base[0] = 0.8, base[1] = 0.75, base[2] = 0.6;
        if (fmod(u * 25, 1) < 0.5 && fmod(v * 18, 1) < 0.5)
            base[0] = base[1] = 0.15, base[2] = 0.25;
    }
    double texture = 0.04 * wave(u, v, 90, 40, 0) + 0.03 * wave(u, v, -70, 110, 2) +
                     0.03 * wave(u, v, 31, 17, 1);
    for (int c = 0; c < 3; c++) {
        double t = base[c] + texture * (c == 1 ? 1.2 : 1);
        rgb[c] = (float)CLAMP(t, 0.0, 1.0);
    }
}

GeglBuffer *scene_buffer(int width, int height, const char *format)
{
    GeglBuffer *buffer = gegl_buffer_new(GEGL_RECTANGLE(0, 0, width, height), babl_format(format));
    float *row = g_new(float, 4 * (size_t)width);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            scene_colour((x + 0.5) / width, (y + 0.5) / height, row + 4 * x);
            row[4 * x + 3] = 1;
        }
        gegl_buffer_set(buffer, GEGL_RECTANGLE(0, y, width, 1), 0, babl_format("R'G'B'A float"),
                        row, GEGL_AUTO_ROWSTRIDE);
    }
    g_free(row);
    return buffer;
}

void tone_same(const float in[3], float out[3])
{
    for (int c = 0; c < 3; c++) out[c] = in[c];
}

void tone_darker(const float in[3], float out[3])
{
    for (int c = 0; c < 3; c++) out[c] = 0.5f * in[c];
}

void tone_gamma(const float in[3], float out[3])
{
    for (int c = 0; c < 3; c++) out[c] = powf(in[c], 2.2f);
}

void tone_warmer(const float in[3], float out[3])
{
    out[0] = fminf(1, in[0] * 1.1f + 0.04f);
    out[1] = in[1];
    out[2] = in[2] * 0.75f;
}

void tone_grey(const float in[3], float out[3])
{
    out[0] = out[1] = out[2] = 0.299f * in[0] + 0.587f * in[1] + 0.114f * in[2];
}

void share_of_colour(const float in[3], float share, float out[3])
{
    tone_grey(in, out);
    for (int c = 0; c < 3; c++) out[c] += share * (in[c] - out[c]);
}

void tone_night(const float in[3], float out[3])
{
    float luma = 0.299f * in[0] + 0.587f * in[1] + 0.114f * in[2];
    for (int c = 0; c < 3; c++) out[c] = 0.35f * powf(0.5f * (in[c] + luma), 1.4f);
    out[2] += 0.08f;
}

void tone_sepia(const float in[3], float out[3])
{
    float luma = 0.299f * in[0] + 0.587f * in[1] + 0.114f * in[2];
    out[0] = fminf(1, luma * 1.1f);
    out[1] = luma * 0.9f;
    out[2] = luma * 0.65f;
}

static double noise(unsigned seed, int x, int y, int c)
{
    uint32_t h = seed * 0x9E3779B9u + (uint32_t)x * 0x85EBCA6Bu + (uint32_t)y * 0xC2B2AE35u +
                 (uint32_t)c * 77777u;
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        h ^= h >> 16, h *= 0x7FEB352Du, h ^= h >> 15, h *= 0x846CA68Bu, h ^= h >> 16;
        sum += h / 4294967296.0 - 0.5;
    }
    return sum * 1.73; /* variance near 1 */
}

te_image *scene_decoded(int width, int height, tone_fn tone, unsigned seed, double sigma, int patch)
{
    te_image *image = g_new0(te_image, 1);
    uint8_t *p = image->pixels = g_malloc((size_t)width * (size_t)height * 3);
    *image = (te_image){p, width, height, 3, TE_U8, (size_t)width * 3};
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, p += 3) {
            float sum[3] = {0};
            for (int j = -4; j <= 4; j++)
                for (int i = -4; i <= 4; i++) { /* as much as a token blurs */
                    float in[3];
                    scene_colour((x + 0.5 + 0.35 * i) / width, (y + 0.5 + 0.35 * j) / height, in);
                    for (int c = 0; c < 3; c++) sum[c] += in[c] / 81;
                }
            float out[3];
            tone(sum, out);
            for (int c = 0; c < 3; c++) {
                double e = sigma * noise(seed, x / patch, y / patch, c) +
                           0.5 * sigma * noise(seed + 1, x, y, c);
                p[c] = (uint8_t)(CLAMP(out[c] + e, 0.0, 1.0) * 255 + 0.5);
            }
        }
    return image;
}

void image_free(te_image *image)
{
    g_free(image->pixels);
    g_free(image);
}

float *buffer_floats(GeglBuffer *buffer)
{
    const GeglRectangle *e = gegl_buffer_get_extent(buffer);
    float *pixels = g_new(float, 3 * (size_t)e->width * (size_t)e->height);
    gegl_buffer_get(buffer, e, 1.0, babl_format("R'G'B' float"), pixels, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    return pixels;
}

double edge_correlation(const float *a, const float *b, int width, int height)
{
    double aa = 0, bb = 0, ab = 0;
    for (int y = 0; y + 1 < height; y++)
        for (int x = 0; x + 1 < width; x++) {
            size_t i = 3 * ((size_t)y * (size_t)width + (size_t)x), right = i + 3,
                   below = i + 3 * (size_t)width;
            double g[2][2];
            for (int k = 0; k < 2; k++) {
                const float *p = k ? b : a;
                double here = p[i] + p[i + 1] + p[i + 2];
                g[k][0] = p[right] + p[right + 1] + p[right + 2] - here;
                g[k][1] = p[below] + p[below + 1] + p[below + 2] - here;
            }
            aa += g[0][0] * g[0][0] + g[0][1] * g[0][1];
            bb += g[1][0] * g[1][0] + g[1][1] * g[1][1];
            ab += g[0][0] * g[1][0] + g[0][1] * g[1][1];
        }
    return ab / sqrt(aa * bb + 1e-30);
}

double psnr(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return -10 * log10(sum / (double)n + 1e-12);
}

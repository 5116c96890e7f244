/* check_tone.c - tonal edits by the statistics of lightness and colour; see check.h */
#include <math.h>

#include "world/check.h"

static double lab_curve(double t)
{
    return t > 0.008856 ? cbrt(t) : 7.787 * t + 16 / 116.0;
}

static void to_lab(const double *linear, const uint8_t *rgb, double lab[3])
{
    double r = linear[rgb[0]], g = linear[rgb[1]], b = linear[rgb[2]];
    double x = lab_curve((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
    double y = lab_curve(0.2126 * r + 0.7152 * g + 0.0722 * b);
    double z = lab_curve((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
    lab[0] = 116 * y - 16;
    lab[1] = 500 * (x - y);
    lab[2] = 200 * (y - z);
}

ti_lab_stats ti_lab_measure(const uint8_t *rgb, size_t n)
{
    double linear[256], sum[3] = {0}, chroma = 0, square = 0;
    for (int i = 0; i < 256; i++) {
        double v = i / 255.0;
        linear[i] = v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
    }
    for (size_t i = 0; i < n; i++) {
        double lab[3];
        to_lab(linear, rgb + 3 * i, lab);
        for (int c = 0; c < 3; c++) sum[c] += lab[c];
        chroma += hypot(lab[1], lab[2]);
        square += lab[0] * lab[0];
    }
    double m = (double)n, l = sum[0] / m;
    return (ti_lab_stats){l, sum[1] / m, sum[2] / m, chroma / m, sqrt(fmax(square / m - l * l, 0))};
}

static double distance(ti_lab_stats p, ti_lab_stats q)
{
    double d[5] = {p.l - q.l, p.a - q.a, p.b - q.b, 0.7 * (p.chroma - q.chroma),
                   1.2 * (p.spread - q.spread)};
    double sum = 0;
    for (int i = 0; i < 5; i++) sum += d[i] * d[i];
    return sqrt(sum);
}

/* Correlation of luma, block by block of 4 x 4: is the picture still the same picture? */
static double correlation(const uint8_t *p, const uint8_t *q, int size)
{
    double n = 0, sp = 0, sq = 0, spp = 0, sqq = 0, spq = 0;
    for (int y = 0; y + 4 <= size; y += 4)
        for (int x = 0; x + 4 <= size; x += 4, n++) {
            double a = 0, b = 0;
            for (int k = 0; k < 16; k++) {
                size_t at = 3 * ((size_t)(y + k / 4) * (size_t)size + (size_t)(x + k % 4));
                a += 0.299 * p[at] + 0.587 * p[at + 1] + 0.114 * p[at + 2];
                b += 0.299 * q[at] + 0.587 * q[at + 1] + 0.114 * q[at + 2];
            }
            sp += a;
            sq += b;
            spp += a * a;
            sqq += b * b;
            spq += a * b;
        }
    double vp = spp - sp * sp / n, vq = sqq - sq * sq / n;
    return vp < 1 || vq < 1 ? 1 : (spq - sp * sq / n) / sqrt(vp * vq);
}

/* What must be true of a tone whatever the picture: signs and floors a person would name. */
static bool has_sign(ti_tone tone, ti_lab_stats in, ti_lab_stats out)
{
    double l = out.l - in.l, b = out.b - in.b;
    switch (tone) {
    case TI_WARMER:
        return b >= 4;
    case TI_COOLER:
        return b <= -4;
    case TI_BRIGHTER:
        return l >= 4;
    case TI_DARKER:
        return l <= -4;
    case TI_BLACK_AND_WHITE:
        return out.chroma <= 5;
    case TI_VIVID:
        return out.chroma > in.chroma;
    case TI_MUTED:
        return out.chroma < in.chroma;
    case TI_MORE_CONTRAST:
        return out.spread > in.spread;
    case TI_LESS_CONTRAST:
        return out.spread < in.spread;
    case TI_NIGHT_LIGHT:
        return l < 0 && b < 0;
    default:
        return true;
    }
}

/* Averages of 2 x 2 of 128 and the like: noise is no colour. */
static int shrink(const uint8_t *rgb, int size, uint8_t *out)
{
    int step = size > 64 ? size / 64 : 1, side = size / step < 64 ? size / step : 64;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            for (int c = 0; c < 3; c++) {
                int sum = 0;
                for (int v = 0; v < step; v++)
                    for (int u = 0; u < step; u++)
                        sum += rgb[3 * ((size_t)(y * step + v) * (size_t)size +
                                        (size_t)(x * step + u)) +
                                   (size_t)c];
                out[3 * (y * side + x) + c] = (uint8_t)((sum + step * step / 2) / (step * step));
            }
    return side;
}

bool ti_check_tone(ti_tone tone, const uint8_t *input, const uint8_t *picture, int size)
{
    uint8_t from[64 * 64 * 3] = {0}, to[64 * 64 * 3] = {0}, wanted[64 * 64 * 3] = {0};
    int side = shrink(input, size, from);
    size_t n = (size_t)side * (size_t)side;
    shrink(picture, size, to);
    ti_tone_apply(tone, from, wanted, n);
    ti_lab_stats in = ti_lab_measure(from, n), out = ti_lab_measure(to, n),
                 want = ti_lab_measure(wanted, n);
    double r = correlation(from, to, side);
    bool same = tone == TI_INVERTED ? r < -0.5 : r > 0.5;
    return same && has_sign(tone, in, out) &&
           distance(out, want) <= fmax(0.45 * distance(in, want), 3.5);
}

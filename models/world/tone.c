/* tone.c - see tone.h */
#include "world/tone.h"

#include <math.h>

typedef struct {
    const char *phrase;
    double gamma, contrast, pivot, colour; /* colour: 0 grey, 1 as it is */
    double gain[3], offset[3];
    double leaf; /* greens towards orange */
} tone;

static const tone tones[TI_TONES] = {
    [TI_WARMER] = {"a warmer tone", 1, 1, 0, 1, {1.06, 1.03, 0.70}, {0.09, 0.06, -0.02}, 0},
    [TI_COOLER] = {"a cooler tone", 1, 1, 0, 1, {0.70, 0.93, 1.02}, {-0.02, 0.01, 0.10}, 0},
    [TI_BRIGHTER] = {"more light", 0.50, 1, 0, 1, {1, 1, 1}, {0.04, 0.04, 0.04}, 0},
    [TI_DARKER] = {"less light", 1, 1, 0, 1, {0.48, 0.48, 0.48}, {0, 0, 0}, 0},
    [TI_MORE_CONTRAST] = {"more contrast", 1, 1.75, 0.48, 1, {1, 1, 1}, {0, 0, 0}, 0},
    [TI_LESS_CONTRAST] = {"less contrast", 1, 0.45, 0.5, 0.9, {1, 1, 1}, {0, 0, 0}, 0},
    [TI_BLACK_AND_WHITE] = {"black and white tones", 1, 1, 0, 0, {1, 1, 1}, {0, 0, 0}, 0},
    [TI_SEPIA] = {"sepia tones", 1, 0.92, 0.5, 0, {1.02, 0.86, 0.62}, {0.06, 0.02, 0}, 0},
    [TI_FADED] = {"faded tones", 1, 0.60, 0.5, 0.45, {1, 0.97, 0.92}, {0.12, 0.11, 0.10}, 0},
    [TI_VIVID] = {"vivid colours", 1, 1.08, 0.5, 2.1, {1, 1, 1}, {0, 0, 0}, 0},
    [TI_MUTED] = {"muted colours", 1, 1, 0, 0.35, {1, 1, 1}, {0, 0, 0}, 0},
    [TI_NIGHT_LIGHT] = {"night light", 1, 1, 0, 0.80, {0.26, 0.33, 0.62}, {0, 0.02, 0.10}, 0},
    [TI_GOLDEN_LIGHT] = {"golden light", 1, 1, 0, 0.9, {1.02, 0.80, 0.42}, {0.12, 0.06, 0}, 0},
    [TI_FOGGY] = {"fog", 1, 1, 0, 0.45, {0.42, 0.42, 0.42}, {0.47, 0.48, 0.50}, 0},
    [TI_HAZE_REMOVED] = {"clear air", 1, 1, 0, 1.45, {1.55, 1.55, 1.55}, {-0.46, -0.47, -0.48}, 0},
    [TI_AUTUMN_COLOURS] = {"autumn colours", 1, 1, 0, 1, {1.06, 0.92, 0.68}, {0.03, 0, 0}, 1},
    [TI_SNOW_LIGHT] = {"snow light", 1, 1, 0, 0.40, {0.62, 0.66, 0.68}, {0.27, 0.30, 0.34}, 0},
    [TI_SUNSET_LIGHT] = {"sunset light", 1, 1, 0, 0.8, {0.98, 0.62, 0.70}, {0.14, 0.04, 0.12}, 0},
    [TI_TEAL_AND_ORANGE] =
        {"teal and orange tones", 1, 1, 0, 1, {1.40, 1.00, 0.62}, {-0.20, 0.03, 0.20}, 0},
    [TI_UNDERWATER] = {"underwater light", 1, 1, 0, 0.7, {0.32, 0.72, 0.78}, {0, 0.10, 0.20}, 0},
    [TI_SPRING_COLOURS] =
        {"spring colours", 1, 1, 0, 1.25, {0.86, 1.06, 0.74}, {0.05, 0.08, 0.03}, 0},
    [TI_MOODY] = {"a moody light", 1, 1.15, 0.5, 0.35, {0.54, 0.60, 0.64}, {0, 0.01, 0.02}, 0},
    [TI_CANDLE_LIGHT] = {"candle light", 1, 1, 0, 0.6, {0.78, 0.46, 0.20}, {0.07, 0.02, 0}, 0},
    [TI_DREAMY] = {"a dreamy light", 0.8, 1, 0, 0.8, {0.58, 0.52, 0.58}, {0.42, 0.38, 0.42}, 0},
    [TI_INVERTED] = {"inverted colours", 1, 1, 0, 1, {-1, -1, -1}, {1, 1, 1}, 0},
};

const char *ti_tone_phrase(ti_tone t)
{
    return tones[t].phrase;
}

bool ti_tone_for_photos_only(ti_tone t)
{
    return t == TI_NIGHT_LIGHT || t == TI_FOGGY || t == TI_HAZE_REMOVED || t == TI_AUTUMN_COLOURS ||
           t == TI_SNOW_LIGHT || t == TI_SUNSET_LIGHT || t == TI_SPRING_COLOURS;
}

/* Luma is taken after the curve, so that grey stays grey. */
void ti_tone_apply(ti_tone which, const uint8_t *in, uint8_t *out, size_t n)
{
    const tone *t = &tones[which];
    float curve[256];
    for (int i = 0; i < 256; i++) {
        double v = pow(i / 255.0, t->gamma);
        curve[i] = (float)(t->pivot + (v - t->pivot) * t->contrast);
    }
    float gain[3], offset[3], colour = (float)t->colour, leaf = (float)t->leaf;
    for (int c = 0; c < 3; c++) {
        gain[c] = (float)t->gain[c];
        offset[c] = (float)t->offset[c];
    }
    for (size_t i = 0; i < 3 * n; i += 3) {
        float v[3] = {curve[in[i]], curve[in[i + 1]], curve[in[i + 2]]};
        if (leaf > 0) {
            float green = v[1] - (v[0] + v[2]) / 2;
            green = green > 0 ? green * leaf : 0;
            v[0] += 1.5f * green;
            v[1] -= 0.35f * green;
            v[2] -= 0.4f * green;
        }
        float luma = 0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2];
        for (int c = 0; c < 3; c++) {
            float x = ((luma + (v[c] - luma) * colour) * gain[c] + offset[c]) * 255 + 0.5f;
            out[i + (size_t)c] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
        }
    }
}

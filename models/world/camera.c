/* camera.c - exposure, colour cast, vignette, blur and noise, in this order; see scene.h */
#include "world/camera.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static uint8_t clamp_u8(double v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5);
}

static te_status blur3(uint8_t *rgb, int size, double share, te_error *err)
{
    size_t row = (size_t)size * 3, bytes = row * (size_t)size;
    uint8_t *copy = ti_malloc_array(bytes, 1);
    if (!copy) return ti_fail_memory(err, "a blurred picture", bytes);
    memcpy(copy, rgb, bytes);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++)
            for (int c = 0; c < 3; c++) {
                int sum = 0;
                for (int v = -1; v <= 1; v++)
                    for (int u = -1; u <= 1; u++) {
                        int yy = y + v < 0 ? 0 : y + v >= size ? size - 1 : y + v;
                        int xx = x + u < 0 ? 0 : x + u >= size ? size - 1 : x + u;
                        sum += copy[(size_t)yy * row + (size_t)xx * 3 + (size_t)c] * (2 - v * v) *
                               (2 - u * u);
                    }
                uint8_t *p = &rgb[(size_t)y * row + (size_t)x * 3 + (size_t)c];
                *p = clamp_u8(*p * (1 - share) + sum / 16.0 * share);
            }
    free(copy);
    return TE_OK;
}

static uint64_t next_word(uint64_t *state) /* splitmix64: noise needs speed, not Philox */
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

void ti_noise_add(uint8_t *rgb, int size, double sigma, uint64_t seed)
{
    /* The sum of four uniform bytes is near enough to normal: standard deviation 147.8. */
    size_t n = (size_t)size * (size_t)size * 3;
    for (size_t i = 0; i < n; i += 2) {
        uint64_t w = next_word(&seed);
        for (size_t k = i; k < i + 2 && k < n; k++, w >>= 32) {
            double sum = (double)(w & 255) + (double)(w >> 8 & 255) + (double)(w >> 16 & 255) +
                         (double)(w >> 24 & 255);
            rgb[k] = clamp_u8(rgb[k] + (sum - 510) / 147.8 * sigma);
        }
    }
}

static void tone_and_vignette(const ti_camera *camera, uint8_t *rgb, int size)
{
    double gain[3] = {1 + camera->exposure + camera->cast_red, 1 + camera->exposure,
                      1 + camera->exposure + camera->cast_blue};
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++, rgb += 3) {
            double u = (2.0 * x + 1) / size - 1, v = (2.0 * y + 1) / size - 1;
            double dim = 1 - camera->vignette * (u * u + v * v) / 2;
            for (int c = 0; c < 3; c++) rgb[c] = clamp_u8(rgb[c] * gain[c] * dim);
        }
}

te_status ti_camera_apply(const ti_camera *camera, uint8_t *rgb, int size, te_error *err)
{
    te_status st = TE_OK;
    if (camera->exposure != 0 || camera->cast_red != 0 || camera->cast_blue != 0 ||
        camera->vignette > 0)
        tone_and_vignette(camera, rgb, size);
    if (camera->blur > 0) st = blur3(rgb, size, camera->blur, err);
    if (!st && camera->noise > 0) ti_noise_add(rgb, size, camera->noise, camera->noise_seed);
    return st;
}

ti_camera ti_camera_random(ti_draw *draw, double strength)
{
    ti_camera c = {0};
    if (ti_draw_chance(draw, 0.5)) c.exposure = ti_draw_between(draw, -0.12, 0.08) * strength;
    if (ti_draw_chance(draw, 0.5)) {
        c.cast_red = ti_draw_between(draw, -0.06, 0.06) * strength;
        c.cast_blue = ti_draw_between(draw, -0.06, 0.06) * strength;
    }
    if (ti_draw_chance(draw, 0.4)) c.vignette = ti_draw_between(draw, 0.05, 0.3) * strength;
    if (ti_draw_chance(draw, 0.4)) c.blur = ti_draw_between(draw, 0.2, 1);
    if (ti_draw_chance(draw, 0.5)) c.noise = ti_draw_between(draw, 1, 5) * strength;
    c.noise_seed = ti_draw_below(draw, UINT32_MAX);
    return c;
}

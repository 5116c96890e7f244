/* What a change of light does to a photo as a whole: its edges outlast it, and it falls on what is
 * so dark that no token changed. */
#include "testing.h"
#include "picture/internal.h"
#include "picture/scenes.h"
#include "start_gegl.h"

#include <math.h>

enum { WIDTH = 300, PAIRS = 40, PIXELS = 2 * WIDTH * PAIRS };

/* ---- structure --------------------------------------------------------------------------- */

static double lightness(const float rgb[3])
{
    static const double weight[3] = {0.2126, 0.7152, 0.0722};
    double y = 0;
    for (int c = 0; c < 3; c++) {
        const double v = (double)rgb[c];
        y += weight[c] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return y > 0.008856 ? 116 * cbrt(y) - 16 : 903.3 * y;
}

/* Pearson's correlation of the sizes of the steps from pixel to pixel. */
static double edges_kept(const float *a, const float *b)
{
    double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (int i = 0; i + 1 < PIXELS; i++) {
        if (i % WIDTH == WIDTH - 1) continue;
        const double p = fabs(lightness(a + 4 * (i + 1)) - lightness(a + 4 * i));
        const double q = fabs(lightness(b + 4 * (i + 1)) - lightness(b + 4 * i));
        n++;
        sa += p;
        sb += q;
        saa += p * p;
        sbb += q * q;
        sab += p * q;
    }
    return (n * sab - sa * sb) / sqrt((n * saa - sa * sa) * (n * sbb - sb * sb));
}

/* Dark on the left, bright on the right, as much texture on both sides; greenish. */
static void draw_rows(float *rgba)
{
    uint32_t state = 7;
    for (int i = 0; i < PIXELS; i++, rgba += 4) {
        state = state * 1664525u + 1013904223u;
        const float noise = (float)(state >> 8) / (1 << 24);
        const float v = i % WIDTH < WIDTH / 2 ? 0.06f + 0.2f * noise : 0.6f + 0.2f * noise;
        rgba[0] = 0.7f * v;
        rgba[1] = v;
        rgba[2] = 0.5f * v;
        rgba[3] = 1;
    }
}

static float everywhere[PIXELS];

/* Every channel c becomes gain c + offset, not below 0. */
static void tone_rows(const float *from, float gain, float offset, float *to)
{
    for (int i = 0; i < PIXELS; i++, from += 4, to += 4) {
        for (int c = 0; c < 3; c++) to[c] = fmaxf(gain * from[c] + offset, 0);
        to[3] = 1;
    }
}

static void test_edges_outlast_a_tone_that_swallows_the_dark(void **state)
{
    (void)state;
    static float before[4 * PIXELS], after[4 * PIXELS], kept[4 * PIXELS];
    te_error err;
    ti_structure s;
    draw_rows(before);
    tone_rows(before, 1, -0.25f, after);
    assert_ok(ti_structure_find(&s, before, after, everywhere, WIDTH, PAIRS, &err), err);
    if (edges_kept(before, after) > 0.85) fail_msg("the tone does not hurt");
    assert_true(s.share > 0 && s.share <= 1);
    memcpy(kept, after, sizeof kept);
    double was = 0, is = 0;
    for (int i = 0; i < PIXELS; i++) {
        ti_structure_keep(&s, before + 4 * i, kept + 4 * i);
        was += lightness(after + 4 * i) / PIXELS;
        is += lightness(kept + 4 * i) / PIXELS;
        const float *t = after + 4 * i, *k = kept + 4 * i;
        if (t[2] > 0.01f) /* the same hue: the channels keep their order */
            assert_true(k[1] > k[0] && k[0] > k[2]);
    }
    if (edges_kept(before, kept) < 0.9) fail_msg("%.3f of the edges", edges_kept(before, kept));
    if (fabs(was - is) > 1.5) fail_msg("the tone's lightness %.1f became %.1f", was, is);
}

static void test_other_tones_stay_as_they_are(void **state)
{
    (void)state;
    static float before[4 * PIXELS], after[4 * PIXELS];
    static const struct {
        float gain, offset;
    } tones[] = {{1, 0}, {0.8f, 0.05f}, {1.1f, 0}, {-1, 1}, {0, 0.5f}};
    te_error err;
    draw_rows(before);
    for (size_t i = 0; i < TEST_LENGTH(tones); i++) {
        ti_structure s = {.share = 1};
        tone_rows(before, tones[i].gain, tones[i].offset, after);
        assert_ok(ti_structure_find(&s, before, after, everywhere, WIDTH, PAIRS, &err), err);
        if (s.share != 0) fail_msg("tone %zu moves by %.2f", i, (double)s.share);
    }
}

/* A selection in a picture whose rest is light and stays: the line is the selection's own. */
static void test_what_stays_says_nothing_of_the_tone(void **state)
{
    (void)state;
    static float before[4 * PIXELS], after[4 * PIXELS], mask[PIXELS];
    te_error err;
    ti_structure own, mixed;
    draw_rows(before);
    tone_rows(before, 1, -0.25f, after);
    assert_ok(ti_structure_find(&own, before, after, everywhere, WIDTH, PAIRS / 2, &err), err);
    for (int i = 0; i < PIXELS; i++) mask[i] = i < PIXELS / 2;
    for (int i = 4 * PIXELS / 2; i < 4 * PIXELS; i++) before[i] = after[i] = 0.9f;
    assert_ok(ti_structure_find(&mixed, before, after, mask, WIDTH, PAIRS, &err), err);
    assert_true(own.share > 0);
    assert_float_equal(mixed.share, own.share, 0);
    assert_float_equal(mixed.base, own.base, 1e-4);
    assert_float_equal(mixed.slope, own.slope, 1e-6);
    memset(mask, 0, sizeof mask);
    assert_ok(ti_structure_find(&mixed, before, after, mask, WIDTH, PAIRS, &err), err);
    assert_float_equal(mixed.share, 0, 0);
}

/* Pictures in floats go beyond white, and stay there. */
static void test_beyond_white(void **state)
{
    (void)state;
    const ti_structure s = {.share = 0.5f, .base = 0, .slope = 1};
    const float in[3] = {2, 1.8f, 1.5f};
    float tone[3] = {2, 1.8f, 1.5f};
    ti_structure_keep(&s, in, tone);
    for (int c = 0; c < 3; c++) assert_float_equal(tone[c], in[c], 1e-3);
}

/* ---- the dark ---------------------------------------------------------------------------- */

enum { SIZE = 512, SMALL = 128, GRID = 16, CORNER = 6 /* tokens */ };

static GeglBuffer *carry(GeglBuffer *photo, te_image *in, te_image *edit, const uint8_t *change)
{
    GeglBuffer *out;
    te_error err;
    const ti_carry job = {.original = photo,
                          .input = in,
                          .edited = edit,
                          .change = change,
                          .grid_width = GRID,
                          .grid_height = GRID};
    assert_ok(ti_picture_carry(&job, &out, NULL, &err), err);
    return out;
}

static float photo_value(int x, int y)
{
    const int corner = SIZE - CORNER * SIZE / GRID;
    if (x < corner || y < corner) return 0.45f + 0.3f * sinf((float)x / 9) * cosf((float)y / 7);
    return x % 8 ? 0.02f : 0.4f; /* thin lines in the dark, lost at the model's size */
}

static void test_light_falls_on_the_dark_as_well(void **state)
{
    (void)state;
    uint8_t change[GRID * GRID];
    const GeglRectangle all = {0, 0, SIZE, SIZE};
    float *values = g_new(float, 3 * SIZE * SIZE);
    for (int i = 0; i < SIZE * SIZE; i++)
        for (int c = 0; c < 3; c++) values[3 * i + c] = photo_value(i % SIZE, i / SIZE);
    GeglBuffer *photo = gegl_buffer_new(&all, babl_format("R'G'B' u8"));
    gegl_buffer_set(photo, &all, 0, babl_format("R'G'B' float"), values, GEGL_AUTO_ROWSTRIDE);
    te_image *in = NULL, *edit = NULL;
    te_error err;
    assert_ok(ti_picture_sample(&in, photo, NULL, SMALL, SMALL, &err), err);
    assert_ok(ti_picture_sample(&edit, photo, NULL, SMALL, SMALL, &err), err);
    uint8_t *p = edit->pixels;
    for (int i = 0; i < SMALL * SMALL * 3; i++) p[i] /= 4;
    for (int i = 0; i < GRID * GRID; i++)
        change[i] = i % GRID < GRID - CORNER || i / GRID < GRID - CORNER;
    GeglBuffer *out = carry(photo, in, edit, change);
    gegl_buffer_get(out, &all, 1, babl_format("R'G'B' float"), values, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    for (int y = SIZE - 60; y < SIZE; y++)
        for (int x = SIZE - 64; x < SIZE; x += 8) {
            const float v = values[3 * (y * SIZE + x)];
            if (v > 0.2f) fail_msg("at %d,%d the old light of 0.4 is still %.2f", x, y, (double)v);
        }
    g_free(values);
    g_object_unref(photo);
    g_object_unref(out);
    ti_picture_image_free(in);
    ti_picture_image_free(edit);
}

static void tone_muted(const float in[3], float out[3])
{
    share_of_colour(in, 0.35f, out);
}

/* Six of sixteen columns keep their tokens, but for SOME, while all else is toned, and are drawn
 * SHARE of the way to the tone. How near the result there is to the tone of the photo, and to the
 * photo, in dB. */
static void keep_tokens(tone_fn tone, float share, gboolean some, double *to_tone, double *to_photo)
{
    enum { PATCH = SMALL / GRID, KEPT = 6, WIDE = SIZE / GRID * KEPT };
    uint8_t change[GRID * GRID];
    GeglBuffer *photo = scene_buffer(SIZE, SIZE, "R'G'B' u8");
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, 0.02, PATCH);
    te_image *edit = scene_decoded(SMALL, SMALL, tone, 50, 0.02, PATCH);
    uint8_t *to = edit->pixels;
    const uint8_t *from = in->pixels;
    for (int i = 0; i < GRID * GRID; i++) change[i] = i % GRID >= KEPT || (some && i % 5 == 0);
    for (size_t i = 0; i < 3 * SMALL * SMALL; i++)
        if (!change[i / 3 / SMALL / PATCH * GRID + i / 3 % SMALL / PATCH])
            to[i] = (uint8_t)((float)from[i] + share * (float)(to[i] - from[i]) + 0.5f);
    GeglBuffer *out = carry(photo, in, edit, change);
    float *before = g_new(float, 3 * WIDE * SIZE), *after = g_new(float, 3 * WIDE * SIZE);
    const GeglRectangle kept = {0, 0, WIDE - SIZE / GRID / 2, SIZE}; /* the border is soft */
    const size_t n = 3 * (size_t)kept.width * (size_t)kept.height;
    gegl_buffer_get(photo, &kept, 1, babl_format("R'G'B' float"), before, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    gegl_buffer_get(out, &kept, 1, babl_format("R'G'B' float"), after, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    *to_photo = psnr(after, before, n);
    for (size_t i = 0; i < n; i += 3) {
        float toned[3];
        tone(before + i, toned);
        memcpy(before + i, toned, sizeof toned);
    }
    *to_tone = psnr(after, before, n);
    g_free(before);
    g_free(after);
    g_object_unref(photo);
    g_object_unref(out);
    image_free(in);
    image_free(edit);
}

/* Tokens that another light does not change are in it if they are drawn so; what stays as it was
 * stays, but for what its neighbours shed on it. */
static void test_tokens_that_stay_in_another_light(void **state)
{
    (void)state;
    static const tone_fn tones[] = {tone_darker, tone_muted, tone_sepia};
    for (size_t t = 0; t < TEST_LENGTH(tones); t++) {
        double to_tone, to_photo;
        keep_tokens(tones[t], 0.8f, TRUE, &to_tone, &to_photo);
        if (to_tone < 40) fail_msg("tone %zu: %.1f dB where it is to be followed", t, to_tone);
        keep_tokens(tones[t], 0.15f, FALSE, &to_tone, &to_photo);
        if (to_photo < 50) fail_msg("tone %zu: %.1f dB where the photo is to stay", t, to_photo);
    }
}

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < PIXELS; i++) everywhere[i] = 1;
    test_gegl_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gegl_exit();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges_outlast_a_tone_that_swallows_the_dark),
        cmocka_unit_test(test_other_tones_stay_as_they_are),
        cmocka_unit_test(test_what_stays_says_nothing_of_the_tone),
        cmocka_unit_test(test_beyond_white),
        cmocka_unit_test(test_light_falls_on_the_dark_as_well),
        cmocka_unit_test(test_tokens_that_stay_in_another_light),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

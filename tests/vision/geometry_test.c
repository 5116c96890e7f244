/* geometry_test.c - bringing pictures to a working size: Pillow 9.4's own bytes (hashes of what it
 * makes of a formula's picture), every pixel type, frames, masks. */
#include "testing.h"

#include <math.h>

#include "vision/geometry.h"

static int formula(int x, int y, int c)
{
    return (x * 37 + y * 59 + c * 83 + x * y * 7) % 256;
}

/* The formula's picture with CHANNELS (alpha opaque), and padding at the end of its rows. */
static te_image make_picture(int width, int height, int channels, te_depth depth)
{
    size_t size = depth == TE_U8 ? 1 : depth == TE_U16 ? 2 : 4;
    te_image p = {.width = width, .height = height, .channels = channels, .depth = depth};
    p.stride = (size_t)(width * channels) * size + 5;
    unsigned char *at = p.pixels = malloc(p.stride * (size_t)height);
    assert_non_null(at);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++) {
                int v = c == 3 ? 255 : formula(x, y, c);
                uint16_t u16 = (uint16_t)(v * 257);
                float f32 = (float)v / 255.0f;
                unsigned char *to = at + (size_t)y * p.stride + (size_t)(x * channels + c) * size;
                if (depth == TE_U8)
                    *to = (unsigned char)v;
                else if (depth == TE_U16)
                    memcpy(to, &u16, 2);
                else
                    memcpy(to, &f32, 4);
            }
    return p;
}

static float *read_picture(const te_image *p, const ti_frame *f)
{
    te_error err;
    float *rgb = malloc(3 * (size_t)(f->out_width * f->out_height) * sizeof *rgb);
    assert_non_null(rgb);
    assert_ok(ti_picture_read(p, f, rgb, &err), err);
    return rgb;
}

static uint64_t hash_bytes(const te_image *p, const ti_frame *f)
{
    size_t n = 3 * (size_t)(f->out_width * f->out_height);
    float *rgb = read_picture(p, f);
    uint8_t *bytes = malloc(n);
    assert_non_null(bytes);
    ti_rgb_to_u8(bytes, rgb, n);
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ bytes[i]) * 0x100000001b3u;
    free(rgb), free(bytes);
    return h;
}

static void test_small_is_pillows(void **state)
{
    (void)state;
    static const uint8_t want[36] = {36,  124, 184, 130, 171, 90,  171, 70,  122, 121, 197, 79,
                                     150, 89,  131, 93,  157, 158, 175, 101, 108, 93,  150, 121,
                                     129, 148, 105, 135, 98,  149, 153, 98,  89,  116, 127, 135};
    te_image p = make_picture(7, 5, 3, TE_U8);
    ti_frame f = ti_frame_whole(7, 5, 3, 4);
    float *rgb = read_picture(&p, &f);
    for (int i = 0; i < 36; i++) assert_int_equal(lrintf(rgb[i] * 255), want[i]);
    free(rgb), free(p.pixels);
}

static void test_whole_is_pillows(void **state)
{
    (void)state;
    static const struct {
        int width, height, out_width, out_height;
        uint64_t hash;
    } cases[] = {
        {7, 5, 3, 4, 0x714940bc98be6fae},     {13, 11, 5, 3, 0x7e2870437392fb1a},
        {5, 4, 9, 7, 0x1bc46125ce86d5dd},     {300, 200, 32, 32, 0xa05d8b62d8329b8c},
        {1, 1, 8, 8, 0x741ee1c7f6059e65},     {3, 500, 16, 16, 0xcee1bdb6e7e75284},
        {64, 64, 64, 64, 0x2dce04119aec8525}, {257, 129, 48, 80, 0xaa52e88ce834975e},
    };
    for (size_t i = 0; i < TEST_LENGTH(cases); i++)
        for (int channels = 3; channels <= 4; channels++) {
            te_image p = make_picture(cases[i].width, cases[i].height, channels, TE_U8);
            ti_frame f = ti_frame_whole(p.width, p.height, cases[i].out_width, cases[i].out_height);
            assert_true(hash_bytes(&p, &f) == cases[i].hash);
            free(p.pixels);
        }
}

/* Scaled, then cut in the middle, as Pillow's resize() and crop() do it. */
static void test_crop_is_pillows(void **state)
{
    (void)state;
    static const struct {
        int width, height, grid_h, grid_w, patch, out_width, out_height;
        uint64_t hash;
    } cases[] = {
        {64, 64, 32, 32, 16, 512, 512, 0xadee9c129787dca7},
        {300, 200, 8, 8, 16, 160, 96, 0x8fe53f9ca0ebb969},
        {200, 300, 8, 8, 16, 96, 160, 0x00214d4606506de1},
        {4000, 20, 32, 32, 16, 1024, 256, 0x2e6444f828cb50df},
        {20, 900, 6, 10, 4, 16, 56, 0x5c431c25c1505553},
        {123, 77, 32, 32, 16, 608, 384, 0x2975582700eb63fb},
        {91, 50, 5, 3, 4, 20, 12, 0xaebca01503046d39},
        {1000, 1000, 6, 10, 4, 24, 24, 0xa2b9812e6c62ca23},
    };
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        te_image p = make_picture(cases[i].width, cases[i].height, 3, TE_U8);
        ti_frame f =
            ti_frame_crop(p.width, p.height, cases[i].grid_h, cases[i].grid_w, cases[i].patch);
        assert_int_equal(f.out_width, cases[i].out_width);
        assert_int_equal(f.out_height, cases[i].out_height);
        assert_true(f.x >= 0 && f.y >= 0);
        assert_true(f.x + f.width <= p.width + 1e-9 && f.y + f.height <= p.height + 1e-9);
        assert_true(hash_bytes(&p, &f) == cases[i].hash);
        free(p.pixels);
    }
}

/* Deeper pictures are not rounded on the way: within a level or two of the 8-bit result. */
static void test_depths(void **state)
{
    (void)state;
    te_image p8 = make_picture(40, 30, 3, TE_U8);
    ti_frame f = ti_frame_whole(40, 30, 16, 16);
    float *want = read_picture(&p8, &f), *first = NULL;
    for (int i = 0; i < 4; i++) {
        te_image p = make_picture(40, 30, 3 + i % 2, i < 2 ? TE_U16 : TE_F32);
        float *rgb = read_picture(&p, &f);
        for (int k = 0; k < 3 * 256; k++) assert_true(fabsf(rgb[k] - want[k]) < 1.5f / 255);
        if (first)
            for (int k = 0; k < 3 * 256; k++) assert_true(fabsf(rgb[k] - first[k]) < 1e-6f);
        free(p.pixels);
        if (first)
            free(rgb);
        else
            first = rgb;
    }
    free(want), free(first), free(p8.pixels);
}

static void test_odd_values(void **state)
{
    (void)state;
    float pixels[2][4] = {{NAN, -3, 7, 1}, {0.25f, 0.5f, 0.75f, 0}};
    te_image p = {pixels, 2, 1, 4, TE_F32, sizeof pixels};
    ti_frame f = ti_frame_whole(2, 1, 2, 1);
    float *rgb = read_picture(&p, &f);
    const float want[6] = {0, 0, 1, 1, 1, 1}; /* NaN is black; no alpha at all is white */
    assert_memory_equal(rgb, want, sizeof want);
    free(rgb);
    pixels[1][3] = 0.01f; /* a trace of alpha keeps its colour */
    rgb = read_picture(&p, &f);
    assert_true(rgb[3] == 0.25f && rgb[5] == 0.75f);
    free(rgb);
}

static void test_refuses(void **state)
{
    (void)state;
    uint8_t pixels[64] = {0};
    const te_image good = {pixels, 4, 4, 4, TE_U8, 16};
    te_image bad[7] = {good, good, good, good, good, good, good};
    te_error err;
    assert_int_equal(ti_picture_check(&good, &err), TE_OK);
    bad[0].pixels = NULL;
    bad[1].width = 0;
    bad[2].height = 65536;
    bad[3].channels = 2;
    bad[4].depth = (te_depth)7;
    bad[5].stride = 15;
    bad[6].depth = TE_U16;
    for (size_t i = 0; i < TEST_LENGTH(bad); i++) {
        err.message[0] = 0;
        assert_int_equal(ti_picture_check(&bad[i], &err), TE_INVALID);
        assert_true(strlen(err.message) > 10);
    }
    assert_int_equal(ti_picture_check(NULL, NULL), TE_INVALID);
}

static void test_mask(void **state)
{
    (void)state;
    enum { W = 32, H = 16 };
    uint8_t mask[W * H] = {0}, tokens[16];
    ti_frame f = ti_frame_whole(W, H, 64, 64);
    mask[0] = 127;           /* not above */
    mask[3 * W + 7] = 128;   /* token (0, 0): pixels 0-3 down, 0-7 across */
    mask[4 * W + 8] = 255;   /* token (1, 1) */
    mask[15 * W + 31] = 200; /* token (3, 3) */
    ti_mask_to_tokens(mask, W, H, &f, 4, 4, tokens);
    for (int i = 0; i < 16; i++) assert_int_equal(tokens[i], i == 0 || i == 5 || i == 15);
    ti_frame part = {8, 4, 8, 4, 64, 64}; /* tokens of 4 x 2 pixels; (8, 4) is in the first */
    ti_mask_to_tokens(mask, W, H, &part, 2, 2, tokens);
    for (int i = 0; i < 4; i++) assert_int_equal(tokens[i], i == 0);
    uint8_t one = 255; /* a picture smaller than the grid */
    ti_frame dot = ti_frame_whole(1, 1, 64, 64);
    ti_mask_to_tokens(&one, 1, 1, &dot, 4, 4, tokens);
    for (int i = 0; i < 16; i++) assert_int_equal(tokens[i], 1);
}

static void test_to_bytes(void **state)
{
    (void)state;
    const float rgb[5] = {-1, 0, 0.5f, 1, NAN};
    uint8_t bytes[5];
    ti_rgb_to_u8(bytes, rgb, 5);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(bytes[1], 0);
    assert_int_equal(bytes[2], 128);
    assert_int_equal(bytes[3], 255);
    assert_int_equal(bytes[4], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_is_pillows),
        cmocka_unit_test(test_whole_is_pillows),
        cmocka_unit_test(test_crop_is_pillows),
        cmocka_unit_test(test_depths),
        cmocka_unit_test(test_odd_values),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_to_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* image_tokenizer_test.c - both image tokenisers against the released networks' own figures: codes
 * exact, features and pixels within 1e-3, on every set of instructions and the same bits on any
 * number of threads; and what is refused, cancelled or out of memory. */
#include "testing.h"

#include <math.h>

#include "backend/cpu/cpu.h"
#include "vision/golden.h"
#include "vision/image_tokenizer.h"

static ti_gguf *convert(int model, const damage *d)
{
    te_error err;
    ti_gguf *file = NULL;
    assert_ok(ti_gguf_open(&file, convert_golden(model, d), &err), err);
    return file;
}

/* A tokeniser with all it stands on. */
typedef struct rig {
    ti_gguf *file;
    ti_backend *backend;
    ti_image_tokenizer *tokenizer;
} rig;

static rig make_rig(int model, int threads, int path, const damage *d)
{
    te_error err;
    rig r = {0};
    r.file = convert(model, d);
    assert_ok(ti_cpu_create(&r.backend, threads, &err), err);
    ti_cpu_features *f = &((ti_cpu *)r.backend)->features;
    if (path >= 1) f->avx512 = f->avx512_bf16 = f->avx512_vnni = false;
    if (path >= 2) f->avx2 = f->neon = f->neon_dot = false;
    assert_ok(ti_image_tokenizer_create(&r.tokenizer, r.file, r.backend, &err), err);
    return r;
}

static void free_rig(rig *r)
{
    ti_image_tokenizer_free(r->tokenizer);
    ti_backend_free(r->backend);
    ti_gguf_free(r->file);
}

static const damage whole = {0};

/* What the released network computed. */
typedef struct expected {
    ti_checkpoint *file;
    int height, width, grid_h, grid_w, channels;
    float *rgb; /* [height][width][3] */
    const int32_t *codes;
    const float *features; /* [channels][grid_h][grid_w] */
    const float *pixels;   /* [3][height][width] */
} expected;

static const ti_tensor *need(const ti_checkpoint *file, const char *name)
{
    const ti_tensor *t = ti_checkpoint_find(file, name);
    assert_non_null(t);
    return t;
}

static expected load_expected(int model)
{
    expected e = {.file = open_golden(model, "expected.safetensors")};
    const ti_tensor *image = ti_checkpoint_find(e.file, "image_rgb_u8");
    const ti_tensor *features = need(e.file, "encoder_out");
    assert_non_null(image);
    e.height = (int)image->shape[0];
    e.width = (int)image->shape[1];
    e.channels = (int)features->shape[1];
    e.grid_h = (int)features->shape[2];
    e.grid_w = (int)features->shape[3];
    size_t n = (size_t)(3 * e.height * e.width);
    e.rgb = malloc(n * sizeof *e.rgb);
    assert_non_null(e.rgb);
    for (size_t i = 0; i < n; i++) e.rgb[i] = (float)((const uint8_t *)image->data)[i] / 255.0f;
    e.codes = need(e.file, "codes")->data;
    e.features = features->data;
    e.pixels = need(e.file, "decoded")->data;
    return e;
}

static void free_expected(expected *e)
{
    free(e->rgb);
    ti_checkpoint_free(e->file);
}

/* GOT is [n_pixels][channels], WANT [channels][n_pixels]. */
static void assert_near(const float *got, const float *want, int n_pixels, int channels)
{
    for (int p = 0; p < n_pixels; p++)
        for (int c = 0; c < channels; c++) {
            double a = (double)got[p * channels + c], b = (double)want[c * n_pixels + p];
            if (!(fabs(a - b) <= 1e-3)) fail_msg("pixel %d channel %d: %.6f, not %.6f", p, c, a, b);
        }
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void check_golden(int model, int path)
{
    te_error err;
    expected e = load_expected(model);
    rig r = make_rig(model, 2, path, &whole);
    int32_t codes[96];
    float *features = NULL, *pixels = malloc((size_t)(3 * e.height * e.width) * sizeof *pixels);
    int channels = 0;
    assert_non_null(pixels);
    assert_int_equal(ti_image_tokenizer_codebook(r.tokenizer), 64);
    assert_int_equal(ti_image_tokenizer_patch(r.tokenizer), 4);
    assert_ok(ti_image_tokenizer_encode(r.tokenizer, e.rgb, e.height, e.width, codes, NULL, &err),
              err);
    assert_memory_equal(codes, e.codes, sizeof codes);
    assert_ok(ti_image_tokenizer_latents(r.tokenizer, e.rgb, e.height, e.width, &features,
                                         &channels, &err),
              err);
    assert_int_equal(channels, e.channels);
    assert_near(features, e.features, e.grid_h * e.grid_w, channels);
    assert_ok(ti_image_tokenizer_decode(r.tokenizer, e.codes, e.grid_h, e.grid_w, pixels, true,
                                        NULL, &err),
              err);
    assert_near(pixels, e.pixels, e.height * e.width, 3);
    free(features), free(pixels);
    free_rig(&r);
    free_expected(&e);
}

static void test_golden(void **state)
{
    (void)state;
    for (int model = 0; model < MODELS; model++)
        for (int path = 0; path < 3; path++) check_golden(model, path);
}

/* Kernels of 16 bits: features and codes are those of float32 sums on every processor; pixels may
 * be computed in bf16, which moves them by less than half a percent. */
static void test_half(void **state)
{
    (void)state;
    te_error err;
    for (int model = 0; model < MODELS; model++) {
        expected e = load_expected(model);
        const int n = 3 * e.height * e.width, n_codes = e.grid_h * e.grid_w;
        float *features[2] = {NULL, NULL}, *pixels[2];
        int32_t codes[2][96];
        int channels = 0;
        for (int path = 0; path < 2; path++) {
            rig r = make_rig(model, 1, path, &(damage){.half = true});
            pixels[path] = malloc((size_t)n * sizeof(float));
            assert_non_null(pixels[path]);
            assert_ok(ti_image_tokenizer_latents(r.tokenizer, e.rgb, e.height, e.width,
                                                 &features[path], &channels, &err),
                      err);
            assert_ok(ti_image_tokenizer_encode(r.tokenizer, e.rgb, e.height, e.width, codes[path],
                                                NULL, &err),
                      err);
            assert_ok(ti_image_tokenizer_decode(r.tokenizer, e.codes, e.grid_h, e.grid_w,
                                                pixels[path], false, NULL, &err),
                      err);
            free_rig(&r);
        }
        assert_memory_equal(codes[0], codes[1], sizeof codes[0]);
        for (int i = 0; i < n_codes * channels; i++)
            assert_true(fabsf(features[0][i] - features[1][i]) <= 2e-5f);
        double square = 0;
        for (int i = 0; i < n; i++) square += pow((double)(pixels[0][i] - pixels[1][i]), 2);
        assert_true(sqrt(square / n) <= 0.005);
        for (int path = 0; path < 2; path++) free(features[path]), free(pixels[path]);
        free_expected(&e);
    }
}

/* Without RAW, pixels are what the network gave, brought to [0, 1]. */
static void test_pixel_range(void **state)
{
    (void)state;
    te_error err;
    for (int model = 0; model < MODELS; model++) {
        expected e = load_expected(model);
        rig r = make_rig(model, 1, 0, &whole);
        int n = 3 * e.height * e.width;
        float *raw = malloc((size_t)n * sizeof *raw), *rgb = malloc((size_t)n * sizeof *rgb);
        assert_true(raw && rgb);
        assert_ok(ti_image_tokenizer_decode(r.tokenizer, e.codes, e.grid_h, e.grid_w, raw, true,
                                            NULL, &err),
                  err);
        assert_ok(ti_image_tokenizer_decode(r.tokenizer, e.codes, e.grid_h, e.grid_w, rgb, false,
                                            NULL, &err),
                  err);
        for (int i = 0; i < n; i++) {
            float v = model == MAGVIT ? (raw[i] + 1) / 2 : raw[i];
            v = v < 0 ? 0 : v > 1 ? 1 : v;
            assert_true(fabsf(rgb[i] - v) < 1e-6f);
        }
        free(raw), free(rgb);
        free_rig(&r);
        free_expected(&e);
    }
}

static void test_threads(void **state)
{
    (void)state;
    te_error err;
    for (int model = 0; model < MODELS; model++) {
        expected e = load_expected(model);
        size_t n = (size_t)(3 * e.height * e.width);
        float *first = malloc(n * sizeof *first), *other = malloc(n * sizeof *other);
        float *latents[2] = {NULL, NULL};
        assert_true(first && other);
        for (int threads = 1; threads <= 3; threads++) {
            rig r = make_rig(model, threads, 0, &whole);
            int channels;
            bool one = threads == 1;
            assert_ok(ti_image_tokenizer_latents(r.tokenizer, e.rgb, e.height, e.width,
                                                 &latents[!one], &channels, &err),
                      err);
            assert_ok(ti_image_tokenizer_decode(r.tokenizer, e.codes, e.grid_h, e.grid_w,
                                                one ? first : other, true, NULL, &err),
                      err);
            free_rig(&r);
            if (one) continue;
            assert_memory_equal(first, other, n * sizeof *first);
            assert_memory_equal(latents[0], latents[1],
                                (size_t)(e.grid_h * e.grid_w * channels) * sizeof(float));
            free(latents[1]);
        }
        free(latents[0]), free(first), free(other);
        free_expected(&e);
    }
}

/* Sizes the golden picture has not: one token, long and thin. A picture of one colour must give a
 * decoder's picture of finite values, and the codes must be the codebook's. */
static void test_any_size(void **state)
{
    (void)state;
    static const int sizes[][2] = {{4, 4}, {4, 132}, {60, 8}, {28, 20}};
    te_error err;
    for (int model = 0; model < MODELS; model++) {
        rig r = make_rig(model, 2, 0, &whole);
        for (size_t i = 0; i < TEST_LENGTH(sizes); i++) {
            int h = sizes[i][0], w = sizes[i][1];
            float *rgb = malloc((size_t)(3 * h * w) * sizeof *rgb);
            int32_t *codes = malloc((size_t)(h / 4 * (w / 4)) * sizeof *codes);
            assert_true(rgb && codes);
            for (int k = 0; k < 3 * h * w; k++) rgb[k] = (float)(k % 3) / 2;
            assert_ok(ti_image_tokenizer_encode(r.tokenizer, rgb, h, w, codes, NULL, &err), err);
            for (int k = 0; k < h / 4 * (w / 4); k++) assert_in_range(codes[k], 0, 63);
            assert_ok(
                ti_image_tokenizer_decode(r.tokenizer, codes, h / 4, w / 4, rgb, false, NULL, &err),
                err);
            for (int k = 0; k < 3 * h * w; k++) assert_true(rgb[k] >= 0 && rgb[k] <= 1);
            free(rgb), free(codes);
        }
        free_rig(&r);
    }
}

static void test_bad_arguments(void **state)
{
    (void)state;
    te_error err;
    float rgb[3 * 8 * 8] = {0};
    int32_t codes[4] = {0, 1, 64, 0}, negative = -1;
    for (int model = 0; model < MODELS; model++) {
        rig r = make_rig(model, 1, 0, &whole);
        ti_image_tokenizer *t = r.tokenizer;
        assert_int_equal(ti_image_tokenizer_encode(t, rgb, 8, 6, codes, NULL, &err), TE_INVALID);
        assert_int_equal(ti_image_tokenizer_encode(t, rgb, 0, 8, codes, NULL, &err), TE_INVALID);
        assert_int_equal(ti_image_tokenizer_encode(t, rgb, 1 << 16, 8, codes, NULL, &err),
                         TE_UNSUPPORTED);
        assert_int_equal(ti_image_tokenizer_decode(t, codes, 2, 2, rgb, false, NULL, &err),
                         TE_INVALID);
        assert_non_null(strstr(err.message, "64"));
        assert_int_equal(ti_image_tokenizer_decode(t, &negative, 1, 1, rgb, false, NULL, &err),
                         TE_INVALID);
        assert_int_equal(ti_image_tokenizer_decode(t, codes, 1 << 30, 4, rgb, false, NULL, &err),
                         TE_INVALID);
        assert_int_equal(ti_image_tokenizer_decode(t, codes, 0, 2, rgb, false, NULL, &err),
                         TE_INVALID);
        free_rig(&r);
    }
}

static void test_cancel(void **state)
{
    (void)state;
    te_error err;
    float rgb[3 * 8 * 8] = {0};
    int32_t codes[4] = {0};
    const volatile int cancel = 1;
    rig r = make_rig(MAGVIT, 1, 0, &whole);
    assert_int_equal(ti_image_tokenizer_encode(r.tokenizer, rgb, 8, 8, codes, &cancel, &err),
                     TE_CANCELLED);
    assert_int_equal(ti_image_tokenizer_decode(r.tokenizer, codes, 2, 2, rgb, false, &cancel, &err),
                     TE_CANCELLED);
    free_rig(&r);
}

static void test_damaged_models(void **state)
{
    (void)state;
    static const struct {
        int model;
        damage damage;
        te_status status;
        const char *says;
    } cases[] = {
        {MAGVIT,
         {.leave_out = "encoder.mid.attn_1.k.weight"},
         TE_FORMAT,
         "encoder.mid.attn_1.k.weight"},
        {MAGVIT,
         {.leave_out = "decoder.up.1.block.0.nin_shortcut.weight"},
         TE_FORMAT,
         "nin_shortcut"},
        {MAGVIT, {.leave_out = "decoder.norm_out.bias"}, TE_FORMAT, "decoder.norm_out.bias"},
        {MAGVIT,
         {.leave_out = "encoder.down.0.downsample.conv.weight"},
         TE_FORMAT,
         "times smaller"},
        {AMUSED, {.leave_out = "quantize.embedding.weight"}, TE_FORMAT, "codebook"},
        {AMUSED, {.leave_out = "encoder.conv_in.bias"}, TE_FORMAT, "encoder.conv_in.bias"},
        {MAGVIT, {.type = "amused-vq"}, TE_FORMAT, "encoder"},
        {MAGVIT, {.type = "jpeg"}, TE_UNSUPPORTED, "jpeg"},
        {MAGVIT, {.type = ""}, TE_UNSUPPORTED, "no image tokeniser"},
        {MAGVIT, {.patch = 8}, TE_FORMAT, "pixels each way"},
        {AMUSED, {.layout_codebook = 65}, TE_FORMAT, "65"},
        {AMUSED, {.groups = 7}, TE_FORMAT, "7 groups"},
        {AMUSED, {.groups = 4000}, TE_FORMAT, "4000"},
    };
    te_error err;
    ti_backend *be = NULL;
    assert_ok(ti_cpu_create(&be, 1, &err), err);
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        ti_gguf *file = convert(cases[i].model, &cases[i].damage);
        ti_image_tokenizer *t = (void *)&t;
        te_status st = ti_image_tokenizer_create(&t, file, be, &err);
        assert_null(t);
        if (st != cases[i].status || !strstr(err.message, cases[i].says))
            fail_msg("case %zu: status %d: %s", i, (int)st, st ? err.message : "");
        ti_gguf_free(file);
    }
    ti_backend_free(be);
}

/* Weights that are not finite give a sentence, not a picture. */
static void test_not_finite(void **state)
{
    (void)state;
    te_error err;
    float rgb[3 * 8 * 8] = {0};
    int32_t codes[4] = {0};
    for (int model = 0; model < MODELS; model++) {
        rig r = make_rig(model, 1, 0, &(damage){.poison = "encoder.conv_in.weight"});
        assert_int_equal(ti_image_tokenizer_encode(r.tokenizer, rgb, 8, 8, codes, NULL, &err),
                         TE_FORMAT);
        assert_non_null(strstr(err.message, "not finite"));
        free_rig(&r);
        r = make_rig(model, 1, 0, &(damage){.poison = "decoder.conv_in.weight"});
        assert_int_equal(
            ti_image_tokenizer_decode(r.tokenizer, codes, 2, 2, rgb, false, NULL, &err), TE_FORMAT);
        free_rig(&r);
    }
}

/* Binding lets the file's pages go; they are there again for the next to bind them. */
static void test_bind_again(void **state)
{
    (void)state;
    te_error err;
    expected e = load_expected(AMUSED);
    rig r = make_rig(AMUSED, 1, 0, &whole);
    int32_t codes[96];
    ti_image_tokenizer *again = NULL;
    assert_ok(ti_image_tokenizer_create(&again, r.file, r.backend, &err), err);
    assert_ok(ti_image_tokenizer_encode(again, e.rgb, e.height, e.width, codes, NULL, &err), err);
    assert_memory_equal(codes, e.codes, sizeof codes);
    ti_image_tokenizer_free(again);
    free_rig(&r);
    free_expected(&e);
}

/* Three feature maps at their largest, 32 channels at full size, and the picture itself. Before its
 * last convolution aMUSEd's decoder has as many; MAGVIT's attention fits in them. */
static void test_memory(void **state)
{
    (void)state;
    for (int model = 0; model < MODELS; model++) {
        rig r = make_rig(model, 1, 0, &whole);
        assert_int_equal(ti_image_tokenizer_memory(r.tokenizer, 32, 48),
                         (3 * 32 * 48 * 32 + 3 * 32 * 48) * sizeof(float));
        free_rig(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),      cmocka_unit_test(test_half),
        cmocka_unit_test(test_pixel_range), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_any_size),    cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_cancel),      cmocka_unit_test(test_damaged_models),
        cmocka_unit_test(test_not_finite),  cmocka_unit_test(test_bind_again),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

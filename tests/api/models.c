/* models.c - see models.h */
#include "api/models.h"

char model_m[512], model_a[512];

int write_models(void **state)
{
    (void)state;
    snprintf(model_m, sizeof model_m, "%s", stand_in_path("m.gguf"));
    stand_in_write(model_m, &(stand_in){"m-tiny", "magvit-tiny", TOKENIZER, TI_F32});
    snprintf(model_a, sizeof model_a, "%s", stand_in_path("a.gguf"));
    stand_in_write(model_a, &(stand_in){"a-tiny", "amused-tiny", TOKENIZER, TI_F32});
    return 0;
}

int remove_models(void **state)
{
    (void)state;
    stand_in_clean();
    return 0;
}

te_model *open_model(const char *path, int threads)
{
    te_model *m;
    te_error err;
    assert_ok(te_model_open(&m, path, &(te_model_options){"cpu", threads}, &err), err);
    return m;
}

te_options short_options(void)
{
    te_options opt;
    te_options_init(&opt);
    opt.seed = 5;
    opt.text_steps = 16;
    opt.image_steps = 6;
    opt.text_len = 16;
    return opt;
}

te_image make_picture(int width, int height, int channels, te_depth depth)
{
    static const size_t bytes[] = {1, 2, 4};
    te_image p = {.width = width, .height = height, .channels = channels, .depth = depth};
    p.stride = (size_t)width * (size_t)channels * bytes[depth] + 8;
    p.pixels = calloc(p.stride, (size_t)height);
    assert_non_null(p.pixels);
    for (int y = 0; y < height; y++)
        for (int i = 0; i < width * channels; i++) {
            int value = (i * 11 + y * 23 + i * y) % 256;
            void *row = (char *)p.pixels + (size_t)y * p.stride;
            if (depth == TE_U8) ((uint8_t *)row)[i] = (uint8_t)value;
            if (depth == TE_U16) ((uint16_t *)row)[i] = (uint16_t)(value * 257);
            if (depth == TE_F32) ((float *)row)[i] = (float)value / 255.0f;
        }
    return p;
}

void expect_image(const te_image *image, int width, int height)
{
    assert_non_null(image);
    assert_non_null(image->pixels);
    assert_int_equal(image->width, width);
    assert_int_equal(image->height, height);
    assert_int_equal(image->channels, 3);
    assert_int_equal(image->depth, TE_U8);
    assert_true(image->stride >= (size_t)width * 3);
}

/* api_test.c - thinkedit.h on a stand-in model: pictures of every kind in, everything a result
 * offers out; regions, generation, and every refusal. Jobs under way are in jobs_test.c. */
#include "api/models.h"

/* ---- pictures ---------------------------------------------------------------------------- */

static int points(const char *text)
{
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static int blocks(const char *text)
{
    int n = 0;
    while ((text = strstr(text, "\xE2\x96\x88"))) n++, text += 3;
    return n;
}

static void check_steps(const te_result *r)
{
    int n = te_result_steps(r), n_text, n_image;
    int32_t mask = te_result_mask_id(r);
    for (int step = 0; step < n; step++) {
        const int32_t *text = te_result_step_text(r, step, &n_text);
        const int32_t *image = te_result_step_image(r, step, &n_image);
        assert_true(text && image && n_text == 16 && n_image == 16);
        char *reading = te_result_step_reasoning(r, step);
        int ranges[64], n_ranges = te_result_step_revealed(r, step, ranges, 32), masked = 0,
                        revealed = 0;
        assert_non_null(reading);
        for (int i = 0; i < n_text; i++) masked += text[i] == mask;
        assert_true(blocks(reading) <= masked); /* fewer where an eos cuts the text */
        for (int i = 0, at = 0; i < n_ranges; at = ranges[2 * i++ + 1]) {
            assert_true(ranges[2 * i] >= at && ranges[2 * i + 1] > ranges[2 * i]);
            assert_true(ranges[2 * i + 1] <= points(reading));
            revealed += ranges[2 * i + 1] - ranges[2 * i];
        }
        if (n_ranges) assert_true(revealed > 0);
        te_free(reading);
    }
    assert_null(te_result_step_text(r, n, NULL));
    assert_null(te_result_step_image(r, -1, NULL));
    assert_null(te_result_step_reasoning(r, n));
    assert_int_equal(te_result_step_revealed(r, n, NULL, 0), 0);
}

static void test_edit(void **state)
{
    (void)state;
    static const int sizes[][2] = {{16, 16}, {37, 23}, {1, 1}, {3, 500}};
    te_model *m = open_model(model_m, 2);
    te_error err;
    te_options opt = short_options();
    for (int depth = TE_U8; depth <= TE_F32; depth++)
        for (int channels = 3; channels <= 4; channels++) {
            const int *size = sizes[depth + channels - 3];
            te_image picture = make_picture(size[0], size[1], channels, (te_depth)depth);
            te_result *r;
            assert_ok(te_edit(m, &picture, "more of it", &opt, NULL, &r, &err), err);
            expect_image(te_result_image(r), 16, 16);
            expect_image(te_result_input(r), 16, 16);
            assert_non_null(te_result_reasoning(r));
            assert_int_equal(blocks(te_result_reasoning(r)), 0);
            assert_int_equal(te_result_seed(r), 5);
            assert_int_equal(te_result_options(r)->image_steps, 6);
            assert_true(te_result_options(r)->image_cfg == 3.5); /* resolved */
            assert_int_equal(te_result_steps(r), 16);
            check_steps(r);
            const te_work *work = te_result_work(r);
            assert_true(work->forwards > 0 && work->forwards < work->forwards_released);
            assert_true(work->seconds_total > 0 && work->seconds_forward <= work->seconds_total);
            te_result_free(r);
            free(picture.pixels);
        }
    te_model_free(m);
}

static void test_change_map_and_steps(void **state)
{
    (void)state;
    te_model *m = open_model(model_m, 1);
    te_error err;
    te_options opt = short_options();
    te_image picture = make_picture(16, 16, 3, TE_U8), *step;
    te_result *r;
    assert_ok(te_edit(m, &picture, "x", &opt, NULL, &r, &err), err);
    int w, h;
    const uint8_t *change = te_result_change(r, &w, &h);
    assert_true(change && w == 4 && h == 4);
    const int32_t *last = te_result_step_image(r, 15, NULL);
    for (int i = 0; i < 16; i++) assert_int_equal(change[i], last[i] - 349 != r->input_codes[i]);
    /* the last step's picture is the result, and before anything is revealed it is the input */
    assert_ok(te_result_step_image_pixels(m, r, 15, &step, &err), err);
    expect_image(step, 16, 16);
    assert_memory_equal(step->pixels, te_result_image(r)->pixels, 16 * 16 * 3);
    te_image_free(step);
    assert_ok(te_result_step_image_pixels(m, r, 0, &step, &err), err);
    assert_memory_equal(step->pixels, te_result_input(r)->pixels, 16 * 16 * 3);
    te_image_free(step);
    assert_int_equal(te_result_step_image_pixels(m, r, 16, &step, &err), TE_INVALID);
    assert_null(step);
    te_result_free(r);
    free(picture.pixels);
    te_model_free(m);
}

static void test_variant_a(void **state)
{
    (void)state;
    static const char *const strategies[] = {"parallel", "semi-parallel", "sequential"};
    te_model *m = open_model(model_a, 2);
    te_model_info info;
    te_model_get_info(m, &info);
    assert_string_equal(info.profile, "mmada-parallel-a");
    te_error err;
    te_options opt = short_options();
    te_image picture = make_picture(64, 20, 3, TE_U8);
    int width, height;
    te_model_working_size(m, 64, 20, &width, &height);
    assert_true(width > height);
    for (int i = 0; i < 3; i++) {
        te_result *r;
        assert_ok(te_options_set(&opt, "strategy", strategies[i], &err), err);
        assert_ok(te_edit(m, &picture, "y", &opt, NULL, &r, &err), err);
        expect_image(te_result_image(r), width, height);
        assert_int_equal(blocks(te_result_reasoning(r)), 0);
        te_result_free(r);
        assert_ok(te_generate(m, "a tree", 0, 0, &opt, NULL, &r, &err), err);
        expect_image(te_result_image(r), info.width, info.height);
        te_result_free(r);
    }
    free(picture.pixels);
    te_model_free(m);
}

static void test_generate(void **state)
{
    (void)state;
    te_model *m = open_model(model_m, 2);
    te_error err;
    te_options opt = short_options();
    te_result *r;
    te_image *step;
    assert_ok(te_generate(m, "a house", 0, 0, &opt, NULL, &r, &err), err);
    expect_image(te_result_image(r), 16, 16);
    assert_true(te_result_options(r)->image_cfg == 2.25); /* the stand-in's, for generations */
    assert_null(te_result_input(r));
    assert_null(te_result_change(r, NULL, NULL));
    assert_ok(te_result_step_image_pixels(m, r, 0, &step, &err), err);
    for (int i = 0; i < 16 * 16 * 3; i++) assert_int_equal(((uint8_t *)step->pixels)[i], 128);
    te_image_free(step);
    te_result_free(r);
    assert_ok(te_generate(m, "a house", 16, 16, &opt, NULL, &r, &err), err);
    te_result_free(r);
    assert_int_equal(te_generate(m, "a house", 64, 16, &opt, NULL, &r, &err), TE_INVALID);
    assert_non_null(strstr(err.message, "16 x 16"));
    assert_null(r);
    assert_int_equal(te_generate(m, "a house", -1, 16, &opt, NULL, &r, &err), TE_INVALID);
    te_model_free(m);
}

/* ---- regions ----------------------------------------------------------------------------- */

static void test_region(void **state)
{
    (void)state;
    te_model *m = open_model(model_m, 2);
    te_error err;
    te_options opt = short_options();
    te_image picture = make_picture(40, 40, 3, TE_U8);
    uint8_t mask[40 * 40] = {0};
    te_result *r;
    for (int y = 0; y < 10; y++)
        for (int x = 20; x < 40; x++)
            mask[y * 40 + x] = 255; /* the two right tokens of the first row */
    assert_ok(te_edit_region(m, &picture, &(te_region){mask}, "z", &opt, NULL, &r, &err), err);
    const uint8_t *change = te_result_change(r, NULL, NULL);
    for (int i = 0; i < 16; i++)
        if (i != 2 && i != 3) assert_int_equal(change[i], 0);
    for (int step = 0; step < te_result_steps(r); step++)
        for (int i = 0; i < 16; i++)
            if (i != 2 && i != 3)
                assert_int_equal(te_result_step_image(r, step, NULL)[i], 349 + r->input_codes[i]);
    te_result_free(r);
    memset(mask, 0,
           sizeof mask); /* nothing may change: the picture as the model sees it comes back */
    assert_ok(te_edit_region(m, &picture, &(te_region){mask}, "z", &opt, NULL, &r, &err), err);
    assert_memory_equal(te_result_image(r)->pixels, te_result_input(r)->pixels, 16 * 16 * 3);
    te_result_free(r);
    free(picture.pixels);
    te_model_free(m);
}

/* ---- models and refusals ----------------------------------------------------------------- */

static void test_info(void **state)
{
    (void)state;
    te_model *m = open_model(model_m, 2), *again = open_model(model_m, 1),
             *other = open_model(model_a, 1);
    te_model_info info, info_again, info_other;
    te_model_get_info(m, &info);
    te_model_get_info(again, &info_again);
    te_model_get_info(other, &info_other);
    assert_string_equal(info.name, "stand-in");
    assert_string_equal(info.profile, "mmada-parallel-m");
    assert_string_equal(info.type, "f32");
    assert_int_equal(strlen(info.hash), 16);
    assert_string_equal(info.hash, info_again.hash);
    assert_string_not_equal(info.hash, info_other.hash);
    assert_non_null(strstr(info.device, "2 threads"));
    assert_int_equal(info.width, 16);
    assert_int_equal(info.patch, 4);
    assert_int_equal(info.layers, 2);
    assert_int_equal(info.width_model, 64);
    assert_int_equal(info.text_vocab, 349);
    assert_int_equal(info.codebook, 64);
    assert_true(info.parameters > 100000 && info.file_bytes > 400000);
    uint64_t plain = te_model_memory_needed(m, NULL);
    te_options opt;
    te_options_init(&opt);
    opt.text_cfg = 2.5;
    assert_true(plain > 0 && te_model_memory_needed(m, &opt) > plain);
    assert_string_equal(te_version(), TE_VERSION);
    te_model_free(m);
    te_model_free(again);
    te_model_free(other);
    te_model_free(NULL);
    te_result_free(NULL);
    te_image_free(NULL);
}

static void test_bad_models(void **state)
{
    (void)state;
    te_error err;
    te_model *m = (te_model *)&err;
    assert_int_equal(te_model_open(&m, "/no/such.gguf", NULL, &err), TE_IO);
    assert_null(m);
    assert_non_null(strstr(err.message, "/no/such.gguf"));
    assert_int_equal(te_model_open(&m, TOKENIZER, NULL, &err), TE_FORMAT);
    assert_int_equal(te_model_open(&m, model_m, &(te_model_options){"tpu", 0}, &err), TE_INVALID);
    assert_int_equal(te_model_open(&m, model_m, &(te_model_options){"cpu", -3}, &err), TE_INVALID);

    /* a backbone alone opens, and says what it lacks when asked for more */
    const char *path = stand_in_path("alone.gguf");
    stand_in_write(path, &(stand_in){.backbone = "m-tiny", .type = TI_F32});
    te_image picture = make_picture(16, 16, 3, TE_U8);
    te_result *r;
    m = open_model(path, 1);
    assert_int_equal(te_edit(m, &picture, "x", NULL, NULL, &r, &err), TE_UNSUPPORTED);
    assert_non_null(strstr(err.message, "tokeniser"));
    assert_int_equal(te_model_memory_needed(m, NULL), 0);
    te_model_free(m);
    free(picture.pixels);
}

static void expect_refusal(te_model *m, const te_image *picture, const char *words,
                           const te_options *opt, te_status expected, const char *word)
{
    te_error err;
    te_result *r = (te_result *)&err;
    assert_int_equal(te_edit(m, picture, words, opt, NULL, &r, &err), expected);
    assert_null(r);
    if (!strstr(err.message, word)) fail_msg("\"%s\" lacks \"%s\"", err.message, word);
}

static void test_refusals(void **state)
{
    (void)state;
    te_model *m = open_model(model_m, 1);
    te_options opt = short_options();
    te_image picture = make_picture(16, 16, 3, TE_U8), bad = picture;
    expect_refusal(m, NULL, "x", &opt, TE_INVALID, "picture");
    expect_refusal(m, &picture, "", &opt, TE_INVALID, "empty");
    expect_refusal(m, &picture, NULL, &opt, TE_INVALID, "empty");
    bad.channels = 2;
    expect_refusal(m, &bad, "x", &opt, TE_INVALID, "channels");
    bad = picture;
    bad.width = 0;
    expect_refusal(m, &bad, "x", &opt, TE_INVALID, "0");
    char *words = malloc(5001);
    memset(words, 'w', 5000);
    words[5000] = '\0';
    expect_refusal(m, &picture, words, &opt, TE_INVALID, "at most 4");
    free(words);
    opt.image_steps = 5000;
    expect_refusal(m, &picture, "x", &opt, TE_INVALID, "image-steps");
    opt = short_options();
    opt.text_len = 4096;
    expect_refusal(m, &picture, "x", &opt, TE_INVALID, "text-len");
    free(picture.pixels);
    te_model_free(m);
}

static uint64_t little_memory(ti_backend *be)
{
    (void)be;
    return 1000;
}

static void test_memory_is_looked_at_first(void **state)
{
    (void)state;
    te_model *m = open_model(model_m, 1);
    te_options opt = short_options();
    te_image picture = make_picture(16, 16, 3, TE_U8);
    ti_ops ops = *m->backend->op;
    ops.memory_free = little_memory;
    const ti_ops *real = m->backend->op;
    m->backend->op = &ops;
    expect_refusal(m, &picture, "x", &opt, TE_NOMEM, "free");
    m->backend->op = real;
    free(picture.pixels);
    te_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edit),
        cmocka_unit_test(test_change_map_and_steps),
        cmocka_unit_test(test_variant_a),
        cmocka_unit_test(test_generate),
        cmocka_unit_test(test_region),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_memory_is_looked_at_first),
    };
    return cmocka_run_group_tests(tests, write_models, remove_models);
}

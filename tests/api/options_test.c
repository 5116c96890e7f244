/* options_test.c - the table of options: every row is read, written, checked and resolved alike, in
 * any locale; presets; a model's own defaults. */
#include "testing.h"

#include <locale.h>
#include <unistd.h>
#include <math.h>

#include "api.h"

static te_model model; /* only its defaults are looked at */

static int fill_model(void **state)
{
    (void)state;
    model.defaults = (te_options){.seed = -1,
                                  .text_steps = 128,
                                  .image_steps = 30,
                                  .text_len = 256,
                                  .text_block = 64,
                                  .image_cfg = 3.5,
                                  .image_temperature = 1,
                                  .schedule_pow = 1};
    model.generation = model.defaults;
    model.generation.image_cfg = 1.5;
    return 0;
}

static void expect_option(const te_options *opt, const char *name, const char *value)
{
    char text[64];
    te_error err;
    assert_ok(te_options_get(opt, name, text, sizeof text, &err), err);
    assert_string_equal(text, value);
}

static void test_every_row(void **state)
{
    (void)state;
    size_t n;
    te_error err;
    const te_option_info *table = te_option_table(&n);
    assert_int_equal(n, 15);
    for (size_t i = 0; i < n; i++) {
        const te_option_info *row = &table[i];
        te_options opt;
        char text[64];
        te_options_init(&opt);
        expect_option(&opt, row->name, "default");
        assert_true(strlen(row->summary) > 10);
        if (row->type == TE_OPTION_CHOICE) {
            int c = 0;
            for (; row->choices[c]; c++) {
                assert_ok(te_options_set(&opt, row->name, row->choices[c], &err), err);
                expect_option(&opt, row->name, row->choices[c]);
            }
            assert_int_equal(c, (int)row->max + 1);
            assert_int_equal(te_options_set(&opt, row->name, "nonsense", &err), TE_INVALID);
            assert_non_null(strstr(err.message, row->choices[c - 1]));
        } else {
            snprintf(text, sizeof text, "%.0f", row->max);
            assert_ok(te_options_set(&opt, row->name, text, &err), err);
            expect_option(&opt, row->name, text);
            snprintf(text, sizeof text, "%.0f", row->max + 2);
            assert_int_equal(te_options_set(&opt, row->name, text, &err), TE_INVALID);
            assert_int_equal(te_options_set(&opt, row->name, "", &err), TE_INVALID);
            assert_int_equal(te_options_set(&opt, row->name, "7x", &err), TE_INVALID);
            assert_int_equal(te_options_set(&opt, row->name, "nan", &err), TE_INVALID);
            assert_non_null(strstr(err.message, row->name));
        }
        assert_ok(te_options_set(&opt, row->name, "default", &err), err);
        expect_option(&opt, row->name, "default");
    }
}

static void test_values(void **state)
{
    (void)state;
    te_options opt;
    te_error err;
    te_options_init(&opt);
    assert_ok(te_options_set(&opt, "seed", "9007199254740991", &err), err);
    assert_true(opt.seed == 9007199254740991);
    expect_option(&opt, "seed", "9007199254740991");
    assert_ok(te_options_set(&opt, "seed", "-1", &err), err);
    assert_int_equal(opt.seed, -1);
    assert_int_equal(te_options_set(&opt, "seed", "-2", &err), TE_INVALID);
    assert_int_equal(te_options_set(&opt, "text-steps", "1.5", &err), TE_INVALID);
    assert_non_null(strstr(err.message, "whole"));
    assert_ok(te_options_set(&opt, "text-cfg", "-2.5", &err), err);
    expect_option(&opt, "text-cfg", "-2.5");
    assert_ok(te_options_set(&opt, "image-cfg", "1e1", &err), err);
    expect_option(&opt, "image-cfg", "10");
    assert_ok(te_options_set(&opt, "strategy", "semi-parallel", &err), err);
    assert_int_equal(opt.strategy, TE_SEMI_PARALLEL);
    assert_int_equal(te_options_set(&opt, "colour", "1", &err), TE_INVALID);
    assert_int_equal(te_options_get(&opt, "colour", (char[8]){0}, 8, &err), TE_INVALID);
    assert_int_equal(te_options_get(&opt, "strategy", (char[8]){0}, 8, &err), TE_INVALID);
}

/* GIMP sets the user's locale; a decimal comma must neither be read nor written. */
static void test_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"};
    size_t i = 0;
    while (i + 1 < TEST_LENGTH(names) && !setlocale(LC_ALL, names[i])) i++;
    te_options opt;
    te_error err;
    te_options_init(&opt);
    assert_ok(te_options_set(&opt, "image-cfg", "3.25", &err), err);
    assert_true(opt.image_cfg == 3.25);
    expect_option(&opt, "image-cfg", "3.25");
    assert_int_equal(te_options_set(&opt, "image-cfg", "3,25", &err), TE_INVALID);
    setlocale(LC_ALL, "C");
}

static void test_resolve(void **state)
{
    (void)state;
    te_options opt;
    te_error err;
    te_options_init(&opt);
    opt.image_steps = 7;
    te_options generation = opt;
    assert_ok(te_options_resolve(&opt, &model, false, &err), err);
    assert_true(opt.seed >= 0);
    assert_int_equal(opt.image_steps, 7);
    assert_int_equal(opt.text_steps, 128);
    assert_int_equal(opt.strategy, TE_PARALLEL);
    assert_true(opt.image_cfg == 3.5 && opt.text_cfg == 0);
    assert_ok(te_options_resolve(&generation, &model, true, &err), err);
    assert_true(generation.image_cfg == 1.5 && generation.text_steps == 128);
    opt.text_temperature = 11;
    assert_int_equal(te_options_resolve(&opt, &model, false, &err), TE_INVALID);
    assert_non_null(strstr(err.message, "text-temperature"));
    opt.text_temperature = 0;
    opt.schedule = (te_schedule)9;
    assert_int_equal(te_options_resolve(&opt, &model, false, &err), TE_INVALID);
}

static void test_presets(void **state)
{
    (void)state;
    static const char *const names[] = {"fast", "balanced", "paper"};
    te_options opt;
    te_error err;
    te_options_init(&opt);
    opt.seed = 3;
    int before = 0;
    for (int i = 0; i < 3; i++) {
        assert_ok(te_options_preset(&opt, &model, names[i], &err), err);
        assert_int_equal(opt.seed, 3);
        assert_true(opt.text_steps > before && opt.image_steps <= opt.text_steps);
        expect_option(&opt, "image-cfg", "default"); /* an edit's and a generation's differ */
        before = opt.text_steps;
    }
    assert_int_equal(opt.text_steps, 128);
    assert_int_equal(opt.image_steps, 30);
    assert_int_equal(te_options_preset(&opt, &model, "slow", &err), TE_INVALID);
    assert_non_null(strstr(err.message, "balanced"));
}

static ti_gguf *file_with(const char *key, const char *text, float real)
{
    static char path[] = "/tmp/thinkedit-options-XXXXXX";
    ti_gguf_writer *w;
    ti_gguf *file;
    te_error err;
    strcpy(path, "/tmp/thinkedit-options-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_ok(ti_gguf_writer_create(&w, path, &err), err);
    if (text)
        assert_ok(ti_gguf_put_string(w, key, text, strlen(text), &err), err);
    else
        assert_ok(ti_gguf_put_real(w, key, real, &err), err);
    assert_ok(ti_gguf_put_int(w, "thinkedit.defaults.image_steps", 12, &err), err);
    assert_ok(ti_gguf_finish(w, &err), err);
    ti_gguf_writer_free(w);
    assert_ok(ti_gguf_open(&file, path, &err), err);
    unlink(path);
    return file;
}

static void test_model_defaults(void **state)
{
    (void)state;
    te_options opt, generation;
    te_error err;
    ti_gguf *file = file_with("thinkedit.defaults.schedule", "sigmoid", 0);
    assert_ok(ti_options_defaults(&opt, &generation, TI_PROFILE_M, file, &err), err);
    assert_int_equal(opt.schedule, TE_SIGMOID);
    assert_int_equal(opt.image_steps, 12);
    assert_int_equal(opt.text_block, 64);
    ti_gguf_free(file);
    file = file_with("thinkedit.defaults.image_cfg", NULL, 2.5f);
    assert_ok(ti_options_defaults(&opt, &generation, TI_PROFILE_A, file, &err), err);
    assert_true(opt.image_cfg == 2.5);
    assert_int_equal(opt.text_block, 0);
    assert_true(generation.image_cfg == 2.5);
    ti_gguf_free(file);
    file = file_with("thinkedit.defaults.generation.image_cfg", NULL, 2.5f);
    assert_ok(ti_options_defaults(&opt, &generation, TI_PROFILE_A, file, &err), err);
    assert_true(opt.image_cfg == 4 && generation.image_cfg == 2.5);
    assert_int_equal(generation.image_steps, 12);
    ti_gguf_free(file);
    file = file_with("thinkedit.defaults.image_cfg", NULL, -1);
    assert_int_equal(ti_options_defaults(&opt, &generation, TI_PROFILE_M, file, &err), TE_INVALID);
    ti_gguf_free(file);
    file = file_with("thinkedit.defaults.strategy", "backwards", 0);
    assert_int_equal(ti_options_defaults(&opt, &generation, TI_PROFILE_M, file, &err), TE_INVALID);
    ti_gguf_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row), cmocka_unit_test(test_values),
        cmocka_unit_test(test_locale),    cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_presets),   cmocka_unit_test(test_model_defaults),
    };
    return cmocka_run_group_tests(tests, fill_model, NULL);
}

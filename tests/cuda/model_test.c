/* model_test.c - whole models on the CUDA backend: the released implementation's trajectories token
 * for token and its image codes, with float32 weights; logits of every other weight type against
 * the CPU's. Beside the emulated module, or beside the real one. */
#include "testing.h"

#include <jansson.h>
#include <math.h>

#include "api.h"
#include "backend/module.h"
#include "stand-in/stand_in.h"
#include "vision/golden.h"

static te_model *open_stand_in(const char *golden, ti_type type, const char *device)
{
    te_error err;
    te_model *model;
    const char *path = stand_in_path("model.gguf");
    stand_in_write(path, &(stand_in){.backbone = golden, .type = type});
    assert_ok(te_model_open(&model, path, &(te_model_options){device, 1}, &err), err);
    return model;
}

/* The golden sequence and its options. */
static ti_sequence *read_sequence(const te_model *model, const char *golden, te_options *opt)
{
    te_error err;
    char path[512];
    ti_sequence *s;
    snprintf(path, sizeof path, TE_GOLDEN "/%s/trajectory.json", golden);
    assert_ok(ti_sequence_file_read(&s, opt, model, path, &err), err);
    return s;
}

static void expect_ids(int step, const json_t *expected, const int32_t *got, int n)
{
    assert_int_equal(json_array_size(expected), n);
    for (int i = 0; i < n; i++) {
        int64_t id = json_integer_value(json_array_get(expected, (size_t)i));
        if (id >= 0 && id != got[i]) /* -1: the released code draws any code there */
            fail_msg("step %d, position %d: %d, expected %d", step, i, (int)got[i], (int)id);
    }
}

static void check_trajectory(const char *golden)
{
    te_error err;
    te_options opt;
    char path[512];
    te_model *model = open_stand_in(golden, TI_F32, "cuda");
    ti_sequence *s = read_sequence(model, golden, &opt);
    snprintf(path, sizeof path, TE_GOLDEN "/%s/trajectory.json", golden);
    json_t *root = json_load_file(path, 0, NULL);
    ti_trajectory *t;
    ti_denoise_job job = {.backbone = model->backbone, .sequence = s, .options = &opt};
    assert_non_null(root);
    assert_ok(ti_denoise(&job, &t, &err), err);
    const json_t *steps = json_object_get(root, "steps");
    int n = (int)json_array_size(steps);
    assert_int_equal(t->n_steps, n + 1); /* the last step is `final` */
    for (int i = 0; i < n; i++) {
        const json_t *step = json_array_get(steps, (size_t)i);
        expect_ids(i, json_object_get(step, "image"), t->image + i * t->n_image, t->n_image);
        expect_ids(i, json_object_get(step, "text"), t->text + i * t->n_text, t->n_text);
    }
    const json_t *final = json_object_get(root, "final");
    expect_ids(n, final ? json_object_get(final, "image") : json_object_get(root, "final_image"),
               t->codes, t->n_image);
    ti_trajectory_free(t);
    ti_sequence_free(s);
    json_decref(root);
    te_model_free(model);
}

static void test_trajectories(void **state)
{
    (void)state;
    check_trajectory("m-tiny");
    check_trajectory("a-tiny");
}

static void test_larger_trajectories(void **state)
{
    (void)state;
    te_model *model = open_stand_in("m-tiny", TI_F32, "cuda");
    bool slow = strstr(model->info.device, "emulated") != NULL;
    te_model_free(model);
    if (slow) skip();
    check_trajectory("m-small");
    check_trajectory("a-small");
}

/* |a - b| / |b| of all logits of the first step. */
static double logits_apart(const char *golden, ti_type type, const char *device)
{
    te_error err;
    te_options opt;
    float *logits[2], *unconditional;
    double off = 0, size = 0;
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        te_model *model = open_stand_in(golden, i ? TI_F32 : type, i ? "cpu" : device);
        ti_sequence *s = read_sequence(model, golden, &opt);
        assert_ok(ti_denoise_first_logits(model->backbone, s, &logits[i], &unconditional, &err),
                  err);
        n = (size_t)s->n * (size_t)model->backbone->config.vocab;
        free(unconditional);
        ti_sequence_free(s);
        te_model_free(model);
    }
    for (size_t i = 0; i < n; i++) {
        double e = (double)logits[0][i] - (double)logits[1][i];
        off += e * e;
        size += (double)logits[1][i] * (double)logits[1][i];
    }
    free(logits[0]);
    free(logits[1]);
    return sqrt(off / size);
}

static void test_logits(void **state)
{
    (void)state;
    static const struct {
        const char *golden;
        ti_type type;
        const char *device;
        double limit;
    } cases[] = {
        {"m-tiny", TI_F32, "cuda", 1e-5},  {"m-tiny", TI_BF16, "cuda", 1e-2},
        {"a-tiny", TI_BF16, "cuda", 1e-2}, {"m-tiny", TI_F16, "cuda", 1e-2},
        {"m-tiny", TI_Q8_0, "cuda", 4e-2}, {"m-tiny", TI_BF16, "cuda-fp8", 0.2},
    };
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        ti_backend *be = NULL;
        if (ti_backend_create(&be, cases[i].device, 1, NULL) == TE_UNSUPPORTED) continue; /* FP8 */
        ti_backend_free(be);
        double apart = logits_apart(cases[i].golden, cases[i].type, cases[i].device);
        print_message("%s on %s: %.2g\n", ti_type_name(cases[i].type), cases[i].device, apart);
        assert_true(apart < cases[i].limit);
    }
}

/* ---- pictures ---------------------------------------------------------------------------- */

/* GOT is [n_pixels][channels], EXPECTED [channels][n_pixels]. */
static void expect_near(const float *got, const float *expected, int n_pixels, int channels)
{
    for (int p = 0; p < n_pixels; p++)
        for (int c = 0; c < channels; c++)
            assert_true(fabsf(got[p * channels + c] - expected[c * n_pixels + p]) <= 1e-3f);
}

static void check_pictures(int which)
{
    te_error err;
    ti_gguf *file;
    ti_backend *be;
    ti_image_tokenizer *t;
    ti_checkpoint *golden = open_golden(which, "expected.safetensors");
    const ti_tensor *image = ti_checkpoint_find(golden, "image_rgb_u8");
    const ti_tensor *codes = ti_checkpoint_find(golden, "codes");
    const ti_tensor *decoded = ti_checkpoint_find(golden, "decoded");
    assert_true(image && codes && decoded);
    int height = (int)image->shape[0], width = (int)image->shape[1];
    size_t n = 3 * (size_t)height * (size_t)width;
    float *rgb = malloc(n * sizeof *rgb);
    int32_t got[4096];
    assert_non_null(rgb);
    for (size_t i = 0; i < n; i++) rgb[i] = (float)((const uint8_t *)image->data)[i] / 255.0f;
    assert_ok(ti_gguf_open(&file, convert_golden(which, &(damage){0}), &err), err);
    assert_ok(ti_backend_create(&be, "cuda", 1, &err), err);
    assert_ok(ti_image_tokenizer_create(&t, file, be, &err), err);
    assert_ok(ti_image_tokenizer_encode(t, rgb, height, width, got, NULL, &err), err);
    assert_memory_equal(got, codes->data, (size_t)ti_tensor_elements(codes) * sizeof *got);
    int patch = ti_image_tokenizer_patch(t);
    assert_ok(ti_image_tokenizer_decode(t, codes->data, height / patch, width / patch, rgb, true,
                                        NULL, &err),
              err);
    expect_near(rgb, decoded->data, height * width, 3);
    free(rgb);
    ti_image_tokenizer_free(t);
    ti_backend_free(be);
    ti_gguf_free(file);
    ti_checkpoint_free(golden);
}

static void test_pictures(void **state)
{
    (void)state;
    for (int which = 0; which < MODELS; which++) check_pictures(which);
}

static int make_folders(void **state)
{
    return make_folder(state);
}

static int remove_folders(void **state)
{
    stand_in_clean();
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trajectories),
        cmocka_unit_test(test_larger_trajectories),
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_pictures),
    };
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}

/* types_test.c - a model file of a wide type on a card too small for it: its matrices are made of a
 * smaller type as they are loaded, and then nothing tells it from the file that `thinkedit convert
 * --type` makes of the same checkpoint. */
#include "testing.h"

#include <jansson.h>

#include "api.h"
#include "backend/cuda/plan.h"
#include "base/random.h"
#include "format/checkpoint.h"
#include "stand-in/stand_in.h"

#define LAYOUT TE_GOLDEN "/m-tiny/trajectory.json"
enum { LAYERS = 2, WIDTH = 256, VOCAB = 448, TENSORS = 9 * LAYERS + 3 };

static int ff; /* width of the feed-forward layers: rows of one matrix in each */

/* Numbers in the matrices. */
static double elements(void)
{
    return 2.0 * VOCAB * WIDTH + LAYERS * (4.0 * WIDTH * WIDTH + 3.0 * WIDTH * ff);
}

/* ---- the checkpoint ---------------------------------------------------------------------- */

static void write_config(void)
{
    json_t *config = json_load_file(TE_GOLDEN "/m-tiny/config.json", 0, NULL);
    assert_non_null(config);
    json_object_set_new(config, "d_model", json_integer(WIDTH));
    json_object_set_new(config, "mlp_hidden_size", json_integer(ff));
    json_object_set_new(config, "n_layers", json_integer(LAYERS));
    assert_int_equal(json_dump_file(config, stand_in_path("config.json"), 0), 0);
    json_decref(config);
}

/* COLS 0: a vector of ones, near enough. */
static ti_tensor random_tensor(const char *name, ti_type type, int64_t rows, int64_t cols)
{
    static uint64_t stream;
    int64_t n = rows * (cols ? cols : 1);
    ti_tensor t = {.name = strdup(name),
                   .type = type,
                   .n_dims = cols ? 2 : 1,
                   .shape = {rows, cols ? cols : 1, 1, 1},
                   .bytes = ti_type_row_bytes(type, n)};
    float *values = malloc((size_t)n * sizeof *values);
    void *bytes = malloc(t.bytes);
    assert_true(values && bytes && t.name);
    stream++;
    for (int64_t i = 0; i < n; i++) {
        float x = (float)ti_random_normal((ti_random){3, stream}, (uint64_t)i);
        values[i] = cols ? 0.06f * x : 1 + 0.1f * x;
    }
    ti_quantize(type, values, bytes, n);
    t.data = bytes;
    free(values);
    return t;
}

/* A checkpoint of TYPE. */
static void write_checkpoint(ti_type type, int ff_width)
{
    ff = ff_width;
    const struct {
        const char *name;
        int rows, cols;
    } parts[] = {
        {"attn_norm", WIDTH, 0},  {"q_proj", WIDTH, WIDTH},   {"k_proj", WIDTH, WIDTH},
        {"v_proj", WIDTH, WIDTH}, {"attn_out", WIDTH, WIDTH}, {"ff_norm", WIDTH, 0},
        {"ff_proj", ff, WIDTH},   {"up_proj", ff, WIDTH},     {"ff_out", WIDTH, ff},
    };
    ti_tensor all[TENSORS];
    te_error err;
    int n = 0;
    write_config();
    all[n++] = random_tensor("model.transformer.wte.weight", type, VOCAB, WIDTH);
    all[n++] = random_tensor("model.transformer.ln_f.weight", type, WIDTH, 0);
    all[n++] = random_tensor("model.transformer.ff_out.weight", type, VOCAB, WIDTH);
    for (int layer = 0; layer < LAYERS; layer++)
        for (size_t i = 0; i < TEST_LENGTH(parts); i++) {
            char name[96];
            snprintf(name, sizeof name, "model.transformer.blocks.%d.%s.weight", layer,
                     parts[i].name);
            all[n++] = random_tensor(name, type, parts[i].rows, parts[i].cols);
        }
    assert_ok(ti_safetensors_write(stand_in_path("model.safetensors"), all, n, &err), err);
    for (int i = 0; i < n; i++)
        free((void *)(uintptr_t)all[i].name), free((void *)(uintptr_t)all[i].data);
}

/* The checkpoint as a model file of TYPE. */
static te_model *open_converted(ti_type type, const char *device)
{
    te_error err;
    te_model *model;
    char folder[512], path[512];
    snprintf(path, sizeof path, "%s", stand_in_path("model.gguf"));
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    te_convert_options opt = {.folder = folder,
                              .output = path,
                              .profile = "mmada-parallel-m",
                              .layout = LAYOUT,
                              .type = ti_type_name(type)};
    assert_ok(te_convert(&opt, &err), err);
    assert_ok(te_model_open(&model, path, &(te_model_options){device, 1}, &err), err);
    return model;
}

/* ---- what the model does ----------------------------------------------------------------- */

/* A card on which weights may take BUDGET bytes. */
static void set_card(double budget)
{
    te_error err;
    ti_backend *be;
    char text[32];
    unsetenv("EMULATED_MEMORY");
    if (budget == 0) return; /* a large one */
    assert_ok(ti_backend_create(&be, "cuda", 1, &err), err);
    uint64_t used = ((uint64_t)32 << 30) - be->op->memory_free(be) - TI_CUDA_MARGIN;
    ti_backend_free(be);
    used +=
        TI_CUDA_MARGIN + TI_CUDA_ROOM + (2 * LAYERS + 1) * WIDTH * sizeof(float) + (uint64_t)budget;
    snprintf(text, sizeof text, "%llu", (unsigned long long)used);
    setenv("EMULATED_MEMORY", text, 1);
}

typedef struct done {
    float *logits; /* of the first step */
    size_t n_logits;
    ti_trajectory *t; /* of a short edit */
} done;

static done run(te_model *model)
{
    te_error err;
    te_options opt;
    ti_sequence *s;
    done d = {0};
    float *unconditional;
    assert_ok(ti_sequence_file_read(&s, &opt, model, LAYOUT, &err), err);
    opt.text_steps = 2;
    opt.image_steps = 2;
    d.n_logits = (size_t)s->n * VOCAB;
    assert_ok(ti_denoise_first_logits(model->backbone, s, &d.logits, &unconditional, &err), err);
    free(unconditional);
    ti_denoise_job job = {.backbone = model->backbone, .sequence = s, .options = &opt};
    assert_ok(ti_denoise(&job, &d.t, &err), err);
    ti_sequence_free(s);
    te_model_free(model);
    return d;
}

static void expect_same(done a, done b)
{
    size_t steps = (size_t)a.t->n_steps;
    assert_int_equal(a.n_logits, b.n_logits);
    assert_memory_equal(a.logits, b.logits, a.n_logits * sizeof *a.logits);
    assert_int_equal(a.t->n_steps, b.t->n_steps);
    assert_memory_equal(a.t->text, b.t->text, steps * (size_t)a.t->n_text * sizeof *a.t->text);
    assert_memory_equal(a.t->image, b.t->image, steps * (size_t)a.t->n_image * sizeof *a.t->image);
    free(a.logits), free(b.logits);
    ti_trajectory_free(a.t), ti_trajectory_free(b.t);
}

/* ---- the tests --------------------------------------------------------------------------- */

/* FILE on a card with room for SPACE bytes an element is what MADE is on a large one. */
static void check_made(ti_type file, int ff_width, double space, ti_type made, bool outside)
{
    char words[32];
    snprintf(words, sizeof words, "weights made %s:", ti_type_name(made));
    write_checkpoint(file, ff_width);
    set_card(space * elements());
    te_model *model = open_converted(file, "cuda");
    print_message("%s: %s\n", ti_type_name(file), model->info.device);
    assert_string_equal(model->info.type, ti_type_name(file)); /* the file's */
    assert_non_null(strstr(model->info.device, words));
    assert_int_equal(strstr(model->info.device, "in main memory") != NULL, outside);
    done small = run(model);
    set_card(0);
    model = open_converted(made, "cuda");
    assert_null(strstr(model->info.device, "made"));
    expect_same(small, run(model));
}

static void test_made(void **state)
{
    (void)state;
    check_made(TI_BF16, 512, 1.07, TI_Q8_0, false);
    check_made(TI_BF16, 512, 0.6, TI_Q8_0, true);
    check_made(TI_BF16, 512, 0.3, TI_Q4_K, true);
    check_made(TI_F16, 512, 1.07, TI_Q8_0, false);
    check_made(TI_F32, 512, 2.1, TI_BF16, false);
    check_made(TI_F32, 512, 1.07, TI_Q8_0, false);
}

/* Rows that the type cannot hold: q8_0 instead of q4_k, f16 instead of q8_0. */
static void test_odd_rows(void **state)
{
    (void)state;
    check_made(TI_BF16, 288, 0.3, TI_Q4_K, true);
    check_made(TI_BF16, 290, 1.3, TI_Q8_0, false);
    check_made(TI_F32, 290, 1.3, TI_Q8_0, false);
}

/* What is not to be changed streams, and gives what it gives on a large card. */
static void check_kept(ti_type file, double space, const char *device)
{
    write_checkpoint(file, 512);
    set_card(space * elements());
    te_model *model = open_converted(file, device);
    assert_null(strstr(model->info.device, "made"));
    assert_non_null(strstr(model->info.device, "in main memory"));
    done small = run(model);
    set_card(0);
    expect_same(small, run(open_converted(file, device)));
}

static void test_kept(void **state)
{
    (void)state;
    check_kept(TI_BF16, 0.3, "cuda-as-is");
    check_kept(TI_BF16, 0.3, "cuda-as-is:1");
    check_kept(TI_F32, 1, "cuda-as-is");
    check_kept(TI_BF16, 1.5, "cuda"); /* little enough streams */
}

/* A file that is quantised already is not quantised again. */
static void test_quantised(void **state)
{
    (void)state;
    write_checkpoint(TI_F32, 512);
    set_card(0.1 * elements());
    te_model *model = open_converted(TI_Q8_0, "cuda");
    assert_null(strstr(model->info.device, "made"));
    te_model_free(model);
    set_card(0);
}

static int end(void **state)
{
    (void)state;
    stand_in_clean();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_odd_rows),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_quantised),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}

/* golden_test.c - the released implementation's trajectories, token for token at every step, with
 * float32 weights on 1, 2 and 3 threads; its first logits; sequences as it builds them; work that
 * is saved. */
#include "testing.h"

#include <jansson.h>
#include <math.h>

#include "api.h"
#include "format/checkpoint.h"
#include "stand-in/stand_in.h"

static const char *const names[] = {"m-tiny", "m-small", "a-tiny", "a-small"};

typedef struct golden {
    char path[512];
    json_t *root;
    te_model *model;
    ti_sequence *sequence;
    te_options options;
} golden;

static golden open_golden(const char *name, int threads)
{
    golden g;
    te_error err;
    const char *model = stand_in_path("model.gguf");
    stand_in_write(model, &(stand_in){.backbone = name, .type = TI_F32});
    assert_ok(te_model_open(&g.model, model, &(te_model_options){"cpu", threads}, &err), err);
    snprintf(g.path, sizeof g.path, TE_GOLDEN "/%s/trajectory.json", name);
    g.root = json_load_file(g.path, 0, NULL);
    assert_non_null(g.root);
    assert_ok(ti_sequence_file_read(&g.sequence, &g.options, g.model, g.path, &err), err);
    return g;
}

static void close_golden(golden *g)
{
    ti_sequence_free(g->sequence);
    te_model_free(g->model);
    json_decref(g->root);
}

static ti_trajectory *denoise(const golden *g)
{
    ti_trajectory *t;
    te_error err;
    ti_denoise_job job = {
        .backbone = g->model->backbone, .sequence = g->sequence, .options = &g->options};
    assert_ok(ti_denoise(&job, &t, &err), err);
    return t;
}

static void expect_ids(const char *what, int step, const json_t *expected, const int32_t *got,
                       int n)
{
    assert_int_equal(json_array_size(expected), n);
    for (int i = 0; i < n; i++) {
        int64_t id = json_integer_value(json_array_get(expected, (size_t)i));
        if (id >= 0 && id != got[i]) /* -1: the released code draws any code there */
            fail_msg("%s, step %d, position %d: %d, expected %d", what, step, i, (int)got[i],
                     (int)id);
    }
}

static void check_trajectory(const golden *g, const ti_trajectory *t)
{
    const json_t *steps = json_object_get(g->root, "steps");
    int n = (int)json_array_size(steps);
    assert_int_equal(t->n_steps, n + 1); /* the last step is `final` */
    for (int i = 0; i < n; i++) {
        const json_t *step = json_array_get(steps, (size_t)i);
        expect_ids("image", i, json_object_get(step, "image"), t->image + i * t->n_image,
                   t->n_image);
        expect_ids("text", i, json_object_get(step, "text"), t->text + i * t->n_text, t->n_text);
    }
    const json_t *final = json_object_get(g->root, "final");
    expect_ids("final image", n,
               final ? json_object_get(final, "image") : json_object_get(g->root, "final_image"),
               t->codes, t->n_image);
    if (final)
        expect_ids("final text", n, json_object_get(final, "text"), t->text + n * t->n_text,
                   t->n_text);
    for (int i = 0; i < t->n_image; i++) {
        assert_in_range(t->codes[i], 0, t->layout.codebook - 1);
        assert_int_equal(t->image[n * t->n_image + i], t->layout.image_offset + t->codes[i]);
    }
}

static void test_trajectories(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_LENGTH(names); i++)
        for (int threads = 1; threads <= 3; threads++) {
            if (threads == 2 && strstr(names[i], "small")) continue; /* a minute under sanitizers */
            golden g = open_golden(names[i], threads);
            ti_trajectory *t = denoise(&g);
            check_trajectory(&g, t);
            ti_trajectory_free(t);
            close_golden(&g);
        }
}

/* ---- first logits ------------------------------------------------------------------------ */

static void expect_logits(const ti_checkpoint *expected, const char *name, const float *got,
                          int rows, int cols)
{
    const ti_tensor *t;
    te_error err;
    int64_t shape[] = {rows, cols};
    assert_ok(ti_checkpoint_need(expected, name, 2, shape, &t, &err), err);
    double worst = 0;
    for (int64_t i = 0; i < ti_tensor_elements(t); i++) {
        float value;
        memcpy(&value, (const char *)t->data + 4 * i, 4);
        worst = fmax(worst, fabs((double)value - (double)got[i]));
    }
    if (!(worst < 1e-3)) fail_msg("%s differs by %g", name, worst);
}

static void test_first_logits(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_LENGTH(names); i++) {
        golden g = open_golden(names[i], 2);
        char path[512];
        te_error err;
        ti_checkpoint *expected;
        float *cond, *uncond;
        snprintf(path, sizeof path, TE_GOLDEN "/%s/logits_step0.safetensors", names[i]);
        assert_ok(ti_checkpoint_open(&expected, path, &err), err);
        assert_ok(ti_denoise_first_logits(g.model->backbone, g.sequence, &cond, &uncond, &err),
                  err);
        int vocab = g.model->backbone->config.vocab;
        expect_logits(expected, "cond_logits_step0", cond, g.sequence->n, vocab);
        assert_int_equal(uncond != NULL, names[i][0] == 'm');
        if (uncond) expect_logits(expected, "uncond_logits_step0", uncond, g.sequence->n, vocab);
        free(cond), free(uncond);
        ti_checkpoint_free(expected);
        close_golden(&g);
    }
}

/* ---- sequences --------------------------------------------------------------------------- */

static int read_ids(const json_t *array, int32_t *ids)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return (int)json_array_size(array);
}

static void expect_prefix(const golden *g, const char *name, const int32_t *got, int n)
{
    expect_ids(name, 0, json_object_get(g->root, name), got, n);
}

/* Our own builder makes the prefixes the released code made from the same instruction and codes. */
static void test_sequences(void **state)
{
    (void)state;
    static const int32_t bare_tail[] = {351, 353};
    for (size_t i = 0; i < TEST_LENGTH(names); i++) {
        golden g = open_golden(names[i], 1);
        bool m = names[i][0] == 'm';
        int32_t codes[64], words[128], bare[128];
        te_error err;
        ti_sequence *s;
        const ti_layout *l = &g.sequence->layout;
        ti_sequence_input in = {.layout = l,
                                .instruction = words,
                                .codes = codes,
                                .grid_h = g.sequence->grid_h,
                                .grid_w = g.sequence->grid_w,
                                .text_len = g.options.text_len};
        read_ids(json_object_get(g.root, "input_image"), codes);
        in.n_instruction =
            read_ids(json_object_get(g.root, m ? "instruction" : "uncond_image_prefix"), words);
        if (!m) { /* the prompt with <uncondition> for what stands between <user> and </user> */
            while (words[in.n_bare] != 352) bare[in.n_bare] = words[in.n_bare], in.n_bare++;
            bare[in.n_bare++] = 352;
            bare[in.n_bare++] = bare_tail[0];
            bare[in.n_bare++] = bare_tail[1];
            in.bare = bare;
        }
        assert_ok(ti_sequence_create(&s, &in, &err), err);
        assert_int_equal(s->n, ti_sequence_length(&in));
        expect_prefix(&g, "prefix", s->tokens, s->n_prefix);
        expect_prefix(&g, m ? "uncond_prefix" : "uncond_text_prefix", s->unconditional[0],
                      s->n_unconditional[0]);
        if (!m) {
            expect_prefix(&g, "uncond_image_prefix", s->unconditional[1], s->n_unconditional[1]);
            expect_ids("sequence", 0, json_object_get(g.root, "sequence"), s->tokens, s->n);
            assert_int_equal(s->image_at[0],
                             json_integer_value(json_object_get(g.root, "image_start")));
            assert_int_equal(s->text_first,
                             json_integer_value(json_object_get(g.root, "text_start")));
        }
        ti_sequence_free(s);
        close_golden(&g);
    }
}

/* A layout with instruction_len: short instructions are filled up with eos, long ones stay. */
static void test_filled_instructions(void **state)
{
    (void)state;
    golden g = open_golden("m-tiny", 1);
    ti_layout l = g.sequence->layout;
    int32_t codes[64], words[12];
    for (int i = 0; i < 12; i++) words[i] = 10 + i;
    read_ids(json_object_get(g.root, "input_image"), codes);
    l.instruction_len = 8;
    int n_image = g.sequence->grid_h * g.sequence->grid_w, at = 3 + n_image + 1;
    static const int lengths[] = {0, 3, 8, 12};
    for (size_t i = 0; i < TEST_LENGTH(lengths); i++) {
        int n = lengths[i], room = n > 8 ? n : 8;
        te_error err;
        ti_sequence *s;
        ti_sequence_input in = {.layout = &l,
                                .instruction = words,
                                .n_instruction = n,
                                .codes = codes,
                                .grid_h = g.sequence->grid_h,
                                .grid_w = g.sequence->grid_w,
                                .text_len = 16};
        assert_ok(ti_sequence_create(&s, &in, &err), err);
        assert_int_equal(s->n, ti_sequence_length(&in));
        assert_int_equal(s->n_prefix, at + room + 1);
        assert_int_equal(s->tokens[at - 1], l.bos);
        for (int j = 0; j <= room; j++) {
            assert_int_equal(s->tokens[at + j], j < n ? words[j] : l.eos);
            assert_int_equal(s->unconditional[0][at + j], l.eos);
        }
        ti_sequence_free(s);
    }
    close_golden(&g);
}

/* ---- options and work -------------------------------------------------------------------- */

/* What is not computed is counted; what is left never exceeds the released code's. */
static void test_work(void **state)
{
    (void)state;
    golden g = open_golden("m-tiny", 1);
    ti_trajectory *t = denoise(&g);
    assert_int_equal(t->work.forwards_released, 32);
    assert_int_equal(t->work.forwards, 22); /* 16 conditional, 6 image steps with guidance */
    assert_int_equal(t->work.token_rows, 22 * g.sequence->n);
    assert_int_equal(t->work.head_cells_released, 32 * (int64_t)g.sequence->n * 448);
    assert_true(t->work.head_cells < t->work.head_cells_released / 10);
    ti_trajectory_free(t);

    g.options.image_cfg = 0; /* no guidance at all: conditional passes only */
    t = denoise(&g);
    assert_int_equal(t->work.forwards, 16);
    ti_trajectory_free(t);

    g.options.text_cfg = 2.5; /* the released script: every unconditional pass counts */
    g.options.image_cfg = 3.5;
    t = denoise(&g);
    assert_int_equal(t->work.forwards, 32);
    ti_trajectory_free(t);

    g.options.text_steps =
        40; /* 15 masks: 15 steps reveal one each, the rest are image steps or nothing */
    g.options.text_cfg = 0;
    t = denoise(&g);
    assert_int_equal(t->n_steps, 40);
    assert_true(t->work.forwards < 15 + 2 * 6 + 1);
    ti_trajectory_free(t);
    close_golden(&g);
}

/* Every strategy and variant finishes with no mask left, whatever the temperatures; the same seed
 * gives the same result on any number of threads, another seed another. */
static void run_variations(const char *name, te_strategy strategy, int block)
{
    int32_t codes[64];
    for (int threads = 1; threads <= 3; threads += 2) {
        golden g = open_golden(name, threads);
        g.options.strategy = strategy;
        g.options.text_block = block;
        g.options.text_temperature = 0.8;
        g.options.image_temperature = 1;
        g.options.seed = 7;
        ti_trajectory *t = denoise(&g);
        for (int i = 0; i < t->n_image; i++)
            assert_in_range(t->codes[i], 0, t->layout.codebook - 1);
        if (threads == 1) memcpy(codes, t->codes, (size_t)t->n_image * sizeof *codes);
        assert_memory_equal(codes, t->codes, (size_t)t->n_image * sizeof *codes);
        ti_trajectory_free(t);
        if (threads == 3) {
            g.options.seed = 8;
            t = denoise(&g);
            assert_memory_not_equal(codes, t->codes, (size_t)t->n_image * sizeof *codes);
            ti_trajectory_free(t);
        }
        close_golden(&g);
    }
}

/* Shuffled, the order in which image tokens appear follows the seed and nothing else does: pictures
 * of arg-max picks differ by it, and without it they do not. */
static void test_shuffle(void **state)
{
    (void)state;
    int32_t codes[2][2][64];
    for (int shuffled = 0; shuffled < 2; shuffled++)
        for (int seed = 0; seed < 2; seed++) {
            golden g = open_golden("m-tiny", 1);
            g.options.text_temperature = g.options.image_temperature = 0;
            g.options.image_shuffle = 100 * shuffled;
            g.options.seed = 7 + seed;
            ti_trajectory *t = denoise(&g);
            assert_true((size_t)t->n_image <= TEST_LENGTH(codes[0][0]));
            for (int i = 0; i < t->n_image; i++)
                assert_in_range(t->codes[i], 0, t->layout.codebook - 1);
            memset(codes[shuffled][seed], 0, sizeof codes[0][0]);
            memcpy(codes[shuffled][seed], t->codes, (size_t)t->n_image * sizeof *t->codes);
            ti_trajectory_free(t);
            close_golden(&g);
        }
    assert_memory_equal(codes[0][0], codes[0][1], sizeof codes[0][0]);
    assert_memory_not_equal(codes[1][0], codes[1][1], sizeof codes[0][0]);
    assert_memory_not_equal(codes[1][0], codes[0][0], sizeof codes[0][0]);
}

/* What stays must be sure: at 1, no token that is revealed is the input's own, though without it
 * each of them is. */
static void test_stay(void **state)
{
    (void)state;
    golden g = open_golden("m-tiny", 1);
    g.options.text_temperature = g.options.image_temperature = 0;
    ti_trajectory *free_one = denoise(&g);
    g.sequence->input = calloc((size_t)free_one->n_image, sizeof *g.sequence->input);
    assert_non_null(g.sequence->input);
    memcpy(g.sequence->input, free_one->codes,
           (size_t)free_one->n_image * sizeof *g.sequence->input);
    ti_trajectory *same = denoise(&g);
    assert_memory_equal(same->codes, free_one->codes, (size_t)same->n_image * sizeof *same->codes);
    g.options.image_stay = 1;
    ti_trajectory *other = denoise(&g);
    for (int i = 0; i < other->n_image; i++)
        assert_int_not_equal(other->codes[i], free_one->codes[i]);
    ti_trajectory_free(free_one);
    ti_trajectory_free(same);
    ti_trajectory_free(other);
    close_golden(&g);
}

static void test_variations(void **state)
{
    (void)state;
    for (int strategy = TE_PARALLEL; strategy <= TE_SEQUENTIAL; strategy++) {
        run_variations("m-tiny", (te_strategy)strategy, 4 * strategy);
        run_variations("a-tiny", (te_strategy)strategy, 3 * strategy);
    }
}

static int masked_at(const ti_trajectory *t, int step, bool image)
{
    const int32_t *ids = image ? t->image + step * t->n_image : t->text + step * t->n_text;
    int n = image ? t->n_image : t->n_text, count = 0;
    for (int i = 0; i < n; i++) count += ids[i] == t->layout.mask;
    return count;
}

/* Sequential: the picture waits for the whole reasoning. Blocks: left before right. */
static void test_order(void **state)
{
    (void)state;
    golden g = open_golden("a-tiny", 2);
    g.options.strategy = TE_SEQUENTIAL;
    g.options.text_block = 4;
    ti_trajectory *t = denoise(&g);
    assert_int_equal(t->n_steps, 22);
    assert_int_equal(masked_at(t, 15, true), t->n_image);
    assert_int_equal(masked_at(t, 15, false), 0);
    assert_true(masked_at(t, 16, true) < t->n_image);
    for (int step = 0; step < 16; step++) {
        const int32_t *text = t->text + step * t->n_text;
        bool open = false; /* a block with masks before */
        for (int b = 0; b < 4; b++) {
            int masks = 0;
            for (int i = 0; i < 4; i++) masks += text[4 * b + i] == t->layout.mask;
            if (open) assert_int_equal(masks, 4);
            open = open || masks;
        }
    }
    ti_trajectory_free(t);
    close_golden(&g);
}

/* Pinned tokens stand from the first step to the last; the others are all revealed. */
static void test_pinned(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_LENGTH(names); i += 2) {
        golden g = open_golden(names[i], 2);
        int32_t pinned[64];
        te_error err;
        ti_trajectory *t;
        for (int some = 0; some < 2; some++) { /* some free, none free */
            for (int p = 0; p < 16; p++) pinned[p] = p < 6 && some ? -1 : 3 * p;
            ti_denoise_job job = {.backbone = g.model->backbone,
                                  .sequence = g.sequence,
                                  .options = &g.options,
                                  .pinned = pinned};
            assert_ok(ti_denoise(&job, &t, &err), err);
            for (int step = 0; step < t->n_steps; step++)
                for (int p = 0; p < 16; p++)
                    if (pinned[p] >= 0)
                        assert_int_equal(t->image[step * 16 + p],
                                         t->layout.image_offset + pinned[p]);
            for (int p = 0; p < 16; p++) assert_in_range(t->codes[p], 0, 63);
            ti_trajectory_free(t);
        }
        close_golden(&g);
    }
}

/* `thinkedit denoise`: golden input in, trace and logits out. */
static void test_file(void **state)
{
    (void)state;
    golden g = open_golden("m-tiny", 1);
    te_error err;
    char trace[512], logits[512], line[4096];
    snprintf(trace, sizeof trace, "%s", stand_in_path("trace.jsonl"));
    snprintf(logits, sizeof logits, "%s", stand_in_path("logits.safetensors"));
    assert_ok(ti_sequence_file_run(g.model, g.path, trace, logits, NULL, &err), err);
    FILE *file = fopen(trace, "r");
    assert_non_null(file);
    int n = 0;
    while (fgets(line, sizeof line, file)) {
        json_t *got = json_loads(line, 0, NULL);
        const json_t *steps = json_object_get(g.root, "steps");
        const json_t *expected =
            (size_t)n < json_array_size(steps) ? json_array_get(steps, (size_t)n) : NULL;
        if (expected)
            assert_true(json_equal(got, expected));
        else
            assert_true(
                json_equal(json_object_get(got, "final"), json_object_get(g.root, "final")));
        json_decref(got);
        n++;
    }
    fclose(file);
    assert_int_equal(n, 16);
    ti_checkpoint *c;
    assert_ok(ti_checkpoint_open(&c, logits, &err), err);
    assert_int_equal(ti_checkpoint_count(c), 2);
    ti_checkpoint_free(c);
    assert_int_equal(ti_sequence_file_run(g.model, g.path, "/no/such/folder/x", NULL, NULL, &err),
                     TE_IO);
    close_golden(&g);
}

static void expect_file(const te_model *model, const char *text, te_status expected,
                        const char *word)
{
    te_error err;
    ti_sequence *s;
    te_options opt;
    const char *path = stand_in_path("bad.json");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(ti_sequence_file_read(&s, &opt, model, path, &err), expected);
    assert_null(s);
    if (!strstr(err.message, word)) fail_msg("\"%s\" lacks \"%s\"", err.message, word);
}

static void test_bad_files(void **state)
{
    (void)state;
    golden g = open_golden("m-tiny", 1);
    te_error err;
    ti_sequence *s;
    te_options opt;
    assert_int_equal(ti_sequence_file_read(&s, &opt, g.model, "/no/such/file", &err), TE_IO);
    expect_file(g.model, "{", TE_FORMAT, "line");
    expect_file(g.model, "[]", TE_FORMAT, "object");
    expect_file(g.model, "{}", TE_FORMAT, "prefix");
    expect_file(g.model, "{\"prefix\": 3}", TE_FORMAT, "prefix");
    expect_file(g.model, "{\"prefix\": [1, \"x\"]}", TE_FORMAT, "token");
    expect_file(g.model, "{\"prefix\": [1e9]}", TE_FORMAT, "token");
    expect_file(g.model, "{\"prefix\": [1], \"options\": {\"text_steps\": 0}}", TE_INVALID,
                "text-steps");
    expect_file(g.model, "{\"prefix\": [1], \"options\": {\"speed\": 9}}", TE_INVALID, "speed");
    expect_file(g.model, "{\"prefix\": [1], \"layout\": {\"grid\": 100000}}", TE_FORMAT, "grid");
    expect_file(g.model, "{\"prefix\": [1], \"layout\": {\"profile\": \"z\"}}", TE_UNSUPPORTED,
                "z");
    close_golden(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trajectories),
        cmocka_unit_test(test_first_logits),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_filled_instructions),
        cmocka_unit_test(test_variations),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_stay),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_files),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    stand_in_clean();
    return failed;
}

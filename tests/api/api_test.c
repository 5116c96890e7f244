/* api_test.c - thinkedit.h on a stand-in model: pictures of every kind in, everything a result
 * offers out; progress, cancel, regions, generation, two models at once, and every refusal. */
#include "testing.h"

#include <pthread.h>
#include <unistd.h>

#include "api.h"
#include "stand-in/stand_in.h"

#define TOKENIZER TE_SOURCE "/tests/stand-in/tokenizer.json"

static char model_m[512], model_a[512];

static int write_models(void **state)
{
    (void)state;
    snprintf(model_m, sizeof model_m, "%s", stand_in_path("m.gguf"));
    stand_in_write(model_m, &(stand_in){"m-tiny", "magvit-tiny", TOKENIZER, TI_F32});
    snprintf(model_a, sizeof model_a, "%s", stand_in_path("a.gguf"));
    stand_in_write(model_a, &(stand_in){"a-tiny", "amused-tiny", TOKENIZER, TI_F32});
    return 0;
}

static int remove_models(void **state)
{
    (void)state;
    stand_in_clean();
    return 0;
}

static te_model *open_model(const char *path, int threads)
{
    te_model *m;
    te_error err;
    assert_ok(te_model_open(&m, path, &(te_model_options){"cpu", threads}, &err), err);
    return m;
}

static te_options short_options(void)
{
    te_options opt;
    te_options_init(&opt);
    opt.seed = 5;
    opt.text_steps = 16;
    opt.image_steps = 6;
    opt.text_len = 16;
    return opt;
}

/* ---- pictures ---------------------------------------------------------------------------- */

static te_image make_picture(int width, int height, int channels, te_depth depth)
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

static void expect_image(const te_image *image, int width, int height)
{
    assert_non_null(image);
    assert_non_null(image->pixels);
    assert_int_equal(image->width, width);
    assert_int_equal(image->height, height);
    assert_int_equal(image->channels, 3);
    assert_int_equal(image->depth, TE_U8);
    assert_true(image->stride >= (size_t)width * 3);
}

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

/* ---- progress and cancel ----------------------------------------------------------------- */

typedef struct watch {
    int calls, previews, last_step, cancel_at;
    volatile int cancel;
    bool came_back; /* into the model from the callback */
    te_model *model;
    char stages[256], text[1024];
} watch;

static void on_progress(const te_progress *p, void *user)
{
    watch *w = user;
    w->calls++;
    assert_true(p->step >= w->last_step || p->step == 0);
    assert_true(p->seconds >= 0);
    if (p->step) w->last_step = p->step;
    if (p->step) assert_true(p->seconds_left >= 0 && p->steps == 16);
    if (p->text) snprintf(w->text, sizeof w->text, "%s", p->text);
    if (p->preview) {
        w->previews++;
        expect_image(p->preview, 16, 16);
    }
    size_t used = strlen(w->stages);
    if (!strstr(w->stages, p->stage))
        snprintf(w->stages + used, sizeof w->stages - used, "%s;", p->stage);
    if (w->cancel_at && p->step == w->cancel_at) w->cancel = 1;
    if (w->model && p->step == 1 &&
        !w->came_back) { /* a callback may use the model; nothing waits */
        te_model_info info;
        te_model_get_info(w->model, &info);
        pthread_mutex_lock(&w->model->lock);
        pthread_mutex_unlock(&w->model->lock);
        w->came_back = true;
    }
}

static void test_progress(void **state)
{
    (void)state;
    te_model *m = open_model(model_m, 2);
    te_error err;
    te_options opt = short_options();
    te_image picture = make_picture(16, 16, 3, TE_U8);
    te_result *r;
    watch w = {.model = m};
    te_callbacks calls = {
        .progress = on_progress, .user = &w, .preview_every = 2, .cancel = &w.cancel};
    assert_ok(te_edit(m, &picture, "x", &opt, &calls, &r, &err), err);
    assert_string_equal(w.stages, "reading the picture;denoising;drawing the picture;");
    assert_int_equal(w.last_step, 16);
    assert_int_equal(w.previews, 3); /* of six image steps */
    assert_true(w.came_back);
    assert_string_equal(w.text, te_result_reasoning(r));
    te_result_free(r);
    free(picture.pixels);
    te_model_free(m);
}

static void test_cancel_from_callback(void **state)
{
    (void)state;
    te_model *m = open_model(model_m, 2);
    te_error err;
    te_options opt = short_options();
    te_image picture = make_picture(16, 16, 3, TE_U8);
    for (int at = 1; at < 16; at += 7) {
        watch w = {.cancel_at = at};
        te_callbacks calls = {.progress = on_progress, .user = &w, .cancel = &w.cancel};
        te_result *r;
        assert_int_equal(te_edit(m, &picture, "x", &opt, &calls, &r, &err), TE_CANCELLED);
        assert_null(r);
        assert_int_equal(w.last_step, at);
    }
    watch w = {.cancel = 1};
    te_callbacks calls = {.cancel = &w.cancel};
    te_result *r;
    assert_int_equal(te_edit(m, &picture, "x", &opt, &calls, &r, &err), TE_CANCELLED);
    free(picture.pixels);
    te_model_free(m);
}

static void *cancel_soon(void *flag)
{
    usleep(30000);
    *(volatile int *)flag = 1;
    return NULL;
}

static void test_cancel_from_another_thread(void **state)
{
    (void)state;
    te_model *m = open_model(model_m, 1);
    te_error err;
    te_options opt = short_options();
    te_image picture = make_picture(16, 16, 3, TE_U8);
    volatile int cancel = 0;
    te_callbacks calls = {.cancel = &cancel};
    te_result *r;
    pthread_t thread;
    opt.text_steps = 4000; /* far longer than the other thread waits */
    opt.image_steps = 4000;
    opt.text_len = 3900;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, (void *)(uintptr_t)&cancel), 0);
    assert_int_equal(te_edit(m, &picture, "x", &opt, &calls, &r, &err), TE_CANCELLED);
    pthread_join(thread, NULL);
    assert_null(r);
    free(picture.pixels);
    te_model_free(m);
}

/* ---- sameness ---------------------------------------------------------------------------- */

typedef struct edit_job {
    te_model *model;
    te_image picture;
    int64_t seed;
    const volatile int *cancel;
    te_result *result;
    te_status status;
} edit_job;

static void *run_edit(void *user)
{
    edit_job *j = user;
    te_options opt = short_options();
    opt.seed = j->seed;
    opt.text_temperature = 0.7;
    opt.image_temperature = 1;
    te_callbacks calls = {.cancel = j->cancel};
    j->status = te_edit(j->model, &j->picture, "the same", &opt, &calls, &j->result, NULL);
    return NULL;
}

static void expect_same(const te_result *a, const te_result *b)
{
    assert_non_null(a);
    assert_non_null(b);
    assert_memory_equal(te_result_image(a)->pixels, te_result_image(b)->pixels, 16 * 16 * 3);
    assert_string_equal(te_result_reasoning(a), te_result_reasoning(b));
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    te_result *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        edit_job j = {.model = open_model(model_m, threads),
                      .picture = make_picture(16, 16, 3, TE_U8),
                      .seed = 42};
        run_edit(&j);
        assert_int_equal(j.status, TE_OK);
        if (first) expect_same(first, j.result);
        if (first)
            te_result_free(j.result);
        else
            first = j.result;
        te_model_free(j.model);
        free(j.picture.pixels);
    }
    te_result_free(first);
}

/* Two models at once, and two jobs on one model: each as if alone. */
static void test_two_at_once(void **state)
{
    (void)state;
    te_model *one = open_model(model_m, 2), *two = open_model(model_m, 2);
    edit_job alone = {.model = one, .picture = make_picture(16, 16, 3, TE_U8), .seed = 9};
    edit_job jobs[3] = {alone, alone, alone};
    pthread_t threads[3];
    jobs[1].model = two;
    run_edit(&alone);
    assert_int_equal(alone.status, TE_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_edit, &jobs[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].status, TE_OK);
        expect_same(alone.result, jobs[i].result);
        te_result_free(jobs[i].result);
    }
    te_result_free(alone.result);
    free(alone.picture.pixels);
    te_model_free(one);
    te_model_free(two);
}

/* A job that waits for another one's model can be cancelled, too. */
static void test_cancel_while_waiting(void **state)
{
    (void)state;
    volatile int cancel = 0;
    edit_job j = {.model = open_model(model_m, 1),
                  .picture = make_picture(16, 16, 3, TE_U8),
                  .seed = 1,
                  .cancel = &cancel};
    pthread_t thread;
    pthread_mutex_lock(&j.model->lock); /* as a running job does */
    assert_int_equal(pthread_create(&thread, NULL, run_edit, &j), 0);
    cancel_soon((void *)(uintptr_t)&cancel);
    pthread_join(thread, NULL);
    assert_int_equal(j.status, TE_CANCELLED);
    pthread_mutex_unlock(&j.model->lock);
    free(j.picture.pixels);
    te_model_free(j.model);
}

static void test_seed_from_the_clock(void **state)
{
    (void)state;
    te_model *m = open_model(model_m, 2);
    te_error err;
    te_options opt = short_options(), again = opt;
    te_image picture = make_picture(16, 16, 3, TE_U8);
    te_result *a, *b;
    opt.seed = -1;
    assert_ok(te_edit(m, &picture, "x", &opt, NULL, &a, &err), err);
    assert_in_range(te_result_seed(a), 0, INT32_MAX);
    again.seed = te_result_seed(a);
    assert_ok(te_edit(m, &picture, "x", &again, NULL, &b, &err), err);
    expect_same(a, b);
    te_result_free(a);
    te_result_free(b);
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
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_cancel_from_callback),
        cmocka_unit_test(test_cancel_from_another_thread),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_cancel_while_waiting),
        cmocka_unit_test(test_seed_from_the_clock),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_memory_is_looked_at_first),
    };
    return cmocka_run_group_tests(tests, write_models, remove_models);
}

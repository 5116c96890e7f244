/* jobs_test.c - jobs of thinkedit.h while they run: progress, cancel from every side, two models at
 * once, one model for two, and the same result from the same seed. */
#include "api/models.h"

#include <pthread.h>
#include <unistd.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_cancel_from_callback),
        cmocka_unit_test(test_cancel_from_another_thread),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_cancel_while_waiting),
        cmocka_unit_test(test_seed_from_the_clock),
    };
    return cmocka_run_group_tests(tests, write_models, remove_models);
}

/* order_test.c - what only a card made of memory can show: the same tokens whichever stream is
 * ahead, with weights on the card or streamed, with graphs or without; what a step costs in
 * allocations and waits; two cards at once; and a card that fails in the middle of an edit. */
#include "testing.h"

#include <dlfcn.h>
#include <pthread.h>

#include "api.h"
#include "cuda_runtime.h"
#include "stand-in/stand_in.h"

#define TOKENIZER TE_SOURCE "/tests/stand-in/tokenizer.json"

static emulated_calls count(void)
{
    emulated_calls (*ask)(void);
    void *module = dlopen(TE_MODULE, RTLD_NOW | RTLD_LOCAL);
    void *symbol = module ? dlsym(module, "emulated_count") : NULL;
    assert_non_null(symbol);
    memcpy(&ask, &symbol, sizeof ask);
    emulated_calls now = ask();
    dlclose(module);
    return now;
}

static te_model *open_model(const char *golden, ti_type type, const char *device)
{
    te_error err;
    te_model *model;
    const char *path = stand_in_path("model.gguf");
    stand_in_write(path, &(stand_in){.backbone = golden, .type = type});
    assert_ok(te_model_open(&model, path, &(te_model_options){device, 1}, &err), err);
    return model;
}

/* The golden sequence of GOLDEN, denoised. The caller frees it. */
static ti_trajectory *denoise(te_model *model, const char *golden, ti_denoise_job *job)
{
    te_error err;
    te_options opt;
    char path[512];
    ti_sequence *s;
    ti_trajectory *t = NULL;
    snprintf(path, sizeof path, TE_GOLDEN "/%s/trajectory.json", golden);
    assert_ok(ti_sequence_file_read(&s, &opt, model, path, &err), err);
    job->backbone = model->backbone;
    job->sequence = s;
    job->options = &opt;
    assert_ok(ti_denoise(job, &t, &err), err);
    ti_sequence_free(s);
    return t;
}

static void expect_same(const ti_trajectory *a, const ti_trajectory *b)
{
    size_t n = (size_t)a->n_steps;
    assert_int_equal(a->n_steps, b->n_steps);
    assert_memory_equal(a->text, b->text, n * (size_t)a->n_text * sizeof *a->text);
    assert_memory_equal(a->image, b->image, n * (size_t)a->n_image * sizeof *a->image);
}

/* ---- streams and graphs ------------------------------------------------------------------ */

static void check_orders(const char *golden, ti_type type)
{
    static const char *const settings[][2] = {
        {"EMULATED_ORDER", "first"}, {"EMULATED_ORDER", "last"}, {"EMULATED_NO_GRAPHS", "1"}};
    ti_trajectory *expected = NULL;
    for (int streamed = 0; streamed < 2; streamed++)
        for (size_t i = 0; i <= TEST_LENGTH(settings); i++) {
            if (!streamed && i > 1) break;
            if (streamed) setenv("EMULATED_MEMORY", "600000000", 1);
            te_model *model = open_model(golden, type, "cuda-as-is");
            assert_int_equal(strstr(model->info.device, "in main memory") != NULL, streamed);
            if (i) setenv(settings[i - 1][0], settings[i - 1][1], 1);
            emulated_calls before = count();
            ti_trajectory *t = denoise(model, golden, &(ti_denoise_job){0});
            emulated_calls after = count();
            bool graphs = i < TEST_LENGTH(settings);
            assert_int_equal(after.plays > before.plays, graphs);
            assert_true(after.recordings > before.recordings);
            if (i) unsetenv(settings[i - 1][0]);
            if (expected) expect_same(t, expected);
            if (expected)
                ti_trajectory_free(t);
            else
                expected = t;
            te_model_free(model);
            unsetenv("EMULATED_MEMORY");
        }
    ti_trajectory_free(expected);
}

static void test_orders(void **state)
{
    (void)state;
    check_orders("m-tiny", TI_Q8_0);
    check_orders("a-tiny", TI_BF16);
}

/* ---- what a step costs ------------------------------------------------------------------- */

typedef struct steps {
    emulated_calls last;
    int seen;
    long most_waits, allocations, plays;
} steps;

static te_status look(void *user, const ti_denoise_state *state, te_error *err)
{
    steps *s = user;
    emulated_calls now = count();
    (void)state, (void)err;
    if (s->seen++) { /* the first one belongs to what went before */
        if (now.waits - s->last.waits > s->most_waits) s->most_waits = now.waits - s->last.waits;
        s->allocations += now.allocations - s->last.allocations;
        s->plays += now.plays - s->last.plays;
    }
    s->last = now;
    return TE_OK;
}

static void check_cost(const char *golden, ti_type type, long waits)
{
    te_model *model = open_model(golden, type, "cuda");
    steps s = {0};
    setenv("EMULATED_ORDER", "last", 1);
    ti_trajectory_free(denoise(model, golden, &(ti_denoise_job){.progress = look, .user = &s}));
    unsetenv("EMULATED_ORDER");
    print_message("%s: %d steps, %ld waits at most, %ld graphs played\n", golden, s.seen,
                  s.most_waits, s.plays);
    assert_true(s.seen > 10);
    assert_int_equal(s.allocations, 0);
    assert_int_equal(s.most_waits, waits);
    assert_true(s.plays >= s.seen - 4);
    te_model_free(model);
}

/* Variant A's unconditional passes see the text revealed in their step, yet nobody waits for it. */
static void test_cost(void **state)
{
    (void)state;
    check_cost("m-tiny", TI_Q8_0, 1);
    check_cost("a-tiny", TI_Q8_0, 1);
}

/* Ops of the backend under test, passed on, with what is on its way to the job's memory noted. */
static struct {
    const ti_ops *op;
    bool on_its_way;
    volatile int cancel;
} watched;

static void watched_pick(ti_backend *be, const ti_pick *pick)
{
    watched.on_its_way = true;
    watched.op->pick(be, pick);
}

static te_status watched_sync(ti_backend *be, te_error *err)
{
    watched.on_its_way = false;
    return watched.op->sync(be, err);
}

static void watched_embed_kept(ti_backend *be, void *stream, const ti_weight *table,
                               const ti_keep *keep, const int32_t *host_rows, int first_row)
{
    watched.op->embed_kept(be, stream, table, keep, host_rows, first_row);
    watched.cancel = 1;
}

/* An edit cancelled between a step's passes leaves nothing behind that would write into its memory.
 */
static void test_cancel_within_a_step(void **state)
{
    (void)state;
    te_error err;
    te_options opt;
    te_model *model = open_model("a-tiny", TI_Q8_0, "cuda");
    ti_backend *be = model->backend;
    ti_ops ops = *be->op;
    ti_sequence *s;
    ti_trajectory *t;
    watched.op = be->op;
    ops.pick = watched_pick;
    ops.sync = watched_sync;
    ops.embed_kept = watched_embed_kept;
    be->op = &ops;
    assert_ok(ti_sequence_file_read(&s, &opt, model, TE_GOLDEN "/a-tiny/trajectory.json", &err),
              err);
    ti_denoise_job job = {
        .backbone = model->backbone, .sequence = s, .options = &opt, .cancel = &watched.cancel};
    assert_int_equal(ti_denoise(&job, &t, &err), TE_CANCELLED);
    assert_true(watched.cancel);
    assert_false(watched.on_its_way);
    be->op = watched.op;
    ti_sequence_free(s);
    te_model_free(model);
}

/* More lists than the card remembers, all in flight. */
static void test_many_lists(void **state)
{
    (void)state;
    enum { ROWS = 8, WIDTH = 4, TIMES = 3 * 16 };
    te_error err;
    ti_backend *be;
    void *x, *y[TIMES];
    float from[ROWS * WIDTH], got[ROWS * WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++) from[i] = (float)i;
    setenv("EMULATED_ORDER", "first", 1);
    assert_ok(ti_backend_create(&be, "cuda", 1, &err), err);
    assert_ok(be->op->alloc(be, sizeof from, &x, &err), err);
    assert_ok(be->op->upload(be, x, from, sizeof from, &err), err);
    for (int t = 0; t < TIMES; t++) assert_ok(be->op->alloc(be, sizeof from, &y[t], &err), err);
    for (int t = 0; t < TIMES; t++) {
        int32_t rows[ROWS];
        for (int r = 0; r < ROWS; r++) rows[r] = (r * 3 + t + t / 8 * r) % ROWS;
        be->op->gather(be, y[t], x, rows, ROWS, WIDTH);
    }
    for (int t = 0; t < TIMES; t++) {
        assert_ok(be->op->download(be, got, y[t], sizeof got, &err), err);
        for (int r = 0; r < ROWS; r++)
            assert_true(got[r * WIDTH] == from[(r * 3 + t + t / 8 * r) % ROWS * WIDTH]);
        be->op->release(be, y[t]);
    }
    be->op->release(be, x);
    ti_backend_free(be);
    unsetenv("EMULATED_ORDER");
}

/* ---- lists and graphs -------------------------------------------------------------------- */

enum { LIST_ROWS = 8, LIST_WIDTH = 4, LIST_CELLS = LIST_ROWS * LIST_WIDTH, MOST_LISTS = 20 };

/* N gathers of X's rows, each by a list of its own, into places of Y one after another. */
typedef struct series {
    ti_backend *be;
    float *x, *y;
    int first, n;
    bool cancelled; /* behind the first */
} series;

static void list_of(int which, int32_t rows[LIST_ROWS])
{
    for (int r = 0; r < LIST_ROWS; r++) rows[r] = (r * 3 + which + which / 8 * r) % LIST_ROWS;
}

static te_status issue_series(void *user, te_error *err)
{
    const series *s = user;
    for (int i = 0; i < s->n; i++) {
        int32_t rows[LIST_ROWS];
        list_of(s->first + i, rows);
        s->be->op->gather(s->be, s->y + i * LIST_CELLS, s->x, rows, LIST_ROWS, LIST_WIDTH);
        if (s->cancelled) return ti_fail(err, TE_CANCELLED, "cancelled");
    }
    return TE_OK;
}

static te_status repeat_series(series *s, te_error *err)
{
    ti_repeated what = {&s->first, sizeof s->first, issue_series, s};
    return s->be->op->repeat(s->be, &what, err);
}

static void expect_series(const series *s)
{
    te_error err;
    float got[LIST_CELLS];
    for (int i = 0; i < s->n; i++) {
        int32_t rows[LIST_ROWS];
        list_of(s->first + i, rows);
        assert_ok(s->be->op->download(s->be, got, s->y + i * LIST_CELLS, sizeof got, &err), err);
        for (int r = 0; r < LIST_ROWS; r++)
            assert_true(got[r * LIST_WIDTH] == (float)(rows[r] * LIST_WIDTH));
    }
}

static series open_series(void)
{
    te_error err;
    series s = {.n = 0};
    void *memory;
    float from[LIST_CELLS];
    for (int i = 0; i < LIST_CELLS; i++) from[i] = (float)i;
    assert_ok(ti_backend_create(&s.be, "cuda", 1, &err), err);
    assert_ok(s.be->op->alloc(s.be, (1 + MOST_LISTS) * sizeof from, &memory, &err), err);
    s.x = memory;
    s.y = s.x + LIST_CELLS;
    assert_ok(s.be->op->upload(s.be, s.x, from, sizeof from, &err), err);
    return s;
}

static void close_series(series *s)
{
    s->be->op->release(s->be, s->x);
    ti_backend_free(s->be);
}

/* Lists of graphs are not written over, however many there are. */
static void test_graphs_hold_their_lists(void **state)
{
    (void)state;
    te_error err;
    series s = open_series();
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < 4; i++) {
            s.first = 4 * i; /* four graphs of four lists: all that the card remembers */
            s.n = 4;
            assert_ok(repeat_series(&s, &err), err);
            expect_series(&s);
            if (round < 2 || i < 3) continue;
            s.first = 100 + round; /* one more */
            s.n = 1;
            assert_ok(issue_series(&s, &err), err);
            expect_series(&s);
        }
    close_series(&s);
}

/* More lists than a recording can hold: it goes on without. */
static void test_series_of_many_lists(void **state)
{
    (void)state;
    te_error err;
    series s = open_series();
    s.n = MOST_LISTS;
    emulated_calls before = count();
    for (int round = 0; round < 4; round++) {
        assert_ok(repeat_series(&s, &err), err);
        expect_series(&s);
    }
    emulated_calls after = count();
    assert_int_equal(after.recordings, before.recordings + 1);
    assert_int_equal(after.plays, before.plays);
    close_series(&s);
}

/* What a recording that came to nothing would have sent is sent by the next who needs it. */
static void check_cancelled_recording(bool waited)
{
    te_error err;
    series s = open_series(), others = s;
    s.n = 2;
    assert_ok(repeat_series(&s, &err), err);
    others.first = 50; /* the lists of S are forgotten */
    others.n = MOST_LISTS;
    assert_ok(issue_series(&others, &err), err);
    if (waited) assert_ok(s.be->op->sync(s.be, &err), err); /* else the recording itself fails */
    s.cancelled = true;
    emulated_calls before = count();
    assert_int_equal(repeat_series(&s, &err), TE_CANCELLED);
    assert_int_equal(count().recordings, before.recordings + 1);
    s.cancelled = false;
    assert_ok(issue_series(&s, &err), err);
    expect_series(&s);
    for (int round = 0; round < 2; round++) {
        assert_ok(repeat_series(&s, &err), err);
        expect_series(&s);
    }
    close_series(&s);
}

static void test_cancelled_recording(void **state)
{
    (void)state;
    check_cancelled_recording(false);
    check_cancelled_recording(true);
}

/* ---- two cards --------------------------------------------------------------------------- */

static void *denoise_on(void *user)
{
    te_model *model = user;
    return denoise(model, "m-tiny", &(ti_denoise_job){0});
}

static void test_two_cards(void **state)
{
    (void)state;
    te_model *models[2] = {open_model("m-tiny", TI_BF16, "cuda:0"),
                           open_model("m-tiny", TI_BF16, "cuda:1")};
    pthread_t threads[2];
    void *results[2];
    assert_non_null(strstr(models[0]->info.device, "card 0"));
    assert_non_null(strstr(models[1]->info.device, "card 1"));
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, denoise_on, models[i]), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], &results[i]);
    expect_same(results[0], results[1]);
    for (int i = 0; i < 2; i++) {
        ti_trajectory_free(results[i]);
        te_model_free(models[i]);
    }
}

/* ---- a card that gives up ---------------------------------------------------------------- */

static void note_stage(const te_progress *p, void *user)
{
    if (strstr(p->stage, "the CPU takes over")) ++*(int *)user;
}

static te_result *edit(te_model *model, int *told)
{
    te_error err;
    te_result *r;
    te_options opt;
    static unsigned char pixels[32 * 32 * 3];
    te_image picture = {pixels, 32, 32, 3, TE_U8, 32 * 3};
    te_callbacks calls = {.progress = note_stage, .user = told};
    for (int i = 0; i < 32 * 32 * 3; i++) pixels[i] = (unsigned char)(i * 7);
    te_options_init(&opt);
    opt.seed = 5;
    opt.text_steps = opt.text_len = 16;
    opt.image_steps = 6;
    assert_ok(te_edit(model, &picture, "make it red", &opt, &calls, &r, &err), err);
    return r;
}

static void test_retreat(void **state)
{
    (void)state;
    te_error err;
    te_model *cpu, *model;
    te_model_info before, after;
    char path[512];
    int told = 0, nothing = 0;
    snprintf(path, sizeof path, "%s", stand_in_path("whole.gguf"));
    stand_in_write(path, &(stand_in){"m-tiny", "magvit-tiny", TOKENIZER, TI_BF16});
    assert_ok(te_model_open(&cpu, path, &(te_model_options){"cpu", 1}, &err), err);
    te_result *expected = edit(cpu, &nothing);
    assert_ok(te_model_open(&model, path, &(te_model_options){"auto", 1}, &err), err);
    te_model_get_info(model, &before);
    assert_memory_equal(before.device, "cuda", 4);
    assert_null(before.note);
    setenv("EMULATED_FAULT", "400", 1);
    te_result *r = edit(model, &told);
    te_model_get_info(model, &after);
    print_message("%s\n", after.note);
    assert_int_equal(told, 1);
    assert_memory_equal(after.device, "cpu", 3);
    assert_memory_equal(before.device, "cuda", 4); /* still to be read */
    assert_non_null(strstr(after.note, "the graphics card failed in"));
    assert_null(strstr(after.note, "use device cpu"));
    expect_same(r->trajectory, expected->trajectory);
    assert_memory_equal(te_result_image(r)->pixels, te_result_image(expected)->pixels,
                        te_result_image(r)->stride * (size_t)te_result_image(r)->height);
    te_result_free(r);
    r = edit(model, &told); /* the CPU it stays, and nothing is told again */
    assert_int_equal(told, 1);
    unsetenv("EMULATED_FAULT");
    te_result_free(r);
    te_result_free(expected);
    te_model_free(model);
    te_model_free(cpu);
}

/* Asked for by name the card is not left. */
static void test_no_retreat(void **state)
{
    (void)state;
    te_error err;
    te_options opt;
    te_model *model = open_model("m-tiny", TI_F32, "cuda");
    ti_sequence *s;
    ti_trajectory *t;
    assert_ok(ti_sequence_file_read(&s, &opt, model, TE_GOLDEN "/m-tiny/trajectory.json", &err),
              err);
    ti_denoise_job job = {.backbone = model->backbone, .sequence = s, .options = &opt};
    setenv("EMULATED_FAULT", "40", 1);
    assert_int_equal(ti_denoise(&job, &t, &err), TE_DEVICE);
    assert_non_null(strstr(err.message, "failed in"));
    assert_non_null(strstr(err.message, "use device cpu"));
    assert_int_equal(ti_denoise(&job, &t, &err), TE_DEVICE); /* it stays failed */
    unsetenv("EMULATED_FAULT");
    ti_sequence_free(s);
    te_model_free(model);
}

static int remove_files(void **state)
{
    (void)state;
    stand_in_clean();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_cancel_within_a_step),
        cmocka_unit_test(test_many_lists),
        cmocka_unit_test(test_graphs_hold_their_lists),
        cmocka_unit_test(test_series_of_many_lists),
        cmocka_unit_test(test_cancelled_recording),
        cmocka_unit_test(test_two_cards),
        cmocka_unit_test(test_retreat),
        cmocka_unit_test(test_no_retreat),
    };
    return cmocka_run_group_tests(tests, NULL, remove_files);
}

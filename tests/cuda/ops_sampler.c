/* ops_sampler.c - picking tokens, and which of them are kept */
#include "ops.h"

enum { PICK_ROWS = 9, PICK_COLS = 501 };

static void check_pick(ti_backend *be, float *const logits[3], float *const device[3], ti_pick p)
{
    int32_t keys[PICK_ROWS], expected[PICK_ROWS], got[PICK_ROWS];
    double expected_p[PICK_ROWS], got_p[PICK_ROWS];
    te_error err;
    for (int r = 0; r < PICK_ROWS; r++) keys[r] = 3 * r + 1;
    p.keys = keys;
    for (int i = 0; i < p.n_terms; i++) p.logits[i] = logits[i];
    p.ids = expected, p.probs = expected_p;
    ti_plain_pick(&p);
    for (int i = 0; i < p.n_terms; i++) p.logits[i] = device[i];
    p.ids = got, p.probs = got_p;
    be->op->pick(be, &p);
    assert_ok(be->op->sync(be, &err), err);
    assert_memory_equal(got, expected, sizeof got);
    for (int r = 0; r < PICK_ROWS; r++)
        assert_true(fabs(got_p[r] - expected_p[r]) < 1e-9 * (1 + expected_p[r]));
    if (p.stay || p.method != TI_PICK_GREEDY) return;
    /* Again, and the surest column of two rows in three may stay if it is as sure as in the first
     * row. */
    int32_t stay[PICK_ROWS];
    for (int r = 0; r < PICK_ROWS; r++) stay[r] = r % 3 ? expected[r] : -1;
    p.stay = stay, p.stay_least = expected_p[0];
    check_pick(be, logits, device, p);
}

void test_pick(void **state)
{
    (void)state;
    ti_backend *be = ops_open_device("cuda");
    float *logits[3], *device[3];
    for (int i = 0; i < 3; i++) {
        logits[i] = ops_floats(PICK_ROWS * PICK_COLS, (uint64_t)i);
        device[i] = ops_to_device(be, logits[i], PICK_ROWS * PICK_COLS, false);
    }
    for (int method = TI_PICK_GREEDY; method <= TI_PICK_MULTINOMIAL; method++)
        for (int n_terms = 1; n_terms <= 3; n_terms++)
            for (uint64_t seed = 99; seed < 102; seed++)
                check_pick(be, logits, device,
                           (ti_pick){.n_rows = PICK_ROWS,
                                     .n_cols = seed == 101 ? 7 : PICK_COLS,
                                     .n_terms = n_terms,
                                     .scale = {5.5f, -3.5f, -1.0f},
                                     .method = (ti_pick_method)method,
                                     .temperature = 0.7,
                                     .random = {seed, 4}});
    for (int i = 0; i < 3; i++) be->op->release(be, device[i]), free(logits[i]);
    ti_backend_free(be);
}

/* Ties go to the lowest id; several picks wait for one sync. */
void test_pick_ties(void **state)
{
    (void)state;
    ti_backend *be = ops_open_device("cuda");
    float row[8] = {1, 5, 2, 5, 5, 0, -1, 5};
    void *logits = ops_to_device(be, row, 8, false);
    int32_t key = 0, ids[12];
    double probs[12];
    te_error err;
    for (int i = 0; i < 12; i++) {
        ti_pick p = {.n_rows = 1,
                     .n_cols = 8 - i % 2,
                     .n_terms = 1,
                     .logits = {logits},
                     .scale = {1},
                     .keys = &key,
                     .ids = &ids[i],
                     .probs = &probs[i]};
        be->op->pick(be, &p);
    }
    assert_ok(be->op->sync(be, &err), err);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(ids[i], 1);
        assert_true(i % 2 ? probs[i] > 0.3 && probs[i] < 0.34 : probs[i] > 0.2 && probs[i] < 0.25);
    }
    be->op->release(be, logits);
    ti_backend_free(be);
}

enum { KEEP_ROWS = 300, KEEP_COLS = 3 };

/* Every third row is the one seven before it. */
static float *rows_with_ties(void)
{
    float *x = ops_floats(KEEP_ROWS * KEEP_COLS, 6);
    for (int i = 7 * KEEP_COLS; i < KEEP_ROWS * KEEP_COLS; i++)
        if (i / KEEP_COLS % 3 == 0) x[i] = x[i - 7 * KEEP_COLS];
    return x;
}

static void check_keep(ti_backend *be, const float *logits, const float *device, ti_keep k)
{
    int32_t keys[KEEP_ROWS], ids[KEEP_ROWS];
    double probs[KEEP_ROWS];
    bool expected[KEEP_ROWS], got[KEEP_ROWS];
    te_error err;
    ti_pick pick = {.n_rows = KEEP_ROWS,
                    .n_cols = KEEP_COLS,
                    .n_terms = 1,
                    .logits = {logits},
                    .scale = {1},
                    .keys = keys,
                    .ids = ids,
                    .probs = probs};
    for (int r = 0; r < KEEP_ROWS; r++) keys[r] = 3 * r + 1;
    k.pick = &pick;
    k.kept = expected;
    ti_plain_pick(&pick);
    ti_plain_keep(&k);
    pick.logits[0] = device;
    k.kept = got;
    memset(probs, 0, sizeof probs); /* the card ranks its own */
    be->op->pick(be, &pick);
    be->op->keep(be, &k);
    assert_ok(be->op->sync(be, &err), err);
    assert_memory_equal(got, expected, sizeof got);
}

void test_keep(void **state)
{
    (void)state;
    static const int ns[] = {0, 1, 150, KEEP_ROWS - 1, KEEP_ROWS, KEEP_ROWS + 1};
    ti_backend *be = ops_open_device("cuda");
    float *logits = rows_with_ties(),
          *device = ops_to_device(be, logits, KEEP_ROWS * KEEP_COLS, false);
    for (int method = TI_KEEP_HIGHEST; method <= TI_KEEP_GUMBEL; method++)
        for (size_t i = 0; i < TEST_LENGTH(ns); i++)
            for (int hot = 0; hot < 2; hot++)
                check_keep(be, logits, device,
                           (ti_keep){.method = (ti_keep_method)method,
                                     .n = ns[i],
                                     .heat = hot ? 0.6 : 0,
                                     .random = {5, 9}});
    be->op->release(be, device);
    free(logits);
    ti_backend_free(be);
}

/* Each answer goes to the pick it was asked for; without a pick there is none. */
void test_keep_belongs_to_its_pick(void **state)
{
    (void)state;
    ti_backend *be = ops_open_device("cuda");
    float rows[2][4] = {{0, 3, 1, 2}, {3, 0, 2, 1}};
    void *logits = ops_to_device(be, rows[0], 8, false);
    int32_t keys[4] = {0, 1, 2, 3}, ids[2][4];
    double probs[2][4];
    bool kept[3][4] = {{false, true}, {false, true}, {true, true}};
    te_error err;
    ti_pick picks[2];
    for (int i = 0; i < 2; i++) {
        picks[i] = (ti_pick){.n_rows = 2,
                             .n_cols = 2,
                             .n_terms = 1,
                             .logits = {(float *)logits + 4 * i},
                             .scale = {1},
                             .keys = keys,
                             .ids = ids[i],
                             .probs = probs[i]};
        be->op->pick(be, &picks[i]);
        be->op->keep(be, &(ti_keep){.pick = &picks[i], .n = 1, .kept = kept[i]});
    }
    assert_ok(be->op->sync(be, &err), err);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ids[i][0], 1 - i);
        assert_true(kept[i][0]);
        assert_false(kept[i][1]); /* 3 to 0 is more certain than 2 to 1 */
    }
    be->op->keep(be, &(ti_keep){.pick = &picks[0], .n = 1, .kept = kept[2]});
    assert_int_equal(be->op->sync(be, &err), TE_DEVICE);
    assert_non_null(strstr(err.message, "used before they are picked"));
    assert_true(kept[2][1]);
    be->op->release(be, logits);
    ti_backend_free(be);
}

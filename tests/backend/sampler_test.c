/* sampler_test.c - pick and keep of the CPU, the sampler's two ops, against plain.c and against the
 * released code's rules for equals. */
#include "backend/devices.h"

#include <math.h>

#include "backend/cpu/plain.h"
#include "base/random.h"

/* ---- pick -------------------------------------------------------------------------------- */

enum { PICK_ROWS = 37, PICK_COLS = 501 };

static ti_pick make_pick(float *const logits[3], int n_terms, ti_pick_method method,
                         double temperature)
{
    static int32_t keys[PICK_ROWS];
    for (int r = 0; r < PICK_ROWS; r++) keys[r] = 3 * r + 1;
    ti_pick p = {.n_rows = PICK_ROWS,
                 .n_cols = PICK_COLS,
                 .n_terms = n_terms,
                 .scale = {5.5f, -3.5f, -1.0f},
                 .method = method,
                 .temperature = temperature,
                 .random = {99, 4},
                 .keys = keys};
    for (int i = 0; i < n_terms; i++) p.logits[i] = logits[i];
    return p;
}

static void check_pick(ti_backend *be, float *const logits[3], int n_terms, ti_pick_method method)
{
    int32_t expected[PICK_ROWS], got[PICK_ROWS];
    double expected_p[PICK_ROWS], got_p[PICK_ROWS];
    ti_pick p = make_pick(logits, n_terms, method, 0.7);
    p.ids = expected, p.probs = expected_p;
    ti_plain_pick(&p);
    p.ids = got, p.probs = got_p;
    be->op->pick(be, &p);
    assert_memory_equal(got, expected, sizeof got);
    for (int r = 0; r < PICK_ROWS; r++)
        assert_true(fabs(got_p[r] - expected_p[r]) <= 1e-13 * expected_p[r]);
}

static void test_pick(void **state)
{
    (void)state;
    float *logits[3];
    for (int i = 0; i < 3; i++) logits[i] = floats(PICK_ROWS * PICK_COLS, (uint64_t)i);
    for (int method = TI_PICK_GREEDY; method <= TI_PICK_MULTINOMIAL; method++)
        for (int n_terms = 1; n_terms <= 3; n_terms++) {
            for (int t = 0; t < MAX_THREADS; t++)
                check_pick(backends[t], logits, n_terms, (ti_pick_method)method);
            for (size_t l = 0; l < LIMITS; l++) {
                ti_backend *be = limited(l);
                if (be) check_pick(be, logits, n_terms, (ti_pick_method)method);
                if (be) ti_backend_free(be);
            }
        }
    for (int i = 0; i < 3; i++) free(logits[i]);
}

/* A column that may stay only where it is sure enough gives way to the next best, in no other row.
 */
static void test_pick_stay(void **state)
{
    (void)state;
    int32_t best[PICK_ROWS], stay[PICK_ROWS], ids[PICK_ROWS], got[PICK_ROWS];
    double best_p[PICK_ROWS], probs[PICK_ROWS], got_p[PICK_ROWS];
    float *logits[3];
    int moved = 0, stayed = 0;
    for (int i = 0; i < 3; i++) logits[i] = floats(PICK_ROWS * PICK_COLS, (uint64_t)i);
    ti_pick p = make_pick(logits, 3, TI_PICK_GREEDY, 0);
    p.ids = best, p.probs = best_p;
    ti_plain_pick(&p);
    for (int r = 0; r < PICK_ROWS; r++)
        stay[r] = r % 4 == 0 ? -1 : r % 4 == 1 ? (best[r] + 1) % PICK_COLS : best[r];
    p.stay = stay, p.stay_least = 1.0001 * best_p[PICK_ROWS / 2]; /* no tie of roundings */
    p.ids = ids, p.probs = probs;
    ti_plain_pick(&p);
    for (int r = 0; r < PICK_ROWS; r++) {
        bool gives_way = stay[r] == best[r] && best_p[r] < p.stay_least;
        assert_int_equal(ids[r] != best[r], gives_way);
        assert_true(gives_way ? probs[r] <= best_p[r] : probs[r] == best_p[r]);
        moved += gives_way, stayed += stay[r] == best[r] && !gives_way;
    }
    assert_true(moved > 3 && stayed > 3);
    p.ids = got, p.probs = got_p;
    for (int t = 0; t < MAX_THREADS; t++) {
        backends[t]->op->pick(backends[t], &p);
        assert_memory_equal(got, ids, sizeof got);
    }
    for (int i = 0; i < 3; i++) free(logits[i]);
}

/* Ties go to the lowest id. */
static void test_pick_ties(void **state)
{
    (void)state;
    float row[8] = {1, 5, 2, 5, 5, 0, -1, 5};
    int32_t key = 0, id;
    double prob;
    ti_pick p = {.n_rows = 1,
                 .n_cols = 8,
                 .n_terms = 1,
                 .logits = {row},
                 .scale = {1},
                 .keys = &key,
                 .ids = &id,
                 .probs = &prob};
    backends[0]->op->pick(backends[0], &p);
    assert_int_equal(id, 1);
    assert_true(prob > 0.2 && prob < 0.25);
}

/* Multinomial draws follow the softmax. */
static void test_pick_frequencies(void **state)
{
    (void)state;
    enum { N = 4000 };
    static float logits[N][2];
    static int32_t keys[N], ids[N];
    static double probs[N];
    for (int i = 0; i < N; i++) {
        logits[i][0] = 0;
        logits[i][1] = logf(3);
        keys[i] = i;
    }
    ti_pick p = {.n_rows = N,
                 .n_cols = 2,
                 .n_terms = 1,
                 .logits = {&logits[0][0]},
                 .scale = {1},
                 .method = TI_PICK_MULTINOMIAL,
                 .random = {1, 2},
                 .keys = keys,
                 .ids = ids,
                 .probs = probs};
    backends[2]->op->pick(backends[2], &p);
    int ones = 0;
    for (int i = 0; i < N; i++) ones += ids[i];
    assert_true(abs(ones - 3 * N / 4) < N / 20);
}

/* ---- keep -------------------------------------------------------------------------------- */

enum { KEEP_ROWS = 300 };

/* Probabilities of which every third is another row's. */
static void test_keep(void **state)
{
    (void)state;
    static const int ns[] = {0, 1, 2, 150, KEEP_ROWS - 1, KEEP_ROWS, KEEP_ROWS + 1};
    int32_t keys[KEEP_ROWS];
    double probs[KEEP_ROWS];
    for (int r = 0; r < KEEP_ROWS; r++) {
        keys[r] = 3 * r + 1;
        probs[r] = ti_random_uniform((ti_random){7, 7}, (uint64_t)(r % 3 ? r : r / 7));
    }
    probs[4] = probs[9] = 0; /* too small to have a logarithm */
    ti_pick pick = {.n_rows = KEEP_ROWS, .keys = keys, .probs = probs};
    for (int method = TI_KEEP_HIGHEST; method <= TI_KEEP_GUMBEL; method++)
        for (size_t i = 0; i < TEST_LENGTH(ns); i++)
            for (int hot = 0; hot < 2; hot++) {
                bool expected[KEEP_ROWS], got[KEEP_ROWS];
                ti_keep k = {&pick, (ti_keep_method)method, ns[i], hot ? 0.6 : 0, {5, 9}, expected};
                ti_plain_keep(&k);
                k.kept = got;
                backends[1]->op->keep(backends[1], &k);
                assert_memory_equal(got, expected, sizeof got);
            }
}

/* What the three methods do with equals, as the released code does. */
static void test_keep_ties(void **state)
{
    (void)state;
    static const struct {
        ti_keep_method method;
        int n;
        bool kept[6];
    } cases[] = {
        {TI_KEEP_HIGHEST, 3, {0, 1, 1, 1, 0, 0}}, {TI_KEEP_NORMAL, 2, {0, 1, 1, 1, 0, 1}},
        {TI_KEEP_NORMAL, 3, {0, 0, 1, 1, 0, 1}},  {TI_KEEP_GUMBEL, 3, {0, 1, 1, 1, 0, 1}},
        {TI_KEEP_GUMBEL, 5, {0, 0, 1, 0, 0, 0}},  {TI_KEEP_GUMBEL, 6, {0, 0, 0, 0, 0, 0}},
    };
    double probs[6] = {0.1, 0.5, 0.9, 0.5, 0.1, 0.5};
    int32_t keys[6] = {0, 1, 2, 3, 4, 5};
    ti_pick pick = {.n_rows = 6, .keys = keys, .probs = probs};
    for (size_t i = 0; i < TEST_LENGTH(cases); i++)
        for (int plain = 0; plain < 2; plain++) {
            bool kept[6];
            ti_keep k = {&pick, cases[i].method, cases[i].n, 0, {1, 1}, kept};
            if (plain)
                ti_plain_keep(&k);
            else
                backends[0]->op->keep(backends[0], &k);
            assert_memory_equal(kept, cases[i].kept, sizeof kept);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pick),      cmocka_unit_test(test_pick_stay),
        cmocka_unit_test(test_pick_ties), cmocka_unit_test(test_pick_frequencies),
        cmocka_unit_test(test_keep),      cmocka_unit_test(test_keep_ties),
    };
    return cmocka_run_group_tests(tests, create_backends, free_backends);
}

/* plan_test.c - what of an 8B model lies where on cards of every usual size, and of what type. */
#include "testing.h"

#include "backend/cuda/plan.h"

#define GB ((uint64_t)1000000000)
enum { LAYERS = 32, WIDTH = 4096, FF = 12288, VOCAB = 134656 };

static uint64_t bytes_of(ti_type type, uint64_t rows, uint64_t cols)
{
    return rows * ti_type_row_bytes(type, (int64_t)cols);
}

/* The matrices in the order they are bound; returns how many. */
static int list_matrices(ti_type f, uint64_t *bytes)
{
    int n = 0;
    bytes[n++] = bytes_of(f, VOCAB, WIDTH);
    for (int i = 0; i < LAYERS; i++) {
        for (int k = 0; k < 4; k++) bytes[n++] = bytes_of(f, WIDTH, WIDTH);
        for (int k = 0; k < 3; k++) bytes[n++] = bytes_of(f, WIDTH, FF);
    }
    bytes[n++] = bytes_of(f, VOCAB, WIDTH);
    return n;
}

static ti_cuda_form form_of(ti_type type, bool made)
{
    uint64_t bytes[512];
    int n = list_matrices(type, bytes);
    ti_cuda_form form = {.made = made, .type = type, .table = bytes[0]};
    for (int i = 0; i < n; i++) form.matrices += bytes[i];
    return form;
}

/* Of a file of TYPE that is to be kept as it is. */
static ti_cuda_needs needs_of(ti_type type, uint64_t lockable)
{
    ti_cuda_needs needs = {.n_forms = 1, .has_head = true, .lockable = lockable};
    needs.forms[0] = form_of(type, false);
    needs.floats = 400000000; /* the image tokeniser */
    needs.elements = form_of(TI_F32, false).matrices / 4;
    return needs;
}

/* The same where smaller types are allowed, too. */
static ti_cuda_needs choices_of(ti_type type, uint64_t lockable)
{
    static const ti_type smaller[] = {TI_BF16, TI_Q8_0, TI_Q4_K};
    ti_cuda_needs needs = needs_of(type, lockable);
    bool wide = type == TI_F32 || type == TI_BF16;
    for (size_t i = type == TI_F32 ? 0 : 1; wide && i < TEST_LENGTH(smaller); i++)
        needs.forms[needs.n_forms++] = form_of(smaller[i], true);
    return needs;
}

typedef struct outcome {
    uint64_t on_card, outside;
    bool table_outside;
    int longest; /* run of matrices on one side, where both sides have some */
} outcome;

static outcome place_all(ti_type f, uint64_t free)
{
    uint64_t bytes[512];
    te_error err;
    ti_cuda_plan p;
    outcome o = {0};
    int n = list_matrices(f, bytes), run = 0;
    ti_cuda_needs needs = needs_of(f, 64 * GB);
    ti_cuda_plan_begin(&p, free);
    assert_ok(ti_cuda_plan_expect(&p, &needs, &err), err);
    uint64_t promised = p.outside;
    bool before = false;
    for (int i = 0; i < n; i++) {
        bool on_card = ti_cuda_plan_place(&p, bytes[i], true, i == 0);
        *(on_card ? &o.on_card : &o.outside) += bytes[i];
        if (i == 0) {
            o.table_outside = !on_card;
            continue;
        }
        run = i > 1 && on_card == before ? run + 1 : 1;
        if (run > o.longest) o.longest = run;
        before = on_card;
    }
    assert_true(ti_cuda_plan_place(&p, needs.floats, false, false));
    assert_true(o.on_card + needs.floats + TI_CUDA_MARGIN + TI_CUDA_ROOM <= free || o.on_card == 0);
    /* What was promised comes true up to one matrix. */
    assert_true(o.outside + bytes[n - 1] >= promised && o.outside <= promised + bytes[n - 1]);
    return o;
}

/* A card's free memory is what it is called by less what the driver and a desktop took. */
static uint64_t card(int size)
{
    return (uint64_t)size * GB - 700000000;
}

static void expect(ti_type f, int size, double outside_gb, bool table_outside)
{
    outcome o = place_all(f, card(size));
    print_message("%s on %d GB: %.1f GB on the card, %.1f GB outside\n", ti_type_name(f), size,
                  (double)o.on_card / 1e9, (double)o.outside / 1e9);
    double more =
        (double)o.outside / 1e9 - outside_gb; /* the largest matrix, the head, may not fit */
    assert_true(more > -0.3 && more < 1.2);
    assert_int_equal(o.table_outside, table_outside);
}

static void test_cards(void **state)
{
    (void)state;
    expect(TI_BF16, 6, 13.3, true);
    expect(TI_BF16, 8, 11.3, true);
    expect(TI_BF16, 12, 7.3, true);
    expect(TI_BF16, 16, 3.3, true);
    expect(TI_BF16, 24, 0, false);
    expect(TI_BF16, 48, 0, false);
    expect(TI_Q8_0, 6, 5.7, true);
    expect(TI_Q8_0, 8, 3.7, true);
    expect(TI_Q8_0, 12, 0, false);
    expect(TI_Q4_K, 6, 1.7, true);
    expect(TI_Q4_K, 8, 0, false);
    expect(TI_Q4_K, 12, 0, false);
    expect(TI_BF16, 2, 16.1, true); /* no room at all: everything streams */
}

/* Half of a model outside: never more than a few matrices of one side in a row. */
static void test_spread(void **state)
{
    (void)state;
    outcome o = place_all(TI_BF16, card(12));
    assert_true(o.on_card > 0 && o.outside > 0);
    assert_in_range(o.longest, 1, 6);
}

/* The token table is the head as well: it is multiplied, and stays like any matrix. */
static void test_tied(void **state)
{
    (void)state;
    te_error err;
    ti_cuda_plan p;
    ti_cuda_needs needs = needs_of(TI_Q4_K, 64 * GB);
    needs.has_head = false;
    ti_cuda_plan_begin(&p, card(6));
    assert_ok(ti_cuda_plan_expect(&p, &needs, &err), err);
    assert_false(p.table_outside);
}

static void test_impossible(void **state)
{
    (void)state;
    te_error err;
    ti_cuda_plan p;
    ti_cuda_needs needs = needs_of(TI_BF16, 8 * GB);
    ti_cuda_plan_begin(&p, card(6));
    assert_int_equal(ti_cuda_plan_expect(&p, &needs, &err), TE_NOMEM);
    print_message("%s\n", err.message);
    assert_non_null(strstr(err.message, "16.2 GB"));
    assert_non_null(strstr(err.message, "8.0 GB are free"));
    assert_non_null(strstr(err.message, "take the model as q8_0 or device cpu"));
    needs.lockable = 1 * GB;
    ti_cuda_plan_begin(&p, 3 * GB);
    assert_int_equal(ti_cuda_plan_expect(&p, &needs, &err), TE_NOMEM);
    assert_non_null(strstr(err.message, "take a smaller model or device cpu"));
}

/* ---- types, as the README has them ------------------------------------------------------- */

/* A file of TYPE on a card of SIZE GB beside MEMORY GB of main memory is kept as KEPT. */
static void expect_kept(ti_type type, int size, int memory, ti_type kept, double outside_gb)
{
    te_error err;
    ti_cuda_plan p;
    ti_cuda_needs needs = choices_of(type, (uint64_t)memory * GB);
    ti_cuda_plan_begin(&p, card(size));
    assert_ok(ti_cuda_plan_expect(&p, &needs, &err), err);
    print_message(
        "%s on %d GB beside %d GB: %s, %.1f GB outside, %.1f GB in every pass instead of %.1f\n",
        ti_type_name(type), size, memory, ti_type_name(p.form.type), (double)p.outside / 1e9,
        (double)p.streamed / 1e9, (double)p.spared / 1e9);
    assert_int_equal(p.form.type, kept);
    assert_int_equal(p.form.made, kept != type);
    assert_int_equal(p.spared > 0, kept != type);
    assert_true((double)p.outside / 1e9 > outside_gb - 0.1 &&
                (double)p.outside / 1e9 < outside_gb + 0.1);
    if (p.outside) assert_true(p.outside + TI_CUDA_LOCK_MARGIN <= needs.lockable);
}

static void test_types(void **state)
{
    (void)state;
    expect_kept(TI_BF16, 6, 32, TI_Q4_K, 1.8);
    expect_kept(TI_BF16, 8, 32, TI_Q8_0, 3.8);
    expect_kept(TI_BF16, 12, 32, TI_Q8_0, 0);
    expect_kept(TI_BF16, 16, 32, TI_BF16, 3.4); /* 2.3 GB a pass stream behind the products */
    expect_kept(TI_BF16, 24, 32, TI_BF16, 0);
    expect_kept(TI_BF16, 80, 32, TI_BF16, 0);
    expect_kept(TI_Q8_0, 6, 32, TI_Q8_0, 5.8);
    expect_kept(TI_Q8_0, 8, 32, TI_Q8_0, 3.8);
    expect_kept(TI_Q4_K, 6, 32, TI_Q4_K, 1.8);
    for (size_t i = 0; i < 4; i++) {
        static const int sizes[] = {12, 16, 24, 80};
        expect_kept(TI_Q8_0, sizes[i], 32, TI_Q8_0, 0);
        expect_kept(TI_Q4_K, sizes[i], 32, TI_Q4_K, 0);
    }
    expect_kept(TI_Q4_K, 8, 32, TI_Q4_K, 0);
    expect_kept(TI_F32, 80, 32, TI_F32, 0);
    expect_kept(TI_F32, 24, 32, TI_BF16, 0);
    expect_kept(TI_F32, 12, 32, TI_Q8_0, 0);
}

/* Main memory that has no place for what would wait there speaks for a smaller type, too. */
static void test_types_beside_little_memory(void **state)
{
    (void)state;
    expect_kept(TI_BF16, 16, 4, TI_Q8_0, 0);
    expect_kept(TI_BF16, 8, 5, TI_Q4_K, 0);
    te_error err;
    ti_cuda_plan p;
    ti_cuda_needs needs = choices_of(TI_BF16, 3 * GB);
    ti_cuda_plan_begin(&p, card(6));
    assert_int_equal(ti_cuda_plan_expect(&p, &needs, &err), TE_NOMEM);
    print_message("%s\n", err.message);
    assert_non_null(
        strstr(err.message, "16.2 GB")); /* the file's, and no smaller type is advised */
    assert_non_null(strstr(err.message, "take a smaller model or device cpu"));
}

/* A card with no room for any weight streams the smallest. */
static void test_types_of_no_card(void **state)
{
    (void)state;
    expect_kept(TI_BF16, 2, 32, TI_Q4_K, 4.6);
}

/* Nobody said what comes: first come, first served. */
static void test_unexpected(void **state)
{
    (void)state;
    ti_cuda_plan p;
    ti_cuda_plan_begin(&p, TI_CUDA_MARGIN + TI_CUDA_ROOM + 100);
    assert_true(ti_cuda_plan_place(&p, 60, true, false));
    assert_true(ti_cuda_plan_place(&p, 30, false, false));
    assert_false(ti_cuda_plan_place(&p, 11, true, false));
    assert_true(ti_cuda_plan_place(&p, 10, true, true));
    assert_true(ti_cuda_plan_place(&p, 10, false, false)); /* no matrix: on the card in any case */
    assert_false(ti_cuda_plan_place(&p, 1, true, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cards),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_tied),
        cmocka_unit_test(test_impossible),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_types_beside_little_memory),
        cmocka_unit_test(test_types_of_no_card),
        cmocka_unit_test(test_unexpected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

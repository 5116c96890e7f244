/* plan_test.c - what of an 8B model lies where on cards of every usual size. */
#include "testing.h"

#include "backend/cuda/plan.h"

#define GB ((uint64_t)1000000000)
enum { LAYERS = 32, WIDTH = 4096, FF = 12288, VOCAB = 134656 };

typedef struct form {
    const char *name;
    uint64_t numbers, bytes; /* of a block */
} form;

static const form bf16 = {"bf16", 1, 2}, q8_0 = {"q8_0", 32, 34}, q4_k = {"q4_k", 256, 144};

static uint64_t bytes_of(const form *f, uint64_t rows, uint64_t cols)
{
    return rows * cols / f->numbers * f->bytes;
}

/* The matrices in the order they are bound; returns how many. */
static int list_matrices(const form *f, uint64_t *bytes)
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

static ti_cuda_needs needs_of(const form *f, uint64_t lockable)
{
    uint64_t bytes[512];
    int n = list_matrices(f, bytes);
    ti_cuda_needs needs = {.table = bytes[0], .has_head = true, .lockable = lockable};
    needs.floats = 400000000; /* the image tokeniser */
    for (int i = 0; i < n; i++) needs.matrices += bytes[i];
    needs.elements = needs.matrices * f->numbers / f->bytes;
    return needs;
}

typedef struct outcome {
    uint64_t on_card, outside;
    bool table_outside;
    int longest; /* run of matrices on one side, where both sides have some */
} outcome;

static outcome place_all(const form *f, uint64_t free)
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

static void expect(const form *f, int size, double outside_gb, bool table_outside)
{
    outcome o = place_all(f, card(size));
    print_message("%s on %d GB: %.1f GB on the card, %.1f GB outside\n", f->name, size,
                  (double)o.on_card / 1e9, (double)o.outside / 1e9);
    double more = (double)o.outside / 1e9 - outside_gb; /* the largest matrix, the head, may not fit */
    assert_true(more > -0.3 && more < 1.2);
    assert_int_equal(o.table_outside, table_outside);
}

static void test_cards(void **state)
{
    (void)state;
    expect(&bf16, 6, 13.3, true);
    expect(&bf16, 8, 11.3, true);
    expect(&bf16, 12, 7.3, true);
    expect(&bf16, 16, 3.3, true);
    expect(&bf16, 24, 0, false);
    expect(&bf16, 48, 0, false);
    expect(&q8_0, 6, 5.7, true);
    expect(&q8_0, 8, 3.7, true);
    expect(&q8_0, 12, 0, false);
    expect(&q4_k, 6, 1.7, true);
    expect(&q4_k, 8, 0, false);
    expect(&q4_k, 12, 0, false);
    expect(&bf16, 2, 16.1, true); /* no room at all: everything streams */
}

/* Half of a model outside: never more than a few matrices of one side in a row. */
static void test_spread(void **state)
{
    (void)state;
    outcome o = place_all(&bf16, card(12));
    assert_true(o.on_card > 0 && o.outside > 0);
    assert_in_range(o.longest, 1, 6);
}

/* The token table is the head as well: it is multiplied, and stays like any matrix. */
static void test_tied(void **state)
{
    (void)state;
    te_error err;
    ti_cuda_plan p;
    ti_cuda_needs needs = needs_of(&q4_k, 64 * GB);
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
    ti_cuda_needs needs = needs_of(&bf16, 8 * GB);
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
        cmocka_unit_test(test_cards),      cmocka_unit_test(test_spread),
        cmocka_unit_test(test_tied),       cmocka_unit_test(test_impossible),
        cmocka_unit_test(test_unexpected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

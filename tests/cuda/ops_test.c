/* ops_test.c - every op of the CUDA backend against backend/cpu/plain.c, in each of its kinds of
 * number: exact (float32 weights), bf16 (bf16, f16, q8_0 and q4_k weights) and FP8. It takes
 * whatever module lies beside the program: the emulated one in the build's tests, the real one on a
 * machine with a card. */
#include "ops.h"

/* Two backends in one process, taken in turns, know nothing of each other. */
static void test_two_backends(void **state)
{
    (void)state;
    ti_backend *one = ops_open_device("cuda");
    te_error err;
    ti_backend *two = NULL;
    if (ti_backend_create(&two, "cuda:1", 1, &err))
        two = ops_open_device("cuda"); /* a machine with one card */
    float a[4] = {1, 2, 3, 4}, b[4] = {10, 20, 30, 40}, got[4];
    void *on_one = ops_to_device(one, a, 4, false), *on_two = ops_to_device(two, b, 4, false);
    for (int i = 0; i < 3; i++) {
        one->op->add(one, on_one, on_one, 4);
        two->op->add(two, on_two, on_two, 4);
    }
    ops_from_device(one, got, on_one, 4, false);
    for (int i = 0; i < 4; i++) assert_true(got[i] == 8 * a[i]);
    ops_from_device(two, got, on_two, 4, false);
    for (int i = 0; i < 4; i++) assert_true(got[i] == 8 * b[i]);
    one->op->release(one, on_one), two->op->release(two, on_two);
    ti_backend_free(one), ti_backend_free(two);
}

static void test_memory(void **state)
{
    (void)state;
    ti_backend *be = ops_open_device("cuda");
    te_error err;
    void *memory;
    uint64_t before = be->op->memory_free(be);
    assert_true(before > 0);
    assert_int_equal(be->op->alloc(be, (size_t)1 << 50, &memory, &err), TE_NOMEM);
    assert_null(memory);
    assert_non_null(strstr(err.message, "GB free"));
    assert_ok(be->op->alloc(be, 1 << 20, &memory, &err), err); /* the failure is over */
    be->op->release(be, memory);
    float odd[33] = {0};
    ti_tensor bad = {
        .name = "odd", .type = TI_Q8_0, .n_dims = 2, .shape = {1, 33, 1, 1}, .data = odd};
    ti_weight *w;
    assert_int_equal(be->op->weight_create(be, &bad, &w, &err), TE_FORMAT);
    assert_null(w);
    ti_backend_free(be);
}

static int open_judge(void **state)
{
    (void)state;
    te_error err;
    return ti_cpu_create(&ops_judge, 1, &err);
}

static int close_judge(void **state)
{
    (void)state;
    ti_backend_free(ops_judge);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_fp8_products),
        cmocka_unit_test(test_fp8_of_other_cards),
        cmocka_unit_test(test_products_of_other_cards),
        cmocka_unit_test(test_mixed_matrices),
        cmocka_unit_test(test_weights_without_a_place),
        cmocka_unit_test(test_streamed_products),
        cmocka_unit_test(test_embed_and_gather),
        cmocka_unit_test(test_embed_kept),
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_of_other_cards),
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_pick_ties),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_keep_belongs_to_its_pick),
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_image_ops),
        cmocka_unit_test(test_pixel_attention),
        cmocka_unit_test(test_two_backends),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, open_judge, close_judge);
}

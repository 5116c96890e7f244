/* sequence_test.c - sequences golden data does not have: generations, filled instructions, and the
 * cut of an unconditional prefix that would reach into what is denoised. */
#include "testing.h"

#include "denoise/layout.h"

static const ti_layout m = {.profile = TI_PROFILE_M,
                            .mask = 99,
                            .image_offset = 200,
                            .codebook = 16,
                            .grid_h = 1,
                            .grid_w = 2,
                            .edit_task = 1,
                            .generate_task = 2,
                            .soi = 3,
                            .eoi = 4,
                            .bos = 5,
                            .eos = 6};
static const ti_layout a = {.profile = TI_PROFILE_A,
                            .mask = 99,
                            .image_offset = 200,
                            .codebook = 16,
                            .grid_h = 2,
                            .grid_w = 1,
                            .eoi = 4,
                            .boi = 3,
                            .newline = 7,
                            .uncondition = 8,
                            .answer_start = 9,
                            .answer_end = 10};
static const int32_t words[] = {50, 51, 52}, bare[] = {50, 8, 52}, codes[] = {11, 12};

static ti_sequence *create(const ti_sequence_input *in)
{
    te_error err;
    ti_sequence *s;
    assert_ok(ti_sequence_create(&s, in, &err), err);
    assert_int_equal(s->n, ti_sequence_length(in));
    return s;
}

static void expect_tokens(const int32_t *got, int n, const int32_t *expected, int n_expected)
{
    assert_int_equal(n, n_expected);
    for (int i = 0; i < n; i++) assert_int_equal(got[i], expected[i]);
}

#define EXPECT(got, n, ...)                                                                        \
    expect_tokens(got, n, (const int32_t[]){__VA_ARGS__},                                          \
                  (int)TEST_LENGTH(((const int32_t[]){__VA_ARGS__})))

static void test_generation_m(void **state)
{
    (void)state;
    ti_sequence_input in = {.layout = &m,
                            .instruction = words,
                            .n_instruction = 3,
                            .grid_h = 1,
                            .grid_w = 2,
                            .text_len = 3};
    ti_sequence *s = create(&in);
    EXPECT(s->tokens, s->n, 2, 5, 50, 51, 52, 6, 3, 99, 99, 4, 5, 99, 99);
    EXPECT(s->unconditional[0], s->n_unconditional[0], 2, 5, 6, 6, 6, 6);
    assert_int_equal(s->n_unconditional[1], 0);
    assert_int_equal(s->text_first, 10);
    assert_int_equal(s->image_at[1], 8);
    ti_sequence_free(s);
}

static void test_filled_instruction(void **state)
{
    (void)state;
    ti_layout filled = m;
    filled.instruction_len = 5;
    ti_sequence_input in = {.layout = &filled,
                            .instruction = words,
                            .n_instruction = 3,
                            .codes = codes,
                            .grid_h = 1,
                            .grid_w = 2,
                            .text_len = 2};
    ti_sequence *s = create(&in);
    EXPECT(s->tokens, s->n_prefix, 1, 3, 211, 212, 4, 5, 50, 51, 52, 6, 6, 6);
    EXPECT(s->unconditional[0], s->n_unconditional[0], 1, 3, 0, 0, 4, 5, 6, 6, 6, 6, 6, 6);
    ti_sequence_free(s);
    filled.instruction_len = 2; /* a longer instruction stays whole */
    s = create(&in);
    EXPECT(s->tokens, s->n_prefix, 1, 3, 211, 212, 4, 5, 50, 51, 52, 6);
    ti_sequence_free(s);
}

static void test_a(void **state)
{
    (void)state;
    ti_sequence_input in = {.layout = &a,
                            .instruction = words,
                            .n_instruction = 3,
                            .bare = bare,
                            .n_bare = 3,
                            .grid_h = 2,
                            .grid_w = 1,
                            .text_len = 2};
    ti_sequence *s = create(&in);
    EXPECT(s->tokens, s->n, 50, 51, 52, 9, 3, 99, 7, 99, 7, 4, 99, 99, 10);
    EXPECT(s->unconditional[0], s->n_unconditional[0], 50, 8, 52);
    assert_int_equal(s->n_unconditional[1], 0); /* there is no picture to leave out */
    ti_sequence_free(s);
    in.codes = codes;
    s = create(&in);
    EXPECT(s->tokens, s->n_prefix, 50, 51, 3, 211, 7, 212, 7, 4, 52);
    EXPECT(s->unconditional[1], s->n_unconditional[1], 50, 51, 52);
    ti_sequence_free(s);
}

static void test_long_unconditional_is_cut(void **state)
{
    (void)state;
    static const int32_t longer[] = {1, 2, 3, 4, 5};
    te_error err;
    ti_sequence *s;
    assert_ok(ti_sequence_from_prefix(&s, &m, words, 3, 1, 2, 2, &err), err);
    assert_ok(ti_sequence_set_unconditional(s, 0, longer, 5, &err), err);
    EXPECT(s->unconditional[0], s->n_unconditional[0], 1, 2, 3);
    ti_sequence_free(s);
    ti_sequence_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generation_m),
        cmocka_unit_test(test_filled_instruction),
        cmocka_unit_test(test_a),
        cmocka_unit_test(test_long_unconditional_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

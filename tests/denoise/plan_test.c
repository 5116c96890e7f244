/* plan_test.c - schedules, reveal counts, text blocks and the three strategies. */
#include "testing.h"

#include <math.h>

#include "denoise/plan.h"

static ti_plan plan_for(ti_profile profile, int text_len, te_options opt)
{
    ti_sequence s = {.layout = {.profile = profile}, .text_count = text_len};
    ti_plan plan;
    te_error err;
    assert_ok(ti_plan_create(&plan, &s, &opt, &err), err);
    return plan;
}

static void test_schedules(void **state)
{
    (void)state;
    for (int s = TE_COSINE; s <= TE_SIGMOID; s++) {
        double before = 1;
        assert_true(fabs(ti_schedule_masked((te_schedule)s, 2, 0) - 1) < 1e-12);
        assert_true(fabs(ti_schedule_masked((te_schedule)s, 2, 1)) < 1e-12);
        for (int i = 1; i <= 100; i++) {
            double masked = ti_schedule_masked((te_schedule)s, 2, i / 100.0);
            assert_true(masked <= before);
            before = masked;
        }
    }
    assert_true(fabs(ti_schedule_masked(TE_COSINE, 1, 0.5) - sqrt(0.5)) < 1e-12);
    assert_true(fabs(ti_schedule_masked(TE_LINEAR, 1, 0.25) - 0.75) < 1e-12);
    assert_true(fabs(ti_schedule_masked(TE_POW, 3, 0.5) - 0.875) < 1e-12);
    assert_true(fabs(ti_schedule_masked(TE_SIGMOID, 1, 0.5) - 0.5) < 1e-12);
}

/* Reveals every mask of every window by its last step, as many as each variant says. */
static void check_text(ti_profile profile, int text_len, int steps, int block)
{
    ti_plan plan =
        plan_for(profile, text_len,
                 (te_options){.text_steps = steps, .image_steps = 1, .text_block = block});
    int revealed = 0, at = profile == TI_PROFILE_M;
    for (int i = 0; i < plan.n_steps; i++) {
        const ti_plan_step *step = &plan.steps[i];
        int masked = step->text_first + step->text_count - at;
        assert_true(step->text_first <= at && step->text_first + step->text_count <= text_len);
        int n = ti_plan_reveal(step, profile, masked);
        at += n;
        revealed += n;
        if (step->text_step == step->text_steps - 1)
            assert_int_equal(at, step->text_first + step->text_count);
    }
    assert_int_equal(revealed, text_len - (profile == TI_PROFILE_M));
    ti_plan_clear(&plan);
}

static void test_text(void **state)
{
    (void)state;
    static const int lengths[] = {2, 16, 64, 255, 256}, steps[] = {1, 2, 7, 32, 128, 300};
    static const int blocks[] = {0, 1, 3, 64, 100, 1000};
    for (int profile = TI_PROFILE_M; profile <= TI_PROFILE_A; profile++)
        for (size_t l = 0; l < TEST_LENGTH(lengths); l++)
            for (size_t s = 0; s < TEST_LENGTH(steps); s++)
                for (size_t b = 0; b < TEST_LENGTH(blocks); b++)
                    check_text((ti_profile)profile, lengths[l], steps[s], blocks[b]);
}

/* The paper: 256 positions, blocks of 64, 128 steps, two tokens a step. */
static void test_paper_blocks(void **state)
{
    (void)state;
    ti_plan plan = plan_for(TI_PROFILE_M, 256,
                            (te_options){.text_steps = 128, .image_steps = 30, .text_block = 64});
    assert_int_equal(plan.n_steps, 128);
    assert_int_equal(plan.steps[0].text_first, 1); /* after bos */
    assert_int_equal(plan.steps[0].text_count, 63);
    assert_int_equal(plan.steps[32].text_first, 64);
    assert_int_equal(ti_plan_reveal(&plan.steps[32], TI_PROFILE_M, 64), 2);
    assert_int_equal(plan.steps[127].text_first, 192);
    ti_plan_clear(&plan);
}

static int count_images(const ti_plan *plan, int *first, int *last)
{
    int n = 0;
    *first = *last = -1;
    for (int i = 0; i < plan->n_steps; i++) {
        if (!plan->steps[i].image) continue;
        if (!n++) *first = i;
        *last = i;
        assert_true(plan->steps[i].time > 0 && plan->steps[i].time <= 1);
        assert_int_equal(plan->steps[i].last_image, i == plan->n_steps - 1);
    }
    return n;
}

static void test_strategies(void **state)
{
    (void)state;
    te_options opt = {.text_steps = 128, .image_steps = 30};
    int first, last;
    ti_plan plan = plan_for(TI_PROFILE_M, 256, opt);
    assert_int_equal(count_images(&plan, &first, &last), 30);
    assert_int_equal(first, 32);
    assert_int_equal(last, 127);
    assert_true(plan.steps[32].time == 33.0 / 128);
    ti_plan_clear(&plan);

    opt.strategy = TE_SEMI_PARALLEL;
    plan = plan_for(TI_PROFILE_M, 256, opt);
    assert_int_equal(count_images(&plan, &first, &last), 30);
    assert_int_equal(first, 64);
    assert_true(plan.steps[64].time == 1.0 / 64 && plan.steps[127].time == 1);
    ti_plan_clear(&plan);

    opt.strategy = TE_SEQUENTIAL;
    plan = plan_for(TI_PROFILE_A, 256, opt);
    assert_int_equal(plan.n_steps, 158);
    assert_int_equal(count_images(&plan, &first, &last), 30);
    assert_int_equal(first, 128);
    assert_int_equal(plan.steps[127].text_count, 256);
    assert_int_equal(plan.steps[128].text_count, 0);
    assert_true(plan.steps[128].time == 1.0 / 30);
    ti_plan_clear(&plan);
}

/* Places by hand: round(linspace(4, 15, 6)), halves to even. More image steps than there is room
 * for fall together. */
static void test_image_steps(void **state)
{
    (void)state;
    static const int expected[] = {4, 6, 8, 11, 13, 15};
    ti_plan plan = plan_for(TI_PROFILE_A, 16, (te_options){.text_steps = 16, .image_steps = 6});
    for (int i = 0, k = 0; i < 16; i++) {
        bool image = k < 6 && expected[k] == i;
        assert_int_equal(plan.steps[i].image, image);
        k += image;
    }
    ti_plan_clear(&plan);
    int first, last;
    plan = plan_for(TI_PROFILE_M, 16, (te_options){.text_steps = 4, .image_steps = 100});
    assert_int_equal(count_images(&plan, &first, &last), 3);
    ti_plan_clear(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedules),    cmocka_unit_test(test_text),
        cmocka_unit_test(test_paper_blocks), cmocka_unit_test(test_strategies),
        cmocka_unit_test(test_image_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

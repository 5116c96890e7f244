/* memory_test.c - a sample, a picture and a verdict survive any allocation that fails. */
#include "testing.h"

#include "alloc.h"
#include "world/check.h"
#include "world/world.h"

static te_status one_sample(void *user, te_error *err)
{
    ti_world_sample s;
    te_status st =
        ti_world_make_category(&s, 3, TI_WORLD_HELD_OUT, *(ti_world_category *)user, 32, err);
    if (st) return st;
    ti_verdict v;
    st = ti_check(&v, &s, s.output, s.input, s.reasoning, err);
    ti_world_clear(&s);
    return st;
}

static te_status one_picture(void *user, te_error *err)
{
    static uint8_t rgb[32 * 32 * 3];
    return ti_world_picture(rgb, *(uint64_t *)user, 32, err);
}

static void test_samples(void **state)
{
    (void)state;
    for (ti_world_category c = 0; c < TI_WORLD_CATEGORIES; c++)
        test_every_allocation(one_sample, &c);
}

static void test_pictures(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) test_every_allocation(one_picture, &seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_samples),
                                       cmocka_unit_test(test_pictures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

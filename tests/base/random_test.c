/* Philox against the known answers of its authors' kat_vectors, and the moments of what is built on
 * it. */
#include "testing.h"
#include "base/random.h"

#include <math.h>

static void test_known_answers(void **state)
{
    (void)state;
    uint32_t w[4];
    ti_random_words((ti_random){0, 0}, 0, w);
    assert_int_equal(w[0], 0x6627e8d5u);
    assert_int_equal(w[1], 0xe169c58du);
    assert_int_equal(w[2], 0xbc57ac4cu);
    assert_int_equal(w[3], 0x9b00dbd8u);
    ti_random_words((ti_random){~0ull, ~0ull}, ~0ull, w);
    assert_int_equal(w[0], 0x408f276du);
    assert_int_equal(w[3], 0x6d5451fdu);
}

static void test_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    ti_random r = {42, 7};
    double u = 0, g = 0, z = 0, z2 = 0;
    for (uint64_t i = 0; i < N; i++) {
        double v = ti_random_uniform(r, i), n = ti_random_normal(r, i);
        assert_true(v > 0 && v < 1);
        u += v;
        g += ti_random_gumbel(r, i);
        z += n;
        z2 += n * n;
        assert_true(ti_random_below(r, i, 7) < 7);
    }
    assert_true(fabs(u / N - 0.5) < 0.005);
    assert_true(fabs(g / N - 0.5772) < 0.02);
    assert_true(fabs(z / N) < 0.01);
    assert_true(fabs(z2 / N - 1) < 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_answers),
                                       cmocka_unit_test(test_moments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

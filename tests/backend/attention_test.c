/* attention_test.c - attention in bf16 against the plain one on the same rounded numbers: odd
 * counts of keys, queries and channels, shared key heads, and a running maximum that rises late;
 * the same bits for any number of threads and whatever queries go along. */
#include "testing.h"

#include <math.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/plain.h"
#include "base/random.h"

static const struct shape {
    ti_heads heads;
    int n_queries, n_keys;
} shapes[] = {{{1, 1, 2}, 1, 1},       {{2, 2, 16}, 33, 126},  {{4, 2, 6}, 70, 127},
              {{2, 1, 128}, 700, 300}, {{3, 3, 40}, 321, 253}, {{1, 1, 128}, 5, 1000}};

static float *numbers(size_t n, uint64_t stream, float scale)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        float v = scale * (float)ti_random_normal((ti_random){5, stream}, i);
        x[i] = ti_bf16_to_float(ti_float_to_bf16(v));
    }
    return x;
}

static void attend(float *y, const struct shape *s, int n_queries, const float *q, const float *k,
                   const float *v, int threads, bool bf16_instructions)
{
    te_error err;
    ti_backend *be;
    assert_ok(ti_cpu_create(&be, threads, &err), err);
    ti_cpu *cpu = (ti_cpu *)be;
    cpu->rounded = q;
    if (!bf16_instructions) cpu->features.avx512_bf16 = false;
    const ti_segment segment = {0, n_queries, 0, s->n_keys};
    be->op->attention(be, y, q, k, v, &s->heads, &segment, 1);
    ti_backend_free(be);
}

static void check(const struct shape *s)
{
    const ti_heads *h = &s->heads;
    const size_t row = (size_t)h->n_heads * (size_t)h->head_size, n = (size_t)s->n_queries * row;
    const size_t kv = (size_t)s->n_keys * (size_t)h->n_kv_heads * (size_t)h->head_size;
    float *q = numbers(n, 1, 2), *k = numbers(kv, 2, 1), *v = numbers(kv, 3, 1),
          *room = numbers((size_t)s->n_keys, 4, 1);
    for (size_t i = kv / 2; i < kv; i++)
        k[i] *= 2; /* later keys score higher; powers of two stay bf16 */
    float *expected = numbers(n, 5, 1), *y = numbers(n, 5, 1), *again = numbers(n, 5, 1);
    const ti_segment segment = {0, s->n_queries, 0, s->n_keys};
    ti_plain_attention(expected, q, k, v, h, &segment, 1, room);
    for (int path = 0; path < 2; path++) {
        attend(y, s, s->n_queries, q, k, v, 1, path == 0);
        for (size_t i = 0; i < n; i++)
            if (!(fabsf(y[i] - expected[i]) < 0.02f))
                fail_msg("%d queries, %d keys, size %d, path %d: element %zu is %g, not %g",
                         s->n_queries, s->n_keys, h->head_size, path, i, y[i], expected[i]);
        attend(again, s, s->n_queries, q, k, v, 3, path == 0);
        assert_memory_equal(y, again, n * sizeof *y);
        attend(again, s, (s->n_queries + 1) / 2, q, k, v, 2, path == 0);
        assert_memory_equal(y, again, (size_t)((s->n_queries + 1) / 2) * row * sizeof *y);
    }
    free(q), free(k), free(v), free(room), free(expected), free(y), free(again);
}

static void test_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_LENGTH(shapes); i++) check(&shapes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

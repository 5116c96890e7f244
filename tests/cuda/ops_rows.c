/* ops_rows.c - embedding, norms, rotary angles and attention */
#include "ops.h"

void test_embed_and_gather(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_F32, TI_F16, TI_BF16, TI_Q8_0, TI_Q4_K};
    static const int32_t tokens[] = {0, 8, 3, 3, 7}, rows[] = {4, 0, 2};
    for (size_t i = 0; i < TEST_LENGTH(types); i++) {
        ti_backend *be = ops_open_device("cuda");
        ops_matrix table = ops_make_weight(be, "token_embd.weight", types[i], 9, 256, 1);
        float *expected = ops_floats(5 * 256, 2), *got = ops_floats(5 * 256, 3), wanted[3 * 256],
              few[3 * 256];
        void *x = ops_to_device(be, got, 5 * 256, false),
             *y = ops_to_device(be, got, 3 * 256, false);
        ti_plain_embed(expected, table.plain, tokens, 5);
        be->op->embed(be, x, table.w, tokens, 5);
        be->op->gather(be, y, x, rows, 3, 256);
        ops_from_device(be, got, x, 5 * 256, false);
        ops_from_device(be, few, y, 3 * 256, false);
        ti_plain_gather(wanted, expected, rows, 3, 256);
        double limit = types[i] == TI_F16 ? 2e-3 : 1e-7; /* F16 is kept as bf16 */
        assert_true(ops_error_of(got, expected, 5 * 256) < limit);
        assert_true(ops_error_of(few, wanted, 3 * 256) < limit);
        be->op->release(be, x), be->op->release(be, y);
        free(expected), free(got);
        ops_free_weight(be, &table);
        ti_backend_free(be);
    }
}

void test_embed_kept(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_F32, TI_BF16, TI_Q8_0, TI_Q4_K};
    static const int32_t rows[] = {1, 3, 2};
    for (size_t i = 0; i < TEST_LENGTH(types); i++) {
        ti_backend *be = ops_open_device("cuda");
        ops_matrix table = ops_make_weight(be, "token_embd.weight", types[i], 9, 256, 1);
        float logits[3 * 9] = {[8] = 9, [9 + 3] = 1, [18 + 5] = 9}; /* the second is unsure */
        int32_t keys[] = {0, 1, 2}, ids[3];
        double probs[3];
        bool kept[3];
        te_error err;
        float *expected = ops_floats(6 * 256, 2), *got = ops_floats(6 * 256, 2);
        void *x = ops_to_device(be, got, 6 * 256, false),
             *l = ops_to_device(be, logits, 3 * 9, false);
        ti_pick pick = {.n_rows = 3,
                        .n_cols = 9,
                        .n_terms = 1,
                        .logits = {l},
                        .scale = {1},
                        .keys = keys,
                        .ids = ids,
                        .probs = probs};
        ti_keep keep = {.pick = &pick, .n = 2, .kept = kept};
        be->op->pick(be, &pick);
        be->op->keep(be, &keep);
        be->op->embed_kept(be, x, table.w, &keep, rows, 2); /* before the host knows */
        assert_ok(be->op->sync(be, &err), err);
        assert_true(kept[0] && !kept[1] && kept[2] && ids[0] == 8 && ids[2] == 5);
        ti_plain_embed_kept(expected, table.plain, &keep, rows, 2);
        ops_from_device(be, got, x, 6 * 256, false);
        assert_true(ops_error_of(got, expected, 6 * 256) < 1e-7);
        be->op->release(be, x), be->op->release(be, l);
        free(expected), free(got);
        ops_free_weight(be, &table);
        ti_backend_free(be);
    }
}

void test_norm(void **state)
{
    (void)state;
    static const int widths[] = {1, 15, 64, 1001};
    static const int32_t rows[] = {3, 0, 5, 5};
    for (size_t i = 0; i < 2 * TEST_LENGTH(widths); i++) {
        ti_backend *be = ops_open_kind(i % 2);
        int width = widths[i / 2];
        size_t n = 6 * (size_t)width;
        ops_matrix gain = ops_make_weight(be, "test", TI_F32, width, 0, 1);
        float *x = ops_floats(n, 2), *expected = ops_floats(n, 3), *got = ops_floats(n, 3),
              *g = ops_floats((size_t)width, 1);
        void *device_x = ops_to_device(be, x, n, false), *y = ops_to_device(be, got, n, true);
        for (int some = 0; some < 2; some++) {
            int n_rows = some ? 4 : 6;
            ti_plain_norm(expected, x, some ? rows : NULL, n_rows, g, width, 1e-5f);
            be->op->norm(be, y, device_x, some ? rows : NULL, n_rows, gain.w, 1e-5f);
            ops_from_device(be, got, y, (size_t)(n_rows * width), true);
            assert_true(ops_error_of(got, expected, (size_t)(n_rows * width)) <
                        ops_tolerance(be, false));
        }
        be->op->release(be, device_x), be->op->release(be, y);
        free(x), free(expected), free(got), free(g);
        ops_free_weight(be, &gain);
        ti_backend_free(be);
    }
}

/* Turned values are rounded once: each is the nearest bf16 of the true one, but for the angle's and
 * the sum's own error. (Rounded before the turn as well, one that is small beside its partner would
 * be off by up to the partner's rounding.) */
void test_rope(void **state)
{
    (void)state;
    static const int32_t positions[] = {0, 1, 2339, 77, 4095};
    static const int sizes[] = {2, 6, 16, 128};
    enum { ROWS = 5, IN = 64 };
    for (size_t i = 0; i < 2 * TEST_LENGTH(sizes); i++) {
        bool exact = i % 2;
        ti_backend *be = ops_open_kind(exact);
        int size = sizes[i / 2], width = 3 * size;
        size_t n = ROWS * (size_t)width;
        ti_rope rope = {positions, size, 500000};
        ops_matrix w = ops_make_weight(be, "test", exact ? TI_F32 : TI_BF16, width, IN, 1);
        float *x = ops_floats(ROWS * IN, 2), *expected = ops_floats(n, 3), *got = ops_floats(n, 3);
        float room[IN];
        be->op->values_bytes(be, ROWS, width); /* as a session does */
        void *device_x = ops_to_device(be, x, ROWS * IN, true);
        void *y = ops_to_device(be, got, n, true);
        ti_plain_linear_rope(expected, x, w.plain, ROWS, &rope, room);
        be->op->linear_rope(be, y, device_x, w.w, ROWS, &rope);
        ops_from_device(be, got, y, n, true);
        for (size_t e = 0; e < n; e++) {
            double angle = 1e-6 * (1 + positions[e / (size_t)width]);
            double limit = (exact ? 0 : fabs((double)expected[e]) / 256) + 8 * (angle + 1e-6);
            if (fabs((double)got[e] - (double)expected[e]) > limit)
                fail_msg("head size %d, number %zu: %g, expected %g", size, e, (double)got[e],
                         (double)expected[e]);
        }
        be->op->release(be, device_x), be->op->release(be, y);
        free(x), free(expected), free(got);
        ops_free_weight(be, &w);
        ti_backend_free(be);
    }
}

typedef struct attention_case {
    ti_heads heads;
    int n_segments;
    ti_segment segments[5];
} attention_case;

static const attention_case attention_cases[] = {
    {{1, 1, 2}, 1, {{0, 1, 0, 1}}},
    {{4, 4, 16}, 1, {{0, 71, 0, 71}}},
    {{4, 2, 6}, 2, {{0, 33, 0, 33}, {33, 33, 33, 33}}},   /* shared key heads */
    {{2, 1, 32}, 2, {{0, 5, 0, 130}, {5, 64, 130, 130}}}, /* few rows read */
    {{2, 2, 64}, 1, {{0, 67, 0, 129}}},
    {{1, 1, 128}, 1, {{0, 130, 0, 200}}},
    {{2, 2, 128}, 3, {{0, 0, 0, 40}, {0, 9, 40, 40}, {9, 1, 80, 40}}}, /* none of a sequence */
    {{1, 1, 64}, 5, {{0, 3, 0, 9}, {3, 3, 9, 9}, {6, 3, 18, 9}, {9, 3, 27, 9}, {12, 3, 36, 9}}},
    {{1, 1, 300}, 1, {{0, 20, 0, 40}}},
    {{2, 1, 128}, 1, {{0, 128, 0, 128}}}, /* whole tiles alone */
};

static void check_attention(ti_backend *be, const attention_case *c)
{
    int n_q = 0, n_kv = 0;
    for (int s = 0; s < c->n_segments; s++) {
        n_q += c->segments[s].q_count;
        n_kv = c->segments[s].kv_first + c->segments[s].kv_count;
    }
    size_t size = (size_t)c->heads.head_size, n = (size_t)n_q * size * (size_t)c->heads.n_heads;
    size_t n_keys = (size_t)n_kv * size * (size_t)c->heads.n_kv_heads;
    float *q = ops_floats(n, 1), *k = ops_floats(n_keys, 2), *v = ops_floats(n_keys, 3),
          *room = ops_floats((size_t)n_kv, 5);
    float *expected = ops_floats(n, 4), *got = ops_floats(n, 4);
    for (size_t i = 0; i < n; i++)
        q[i] *= 4; /* scores far apart, so that the running maximum works */
    void *dq = ops_to_device(be, q, n, true), *dk = ops_to_device(be, k, n_keys, true);
    void *dv = ops_to_device(be, v, n_keys, true), *y = ops_to_device(be, got, n, true);
    ti_plain_attention(expected, q, k, v, &c->heads, c->segments, c->n_segments, room);
    be->op->attention(be, y, dq, dk, dv, &c->heads, c->segments, c->n_segments);
    ops_from_device(be, got, y, n, true);
    double e = ops_error_of(got, expected, n);
    if (!(e < (ops_is_exact(be) ? 1e-5 : 1e-2)))
        fail_msg("head size %zu, %d queries: error %g", size, n_q, e);
    be->op->release(be, dq), be->op->release(be, dk), be->op->release(be, dv),
        be->op->release(be, y);
    free(q), free(k), free(v), free(room), free(expected), free(got);
}

void test_attention(void **state)
{
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        ti_backend *be = ops_open_kind(exact);
        for (size_t i = 0; i < TEST_LENGTH(attention_cases); i++)
            check_attention(be, &attention_cases[i]);
        ti_backend_free(be);
    }
}

static void check_on_card(bool old)
{
    ti_backend *be = ops_open_first(TI_BF16);
    assert_int_equal(ops_is_exact(be), old);
    check_attention(be, &attention_cases[5]);
    ti_backend_free(be);
}

void test_attention_of_other_cards(void **state)
{
    (void)state;
    ops_on_other_cards(check_on_card);
}

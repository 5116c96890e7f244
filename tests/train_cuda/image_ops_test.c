/* image_ops_test.c - the image tokeniser's ops. */
#include "both.h"

static void free_all(both **all, size_t n)
{
    for (size_t i = 0; i < n; i++) both_free(all[i]);
}

static void convolutions(void **state)
{
    (void)state;
    static const ti_conv_shape shapes[] = {{.n = 2,
                                            .height = 7,
                                            .width = 9,
                                            .in = 3,
                                            .out_height = 7,
                                            .out_width = 9,
                                            .out = 8,
                                            .kernel = 3,
                                            .stride = 1,
                                            .pad = 1},
                                           {.n = 2,
                                            .height = 8,
                                            .width = 6,
                                            .in = 8,
                                            .out_height = 4,
                                            .out_width = 3,
                                            .out = 5,
                                            .kernel = 3,
                                            .stride = 2,
                                            .pad = 0},
                                           {.n = 3,
                                            .height = 5,
                                            .width = 5,
                                            .in = 12,
                                            .out_height = 5,
                                            .out_width = 5,
                                            .out = 13,
                                            .kernel = 1,
                                            .stride = 1,
                                            .pad = 0},
                                           {.n = 1,
                                            .height = 48,
                                            .width = 48,
                                            .in = 4,
                                            .out_height = 48,
                                            .out_width = 48,
                                            .out = 4,
                                            .kernel = 3,
                                            .stride = 1,
                                            .pad = 1}};
    for (size_t i = 0; i < TEST_LENGTH(shapes); i++) {
        const ti_conv_shape *s = &shapes[i];
        const size_t nx = (size_t)(s->n * s->height * s->width * s->in);
        const size_t ny = (size_t)(s->n * s->out_height * s->out_width * s->out);
        const size_t nw = (size_t)(s->out * s->in * s->kernel * s->kernel);
        both x = both_random(nx, 1, 1), w = both_random(nw, 2, 0.3),
             bias = both_random((size_t)s->out, 3, 1);
        both residual = both_random(ny, 4, 1), y = both_zeros(ny), dy = both_random(ny, 5, 1);
        both dx = both_random(nx, 6, 1), dw = both_random(nw, 7, 1),
             dbias = both_random((size_t)s->out, 8, 1);
        ON_BOTH(conv(d, y.at[k], x.at[k], w.at[k], bias.at[k], i % 2 ? residual.at[k] : NULL, s));
        both_alike("a convolution", &y, 1e-5);
        ON_BOTH(conv_back_input(d, dx.at[k], dy.at[k], w.at[k], s, i % 2));
        both_alike("its input's gradient", &dx, 1e-5);
        ON_BOTH(conv_back_weight(d, dw.at[k], dbias.at[k], dy.at[k], x.at[k], s));
        both_alike("its weights' gradient", &dw, 1e-5);
        both_alike("its bias's gradient", &dbias, 1e-5);
        both *all[] = {&x, &w, &bias, &residual, &y, &dy, &dx, &dw, &dbias};
        free_all(all, TEST_LENGTH(all));
    }
}

static void group_norms(void **state)
{
    (void)state;
    for (int silu = 0; silu < 2; silu++) {
        const ti_group_shape s = {.n = 3,
                                  .pixels = silu ? 700 : 49,
                                  .channels = 24,
                                  .groups = 4,
                                  .eps = 1e-6f,
                                  .silu = silu};
        const size_t n = (size_t)(s.n * s.pixels * s.channels), c = (size_t)s.channels;
        both x = both_random(n, 1, 1), gain = both_random(c, 2, 1), bias = both_random(c, 3, 1);
        both y = both_zeros(n), stats = both_zeros((size_t)(s.n * s.groups * 2)),
             dy = both_random(n, 4, 1);
        both dx = both_random(n, 5, 1), dgain = both_random(c, 6, 1), dbias = both_random(c, 7, 1);
        ON_BOTH(group_norm(d, y.at[k], stats.at[k], x.at[k], gain.at[k], bias.at[k], &s));
        both_alike("a group norm", &y, 1e-5);
        both_alike("its statistics", &stats, 1e-5);
        ON_BOTH(group_norm_back(d, dx.at[k], dgain.at[k], dbias.at[k], dy.at[k], x.at[k],
                                stats.at[k], gain.at[k], bias.at[k], &s, silu));
        both_alike("its gradient", &dx, 1e-5);
        both_alike("its gain's gradient", &dgain, 1e-5);
        both_alike("its bias's gradient", &dbias, 1e-5);
        both *all[] = {&x, &gain, &bias, &y, &stats, &dy, &dx, &dgain, &dbias};
        free_all(all, TEST_LENGTH(all));
    }
}

static void upsampling(void **state)
{
    (void)state;
    enum { N = 2, H = 5, W = 7, C = 6, ALL = N * H * W * C };
    both x = both_random(ALL, 1, 1), y = both_zeros(4 * ALL), dy = both_random(4 * ALL, 2, 1),
         dx = both_zeros(ALL);
    ON_BOTH(upsample(d, y.at[k], x.at[k], N, H, W, C));
    both_alike("a larger picture", &y, 0);
    ON_BOTH(upsample_back(d, dx.at[k], dy.at[k], N, H, W, C));
    both_alike("its gradient", &dx, 1e-6);
    both *all[] = {&x, &y, &dy, &dx};
    free_all(all, TEST_LENGTH(all));
}

static void quantising(void **state)
{
    (void)state;
    for (int bits = 5; bits <= 13; bits += 8) {
        const ti_lfq_shape s = {.n = 600,
                                .bits = bits,
                                .commitment = 0.05f,
                                .certainty = 0.3f,
                                .diversity = 0.7f,
                                .sharpness = 2};
        const size_t n = (size_t)(s.n * bits);
        both z = both_random(n, 1, 0.7), q = both_zeros(n), dq = both_random(n, 2, 1e-4),
             dz = both_zeros(n);
        both terms = both_zeros(3);
        ON_BOTH(quantise(d, q.at[k], z.at[k], &s));
        both_alike("codes", &q, 0);
        ON_BOTH(quantise_back(d, dz.at[k], terms.at[k], dq.at[k], z.at[k], &s));
        both_alike("the terms", &terms, 1e-5);
        both_alike("their gradient", &dz, 1e-4);
        both *all[] = {&z, &q, &dq, &dz, &terms};
        free_all(all, TEST_LENGTH(all));
    }
}

static void pictures(void **state)
{
    (void)state;
    const ti_picture_shape s = {
        .n = 2, .height = 13, .width = 11, .l1 = 0.2f, .l2 = 1, .gradient = 0.4f};
    const size_t pixels = (size_t)(s.n * s.height * s.width), n = 3 * pixels;
    both y = both_random(n, 1, 1), target = both_random(n, 2, 1), dy = both_zeros(n),
         terms = both_zeros(3), weight = both_random(pixels, 3, 1);
    for (int weighted = 0; weighted < 2; weighted++) {
        ON_BOTH(picture_loss(d, dy.at[k], terms.at[k], y.at[k], target.at[k],
                             weighted ? weight.at[k] : NULL, &s, 0.5f));
        both_alike("the picture's terms", &terms, 1e-5);
        both_alike("the picture's gradient", &dy, 1e-5);
    }
    both *all[] = {&y, &target, &dy, &terms, &weight};
    free_all(all, TEST_LENGTH(all));
}

int run_image_ops(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(convolutions),
                                       cmocka_unit_test(group_norms), cmocka_unit_test(upsampling),
                                       cmocka_unit_test(quantising), cmocka_unit_test(pictures)};
    return cmocka_run_group_tests_name("image tokeniser", tests, NULL, NULL);
}

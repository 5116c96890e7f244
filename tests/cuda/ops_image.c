/* ops_image.c - the image tokeniser's ops */
#include "ops.h"

static ti_weight *bind(ti_backend *be, const float *data, int n_dims, const int64_t *dims)
{
    te_error err;
    ti_tensor t = {
        .name = "w", .type = TI_F32, .n_dims = n_dims, .shape = {1, 1, 1, 1}, .data = data};
    for (int i = 0; i < n_dims; i++) t.shape[i] = dims[i];
    ti_weight *w = NULL;
    assert_ok(be->op->weight_create(be, &t, &w, &err), err);
    return w;
}

static void check_conv(ti_backend *be, const ti_conv *s, bool accumulate, bool biased)
{
    size_t n_x = (size_t)(s->height * s->width * s->in_channels);
    size_t n_w = (size_t)(s->out_channels * s->in_channels * s->kernel * s->kernel);
    size_t n_y = (size_t)(s->out_height * s->out_width * s->out_channels);
    float *x = ops_floats(n_x, 1), *w = ops_floats(n_w, 2),
          *bias = ops_floats((size_t)s->out_channels, 3);
    float *expected = ops_floats(n_y, 4), *got = ops_floats(n_y, 4);
    void *device_x = ops_to_device(be, x, n_x, false), *y = ops_to_device(be, got, n_y, false);
    ti_weight *kernel =
        bind(be, w, 4, (int64_t[]){s->out_channels, s->in_channels, s->kernel, s->kernel});
    ti_weight *b = biased ? bind(be, bias, 1, (int64_t[]){s->out_channels}) : NULL;
    ti_plain_conv(expected, x, w, biased ? bias : NULL, s, accumulate);
    be->op->conv(be, y, device_x, kernel, b, s, accumulate);
    ops_from_device(be, got, y, n_y, false);
    assert_true(ops_error_of(got, expected, n_y) < 2e-6);
    be->op->weight_free(be, kernel), be->op->weight_free(be, b);
    be->op->release(be, device_x), be->op->release(be, y);
    free(x), free(w), free(bias), free(expected), free(got);
}

void test_conv(void **state)
{
    (void)state;
    static const struct {
        int height, width, in, out, kernel, stride;
    } cases[] = {
        {1, 1, 1, 1, 1, 1},     {1, 1, 3, 5, 3, 1},     {7, 5, 3, 33, 3, 1},
        {13, 11, 17, 70, 3, 1}, {4, 16, 64, 64, 3, 1},  {6, 10, 6, 6, 1, 1},
        {8, 12, 32, 32, 3, 2},  {10, 28, 37, 19, 3, 2}, {11, 9, 2, 3, 5, 1},
    };
    ti_backend *be = ops_open_device("cuda");
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        int pad = cases[i].stride == 1 ? cases[i].kernel / 2 : 0;
        ti_conv s = {.height = cases[i].height,
                     .width = cases[i].width,
                     .in_channels = cases[i].in,
                     .out_height = cases[i].height / cases[i].stride,
                     .out_width = cases[i].width / cases[i].stride,
                     .out_channels = cases[i].out,
                     .kernel = cases[i].kernel,
                     .stride = cases[i].stride,
                     .pad_top = pad,
                     .pad_left = pad};
        check_conv(be, &s, i % 2 == 1, i % 3 != 0);
    }
    ti_backend_free(be);
}

static void check_group_norm(ti_backend *be, int n_pixels, int channels, int groups, bool silu)
{
    size_t n = (size_t)(n_pixels * channels);
    float *x = ops_floats(n, 1), *expected = ops_floats(n, 2), *got = ops_floats(n, 2);
    float *gain = ops_floats((size_t)channels, 3), *bias = ops_floats((size_t)channels, 4);
    for (size_t i = 0; i < n; i++) x[i] += 3; /* a mean that matters */
    void *memory = ops_to_device(be, x, n, false);
    ti_weight *g = bind(be, gain, 1, (int64_t[]){channels}),
              *b = bind(be, bias, 1, (int64_t[]){channels});
    ti_plain_group_norm(expected, x, gain, bias, n_pixels, channels, groups, 1e-6f, silu);
    be->op->group_norm(be, memory, memory, g, b, n_pixels, channels, groups, 1e-6f, silu);
    ops_from_device(be, got, memory, n, false);
    assert_true(ops_error_of(got, expected, n) < 2e-6);
    be->op->weight_free(be, g), be->op->weight_free(be, b);
    be->op->release(be, memory);
    free(x), free(expected), free(got), free(gain), free(bias);
}

void test_image_ops(void **state)
{
    (void)state;
    ti_backend *be = ops_open_device("cuda");
    check_group_norm(be, 1, 4, 2, false);
    check_group_norm(be, 131, 12, 3, true);
    check_group_norm(be, 70, 64, 32, true);
    check_group_norm(be, 5000, 8, 2, true); /* more than one slice */
    enum { H = 5, W = 3, C = 10, N = H * W * C };
    float *x = ops_floats(N, 1), *expected = ops_floats(4 * N, 2), *got = ops_floats(4 * N, 3);
    void *from = ops_to_device(be, x, N, false), *to = ops_to_device(be, got, 4 * N, false);
    ti_plain_upsample(expected, x, H, W, C);
    be->op->upsample(be, to, from, H, W, C);
    ti_plain_add(expected, x, N);
    be->op->add(be, to, from, N);
    ops_from_device(be, got, to, 4 * N, false);
    assert_memory_equal(got, expected, 4 * N * sizeof *got);
    be->op->release(be, from), be->op->release(be, to);
    free(x), free(expected), free(got);
    ti_backend_free(be);
}

void test_pixel_attention(void **state)
{
    (void)state;
    static const struct {
        int n, channels;
    } cases[] = {{1, 3}, {50, 40}, {33, 512}};
    ti_backend *be = ops_open_device("cuda");
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        size_t n = (size_t)(cases[i].n * cases[i].channels);
        float *q = ops_floats(n, 1), *k = ops_floats(n, 2), *v = ops_floats(n, 3),
              *room = ops_floats((size_t)cases[i].n, 5);
        float *expected = ops_floats(n, 4), *got = ops_floats(n, 4);
        void *dq = ops_to_device(be, q, n, false), *dk = ops_to_device(be, k, n, false);
        void *dv = ops_to_device(be, v, n, false), *y = ops_to_device(be, got, n, false);
        ti_plain_pixel_attention(expected, q, k, v, cases[i].n, cases[i].channels, room);
        be->op->pixel_attention(be, y, dq, dk, dv, cases[i].n, cases[i].channels);
        ops_from_device(be, got, y, n, false);
        assert_true(ops_error_of(got, expected, n) < 1e-5);
        be->op->release(be, dq), be->op->release(be, dk), be->op->release(be, dv),
            be->op->release(be, y);
        free(q), free(k), free(v), free(room), free(expected), free(got);
    }
    ti_backend_free(be);
}

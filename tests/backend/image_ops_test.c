/* image_ops_test.c - every image op of the CPU backend against its plain version, on shapes that
 * divide by nothing, with every set of instructions this processor has; and its bits on 1, 2 and 3
 * threads. */
#include "testing.h"

#include <math.h>

#include "backend/cpu/plain_image.h"
#include "base/random.h"

enum { MAX_PATHS = 3 };

static float *random_floats(size_t n, uint64_t seed)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)ti_random_normal((ti_random){.seed = seed, .stream = 5}, i);
    return x;
}

static ti_backend *device(int threads, int path)
{
    te_error err;
    ti_backend *be = NULL;
    assert_ok(ti_cpu_create(&be, threads, &err), err);
    ti_cpu_features *f = &((ti_cpu *)be)->features;
    if (path >= 1) f->avx512 = f->avx512_bf16 = f->avx512_vnni = false;
    if (path >= 2) f->avx2 = f->neon = f->neon_dot = false;
    return be;
}

static ti_weight *bind_as(ti_backend *be, ti_type type, const void *data, int n_dims,
                          const int64_t *shape)
{
    te_error err;
    ti_tensor t = {
        .name = "w", .type = type, .n_dims = n_dims, .shape = {1, 1, 1, 1}, .data = data};
    int64_t n = 1;
    for (int i = 0; i < n_dims; i++) n *= t.shape[i] = shape[i];
    t.bytes = ti_type_row_bytes(type, n);
    ti_weight *w = NULL;
    assert_ok(be->op->weight_create(be, &t, &w, &err), err);
    return w;
}

static ti_weight *bind(ti_backend *be, const float *data, int n_dims, const int64_t *shape)
{
    return bind_as(be, TI_F32, data, n_dims, shape);
}

/* ONE and OTHER agree to TOLERANCE relative to the larger of 1 and their size. */
static void assert_close(const float *one, const float *other, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++) {
        double size = fmax(1, fabs((double)other[i]));
        if (!(fabs((double)one[i] - (double)other[i]) <= tolerance * size))
            fail_msg("element %zu: %.9g, not %.9g", i, (double)one[i], (double)other[i]);
    }
}

/* What an op makes of its case with THREADS threads and the PATHth set of instructions. */
typedef void run_fn(const void *case_, int threads, int path, float *y);

/* Against WANT on every path; on each path the same bits for 1, 2 and 3 threads. */
static void check(run_fn *run, const void *case_, const float *start, const float *want, size_t n,
                  double tolerance)
{
    float *one = malloc(n * sizeof *one), *many = malloc(n * sizeof *many);
    assert_non_null(one);
    assert_non_null(many);
    for (int path = 0; path < MAX_PATHS; path++) {
        memcpy(one, start, n * sizeof *one);
        run(case_, 1, path, one);
        assert_close(one, want, n, tolerance);
        for (int threads = 2; threads <= 3; threads++) {
            memcpy(many, start, n * sizeof *many);
            run(case_, threads, path, many);
            assert_memory_equal(one, many, n * sizeof *one);
        }
    }
    free(one);
    free(many);
}

/* ---- convolution ----------------------------------------------------------------------------- */

typedef struct conv_case {
    ti_conv shape;
    bool accumulate, biased;
    ti_type type;
    const float *x, *bias;
    const void *w; /* of that type */
} conv_case;

static void run_conv(const void *case_, int threads, int path, float *y)
{
    const conv_case *c = case_;
    const ti_conv *s = &c->shape;
    ti_backend *be = device(threads, path);
    ti_weight *w = bind_as(be, c->type, c->w, 4,
                           (int64_t[]){s->out_channels, s->in_channels, s->kernel, s->kernel});
    ti_weight *bias = c->biased ? bind(be, c->bias, 1, (int64_t[]){s->out_channels}) : NULL;
    be->op->conv(be, y, c->x, w, bias, s, c->accumulate);
    be->op->weight_free(be, w);
    be->op->weight_free(be, bias);
    ti_backend_free(be);
}

static void check_conv(const ti_conv *s, bool accumulate, bool biased)
{
    size_t n_x = (size_t)(s->height * s->width * s->in_channels);
    size_t n_w = (size_t)(s->out_channels * s->in_channels * s->kernel * s->kernel);
    size_t n_y = (size_t)(s->out_height * s->out_width * s->out_channels);
    float *x = random_floats(n_x, 1), *w = random_floats(n_w, 2), *start = random_floats(n_y, 4);
    float *bias = random_floats((size_t)s->out_channels, 3), *want = malloc(n_y * sizeof *want);
    assert_non_null(want);
    for (size_t i = 0; i < n_w; i++) w[i] /= (float)(s->kernel * sqrt(s->in_channels));
    memcpy(want, start, n_y * sizeof *want);
    ti_plain_conv(want, x, w, biased ? bias : NULL, s, accumulate);
    conv_case c = {*s, accumulate, biased, TI_F32, x, bias, w};
    check(run_conv, &c, start, want, n_y, 2e-5);
    free(x), free(w), free(start), free(bias), free(want);
}

static const struct {
    int height, width, in, out, kernel, stride;
} conv_shapes[] = {
    {1, 1, 1, 1, 1, 1},    {1, 1, 3, 5, 3, 1},     {7, 5, 3, 33, 3, 1},    {13, 31, 17, 40, 3, 1},
    {4, 16, 64, 64, 3, 1}, {9, 130, 20, 8, 3, 1},  {3, 29, 150, 35, 3, 1}, {6, 10, 6, 6, 1, 1},
    {8, 12, 32, 32, 3, 2}, {10, 58, 37, 19, 3, 2}, {5, 7, 400, 3, 1, 1},   {2, 250, 66, 31, 3, 1},
    {11, 9, 2, 3, 5, 1},   {16, 4, 512, 20, 3, 2}, {5, 48, 129, 16, 3, 1},
};

static ti_conv conv_shape(size_t i)
{
    const int stride = conv_shapes[i].stride, pad = stride == 1 ? conv_shapes[i].kernel / 2 : 0;
    return (ti_conv){.height = conv_shapes[i].height,
                     .width = conv_shapes[i].width,
                     .in_channels = conv_shapes[i].in,
                     .out_height = conv_shapes[i].height / stride,
                     .out_width = conv_shapes[i].width / stride,
                     .out_channels = conv_shapes[i].out,
                     .kernel = conv_shapes[i].kernel,
                     .stride = stride,
                     .pad_top = pad,
                     .pad_left = pad};
}

static void test_conv(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_LENGTH(conv_shapes); i++) {
        const ti_conv s = conv_shape(i);
        check_conv(&s, i % 2 == 1, i % 3 != 0);
    }
}

static void round_to_bf16(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = ti_bf16_to_float(ti_float_to_bf16(x[i]));
}

/* Weights of 16 bits: where the processor multiplies bf16, the exact product of both sides so
 * rounded; elsewhere that of the numbers themselves, from which the former's squared ERROR is
 * counted, and their SIZE. */
static void check_conv_half(const ti_conv *s, ti_type type, double *error, double *size)
{
    const size_t n_x = (size_t)(s->height * s->width * s->in_channels);
    const size_t n_w = (size_t)(s->out_channels * s->in_channels * s->kernel * s->kernel);
    const size_t n_y = (size_t)(s->out_height * s->out_width * s->out_channels);
    float *x = random_floats(n_x, 1), *w = random_floats(n_w, 2), *y = random_floats(n_y, 4);
    float *bias = random_floats((size_t)s->out_channels, 3);
    float *exact = malloc(n_y * sizeof *exact), *rounded = malloc(n_y * sizeof *rounded);
    uint16_t *half = malloc(n_w * sizeof *half);
    assert_true(exact && rounded && half);
    for (size_t i = 0; i < n_w; i++) w[i] /= (float)(s->kernel * sqrt(s->in_channels));
    ti_quantize(type, w, half, (int64_t)n_w);
    ti_dequantize(type, half, w, (int64_t)n_w);
    ti_plain_conv(exact, x, w, bias, s, false);
    const conv_case c = {*s, false, true, type, x, bias, half};
    for (int path = 0; path < MAX_PATHS; path++) {
        run_conv(&c, 1, path, y);
        if (path > 0 || !ti_cpu_detect().avx512_bf16) assert_close(y, exact, n_y, 2e-5);
    }
    run_conv(&c, 1, 0, y);
    for (size_t i = 0; i < n_y; i++) {
        *error += pow((double)y[i] - (double)exact[i], 2);
        *size += pow((double)exact[i], 2);
    }
    run_conv(&c, 3, 0, rounded);
    assert_memory_equal(rounded, y, n_y * sizeof *y);
    if (ti_cpu_detect().avx512_bf16) {
        round_to_bf16(x, n_x);
        round_to_bf16(w, n_w);
        ti_plain_conv(rounded, x, w, bias, s, false);
        assert_close(y, rounded, n_y, 2e-5);
    }
    free(x), free(w), free(y), free(bias), free(exact), free(rounded), free(half);
}

static void test_conv_half(void **state)
{
    (void)state;
    double error = 0, size = 0;
    for (size_t i = 0; i < TEST_LENGTH(conv_shapes); i++) {
        const ti_conv s = conv_shape(i);
        check_conv_half(&s, i % 2 ? TI_F16 : TI_BF16, &error, &size);
    }
    print_message("convolutions of 16 bits: %.3f %% of the output\n", 100 * sqrt(error / size));
    assert_true(error <= pow(0.002, 2) * size);
}

static void test_conv_refuses(void **state)
{
    (void)state;
    static const float data[6] = {0};
    te_error err;
    ti_backend *be = device(1, 0);
    ti_weight *w = NULL;
    ti_tensor t = {.name = "odd.weight",
                   .type = TI_F32,
                   .n_dims = 4,
                   .shape = {1, 1, 2, 3},
                   .data = data,
                   .bytes = sizeof data};
    assert_int_equal(be->op->weight_create(be, &t, &w, &err), TE_UNSUPPORTED);
    assert_null(w);
    assert_non_null(strstr(err.message, "odd.weight"));
    ti_backend_free(be);
}

/* ---- group norm ------------------------------------------------------------------------------ */

typedef struct norm_case {
    int n_pixels, channels, groups;
    bool silu;
    const float *x, *gain, *bias;
} norm_case;

static void run_norm(const void *case_, int threads, int path, float *y)
{
    const norm_case *c = case_;
    ti_backend *be = device(threads, path);
    ti_weight *gain = bind(be, c->gain, 1, (int64_t[]){c->channels});
    ti_weight *bias = bind(be, c->bias, 1, (int64_t[]){c->channels});
    memcpy(y, c->x,
           (size_t)(c->n_pixels * c->channels) * sizeof *y); /* in place, as the networks do */
    be->op->group_norm(be, y, y, gain, bias, c->n_pixels, c->channels, c->groups, 1e-6f, c->silu);
    be->op->weight_free(be, gain);
    be->op->weight_free(be, bias);
    ti_backend_free(be);
}

static void test_group_norm(void **state)
{
    (void)state;
    static const struct {
        int n_pixels, channels, groups;
    } cases[] = {{1, 4, 2}, {63, 32, 32}, {65, 96, 32}, {1000, 33, 11}, {129, 130, 1}};
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        norm_case c = {cases[i].n_pixels, cases[i].channels, cases[i].groups, i % 2 == 0, 0, 0, 0};
        size_t n = (size_t)(c.n_pixels * c.channels);
        float *x = random_floats(n, 6), *want = malloc(n * sizeof *want);
        float *gain = random_floats((size_t)c.channels, 7),
              *bias = random_floats((size_t)c.channels, 8);
        assert_non_null(want);
        for (size_t e = 0; e < n; e++) x[e] = x[e] * 3 + 20; /* a mean far above the deviation */
        ti_plain_group_norm(want, x, gain, bias, c.n_pixels, c.channels, c.groups, 1e-6f, c.silu);
        c.x = x, c.gain = gain, c.bias = bias;
        check(run_norm, &c, x, want, n, 2e-5);
        free(x), free(want), free(gain), free(bias);
    }
}

/* ---- the small ones -------------------------------------------------------------------------- */

typedef struct grid_case {
    int height, width, channels;
    const float *x, *k, *v;
} grid_case;

static void run_upsample(const void *case_, int threads, int path, float *y)
{
    const grid_case *c = case_;
    ti_backend *be = device(threads, path);
    be->op->upsample(be, y, c->x, c->height, c->width, c->channels);
    ti_backend_free(be);
}

static void run_add(const void *case_, int threads, int path, float *y)
{
    const grid_case *c = case_;
    ti_backend *be = device(threads, path);
    be->op->add(be, y, c->x, (size_t)(c->height * c->width * c->channels));
    ti_backend_free(be);
}

static void test_upsample_and_add(void **state)
{
    (void)state;
    grid_case c = {5, 7, 3, NULL, NULL, NULL};
    size_t n = 5 * 7 * 3;
    float *x = random_floats(n, 9), *start = random_floats(4 * n, 10);
    float *want = malloc(4 * n * sizeof *want);
    assert_non_null(want);
    c.x = x;
    ti_plain_upsample(want, x, c.height, c.width, c.channels);
    check(run_upsample, &c, start, want, 4 * n, 0);
    memcpy(want, start, n * sizeof *want);
    ti_plain_add(want, x, n);
    check(run_add, &c, start, want, n, 0);
    free(x), free(start), free(want);
}

static void run_attention(const void *case_, int threads, int path, float *y)
{
    const grid_case *c = case_;
    ti_backend *be = device(threads, path);
    be->op->pixel_attention(be, y, c->x, c->k, c->v, c->height * c->width, c->channels);
    ti_backend_free(be);
}

static void test_pixel_attention(void **state)
{
    (void)state;
    static const struct {
        int n_pixels, channels;
    } cases[] = {{1, 1}, {96, 64}, {149, 33}, {257, 70}, {63, 512}};
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        grid_case c = {1, cases[i].n_pixels, cases[i].channels, NULL, NULL, NULL};
        size_t n = (size_t)(c.width * c.channels);
        float *q = random_floats(n, 11), *k = random_floats(n, 12), *v = random_floats(n, 13);
        float *want = malloc(n * sizeof *want), *room = malloc((size_t)c.width * sizeof *room);
        assert_non_null(want);
        assert_non_null(room);
        for (size_t e = 0; e < n; e++) q[e] *= 4; /* peaked, so that the running maximum moves */
        ti_plain_pixel_attention(want, q, k, v, c.width, c.channels, room);
        c.x = q, c.k = k, c.v = v;
        check(run_attention, &c, want, want, n, 3e-5);
        free(q), free(k), free(v), free(want), free(room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_conv_half),
        cmocka_unit_test(test_conv_refuses),
        cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_upsample_and_add),
        cmocka_unit_test(test_pixel_attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

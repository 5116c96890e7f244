/* The image tokeniser's ops: every gradient against finite differences, convolutions also against
 * their formula, and the same bits on any number of threads. */
#include "check.h"

typedef struct conv_case {
    ti_train_device *d;
    ti_conv_shape s;
    float *x, *w, *bias, *y, *slope;
    size_t n_x, n_w, n_y;
} conv_case;

static conv_case make_conv(ti_conv_shape s)
{
    conv_case c = {.d = open_device(2), .s = s};
    c.n_x = (size_t)(s.n * s.height * s.width * s.in);
    c.n_w = (size_t)(s.out * s.in * s.kernel * s.kernel);
    c.n_y = (size_t)(s.n * s.out_height * s.out_width * s.out);
    c.x = random_floats(c.n_x, 1, 1);
    c.w = random_floats(c.n_w, 2, 0.3);
    c.bias = random_floats((size_t)s.out, 3, 1);
    c.y = random_floats(c.n_y, 4, 1);
    c.slope = random_floats(c.n_y, 5, 1);
    return c;
}

static void free_conv(conv_case *c)
{
    float *all[] = {c->x, c->w, c->bias, c->y, c->slope};
    for (size_t i = 0; i < TEST_LENGTH(all); i++) free(all[i]);
    ti_train_device_free(c->d);
}

static double conv_value(void *user)
{
    conv_case *c = user;
    c->d->op->conv(c->d, c->y, c->x, c->w, c->bias, NULL, &c->s);
    return dot(c->y, c->slope, c->n_y);
}

/* As the header's formula says, one output at a time. */
static double plain_conv(const conv_case *c, int n, int oy, int ox, int o)
{
    const ti_conv_shape *s = &c->s;
    double sum = (double)c->bias[o];
    for (int ky = 0; ky < s->kernel; ky++)
        for (int kx = 0; kx < s->kernel; kx++) {
            int y = oy * s->stride + ky - s->pad, x = ox * s->stride + kx - s->pad;
            if (y < 0 || x < 0 || y >= s->height || x >= s->width) continue;
            for (int i = 0; i < s->in; i++)
                sum += (double)c->x[((n * s->height + y) * s->width + x) * s->in + i] *
                       (double)c->w[((o * s->in + i) * s->kernel + ky) * s->kernel + kx];
        }
    return sum;
}

static const ti_conv_shape shapes[] = {
    {2, 10, 12, 5, 10, 12, 7, 3, 1, 1, false}, /* channels that fill no register, width no tile */
    {1, 16, 16, 16, 16, 16, 48, 3, 1, 1, false},
    {2, 16, 24, 8, 8, 12, 20, 3, 2, 0, false}, /* padded to the right and below */
    {1, 9, 11, 24, 9, 11, 13, 1, 1, 0, false},
    {1, 8, 16, 3, 8, 16, 32, 3, 1, 1, false},
};

static void conv_formula(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEST_LENGTH(shapes); k++) {
        conv_case c = make_conv(shapes[k]);
        const ti_conv_shape *s = &c.s;
        float *residual = random_floats(c.n_y, 6, 1);
        c.d->op->conv(c.d, c.y, c.x, c.w, c.bias, residual, s);
        size_t at = 0;
        for (int n = 0; n < s->n; n++)
            for (int y = 0; y < s->out_height; y++)
                for (int x = 0; x < s->out_width; x++)
                    for (int o = 0; o < s->out; o++, at++)
                        assert_float_equal(c.y[at],
                                           plain_conv(&c, n, y, x, o) + (double)residual[at], 1e-4);
        free(residual);
        free_conv(&c);
    }
}

static void conv_gradients(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEST_LENGTH(shapes); k++) {
        conv_case c = make_conv(shapes[k]);
        float *dx = calloc(c.n_x, sizeof *dx), *dw = calloc(c.n_w, sizeof *dw);
        float *dbias = calloc((size_t)c.s.out, sizeof *dbias);
        c.d->op->conv_back_input(c.d, dx, c.slope, c.w, &c.s, false);
        c.d->op->conv_back_weight(c.d, dw, dbias, c.slope, c.x, &c.s);
        check_gradient("conv, input", conv_value, &c, c.x, dx, c.n_x, 1, 0.01);
        check_gradient("conv, weight", conv_value, &c, c.w, dw, c.n_w, 1, 0.01);
        check_gradient("conv, bias", conv_value, &c, c.bias, dbias, (size_t)c.s.out, 1, 0.01);
        float once = dx[3];
        c.d->op->conv_back_input(c.d, dx, c.slope, c.w, &c.s, true);
        assert_float_equal(dx[3], 2 * once, 1e-4);
        free(dx);
        free(dw);
        free(dbias);
        free_conv(&c);
    }
}

/* Values that bf16 holds exactly, so that rounding changes nothing. */
static void coarsen(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = roundf(x[i] * 32) / 32;
}

static void assert_close(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) assert_float_equal(a[i], b[i], 1e-3);
}

/* Rounded factors give the products of unrounded ones where there is nothing to round. */
static void conv_of_rounded_factors(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEST_LENGTH(shapes); k++) {
        conv_case c = make_conv(shapes[k]);
        const size_t n = c.n_y + c.n_x + c.n_w + (size_t)c.s.out;
        float *out[2] = {calloc(n, sizeof(float)), calloc(n, sizeof(float))};
        coarsen(c.x, c.n_x);
        coarsen(c.w, c.n_w);
        coarsen(c.slope, c.n_y);
        for (int rounded = 0; rounded < 2; rounded++) {
            float *y = out[rounded], *dx = y + c.n_y, *dw = dx + c.n_x, *dbias = dw + c.n_w;
            c.s.bf16 = rounded;
            c.d->op->conv(c.d, y, c.x, c.w, c.bias, c.slope, &c.s);
            c.d->op->conv_back_input(c.d, dx, c.slope, c.w, &c.s, false);
            c.d->op->conv_back_input(c.d, dx, c.slope, c.w, &c.s, true);
            c.d->op->conv_back_weight(c.d, dw, dbias, c.slope, c.x, &c.s);
        }
        assert_close(out[0], out[1], n);
        free(out[0]);
        free(out[1]);
        free_conv(&c);
    }
}

typedef struct group_case {
    ti_train_device *d;
    ti_group_shape s;
    float *x, *gain, *bias, *y, *stats, *slope;
    size_t n;
} group_case;

static double group_value(void *user)
{
    group_case *c = user;
    c->d->op->group_norm(c->d, c->y, c->stats, c->x, c->gain, c->bias, &c->s);
    return dot(c->y, c->slope, c->n);
}

static void group_gradients(void **state)
{
    (void)state;
    for (int silu = 0; silu < 2; silu++) {
        group_case c = {
            .d = open_device(2), .s = {2, 300, 12, 3, 1e-6f, silu != 0}, .n = 2 * 300 * 12};
        c.x = random_floats(c.n, 1, 1);
        c.gain = random_floats(12, 2, 1);
        c.bias = random_floats(12, 3, 1);
        c.y = random_floats(c.n, 4, 1);
        c.stats = random_floats(12, 5, 1);
        c.slope = random_floats(c.n, 6, 1);
        float *dx = calloc(c.n, sizeof *dx), dgain[12] = {0}, dbias[12] = {0};
        group_value(&c);
        c.d->op->group_norm_back(c.d, dx, dgain, dbias, c.slope, c.x, c.stats, c.gain, c.bias, &c.s,
                                 false);
        check_gradient("group norm, input", group_value, &c, c.x, dx, c.n, 0.3, 0.01);
        check_gradient("group norm, gain", group_value, &c, c.gain, dgain, 12, 0.1, 0.01);
        check_gradient("group norm, bias", group_value, &c, c.bias, dbias, 12, 0.1, 0.01);
        float *all[] = {c.x, c.gain, c.bias, c.y, c.stats, c.slope, dx};
        for (size_t i = 0; i < TEST_LENGTH(all); i++) free(all[i]);
        ti_train_device_free(c.d);
    }
}

static void upsample_is_transposed_by_its_gradient(void **state)
{
    (void)state;
    ti_train_device *d = open_device(2);
    float *x = random_floats(2 * 3 * 4 * 5, 1, 1), *dy = random_floats(8 * 3 * 4 * 5, 2, 1);
    float y[480], dx[120];
    d->op->upsample(d, y, x, 2, 3, 4, 5);
    assert_float_equal(y[((0 * 6 + 5) * 8 + 7) * 5 + 4], x[((0 * 3 + 2) * 4 + 3) * 5 + 4], 0);
    d->op->upsample_back(d, dx, dy, 2, 3, 4, 5);
    assert_float_equal(dot(y, dy, 480), dot(x, dx, 120), 1e-3);
    free(x);
    free(dy);
    ti_train_device_free(d);
}

typedef struct lfq_case {
    ti_train_device *d;
    ti_lfq_shape s;
    float *z, *zero, *dz;
} lfq_case;

static double lfq_value(void *user)
{
    lfq_case *c = user;
    float terms[3];
    c->d->op->quantise_back(c->d, c->dz, terms, c->zero, c->z, &c->s);
    return (double)c->s.commitment * (double)terms[0] + (double)c->s.certainty * (double)terms[1] -
           (double)c->s.diversity * (double)terms[2];
}

static void quantiser(void **state)
{
    (void)state;
    enum { N = 700, BITS = 9 }; /* two groups of bits, two chunks of rows */
    const float weights[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    lfq_case c = {.d = open_device(2),
                  .z = random_floats(N * BITS, 1, 0.7),
                  .zero = calloc(N * BITS, sizeof(float)),
                  .dz = random_floats(N * BITS, 2, 1)};
    for (int i = 0; i < N * BITS; i++) /* away from the step of the sign */
        if (fabsf(c.z[i]) < 0.05f) c.z[i] = c.z[i] < 0 ? -0.05f : 0.05f;
    for (int k = 0; k < 3; k++) {
        c.s = (ti_lfq_shape){.n = N,
                             .bits = BITS,
                             .commitment = weights[k][0],
                             .certainty = weights[k][1],
                             .diversity = weights[k][2],
                             .sharpness = 2};
        lfq_value(&c);
        float *gradient = random_floats(N * BITS, 3, 1);
        memcpy(gradient, c.dz, N * BITS * sizeof *gradient);
        check_gradient("quantiser", lfq_value, &c, c.z, gradient, N * BITS, 0.05, 0.02);
        free(gradient);
    }
    c.d->op->quantise(c.d, c.dz, c.z, &c.s);
    for (int i = 0; i < N * BITS; i++) assert_float_equal(c.dz[i], c.z[i] > 0 ? 1 : -1, 0);
    c.s.commitment = c.s.certainty = c.s.diversity = 0;
    float terms[3], *dq = random_floats(N * BITS, 4, 1), *dz = random_floats(N * BITS, 5, 1);
    c.d->op->quantise_back(c.d, dz, terms, dq, c.z, &c.s);
    for (int i = 0; i < N * BITS; i++) assert_float_equal(dz[i], dq[i], 0); /* straight through */
    free(dq);
    free(dz);
    free(c.z);
    free(c.zero);
    free(c.dz);
    ti_train_device_free(c.d);
}

typedef struct picture_case {
    ti_train_device *d;
    ti_picture_shape s;
    float *y, *target, *weight, *dy;
} picture_case;

static double picture_value(void *user)
{
    picture_case *c = user;
    float terms[3];
    c->d->op->picture_loss(c->d, c->dy, terms, c->y, c->target, c->weight, &c->s, 1);
    return (double)(c->s.l1 * terms[0] + c->s.l2 * terms[1] + c->s.gradient * terms[2]);
}

static void picture_gradient(void **state)
{
    (void)state;
    const size_t pixels = 2 * 6 * 5, n = pixels * 3;
    picture_case c = {.d = open_device(2),
                      .s = {2, 6, 5, 0.3f, 1.2f, 0.4f},
                      .y = random_floats(n, 1, 1),
                      .target = random_floats(n, 2, 1),
                      .dy = random_floats(n, 3, 1)};
    float *gradient = random_floats(n, 4, 1), *weight = random_floats(pixels, 5, 1);
    const double plain = picture_value(&c);
    for (int weighted = 0; weighted < 2; weighted++) {
        picture_value(&c);
        memcpy(gradient, c.dy, n * sizeof *gradient);
        /* absolute values have corners: small steps, and room for one being crossed */
        check_gradient("picture loss", picture_value, &c, c.y, gradient, n, 0.01, 0.03);
        for (size_t i = 0; i < pixels; i++) weight[i] = 1 + fabsf(weight[i]);
        c.weight = weight;
    }
    /* what counts three times in all its places counts three times altogether; one pixel alone
     * counts with half of its steps */
    for (size_t i = 0; i < pixels; i++) weight[i] = 3;
    assert_float_equal(picture_value(&c), 3 * plain, 1e-5 * plain);
    memset(weight, 0, pixels * sizeof *weight);
    weight[7] = 1; /* column 2 of the first picture's row 1 */
    c.s.l1 = c.s.l2 = 0;
    double steps = 0;
    for (int i = 21; i < 24; i++)
        for (int k = 0; k < 4; k++) {
            const int there = i + (int[]){-3, 3, -15, 15}[k];
            steps += 0.5 * fabs((double)((c.y[i] - c.target[i]) - (c.y[there] - c.target[there])));
        }
    steps *= (double)c.s.gradient / (2 * 3 * (6 * 4 + 5 * 5));
    assert_float_equal(picture_value(&c), steps, 1e-5 * steps);
    free(gradient);
    free(weight);
    free(c.y);
    free(c.target);
    free(c.dy);
    ti_train_device_free(c.d);
}

static void check_same_bits(bool bf16)
{
    float *first = NULL;
    size_t floats = 0;
    for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        conv_case c = make_conv((ti_conv_shape){3, 20, 24, 16, 20, 24, 20, 3, 1, 1, bf16});
        ti_train_device_free(c.d);
        c.d = open_device(threads);
        floats = c.n_x + c.n_w + 20;
        float *out = calloc(floats, sizeof *out);
        assert_non_null(out);
        c.d->op->conv_back_input(c.d, out, c.slope, c.w, &c.s, false);
        c.d->op->conv_back_weight(c.d, out + c.n_x, out + c.n_x + c.n_w, c.slope, c.x, &c.s);
        if (first) {
            assert_memory_equal(out, first, floats * sizeof *out);
            free(out);
        } else {
            first = out;
        }
        free_conv(&c);
    }
    free(first);
}

static void same_bits_on_any_threads(void **state)
{
    (void)state;
    check_same_bits(false);
    check_same_bits(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_formula),
        cmocka_unit_test(conv_gradients),
        cmocka_unit_test(conv_of_rounded_factors),
        cmocka_unit_test(group_gradients),
        cmocka_unit_test(upsample_is_transposed_by_its_gradient),
        cmocka_unit_test(quantiser),
        cmocka_unit_test(picture_gradient),
        cmocka_unit_test(same_bits_on_any_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

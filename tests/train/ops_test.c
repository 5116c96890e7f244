/* The backbone's ops: every gradient against finite differences, and the same bits on any number of
 * threads. */
#include "check.h"

#include "format/tensor.h"

/* One op with its arguments; the scalar is the dot product of its output with `slope`. */
typedef struct op_case {
    ti_train_device *d;
    int rows, width, heads;
    float *x, *gain, *y, *rstd, *lse, *slope, *copy;
    int32_t *index;
    size_t n_y;
    ti_span spans[2];
    ti_attention_shape shape;
} op_case;

static op_case make_case(int rows, int width, size_t n_x, size_t n_y)
{
    op_case c = {.d = open_device(2), .rows = rows, .width = width, .n_y = n_y};
    c.x = random_floats(n_x, 1, 1);
    c.copy = random_floats(n_x, 1, 1);
    c.gain = random_floats((size_t)width, 2, 1);
    c.slope = random_floats(n_y, 3, 1);
    c.y = random_floats(n_y, 4, 1);
    c.rstd = random_floats((size_t)rows, 5, 1);
    c.lse = random_floats((size_t)rows * 8, 6, 1);
    c.index = calloc((size_t)rows, sizeof *c.index);
    assert_non_null(c.index);
    return c;
}

static void free_case(op_case *c)
{
    ti_train_device_free(c->d);
    float *all[] = {c->x, c->gain, c->y, c->rstd, c->lse, c->slope, c->copy};
    for (size_t i = 0; i < TEST_LENGTH(all); i++) free(all[i]);
    free(c->index);
}

static double norm_value(void *user)
{
    op_case *c = user;
    c->d->op->norm(c->d, c->y, c->rstd, c->x, c->gain, c->rows, c->width, 1e-5f);
    return dot(c->y, c->slope, c->n_y);
}

static void norm_gradient(void **state)
{
    (void)state;
    const int rows = 130, width = 37;
    const size_t n = (size_t)rows * (size_t)width;
    op_case c = make_case(rows, width, n, n);
    float *dx = calloc(n, sizeof *dx), *dgain = calloc((size_t)width, sizeof *dgain);
    norm_value(&c);
    c.d->op->norm_back(c.d, dx, dgain, c.slope, c.x, c.gain, c.rstd, rows, width);
    check_gradient("norm, input", norm_value, &c, c.x, dx, n, 0.05, 0.01);
    check_gradient("norm, gain", norm_value, &c, c.gain, dgain, (size_t)width, 0.05, 0.01);
    free(dx);
    free(dgain);
    free_case(&c);
}

static double swiglu_value(void *user)
{
    op_case *c = user;
    c->d->op->swiglu(c->d, c->y, c->x, c->rows, c->width);
    return dot(c->y, c->slope, c->n_y);
}

static void swiglu_gradient(void **state)
{
    (void)state;
    const int rows = 9, width = 33;
    const size_t n = (size_t)rows * (size_t)width;
    op_case c = make_case(rows, width, 2 * n, n);
    float *dx = calloc(2 * n, sizeof *dx);
    c.d->op->swiglu_back(c.d, dx, c.slope, c.x, rows, width);
    check_gradient("swiglu", swiglu_value, &c, c.x, dx, 2 * n, 0.05, 0.01);
    free(dx);
    free_case(&c);
}

enum { HEADS = 2, SIZE = 12 };

static double rope_value(void *user)
{
    op_case *c = user;
    const size_t n = (size_t)c->rows * (size_t)c->width;
    memcpy(c->copy, c->x, n * sizeof *c->x);
    c->d->op->rope(c->d, c->copy, c->index, c->rows, HEADS, SIZE, c->width, 500, 1);
    return dot(c->copy, c->slope, n);
}

static void rope_gradient(void **state)
{
    (void)state;
    const int rows = 7, width = HEADS * SIZE + 3; /* a row longer than its heads */
    const size_t n = (size_t)rows * (size_t)width;
    op_case c = make_case(rows, width, n, n);
    float *dx = malloc(n * sizeof *dx);
    assert_non_null(dx);
    for (int r = 0; r < rows; r++) c.index[r] = 3 * r + 1;
    memcpy(dx, c.slope, n * sizeof *dx);
    c.d->op->rope(c.d, dx, c.index, rows, HEADS, SIZE, width, 500, -1);
    check_gradient("rope", rope_value, &c, c.x, dx, n, 0.05, 0.01);
    free(dx);
    free_case(&c);
}

/* x holds queries, keys and values side by side. */
static double attention_value(void *user)
{
    op_case *c = user;
    const int d = HEADS * SIZE;
    c->d->op->attention(c->d, c->y, c->lse, c->x, c->x + d, c->x + 2 * d, &c->shape);
    return dot(c->y, c->slope, c->n_y);
}

static void attention_gradient(void **state)
{
    (void)state;
    const int rows = 211, d = HEADS * SIZE; /* two blocks of queries in the longer span */
    const size_t n = (size_t)rows * (size_t)d;
    op_case c = make_case(rows, 3 * d, 3 * n, n);
    float *dx = calloc(3 * n, sizeof *dx);
    c.spans[0] = (ti_span){0, 150};
    c.spans[1] = (ti_span){150, 61};
    c.shape = (ti_attention_shape){
        .spans = c.spans, .n_spans = 2, .heads = HEADS, .head_size = SIZE, .ld = 3 * d};
    attention_value(&c);
    c.d->op->attention_back(c.d, dx, dx + d, dx + 2 * d, c.slope, c.y, c.lse, c.x, c.x + d,
                            c.x + 2 * d, &c.shape);
    check_gradient("attention", attention_value, &c, c.x, dx, 3 * n, 0.1, 0.01);
    free(dx);
    free_case(&c);
}

static double embed_value(void *user)
{
    op_case *c = user;
    c->d->op->embed(c->d, c->y, c->x, c->index, c->rows, c->width);
    return dot(c->y, c->slope, c->n_y);
}

static void embed_gradient(void **state)
{
    (void)state;
    const int rows = 40, width = 21, table = 5; /* the same row many times */
    const size_t n = (size_t)table * (size_t)width;
    op_case c = make_case(rows, width, n, (size_t)rows * (size_t)width);
    float *dx = calloc(n, sizeof *dx);
    for (int r = 0; r < rows; r++) c.index[r] = r * r % table;
    c.d->op->embed_back(c.d, dx, c.slope, c.index, rows, width);
    check_gradient("embed", embed_value, &c, c.x, dx, n, 0.05, 0.01);
    free(dx);
    free_case(&c);
}

static void gather_and_scatter(void **state)
{
    (void)state;
    const int width = 3;
    const int32_t index[] = {4, 0, 2};
    ti_train_device *d = open_device(2);
    float *x = random_floats(15, 1, 1), *y = random_floats(9, 2, 1), dx[15] = {0};
    d->op->gather(d, y, x, index, 3, width);
    for (int r = 0; r < 3; r++) assert_memory_equal(y + r * width, x + index[r] * width, 12);
    dx[0] = 1;
    d->op->scatter(d, dx, y, index, 3, width);
    assert_float_equal(dx[0], x[0] + 1, 1e-6);
    assert_float_equal(dx[13], x[13], 0);
    assert_float_equal(dx[3], 0, 0);
    free(x);
    free(y);
    ti_train_device_free(d);
}

typedef struct loss_case {
    ti_train_device *d;
    float *logits, *room, *loss, *hit;
    int32_t target[3];
    float weight[3];
} loss_case;

enum { CLASSES = 45 };

static double loss_value(void *user)
{
    loss_case *c = user;
    memcpy(c->room, c->logits, 3 * CLASSES * sizeof(float));
    c->d->op->cross_entropy(c->d, c->room, c->loss, c->hit, c->target, c->weight, 3, CLASSES, 0.7f);
    return dot(c->loss, c->weight, 3);
}

static void loss_gradient(void **state)
{
    (void)state;
    loss_case c = {.d = open_device(2),
                   .logits = random_floats(3 * CLASSES, 1, 2),
                   .room = random_floats(3 * CLASSES, 2, 1),
                   .loss = random_floats(3, 3, 1),
                   .hit = random_floats(3, 4, 1),
                   .target = {0, 17, 44},
                   .weight = {1, 0.5f, 2}};
    c.logits[17 + CLASSES] = 50; /* row 1 is right */
    c.logits[0] = -50;           /* row 0 is not */
    loss_value(&c);
    assert_float_equal(c.hit[0], 0, 0);
    assert_float_equal(c.hit[1], 1, 0);
    c.logits[17 + CLASSES] = 1;
    c.logits[0] = -1;
    loss_value(&c);
    float *gradient = random_floats(3 * CLASSES, 5, 1);
    memcpy(gradient, c.room, 3 * CLASSES * sizeof(float));
    check_gradient("cross entropy", loss_value, &c, c.logits, gradient, 3 * CLASSES, 0.05, 0.01);
    free(gradient);
    free(c.logits);
    free(c.room);
    free(c.loss);
    free(c.hit);
    ti_train_device_free(c.d);
}

static void products_in_bf16_round_their_inputs(void **state)
{
    (void)state;
    ti_train_device *d = open_device(1);
    float *a = random_floats(8 * 20, 1, 1), *b = random_floats(5 * 20, 2, 1), y[40], exact[40];
    ti_gemm_shape s = {
        .form = TI_GEMM_NT, .m = 8, .n = 5, .k = 20, .alpha = 1, .lda = 20, .ldb = 20, .ldc = 5};
    s.bf16 = true;
    d->op->gemm(d, &s, a, b, y);
    for (int i = 0; i < 160; i++) a[i] = ti_bf16_to_float(ti_float_to_bf16(a[i]));
    for (int i = 0; i < 100; i++) b[i] = ti_bf16_to_float(ti_float_to_bf16(b[i]));
    s.bf16 = false;
    d->op->gemm(d, &s, a, b, exact);
    for (int i = 0; i < 40; i++) assert_float_equal(y[i], exact[i], 1e-4);
    free(a);
    free(b);
    ti_train_device_free(d);
}

static void optimiser_step(void **state)
{
    (void)state;
    ti_train_device *d = open_device(1);
    float p[] = {1, -2}, m[] = {0.1f, 0}, v[] = {0.01f, 0}, ema[] = {0, 0}, g[] = {2, -4};
    ti_adamw o = {.rate = 0.1f,
                  .beta1 = 0.9f,
                  .beta2 = 0.99f,
                  .eps = 1e-8f,
                  .decay = 0.5f,
                  .correction1 = 0.19f,
                  .correction2 = 0.0199f,
                  .gradient_scale = 0.5f,
                  .ema = 0.75f};
    d->op->adamw(d, p, m, v, ema, g, 2, &o);
    const double m0 = 0.9 * 0.1 + 0.1 * 1, v0 = 0.99 * 0.01 + 0.01 * 1;
    const double want = 1 - 0.1 * (m0 / 0.19 / (sqrt(v0 / 0.0199) + 1e-8) + 0.5 * 1);
    assert_float_equal(m[0], m0, 1e-6);
    assert_float_equal(v[0], v0, 1e-7);
    assert_float_equal(p[0], want, 1e-6);
    assert_float_equal(ema[0], 0.25 * want, 1e-6);
    assert_float_equal(d->op->sum_squares(d, g, 2), 20, 1e-6);
    ti_train_device_free(d);
}

/* The whole backward of attention, norm and embedding with one, two and five threads. */
static void same_bits_on_any_threads(void **state)
{
    (void)state;
    const int rows = 333, d = HEADS * SIZE;
    const size_t n = (size_t)rows * (size_t)d;
    float *first = NULL;
    for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        ti_train_device *dev = open_device(threads);
        float *x = random_floats(3 * n, 1, 1), *dy = random_floats(n, 2, 1),
              *y = random_floats(n, 3, 1);
        float *lse = random_floats((size_t)rows * HEADS, 4, 1),
              *gain = random_floats((size_t)d, 5, 1);
        float *rstd = random_floats((size_t)rows, 6, 1);
        float *out = calloc(3 * n + n + (size_t)d, sizeof *out);
        ti_span spans[2] = {{0, 200}, {200, 133}};
        ti_attention_shape s = {
            .spans = spans, .n_spans = 2, .heads = HEADS, .head_size = SIZE, .ld = 3 * d};
        assert_non_null(out);
        dev->op->attention(dev, y, lse, x, x + d, x + 2 * d, &s);
        dev->op->attention_back(dev, out, out + d, out + 2 * d, dy, y, lse, x, x + d, x + 2 * d,
                                &s);
        dev->op->norm(dev, y, rstd, x, gain, rows, d, 1e-5f);
        dev->op->norm_back(dev, out + 3 * n, out + 4 * n, dy, x, gain, rstd, rows, d);
        if (first) assert_memory_equal(out, first, (4 * n + (size_t)d) * sizeof *out);
        float *all[] = {x, dy, y, lse, gain, rstd};
        for (size_t i = 0; i < TEST_LENGTH(all); i++) free(all[i]);
        if (first)
            free(out);
        else
            first = out;
        ti_train_device_free(dev);
    }
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm_gradient),  cmocka_unit_test(swiglu_gradient),
        cmocka_unit_test(rope_gradient),  cmocka_unit_test(attention_gradient),
        cmocka_unit_test(embed_gradient), cmocka_unit_test(gather_and_scatter),
        cmocka_unit_test(loss_gradient),  cmocka_unit_test(products_in_bf16_round_their_inputs),
        cmocka_unit_test(optimiser_step), cmocka_unit_test(same_bits_on_any_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

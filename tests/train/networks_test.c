/* Whole networks: the backbone against the golden gradients of the released objective, a
 * convolutional network against finite differences, and the image tokeniser against the engine's
 * inference. */
#include "check.h"
#include "folder.h"

#include "format/checkpoint.h"
#include "format/convert.h"
#include "grad.h"
#include "magvit.h"
#include "vision/image_tokenizer.h"

#include <unistd.h>

/* ---- the backbone ------------------------------------------------------------------------ */

static void convert_golden(void)
{
    te_error err;
    ti_convert_options opt = {.folder = TE_GOLDEN "/m-tiny",
                              .output = path_of("m.gguf"),
                              .layout = TE_GOLDEN "/m-tiny/trajectory.json",
                              .profile = "mmada-parallel-m",
                              .type = "f32"};
    assert_ok(ti_convert(&opt, &err), err);
}

static void golden_gradients(void **state)
{
    (void)state;
    te_error err;
    ti_llada_loss loss;
    ti_checkpoint *golden = NULL, *ours = NULL;
    convert_golden();
    assert_ok(ti_grad_run(path_of("m.gguf"), TE_GOLDEN "/sft-m-tiny/sft.json",
                          path_of("grads.safetensors"), &loss, &err),
              err);
    assert_float_equal(loss.weighted[TI_READ_TEXT], 9.227457427586524, 1e-4);
    assert_float_equal(loss.weighted[TI_READ_IMAGE], 3.680828221788158, 1e-4);
    assert_ok(ti_checkpoint_open(&golden, TE_GOLDEN "/sft-m-tiny/sft_grads.safetensors", &err),
              err);
    assert_ok(ti_checkpoint_open(&ours, path_of("grads.safetensors"), &err), err);
    assert_int_equal(ti_checkpoint_count(golden), ti_checkpoint_count(ours));
    for (int i = 0; i < ti_checkpoint_count(golden); i++) {
        const ti_tensor *want = ti_checkpoint_tensor(golden, i), *got = NULL;
        assert_ok(ti_checkpoint_need(ours, want->name, want->n_dims, want->shape, &got, &err), err);
        const size_t n = (size_t)ti_tensor_elements(want);
        float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
        assert_non_null(a);
        assert_non_null(b);
        memcpy(a, want->data, n * sizeof *a);
        memcpy(b, got->data, n * sizeof *b);
        const double length = sqrt(dot(a, a, n));
        for (size_t j = 0; j < n; j++) b[j] -= a[j];
        if (sqrt(dot(b, b, n)) > 1e-3 * length) fail_msg("gradient of %s", want->name);
        free(a);
        free(b);
    }
    ti_checkpoint_free(golden);
    ti_checkpoint_free(ours);
}

static void refuses_bad_tokens(void **state)
{
    (void)state;
    te_error err;
    ti_llada_loss loss;
    static const char *const bad[] = {
        "{\"tokens\": [1, 448], \"labels\": [-100, -100], \"t\": 0.5}",
        "{\"tokens\": [1, 2], \"labels\": [-100], \"t\": 0.5}",
        "{\"tokens\": [1, 2], \"labels\": [-100, 7], \"t\": 0}",
        "{\"tokens\": [], \"labels\": [], \"t\": 0.5}",
        "[1]",
    };
    convert_golden();
    for (size_t i = 0; i < TEST_LENGTH(bad); i++) {
        FILE *file = fopen(path_of("bad.json"), "w");
        assert_non_null(file);
        fputs(bad[i], file);
        fclose(file);
        assert_int_equal(ti_grad_run(path_of("m.gguf"), path_of("bad.json"), NULL, &loss, &err),
                         TE_FORMAT);
    }
    assert_int_not_equal(ti_grad_run(path_of("absent"), path_of("bad.json"), NULL, &loss, &err),
                         TE_OK);
}

/* ---- a convolutional network ------------------------------------------------------------- */

static double network_value(void *user)
{
    ti_net *net = user;
    ti_net_forward(net, 0, net->n_nodes);
    const ti_value *y = &net->values[net->n_values - 1];
    const size_t n = (size_t)(net->batch * y->height * y->width * y->channels);
    float *slope = random_floats(n, 9, 1);
    double value = dot(y->data, slope, n);
    free(slope);
    return value;
}

/* Every kind of node but the quantiser, with residuals that branch off and change channels. */
static void build(ti_net *net)
{
    int x = ti_net_input(net, 8, 12, 3);
    x = ti_net_conv(net, "in", x, 8, 3, 1, -1);
    int h = ti_net_group_norm(net, "norm1", x, true);
    h = ti_net_conv(net, "conv1", h, 8, 3, 1, -1);
    x = ti_net_conv(net, "conv2", ti_net_group_norm(net, "norm2", h, true), 8, 3, 1, x);
    x = ti_net_conv(net, "down", x, 8, 3, 2, -1);
    h = ti_net_group_norm(net, "norm3", x, false);
    int q = ti_net_conv(net, "q", h, 8, 1, 1, -1), k = ti_net_conv(net, "k", h, 8, 1, 1, -1);
    h = ti_net_attention(net, q, k, ti_net_conv(net, "v", h, 8, 1, 1, -1));
    x = ti_net_conv(net, "out", h, 8, 1, 1, x);
    h = ti_net_group_norm(net, "norm4", x, true);
    int skip = ti_net_conv(net, "shortcut", x, 4, 1, 1, -1);
    x = ti_net_conv(net, "conv3", h, 4, 3, 1, skip);
    ti_net_conv(net, "last", ti_net_upsample(net, x), 3, 3, 1, -1);
}

static void network_gradients(void **state)
{
    (void)state;
    te_error err;
    ti_params params;
    ti_net *net = malloc(sizeof *net);
    assert_non_null(net);
    ti_train_device *d = open_device(2);
    ti_params_init(&params, d);
    ti_net_init(net, &params, 2, 2, 1e-6f);
    build(net);
    assert_ok(ti_params_allocate(&params, &err), err);
    assert_ok(ti_net_allocate(net, &err), err);
    float *weights = random_floats(params.floats, 1, 0.3),
          *picture = random_floats(2 * 8 * 12 * 3, 2, 1);
    ti_params_set_all(&params, weights);
    memcpy(net->values[0].data, picture, 2 * 8 * 12 * 3 * sizeof *picture);
    network_value(net);
    ti_value *y = &net->values[net->n_values - 1];
    float *slope = random_floats(2 * 8 * 12 * 3, 9, 1);
    memcpy(y->grad, slope, 2 * 8 * 12 * 3 * sizeof *slope);
    ti_net_backward(net, 0);
    for (int i = 0; i < params.n; i++) {
        const float *gradient = ti_param_grad(&params, i);
        const size_t n = params.items[i].count;
        if (!strcmp(params.items[i].name, "k.bias")) continue; /* shifts all scores: no effect */
        check_gradient(params.items[i].name, network_value, net, ti_param_value(&params, i),
                       gradient, n, 0.01, 0.03);
    }
    free(weights);
    free(picture);
    free(slope);
    ti_net_clear(net);
    ti_params_clear(&params);
    ti_train_device_free(d);
    free(net);
}

static void refuses_impossible_networks(void **state)
{
    (void)state;
    te_error err;
    ti_params params;
    ti_net *net = malloc(sizeof *net);
    assert_non_null(net);
    ti_train_device *d = open_device(1);
    ti_params_init(&params, d);
    ti_net_init(net, &params, 1, 3, 1e-6f);
    int x = ti_net_input(net, 7, 8, 4);
    ti_net_conv(net, "half", x, 4, 3, 2, -1);
    assert_int_equal(ti_net_allocate(net, &err), TE_INVALID);
    assert_non_null(strstr(err.message, "odd"));
    ti_net_clear(net);
    ti_params_clear(&params);
    ti_params_init(&params, d);
    ti_net_init(net, &params, 1, 3, 1e-6f);
    ti_net_group_norm(net, "norm", ti_net_input(net, 8, 8, 4), true);
    assert_int_equal(ti_net_allocate(net, &err), TE_INVALID);
    assert_non_null(strstr(err.message, "groups"));
    ti_net_clear(net);
    ti_params_clear(&params);
    ti_train_device_free(d);
    free(net);
}

/* ---- the image tokeniser ----------------------------------------------------------------- */

static void write_image_model(const ti_magvit *m)
{
    te_error err;
    ti_gguf_writer *w = NULL;
    assert_ok(ti_gguf_writer_create(&w, path_of("image.gguf"), &err), err);
    assert_ok(ti_gguf_put_string(w, "general.architecture", "llada", 5, &err), err);
    assert_ok(ti_magvit_declare(m, w, TI_F32, &err), err);
    assert_ok(ti_magvit_write(m, w, TI_F32, &err), err);
    assert_ok(ti_gguf_finish(w, &err), err);
    ti_gguf_writer_free(w);
}

enum { SIDE = 32, PIXELS = SIDE * SIDE, GRID = SIDE / 4 };

/* The engine's codes and picture for the same weights are those training saw. */
static void compare_with_engine(ti_magvit *m)
{
    te_error err;
    ti_gguf *file = NULL;
    ti_backend *backend = NULL;
    ti_image_tokenizer *engine = NULL;
    static uint8_t rgb[PIXELS * 3];
    static float pixels[PIXELS * 3], decoded[PIXELS * 3];
    uint16_t codes[GRID * GRID];
    int32_t engine_codes[GRID * GRID];
    write_image_model(m);
    assert_ok(ti_gguf_open(&file, path_of("image.gguf"), &err), err);
    assert_ok(ti_backend_create(&backend, "cpu", 1, &err), err);
    assert_ok(ti_image_tokenizer_create(&engine, file, backend, &err), err);
    for (int i = 0; i < PIXELS * 3; i++) {
        rgb[i] = (uint8_t)ti_random_below((ti_random){3, 3}, (uint64_t)i, 256);
        pixels[i] = (float)rgb[i] / 255.0f;
    }
    assert_ok(ti_magvit_encode(m, rgb, 1, codes, &err), err);
    assert_ok(ti_image_tokenizer_encode(engine, pixels, SIDE, SIDE, engine_codes, NULL, &err), err);
    for (int i = 0; i < GRID * GRID; i++) assert_int_equal(codes[i], engine_codes[i]);
    ti_net_forward(&m->net, m->encoder_nodes, m->net.n_nodes); /* the quantiser and the decoder */
    assert_ok(
        ti_image_tokenizer_decode(engine, engine_codes, GRID, GRID, decoded, true, NULL, &err),
        err);
    const float *output = m->net.values[m->output].data;
    for (int i = 0; i < PIXELS * 3; i++) assert_float_equal(decoded[i], output[i], 1e-4);
    ti_image_tokenizer_free(engine);
    ti_backend_free(backend);
    ti_gguf_free(file);
}

static void image_tokenizer_is_the_engines(void **state)
{
    (void)state;
    te_error err;
    for (int local = 0; local < 2; local++) {
        ti_magvit *m = NULL;
        ti_train_device *d = open_device(2);
        ti_magvit_config c = {.channels = 8,
                              .bits = 9,
                              .groups = 4,
                              .levels = 3,
                              .encoder_mult = {1, 1, 2},
                              .encoder_blocks = {1, 1, 2},
                              .decoder_mult = {1, 2, 2},
                              .decoder_blocks = {1, 2, 1},
                              .local = local != 0,
                              .attention = true};
        assert_ok(ti_magvit_create(&m, d, &c, SIDE, 1, &err), err);
        float *room = random_floats(m->params.floats, 1, 1);
        ti_magvit_init(m, 5, room);
        compare_with_engine(m);
        free(room);
        ti_magvit_free(m);
        ti_train_device_free(d);
    }
}

enum { WORDS = 20, CODE_BITS = 3, VOCAB = WORDS + 4 + (1 << CODE_BITS), WIDTH = 64, HEADS = 2 };

/* Token ID as the first layer sees it, times the rows of one head of PARAM. */
static void project(double out[WIDTH / HEADS], ti_llada *l, int id, const char *param, int head)
{
    const ti_params *p = ti_llada_params(l);
    const float *e = ti_param_value(p, ti_params_find(p, "model.transformer.wte.weight"));
    const float *w = ti_param_value(p, ti_params_find(p, param));
    double squares = 0;
    for (int i = 0; i < WIDTH; i++) squares += pow((double)e[id * WIDTH + i], 2) / WIDTH;
    for (int r = 0; r < WIDTH / HEADS; r++) {
        out[r] = 0;
        for (int i = 0; i < WIDTH; i++)
            out[r] += (double)w[(head * WIDTH / HEADS + r) * WIDTH + i] *
                      (double)e[id * WIDTH + i] / sqrt(squares);
    }
}

/* A fresh backbone's last head attends to words, whoever asks, and to nothing else. */
static ti_llada_config small(int layers)
{
    return (ti_llada_config){.width = WIDTH,
                             .layers = layers,
                             .heads = HEADS,
                             .ff = 96,
                             .vocab = VOCAB,
                             .context = 64,
                             .eps = 1e-5f,
                             .theta = 10000,
                             .logit_scale = 1};
}

static void begins_by_listening(void **state)
{
    (void)state;
    te_error err;
    ti_llada *l = NULL;
    ti_train_device *d = open_device(1);
    const ti_llada_config c = small(2);
    const ti_llada_start start = {.image_offset = WORDS + 4,
                                  .bits = CODE_BITS,
                                  .mask = WORDS,
                                  .distance = 13,
                                  .words = WORDS};
    assert_ok(ti_llada_create(&l, d, &c, 64, &err), err);
    assert_ok(ti_llada_init(l, 3, &start, &err), err);
    for (int asks = 0; asks < VOCAB; asks++) {
        double q[WIDTH / HEADS], k[WIDTH / HEADS], least = INFINITY, most = -INFINITY;
        project(q, l, asks, "model.transformer.blocks.0.q_proj.weight", HEADS - 1);
        for (int id = 0; id < VOCAB; id++) {
            double score = 0;
            project(k, l, id, "model.transformer.blocks.0.k_proj.weight", HEADS - 1);
            for (int i = 0; i < WIDTH / HEADS; i++) score += q[i] * k[i] / sqrt(WIDTH / HEADS);
            if (id < WORDS)
                least = fmin(least, score);
            else
                most = fmax(most, score);
        }
        if (least < most + 2) fail_msg("token %d: words %.1f, others %.1f", asks, least, most);
    }
    ti_llada_free(l);
    ti_train_device_free(d);
}

/* ---- readings half-way up ---------------------------------------------------------------- */

typedef struct half_way {
    ti_llada *l;
    ti_packed batch;
} half_way;

static double half_way_value(void *user)
{
    half_way *h = user;
    te_error err;
    ti_llada_loss loss = {{0}, {0}, {0}};
    assert_ok(ti_llada_step(h->l, &h->batch, &err), err);
    assert_ok(ti_llada_losses(h->l, &h->batch, &loss, &err), err);
    return loss.weighted[TI_READ_TEXT] + loss.weighted[TI_READ_NAMES];
}

/* Rows asked for a word half-way up, one of them for a word at the top too: the gradients of both,
 * and nothing of the first in the layers above. */
static void names_are_read_half_way_up(void **state)
{
    (void)state;
    te_error err;
    half_way h = {0};
    ti_train_device *d = open_device(2);
    const ti_llada_config c = small(4);
    static const int32_t tokens[7] = {3, 1, 4, 1, 5, 9, 2}, positions[7] = {0, 1, 2, 3, 4, 5, 6},
                         top[2] = {6, 2}, top_words[2] = {7, 8}, middle[3] = {1, 2, 4},
                         middle_words[3] = {5, 6, 5};
    static const float weights[3] = {0.5f, 1, 0.25f};
    static const ti_span span = {.first = 0, .count = 7};
    assert_ok(ti_llada_create(&h.l, d, &c, 7, &err), err);
    assert_ok(ti_llada_init(h.l, 3, &(ti_llada_start){.bits = 0}, &err), err);
    h.batch = (ti_packed){
        .rows = 7, .tokens = tokens, .positions = positions, .spans = &span, .n_spans = 1};
    ti_reading *names = &h.batch.readings[TI_READ_NAMES];
    *names = (ti_reading){3, middle, middle_words, weights, 0, WORDS};
    ti_params *p = ti_llada_params(h.l);
    float *gradient = malloc(p->floats * sizeof *gradient);
    assert_non_null(gradient);
    half_way_value(&h);
    double above = 0, below = 0;
    for (int i = 0; i < p->n; i++) {
        const float *g = ti_param_grad(p, i);
        const double size = dot(g, g, p->items[i].count);
        if (strstr(p->items[i].name, "blocks.2.") || strstr(p->items[i].name, "blocks.3."))
            above += size;
        if (strstr(p->items[i].name, "blocks.1.attn_out")) below += size;
    }
    assert_true(above == 0);
    assert_true(below > 0);
    h.batch.readings[TI_READ_TEXT] = (ti_reading){2, top, top_words, weights, 0, VOCAB};
    memset(p->grad, 0, p->floats * sizeof *p->grad);
    half_way_value(&h);
    memcpy(gradient, p->grad, p->floats * sizeof *gradient);
    check_gradient("names", half_way_value, &h, p->value, gradient, p->floats, 2e-3, 2e-3);
    names->n = 15;
    assert_int_equal(ti_llada_step(h.l, &h.batch, &err), TE_INVALID);
    free(gradient);
    ti_llada_free(h.l);
    ti_train_device_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_gradients),
        cmocka_unit_test(refuses_bad_tokens),
        cmocka_unit_test(network_gradients),
        cmocka_unit_test(refuses_impossible_networks),
        cmocka_unit_test(image_tokenizer_is_the_engines),
        cmocka_unit_test(begins_by_listening),
        cmocka_unit_test(names_are_read_half_way_up),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

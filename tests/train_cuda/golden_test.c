/* golden_test.c - a whole step of the backbone on the card: against the released objective's
 * gradients, and rounded to bf16 against the CPU's; twice the same. */
#include "both.h"

#include "format/checkpoint.h"
#include "llada.h"

#include <jansson.h>

enum { ROWS = 60, EOI = 85, IMAGE = 16, VOCAB = 448 };

typedef struct task {
    int32_t tokens[ROWS], positions[ROWS], rows[2][ROWS], targets[2][ROWS];
    float weights[2][ROWS];
    ti_span span;
    ti_packed packed;
    double text_loss, image_loss;
} task;

static double number(const json_t *root, const char *key)
{
    assert_true(json_is_number(json_object_get(root, key)));
    return json_number_value(json_object_get(root, key));
}

static void read_task(task *k)
{
    json_t *root = json_load_file(TE_GOLDEN "/sft-m-tiny/sft.json", 0, NULL);
    assert_non_null(root);
    *k = (task){.span = {0, ROWS},
                .text_loss = number(root, "text_loss"),
                .image_loss = number(root, "image_loss")};
    int last = -1, label[ROWS];
    for (int i = 0; i < ROWS; i++) {
        k->tokens[i] =
            (int32_t)json_integer_value(json_array_get(json_object_get(root, "tokens"), (size_t)i));
        label[i] =
            (int)json_integer_value(json_array_get(json_object_get(root, "labels"), (size_t)i));
        k->positions[i] = i;
        if (k->tokens[i] == EOI) last = i;
    }
    const double weight[2] = {1 / number(root, "t") / (ROWS - last - 1), 1.0 / (IMAGE + 2)};
    k->packed = (ti_packed){.rows = ROWS,
                            .tokens = k->tokens,
                            .positions = k->positions,
                            .spans = &k->span,
                            .n_spans = 1};
    for (int r = 0; r < TI_READINGS; r++) k->packed.readings[r] = (ti_reading){.columns = VOCAB};
    for (int i = 0; i < ROWS; i++) {
        if (label[i] < 0) continue;
        const int which = i < last;
        ti_reading *r = &k->packed.readings[which ? TI_READ_IMAGE : TI_READ_TEXT];
        k->rows[which][r->n] = i;
        k->targets[which][r->n] = label[i];
        k->weights[which][r->n++] = (float)weight[which];
        r->rows = k->rows[which];
        r->targets = k->targets[which];
        r->weights = k->weights[which];
    }
    json_decref(root);
}

/* Gradients of the golden task on DEVICE, [floats]; the network is left to the caller. */
static float *step(ti_llada **out, ti_train_device *device, bool bf16, ti_llada_loss *loss)
{
    static task k;
    const ti_llada_config config = {.width = 64,
                                    .layers = 2,
                                    .heads = 4,
                                    .ff = 160,
                                    .vocab = VOCAB,
                                    .context = 4096,
                                    .eps = 1e-5f,
                                    .theta = 500000,
                                    .logit_scale = 1,
                                    .bf16 = bf16};
    ti_checkpoint *weights = NULL;
    te_error err;
    read_task(&k);
    assert_ok(ti_llada_create(out, device, &config, ROWS, &err), err);
    ti_params *p = ti_llada_params(*out);
    assert_ok(ti_checkpoint_open(&weights, TE_GOLDEN "/m-tiny/model.safetensors", &err), err);
    for (int i = 0; i < p->n; i++) {
        const ti_tensor *t = NULL;
        assert_ok(ti_checkpoint_need(weights, p->items[i].name, p->items[i].n_dims,
                                     p->items[i].shape, &t, &err),
                  err);
        float *room = malloc(p->items[i].count * sizeof *room);
        assert_non_null(room);
        ti_dequantize(t->type, t->data, room, (int64_t)p->items[i].count);
        ti_params_set(p, i, room);
        free(room);
    }
    ti_checkpoint_free(weights);
    *loss = (ti_llada_loss){0};
    assert_ok(ti_llada_step(*out, &k.packed, &err), err);
    assert_ok(ti_llada_losses(*out, &k.packed, loss, &err), err);
    assert_true(fabs(loss->weighted[TI_READ_TEXT] - k.text_loss) <
                (bf16 ? 0.1 : 1e-4) * k.text_loss);
    assert_true(fabs(loss->weighted[TI_READ_IMAGE] - k.image_loss) <
                (bf16 ? 0.1 : 1e-4) * k.image_loss);
    float *grads = malloc(p->floats * sizeof *grads);
    assert_non_null(grads);
    assert_ok(device->op->download(device, grads, p->grad, p->floats * sizeof *grads, &err), err);
    return grads;
}

static double apart(const float *a, const float *b, size_t n)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += pow((double)a[i] - (double)b[i], 2);
        size += pow((double)b[i], 2);
    }
    return sqrt(difference) / (sqrt(size) + 1e-12);
}

static void golden_gradients(void **state)
{
    (void)state;
    ti_llada *l = NULL;
    ti_llada_loss loss;
    ti_checkpoint *golden = NULL;
    te_error err;
    float *grads = step(&l, devices[1], false, &loss);
    const ti_params *p = ti_llada_params(l);
    assert_ok(ti_checkpoint_open(&golden, TE_GOLDEN "/sft-m-tiny/sft_grads.safetensors", &err),
              err);
    for (int i = 0; i < p->n; i++) {
        const ti_tensor *t = NULL;
        assert_ok(ti_checkpoint_need(golden, p->items[i].name, p->items[i].n_dims,
                                     p->items[i].shape, &t, &err),
                  err);
        assert_int_equal(t->type, TI_F32);
        double d = apart(grads + p->items[i].first, t->data, p->items[i].count);
        if (!(d < 1e-3)) fail_msg("%s: %g apart", p->items[i].name, d);
    }
    ti_checkpoint_free(golden);
    ti_llada_free(l);
    free(grads);
}

static void rounded_gradients(void **state)
{
    (void)state;
    ti_llada *l[3] = {NULL};
    ti_llada_loss loss[3];
    float *grads[3];
    for (int i = 0; i < 3; i++) grads[i] = step(&l[i], devices[i > 0], true, &loss[i]);
    const size_t n = ti_llada_params(l[0])->floats;
    const double d = apart(grads[1], grads[0], n);
    if (!(d < 5e-2)) fail_msg("%g apart", d);
    assert_memory_equal(grads[1], grads[2], n * sizeof(float)); /* the same card, the same bits */
    assert_memory_equal(&loss[1], &loss[2], sizeof loss[1]);
    for (int i = 0; i < 3; i++) {
        ti_llada_free(l[i]);
        free(grads[i]);
    }
}

int run_golden(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_gradients),
                                       cmocka_unit_test(rounded_gradients)};
    return cmocka_run_group_tests_name("whole steps", tests, NULL, NULL);
}

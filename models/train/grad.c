/* grad.c - loss and gradients of a model for given tokens, in f32: how the trainer is compared with
 * the released training code.
 *
 * FILE is {"tokens": [...], "labels": [...], "t": ...}; a label of -100 asks for nothing. A
 * labelled position before the last end of image is an image token, one behind it is text: text =
 * sum(ce) / t / text positions, image = sum(ce) / (image tokens + 2), loss = text + image
 */
#include "commands.h"
#include "grad.h"

#include "base/memory.h"
#include "denoise/layout.h"
#include "format/checkpoint.h"
#include "llada.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_LABEL (-100)

typedef struct task {
    int n;
    int32_t *tokens, *labels, *positions;
    int32_t *rows[TI_READINGS], *targets[TI_READINGS];
    float *weights[TI_READINGS];
    double t;
} task;

static void task_clear(task *k)
{
    int32_t *ints[] = {k->tokens, k->labels, k->positions};
    for (int i = 0; i < 3; i++) free(ints[i]);
    for (int i = 0; i < TI_READINGS; i++) {
        free(k->rows[i]);
        free(k->targets[i]);
        free(k->weights[i]);
    }
}

static te_status task_allocate(task *k, te_error *err)
{
    const size_t n = (size_t)k->n;
    bool ok = (k->tokens = ti_malloc_array(n, sizeof *k->tokens)) &&
              (k->labels = ti_malloc_array(n, sizeof *k->labels)) &&
              (k->positions = ti_malloc_array(n, sizeof *k->positions));
    for (int i = 0; ok && i < TI_READINGS; i++)
        ok = (k->rows[i] = ti_malloc_array(n, sizeof(int32_t))) &&
             (k->targets[i] = ti_malloc_array(n, sizeof(int32_t))) &&
             (k->weights[i] = ti_malloc_array(n, sizeof(float)));
    return ok ? TE_OK : ti_fail_memory(err, "the tokens", n);
}

static te_status task_read(task *k, const char *path, int vocab, te_error *err)
{
    json_t *root = NULL;
    te_status st = ti_config_load(&root, path, err);
    if (st) return st;
    const json_t *tokens = json_object_get(root, "tokens"),
                 *labels = json_object_get(root, "labels");
    const size_t n = json_array_size(tokens);
    k->t = json_number_value(json_object_get(root, "t"));
    if (n < 1 || n > TI_TRAIN_MAX_TOKENS || json_array_size(labels) != n ||
        !(k->t > 0 && k->t <= 1))
        st = ti_fail(err, TE_FORMAT,
                     "%s: needs 1 to %d \"tokens\", as many \"labels\", and \"t\" in (0, 1]", path,
                     TI_TRAIN_MAX_TOKENS);
    k->n = (int)n;
    if (!st) st = task_allocate(k, err);
    for (size_t i = 0; !st && i < n; i++) {
        json_int_t token = json_integer_value(json_array_get(tokens, i));
        json_int_t label = json_integer_value(json_array_get(labels, i));
        if (token < 0 || token >= vocab || (label != NO_LABEL && (label < 0 || label >= vocab)))
            st = ti_fail(err, TE_FORMAT, "%s: position %zu is outside the vocabulary of %d", path,
                         i, vocab);
        k->tokens[i] = (int32_t)token;
        k->labels[i] = (int32_t)label;
        k->positions[i] = (int32_t)i;
    }
    json_decref(root);
    return st;
}

static void task_pack(task *k, const ti_layout *layout, int vocab, ti_packed *out)
{
    int last_eoi = -1;
    for (int i = 0; i < k->n; i++)
        if (k->tokens[i] == layout->eoi) last_eoi = i;
    const double image = 1.0 / (layout->grid_h * layout->grid_w + 2);
    const double text = 1.0 / k->t / (k->n - last_eoi - 1);
    *out = (ti_packed){.rows = k->n, .tokens = k->tokens, .positions = k->positions};
    for (int i = 0; i < TI_READINGS; i++)
        out->readings[i] = (ti_reading){.rows = k->rows[i],
                                        .targets = k->targets[i],
                                        .weights = k->weights[i],
                                        .columns = vocab};
    for (int i = 0; i < k->n; i++) {
        if (k->labels[i] == NO_LABEL) continue;
        const int which = i > last_eoi ? TI_READ_TEXT : TI_READ_IMAGE;
        const int at = out->readings[which].n++;
        k->rows[which][at] = i;
        k->targets[which][at] = k->labels[i];
        k->weights[which][at] = (float)(which == TI_READ_TEXT ? text : image);
    }
}

static te_status write_grads(const ti_params *p, const char *path, te_error *err)
{
    float *host = ti_malloc_array(p->floats, sizeof *host);
    ti_tensor *tensors = ti_calloc((size_t)p->n, sizeof *tensors);
    te_status st =
        host && tensors ? TE_OK : ti_fail_memory(err, "the gradients", p->floats * sizeof *host);
    if (!st) st = p->device->op->download(p->device, host, p->grad, p->floats * sizeof *host, err);
    for (int i = 0; !st && i < p->n; i++) {
        const ti_param *item = &p->items[i];
        tensors[i] = (ti_tensor){.name = item->name,
                                 .type = TI_F32,
                                 .n_dims = item->n_dims,
                                 .data = host + item->first,
                                 .bytes = item->count * sizeof *host};
        memcpy(tensors[i].shape, item->shape, sizeof item->shape);
    }
    if (!st) st = ti_safetensors_write(path, tensors, p->n, err);
    free(host);
    free(tensors);
    return st;
}

te_status ti_grad_run(const char *model, const char *sft, const char *grads, ti_llada_loss *loss,
                      te_error *err)
{
    ti_gguf *file = NULL;
    ti_train_device *device = NULL;
    ti_llada *llada = NULL;
    ti_layout layout;
    int64_t vocab = 0;
    task k = {0};
    ti_packed packed;
    *loss = (ti_llada_loss){0};
    te_status st = ti_gguf_open(&file, model, err);
    if (!st) st = ti_layout_read(&layout, file, err);
    if (!st) st = ti_gguf_need_int(file, "llada.vocab_size", 1, INT32_MAX, &vocab, err);
    if (!st) st = task_read(&k, sft, (int)vocab, err);
    if (!st) st = ti_train_device_create_cpu(&device, 0, err);
    if (!st) st = ti_llada_open(&llada, device, file, k.n, false, err);
    if (!st) {
        ti_span whole = {0, k.n};
        task_pack(&k, &layout, (int)vocab, &packed);
        packed.spans = &whole;
        packed.n_spans = 1;
        st = ti_llada_step(llada, &packed, err);
        if (!st) st = ti_llada_losses(llada, &packed, loss, err);
    }
    if (!st && grads) st = write_grads(ti_llada_params(llada), grads, err);
    task_clear(&k);
    ti_llada_free(llada);
    ti_train_device_free(device);
    ti_gguf_free(file);
    return st;
}

te_status ti_command_grad(const char *model, const char *sft, const char *grads, te_error *err)
{
    ti_llada_loss loss;
    te_status st = ti_grad_run(model, sft, grads, &loss, err);
    if (st) return st;
    const double text = loss.weighted[TI_READ_TEXT], image = loss.weighted[TI_READ_IMAGE];
    printf("{\"text_loss\": %.9g, \"image_loss\": %.9g, \"loss\": %.9g}\n", text, image,
           text + image);
    return TE_OK;
}

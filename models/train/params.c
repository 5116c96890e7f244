/* params.c - see params.h. A checkpoint holds four tensors per parameter - NAME, NAME:m, NAME:v and
 * NAME:average - and `steps`. */
#include "params.h"

#include "base/memory.h"
#include "format/checkpoint.h"
#include "muon.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ti_params_init(ti_params *p, ti_train_device *device)
{
    *p = (ti_params){.device = device};
}

void ti_params_clear(ti_params *p)
{
    if (!p->device) return;
    float *buffers[] = {p->value, p->grad, p->m, p->v, p->average, p->room};
    for (int i = 0; i < 6; i++)
        if (buffers[i]) p->device->op->release(p->device, buffers[i]);
    free(p->items);
    *p = (ti_params){0};
}

int ti_params_add(ti_params *p, const char *name, int n_dims, const int64_t *shape, unsigned flags)
{
    if (p->n == p->capacity) {
        int capacity = p->capacity ? 2 * p->capacity : 64;
        ti_param *items = ti_realloc_array(p->items, (size_t)capacity, sizeof *items);
        if (!items) {
            p->failed = true;
            return 0;
        }
        p->items = items;
        p->capacity = capacity;
    }
    ti_param *item = &p->items[p->n];
    *item = (ti_param){.n_dims = n_dims, .flags = flags, .first = p->floats, .count = 1};
    snprintf(item->name, sizeof item->name, "%s", name);
    for (int i = 0; i < TI_MAX_DIMS; i++) item->shape[i] = i < n_dims ? shape[i] : 1;
    for (int i = 0; i < n_dims; i++) item->count *= (size_t)shape[i];
    p->floats += item->count;
    return p->n++;
}

te_status ti_params_allocate(ti_params *p, te_error *err)
{
    if (p->failed) return ti_fail(err, TE_NOMEM, "no memory for the list of parameters");
    float **buffers[] = {&p->value, &p->grad, &p->m, &p->v, &p->average};
    te_status st = TE_OK;
    for (int i = 0; !st && i < 5; i++) {
        void *memory = NULL;
        st = p->device->op->alloc(p->device, p->floats * sizeof(float), &memory, err);
        *buffers[i] = memory;
    }
    const size_t room = ti_muon_room(p);
    void *memory = NULL;
    if (!st && room) st = p->device->op->alloc(p->device, room * sizeof(float), &memory, err);
    p->room = memory;
    return st;
}

int ti_params_find(const ti_params *p, const char *name)
{
    for (int i = 0; i < p->n; i++)
        if (!strcmp(p->items[i].name, name)) return i;
    return -1;
}

void ti_params_set(ti_params *p, int index, const float *values)
{
    const ti_param *item = &p->items[index];
    p->device->op->upload(p->device, p->value + item->first, values, item->count * sizeof *values);
    p->device->op->upload(p->device, p->average + item->first, values,
                          item->count * sizeof *values);
}

void ti_params_set_all(ti_params *p, const float *values)
{
    p->device->op->upload(p->device, p->value, values, p->floats * sizeof *values);
    p->device->op->upload(p->device, p->average, values, p->floats * sizeof *values);
}

te_status ti_params_get(const ti_params *p, bool average, float *out, te_error *err)
{
    return p->device->op->download(p->device, out, average ? p->average : p->value,
                                   p->floats * sizeof *out, err);
}

void ti_params_step(ti_params *p, const ti_recipe *recipe, int64_t step, double *norm)
{
    const double t = (double)(step + 1);
    *norm = sqrt(p->device->op->sum_squares(p->device, p->grad, p->floats));
    double ema =
        recipe->ema < t / (t + 10) ? recipe->ema : t / (t + 10); /* young averages are short */
    ti_adamw o = {.beta1 = (float)recipe->beta1,
                  .beta2 = (float)recipe->beta2,
                  .eps = (float)recipe->eps,
                  .correction1 = (float)(1 - pow(recipe->beta1, t)),
                  .correction2 = (float)(1 - pow(recipe->beta2, t)),
                  .gradient_scale = *norm > recipe->clip ? (float)(recipe->clip / *norm) : 1.0f,
                  .ema = (float)ema};
    for (int i = 0; i < p->n;) { /* neighbours of the same kind in one call */
        int last = i + 1;
        while (last < p->n && p->items[last].flags == p->items[i].flags) last++;
        size_t first = p->items[i].first;
        size_t count = p->items[last - 1].first + p->items[last - 1].count - first;
        const unsigned flags = p->items[i].flags;
        const bool muon = recipe->muon && flags & TI_MATRIX;
        o.rate = (float)(ti_recipe_rate(recipe, step) * (flags & TI_SLOW ? recipe->slow
                                                         : muon          ? recipe->matrix_rate
                                                                         : 1));
        o.decay = flags & TI_DECAYS ? (float)recipe->decay : 0;
        if (flags & TI_FROZEN) {
            /* nothing */
        } else if (muon) {
            for (int k = i; k < last; k++) ti_muon_step(p, &p->items[k], p->room, recipe, &o);
        } else {
            p->device->op->adamw(p->device, p->value + first, p->m + first, p->v + first,
                                 p->average + first, p->grad + first, count, &o);
        }
        i = last;
    }
    p->device->op->zero(p->device, p->grad, p->floats);
}

/* ---- checkpoints ------------------------------------------------------------------------- */

enum { AVERAGE = 3, KINDS };
static const char *const kind_suffix[KINDS] = {"", ":m", ":v", ":average"};

static void kind_name(char name[TI_PARAM_NAME + 16], const ti_param *item, int kind)
{
    snprintf(name, TI_PARAM_NAME + 16, "%s%s", item->name, kind_suffix[kind]);
}

te_status ti_params_save(const ti_params *p, int64_t steps, const char *path, te_error *err)
{
    const float *from[KINDS] = {p->value, p->m, p->v, p->average};
    const size_t n = (size_t)p->n * KINDS;
    ti_tensor *tensors = ti_calloc(n + 1, sizeof *tensors);
    char(*names)[TI_PARAM_NAME + 16] = ti_calloc(n, sizeof *names);
    float *host = ti_malloc_array(p->floats, KINDS * sizeof *host);
    int32_t counter[2] = {(int32_t)(steps & 0x7fffffff), (int32_t)(steps >> 31)};
    te_status st =
        tensors && names && host ? TE_OK : ti_fail_memory(err, "the checkpoint", p->floats * 16);
    for (int k = 0; !st && k < KINDS; k++) {
        float *to = host + (size_t)k * p->floats;
        st = p->device->op->download(p->device, to, from[k], p->floats * sizeof *to, err);
        for (int i = 0; !st && i < p->n; i++) {
            ti_tensor *t = &tensors[i * KINDS + k];
            kind_name(names[i * KINDS + k], &p->items[i], k);
            *t = (ti_tensor){.name = names[i * KINDS + k],
                             .type = TI_F32,
                             .n_dims = p->items[i].n_dims,
                             .data = to + p->items[i].first,
                             .bytes = p->items[i].count * sizeof *to};
            memcpy(t->shape, p->items[i].shape, sizeof t->shape);
        }
    }
    if (!st) {
        tensors[n] = (ti_tensor){.name = "steps",
                                 .type = TI_I32,
                                 .n_dims = 1,
                                 .shape = {2, 1, 1, 1},
                                 .data = counter,
                                 .bytes = sizeof counter};
        st = ti_safetensors_write(path, tensors, (int)n + 1, err);
    }
    free(tensors);
    free(names);
    free(host);
    return st;
}

static te_status load_one(ti_params *p, const ti_param *item, const ti_checkpoint *file,
                          te_error *err)
{
    float *to[KINDS] = {p->value, p->m, p->v, p->average};
    te_status st = TE_OK;
    for (int k = 0; !st && k < KINDS; k++) {
        char name[TI_PARAM_NAME + 16];
        const ti_tensor *t = NULL;
        kind_name(name, item, k);
        st = ti_checkpoint_need(file, name, item->n_dims, item->shape, &t, err);
        if (!st && t->type != TI_F32)
            st = ti_fail(err, TE_FORMAT, "%s: %s is not f32", ti_checkpoint_path(file), name);
        if (!st) p->device->op->upload(p->device, to[k] + item->first, t->data, t->bytes);
    }
    return st;
}

te_status ti_params_take(ti_params *p, int index, const ti_checkpoint *file, const char *name,
                         te_error *err)
{
    const ti_param *item = &p->items[index];
    const ti_tensor *t = NULL;
    te_status st = ti_checkpoint_need(file, name, item->n_dims, item->shape, &t, err);
    if (!st && t->type != TI_F32)
        st = ti_fail(err, TE_FORMAT, "%s: %s is not f32", ti_checkpoint_path(file), name);
    if (!st) ti_params_set(p, index, t->data);
    return st;
}

te_status ti_params_start(ti_params *p, const char *path, const char *grown, te_error *err)
{
    ti_checkpoint *file = NULL;
    te_status st = ti_checkpoint_open(&file, path, err);
    for (int i = 0; !st && i < p->n; i++) {
        char name[TI_PARAM_NAME + 16];
        kind_name(name, &p->items[i], AVERAGE);
        if (grown && !strncmp(name, grown, strlen(grown)) && !ti_checkpoint_find(file, name))
            continue;
        st = ti_params_take(p, i, file, name, err);
    }
    ti_checkpoint_free(file);
    return st;
}

te_status ti_params_load(ti_params *p, int64_t *steps, const char *path, te_error *err)
{
    ti_checkpoint *file = NULL;
    te_status st = ti_checkpoint_open(&file, path, err);
    const ti_tensor *t = NULL;
    if (!st) st = ti_checkpoint_need(file, "steps", 1, (int64_t[]){2}, &t, err);
    if (!st && t->type != TI_I32) st = ti_fail(err, TE_FORMAT, "%s: steps is not i32", path);
    if (!st) {
        int32_t counter[2];
        memcpy(counter, t->data, sizeof counter);
        *steps = (int64_t)counter[1] << 31 | counter[0];
    }
    for (int i = 0; !st && i < p->n; i++) st = load_one(p, &p->items[i], file, err);
    ti_checkpoint_free(file);
    return st;
}

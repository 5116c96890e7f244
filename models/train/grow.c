/* grow.c - a deeper backbone that begins as what a shallower one has learnt: the new layers' output
 * matrices are zero, so that they add nothing yet, and every other layer is the checkpoint's (Wu et
 * al. 2024, "LLaMA Pro": identity blocks). CONFIG is `sft`'s, with the deeper `network`; its `grow`
 * object names the checkpoint and which layers are new. */
#include "commands.h"
#include "llada_internal.h"
#include "project.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* IS_NEW: [layers], false so far. */
static te_status read_new(const json_t *grow, int layers, bool *is_new, te_error *err)
{
    const json_t *list = json_object_get(grow, "layers"), *number;
    size_t i;
    if (!json_array_size(list))
        return ti_fail(err, TE_INVALID, "configuration: \"grow\" needs \"layers\", a list");
    json_array_foreach((json_t *)(uintptr_t)list, i, number)
    {
        const json_int_t layer = json_is_integer(number) ? json_integer_value(number) : -1;
        if (layer < 0 || layer >= layers || is_new[layer])
            return ti_fail(
                err, TE_INVALID,
                "configuration: \"layers\" of \"grow\" must be different ones of 0 to %d",
                layers - 1);
        is_new[layer] = true;
    }
    return TE_OK;
}

/* The name that the parameter's average has in the shallower checkpoint; empty for a new layer. */
static void old_name(char name[TI_PARAM_NAME + 16], const ti_param *item, const bool *is_new)
{
    int layer = 0, prefix = 0, older = 0;
    if (sscanf(item->name, TI_LLADA_PREFIX "blocks.%d%n", &layer, &prefix) != 1) {
        snprintf(name, TI_PARAM_NAME + 16, "%s:average", item->name);
        return;
    }
    for (int i = 0; i < layer; i++) older += !is_new[i];
    if (is_new[layer])
        *name = '\0';
    else
        snprintf(name, TI_PARAM_NAME + 16, TI_LLADA_PREFIX "blocks.%d%s:average", older,
                 item->name + prefix);
}

/* The checkpoint must not have more layers than there are old ones. */
static te_status check_depth(const ti_checkpoint *file, const ti_llada *l, const bool *is_new,
                             te_error *err)
{
    char name[TI_PARAM_NAME + 16];
    int older = 0;
    for (int i = 0; i < l->config.layers; i++) older += !is_new[i];
    snprintf(name, sizeof name, TI_LLADA_PREFIX "blocks.%d.ff_out.weight:average", older);
    if (!ti_checkpoint_find(file, name)) return TE_OK;
    return ti_fail(err, TE_INVALID, "%s has more than %d layers, which is all that are not new",
                   ti_checkpoint_path(file), older);
}

static void silence(ti_llada *l, const bool *is_new, const float *zeros)
{
    for (int i = 0; i < l->config.layers; i++) {
        if (!is_new[i]) continue;
        ti_params_set(&l->params, l->layers[i].attn_out, zeros);
        ti_params_set(&l->params, l->layers[i].ff_out, zeros);
    }
}

static te_status fill(ti_project *p, const char *path, const bool *is_new, te_error *err)
{
    ti_params *params = ti_llada_params(p->llada);
    ti_checkpoint *file = NULL;
    float *zeros = ti_calloc(params->floats, sizeof *zeros);
    te_status st = zeros ? ti_checkpoint_open(&file, path, err)
                         : ti_fail_memory(err, "the new layers", params->floats * sizeof *zeros);
    if (!st) st = check_depth(file, p->llada, is_new, err);
    if (!st) st = ti_llada_init(p->llada, p->recipe.seed, &(ti_llada_start){0}, err);
    if (!st) silence(p->llada, is_new, zeros);
    for (int i = 0; !st && i < params->n; i++) {
        char name[TI_PARAM_NAME + 16];
        old_name(name, &params->items[i], is_new);
        if (*name) st = ti_params_take(params, i, file, name, err);
    }
    free(zeros);
    ti_checkpoint_free(file);
    return st;
}

te_status ti_command_grow(const char *config, te_error *err)
{
    ti_project p;
    const char *path = NULL;
    te_status st = ti_project_open(&p, config, 1, err);
    const json_t *grow = json_object_get(p.config, "grow");
    bool *is_new = st ? NULL : ti_calloc((size_t)p.network.layers, sizeof *is_new);
    if (!st && !is_new) st = ti_fail_memory(err, "a list of layers", (size_t)p.network.layers);
    if (!st && !grow)
        st = ti_fail(err, TE_INVALID, "configuration: \"grow\" says neither checkpoint nor layers");
    if (!st) st = ti_config_text(grow, "checkpoint", NULL, &path, err);
    if (!st) st = read_new(grow, p.network.layers, is_new, err);
    if (!st) st = fill(&p, path, is_new, err);
    if (!st) st = ti_params_save(ti_llada_params(p.llada), 0, p.checkpoint, err);
    if (!st) fprintf(stderr, "%s: written, %d layers\n", p.checkpoint, p.network.layers);
    free(is_new);
    ti_project_close(&p);
    return st;
}

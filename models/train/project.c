/* project.c - see project.h */
#include "project.h"

#include "base/memory.h"
#include "bpe.h"
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static te_status read_tokenizer(ti_project *p, te_error *err)
{
    const char *path = p->tokenizer_path;
    FILE *file = fopen(path, "rb");
    if (!file) return ti_fail(err, TE_IO, "%s: cannot be opened; make it first", path);
    long size = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
    p->tokenizer_json =
        size < 0 || fseek(file, 0, SEEK_SET) ? NULL : ti_malloc_array((size_t)size + 1, 1);
    p->tokenizer_length = p->tokenizer_json ? fread(p->tokenizer_json, 1, (size_t)size, file) : 0;
    fclose(file);
    if (size < 0 || p->tokenizer_length != (size_t)size)
        return ti_fail(err, TE_IO, "%s: cannot be read", path);
    return ti_tokenizer_create(&p->tokenizer, path, p->tokenizer_json, p->tokenizer_length, err);
}

static te_status make_layout(ti_project *p, te_error *err)
{
    int32_t ids[TI_SPECIALS];
    for (int i = 0; i < TI_SPECIALS; i++) {
        ids[i] = ti_tokenizer_id(p->tokenizer, ti_special_names[i]);
        if (ids[i] < 0)
            return ti_fail(err, TE_FORMAT, "the text tokeniser has no token %s",
                           ti_special_names[i]);
    }
    const int side = p->magvit->size / ti_magvit_patch(&p->magvit->config);
    p->layout = (ti_layout){.profile = TI_PROFILE_M,
                            .mask = ids[TI_MASK],
                            .image_offset = ti_tokenizer_size(p->tokenizer),
                            .codebook = 1 << p->magvit->config.bits,
                            .grid_h = side,
                            .grid_w = side,
                            .instruction_len = p->objective.instruction_len,
                            .edit_task = ids[TI_THINK_EDIT],
                            .generate_task = ids[TI_THINK_GENERATE],
                            .soi = ids[TI_SOI],
                            .eoi = ids[TI_EOI],
                            .bos = ids[TI_BOS],
                            .eos = ids[TI_EOS],
                            .newline = -1,
                            .boi = -1,
                            .uncondition = -1,
                            .answer_start = -1,
                            .answer_end = -1};
    p->vocab = p->layout.image_offset + p->layout.codebook;
    return TE_OK;
}

te_status ti_project_begin(ti_project *p, const char *config, te_error *err)
{
    const char *path = NULL, *out = NULL;
    int64_t size = 0, batch = 0;
    ti_magvit_config network;
    *p = (ti_project){0};
    te_status st = ti_config_load(&p->config, config, err);
    if (!st) st = ti_recipe_read(&p->recipe, p->config, err);
    if (!st) st = ti_objective_read(&p->objective, p->config, err);
    if (!st) st = ti_config_text(p->config, "out", NULL, &p->out, err);
    if (!st) st = ti_config_text(p->config, "tokenizer", NULL, &p->tokenizer_path, err);
    if (!st) st = ti_train_device_create(&p->device, p->recipe.device, p->recipe.threads, err);
    if (!st) st = ti_config_text(p->config, "image_tokens", NULL, &path, err);
    if (!st) st = ti_config_load(&p->image_config, path, err);
    if (!st) st = ti_config_text(p->image_config, "out", NULL, &out, err);
    if (!st) st = ti_config_int(p->image_config, "size", 16, 1024, 128, &size, err);
    if (!st)
        st = ti_config_int(json_object_get(p->config, "pool"), "encode_batch", 2, 512, 8, &batch,
                           err);
    if (!st) st = ti_magvit_config_read(&network, json_object_get(p->image_config, "network"), err);
    if (!st) st = ti_magvit_create(&p->magvit, p->device, &network, (int)size, (int)batch, err);
    if (st) return st;
    snprintf(p->checkpoint, sizeof p->checkpoint, "%s.safetensors", p->out);
    snprintf(p->image_checkpoint, sizeof p->image_checkpoint, "%s.safetensors", out);
    return TE_OK;
}

te_status ti_project_open(ti_project *p, const char *config, int max_rows, te_error *err)
{
    int64_t steps = 0;
    te_status st = ti_project_begin(p, config, err);
    if (!st) st = read_tokenizer(p, err);
    if (!st) st = ti_params_load(&p->magvit->params, &steps, p->image_checkpoint, err);
    if (!st) {
        ti_params *w = &p->magvit->params;
        p->device->op->copy(p->device, w->value, w->average, w->floats);
        st = make_layout(p, err);
    }
    if (!st)
        st =
            ti_llada_config_read(&p->network, json_object_get(p->config, "network"), p->vocab, err);
    if (st) return st;
    const int image = p->layout.grid_h * p->layout.grid_w;
    p->network.context = 2 * image + 8 + TI_MAX_INSTRUCTION + p->objective.text_len;
    if (!max_rows) max_rows = p->recipe.micro_batch * p->network.context;
    return ti_llada_create(&p->llada, p->device, &p->network, max_rows, err);
}

void ti_project_close(ti_project *p)
{
    ti_llada_free(p->llada);
    ti_magvit_free(p->magvit);
    ti_tokenizer_free(p->tokenizer);
    free(p->tokenizer_json);
    ti_train_device_free(p->device);
    json_decref(p->image_config);
    json_decref(p->config);
    *p = (ti_project){0};
}

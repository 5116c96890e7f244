/* import.c - checkpoints from a model file, the way back from export.c: training goes on from a
 * model that was published, at step 0 of a new schedule and with an optimiser that remembers
 * nothing. CONFIG is `sft`'s; its `export` object says where the file is. */
#include "commands.h"
#include "project.h"

#include <stdio.h>

static te_status write_tokenizer(const ti_project *p, const ti_gguf *file, te_error *err)
{
    const char *json = NULL;
    size_t length = 0;
    te_status st = ti_gguf_string(file, "tokenizer.huggingface.json", &json, &length, err);
    if (!st && !json) st = ti_fail(err, TE_FORMAT, "%s: has no text tokeniser", ti_gguf_path(file));
    if (st) return st;
    FILE *out = fopen(p->tokenizer_path, "wb");
    bool ok = out && fwrite(json, 1, length, out) == length;
    if (out && fclose(out)) ok = false;
    return ok ? TE_OK : ti_fail(err, TE_IO, "%s: cannot be written", p->tokenizer_path);
}

te_status ti_command_import(const char *config, te_error *err)
{
    ti_project p;
    ti_gguf *file = NULL;
    const char *path = NULL;
    te_status st = ti_project_begin(&p, config, err);
    if (!st) st = ti_config_text(json_object_get(p.config, "export"), "path", NULL, &path, err);
    if (!st) st = ti_gguf_open(&file, path, err);
    if (!st) st = write_tokenizer(&p, file, err);
    if (!st) st = ti_magvit_read(p.magvit, file, err);
    if (!st) st = ti_params_save(&p.magvit->params, 0, p.image_checkpoint, err);
    ti_project_close(&p);
    if (!st) st = ti_project_open(&p, config, 1, err);
    if (!st) st = ti_llada_read(p.llada, file, err);
    if (!st) st = ti_params_save(ti_llada_params(p.llada), 0, p.checkpoint, err);
    if (!st) fprintf(stderr, "%s: written from %s\n", p.checkpoint, ti_gguf_path(file));
    ti_gguf_free(file);
    ti_project_close(&p);
    return st;
}

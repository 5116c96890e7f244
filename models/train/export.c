/* export.c - the model file from the checkpoints: averaged weights of backbone and image tokeniser,
 * the text tokeniser, the layout, and the defaults of the options. CONFIG is `sft`'s; its `export`
 * object says where and in which types. */
#include "commands.h"
#include "project.h"

#include <stdio.h>
#include <string.h>

static te_status put_text(ti_gguf_writer *w, const char *key, const char *text, te_error *err)
{
    return ti_gguf_put_string(w, key, text, strlen(text), err);
}

static te_status put_layout(ti_gguf_writer *w, const ti_layout *l, te_error *err)
{
    const struct {
        const char *key;
        int32_t value;
    } rows[] = {{"text_vocab", l->image_offset},
                {"llm_vocab", l->image_offset},
                {"codebook", l->codebook},
                {"image_offset", l->image_offset},
                {"mask", l->mask},
                {"grid_height", l->grid_h},
                {"grid_width", l->grid_w},
                {"instruction_len", l->instruction_len},
                {"id.task", l->edit_task},
                {"id.task_generate", l->generate_task},
                {"id.soi", l->soi},
                {"id.eoi", l->eoi},
                {"id.bos", l->bos},
                {"id.eos", l->eos}};
    te_status st = put_text(w, "thinkedit.layout.profile", "mmada-parallel-m", err);
    for (size_t i = 0; !st && i < sizeof rows / sizeof *rows; i++) {
        char key[64];
        snprintf(key, sizeof key, "thinkedit.layout.%s", rows[i].key);
        st = ti_gguf_put_int(w, key, (uint32_t)rows[i].value, err);
    }
    return st;
}

/* The `defaults` object: whole numbers, reals and texts become keys of their own kind; an object in
 * it, `generation`, has keys of the same kinds. */
static te_status put_defaults(ti_gguf_writer *w, const char *prefix, json_t *defaults,
                              te_error *err)
{
    const char *name;
    json_t *value;
    te_status st = TE_OK;
    json_object_foreach(defaults, name, value)
    {
        char key[96];
        snprintf(key, sizeof key, "%s.%s", prefix, name);
        if (json_is_object(value) && !strcmp(name, "generation"))
            st = put_defaults(w, key, value, err);
        else if (json_is_integer(value))
            st = ti_gguf_put_int(w, key, (uint32_t)json_integer_value(value), err);
        else if (json_is_real(value))
            st = ti_gguf_put_real(w, key, (float)json_real_value(value), err);
        else if (json_is_string(value))
            st = put_text(w, key, json_string_value(value), err);
        else
            st = ti_fail(err, TE_INVALID, "configuration: default \"%s\" is no number and no text",
                         name);
        if (st) return st;
    }
    return st;
}

static te_status read_type(const json_t *o, const char *key, const char *fallback, ti_type *out,
                           te_error *err)
{
    const char *text = NULL;
    te_status st = ti_config_text(o, key, fallback, &text, err);
    if (!st && !ti_type_parse(text, out))
        st = ti_fail(err, TE_INVALID, "configuration: \"%s\" is no tensor type: %s", key, text);
    return st;
}

static te_status write_file(ti_project *p, ti_gguf_writer *w, const char *name, ti_type type,
                            ti_type image_type, te_error *err)
{
    const json_t *o = json_object_get(p->config, "export");
    const uint32_t file_type = type == TI_F32 ? 0 : type == TI_F16 ? 1 : type == TI_BF16 ? 32 : 7;
    te_status st = put_text(w, "general.architecture", "llada", err);
    if (!st) st = put_text(w, "general.name", name, err);
    if (!st) st = ti_gguf_put_int(w, "general.file_type", file_type, err);
    if (!st) st = ti_gguf_put_int(w, "general.quantization_version", 2, err);
    if (!st) st = ti_gguf_put_int(w, "thinkedit.format", 1, err);
    if (!st)
        st = ti_gguf_put_string(w, "tokenizer.huggingface.json", p->tokenizer_json,
                                p->tokenizer_length, err);
    if (!st) st = put_layout(w, &p->layout, err);
    if (!st)
        st =
            ti_gguf_put_int(w, "thinkedit.defaults.text_len", (uint32_t)p->objective.text_len, err);
    if (!st) st = put_defaults(w, "thinkedit.defaults", json_object_get(o, "defaults"), err);
    if (!st) st = ti_llada_declare(p->llada, w, type, err);
    if (!st) st = ti_magvit_declare(p->magvit, w, image_type, err);
    if (!st) st = ti_llada_write(p->llada, w, type, err);
    if (!st) st = ti_magvit_write(p->magvit, w, image_type, err);
    return st ? st : ti_gguf_finish(w, err);
}

te_status ti_command_export(const char *config, te_error *err)
{
    ti_project p;
    ti_gguf_writer *writer = NULL;
    const char *path = NULL, *name = NULL;
    ti_type type = TI_Q8_0, image_type = TI_F16;
    int64_t steps = 0;
    te_status st = ti_project_open(&p, config, 1, err);
    if (!st) {
        const json_t *o = json_object_get(p.config, "export");
        st = ti_config_text(o, "path", NULL, &path, err);
        if (!st) st = ti_config_text(o, "name", "thinkedit-small", &name, err);
        if (!st) st = read_type(o, "type", "q8_0", &type, err);
        if (!st) st = read_type(o, "image_type", "f16", &image_type, err);
    }
    if (!st) st = ti_params_load(ti_llada_params(p.llada), &steps, p.checkpoint, err);
    if (!st) st = ti_gguf_writer_create(&writer, path, err);
    if (!st) st = write_file(&p, writer, name, type, image_type, err);
    if (!st) fprintf(stderr, "%s: written, backbone after %lld steps\n", path, (long long)steps);
    ti_gguf_writer_free(writer);
    ti_project_close(&p);
    return st;
}

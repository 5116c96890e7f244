/* thinkedit.c - a model file becomes a model: its parts bound to a device, each checked. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *te_version(void)
{
    return TE_VERSION;
}

/* The type that holds most elements of the backbone, or of the file where there is none. */
static const char *commonest_type(const ti_gguf *file, uint64_t *parameters)
{
    enum { TYPES = 64 };
    int64_t elements[TYPES] = {0};
    ti_type best = TI_F32;
    *parameters = 0;
    for (int i = 0; i < ti_gguf_tensor_count(file); i++) {
        const ti_tensor *t = ti_gguf_tensor(file, i);
        *parameters += (uint64_t)ti_tensor_elements(t);
        if ((unsigned)t->type < TYPES) elements[t->type] += ti_tensor_elements(t);
    }
    for (int type = 0; type < TYPES; type++)
        if (elements[type] > elements[best]) best = (ti_type)type;
    return ti_type_name(best);
}

static te_status read_name(te_model *m, te_error *err)
{
    const char *text = NULL;
    size_t length = 0;
    te_status st = ti_gguf_string(m->file, "general.name", &text, &length, err);
    if (st) return st;
    m->name = text ? ti_strndup(text, length) : ti_strdup("unnamed");
    return m->name ? TE_OK : ti_fail_memory(err, "the model's name", length);
}

static te_status describe(te_model *m, te_error *err)
{
    te_status st = read_name(m, err);
    if (st) return st;
    te_model_info *info = &m->info;
    snprintf(m->hash, sizeof m->hash, "%016llx", (unsigned long long)ti_gguf_hash(m->file));
    info->name = m->name;
    info->profile = m->layout.codebook ? ti_profile_name(m->layout.profile) : "";
    info->hash = m->hash;
    info->type = commonest_type(m->file, &info->parameters);
    info->file_bytes = ti_gguf_size(m->file);
    info->patch = m->pictures ? ti_image_tokenizer_patch(m->pictures) : 0;
    info->width = m->layout.grid_w * info->patch;
    info->height = m->layout.grid_h * info->patch;
    info->text_vocab = m->layout.image_offset;
    info->codebook = m->layout.codebook;
    if (m->backbone) {
        info->layers = m->backbone->config.n_layers;
        info->width_model = m->backbone->config.width;
    }
    return TE_OK;
}

/* ---- opening ----------------------------------------------------------------------------- */

static te_status open_words(te_model *m, te_error *err)
{
    const char *json;
    size_t length;
    te_status st = ti_gguf_string(m->file, "tokenizer.huggingface.json", &json, &length, err);
    if (st || !json) return st;
    return ti_tokenizer_create(&m->words, ti_gguf_path(m->file), json, length, err);
}

static te_status check_parts_agree(const te_model *m, te_error *err)
{
    if (!m->backbone) return TE_OK;
    int vocab = m->backbone->config.vocab;
    const ti_layout *l = &m->layout;
    if (l->image_offset > vocab - l->codebook)
        return ti_fail(err, TE_FORMAT,
                       "%s: image tokens %d to %d lie outside the vocabulary of %d; convert "
                       "it again with the right layout",
                       ti_gguf_path(m->file), (int)l->image_offset,
                       (int)l->image_offset + l->codebook - 1, vocab);
    return TE_OK;
}

static te_status open_lock(te_model *m, te_error *err)
{
    pthread_mutexattr_t kind;
    if (pthread_mutexattr_init(&kind)) return ti_fail(err, TE_NOMEM, "no memory for a lock");
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    m->has_lock = !pthread_mutex_init(&m->lock, &kind);
    pthread_mutexattr_destroy(&kind);
    return m->has_lock ? TE_OK : ti_fail(err, TE_NOMEM, "no memory for a lock");
}

static te_status open_parts(te_model *m, const te_model_options *opt, te_error *err)
{
    te_status st = open_lock(m, err);
    if (!st && (ti_gguf_find(m->file, "token_embd.weight") ||
                ti_gguf_has(m->file, "thinkedit.layout.profile")))
        st = ti_layout_read(&m->layout, m->file, err);
    if (!st)
        st = ti_options_defaults(&m->defaults, &m->generation, m->layout.profile, m->file, err);
    if (!st) st = ti_model_bind(m, opt ? opt->device : NULL, opt ? opt->threads : 0, err);
    if (!st) st = open_words(m, err);
    if (!st) st = check_parts_agree(m, err);
    if (!st) st = describe(m, err);
    return st;
}

te_status te_model_open(te_model **out, const char *path, const te_model_options *opt,
                        te_error *err)
{
    *out = NULL;
    char *embedded = NULL;
    te_model *m = ti_calloc(1, sizeof *m);
    te_status st = m ? TE_OK : ti_fail_memory(err, "the model", sizeof *m);
    if (!st && !path) st = ti_locate_embedded(&embedded, err);
    if (!st) st = ti_gguf_open(&m->file, path ? path : embedded, err);
    if (!st) st = open_parts(m, opt, err);
    free(embedded);
    if (st) {
        te_model_free(m);
        return st;
    }
    *out = m;
    return TE_OK;
}

void te_model_free(te_model *model)
{
    if (!model) return;
    ti_tokenizer_free(model->words);
    ti_image_tokenizer_free(model->pictures);
    ti_backbone_free(model->backbone);
    ti_backend_free(model->backend);
    ti_gguf_free(model->file);
    if (model->has_lock) pthread_mutex_destroy(&model->lock);
    free(model->name);
    free(model);
}

void te_model_get_info(const te_model *model, te_model_info *out)
{
    *out = model->info;
}

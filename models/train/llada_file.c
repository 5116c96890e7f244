/* llada_file.c - the backbone to and from a model file (models/FORMAT.md). */
#include "llada_internal.h"

#include "base/memory.h"
#include "model/backbone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "model.transformer.blocks.3.q_proj.weight" -> "blk.3.attn_q.weight" */
static void file_name(char out[TI_PARAM_NAME], const char *name)
{
    static const char *const pairs[][2] = {
        {"attn_norm", "attn_norm"}, {"q_proj", "attn_q"},        {"k_proj", "attn_k"},
        {"v_proj", "attn_v"},       {"attn_out", "attn_output"}, {"ff_norm", "ffn_norm"},
        {"ff_proj", "ffn_gate"},    {"up_proj", "ffn_up"},       {"ff_out", "ffn_down"}};
    const char *rest = name + sizeof TI_LLADA_PREFIX - 1;
    char *end;
    if (strncmp(rest, "blocks.", 7)) {
        const char *plain = !strncmp(rest, "wte", 3)    ? "token_embd"
                            : !strncmp(rest, "ln_f", 4) ? "output_norm"
                                                        : "output";
        snprintf(out, TI_PARAM_NAME, "%s.weight", plain);
        return;
    }
    long number = strtol(rest + 7, &end, 10);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!strncmp(end + 1, pairs[i][0], strlen(pairs[i][0])))
            snprintf(out, TI_PARAM_NAME, "blk.%ld.%s.weight", number, pairs[i][1]);
}

static ti_type file_type(const ti_param *p, ti_type type)
{
    if (p->n_dims == 1) return TI_F32;
    return p->shape[1] % ti_type_block(type) ? TI_F16 : type;
}

te_status ti_llada_declare(const ti_llada *l, ti_gguf_writer *w, ti_type type, te_error *err)
{
    const ti_llada_config *c = &l->config;
    te_status st = ti_gguf_put_int(w, "llada.block_count", (uint32_t)c->layers, err);
    if (!st) st = ti_gguf_put_int(w, "llada.embedding_length", (uint32_t)c->width, err);
    if (!st) st = ti_gguf_put_int(w, "llada.feed_forward_length", (uint32_t)c->ff, err);
    if (!st) st = ti_gguf_put_int(w, "llada.context_length", (uint32_t)c->context, err);
    if (!st) st = ti_gguf_put_int(w, "llada.vocab_size", (uint32_t)c->vocab, err);
    if (!st) st = ti_gguf_put_int(w, "llada.attention.head_count", (uint32_t)c->heads, err);
    if (!st) st = ti_gguf_put_real(w, "llada.attention.layer_norm_rms_epsilon", c->eps, err);
    if (!st) st = ti_gguf_put_bool(w, "llada.attention.causal", false, err);
    if (!st) st = ti_gguf_put_real(w, "llada.rope.freq_base", c->theta, err);
    if (!st) st = ti_gguf_put_string(w, "thinkedit.rope", "half", 4, err);
    for (int i = 0; !st && i < l->params.n; i++) {
        const ti_param *p = &l->params.items[i];
        char name[TI_PARAM_NAME] = "";
        file_name(name, p->name);
        st = ti_gguf_declare(w, name, file_type(p, type), p->n_dims, p->shape, err);
    }
    return st;
}

te_status ti_llada_write(const ti_llada *l, ti_gguf_writer *w, ti_type type, te_error *err)
{
    float *values = ti_malloc_array(l->params.floats, sizeof *values);
    void *room = ti_malloc_array(l->params.floats, sizeof *values);
    te_status st = values && room
                       ? TE_OK
                       : ti_fail_memory(err, "the backbone", l->params.floats * sizeof *values);
    if (!st) st = ti_params_get(&l->params, true, values, err);
    for (int i = 0; !st && i < l->params.n; i++) {
        const ti_param *p = &l->params.items[i];
        ti_type as = file_type(p, type);
        ti_quantize(as, values + p->first, room, (int64_t)p->count);
        st = ti_gguf_write(w, room, ti_type_row_bytes(as, (int64_t)p->count), err);
    }
    free(values);
    free(room);
    return st;
}

te_status ti_llada_read(ti_llada *l, const ti_gguf *file, te_error *err)
{
    float *room = ti_malloc_array(l->params.floats, sizeof *room);
    te_status st =
        room ? TE_OK : ti_fail_memory(err, "the weights", l->params.floats * sizeof *room);
    for (int i = 0; !st && i < l->params.n; i++) {
        const ti_param *p = &l->params.items[i];
        const ti_tensor *t = NULL;
        char name[TI_PARAM_NAME] = "";
        file_name(name, p->name);
        st = ti_gguf_need(file, name, p->n_dims, p->shape, &t, err);
        if (st) break;
        ti_dequantize(t->type, t->data, room, (int64_t)p->count);
        ti_params_set(&l->params, i, room);
    }
    free(room);
    return st;
}

te_status ti_llada_open(ti_llada **out, ti_train_device *device, const ti_gguf *file, int max_rows,
                        bool bf16, te_error *err)
{
    ti_backbone_config from;
    *out = NULL;
    te_status st = ti_backbone_read_config(&from, file, err);
    if (st) return st;
    if (from.heads.n_kv_heads != from.heads.n_heads)
        return ti_fail(err, TE_UNSUPPORTED, "%s: training needs as many key heads as query heads",
                       ti_gguf_path(file));
    if (from.interleaved)
        return ti_fail(err, TE_UNSUPPORTED,
                       "%s: training needs rows in the half order; convert it so",
                       ti_gguf_path(file));
    ti_llada_config c = {.width = from.width,
                         .layers = from.n_layers,
                         .heads = from.heads.n_heads,
                         .ff = from.ff_width,
                         .vocab = from.vocab,
                         .context = from.context,
                         .eps = from.norm_eps,
                         .theta = from.rope_theta,
                         .logit_scale = from.logit_scale,
                         .bf16 = bf16};
    ti_llada *l = NULL;
    st = ti_llada_create(&l, device, &c, max_rows, err);
    if (!st) st = ti_llada_read(l, file, err);
    if (st) {
        ti_llada_free(l);
        return st;
    }
    *out = l;
    return TE_OK;
}

/* convert_backbone.c - the backbone's keys from config.json, and its tensors under llama.cpp's
 * names.
 *
 * Only what the engine can run is accepted: a configuration that asks for anything else (biases,
 * another norm, another activation) is refused by the name of its key. */
#include "format/convert_internal.h"

#include <stdio.h>
#include <string.h>

typedef struct config {
    const char *path; /* for messages */
    json_t *json;
    int64_t width, layers, heads, kv_heads, hidden, context;
    double epsilon, theta;
    bool tied, scale_logits;
} config;

static te_status need_int(const config *c, const char *key, int64_t *out, te_error *err)
{
    json_t *value = json_object_get(c->json, key);
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > 1 << 24)
        return ti_fail(err, TE_FORMAT, "%s: \"%s\" is missing or no positive number", c->path, key);
    *out = json_integer_value(value);
    return TE_OK;
}

static double real_or(const config *c, const char *key, double fallback)
{
    json_t *value = json_object_get(c->json, key);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

/* Keys that may be absent but must not say anything else than this. */
static te_status refuse_others(const config *c, te_error *err)
{
    static const char *const must_be_false[] = {"include_bias", "include_qkv_bias", "alibi",
                                                "attention_layer_norm", "input_emb_norm"};
    static const char *const must_be[][2] = {
        {"layer_norm_type", "rms"}, {"activation_type", "silu"}, {"block_type", "llama"}};
    for (size_t i = 0; i < sizeof must_be_false / sizeof *must_be_false; i++)
        if (json_is_true(json_object_get(c->json, must_be_false[i])))
            return ti_fail(err, TE_UNSUPPORTED, "%s: \"%s\" is true; no MMaDA model has it",
                           c->path, must_be_false[i]);
    for (size_t i = 0; i < sizeof must_be / sizeof *must_be; i++) {
        const char *value = json_string_value(json_object_get(c->json, must_be[i][0]));
        if (value && strcmp(value, must_be[i][1]))
            return ti_fail(err, TE_UNSUPPORTED, "%s: \"%s\" is not \"%s\"", c->path, must_be[i][0],
                           must_be[i][1]);
    }
    if (json_is_false(json_object_get(c->json, "rope")))
        return ti_fail(err, TE_UNSUPPORTED, "%s: \"rope\" is false", c->path);
    return TE_OK;
}

static te_status read_config(config *c, te_error *err)
{
    te_status st = refuse_others(c, err);
    if (!st) st = need_int(c, "d_model", &c->width, err);
    if (!st) st = need_int(c, "n_layers", &c->layers, err);
    if (!st) st = need_int(c, "n_heads", &c->heads, err);
    c->kv_heads = c->heads;
    if (!st && json_is_integer(json_object_get(c->json, "n_kv_heads")))
        st = need_int(c, "n_kv_heads", &c->kv_heads, err);
    if (!st && json_is_integer(json_object_get(c->json, "mlp_hidden_size")))
        st = need_int(c, "mlp_hidden_size", &c->hidden, err);
    else if (!st)
        c->hidden = (int64_t)real_or(c, "mlp_ratio", 4) * c->width;
    if (!st) st = need_int(c, "max_sequence_length", &c->context, err);
    if (st) return st;
    c->epsilon = real_or(c, "rms_norm_eps", 1e-5);
    c->theta = real_or(c, "rope_theta", 10000);
    c->tied = json_is_true(json_object_get(c->json, "weight_tying"));
    c->scale_logits = json_is_true(json_object_get(c->json, "scale_logits"));
    if (c->width % c->heads || c->heads % c->kv_heads || c->width / c->heads % 2)
        return ti_fail(err, TE_FORMAT, "%s: d_model, n_heads and n_kv_heads do not divide",
                       c->path);
    return TE_OK;
}

static te_status put_keys(ti_conversion *v, const config *c, te_error *err)
{
    ti_gguf_writer *w = v->writer;
    const bool interleaved = v->opt->rope && !strcmp(v->opt->rope, "interleaved");
    te_status st = ti_gguf_put_int(w, "llada.block_count", (uint32_t)c->layers, err);
    if (!st) st = ti_gguf_put_int(w, "llada.context_length", (uint32_t)c->context, err);
    if (!st) st = ti_gguf_put_int(w, "llada.embedding_length", (uint32_t)c->width, err);
    if (!st) st = ti_gguf_put_int(w, "llada.feed_forward_length", (uint32_t)c->hidden, err);
    if (!st) st = ti_gguf_put_int(w, "llada.vocab_size", (uint32_t)v->vocab, err);
    if (!st) st = ti_gguf_put_int(w, "llada.attention.head_count", (uint32_t)c->heads, err);
    if (!st) st = ti_gguf_put_int(w, "llada.attention.head_count_kv", (uint32_t)c->kv_heads, err);
    if (!st)
        st = ti_gguf_put_real(w, "llada.attention.layer_norm_rms_epsilon", (float)c->epsilon, err);
    if (!st) st = ti_gguf_put_bool(w, "llada.attention.causal", false, err);
    if (!st)
        st = ti_gguf_put_int(w, "llada.rope.dimension_count", (uint32_t)(c->width / c->heads), err);
    if (!st) st = ti_gguf_put_real(w, "llada.rope.freq_base", (float)c->theta, err);
    if (!st) st = ti_gguf_put_bool(w, "llada.scale_logits", c->scale_logits, err);
    if (!st) st = ti_gguf_put_bool(w, "diffusion.shift_logits", false, err);
    if (!st) st = ti_put_text(w, "thinkedit.rope", interleaved ? "interleaved" : "half", err);
    if (!st && interleaved) st = ti_put_text(w, "tokenizer.ggml.model", "no_vocab", err);
    return st;
}

/* The type a matrix is written in: the one asked for, or the next that can hold its rows. */
static te_status matrix_type(ti_conversion *v, const ti_tensor *t, ti_type *out, te_error *err)
{
    int64_t cols = t->shape[t->n_dims - 1];
    ti_type type = t->type == TI_F64 ? TI_F32 : t->type;
    if (v->opt->type) ti_type_parse(v->opt->type, &type);
    if (type != TI_F32 && type != TI_F16 && type != TI_BF16 && type != TI_Q8_0 && type != TI_Q4_K)
        return ti_fail(err, TE_UNSUPPORTED, "%s: tensor %s holds %s, not weights",
                       ti_checkpoint_path(v->backbone), t->name, ti_type_name(type));
    *out = ti_type_for_rows(type, cols);
    v->q8_instead += *out != type && *out == TI_Q8_0;
    v->f16_instead += *out != type && *out == TI_F16;
    return TE_OK;
}

static te_status plan_matrix(ti_conversion *v, const char *source, const char *name, int64_t rows,
                             int64_t cols, int64_t head_size, te_error *err)
{
    const ti_tensor *t;
    ti_type type = TI_F32;
    te_status st = ti_checkpoint_need(v->backbone, source, 2, (int64_t[]){rows, cols}, &t, err);
    if (!st) st = matrix_type(v, t, &type, err);
    return st ? st : ti_plan(v, t, type, head_size, err, "%s", name);
}

static te_status plan_norm(ti_conversion *v, const char *source, const char *name, int64_t n,
                           te_error *err)
{
    const ti_tensor *t;
    te_status st = ti_checkpoint_need(v->backbone, source, 1, &n, &t, err);
    return st ? st : ti_plan(v, t, TI_F32, 0, err, "%s", name);
}

static te_status plan_layer(ti_conversion *v, const config *c, int layer, te_error *err)
{
    const int64_t d = c->width, f = c->hidden, s = d / c->heads, kv = s * c->kv_heads;
    const int64_t turned = v->opt->rope && !strcmp(v->opt->rope, "interleaved") ? s : 0;
    const struct {
        const char *source, *name;
        int64_t rows, cols, head_size;
    } parts[] = {
        {"attn_norm", "attn_norm", d, 0, 0},  {"q_proj", "attn_q", d, d, turned},
        {"k_proj", "attn_k", kv, d, turned},  {"v_proj", "attn_v", kv, d, 0},
        {"attn_out", "attn_output", d, d, 0}, {"ff_norm", "ffn_norm", d, 0, 0},
        {"ff_proj", "ffn_gate", f, d, 0},     {"up_proj", "ffn_up", f, d, 0},
        {"ff_out", "ffn_down", d, f, 0},
    };
    te_status st = TE_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !st; i++) {
        char source[96], name[64];
        snprintf(source, sizeof source, "model.transformer.blocks.%d.%s.weight", layer,
                 parts[i].source);
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, parts[i].name);
        st = parts[i].cols ? plan_matrix(v, source, name, parts[i].rows, parts[i].cols,
                                         parts[i].head_size, err)
                           : plan_norm(v, source, name, parts[i].rows, err);
    }
    return st;
}

te_status ti_convert_backbone(ti_conversion *v, te_error *err)
{
    static const char embedding[] = "model.transformer.wte.weight";
    config c = {.path = "config.json"};
    const ti_tensor *t = ti_checkpoint_find(v->backbone, embedding);
    te_status st = ti_json_in_folder(&c.json, v->backbone_folder, "config.json", err);
    if (!st && !c.json)
        st = ti_fail(err, TE_IO, "%s: has no config.json; it says how the model is built",
                     v->backbone_folder);
    if (!st && !t)
        st = ti_fail(err, TE_FORMAT, "%s: the tensor %s is missing",
                     ti_checkpoint_path(v->backbone), embedding);
    if (!st) st = read_config(&c, err);
    if (!st) {
        v->vocab = t->shape[0];
        st = put_keys(v, &c, err);
    }
    int before = v->n_plan;
    if (!st) st = plan_matrix(v, embedding, "token_embd.weight", v->vocab, c.width, 0, err);
    for (int layer = 0; layer < c.layers && !st; layer++) st = plan_layer(v, &c, layer, err);
    if (!st) st = plan_norm(v, "model.transformer.ln_f.weight", "output_norm.weight", c.width, err);
    if (!st && !c.tied)
        st = plan_matrix(v, "model.transformer.ff_out.weight", "output.weight", v->vocab, c.width,
                         0, err);
    v->unused += ti_checkpoint_count(v->backbone) - (v->n_plan - before);
    json_decref(c.json);
    return st;
}

/* convert_image.c - the image tokeniser's tensors under their own names, and its shape as keys.
 *
 * The kind and the shape are read off the tensors themselves: MAGVIT-v2's published config.json
 * says nothing, and what the tensors are is what will run. config.json is asked for the number of
 * norm groups, which no tensor shows. */
#include "format/convert_internal.h"

#include <stdio.h>
#include <string.h>

#define MAX_LEVELS 16

typedef struct network {
    const char *type;
    const char *encoder, *decoder, *blocks; /* how levels and their blocks are called */
    const char *to_latent;                  /* the last convolution of the encoder's side */
    const char *groups;                     /* key in config.json */
} network;

static const network magvit = {
    "magvit-v2", "encoder.down", "decoder.up", "block", "encoder.quant_conv.weight", "num_groups"};
static const network amused = {"amused-vq", "encoder.down_blocks", "decoder.up_blocks",
                               "resnets",   "quant_conv.weight",   "norm_num_groups"};

typedef struct side {
    int levels;
    int32_t channels[MAX_LEVELS], blocks[MAX_LEVELS];
} side;

static te_status need(const ti_conversion *c, const char *name, int n_dims, const ti_tensor **out,
                      te_error *err)
{
    *out = ti_checkpoint_find(c->image, name);
    if (!*out)
        return ti_fail(err, TE_FORMAT, "%s: the tensor %s is missing; is this an image tokeniser?",
                       ti_checkpoint_path(c->image), name);
    if ((*out)->n_dims != n_dims)
        return ti_fail(err, TE_FORMAT, "%s: tensor %s has %d dimensions where %d are expected",
                       ti_checkpoint_path(c->image), name, (*out)->n_dims, n_dims);
    return TE_OK;
}

static const ti_tensor *first_conv(const ti_conversion *c, const char *levels, int level,
                                   const char *blocks, int index)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%d.%s.%d.conv1.weight", levels, level, blocks, index);
    return ti_checkpoint_find(c->image, name);
}

static te_status read_side(const ti_conversion *c, const char *levels, const char *blocks,
                           side *out, te_error *err)
{
    const ti_tensor *t;
    *out = (side){0};
    while (out->levels < MAX_LEVELS && (t = first_conv(c, levels, out->levels, blocks, 0))) {
        int n = 1;
        while (n < 1000 && first_conv(c, levels, out->levels, blocks, n)) n++;
        out->channels[out->levels] = (int32_t)t->shape[0];
        out->blocks[out->levels++] = n;
    }
    if (!out->levels)
        return ti_fail(err, TE_FORMAT, "%s: the tensor %s.0.%s.0.conv1.weight is missing",
                       ti_checkpoint_path(c->image), levels, blocks);
    return TE_OK;
}

static te_status put_side(ti_gguf_writer *w, const char *which, const side *s, te_error *err)
{
    char key[64];
    snprintf(key, sizeof key, "image_tokenizer.%s.channels", which);
    te_status st = ti_gguf_put_int_array(w, key, s->channels, s->levels, err);
    snprintf(key, sizeof key, "image_tokenizer.%s.blocks", which);
    return st ? st : ti_gguf_put_int_array(w, key, s->blocks, s->levels, err);
}

static te_status read_groups(const ti_conversion *c, const network *n, int64_t *out, te_error *err)
{
    json_t *config = NULL;
    te_status st = ti_json_in_folder(&config, c->image_folder, "config.json", err);
    json_t *value = json_object_get(config, n->groups);
    *out = json_is_integer(value) ? json_integer_value(value) : 32;
    json_decref(config);
    if (!st && (*out < 1 || *out > 4096))
        st = ti_fail(err, TE_FORMAT, "%s/config.json: \"%s\" is %lld", c->image_folder, n->groups,
                     (long long)*out);
    return st;
}

/* Codes and their width: a table for aMUSEd-VQ, all sign patterns of the latent channels for
 * MAGVIT-v2. */
static te_status read_codebook(ti_conversion *c, const network *n, int64_t latent, int64_t *dim,
                               te_error *err)
{
    const ti_tensor *table;
    if (n == &magvit) {
        if (latent > 24)
            return ti_fail(err, TE_UNSUPPORTED, "%s: codes of %lld bits",
                           ti_checkpoint_path(c->image), (long long)latent);
        c->codebook = (int64_t)1 << latent;
        *dim = latent;
        return TE_OK;
    }
    te_status st = need(c, "quantize.embedding.weight", 2, &table, err);
    if (st) return st;
    c->codebook = table->shape[0];
    *dim = table->shape[1];
    return TE_OK;
}

static te_status put_keys(ti_conversion *c, const network *n, te_error *err)
{
    ti_gguf_writer *w = c->writer;
    const ti_tensor *first, *latent;
    side encoder, decoder;
    int64_t groups = 32, dim = 0;
    te_status st = need(c, "encoder.conv_in.weight", 4, &first, err);
    if (!st) st = need(c, n->to_latent, 4, &latent, err);
    if (!st) st = read_side(c, n->encoder, n->blocks, &encoder, err);
    if (!st) st = read_side(c, n->decoder, n->blocks, &decoder, err);
    if (!st && encoder.levels != decoder.levels)
        st = ti_fail(err, TE_FORMAT, "%s: encoder of %d levels, decoder of %d",
                     ti_checkpoint_path(c->image), encoder.levels, decoder.levels);
    if (!st) st = read_groups(c, n, &groups, err);
    if (!st) st = read_codebook(c, n, latent->shape[0], &dim, err);
    if (st) return st;
    const struct {
        const char *key;
        int64_t value;
    } keys[] = {
        {"image_tokenizer.patch", (int64_t)1 << (encoder.levels - 1)},
        {"image_tokenizer.codebook", c->codebook},
        {"image_tokenizer.latent_channels", latent->shape[0]},
        {"image_tokenizer.codebook_dim", dim},
        {"image_tokenizer.channels", first->shape[0]},
        {"image_tokenizer.groups", groups},
    };
    st = ti_put_text(w, "image_tokenizer.type", n->type, err);
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !st; i++)
        st = ti_gguf_put_int(w, keys[i].key, (uint32_t)keys[i].value, err);
    if (!st) st = ti_gguf_put_real(w, "image_tokenizer.epsilon", 1e-6f, err);
    if (!st) st = put_side(w, "encoder", &encoder, err);
    return st ? st : put_side(w, "decoder", &decoder, err);
}

static bool starts_with(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

static bool wanted(const network *n, const char *name)
{
    if (starts_with(name, "encoder.") || starts_with(name, "decoder.")) return true;
    if (n == &magvit) return false;
    return starts_with(name, "quant_conv.") || starts_with(name, "post_quant_conv.") ||
           !strcmp(name, "quantize.embedding.weight");
}

te_status ti_convert_image(ti_conversion *c, te_error *err)
{
    const network *n =
        ti_checkpoint_find(c->image, "quantize.embedding.weight") ? &amused : &magvit;
    te_status st = put_keys(c, n, err);
    for (int i = 0; i < ti_checkpoint_count(c->image) && !st; i++) {
        const ti_tensor *t = ti_checkpoint_tensor(c->image, i);
        if (!wanted(n, t->name)) {
            if (!starts_with(t->name, "quantize.")) c->unused++;
            continue;
        }
        ti_type type = t->type == TI_F64 ? TI_F32 : t->type;
        if (type != TI_F32 && type != TI_F16 && type != TI_BF16)
            return ti_fail(err, TE_UNSUPPORTED, "%s: tensor %s holds %s, not weights",
                           ti_checkpoint_path(c->image), t->name, ti_type_name(type));
        st = ti_plan(c, t, type, 0, err, "image.%s", t->name);
    }
    return st;
}

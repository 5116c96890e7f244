/* magvit.c - see magvit.h */
#include "magvit.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- configuration ----------------------------------------------------------------------- */

static te_status read_levels(const json_t *network, const char *key, int levels, int fallback,
                             int *out, te_error *err)
{
    const json_t *list = json_object_get(network, key);
    for (int i = 0; i < levels; i++) {
        const json_t *value = list ? json_array_get(list, (size_t)i) : NULL;
        if (list && (!json_is_integer(value) || json_integer_value(value) < 1 ||
                     json_integer_value(value) > 64))
            return ti_fail(
                err, TE_INVALID,
                "configuration: \"%s\" must list a number from 1 to 64 for each of %d levels", key,
                levels);
        out[i] = value ? (int)json_integer_value(value) : fallback;
    }
    return TE_OK;
}

te_status ti_magvit_config_read(ti_magvit_config *c, const json_t *network, te_error *err)
{
    int64_t channels, bits, groups,
        levels = (int64_t)json_array_size(json_object_get(network, "encoder_mult"));
    *c = (ti_magvit_config){0};
    if (levels < 1 || levels > TI_MAGVIT_LEVELS)
        return ti_fail(err, TE_INVALID, "configuration: \"encoder_mult\" must list 1 to %d levels",
                       TI_MAGVIT_LEVELS);
    te_status st = ti_config_int(network, "channels", 1, 256, 16, &channels, err);
    if (!st) st = ti_config_int(network, "bits", 1, 16, 13, &bits, err);
    if (!st) st = ti_config_int(network, "groups", 1, 256, 4, &groups, err);
    if (!st) st = ti_config_bool(network, "local", true, &c->local, err);
    if (!st) st = ti_config_bool(network, "attention", true, &c->attention, err);
    if (st) return st;
    c->channels = (int)channels;
    c->bits = (int)bits;
    c->groups = (int)groups;
    c->levels = (int)levels;
    st = read_levels(network, "encoder_mult", c->levels, 1, c->encoder_mult, err);
    if (!st) st = read_levels(network, "decoder_mult", c->levels, 1, c->decoder_mult, err);
    if (!st) st = read_levels(network, "encoder_blocks", c->levels, 1, c->encoder_blocks, err);
    if (!st) st = read_levels(network, "decoder_blocks", c->levels, 1, c->decoder_blocks, err);
    return st;
}

int ti_magvit_patch(const ti_magvit_config *c)
{
    return 1 << (c->levels - 1);
}

/* ---- building ---------------------------------------------------------------------------- */

typedef struct name {
    char text[TI_PARAM_NAME];
} name;

static name named(const char *format, ...) __attribute__((format(printf, 1, 2)));
static name named(const char *format, ...)
{
    name n;
    va_list args;
    va_start(args, format);
    vsnprintf(n.text, sizeof n.text, format, args);
    va_end(args);
    return n;
}

static int block(ti_net *net, const char *prefix, int in, int channels, int kernel)
{
    int x = ti_net_group_norm(net, named("%s.norm1", prefix).text, in, true);
    x = ti_net_conv(net, named("%s.conv1", prefix).text, x, channels, kernel, 1, -1);
    x = ti_net_group_norm(net, named("%s.norm2", prefix).text, x, true);
    int skip = in;
    if (net->values[in].channels != channels)
        skip = ti_net_conv(net, named("%s.nin_shortcut", prefix).text, in, channels, 1, 1, -1);
    return ti_net_conv(net, named("%s.conv2", prefix).text, x, channels, kernel, 1, skip);
}

static int middle(ti_net *net, const char *side, int x, bool attends)
{
    const int channels = net->values[x].channels;
    x = block(net, named("%s.mid.block_1", side).text, x, channels, 3);
    if (attends) {
        int h = ti_net_group_norm(net, named("%s.mid.attn_1.norm", side).text, x, false);
        int q = ti_net_conv(net, named("%s.mid.attn_1.q", side).text, h, channels, 1, 1, -1);
        int k = ti_net_conv(net, named("%s.mid.attn_1.k", side).text, h, channels, 1, 1, -1);
        int v = ti_net_conv(net, named("%s.mid.attn_1.v", side).text, h, channels, 1, 1, -1);
        h = ti_net_attention(net, q, k, v);
        x = ti_net_conv(net, named("%s.mid.attn_1.proj_out", side).text, h, channels, 1, 1, x);
    }
    return block(net, named("%s.mid.block_2", side).text, x, channels, 3);
}

static int encoder(ti_net *net, const ti_magvit_config *c, int x)
{
    x = ti_net_conv(net, "encoder.conv_in", x, c->channels, 3, 1, -1);
    for (int l = 0; l < c->levels; l++) {
        const bool last = l == c->levels - 1;
        for (int b = 0; b < c->encoder_blocks[l]; b++)
            x = block(net, named("encoder.down.%d.block.%d", l, b).text, x,
                      c->channels * c->encoder_mult[l], last && c->local ? 1 : 3);
        if (!last)
            x = ti_net_conv(net, named("encoder.down.%d.downsample.conv", l).text, x,
                            c->channels * c->encoder_mult[l], 3, 2, -1);
    }
    if (!c->local) x = middle(net, "encoder", x, c->attention);
    x = ti_net_group_norm(net, "encoder.norm_out", x, true);
    x = ti_net_conv(net, "encoder.conv_out", x, c->bits, c->local ? 1 : 3, 1, -1);
    return ti_net_conv(net, "encoder.quant_conv", x, c->bits, 1, 1, -1);
}

static int decoder(ti_net *net, const ti_magvit_config *c, int x)
{
    x = ti_net_conv(net, "decoder.post_quant_conv", x, c->bits, 1, 1, -1);
    x = ti_net_conv(net, "decoder.conv_in", x, c->channels * c->decoder_mult[c->levels - 1], 3, 1,
                    -1);
    x = middle(net, "decoder", x, c->attention);
    for (int l = c->levels - 1; l >= 0; l--) {
        const int channels = c->channels * c->decoder_mult[l];
        for (int b = 0; b < c->decoder_blocks[l]; b++)
            x = block(net, named("decoder.up.%d.block.%d", l, b).text, x, channels, 3);
        if (l > 0)
            x = ti_net_conv(net, named("decoder.up.%d.upsample.conv", l).text,
                            ti_net_upsample(net, x), channels, 3, 1, -1);
    }
    x = ti_net_group_norm(net, "decoder.norm_out", x, true);
    return ti_net_conv(net, "decoder.conv_out", x, 3, 3, 1, -1);
}

te_status ti_magvit_create(ti_magvit **out, ti_train_device *device, const ti_magvit_config *config,
                           int size, int batch, te_error *err)
{
    *out = NULL;
    ti_magvit *m = ti_calloc(1, sizeof *m);
    if (!m) return ti_fail_memory(err, "the image tokeniser", sizeof *m);
    m->config = *config;
    m->size = size;
    m->batch = batch;
    ti_params_init(&m->params, device);
    ti_net_init(&m->net, &m->params, batch, config->groups, 1e-6f);
    m->picture = ti_net_input(&m->net, size, size, 3);
    m->latent = encoder(&m->net, config, m->picture);
    m->encoder_nodes = m->net.n_nodes;
    m->output = decoder(&m->net, config, ti_net_quantise(&m->net, m->latent));
    te_status st = ti_params_allocate(&m->params, err);
    if (!st) st = ti_net_allocate(&m->net, err);
    if (st) {
        ti_magvit_free(m);
        return st;
    }
    *out = m;
    return TE_OK;
}

void ti_magvit_free(ti_magvit *m)
{
    if (!m) return;
    ti_net_clear(&m->net);
    ti_params_clear(&m->params);
    free(m);
}

void ti_magvit_freeze_encoder(ti_magvit *m)
{
    for (int i = 0; i < m->params.n; i++)
        if (!strncmp(m->params.items[i].name, "encoder.", 8)) m->params.items[i].flags |= TI_FROZEN;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* Kernels normal with variance 1 / fan-in, a block's last one smaller so that blocks begin as near
 * identities; norms 1 and 0. */
void ti_magvit_init(ti_magvit *m, uint64_t seed, float *room)
{
    for (int i = 0; i < m->params.n; i++) {
        const ti_param *p = &m->params.items[i];
        double scale = 0, base = 0;
        if (p->n_dims == 4) {
            scale = 1 / sqrt((double)(p->shape[1] * p->shape[2] * p->shape[3]));
            if (ends_with(p->name, "conv2.weight") || ends_with(p->name, "proj_out.weight"))
                scale *= 0.3;
        } else if (strstr(p->name, "norm") && ends_with(p->name, "weight")) {
            base = 1;
        }
        ti_random random = {.seed = seed, .stream = (uint64_t)i};
        for (size_t j = 0; j < p->count; j++)
            room[j] = (float)(base + (scale > 0 ? scale * ti_random_normal(random, j) : 0));
        ti_params_set(&m->params, i, room);
    }
}

void ti_magvit_still(ti_magvit *m, float *room)
{
    for (int i = 0; i < m->params.n; i++) {
        const ti_param *p = &m->params.items[i];
        if (!ends_with(p->name, "conv2.weight")) continue;
        memset(room, 0, p->count * sizeof *room);
        ti_params_set(&m->params, i, room);
    }
}

te_status ti_magvit_encode(ti_magvit *m, const uint8_t *rgb, int n, uint16_t *codes, te_error *err)
{
    ti_train_device *d = m->net.device;
    const size_t pixels = (size_t)n * (size_t)m->size * (size_t)m->size * 3;
    const int side = m->size / ti_magvit_patch(&m->config), tokens = n * side * side;
    const size_t bits = (size_t)tokens * (size_t)m->config.bits;
    float *host = ti_malloc_array(pixels > bits ? pixels : bits, sizeof *host);
    if (!host) return ti_fail_memory(err, "pictures", pixels * sizeof *host);
#pragma omp parallel for
    for (size_t i = 0; i < pixels; i++) host[i] = (float)rgb[i] * (2.0f / 255.0f) - 1.0f;
    d->op->upload(d, m->net.values[m->picture].data, host, pixels * sizeof *host);
    ti_net_forward(&m->net, 0, m->encoder_nodes);
    te_status st =
        d->op->download(d, host, m->net.values[m->latent].data, bits * sizeof *host, err);
    for (int t = 0; !st && t < tokens; t++) {
        unsigned code = 0;
        for (int b = 0; b < m->config.bits; b++)
            code = code * 2 + (host[t * m->config.bits + b] > 0 ? 1 : 0);
        codes[t] = (uint16_t)code;
    }
    free(host);
    return st;
}

/* ---- model files ------------------------------------------------------------------------- */

static te_status put_levels(ti_gguf_writer *w, const char *key, const int *values, int n,
                            int factor, te_error *err)
{
    int32_t list[TI_MAGVIT_LEVELS];
    for (int i = 0; i < n; i++) list[i] = values[i] * factor;
    return ti_gguf_put_int_array(w, key, list, n, err);
}

static te_status put_keys(const ti_magvit_config *c, ti_gguf_writer *w, te_error *err)
{
#define KEY "image_tokenizer."
    const uint32_t codes = (uint32_t)1 << c->bits;
    te_status st = ti_gguf_put_string(w, KEY "type", "magvit-v2", 9, err);
    if (!st) st = ti_gguf_put_int(w, KEY "patch", (uint32_t)ti_magvit_patch(c), err);
    if (!st) st = ti_gguf_put_int(w, KEY "codebook", codes, err);
    if (!st) st = ti_gguf_put_int(w, KEY "latent_channels", (uint32_t)c->bits, err);
    if (!st) st = ti_gguf_put_int(w, KEY "codebook_dim", (uint32_t)c->bits, err);
    if (!st) st = ti_gguf_put_int(w, KEY "channels", (uint32_t)c->channels, err);
    if (!st)
        st = put_levels(w, KEY "encoder.channels", c->encoder_mult, c->levels, c->channels, err);
    if (!st) st = put_levels(w, KEY "encoder.blocks", c->encoder_blocks, c->levels, 1, err);
    if (!st)
        st = put_levels(w, KEY "decoder.channels", c->decoder_mult, c->levels, c->channels, err);
    if (!st) st = put_levels(w, KEY "decoder.blocks", c->decoder_blocks, c->levels, 1, err);
    if (!st) st = ti_gguf_put_int(w, KEY "groups", (uint32_t)c->groups, err);
    if (!st) st = ti_gguf_put_real(w, KEY "epsilon", 1e-6f, err);
    return st;
#undef KEY
}

/* What the file has and training leaves out: the local encoder's middle, two blocks that add
 * nothing. */
static const char *const idle_parts[] = {"block_1.norm1", "block_1.conv1", "block_1.norm2",
                                         "block_1.conv2", "block_2.norm1", "block_2.conv1",
                                         "block_2.norm2", "block_2.conv2"};
enum { IDLE = sizeof idle_parts / sizeof *idle_parts };

/* Parameter I as it stands in the file: a local encoder's 1 x 1 kernels grow to the released 3 x 3.
 */
static bool grows(const ti_magvit *m, const ti_param *p)
{
    char last[TI_PARAM_NAME];
    if (!m->config.local || p->n_dims != 4) return false;
    snprintf(last, sizeof last, "encoder.down.%d.block.", m->config.levels - 1);
    return !strcmp(p->name, "encoder.conv_out.weight") ||
           (!strncmp(p->name, last, strlen(last)) && !strstr(p->name, "nin_shortcut"));
}

te_status ti_magvit_declare(const ti_magvit *m, ti_gguf_writer *w, ti_type type, te_error *err)
{
    te_status st = put_keys(&m->config, w, err);
    for (int i = 0; !st && i < m->params.n; i++) {
        const ti_param *p = &m->params.items[i];
        int64_t shape[TI_MAX_DIMS];
        memcpy(shape, p->shape, sizeof shape);
        if (grows(m, p)) shape[2] = shape[3] = 3;
        st = ti_gguf_declare(w, named("image.%s", p->name).text, p->n_dims > 1 ? type : TI_F32,
                             p->n_dims, shape, err);
    }
    const int64_t c = (int64_t)m->config.channels * m->config.encoder_mult[m->config.levels - 1];
    for (int i = 0; !st && m->config.local && i < IDLE; i++) {
        const bool conv = strstr(idle_parts[i], "conv") != NULL;
        st = ti_gguf_declare(w, named("image.encoder.mid.%s.weight", idle_parts[i]).text,
                             conv ? type : TI_F32, conv ? 4 : 1, (int64_t[]){c, c, 3, 3}, err);
        if (!st)
            st = ti_gguf_declare(w, named("image.encoder.mid.%s.bias", idle_parts[i]).text, TI_F32,
                                 1, &c, err);
    }
    return st;
}

static te_status write_floats(ti_gguf_writer *w, ti_type type, const float *from, size_t n,
                              void *room, te_error *err)
{
    ti_quantize(type, from, room, (int64_t)n);
    return ti_gguf_write(w, room, ti_type_row_bytes(type, (int64_t)n), err);
}

static te_status write_all(const ti_magvit *m, ti_gguf_writer *w, ti_type type, const float *values,
                           float *grown, void *room, te_error *err)
{
    te_status st = TE_OK;
    for (int i = 0; !st && i < m->params.n; i++) {
        const ti_param *p = &m->params.items[i];
        const float *from = values + p->first;
        size_t n = p->count;
        if (grows(m, p)) {
            memset(grown, 0, 9 * n * sizeof *grown);
            for (size_t j = 0; j < n; j++) grown[9 * j + 4] = from[j];
            from = grown;
            n *= 9;
        }
        st = write_floats(w, p->n_dims > 1 ? type : TI_F32, from, n, room, err);
    }
    const size_t c = (size_t)(m->config.channels * m->config.encoder_mult[m->config.levels - 1]);
    for (int i = 0; !st && m->config.local && i < IDLE; i++) {
        const bool conv = strstr(idle_parts[i], "conv") != NULL;
        const size_t n = conv ? 9 * c * c : c;
        for (size_t j = 0; j < n; j++) grown[j] = conv ? 0.0f : 1.0f;
        st = write_floats(w, conv ? type : TI_F32, grown, n, room, err);
        memset(grown, 0, c * sizeof *grown);
        if (!st) st = write_floats(w, TI_F32, grown, c, room, err);
    }
    return st;
}

te_status ti_magvit_write(const ti_magvit *m, ti_gguf_writer *w, ti_type type, te_error *err)
{
    float *values = ti_malloc_array(m->params.floats, sizeof *values);
    const size_t most = 9 * (size_t)TI_TRAIN_MAX_CHANNELS * TI_TRAIN_MAX_CHANNELS;
    float *grown = ti_malloc_array(most, sizeof *grown),
          *room = ti_malloc_array(most, sizeof *room);
    te_status st =
        values && grown && room ? TE_OK : ti_fail_memory(err, "the image tokeniser", most * 8);
    if (!st) st = ti_params_get(&m->params, true, values, err);
    if (!st) st = write_all(m, w, type, values, grown, room, err);
    free(values);
    free(grown);
    free(room);
    return st;
}

te_status ti_magvit_read(ti_magvit *m, const ti_gguf *file, te_error *err)
{
    float *room = ti_malloc_array(9 * m->params.floats, sizeof *room);
    te_status st = room ? TE_OK : ti_fail_memory(err, "the image tokeniser", 9 * m->params.floats);
    for (int i = 0; !st && i < m->params.n; i++) {
        const ti_param *p = &m->params.items[i];
        const ti_tensor *t = NULL;
        const bool grown = grows(m, p);
        int64_t shape[TI_MAX_DIMS];
        memcpy(shape, p->shape, sizeof shape);
        if (grown) shape[2] = shape[3] = 3;
        st = ti_gguf_need(file, named("image.%s", p->name).text, p->n_dims, shape, &t, err);
        if (st) break;
        ti_dequantize(t->type, t->data, room, (int64_t)(grown ? 9 * p->count : p->count));
        for (size_t j = 0; grown && j < p->count; j++) room[j] = room[9 * j + 4];
        ti_params_set(&m->params, i, room);
    }
    free(room);
    return st;
}

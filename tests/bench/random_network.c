/* random_network.c - see random_network.h. The tensors are gone through twice, declared and then
 * written. */
#include "random_network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

const random_network random_network_full = {
    128, 13, 5, {1, 2, 2, 4, 4}, {4, 3, 4, 3, 4}, {1, 1, 2, 2, 4}, {4, 4, 3, 4, 3}};
const random_network random_network_small = {32,           10,           4,           {1, 2, 2, 4},
                                             {1, 1, 1, 1}, {1, 2, 2, 4}, {1, 1, 1, 1}};

typedef struct model {
    ti_gguf_writer *writer;
    bool writing;
    uint64_t drawn;
    te_status status; /* of the first call that failed */
    te_error *err;
} model;

static void put_tensor(model *m, const char *layer, const char *part, int n_dims, int out, int in,
                       int size, float mean, float spread)
{
    char name[160];
    int64_t shape[4] = {out, in, size, size};
    snprintf(name, sizeof name, "image.%s.%s", layer, part);
    if (m->status) return;
    if (!m->writing) {
        m->status = ti_gguf_declare(m->writer, name, TI_F32, n_dims, shape, m->err);
        return;
    }
    size_t n = (size_t)out * (size_t)(n_dims > 1 ? in * size * size : 1);
    float *values = ti_malloc_array(n, sizeof *values);
    if (!values) {
        m->status = ti_fail_memory(m->err, name, n * sizeof *values);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double u = ti_random_uniform((ti_random){.seed = 1}, m->drawn++);
        values[i] = mean + spread * (float)(2 * u - 1);
    }
    m->status = ti_gguf_write(m->writer, values, n * sizeof *values, m->err);
    free(values);
}

static void put_conv(model *m, const char *layer, int out, int in, int size)
{
    put_tensor(m, layer, "weight", 4, out, in, size, 0, sqrtf(3.0f / (float)(in * size * size)));
    put_tensor(m, layer, "bias", 1, out, 1, 1, 0, 0.1f);
}

static void put_norm(model *m, const char *layer, int channels)
{
    put_tensor(m, layer, "weight", 1, channels, 1, 1, 1, 0.1f);
    put_tensor(m, layer, "bias", 1, channels, 1, 1, 0, 0.1f);
}

static const char *join(char to[128], const char *layer, const char *part)
{
    snprintf(to, 128, "%s.%s", layer, part);
    return to;
}

static void put_residual(model *m, const char *layer, int out, int in)
{
    char name[128];
    put_norm(m, join(name, layer, "norm1"), in);
    put_conv(m, join(name, layer, "conv1"), out, in, 3);
    put_norm(m, join(name, layer, "norm2"), out);
    put_conv(m, join(name, layer, "conv2"), out, out, 3);
    if (in != out) put_conv(m, join(name, layer, "nin_shortcut"), out, in, 1);
}

static void put_middle(model *m, const char *side, int channels)
{
    char name[128];
    put_residual(m, join(name, side, "mid.block_1"), channels, channels);
    put_norm(m, join(name, side, "mid.attn_1.norm"), channels);
    put_conv(m, join(name, side, "mid.attn_1.q"), channels, channels, 1);
    put_conv(m, join(name, side, "mid.attn_1.k"), channels, channels, 1);
    put_conv(m, join(name, side, "mid.attn_1.v"), channels, channels, 1);
    put_conv(m, join(name, side, "mid.attn_1.proj_out"), channels, channels, 1);
    put_residual(m, join(name, side, "mid.block_2"), channels, channels);
}

static int put_level(model *m, const char *level, int n_blocks, int out, int in)
{
    char name[64];
    for (int b = 0; b < n_blocks; b++, in = out) {
        snprintf(name, sizeof name, "%s.block.%d", level, b);
        put_residual(m, name, out, in);
    }
    return in;
}

static void put_network(model *m, const random_network *n)
{
    char level[32], name[128];
    int c = n->channels;
    put_conv(m, "encoder.conv_in", c, 3, 3);
    for (int l = 0; l < n->levels; l++) {
        snprintf(level, sizeof level, "encoder.down.%d", l);
        c = put_level(m, level, n->encoder_blocks[l], n->channels * n->encoder_mult[l], c);
        if (l < n->levels - 1) put_conv(m, join(name, level, "downsample.conv"), c, c, 3);
    }
    put_middle(m, "encoder", c);
    put_norm(m, "encoder.norm_out", c);
    put_conv(m, "encoder.conv_out", n->bits, c, 3);
    put_conv(m, "encoder.quant_conv", n->bits, n->bits, 1);
    put_conv(m, "decoder.post_quant_conv", n->bits, n->bits, 1);
    c = n->channels * n->decoder_mult[n->levels - 1];
    put_conv(m, "decoder.conv_in", c, n->bits, 3);
    put_middle(m, "decoder", c);
    for (int l = n->levels - 1; l >= 0; l--) {
        snprintf(level, sizeof level, "decoder.up.%d", l);
        c = put_level(m, level, n->decoder_blocks[l], n->channels * n->decoder_mult[l], c);
        if (l) put_conv(m, join(name, level, "upsample.conv"), c, c, 3);
    }
    put_norm(m, "decoder.norm_out", c);
    put_conv(m, "decoder.conv_out", 3, c, 3);
}

te_status random_network_declare(ti_gguf_writer *w, const random_network *n, te_error *err)
{
    model m = {.writer = w, .err = err};
    te_status st = ti_gguf_put_string(w, "image_tokenizer.type", "magvit-v2", 9, err);
    if (st) return st;
    put_network(&m, n);
    return m.status;
}

te_status random_network_write(ti_gguf_writer *w, const random_network *n, te_error *err)
{
    model m = {.writer = w, .writing = true, .err = err};
    put_network(&m, n);
    return m.status;
}

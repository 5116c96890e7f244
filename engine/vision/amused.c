/* amused.c - aMUSEd's VQ model as variant A uses it: the names diffusers gives its layers, and its
 * codebook. A latent's code is the nearest vector by Euclidean distance, the first one on ties.
 * Pixels are seen in [0, 1]. Levels, blocks and widths are read off the tensors that are there. */
#include "vision/autoencoder.h"

#include <stdlib.h>

#include "base/memory.h"

enum { MAX_CODEBOOK = 1 << 20 };

/* Blocks stand in the file in the order they run, in encoder and decoder alike. */
static int bind_levels(ti_binder *b, ti_autoencoder *a, int channels, const char *side,
                       const char *resize)
{
    while (ti_binder_has(b, "%s.%d.resnets.0.conv1", side, a->n_levels)) {
        if (a->n_levels == TI_MAX_LEVELS) {
            ti_binder_fail(b, TE_UNSUPPORTED, "%s has more than %d levels", side, TI_MAX_LEVELS);
            return 0;
        }
        int number = a->n_levels++;
        ti_level *level = &a->levels[number];
        while (ti_binder_has(b, "%s.%d.resnets.%d.conv1", side, number, level->n_blocks)) {
            if (level->n_blocks == TI_MAX_BLOCKS) {
                ti_binder_fail(b, TE_UNSUPPORTED, "%s.%d has more than %d blocks", side, number,
                               TI_MAX_BLOCKS);
                return 0;
            }
            channels =
                ti_bind_residual(b, &level->blocks[level->n_blocks], channels, "conv_shortcut",
                                 "%s.%d.resnets.%d", side, number, level->n_blocks);
            level->n_blocks++;
        }
        level->resized = ti_binder_has(b, "%s.%d.%s.0.conv", side, number, resize);
        if (level->resized)
            channels = ti_bind_conv(b, &level->resize, channels, 3, "%s.%d.%s.0.conv", side, number,
                                    resize);
    }
    return channels;
}

static int bind_middle(ti_binder *b, ti_middle *m, int channels, const char *side)
{
    if (ti_binder_has(b, "%s.mid_block.attentions.0.to_q", side))
        ti_binder_fail(b, TE_UNSUPPORTED,
                       "%s.mid_block has attention; MMaDA-Parallel-A has none there", side);
    channels =
        ti_bind_residual(b, &m->before, channels, "conv_shortcut", "%s.mid_block.resnets.0", side);
    return ti_bind_residual(b, &m->after, channels, "conv_shortcut", "%s.mid_block.resnets.1",
                            side);
}

static int bind_encoder(ti_binder *b, ti_autoencoder *e)
{
    b->exact = true; /* codes hang on it */
    int channels = ti_bind_conv(b, &e->conv_in, 3, 3, "encoder.conv_in");
    channels = bind_levels(b, e, channels, "encoder.down_blocks", "downsamplers");
    channels = bind_middle(b, &e->middle, channels, "encoder");
    ti_bind_norm(b, &e->norm_out, channels, "encoder.conv_norm_out");
    channels = ti_bind_conv(b, &e->conv_out, channels, 3, "encoder.conv_out");
    return ti_bind_conv(b, &e->quant, channels, 1, "quant_conv");
}

static int bind_decoder(ti_binder *b, ti_autoencoder *d, int latent)
{
    b->exact = false;
    int channels = ti_bind_conv(b, &d->quant, latent, 1, "post_quant_conv");
    channels = ti_bind_conv(b, &d->conv_in, channels, 3, "decoder.conv_in");
    channels = bind_middle(b, &d->middle, channels, "decoder");
    channels = bind_levels(b, d, channels, "decoder.up_blocks", "upsamplers");
    ti_bind_norm(b, &d->norm_out, channels, "decoder.conv_norm_out");
    return ti_bind_conv(b, &d->conv_out, channels, 3, "decoder.conv_out");
}

/* Channel by channel, so that the search runs along the codes. */
static void bind_codebook(ti_codec *codec)
{
    ti_binder *b = &codec->binder;
    const ti_tensor *t =
        b->status ? NULL : ti_gguf_find(b->file, "image.quantize.embedding.weight");
    int64_t z = codec->latent_channels;
    if (!t || t->n_dims != 2 || t->shape[1] != z || t->shape[0] < 1 || t->shape[0] > MAX_CODEBOOK ||
        !ti_type_row_bytes(t->type, z)) {
        ti_binder_fail(b, TE_FORMAT,
                       "the image tokeniser needs a codebook "
                       "image.quantize.embedding.weight of shape [n, %d]",
                       codec->latent_channels);
        return;
    }
    size_t n = (size_t)t->shape[0], row_bytes = ti_type_row_bytes(t->type, z);
    codec->codebook = (int)n;
    codec->vectors = ti_malloc_array(n * (size_t)z, sizeof *codec->vectors);
    float *row = ti_malloc_array((size_t)z, sizeof *row);
    if (!codec->vectors || !row) {
        ti_binder_fail(b, TE_NOMEM, "no memory for a codebook of %zu vectors", n);
        free(row);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        ti_dequantize(t->type, (const char *)t->data + i * row_bytes, row, z);
        for (size_t c = 0; c < (size_t)z; c++) codec->vectors[c * n + i] = row[c];
    }
    free(row);
}

void ti_amused_bind(ti_codec *codec)
{
    ti_binder *b = &codec->binder;
    codec->latent_channels = bind_encoder(b, &codec->encoder);
    if (bind_decoder(b, &codec->decoder, codec->latent_channels) != 3)
        ti_binder_fail(b, TE_FORMAT, "the image decoder gives %d channels, not 3",
                       codec->decoder.conv_out.out);
    bind_codebook(codec);
    codec->pixel_scale = 1.0f;
    codec->pixel_shift = 0.0f;
}

void ti_amused_quantise(const ti_codec *codec, const float *latents, size_t n, int32_t *codes,
                        float *room)
{
    int z = codec->latent_channels, n_codes = codec->codebook;
    for (size_t i = 0; i < n; i++, latents += z) {
        for (int k = 0; k < n_codes; k++) room[k] = 0;
        for (int c = 0; c < z; c++) {
            const float *along = codec->vectors + (size_t)c * (size_t)n_codes;
            float at = latents[c];
            for (int k = 0; k < n_codes; k++) room[k] += (at - along[k]) * (at - along[k]);
        }
        codes[i] = 0;
        for (int k = 1; k < n_codes; k++)
            if (room[k] < room[codes[i]]) codes[i] = k;
    }
}

void ti_amused_expand(const ti_codec *codec, const int32_t *codes, size_t n, float *latents)
{
    size_t n_codes = (size_t)codec->codebook;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < (size_t)codec->latent_channels; c++)
            *latents++ = codec->vectors[c * n_codes + (size_t)codes[i]];
}

/* magvit.c - MAGVIT-v2 as variant M uses it: the names of its layers, and its look-up free
 * quantiser.
 *
 * A latent's channels are the bits of its code, most significant first: 1 where the channel is
 * above zero. Decoded, a bit is +1 or -1. Pixels are seen in [-1, 1]. Levels, blocks and widths are
 * read off the tensors that are there. */
#include "vision/autoencoder.h"

enum { MAX_BITS = 20 };

/* Levels stand in the file by size, largest first; PRESENT asks for block b of level l. */
static int count_levels(const ti_binder *b, const char *side)
{
    int n = 0;
    while (n <= TI_MAX_LEVELS && ti_binder_has(b, "%s.%d.block.0.conv1", side, n)) n++;
    return n;
}

static int bind_level(ti_binder *b, ti_level *level, int channels, const char *side, int number,
                      const char *resize)
{
    while (level->n_blocks <= TI_MAX_BLOCKS &&
           ti_binder_has(b, "%s.%d.block.%d.conv1", side, number, level->n_blocks)) {
        if (level->n_blocks == TI_MAX_BLOCKS) {
            ti_binder_fail(b, TE_UNSUPPORTED, "%s.%d has more than %d blocks", side, number,
                           TI_MAX_BLOCKS);
            return 0;
        }
        channels = ti_bind_residual(b, &level->blocks[level->n_blocks], channels, "nin_shortcut",
                                    "%s.%d.block.%d", side, number, level->n_blocks);
        level->n_blocks++;
    }
    level->resized = ti_binder_has(b, "%s.%d.%s.conv", side, number, resize);
    if (level->resized)
        channels =
            ti_bind_conv(b, &level->resize, channels, 3, "%s.%d.%s.conv", side, number, resize);
    return channels;
}

static int bind_middle(ti_binder *b, ti_middle *m, int channels, const char *side)
{
    channels = ti_bind_residual(b, &m->before, channels, "nin_shortcut", "%s.mid.block_1", side);
    m->attends = ti_binder_has(b, "%s.mid.attn_1.q", side);
    if (m->attends) ti_bind_attention(b, &m->attention, channels, "%s.mid.attn_1", side);
    return ti_bind_residual(b, &m->after, channels, "nin_shortcut", "%s.mid.block_2", side);
}

static int bind_encoder(ti_binder *b, ti_autoencoder *e)
{
    b->exact = true; /* codes hang on it */
    int channels = ti_bind_conv(b, &e->conv_in, 3, 3, "encoder.conv_in");
    for (int l = 0; l < e->n_levels; l++)
        channels = bind_level(b, &e->levels[l], channels, "encoder.down", l, "downsample");
    channels = bind_middle(b, &e->middle, channels, "encoder");
    ti_bind_norm(b, &e->norm_out, channels, "encoder.norm_out");
    channels = ti_bind_conv(b, &e->conv_out, channels, 3, "encoder.conv_out");
    return ti_bind_conv(b, &e->quant, channels, 1, "encoder.quant_conv");
}

static int bind_decoder(ti_binder *b, ti_autoencoder *d, int latent)
{
    b->exact = false;
    int channels = ti_bind_conv(b, &d->quant, latent, 1, "decoder.post_quant_conv");
    channels = ti_bind_conv(b, &d->conv_in, channels, 3, "decoder.conv_in");
    channels = bind_middle(b, &d->middle, channels, "decoder");
    for (int l = 0; l < d->n_levels; l++)
        channels =
            bind_level(b, &d->levels[l], channels, "decoder.up", d->n_levels - 1 - l, "upsample");
    ti_bind_norm(b, &d->norm_out, channels, "decoder.norm_out");
    return ti_bind_conv(b, &d->conv_out, channels, 3, "decoder.conv_out");
}

void ti_magvit_bind(ti_codec *codec)
{
    ti_binder *b = &codec->binder;
    codec->encoder.n_levels = count_levels(b, "encoder.down");
    codec->decoder.n_levels = count_levels(b, "decoder.up");
    if (codec->encoder.n_levels > TI_MAX_LEVELS || codec->decoder.n_levels > TI_MAX_LEVELS) {
        ti_binder_fail(b, TE_UNSUPPORTED, "the image tokeniser has more than %d levels",
                       TI_MAX_LEVELS);
        return;
    }
    codec->latent_channels = bind_encoder(b, &codec->encoder);
    if (codec->latent_channels > MAX_BITS) {
        ti_binder_fail(b, TE_UNSUPPORTED, "image codes of %d bits; at most %d are supported",
                       codec->latent_channels, MAX_BITS);
        return;
    }
    if (bind_decoder(b, &codec->decoder, codec->latent_channels) != 3)
        ti_binder_fail(b, TE_FORMAT, "the image decoder gives %d channels, not 3",
                       codec->decoder.conv_out.out);
    codec->codebook = 1 << codec->latent_channels;
    codec->pixel_scale = 2.0f;
    codec->pixel_shift = -1.0f;
}

void ti_magvit_quantise(const ti_codec *codec, const float *latents, size_t n, int32_t *codes)
{
    int bits = codec->latent_channels;
    for (size_t i = 0; i < n; i++, latents += bits) {
        codes[i] = 0;
        for (int c = 0; c < bits; c++) codes[i] = codes[i] * 2 + (latents[c] > 0 ? 1 : 0);
    }
}

void ti_magvit_expand(const ti_codec *codec, const int32_t *codes, size_t n, float *latents)
{
    int bits = codec->latent_channels;
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < bits; c++) *latents++ = (codes[i] >> (bits - 1 - c)) & 1 ? 1.0f : -1.0f;
}

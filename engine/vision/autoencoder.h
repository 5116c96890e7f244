/* autoencoder.h - the convolutional encoder and decoder that MAGVIT-v2 and aMUSEd-VQ share:
 * residual blocks in levels, each level half the size of the one before, and a middle at the
 * smallest size. What differs is in magvit.c and amused.c: names, quantiser, pixel range. */
#ifndef TI_VISION_AUTOENCODER_H
#define TI_VISION_AUTOENCODER_H

#include "vision/layers.h"

#define TI_MAX_LEVELS 8
#define TI_MAX_BLOCKS 8 /* residual blocks of a level */

typedef struct ti_level {
    ti_residual blocks[TI_MAX_BLOCKS];
    int n_blocks;
    bool resized; /* followed by a change of size */
    ti_conv_layer resize;
} ti_level;

typedef struct ti_middle {
    ti_residual before, after;
    bool attends;
    ti_attention attention;
} ti_middle;

typedef struct ti_autoencoder {
    ti_conv_layer conv_in; /* encoder: pixels to the first level's channels; decoder: latents */
    ti_level levels[TI_MAX_LEVELS]; /* in the order they run */
    int n_levels;
    ti_middle middle; /* encoder: after the levels; decoder: before them */
    ti_norm_layer norm_out;
    ti_conv_layer conv_out;
    ti_conv_layer quant; /* 1 x 1; encoder: last; decoder: first */
} ti_autoencoder;

/* c->x: pixels [h][w][3] in, latents [h / patch][w / patch][z] out. */
void ti_encoder_run(const ti_autoencoder *encoder, ti_canvas *c);
/* c->x: latents in, pixels out. */
void ti_decoder_run(const ti_autoencoder *decoder, ti_canvas *c);
/* Pixels per latent, each way. */
int ti_autoencoder_patch(const ti_autoencoder *a);

/* What the two networks fill in. */
typedef struct ti_codec {
    ti_binder binder; /* owns the weights */
    ti_autoencoder encoder, decoder;
    int latent_channels, codebook;
    float pixel_scale, pixel_shift; /* what the network sees: rgb * scale + shift */
    float *vectors; /* aMUSEd: the codebook, [latent_channels][codebook]; else NULL */
} ti_codec;

/* Bind every tensor; the first failure is in codec->binder. */
void ti_magvit_bind(ti_codec *codec);
void ti_amused_bind(ti_codec *codec);
/* Host arrays: latents [n][latent_channels]. */
void ti_magvit_quantise(const ti_codec *codec, const float *latents, size_t n, int32_t *codes);
void ti_magvit_expand(const ti_codec *codec, const int32_t *codes, size_t n, float *latents);
/* ROOM holds codebook floats. */
void ti_amused_quantise(const ti_codec *codec, const float *latents, size_t n, int32_t *codes,
                        float *room);
void ti_amused_expand(const ti_codec *codec, const int32_t *codes, size_t n, float *latents);

#endif

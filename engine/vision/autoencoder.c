/* autoencoder.c - see autoencoder.h */
#include "vision/autoencoder.h"

static void run_levels(const ti_autoencoder *a, ti_canvas *c,
                       void (*resize)(ti_canvas *, const ti_conv_layer *))
{
    for (int l = 0; l < a->n_levels; l++) {
        const ti_level *level = &a->levels[l];
        for (int b = 0; b < level->n_blocks; b++) ti_canvas_residual(c, &level->blocks[b]);
        if (level->resized) resize(c, &level->resize);
    }
}

static void run_middle(const ti_middle *m, ti_canvas *c)
{
    ti_canvas_residual(c, &m->before);
    if (m->attends) ti_canvas_attend(c, &m->attention);
    ti_canvas_residual(c, &m->after);
}

void ti_encoder_run(const ti_autoencoder *e, ti_canvas *c)
{
    ti_canvas_conv(c, &e->conv_in);
    run_levels(e, c, ti_canvas_down);
    run_middle(&e->middle, c);
    ti_canvas_norm_silu(c, &e->norm_out);
    ti_canvas_conv(c, &e->conv_out);
    ti_canvas_conv(c, &e->quant);
}

void ti_decoder_run(const ti_autoencoder *d, ti_canvas *c)
{
    ti_canvas_conv(c, &d->quant);
    ti_canvas_conv(c, &d->conv_in);
    run_middle(&d->middle, c);
    run_levels(d, c, ti_canvas_up);
    ti_canvas_norm_silu(c, &d->norm_out);
    ti_canvas_conv(c, &d->conv_out);
}

int ti_autoencoder_patch(const ti_autoencoder *a)
{
    int patch = 1;
    for (int l = 0; l < a->n_levels; l++) patch *= a->levels[l].resized ? 2 : 1;
    return patch;
}

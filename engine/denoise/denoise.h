/* denoise.h - the joint denoiser: reveals reasoning and picture together, step by step, as the
 * released code of both variants does, and records every step.
 *
 * Nothing is computed that the result cannot depend on: iterations without anything to reveal are
 * skipped; unconditional passes run only where their logits are used; the last layer and the head
 * run only for masked rows, the head only over the codebook for image rows. ti_trajectory.work
 * counts that against what the released code does. */
#ifndef TI_DENOISE_DENOISE_H
#define TI_DENOISE_DENOISE_H

#include "denoise/layout.h"
#include "model/backbone.h"

typedef struct ti_trajectory {
    ti_layout layout;
    int n_steps, n_image, n_text, grid_h, grid_w;
    int32_t *image; /* [n_steps][n_image] token ids after each step; the mask id where masked */
    int32_t *text;  /* [n_steps][n_text] */
    int32_t *codes; /* [n_image] of the finished picture */
    te_work work;   /* all but seconds_total, _encode and _decode */
} ti_trajectory;

void ti_trajectory_free(ti_trajectory *t);
/* JSON lines: one per step but the last, {"step", "image", "text"}, then {"final": {"image": codes,
 * "text": ids}}, which is the last. */
te_status ti_trajectory_write(const ti_trajectory *t, const char *path, te_error *err);

/* What is known after a step. Arrays are the job's own. */
typedef struct ti_denoise_state {
    int step, steps;      /* done; in all */
    const int32_t *image; /* ids, masks where still masked */
    const int32_t *text;
    bool image_changed, text_changed;
    int masked_image, masked_text;
    double cost_done, cost_left; /* in passes of one sequence */
} ti_denoise_state;

typedef struct ti_denoise_job {
    ti_backbone *backbone;
    const ti_sequence *sequence;
    const te_options *options; /* resolved */
    /* [image tokens]: a code that stands from the start, or -1; NULL: none stands. Schedules count
     * the other tokens alone: a region's tokens are revealed over the same steps as a whole
     * picture's. */
    const int32_t *pinned;
    const volatile int *cancel;
    /* Called after every step; anything but TE_OK ends the job with that. May be NULL. */
    te_status (*progress)(void *user, const ti_denoise_state *state, te_error *err);
    void *user;
} ti_denoise_job;

te_status ti_denoise(const ti_denoise_job *job, ti_trajectory **out, te_error *err);

/* Bytes ti_denoise() will take for sequences of LENGTH tokens with N_IMAGE image tokens. */
uint64_t ti_denoise_bytes(const ti_backbone *b, const ti_layout *layout, const te_options *opt,
                          int length, int n_image);

/* All logits of the first step, [n][vocab] each, the caller's to free(); *uncond NULL for A. */
te_status ti_denoise_first_logits(ti_backbone *b, const ti_sequence *s, float **cond,
                                  float **uncond, te_error *err);

#endif

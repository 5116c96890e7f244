/* denoiser.h - one running job, shared by the three files that make up the denoiser: denoise.c
 * walks the plan, passes.c asks the backbone, reveal.c says what stays. Private to this folder. */
#ifndef TI_DENOISE_DENOISER_H
#define TI_DENOISE_DENOISER_H

#include "denoise/denoise.h"
#include "denoise/plan.h"

#define TI_TERMS                                                                                   \
    (1 + TI_MAX_UNCONDITIONAL) /* the conditional sequence and the unconditional ones */

typedef struct ti_denoiser {
    const ti_denoise_job *job;
    const ti_sequence *s;
    ti_trajectory *t;
    ti_plan plan;
    ti_session *session;
    /* What each sequence's logits count; 0: they are not computed. */
    float text_scale[TI_TERMS], image_scale[TI_TERMS];
    int n_image, n_free; /* image tokens; those masked at the start */
    void *memory;        /* the arrays below */
    double *text_probs, *image_probs;
    int32_t *now;    /* [n] the conditional sequence as it stands */
    int32_t *sample; /* [n_image] codes as last sampled */
    int32_t *best;   /* [n_image] most probable codes of A's last image step */
    /* This iteration's masked positions, numbered within their regions, what was picked there,
     * and whether it is kept. */
    int n_text_rows, n_image_rows;
    int32_t *text_rows, *image_rows, *text_ids, *image_ids;
    int32_t *image_stay; /* codes of the input at image_rows */
    bool *text_kept, *image_kept;
    ti_pick text_pick;
    ti_keep text_keep;
    int32_t *batch, *read; /* [sequences][n]; [rows read] */
} ti_denoiser;

enum { TI_DRAW_TEXT, TI_DRAW_IMAGE, TI_DRAW_REMASK };

/* The generator for one PURPOSE of one iteration: a draw depends on nothing else. */
static inline ti_random ti_denoiser_random(const ti_denoiser *d, int step, int purpose)
{
    return (ti_random){(uint64_t)d->job->options->seed, (uint64_t)step << 3 | (uint64_t)purpose};
}

static inline int32_t *ti_denoiser_image(ti_denoiser *d, int position)
{
    return &d->now[d->s->image_at[position]];
}

static inline int32_t *ti_denoiser_text(ti_denoiser *d, int position)
{
    return &d->now[d->s->text_first + position];
}

/* passes.c */
ti_session_shape ti_denoise_shape(const ti_backbone *b, const ti_layout *layout,
                                  const te_options *opt, int length, int n_image);
void ti_denoise_scales(const ti_sequence *s, const te_options *opt, float text[TI_TERMS],
                       float image[TI_TERMS]);
te_status ti_step_m(ti_denoiser *d, int step, te_error *err);
te_status ti_step_a(ti_denoiser *d, int step, te_error *err);

/* reveal.c */
/* Asks the device which of what was picked are kept: d->text_pick, PICK. Picks and answer are known
 * after sync(). */
void ti_keep_text(ti_denoiser *d, int step);
void ti_keep_image(ti_denoiser *d, int step, const ti_pick *pick);
/* Then puts them in their places. */
void ti_reveal_text(ti_denoiser *d);
void ti_reveal_image(ti_denoiser *d);

#endif

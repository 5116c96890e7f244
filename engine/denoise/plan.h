/* plan.h - what each denoising iteration will do, decided before the first one runs.
 *
 * Text is revealed at an even pace: over the whole region, or block by block from left to right
 * (text_block). Image tokens are revealed in image steps, spread evenly over the part of the job
 * the strategy gives them, following a schedule of how many are still masked:
 *
 *   parallel        as released: image steps from a quarter of the job on, time from its start
 *   semi-parallel   the same from half of the job on, time counted from there
 *   sequential      text_steps iterations of text alone, then image_steps of the picture alone
 *
 * Both variants follow the same plan; they differ in how a reveal is counted (ti_plan_reveal). */
#ifndef TI_DENOISE_PLAN_H
#define TI_DENOISE_PLAN_H

#include "denoise/layout.h"

typedef struct ti_plan_step {
    int text_first, text_count; /* the window of the text region being revealed; count 0: none */
    int text_step, text_steps;  /* this iteration among those of the window */
    bool image;
    bool last_image;
    double time; /* of image steps: in (0, 1], 1 at the end */
} ti_plan_step;

typedef struct ti_plan {
    int n_steps;
    ti_plan_step *steps; /* owned */
} ti_plan;

/* OPT is resolved. The text window leaves out M's leading bos. */
te_status ti_plan_create(ti_plan *out, const ti_sequence *s, const te_options *opt, te_error *err);
void ti_plan_clear(ti_plan *plan);

/* How many of the window's tokens to fix now, MASKED of them being still masked. */
int ti_plan_reveal(const ti_plan_step *step, ti_profile profile, int masked);
/* Share of image tokens still masked at TIME; 1 at 0, 0 at 1, never rising. */
double ti_schedule_masked(te_schedule schedule, double exponent, double time);

#endif

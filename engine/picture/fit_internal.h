/* fit_internal.h - shared by fit.c, fit_tone.c and fit_fresh.c: what a fit works in. */
#ifndef TI_PICTURE_FIT_INTERNAL_H
#define TI_PICTURE_FIT_INTERNAL_H

#include "picture/internal.h"

#define TI_FIT_SUMS 23 /* weight; wI 3; wR 3; wII 6; wIR 9; wRR */

typedef struct ti_fitter {
    ti_fit *fit;
    const float *in;  /* [n][3] */
    const float *out; /* [n][3], fit->edited */
    int w, h;
    size_t n;
    double patch; /* small pixels per token */
    double noise; /* variance of the tokeniser's error in one channel, of both pictures together */
    float *error; /* [n] the same around a pixel, as far as the input's own error tells */
    double coverage;    /* share of changed tokens */
    double chosen;      /* share of the picture that may change */
    gboolean grey;      /* the edit took all colour */
    gboolean no_colour; /* there is none before, and none after */
    float *token;       /* [n] 1 where the token changed */
    float *weight;      /* [n] of a pixel in the fits */
    float *follows;     /* [n] how far tokens that stayed here go with the light */
    float *tone;        /* [n][3] the prediction so far */
    float *broad;       /* [n][3] the prediction of windows larger than things */
    float *plane;       /* [n] scratch */
    float *sums;        /* [TI_FIT_SUMS][n] */
    double *columns;    /* [w] scratch of ti_fit_box() */
} ti_fitter;

/* Sums over windows of (2 r + 1) squared, cut off at the borders. from and to may be the same. */
void ti_fit_box(ti_fitter *f, const float *from, float *to, int r);
/* Means instead of sums. */
void ti_fit_box_mean(ti_fitter *f, float *plane, int r);
/* For qsort of floats. */
int ti_fit_compare(const void *a, const void *b);

static inline float ti_smoothstep(float low, float high, float x)
{
    x = CLAMP((x - low) / (high - low), 0.0f, 1.0f);
    return x * x * (3 - 2 * x);
}

/* ---- fit_tone.c ---------------------------------------------------------------------------- */

/* The input's own error against the original at its size. */
void ti_fit_find_error(ti_fitter *f, const float *original);
/* Of the edited picture, without its colour where the edit took all colour: grey, no_colour and
 * fit->edited.
 * Whether there was any, ORIGINAL tells: [h][w][3] as the edited one. */
void ti_fit_take_colour(ti_fitter *f, const float *edited, const float *original);
/* One curve for everything that changed. */
void ti_fit_curve(ti_fitter *f);
/* Who goes with a change of light though their tokens stayed the same. */
void ti_fit_find_followers(ti_fitter *f);
/* Adds the corrections of windows of radius R to the maps. DELTA is [12][n]. */
void ti_fit_windows(ti_fitter *f, int r, float *delta);
/* Of a grey picture that stays grey, one tone for all channels. */
void ti_fit_no_colour(ti_fitter *f);
/* The tokeniser's error, from what the tone leaves over. */
void ti_fit_measure_noise(ti_fitter *f);

/* ---- fit_fresh.c --------------------------------------------------------------------------- */

/* Where the edit shows something new. */
void ti_fit_find_fresh(ti_fitter *f);

#endif

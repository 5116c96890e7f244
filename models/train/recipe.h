/* recipe.h - what every training run has: steps, the learning rate over them, and the optimiser's
 * numbers. Read from the `recipe` object of a configuration (models/default/README.md lists the
 * keys). */
#ifndef TI_TRAIN_RECIPE_H
#define TI_TRAIN_RECIPE_H

#include "base/error.h"

#include <jansson.h>

typedef struct ti_recipe {
    int64_t steps, warmup;
    int64_t stop_at;         /* end after this step as if killed there; by default the last */
    double rate, final_rate; /* cosine from RATE to FINAL_RATE after the warm-up */
    double beta1, beta2, eps, decay, clip, ema;
    double slow;                   /* share of the rate for weights that were planted */
    bool muon;                     /* matrices by Muon, the rest by AdamW; else AdamW for all */
    double momentum, matrix_rate;  /* Muon's, and its rate as a multiple of the rate */
    int batch, micro_batch;        /* samples per step, and how many of them at a time */
    int64_t save_every, log_every; /* steps */
    uint64_t seed;
    int threads;        /* of the CPU; 0: all */
    const char *device; /* "cpu", "cuda"; the configuration's text */
} ti_recipe;

double ti_recipe_rate(const ti_recipe *r, int64_t step);
te_status ti_recipe_read(ti_recipe *r, const json_t *config, te_error *err);

/* ---- reading configurations: each takes the fallback when the key is absent -------------- */

te_status ti_config_load(json_t **out, const char *path, te_error *err); /* json_decref() it */
te_status ti_config_int(const json_t *object, const char *key, int64_t min, int64_t max,
                        int64_t fallback, int64_t *out, te_error *err);
te_status ti_config_real(const json_t *object, const char *key, double min, double max,
                         double fallback, double *out, te_error *err);
te_status ti_config_bool(const json_t *object, const char *key, bool fallback, bool *out,
                         te_error *err);
/* Borrowed from OBJECT; FALLBACK NULL: the key must be there. */
te_status ti_config_text(const json_t *object, const char *key, const char *fallback,
                         const char **out, te_error *err);

#endif

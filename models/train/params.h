/* params.h - the weights of a network being trained: names and shapes, one device buffer each for
 * values, gradients, the optimiser's two moments and the running average.
 *
 *     ti_params p;
 *     ti_params_init(&p, device);
 *     int w = ti_params_add(&p, "head.weight", 2, shape, TI_DECAYS);     all of them first
 *     ti_params_allocate(&p, &err);
 *     ti_params_step(&p, &recipe, step, &norm);                          gradients -> values,
 * cleared ti_params_clear(&p);
 */
#ifndef TI_TRAIN_PARAMS_H
#define TI_TRAIN_PARAMS_H

#include "format/checkpoint.h"
#include "format/tensor.h"
#include "ops/ops.h"
#include "recipe.h"

#define TI_PARAM_NAME 96

enum {
    TI_DECAYS = 1,
    TI_SLOW = 2,   /* learns at the recipe's `slow` share of the rate */
    TI_FROZEN = 4, /* stays as it is */
    TI_MATRIX = 8  /* maps vectors to vectors: what Muon is for, where the recipe asks for it */
};

typedef struct ti_param {
    char name[TI_PARAM_NAME];
    int n_dims;
    int64_t shape[TI_MAX_DIMS];
    unsigned flags;
    size_t first, count; /* floats within the buffers */
} ti_param;

typedef struct ti_params {
    ti_train_device *device; /* borrowed */
    ti_param *items;
    int n, capacity;
    size_t floats;
    bool failed; /* an ti_params_add() found no memory; allocate() says so */
    float *value, *grad, *m, *v, *average;
    float *room; /* Muon's */
} ti_params;

void ti_params_init(ti_params *p, ti_train_device *device);
void ti_params_clear(ti_params *p);
int ti_params_add(ti_params *p, const char *name, int n_dims, const int64_t *shape, unsigned flags);
te_status ti_params_allocate(ti_params *p, te_error *err);

static inline float *ti_param_value(const ti_params *p, int index)
{
    return p->value + p->items[index].first;
}
static inline float *ti_param_grad(const ti_params *p, int index)
{
    return p->grad + p->items[index].first;
}
int ti_params_find(const ti_params *p, const char *name); /* -1 if absent */

/* Sets one parameter's values, and its average, from host memory; or all of them, [floats]. */
void ti_params_set(ti_params *p, int index, const float *values);
void ti_params_set_all(ti_params *p, const float *values);
/* The same from the tensor NAME of FILE, which must be float32 and of its shape. */
te_status ti_params_take(ti_params *p, int index, const ti_checkpoint *file, const char *name,
                         te_error *err);
/* All values or (AVERAGE) their averages, to host memory [floats]. */
te_status ti_params_get(const ti_params *p, bool average, float *out, te_error *err);

/* One step of the optimiser, clipped; STEP counts from 0. *norm is the gradients' norm before
 * clipping. */
void ti_params_step(ti_params *p, const ti_recipe *recipe, int64_t step, double *norm);

/* The whole state and the number of steps done, as one safetensors file, whole or not at all. */
te_status ti_params_save(const ti_params *p, int64_t steps, const char *path, te_error *err);
te_status ti_params_load(ti_params *p, int64_t *steps, const char *path, te_error *err);
/* Only the averaged weights, as values and averages: another run's end as this one's beginning.
 * Parameters whose names begin with GROWN (NULL: none) may be missing there and then stay as they
 * are. */
te_status ti_params_start(ti_params *p, const char *path, const char *grown, te_error *err);

#endif

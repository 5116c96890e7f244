/* result.c - what an edit leaves: picture, reasoning, trajectory, and how they are read. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

void te_result_free(te_result *result)
{
    if (!result) return;
    int n = result->trajectory ? result->trajectory->n_steps : 0;
    for (int i = 0; result->readings && i < n; i++) ti_reading_clear(&result->readings[i]);
    free(result->readings);
    ti_trajectory_free(result->trajectory);
    free(result->image.pixels);
    free(result->input.pixels);
    free(result->input_codes);
    free(result->change);
    free(result);
}

const te_image *te_result_image(const te_result *result)
{
    return &result->image;
}

const te_image *te_result_input(const te_result *result)
{
    return result->input.pixels ? &result->input : NULL;
}

const char *te_result_reasoning(const te_result *result)
{
    return result->readings[result->trajectory->n_steps - 1].text;
}

int64_t te_result_seed(const te_result *result)
{
    return result->options.seed;
}

const te_options *te_result_options(const te_result *result)
{
    return &result->options;
}

const uint8_t *te_result_change(const te_result *result, int *grid_width, int *grid_height)
{
    if (grid_width) *grid_width = result->trajectory->grid_w;
    if (grid_height) *grid_height = result->trajectory->grid_h;
    return result->change;
}

int te_result_steps(const te_result *result)
{
    return result->trajectory->n_steps;
}

static bool has_step(const te_result *result, int step)
{
    return step >= 0 && step < result->trajectory->n_steps;
}

const int32_t *te_result_step_text(const te_result *result, int step, int *n)
{
    const ti_trajectory *t = result->trajectory;
    if (n) *n = t->n_text;
    return has_step(result, step) ? t->text + (size_t)step * (size_t)t->n_text : NULL;
}

const int32_t *te_result_step_image(const te_result *result, int step, int *n)
{
    const ti_trajectory *t = result->trajectory;
    if (n) *n = t->n_image;
    return has_step(result, step) ? t->image + (size_t)step * (size_t)t->n_image : NULL;
}

char *te_result_step_reasoning(const te_result *result, int step)
{
    return has_step(result, step) ? ti_strdup(result->readings[step].text) : NULL;
}

int te_result_step_revealed(const te_result *result, int step, int *ranges, int capacity)
{
    if (!has_step(result, step)) return 0;
    const ti_reading *r = &result->readings[step];
    for (int i = 0; ranges && i < r->n_ranges && i < capacity; i++) {
        ranges[2 * i] = r->ranges[2 * i];
        ranges[2 * i + 1] = r->ranges[2 * i + 1];
    }
    return r->n_ranges;
}

int32_t te_result_mask_id(const te_result *result)
{
    return result->trajectory->layout.mask;
}

te_status te_result_step_image_pixels(te_model *model, const te_result *result, int step,
                                      te_image **out, te_error *err)
{
    *out = NULL;
    const ti_trajectory *t = result->trajectory;
    if (!has_step(result, step))
        return ti_fail(err, TE_INVALID, "there is no step %d; the edit has steps 0 to %d", step,
                       t->n_steps - 1);
    te_image *image = ti_calloc(1, sizeof *image);
    int32_t *codes = ti_malloc_array((size_t)t->n_image, sizeof *codes);
    te_status st =
        image && codes ? TE_OK : ti_fail_memory(err, "the step's picture", sizeof *image);
    if (!st) {
        ti_codes_of_ids(codes, te_result_step_image(result, step, NULL), result->input_codes,
                        t->n_image, &t->layout);
        te_error why = {0};
        pthread_mutex_lock(&model->lock);
        st = ti_draw_codes(image, model, codes, t->grid_h, t->grid_w, NULL, &why);
        if (ti_model_retreat(model, st, &why))
            st = ti_draw_codes(image, model, codes, t->grid_h, t->grid_w, NULL, &why);
        pthread_mutex_unlock(&model->lock);
        if (st) ti_fail(err, st, "%s", why.message);
    }
    free(codes);
    if (st) {
        te_image_free(image);
        return st;
    }
    *out = image;
    return TE_OK;
}

te_status te_result_write_trajectory(const te_result *result, const char *path, te_error *err)
{
    return ti_trajectory_write(result->trajectory, path, err);
}

const te_work *te_result_work(const te_result *result)
{
    return &result->work;
}

void te_image_free(te_image *image)
{
    if (!image) return;
    free(image->pixels);
    free(image);
}

void te_free(void *memory)
{
    free(memory);
}

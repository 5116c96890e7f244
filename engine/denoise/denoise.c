/* denoise.c - see denoise.h. Walks the plan; passes.c and reveal.c do a step's work. */
#include "denoise/denoiser.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------------------ */

typedef struct carver {
    char *base; /* NULL: only measures */
    size_t used;
} carver;

static void *carve(carver *c, size_t count, size_t size)
{
    void *at = c->base ? c->base + c->used : NULL;
    c->used += (count * size + 15) & ~(size_t)15;
    return at;
}

/* The arrays of a job over LENGTH tokens; returns their bytes. Measures when D->memory is NULL. */
static size_t carve_all(ti_denoiser *d, int length, int n_image, int n_text,
                        const ti_session_shape *shape)
{
    carver c = {d->memory, 0};
    d->text_probs = carve(&c, (size_t)n_text, sizeof(double));
    d->image_probs = carve(&c, (size_t)n_image, sizeof(double));
    d->now = carve(&c, (size_t)length, sizeof(int32_t));
    d->sample = carve(&c, (size_t)n_image, sizeof(int32_t));
    d->best = carve(&c, (size_t)n_image, sizeof(int32_t));
    d->text_rows = carve(&c, (size_t)n_text, sizeof(int32_t));
    d->image_rows = carve(&c, (size_t)n_image, sizeof(int32_t));
    d->text_ids = carve(&c, (size_t)n_text, sizeof(int32_t));
    d->image_ids = carve(&c, (size_t)n_image, sizeof(int32_t));
    d->image_stay = carve(&c, (size_t)n_image, sizeof(int32_t));
    d->text_kept = carve(&c, (size_t)n_text, sizeof(bool));
    d->image_kept = carve(&c, (size_t)n_image, sizeof(bool));
    d->batch = carve(&c, (size_t)shape->rows, sizeof(int32_t));
    d->read = carve(&c, (size_t)shape->read_rows, sizeof(int32_t));
    return c.used;
}

uint64_t ti_denoise_bytes(const ti_backbone *b, const ti_layout *layout, const te_options *opt,
                          int length, int n_image)
{
    ti_denoiser d = {0};
    ti_session_shape shape = ti_denoise_shape(b, layout, opt, length, n_image);
    int64_t steps = opt->text_steps + (opt->strategy == TE_SEQUENTIAL ? opt->image_steps : 0);
    uint64_t record = (uint64_t)(steps * (n_image + opt->text_len)) * sizeof(int32_t);
    return ti_session_bytes(b, &shape) + carve_all(&d, length, n_image, opt->text_len, &shape) +
           record;
}

static te_status create_trajectory(ti_denoiser *d, te_error *err)
{
    const ti_sequence *s = d->s;
    ti_trajectory *t = d->t = ti_calloc(1, sizeof *t);
    if (!t) return ti_fail_memory(err, "the trajectory", sizeof *t);
    t->layout = s->layout;
    t->n_steps = d->plan.n_steps;
    t->n_image = d->n_image;
    t->n_text = s->text_count;
    t->grid_h = s->grid_h;
    t->grid_w = s->grid_w;
    size_t n_image = (size_t)t->n_steps * (size_t)t->n_image;
    size_t n_text = (size_t)t->n_steps * (size_t)t->n_text;
    t->image = ti_malloc_array(n_image, sizeof *t->image);
    t->text = ti_malloc_array(n_text, sizeof *t->text);
    t->codes = ti_malloc_array((size_t)t->n_image, sizeof *t->codes);
    if (!t->image || !t->text || !t->codes)
        return ti_fail_memory(err, "the trajectory", (n_image + n_text) * sizeof *t->image);
    return TE_OK;
}

static te_status check_job(const ti_denoise_job *job, te_error *err)
{
    const ti_backbone_config *c = &job->backbone->config;
    const ti_layout *l = &job->sequence->layout;
    if (l->image_offset < 0 || l->codebook < 1 || l->image_offset > c->vocab - l->codebook)
        return ti_fail(
            err, TE_FORMAT,
            "image codes %d to %d lie outside the model's vocabulary of %d; convert it again "
            "with the right layout",
            (int)l->image_offset, (int)(l->image_offset + l->codebook - 1), c->vocab);
    if (l->mask < 0 || l->mask >= c->vocab)
        return ti_fail(err, TE_FORMAT,
                       "the mask token %d lies outside the model's vocabulary of %d", (int)l->mask,
                       c->vocab);
    if (job->sequence->n > c->context)
        return ti_fail(err, TE_INVALID,
                       "the sequence has %d tokens, the model takes %d; shorten the instruction",
                       job->sequence->n, c->context);
    return TE_OK;
}

static te_status create(ti_denoiser *d, te_error *err)
{
    const ti_sequence *s = d->s;
    te_status st = check_job(d->job, err);
    if (!st) st = ti_plan_create(&d->plan, s, d->job->options, err);
    if (!st) st = create_trajectory(d, err);
    if (st) return st;
    ti_session_shape shape =
        ti_denoise_shape(d->job->backbone, &s->layout, d->job->options, s->n, d->n_image);
    size_t bytes = carve_all(d, s->n, d->n_image, s->text_count, &shape);
    d->memory = ti_calloc(bytes, 1);
    if (!d->memory) return ti_fail_memory(err, "the denoiser", bytes);
    carve_all(d, s->n, d->n_image, s->text_count, &shape);
    ti_denoise_scales(s, d->job->options, d->text_scale, d->image_scale);
    return ti_session_create(&d->session, d->job->backbone, &shape, err);
}

/* ---- the walk ---------------------------------------------------------------------------- */

static void begin(ti_denoiser *d)
{
    const ti_layout *l = &d->s->layout;
    memcpy(d->now, d->s->tokens, (size_t)d->s->n * sizeof *d->now);
    for (int i = 0; i < d->n_image; i++) {
        int32_t code = d->job->pinned ? d->job->pinned[i] : -1;
        d->sample[i] = code;
        d->best[i] = -1;
        if (code >= 0)
            *ti_denoiser_image(d, i) = l->image_offset + code;
        else
            d->n_free++;
    }
}

/* The masked positions this iteration will look at. */
static void list_masked(ti_denoiser *d, int step)
{
    const ti_plan_step *p = &d->plan.steps[step];
    int32_t mask = d->s->layout.mask;
    d->n_text_rows = d->n_image_rows = 0;
    for (int i = p->text_first; i < p->text_first + p->text_count; i++)
        if (*ti_denoiser_text(d, i) == mask) d->text_rows[d->n_text_rows++] = i;
    if (!ti_plan_reveal(p, d->s->layout.profile, d->n_text_rows)) d->n_text_rows = 0;
    for (int i = 0; p->image && i < d->n_image; i++)
        if (*ti_denoiser_image(d, i) == mask) d->image_rows[d->n_image_rows++] = i;
}

/* M's picture is the last image step's full sample. A's is what was revealed; where a mask is left
 * - the released code draws any code at all there - the most probable one. */
static void settle_codes(ti_denoiser *d)
{
    if (d->s->layout.profile == TI_PROFILE_M) return;
    for (int i = 0; i < d->n_image_rows; i++)
        if (*ti_denoiser_image(d, d->image_rows[i]) == d->s->layout.mask)
            d->sample[d->image_rows[i]] = d->best[i];
}

/* The last record shows the finished picture. */
static void record(ti_denoiser *d, int step)
{
    ti_trajectory *t = d->t;
    bool finished = step == t->n_steps - 1;
    int32_t *image = t->image + (size_t)step * (size_t)t->n_image;
    for (int i = 0; i < t->n_image; i++)
        image[i] = finished ? t->layout.image_offset + d->sample[i] : *ti_denoiser_image(d, i);
    memcpy(t->text + (size_t)step * (size_t)t->n_text, ti_denoiser_text(d, 0),
           (size_t)t->n_text * sizeof *t->text);
}

static double step_cost(const ti_denoiser *d, int step)
{
    bool m = d->s->layout.profile == TI_PROFILE_M, image = d->plan.steps[step].image && d->n_free;
    bool text = d->plan.steps[step].text_count > 0;
    if (!image && !text) return 0;
    double cost = 1;
    for (int term = 1; term < TI_TERMS; term++)
        if ((image && d->image_scale[term] != 0) || (m && text && d->text_scale[term] != 0)) cost++;
    return cost;
}

static int count_masked(const int32_t *ids, int n, int32_t mask)
{
    int count = 0;
    for (int i = 0; i < n; i++) count += ids[i] == mask;
    return count;
}

static te_status report(const ti_denoiser *d, int step, te_error *err)
{
    const ti_trajectory *t = d->t;
    if (!d->job->progress) return TE_OK;
    ti_denoise_state state = {.step = step + 1,
                              .steps = t->n_steps,
                              .image = t->image + (size_t)step * (size_t)t->n_image,
                              .text = t->text + (size_t)step * (size_t)t->n_text,
                              .image_changed = d->n_image_rows > 0,
                              .text_changed = d->n_text_rows > 0};
    state.masked_image = count_masked(state.image, t->n_image, t->layout.mask);
    state.masked_text = count_masked(state.text, t->n_text, t->layout.mask);
    for (int i = 0; i <= step; i++) state.cost_done += step_cost(d, i);
    for (int i = step + 1; i < t->n_steps; i++) state.cost_left += step_cost(d, i);
    return d->job->progress(d->job->user, &state, err);
}

/* The released code runs every iteration over every row and column: M two sequences, A one and both
 * unconditional ones in image steps. */
static void count_released(ti_denoiser *d)
{
    te_work *work = &d->t->work;
    for (int i = 0; i < d->plan.n_steps; i++) {
        bool second = d->s->layout.profile == TI_PROFILE_M;
        work->forwards_released += second ? 2 : d->plan.steps[i].image ? 3 : 1;
    }
    work->token_rows_released = work->forwards_released * d->s->n;
    work->head_cells_released = work->token_rows_released * d->job->backbone->config.vocab;
}

static te_status walk(ti_denoiser *d, te_error *err)
{
    te_status st = TE_OK;
    begin(d);
    for (int step = 0; step < d->plan.n_steps && !st; step++) {
        list_masked(d, step);
        if (d->job->cancel && *d->job->cancel) return ti_fail(err, TE_CANCELLED, "cancelled");
        if (d->n_text_rows || d->n_image_rows)
            st = d->s->layout.profile == TI_PROFILE_M ? ti_step_m(d, step, err)
                                                      : ti_step_a(d, step, err);
        if (st) return st;
        if (d->plan.steps[step].last_image) settle_codes(d);
        record(d, step);
        st = report(d, step, err);
        if (st) return st;
    }
    memcpy(d->t->codes, d->sample, (size_t)d->n_image * sizeof *d->sample);
    return TE_OK;
}

te_status ti_denoise(const ti_denoise_job *job, ti_trajectory **out, te_error *err)
{
    *out = NULL;
    ti_denoiser d = {
        .job = job, .s = job->sequence, .n_image = job->sequence->grid_h * job->sequence->grid_w};
    te_status st = create(&d, err);
    if (!st) {
        count_released(&d);
        st = walk(&d, err);
    }
    ti_session_free(d.session);
    ti_plan_clear(&d.plan);
    free(d.memory);
    if (st) {
        ti_trajectory_free(d.t);
        return st;
    }
    *out = d.t;
    return TE_OK;
}

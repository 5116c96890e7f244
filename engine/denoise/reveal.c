/* reveal.c - which of the picked tokens are kept: text by the softmax probability of the pick, image
 * tokens by its logarithm with noise that dies down. The two variants count differently; both are
 * written as released. Ties go to the lower position. */
#include "denoise/denoiser.h"

#include <math.h>
#include <stdlib.h>

static int more_confident_first(const void *a, const void *b)
{
    const ti_rank *x = a, *y = b;
    if (x->confidence != y->confidence) return x->confidence > y->confidence ? -1 : 1;
    return x->position - y->position;
}

static int less_confident_first(const void *a, const void *b)
{
    const ti_rank *x = a, *y = b;
    if (x->confidence != y->confidence) return x->confidence < y->confidence ? -1 : 1;
    return x->position - y->position;
}

void ti_reveal_text(ti_denoiser *d, int step)
{
    int n = ti_plan_reveal(&d->plan.steps[step], d->s->layout.profile, d->n_text_rows);
    for (int i = 0; i < d->n_text_rows; i++) d->ranks[i] = (ti_rank){d->text_probs[i], i};
    qsort(d->ranks, (size_t)d->n_text_rows, sizeof *d->ranks, more_confident_first);
    for (int i = 0; i < n; i++) {
        int row = d->ranks[i].position;
        *ti_denoiser_text(d, d->text_rows[row]) = d->text_ids[row];
    }
}

/* ln p of every pick plus noise: Gumbel in M, normal in A, shrinking with time. */
static void rank_image(ti_denoiser *d, int step)
{
    bool m = d->s->layout.profile == TI_PROFILE_M;
    double heat = d->job->options->image_temperature * (1 - d->plan.steps[step].time);
    ti_random random = ti_denoiser_random(d, step, TI_DRAW_REMASK);
    for (int i = 0; i < d->n_image_rows; i++) {
        uint64_t draw = (uint64_t)d->image_rows[i];
        double noise = 0;
        if (heat > 0)
            noise = heat * (m ? ti_random_gumbel(random, draw) : ti_random_normal(random, draw));
        d->ranks[i] = (ti_rank){log(fmax(d->image_probs[i], 1e-20)) + noise, i};
    }
    qsort(d->ranks, (size_t)d->n_image_rows, sizeof *d->ranks, less_confident_first);
}

/* How many of the masked tokens stay masked: what the schedule says, but one at least goes and one at
 * least stays. */
static int to_stay_masked(const ti_denoiser *d, int step)
{
    const te_options *opt = d->job->options;
    double time = d->plan.steps[step].time;
    int n = (int)floor(d->n_free * ti_schedule_masked(opt->schedule, opt->schedule_pow, time));
    if (n > d->n_image_rows - 1) n = d->n_image_rows - 1;
    return n < 1 ? 1 : n;
}

/* Every pick is kept, then the least confident are masked again. M masks what lies strictly below the
 * confidence of rank N (known tokens count as infinitely confident), A exactly N tokens. */
void ti_reveal_image(ti_denoiser *d, int step)
{
    int n = to_stay_masked(d, step), n_rows = d->n_image_rows;
    for (int i = 0; i < n_rows; i++) {
        int32_t code = d->image_ids[i];
        d->sample[d->image_rows[i]] = code;
        *ti_denoiser_image(d, d->image_rows[i]) = d->s->layout.image_offset + code;
    }
    rank_image(d, step);
    if (d->s->layout.profile == TI_PROFILE_M && n < n_rows)
        while (n > 0 && d->ranks[n - 1].confidence == d->ranks[n].confidence) n--;
    for (int i = 0; i < n && i < n_rows; i++)
        *ti_denoiser_image(d, d->image_rows[d->ranks[i].position]) = d->s->layout.mask;
}

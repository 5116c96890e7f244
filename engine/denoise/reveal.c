/* reveal.c - which of the picked tokens are kept: text by the softmax probability of the pick,
 * image tokens by its logarithm with noise that dies down. The two variants count differently; both
 * are written as released. The device ranks them, where the probabilities are. */
#include "denoise/denoiser.h"

#include <math.h>

void ti_keep_text(ti_denoiser *d, int step)
{
    ti_backend *be = d->job->backbone->backend;
    int n = ti_plan_reveal(&d->plan.steps[step], d->s->layout.profile, d->n_text_rows);
    d->text_keep =
        (ti_keep){.pick = &d->text_pick, .method = TI_KEEP_HIGHEST, .n = n, .kept = d->text_kept};
    be->op->keep(be, &d->text_keep);
}

void ti_reveal_text(ti_denoiser *d)
{
    for (int i = 0; i < d->n_text_rows; i++)
        if (d->text_kept[i]) *ti_denoiser_text(d, d->text_rows[i]) = d->text_ids[i];
}

/* How many of the masked tokens stay masked: what the schedule says, but one at least goes and one
 * at least stays. */
static int to_stay_masked(const ti_denoiser *d, int step)
{
    const te_options *opt = d->job->options;
    double time = d->plan.steps[step].time;
    int n = (int)floor(d->n_free * ti_schedule_masked(opt->schedule, opt->schedule_pow, time));
    if (n > d->n_image_rows - 1) n = d->n_image_rows - 1;
    return n < 1 ? 1 : n;
}

/* Training unmasks tokens at random; a model that was shown only its surest tokens, which in an
 * edit are those that stay as they were, takes it that nothing changes. image_shuffle is against
 * that. */
static double heat(const ti_denoiser *d, int step)
{
    const te_options *opt = d->job->options;
    return (opt->image_temperature + opt->image_shuffle) * (1 - d->plan.steps[step].time);
}

/* The least confident are masked again, by ln p plus noise that shrinks with time: M masks what
 * lies strictly below the confidence of rank N (known tokens count as infinitely confident), A
 * exactly N tokens. */
void ti_keep_image(ti_denoiser *d, int step, const ti_pick *pick)
{
    ti_backend *be = d->job->backbone->backend;
    bool m = d->s->layout.profile == TI_PROFILE_M;
    be->op->keep(be, &(ti_keep){.pick = pick,
                                .method = m ? TI_KEEP_GUMBEL : TI_KEEP_NORMAL,
                                .n = to_stay_masked(d, step),
                                .heat = heat(d, step),
                                .random = ti_denoiser_random(d, step, TI_DRAW_REMASK),
                                .kept = d->image_kept});
}

void ti_reveal_image(ti_denoiser *d)
{
    for (int i = 0; i < d->n_image_rows; i++) {
        int32_t code = d->image_ids[i];
        d->sample[d->image_rows[i]] = code;
        if (d->image_kept[i])
            *ti_denoiser_image(d, d->image_rows[i]) = d->s->layout.image_offset + code;
    }
}

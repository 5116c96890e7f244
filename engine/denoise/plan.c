/* plan.c - see plan.h. */
#include "denoise/plan.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* Steps FIRST .. + N reveal text window by window, each getting its even share of the steps. When
 * there are more blocks than steps, the blocks grow. */
static void plan_text(ti_plan *plan, const ti_sequence *s, int first, int n, int block)
{
    int length = s->text_count, leading = s->layout.profile == TI_PROFILE_M;
    if (block <= 0 || block > length) block = length;
    int n_blocks = (length + block - 1) / block;
    if (n_blocks > n) {
        block = (length + n - 1) / n;
        n_blocks = (length + block - 1) / block;
    }
    for (int b = 0; b < n_blocks; b++) {
        int from = (int)((int64_t)b * n / n_blocks), to = (int)((int64_t)(b + 1) * n / n_blocks);
        int window = b ? b * block : leading;
        int end = (b + 1) * block < length ? (b + 1) * block : length;
        for (int i = from; i < to; i++) {
            ti_plan_step *step = &plan->steps[first + i];
            step->text_first = window;
            step->text_count = end - window;
            step->text_step = i - from;
            step->text_steps = to - from;
        }
    }
}

/* Up to COUNT image steps spread over iterations FROM .. n_steps - 1, rounded half to even; time
 * runs from iteration ORIGIN. */
static void plan_image(ti_plan *plan, double from, int origin, int count)
{
    double to = plan->n_steps - 1;
    int last = -1;
    for (int k = 0; k < count; k++) {
        double at = count > 1 ? from + (to - from) * k / (count - 1) : from;
        int i = (int)rint(at);
        if (i < 0) i = 0;
        if (i >= plan->n_steps) i = plan->n_steps - 1;
        plan->steps[i].image = true;
        plan->steps[i].time = (double)(i + 1 - origin) / (plan->n_steps - origin);
        if (i > last) last = i;
    }
    if (last >= 0) plan->steps[last].last_image = true;
}

te_status ti_plan_create(ti_plan *out, const ti_sequence *s, const te_options *opt, te_error *err)
{
    bool sequential = opt->strategy == TE_SEQUENTIAL;
    int n = opt->text_steps;
    *out = (ti_plan){.n_steps = n + (sequential ? opt->image_steps : 0)};
    out->steps = ti_calloc((size_t)out->n_steps, sizeof *out->steps);
    if (!out->steps)
        return ti_fail_memory(err, "the plan", (size_t)out->n_steps * sizeof *out->steps);
    plan_text(out, s, 0, n, opt->text_block);
    if (sequential)
        plan_image(out, n, n, opt->image_steps);
    else if (opt->strategy == TE_SEMI_PARALLEL)
        plan_image(out, n / 2.0, n / 2, opt->image_steps);
    else
        plan_image(out, n / 4.0, 0, opt->image_steps);
    return TE_OK;
}

void ti_plan_clear(ti_plan *plan)
{
    free(plan->steps);
    *plan = (ti_plan){0};
}

int ti_plan_reveal(const ti_plan_step *step, ti_profile profile, int masked)
{
    if (!step->text_count || !masked) return 0;
    int n;
    if (profile == TI_PROFILE_M) {
        n = step->text_count / step->text_steps;
        if (step->text_step < step->text_count % step->text_steps) n++;
    } else {
        double done = (double)(step->text_step + 1) / step->text_steps;
        n = masked - (int)(step->text_count * (1 - done));
    }
    if (n < 0) n = 0;
    return n < masked ? n : masked;
}

double ti_schedule_masked(te_schedule schedule, double exponent, double time)
{
    switch (schedule) {
    case TE_LINEAR:
        return 1 - time;
    case TE_POW:
        return 1 - pow(time, exponent);
    case TE_SIGMOID: { /* the logistic curve from -3 to 3, stretched to meet 1 and 0 */
        double low = 1 / (1 + exp(3)), high = 1 / (1 + exp(-3)), at = 1 / (1 + exp(3 - 6 * time));
        return (high - at) / (high - low);
    }
    case TE_COSINE:
        break;
    }
    return cos(time * 1.57079632679489661923);
}

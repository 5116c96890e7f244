/* passes.c - one denoising iteration's questions to the backbone: which sequences run, which of
 * their rows are read, over which columns, and how the logits are combined.
 *
 *   M  text   cond + text_cfg (uncond - cond)
 *      image  (1 + image_cfg) cond - image_cfg uncond
 *   A  text   cond
 *      image  cond + instruction_cfg (cond - uncond0) + image_cfg (cond - uncond1)
 *
 * M runs both sequences as one batch. A runs the conditional one first; the text it fixes is
 * already visible to the unconditional ones, as released, though the host learns of it only with
 * the step's end. In A's generation there is only uncond0, and image_cfg guides there as well. */
#include "denoise/denoiser.h"

#include <string.h>
#include <time.h>

/* One sequence of a batch. */
typedef struct pass {
    int term;              /* 0: conditional, 1 + i: unconditional[i] */
    bool text, image;      /* which masked rows are read */
    int text_at, image_at; /* where they begin in the read list */
} pass;

void ti_denoise_scales(const ti_sequence *s, const te_options *opt, float text[TI_TERMS],
                       float image[TI_TERMS])
{
    float cfg = (float)opt->image_cfg;
    memset(text, 0, TI_TERMS * sizeof *text);
    memset(image, 0, TI_TERMS * sizeof *image);
    text[0] = 1;
    if (s->layout.profile == TI_PROFILE_M) {
        text[0] = 1 - (float)opt->text_cfg;
        text[1] = (float)opt->text_cfg;
        image[1] = -cfg;
    } else if (s->n_unconditional[1]) {
        image[1] = -(float)opt->instruction_cfg;
        image[2] = -cfg;
    } else {
        image[1] = -(float)opt->instruction_cfg - cfg;
    }
    image[0] = 1 - image[1] - image[2];
}

ti_session_shape ti_denoise_shape(const ti_backbone *b, const ti_layout *layout,
                                  const te_options *opt, int length, int n_image)
{
    bool m = layout->profile == TI_PROFILE_M;
    bool guided_text = m && opt->text_cfg != 0;
    bool guided_image = opt->image_cfg != 0 || (!m && opt->instruction_cfg != 0);
    int n_guides = m || opt->image_cfg == 0 || opt->instruction_cfg == 0 ? 1 : 2;
    int block = opt->text_block > 0 && opt->text_block < opt->text_len ? opt->text_block : 0;
    int n_blocks = block ? (opt->text_len + block - 1) / block : 1;
    int n_text = block && n_blocks <= opt->text_steps ? block : opt->text_len;
    ti_session_shape shape = {.rows = length, .read_rows = n_text + n_image};
    if (m && (guided_text || guided_image)) {
        shape.rows *= 2;
        shape.read_rows += (guided_text ? n_text : 0) + (guided_image ? n_image : 0);
    } else if (n_guides == 2) {
        shape.rows *= 2;
        if (shape.read_rows < 2 * n_image) shape.read_rows = 2 * n_image;
    }
    size_t text = (size_t)n_text * (size_t)b->config.vocab * (guided_text ? 2 : 1);
    size_t image =
        (size_t)n_image * (size_t)layout->codebook * (guided_image ? 1 + (size_t)n_guides : 1);
    shape.logit_cells = text > image ? text : image;
    return shape;
}

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int list_reads(ti_denoiser *d, pass *p, int sequence, int n)
{
    int32_t first = sequence * d->s->n;
    p->text_at = n;
    for (int i = 0; p->text && i < d->n_text_rows; i++)
        d->read[n++] = first + d->s->text_first + d->text_rows[i];
    p->image_at = n;
    for (int i = 0; p->image && i < d->n_image_rows; i++)
        d->read[n++] = first + d->s->image_at[d->image_rows[i]];
    return n;
}

/* REVEALED: the text picked in this step, for passes after it. */
static te_status forward(ti_denoiser *d, pass *passes, int n_passes, ti_revealed revealed,
                         te_error *err)
{
    int n = d->s->n, n_read = 0, counts[TI_TERMS] = {0};
    te_work *work = &d->t->work;
    for (int i = 0; i < n_passes; i++) {
        int32_t *tokens = d->batch + (size_t)i * (size_t)n;
        memcpy(tokens, d->now, (size_t)n * sizeof *tokens);
        int u = passes[i].term - 1;
        if (u >= 0 && d->s->n_unconditional[u])
            memcpy(tokens, d->s->unconditional[u],
                   (size_t)d->s->n_unconditional[u] * sizeof *tokens);
        int after = list_reads(d, &passes[i], i, n_read);
        counts[i] = after - n_read;
        n_read = after;
    }
    work->forwards += n_passes;
    work->token_rows += (int64_t)n_passes * n;
    return ti_session_forward(d->session,
                              &(ti_batch){.tokens = d->batch,
                                          .n_sequences = n_passes,
                                          .length = n,
                                          .read = d->read,
                                          .read_count = counts,
                                          .revealed = revealed},
                              d->job->cancel, err);
}

/* Text logits of the passes, the pick over their sum, and which of it is kept. */
static void pick_text(ti_denoiser *d, const pass *passes, int n_passes, int step)
{
    const te_options *opt = d->job->options;
    int n = d->n_text_rows, vocab = d->job->backbone->config.vocab;
    ti_pick *pick = &d->text_pick;
    *pick = (ti_pick){.n_rows = n,
                      .n_cols = vocab,
                      .method = opt->text_temperature > 0 ? TI_PICK_GUMBEL : TI_PICK_GREEDY,
                      .temperature = opt->text_temperature,
                      .random = ti_denoiser_random(d, step, TI_DRAW_TEXT),
                      .keys = d->text_rows,
                      .ids = d->text_ids,
                      .probs = d->text_probs};
    for (int i = 0; i < n_passes; i++) {
        if (!passes[i].text) continue;
        size_t at = (size_t)pick->n_terms * (size_t)n * (size_t)vocab;
        pick->scale[pick->n_terms] = d->text_scale[passes[i].term];
        ti_session_head(d->session, at, passes[i].text_at, n, 0, vocab,
                        &pick->logits[pick->n_terms++]);
        d->t->work.head_cells += (int64_t)n * vocab;
    }
    ti_backend *be = d->job->backbone->backend;
    if (!n) return;
    double begin = now_seconds();
    be->op->pick(be, pick);
    ti_keep_text(d, step);
    d->t->work.seconds_sample += now_seconds() - begin;
}

static void add_image_logits(ti_denoiser *d, const pass *passes, int n_passes, ti_pick *pick)
{
    const ti_layout *l = &d->s->layout;
    int n = d->n_image_rows;
    for (int i = 0; i < n_passes; i++) {
        if (!passes[i].image) continue;
        size_t at = (size_t)pick->n_terms * (size_t)n * (size_t)l->codebook;
        pick->scale[pick->n_terms] = d->image_scale[passes[i].term];
        ti_session_head(d->session, at, passes[i].image_at, n, l->image_offset, l->codebook,
                        &pick->logits[pick->n_terms++]);
        d->t->work.head_cells += (int64_t)n * l->codebook;
    }
}

/* A's last image step also asks for the most probable codes: see settle_codes() in denoise.c. */
static void pick_image(ti_denoiser *d, ti_pick *pick, int step)
{
    ti_backend *be = d->job->backbone->backend;
    bool greedy = !(d->job->options->image_temperature > 0);
    double begin = now_seconds();
    pick->n_rows = d->n_image_rows;
    pick->n_cols = d->s->layout.codebook;
    pick->method = greedy ? TI_PICK_GREEDY : TI_PICK_MULTINOMIAL;
    pick->random = ti_denoiser_random(d, step, TI_DRAW_IMAGE);
    pick->keys = d->image_rows;
    pick->probs = d->image_probs;
    if (d->s->input && d->job->options->image_stay > 0) {
        for (int i = 0; i < pick->n_rows; i++) d->image_stay[i] = d->s->input[d->image_rows[i]];
        pick->stay = d->image_stay;
        pick->stay_least = d->job->options->image_stay;
    }
    if (d->s->layout.profile == TI_PROFILE_A && d->plan.steps[step].last_image) {
        ti_pick best = *pick;
        best.method = TI_PICK_GREEDY;
        best.ids = d->best;
        be->op->pick(be, &best);
    }
    pick->ids = d->image_ids;
    be->op->pick(be, pick);
    ti_keep_image(d, step, pick);
    d->t->work.seconds_sample += now_seconds() - begin;
}

/* Waits for a step that began at BEGIN, when SAMPLED seconds had been spent on sampling. All of the
 * step but the sampler's calls counts as forward; on a device that works while others wait, so does
 * the sampler's work. */
static te_status wait_and_count(ti_denoiser *d, te_status st, double begin, double sampled,
                                te_error *err)
{
    ti_backend *be = d->job->backbone->backend;
    te_work *work = &d->t->work;
    /* After a failure, too: what was picked is on its way to the job's memory. */
    te_status waited = be->op->sync(be, st ? NULL : err);
    work->seconds_forward += now_seconds() - begin - (work->seconds_sample - sampled);
    return st ? st : waited;
}

static void reveal(ti_denoiser *d)
{
    double begin = now_seconds();
    if (d->n_text_rows) ti_reveal_text(d);
    if (d->n_image_rows) ti_reveal_image(d);
    d->t->work.seconds_sample += now_seconds() - begin;
}

te_status ti_step_m(ti_denoiser *d, int step, te_error *err)
{
    bool text = d->n_text_rows > 0, image = d->n_image_rows > 0;
    pass passes[2] = {{.term = 0, .text = text, .image = image},
                      {.term = 1,
                       .text = text && d->text_scale[1] != 0,
                       .image = image && d->image_scale[1] != 0}};
    int n_passes = passes[1].text || passes[1].image ? 2 : 1;
    double begin = now_seconds(), sampled = d->t->work.seconds_sample;
    te_status st = forward(d, passes, n_passes, (ti_revealed){0}, err);
    if (st) return st;
    pick_text(d, passes, n_passes, step);
    if (image) {
        ti_pick pick = {0};
        add_image_logits(d, passes, n_passes, &pick);
        pick_image(d, &pick, step);
    }
    st = wait_and_count(d, TE_OK, begin, sampled, err);
    if (!st) reveal(d);
    return st;
}

/* The unconditional sequences of A, and the pick over all of them. */
static te_status guide_image(ti_denoiser *d, ti_pick *pick, int step, te_error *err)
{
    pass guides[TI_MAX_UNCONDITIONAL] = {0};
    int n = 0;
    for (int term = 1; term < TI_TERMS; term++)
        if (d->image_scale[term] != 0) guides[n++] = (pass){.term = term, .image = true};
    ti_revealed text = {.rows = d->text_rows, .first = d->s->text_first};
    if (d->n_text_rows) text.keep = &d->text_keep;
    te_status st = n ? forward(d, guides, n, text, err) : TE_OK;
    if (st) return st;
    add_image_logits(d, guides, n, pick);
    pick_image(d, pick, step);
    return TE_OK;
}

te_status ti_step_a(ti_denoiser *d, int step, te_error *err)
{
    bool text = d->n_text_rows > 0, image = d->n_image_rows > 0;
    pass given = {.term = 0, .text = text, .image = image};
    ti_pick pick = {0};
    double begin = now_seconds(), sampled = d->t->work.seconds_sample;
    te_status st = forward(d, &given, 1, (ti_revealed){0}, err);
    if (st) return st;
    pick_text(d, &given, 1, step);
    if (image) add_image_logits(d, &given, 1, &pick);
    if (image) st = guide_image(d, &pick, step, err);
    st = wait_and_count(d, st, begin, sampled, err);
    if (!st) reveal(d);
    return st;
}

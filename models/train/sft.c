/* sft.c - supervised training of the backbone (the paper's section 3.2). The step number is the
 * whole state beside the weights: step S sees samples S * batch .. of the pool, with masks drawn
 * from S. */
#include "bpe.h"
#include "commands.h"
#include "journal.h"
#include "project.h"

#include <stdio.h>
#include <string.h>

typedef struct totals {
    ti_llada_loss loss;
    double asked[TI_READINGS], norm, rows;
} totals;

static te_status micro_step(ti_project *p, ti_pool *pool, ti_packer *packer, int64_t first,
                            totals *t, te_error *err)
{
    const int n = p->recipe.micro_batch;
    ti_packer_reset(packer);
    for (int i = 0; i < n; i++) {
        ti_pool_sample s = ti_pool_get(pool, (first + i) % ti_pool_count(pool));
        ti_random random = {.seed = p->recipe.seed, .stream = (uint64_t)(first + i)};
        ti_packer_add(packer, &s, random, 1.0 / p->recipe.batch);
    }
    for (int i = 0; i < TI_READINGS; i++) t->asked[i] += packer->packed.readings[i].n;
    t->rows += packer->packed.rows;
    te_status st = ti_llada_step(p->llada, &packer->packed, err);
    if (!st) st = ti_pool_fill(pool, first + n, n, err); /* while the device is busy */
    return st ? st : ti_llada_losses(p->llada, &packer->packed, &t->loss, err);
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static te_status report(ti_journal *journal, int64_t step, int64_t steps, const totals *t,
                        double tokens, te_error *err)
{
    double loss = 0;
    for (int i = 0; i < TI_READINGS; i++) loss += t->loss.weighted[i];
    const double row[] = {loss / (double)steps,
                          share(t->loss.plain[TI_READ_TEXT], t->asked[TI_READ_TEXT]),
                          share(t->loss.plain[TI_READ_IMAGE], t->asked[TI_READ_IMAGE]),
                          share(t->loss.plain[TI_READ_KEPT], t->asked[TI_READ_KEPT]),
                          share(t->loss.plain[TI_READ_NAMES], t->asked[TI_READ_NAMES]),
                          share(t->loss.hits[TI_READ_TEXT], t->asked[TI_READ_TEXT]),
                          share(t->loss.hits[TI_READ_IMAGE], t->asked[TI_READ_IMAGE]),
                          share(t->loss.hits[TI_READ_KEPT], t->asked[TI_READ_KEPT]),
                          share(t->loss.hits[TI_READ_NAMES], t->asked[TI_READ_NAMES]),
                          t->norm / (double)steps};
    return ti_journal_write(journal, step, row, tokens, err);
}

static te_status train(ti_project *p, ti_pool *pool, ti_packer *packer, int64_t step, te_error *err)
{
    static const char *const columns[] = {
        "loss",          "text",       "changed",     "kept", "names", "text_right",
        "changed_right", "kept_right", "names_right", "norm", NULL};
    const ti_recipe *r = &p->recipe;
    ti_params *params = ti_llada_params(p->llada);
    totals t = {0};
    int64_t logged = step;
    double tokens = 0;
    ti_journal journal;
    te_status st = ti_journal_open(&journal, p->out, columns, step, r->steps, err);
    if (!st) st = ti_pool_fill(pool, step * r->batch, r->micro_batch, err);
    while (!st && step < r->stop_at) {
        for (int i = 0; !st && i < r->batch; i += r->micro_batch)
            st = micro_step(p, pool, packer, step * r->batch + i, &t, err);
        if (st) break;
        double norm;
        ti_params_step(params, r, step++, &norm);
        t.norm += norm;
        if (step % r->log_every == 0) {
            tokens += t.rows;
            st = report(&journal, step, step - logged, &t, tokens, err);
            t = (totals){0};
            logged = step;
        }
        if (!st && (step % r->save_every == 0 || step == r->stop_at)) {
            st = ti_params_save(params, step, p->checkpoint, err);
            if (!st) st = ti_journal_draw(&journal, err);
        }
    }
    return st;
}

/* {"muted": 3, ...}: drawn so many times as often as the other kinds of their category. */
static te_status read_kinds(ti_world_mix *mix, const json_t *kinds, te_error *err)
{
    te_status st = TE_OK;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)kinds, name, value)
    {
        if (st) return st;
        if (!ti_world_has_kind(name))
            return ti_fail(err, TE_INVALID, "pool.kinds: there is no kind \"%s\"", name);
        if (mix->n_kinds == TI_WORLD_MAX_KINDS)
            return ti_fail(err, TE_INVALID, "pool.kinds: more than %d", TI_WORLD_MAX_KINDS);
        ti_world_kind_weight *weight = &mix->kinds[mix->n_kinds++];
        weight->kind = name;
        st = ti_config_real(kinds, name, 0.01, 100, 1, &weight->times, err);
    }
    return st;
}

static te_status read_pool(ti_pool_config *c, const ti_project *p, te_error *err)
{
    const json_t *o = json_object_get(p->config, "pool");
    *c = (ti_pool_config){.text_len = p->objective.text_len,
                          .quadruplets = json_string_value(json_object_get(o, "quadruplets"))};
    const json_t *weights = json_object_get(o, "weights");
    te_status st = ti_config_text(o, "path", NULL, &c->path, err);
    for (int i = 0; !st && weights && i < TI_WORLD_CATEGORIES; i++)
        st = ti_config_real(weights, ti_world_category_name((ti_world_category)i), 0, 1e6, 0,
                            &c->mix.category[i], err);
    if (!st) st = read_kinds(&c->mix, json_object_get(o, "kinds"), err);
    if (!st) st = ti_config_int(o, "samples", 1, (int64_t)1 << 40, 100000, &c->samples, err);
    if (!st) st = ti_config_int(o, "first", 0, (int64_t)1 << 40, 0, &c->first, err);
    return st;
}

/* Input token i and output token i are a picture, two sentinels, instruction, eos and soi apart. */
static te_status begin(ti_project *p, te_error *err)
{
    const int image = p->layout.grid_h * p->layout.grid_w;
    int words = p->layout.image_offset;
    for (int i = 0; i < TI_SPECIALS; i++) {
        const int id = ti_tokenizer_id(p->tokenizer, ti_special_names[i]);
        if (id < words) words = id;
    }
    ti_llada_start start = {.image_offset = p->layout.image_offset,
                            .mask = p->layout.mask,
                            .bits = p->layout.instruction_len ? p->magvit->config.bits : 0,
                            .distance = image + 4 + p->layout.instruction_len,
                            .words = words};
    const char *path = NULL;
    te_status st = ti_config_text(p->config, "start", "", &path, err);
    if (!st) st = ti_llada_init(p->llada, p->recipe.seed, &start, err);
    return !st && *path ? ti_params_start(ti_llada_params(p->llada), path, NULL, err) : st;
}

/* Every sample before training begins: where the device is fast, drawing them one batch ahead is
 * not enough. What is there already is left alone, so a killed run goes on where it was. */
te_status ti_command_pool(const char *config, te_error *err)
{
    enum { ROUND = 4096 };
    ti_project p;
    ti_pool_config pool_config;
    ti_pool *pool = NULL;
    te_status st = ti_project_open(&p, config, 1, err);
    if (!st) st = read_pool(&pool_config, &p, err);
    if (!st) st = ti_pool_open(&pool, &pool_config, p.magvit, p.tokenizer, err);
    const int64_t samples = st ? 0 : ti_pool_count(pool);
    const double started = ti_seconds();
    for (int64_t first = 0; !st && first < samples; first += ROUND) {
        st = ti_pool_fill(pool, first, (int)(samples - first < ROUND ? samples - first : ROUND),
                          err);
        fprintf(stderr, "sample %lld of %lld  %.0f s\n",
                (long long)(first + ROUND < samples ? first + ROUND : samples), (long long)samples,
                ti_seconds() - started);
    }
    ti_pool_free(pool);
    ti_project_close(&p);
    return st;
}

te_status ti_command_sft(const char *config, bool resume, te_error *err)
{
    ti_project p;
    ti_pool_config pool_config;
    ti_pool *pool = NULL;
    ti_packer packer = {0};
    int64_t step = 0;
    te_status st = ti_project_open(&p, config, 0, err);
    if (!st) st = read_pool(&pool_config, &p, err);
    if (!st) st = ti_pool_open(&pool, &pool_config, p.magvit, p.tokenizer, err);
    if (!st)
        st = ti_packer_init(&packer, &p.objective, &p.layout, p.vocab, p.recipe.micro_batch, err);
    if (!st)
        st = resume ? ti_params_load(ti_llada_params(p.llada), &step, p.checkpoint, err)
                    : begin(&p, err);
    if (!st) {
        fprintf(stderr, "backbone: %zu parameters, %d tokens of vocabulary, on %s\n",
                ti_llada_params(p.llada)->floats, p.vocab, p.device->description);
        st = train(&p, pool, &packer, step, err);
    }
    ti_packer_clear(&packer);
    ti_pool_free(pool);
    ti_project_close(&p);
    return st;
}

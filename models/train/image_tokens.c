/* image_tokens.c - trains the image tokeniser on pictures of the world: half of them made for this
 * purpose (scenes and photograph-like textures), half the output pictures of edits, so that nights,
 * fog and sepia are seen as often as they will be drawn. A decoder that learns on alone learns from
 * lessons.h. */
#include "commands.h"
#include "device.h"
#include "journal.h"
#include "lessons.h"
#include "magvit.h"

#include "base/memory.h"
#include "world/world.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRAIN_PICTURES ((uint64_t)1 << 40) /* seeds of pictures begin here */

typedef struct run {
    ti_recipe recipe;
    ti_magvit_config network;
    ti_picture_shape loss;
    const char *out; /* stem of the run's files; the configuration's */
    const char
        *decoder_of; /* stem of a run whose encoder is kept and whose decoder learns on, or "" */
    int size;
    int first_node; /* gradients go down to this one */
    ti_train_device *device;
    ti_magvit *model;
    float things, jitter; /* of lessons; lessons.h */
    uint8_t *bytes;
    float *pixels;
    /* a decoder's lessons, micro_batch of them; NULL in other runs */
    uint8_t *before, *copied;
    float *weight, *latents, *kept;
    void *weight_there; /* on the device */
} run;

static int side_of(const run *r)
{
    return r->size / ti_magvit_patch(&r->network);
}

static te_status read_loss(run *r, const json_t *config, ti_lfq_shape *lfq, te_error *err)
{
    const json_t *o = json_object_get(config, "loss");
    double l1, l2, gradient, commitment, certainty, diversity, sharpness, things, jitter;
    te_status st = ti_config_real(o, "l1", 0, 100, 0.2, &l1, err);
    if (!st) st = ti_config_real(o, "l2", 0, 100, 1, &l2, err);
    if (!st) st = ti_config_real(o, "gradient", 0, 100, 0.2, &gradient, err);
    if (!st) st = ti_config_real(o, "commitment", 0, 100, 0.01, &commitment, err);
    if (!st) st = ti_config_real(o, "certainty", 0, 100, 0.001, &certainty, err);
    if (!st) st = ti_config_real(o, "diversity", 0, 100, 0.005, &diversity, err);
    if (!st) st = ti_config_real(o, "sharpness", 0.1, 1000, 4, &sharpness, err);
    if (!st) st = ti_config_real(o, "things", 0, 100, 0, &things, err);
    if (!st) st = ti_config_real(o, "jitter", 0, 10, 0, &jitter, err);
    if (!st && !*r->decoder_of && (things > 0 || jitter > 0))
        st = ti_fail(err, TE_INVALID,
                     "configuration: \"things\" and \"jitter\" are for a decoder that learns on "
                     "(\"decoder_of\")");
    if (st) return st;
    r->things = (float)things;
    r->jitter = (float)jitter;
    r->loss = (ti_picture_shape){.n = r->recipe.micro_batch,
                                 .height = r->size,
                                 .width = r->size,
                                 .l1 = (float)l1,
                                 .l2 = (float)l2,
                                 .gradient = (float)gradient};
    const float share = (float)r->recipe.micro_batch / (float)r->recipe.batch;
    *lfq = (ti_lfq_shape){.commitment = (float)commitment * share,
                          .certainty = (float)certainty * share,
                          .diversity = (float)diversity * share,
                          .sharpness = (float)sharpness};
    return TE_OK;
}

/* Picture SEED as number I of the micro-batch, and its lesson where a decoder learns on. */
static te_status draw_one(run *r, int i, uint64_t seed, te_error *err)
{
    const int size = r->size;
    const size_t n = (size_t)i, pixels = (size_t)size * (size_t)size;
    const size_t tokens = (size_t)side_of(r) * (size_t)side_of(r);
    uint8_t *rgb = r->bytes + n * pixels * 3;
    if (*r->decoder_of) {
        const ti_lesson lesson = {r->before + n * pixels * 3, rgb, r->copied + n * tokens,
                                  r->weight + n * pixels};
        return ti_lesson_make(&lesson, seed, size, side_of(r), r->things, err);
    }
    if (seed % 2 == 0) return ti_world_picture(rgb, seed, size, err);
    ti_world_sample sample;
    te_status st = ti_world_make(&sample, seed, TI_WORLD_TRAIN, size, err);
    if (st) return st;
    memcpy(rgb, sample.output, pixels * 3);
    ti_world_clear(&sample);
    return TE_OK;
}

static void to_floats(float *to, const uint8_t *from, size_t n)
{
#pragma omp parallel for
    for (size_t i = 0; i < n; i++) to[i] = (float)from[i] * (2.0f / 255.0f) - 1.0f;
}

/* Pictures FIRST .. FIRST + n of the run into r->bytes, and their lessons. */
static te_status draw_pictures(run *r, uint64_t first, int n, te_error *err)
{
    te_status st = TE_OK;
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < n; i++) {
        te_error own;
        te_status own_st = draw_one(r, i, TRAIN_PICTURES + first + (uint64_t)i, &own);
        if (own_st) {
#pragma omp critical
            {
                st = own_st;
                if (err) *err = own;
            }
        }
    }
    return st;
}

/* The latents of COUNT bytes of pictures into TO. */
static te_status encode(run *r, const uint8_t *rgb, size_t count, float *to, te_error *err)
{
    ti_train_device *d = r->device;
    ti_net *net = &r->model->net;
    const ti_value *latent = &net->values[r->model->latent];
    const size_t values = (size_t)r->recipe.micro_batch * (size_t)latent->height *
                          (size_t)latent->width * (size_t)latent->channels;
    to_floats(r->pixels, rgb, count);
    d->op->upload(d, net->values[r->model->picture].data, r->pixels, count * sizeof *r->pixels);
    ti_net_forward(net, 0, r->model->encoder_nodes);
    return d->op->download(d, to, latent->data, values * sizeof *to, err);
}

/* The latents that lessons FIRST and on decode, in their place of the network. */
static te_status mix_latents(run *r, uint64_t first, size_t count, te_error *err)
{
    ti_train_device *d = r->device;
    const int tokens = side_of(r) * side_of(r), bits = r->network.bits, n = r->recipe.micro_batch;
    const size_t pixels = (size_t)n * (size_t)r->size * (size_t)r->size;
    te_status st = encode(r, r->before, count, r->kept, err);
    if (!st) st = encode(r, r->bytes, count, r->latents, err);
    if (st) return st;
    for (int i = 0; i < n; i++)
        ti_lesson_mix(r->latents + (size_t)(i * tokens) * (size_t)bits,
                      r->kept + (size_t)(i * tokens) * (size_t)bits, r->copied + i * tokens, tokens,
                      bits, r->jitter, TRAIN_PICTURES + first + (uint64_t)i);
    d->op->upload(d, r->model->net.values[r->model->latent].data, r->latents,
                  (size_t)(n * tokens) * (size_t)bits * sizeof *r->latents);
    d->op->upload(d, r->weight_there, r->weight, pixels * sizeof *r->weight);
    return TE_OK;
}

enum { L1, L2, GRADIENT, COMMITMENT, CERTAINTY, DIVERSITY, TERMS };

/* Forward and backward of the micro-batch of pictures FIRST and on, which are drawn. The next are
 * drawn while the device is busy. The losses are added to SUMS. */
static te_status micro_step(run *r, uint64_t first, double sums[TERMS], float *terms, te_error *err)
{
    ti_train_device *d = r->device;
    ti_net *net = &r->model->net;
    const int n = r->recipe.micro_batch;
    ti_value *picture = &net->values[r->model->picture], *output = &net->values[r->model->output];
    const size_t values = (size_t)n * (size_t)r->size * (size_t)r->size * 3;
    if (*r->decoder_of) {
        te_status mixed = mix_latents(r, first, values, err);
        if (mixed) return mixed;
    } else {
        to_floats(r->pixels, r->bytes, values);
        d->op->upload(d, picture->data, r->pixels, values * sizeof *r->pixels);
    }
    ti_net_forward(net, r->first_node, net->n_nodes);
    d->op->picture_loss(d, output->grad, terms, output->data, picture->data, r->weight_there,
                        &r->loss, (float)n / (float)r->recipe.batch);
    ti_net_backward(net, r->first_node);
    float host[TERMS];
    te_status st = draw_pictures(r, first + (uint64_t)n, n, err);
    if (!st) st = d->op->download(d, host, terms, 3 * sizeof *host, err);
    if (!st) st = d->op->download(d, host + 3, net->lfq_terms, 3 * sizeof *host, err);
    const double share = (double)n / r->recipe.batch;
    for (int i = 0; !st && i < TERMS; i++) sums[i] += share * (double)host[i];
    return st;
}

static te_status save(run *r, int64_t steps, const ti_journal *journal, te_error *err)
{
    char path[512];
    snprintf(path, sizeof path, "%s.safetensors", r->out);
    te_status st = ti_params_save(&r->model->params, steps, path, err);
    return st ? st : ti_journal_draw(journal, err);
}

static te_status train(run *r, int64_t step, te_error *err)
{
    static const char *const columns[] = {"psnr",      "l1",        "gradient", "commitment",
                                          "certainty", "diversity", "norm",     NULL};
    const ti_recipe *recipe = &r->recipe;
    const int side = side_of(r);
    double sums[TERMS] = {0}, norms = 0, tokens = 0;
    int64_t logged = step;
    void *terms = NULL;
    ti_journal journal;
    te_status st = ti_journal_open(&journal, r->out, columns, step, recipe->steps, err);
    if (!st) st = r->device->op->alloc(r->device, 3 * sizeof(float), &terms, err);
    if (!st) st = draw_pictures(r, (uint64_t)(step * recipe->batch), recipe->micro_batch, err);
    while (!st && step < recipe->stop_at) {
        for (int i = 0; !st && i < recipe->batch; i += recipe->micro_batch)
            st = micro_step(r, (uint64_t)(step * recipe->batch + i), sums, terms, err);
        if (st) break;
        double norm;
        ti_params_step(&r->model->params, recipe, step++, &norm);
        norms += norm;
        tokens += (double)recipe->batch * side * side;
        if (step % recipe->log_every == 0) {
            const double n = (double)(step - logged);
            /* values span 2, so a mean square of 4 is 0 dB; a lesson's pixels count by weight */
            double row[] = {-10 * log10(sums[L2] / n / 4),
                            sums[L1] / n,
                            sums[GRADIENT] / n,
                            sums[COMMITMENT] / n,
                            sums[CERTAINTY] / n,
                            sums[DIVERSITY] / n,
                            norms / n};
            st = ti_journal_write(&journal, step, row, tokens, err);
            memset(sums, 0, sizeof sums);
            norms = 0;
            logged = step;
        }
        if (!st && (step % recipe->save_every == 0 || step == recipe->stop_at))
            st = save(r, step, &journal, err);
    }
    r->device->op->release(r->device, terms);
    return st;
}

/* Random weights, or another run's averages with its encoder frozen. */
static te_status begin(run *r, te_error *err)
{
    char path[512];
    ti_magvit_init(r->model, r->recipe.seed, r->pixels);
    if (!*r->decoder_of) return TE_OK;
    ti_magvit_still(r->model, r->pixels); /* blocks that it did not have begin as identities */
    snprintf(path, sizeof path, "%s.safetensors", r->decoder_of);
    te_status st = ti_params_start(&r->model->params, path, "decoder.up.", err);
    if (st) return st;
    ti_magvit_freeze_encoder(r->model);
    r->first_node = r->model->encoder_nodes;
    return TE_OK;
}

/* What a decoder's lessons are kept in. */
static te_status make_room(run *r, te_error *err)
{
    const size_t n = (size_t)r->recipe.micro_batch, pixels = n * (size_t)r->size * (size_t)r->size;
    const size_t tokens = n * (size_t)side_of(r) * (size_t)side_of(r);
    const size_t values = tokens * (size_t)r->network.bits;
    r->before = ti_malloc_array(pixels, 3);
    r->copied = ti_malloc_array(tokens, 1);
    r->weight = ti_malloc_array(pixels, sizeof *r->weight);
    r->latents = ti_malloc_array(values, sizeof *r->latents);
    r->kept = ti_malloc_array(values, sizeof *r->kept);
    if (!r->before || !r->copied || !r->weight || !r->latents || !r->kept)
        return ti_fail_memory(err, "pictures", pixels * 7);
    return r->device->op->alloc(r->device, pixels * sizeof *r->weight, &r->weight_there, err);
}

static te_status prepare(run *r, const json_t *config, bool resume, int64_t *step, te_error *err)
{
    int64_t size = 0;
    ti_lfq_shape lfq = {0};
    const char *precision = "bf16";
    te_status st = ti_recipe_read(&r->recipe, config, err);
    if (!st) st = ti_config_text(config, "out", NULL, &r->out, err);
    if (!st) st = ti_config_text(config, "decoder_of", "", &r->decoder_of, err);
    if (!st) st = ti_config_int(config, "size", 16, 768, 128, &size, err);
    r->size = (int)size;
    if (!st) st = ti_config_text(config, "precision", "bf16", &precision, err);
    if (!st && strcmp(precision, "bf16") && strcmp(precision, "f32"))
        st = ti_fail(err, TE_INVALID, "configuration: \"precision\" must be bf16 or f32");
    if (!st) st = ti_magvit_config_read(&r->network, json_object_get(config, "network"), err);
    if (!st) st = read_loss(r, config, &lfq, err);
    if (!st) st = ti_train_device_create(&r->device, r->recipe.device, r->recipe.threads, err);
    if (!st)
        st = ti_magvit_create(&r->model, r->device, &r->network, r->size, r->recipe.micro_batch,
                              err);
    if (st) return st;
    r->model->net.lfq = lfq;
    r->model->net.bf16 = !strcmp(precision, "bf16");
    const size_t values = (size_t)r->recipe.micro_batch * (size_t)size * (size_t)size * 3;
    const size_t room = values > r->model->params.floats ? values : r->model->params.floats;
    r->bytes = ti_malloc_array(values, 1);
    r->pixels = ti_malloc_array(room, sizeof *r->pixels);
    if (!r->bytes || !r->pixels) return ti_fail_memory(err, "pictures", room * sizeof *r->pixels);
    if (*r->decoder_of) st = make_room(r, err);
    if (!st) st = begin(r, err);
    if (st || !resume) return st;
    char path[512];
    snprintf(path, sizeof path, "%s.safetensors", r->out);
    return ti_params_load(&r->model->params, step, path, err);
}

te_status ti_command_image_tokens(const char *path, bool resume, te_error *err)
{
    run r = {0};
    int64_t step = 0;
    json_t *config = NULL;
    te_status st = ti_config_load(&config, path, err);
    if (!st) st = prepare(&r, config, resume, &step, err);
    if (!st) {
        fprintf(stderr, "image tokeniser: %zu parameters on %s\n", r.model->params.floats,
                r.device->description);
        st = train(&r, step, err);
    }
    if (r.device) r.device->op->release(r.device, r.weight_there);
    free(r.bytes);
    free(r.pixels);
    free(r.before);
    free(r.copied);
    free(r.weight);
    free(r.latents);
    free(r.kept);
    ti_magvit_free(r.model);
    ti_train_device_free(r.device);
    json_decref(config);
    return st;
}

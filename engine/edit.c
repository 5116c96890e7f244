/* edit.c - one job from pixels and words to pixels and words: tokens in, the joint denoiser, tokens
 * out.
 *
 * A job holds its model's lock from beginning to end. Everything that can be refused is refused
 * before the first expensive step: options, the picture, the length of the instruction, memory. */
#include "api.h"
#include "vision/geometry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_PROMPT_BYTES 100000

typedef struct task {
    te_model *model;
    const te_image *picture; /* NULL: a generation */
    const te_region *region; /* NULL: everything may change */
    const char *prompt;
    const te_callbacks *calls; /* never NULL */
    te_result *result;
    te_options options; /* resolved */
    ti_frame frame;
    int grid_h, grid_w;
    ti_sequence *sequence;
    int32_t *pinned; /* [n_image] or NULL */
    int32_t *codes;  /* [n_image] for previews */
    te_image preview;
    int image_steps; /* seen so far */
    double began, denoising, last_decode;
} task;

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void tell_stage(const task *t, const char *stage)
{
    te_progress p = {.seconds = now_seconds() - t->began,
                     .seconds_left = -1,
                     .stage = stage,
                     .masked_text = t->options.text_len,
                     .masked_image = t->grid_h * t->grid_w};
    if (t->calls->progress) t->calls->progress(&p, t->calls->user);
}

/* ---- before: what the job is, and whether it can be done --------------------------------- */

static te_status check_parts(const te_model *m, bool edit, te_error *err)
{
    const char *path = ti_gguf_path(m->file);
    if (!m->backbone)
        return ti_fail(err, TE_UNSUPPORTED, "%s has no backbone; edit with a whole model", path);
    if (!m->words)
        return ti_fail(err, TE_UNSUPPORTED, "%s has no text tokeniser; convert it with --tokenizer",
                       path);
    if (!m->pictures)
        return ti_fail(err, TE_UNSUPPORTED,
                       "%s has no image tokeniser; convert it with --image-tokenizer", path);
    if (!edit && m->layout.profile == TI_PROFILE_M && m->layout.generate_task < 0)
        return ti_fail(err, TE_UNSUPPORTED, "%s has no task token for generation; it can only edit",
                       path);
    return TE_OK;
}

static te_status check_prompt(const char *prompt, te_error *err)
{
    size_t n = prompt ? strlen(prompt) : 0;
    if (!n) return ti_fail(err, TE_INVALID, "the instruction is empty; say what is wanted");
    if (n > MAX_PROMPT_BYTES)
        return ti_fail(err, TE_INVALID, "the instruction has %zu bytes; shorten it", n);
    return TE_OK;
}

/* The grid of the picture to be made. */
static te_status choose_grid(task *t, int width, int height, te_error *err)
{
    const ti_layout *l = &t->model->layout;
    int patch = ti_image_tokenizer_patch(t->model->pictures);
    int whole_width = l->grid_w * patch, whole_height = l->grid_h * patch;
    if (!t->picture && !width && !height) {
        width = whole_width;
        height = whole_height;
    }
    if (width < 1 || height < 1 || width > 65535 || height > 65535)
        return ti_fail(err, TE_INVALID,
                       "a picture of %d x %d pixels cannot be made; give a size or 0 x 0", width,
                       height);
    if (l->profile == TI_PROFILE_A)
        t->frame = ti_frame_crop(width, height, l->grid_h, l->grid_w, patch);
    else
        t->frame = ti_frame_whole(width, height, whole_width, whole_height);
    if (!t->picture && (t->frame.out_width != width || t->frame.out_height != height))
        return ti_fail(err, TE_INVALID,
                       "this model makes no pictures of %d x %d pixels; take %d x %d", width,
                       height, t->frame.out_width, t->frame.out_height);
    t->grid_w = t->frame.out_width / patch;
    t->grid_h = t->frame.out_height / patch;
    return TE_OK;
}

static uint64_t memory_needed(const te_model *m, const te_options *opt, int length, int grid_h,
                              int grid_w)
{
    int patch = ti_image_tokenizer_patch(m->pictures);
    int height = grid_h * patch, width = grid_w * patch;
    uint64_t denoise = ti_denoise_bytes(m->backbone, &m->layout, opt, length, grid_h * grid_w);
    uint64_t pixels = (uint64_t)height * (uint64_t)width * 3;
    uint64_t picture =
        ti_image_tokenizer_memory(m->pictures, height, width) + pixels * sizeof(float);
    return (denoise > picture ? denoise : picture) + 3 * pixels;
}

/* BYTES in the unit that leaves a figure to read. */
static const char *amount_text(char text[24], uint64_t bytes)
{
    snprintf(text, 24, bytes < 1000000000 ? "%.1f MB" : "%.1f GB",
             (double)bytes / (bytes < 1000000000 ? 1e6 : 1e9));
    return text;
}

static te_status check_memory(const task *t, int length, te_error *err)
{
    ti_backend *be = t->model->backend;
    uint64_t need = memory_needed(t->model, &t->options, length, t->grid_h, t->grid_w);
    uint64_t have = be->op->memory_free(be);
    if (need <= have) return TE_OK;
    char needed[24], free_now[24];
    bool guided = t->options.text_cfg != 0 || t->options.text_block == 0;
    return ti_fail(err, TE_NOMEM,
                   "this edit needs %s of memory beside the weights and %s are free; %s",
                   amount_text(needed, need), amount_text(free_now, have),
                   guided ? "close other programs, or set text-cfg to 0 and text-block to 64"
                          : "close other programs or take a smaller model");
}

/* ---- in: pixels and words to tokens ------------------------------------------------------ */

static te_status read_picture(task *t, te_error *err)
{
    te_model *m = t->model;
    te_result *r = t->result;
    size_t n = (size_t)t->grid_h * (size_t)t->grid_w;
    size_t values = (size_t)t->frame.out_width * (size_t)t->frame.out_height * 3;
    tell_stage(t, "reading the picture");
    float *rgb = ti_malloc_array(values, sizeof *rgb);
    r->input_codes = ti_malloc_array(n, sizeof *r->input_codes);
    te_status st = TE_OK;
    if (!rgb || !r->input_codes) st = ti_fail_memory(err, "the picture", values * sizeof *rgb);
    double begin = now_seconds();
    if (!st) st = ti_picture_read(t->picture, &t->frame, rgb, err);
    if (!st)
        st = ti_image_tokenizer_encode(m->pictures, rgb, t->frame.out_height, t->frame.out_width,
                                       r->input_codes, t->calls->cancel, err);
    double between = now_seconds();
    r->work.seconds_encode = between - begin;
    free(rgb);
    if (!st)
        st = ti_draw_codes(&r->input, m, r->input_codes, t->grid_h, t->grid_w, t->calls->cancel,
                           err);
    t->last_decode = now_seconds() - between;
    r->work.seconds_decode += t->last_decode;
    return st;
}

/* Which tokens may not change. */
static te_status pin_outside(task *t, te_error *err)
{
    if (!t->region || !t->region->mask) return TE_OK;
    int n = t->grid_h * t->grid_w;
    uint8_t *inside = ti_malloc_array((size_t)n, 1);
    t->pinned = ti_malloc_array((size_t)n, sizeof *t->pinned);
    if (!inside || !t->pinned) {
        free(inside);
        return ti_fail_memory(err, "the region", (size_t)n * sizeof *t->pinned);
    }
    ti_mask_to_tokens(t->region->mask, t->picture->width, t->picture->height, &t->frame, t->grid_h,
                      t->grid_w, inside);
    for (int i = 0; i < n; i++) t->pinned[i] = inside[i] ? -1 : t->result->input_codes[i];
    free(inside);
    return TE_OK;
}

typedef struct words {
    int32_t *ids, *bare;
    int n_ids, n_bare;
} words;

static ti_sequence_input sequence_input(const task *t, const words *w, const int32_t *codes)
{
    return (ti_sequence_input){.layout = &t->model->layout,
                               .instruction = w->ids,
                               .n_instruction = w->n_ids,
                               .bare = w->bare,
                               .n_bare = w->n_bare,
                               .codes = codes,
                               .grid_h = t->grid_h,
                               .grid_w = t->grid_w,
                               .text_len = t->options.text_len};
}

static te_status check_length(const task *t, const words *w, te_error *err)
{
    static const int32_t some_codes[1];
    ti_sequence_input in = sequence_input(t, w, t->picture ? some_codes : NULL);
    int length = ti_sequence_length(&in), most = t->model->backbone->config.context;
    if (length > most && w->n_ids < length - most)
        return ti_fail(
            err, TE_INVALID,
            "text-len %d leaves no room for an instruction in the model's %d tokens; lower it",
            t->options.text_len, most);
    if (length > most)
        return ti_fail(err, TE_INVALID, "the instruction has %d tokens, at most %d fit; shorten it",
                       w->n_ids, w->n_ids - (length - most));
    return check_memory(t, length, err);
}

static te_status prepare(task *t, te_error *err)
{
    te_model *m = t->model;
    words w;
    te_status st = ti_prompt_encode(m->words, &m->layout, t->prompt, t->picture != NULL, &w.ids,
                                    &w.n_ids, &w.bare, &w.n_bare, err);
    if (st) return st;
    st = check_length(t, &w, err);
    if (!st && t->picture) st = read_picture(t, err);
    if (!st && t->picture) st = pin_outside(t, err);
    if (!st) {
        ti_sequence_input in = sequence_input(t, &w, t->result->input_codes);
        st = ti_sequence_create(&t->sequence, &in, err);
    }
    free(w.ids);
    free(w.bare);
    return st;
}

/* ---- while it runs ----------------------------------------------------------------------- */

static te_status draw_preview(task *t, const ti_denoise_state *state, te_error *err)
{
    int n = t->grid_h * t->grid_w;
    double begin = now_seconds();
    free(t->preview.pixels);
    ti_codes_of_ids(t->codes, state->image, t->result->input_codes, n, &t->model->layout);
    te_status st =
        ti_draw_codes(&t->preview, t->model, t->codes, t->grid_h, t->grid_w, t->calls->cancel, err);
    t->last_decode = now_seconds() - begin;
    t->result->work.seconds_decode += t->last_decode;
    return st;
}

static te_status on_step(void *user, const ti_denoise_state *state, te_error *err)
{
    task *t = user;
    te_result *r = t->result;
    int n_text = t->sequence->text_count, every = t->calls->preview_every;
    const int32_t *before = state->step > 1 ? state->text - n_text : NULL;
    ti_reading *reading = &r->readings[state->step - 1];
    te_status st = ti_reading_render(reading, t->model->words, &t->model->layout, state->text,
                                     before, n_text, state->step == state->steps, err);
    if (st || !t->calls->progress) return st;
    bool draw = false;
    if (state->image_changed && every > 0) draw = ++t->image_steps % every == 0;
    if (draw) st = draw_preview(t, state, err);
    if (st) return st;
    double now = now_seconds(), spent = now - t->denoising;
    double left = state->cost_done > 0 ? spent * state->cost_left / state->cost_done : -1;
    te_progress p = {.step = state->step,
                     .steps = state->steps,
                     .seconds = now - t->began,
                     .seconds_left = left < 0 ? -1 : left + t->last_decode,
                     .stage = "denoising",
                     .text = state->text_changed ? reading->text : NULL,
                     .masked_text = state->masked_text,
                     .masked_image = state->masked_image,
                     .preview = draw ? &t->preview : NULL};
    t->calls->progress(&p, t->calls->user);
    return TE_OK;
}

static te_status denoise(task *t, te_error *err)
{
    te_result *r = t->result;
    int n = t->grid_h * t->grid_w;
    size_t steps = (size_t)t->options.text_steps;
    if (t->options.strategy == TE_SEQUENTIAL) steps += (size_t)t->options.image_steps;
    ti_reading *readings = ti_calloc(steps, sizeof *readings);
    t->codes = ti_malloc_array((size_t)n, sizeof *t->codes);
    r->readings = readings;
    if (!readings || !t->codes) return ti_fail_memory(err, "the record", steps * sizeof *readings);
    t->denoising = now_seconds();
    te_status st = ti_denoise(&(ti_denoise_job){.backbone = t->model->backbone,
                                                .sequence = t->sequence,
                                                .options = &t->options,
                                                .pinned = t->pinned,
                                                .cancel = t->calls->cancel,
                                                .progress = on_step,
                                                .user = t},
                              &r->trajectory, err);
    /* te_result_free() counts readings by the trajectory; without one they are freed here. */
    for (size_t i = 0; st && i < steps; i++) ti_reading_clear(&readings[i]);
    return st;
}

/* ---- out: tokens to pixels --------------------------------------------------------------- */

static te_status finish(task *t, te_error *err)
{
    te_result *r = t->result;
    ti_trajectory *d = r->trajectory;
    double begin = now_seconds();
    tell_stage(t, "drawing the picture");
    te_status st =
        ti_draw_codes(&r->image, t->model, d->codes, d->grid_h, d->grid_w, t->calls->cancel, err);
    if (st) return st;
    te_work *w = &r->work;
    double encode = w->seconds_encode, decode = w->seconds_decode;
    *w = d->work;
    w->seconds_encode = encode;
    w->seconds_decode = decode + now_seconds() - begin;
    w->seconds_total = now_seconds() - t->began;
    r->options = t->options;
    if (!r->input_codes) return TE_OK;
    r->change = ti_malloc_array((size_t)d->n_image, 1);
    if (!r->change) return ti_fail_memory(err, "the change map", (size_t)d->n_image);
    for (int i = 0; i < d->n_image; i++) r->change[i] = d->codes[i] != r->input_codes[i];
    return TE_OK;
}

static te_status run(task *t, int width, int height, te_error *err)
{
    te_status st = check_parts(t->model, t->picture != NULL, err);
    if (!st) st = check_prompt(t->prompt, err);
    if (!st) st = te_options_resolve(&t->options, t->model, !t->picture, err);
    if (!st && t->picture) st = ti_picture_check(t->picture, err);
    if (!st) st = choose_grid(t, width, height, err);
    if (!st) st = prepare(t, err);
    if (!st) {
        tell_stage(t, "denoising");
        st = denoise(t, err);
    }
    if (!st) st = finish(t, err);
    return st;
}

/* Waits for the running job, unless this one is cancelled meanwhile. */
static te_status lock_model(const task *t, te_error *err)
{
    pthread_mutex_t *lock = &t->model->lock;
    if (!t->calls->cancel) {
        pthread_mutex_lock(lock);
        return TE_OK;
    }
    for (;;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (!pthread_mutex_timedlock(lock, &until)) return TE_OK;
        if (*t->calls->cancel) return ti_fail(err, TE_CANCELLED, "cancelled");
    }
}

/* The job from beginning to end, its result in T. */
static te_status attempt(task *t, int width, int height, te_error *err)
{
    t->result = ti_calloc(1, sizeof *t->result);
    if (!t->result) return ti_fail_memory(err, "the result", sizeof *t->result);
    t->image_steps = 0;
    t->model->running = true;
    te_status st = run(t, width, height, err);
    t->model->running = false;
    ti_sequence_free(t->sequence);
    free(t->pinned);
    free(t->codes);
    free(t->preview.pixels);
    t->sequence = NULL;
    t->pinned = t->codes = NULL;
    t->preview.pixels = NULL;
    if (st) {
        te_result_free(t->result);
        t->result = NULL;
    }
    return st;
}

/* A card that gives up hands the job to the CPU, which begins it anew with the same options and
 * seed. */
static te_status run_locked(task *t, const te_options *opt, int width, int height, te_result **out,
                            te_error *err)
{
    static const te_callbacks nobody;
    te_error why;
    *out = NULL;
    if (!t->calls) t->calls = &nobody;
    if (opt)
        t->options = *opt;
    else
        te_options_init(&t->options);
    t->began = now_seconds();
    te_status st = lock_model(t, &why);
    if (!st) {
        st = attempt(t, width, height, &why);
        if (ti_model_retreat(t->model, st, &why)) {
            tell_stage(t, t->model->note);
            st = attempt(t, width, height, &why);
        }
        pthread_mutex_unlock(&t->model->lock);
    }
    *out = t->result;
    return st ? ti_fail(err, st, "%s", why.message) : TE_OK;
}

te_status te_edit_region(te_model *model, const te_image *picture, const te_region *region,
                         const char *instruction, const te_options *opt, const te_callbacks *calls,
                         te_result **out, te_error *err)
{
    *out = NULL;
    if (!picture) return ti_fail(err, TE_INVALID, "there is no picture to edit; give one");
    task t = {.model = model,
              .picture = picture,
              .region = region,
              .prompt = instruction,
              .calls = calls};
    return run_locked(&t, opt, picture->width, picture->height, out, err);
}

te_status te_edit(te_model *model, const te_image *picture, const char *instruction,
                  const te_options *opt, const te_callbacks *calls, te_result **out, te_error *err)
{
    return te_edit_region(model, picture, NULL, instruction, opt, calls, out, err);
}

te_status te_generate(te_model *model, const char *prompt, int width, int height,
                      const te_options *opt, const te_callbacks *calls, te_result **out,
                      te_error *err)
{
    task t = {.model = model, .prompt = prompt, .calls = calls};
    return run_locked(&t, opt, width, height, out, err);
}

/* ---- questions about a job that is not yet one ------------------------------------------- */

#define USUAL_INSTRUCTION 64 /* tokens */

uint64_t te_model_memory_needed(const te_model *model, const te_options *opt)
{
    const ti_layout *l = &model->layout;
    te_options resolved = opt ? *opt : model->defaults;
    if (check_parts(model, true, NULL) || te_options_resolve(&resolved, model, false, NULL))
        return 0;
    static const int32_t some_codes[1];
    ti_sequence_input in = {.layout = l,
                            .n_instruction = USUAL_INSTRUCTION,
                            .codes = some_codes,
                            .grid_h = l->grid_h,
                            .grid_w = l->grid_w,
                            .text_len = resolved.text_len};
    return memory_needed(model, &resolved, ti_sequence_length(&in), l->grid_h, l->grid_w);
}

void te_model_working_size(const te_model *model, int width, int height, int *work_width,
                           int *work_height)
{
    const ti_layout *l = &model->layout;
    int patch = model->info.patch;
    *work_width = model->info.width;
    *work_height = model->info.height;
    if (l->profile != TI_PROFILE_A || !patch || width < 1 || height < 1) return;
    ti_frame frame = ti_frame_crop(width, height, l->grid_h, l->grid_w, patch);
    *work_width = frame.out_width;
    *work_height = frame.out_height;
}

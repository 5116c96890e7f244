/* job.c - see job.h. A picture of any size goes down to the model's, the edit comes back up to it.
 */
#include "cli/job.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- engine ------------------------------------------------------------------------------ */

/* Why the model does not run where it might. */
static void tell_note(const ti_engine *engine)
{
    te_model_info info;
    te_model_get_info(engine->model, &info);
    if (info.note) ti_note("%s", info.note);
}

te_status ti_engine_open(ti_engine *engine, te_error *err)
{
    gegl_init(NULL, NULL);
    if (engine->server) return ti_remote_open(engine, err);
    te_status st = te_model_open(&engine->model, engine->model_path, &engine->with, err);
    if (!st) tell_note(engine);
    return st;
}

void ti_engine_close(ti_engine *engine)
{
    if (engine->client) ti_remote_close(engine);
    te_model_free(engine->model);
    engine->model = NULL;
    gegl_exit();
}

void ti_outcome_clear(ti_outcome *outcome)
{
    g_free(outcome->reasoning);
    g_free(outcome->model);
    g_free(outcome->hash);
    *outcome = (ti_outcome){0};
}

void ti_answer_clear(ti_answer *answer)
{
    ti_picture_image_free(answer->input);
    ti_picture_image_free(answer->edited);
    g_free(answer->change);
    g_free(answer->reasoning);
    g_free(answer->model);
    g_free(answer->hash);
    *answer = (ti_answer){0};
}

char *ti_outcome_json(const ti_outcome *o, const ti_job *job)
{
    char *output = ti_json_quote(job->output), *reasoning = ti_json_quote(o->reasoning);
    char *model = ti_json_quote(o->model), *hash = ti_json_quote(o->hash);
    char *text = g_strdup_printf(
        "{\"output\": %s, \"width\": %d, \"height\": %d, \"seed\": %" G_GINT64_FORMAT
        ", \"tokens\": %d, \"changed\": %d, \"seconds\": %.3f, \"model\": %s, "
        "\"hash\": %s, \"reasoning\": %s}",
        output, o->width, o->height, o->seed, o->tokens, o->changed, o->seconds, model, hash,
        reasoning);
    g_free(output);
    g_free(reasoning);
    g_free(model);
    g_free(hash);
    return text;
}

/* ---- what may change --------------------------------------------------------------------- */

bool ti_parse_region(const char *text, GeglRectangle *out)
{
    gint64 v[4];
    const char *p = text;
    for (int i = 0; i < 4; i++) {
        char *end;
        v[i] = g_ascii_strtoll(p, &end, 10);
        if (end == p || v[i] < (i < 2 ? 0 : 1) || v[i] > 65535 || *end != (i < 3 ? ',' : '\0'))
            return false;
        p = end + 1;
    }
    *out = *GEGL_RECTANGLE((int)v[0], (int)v[1], (int)v[2], (int)v[3]);
    return true;
}

static te_status region_mask(const ti_job *job, const GeglRectangle *whole, GeglBuffer **out,
                             te_error *err)
{
    GeglRectangle region, inside;
    if (!ti_parse_region(job->region, &region))
        return ti_error(err, TE_INVALID, "the region '%.60s' is none; give x,y,w,h in pixels",
                        job->region);
    if (!gegl_rectangle_intersect(&inside, &region, whole))
        return ti_error(err, TE_INVALID, "the region %s lies outside %s, which has %d x %d pixels",
                        job->region, job->image, whole->width, whole->height);
    *out = gegl_buffer_new(whole, babl_format("Y u8"));
    GeglColor *white = gegl_color_new("white");
    gegl_buffer_set_color(*out, &inside, white);
    g_object_unref(white);
    return TE_OK;
}

/* The values of a mask file are taken as they are: half grey lets half of the edit through. */
static te_status file_mask(const ti_job *job, const GeglRectangle *whole, GeglBuffer **out,
                           te_error *err)
{
    GeglBuffer *file;
    te_status st = ti_picture_load(&file, job->mask, err);
    if (st) return st;
    const GeglRectangle *extent = gegl_buffer_get_extent(file);
    if (extent->width != whole->width || extent->height != whole->height) {
        st = ti_error(err, TE_INVALID,
                      "%s has %d x %d pixels and %s %d x %d; make the mask as large as the picture",
                      job->mask, extent->width, extent->height, job->image, whole->width,
                      whole->height);
        g_object_unref(file);
        return st;
    }
    *out = gegl_buffer_new(whole, babl_format("Y u8"));
    guint8 *row = g_new(guint8, (gsize)whole->width);
    for (int y = 0; y < whole->height; y++) {
        GeglRectangle line = {0, y, whole->width, 1};
        gegl_buffer_get(file, &line, 1.0, babl_format("Y' u8"), row, GEGL_AUTO_ROWSTRIDE,
                        GEGL_ABYSS_NONE);
        gegl_buffer_set(*out, &line, 0, babl_format("Y u8"), row, GEGL_AUTO_ROWSTRIDE);
    }
    g_free(row);
    g_object_unref(file);
    GeglRectangle bounds = ti_picture_mask_bounds(*out);
    if (bounds.width < 1)
        return ti_error(err, TE_INVALID, "%s is black all over; paint white what may change",
                        job->mask);
    return TE_OK;
}

/* ---- running here ------------------------------------------------------------------------ */

static void on_progress(const te_progress *p, void *user)
{
    ti_bar_draw(user, p->stage, p->step, p->steps, p->seconds, p->seconds_left);
}

/* The preset, if there is one, and what the job asks for on top of it. */
static te_status merge_options(const ti_engine *engine, const ti_job *job, te_options *out,
                               te_error *err)
{
    *out = job->options;
    if (!engine->preset) return TE_OK;
    te_status st = te_options_preset(out, engine->model, engine->preset, err);
    size_t n;
    const te_option_info *rows = te_option_table(&n);
    for (size_t i = 0; !st && i < n; i++) {
        char value[64];
        st = te_options_get(&job->options, rows[i].name, value, sizeof value, err);
        if (!st && strcmp(value, "default")) st = te_options_set(out, rows[i].name, value, err);
    }
    return st;
}

static te_image *copy_image(const te_image *image)
{
    if (!image) return NULL;
    te_image *copy = g_memdup2(image, sizeof *image);
    copy->pixels = g_memdup2(image->pixels, image->stride * (size_t)image->height);
    return copy;
}

static void take_result(const ti_engine *engine, const te_result *result, ti_answer *out)
{
    te_model_info info;
    te_model_get_info(engine->model, &info);
    out->input = copy_image(te_result_input(result));
    out->edited = copy_image(te_result_image(result));
    const uint8_t *change = te_result_change(result, &out->grid_width, &out->grid_height);
    if (change) out->change = g_memdup2(change, (gsize)out->grid_width * (gsize)out->grid_height);
    out->reasoning = g_strdup(te_result_reasoning(result));
    out->seed = te_result_seed(result);
    out->model = g_strdup(info.name);
    out->hash = g_strdup(info.hash);
}

static te_status run_here(const ti_engine *engine, const ti_job *job, const te_image *picture,
                          const uint8_t *mask, ti_bar *bar, ti_answer *answer, ti_outcome *out,
                          te_error *err)
{
    te_callbacks calls = {.progress = on_progress, .user = bar, .cancel = ti_cancel_flag()};
    te_region region = {.mask = mask};
    te_result *result = NULL;
    te_options options;
    te_model_info before, after;
    te_status st = merge_options(engine, job, &options, err);
    if (st) return st;
    te_model_get_info(engine->model, &before);
    if (picture)
        st = te_edit_region(engine->model, picture, mask ? &region : NULL, job->instruction,
                            &options, &calls, &result, err);
    else
        st = te_generate(engine->model, job->instruction, job->width, job->height, &options, &calls,
                         &result, err);
    te_model_get_info(engine->model, &after);
    if (after.device != before.device) tell_note(engine);
    if (!st && job->trajectory) st = te_result_write_trajectory(result, job->trajectory, err);
    if (!st) {
        take_result(engine, result, answer);
        out->has_work = true;
        out->work = *te_result_work(result);
    }
    te_result_free(result);
    return st;
}

/* ---- the job ----------------------------------------------------------------------------- */

typedef struct files {
    GeglBuffer *original, *selection, *result;
    GeglRectangle area; /* of the original, as the model sees it */
    te_image *small;
    uint8_t *small_mask;
    ti_answer answer;
} files;

static te_status prepare(const ti_job *job, const ti_engine *engine, files *f, te_error *err)
{
    if (!*job->instruction)
        return ti_error(err, TE_INVALID, "the instruction is empty; say what is wanted");
    te_status st = ti_picture_check_target(job->output, err);
    if (st || !job->image) return st;
    st = ti_picture_load(&f->original, job->image, err);
    if (st) return st;
    f->area = *gegl_buffer_get_extent(f->original);
    if (job->region)
        st = region_mask(job, &f->area, &f->selection, err);
    else if (job->mask)
        st = file_mask(job, &f->area, &f->selection, err);
    if (!st && f->selection) {
        GeglRectangle bounds = ti_picture_mask_bounds(f->selection);
        f->area = ti_picture_context(&bounds, &f->area);
    }
    int w = 0, h = 0;
    if (!st && engine->client)
        st = ti_remote_size(engine, f->area.width, f->area.height, &w, &h, err);
    else if (!st)
        te_model_working_size(engine->model, f->area.width, f->area.height, &w, &h);
    if (!st && (w < 1 || h < 1))
        st = ti_error(err, TE_UNSUPPORTED,
                      "this model edits no pictures; choose one with an image tokeniser");
    if (!st) st = ti_picture_sample(&f->small, f->original, &f->area, w, h, err);
    if (!st && f->selection)
        st = ti_picture_sample_mask(&f->small_mask, f->selection, &f->area, w, h, err);
    return st;
}

/* The full-size result in f->result. */
static te_status finish(const ti_job *job, files *f, te_error *err)
{
    const ti_answer *a = &f->answer;
    if (!f->original || job->model_size) {
        f->result = ti_picture_to_buffer(a->edited);
        return TE_OK;
    }
    ti_carry carry = {.original = f->original,
                      .area = &f->area,
                      .input = a->input,
                      .edited = a->edited,
                      .change = a->change,
                      .grid_width = a->grid_width,
                      .grid_height = a->grid_height,
                      .selection = f->selection,
                      .cancel = ti_cancel_flag()};
    if (ti_picture_has_colour(a->edited))
        carry.format = ti_picture_colour_format(gegl_buffer_get_format(f->original));
    return ti_picture_carry(&carry, &f->result, NULL, err);
}

static void describe(const files *f, double seconds, ti_outcome *out)
{
    const ti_answer *a = &f->answer;
    out->reasoning = g_strdup(a->reasoning);
    out->model = g_strdup(a->model);
    out->hash = g_strdup(a->hash);
    out->seed = a->seed;
    out->width = gegl_buffer_get_width(f->result);
    out->height = gegl_buffer_get_height(f->result);
    out->tokens = a->grid_width * a->grid_height;
    for (int i = 0; a->change && i < out->tokens; i++) out->changed += a->change[i];
    out->seconds = seconds;
}

static void hold(const ti_engine *engine, bool on)
{
    if (engine->pictures && on) g_mutex_lock(engine->pictures);
    if (engine->pictures && !on) g_mutex_unlock(engine->pictures);
}

te_status ti_job_run(const ti_job *job, const ti_engine *engine, ti_outcome *out, te_error *err)
{
    files f = {0};
    ti_bar bar;
    GTimer *timer = g_timer_new();
    *out = (ti_outcome){0};
    ti_bar_init(&bar, engine->quiet);
    hold(engine, true);
    te_status st = prepare(job, engine, &f, err);
    hold(engine, false);
    if (!st && engine->client)
        st = ti_remote_run(engine, job, f.small, f.small_mask, &bar, &f.answer, err);
    else if (!st)
        st = run_here(engine, job, f.small, f.small_mask, &bar, &f.answer, out, err);
    hold(engine, true);
    if (!st) {
        ti_bar_draw(&bar, "drawing the result", 0, 0, g_timer_elapsed(timer, NULL), -1);
        st = finish(job, &f, err);
    }
    if (!st) st = ti_picture_save(f.result, job->output, err);
    if (!st && job->reasoning) {
        char *text = g_strconcat(f.answer.reasoning, "\n", NULL);
        st = ti_write_text(job->reasoning, text, err);
        g_free(text);
    }
    ti_bar_clear(&bar);
    if (!st) describe(&f, g_timer_elapsed(timer, NULL), out);
    g_timer_destroy(timer);
    g_clear_object(&f.original);
    g_clear_object(&f.selection);
    g_clear_object(&f.result);
    ti_picture_image_free(f.small);
    g_free(f.small_mask);
    ti_answer_clear(&f.answer);
    hold(engine, false);
    return st;
}

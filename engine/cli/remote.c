/* remote.c - the part of a job that a server does (engine/client, engine/server/API.md). */
#include "client/client.h"
#include "cli/job.h"

#include <string.h>

te_status ti_remote_open(ti_engine *engine, te_error *err)
{
    GError *error = NULL;
    char *token = NULL;
    if (engine->token_file && !g_file_get_contents(engine->token_file, &token, NULL, &error)) {
        te_status st = ti_error(err, TE_IO, "%s: the token cannot be read: %s", engine->token_file,
                                error->message);
        g_error_free(error);
        return st;
    }
    if (token) {
        token[strcspn(token, "\r\n")] = '\0';
        g_strstrip(token);
    }
    bool own = !strcmp(engine->server, "own");
    engine->client = ti_client_new(own ? NULL : engine->server, token, &error);
    g_free(token);
    if (engine->client) return TE_OK;
    te_status st = ti_error(err, TE_INVALID, "%s", error->message);
    g_error_free(error);
    return st;
}

void ti_remote_close(ti_engine *engine)
{
    ti_client_free(engine->client);
    engine->client = NULL;
}

static te_status take_error(GError *error, te_error *err)
{
    bool cancelled = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    te_status st = ti_error(err, cancelled ? TE_CANCELLED : TE_IO, "%s", error->message);
    g_error_free(error);
    return st;
}

te_status ti_remote_size(const ti_engine *engine, int width, int height, int *work_width,
                         int *work_height, te_error *err)
{
    GError *error = NULL;
    if (ti_client_size(engine->client, width, height, work_width, work_height, &error))
        return TE_OK;
    return take_error(error, err);
}

/* What the job asks for, as the server reads it. */
static char *options_text(const ti_engine *engine, const ti_job *job)
{
    GString *text = g_string_new(NULL);
    size_t n;
    const te_option_info *rows = te_option_table(&n);
    if (engine->preset) g_string_append_printf(text, "preset=%s ", engine->preset);
    for (size_t i = 0; i < n; i++) {
        char value[64];
        if (!te_options_get(&job->options, rows[i].name, value, sizeof value, NULL) &&
            strcmp(value, "default"))
            g_string_append_printf(text, "%s=%s ", rows[i].name, value);
    }
    return g_string_free(text, FALSE);
}

typedef struct watch {
    ti_bar *bar;
    GCancellable *cancel;
} watch;

static void on_event(const ti_client_event *event, void *user)
{
    watch *w = user;
    if (event->kind == TI_CLIENT_QUEUED) {
        char stage[64];
        g_snprintf(stage, sizeof stage, "waiting, %d before it", event->position);
        ti_bar_draw(w->bar, stage, 0, 0, 0, -1);
    } else if (event->kind == TI_CLIENT_PROGRESS) {
        ti_bar_draw(w->bar, event->stage ? event->stage : "denoising", event->step, event->steps,
                    event->seconds, event->seconds_left);
    }
}

static gboolean look_for_cancel(gpointer user)
{
    watch *w = user;
    if (*ti_cancel_flag()) g_cancellable_cancel(w->cancel);
    return G_SOURCE_CONTINUE;
}

typedef struct fetched {
    GMainLoop *loop;
    GBytes *bytes;
    GError *error;
} fetched;

static void on_fetched(GObject *source, GAsyncResult *result, gpointer user)
{
    fetched *f = user;
    (void)source;
    f->bytes = ti_client_get_finish(result, &f->error);
    g_main_loop_quit(f->loop);
}

static te_status save_trajectory(const ti_engine *engine, const char *id, const char *path,
                                 te_error *err)
{
    fetched f = {.loop = g_main_loop_new(NULL, FALSE)};
    char *from = g_strdup_printf("/v1/jobs/%s/trajectory", id);
    ti_client_get(engine->client, from, NULL, on_fetched, &f);
    g_main_loop_run(f.loop);
    g_main_loop_unref(f.loop);
    g_free(from);
    if (!f.bytes) return take_error(f.error, err);
    gsize n;
    const char *bytes = g_bytes_get_data(f.bytes, &n);
    char *text = g_strndup(bytes, n);
    te_status st = ti_write_text(path, text, err);
    g_free(text);
    g_bytes_unref(f.bytes);
    return st;
}

static te_status take_answer(ti_client_result *r, ti_answer *out, te_error *err)
{
    te_status st = ti_picture_from_png(&out->edited, r->picture, err);
    if (!st && r->input) st = ti_picture_from_png(&out->input, r->input, err);
    out->grid_width = r->grid_width;
    out->grid_height = r->grid_height;
    out->change = g_steal_pointer(&r->change);
    out->reasoning = g_steal_pointer(&r->reasoning);
    out->model = g_steal_pointer(&r->model);
    out->hash = g_steal_pointer(&r->hash);
    out->seed = r->seed;
    return st;
}

te_status ti_remote_run(const ti_engine *engine, const ti_job *job, const te_image *picture,
                        const uint8_t *mask, ti_bar *bar, ti_answer *out, te_error *err)
{
    if (!picture && (job->width || job->height))
        return ti_error(
            err, TE_INVALID,
            "a server makes pictures of its model's own size; leave out --width and --height");
    char *options = options_text(engine, job);
    ti_client_request request = {.instruction = job->instruction, .options = options, .seed = -1};
    watch w = {bar, g_cancellable_new()};
    if (picture)
        request.image = ti_picture_to_png(picture->pixels, picture->width, picture->height, 3);
    if (mask) request.mask = ti_picture_to_png(mask, picture->width, picture->height, 1);
    guint timer = g_timeout_add(50, look_for_cancel, &w);
    GError *error = NULL;
    ti_client_result *r = ti_client_run(engine->client, &request, w.cancel, on_event, &w, &error);
    g_source_remove(timer);
    te_status st = r ? take_answer(r, out, err) : take_error(error, err);
    if (!st && job->trajectory) st = save_trajectory(engine, r->id, job->trajectory, err);
    ti_client_result_free(r);
    g_clear_pointer(&request.image, g_bytes_unref);
    g_clear_pointer(&request.mask, g_bytes_unref);
    g_object_unref(w.cancel);
    g_free(options);
    return st;
}

/* panel_edit.c - see panel_edit.h. In order: read the layer, ask for the model's size, draw the
 * layer at that size (thread), submit, hear, carry the result to full size (thread), put it into
 * the image; then the next variation of the same shot. */
#include "panel_edit.h"

#include "apply.h"
#include "host_panel.h"
#include "ui/i18n.h"

enum { PREVIEW_EVERY = 4, SHOWN_SIDE = 512 };

struct ti_panel_edit {
    ti_panel_edit_owner owner;
    char *instruction, *options;
    gint64 seed;
    ti_output output;
    int variation, variations;
    int image, layer;
    ti_shot *shot;
    GCancellable *cancel;
    ti_client_job *job; /* while one is under way */
    ti_client_result *result;
    ti_carried carried;
    volatile int cancelled;
    int work_width, work_height; /* the model's */
    int width, height;           /* of pictures in the panel */
};

/* ---- ending -------------------------------------------------------------------------------- */

void ti_panel_edit_free(ti_panel_edit *edit)
{
    ti_carried_clear(&edit->carried);
    ti_client_result_free(edit->result);
    ti_shot_free(edit->shot);
    g_object_unref(edit->cancel);
    g_free(edit->instruction);
    g_free(edit->options);
    g_free(edit);
}

static void end(ti_panel_edit *edit)
{
    edit->owner.ended(edit->owner.user, edit);
    ti_panel_edit_free(edit);
}

/* What happened in the person's language, and what the engine says of it, with its figures and
 * names; the caller frees it. */
static char *sentence(const GError *error)
{
    if (error->domain != TI_CLIENT_ERROR) return g_strdup(error->message);
    switch ((ti_client_error)error->code) {
    case TI_CLIENT_UNREACHABLE:
        return g_strdup_printf(_("The engine cannot be reached: %s"), error->message);
    case TI_CLIENT_NO_MEMORY:
        return g_strdup_printf(_("There is too little memory: %s"), error->message);
    case TI_CLIENT_REFUSED:
    case TI_CLIENT_FAILED:
        return g_strdup_printf(_("The edit failed: %s"), error->message);
    case TI_CLIENT_LOST:
        break;
    }
    return g_strdup(
        _("The engine stopped in the middle of the edit; nothing was changed: try again."));
}

/* Whatever it was, the person may have mended it before pressing Try again. */
static void fail(ti_panel_edit *edit, const GError *error)
{
    g_autofree char *message = sentence(error);
    if (!edit->cancelled && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        ti_panel_cancelled(edit->owner.panel);
    else if (!edit->cancelled)
        ti_panel_failed(edit->owner.panel, message, true);
    end(edit);
}

void ti_panel_edit_cancel(ti_panel_edit *edit)
{
    if (edit->cancelled) return;
    edit->cancelled = 1;
    g_cancellable_cancel(edit->cancel);
    if (edit->job) ti_client_job_cancel(edit->job);
    ti_panel_cancelled(edit->owner.panel);
}

/* ---- applying ------------------------------------------------------------------------------ */

static void submit(ti_panel_edit *edit);

GdkPixbuf *ti_panel_picture(GBytes *png, int width, int height)
{
    g_autoptr(GInputStream) stream = g_memory_input_stream_new_from_bytes(png);
    g_autoptr(GdkPixbuf) pixels = gdk_pixbuf_new_from_stream(stream, NULL, NULL);
    return pixels ? gdk_pixbuf_scale_simple(pixels, width, height, GDK_INTERP_BILINEAR) : NULL;
}

static void say_where_it_went(ti_panel_edit *edit, bool image, bool layer)
{
    if (!image && edit->output != TI_NEW_IMAGE)
        ti_panel_notice(edit->owner.panel,
                        _("The image was closed meanwhile: the result opened as a new image."));
    else if (image && !layer && edit->output != TI_NEW_IMAGE)
        ti_panel_notice(edit->owner.panel,
                        _("The layer was deleted meanwhile: the result is a new layer on top."));
}

static void put(ti_panel_edit *edit)
{
    GError *error = NULL;
    bool image_there = ti_host_has_image(edit->image);
    bool layer_there = ti_host_has_layer(edit->image, edit->layer);
    int made = ti_shot_put(edit->shot, edit->result, &edit->carried, edit->instruction,
                           edit->output, &error);
    if (made == -1) {
        fail(edit, error);
        g_error_free(error);
        return;
    }
    ti_client_result *r = edit->result;
    g_autoptr(GdkPixbuf) picture = ti_panel_picture(r->picture, edit->width, edit->height);
    ti_panel_made told = {edit->image, made, r, picture, edit->width, edit->height};
    bool last = edit->variation == edit->variations;
    if (last) ti_panel_done(edit->owner.panel, r->reasoning, picture, r->seed);
    say_where_it_went(edit, image_there, layer_there);
    edit->owner.made(edit->owner.user, &told);
    ti_carried_clear(&edit->carried);
    g_clear_pointer(&edit->result, ti_client_result_free);
    if (last) {
        end(edit);
    } else {
        edit->variation++;
        submit(edit);
    }
}

static void carry_thread(GTask *task, void *source, void *data, GCancellable *cancel)
{
    ti_panel_edit *edit = data;
    GError *error = NULL;
    (void)source;
    (void)cancel;
    if (ti_shot_carry(edit->shot, edit->result, edit->output, &edit->cancelled, &edit->carried,
                      &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void carried(GObject *source, GAsyncResult *result, void *user)
{
    ti_panel_edit *edit = user;
    g_autoptr(GError) error = NULL;
    (void)source;
    bool done = g_task_propagate_boolean(G_TASK(result), &error);
    if (!done)
        fail(edit, error);
    else if (edit->cancelled)
        end(edit);
    else
        put(edit);
}

/* ---- the job ------------------------------------------------------------------------------- */

static void on_event(const ti_client_event *e, void *user)
{
    ti_panel_edit *edit = user;
    ti_panel *panel = edit->owner.panel;
    if (edit->cancelled) return;
    switch (e->kind) {
    case TI_CLIENT_QUEUED:
        ti_panel_queued(panel, e->position);
        break;
    case TI_CLIENT_STARTED:
        break;
    case TI_CLIENT_PROGRESS:
        ti_panel_progress(panel, e->stage, e->step, e->steps, e->seconds, e->seconds_left);
        break;
    case TI_CLIENT_TEXT:
        ti_panel_text(panel, e->text);
        break;
    case TI_CLIENT_PREVIEW: {
        g_autoptr(GdkPixbuf) picture = ti_panel_picture(e->png, edit->width, edit->height);
        if (picture) ti_panel_preview(panel, picture);
        break;
    }
    }
}

static void on_done(ti_client_result *result, const GError *error, void *user)
{
    ti_panel_edit *edit = user;
    edit->job = NULL;
    edit->result = result;
    if (!result) {
        fail(edit, error);
        return;
    }
    if (edit->cancelled) {
        end(edit);
        return;
    }
    ti_panel_applying(edit->owner.panel);
    g_autoptr(GTask) task = g_task_new(NULL, NULL, carried, edit);
    g_task_set_task_data(task, edit, NULL);
    g_task_run_in_thread(task, carry_thread);
}

/* An open seed is drawn here, as small as GIMP 2.10's scripts can say it. */
static void submit(ti_panel_edit *edit)
{
    gint64 seed =
        edit->seed >= 0 ? edit->seed + edit->variation - 1 : g_random_int_range(0, G_MAXINT32);
    ti_client_request request = {.instruction = edit->instruction,
                                 .options = edit->options,
                                 .seed = seed,
                                 .image = ti_shot_image(edit->shot),
                                 .mask = ti_shot_mask(edit->shot),
                                 .preview_every = PREVIEW_EVERY};
    if (edit->variation > 1)
        ti_panel_submitted(edit->owner.panel, edit->variation, edit->variations);
    edit->job = ti_client_submit(edit->owner.client, &request, on_event, on_done, edit);
}

/* ---- what the model is shown --------------------------------------------------------------- */

static void draw_thread(GTask *task, void *source, void *data, GCancellable *cancel)
{
    ti_panel_edit *edit = data;
    GError *error = NULL;
    (void)source;
    (void)cancel;
    if (ti_shot_draw(edit->shot, edit->work_width, edit->work_height, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void drawn(GObject *source, GAsyncResult *result, void *user)
{
    ti_panel_edit *edit = user;
    g_autoptr(GError) error = NULL;
    (void)source;
    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        fail(edit, error);
    } else if (edit->cancelled) {
        end(edit);
    } else {
        g_autoptr(GdkPixbuf) before =
            ti_panel_picture(ti_shot_image(edit->shot), edit->width, edit->height);
        if (before) ti_panel_preview(edit->owner.panel, before);
        submit(edit);
    }
}

static void got_size(GObject *source, GAsyncResult *result, void *user)
{
    ti_panel_edit *edit = user;
    g_autoptr(GError) error = NULL;
    (void)source;
    g_autoptr(GBytes) body = ti_client_get_finish(result, &error);
    if (!body || !ti_client_read_size(body, &edit->work_width, &edit->work_height, &error)) {
        fail(edit, error);
    } else if (edit->cancelled) {
        end(edit);
    } else {
        g_autoptr(GTask) task = g_task_new(NULL, NULL, drawn, edit);
        g_task_set_task_data(task, edit, NULL);
        g_task_run_in_thread(task, draw_thread);
    }
}

ti_panel_edit *ti_panel_edit_new(const ti_panel_edit_owner *owner, const ti_panel_request *request,
                                 int image, int layer, GError **error)
{
    ti_output output = (ti_output)request->output;
    ti_shot *shot = ti_host_check(image, layer, output, error)
                        ? ti_shot_read(image, layer, request->use_selection, error)
                        : NULL;
    if (!shot) return NULL;
    ti_panel_edit *edit = g_new0(ti_panel_edit, 1);
    edit->owner = *owner;
    edit->instruction = g_strdup(request->instruction);
    edit->options = g_strdup(request->options);
    edit->seed = request->seed;
    edit->output = output;
    edit->variation = 1;
    edit->variations = MAX(1, request->variations);
    edit->image = image;
    edit->layer = layer;
    edit->shot = shot;
    edit->cancel = g_cancellable_new();
    const GeglRectangle *region = ti_shot_region(shot);
    double scale = (double)SHOWN_SIDE / MAX(region->width, region->height);
    edit->width = MAX(1, (int)(region->width * scale + 0.5));
    edit->height = MAX(1, (int)(region->height * scale + 0.5));
    return edit;
}

void ti_panel_edit_run(ti_panel_edit *edit)
{
    const GeglRectangle *region = ti_shot_region(edit->shot);
    ti_panel_submitted(edit->owner.panel, 1, edit->variations);
    g_autofree char *path = ti_client_size_path(region->width, region->height);
    ti_client_get(edit->owner.client, path, edit->cancel, got_size, edit);
}

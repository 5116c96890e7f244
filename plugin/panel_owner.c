/* panel_owner.c - the panel beside GIMP's windows.
 *
 * The first menu call stays in the main loop here and owns the panel; later ones hand over their
 * image and layer. Nothing tells this process what the person does in GIMP, so it asks about the
 * image it knows once a second. GIMP may kill the process at any moment: the panel's own state is
 * on disk, the edits are in the image, and the server cancels a job whose client is gone.
 */
#include "panel_owner.h"

#include "client/client.h"
#include "history.h"
#include "host_panel.h"
#include "panel_edit.h"
#include "procedure.h"
#include "record.h"
#include "ui/i18n.h"
#include "ui/panel.h"

enum { SHOWN_SIDE = 512, TARGET_SIDE = 72, FULL_LOOK = 5 /* polls between two thumbnails */ };

/* What the newest edit left behind, for its timeline. */
typedef struct newest {
    char *job;
    int layer, width, height;
    GBytes *steps;
} newest;

typedef struct owner {
    ti_panel *panel; /* NULL when the window is gone */
    ti_client *client;
    int image, layer;
    char *image_name; /* also after it was closed */
    int polls;
    int chosen_image;    /* by a later menu call, not yet looked at; -1: none */
    int edits;           /* not yet freed */
    ti_panel_edit *edit; /* the one the panel shows */
    newest newest;
    int shown_layer;     /* whose edit the panel shows; -1: none */
    int thumbnail_layer; /* whose thumbnail the panel shows */
    char *history;       /* as the panel lists it */
    bool know_model;
    int step_wanted, step_asked; /* of the timeline; -1: none. One picture at a time is asked for */
} owner;

/* ---- the model ----------------------------------------------------------------------------- */

static void got_info(GObject *source, GAsyncResult *result, void *user)
{
    owner *o = user;
    g_autoptr(GError) error = NULL;
    gsize size = 0;
    (void)source;
    g_autoptr(GBytes) body = ti_client_get_finish(result, &error);
    if (!o->panel || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) return;
    if (!body) {
        ti_panel_failed(o->panel, error->message, false);
        return;
    }
    const char *json = g_bytes_get_data(body, &size);
    ti_panel_set_info(o->panel, json, (gssize)size);
    o->know_model = true;
}

static void ask_info(owner *o)
{
    ti_client_get(o->client, "/v1/info", NULL, got_info, o);
}

/* ---- what will be edited ------------------------------------------------------------------- */

static void show_target(owner *o)
{
    ti_target target = {.image = o->image_name};
    g_autoptr(GError) error = NULL;
    g_autoptr(GdkPixbuf) thumbnail = NULL;
    g_autofree char *layer_name = NULL;
    GeglRectangle selected;
    if (!ti_host_has_image(o->image)) {
        target.problem = (char *)_("The image was closed: choose Filters > Thinking-Aware Edit in "
                                   "another one.");
        ti_panel_set_target(o->panel, &target, NULL);
        return;
    }
    o->layer = ti_host_active_layer(o->image);
    if (ti_host_has_layer(o->image, o->layer)) {
        target.layer = layer_name = ti_host_layer_name(o->layer);
        ti_host_layer_size(o->layer, &target.width, &target.height);
        target.has_selection = ti_host_selection_bounds(o->image, o->layer, &selected);
        if (target.has_selection) {
            target.select_x = selected.x;
            target.select_y = selected.y;
            target.select_width = selected.width;
            target.select_height = selected.height;
        }
        if (o->layer != o->thumbnail_layer || o->polls % FULL_LOOK == 0)
            thumbnail = ti_host_thumbnail(o->layer, TARGET_SIDE);
        o->thumbnail_layer = o->layer;
    }
    if (!ti_host_check(o->image, o->layer, TI_NEW_LAYER, &error)) target.problem = error->message;
    ti_panel_set_target(o->panel, &target, thumbnail);
}

/* The newest edit's layer brings its timeline back; others have words and settings. */
static void show_layer(owner *o)
{
    if (o->edit || o->layer == o->shown_layer || !ti_host_has_layer(o->image, o->layer)) return;
    g_autofree char *record = ti_host_record(o->layer);
    ti_entry *entry = record ? ti_history_entry(record) : NULL;
    if (entry) {
        g_autoptr(GdkPixbuf) picture = ti_host_thumbnail(o->layer, SHOWN_SIDE);
        ti_panel_show_entry(o->panel, entry);
        if (picture) ti_panel_preview(o->panel, picture);
        gsize size = 0;
        const char *steps = o->layer == o->newest.layer && o->newest.steps
                                ? g_bytes_get_data(o->newest.steps, &size)
                                : NULL;
        if (steps) ti_panel_set_steps(o->panel, steps, (gssize)size);
        ti_entry_free(entry);
        o->shown_layer = o->layer;
    } else if (o->shown_layer != o->newest.layer) {
        ti_panel_show_entry(o->panel, NULL);
        o->shown_layer = -1;
    }
}

static void show_history(owner *o)
{
    g_autofree char *history = ti_host_history(o->image);
    if (o->history && !g_strcmp0(history, o->history)) return;
    g_free(o->history);
    o->history = g_strdup(history ? history : "");
    g_autoptr(GPtrArray) thumbnails = NULL;
    GPtrArray *entries = ti_history_read(history, &thumbnails);
    ti_panel_set_history(o->panel, entries, thumbnails);
}

static void look(owner *o)
{
    show_target(o);
    show_layer(o);
    show_history(o);
    o->polls++;
}

static void choose(owner *o, int image)
{
    o->image = image;
    g_free(o->image_name);
    o->image_name = ti_host_image_name(image);
    o->thumbnail_layer = -1;
    g_clear_pointer(&o->history, g_free);
    look(o);
}

/* Comes in the middle of any call to GIMP. */
static gboolean look_at_chosen(void *user)
{
    owner *o = user;
    if (!o->panel || o->chosen_image < 0) return G_SOURCE_REMOVE;
    if (ti_host_has_image(o->chosen_image)) choose(o, o->chosen_image);
    o->chosen_image = -1;
    ti_host_keep_above(GTK_WINDOW(ti_panel_window(o->panel)));
    ti_panel_present(o->panel);
    return G_SOURCE_REMOVE;
}

static void on_chosen(int image, int layer, void *user)
{
    owner *o = user;
    (void)layer; /* the image's active one */
    o->chosen_image = image;
    g_idle_add(look_at_chosen, o);
}

/* ---- edits --------------------------------------------------------------------------------- */

static void got_steps(GObject *source, GAsyncResult *result, void *user)
{
    owner *o = user;
    gsize size = 0;
    (void)source;
    g_autoptr(GBytes) body = ti_client_get_finish(result, NULL);
    if (!o->panel || !body || o->edit) return;
    const char *json = g_bytes_get_data(body, &size);
    g_clear_pointer(&o->newest.steps, g_bytes_unref);
    o->newest.steps = g_bytes_ref(body);
    if (o->shown_layer == o->newest.layer) ti_panel_set_steps(o->panel, json, (gssize)size);
}

static void on_made(void *user, const ti_panel_made *made)
{
    owner *o = user;
    g_free(o->newest.job);
    g_clear_pointer(&o->newest.steps, g_bytes_unref);
    o->newest = (newest){.job = g_strdup(made->result->id),
                         .layer = made->layer,
                         .width = made->width,
                         .height = made->height};
    o->shown_layer = made->layer;
    o->step_wanted = -1;
    ti_history_keep_thumbnail(NULL, made->result->id, made->picture);
}

static void on_ended(void *user, ti_panel_edit *edit)
{
    owner *o = user;
    o->edits--;
    if (o->edit != edit) return; /* cancelled before */
    o->edit = NULL;
    if (!o->panel) return;
    if (o->newest.job && !o->newest.steps) {
        g_autofree char *path = g_strdup_printf("/v1/jobs/%s/steps", o->newest.job);
        ti_client_get(o->client, path, NULL, got_steps, o);
    }
    if (!o->know_model) ask_info(o);
    look(o);
}

static void start_edit(owner *o, const ti_panel_request *request)
{
    const ti_panel_edit_owner mine = {o->panel, o->client, o, on_made, on_ended};
    o->edit = ti_panel_edit_start(&mine, request, o->image, o->layer);
    if (o->edit) o->edits++;
}

static void on_generate(void *user, const ti_panel_request *request)
{
    owner *o = user;
    look(o); /* the last second counts, too */
    start_edit(o, request);
}

static void on_cancel(void *user)
{
    owner *o = user;
    if (!o->edit) return;
    ti_panel_edit_cancel(o->edit);
    o->edit = NULL;
}

static void on_apply_again(void *user, const char *id)
{
    owner *o = user;
    g_autoptr(GPtrArray) thumbnails = NULL;
    if (o->edit) return;
    look(o);
    g_autoptr(GPtrArray) entries = ti_history_read(o->history, &thumbnails);
    for (guint i = 0; i < entries->len; i++) {
        const ti_entry *entry = g_ptr_array_index(entries, i);
        if (g_strcmp0(entry->id, id) || !entry->instruction) continue;
        g_autofree char *options = ti_history_options(entry);
        GeglRectangle selected;
        ti_panel_request request = {
            .instruction = entry->instruction,
            .options = options,
            .seed = entry->seed,
            .use_selection = ti_host_has_layer(o->image, o->layer) &&
                             ti_host_selection_bounds(o->image, o->layer, &selected),
            .output = TI_OUTPUT_LAYER,
            .variations = 1};
        start_edit(o, &request);
        return;
    }
}

static void on_forget(void *user, const char *id)
{
    owner *o = user;
    g_autofree char *before = ti_host_history(o->image);
    if (!before) return;
    g_autofree char *after = ti_record_forget(before, id);
    ti_host_set_history(o->image, after);
    ti_history_drop_thumbnail(NULL, id);
    show_history(o);
}

static void on_text_layer(void *user, const char *reasoning)
{
    owner *o = user;
    g_autoptr(GError) error = NULL;
    if (!ti_host_has_image(o->image))
        ti_panel_notice(o->panel, _("The image was closed: copy the reasoning instead."));
    else if (ti_host_text_layer(o->image, o->layer, reasoning, &error) == -1)
        ti_panel_notice(o->panel, error->message);
}
/* ---- the timeline -------------------------------------------------------------------------- */

static void ask_step(owner *o);

static void got_step(GObject *source, GAsyncResult *result, void *user)
{
    owner *o = user;
    int step = o->step_asked;
    (void)source;
    g_autoptr(GBytes) body = ti_client_get_finish(result, NULL);
    o->step_asked = -1;
    if (!o->panel) return;
    g_autoptr(GdkPixbuf) picture =
        body ? ti_panel_picture(body, o->newest.width, o->newest.height) : NULL;
    if (!body && step == o->step_wanted)
        ti_panel_notice(o->panel, _("The engine does not keep this edit's pictures any more; its "
                                    "words stay."));
    if (step >= 0) ti_panel_step_picture(o->panel, step, picture);
    if (o->step_wanted != step) ask_step(o);
}

/* A slider asks for more steps than are worth drawing: only the newest wish is followed. */
static void ask_step(owner *o)
{
    if (o->step_asked >= 0 || o->step_wanted < 0 || !o->newest.job) return;
    o->step_asked = o->step_wanted;
    g_autofree char *path =
        g_strdup_printf("/v1/jobs/%s/steps/%d", o->newest.job, o->step_asked);
    ti_client_get(o->client, path, NULL, got_step, o);
}

static void on_draw_step(void *user, int step)
{
    owner *o = user;
    o->step_wanted = step;
    ask_step(o);
}

/* ---- opening and closing ------------------------------------------------------------------- */

static void on_poll(void *user)
{
    look(user);
}

static void on_closed(void *user)
{
    owner *o = user;
    o->panel = NULL;
    gtk_main_quit();
}

static void run(owner *o, int image)
{
    const ti_panel_host host = {.user = o,
                                .generate = on_generate,
                                .cancel = on_cancel,
                                .draw_step = on_draw_step,
                                .apply_again = on_apply_again,
                                .forget = on_forget,
                                .text_layer = on_text_layer,
                                .poll = on_poll,
                                .closed = on_closed};
    ti_i18n_init(TE_LOCALEDIR);
    ti_panel *panel = o->panel = ti_panel_new(&host, NULL);
    ti_host_listen(on_chosen, o);
    ti_host_keep_above(GTK_WINDOW(ti_panel_window(panel)));
    choose(o, image);
    ask_info(o);
    ti_panel_present(panel);
    gtk_main();
    ti_client_free(o->client); /* hangs up whatever is left */
    while (o->edits) g_main_context_iteration(NULL, TRUE);
    ti_panel_free(panel);
}

bool ti_panel_open(int image, int layer, GError **error)
{
    owner o = {.chosen_image = -1,
               .layer = layer,
               .newest.layer = -1,
               .shown_layer = -1,
               .thumbnail_layer = -1,
               .step_wanted = -1,
               .step_asked = -1};
    if (ti_host_relay(image, layer)) return true;
    if (!ti_host_start_gtk()) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                            "There is no display for the panel: call the procedure with "
                            "RUN-NONINTERACTIVE and an instruction.");
        return false;
    }
    o.client = ti_procedure_client(error);
    if (!o.client) return false;
    run(&o, image);
    g_free(o.image_name);
    g_free(o.history);
    g_free(o.newest.job);
    g_clear_pointer(&o.newest.steps, g_bytes_unref);
    return true;
}

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

enum {
    SHOWN_SIDE = 512,
    TARGET_SIDE = 72,
    FULL_LOOK = 5, /* polls between two thumbnails */
    MOST_WAITING = 8
};

/* The edit whose words and picture the panel shows, for its timeline. */
typedef struct shown {
    char *id;                    /* NULL: none */
    int width, height;           /* of pictures of its steps */
    int step_wanted, step_asked; /* -1: none. One picture at a time is asked for */
    GCancellable *cancel;        /* of all that was asked about it */
} shown;

typedef struct owner {
    ti_panel *panel; /* NULL when the window is gone */
    ti_client *client;
    int image;
    int active,
        layer; /* the layer that is chosen, and the one to edit: it, or what it was made of */
    int seen;  /* chosen layer whose record the panel has looked at */
    char *image_name; /* also after it was closed */
    int polls;
    int chosen_image;    /* by a later menu call, not yet looked at; -1: none */
    int edits;           /* running and not yet freed */
    ti_panel_edit *edit; /* the one the panel shows */
    bool made;           /* by it: at least one layer */
    GQueue waiting;      /* ti_panel_edit, first one next */
    shown shown;
    int thumbnail_layer; /* whose thumbnail the panel shows */
    char *history;       /* as the panel lists it */
    bool know_model;
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
        ti_panel_notice(o->panel, error->message);
        return;
    }
    const char *json = g_bytes_get_data(body, &size);
    o->know_model = ti_panel_set_info(o->panel, json, (gssize)size);
}

static void ask_info(owner *o)
{
    ti_client_get(o->client, "/v1/info", NULL, got_info, o);
}

/* ---- the edit on show ---------------------------------------------------------------------- */

static void forget_shown(owner *o)
{
    if (o->shown.cancel) g_cancellable_cancel(o->shown.cancel);
    g_clear_object(&o->shown.cancel);
    g_free(o->shown.id);
    o->shown = (shown){.step_wanted = -1, .step_asked = -1};
}

static void set_shown(owner *o, const char *id, int width, int height)
{
    forget_shown(o);
    if (!id || !ti_history_is_id(id)) return;
    o->shown.id = g_strdup(id);
    o->shown.width = width;
    o->shown.height = height;
    o->shown.cancel = g_cancellable_new();
}

/* Without an answer there is no timeline: the server keeps its newest edits only. */
static void got_steps(GObject *source, GAsyncResult *result, void *user)
{
    owner *o = user;
    gsize size = 0;
    g_autoptr(GError) error = NULL;
    (void)source;
    g_autoptr(GBytes) body = ti_client_get_finish(result, &error);
    if (!body || !o->panel || o->edit) return;
    const char *json = g_bytes_get_data(body, &size);
    ti_panel_set_steps(o->panel, json, (gssize)size);
}

static void ask_steps(owner *o)
{
    if (!o->shown.id) return;
    g_autofree char *path = g_strdup_printf("/v1/jobs/%s/steps", o->shown.id);
    ti_client_get(o->client, path, o->shown.cancel, got_steps, o);
}

static void ask_step(owner *o);

static void got_step(GObject *source, GAsyncResult *result, void *user)
{
    owner *o = user;
    g_autoptr(GError) error = NULL;
    (void)source;
    g_autoptr(GBytes) body = ti_client_get_finish(result, &error);
    if (!o->panel || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) return;
    int step = o->shown.step_asked;
    o->shown.step_asked = -1;
    g_autoptr(GdkPixbuf) picture =
        body ? ti_panel_picture(body, o->shown.width, o->shown.height) : NULL;
    if (!body && step == o->shown.step_wanted)
        ti_panel_notice(o->panel, _("The engine does not keep this edit's pictures any more; its "
                                    "words stay."));
    ti_panel_step_picture(o->panel, step, picture);
    if (o->shown.step_wanted != step) ask_step(o);
}

/* A slider asks for more steps than are worth drawing: only the newest wish is followed. */
static void ask_step(owner *o)
{
    if (o->shown.step_asked >= 0 || o->shown.step_wanted < 0 || !o->shown.id) return;
    o->shown.step_asked = o->shown.step_wanted;
    g_autofree char *path =
        g_strdup_printf("/v1/jobs/%s/steps/%d", o->shown.id, o->shown.step_asked);
    ti_client_get(o->client, path, o->shown.cancel, got_step, o);
}

static void on_draw_step(void *user, int step)
{
    owner *o = user;
    o->shown.step_wanted = step;
    ask_step(o);
}

static void fit(int width, int height, int *shown_width, int *shown_height)
{
    double scale = (double)SHOWN_SIDE / MAX(width, height);
    *shown_width = MAX(1, (int)(width * scale + 0.5));
    *shown_height = MAX(1, (int)(height * scale + 0.5));
}

/* PICTURE may be NULL. */
static void show_entry(owner *o, const ti_entry *entry, GdkPixbuf *picture)
{
    int width = SHOWN_SIDE, height = SHOWN_SIDE;
    if (entry->width > 0 && entry->height > 0) fit(entry->width, entry->height, &width, &height);
    ti_panel_show_entry(o->panel, entry);
    ti_panel_preview(o->panel, picture);
    set_shown(o, entry->id, width, height);
    ask_steps(o);
}

/* ---- what will be edited ------------------------------------------------------------------- */

/* The layer that ENTRY's was made of, when it is still there. */
static int source_of(const owner *o, const ti_entry *entry)
{
    int source = entry && entry->source ? ti_host_tattooed(o->image, entry->source) : -1;
    return source == o->active ? -1 : source;
}

static void show_selection(const owner *o, ti_target *target)
{
    GeglRectangle selected;
    target->has_selection = ti_host_selection_bounds(o->image, o->layer, &selected);
    if (!target->has_selection) return;
    target->select_x = selected.x;
    target->select_y = selected.y;
    target->select_width = selected.width;
    target->select_height = selected.height;
}

static void show_target(owner *o, const ti_entry *entry)
{
    ti_target target = {.image = o->image_name};
    g_autoptr(GError) error = NULL;
    g_autoptr(GdkPixbuf) thumbnail = NULL;
    g_autofree char *layer_name = NULL, *source_name = NULL;
    int source = source_of(o, entry);
    o->layer = source != -1 && ti_panel_wants_source(o->panel) ? source : o->active;
    if (source != -1) target.source = source_name = ti_host_layer_name(source);
    if (ti_host_has_layer(o->image, o->layer)) {
        target.layer = layer_name = ti_host_layer_name(o->layer);
        ti_host_layer_size(o->layer, &target.width, &target.height);
        show_selection(o, &target);
        if (o->layer != o->thumbnail_layer || o->polls % FULL_LOOK == 0)
            thumbnail = ti_host_thumbnail(o->layer, TARGET_SIDE);
        o->thumbnail_layer = o->layer;
    }
    if (!ti_host_check(o->image, o->layer, TI_NEW_LAYER, &error)) target.problem = error->message;
    ti_panel_set_target(o->panel, &target, thumbnail);
}

static void show_closed(owner *o)
{
    ti_target target = {
        .image = o->image_name,
        .problem = (char *)_("The image was closed: choose Filters > Thinking-Aware Edit in "
                             "another one.")};
    o->layer = o->active = -1;
    ti_panel_set_target(o->panel, &target, NULL);
}

/* When another layer is chosen: what is known of the edit that it came of, or nothing. */
static void show_layer(owner *o, const ti_entry *entry)
{
    if (o->edit || o->active == o->seen) return;
    o->seen = o->active;
    if (entry) {
        g_autoptr(GdkPixbuf) picture = ti_host_thumbnail(o->active, SHOWN_SIDE);
        show_entry(o, entry, picture);
    } else {
        set_shown(o, NULL, 0, 0);
        ti_panel_show_entry(o->panel, NULL);
    }
}

static void show_history(owner *o)
{
    g_autofree char *history = ti_host_history(o->image);
    if (o->history && !g_strcmp0(history ? history : "", o->history)) return;
    g_free(o->history);
    o->history = g_strdup(history ? history : "");
    g_autoptr(GPtrArray) thumbnails = NULL;
    GPtrArray *entries = ti_history_read(history, &thumbnails);
    ti_panel_set_history(o->panel, entries, thumbnails);
}

static void look(owner *o)
{
    if (!ti_host_has_image(o->image)) {
        show_closed(o);
        return;
    }
    const int active = ti_host_active_layer(o->image);
    /* With a channel chosen, and in GIMP 3.2 after some undo, no layer is: the last one stays. */
    if (active != TI_NO_LAYER || !ti_host_has_layer(o->image, o->active)) o->active = active;
    g_autofree char *record =
        ti_host_has_layer(o->image, o->active) ? ti_host_record(o->active) : NULL;
    ti_entry *entry = record ? ti_history_entry(record) : NULL;
    show_target(o, entry);
    show_layer(o, entry);
    show_history(o);
    if (entry) ti_entry_free(entry);
    o->polls++;
}

/* From now on IMAGE is the one beside the panel. */
static void take_image(owner *o, int image)
{
    o->image = image;
    g_free(o->image_name);
    o->image_name = ti_host_image_name(image);
    o->thumbnail_layer = -1;
    g_clear_pointer(&o->history, g_free);
}

static void choose(owner *o, int image)
{
    take_image(o, image);
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

static void on_made(void *user, const ti_panel_made *made)
{
    owner *o = user;
    int image = ti_host_image_of(made->layer);
    if (!ti_host_has_image(o->image) && image != -1) take_image(o, image);
    set_shown(o, made->result->id, made->width, made->height);
    o->seen = made->layer;
    o->made = true;
    ti_history_keep_thumbnail(NULL, made->result->id, made->picture);
}

static void run_next(owner *o)
{
    ti_panel_edit *next = o->edit ? NULL : g_queue_pop_head(&o->waiting);
    if (!next) return;
    o->edit = next;
    o->edits++;
    o->made = false;
    ti_panel_set_waiting(o->panel, (int)o->waiting.length);
    ti_panel_edit_run(next);
}

static void on_ended(void *user, ti_panel_edit *edit)
{
    owner *o = user;
    o->edits--;
    if (o->edit != edit) return; /* cancelled before */
    o->edit = NULL;
    if (!o->panel) return;
    if (o->made && !o->waiting.length) ask_steps(o);
    if (!o->know_model) ask_info(o);
    look(o);
    run_next(o);
}

static void start_edit(owner *o, const ti_panel_request *request)
{
    const ti_panel_edit_owner mine = {o->panel, o->client, o, on_made, on_ended};
    g_autoptr(GError) error = NULL;
    if (o->waiting.length >= MOST_WAITING) {
        ti_panel_notice(o->panel, _("Enough edits are waiting: let some of them finish first."));
        return;
    }
    ti_panel_edit *edit = ti_panel_edit_new(&mine, request, o->image, o->layer, &error);
    if (!edit && o->edit)
        ti_panel_notice(o->panel, error->message);
    else if (!edit)
        ti_panel_failed(o->panel, error->message, false);
    if (!edit) return;
    g_queue_push_tail(&o->waiting, edit);
    ti_panel_set_waiting(o->panel, (int)o->waiting.length);
    run_next(o);
}

static void on_generate(void *user, const ti_panel_request *request)
{
    owner *o = user;
    look(o); /* the last second counts, too */
    start_edit(o, request);
}

static void drop_waiting(owner *o)
{
    ti_panel_edit *edit;
    while ((edit = g_queue_pop_head(&o->waiting))) ti_panel_edit_free(edit);
}

static void on_cancel(void *user, bool all)
{
    owner *o = user;
    if (all) drop_waiting(o);
    if (!o->edit) return;
    ti_panel_set_waiting(o->panel, (int)o->waiting.length);
    ti_panel_edit_cancel(o->edit);
    o->edit = NULL;
    run_next(o);
}

/* The image's edit ID as the panel lists it; the caller's. */
static ti_entry *find_entry(owner *o, const char *id)
{
    g_autoptr(GPtrArray) thumbnails = NULL;
    g_autoptr(GPtrArray) entries = ti_history_read(o->history, &thumbnails);
    for (guint i = 0; i < entries->len; i++) {
        const ti_entry *entry = g_ptr_array_index(entries, i);
        if (!g_strcmp0(entry->id, id)) return g_ptr_array_steal_index(entries, i);
    }
    return NULL;
}

static void on_apply_again(void *user, const char *id)
{
    owner *o = user;
    look(o);
    ti_entry *entry = find_entry(o, id);
    if (entry && entry->instruction) {
        g_autofree char *options = ti_history_options(entry);
        GeglRectangle selected;
        ti_panel_request request = {.instruction = entry->instruction,
                                    .options = options,
                                    .seed = entry->seed,
                                    .use_selection =
                                        ti_host_has_layer(o->image, o->layer) &&
                                        ti_host_selection_bounds(o->image, o->layer, &selected),
                                    .output = TI_OUTPUT_LAYER,
                                    .variations = 1};
        start_edit(o, &request);
    }
    if (entry) ti_entry_free(entry);
}

static void on_show(void *user, const char *id)
{
    owner *o = user;
    ti_entry *entry = o->edit ? NULL : find_entry(o, id);
    if (!entry) return;
    g_autoptr(GdkPixbuf) picture = ti_history_picture(entry->id);
    show_entry(o, entry, picture);
    ti_entry_free(entry);
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
    else if (ti_host_text_layer(o->image, o->active, reasoning, &error) == -1)
        ti_panel_notice(o->panel, error->message);
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
    drop_waiting(o);
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
                                .show = on_show,
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
               .active = layer,
               .layer = layer,
               .seen = -1,
               .thumbnail_layer = -1,
               .waiting = G_QUEUE_INIT,
               .shown = {.step_wanted = -1, .step_asked = -1}};
    if (ti_host_relay(image, layer)) return true;
    if (!ti_host_start_gtk()) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                            _("There is no display for the panel: call the procedure with "
                              "RUN-NONINTERACTIVE and an instruction."));
        return false;
    }
    o.client = ti_procedure_client(error);
    if (!o.client) return false;
    run(&o, image);
    g_free(o.image_name);
    g_free(o.history);
    forget_shown(&o);
    return true;
}

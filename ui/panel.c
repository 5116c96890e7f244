/* panel.c - the window: its frame, its buttons, and what it does when told something. */
#include "ui/panel_internal.h"

#include <gdk/gdkkeysyms.h>
#include <string.h>

GtkWidget *ti_panel_label(const char *text, GtkWidget *names)
{
    GtkWidget *label = gtk_label_new_with_mnemonic(text);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_label_set_mnemonic_widget(GTK_LABEL(label), names);
    return label;
}

/* Of less weight by its size: a paler colour would be lost where contrast is asked for. */
void ti_panel_make_small(GtkWidget *label)
{
    PangoAttrList *attributes = pango_attr_list_new();
    pango_attr_list_insert(attributes, pango_attr_scale_new(PANGO_SCALE_SMALL));
    gtk_label_set_attributes(GTK_LABEL(label), attributes);
    pango_attr_list_unref(attributes);
}

/* ---- settings and messages --------------------------------------------------------------- */

static void save(ti_panel *panel)
{
    g_autoptr(GError) error = NULL;
    bool saved = ti_settings_save(panel->settings, &error);
    if (!saved && !panel->said_unsaved && panel->window) {
        char *text = g_strdup_printf(
            _("What you write here cannot be kept (%s): free some disk space."), error->message);
        ti_panel_message(panel, GTK_MESSAGE_WARNING, text, false);
        g_free(text);
    }
    panel->said_unsaved = !saved;
}

static gboolean save_now(gpointer data)
{
    ti_panel *panel = data;
    panel->save = 0;
    save(panel);
    return G_SOURCE_REMOVE;
}

void ti_panel_save_soon(ti_panel *panel)
{
    if (!panel->save) panel->save = g_timeout_add(400, save_now, panel);
}

void ti_panel_message(ti_panel *panel, GtkMessageType type, const char *text, bool retry)
{
    gtk_info_bar_set_message_type(GTK_INFO_BAR(panel->info_bar), type);
    /* the engine's sentences begin as those of command lines do */
    char *first = g_utf8_strup(text, g_utf8_next_char(text) - text);
    char *sentence = g_strconcat(first, *text ? g_utf8_next_char(text) : "", NULL);
    gtk_label_set_text(GTK_LABEL(panel->info_text), sentence);
    g_free(sentence);
    g_free(first);
    gtk_widget_set_visible(panel->retry, retry);
    gtk_widget_show(panel->info_bar);
}

/* ---- generate and cancel ----------------------------------------------------------------- */

static void generate(ti_panel *panel)
{
    char *instruction = ti_panel_instruction(panel);
    if (!ti_state_obstacle(panel->state, instruction)) {
        const ti_settings *s = panel->settings;
        char *options = panel->form ? ti_form_options(panel->form)
                                    : g_strdup_printf("preset=%s %s", s->preset, s->options);
        const char *seed = gtk_entry_get_text(GTK_ENTRY(panel->seed));
        ti_panel_request request = {
            instruction,
            options,
            s->seed_locked && *seed ? g_ascii_strtoll(seed, NULL, 10) : -1,
            s->use_selection && panel->state->target.has_selection,
            (ti_panel_output)s->output,
            s->variations,
        };
        ti_settings_used(panel->settings, instruction);
        ti_panel_save_soon(panel);
        gtk_widget_hide(panel->info_bar);
        gtk_stack_set_visible_child_name(GTK_STACK(panel->stack), "result");
        panel->host.generate(panel->host.user, &request);
        g_free(options);
    }
    g_free(instruction);
}

static void cancel(ti_panel *panel, bool all)
{
    if (ti_state_busy(panel->state)) panel->host.cancel(panel->host.user, all);
}

static void on_generate(GtkWidget *button, gpointer data)
{
    (void)button;
    generate(data);
}

static void on_cancel(GtkWidget *button, gpointer data)
{
    ti_panel *panel = data;
    cancel(panel, button == panel->cancel_all);
}

static void on_response(GtkInfoBar *bar, int response, gpointer data)
{
    gtk_widget_hide(GTK_WIDGET(bar));
    if (response == GTK_RESPONSE_ACCEPT) generate(data);
}

/* Alt+1 to Alt+3 turn the pages. */
static bool turn_page(ti_panel *panel, const GdkEventKey *event)
{
    static const char *const pages[] = {"result", "history", "advanced"};
    guint page = event->keyval - GDK_KEY_1;
    if (!(event->state & GDK_MOD1_MASK) || page >= G_N_ELEMENTS(pages)) return false;
    gtk_stack_set_visible_child_name(GTK_STACK(panel->stack), pages[page]);
    gtk_widget_child_focus(gtk_stack_get_visible_child(GTK_STACK(panel->stack)),
                           GTK_DIR_TAB_FORWARD);
    return true;
}

static gboolean on_key(GtkWidget *window, GdkEventKey *event, gpointer data)
{
    (void)window;
    ti_panel *panel = data;
    bool enter = event->keyval == GDK_KEY_Return || event->keyval == GDK_KEY_KP_Enter;
    if (enter && (event->state & GDK_CONTROL_MASK)) {
        generate(panel);
        return TRUE;
    }
    if (event->keyval == GDK_KEY_Escape && ti_state_busy(panel->state)) {
        cancel(panel, event->state & GDK_SHIFT_MASK);
        return TRUE;
    }
    return turn_page(panel, event);
}

/* Of the edit on show, with those of its settings that are not the model's own. */
static char *entry_status(const ti_panel *panel)
{
    g_autofree char *values =
        panel->form ? ti_form_differences(panel->form, panel->entry_options) : g_strdup("");
    return g_strconcat(panel->entry_text, *values ? " · " : NULL, values, NULL);
}

void ti_panel_refresh(ti_panel *panel)
{
    ti_state *s = panel->state;
    char *instruction = ti_panel_instruction(panel), *status = ti_state_status(s);
    const char *obstacle = ti_state_obstacle(s, instruction);
    bool busy = ti_state_busy(s);
    gtk_widget_set_sensitive(panel->generate, !obstacle);
    gtk_widget_set_tooltip_text(panel->generate,
                                obstacle ? obstacle
                                : busy   ? _("Ctrl+Enter: this edit follows those before it")
                                         : _("Ctrl+Enter"));
    gtk_widget_set_sensitive(panel->cancel, busy);
    gtk_widget_set_visible(panel->cancel_all, s->waiting > 0);
    double fraction = ti_state_fraction(s);
    if (fraction < 0)
        gtk_progress_bar_pulse(GTK_PROGRESS_BAR(panel->progress));
    else
        gtk_progress_bar_set_fraction(GTK_PROGRESS_BAR(panel->progress), fraction);
    g_autofree char *entry = panel->shown_entry ? entry_status(panel) : NULL;
    gtk_label_set_text(GTK_LABEL(panel->status), busy       ? status
                                                 : entry    ? entry
                                                 : *status  ? status
                                                 : obstacle ? obstacle
                                                            : _("Ready"));
    g_free(status);
    g_free(instruction);
}

/* ---- building ---------------------------------------------------------------------------- */

static GtkWidget *build_buttons(ti_panel *panel)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 4);
    GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6);
    panel->generate = gtk_button_new_with_mnemonic(_("_Generate"));
    gtk_style_context_add_class(gtk_widget_get_style_context(panel->generate), "suggested-action");
    panel->cancel = gtk_button_new_with_mnemonic(_("Cance_l"));
    gtk_widget_set_tooltip_text(panel->cancel, _("Escape"));
    g_signal_connect(panel->generate, "clicked", G_CALLBACK(on_generate), panel);
    g_signal_connect(panel->cancel, "clicked", G_CALLBACK(on_cancel), panel);
    panel->cancel_all = gtk_button_new_with_mnemonic(_("Cancel _all"));
    gtk_widget_set_tooltip_text(panel->cancel_all, _("Shift+Escape: also those that wait"));
    g_signal_connect(panel->cancel_all, "clicked", G_CALLBACK(on_cancel), panel);
    gtk_widget_set_no_show_all(panel->cancel_all, TRUE);
    gtk_widget_set_hexpand(panel->generate, TRUE);
    gtk_container_add(GTK_CONTAINER(row), panel->generate);
    gtk_container_add(GTK_CONTAINER(row), panel->cancel);
    gtk_container_add(GTK_CONTAINER(row), panel->cancel_all);
    panel->progress = gtk_progress_bar_new();
    atk_object_set_name(gtk_widget_get_accessible(panel->progress), _("Progress"));
    panel->status = gtk_label_new("");
    gtk_label_set_xalign(GTK_LABEL(panel->status), 0);
    gtk_label_set_line_wrap(GTK_LABEL(panel->status), TRUE);
    gtk_label_set_line_wrap_mode(GTK_LABEL(panel->status), PANGO_WRAP_WORD_CHAR);
    gtk_container_add(GTK_CONTAINER(box), row);
    gtk_container_add(GTK_CONTAINER(box), panel->progress);
    gtk_container_add(GTK_CONTAINER(box), panel->status);
    return box;
}

/* The bar's own button to close it has a picture, but no name. */
static void name_close_button(GtkWidget *part, gpointer unused)
{
    if (GTK_IS_BUTTON(part))
        atk_object_set_name(gtk_widget_get_accessible(part), _("Close"));
    else if (GTK_IS_CONTAINER(part))
        gtk_container_forall(GTK_CONTAINER(part), name_close_button, unused);
}

static GtkWidget *build_info_bar(ti_panel *panel)
{
    panel->info_bar = gtk_info_bar_new();
    gtk_info_bar_set_show_close_button(GTK_INFO_BAR(panel->info_bar), TRUE);
    name_close_button(panel->info_bar, NULL);
    panel->info_text = gtk_label_new("");
    gtk_label_set_line_wrap(GTK_LABEL(panel->info_text), TRUE);
    gtk_label_set_line_wrap_mode(GTK_LABEL(panel->info_text), PANGO_WRAP_WORD_CHAR);
    gtk_label_set_selectable(GTK_LABEL(panel->info_text), TRUE);
    gtk_widget_set_can_focus(panel->info_text, FALSE); /* or all of it is marked when it comes */
    gtk_label_set_xalign(GTK_LABEL(panel->info_text), 0);
    gtk_container_add(GTK_CONTAINER(gtk_info_bar_get_content_area(GTK_INFO_BAR(panel->info_bar))),
                      panel->info_text);
    panel->retry = gtk_info_bar_add_button(GTK_INFO_BAR(panel->info_bar), _("Tr_y again"),
                                           GTK_RESPONSE_ACCEPT);
    g_signal_connect(panel->info_bar, "response", G_CALLBACK(on_response), panel);
    gtk_widget_show_all(panel->info_bar);
    gtk_widget_set_no_show_all(panel->info_bar, TRUE);
    gtk_widget_hide(panel->info_bar);
    return panel->info_bar;
}

static gboolean on_poll(gpointer data)
{
    ti_panel *panel = data;
    if (gtk_widget_get_visible(panel->window)) panel->host.poll(panel->host.user);
    return G_SOURCE_CONTINUE;
}

static void on_size(GtkWidget *window, GdkRectangle *size, gpointer data)
{
    (void)size;
    ti_panel *panel = data;
    gtk_window_get_size(GTK_WINDOW(window), &panel->settings->width, &panel->settings->height);
    ti_panel_save_soon(panel);
}

static void on_destroy(GtkWidget *window, gpointer data)
{
    (void)window;
    ti_panel *panel = data;
    cancel(panel, true);
    if (panel->poll) g_source_remove(panel->poll);
    if (panel->save) g_source_remove(panel->save);
    panel->poll = panel->save = 0;
    panel->window = NULL;
    save(panel);
    panel->host.closed(panel->host.user);
}

/* Tall enough to be of use, on a small screen as tall as that. */
static int fitting_height(void)
{
    GdkDisplay *display = gdk_display_get_default();
    GdkMonitor *monitor = gdk_display_get_primary_monitor(display);
    if (!monitor) monitor = gdk_display_get_monitor(display, 0);
    GdkRectangle area = {0};
    if (monitor) gdk_monitor_get_workarea(monitor, &area);
    return area.height ? CLAMP(area.height - 60, 600, 900) : 720;
}

static void build(ti_panel *panel)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 8);
    g_object_set(box, "margin", 10, NULL);
    panel->window = gtk_window_new(GTK_WINDOW_TOPLEVEL);
    gtk_window_set_title(GTK_WINDOW(panel->window), _("Thinking-Aware Edit"));
    gtk_window_set_default_size(GTK_WINDOW(panel->window), panel->settings->width,
                                panel->settings->height ? panel->settings->height
                                                        : fitting_height());
    gtk_container_add(GTK_CONTAINER(box), build_info_bar(panel));
    gtk_container_add(GTK_CONTAINER(box), ti_panel_build_target(panel));
    gtk_container_add(GTK_CONTAINER(box), ti_panel_build_prompt(panel));
    gtk_container_add(GTK_CONTAINER(box), ti_panel_build_options(panel));
    gtk_container_add(GTK_CONTAINER(box), build_buttons(panel));
    panel->stack = gtk_stack_new();
    gtk_stack_add_titled(GTK_STACK(panel->stack), ti_panel_build_result(panel), "result",
                         _("Result"));
    gtk_stack_add_titled(GTK_STACK(panel->stack), ti_panel_build_history(panel), "history",
                         _("History"));
    gtk_stack_add_titled(GTK_STACK(panel->stack), ti_panel_build_advanced(panel), "advanced",
                         _("Advanced"));
    GtkWidget *switcher = gtk_stack_switcher_new();
    gtk_stack_switcher_set_stack(GTK_STACK_SWITCHER(switcher), GTK_STACK(panel->stack));
    gtk_widget_set_halign(switcher, GTK_ALIGN_CENTER);
    gtk_widget_set_vexpand(panel->stack, TRUE);
    gtk_container_add(GTK_CONTAINER(box), switcher);
    gtk_container_add(GTK_CONTAINER(box), panel->stack);
    gtk_container_add(GTK_CONTAINER(panel->window), box);
    g_signal_connect(panel->window, "key-press-event", G_CALLBACK(on_key), panel);
    g_signal_connect(panel->window, "size-allocate", G_CALLBACK(on_size), panel);
    g_signal_connect(panel->window, "destroy", G_CALLBACK(on_destroy), panel);
    gtk_widget_show_all(box);
}

ti_panel *ti_panel_new(const ti_panel_host *host, const char *settings)
{
    ti_panel *panel = g_new0(ti_panel, 1);
    panel->host = *host;
    panel->state = ti_state_new();
    panel->settings = ti_settings_load(settings);
    panel->step_pictures =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_object_unref);
    build(panel);
    panel->poll = g_timeout_add_seconds(1, on_poll, panel);
    ti_panel_refresh(panel);
    return panel;
}

void ti_panel_free(ti_panel *panel)
{
    if (!panel) return;
    if (panel->window) gtk_widget_destroy(panel->window);
    g_hash_table_unref(panel->step_pictures);
    ti_form_free(panel->form);
    ti_settings_free(panel->settings);
    ti_state_free(panel->state);
    g_free(panel->shown_entry);
    g_free(panel->entry_text);
    g_free(panel->entry_options);
    g_free(panel);
}

GtkWidget *ti_panel_window(ti_panel *panel)
{
    return panel->window;
}

void ti_panel_present(ti_panel *panel)
{
    gtk_window_present(GTK_WINDOW(panel->window));
    gtk_widget_grab_focus(panel->instruction);
}

/* ---- what the owner tells ---------------------------------------------------------------- */

bool ti_panel_set_info(ti_panel *panel, const char *json, gssize length)
{
    ti_form *form = ti_form_parse(json, length, NULL);
    if (!form) return false;
    ti_form_set_preset(form, panel->settings->preset);
    ti_form_take(form, panel->settings->options);
    ti_form_free(panel->form);
    panel->form = form;
    ti_panel_fill_options(panel);
    gtk_label_set_text(GTK_LABEL(panel->model_text), form->model ? form->model : _("No model"));
    gtk_widget_set_tooltip_text(panel->model_text, form->model ? form->model : form->problem);
    if (form->problem) ti_panel_message(panel, GTK_MESSAGE_ERROR, form->problem, false);
    ti_panel_refresh(panel);
    return form->model != NULL;
}

void ti_panel_show_entry(ti_panel *panel, const ti_entry *entry)
{
    if (ti_state_busy(panel->state)) return;
    if (entry && !g_strcmp0(entry->id, panel->shown_entry)) return;
    g_free(panel->shown_entry);
    panel->shown_entry = g_strdup(entry ? entry->id : NULL);
    ti_state_set_timeline(panel->state, NULL);
    ti_panel_show_timeline(panel);
    if (!entry) {
        ti_panel_show_text(panel, "", NULL);
        ti_picture_set(panel->picture, NULL);
        ti_panel_refresh(panel);
        return;
    }
    ti_panel_show_text(panel, entry->reasoning ? entry->reasoning : "", NULL);
    char seed[24];
    g_snprintf(seed, sizeof seed, "%" G_GINT64_FORMAT, entry->seed);
    g_free(panel->entry_text);
    panel->entry_text =
        g_strdup_printf(_("“%s” · seed %s · %s"), entry->instruction ? entry->instruction : "",
                        seed, entry->model ? entry->model : "");
    g_free(panel->entry_options);
    panel->entry_options = g_strdup(entry->options);
    ti_panel_refresh(panel);
}

void ti_panel_set_history(ti_panel *panel, GPtrArray *entries, GPtrArray *thumbnails)
{
    ti_state_set_history(panel->state, entries);
    ti_panel_fill_history(panel, thumbnails);
}

void ti_panel_set_waiting(ti_panel *panel, int edits)
{
    ti_state_set_waiting(panel->state, edits);
    ti_panel_refresh(panel);
}

void ti_panel_submitted(ti_panel *panel, int variation, int variations)
{
    ti_state_submitted(panel->state, variation, variations);
    g_clear_pointer(&panel->shown_entry, g_free);
    g_hash_table_remove_all(panel->step_pictures);
    ti_panel_show_timeline(panel);
    ti_panel_show_text(panel, "", NULL);
    ti_panel_refresh(panel);
}

void ti_panel_queued(ti_panel *panel, int position)
{
    ti_state_queued(panel->state, position);
    ti_panel_refresh(panel);
}

void ti_panel_progress(ti_panel *panel, const char *stage, int step, int steps, double seconds,
                       double seconds_left)
{
    ti_state_progress(panel->state, stage, step, steps, seconds, seconds_left);
    ti_panel_refresh(panel);
}

void ti_panel_text(ti_panel *panel, const char *text)
{
    ti_state_text(panel->state, text);
    ti_panel_show_text(panel, text, NULL);
}

void ti_panel_preview(ti_panel *panel, GdkPixbuf *picture)
{
    ti_picture_set(panel->picture, picture);
}

void ti_panel_applying(ti_panel *panel)
{
    ti_state_applying(panel->state);
    ti_panel_refresh(panel);
}

void ti_panel_done(ti_panel *panel, const char *reasoning, GdkPixbuf *picture, gint64 seed)
{
    char text[24];
    ti_state_done(panel->state, reasoning);
    g_clear_pointer(&panel->shown_entry, g_free);
    ti_panel_show_text(panel, reasoning, NULL);
    if (picture) ti_picture_set(panel->picture, picture);
    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, seed);
    gtk_entry_set_text(GTK_ENTRY(panel->seed), text);
    ti_panel_refresh(panel);
}

void ti_panel_failed(ti_panel *panel, const char *message, bool retry)
{
    ti_state_failed(panel->state, message, retry);
    ti_panel_message(panel, GTK_MESSAGE_ERROR, message, retry);
    ti_panel_refresh(panel);
}

void ti_panel_cancelled(ti_panel *panel)
{
    ti_state_cancelled(panel->state);
    ti_panel_refresh(panel);
}

void ti_panel_notice(ti_panel *panel, const char *message)
{
    ti_panel_message(panel, GTK_MESSAGE_INFO, message, false);
}

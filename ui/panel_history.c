/* panel_history.c - this image's edits: apply again, reuse settings, delete. */
#include "ui/panel_internal.h"

static const ti_entry *entry_of(ti_panel *panel, GtkWidget *button)
{
    const char *id = g_object_get_data(G_OBJECT(button), "ti-entry");
    for (guint i = 0; i < panel->state->history->len; i++) {
        const ti_entry *entry = g_ptr_array_index(panel->state->history, i);
        if (!g_strcmp0(entry->id, id)) return entry;
    }
    return NULL;
}

void ti_panel_reuse(ti_panel *panel, const ti_entry *entry)
{
    char seed[24];
    ti_panel_set_instruction(panel, entry->instruction ? entry->instruction : "");
    if (panel->form) {
        ti_form_reuse(panel->form, entry->options);
        ti_panel_keep_options(panel);
    }
    g_snprintf(seed, sizeof seed, "%" G_GINT64_FORMAT, MAX(0, entry->seed));
    gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(panel->seed_lock), TRUE);
    gtk_entry_set_text(GTK_ENTRY(panel->seed), seed);
    ti_panel_fill_options(panel);
    gtk_widget_grab_focus(panel->instruction);
}

static void on_reuse(GtkWidget *button, gpointer data)
{
    const ti_entry *entry = entry_of(data, button);
    if (entry) ti_panel_reuse(data, entry);
}

static void on_apply(GtkWidget *button, gpointer data)
{
    ti_panel *panel = data;
    const ti_entry *entry = entry_of(panel, button);
    if (entry) panel->host.apply_again(panel->host.user, entry->id);
}

static void on_forget(GtkWidget *button, gpointer data)
{
    ti_panel *panel = data;
    const ti_entry *entry = entry_of(panel, button);
    if (entry) panel->host.forget(panel->host.user, entry->id);
}

static void add_button(ti_panel *panel, GtkWidget *row, const ti_entry *entry, const char *text,
                       const char *tip, GCallback action)
{
    GtkWidget *button = gtk_button_new_with_label(text);
    gtk_widget_set_tooltip_text(button, tip);
    g_object_set_data_full(G_OBJECT(button), "ti-entry", g_strdup(entry->id), g_free);
    g_signal_connect(button, "clicked", action, panel);
    gtk_container_add(GTK_CONTAINER(row), button);
}

static GtkWidget *wrapped(const char *text, bool strong)
{
    GtkWidget *label = gtk_label_new(NULL);
    char *markup = g_markup_printf_escaped(strong ? "<b>%s</b>" : "%s", text ? text : "");
    gtk_label_set_markup(GTK_LABEL(label), markup);
    g_free(markup);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_label_set_line_wrap(GTK_LABEL(label), TRUE);
    gtk_label_set_line_wrap_mode(GTK_LABEL(label), PANGO_WRAP_WORD_CHAR);
    gtk_label_set_max_width_chars(GTK_LABEL(label), 40);
    gtk_label_set_lines(GTK_LABEL(label), 3);
    gtk_label_set_ellipsize(GTK_LABEL(label), PANGO_ELLIPSIZE_END);
    return label;
}

/* "Seed 7 · thinkedit-small · 26/01/31 12:00", as far as it is known. */
static char *entry_details(const ti_entry *entry)
{
    GString *text = g_string_new(NULL);
    g_autofree char *seed = g_strdup_printf("%" G_GINT64_FORMAT, entry->seed);
    g_string_append_printf(text, _("Seed %s"), seed);
    if (entry->model) g_string_append_printf(text, " · %s", entry->model);
    g_autoptr(GDateTime) when =
        entry->time ? g_date_time_new_from_iso8601(entry->time, NULL) : NULL;
    g_autoptr(GDateTime) here = when ? g_date_time_to_local(when) : NULL;
    g_autofree char *shown = here ? g_date_time_format(here, "%x %H:%M") : NULL;
    if (shown) g_string_append_printf(text, " · %s", shown);
    return g_string_free(text, FALSE);
}

static GtkWidget *build_entry(ti_panel *panel, const ti_entry *entry, GdkPixbuf *thumbnail)
{
    GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 8);
    GtkWidget *text = gtk_box_new(GTK_ORIENTATION_VERTICAL, 3);
    GtkWidget *buttons = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 4);
    GtkWidget *image = thumbnail
                           ? gtk_image_new_from_pixbuf(thumbnail)
                           : gtk_image_new_from_icon_name("image-x-generic", GTK_ICON_SIZE_DIALOG);
    gtk_widget_set_valign(image, GTK_ALIGN_START);
    gtk_container_add(GTK_CONTAINER(row), image);
    gtk_container_add(GTK_CONTAINER(text), wrapped(entry->instruction, true));
    gtk_container_add(GTK_CONTAINER(text), wrapped(entry->reasoning, false));
    g_autofree char *details = entry_details(entry);
    GtkWidget *small = wrapped(details, false);
    ti_panel_make_small(small);
    gtk_container_add(GTK_CONTAINER(text), small);
    add_button(panel, buttons, entry, _("Apply again"),
               _("Runs this edit again on what is selected now."), G_CALLBACK(on_apply));
    add_button(panel, buttons, entry, _("Reuse settings"),
               _("Copies its words, seed and values above."), G_CALLBACK(on_reuse));
    add_button(panel, buttons, entry, _("Delete"), _("Removes it from this list; its layer stays."),
               G_CALLBACK(on_forget));
    gtk_container_add(GTK_CONTAINER(text), buttons);
    gtk_widget_set_hexpand(text, TRUE);
    gtk_container_add(GTK_CONTAINER(row), text);
    g_object_set(row, "margin", 6, NULL);
    return row;
}

void ti_panel_fill_history(ti_panel *panel, GPtrArray *thumbnails)
{
    GList *children = gtk_container_get_children(GTK_CONTAINER(panel->history));
    g_list_free_full(children, (GDestroyNotify)gtk_widget_destroy);
    for (guint i = 0; i < panel->state->history->len; i++) {
        GdkPixbuf *thumbnail =
            thumbnails && i < thumbnails->len ? g_ptr_array_index(thumbnails, i) : NULL;
        gtk_container_add(
            GTK_CONTAINER(panel->history),
            build_entry(panel, g_ptr_array_index(panel->state->history, i), thumbnail));
    }
    if (!panel->state->history->len) {
        GtkWidget *empty = wrapped(_("Edits of this image will be listed here."), false);
        g_object_set(empty, "margin", 12, NULL);
        gtk_container_add(GTK_CONTAINER(panel->history), empty);
    }
    gtk_widget_show_all(panel->history);
}

/* Enter or a click on an entry: its words, picture and timeline on the first page. */
static void on_row(GtkListBox *list, GtkListBoxRow *row, gpointer data)
{
    (void)list;
    ti_panel *panel = data;
    guint i = (guint)gtk_list_box_row_get_index(row);
    if (ti_state_busy(panel->state) || i >= panel->state->history->len) return;
    const ti_entry *entry = g_ptr_array_index(panel->state->history, i);
    gtk_stack_set_visible_child_name(GTK_STACK(panel->stack), "result");
    panel->host.show(panel->host.user, entry->id);
}

GtkWidget *ti_panel_build_history(ti_panel *panel)
{
    GtkWidget *scroll = gtk_scrolled_window_new(NULL, NULL);
    panel->history = gtk_list_box_new();
    gtk_list_box_set_selection_mode(GTK_LIST_BOX(panel->history), GTK_SELECTION_NONE);
    g_signal_connect(panel->history, "row-activated", G_CALLBACK(on_row), panel);
    gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(scroll), GTK_POLICY_NEVER,
                                   GTK_POLICY_AUTOMATIC);
    atk_object_set_name(gtk_widget_get_accessible(panel->history), _("History"));
    gtk_container_add(GTK_CONTAINER(scroll), panel->history);
    ti_panel_fill_history(panel, NULL);
    return scroll;
}

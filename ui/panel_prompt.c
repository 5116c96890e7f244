/* panel_prompt.c - the instruction: several lines, past ones and saved ones from a menu. */
#include <string.h>

#include "ui/panel_internal.h"

char *ti_panel_instruction(ti_panel *panel)
{
    GtkTextBuffer *buffer = gtk_text_view_get_buffer(GTK_TEXT_VIEW(panel->instruction));
    GtkTextIter start, end;
    gtk_text_buffer_get_bounds(buffer, &start, &end);
    char *text = gtk_text_buffer_get_text(buffer, &start, &end, FALSE);
    return g_strstrip(text);
}

void ti_panel_set_instruction(ti_panel *panel, const char *text)
{
    gtk_text_buffer_set_text(gtk_text_view_get_buffer(GTK_TEXT_VIEW(panel->instruction)), text, -1);
}

static void on_changed(GtkTextBuffer *buffer, gpointer data)
{
    (void)buffer;
    ti_panel *panel = data;
    char *text = ti_panel_instruction(panel);
    ti_settings_set_draft(panel->settings, text);
    g_free(text);
    ti_panel_save_soon(panel);
    ti_panel_refresh(panel);
}

static void on_chosen(GtkMenuItem *item, gpointer data)
{
    ti_panel_set_instruction(data, g_object_get_data(G_OBJECT(item), "ti-text"));
    gtk_widget_grab_focus(((ti_panel *)data)->instruction);
}

static void on_keep(GtkMenuItem *item, gpointer data)
{
    (void)item;
    ti_panel *panel = data;
    char *text = ti_panel_instruction(panel);
    ti_settings_keep(panel->settings, text);
    g_free(text);
    ti_panel_save_soon(panel);
}

static void on_drop(GtkMenuItem *item, gpointer data)
{
    (void)item;
    ti_panel *panel = data;
    char *text = ti_panel_instruction(panel);
    ti_settings_drop(panel->settings, text);
    g_free(text);
    ti_panel_save_soon(panel);
}

static void add_texts(ti_panel *panel, GtkWidget *menu, const char *title, const GPtrArray *texts)
{
    if (!texts->len) return;
    GtkWidget *heading = gtk_menu_item_new_with_label(title);
    gtk_widget_set_sensitive(heading, FALSE);
    gtk_menu_shell_append(GTK_MENU_SHELL(menu), heading);
    for (guint i = 0; i < texts->len; i++) {
        const char *text = g_ptr_array_index(texts, i);
        GtkWidget *item = gtk_menu_item_new_with_label(text);
        GtkWidget *label = gtk_bin_get_child(GTK_BIN(item));
        gtk_label_set_ellipsize(GTK_LABEL(label), PANGO_ELLIPSIZE_END);
        gtk_label_set_max_width_chars(GTK_LABEL(label), 60);
        gtk_label_set_single_line_mode(GTK_LABEL(label), TRUE);
        g_object_set_data_full(G_OBJECT(item), "ti-text", g_strdup(text), g_free);
        g_signal_connect(item, "activate", G_CALLBACK(on_chosen), panel);
        gtk_menu_shell_append(GTK_MENU_SHELL(menu), item);
    }
    gtk_menu_shell_append(GTK_MENU_SHELL(menu), gtk_separator_menu_item_new());
}

static void add_action(ti_panel *panel, GtkWidget *menu, const char *text, GCallback action,
                       bool usable)
{
    GtkWidget *item = gtk_menu_item_new_with_mnemonic(text);
    gtk_widget_set_sensitive(item, usable);
    g_signal_connect(item, "activate", action, panel);
    gtk_menu_shell_append(GTK_MENU_SHELL(menu), item);
}

/* Made anew each time it opens: the lists are short and always true. */
static void on_menu(GtkButton *button, gpointer data)
{
    ti_panel *panel = data;
    GtkWidget *menu = gtk_menu_new();
    char *now = ti_panel_instruction(panel);
    bool is_saved = false;
    for (guint i = 0; i < panel->settings->saved->len; i++)
        is_saved |= !strcmp(g_ptr_array_index(panel->settings->saved, i), now);
    add_texts(panel, menu, _("Saved prompts"), panel->settings->saved);
    add_texts(panel, menu, _("Recent"), panel->settings->recent);
    add_action(panel, menu, _("_Save this prompt"), G_CALLBACK(on_keep), *now && !is_saved);
    add_action(panel, menu, _("_Forget this saved prompt"), G_CALLBACK(on_drop), is_saved);
    g_free(now);
    gtk_widget_show_all(menu);
    g_signal_connect(menu, "selection-done", G_CALLBACK(gtk_widget_destroy), NULL);
    gtk_menu_popup_at_widget(GTK_MENU(menu), GTK_WIDGET(button), GDK_GRAVITY_SOUTH_WEST,
                             GDK_GRAVITY_NORTH_WEST, NULL);
}

GtkWidget *ti_panel_build_prompt(ti_panel *panel)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 4);
    GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6);
    panel->instruction = gtk_text_view_new();
    gtk_text_view_set_wrap_mode(GTK_TEXT_VIEW(panel->instruction), GTK_WRAP_WORD_CHAR);
    gtk_text_view_set_accepts_tab(GTK_TEXT_VIEW(panel->instruction), FALSE);
    gtk_text_view_set_left_margin(GTK_TEXT_VIEW(panel->instruction), 6);
    gtk_text_view_set_right_margin(GTK_TEXT_VIEW(panel->instruction), 6);
    gtk_text_view_set_top_margin(GTK_TEXT_VIEW(panel->instruction), 4);
    atk_object_set_name(gtk_widget_get_accessible(panel->instruction), _("Instruction"));
    gtk_widget_set_tooltip_text(panel->instruction,
                                _("What should change, in your words. Ctrl+Enter generates."));
    GtkWidget *label = ti_panel_label(_("_What should change?"), panel->instruction);
    gtk_widget_set_hexpand(label, TRUE);
    gtk_container_add(GTK_CONTAINER(row), label);
    GtkWidget *prompts = gtk_button_new_with_mnemonic(_("Prom_pts"));
    g_signal_connect(prompts, "clicked", G_CALLBACK(on_menu), panel);
    gtk_container_add(GTK_CONTAINER(row), prompts);
    gtk_container_add(GTK_CONTAINER(box), row);
    GtkWidget *scroll = gtk_scrolled_window_new(NULL, NULL);
    gtk_scrolled_window_set_shadow_type(GTK_SCROLLED_WINDOW(scroll), GTK_SHADOW_IN);
    gtk_scrolled_window_set_min_content_height(GTK_SCROLLED_WINDOW(scroll), 56);
    gtk_container_add(GTK_CONTAINER(scroll), panel->instruction);
    gtk_container_add(GTK_CONTAINER(box), scroll);
    gtk_text_buffer_set_text(gtk_text_view_get_buffer(GTK_TEXT_VIEW(panel->instruction)),
                             panel->settings->draft, -1);
    g_signal_connect(gtk_text_view_get_buffer(GTK_TEXT_VIEW(panel->instruction)), "changed",
                     G_CALLBACK(on_changed), panel);
    return box;
}

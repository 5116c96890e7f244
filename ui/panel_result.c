/* panel_result.c - the picture and the reasoning as they come, and the timeline afterwards: words
 * and picture regions revealed in the same step are marked together (the paper's figure 5). Marks
 * do not rely on colour: new words are bold and underlined, new regions outlined. */
#include <string.h>

#include "ui/panel_internal.h"

static char *reasoning_text(ti_panel *panel)
{
    GtkTextBuffer *buffer = gtk_text_view_get_buffer(GTK_TEXT_VIEW(panel->reasoning));
    GtkTextIter start, end;
    gtk_text_buffer_get_bounds(buffer, &start, &end);
    return gtk_text_buffer_get_text(buffer, &start, &end, FALSE);
}

/* Blocks of masked words are dimmed by a tag, so that known words stand out while it thinks. */
static void tag_masked(ti_panel *panel, GtkTextBuffer *buffer, const char *text)
{
    int at = 0, first = -1;
    for (const char *p = text;; p = g_utf8_next_char(p), at++) {
        bool masked = *p && g_utf8_get_char(p) == 0x2588;
        if (masked && first < 0) first = at;
        if (!masked && first >= 0) {
            GtkTextIter a, b;
            gtk_text_buffer_get_iter_at_offset(buffer, &a, first);
            gtk_text_buffer_get_iter_at_offset(buffer, &b, at);
            gtk_text_buffer_apply_tag(buffer, panel->masked, &a, &b);
            first = -1;
        }
        if (!*p) return;
    }
}

void ti_panel_show_text(ti_panel *panel, const char *text, const ti_step *step)
{
    GtkTextBuffer *buffer = gtk_text_view_get_buffer(GTK_TEXT_VIEW(panel->reasoning));
    char *before = reasoning_text(panel);
    if (strcmp(before, text)) gtk_text_buffer_set_text(buffer, text, -1);
    g_free(before);
    GtkTextIter start, end;
    gtk_text_buffer_get_bounds(buffer, &start, &end);
    gtk_text_buffer_remove_all_tags(buffer, &start, &end);
    tag_masked(panel, buffer, text);
    for (guint i = 0; step && i < step->revealed_text->len; i++) {
        ti_range range = g_array_index(step->revealed_text, ti_range, i);
        gtk_text_buffer_get_iter_at_offset(buffer, &start, range.first);
        gtk_text_buffer_get_iter_at_offset(buffer, &end, range.end);
        gtk_text_buffer_apply_tag(buffer, panel->new_words, &start, &end);
    }
    gtk_widget_set_sensitive(panel->copy, *text != '\0');
    gtk_widget_set_sensitive(panel->to_layer, *text != '\0');
}

static void on_copy(GtkButton *button, gpointer data)
{
    (void)button;
    char *text = reasoning_text(data);
    gtk_clipboard_set_text(gtk_clipboard_get(GDK_SELECTION_CLIPBOARD), text, -1);
    g_free(text);
}

static void on_to_layer(GtkButton *button, gpointer data)
{
    (void)button;
    ti_panel *panel = data;
    char *text = reasoning_text(panel);
    panel->host.text_layer(panel->host.user, text);
    g_free(text);
}

/* ---- timeline ---------------------------------------------------------------------------- */

static void show_step(ti_panel *panel, int number)
{
    const ti_step *step = ti_timeline_step(panel->state->timeline, number);
    int n = ti_timeline_length(panel->state->timeline);
    if (!step) return;
    panel->state->shown_step = number;
    bool last = number == n - 1;
    ti_panel_show_text(panel, last ? panel->state->text : step->reasoning, step);
    ti_picture_mark(panel->picture, (const int *)step->revealed_image->data,
                    (int)step->revealed_image->len, panel->state->timeline->grid_width,
                    panel->state->timeline->grid_height);
    char *text = g_strdup_printf(_("Step %d of %d: %d words and %d picture tokens still hidden"),
                                 number + 1, n, step->masked_text, step->masked_image);
    gtk_label_set_text(GTK_LABEL(panel->timeline_text), text);
    g_free(text);
    panel->wanted_step = number;
    GdkPixbuf *known = g_hash_table_lookup(panel->step_pictures, GINT_TO_POINTER(number));
    if (known)
        ti_picture_set(panel->picture, known);
    else
        panel->host.draw_step(panel->host.user, number);
}

static void on_slider(GtkRange *range, gpointer data)
{
    ti_panel *panel = data;
    if (!panel->filling) show_step(panel, (int)(gtk_range_get_value(range) + 0.5) - 1);
}

void ti_panel_show_timeline(ti_panel *panel)
{
    int n = ti_timeline_length(panel->state->timeline);
    gtk_widget_set_visible(panel->timeline_box, n > 1);
    ti_picture_mark(panel->picture, NULL, 0, 0, 0);
    if (n < 2) return;
    panel->filling = true;
    gtk_range_set_range(GTK_RANGE(panel->timeline), 1, n);
    gtk_range_set_value(GTK_RANGE(panel->timeline), n);
    panel->filling = false;
    gtk_label_set_text(GTK_LABEL(panel->timeline_text),
                       _("Move it to see how words and picture came about."));
}

static GtkWidget *build_timeline(ti_panel *panel)
{
    panel->timeline_box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 2);
    panel->timeline = gtk_scale_new_with_range(GTK_ORIENTATION_HORIZONTAL, 1, 2, 1);
    gtk_scale_set_draw_value(GTK_SCALE(panel->timeline), FALSE); /* the line below says it */
    atk_object_set_name(gtk_widget_get_accessible(panel->timeline), _("Denoising step"));
    g_signal_connect(panel->timeline, "value-changed", G_CALLBACK(on_slider), panel);
    GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 8);
    gtk_widget_set_hexpand(panel->timeline, TRUE);
    gtk_container_add(GTK_CONTAINER(row), ti_panel_label(_("_Timeline"), panel->timeline));
    gtk_container_add(GTK_CONTAINER(row), panel->timeline);
    gtk_container_add(GTK_CONTAINER(panel->timeline_box), row);
    panel->timeline_text = gtk_label_new("");
    gtk_label_set_xalign(GTK_LABEL(panel->timeline_text), 0);
    gtk_label_set_line_wrap(GTK_LABEL(panel->timeline_text), TRUE);
    gtk_container_add(GTK_CONTAINER(panel->timeline_box), panel->timeline_text);
    gtk_widget_show_all(panel->timeline_box);
    gtk_widget_set_no_show_all(panel->timeline_box, TRUE);
    gtk_widget_hide(panel->timeline_box);
    return panel->timeline_box;
}

static GtkWidget *build_text(ti_panel *panel)
{
    panel->reasoning = gtk_text_view_new();
    gtk_text_view_set_editable(GTK_TEXT_VIEW(panel->reasoning), FALSE);
    gtk_text_view_set_accepts_tab(GTK_TEXT_VIEW(panel->reasoning), FALSE);
    gtk_text_view_set_wrap_mode(GTK_TEXT_VIEW(panel->reasoning), GTK_WRAP_WORD_CHAR);
    gtk_text_view_set_left_margin(GTK_TEXT_VIEW(panel->reasoning), 6);
    gtk_text_view_set_right_margin(GTK_TEXT_VIEW(panel->reasoning), 6);
    gtk_text_view_set_top_margin(GTK_TEXT_VIEW(panel->reasoning), 4);
    atk_object_set_name(gtk_widget_get_accessible(panel->reasoning), _("Reasoning"));
    GtkTextBuffer *buffer = gtk_text_view_get_buffer(GTK_TEXT_VIEW(panel->reasoning));
    panel->new_words = gtk_text_buffer_create_tag(buffer, NULL, "weight", PANGO_WEIGHT_BOLD,
                                                  "underline", PANGO_UNDERLINE_SINGLE, NULL);
    panel->masked = gtk_text_buffer_create_tag(buffer, NULL, "scale", 0.8, NULL);
    GtkWidget *scroll = gtk_scrolled_window_new(NULL, NULL);
    gtk_scrolled_window_set_shadow_type(GTK_SCROLLED_WINDOW(scroll), GTK_SHADOW_IN);
    gtk_scrolled_window_set_min_content_height(GTK_SCROLLED_WINDOW(scroll), 60);
    gtk_widget_set_vexpand(scroll, TRUE);
    gtk_container_add(GTK_CONTAINER(scroll), panel->reasoning);
    return scroll;
}

static GtkWidget *build_reasoning(ti_panel *panel)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);
    GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6), *text = build_text(panel);
    GtkWidget *label = ti_panel_label(_("Reaso_ning"), panel->reasoning);
    gtk_widget_set_hexpand(label, TRUE);
    gtk_container_add(GTK_CONTAINER(row), label);
    panel->copy = gtk_button_new_with_mnemonic(_("_Copy"));
    gtk_widget_set_tooltip_text(panel->copy, _("Copies the reasoning as text."));
    panel->to_layer = gtk_button_new_with_mnemonic(_("To a te_xt layer"));
    gtk_widget_set_tooltip_text(panel->to_layer,
                                _("Puts the reasoning on the canvas as a text layer."));
    g_signal_connect(panel->copy, "clicked", G_CALLBACK(on_copy), panel);
    g_signal_connect(panel->to_layer, "clicked", G_CALLBACK(on_to_layer), panel);
    gtk_container_add(GTK_CONTAINER(row), panel->copy);
    gtk_container_add(GTK_CONTAINER(row), panel->to_layer);
    gtk_widget_set_sensitive(panel->copy, FALSE);
    gtk_widget_set_sensitive(panel->to_layer, FALSE);
    gtk_container_add(GTK_CONTAINER(box), row);
    gtk_container_add(GTK_CONTAINER(box), text);
    gtk_widget_set_margin_top(box, 6); /* below the handle */
    return box;
}

/* Picture above, words below; the handle between them gives room to either. */
GtkWidget *ti_panel_build_result(ti_panel *panel)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);
    GtkWidget *paned = gtk_paned_new(GTK_ORIENTATION_VERTICAL);
    panel->picture = ti_picture_new();
    atk_object_set_name(gtk_widget_get_accessible(panel->picture), _("Picture so far"));
    gtk_paned_pack1(GTK_PANED(paned), panel->picture, TRUE, FALSE);
    gtk_paned_pack2(GTK_PANED(paned), build_reasoning(panel), FALSE, FALSE);
    gtk_widget_set_vexpand(paned, TRUE);
    gtk_container_add(GTK_CONTAINER(box), paned);
    gtk_container_add(GTK_CONTAINER(box), build_timeline(panel));
    return box;
}

void ti_panel_set_steps(ti_panel *panel, const char *json, gssize length)
{
    ti_timeline *timeline = ti_timeline_parse(json, length, NULL);
    if (!timeline) return;
    ti_state_set_timeline(panel->state, timeline);
    ti_panel_show_timeline(panel);
}

void ti_panel_step_picture(ti_panel *panel, int step, GdkPixbuf *picture)
{
    if (!picture) return;
    g_hash_table_insert(panel->step_pictures, GINT_TO_POINTER(step), g_object_ref(picture));
    if (panel->wanted_step == step) ti_picture_set(panel->picture, picture);
}

/* panel_target.c - what the next edit will change: layer and image, whole or selection, and, for a
 * layer that came of an edit, whether to start over from the layer that it was made of. */
#include "ui/panel_internal.h"

enum { THUMBNAIL_SIDE = 72 };

static void show_size(ti_panel *panel)
{
    char *text = ti_state_target_text(panel->state, panel->settings->use_selection);
    gtk_label_set_text(GTK_LABEL(panel->target_size), text);
    g_free(text);
}

static void on_use_selection(GtkToggleButton *toggle, gpointer data)
{
    ti_panel *panel = data;
    if (panel->filling) return;
    panel->settings->use_selection = gtk_toggle_button_get_active(toggle);
    ti_panel_save_soon(panel);
    show_size(panel);
}

static void on_from_source(GtkToggleButton *toggle, gpointer data)
{
    ti_panel *panel = data;
    if (panel->filling) return;
    panel->settings->from_source = gtk_toggle_button_get_active(toggle);
    ti_panel_save_soon(panel);
    panel->host.poll(panel->host.user);
}

bool ti_panel_wants_source(const ti_panel *panel)
{
    return panel->settings->from_source;
}

static GtkWidget *build_check(ti_panel *panel, const char *text, const char *tip, bool active,
                              GCallback toggled)
{
    GtkWidget *check = gtk_check_button_new_with_mnemonic(text);
    gtk_widget_set_tooltip_text(check, tip);
    gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(check), active);
    g_signal_connect(check, "toggled", toggled, panel);
    return check;
}

/* Names can be long and full of anything: one line each, cut at the end. */
static GtkWidget *build_line(const char *text)
{
    GtkWidget *label = gtk_label_new(text);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_label_set_ellipsize(GTK_LABEL(label), PANGO_ELLIPSIZE_END);
    gtk_label_set_single_line_mode(GTK_LABEL(label), TRUE);
    return label;
}

GtkWidget *ti_panel_build_target(ti_panel *panel)
{
    GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 10);
    GtkWidget *text = gtk_box_new(GTK_ORIENTATION_VERTICAL, 2);
    panel->thumbnail = gtk_image_new_from_icon_name("image-x-generic", GTK_ICON_SIZE_DIALOG);
    gtk_widget_set_size_request(panel->thumbnail, THUMBNAIL_SIDE, THUMBNAIL_SIDE);
    gtk_widget_set_valign(panel->thumbnail, GTK_ALIGN_START);
    atk_object_set_name(gtk_widget_get_accessible(panel->thumbnail), _("What will be edited"));
    panel->target_name = build_line(_("No image"));
    panel->model_text = build_line(_("Connecting to the engine…"));
    ti_panel_make_small(panel->model_text);
    panel->target_size = gtk_label_new("");
    gtk_label_set_xalign(GTK_LABEL(panel->target_size), 0);
    gtk_label_set_line_wrap(GTK_LABEL(panel->target_size), TRUE);
    gtk_label_set_line_wrap_mode(GTK_LABEL(panel->target_size), PANGO_WRAP_WORD_CHAR);
    panel->use_selection =
        build_check(panel, _("Edit the _selection only"),
                    _("Nothing outside the selection changes; the model sees what "
                      "is around it."),
                    panel->settings->use_selection, G_CALLBACK(on_use_selection));
    gtk_widget_set_sensitive(panel->use_selection, FALSE);
    panel->from_source = build_check(panel, "",
                                     _("The chosen layer came of an edit. Start over from "
                                       "the layer that it was made of."),
                                     panel->settings->from_source, G_CALLBACK(on_from_source));
    gtk_label_set_ellipsize(GTK_LABEL(gtk_bin_get_child(GTK_BIN(panel->from_source))),
                            PANGO_ELLIPSIZE_END);
    gtk_widget_set_no_show_all(panel->from_source, TRUE);
    GtkWidget *lines[] = {panel->target_name, panel->target_size, panel->model_text,
                          panel->use_selection, panel->from_source};
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        gtk_container_add(GTK_CONTAINER(text), lines[i]);
    gtk_widget_set_hexpand(text, TRUE);
    gtk_container_add(GTK_CONTAINER(row), panel->thumbnail);
    gtk_container_add(GTK_CONTAINER(row), text);
    return row;
}

static void show_source(ti_panel *panel, const char *source)
{
    gtk_widget_set_visible(panel->from_source, source != NULL);
    if (!source) return;
    char *text = g_strdup_printf(_("Start _over from “%s”"), source);
    gtk_button_set_label(GTK_BUTTON(panel->from_source), text);
    gtk_button_set_use_underline(GTK_BUTTON(panel->from_source), TRUE);
    g_free(text);
}

void ti_panel_set_target(ti_panel *panel, const ti_target *target, GdkPixbuf *thumbnail)
{
    ti_state_set_target(panel->state, target);
    char *name = target->image ? g_strdup_printf("%s · %s", target->layer ? target->layer : "–",
                                                 target->image)
                               : g_strdup(_("No image"));
    gtk_label_set_text(GTK_LABEL(panel->target_name), name);
    gtk_widget_set_tooltip_text(panel->target_name, name);
    g_free(name);
    show_size(panel);
    show_source(panel, target->source);
    gtk_widget_set_sensitive(panel->use_selection, target->has_selection);
    if (thumbnail)
        gtk_image_set_from_pixbuf(GTK_IMAGE(panel->thumbnail), thumbnail);
    else if (!target->layer)
        gtk_image_set_from_icon_name(GTK_IMAGE(panel->thumbnail), "image-x-generic",
                                     GTK_ICON_SIZE_DIALOG);
    ti_panel_refresh(panel);
}

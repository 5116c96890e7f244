/* panel_options.c - quality preset, variations, output, seed with its lock, and the advanced
 * values, whose widgets are built from the server's option table. */
#include <stdlib.h>
#include <string.h>

#include "ui/panel_internal.h"

static const struct {
    const char *id, *text;
} presets[] = {
    {"fast", N_("Fast")}, {"balanced", N_("Balanced")}, {"paper", N_("Paper's settings")}};

static const char *const outputs[] = {N_("New layer"), N_("Replace the layer"), N_("New image")};

/* A label and what it names, in columns COLUMN and COLUMN + 1. WIDGET may hold the named one. */
static void attach(GtkWidget *grid, int column, int row, const char *text, GtkWidget *widget,
                   GtkWidget *named)
{
    char **halves = g_strsplit(text, "_", 2), *name = g_strjoinv("", halves);
    atk_object_set_name(gtk_widget_get_accessible(named), name);
    g_strfreev(halves);
    g_free(name);
    gtk_grid_attach(GTK_GRID(grid), ti_panel_label(text, named), column, row, 1, 1);
    gtk_widget_set_hexpand(widget, TRUE);
    gtk_grid_attach(GTK_GRID(grid), widget, column + 1, row, 1, 1);
}

/* ---- advanced values --------------------------------------------------------------------- */

void ti_panel_keep_options(ti_panel *panel)
{
    char *values = ti_form_values(panel->form);
    ti_settings_set_options(panel->settings, panel->form->preset, values);
    gtk_widget_set_sensitive(panel->reset, *values != '\0');
    g_free(values);
    ti_panel_save_soon(panel);
}

static void take_value(ti_panel *panel, GtkWidget *widget, const char *value)
{
    if (panel->filling) return;
    ti_form_set(panel->form, g_object_get_data(G_OBJECT(widget), "ti-option"), value);
    ti_panel_keep_options(panel);
}

static void on_number(GtkSpinButton *spin, gpointer data)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd(text, sizeof text, "%.10g", gtk_spin_button_get_value(spin));
    take_value(data, GTK_WIDGET(spin), text);
}

static void on_choice(GtkComboBox *combo, gpointer data)
{
    const char *id = gtk_combo_box_get_active_id(combo);
    if (id) take_value(data, GTK_WIDGET(combo), id);
}

static GtkWidget *number_widget(ti_panel *panel, const ti_form_row *row)
{
    double step = row->type == TI_FORM_INT ? 1 : 0.1;
    GtkWidget *spin = gtk_spin_button_new_with_range(row->min, row->max, step);
    gtk_spin_button_set_digits(GTK_SPIN_BUTTON(spin), row->type == TI_FORM_INT ? 0 : 2);
    gtk_spin_button_set_value(GTK_SPIN_BUTTON(spin),
                              g_ascii_strtod(ti_form_effective(panel->form, row), NULL));
    g_signal_connect(spin, "value-changed", G_CALLBACK(on_number), panel);
    return spin;
}

static GtkWidget *choice_widget(ti_panel *panel, const ti_form_row *row)
{
    GtkWidget *combo = gtk_combo_box_text_new();
    for (char **c = row->choices; c && *c; c++)
        gtk_combo_box_text_append(GTK_COMBO_BOX_TEXT(combo), *c, _(*c));
    gtk_combo_box_set_active_id(GTK_COMBO_BOX(combo), ti_form_effective(panel->form, row));
    g_signal_connect(combo, "changed", G_CALLBACK(on_choice), panel);
    return combo;
}

/* The engine's summary, "denoising steps of the picture", begins with a capital letter here. The
 * option's name, by which scripts know it, is in the tooltip. */
static void add_row(ti_panel *panel, int line, const ti_form_row *row)
{
    GtkWidget *grid = panel->advanced_grid;
    GtkWidget *widget =
        row->type == TI_FORM_CHOICE ? choice_widget(panel, row) : number_widget(panel, row);
    const char *summary = *row->summary ? _(row->summary) : row->name;
    char *first = g_utf8_strup(summary, g_utf8_next_char(summary) - summary);
    char *text = g_strconcat(first, g_utf8_next_char(summary), NULL);
    char *tip = g_strdup_printf(_("In scripts and on the command line: %s"), row->name);
    GtkWidget *label = gtk_label_new(text);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_label_set_line_wrap(GTK_LABEL(label), TRUE);
    gtk_label_set_max_width_chars(GTK_LABEL(label), 30);
    gtk_widget_set_hexpand(label, TRUE);
    gtk_widget_set_tooltip_text(label, tip);
    gtk_widget_set_tooltip_text(widget, tip);
    atk_object_set_name(gtk_widget_get_accessible(widget), text);
    g_object_set_data_full(G_OBJECT(widget), "ti-option", g_strdup(row->name), g_free);
    gtk_widget_set_valign(widget, GTK_ALIGN_CENTER);
    gtk_grid_attach(GTK_GRID(grid), label, 0, line, 1, 1);
    gtk_grid_attach(GTK_GRID(grid), widget, 1, line, 1, 1);
    g_free(first);
    g_free(text);
    g_free(tip);
}

void ti_panel_fill_options(ti_panel *panel)
{
    panel->filling = true;
    GList *children = gtk_container_get_children(GTK_CONTAINER(panel->advanced_grid));
    g_list_free_full(children, (GDestroyNotify)gtk_widget_destroy);
    for (guint i = 0; panel->form && i < panel->form->rows->len; i++)
        add_row(panel, (int)i, g_ptr_array_index(panel->form->rows, i));
    gtk_widget_show_all(panel->advanced_grid);
    if (panel->form && panel->form->rows->len) {
        gtk_combo_box_set_active_id(GTK_COMBO_BOX(panel->preset), panel->form->preset);
        ti_panel_keep_options(panel);
    }
    panel->filling = false;
}

/* ---- the row everybody sees -------------------------------------------------------------- */

static void on_preset(GtkComboBox *combo, gpointer data)
{
    ti_panel *panel = data;
    const char *id = gtk_combo_box_get_active_id(combo);
    if (panel->filling || !id) return;
    ti_settings_set_options(panel->settings, id, "");
    ti_panel_save_soon(panel);
    if (panel->form) ti_form_set_preset(panel->form, id);
    ti_panel_fill_options(panel);
}

static void on_reset(GtkButton *button, gpointer data)
{
    (void)button;
    ti_panel *panel = data;
    if (panel->form) ti_form_set_preset(panel->form, panel->form->preset);
    ti_panel_fill_options(panel);
}

static void on_simple_setting(GtkWidget *widget, gpointer data)
{
    (void)widget;
    ti_panel *panel = data;
    if (panel->filling) return;
    ti_settings *s = panel->settings;
    s->variations = gtk_spin_button_get_value_as_int(GTK_SPIN_BUTTON(panel->variations));
    s->output = gtk_combo_box_get_active(GTK_COMBO_BOX(panel->output));
    s->seed_locked = gtk_toggle_button_get_active(GTK_TOGGLE_BUTTON(panel->seed_lock));
    s->seed = g_ascii_strtoll(gtk_entry_get_text(GTK_ENTRY(panel->seed)), NULL, 10);
    gtk_widget_set_sensitive(panel->seed, s->seed_locked);
    ti_panel_save_soon(panel);
}

/* Digits only: what is not a seed cannot be typed. */
static void on_seed_text(GtkEditable *editable, char *text, int length, int *position,
                         gpointer data)
{
    (void)position;
    (void)data;
    for (int i = 0; i < length; i++)
        if (!g_ascii_isdigit(text[i])) {
            g_signal_stop_emission_by_name(editable, "insert-text");
            return;
        }
}

static GtkWidget *build_seed(ti_panel *panel)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6);
    char text[24];
    panel->seed = gtk_entry_new();
    gtk_entry_set_max_length(GTK_ENTRY(panel->seed), 16); /* as JSON and the engine can have it */
    gtk_entry_set_width_chars(GTK_ENTRY(panel->seed), 10);
    gtk_entry_set_placeholder_text(GTK_ENTRY(panel->seed), _("random"));
    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, panel->settings->seed);
    if (panel->settings->seed >= 0) gtk_entry_set_text(GTK_ENTRY(panel->seed), text);
    gtk_widget_set_sensitive(panel->seed, panel->settings->seed_locked);
    gtk_widget_set_hexpand(panel->seed, TRUE);
    panel->seed_lock = gtk_check_button_new_with_mnemonic(_("_Keep"));
    gtk_widget_set_tooltip_text(
        panel->seed_lock, _("Use the same seed again: the same words give the same picture."));
    gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(panel->seed_lock), panel->settings->seed_locked);
    gtk_container_add(GTK_CONTAINER(box), panel->seed);
    gtk_container_add(GTK_CONTAINER(box), panel->seed_lock);
    g_signal_connect(panel->seed, "insert-text", G_CALLBACK(on_seed_text), panel);
    g_signal_connect(panel->seed, "changed", G_CALLBACK(on_simple_setting), panel);
    g_signal_connect(panel->seed_lock, "toggled", G_CALLBACK(on_simple_setting), panel);
    return box;
}

GtkWidget *ti_panel_build_options(ti_panel *panel)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6), *grid = gtk_grid_new();
    gtk_grid_set_row_spacing(GTK_GRID(grid), 4);
    gtk_grid_set_column_spacing(GTK_GRID(grid), 8);
    panel->preset = gtk_combo_box_text_new();
    for (gsize i = 0; i < G_N_ELEMENTS(presets); i++)
        gtk_combo_box_text_append(GTK_COMBO_BOX_TEXT(panel->preset), presets[i].id,
                                  _(presets[i].text));
    gtk_combo_box_set_active_id(GTK_COMBO_BOX(panel->preset), panel->settings->preset);
    g_signal_connect(panel->preset, "changed", G_CALLBACK(on_preset), panel);
    attach(grid, 0, 0, _("_Quality"), panel->preset, panel->preset);
    panel->output = gtk_combo_box_text_new();
    for (gsize i = 0; i < G_N_ELEMENTS(outputs); i++)
        gtk_combo_box_text_append(GTK_COMBO_BOX_TEXT(panel->output), NULL, _(outputs[i]));
    gtk_combo_box_set_active(GTK_COMBO_BOX(panel->output), panel->settings->output);
    g_signal_connect(panel->output, "changed", G_CALLBACK(on_simple_setting), panel);
    attach(grid, 2, 0, _("_Result"), panel->output, panel->output);
    panel->variations = gtk_spin_button_new_with_range(1, 8, 1);
    gtk_entry_set_width_chars(GTK_ENTRY(panel->variations), 2);
    gtk_spin_button_set_value(GTK_SPIN_BUTTON(panel->variations), panel->settings->variations);
    g_signal_connect(panel->variations, "value-changed", G_CALLBACK(on_simple_setting), panel);
    attach(grid, 0, 1, _("_Variations"), panel->variations, panel->variations);
    GtkWidget *seed = build_seed(panel);
    attach(grid, 2, 1, _("S_eed"), seed, panel->seed);
    gtk_container_add(GTK_CONTAINER(box), grid);
    return box;
}

GtkWidget *ti_panel_build_advanced(ti_panel *panel)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);
    GtkWidget *scroll = gtk_scrolled_window_new(NULL, NULL);
    panel->advanced_grid = gtk_grid_new();
    gtk_grid_set_row_spacing(GTK_GRID(panel->advanced_grid), 4);
    gtk_grid_set_column_spacing(GTK_GRID(panel->advanced_grid), 8);
    gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(scroll), GTK_POLICY_NEVER,
                                   GTK_POLICY_AUTOMATIC);
    gtk_widget_set_vexpand(scroll, TRUE);
    gtk_container_add(GTK_CONTAINER(scroll), panel->advanced_grid);
    panel->reset = gtk_button_new_with_mnemonic(_("_Back to the preset's values"));
    gtk_widget_set_halign(panel->reset, GTK_ALIGN_START);
    gtk_widget_set_sensitive(panel->reset, FALSE);
    g_signal_connect(panel->reset, "clicked", G_CALLBACK(on_reset), panel);
    gtk_container_add(GTK_CONTAINER(box), scroll);
    gtk_container_add(GTK_CONTAINER(box), panel->reset);
    return box;
}

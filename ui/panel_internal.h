/* panel_internal.h - the panel's parts, shared by its files. */
#ifndef TI_UI_PANEL_INTERNAL_H
#define TI_UI_PANEL_INTERNAL_H

#include "ui/form.h"
#include "ui/i18n.h"
#include "ui/panel.h"
#include "ui/picture.h"
#include "ui/settings.h"

struct ti_panel {
    ti_panel_host host;
    ti_state *state;
    ti_settings *settings;
    ti_form *form; /* NULL until the server has spoken */
    guint poll, save;
    bool said_unsaved;                /* that the settings cannot be written */
    char *shown_entry;                /* id of the entry on show, NULL: the newest result */
    char *entry_text, *entry_options; /* what is said of it */

    GtkWidget *window;
    GtkWidget *info_bar, *info_text, *retry;
    GtkWidget *thumbnail, *target_name, *target_size, *use_selection, *from_source, *model_text;
    GtkWidget *instruction;
    GtkWidget *preset, *variations, *output, *seed, *seed_lock, *advanced_grid, *reset;
    GtkWidget *generate, *cancel, *cancel_all, *progress, *status;
    GtkWidget *stack, *picture, *reasoning, *timeline_box, *timeline, *timeline_text;
    GtkWidget *copy, *to_layer, *history;
    GtkTextTag *new_words, *masked;
    GHashTable *step_pictures; /* step -> GdkPixbuf */
    int wanted_step;
    bool filling; /* widgets are being set by the program: handlers keep still */
};

/* panel_target.c */
GtkWidget *ti_panel_build_target(ti_panel *panel);

/* panel_prompt.c */
GtkWidget *ti_panel_build_prompt(ti_panel *panel);
char *ti_panel_instruction(ti_panel *panel); /* caller frees */
void ti_panel_set_instruction(ti_panel *panel, const char *text);

/* panel_options.c */
GtkWidget *ti_panel_build_options(ti_panel *panel);
GtkWidget *ti_panel_build_advanced(ti_panel *panel);
void ti_panel_fill_options(ti_panel *panel);
void ti_panel_keep_options(ti_panel *panel); /* the form's values into the settings */

/* panel_result.c */
GtkWidget *ti_panel_build_result(ti_panel *panel);
void ti_panel_show_text(ti_panel *panel, const char *text, const ti_step *step);
void ti_panel_show_timeline(ti_panel *panel);

/* panel_history.c */
GtkWidget *ti_panel_build_history(ti_panel *panel);
void ti_panel_fill_history(ti_panel *panel, GPtrArray *thumbnails);
void ti_panel_reuse(ti_panel *panel, const ti_entry *entry);

/* panel.c */
void ti_panel_refresh(ti_panel *panel);   /* buttons, progress and status from the state */
void ti_panel_save_soon(ti_panel *panel); /* settings to disk within half a second */
void ti_panel_message(ti_panel *panel, GtkMessageType type, const char *text, bool retry);
GtkWidget *ti_panel_label(const char *text, GtkWidget *names); /* mnemonic label for a widget */
void ti_panel_make_small(GtkWidget *label);

#endif

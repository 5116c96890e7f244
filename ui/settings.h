/* settings.h - what the panel remembers between runs: the draft, past instructions, saved prompts,
 * the window's size. Written at every change, atomically, since GIMP may kill the process at any
 * moment. */
#ifndef TI_UI_SETTINGS_H
#define TI_UI_SETTINGS_H

#include <glib.h>
#include <stdbool.h>

#define TI_SETTINGS_RECENT 30

typedef struct ti_settings {
    char *path;
    char *draft;       /* the instruction being written */
    GPtrArray *recent; /* char *, newest first, no duplicates */
    GPtrArray *saved;  /* char *, in the order they were saved */
    char *preset;
    char *options; /* values other than the preset's, "key=value ..." */
    gint64 seed;
    bool seed_locked;
    int variations, output;
    bool use_selection, from_source;
    int width, height; /* of the window; height 0: not chosen yet */
} ti_settings;

/* Reads PATH; a missing or damaged file gives the defaults. NULL: the user's own
 * ($XDG_CONFIG_HOME/thinkedit/panel.json). */
ti_settings *ti_settings_load(const char *path);
void ti_settings_free(ti_settings *settings);
/* False when the disk does not take it; the file is then what it was. */
bool ti_settings_save(const ti_settings *settings, GError **error);
void ti_settings_used(ti_settings *settings, const char *instruction); /* to the front of recent */
void ti_settings_keep(ti_settings *settings, const char *prompt);      /* to saved, once */
void ti_settings_drop(ti_settings *settings, const char *prompt);      /* from saved */
void ti_settings_set_draft(ti_settings *settings, const char *text);
void ti_settings_set_options(ti_settings *settings, const char *preset, const char *options);

#endif

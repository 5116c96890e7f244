/* panel.h - the window that stays open beside the image.
 *
 *     ti_panel *panel = ti_panel_new(&host, NULL);
 *     ti_panel_set_target(panel, &target, thumbnail);
 *     gtk_main();
 *
 * The panel knows widgets and words, nothing of GIMP or the network: it asks its owner (the
 * plug-in, or the stand-alone preview) through ti_panel_host and is told what happened through
 * ti_panel_*(). All on the GTK thread. Strings and pictures passed either way are borrowed for the
 * call.
 */
#ifndef TI_UI_PANEL_H
#define TI_UI_PANEL_H

#include <gtk/gtk.h>

#include "ui/state.h"

typedef enum ti_panel_output {
    TI_OUTPUT_LAYER,
    TI_OUTPUT_REPLACE,
    TI_OUTPUT_IMAGE
} ti_panel_output;

typedef struct ti_panel_request {
    const char *instruction;
    const char *options; /* "preset=fast text-steps=20", as the procedure's options */
    gint64 seed;         /* -1: a new one */
    bool use_selection;
    ti_panel_output output;
    int variations; /* 1 .. 8: the owner submits them one after another with seeds of their own */
} ti_panel_request;

typedef struct ti_panel_host {
    void *user;
    void (*generate)(void *user, const ti_panel_request *request);
    void (*cancel)(void *user, bool all);    /* the running edit; ALL: the waiting ones, too */
    void (*draw_step)(void *user, int step); /* answer: ti_panel_step_picture() */
    void (*apply_again)(void *user, const char *entry);
    void (*forget)(void *user, const char *entry);
    void (*show)(void *user, const char *entry); /* was opened in the history */
    void (*text_layer)(void *user, const char *reasoning);
    void (*poll)(void *user);   /* once a second while visible */
    void (*closed)(void *user); /* the window is gone; edits are cancelled */
} ti_panel_host;

typedef struct ti_panel ti_panel;

/* SETTINGS: path of the panel's file, NULL for the user's own. */
ti_panel *ti_panel_new(const ti_panel_host *host, const char *settings);
void ti_panel_free(ti_panel *panel);
GtkWidget *ti_panel_window(ti_panel *panel);
void ti_panel_present(ti_panel *panel);

/* What /v1/info said: options, presets and model for the form. False when there is no usable model:
 * ask again later. */
bool ti_panel_set_info(ti_panel *panel, const char *json, gssize length);
/* Does the person want to start again from the layer that the chosen one was made of? */
bool ti_panel_wants_source(const ti_panel *panel);
void ti_panel_set_target(ti_panel *panel, const ti_target *target, GdkPixbuf *thumbnail);
/* A layer that came from an edit was selected: shows its reasoning and settings; ENTRY NULL: it did
 * not. Ignored while an edit runs. */
void ti_panel_show_entry(ti_panel *panel, const ti_entry *entry);
/* This image's edits, newest first; takes ENTRIES. THUMBNAILS (GdkPixbuf or NULL) go in parallel.
 */
void ti_panel_set_history(ti_panel *panel, GPtrArray *entries, GPtrArray *thumbnails);

/* ---- the job's life ---- */
void ti_panel_set_waiting(ti_panel *panel, int edits); /* asked for, not begun */
void ti_panel_submitted(ti_panel *panel, int variation, int variations);
void ti_panel_queued(ti_panel *panel, int position);
void ti_panel_progress(ti_panel *panel, const char *stage, int step, int steps, double seconds,
                       double seconds_left);
void ti_panel_text(ti_panel *panel, const char *text);
void ti_panel_preview(ti_panel *panel, GdkPixbuf *picture);
void ti_panel_applying(ti_panel *panel);
void ti_panel_done(ti_panel *panel, const char *reasoning, GdkPixbuf *picture, gint64 seed);
/* RETRY offers the same request again. */
void ti_panel_failed(ti_panel *panel, const char *message, bool retry);
void ti_panel_cancelled(ti_panel *panel);
/* A sentence that ends nothing ("the image was closed: the result opened as a new image"). */
void ti_panel_notice(ti_panel *panel, const char *message);

/* ---- the timeline ---- */
void ti_panel_set_steps(ti_panel *panel, const char *json, gssize length); /* GET .../steps */
void ti_panel_step_picture(ti_panel *panel, int step, GdkPixbuf *picture); /* NULL: it failed */

#endif

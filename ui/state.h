/* state.h - what the panel knows, without widgets: the target, the job under way and what came of
 * it, this image's history. The panel draws it; tests drive it. */
#ifndef TI_UI_STATE_H
#define TI_UI_STATE_H

#include <glib.h>
#include <stdbool.h>

#include "ui/timeline.h"

/* What will be edited. Strings are the state's own copies. */
typedef struct ti_target {
    char *image, *layer; /* names; NULL: nothing is open */
    int width, height;   /* of the layer, pixels */
    bool has_selection;
    int select_x, select_y, select_width, select_height;
    char *source;  /* name of the layer that the chosen one was made of, if it is there */
    char *problem; /* one sentence when this cannot be edited as it is, else NULL */
} ti_target;

typedef enum ti_phase {
    TI_PHASE_IDLE,
    TI_PHASE_WAITING, /* submitted, not begun */
    TI_PHASE_WORKING,
    TI_PHASE_APPLYING, /* the result is on its way into the image */
    TI_PHASE_DONE,
    TI_PHASE_FAILED,
    TI_PHASE_CANCELLED
} ti_phase;

typedef struct ti_entry { /* one past edit of this image */
    char *id;             /* the owner's */
    char *instruction, *reasoning, *options, *model, *time;
    gint64 seed;
    int width, height; /* of what the model was shown, pixels; 0: not told */
    unsigned source;   /* the owner's number for the layer that was edited; 0: not told */
} ti_entry;

typedef struct ti_state {
    ti_target target;
    ti_phase phase;
    int variation, variations; /* running one, from 1, and how many were asked for */
    int position;              /* in the server's queue */
    int waiting;               /* edits asked for that have not begun */
    int step, steps;
    double seconds, seconds_left;
    char *stage;
    char *text;            /* reasoning so far */
    char *message;         /* failure: one sentence */
    bool retry;            /* failure: trying again makes sense */
    ti_timeline *timeline; /* of the newest result, NULL without */
    int shown_step;        /* on the timeline; last = the result */
    GPtrArray *history;    /* ti_entry, newest first */
} ti_state;

ti_state *ti_state_new(void);
void ti_state_free(ti_state *state);

void ti_state_set_target(ti_state *state, const ti_target *target); /* copies */
void ti_state_set_waiting(ti_state *state, int edits);
/* A job's life, in this order. */
void ti_state_submitted(ti_state *state, int variation, int variations);
void ti_state_queued(ti_state *state, int position);
void ti_state_progress(ti_state *state, const char *stage, int step, int steps, double seconds,
                       double seconds_left);
void ti_state_text(ti_state *state, const char *text);
void ti_state_applying(ti_state *state);
void ti_state_done(ti_state *state, const char *reasoning);
void ti_state_failed(ti_state *state, const char *message, bool retry);
void ti_state_cancelled(ti_state *state);
void ti_state_set_timeline(ti_state *state, ti_timeline *timeline); /* takes it */
void ti_state_set_history(ti_state *state, GPtrArray *entries);     /* takes it */

bool ti_state_busy(const ti_state *state);
/* NULL when Generate may be pressed, else the sentence that says what is missing. */
const char *ti_state_obstacle(const ti_state *state, const char *instruction);
double ti_state_fraction(const ti_state *state); /* 0 .. 1 of the whole request; -1: unknown */
char *ti_state_status(const ti_state *state);    /* "Step 12 of 128 · 0:09 · 1:28 left" */
char *ti_state_target_text(const ti_state *state, bool use_selection);
char *ti_duration_text(double seconds); /* "1:28" */

ti_entry *ti_entry_new(const char *id);
void ti_entry_free(gpointer entry);

#endif

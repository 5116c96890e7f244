/* panel_steps.h - what the tests of the panel do and look for, step by step: one GIMP with the
 * images `first` and `second`, one panel. */
#ifndef TESTS_GIMP_PANEL_STEPS_H
#define TESTS_GIMP_PANEL_STEPS_H

#include "parts.h"
#include "session.h"
#include "testing.h"

#define PANEL   "^Thinking-Aware Edit$"
#define MAGENTA 0xc81ea0 /* of the first image */
#define GREEN   0x1ea03c /* of the second */

/* In GIMP: how many layers, how many images. */
#define IN_FIRST  "(length (te-layers first))"
#define IN_SECOND "(length (te-layers second))"
#define OPEN      "(length (te-images))"

extern unsigned long panel, gimp; /* their windows */

int panel_set_up(void **state); /* GIMP with the first image */
int panel_tear_down(void **state);

/* ---- conditions: for session_wait() ---------------------------------------------------------- */

typedef struct seen {
    unsigned colour;
    int least;
} seen; /* pixels of a colour */

bool panel_shows(const void *data); /* a seen */
bool panel_is_usable(const void *name);
bool is_hidden(const void *name);
bool one_plugin_runs(const void *unused);
bool plugin_is_gone(const void *unused);

/* Waits until an expression in GIMP has this value. */
void wait_value(const char *expression, int value, const char *what);
void wait_for_job(bool running);
void wait_idle(void);

/* ---- steps ----------------------------------------------------------------------------------- */

char *ask_text(const char *expression); /* what GIMP displays of it; g_free() */
void signal_server(int signal);
void generate(void);
/* Presses Generate while the server stands still, so that what follows comes in the middle of an
 * edit. */
void generate_held(void);
void call_menu(void);
void undo_in_gimp(void);
/* Writes TEXT in the place of the instruction. */
void write_instruction(const char *text);

/* ---- pictures -------------------------------------------------------------------------------- */

typedef struct area {
    int x, y, width, height;
} area;

/* What IMAGE shows now, as file NAME. */
void save_flat(const char *image, const char *name);
/* How many pixels differ; those outside KEEP (NULL: none) must not. */
int differing(const char *a, const char *b, const area *keep);
/* The part is on the screen, inside the window, and something is drawn there. */
void assert_drawn(const char *name);

#endif

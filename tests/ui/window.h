/* window.h - the panel's window in an X server of its own, for tests: an owner who takes notes,
 * parts found by the names that assistive programs are given, and what is drawn. Whatever is not
 * there fails the test. */
#ifndef TESTS_UI_WINDOW_H
#define TESTS_UI_WINDOW_H

#include "ui/panel.h"

#include <stdbool.h>

#define WINDOW_BLOCK "\xe2\x96\x88" /* U+2588, a masked word */

enum { WINDOW_RED = 0xc81e1e, WINDOW_OUTLINE = 0xffd933 };

/* What the panel asked of its owner. */
struct window_notes {
    char *instruction, *options;
    ti_panel_request request;
    int generated, cancelled, step;
};
extern struct window_notes window_notes;

extern const char *window_keep_folder; /* pictures of the window go there; NULL: nowhere */
extern ti_panel *window_panel;
extern char *window_file; /* the panel's settings */

/* For cmocka: the X server and GTK for a group, a new panel without settings for a test. */
int window_display_start(void **state);
int window_display_stop(void **state);
int window_set_up(void **state);
int window_tear_down(void **state);

void window_open(void); /* with the settings that are there */
void window_close(void);
void window_settle(void);

typedef void (*window_visit_fn)(GtkWidget *widget, void *user);
/* Every part that is on show, the parts' inner ones included. */
void window_visit(GtkWidget *widget, window_visit_fn each, void *user);
const char *window_name_of(GtkWidget *widget);
/* The part of TYPE whose name begins with NAME. */
GtkWidget *window_find(GType type, const char *name);
GtkTextBuffer *window_buffer(const char *name);
GdkRectangle window_place(GtkWidget *widget);

void window_press(const char *name);
void window_write_instruction(const char *text);
void window_show_page(int page); /* 0: result, 1: history, 2: advanced */
void window_assert_says(const char *name, const char *text);

/* The window as it is drawn; kept as NAME.png if pictures are. */
cairo_surface_t *window_look(const char *name);
guint32 window_pixel(cairo_surface_t *shot, int x, int y);
int window_count(guint32 colour); /* pixels that are nearly of it */

/* An edit half done, with a red preview, and its end, with a history of one. */
GdkPixbuf *window_red_picture(void);
void window_begin_edit(void);
void window_end_edit(void);

#endif

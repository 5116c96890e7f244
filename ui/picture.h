/* picture.h - a widget that shows a picture as large as fits, with token cells outlined on it. */
#ifndef TI_UI_PICTURE_H
#define TI_UI_PICTURE_H

#include <gtk/gtk.h>

GtkWidget *ti_picture_new(void);
void ti_picture_set(GtkWidget *picture, GdkPixbuf *pixbuf); /* NULL: nothing to show */
/* Outlines CELLS (token indices, row by row) of a grid; grid_width 0: none. Copies. */
void ti_picture_mark(GtkWidget *picture, const int *cells, int n, int grid_width, int grid_height);

#endif

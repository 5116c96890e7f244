/* host_panel.h - what the panel asks of the GIMP it stands beside, over and above host.h.
 *
 * host_panel_gimp2.c and host_panel_gimp3.c answer it. No GIMP tells a plug-in which image is in
 * front or that a layer was chosen, so the panel asks about the image it knows, once a second; all
 * calls here are short. Ids may be stale: every call looks first.
 */
#ifndef PLUGIN_HOST_PANEL_H
#define PLUGIN_HOST_PANEL_H

#include <gtk/gtk.h>

#include "host.h"

/* ---- one panel for all menu calls -------------------------------------------------------- */

#define TI_PANEL_PROCEDURE "plug-in-thinking-aware-edit-panel"

typedef void (*ti_host_chosen_fn)(int image, int layer, void *user);

/* Hands image and layer to the panel that another process keeps open; false when there is none. */
bool ti_host_relay(int image, int layer);
/* From now on CHOSEN is called for every relay. It may come in the middle of any call to GIMP, so
 * it only takes notes. */
void ti_host_listen(ti_host_chosen_fn chosen, void *user);

/* ---- the window -------------------------------------------------------------------------- */

/* GTK, in GIMP's looks as far as they can be had; false without a display. */
bool ti_host_start_gtk(void);
/* Keeps WINDOW above the GIMP window that the menu was opened in. */
void ti_host_keep_above(GtkWindow *window);

/* ---- the target -------------------------------------------------------------------------- */

bool ti_host_has_image(int image);
bool ti_host_has_layer(int image, int layer);
char *ti_host_image_name(int image);
int ti_host_image_of(int layer); /* -1: the layer is gone */
enum { TI_NO_LAYER = -1, TI_LAYERS = -2 /* more than one */ };
int ti_host_active_layer(int image); /* or one of these */
void ti_host_layer_size(int layer, int *width, int *height);
/* The selection's bounds within the layer, in its coordinates; false when nothing is selected. */
bool ti_host_selection_bounds(int image, int layer, GeglRectangle *bounds);
GdkPixbuf *ti_host_thumbnail(int layer, int side); /* NULL when GIMP has none */

/* ---- changes that one Ctrl+Z takes back -------------------------------------------------- */

void ti_host_set_history(int image, const char *history);
/* TEXT as a text layer above LAYER, as wide as it. The layer's id, -1 on failure. */
int ti_host_text_layer(int image, int layer, const char *text, GError **error);

#endif

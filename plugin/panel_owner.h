/* panel_owner.h - the panel's owner inside GIMP: between ui/panel.h, the server and host_panel.h.
 */
#ifndef PLUGIN_PANEL_OWNER_H
#define PLUGIN_PANEL_OWNER_H

#include "host.h"

/* A menu call: shows IMAGE and LAYER in the panel. When another process has the panel open already,
 * it is told and this returns at once; otherwise this opens it and returns when it is closed. */
bool ti_panel_open(int image, int layer, GError **error);

#endif
